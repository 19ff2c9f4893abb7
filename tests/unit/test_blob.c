/*
 * Inflated bytes: in memory, in a file when there are too many, and not at all when damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/store/blob.h"
#include "tests/gzip.h"

static void small_ones_are_held(void **state)
{
	char reason[BLOB_REASON_MAX] = "";
	struct blob *b;
	size_t n;
	char *z = gzip("hello", 5, &n);

	(void)state;
	assert_int_equal(blob_gunzip(z, n, NULL, &b, reason), 0);
	assert_int_equal(blob_len(b), 5);
	assert_int_equal(blob_held(b), 5);
	assert_memory_equal(blob_data(b), "hello", 5);
	assert_ptr_equal(blob_ref(b), b);
	blob_unref(b);
	assert_memory_equal(blob_data(b), "hello", 5);
	blob_unref(b);
	free(z);
}

static void large_ones_are_mapped(void **state)
{
	size_t len = BLOB_HELD_MAX + 1, n;
	char *text = calloc(1, len), *z, reason[BLOB_REASON_MAX] = "";
	struct blob *b;

	(void)state;
	for (size_t i = 0; i < len; i += 4096)
		memcpy(text + i, &i, sizeof(i) < len - i ? sizeof(i) : len - i);
	z = gzip(text, len, &n);
	assert_int_equal(blob_gunzip(z, n, NULL, &b, reason), 0);
	assert_int_equal(blob_len(b), len);
	assert_int_equal(blob_held(b), 0);
	assert_true(memcmp(blob_data(b), text, len) == 0);
	blob_unref(b);

	z[n - 8] ^= 1; /* the CRC: found only when all is written */
	assert_int_equal(blob_gunzip(z, n, NULL, &b, reason), -EBADMSG);
	assert_true(*reason);
	free(z);
	free(text);
}

static void damage_is_told(void **state)
{
	static const char *const damaged[] = {"", "x", "{\"Records\":[]}", "\x1f\x8b"};

	(void)state;
	for (size_t i = 0; i < sizeof(damaged) / sizeof(*damaged); i++) {
		char reason[BLOB_REASON_MAX] = "";
		struct blob *b;

		assert_int_equal(blob_gunzip(damaged[i], strlen(damaged[i]), NULL, &b, reason), -EBADMSG);
		assert_true(*reason);
	}
}

static void made_from_bytes(void **state)
{
	char *data = strdup("abc");
	struct blob *b = blob_new(data, 3), *empty = blob_new(NULL, 0);

	(void)state;
	assert_ptr_equal(blob_data(b), data);
	assert_int_equal(blob_held(b), 3);
	assert_int_equal(blob_len(empty), 0);
	blob_unref(b);
	blob_unref(empty);
	blob_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_ones_are_held),
		cmocka_unit_test(large_ones_are_mapped),
		cmocka_unit_test(damage_is_told),
		cmocka_unit_test(made_from_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
