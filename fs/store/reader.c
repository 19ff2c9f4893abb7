/*
 * Objects on demand. Every object, form and piece that was asked for is an entry:
 *
 *   (none) ──ask──▶ QUEUED ──thread──▶ RUNNING ──▶ READY ────evicted────▶ (none)
 *                     ▲                    └─────▶ FAILED ──evicted─────▶ (none)
 *                     └───────asked again, told before and over a second old
 */
#include "fs/store/reader.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "fs/clock.h"
#include "fs/store/entries.h"
#include "fs/store/load.h"

#define THREADS     4
#define FAILURE_AGE CLOCK_SECOND
#define UNTOLD_AGE  (10 * FAILURE_AGE) /* nobody came back for it */

STAILQ_HEAD(queue, entry);

struct reader {
	struct source *source;
	struct cache *spill;
	void (*ready)(void *arg);
	void *arg;
	pthread_t thread[THREADS];
	int n_threads;

	pthread_mutex_t mutex; /* of all below; a leaf */
	pthread_cond_t work, settled;
	int refusal; /* what calls return; 0: serving */
	struct queue queue;
	struct reader_stats stats;
	struct entries entries;
};

/* ---- loading; without the lock ---- */

/* What a RUNNING entry has become. The blob is taken over. */
static void settle(struct reader *r, struct entry *e, int error, struct blob *blob, uint64_t fetched)
{
	struct entry_use dropped = TAILQ_HEAD_INITIALIZER(dropped);

	pthread_mutex_lock(&r->mutex);
	e->state = error ? ENTRY_FAILED : ENTRY_READY;
	e->error = error;
	e->blob = error ? NULL : blob;
	if (error) {
		e->failed_at = clock_now();
		r->stats.failed++;
	} else {
		r->stats.fetched++;
		r->stats.fetched_bytes += fetched;
	}
	entries_keep(&r->entries, e);
	entries_drop(&r->entries, e, &dropped);
	pthread_cond_broadcast(&r->settled);
	pthread_mutex_unlock(&r->mutex);
	entries_free(&dropped);
}

/* The next that is asked for, which is RUNNING then; NULL: there will be none. */
static struct entry *next(struct reader *r)
{
	struct entry *e = NULL;

	pthread_mutex_lock(&r->mutex);
	while (!r->refusal && STAILQ_EMPTY(&r->queue))
		pthread_cond_wait(&r->work, &r->mutex);
	if (!r->refusal) {
		e = STAILQ_FIRST(&r->queue);
		STAILQ_REMOVE_HEAD(&r->queue, in_queue);
		e->state = ENTRY_RUNNING;
	}
	pthread_mutex_unlock(&r->mutex);
	return e;
}

/* Loads one RUNNING entry, and settles it. */
static int load(struct reader *r, struct entry *e, struct blob **ret)
{
	struct blob *blob = NULL;
	uint64_t fetched = 0;
	int error = load_one(r->source, r->spill, &e->o, e->form, &blob, &fetched);

	if (!error)
		*ret = blob_ref(blob);
	settle(r, e, error, blob, fetched);
	return error;
}

static void *run(void *arg)
{
	struct reader *r = arg;
	struct blob *blob;
	struct entry *e;

	while ((e = next(r))) {
		if (load(r, e, &blob) == 0)
			blob_unref(blob);
		r->ready(r->arg);
	}
	r->ready(r->arg); /* those who wait for what will not come learn that */
	return NULL;
}

/* ---- asking ---- */

static uint64_t form_of(bool gunzip, bool decoded)
{
	return (gunzip ? LOAD_INFLATED : LOAD_WHOLE) | (decoded ? LOAD_DECODED : 0);
}

/* Whether a failure is still what those who ask are told. */
static bool failure_holds(const struct entry *e)
{
	return clock_now() - e->failed_at < (e->taken ? FAILURE_AGE : UNTOLD_AGE);
}

/* With the lock held. 0: *ret is there; -EAGAIN: it is being loaded, or is to be where *ret_new is not NULL;
 * else why it cannot be had. */
static int ask(struct reader *r, uint32_t number, uint64_t form, const struct source_object *o,
	struct blob **ret, struct entry **ret_new)
{
	struct entry *e = entries_find(&r->entries, number, form, o);

	*ret_new = NULL;
	if (r->refusal)
		return r->refusal;
	if (e && (e->state == ENTRY_QUEUED || e->state == ENTRY_RUNNING))
		return -EAGAIN;
	if (e && e->state == ENTRY_READY) {
		e->taken = true;
		entries_touch(&r->entries, e);
		*ret = blob_ref(e->blob);
		return 0;
	}
	if (e && failure_holds(e)) {
		e->taken = true;
		return e->error;
	}
	if (e)
		entries_unkeep(&r->entries, e);
	else
		e = entries_add(&r->entries, number, form, o);
	*ret_new = e;
	return e ? -EAGAIN : -ENOMEM;
}

/* ---- one at a time ---- */

static void enqueue(struct reader *r, struct entry *e)
{
	e->state = ENTRY_QUEUED;
	e->taken = false;
	STAILQ_INSERT_TAIL(&r->queue, e, in_queue);
	pthread_cond_signal(&r->work);
}

static int get(
	struct reader *r, uint32_t number, uint64_t form, const struct source_object *o, struct blob **ret)
{
	struct entry *e;
	int error;

	pthread_mutex_lock(&r->mutex);
	error = ask(r, number, form, o, ret, &e);
	if (e)
		enqueue(r, e);
	pthread_mutex_unlock(&r->mutex);
	return error;
}

int reader_get(struct reader *r, uint32_t number, const struct source_object *o, bool gunzip, bool decoded,
	struct blob **ret)
{
	return get(r, number, form_of(gunzip, decoded), o, ret);
}

