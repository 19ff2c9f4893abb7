/*
 * How many rows have each value of a facet: counted by codes in each part, the values put together at the
 * end.
 *
 * Belongs to one thread. Values are borrowed from the snapshot, which must outlive it.
 */
#ifndef FS_ROLLUP_TALLY_H
#define FS_ROLLUP_TALLY_H

#include "fs/view.h"

struct tally_value {
	struct value value;
	uint64_t n;
	int64_t first; /* its first event, or EVENT_UNDATED */
};

struct tally_part;
struct tally {
	enum facet facet;
	enum facet only_facet; /* rows that have this too, or FACET_COUNT */
	struct value only;
	size_t n_parts;
	struct tally_part *part; /* sorted by address */
	uint32_t *codes;
	uint32_t room;
	struct tally_value *value; /* once it is ended, in no order */
	size_t n;
};

/* 0 or -ENOMEM, as all of these; tally_clear() it also after a failure. */
int tally_begin(struct tally *t, const struct snapshot *s, enum facet f);
/* Adds rows; those of earlier days first, undated ones last. -ESTALE: they are of another snapshot. */
int tally_rows(struct tally *t, const struct view_rows *rows);
int tally_end(struct tally *t);
void tally_clear(struct tally *t);

/* Puts the values with most rows first, max of them; equal counts by bytes. Returns how many. */
size_t tally_top(struct tally *t, size_t max);

#endif
