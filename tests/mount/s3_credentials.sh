#!/bin/bash
# Credentials while mounted, from each place they can come from: they rotate, expire, are not given, or are garbage.
# The places have nothing in common, and most of the time is spent waiting for time limits: so all are tested at once,
# each by a copy of this script with a directory, a server and mounts of its own.
# also: asan
# timeout: 600
. "$(dirname "$0")/lib.sh"
. tests/s3/lib.sh

# By hand for one place: s3_credentials.sh PLACE SOURCE EVENTS, the latter being how many a mount of SOURCE shows
place=${1:-} source=${2:-} events=${3:-}
places=(imds ecs role web sso process files order special)
mnt=$tmp/mnt
role=arn:aws:iam::111122223333:role/trail

# ---- where they come from: as_NAME sets it up, kind_of says whom the server plays for it

export WORDS_OF_OTHERS="a word on standard error" # what as_process's says

nothing() { # as for somebody who has none
	clean_environment
	export AWS_ENDPOINT_URL=$S3_URL AWS_REGION=us-east-1
	ctl set '{"lifetime":3600,"issued_allow":null,"no_chain":false,"external_id":null,"web_token":null,"ecs_token":null,"sso_token":null,"refresh_token":null}'
	forget
}

base_profile() { # a profile with the keys that the server knows
	printf '[base]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$TEST_KEY" "$TEST_SECRET" >"$HOME/.aws/credentials"
}

as_imds() {
	unset AWS_EC2_METADATA_DISABLED
	# One second is what it has else, and this machine may be busy.
	export AWS_EC2_METADATA_SERVICE_ENDPOINT=$S3_URL AWS_METADATA_SERVICE_TIMEOUT=20
}

as_ecs() {
	export AWS_CONTAINER_CREDENTIALS_FULL_URI=$S3_URL/ecs/credentials AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=$tmp/ecs.token
	echo "first token" >"$tmp/ecs.token"
	ctl set '{"ecs_token":"first token"}'
}

as_role() {
	base_profile
	printf '[profile reader]\nrole_arn = %s\nsource_profile = base\nexternal_id = outside\nrole_session_name = trail-test\n' "$role" >"$HOME/.aws/config"
	ctl set '{"external_id":"outside"}'
	export AWS_PROFILE=reader AWS_ENDPOINT_URL_STS=$S3_URL
}

as_web() {
	export AWS_ROLE_ARN=$role AWS_WEB_IDENTITY_TOKEN_FILE=$tmp/web.token AWS_ENDPOINT_URL_STS=$S3_URL
	printf 'first.web.token' >"$tmp/web.token"
	ctl set '{"web_token":"first.web.token"}'
}

sso_cache() { # sso_cache ACCESS-TOKEN SECONDS [REFRESH-TOKEN]: as `aws sso login` leaves it
	local file
	file=$HOME/.aws/sso/cache/$(printf corp | sha1sum | cut -d' ' -f1).json
	mkdir -p "${file%/*}"
	jq -n --arg token "$1" --arg expires "$(date -u -d "@$(($(date +%s) + $2))" +%Y-%m-%dT%H:%M:%SZ)" --arg refresh "${3:-}" \
		'{startUrl: "https://corp.awsapps.com/start", region: "us-east-1", accessToken: $token, expiresAt: $expires} +
		if $refresh == "" then {} else {refreshToken: $refresh, clientId: "client", clientSecret: "client-secret", registrationExpiresAt: "2099-01-01T00:00:00Z"} end' >"$file"
}

as_sso() {
	cat >"$HOME/.aws/config" <<'EOF'
[profile reader]
sso_session = corp
sso_account_id = 111122223333
sso_role_name = reader
[sso-session corp]
sso_region = us-east-1
sso_start_url = https://corp.awsapps.com/start
EOF
	sso_cache first-sso-token 7200
	ctl set '{"sso_token":"first-sso-token"}'
	export AWS_PROFILE=reader AWS_ENDPOINT_URL_SSO=$S3_URL AWS_ENDPOINT_URL_SSO_OIDC=$S3_URL
}

