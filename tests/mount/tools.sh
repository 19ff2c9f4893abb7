#!/bin/bash
# Ordinary tools on a mount give what they give on a plain copy of it, and nothing can be written.
# timeout: 600
. "$(dirname "$0")/lib.sh"

mnt=$tmp/mnt copy=$tmp/copy

equal_output() { # equal_output COMMAND: the same in the mount and in the copy
	(cd "$mnt" && t bash -c "set -o pipefail; $1") >"$tmp/out.mnt" || { echo "status $? on the mount"; return 1; }
	(cd "$copy" && t bash -c "set -o pipefail; $1") >"$tmp/out.copy" || { echo "status $? on the copy"; return 1; }
	[ -s "$tmp/out.mnt" ] || { echo "no output"; return 1; }
	diff "$tmp/out.copy" "$tmp/out.mnt" | head -10
	cmp -s "$tmp/out.copy" "$tmp/out.mnt"
}

copied() {
	t cp -a --no-preserve=ownership "$mnt" "$copy" && t diff -r "$mnt" "$copy" && chmod -R u+w "$copy"
}

one_read_each() { # every event once in events: each of its files has its own inode
	same "inodes of events" "$(t find "$mnt/events" -type f -printf '%i\n' | sort -u | wc -l)" \
		"$(t find "$mnt/events" -type f | wc -l)"
}

same_in_views() { # inode, size and time of each event of by-VIEW are those in events
	local view=$1
	t find "$mnt/events" -type f -printf '%f %i %s %T@ %n\n' | sort >"$tmp/in.events" || return 1
	t find "$mnt/$view" -type f -printf '%f %i %s %T@ %n\n' | sort -u >"$tmp/in.view" || return 1
	[ -s "$tmp/in.view" ] || { echo "nothing in $view"; return 1; }
	comm -13 "$tmp/in.events" "$tmp/in.view" | head -5
	[ -z "$(comm -13 "$tmp/in.events" "$tmp/in.view")" ]
}

links_count() { # st_nlink is the number of names in the listed views
	(cd "$mnt" && t find events by-* -type f -printf '%i %n\n') | sort | uniq -c |
		awk '$1 != $3 { bad++; print } END { if (!NR) print "no files"; exit bad > 0 || !NR }' | head -5
	[ "${PIPESTATUS[2]}" = 0 ]
}

untouched_by_reading() { # what find says of the tree is the same after all of it was read
	(cd "$mnt" && t find . -printf '%p %i %s %T@ %C@ %A@ %m %n\n') | sort >"$tmp/before"
	t tar -C "$mnt" -cf - . | t tar -tf - >"$tmp/names" || return 1
	(cd "$mnt" && t find . -printf '%p %i %s %T@ %C@ %A@ %m %n\n') | sort >"$tmp/after"
	same "names in the archive" "$(wc -l <"$tmp/names")" "$(wc -l <"$tmp/before")" && diff "$tmp/before" "$tmp/after" | head -5
	cmp -s "$tmp/before" "$tmp/after"
}

second_rsync_is_idle() {
	t rsync -a "$mnt/" "$tmp/rsynced" || return 1
	t rsync -ai "$mnt/" "$tmp/rsynced" >"$tmp/moved" || return 1
	same "what the second rsync moves" "$(head -5 "$tmp/moved")" "" && t diff -r "$mnt" "$tmp/rsynced"
}

rsync_with_links() { # -H: what is one file in several views is that in the copy too; and a second look finds nothing to do
	t rsync -aH "$mnt/events" "$mnt/by-access" "$tmp/linked" && t rsync -aHn --itemize-changes "$mnt/events" "$mnt/by-access" "$tmp/linked" >"$tmp/moved" || return 1
	same "what a second rsync -aH would move" "$(head -5 "$tmp/moved")" "" &&
		same "inodes" "$(find "$tmp/linked" -type f -printf '%i\n' | sort -u | wc -l)" \
			"$(t find "$mnt/events" "$mnt/by-access" -type f -printf '%i\n' | sort -u | wc -l)"
}

copied_sparsely() { # holes where there are zeros: none
	t cp -a --no-preserve=ownership --sparse=always "$mnt/events" "$tmp/sparse" && diff -r "$tmp/sparse" "$copy/events"
}

