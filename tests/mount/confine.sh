#!/bin/bash
# What a daemon that somebody has taken over could do: nothing but read its source and write its cache. And what all
# others can do with the mount, the cache, and the names of what is in them.
# timeout: 900
# alone: for a moment there is a namespace in which the mounts of others do not end
#
# Tried from inside, in each of its threads (probe.c).
. "$(dirname "$0")/lib.sh"
. tests/s3/lib.sh

# "confine.sh user SOURCE EVENTS": only what is mounted by one who is not root, in a mount namespace where /dev/fuse is
# for all.
chmod 711 "$tmp" # for others
mnt=$tmp/mnt source=${2:-$tmp/source} events=${3:-} outside=$tmp/outside

# What comes of a try: of a directory's daemon, of a bucket's.
cat >"$tmp/wanted" <<'END'
names EIO ok
write-cache ok ok
null ok ok
read-shadow EACCES EACCES
read-file EACCES EACCES
write-file EACCES EACCES
make-file EACCES EACCES
list-folder EACCES EACCES
nameless-file EACCES EACCES
own-environment EACCES EACCES
own-memory EACCES EACCES
truncate EPERM EPERM
rename EACCES EACCES
rename-out EACCES|EXDEV EACCES|EXDEV
unlink EACCES EACCES
make-folder EACCES EACCES
make-folder-in-cache EACCES EACCES
link-in-cache EPERM EPERM
hard-link EPERM EPERM
pipe-in-cache EPERM EPERM
chown EPERM EPERM
fork EPERM EPERM
execve EPERM EPERM
execveat EPERM EPERM
clone3 ENOSYS ENOSYS
signal EPERM EPERM
ptrace EPERM EPERM
read-process EPERM EPERM
gain-rights EPERM EPERM
other-user EPERM EPERM
unshare EPERM EPERM
setns EPERM EPERM
mount EPERM EPERM
umount EPERM EPERM
open-tree EPERM EPERM
module EPERM EPERM
bpf EPERM EPERM
perf EPERM EPERM
io-uring EPERM EPERM
keys EPERM EPERM
clock EPERM EPERM
reboot EPERM EPERM
type-on-terminal EPERM EPERM
newer-call ENOSYS ENOSYS
tcp EAFNOSUPPORT ok
udp EAFNOSUPPORT ok
raw EAFNOSUPPORT EPERM
packets EAFNOSUPPORT EAFNOSUPPORT
local EAFNOSUPPORT EAFNOSUPPORT
pair ok ok
bind EPERM EPERM
listen EPERM EPERM
accept EPERM EPERM
END

# ---- the probe

fresh_outside() {
	rm -rf "$outside"
	mkdir -m 700 "$outside" && echo secret >"$outside/file" && echo secret >"$outside/unlinked"
}

untouched() {
	same "what is outside" "$(cd "$outside" && head -v file unlinked ./*)" "$(printf '==> %s <==\nsecret\n\n' file unlinked ./file ./unlinked)"
}

probe() { # probe COMMAND...: runs it where the probe is
	fresh_outside
	rm -f "$tmp/says"
	PROBE_SAYS=$tmp/says PROBE_OUTSIDE=$outside PROBE_INSIDE=$inside LD_PRELOAD=$tmp/probe.so "$@"
}

