#!/bin/bash
# The cache: what it saves, what shares it, what damages it, and how mounts do without it.
# timeout: 900
. "$(dirname "$0")/lib.sh"

source=$tmp/source a=$tmp/a b=$tmp/b

objects_read() { # objects_read MNT: to be indexed, since the mount
	t cat "$1/.trailfs/metrics" | awk '$1 == "trailfs_indexed_objects_total" { print $2 }'
}

segments() { # files in the cache
	find "$cache" -name '*.seg'
}

first_mount() {
	mount_trail "$source" "$a" && wait_ready "$a" && compare "$source" "$a" || return 1
	same "objects read" "$(objects_read "$a")" "$(find "$source" -type f | wc -l)" && unmount "$a"
}

reads_nothing() { # a mount of what has not changed
	mount_trail "$source" "$a" && wait_ready "$a" || return 1
	same "objects read" "$(objects_read "$a")" 0 && compare "$source" "$a" && unmount "$a"
}

reads_only() { # reads_only N: a mount after changes
	mount_trail "$source" "$a" && wait_ready "$a" || return 1
	same "objects read" "$(objects_read "$a")" "$1" && compare "$source" "$a" && unmount "$a"
}

only_for_us() { # folders 0700, files 0600
	find "$cache" \( -type d ! -perm 700 -o -type f ! -perm 600 \) -ls
	[ -z "$(find "$cache" \( -type d ! -perm 700 -o -type f ! -perm 600 \))" ] && [ -n "$(segments)" ]
}

no_leftovers() {
	same "temporary files" "$(find "$cache" -name 'tmp-*')" ""
}

two_at_once() { # two mounts, one empty cache
	rm -rf "$cache"
	start_trail "$source" "$a"
	start_trail "$source" "$b"
	await "$PATIENCE" mounted_live "$a" && await "$PATIENCE" mounted_live "$b" || { echo "not mounted"; return 1; }
	compare "$source" "$a" && compare "$source" "$b" || return 1
	wait_ready "$a" && wait_ready "$b" && unmount "$a" && compare "$source" "$b" && unmount "$b"
}

two_trails_one_cache() { # other sources do not get in the way, also not a subfolder of the same one
	cp -a "$cache" "$tmp/shared" || return 1
	mount_trail "$source" "$a" --cache-dir "$tmp/shared" && mount_trail "$source/AWSLogs" "$b" --cache-dir "$tmp/shared" &&
		wait_ready "$a" && compare "$source" "$a" && compare "$source/AWSLogs" "$b" || return 1
	same "objects read" "$(objects_read "$a")" 0 && unmount "$a" && unmount "$b"
}

without_cache() { # without_cache DIR: right, if slower
	mount_trail "$source" "$a" --cache-dir "$1" || return 1
	compare "$source" "$a" && unmount "$a"
}

mounted_tmpfs() { # mounted_tmpfs DIR OPTIONS
	mkdir -p "$1" && mount -t tmpfs -o "$2" none "$1" 2>/dev/null
}

full_then_free() { # a cache that is full, and no longer at the next mount
	without_cache "$tmp/full/cache" && grep -q "No space left" "${log_of[$a]}" || return 1
	rm "$tmp/full/ballast"
	without_cache "$tmp/full/cache"
}

read_only_with_contents() { # what is there is used, nothing more is written
	mkdir "$tmp/frozen" && cp -a "$cache" "$tmp/frozen/cache" && mount --bind "$tmp/frozen" "$tmp/frozen" &&
		mount -o remount,bind,ro "$tmp/frozen" || return 1
	without_cache "$tmp/frozen/cache"
}

right_but_times() { # while an index is made anew, the times of folders are those of what is known so far
	compare "$source" "$a" >"$tmp/found"
	not grep -vE "^('[^']*': [mc]time is|compare: )" "$tmp/found"
}

heals() { # heals PYTHON-CODE over the open segment file f and its size n: found, said, read again
	local count
	count=$(segments | wc -l)
	"$PYTHON" - "$1" "$cache" <<'END' || return 1
import glob, os, sys
for path in glob.glob(sys.argv[2] + '/*/*.seg'):
    n = os.path.getsize(path)
    with open(path, 'r+b') as f:
        exec(sys.argv[1])
END
	mount_trail "$source" "$a" && wait_ready "$a" && right_but_times && wait_ready "$a" && compare "$source" "$a" || return 1
	same "objects read" "$(objects_read "$a")" "$(find "$source" -type f | wc -l)" || return 1
	same "lines in the log" "$(grep -c 'cache: .*\.seg' "${log_of[$a]}")" "$count" && unmount "$a" && reads_nothing
}

damage_hashes() { # of all segments: in a section that only those look at who make something of many events
	"$PYTHON" - "$cache" <<'END'
import glob, struct, sys
HASH = 27
for path in glob.glob(sys.argv[1] + '/*/*.seg'):
    with open(path, 'r+b') as f:
        at, size = struct.unpack_from('<II', f.read(40 + 24 * (HASH + 1)), 40 + 24 * HASH)
        f.seek(at)
        bad = bytes(c ^ 0x5a for c in f.read(size))
        f.seek(at)
        f.write(bad)
END
}

