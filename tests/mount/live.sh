#!/bin/bash
# live.jsonl: every event that comes, once, in order, for tail -F and for scripts, over many refreshes: duplicates, logs
# that are replaced, removed, brought back, late or damaged for a while. Its bytes stay what they were.
# also: tsan
# timeout: 900
. "$(dirname "$0")/lib.sh"

source=$tmp/source mnt=$tmp/mnt live=$tmp/mnt/live.jsonl
began=$(date -u +%s)

# Changes the source as it is told, and knows what must come: the events that were never there before, a refresh's by
# day and file name, minified. A step is a line: put LOG DAY NAME...; remove LOG; break LOG; each NAME is one event.
cat >"$tmp/steps.py" <<'END'
import gzip, json, os, sys
source, state, order = sys.argv[1:4]
account = '111122223333'
known = set(open(state).read().split('\n')) if os.path.exists(state) else set()
new = set()

def path(log, day):
    day = day if day != 'undated' else '2025-06-19'
    return '%s/AWSLogs/%s/CloudTrail/eu-west-1/%s/%s_CloudTrail_eu-west-1_%sT0900Z_%s.json.gz' % (
        source, account, day.replace('-', '/'), account, day.replace('-', ''), log)

def record(name, day):
    second = sum(name.encode()) * 37 % 86400
    when = '%sT%02d:%02d:%02dZ' % (day, second // 3600, second // 60 % 60, second % 60)
    if day == 'undated':
        when, second = 'never', 0
    text = json.dumps({'eventVersion': '1.08', 'eventTime': when, 'eventName': name, 'eventID': 'id-' + name,
                       'userIdentity': {'type': 'IAMUser', 'userName': 'u "%s" \\' % name}}, separators=(',', ':'))
    file = '%02d%02d%02dZ_%s_id-%s.json' % (second // 3600, second // 60 % 60, second % 60, name, name)
    return ('9999' if day == 'undated' else day, file), text

for line in sys.stdin:
    word = line.split()
    if word[0] == 'new':  # a refresh ends here
        continue
    if word[0] in ('remove', 'break'):
        for folder, _, files in os.walk(source):
            for name in files:
                if name.endswith('_%s.json.gz' % word[1]):
                    file = os.path.join(folder, name)
                    if word[0] == 'remove':
                        os.unlink(file)
                    else:
                        data = open(file, 'rb').read()
                        open(file, 'wb').write(data[:40])
        continue
    _, log, day, *names = word
    body = ''
    for name in names:
        key, text = record(name, day)
        body += (',' if body else '') + text.replace(',"eventName"', ' ,\n\t"eventName"' if len(log) % 2 else ',"eventName"')
        if text not in known:
            known.add(text)
            new.add((key, text))
    target = path(log, day)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(source + '/../aside', 'wb') as file:
        file.write(gzip.compress(('{"Records":[%s]}' % body).encode(), mtime=0))
    os.rename(source + '/../aside', target)
open(state, 'w').write('\n'.join(sorted(known)))
with open(order, 'a') as file:
    for _, text in sorted(new):
        file.write(text + '\n')
END

change() { # change STEP...: of one refresh
	printf '%s\n' "$@" | "$PYTHON" "$tmp/steps.py" "$source" "$tmp/state" "$tmp/wanted"
}

listings() {
	status_of "$mnt" .listings
}

refreshed() { # refreshed N: a listing that began after so many is done, and what it brought is indexed
	[ "$(listings)" -gt "$1" ] && complete "$mnt"
}

refresh() {
	local before
	before=$(listings)
	hup "$mnt"
	await_from "$mnt" refreshed "$before" || { echo "no refresh"; return 1; }
}

equals() { # equals FILE
	cmp -s "$1" "$tmp/wanted"
}

same_bytes() { # live.jsonl is what is wanted, and has the size that it says
	t cat "$live" >"$tmp/cat" && cmp "$tmp/cat" "$tmp/wanted" && same "size" "$(t stat -c %s "$live")" "$(stat -c %s "$tmp/wanted")"
}

# Until all is there; a moment later nothing more may be: another refresh would bring what comes twice.
came() {
	await_from "$mnt" caught_up || { t cat "$live" | diff - "$tmp/wanted" | head -5; return 1; }
}

caught_up() {
	t cat "$live" >"$tmp/cat" && equals "$tmp/cat"
}

step() { # step STEP...: one refresh, and what it must bring
	change "$@" && refresh && came
}

date_of() { # date_of DAYS: so many days from the one at which the test began
	date -u -d "@$((began + $1 * 86400))" +%F
}

first_index() {
	change "put a 2025-06-18 Old1 Old2" "put b 2025-06-19 Old3 Old4" && : >"$tmp/wanted" &&
		mount_trail "$source" "$mnt" && wait_ready "$mnt" || return 1
	same "size" "$(t stat -c '%s %A' "$live")" "0 -r--------" && same "bytes" "$(t cat "$live")" "" &&
		same "names" "$(t ls -A "$mnt" | grep -c live)" 0 && says "Read-only" t touch "$live"
}

follow() { # as a person does, and as a script does
	tail -n +1 -F "$live" >"$tmp/tail" 2>"$tmp/tail.err" &
	own $!
	tail -n +1 -F "$live" 2>/dev/null > >(while read -r line; do
		line=${line#*'"eventName":"'}
		echo "${line%%\"*}" >>"$tmp/acted"
	done) &
	own $!
	return 0
}

stop_following() {
	kill "${started[@]:1}" && wait "${started[@]:1}" 2>/dev/null
	started=("${started[0]}")
}

new_events() {
	step "put c 2025-06-19 New1 New2 New3" && same "lines" "$(wc -l <"$tmp/wanted")" 3
}

several_days() {
	step "put late $(date_of 0) Today1 Today2" "put early $(date_of -1) Eve1" "put odd undated Never1" "put d 2025-06-18 More1"
}

yesterday() { # with an object of today; its key sorts first
	change "put eve $(date_of -1) Eve2" || return 1
	local key
	key=$(cd "$source" && find . -name '*_eve.json.gz')
	mkdir -p "$source/$(dirname "$(dirname "$key")")/x" && mv "$source/$key" "$source/$(dirname "$(dirname "$key")")/x/" || return 1
	refresh && came
}

second_trail() { # of old events, of new ones, of those of this refresh; keys that sort first are shown in place of others
	step "put A2 2025-06-19 Old3 New1" "put zz 2025-06-18 Old1 More1" &&
		step "put e 2025-06-19 Two1 Two2" "put A3 2025-06-19 Two2 Two3" "put zzz 2025-06-19 Two1 Old4"
}

replaced() { # a log that grows, one with white space, one that loses an event
	step "put c 2025-06-19 New1 New2 New3 Grown1" && step "put c 2025-06-19 New1 Grown1 Grown2" && step "put c 2025-06-19 New2 New3"
}

removed() { # and brought back, under its name and another
	local before
	before=$(wc -c <"$tmp/wanted")
	step "remove c" "remove A2" && step "put c 2025-06-19 New1 New2 New3" "put back 2025-06-19 Grown1 Old3" "put f 2025-06-19 Last1" || return 1
	[ "$(wc -c <"$tmp/wanted")" -gt "$before" ]
}

damaged() { # while it was damaged it held no events, so those that come when it is mended were there before or are new
	step "put g 2025-06-19 Hurt1 Hurt2" && step "break g" && step "put g 2025-06-19 Hurt1 Hurt2 Hurt3"
}

gone_and_read() { # what was told stays, though its log is gone
	step "put h 2025-06-20 Gone1 Gone2" && step "remove h" && same_bytes
}

many() {
	local i names
	for i in $(seq 12); do
		names=$(seq -f "M$i-%g" -s ' ' $((i * 30)))
		step "put m$i 2025-06-2$((i % 3)) $names" "put n$i 2025-06-2$((i % 3)) $names" || return 1
	done
}

everything_shown() { # every event in events/ is an old one, or told once
	t cat "$mnt/events/all.jsonl" | sort >"$tmp/shown"
	t cat "$live" | sort >"$tmp/told"
	same "told twice" "$(uniq -d "$tmp/told")" "" && same "shown and not told" \
		"$(comm -23 "$tmp/shown" "$tmp/told" | jq -r .eventName | sort | tr '\n' ' ')" "Old1 Old2 Old3 Old4 "
}

tail_has_it() {
	await_from "$mnt" equals "$tmp/tail" || { diff "$tmp/tail" "$tmp/wanted" | head -5; cat "$tmp/tail.err"; return 1; }
	jq -r .eventName "$tmp/wanted" >"$tmp/to_act"
	await_from "$mnt" cmp -s "$tmp/acted" "$tmp/to_act" || { diff "$tmp/acted" "$tmp/to_act" | head -5; return 1; }
	same "what tail says" "$(cat "$tmp/tail.err")" ""
}

offsets() {
	local size skip
	size=$(stat -c %s "$tmp/wanted")
	for skip in 1 4095 4096 $((size / 2)) $((size - 7)) "$size" $((size + 9)); do
		t dd if="$live" bs=64k iflag=skip_bytes skip="$skip" status=none | cmp - <(tail -c +$((skip + 1)) "$tmp/wanted") ||
			{ echo "from $skip"; return 1; }
	done
	same "inode" "$(t stat -c %i "$live")" "$inode"
}

by_itself() { # --refresh 1, while it is read all the time; nobody asks for a refresh
	local i tail polls
	stop_following
	unmount "$mnt" && : >"$tmp/wanted" && mount_trail "$source" "$mnt" --refresh 1 && wait_ready "$mnt" || return 1
	tail -n +1 -F "$live" >"$tmp/tail2" 2>/dev/null &
	tail=$!
	own "$tail"
	read_on "$live" "$tmp/polled" &
	polls=$!
	own "$polls"
	for i in $(seq 8); do
		change "put r$i 2025-06-24 R$i-1 R$i-2" "put s$i 2025-06-24 R$i-2 S$i" && came || return 1
	done
	await_from "$mnt" equals "$tmp/tail2" || { echo "tail -F differs"; diff "$tmp/tail2" "$tmp/wanted" | head -3; return 1; }
	await_from "$mnt" equals "$tmp/polled" || { echo "a reader that goes on differs"; cmp "$tmp/polled" "$tmp/wanted"; return 1; }
	same_bytes || return 1
	kill "$tail" "$polls" && wait "$tail" "$polls" 2>/dev/null
	return 0
}

own_name() { # a file of the source that is called like that
	mkdir -p "$tmp/other" && echo '{"eventName":"X","eventVersion":"1"}' >"$tmp/other/live.jsonl" &&
		mount_trail "$tmp/other" "$tmp/mnt2" --cache-dir "$tmp/cache2" && wait_ready "$tmp/mnt2" &&
		same "names" "$(t ls "$tmp/mnt2" | grep ive.jsonl)" "%6Cive.jsonl" && same "size" "$(t stat -c %s "$tmp/mnt2/live.jsonl")" 0 &&
		compare "$tmp/other" "$tmp/mnt2" && unmount "$tmp/mnt2"
}

check "it begins empty, and is not listed" first_index
inode=$(t stat -c %i "$live")
follow
check "new events come" new_events
check "events of several days, of yesterday, undated ones" several_days
check "an object of today with events of yesterday" yesterday
check "a second trail's copies do not" second_trail
check "a log that is replaced brings what is new in it" replaced
check "what was removed and comes back does not come twice" removed
check "a damaged log that is mended" damaged
check "what was told stays when its log is gone" gone_and_read
check "many events over many refreshes" many
check "what is shown was told, once" everything_shown
check "tail -F and a script that acts have seen each event once" tail_has_it
check "any offset, and behind the end" offsets
check "size and bytes" same_bytes
check "by itself, read while it grows" by_itself
check "ends" unmount "$mnt"
check "the source's own live.jsonl" own_name
finish
