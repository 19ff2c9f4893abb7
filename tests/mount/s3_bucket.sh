#!/bin/bash
# A bucket that is not as one would wish: its objects are others than were listed, damaged, denied, many, oddly named or new; its
# region or clock is another; its listings are wrong. What is seen of it in the mount.
# also: asan
# timeout: 1500
. "$(dirname "$0")/lib.sh"
. tests/s3/lib.sh
. tests/s3/faults.sh

# ---- S8, S9: other than it was listed

lies() { # lies WHAT: a listing that is not true of the object; the object is shown truly or not at all
	afresh
	ctl lie "{\"bucket\":\"trail\",\"key\":\"$key\",$1}"
	fresh s3://trail "$mnt" --timeout 4 && wait_ready "$mnt" || return 1
	if t test -e "$mnt/ERRORS"; then
		unsure_of "$key" . && unreadable "$key" "Stale file handle|Input/output error" || return 1
	else
		right || return 1
	fi
	ctl lie "{\"bucket\":\"trail\",\"key\":\"$key\"}"
	mended
}

replaced_meanwhile() { # between the first part and the rest: the old or the new, never some of both
	afresh
	make_log "$tmp/other" Replaced Replaced Replaced Replaced Replaced Replaced
	put_object trail "$odd" "$tmp/other.before" || return 1
	rules "{\"kind\":\"GET\",\"path\":\"$odd\",\"times\":1,\"drop_after\":100}" "{\"kind\":\"GET\",\"path\":\"$odd\",\"times\":1,\"delay\":3}"
	rm -rf "$cache"
	discard "$mnt"
	start_trail s3://trail "$mnt" --timeout 20
	await_from "$mnt" rested && put_object trail "$odd" "$tmp/other" && wait_ready "$mnt" || return 1
	not t test -e "$mnt/by-event/Before" && { t test -e "$mnt/by-event/Replaced" || t grep -q "$odd" "$mnt/ERRORS"; } || { t ls "$mnt/by-event"; return 1; }
	hup "$mnt" && await_from "$mnt" test -d "$mnt/by-event/Replaced" && not t test -e "$mnt/ERRORS"
	local status=$?
	delete_object trail "$odd"
	return $status
}

rested() { # the rest has been asked for
	[ "$(asked ".path == \"/trail/$odd\" and .range != null")" -ge 1 ] || [ "$(asked ".path == \"/trail/$odd\"")" -ge 2 ]
}

changed_later() { # an object that was indexed is another one: the bytes that are kept stay whole until the next refresh
	afresh
	make_log "$tmp/other" Before Before
	put_object trail "$odd" "$tmp/other" && fresh s3://trail "$mnt" && wait_ready "$mnt" && t test -d "$mnt/by-event/Before" || return 1
	make_log "$tmp/other" After After After
	put_object trail "$odd" "$tmp/other" || return 1
	t grep -q user-Before "$mnt/${odd%.gz}" && not t grep -q user-After "$mnt/${odd%.gz}" || return 1
	hup "$mnt" && await_from "$mnt" test -d "$mnt/by-event/After" && await_from "$mnt" grep -q user-After "$mnt/${odd%.gz}" &&
		not t test -e "$mnt/by-event/Before" || return 1
	delete_object trail "$odd" && hup "$mnt" && await_from "$mnt" not test -e "$mnt/by-event/After" && await_from "$mnt" right
}

other_objects() {
	check "S8: another ETag" lies '"etag":"0123456789abcdef0123456789abcdef"'
	check "S8: another size" lies '"size":77'
	check "S8: of size 0" lies '"size":0'
	check "S8: another ETag in the answer's header" unsettles . "Input/output error|Stale file handle" "{\"kind\":\"GET\",\"path\":\"$key\",\"etag\":\"x\"}"
	make_log "$tmp/other.before" Before Before Before Before Before Before
	check "S8: replaced between two parts" replaced_meanwhile
	check "S8: replaced after it was indexed" changed_later
	check "S9: gone between LIST and GET" hurts . "No such file|Input/output error" "{\"kind\":\"GET\",\"path\":\"$key\",\"status\":404,\"code\":\"NoSuchKey\"}"
}

