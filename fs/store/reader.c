/*
 * Objects on demand. Every object, form and piece that was asked for is an entry:
 *
 *   (none) ──ask──▶ QUEUED ──thread──▶ RUNNING ──▶ READY ────evicted────▶ (none)
 *                     ▲                    └─────▶ FAILED ──evicted─────▶ (none)
 *                     └───────asked again, told before and over a second old
 *
 * READY and FAILED entries are in order of use, and the least recently used go when there is too much. What
 * has come and was not yet taken is spared as long as that costs no more than as much again: who waits for it
 * would only make it come a second time.
 */
#include "fs/store/reader.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "fs/clock.h"
#include "fs/store/load.h"

#define THREADS     4
#define BUCKETS     4096
#define MAPPED_MAX  ((uint64_t)4 << 30) /* bytes of blobs in files */
#define ENTRY_COST  512                 /* bytes that an entry costs besides its blob, about */
#define FAILURE_AGE CLOCK_SECOND
#define UNTOLD_AGE  (10 * FAILURE_AGE) /* nobody came back for it */

enum entry_state {
	QUEUED,
	RUNNING,
	READY,
	FAILED
};

struct entry {
	LIST_ENTRY(entry) in_bucket;
	STAILQ_ENTRY(entry) in_queue;
	TAILQ_ENTRY(entry) in_use;
	struct source_object o; /* o.key is key[] below */
	uint32_t number;
	uint64_t form; /* fs/store/load.h */
	enum entry_state state;
	bool many;         /* came by reader_load() */
	bool taken;        /* its blob or its failure */
	struct blob *blob; /* READY */
	int error;         /* FAILED */
	int64_t failed_at;
	char key[];
};

LIST_HEAD(bucket, entry);
STAILQ_HEAD(queue, entry);
TAILQ_HEAD(use, entry);

/* READY and FAILED entries. */
struct held {
	struct use use; /* the last used first */
	uint64_t max, bytes, mapped, n;
};

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
	struct held held[2]; /* what was asked for one by one, and by reader_load(), so that a long run of the
				one does not drive out the other */
	struct reader_stats stats;
	struct bucket bucket[BUCKETS];
};

/* ---- entries; with the lock held ---- */

static struct bucket *bucket_of(struct reader *r, uint32_t number, uint64_t form)
{
	uint64_t h = (number * 0x9e3779b97f4a7c15u) ^ (form * 0xc2b2ae3d27d4eb4fu);

	return &r->bucket[(h ^ h >> 32) % BUCKETS];
}

static struct entry *find(struct reader *r, uint32_t number, uint64_t form, const struct source_object *o)
{
	struct entry *e;

	LIST_FOREACH(e, bucket_of(r, number, form), in_bucket)
	{
		if (e->number == number && e->form == form && e->o.size == o->size &&
			e->o.mtime == o->mtime && e->o.tag == o->tag)
			return e;
	}
	return NULL;
}

static struct entry *add(struct reader *r, uint32_t number, uint64_t form, const struct source_object *o)
{
	size_t len = strlen(o->key);
	struct entry *e = calloc(1, sizeof(*e) + len + 1);

	if (!e)
		return NULL;
	memcpy(e->key, o->key, len);
	e->number = number;
	e->form = form;
	e->o = *o;
	e->o.key = e->key;
	LIST_INSERT_HEAD(bucket_of(r, number, form), e, in_bucket);
	return e;
}

static void enqueue(struct reader *r, struct entry *e)
{
	e->state = QUEUED;
	e->taken = false;
	STAILQ_INSERT_TAIL(&r->queue, e, in_queue);
	pthread_cond_signal(&r->work);
}

static uint64_t mapped_of(const struct entry *e)
{
	return e->blob && blob_held(e->blob) == 0 ? blob_len(e->blob) : 0;
}

static void keep(struct reader *r, struct entry *e)
{
	struct held *h = &r->held[e->many];

	TAILQ_INSERT_HEAD(&h->use, e, in_use);
	h->n++;
	h->bytes += e->blob ? blob_held(e->blob) : 0;
	h->mapped += mapped_of(e);
}

static void unkeep(struct reader *r, struct entry *e)
{
	struct held *h = &r->held[e->many];

	TAILQ_REMOVE(&h->use, e, in_use);
	h->n--;
	h->bytes -= e->blob ? blob_held(e->blob) : 0;
	h->mapped -= mapped_of(e);
}

