/*
 * What is known of a source: its objects, the segments that describe them, what still waits to be read, and
 * what could not be.
 *
 *   listing ──▶ objects: WAITING ──batch──▶ READY (in a part of the snapshot)
 *                          ▲  └──────────▶ FAILED (transient; waits again after the next listing)
 *                          └── a changed object gets a new number; the old number is GONE
 *
 * Object numbers are given in the order of discovery and never used again, so that node ids made of them stay
 * true for the life of the mount. Queries run on a snapshot: immutable, counted, replaced as a whole when
 * something was published.
 *
 * Thread-safe. One lock, a leaf: never held across disk, network or callbacks; but for catalog_distrust(),
 * which has one of its own.
 */
#ifndef FS_STORE_CATALOG_H
#define FS_STORE_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/source.h"
#include "fs/store/segment.h"

#define CATALOG_NO_OBJECT UINT32_MAX

struct catalog;

/* An object: immutable, lives as long as the catalog. */
struct object {
	uint32_t number;
	int32_t day; /* key day, or KEY_NO_DAY */
	enum key_kind kind;
	bool gunzip;             /* shown inflated, as .json */
	bool wanted;             /* must be fetched to be known */
	struct source_object at; /* at.key is terminated and lives with the object */
};

enum object_state {
	OBJECT_WAITING,
	OBJECT_READY,
	OBJECT_FAILED,
	OBJECT_GONE
};

/* What changes about an object. */
struct object_now {
	enum object_state state;
	uint64_t inflated; /* bytes as shown; only in OBJECT_READY */
	bool damaged;      /* READY, but its contents cannot be served */
	int error;         /* what reading it gives when damaged or FAILED: -EIO, -EACCES, ... */
};

/* A segment and which of its objects are the present ones. Immutable, counted. */
struct part {
	unsigned refs;
	struct segment *seg;
	uint32_t live;     /* objects that are present */
	char name[32];     /* of the file in the cache, "" where it is only in memory */
	uint32_t object[]; /* of each object in the segment: its number, or CATALOG_NO_OBJECT */
};

/* Whether a row's object is present. */
static inline bool part_row_live(const struct part *p, uint32_t row)
{
	return p->object[segment_row_object(p->seg, row)] != CATALOG_NO_OBJECT;
}
struct part *part_ref(struct part *p);
void part_unref(struct part *p);

/* The objects there are, sorted by key; replaced only by listings. Immutable, counted. */
struct keys {
	unsigned refs;
	uint32_t n;
	const struct object *object[];
};

struct snapshot {
	unsigned refs;
	uint64_t generation; /* another one: another content */
	struct keys *keys;   /* never NULL */
	size_t n;
	struct part *part[]; /* those with at least one live object */
};
struct snapshot *catalog_snapshot(struct catalog *c); /* ref'd: snapshot_unref() it */
/* The same, of a moment at which a refresh has ended: nothing waits and no listing is under way. The first
 * call gives the first such moment, however late it comes. 0; -EAGAIN: it is no such moment; -ENOMEM. */
int catalog_settled(struct catalog *c, struct snapshot **ret);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s);

/* filter is borrowed. layout_only: see ingest_wants(). changed(arg) is called, with no lock held, after
 * anything a waiting call may wait for has changed. */
int catalog_new(const struct source_filter *filter, bool layout_only, void (*changed)(void *arg), void *arg,
	struct catalog **ret);
void catalog_free(struct catalog *c);

const struct object *catalog_object(struct catalog *c, uint32_t number); /* NULL: no such number */
struct object_now catalog_object_now(struct catalog *c, uint32_t number);
/* Where an object's rows are now: a ref'd part and the object's place in its segment. -EAGAIN: waiting;
 * -ESTALE: gone; object_now.error; -ENOENT: it has no rows. */
int catalog_locate(struct catalog *c, uint32_t number, struct part **ret, uint32_t *ret_place);

