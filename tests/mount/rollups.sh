#!/bin/bash
# Rollups: all.jsonl, all.json, all.csv, count and counts.tsv, wherever they can be asked for, byte by byte; from any
# offset, by many readers, in bounded memory; while events come; when a log cannot be read or is not yet.
# also: asan tsan
# timeout: 900
. "$(dirname "$0")/lib.sh"

source=$tmp/source mnt=$tmp/mnt slow=2025/06/18 day=2025/06/19

# ---- on a mount that is complete ----

not_listed() {
	local name
	same "events" "$(t ls -A "$mnt/events" | grep -v '^[0-9]*$')" "" &&
		same "found" "$(t find "$mnt/events" "$mnt/by-user" \( -name 'all.*' -o -name 'count*' \))" "" || return 1
	# The names of one kind of directory are not those of another.
	for name in counts.tsv by-user/count by-user/all.csv by-user/../count AWSLogs/count events/all.tsv; do
		says "No such file" t cat "$mnt/${name/#counts.tsv/events/counts.tsv}" || return 1
	done
}

printed() { # -p
	local path
	for path in events/all.jsonl events/$day/all.json by-access/read/all.csv events/2025/06/count by-event/counts.tsv; do
		t "$TRAILFS" --cache-dir "$cache" -p "$path" "$source" | t cmp - "$mnt/$path" || return 1
	done
}

attributes() {
	local file=$mnt/events/$day/all.jsonl
	same "mode" "$(t stat -c '%A %h' "$file")" "-r-------- 1" &&
		same "seconds" "$(t stat -c %Y "$file")" "$(t stat -c %Y "$mnt/events/$day")" &&
		says "Read-only" t touch "$file" && same "inodes" "$(cd "$mnt/events/$day" &&
		t stat -c %i all.jsonl all.json all.csv count ../../../all.csv | sort -u | wc -l)" 5
}

parts() { # by dd, from offsets that are no multiple of anything
	local name=$1 size skip
	size=$(t stat -c %s "$mnt/events/$name")
	for skip in 1 4095 $((size / 3)) $((size - 100)); do
		t dd if="$mnt/events/$name" bs=64k iflag=skip_bytes skip="$skip" status=none |
			cmp - <(tail -c +$((skip + 1)) "$tmp/copy.$name") || { echo "$name from $skip"; return 1; }
	done
	same "behind the end" "$(t dd if="$mnt/events/$name" bs=1 iflag=skip_bytes skip=$((size + 5)) count=1 status=none | wc -c)" 0
}

seeks() {
	local name
	for name in all.jsonl all.json all.csv; do
		t cat "$mnt/events/$name" >"$tmp/copy.$name" &&
			same "size" "$(t stat -c %s "$mnt/events/$name")" "$(stat -c %s "$tmp/copy.$name")" && parts "$name" || return 1
	done
}

readers() { # 8 at once, of a mount that has read nothing yet
	local i name wanted
	unmount "$mnt" && mount_trail "$source" "$mnt" && wait_ready "$mnt" || return 1
	for i in {1..8}; do
		name=$([ $((i % 2)) = 0 ] && echo all.jsonl || echo all.csv)
		(t cat "$mnt/events/$name" | md5sum | cut -d' ' -f1 >"$tmp/sum.$i") &
		pids[i]=$!
	done
	wait "${pids[@]}"
	for i in {1..8}; do
		name=$([ $((i % 2)) = 0 ] && echo all.jsonl || echo all.csv)
		wanted=$(md5sum <"$tmp/copy.$name" | cut -d' ' -f1)
		same "reader $i" "$(cat "$tmp/sum.$i")" "$wanted" || return 1
	done
}

tools() { # what they are for
	t jq -e -s 'length == '"$(t cat "$mnt/events/count")" "$mnt/events/all.jsonl" >/dev/null &&
		t jq -e '.Records | length == '"$(t cat "$mnt/events/count")" "$mnt/events/all.json" >/dev/null &&
		same "rows" "$(t "$PYTHON" -c 'import csv, sys; print(sum(1 for row in csv.DictReader(sys.stdin) if row["eventID"]))' \
			<"$mnt/events/all.csv")" "$(t cat "$mnt/events/count")" &&
		same "users" "$(t cut -f2 "$mnt/by-user/counts.tsv" | sort)" "$(t ls "$mnt/by-user" | sort)" &&
		t tac "$mnt/events/all.jsonl" | tac | cmp - "$tmp/copy.all.jsonl"
}

