#!/bin/bash
# A bucket on a server that does wrong: how the network and S3 fail, and what is seen of it in the mount. What a bucket itself
# may have wrong is in s3_bucket.sh.
# also: asan
# timeout: 1500
. "$(dirname "$0")/lib.sh"
. tests/s3/lib.sh
. tests/s3/faults.sh

# ---- S1, S2: told to slow down, and errors of the server

# What may pass is no damage: nobody knows what the object holds, so what needs it fails, and is never silently short.
passes_not() { # passes_not RULE...: for the one object, for ever
	afresh
	rules "$@" && fresh s3://trail "$mnt" --timeout 4 && wait_ready "$mnt" && hit || return 1
	t grep -q "^$key	..*" "$mnt/ERRORS" && same "lines of ERRORS" "$(t cat "$mnt/ERRORS" | wc -l)" 1 || { t cat "$mnt/ERRORS"; return 1; }
	says "" t ls "$mnt/events/2025/06/18" && [ "$status" != 0 ] || { echo "the day is listed: $said"; return 1; }
	says "" t ls "$mnt/by-user" && [ "$status" != 0 ] || { echo "the users are listed: $said"; return 1; }
	unreadable "$key" "Input/output error|Connection timed out" || return 1
	# Of the days before and after, and of the logs, all is there.
	grep -E '  (events/2025/06/19|AWSLogs)/' "$tmp/wanted" | grep -vF "${key%.gz}" >"$tmp/wanted.rest"
	(cd "$mnt" && t find events/2025/06/19 AWSLogs -type f ! -path "${key%.gz}" -print0 | sort -z | t xargs -0 md5sum) | sort -k 2 >"$tmp/got"
	sort -k 2 "$tmp/wanted.rest" | cmp - "$tmp/got" && [ -s "$tmp/got" ] && mended
}

retry_after() { # not asked for again before
	local gap
	afresh
	survives "{\"kind\":\"GET\",\"path\":\"$key\",\"times\":1,\"status\":503,\"code\":\"SlowDown\",\"headers\":{\"Retry-After\":\"3\"}}" || return 1
	gap=$(ctl log | jq --arg key "/trail/$key" '[.[] | select(.kind == "GET" and .path == $key) | .at] | .[1] - .[0]')
	[ "$(jq -n "$gap >= 3")" = true ] || { echo "asked again after $gap s"; return 1; }
}

refresh_fails() { # what is known stays, and ERRORS says that nothing is learnt any more
	afresh
	fresh s3://trail "$mnt" --timeout 3 && right && rules "$(throttled '"kind":"LIST"')" && hup "$mnt" || return 1
	await_from "$mnt" grep -qE "^/	not listed since 20[0-9-]{8}T[0-9:]{8}Z, .*SlowDown" "$mnt/ERRORS" || { t cat "$mnt/ERRORS"; return 1; }
	snapshot "$mnt" >"$tmp/got" && cmp "$tmp/wanted" "$tmp/got" && [ "$(status_of "$mnt" .failed_listings)" -ge 1 ] && mended
}

outage() { # an error everywhere ends soon, and costs little
	local objects
	objects=$(find "$source" -name '*.json.gz' | wc -l)
	afresh
	rules '{"kind":"GET","status":500}' && fresh s3://trail "$mnt" --timeout 30 && wait_ready "$mnt" || return 1
	same "lines of ERRORS" "$(t cat "$mnt/ERRORS" | wc -l)" "$objects" || return 1
	[ "$(requests GET)" -le $((2 * objects + 60)) ] || { echo "$(requests GET) GETs for $objects objects"; return 1; }
	mended
}

