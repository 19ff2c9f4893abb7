#!/bin/bash
# what: rows 1, 2: the first index of a folder, two cores
# row 1: `trailfs --wait` with an empty cache, from the command to its return: the index is complete, on disk and synced, and
#   the mount is live. Against `find -name '*.gz' -print0 | xargs -0 -P2 zcat >/dev/null`, which only inflates. Logs in the page
#   cache, two cores for both. Checked: the mount has as many records as the logs hold, zcat gives as many bytes.
# row 2: The same against programs that read the records. DuckDB: `read_json` with the columns given, grouped by eventName and
#   awsRegion and counted, two threads, start of the process included. jq: `zcat | jq -c '.Records[]'`. Checked: all find the same
#   number of records.
. "$(dirname "$0")/lib.sh"

if [ "$(nproc)" -gt 2 ]; then
	taskset -pc "$(taskset -pc $$ | sed 's/.*: //' | /usr/bin/python3 -c 'import sys
print(",".join([str(n) for part in input().split(",") for a, _, b in [part.partition("-")] for n in range(int(a), int(b or a) + 1)][:2]))')" $$ >/dev/null
fi

ours_before() {
	unmount_all
	rm -rf "$tmp/cache"
}

ours() {
	mount_index "$source" "$tmp/cache"
}

ours_after() {
	same "records in the mount" "$(status_of "$mnt" .events.delivered)" "$events" >&2 &&
		same "errors" "$(status_of "$mnt" .errors)" 0 >&2 && unmount_all
}

inflate() {
	logs_of "$source" | xargs -0 -P2 zcat >/dev/null
}

duckdb_count() { # the CLI where there is one, else the module that scripts/bench --install has put there
	if command -v duckdb >/dev/null; then
		duckdb -csv -noheader -c "SET threads = 2; SELECT sum(n) FROM ($(sed "s|\$LOGS|$source|" tests/bench/count.sql))"
	else
		NODE_PATH=$BENCH_DATA/duckdb/node_modules node tests/bench/duckdb.cjs "$source"
	fi
}

duckdb_count_after() {
	same "records by DuckDB" "$(tail -1 "$tmp/duckdb_count.out")" "$events" >&2
}

by_jq() {
	logs_of "$source" | xargs -0 zcat | jq -c '.Records[]' | wc -l
}

by_jq_after() {
	same "records by jq" "$(cat "$tmp/by_jq.out")" "$events" >&2
}

have_duckdb() {
	have duckdb || { have node && [ -d "$BENCH_DATA/duckdb/node_modules/@duckdb/node-api" ]; }
}

measure() { # measure NAME REACH
	local what peers=()
	what="first index, $1 ($(thousands "$objects") objects, $(thousands "$events") events)"
	start_over
	same "inflated bytes" "$(logs_of "$source" | xargs -0 zcat | wc -c)" "$inflated" || give_up "zcat"
	have_duckdb && peers+=(duckdb_count)
	have jq && peers+=(by_jq)
	rounds ours inflate "${peers[@]}"
	compare 1 "$what" ours "find | xargs -P2 zcat" inflate "$2"
	if have_duckdb; then
		compare 2 "$what" ours "DuckDB read_json" duckdb_count ">=4"
	else
		no_peer 2 "$what" "DuckDB read_json" ">=4" DuckDB
	fi
	if have jq; then
		compare 2 "$what" ours "zcat | jq -c '.Records[]'" by_jq ">=60"
	else
		no_peer 2 "$what" "zcat | jq -c '.Records[]'" ">=60" jq
	fi
}

tiny_trail
measure tiny "<=1.0"
busy_trail
measure busy "<=0.7"
end_part
