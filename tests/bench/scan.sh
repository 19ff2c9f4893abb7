#!/bin/bash
# what: row 3: inflate, scan and dictionaries on one core
# row 3: `build/release/bench_scan` holds the trail's objects in memory and makes segments from them exactly as a mount does
#   (inflate, scan, values, dictionaries, the finished segment in memory), on one core, nothing written. Beside it libdeflate alone
#   inflates the same bytes on the same core. MB are 10^6 bytes of inflated JSON. Checked: all bytes and all events in each round.
. "$(dirname "$0")/lib.sh"

measure() { # measure NAME
	local what core first line
	what="one core to a segment, $1 ($((inflated / 1000000)) MB of JSON)"
	core=$(taskset -pc $$ | sed 's/.*: //; s/[,-].*//')
	start_over
	taskset -c "$core" "$built/bench_scan" "$source" "$BENCH_RUNS" >"$tmp/scan.out" || broken[speed]=1 broken[share]=1
	read -r first <"$tmp/scan.out"
	if [[ $first != "objects $objects events $events stored $stored inflated $inflated "* ]]; then
		echo "bench_scan saw '$first'" >&2
		broken[speed]=1 broken[share]=1
	fi
	while read -r line; do
		# shellcheck disable=SC2086
		set -- $line
		add alone "$2"
		add ours "$4"
		add speed "$(awk -v n="$inflated" -v s="$4" 'BEGIN { print n / 1e6 / s }')"
	done < <(tail -n +2 "$tmp/scan.out")
	value 3 "$what" speed MB/s ">=500"
	[ -z "${broken[speed]:-}" ] || broken[ours]=1
	compare 3 "$what" ours "libdeflate alone" alone ">=0.45"
}

busy_trail
measure busy
tiny_trail
measure tiny
end_part
