/*
 * The process ends before each call that changes a file of the store, and in the middle of each write, one
 * after another; also while it repairs what the one before it left, and over and over. The next one finds
 * what was kept, nothing that is wrong, and leaves no more files than there should be.
 *
 * Of the many calls only some are tried each time; DISK_SWEEP=all tries all of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/log.h"
#include "fs/store/cache.h"
#include "tests/disk/disk.h"
#include "tests/disk/stage.h"

#define RUNS  40   /* of each scene and each way, without DISK_SWEEP */
#define NEVER 5000 /* calls: more than any scene has */

static unsigned chance = 4711;

static unsigned draw(unsigned below)
{
	chance = chance * 1664525 + 1013904223;
	return (chance >> 8) % below;
}

static void look(struct stage *s)
{
	disk_record_stop();
	s->scene->look(s->cache_dir.path, AFTER_DEATH, disk_record_length());
}

/* Until the process gets through. */
static void die_at_each(struct stage *s, enum disk_does does, unsigned n)
{
	unsigned step = stage_step(n, RUNS), runs = 0;
	bool died = true;

	for (unsigned at = 1 + draw(step); died; at += step, runs++) {
		assert_true(at < NEVER);
		stage_set(s);
		disk_record(s->folder, s->prepared);
		died = stage_play(s, (struct disk_fault){does, 0, at});
		look(s);
	}
	assert_true(runs > 5);
	stage_say(
		"%s: %s: %u runs", s->scene->name, does == DISK_TEARS ? "in a write" : "before a call", runs);
}

/* How many calls change something in a run that is not disturbed. */
static unsigned changes(struct stage *s)
{
	unsigned n;

	stage_set(s);
	disk_begin((struct disk_fault){DISK_DIES, 0, NEVER});
	s->scene->play(s->cache_dir.path);
	n = disk_end();
	assert_true(n > 10 && n < NEVER);
	return n;
}

static void dies_at_each_call(void **state)
{
	struct stage *s = *state;
	unsigned n = changes(s);

	die_at_each(s, DISK_DIES, n);
	die_at_each(s, DISK_TEARS, n / 3);
}

/* Dies, and the next one dies where he repairs it or a little later, and the third finds all well. */
static void dies_in_the_repair(void **state)
{
	struct stage *s = *state;
	unsigned n = changes(s), step = stage_step(n, RUNS / 4), runs = 0;

	for (unsigned at = 1 + draw(step); at <= n; at += step)
		for (unsigned second = 1; second <= 12; second += stage_sweeps() ? 1 : 1 + draw(4), runs++) {
			stage_set(s);
			disk_record(s->folder, s->prepared);
			stage_play(s, (struct disk_fault){DISK_DIES, 0, at});
			stage_play(s, (struct disk_fault){draw(4) ? DISK_DIES : DISK_TEARS, 0, second});
			look(s);
		}
	stage_say("%s: %u pairs", s->scene->name, runs);
}

/* What many leave, one after another, does not add up. */
static void dies_over_and_over(void **state)
{
	struct stage *s = *state;
	unsigned n = changes(s), deaths = 0;

	stage_set(s);
	disk_record(s->folder, s->prepared);
	for (int i = 0; i < 40; i++)
		deaths +=
			stage_play(s, (struct disk_fault){draw(3) ? DISK_DIES : DISK_TEARS, 0, 1 + draw(n)});
	assert_true(deaths > 0);
	look(s);
}

/* The very first one, before there is a folder; whether the fault ended it. */
static bool first_of_all(struct disk_fault fault)
{
	struct folder folder;
	struct cache *c;
	char name[32];
	int status;
	pid_t pid;

	folder_make(&folder);
	pid = fork();
	if (pid == 0) {
		disk_begin(fault);
		DISK_CHECK(cache_open(folder_at(&folder, "a/b"), "fake:", &c) == 0);
		DISK_CHECK(cache_write(c, "segment", 7, name) == 0);
		disk_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(cache_open(folder_at(&folder, "a/b"), "fake:", &c), 0);
	scene_check_files(cache_path(c, "."), ".seg", 1);
	cache_free(c);
	folder_remove(&folder);
	return WEXITSTATUS(status) == DISK_DIED;
}

static void dies_while_the_cache_is_made(void **state)
{
	unsigned at = 1, torn = 1;

	(void)state;
	while (first_of_all((struct disk_fault){DISK_DIES, 0, at}))
		at++;
	while (first_of_all((struct disk_fault){DISK_TEARS, 0, torn}))
		torn++;
	assert_true(at > 10 && torn == 3); /* the source's id and the segment */
}

#define TESTS(scene)                                                                                         \
	STAGE_TEST(dies_at_each_call, scene), STAGE_TEST(dies_in_the_repair, scene),                         \
		STAGE_TEST(dies_over_and_over, scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TESTS(packs), TESTS(listings), TESTS(index), cmocka_unit_test(dies_while_the_cache_is_made)};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
