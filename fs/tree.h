/*
 * The tree of design: nodes, names, attributes, listings, bytes. Nothing here blocks on the source: where the
 * answer has to wait, the call returns -EAGAIN, and the caller asks again after the next change (catalog's
 * and reader's callbacks), until it has an answer or its patience ends.
 *
 * A node id is computed, not allocated (node.h), so nothing is forgotten and nothing leaks.
 *
 * Thread-safe.
 */
#ifndef FS_TREE_H
#define FS_TREE_H

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include "fs/store/catalog.h"
#include "fs/store/reader.h"
#include "fs/view.h"

#define TREE_ROOT 1ull

struct tree;

struct packs;
struct source;
struct rollups;
struct live;

struct tree_options {
	uid_t uid;
	gid_t gid;
	mode_t dir_mode, file_mode;
	const char *source;    /* for README and status */
	struct packs *packs;   /* for status; may be NULL */
	struct source *bucket; /* what it was asked is in status; NULL: not a bucket */
	struct rollups *rollups;
	struct live *live;
	/* Further lines for .trailfs/status and metrics, from the mount (requests and such); may be NULL. */
	void (*metrics)(void *arg,
		void (*put)(
			void *put_arg, const char *name, const char *help, const char *label, double value),
		void *put_arg);
	void *metrics_arg;
};

int tree_new(const struct tree_options *o, struct catalog *c, struct days *days, struct view *v,
	struct reader *r, struct cache *cache, struct tree **ret);
void tree_free(struct tree *t);

/* 0 and the node with its attributes; -ENOENT; -ENOTDIR; -ENAMETOOLONG: none of over 255 bytes; -ESTALE: the
 * node's object is gone; -EAGAIN; other errors. */
int tree_lookup(struct tree *t, uint64_t parent, const char *name, uint64_t *ret_node, struct stat *ret);
int tree_getattr(struct tree *t, uint64_t node, struct stat *ret);
void tree_statvfs(struct tree *t, struct statvfs *ret);

/* How long the kernel may keep what tree_lookup() said of a node. */
enum tree_keep {
	TREE_KEEP_FOREVER, /* events: what is stale is named in tree_news() */
	TREE_KEEP_NODE,    /* log objects, rollups: the node, but its name for a second */
	TREE_KEEP_SHORT,   /* directories: a second */
	TREE_KEEP_NOT,     /* ERRORS, .trailfs/..., live.jsonl */
};
enum tree_keep tree_keep(uint64_t node);
/* Whether names in a directory may stop being true with no news of it: then the kernel may keep none for
 * longer than a directory's. */
bool tree_moves(struct tree *t, uint64_t dir);
/* Whether this name may, in any directory: the number in an event's changes with what comes and goes. */
bool tree_name_moves(const char *name);

/* A listing: immutable, counted; positions 0 .. n-1 are stable cookies. */
struct tree_dir;
struct tree_entry {
	uint64_t node;    /* 0: tree_dir_stat() gives it one */
	const char *name; /* borrowed until the next call with the same `scratch` */
	uint64_t ino;
	mode_t type; /* S_IFDIR or S_IFREG */
};
struct tree_scratch {
	char name[264];
};
int tree_list(struct tree *t, uint64_t node, struct tree_dir **ret);
size_t tree_dir_count(const struct tree_dir *d);
/* Whether it is that of a date that has no events any more: then its name stands for nothing. */
bool tree_dir_gone(uint64_t node, const struct tree_dir *d);
/* Position i as names alone; and its node and attributes as well. -EAGAIN from the second: they are not known
 * yet (an object being indexed): the name may be given without. */
int tree_dir_entry(struct tree *t, const struct tree_dir *d, size_t i, struct tree_scratch *scratch,
	struct tree_entry *ret);
int tree_dir_stat(struct tree *t, const struct tree_dir *d, size_t i, uint64_t *ret_node, struct stat *ret);
/* Where a node stands in a listing of events: its position, or -ENOENT. Fast: O(log n). */
ssize_t tree_dir_find(struct tree *t, const struct tree_dir *d, uint64_t node);
bool tree_dir_of_events(const struct tree_dir *d);
/* Two listings of one node with the same number are equal; 0: no such promise. */
uint64_t tree_dir_serial(const struct tree_dir *d);
/* Whether a listing of the node made now would have the number, without making it. */
bool tree_serial_holds(struct tree *t, uint64_t node, uint64_t serial);
struct tree_dir *tree_dir_ref(struct tree_dir *d);
void tree_dir_unref(struct tree_dir *d);

/* Bytes of a file. data is valid until tree_bytes_clear(). Reading past the end gives n = 0. */
struct tree_bytes {
	const char *data;
	size_t n;
	char *own;         /* what clear() frees */
	struct blob *blob; /* and unrefs */
};
int tree_read(struct tree *t, uint64_t node, uint64_t offset, size_t size, struct tree_bytes *ret);
void tree_bytes_clear(struct tree_bytes *b);
/* Starts fetching what a later tree_read() of the node needs. */
void tree_prefetch(struct tree *t, uint64_t node);

/* Extended attributes: user.trailfs.key, .offset, .eventid. *ret is *ret_n bytes, yours: free(). -ENODATA:
 * the node has none of that name; -EOPNOTSUPP: no node has (tree_xattr_known()). The names are each
 * terminated. */
bool tree_xattr_known(const char *name);
int tree_xattr(struct tree *t, uint64_t node, const char *name, char **ret, size_t *ret_n);
int tree_xattr_names(struct tree *t, uint64_t node, char **ret, size_t *ret_n);

/* What the kernel must drop: entry != NULL: the name `entry` in directory `parent`; else node's attributes
 * and pages. Called for everything that became stale since the last call; from one thread. */
void tree_news(struct tree *t, void (*drop)(void *arg, uint64_t parent, const char *entry, uint64_t node),
	void *arg);

/* -EAGAIN: objects are still to be read; 0: what can be said of the source is known, as that it cannot be
 * listed. */
int tree_wait_all(struct tree *t);

/* Whether anything a parked call waits for moved since `at` (monotonic ns): for --timeout. */
int64_t tree_progress_at(struct tree *t);

#endif
