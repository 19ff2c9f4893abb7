#!/bin/bash
# what: rows 4, 5, 6, 12: grep -r over events, and the same question to the logs
# row 4: `grep -rhF '"eventID": "0'` over the events of the first days of *tiny* that hold 20,000 together, when all has been
#   read before, against the same files copied to the local disk and read before. Checked: the same lines.
# row 5: The same as the first pass after mounting an indexed trail. Cold: the kernel's caches are dropped before the mount, so
#   that the logs are on the disk only; beside it the copied files after dropping caches. Fresh: the mount is new, its own pages
#   are empty, the logs are in the page cache.
# row 6: Which events are about the user `alice`: `grep -rlF user/alice` over all events of *tiny*, first pass after
#   mounting, against `find | xargs zgrep -lF` (zgrep has no -r) and `rg -z -lF` over the logs in the page cache. Checked: each finds
#   as many files as a program that reads the JSON says there are.
# row 12: The kernel's requests to the daemon (`.trailfs/metrics`, less what reading that costs), divided by the number of files that
#   the command meets: in a pass when all has been read before, and in the first pass of a new mount. Warm should be 0 for each file;
#   the folders may cost a few, hence the reach of one in a thousand.
. "$(dirname "$0")/lib.sh"

wanted=$(by_size 20000 2000 100)
needle='"eventID": "0' who=$(by_size user/alice user/alice amazonaws.com)
days=() # below events/

choose_days() { # the first ones that hold as many events as are wanted
	local day here
	files=0
	for day in "$mnt"/events/*/*/*; do
		here=$(find "$day" -type f | wc -l)
		days+=("${day#"$mnt/"}")
		files=$((files + here))
		[ $files -lt "$wanted" ] || break
	done
}

search() { # search TOP
	local at=("${days[@]/#/$1/}")
	grep -rhF "$needle" "${at[@]}"
}

copy_days() {
	local day
	for day in "${days[@]}"; do
		mkdir -p "$tmp/copy/$day" && cp -a "$mnt/$day/." "$tmp/copy/$day" || give_up "copying $day"
	done
}

remount() {
	unmount_all
	mount_index "$source" "$tmp/cache"
}

ours_warm() { search "$mnt"; }
disk_warm() { search "$tmp/copy"; }
ours_warm_after() { same_lines ours_warm reference; }
disk_warm_after() { same_lines disk_warm reference; }

ours_fresh_before() { remount; }
ours_fresh() { search "$mnt"; }
ours_fresh_after() { same_lines ours_fresh reference; }

ours_cold_before() {
	unmount_all
	drop_caches
	mount_index "$source" "$tmp/cache"
}
ours_cold() { search "$mnt"; }
ours_cold_after() { same_lines ours_cold reference; }

disk_cold_before() { drop_caches; }
disk_cold() { search "$tmp/copy"; }
disk_cold_after() { same_lines disk_cold reference; }

into_page_cache() {
	logs_of "$source" | xargs -0 cat >/dev/null
}

ours_all_before() { remount; }
ours_all() { grep -rlF "$who" "$mnt/events"; }
ours_all_after() { lines_are ours_all "$events_of_who"; }
by_zgrep() { logs_of "$source" | xargs -0 zgrep -lF "$who" || [ $? = 123 ]; } # 123: some of its runs found nothing
by_zgrep_after() { lines_are by_zgrep "$objects_of_who"; }
by_rg() { rg -z -lF "$who" "$source"; }
by_rg_after() { lines_are by_rg "$objects_of_who"; }

tiny_trail
mount_index "$source" "$tmp/cache" || give_up "mounting"
choose_days
copy_days
search "$tmp/copy" >"$tmp/reference.out"
[ -s "$tmp/reference.out" ] || give_up "the search finds nothing"
search "$mnt" >/dev/null
what="grep -r, $(thousands $files) events of ${#days[@]} days"

rounds ours_warm disk_warm
compare 4 "$what, second pass" ours_warm "ext4, warm" disk_warm "<=1.15"
count_requests requests_warm $files search "$mnt"

if can_drop; then
	rounds ours_cold disk_cold
	compare 5 "$what, first pass, caches dropped" ours_cold "ext4, caches dropped" disk_cold "<=1.0"
	compare 5 "$what, first pass, caches dropped" ours_cold "ext4, warm" disk_warm "<=2.0"
else
	absent 5 "$what, first pass, caches dropped" "ext4, caches dropped" "<=1.0" "caches are dropped only by root, and not in a smoke run"
fi
into_page_cache
search "$tmp/copy" >/dev/null
rounds ours_fresh disk_warm
compare 5 "$what, first pass, new mount" ours_fresh "ext4, warm" disk_warm "<=2.0"
remount
count_requests requests_first $files search "$mnt"

read -r events_of_who objects_of_who < <("$PYTHON" tests/bench/truth.py "$source" "$who")
what="grep -rl one user, $(thousands "$(find "$mnt/events" -type f | wc -l)") events, first pass"
peers=()
have zgrep && peers+=(by_zgrep)
have rg && peers+=(by_rg)
rounds ours_all "${peers[@]}"
if have zgrep; then
	compare 6 "$what" ours_all "find | xargs zgrep -l over the logs" by_zgrep ">=20"
else
	no_peer 6 "$what" "find | xargs zgrep -l over the logs" ">=20" zgrep
fi
if have rg; then
	compare 6 "$what" ours_all "rg -z -l over the logs" by_rg ">=8"
else
	no_peer 6 "$what" "rg -z -l over the logs" ">=8" ripgrep
fi

value 12 "requests of the kernel, grep -r, second pass" requests_warm "a file" "<=0.001"
value 12 "requests of the kernel, grep -r, first pass" requests_first "a file" "<=0.005"
end_part