each_thread() { # each_thread PID COLUMN: the probe in each, one after the other; what came is what is in this column
	"$PYTHON" - "$1" "$2" "$tmp" "$PATIENCE" <<'END'
import ctypes, os, signal, sys, time
pid, column, tmp, patience = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
libc = ctypes.CDLL(None, use_errno=True)
wanted = {row.split()[0]: row.split()[column] for row in open(tmp + '/wanted')}
threads = sorted(os.listdir('/proc/%d/task' % pid), key=int)
seen = 0
for tid in threads:
    if libc.tgkill(pid, int(tid), signal.SIGUSR2) != 0:
        continue # a worker that has ended
    end = time.monotonic() + patience
    while not open(tmp + '/says').read().endswith('done %s\n' % tid):
        if time.monotonic() > end or not os.path.exists('/proc/%d' % pid):
            sys.exit('no answer of thread %s of %d' % (tid, len(threads)))
        time.sleep(.02)
    lines = open(tmp + '/says').read().splitlines()
    said = dict(line.split() for line in lines[seen:-1])
    seen = len(lines)
    for name in wanted:
        if said.get(name) not in wanted[name].split('|'):
            sys.exit('%s is %s, not %s, in thread %s' % (name, said.get(name), wanted[name], tid))
if len(threads) < 8:
    sys.exit('only %d threads' % len(threads))
END
}

unconfined() { # the tries mean something: elsewhere other things come of them
	local before
	inside=$tmp/inside
	mkdir -p "$inside"
	probe "$PYTHON" -c 'import os, signal; os.kill(os.getpid(), signal.SIGUSR2)' && grep -q "done" "$tmp/says" || return 1
	# In a container more may be refused to everybody than on a machine, but never these.
	before=$(join <(sort "$tmp/says") <(sort "$tmp/wanted") |
		awk '$1 ~ /^(read|write|make|list|truncate|rename|unlink|link|fork|exec|signal|tcp|bind|listen|local|clone3)/ && $2 == $3 { printf "%s ", $1 }')
	[ "$before" = "write-cache " ] || { echo "refused to everybody here: $before"; return 1; }
}

