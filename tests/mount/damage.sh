#!/bin/bash
# What is damaged is named in ERRORS and in the log, reading it fails, and all else is served; also bombs of gzip and of JSON.
# also: asan
# timeout: 600
. "$(dirname "$0")/lib.sh"

source=$tmp/source mnt=$tmp/mnt
folder=AWSLogs/111122223333/CloudTrail/us-east-1/2025/06/19
prefix=111122223333_CloudTrail_us-east-1_20250619T0900Z_

damage_all() { # one object of each kind beside the good ones
	"$PYTHON" - "$source/$folder/$prefix" <<'END'
import gzip, json, struct, sys, zlib
zeros = bytes(1 << 20)
record = {"eventVersion": "1.08", "eventTime": "2025-06-19T09:00:00Z", "eventName": "Damaged", "eventID": "d-1"}
text = json.dumps({"Records": [record]}).encode()
good = gzip.compress(text, mtime=0)

def flip(data, at):
    data = bytearray(data)
    data[at] ^= 0x5a
    return bytes(data)

# A member of n times a MB from one block of it, over and over: quickly made, whatever n is.
def bomb(n, once=zeros):
    crc = 0
    for _ in range(n):
        crc = zlib.crc32(once, crc)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = deflate.compress(once) + deflate.flush(zlib.Z_FULL_FLUSH)
    block = deflate.compress(once) + deflate.flush(zlib.Z_FULL_FLUSH)
    end = deflate.flush()
    return b'\x1f\x8b\x08\0\0\0\0\0\0\x03' + head + block * (n - 1) + end + struct.pack('<II', crc, n << 20)

made = {
    'truncated': good[:-20], 'headless': good[:9], 'crc': flip(good, -6), 'size': flip(good, -2), 'bits': flip(good, 40),
    'trailing': good + b'more', 'second': good + gzip.compress(b'{"Records":[]}', mtime=0), 'plain': text,
    'cut': gzip.compress(text[:-2]), 'norecords': gzip.compress(b'{"message":"no"}'),
    'xml': gzip.compress(b'<Error><Code>AccessDenied</Code></Error>'), 'void': gzip.compress(b''),
    'binary': gzip.compress(bytes(range(256))), 'bomb': bomb(300), 'over': bomb(2100),
    # Bombs of JSON: lists in lists, objects in objects, a string and a number without end, too many records, records in
    # strings in strings.
    'deep': bomb(100, b'[' * (1 << 20)), 'deep-objects': bomb(50, b'{"a":  ' * (1 << 17)),
    'string': gzip.compress(b'{"Records":["' + b'x' * (100 << 20), 1), 'number': bomb(100, b'7' * (1 << 20)),
    'commas': bomb(16, b'[' + b'{},' * 349525), 'many': gzip.compress(b'{"Records":[' + b'{},' * (4 << 20) + b'{}]}', 1),
    'events': gzip.compress(json.dumps({'Events': [{'CloudTrailEvent': '[' * (20 << 20)}]}).encode(), 1),
}
for name, data in made.items():
    with open(sys.argv[1] + name + '.json.gz', 'wb') as file:
        file.write(data)
print(' '.join(made))
END
}

named() { # named NAME: in ERRORS and in the log
	t grep -q "^$folder/$prefix$1.json.gz	..*" "$mnt/ERRORS" ||
		{ echo "not in ERRORS: $(t cat "$mnt/ERRORS" | cut -c100-)"; return 1; }
	grep -q "$prefix$1.json.gz: ..*" "${log_of[$mnt]}" || { echo "not in the log"; return 1; }
}

unreadable() { # unreadable NAME
	says "Input/output error" t cat "$mnt/$folder/$prefix$1.json" && same status "$status" 1
}

listed() { # with the size of what is stored
	same "size of $1" "$(t stat -c %s "$mnt/$folder/$prefix$1.json")" "$(stat -c %s "$source/$folder/$prefix$1.json.gz")"
}

no_events_of_them() {
	t ls "$mnt/by-event" >"$tmp/names" && not grep Damaged "$tmp/names"
}