# ---- S10, S11: damaged objects; their many kinds are in damage.sh

damaged() { # damaged TEXT-OF-A-COMMAND: its output as an object in the bucket
	afresh
	bash -c "$1" >"$tmp/other"
	put_object trail "$odd" "$tmp/other" && fresh s3://trail "$mnt" && wait_ready "$mnt" || return 1
	t grep -q "^$odd	..*" "$mnt/ERRORS" && same "lines of ERRORS" "$(t cat "$mnt/ERRORS" | wc -l)" 1 || return 1
	asked_no_more "$odd" 2 || return 1
	delete_object trail "$odd" && mended
}

damage() {
	check "S10: truncated gzip" damaged "head -c 300 '$source/$key'"
	check "S10: wrong CRC" damaged "head -c -8 '$source/$key'; printf abcdefgh"
	check "S10: no gzip" damaged "echo no gzip"
	check "S11: no JSON" damaged "echo no JSON | gzip"
	check "S11: no records" damaged "echo '{\"x\":1}' | gzip"
}

# ---- S12: not allowed

denied() { # denied SENTENCE-IN-THE-LOG CODE STATUS MESSAGE
	local log
	hurts "$2|denied|permission|archive|Glacier|KMS|key" "Permission denied" \
		"{\"kind\":\"GET\",\"path\":\"$key\",\"status\":$3,\"code\":\"$2\",\"message\":\"$4\"}" || return 1
	log=${log_of[$mnt]}
	grep -qiE "$1" "$log" && grep -q "$2" "$log" && grep -q "REQ0" "$log" && grep -q "${key##*/}" "$log" || { echo "log: $(cat "$log")"; return 1; }
}

# Denied objects are asked for at the next refresh, and then ever less often; at once when somebody asks.
denied_for_ever() {
	local before
	afresh
	rules "{\"kind\":\"GET\",\"path\":\"$key\",\"status\":403,\"code\":\"AccessDenied\"}"
	fresh s3://trail "$mnt" --refresh 1 && wait_ready "$mnt" && await_from "$mnt" listed_since 6 || return 1
	before=$(gets_of "$key")
	[ "$before" -ge 2 ] && [ "$before" -le 3 ] || { echo "$before GETs in $(status_of "$mnt" .listings) listings"; return 1; }
	hup "$mnt" && await_from "$mnt" asked_since "$before" && right_but "$key" AccessDenied && mended && unmount "$mnt"
}

asked_since() { # asked_since N
	[ "$(gets_of "$key")" -gt "$1" ]
}

# It says nothing of the objects that were asked for with it: what needs them fails, and so soon that it costs little.
session_expires() { # session_expires CODE STATUS: while the first index is being built
	local objects day
	objects=$(find "$source" -name '*.json.gz' | wc -l)
	afresh
	rules "{\"kind\":\"GET\",\"skip\":10,\"status\":$2,\"code\":\"$1\"}"
	fresh s3://trail "$mnt" --refresh 0 && wait_ready "$mnt" && hit 10 || return 1
	same "objects that lack" "$(status_of "$mnt" .objects.failed)" $((objects - 10)) || return 1
	for day in events/count by-user events/2025/06/18; do
		says "Permission denied" t cat "$mnt/$day/" || return 1
	done
	same "lines of the log" "$(grep -c "HTTP $2" "${log_of[$mnt]}")" 1 || return 1
	[ "$(requests GET)" -le $((2 * objects)) ] || { echo "$(requests GET) GETs"; return 1; }
	mended
}

