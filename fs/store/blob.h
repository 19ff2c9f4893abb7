/*
 * The bytes of an object, inflated: held in memory up to 64 MiB, above that in a file without a name that is
 * mapped.
 *
 * Immutable once made, thread-safe, counted.
 */
#ifndef FS_STORE_BLOB_H
#define FS_STORE_BLOB_H

#include <stddef.h>
#include <stdint.h>

#include "fs/store/cache.h"
#include "render/gunzip.h"

#define BLOB_HELD_MAX     (64u << 20)
#define BLOB_INFLATED_MAX (2ull << 30) /* an object that inflates to more is damage */
#define BLOB_REASON_MAX   160

struct blob;

/* Holds at most so many bytes of one in memory, where that is less; while there is one thread. */
void blob_hold(size_t max);

/* Takes data (malloc'ed, len bytes) over, also on failure. */
struct blob *blob_new(char *data, size_t len);
/* The same; moved to a file where it is larger than what is held in memory, if there is room for that. */
struct blob *blob_keep(char *data, size_t len, struct cache *spill);

/* Inflates one gzip member. src stays yours. -EBADMSG: damaged, reason says how (too large included);
 * -ENOSPC, -EIO: no room to spill; -ENOMEM. */
int blob_gunzip(
	const void *src, size_t len, struct cache *spill, struct blob **ret, char reason[BLOB_REASON_MAX]);

/* The same; where it is held in memory, it is in the room, and must not outlive the next use of that. */
int blob_gunzip_into(struct gunzip_room *room, const void *src, size_t len, struct cache *spill,
	struct blob **ret, char reason[BLOB_REASON_MAX]);

struct blob *blob_ref(struct blob *b);
void blob_unref(struct blob *b);
const char *blob_data(const struct blob *b);
size_t blob_len(const struct blob *b);
size_t blob_held(const struct blob *b); /* bytes of memory: 0 for a mapped one */

#endif
