/*
 * The sorts of a segment's build beside qsort() over the whole of what they order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs/store/segment_sort.h"

#define MANY 3000

static uint64_t state = 88172645463325252u;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static int compare_keys(const void *a, const void *b)
{
	uint64_t x = ((const struct sort_key *)a)->key, y = ((const struct sort_key *)b)->key;

	return (x > y) - (x < y);
}

static void check_keys(uint32_t n, uint64_t mask, uint64_t add)
{
	struct sort_key *keys = calloc(n + 1, sizeof *keys), *spare = calloc(n + 1, sizeof *spare);
	struct sort_key *want = calloc(n + 1, sizeof *want), *sorted;
	uint64_t *by_item = calloc(n + 1, sizeof *by_item);

	assert_true(keys && spare && want && by_item);
	for (uint32_t i = 0; i < n; i++)
		want[i] = keys[i] = (struct sort_key){by_item[i] = (next_random() & mask) + add, i};
	qsort(want, n, sizeof *want, compare_keys);
	sorted = sort_keys(keys, spare, n);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(sorted[i].key, want[i].key);
		assert_int_equal(sorted[i].key, by_item[sorted[i].item]);
		by_item[sorted[i].item] = ~sorted[i].key; /* each item once */
	}
	free(keys);
	free(spare);
	free(want);
	free(by_item);
}

static void sorts_numbers(void **unused)
{
	static const uint64_t mask[] = {
		0, 1, 0x7ff, 0x800, 0xfffff, 0xffff000, 0xff00000000000000u, UINT64_MAX};

	(void)unused;
	for (size_t i = 0; i < sizeof mask / sizeof *mask; i++)
		for (uint32_t n = 0; n < MANY; n = n * 2 + 1)
			check_keys(n, mask[i], mask[i] == UINT64_MAX ? 0 : 77);
}

/* A table as the build makes it. */
static void put(struct intern_table *t, const char *p, uint32_t len)
{
	uint32_t *at = arena_add(&t->at, sizeof *at);
	size_t n = (sizeof(struct interned) + len + INTERN_UNIT - 1) / INTERN_UNIT * INTERN_UNIT;
	struct interned *v;

	assert_non_null(at);
	*at = (uint32_t)(t->text.len / INTERN_UNIT) + 1;
	v = arena_add(&t->text, n);
	assert_non_null(v);
	*v = (struct interned){t->n++, len};
	memcpy(v + 1, p, len);
}

static void check_values(struct intern_table *t)
{
	uint32_t *code = calloc(t->n + 1, sizeof *code), *seen = calloc(t->n + 1, sizeof *seen);

	assert_true(code && seen);
	for (uint32_t i = 0; i < t->n; i++)
		code[i] = (uint32_t)(((uint64_t)i * 7919) % t->n);
	assert_int_equal(sort_values(t, code, t->n), 0);
	for (uint32_t i = 0; i < t->n; i++) {
		assert_true(code[i] < t->n);
		assert_int_equal(seen[code[i]]++, 0);
		if (i == 0)
			continue;
		const struct interned *a = interned(t, code[i - 1]), *b = interned(t, code[i]);
		uint32_t least = a->len < b->len ? a->len : b->len;
		int order = memcmp(interned_text(a), interned_text(b), least);
		assert_true(order < 0 || (order == 0 && a->len < b->len));
	}
	free(code);
	free(seen);
	free(t->at.data);
	free(t->text.data);
}

static void sorts_values_that_begin_alike(void **unused)
{
	struct intern_table t = {0};
	char text[128];

	(void)unused;
	for (int i = 0; i < MANY; i++) {
		int n = snprintf(text, sizeof text, "arn:aws:s3:::bucket-%d/logs/2025/%d", i % 3, i);
		put(&t, text, (uint32_t)n);
	}
	check_values(&t);
}

/* Every length of one letter: each is the start of all that are longer, further down than eight times eight
 * bytes; and the same with NULs, which are not the same as an end. */
static void sorts_values_that_begin_with_others(void **unused)
{
	struct intern_table t = {0};
	char text[400];

	(void)unused;
	for (int c = 0; c < 256; c += 85) {
		memset(text, c, sizeof text);
		for (uint32_t n = c ? 1 : 0; n < sizeof text; n++)
			put(&t, text, n);
	}
	check_values(&t);
}

static void sorts_bytes_above_127_last(void **unused)
{
	struct intern_table t = {0};
	char text[9] = "12345678";

	(void)unused;
	for (int i = 0; i < 256; i++)
		for (int k = 0; k < 2; k++) {
			text[k ? 7 : 0] = (char)i;
			text[k ? 0 : 7] = '!';
			if (i != '!')
				put(&t, text, 8);
		}
	check_values(&t);
}

static void sorts_few_and_none(void **unused)
{
	struct intern_table none = {0}, few = {0};

	(void)unused;
	assert_int_equal(sort_values(&none, NULL, 0), 0);
	put(&few, "b", 1);
	put(&few, "", 0);
	put(&few, "a", 1);
	check_values(&few);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorts_numbers),
		cmocka_unit_test(sorts_values_that_begin_alike),
		cmocka_unit_test(sorts_values_that_begin_with_others),
		cmocka_unit_test(sorts_bytes_above_127_last),
		cmocka_unit_test(sorts_few_and_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
