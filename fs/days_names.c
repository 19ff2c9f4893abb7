/*
 * The file names of a day's events, and their order.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/days_private.h"

/* ---- names ---- */

struct value days_event(const struct segment *s, uint32_t row)
{
	uint32_t code = segment_row_code(s, FACET_EVENT, row);

	if (code == SEGMENT_NO_CODE)
		return (struct value){0};
	return segment_value(s, FACET_EVENT, code);
}

size_t day_stem(const struct day *d, struct place at, char *out)
{
	const struct segment *s = day_segment(d, at);
	char spelled[36];
	struct value id = segment_row_id(s, at.row, spelled);

	return name_of_event(segment_row_second(s, at.row), days_event(s, at.row), id,
		id.p ? 0 : segment_row_hash(s, at.row), out);
}

static uint32_t find_clash(const struct day *d, struct place at)
{
	uint32_t lo = 0, hi = d->n_clashes;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int order = place_order(d->clash[mid].at, at);

		if (!order)
			return d->clash[mid].number;
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 1;
}

uint32_t day_clash(const struct day *d, struct place at)
{
	pthread_mutex_t *lock = &((struct day *)d)->lock;
	uint32_t number;

	if (!__atomic_load_n(&d->n_clashes, __ATOMIC_RELAXED))
		return 1;
	if (__atomic_load_n(&d->whole, __ATOMIC_ACQUIRE))
		return find_clash(d, at);
	pthread_mutex_lock(lock);
	number = find_clash(d, at);
	pthread_mutex_unlock(lock);
	return number;
}

int day_numbered(struct day *d, const char *stem, struct place **ret, size_t *ret_n)
{
	char is[NAME_STEM_MAX + 1];
	struct place *at;
	size_t n = 0;

	pthread_mutex_lock(&d->lock);
	at = malloc((d->n_clashes + 1u) * sizeof(*at));
	for (uint32_t i = 0; at && i < d->n_clashes; i++) {
		day_stem(d, d->clash[i].at, is);
		if (!strcmp(is, stem))
			at[n++] = d->clash[i].at;
	}
	pthread_mutex_unlock(&d->lock);
	if (!at)
		return -ENOMEM;
	*ret = at;
	*ret_n = n;
	return 0;
}

size_t day_name(const struct day *d, struct place at, char *out)
{
	size_t len = day_stem(d, at, out);
	uint32_t clash = day_clash(d, at);

	if (clash > 1)
		len += (size_t)snprintf(out + len, DAY_NAME_MAX + 1 - len, "~%u", clash);
	memcpy(out + len, ".json", 6);
	return len + 5;
}

bool days_plain_name(struct value v)
{
	if (!v.p || !v.len || v.len > DAYS_PLAIN_MAX)
		return false;
	for (uint32_t i = 0; i < v.len; i++) {
		char c = v.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9'))
			return false;
	}
	return true;
}

/* ---- by second ---- */

static bool is_sorted(const struct timed *x, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (x[i - 1].second > x[i].second)
			return false;
	return true;
}

static int by_second(const void *a, const void *b)
{
	const struct timed *x = a, *y = b;

	if (x->second != y->second)
		return x->second < y->second ? -1 : 1;
	return place_order(x->at, y->at);
}

/* Counts, and puts each row in its place. */
static int count_seconds(struct timed *x, size_t n)
{
	uint32_t *end = calloc(DAYS_SECONDS + 1, sizeof(*end));
	struct timed *copy = malloc(n * sizeof(*copy));
	int err = end && copy ? 0 : -ENOMEM;

	if (!err) {
		memcpy(copy, x, n * sizeof(*copy));
		for (size_t i = 0; i < n; i++)
			end[copy[i].second + 1]++;
		for (uint32_t s = 1; s <= DAYS_SECONDS; s++)
			end[s] += end[s - 1];
		for (size_t i = 0; i < n; i++)
			x[end[copy[i].second]++] = copy[i];
	}
	free(end);
	free(copy);
	return err;
}