not_allowed() {
	check "S12: an object is denied" denied 's3:GetObject' AccessDenied 403 "Access Denied"
	check "S12: its key is denied" denied 'kms:Decrypt' AccessDenied 403 "User is not authorized to perform: kms:Decrypt on this resource"
	check "S12: it is denied for ever" denied_for_ever
	check "S12: the session expires" session_expires ExpiredToken 400
	check "S12: the key is deleted" session_expires InvalidAccessKeyId 403
	check "S12: a page of somebody else's" session_expires "" 403
	check "S12: it is in Glacier" denied 'restore|Glacier' InvalidObjectState 403 "The operation is not valid for the object's storage class"
	afresh
	rules '{"kind":"LIST","status":403,"code":"AccessDenied"}'
	check "S12: the listing is denied" refused 's3:ListBucket' s3://trail "$mnt.no"
	rules '{"status":400,"code":"ExpiredToken","message":"The provided token has expired."}'
	check "S12: the token has expired" refused 'expired' s3://trail "$mnt.no"
	rules '{"kind":"LIST","status":404,"code":"NoSuchBucket"}'
	check "S12: no such bucket" refused 'bucket' s3://trail "$mnt.no"
}

# ---- S14, S15: the clock, the region, other hosts

few() { # few FILTER: one, or what was under way when it came
	local n
	n=$(asked "$1")
	[ "$n" -ge 1 ] && [ "$n" -le 4 ] || { echo "$n refusals"; return 1; }
}

skewed() { # skewed SECONDS: learned once, and no object is asked for twice because of it
	afresh
	ctl set "{\"clock\":$1}"
	fresh s3://trail "$mnt" && right && few '.code == "RequestTimeTooSkewed"'
	local status=$?
	ctl set '{"clock":0}'
	return $status
}

