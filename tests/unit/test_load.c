/*
 * Loads: what is asked for together and what is not, and what comes of it. How damage, failures and the end
 * of the source are met is tested through the reader.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/store/large.h"
#include "fs/store/load.h"
#include "tests/unit/reader_kit.h"

/* How often the source was asked, and for how many at once at the most. */
static unsigned calls, most;

static void counted_fetch(
	struct source *s, const struct source_object *o, size_t n, source_done *done, void *arg)
{
	calls++;
	most = n > most ? (unsigned)n : most;
	fake_fetch(s, o, n, done, arg);
}

static const struct source_ops counted_ops = {
	.fetch = counted_fetch, .read = fake_read, .cancel = fake_cancel, .doubt = fake_doubt};

static void begin(struct fake *f)
{
	*f = (struct fake){.base.ops = &counted_ops};
	pthread_mutex_init(&f->mutex, NULL);
	calls = most = 0;
}

static void take(struct load *l, size_t i, const char *text, uint64_t fetched)
{
	uint64_t n = 0;
	struct blob *b;

	assert_int_equal(load_take(l, i, &b, &n), 0);
	assert_int_equal(blob_len(b), strlen(text));
	assert_memory_equal(blob_data(b), text, strlen(text));
	assert_int_equal(n, fetched);
	blob_unref(b);
}

/* Small ones are asked for at once; large ones and pieces when they are taken. */
static void together_and_alone(void **state)
{
	const struct source_object one = {.key = "t:one", .size = 3}, two = {.key = "t:two", .size = 3},
				   large = {.key = "t:large", .size = LARGE_MIN + 1},
				   piece = {.key = "t:piece", .size = 5};
	struct fake f;
	struct load *l;

	(void)state;
	begin(&f);
	f.hold = true;
	assert_int_equal(load_new(&f.base, NULL, 7, &l), 0);
	load_put(l, 0, &large, LOAD_WHOLE);
	load_put(l, 1, &one, LOAD_WHOLE);
	load_put(l, 3, &piece, 0); /* place 2 stays empty */
	load_put(l, 6, &two, LOAD_WHOLE);
	load_ask(l);
	assert_int_equal(calls, 1);
	assert_int_equal(most, 2);
	assert_int_equal(f.fetches, 2);
	assert_int_equal(f.reads, 0);
	release(&f);
	take(l, 6, "two", 3);
	assert_int_equal(calls, 1);
	take(l, 0, "large", 5);
	assert_int_equal(calls, 2);
	take(l, 3, "piece", 5);
	assert_int_equal(f.reads, 1);
	take(l, 1, "one", 3);
	assert_int_equal(f.fetches, 3);
	load_free(l);
}

/* What counts as fetched is what came of the source, not what it inflates to. */
static void inflated(void **state)
{
	const struct source_object o = {.key = "nz:1048576"};
	uint64_t n = 0;
	struct fake f;
	struct blob *b;
	size_t stored;

	(void)state;
	begin(&f);
	free(contents(o.key, &stored));
	assert_int_equal(load_one(&f.base, NULL, &o, LOAD_INFLATED, &b, &n), 0);
	assert_int_equal(blob_len(b), MIB);
	assert_int_equal(n, stored);
	assert_true(n < MIB / 10);
	blob_unref(b);
	assert_int_equal(load_one(&f.base, NULL, &o, LOAD_WHOLE, &b, &n), 0);
	assert_int_equal(blob_len(b), stored);
	blob_unref(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(together_and_alone),
		cmocka_unit_test(inflated),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
