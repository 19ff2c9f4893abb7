# Sourced by the S3 tests after tests/mount/lib.sh: an environment without anybody's credentials, the fault server, its control.
# Not a test itself.

# Only what a test says counts: no variables, no ~/.aws, no instance metadata, no proxy.
clean_environment() {
	local name
	for name in $(compgen -e | grep -iE '^(AWS_.*|https?_proxy|no_proxy|all_proxy|SSL_CERT_.*|CURL_CA_BUNDLE)$'); do
		unset "$name"
	done
	export HOME=$tmp/home AWS_EC2_METADATA_DISABLED=true
	rm -rf "$HOME" && mkdir -p "$HOME/.aws"
}

use_keys() { # use_keys KEY SECRET [TOKEN]: from the environment
	export AWS_ACCESS_KEY_ID=$1 AWS_SECRET_ACCESS_KEY=$2
	unset AWS_SESSION_TOKEN
	[ -z "${3:-}" ] || export AWS_SESSION_TOKEN=$3
}

no_keys() {
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
}

TEST_KEY=TRAILTESTKEY TEST_SECRET=trail/test+secret # that the fault server knows

start_faults() { # start_faults [OPTION...]: the fault server; sets S3_PORT, S3_URL, CONTROL_PORT and what else it says
	local ready=$tmp/faults.$((${#started[@]} + 1))
	start "$tmp/faults.log" "$PYTHON" tests/s3/fault_server.py "$@" "$ready"
	await "$PATIENCE" test -s "$ready" || give_up "the fault server does not start: $(tail -3 "$tmp/faults.log")"
	. "$ready"
	S3_URL=http://127.0.0.1:$S3_PORT
	S3_TLS_URL=https://127.0.0.1:${S3_TLS_PORT:-0}
	export AWS_ENDPOINT_URL=$S3_URL
}

# A real S3 server, which is stopped before all else is cleaned up. Status 77, and says why, where it is not installed.
start_server() { # start_server ceph|swift: in $server; sets S3_URL, S3_KEY, S3_SECRET and what else its script says
	local script=tests/s3/$1.sh status
	server=$tmp/$1
	trap 'end_server tests/s3/'"$1.sh" EXIT
	"$script" start "$server" >"$server.said" 2>&1
	status=$?
	[ $status != 77 ] || { tail -1 "$server.said"; return 77; }
	[ $status = 0 ] || give_up "$script: $(tail -20 "$server.said")"
	. "$server/env"
}

end_server() { # end_server SCRIPT: as the last thing
	local status=$?
	trap '' INT TERM HUP
	[ ! -d "$server" ] || "$1" stop "$server"
	(exit $status)
	clean_up
}

upload() { # upload BUCKET [DIRECTORY [PREFIX]]: to the real server
	AWS_ACCESS_KEY_ID=$S3_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET AWS_REGION=${S3_REGION:-us-east-1} "$PYTHON" tests/s3/put.py --times "$S3_URL" "$@"
}

ctl() { # ctl WHAT [JSON]: what the fault server's control says
	local said
	said=$(curl -sS --noproxy '*' --max-time 120 ${2:+--data-binary "$2"} "http://127.0.0.1:$CONTROL_PORT/_control/$1") || return 1
	[ "${said#'{"error"'}" = "$said" ] || { echo "control: $said" >&2; return 1; }
	[ "$said" = null ] || echo "$said"
}

rules() { # rules RULE...: in place of the old ones
	local IFS=, list
	list="[$*]"
	IFS=$' \t\n'
	ctl rules "$list"
}

forget() { # counts, log and rules
	ctl reset
}

requests() { # requests KIND: how many since forget
	ctl counts | jq -r ".$1"
}

asked() { # asked FILTER: how many of the requests fit a jq filter
	ctl log | jq "[.[] | select($1)] | length"
}

put_object() { # put_object BUCKET KEY FILE: with the file's time
	local key
	key=$(jq -rn --arg key "$2" '$key | @uri')
	curl -sS --noproxy '*' --max-time 60 -H "x-mtime: $(stat -c %Y "$3")" -T "$3" "http://127.0.0.1:$CONTROL_PORT/_control/object/$1/$key" >/dev/null
}

delete_object() { # delete_object BUCKET KEY
	local key
	key=$(jq -rn --arg key "$2" '$key | @uri')
	curl -sS --noproxy '*' --max-time 60 -X DELETE "http://127.0.0.1:$CONTROL_PORT/_control/object/$1/$key" >/dev/null
}

make_log() { # make_log FILE EVENTNAME...: a log of such events, of the day DAY (2025-06-19)
	"$PYTHON" - "${DAY:-2025-06-19}" "$@" <<'EOF'
import gzip, json, sys
records = [{'eventVersion': '1.08', 'eventTime': '%sT00:00:%02dZ' % (sys.argv[1], n), 'eventName': name, 'eventID': 'id-%s-%d' % (name, n),
            'eventSource': 'ec2.amazonaws.com', 'userIdentity': {'type': 'IAMUser', 'userName': 'user-' + name},
            'sourceIPAddress': '198.51.100.%d' % n} for n, name in enumerate(sys.argv[3:])]
with open(sys.argv[2], 'wb') as file:
    file.write(gzip.compress(json.dumps({'Records': records}).encode(), mtime=0))
EOF
}

log_key() { # log_key NAME: of the day DAY
	local day=${DAY:-2025-06-19}
	echo "AWSLogs/111122223333/CloudTrail/us-east-1/${day//-//}/111122223333_CloudTrail_us-east-1_${day//-/}T0000Z_$1.json.gz"
}

today() { # what --refresh looks for: days that ended long ago are asked for again only by SIGHUP
	date -u +%Y-%m-%d
}

# Never in front (-f): the exit status and the one line are those of the command as people give it. WORDS_OF_OTHERS are
# in lines that a process wrote which was started for it.
refused() { # refused WORD COMMAND-ARGUMENTS...: the mount fails with exit status 1 and one line with the word in it
	local word=$1 mnt=${*: -1}
	shift
	mkdir -p "$mnt"
	t "$TRAILFS" --cache-dir "$tmp/cache.refused" "$@" >"$tmp/refused" 2>&1
	status=$?
	! mounted "$mnt" || { umount -l "$mnt"; echo "mounted all the same: $(cat "$tmp/refused")"; return 1; }
	same "exit status" $status 1 || { cat "$tmp/refused"; return 1; }
	same "number of lines" "$(grep -vcF "${WORDS_OF_OTHERS:-no such words}" "$tmp/refused")" 1 || { cat "$tmp/refused"; return 1; }
	grep -qiE "$word" "$tmp/refused" || { echo "not '$word': $(cat "$tmp/refused")"; return 1; }
	no_secrets "$tmp/refused"
}

no_secrets() { # no_secrets FILE...
	not grep -nF -e "$TEST_SECRET" -e "${AWS_SECRET_ACCESS_KEY:-$TEST_SECRET}" -e "${AWS_SESSION_TOKEN:-$TEST_SECRET}" "$@"
}

fresh() { # fresh SOURCE MNT [OPTION...]: mounted with an empty cache
	discard "$2"
	rm -rf "$cache"
	mount_trail "$@"
}

events_of() { # events_of MNT: how many
	t find "$1/events" -type f | wc -l
}

with() { # with NAME=VALUE FUNCTION ARGUMENTS...: the variable is set for it alone
	local -x "$1"
	shift
	"$@"
}