# Our clock is days ahead: what is today for the service is long over for us, and is listed again all the same.
over_for_us_alone() {
	local DAY name shown=0 status=0
	DAY=$(date -u -d '-4 days' +%Y-%m-%d)
	afresh
	ctl set '{"clock":-345600}'
	discard "$mnt"
	rm -rf "$cache"
	for name in First Second; do
		make_log "$tmp/other" $name && put_object trail "$(log_key $name)" "$tmp/other" && mount_trail s3://trail "$mnt" && wait_ready "$mnt" &&
			same "events of today" "$(t ls "$mnt/events/${DAY//-//}" | wc -l)" $((++shown)) && unmount "$mnt" || status=1
	done
	delete_object trail "$(log_key First)" && delete_object trail "$(log_key Second)"
	ctl set '{"clock":0}'
	return $status
}

region() { # region ANSWER SAID: another one than ours
	afresh
	ctl set "{\"region\":\"eu-central-1\",\"region_answer\":$1,\"region_said\":$2}"
	fresh s3://trail "$mnt" --region us-west-2 && right && few '.status >= 300'
	local status=$?
	ctl set '{"region":null,"region_answer":400,"region_said":true}'
	return $status
}

region_unsaid() {
	ctl set '{"region":"eu-central-1","region_answer":301,"region_said":false}'
	refused 'region|endpoint' --region us-west-2 s3://trail "$mnt.no"
	local status=$?
	ctl set '{"region":null,"region_answer":400,"region_said":true}'
	return $status
}

elsewhere() { # elsewhere STATUS: to a host that we did not choose: no credentials go there, whatever becomes of it
	local other_control other_port other status
	afresh
	other=$(start_faults --bucket trail="$source" && echo "$S3_PORT $CONTROL_PORT ${started[-1]}")
	read -r other_port other_control status <<<"$other"
	own "$status"
	rules "{\"status\":$1,\"code\":\"TemporaryRedirect\",\"headers\":{\"Location\":\"http://localhost:$other_port/trail?list-type=2\"},\"fields\":{\"Endpoint\":\"localhost:$other_port\"}}"
	refused . --timeout 5 s3://trail "$mnt.no" || return 1
	same "requests with credentials there" "$(CONTROL_PORT=$other_control asked '.access_key != "" or (.headers | index("x-amz-security-token"))')" 0
}

redirect_loop() { # to itself, for ever
	afresh
	rules "{\"status\":307,\"code\":\"TemporaryRedirect\",\"headers\":{\"Location\":\"$S3_URL/trail?list-type=2\"},\"fields\":{\"Endpoint\":\"127.0.0.1:$S3_PORT\"}}"
	refused . --timeout 10 s3://trail "$mnt.no" || return 1
	[ "$(requests S3)" -le 25 ] || { echo "$(requests S3) requests"; return 1; }
}

clock_and_places() {
	local seconds answer
	for seconds in 3600 -3600; do
		check "S14: a clock $seconds s off" skewed "$seconds"
	done
	check "S14: a day that is over for us alone" over_for_us_alone
	for answer in 400 301 307; do
		check "S15: another region, $answer" region "$answer" true
	done
	check "S15: another region, which is not said" region_unsaid
	for answer in 301 307; do
		check "S15: $answer to another host" elsewhere "$answer"
	done
	check "S15: a redirect loop" redirect_loop
	afresh
}

# ---- S16: listings

bad_listing() { # bad_listing RULE: refused, soon, and with few requests
	afresh
	rules "$1"
	refused . --timeout 10 s3://trail "$mnt.no" || return 1
	[ "$(requests LIST)" -le 200 ] || { echo "$(requests LIST) LISTs"; return 1; }
}

error_or_right() { # error_or_right RULE: an odd listing is taken for what it says or refused, but nothing is lost
	afresh
	rules "$1"
	rm -rf "$cache"
	discard "$mnt"
	start_trail s3://trail "$mnt" --timeout 10
	await "$PATIENCE" live_or_dead "$mnt" || return 1
	gone "${pid_of[$mnt]}" || right
}

days_of() { # days_of SOURCE: how many events one day and two have, from a new cache
	local from
	for from in 2025-06-16 2025-06-17; do
		rm -rf "$cache.days" && t "$TRAILFS" --cache-dir "$cache.days" --since "$from" --until 2025-06-17 -p events/count "$1" || return 1
	done
}

in_no_order() { # in_no_order PAGE: days are found all the same
	local wanted
	afresh
	wanted=$(days_of "$source" | xargs) && [ -n "$wanted" ] && [ "${wanted#0 }" = "$wanted" ] || { echo "days: $wanted"; return 1; }
	rules "{\"kind\":\"LIST\",\"listing\":{\"backwards\":true,\"page\":$1}}" && same "events" "$(days_of s3://trail | xargs)" "$wanted"
}

no_such_prefix() { # nothing is there: that is no error, but it is said
	afresh
	discard "$mnt"
	says "trailfs: s3://trail/AWSLog: nothing is listed there; check the prefix" t "$TRAILFS" --cache-dir "$cache.days" -p events/count s3://trail/AWSLog &&
		same "status" "$status" 0 || return 1
	says "nothing is listed there; check the bucket, --account" t "$TRAILFS" --cache-dir "$cache.days" --account 999999999999 --wait --refresh 0 \
		s3://trail "$mnt" && same "status" "$status" 0 && await 60 fusermount3 -u "$mnt" 2>/dev/null
}

listings() {
	check "S16: nothing below the prefix" no_such_prefix
	check "S16: days, keys out of order" in_no_order 700
	check "S16: days, few keys out of order" in_no_order 7
	check "S16: no XML" bad_listing '{"kind":"LIST","body":"{}"}'
	check "S16: cut off" bad_listing '{"kind":"LIST","cut":60}'
	check "S16: entities that grow" bad_listing '{"kind":"LIST","listing":{"bomb":true}}'
	check "S16: the same page and token again" bad_listing '{"kind":"LIST","listing":{"loop":true}}'
	check "S16: the same page, other tokens" bad_listing '{"kind":"LIST","listing":{"endless":true}}'
	check "S16: truncated, but no token" bad_listing '{"kind":"LIST","listing":{"no_token":true}}'
	check "S16: no number for a size" bad_listing '{"kind":"LIST","query":"CloudTrail","listing":{"size":"many"}}'
	check "S16: an empty page, then more" error_or_right '{"kind":"LIST","listing":{"empty_page":true}}'
	check "S16: another namespace" error_or_right '{"kind":"LIST","listing":{"namespace":"http://example.com/"}}'
	check "S16: KeyCount lies" error_or_right '{"kind":"LIST","listing":{"key_count":1}}'
	check "S16: keys out of order" error_or_right '{"kind":"LIST","listing":{"backwards":true}}'
	check "S16: keys are not encoded" survives_hit 1 '{"kind":"LIST","listing":{"no_encoding":true}}'
	check "S16: pages of three" survives_hit 1 '{"kind":"LIST","listing":{"page":3}}'
}

# ---- S17: how many

plain_objects() { # plain_objects N: each is listed once, a thousand at a time
	afresh
	ctl bucket "{\"name\":\"many-$1\"}" && ctl synthetic "{\"bucket\":\"many-$1\",\"key\":\"plain/x%06d\",\"count\":$1,\"data\":\"x\"}" || return 1
	fresh "s3://many-$1" "$mnt" && wait_ready "$mnt" || return 1
	same "events" "$(events_of "$mnt")" 0 && same "GETs" "$(requests GET)" 0 || return 1
	[ "$1" = 0 ] || { t ls -U "$mnt/plain" >"$tmp/names" && same "names" "$(sort -u "$tmp/names" | wc -l) of $(wc -l <"$tmp/names")" "$1 of $1"; } || return 1
	[ "$(requests LIST)" -le $((($1 + 999) / 1000 + 6)) ] || { echo "$(requests LIST) LISTs"; return 1; }
}

log_objects() { # log_objects N: one GET each, one LIST a thousand, and the way there
	local data
	afresh
	make_log "$tmp/other" Same
	data=$(base64 -w0 "$tmp/other")
	ctl synthetic "{\"bucket\":\"logs-$1\",\"key\":\"$(log_key %06d)\",\"count\":$1,\"data64\":\"$data\"}" || return 1
	fresh "s3://logs-$1" "$mnt" && wait_ready "$mnt" || return 1
	same "events" "$(events_of "$mnt")" 1 && same "GETs" "$(requests GET)" "$1" || return 1
	echo "$(requests LIST) LISTs for $1 objects"
	[ "$(requests LIST)" -le $((($1 + 999) / 1000 + 10)) ] && [ "$(requests HEAD)" -le 1 ]
}

costs() { # the whole of a first index, then of reading everything again, then of another mount
	local objects lists
	objects=$(find "$source" -name '*.json.gz' | wc -l)
	afresh
	fresh s3://trail "$mnt" && right || return 1
	same "GETs" "$(requests GET)" "$objects" || return 1
	lists=$(requests LIST)
	echo "$lists LISTs for $objects objects"
	[ "$lists" -le $((objects / 1000 + 1 + places)) ] || return 1
	t grep -r no-event-holds-this "$mnt" >/dev/null
	ctl reset
	t grep -r no-event-holds-this "$mnt/events" "$mnt/AWSLogs" "$mnt/by-user" >/dev/null
	same "requests of a warm grep" "$(requests S3)" 0 || return 1
	unmount "$mnt" && mount_trail s3://trail "$mnt" && right && same "GETs of another mount" "$(requests GET)" 0 || return 1
	[ "$(requests LIST)" -le "$lists" ] || { echo "$(requests LIST) LISTs of another mount"; return 1; }
}

# What .trailfs/status and metrics say the bucket was asked, against what the server says.
counted() {
	discard "$mnt"
	afresh
	survives "$(throttled '"kind":"GET","every":9,"times":4')" && hit 4 || return 1
	await_from "$mnt" counts_agree >/dev/null || counts_agree || return 1
	same "throttled" "$(status_of "$mnt" .bucket.throttled)" 4 && same "retries" "$(status_of "$mnt" .bucket.retries)" 4 &&
		same "failed" "$(status_of "$mnt" .bucket.failed)" 0 && [ "$(status_of "$mnt" .bucket.bytes)" -gt 10000 ] || return 1
	t cat "$mnt/.trailfs/metrics" >"$tmp/metrics" && well_formed "$tmp/metrics" || return 1
	same "GETs in metrics" "$(sed -n 's/^trailfs_s3_requests_total{op="get"} //p' "$tmp/metrics")" "$(requests GET)" &&
		same "LISTs in metrics" "$(sed -n 's/^trailfs_s3_requests_total{op="list"} //p' "$tmp/metrics")" "$(requests LIST)" &&
		same "throttled in metrics" "$(sed -n 's/^trailfs_s3_throttled_total //p' "$tmp/metrics")" 4 || return 1
	mount_trail "$source" "$mnt.folder" && same "of a folder" "$(status_of "$mnt.folder" '.bucket // "nothing"')" nothing &&
		not t grep trailfs_s3 "$mnt.folder/.trailfs/metrics"
	local status=$?
	unmount "$mnt.folder" && return $status
}

counts_agree() { # a status is some time old
	same "GETs" "$(status_of "$mnt" .bucket.gets)" "$(requests GET)" && same "LISTs" "$(status_of "$mnt" .bucket.lists)" "$(requests LIST)" &&
		same "in flight" "$(status_of "$mnt" .bucket.in_flight)" 0
}

well_formed() { # well_formed FILE: HELP and TYPE once for each name, before its values, which stand together; counters end in _total
	"$PYTHON" - "$1" <<'EOF'
import re, sys
kinds, values, before = {}, set(), None
for line in open(sys.argv[1]):
    word = line.split()
    if word[0] == '#':
        if word[1] == 'TYPE':
            assert word[2] not in kinds and word[2] not in values, line
            assert word[3] == ('counter' if word[2].endswith('_total') else 'gauge'), line
            kinds[word[2]] = word[3]
        continue
    name = re.fullmatch(r'([a-z0-9_]+)({[a-z]+="[a-z]+"})? [0-9]+\n', line)[1]
    assert name in kinds and (name == before or name not in values), line
    values.add(name)
    before = name
assert values == set(kinds), values ^ set(kinds)
EOF
}

at_once() { # at_once WANTED LOW OPTION...: requests in flight
	local high=$1 low=$2
	shift 2
	afresh
	ctl set '{"latency":0.05}'
	fresh s3://trail "$mnt" "$@" && right
	local status=$?
	ctl set '{"latency":0}'
	[ $status = 0 ] || return 1
	echo "$(requests in_flight_max) in flight"
	[ "$(requests in_flight_max)" -le "$high" ] && [ "$(requests in_flight_max)" -ge "$low" ]
}

pruned() { # days, accounts and regions outside are not asked for
	local asked_for wanted
	afresh
	fresh s3://trail "$mnt" "$@" && wait_ready "$mnt" || return 1
	asked_for=$(ctl log | jq -r '.[] | select(.kind == "GET") | .path' | sort -u | sed 's/^.trail.//')
	wanted=$(cd "$source" && find AWSLogs -name '*.json.gz' | grep -E "$want" | sort)
	[ -n "$wanted" ] && same "objects asked for" "$(wc -l <<<"$asked_for")" "$(wc -l <<<"$wanted")" && same "which" "$asked_for" "$wanted" &&
		same "LISTs outside" "$(asked ".kind == \"LIST\" and (.query | test(\"$unwanted\"))")" 0
}

