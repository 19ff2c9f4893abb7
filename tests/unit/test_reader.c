/*
 * Objects on demand, from a source that counts, holds back, fails and truncates.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/log.h"
#include "fs/store/reader.h"
#include "tests/gzip.h"

#define MIB     (1u << 20)
#define PENDING 32

/* ---- a source ---- */

/* Object "t:TEXT" holds TEXT, "z:TEXT" the same as gzip, "n:N" N bytes of which byte i is i >> 20, and "nz:N"
 * N zero bytes as gzip. */
struct fake {
	struct source base;
	pthread_mutex_t mutex;
	int fetches, reads;
	int fail_from, fail_to, fail_error; /* fetches and reads, counted from 1, that fail */
	bool truncate, hold, cancelled;
	int doubts, doubts_until; /* the latter one ends the truncating; 0: it would be in vain */
	struct {
		const struct source_object *o;
		size_t place;
		source_done *done;
		void *arg;
	} pending[PENDING];
	int n_pending;
};

static char *contents(const char *key, size_t *ret_n)
{
	char *data, *zeros;

	if (strncmp(key, "t:", 2) == 0) {
		*ret_n = strlen(key + 2);
		return strdup(key + 2);
	}
	if (strncmp(key, "z:", 2) == 0)
		return gzip(key + 2, strlen(key + 2), ret_n);
	if (strncmp(key, "nz:", 3) == 0) {
		zeros = calloc(1, strtoul(key + 3, NULL, 10));
		data = gzip(zeros, strtoul(key + 3, NULL, 10), ret_n);
		free(zeros);
		return data;
	}
	*ret_n = strtoul(key + 2, NULL, 10);
	data = malloc(*ret_n);
	for (size_t i = 0; i < *ret_n; i++)
		data[i] = (char)(i >> 20);
	return data;
}

/* What the n-th call gives: 0 or an error. */
static int fate(const struct fake *f, int n)
{
	if (f->cancelled)
		return -ECANCELED;
	return n >= f->fail_from && n <= f->fail_to ? f->fail_error : 0;
}

static void answer(
	const struct source_object *o, size_t i, int error, bool truncated, source_done *done, void *arg)
{
	char *data = NULL;
	size_t n = 0;

	if (!error) {
		data = contents(o->key, &n);
		n -= truncated;
	}
	done(arg, i, error, data, n, error ? "as told" : "");
}

static void fetch_one(
	struct fake *f, const struct source_object *o, size_t place, source_done *done, void *arg)
{
	bool truncated;
	int error;

	pthread_mutex_lock(&f->mutex);
	f->fetches++;
	error = fate(f, f->fetches);
	truncated = f->truncate;
	if (f->hold && !error) {
		f->pending[f->n_pending].o = o;
		f->pending[f->n_pending].place = place;
		f->pending[f->n_pending].done = done;
		f->pending[f->n_pending++].arg = arg;
		pthread_mutex_unlock(&f->mutex);
		return;
	}
	pthread_mutex_unlock(&f->mutex);
	answer(o, place, error, truncated, done, arg);
}

static void fake_fetch(
	struct source *s, const struct source_object *o, size_t n, source_done *done, void *arg)
{
	for (size_t i = 0; i < n; i++)
		fetch_one((struct fake *)s, &o[i], i, done, arg);
}

static int fake_read(
	struct source *s, const struct source_object *o, uint64_t offset, void *buf, size_t n, size_t *ret_n)
{
	struct fake *f = (struct fake *)s;
	bool truncated;
	int error;
	size_t len;

	pthread_mutex_lock(&f->mutex);
	f->reads++;
	error = fate(f, f->reads);
	truncated = f->truncate;
	pthread_mutex_unlock(&f->mutex);
	if (error)
		return error;
	char *data = contents(o->key, &len);
	if (n > len - offset)
		n = len - offset;
	memcpy(buf, data + offset, n);
	free(data);
	*ret_n = n - truncated;
	return 0;
}

/* Answers what is held back, from this thread. */
static void release(struct fake *f)
{
	pthread_mutex_lock(&f->mutex);
	while (f->n_pending > 0) {
		int i = --f->n_pending;
		const struct source_object *o = f->pending[i].o;
		size_t place = f->pending[i].place;
		source_done *done = f->pending[i].done;
		void *arg = f->pending[i].arg;
		int error = f->cancelled ? -ECANCELED : 0;

		pthread_mutex_unlock(&f->mutex);
		answer(o, place, error, false, done, arg);
		pthread_mutex_lock(&f->mutex);
	}
	f->hold = false;
	pthread_mutex_unlock(&f->mutex);
}

