#!/bin/bash
# what: rows 14, 15: all events in one file
# row 14: `cat events/all.jsonl | wc -c`, the first thing after mounting an indexed trail, against `find -name '*.gz' -print0 |
#   xargs -0 zcat | wc -c`, the logs' bytes as they are, one process that inflates. Logs in the page cache. all.jsonl has the events in
#   order of time, each once. Checked: as many lines as a program that reads the JSON finds events; in each round as many bytes.
# row 15: RssAnon of the daemon, read each 50 ms while `cat` streams all of *huge*'s events/all.jsonl: the highest, and what is left after
#   that. However long the file is, at most 96 MiB of inflated logs, 64 of row lists and 16 of the file are kept; the rest is what its
#   threads work with, and what the allocator holds. Checked: as many bytes as the size says, as many lines as there are events.
. "$(dirname "$0")/lib.sh"

remount() {
	unmount_all
	mount_index "$source" "$tmp/cache.$name"
}

ours_before() { remount; }
ours() { cat "$mnt/events/all.jsonl" | wc -c; }
ours_after() { same "bytes of all.jsonl" "$(cat "$tmp/ours.out")" "$bytes" >&2; }

inflate() { logs_of "$source" | xargs -0 zcat | wc -c; }
inflate_after() { same "inflated bytes" "$(cat "$tmp/inflate.out")" "$inflated" >&2; }

measure() { # measure NAME REACH
	local events_found
	name=$1
	start_over
	remount || give_up "mounting"
	cat "$mnt/events/all.jsonl" >"$tmp/all.jsonl" || give_up "all.jsonl"
	bytes=$(stat -c %s "$tmp/all.jsonl")
	read -r events_found _ < <("$PYTHON" tests/bench/truth.py "$source" "")
	same "lines of all.jsonl" "$(wc -l <"$tmp/all.jsonl")" "$events_found" || give_up "all.jsonl"
	rm "$tmp/all.jsonl"
	rounds ours inflate
	compare 14 "all.jsonl, $name ($(thousands "$events_found") events, $((bytes / 1000000)) MB)" ours "find | xargs zcat" inflate "$2"
}

stream() { # all of *huge*, once
	local size from to
	huge_trail huge 1
	name=huge
	remount && remount || give_up "mounting"
	size=$(stat -c %s "$mnt/events/all.jsonl")
	from=$EPOCHREALTIME
	"$PYTHON" tests/bench/watch.py "$(pgrep -f -- " $mnt\$")" while sh -c "cat '$mnt/events/all.jsonl' | wc -lc" >"$tmp/memory" 2>"$tmp/counted" ||
		give_up "streaming: $(cat "$tmp/counted")"
	to=$EPOCHREALTIME
	# shellcheck disable=SC2046
	same "lines and bytes" "$(echo $(cat "$tmp/counted"))" "$(cat "$mnt/events/count") $size" || give_up "streaming"
	read -r peak after <"$tmp/memory"
	add peak "$peak"
	add after "$after"
	add speed "$(awk -v n="$size" -v a="$from" -v b="$to" 'BEGIN { print n / 1e6 / (b - a) }')"
	value 15 "anonymous memory, highest while streaming $((size / 1000000)) MB" peak MB ""
	value 15 "anonymous memory, after that" after MB ""
	value 15 "all.jsonl, $(thousands "$events") events" speed MB/s ""
}

tiny_trail
measure tiny "<=1.0"
busy_trail
measure busy "<=1.0"
start_over
stream
end_part
