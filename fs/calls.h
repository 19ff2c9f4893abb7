/*
 * What the kernel asks, answered from the tree. Nothing blocks: what has to wait is parked.
 *
 * Thread-safe: libfuse's threads and the park's call in.
 */
#ifndef FS_CALLS_H
#define FS_CALLS_H

#include "fs/park.h"
#include "fs/push.h"
#include "fs/told.h"
#include "fs/tree.h"

enum calls_count {
	COUNT_LOOKUP,
	COUNT_GETATTR,
	COUNT_OPENDIR,
	COUNT_READDIR,
	COUNT_READDIRPLUS,
	COUNT_READ,
	COUNT_STATFS,
	COUNT_GETXATTR,
	COUNT_LISTXATTR,
	COUNTS
};
extern const char *const calls_count_label[COUNTS];

/* The session's userdata. */
struct calls {
	struct tree *tree;
	struct park *park;
	struct push *push;
	struct told *told;
	void (*news)(void *arg); /* some of what the kernel was told may be stale */
	void *news_arg;
	_Atomic uint64_t count[COUNTS];
	_Atomic uint64_t looked; /* the directory in which one, or a log object, was last looked up */
};

extern const struct fuse_lowlevel_ops calls_ops;
extern const struct park_ops calls_park_ops; /* arg: the struct calls */

#endif
