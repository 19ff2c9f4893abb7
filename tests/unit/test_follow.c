/*
 * Following a source that is in memory: the first index, what is new, changes, goes or fails, and stopping at
 * any time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/store/segment_build.h"
#include "tests/unit/follow_kit.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, source_set_up, source_tear_down)

static void everything_is_read_once(void **state)
{
	struct mount m;

	(void)state;
	put_many(&source, 20);
	mount_begin(&m, &source, NULL);
	wait_complete(&m, 1);
	check_all_there(&m);
	for (int i = 0; i < source.n; i++)
		assert_int_equal(source.object[i].fetched, strstr(source.object[i].key, ".json") != NULL);
	refresh(&m);
	assert_int_equal(fetches(&source), 60);
	check_all_there(&m);
	mount_end(&m);
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
	struct mount m;

	(void)state;
	put_many(&source, 3);
	mount_begin(&m, &source, NULL);
	wait_complete(&m, 1);
	assert_int_equal(count_news(&m, false), 0);
	put(&source, LOGS "2025/06/01/new.json");
	put(&source, LOGS "2025/06/02/a.json"); /* another version */
	take_away(&source, "loose/1.json");
	refresh(&m);
	check_all_there(&m);
	assert_int_equal(count_news(&m, false), 2);
	assert_int_equal(fetches(&source), 11);
	take_away(&source, LOGS "2025/06/01/new.json");
	refresh(&m);
	check_all_there(&m);
	put(&source, LOGS "2025/06/01/new.json");
	refresh(&m);
	check_all_there(&m);
	mount_end(&m);
}

static void what_could_not_be_fetched_is_tried_again(void **state)
{
	struct mount m;

	(void)state;
	put_many(&source, 5);
	set_failing(&source, 4, -EIO);
	mount_begin(&m, &source, NULL);
	wait_complete(&m, 1);
	assert_int_equal(catalog_counts(m.catalog).failed, 4);
	assert_int_equal(catalog_counts(m.catalog).problems, 4);
	assert_int_equal(live_rows(&m), 11);
	refresh(&m);
	check_all_there(&m);
	mount_end(&m);
}

/* One object of a log folder, whose first n fetches give damaged bytes. */
static void begin_damaged(struct mount *m, unsigned n, bool alike, bool asks)
{
	fake_end(&source);
	fake_begin(&source);
	put(&source, LOGS "2025/06/01/a.json");
	source.damaged = n;
	source.damaged_alike = alike;
	source.asks = asks;
	mount_begin(m, &source, NULL);
	wait_complete(m, 1);
}

static void what_came_damaged_is_fetched_again(void **state)
{
	struct mount m;

	(void)state;
	for (unsigned n = 1; n <= 2; n++) {
		begin_damaged(&m, n, false, true);
		check_all_there(&m);
		assert_int_equal(fetches(&source), 1 + n);
		assert_int_equal(source.doubts, n);
		mount_end(&m);
	}
}

/* As the same bytes twice: so it is. It is not asked for at each refresh. */
static void what_is_damaged_is_a_fact(void **state)
{
	struct mount m;

	(void)state;
	for (int asks = 0; asks < 2; asks++) {
		begin_damaged(&m, UINT32_MAX, true, asks);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(catalog_counts(m.catalog).damaged, 1);
			assert_int_equal(catalog_counts(m.catalog).ready, 1);
			assert_int_equal(fetches(&source), 1 + asks);
			refresh(&m);
		}
		assert_false(catalog_unread(m.catalog, INT32_MIN, INT32_MAX));
		mount_end(&m);
	}
}

/* As other bytes each time: nobody knows what it is, until it comes whole. */
static void what_comes_as_other_damage_each_time_is_no_fact(void **state)
{
	struct mount m;

	(void)state;
	begin_damaged(&m, 3, false, true);
	assert_int_equal(fetches(&source), 3);
	assert_int_equal(source.doubts, 3); /* nor is what came last kept */
	assert_int_equal(catalog_counts(m.catalog).failed, 1);
	assert_int_equal(catalog_unread(m.catalog, INT32_MIN, INT32_MAX), -EIO);
	refresh(&m);
	check_all_there(&m);
	assert_int_equal(fetches(&source), 4);
	mount_end(&m);
}

