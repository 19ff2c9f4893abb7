/*
 * Following a source that is in memory: the first index, what is new, changes, goes or fails, and stopping at
 * any time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/follow_kit.h"

static void everything_is_read_once(void **state)
{
	static struct fake f;
	struct mount m;

	(void)state;
	fake_begin(&f);
	put_many(&f, 20);
	mount_begin(&m, &f, NULL);
	wait_complete(&m, 1);
	check_all_there(&m);
	for (int i = 0; i < f.n; i++)
		assert_int_equal(f.object[i].fetched, strstr(f.object[i].key, ".json") != NULL);
	refresh(&m);
	assert_int_equal(fetches(&f), 60);
	check_all_there(&m);
	mount_end(&m);
	fake_end(&f);
}

static unsigned count_news(struct mount *m, bool arrived)
{
	struct news *all = catalog_take_news(m->catalog);
	unsigned n = 0;

	for (struct news *x = all; x; x = x->next)
		n += x->arrived == arrived;
	news_free(all);
	return n;
}

static void a_refresh_finds_what_is_new(void **state)
{
	static struct fake f;
	struct mount m;

	(void)state;
	fake_begin(&f);
	put_many(&f, 3);
	mount_begin(&m, &f, NULL);
	wait_complete(&m, 1);
	assert_int_equal(count_news(&m, false), 0);
	put(&f, LOGS "2025/06/01/new.json");
	put(&f, LOGS "2025/06/02/a.json"); /* another version */
	take_away(&f, "loose/1.json");
	refresh(&m);
	check_all_there(&m);
	assert_int_equal(count_news(&m, false), 2);
	assert_int_equal(fetches(&f), 11);
	take_away(&f, LOGS "2025/06/01/new.json");
	refresh(&m);
	check_all_there(&m);
	put(&f, LOGS "2025/06/01/new.json");
	refresh(&m);
	check_all_there(&m);
	mount_end(&m);
	fake_end(&f);
}

static void what_could_not_be_fetched_is_tried_again(void **state)
{
	static struct fake f;
	struct mount m;

	(void)state;
	fake_begin(&f);
	put_many(&f, 5);
	set_failing(&f, 4, -EIO);
	mount_begin(&m, &f, NULL);
	wait_complete(&m, 1);
	assert_int_equal(catalog_counts(m.catalog).failed, 4);
	assert_int_equal(catalog_counts(m.catalog).problems, 4);
	assert_int_equal(live_rows(&m), 11);
	refresh(&m);
	check_all_there(&m);
	mount_end(&m);
	fake_end(&f);
}

/* One object of a log folder, whose first n fetches give damaged bytes. */
static void begin_damaged(struct mount *m, struct fake *f, unsigned n, bool alike, bool asks)
{
	fake_begin(f);
	put(f, LOGS "2025/06/01/a.json");
	f->damaged = n;
	f->damaged_alike = alike;
	f->asks = asks;
	mount_begin(m, f, NULL);
	wait_complete(m, 1);
}

static void what_came_damaged_is_fetched_again(void **state)
{
	static struct fake f;
	struct mount m;

	(void)state;
	for (unsigned n = 1; n <= 2; n++) {
		begin_damaged(&m, &f, n, false, true);
		check_all_there(&m);
		assert_int_equal(fetches(&f), 1 + n);
		assert_int_equal(f.doubts, n);
		mount_end(&m);
		fake_end(&f);
	}
}

/* As the same bytes twice: so it is. It is not asked for at each refresh. */
static void what_is_damaged_is_a_fact(void **state)
{
	static struct fake f;
	struct mount m;

	(void)state;
	for (int asks = 0; asks < 2; asks++) {
		begin_damaged(&m, &f, UINT32_MAX, true, asks);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(catalog_counts(m.catalog).damaged, 1);
			assert_int_equal(catalog_counts(m.catalog).ready, 1);
			assert_int_equal(fetches(&f), 1 + asks);
			refresh(&m);
		}
		assert_false(catalog_unread(m.catalog, INT32_MIN, INT32_MAX));
		mount_end(&m);
		fake_end(&f);
	}
}

/* As other bytes each time: nobody knows what it is, until it comes whole. */
static void what_comes_as_other_damage_each_time_is_no_fact(void **state)
{
	static struct fake f;
	struct mount m;

	(void)state;
	begin_damaged(&m, &f, 3, false, true);
	assert_int_equal(fetches(&f), 3);
	assert_int_equal(f.doubts, 3); /* nor is what came last kept */
	assert_int_equal(catalog_counts(m.catalog).failed, 1);
	assert_int_equal(catalog_unread(m.catalog, INT32_MIN, INT32_MAX), -EIO);
	refresh(&m);
	check_all_there(&m);
	assert_int_equal(fetches(&f), 4);
	mount_end(&m);
	fake_end(&f);
}

