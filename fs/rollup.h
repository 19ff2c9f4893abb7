/*
 * Rollups: all events below a directory as one file. What is told of a rollup is told of a version of it,
 * which never changes: its size is exact, and its bytes are of one moment. When events come or go, there is
 * another version, with another number, and the old one can be read on as long as it is remembered (64 of
 * them).
 *
 * A version is a plan: which events of which days, cut into chunks of about 2 MiB, with the size of each.
 * Bytes are made chunk by chunk when they are read, a few ahead of the reader, by threads of this module,
 * and the last ones are held (16 MiB). Nothing here blocks: what is not there yet is being made, and whoever
 * asked is told to ask again after ready().
 *
 * Whether all events are known is the caller's to ask (catalog_pending()). Thread-safe.
 */
#ifndef FS_ROLLUP_H
#define FS_ROLLUP_H

#include "fs/store/reader.h"
#include "fs/view.h"

#define ROLLUP_HELD_MAX       (16u << 20)
#define ROLLUP_PLAN_BYTES_MAX (32u << 20)

enum rollup_what {
	ROLLUP_JSONL,  /* a minified record a line */
	ROLLUP_JSON,   /* {"Records":[...]}, minified, no line feed */
	ROLLUP_CSV,    /* render/csv.h */
	ROLLUP_COUNT,  /* how many */
	ROLLUP_COUNTS, /* of each value of a facet: count TAB name, most first */
	ROLLUP_REPORT, /* render/report.h; other versions of the same events say when they were made */
	ROLLUP_KINDS
};

/* What a rollup is of. Days are event days, both included; undated events come last. */
struct rollup_key {
	uint64_t dir; /* the directory's node */
	enum rollup_what what;
	enum facet facet; /* ROLLUP_COUNTS */
	uint32_t filter;
	int32_t first, last;
	bool undated;
	uint8_t dated; /* how many names the directory has below its filter's: year, month, day; undated */
};

/* A version. id: 60 bits. */
struct rollup_is {
	uint64_t id;
	uint64_t size;
	int64_t newest;    /* its newest event: seconds, or EVENT_UNDATED */
	uint64_t identity; /* a hash of its events; the same on every mount of the same data */
	enum rollup_what what;
	uint64_t dir;
};

struct rollups;

/* All are borrowed. ready(arg) is called, from a thread of this module and with no lock held, whenever
 * something that was waited for has come or failed. */
int rollups_new(struct catalog *c, struct days *days, struct view *v, struct reader *r,
	void (*ready)(void *arg), void *arg, struct rollups **ret);
/* Holds at most so many bytes of what was made, and of the plans for it, where that is less than the above;
 * before they are started. */
void rollups_hold(struct rollups *r, size_t max);
/* Starts its threads: after the process has gone to the background. 0, or negative errno: there is none. */
int rollups_start(struct rollups *r);
/* Ends them; after reader_stop(), which ends what they wait for. */
void rollups_stop(struct rollups *r);
void rollups_free(struct rollups *r);

/* The version as of now. 0; -EAGAIN: being made; or why it cannot be: -EIO, -EACCES, -ENOMEM... */
int rollup_find(struct rollups *r, const struct rollup_key *key, struct rollup_is *ret);
/* The version of an id. -ESTALE: it is another one by now and forgotten. */
int rollup_stat(struct rollups *r, uint64_t id, struct rollup_is *ret);

/* Bytes offset.. of a version: *ret_n are less than size only at the end. *ret_data points into *ret_blob
 * (unref it) or is *ret_own (free it). 0, -EAGAIN, -ESTALE; -EIO...: an event cannot be read. */
int rollup_read(struct rollups *r, uint64_t id, uint64_t offset, size_t size, const char **ret_data,
	size_t *ret_n, struct blob **ret_blob, char **ret_own);

#endif
