/*
 * Who asks for rollups, and the threads that make them.
 *
 * Locks: rollups.lock guards everything but plans; under it only those of plans, view and catalog are taken,
 * all leaves.
 */
#include "fs/rollup.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "fs/clock.h"
#include "fs/log.h"
#include "fs/rollup_state.h"

#define UNTOLD_AGE  (10 * CLOCK_SECOND)
#define WAITERS_MAX 3                    /* callers who wait here, a little, */
#define WAIT        (CLOCK_SECOND / 100) /* as being asked again takes longer than most of what they wait for */

bool rollup_failure_holds(int64_t failed_at, bool told)
{
	return clock_now() - failed_at < (told ? CLOCK_SECOND : UNTOLD_AGE);
}

int rollup_enqueue(struct rollups *r, struct job job, bool first)
{
	struct job *j = malloc(sizeof(*j));

	if (!j)
		return -ENOMEM;
	*j = job;
	if (j->plan)
		plan_ref(j->plan);
	if (first)
		TAILQ_INSERT_HEAD(&r->queue, j, in_queue);
	else
		TAILQ_INSERT_TAIL(&r->queue, j, in_queue);
	pthread_cond_signal(&r->work);
	return 0;
}

bool rollup_wait(struct rollups *r, int64_t *until)
{
	int err;

	if (!*until)
		*until = clock_now() + WAIT;
	if (r->waiters == WAITERS_MAX || r->refusal)
		return false;
	r->waiters++;
	err = clock_wait(&r->done, &r->lock, *until);
	r->waiters--;
	return err == 0;
}

/* ---- asking ---- */

int rollup_find(struct rollups *r, const struct rollup_key *key, struct rollup_is *ret)
{
	struct slot *s;
	int64_t until = 0;
	int err;

	pthread_mutex_lock(&r->lock);
	err = slot_find(r, key, &s);
	if (!err)
		do
			err = slot_look(r, s, false);
		while (err == -EAGAIN && rollup_wait(r, &until));
	if (!err)
		*ret = s->current->is;
	pthread_mutex_unlock(&r->lock);
	return err;
}

int rollup_stat(struct rollups *r, uint64_t id, struct rollup_is *ret)
{
	struct version *v;

	pthread_mutex_lock(&r->lock);
	v = version_find(r, id);
	if (v)
		*ret = v->is;
	pthread_mutex_unlock(&r->lock);
	return v ? 0 : -ESTALE;
}

/* ---- the threads ---- */

/* With the lock held, which is let go meanwhile; like all that follow. */
static void run_make(struct rollups *r, struct slot *s)
{
	struct plan_before before = slot_before(r, s);
	struct plan *old = before.plan ? plan_ref(s->current->plan) : NULL, *plan;
	bool measured = true;
	int err;

	pthread_mutex_unlock(&r->lock);
	err = plan_new(r->catalog, r->days, r->view, r->reader, &s->key, &before, &plan);
	for (size_t i = 0; !err && i < plan->n_chunks && measured; i++)
		measured = plan_is_measured(plan, i);
	plan_unref(old);
	pthread_mutex_lock(&r->lock);
	slot_made(r, s, err, plan, measured);
}

static void run_measure(struct rollups *r, struct renderer *x, struct slot *s, struct plan *p, size_t chunk)
{
	int err;

	pthread_mutex_unlock(&r->lock);
	err = renderer_measure(x, p, chunk);
	pthread_mutex_lock(&r->lock);
	slot_measured(r, s, err, chunk);
}

static void run_chunk(struct rollups *r, struct renderer *x, struct chunk *c, struct plan *p)
{
	struct blob *blob = NULL;
	int err;

	c->state = RUNNING;
	pthread_mutex_unlock(&r->lock);
	err = renderer_chunk(x, p, c->number, &blob);
	pthread_mutex_lock(&r->lock);
	chunk_made(r, c, err, blob);
}