folder_of_cache() { # folder_of_cache: sets inside
	inside=$(echo "$cache"/*)
	[ -d "$inside" ]
}

serves() { # serves MNT
	same "events" "$(events_of "$1")" "$events" && t cat "$1/by-event/"*/2025/*/*/* >/dev/null
}

# ---- a directory

directory() {
	mount_trail "$source" "$mnt" && wait_ready "$mnt" && events=$(events_of "$mnt") && [ "$events" -gt 0 ] && unmount "$mnt" || return 1
	folder_of_cache && probe mount_trail "$source" "$mnt" && wait_ready "$mnt" && each_thread "${pid_of[$mnt]}" 1 && untouched && serves "$mnt"
}

every_thread_says_so() {
	local status
	for status in /proc/"${pid_of[$mnt]}"/task/*/status; do
		same "of $status" "$(awk '$1 ~ /^(NoNewPrivs|Seccomp|CapEff|CapPrm|CapInh):$/ { printf "%s%s ", $1, $2 }' "$status")" \
			"CapInh:0000000000000000 CapPrm:0000000000000006 CapEff:0000000000000006 NoNewPrivs:1 Seccomp:2 " || return 1
	done
	same "the limit of core dumps" "$(sed -n 's/^Max core file size *//p' "/proc/${pid_of[$mnt]}/limits" | tr -s ' ')" "0 0 bytes "
}

ended_by_term() { # unmounted, though it may not do that itself; the warden is gone too
	local warden
	warden=$(warden_of "$mnt") && [ -n "$warden" ] && own "$warden" && kill "${pid_of[$mnt]}" && ended "$mnt" && await 60 gone "$warden"
}

warden_of() { # warden_of MNT
	ps -o pid= --ppid "${pid_of[$1]}" | tr -d ' '
}

warden_is_plain() { # it holds nothing, shows nothing, and signals do not end it
	local warden
	mount_trail "$source" "$mnt" && warden=$(warden_of "$mnt") || return 1
	same "its arguments" "$(tr -d '\0' <"/proc/$warden/cmdline")" "trailfs: warden" && same "its directory" "$(readlink "/proc/$warden/cwd")" / || return 1
	same "what it has open" "$(readlink "/proc/$warden/fd/"* | sed 's/:.*//' | sort | uniq -c | xargs)" "3 /dev/null 1 $source 1 socket" || return 1
	kill -TERM "$warden" && kill -INT "$warden" && kill -HUP "$warden" && ended_by_term
}

warden_goes_with_it() { # when the daemon is killed
	local warden
	mount_trail "$source" "$mnt" && warden=$(warden_of "$mnt") && own "$warden" && kill -KILL "${pid_of[$mnt]}" && await 60 gone "$warden"
	local status=$?
	wait "${pid_of[$mnt]}" 2>/dev/null
	umount -l "$mnt" 2>/dev/null || fusermount3 -uz "$mnt"
	return $status
}

beyond_links() { # symbolic links lead out of the source, also those that come while it is mounted
	local linked=$tmp/linked other=$tmp/other
	mkdir -p "$linked" "$other/deep/er" && cp "$(find "$source" -name '*.json.gz' | sort | sed -n 1p)" "$other/deep/er/one.json.gz" &&
		cp "$(find "$source" -name '*.json.gz' | sort | sed -n 2p)" "$other/two.json.gz" &&
		cp "$(find "$source" -name '*.json.gz' | sort | sed -n 3p)" "$linked/three.json.gz" || return 1
	ln -s "$other/deep" "$linked/folder"
	mount_trail "$linked" "$mnt" && wait_ready "$mnt" && compare "$linked" "$mnt" || return 1
	same "of the folder" "$(t ls "$mnt/folder/er")" one.json || return 1
	ln -s "$other/two.json.gz" "$linked/later.json.gz" && hup "$mnt" && await "$PATIENCE" test -e "$mnt/later.json" && wait_ready "$mnt" &&
		compare "$linked" "$mnt" && not test -e "$mnt/ERRORS" && unmount "$mnt"
}

objects() { # objects N: in $mnt, all indexed
	[ "$(status_of "$mnt" '[.complete, .objects.all]|@tsv')" = "true	$1" ]
}

into_itself() { # links lead to the mount itself, also by a name below it, and to another one: left alone, and named
	local looped=$tmp/looped i
	mkdir "$looped" && cp "$(find "$source" -name '*.json.gz' | sort | sed -n 1p)" "$looped/one.json.gz" &&
		ln -s "$mnt" "$looped/itself" && ln -s itself/events/2025 "$looped/below" && ln -s "$tmp/mnt.other" "$looped/other" || return 1
	mount_trail "$source" "$tmp/mnt.other" && mount_trail "$looped" "$mnt" && await_from "$mnt" objects 1 || return 1
	for i in 1 2; do
		touch "$looped/new.$i" && hup "$mnt" && await "$PATIENCE" test -e "$mnt/new.$i" && await_from "$mnt" objects $((i + 1)) || return 1
	done
	same "what is named" "$(t cut -f 1 "$mnt/ERRORS" | tr '\n' ' ')" "below/ itself/ other/ " &&
		same "as what" "$(t cut -f 2 "$mnt/ERRORS" | sort -u)" "a mount of trailfs, or in one, which is no source" || return 1
	unmount "$mnt" && unmount "$tmp/mnt.other"
}

without() { # a kernel that has none of it: mounted all the same, and said
	PROBE_WITHOUT=1 probe mount_trail "$source" "$mnt" && wait_ready "$mnt" && serves "$mnt" || return 1
	same "how often it is said" "$(grep -c 'not confined' "${log_of[$mnt]}")" 1 &&
		grep -q 'not confined by Landlock (this kernel has none), a seccomp filter (this kernel has none)$' "${log_of[$mnt]}" || return 1
	kill "${pid_of[$mnt]}" && ended "$mnt"
}

logged() { # in the background: by the warden, as it cannot go to the socket of syslog itself
	local pid
	rm -f "$tmp/syslog"
	fresh_outside
	PROBE_SYSLOG=$tmp/syslog PROBE_SAYS=$tmp/says PROBE_OUTSIDE=$outside PROBE_INSIDE=$inside LD_PRELOAD=$tmp/probe.so \
		t env --default-signal=INT,QUIT,HUP "$TRAILFS" -v -v --refresh 0 --cache-dir "$cache" "$source" "$mnt" >/dev/null </dev/null || return 1
	pid=$(pgrep -f -- "$mnt") && own "$pid" && same "how many have its name" "$(wc -w <<<"$pid")" 1 || return 1
	kill -HUP "$pid" && await "$PATIENCE" grep -q listed "$tmp/syslog" || return 1
	kill "$pid" && await 60 gone "$pid" && not mounted "$mnt"
}

has_landlock() {
	"$PYTHON" -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall(444, None, 0, 1) < 1)'
}

