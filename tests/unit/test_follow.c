/*
 * Following a source that is in memory: the first index, what is new, changes, goes or fails, a cache that is
 * shared, damaged, gone or not there, and stopping at any time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "fs/log.h"
#include "fs/store/follow.h"
#include "tests/fake_source.h"
#include "tests/unit/folder.h"

#define LIMIT 60 /* seconds that anything may take */

/* ---- a mount ---- */

struct mount {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct fake *fake;
	struct cache *cache;
	struct catalog *catalog;
	struct follow *follow;
	uint64_t want; /* what a condition asks for */
};

static void changed(void *arg)
{
	struct mount *m = arg;

	pthread_mutex_lock(&m->lock);
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
}

/* Starts to follow; folder NULL: without a cache. */
static void mount_begin(struct mount *m, struct fake *f, const struct folder *folder)
{
	const struct follow_options options = {.refresh = 0, .readers = 3};

	*m = (struct mount){.fake = f};
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->changed, NULL);
	pthread_mutex_lock(&f->lock);
	f->cancelled = false;
	pthread_mutex_unlock(&f->lock);
	if (folder)
		assert_int_equal(cache_open(folder->path, "fake:", &m->cache), 0);
	assert_int_equal(catalog_new(NULL, false, changed, m, &m->catalog), 0);
	assert_int_equal(follow_new(&f->base, m->cache, m->catalog, &options, &m->follow), 0);
	assert_int_equal(follow_start(m->follow), 0);
}

static void mount_end(struct mount *m)
{
	follow_stop(m->follow);
	follow_free(m->follow);
	catalog_free(m->catalog);
	cache_free(m->cache);
	pthread_cond_destroy(&m->changed);
	pthread_mutex_destroy(&m->lock);
}

/* Waits until a condition holds. Not all of them are announced, so it is asked anew now and then. */
static void wait_until(struct mount *m, bool (*holds)(struct mount *m), const char *what)
{
	time_t end = time(NULL) + LIMIT;

	pthread_mutex_lock(&m->lock);
	while (!holds(m)) {
		struct timespec t;

		if (time(NULL) > end)
			fail_msg("not within %d s: %s", LIMIT, what);
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_nsec += 50000000;
		t.tv_sec += t.tv_nsec / 1000000000;
		t.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&m->changed, &m->lock, &t);
	}
	pthread_mutex_unlock(&m->lock);
}

/* The wanted number of listings is done and nothing waits. */
static bool is_complete(struct mount *m)
{
	struct catalog_counts c = catalog_counts(m->catalog);

	return c.complete && c.listings >= m->want;
}

static void wait_complete(struct mount *m, uint64_t listings)
{
	m->want = listings;
	wait_until(m, is_complete, "complete");
}

/* Lists again, and waits for the end of it. */
static void refresh(struct mount *m)
{
	uint64_t listings = catalog_counts(m->catalog).listings;

	follow_refresh(m->follow);
	wait_complete(m, listings + 1);
}

/* Live rows: events that are shown. */
static uint64_t live_rows(struct mount *m)
{
	struct snapshot *s = catalog_snapshot(m->catalog);
	uint64_t n = 0;

	assert_non_null(s);
	for (size_t i = 0; i < s->n; i++)
		for (uint32_t row = 0; row < segment_rows(s->part[i]->seg); row++)
			n += part_row_live(s->part[i], row);
	snapshot_unref(s);
	return n;
}

static void check_all_there(struct mount *m)
{
	struct catalog_counts c = catalog_counts(m->catalog);

	assert_int_equal(live_rows(m), wanted(m->fake));
	assert_int_equal(c.failed + c.damaged + c.waiting + c.problems, 0);
	assert_false(catalog_pending(m->catalog, INT32_MIN, INT32_MAX));
}

/* ---- one mount ---- */

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
	m.want = 2;
	follow_refresh(m.follow);
	wait_until(&m, listed_often, "listed again");
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

/* ---- the cache ---- */

/* How many files the cache's folder holds. */
static int count_file(void *arg, const char *name, const char *path)
{
	(void)name;
	(void)path;
	++*(int *)arg;
	return 0;
}

