#!/bin/bash
# scripts/make-trail: the same seed makes the same bytes, every option shows, what is not damaged is valid.
cd "$(dirname "$0")/.." || exit 1
set -u
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0

check() { # check TEXT COMMAND...: passes when the command does
	local text=$1
	shift
	if "$@" >"$tmp/out" 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL: $text"
		head -20 "$tmp/out"
	fi
}

refuses() { # refuses WORD OPTION...: exit status 2 and a message that says WORD
	local word=$1 said status
	shift
	said=$(scripts/make-trail "$@" 2>&1)
	status=$?
	[ "$status" = 2 ] && [[ $said == *"$word"* ]] || { echo "status $status: $said"; return 1; }
}

make() { # make NAME OPTION...
	local name=$1
	shift
	scripts/make-trail --objects-per-day 6 "$@" "$tmp/$name" >"$tmp/$name.said" || { cat "$tmp/$name.said"; return 1; }
}

has() { # has NAME PATTERN [COUNT]: at least COUNT (1) objects with such a path
	[ "$(find "$tmp/$1" -type f -path "*$2*" | wc -l)" -ge "${3:-1}" ]
}

grown() { # grown OPTION PATTERN [COUNT]: the option makes objects that the plain bucket has not
	make "with$1" "--$1" && has "with$1" "$2" "${3:-1}" && ! has plain "$2"
}

records() { # records NAME PYTHON-EXPRESSION over r, a list of (key, object)
	python3 - "$tmp/$1" "$2" <<'EOF'
import collections, gzip, json, os, sys
r = []
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        if "/CloudTrail" in folder and name.endswith(".gz") and "Digest" not in folder:
            path = os.path.join(folder, name)
            r.append((path, json.loads(gzip.open(path).read())))
flat = [e for _, o in r for e in (o if isinstance(o, list) else o["Records"]) if isinstance(e, dict)]
ids = collections.Counter(json.dumps(e) for e in flat)
sys.exit(0 if eval(sys.argv[2]) else "not so: " + sys.argv[2])
EOF
}

damage_counts() { # of 17 kinds, twice: 12 are no whole gzip member of JSON, the others are refused by trailfs only
	python3 - "$tmp/damaged" <<'EOF'
import gzip, json, pathlib, sys, zlib
bad = 0
for path in pathlib.Path(sys.argv[1]).rglob("*.gz"):
    try:
        json.loads(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, ValueError, RecursionError, zlib.error):
        bad += 1
print(bad)
sys.exit(bad < 24)
EOF
}

same() { # same A B: names, bytes and times
	diff <(list "$1") <(list "$2")
}

list() {
	(cd "$tmp/$1" && find . -type f -printf '%p %s %T@\n' | sort && find . -type f -print0 | sort -z | xargs -0 cat | cksum)
}

check "a plain bucket" make plain
check "the summary counts objects" test "$(find "$tmp/plain" -name '*.json.gz' | wc -l)" = "$(cut -d' ' -f1 "$tmp/plain.said")"
check "the same seed, the same bytes" eval 'make again --jobs 1 && same plain again'
check "another seed, another bucket" eval 'make other --seed 2 && ! same plain other >/dev/null'
check "keys as CloudTrail writes them" test -z "$(cd "$tmp/plain" && find . -type f | grep -vE \
	'^./AWSLogs/([0-9]{12})/CloudTrail/([a-z0-9-]+)/[0-9]{4}/[0-9]{2}/[0-9]{2}/\1_CloudTrail_\2_[0-9]{8}T[0-9]{3}[05]Z_[A-Za-z0-9]{16}\.json\.gz$')"
check "all of it is JSON" records plain 'len(r) == 36 and len(flat) == 180'
check "one trail delivers once" records plain 'set(ids.values()) == {1}'
check "counts, days, accounts and regions" eval 'make knobs --accounts 3 --regions 3 --days 2 --from 2024-02-28 \
	--events-per-object 7 && records knobs "len(r) == 108 and len(flat) == 756" && has knobs 2024/02/29 && ! has knobs 2024/03'
check "--events and --objects are totals" eval 'make totals --objects 20 --events 1000 && records totals "len(r) == 20 and len(flat) == 1000"'
check "--two-trails: byte-identical management events in other objects" eval 'make two --two-trails --objects-per-day 40 &&
	records two "set(ids.values()) == {1, 2} and all(json.loads(e)[\"managementEvent\"] for e, n in ids.items() if n == 2)"'
check "--two-trails: no two large objects alike" eval '! find "$tmp/two" -type f -size +8 -exec md5sum {} + | cut -c1-32 | sort | uniq -d | grep -q .'
check "--addresses" eval 'make visited --addresses 5 && records visited "1 < len({e[\"sourceIPAddress\"] for e in flat} & {\"198.18.0.%d\" % n for n in range(5)})" &&
	! grep -q "198\.18\." <(find "$tmp/plain" -type f -exec zcat {} +)'
check "--organization" grown organization /AWSLogs/o-
check "--prefix" eval 'make prefixed --prefix a/b && has prefixed /a/b/AWSLogs/1'
check "--insight" grown insight /CloudTrail-Insight/ 6
check "--network-activity" grown network-activity /CloudTrail-NetworkActivity/ 6
check "--aggregated, in both wrappers" eval 'grown aggregated /CloudTrail-Aggregated/ 12 && records withaggregated "{type(o) for _, o in r} == {list, dict}"'
check "--digests, one an hour" grown digests /CloudTrail-Digest/ 146
check "--services" eval 'grown services /vpcflowlogs/ 6 && has withservices /Config/ && has withservices /notes/'
check "--late" eval 'make late --late && records late "sum(\"addendum\" in e for e in flat) == 30" && has late /2025/06/20/'
check "--odd-identities" eval 'make odd --odd-identities && records odd "\"IdentityCenterUser\" in str(flat) and sum(\"eventID\" not in e for e in flat) > 0"'
check "--large-records" eval 'make large --large-records && records large "max(len(e) for e in ids) > 200000"'
check "--damage" eval 'make damaged --damage && [[ $(cat "$tmp/damaged.said") == *", 34 damaged objects" ]]'
check "damaged objects are damaged" damage_counts
check "--all" eval 'make all --all && has all /CloudTrail-Aggregated/ && has all o-'
check "real shapes: escapes and reals" eval 'grep -qF "\\u003d" <(find "$tmp/two" -type f -exec zcat {} +) && grep -qE "[0-9]\.0[,}]" <(find "$tmp/two" -type f -exec zcat {} +)'
check "the demo's story" eval 'scripts/make-trail --preset demo "$tmp/demo" >/dev/null && records demo \
	"sum(e.get(\"errorCode\") == \"AccessDenied\" for e in flat) >= 7 and 500 < len(flat) < 700"'
check "refuses a directory with something in it" refuses "not an empty directory" "$tmp/plain"
check "refuses a file" refuses "not an empty directory" scripts/make-trail
check "refuses a bad day" refuses YYYY-MM-DD --from 2024-13-01 "$tmp/no"
check "refuses zero" refuses "at least 1" --days 0 "$tmp/no"
check "refuses too many addresses" refuses "at most" --addresses 200000 "$tmp/no"
check "refuses a climbing prefix" refuses "no . or" --prefix ../x "$tmp/no"
check "refuses an unknown option" refuses unrecognized --nonsense "$tmp/no"
check "left nothing where it refused" test ! -e "$tmp/no"

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
