/*
 * Counting values.
 */
#include "fs/rollup_tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "fs/store/keymap.h"

#define DAY_SECONDS 86400

/* Of each code, how many rows and when the first of them was. */
struct seen {
	int64_t first;
	uint32_t n;
};

struct tally_part {
	struct part *part;
	struct seen *seen;
	uint32_t only;
};

static int by_part(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct tally_part *)a)->part;
	uintptr_t y = (uintptr_t)((const struct tally_part *)b)->part;

	return x < y ? -1 : x > y;
}

int tally_begin(struct tally *t, const struct snapshot *s, enum facet f)
{
	*t = (struct tally){.facet = f, .only_facet = FACET_COUNT};
	t->part = calloc(s->n + 1, sizeof(*t->part));
	if (!t->part)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++)
		t->part[t->n_parts++].part = s->part[i];
	qsort(t->part, t->n_parts, sizeof(*t->part), by_part);
	return 0;
}

/* ---- codes of parts ---- */

static int find_part(struct tally *t, struct part *part, struct tally_part **ret)
{
	struct tally_part key = {.part = part}, *at;

	at = bsearch(&key, t->part, t->n_parts, sizeof(key), by_part);
	if (!at)
		return -ESTALE;
	*ret = at;
	if (at->seen)
		return 0;
	at->seen = calloc(segment_values(part->seg, t->facet) + 1u, sizeof(*at->seen));
	if (t->only_facet != FACET_COUNT)
		at->only = segment_find_value(part->seg, t->only_facet, t->only);
	return at->seen ? 0 : -ENOMEM;
}

static void count(struct seen *x, int32_t day, const struct segment *s, uint32_t row)
{
	if (!x->n++)
		x->first = day == SEGMENT_UNDATED ? EVENT_UNDATED
						  : (int64_t)day * DAY_SECONDS + segment_row_second(s, row);
}

static int count_resources(struct tally *t, const struct tally_part *p, int32_t day, uint32_t row)
{
	const struct segment *s = p->part->seg;
	uint32_t n = segment_row_resources(s, row, t->codes, t->room);

	if (n > t->room) {
		free(t->codes);
		t->codes = malloc(n * sizeof(*t->codes));
		t->room = t->codes ? n : 0;
		if (!t->codes)
			return -ENOMEM;
		segment_row_resources(s, row, t->codes, n);
	}
	for (uint32_t i = 0; i < n; i++)
		count(&p->seen[t->codes[i]], day, s, row);
	return 0;
}

static int count_row(struct tally *t, const struct tally_part *p, int32_t day, uint32_t row)
{
	const struct segment *s = p->part->seg;
	uint32_t code;

	if (t->only_facet != FACET_COUNT &&
		(p->only == SEGMENT_NO_CODE || !segment_row_has(s, t->only_facet, row, p->only)))
		return 0;
	if (t->facet == FACET_RESOURCE)
		return count_resources(t, p, day, row);
	code = segment_row_code(s, t->facet, row);
	if (code != SEGMENT_NO_CODE)
		count(&p->seen[code], day, s, row);
	return 0;
}

int tally_rows(struct tally *t, const struct view_rows *rows)
{
	struct tally_part *p = NULL;
	uint32_t slice = 0;
	int err = 0;

	for (size_t i = 0; i < rows->n && !err; i++) {
		if (!p || rows->at[i].slice != slice) {
			slice = rows->at[i].slice;
			err = find_part(t, rows->day->slice[slice].part, &p);
		}
		if (!err)
			err = count_row(t, p, rows->day->day, rows->at[i].row);
	}
	return err;
}

/* ---- values ---- */

static int64_t earlier(int64_t a, int64_t b)
{
	return a == EVENT_UNDATED || (b != EVENT_UNDATED && b < a) ? b : a;
}

static int add_value(struct tally *t, struct keymap *map, struct value v, const struct seen *seen)
{
	uint64_t hash = XXH3_64bits(v.p, v.len), item;
	size_t at = 0;

	while ((item = keymap_next(map, hash, &at)) != KEYMAP_NONE) {
		struct tally_value *x = &t->value[item];

		if (x->value.len == v.len && !memcmp(x->value.p, v.p, v.len)) {
			x->n += seen->n;
			x->first = earlier(x->first, seen->first);
			return 0;
		}
	}
	if (!(t->n & (t->n - 1))) {
		struct tally_value *more = reallocarray(t->value, t->n ? t->n * 2 : 1, sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->value = more;
	}
	if (t->n == UINT32_MAX || keymap_put(map, hash, (uint32_t)t->n))
		return -ENOMEM;
	t->value[t->n++] = (struct tally_value){v, seen->n, seen->first};
	return 0;
}

int tally_end(struct tally *t)
{
	struct keymap map = {0};
	int err = 0;

	for (size_t i = 0; i < t->n_parts && !err; i++) {
		const struct segment *s = t->part[i].part->seg;
		const struct seen *seen = t->part[i].seen;

		for (uint32_t code = 0; seen && !err && code < segment_values(s, t->facet); code++)
			if (seen[code].n)
				err = add_value(t, &map, segment_value(s, t->facet, code), &seen[code]);
	}
	keymap_clear(&map);
	return err;
}

void tally_clear(struct tally *t)
{
	for (size_t i = 0; i < t->n_parts; i++)
		free(t->part[i].seen);
	free(t->part);
	free(t->codes);
	free(t->value);
	*t = (struct tally){0};
}

static bool is_before(const struct tally_value *a, const struct tally_value *b)
{
	uint32_t len = a->value.len < b->value.len ? a->value.len : b->value.len;
	int order;

	if (a->n != b->n)
		return a->n > b->n;
	order = memcmp(a->value.p, b->value.p, len);
	return order ? order < 0 : a->value.len < b->value.len;
}

size_t tally_top(struct tally *t, size_t max)
{
	for (size_t i = 1; i < t->n; i++) {
		struct tally_value x = t->value[i];
		size_t at = i < max ? i : max;

		/* What is pushed out goes where the new one was. */
		if (at == max && !is_before(&x, &t->value[max - 1]))
			continue;
		if (at == max)
			t->value[i] = t->value[--at];
		for (; at && is_before(&x, &t->value[at - 1]); at--)
			t->value[at] = t->value[at - 1];
		t->value[at] = x;
	}
	return t->n < max ? t->n : max;
}
