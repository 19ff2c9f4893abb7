#!/bin/bash
# The first figures that count, as ratios to the plain tools on this machine: medians of 3.
#   first_figures.sh [MAKE-TRAIL-OPTION...]     another bucket than --preset bench
# TRAILFS names the program (./trailfs). Wants about 2 GB in $TMPDIR, and a machine that does nothing else.
set -u
cd "$(dirname "$0")/../.." || exit 1
trailfs=${TRAILFS:-$PWD/trailfs}
tmp=$(mktemp -d) || exit 1
mnt=$tmp/mnt bucket=$tmp/bucket

mounted() {
	grep -q " $mnt " /proc/self/mounts
}

unmount() {
	local end=$((SECONDS + 30))
	fusermount3 -u "$mnt" || umount -l "$mnt"
	while mounted && [ $SECONDS -lt $end ]; do
		sleep 0.1
	done
}

cleanup() {
	trap '' INT TERM HUP
	mounted && unmount
	rm -rf --one-file-system "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

seconds() { # seconds COMMAND...: how long it takes; it has to succeed
	local from=$EPOCHREALTIME
	"$@" >/dev/null || { echo "first_figures: failed: $*" >&2; exit 1; }
	awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f\n", b - a }'
}

median() { # of exactly three
	sort -n | awk 'NR == 2 { middle = $1 } END { if (NR == 3) print middle }'
}

inflate() {
	find "$bucket" -name '*.gz' -print0 | xargs -0 -P2 zcat
}

search() { # no event has it, so every byte is read
	! grep -r no-event-holds-this "$1"
}

mount_cache() { # mount_cache DIR: returns when the index is complete
	"$trailfs" --wait --cache-dir "$1" "$bucket" "$mnt" 2>"$tmp/log" || { cat "$tmp/log" >&2; return 1; }
}

reads() {
	sed -n 's/^trailfs_fuse_requests_total{op="read"} //p' "$mnt/.trailfs/metrics"
}

first_index() { # prints three times
	local round
	for round in 1 2 3; do
		seconds mount_cache "$tmp/cache$round" || exit 1
		unmount
		[ "$round" = 1 ] || rm -rf "$tmp/cache$round"
	done
}

passes() { # of three fresh mounts of an indexed bucket: first pass and second pass go to files
	local round before
	for round in 1 2 3; do
		mount_cache "$tmp/cache1" || exit 1
		before=$(reads)
		seconds search "$mnt/events" >>"$tmp/first"
		echo $(($(reads) - before)) >>"$tmp/reads_first"
		before=$(reads)
		seconds search "$mnt/events" >>"$tmp/warm"
		echo $(($(reads) - before)) >>"$tmp/reads_warm"
		unmount
	done
}

copy() {
	mount_cache "$tmp/cache1" && cp -a "$mnt/events" "$tmp/events" && unmount
}

thrice() {
	"$@" >/dev/null # into the page cache
	for _ in 1 2 3; do
		seconds "$@"
	done
}

ratio() { # ratio TEXT OURS THEIRS
	awk -v t="$1" -v a="$2" -v b="$3" 'BEGIN { printf "%-44s %8.3f s  / %8.3f s  = %.2f\n", t, a, b, a / b }'
}

mkdir "$mnt" || exit 1
[ $# -gt 0 ] || set -- --preset bench
scripts/make-trail "$@" "$bucket" || exit 1

disk_inflate=$(thrice inflate | median)
index=$(first_index | median)
[ -n "$index" ] || exit 1
ratio "first index / find | xargs -P2 zcat" "$index" "$disk_inflate"
du -sb "$tmp/cache1" | awk '{ print "cache: " $1 " bytes" }'

copy || exit 1
files=$(find "$tmp/events" -type f | wc -l)
disk=$(thrice search "$tmp/events" | median)
passes
ratio "grep -r $files events, first pass / warm disk" "$(median <"$tmp/first")" "$disk"
ratio "grep -r $files events, second pass / warm disk" "$(median <"$tmp/warm")" "$disk"
echo "READ messages: first pass $(median <"$tmp/reads_first"), second pass $(median <"$tmp/reads_warm")"