static void fake_cancel(struct source *s)
{
	struct fake *f = (struct fake *)s;

	pthread_mutex_lock(&f->mutex);
	f->cancelled = true;
	pthread_mutex_unlock(&f->mutex);
	release(f);
}

static bool fake_doubt(struct source *s, const struct source_object *o)
{
	struct fake *f = (struct fake *)s;
	bool again;

	(void)o;
	pthread_mutex_lock(&f->mutex);
	again = f->doubts_until > 0;
	f->doubts++;
	f->truncate = f->truncate && f->doubts != f->doubts_until;
	pthread_mutex_unlock(&f->mutex);
	return again;
}

static const struct source_ops fake_ops = {
	.fetch = fake_fetch, .read = fake_read, .cancel = fake_cancel, .doubt = fake_doubt};

static int fetches(struct fake *f)
{
	pthread_mutex_lock(&f->mutex);
	int n = f->fetches + f->reads;
	pthread_mutex_unlock(&f->mutex);
	return n;
}

/* ---- a reader on it ---- */

struct fixture {
	struct fake fake;
	struct reader *reader;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	unsigned news; /* calls of ready() */
};

static void on_ready(void *arg)
{
	struct fixture *f = arg;

	pthread_mutex_lock(&f->mutex);
	f->news++;
	pthread_cond_broadcast(&f->cond);
	pthread_mutex_unlock(&f->mutex);
}

static unsigned news(struct fixture *f)
{
	pthread_mutex_lock(&f->mutex);
	unsigned n = f->news;
	pthread_mutex_unlock(&f->mutex);
	return n;
}

static void wait_for_news(struct fixture *f, unsigned after)
{
	pthread_mutex_lock(&f->mutex);
	while (f->news == after)
		pthread_cond_wait(&f->cond, &f->mutex);
	pthread_mutex_unlock(&f->mutex);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->fake.base.ops = &fake_ops;
	pthread_mutex_init(&f->fake.mutex, NULL);
	pthread_mutex_init(&f->mutex, NULL);
	pthread_cond_init(&f->cond, NULL);
	assert_int_equal(reader_new(&f->fake.base, NULL, on_ready, f, &f->reader), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	reader_stop(f->reader);
	reader_free(f->reader);
	free(f);
	return 0;
}

enum form {
	RAW,
	INFLATED,
	DECODED
};

static int ask(struct fixture *f, uint32_t number, const char *key, enum form form, struct blob **ret)
{
	char copy[256];
	struct source_object o = {.key = copy};

	/* The key is copied: this one is gone soon. */
	snprintf(copy, sizeof(copy), "%s", key);
	return reader_get(f->reader, number, &o, form != RAW, form == DECODED, ret);
}

/* Asks until there is an answer. */
static int get(struct fixture *f, uint32_t number, const char *key, enum form form, struct blob **ret)
{
	for (;;) {
		unsigned before = news(f);
		int r = ask(f, number, key, form, ret);

		if (r != -EAGAIN)
			return r;
		wait_for_news(f, before);
	}
}

static void expect(struct fixture *f, uint32_t number, const char *key, enum form form, const char *text)
{
	struct blob *b;

	assert_int_equal(get(f, number, key, form, &b), 0);
	assert_int_equal(blob_len(b), strlen(text));
	assert_memory_equal(blob_data(b), text, strlen(text));
	blob_unref(b);
}

/* ---- */

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
		if (r != 0 || blob_len(b) != strlen(key + 2) || memcmp(blob_data(b), key + 2, blob_len(b)))
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

/* ---- many at once ---- */

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

	f->fake.fail_from = f->fake.fail_to = 5;
	f->fake.fail_error = -EACCES;
	assert_int_equal(reader_start(f->reader), 0);
	assert_int_equal(load_many(f, blob), -EACCES);
	for (int i = 0; i < MANY; i++)
		assert_null(blob[i]);
	assert_int_equal(fetches(&f->fake), MANY);
	/* It is told to those who ask soon; the others are there. */
	assert_int_equal(load_many(f, blob), -EACCES);
	expect(f, 5, "z:object 5", INFLATED, "object 5");
	assert_int_equal(fetches(&f->fake), MANY);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
		TEST(many_at_once),
		TEST(one_of_many_fails),
		TEST(many_by_two),
		TEST(many_are_stopped),
		TEST(many_are_bounded),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
