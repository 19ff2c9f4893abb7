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
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "fs/log.h"
#include "fs/store/ingest.h"

#define THREADS       4
#define BUCKETS       4096
#define PIECE         ((uint64_t)1 << 20)
#define FETCHES_MAX   3                   /* of an object that comes damaged */
#define MAPPED_MAX    ((uint64_t)4 << 30) /* bytes of blobs in files */
#define ENTRY_COST    512                 /* bytes that an entry costs besides its blob, about */
#define FAILURE_AGE   1000000000ll        /* ns */
#define UNTOLD_AGE    (10 * FAILURE_AGE)  /* nobody came back for it */
#define FORM_WHOLE    ((uint64_t)1 << 63)
#define FORM_INFLATED (FORM_WHOLE | 1)
#define FORM_DECODED  2u

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
	struct reader *reader;
	struct source_object o; /* o.key is key[] below */
	uint32_t number;
	uint64_t form; /* FORM_*, or the number of a piece */
	enum entry_state state;
	bool taken;        /* its blob or its failure */
	struct blob *blob; /* READY */
	int error;         /* FAILED */
	int64_t failed_at;
	bool came; /* RUNNING: the source is done with it, and gave: */
	int raw_error;
	char *raw;
	size_t raw_len;
	char raw_reason[SOURCE_REASON_MAX];
	char key[];
};

LIST_HEAD(bucket, entry);
STAILQ_HEAD(queue, entry);
TAILQ_HEAD(use, entry);

struct reader {
	struct source *source;
	struct cache *spill;
	void (*ready)(void *arg);
	void *arg;
	pthread_t thread[THREADS];
	int n_threads;

	pthread_mutex_t mutex; /* of all below; a leaf */
	pthread_cond_t work, came;
	int refusal; /* what calls return; 0: serving */
	struct queue queue;
	struct use use; /* the last used first */
	uint64_t kept;  /* entries in use */
	uint64_t mapped;
	struct reader_stats stats;
	struct bucket bucket[BUCKETS];
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

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
	e->reader = r;
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
	TAILQ_INSERT_HEAD(&r->use, e, in_use);
	r->kept++;
	r->stats.held += e->blob ? blob_held(e->blob) : 0;
	r->mapped += mapped_of(e);
}

static void unkeep(struct reader *r, struct entry *e)
{
	TAILQ_REMOVE(&r->use, e, in_use);
	r->kept--;
	r->stats.held -= e->blob ? blob_held(e->blob) : 0;
	r->mapped -= mapped_of(e);
}

/* Drops entries until `times` the limits are met, but never `spare`. */
static void drop(
	struct reader *r, const struct entry *spare, unsigned times, bool untaken, struct use *dropped)
{
	struct entry *e = TAILQ_LAST(&r->use, use), *before;

