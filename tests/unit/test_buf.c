/* Growable buffers. */
#include "render/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_holds(const struct buf *b, const char *want)
{
	assert_false(b->failed);
	assert_int_equal(b->len, strlen(want));
	assert_memory_equal(b->data, want, b->len);
}

static void test_adds(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_add(&b, "", 0);
	assert_null(b.data);
	buf_adds(&b, "one");
	buf_addc(&b, ' ');
	buf_add(&b, "twofold", 3);
	buf_addf(&b, " %d %s", 3, "four");
	assert_holds(&b, "one two 3 four");
	buf_addc(&b, '\0');
	assert_int_equal(b.len, 15);
	buf_clear(&b);
	assert_null(b.data);
	assert_int_equal(b.len, 0);
}

static void test_grows(void **state)
{
	struct buf b = {0};

	(void)state;
	for (int i = 0; i < 100000; i++)
		buf_addc(&b, (char)('a' + i % 26));
	assert_false(b.failed);
	assert_int_equal(b.len, 100000);
	assert_true(b.cap <= 2 * b.len);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(b.data[i], 'a' + i % 26);
	buf_clear(&b);
}

/* Formatted text of every length around the first allocation and its doubling. */
static void test_addf_at_the_edge(void **state)
{
	(void)state;
	for (int before = 0; before < 4; before++)
		for (int n = 240; n < 530; n++) {
			struct buf b = {0};
			char want[600];
			snprintf(want, sizeof want, "%.*s%*d", before, "xyz", n, 7);
			buf_add(&b, "xyz", (size_t)before);
			buf_addf(&b, "%*d", n, 7);
			assert_holds(&b, want);
			buf_clear(&b);
		}
}

static void test_steal(void **state)
{
	struct buf b = {0};
	size_t len = 99;

	(void)state;
	char *s = buf_steal(&b, &len);
	assert_string_equal(s, "");
	assert_int_equal(len, 0);
	free(s);

	/* No room is left for the NUL. */
	while (b.len < 256)
		buf_addc(&b, 'x');
	s = buf_steal(&b, NULL);
	assert_int_equal(strlen(s), 256);
	assert_null(b.data);
	free(s);
}

static void test_failure_sticks(void **state)
{
	struct buf b = {0};
	size_t len = 7;

	(void)state;
	buf_adds(&b, "kept");
	assert_false(buf_reserve(&b, SIZE_MAX));
	assert_true(b.failed);
	buf_adds(&b, "more");
	buf_addc(&b, 'c');
	buf_addf(&b, "%d", 1);
	assert_false(buf_reserve(&b, 1));
	assert_int_equal(b.len, 4);
	assert_null(buf_steal(&b, &len));
	assert_int_equal(len, 7);
	/* Stealing leaves it empty, and usable again. */
	buf_adds(&b, "new");
	assert_holds(&b, "new");
	buf_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_adds),
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_addf_at_the_edge),
		cmocka_unit_test(test_steal),
		cmocka_unit_test(test_failure_sticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
