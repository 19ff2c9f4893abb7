#!/bin/bash
# Killed at any moment, the next mount takes over the dead mount point and the cache, and shows the same.
# timeout: 900
. "$(dirname "$0")/lib.sh"

source=$tmp/source mnt=$tmp/mnt
declare -i seed=7

segments() {
	find "$cache" -name '*.seg' 2>/dev/null | wc -l
}

tree_of() { # tree_of MNT: every name with size, inode and time, and all the bytes of the events
	(cd "$1" && t find AWSLogs events by-user by-ip by-resource -printf '%p %s %i %T@ %n\n' | LC_ALL=C sort | cksum) || return 1
	(cd "$1" && t find events -type f -print0 | LC_ALL=C sort -z | t xargs -0 cat | cksum)
}

kill_it() {
	kill -KILL "${pid_of[$mnt]}" 2>/dev/null
	wait "${pid_of[$mnt]}" 2>/dev/null
	mounted "$mnt"
}

# Points to die at: a number of segments written, a little while after the start, or complete and merging.
has_segments() { # has_segments N
	[ "$(segments)" -ge "$1" ] || gone "${pid_of[$mnt]}"
}

a_while() { # up to 0.3 s
	seed=$(((seed * 1103515245 + 12345) % 2147483648))
	sleep "0.$(printf %03d $((seed / 65536 % 300)))"
}

now_complete() {
	complete "$mnt" 2>/dev/null
}

right_after() { # right_after POINT...: starts, dies at the point, starts again over the dead mount point, is right
	start_trail "$source" "$mnt"
	case $1 in
	a_while) a_while ;;
	*) await "$PATIENCE" "$@" || { echo "never at: $*"; return 1; } ;;
	esac
	kill_it # it may not even have been mounted
	is_right
}

is_right() {
	mount_trail "$source" "$mnt" && wait_ready "$mnt" || return 1
	same "the tree" "$(tree_of "$mnt")" "$wanted" && unmount "$mnt" || return 1
	same "temporary files" "$(find "$cache" -name 'tmp-*')" ""
}

# New objects of days that have segments make more of them, which are then merged.
merging() { # merging POINT...: dies there while objects come
	local i
	rm -rf "$cache"
	mount_trail "$tmp/part" "$mnt" && wait_ready "$mnt" || return 1
	for i in 1 2 3 4 5 6; do
		(cd "$source" && find AWSLogs -type f | LC_ALL=C sort | awk "NR % 8 == $i") |
			rsync -a --files-from=- "$source/" "$tmp/part/" || return 1
		hup "$mnt"
		a_while
	done
	"$@"
	kill_it || return 1
	rsync -a "$source/" "$tmp/part/" || return 1
	mount_trail "$tmp/part" "$mnt" && wait_ready "$mnt" || return 1
	same "the tree" "$(tree_of "$mnt")" "$wanted" && unmount "$mnt"
}

start_part() { # the source with an eighth of its objects
	rm -rf "$tmp/part"
	mkdir "$tmp/part" && (cd "$source" && find AWSLogs -type f | LC_ALL=C sort | awk 'NR % 8 == 0') |
		rsync -a --files-from=- "$source/" "$tmp/part/"
}

dead_point() { # the kernel says so to everybody until it is taken over
	mount_trail "$source" "$mnt" && wait_ready "$mnt" && kill_it || return 1
	says "Transport endpoint is not connected" t ls "$mnt/" || return 1
	mount_trail "$source" "$mnt" || return 1
	same "mounts there" "$(mounts_here | grep -cx "$mnt")" 1
	is_right_here
}

is_right_here() {
	same "the tree" "$(tree_of "$mnt")" "$wanted" && unmount "$mnt"
}

many_dead() { # killed again and again, without a look in between
	local i
	rm -rf "$cache"
	for i in 1 2 3 4 5; do
		start_trail "$source" "$mnt"
		a_while
		kill_it
	done
	is_right
}

both_die() { # two mounts, one cache, both killed while they work
	rm -rf "$cache"
	start_trail "$source" "$mnt"
	start_trail "$source" "$tmp/mnt2"
	await "$PATIENCE" has_segments 2
	kill -KILL "${pid_of[$tmp/mnt2]}"
	a_while
	kill_it
	is_right
}

make_trail source --objects 1500 --events 12000 --days 6 --two-trails --from 2025-06-14 >/dev/null || give_up "make-trail"
check "the tree to come back to" mount_trail "$source" "$mnt" --cache-dir "$tmp/cache.first" || finish
check "equal to the model" compare --no-content "$source" "$mnt"
wanted=$(tree_of "$mnt")
check "it ends" unmount "$mnt"

check "killed when there was one segment" right_after has_segments 1
check "and when that goes on" right_after has_segments 3
rm -rf "$cache"
check "killed when there were four segments" right_after has_segments 4
for round in 1 2 3; do
	rm -rf "$cache"
	check "killed after a little while, $round" right_after a_while
done
rm -rf "$cache"
check "killed when complete" right_after now_complete
check "killed over and over" many_dead
check "two killed that share a cache" both_die
for point in : a_while now_complete; do
	start_part && check "killed while merging ($point)" merging "$point"
done
check "the dead mount point is taken over" dead_point
finish
