/*
 * What was found is used for a minute and then asked for again, which costs little: the credentials keep what
 * they have, and look whether a file has changed or the end is near. Old keys are never used beyond that: a
 * search for new ones begins five minutes before they expire, so there is time for it.
 */
#include "s3/resolver.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FRESH_SECONDS 60
#define EARLY_SECONDS 290 /* a little less than what the credentials begin to refresh with */

struct waiter {
	struct waiter *next;
	resolver_done *done;
	void *arg;
};

struct resolver {
	struct credentials *credentials;
	pthread_mutex_t lock;
	pthread_cond_t asked;
	struct keys *keys; /* NULL: none at hand */
	int64_t until;     /* seconds since 1970 */
	uint64_t reloads;  /* what was begun before the last one is not kept */
	struct waiter *first, **last;
	bool started, cancelled;
	pthread_t thread;
};

static struct keys *keys_hold(struct keys *k)
{
	__atomic_add_fetch(&k->refs, 1, __ATOMIC_RELAXED);
	return k;
}

void keys_drop(struct keys *k)
{
	if (!k || __atomic_sub_fetch(&k->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	keys_unref(k->found);
	free(k);
}

static int64_t seconds_now(void)
{
	return (int64_t)time(NULL);
}

/* ---- the thread ---- */

/* Finds keys: ref'd, or NULL with *ret_error and message set. */
static struct keys *find(struct resolver *r, int64_t now, int *ret_error, char message[512])
{
	struct keys *k = calloc(1, sizeof(*k));

	*ret_error = k ? credentials_get(r->credentials, now, &k->found, message) : -ENOMEM;
	if (*ret_error < 0) {
		free(k);
		return NULL;
	}
	k->refs = 1;
	return k;
}

static void keep(struct resolver *r, struct keys *k, int64_t now, uint64_t reloads)
{
	struct keys *old = r->keys;

	if (reloads != r->reloads)
		return;
	r->keys = keys_hold(k);
	r->until = now + FRESH_SECONDS;
	if (k->found->expires < INT64_MAX && k->found->expires - EARLY_SECONDS < r->until)
		r->until = k->found->expires - EARLY_SECONDS;
	keys_drop(old);
}

static void answer(struct waiter *w, int error, struct keys *k, const char *message)
{
	while (w) {
		struct waiter *next = w->next;

		w->done(w->arg, error, k ? keys_hold(k) : NULL, message);
		free(w);
		w = next;
	}
}

static struct waiter *take_waiters(struct resolver *r)
{
	struct waiter *w = r->first;

	r->first = NULL;
	r->last = &r->first;
	return w;
}

static void *run(void *arg)
{
	struct resolver *r = arg;

	pthread_mutex_lock(&r->lock);
	for (;;) {
		while (!r->first && !r->cancelled)
			pthread_cond_wait(&r->asked, &r->lock);
		struct waiter *w = take_waiters(r);
		bool cancelled = r->cancelled;
		uint64_t reloads = r->reloads;
		pthread_mutex_unlock(&r->lock);

		char message[512] = "";
		int64_t now = seconds_now();
		int error = -ECANCELED;
		struct keys *k = cancelled ? NULL : find(r, now, &error, message);

		pthread_mutex_lock(&r->lock);
		if (k)
			keep(r, k, now, reloads);
		pthread_mutex_unlock(&r->lock);
		answer(w, error, k, message);
		keys_drop(k);
		if (cancelled)
			return NULL;
		pthread_mutex_lock(&r->lock);
	}
}

/* ---- public ---- */

int resolver_new(struct credentials *c, struct resolver **ret)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->credentials = c;
	r->last = &r->first;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->asked, NULL);
	*ret = r;
	return 0;
}

int resolver_start(struct resolver *r)
{
	int error = pthread_create(&r->thread, NULL, run, r);

	r->started = error == 0;
	return -error;
}

void resolver_cancel(struct resolver *r)
{
	pthread_mutex_lock(&r->lock);
	r->cancelled = true;
	struct waiter *w = take_waiters(r);
	pthread_cond_signal(&r->asked);
	pthread_mutex_unlock(&r->lock);
	credentials_cancel(r->credentials);
	answer(w, -ECANCELED, NULL, "");
}

void resolver_stop(struct resolver *r)
{
	resolver_cancel(r);
	if (r->started)
		pthread_join(r->thread, NULL);
	r->started = false;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	resolver_stop(r);
	keys_drop(r->keys);
	pthread_cond_destroy(&r->asked);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void resolver_ask(struct resolver *r, resolver_done *done, void *arg)
{
	struct waiter *w = malloc(sizeof(*w));
	struct keys *k = NULL;
	int error = w ? 0 : -ENOMEM;

	pthread_mutex_lock(&r->lock);
	if (r->cancelled)
		error = -ECANCELED;
	else if (r->keys && seconds_now() < r->until)
		k = keys_hold(r->keys);
	if (!error && !k) {
		*w = (struct waiter){.done = done, .arg = arg};
		*r->last = w;
		r->last = &w->next;
		w = NULL;
		done = NULL;
		pthread_cond_signal(&r->asked);
	}
	pthread_mutex_unlock(&r->lock);
	free(w);
	if (done)
		done(arg, k ? 0 : error, k, k ? "" : "no memory");
}

/* Forgets what is at hand. */
static void forget(struct resolver *r, const struct keys *only)
{
	struct keys *old = NULL;

	pthread_mutex_lock(&r->lock);
	if (!only || r->keys == only) {
		old = r->keys;
		r->keys = NULL;
		r->reloads++;
	}
	pthread_mutex_unlock(&r->lock);
	keys_drop(old);
}

void resolver_expire(struct resolver *r, const struct keys *k)
{
	credentials_expire(r->credentials, k->found->generation);
	forget(r, k);
}

void resolver_reload(struct resolver *r)
{
	credentials_reload(r->credentials);
	forget(r, NULL);
}