static int files_of(const struct folder *folder)
{
	struct cache *c;
	int n = 0;

	assert_int_equal(cache_open(folder->path, "fake:", &c), 0);
	assert_int_equal(cache_list(c, count_file, &n), 0);
	cache_free(c);
	return n;
}

static void the_next_mount_reads_nothing(void **state)
{
	static struct fake f;
	struct folder folder;
	struct mount m;

	(void)state;
	folder_make(&folder);
	fake_begin(&f);
	put_many(&f, 10);
	for (int round = 0; round < 3; round++) {
		mount_begin(&m, &f, &folder);
		wait_complete(&m, 1);
		check_all_there(&m);
		mount_end(&m);
		assert_int_equal(fetches(&f), 30);
	}
	put(&f, "loose/new.json");
	mount_begin(&m, &f, &folder);
	wait_complete(&m, 1);
	check_all_there(&m);
	mount_end(&m);
	assert_int_equal(fetches(&f), 31);
	fake_end(&f);
	folder_remove(&folder);
}

static bool is_merged(struct mount *m)
{
	return catalog_counts(m->catalog).parts <= 8;
}

/* Segments become few however many refreshes bring one object each, and none is lost in it. */
static void segments_are_merged(void **state)
{
	static struct fake f;
	struct folder folder;
	struct mount m;

	(void)state;
	folder_make(&folder);
	fake_begin(&f);
	put_many(&f, 1);
	mount_begin(&m, &f, &folder);
	wait_complete(&m, 1);
	for (int i = 0; i < 20; i++) {
		char key[64];

		snprintf(key, sizeof(key), "more/%d.json", i);
		put(&f, key);
		if (i % 5 == 4)
			take_away(&f, "more/1.json");
		refresh(&m);
		check_all_there(&m);
	}
	wait_until(&m, is_merged, "few segments");
	mount_end(&m);
	mount_begin(&m, &f, &folder);
	wait_complete(&m, 1);
	check_all_there(&m);
	mount_end(&m);
	assert_int_equal(fetches(&f), 23);
	fake_end(&f);
	folder_remove(&folder);
}

static int spoil(void *arg, const char *name, const char *path)
{
	int fd = open(path, O_WRONLY);

	(void)arg;
	(void)name;
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "spoilt", 6, 100), 6);
	close(fd);
	return -ECANCELED; /* one is enough */
}

static void a_spoilt_file_is_read_again(void **state)
{
	static struct fake f;
	struct folder folder;
	struct cache *c;
	struct mount m;
	unsigned before;
	int files;

	(void)state;
	folder_make(&folder);
	fake_begin(&f);
	put_many(&f, 5);
	mount_begin(&m, &f, &folder);
	wait_complete(&m, 1);
	mount_end(&m);
	before = fetches(&f);
	files = files_of(&folder);
	assert_true(files > 1);
	assert_int_equal(cache_open(folder.path, "fake:", &c), 0);
	cache_list(c, spoil, NULL);
	cache_free(c);
	mount_begin(&m, &f, &folder);
	wait_complete(&m, 1);
	check_all_there(&m);
	mount_end(&m);
	assert_true(fetches(&f) > before && fetches(&f) < 2 * before);
	fake_end(&f);
	folder_remove(&folder);
}

/* The folder is removed under the mount: nothing can be written, and what was read is still there. */
static void without_room_it_goes_on_in_memory(void **state)
{
	static struct fake f;
	struct folder folder;
	struct mount m;

	(void)state;
	folder_make(&folder);
	fake_begin(&f);
	put_many(&f, 3);
	mount_begin(&m, &f, &folder);
	wait_complete(&m, 1);
	folder_remove(&folder);
	put(&f, "more/1.json");
	refresh(&m);
	put(&f, "more/2.json");
	take_away(&f, "loose/1.json");
	refresh(&m);
	check_all_there(&m);
	assert_int_equal(fetches(&f), 11);
	mount_end(&m);
	fake_end(&f);
	folder_remove(&folder);
}

