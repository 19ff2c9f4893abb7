/*
 * A source in front of another one: what was fetched once comes from the packs from then on, until it is
 * doubted. Offline it asks the other one nothing: the kept listings and packs are all there is.
 *
 * Thread-safe, as every source.
 */
#ifndef FS_SOURCE_CACHED_H
#define FS_SOURCE_CACHED_H

#include <stdbool.h>

#include "fs/source.h"
#include "fs/store/listings.h"
#include "fs/store/pack.h"

/* Takes inner over; packs and listings are borrowed. -ENOMEM (inner stays yours). Offline, what is not kept
 * gives -EHOSTUNREACH, and a listing of which nothing is kept -ENODATA. */
int source_cached_new(struct source *inner, struct packs *packs, struct listings *listings, bool offline,
	struct source **ret);

#endif