listed_unsorted() { # ls -lU gives what ls -l gives, each once
	(cd "$mnt/$day" && t ls -lU) | sort >"$tmp/unsorted" && (cd "$mnt/$day" && t ls -l) | sort | cmp - "$tmp/unsorted" &&
		same "lines" "$(($(wc -l <"$tmp/unsorted") - 1))" "$(find "$copy/$day" -type f | wc -l)"
}

in_git() { # added once, and nothing has changed then, as git sees it by size, time and inode
	local git=(t git -c safe.directory='*' -c core.fileMode=true --git-dir="$tmp/git" --work-tree="$mnt/events")
	git init -q --bare "$tmp/git" && "${git[@]}" add . && same "in the index" "$("${git[@]}" ls-files | wc -l)" "$(find "$copy/events" -type f | wc -l)" &&
		same "what has changed" "$("${git[@]}" status --porcelain | grep -v '^A ')" ""
}

searched() { # searched OPTION...: rg finds the same, mapped or not
	equal_output "rg -c --sort path $* AccessDenied events"
}

tar_is_whole() {
	t tar -C "$mnt" -cf "$tmp/all.tar" . && mkdir "$tmp/untarred" && tar -C "$tmp/untarred" -xf "$tmp/all.tar" &&
		t tar -C "$mnt" -df "$tmp/all.tar" && compare --copy "$tmp/source" "$tmp/untarred"
}

refused() { # refused COMMAND...: fails, and says why
	says "Read-only file system" t "$@" && same status "$status" 1
}

refused_open() { # opening for writing and for appending, in a shell
	says "Read-only file system" t bash -c 'echo x >>"$0"' "$1"
}

