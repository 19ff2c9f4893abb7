#!/bin/bash
# What is new, changed or gone in the source is seen after SIGHUP, and by itself with --refresh, in every view.
# also: tsan
# timeout: 600
. "$(dirname "$0")/lib.sh"

source=$tmp/source mnt=$tmp/mnt
account=111122223333
began=$(date -u +%s)

log_path() { # log_path NAME [DAY]
	local day=${2:-2025/06/19}
	echo "AWSLogs/$account/CloudTrail/us-east-1/$day/${account}_CloudTrail_us-east-1_${day//\//}T0900Z_$1.json.gz"
}

put() { # put KEY EVENTNAME... [-- BYTES-AFTER]: a log of such events, whole at once, as objects in S3 are
	local key=$1
	shift
	mkdir -p "$source/$(dirname "$key")" "$tmp/aside"
	"$PYTHON" - "$tmp/aside/log" "${day:-2025-06-19}" "$@" <<'END' || return 1
import gzip, json, sys
records = [{'eventVersion': '1.08',
            'eventTime': sys.argv[2] + 'T09:00:%02dZ' % n, 'eventName': name, 'eventID': 'id-%s-%d' % (name, n),
            'eventSource': 'ec2.amazonaws.com', 'userIdentity': {'type': 'IAMUser', 'userName': 'user-' + name},
            'sourceIPAddress': '198.51.100.%d' % n} for n, name in enumerate(sys.argv[3:])]
with open(sys.argv[1], 'wb') as file:
    file.write(gzip.compress(json.dumps({'Records': records}).encode(), mtime=0))
END
	mv "$tmp/aside/log" "$source/$key"
}

equal() {
	compare "$source" "$mnt"
}

there() { # there PATTERN: some path in the mount
	t bash -c "compgen -G '$mnt/$1' >/dev/null"
}

soon() { # soon COMMAND...: what the kernel kept is dropped a little later
	await "$PATIENCE" "$@" || { echo "not even later: $*"; return 1; }
}

seen() { # seen COMMAND...: after a refresh; and then all is equal to the model
	[ -n "$by_itself" ] || hup "$mnt"
	await "$PATIENCE" "$@" || { echo "not after $PATIENCE s: $*"; return 1; }
	# The kernel is told of what is stale after the answers are new.
	await "$PATIENCE" equal >/dev/null || equal
}

cat_says() { # cat_says FILE WORD
	t cat "$mnt/$1" 2>/dev/null | grep -q "$2"
}

new_object() {
	not there 'by-event/NewOne' && put "$(log_path new)" NewOne || return 1
	seen there 'by-event/NewOne/2025/06/19/*_NewOne_*.json' && there 'by-user/user-NewOne/2025/06/19/*' &&
		there "$(log_path new | sed 's/.gz$//')" && there 'events/2025/06/19/*_NewOne_*'
}

new_day() { # that was looked for before it was there
	not there 'events/2025/07/01' && not t ls "$mnt/events/2025/07/01" "$mnt/by-user/user-NewDay/2025/07" 2>/dev/null || return 1
	day=2025-07-01 put "$(log_path day 2025/07/01)" NewDay || return 1
	seen there 'events/2025/07/01/*_NewDay_*' && t ls "$mnt/by-user/user-NewDay/2025/07/01" >/dev/null
}

date_of() { # date_of DAYS FORMAT: so many days from the one at which the test began
	date -u -d "@$((began + $1 * 86400))" "+$2"
}

first_of_today() { # with events of yesterday; neither day's folders were there
	local today yesterday
	today=$(date_of 0 %Y/%m/%d) yesterday=$(date_of -1 %Y/%m/%d)
	not there "AWSLogs/*/*/*/$today" && not there "events/$today" && not t ls "$mnt/events/$yesterday" 2>/dev/null || return 1
	day=$(date_of -1 %F) put "$(log_path m-eve "$today")" Eve Eve && seen there "by-event/Eve/$yesterday/*_Eve_*" && there "events/$yesterday/*_Eve_*" &&
		there "by-user/user-Eve/$yesterday/*" && there "$(log_path m-eve "$today" | sed 's/.gz$//')" && not there "events/$today"
}

