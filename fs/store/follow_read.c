/*
 * A batch becomes a segment: its objects are fetched some at a time and read in that order. What comes
 * damaged is fetched again, as it may have been damaged on its way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "fs/clock.h"
#include "fs/log.h"
#include "fs/store/follow_private.h"
#include "fs/store/ingest.h"
#include "fs/store/large.h"

#define FETCH_AT_ONCE 64 /* objects of a batch that are fetched and held together */
#define FETCHES_MAX   3  /* of one object that comes damaged, and differently each time */

/* An object of the batch that is being read. */
struct reading {
	const struct object *object;
	unsigned fetches;
	uint64_t hash; /* of what came last, if it was damaged */
};

/* What came of it from the source. */
struct arrival {
	int error;
	char *data;
	size_t len;
	char reason[SOURCE_REASON_MAX];
};

struct batch_reader {
	struct follow *f;
	struct ingest *in;

	/* One batch. */
	int32_t day;
	struct segment_build *b;
	size_t added; /* objects to b */
	size_t n;     /* those that are fetched together */
	struct reading reading[FETCH_AT_ONCE];

	pthread_mutex_t lock; /* of these; a leaf */
	pthread_cond_t came;
	size_t awaited;
	struct arrival arrival[FETCH_AT_ONCE];
};

struct batch_reader *batch_reader_new(struct follow *f)
{
	struct batch_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->f = f;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->came, NULL);
	r->in = ingest_new(f->cache);
	if (!r->in) {
		batch_reader_free(r);
		return NULL;
	}
	return r;
}

