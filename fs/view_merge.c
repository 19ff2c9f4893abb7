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
#include <sys/mman.h>

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

/* Of the system, not of malloc(), which would keep some of so much for each thread that has listed values. */
static int make_room(struct keyed **x, size_t *room, size_t n)
{
	size_t more = n + n / 2;
	void *is;

	if (n <= *room)
		return 0;
	if (*x)
		is = mremap(*x, *room * sizeof(**x), more * sizeof(**x), MREMAP_MAYMOVE);
	else
		is = mmap(
			NULL, more * sizeof(**x), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (is == MAP_FAILED)
		return -ENOMEM;
	*x = is;
	*room = more;
	return 0;
}

static void give_back(struct keyed *x, size_t room)
{
	if (x)
		munmap(x, room * sizeof(*x));
}

/* The last two runs. */
static int merge_last(struct view_merge *g)
{
	struct view_run *a = &g->run[g->n_runs - 2], *b = a + 1;
	struct keyed *at = g->all + (g->n - a->n - b->n);
	size_t merged;

	if (make_room(&g->spare, &g->spare_room, a->n))
		return -ENOMEM;
	memcpy(g->spare, at, a->n * sizeof(*at));
	merged = merge(g->spare, a->n, b->n, at);
	g->n -= a->n + b->n - merged;
	a->n = merged;
	a->of += b->of;
	g->n_runs--;
	return 0;
}

int view_merge_add(struct view_merge *g, const struct view_value *x, size_t n)
{
	int err = 0;

	if (!n)
		return 0;
	if (make_room(&g->all, &g->room, g->n + n))
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		g->all[g->n + i] = keyed(x[i]);
	g->n += n;
	g->run[g->n_runs++] = (struct view_run){n, 1};
	while (!err && g->n_runs > 1 && g->run[g->n_runs - 1].of == g->run[g->n_runs - 2].of)
		err = merge_last(g);
	return err;
}

int view_merge_end(struct view_merge *g, struct view_value **ret, size_t *ret_n)
{
	struct view_value *x;
	int err = 0;

	while (!err && g->n_runs > 1)
		err = merge_last(g);
	x = err ? NULL : malloc((g->n + 1) * sizeof(*x));
	if (!x)
		return -ENOMEM;
	for (size_t i = 0; i < g->n; i++)
		x[i] = g->all[i].is;
	*ret = x;
	*ret_n = g->n;
	return 0;
}

void view_merge_clear(struct view_merge *g)
{
	give_back(g->all, g->room);
	give_back(g->spare, g->spare_room);
}