as_process() {
	cat >"$tmp/process" <<EOF
#!/bin/sh
echo "a word on standard error" >&2
said=\$(curl -sf --noproxy '*' --max-time 100 $S3_URL/ecs/credentials) || exit 1
echo "\$said" | jq '. + {Version: 1, SessionToken: .Token}' 2>/dev/null || echo "\$said"
EOF
	chmod +x "$tmp/process"
	printf '[profile reader]\ncredential_process = "%s" with arguments\n' "$tmp/process" >"$HOME/.aws/config"
	export AWS_PROFILE=reader
}

kind_of() {
	case $1 in
	role | web) echo STS ;;
	process) echo ECS ;;
	*) echo "${1^^}" ;;
	esac
}

words_of() { # how an error may name it
	case $1 in
	imds) echo 'instance|metadata|IMDS' ;;
	ecs) echo 'container' ;;
	role) echo 'role|STS|reader' ;;
	web) echo 'web identity' ;;
	sso) echo 'SSO|Identity Center|profile reader' ;;
	process) echo 'process' ;;
	esac
}

# ---- what must hold for each of them

works() { # works WHERE: and it is those that sign
	local n
	fresh s3://trail "$mnt" -v -v --timeout 20 && wait_ready "$mnt" && same "events" "$(events_of "$mnt")" "$events" || return 1
	n=$(asked "(.kind == \"GET\" or .kind == \"LIST\") and (.access_key | startswith(\"ASIA$(kind_of "$1")\") | not)")
	same "requests with other keys" "$n" 0 && same "issued" "$(issued)" 1
}

issued() { # how many keys, since begin
	echo $(($(requests issued) - issued_before))
}

twenty() { # twenty PUT|DELETE NAME: logs with one event each, NAME1 to NAME20
	"$PYTHON" - "$CONTROL_PORT" "$@" "$(log_key @)" "${DAY:-2025-06-19}" <<'EOF'
import gzip, http.client, json, sys
port, method, name, key, day = sys.argv[1:]
control = http.client.HTTPConnection('127.0.0.1', int(port), timeout=120)
for n in range(1, 21):
    event = {'eventVersion': '1.08', 'eventTime': day + 'T00:00:00Z', 'eventName': name + str(n), 'eventID': 'id-%s-%d' % (name, n)}
    data = gzip.compress(json.dumps({'Records': [event]}).encode(), mtime=0) if method == 'PUT' else None
    control.request(method, '/_control/object/trail/' + key.replace('@', '%s-%d' % (name, n)), data)
    said = control.getresponse().read()
    if said != b'null\n':
        sys.exit('%s: %s' % (method, said))
EOF
}

put_some() { # put_some NAME
	twenty PUT "$1"
}

take_away() { # take_away NAME
	twenty DELETE "$1"
}

# Twenty are read at the same time: more than one is refused, and new ones are fetched once.
renewed() { # renewed WHERE
	ctl expire && put_some "Renew$1" && hup "$mnt" && await "$PATIENCE" test -d "$mnt/by-event/Renew${1}20" && wait_ready "$mnt" || return 1
	not t test -e "$mnt/ERRORS" || { t cat "$mnt/ERRORS"; return 1; }
	same "issued" "$(issued)" 2
}

refresh_hangs() { # refresh_hangs WHERE: what is known stays, and it comes back when they do
	local kind
	kind=$(kind_of "$1")
	ctl expire && rules "{\"kind\":[\"$kind\",\"OIDC\"],\"hang\":true}" && put_some "Later$1" && hup "$mnt" || return 1
	await "$PATIENCE" hit_once || { echo "never asked"; return 1; }
	same "events" "$(events_of "$mnt")" "$((events + 20))" && t ls -R "$mnt/events" >/dev/null || return 1
	ctl rules '[]'
	# Until it has given up waiting, a refresh that is asked for is the one under way.
	await "$PATIENCE" comes_back "Later${1}20" || { echo "does not come back: $(tail -3 "${log_of[$mnt]}")"; return 1; }
}

