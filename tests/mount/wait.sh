#!/bin/bash
# Calls that have to wait: they end when what they wait for is there, at once on Ctrl-C, after --timeout, and at the end
# of the mount; what need not wait does not. Reads of one day's log hang as long as a file exists (slow_read.c).
# also: tsan
# timeout: 600
. "$(dirname "$0")/lib.sh"

source=$tmp/source mnt=$tmp/mnt
slow=2025/06/18

slow_trail() { # slow_trail MOUNT-OPTION...: a mount whose daemon hangs in reads of the slow day
	slowly mount_trail "$source" "$mnt" "$@"
}

# The other days are in the cache, so however few threads there are, only the slow day is missing.
begin() { # begin MOUNT-OPTION...: a mount whose index hangs at the slow day
	rm -rf "$tmp/count" "$cache"
	[ -n "${no_cache:-}" ] || cp -a "$tmp/cache.others" "$cache" || return 1
	touch "$tmp/hang"
	slow_trail "$@" || return 1
	await "$PATIENCE" hanging || { echo "no read hangs"; return 1; }
}

index_others() { # the days that are not slow
	mkdir "$tmp/aside" || return 1
	(cd "$source" && find AWSLogs -path "*/$slow/*" -type f) | rsync -a --files-from=- "$source/" "$tmp/aside/" || return 1
	(cd "$source" && find AWSLogs -path "*/$slow/*" -type f -delete)
	mount_trail "$source" "$mnt" --cache-dir "$tmp/cache.others" && wait_ready "$mnt" && unmount "$mnt" || return 1
	rsync -a "$tmp/aside/" "$source/"
}

unhang() {
	rm -f "$tmp/hang"
}

asks() { # asks COMMAND...: in the background; its pid is in $asker
	start "$tmp/asked" "$@"
	asker=$started_pid
}

waits() { # waits COMMAND...: asks, until it is seen to wait
	: >"$tmp/asked"
	asks "$@"
	await "$PATIENCE" parked 1 || { echo "does not wait: $(cat "$tmp/asked")"; return 1; }
	not gone "$asker" || { echo "has ended: $(cat "$tmp/asked")"; return 1; }
}

ends_with() { # ends_with STATUS: the asker
	await "$PATIENCE" gone "$asker" || { echo "does not end"; return 1; }
	wait "$asker"
	same "its status" "$?" "$1"
}

answers_when_there() { # answers_when_there STATUS PATH: an ls of it
	begin && waits ls "$mnt/$2" && unhang && ends_with "$1" && unmount "$mnt"
}

