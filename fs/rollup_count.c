/*
 * Rollups that are numbers: how many events, and how many of each value.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "fs/rollup_private.h"
#include "fs/store/keymap.h"
#include "render/name.h"

/* How often a part's rows have each code. */
struct part_counts {
	struct part *part;
	uint32_t *n;
};

struct tally {
	struct value value; /* borrowed from the plan's snapshot */
	uint64_t n;
	uint32_t name; /* in the names */
};

struct counting {
	enum facet facet;
	size_t n_parts;
	struct part_counts *part; /* sorted by address */
	uint32_t *codes;
	uint32_t room;
	struct tally *tally;
	size_t n;
	struct buf names;
};

static int by_part(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct part_counts *)a)->part;
	uintptr_t y = (uintptr_t)((const struct part_counts *)b)->part;

	return x < y ? -1 : x > y;
}

/* ---- codes of parts ---- */

static int begin(struct counting *x, const struct snapshot *s)
{
	x->part = calloc(s->n + 1, sizeof(*x->part));
	if (!x->part)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++)
		x->part[x->n_parts++].part = s->part[i];
	qsort(x->part, x->n_parts, sizeof(*x->part), by_part);
	return 0;
}

static int counts_of(struct counting *x, struct part *part, uint32_t **ret)
{
	struct part_counts key = {.part = part}, *at;

	at = bsearch(&key, x->part, x->n_parts, sizeof(key), by_part);
	if (!at)
		return -ESTALE;
	if (!at->n)
		at->n = calloc(segment_values(part->seg, x->facet) + 1u, sizeof(*at->n));
	*ret = at->n;
	return at->n ? 0 : -ENOMEM;
}

static int count_resources(struct counting *x, const struct segment *s, uint32_t row, uint32_t *counts)
{
	uint32_t n = segment_row_resources(s, row, x->codes, x->room);

	if (n > x->room) {
		free(x->codes);
		x->codes = malloc(n * sizeof(*x->codes));
		x->room = x->codes ? n : 0;
		if (!x->codes)
			return -ENOMEM;
		segment_row_resources(s, row, x->codes, n);
	}
	for (uint32_t i = 0; i < n; i++)
		counts[x->codes[i]]++;
	return 0;
}

static int count_day(struct counting *x, const struct view_rows *rows)
{
	uint32_t *counts = NULL, slice = UINT32_MAX;
	int err = 0;

	for (size_t i = 0; i < rows->n && !err; i++) {
		const struct slice *s = &rows->day->slice[rows->at[i].slice];
		uint32_t row = rows->at[i].row, code;

		if (rows->at[i].slice != slice) {
			slice = rows->at[i].slice;
			err = counts_of(x, s->part, &counts);
		}
		if (err)
			break;
		if (x->facet == FACET_RESOURCE) {
			err = count_resources(x, s->part->seg, row, counts);
			continue;
		}
		code = segment_row_code(s->part->seg, x->facet, row);
		if (code != SEGMENT_NO_CODE)
			counts[code]++;
	}
	return err;
}

/* ---- values ---- */

static int add_value(struct counting *x, struct keymap *map, struct value v, uint32_t n)
{
	uint64_t hash = XXH3_64bits(v.p, v.len), item;
	size_t at = 0;

	while ((item = keymap_next(map, hash, &at)) != KEYMAP_NONE) {
		struct tally *t = &x->tally[item];

		if (t->value.len == v.len && !memcmp(t->value.p, v.p, v.len)) {
			t->n += n;
			return 0;
		}
	}
	if (!(x->n & (x->n - 1))) {
		struct tally *more = reallocarray(x->tally, x->n ? x->n * 2 : 1, sizeof(*more));

		if (!more)
			return -ENOMEM;
		x->tally = more;
	}
	if (x->n == UINT32_MAX || keymap_put(map, hash, (uint32_t)x->n))
		return -ENOMEM;
	x->tally[x->n++] = (struct tally){v, n, 0};
	return 0;
}

static int add_values(struct counting *x)
{
	struct keymap map = {0};
	int err = 0;

	for (size_t i = 0; i < x->n_parts && !err; i++) {
		const struct segment *s = x->part[i].part->seg;

		for (uint32_t code = 0; x->part[i].n && !err && code < segment_values(s, x->facet); code++)
			if (x->part[i].n[code])
				err = add_value(
					x, &map, segment_value(s, x->facet, code), x->part[i].n[code]);
	}
	keymap_clear(&map);
	return err;
}

static int name_values(struct counting *x)
{
	char name[NAME_LEN_MAX + 1];

	for (size_t i = 0; i < x->n; i++) {
		x->tally[i].name = (uint32_t)x->names.len;
		buf_add(&x->names, name, name_of_value(x->tally[i].value, name) + 1);
		if (x->names.len > UINT32_MAX - sizeof(name))
			return -EFBIG;
	}
	return x->names.failed ? -ENOMEM : 0;
}

static int most_first(const void *a, const void *b, void *names)
{
	const struct tally *x = a, *y = b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return strcmp((const char *)names + x->name, (const char *)names + y->name);
}

static void write_values(struct counting *x, struct buf *out)
{
	if (x->n)
		qsort_r(x->tally, x->n, sizeof(*x->tally), most_first, x->names.data);
	for (size_t i = 0; i < x->n; i++)
		buf_addf(out, "%" PRIu64 "\t%s\n", x->tally[i].n, x->names.data + x->tally[i].name);
}

static void clear(struct counting *x)
{
	for (size_t i = 0; i < x->n_parts; i++)
		free(x->part[i].n);
	free(x->part);
	free(x->codes);
	free(x->tally);
	buf_clear(&x->names);
}

int count_write(struct plan *p, struct view *v, struct buf *out)
{
	struct counting x = {.facet = p->key.facet};
	int err;

	if (p->key.what == ROLLUP_COUNT) {
		buf_addf(out, "%" PRIu64 "\n", p->rows);
		return 0;
	}
	err = begin(&x, p->snapshot);
	for (size_t i = 0; i < p->n_days && !err; i++) {
		struct view_rows *rows;

		err = plan_rows(p, v, i, &rows);
		if (err)
			break;
		err = count_day(&x, rows);
		view_rows_unref(rows);
	}
	if (!err)
		err = add_values(&x);
	if (!err)
		err = name_values(&x);
	if (!err)
		write_values(&x, out);
	clear(&x);
	return err;
}
