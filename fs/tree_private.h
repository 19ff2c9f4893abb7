/*
 * What the parts of the tree share: tree.c (attributes), tree_lookup.c, tree_hidden.c (names that are not
 * listed), tree_rollup.c, tree_list.c, tree_read.c, tree_text.c (README, ERRORS, status, metrics),
 * tree_news.c.
 */
#ifndef FS_TREE_PRIVATE_H
#define FS_TREE_PRIVATE_H

#include <pthread.h>

#include "fs/bucket.h"
#include "fs/node.h"
#include "fs/rollup.h"
#include "fs/store/keymap.h"
#include "fs/tree.h"

#define TREE_PREFIX_CHUNK 1024u

struct prefix {
	char *text;
	size_t len;
};

/* A generated file as it was last looked at: its size was told to the kernel, so reads get these bytes. */
struct tree_text {
	char *data;
	size_t len;
	int64_t made;   /* monotonic ns; 0: never */
	int64_t mtime;  /* ns since 1970 */
	uint64_t about; /* what it was made from: unchanged, it need not be made again */
};

/* Sums over all shown events, for status. */
struct tree_totals {
	uint64_t generation, events, pretty;
};

struct tree {
	struct tree_options options;
	struct catalog *catalog;
	struct days *days;
	struct view *view;
	struct reader *reader;
	struct cache *cache;
	int64_t started; /* ns since 1970 */

	pthread_mutex_t lock;   /* a leaf: guards what follows */
	struct prefix **prefix; /* chunks; number 0 is "" */
	uint32_t n_prefixes;
	struct keymap by_prefix;
	struct tree_text text[NODE_METRICS + 1]; /* by fixed node */
	struct tree_totals totals;
	uint64_t large_node; /* the last large event that was read, so that reading it in pieces lays it out
				once */
	struct blob *large;
	uint64_t facet_generation[FACET_COUNT];
	int64_t facet_newest[FACET_COUNT];
};

/* Where an event is. part is ref'd. */
struct event_at {
	struct part *part;
	uint32_t row;
	int32_t day;
};

/* 0; -ESTALE, -EAGAIN, ... (catalog_locate()). */
int tree_find_event(struct tree *t, uint64_t node, struct event_at *ret);

/* Attributes of what is at hand. */
void tree_stat_event(struct tree *t, const struct part *p, uint32_t row, int32_t day, struct stat *ret);
void tree_stat_dir(struct tree *t, uint64_t node, int64_t mtime,
	struct stat *ret); /* mtime: seconds, EVENT_UNDATED: 0 */
int tree_stat_object(struct tree *t, const struct object *o, struct stat *ret);
int tree_stat_fixed(struct tree *t, uint64_t node, struct stat *ret);

/* Stable inode numbers: never 0 or 1. */
#define TREE_INO_HASHED (1ull << 63) /* in all but those of events */
uint64_t tree_ino_event(const struct segment *s, uint32_t row);
uint64_t tree_ino_object(const struct object *o);
uint64_t tree_ino_dir(struct tree *t, uint64_t node);
/* The same of the directory of a value under a filter, which need not have a node. */
uint64_t tree_ino_value(struct tree *t, uint32_t base, enum facet f, struct value v);

/* The node of a shown row. */
uint64_t tree_node_of(const struct day *d, struct place at);

/* The interned number of a prefix: 0 or -ENOMEM; without `make`, -ENOENT where it has none. */
int tree_prefix(struct tree *t, const char *text, size_t len, bool make, uint32_t *ret);
struct prefix tree_prefix_at(struct tree *t, uint32_t number);
bool tree_reserved(const char *name);

/* 0 when the events of the days are all known, -EAGAIN when not yet, or why they cannot be. That need not be
 * true of a snapshot taken before or after: see catalog_snapshot_of(). */
int tree_wait_days(struct tree *t, int32_t first, int32_t last);
int tree_wait_listing(struct tree *t);
/* The days that the events of a node with a filter can be of, for tree_wait_days(); undated ones may be in
 * any object. -ENOENT: there can be none; -ESTALE: no such date. */
int tree_span(struct tree *t, uint64_t node, int32_t *ret_first, int32_t *ret_last);

/* tree_hidden.c: names that are never listed. -ENOENT: it is none. */
int tree_lookup_hidden(struct tree *t, uint64_t dir, const char *name, uint64_t *ret_node, struct stat *ret);
int tree_lookup_id(struct tree *t, const char *name, uint64_t *ret_node, struct stat *ret);

/* tree_rollup.c. -ENOENT: a name is none of a rollup. */
int tree_lookup_rollup(struct tree *t, uint64_t dir, const char *name, uint64_t *ret_node, struct stat *ret);
int tree_stat_rollup(struct tree *t, uint64_t node, struct stat *ret);
int tree_read_rollup(struct tree *t, uint64_t node, uint64_t offset, size_t size, struct tree_bytes *ret);

/* What a call gives back for `err`: where a damaged segment of the index is the reason, it is dropped, and
 * -EAGAIN is given: its objects are read again. */
int tree_heal(struct tree *t, int err);

/* What has come: fs/live.h. */
int tree_read_live(struct tree *t, uint64_t offset, size_t size, struct tree_bytes *ret);

/* tree_text.c: the bytes of a fixed file, made anew when it is due; *ret is a copy, yours. */
int tree_text_stat(struct tree *t, uint64_t node, size_t *ret_len, int64_t *ret_mtime);
int tree_text_read(struct tree *t, uint64_t node, uint64_t offset, size_t size, struct tree_bytes *ret);
bool tree_has_errors(struct tree *t);
/* All shown events and their pretty bytes; provisional while the index is not complete. */
struct tree_totals tree_totals(struct tree *t);
/* Newest event of a facet's directory under VIEW_ALL. */
int tree_facet_newest(struct tree *t, const struct snapshot *s, enum facet f, int64_t *ret);

#endif
