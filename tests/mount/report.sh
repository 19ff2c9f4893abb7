#!/bin/bash
# report.html, wherever it can be asked for: what it counts and where its links lead, by the model; hostile values; while
# events come; what is new only when all that is older is known; in a browser.
# also: asan tsan
# timeout: 900
. "$(dirname "$0")/lib.sh"

source=$tmp/source mnt=$tmp/mnt slow=2025/06/17 day=2025/06/19

# ---- on a mount that is complete ----

names() {
	local dir
	same "found" "$(t find "$mnt/events" "$mnt/by-user" -name 'report*')" "" || return 1
	for dir in . by-user events/$day/by-ip AWSLogs .trailfs by-id; do
		says "No such file" t cat "$mnt/$dir/report.html" || return 1
	done
	same "attributes" "$(t stat -c '%A %h' "$mnt/events/report.html")" "-r-------- 1" &&
		same "-p" "$(t "$TRAILFS" --cache-dir "$cache" -p "events/$day/report.html" "$source" | sed '/Made/d' | md5sum)" \
			"$(t sed '/Made/d' "$mnt/events/$day/report.html" | md5sum)"
}

deep() { # as deep as filters go, and one less: links are left out where they would lead nowhere
	local path=events count=1
	while [ $count -lt 32 ]; do
		path+=/@2025 count=$((count + 1))
		same "at $count, links down" "$(t grep -c 'href="by-user' "$mnt/$path/report.html")" \
			"$([ $count -le 29 ] && t grep -c 'href="by-user' "$mnt/events/report.html" || echo 0)" || return 1
	done
	says "name too long" t cat "$mnt/$path/@2025/report.html"
}

# ---- hostile values ----

put() { # put NAME FILTER: a log whose events are the filter's output
	local key=AWSLogs/111122223333/CloudTrail/us-east-1/$day/111122223333_CloudTrail_us-east-1_20250619T0900Z_$1.json.gz
	mkdir -p "$source/$(dirname "$key")"
	jq -cn "{Records: [$2]}" | gzip -n >"$tmp/log" && mv "$tmp/log" "$source/$key" && hup "$mnt"
}

hostile() { # the model compares, and every link is followed
	# shellcheck disable=SC2016
	put hostile '("<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "javascript:alert(1)", "..", ".", "a/../../b",
		"%2F", "", "a\u0000b\u0007\u007f", "\u202eecila\u200b", "</title></style><b>", "x&amp;&#39;", ("\u00e9" * 200), ("<" * 400),
		"?q#f", "ConsoleLogin", "report.html", "all.jsonl", "\\\"", "'"'"' onx='"'"'") as $v |
		{eventVersion: "1.08", eventTime: "2025-06-19T09:00:00Z", eventName: $v, eventID: $v, eventSource: $v, awsRegion: $v,
		sourceIPAddress: $v, userAgent: $v, errorCode: $v, errorMessage: $v, userIdentity: {type: "IAMUser", userName: $v, accessKeyId: $v}},
		{eventVersion: "1.08", eventTime: "2025-06-19T10:00:00Z", eventName: "ConsoleLogin", eventID: ($v + "."),
		sourceIPAddress: $v, errorMessage: (if $v | contains("<") then $v else null end), userIdentity: {type: "IAMUser", userName: $v}, responseElements: {ConsoleLogin: "Failure"}}'
	await "$PATIENCE" t grep -q 'onerror=alert' "$mnt/events/$day/report.html" || { echo "no news"; return 1; }
	# The kernel keeps a name for a second.
	await "$PATIENCE" agrees reports "$source" "$mnt" --some 6 --nested 6 --links 4
}

# ---- what changes ----

events_of() { # events_of DIR: as its report counts them
	t sed -n 's/.*<dt>Events<\/dt><dd>\([0-9,]*\)<.*/\1/p' "$mnt/$1/report.html" | tr -d ,
}

counts() { # counts DIR N
	[ "$(events_of "$1")" = "$2" ]
}