/* ---- waiting ---- */

/* Whether events of days first..last (event days, both included; SEGMENT_UNDATED or INT32_MAX at the ends for
 * all) may still be missing: the first listing is not done, or objects of key days first..last + 1, or
 * without a key day, wait. What it waits for goes to the front. */
bool catalog_pending(struct catalog *c, int32_t first, int32_t last);
/* Why events of the days can not be complete although nothing waits: the error of an object that could not be
 * read this time and may hold some, or -EIO where a part that may hold some could not be listed and may be
 * the next time. 0: nothing of the kind. What is denied is named as a problem and the rest is served; what
 * went away has no events. */
int catalog_unread(struct catalog *c, int32_t first, int32_t last);
/* The snapshot together with what can be said of it: *ret_wait is 0 where it has all events of the days,
 * -EAGAIN (catalog_pending()), or why it can not have them (catalog_list_error(), catalog_unread()). Asked
 * one after the other these might not be of the same moment: objects come, and those of a damaged segment go
 * back. NULL: no memory. */
struct snapshot *catalog_snapshot_of(struct catalog *c, int32_t first, int32_t last, int *ret_wait);
/* The same as catalog_pending() for one object, and for the first listing alone. */
bool catalog_object_pending(struct catalog *c, uint32_t number);
bool catalog_listed(struct catalog *c);
/* Why nothing can be known: 0, or the error of a first listing that failed (until one succeeds). */
int catalog_list_error(struct catalog *c);
/* When anything last got further (clock_now()). */
int64_t catalog_progress_at(struct catalog *c);

/* ---- problems, counts, news ---- */

/* Calls visit for each problem in key order, with no lock held. Non-zero ends it. */
int catalog_problems(
	struct catalog *c, int (*visit)(void *arg, const char *key, const char *reason), void *arg);

struct catalog_counts {
	uint64_t objects, waiting, ready, failed, damaged; /* objects = all present */
	uint64_t bytes_total, bytes_done;                  /* stored bytes of the wanted ones */
	uint64_t rows, live_rows_max;                      /* rows in the parts (duplicates included) */
	uint64_t pretty;                                   /* sum of their pretty bytes */
	uint64_t problems, parts, segment_bytes, listings, read_objects; /* read_objects: since the start */
	uint64_t failed_listings;
	int64_t listed_at; /* seconds since 1970 when the last listing that ended well had begun; 0: none */
	bool listed, complete; /* complete: nothing waits */
};
struct catalog_counts catalog_counts(struct catalog *c);

/* An object that went away or was replaced: names and contents that the kernel may hold are stale. Or one
 * that came when days had been shown without it: its events may have taken the names of others. */
struct news {
	struct news *next;
	const struct object *object;
	bool arrived;
	struct part *part; /* ref'd; NULL where it had no rows, and of one that came */
	uint32_t place;
};
struct news *catalog_take_news(struct catalog *c); /* yours: news_free() */
void news_free(struct news *n);

/* ---- for fs/store/follow alone ---- */

/* A segment of the cache; takes seg over. Its objects become known when a listing shows them. 0 or -ENOMEM.
 */
int catalog_adopt(struct catalog *c, struct segment *seg, const char *name);

/* A look at which files the cache has, one at a time: begin, has_segment() for each that is there, end. A
 * segment whose file was not there (another mount has merged it) is only in memory from then on, and its
 * objects move to segments that have a file where there are such. */
void catalog_files_begin(struct catalog *c);
bool catalog_has_segment(struct catalog *c, const char *name);
void catalog_files_end(struct catalog *c);

/* Drops segments in which damage was found (segment_is_bad()); the names of their files ("": only in memory)
 * are told to dropped(), which removes them. Their objects wait to be read again. */
void catalog_distrust(struct catalog *c, void (*dropped)(void *arg, const char *name), void *arg);

