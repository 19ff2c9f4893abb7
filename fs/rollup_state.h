/*
 * What the threads of rollups and those who ask share: rollup.c (threads, jobs), rollup_versions.c (what a
 * rollup is now), rollup_chunks.c (its bytes). All functions are to be called with rollups.lock held.
 */
#ifndef FS_ROLLUP_STATE_H
#define FS_ROLLUP_STATE_H

#include <sys/queue.h>

#include "fs/clock.h"
#include "fs/rollup_private.h"
#include "fs/store/keymap.h"

#define ROLLUP_THREADS 3
#define RECENT         16

struct version {
	LIST_ENTRY(version) in_slot;
	TAILQ_ENTRY(version) in_use; /* while it has a plan */
	struct slot *slot;
	struct rollup_is is;
	uint64_t layout;         /* its plan's: chunks that are held are good for another plan of the same */
	time_t made;             /* its plan's */
	struct plan *plan;       /* NULL: to be made again, if it is current */
	uint32_t recent[RECENT]; /* chunks asked for, the last ones; 0: none, else 1 more */
	unsigned n_recent;
};
LIST_HEAD(versions, version);
TAILQ_HEAD(version_use, version);

struct slot {
	struct rollup_key key;
	uint32_t number, serials;
	bool moves; /* with the clock */
	struct versions versions;
	struct version *current; /* one of them, or NULL */
	uint64_t generation;     /* of the snapshot that current is known to be true for */
	int64_t made_at, late_until;
	uint64_t late_generation; /* what there was when current was done: nothing later is late */
	bool provisional;         /* what was made then */
	bool making;              /* a job is in the queue or running */
	TAILQ_ENTRY(slot) in_measuring;
	struct plan *measuring;
	size_t next, left; /* the next chunk to be measured; those in the queue or running */
	bool again;        /* one of them has failed: the others are awaited before it is tried again */
	int error;         /* why the last attempt failed; told once to those who ask within a second */
	int64_t failed_at;
	bool told;
};
TAILQ_HEAD(slots, slot);

enum chunk_state {
	QUEUED,
	RUNNING,
	READY,
	FAILED
};

struct chunk {
	TAILQ_ENTRY(chunk) in_use;
	uint64_t id; /* the version's */
	uint32_t number;
	enum chunk_state state;
	bool taken;       /* together with all that it was asked for with, */
	bool finished;    /* to its end */
	int64_t asked_at; /* when somebody asked for it last; 0: it is only made ahead */
	struct blob *blob;
	int error;
	int64_t failed_at;
};
TAILQ_HEAD(chunks, chunk);

enum job_kind {
	JOB_MAKE,
	JOB_MEASURE,
	JOB_CHUNK
};

struct job {
	TAILQ_ENTRY(job) in_queue;
	enum job_kind kind;
	struct slot *slot;   /* JOB_MAKE, JOB_MEASURE */
	struct chunk *chunk; /* JOB_CHUNK: stays until it is done */
	struct plan *plan;   /* ref'd */
	size_t number;       /* of the chunk */
};
TAILQ_HEAD(jobs, job);

/* A thread, and its scratch memory. */
struct rollup_worker {
	struct rollups *r;
	struct renderer *x;
	pthread_t thread;
};

struct rollups {
	struct catalog *catalog;
	struct days *days;
	struct view *view;
	struct reader *reader;
	void (*ready)(void *arg);
	void *arg;
	struct rollup_worker worker[ROLLUP_THREADS];
	int n_threads;

	pthread_mutex_t lock;
	pthread_cond_t work, done; /* there is a job; one has been done */
	unsigned waiters;
	int refusal;
	struct jobs queue;
	struct keymap by_key;
	struct slot **slot;
	uint32_t n_slots;
	struct version_use use; /* the last used first */
	size_t n_plans, plan_bytes;
	size_t held_max, plan_bytes_max;
	struct slots measuring; /* the last asked for first */
	size_t n_measuring;
	struct chunks chunks; /* the last used first */
	size_t n_chunks, held;
};

/* Whether a failure is still what those who ask are told. */
bool rollup_failure_holds(int64_t failed_at, bool told);
/* Puts a job into the queue. 0 or -ENOMEM. */
int rollup_enqueue(struct rollups *r, struct job job, bool first);
/* Whether an answer of -EAGAIN is worth another look, after a job has been done. *until: 0 at first. */
bool rollup_wait(struct rollups *r, int64_t *until);

/* rollup_versions.c */
int slot_find(struct rollups *r, const struct rollup_key *key, struct slot **ret);
/* 0: slot.current is true now, and has a plan where that is wanted; -EAGAIN; ... */
int slot_look(struct rollups *r, struct slot *s, bool wants_plan);
/* What a plan that is made now follows. The plan is borrowed. */
struct plan_before slot_before(struct rollups *r, struct slot *s);
/* How a plan has come out: it is taken over. */
void slot_made(struct rollups *r, struct slot *s, int err, struct plan *plan, bool measured);
void slot_measured(struct rollups *r, struct slot *s, int err, size_t chunk);
void slot_free(struct slot *s);
struct version *version_find(struct rollups *r, uint64_t id); /* or NULL */
/* The version with its plan. 0, -EAGAIN, -ESTALE, ... */
int version_planned(struct rollups *r, uint64_t id, struct version **ret);
/* A segment of the index under the version's plan is damaged: the plan is made again when it is asked for. */
void version_distrust(struct rollups *r, struct version *v);

/* rollup_chunks.c */
/* How a chunk has come out: blob is taken over. */
void chunk_made(struct rollups *r, struct chunk *c, int err, struct blob *blob);
void chunk_free(struct rollups *r, struct chunk *c);

#endif