slow_down_and_errors() {
	local status
	check "S1: LIST is throttled twice" survives_hit 2 "$(throttled '"kind":"LIST","times":2')"
	check "S1: a third of the GETs are throttled" survives_hit 10 "$(throttled '"kind":"GET","every":3,"times":12')"
	check "S1: Retry-After" retry_after
	check "S1: an object is throttled for ever" passes_not "$(throttled "\"kind\":\"GET\",\"path\":\"$key\"")"
	afresh
	rules "$(throttled '"kind":"LIST"')"
	check "S1: LIST is throttled for ever" refused 'SlowDown|503|slow' --timeout 3 s3://trail "$mnt.no"
	check "S1: LIST is throttled, later" refresh_fails
	for status in 500 502 504 429; do
		check "S2: status $status" survives_hit 5 "{\"kind\":\"GET\",\"every\":2,\"times\":6,\"status\":$status}"
		check "S2: status $status, LIST" survives_hit 1 "{\"kind\":\"LIST\",\"times\":1,\"status\":$status,\"body\":\"<html>proxy</html>\"}"
	done
	check "S2: an outage" outage
}

# ---- S3: errors that look like success

# Right as a transfer, wrong as a log, once: it costs another GET, and neither the index nor the cache has it.
wrong_bytes() { # wrong_bytes [AND-MORE]: in the answers
	survives_hit 1 "{\"kind\":\"GET\",\"path\":\"$key\",\"times\":1,\"flip\":60$*}" "{\"kind\":\"GET\",\"path\":\"$key\"$*}" || return 1
	same "GETs of it" "$(gets_of "$key")" 2 || return 1
	unmount "$mnt" && mount_trail s3://trail "$mnt" && right && same "GETs of it" "$(gets_of "$key")" 2
}

# For ever, and alike: who can tell it from damage in the bucket. It is not asked for at each refresh.
always_wrong() {
	afresh
	rules "{\"kind\":\"GET\",\"path\":\"$key\",\"flip\":60,\"kms\":true}"
	fresh s3://trail "$mnt" && right_but "$key" . && unreadable "$key" "Input/output error" && asked_no_more "$key" 2
}

error_as_success() {
	check "S3: an error document as the body" survives_hit 1 "{\"kind\":\"GET\",\"path\":\"$key\",\"times\":1,\"glue\":-1}"
	check "S3: after part of the body" survives_hit 1 "{\"kind\":\"GET\",\"path\":\"$key\",\"times\":1,\"glue\":100}"
	check "S3: for ever" unsettles . "Input/output error|Stale file handle" "{\"kind\":\"GET\",\"path\":\"$key\",\"glue\":100}"
	check "S3: instead of a listing, once" survives_hit 1 '{"kind":"LIST","times":1,"body":"<Error><Code>InternalError</Code></Error>"}'
	check "S3: right length, other bytes" wrong_bytes
	check "S3: right length, other bytes, no MD5" wrong_bytes ',"kms":true'
	check "S3: right length, other bytes, for ever" always_wrong
}

# ---- S4: no connection

make_certificates() { # good, expired: by the same authority
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=authority \
		-keyout "$tmp/ca.key" -out "$tmp/ca.pem" &&
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=s3 -keyout "$tmp/tls.key" -out "$tmp/tls.csr" &&
		openssl x509 -req -in "$tmp/tls.csr" -CA "$tmp/ca.pem" -CAkey "$tmp/ca.key" -CAcreateserial -days 30 \
			-extfile <(echo subjectAltName=IP:127.0.0.1) -out "$tmp/tls.pem" &&
		openssl x509 -req -in "$tmp/tls.csr" -CA "$tmp/ca.pem" -CAkey "$tmp/ca.key" -CAcreateserial -days -1 \
			-extfile <(echo subjectAltName=IP:127.0.0.1) -out "$tmp/expired.pem"
}

no_name() { # without a network there is no server for names
	refused 'resolve|host' --timeout 3 --endpoint-url http://s3.invalid:9000 s3://trail "$mnt.no"
}

not_retried() { # not_retried WHAT...: a handshake that failed for a reason that stays
	local before=$SECONDS
	"$@" && [ $((SECONDS - before)) -lt 45 ] || { echo "took $((SECONDS - before)) s"; return 1; }
}

over_tls() {
	afresh
	fresh s3://trail "$mnt" --endpoint-url "$S3_TLS_URL" --ca-bundle "$tmp/ca.pem" && right
}