int reader_get_piece(struct reader *r, uint32_t number, const struct source_object *o, uint64_t offset,
	struct blob **ret, uint64_t *ret_start)
{
	int error = offset < o->size ? get(r, number, offset / LOAD_PIECE, o, ret) : -EINVAL;

	if (error == 0)
		*ret_start = offset / LOAD_PIECE * LOAD_PIECE;
	return error;
}

/* ---- many at once ---- */

/* As ask(): what is new is the caller's to load. */
static int want_one(struct reader *r, const struct reader_want *w, struct blob **ret, struct entry **ret_mine)
{
	int error = ask(r, w->number, form_of(w->gunzip, w->decoded), w->o, ret, ret_mine);

	if (*ret_mine) {
		(*ret_mine)->state = ENTRY_RUNNING;
		(*ret_mine)->taken = (*ret_mine)->many = true;
	}
	return error;
}

/* All of the wants, without waiting. ret, ret_mine: by place among the wants, NULL where it is not so. */
static int want_all(struct reader *r, const struct reader_want *want, size_t n, struct blob **ret,
	struct entry **ret_mine)
{
	int error = 0;

	pthread_mutex_lock(&r->mutex);
	for (size_t i = 0; i < n && !error; i++) {
		error = want_one(r, &want[i], &ret[i], &ret_mine[i]);
		error = error == -EAGAIN ? 0 : error;
	}
	pthread_mutex_unlock(&r->mutex);
	return error;
}

/* Loads those that nobody else loads: every one of them is settled, whatever happens. */
static int load_mine(struct reader *r, struct load *l, struct entry *const *mine, size_t n, struct blob **ret)
{
	int first = 0;

	for (size_t i = 0; i < n; i++)
		if (mine[i])
			load_put(l, i, &mine[i]->o, mine[i]->form);
	load_ask(l);
	for (size_t i = 0; i < n; i++) {
		struct blob *blob = NULL;
		uint64_t fetched = 0;
		int error;

		if (!mine[i])
			continue;
		error = load_take(l, i, &blob, &fetched);
		if (!error)
			ret[i] = blob_ref(blob);
		settle(r, mine[i], error, blob, fetched);
		first = first ? first : error;
	}
	return first;
}

/* Waits for one that somebody else loads. Where it has gone again meanwhile, it is loaded here. */
static int await_other(struct reader *r, const struct reader_want *w, struct blob **ret)
{
	struct entry *mine;
	int error;

	pthread_mutex_lock(&r->mutex);
	while ((error = want_one(r, w, ret, &mine)) == -EAGAIN && !mine)
		pthread_cond_wait(&r->settled, &r->mutex);
	pthread_mutex_unlock(&r->mutex);
	return mine ? load(r, mine, ret) : error;
}

int reader_load(struct reader *r, const struct reader_want *want, size_t n, struct blob **ret)
{
	struct entry **mine = calloc(n + 1, sizeof(struct entry *));
	struct load *l = NULL;
	int error = mine ? load_new(r->source, r->spill, n, &l) : -ENOMEM, failed;

	memset(ret, 0, n * sizeof(struct blob *));
	if (!error) {
		error = want_all(r, want, n, ret, mine);
		failed = load_mine(r, l, mine, n, ret);
		error = error ? error : failed;
	}
	for (size_t i = 0; i < n && !error; i++)
		if (!ret[i])
			error = await_other(r, &want[i], &ret[i]);
	for (size_t i = 0; i < n && error; i++) {
		blob_unref(ret[i]);
		ret[i] = NULL;
	}
	load_free(l);
	free(mine);
	return error;
}

struct reader_stats reader_stats(struct reader *r)
{
	struct reader_stats stats;

	pthread_mutex_lock(&r->mutex);
	stats = r->stats;
	stats.held = r->entries.kept[0].held + r->entries.kept[1].held;
	pthread_mutex_unlock(&r->mutex);
	return stats;
}

/* ---- life ---- */

int reader_new(
	struct source *source, struct cache *spill, void (*ready)(void *arg), void *arg, struct reader **ret)
{
	struct reader *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->source = source;
	r->spill = spill;
	r->ready = ready;
	r->arg = arg;
	pthread_mutex_init(&r->mutex, NULL);
	pthread_cond_init(&r->work, NULL);
	pthread_cond_init(&r->settled, NULL);
	STAILQ_INIT(&r->queue);
	entries_init(&r->entries, READER_HELD_MAX, READER_MANY_MAX);
	*ret = r;
	return 0;
}

void reader_hold(struct reader *r, size_t max)
{
	if (max < READER_HELD_MAX)
		r->entries.kept[0].max = max;
	if (max < READER_MANY_MAX)
		r->entries.kept[1].max = max;
}

int reader_start(struct reader *r)
{
	sigset_t all, before;
	int err = 0;

	/* Signals are for the thread that serves the mount. */
	sigfillset(&all);
	sigdelset(&all, SIGBUS); /* fs/fault.h */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (!err && r->n_threads < THREADS) {
		err = -pthread_create(&r->thread[r->n_threads], NULL, run, r);
		r->n_threads += !err;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r->n_threads ? 0 : err;
}

void reader_stop(struct reader *r)
{
	pthread_mutex_lock(&r->mutex);
	r->refusal = -ECANCELED;
	pthread_cond_broadcast(&r->work);
	pthread_cond_broadcast(&r->settled);
	pthread_mutex_unlock(&r->mutex);
	source_cancel(r->source);
	while (r->n_threads > 0)
		pthread_join(r->thread[--r->n_threads], NULL);
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	entries_clear(&r->entries);
	pthread_mutex_destroy(&r->mutex);
	pthread_cond_destroy(&r->work);
	pthread_cond_destroy(&r->settled);
	free(r);
}