/* Each of them is in the index once. */
static void many_come_damaged(void **state)
{
	static struct fake f;
	struct mount m;

	(void)state;
	fake_begin(&f);
	for (int i = 0; i < 200; i++) {
		char key[96];

		snprintf(key, sizeof(key), LOGS "2025/06/01/%d.json", i);
		put(&f, key);
	}
	f.asks = true;
	f.damaged = 1;
	mount_begin(&m, &f, NULL);
	wait_complete(&m, 1);
	check_all_there(&m);
	assert_int_equal(fetches(&f), 400);
	mount_end(&m);
	fake_end(&f);
}

static void what_is_denied_is_a_fact(void **state)
{
	static struct fake f;
	struct mount m;

	(void)state;
	fake_begin(&f);
	put(&f, "a.json");
	set_failing(&f, 1, -EACCES);
	mount_begin(&m, &f, NULL);
	wait_complete(&m, 1);
	assert_int_equal(catalog_counts(m.catalog).damaged, 1);
	assert_int_equal(catalog_object_now(m.catalog, 0).error, -EACCES);
	mount_end(&m);
	fake_end(&f);
}

static bool list_has_failed(struct mount *m)
{
	return catalog_list_error(m->catalog) == -ENETUNREACH;
}

static void a_listing_that_fails_says_why(void **state)
{
	static struct fake f;
	struct mount m;

	(void)state;
	fake_begin(&f);
	put_many(&f, 2);
	set_list_error(&f, -ENETUNREACH);
	mount_begin(&m, &f, NULL);
	wait_until(&m, list_has_failed, "the listing has failed");
	assert_true(catalog_pending(m.catalog, 0, 0));
	set_list_error(&f, 0);
	refresh(&m);
	check_all_there(&m);
	mount_end(&m);
	fake_end(&f);
}

static bool listed_often(struct mount *m)
{
	bool often;

	pthread_mutex_lock(&m->fake->lock);
	often = m->fake->listings >= m->want;
	pthread_mutex_unlock(&m->fake->lock);
	return often;
}

static void what_is_known_outlives_a_failed_listing(void **state)
{
	static struct fake f;
	struct mount m;

	(void)state;
	fake_begin(&f);
	put_many(&f, 2);
	mount_begin(&m, &f, NULL);
	wait_complete(&m, 1);
	set_list_error(&f, -EIO);
	/* Where the second one has begun, the first one is dealt with. */
	for (m.want = 2; m.want <= 3; m.want++) {
		follow_refresh(m.follow);
		wait_until(&m, listed_often, "listed again");
	}
	assert_int_equal(catalog_list_error(m.catalog), 0);
	check_all_there(&m);
	set_list_error(&f, 0);
	refresh(&m);
	check_all_there(&m);
	mount_end(&m);
	fake_end(&f);
}

static bool somebody_fetches(struct mount *m)
{
	bool held;

	pthread_mutex_lock(&m->fake->lock);
	held = m->fake->held > 0;
	pthread_mutex_unlock(&m->fake->lock);
	return held;
}

static void stopping_ends_what_is_under_way(void **state)
{
	static struct fake f;
	struct mount m;

	(void)state;
	fake_begin(&f);
	put_many(&f, 10);
	f.holds = true;
	mount_begin(&m, &f, NULL);
	wait_until(&m, somebody_fetches, "a fetch is under way");
	assert_true(catalog_pending(m.catalog, INT32_MIN, INT32_MAX));
	mount_end(&m);
	/* And at once, before anything has begun. */
	mount_begin(&m, &f, NULL);
	mount_end(&m);
	fake_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_read_once),
		cmocka_unit_test(a_refresh_finds_what_is_new),
		cmocka_unit_test(what_could_not_be_fetched_is_tried_again),
		cmocka_unit_test(what_came_damaged_is_fetched_again),
		cmocka_unit_test(what_is_damaged_is_a_fact),
		cmocka_unit_test(what_comes_as_other_damage_each_time_is_no_fact),
		cmocka_unit_test(many_come_damaged),
		cmocka_unit_test(what_is_denied_is_a_fact),
		cmocka_unit_test(a_listing_that_fails_says_why),
		cmocka_unit_test(what_is_known_outlives_a_failed_listing),
		cmocka_unit_test(stopping_ends_what_is_under_way),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