no_connection() {
	local closed expired
	afresh
	closed=$("$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	check "S4: refused" refused 'refused|connect' --timeout 3 --endpoint-url "http://127.0.0.1:$closed" s3://trail "$mnt.no"
	check "S4: SYN lost" refused 'time|connect' --timeout 3 --endpoint-url "http://127.0.0.1:$FULL_PORT" s3://trail "$mnt.no"
	check "S4: no answer" refused 'time|answer|slow' --timeout 3 --endpoint-url "http://127.0.0.1:$SILENT_PORT" s3://trail "$mnt.no"
	check "S4: TLS stalls" refused 'time|TLS|SSL|answer|slow' --timeout 3 --endpoint-url "https://127.0.0.1:$SILENT_PORT" s3://trail "$mnt.no"
	if unshare -n true 2>/dev/null; then
		check "S4: no such name" unshared no_name
	else
		skip "S4: no such name" "no network namespaces here"
	fi
	check "S4: over TLS" over_tls
	check "S4: unknown authority" not_retried refused 'certificate' --timeout 60 --endpoint-url "$S3_TLS_URL" s3://trail "$mnt.no"
	check "S4: plain text where TLS should be" refused . --timeout 3 --endpoint-url "https://127.0.0.1:$S3_PORT" --ca-bundle "$tmp/ca.pem" s3://trail "$mnt.no"
	# A server of its own for the certificate that is over; the address of the first stays.
	expired=$(start_faults --bucket trail --tls "$tmp/expired.pem" "$tmp/tls.key" && echo "$S3_TLS_PORT ${started[-1]}")
	own "${expired#* }"
	check "S4: expired certificate" not_retried refused 'certificate|expired' --timeout 60 \
		--endpoint-url "https://127.0.0.1:${expired% *}" --ca-bundle "$tmp/ca.pem" s3://trail "$mnt.no"
}

unshared() { # unshared FUNCTION: where there is no network at all
	local trailfs=$TRAILFS status
	printf '#!/bin/sh\nexec unshare -n "%s" "$@"\n' "$trailfs" >"$tmp/unshared" && chmod +x "$tmp/unshared"
	TRAILFS=$tmp/unshared
	"$@"
	status=$?
	TRAILFS=$trailfs
	return $status
}

# ---- S5, S6, S7: answers that stop, break off, or are not what was asked for

resumed() { # resumed RULE...: and the rest was asked for from where it stopped, of the same object
	survives_hit 1 "$@" || return 1
	[ "$(asked '.kind == "GET" and .range != null and .if_match != null')" -ge 1 ] || { echo "never continued: $(ctl log | jq -c '.[] | select(.kind == "GET")' | head -3)"; return 1; }
}

ends() { # ends RULE: in bounded time while everything hangs; and what waits can be interrupted
	local reader
	afresh
	rules "$1" && rm -rf "$cache" && mount_trail s3://trail "$mnt" || return 1
	await_from "$mnt" hit >/dev/null || return 1
	t ls "$mnt/by-user" >/dev/null 2>&1 &
	reader=$!
	says "" timeout -s INT -k 60 2 ls "$mnt/by-event"
	# Where something waits the kernel calls the mount busy: it is the daemon that has to end.
	same "status of an interrupted ls" "$status" 124 && kill -TERM "${pid_of[$mnt]}" && ended "$mnt" && await 60 gone "$reader"
}

# A name waits for a log that never comes, and names beside it are dropped meanwhile: whoever comes then waits where Ctrl-C ends it.
dropped_beside_a_wait() {
	local day=$mnt/events/2025/06/19 waiting listings status=0
	afresh
	make_log "$tmp/other" Beside && put_object trail "$(log_key beside)" "$tmp/other" && fresh s3://trail "$mnt" --timeout 600 &&
		wait_ready "$mnt" && t cat "$day/000000Z_Beside_id-Beside-0.json" >/dev/null || return 1
	rules "{\"kind\":\"GET\",\"path\":\"$(log_key never)\",\"hang\":true}"
	put_object trail "$(log_key never)" "$tmp/other" && hup "$mnt" && await_from "$mnt" hit >/dev/null || return 1
	start "$tmp/waiting" stat "$day/000000Z_No_1.json"
	waiting=$started_pid
	await_from "$mnt" parked 1 && listings=$(status_of "$mnt" .listings) && delete_object trail "$(log_key beside)" && hup "$mnt" &&
		await_from "$mnt" listed_since "$listings" || return 1
	start "$tmp/waiting" stat "$day/000000Z_No_2.json"
	await_from "$mnt" parked 2 && kill -INT "$started_pid" && await 30 gone "$started_pid" || { echo "it waits beyond Ctrl-C: $(ps -o stat=,wchan= "$started_pid")"; status=1; }
	kill -INT "$waiting"
	await 30 gone "$waiting" || status=1
	delete_object trail "$(log_key never)"
	unmount "$mnt" && return $status
}

broken_answers() {
	check "S5: no answer" survives_hit 3 '{"kind":"GET","every":4,"times":3,"hang":true}'
	check "S5: stops after the headers" survives_hit 3 '{"kind":"GET","every":4,"times":3,"stall_after":0}'
	check "S5: stops in the body" resumed '{"kind":"GET","every":4,"times":3,"stall_after":100}'
	check "S5: LIST stops" survives_hit 1 '{"kind":"LIST","times":1,"stall_after":150}'
	check "S5: trickles for ever" passes_not "{\"kind\":\"GET\",\"path\":\"$key\",\"drip\":4}"
	check "S5: its end while GETs hang" ends '{"kind":"GET","hang":true}'
	check "S5: its end while LISTs hang" ends '{"kind":"LIST","skip":2,"hang":true}'
	check "S5: names are dropped beside one that waits" dropped_beside_a_wait
	check "S6: reset in the body" resumed '{"kind":"GET","every":3,"times":6,"drop_after":100,"how":"reset"}'
	check "S6: ends in the body" resumed '{"kind":"GET","every":3,"times":6,"drop_after":100}'
	check "S6: ends after the headers" survives_hit 3 '{"kind":"GET","every":3,"times":6,"drop_after":0}'
	check "S6: reset instead of an answer" survives_hit 3 '{"kind":"GET","every":3,"times":6,"reset":true}'
	check "S6: closed instead of an answer" survives_hit 3 '{"kind":"GET","every":3,"times":6,"close":true}'
	check "S6: LIST ends in the body" survives_hit 1 '{"kind":"LIST","times":1,"drop_after":200}'
	check "S6: Content-Length too large" survives_hit 1 "{\"kind\":\"GET\",\"path\":\"$key\",\"times\":1,\"length\":10}"
	check "S6: Content-Length too small" survives_hit 1 "{\"kind\":\"GET\",\"path\":\"$key\",\"times\":1,\"length\":-10}"
	check "S6: too small, for ever" unsettles . "Input/output error|Stale file handle" "{\"kind\":\"GET\",\"path\":\"$key\",\"length\":-10}"
	check "S6: shorter than it was listed, for ever" unsettles . "Input/output error|Stale file handle" "{\"kind\":\"GET\",\"path\":\"$key\",\"cut\":10}"
	check "S6: chunked" survives_hit 1 '{"kind":"GET","chunked":true}'
	check "S6: no length at all" survives_hit 1 '{"kind":"GET","no_length":true}'
	check "S6: connections are closed between requests" survives_hit 1 '{"hang_up":true}'
	local broken="{\"kind\":\"GET\",\"path\":\"$key\",\"times\":1,\"drop_after\":100}" then="{\"kind\":\"GET\",\"path\":\"$key\",\"times\":1"
	check "S7: the rest, but all of it comes" survives_hit 2 "$broken" "$then,\"ignore_range\":true}"
	check "S7: the rest, but another part comes" survives_hit 2 "$broken" "$then,\"content_range\":\"bytes 0-99/100\"}"
	check "S7: the rest, but 416" survives_hit 2 "$broken" "$then,\"status\":416,\"code\":\"InvalidRange\"}"
}

# ---- all of it

clean_environment
make_certificates >"$tmp/openssl" 2>&1 || give_up "openssl: $(tail -3 "$tmp/openssl")"
begin --tls "$tmp/tls.pem" "$tmp/tls.key"
slow_down_and_errors
error_as_success
no_connection
broken_answers
end