how_many() {
	local n
	for n in 0 1 999 1000 1001 2000 100000; do
		[ "$n" != 100000 ] || [ -z "$SAN" ] || continue
		check "S17: $n objects" plain_objects "$n"
	done
	for n in 1 1000 1001; do
		check "S17: $n logs" log_objects "$n"
	done
	check "S17: what it costs" costs
	check "S17: what it says that it costs" counted
	check "S17: many requests at once" at_once 64 9
	check "S17: --connections 4" at_once 4 2 --connections 4
	want=us-east-1/ unwanted=eu-west-1
	check "S17: --log-region" pruned --log-region us-east-1
	want='/2025/06/1[78]/' unwanted='2025%2F06%2F19'
	check "S17: --until" pruned --until 2025-06-17
}

# ---- S18: keys

hostile_names() { # each key is one file, with the bytes of that object
	"$PYTHON" - "$CONTROL_PORT" <<'EOF' || return 1
import sys, urllib.parse, urllib.request
keys = ['a//b', '/lead', './x', '../x', '../../etc/passwd', 'a/../b', 'a/./b', '..', '.', 'dir/..', 'folder', 'folder/under',
        'long/' + 'n' * 1019, 'long/' + 'é' * 500, 'pct%2Fsign', 'pct%252F', 'plus+plus', 'a b', 'new\nline', 'tab\tx', 'bell\x07', '\x01',
        'del\x7f', '\N{PARTY POPPER}', 'e\u0301', '\u00e9', '...', '....', 'Case', 'case', 'x.json.gz.txt', 'README', 'ERRORS', 'events', 'events/2025',
        'by-user/x', '.trailfs/status', 'amp&lt;', '<tag>', "quote'\"", 'cr\r', '\ufffd', '\ufffe', '~1', 'back\\slash', '*?[', '-rf', '$(touch x)']
for key in keys:
    request = urllib.request.Request('http://127.0.0.1:%s/_control/object/hostile/%s' % (sys.argv[1], urllib.parse.quote(key, safe='')),
                                     data=('key:' + key).encode(), method='PUT')
    urllib.request.urlopen(request).read()
EOF
	afresh
	fresh s3://hostile "$mnt" && wait_ready "$mnt" || return 1
	"$PYTHON" - "$mnt" <<'EOF'
import os, sys
top = os.fsencode(sys.argv[1])
ours = {b'README', b'events'}
found = []
for folder, folders, names in os.walk(top):
    if folder == top:
        folders[:] = [one for one in folders if one != b'events' and not one.startswith(b'by-')]
        names = [one for one in names if one not in ours]
    for name in names:
        with open(os.path.join(folder, name), 'rb') as file:
            data = file.read()
        if data.startswith(b'key:'):
            found.append(data)
        else:
            sys.exit('%r holds %r' % (os.path.join(folder, name), data[:60]))
        if any(byte < 0x20 or byte == 0x7f for byte in name) or len(name) > 255:
            sys.exit('a name %r' % name)
if len(found) != len(set(found)) or len(found) != 48:
    sys.exit('%d files, %d different' % (len(found), len(set(found))))
EOF
}

