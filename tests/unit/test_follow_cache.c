/*
 * Following with a cache: what the next mount finds; one that is shared, damaged, full, or gone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#include "tests/unit/follow_kit.h"

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
