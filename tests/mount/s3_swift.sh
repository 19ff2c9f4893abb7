#!/bin/bash
# A bucket on OpenStack Swift, whose S3 is another dialect: one region that is enforced, pages of 100, tokens that say nothing.
# timeout: 600
. "$(dirname "$0")/lib.sh"
. tests/s3/lib.sh
. tests/s3/real.sh

# The server logs a request before it answers, so what trailfs has the answer of is there.
seen_by_server() { # seen_by_server PATTERN: how many of the requests since since_now
	tail -c +"$log_from" "$server/log/access.log" | grep -caE "$1"
}

since_now() {
	log_from=$(($(stat -c %s "$server/log/access.log") + 1))
}

first_index_costs() { # a GET for each log, and listings of many pages
	local gets pages objects
	wait_ready "$mnt" || return 1
	objects=$(find "$tmp/source" -type f | wc -l)
	gets=$(seen_by_server '^"GET /bucket/[^?]') pages=$(seen_by_server '^"GET /bucket/?\?continuation-token=')
	echo "$objects objects: $gets GETs, $pages further pages; status says $(status_of "$mnt" .objects)"
	[ "$gets" -le "$objects" ] && [ "$gets" -gt $((objects / 2)) ] && [ "$pages" -ge 10 ] && [ "$pages" -le $((objects / 100)) ]
}

# What is asked for before the first answer came is the check of the source and the first listing.
learns_region() { # learns_region: from one answer or two, and then knows
	local wrong
	wrong=$(seen_by_server '" 400 ')
	[ "$wrong" = 1 ] || same "requests for the wrong region" "$wrong" 2
}

pieces() { # of what is no log only what is read is fetched, when it is, and it is that
	local at
	since_now
	for at in 2500000 1300000 1; do
		t tail -c +"$at" "$mnt/notes.txt" | head -c 10 | cmp - <(tail -c +"$at" "$tmp/source/notes.txt" | head -c 10) || return 1
	done
	[ "$(seen_by_server '^"GET /bucket/notes.txt" 206 bytes=[0-9]+-[0-9]+$')" -gt 0 ] && same "whole" "$(seen_by_server '^"GET /bucket/notes.txt" 200 ')" 0
}

in_region() { # in_region REGION: the second bucket, with an empty cache; "" for none that is told
	local -x AWS_REGION=$1
	[ -n "$1" ] || unset AWS_REGION
	since_now
	fresh s3://second/deep/pre+fix/ "$mnt" && equal "$tmp/small" && unmount "$mnt" || return 1
	if [ "$1" = "$S3_REGION" ]; then
		same "requests for the wrong region" "$(seen_by_server '" 400 ')" 0
	else
		learns_region
	fi
}

# What keys may hold, in folders and in names. S3's names are text: all is UTF-8.
odd_keys() {
	local name top n=0
	for name in 'a b' 'a+b' 'a%2Fb' '100%' 'a&b;c' "it's" 'say "x"' '<x>' 'ключ é 日本' 'a=b?c#d' 'tail~' '.dot' 'back\slash'; do
		top="$tmp/odd/$name/AWSLogs/111122223333/CloudTrail/us-east-1"
		mkdir -p "$top" && make_log "$top/$name.json.gz" "Odd$((n += 1))" && echo "$name" >"$tmp/odd/$name/$name" || return 1
	done
	upload odd-keys "$tmp/odd" >/dev/null && fresh s3://odd-keys "$mnt" && equal "$tmp/odd" || return 1
	not t test -e "$mnt/ERRORS" && same "events" "$(events_of "$mnt")" $n && unmount "$mnt"
}

double_slash() { # no directory can hold that: an empty name is a %
	upload double "$tmp/small" 'top//' >/dev/null && fresh s3://double "$mnt" && wait_ready "$mnt" || return 1
	not t test -e "$mnt/ERRORS" && same "events" "$(events_of "$mnt")" "$small_events" && [ "$small_events" -gt 0 ] || return 1
	same "names" "$(t ls "$mnt/top")" % && same "logs" "$(names_of "$mnt/top/%")" "$(names_of "$tmp/small" | sed 's/\.gz$//')" && unmount "$mnt"
}

