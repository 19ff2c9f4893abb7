/*
 * For tests of objects on demand: a source that counts, holds back, fails and truncates, and a reader on it.
 * Include after cmocka.h.
 */
#ifndef TESTS_UNIT_READER_KIT_H
#define TESTS_UNIT_READER_KIT_H

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

static inline char *contents(const char *key, size_t *ret_n)
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
static inline int fate(const struct fake *f, int n)
{
	if (f->cancelled)
		return -ECANCELED;
	return n >= f->fail_from && n <= f->fail_to ? f->fail_error : 0;
}

static inline void answer(
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

static inline void fetch_one(
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

static inline void fake_fetch(
	struct source *s, const struct source_object *o, size_t n, source_done *done, void *arg)
{
	for (size_t i = 0; i < n; i++)
		fetch_one((struct fake *)s, &o[i], i, done, arg);
}

static inline int fake_read(
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
static inline void release(struct fake *f)
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

static inline void fake_cancel(struct source *s)
{
	struct fake *f = (struct fake *)s;

	pthread_mutex_lock(&f->mutex);
	f->cancelled = true;
	pthread_mutex_unlock(&f->mutex);
	release(f);
}

static inline bool fake_doubt(struct source *s, const struct source_object *o)
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

static inline int fetches(struct fake *f)
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

static inline void on_ready(void *arg)
{
	struct fixture *f = arg;

	pthread_mutex_lock(&f->mutex);
	f->news++;
	pthread_cond_broadcast(&f->cond);
	pthread_mutex_unlock(&f->mutex);
}

static inline unsigned news(struct fixture *f)
{
	pthread_mutex_lock(&f->mutex);
	unsigned n = f->news;
	pthread_mutex_unlock(&f->mutex);
	return n;
}

static inline void wait_for_news(struct fixture *f, unsigned after)
{
	pthread_mutex_lock(&f->mutex);
	while (f->news == after)
		pthread_cond_wait(&f->cond, &f->mutex);
	pthread_mutex_unlock(&f->mutex);
}

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
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

static inline int ask(struct fixture *f, uint32_t number, const char *key, enum form form, struct blob **ret)
{
	char copy[256];
	struct source_object o = {.key = copy};

	/* The key is copied: this one is gone soon. */
	snprintf(copy, sizeof(copy), "%s", key);
	return reader_get(f->reader, number, &o, form != RAW, form == DECODED, ret);
}

/* Asks until there is an answer. */
static inline int get(struct fixture *f, uint32_t number, const char *key, enum form form, struct blob **ret)
{
	for (;;) {
		unsigned before = news(f);
		int r = ask(f, number, key, form, ret);

		if (r != -EAGAIN)
			return r;
		wait_for_news(f, before);
	}
}

static inline void expect(
	struct fixture *f, uint32_t number, const char *key, enum form form, const char *text)
{
	struct blob *b;

	assert_int_equal(get(f, number, key, form, &b), 0);
	assert_int_equal(blob_len(b), strlen(text));
	assert_memory_equal(blob_data(b), text, strlen(text));
	blob_unref(b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
