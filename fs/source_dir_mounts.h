/*
 * Which file systems are mounts of trailfs. What they show is made of logs and is no source of them; and a
 * process that asks its own mount something waits for itself. So nothing here asks a file system of such a
 * kind: the kernel says which there are, and of which one a file is.
 *
 * Immutable between read and clear.
 */
#ifndef FS_SOURCE_DIR_MOUNTS_H
#define FS_SOURCE_DIR_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct mounts {
	dev_t *dev; /* n of them */
	size_t n;
};

/* What mounts_read() reads, opened as long as files may be opened; -1 where there is none. */
int mounts_open(void);
/* Those that there are now, but for the one that the source itself (a descriptor) is in. None where that
 * cannot be said. 0, or -ENOMEM. *ret: mounts_clear() it. */
int mounts_read(int list, int source, struct mounts *ret);
void mounts_clear(struct mounts *m);

/* Whether a descriptor (of O_PATH, too) is of a file in one. */
bool mounts_have(const struct mounts *m, int fd);
/* Whether the way from a folder along a path, by whatever links, comes through one. */
bool mounts_cross(const struct mounts *m, int at, const char *path);

#endif
