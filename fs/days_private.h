/*
 * What days.c (which days are kept), days_settle.c (which rows are shown) and days_names.c (names, and their
 * order) share.
 */
#ifndef FS_DAYS_PRIVATE_H
#define FS_DAYS_PRIVATE_H

#include "fs/days.h"

#define DAYS_SECONDS    86400
#define DAYS_PLAIN_MAX  60 /* bytes of a by-event value: a stem of one and of a GUID is never cut */
#define DAYS_INSERT_MAX 16 /* items: from here on qsort() is worth its calls */

/* A row and its second of the day. */
struct timed {
	struct place at;
	uint32_t second;
};

static inline const struct segment *day_segment(const struct day *d, struct place at)
{
	return d->slice[at.slice].part->seg;
}

static inline int place_order(struct place a, struct place b)
{
	if (a.slice != b.slice)
		return a.slice < b.slice ? -1 : 1;
	return a.row < b.row ? -1 : a.row > b.row;
}

/* How many of the n rows, which are in order, are of the second of the first. */
static inline size_t same_second(const struct timed *x, size_t n)
{
	size_t i = 1;

	while (i < n && x[i].second == x[0].second)
		i++;
	return i;
}

/* Sorts by second; rows of one second stay in the order they had. 0 or -ENOMEM. */
int days_sort_seconds(struct timed *x, size_t n);

/* Whether a by-event value is one of slice.plain_names. */
bool days_plain_name(struct value v);
/* The by-event value of a row; p == NULL: none. */
struct value days_event(const struct segment *s, uint32_t row);

#endif
