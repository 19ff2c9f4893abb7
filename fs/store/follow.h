/*
 * Keeps the catalogue in step with the source: lists it, reads what is new, writes segments, merges them, and
 * does so again every `refresh` seconds.
 *
 * One lister thread and a few readers, started after the process has gone to the background.
 */
#ifndef FS_STORE_FOLLOW_H
#define FS_STORE_FOLLOW_H

#include "fs/source.h"
#include "fs/store/cache.h"
#include "fs/store/catalog.h"

struct follow;

struct follow_options {
	const struct source_filter *filter;
	unsigned refresh; /* seconds; 0: never again */
	bool offline;     /* never list again, never fetch: what the cache holds is all there is */
	bool layout_only;
	unsigned readers; /* threads; 0: as many as processors, at most 8 */
	uint64_t memory;  /* bytes that may be taken to make segments, and by those that no disk takes; 0: any
			   */
};

/* Opens the cache's segments (damaged ones are removed with a word in the log); those that it cannot see are
 * read again. cache may be NULL. -ENOMEM. */
int follow_new(struct source *source, struct cache *cache, struct catalog *catalog,
	const struct follow_options *options, struct follow **ret);
int follow_start(struct follow *f);
void follow_refresh(struct follow *f); /* list again now, and try again what was denied */
void follow_stop(struct follow
		*f); /* ends and joins the threads; source_cancel() and catalog_stop() are called by it */
void follow_free(struct follow *f);

#endif
