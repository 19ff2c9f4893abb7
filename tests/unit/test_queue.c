/*
 * The queue of waiting objects: what comes first, what is held back, and whether days still wait.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/store/queue.h"
#include "render/key.h"
#include "tests/made.h"

#define MANY 64

/* Number n weighs n % 1000 bytes; those from 1000 on wait no more. */
static int64_t weigh(void *arg, uint32_t number)
{
	(void)arg;
	return number < 1000 ? (int64_t)number : -1;
}

static struct queue *make(void)
{
	struct queue *q = queue_new();

	assert_non_null(q);
	return q;
}

/* The day from which something is taken; out and *n: what. */
static int32_t take(struct queue *q, int64_t now, uint32_t max, uint32_t *out, uint32_t *n)
{
	int32_t day = -1;
	int64_t hold;

	*n = queue_take(q, now, max, UINT64_MAX, weigh, NULL, out, &day, &hold);
	return *n ? day : -1;
}

static int32_t take_one(struct queue *q)
{
	uint32_t out[1], n;

	return take(q, 0, 1, out, &n);
}

static void newest_day_is_first(void **state)
{
	static const int32_t day[] = {100, 300, 200, 300};
	struct queue *q = make();

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(queue_add(q, day[i], i), 0);
	assert_int_equal(take_one(q), 300);
	assert_int_equal(take_one(q), 300);
	assert_int_equal(take_one(q), 200);
	assert_int_equal(take_one(q), 100);
	assert_int_equal(take_one(q), -1);
	queue_free(q);
}

static void what_has_no_day_is_before_all(void **state)
{
	struct queue *q = make();

	(void)state;
	queue_add(q, 300, 1);
	queue_add(q, KEY_NO_DAY, 2);
	queue_add(q, 200, 3);
	assert_true(queue_pending(q, 200, 200, true));
	assert_int_equal(take_one(q), KEY_NO_DAY);
	assert_int_equal(take_one(q), 200);
	assert_int_equal(take_one(q), 300);
	queue_free(q);
}

static void last_asked_is_first(void **state)
{
	struct queue *q = make();

	(void)state;
	for (int32_t day = 100; day < 110; day++)
		queue_add(q, day, 1);
	assert_false(queue_asked(q, 0));
	assert_true(queue_pending(q, 101, 101, true));
	assert_true(queue_asked(q, 0));
	assert_true(queue_pending(q, 103, 104, true));
	assert_true(queue_pending(q, 105, 105, false)); /* only a question */
	assert_int_equal(take_one(q), 104);
	assert_int_equal(take_one(q), 103);
	assert_int_equal(take_one(q), 101);
	assert_int_equal(take_one(q), 109);
	queue_free(q);
}

static void who_was_served_asks_no_more(void **state)
{
	struct queue *q = make();

	(void)state;
	queue_add(q, 100, 1);
	queue_add(q, 200, 1);
	queue_pending(q, 100, 100, true);
	assert_int_equal(take_one(q), 100);
	queue_done(q, 100, 1);
	queue_add(q, 100, 2);
	assert_false(queue_asked(q, 0));
	assert_int_equal(take_one(q), 200);
	queue_free(q);
}

static void batches_are_of_one_day_and_bounded(void **state)
{
	struct queue *q = make();
	uint32_t out[MANY], n;
	int32_t day;
	int64_t hold;

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		queue_add(q, 5, 100);
	queue_add(q, 4, 100);
	assert_int_equal(take(q, 0, 3, out, &n), 5);
	assert_int_equal(n, 3);
	n = queue_take(q, 0, MANY, 450, weigh, NULL, out, &day, &hold);
	assert_int_equal(n, 4);
	/* One goes however heavy it is. */
	n = queue_take(q, 0, MANY, 1, weigh, NULL, out, &day, &hold);
	assert_int_equal(n, 1);
	assert_int_equal(take(q, 0, MANY, out, &n), 5);
	assert_int_equal(n, 2);
	assert_int_equal(take(q, 0, MANY, out, &n), 4);
	queue_free(q);
}

