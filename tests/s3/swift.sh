#!/bin/bash
# A real S3 server for the tests, on loopback, that speaks another dialect than Ceph's: OpenStack Swift with its s3api.
#
#   swift.sh start DIR     makes DIR (new or empty) and everything in it; prints DIR/env
#   swift.sh stop DIR      ends what runs there, and removes DIR
#
# DIR/env, to be sourced: S3_URL, S3_REGION (requests signed for any other are answered 400, with the right one),
# S3_KEY and S3_SECRET, S3_OTHER_KEY and S3_OTHER_SECRET (a user with no rights to what the first one makes).
# A page of a listing has 100 keys. Each request is a line of DIR/log/access.log.
#
# Root's start installs Swift where apt has it and NO_INSTALL is not set. Exit status 77: it is not installed, the
# last line says why. Nothing outside of DIR is read or written, /etc/swift neither.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/server.sh"
made=log/swift.out # in DIR, when there is a server
python=/usr/bin/python3
# Eventlet would bring a resolver of its own, and Python compile what is beside the tests.
export EVENTLET_NO_GREENDNS=yes PYTHONDONTWRITEBYTECODE=1

ours() { # ours PID: still a process of this server. A zombie has no command line.
	tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF " $dir "
}

stop_all() { # the servers end with the first process
	local pid
	for pid in ${first:-} $(cat "$dir/pids" 2>/dev/null); do
		end "$pid"
	done
}

fail() { # fail WHAT
	say "failed: $1"
	tail -n 20 "$dir/log/swift.out" >&2
	stop_all
	exit 1
}

installed() {
	"$python" -c 'import swift.common.middleware.s3api' 2>/dev/null
}

install() { # of Swift nothing but its Python modules: no service, and no file in /etc/swift
	local apt=(apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120)
	if [ -n "${NO_INSTALL:-}" ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		say "python3-swift is not installed"
		return 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	"${apt[@]}" update >&2
	"${apt[@]}" install -y --no-install-recommends python3-swift >&2 || { say "apt-get cannot install python3-swift"; return 1; }
	installed || { say "this python3-swift has no s3api"; return 1; }
}

answers() { # or is dead, which is seen sooner than that it does not answer
	[ -s "$dir/ready" ] || { ours "$first" || fail "it died"; return 1; }
}

write_env() {
	cat >"$dir/env" <<EOF
S3_URL=http://127.0.0.1:$(cat "$dir/ready")
S3_REGION=$region
S3_KEY=$key
S3_SECRET=$secret
S3_OTHER_KEY=$other_key
S3_OTHER_SECRET=$other_secret
EOF
}

start() {
	local region=eu-north-1 key=trail:tester secret=trail/test+secret other_key=trail:other other_secret=other-test-secret
	local end=$((SECONDS + 120))
	installed || install || exit 77
	[ -z "$(ls -A "$dir" 2>/dev/null)" ] || { say "$dir is not empty"; exit 2; }
	mkdir -p "$dir"/{etc,devices/d1,cache,log} || exit 1
	trap 'stop_all; exit 130' INT TERM HUP
	setsid nohup "$python" "$here/swift_server.py" "$dir" "$region" "$key=$secret=.admin" "$other_key=$other_secret" \
		</dev/null >"$dir/log/swift.out" 2>&1 &
	first=$!
	until ours "$first" || ! kill -0 "$first" 2>/dev/null; do sleep 0.05; done # until then it is a copy of this shell
	until answers; do
		[ $SECONDS -lt $end ] || fail "it does not answer"
		sleep 0.1
	done
	write_env
	echo "$dir/env"
}

main "$@"