static void touch(struct reader *r, struct entry *e)
{
	struct held *h = &r->held[e->many];

	TAILQ_REMOVE(&h->use, e, in_use);
	TAILQ_INSERT_HEAD(&h->use, e, in_use);
}

/* Drops entries of one kind until `times` the limits are met, but never `spare`. */
static void drop(
	struct reader *r, const struct entry *spare, unsigned times, bool untaken, struct use *dropped)
{
	const struct held *h = &r->held[spare->many];
	struct entry *e = TAILQ_LAST(&h->use, use), *before;

	for (; e; e = before) {
		bool full = h->bytes + h->n * ENTRY_COST > h->max * times;
		bool full_mapped = h->mapped > MAPPED_MAX * times;

		if (!full && !full_mapped)
			return;
		before = TAILQ_PREV(e, use, in_use);
		if (e == spare || (!untaken && !e->taken) || !(mapped_of(e) ? full_mapped : full))
			continue;
		unkeep(r, e);
		LIST_REMOVE(e, in_bucket);
		TAILQ_INSERT_HEAD(dropped, e, in_use);
	}
}

static void entry_free(struct entry *e)
{
	blob_unref(e->blob);
	free(e);
}

static void free_dropped(struct use *dropped)
{
	struct entry *e;

	while ((e = TAILQ_FIRST(dropped))) {
		TAILQ_REMOVE(dropped, e, in_use);
		entry_free(e);
	}
}

/* ---- loading; without the lock ---- */

/* What a RUNNING entry has become. The blob is taken over. */
static void settle(struct reader *r, struct entry *e, int error, struct blob *blob, uint64_t fetched)
{
	struct use dropped = TAILQ_HEAD_INITIALIZER(dropped);

	pthread_mutex_lock(&r->mutex);
	e->state = error ? FAILED : READY;
	e->error = error;
	e->blob = error ? NULL : blob;
	if (error) {
		e->failed_at = clock_now();
		r->stats.failed++;
	} else {
		r->stats.fetched++;
		r->stats.fetched_bytes += fetched;
	}
	keep(r, e);
	drop(r, e, 1, false, &dropped);
	drop(r, e, 2, true, &dropped);
	pthread_cond_broadcast(&r->settled);
	pthread_mutex_unlock(&r->mutex);
	free_dropped(&dropped);
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
		e->state = RUNNING;
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
	struct entry *e = find(r, number, form, o);

	*ret_new = NULL;
	if (r->refusal)
		return r->refusal;
	if (e && (e->state == QUEUED || e->state == RUNNING))
		return -EAGAIN;
	if (e && e->state == READY) {
		e->taken = true;
		touch(r, e);
		*ret = blob_ref(e->blob);
		return 0;
	}
	if (e && failure_holds(e)) {
		e->taken = true;
		return e->error;
	}
	if (e)
		unkeep(r, e);
	else
		e = add(r, number, form, o);
	*ret_new = e;
	return e ? -EAGAIN : -ENOMEM;
}

/* ---- one at a time ---- */

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
		(*ret_mine)->state = RUNNING;
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
	stats.held = r->held[0].bytes + r->held[1].bytes;
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
	TAILQ_INIT(&r->held[0].use);
	TAILQ_INIT(&r->held[1].use);
	r->held[0].max = READER_HELD_MAX;
	r->held[1].max = READER_MANY_MAX;
	for (size_t i = 0; i < BUCKETS; i++)
		LIST_INIT(&r->bucket[i]);
	*ret = r;
	return 0;
}

void reader_hold(struct reader *r, size_t max)
{
	if (max < READER_HELD_MAX)
		r->held[0].max = max;
	if (max < READER_MANY_MAX)
		r->held[1].max = max;
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
	for (size_t i = 0; i < BUCKETS; i++) {
		struct entry *e;

		while ((e = LIST_FIRST(&r->bucket[i]))) {
			LIST_REMOVE(e, in_bucket);
			entry_free(e);
		}
	}
	pthread_mutex_destroy(&r->mutex);
	pthread_cond_destroy(&r->work);
	pthread_cond_destroy(&r->settled);
	free(r);
}
