/*
 * The bucket's own hierarchy as names: a directory is a prefix of keys, its entries are what stands in the
 * sorted keys after it. Encodes components, shows NAME.json.gz as NAME.json, and settles names that two would
 * have (README: "Names").
 *
 * Pure over struct keys, thread-safe.
 */
#ifndef FS_BUCKET_H
#define FS_BUCKET_H

#include "fs/store/catalog.h"

struct bucket_entry {
	char name[256 + 8];
	const struct object *object; /* NULL: a directory */
	const char
		*prefix; /* of a directory: borrowed from a key; prefix_len bytes, "/" at the end included */
	size_t prefix_len;
};

/* The entries of the directory with that prefix ("" is the top), sorted by the keys' order; visit()'s
 * negative return ends it. reserved(name): a name at the top that the tree has for itself. -ENOENT where no
 * key has the prefix (never for ""). -ENOMEM. */
int bucket_list(const struct keys *k, const char *prefix, size_t prefix_len,
	bool (*reserved)(const char *name), int (*visit)(void *arg, const struct bucket_entry *e), void *arg);

/* The entry of that name. -ENOENT, -ENOMEM. */
int bucket_find(const struct keys *k, const char *prefix, size_t prefix_len,
	bool (*reserved)(const char *name), const char *name, struct bucket_entry *ret);

/* The newest LastModified below a prefix, in ns; 0 where there is nothing. A pass over all that is below. */
int64_t bucket_mtime(const struct keys *k, const char *prefix, size_t prefix_len);

#endif
