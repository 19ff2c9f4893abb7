/*
 * What the parts of the view share: view.c (filters), view_terms.c (rows that pass), view_values.c,
 * view_merge.c, view_accounts.c, view_newest.c (values), view_rows.c (days, rows), view_names.c (names,
 * eventIDs).
 */
#ifndef FS_VIEW_PRIVATE_H
#define FS_VIEW_PRIVATE_H

#include <pthread.h>

#include "fs/store/arena.h"
#include "fs/store/keymap.h"
#include "fs/view.h"

#define VIEW_DAY_SECONDS 86400
#define VIEW_ROWS_KEPT   128  /* listings */
#define VIEW_DAYS_KEPT   256u /* lists of days */

struct filter {
	uint32_t base;
	enum facet facet;   /* FACET_COUNT: a range */
	struct value value; /* ours; of a range its name */
	struct range range;
	unsigned terms;         /* of it and all that it narrows */
	bool moves;             /* one of them is an age */
	uint32_t ranges, other; /* the newest of the ranges that narrow it; of a range, the one before it */
};

struct kept_rows {
	uint32_t filter;
	uint32_t from; /* second of the day */
	uint64_t used; /* when, in questions */
	struct view_rows *rows;
};

struct kept_days {
	uint32_t filter;
	int64_t from;
	uint64_t generation; /* of the snapshot asked; 0: none */
	struct view_days *days;
};

struct view {
	struct days *days;
	int64_t (*now)(void); /* seconds since 1970 */
	pthread_mutex_t lock;
	struct filter **chunk;
	uint32_t n_chunks;
	uint32_t n_filters; /* VIEW_ALL counts */
	struct keymap by_hash;
	struct kept_rows kept[VIEW_ROWS_KEPT];
	struct kept_days kept_days[VIEW_DAYS_KEPT]; /* by filter % VIEW_DAYS_KEPT */
	uint64_t uses;
	size_t kept_bytes, kept_max;
};

struct term {
	enum facet facet;
	struct value value;
};

/* A filter, spelled out: each facet = value once, and what all ranges leave. */
struct terms {
	size_t n;
	struct term at[VIEW_TERMS_MAX];
	int64_t from, until; /* of dated events; from > until: none */
	bool undated;        /* undated ones may pass */
	bool by_account;
};

struct filter *view_filter_at(struct view *v, uint32_t id); /* with the lock */
/* The id of a filter and one term more, or VIEW_ALL where there is none yet. With the lock. */
uint32_t view_child(struct view *v, uint32_t base, enum facet f, struct value value);

void view_spell_out(struct view *v, uint32_t filter, struct terms *ret);
/* Whether nothing can pass. */
bool view_is_never(const struct terms *t);
/* Narrows the rows of a day to those inside the ranges; false: there are none. */
bool view_clip(const struct terms *t, const struct segment *s, struct segment_day *d);
/* The seconds of a day that the ranges leave; false: none. */
bool view_clip_seconds(const struct terms *t, int32_t day, uint32_t *ret_first, uint32_t *ret_last);
/* The terms as codes of one segment. False: no row of it can pass. */
bool view_codes(const struct terms *t, const struct segment *s, uint32_t *code);
/* Whether a row has the codes from the from-th on. */
bool view_row_passes(
	const struct terms *t, const struct segment *s, const uint32_t *code, size_t from, uint32_t row);
/* The rows of [first, end) that have the codes, to out (room for all). Returns how many. */
uint32_t view_select(const struct terms *t, const struct segment *s, const uint32_t *code, uint32_t first,
	uint32_t end, uint32_t *out);
/* The first row of [first, end), of one day, that is not before the second. */
uint32_t view_row_at(const struct segment *s, uint32_t first, uint32_t end, uint32_t second);
/* The rows of a part's greatest day. */
uint32_t view_most_rows(const struct segment *s);
/* The last row of [first, end) that passes. */
bool view_before(const struct terms *t, const struct segment *s, const uint32_t *code, uint32_t first,
	uint32_t end, uint32_t *ret);
/* What a question gives back for `err` (0 and -ENOENT are answers): -EUCLEAN where a segment that was asked
 * turned out to be damaged. */
int view_trusted(const struct snapshot *s, int err);
/* The same of a question to one day. */
int view_trusted_day(const struct day *d, int err);
/* When a row's event was: seconds since 1970, or EVENT_UNDATED. */
int64_t view_row_time(const struct segment *s, int32_t day, uint32_t row);
/* A day's slice of a part, or NULL. */
const struct slice *view_slice(const struct day *d, const struct part *p);
/* Whether a row that passes is one that is shown. shown: its slice where the settled day has to be asked;
 * else NULL. */
bool view_row_counts(
	struct view *v, const struct part *p, const struct slice *shown, int32_t day, uint32_t row);

/* view_days() of terms, not kept. */
int view_make_days(struct view *v, const struct snapshot *s, const struct terms *t, struct view_days **ret);

/* view_merge.c: sorted runs of values to one, of equal values the newest event. All zero to begin with. */
struct view_run {
	size_t n, of; /* values; runs that were added */
};
struct view_merge {
	struct arena all, spare;
	struct view_run run[64]; /* each of more than the next */
	int n_runs;
};
/* 0 or -ENOMEM. What *ret points to is new. */
int view_merge_add(struct view_merge *g, const struct view_value *x, size_t n);
int view_merge_end(struct view_merge *g, struct view_value **ret, size_t *ret_n);
void view_merge_clear(struct view_merge *g);

/* A question for the values of a facet. */
struct question {
	struct view *view;
	const struct snapshot *snapshot;
	enum facet facet;
	struct terms terms;
	bool all; /* there are no terms */
};

void view_ask(struct view *v, const struct snapshot *s, uint32_t filter, enum facet f, struct question *ret);
/* The settled day, ref'd, where an account is asked for; else *ret stays. */
int view_settled_day(const struct question *q, int32_t day, struct day **ret);

#define VIEW_NO_EVENT (INT64_MIN + 1) /* sorts after EVENT_UNDATED, and no event has it */
int view_value_order(struct value a, struct value b);
/* The newest shown event of an account in its day order, or VIEW_NO_EVENT. */
int view_account_newest(struct view *v, const struct snapshot *s, struct value account, int64_t *ret_newest);
/* Leaves out of n accounts what no shown event has, and sets when the newest of the others was. */
int view_settle_accounts(struct view *v, const struct snapshot *s, struct view_value *x, size_t *n);

#endif
