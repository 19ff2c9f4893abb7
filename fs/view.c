/*
 * Filters. What questions under a filter share is in view_terms.c, values are in view_values.c, days and rows
 * in view_rows.c, names in view_names.c.
 *
 * A question goes over the parts of a snapshot: a part whose dictionary lacks a value is passed over, in the
 * others the codes of the days concerned are scanned, of the first and last day of a range only the rows
 * inside.
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
#include <time.h>
#include <xxhash.h>

#include "fs/view_private.h"

#define FILTER_CHUNK 1024u

/* ---- filters ---- */

struct filter *view_filter_at(struct view *v, uint32_t id)
{
	return &v->chunk[id / FILTER_CHUNK][id % FILTER_CHUNK];
}

static uint64_t filter_hash(uint32_t base, enum facet f, struct value value)
{
	return XXH3_64bits_withSeed(value.p, value.len, (uint64_t)base << 8 | (unsigned)f);
}

uint32_t view_child(struct view *v, uint32_t base, enum facet f, struct value value)
{
	uint64_t id, hash = filter_hash(base, f, value);
	size_t at = 0;

	while ((id = keymap_next(&v->by_hash, hash, &at)) != KEYMAP_NONE) {
		struct filter *x = view_filter_at(v, (uint32_t)id);

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

static int add_filter(struct view *v, struct filter new, uint32_t *ret)
{
	struct filter *base = view_filter_at(v, new.base);
	uint64_t hash = filter_hash(new.base, new.facet, new.value);
	char *copy;

	if (base->terms == VIEW_TERMS_MAX)
		return -ENAMETOOLONG;
	if (v->n_filters == VIEW_FILTERS_MAX)
		return -ENOSPC;
	copy = malloc(new.value.len + 1u);
	if (!copy || grow_filters(v) || keymap_put(&v->by_hash, hash, v->n_filters)) {
		free(copy);
		return -ENOMEM;
	}
	memcpy(copy, new.value.p, new.value.len);
	new.value.p = copy;
	new.terms = base->terms + 1;
	new.moves = base->moves || new.range.age >= 0;
	if (new.facet == FACET_COUNT) {
		new.other = base->ranges;
		base->ranges = v->n_filters;
	}
	*view_filter_at(v, v->n_filters) = new;
	*ret = v->n_filters++;
	return 0;
}

static int intern(struct view *v, struct filter x, uint32_t *ret)
{
	int err = 0;
	uint32_t id;

	pthread_mutex_lock(&v->lock);
	id = view_child(v, x.base, x.facet, x.value);
	if (id == VIEW_ALL)
		err = add_filter(v, x, &id);
	pthread_mutex_unlock(&v->lock);
	if (!err)
		*ret = id;
	return err;
}

int view_filter(struct view *v, uint32_t base, enum facet f, struct value value, uint32_t *ret)
{
	return intern(v, (struct filter){.base = base, .facet = f, .value = value, .range = RANGE_ALL}, ret);
}

int view_filter_range(struct view *v, uint32_t base, const char *name, const struct range *r, uint32_t *ret)
{
	struct value text = {name, (uint32_t)strlen(name)};

	return intern(
		v, (struct filter){.base = base, .facet = FACET_COUNT, .value = text, .range = *r}, ret);
}

uint32_t view_filter_last(struct view *v, uint32_t filter, enum facet *ret_facet, struct value *ret_value)
{
	struct filter x;

	pthread_mutex_lock(&v->lock);
	x = *view_filter_at(v, filter);
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

bool view_full(struct view *v, uint32_t filter)
{
	bool full;

	pthread_mutex_lock(&v->lock);
	full = view_filter_at(v, filter)->terms == VIEW_TERMS_MAX;
	pthread_mutex_unlock(&v->lock);
	return full;
}

bool view_moves(struct view *v, uint32_t filter)
{
	bool moves;

	pthread_mutex_lock(&v->lock);
	moves = view_filter_at(v, filter)->moves;
	pthread_mutex_unlock(&v->lock);
	return moves;
}

/* ---- life ---- */

static int64_t clock_now(void)
{
	return time(NULL);
}

struct view *view_new(struct days *days)
{
	struct view *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->days = days;
	v->now = clock_now;
	v->kept_max = VIEW_ROWS_BYTES_MAX;
	pthread_mutex_init(&v->lock, NULL);
	if (grow_filters(v)) {
		view_free(v);
		return NULL;
	}
	v->n_filters = 1;
	return v;
}

void view_hold(struct view *v, size_t max)
{
	if (max < v->kept_max)
		v->kept_max = max;
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
		free((char *)view_filter_at(v, i)->value.p);
	for (uint32_t i = 0; i < v->n_chunks; i++)
		free(v->chunk[i]);
	free(v->chunk);
	keymap_clear(&v->by_hash);
	pthread_mutex_destroy(&v->lock);
	free(v);
}
