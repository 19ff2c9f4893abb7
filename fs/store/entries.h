/*
 * What a reader (fs/store/reader.h) was asked for: every object, form and piece of one is an entry, found by
 * what it is. Those that came or failed are kept in order of use, and the least recently used go when there
 * is too much.
 *
 * A plain struct. Caller locks.
 */
#ifndef FS_STORE_ENTRIES_H
#define FS_STORE_ENTRIES_H

#include <stdbool.h>
#include <sys/queue.h>

#include "fs/source.h"
#include "fs/store/blob.h"

#define ENTRIES_BUCKETS 4096

enum entry_state {
	ENTRY_QUEUED,
	ENTRY_RUNNING,
	ENTRY_READY,
	ENTRY_FAILED
};

struct entry {
	LIST_ENTRY(entry) in_bucket;
	STAILQ_ENTRY(entry) in_queue; /* the reader's */
	TAILQ_ENTRY(entry) in_use;
	struct source_object o; /* o.key is key[] below */
	uint32_t number;
	uint64_t form; /* fs/store/load.h */
	enum entry_state state;
	bool many;         /* came by reader_load() */
	bool taken;        /* its blob or its failure */
	struct blob *blob; /* READY */
	int error;         /* FAILED */
	int64_t failed_at;
	char key[];
};

TAILQ_HEAD(entry_use, entry);

struct entries {
	struct entries_kept {
		struct entry_use use;     /* the last used first */
		uint64_t max;             /* bytes of memory */
		uint64_t held, mapped, n; /* bytes of memory, bytes of files, entries */
	} kept[2]; /* what was asked for one by one, and `many`, so that a long run of the one does not drive
		      out the other */
	LIST_HEAD(, entry) bucket[ENTRIES_BUCKETS];
};

/* max: bytes of memory for each kind. */
void entries_init(struct entries *es, uint64_t max_one, uint64_t max_many);
void entries_clear(struct entries *es);

/* number stands for o->key. NULL: there is none. */
struct entry *entries_find(
	const struct entries *es, uint32_t number, uint64_t form, const struct source_object *o);
/* One that is not there yet. o is copied. NULL: no memory. */
struct entry *entries_add(struct entries *es, uint32_t number, uint64_t form, const struct source_object *o);

/* It came or failed, and is the last used of its kind; it does not change until it is kept no more. */
void entries_keep(struct entries *es, struct entry *e);
void entries_unkeep(struct entries *es, struct entry *e);
/* One that is kept was used. */
void entries_touch(struct entries *es, struct entry *e);

/*
 * Moves what is too much to *dropped: of the kind of `spare`, which is kept, but not that one. What came and
 * was not yet taken is spared as long as that costs no more than as much again: who waits for it would only
 * make it come a second time.
 */
void entries_drop(struct entries *es, const struct entry *spare, struct entry_use *dropped);
/* Without the lock. */
void entries_free(struct entry_use *dropped);

#endif