hit_once() {
	[ "$(ctl hits | jq add)" -ge 1 ]
}

comes_back() { # comes_back EVENT
	hup "$mnt"
	await 3 test -d "$mnt/by-event/$1"
}

kept_to_itself() { # nothing of them is in logs however talkative, in the cache, or in the tree
	ctl secrets | jq -r '.[]' >"$tmp/secrets" && test -s "$tmp/secrets" && t cat "$mnt/.trailfs/status" "$mnt/.trailfs/metrics" >"$tmp/told" || return 1
	grep -q 'keys from' "${log_of[$mnt]}" || { echo "not talkative"; return 1; }
	not grep -rlaF -f "$tmp/secrets" "${logs[@]}" "$tmp/told" "$cache" && not grep -E 'Authorization|Signature=|ecurity-[Tt]oken:' "${logs[@]}"
}

short_lived() { # they live less than what we renew them ahead: not fetched for every request
	ctl set '{"lifetime":200}'
	fresh s3://trail "$mnt" --timeout 20 && wait_ready "$mnt" && same "events" "$(events_of "$mnt")" "$events" || return 1
	[ "$(issued)" -le 4 ] || { echo "issued $(issued) times"; return 1; }
}

bad() { # bad RULE: from now on, and what was is forgotten
	forget && rules "{\"kind\":\"$kind\",$1}"
}

hangs() { # without an answer it is asked twice, whoever waits for it
	bad '"hang":true'
	in_time refused "$words" s3://trail "$mnt.no" && same "requests" "$(requests "$kind")" 2
}

hangs_timeout() { # --timeout holds for it too
	bad '"hang":true'
	in_time refused "$words" --timeout 1 s3://trail "$mnt.no" || return 1
	[ "$place" = process ] || same "requests" "$(requests "$kind")" 1
}

fails() { # fails RULE
	bad "$1"
	refused "$words" s3://trail "$mnt.no"
}

trickles() {
	bad '"drip":1'
	in_time refused "$words" --timeout 3 s3://trail "$mnt.no"
}

error_once() {
	bad '"times":1,"status":500'
	works_again && same "requests that failed" "$(ctl hits | jq -c .)" "[1]"
}

each() { # each WHERE
	kind=$(kind_of "$1") words=$(words_of "$1")
	begin "$1"
	check "$1: they sign" works "$1"
	check "$1: expired in mid-run" renewed "$1"
	check "$1: their source hangs in mid-run" refresh_hangs "$1"
	check "$1: nothing of them is kept" kept_to_itself
	take_away "Renew$1"
	take_away "Later$1"
	begin "$1"
	check "$1: short-lived" short_lived
	check "$1: it ends" unmount "$mnt"
	begin "$1"
	unset AWS_METADATA_SERVICE_TIMEOUT
	[ "$1" = process ] || check "$1: hangs" hangs # a process may take a minute
	check "$1: hangs, with a time limit" hangs_timeout
	check "$1: trickles" trickles
	begin "$1"
	check "$1: garbage" fails '"body":"{[garbage"'
	check "$1: an answer without keys" fails '"body":"{}"'
	check "$1: denied" fails '"status":403,"code":"AccessDenied"'
	check "$1: resets" fails '"reset":true'
	[ "$1" = process ] || check "$1: an error once" error_once # a process tries as often as it likes
}

# Its limits are seconds. How much later that is noticed is up to the machine.
in_time() {
	local before=$SECONDS
	"$@" && [ $((SECONDS - before)) -lt 45 ] || { echo "took $((SECONDS - before)) s"; return 1; }
}

works_again() {
	fresh s3://trail "$mnt" --timeout 20 && wait_ready "$mnt" && same "events" "$(events_of "$mnt")" "$events" && unmount "$mnt"
}

