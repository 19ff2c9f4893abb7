/*
 * A load: objects on their way from the source into the form that is wanted, asked for together and waited
 * for one by one. What comes damaged is fetched again, where the source may have another copy; large ones
 * come one at a time (fs/store/large.h).
 *
 * A load belongs to one thread; the source may answer from any. source_cancel() ends the waits. The blobs
 * that are taken do not depend on the load.
 */
#ifndef FS_STORE_LOAD_H
#define FS_STORE_LOAD_H

#include "fs/source.h"
#include "fs/store/blob.h"

/*
 * What is wanted of an object, a number: all of it, as it is stored or inflated, the text in it decoded
 * besides (SEGMENT_DECODED); or the piece of its stored bytes from number * LOAD_PIECE on. Other forms, other
 * numbers.
 */
#define LOAD_PIECE    ((uint64_t)1 << 20) /* bytes; the last one may be shorter */
#define LOAD_WHOLE    ((uint64_t)1 << 63)
#define LOAD_INFLATED (LOAD_WHOLE | 1)
#define LOAD_DECODED  2u /* added to one of both */

struct load;

/* With n places for objects, all empty. source, spill: borrowed. 0 or -ENOMEM. */
int load_new(struct source *source, struct cache *spill, size_t n, struct load **ret);
/* NULL is fine. All that was asked for must have been taken. */
void load_free(struct load *l);

/* Puts an object into place i, before load_ask(). o and its key are borrowed until load_take(). */
void load_put(struct load *l, size_t i, const struct source_object *o, uint64_t form);

/* Asks the source for the objects together, and does not wait. Pieces and large ones are asked for when they
 * are taken. Once. */
void load_ask(struct load *l);

/*
 * Waits for the object in place i, and takes it. *ret: unref it. *ret_fetched: bytes that came of the source
 * for it. Errors: source_done's; -EBADMSG: damaged; -EFBIG: larger than the memory there is for one; -ENOSPC,
 * -EIO: no room to spill; -ENOMEM. They are logged, but for -ECANCELED.
 */
int load_take(struct load *l, size_t i, struct blob **ret, uint64_t *ret_fetched);

/* The same of one object, in one call. */
int load_one(struct source *source, struct cache *spill, const struct source_object *o, uint64_t form,
	struct blob **ret, uint64_t *ret_fetched);

#endif
