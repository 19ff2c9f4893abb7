/*
 * What pack.c (finding) and pack_put.c (keeping and dropping) share: the list of packs, in the order of their
 * names, which is the order of days. At most one pack of a day is being written to by us, most of the time:
 * two threads that begin one at the same moment get two.
 */
#ifndef FS_STORE_PACK_PRIVATE_H
#define FS_STORE_PACK_PRIVATE_H

#include <pthread.h>

#include "fs/store/pack.h"
#include "fs/store/pack_file.h"

#define PACKS_OF_DAY_MAX 256 /* packs of one day that are looked into */
#define PACKS_TOUCH      60  /* seconds between two notes of use */

/* Whether that can have been: threads take the time at different moments, but what is later than that is of a
 * clock that was set back since. And whether it was less than so many seconds ago. */
static inline bool packs_been(int64_t at, int64_t now)
{
	return at <= now + PACKS_TOUCH;
}

static inline bool packs_lately(int64_t at, int64_t now, int64_t seconds)
{
	return packs_been(at, now) && at > now - seconds;
}

struct pack {
	char name[PACK_NAME_MAX];
	int32_t day;
	uint64_t size;
	int64_t used; /* as the file's mtime */
	struct pack_file *file;
	uint64_t turn;     /* when it was last read, for closing */
	int64_t failed_at; /* it could not be opened */
	int64_t busy_at;   /* it could not be dropped: somebody writes to it */
	bool writing;      /* by us */
	bool live;         /* somebody else wrote to it when it was opened: there may be more in it */
	uint64_t seen;     /* by which look into the folder */
};

struct packs {
	struct cache *cache;
	int dir; /* -1: holds nothing */
	uint64_t max;

	pthread_mutex_t mutex; /* of all below; a leaf */
	struct pack **pack;    /* by name */
	size_t n, cap;
	uint64_t bytes, turn, looks;
	uint64_t changes;                          /* of the cache's folder by others, as of the last look */
	int64_t looked_at, gave_up_at, emptied_at; /* 0: never */
	bool said_full, said_refused;
	struct packs_stats stats;
};

/* With the mutex held, all of them. */
struct pack *packs_called(const struct packs *p, const char *name);
/* The place of the day's first pack; *ret_end: past its last. */
size_t packs_range(const struct packs *p, int32_t day, size_t *ret_end);
struct pack *packs_add(struct packs *p, const char *name, int32_t day); /* NULL: no memory */
void packs_forget(struct packs *p, const char *name);
void packs_set_size(struct packs *p, struct pack *k, uint64_t size);

#endif