names_again() { # the same names on the next mount
	(cd "$mnt" && t find . | sort) >"$tmp/names" && unmount "$mnt" && fresh s3://hostile "$mnt" && wait_ready "$mnt" &&
		(cd "$mnt" && t find . | sort) | cmp "$tmp/names" -
}

hostile_logs() { # the same of logs: each event is shown, and each log, once, also when what was listed is kept
	"$PYTHON" - "$CONTROL_PORT" >"$tmp/hostile" <<'EOF' || return 1
import gzip, json, sys, urllib.parse, urllib.request
top, rest = b'AWSLogs/111122223333/CloudTrail/', b'us-east-1/2025/06/19/'
names = [b'x.json.gz', b'x.json.gz/y.json.gz', b'X.json.gz', b'x.JSON.gz/z.json.gz', b'../x.json.gz', b'/x.json.gz', b'./x.json.gz', b'../../../../../x.json.gz',
         b'new\nline.json.gz', b'red\x1b[31m.json.gz', b'csi\xc2\x9b31m.json.gz', b'del\x7f.json.gz', b'not\xffutf8.json.gz', b'pct%2F.json.gz', b'pct%.json.gz',
         'é.json.gz'.encode(), 'e\u0301.json.gz'.encode(), b'n' * 300 + b'.json.gz', b'.json.gz', b'..json.gz', b'&lt;<tag>.json.gz', b'a b+c.json.gz', b'-rf.json.gz']
keys = [top + rest + name for name in names]
keys += [top + b'US-EAST-1' + rest[9:] + b'x.json.gz', top + b'..' + rest[9:] + b'x.json.gz', top + rest[9:] + b'x.json.gz', top + b'us-east-1\n' + rest[9:] + b'x.json.gz',
         top + b'%' + rest[9:] + b'x.json.gz', top + b'us-east-1/2025/13/99/x.json.gz', top + b'us-east-1/2025/../19/x.json.gz']
keys += [before + top + rest + b'x.json.gz' for before in (b'AWSLogs/../', b'AWSLogs//', b'/', b'./', b'../', b'a//b/', b'events/', b'.trailfs/')]
keys.append(top + rest + (b'k/' * 500)[:1024 - len(top + rest) - 8] + b'.json.gz')
assert len(keys[-1]) == 1024
for n, key in enumerate(keys):
    record = {'eventTime': '2025-06-19T00:00:00Z', 'eventName': 'Hostile%d' % n, 'eventID': 'h-%d' % n}
    request = urllib.request.Request('http://127.0.0.1:%s/_control/object/logs/%s' % (sys.argv[1], urllib.parse.quote(key, safe='')),
                                     data=gzip.compress(json.dumps({'Records': [record]}).encode(), mtime=0), method='PUT')
    urllib.request.urlopen(request).read()
print(len(keys))
EOF
	afresh
	fresh s3://logs "$mnt" && all_hostile && unmount "$mnt" && mount_trail s3://logs "$mnt" && all_hostile &&
		same "GETs" "$(requests GET)" "$(cat "$tmp/hostile")"
}