no_landlock() { # then the rest is as it is
	skip "files, from inside" "this kernel has no Landlock"
	sed -i '/EACCES/d' "$tmp/wanted"
	untouched() { :; }
	nothing_missing() { :; }
}

nothing_missing() { # elsewhere it is not said
	not grep 'not confined' "${logs[@]}" "$tmp/syslog"
}

# ---- a bucket

bucket() {
	clean_environment
	export AWS_ENDPOINT_URL=$S3_URL AWS_REGION=us-east-1
	give_process "$TEST_KEY" "$TEST_SECRET"
	rm -rf "$cache"
	mount_trail s3://trail "$mnt" && wait_ready "$mnt" && unmount "$mnt" && folder_of_cache || return 1
	probe mount_trail s3://trail "$mnt" && wait_ready "$mnt" && each_thread "${pid_of[$mnt]}" 2 && untouched && serves "$mnt"
}

give_process() { # give_process KEY SECRET: by a command
	printf '#!/bin/sh\nprintf %s\n' "'{\"Version\":1,\"AccessKeyId\":\"$1\",\"SecretAccessKey\":\"$2\"}'" >"$tmp/process.$1"
	chmod +x "$tmp/process.$1"
	printf '[default]\ncredential_process = %s\n' "$tmp/process.$1" >"$HOME/.aws/config.new"
	mv "$HOME/.aws/config.new" "$HOME/.aws/config"
}

other_command() { # another one is set up while it is mounted, and the old keys hold no more
	ctl keys "{\"$TEST_KEY\":{\"secret\":\"revoked\"},\"SECONDKEY\":{\"secret\":\"second-secret\"}}"
	give_process SECONDKEY second-secret
	make_log "$tmp/later" Later && put_object trail "$(log_key later)" "$tmp/later" && hup "$mnt" && await "$PATIENCE" test -d "$mnt/by-event/Later"
	local status=$?
	ctl keys "{\"$TEST_KEY\":{\"secret\":\"$TEST_SECRET\"}}"
	return $status
}

new_home() { # ~/.aws comes while it is mounted
	rm -rf "$HOME/.aws" "$cache"
	use_keys "$TEST_KEY" "$TEST_SECRET"
	mount_trail s3://trail "$mnt" && wait_ready "$mnt" && unmount "$mnt" || return 1
	no_keys
	as_container
	mount_trail s3://trail "$mnt" && wait_ready "$mnt" || return 1
	ctl keys "{\"SECONDKEY\":{\"secret\":\"second-secret\"}}"
	mkdir "$HOME/.aws" && printf '[default]\naws_access_key_id = SECONDKEY\naws_secret_access_key = second-secret\n' >"$HOME/.aws/credentials"
	make_log "$tmp/new" New && put_object trail "$(log_key new)" "$tmp/new" && hup "$mnt" && await "$PATIENCE" test -d "$mnt/by-event/New" && unmount "$mnt"
	local status=$?
	ctl keys "{\"$TEST_KEY\":{\"secret\":\"$TEST_SECRET\"}}"
	return $status
}

as_container() {
	export AWS_CONTAINER_CREDENTIALS_FULL_URI=$S3_URL/ecs/credentials
}

# ---- others

other() { # other UID GID COMMAND...: somebody else
	local uid=$1 gid=$2
	shift 2
	t setpriv --reuid="$uid" --regid="$gid" --clear-groups "$@"
}

