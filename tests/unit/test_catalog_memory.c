/*
 * The catalogue without memory: the same life again and again, in which the first, the second ... allocation
 * fails. Whatever fails, counts and parts stay true, nothing waits where nobody looks, and with memory all is
 * well again.
 *
 * The catalogue's files are included here, so that their allocations can be made to fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static unsigned calls, fail_at, fail_times; /* fail_at 0: never */

static bool refuses(void)
{
	calls++;
	return fail_at && calls >= fail_at && calls < fail_at + fail_times;
}

static void *weak_malloc(size_t n)
{
	return refuses() ? NULL : malloc(n);
}

static void *weak_calloc(size_t n, size_t size)
{
	return refuses() ? NULL : calloc(n, size);
}

static void *weak_reallocarray(void *p, size_t n, size_t size)
{
	return refuses() ? NULL : reallocarray(p, n, size);
}

static char *weak_strdup(const char *s)
{
	return refuses() ? NULL : strdup(s);
}

#define malloc       weak_malloc
#define calloc       weak_calloc
#define reallocarray weak_reallocarray
#undef strdup
#define strdup weak_strdup
#define tell   tell_of_list
/* clang-format off */
#include "fs/store/queue.c"
#include "fs/store/keymap.c"
#include "fs/store/catalog.c"
#include "fs/store/catalog_list.c"
#undef tell
#include "fs/store/catalog_parts.c"
#include "fs/store/catalog_merge.c"
#include "fs/store/catalog_news.c"
/* clang-format on */
#undef malloc
#undef calloc
#undef reallocarray
#undef strdup

#include "tests/catalog_steps.h"

#define KEYS 7

static const char *const keys[KEYS] = {LOGS "2025/06/19/a.json.gz", LOGS "2025/06/20/b.json.gz",
	LOGS "2025/06/20/c.json.gz", DIGESTS "2025/06/20/d.json.gz", "e.json", "f.json", "g.txt"};

/* The checker itself always has memory. */
static void check_with_memory(struct catalog *c)
{
	unsigned at = fail_at;

	fail_at = 0;
	check(c);
	fail_at = at;
}

/* A listing in which the object `changed` is another version; -ENOMEM is how a listing may end. */
static int list_as_follow(struct catalog *c, uint64_t version, size_t first)
{
	uint32_t waiting;
	int err = 0;

	catalog_list_begin(c, SOURCE_ALL_DAYS, 0);
	if (version == 2)
		err = catalog_list_problem(c, "nowhere/", -EACCES, "denied");
	for (size_t i = first; i < KEYS && !err; i++) {
		struct source_object o = object(keys[i], 10, i % 3 ? 1 : version);

		err = catalog_list_object(c, &o);
	}
	assert_int_equal(catalog_list_end(c, err, &waiting), 0);
	check_with_memory(c);
	/* A listing that ended well has lost nothing that was said in it. */
	assert_true(err || version != 2 || catalog_counts(c).problems > 0);
	return err;
}

static struct segment *read_with_memory(const struct batch *b)
{
	unsigned at = fail_at;
	struct segment *s;

	fail_at = 0;
	s = read_batch(b);
	fail_at = at;
	return s;
}

/* Reads what waits: every object that waits must come. */
static void read_what_waits(struct catalog *c, const char *name)
{
	struct batch b;
	char full[32];
	int n = 0;

	while (catalog_counts(c).waiting) {
		assert_true(catalog_take(c, 2, 1 << 20, &b));
		snprintf(full, sizeof(full), "%s%d", name, n++);
		catalog_publish(c, &b, read_with_memory(&b), full);
		free(b.object);
		check_with_memory(c);
	}
}

static void merge_and_sweep(struct catalog *c, const char *name)
{
	struct names gone = {0};
	struct part **part;
	size_t n = catalog_mergeable(c, UINT64_MAX, &part);

	if (n) {
		unsigned at = fail_at;
		struct segment *s;
		struct segment_build *b;

		fail_at = 0;
		b = segment_build_new(segment_key_day(part[0]->seg));
		for (size_t i = 0; i < n; i++)
			for (uint32_t o = 0; o < segment_objects(part[i]->seg); o++)
				if (part[i]->object[o] != CATALOG_NO_OBJECT)
					segment_build_copy(b, part[i]->seg, o);
		s = made_segment(b);
		fail_at = at;
		catalog_replace(c, part, n, s, name, note, &gone);
		for (size_t i = 0; i < n; i++)
			part_unref(part[i]);
		free(part);
		check_with_memory(c);
	}
	for (int32_t day = INT32_MIN; catalog_sweepable(c, &day); day++)
		catalog_sweep(c, day, note, &gone);
	check_with_memory(c);
}

/* One life; false: catalog_new() failed. */
static bool live(void)
{
	const struct source_object known[] = {object(keys[4], 10, 1), object(keys[1], 10, 1)};
	struct catalog *c;
	struct snapshot *s;
	struct batch b;

	if (catalog_new(NULL, false, NULL, NULL, &c))
		return false;
	catalog_adopt(c, segment_of(KEY_NO_DAY, known, 1, 1), "known");
	list_as_follow(c, 1, 0);
	read_what_waits(c, "r");
	snapshot_unref(catalog_snapshot(c));
	list_as_follow(c, 2, 1);
	if (catalog_counts(c).waiting && catalog_take(c, 1, 1, &b)) {
		catalog_return(c, &b, 0);
		free(b.object);
		check_with_memory(c);
	}
	read_what_waits(c, "s");
	news_free(catalog_take_news(c));
	merge_and_sweep(c, "m1");
	/* With memory, a listing and a reading later, all is there. */
	fail_at = 0;
	assert_int_equal(list_as_follow(c, 3, 0), 0);
	read_what_waits(c, "t");
	assert_int_equal(catalog_counts(c).ready, KEYS);
	assert_int_equal(catalog_counts(c).problems, 0);
	assert_true(catalog_counts(c).complete);
	merge_and_sweep(c, "m2");
	s = catalog_snapshot(c);
	assert_int_equal(s->keys->n, KEYS);
	snapshot_unref(s);
	catalog_free(c);
	return true;
}

static void any_allocation_may_fail(void **state)
{
	unsigned all;

	(void)state;
	calls = 0;
	assert_true(live());
	all = calls;
	assert_true(all > 50);
	for (fail_times = 1; fail_times <= 3; fail_times += 2)
		for (unsigned at = 1; at <= all; at++) {
			calls = 0;
			fail_at = at;
			live();
			fail_at = 0;
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
