/*
 * Listings that were made, kept in the cache: a day that was listed completely long enough after its end is
 * not listed again, and without the network they are what there is.
 *
 * A listing is of a prefix: of the folder of one region, in which keys are in the order of days
 * (LISTING_DAYS), or of something else (LISTING_LEVEL: of the objects directly below a prefix, LISTING_FLAT:
 * of all).
 *
 * The rule. Of a region's folder P, days a..b are the keys k with bound(P, a) < k <= bound(P, b + 1), where
 * bound(P, d) is P and YYYY/MM/DD of d, and P itself for the first day of all. S3 lists in key order, so that
 * a listing that began after bound(P, a) has shown everything of days a..b: what is kept says so of whole
 * runs of days, empty ones too, and days of which nothing is kept are listed. A day is closed when it was
 * listed LISTINGS_CLOSE seconds after its end; what is delivered later than that is not seen before a full
 * listing (SIGHUP, or a new cache).
 *
 * Thread-safe. One lock, held across reading and writing the file: nobody waits for it but those who list.
 */
#ifndef FS_STORE_LISTINGS_H
#define FS_STORE_LISTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/source.h"
#include "fs/store/cache.h"

#define LISTINGS_CLOSE (36 * 3600)
#define LISTINGS_FIRST INT32_MIN /* before all days */
#define LISTINGS_LAST  INT32_MAX

enum listing_kind {
	LISTING_DAYS = 1,
	LISTING_FLAT,
	LISTING_LEVEL
};

struct listings;

/* cache: borrowed; NULL, or one that cannot be written to: keeps nothing. -ENOMEM. */
int listings_open(struct cache *cache, struct listings **ret);
void listings_free(struct listings *l);

/* From now on nothing that was made before `now` (seconds since 1970) is closed. */
void listings_expire(struct listings *l, int64_t now);
/* An object of a listing turned out to be gone, or another one: what is kept of its day is not closed. */
void listings_doubt(struct listings *l, const char *key);

/* Where day `day` of a prefix begins: its keys are greater than this. LISTINGS_FIRST: the prefix.
 * -ENAMETOOLONG.
 */
int listings_bound(const char *prefix, int32_t day, char *out, size_t cap);

/*
 * Shows the objects of the closed days from `first` on, up to `last`, as far as they are kept without a gap.
 * *ret_next: the first day that must be listed; past `last`: none (a listing without an end always leaves
 * one). 0, or what the sink returned.
 */
int listings_find(struct listings *l, const char *prefix, int32_t first, int32_t last,
	const struct source_sink *sink, int32_t *ret_next);

/* Shows all that is kept, however old: what the filter admits, of one key day (and without one) or
 * SOURCE_ALL_DAYS. -ENOENT: nothing is kept at all. -EBADMSG: part of what was kept cannot be read; or the
 * error with which reading ended, and then it is not known what is kept. */
int listings_all(
	struct listings *l, int32_t day, const struct source_filter *f, const struct source_sink *sink);

/* A listing that is being made. Thread-safe: what is found by several threads is given in several runs. */
struct listing;
struct listing_run;

/* started: when the first request is sent, seconds since 1970. first, last: the days that it will show all
 * of. NULL: no memory; the functions below take it. */
struct listing *listing_begin(struct listings *l, enum listing_kind kind, const char *prefix, int32_t first,
	int32_t last, int64_t started);
/* Objects in key order, from one thread. Lives as long as the listing. */
struct listing_run *listing_run(struct listing *g);
void listing_add(struct listing_run *run, const struct source_object *o);
/* complete: it has come to its end without an error: it is kept. Else it is dropped. */
void listing_end(struct listing *g, bool complete);

/* A look at all that there is, which began at `started`, has found these regions' folders, and listed what
 * else there is. What is kept of anything else has nothing in it any more. */
void listings_found(struct listings *l, const char *const *region, size_t n, int64_t started);

#endif