# ---- what changes ----

put() { # put NAME USER [N]: a log of N events
	local key=AWSLogs/111122223333/CloudTrail/us-east-1/$day/111122223333_CloudTrail_us-east-1_20250619T0900Z_$1.json.gz
	mkdir -p "$source/$(dirname "$key")"
	jq -cn --arg user "$2" --arg name "$1" --argjson n "${3:-1}" '{Records: [range($n) | {eventVersion: "1.08", eventTime: "2025-06-19T09:00:0\(. % 10)Z",
		eventName: "New", eventID: "id-\($name)-\(.)", userIdentity: {type: "IAMUser", userName: $user}, errorMessage: "=1+1, \"x\""}]}' |
		gzip -n >"$tmp/log" && mv "$tmp/log" "$source/$key" && hup "$mnt"
}

counts() { # counts DIR N
	[ "$(t cat "$mnt/$1/count")" = "$2" ]
}

arrive() { # while one of them is being read
	local before name
	before=$(t cat "$mnt/events/count")
	for name in all.jsonl all.csv; do
		t cat "$mnt/events/$name" >"$tmp/before.$name" || return 1
	done
	exec 5<"$mnt/events/all.jsonl" 6<"$mnt/events/all.csv"
	head -c 1000 <&5 >"$tmp/read.all.jsonl"
	put new newcomer 7 && await "$PATIENCE" counts events $((before + 7)) || { echo "no news"; return 1; }
	# Those that were open are as they were.
	cat <&5 >>"$tmp/read.all.jsonl" && cat <&6 >"$tmp/read.all.csv"
	exec 5<&- 6<&-
	same "of the day and user" "$(t cat "$mnt/by-user/newcomer/$day/count")" 7 &&
		await "$PATIENCE" t grep -q -P '^7\tnewcomer$' "$mnt/by-user/counts.tsv" || return 1
	for name in all.jsonl all.csv; do
		cmp "$tmp/read.$name" "$tmp/before.$name" || return 1
	done
	same "defused" "$(t grep -c "\"'=1+1, \"\"x\"\"\"" "$mnt/by-user/newcomer/all.csv")" 7 &&
		await "$PATIENCE" agrees rollups "$source" "$mnt" --some 6
}

