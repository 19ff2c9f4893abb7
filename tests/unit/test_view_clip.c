/*
 * Ranges of time against the seconds of a day: both ends count.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>

#include "fs/view_private.h"

#define DAY   20258
#define BEGIN (DAY * 86400ll)
#define LAST  86399

static void seconds_of_a_day(void **state)
{
	static const struct {
		int64_t from, until;
		bool any;
		uint32_t first, last;
	} rows[] = {
		{INT64_MIN + 1, INT64_MAX, true, 0, LAST},
		{BEGIN, BEGIN + LAST, true, 0, LAST},
		{BEGIN - 1, BEGIN + LAST + 1, true, 0, LAST},
		{BEGIN + 1, BEGIN + LAST - 1, true, 1, LAST - 1},
		{BEGIN + 77, BEGIN + 77, true, 77, 77},
		{BEGIN + LAST, INT64_MAX, true, LAST, LAST},
		{BEGIN + LAST + 1, INT64_MAX, false, 0, 0},
		{INT64_MIN + 1, BEGIN, true, 0, 0},
		{INT64_MIN + 1, BEGIN - 1, false, 0, 0},
		{BEGIN + 78, BEGIN + 77, false, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct terms t = {.from = rows[i].from, .until = rows[i].until, .undated = i % 2};
		uint32_t first, last;

		assert_int_equal(view_clip_seconds(&t, DAY, &first, &last), rows[i].any);
		if (rows[i].any) {
			assert_int_equal(first, rows[i].first);
			assert_int_equal(last, rows[i].last);
		}
		/* What has no date is of no time; all of it passes, or nothing. */
		assert_int_equal(view_clip_seconds(&t, SEGMENT_UNDATED, &first, &last), i % 2);
		assert_int_equal(first, 0);
		assert_int_equal(last, LAST);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seconds_of_a_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
