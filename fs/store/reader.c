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

#include "fs/clock.h"
#include "fs/log.h"
#include "fs/store/ingest.h"
#include "fs/store/large.h"

#define THREADS       4
#define BUCKETS       4096
#define PIECE         ((uint64_t)1 << 20)
#define FETCHES_MAX   3                   /* of an object that comes damaged */
#define MAPPED_MAX    ((uint64_t)4 << 30) /* bytes of blobs in files */
#define ENTRY_COST    512                 /* bytes that an entry costs besides its blob, about */
#define FAILURE_AGE   CLOCK_SECOND
#define UNTOLD_AGE    (10 * FAILURE_AGE) /* nobody came back for it */
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
	bool many;         /* came by reader_load() */
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
	pthread_cond_t work, came;
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

/* Waits until the source is done with an entry. *ret: a blob of the stored bytes, or of what they inflate to.
 */
static int take_whole(struct reader *r, struct entry *e, struct blob **ret, char reason[BLOB_REASON_MAX])
{
	char *raw;
	int error;

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
		*ret = blob_keep(raw, e->raw_len, r->spill);
		return *ret ? 0 : -ENOMEM;
	}
	error = blob_gunzip(raw, e->raw_len, r->spill, ret, reason);
	free(raw);
	return error;
}

static void start(struct reader *r, struct entry *e)
{
	e->came = false;
	source_fetch(r->source, &e->o, 1, fetched, e);
}

/* Who asks knows of the object that it is no damaged one: what comes damaged is no true copy, and is not
 * kept.
 */
static int take_true(struct reader *r, struct entry *e, struct blob **ret, char reason[BLOB_REASON_MAX])
{
	int error = take_whole(r, e, ret, reason);

	for (unsigned n = 1; error == -EBADMSG && source_doubt(r->source, &e->o) && n < FETCHES_MAX; n++) {
		start(r, e);
		error = take_whole(r, e, ret, reason);
	}
	return error;
}

/* The same in the form that is wanted. */
static int take(struct reader *r, struct entry *e, struct blob **ret, char reason[BLOB_REASON_MAX])
{
	struct blob *whole;
	int error = take_true(r, e, &whole, reason);

	if (error)
		return error;
	if (!(e->form & FORM_DECODED)) {
		*ret = whole;
		return 0;
	}
	error = ingest_text(whole, true, r->spill, ret);
	blob_unref(whole);
	return error;
}

static bool is_large(const struct entry *e)
{
	return e->o.size > LARGE_MIN;
}

/* Fetches and takes one object, a large one when no other is being read. */
static int take_alone(struct reader *r, struct entry *e, struct blob **ret, char reason[BLOB_REASON_MAX])
{
	int error = large_begin(e->o.size);

	if (error) {
		snprintf(reason, BLOB_REASON_MAX, LARGE_WHY);
		return error;
	}
	start(r, e);
	error = take(r, e, ret, reason);
	large_end(e->o.size);
	return error;
}

