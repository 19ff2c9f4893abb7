/*
 * A rollup that changes: a version stays what it is for whoever has it open, and is another one as soon as
 * its events are others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <time.h>

#include "tests/unit/rollup_kit.h"

/* A page says when it was made. One that is forgotten and asked for again later is the same all the same:
 * whoever has it open reads on. */
static void forgotten_pages(void **state)
{
	struct world w;
	struct rollup_key key = key_of(ROLLUP_REPORT);
	struct rollup_is page, is;
	char *before = malloc(1u << 20), *after = malloc(1u << 20);
	int64_t late;
	time_t then;

	(void)state;
	make_few(&w);
	assert_int_equal(find(&w, key, &page), 0);
	assert_int_equal(read_at(&w, page.id, 0, 1u << 20, before), page.size);
	then = time(NULL);
	for (key.dir = 100; key.dir < 200; key.dir++)
		assert_int_equal(find(&w, key, &is), 0);
	late = changes_end();
	while (time(NULL) == then)
		wait_some(&w, late);
	assert_int_equal(read_at(&w, page.id, 0, 1u << 20, after), page.size);
	assert_memory_equal(after, before, page.size);
	free(before);
	free(after);
	end(&w);
}

/* A page holds for a while, and is another one as soon as its events are others. */
static void pages(void **state)
{
	struct world w;
	struct rollup_key key = key_of(ROLLUP_REPORT);
	struct rollup_is old, is;
	char *before = malloc(1u << 20), *text = malloc(1u << 20);
	ssize_t n;

	(void)state;
	make_many(&w);
	assert_int_equal(find(&w, key, &old), 0);
	n = read_at(&w, old.id, 0, 1u << 20, before);
	assert_int_equal(n, old.size);
	before[n] = '\0';
	assert_non_null(strstr(before, "<dt>Events</dt><dd>4,806</dd>"));
	assert_non_null(strstr(before, "</html>"));
	refresh(&w);
	assert_int_equal(find(&w, key, &is), 0);
	assert_int_equal(is.identity, old.identity);
	write_events(&w, "more.jsonl", DAY0 + 1, 50, 500);
	refresh(&w);
	assert_int_equal(find(&w, key, &is), 0);
	assert_int_not_equal(is.id, old.id);
	assert_int_not_equal(is.identity, old.identity);
	n = read_at(&w, is.id, 0, 1u << 20, text);
	text[n] = '\0';
	assert_non_null(strstr(text, "<dt>Events</dt><dd>4,856</dd>"));
	assert_int_equal(read_at(&w, old.id, 0, 1u << 20, text), old.size);
	assert_memory_equal(text, before, old.size);
	free(before);
	free(text);
	end(&w);
}

static void versions_stay(void **state)
{
	struct world w;
	struct rollup_is old[ROLLUP_COUNT + 1], is;
	struct buf before[ROLLUP_COUNT + 1];

	(void)state;
	make_many(&w);
	for (int what = 0; what <= ROLLUP_COUNT; what++) {
		struct rollup_key key = key_of((enum rollup_what)what);

		before[what] = expect(&w, key.what, NULL, INT32_MIN, INT32_MAX);
		assert_int_equal(find(&w, key, &old[what]), 0);
	}
	/* Nothing new: the same version. */
	refresh(&w);
	assert_int_equal(find(&w, key_of(ROLLUP_JSONL), &is), 0);
	assert_int_equal(is.id, old[ROLLUP_JSONL].id);
	write_events(&w, "more.jsonl", DAY0 + 1, 50, 500);
	refresh(&w);
	for (int what = 0; what <= ROLLUP_COUNT; what++) {
		struct rollup_key key = key_of((enum rollup_what)what);

		assert_int_equal(find(&w, key, &is), 0);
		assert_int_not_equal(is.id, old[what].id);
		assert_int_not_equal(is.identity, old[what].identity);
		check_rollup(&w, key, NULL);
		check_whole(&w, old[what].id, &before[what], 100000);
		buf_clear(&before[what]);
	}
	/* What does not concern it does not change it. */
	write_events(&w, "later.jsonl", DAY0 + 9, 1, 10);
	{
		struct rollup_key key = key_of(ROLLUP_CSV);

		key.last = DAY0 + 1;
		key.undated = false;
		assert_int_equal(find(&w, key, &old[0]), 0);
		refresh(&w);
		assert_int_equal(find(&w, key, &is), 0);
		assert_int_equal(is.id, old[0].id);
	}
	end(&w);
}

static void what_is_forgotten(void **state)
{
	struct world w;
	struct rollup_is old, now, is;
	struct rollup_key key = key_of(ROLLUP_JSONL);
	struct buf want;
	char c;

	(void)state;
	make_few(&w);
	assert_int_equal(find(&w, key, &old), 0);
	write_events(&w, "more.jsonl", DAY0, 1, 10);
	refresh(&w);
	assert_int_equal(find(&w, key, &now), 0);
	for (key.dir = 100; key.dir < 300; key.dir++)
		assert_int_equal(find(&w, key, &is), 0);
	assert_int_equal(read_at(&w, old.id, 0, 1, &c), -ESTALE);
	assert_int_equal(rollup_stat(w.stack.rollups, old.id, &is), -ESTALE);
	/* What is current is made again. */
	want = expect(&w, ROLLUP_JSONL, NULL, INT32_MIN, INT32_MAX);
	assert_int_equal(rollup_stat(w.stack.rollups, now.id, &is), 0);
	check_whole(&w, now.id, &want, 1000);
	assert_int_equal(rollup_stat(w.stack.rollups, 12345ull << 32, &is), -ESTALE);
	buf_clear(&want);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages),
		cmocka_unit_test(forgotten_pages),
		cmocka_unit_test(versions_stay),
		cmocka_unit_test(what_is_forgotten),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
