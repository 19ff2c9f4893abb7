#!/bin/bash
# Names that are never listed: facets nested in facets, ranges of time, by-id/. What they hold, what they wait for, and
# that they follow the source and the clock.
# also: asan
# timeout: 900
. "$(dirname "$0")/lib.sh"

source=$tmp/source mnt=$tmp/mnt slow=2025/06/18

missing() { # missing PATH: at once or not, it is not there
	says "No such file or directory" t ls "$mnt/$1" && same status "$status" 2
}

lines() { # lines COMMAND...: how many it prints
	t "$@" | wc -l
}

# ---- on a mount that is complete ----

globs() { # as on a disk
	local user count
	user=$(t ls "$mnt/by-user" | head -1)
	count=$(t find "$mnt/by-user/$user" -type f | wc -l)
	[ "$count" -gt 0 ] || { echo "no events"; return 1; }
	same "events by address" "$(cd "$mnt" && t bash -c 'ls -d "by-user/$0"/by-ip/*/2*/*/*/*' "$user" | wc -l)" "$count" &&
		same "found below" "$(t find "$mnt/by-user/$user/by-ip" -type f | wc -l)" "$count" &&
		same "what a shell completes" "$(t bash -c 'compgen -G "$0*"' "$mnt/by-user/$user/by-event/" | wc -l)" \
			"$(lines ls "$mnt/by-user/$user/by-event")" &&
		same "and of that prefix" "$(cd "$mnt/by-user/$user" && t bash -c 'compgen -G "by-event/[A-M]*"' | wc -l)" \
			"$(t ls "$mnt/by-user/$user/by-event" | grep -c '^[A-M]')"
}