/* A listing of one key day or SOURCE_ALL_DAYS; one at a time. What failed waits again when it shows it, what
 * was denied only when its pause is over (catalog_pause()). now: monotonic ns, or INT64_MAX: all pauses are.
 */
int catalog_list_begin(struct catalog *c, int32_t day, int64_t now);
int catalog_list_object(struct catalog *c, const struct source_object *o);
int catalog_list_problem(struct catalog *c, const char *key, int error, const char *reason);
/* error 0: what was not shown (and is not below a problem) is gone. Else nothing is concluded. *ret_new:
 * objects that wait now. */
int catalog_list_end(struct catalog *c, int error, uint32_t *ret_new);
/* Why a listing failed: a problem of the whole source until one ends well. */
void catalog_unlisted(struct catalog *c, const char *reason);

/* How many objects that were known the last listing found gone (not those that another one replaced);
 * *ret_first: the first of their keys, where there is one, good as long as the catalogue. */
uint32_t catalog_gone(struct catalog *c, const char **ret_first);

/* Some waiting objects of one key day, newest day first, days that somebody waits for before all; at most max
 * and about max_bytes. Blocks until there are some; false: stopped. */
struct batch {
	int32_t day;
	uint32_t n;
	const struct object **object; /* yours: free() */
	bool logs;                    /* they may hold records */
	uint64_t serial;              /* the catalogue's */
};
bool catalog_take(struct catalog *c, uint32_t max, uint64_t max_bytes, struct batch *ret);
/* Gives a batch's objects back to the queue, not to be offered before `until` (monotonic ns). */
void catalog_return(struct catalog *c, const struct batch *b, int64_t until);

/* One object of a batch failed for a reason that may pass. */
void catalog_fail(struct catalog *c, const struct object *o, int error, const char *reason, int64_t now);
/* Nanoseconds for which an object that was denied so many times in a row is not asked for again. A bucket in
 * which ten thousand objects are denied, or archived, is not to be asked for all of them at each refresh. */
int64_t catalog_pause(unsigned denials);
/* A segment of some objects of a batch that is not at its end: takes seg over. 0, -ENOMEM. */
int catalog_add_read(struct catalog *c, struct segment *seg, const char *name);
/* The batch's (last) segment, or NULL: takes seg over. Objects of the batch that still wait then, because
 * they are neither in it nor were given to catalog_fail(), fail. 0, -ENOMEM. */
int catalog_publish(struct catalog *c, const struct batch *b, struct segment *seg, const char *name);

/* Parts of one key day that are worth merging (more than one, no object of the day waits) and take so many
 * bytes of memory at most to be merged, ref'd; *ret is new. 0: none. Offered once until replaced or changed.
 */
size_t catalog_mergeable(struct catalog *c, uint64_t memory, struct part ***ret);
/* Puts seg (taken over) in the place of parts whose live objects it holds; names of files that nothing uses
 * any more are told to dropped(). 0, -ENOMEM, -ESTALE: they changed meanwhile, nothing is replaced, and the
 * file `name` goes with a later sweep. Call it with the key day claimed, after a look at the files. */
int catalog_replace(struct catalog *c, struct part *const *old, size_t n, struct segment *seg,
	const char *name, void (*dropped)(void *arg, const char *name), void *arg);

/* The first key day from *day on that has segments to sweep; false: none. */
bool catalog_sweepable(struct catalog *c, int32_t *day);
/* Forgets segments of a key day of which nothing is present any more, or is in another file, and no other
 * mount can need anything. Call it with the key day claimed, after a look at the files: so of two mounts that
 * each hold a copy of an object in a file of its own, one keeps it. */
void catalog_sweep(struct catalog *c, int32_t day, void (*dropped)(void *arg, const char *name), void *arg);

void catalog_touch_progress(struct catalog *c);
void catalog_stop(struct catalog *c); /* catalog_take() returns false from now on */

#endif