static int load_piece(struct reader *r, struct entry *e, struct blob **ret)
{
	uint64_t at = e->form * PIECE, left = e->o.size - at;
	size_t n = (size_t)(left < PIECE ? left : PIECE), got = 0;
	char *data = malloc(n + 1);
	int error;

	if (!data)
		return -ENOMEM;
	error = source_read(r->source, &e->o, at, data, n, &got);
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

static void say_failed(const struct entry *e, int error, const char *reason)
{
	if (error && error != -ECANCELED)
		log_warning("cannot read %s: %s", e->key, *reason ? reason : strerrordesc_np(-error));
}

static int load(struct reader *r, struct entry *e, struct blob **ret)
{
	char reason[BLOB_REASON_MAX] = "";
	int error;

	e->raw_len = 0;
	if (e->form & FORM_WHOLE) {
		error = take_alone(r, e, ret, reason);
	} else {
		error = load_piece(r, e, ret);
	}
	say_failed(e, error, reason);
	return error;
}

/* What a RUNNING entry has become. */
static void settle(struct reader *r, struct entry *e, int error, struct blob *blob, struct use *dropped)
{
	e->state = error ? FAILED : READY;
	e->error = error;
	e->blob = error ? NULL : blob;
	if (error) {
		e->failed_at = clock_now();
		r->stats.failed++;
	} else {
		r->stats.fetched++;
		r->stats.fetched_bytes += e->raw_len;
	}
	keep(r, e);
	drop(r, e, 1, false, dropped);
	drop(r, e, 2, true, dropped);
	pthread_cond_broadcast(&r->came);
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
	return clock_now() - e->failed_at < (e->taken ? FAILURE_AGE : UNTOLD_AGE);
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
	touch(r, e);
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

/* ---- many at once ---- */

/* One reader_load(). */
struct batch {
	size_t n;
	struct entry **mine;  /* by place among the wants: to be loaded here; else NULL */
	struct entry **asked; /* those of mine that the source was asked for together, in its order */
	struct source_object *o;
};

static void fetched_of_batch(void *arg, size_t i, int error, char *data, size_t len, const char *reason)
{
	struct batch *b = arg;

	fetched(b->asked[i], 0, error, data, len, reason);
}

static uint64_t form_of(const struct reader_want *w)
{
	return (w->gunzip ? FORM_INFLATED : FORM_WHOLE) | (w->decoded ? FORM_DECODED : 0);
}

/* One of the wants, with the lock held: 0: *ret is there; -EAGAIN: it is being loaded, by the caller where
 * *ret_mine is set; else why it cannot be had. */
static int want_one(struct reader *r, const struct reader_want *w, struct blob **ret, struct entry **ret_mine)
{
	struct entry *e = find(r, w->number, form_of(w), w->o);

	if (r->refusal)
		return r->refusal;
	if (e && (e->state == QUEUED || e->state == RUNNING))
		return -EAGAIN;
	if (e && e->state == FAILED && failure_holds(e)) {
		e->taken = true;
		return e->error;
	}
	if (e && e->state == READY) {
		e->taken = true;
		touch(r, e);
		*ret = blob_ref(e->blob);
		return 0;
	}
	if (e)
		unkeep(r, e);
	else
		e = add(r, w->number, form_of(w), w->o);
	if (!e)
		return -ENOMEM;
	e->state = RUNNING;
	e->taken = e->many = true;
	e->came = false;
	e->raw_len = 0;
	*ret_mine = e;
	return -EAGAIN;
}

/* Loads those that nobody else loads: every one of them is settled, whatever happens. */
static int load_mine(struct reader *r, struct batch *b, size_t n, struct blob **ret)
{
	struct use dropped = TAILQ_HEAD_INITIALIZER(dropped);
	int first = 0;

	if (b->n)
		source_fetch(r->source, b->o, b->n, fetched_of_batch, b);
	for (size_t i = 0; i < n; i++) {
		char reason[BLOB_REASON_MAX] = "";
		struct entry *e = b->mine[i];
		int error;

		if (!e)
			continue;
		error = (is_large(e) ? take_alone : take)(r, e, &ret[i], reason);
		say_failed(e, error, reason);
		first = first ? first : error;
		pthread_mutex_lock(&r->mutex);
		if (!error)
			blob_ref(ret[i]);
		settle(r, e, error, ret[i], &dropped);
		pthread_mutex_unlock(&r->mutex);
		free_dropped(&dropped);
	}
	return first;
}

/* Waits for those that somebody else loads. One that has gone again meanwhile is loaded here. */
static int await_others(struct reader *r, const struct reader_want *want, size_t n, struct blob **ret)
{
	int error = 0;

	for (size_t i = 0; i < n && !error; i++) {
		struct entry *mine = NULL;
		struct batch b = {.n = 1, .mine = &mine, .asked = &mine, .o = NULL};
		struct source_object o;

		if (ret[i])
			continue;
		pthread_mutex_lock(&r->mutex);
		while ((error = want_one(r, &want[i], &ret[i], &mine)) == -EAGAIN && !mine)
			pthread_cond_wait(&r->came, &r->mutex);
		pthread_mutex_unlock(&r->mutex);
		if (!mine)
			continue;
		o = mine->o;
		b.o = &o;
		b.n = !is_large(mine);
		error = load_mine(r, &b, 1, &ret[i]);
	}
	return error;
}

int reader_load(struct reader *r, const struct reader_want *want, size_t n, struct blob **ret)
{
	struct batch b = {.mine = calloc(n + 1, sizeof(struct entry *)),
		.asked = calloc(n + 1, sizeof(struct entry *)),
		.o = calloc(n + 1, sizeof(*b.o))};
	int error = b.mine && b.asked && b.o ? 0 : -ENOMEM, failed;

	memset(ret, 0, n * sizeof(struct blob *));
	pthread_mutex_lock(&r->mutex);
	for (size_t i = 0; i < n && !error; i++) {
		error = want_one(r, &want[i], &ret[i], &b.mine[i]);
		error = error == -EAGAIN ? 0 : error;
		if (!b.mine[i] || is_large(b.mine[i]))
			continue;
		b.asked[b.n] = b.mine[i];
		b.o[b.n++] = b.mine[i]->o;
	}
	pthread_mutex_unlock(&r->mutex);
	if (b.mine) {
		failed = load_mine(r, &b, n, ret);
		error = error ? error : failed;
	}
	if (!error)
		error = await_others(r, want, n, ret);
	for (size_t i = 0; i < n && error; i++) {
		blob_unref(ret[i]);
		ret[i] = NULL;
	}
	free(b.mine);
	free(b.asked);
	free(b.o);
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
	pthread_cond_init(&r->came, NULL);
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
	pthread_cond_broadcast(&r->came);
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
