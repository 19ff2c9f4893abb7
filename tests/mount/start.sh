#!/bin/bash
# The command line: exit statuses, one-line messages, the way to the background and back, and -p.
# timeout: 600
. "$(dirname "$0")/lib.sh"

source=$tmp/source mnt=$tmp/mnt

run() { # run ARGUMENT...: in the background it goes by itself
	t env --default-signal=INT,QUIT,HUP "$TRAILFS" --refresh 0 --cache-dir "$cache" "$@" </dev/null
}

fails() { # fails STATUS WORD ARGUMENT...: one line on standard error with WORD in it, and nothing is mounted
	local status=$1 word=$2 got before
	shift 2
	before=$(mounts_here)
	run "$@" >"$tmp/out" 2>"$tmp/err"
	got=$?
	same "exit status" "$got" "$status" || { cat "$tmp/err"; return 1; }
	same "lines on standard error" "$(wc -l <"$tmp/err")" 1 || { cat "$tmp/err"; return 1; }
	grep -qF -- "$word" "$tmp/err" || { echo "no '$word': $(cat "$tmp/err")"; return 1; }
	same "what is mounted" "$(mounts_here)" "$before"
}

daemon_of() { # daemon_of MNT: the pid of the process that serves it
	local dir
	for dir in /proc/[0-9]*; do
		tr '\0' '\n' <"$dir/cmdline" 2>/dev/null | grep -qxF "$1" && [ "$(cat "$dir/comm" 2>/dev/null)" = "$(basename "$TRAILFS")" ] &&
			echo "${dir#/proc/}" && return
	done
	return 1
}

live() { # live MNT: answers
	mounted "$1" && t ls "$1/events" >/dev/null && t cat "$1/README" >/dev/null
}

end_of() { # end_of MNT [SIGNAL]: unmounts it, or sends its daemon a signal; the daemon ends
	local pid
	pid=$(daemon_of "$1") || { echo "no daemon"; return 1; }
	own "$pid"
	if [ -n "${2:-}" ]; then
		kill "-$2" "$pid"
	else
		await 60 fusermount3 -u "$1" 2>/dev/null
	fi
	await 60 gone "$pid" && not mounted "$1"
}

to_background() { # the mount is live when the command is done, and stays
	run "$source" "$mnt" >"$tmp/out" 2>"$tmp/err"
	same "exit status" "$?" 0 && live "$mnt" && not grep . "$tmp/err" || return 1
	compare "$source" "$mnt" && end_of "$mnt"
}

says_what_is_to_come() {
	rm -rf "$cache"
	run "$source" "$mnt" >"$tmp/out" && grep -q "objects.*cat $mnt/.trailfs/status" "$tmp/out" || { cat "$tmp/out"; return 1; }
	end_of "$mnt"
}

own_session() { # not in the group, the session or the directory of who started it; its standard streams are let go of
	local pid fd
	run "$source" "$mnt" >/dev/null && pid=$(daemon_of "$mnt") || return 1
	same "its session" "$(ps -o sid= -p "$pid" | tr -d ' ')" "$pid" &&
		same "its directory" "$(readlink "/proc/$pid/cwd")" / || return 1
	for fd in 0 1 2; do
		same "descriptor $fd" "$(readlink "/proc/$pid/fd/$fd")" /dev/null || return 1
	done
	end_of "$mnt"
}

pipes_end() { # "trailfs ... | cat" ends when the mount is live
	[ -n "$(t "$TRAILFS" --refresh 0 --cache-dir "$tmp/cache.pipe" "$source" "$mnt" </dev/null 2>&1 | t cat)" ] &&
		live "$mnt" && end_of "$mnt"
}

waits_for_index() {
	rm -rf "$cache"
	run --wait "$source" "$mnt" >"$tmp/out" && complete "$mnt" && end_of "$mnt"
}

ends_by() { # ends_by SIGNAL
	run "$source" "$mnt" >/dev/null && live "$mnt" && end_of "$mnt" "$1"
}

foreground_ends_by() { # foreground_ends_by SIGNAL: exit status 0
	mount_trail "$source" "$mnt" && kill "-$1" "${pid_of[$mnt]}" && ended "$mnt"
}

sleeper() { # a process that has its directory in the mount
	start /dev/null bash -c 'cd "$0" && echo >"$1" && exec sleep 600' "$1" "$tmp/slept"
	await "$PATIENCE" test -e "$tmp/slept" && rm "$tmp/slept"
}

ends_while_used() { # SIGTERM with somebody in it: ends all the same
	mount_trail "$source" "$mnt" && sleeper "$mnt/events" && kill -TERM "${pid_of[$mnt]}" && ended "$mnt" && kill "$started_pid"
}

busy_is_busy() { # fusermount3 -u with somebody in it: refused, and all goes on
	local sleeping
	mount_trail "$source" "$mnt" && sleeper "$mnt/events" && sleeping=$started_pid && not fusermount3 -u "$mnt" 2>/dev/null &&
		live "$mnt" && kill "$sleeping" && unmount "$mnt"
}