kept_out() { # without allow_other nobody gets in, whatever the modes say, and whoever owns the files
	mount_trail "$source" "$mnt" -o umask=0,uid=4321,gid=4321 || return 1
	not other 4321 4321 ls "$mnt" 2>/dev/null && not other 4321 4321 cat "$mnt/README" 2>/dev/null && not other 65534 65534 ls "$mnt" 2>/dev/null &&
		unmount "$mnt"
}

by_modes() { # with it the modes decide
	mount_trail "$source" "$mnt" -o allow_other,uid=4321,gid=4322,umask=027 || return 1
	same "modes" "$(t stat -c %a:%u:%g "$mnt/README" "$mnt/events" | xargs)" "440:4321:4322 550:4321:4322" || return 1
	other 4321 65534 cat "$mnt/README" >/dev/null && other 65534 4322 cat "$mnt/README" >/dev/null && other 65534 4322 ls "$mnt/events" >/dev/null || return 1
	not other 65534 65534 cat "$mnt/README" 2>/dev/null && not other 65534 65534 ls "$mnt/events" 2>/dev/null &&
		not other 65534 65534 stat "$mnt/events/2025" 2>/dev/null && unmount "$mnt"
}

as_user() { # as_user OPTION...: mounted by one who is not root; from then on all as for root
	mkdir -p "$tmp/user/mnt" && cp "$TRAILFS" "$tmp/user/trailfs" && chown -R 65534:65534 "$tmp/user" || return 1
	logs+=("$tmp/user.log")
	log_of[$tmp/user/mnt]=$tmp/user.log
	HOME=$tmp/user start "$tmp/user.log" setpriv --reuid=65534 --regid=65534 --clear-groups "$tmp/user/trailfs" -f --refresh 0 \
		--cache-dir "$tmp/user/cache" "$@" "$source" "$tmp/user/mnt"
	pid_of[$tmp/user/mnt]=$started_pid
	await "$PATIENCE" mounted_by_user && same "what it may do" \
		"$(awk '$1 ~ /^(NoNewPrivs|Seccomp|CapEff):$/ { printf "%s%s ", $1, $2 }' "/proc/$started_pid/status")" "CapEff:0000000000000000 NoNewPrivs:1 Seccomp:2 "
}

mounted_by_user() {
	gone "${pid_of[$tmp/user/mnt]}" || { mounted "$tmp/user/mnt" && other 65534 65534 cat "$tmp/user/mnt/README" >/dev/null 2>&1; }
}

user_ends_by() { # user_ends_by COMMAND...
	as_user || { cat "$tmp/user.log"; return 1; }
	other 65534 65534 ls "$tmp/user/mnt/events" >/dev/null && "$@" && ended "$tmp/user/mnt"
}

user_umounts() {
	await 60 other 65534 65534 fusermount3 -u "$tmp/user/mnt" 2>/dev/null
}

user_terminates() { # somebody is in it
	other 65534 65534 sleep 600 <"$tmp/user/mnt/README" &
	own $!
	kill -TERM "${pid_of[$tmp/user/mnt]}"
}

# ---- the cache

plant() { # plant KIND NAME
	case $1 in
	link) ln -s "$outside/file" "$inside/$2" ;;
	pipe) mkfifo "$inside/$2" ;;
	folder) mkdir "$inside/$2" && echo kept >"$inside/$2/file" ;;
	esac
}

planted() { # planted SOURCE KIND NAME...: in the place of what is there: neither followed nor waited for, and all is served
	local from=$1 kind=$2 name
	shift 2
	for name; do
		rm -rf "$cache"
		mount_trail "$from" "$mnt" && wait_ready "$mnt" && unmount "$mnt" && folder_of_cache && fresh_outside || return 1
		case $name in
		segment) name=$(cd "$inside" && echo *.seg | cut -d' ' -f1) ;;
		pack) name=$(cd "$inside" && echo *.pack | cut -d' ' -f1) ;;
		esac
		rm -f "$inside/$name" && plant "$kind" "$name" || return 1
		mount_trail "$from" "$mnt" && wait_ready "$mnt" && serves "$mnt" && unmount "$mnt" && untouched || { echo "with $name"; return 1; }
	done
	rm -rf "$cache"
}

