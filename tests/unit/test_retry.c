/* Delays between attempts, and the quota. */
#include "s3/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MOST UINT32_MAX /* the longest delay of its range */

static void delays(void **state)
{
	static const struct {
		enum retry_kind kind;
		unsigned n;
		uint32_t random;
		int after, max_attempts, delay, cost;
	} rows[] = {
		{RETRY_NOT, 2, MOST, -1, 10, -1, 0},
		{RETRY_AT_ONCE, 2, MOST, 5, 10, 0, 0},
		{RETRY_TRANSIENT, 2, 0, -1, 10, 0, 14},
		{RETRY_TRANSIENT, 2, MOST, -1, 10, 49, 14},
		{RETRY_TRANSIENT, 2, MOST / 2, -1, 10, 24, 14},
		{RETRY_TRANSIENT, 3, MOST, -1, 10, 99, 14},
		{RETRY_TRANSIENT, 10, MOST, -1, 10, 12799, 14},
		{RETRY_TRANSIENT, 12, MOST, -1, 100, 19999, 14},
		{RETRY_TRANSIENT, 4000000000, MOST, -1, INT32_MAX, -1, 0},
		{RETRY_TRANSIENT, 2000000000, MOST, -1, INT32_MAX, 19999, 14},
		{RETRY_THROTTLED, 2, MOST, -1, 10, 999, 5},
		{RETRY_THROTTLED, 5, MOST, -1, 10, 7999, 5},
		{RETRY_THROTTLED, 7, MOST, -1, 10, 19999, 5},
		/* No more than were allowed, of whatever kind. */
		{RETRY_TRANSIENT, 11, MOST, -1, 10, -1, 0},
		{RETRY_AT_ONCE, 11, MOST, -1, 10, -1, 0},
		{RETRY_TRANSIENT, 2, MOST, -1, 1, -1, 0},
		{RETRY_TRANSIENT, 2, MOST, -1, 0, -1, 0},
		/* What the server asked for, and jitter on top. */
		{RETRY_THROTTLED, 2, 0, 3, 10, 3000, 5},
		{RETRY_TRANSIENT, 2, MOST, 3, 10, 3049, 14},
		{RETRY_THROTTLED, 2, MOST, 0, 10, 999, 5},
		{RETRY_THROTTLED, 2, 0, INT32_MAX, 10, 20000, 5},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct retry_quota q = {RETRY_QUOTA};
		int delay = retry_delay(
			&q, rows[i].kind, rows[i].n, rows[i].random, rows[i].after, rows[i].max_attempts);
		assert_int_equal(delay, rows[i].delay);
		assert_int_equal(q.tokens, RETRY_QUOTA - rows[i].cost);
	}
}

static void quota_runs_dry(void **state)
{
	struct retry_quota q = {RETRY_QUOTA};

	(void)state;
	for (int i = 0; i < RETRY_QUOTA / RETRY_COST_TRANSIENT; i++)
		assert_int_equal(retry_delay(&q, RETRY_TRANSIENT, 2, 0, -1, 10), 0);
	assert_int_equal(q.tokens, 10);
	assert_int_equal(retry_delay(&q, RETRY_TRANSIENT, 2, 0, -1, 10), -1);
	assert_int_equal(q.tokens, 10);
	assert_int_equal(retry_delay(&q, RETRY_THROTTLED, 2, 0, -1, 10), 0);
	assert_int_equal(retry_delay(&q, RETRY_THROTTLED, 2, 0, -1, 10), 0);
	assert_int_equal(retry_delay(&q, RETRY_THROTTLED, 2, 0, -1, 10), -1);
	/* Clock, region and credentials cost nothing. */
	assert_int_equal(retry_delay(&q, RETRY_AT_ONCE, 2, 0, -1, 10), 0);
}

static void success_fills_it(void **state)
{
	struct retry_quota q = {0};

	(void)state;
	retry_success(&q, 0);
	assert_int_equal(q.tokens, 1);
	retry_success(&q, RETRY_COST_TRANSIENT);
	assert_int_equal(q.tokens, 15);
	q.tokens = RETRY_QUOTA - 3;
	retry_success(&q, RETRY_COST_THROTTLED);
	assert_int_equal(q.tokens, RETRY_QUOTA);
	retry_success(&q, 0);
	assert_int_equal(q.tokens, RETRY_QUOTA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delays),
		cmocka_unit_test(quota_runs_dry),
		cmocka_unit_test(success_fills_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
