/*
 * A source in memory whose listings and fetches fail, wait or change as a test wants. Include after cmocka.h.
 */
#ifndef TESTS_FAKE_SOURCE_H
#define TESTS_FAKE_SOURCE_H

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/source.h"

#define LOGS        "AWSLogs/111122223333/CloudTrail/eu-west-1/"
#define OBJECTS_MAX 256

struct fake_object {
	char key[96];
	char text[200];
	uint64_t version;
	bool there;
	unsigned fetched;
};

struct fake {
	struct source base;
	pthread_mutex_t lock;
	pthread_cond_t cancel;
	struct fake_object object[OBJECTS_MAX];
	int n;
	int list_error, fetch_error;
	unsigned fetches_to_fail;
	unsigned damaged;   /* fetches of each object that come damaged, the first ones */
	bool damaged_alike; /* by the same damage */
	bool asks;          /* has something before it that may be damaged: source_doubt() is true */
	unsigned doubts;
	bool holds, cancelled; /* fetches wait until they are cancelled */
	unsigned listings, fetches, held;
};

static inline struct source_object fake_shown(const struct fake_object *x)
{
	return (struct source_object){.key = x->key, .size = strlen(x->text), .mtime = 7, .tag = x->version};
}

static inline int fake_list(
	struct source *s, int32_t day, const struct source_filter *filter, const struct source_sink *sink)
{
	struct fake *f = (struct fake *)s;
	int err;

	(void)day;
	(void)filter;
	pthread_mutex_lock(&f->lock);
	err = f->list_error;
	f->listings++;
	for (int i = 0; i < f->n && !err; i++) {
		struct source_object o = fake_shown(&f->object[i]);

		if (f->object[i].there)
			err = sink->object(sink->arg, &o);
	}
	pthread_mutex_unlock(&f->lock);
	return err;
}

/* How the fetch of one object ends. */
static inline int fake_get(struct fake *f, const struct source_object *o, char **ret)
{
	for (int i = 0; i < f->n; i++) {
		struct fake_object *x = &f->object[i];

		if (strcmp(x->key, o->key) != 0 || !x->there)
			continue;
		if (x->version != o->tag)
			return -ESTALE;
		x->fetched++;
		*ret = strdup(x->text);
		if (*ret && x->fetched <= f->damaged)
			(*ret)[0] = f->damaged_alike ? 'x' : (char)('A' + x->fetched % 26);
		return *ret ? 0 : -ENOMEM;
	}
	return -ENOENT;
}

static inline void fake_fetch(
	struct source *s, const struct source_object *o, size_t n, source_done *done, void *arg)
{
	struct fake *f = (struct fake *)s;

	for (size_t i = 0; i < n; i++) {
		char *data = NULL;
		int err = 0;

		pthread_mutex_lock(&f->lock);
		f->fetches++;
		f->held += f->holds;
		while (f->holds && !f->cancelled)
			pthread_cond_wait(&f->cancel, &f->lock);
		if (f->cancelled) {
			err = -ECANCELED;
		} else if (f->fetches_to_fail) {
			f->fetches_to_fail--;
			err = f->fetch_error;
		} else {
			err = fake_get(f, &o[i], &data);
		}
		pthread_mutex_unlock(&f->lock);
		done(arg, i, err, data, data ? strlen(data) : 0, err ? "as the test wants" : NULL);
	}
}

static inline void fake_cancel(struct source *s)
{
	struct fake *f = (struct fake *)s;

	pthread_mutex_lock(&f->lock);
	f->cancelled = true;
	pthread_cond_broadcast(&f->cancel);
	pthread_mutex_unlock(&f->lock);
}

static inline bool fake_doubt(struct source *s, const struct source_object *o)
{
	struct fake *f = (struct fake *)s;

	(void)o;
	pthread_mutex_lock(&f->lock);
	f->doubts++;
	pthread_mutex_unlock(&f->lock);
	return f->asks;
}

static const struct source_ops fake_ops = {
	.list = fake_list, .fetch = fake_fetch, .cancel = fake_cancel, .doubt = fake_doubt};

/* Puts an object there, or another version of it. One event each. */
static inline void put(struct fake *f, const char *key)
{
	struct fake_object *x = f->object;

	pthread_mutex_lock(&f->lock);
	while (x < f->object + f->n && strcmp(x->key, key) != 0)
		x++;
	assert_true(x < f->object + OBJECTS_MAX);
	if (x == f->object + f->n)
		f->n++;
	snprintf(x->key, sizeof(x->key), "%s", key);
	x->there = true;
	x->version++;
	snprintf(x->text, sizeof(x->text),
		"{\"Records\":[{\"eventTime\":\"2025-06-19T09:10:23Z\",\"eventName\":\"E\",\"eventID\":\"%s "
		"%u\"}]}",
		key, (unsigned)x->version);
	pthread_mutex_unlock(&f->lock);
}

static inline void take_away(struct fake *f, const char *key)
{
	pthread_mutex_lock(&f->lock);
	for (int i = 0; i < f->n; i++)
		if (!strcmp(f->object[i].key, key))
			f->object[i].there = false;
	pthread_mutex_unlock(&f->lock);
}

/* Logs of n days, two a day, and some without a day. */
static inline void put_many(struct fake *f, int days)
{
	for (int i = 0; i < days; i++) {
		char key[96];

		snprintf(key, sizeof(key), LOGS "2025/06/%02d/a.json", 1 + i);
		put(f, key);
		snprintf(key, sizeof(key), LOGS "2025/06/%02d/b.json", 1 + i);
		put(f, key);
		snprintf(key, sizeof(key), "loose/%d.json", i);
		put(f, key);
	}
	put(f, "notes.txt");
}

static inline void set_failing(struct fake *f, unsigned fetches, int error)
{
	pthread_mutex_lock(&f->lock);
	f->fetches_to_fail = fetches;
	f->fetch_error = error;
	pthread_mutex_unlock(&f->lock);
}

static inline void set_list_error(struct fake *f, int error)
{
	pthread_mutex_lock(&f->lock);
	f->list_error = error;
	pthread_mutex_unlock(&f->lock);
}

static inline unsigned fetches(struct fake *f)
{
	unsigned n;

	pthread_mutex_lock(&f->lock);
	n = f->fetches;
	pthread_mutex_unlock(&f->lock);
	return n;
}

static inline unsigned wanted(struct fake *f)
{
	unsigned n = 0;

	for (int i = 0; i < f->n; i++)
		n += f->object[i].there && strstr(f->object[i].key, ".json");
	return n;
}

static inline void fake_begin(struct fake *f)
{
	memset(f, 0, sizeof(*f));
	f->base.ops = &fake_ops;
	f->base.id = (char *)"fake:";
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->cancel, NULL);
}

static inline void fake_end(struct fake *f)
{
	pthread_cond_destroy(&f->cancel);
	pthread_mutex_destroy(&f->lock);
}

#endif
