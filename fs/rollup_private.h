/*
 * What rollup.c (versions, threads), rollup_plan.c (which events), rollup_render.c (their bytes),
 * rollup_count.c (numbers) and rollup_report.c, rollup_seen.c, rollup_signin.c (the page) share.
 *
 *   plan    days ──▶ pieces: rows of one day, about 512 KiB of minified records
 *                    chunks: pieces one after another, over days, about 2 MiB; or 8 MiB
 *                            where so few events are in very many objects, which are read for each
 *   file    head, chunk 0, chunk 1, ..., tail
 */
#ifndef FS_ROLLUP_PRIVATE_H
#define FS_ROLLUP_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "fs/rollup.h"
#include "render/buf.h"

#define ROLLUP_UNKNOWN UINT64_MAX

struct plan_day {
	struct day *is; /* ref'd: as long as it is the same, its rows are */
	uint32_t rows;
	uint32_t piece; /* its first */
	uint64_t identity;
};

struct piece {
	uint32_t day;        /* of the plan */
	uint32_t first, end; /* rows, in the order of their names */
	uint64_t minified;   /* with a byte more for each */
	uint64_t inflated;   /* of all objects that they are in */
	uint64_t len;        /* of its bytes here, or ROLLUP_UNKNOWN until measured */
};

struct plan {
	atomic_uint refs;
	struct rollup_key key;
	struct snapshot *snapshot;
	size_t n_days, n_pieces, n_chunks;
	struct plan_day *day;
	struct piece *piece;
	uint32_t *chunk; /* its first piece; one more than there are chunks */
	uint64_t *start; /* its offset, once all is measured; one more than there are chunks */
	uint64_t rows, identity, size;
	uint64_t layout; /* a hash of start */
	int64_t newest;
	const char *head, *tail; /* static */
	struct blob *text;       /* instead of chunks: ROLLUP_COUNT and what follows it */
	time_t made;             /* ROLLUP_REPORT: as it says */
	bool provisional;        /* it would say more if more were known */

	/* With a filter that moves with the clock: the rows of its first day, which is cut, as they were. */
	struct view_rows *cut;

	pthread_mutex_t lock;     /* of what follows; a leaf */
	struct view_rows *hot[2]; /* those last asked for */
};

/* The snapshot for a plan, and whether it has all that the plan is about: see catalog_snapshot_of(). */
struct snapshot *plan_look(struct catalog *c, struct view *v, const struct rollup_key *key, int *ret_wait);
/* What there was of a key: what is unchanged is taken from the plan, and a page of the same events says that
 * it was made when it says now. */
struct plan_before {
	const struct plan *plan; /* or NULL */
	uint64_t identity;
	time_t made; /* 0: a new page is due */
};

/* The days and pieces as they are now. -EAGAIN: not all events are known. */
int plan_new(struct catalog *c, struct days *days, struct view *v, struct reader *r,
	const struct rollup_key *key, const struct plan_before *before, struct plan **ret);
struct plan *plan_ref(struct plan *p);
void plan_unref(struct plan *p);
/* Whether the sizes of a chunk's pieces are known. */
bool plan_is_measured(const struct plan *p, size_t chunk);
/* Adds sizes up: start and size. All must be measured. */
void plan_add_up(struct plan *p);
/* The rows of a day as they were when the plan was made. -ESTALE: they are not to be had any more. */
int plan_rows(struct plan *p, struct view *v, size_t day, struct view_rows **ret);
size_t plan_bytes(const struct plan *p);

/* rollup_count.c: the text of a rollup of numbers. */
int count_write(struct plan *p, struct view *v, struct buf *out);

/* rollup_report.c: the page. What it stands on: */
struct report_sources {
	struct catalog *catalog;
	struct days *days;
	struct view *view;
	struct reader *reader;
};
int report_make(struct plan *p, const struct report_sources *from, struct buf *out);

/* A thread's scratch memory. */
struct renderer;
struct renderer *renderer_new(struct catalog *c, struct view *v, struct reader *r);
void renderer_free(struct renderer *x);
/* A chunk's bytes, without head and tail. */
int renderer_chunk(struct renderer *x, struct plan *p, size_t chunk, struct blob **ret);
/* Sets the sizes of its pieces: ROLLUP_CSV. */
int renderer_measure(struct renderer *x, struct plan *p, size_t chunk);

#endif