all_hostile() {
	wait_ready "$mnt" && not t test -e "$mnt/ERRORS" || { t cat "$mnt/ERRORS"; return 1; }
	"$PYTHON" - "$mnt" "$(cat "$tmp/hostile")" <<'EOF'
import json, os, sys
top, wanted = os.fsencode(sys.argv[1]), ['Hostile%d' % n for n in range(int(sys.argv[2]))]
events, logs = [], []
for folder, folders, names in os.walk(top):
    if folder == top:
        folders[:] = [one for one in folders if not one.startswith(b'by-')]
    of_events = folder.startswith(top + b'/events/')
    for name in names:
        if folder == top and name == b'README':
            continue
        if any(byte < 0x20 or byte == 0x7f for byte in name) or len(name) > 255:
            sys.exit('a name %r' % name)
        with open(os.path.join(folder, name), 'rb') as file:
            data = json.load(file)
        (events if of_events else logs).extend(record['eventName'] for record in ([data] if of_events else data['Records']))
for what, found in (('events', events), ('logs', logs)):
    if sorted(found) != sorted(wanted):
        sys.exit('%s: missing %s, too many %s' % (what, sorted(set(wanted) - set(found)), [one for one in found if found.count(one) > 1]))
EOF
}

# ---- S19: new ones

