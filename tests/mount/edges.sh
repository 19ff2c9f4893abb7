#!/bin/bash
# The kernel's interface at its edges: odd ways to list and read, ten thousand open files, a kernel that forgets, objects
# that arrive meanwhile, and ends while it is in use. What has to wait: wait.sh.
# also: asan
# timeout: 600
. "$(dirname "$0")/lib.sh"

source=$tmp/source mnt=$tmp/mnt copy=$tmp/copy
export TMP=$tmp

case_of() { # case_of CASE: of edges.py
	t "$PYTHON" tests/mount/edges.py "$1" "$mnt/$day" "$copy"
}

sums() { # sums FOLDER: of all its files
	(cd "$1" && t find . -type f -print0 | sort -z | t xargs -0 md5sum)
}

forgetting() { # three walk; meanwhile the kernel is told to forget names and inodes, and names are asked for that are not there
	local i walkers=() bad=0
	sums "$copy" >"$tmp/wanted"
	for i in 1 2 3; do
		{ sums "$mnt/$day" && sums "$mnt/$day"; } >"$tmp/walk.$i" 2>&1 &
		walkers+=($!)
	done
	for i in 1 2 3 4; do
		echo 2 2>/dev/null >/proc/sys/vm/drop_caches
		t stat "$mnt/$day"/nothing-{1..200} "$mnt"/by-user/nobody-{1..200} >/dev/null 2>&1
	done
	for i in "${walkers[@]}"; do
		wait "$i" || bad=1
	done
	for i in 1 2 3; do
		cmp <(cat "$tmp/wanted" "$tmp/wanted") "$tmp/walk.$i" || bad=1
	done
	return $bad
}

arriving() {
	t "$PYTHON" tests/mount/edges.py arriving "$mnt/$day" "$tmp/aside" "$source" "${pid_of[$mnt]}" && compare --no-content "$source" "$mnt"
}

opened() { # a file of the mount is open as 5 and has been read in part
	exec 5<"$mnt/$day/$file" && [ "$(head -c 20 <&5)" = "$(head -c 20 "$copy/$file")" ]
}

lazily() { # fusermount3 -uz: the name is free at once, who has a file open reads on, and then the daemon ends
	local bad=0
	mount_trail "$source" "$mnt" && wait_ready "$mnt" && opened || return 1
	fusermount3 -uz "$mnt" && not mounted "$mnt" && not gone "${pid_of[$mnt]}" || bad=1
	cmp "$copy/$file" /proc/self/fd/5 || bad=1
	exec 5<&-
	[ $bad = 0 ] && await 60 gone "${pid_of[$mnt]}" && ended_well "$mnt"
}

by_force() { # umount -f: who is in there gets an error, the daemon ends, and the place can be used again
	mount_trail "$source" "$mnt" && wait_ready "$mnt" && opened || return 1
	umount -f "$mnt" 2>/dev/null
	await 60 gone "${pid_of[$mnt]}" || { echo "still runs"; exec 5<&-; return 1; }
	t dd if=/proc/self/fd/5 iflag=direct of=/dev/null 2>/dev/null
	[ $? != 124 ] || { echo "a read hangs"; exec 5<&-; return 1; }
	exec 5<&-
	not mounted "$mnt" || umount -l "$mnt"
	mount_trail "$source" "$mnt" && wait_ready "$mnt" && unmount "$mnt"
}

busy_then_free() { # umount is refused while a file is open, and then not
	mount_trail "$source" "$mnt" && opened || return 1
	says busy umount "$mnt" || { exec 5<&-; return 1; }
	cmp "$copy/$file" "$mnt/$day/$file" && exec 5<&- && await 60 umount "$mnt" 2>/dev/null && ended "$mnt"
}

make_trail source --objects 80 --events 900 --days 2 --large-records >/dev/null || give_up "make-trail"
# Every third log arrives later.
mkdir "$tmp/aside"
(cd "$source" && find AWSLogs -name '*_CloudTrail_*' | sort | awk 'NR % 3 == 0') >"$tmp/later"
mount_trail "$source" "$mnt" || give_up "no mount"
wait_ready "$mnt" || give_up "no index"
day=events/$(cd "$mnt/events" && t find . -mindepth 3 -maxdepth 3 -path './2*' | sort | head -1)
t cp -a "$mnt/$day" "$copy" || give_up "no copy"
file=$(t ls "$copy" | sed -n 5p)

check "one entry at a time" case_of small-buffers
check "from each offset" case_of every-cookie
check "descriptors that share a position" case_of shared-position
check "mapped" case_of mapped
check "at the ends" case_of at-the-ends
check "O_DIRECT" case_of direct
check "sendfile, splice, copy_file_range" case_of moved-by-the-kernel
check "10,000 open files" case_of many-open
check "names that cannot be" case_of names
check "file handles" case_of handles
check "what is refused" case_of refusals
if [ -w /proc/sys/vm/drop_caches ]; then
	check "a kernel that forgets" forgetting
else
	skip "a kernel that forgets" "cannot write /proc/sys/vm/drop_caches"
fi
check "it ends" unmount "$mnt"
if is_root; then
	check "umount while a file is open, and then" busy_then_free
	check "umount -f while a file is open" by_force
fi
check "fusermount3 -uz while a file is open" lazily

(cd "$source" && rsync -a --remove-source-files --files-from="$tmp/later" ./ "$tmp/aside/")
check "a mount of a part" mount_trail "$source" "$mnt"
check "listed and looked up while objects arrive" arriving
check "it ends then" unmount "$mnt"
finish
