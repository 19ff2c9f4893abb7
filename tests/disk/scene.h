/*
 * What is done with the store while the disk fails, and what must be so afterwards. Each scene begins with a
 * folder in which something is left to be repaired, so that what comes first is a recovery.
 */
#ifndef TESTS_DISK_SCENE_H
#define TESTS_DISK_SCENE_H

#include <stdbool.h>
#include <stddef.h>

enum after {
	AFTER_FAULTS, /* calls failed, and the process went on and ended well */
	AFTER_DEATH,  /* the process ended somewhere; what it had written is there */
	AFTER_POWER,  /* the disk too */
	AFTER_DAMAGE  /* files are not what they were */
};

struct scene {
	const char *name;
	/* Fills the cache. */
	void (*prepare)(const char *cache_dir);
	/* With a disk that may fail at any call. What comes out is right or an error. */
	void (*play)(const char *cache_dir);
	/* Reads all that is kept, whatever may have become of it: it is right or it is not given out. */
	void (*read)(const char *cache_dir);
	/* With a disk that works: nothing is wrong, what was promised in the first n of the record is there,
	 * all else can be had again, and nothing is left over. */
	void (*look)(const char *cache_dir, enum after after, size_t n);
};

extern const struct scene scene_packs, scene_index, scene_listings;

/* Nothing is left of what was being written; and no more than so many files end so. */
void scene_check_files(const char *folder, const char *end, size_t max);

#endif
