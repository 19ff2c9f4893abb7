/*
 * Arrays that grow: what is in them stays, from the first bytes to where they lie in pages of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "fs/store/arena.h"

#define PIECE ((size_t)60000)

static void test_grows(void **state)
{
	struct arena a = {0};

	(void)state;
	for (uint32_t i = 0; i < 700; i++) { /* 42 MB */
		char *p = arena_add(&a, PIECE);
		assert_non_null(p);
		assert_ptr_equal(p, a.data + i * PIECE);
		memset(p, (int)(i % 251), PIECE);
		assert_true(a.len == (i + 1) * PIECE && a.cap >= a.len);
	}
	for (size_t i = 0; i < a.len; i++)
		assert_true((unsigned char)a.data[i] == i / PIECE % 251);
	arena_clear(&a);
	assert_null(a.data);
	assert_true(a.len == 0 && a.cap == 0);
}

/* A mapping at once, and small again after that. */
static void test_used_again(void **state)
{
	struct arena a = {0};

	(void)state;
	assert_non_null(arena_add(&a, (size_t)9 << 20));
	arena_clear(&a);
	assert_non_null(arena_add(&a, 1));
	assert_true(a.len == 1 && a.cap < 1 << 20);
	arena_clear(&a);
	arena_clear(&a);
}

static void test_nothing(void **state)
{
	struct arena a = {0};

	(void)state;
	assert_non_null(arena_add(&a, 0));
	assert_true(a.len == 0);
	arena_clear(&a);
}

/* What there is no memory for, and what no number can hold: nothing has changed. */
static void test_too_much(void **state)
{
	struct arena a = {0};

	(void)state;
	assert_null(arena_add(&a, SIZE_MAX));
	assert_null(arena_add(&a, SIZE_MAX / 3));
	assert_non_null(memcpy(arena_add(&a, 5), "still", 5));
	assert_null(arena_add(&a, SIZE_MAX - 4));
	assert_null(arena_add(&a, SIZE_MAX / 3));
	assert_non_null(arena_add(&a, (size_t)9 << 20));
	assert_null(arena_add(&a, SIZE_MAX / 3));
	assert_memory_equal(a.data, "still", 5);
	assert_true(a.len == 5 + ((size_t)9 << 20));
	arena_clear(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_used_again),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