answers_at_once() { # what does not depend on logs
	t ls "$mnt" >/dev/null && t cat "$mnt/README" >/dev/null &&
		t cat "$mnt/.trailfs/status" | jq -e '.complete == false' >/dev/null &&
		t ls -U "$mnt/AWSLogs" >/dev/null && t df "$mnt" >/dev/null || return 1
	# Names alone: not the sizes, which are not known yet.
	same "names of the slow day's objects" "$(t find "$mnt/AWSLogs" -path "*/$slow/*" -printf '.' | wc -c)" \
		"$(find "$source" -path "*/$slow/*" -printf '.' | wc -c)"
}

other_days_answer() {
	local day
	for day in 2025/06/19 2025/06/20; do # an event may be in the log of the next day
		[ "$(t find "$mnt/events/$day" -type f | wc -l)" -gt 5 ] && t grep -rq Version "$mnt/events/$day" ||
			 { echo "not $day"; return 1; }
	done
}

interrupted() { # interrupted SIGNAL PATH
	waits ls "$mnt/$2" && kill "-$1" "$asker" && await 60 gone "$asker" || { echo "does not end on $1"; return 1; }
	wait "$asker"
	same "its status" "$?" $((128 + $(kill -l "$1")))
}

reads_wait_too() { # cat of the slow log
	local log
	log=$(cd "$source" && find AWSLogs -path "*/$slow/*" -name '*.gz' | sort | head -1)
	waits cat "$mnt/${log%.gz}" && kill -INT "$asker" && await 60 gone "$asker"
}

many_wait() { # and all get their answers
	local i
	begin || return 1
	: >"$tmp/asked"
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		asks ls "$mnt/by-event" "$mnt/events/$slow"
	done
	# Those that look up the same name wait behind one of them, in the kernel.
	await "$PATIENCE" parked 1 && other_days_answer && unhang || return 1
	for i in "${started[@]: -12}"; do
		await "$PATIENCE" gone "$i" && wait "$i" || { echo "an ls failed: $(tail -3 "$tmp/asked")"; return 1; }
	done
	wait_ready "$mnt" && compare "$source" "$mnt" && unmount "$mnt"
}

times_out() { # a call that sees no progress for --timeout
	begin --timeout 2 || return 1
	says "Connection timed out" t ls "$mnt/events/$slow" && same status "$status" 2 || return 1
	says "Connection timed out" t find "$mnt/by-user" -type f || return 1
	other_days_answer && unhang && wait_ready "$mnt" && compare "$source" "$mnt" && unmount "$mnt"
}

later_reads_time_out() { # of what is indexed, and then hangs
	local log
	unhang
	slow_trail --timeout 2 && wait_ready "$mnt" || return 1
	log=$(cd "$source" && find AWSLogs -path "*/$slow/*" -name '*.gz' | sort | head -1)
	touch "$tmp/hang"
	says "Connection timed out" t cat "$mnt/${log%.gz}" && other_days_answer && unhang || return 1
	await "$PATIENCE" t cat "$mnt/${log%.gz}" >/dev/null 2>&1 && unmount "$mnt"
}

ends_while_hanging() { # ends_while_hanging COMMAND...: in seconds, and who waited gets an error
	local before
	begin --timeout 5 && waits ls "$mnt/events/$slow" || return 1
	before=$SECONDS
	"$@" && has_ended || return 1
	await 60 gone "$asker" || { echo "who asked still waits"; return 1; }
	wait "$asker"
	same "the status of ls" "$?" 2
}

has_ended() { # unmounted, in seconds though its threads hang
	await 60 gone "${pid_of[$mnt]}" || { echo "does not end"; return 1; }
	[ $((SECONDS - before)) -le 45 ] || { echo "took $((SECONDS - before)) s"; return 1; }
	not mounted "$mnt"
}

plainly() { # nobody waits, but a thread of the daemon hangs
	local before
	begin && before=$SECONDS && await 60 fusermount3 -u "$mnt" 2>/dev/null && has_ended
}

term() {
	kill -TERM "${pid_of[$mnt]}"
}

int() {
	kill -INT "${pid_of[$mnt]}"
}

lazily() { # fusermount3 -u would say busy, as somebody waits in there; this ends it when that one's patience ends
	fusermount3 -uz "$mnt"
}

all_hang() { # a first index in which every thread hangs
	no_cache=1 slow=AWSLogs begin && answers_at_once_with_all || return 1
	term && before=$SECONDS && has_ended
}

answers_at_once_with_all() {
	t ls "$mnt" >/dev/null && t cat "$mnt/README" >/dev/null && t find "$mnt/AWSLogs" -printf '.' >/dev/null
}

print_times_out() { # -p: the same patience
	touch "$tmp/hang"
	says "timed out" slowly t "$TRAILFS" \
		--timeout 2 --cache-dir "$tmp/cache.none" -p "events/$slow" "$source" && same status "$status" 1
}

make_trail source --objects 96 --events 600 --days 4 >/dev/null || give_up "make-trail"
make_slow_reads
index_others || give_up "index_others"

check "a day" answers_when_there 0 "events/$slow"
check "the day before, whose events may be late" answers_when_there 0 events/2025/06/17
check "a view" answers_when_there 0 by-user
check "a name that is not there" answers_when_there 2 by-user/nobody
check "a hang" begin
check "what need not wait does not" answers_at_once
check "other days do not wait" other_days_answer
check "Ctrl-C" interrupted INT "events/$slow"
check "Ctrl-C in a view" interrupted INT by-user
check "kill -9" interrupted KILL "events/$slow"
check "reading its log waits" reads_wait_too
unhang
check "and then it is complete" wait_ready "$mnt"
check "it ends" unmount "$mnt"
check "many that wait" many_wait
check "--timeout" times_out
check "--timeout of a read" later_reads_time_out
check "SIGTERM" ends_while_hanging term
check "SIGINT" ends_while_hanging int
check "fusermount3 -uz" ends_while_hanging lazily
check "fusermount3 -u" plainly
check "everything hangs" all_hang
check "-p has the same patience" print_times_out
unhang
finish