	for (; e; e = before) {
		bool full = r->stats.held + r->kept * ENTRY_COST > (uint64_t)READER_HELD_MAX * times;
		bool full_mapped = r->mapped > MAPPED_MAX * times;

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

/* ---- fetching; without the lock ---- */

static void fetched(void *arg, size_t i, int error, char *data, size_t len, const char *reason)
{
	struct entry *e = arg;
	struct reader *r = e->reader;

	(void)i;
	pthread_mutex_lock(&r->mutex);
	e->came = true;
	e->raw_error = error;
	e->raw = data;
	e->raw_len = len;
	snprintf(e->raw_reason, sizeof(e->raw_reason), "%s", error ? reason : "");
	pthread_cond_broadcast(&r->came);
	pthread_mutex_unlock(&r->mutex);
}

/* *ret: a blob of the stored bytes, or of what they inflate to. */
static int load_once(struct reader *r, struct entry *e, struct blob **ret, char reason[BLOB_REASON_MAX])
{
	char *raw;
	int error;

	e->came = false;
	source_fetch(r->source, &e->o, 1, fetched, e);
	pthread_mutex_lock(&r->mutex);
	while (!e->came)
		pthread_cond_wait(&r->came, &r->mutex);
	raw = e->raw;
	e->raw = NULL;
	pthread_mutex_unlock(&r->mutex);
	if (e->raw_error) {
		snprintf(reason, BLOB_REASON_MAX, "%.*s", BLOB_REASON_MAX - 1, e->raw_reason);
		return e->raw_error;
	}
	if (!(e->form & 1)) {
		*ret = blob_new(raw, e->raw_len);
		return *ret ? 0 : -ENOMEM;
	}
	error = blob_gunzip(raw, e->raw_len, r->spill, ret, reason);
	free(raw);
	return error;
}

/* Who asks knows of the object that it is no damaged one: what comes damaged is no true copy, and is not
 * kept.
 */
static int load_whole(struct reader *r, struct entry *e, struct blob **ret, char reason[BLOB_REASON_MAX])
{
	int error = load_once(r, e, ret, reason);

	for (unsigned n = 1; error == -EBADMSG && source_doubt(r->source, &e->o) && n < FETCHES_MAX; n++)
		error = load_once(r, e, ret, reason);
	return error;
}

static int load_decoded(struct reader *r, struct entry *e, struct blob **ret, char reason[BLOB_REASON_MAX])
{
	struct blob *whole;
	int error = load_whole(r, e, &whole, reason);

	if (error)
		return error;
	error = ingest_text(whole, true, ret);
	blob_unref(whole);
	return error;
}

static int load_piece(struct reader *r, struct entry *e, struct blob **ret)
{
	uint64_t start = e->form * PIECE, left = e->o.size - start;
	size_t n = (size_t)(left < PIECE ? left : PIECE), got = 0;
	char *data = malloc(n + 1);
	int error;

	if (!data)
		return -ENOMEM;
	error = source_read(r->source, &e->o, start, data, n, &got);
	if (error == 0 && got != n)
		error = -ESTALE;
	if (error) {
		free(data);
		return error;
	}
	e->raw_len = n;
	*ret = blob_new(data, n);
	return *ret ? 0 : -ENOMEM;
}

static int load(struct reader *r, struct entry *e, struct blob **ret)
{
	char reason[BLOB_REASON_MAX] = "";
	int error;

	e->raw_len = 0;
	if (!(e->form & FORM_WHOLE))
		error = load_piece(r, e, ret);
	else if (e->form & FORM_DECODED)
		error = load_decoded(r, e, ret, reason);
	else
		error = load_whole(r, e, ret, reason);
	if (error && error != -ECANCELED)
		log_warning("cannot read %s: %s", e->key, *reason ? reason : strerrordesc_np(-error));
	return error;
}

/* What a RUNNING entry has become. */
static void settle(struct reader *r, struct entry *e, int error, struct blob *blob, struct use *dropped)
{
	e->state = error ? FAILED : READY;
	e->error = error;
	e->blob = error ? NULL : blob;
	if (error) {
		e->failed_at = now_ns();
		r->stats.failed++;
	} else {
		r->stats.fetched++;
		r->stats.fetched_bytes += e->raw_len;
	}
	keep(r, e);
	drop(r, e, 1, false, dropped);
	drop(r, e, 2, true, dropped);
}

static void *run(void *arg)
{
	struct reader *r = arg;
	struct use dropped = TAILQ_HEAD_INITIALIZER(dropped);

	pthread_mutex_lock(&r->mutex);
	while (!r->refusal) {
		struct entry *e = STAILQ_FIRST(&r->queue);
		struct blob *blob = NULL;
		int error;

		if (!e) {
			pthread_cond_wait(&r->work, &r->mutex);
			continue;
		}
		STAILQ_REMOVE_HEAD(&r->queue, in_queue);
		e->state = RUNNING;
		pthread_mutex_unlock(&r->mutex);
		error = load(r, e, &blob);
		pthread_mutex_lock(&r->mutex);
		settle(r, e, error, blob, &dropped);
		pthread_mutex_unlock(&r->mutex);
		free_dropped(&dropped);
		r->ready(r->arg);
		pthread_mutex_lock(&r->mutex);
	}
	pthread_mutex_unlock(&r->mutex);
	r->ready(r->arg); /* those who wait for what will not come learn that */
	return NULL;
}

/* ---- asking ---- */

/* Whether a failure is still what those who ask are told. */
static bool failure_holds(const struct entry *e)
{
	return now_ns() - e->failed_at < (e->taken ? FAILURE_AGE : UNTOLD_AGE);
}

static int ask(
	struct reader *r, uint32_t number, uint64_t form, const struct source_object *o, struct blob **ret)
{
	struct entry *e;

	if (r->refusal)
		return r->refusal;
	e = find(r, number, form, o);
	if (!e) {
		e = add(r, number, form, o);
		if (!e)
			return -ENOMEM;
		enqueue(r, e);
		return -EAGAIN;
	}
	if (e->state == QUEUED || e->state == RUNNING)
		return -EAGAIN;
	if (e->state == FAILED && !failure_holds(e)) {
		unkeep(r, e);
		enqueue(r, e);
		return -EAGAIN;
	}
	e->taken = true;
	if (e->state == FAILED)
		return e->error;
	TAILQ_REMOVE(&r->use, e, in_use);
	TAILQ_INSERT_HEAD(&r->use, e, in_use);
	*ret = blob_ref(e->blob);
	return 0;
}

int reader_get(struct reader *r, uint32_t number, const struct source_object *o, bool gunzip, bool decoded,
	struct blob **ret)
{
	uint64_t form = (gunzip ? FORM_INFLATED : FORM_WHOLE) | (decoded ? FORM_DECODED : 0);
	int error;

	pthread_mutex_lock(&r->mutex);
	error = ask(r, number, form, o, ret);
	pthread_mutex_unlock(&r->mutex);
	return error;
}

int reader_get_piece(struct reader *r, uint32_t number, const struct source_object *o, uint64_t offset,
	struct blob **ret, uint64_t *ret_start)
{
	int error;

	if (offset >= o->size)
		return -EINVAL;
	pthread_mutex_lock(&r->mutex);
	error = ask(r, number, offset / PIECE, o, ret);
	pthread_mutex_unlock(&r->mutex);
	if (error == 0)
		*ret_start = offset / PIECE * PIECE;
	return error;
}

struct reader_stats reader_stats(struct reader *r)
{
	struct reader_stats stats;

	pthread_mutex_lock(&r->mutex);
	stats = r->stats;
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
	pthread_cond_init(&r->came, NULL);
	STAILQ_INIT(&r->queue);
	TAILQ_INIT(&r->use);
	for (size_t i = 0; i < BUCKETS; i++)
		LIST_INIT(&r->bucket[i]);
	*ret = r;
	return 0;
}

void reader_start(struct reader *r)
{
	sigset_t all, before;

	/* Signals are for the thread that serves the mount. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (r->n_threads < THREADS && pthread_create(&r->thread[r->n_threads], NULL, run, r) == 0)
		r->n_threads++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r->n_threads > 0)
		return;
	log_error("cannot start a thread to read objects");
	pthread_mutex_lock(&r->mutex);
	r->refusal = -EIO;
	pthread_mutex_unlock(&r->mutex);
}

void reader_stop(struct reader *r)
{
	pthread_mutex_lock(&r->mutex);
	r->refusal = -ECANCELED;
	pthread_cond_broadcast(&r->work);
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
	pthread_cond_destroy(&r->came);
	free(r);
}
