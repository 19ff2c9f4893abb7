#!/bin/bash
# A bucket with --offline: what the cache holds whole is served, what it does not hold fails, and nothing is asked of anybody.
# also: asan
# timeout: 600
. "$(dirname "$0")/lib.sh"
. tests/s3/lib.sh

mnt=$tmp/mnt
source=$tmp/source

snapshot() { # snapshot MNT PATH...: every file below, and its bytes
	local top=$1
	shift
	(cd "$top" && t find "$@" -type f -print0 | sort -z | t xargs -0 md5sum)
}

wanted() { # wanted PATTERN: lines of the baseline
	grep -E "  ($1)" "$tmp/wanted"
}

whole() { # whole PATH: all that is to be there is, with its bytes
	snapshot "$mnt" "$1" >"$tmp/got" || return 1
	wanted "$1/" >"$tmp/wanted.here"
	[ -s "$tmp/got" ] && cmp -s "$tmp/got" "$tmp/wanted.here" || { diff "$tmp/wanted.here" "$tmp/got" | head -5; return 1; }
}

fails() { # fails COMMAND...: with an error that says which file
	says ": " t "$@" && [ "$status" != 0 ] && [ "$status" != 124 ] || { echo "$*: status $status: $said"; return 1; }
}

unasked() {
	same "requests" "$(requests S3)" 0 || { ctl log | jq -c '.[]' | head -3; return 1; }
}

again_offline() { # what is mounted is mounted offline instead
	unmount "$mnt" && ctl rules '[]' && forget && mount_trail s3://trail "$mnt" --offline && wait_ready "$mnt"
}

listed_since() { # listed_since N
	[ "$(status_of "$mnt" .listings)" -gt "$1" ]
}

asked_to_look() { # SIGHUP, and the listing that follows
	local listings
	listings=$(status_of "$mnt" .listings)
	hup "$mnt" && await "$PATIENCE" listed_since "$listings" && wait_ready "$mnt"
}

nothing_cached() {
	forget
	refused 'nothing .*cache.* without --offline' --offline s3://trail "$mnt.no" && unasked
}

all_cached() {
	fresh s3://trail "$mnt" && wait_ready "$mnt" && again_offline || return 1
	whole events && whole AWSLogs && whole by-user && not t test -e "$mnt/ERRORS" || return 1
	asked_to_look && whole events && not t test -e "$mnt/ERRORS" && unasked
}

# One object was listed and not fetched. Its day, and the day before whose events may be in it, are not known; nor is what
# needs all days.
one_lacks() {
	rules "{\"kind\":\"GET\",\"path\":\"$key\",\"status\":500}" && fresh s3://trail "$mnt" --timeout 4 && wait_ready "$mnt" && again_offline || return 1
	fails ls "$mnt/events/2025/06/18" && fails ls "$mnt/events/2025/06/17" && fails ls "$mnt/by-user" && fails ls "$mnt/events" &&
		fails cat "$mnt/${key%.gz}" || return 1
	whole events/2025/06/19 || return 1
	t grep -qE "^$key	.*--offline" "$mnt/ERRORS" && same "lines of ERRORS" "$(t cat "$mnt/ERRORS" | wc -l)" 1 || { t cat "$mnt/ERRORS"; return 1; }
	(cd "$mnt" && t find AWSLogs -type f ! -path "${key%.gz}" -print0 | sort -z | t xargs -0 md5sum) >"$tmp/got"
	wanted AWSLogs/ | grep -vF "${key%.gz}" | cmp - "$tmp/got" || return 1
	asked_to_look && fails ls "$mnt/events/2025/06/18" && unasked
}

# It comes when the network may be asked again.
then_online() {
	unmount "$mnt" && forget && mount_trail s3://trail "$mnt" && wait_ready "$mnt" && whole events && whole AWSLogs && not t test -e "$mnt/ERRORS" &&
		same "GETs" "$(requests GET)" 1
}

# The index is there and the bytes are not: names and sizes are known, reading fails.
only_the_index() {
	fresh s3://trail "$mnt" && wait_ready "$mnt" && unmount "$mnt" && find "$cache" -name '*.pack' -delete && forget &&
		mount_trail s3://trail "$mnt" --offline && wait_ready "$mnt" || return 1
	(cd "$mnt" && t find events -type f | sort) >"$tmp/got"
	wanted events/ | cut -c35- | sort | cmp - "$tmp/got" || return 1
	fails cat "$mnt/$(head -1 "$tmp/got")" && fails cat "$mnt/${key%.gz}" && unasked
}

# The bytes are there and the index is not: it is made of them.
only_the_bytes() {
	fresh s3://trail "$mnt" && wait_ready "$mnt" && unmount "$mnt" && find "$cache" -name '*.seg' -delete && forget &&
		mount_trail s3://trail "$mnt" --offline && wait_ready "$mnt" && whole events && whole AWSLogs && not t test -e "$mnt/ERRORS" && unasked
}

# A source within a region's folder, looked at with --since meanwhile: what that left out is not gone.
later_than() { # later_than SECOND: as listings count time
	[ "$(date +%s)" -gt "$1" ]
}

part_of_a_region() {
	local part all
	part=s3://trail/${key%%/us-east-1/*}/us-east-1/2025
	fresh "$part" "$mnt" && wait_ready "$mnt" && all=$(events_of "$mnt") && unmount "$mnt" || return 1
	await "$PATIENCE" later_than "$(date +%s)" && mount_trail "$part" "$mnt" --since 2025-06-19 && wait_ready "$mnt" &&
		[ "$(events_of "$mnt")" -lt "$all" ] && unmount "$mnt" || return 1
	forget && mount_trail "$part" "$mnt" --offline && wait_ready "$mnt" && same "events" "$(events_of "$mnt")" "$all" && unasked && unmount "$mnt"
}

no_server() {
	unmount "$mnt" && mount_trail s3://trail "$mnt" --offline && wait_ready "$mnt" && whole events && unmount "$mnt"
}

clean_environment
make_trail source --objects 60 --events 300 --regions 2 --days 3 >/dev/null || give_up "make-trail"
key=$(cd "$source" && find AWSLogs -path '*/us-east-1/2025/06/18/*' -name '*.json.gz' -size +1 | sort | sed -n 2p)
mount_trail "$source" "$mnt" && wait_ready "$mnt" && snapshot "$mnt" AWSLogs by-user events >"$tmp/wanted" && [ -s "$tmp/wanted" ] &&
	unmount "$mnt" || give_up "no baseline"
start_faults --bucket trail="$source"
server=$started_pid
use_keys "$TEST_KEY" "$TEST_SECRET"

check "nothing is in the cache" nothing_cached
check "all is in the cache" all_cached
check "one object is not" one_lacks
check "it comes with the network" then_online
check "only the index is in the cache" only_the_index
check "a part of a region, also seen with --since" part_of_a_region
check "only the bytes are" only_the_bytes
kill "$server"
check "there is no server" no_server
finish