static void run_job(struct rollups *r, struct renderer *x, struct job *j)
{
	switch (j->kind) {
	case JOB_MAKE:
		run_make(r, j->slot);
		break;
	case JOB_MEASURE:
		run_measure(r, x, j->slot, j->plan, j->number);
		break;
	case JOB_CHUNK:
		run_chunk(r, x, j->chunk, j->plan);
		break;
	}
	plan_unref(j->plan);
	free(j);
}

static void *run(void *arg)
{
	struct rollup_worker *w = arg;
	struct rollups *r = w->r;

	pthread_mutex_lock(&r->lock);
	while (!r->refusal) {
		struct job *j = TAILQ_FIRST(&r->queue);

		if (!j) {
			pthread_cond_wait(&r->work, &r->lock);
			continue;
		}
		TAILQ_REMOVE(&r->queue, j, in_queue);
		run_job(r, w->x, j);
		pthread_cond_broadcast(&r->done);
		pthread_mutex_unlock(&r->lock);
		catalog_touch_progress(r->catalog);
		r->ready(r->arg);
		pthread_mutex_lock(&r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	r->ready(r->arg); /* those who wait for what will not come learn that */
	return NULL;
}

/* ---- life ---- */

int rollups_new(struct catalog *c, struct days *days, struct view *v, struct reader *reader,
	void (*ready)(void *arg), void *arg, struct rollups **ret)
{
	struct rollups *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->catalog = c;
	r->days = days;
	r->view = v;
	r->reader = reader;
	r->ready = ready;
	r->arg = arg;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->work, NULL);
	clock_cond_init(&r->done);
	TAILQ_INIT(&r->queue);
	TAILQ_INIT(&r->use);
	TAILQ_INIT(&r->measuring);
	TAILQ_INIT(&r->chunks);
	r->held_max = ROLLUP_HELD_MAX;
	r->plan_bytes_max = ROLLUP_PLAN_BYTES_MAX;
	*ret = r;
	return 0;
}

void rollups_hold(struct rollups *r, size_t max)
{
	if (max < r->held_max)
		r->held_max = max;
	if (max < r->plan_bytes_max)
		r->plan_bytes_max = max;
}

/* What it needs is there before it starts: a thread that ended for want of memory would be missed for good.
 */
static int start_one(struct rollups *r, struct rollup_worker *w)
{
	int err = -ENOMEM;

	*w = (struct rollup_worker){.r = r, .x = renderer_new(r->catalog, r->view, r->reader)};
	if (w->x)
		err = -pthread_create(&w->thread, NULL, run, w);
	if (err)
		renderer_free(w->x);
	return err;
}

int rollups_start(struct rollups *r)
{
	sigset_t all, before;
	int err = 0;

	/* Signals are for the thread that serves the mount. */
	sigfillset(&all);
	sigdelset(&all, SIGBUS); /* fs/fault.h */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (!err && r->n_threads < ROLLUP_THREADS) {
		err = start_one(r, &r->worker[r->n_threads]);
		r->n_threads += !err;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r->n_threads ? 0 : err;
}

void rollups_stop(struct rollups *r)
{
	pthread_mutex_lock(&r->lock);
	r->refusal = -ECANCELED;
	pthread_cond_broadcast(&r->work);
	pthread_cond_broadcast(&r->done);
	pthread_mutex_unlock(&r->lock);
	while (r->n_threads > 0) {
		struct rollup_worker *w = &r->worker[--r->n_threads];

		pthread_join(w->thread, NULL);
		renderer_free(w->x);
	}
}

void rollups_free(struct rollups *r)
{
	struct chunk *c;
	struct job *j;

	if (!r)
		return;
	while ((j = TAILQ_FIRST(&r->queue))) {
		TAILQ_REMOVE(&r->queue, j, in_queue);
		plan_unref(j->plan);
		free(j);
	}
	while ((c = TAILQ_FIRST(&r->chunks)))
		chunk_free(r, c);
	for (uint32_t i = 0; i < r->n_slots; i++)
		slot_free(r->slot[i]);
	free(r->slot);
	keymap_clear(&r->by_key);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->work);
	pthread_cond_destroy(&r->done);
	free(r);
}
