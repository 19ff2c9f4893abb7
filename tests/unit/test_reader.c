/*
 * Objects on demand, from a source that counts, holds back, fails and truncates.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/reader_kit.h"

static void forms(void **state)
{
	struct fixture *f = *state;
	const char *looked_up = "z:{\"Events\":[{\"CloudTrailEvent\":\"{\\\"a\\\":1}\"}]}";

	assert_int_equal(reader_start(f->reader), 0);
	expect(f, 1, "t:plain", RAW, "plain");
	expect(f, 2, "z:packed", INFLATED, "packed");
	expect(f, 3, looked_up, INFLATED, looked_up + 2);
	expect(f, 3, looked_up, DECODED, "{\"a\":1}\n");
	expect(f, 4, "t:", RAW, "");
	assert_int_equal(reader_stats(f->reader).fetched, 5);
	assert_int_equal(reader_stats(f->reader).failed, 0);
	assert_int_equal(reader_stats(f->reader).held, 5 + 6 + strlen(looked_up + 2) + 8);
}

static void fetched_once(void **state)
{
	struct fixture *f = *state;
	struct blob *a, *b;
	unsigned before;

	f->fake.hold = true;
	assert_int_equal(reader_start(f->reader), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(ask(f, 1, "t:x", RAW, &a), -EAGAIN);
	while (fetches(&f->fake) == 0)
		usleep(1000);
	assert_int_equal(ask(f, 1, "t:x", RAW, &a), -EAGAIN);
	before = news(f);
	assert_int_equal(before, 0);
	release(&f->fake);
	wait_for_news(f, before);
	assert_int_equal(ask(f, 1, "t:x", RAW, &a), 0);
	assert_int_equal(ask(f, 1, "t:x", RAW, &b), 0);
	assert_ptr_equal(a, b);
	assert_int_equal(fetches(&f->fake), 1);
	blob_unref(a);
	blob_unref(b);
}

static void only_after_start(void **state)
{
	struct fixture *f = *state;
	struct blob *b;

	assert_int_equal(ask(f, 1, "t:x", RAW, &b), -EAGAIN);
	assert_int_equal(fetches(&f->fake), 0);
	assert_int_equal(reader_start(f->reader), 0);
	expect(f, 1, "t:x", RAW, "x");
	assert_int_equal(fetches(&f->fake), 1);
}

static void another_object_of_that_number(void **state)
{
	struct fixture *f = *state;
	struct source_object o = {.key = "t:old"};
	struct blob *b;

	assert_int_equal(reader_start(f->reader), 0);
	expect(f, 1, "t:old", RAW, "old");
	o.tag = 1;
	assert_int_equal(reader_get(f->reader, 1, &o, false, false, &b), -EAGAIN);
}

static void failures_are_told_and_tried_again(void **state)
{
	struct fixture *f = *state;
	struct blob *b;
	int r;

	f->fake.fail_from = 1;
	f->fake.fail_to = 2;
	f->fake.fail_error = -EACCES;
	assert_int_equal(reader_start(f->reader), 0);
	assert_int_equal(get(f, 1, "t:x", RAW, &b), -EACCES);
	while ((r = get(f, 1, "t:x", RAW, &b)) == -EACCES)
		usleep(10000);
	assert_int_equal(r, 0);
	blob_unref(b);
	assert_int_equal(fetches(&f->fake), 3);
	assert_int_equal(reader_stats(f->reader).failed, 2);
	assert_int_equal(reader_stats(f->reader).fetched, 1);
}

static void damage(void **state)
{
	struct fixture *f = *state;
	struct blob *b;

	f->fake.truncate = true;
	assert_int_equal(reader_start(f->reader), 0);
	assert_int_equal(get(f, 1, "z:packed", INFLATED, &b), -EBADMSG);
	assert_int_equal(get(f, 2, "t:{\"a\":1} ", DECODED, &b), -EBADMSG);
}

static void a_damaged_copy_does_not_stay(void **state)
{
	struct fixture *f = *state;
	struct blob *b;

	f->fake.truncate = true;
	f->fake.doubts_until = 2;
	assert_int_equal(reader_start(f->reader), 0);
	expect(f, 1, "z:packed", INFLATED, "packed");
	assert_int_equal(fetches(&f->fake), 3);
	f->fake.truncate = true;
	f->fake.doubts_until = 1000;
	assert_int_equal(get(f, 2, "z:packed too", INFLATED, &b), -EBADMSG);
	assert_int_equal(fetches(&f->fake), 6);
	assert_int_equal(f->fake.doubts, 5); /* the last one, too */
}

static int get_piece(struct fixture *f, const struct source_object *o, uint64_t offset, struct blob **ret,
	uint64_t *ret_start)
{
	for (;;) {
		unsigned before = news(f);
		int r = reader_get_piece(f->reader, 9, o, offset, ret, ret_start);

		if (r != -EAGAIN)
			return r;
		wait_for_news(f, before);
	}
}