/* 200 objects of one day, which are one batch. */
static void put_day(void)
{
	for (int i = 0; i < 200; i++) {
		char key[96];

		snprintf(key, sizeof(key), LOGS "2025/06/01/%d.json", i);
		put(&source, key);
	}
}

/* Each of them is in the index once. */
static void many_come_damaged(void **state)
{
	struct mount m;

	(void)state;
	put_day();
	source.asks = true;
	source.damaged = 1;
	mount_begin(&m, &source, NULL);
	wait_complete(&m, 1);
	check_all_there(&m);
	assert_int_equal(fetches(&source), 400);
	mount_end(&m);
}

/* It is listed again soon, and not only when it is time. */
static void what_has_changed_since_it_was_listed_is_no_fact(void **state)
{
	const struct follow_options options = {.refresh = 600, .readers = 3};
	struct mount m;

	(void)state;
	put_day();
	set_failing(&source, 1, -ESTALE);
	mount_prepare(&m, &source, NULL);
	mount_follow_as(&m, &source.base, &options);
	wait_complete(&m, 1);
	if (catalog_counts(m.catalog).listings == 1)
		assert_int_equal(catalog_unread(m.catalog, INT32_MIN, INT32_MAX), -EIO);
	wait_complete(&m, 2);
	check_all_there(&m);
	assert_int_equal(fetches(&source), 201);
	mount_end(&m);
}

/* A session that has expired says nothing of the objects that were asked for with it. */
static void what_was_refused_is_no_fact(void **state)
{
	struct mount m;

	(void)state;
	put_day();
	set_failing(&source, 150, -EKEYREJECTED);
	mount_begin(&m, &source, NULL);
	wait_complete(&m, 1);
	assert_int_equal(catalog_counts(m.catalog).failed, 150);
	assert_int_equal(catalog_unread(m.catalog, INT32_MIN, INT32_MAX), -EKEYREJECTED);
	refresh(&m);
	check_all_there(&m);
	mount_end(&m);
}

static void what_is_denied_is_a_fact(void **state)
{
	struct mount m;

	(void)state;
	put(&source, "a.json");
	set_failing(&source, 1, -EACCES);
	mount_begin(&m, &source, NULL);
	wait_complete(&m, 1);
	assert_int_equal(catalog_counts(m.catalog).damaged, 1);
	assert_int_equal(catalog_object_now(m.catalog, 0).error, -EACCES);
	mount_end(&m);
}

static void a_batch_is_cut_where_memory_is_little(void **state)
{
	struct mount m;
	struct folder folder;

	(void)state;
	folder_make(&folder);
	put_day();
	mount_begin_small(&m, &source, &folder, 8 * 20 * SEGMENT_ROW_MEMORY); /* of 8 readers; 20 rows each */
	wait_complete(&m, 1);
	check_all_there(&m);
	assert_int_equal(fetches(&source), 200);
	assert_int_equal(catalog_counts(m.catalog).read_objects, 200);
	assert_in_range(catalog_counts(m.catalog).parts, 3, 200); /* some have been merged by now */
	mount_end(&m);
	mount_begin(&m, &source, &folder);
	wait_complete(&m, 1);
	check_all_there(&m);
	assert_int_equal(fetches(&source), 200);
	mount_end(&m);
	folder_remove(&folder);
}