static void what_waits_no_more_is_dropped(void **state)
{
	struct queue *q = make();
	uint32_t out[MANY], n;

	(void)state;
	queue_add(q, 5, 1000);
	queue_add(q, 5, 7);
	queue_add(q, 5, 2000);
	queue_add(q, 6, 3000);
	queue_pending(q, 6, 6, true);
	assert_int_equal(take(q, 0, MANY, out, &n), 5);
	assert_int_equal(n, 1);
	assert_int_equal(out[0], 7);
	assert_false(queue_pending(q, 6, 6, false));
	assert_false(queue_asked(q, 0));
	queue_free(q);
}

static void held_days_are_passed_over(void **state)
{
	struct queue *q = make();
	uint32_t out[MANY], n;
	int32_t day;
	int64_t hold = 0;

	(void)state;
	queue_add(q, 5, 1);
	queue_add(q, 6, 2);
	queue_hold(q, 6, 1000);
	queue_hold(q, 77, 1000); /* not there */
	queue_pending(q, 6, 6, true);
	assert_false(queue_asked(q, 999));
	assert_true(queue_asked(q, 1000));
	assert_int_equal(take(q, 999, MANY, out, &n), 5);
	assert_int_equal(queue_take(q, 999, MANY, 99, weigh, NULL, out, &day, &hold), 0);
	assert_int_equal(hold, 1000);
	assert_true(queue_pending(q, 6, 6, false));
	assert_int_equal(take(q, 1000, MANY, out, &n), 6);
	assert_int_equal(queue_take(q, 1000, MANY, 99, weigh, NULL, out, &day, &hold), 0);
	assert_true(hold == INT64_MAX);
	queue_free(q);
}

static void under_way_still_waits(void **state)
{
	struct queue *q = make();
	uint32_t out[MANY], n;

	(void)state;
	assert_true(queue_empty(q));
	queue_add(q, 5, 1);
	queue_add(q, 5, 2);
	assert_false(queue_empty(q));
	take(q, 0, MANY, out, &n);
	assert_true(queue_pending(q, 5, 5, false));
	assert_true(queue_pending(q, INT32_MIN, INT32_MAX, false));
	assert_false(queue_pending(q, 6, 9, false));
	assert_false(queue_pending(q, 1, 4, false));
	queue_done(q, 5, 1);
	assert_true(queue_pending(q, 5, 5, false));
	queue_done(q, 5, 1);
	assert_false(queue_pending(q, 5, 5, false));
	assert_true(queue_empty(q));
	queue_free(q);
}

static void undated_makes_every_day_wait(void **state)
{
	struct queue *q = make();

	(void)state;
	queue_add(q, KEY_NO_DAY, 1);
	assert_true(queue_pending(q, 5, 5, false));
	assert_int_equal(take_one(q), KEY_NO_DAY);
	assert_true(queue_pending(q, 5, 5, false));
	queue_done(q, KEY_NO_DAY, 1);
	assert_false(queue_pending(q, 5, 5, false));
	queue_free(q);
}

/* Whatever is added comes out once. */
static void nothing_is_lost(void **state)
{
	uint32_t seen[1000] = {0}, out[MANY], n, total = 0;
	uint64_t seed = 42;
	struct queue *q = make();

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(queue_add(q, (int32_t)made_draw(&seed, 300), i), 0);
		if (made_draw(&seed, 4) == 0 && take(q, 0, 5, out, &n) >= 0)
			for (uint32_t k = 0; k < n; k++, total++)
				seen[out[k]]++;
	}
	while (take(q, 0, MANY, out, &n) >= 0)
		for (uint32_t k = 0; k < n; k++, total++)
			seen[out[k]]++;
	assert_int_equal(total, 1000);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(seen[i], 1);
	queue_free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(newest_day_is_first),
		cmocka_unit_test(what_has_no_day_is_before_all),
		cmocka_unit_test(last_asked_is_first),
		cmocka_unit_test(who_was_served_asks_no_more),
		cmocka_unit_test(batches_are_of_one_day_and_bounded),
		cmocka_unit_test(what_waits_no_more_is_dropped),
		cmocka_unit_test(held_days_are_passed_over),
		cmocka_unit_test(under_way_still_waits),
		cmocka_unit_test(undated_makes_every_day_wait),
		cmocka_unit_test(nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
