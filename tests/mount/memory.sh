#!/bin/bash
# Where memory, descriptors or threads lack: the right answer or an error, never a crash, a hang or a wrong answer. And
# what is used does not grow while objects come and go.
#   $SWEEP=all  each N, where otherwise some are tried; $ROUNDS: of coming and going (20)
# timeout: 600
. "$(dirname "$0")/lib.sh"
. tests/s3/lib.sh

source=$tmp/source mnt=$tmp/mnt
program=$TRAILFS
export TRAILFS FAIL_FILE=$tmp/numbers

nth() { # nth OPTION... COMMAND ARGUMENT...: memory.py
	MALLOC_PERTURB_=165 TRAILFS=$program timeout --foreground -k 5 $((sweeps * PATIENCE)) "$PYTHON" tests/mount/memory.py --preload "$tmp/fail_memory.so" "$@" || return 1
	figure=$(tail -1 "$tmp/said")
}
sweeps=2
[ "${SWEEP:-}" != all ] || sweeps=20

numbered() { # a mount that memory.py can make fail
	head -c 32 /dev/zero >"$FAIL_FILE" && LD_PRELOAD=$tmp/fail_memory.so mount_trail "$source" "$mnt" --timeout 5 && wait_ready "$mnt"
}

walk() {
	nth --stride 3 walk "$mnt"
}

# ---- limits ----

limited() { # limited ULIMIT-OPTION...: $TRAILFS is the program with such limits
	TRAILFS=$tmp/limited
	printf '#!/bin/bash\nulimit %s || exit 3\nexec %q "$@"\n' "$*" "$program" >"$TRAILFS" && chmod +x "$TRAILFS"
}

right_or_error() { # right_or_error LIMIT...: of -p with each; it has the answer, or says why not
	local limit got right=0 errors=0 bad=0
	for limit; do
		limited "$limit"
		rm -rf "$tmp/cache.limited"
		t "$TRAILFS" --timeout 2 --cache-dir "$tmp/cache.limited" -p events/all.jsonl "$source" >"$tmp/out" 2>"$tmp/err"
		got=$?
		if [ $got = 0 ] && cmp -s "$tmp/out" "$tmp/wanted"; then
			right=$((right + 1))
		elif { [ $got = 1 ] || [ $got = 127 ]; } && [ -s "$tmp/err" ]; then # 127: it could not even be linked
			errors=$((errors + 1))
		else
			echo "ulimit $limit: status $got, $(wc -c <"$tmp/out") bytes of $(wc -c <"$tmp/wanted"), $(tail -2 "$tmp/err")"
			bad=1
		fi
	done
	TRAILFS=$program
	figure="$right right, $errors errors"
	[ $bad = 0 ] && { [ $right -gt 0 ] && [ $errors -gt 0 ] || { echo "$figure"; return 1; }; }
}

few_descriptors() { # all of it with 64
	limited -n 64
	mount_trail "$source" "$mnt" --cache-dir "$tmp/cache.few" && wait_ready "$mnt" && compare --no-content "$source" "$mnt" && unmount "$mnt"
	local result=$?
	TRAILFS=$program
	return $result
}