/* No disk takes the index, and memory is little: what has no room fails, and is not left out silently. */
static void an_index_in_memory_has_its_bounds(void **state)
{
	struct mount m;

	(void)state;
	put_day();
	mount_begin_small(&m, &source, NULL, 8 * 8 * SEGMENT_ROW_MEMORY);
	wait_complete(&m, 1);
	assert_in_range(catalog_counts(m.catalog).ready, 1, 199);
	assert_int_equal(catalog_counts(m.catalog).ready + catalog_counts(m.catalog).failed, 200);
	assert_true(catalog_counts(m.catalog).segment_bytes <= 8 * 8 * SEGMENT_ROW_MEMORY);
	assert_true(catalog_unread(m.catalog, INT32_MIN, INT32_MAX) < 0);
	mount_end(&m);
	/* And what it took is given back. */
	mount_begin_small(&m, &source, NULL, 1 << 20);
	wait_complete(&m, 1);
	check_all_there(&m);
	mount_end(&m);
}

static bool list_has_failed(struct mount *m)
{
	return catalog_list_error(m->catalog) == -ENETUNREACH;
}

static void a_listing_that_fails_says_why(void **state)
{
	struct mount m;

	(void)state;
	put_many(&source, 2);
	set_list_error(&source, -ENETUNREACH);
	mount_begin(&m, &source, NULL);
	wait_until(&m, list_has_failed, "the listing has failed");
	assert_true(catalog_pending(m.catalog, 0, 0));
	set_list_error(&source, 0);
	refresh(&m);
	check_all_there(&m);
	mount_end(&m);
}

static bool listed_often(struct mount *m)
{
	bool often;

	pthread_mutex_lock(&m->fake->lock);
	often = m->fake->listings >= m->want;
	pthread_mutex_unlock(&m->fake->lock);
	return often;
}

static int is_unlisted(void *arg, const char *key, const char *reason)
{
	(void)arg;
	assert_string_equal(key, "");
	assert_non_null(strstr(reason, "not listed since 20"));
	assert_non_null(strstr(reason, "Input/output error"));
	return 0;
}

static void what_is_known_outlives_a_failed_listing(void **state)
{
	struct mount m;

	(void)state;
	put_many(&source, 2);
	mount_begin(&m, &source, NULL);
	wait_complete(&m, 1);
	set_list_error(&source, -EIO);
	/* Where the second one has begun, the first one is dealt with. */
	for (m.want = 2; m.want <= 3; m.want++) {
		follow_refresh(m.follow);
		wait_until(&m, listed_often, "listed again");
	}
	assert_int_equal(catalog_list_error(m.catalog), 0);
	assert_int_equal(live_rows(&m), wanted(&source));
	assert_false(catalog_pending(m.catalog, INT32_MIN, INT32_MAX));
	assert_int_equal(catalog_unread(m.catalog, INT32_MIN, INT32_MAX), 0);
	assert_int_equal(catalog_counts(m.catalog).problems, 1);
	assert_true(catalog_counts(m.catalog).failed_listings >= 2);
	assert_int_equal(catalog_problems(m.catalog, is_unlisted, NULL), 0);
	set_list_error(&source, 0);
	refresh(&m);
	check_all_there(&m);
	mount_end(&m);
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
	struct mount m;

	(void)state;
	put_many(&source, 10);
	source.holds = true;
	mount_begin(&m, &source, NULL);
	wait_until(&m, somebody_fetches, "a fetch is under way");
	assert_true(catalog_pending(m.catalog, INT32_MIN, INT32_MAX));
	mount_end(&m);
	/* And at once, before anything has begun. */
	mount_begin(&m, &source, NULL);
	mount_end(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(everything_is_read_once),
		TEST(a_refresh_finds_what_is_new),
		TEST(what_could_not_be_fetched_is_tried_again),
		TEST(what_came_damaged_is_fetched_again),
		TEST(what_is_damaged_is_a_fact),
		TEST(what_comes_as_other_damage_each_time_is_no_fact),
		TEST(many_come_damaged),
		TEST(what_has_changed_since_it_was_listed_is_no_fact),
		TEST(what_was_refused_is_no_fact),
		TEST(what_is_denied_is_a_fact),
		TEST(a_batch_is_cut_where_memory_is_little),
		TEST(an_index_in_memory_has_its_bounds),
		TEST(a_listing_that_fails_says_why),
		TEST(what_is_known_outlives_a_failed_listing),
		TEST(stopping_ends_what_is_under_way),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
