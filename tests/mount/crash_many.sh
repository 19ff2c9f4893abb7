#!/bin/bash
# Two, then eight mounts of a bucket that share a cache, killed at any moments and started again over their dead mount points: what
# they show meanwhile is right, in the end each shows all of it, and the cache holds it whole, with nothing left over.
# The moments are drawn with $SEED, or one that is said.
# timeout: 900
. "$(dirname "$0")/lib.sh"
. tests/s3/lib.sh

source=$tmp/source
SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
declare -i drawn=$SEED
echo "SEED=$SEED"

draw() { # draw BELOW: sets $draw
	drawn=$(((drawn * 1103515245 + 12345) % 2147483648))
	draw=$((drawn / 65536 % $1))
}

snapshot() { # snapshot MNT: every file's bytes
	(cd "$1" && t find AWSLogs by-user events -type f -print0 | LC_ALL=C sort -z | t xargs -0 md5sum)
}

begin() { # begin I: the I-th mount, over what is left of the last one
	start_trail s3://trail "$tmp/mnt$1" --refresh 1
}

die() { # die I
	kill -KILL "${pid_of[$tmp/mnt$1]}" 2>/dev/null
	wait "${pid_of[$tmp/mnt$1]}" 2>/dev/null
}

# A few files through a mount that may not be there, or not know them yet: what comes is right.
glance() { # glance I
	local sum name got
	shuf -n 3 --random-source=<(yes "$drawn") "$tmp/wanted" | while read -r sum name; do
		got=$(timeout --foreground 5 md5sum <"$tmp/mnt$1/$name" 2>/dev/null) || continue
		[ "${got%% *}" = "$sum" ] || echo "$name through mount $1 is ${got%% *}, not $sum"
	done >>"$tmp/wrong" 2>/dev/null
}

storm() { # storm N DEATHS: of N mounts one dies now and then
	local i deaths
	: >"$tmp/wrong"
	for ((i = 1; i <= $1; i++)); do
		begin $i
	done
	for ((deaths = 0; deaths < $2; deaths++)); do
		draw 500
		sleep "0.$(printf %03d "$draw")"
		draw "$1"
		i=$((draw + 1))
		die $i
		begin $i
		draw "$1"
		glance $((draw + 1))
	done
	for ((i = 1; i <= $1; i++)); do
		die $i
	done
	figure="$2 deaths, then $1"
	[ ! -s "$tmp/wrong" ] || { head -5 "$tmp/wrong"; return 1; }
}

all_show_it() { # all_show_it N
	local i
	for ((i = 1; i <= $1; i++)); do
		begin $i
	done
	for ((i = 1; i <= $1; i++)); do
		await "$PATIENCE" live_or_dead "$tmp/mnt$i" && wait_ready "$tmp/mnt$i" || return 1
		snapshot "$tmp/mnt$i" >"$tmp/got"
		cmp "$tmp/wanted" "$tmp/got" || { echo "mount $i: $(diff "$tmp/wanted" "$tmp/got" | head -5)"; return 1; }
	done
	for ((i = 1; i <= $1; i++)); do
		unmount "$tmp/mnt$i" || return 1
	done
}

# Alone, and with nobody to ask.
cache_is_whole() {
	local mnt=$tmp/mnt1
	forget && mount_trail s3://trail "$mnt" --offline && wait_ready "$mnt" || return 1
	snapshot "$mnt" | cmp "$tmp/wanted" - && same "requests" "$(ctl log | jq length)" 0 && unmount "$mnt" || return 1
	same "temporary files" "$(find "$cache" -name 'tmp-*')" ""
	[ "$(find "$cache" -name '*.seg' | wc -l)" -le 10 ] && [ "$(find "$cache" -name '*.pack' | wc -l)" -le 40 ] ||
		{ find "$cache" -type f | head -40; return 1; }
}

clean_environment
make_trail source --objects 160 --events 1200 --regions 2 --days 4 --from 2025-06-14 >/dev/null || give_up "make-trail"
mount_trail "$source" "$tmp/first" --cache-dir "$tmp/cache.first" && wait_ready "$tmp/first" && snapshot "$tmp/first" >"$tmp/wanted" &&
	[ "$(wc -l <"$tmp/wanted")" -gt 2000 ] && unmount "$tmp/first" || give_up "no tree to come back to"
start_faults --bucket trail="$source"
use_keys "$TEST_KEY" "$TEST_SECRET"

for n in 2 8; do
	rm -rf "$cache"
	check "$n mounts, killed now and then" storm $n $((10 + 3 * n))
	check "all $n show the same in the end" all_show_it $n
	check "and the cache is whole" cache_is_whole
done
finish
