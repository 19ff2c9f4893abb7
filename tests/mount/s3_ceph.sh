#!/bin/bash
# A bucket on a real S3 server, Ceph's gateway: shown as the same files in a directory are, with every way to be refused.
# timeout: 900
. "$(dirname "$0")/lib.sh"
. tests/s3/lib.sh
. tests/s3/real.sh

assume() { # assume: prints key, secret and token of the role, from the second gateway
	"$PYTHON" - "$S3_STS_URL" "$S3_ROLE" "$S3_KEY" "$S3_SECRET" <<'EOF'
import http.client, re, sys, urllib.parse
sys.path.insert(0, 'tests/s3')
import sigv4
url, role, key, secret = sys.argv[1:]
host = urllib.parse.urlsplit(url).netloc
body = urllib.parse.urlencode({'Action': 'AssumeRole', 'RoleArn': role, 'RoleSessionName': 'test', 'Version': '2011-06-15'}).encode()
headers = sigv4.sign('POST', host, '/', '', key, secret, body, service='sts', headers=[('content-type', 'application/x-www-form-urlencoded')])
kept = http.client.HTTPConnection(host, timeout=60)
kept.request('POST', '/', body, headers)
said = kept.getresponse().read().decode()
print(*(re.search('<%s>([^<]*)' % name, said)[1] for name in ('AccessKeyId', 'SecretAccessKey', 'SessionToken')))
EOF
}

seen_by_server() { # seen_by_server PATTERN: how many of the requests since since_now
	local mark="mark-$RANDOM$RANDOM$RANDOM"
	curl -s --noproxy '*' -o /dev/null --max-time 60 "$S3_URL/$mark"
	await "$PATIENCE" grep -qa "$mark" "$server/log/access.log" || { echo "no log" >&2; return 1; }
	tail -c +"$log_from" "$server/log/access.log" | sed "/$mark/q" | grep -caE "$1"
}

since_now() {
	seen_by_server . >/dev/null
	log_from=$(($(stat -c %s "$server/log/access.log") + 1))
}
log_from=1

first_index_costs() { # a GET for each log, one more for each that is damaged, and a few listings
	local gets lists objects damaged
	wait_ready "$mnt" || return 1
	objects=$(find "$tmp/source" -type f | wc -l)
	gets=$(seen_by_server '"GET /bucket/[^?]') lists=$(seen_by_server '"GET /bucket/?\?[^"]*list-type')
	damaged=$(status_of "$mnt" .objects.damaged)
	echo "$objects objects: $gets GETs, $lists LISTs; status says $(status_of "$mnt" .objects)"
	[ "$gets" -le $((objects + damaged)) ] && [ "$gets" -gt $((objects / 2)) ] && [ "$lists" -gt 1 ] && [ "$lists" -le $((objects / 960 + 60)) ]
}

warm() { # all of it once more
	t grep -r no-event-holds-this "$mnt/events" "$mnt/AWSLogs"
	since_now
	t grep -r no-event-holds-this "$mnt/events" "$mnt/AWSLogs" "$mnt/by-user"
	same "requests" "$(seen_by_server "\"(GET|HEAD) /bucket")" 0
}

with_prefix() {
	discard "$mnt"
	mount_trail s3://second/deep/pre+fix/ "$mnt" && equal "$tmp/small" && unmount "$mnt"
}

mounts_small() { # mounts_small OPTION...: the second bucket, by any other way
	discard "$mnt"
	rm -rf "$cache"
	mount_trail s3://second "$mnt" "$@" && wait_ready "$mnt" && same "events" "$(events_of "$mnt")" "$small_events" && [ "$small_events" -gt 0 ] && unmount "$mnt"
}