begin() { # begin WHERE
	nothing
	"as_$1"
	issued_before=$(requests issued)
}

# ---- what is special

from_file() { # keys in the shared file, edited while mounted
	nothing
	printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$TEST_KEY" "$TEST_SECRET" >"$HOME/.aws/credentials"
	fresh s3://trail "$mnt" && wait_ready "$mnt" && same "events" "$(events_of "$mnt")" "$events" || return 1
	ctl keys "{\"$TEST_KEY\":{\"secret\":\"revoked\"},\"SECONDKEY\":{\"secret\":\"second-secret\"}}"
	printf '[default]\naws_access_key_id = SECONDKEY\naws_secret_access_key = second-secret\n' >"$HOME/.aws/credentials"
	put_some File && hup "$mnt" && await "$PATIENCE" test -d "$mnt/by-event/File20"
	local status=$?
	ctl keys "{\"$TEST_KEY\":{\"secret\":\"$TEST_SECRET\"}}"
	take_away File
	return $status
}

file_without_hup() { # the same, seen by itself
	local DAY
	DAY=$(today)
	nothing
	printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$TEST_KEY" "$TEST_SECRET" >"$HOME/.aws/credentials"
	fresh s3://trail "$mnt" --refresh 1 && wait_ready "$mnt" || return 1
	ctl keys "{\"$TEST_KEY\":{\"secret\":\"revoked\"},\"SECONDKEY\":{\"secret\":\"second-secret\"}}"
	printf '[default]\naws_access_key_id = SECONDKEY\naws_secret_access_key = second-secret\n' >"$HOME/.aws/credentials"
	put_some Edit && await "$PATIENCE" test -d "$mnt/by-event/Edit20"
	local status=$?
	ctl keys "{\"$TEST_KEY\":{\"secret\":\"$TEST_SECRET\"}}"
	take_away Edit
	return $status
}

metadata_disabled() { # nobody is asked
	nothing
	as_imds
	export AWS_EC2_METADATA_DISABLED=true
	refused 'credentials' s3://trail "$mnt.no" && same "requests" "$(requests IMDS)" 0
}

ecs_token_rotates() { # the file is read again each time
	begin ecs
	fresh s3://trail "$mnt" && wait_ready "$mnt" || return 1
	ctl set '{"ecs_token":"second token"}' && echo "second token" >"$tmp/ecs.token" && ctl expire
	put_some Rotate && hup "$mnt" && await "$PATIENCE" test -d "$mnt/by-event/Rotate20" && take_away Rotate
}

ecs_elsewhere() { # credentials are not fetched in the clear from any host
	nothing
	export AWS_CONTAINER_CREDENTIALS_FULL_URI=http://192.0.2.1/ecs/credentials
	in_time refused 'container' s3://trail "$mnt.no"
}

web_token_rotates() {
	begin web
	fresh s3://trail "$mnt" && wait_ready "$mnt" || return 1
	ctl set '{"web_token":"second.web.token"}' && printf second.web.token >"$tmp/web.token" && ctl expire
	put_some Web && hup "$mnt" && await "$PATIENCE" test -d "$mnt/by-event/Web20" && take_away Web
}

web_token_missing() {
	begin web
	rm "$tmp/web.token"
	refused 'web.token' s3://trail "$mnt.no"
}

sso_refreshed() { # the cached token has expired, and there is one to refresh it with
	begin sso
	sso_cache old-token -60 refresh-me
	ctl set '{"refresh_token":"refresh-me"}'
	works sso && same "refreshes" "$(requests OIDC)" 1
}

sso_expired() { # and what to do is said
	begin sso
	sso_cache old-token -60
	refused 'aws sso login' s3://trail "$mnt.no" && same "requests" "$(requests SSO)" 0
}

sso_never() {
	begin sso
	rm -r "$HOME/.aws/sso"
	refused 'aws sso login' s3://trail "$mnt.no"
}

