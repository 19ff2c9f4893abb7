/*
 * An array that grows. A large one lies in huge pages, where the kernel has them: what an index is made in is
 * written once, read once and given back, and a page fault for each 4 KiB of it would cost more than sorting.
 *
 * Caller locks.
 */
#ifndef FS_STORE_ARENA_H
#define FS_STORE_ARENA_H

#include <stddef.h>

/* {0}: empty. */
struct arena {
	char *data;
	size_t len, cap; /* bytes */
};

/* n more bytes at the end, not set; NULL: no memory. Moves what was there before. */
void *arena_add(struct arena *a, size_t n);

/* Gives the memory back; a is empty then. */
void arena_clear(struct arena *a);

#endif
