#!/bin/bash
# A bucket that changes, fails and is read at random, against the model; random_run.py says how. Other seeds each time, which
# are printed; $RANDOM_SEED and $RANDOM_RUNS choose others. What ever failed is run again first.
# timeout: 600
. "$(dirname "$0")/lib.sh"
. tests/s3/lib.sh

run() { # run OPTION...
	"$PYTHON" tests/mount/random_run.py --trailfs "$TRAILFS" --s3 "$S3_URL" --control "http://127.0.0.1:$CONTROL_PORT" --folder "$tmp" "$@" || return 1
	figure=$(tail -1 "$tmp/said")
}

clean_environment
start_faults --bucket random
use_keys "$TEST_KEY" "$TEST_SECRET"
seed=${RANDOM_SEED:-$((RANDOM * 32768 + RANDOM))}
[ ! -s tests/mount/random_kept.jsonl ] || check "what once failed" run --replay tests/mount/random_kept.jsonl
check "${RANDOM_RUNS:-4} runs from seed $seed" run --seed "$seed" --runs "${RANDOM_RUNS:-4}" --keep "$tmp/kept"
finish
