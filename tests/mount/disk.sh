#!/bin/bash
# What happens to the disk that the cache is on, or to the cache on it, while a bucket is mounted or before: full, read-only, gone,
# emptied of its data or of its index, of another version. All is shown all the same.
# timeout: 600
. "$(dirname "$0")/lib.sh"
. tests/s3/lib.sh

mnt=$tmp/mnt
source=$tmp/source
disk=$tmp/disk

snapshot() { # snapshot MNT: every file's bytes
	(cd "$1" && t find AWSLogs by-user events -type f -print0 | LC_ALL=C sort -z | t xargs -0 md5sum)
}

right() {
	wait_ready "$mnt" || return 1
	snapshot "$mnt" >"$tmp/got"
	cmp "$tmp/wanted" "$tmp/got" || { diff "$tmp/wanted" "$tmp/got" | head -5; return 1; }
}

# Bytes are asked for again, and not those that the kernel or the program holds.
begin() { # begin [OPTION...]
	forget && mount_trail s3://trail "$mnt" --cache-dir "$disk/cache" "$@"
}

all_well() { # mounted, right, and it ends
	begin "$@" && right && unmount "$mnt"
}

new_disk() { # new_disk SIZE
	umount "$disk" 2>/dev/null
	mkdir -p "$disk"
	mount -t tmpfs -o "size=$1,mode=700" none "$disk"
}

warned() { # warned WORD
	grep -aq "$1" "${log_of[$mnt]}" || { echo "not warned of '$1':"; tail -5 "${log_of[$mnt]}"; return 1; }
}

no_room_at_all() {
	new_disk 4m
	head -c 8M /dev/zero >"$disk/filler" 2>/dev/null
	begin && right && warned "No space left" && unmount "$mnt" || return 1
	rm "$disk/filler"
	all_well && find "$disk" -name '*.seg' | grep -q . || { echo "nothing is kept where there is room"; return 1; }
	begin && right && same "GETs" "$(requests GET)" 0 && unmount "$mnt"
}

fills_up() {
	new_disk "$1"
	begin && right && warned "No space left" && unmount "$mnt" && all_well
}

read_only() {
	new_disk 64m
	all_well && mount -o remount,ro "$disk" && begin && right && warned "Read-only" && unmount "$mnt" && mount -o remount,rw "$disk" &&
		all_well
}

a_file_in_its_place() {
	new_disk 64m
	: >"$disk/cache"
	begin && right && warned "Not a directory" && unmount "$mnt"
}

shows() {
	t grep -rqs '"NewEvent"' "$mnt/events/2025/06/19"
}

follows() { # an object comes, is shown, and goes
	make_log "$tmp/log.gz" NewEvent && put_object trail "$(log_key new)" "$tmp/log.gz" && hup "$mnt" && await "$PATIENCE" shows &&
		delete_object trail "$(log_key new)" && hup "$mnt" && await "$PATIENCE" not shows
}

gone_meanwhile() { # gone_meanwhile COMMAND...: after it is indexed, before it is read
	new_disk 64m
	begin && wait_ready "$mnt" || return 1
	"$@" || return 1
	right && follows && right && unmount "$mnt" && all_well
}

removed() {
	rm -rf "$disk/cache"
}

data_removed() {
	find "$disk" -name '*.pack' -delete
}

index_removed() {
	find "$disk" -name '*.seg' -delete
}

all_removed() {
	find "$disk/cache" -type f -delete
}

ask_anew() { # what no page is held for by the kernel; whether the daemon has ended of it
	t ls "$mnt"/by-type/*/by-error "$mnt"/by-region/*/by-agent "$mnt"/events/by-service/*/2025/06 >/dev/null 2>&1
	gone "${pid_of[$mnt]}"
}

lost_pages() { # of an index that is in use: the mount ends, says why, leaves nothing behind, and the next one is right
	new_disk 64m
	begin && right && find "$disk" -name '*.seg' -exec truncate -s 0 {} + && await "$PATIENCE" ask_anew || return 1
	wait "${pid_of[$mnt]}"
	same "the daemon's exit status" $? $((128 + $(kill -l BUS))) &&
		same "what it says" "$(grep -c 'page of the cache was lost.*Mount again.*disk' "${log_of[$mnt]}")" 1 &&
		await "$PATIENCE" not mounted "$mnt" && all_well
}

before() { # before COMMAND...: done to a whole cache, and then mounted
	new_disk 64m
	all_well && "$@" && all_well && begin && right && same "GETs of a whole cache" "$(requests GET)" 0 && unmount "$mnt"
}

of_another_version() { # the version is the 9th byte of each; the listings' magic begins with it
	local file
	while read -r file; do
		printf '\377' | dd of="$file" bs=1 seek=8 conv=notrunc status=none || return 1
	done < <(find "$disk" -name '*.seg' -o -name '*.pack')
	find "$disk" -name listings -exec dd if=/dev/urandom of={} bs=1 count=1 conv=notrunc status=none \;
}

zeros() { # lengths stay, as of files whose blocks a crash has lost
	find "$disk" -type f ! -name lock ! -name id -exec sh -c 'truncate -s "$(stat -c %s "$1")" "$1.new" && mv "$1.new" "$1"' sh {} \;
}

empty_files() {
	find "$disk" -type f ! -name lock ! -name id -exec truncate -s 0 {} \;
}

is_root || { echo "needs to be root, to mount a tmpfs"; exit 77; }
clean_environment
make_trail source --objects 60 --events 400 --days 3 --from 2025-06-17 >/dev/null || give_up "make-trail"
mount_trail "$source" "$mnt" && wait_ready "$mnt" && snapshot "$mnt" >"$tmp/wanted" && [ "$(wc -l <"$tmp/wanted")" -gt 700 ] &&
	unmount "$mnt" || give_up "no tree to compare with"
start_faults --bucket trail="$source"
use_keys "$TEST_KEY" "$TEST_SECRET"

check "no room from the start" no_room_at_all
for size in 16k 120k; do
	check "a disk of $size" fills_up $size
done
check "read-only" read_only
check "a file where the cache should be" a_file_in_its_place
for what in removed data_removed index_removed all_removed; do
	check "while mounted: $what" gone_meanwhile $what
done
check "while mounted: pages are lost" lost_pages
for what in data_removed index_removed all_removed of_another_version zeros empty_files; do
	check "before: $what" before $what
done
finish
