#!/bin/bash
# what: row 13: the first index of a bucket that is 30 ms away
# row 13: A bucket of the tests' own server (tests/s3/fault_server.py), which answers each request after 30 ms, as one far away
#   does, and takes its part of this machine. `trailfs --wait s3://...` with an empty cache, in objects a second; beside it what
#   others need only to fetch the same objects: `aws s3 sync`, `rclone sync` with 64 transfers, and a read of all files of an
#   s3fs mount, 16 at once. Checked: the records in the mount; the number of files and of bytes of the copies.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/s3.sh"

clean_copies() {
	unmount_all
	rm -rf --one-file-system "$tmp/cache" "$tmp/copied"
	mkdir -p "$tmp/copied"
}

bytes_copied() { # bytes_copied: of all files
	find "$tmp/copied" -type f -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'
}

ours_before() { clean_copies; }
ours() { mount_index s3://trail "$tmp/cache"; }
ours_after() {
	same "records in the mount" "$(status_of "$mnt" .events.delivered)" "$events" >&2 &&
		same errors "$(status_of "$mnt" .errors)" 0 >&2 && unmount_all
}
by_aws_before() { clean_copies; }
by_aws() { sync_aws "$tmp/copied"; }
by_aws_after() { same "bytes copied" "$(bytes_copied)" "$stored" >&2; }
by_rclone_before() { clean_copies; }
by_rclone() { sync_rclone "$tmp/copied"; }
by_rclone_after() { same "bytes copied" "$(bytes_copied)" "$stored" >&2; }
by_s3fs_before() { clean_copies; }
by_s3fs() { mount_s3fs && find "$mnt" -type f -print0 | xargs -0 -n 50 -P16 cat | wc -c; }
by_s3fs_after() { same "bytes read" "$(cat "$tmp/by_s3fs.out")" "$stored" >&2 && unmount_all; }

count=$(by_size 5000 500 40)
trail s3 --objects "$count" --events $((count * 7)) --regions 2 --days 3
clean_environment
start_faults --latency "$(by_size 0.03 0.03 0.001)" --bucket "trail=$source"
buckets_of "$S3_URL" "$TEST_KEY" "$TEST_SECRET"
ours_before
ours || give_up "mounting s3://trail" # once, untimed: the server makes its ETags when they are first asked for
ours_after || give_up "the bucket is not what it should be"
peers=()
for program in aws rclone s3fs; do
	have_peer $program && peers+=("by_$program")
done
rounds ours "${peers[@]}"
what="bucket, 30 ms a request, first index ($(thousands "$objects") objects)"
! measured ours || add rate "$(awk -v n="$objects" -v s="$(median ours)" 'BEGIN { print n / s }')"
[ -z "${broken[ours]:-}" ] || broken[rate]=1
value 13 "$what" rate objects/s ">=1500"
for program in aws rclone s3fs; do
	case $program in
	aws) against="aws s3 sync" ;;
	rclone) against="rclone sync" ;;
	*) against="s3fs, xargs -P16 cat" ;;
	esac
	if have_peer $program; then
		compare 13 "$what" ours "$against" by_$program ">=1"
	else
		no_peer 13 "$what" "$against" ">=1" $program
	fi
done
end_part
