# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by the parts beside it, which scripts/bench runs: makes trails, mounts, times in turns, prints rows. Not a part itself.
#
# A thing that is timed is a function. Around it, where they exist: NAME_before (untimed), NAME_after (untimed: whether
# the result is right; what NAME printed is in $tmp/NAME.out). What fails once is not timed again, and its rows fail.
export TMPDIR=$BENCH_DATA # on one disk with the trails; before the next line, which makes $tmp
. "$(dirname "${BASH_SOURCE[0]}")/../mount/lib.sh"

PATIENCE=1800
built=${BENCH_BUILT:-build/release}
mnt=$tmp/mnt
declare -A broken=()
rows_failed=0
mkdir -p "$mnt" || exit 1

by_size() { # by_size FULL QUICK SMOKE
	case $BENCH_SIZE in
	full) echo "$1" ;;
	quick) echo "$2" ;;
	*) echo "$3" ;;
	esac
}

have() { # have PROGRAM: a peer
	[ "$BENCH_SIZE" != smoke ] && command -v "$1" >/dev/null
}

# ---- trails ----

# Kept from run to run, under a name that says what made it.
trail() { # trail NAME OPTION...: $source, and its $objects $events $inflated $stored
	local name=$1
	shift
	source=$BENCH_DATA/trails/$name-$( (echo "$@" && cat scripts/make-trail scripts/trail/*.py) | md5sum | cut -c1-12)
	if [ ! -e "$source.made" ]; then
		rm -rf --one-file-system "$source"
		mkdir -p "$source" || exit 1
		scripts/make-trail --jobs "$(nproc)" "$@" "$source" >"$source.said" || give_up "make-trail $*"
		mv "$source.said" "$source.made"
	fi
	read -r objects _ events _ inflated _ _ stored _ <"$source.made"
}

tiny_trail() {
	# shellcheck disable=SC2046
	trail tiny --preset tiny $(by_size "" "--objects 1000 --events 5000" "--objects 60 --events 300 --days 3")
}

busy_trail() {
	# shellcheck disable=SC2046
	trail busy --preset busy $(by_size "" "--objects 30 --events 57000" "--objects 6 --events 1200")
}

huge_trail() { # huge_trail NAME EVENTS-PART: a tenth of the events is 10
	local all
	all=$(by_size 10000000 300000 3000)
	# shellcheck disable=SC2046
	trail "$1" --preset huge --events $((all / $2)) $(by_size "" "--objects 530 --days 30" "--objects 60 --days 3")
}

thousands() { # thousands N: 20000 is 20,000
	sed -E ':a;s/([0-9])([0-9]{3})($|,)/\1,\2\3/;ta' <<<"$1"
}

logs_of() { # logs_of DIRECTORY...: their names, ended by NUL
	find "$@" -name '*.gz' -print0
}

# ---- mounting ----

mount_index() { # mount_index SOURCE CACHE [OPTION...]: on $mnt, as people do it; returns when the index is complete
	local source=$1 cache=$2
	shift 2
	"$TRAILFS" --wait --refresh 0 --cache-dir "$cache" "$@" "$source" "$mnt" >"$tmp/mount.said" 2>&1 || { cat "$tmp/mount.said" >&2; return 1; }
}

# The daemon is waited for as well: nothing of it may run beside what is timed next.
unmount_all() {
	local at pid
	for at in $(mounts_here); do
		pid=$(pgrep -f -- " $at\$")
		await 60 unmounted "$at" || give_up "$at: cannot be unmounted"
		for pid in $pid; do
			await 60 gone "$pid" || give_up "$at: process $pid does not end"
		done
	done
}

unmounted() {
	fusermount3 -u "$1" 2>/dev/null || umount "$1" 2>/dev/null
	! mounted "$1"
}

can_drop() {
	[ "$BENCH_SIZE" != smoke ] && is_root && [ -w /proc/sys/vm/drop_caches ]
}

drop_caches() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
}

# Kernel requests of $mnt so far. The file is made anew when it is a quarter of a second old.
requests_now() {
	sleep 0.26
	awk '/^trailfs_fuse_requests_total/ { n += $2 } END { print n + 0 }' "$mnt/.trailfs/metrics"
}

count_requests() { # count_requests NAME FILES COMMAND...: adds to NAME the requests that the command makes for each of its files
	local name=$1 files=$2 before own after
	shift 2
	cat "$mnt/.trailfs/metrics" >/dev/null # the first time costs more
	before=$(requests_now)
	own=$(($(requests_now) - before))
	"$@" >"$tmp/$name.out" || { broken[$name]=1; return 1; }
	after=$(requests_now)
	add "$name" "$(awk -v n=$((after - before - 2 * own)) -v files="$files" 'BEGIN { printf "%.6f", n / files }')"
}

# ---- measuring ----

add() { # add NAME VALUE: one measured value
	echo "$2" >>"$tmp/$1.values"
}

hook() { # hook NAME: runs it if there is such a function
	! declare -F "$1" >/dev/null || "$1"
}

once() { # once NAME
	local from to status
	[ -z "${broken[$1]:-}" ] || return 1
	if hook "$1_before"; then
		from=$EPOCHREALTIME
		"$1" >"$tmp/$1.out" 2>"$tmp/$1.err"
		status=$?
		to=$EPOCHREALTIME
		if [ $status = 0 ] && hook "$1_after"; then
			add "$1" "$(awk -v a="$from" -v b="$to" 'BEGIN { printf "%.6f", b - a }')"
			return 0
		fi
	fi
	broken[$1]=1
	echo "$1 failed: $(tail -n 3 "$tmp/$1.err" | cut -c1-400)" >&2
	return 1
}

rounds() { # rounds NAME...: each $BENCH_RUNS times, in turns
	local round name
	for ((round = 0; round < BENCH_RUNS; round++)); do
		for name; do
			once "$name"
		done
	done
}

median() { # median NAME
	sort -n "$tmp/$1.values" | awk '{ v[NR] = $1 } END { printf "%.6f\n", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

start_over() { # the same names for other data
	[ ${#broken[@]} = 0 ] || rows_failed=1
	broken=()
	rm -f "$tmp"/*.values
}

measured() { # measured NAME...
	local name
	for name; do
		[ -z "${broken[$name]:-}" ] && [ -s "$tmp/$name.values" ] || return 1
	done
}

same_lines() { # same_lines NAME NAME: they printed the same, in whatever order
	cmp -s <(sort "$tmp/$1.out") <(sort "$tmp/$2.out") || { echo "$1 and $2 do not find the same"; return 1; } >&2
}

lines_are() { # lines_are NAME COUNT
	same "number of lines of $1" "$(wc -l <"$tmp/$1.out")" "$2" >&2
}

# ---- rows ----

row() { # row NUMBER WHAT OURS AGAINST THEIRS RATIO REACH VERDICT
	local IFS=$'\t'
	echo "$*$IFS$BENCH_RUNS" >>"$BENCH_RESULT"
	[ "$8" != FAILED ] || rows_failed=1
	[ "$BENCH_SIZE" = smoke ] && [ "$8" != FAILED ] || printf '%-3s %-58s %13s %-44s %13s %8s %8s  %s\n' "$@"
}

verdict() { # verdict VALUE REACH: <=N or >=N, or nothing
	awk -v v="$1" -v r="$2" 'BEGIN {
		limit = substr(r, 3) + 0
		print r == "" ? "-" : (r ~ /^</ ? v <= limit : v >= limit) ? "met" : "not met"
	}'
}

in_seconds() {
	awk -v v="$1" 'BEGIN { if (v < 1) printf "%.1f ms", v * 1000; else printf "%.2f s", v }'
}

compare() { # compare NUMBER WHAT OURS AGAINST THEIRS REACH: the ratio of medians, ours by theirs; ">=N": theirs by ours
	local ours theirs ratio
	if ! measured "$3" "$5"; then
		row "$1" "$2" - "$4" - - "$6" FAILED
		return
	fi
	ours=$(median "$3") theirs=$(median "$5")
	ratio=$(awk -v a="$ours" -v b="$theirs" -v r="$6" 'BEGIN { printf "%.2f", r ~ /^>/ ? b / a : a / b }')
	row "$1" "$2" "$(in_seconds "$ours")" "$4" "$(in_seconds "$theirs")" "$ratio" "$6" "$(verdict "$ratio" "$6")"
}

value() { # value NUMBER WHAT NAME UNIT REACH: a median by itself
	local v
	if ! measured "$3"; then
		row "$1" "$2" - - - - "$5" FAILED
		return
	fi
	v=$(median "$3")
	row "$1" "$2" "$(awk -v v="$v" 'BEGIN { printf v == int(v) ? "%d" : v < 1 ? "%.4f" : v < 100 ? "%.2f" : "%.0f", v }') $4" - - - "$5" "$(verdict "$v" "$5")"
}

absent() { # absent NUMBER WHAT AGAINST REACH WHY
	row "$1" "$2" - "$3" - - "$4" "skipped: $5"
}

no_peer() { # no_peer NUMBER WHAT AGAINST REACH PROGRAM
	if [ "$BENCH_SIZE" = smoke ]; then
		absent "$1" "$2" "$3" "$4" "no peers in a smoke run"
	else
		absent "$1" "$2" "$3" "$4" "$5 is not installed"
	fi
}

end_part() {
	unmount_all
	[ $rows_failed = 0 ] && [ ${#broken[@]} = 0 ]
	exit
}
