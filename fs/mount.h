/*
 * The tree in the kernel: libfuse's low-level session (docs: libfuse 3.14, fuse_lowlevel.h). Calls that have
 * to wait are parked, holding no thread, and answered when something changes, when they are interrupted,
 * after `timeout` without progress, or at the end.
 */
#ifndef FS_MOUNT_H
#define FS_MOUNT_H

#include <stdbool.h>

#include "fs/tree.h"

struct mount;

struct mount_options {
	const char *mountpoint, *source;
	const char *fuse_options; /* further, or NULL */
	bool allow_other;
	unsigned timeout; /* seconds */
	/* Takes the mount point out of the tree at once: mountpoint_detach(), or who does it for us. */
	void (*detach)(void *arg);
	void *detach_arg;
};

/* Mounts, where mountpoint_check() has found that one can. The kernel's calls wait until mount_run(). Error:
 * one line in error[]. */
#define MOUNT_ERROR_MAX 512
int mount_open(const struct mount_options *o, struct mount **ret, char error[MOUNT_ERROR_MAX]);
/* The tree to serve; before mount_run(). */
void mount_set_tree(struct mount *m, struct tree *t);

/* Something may have changed: parked calls are asked again. From any thread; cheap. */
void mount_wake(struct mount *m);
/* struct tree_options.metrics, with arg = the mount. */
void mount_metrics(void *arg,
	void (*put)(void *put_arg, const char *name, const char *help, const char *label, double value),
	void *put_arg);

/* Serves until unmounted or mount_stop(). 0 or negative errno. */
int mount_run(struct mount *m);
/* From another thread (the signal thread): unmounts and ends mount_run() soon, answering parked calls with an
 * error. */
void mount_stop(struct mount *m);
/* Unmounts if still mounted, frees. */
void mount_free(struct mount *m);

#endif