heals_at_once() { # heals_at_once FILE...: each is the first to meet the damage, and right before the timeout
	local file right=$tmp/right
	rm -rf "$right" && mkdir "$right" && mount_trail "$source" "$a" && wait_ready "$a" || return 1
	for file; do
		t cat "$a/$file" >"$right/${file//\//_}" && [ -s "$right/${file//\//_}" ] || return 1
	done
	unmount "$a" || return 1
	for file; do
		damage_hashes && mount_trail "$source" "$a" --timeout 12 && t cmp "$a/$file" "$right/${file//\//_}" && wait_ready "$a" &&
			grep -q 'cache: .*\.seg' "${log_of[$a]}" && unmount "$a" || { echo "$file"; return 1; }
	done
	reads_nothing
}

flip() { # the code that changes the byte at an expression
	echo "at = $1; f.seek(at); c = f.read(1)[0]; f.seek(at); f.write(bytes([c ^ 0x40]))"
}

ignores_junk() { # files that are none of ours
	local folder bad
	folder=$(dirname "$(segments | head -1)")
	echo junk >"$folder/0123456789abcdef.seg" && echo junk >"$folder/x.seg" && echo junk >"$folder/other" &&
		echo junk >"$folder/tmp-0123456789abcdef" && mkdir "$folder/fedcba9876543210.seg" || return 1
	mount_trail "$source" "$a" && wait_ready "$a" && compare "$source" "$a" && unmount "$a"
	bad=$?
	rm -rf "$folder/x.seg" "$folder/other" "$folder/fedcba9876543210.seg"
	reads_nothing && return $bad
}

foreign_segments() { # those of another source under the names of ours
	local mine other
	mount_trail "$source/AWSLogs" "$b" && wait_ready "$b" && unmount "$b" || return 1
	mine=$(grep -la "dir:$source\$" "$cache"/*/id) && other=$(grep -la "dir:$source/AWSLogs" "$cache"/*/id) || return 1
	mine=$(dirname "$mine") other=$(dirname "$other")
	rm "$mine"/*.seg && cp "$other"/*.seg "$mine" || return 1
	mount_trail "$source" "$a" && wait_ready "$a" && compare "$source" "$a" && unmount "$a"
}

vanishes() { # the cache is removed under a mount
	mount_trail "$source" "$a" && wait_ready "$a" || return 1
	rm -rf "$cache"
	compare "$source" "$a" || return 1
	cp -r "$source/AWSLogs" "$source/again" && hup "$a" && await "$PATIENCE" compare "$source" "$a" >/dev/null &&
		unmount "$a" || return 1
	rm -r "$source/again"
}

writable_by_others() { # somebody else could forge it: not used
	chmod 777 "$cache"
	mount_trail "$source" "$a" && compare "$source" "$a" && unmount "$a" || return 1
	chmod 700 "$cache"
	grep -q "keeping the index in memory" "${log_of[$a]}" && reads_nothing
}

make_trail source --objects 120 --events 480 --two-trails --late --days 5 >/dev/null || give_up "make-trail"
check "the first mount" first_mount
check "nobody else may look" only_for_us
check "nothing temporary is left" no_leftovers
check "the second mount reads no object" reads_nothing
log=$(find "$source" -name '*.json.gz' | sort | sed -n 20p)
cp "$log" "${log%.json.gz}x.json.gz"
check "only what is new is read" reads_only 1
rm "${log%.json.gz}x.json.gz" "$log"
check "nothing is read for what is gone" reads_only 0
check "two mounts, one empty cache" two_at_once
check "two sources, one cache" two_trails_one_cache
check "a cache that cannot be made" without_cache /proc/trailfs/cache
check "a cache below a file" without_cache "$source/../log.1/cache"
if is_root && mounted_tmpfs "$tmp/ro" size=1m,ro && mounted_tmpfs "$tmp/full" size=1m; then
	check "a cache on a read-only disk" without_cache "$tmp/ro/cache"
	check "a cache there, but read-only" read_only_with_contents
	dd if=/dev/zero of="$tmp/full/ballast" bs=4k count=254 status=none
	check "a full disk" full_then_free
else
	skip "full and read-only disks" "not allowed to mount a tmpfs"
fi
check "a flipped byte at the start" heals "$(flip 0)"
check "a flipped byte at the end" heals "$(flip 'n - 1')"
check "a flipped byte in the middle" heals "$(flip 'n // 2')"
check "a flipped byte somewhere" heals "$(flip '(n * 7) // 11')"
check "damage that rollups meet first" heals_at_once events/all.jsonl events/all.csv by-user/counts.tsv events/count
check "cut in half" heals 'f.truncate(n // 2)'
check "one byte short" heals 'f.truncate(n - 1)'
check "nothing left of them" heals 'f.truncate(0)'
check "more at the end" heals 'f.seek(n); f.write(b"more")'
check "zeros in a page" heals 'f.seek(n // 3); f.write(b"\0" * min(4096, n - n // 3))'
check "files that are not ours" ignores_junk
check "segments of another source" foreign_segments
check "others may write" writable_by_others
check "removed under a mount" vanishes
finish