as_without_them() { # the rest is as in a trail that never had them
	rm -f "$tmp/clean/$folder/$prefix"*
	mount_trail "$tmp/clean" "$tmp/mnt.clean" && wait_ready "$tmp/mnt.clean" || return 1
	(cd "$tmp/mnt.clean" && t find events by-* -printf '%p %s %i %T@ %n\n' | sort) >"$tmp/tree.clean" || return 1
	(cd "$mnt" && t find events by-* -printf '%p %s %i %T@ %n\n' | sort) >"$tmp/tree" || return 1
	[ -s "$tmp/tree" ] && diff "$tmp/tree.clean" "$tmp/tree" | head -5
	cmp -s "$tmp/tree.clean" "$tmp/tree" && t diff -r "$tmp/mnt.clean/events" "$mnt/events" && unmount "$tmp/mnt.clean"
}

small_enough() { # small_enough MEGABYTES: the most that the daemon ever held
	local peak
	peak=$(awk '$1 == "VmHWM:" { print int($2 / 1024) }' "/proc/${pid_of[$mnt]}/status")
	echo "peak: $peak MB"
	[ -n "$peak" ] && [ "$peak" -lt "$1" ]
}

large_but_good() { # 200 MB in 1,000 times less, one good record: served whole, and in little memory
	local n=$((200 * 1048576)) file
	local before='{"Records":[' end='"}' after=']}'
	local start='{"eventTime":"2025-06-19T09:00:00Z","eventName":"Large","requestParameters":"'
	{ printf '%s' "$before$start" && head -c "$n" /dev/zero | tr '\0' z && printf '%s' "$end$after"; } |
		gzip >"$source/$folder/${prefix}large.json.gz" || return 1
	hup "$mnt" && await_from "$mnt" test -e "$mnt/by-event/Large" || return 1
	file=$(t find "$mnt/by-event/Large" -type f) &&
		same "its size" "$(t stat -c %s "$file")" "$((n + $(jq . <<<"$start$end" | wc -c)))" || return 1
	same "its beginning" "$(t head -c 1000000 "$file" | tr -cd z | wc -c)" \
		$((1000000 - $(jq . <<<"$start$end" | head -c -4 | wc -c))) &&
		same "its end" "$(t tail -c 1000000 "$file" | tr -cd z | wc -c)" 999996 &&
		same "the log's z" "$(t tr -cd z <"$mnt/$folder/${prefix}large.json" | wc -c)" "$n"
}

many_keys() { # a record of a million names, and one that has the same name a million times: served, the last one counts
	"$PYTHON" - "$source/$folder/${prefix}keys.json.gz" "$tmp/keys.json" <<'END' || return 1
import gzip, json, sys
start = '{"eventTime":"2025-06-19T09:00:00Z","eventName":"Keys","eventID":"k-%d"'
different = start % 1 + ''.join(',"k%d":%d' % (n, n) for n in range(1000000)) + '}'
same = start % 2 + ''.join(',"userAgent":"a%d"' % n for n in range(1000000)) + '}'
with open(sys.argv[1], 'wb') as file:
    file.write(gzip.compress(('{"Records":[%s,%s]}' % (different, same)).encode(), 1))
with open(sys.argv[2], 'w') as file:
    file.write(json.dumps(json.loads(different), indent=2) + '\n')
END
	hup "$mnt" && await_from "$mnt" test -e "$mnt/by-event/Keys" || return 1
	t cmp "$mnt/by-id/k-1.json" "$tmp/keys.json" && same "lines" "$(t wc -l <"$mnt/by-id/k-2.json")" 1000005 &&
		t ls "$mnt/by-agent/a999999/2025/06/19" >/dev/null && not t test -e "$mnt/by-agent/a0" && rm "$source/$folder/${prefix}keys.json.gz"
}