umounts() { # umount, as root does it
	mount_trail "$source" "$mnt" && await 60 umount "$mnt" 2>/dev/null && ended "$mnt"
}

with_o() { # the options of fstab
	run -o ro,nosuid,nodev,noauto,_netdev,timeout=5,umask=022,cache-size=1G "$source" "$mnt" >/dev/null || return 1
	same "mode" "$(t stat -c %a "$mnt/README")" 444 && same "mode" "$(t stat -c %a "$mnt/events")" 555 || return 1
	grep " $mnt " /proc/self/mounts | grep -E "fuse\.trailfs .*\bro,.*nosuid.*nodev" ||
		{ echo "options: $(grep " $mnt " /proc/self/mounts)"; return 1; }
	end_of "$mnt"
}

owned() {
	run -o uid=12,gid=34 "$source" "$mnt" >/dev/null &&
		same "owner" "$(t stat -c %u:%g "$mnt/README" "$mnt/events" | sort -u)" 12:34 && end_of "$mnt"
}

as_nobody() { # as_nobody COMMAND...
	t setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

private() { # nobody else, and modes that say so
	run "$source" "$mnt" >/dev/null &&
		same "modes" "$(t stat -c %a "$mnt/README" "$mnt/events" "$mnt" | xargs)" "400 500 500" || return 1
	grep " $mnt " /proc/self/mounts | grep -q allow_other && { echo "allow_other"; return 1; }
	not as_nobody ls "$mnt" 2>/dev/null && end_of "$mnt"
}

shared() { # allow_other: others may read
	run -o allow_other "$source" "$mnt" >/dev/null && same "modes" "$(t stat -c %a "$mnt/README" "$mnt/events" | xargs)" "444 555" &&
		as_nobody ls "$mnt/events" >/dev/null && end_of "$mnt"
}

print_file() {
	local event
	event=$(run -p events/2025/06/17 "$source" | head -1) && [ -n "$event" ] || return 1
	run -p "events/2025/06/17/$event" "$source" | jq -e .eventTime >/dev/null || return 1
	mount_trail "$source" "$mnt" && run -p "events/2025/06/17/$event" "$source" | cmp - "$mnt/events/2025/06/17/$event" &&
		run -p "/by-user//" "$source" | diff - <(t ls -U "$mnt/by-user") &&
		run -p README "$source" | cmp - "$mnt/README" && unmount "$mnt"
}

print_top() {
	run -p / "$source" >"$tmp/out" && grep -qx README "$tmp/out" && grep -qx by-user "$tmp/out" && grep -qx AWSLogs "$tmp/out"
}

print_errors() { # of what nothing is known yet: the answer is final
	local bad=$tmp/hurt/AWSLogs/1/CloudTrail/r/2025/06/17/x.json.gz
	make_trail hurt --objects 40 --events 40 >/dev/null && mkdir -p "${bad%/*}" && echo junk >"$bad" || return 1
	t "$TRAILFS" --cache-dir "$tmp/none" -p ERRORS "$tmp/hurt" >"$tmp/out" && same "lines" "$(wc -l <"$tmp/out")" 1 &&
		grep -q "x.json.gz	..*" "$tmp/out" || return 1
	rm "$bad" && says "No such file" t "$TRAILFS" --cache-dir "$tmp/none" -p ERRORS "$tmp/hurt"
}

print_without_cache() {
	t "$TRAILFS" --cache-dir /proc/none -p events/2025/06/17 "$source" >"$tmp/out" && [ -s "$tmp/out" ]
}

print_into_closed_pipe() {
	run -p by-user "$source" | head -1 | grep -q .
}

shows() { # shows WORD ARGUMENT...: on standard output, status 0
	local word=$1
	shift
	t "$TRAILFS" "$@" >"$tmp/out" 2>"$tmp/err" && grep -qF -- "$word" "$tmp/out" && not grep . "$tmp/err"
}

over_dead() { # a mount whose process was killed is taken over
	mount_trail "$source" "$mnt" && kill -KILL "${pid_of[$mnt]}" && await 60 gone "${pid_of[$mnt]}" && mounted "$mnt" || return 1
	run "$source" "$mnt" >/dev/null && live "$mnt" && same "mounts there" "$(mounts_here | wc -l)" 1 && end_of "$mnt"
}

parent_interrupted() { # Ctrl-C while it waits for the index: nothing stays
	local pid
	rm -rf "$cache"
	make_trail large --objects 6000 --events 6000 --days 12 --level 1 >/dev/null || return 1
	start "$tmp/parent" "$TRAILFS" --wait --refresh 0 --cache-dir "$cache" "$tmp/large" "$mnt"
	pid=$started_pid
	await "$PATIENCE" mounted "$mnt" || { echo "never mounted"; return 1; }
	kill -INT "$pid" 2>/dev/null
	await 60 gone "$pid" || { echo "the parent stays"; return 1; }
	wait "$pid"
	case $? in
	0) end_of "$mnt" ;; # it was quicker
	130) await 60 not mounted "$mnt" && not daemon_of "$mnt" ;;
	*) return 1 ;;
	esac
}

