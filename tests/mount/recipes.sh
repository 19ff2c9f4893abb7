#!/bin/bash
# The recipes of README.md and docs/recipes.md are right: each block of commands is taken from the document and run on a
# mount; what it prints must be what the document shows, and what recipes.py finds in the logs.
# timeout: 900
. "$(dirname "$0")/lib.sh"

source=$tmp/work/bucket mnt=$tmp/work/trail
python=("$PYTHON" "$root/tests/mount/recipes.py")

cat >"$tmp/sql.cjs" <<'END'
// Runs the statements of standard input, prints the rows of the last one.
const { DuckDBInstance } = require('@duckdb/node-api');

async function main() {
	const connection = await (await DuckDBInstance.create(':memory:', { threads: '2' })).connect();
	const statements = await connection.extractStatements(require('fs').readFileSync(0, 'utf8'));
	let rows = [];
	for (let i = 0; i < statements.count; i++) {
		rows = (await (await statements.prepare(i)).runAndReadAll()).getRowsJson();
	}
	for (const row of rows) {
		console.log(row.map((cell) => cell ?? '').join('\t'));
	}
}

main().catch((error) => {
	console.error(error.message);
	process.exitCode = 1;
});
END

run_sh() { # run_sh NAME: in the folder that holds the mount
	(cd "$tmp/work" && t bash -euo pipefail "$tmp/code")
}

run_sql() {
	(cd "$tmp/work" && NODE_PATH=$root/build/duckdb/node_modules t node "$tmp/sql.cjs" <"$tmp/code")
}

put() { # put EVENTID: a log of one event of an hour ago comes into the source
	local stamp name
	stamp=$(date -u -d '1 hour ago' +%FT%TZ)
	name=AWSLogs/111122223333/CloudTrail/us-east-1/${stamp:0:4}/${stamp:5:2}/${stamp:8:2}
	name=$name/111122223333_CloudTrail_us-east-1_$(date -u -d "$stamp" +%Y%m%dT%H%MZ)_$1.json.gz
	mkdir -p "$source/${name%/*}" && jq -cn --arg time "$stamp" --arg id "$1" '{Records: [{eventVersion: "1.08",
		userIdentity: {type: "IAMUser", userName: "mallory", arn: "arn:aws:iam::111122223333:user/mallory"}, eventTime: $time,
		eventSource: "iam.amazonaws.com", eventName: "CreateUser", sourceIPAddress: "192.0.2.7", userAgent: "x", errorCode:
		"AccessDenied", readOnly: false, managementEvent: true, eventID: $id}]}' | gzip -n >"$tmp/log" && mv "$tmp/log" "$source/$name"
}

# ---- blocks that need more than to be run: recipe_NAME, in place of running; the output goes to $tmp/out ----

runs_in() { # runs_in PID NAME
	pgrep -P "$1" -x "$2" >/dev/null
}

recipe_live() { # it goes on for ever, so it is ended when it has said something
	local pid shell result=0
	start "$tmp/err" bash -c "cd '$tmp/work' && . '$tmp/code' >'$tmp/out'"
	shell=$started_pid
	await "$PATIENCE" runs_in "$shell" tail && await "$PATIENCE" runs_in "$shell" jq || return 1
	for pid in $(pgrep -P "$shell"); do
		own "$pid"
	done
	put what-came-1 && hup "$mnt"
	await "$PATIENCE" test -s "$tmp/out" || { echo "nothing comes"; result=1; }
	pkill -P "$shell"
	wait "$shell"
	return $result
}

recipe_restic-again() { # at once, and after mounting again
	run_sh >"$tmp/out" || return 1
	[[ $(cat "$tmp/out") == *" 0 new,"*" 0 changed,"* ]] || { cat "$tmp/out"; return 1; }
	remount && run_sh >"$tmp/out"
}

# ---- running ----

remount() {
	unmount "$mnt" && mount_trail "$source" "$mnt" && wait_ready "$mnt"
}

recipe() { # recipe DOCUMENT LANGUAGE NAME
	"${python[@]}" code "$1" "$3" >"$tmp/code" || return 1
	if declare -F "recipe_$3" >/dev/null; then
		"recipe_$3" || return 1
	else
		"run_$2" >"$tmp/out" || { echo "exit status $?"; cat "$tmp/out"; return 1; }
	fi
	(cd "$tmp/work" && "${python[@]}" judge "$1" "$3" "$source" "$tmp/out")
}

can_sql=
duckdb() { # whether its module is there; it comes from npm
	scripts/setup duckdb build/duckdb >"$tmp/npm" 2>&1 || { tail -3 "$tmp/npm"; return 1; }
}

recipes() { # recipes DOCUMENT
	local language name
	while read -r language name; do
		if [ "$language" = sql ] && [ -z "$can_sql" ]; then
			skip "${1##*/}: $name" "DuckDB's module cannot be had from npm: $(tail -1 "$tmp/npm")"
		else
			check "${1##*/}: $name" recipe "$1" "$language" "$name"
		fi
	done < <("${python[@]}" list "$1" || echo sh none)
}

# Times near now, for ranges such as @7d, besides the story of three days in 2025.
make_trail work/bucket --preset demo >/dev/null && put an-hour-ago && ln -s "$root/docs" "$tmp/work/docs" || give_up "make-trail"
mount_trail "$source" "$mnt" && wait_ready "$mnt" || give_up "no mount"
! duckdb >/dev/null || can_sql=1
mkdir "$tmp/home" && export HOME=$tmp/home TMPDIR=$tmp RESTIC_REPOSITORY=$tmp/restic RESTIC_PASSWORD_FILE=$tmp/password
unset XDG_CONFIG_HOME XDG_CACHE_HOME
echo secret >"$RESTIC_PASSWORD_FILE"

recipes "$root/README.md"
recipes "$root/docs/recipes.md"
check "none is gone" "${python[@]}" all "$root/README.md" "$root/docs/recipes.md"
check "it ends" unmount "$mnt"
finish
