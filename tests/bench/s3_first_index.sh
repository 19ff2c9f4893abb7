#!/bin/bash
# How fast a bucket is first indexed when each request takes 30 ms, as one far away does: objects a second, beside what the
# plain tools need to fetch the same objects. They are skipped where they are not installed.
#   s3_first_index.sh [OBJECTS]      5000
# TRAILFS names the program (./trailfs). The server is tests/s3/fault_server.py, on this machine: it takes part of it.
set -u
cd "$(dirname "$0")/../.." || exit 1
trailfs=${TRAILFS:-$PWD/trailfs}
objects=${1:-5000} latency=${LATENCY:-0.03}
tmp=$(mktemp -d) || exit 1
mnt=$tmp/mnt
server=

mounted() {
	grep -q " $mnt " /proc/self/mounts
}

unmount() {
	local end=$((SECONDS + 30))
	fusermount3 -u "$mnt" || umount -l "$mnt"
	while mounted && [ $SECONDS -lt $end ]; do
		sleep 0.1
	done
}

cleanup() {
	trap '' INT TERM HUP
	mounted && unmount
	[ -z "$server" ] || kill -KILL "$server"
	wait
	rm -rf --one-file-system "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

start_server() {
	local end=$((SECONDS + 60))
	/usr/bin/python3 tests/s3/fault_server.py --latency "$latency" --bucket trail="$tmp/source" "$tmp/ready" 2>"$tmp/server.log" &
	server=$!
	until [ -s "$tmp/ready" ]; do
		[ $SECONDS -lt $end ] || { echo "s3_first_index: no server: $(cat "$tmp/server.log")" >&2; exit 1; }
		sleep 0.1
	done
	. "$tmp/ready"
	url=http://127.0.0.1:$S3_PORT
	# The ETags are made on demand: have them all made before anybody is timed.
	AWS_ACCESS_KEY_ID=TRAILTESTKEY AWS_SECRET_ACCESS_KEY=trail/test+secret /usr/bin/python3 - "$url" <<'EOF'
import http.client, os, sys, urllib.parse
sys.path.insert(0, 'tests/s3')
import sigv4
host, token = urllib.parse.urlsplit(sys.argv[1]).netloc, ''
kept = http.client.HTTPConnection(host)
while token is not None:
    query = ('continuation-token=%s&' % sigv4.encode(token) if token else '') + 'list-type=2'
    kept.request('GET', '/trail?' + query, headers=sigv4.sign('GET', host, '/trail', query, os.environ['AWS_ACCESS_KEY_ID'],
                                                          os.environ['AWS_SECRET_ACCESS_KEY']))
    text = kept.getresponse().read().decode()
    token = text.split('<NextContinuationToken>')[1].split('<')[0] if '<NextContinuationToken>' in text else None
EOF
}

clean_environment() {
	local name
	for name in $(compgen -e | grep -iE '^(AWS_.*|https?_proxy|no_proxy|all_proxy)$'); do
		unset "$name"
	done
	export HOME=$tmp AWS_ENDPOINT_URL=$url AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
	export AWS_ACCESS_KEY_ID=TRAILTESTKEY AWS_SECRET_ACCESS_KEY=trail/test+secret
}

row() { # row NAME COMMAND...: objects a second, the median of three
	local name=$1 round from times=
	shift
	for round in 1 2 3; do
		from=$EPOCHREALTIME
		"$@" "$round" >"$tmp/said" 2>&1 || { echo "s3_first_index: $name failed: $(tail -3 "$tmp/said")" >&2; return 1; }
		times+=$(awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f\n", b - a }')$'\n'
		mounted && unmount
	done
	sort -n <<<"${times%$'\n'}" | awk -v name="$name" -v n="$objects" 'NR == 2 { printf "%-24s %8.3f s %8.0f objects/s\n", name, $1, n / $1 }'
}

trail() {
	"$trailfs" --wait --cache-dir "$tmp/cache$1" s3://trail "$mnt"
}

aws_sync() {
	aws s3 sync --quiet s3://trail "$tmp/aws$1"
}

rclone_sync() {
	RCLONE_CONFIG_R_TYPE=s3 RCLONE_CONFIG_R_PROVIDER=Other RCLONE_CONFIG_R_ENV_AUTH=true RCLONE_CONFIG_R_ENDPOINT=$url \
		RCLONE_CONFIG_R_FORCE_PATH_STYLE=true rclone --config /dev/null sync --transfers 64 --checkers 64 r:trail "$tmp/rclone$1"
}

s3fs_read() {
	s3fs trail "$mnt" -o "url=$url" -o use_path_request_style -o endpoint=us-east-1 && find "$mnt" -type f -print0 | xargs -0 -P16 cat
}

mkdir "$mnt" || exit 1
scripts/make-trail --objects "$objects" --events $((objects * 7)) --regions 2 --days 3 "$tmp/source" || exit 1
du -sb --apparent-size "$tmp/source" | awk -v n="$objects" '{ printf "%d bytes an object\n", $1 / n }'
start_server
clean_environment
row trailfs trail || exit 1
curl -sS "http://127.0.0.1:$CONTROL_PORT/_control/counts" | /usr/bin/python3 -c 'import json, sys
counts = json.load(sys.stdin)
print("%d GETs and %d LISTs a run, %d in flight at most" % (counts["GET"] / 3, counts["LIST"] / 3, counts["in_flight_max"]))'
for tool in "aws aws_sync" "rclone rclone_sync" "s3fs s3fs_read"; do
	read -r program function <<<"$tool"
	if command -v "$program" >/dev/null && "$program" --version >/dev/null 2>&1; then
		row "$program" "$function"
	else
		echo "$program: not installed"
	fi
done
exit 0
