# shellcheck shell=bash
# Sourced after lib.sh by the tests of a bucket that does wrong: what right is, and what may be wrong instead. Not a test itself.

mnt=$tmp/mnt
source=$tmp/source

# ---- what is right

snapshot() { # snapshot MNT: every event and every log, and its bytes
	(cd "$1" && t find events AWSLogs -type f -print0 | sort -z | t xargs -0 md5sum)
}

right() { # all of it, and no error
	wait_ready "$mnt" || return 1
	not t test -e "$mnt/ERRORS" || { t cat "$mnt/ERRORS"; return 1; }
	snapshot "$mnt" >"$tmp/got" || return 1
	cmp -s "$tmp/wanted" "$tmp/got" || { diff "$tmp/wanted" "$tmp/got" | head -5; return 1; }
}

named_alone() { # named_alone KEY REASON: ERRORS says so, and nothing that is shown is wrong
	wait_ready "$mnt" || return 1
	t grep -aE "^$1	.*($2)" "$mnt/ERRORS" >/dev/null || { echo "ERRORS: $(t cat "$mnt/ERRORS")"; return 1; }
	same "lines of ERRORS" "$(t cat "$mnt/ERRORS" | wc -l)" 1 || { t cat "$mnt/ERRORS"; return 1; }
	snapshot "$mnt" >"$tmp/got" 2>"$tmp/got.errors"
	comm -13 <(sort "$tmp/wanted") <(sort "$tmp/got") >"$tmp/strange"
	[ ! -s "$tmp/strange" ] || { echo "shown, but wrong: $(head -3 "$tmp/strange")"; return 1; }
}

# Nothing lacks but what is in that object: it is known that it cannot be had.
right_but() { # right_but KEY REASON
	named_alone "$@" || return 1
	same "lacking" "$(comm -23 <(sort "$tmp/wanted") <(sort "$tmp/got") | wc -l)" \
		$((1 + $(zcat "$source/$1" | jq '.Records | length')))
}

# That object may have events which cannot be had now: what may lack them fails, and no other object does.
unsure_of() { # unsure_of KEY REASON
	local day
	day=$(grep -oE '[0-9]{4}/[0-9]{2}/[0-9]{2}' <<<"$1")
	named_alone "$@" && says "Input/output error" t ls "$mnt/events/$day" && says "Input/output error" t cat "$mnt/events/count" || return 1
	same "logs that lack" "$(comm -23 <(sort "$tmp/wanted") <(sort "$tmp/got") | grep -c AWSLogs)" 1
}

unreadable() { # unreadable KEY ERRORS: with one of them
	not t cat "$mnt/${1%.gz}" 2>"$tmp/cat.said" >"$tmp/cat.got" && grep -qE "$2" "$tmp/cat.said" || { echo "cat says '$(cat "$tmp/cat.said")', not '$2'"; return 1; }
}

afresh() { # no rules, no lies, nothing odd, whatever became of the test before
	forget
	ctl set '{"clock":0,"latency":0,"region":null,"region_answer":400,"region_said":true}'
	ctl lie "{\"bucket\":\"trail\",\"key\":\"$key\"}"
	delete_object trail "$odd"
}

survives() { # survives RULE...: with such rules all is right
	rules "$@" && fresh s3://trail "$mnt" --timeout 15 && right
}

hit() { # the rules that were set struck
	[ "$(ctl hits | jq add)" -ge "${1:-1}" ] || { echo "the rule never struck: $(ctl hits)"; return 1; }
}

survives_hit() { # survives_hit N RULE...
	local n=$1
	shift
	afresh
	survives "$@" && hit "$n"
}

mended() { # without rules and after the next refresh all is right
	afresh
	hup "$mnt" && await_from "$mnt" right >/dev/null || right
}

suffers() { # suffers WHAT REASON ERROR RULE...: WHAT holds of the one object with such rules, and all is well without
	local what=$1 reason=$2 error=$3
	shift 3
	afresh
	rules "$@" && fresh s3://trail "$mnt" --timeout 4 && "$what" "$key" "$reason" && hit && unreadable "$key" "$error" && mended
}

hurts() { # hurts REASON ERROR RULE...: that object alone is lost
	suffers right_but "$@"
}

unsettles() { # unsettles REASON ERROR RULE...: nobody knows what is in it
	suffers unsure_of "$@"
}

throttled() { # throttled MATCH: a rule
	echo "{$1,\"status\":503,\"code\":\"SlowDown\",\"message\":\"Please reduce your request rate.\"}"
}

gets_of() { # gets_of KEY
	asked ".kind == \"GET\" and .path == \"/trail/$1\""
}

asked_no_more() { # asked_no_more KEY GETS: so far, and after more listings and on another mount
	local listings n
	for n in 1 2; do
		listings=$(status_of "$mnt" .listings)
		hup "$mnt" && await_from "$mnt" listed_since "$listings" && wait_ready "$mnt" && same "GETs of it" "$(gets_of "$1")" "$2" || return 1
	done
	unmount "$mnt" && mount_trail s3://trail "$mnt" && wait_ready "$mnt" && t test -e "$mnt/ERRORS" && same "GETs of it" "$(gets_of "$1")" "$2"
}

listed_since() { # listed_since N
	[ "$(status_of "$mnt" .listings)" -gt "$1" ]
}

# ---- the beginning

begin() { # begin [SERVER-OPTION...]: a bucket with a trail, which right() knows; `key` is one of its logs, `odd` none yet
	make_trail source --objects 60 --events 300 --regions 2 --days 3 >/dev/null || give_up "make-trail"
	key=$(cd "$source" && find AWSLogs -path '*/us-east-1/2025/06/18/*' -name '*.json.gz' -size +1 | sort | sed -n 2p)
	odd=$(log_key odd)
	mount_trail "$source" "$mnt" && wait_ready "$mnt" && snapshot "$mnt" >"$tmp/wanted" && [ -s "$tmp/wanted" ] && unmount "$mnt" ||
		give_up "no baseline"
	start_faults --bucket trail="$source" "$@"
	use_keys "$TEST_KEY" "$TEST_SECRET"
	check "S0: nothing is wrong" survives
}

end() {
	check "no secrets in any log" no_secrets "${logs[@]}"
	fresh s3://trail "$mnt" && right >/dev/null
	check "it ends" unmount "$mnt"
	finish
}
