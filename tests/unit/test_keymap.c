/*
 * The map of key hashes to numbers: equal hashes, removal, growth, and that coming and going does not grow
 * it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/store/keymap.h"
#include "tests/made.h"

static bool has(const struct keymap *m, uint64_t hash, uint64_t item)
{
	uint64_t found;
	size_t at = 0;

	while ((found = keymap_next(m, hash, &at)) != KEYMAP_NONE)
		if (found == item)
			return true;
	return false;
}

static size_t count(const struct keymap *m, uint64_t hash)
{
	size_t at = 0, n = 0;

	while (keymap_next(m, hash, &at) != KEYMAP_NONE)
		n++;
	return n;
}

static void empty_map_has_nothing(void **state)
{
	struct keymap m = {0};

	(void)state;
	assert_false(has(&m, 0, 0));
	keymap_remove(&m, 0, 0);
	keymap_clear(&m);
}

static void equal_hashes_are_all_there(void **state)
{
	struct keymap m = {0};

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(keymap_put(&m, 7, i), 0);
	assert_int_equal(keymap_put(&m, 8, 5), 0); /* probes past them */
	assert_int_equal(count(&m, 7), 100);
	assert_int_equal(count(&m, 8), 1);
	for (uint64_t i = 0; i < 100; i += 2)
		keymap_remove(&m, 7, i);
	keymap_remove(&m, 7, 1000);
	assert_int_equal(count(&m, 7), 50);
	assert_true(has(&m, 7, 51) && !has(&m, 7, 50) && has(&m, 8, 5));
	keymap_clear(&m);
	assert_int_equal(count(&m, 7), 0);
}

static void hash_of_a_key_is_its_own(void **state)
{
	(void)state;
	assert_true(keymap_hash("a") != keymap_hash("b"));
	assert_true(keymap_hash("a/b") == keymap_hash("a/b"));
}

/* Against a plain table, with few hashes so that they meet. */
static void agrees_with_a_table(void **state)
{
	static bool in[64][512];
	struct keymap m = {0};
	uint64_t seed = 99;

	(void)state;
	for (int i = 0; i < 60000; i++) {
		uint64_t h = made_draw(&seed, 64), item = made_draw(&seed, 512);
		/* The same low bits, so that they probe into each other. */
		uint64_t hash = h << 40 | (h % 3);

		if (!in[h][item])
			assert_int_equal(keymap_put(&m, hash, item), 0);
		else
			keymap_remove(&m, hash, item);
		in[h][item] = !in[h][item];
		assert_true(has(&m, hash, item) == in[h][item]);
	}
	for (uint64_t h = 0; h < 64; h++) {
		size_t n = 0;

		for (uint64_t item = 0; item < 512; item++)
			n += in[h][item];
		assert_int_equal(count(&m, h << 40 | (h % 3)), n);
	}
	keymap_clear(&m);
}

static void coming_and_going_does_not_grow(void **state)
{
	struct keymap m = {0};
	uint64_t seed = 5, last[100] = {0};

	(void)state;
	for (int i = 0; i < 200000; i++) {
		uint64_t hash = made_draw(&seed, 1ull << 50);

		if (i >= 100)
			keymap_remove(&m, last[i % 100], (uint64_t)i - 100);
		assert_int_equal(keymap_put(&m, hash, (uint64_t)i), 0);
		last[i % 100] = hash;
	}
	assert_true(m.cap <= 1024);
	keymap_clear(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_map_has_nothing),
		cmocka_unit_test(equal_hashes_are_all_there),
		cmocka_unit_test(hash_of_a_key_is_its_own),
		cmocka_unit_test(agrees_with_a_table),
		cmocka_unit_test(coming_and_going_does_not_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
