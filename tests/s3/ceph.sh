#!/bin/bash
# A real S3 server for the tests, on loopback: Ceph's object gateway with one monitor and one OSD in memory.
#
#   ceph.sh start DIR     makes DIR (new or empty) and everything in it; prints DIR/env
#   ceph.sh stop DIR      ends what runs there, and removes DIR
#
# DIR/env, to be sourced: S3_URL, S3_TLS_URL (its certificate is signed by DIR/ca.pem), S3_STS_URL (a second gateway,
# that knows AssumeRole for S3_ROLE, which may read; it says AccessDenied where the first says SignatureDoesNotMatch),
# S3_KEY and S3_SECRET, S3_OTHER_KEY and S3_OTHER_SECRET (a user with no rights to what the first one makes).
# Each request is a line of DIR/log/access.log. Exit status 77: Ceph is not installed.
#
# Host must be 127.0.0.1 or s3.localhost or BUCKET.s3.localhost: any other name is taken for a bucket.
set -u
. "$(dirname "$0")/server.sh"
made=ceph.conf # in DIR, when there is a cluster

ours() { # ours PID: still a process of this cluster. A zombie has no command line.
	tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF "$dir/"
}

stop_all() {
	local file
	for file in "$dir"/run/*.pid; do
		[ -s "$file" ] || continue
		end "$(cat "$file")"
	done
}

fail() { # fail WHAT
	local file
	say "failed: $1"
	for file in "$dir"/log/*; do
		[ ! -s "$file" ] || { echo "== $file"; tail -n 8 "$file"; } >&2
	done
	stop_all
	exit 1
}

free_ports() { # free_ports N: none given twice
	/usr/bin/python3 - "$1" <<'EOF'
import socket, sys
held = []
for _ in range(int(sys.argv[1])):
    one = socket.socket()
    one.bind(('127.0.0.1', 0))
    held.append(one)
print(' '.join(str(one.getsockname()[1]) for one in held))
EOF
}

await() { # await SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

begin() { # begin NAME COMMAND...: in a session of its own, its pid is noted
	local name=$1
	shift
	setsid nohup "$@" </dev/null >"$dir/log/$name.out" 2>&1 &
	echo $! >"$dir/run/$name.pid"
	await 10 ours "$!" # until then it is a copy of this shell
}

answers() { # answers NAME PORT: or is dead, which is seen sooner than that it does not answer
	ours "$(cat "$dir/run/$1.pid")" || fail "$1 died"
	(exec 3<>"/dev/tcp/127.0.0.1/$2")
}

ask() { # the monitor
	timeout 60 ceph -c "$conf" --connect-timeout 50 "$@"
}

admin() {
	timeout 120 radosgw-admin -c "$conf" "$@" >>"$dir/log/admin.out" 2>&1 || fail "radosgw-admin $1 $2"
}

osd_up() {
	ours "$(cat "$dir/run/osd.pid")" || fail "ceph-osd died"
	ask osd stat -f json | grep -q '"num_up_osds":1'
}

make_certificate() { # by an authority of its own, for the names a test may use
	local name='subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:s3.localhost,DNS:*.s3.localhost'
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=test authority" \
		-keyout "$dir/ca.key" -out "$dir/ca.pem" 2>>"$dir/log/openssl.out" &&
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=s3.localhost" \
			-keyout "$dir/tls.key" -out "$dir/tls.csr" 2>>"$dir/log/openssl.out" &&
		openssl x509 -req -in "$dir/tls.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -days 30 \
			-extfile <(echo "$name") -out "$dir/tls.pem" 2>>"$dir/log/openssl.out" || fail "openssl"
}

# What is not said here is told in Ceph's reference. The gateway's own default, a secure connection to the monitor,
# wants keys that are not there: it would hang.
write_conf() {
	cat >"$conf" <<EOF
[global]
fsid = $fsid
mon host = [v2:127.0.0.1:$mon_port]
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
ms bind msgr1 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail warn = 2
mon data avail crit = 1
paxos propose interval = 0.05
paxos min wait = 0.01
run dir = $dir/run
pid file =
admin socket =
crash dir = $dir/run
log file = $dir/log/\$name.log
mon cluster log file = $dir/log/cluster.log
[mon]
mon data = $dir/mon
[osd]
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd min pg log entries = 20
osd max pg log entries = 50
osd class load list = *
osd class default list = *
[client]
rgw data = $dir/rgw
rgw dns name = s3.localhost
rgw rados pool pg num min = 4
rgw thread pool size = 64
rgw enable gc threads = false
rgw enable lc threads = false
rgw dynamic resharding = false
rgw run sync thread = false
rgw num control oids = 1
[client.rgw.main]
log file = $dir/log/access.log
debug rgw = 1/1
rgw frontends = beast endpoint=127.0.0.1:$port tcp_nodelay=1 ssl_endpoint=127.0.0.1:$tls_port ssl_certificate=$dir/tls.pem ssl_private_key=$dir/tls.key
[client.rgw.sts]
rgw frontends = beast endpoint=127.0.0.1:$sts_port tcp_nodelay=1
rgw s3 auth use sts = true
rgw sts key = trailfs-test-16b
EOF
}

start_store() {
	monmaptool --create --clobber --fsid "$fsid" --addv a "[v2:127.0.0.1:$mon_port]" "$dir/monmap" >"$dir/log/monmap.out" 2>&1 &&
		ceph-mon -c "$conf" -i a --mkfs --monmap "$dir/monmap" --keyring /dev/null >>"$dir/log/monmap.out" 2>&1 || fail "ceph-mon --mkfs"
	begin mon ceph-mon -c "$conf" -i a -f
	ask osd new "$uuid" 0 >"$dir/log/new.out" 2>&1 || fail "the monitor does not answer"
	ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$uuid" >"$dir/log/mkfs.out" 2>&1 || fail "ceph-osd --mkfs"
	begin osd ceph-osd -c "$conf" -i 0 -f
	await 120 osd_up || fail "the OSD does not come up"
}

make_users() {
	local reads='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*"],"Resource":["arn:aws:s3:::*"]}]}'
	local trusts='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam:::user/trail"]},"Action":["sts:AssumeRole"]}]}'
	admin user create --uid=trail --display-name=trail --access-key="$key" --secret-key="$secret"
	admin user create --uid=other --display-name=other --access-key="$other_key" --secret-key="$other_secret"
	admin caps add --uid=trail --caps="user-policy=*;roles=*"
	admin role create --role-name=reader --path=/ --assume-role-policy-doc="$trusts"
	admin role-policy put --role-name=reader --policy-name=read --policy-doc="$reads"
}

start_gateways() {
	begin rgw radosgw -c "$conf" -n client.rgw.main -f
	begin sts radosgw -c "$conf" -n client.rgw.sts -f
	await 120 answers rgw "$port" || fail "the gateway does not answer"
	await 120 answers rgw "$tls_port" || fail "the gateway does not answer over TLS"
	await 120 answers sts "$sts_port" || fail "the second gateway does not answer"
}

write_env() {
	cat >"$dir/env" <<EOF
S3_URL=http://127.0.0.1:$port
S3_TLS_URL=https://127.0.0.1:$tls_port
S3_STS_URL=http://127.0.0.1:$sts_port
S3_KEY=$key
S3_SECRET=$secret
S3_OTHER_KEY=$other_key
S3_OTHER_SECRET=$other_secret
S3_ROLE=arn:aws:iam:::role/reader
EOF
}

start() {
	local command
	for command in ceph-mon ceph-osd radosgw radosgw-admin monmaptool ceph openssl; do
		command -v "$command" >/dev/null || { say "$command is not installed"; exit 77; }
	done
	[ -z "$(ls -A "$dir" 2>/dev/null)" ] || { say "$dir is not empty"; exit 2; }
	mkdir -p "$dir"/{mon,osd,rgw,run,log} || exit 1
	cd / || exit 1 # some ceph-osd look for their classes relative to it
	conf=$dir/ceph.conf
	fsid=$(cat /proc/sys/kernel/random/uuid) uuid=$(cat /proc/sys/kernel/random/uuid)
	key=TRAILTESTKEY secret=trail/test+secret other_key=OTHERTESTKEY other_secret=other-test-secret
	trap 'stop_all; exit 130' INT TERM HUP
	read -r mon_port port tls_port sts_port <<<"$(free_ports 4)"
	make_certificate
	write_conf
	start_store
	make_users
	start_gateways
	write_env
	echo "$dir/env"
}

main "$@"
