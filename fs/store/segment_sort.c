/*
 * Sorting by digits, least significant first. Values are cut to eight bytes for that, taken behind what all
 * of them begin with ("arn:aws:s3:::"); those with the same eight are sorted by the next eight, and so on.
 */
#include "fs/store/segment_sort.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIGIT_BITS 11
#define DIGITS     (1u << DIGIT_BITS)
#define FEW        64 /* are sorted by comparing */
#define LEVELS     8  /* and so is what is still the same after this many times eight bytes */

/* One digit, the one from bit `shift` on. False: it is the same in all, and nothing was done. */
static bool sort_digit(const struct sort_key *from, struct sort_key *to, uint32_t n, unsigned shift)
{
	uint32_t place[DIGITS] = {0}, at = 0;
	for (uint32_t i = 0; i < n; i++)
		place[from[i].key >> shift & (DIGITS - 1)]++;
	if (place[from[0].key >> shift & (DIGITS - 1)] == n)
		return false;
	for (uint32_t d = 0; d < DIGITS; d++) {
		uint32_t here = place[d];
		place[d] = at;
		at += here;
	}
	for (uint32_t i = 0; i < n; i++)
		to[place[from[i].key >> shift & (DIGITS - 1)]++] = from[i];
	return true;
}

/* Bits from this one on are the same in all. */
static unsigned bits_that_differ(const struct sort_key *keys, uint32_t n)
{
	uint64_t differs = 0;
	for (uint32_t i = 1; i < n; i++)
		differs |= keys[i].key ^ keys[0].key;
	return differs ? 64 - (unsigned)__builtin_clzll(differs) : 0;
}

static int by_key(const void *a, const void *b)
{
	const struct sort_key *x = a, *y = b;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->item > y->item) - (x->item < y->item);
}

/* How many bytes all of these begin with, if it is `from` at least. */
static uint32_t shared_start(
	const struct intern_table *t, const struct sort_key *keys, uint32_t n, uint32_t from)
{
	const struct interned *first = interned(t, keys[0].item);
	uint32_t shared = first->len, same;
	for (uint32_t i = 1; i < n && shared > from; i++) {
		const struct interned *other = interned(t, keys[i].item);
		shared = shared < other->len ? shared : other->len;
		for (same = from; same < shared && interned_text(first)[same] == interned_text(other)[same];)
			same++;
		shared = same;
	}
	return shared > from ? shared : from;
}

/* Eight bytes of a value as a number in their order, NULs where it ends before. */
static uint64_t eight_bytes(const struct interned *v, uint32_t from)
{
	uint64_t bytes = 0;
	if (from < v->len)
		memcpy(&bytes, interned_text(v) + from,
			v->len - from < sizeof bytes ? v->len - from : sizeof bytes);
	return be64toh(bytes);
}

static int by_value(const void *a, const void *b, void *table)
{
	const struct interned *v = interned(table, ((const struct sort_key *)a)->item);
	const struct interned *w = interned(table, ((const struct sort_key *)b)->item);
	return sort_compare(interned_text(v), v->len, interned_text(w), w->len);
}

/* Sorts values that have the same first bytes, `from` of them or all they have. */
static void sort_from(const struct intern_table *t, struct sort_key *keys, struct sort_key *spare, uint32_t n,
	uint32_t from, unsigned level)
{
	if (n <= FEW || level == LEVELS) {
		qsort_r(keys, n, sizeof *keys, by_value, (void *)t);
		return;
	}
	from = shared_start(t, keys, n, from);
	for (uint32_t i = 0; i < n; i++)
		keys[i].key = eight_bytes(interned(t, keys[i].item), from);
	struct sort_key *sorted = sort_keys(keys, spare, n);
	if (sorted != keys)
		memcpy(keys, sorted, n * sizeof *keys);
	for (uint32_t i = 0, end; i < n; i = end) {
		end = sort_run(keys, i, n);
		if (end - i > 1)
			sort_from(t, keys + i, spare, end - i, from + 8, level + 1);
	}
}

struct sort_key *sort_keys(struct sort_key *keys, struct sort_key *spare, uint32_t n)
{
	struct sort_key *from = keys, *to = spare, *sorted;
	if (n <= FEW) { /* cheaper than counting digits */
		qsort(keys, n, sizeof *keys, by_key);
		return keys;
	}
	unsigned bits = bits_that_differ(keys, n);
	for (unsigned shift = 0; shift < bits; shift += DIGIT_BITS) {
		if (!sort_digit(from, to, n, shift))
			continue;
		sorted = to;
		to = from;
		from = sorted;
	}
	return from;
}

uint32_t sort_run(const struct sort_key *keys, uint32_t from, uint32_t n)
{
	uint32_t end = from + 1;
	while (end < n && keys[end].key == keys[from].key)
		end++;
	return end;
}

int sort_compare(const void *a, size_t a_len, const void *b, size_t b_len)
{
	int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
	return order ? order : (a_len > b_len) - (a_len < b_len);
}

int sort_values(const struct intern_table *t, uint32_t *code, uint32_t n)
{
	struct sort_key *keys = malloc(2 * ((size_t)n + 1) * sizeof *keys);
	if (!keys)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		keys[i].item = code[i];
	sort_from(t, keys, keys + n, n, 0, 0);
	for (uint32_t i = 0; i < n; i++)
		code[i] = keys[i].item;
	free(keys);
	return 0;
}
