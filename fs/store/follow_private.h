/*
 * What follow.c (the threads: listing, merging) and follow_read.c (a batch becomes a segment) share.
 *
 * Locks: see follow.c.
 */
#ifndef FS_STORE_FOLLOW_PRIVATE_H
#define FS_STORE_FOLLOW_PRIVATE_H

#include <pthread.h>

#include "fs/store/follow.h"
#include "fs/store/segment_build.h"

#define FOLLOW_READERS_MAX 8

/* Reads one batch at a time, and has what it needs for that all the time. */
struct batch_reader;

/* A reader thread. */
struct worker {
	struct follow *f;
	struct batch_reader *reader;
	pthread_t thread;
};

struct follow {
	struct source *source;
	struct cache *cache;
	struct catalog *catalog;
	struct follow_options options;
	uint64_t making; /* bytes that may be taken to make segments */

	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping, asked, changed; /* changed: an object was not as it was listed */

	size_t refused; /* objects since the last listing */
	bool full;      /* neither disk nor memory had room; since the last listing */

	pthread_mutex_t adopt_lock; /* one looks at the files at a time */
	pthread_mutex_t merge_lock; /* one merges or sweeps at a time */
	int64_t adopted_at;         /* monotonic ns */
	bool merge_wanted;          /* since who merges has last looked */
	bool merge_paused;          /* the disk refused: not again before the next listing */
	bool cache_refuses;         /* said once in the log */

	pthread_t lister;
	struct worker reader[FOLLOW_READERS_MAX];
	unsigned n_readers;
	bool lister_runs;
};

static inline bool follow_stopping(struct follow *f)
{
	return __atomic_load_n(&f->stopping, __ATOMIC_RELAXED);
}

/* Writes a segment to the cache and maps it from there; where that fails it stays in memory, and name is "".
 * The build is spent: only segment_build_free() may follow. 0, -ENOMEM, -EFBIG; -ENOSPC: there is no room in
 * memory either. */
int follow_keep(struct follow *f, struct segment_build *b, struct segment **ret, char name[32]);

/* An object is another one than was listed, or was refused as all others are: its days fail until it is
 * listed anew, which will be soon (not with refresh 0). */
void follow_changed(struct follow *f);

/* NULL: no memory. Where it is to be used does not matter, by one thread at a time. */
struct batch_reader *batch_reader_new(struct follow *f);
void batch_reader_free(struct batch_reader *r);

/* Reads a batch, whose day is claimed, into a segment, or into several where one would take too much memory:
 * the last is returned, the others are the catalogue's by then. What fails is told to the catalogue and the
 * log. NULL: nothing came of it, or nothing more. */
struct segment *batch_read(struct batch_reader *r, const struct batch *batch, char name[32]);

#endif
