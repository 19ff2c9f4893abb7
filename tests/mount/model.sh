#!/bin/bash
# A mount shows what the model says, name by name and byte by byte: made trails, odd trails, and what options leave out.
# also: asan
# timeout: 900
. "$(dirname "$0")/lib.sh"

equal() { # equal SOURCE [MOUNT-OPTIONS [COMPARE-OPTIONS]]: mounts, compares, unmounts
	local mnt=$tmp/mnt result=0
	# shellcheck disable=SC2086
	mount_trail "$1" "$mnt" --cache-dir "$(mktemp -d "$tmp/cache.XXXX")" ${2:-} || return 1
	# shellcheck disable=SC2086
	compare ${3:-} "$1" "$mnt" || result=1
	unmount "$mnt" && return $result
}

filtered() { # filtered OPTION...: the same for the mount and for the model
	equal "$tmp/all" "$*" "$*"
}

inside() { # the cache and the mount point are in the source
	mount_trail "$tmp/small" "$tmp/small/mnt" --cache-dir "$tmp/small/.cache" || return 1
	wait_ready "$tmp/small/mnt" && hup "$tmp/small/mnt" || return 1
	compare --exclude "$tmp/small/mnt" --exclude "$tmp/small/.cache" "$tmp/small" "$tmp/small/mnt" || return 1
	unmount "$tmp/small/mnt"
}

relative() { # the source by a relative path
	(cd "$tmp" && mkdir mnt2 && exec "$TRAILFS" --refresh 0 --cache-dir cache.relative small mnt2) || return 1
	compare "$tmp/small" "$tmp/mnt2" && await 60 fusermount3 -u "$tmp/mnt2"
}

events=2500 objects=240
[ -z "$SAN" ] || events=600 objects=80

make_trail small --objects 24 --events 120 >/dev/null || give_up "make-trail"
make_trail all --all --objects "$objects" --events "$events" --accounts 2 >/dev/null || give_up "make-trail --all"

check "one small trail" equal "$tmp/small"
check "everything that a trail can hold" equal "$tmp/all"
check "cache and mount point in the source" inside

while read -r name options; do
	[ -z "$SAN" ] || [ "$name" = two-trails ] || continue
	# shellcheck disable=SC2086
	make_trail "$name" --events "$events" --objects "$objects" $options >/dev/null || give_up "make-trail $options"
	check "$name" equal "$tmp/$name"
	rm -rf "${tmp:?}/$name"
done <<END
many --seed 2 --days 9 --regions 4 --accounts 2
organization --organization --prefix logs/here
two-trails --two-trails --late
odd --odd-identities --damage --level 1
END

account=$(find "$tmp/all" -type d -name CloudTrail -printf '%h\n' | sort | head -1)
account=${account##*/}
check "--since a day" filtered --since 2025-06-18
check "--since and --until a minute" filtered --since 2025-06-18T09:30 --until 2025-06-18T17:59
if [ -z "$SAN" ]; then
	check "--until a day" filtered --until 2025-06-17
	check "--since an age, long ago" filtered --since 24h
	check "--account and --log-region" filtered --account "$account" --log-region us-east-1
	check "an account that is not there" filtered --account 000000000000
	check "-o umask" equal "$tmp/small" "-o umask=027" "--umask 027"
	check "-o allow_other" equal "$tmp/small" "-o allow_other" "--umask 0"
	check "in the background, relative paths" relative
fi

some_odd_trails "$([ -z "$SAN" ] && echo 1 || echo 4)"
for name in $odd; do
	check "odd: $name" equal "$tmp/odd/$name"
done
finish
