#!/bin/bash
# what: row 11: from a bucket that nothing is known of to an answer
# row 11: All of *tiny* in a bucket of Ceph's gateway on this machine. From nothing: mount, and `grep -rlF user/alice` in
#   by-user/alice, against `aws s3 sync` and `find | xargs zgrep -lF` over the copy, and the same search in the mounts of s3fs and
#   `rclone mount`. Nothing is cached by anybody at the start; the server shares the machine with all of them. Checked: each
#   finds as many files as a program that reads the JSON says there are.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/s3.sh"

what='' who=user/alice

give_up_rows() { # give_up_rows WHY
	absent 11 "$what" "aws s3 sync, zgrep" ">=1" "$1"
	absent 11 "$what" "s3fs, zgrep" ">=10" "$1"
	absent 11 "$what" "rclone mount, zgrep" ">=10" "$1"
	exit 0
}

from_nothing() {
	unmount_all
	rm -rf --one-file-system "$tmp/cache" "$tmp/copied"
	mkdir -p "$tmp/copied"
}

search_logs() { # search_logs DIRECTORY
	logs_of "$1" | xargs -0 zgrep -lF "$who" || [ $? = 123 ] # 123: some of its runs found nothing
}

ours_before() { from_nothing; }
ours() {
	"$TRAILFS" --refresh 0 --cache-dir "$tmp/cache" s3://trail "$mnt" >"$tmp/mount.said" && grep -rlF "$who" "$mnt/by-user/alice"
}
ours_after() { lines_are ours "$events_of_who" && unmount_all; }

by_sync_before() { from_nothing; }
by_sync() { sync_aws "$tmp/copied" && search_logs "$tmp/copied"; }
by_sync_after() { lines_are by_sync "$objects_of_who"; }

by_s3fs_before() { from_nothing; }
by_s3fs() { mount_s3fs && search_logs "$mnt"; }
by_s3fs_after() { lines_are by_s3fs "$objects_of_who" && unmount_all; }

by_rclone_before() { from_nothing; }
by_rclone() { mount_rclone && search_logs "$mnt"; }
by_rclone_after() { lines_are by_rclone "$objects_of_who" && unmount_all; }

tiny_trail
what="bucket to answer, cold, tiny ($(thousands "$objects") objects)"
[ "$BENCH_SIZE" != smoke ] || give_up_rows "no server in a smoke run"
start_server ceph >"$tmp/why" || give_up_rows "$(sed 's/^ceph.sh: //' "$tmp/why")"
clean_environment
buckets_of "$S3_URL" "$S3_KEY" "$S3_SECRET"
upload trail "$source" >/dev/null || give_up "put.py"
read -r events_of_who objects_of_who < <("$PYTHON" tests/bench/truth.py "$source" "$who")
peers=()
have_peer aws && peers+=(by_sync)
have_peer s3fs && peers+=(by_s3fs)
have_peer rclone && peers+=(by_rclone)
rounds ours "${peers[@]}"

peer() { # peer PROGRAM NAME AGAINST REACH
	if have_peer "$1"; then
		compare 11 "$what" ours "$3" "$2" "$4"
	else
		no_peer 11 "$what" "$3" "$4" "$1"
	fi
}
peer aws by_sync "aws s3 sync, zgrep" ">=1"
peer s3fs by_s3fs "s3fs, zgrep" ">=10"
peer rclone by_rclone "rclone mount, zgrep" ">=10"
end_part
