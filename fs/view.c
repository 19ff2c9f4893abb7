/*
 * Filters, and what questions under a filter share. Values are in view_values.c, days, rows and names in
 * view_rows.c.
 *
 * A question goes over the parts of a snapshot: a part whose dictionary lacks the value is passed over, in
 * the others the codes of the days concerned are scanned.
 *
 * A row counts for values and days when it is live and admitted: an equal record that is shown in its place
 * has the same values, except that by-account may come from the key. Only there the settled day is asked.
 *
 * Locks: view.lock guards the filters and the cache of rows, a leaf.
 */
#include "fs/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "fs/view_private.h"

#define FILTER_CHUNK 1024u

/* ---- filters ---- */

static struct filter *filter_at(struct view *v, uint32_t id)
{
	return &v->chunk[id / FILTER_CHUNK][id % FILTER_CHUNK];
}

static uint64_t filter_hash(uint32_t base, enum facet f, struct value value)
{
	return XXH3_64bits_withSeed(value.p, value.len, (uint64_t)base << 8 | (unsigned)f);
}

/* The id, or VIEW_ALL where there is none yet. */
static uint32_t find_filter(struct view *v, uint64_t hash, uint32_t base, enum facet f, struct value value)
{
	uint64_t id;
	size_t at = 0;

	while ((id = keymap_next(&v->by_hash, hash, &at)) != KEYMAP_NONE) {
		struct filter *x = filter_at(v, (uint32_t)id);

		if (x->base == base && x->facet == f && x->value.len == value.len &&
			!memcmp(x->value.p, value.p, value.len))
			return (uint32_t)id;
	}
	return VIEW_ALL;
}

static int grow_filters(struct view *v)
{
	struct filter **more;

	if (v->n_filters < v->n_chunks * FILTER_CHUNK)
		return 0;
	more = reallocarray(v->chunk, v->n_chunks + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	v->chunk = more;
	more[v->n_chunks] = calloc(FILTER_CHUNK, sizeof(struct filter));
	if (!more[v->n_chunks])
		return -ENOMEM;
	v->n_chunks++;
	return 0;
}

static int add_filter(
	struct view *v, uint64_t hash, uint32_t base, enum facet f, struct value value, uint32_t *ret)
{
	unsigned terms = filter_at(v, base)->terms + 1;

	char *copy;

	if (v->n_filters == VIEW_FILTERS_MAX || terms > VIEW_TERMS_MAX)
		return -ENOSPC;
	copy = malloc(value.len + 1u);
	if (!copy || grow_filters(v) || keymap_put(&v->by_hash, hash, v->n_filters)) {
		free(copy);
		return -ENOMEM;
	}
	memcpy(copy, value.p, value.len);
	*filter_at(v, v->n_filters) = (struct filter){base, f, {copy, value.len}, terms};
	*ret = v->n_filters++;
	return 0;
}

int view_filter(struct view *v, uint32_t base, enum facet f, struct value value, uint32_t *ret)
{
	uint64_t hash = filter_hash(base, f, value);
	int err = 0;
	uint32_t id;

	pthread_mutex_lock(&v->lock);
	id = find_filter(v, hash, base, f, value);
	if (id == VIEW_ALL)
		err = add_filter(v, hash, base, f, value, &id);
	pthread_mutex_unlock(&v->lock);
	if (!err)
		*ret = id;
	return err;
}

uint32_t view_filter_last(struct view *v, uint32_t filter, enum facet *ret_facet, struct value *ret_value)
{
	struct filter x;

	pthread_mutex_lock(&v->lock);
	x = *filter_at(v, filter);
	pthread_mutex_unlock(&v->lock);
	*ret_facet = x.facet;
	*ret_value = x.value;
	return x.base;
}

bool view_filter_known(struct view *v, uint32_t filter)
{
	bool known;

	pthread_mutex_lock(&v->lock);
	known = filter < v->n_filters;
	pthread_mutex_unlock(&v->lock);
	return known;
}

/* ---- rows that pass ---- */

void view_spell_out(struct view *v, uint32_t filter, struct terms *ret)
{
	ret->n = 0;
	ret->by_account = false;
	while (filter != VIEW_ALL) {
		struct filter *x = &ret->at[ret->n++];

		x->base = view_filter_last(v, filter, &x->facet, &x->value);
		ret->by_account |= x->facet == FACET_ACCOUNT;
		filter = x->base;
	}
}

bool view_codes(const struct terms *t, const struct segment *s, uint32_t *code)
{
	for (size_t i = 0; i < t->n; i++) {
		code[i] = segment_find_value(s, t->at[i].facet, t->at[i].value);
		if (code[i] == SEGMENT_NO_CODE)
			return false;
	}
	return true;
}

bool view_row_passes(
	const struct terms *t, const struct segment *s, const uint32_t *code, size_t from, uint32_t row)
{
	for (size_t i = from; i < t->n; i++)
		if (!segment_row_has(s, t->at[i].facet, row, code[i]))
			return false;
	return true;
}

uint32_t view_select(const struct terms *t, const struct segment *s, const uint32_t *code, uint32_t first,
	uint32_t end, uint32_t *out)
{
	uint32_t n = 0, kept = 0;

	if (!t->n) {
		for (uint32_t row = first; row < end; row++)
			out[n++] = row;
		return n;
	}
	n = segment_select(s, t->at[0].facet, code[0], first, end, out);
	if (t->n == 1)
		return n;
	for (uint32_t i = 0; i < n; i++)
		if (view_row_passes(t, s, code, 1, out[i]))
			out[kept++] = out[i];
	return kept;
}

int64_t view_row_time(const struct segment *s, int32_t day, uint32_t row)
{
	return day == SEGMENT_UNDATED ? EVENT_UNDATED
				      : (int64_t)day * VIEW_DAY_SECONDS + segment_row_second(s, row);
}

const struct slice *view_slice(const struct day *d, const struct part *p)
{
	for (uint32_t i = 0; i < d->n_slices; i++)
		if (d->slice[i].part == p)
			return &d->slice[i];
	return NULL;
}

/* ---- life ---- */

struct view *view_new(struct days *days)
{
	struct view *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->days = days;
	pthread_mutex_init(&v->lock, NULL);
	if (grow_filters(v)) {
		view_free(v);
		return NULL;
	}
	v->n_filters = 1;
	return v;
}

void view_free(struct view *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < VIEW_ROWS_KEPT; i++)
		view_rows_unref(v->kept[i].rows);
	for (size_t i = 0; i < VIEW_DAYS_KEPT; i++)
		view_days_unref(v->kept_days[i].days);
	for (uint32_t i = 0; i < v->n_filters; i++)
		free((char *)filter_at(v, i)->value.p);
	for (uint32_t i = 0; i < v->n_chunks; i++)
		free(v->chunk[i]);
	free(v->chunk);
	keymap_clear(&v->by_hash);
	pthread_mutex_destroy(&v->lock);
	free(v);
}
