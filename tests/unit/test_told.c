/*
 * told: when a listing counts as held by the kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/told.h"

static int begin(void **state)
{
	*state = told_new();
	return *state ? 0 : -1;
}

static int end(void **state)
{
	told_free(*state);
	return 0;
}

static void test_nothing_is_held_at_first(void **state)
{
	assert_false(told_holds(*state, 7, 1));
	assert_false(told_holds(*state, 0, 0));
}

static void test_what_was_given_is_held(void **state)
{
	told_all(*state, 7, 3, told_now(*state));
	assert_true(told_holds(*state, 7, 3));
	assert_false(told_holds(*state, 7, 4));
	assert_false(told_holds(*state, 8, 3));
}

static void test_until_something_is_forgotten(void **state)
{
	told_all(*state, 7, 3, told_now(*state));
	told_forgotten(*state);
	assert_false(told_holds(*state, 7, 3));
	told_all(*state, 7, 3, told_now(*state));
	assert_true(told_holds(*state, 7, 3));
}

static void test_forgotten_while_it_was_given(void **state)
{
	uint64_t since = told_now(*state);

	told_forgotten(*state);
	told_all(*state, 7, 3, since);
	assert_false(told_holds(*state, 7, 3));
}

static void test_until_a_name_is_asked_for(void **state)
{
	told_all(*state, 7, 3, told_now(*state));
	told_missed(*state, 8);
	assert_true(told_holds(*state, 7, 3));
	told_missed(*state, 7);
	assert_false(told_holds(*state, 7, 3));
}

static bool is_odd(void *arg, uint64_t node, uint64_t serial)
{
	*(unsigned *)arg += serial == node + 1;
	return node % 2;
}

static void test_what_is_stale_is_dropped(void **state)
{
	unsigned asked = 0;

	for (uint64_t node = 1; node <= 3; node++)
		told_all(*state, node, node + 1, told_now(*state));
	told_check(*state, is_odd, &asked);
	assert_int_equal(asked, 3);
	assert_false(told_holds(*state, 1, 2));
	assert_true(told_holds(*state, 2, 3));
	assert_false(told_holds(*state, 3, 4));
}

static void test_only_equal_listings_add_up(void **state)
{
	assert_false(told_open(*state, 7, 0));
	assert_true(told_open(*state, 7, 3));
	assert_true(told_open(*state, 7, 3));
	assert_false(told_open(*state, 7, 4));
	told_close(*state, 7);
	assert_false(told_open(*state, 7, 4));
	told_close(*state, 7);
	assert_true(told_open(*state, 7, 4));
	assert_false(told_open(*state, 7, 3));
	told_close(*state, 7);
}

/* Of two directories that meet in one place one is not kept by the kernel. */
static void test_handles_that_meet(void **state)
{
	uint64_t refused = 0;

	for (uint64_t node = 1; node <= 100000; node++)
		refused += !told_open(*state, node, 1);
	assert_in_range(refused, 100000 - 16384, 99999);
}

/* More directories than there are places: none is taken for another. */
static void test_many(void **state)
{
	const uint64_t n = 100000;
	uint64_t held = 0;

	for (uint64_t node = 1; node <= n; node++)
		told_all(*state, node, node + 1, told_now(*state));
	for (uint64_t node = 1; node <= n; node++) {
		assert_false(told_holds(*state, node, node));
		held += told_holds(*state, node, node + 1);
	}
	assert_in_range(held, 1000, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_is_held_at_first, begin, end),
		cmocka_unit_test_setup_teardown(test_what_was_given_is_held, begin, end),
		cmocka_unit_test_setup_teardown(test_until_something_is_forgotten, begin, end),
		cmocka_unit_test_setup_teardown(test_forgotten_while_it_was_given, begin, end),
		cmocka_unit_test_setup_teardown(test_until_a_name_is_asked_for, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_stale_is_dropped, begin, end),
		cmocka_unit_test_setup_teardown(test_only_equal_listings_add_up, begin, end),
		cmocka_unit_test_setup_teardown(test_handles_that_meet, begin, end),
		cmocka_unit_test_setup_teardown(test_many, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
