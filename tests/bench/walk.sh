#!/bin/bash
# what: rows 7, 12: ls -l, find, tar and du over a day of 50,000 events
# row 7: A day's folder with 50,000 events, all of it seen before, against the same files copied to the local disk, warm.
#   `ls -l`, `find -type f`, `tar c | cat >/dev/null`, `du -sb`. Checked: the same number of names, of members, and of bytes.
# row 12: The same for each of row 7's commands: warm, and as the first command after mounting.
. "$(dirname "$0")/lib.sh"

list() { # list TOP, and so on: what is done with the folder
	ls -l "$1"
}

search() {
	find "$1" -type f
}

pack() {
	tar c -C "$1" . | cat >/dev/null
}

sizes() {
	du -sb "$1" | cut -f1
}

remount() {
	unmount_all
	mount_index "$source" "$tmp/cache"
}

members() { # members TOP
	tar c -C "$1" . | tar t | wc -l
}

# A folder of ext4 has a size of its own.
size_of_files() { # size_of_files NAME TOP
	echo $(($(cat "$tmp/$1.out") - $(stat -c %s "$2")))
}

commands=(list search pack sizes)
declare -A words=([list]="ls -l" [search]="find -type f" [pack]="tar c | cat" [sizes]="du -sb")
for command in "${commands[@]}"; do
	eval "ours_$command() { $command \"\$day\"; }
	disk_$command() { $command \"\$tmp/copy\"; }
	first_$command() { $command \"\$day\"; }
	first_${command}_before() { remount; }"
done
ours_list_after() { lines_are ours_list $((files + 1)); }
disk_list_after() { lines_are disk_list $((files + 1)); }
ours_search_after() { lines_are ours_search "$files"; }
disk_search_after() { lines_are disk_search "$files"; }
ours_sizes_after() { same bytes "$(size_of_files ours_sizes "$day")" "$bytes" >&2; }
disk_sizes_after() { same bytes "$(size_of_files disk_sizes "$tmp/copy")" "$bytes" >&2; }

# shellcheck disable=SC2046
trail day --preset day $(by_size "" "--events 10000 --objects 100" "--events 400 --objects 20")
mount_index "$source" "$tmp/cache" || give_up "mounting"
day=$mnt/events/2025/06/17
mkdir "$tmp/copy" && cp -a "$day/." "$tmp/copy" || give_up "copying"
files=$(find "$tmp/copy" -type f | wc -l)
bytes=$(find "$tmp/copy" -type f -printf '%s\n' | awk '{ n += $1 } END { print n }')
same "members of a tar" "$(members "$day")" "$(members "$tmp/copy")" || give_up "tar"
for command in "${commands[@]}"; do
	$command "$day" >/dev/null
	$command "$tmp/copy" >/dev/null
done

rounds ours_list disk_list ours_search disk_search ours_pack disk_pack ours_sizes disk_sizes
for command in "${commands[@]}"; do
	compare 7 "${words[$command]}, $(thousands "$files") events" "ours_$command" "ext4, warm" "disk_$command" "<=1.3"
	count_requests "warm_$command" "$files" "$command" "$day"
done
for command in "${commands[@]}"; do
	rounds "first_$command"
	compare 7 "${words[$command]}, the first command after mounting" "first_$command" "ext4, warm" "disk_$command" ""
	remount
	count_requests "cold_$command" "$files" "$command" "$day"
done
for command in "${commands[@]}"; do
	value 12 "requests of the kernel, ${words[$command]}, warm" "warm_$command" "a file" "<=0.001"
	value 12 "requests of the kernel, ${words[$command]}, first command" "cold_$command" "a file" "<=0.005"
done
end_part
