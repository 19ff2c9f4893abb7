/*
 * The lister thread lists, sweeps and sleeps; reader threads take batches, read them, write a segment each,
 * and merge when nothing is left to read.
 *
 * Several mounts may follow one source with one cache. Whoever writes or removes files of a key day claims
 * it, and looks which files there are before: so what another mount has read is not read again, and of an
 * object that two mounts have in two files one file stays.
 *
 * Locks: follow.lock guards the sleeping alone and is a leaf. adopt_lock and merge_lock are held while files
 * are read and written, each by one thread for one purpose; adopt_lock may be taken within merge_lock.
 * Everything else that is shared is the catalogue's and the cache's.
 */
#include "fs/store/follow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/clock.h"
#include "fs/log.h"
#include "fs/store/follow_private.h"

#define BATCH_OBJECTS 4096
#define BATCH_BYTES   (16u << 20) /* stored bytes: some 100 MiB inflated, one object at a time */
#define HOLD_NS       200000000ll /* before a day that another mount works on is tried again */
#define LOOK_NS       CLOCK_SECOND /* at most so often which files there are, when nobody else uses the cache */
#define MAKING_MAX    ((uint64_t)2 << 30) /* bytes of memory */
#define STALE_MAX     8                   /* merges in a row that come too late before it is left for later */
#define FIRST_RETRY                                                                                          \
	2 /* seconds before a first listing that failed is tried again, or one that was out of date          \
	   before it was over; doubles up to refresh */

/* ---- segments in and out of the cache ---- */

static int adopt_file(void *arg, const char *name, const char *path)
{
	struct follow *f = arg;
	struct segment *seg;
	const char *reason = "";
	int err;

	if (catalog_has_segment(f->catalog, name))
		return 0;
	err = segment_open(path, &seg, &reason);
	if (err == -EBADMSG) {
		log_warning("cache: %s: %s; it is removed and its objects are read again", path, reason);
		cache_remove(f->cache, name);
	}
	if (err)
		return err == -ENOMEM ? err : 0;
	cache_changed(f->cache); /* before anybody can ask for an object that is in it */
	return catalog_adopt(f->catalog, seg, name);
}

/* What another mount has written or removed meanwhile. */
static int adopt(struct follow *f)
{
	int err;

	if (!f->cache)
		return 0;
	pthread_mutex_lock(&f->adopt_lock);
	__atomic_store_n(&f->adopted_at, clock_now(), __ATOMIC_RELAXED);
	catalog_files_begin(f->catalog);
	err = cache_list(f->cache, adopt_file, f);
	if (!err)
		catalog_files_end(f->catalog);
	pthread_mutex_unlock(&f->adopt_lock);
	return err;
}

/* What another mount may have written of a day that is claimed now. Who is alone and has just looked need not
 * do so for each of a thousand days. */
static void adopt_if_shared(struct follow *f)
{
	int64_t since = clock_now() - __atomic_load_n(&f->adopted_at, __ATOMIC_RELAXED);

	if (since > LOOK_NS || cache_shared(f->cache))
		adopt(f);
}

static _Atomic uint64_t in_memory; /* bytes of segments that are nowhere else */

static void release_memory(void *data, size_t len)
{
	in_memory -= len;
	free(data);
}

/* What a cache that cannot be written to means, once. */
static void say_cache_refuses(struct follow *f, int err)
{
	if (__atomic_exchange_n(&f->cache_refuses, true, __ATOMIC_RELAXED))
		return;
	log_warning("cache: cannot write (%s); the index is kept in memory and read again at the next mount. "
		    "Free some "
		    "space, or choose another place with --cache-dir",
		strerror(-err));
}

/* Writes the segment to the cache and maps it from there; where that fails it stays in memory. Takes the
 * build's bytes. */