static void set_file_size_limit(rlim_t limit)
{
	struct rlimit r;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &r), 0);
	r.rlim_cur = limit < r.rlim_max ? limit : r.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
}

/* Files can still be read and removed, but not written: what is on the disk is not given up for a merged
 * segment that would be in memory alone. */
static void a_full_disk_keeps_what_it_has(void **state)
{
	static struct fake f;
	struct folder folder;
	struct mount m;

	(void)state;
	folder_make(&folder);
	fake_begin(&f);
	put_many(&f, 3);
	mount_begin(&m, &f, &folder);
	wait_complete(&m, 1);
	refresh(&m);
	refresh(&m); /* the listing before has merged what there was */
	signal(SIGXFSZ, SIG_IGN);
	set_file_size_limit(0);
	put(&f, "loose/new.json");
	refresh(&m);
	refresh(&m);
	refresh(&m);
	set_file_size_limit(RLIM_INFINITY);
	check_all_there(&m);
	mount_end(&m);
	mount_begin(&m, &f, &folder);
	wait_complete(&m, 1);
	check_all_there(&m);
	mount_end(&m);
	for (int i = 0; i < f.n; i++)
		assert_true(f.object[i].fetched <= 1 || !strcmp(f.object[i].key, "loose/new.json"));
	fake_end(&f);
	folder_remove(&folder);
}

static void what_fails_leaves_no_files(void **state)
{
	static struct fake f;
	struct folder folder;
	struct mount m;

	(void)state;
	folder_make(&folder);
	fake_begin(&f);
	put_many(&f, 3);
	set_failing(&f, 9, -EIO);
	mount_begin(&m, &f, &folder);
	wait_complete(&m, 1);
	assert_int_equal(files_of(&folder), 0);
	refresh(&m);
	check_all_there(&m);
	mount_end(&m);
	fake_end(&f);
	folder_remove(&folder);
}

/* Two mounts of one source and one cache, while objects come, change and go: each is read once by one of
 * them, and what is in the source is in the cache in the end. */
static void two_mounts_share_the_work(void **state)
{
	static struct fake f;
	struct folder folder;
	struct mount a, b, c;

	(void)state;
	folder_make(&folder);
	fake_begin(&f);
	put_many(&f, 12);
	mount_begin(&a, &f, &folder);
	mount_begin(&b, &f, &folder);
	wait_complete(&a, 1);
	wait_complete(&b, 1);
	check_all_there(&a);
	check_all_there(&b);
	for (int round = 0; round < 10; round++) {
		char key[64];
		uint64_t listings = catalog_counts(b.catalog).listings;

		for (int i = 0; i < 3; i++) {
			snprintf(key, sizeof(key), "round/%d.json", round * 2 + i);
			put(&f, key);
		}
		snprintf(key, sizeof(key), "round/%d.json", round);
		if (round % 3 == 2)
			take_away(&f, key);
		follow_refresh(b.follow); /* both at a time */
		refresh(&a);
		wait_complete(&b, listings + 1);
		check_all_there(&a);
		check_all_there(&b);
	}
	mount_end(&a);
	mount_end(&b);
	for (int i = 0; i < f.n; i++)
		if (f.object[i].fetched > f.object[i].version)
			fail_msg("%s was read %u times", f.object[i].key, f.object[i].fetched);
	assert_true(files_of(&folder) > 0);
	{
		unsigned before = fetches(&f);

		mount_begin(&c, &f, &folder);
		wait_complete(&c, 1);
		check_all_there(&c);
		assert_int_equal(fetches(&f), before);
		mount_end(&c);
	}
	fake_end(&f);
	folder_remove(&folder);
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
		cmocka_unit_test(the_next_mount_reads_nothing),
		cmocka_unit_test(segments_are_merged),
		cmocka_unit_test(a_spoilt_file_is_read_again),
		cmocka_unit_test(without_room_it_goes_on_in_memory),
		cmocka_unit_test(a_full_disk_keeps_what_it_has),
		cmocka_unit_test(what_fails_leaves_no_files),
		cmocka_unit_test(two_mounts_share_the_work),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
