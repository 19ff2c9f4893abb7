#!/bin/bash
# What the kernel asks of the daemon, counted: a file costs it nothing when it is known, little when it is not.
# alone: it drops the kernel's caches, and counts what others would disturb by that
. "$(dirname "$0")/lib.sh"

source=$tmp/source mnt=$tmp/mnt

# The metrics that are read may be a quarter of a second old.
take_counts() { # take_counts FILE
	sleep 0.3
	t cat "$mnt/.trailfs/metrics" >"$1"
}

counted() { # counted COMMAND...
	take_counts "$tmp/before"
	t "$@" >/dev/null
	# grep and find exit with what they found, not with how it went.
	[ $? -le 1 ] && take_counts "$tmp/after"
}

in_counts() { # in_counts OP FILE
	sed -n "s/^trailfs_fuse_requests_total{op=\"$1\"} //p" "$2"
}

more() { # more OP: by what was counted last
	echo $(($(in_counts "$1" "$tmp/after") - $(in_counts "$1" "$tmp/before")))
}

at_most() { # at_most OP LIMIT
	local n
	n=$(more "$1")
	[ "$n" -le "$2" ] || { echo "$n messages $1, not at most $2"; return 1; }
}

at_least() { # at_least OP LIMIT
	local n
	n=$(more "$1")
	[ "$n" -ge "$2" ] || { echo "$n messages $1, not at least $2"; return 1; }
}

search() {
	counted grep -r no-event-holds-this "$mnt/events"
}

first_pass() { # attributes come with the names, contents are pushed
	search && at_most lookup 60 && at_most getattr 60 && at_most read $((files / 5))
}

many_in_a_piece() { # in the first pass: 540 names with attributes, where a folder has as many
	at_most readdirplus $((files / 400 + 15))
}

second_pass() { # names, attributes and contents are the kernel's; at the latest the third time, should it be short of memory
	for _ in 1 2 3; do
		search || return 1
		at_most readdirplus 20 && at_most lookup 60 && at_most getattr 60 && at_most read 20 && return 0
	done
	return 1
}

names_alone() {
	counted find "$mnt/events" -type f && at_most readdirplus 20 && at_most lookup 60
}

attributes() {
	counted ls -lR "$mnt/events" && at_most readdirplus 20 && at_most lookup 60 && at_most getattr 60
}

xattrs_not_asked() { # by those who look at every file
	local command
	for command in "ls -lR" "ls -lR --color=always" "find" "grep -r no-event-holds-this" "du" "tar cf $tmp/copy.tar" "rsync -a --dry-run"; do
		# shellcheck disable=SC2086
		case $command in
		find*) counted find "$mnt/events" -ls ;;
		rsync*) command -v rsync >/dev/null || continue && counted $command "$mnt/events" "$tmp/copy" ;;
		*) counted $command "$mnt/events" ;;
		esac && at_most getxattr 10 && at_most listxattr 10 || { echo "by $command"; return 1; }
	done
}

other_view() { # the same nodes under other names: their contents are there
	counted grep -r no-event-holds-this "$mnt/by-user" && at_most read $((files / 5))
}

forgotten() { # then names with attributes again, not a LOOKUP each
	sync
	echo 3 >/proc/sys/vm/drop_caches || return 1
	counted ls -lR "$mnt/events" && at_least readdirplus 24 && at_most lookup 60 && at_most getattr 100
}

held_again() {
	counted ls -lR "$mnt/events" && at_most readdirplus 20 && at_most lookup 60
}

many_names() { # of more than a thousand values names alone are given, and attributes once these are looked up
	# shellcheck disable=SC2016
	counted sh -c 'cd "$1" && ls -U | tail -50 | tr "\n" "\0" | xargs -0 stat' - "$mnt/by-resource" &&
		at_least lookup 50 && at_most lookup 60
}

many_attributes() { # of the first ones, of a short piece by LOOKUP, of all others with the names
	counted ls -lU "$mnt/by-resource" && at_most lookup 150
}

make_trail source --objects 60 --events 12000 --days 2 >/dev/null || give_up "make-trail"
mount_trail "$source" "$mnt" && wait_ready "$mnt" || give_up "no mount"
files=$(status_of "$mnt" .events.shown)
check "events to count by" test "$files" -gt 9000
check "grep -r, first pass" first_pass
case $(uname -r) in
[0-5].* | 6.[0-9].* | 6.1[0-5].*) skip "names in large pieces" "Linux asks for a page at once before 6.16" ;;
*) check "names in large pieces" many_in_a_piece ;;
esac
check "grep -r, second pass" second_pass
check "find -type f" names_alone
check "ls -lR" attributes
check "extended attributes are not asked for" xattrs_not_asked
check "grep -r in another view" other_view
if is_root; then
	check "ls -lR when the kernel has forgotten" forgotten
	check "and once more" held_again
else
	skip "ls -lR when the kernel has forgotten" "only root may drop the caches"
fi
# shellcheck disable=SC2012
values=$(ls -U "$mnt/by-resource" | wc -l) # find would look them up
check "values to count by" test "$values" -gt 1500
check "names of many values" many_names
check "ls -l of many values" many_attributes
check "equal" compare "$source" "$mnt"
check "it ends" unmount "$mnt"
finish
