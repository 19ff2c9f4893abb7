#!/bin/bash
# what: rows 8, 9, 10: ten million events: mounting, listing, memory, the size of the index
# row 8: *huge* is indexed. Unmounted and mounted again: the time from the command to the end of the first `ls by-user`. Flat: against
#   a trail with as many objects and days and a tenth of the events, in turns. Checked: the same list each time.
# row 9: `os.scandir` of by-user/X/Y/M/D, all of it read, X and the day chosen at random (a service has thousands of events on a
#   day, a person some tens), each folder for the first time since mounting. `ls by-ip` on a new mount. Checked: the same number of
#   names each time.
# row 10: RssAnon of the daemon, read each 50 ms while it makes the first index (the highest), after that, and after row 9.
#   Index: the bytes of its files, checked against `.trailfs/status`; columns are what grows with the events, dictionaries hold the
#   different values of a file's events.
. "$(dirname "$0")/lib.sh"

huge_mounted() {
	"$TRAILFS" --refresh 0 --cache-dir "$tmp/cache" "$source" "$mnt" && ls "$mnt/by-user"
}
huge_mounted_before() { unmount_all; }
huge_mounted_after() { same_lines huge_mounted users; }

tenth_mounted() {
	"$TRAILFS" --refresh 0 --cache-dir "$tmp/cache.tenth" "$tenth" "$mnt" && ls "$mnt/by-user"
}
tenth_mounted_before() { unmount_all; }
tenth_mounted_after() { [ -s "$tmp/tenth_mounted.out" ]; }

remount() {
	unmount_all
	mount_index "$source" "$tmp/cache"
}

addresses_before() { remount; }
addresses() { ls "$mnt/by-ip"; }
addresses_after() { lines_are addresses "$(find "$mnt/by-ip" -mindepth 1 -maxdepth 1 | wc -l)"; }

first_index() { # while its memory is watched
	local from=$EPOCHREALTIME
	start_trail "$source" "$mnt" --cache-dir "$tmp/cache"
	pid=$started_pid
	"$PYTHON" tests/bench/watch.py "$pid" until "$mnt/.trailfs/status" >"$tmp/memory" || give_up "no index: $(tail -3 "${log_of[$mnt]}")"
	add index "$(awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')"
	same "records in the mount" "$(status_of "$mnt" .events.delivered)" "$events" || give_up "index"
	read -r peak after <"$tmp/memory"
	add peak "$peak"
	add after "$after"
}

# Segments are merged for a while after the index is complete: what is counted and what the mount says is compared until it is the same.
sizes_agree() {
	local said
	said=$("$built/bench_segments" "$tmp/cache"/*/*.seg 2>&1) || { disagreement="bench_segments: $said"; return 1; }
	# shellcheck disable=SC2086
	set -- $said
	columns=$4 index=$(($4 + $6 + $8))
	disagreement=$(same "events in the index" "$2" "$events" && same "bytes of the index" "$index" "$(status_of "$mnt" .index.bytes)")
}

sizes() {
	await 60 sizes_agree || give_up "index: $disagreement"
	add columns "$(awk -v n="$columns" -v e="$events" 'BEGIN { print n / e }')"
	add share "$(awk -v n="$index" -v all="$inflated" 'BEGIN { print 100 * n / all }')"
}

folders() { # each round: a new mount, other folders are no warmer for the ones before
	local round
	for ((round = 0; round < BENCH_RUNS; round++)); do
		remount
		"$PYTHON" tests/bench/scandir.py "$mnt" "$(by_size 400 100 20)" >"$tmp/folders.$round" || broken[folder]=1 broken[typical]=1
		read -r p99 p50 names <"$tmp/folders.$round"
		[ "$round" = 0 ] || same "names" "$names" "$names_before" || broken[folder]=1
		names_before=$names
		add folder "$p99"
		add typical "$p50"
	done
}

huge_trail tenth 10
tenth=$source
mount_index "$tenth" "$tmp/cache.tenth" || give_up "mounting"
unmount_all
huge_trail huge 1
of="$(thousands "$events") events"
first_index
sizes
ls "$mnt/by-user" >"$tmp/users.out"
[ -s "$tmp/users.out" ] || give_up "no users"
same "users" "$("$PYTHON" tests/bench/scandir.py "$mnt" "$(by_size 400 100 20)" | wc -l)" 1 || give_up "listing"
add later "$(awk '/^RssAnon/ { print $2 / 1000 }' "/proc/$pid/status")"
unmount_all

rounds huge_mounted tenth_mounted
compare 8 "mount to ls by-user, $of" huge_mounted "a tenth of the events" tenth_mounted "<=1.3"
awk '{ print $1 * 1000 }' "$tmp/huge_mounted.values" >"$tmp/mounted.values"
[ -z "${broken[huge_mounted]:-}" ] || broken[mounted]=1
value 8 "mount to ls by-user, $of" mounted ms "<=150"
folders
value 9 "by-user/X/Y/M/D, first time, p99, $of" folder ms "<=5"
value 9 "by-user/X/Y/M/D, first time, median" typical ms ""
rounds addresses
awk '{ print $1 * 1000 }' "$tmp/addresses.values" >"$tmp/by_ip.values"
[ -z "${broken[addresses]:-}" ] || broken[by_ip]=1
value 9 "ls by-ip, first time, $(thousands "$(wc -l <"$tmp/addresses.out")") values" by_ip ms "<=100"
value 10 "anonymous memory, highest while indexing, $of" peak MB "<=150"
value 10 "anonymous memory, after the first index" after MB "<=150"
value 10 "anonymous memory, after row 9's folders" later MB "<=150"
value 10 "columns" columns "bytes an event" "<=64"
value 10 "index, of the inflated bytes" share % "<=10"
value 10 "first index, $of" index s ""
end_part