key_sorts_first() { # of today's, in folders that the kernel knows, one of them held open
	local today bad=0
	today=$(date_of 0 %Y/%m/%d)
	day=$(date_of 0 %F) put "$(log_path m-today "$today")" Today Today && seen there "events/$today/*_Today_*" || return 1
	exec 6<"$mnt/by-user/user-Today/$today"
	"$PYTHON" -c 'import os; os.listdir(6)' && t ls "$mnt/events/$today" "$mnt/by-event/Today/$today" "$mnt/$(dirname "$(log_path x "$today")")" >/dev/null || bad=1
	# The same names, a second further.
	day=$(date_of 0 %F) put "$(log_path a-today "$today")" None None Today Today &&
		seen there "by-event/Today/$today/090003Z_Today_*" && there "events/$today/090002Z_Today_*" && there "$(log_path a-today "$today" | sed 's/.gz$//')" || bad=1
	soon held_lists 090003Z_Today || bad=1
	exec 6<&-
	return $bad
}

held_lists() { # held_lists NAME: the folder that is open as 6, read again from its beginning
	t "$PYTHON" -c 'import os, sys; sys.exit(not any(name.startswith(sys.argv[1]) for name in os.listdir(6)))' "$1"
}

late_for_yesterday() { # an object of yesterday, with events of today
	local today
	today=$(date_of 0 %Y/%m/%d)
	day=$(date_of 0 %F) put "$(log_path late "$(date_of -1 %Y/%m/%d)")" Late && seen there "events/$today/*_Late_*" && there "by-user/user-Late/$today/*_Late_*"
}

changed_bytes() { # the same name and event, other bytes; both were in the kernel's cache
	local event log
	log=$(log_path change | sed 's/.gz$//')
	put "$(log_path change)" Changing && seen there 'by-event/Changing' || return 1
	event=$(cd "$mnt" && compgen -G 'events/2025/06/19/*_Changing_*')
	cat_says "$event" '198.51.100.0' && cat_says "$log" 'user-Changing' || { echo "not read"; return 1; }
	gunzip <"$source/$log.gz" | sed 's/198.51.100.0/203.0.113.254/' | gzip >"$tmp/aside/log" && mv "$tmp/aside/log" "$source/$log.gz"
	seen cat_says "$event" '203.0.113.254' && soon not cat_says "$event" '198.51.100.0' && soon cat_says "$log" '203.0.113.254' &&
		not there 'by-ip/198.51.100.0/2025/06/19/*_Changing_*' && there 'by-ip/203.0.113.254/2025/06/19/*_Changing_*'
}

clash_sorts_first() { # another event of the same name: the one in the first key has the plain one
	local plain=2025/06/19/090000Z_Clash_id-Clash-0.json key other dir
	key=$(log_path m-clash) other=$(log_path a-clash)
	put "$key" Clash && gunzip <"$source/$key" | sed 's/198.51.100.0/203.0.113.9/' | gzip >"$tmp/aside/clash" || return 1
	await "$PATIENCE" known "$key" || return 1
	# Looked up, and in the kernel's cache; never listed.
	for dir in events by-user/user-Clash by-event/Clash/by-user/user-Clash; do
		cat_says "$dir/$plain" 198.51.100.0 || { echo "$dir: not the first"; return 1; }
	done
	mv "$tmp/aside/clash" "$source/$other"
	await "$PATIENCE" known "$other" || return 1
	for dir in events by-user/user-Clash by-event/Clash/by-user/user-Clash; do
		soon cat_says "$dir/$plain" 203.0.113.9 && cat_says "$dir/${plain%.json}~2.json" 198.51.100.0 || { echo "$dir: not the new one"; return 1; }
	done
	rm "$source/$other"
	soon not known "$other" && soon cat_says "events/$plain" 198.51.100.0 && soon cat_says "by-event/Clash/by-user/user-Clash/$plain" 198.51.100.0 &&
		soon not t test -e "$mnt/events/${plain%.json}~2.json" && seen true
}

known() { # known KEY: a refresh has shown it; nothing is listed
	[ -n "$by_itself" ] || hup "$mnt"
	t test -e "$mnt/${1%.gz}" && complete "$mnt"
}

