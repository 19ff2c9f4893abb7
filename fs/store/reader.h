/*
 * Inflated objects, the last ones used held in memory (64 MiB), each fetched once however many ask for it.
 * Never blocks: what is not there is fetched by threads of its own, and whoever asked is told to wait.
 *
 * Thread-safe.
 */
#ifndef FS_STORE_READER_H
#define FS_STORE_READER_H

#include <stdbool.h>

#include "fs/source.h"
#include "fs/store/blob.h"

#define READER_HELD_MAX (64u << 20)
#define READER_MANY_MAX (32u << 20) /* besides, of what reader_load() brought */

struct reader;

/* ready(arg) is called, from a thread of the reader and with no lock held, whenever something that was waited
 * for has come or failed. */
int reader_new(
	struct source *source, struct cache *spill, void (*ready)(void *arg), void *arg, struct reader **ret);
/* Holds at most so many bytes of each kind, where that is less than the above; before it is started. */
void reader_hold(struct reader *r, size_t max);
/* Starts its threads: after the process has gone to the background. 0, or negative errno: there is none. */
int reader_start(struct reader *r);
/* Ends them (source_cancel() is called by it, and ready() once more). Calls after it return -ECANCELED. */
void reader_stop(struct reader *r);
void reader_free(struct reader *r);

/*
 * The bytes of an object as they are shown: inflated where `gunzip`, and decoded where `decoded`
 * (SEGMENT_DECODED). number: names the object in the cache of blobs (catalog's object number). o is copied.
 * 0: *ret (unref it). -EAGAIN: being fetched; ask again after ready(). A failure is told once to those who
 * ask within a second and then tried again: -EIO, -EACCES, -ENOENT, -ESTALE, -EBADMSG...
 */
int reader_get(struct reader *r, uint32_t number, const struct source_object *o, bool gunzip, bool decoded,
	struct blob **ret);

/*
 * Bytes of an object that is shown as it is (not inflated), which may be larger than memory: pieces of 1 MiB
 * are fetched and kept like blobs. *ret_blob is the piece that holds `offset`, *ret_start the offset of its
 * first byte. Errors and -EAGAIN as above; -EINVAL: offset is not below the object's size.
 */
int reader_get_piece(struct reader *r, uint32_t number, const struct source_object *o, uint64_t offset,
	struct blob **ret, uint64_t *ret_start);

/*
 * Many objects at once, for threads that may wait: asked of the source together, inflated by the caller's
 * thread, kept like the others. ret gets n blobs (unref them). The first error of any of them otherwise, and
 * no blob. Wants are different objects.
 */
struct reader_want {
	uint32_t number;
	const struct source_object *o;
	bool gunzip, decoded;
};
int reader_load(struct reader *r, const struct reader_want *want, size_t n, struct blob **ret);

struct reader_stats {
	uint64_t fetched, fetched_bytes, failed; /* objects and pieces, since the start */
	uint64_t held;                           /* bytes in memory now */
};
struct reader_stats reader_stats(struct reader *r);

#endif