planted_in_bucket() { # planted_in_bucket KIND
	clean_environment
	export AWS_ENDPOINT_URL=$S3_URL AWS_REGION=us-east-1
	use_keys "$TEST_KEY" "$TEST_SECRET"
	planted s3://planted "$1" pack listings segment 8000000000000000.pack 0000000000000000.pack tmp-8000000000000000
	local status=$?
	clean_environment
	return $status
}

planted_folder() { # in place of the source's own
	rm -rf "$cache"
	mount_trail "$source" "$mnt" && wait_ready "$mnt" && unmount "$mnt" && folder_of_cache && fresh_outside || return 1
	rm -rf "$inside" && ln -s "$outside" "$inside"
	mount_trail "$source" "$mnt" && wait_ready "$mnt" && serves "$mnt" && unmount "$mnt" && untouched && rm -rf "$cache"
}

of_somebody_else() { # of_somebody_else cache|folder: refused, and nothing is put there
	local whose
	rm -rf "$cache"
	mount_trail "$source" "$mnt" && wait_ready "$mnt" && unmount "$mnt" && folder_of_cache || return 1
	[ "$1" = cache ] && whose=$cache || whose=$inside
	find "$inside" -type f ! -name lock -delete
	chown 65534:65534 "$whose"
	mount_trail "$source" "$mnt" && wait_ready "$mnt" && serves "$mnt" && unmount "$mnt" || return 1
	grep -q 'not yours.*keeping the index in memory' "${log_of[$mnt]}" && same "what is in it" "$(ls "$inside")" lock && rm -rf "$cache"
}

# ---- what is said

# Names as they could be in a bucket; each of them is damaged, so named in ERRORS, in the log, by -p.
raw() { # raw FILE...: has what a terminal would act upon
	LC_ALL=C grep -anP '[\x00-\x08\x0b-\x1f\x7f]|(?<![\xc2-\xf4\x80-\xbf])[\x80-\x9f]|\xc2[\x80-\x9f]' "$@" | cat -v | grep .
}

terminal_escapes() {
	local odd=$tmp/esc$'\e[31m\xc2\x9b31m\x9b31m\x7f'apes day=AWSLogs/111122223333/CloudTrail/us-east-1/2025/06/19 name
	mkdir -p "$odd/$day" "$odd/"$'fold\e]0;title\aer'
	for name in $'red\e[31m' $'csi\xc2\x9b31m' $'raw\x9b31m' $'del\x7f' $'bell\a' $'return\rhidden' $'line\nfeed'; do
		echo "no gzip" >"$odd/$day/$name.json.gz"
		echo "no gzip" >"$odd/"$'fold\e]0;title\aer'"/$name.json.gz"
	done
	mount_trail "$odd" "$mnt" -v -v && wait_ready "$mnt" || return 1
	same "lines of ERRORS" "$(t cat "$mnt/ERRORS" | wc -l)" 14 || return 1
	for name in ERRORS .trailfs/status .trailfs/metrics README; do
		t cat "$mnt/$name" >"$tmp/escapes.$(basename "$name")" || return 1
	done
	same "the source in status" "$(jq -r .source "$tmp/escapes.status")" "$tmp/esc?[31m??31m?31m?apes" || return 1
	unmount "$mnt" || return 1
	not raw "${log_of[$mnt]}" "$tmp"/escapes.*
}

