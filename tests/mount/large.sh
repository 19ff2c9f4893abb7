#!/bin/bash
# Objects of 1 GB and records of 50 MB, in a folder and in a bucket: all of them is served, or they are refused in words; what is
# beside them is served, also meanwhile; and memory stays bounded. Bombs that are damage: damage.sh.
# timeout: 900
. "$(dirname "$0")/lib.sh"
. tests/s3/lib.sh

source=$tmp/source mnt=$tmp/mnt
MB=1000000

key_of() { # key_of NAME ENDING
	local day=2025/06/19
	[ "$1" != Deflated ] || day=2025/06/16 # read last, when the others are not beside each other any more
	echo "AWSLogs/111122223333/CloudTrail/us-east-1/$day/111122223333_CloudTrail_us-east-1_${day//\//}T0900Z_$1$2"
}

large() { # large HOW RECORDS BYTES NAME ENDING: a log in the source; what it holds is in $sums, $lines and $records
	local made
	mkdir -p "$(dirname "$source/$(key_of "$4" "$5")")"
	made=$("$PYTHON" tests/mount/large.py make "$1" "$2" "$3" "$4" "$source/$(key_of "$4" "$5")") || return 1
	sums[$4]=${made% *} lines[$4]=${made##* } records[$4]=$2
}
declare -A sums lines records

# What is held with no file behind it: pages of files go when there is no room. The most of it, looked at again and again.
watch_memory() { # watch_memory MNT
	rm -f "$tmp/anon"
	"$PYTHON" - "${pid_of[$1]}" "$tmp/anon" <<'END' &
import os, re, sys, time
most = 0
while True:
    try:
        with open('/proc/%s/status' % sys.argv[1]) as file:
            status = file.read()
    except OSError:
        break
    if 'RssAnon' not in status:
        break
    most = max(most, sum(int(kb) for kb in re.findall(r'^Rss(?:Anon|Shmem):\s+(\d+)', status, re.M)))
    with open(sys.argv[2] + '.new', 'w') as file:
        file.write('%d' % (most >> 10))
    os.rename(sys.argv[2] + '.new', sys.argv[2])
    time.sleep(0.02)
END
	own $!
}

held_at_most() { # held_at_most MB
	[ -s "$tmp/anon" ] && [ "$(cat "$tmp/anon")" -le "$1" ] || { echo "held $(cat "$tmp/anon") MB"; return 1; }
}

begins() { # begins SOURCE: what needs no large object is served before all of these are read, and the status at any time
	mount_trail "$1" "$mnt" && watch_memory "$mnt" && same "events of the other day" "$(t ls "$mnt/events/2025/06/17" | wc -l)" "$small" &&
		t cat "$mnt/.trailfs/status" >/dev/null
}

served() { # served NAME ENDING: the log byte by byte, and how much its records are
	same "bytes of $1" "$(t "$PYTHON" tests/mount/large.py sum "$mnt/$(key_of "$1" .json)")" "${sums[$1]}" &&
		same "events of $1" "$(t cat "$mnt/by-event/$1/count")" "${records[$1]}" &&
		same "bytes of all.jsonl" "$(t stat -c %s "$mnt/by-event/$1/all.jsonl")" "${lines[$1]}"
}

one_event() { # one_event NAME N: the N-th
	local id name
	id=$(printf '%s-%07d' "$1" "$2")
	name=$(printf '09%02d%02dZ_%s_%s.json' $(($2 / 60 % 60)) $(($2 % 60)) "$1" "$id")
	t cat "$mnt/by-event/$1/2025/06/19/$name" >"$tmp/event" && same "its ID" "$(jq -r .eventID "$tmp/event")" "$id" &&
		jq . "$tmp/event" | cmp - "$tmp/event" && t cmp "$mnt/by-id/$id.json" "$tmp/event"
}

named() { # named KEY REASON
	t grep -qaF "$1	$2" "$mnt/ERRORS" || { echo "ERRORS: $(t cat "$mnt/ERRORS")"; return 1; }
}

holes_are_shown() { # what holds no log is read piece by piece, however large it is
	same "size" "$(t stat -c %s "$mnt/plain/holes.json")" $((3 << 30)) &&
		same "its end" "$(t tail -c 5 "$mnt/plain/holes.json" | od -An -c | tr -d ' ')" '\0\0\0\0\0'
}

as_small() { # the rest is as it would be without
	same "events of the other day" "$(t find "$mnt/events/2025/06/17" -type f -print0 | t xargs -0 cat | jq -s length)" "$small"
}

make_huge_record() { # one of 50 MB: a text, and as much in many small members
	"$PYTHON" - "$source/$(key_of Huge .json.gz)" "$tmp/huge.json" <<'END'
import gzip, json, sys
record = {'eventTime': '2025-06-19T09:00:00Z', 'eventName': 'Huge', 'eventID': 'Huge-1',
          'requestParameters': {'text': ('"\\/\u20ac%\n' * 4 + 'z' * 77) * 350000, 'list': [{'k%d' % n: [n, {}, 'é', None]} for n in range(400000)]}}
text = json.dumps(record, ensure_ascii=False, separators=(',', ':')).encode()
assert len(text) > 50000000, len(text)
with open(sys.argv[1], 'wb') as file:
    file.write(gzip.compress(b'{"Records":[%s]}' % text, 1, mtime=0))
with open(sys.argv[2], 'w') as file:
    file.write(json.dumps(record, ensure_ascii=False, indent=2) + '\n')
END
}

huge_record() { # whole, in pieces, and as a line
	local event
	event=$mnt/by-event/Huge/2025/06/19/090000Z_Huge_Huge-1.json
	t cmp "$event" "$tmp/huge.json" && t "$PYTHON" tests/mount/large.py pieces "$event" "$tmp/huge.json" 300 17 &&
		t cat "$mnt/by-event/Huge/all.jsonl" | jq . | cmp - "$tmp/huge.json"
}

make_trail source --objects 20 --events 100 --days 1 >/dev/null || give_up "make-trail"
small=$(find "$source" -name '*.json.gz' -print0 | xargs -0 zcat | jq -n '[inputs.Records[].eventID] | unique | length')
mkdir -p "$source/plain" "$(dirname "$source/$(key_of Huge .json.gz)")"
cp -a "$source" "$tmp/bucket"
make_huge_record || give_up "make_huge_record"

large deflated 250000 4200 Deflated .json.gz && large stored 1000 "$MB" Stored .json.gz && large stored 1000 "$MB" Again .json.gz &&
	large plain 1000 "$MB" Plain .json || give_up "large.py"
truncate -s 2G "$source/$(key_of holes .json.gz)" "$source/$(key_of more-holes .json)" && truncate -s 3G "$source/plain/holes.json" || give_up "truncate"
check "others are served meanwhile" begins "$source"
check "complete" wait_ready "$mnt"
for name in Deflated Stored Again Plain; do
	check "1 GB, ${name,,}: served" served "$name"
	check "1 GB, ${name,,}: its last event" one_event "$name" $((records[$name] - 1))
done
check "2 GB: refused" named "$(key_of holes .json.gz)" "larger than 1 GiB"
check "2 GB of text: refused" named "$(key_of more-holes .json)" "larger than 1 GiB"
check "3 GB of no log: shown" holes_are_shown
check "and nothing else is refused" same "lines of ERRORS" "$(t cat "$mnt/ERRORS" | wc -l)" 2
check "a record of 50 MB" huge_record
check "what is beside them" as_small
check "memory" held_at_most 1400
check "it ends" unmount "$mnt"

clean_environment
(cd "$source" && cp --parents "$(key_of Huge .json.gz)" "$(key_of Deflated .json.gz)" "$tmp/bucket") || give_up "cp"
rm -rf "$source" "$cache"
source=$tmp/bucket
large stored 300 "$MB" Part .json.gz && cp "$source/$(key_of Huge .json.gz)" "$source/$(key_of Lying .json.gz)" || give_up "large.py"
start_faults --bucket trail="$source"
use_keys "$TEST_KEY" "$TEST_SECRET"
ctl lie "{\"bucket\":\"trail\",\"key\":\"$(key_of Lying .json.gz)\",\"size\":2000000000}"
check "a bucket: others are served meanwhile" begins s3://trail
check "a bucket: complete" wait_ready "$mnt"
for name in Deflated Part; do
	check "a bucket, ${name,,}: served" served "$name"
	check "a bucket, ${name,,}: its last event" one_event "$name" $((records[$name] - 1))
done
check "a bucket, 2 GB: refused" named "$(key_of Lying .json.gz)" "larger than 1 GiB"
check "a bucket: nothing else is refused" same "lines of ERRORS" "$(t cat "$mnt/ERRORS" | wc -l)" 1
check "a bucket: a record of 50 MB" huge_record
check "a bucket: what is beside them" as_small
check "a bucket: memory" held_at_most 700
check "a bucket: it ends" unmount "$mnt"
finish