int follow_keep(struct follow *f, struct segment_build *b, struct segment **ret, char name[32])
{
	void *data;
	size_t len;
	const char *reason = "";
	int err = segment_build_finish(b, &data, &len);

	if (err)
		return err;
	name[0] = '\0';
	err = cache_write(f->cache, data, len, name);
	if (!err) {
		err = segment_open(cache_path(f->cache, name), ret, &reason);
		if (!err) {
			free(data);
			return 0;
		}
		log_warning("cache: %s cannot be read back (%s %s)", name, strerror(-err), reason);
		cache_remove(f->cache, name);
		name[0] = '\0';
	} else if (f->cache) {
		say_cache_refuses(f, err);
	}
	in_memory += len;
	err = in_memory > f->options.memory ? -ENOSPC
					    : segment_open_memory(data, len, release_memory, ret, &reason);
	if (err == -ENOSPC && !__atomic_exchange_n(&f->full, true, __ATOMIC_RELAXED))
		log_error("index: what no disk takes of it is more than a quarter of the memory; the rest "
			  "fails. "
			  "Make room for the cache, or choose another place with --cache-dir");
	if (err)
		release_memory(data, len);
	return err;
}

/* ---- reading ---- */

static void work(struct worker *w, const struct batch *batch)
{
	struct follow *f = w->f;
	char name[32] = "";
	struct segment *seg;

	if (cache_claim(f->cache, batch->day) == -EBUSY) {
		catalog_return(f->catalog, batch, clock_now() + HOLD_NS);
		adopt(f);
		return;
	}
	adopt_if_shared(f);
	seg = batch_read(w->reader, batch, name);
	if (catalog_publish(f->catalog, batch, seg, name))
		log_error("index: no memory; what was being read is tried again at the next refresh");
	cache_unclaim(f->cache, batch->day);
}

/* ---- merging ---- */

static void remove_file(void *arg, const char *name)
{
	struct follow *f = arg;

	cache_remove(f->cache, name);
}

static int copy_parts(struct segment_build *b, struct part *const *part, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n; i++)
		for (uint32_t o = 0; o < segment_objects(part[i]->seg) && !err; o++)
			if (part[i]->object[o] != CATALOG_NO_OBJECT)
				err = segment_build_copy(b, part[i]->seg, o);
	return err;
}

static bool has_file(struct part *const *part, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (part[i]->name[0])
			return true;
	return false;
}

/* Merges one set of segments. 0, -EBUSY where another mount works on the day, or what failed. */
static int merge(struct follow *f, struct part *const *part, size_t n)
{
	int32_t day = segment_key_day(part[0]->seg);
	struct segment_build *b;
	struct segment *seg;
	char name[32] = "";
	int err = cache_claim(f->cache, day);

	if (err)
		return err;
	adopt(f);
	b = segment_build_new(day);
	err = b ? copy_parts(b, part, n) : -ENOMEM;
	if (!err)
		err = follow_keep(f, b, &seg, name);
	segment_build_free(b);
	/* What is on the disk stays there rather than become one in memory alone. */
	if (!err && !name[0] && has_file(part, n)) {
		segment_unref(seg);
		err = -ENOSPC;
	} else if (!err) {
		err = catalog_replace(f->catalog, part, n, seg, name, remove_file, f);
	}
	cache_unclaim(f->cache, day);
	return err;
}

static void remove_damaged(void *arg, const char *name)
{
	log_warning("cache: %s is damaged; it is removed and its objects are read again",
		*name ? name : "a part of the index in memory");
	if (*name)
		remove_file(arg, name);
}

static void say_merged(size_t n, int err)
{
	if (err)
		log_debug("%zu segments could not be merged: %s", n, strerror(-err));
	else
		log_debug("merged %zu segments", n);
}

/* Merges what is worth it. */
static void merge_all(struct follow *f)
{
	struct part **part;
	unsigned stale = 0;
	size_t n;

	while (!follow_stopping(f) && stale < STALE_MAX &&
		!__atomic_load_n(&f->merge_paused, __ATOMIC_RELAXED) &&
		(n = catalog_mergeable(f->catalog, f->making, &part)) > 0) {
		int err = merge(f, part, n);

		stale = err == -ESTALE || err == -EBADMSG ? stale + 1 : 0;
		if (err == -EBADMSG)
			catalog_distrust(f->catalog, remove_damaged, f);
		else if (err && err != -ESTALE)
			__atomic_store_n(&f->merge_paused, true, __ATOMIC_RELAXED);
		say_merged(n, err);
		for (size_t i = 0; i < n; i++)
			part_unref(part[i]);
		free(part);
	}
}

