/*
 * Questions to the columns: which values, which days, which rows, under a filter. A filter is a set of terms:
 * facet = value, or a range of time; 0 is the filter that all events pass. Filters are interned: one id for
 * the life of the mount for the same terms in the same order. Not in any order, nor for equal ranges that are
 * called otherwise: the ids become directories, and to the kernel a directory has one place only.
 *
 * Of a facet that an event has once, two values leave nothing.
 *
 * Nothing here waits: whether the answer is complete yet is the caller's to ask (catalog_pending()).
 * -EUCLEAN: a segment turned out to be damaged (catalog_distrust()). Thread-safe.
 */
#ifndef FS_VIEW_H
#define FS_VIEW_H

#include "fs/days.h"
#include "render/range.h"

#define VIEW_ALL            0u
#define VIEW_FILTERS_MAX    (1u << 26)
#define VIEW_TERMS_MAX      32
#define VIEW_ROWS_BYTES_MAX (64u << 20)

struct view;
struct view *view_new(struct days *days);
void view_free(struct view *v);
/* Keeps at most so many bytes of listings, where that is less than VIEW_ROWS_BYTES_MAX; before it is used. */
void view_hold(struct view *v, size_t max);

/* The filter `base` and facet = value. 0, -ENOMEM, -ENOSPC (too many), -ENAMETOOLONG (too deep). Interning
 * does not look whether such events exist. */
int view_filter(struct view *v, uint32_t base, enum facet f, struct value value, uint32_t *ret);
/* The filter `base` and a range, which `name` says. Undated events are in no range but RANGE_ALL, which
 * leaves everything, and VIEW_UNDATED, which leaves nothing else. */
int view_filter_range(struct view *v, uint32_t base, const char *name, const struct range *r, uint32_t *ret);
#define VIEW_UNDATED ((struct range){EVENT_UNDATED, EVENT_UNDATED, -1})
/* Whether an id was ever given. */
bool view_filter_known(struct view *v, uint32_t filter);
/* Whether no term fits below. */
bool view_full(struct view *v, uint32_t filter);
/* The last term of a filter (not VIEW_ALL), and what it narrows. Of a range the facet is FACET_COUNT and the
 * value its name. The value is borrowed for the life of the view. */
uint32_t view_filter_last(struct view *v, uint32_t filter, enum facet *ret_facet, struct value *ret_value);

/* Which days a filter's ranges leave, now. */
struct view_span {
	int32_t first, last; /* first > last: none */
	bool undated;        /* undated events may pass */
};
struct view_span view_span(struct view *v, uint32_t filter);
/* From which second on they leave events, now; RANGE_ALL.from: there is no such end. */
int64_t view_from(struct view *v, uint32_t filter);
/* Whether what passes a filter changes with the clock. */
bool view_moves(struct view *v, uint32_t filter);

/* Calls visit for VIEW_ALL and each other filter with an id that a row passes; for those that move, whether
 * or not it does now. */
void view_each_filter(struct view *v, const struct segment *s, uint32_t row, int32_t day,
	void (*visit)(void *arg, uint32_t filter), void *arg);

/* A value in a facet's directory. */
struct view_value {
	struct value value; /* borrowed from the snapshot */
	int64_t newest;     /* seconds, or EVENT_UNDATED */
};

/* The values of a facet under a filter, sorted by bytes; *ret is new, *ret_n of them. 0 or -ENOMEM. */
int view_values(struct view *v, const struct snapshot *s, uint32_t filter, enum facet f,
	struct view_value **ret, size_t *ret_n);
/* The value with such a file name: -ENOENT where no shown event under the filter has it. A value that occurs
 * there but for another one of the same facet is found all the same. */
int view_find_value(struct view *v, const struct snapshot *s, uint32_t filter, enum facet f, const char *name,
	size_t len, struct view_value *ret);
/* The newest event under a filter that has the facet: seconds, or EVENT_UNDATED. */
int view_facet_newest(struct view *v, const struct snapshot *s, uint32_t filter, enum facet f, int64_t *ret);

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

/* The event with such an eventID, as the name of a value; without one, 16 hex digits of its hash. Of several
 * the first by day (undated last) and name. *ret_day is ref'd. -ENOENT, -ENOMEM. */
int view_find_id(struct view *v, const struct snapshot *s, const char *name, size_t len, struct day **ret_day,
	struct place *ret);

/* The file name of a shown row, ".json" included; out has room for NAME_LEN_MAX + 1. Returns its length. */
size_t view_name(const struct day *d, struct place at, char *out);

#endif
