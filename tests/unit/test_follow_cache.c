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

#include "fs/source_cached.h"
#include "tests/unit/follow_kit.h"

static struct folder cached; /* the cache's folder */

static int set_up(void **state)
{
	folder_make(&cached);
	return source_set_up(state);
}

static int tear_down(void **state)
{
	folder_remove(&cached);
	return source_tear_down(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
	struct mount m;

	(void)state;
	put_many(&source, 10);
	for (int round = 0; round < 3; round++) {
		mount_begin(&m, &source, &cached);
		wait_complete(&m, 1);
		check_all_there(&m);
		mount_end(&m);
		assert_int_equal(fetches(&source), 30);
	}
	put(&source, "loose/new.json");
	mount_begin(&m, &source, &cached);
	wait_complete(&m, 1);
	check_all_there(&m);
	mount_end(&m);
	assert_int_equal(fetches(&source), 31);
}

static bool is_merged(struct mount *m)
{
	return catalog_counts(m->catalog).parts <= 8;
}

/* Segments become few however many refreshes bring one object each, and none is lost in it. */
static void segments_are_merged(void **state)
{
	struct mount m;

	(void)state;
	put_many(&source, 1);
	mount_begin(&m, &source, &cached);
	wait_complete(&m, 1);
	for (int i = 0; i < 20; i++) {
		char key[64];

		snprintf(key, sizeof(key), "more/%d.json", i);
		put(&source, key);
		if (i % 5 == 4)
			take_away(&source, "more/1.json");
		refresh(&m);
		check_all_there(&m);
	}
	wait_until(&m, is_merged, "few segments");
	mount_end(&m);
	mount_begin(&m, &source, &cached);
	wait_complete(&m, 1);
	check_all_there(&m);
	mount_end(&m);
	assert_int_equal(fetches(&source), 23);
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
	struct cache *c;
	struct mount m;
	unsigned before;
	int files;

	(void)state;
	put_many(&source, 5);
	mount_begin(&m, &source, &cached);
	wait_complete(&m, 1);
	mount_end(&m);
	before = fetches(&source);
	files = files_of(&cached);
	assert_true(files > 1);
	assert_int_equal(cache_open(cached.path, "fake:", &c), 0);
	cache_list(c, spoil, NULL);
	cache_free(c);
	mount_begin(&m, &source, &cached);
	wait_complete(&m, 1);
	check_all_there(&m);
	mount_end(&m);
	assert_true(fetches(&source) > before && fetches(&source) < 2 * before);
}

/* The folder is removed under the mount: nothing can be written, and what was read is still there. */
static void without_room_it_goes_on_in_memory(void **state)
{
	struct mount m;

	(void)state;
	put_many(&source, 3);
	mount_begin(&m, &source, &cached);
	wait_complete(&m, 1);
	folder_remove(&cached);
	put(&source, "more/1.json");
	refresh(&m);
	put(&source, "more/2.json");
	take_away(&source, "loose/1.json");
	refresh(&m);
	check_all_there(&m);
	assert_int_equal(fetches(&source), 11);
	mount_end(&m);
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
	struct mount m;

	(void)state;
	put_many(&source, 3);
	mount_begin(&m, &source, &cached);
	wait_complete(&m, 1);
	refresh(&m);
	refresh(&m); /* the listing before has merged what there was */
	signal(SIGXFSZ, SIG_IGN);
	set_file_size_limit(0);
	put(&source, "loose/new.json");
	refresh(&m);
	refresh(&m);
	refresh(&m);
	set_file_size_limit(RLIM_INFINITY);
	check_all_there(&m);
	mount_end(&m);
	mount_begin(&m, &source, &cached);
	wait_complete(&m, 1);
	check_all_there(&m);
	mount_end(&m);
	for (int i = 0; i < source.n; i++)
		assert_true(source.object[i].fetched <= 1 || !strcmp(source.object[i].key, "loose/new.json"));
}

static void what_fails_leaves_no_files(void **state)
{
	struct mount m;

	(void)state;
	put_many(&source, 3);
	set_failing(&source, 9, -EIO);
	mount_begin(&m, &source, &cached);
	wait_complete(&m, 1);
	assert_int_equal(files_of(&cached), 0);
	refresh(&m);
	check_all_there(&m);
	mount_end(&m);
}

/* Two mounts of one source and one cache, while objects come, change and go: each is read once by one of
 * them, and what is in the source is in the cache in the end. */
static void two_mounts_share_the_work(void **state)
{
	struct mount a, b, c;

	(void)state;
	put_many(&source, 12);
	mount_begin(&a, &source, &cached);
	mount_begin(&b, &source, &cached);
	wait_complete(&a, 1);
	wait_complete(&b, 1);
	check_all_there(&a);
	check_all_there(&b);
	for (int round = 0; round < 10; round++) {
		char key[64];
		uint64_t listings = catalog_counts(b.catalog).listings;

		for (int i = 0; i < 3; i++) {
			snprintf(key, sizeof(key), "round/%d.json", round * 2 + i);
			put(&source, key);
		}
		snprintf(key, sizeof(key), "round/%d.json", round);
		if (round % 3 == 2)
			take_away(&source, key);
		follow_refresh(b.follow); /* both at a time */
		refresh(&a);
		wait_complete(&b, listings + 1);
		check_all_there(&a);
		check_all_there(&b);
	}
	mount_end(&a);
	mount_end(&b);
	for (int i = 0; i < source.n; i++)
		if (source.object[i].fetched > source.object[i].version)
			fail_msg("%s was read %u times", source.object[i].key, source.object[i].fetched);
	assert_true(files_of(&cached) > 0);
	{
		unsigned before = fetches(&source);

		mount_begin(&c, &source, &cached);
		wait_complete(&c, 1);
		check_all_there(&c);
		assert_int_equal(fetches(&source), before);
		mount_end(&c);
	}
}

/* ---- what is fetched by one mount and read by the other ---- */

/* A mount that keeps what it fetches. */
struct keeper {
	struct source inner; /* the source that is in memory, */
	struct keeper
		*faster; /* which another mount, if any, lists and reads first, whenever this one lists it */
	struct mount mount;
	struct packs *packs;
	struct listings *listings;
	struct source *source;
};

static int list_late(
	struct source *s, int32_t day, const struct source_filter *filter, const struct source_sink *sink)
{
	struct keeper *k = (struct keeper *)s;

	if (k->faster)
		refresh(&k->faster->mount);
	return source_list(&source.base, day, filter, sink);
}

static void fetch_through(
	struct source *s, const struct source_object *o, size_t n, source_done *done, void *arg)
{
	(void)s;
	source_fetch(&source.base, o, n, done, arg);
}

static void ignore(struct source *s)
{
	(void)s;
}

static void keeper_begin(struct keeper *k)
{
	static const struct source_ops ops = {
		.list = list_late, .fetch = fetch_through, .cancel = ignore, .free = ignore};

	*k = (struct keeper){.inner = {&ops, source.base.id}};
	mount_prepare(&k->mount, &source, &cached);
	assert_int_equal(packs_open(k->mount.cache, 1u << 30, &k->packs), 0);
	assert_int_equal(listings_open(k->mount.cache, &k->listings), 0);
	assert_int_equal(source_cached_new(&k->inner, k->packs, k->listings, false, &k->source), 0);
	mount_follow(&k->mount, k->source);
	wait_complete(&k->mount, 1);
}

static void keeper_end(struct keeper *k)
{
	mount_unfollow(&k->mount);
	source_free(k->source);
	packs_free(k->packs);
	listings_free(k->listings);
	mount_clear(&k->mount);
}

static void has_come(void *arg, size_t i, int error, char *data, size_t len, const char *reason)
{
	(void)i;
	(void)len;
	(void)reason;
	free(data);
	*(int *)arg += !error;
}

/* Reads all that holds events, as whoever looks into the files does. */
static void read_all(struct keeper *k)
{
	const struct object *o;
	int n = 0;

	for (uint32_t i = 0; (o = catalog_object(k->mount.catalog, i)); i++)
		if (o->wanted)
			source_fetch(k->source, &o->at, 1, has_come, &n);
	assert_int_equal(n, wanted(&source));
}

/* One mount fetches an object after the other has begun to list, so that this one learns of it from what the
 * first has written. What is read there at once comes from what the first has kept. */
static void what_the_other_has_fetched_is_read_at_once(void **state)
{
	struct keeper a, b;

	(void)state;
	put_many(&source, 2);
	keeper_begin(&a);
	keeper_begin(&b);
	read_all(&a);
	read_all(&b);
	b.faster = &a;
	for (int i = 0; i < 4; i++) {
		char key[96];

		snprintf(key, sizeof(key), LOGS "2025/06/%02d/new-%d.json", 2 + i % 2, i);
		put(&source, key);
		refresh(&b.mount);
		check_all_there(&b.mount);
		read_all(&b);
		assert_int_equal(fetches(&source), wanted(&source));
	}
	keeper_end(&b);
	keeper_end(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_next_mount_reads_nothing),
		TEST(segments_are_merged),
		TEST(a_spoilt_file_is_read_again),
		TEST(without_room_it_goes_on_in_memory),
		TEST(a_full_disk_keeps_what_it_has),
		TEST(what_fails_leaves_no_files),
		TEST(two_mounts_share_the_work),
		TEST(what_the_other_has_fetched_is_read_at_once),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