escapes_of_arguments() { # messages repeat them
	local odd=$'\e[31m\xc2\x9b0m\x9b1m\x7f'
	{
		"$TRAILFS" "/nowhere/$odd" "$mnt"
		"$TRAILFS" "$source" "/nowhere/$odd"
		"$TRAILFS" --"$odd"
		"$TRAILFS" --since "$odd" "$source" "$mnt"
		"$TRAILFS" --cache-dir "$tmp/c" -p "$odd" "$source"
		"$TRAILFS" --cache-dir "/proc/$odd" -p README "$source" >/dev/null
		"$TRAILFS" --profile "$odd" "s3://trail" "$mnt"
		"$TRAILFS" --endpoint-url "$odd" "s3://trail" "$mnt"
	} >"$tmp/arguments" 2>&1 </dev/null
	[ "$(grep -c '31m' "$tmp/arguments")" -ge 6 ] || { cat -v "$tmp/arguments"; return 1; }
	not raw "$tmp/arguments"
}

apart() { # apart COMMAND...: in a mount namespace of its own
	# The other tests' mounts would not end as long as they are there too: they go at once.
	# shellcheck disable=SC2016
	unshare -m sh -c 'while read -r _ other type _; do case $type in fuse.*) umount -l "$other" ;; esac; done </proc/self/mounts; exec "$@"' - "$@"
}

by_user() {
	mknod -m 666 "$tmp/fuse" c 10 229 && mount --bind "$tmp/fuse" /dev/fuse || { skip "all" "not allowed to make a device"; finish; }
	cp -r "$source" "$tmp/copy" && source=$tmp/copy && chmod -R a+rX "$source"
	check "SIGTERM" user_ends_by user_terminates
	check "fusermount3 -u" user_ends_by user_umounts
	finish
}

[ "${1:-}" != user ] || by_user
"${CC:-cc}" -O1 -shared -fPIC -Wall -Wextra -Werror -o "$tmp/probe.so" tests/mount/probe.c -ldl || give_up "probe.c does not compile"
make_trail source --objects 60 --events 300 --regions 2 --days 2 >/dev/null || give_up "make-trail"

if is_root; then
	check "the tries are none elsewhere" unconfined
	has_landlock || no_landlock
	check "a directory's daemon" directory
	check "as /proc says" every_thread_says_so
	check "SIGTERM" ended_by_term
	check "the warden" warden_is_plain
	check "the warden ends with the daemon" warden_goes_with_it
	check "what is logged" logged
	check "nothing is missing here" nothing_missing
	check "without Landlock and seccomp" without
	start_faults --bucket trail="$source" --bucket planted="$source"
	check "a bucket's daemon" bucket
	check "as /proc says, of a bucket's" every_thread_says_so
	check "credential_process: another one" other_command
	check "SIGTERM, of a bucket's" ended_by_term
	check "credentials that come later" new_home
	for kind in link pipe folder; do
		check "in the cache of a bucket: a $kind" planted_in_bucket $kind
	done
	clean_environment
	check "others: kept out" kept_out
	check "others: by the modes" by_modes
	check "the cache of somebody else" of_somebody_else cache
	check "the folder of somebody else" of_somebody_else folder
	if [ -u "$(command -v fusermount3)" ] && unshare -m true 2>/dev/null; then
		check "mounted by others than root" apart "$0" user "$source" "$events"
	else
		skip "mounted by others than root" "no fusermount3 for that, or no namespaces"
	fi
else
	skip "what is tried from inside, and other users" "not root"
	mount_trail "$source" "$mnt" && wait_ready "$mnt" && events=$(events_of "$mnt") && unmount "$mnt" || give_up "no mount"
fi
check "links that lead out of the source" beyond_links
check "links that lead into itself" into_itself
for kind in link pipe folder; do
	check "in the cache: a $kind" planted "$source" $kind id lock segment tmp-0123456789abcdef 0123456789abcdef.seg listings
done
check "a link for the folder" planted_folder
check "terminal escapes in names" terminal_escapes
check "terminal escapes in arguments" escapes_of_arguments
finish