vanished() { # deleted since it was listed: an error and no hang, and gone with the next listing
	local key
	key=$(cd "$source" && find AWSLogs -path '*2025/06/18*' -name '*.json.gz' | sort | head -1)
	rm "$source/$key"
	# What was indexed stays right or fails; it is never something else.
	says "" t cat "$mnt/${key%.gz}"
	hup "$mnt" && await_from "$mnt" not test -e "$mnt/${key%.gz}"
}

became_folder() { # a file replaced by a folder, a fifo, a link to nothing
	local key
	key=$(cd "$source" && find AWSLogs -path '*2025/06/18*' -name '*.json.gz' | sort | head -1)
	rm "$source/$key" && mkfifo "$source/$key" && hup "$mnt" && await_from "$mnt" not test -e "$mnt/${key%.gz}" || return 1
	rm "$source/$key" && ln -s nowhere "$source/$key" && hup "$mnt" && await_from "$mnt" grep -q "$key" "$mnt/ERRORS" || return 1
	rm "$source/$key" && hup "$mnt" && await_from "$mnt" not grep -q "$key" "$mnt/ERRORS"
}

# A file system whose process is gone: the kernel says "Transport endpoint is not connected" to whoever lists it.
dead_mount() { # dead_mount FOLDER
	"$PYTHON" - "$1" <<'END'
import ctypes, os, sys
fuse = os.open('/dev/fuse', os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b'dead', sys.argv[1].encode(), b'fuse', 0, b'fd=%d,rootmode=40000,user_id=0,group_id=0' % fuse) != 0:
    sys.exit('mount: ' + os.strerror(ctypes.get_errno()))
END
}

counts() { # counts N: events in $mnt
	[ "$(t cat "$mnt/events/count" 2>/dev/null)" = "$1" ]
}

part_is_away() { # a folder that can not be listed now, and may the next time
	says "Input/output error" t cat "$mnt/events/count" && says "Input/output error" t ls "$mnt/events" &&
		grep -q "^away/	Transport endpoint is not connected" "$mnt/ERRORS"
}

part_of_source() { # what may lack events fails until the part is back; names that are known stay
	local source=$tmp/part mnt=$tmp/mnt.part
	mkdir -p "$source/away" && echo '{"eventID":"a","eventName":"A"}' >"$source/a.json" && echo '{"eventID":"b","eventName":"B"}' >"$source/away/b.json" &&
		dead_mount "$source/away" || return 1
	says "Input/output error" t "$TRAILFS" --cache-dir "$cache" -p events/count "$source" && same "its status" "$status" 1 || return 1
	mount_trail "$source" "$mnt" && part_is_away && umount "$source/away" && hup "$mnt" && await_from "$mnt" counts 2 &&
		not test -e "$mnt/ERRORS" && dead_mount "$source/away" && hup "$mnt" && await_from "$mnt" part_is_away || return 1
	test -e "$mnt/away/b.json" && test -e "$mnt/a.json" && umount "$source/away" && hup "$mnt" && await_from "$mnt" counts 2 && unmount "$mnt"
}

make_trail source --objects 60 --events 400 --regions 2 --two-trails >/dev/null || give_up "make-trail"
mkdir -p "$source/$folder"
cp -a "$source" "$tmp/clean"
kinds=$(damage_all) || give_up "damage_all"
mount_trail "$source" "$mnt" || give_up "no mount"
check "complete all the same" wait_ready "$mnt"
for kind in $kinds; do
	check "$kind: named" named "$kind"
	check "$kind: listed" listed "$kind"
	check "$kind: unreadable" unreadable "$kind"
done
check "and nothing else is" same "lines of ERRORS" "$(t cat "$mnt/ERRORS" | wc -l)" "$(wc -w <<<"$kinds")"
check "none of their events is shown" no_events_of_them
check "everything else is served" as_without_them
[ -n "$SAN" ] || check "memory after bombs" small_enough 800
check "200 MB of one record" large_but_good
[ -n "$SAN" ] || check "memory after that" small_enough 900
check "a million names" many_keys
check "vanished" vanished
check "replaced by other things" became_folder
if is_root; then
	check "a part that cannot be listed" part_of_source
fi
check "it ends" unmount "$mnt"
finish