/* Merges, or leaves it to the thread that is at it, which then looks once more. */
static void merge_some(struct follow *f)
{
	__atomic_store_n(&f->merge_wanted, true, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&f->merge_wanted, __ATOMIC_SEQ_CST) &&
		!pthread_mutex_trylock(&f->merge_lock)) {
		__atomic_store_n(&f->merge_wanted, false, __ATOMIC_SEQ_CST);
		merge_all(f);
		pthread_mutex_unlock(&f->merge_lock);
	}
}

static void *reader_thread(void *arg)
{
	struct worker *w = arg;
	struct batch batch;

	while (catalog_take(w->f->catalog, BATCH_OBJECTS, BATCH_BYTES, &batch)) {
		work(w, &batch);
		free(batch.object);
		merge_some(w->f);
	}
	return NULL;
}

/* What it needs is there before it starts: a thread that ended for want of memory would be missed for good.
 */
static int worker_start(struct worker *w, struct follow *f)
{
	int err = -ENOMEM;

	*w = (struct worker){.f = f, .reader = batch_reader_new(f)};
	if (w->reader)
		err = -pthread_create(&w->thread, NULL, reader_thread, w);
	if (err)
		batch_reader_free(w->reader);
	return err;
}

/* ---- listing ---- */

static int list_object(void *arg, const struct source_object *o)
{
	struct follow *f = arg;

	return follow_stopping(f) ? -ECANCELED : catalog_list_object(f->catalog, o);
}

static int list_problem(void *arg, const char *key, int error, const char *reason)
{
	struct follow *f = arg;

	log_warning("%s: %s", key[0] ? key : "/", reason);
	return catalog_list_problem(f->catalog, key, error, reason);
}

/* Removes what nobody needs, a key day at a time. Not while a merge has written a file that is not yet used.
 */
static void sweep(struct follow *f)
{
	pthread_mutex_lock(&f->merge_lock);
	for (int32_t day = INT32_MIN; !follow_stopping(f) && catalog_sweepable(f->catalog, &day); day++) {
		if (!cache_claim(f->cache, day)) {
			adopt(f);
			catalog_sweep(f->catalog, day, remove_file, f);
			cache_unclaim(f->cache, day);
		}
		if (day == INT32_MAX)
			break;
	}
	pthread_mutex_unlock(&f->merge_lock);
}

/* Before there is anything, whoever waits for it says it too, and louder. */
static void say_unlisted(struct follow *f, int err)
{
	char why[SOURCE_MESSAGE_MAX];

	source_explain(f->source, why);
	catalog_unlisted(f->catalog, why[0] ? why : strerror(-err));
	if (catalog_listed(f->catalog))
		log_error("cannot list the source: %s; what is known stays, and it is tried again",
			why[0] ? why : strerror(-err));
	else
		log_warning("cannot list the source: %s; it is tried again", why[0] ? why : strerror(-err));
}

/* The first of them was said at once. */
static void say_refused(struct follow *f)
{
	size_t n = __atomic_exchange_n(&f->refused, 0, __ATOMIC_RELAXED);

	if (n > 1)
		log_warning("index: so were %zu more objects refused; they are asked for again", n - 1);
}

/* Logs that are deleted may be somebody's tracks. */
static void say_gone(struct follow *f)
{
	const char *first;
	uint32_t n = catalog_gone(f->catalog, &first);

	if (n)
		log_warning(
			"gone from the source: %u objects that were there before, the first %s", n, first);
}

/* asked: somebody wants to see everything as it is now. */
static int list(struct follow *f, bool asked)
{
	const struct source_sink sink = {list_object, list_problem, f};
	uint32_t waiting;
	int err;

	say_refused(f);
	__atomic_store_n(&f->full, false, __ATOMIC_RELAXED);
	adopt(f);
	catalog_list_begin(f->catalog, SOURCE_ALL_DAYS, asked ? INT64_MAX : clock_now());
	err = source_list(f->source, SOURCE_ALL_DAYS, f->options.filter, &sink);
	catalog_list_end(f->catalog, err, &waiting);
	if (err && err != -ECANCELED)
		say_unlisted(f, err);
	if (!err) {
		log_info("listed: %u objects to read", waiting);
		say_gone(f);
		__atomic_store_n(&f->merge_paused, false, __ATOMIC_RELAXED);
		sweep(f);
		merge_some(f);
	}
	return err;
}