static void pieces(void **state)
{
	static const struct {
		uint64_t offset, start;
		size_t len;
		char byte;
	} table[] = {
		{0, 0, MIB, 0},
		{MIB - 1, 0, MIB, 0},
		{MIB, MIB, MIB, 1},
		{2 * MIB + 2, 2 * MIB, 3, 2},
	};
	struct fixture *f = *state;
	struct source_object o = {.key = "n:2097155", .size = 2 * MIB + 3};
	struct blob *b;
	uint64_t start;

	assert_int_equal(reader_start(f->reader), 0);
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		assert_int_equal(get_piece(f, &o, table[i].offset, &b, &start), 0);
		assert_int_equal(start, table[i].start);
		assert_int_equal(blob_len(b), table[i].len);
		assert_int_equal(blob_data(b)[blob_len(b) - 1], table[i].byte);
		blob_unref(b);
	}
	assert_int_equal(fetches(&f->fake), 3);
	assert_int_equal(get_piece(f, &o, o.size, &b, &start), -EINVAL);
	assert_int_equal(reader_stats(f->reader).fetched_bytes, o.size);

	f->fake.truncate = true;
	o.tag = 1;
	assert_int_equal(get_piece(f, &o, 0, &b, &start), -ESTALE);
}

static void the_least_used_go(void **state)
{
	struct fixture *f = *state;
	struct blob *b, *kept;
	char key[32];

	snprintf(key, sizeof(key), "n:%u", 20 * MIB);
	assert_int_equal(reader_start(f->reader), 0);
	assert_int_equal(get(f, 0, key, RAW, &b), 0);
	blob_unref(b);
	assert_int_equal(get(f, 1, key, RAW, &kept), 0);
	assert_int_equal(get(f, 2, key, RAW, &b), 0);
	blob_unref(b);
	assert_int_equal(ask(f, 0, key, RAW, &b), 0); /* used again */
	blob_unref(b);
	assert_int_equal(get(f, 3, key, RAW, &b), 0);
	blob_unref(b);
	assert_int_equal(reader_stats(f->reader).held, 60 * MIB);
	assert_int_equal(fetches(&f->fake), 4);
	for (uint32_t i = 0; i < 4; i++) {
		if (i == 1)
			continue;
		assert_int_equal(ask(f, i, key, RAW, &b), 0);
		blob_unref(b);
	}
	assert_int_equal(blob_data(kept)[20 * MIB - 1], 19); /* ours still */
	blob_unref(kept);
	assert_int_equal(ask(f, 1, key, RAW, &b), -EAGAIN);
}

static void mapped_ones_are_not_held(void **state)
{
	struct fixture *f = *state;
	struct blob *b;
	char key[32];

	snprintf(key, sizeof(key), "nz:%u", BLOB_HELD_MAX + 10);
	assert_int_equal(reader_start(f->reader), 0);
	expect(f, 1, "t:small", RAW, "small");
	assert_int_equal(get(f, 2, key, INFLATED, &b), 0);
	assert_int_equal(blob_len(b), BLOB_HELD_MAX + 10);
	assert_int_equal(reader_stats(f->reader).held, 5);
	blob_unref(b);
	expect(f, 1, "t:small", RAW, "small");
	assert_int_equal(ask(f, 2, key, INFLATED, &b), 0);
	blob_unref(b);
	assert_int_equal(fetches(&f->fake), 2);
}

static void stopped(void **state)
{
	struct fixture *f = *state;
	struct blob *b;

	f->fake.hold = true;
	assert_int_equal(reader_start(f->reader), 0);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(ask(f, i, "t:x", RAW, &b), -EAGAIN);
	while (fetches(&f->fake) == 0)
		usleep(1000);
	reader_stop(f->reader);
	assert_true(news(f) > 0);
	assert_int_equal(ask(f, 0, "t:x", RAW, &b), -ECANCELED);
	assert_int_equal(ask(f, 99, "t:x", RAW, &b), -ECANCELED);
}

/* Many ask for the same few, and some fail: each gets the right bytes or the error. */
static void *crowd_run(void *arg)
{
	struct fixture *f = arg;
	uintptr_t wrong = 0;

	for (uint32_t i = 0; i < 300; i++) {
		struct blob *b;
		char key[32];
		int r;

		snprintf(key, sizeof(key), "z:object %u", i * 7 % 40);
		r = get(f, i * 7 % 40, key, INFLATED, &b);
		if (r == -EIO)
			continue;
		if (r != 0 || blob_len(b) != strlen(key + 2) ||
			memcmp(blob_data(b), key + 2, blob_len(b)) != 0)
			wrong++;
		if (r == 0)
			blob_unref(b);
	}
	return (void *)wrong;
}

static void a_crowd(void **state)
{
	struct fixture *f = *state;
	pthread_t thread[8];
	void *wrong;

	f->fake.fail_from = 5;
	f->fake.fail_to = 9;
	f->fake.fail_error = -EIO;
	assert_int_equal(reader_start(f->reader), 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, crowd_run, f), 0);
	for (int i = 0; i < 8; i++) {
		pthread_join(thread[i], &wrong);
		assert_null(wrong);
	}
	assert_int_equal(reader_stats(f->reader).failed, 5);
	assert_in_range(reader_stats(f->reader).fetched, 35, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(forms),
		TEST(fetched_once),
		TEST(only_after_start),
		TEST(another_object_of_that_number),
		TEST(failures_are_told_and_tried_again),
		TEST(damage),
		TEST(a_damaged_copy_does_not_stay),
		TEST(pieces),
		TEST(the_least_used_go),
		TEST(mapped_ones_are_not_held),
		TEST(stopped),
		TEST(a_crowd),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
