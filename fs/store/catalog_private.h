/*
 * What catalog.c (questions and snapshots), catalog_list.c (listings), catalog_parts.c (segments: adopt,
 * publish), catalog_merge.c (merge, sweep) and catalog_news.c share.
 *
 * Everything here is called with catalog.lock held.
 */
#ifndef FS_STORE_CATALOG_PRIVATE_H
#define FS_STORE_CATALOG_PRIVATE_H

#include <pthread.h>

#include "fs/store/catalog.h"
#include "fs/store/keymap.h"
#include "fs/store/queue.h"

#define CATALOG_CHUNK   4096u
#define CATALOG_NO_SLOT UINT32_MAX

/* An object and what changes about it. */
struct entry {
	struct object o;
	enum object_state state;
	uint32_t flags; /* enum segment_object_flag, of the segment */
	int error;      /* FAILED or damaged */
	char *problem;  /* FAILED, damaged: the reason; ours */
	uint64_t inflated;
	uint32_t slot, place; /* READY and read: where its rows are */
	uint32_t seen;        /* the listing that last showed it */
	unsigned denials;     /* in a row */
	int64_t again_at;     /* FAILED: not to be tried before (monotonic ns) */
	uint64_t batch;       /* WAITING: the batch that it is in, 0: it is in the queue */
	bool holds;           /* may hold records: event days wait for it */
	bool late;            /* not READY yet, and days may have been shown without it */
};

/* A segment in use or on the shelf (no object of it is present). */
struct slot {
	struct segment *seg; /* NULL: a free slot */
	char name[32];  /* of its file; "": it is only in memory, or its file was removed by another mount */
	uint32_t since; /* the listing under way or done when it came */
	uint32_t round; /* of catalog_files_begin(), when its file was last seen */
	uint32_t *object; /* per object its number or CATALOG_NO_OBJECT */
	uint32_t live;
	bool dirty;        /* part is older than object[] */
	struct part *part; /* ref'd, or NULL */
};

/* A part of the source that could not be listed. */
struct problem {
	char *key, *reason;
	int error;
	int32_t day; /* of all that is below the key, or KEY_NO_DAY */
};

struct catalog {
	pthread_mutex_t distrust; /* one at a time; held while files are removed, taken before lock */
	pthread_mutex_t lock;
	pthread_cond_t work; /* something waits, or stopping */
	const struct source_filter *filter;
	bool layout_only, stopping;
	bool drained; /* changed() knows that nothing waits */
	void (*changed)(void *arg);
	void *changed_arg;

	struct entry **chunk; /* of CATALOG_CHUNK entries each */
	size_t n_chunks;
	uint32_t n_entries;
	struct keymap by_key; /* present objects: number */
	struct keymap shelf;  /* objects of all segments: slot << 32 | place */
	struct keymap names;  /* files: slot */

	struct slot *slot;
	uint32_t n_slots, cap_slots;
	uint32_t round;              /* of looking which files there are */
	bool files_changed;          /* in this round */
	uint64_t batches;            /* given out */
	bool others_had_it;          /* whose turn it is, where both queues are asked for */
	struct queue *logs, *others; /* what may hold records; what is only shown inflated */

	struct keys *keys;
	struct snapshot *snapshot; /* NULL: to be made */
	struct snapshot *first;    /* the first settled one, while nobody has taken it */
	bool first_taken;
	uint64_t generation;

	uint32_t listing; /* its number; 0: none yet */
	int32_t list_day;
	int64_t list_now; /* when the one under way began */
	bool is_listing;
	uint32_t listed_all; /* the last listing of all days that ended well */
	bool listed;
	int list_error;
	int64_t list_began; /* seconds since 1970 */
	char *unlisted;     /* why the last one failed, or NULL */
	bool keys_changed;
	uint32_t gone;           /* at the end of the last listing that ended well */
	const char *first_gone;  /* the key of one */
	struct problem *problem; /* of the last listing */
	size_t n_problems;
	struct problem *new_problem; /* of the one under way */
	size_t n_new_problems;

	struct catalog_counts counts;
	int64_t progress_at;
	struct news *news;
};

struct entry *catalog_entry(struct catalog *c, uint32_t number);
/* The present object of a key, or NULL. */
struct entry *catalog_by_key(struct catalog *c, const char *key);
/* A new present object, WAITING or READY as it wants. NULL: no memory. */
struct entry *catalog_add(struct catalog *c, const struct source_object *o);
/* Every change of state goes through here: counts follow, and who saw it FAILED is told. */
void catalog_set(struct catalog *c, struct entry *e, enum object_state state);
void catalog_set_problem(struct entry *e, int error, const char *reason);
/* It waits in its queue; without memory it fails instead, so that nothing waits where nobody looks. */
int catalog_enqueue(struct catalog *c, struct entry *e);
/* What the kernel holds of an object is stale. Memory that lacks here is not an error: whoever looks anew
 * sees the truth. */
void catalog_add_news(struct catalog *c, struct entry *e);
/* The same where an object has become READY. */
void catalog_add_arrival(struct catalog *c, struct entry *e);
/* The object is no more: news, its place, its key. */
void catalog_drop(struct catalog *c, struct entry *e);
/* Points an object at its place in a segment: READY, with what the segment says of it. */
void catalog_bind(struct catalog *c, struct entry *e, uint32_t slot, uint32_t place);
/* Takes it from its place again. */
void catalog_unbind(struct catalog *c, struct entry *e);
/* Binds e where the shelf has the same object. */
bool catalog_from_shelf(struct catalog *c, struct entry *e);
/* A slot for a segment, which is taken over, also on failure. A file that is known already (who wrote it and
 * who looked at the files met) keeps its slot. 0 or -ENOMEM. */
int catalog_add_slot(struct catalog *c, struct segment *seg, const char *name, uint32_t *ret);
/* Frees a slot to which nothing is bound. */
void catalog_clear_slot(struct catalog *c, uint32_t slot);
bool catalog_same(const struct source_object *o, const struct segment_object *s);
/* The snapshot is out of date. */
void catalog_dirty(struct catalog *c);
/* A listing begins: what was complete before it is kept for catalog_settled(). */
void catalog_keep_first(struct catalog *c);
/* Brings a slot's part up to date. -ENOMEM. */
int catalog_refresh_part(struct slot *s);
void catalog_free_problems(struct problem *p, size_t n);
/* Whether the object may be there although the listing with this problem did not show it. */
bool catalog_is_below(const char *key, const struct problem *p);
/* -EIO where the last listing lacks a part that the next one may show, and that may hold events of the days
 * (catalog_unread()); else 0. */
int catalog_unlisted_part(const struct catalog *c, int32_t first, int32_t last);

#endif