no_traces_of_secrets() { # of the environment, in what it shows and says
	AWS_SECRET_ACCESS_KEY=hunter2hunter2 AWS_SESSION_TOKEN=hunter3hunter3 mount_trail "$source" "$mnt" -v -v &&
		wait_ready "$mnt" || return 1
	not t grep -r hunter "$mnt/README" "$mnt/.trailfs/status" "$mnt/.trailfs/metrics" "${log_of[$mnt]}" "$cache" && unmount "$mnt"
}

hints() { # hints WORDS ARGUMENT...: one line on standard error says why there may be nothing, and that is all
	local words=$1
	shift
	run "$@" >"$tmp/out" 2>"$tmp/err"
	same "exit status" "$?" 0 && same "on standard error" "$(cat "$tmp/err")" "trailfs: $tmp/empty: nothing is listed there; check $words"
}

empty_source() {
	mkdir -p "$tmp/empty" && hints "the directory" --wait "$tmp/empty" "$mnt" && end_of "$mnt" || return 1
	hints "the directory, --since, --until, --account, --log-region" --since 2025-01-01 --until 2025-02-01 --account 111122223333 --log-region us-east-1 \
		-p events/count "$tmp/empty" && same "on standard output" "$(cat "$tmp/out")" 0 || return 1
	mount_trail "$tmp/empty" "$mnt" && await "$PATIENCE" grep -q "nothing is listed there" "${log_of[$mnt]}" && unmount "$mnt" || return 1
	echo '{"Records":[]}' >"$tmp/empty/x.json" && run -p events/count "$tmp/empty" >"$tmp/out" 2>"$tmp/err" && not grep . "$tmp/err"
}

make_trail source --objects 40 --events 200 >/dev/null || give_up "make-trail"
mkdir "$mnt" "$tmp/other"
echo x >"$tmp/file"

check "to the background" to_background
check "says what is to come" says_what_is_to_come
check "says that there is nothing" empty_source
check "lets go of its parent" own_session
check "lets go of a pipe" pipes_end
check "--wait" waits_for_index
check "--wait, interrupted" parent_interrupted
for signal in TERM INT; do
	check "SIG$signal" ends_by $signal
	check "-f and SIG$signal" foreground_ends_by $signal
done
check "SIGTERM while it is used" ends_while_used
check "fusermount3 -u while it is used" busy_is_busy
if is_root; then
	check "umount" umounts
fi
check "over a dead mount" over_dead
check "-o with the options of fstab" with_o
check "-o uid, gid" owned
chmod 755 "$tmp"
if is_root && as_nobody test -x "$tmp"; then
	check "private" private
	check "-o allow_other" shared
else
	skip "private, allow_other" "cannot become another user who sees $tmp"
fi
check "no secrets" no_traces_of_secrets

check "-h" shows "Usage: trailfs" -h
check "-V" shows "trailfs " -V
check "no arguments" fails 2 "trailfs: "
check "one argument" fails 2 "trailfs: " "$source"
check "three arguments" fails 2 "trailfs: " "$source" "$mnt" more
check "an unknown option" fails 2 "--nonsense" --nonsense "$source" "$mnt"
check "an unknown -o" fails 2 "nonsense" -o nonsense=1 "$source" "$mnt"
check "a bad --since" fails 2 "yesterday" --since yesterday "$source" "$mnt"
check "a bad --timeout" fails 2 "soon" --timeout soon "$source" "$mnt"
check "a source that is not there" fails 1 "$tmp/nowhere" "$tmp/nowhere" "$mnt"
check "a source that is a file" fails 1 "$tmp/file" "$tmp/file" "$mnt"
check "a mount point that is not there" fails 1 "mkdir -p $tmp/nowhere" "$source" "$tmp/nowhere"
check "a mount point that is a file" fails 1 "not a directory" "$source" "$tmp/file"
check "a mount point above the source" fails 1 "hide the source" "$source" "$tmp"
check "a mount point that is the source" fails 1 "hide the source" "$source" "$source"
check "one mount" mount_trail "$source" "$mnt"
check "another on top of it" fails 1 "fusermount3 -u $mnt" "$source" "$mnt"
check "the first one is still there" live "$mnt"
check "it ends" unmount "$mnt"
check "-p of files and folders" print_file
check "-p of the top" print_top
check "-p of ERRORS" print_errors
check "-p without a cache" print_without_cache
check "-p into a closed pipe" print_into_closed_pipe
check "-p of what is not there" fails 1 "by-user/nobody" -p by-user/nobody "$source"
check "-p below a file" fails 1 "README/x" -p README/x "$source"
check "-p of a source that is not there" fails 1 "$tmp/nowhere" -p / "$tmp/nowhere"
check "nothing is left mounted" same "mounts" "$(mounts_here)" ""
finish