changes() { # who has it open reads on what was there
	local before
	before=$(events_of events)
	t cat "$mnt/events/report.html" >"$tmp/before" || return 1
	exec 5<"$mnt/events/report.html"
	head -c 100 <&5 >"$tmp/read"
	put new 'range(7) | {eventVersion: "1.08", eventTime: "2025-06-19T11:00:00Z", eventID: "n\(.)", eventName: "New",
		userIdentity: {type: "IAMUser", userName: "newcomer"}}'
	await "$PATIENCE" counts events $((before + 7)) || { echo "no news"; return 1; }
	cat <&5 >>"$tmp/read"
	exec 5<&-
	cmp "$tmp/read" "$tmp/before" && counts by-user/newcomer/$day 7 &&
		await "$PATIENCE" t grep -q '>newcomer<.*11:00:00' "$mnt/events/$day/report.html"
}

unread_signin() { # what is not known is said
	local log
	put gone '{eventVersion: "1.08", eventTime: "2025-06-19T12:00:00Z", eventID: "gone", eventName: "ConsoleLogin",
		responseElements: {ConsoleLogin: "Success"}, userIdentity: {type: "IAMUser", userName: "gone"}}'
	await "$PATIENCE" t test -d "$mnt/by-user/gone" || return 1
	log=$(ls "$source"/AWSLogs/*/*/*/$day/*_gone.json.gz)
	mv "$log" "$tmp/aside"
	same "unread" "$(t grep -c '<strong>1 could not be read</strong>' "$mnt/by-user/gone/report.html")" 1
	mv "$tmp/aside" "$log"
}

older() { # a report of a day while the reading of an older one hangs
	: >"$tmp/hang"
	slowly start_trail "$source" "$mnt" --cache-dir "$(mktemp -d "$tmp/cache.XXXX")"
	await "$PATIENCE" mounted_live "$mnt" && await "$PATIENCE" hanging || { echo "no read hangs"; return 1; }
	same "of what is older" "$(t grep -c 'Not known yet' "$mnt/events/$day/report.html")" 1 || return 1
	rm "$tmp/hang"
	wait_ready "$mnt" && await "$PATIENCE" not t grep -q 'Not known yet' "$mnt/events/$day/report.html" &&
		await "$PATIENCE" agrees reports "$source" "$mnt" --some 2 && unmount "$mnt"
}

# ---- in a browser ----

browse() { # browse FILE WIDTH: is it shown, with nothing to complain of?
	local said=$tmp/browser
	rm -f "$tmp/shot.png"
	t "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-background-networking \
		--disable-component-update --user-data-dir="$tmp/profile" --enable-logging=stderr --v=0 \
		--window-size="$2,1600" --screenshot="$tmp/shot.png" "file://$1" >"$said" 2>&1
	not grep -a "CONSOLE" "$said" || return 1
	[ -s "$tmp/shot.png" ] || { tail -3 "$said"; return 1; }
	"$PYTHON" - "$tmp/shot.png" <<-'END'
		import struct, sys, zlib
		data, at, rows = open(sys.argv[1], 'rb').read(), 8, b''
		while at < len(data):
		    size, kind = struct.unpack('>I4s', data[at:at + 8])
		    rows += data[at + 8:at + 8 + size] if kind == b'IDAT' else b''
		    at += size + 12
		kinds = len(set(zlib.decompress(rows)))
		sys.exit(0 if kinds > 40 else 'an empty picture: %d different bytes' % kinds)
	END
}

in_browser() {
	t cp "$mnt/events/report.html" "$tmp/page.html" && browse "$tmp/page.html" 1200 && browse "$tmp/page.html" 400 || return 1
	# The page is what the browser made of it, too: as many rows, and no element that a value made.
	t "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$tmp/profile" \
		--dump-dom "file://$tmp/page.html" >"$tmp/dom" 2>/dev/null
	same "rows" "$(grep -o '<tr>' "$tmp/dom" | wc -l)" "$(grep -o '<tr>' "$tmp/page.html" | wc -l)" &&
		same "elements that a value made" "$(grep -c -E '<(script|img)' "$tmp/dom")" 0 || return 1
	# What the checks above look for is found where it is.
	sed 's|<body>|<body><img src="http://127.0.0.1:9/x"/>|' "$tmp/page.html" >"$tmp/bad.html"
	not browse "$tmp/bad.html" 1200 >"$tmp/refused" && grep -q CONSOLE "$tmp/refused"
}

printed() { # printed HTML: as $tmp/page.pdf
	rm -f "$tmp/page.pdf"
	t "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$tmp/profile" --no-pdf-header-footer \
		--print-to-pdf="$tmp/page.pdf" "file://$1" >"$tmp/browsed" 2>&1
	[ -s "$tmp/page.pdf" ] || { tail -3 "$tmp/browsed"; return 1; }
}

# However long the words are, and for who likes it dark: all of it is there, on a few white pages.
on_paper() {
	local dark name
	mkdir -p "$tmp/wordy" && jq -cn '{Records: [range(60) | tostring as $n | {eventVersion: "1.08", eventTime: "2025-06-19T09:00:\($n | .[-2:] |
		if length < 2 then "0" + . else . end)Z", eventName: "ConsoleLogin", eventID: $n, eventSource: "signin.amazonaws.com", awsRegion: "us-east-1",
		sourceIPAddress: "2001:db8:1234:5678:9abc:def0:1234:\($n)", errorMessage: "Failed authentication for a reason that is long and goes on",
		userIdentity: {type: "IAMUser", userName: "a.long.name.of.somebody.in.a.large.company.\($n)@subsidiary.example.com"},
		responseElements: {ConsoleLogin: "Failure"}}]}' >"$tmp/wordy/log.json" &&
		t "$TRAILFS" --cache-dir "$tmp/cache.wordy" -p events/report.html "$tmp/wordy" >"$tmp/wordy.html" || return 1
	sed 's/(prefers-color-scheme:dark)/(min-width:1px)/' "$tmp/wordy.html" >"$tmp/dark.html" && not cmp -s "$tmp/wordy.html" "$tmp/dark.html" || return 1
	printed "$tmp/dark.html" && pdftotext -raw "$tmp/page.pdf" - | tr -d ' \n\f' >"$tmp/words" || return 1
	for name in $(grep -o '>a\.long\.name[^<]*' "$tmp/wordy.html" | tr -d '>' | sort -u); do
		grep -qF "$name" "$tmp/words" || { echo "$name is not printed"; return 1; }
	done
	[ "$(pdfinfo "$tmp/page.pdf" | awk '/^Pages/ { print $2 }')" -le 5 ] || { pdfinfo "$tmp/page.pdf"; return 1; }
	dark=$(pdftoppm -gray -r 20 -f 1 -l 1 "$tmp/page.pdf" | "$PYTHON" -c 'import sys
pixels = sys.stdin.buffer.read()[20:]
print(100 * sum(pixel < 128 for pixel in pixels) // len(pixels))')
	[ "$dark" -lt 15 ] || { echo "$dark % of the page are dark"; return 1; }
}

some=25 few=4 links=12 each=1
[ -z "$SAN" ] || some=5 few=2 links=3 each=8
browser=$(command -v chromium || command -v chromium-browser || true)

make_trail source --preset demo >/dev/null || give_up "make-trail"
make_slow_reads

mount_trail "$source" "$mnt" || give_up "no mount"
check "in many directories" agrees reports "$source" "$mnt" --some "$some" --nested "$((some * 2))" --links "$links"
check "names and attributes" names
check "deep" deep
check "hostile values" hostile
check "new events" changes
check "a sign-in that cannot be read" unread_signin
if [ -n "$SAN" ]; then
	skip "in a browser" "the plain build's page is the same"
elif [ -n "$browser" ]; then
	check "in a browser" in_browser
	check "on paper" on_paper
else
	skip "in a browser" "chromium is not installed"
fi
check "unmounts" unmount "$mnt"
if [ -n "$SAN" ]; then
	skip "what is older is not known yet" "a sanitizer's library must be the first to be loaded"
else
	check "what is older is not known yet" older
fi

make_trail all --all --objects 100 --events 1000 --accounts 2 >/dev/null || give_up "make-trail --all"
check "everything that a trail can hold" agrees_mounted reports "$tmp/all" "--some $few --nested $((few * 4)) --links $few"
check "--since" agrees_mounted reports "$tmp/all" "--some $few --nested $few" --since 2025-06-18T09:30

some_odd_trails "$each"
for name in $odd; do
	check "odd: $name" agrees_mounted reports "$tmp/odd/$name" "--some 3 --links 2"
done
finish