reads() { # the same file by all its names
	local event date file day path
	event=$(cd "$mnt" && t find events -type f | sort | sed -n 7p)
	file=$(basename "$event") date=$(dirname "${event#events/}")
	day=${date//\//-}
	for path in "events/$date/by-category/Management/$date/$file" "events/@${day%-*}/$date/$file" "by-id/${file##*_}" \
		"events/$date/@${day}T${file:0:2}/$date/$file"; do
		t cmp "$mnt/$event" "$mnt/$path" || return 1
		same "inode of $path" "$(stat -c %i "$mnt/$path")" "$(stat -c %i "$mnt/$event")" || return 1
	done
}

not_listed() {
	t ls "$mnt/events/by-user" "$mnt/events/@2025" "$mnt/by-id" >/dev/null || return 1
	same "by-id" "$(t ls -A "$mnt/by-id")" "" && same "events" "$(t ls -A "$mnt/events" | grep -v '^[0-9]*$')" "" &&
		same "a day" "$(t find "$mnt/events" -mindepth 4 -name '[b@]*')" "" && ! t ls "$mnt" | grep -q by-id
}

printed() { # -p
	local path user print=(t "$TRAILFS" --cache-dir "$cache")
	user=$(t ls "$mnt/by-user" | head -1)
	for path in "by-user/$user/by-event" "by-user/$user/@2025-06" "events/@2025-06-18T09.." "events/$slow/by-ip" by-id; do
		same "$path" "$("${print[@]}" -p "$path" "$source")" "$(t ls -U "$mnt/$path")" || return 1
	done
	path=$(cd "$mnt" && t find "by-user/$user/by-access" -type f | head -1)
	"${print[@]}" -p "$path" "$source" | t cmp - "$mnt/$path" &&
		"${print[@]}" -p "by-id/${path##*_}" "$source" | t cmp - "$mnt/$path" || return 1
	says "No such file" "${print[@]}" -p events/@2025-13 "$source" && same status "$status" 1
}

apart() { # the kernel lets a directory have one place: equal questions are asked in directories of their own
	local user
	user=$(t ls "$mnt/by-user" | head -1)
	(cd "$mnt/events/by-user/$user" && stays "$user")
}

stays() { # stays USER: the working directory, where it is
	local here user=$1
	here=$(readlink /proc/self/cwd)
	t ls "$mnt/by-user/$user" "$mnt/by-user/$user/by-user/$user/by-user/$user" "$mnt/events/@2025/by-user/$user" \
		"$mnt/events/2025/by-user/$user" "$mnt/events/2025/@2025/by-user/$user" >/dev/null || return 1
	same "the working directory" "$(readlink /proc/self/cwd)" "$here" && t ls . >/dev/null
}

deep() { # to where it ends, and that is said
	local path=$mnt/events i
	for i in {1..100}; do
		path=$path/by-access/read
		t ls "$path" >"$tmp/deep" 2>&1 || break
	done
	[ "$i" -gt 10 ] && grep -q "too long" "$tmp/deep" && same "names listed where it ends" "$(t ls "${path%/*}" 2>/dev/null | wc -l)" 0
}

same_inodes() { # on another mount, where they are asked for in another order
	local other=$tmp/other paths=(events/by-user events/@2025-06 events/2025/06/by-ip by-access/read/by-user events/@7d by-id)
	mount_trail "$source" "$other" && t ls "$other/by-access/read/by-region" >/dev/null || return 1
	same "inodes" "$(cd "$other" && t stat -c '%n %i' "${paths[@]}")" "$(cd "$mnt" && t stat -c '%n %i' "${paths[@]}")" &&
		unmount "$other"
}

# ---- while the index is being built ----

at_once() { # what is known not to be there, and what a range leaves
	local name
	for name in events/@2025-13 events/@2025-06-19..2025-06-18 events/@ events/2025/06/@..  events/@2025-06-19/2025/06/18 \
		events/@2025-06-19/undated events/@2025-06-19/by-user/nobody events/2025/06/19/by-user/nobody/by-ip \
		events/@2025-06-19/@2025-06-18/2025 events/@2025-06-19/@2025-06-18/by-user/root by-id/x; do
		missing "$name" || return 1
	done
	same "nothing waits" "$(parked 1 && echo waits)" ""
	[ "$(lines ls "$mnt/events/@2025-06-19..2025-06-20/2025/06/19")" -gt 5 ] &&
		[ "$(lines ls "$mnt/events/@2025-06-19../by-user")" -gt 2 ] && t ls "$mnt/events/@24h" >/dev/null &&
		[ "$(lines find "$mnt/events/2025/06/19/by-access" -type f)" -gt 5 ] &&
		same "two ranges that do not meet" "$(t find "$mnt/events/@2025-06-18/@2025-06-19")" \
			"$mnt/events/@2025-06-18/@2025-06-19"
}

waits() { # waits PATH: an ls of it, until it is seen to wait; then Ctrl-C
	start "$tmp/asked" ls "$mnt/$1"
	await "$PATIENCE" parked 1 && not gone "$started_pid" || { echo "does not wait: $(cat "$tmp/asked")"; return 1; }
	kill -INT "$started_pid" && await 60 gone "$started_pid" && await 60 not parked 1
}

wait_for_the_rest() {
	local path
	for path in events/@2025-06-18 events/@2025-06/by-user events/2025/06/18/by-ip by-access/read/by-user \
		events/@..2025-06-18T12/by-event/NoSuch by-id/none.json; do
		waits "$path" || { echo "$path"; return 1; }
	done
	rm "$tmp/hang" && wait_ready "$mnt" && missing by-id/none.json && agrees nested "$source" "$mnt" --questions 20 && unmount "$mnt"
}

# ---- what changes ----

put() { # put NAME EVENTNAME TIME [ADDRESS]: a log with one event
	local key=AWSLogs/111122223333/CloudTrail/us-east-1/2025/06/19/111122223333_CloudTrail_us-east-1_20250619T0900Z_$1.json.gz
	mkdir -p "$source/$(dirname "$key")"
	printf '{"Records":[{"eventVersion":"1.08","eventTime":"%s","eventName":"%s","eventID":"id-%s","eventSource":"s",
		"userIdentity":{"type":"IAMUser","userName":"newcomer"},"sourceIPAddress":"%s"}]}' "$3" "$2" "$1" "${4:-198.51.100.9}" |
		gzip -n >"$tmp/log" && mv "$tmp/log" "$source/$key" && hup "$mnt"
}

there() { # there PATTERN
	t bash -c "compgen -G '$mnt/$1' >/dev/null"
}

soon() { # soon COMMAND...: after the refresh, and when the kernel has dropped what it kept
	await "$PATIENCE" "$@" || { echo "not after $PATIENCE s: $*"; return 1; }
}

arrive() { # in directories that were there, and that were not
	not there 'events/@2025-06-19/by-user/newcomer' && not there 'by-user/newcomer' && not there by-id/id-new.json || return 1
	put new NewName 2025-06-19T09:00:00Z && soon there 'by-user/newcomer/by-event/NewName/2025/06/19/*' &&
		there 'events/@2025-06-19T09/by-user/newcomer/2025/06/19/*NewName*' && there by-id/id-new.json &&
		not there 'events/@2025-06-19T10../by-user/newcomer' || return 1
	put newer Newer 2025-06-19T10:30:00Z && soon there 'events/@2025-06-19T10../by-user/newcomer/by-ip/*/2025/06/19/*_Newer_*' &&
		same "names of the newcomer's" "$(t ls "$mnt/by-type/IAMUser/by-user/newcomer/by-event" | tr '\n' ' ')" "NewName Newer "
}

change() { # names that the kernel keeps for ever, unless it is told
	local path=2025/06/19/100000Z_Change_id-change.json below
	put change Change 2025-06-19T10:00:00Z 192.0.2.1 || return 1
	for below in by-user/newcomer/by-ip/192.0.2.1 events/2025/06/by-ip/192.0.2.1/by-user/newcomer events/@2025-06-19T10/by-user/newcomer \
		events/@2025-06/@..2025-07/by-event/Change; do
		soon t cat "$mnt/$below/$path" >/dev/null 2>&1 || return 1
	done
	put change Change 2025-06-19T10:00:00Z 192.0.2.2 || return 1
	soon there "by-user/newcomer/by-ip/192.0.2.2/$path" && soon not there "by-user/newcomer/by-ip/192.0.2.1/$path" &&
		soon not there "events/2025/06/by-ip/192.0.2.1/by-user/newcomer/$path" || return 1
	for below in events/@2025-06-19T10/by-user/newcomer events/@2025-06/@..2025-07/by-event/Change; do
		soon grep -q 192.0.2.2 "$mnt/$below/$path" || return 1
	done
	soon grep -q 192.0.2.2 "$mnt/by-id/id-change.json"
}

disappear() {
	rm "$source"/AWSLogs/111122223333/CloudTrail/us-east-1/2025/06/19/*_newer.json.gz && hup "$mnt" || return 1
	soon not there by-id/id-newer.json && soon not there 'by-user/newcomer/by-event/Newer' &&
		soon not there 'events/@2025-06-19T10../by-user/newcomer/by-ip/*/2025/06/19/*_Newer_*'
}

# Events every five seconds from now on; @5s holds those that are not older than that.
moves() {
	local first shown
	mkdir -p "$tmp/clock" || return 1
	"$PYTHON" - "$tmp/clock/log.json" <<'END' || return 1
import datetime, json, sys
now = datetime.datetime.utcnow()
times = [(now + datetime.timedelta(seconds=5 * n)).strftime('%Y-%m-%dT%H:%M:%SZ') for n in range(400)]
json.dump({'Records': [{'eventTime': time, 'eventName': 'Tick', 'eventID': str(n), 'eventVersion': '1.08'}
                       for n, time in enumerate(times)]}, open(sys.argv[1], 'w'))
END
	mount_trail "$tmp/clock" "$mnt" && wait_ready "$mnt" || return 1
	shown=$(lines find "$mnt/events/@5s" -name '*_Tick_*')
	first=$(t find "$mnt/events/@5s" -name '*_Tick_*' | sort | head -1)
	[ "$shown" -gt 1 ] && [ -n "$first" ] || { echo "shows $shown"; return 1; }
	soon not test -e "$first" && soon fewer "$shown" "$mnt/events/@5s" && soon fewer "$shown" "$mnt/by-event/Tick/@5s" || return 1
	[ -e "${first/@5s/@999h}" ] && same "in a long one" "$(lines find "$mnt/events/@100d" -name '*_Tick_*')" 400 && unmount "$mnt"
}

fewer() { # fewer THAN DIR: events
	[ "$(lines find "$2" -name '*_Tick_*')" -lt "$1" ]
}

events=2000 objects=200 many=200 few=30 each=1
[ -z "$SAN" ] || events=500 objects=60 many=40 few=8 each=6

make_trail source --objects 96 --events 600 --days 4 >/dev/null || give_up "make-trail"
make_slow_reads

mount_trail "$source" "$mnt" || give_up "no mount"
check "random questions" agrees nested "$source" "$mnt" --questions "$many"
check "globs and completion" globs
check "one file by all its names" reads
check "never listed" not_listed
check "-p" printed
check "equal questions, two directories" apart
check "without end" deep
check "the same inodes on another mount" same_inodes
check "new events" arrive
check "changed events" change
check "events that go" disappear
check "and then all is equal" agrees nested "$source" "$mnt" --questions "$few"
check "it ends" unmount "$mnt"
check "a day that hangs" begin_slow
check "at once" at_once
check "what has to wait" wait_for_the_rest
check "the clock" moves

make_trail all --all --objects "$objects" --events "$events" --accounts 2 >/dev/null || give_up "make-trail --all"
check "everything that a trail can hold" agrees_mounted nested "$tmp/all" "--questions $many"
check "--since and --until" agrees_mounted nested "$tmp/all" "--questions $few" --since 2025-06-18T09:30 --until 2025-06-18T17:59

some_odd_trails "$each"
for name in $odd; do
	check "odd: $name" agrees_mounted nested "$tmp/odd/$name" "--questions $few"
done
finish
