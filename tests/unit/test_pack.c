/*
 * Packs: what is put is found, by this mount, by others and by the next one; and what has to go is what was
 * used least recently.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "tests/descriptors.h"
#include "tests/unit/pack_kit.h"

/* ---- what is put is found ---- */

static void what_is_put_is_found(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	open_packs(f, LARGE);
	for (int round = 0; round < 2; round++) {
		for (unsigned n = 0; n < 600; n++) {
			if (round == 0)
				put(f->packs, 1 + n % 3, n, n * 5, NOW);
			assert_true(has(f->packs, 1 + n % 3, n, n * 5, NOW));
		}
		assert_false(has(f->packs, 1, 1, 5, NOW)); /* that is of day 2 */
		assert_false(has(f->packs, 9, 0, 0, NOW));
		if (round == 0)
			open_packs(f, LARGE);
	}
	struct files files = pack_files(f);
	assert_int_equal(files.n, 3);
	assert_int_equal(stat(cache_path(f->cache, files.name[0]), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(packs_stats(f->packs).packs, 3);
}

static void another_version_is_another_object(void **state)
{
	struct fixture *f = *state;
	struct source_object o = {.key = "AWSLogs/x", .size = 3, .mtime = 5, .tag = 7}, other;
	char *data;

	open_packs(f, LARGE);
	packs_put(f->packs, &o, "one", NOW);
	for (int round = 0; round < 2; round++) {
		other = o;
		other.mtime = 6;
		assert_int_equal(packs_get(f->packs, &other, NOW, &data), -ENOENT);
		other = o;
		other.tag = round ? 9 : 8;
		assert_int_equal(packs_get(f->packs, &other, NOW, &data), -ENOENT);
		packs_put(f->packs, &other, "two", NOW);
		assert_int_equal(packs_get(f->packs, &other, NOW, &data), 0);
		assert_string_equal(data, "two");
		free(data);
		assert_int_equal(packs_get(f->packs, &o, NOW, &data), 0);
		assert_string_equal(data, "one");
		free(data);
		other = o;
		other.key = "AWSLogs/y";
		assert_int_equal(packs_get(f->packs, &other, NOW, &data), -ENOENT);
		open_packs(f, LARGE);
	}
}

static void small_packs_are_taken_up_again(void **state)
{
	struct fixture *f = *state;

	for (unsigned n = 0; n < 60; n++) {
		open_packs(f, LARGE);
		put(f->packs, 1, n, 3000, NOW);
	}
	open_packs(f, LARGE);
	for (unsigned n = 0; n < 60; n++)
		assert_true(has(f->packs, 1, n, 3000, NOW));
	assert_true(pack_files(f).n <= 2);
}

static void a_full_pack_is_followed_by_another(void **state)
{
	struct fixture *f = *state;

	open_packs(f, LARGE);
	for (unsigned n = 0; n < 10; n++)
		put(f->packs, 1, n, 15 << 20, NOW);
	for (unsigned n = 0; n < 10; n++)
		assert_true(has(f->packs, 1, n, 15 << 20, NOW));
	assert_int_equal(pack_files(f).n, 2);
}

static void more_days_than_can_be_written_at_a_time(void **state)
{
	struct fixture *f = *state;

	open_packs(f, LARGE);
	for (unsigned round = 0; round < 2; round++)
		for (unsigned d = 1; d <= 30; d++)
			put(f->packs, d, round, 100, NOW);
	for (unsigned d = 1; d <= 30; d++)
		assert_true(has(f->packs, d, 0, 100, NOW) && has(f->packs, d, 1, 100, NOW));
	assert_int_equal(pack_files(f).n, 30);
}

static void nothing_is_kept_without_a_cache(void **state)
{
	struct fixture *f = *state;
	struct packs *none;

	assert_int_equal(packs_open(NULL, LARGE, &none), 0);
	put(none, 1, 1, 10, NOW);
	assert_false(has(none, 1, 1, 10, NOW));
	assert_int_equal(packs_refresh(none, NOW), 0);
	packs_free(none);
	open_packs(f, 0);
	put(f->packs, 1, 1, 10, NOW);
	assert_false(has(f->packs, 1, 1, 10, NOW));
	assert_int_equal(pack_files(f).n, 0);
}
/* ---- no room ---- */

static void the_least_recently_used_day_goes(void **state)
{
	struct fixture *f = *state;
	uint64_t size = 0;

	open_packs(f, LARGE);
	for (unsigned d = 1; d <= 5; d++)
		put(f->packs, d, 0, 10000, NOW + d * 100);
	packs_refresh(f->packs, NOW + 100000); /* seals them */
	size = packs_stats(f->packs).bytes;
	packs_free(f->packs);
	assert_int_equal(packs_open(f->cache, size, &f->packs), 0);
	/* The files' own times are of today; use them in another order, long after. */
	const unsigned order[] = {3, 1, 5, 2, 4};
	for (unsigned i = 0; i < 5; i++)
		assert_true(has(f->packs, order[i], 0, 10000, NOW + 200000 + i * 1000));
	for (unsigned i = 0; i < 3; i++) {
		put(f->packs, 20 + i, 0, 10000, NOW + 300000 + i);
		for (unsigned k = 0; k < 5; k++)
			assert_int_equal(packs_stats(f->packs).dropped, i + 1);
	}
	assert_false(has(f->packs, 3, 0, 10000, NOW + 300010));
	assert_false(has(f->packs, 1, 0, 10000, NOW + 300010));
	assert_false(has(f->packs, 5, 0, 10000, NOW + 300010));
	assert_true(has(f->packs, 2, 0, 10000, NOW + 300010));
	assert_true(has(f->packs, 4, 0, 10000, NOW + 300010));
	assert_true(has(f->packs, 20, 0, 10000, NOW + 300010) && has(f->packs, 22, 0, 10000, NOW + 300010));
	assert_true(packs_stats(f->packs).bytes <= size);
}

/* The use is on the disk: another mount knows it. */
static void use_is_remembered(void **state)
{
	struct fixture *f = *state;

	open_packs(f, LARGE);
	for (unsigned d = 1; d <= 3; d++)
		put(f->packs, d, 0, 10000, NOW);
	open_packs(f, LARGE);
	assert_true(has(f->packs, 2, 0, 10000, NOW + 1000));
	assert_true(has(f->packs, 1, 0, 10000, NOW + 2000));
	assert_true(has(f->packs, 3, 0, 10000, NOW + 3000));
	open_packs(f, 21000);
	assert_int_equal(packs_evict(f->packs, 0, INT32_MAX, NOW + 4000), 0);
	assert_int_equal(pack_files(f).n, 2);
	assert_false(has(f->packs, 2, 0, 10000, NOW + 4000));
	assert_true(has(f->packs, 1, 0, 10000, NOW + 4000));
}

/* A first index goes from the newest day back: what comes last must not drive out what came first. */
static void old_days_do_not_drive_out_new_ones(void **state)
{
	struct fixture *f = *state;

	open_packs(f, 18 * 10300); /* room for two days more than are written to at a time */
	for (unsigned d = 28; d >= 1; d--)
		put(f->packs, d, 0, 10000, NOW + 100 - d);
	for (unsigned d = 28; d >= 1; d--)
		assert_int_equal(has(f->packs, d, 0, 10000, NOW + 100), d > 10);
	/* But later they may. */
	put(f->packs, 1, 0, 10000, NOW + 10000);
	assert_true(has(f->packs, 1, 0, 10000, NOW + 10000));
	assert_false(has(f->packs, 28, 0, 10000, NOW + 10000) && has(f->packs, 27, 0, 10000, NOW + 10000));
	assert_true(packs_stats(f->packs).bytes <= 18 * 10300);
}

/* The clock was a year ahead when days were kept. That they were used lately is no reason to keep nothing
 * else until it is so late again. */
static void the_clock_is_set_back(void **state)
{
	const int64_t ahead = NOW + 365 * 86400ll;
	struct fixture *f = *state;

	open_packs(f, 18 * 10300); /* as above */
	for (unsigned d = 28; d >= 11; d--)
		put(f->packs, d, 0, 10000, ahead);
	assert_true(has(f->packs, 11, 0, 10000, NOW));
	put(f->packs, 5, 0, 10000, NOW);
	assert_true(has(f->packs, 5, 0, 10000, NOW));
	assert_true(has(f->packs, 11, 0, 10000, NOW));
}

static void a_full_disk_is_no_error(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit limit = {40000, 40000};
		unsigned n = 0;

		log_set_level(LOG_LEVEL_ERROR);
		signal(SIGXFSZ, SIG_IGN);
		open_packs(f, LARGE);
		if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
			_exit(1);
		for (unsigned i = 0; i < 10; i++)
			put(f->packs, 1, i, 9000, NOW + i);
		for (unsigned i = 0; i < 10; i++)
			n += has(f->packs, 1, i, 9000, NOW + i);
		_exit(n == 4 && packs_stats(f->packs).refused == 6 ? 42 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	open_packs(f, LARGE);
	for (unsigned n = 0; n < 10; n++)
		assert_int_equal(has(f->packs, 1, n, 9000, NOW), n < 4);
}

/* The oldest day goes, for what cannot be written else; at most one a minute. */
static void a_full_disk_makes_room(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit limit = {40000, 40000};

		log_set_level(LOG_LEVEL_ERROR);
		signal(SIGXFSZ, SIG_IGN);
		for (unsigned day = 1; day <= 3; day++) {
			open_packs(f, LARGE);
			put(f->packs, day, 0, 1000, NOW + day);
		}
		open_packs(f, LARGE); /* all are sealed */
		if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
			_exit(1);
		put(f->packs, 9, 0, 50000, NOW + 1000);
		put(f->packs, 9, 1, 50000, NOW + 1001);
		_exit(packs_stats(f->packs).dropped == 1 && pack_files(f).n >= 2 ? 42 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	open_packs(f, LARGE);
	for (unsigned day = 1; day <= 3; day++)
		assert_int_equal(has(f->packs, day, 0, 1000, NOW + 2000), day > 1);
}

static void packs_that_are_removed(void **state)
{
	struct fixture *f = *state;

	log_set_level(LOG_LEVEL_ERROR);
	open_packs(f, LARGE);
	put(f->packs, 1, 1, 100, NOW);
	for (struct files now = pack_files(f); now.n > 0; now.n--)
		unlink(cache_path(f->cache, now.name[now.n - 1]));
	assert_true(has(f->packs, 1, 1, 100, NOW)); /* still open */
	packs_refresh(f->packs, NOW + 10);
	assert_false(has(f->packs, 1, 1, 100, NOW + 10));
	put(f->packs, 1, 1, 100, NOW + 10);
	open_packs(f, LARGE);
	assert_true(has(f->packs, 1, 1, 100, NOW + 10));
	log_set_level(LOG_LEVEL_INFO);
}

/* ---- several at a time ---- */

static void two_mounts_share(void **state)
{
	struct fixture *f = *state;
	struct packs *b;

	open_packs(f, LARGE);
	assert_int_equal(packs_open(f->cache, LARGE, &b), 0);
	put(f->packs, 1, 0, 1000, NOW);
	assert_true(has(b, 1, 0, 1000, NOW)); /* not sealed, and seen all the same */
	put(f->packs, 1, 1, 1000, NOW);
	assert_true(has(b, 1, 1, 1000, NOW + 10));
	put(b, 1, 2, 1000, NOW + 10); /* into a pack of its own */
	/* All that is in the folder counts, whoever has written it and whatever it is. */
	assert_int_equal(cache_write(f->cache, (char[5000]){0}, 5000, (char[32]){0}), 0);
	assert_int_equal(packs_refresh(f->packs, NOW + 10), 0);
	assert_int_equal(packs_stats(f->packs).bytes, cache_bytes(f->cache));
	assert_true(has(f->packs, 1, 2, 1000, NOW + 10));
	assert_int_equal(pack_files(f).n, 2);
	/* What is being written to stays, whoever wants room. */
	packs_free(b);
	assert_int_equal(packs_open(f->cache, 1, &b), 0);
	assert_int_equal(packs_evict(b, 0, INT32_MAX, NOW + 100000), -ENOSPC);
	struct files files = pack_files(f);
	assert_int_equal(files.n, 1); /* the other pack had been let go of */
	assert_true(has(f->packs, 1, 0, 1000, NOW + 20));
	packs_free(b);
	/* What is dropped under the reader is not found, or still open. */
	open_packs(f, LARGE);
	assert_int_equal(packs_open(f->cache, 1, &b), 0);
	assert_int_equal(packs_evict(b, 0, INT32_MAX, NOW + 100000), -ENOSPC); /* the id is longer */
	assert_int_equal(pack_files(f).n, 0);
	packs_free(b);
	assert_false(has(f->packs, 1, 0, 1000, NOW + 100));
}

/* What is not here is not looked for each time, but where another mount has changed something it is: in a
 * pack that there was not before, and in one that has grown. */
static void what_another_mount_has_kept_is_looked_for(void **state)
{
	struct fixture *f = *state;
	struct packs *b;

	open_packs(f, LARGE);
	assert_int_equal(packs_open(f->cache, LARGE, &b), 0);
	assert_false(has(b, 1, 0, 1000, NOW));
	for (unsigned n = 0; n < 3; n++) {
		put(f->packs, 1, n, 1000, NOW);
		assert_false(has(b, 1, n, 1000, NOW));
		cache_changed(f->cache);
		assert_true(has(b, 1, n, 1000, NOW));
	}
	cache_changed(f->cache);
	assert_false(has(b, 1, 3, 1000, NOW));
	put(f->packs, 1, 3, 1000, NOW);
	assert_false(has(b, 1, 3, 1000, NOW)); /* that was looked for already */
	packs_free(b);
}

struct worker {
	struct packs *p;
	unsigned first;
};

/* Another mount takes up a pack that this one has open and knows as sealed. */
static void two_mounts_one_pack(void **state)
{
	struct fixture *f = *state;
	struct packs *b;

	open_packs(f, LARGE);
	put(f->packs, 1, 0, 1000, NOW);
	open_packs(f, LARGE); /* sealed */
	assert_int_equal(packs_open(f->cache, LARGE, &b), 0);
	assert_true(has(b, 1, 0, 1000, NOW));
	put(f->packs, 1, 1, 1000, NOW);
	assert_int_equal(pack_files(f).n, 1);
	assert_int_equal(packs_refresh(b, NOW + 1), 0);
	assert_true(has(b, 1, 1, 1000, NOW + 1));
	put(f->packs, 1, 2, 1000, NOW + 1);
	assert_true(has(b, 1, 2, 1000, NOW + 10));
	assert_true(has(b, 1, 0, 1000, NOW + 10));
	packs_free(b);
}

static void *work(void *arg)
{
	const struct worker *w = arg;

	for (unsigned i = 0; i < 300; i++) {
		unsigned n = w->first + i;

		put(w->p, 1 + n % 4, n, 50 + n % 977, NOW + i);
		if (!has(w->p, 1 + n % 4, n, 50 + n % 977, NOW + i))
			return arg;
		has(w->p, 1 + n % 4, (n * 13) % 2000, 50 + (n * 13) % 2000 % 977, NOW + i);
		if (i % 100 == 99)
			packs_refresh(w->p, NOW + i);
	}
	return NULL;
}

static void many_threads(void **state)
{
	struct fixture *f = *state;
	struct worker w[4];
	pthread_t thread[4];
	void *failed;

	open_packs(f, LARGE);
	for (unsigned i = 0; i < 4; i++) {
		w[i] = (struct worker){f->packs, i * 500};
		assert_int_equal(pthread_create(&thread[i], NULL, work, &w[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(thread[i], &failed);
		assert_null(failed);
	}
	open_packs(f, LARGE);
	for (unsigned i = 0; i < 4; i++)
		for (unsigned n = i * 500; n < i * 500 + 300; n++)
			assert_true(has(f->packs, 1 + n % 4, n, 50 + n % 977, NOW));
}

/* ---- more packs than may be open ---- */

#define MANY_PACKS 150

/* One a day. */
static struct source_object of_a_day(unsigned i, char key[128])
{
	snprintf(key, 128, "AWSLogs/111122223333/CloudTrail/us-east-1/2025/%02u/%02u/0.json.gz", i / 25 + 1,
		i % 25 + 1);
	return (struct source_object){.key = key, .size = 100, .mtime = i, .tag = i};
}

static void many_packs(void **state)
{
	struct fixture *f = *state;
	size_t before;
	char key[128];

	open_packs(f, LARGE);
	for (unsigned i = 0; i < MANY_PACKS; i++) {
		struct source_object o = of_a_day(i, key);
		char data[100];

		memset(data, (int)i, sizeof(data));
		packs_put(f->packs, &o, data, NOW);
	}
	open_packs(f, LARGE);
	before = descriptors();
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < MANY_PACKS; i++) {
			struct source_object o = of_a_day(i, key);
			char *data;

			assert_int_equal(packs_get(f->packs, &o, NOW, &data), 0);
			for (size_t k = 0; k < 100; k++)
				assert_int_equal((unsigned char)data[k], i);
			free(data);
			assert_true(descriptors() <= before + 128);
		}
	assert_int_equal(packs_stats(f->packs).packs, MANY_PACKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_put_is_found),
		TEST(another_version_is_another_object),
		TEST(small_packs_are_taken_up_again),
		TEST(a_full_pack_is_followed_by_another),
		TEST(more_days_than_can_be_written_at_a_time),
		TEST(nothing_is_kept_without_a_cache),
		TEST(the_least_recently_used_day_goes),
		TEST(use_is_remembered),
		TEST(old_days_do_not_drive_out_new_ones),
		TEST(the_clock_is_set_back),
		TEST(a_full_disk_is_no_error),
		TEST(a_full_disk_makes_room),
		TEST(packs_that_are_removed),
		TEST(two_mounts_share),
		TEST(what_another_mount_has_kept_is_looked_for),
		TEST(two_mounts_one_pack),
		TEST(many_threads),
		TEST(many_packs),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
