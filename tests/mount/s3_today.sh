#!/bin/bash
# The current day of a bucket with --refresh: what comes is seen within one refresh, by itself, in every view, whatever its
# key and the times of its events; what the kernel knows of names and folders does not hide it; and it costs no more than it must.
#
# All keys and times are of the day at which the test begins. Where midnight passes meanwhile, that day and the ones beside it
# are all still open, so that nothing expected here changes.
# also: tsan
# timeout: 900
. "$(dirname "$0")/lib.sh"
. tests/s3/lib.sh

source=$tmp/source # holds what the bucket holds
mnt=$tmp/mnt
account=111122223333
now=$(date -u +%s)

day() { # day N: as YYYY-MM-DD, so many days after the one at which the test began
	date -u -d "@$((now + $1 * 86400))" +%Y-%m-%d
}
today=$(day 0) yesterday=$(day -1) tomorrow=$(day 1)

look() { # look WHAT ARGUMENT...: s3_today.py says what it is
	t "$PYTHON" tests/mount/s3_today.py "$@"
}

# ---- objects

key_of() { # key_of NAME [DAY [REGION [ACCOUNT [KIND]]]]
	local day=${2:-$today} region=${3:-us-east-1} owner=${4:-$account} kind=${5:-CloudTrail}
	echo "AWSLogs/$owner/$kind/$region/${day//-//}/${owner}_${kind}_${region}_${day//-/}T$1.json.gz"
}

put() { # put KEY EVENT...
	local key=$1
	shift
	mkdir -p "$source/$(dirname "$key")"
	look log "$source/$key" "$@" && put_object trail "$key" "$source/$key"
}

delete() { # delete KEY
	rm "$source/$1" && delete_object trail "$1" && find "$source" -mindepth 1 -type d -empty -delete
}

# ---- what is seen

equal() { # equal [MNT]: the kernel keeps the times of folders for a second
	await "$PATIENCE" compare "$source" "${1:-$mnt}" >/dev/null || compare "$source" "${1:-$mnt}"
}

arrives() { # arrives KEY EVENT...: it was looked for everywhere before it is put, and is then found everywhere, by itself
	local ready=$tmp/ready
	rm -f "$ready"
	look watch "$mnt" "$ready" $((PATIENCE / 2)) "$@" >"$tmp/watched" 2>&1 &
	local watcher=$!
	await "$PATIENCE" watched "$ready" "$watcher" && [ -e "$ready" ] && put "$@" || { kill "$watcher" 2>/dev/null; cat "$tmp/watched"; return 1; }
	wait "$watcher" || { cat "$tmp/watched"; return 1; }
	equal
}

watched() { # watched READY PID
	[ -e "$1" ] || gone "$2"
}

listings() { # listings [MNT]: how many there have been
	status_of "${1:-$mnt}" .listings
}

listed() { # listed NUMBER [MNT]
	[ "$(listings "${2:-$mnt}")" -ge "$1" ]
}

refreshed() { # refreshed [MNT]: a listing has begun and come to its end since
	await "$PATIENCE" listed $(($(listings "${1:-$mnt}") + 2)) "${1:-$mnt}"
}

fetches() { # fetches KEY: how many
	asked ".kind == \"GET\" and .path == \"/trail/$1\""
}

# ---- the cases

in_folders_that_are_there() { # all values and the day's folder exist: names are new in folders that the kernel knows
	arrives "$(key_of 1200Z_m)" "base,new-1,${today}T12:00:01Z" "base,new-2,${today}T00:00:00Z" "base,new-3,${today}T23:59:59Z"
}

in_new_folders() {
	arrives "$(key_of 1200Z_n)" "fresh,new-4,${today}T12:00:01Z"
}