void follow_changed(struct follow *f)
{
	pthread_mutex_lock(&f->lock);
	f->changed = true;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
}

/* Sleeps until it is time, or somebody asks, which it returns. 0 seconds: until somebody asks. *soon: seconds
 * until it is time where what was listed is found to have changed. */
static bool sleep_until_next(struct follow *f, unsigned seconds, unsigned *soon)
{
	int64_t began = clock_now(), until = seconds ? began + seconds * CLOCK_SECOND : INT64_MAX;
	bool asked;

	pthread_mutex_lock(&f->lock);
	do {
		if (f->changed && seconds > *soon)
			until = began + *soon * CLOCK_SECOND;
	} while (!f->asked && !follow_stopping(f) && clock_wait(&f->wake, &f->lock, until) != -ETIMEDOUT);
	*soon = !f->changed ? FIRST_RETRY : *soon < seconds ? *soon * 2 : *soon;
	f->changed = false;
	asked = f->asked;
	f->asked = false;
	pthread_mutex_unlock(&f->lock);
	return asked;
}

static void *lister_thread(void *arg)
{
	struct follow *f = arg;
	unsigned retry = FIRST_RETRY, soon = FIRST_RETRY;
	bool listed = false, asked = false;

	while (!follow_stopping(f)) {
		unsigned pause = f->options.offline ? 0 : f->options.refresh;

		if (!list(f, asked))
			listed = true;
		if (!listed) {
			pause = pause && pause < retry ? pause : retry;
			retry = retry < 300 ? retry * 2 : retry;
		}
		asked = sleep_until_next(f, pause, &soon);
	}
	return NULL;
}

/* ---- life ---- */

int follow_new(struct source *source, struct cache *cache, struct catalog *catalog,
	const struct follow_options *options, struct follow **ret)
{
	struct follow *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	f->source = source;
	f->cache = cache;
	f->catalog = catalog;
	f->options = *options;
	if (!f->options.memory)
		f->options.memory = UINT64_MAX;
	f->making = f->options.memory < MAKING_MAX ? f->options.memory : MAKING_MAX;
	pthread_mutex_init(&f->lock, NULL);
	pthread_mutex_init(&f->adopt_lock, NULL);
	pthread_mutex_init(&f->merge_lock, NULL);
	clock_cond_init(&f->wake);
	err = adopt(f);
	if (err == -ENOMEM) {
		follow_free(f);
		return err;
	}
	if (err)
		log_warning("cache: cannot be looked into (%s); what is in it is read again", strerror(-err));
	*ret = f;
	return 0;
}

static unsigned readers_wanted(const struct follow *f)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = f->options.readers ? f->options.readers : cpus > 0 ? (unsigned)cpus : 2;

	return n > FOLLOW_READERS_MAX ? FOLLOW_READERS_MAX : n;
}

int follow_start(struct follow *f)
{
	unsigned n = readers_wanted(f);
	int err = -pthread_create(&f->lister, NULL, lister_thread, f);

	f->lister_runs = !err;
	while (!err && f->n_readers < n) {
		err = worker_start(&f->reader[f->n_readers], f);
		f->n_readers += !err;
	}
	return f->n_readers ? 0 : err;
}

void follow_refresh(struct follow *f)
{
	pthread_mutex_lock(&f->lock);
	f->asked = true;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
}

void follow_stop(struct follow *f)
{
	pthread_mutex_lock(&f->lock);
	__atomic_store_n(&f->stopping, true, __ATOMIC_RELAXED);
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
	source_cancel(f->source);
	catalog_stop(f->catalog);
	if (f->lister_runs)
		pthread_join(f->lister, NULL);
	f->lister_runs = false;
	while (f->n_readers) {
		struct worker *w = &f->reader[--f->n_readers];

		pthread_join(w->thread, NULL);
		batch_reader_free(w->reader);
	}
}

void follow_free(struct follow *f)
{
	if (!f)
		return;
	pthread_cond_destroy(&f->wake);
	pthread_mutex_destroy(&f->merge_lock);
	pthread_mutex_destroy(&f->adopt_lock);
	pthread_mutex_destroy(&f->lock);
	free(f);
}
