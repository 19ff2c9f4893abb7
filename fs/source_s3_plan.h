/*
 * A listing of a bucket as a set of tasks: threads take them, ask the bucket, and leave what they find for
 * the caller's thread, which hands it out.
 *
 * Thread-safe but for init, run and clear. Lock: plan.lock, a leaf.
 */
#ifndef FS_SOURCE_S3_PLAN_H
#define FS_SOURCE_S3_PLAN_H

#include <errno.h>

#include "fs/source_s3_private.h"

#define BATCH_OBJECTS  1000
/* The plan's error: the bucket has turned out to list in no order, which it was thought to do. */
#define PLAN_UNORDERED (-ENOTUNIQ)

enum level {
	LEVEL_SWEEP,
	LEVEL_AWSLOGS, /* below AWSLogs/: accounts, organizations */
	LEVEL_ORG,     /* accounts */
	LEVEL_ACCOUNT, /* kinds */
	LEVEL_KIND,    /* regions */
	LEVEL_DATED,   /* years, months, days */
};

struct task {
	struct task *next;
	enum level level;
	bool first; /* of the listing: when it fails, all does */
	/* Of LEVEL_DATED: the length of the prefix's part up to the region's '/', how deep below it the
	 * prefix is, and (or NULL) the key that was the last one given. */
	size_t base;
	unsigned depth;
	char *after;
	struct keep *keep; /* ref'd, or NULL: what is found is not kept */
	char prefix[];
};
#define DEPTH_DAY 3

/* A listing that tasks make together, to be kept when all of them have come to their end. */
struct keep {
	unsigned refs; /* atomic */
	bool failed;   /* atomic */
	struct listing *listing;
	struct s3 *s3; /* NULL: it says of no day that it is over */
	int64_t ahead; /* s3_clock_ahead() when it began */
};
struct keep *keep_new(struct listing *l, struct s3 *s3); /* takes l over; NULL: no memory */
struct keep *keep_ref(struct keep *k);
void keep_unref(struct keep *k);
void keep_fail(struct keep *k); /* part of it was not seen */

struct task *task_new(enum level level, const char *prefix); /* NULL: no memory */
void task_free(struct task *t);

/* Objects found, or (error) a part that could not be listed. */
struct batch {
	struct batch *next;
	size_t n;
	struct source_object at[BATCH_OBJECTS]; /* key: a place in names until it is delivered */
	char *names;
	size_t len, room;
	int error;
	char key[S3_KEY_MAX + 1], reason[SOURCE_REASON_MAX];
};
void batch_free(struct batch *b);

struct plan {
	struct source_s3 *s;
	const struct source_filter *filter;
	int32_t first_day, last_day;
	bool limited;    /* not all days */
	bool unordered;  /* the bucket lists in no order: nothing is cut short */
	int64_t started; /* seconds since 1970 */
	void (*carry_out)(struct plan *p, const struct task *t);

	pthread_mutex_t lock;
	pthread_cond_t work, room, out;
	struct task *tasks;
	unsigned busy, threads;
	struct batch *first, **last;
	unsigned n_batches;
	int error;
	struct strings regions; /* found */
};

void plan_init(struct plan *p, struct source_s3 *s, int32_t day, const struct source_filter *f);
void plan_clear(struct plan *p);

/* Takes t over; NULL: no memory. */
int plan_push(struct plan *p, struct task *t);
/* Takes b over. Waits while too many are there. An error: the listing is over. */
int plan_deliver(struct plan *p, struct batch *b);
void plan_give_up(struct plan *p, int error);
/* A prefix above days, to be kept. */
int plan_keep_region(struct plan *p, const char *prefix, size_t len);

/* Carries out the tasks there are, and those that come of them, and hands out what they find: 0, what the
 * sink answered, or the error. */
int plan_run(struct plan *p, const struct source_sink *sink);

/* source_s3_walk.c: what a task does, and what is below a folder called name (n bytes, without its '/') in
 * one of that level. */
void source_s3_walk(struct plan *p, const struct task *t);
enum level source_s3_level_below(enum level level, const char *name, size_t n);
/* The day's folder below a region (base bytes of prefix), with `end` after it. */
void source_s3_day_path(const char *prefix, size_t base, int32_t day, char end, char *out, size_t cap);

#endif
