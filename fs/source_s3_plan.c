/*
 * The tasks, the threads, and what is on its way between them and the caller.
 */
#include "fs/source_s3_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS_MAX  64
#define BATCHES_MAX  64   /* found and not handed out yet */
#define CLOCKS_APART 3600 /* seconds that clocks may be apart */

/* ---- listings to be kept ---- */

struct keep *keep_new(struct listing *l, struct s3 *s3)
{
	struct keep *k = l ? calloc(1, sizeof(*k)) : NULL;

	if (!k) {
		listing_end(l, false);
		return NULL;
	}
	k->refs = 1;
	k->listing = l;
	k->s3 = s3;
	k->ahead = s3 ? s3_clock_ahead(s3) : 0;
	return k;
}

struct keep *keep_ref(struct keep *k)
{
	if (k)
		__atomic_add_fetch(&k->refs, 1, __ATOMIC_RELAXED);
	return k;
}

/* Whether it has turned out that our clock is ahead, by which days may have seemed to be closed. */
static bool is_misdated(const struct keep *k)
{
	return k->s3 && s3_clock_ahead(k->s3) < k->ahead - CLOCKS_APART;
}

void keep_unref(struct keep *k)
{
	if (!k || __atomic_sub_fetch(&k->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	listing_end(k->listing, !k->failed && !is_misdated(k));
	free(k);
}

void keep_fail(struct keep *k)
{
	if (k)
		__atomic_store_n(&k->failed, true, __ATOMIC_RELAXED);
}

/* ---- tasks ---- */

void plan_give_up(struct plan *p, int error)
{
	pthread_mutex_lock(&p->lock);
	if (!p->error)
		p->error = error;
	pthread_cond_broadcast(&p->work);
	pthread_cond_broadcast(&p->room);
	pthread_cond_broadcast(&p->out);
	pthread_mutex_unlock(&p->lock);
}

struct task *task_new(enum level level, const char *prefix)
{
	size_t len = strlen(prefix);
	struct task *t = calloc(1, sizeof(*t) + len + 1);

	if (!t)
		return NULL;
	t->level = level;
	t->base = len;
	memcpy(t->prefix, prefix, len + 1);
	return t;
}

void task_free(struct task *t)
{
	if (t) {
		free(t->after);
		keep_unref(t->keep);
	}
	free(t);
}

int plan_push(struct plan *p, struct task *t)
{
	if (!t) {
		plan_give_up(p, -ENOMEM);
		return -ENOMEM;
	}
	pthread_mutex_lock(&p->lock);
	t->next = p->tasks;
	p->tasks = t;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
	return 0;
}

/* The next task, or NULL: there are no more, or it is over. */
static struct task *take(struct plan *p)
{
	struct task *t;

	pthread_mutex_lock(&p->lock);
	while (!p->tasks && p->busy > 0 && !p->error)
		pthread_cond_wait(&p->work, &p->lock);
	t = p->error ? NULL : p->tasks;
	if (t) {
		p->tasks = t->next;
		p->busy++;
	}
	pthread_mutex_unlock(&p->lock);
	return t;
}

static void done(struct plan *p)
{
	pthread_mutex_lock(&p->lock);
	if (--p->busy == 0)
		pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
}

/* ---- what is found ---- */

void batch_free(struct batch *b)
{
	if (b)
		free(b->names);
	free(b);
}

int plan_deliver(struct plan *p, struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		b->at[i].key = b->names + (uintptr_t)b->at[i].key;
	pthread_mutex_lock(&p->lock);
	while (p->n_batches >= BATCHES_MAX && !p->error)
		pthread_cond_wait(&p->room, &p->lock);
	int error = p->error;
	if (!error) {
		*p->last = b;
		p->last = &b->next;
		p->n_batches++;
		pthread_cond_signal(&p->out);
	}
	pthread_mutex_unlock(&p->lock);
	if (error)
		batch_free(b);
	return error;
}

int plan_keep_region(struct plan *p, const char *prefix, size_t len)
{
	char *copy = strndup(prefix, len);

	pthread_mutex_lock(&p->lock);
	bool kept = strings_add(&p->regions, copy);
	pthread_mutex_unlock(&p->lock);
	return kept ? 0 : -ENOMEM;
}

/* ---- threads ---- */

static void *run(void *arg)
{
	struct plan *p = arg;
	struct task *t;

	while ((t = take(p)) != NULL) {
		p->carry_out(p, t);
		task_free(t);
		done(p);
	}
	pthread_mutex_lock(&p->lock);
	p->threads--;
	pthread_cond_broadcast(&p->out);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* ---- the caller's side ---- */

static int hand_out(const struct batch *b, const struct source_sink *sink)
{
	int r = 0;

	if (b->error)
		return sink->problem(sink->arg, b->key, b->error, b->reason);
	for (size_t i = 0; i < b->n && r == 0; i++)
		r = sink->object(sink->arg, &b->at[i]);
	return r;
}

static struct batch *next_batch(struct plan *p)
{
	struct batch *b;

	pthread_mutex_lock(&p->lock);
	while (!p->first && p->threads > 0)
		pthread_cond_wait(&p->out, &p->lock);
	b = p->first;
	if (b) {
		p->first = b->next;
		if (!p->first)
			p->last = &p->first;
		p->n_batches--;
		pthread_cond_signal(&p->room);
	}
	pthread_mutex_unlock(&p->lock);
	return b;
}

/* Hands out all that is found; what the sink answered, if it did not want more. */
static int consume(struct plan *p, const struct source_sink *sink)
{
	struct batch *b;
	int refused = 0;

	while ((b = next_batch(p)) != NULL) {
		if (!refused && (refused = hand_out(b, sink)) != 0)
			plan_give_up(p, refused < 0 ? refused : -ECANCELED);
		batch_free(b);
	}
	return refused;
}

int plan_run(struct plan *p, const struct source_sink *sink)
{
	pthread_t thread[THREADS_MAX];
	unsigned n = 0, wanted = p->s->at_once < THREADS_MAX ? p->s->at_once : THREADS_MAX;
	int refused;

	pthread_mutex_lock(&p->lock);
	while (n < wanted && pthread_create(&thread[n], NULL, run, p) == 0) {
		n++;
		p->threads++;
	}
	if (n == 0)
		p->error = -EAGAIN;
	pthread_mutex_unlock(&p->lock);
	refused = consume(p, sink);
	for (unsigned i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	return refused ? refused : p->error;
}

/* ---- life ---- */

void plan_init(struct plan *p, struct source_s3 *s, int32_t day, const struct source_filter *f)
{
	*p = (struct plan){.s = s, .filter = f, .first_day = INT32_MIN + 1, .last_day = INT32_MAX};
	if (f) {
		p->first_day = f->first_day;
		p->last_day = f->last_day;
	}
	if (day != SOURCE_ALL_DAYS) {
		p->first_day = day > p->first_day ? day : p->first_day;
		p->last_day = day < p->last_day ? day : p->last_day;
	}
	p->limited = p->first_day > INT32_MIN + 1 || p->last_day < INT32_MAX;
	p->last = &p->first;
	p->started = (int64_t)time(NULL);
	pthread_mutex_lock(&s->lock);
	p->unordered = s->unordered;
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->room, NULL);
	pthread_cond_init(&p->out, NULL);
}

void plan_clear(struct plan *p)
{
	while (p->tasks) {
		struct task *t = p->tasks;

		p->tasks = t->next;
		keep_fail(t->keep);
		task_free(t);
	}
	strings_clear(&p->regions);
	pthread_cond_destroy(&p->out);
	pthread_cond_destroy(&p->room);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
}
