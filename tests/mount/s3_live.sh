#!/bin/bash
# live.jsonl of a bucket: objects come while requests fail, are cut short and give wrong bytes, while the server is out and
# while one object is denied. Each event is told once, no matter what, and what was told stays as it is.
# also: tsan
# timeout: 900
. "$(dirname "$0")/lib.sh"
. tests/s3/lib.sh

mnt=$tmp/mnt live=$tmp/mnt/live.jsonl
export DAY # of keys and events; both days are asked for at each refresh, also when midnight passes meanwhile
DAY=$(today)
yesterday=$(date -u -d "$DAY -1 day" +%F)
: >"$tmp/wanted"

put() { # put KEY EVENTNAME...: its events are wanted, each once
	local key
	key=$(log_key "$1")
	make_log "$tmp/log" "${@:2}" && zcat "$tmp/log" | jq -c '.Records[]' >>"$tmp/wanted" && put_object trail "$key" "$tmp/log"
}

put_again() { # put_again KEY: by a second trail, whose keys sort first
	local key
	key=$(log_key "$1")
	put_object trail "${key/_$1./_0-$1.}" "$tmp/log"
}

told_all() { # each that is wanted, once; no other
	t cat "$live" >"$tmp/told" && cmp -s <(sort -u "$tmp/wanted") <(sort "$tmp/told")
}

all_told() {
	await_from "$mnt" told_all && return
	echo "told twice, or not wanted: $(comm -13 <(sort -u "$tmp/wanted") <(sort "$tmp/told") | head -3)"
	echo "lost: $(comm -23 <(sort -u "$tmp/wanted") <(sort "$tmp/told") | head -3)"
	return 1
}

bad_times() { # of every few requests one fails, in one of many ways
	rules '{"kind":"LIST","every":5,"status":503,"code":"SlowDown"}' '{"kind":"LIST","every":7,"reset":true}' \
		'{"kind":"GET","every":3,"status":500,"code":"InternalError"}' '{"kind":"GET","every":4,"drop_after":50}' \
		'{"kind":"GET","every":5,"flip":60}' '{"kind":"GET","every":7,"reset":true}'
}

struck() { # each of the rules
	[ "$(ctl hits | jq 'min')" -ge 1 ] || { echo "rules that never struck: $(ctl hits)"; return 1; }
}

first_index() {
	put old Old1 Old2 && DAY=$yesterday put older Old3 && DAY=2025-06-18 put ancient Old4 && : >"$tmp/wanted" &&
		mount_trail s3://trail "$mnt" --refresh 1 --timeout 15 && wait_ready "$mnt" && same "size" "$(t stat -c %s "$live")" 0
}

follow() { # as people do, and as a program that reads at the end again and again
	tail -n +1 -F "$live" >"$tmp/tail" 2>/dev/null &
	readers=($!)
	read_on "$live" "$tmp/read" &
	readers+=($!)
	own "${readers[0]}"
	own "${readers[1]}"
}

rounds() { # rounds N NAME: several objects each, of two days, some delivered twice; all is told before the next one comes
	local round n
	for round in $(seq "$1"); do
		for n in 1 2 3; do
			# shellcheck disable=SC2046
			put "$2$round-$n" $(seq -f "$2$round-$n-%g" $((n * round % 20 + 1))) || return 1
		done
		put_again "$2$round-3" && DAY=$yesterday put "$2$round" "$2$round-late" && DAY=$yesterday put_again "$2$round" && all_told || return 1
	done
}

in_bad_times() {
	bad_times && rounds 5 Round && struck && ctl rules '[]'
}

in_order() { # those of a round before those of the next one
	local order
	order=$(sed -E 's/.*"eventName":"Round([0-9]+).*/\1/' "$tmp/told")
	same "order" "$(uniq <<<"$order" | tr '\n' ' ')" "1 2 3 4 5 "
}