role_loop() {
	nothing
	cat >"$HOME/.aws/config" <<EOF
[profile one]
role_arn = $role
source_profile = two
[profile two]
role_arn = $role
source_profile = one
EOF
	export AWS_PROFILE=one
	refused 'loop|circle|each other|itself' s3://trail "$mnt.no"
}

role_chain() { # a role by way of a role
	nothing
	base_profile
	printf '[profile one]\nrole_arn = %s/one\nsource_profile = two\n[profile two]\nrole_arn = %s/two\nsource_profile = base\n' "$role" "$role" >"$HOME/.aws/config"
	export AWS_PROFILE=one AWS_ENDPOINT_URL_STS=$S3_URL
	works_again && same "roles" "$(ctl log | jq -r '[.[] | select(.kind == "STS") | .note.RoleArn] | join(" ")')" "$role/two $role/one"
}

role_of_container() { # credential_source
	nothing
	as_ecs
	printf '[profile reader]\nrole_arn = %s\ncredential_source = EcsContainer\n' "$role" >"$HOME/.aws/config"
	export AWS_PROFILE=reader AWS_ENDPOINT_URL_STS=$S3_URL
	works_again && same "requests of STS" "$(requests STS)" 1 && same "of the container" "$(requests ECS)" 1
}

external_id() { # another one is refused
	begin role
	ctl set '{"external_id":"somebody else"}'
	refused 'role|AssumeRole' s3://trail "$mnt.no"
}

no_profile() {
	nothing
	base_profile
	refused 'nowhere' --profile nowhere s3://trail "$mnt.no"
}

process_fails() { # with its own words
	nothing
	printf '#!/bin/sh\necho "vault is sealed" >&2\nexit 3\n' >"$tmp/process"
	chmod +x "$tmp/process"
	printf '[default]\ncredential_process = %s\n' "$tmp/process" >"$HOME/.aws/config"
	with WORDS_OF_OTHERS="vault is sealed" refused 'process' s3://trail "$mnt.no" && grep -qx "vault is sealed" "$tmp/refused"
}

process_for_ever() { # without an end to them
	nothing
	printf '#!/bin/sh\nprintf %s\n' "'{\"Version\":1,\"AccessKeyId\":\"$TEST_KEY\",\"SecretAccessKey\":\"$TEST_SECRET\"}'" >"$tmp/process"
	chmod +x "$tmp/process"
	printf '[default]\ncredential_process = %s\n' "$tmp/process" >"$HOME/.aws/config"
	works_again
}

environment_first() {
	begin ecs
	base_profile
	use_keys "$TEST_KEY" "$TEST_SECRET"
	works_again && same "requests of the container" "$(requests ECS)" 0
}

order_of_files() { # a profile's keys before the container's
	nothing
	as_ecs
	printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$TEST_KEY" "$TEST_SECRET" >"$HOME/.aws/credentials"
	works_again && same "requests of the container" "$(requests ECS)" 0
}

anonymous() { # nobody is asked, nothing is signed
	begin imds
	ctl set '{"anonymous":true}'
	fresh s3://trail "$mnt" --no-sign-request && wait_ready "$mnt" && same "events" "$(events_of "$mnt")" "$events" &&
		same "signed" "$(asked '.access_key != ""')" 0 && same "requests of the metadata" "$(requests IMDS)" 0 && unmount "$mnt"
	local status=$?
	ctl set '{"anonymous":false}'
	return $status
}

never_written() { # not in logs however talkative, not in the cache, not in the tree
	begin role
	fresh s3://trail "$mnt" -v -v && wait_ready "$mnt" || return 1
	t grep -q . "$mnt/.trailfs/status" && no_secrets "${log_of[$mnt]}" "$mnt/.trailfs/status" "$mnt/.trailfs/metrics" || return 1
	not grep -rlaF -e "$TEST_SECRET" "$cache" && not grep -E 'Authorization|Signature=|ecurity-[Tt]oken:' "${log_of[$mnt]}" && unmount "$mnt"
}

