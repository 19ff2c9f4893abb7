/*
 * Questions to the columns: which values, which days, which rows, under a filter. A filter is a set of
 * (facet, value) pairs; 0 is the filter that all events pass. Filters are interned: equal ones have one id,
 * for the life of the mount.
 *
 * Nothing here waits: whether the answer is complete yet is the caller's to ask (catalog_pending()).
 * -EBADMSG: a segment turned out to be damaged (catalog_distrust()). Thread-safe.
 */
#ifndef FS_VIEW_H
#define FS_VIEW_H

#include "fs/days.h"

#define VIEW_ALL         0u
#define VIEW_FILTERS_MAX (1u << 26)

struct view;
struct view *view_new(struct days *days);
void view_free(struct view *v);

/* The filter `base` and facet = value. 0, -ENOMEM, -ENOSPC (too many). Interning does not look whether such
 * events exist. */
int view_filter(struct view *v, uint32_t base, enum facet f, struct value value, uint32_t *ret);
/* Whether an id was ever given. */
bool view_filter_known(struct view *v, uint32_t filter);
/* The last pair of a filter (not VIEW_ALL), and what it narrows. The value is borrowed for the life of the
 * view. */
uint32_t view_filter_last(struct view *v, uint32_t filter, enum facet *ret_facet, struct value *ret_value);

/* A value in a facet's directory. */
struct view_value {
	struct value value; /* borrowed from the snapshot */
	int64_t newest;     /* seconds, or EVENT_UNDATED */
};

/* The values under VIEW_ALL of a facet, sorted by bytes; *ret is new, *ret_n of them. 0 or -ENOMEM. */
int view_values(
	struct view *v, const struct snapshot *s, enum facet f, struct view_value **ret, size_t *ret_n);
/* The value with such a file name: -ENOENT where no shown event has it. */
int view_find_value(struct view *v, const struct snapshot *s, enum facet f, const char *name, size_t len,
	struct view_value *ret);

/* The event days under a filter: counted, immutable, ascending (SEGMENT_UNDATED first). */
struct view_day {
	int32_t day;
	uint32_t newest; /* second of the day of its newest event */
};
struct view_days {
	unsigned refs;
	size_t n;
	struct view_day day[];
};
int view_days(struct view *v, const struct snapshot *s, uint32_t filter, struct view_days **ret);
void view_days_unref(struct view_days *d);

/* The rows of one event day under a filter, in the order of their file names: counted, immutable. */
struct view_rows {
	unsigned refs;
	struct day *day;
	size_t n;
	struct place at[];
};
int view_rows(struct view *v, const struct snapshot *s, uint32_t filter, int32_t day, struct view_rows **ret);
struct view_rows *view_rows_ref(struct view_rows *r);
void view_rows_unref(struct view_rows *r);

/* The event of a day with such a file name, under a filter, without listing: *ret_day is ref'd. -ENOENT,
 * -ENOMEM. */
int view_find(struct view *v, const struct snapshot *s, uint32_t filter, int32_t day, const char *name,
	size_t len, struct day **ret_day, struct place *ret);

/* The file name of a shown row, ".json" included; out has room for NAME_LEN_MAX + 1. Returns its length. */
size_t view_name(const struct day *d, struct place at, char *out);

#endif