names_of() { # names_of DIRECTORY
	(cd "$1" && t find . -type f | sort)
}

# Swift says of a key that it does not know what it says of a wrong secret, so the words for it must name both. A request
# that is not signed is none of S3's to it.
refused_all() {
	use_keys "$S3_KEY" wrong-secret
	check "refused: wrong secret" refused 'SignatureDoesNotMatch.*secret key' s3://bucket "$mnt.no" && cat "$tmp/refused" >>"$tmp/texts"
	use_keys NOSUCHKEY "$S3_SECRET"
	check "refused: unknown key" refused 'SignatureDoesNotMatch.*no such access key' s3://bucket "$mnt.no"
	use_keys "$S3_OTHER_KEY" "$S3_OTHER_SECRET"
	check "refused: no permission" refused 'AccessDenied.*s3:ListBucket' s3://bucket "$mnt.no" && cat "$tmp/refused" >>"$tmp/texts"
	use_keys "$S3_KEY" "$S3_SECRET"
	check "refused: no such bucket" refused 'NoSuchBucket.*no bucket of this name' s3://missing-bucket "$mnt.no" && cat "$tmp/refused" >>"$tmp/texts"
	no_keys
	check "refused: no credentials" refused 'credentials' s3://bucket "$mnt.no" && cat "$tmp/refused" >>"$tmp/texts"
	check "refused: not signed" refused 'HTTP 412.*check the endpoint' --no-sign-request s3://bucket "$mnt.no" && cat "$tmp/refused" >>"$tmp/texts"
	check "each says something else" same texts "$(sort -u "$tmp/texts" | wc -l)" 5
	use_keys "$S3_KEY" "$S3_SECRET"
}

stops() { # no process is left, and no file
	local pids pid
	pids=$(cat "$server/pids")
	same "processes" "$(wc -w <<<"$pids")" 5 && tests/s3/swift.sh stop "$server" || return 1
	for pid in $pids; do
		await "$PATIENCE" gone "$pid" || { echo "$pid still runs"; return 1; }
	done
	not test -e "$server"
}

clean_environment
start_server swift || exit
TEST_SECRET=$S3_SECRET
export AWS_ENDPOINT_URL=$S3_URL AWS_REGION=eu-central-1
make_trail source --objects 1200 --events 2400 --days 2 --regions 2 >/dev/null && make_trail small --objects 40 --events 100 >/dev/null ||
	give_up "make-trail"
seq 400000 >"$tmp/source/notes.txt" # 2.7 MB, no log
upload bucket "$tmp/source" >"$tmp/uploaded" && upload second "$tmp/small" deep/pre+fix/ >/dev/null || give_up "upload: $(cat "$tmp/uploaded")"
use_keys "$S3_KEY" "$S3_SECRET"

since_now
mount_trail s3://bucket "$mnt" || give_up "no mount"
check "what the first index costs" first_index_costs
check "the region is learnt once" learns_region
check "pieces of an object" pieces
check "equal to the directory" equal "$tmp/source"
check "remount: no object again" remount
check "new object after SIGHUP" new_object Hup
unmount "$mnt" && mount_trail s3://bucket "$mnt" --refresh 1
check "new object with --refresh 1" new_object Refresh
check "it ends" unmount "$mnt"
refused_all
check "a prefix; another region" in_region eu-central-1
check "the right region" in_region "$S3_REGION"
check "no region" in_region ""
small_events=$(find "$tmp/small" -name '*.json.gz' -exec zcat {} + | jq '.Records[].eventID' | sort -u | wc -l)
check "odd keys" odd_keys
check "a key with //" double_slash
check "the server ends" stops
finish
