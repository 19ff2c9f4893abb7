/*
 * Each call that looks at or changes a file of the store fails, one after another, in each way in which it
 * may: once, or it and all after it. The process goes on, shows nothing wrong meanwhile, and afterwards, with
 * a disk that works, everything is there or can be had again.
 *
 * Of the many calls only some are tried each time; DISK_SWEEP=all tries all of them, which takes some
 * minutes.
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
#include "tests/disk/disk.h"
#include "tests/disk/stage.h"

#define RUNS 30 /* of each scene and each way, without DISK_SWEEP */

/* Plays a scene with a fault; how many calls could have met it. */
static unsigned run(struct stage *s, struct disk_fault fault)
{
	size_t descriptors;
	unsigned n;

	stage_set(s);
	descriptors = scene_descriptors();
	disk_begin(fault);
	s->scene->play(s->cache_dir.path);
	n = disk_end();
	DISK_CHECK(scene_descriptors() == descriptors);
	s->scene->look(s->cache_dir.path, AFTER_FAULTS, 0);
	return n;
}

static void sweep(struct stage *s, enum disk_does does, int error, unsigned first)
{
	unsigned n = run(s, (struct disk_fault){DISK_WORKS, error, 0}), step = stage_step(n, RUNS), runs = 0;

	for (unsigned at = 1 + first % step; at <= n; at += step, runs++)
		run(s, (struct disk_fault){does, error, at});
	stage_say("%s: %s%s: %u calls, %u runs", s->scene->name,
		does == DISK_SHORT ? "short" : strerrorname_np(error), does == DISK_FAILS ? " and after" : "",
		n, runs);
}

static void each_call_fails(void **state)
{
	static const int errors[] = {
		EIO, ENOSPC, EDQUOT, EFBIG, EROFS, EACCES, EINTR, EMFILE, ENOLCK, ENOMEM};
	struct stage *s = *state;
	unsigned first = 0;

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		sweep(s, DISK_FAILS_ONCE, errors[i], first += 5);
		/* A call that is interrupted for ever never ends. */
		if (errors[i] != EINTR)
			sweep(s, DISK_FAILS, errors[i], first += 5);
	}
	sweep(s, DISK_SHORT, 0, first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGE_TEST(each_call_fails, packs),
		STAGE_TEST(each_call_fails, listings),
		STAGE_TEST(each_call_fails, index),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
