/*
 * The orders of a segment: of rows, by numbers, and of a facet's values, by bytes. Private to the segment's
 * build.
 *
 * Pure, thread-safe.
 */
#ifndef FS_STORE_SEGMENT_SORT_H
#define FS_STORE_SEGMENT_SORT_H

#include "fs/store/segment_rows.h"

struct sort_key {
	uint64_t key;
	uint32_t item;
};

/* Sorts n keys; those that are the same come in any order. Returns where they are now: keys or spare, each
 * with room for n. */
struct sort_key *sort_keys(struct sort_key *keys, struct sort_key *spare, uint32_t n);

/* The end of the run of the same keys that begins at `from`. */
uint32_t sort_run(const struct sort_key *keys, uint32_t from, uint32_t n);

/* As memcmp; what begins with the other comes after it. */
int sort_compare(const void *a, size_t a_len, const void *b, size_t b_len);

/* Sorts n codes by the bytes of their values. 0 or -ENOMEM. */
int sort_values(const struct intern_table *t, uint32_t *code, uint32_t n);

#endif
