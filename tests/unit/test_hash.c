/*
 * The hash of bytes is xxhash's own, at every length and wherever the bytes lie: names of events are made of
 * it, and must be the same on every machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <xxhash.h>

#include "render/hash.h"

/* At their end, so that a byte too many is found where a sanitizer looks. */
static void test_every_length(void **state)
{
	const size_t most = 5000;

	(void)state;
	for (size_t n = 0; n <= most; n += n < 2200 ? 1 : 97) {
		char *p = malloc(n ? n : 1);
		assert_non_null(p);
		for (size_t i = 0; i < n; i++)
			p[i] = (char)(i * 131 + n);
		assert_true(hash_bytes(p, n) == XXH3_64bits(p, n));
		if (n > 0)
			assert_true(hash_bytes(p + 1, n - 1) == XXH3_64bits(p + 1, n - 1));
		free(p);
	}
}

/* Written down, so that another library does not change them unseen. */
static void test_known(void **state)
{
	(void)state;
	assert_true(hash_bytes("", 0) == 0x2d06800538d394c2u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
