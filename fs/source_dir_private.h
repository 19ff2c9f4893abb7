/*
 * What source_dir.c (the folder, and reading from it) and source_dir_walk.c (listing) share.
 */
#ifndef FS_SOURCE_DIR_PRIVATE_H
#define FS_SOURCE_DIR_PRIVATE_H

#include <stdatomic.h>
#include <sys/stat.h>

#include "fs/source.h"
#include "fs/source_dir_mounts.h"

struct source_dir {
	struct source base;
	int root;
	char *path;                              /* of root, as it was given */
	int mountinfo;                           /* see mounts_open() */
	char **skip;                             /* real paths, NULL at the end */
	int (*open)(void *arg, const char *key); /* see source_dir_entrust(); or NULL */
	void *open_arg;
	atomic_bool cancelled;
	atomic_bool listed; /* once at least */
	atomic_int away;    /* see find_root() */
};

/* Lists the folder that is open. mounts: of trailfs. As source_list(). */
int source_dir_walk(struct source_dir *d, const struct mounts *mounts, int32_t day,
	const struct source_filter *f, const struct source_sink *sink);

/* What a link leads to may lie where a confined process cannot open it. A descriptor, or negative errno. */
int source_dir_open_beyond(struct source_dir *d, const char *key);
/* An errno for people. */
const char *source_dir_reason(int error);
/* A file's, as struct source_object has them. */
int64_t source_dir_mtime(const struct stat *st);
uint64_t source_dir_tag(const struct stat *st);

#endif
