# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by the tests beside it: mounts, waits, counts. Not a test itself.
#
# Everything happens in a directory of its own ($tmp); the clean-up unmounts only what is in it and ends only what was
# started here. Whatever may not come is waited for by polling, with generous limits: the machine may be slow.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root" || exit 1
TRAILFS=$(realpath "${TRAILFS:-./trailfs}")
if [ -z "${SAN:-}" ]; then
	case $TRAILFS in
	*/build/asan/*) SAN=asan ;;
	*/build/tsan/*) SAN=tsan ;;
	*) SAN= ;;
	esac
fi
# A daemon that is told to end while a read hangs cannot join the thread that is in it.
[ "$SAN" != tsan ] || export TSAN_OPTIONS="${TSAN_OPTIONS:-}:report_thread_leaks=0"
PYTHON=/usr/bin/python3
export PYTHONDONTWRITEBYTECODE=1 LC_ALL=C
umask 022

passed=0 failed=0 skipped=0
tmp=$(realpath "$(mktemp -d "${TMPDIR:-/tmp}/trailfs-test.XXXXXX")") || exit 1
cache=$tmp/cache # of mounts that are not told another one
logs=()          # what the daemons say
started=()       # processes
declare -A pid_of log_of
declare -A born # by process: when, as pids are used again
PATIENCE=120 # seconds for what must come
[ -z "$SAN" ] || PATIENCE=300

mounts_here() { # those in $tmp, the last mounted first
	awk -v top="$tmp/" 'index($2, top) == 1 { print $2 }' /proc/self/mounts | tac
}

mounted() { # mounted MNT
	grep -q " $1 " /proc/self/mounts
}

mounted_live() {
	mounted "$1" && timeout --foreground 60 cat "$1/.trailfs/status" >/dev/null 2>&1
}

birth() { # birth PID: when it was started, in ticks
	local stat
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
	# shellcheck disable=SC2086
	set -- ${stat##*) }
	echo "${20}"
}

gone() { # gone PID: also where nobody fetches its exit status, as in some containers
	local stat
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
	[[ ${stat##*) } == Z* ]] || [ "$(birth "$1")" != "${born[$1]:-$(birth "$1")}" ]
}

own() { # own PID: it is ended with the test
	started+=("$1")
	born[$1]=$(birth "$1")
}

await() { # await SECONDS COMMAND...: until the command succeeds
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

not() {
	! "$@"
}

# For each command that may hang on a mount.
t() { # t COMMAND...
	timeout --foreground -k 5 "$PATIENCE" "$@"
}

clean_up() {
	local status=$? mnt pid
	trap - EXIT
	trap '' INT TERM HUP
	exec 2>/dev/null # where the shell would say of each process that it was killed
	for mnt in $(mounts_here); do
		umount -l "$mnt" 2>/dev/null || fusermount3 -uz "$mnt" 2>/dev/null
	done
	for pid in "${started[@]}"; do
		gone "$pid" || kill -CONT "$pid" 2>/dev/null
		gone "$pid" || kill -KILL "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	[ -n "$(mounts_here)" ] || rm -rf --one-file-system "${tmp:?}"
	exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

finish() { # the last line of each test
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
	exit
}

complaint() { # complaint LOG: the first one of a sanitizer in it
	grep -a -m1 -A40 -E "AddressSanitizer|runtime error:|ThreadSanitizer|LeakSanitizer" "$1"
}

check() { # check NAME COMMAND...: passes when the command does; what it says is shown when not, and the last daemon's log
	local name=$1
	shift
	figure= # what a command that passes sets is shown with its name
	if "$@" >"$tmp/said" 2>&1; then
		passed=$((passed + 1))
		echo "ok $name${figure:+: $figure}"
		return 0
	fi
	failed=$((failed + 1))
	echo "FAIL $name: $(head -12 "$tmp/said" | cut -c1-400)"
	[ ${#logs[@]} = 0 ] || { complaint "${logs[-1]}" || tail -4 "${logs[-1]}"; } | cut -c1-300 | sed 's/^/    log: /'
	return 1
}

skip() { # skip NAME WHY
	skipped=$((skipped + 1))
	echo "skip $1: $2"
}

give_up() { # give_up WHY: nothing after this makes sense
	failed=$((failed + 1))
	echo "FAIL $1"
	finish
}

same() { # same WHAT FOUND WANTED
	[ "$2" = "$3" ] || { echo "$1 is '$2', not '$3'"; return 1; }
}

says() { # says WORD COMMAND...: what the command says has WORD in it; its status is $status
	local word=$1
	shift
	said=$("$@" 2>&1)
	status=$?
	[[ $said == *"$word"* ]] || { echo "status $status, and not '$word': $said"; return 1; }
}

# Signals that this shell has its children ignore would not reach them: hence env --default-signal.
start() { # start LOG COMMAND...: in the background, its pid is in $started_pid
	local log=$1
	shift
	env --default-signal=INT,QUIT,HUP "$@" </dev/null >>"$log" 2>&1 &
	started_pid=$!
	own "$started_pid"
}

discard() { # discard MNT: what a test that failed has left there
	[ -z "${pid_of[$1]:-}" ] || gone "${pid_of[$1]}" || {
		kill -KILL "${pid_of[$1]}"
		wait "${pid_of[$1]}" 2>/dev/null
		umount -l "$1" 2>/dev/null || fusermount3 -uz "$1"
	}
}

start_trail() { # start_trail SOURCE MNT [OPTION...]: without waiting
	local source=$1 mnt=$2 log
	shift 2
	discard "$mnt"
	mkdir -p "$mnt" 2>/dev/null
	log=$tmp/log.$((${#logs[@]} + 1))
	logs+=("$log")
	case " $* " in
	*" --cache-dir "*) ;;
	*) set -- --cache-dir "$cache" "$@" ;;
	esac
	start "$log" "$TRAILFS" -f --refresh 0 "$@" "$source" "$mnt"
	pid_of[$mnt]=$started_pid
	log_of[$mnt]=$log
}

live_or_dead() { # live_or_dead MNT
	gone "${pid_of[$1]}" || mounted_live "$1"
}

mount_trail() { # mount_trail SOURCE MNT [OPTION...]: until it answers
	start_trail "$@"
	await "$PATIENCE" live_or_dead "$2"
	if gone "${pid_of[$2]}" || ! mounted "$2"; then
		echo "not mounted on $2: $(tail -5 "${log_of[$2]}")"
		return 1
	fi
}

status_of() { # status_of MNT FILTER: of .trailfs/status
	t cat "$1/.trailfs/status" | jq -r "$2"
}

dead() { # dead MNT: its daemon has ended, so that nothing comes any more
	[ -n "${pid_of[$1]:-}" ] && gone "${pid_of[$1]}" && not mounted_live "$1"
}

await_from() { # await_from MNT COMMAND...: until the command succeeds, or its daemon has ended
	local mnt=$1 end=$((SECONDS + PATIENCE))
	shift
	until "$@"; do
		not dead "$mnt" || { echo "the daemon of $mnt has ended"; return 1; }
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

complete() { # complete MNT
	[ "$(status_of "$1" .complete)" = true ]
}

wait_ready() { # wait_ready MNT: until nothing is left to index
	await_from "$1" complete "$1" || { echo "never complete: $(t cat "$1/.trailfs/status")"; return 1; }
}

# What the sanitizers found is on the daemon's standard error.
ended_well() { # ended_well MNT: after its end
	local status
	wait "${pid_of[$1]}"
	status=$?
	not complaint "${log_of[$1]}" || return 1
	same "the daemon's exit status" "$status" 0
}

ended() { # ended MNT: its process ends, and well
	await 60 gone "${pid_of[$1]}" || { echo "still runs 60 s after its end was asked for"; return 1; }
	not mounted "$1" || { echo "ended, but $1 is mounted"; return 1; }
	ended_well "$1"
}

unmount() { # unmount MNT
	mounted "$1" || { echo "nothing is mounted on $1"; return 1; }
	await 60 fusermount3 -u "$1" 2>/dev/null || { echo "fusermount3 -u $1: $(fusermount3 -u "$1" 2>&1)"; return 1; }
	ended "$1"
}

hup() { # hup MNT
	kill -HUP "${pid_of[$1]}"
}

# The root's times are those of what is indexed so far, and the kernel keeps them for a second.
compare() { # compare [OPTION...] SOURCE MNT: equal to the model
	local end=$((SECONDS + PATIENCE)) model=(timeout --foreground -k 5 $((2 * PATIENCE)) "$PYTHON" tests/model/compare.py "$@")
	until "${model[@]}" >"$tmp/compared" 2>&1; do
		if grep -qavE "^('': [mc]time is|compare: )" "$tmp/compared" || [ $SECONDS -gt $end ]; then
			cat "$tmp/compared"
			return 1
		fi
		sleep 0.2
	done
}

agrees() { # agrees MODEL SOURCE MNT [OPTION...]: with tests/model/MODEL.py, when all is indexed; a seed is in what it says
	wait_ready "$3" && timeout --foreground -k 5 $((2 * PATIENCE)) "$PYTHON" "tests/model/$1.py" "${@:4}" "$2" "$3"
}

agrees_mounted() { # agrees_mounted MODEL SOURCE "MODEL-OPTIONS" [OPTION...]: a mount of its own on $mnt; OPTIONs are for both
	local by=$1 source=$2 options=$3 result=0
	shift 3
	mount_trail "$source" "$mnt" --cache-dir "$(mktemp -d "$tmp/cache.XXXX")" "$@" || return 1
	# shellcheck disable=SC2086
	agrees "$by" "$source" "$mnt" $options "$@" || result=1
	unmount "$mnt" && return $result
}

# As programs that never heard of tail do: read, and at the end read again.
read_on() { # read_on FILE COPY: for ever; with & behind it, its pid is $!
	exec "$PYTHON" -c '
import sys, time
with open(sys.argv[1], "rb", buffering=0) as file, open(sys.argv[2], "wb", buffering=0) as out:
    while True:
        out.write(file.read(777))
        time.sleep(0.003)' "$@"
}

make_trail() { # make_trail NAME OPTION...: $tmp/NAME
	local name=$1
	shift
	scripts/make-trail "$@" "$tmp/$name"
}

odd_trails() { # odd_trails NAME...: $tmp/odd/NAME
	"$PYTHON" tests/model/odd_trails.py "$tmp/odd" "$@"
}

some_odd_trails() { # some_odd_trails EACH: each EACH-th of all; their names are in $odd
	odd=$("$PYTHON" tests/model/odd_trails.py --list | awk -v each="$1" 'NR % each == 0')
	# shellcheck disable=SC2086
	odd_trails $odd || give_up "odd_trails.py"
}

# ---- reads that hang (slow_read.c): those of the logs of day $slow, as long as $tmp/hang is there

make_slow_reads() {
	"${CC:-cc}" -O1 -shared -fPIC -Wall -Wextra -Werror -o "$tmp/slow_read.so" tests/mount/slow_read.c -ldl ||
		give_up "slow_read.c does not compile"
}

slowly() { # slowly COMMAND...: with such reads
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 \
		SLOW_PATH=$slow SLOW_WHILE=$tmp/hang SLOW_COUNT=$tmp/count LD_PRELOAD=$tmp/slow_read.so "$@"
}

hanging() { # such a read has begun
	[ -s "$tmp/count" ]
}

begin_slow() { # $source on $mnt: all days are known but $slow, the reading of which hangs
	mkdir "$tmp/aside" && (cd "$source" && find AWSLogs -path "*/$slow/*" -type f) >"$tmp/slow" &&
		rsync -a --remove-source-files --files-from="$tmp/slow" "$source/" "$tmp/aside/" &&
		mount_trail "$source" "$mnt" --cache-dir "$tmp/cache.slow" && wait_ready "$mnt" && unmount "$mnt" || return 1
	rsync -a "$tmp/aside/" "$source/" && touch "$tmp/hang" || return 1
	slowly mount_trail "$source" "$mnt" --cache-dir "$tmp/cache.slow" || return 1
	await "$PATIENCE" hanging || { echo "no read hangs"; return 1; }
}

parked() { # parked N: so many calls to $mnt wait
	[ "$(t cat "$mnt/.trailfs/metrics" | awk '$1 == "trailfs_parked_calls" { print $2 }')" -ge "$1" ]
}

is_root() {
	[ "$(id -u)" = 0 ]
}