refused_all() { # each with words of its own
	local texts
	use_keys "$S3_KEY" wrong-secret
	check "refused: wrong secret" refused 'secret' s3://bucket "$mnt.no" && cat "$tmp/refused" >>"$tmp/texts"
	use_keys NOSUCHKEY "$S3_SECRET"
	check "refused: unknown key" refused 'access key' s3://bucket "$mnt.no" && cat "$tmp/refused" >>"$tmp/texts"
	use_keys "$S3_OTHER_KEY" "$S3_OTHER_SECRET"
	check "refused: no permission" refused 's3:ListBucket|denied' s3://bucket "$mnt.no" && cat "$tmp/refused" >>"$tmp/texts"
	use_keys "$S3_KEY" "$S3_SECRET"
	check "refused: no such bucket" refused 'no such bucket|does not exist|NoSuchBucket' s3://missing-bucket "$mnt.no" && cat "$tmp/refused" >>"$tmp/texts"
	no_keys
	check "refused: no credentials" refused 'credentials' s3://bucket "$mnt.no" && cat "$tmp/refused" >>"$tmp/texts"
	texts=$(sort -u "$tmp/texts" | wc -l)
	check "each says something else" same texts "$texts" 5
	check "anonymous: refused" refused 's3:ListBucket|denied|credentials' --no-sign-request s3://bucket "$mnt.no"
	use_keys "$S3_KEY" "$S3_SECRET"
}

role_profile() { # a role of the profile, from the server's own STS
	no_keys
	cat >"$HOME/.aws/config" <<EOF
[default]
region = us-east-1
[profile reader]
role_arn = $S3_ROLE
source_profile = base
EOF
	printf '[base]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$S3_KEY" "$S3_SECRET" >"$HOME/.aws/credentials"
	AWS_ENDPOINT_URL_STS=$S3_STS_URL mounts_small --endpoint-url "$S3_STS_URL" --profile reader
	local status=$?
	rm "$HOME/.aws/config" "$HOME/.aws/credentials"
	use_keys "$S3_KEY" "$S3_SECRET"
	return $status
}

temporary() {
	local key secret token status
	read -r key secret token <<<"$(assume)"
	[ -n "$token" ] || { echo "no token"; return 1; }
	use_keys "$key" "$secret" "$token"
	mounts_small --endpoint-url "$S3_STS_URL"
	status=$?
	use_keys "$key" "$secret" "no$token"
	[ $status != 0 ] || { refused . --endpoint-url "$S3_STS_URL" s3://second "$mnt.no"; status=$?; }
	use_keys "$S3_KEY" "$S3_SECRET"
	return $status
}

clean_environment
start_server ceph || exit
TEST_SECRET=$S3_SECRET
export AWS_ENDPOINT_URL=$S3_URL AWS_REGION=us-east-1
make_trail source --all --objects 1300 --events 4000 --days 2 --regions 2 >/dev/null && make_trail small --objects 40 --events 200 >/dev/null ||
	give_up "make-trail"
upload bucket "$tmp/source" >"$tmp/uploaded" && upload second "$tmp/small" >/dev/null && upload second "$tmp/small" deep/pre+fix/ >/dev/null ||
	give_up "upload: $(cat "$tmp/uploaded")"
use_keys "$S3_KEY" "$S3_SECRET"

since_now
mount_trail s3://bucket "$mnt" || give_up "no mount"
check "what the first index costs" first_index_costs
check "equal to the directory" equal "$tmp/source"
check "warm: no request" warm
check "remount: no object again" remount
check "new object after SIGHUP" new_object Hup
unmount "$mnt" && mount_trail s3://bucket "$mnt" --refresh 1
check "new object with --refresh 1" new_object Refresh
check "it ends" unmount "$mnt"
refused_all
check "a prefix" with_prefix
mount_trail "$tmp/small" "$tmp/mnt.small" && wait_ready "$tmp/mnt.small" && small_events=$(events_of "$tmp/mnt.small") && unmount "$tmp/mnt.small"
# The same events twice in a bucket are one.
check "virtual-hosted" mounts_small --endpoint-url "${S3_URL/127.0.0.1/s3.localhost}"
check "path style forced" mounts_small --endpoint-url "${S3_URL/127.0.0.1/s3.localhost}" --force-path-style
check "TLS: unknown authority" refused 'certificate' --endpoint-url "$S3_TLS_URL" s3://second "$mnt.no"
check "TLS: --ca-bundle" mounts_small --endpoint-url "$S3_TLS_URL" --ca-bundle "$server/ca.pem"
check "TLS: AWS_CA_BUNDLE" with AWS_CA_BUNDLE="$server/ca.pem" mounts_small --endpoint-url "$S3_TLS_URL"
check "temporary credentials" temporary
check "a role from STS" role_profile
finish