int days_sort_seconds(struct timed *x, size_t n)
{
	if (is_sorted(x, n))
		return 0;
	if (n >= DAYS_SECONDS / 16)
		return count_seconds(x, n);
	qsort(x, n, sizeof(*x), by_second);
	return 0;
}

/* ---- by name ---- */

/* A row among those of its second. Where all of these have plain names and GUIDs and no number, these stand
 * for the file names; else the names are spelled out. */
struct named {
	struct place at;
	struct value event;
	const uint8_t *guid;
	char *name;
};

static int by_parts(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	uint32_t len = x->event.len < y->event.len ? x->event.len : y->event.len;
	int order = memcmp(x->event.p, y->event.p, len);

	if (order)
		return order;
	/* The shorter one goes on with "_", which is between 'Z' and 'a'. */
	if (x->event.len < y->event.len)
		return '_' - y->event.p[len];
	if (x->event.len > y->event.len)
		return x->event.p[len] - '_';
	return memcmp(x->guid, y->guid, 16);
}

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void sort_named(struct named *x, size_t n, int (*order)(const void *a, const void *b))
{
	if (n > DAYS_INSERT_MAX) {
		qsort(x, n, sizeof(*x), order);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		struct named moved = x[i];
		size_t k = i;

		for (; k && order(&x[k - 1], &moved) > 0; k--)
			x[k] = x[k - 1];
		x[k] = moved;
	}
}

static bool in_parts(const struct day *d, struct named *x, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct slice *s = &d->slice[x[i].at.slice];

		x[i].guid = segment_row_guid(s->part->seg, x[i].at.row);
		x[i].event = days_event(s->part->seg, x[i].at.row);
		if (!x[i].guid || !x[i].event.p || !(s->plain_names || days_plain_name(x[i].event)) ||
			day_clash(d, x[i].at) > 1)
			return false;
	}
	return true;
}

static int spell_names(const struct day *d, struct named *x, size_t n)
{
	char name[DAY_NAME_MAX + 1];

	for (size_t i = 0; i < n; i++)
		x[i].name = NULL;
	for (size_t i = 0; i < n; i++) {
		day_name(d, x[i].at, name);
		x[i].name = strdup(name);
		if (!x[i].name)
			return -ENOMEM;
	}
	return 0;
}

/* Those of one second. */
static int sort_second(const struct day *d, struct named *x, size_t n)
{
	int err;

	if (in_parts(d, x, n)) {
		sort_named(x, n, by_parts);
		return 0;
	}
	err = spell_names(d, x, n);
	if (!err)
		sort_named(x, n, by_name);
	for (size_t i = 0; i < n; i++)
		free(x[i].name);
	return err;
}

/* Writes the rows of one second to at, in order. */
static int write_second(const struct day *d, const struct timed *x, size_t n, struct place *at)
{
	struct named few[DAYS_INSERT_MAX], *named = n > DAYS_INSERT_MAX ? malloc(n * sizeof(*named)) : few;
	int err = named ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !err; i++)
		named[i].at = x[i].at;
	if (!err && n > 1)
		err = sort_second(d, named, n);
	for (size_t i = 0; i < n && !err; i++)
		at[i] = named[i].at;
	if (named != few)
		free(named);
	return err;
}

int day_sort(const struct day *d, struct place *at, size_t n)
{
	struct timed *x = malloc((n ? n : 1) * sizeof(*x));
	int err = x ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !err; i++)
		x[i] = (struct timed){at[i], segment_row_second(day_segment(d, at[i]), at[i].row)};
	if (!err)
		err = days_sort_seconds(x, n);
	for (size_t i = 0, m; i < n && !err; i += m) {
		m = same_second(x + i, n - i);
		err = write_second(d, x + i, m, at + i);
	}
	free(x);
	return err;
}