by_random_access() { # pieces of a file, from anywhere, in any order, are those of the file
	t "$PYTHON" - "$mnt/$1" "$copy/$1" <<'END'
import mmap, os, random, sys
with open(sys.argv[1], 'rb', 0) as shown, open(sys.argv[2], 'rb') as plain:
    data = plain.read()
    assert len(data) > 2000, len(data)
    rng = random.Random(1)
    for _ in range(300):
        at, n = rng.randrange(len(data) + 50), rng.randrange(1, 5000)
        assert os.pread(shown.fileno(), n, at) == data[at:at + n], (at, n)
    with mmap.mmap(shown.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert mapped[:] == data
    assert os.pread(shown.fileno(), 10, 1 << 40) == b''
END
}

listed_in_pieces() { # a listing that is taken up again anywhere, or read twice, is the same
	t "$PYTHON" - "$mnt/$1" <<'END'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.opendir.restype = ctypes.c_void_p
libc.readdir.restype = ctypes.c_void_p
libc.readdir.argtypes = libc.telldir.argtypes = libc.rewinddir.argtypes = [ctypes.c_void_p]
libc.telldir.restype = ctypes.c_long
libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
handle = libc.opendir(os.fsencode(sys.argv[1]))
assert handle

def rest():
    found = []
    while True:
        at, entry = libc.telldir(handle), libc.readdir(handle)
        if not entry:
            return found
        found.append((at, ctypes.string_at(entry + 19)))

whole = rest()
assert len(whole) > 100, len(whole)
libc.rewinddir(handle)
assert [n for _, n in rest()] == [n for _, n in whole]
for i in (len(whole) - 1, 0, len(whole) // 2, 3, 2, 1):
    libc.seekdir(handle, whole[i][0])
    assert [n for _, n in rest()] == [n for _, n in whole[i:]], i
assert sorted(os.listdir(sys.argv[1])) == sorted(os.fsdecode(n) for _, n in whole if n not in (b'.', b'..'))
END
}

many_at_once() { # eight readers at the same time
	local i pids=() bad=0
	for i in 1 2 3 4 5 6 7 8; do
		(cd "$mnt" && t grep -rc Version events | sort | cksum >"$tmp/many.$i") &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || bad=1
	done
	same "different answers" "$(sort -u "$tmp"/many.[1-8] | wc -l)" 1 && [ $bad = 0 ]
}

absent() { # names that are not there, twice, also impossible ones
	local name
	for name in nothing events/2025/06/99 events/x by-user/nobody/2025 README/x \
		"$(printf 'x%.0s' {1..255})" "$(printf 'x%.0s' {1..300})"; do
		not t stat "$mnt/$name" 2>/dev/null && not t stat "$mnt/$name" 2>/dev/null || { echo "$name is there"; return 1; }
	done
	t stat "$mnt/events/.." "$mnt/." "$mnt/README" >/dev/null
}

space() { # df and statvfs say what the source holds: bytes as they are stored, events as they are delivered
	local bytes
	bytes=$(status_of "$mnt" .bytes.all)
	same "df" "$(t df --output=size,itotal -B4096 "$mnt" | tail -1 | xargs)" \
		"$(((bytes + 4095) / 4096)) $(status_of "$mnt" .events.delivered)" && t stat -f "$mnt" >/dev/null
}

make_trail source --objects 200 --events 1500 --two-trails --large-records >/dev/null || give_up "make-trail"
mount_trail "$tmp/source" "$mnt" || give_up "no mount"
day=$(cd "$mnt/events" && t find . -mindepth 3 -maxdepth 3 -path './2*' | sort | head -1)
day=events/${day#./}
event=$(cd "$mnt" && t ls "$day" | head -1)
large=$(cd "$mnt" && t find events -type f -size +100k | head -1)

check "cp -a and diff -r" copied
check "find -type f | wc -l" equal_output 'find . -type f | wc -l'
check "grep -r" equal_output 'grep -rc AccessDenied . | sort'
check "grep -rl in one view" equal_output 'grep -rl AssumeRole by-event | sort'
check "ls -l" equal_output 'ls -lR --time-style=+%s events | awk "/^-/ { print \$5, \$6, \$7 }"'
check "wc -c" equal_output 'find events -type f -print0 | sort -z | xargs -0 wc -lc'
check "cat" equal_output 'find events by-user -type f -print0 | sort -z | xargs -0 cat | cksum'
check "du" equal_output 'find events -type f -print0 | du -cb --files0-from=- | sort'
check "jq ." equal_output 'find events -type f -print0 | sort -z | xargs -0 jq -c "[.eventTime, .eventName]"'
check "head and tail" equal_output "head -c 100 '$large'; tail -c 100 '$large'; tail -n 2 '$large'"
check "dd at odd offsets" equal_output "dd if='$large' bs=777 skip=3 count=11 status=none | cksum"
check "an event is one file in all views" one_read_each
for view in by-user by-event by-resource by-access; do
	check "inode, size and time are the same in $view" same_in_views "$view"
done
check "link counts" links_count
check "tar, and nothing changes by reading" untouched_by_reading
check "tar's archive is whole" tar_is_whole
check "rsync -a twice" second_rsync_is_idle
check "rsync -aH, and -aHn" rsync_with_links
check "cp --sparse" copied_sparsely
check "ls -lU" listed_unsorted
check "git add" in_git
if command -v rg >/dev/null; then
	check "rg" searched --no-mmap
	check "rg --mmap" searched --mmap
else
	skip "rg" "ripgrep is not there"
fi
if command -v fdfind >/dev/null; then
	check "fd" equal_output 'fdfind --type f . events | sort'
else
	skip "fd" "fd-find is not there"
fi
check "pieces of a file" by_random_access "$large"
check "a listing in pieces" listed_in_pieces "$day"
check "many at once" many_at_once
check "names that are not there" absent
check "df" space
check "touch of a new file" refused touch "$mnt/new"
check "touch of a file" refused touch "$mnt/$day/$event"
check "mkdir" refused mkdir "$mnt/events/new"
check "rm" refused rm -f "$mnt/$day/$event"
check "rmdir" refused rmdir "$mnt/events"
check "mv" refused mv "$mnt/README" "$mnt/READ"
check "chmod" refused chmod 600 "$mnt/README"
check "chown" refused chown 1:1 "$mnt/README"
check "ln" refused ln "$mnt/README" "$mnt/events/README"
check "ln -s" refused ln -s README "$mnt/link"
check "truncate" refused truncate -s 0 "$mnt/$day/$event"
check "appending" refused_open "$mnt/$day/$event"
check "it ends" unmount "$mnt"
finish
