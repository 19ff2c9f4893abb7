/*
 * Something that says when it changes, and a test that waits until what it wants holds: never for a time to
 *pass.
 *
 *	for (int64_t end = changes_end(); !holds();)
 *		changes_wait(&c, end) or it has failed
 */
#ifndef TESTS_CHANGES_H
#define TESTS_CHANGES_H

#include <pthread.h>
#include <stdbool.h>

#include "fs/clock.h"

#define CHANGES_LIMIT 120 /* seconds that anything may take */

struct changes {
	pthread_mutex_t lock;
	pthread_cond_t some;
};

static inline void changes_init(struct changes *c)
{
	pthread_mutex_init(&c->lock, NULL);
	clock_cond_init(&c->some);
}

static inline void changes_clear(struct changes *c)
{
	pthread_cond_destroy(&c->some);
	pthread_mutex_destroy(&c->lock);
}

/* Something has changed. arg: the struct changes. */
static inline void changes_tell(void *arg)
{
	struct changes *c = arg;

	pthread_mutex_lock(&c->lock);
	pthread_cond_broadcast(&c->some);
	pthread_mutex_unlock(&c->lock);
}

/* When all that is waited for from now on must have come. */
static inline int64_t changes_end(void)
{
	return clock_now() + CHANGES_LIMIT * CLOCK_SECOND;
}

/* Until something changes, or a few milliseconds: not all changes are said. False: it is later than `end`. */
static inline bool changes_wait(struct changes *c, int64_t end)
{
	int64_t now = clock_now();

	pthread_mutex_lock(&c->lock);
	clock_wait(&c->some, &c->lock, now + CLOCK_SECOND / 500);
	pthread_mutex_unlock(&c->lock);
	return now <= end;
}

#endif