disappear() {
	local before
	before=$(t cat "$mnt/events/count")
	rm "$source"/AWSLogs/111122223333/CloudTrail/us-east-1/$day/*_new.json.gz && hup "$mnt" &&
		await "$PATIENCE" counts events $((before - 7)) && await "$PATIENCE" agrees rollups "$source" "$mnt" --some 3
}

named_so() { # a value may have the name of a rollup, and values are listed
	put named counts.tsv && await "$PATIENCE" test -d "$mnt/by-user/counts.tsv" &&
		same "its events" "$(t cat "$mnt/by-user/counts.tsv/count")" 1 &&
		same "another facet" "$(t grep -P -c '\tNew$' "$mnt/by-event/counts.tsv")" 1 || return 1
	rm "$source"/AWSLogs/111122223333/CloudTrail/us-east-1/$day/*_named.json.gz && hup "$mnt" &&
		await "$PATIENCE" test -f "$mnt/by-user/counts.tsv"
}

# ---- what cannot be read ----

fails_at_last() { # fails_at_last FILE: right bytes up to an error
	local status
	t cat "$1" >"$tmp/got" 2>"$tmp/why"
	status=$?
	same "status" "$status" 1 && grep -q "Input/output error" "$tmp/why" &&
		[ "$(stat -c %s "$tmp/got")" -lt "$(t stat -c %s "$1")" ]
}

readable() { # readable FILE
	t cat "$1" >/dev/null 2>"$tmp/why"
}

unreadable() { # a log goes, and nobody has said so
	local log count
	count=$(t cat "$mnt/events/count")
	log=$(find "$source/AWSLogs" -path "*/$slow/*.json.gz" | sort | sed -n 3p)
	unmount "$mnt" && mount_trail "$source" "$mnt" && wait_ready "$mnt" && mv "$log" "$tmp/log" || return 1
	same "count" "$(t cat "$mnt/events/count")" "$count" && fails_at_last "$mnt/events/all.jsonl" &&
		fails_at_last "$mnt/events/all.json" && says "Input/output error" t stat "$mnt/events/all.csv" &&
		t cat "$mnt/events/$day/all.jsonl" >/dev/null && t cat "$mnt/events/$day/all.csv" >/dev/null || return 1
	mv "$tmp/log" "$log" && hup "$mnt" # another one, as far as can be seen
	await "$PATIENCE" readable "$mnt/events/all.csv" && await "$PATIENCE" readable "$mnt/events/all.jsonl" || { cat "$tmp/why"; return 1; }
	agrees rollups "$source" "$mnt" --some 3 && unmount "$mnt"
}

# ---- while the index is being built ----

waits() { # a mount that knows all days but one, the reading of which hangs
	local path
	begin_slow || return 1
	t cat "$mnt/events/$day/count" "$mnt/events/$day/all.jsonl" "$mnt/events/@2025-06-19/all.csv" >/dev/null || return 1
	for path in events/count events/2025/all.jsonl by-user/counts.tsv events/$slow/all.csv; do
		start "$tmp/asked" cat "$mnt/$path"
		await "$PATIENCE" parked 1 && not gone "$started_pid" || { echo "$path does not wait: $(cat "$tmp/asked")"; return 1; }
		kill -INT "$started_pid" && await 60 gone "$started_pid" && await 60 not parked 1 || { echo "$path"; return 1; }
	done
	rm "$tmp/hang" && agrees rollups "$source" "$mnt" --some 5 && unmount "$mnt"
}

# ---- memory ----

memory() { # of a long one, while it is read
	local most=0 now size cat name
	mount_trail "$tmp/long" "$mnt" && wait_ready "$mnt" || return 1
	size=$(t stat -c %s "$mnt/events/all.jsonl")
	[ "$size" -gt 300000000 ] || { echo "only $size bytes"; return 1; }
	for name in all.jsonl all.csv; do
		t cat "$mnt/events/$name" >/dev/null &
		cat=$!
		while kill -0 "$cat" 2>/dev/null; do
			now=$(awk '/^RssAnon:/ { print $2 }' "/proc/${pid_of[$mnt]}/status")
			[ "$now" -le "$most" ] || most=$now
		done
		wait "$cat" || return 1
	done
	[ "$most" -lt 150000 ] || { echo "took $most kB"; return 1; }
	unmount "$mnt"
}

events=2000 objects=200 some=25 few=6 each=1
case $SAN in
asan) events=500 objects=60 some=6 few=2 each=6 ;;
tsan) events=200 objects=30 some=3 few=1 each=24 ;;
esac

make_trail source --objects 96 --events 3000 --days 4 --large-records >/dev/null || give_up "make-trail"
make_slow_reads

mount_trail "$source" "$mnt" || give_up "no mount"
check "in many directories" agrees rollups "$source" "$mnt" --some "$some" --nested "$((some * 2))" --seek
check "never listed" not_listed
check "-p" printed
check "attributes" attributes
check "seeks" seeks
check "8 readers at once" readers
check "jq, csv, tac" tools
check "new events" arrive
check "events that go" disappear
check "a value called counts.tsv" named_so
check "a log that cannot be read" unreadable
if [ -n "$SAN" ]; then
	skip "what is not known yet" "a sanitizer's library must be the first to be loaded"
else
	check "what is not known yet" waits
fi

make_trail all --all --objects "$objects" --events "$events" --accounts 2 >/dev/null || give_up "make-trail --all"
check "everything that a trail can hold" agrees_mounted rollups "$tmp/all" "--some $some --nested $((some * 2)) --seek"
check "--since and --until" agrees_mounted rollups "$tmp/all" "--some $few" --since 2025-06-18T09:30 --until 2025-06-18T17:59

some_odd_trails "$each"
for name in $odd; do
	check "odd: $name" agrees_mounted rollups "$tmp/odd/$name" "--some $few --nested $few"
done

if [ -n "$SAN" ]; then
	skip "memory while streaming" "sanitizers take their own"
else
	make_trail long --preset busy --events 215000 >/dev/null || give_up "make-trail --preset busy"
	check "memory while streaming" memory
fi
finish