# There is none; and for whoever makes one of the process all the same, the pages of what was read are marked.
no_core() {
	begin role
	fresh s3://trail "$mnt" && wait_ready "$mnt" || return 1
	same "the limit of core dumps" "$(sed -n 's/^Max core file size *//p' "/proc/${pid_of[$mnt]}/limits" | tr -s ' ')" "0 0 bytes " || return 1
	"$PYTHON" - "${pid_of[$mnt]}" "$TEST_SECRET" <<'EOF'
import re, sys
pid, secret = sys.argv[1], sys.argv[2].encode()
found = []
regions = []
with open('/proc/%s/smaps' % pid) as file:
    for line in file:
        match = re.match('([0-9a-f]+)-([0-9a-f]+) (..)', line)
        if match:
            region = (int(match[1], 16), int(match[2], 16), match[3])
        elif line.startswith('VmFlags'):
            regions.append((region, ' dd' in line))
with open('/proc/%s/mem' % pid, 'rb', 0) as memory:
    for (first, end, mode), hidden in regions:
        if mode != 'rw' or hidden or end - first > 1 << 30:
            continue
        try:
            memory.seek(first)
            data = memory.read(end - first)
        except (OSError, ValueError, OverflowError):
            continue
        # The environment that the process was given holds none here.
        if secret in data:
            found.append('%x-%x' % (first, end))
if found:
    sys.exit('the secret is in memory that a core dump has: %s' % ' '.join(found))
EOF
}

# ---- all of them

each_file() {
	check "file: edited while mounted, SIGHUP" from_file
	check "file: edited while mounted" file_without_hup
	check "profile: not there" no_profile
	check "role: a loop" role_loop
	check "role: of a role" role_chain
	check "role: of the container's" role_of_container
	check "role: external ID" external_id
	check "not in core dumps" no_core
}

each_order() {
	check "imds: disabled" metadata_disabled
	check "environment first" environment_first
	check "files before the container" order_of_files
	check "anonymous" anonymous
	check "process: fails" process_fails
	check "process: never expires" process_for_ever
	check "never written" never_written
}

each_special() {
	check "ecs: its token rotates" ecs_token_rotates
	check "ecs: from anywhere" ecs_elsewhere
	check "web: its token rotates" web_token_rotates
	check "web: no token" web_token_missing
	check "sso: refreshed" sso_refreshed
	check "sso: expired" sso_expired
	check "sso: never logged in" sso_never
}

one_place() {
	start_faults --bucket trail="$source"
	nothing
	case $place in
	files) each_file ;;
	order) each_order ;;
	special) each_special ;;
	*) each "$place" ;;
	esac
	discard "$mnt"
	finish
}

end_places() { # before the clean-up: they have their own
	local status=$?
	kill "${place_pid[@]}" 2>/dev/null
	wait
	return $status
}

count() { # count WHERE: what its last line says
	local last
	last=$(tail -1 "$tmp/said.$1")
	if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
		sed '$d' "$tmp/said.$1"
		passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2])) skipped=$((skipped + BASH_REMATCH[3]))
	else
		cat "$tmp/said.$1"
		echo "FAIL $1: it ended early"
		failed=$((failed + 1))
	fi
}

[ -z "$place" ] || one_place
make_trail source --objects 40 --events 200 --regions 2 --days 2 >/dev/null || give_up "make-trail"
mount_trail "$tmp/source" "$mnt" && wait_ready "$mnt" && events=$(events_of "$mnt") && unmount "$mnt" || give_up "no baseline"
place_pid=()
trap 'end_places; clean_up' EXIT
for place in "${places[@]}"; do
	TMPDIR=$tmp "$0" "$place" "$tmp/source" "$events" </dev/null >"$tmp/said.$place" 2>&1 &
	place_pid+=($!)
done
for i in "${!places[@]}"; do
	wait "${place_pid[i]}"
	count "${places[i]}"
done
place_pid=()
finish