key_sorts_first() { # before all of the day's that were there, and its events' names too
	local key
	key=$(key_of 0000Z_0)
	arrives "$key" "base,first-1,${today}T00:00:00Z" "first,first-2,${today}T00:00:00Z" || return 1
	same "first of the day" "$(cd "$source" && find "AWSLogs/$account/CloudTrail/us-east-1/${today//-//}" -type f | sort | head -1)" "$key"
}

key_sorts_last() {
	arrives "$(key_of 2359Z_z)" "base,last-1,${today}T23:59:59Z"
}

events_of_yesterday() { # in an object of today
	arrives "$(key_of 0001Z_y)" "base,late-1,${yesterday}T23:59:58Z" "late,late-2,${yesterday}T23:55:00Z" "base,late-3,${today}T00:00:01Z"
}

object_of_yesterday() { # that comes late; with events of the day before, and of today
	arrives "$(key_of 0000Z_0 "$yesterday")" "base,later-1,${yesterday}T00:00:00Z" "base,later-2,$(day -2)T23:59:59Z" "base,later-3,${today}T00:00:02Z"
}

object_of_tomorrow() { # midnight has passed where it is written
	arrives "$(key_of 0000Z_t "$tomorrow")" "base,next-1,${tomorrow}T00:00:00Z" "next,next-2,${today}T23:59:59Z"
}

new_region() {
	arrives "$(key_of 1200Z_r "$today" ap-south-1)" "base,region-1,${today}T12:00:02Z"
}

new_account() {
	arrives "$(key_of 1200Z_a "$today" us-east-1 444455556666)" "base,account-1,${today}T12:00:03Z"
}

new_kind() {
	arrives "$(key_of 1200Z_k "$today" us-east-1 "$account" CloudTrail-Insight)" "base,kind-1,${today}T12:00:04Z"
}

first_of_the_day() { # in a region that had only older days
	not t test -e "$mnt/$(dirname "$(key_of x "$today" eu-west-1)")" && arrives "$(key_of 1200Z_f "$today" eu-west-1)" "base,day-1,${today}T12:00:05Z"
}

delivered_twice() { # by another trail, under a key that sorts first: one event, and both logs
	local n key
	key=$(key_of 1200Z_l-again)
	n=$(events_of "$mnt")
	t cat "$mnt/events/${today//-//}"/*first* >/dev/null
	cp "$source/$(key_of 0000Z_0)" "$source/$key" && put_object trail "$key" "$source/$key" &&
		await "$PATIENCE" t test -e "$mnt/${key%.gz}" && equal && same "events" "$(events_of "$mnt")" "$n"
}

replaced() { # by an object with other events; the kernel had the old ones
	local key old="gone,replaced-1,${today}T13:00:00Z" stays="base,replaced-2,${today}T13:00:01Z"
	key=$(key_of 1300Z_c)
	arrives "$key" "$old" "$stays" || return 1
	put "$key" "$stays" "base,replaced-3,${today}T13:00:02Z" &&
		await "$PATIENCE" look absent "$mnt" "" "$old" && equal && same "GETs of it" "$(fetches "$key")" 2
}

deleted() {
	local key events=("gone,deleted-1,${today}T14:00:00Z" "base,deleted-2,${today}T14:00:01Z" "base,deleted-3,${yesterday}T14:00:01Z")
	key=$(key_of 1400Z_d)
	arrives "$key" "${events[@]}" && delete "$key" && await "$PATIENCE" look absent "$mnt" "$key" "${events[@]}" && equal
}

one_refresh() { # nothing is new: no object is asked for, and listings are few and of open days alone
	local from refreshes first
	refreshed || return 1
	first=$(listings)
	from=$(ctl log | jq length)
	refreshed && refreshed || return 1
	ctl log | jq ".[$from:]" >"$tmp/asked"
	refreshes=$(($(listings) - first + 2)) # with those that had begun or have not ended
	same "requests other than LISTs" "$(jq '[.[] | select(.kind != "LIST")] | length' "$tmp/asked")" 0 || return 1
	[ "$(jq length "$tmp/asked")" -le $((refreshes * places)) ] || { echo "$(jq length "$tmp/asked") LISTs for $refreshes refreshes"; return 1; }
	# Of a region's folder, what is behind the days that are closed; nothing else leads to a day.
	jq -r '.[].query | capture("prefix=(?<p>[^&]*)").p as $p | [$p, (capture("start-after=(?<a>[^&]*)").a // "")] | join(" ")' "$tmp/asked" |
		sed 's/%2F/\//g' | sort -u >"$tmp/prefixes"
	grep -E '/CloudTrail[^/]*/[^/]+/' "$tmp/prefixes" >"$tmp/regions"
	same "regions" "$(wc -l <"$tmp/regions")" "$(cd "$source" && find AWSLogs -mindepth 3 -maxdepth 3 -type d | wc -l)" || { cat "$tmp/prefixes"; return 1; }
	not grep -vE " AWSLogs/[^/]+/[^/]+/[^/]+/($(day -2 | tr - /)|$(day -1 | tr - /)|$(day 0 | tr - /))$" "$tmp/regions"
}

fetched_once() { # each object that there is or was, whatever happened meanwhile
	ctl log | jq -r '.[] | select(.kind == "GET") | .path' | sort | uniq -c | sort -rn >"$tmp/gets"
	same "fetched more than once" "$(awk '$1 != 1' "$tmp/gets" | wc -l)" 1 && # the one that was replaced
		awk '{ print $2 }' "$tmp/gets" | sed 's/^.trail.//' | sort >"$tmp/got" &&
		same "not fetched" "$(cd "$source" && find AWSLogs -name '*.json.gz' | sort | comm -23 - "$tmp/got" | wc -l)" 0
}

many_while_it_is_read() { # every refresh brings some, before and behind; nothing that was listed goes away meanwhile
	local round i folders ready=$tmp/ready end=$tmp/end bad=0
	folders=("events/${today//-//}" "events/${yesterday//-//}" "by-user/base-user/${today//-//}" "by-resource/base-resource-too/${today//-//}"
		"AWSLogs/$account/CloudTrail/us-east-1/${today//-//}")
	rm -f "$ready" "$end"
	look walk "$mnt" "$ready" "$end" "${folders[@]}" >"$tmp/walked" 2>&1 &
	local walker=$!
	await "$PATIENCE" watched "$ready" "$walker"
	for round in 1 2 3; do
		for i in 1 2 3 4 5 6 7 8; do
			put "$(key_of "$(printf '%02d%02dZ_%s' $(((i * 7 + round * 5) % 24)) $((59 - round)) "many$round")")" \
				"base,many-$round-$i-1,${today}T$(printf %02d $(((i * 11 + round) % 24))):30:00Z" "base,many-$round-$i-2,${yesterday}T23:5$((i % 10)):0${round}Z"
		done
		await "$PATIENCE" t test -e "$mnt/by-user/base-user/${yesterday//-//}/23580${round}Z_base-event_many-$round-8-2.json" || bad=1
		refreshed || bad=1
	done
	touch "$end"
	wait "$walker" || bad=1
	cat "$tmp/walked"
	[ $bad = 0 ] && equal
}

listing_fails() { # listing_fails RULE: what is known stays, and what has come meanwhile is there after the next that succeeds
	local key=$1 event="base,failed-$1,${today}T15:00:00Z"
	key=$(key_of "1500Z_$1")
	put "$(key_of "1459Z_$1")" "base,before-$1,${today}T15:00:00Z" && refreshed "$mnt.2" && equal "$mnt.2" || return 1
	rules "$2" && put "$key" "$event" || return 1
	await "$PATIENCE" struck 2 && t grep -rq "before-$1" "$mnt.2/by-user/base-user/${today//-//}" && t ls "$mnt.2/events/${today//-//}" >/dev/null &&
		look absent "$mnt.2" "$key" "$event" || { rules; return 1; }
	rules && await "$PATIENCE" t test -e "$mnt.2/${key%.gz}" && equal "$mnt.2"
}

struck() { # struck N
	[ "$(ctl hits | jq add)" -ge "$1" ]
}

listing_is_denied() { # of one region: ERRORS says so, and the rest goes on
	listing_fails denied '{"kind":"LIST","query":"us-east-1","status":403,"code":"AccessDenied"}' && not t test -e "$mnt.2/ERRORS"
}

not_by_itself() { # --refresh 0: only when asked for
	local key event="asked,zero-1,${today}T16:00:00Z"
	key=$(key_of 1600Z_h)
	mount_trail s3://trail "$mnt.0" --cache-dir "$tmp/cache.0" && equal "$mnt.0" && look absent "$mnt.0" "$key" "$event" || return 1
	put "$key" "$event" && await "$PATIENCE" t test -e "$mnt.2/${key%.gz}" && refreshed "$mnt.2" || return 1
	look absent "$mnt.0" "$key" "$event" && same "listings" "$(listings "$mnt.0")" 1 || return 1
	hup "$mnt.0" && await "$PATIENCE" t test -e "$mnt.0/${key%.gz}" && equal "$mnt.0" && same "listings" "$(listings "$mnt.0")" 2
}

two_mounts() { # of one cache: each object is fetched by one of them, whoever lists it first; both see and read all of it
	local i key from
	mount_trail s3://trail "$mnt.a" --refresh 1 && mount_trail s3://trail "$mnt.b" --refresh 1 && equal "$mnt.a" && equal "$mnt.b" || return 1
	from=$(ctl log | jq length)
	for i in 1 2 3; do
		key=$(key_of "170${i}Z_w")
		put "$(key_of "170${i}Z_w" "$yesterday")" "base,two-$i-late,${yesterday}T17:00:0${i}Z" && put "$key" "base,two-$i,${today}T17:00:0${i}Z" || return 1
	done
	await "$PATIENCE" t test -e "$mnt.a/${key%.gz}" && await "$PATIENCE" t test -e "$mnt.b/${key%.gz}" || return 1
	wait_ready "$mnt.a" && wait_ready "$mnt.b" && equal "$mnt.a" && equal "$mnt.b" || return 1
	same "GETs" "$(ctl log | jq "[.[$from:][] | select(.kind == \"GET\")] | length")" 6
}

again() { # another mount of the same cache
	local from
	from=$(ctl log | jq length)
	unmount "$mnt" && mount_trail s3://trail "$mnt" --refresh 1 && equal && same "GETs" "$(ctl log | jq "[.[$from:][] | select(.kind == \"GET\")] | length")" 0
}

each() { # each FUNCTION...
	local what
	for what; do
		check "${what//_/ }" "$what"
	done
}

# ---- all of it

clean_environment
make_trail source --objects 24 --events 60 --regions 2 --days 3 >/dev/null || give_up "make-trail"
start_faults --bucket trail="$source"
use_keys "$TEST_KEY" "$TEST_SECRET"
put "$(key_of 0900Z_old 2025-06-20 eu-west-1)" "base,old-1,2025-06-20T09:00:00Z" && put "$(key_of 0900Z_old 2025-06-20)" "base,old-2,2025-06-20T09:00:00Z" &&
	put "$(key_of 0900Z_h "$yesterday")" "base,known-1,${yesterday}T09:00:00Z" && put "$(key_of 0900Z_h)" "base,known-2,${today}T09:00:00Z" || give_up "no objects"
mount_trail s3://trail "$mnt" --refresh 1 || give_up "no mount"
check "before" equal
each in_folders_that_are_there in_new_folders key_sorts_first key_sorts_last events_of_yesterday object_of_yesterday \
	object_of_tomorrow new_region new_account new_kind first_of_the_day delivered_twice replaced deleted
places=$(cd "$source" && find AWSLogs -maxdepth 3 -type d | wc -l)
places=$((places + 2)) # what is beside AWSLogs/, before and behind
each many_while_it_is_read one_refresh fetched_once again
check "it ends" unmount "$mnt"
rules '{"kind":"LIST","delay":0.1}' # so that one often lists while the other one fetches
each two_mounts
rules
check "they end" unmount "$mnt.a" && check "they end" unmount "$mnt.b"
mount_trail s3://trail "$mnt.2" --refresh 1 --timeout 3 --cache-dir "$tmp/cache.2" || give_up "no mount"
check "listing is throttled" listing_fails throttled '{"kind":"LIST","status":503,"code":"SlowDown"}'
check "listing hangs" listing_fails hangs '{"kind":"LIST","query":"us-east-1","hang":true}'
each listing_is_denied not_by_itself
check "it ends" unmount "$mnt.2"
check "it ends" unmount "$mnt.0"
finish