memory_group() { # a group of processes with a limit of memory in $group; 1: this machine has none to give
	if [ -w /sys/fs/cgroup/memory/memory.limit_in_bytes ] || [ -e /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then
		group=/sys/fs/cgroup/memory/trailfs-test.$$ limit=memory.limit_in_bytes
	elif grep -qw memory /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null; then
		group=/sys/fs/cgroup/trailfs-test.$$ limit=memory.max
	else
		return 1
	fi
	mkdir "$group" 2>/dev/null && echo $((96 << 20)) 2>/dev/null >"$group/$limit"
}

grouped() { # $TRAILFS is the program in $group
	TRAILFS=$tmp/limited
	printf '#!/bin/bash\necho $$ >%q || exit 3\nexec %q "$@"\n' "$group/cgroup.procs" "$program" >"$TRAILFS" && chmod +x "$TRAILFS"
}

small_group() { # a first index, a search and a rollup in 96 MiB, of what fills more elsewhere
	local before
	before=$(find "$tmp/large" -type f -print0 | xargs -0 zcat | wc -c)
	[ "$before" -gt $((64 << 20)) ] || { echo "only $before bytes"; return 1; }
	grouped
	mount_trail "$tmp/large" "$mnt" --cache-dir "$tmp/cache.small" && wait_ready "$mnt" &&
		same "events" "$(t cat "$mnt/events/count")" "$(t find "$mnt/events" -type f -print0 | t xargs -0 cat | grep -c '^  "eventVersion')" &&
		same "lines" "$(t cat "$mnt/events/all.jsonl" | wc -l)" "$(t cat "$mnt/events/count")" && unmount "$mnt"
	local result=$?
	TRAILFS=$program
	return $result
}

large_objects() { # what inflates to 60 MB each is served there, one that is stored as large is refused in words
	local day=AWSLogs/111122223333/CloudTrail/us-east-1/2025/06/19 n made result
	local key=$day/111122223333_CloudTrail_us-east-1_20250619T0900Z_
	mkdir -p "$tmp/inflated/$day"
	for n in 1 2 3 4 5 6; do
		made=$("$PYTHON" tests/mount/large.py make deflated 60 1000000 Inflates "$tmp/inflated/${key}$n.json.gz") || return 1
	done
	"$PYTHON" tests/mount/large.py make stored 40 1000000 Refused "$tmp/inflated/${key}refused.json.gz" >/dev/null || return 1
	grouped
	mount_trail "$tmp/inflated" "$mnt" --cache-dir "$tmp/cache.inflated" && wait_ready "$mnt" &&
		same "ERRORS" "$(t cat "$mnt/ERRORS")" "${key}refused.json.gz	larger than the memory there is for one" &&
		same "a log" "$(t "$PYTHON" tests/mount/large.py sum "$mnt/${key}6.json")" "${made% *}" &&
		same "the logs" "$(t cat "$mnt/$key"?.json | wc -c)" "$((6 * $(cut -d' ' -f2 <<<"$made")))" &&
		says "File too large" t ls "$mnt/by-event" && unmount "$mnt"
	result=$?
	TRAILFS=$program
	return $result
}

many_records() { # a few KB hold millions of records: what there is no memory for fails, all else is served
	local day=AWSLogs/111122223333/CloudTrail/us-east-1/2025/06/19 result
	local key=$day/111122223333_CloudTrail_us-east-1_20250619T0900Z_
	mkdir -p "$tmp/records/$day"
	"$PYTHON" - "$tmp/records/$key" <<-'EOF' || return 1
		import gzip, sys

		def put(name, record, n):
		    with open(sys.argv[1] + name + '.json.gz', 'wb') as file:
		        file.write(gzip.compress(b'{"Records":[' + b','.join([record] * n) + b']}'))

		put('one', b'{"eventTime":"2025-06-19T09:00:00Z","eventID":"1"}', 1)
		put('refused', b'{}', 200000)
		for i in range(30):
		    put('%02d' % i, b'{"eventTime":"2025-06-20T09:00:00Z","n":%d}' % i, 100000)
	EOF
	grouped
	mount_trail "$tmp/records" "$mnt" --cache-dir "$tmp/cache.records" && wait_ready "$mnt" &&
		same "ERRORS" "$(t cat "$mnt/ERRORS")" "${key}refused.json.gz	larger than the memory there is for one" &&
		says "File too large" t ls "$mnt/events/2025/06/19" && rm "$tmp/records/${key}refused.json.gz" && hup "$mnt" && wait_ready "$mnt" &&
		same "a day" "$(t ls "$mnt/events/2025/06/19")" "090000Z_-_1.json" &&
		says "Cannot allocate memory" t ls "$mnt/events/2025/06/20" &&
		same "a day, again" "$(t cat "$mnt/events/2025/06/19/count")" 1 && unmount "$mnt"
	result=$?
	TRAILFS=$program
	return $result
}

# ---- for long ----

used() { # used FIELD: kB of the daemon's memory
	awk -v field="$1:" '$1 == field { print $2 }' "/proc/${pid_of[$mnt]}/status"
}

descriptors() {
	find "/proc/${pid_of[$mnt]}/fd" -mindepth 1 2>/dev/null | wc -l
}

round() { # round N: some objects go, others come; all is walked (but no rollups, which are kept, up to a bound); the kernel forgets
	local i=$(($1 % 8))
	mkdir -p "$tmp/aside"
	rsync -a "$tmp/aside/" "$source/" && (cd "$source" && find AWSLogs -type f | sort | awk "NR % 8 == $i") >"$tmp/going" &&
		rm -rf "$tmp/aside" && mkdir "$tmp/aside" && rsync -a --files-from="$tmp/going" "$source/" "$tmp/aside/" &&
		(cd "$source" && xargs rm -f <"$tmp/going") || return 1
	hup "$mnt"
	await "$PATIENCE" shows_all || { echo "never shows what there is"; return 1; }
	# What is going may still be named for a moment.
	(cd "$mnt" && t find events by-event by-user -type f -print0 | t xargs -0 cat >/dev/null) 2>"$tmp/walk.errors"
	if [ -w /proc/sys/vm/drop_caches ] && [ $(($1 % 5)) = 0 ]; then
		echo 2 >/proc/sys/vm/drop_caches
	fi
}

shows_all() {
	[ "$(t find "$mnt/AWSLogs" -type f | wc -l)" = "$(find "$source/AWSLogs" -type f | wc -l)" ] && complete "$mnt"
}

stays_flat() { # after as many rounds again, no more memory and descriptors than after the first ones
	local i rounds=${ROUNDS:-20} anon open
	mount_trail "$source" "$mnt" && wait_ready "$mnt" || return 1
	for i in $(seq 1 $((2 * rounds))); do
		round "$i" || return 1
		[ "$i" != "$rounds" ] || { anon=$(used RssAnon) open=$(descriptors); }
	done
	figure="RssAnon: $anon kB after $rounds rounds, $(used RssAnon) kB after $((2 * rounds)); descriptors: $open, $(descriptors)"
	echo "$figure"
	[ "$(used RssAnon)" -le $((anon + 2048)) ] && [ "$(descriptors)" -le $((open + 4)) ] && unmount "$mnt"
}

make_trail source --objects 16 --events 80 --days 3 >/dev/null || give_up "make-trail"
"${CC:-cc}" -O1 -shared -fPIC -Wall -Wextra -Werror -o "$tmp/fail_memory.so" tests/mount/fail_memory.c -ldl ||
	give_up "fail_memory.c does not compile"
t "$program" --cache-dir "$tmp/cache.wanted" -p events/all.jsonl "$source" >"$tmp/wanted" || give_up "no -p"

check "the N-th allocation of a first index" nth --stride 5 print --cold "$source" "$tmp/cache.nth" by-user
check "the N-th allocation with an index" nth --forever 2 print "$source" "$tmp/cache.nth" events/all.jsonl
mkdir "$mnt"
check "the N-th allocation of a mount" nth --stride 12 start "$source" "$tmp/cache.nth" "$mnt" "$tmp/log.nth"
check "a mount that can be made to fail" numbered
check "the N-th allocation of a walk" walk
check "it ends" unmount "$mnt"
clean_environment
start_faults --bucket trail="$source"
use_keys "$TEST_KEY" "$TEST_SECRET"
check "the N-th allocation of a first index of a bucket" nth --dense 20 --stride 17 --forever 4 print --cold s3://trail "$tmp/cache.nth" by-user
# shellcheck disable=SC2046
check "few descriptors" right_or_error $(seq -f '-n%g' 4 3 40)
check "64 descriptors" few_descriptors
# shellcheck disable=SC2046
check "little address space" right_or_error $(seq -f '-v%g' 20000 30000 800000)
make_trail large --objects 1500 --events 50000 --days 2 --level 1 >/dev/null || give_up "make-trail"
if memory_group; then
	check "little memory" small_group
	check "little memory and large objects" large_objects
	check "little memory and many records" many_records
	rmdir "$group"
else
	skip "little memory" "no control group can be made here"
fi
check "memory and descriptors stay" stays_flat
finish
