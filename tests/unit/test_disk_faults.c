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
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/log.h"
#include "fs/store/blob.h"
#include "tests/descriptors.h"
#include "tests/disk/disk.h"
#include "tests/disk/stage.h"

#define RUNS 30 /* of each scene and each way, without DISK_SWEEP */

/* Plays a scene with a fault; how many calls could have met it. */
static unsigned run(struct stage *s, struct disk_fault fault)
{
	size_t before;
	unsigned n;

	stage_set(s);
	before = descriptors();
	disk_begin(fault);
	s->scene->play(s->cache_dir.path);
	n = disk_end();
	DISK_CHECK(descriptors() == before);
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
		EIO, ENOSPC, EDQUOT, EFBIG, EROFS, EACCES, EINTR, EMFILE, ENOLCK, ENOMEM, EINVAL};
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

/* ---- what is too large to hold ---- */

#define LINE    4096
#define SPILLED ((size_t)BLOB_HELD_MAX + 25 * LINE)

/* n bytes of gzip; new. */
static char *zip_large(size_t *ret_n)
{
	struct libdeflate_compressor *z = libdeflate_alloc_compressor(1);
	size_t room = SPILLED / 4;
	char *text = malloc(SPILLED), *out = malloc(room);

	assert_true(z && text && out);
	for (size_t at = 0; at < SPILLED; at += LINE)
		memset(text + at, 'a' + (int)(at / LINE % 26), LINE);
	*ret_n = libdeflate_gzip_compress(z, text, SPILLED, out, room);
	assert_true(*ret_n > 0);
	libdeflate_free_compressor(z);
	free(text);
	return out;
}

static void check_large(const struct blob *b)
{
	char line[LINE];

	DISK_CHECK(blob_len(b) == SPILLED && blob_held(b) == 0);
	for (size_t at = 0; at < SPILLED; at += LINE) {
		memset(line, 'a' + (int)(at / LINE % 26), LINE);
		DISK_CHECK(memcmp(blob_data(b) + at, line, LINE) == 0);
	}
}

/* The bytes, or an error of this machine: the object is not to blame. */
static unsigned spill(struct cache *c, const char *zipped, size_t len, struct disk_fault fault)
{
	char reason[BLOB_REASON_MAX] = "";
	size_t before = descriptors();
	struct blob *b = NULL;
	unsigned n;
	int r;

	disk_begin(fault);
	r = blob_gunzip(zipped, len, c, &b, reason);
	n = disk_end();
	if (r == 0)
		check_large(b);
	else
		DISK_CHECK((r == -ENOSPC || r == -EIO || r == -ENOMEM) && reason[0] == '\0');
	DISK_CHECK(r == 0 || (fault.does != DISK_SHORT && fault.error != EOPNOTSUPP));
	blob_unref(b);
	DISK_CHECK(descriptors() == before);
	return n;
}

static void calls_of_a_spill_fail(void **state)
{
	static const struct disk_fault faults[] = {
		{DISK_FAILS_ONCE, EOPNOTSUPP, 1}, /* O_TMPFILE is not known here */
		{DISK_FAILS_ONCE, ENOSPC, 1}, {DISK_FAILS_ONCE, ENOSPC, 2}, {DISK_FAILS_ONCE, EIO, 40},
		{DISK_SHORT, 0, 2}, {DISK_FAILS_ONCE, ENOMEM, 1}, /* to map it */
	};
	struct folder folder;
	struct cache *c;
	size_t len;
	char *zipped = zip_large(&len);

	(void)state;
	stage_folder(&folder);
	assert_int_equal(cache_open(folder.path, "fake:", &c), 0);
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		assert_true(spill(c, zipped, len, faults[i]) >= faults[i].at);
	scene_check_files(cache_path(c, "."), "", 4); /* id, lock and the folder itself */
	cache_free(c);
	folder_remove(&folder);
	free(zipped);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGE_TEST(each_call_fails, packs),
		STAGE_TEST(each_call_fails, listings),
		STAGE_TEST(each_call_fails, index),
		cmocka_unit_test(calls_of_a_spill_fail),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
