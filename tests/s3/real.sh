# shellcheck shell=bash disable=SC2154
# Sourced after lib.sh by the tests on real servers, which say with since_now() and seen_by_server() what a server was asked.
# Not a test itself.

mnt=$tmp/mnt

equal() { # equal DIRECTORY
	wait_ready "$mnt" && compare "$1" "$mnt"
}

remount() { # no object is fetched twice
	unmount "$mnt" || return 1
	since_now
	mount_trail s3://bucket "$mnt" && wait_ready "$mnt" || return 1
	t grep -r no-event-holds-this "$mnt/events"
	same "GETs of objects" "$(seen_by_server '"GET /bucket/[^?]')" 0 && compare --no-content "$tmp/source" "$mnt"
}

new_object() { # new_object HOW
	local key DAY=
	[ "$1" = Hup ] || DAY=$(today)
	key=$(log_key "new-$1")
	mkdir -p "$tmp/new/${key%/*}"
	make_log "$tmp/new/$key" "New$1" && upload bucket "$tmp/new" >/dev/null || return 1
	[ "$1" != Hup ] || hup "$mnt"
	await "$PATIENCE" test -d "$mnt/by-event/New$1" && t grep -q "user-New$1" "$mnt"/by-event/New$1/*/*/*/* && t test -e "$mnt/${key%.gz}"
}