void batch_reader_free(struct batch_reader *r)
{
	if (!r)
		return;
	ingest_free(r->in);
	pthread_cond_destroy(&r->came);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* ---- fetching ---- */

static void arrived(void *arg, size_t i, int error, char *data, size_t len, const char *reason)
{
	struct batch_reader *r = arg;
	struct arrival *a = &r->arrival[i];

	pthread_mutex_lock(&r->lock);
	*a = (struct arrival){.error = error, .data = data, .len = len};
	if (error && reason)
		strncpy(a->reason, reason, sizeof(a->reason) - 1);
	if (!--r->awaited)
		pthread_cond_signal(&r->came);
	pthread_mutex_unlock(&r->lock);
}

/* Fetches what is to be read and waits for all of it. */
static void fetch(struct batch_reader *r)
{
	struct source_object at[FETCH_AT_ONCE];

	for (size_t i = 0; i < r->n; i++)
		at[i] = r->reading[i].object->at;
	r->awaited = r->n;
	source_fetch(r->f->source, at, r->n, arrived, r);
	pthread_mutex_lock(&r->lock);
	while (r->awaited)
		pthread_cond_wait(&r->came, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

/* ---- reading ---- */

/* Whether damage is the object's own, and not that of one transfer or of a kept copy: then the same bytes
 * come when they are asked for anew. 0; -EAGAIN: that is to be seen; -EIO: it comes as other damage each
 * time. */
static int believe(struct follow *f, struct reading *x, const struct arrival *a)
{
	uint64_t hash = XXH3_64bits(a->data, a->len);
	bool same = x->fetches > 0 && hash == x->hash;

	x->hash = hash;
	if (same || !source_doubt(f->source, &x->object->at))
		return 0;
	return ++x->fetches < FETCHES_MAX ? -EAGAIN : -EIO;
}

/* Adds one object to the segment: 0; -EAGAIN: fetch it again; or why not. */
static int add(struct batch_reader *r, struct reading *x, const struct arrival *a, const char **ret_problem)
{
	int err = ingest_add(r->in, &x->object->at, r->f->options.layout_only, a->error, a->reason, a->data,
		a->len, r->b, ret_problem);

	if (err != INGEST_DAMAGED)
		return err == -EAGAIN ? -EIO : err; /* of a disk: it is no promise that it comes soon */
	err = believe(r->f, x, a);
	if (err)
		segment_build_undo(r->b);
	return err;
}

/* Bytes that one reader may take. What is more has the turn of the large, which is not to be kept for long.
 */
static uint64_t share(const struct follow *f)
{
	uint64_t max = f->making / FOLLOW_READERS_MAX;

	return max < 2 * LARGE_MIN ? max : 2 * LARGE_MIN;
}

/* What was read so far becomes a segment of its own, where it takes as much memory as one reader may have: a
 * few objects, made for it, hold millions of records. */
static int cut(struct batch_reader *r)
{
	struct segment *seg;
	char name[32];
	int err;

	if (segment_build_memory(r->b) < share(r->f))
		return 0;
	err = r->added ? follow_keep(r->f, r->b, &seg, name) : 0;
	segment_build_free(r->b);
	r->b = segment_build_new(r->day);
	if (!err && r->added)
		err = catalog_add_read(r->f->catalog, seg, name);
	r->added = 0;
	return r->b ? err : -ENOMEM;
}

/* Tells what came of one object: err as of add(). */
static void report(struct batch_reader *r, const struct object *o, int err, const char *problem)
{
	if (err == -EAGAIN)
		log_info("%s: %s; it is fetched again", o->at.key, problem);
	else if (err)
		catalog_fail(r->f->catalog, o, err, problem[0] ? problem : strerror(-err), clock_now());
	else
		r->added++;
	if (err == -ESTALE || err == -EKEYREJECTED)
		follow_changed(r->f);
	if (err == -EKEYREJECTED && __atomic_fetch_add(&r->f->refused, 1, __ATOMIC_RELAXED))
		return; /* as many say the same */
	if (problem[0] && err != -EAGAIN)
		log_warning("%s: %s", o->at.key, problem);
}

/* Adds what arrived to the segment. What is to be fetched again stays to be read. A fault of this machine
 * ends the batch; whatever is not in the segment then fails. */
static int add_arrived(struct batch_reader *r)
{
	size_t again = 0;
	int err = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct reading x = r->reading[i];
		const char *problem = "";
		int e = err ? err : add(r, &x, &r->arrival[i], &problem);

		free(r->arrival[i].data);
		report(r, x.object, e, problem);
		if (e == -EAGAIN)
			r->reading[again++] = x;
		err = e == -ENOMEM ? e : err ? err : cut(r);
	}
	r->n = again;
	catalog_touch_progress(r->f->catalog);
	return err;
}

/* Fetches what is to be read, and adds what came. What is large is alone in its batch. */
static int read_some(struct batch_reader *r)
{
	const struct object *o = r->reading[0].object;
	uint64_t size = o->at.size > SOURCE_FETCH_MAX ? 0 : o->at.size; /* it will not be fetched */
	int err = large_begin(size);

	if (err) {
		report(r, o, err, LARGE_WHY);
		r->n = 0;
		return 0;
	}
	fetch(r);
	err = add_arrived(r);
	large_end(size);
	return err;
}

/* The next objects of a batch to be read, from *at on, that still wait: what another mount has read
 * meanwhile, and what is gone, is left out. */
static void next_waiting(struct batch_reader *r, const struct batch *batch, uint32_t *at)
{
	for (; *at < batch->n && r->n < FETCH_AT_ONCE; ++*at)
		if (catalog_object_now(r->f->catalog, batch->object[*at]->number).state == OBJECT_WAITING)
			r->reading[r->n++] = (struct reading){.object = batch->object[*at]};
}

struct segment *batch_read(struct batch_reader *r, const struct batch *batch, char name[32])
{
	struct segment *seg = NULL;
	uint32_t at = 0;
	int err;

	r->n = r->added = 0;
	r->day = batch->day;
	r->b = segment_build_new(r->day);
	err = r->b ? 0 : -ENOMEM;
	while (!err && !follow_stopping(r->f) && !__atomic_load_n(&r->f->full, __ATOMIC_RELAXED)) {
		if (!r->n)
			next_waiting(r, batch, &at);
		if (!r->n)
			break;
		err = read_some(r);
	}
	if (r->added && !follow_stopping(r->f) && err != -ENOMEM) { /* without memory b may hold half a log */
		int kept = follow_keep(r->f, r->b, &seg, name);

		err = kept ? kept : err;
	}
	if (err)
		log_error(
			"index: %s; what was being read is tried again at the next refresh", strerror(-err));
	segment_build_free(r->b);
	return seg;
}
