# shellcheck shell=bash disable=SC2034,SC2154
# Sourced after lib.sh by the parts that need a bucket: the peers, as they are used on $S3_URL. Not a part itself.
. tests/s3/lib.sh

buckets_of() { # buckets_of URL KEY SECRET: for all that follows, ours and theirs
	S3_URL=$1
	use_keys "$2" "$3"
	export AWS_ENDPOINT_URL=$1 AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
	export AWSACCESSKEYID=$2 AWSSECRETACCESSKEY=$3
	export RCLONE_CONFIG_R_TYPE=s3 RCLONE_CONFIG_R_PROVIDER=Other RCLONE_CONFIG_R_ENV_AUTH=true
	export RCLONE_CONFIG_R_ENDPOINT=$1 RCLONE_CONFIG_R_FORCE_PATH_STYLE=true RCLONE_CONFIG_R_LIST_VERSION=2 RCLONE_CONFIG=/dev/null
}

have_peer() { # have_peer PROGRAM: also that it starts at all in a clean environment
	have "$1" && "$1" --version >/dev/null 2>&1
}

sync_aws() { # sync_aws DIRECTORY
	aws --endpoint-url "$S3_URL" s3 sync --only-show-errors s3://trail "$1"
}

sync_rclone() { # sync_rclone DIRECTORY
	rclone sync --transfers 64 --checkers 64 r:trail "$1"
}

mount_s3fs() {
	s3fs trail "$mnt" -o "url=$S3_URL" -o use_path_request_style -o endpoint=us-east-1 -o listobjectsv2
}

mount_rclone() {
	rclone mount --daemon --read-only r:trail "$mnt"
}
