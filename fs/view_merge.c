/*
 * Sorted runs of values become one. Runs are merged two and two as a binary counter adds up, so each value is
 * moved a logarithmic number of times.
 *
 * What costs is to compare, as the values lie scattered in as many segments as there are runs. So each takes
 * its first bytes along as numbers, which are mostly all that is looked at.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/view_private.h"

#define KEY_BYTES 16

struct keyed {
	uint64_t high, low; /* the first bytes, filled up with zeros */
	struct view_value is;
};

static struct keyed keyed(struct view_value is)
{
	uint64_t key[2] = {0};
	uint32_t len = is.value.len;

	memcpy(key, is.value.p, len < KEY_BYTES ? len : KEY_BYTES);
	return (struct keyed){be64toh(key[0]), be64toh(key[1]), is};
}

static int keyed_order(const struct keyed *a, const struct keyed *b)
{
	bool apart = a->high != b->high;
	uint64_t x = apart ? a->high : a->low, y = apart ? b->high : b->low;

	if (x != y)
		return x < y ? -1 : 1;
	if (a->is.value.len == b->is.value.len && a->is.value.len <= KEY_BYTES)
		return 0;
	return view_value_order(a->is.value, b->is.value);
}

/* Merges n and m values into out, the m being at out + n. Equal ones become one. Returns how many. */
static size_t merge(const struct keyed *a, size_t n, size_t m, struct keyed *out)
{
	const struct keyed *b = out + n;
	size_t i = 0, j = 0, k = 0;

	while (i < n && j < m) {
		int order = keyed_order(&a[i], &b[j]);
		int64_t newest = order ? INT64_MIN : b[j].is.newest;

		out[k] = order <= 0 ? a[i] : b[j];
		if (newest > out[k].is.newest)
			out[k].is.newest = newest;
		i += order <= 0;
		j += order >= 0;
		k++;
	}
	memcpy(out + k, a + i, (n - i) * sizeof(*a));
	k += n - i;
	memmove(out + k, b + j, (m - j) * sizeof(*b));
	return k + (m - j);
}

/* The last two runs. */
static int merge_last(struct view_merge *g)
{
	struct view_run *a = &g->run[g->n_runs - 2], *b = a + 1;
	size_t of_a = a->n * sizeof(struct keyed), of_b = b->n * sizeof(struct keyed);
	struct keyed *at = (struct keyed *)(void *)(g->all.data + g->all.len - of_b - of_a), *copy;
	size_t merged;

	g->spare.len = 0;
	copy = arena_add(&g->spare, of_a);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, at, of_a);
	merged = merge(copy, a->n, b->n, at);
	g->all.len -= (a->n + b->n - merged) * sizeof(*at);
	a->n = merged;
	a->of += b->of;
	g->n_runs--;
	return 0;
}

int view_merge_add(struct view_merge *g, const struct view_value *x, size_t n)
{
	struct keyed *at = n ? arena_add(&g->all, n * sizeof(*at)) : NULL;
	int err = 0;

	if (!n)
		return 0;
	if (!at)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		at[i] = keyed(x[i]);
	g->run[g->n_runs++] = (struct view_run){n, 1};
	while (!err && g->n_runs > 1 && g->run[g->n_runs - 1].of == g->run[g->n_runs - 2].of)
		err = merge_last(g);
	return err;
}

int view_merge_end(struct view_merge *g, struct view_value **ret, size_t *ret_n)
{
	const struct keyed *all;
	struct view_value *x;
	int err = 0;
	size_t n;

	while (!err && g->n_runs > 1)
		err = merge_last(g);
	all = (const struct keyed *)(const void *)g->all.data;
	n = g->all.len / sizeof(*all);
	x = err ? NULL : malloc((n + 1) * sizeof(*x));
	if (!x)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		x[i] = all[i].is;
	*ret = x;
	*ret_n = n;
	return 0;
}

void view_merge_clear(struct view_merge *g)
{
	arena_clear(&g->all);
	arena_clear(&g->spare);
}
