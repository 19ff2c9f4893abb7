/*
 * The bytes of objects as they came, kept in packs in the cache's folder (pack_file.h), so that each object
 * is fetched once. Bounded: when there is too much, the packs of whole key days go, the least recently used
 * first. The index (segments, listings) counts, but is not dropped: without it nothing can be shown.
 *
 * Several mounts may share the folder: each writes packs of its own and reads those of all.
 *
 * Thread-safe. No lock is held while the disk is waited for. now: seconds since 1970.
 */
#ifndef FS_STORE_PACK_H
#define FS_STORE_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/source.h"
#include "fs/store/cache.h"

struct packs;

/* Finds the packs there are; costs nothing for each object. cache: borrowed; NULL: holds nothing. max_bytes
 * of all files in the folder; 0: keeps nothing. -ENOMEM. */
int packs_open(struct cache *cache, uint64_t max_bytes, struct packs **ret);
void packs_free(struct packs *p); /* seals those that are being written */

/* Looks again at what there is: what other mounts have written or dropped; and seals what was not written to
 * for an hour. */
int packs_refresh(struct packs *p, int64_t now);

/* Keeps an object's bytes, o->size of them, which have been found to be right. Where they cannot be kept they
 * are not: no room, no rights (said in the log, once). Findable at once. */
void packs_put(struct packs *p, const struct source_object *o, const void *data, int64_t now);

/* An object's bytes, verified: *ret is new, of o->size bytes, one past the end is '\0'. -ENOENT: not here.
 * -ENOMEM. Counts as a use of its day. */
int packs_get(struct packs *p, const struct source_object *o, int64_t now, char **ret);

/* Forgets an object's bytes, which turned out to be wrong, for all mounts. */
void packs_drop(struct packs *p, const struct source_object *o, int64_t now);

/* Drops days until there is room for `need` more bytes. What is put of day `for_day` does not drive out newer
 * days that were used in the last hour: while a first index is made, newest day first, the newest stay. 0;
 * -ENOSPC: there is nothing more that may go. */
int packs_evict(struct packs *p, uint64_t need, int32_t for_day, int64_t now);

struct packs_stats {
	uint64_t bytes, limit; /* of all files in the folder, as last seen; what they may be */
	uint64_t packs, found, missed, put, refused, dropped; /* refused: not kept. dropped: packs */
};
struct packs_stats packs_stats(struct packs *p);

#endif
