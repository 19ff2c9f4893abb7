/*
 * What view.c (filters), view_values.c (values) and view_rows.c (days, rows, names) share.
 */
#ifndef FS_VIEW_PRIVATE_H
#define FS_VIEW_PRIVATE_H

#include <pthread.h>

#include "fs/store/keymap.h"
#include "fs/view.h"

#define VIEW_DAY_SECONDS 86400
#define VIEW_TERMS_MAX   32
#define VIEW_ROWS_KEPT   128  /* listings */
#define VIEW_DAYS_KEPT   256u /* lists of days */

struct filter {
	uint32_t base;
	enum facet facet;
	struct value value; /* ours */
	unsigned terms;     /* of it and all that it narrows */
};

struct kept_rows {
	uint32_t filter;
	uint64_t used; /* when, in questions */
	struct view_rows *rows;
};

struct kept_days {
	uint32_t filter;
	uint64_t generation; /* of the snapshot asked; 0: none */
	struct view_days *days;
};

struct view {
	struct days *days;
	pthread_mutex_t lock;
	struct filter **chunk;
	uint32_t n_chunks;
	uint32_t n_filters; /* VIEW_ALL counts */
	struct keymap by_hash;
	struct kept_rows kept[VIEW_ROWS_KEPT];
	struct kept_days kept_days[VIEW_DAYS_KEPT]; /* by filter % VIEW_DAYS_KEPT */
	uint64_t uses;
	size_t kept_bytes;
};

/* A filter, spelled out. */
struct terms {
	size_t n;
	struct filter at[VIEW_TERMS_MAX];
	bool by_account;
};

void view_spell_out(struct view *v, uint32_t filter, struct terms *ret);
/* The terms as codes of one segment. False: no row of it can pass. */
bool view_codes(const struct terms *t, const struct segment *s, uint32_t *code);
/* Whether a row has the codes from the from-th on. */
bool view_row_passes(
	const struct terms *t, const struct segment *s, const uint32_t *code, size_t from, uint32_t row);
/* The rows of [first, end) that pass, to out (room for all). Returns how many. */
uint32_t view_select(const struct terms *t, const struct segment *s, const uint32_t *code, uint32_t first,
	uint32_t end, uint32_t *out);
/* When a row's event was: seconds since 1970, or EVENT_UNDATED. */
int64_t view_row_time(const struct segment *s, int32_t day, uint32_t row);
/* A day's slice of a part, or NULL. */
const struct slice *view_slice(const struct day *d, const struct part *p);

#endif
