/*
 * ETags: what is kept is the same text again, what is of another form is not kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/etag.h"

#define DIGEST "d41d8cd98f00b204e9800998ecf8427e"

static void kept(void **state)
{
	static const char *const texts[] = {DIGEST, DIGEST "-1", DIGEST "-38", DIGEST "-10000",
		"00000000000000000000000000000000", "ffffffffffffffffffffffffffffffff-9999"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct etag e = etag_parse(texts[i]);
		char out[ETAG_TEXT];

		etag_print(&e, out);
		assert_true(e.known);
		assert_string_equal(out, texts[i]);
	}
}

static void not_kept(void **state)
{
	static const char *const texts[] = {"", "d", "d41d8cd98f00b204e9800998ecf8427", DIGEST "0",
		DIGEST "-", DIGEST "-0", DIGEST "-01", DIGEST "-10001", DIGEST "-99999999999999999999",
		DIGEST "-1 ", DIGEST "-+1", DIGEST "--1", DIGEST "-1-1", " " DIGEST, "\"" DIGEST "\"",
		"D41D8CD98F00B204E9800998ECF8427E", "g41d8cd98f00b204e9800998ecf8427e",
		"0x6e7e3e65d1f9d5a0b7c5f1d1d3e2a1b0c9"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct etag e = etag_parse(texts[i]), none = {0};
		char out[ETAG_TEXT];

		etag_print(&e, out);
		assert_memory_equal(&e, &none, sizeof(e));
		assert_string_equal(out, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept),
		cmocka_unit_test(not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
