/*
 * Hashes of keys to numbers: open addressing with linear probing. Several items may have one hash; whoever
 * asks compares the keys.
 *
 * Caller locks.
 */
#ifndef FS_STORE_KEYMAP_H
#define FS_STORE_KEYMAP_H

#include <stddef.h>
#include <stdint.h>

#define KEYMAP_NONE UINT64_MAX /* not an item */

struct keymap_cell {
	uint64_t hash, item;
};

struct keymap {
	struct keymap_cell *cell;
	size_t used, cap; /* used: cells that are not free, removed ones among them */
};

void keymap_clear(struct keymap *m);

/* The hash of a key. */
uint64_t keymap_hash(const char *key);

/* The items of a hash, one a call; *at starts at 0. KEYMAP_NONE: no more. */
uint64_t keymap_next(const struct keymap *m, uint64_t hash, size_t *at);

/* 0 or -ENOMEM. item < KEYMAP_NONE - 1. */
int keymap_put(struct keymap *m, uint64_t hash, uint64_t item);
void keymap_remove(struct keymap *m, uint64_t hash, uint64_t item);

#endif