refused_so_often() { # refused_so_often N
	[ "$(ctl hits | jq '.[0]')" -ge "$1" ]
}

outage() { # what comes while nothing answers is told when it answers again, and what was told can be read meanwhile
	rules '{"status":503,"code":"SlowDown"}' && put out1 Out1 Out2 && put out2 Out3 && await_from "$mnt" refused_so_often 3 || return 1
	cp "$tmp/told" "$tmp/before" && t cmp "$live" "$tmp/before" && ctl rules '[]' && all_told
}

cut_for_long() { # cut_for_long: more often than one refresh tries
	rules "{\"kind\":\"GET\",\"path\":\"$(log_key cut)\",\"times\":40,\"drop_after\":50}" && put cut Cut1 Cut2 && put whole Whole1 &&
		await_from "$mnt" t grep -q Whole1 "$live" || return 1
	ctl rules '[]' && all_told
}

denied() { # asked for again at SIGHUP
	rules "{\"kind\":\"GET\",\"path\":\"$(log_key denied)\",\"status\":403,\"code\":\"AccessDenied\"}" && put denied Denied1 Denied2 &&
		await_from "$mnt" t grep -q _denied "$mnt/ERRORS" && put open Open1 && await_from "$mnt" t grep -q Open1 "$live" &&
		not t grep -q Denied "$live" && ctl rules '[]' && hup "$mnt" && all_told
}

replaced() { # by a larger one, by a smaller one, and removed: what was told was told
	put grows Grows1 && all_told && put grows Grows1 Grows2 Grows3 && all_told && put grows Grows1 && put after1 After1 && all_told || return 1
	delete_object trail "$(log_key grows)" && put after2 After2 && all_told && put grows Grows1 Grows2 && put after3 After3 && all_told
}

readers_agree() {
	await_from "$mnt" cmp -s "$tmp/tail" "$tmp/told" || { echo "tail -F differs"; diff "$tmp/tail" "$tmp/told" | head -3; return 1; }
	await_from "$mnt" cmp -s "$tmp/read" "$tmp/told" || { echo "a reader that goes on differs"; cmp "$tmp/read" "$tmp/told"; return 1; }
	same "size" "$(t stat -c %s "$live")" "$(stat -c %s "$tmp/told")"
}

stop_reading() {
	kill "${readers[@]}"
	wait "${readers[@]}" 2>/dev/null
}

mounted_again() { # mounted_again NAME [OPTION...]: nothing that the cache holds is news
	unmount "$mnt" && mount_trail s3://trail "$mnt" --refresh 1 --timeout 15 "${@:2}" && wait_ready "$mnt" && : >"$tmp/wanted" &&
		put "$1" "$1" && all_told
}

# What is not kept is fetched for the index, and for live.jsonl once more. What fails then comes later.
nothing_kept() {
	mounted_again Kept --cache-size 1 && bad_times && rounds 3 Later &&
		rules "{\"kind\":\"GET\",\"path\":\"$(log_key owed)\",\"skip\":1,\"status\":403,\"code\":\"AccessDenied\"}" &&
		put owed Owed1 Owed2 && await_from "$mnt" refused_so_often 1 && put paid Paid1 && await_from "$mnt" t grep -q Paid1 "$live" &&
		not t grep -q Owed "$live" && ctl rules '[]' && all_told
}

clean_environment
use_keys "$TEST_KEY" "$TEST_SECRET"
start_faults --bucket trail
check "it begins empty" first_index
follow
check "each event is told once in bad times" in_bad_times
check "a round's events come before the next one's" in_order
check "what comes while the server is out" outage
check "an object that is cut short for long" cut_for_long
check "an object that is denied for a while" denied
check "objects that are replaced, removed and brought back" replaced
check "all readers have the same" readers_agree
stop_reading
check "the next mount begins anew" mounted_again Again
check "where nothing is kept" nothing_kept
check "it ends" unmount "$mnt"
finish
