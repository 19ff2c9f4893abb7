/*
 * Many objects at once, for whoever waits for all of them: fetched once, all or an error, and bounded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/clock.h"
#include "tests/unit/reader_kit.h"

#define MANY 12

/* Objects "z:object 0" and so on, inflated. */
static int load_many(struct fixture *f, struct blob **ret)
{
	char key[MANY][32];
	struct source_object o[MANY];
	struct reader_want want[MANY];

	for (uint32_t i = 0; i < MANY; i++) {
		snprintf(key[i], sizeof(key[i]), "z:object %u", i);
		o[i] = (struct source_object){.key = key[i]};
		want[i] = (struct reader_want){.number = i, .o = &o[i], .gunzip = true};
	}
	return reader_load(f->reader, want, MANY, ret);
}

static void drop_many(struct blob **blob)
{
	for (uint32_t i = 0; i < MANY; i++) {
		char text[32];

		snprintf(text, sizeof(text), "object %u", i);
		assert_int_equal(blob_len(blob[i]), strlen(text));
		assert_memory_equal(blob_data(blob[i]), text, strlen(text));
		blob_unref(blob[i]);
	}
}

static void many_at_once(void **state)
{
	struct fixture *f = *state;
	struct blob *blob[MANY];

	assert_int_equal(reader_start(f->reader), 0);
	expect(f, 3, "z:object 3", INFLATED, "object 3");
	assert_int_equal(load_many(f, blob), 0);
	drop_many(blob);
	assert_int_equal(fetches(&f->fake), MANY);
	/* They are held, for both ways of asking. */
	assert_int_equal(load_many(f, blob), 0);
	drop_many(blob);
	expect(f, 7, "z:object 7", INFLATED, "object 7");
	assert_int_equal(fetches(&f->fake), MANY);
	assert_int_equal(reader_stats(f->reader).fetched, MANY);
}

static void one_of_many_fails(void **state)
{
	struct fixture *f = *state;
	struct blob *blob[MANY];
	int64_t began = clock_now();
	int r;

	f->fake.fail_from = f->fake.fail_to = 5;
	f->fake.fail_error = -EACCES;
	assert_int_equal(reader_start(f->reader), 0);
	assert_int_equal(load_many(f, blob), -EACCES);
	for (int i = 0; i < MANY; i++)
		assert_null(blob[i]);
	assert_int_equal(fetches(&f->fake), MANY);
	/* It is told to those who ask within a second; the others are there. */
	r = load_many(f, blob);
	if (clock_now() - began < CLOCK_SECOND)
		assert_int_equal(r, -EACCES);
	if (r == 0)
		drop_many(blob);
	expect(f, 5, "z:object 5", INFLATED, "object 5");
	assert_int_equal(fetches(&f->fake), MANY + (r == 0));
}

static void *load_run(void *arg)
{
	struct blob *blob[MANY];

	if (load_many(arg, blob) != 0)
		return arg;
	drop_many(blob);
	return NULL;
}

/* Whoever comes later waits for what is under way. */
static void many_by_two(void **state)
{
	struct fixture *f = *state;
	struct blob *b;
	pthread_t thread[2];
	void *failed;

	f->fake.hold = true;
	assert_int_equal(reader_start(f->reader), 0);
	assert_int_equal(ask(f, 2, "z:object 2", INFLATED, &b), -EAGAIN);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, load_run, f), 0);
	while (fetches(&f->fake) < MANY)
		usleep(1000);
	release(&f->fake);
	for (int i = 0; i < 2; i++) {
		pthread_join(thread[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(fetches(&f->fake), MANY);
}

static void many_are_stopped(void **state)
{
	struct fixture *f = *state;
	struct blob *blob[MANY];
	pthread_t thread[2];
	void *failed;

	f->fake.hold = true;
	assert_int_equal(reader_start(f->reader), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, load_run, f), 0);
	while (fetches(&f->fake) < MANY)
		usleep(1000);
	reader_stop(f->reader);
	for (int i = 0; i < 2; i++) {
		pthread_join(thread[i], &failed);
		assert_ptr_equal(failed, f);
	}
	assert_int_equal(load_many(f, blob), -ECANCELED);
}

/* What many bring does not drive out what was asked for one by one, and is bounded. */
static void many_are_bounded(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(reader_start(f->reader), 0);
	expect(f, 1000, "t:kept", RAW, "kept");
	for (uint32_t i = 0; i < 2 * READER_MANY_MAX / (4 * MIB); i++) {
		struct source_object o = {.key = "nz:4194304"};
		struct reader_want want = {.number = i, .o = &o, .gunzip = true};
		struct blob *b;

		assert_int_equal(reader_load(f->reader, &want, 1, &b), 0);
		assert_int_equal(blob_len(b), 4 * MIB);
		blob_unref(b);
		assert_true(reader_stats(f->reader).held <= READER_MANY_MAX + 4);
	}
	expect(f, 1000, "t:kept", RAW, "kept");
	assert_int_equal(fetches(&f->fake), 1 + 2 * READER_MANY_MAX / (4 * MIB));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(many_at_once),
		TEST(one_of_many_fails),
		TEST(many_by_two),
		TEST(many_are_stopped),
		TEST(many_are_bounded),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