new_objects() { # new_objects HOW OPTION...: while it is mounted; also the same events once more
	local how=$1 name=New$1 n DAY=
	[ "$how" = Hup ] || DAY=$(today)
	shift
	afresh
	fresh s3://trail "$mnt" "$@" && right || return 1
	make_log "$tmp/other" "$name" "${name}Too"
	put_object trail "$(log_key "$name")" "$tmp/other" || return 1
	[ "$how" != Hup ] || hup "$mnt"
	await_from "$mnt" test -d "$mnt/by-event/$name" && t test -e "$mnt/$(log_key "$name" | sed 's/.gz$//')" || return 1
	n=$(events_of "$mnt")
	put_object trail "$(log_key "$name-again")" "$tmp/other" || return 1
	[ "$how" != Hup ] || hup "$mnt"
	await_from "$mnt" test -e "$mnt/$(log_key "$name-again" | sed 's/.gz$//')" && wait_ready "$mnt" && same "events" "$(events_of "$mnt")" "$n" || return 1
	delete_object trail "$(log_key "$name")" && delete_object trail "$(log_key "$name-again")" && unmount "$mnt"
}

# ---- all of it

clean_environment
places=16 # that a listing may look at: the root, organization, accounts, kinds, regions, and one each
begin --bucket hostile --bucket logs
other_objects
damage
not_allowed
clock_and_places
listings
how_many
check "S18: hostile keys" hostile_names
check "S18: their names stay" names_again
check "S18: hostile keys of logs" hostile_logs
check "S19: new objects, SIGHUP" new_objects Hup
check "S19: new objects, --refresh 1" new_objects Refresh --refresh 1
end