changed_events() { # other events in place of the old ones
	put "$(log_path swap)" OldA OldB && seen there 'by-event/OldB' || return 1
	t cat "$mnt"/by-event/Old?/2025/06/19/* >/dev/null
	put "$(log_path swap)" NewA && seen there 'by-event/NewA' && soon not there 'by-event/Old*' &&
		soon not there 'events/2025/06/19/*_OldA_*'
}

same_size_and_time() { # only the inode's change time tells
	local log old
	log=$(log_path sly)
	put "$log" SlyA && seen there 'by-event/SlyA' || return 1
	old=$(stat -c '%s %Y' "$source/$log")
	gunzip <"$source/$log" | sed 's/SlyA/SlyB/g' | gzip -n >"$tmp/aside/sly"
	put "$log" SlyB && touch -d "@${old#* }" "$source/$log" && seen there 'by-event/SlyB' && soon not there 'by-event/SlyA'
}

removed() {
	t cat "$mnt"/by-event/NewOne/2025/06/19/* >/dev/null
	rm "$source/$(log_path new)"
	seen not there 'by-event/NewOne' && soon not there 'events/2025/06/19/*_NewOne_*' &&
		soon not there "$(log_path new | sed 's/.gz$//')" &&
		grep -q "gone from the source: 1 objects that were there before, the first $(log_path new)" "${log_of[$mnt]}"
}

never_empty() { # never_empty FOLDER: listed again and again while its last event goes: as it was, or not at all
	t "$PYTHON" - "$1" "$PATIENCE" <<'END'
import os, sys, time
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    try:
        if not os.listdir(sys.argv[1]):
            sys.exit('empty: ' + sys.argv[1])
    except FileNotFoundError:
        sys.exit(0)
sys.exit('never gone: ' + sys.argv[1])
END
}

removed_day() {
	local folder watchers=() bad=0
	for folder in events/2025/07/01 events/2025/07 by-user/user-NewDay/2025; do
		never_empty "$mnt/$folder" &
		watchers+=($!)
	done
	t ls "$mnt/events/2025/07/01" >/dev/null && exec 6<"$mnt/events/2025/07/01" || bad=1
	day_goes || bad=1
	for folder in "${watchers[@]}"; do
		wait "$folder" || bad=1
	done
	# Who has it open and has read nothing of it sees it as it was.
	t "$PYTHON" -c 'import os, sys; sys.exit(not os.listdir(6))' || { echo "open and empty"; bad=1; }
	# Whose working directory it is can still look into it: find, for one, does so wherever it is sent.
	soon t ls "/proc/$$/fd/6/." 2>/dev/null || bad=1
	same "what is in it" "$(t ls "/proc/$$/fd/6/." 2>&1)" "" || bad=1
	exec 6<&-
	return $bad
}

day_goes() {
	rm -r "${source:?}/$(dirname "$(log_path day 2025/07/01)")"
	seen not there 'events/2025/07' && soon not there 'by-user/user-NewDay'
}

damaged_and_mended() {
	local key
	key=$(log_path hurt)
	not there ERRORS && put "$key" Hurt && seen there 'by-event/Hurt' && t cat "$mnt/${key%.gz}" >/dev/null || return 1
	head -c 60 "$source/$key" >"$tmp/aside/hurt" && cp "$tmp/aside/hurt" "$source/$key"
	seen there ERRORS && t grep -q "^$key	" "$mnt/ERRORS" && soon not there 'by-event/Hurt' || return 1
	says "Input/output error" t cat "$mnt/${key%.gz}" || return 1
	put "$key" Hurt && seen there 'by-event/Hurt' && soon not there ERRORS && cat_says "${key%.gz}" user-Hurt
}

growing() { # written in place, bit by bit: damage until it is whole
	local key
	key=$(log_path grow)
	put "$key" Grown && mv "$source/$key" "$tmp/aside/whole" &&
		head -c 50 "$tmp/aside/whole" >"$source/$key" && seen there ERRORS || return 1
	tail -c +51 "$tmp/aside/whole" >>"$source/$key" && seen there 'by-event/Grown' && soon not there ERRORS
}

duplicate_of_another() { # a second delivery changes nothing but AWSLogs; the first going away neither
	put "$(log_path one)" Twice && seen there 'by-event/Twice' || return 1
	cp "$source/$(log_path one)" "$source/$(log_path two)"
	seen there "$(log_path two | sed 's/.gz$//')" && same "shown" "$(t find "$mnt/events" -name '*_Twice_*' | wc -l)" 1 || return 1
	t cat "$mnt"/by-event/Twice/2025/06/19/* >/dev/null
	rm "$source/$(log_path one)"
	seen not there "$(log_path one | sed 's/.gz$//')" && same "shown" "$(t find "$mnt/events" -name '*_Twice_*' | wc -l)" 1 &&
		cat_says "$(cd "$mnt" && compgen -G 'by-user/user-Twice/2025/06/19/*')" user-Twice
}

open_while_it_changes() { # a file that is held open gives its bytes or an error, never a mix
	put "$(log_path held)" HeldOld HeldOld HeldOld && seen there 'by-event/HeldOld' || return 1
	exec 5<"$mnt/$(log_path held | sed 's/.gz$//')"
	put "$(log_path held)" HeldNew && seen there 'by-event/HeldNew' || return 1
	if t cat <&5 >"$tmp/held" 2>/dev/null; then
		not grep -q HeldNew "$tmp/held" || not grep -q HeldOld "$tmp/held" || { echo "a mix"; return 1; }
	fi
	exec 5<&-
}

# A reader that is in the middle when a day changes, and one that comes then: the kernel must not keep a list of both.
two_readers_in_between() {
	local i
	for i in $(seq 0 60 840); do
		# shellcheck disable=SC2046
		put "$(log_path "many$i")" $(seq -f Many%.0f $((i + 1)) $((i + 60))) || return 1
	done
	seen there 'by-event/Many900' || return 1
	put "$(log_path zlast)" Between && mv "$source/$(log_path zlast)" "$tmp/aside/between" || return 1
	t "$PYTHON" - "$mnt/events/2025/06/19" "$tmp/aside/between" "$source/$(log_path between)" "${pid_of[$mnt]}" <<'END' || return 1
import os, signal, sys, time
folder, aside, key, pid = sys.argv[1:]
before = os.listdir(folder)
assert len(before) > 900, len(before)
os.listdir(folder)
slow = os.scandir(folder)  # has read a piece
next(slow)
os.rename(aside, key)
os.kill(int(pid), signal.SIGHUP)
name = '090000Z_Between_id-Between-0.json'
end = time.monotonic() + 120
while not os.path.exists(os.path.join(folder, name)):
    assert time.monotonic() < end, 'never came'
    time.sleep(0.05)
wanted = sorted(before + [name])
other = sorted(os.listdir(folder))
rest = [entry.name for entry in slow]
assert len(set(rest)) == len(rest), 'the reader in the middle was given a name twice'
for reader in ['the one that came then', 'the next', 'and the next']:
    names = other if reader == 'the one that came then' else sorted(os.listdir(folder))
    if names != wanted:
        twice = [n for n in names if names.count(n) > 1]
        sys.exit('%s: %d names, not %d; missing %s, too many %s, twice %s' % (
            reader, len(names), len(wanted), sorted(set(wanted) - set(names))[:3], sorted(set(names) - set(wanted))[:3], twice[:3]))
END
}

# A reader that is in the middle when a log is replaced: it still shows the old one's events, and what the kernel learns of them
# so must not stay for their names, which are those of the new one's.
reader_in_between_of_replaced() {
	local key
	key=$(log_path many840)
	gunzip <"$source/$key" | sed 's/198.51.100./203.0.113./g' | gzip >"$tmp/aside/other" || return 1
	t "$PYTHON" - "$mnt/events/2025/06/19" "$tmp/aside/other" "$source/$key" "${pid_of[$mnt]}" <<'END'
import ctypes, os, signal, sys, time
folder, aside, key, pid = sys.argv[1:]
slow, some = os.open(folder, os.O_RDONLY), ctypes.create_string_buffer(1024)
def read_some():  # os.scandir() would take all of it at once
    return ctypes.CDLL(None).getdents64(slow, some, ctypes.c_size_t(len(some)))

assert read_some() > 0
os.rename(aside, key)
os.kill(int(pid), signal.SIGHUP)

def new(i):  # once it is, it stays
    name = '%s/0900%02dZ_Many%d_id-Many%d-%d.json' % (folder, i, 841 + i, 841 + i, i)
    end = time.monotonic() + 120
    while True:
        try:
            with open(name) as file:
                if '203.0.113.' in file.read():
                    return True
        except OSError as error:
            said = error
        else:
            said = 'the old bytes'
        if time.monotonic() > end:
            return print('%s: %s' % (name, said))
        time.sleep(0.05)

assert new(0)  # nothing asked for the others yet
while read_some() > 0:
    pass
sys.exit(not all(new(i) for i in range(60)))
END
}

key_beside_key() { # X.json has the name that X.json.gz had; nothing is listed
	local folder=$source/beside
	mkdir -p "$folder" && echo '{"of": "X.json.gz"}' | gzip >"$folder/X.json.gz" && seen cat_says beside/X.json X.json.gz || return 1
	echo '{"of": "X.json alone"}' >"$tmp/aside/X" && mv "$tmp/aside/X" "$folder/X.json"
	[ -n "$by_itself" ] || hup "$mnt"
	soon cat_says beside/X.json alone && soon cat_says beside/X.json% X.json.gz || return 1
	rm "$folder/X.json"
	[ -n "$by_itself" ] || hup "$mnt"
	soon cat_says beside/X.json X.json.gz && seen true
}

held_folder() { # listed through a handle that was there before
	local bad=0
	exec 6<"$mnt/events/2025/06/19"
	put "$(log_path folder)" Folder && seen there 'by-event/Folder' && t ls /proc/self/fd/6/ | grep -q _Folder_ || bad=1
	exec 6<&-
	return $bad
}

walk_while_it_changes() { # readers during many refreshes: no errors but of what goes away, and right at the end
	local i bad=0
	t bash -c 'end=$1; cd "$0" && while [ ! -e "$end" ]; do find . -type f -print0 | xargs -0 cat; done; exit 0' \
		"$mnt" "$tmp/walked" >/dev/null 2>"$tmp/walk.errors" &
	local walker=$!
	for i in 1 2 3 4 5 6 7 8; do
		put "$(log_path "walk$((i % 3))")" "Walk$i" "Walk$((i + 1))" || bad=1
		[ -n "$by_itself" ] || hup "$mnt"
		await "$PATIENCE" there "by-event/Walk$((i + 1))" || { bad=1; echo "Walk$((i + 1)) never came"; }
	done
	touch "$tmp/walked"
	wait "$walker" || bad=1
	grep -vE "No such file or directory|Stale file handle" "$tmp/walk.errors" | head -5
	! grep -qvE "No such file or directory|Stale file handle" "$tmp/walk.errors" && [ $bad = 0 ] && seen true
}

source_away() { # the source's folder is moved away: what is known stays; then it is back
	mv "$source" "$tmp/moved" && hup "$mnt" && await "$PATIENCE" there 'by-event/Grown' || return 1
	mv "$tmp/moved" "$source" && put "$(log_path back)" Back && seen there 'by-event/Back'
}

others_place() { # others_place COMMAND...: what the command puts where the source was is not seen, as the log says; what is known stays
	said=$(grep -c 'is another folder now' "${log_of[$mnt]}")
	"$@" && put "$(log_path other)" Other && hup "$mnt" || return 1
	await "$PATIENCE" eval '[ "$(grep -c "is another folder now" "${log_of[$mnt]}")" -gt "$said" ]' ||
		{ echo "not said"; return 1; }
	not there 'by-event/Other' && there 'by-event/Back'
}

other_folder() {
	mv "$source" "$tmp/moved" && mkdir "$source"
}

source_replaced() { # by another folder, or mounted over; then it is back
	others_place other_folder && rm -r "$source" && mv "$tmp/moved" "$source" || return 1
	if is_root; then
		others_place mount -t tmpfs none "$source" && umount "$source" || return 1
	fi
	put "$(log_path again)" Again && seen there 'by-event/Again'
}

linked_source() { # the source is a link, which is made to lead to another folder
	ln -s "$source" "$tmp/link" && mkdir -p "$tmp/linked" "$tmp/elsewhere" && mount_trail "$tmp/link" "$tmp/linked" && wait_ready "$tmp/linked" || return 1
	ln -sfn "$tmp/elsewhere" "$tmp/link" && hup "$tmp/linked" &&
		await_from "$tmp/linked" grep -q "^/	not listed since .*is another folder now" "$tmp/linked/ERRORS" && unmount "$tmp/linked"
}

begin() { # begin HOW MOUNT-OPTION...
	how=$1
	shift
	rm -rf "$source"
	make_trail source --objects 12 --events 40 >/dev/null || give_up "make-trail"
	mount_trail "$source" "$mnt" "$@" || give_up "no mount"
	check "$how: before" equal
}

each() { # each FUNCTION...
	local what
	for what; do
		check "$how: ${what//_/ }" "$what"
	done
	check "$how: it ends" unmount "$mnt"
}

by_itself=
begin "SIGHUP"
each new_object new_day key_sorts_first changed_bytes clash_sorts_first changed_events same_size_and_time removed removed_day damaged_and_mended growing \
	duplicate_of_another open_while_it_changes two_readers_in_between reader_in_between_of_replaced key_beside_key held_folder walk_while_it_changes source_away source_replaced
by_itself=1
begin "--refresh 1" --refresh 1
each new_object first_of_today key_sorts_first late_for_yesterday changed_bytes clash_sorts_first removed damaged_and_mended
check "a link that is made to lead elsewhere" linked_source
finish
