/*
 * The folder in which a source's segments are kept: CACHE_DIR/<16 hex of the hash of source id>/, 0700, its
 * files 0600. Files appear whole (written aside, fsynced, renamed) and are never changed. Several mounts may
 * share it: each claims the key days that it works on.
 *
 *   id                 the source's id, for people and against hash collisions
 *   lock               byte ranges of it are the claims (OFD locks: they end with the process)
 *   <16 hex>.seg       a segment; the name is random
 *   tmp-*              being written, or left over by a crash (removed at open when older than a day, or when
 * no other process has the cache open)
 *
 * Thread-safe.
 */
#ifndef FS_STORE_CACHE_H
#define FS_STORE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache;

/* Makes the folders where they are not there. -EACCES, -ENOSPC, -EROFS ...: the caller goes on without a
 * cache (cache == NULL in the functions below is a cache that holds nothing and to which nothing can be
 * written: -EROFS). A folder that others can write to is refused: -EPERM. */
int cache_open(const char *cache_dir, const char *source_id, struct cache **ret);
void cache_free(struct cache *c);

/* Names of the segments there now. visit() gets file name and path; a negative return ends. */
int cache_list(struct cache *c, int (*visit)(void *arg, const char *name, const char *path), void *arg);

/* Writes a segment; ret_name (room for 32 bytes) is its file name. Durable on return. -ENOSPC, -EROFS,
 * -EIO...: nothing is left behind. */
int cache_write(struct cache *c, const void *data, size_t len, char ret_name[32]);
void cache_remove(struct cache *c, const char *name);

/* The path of a file, borrowed until the next call by this thread (thread-local). */
const char *cache_path(struct cache *c, const char *name);

/* Claims a key day for writing: 0; -EBUSY when another process has it (try others first, ask again later). A
 * NULL cache: 0. Claims of one process do not exclude each other. */
int cache_claim(struct cache *c, int32_t key_day);
void cache_unclaim(struct cache *c, int32_t key_day);

/* Whether another process has the cache open now. */
bool cache_shared(struct cache *c);

/* Another mount was found to have written to the folder; and how often that was. Whoever remembers what is in
 * it looks again then. NULL: never. */
void cache_changed(struct cache *c);
uint64_t cache_changes(struct cache *c);

/* A file without a name in the cache's folder (or in /tmp where there is none), for what is too large to
 * hold. A file descriptor, or negative errno. */
int cache_spill(struct cache *c);

/* Bytes of all files in the folder. */
uint64_t cache_bytes(struct cache *c);

#endif
