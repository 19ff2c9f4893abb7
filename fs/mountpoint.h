/*
 * The place to mount on: looked at before, cleared after.
 *
 * Thread-safe.
 */
#ifndef FS_MOUNTPOINT_H
#define FS_MOUNTPOINT_H

#include <stddef.h>

/*
 * Whether one can mount there: a directory, with nothing mounted on it. A FUSE mount whose process is gone is
 * unmounted first. source: a directory source's path, or NULL: mounting on it, or above it, would hide it.
 * 0, or a negative errno and a line in error[] (size bytes).
 */
int mountpoint_check(const char *path, const char *source, char *error, size_t size);

/* Takes it out of the tree at once, also while it is in use; by fusermount3 where we are not root. */
void mountpoint_detach(const char *path);

/* The same if its process is gone. */
void mountpoint_clear_dead(const char *path);

#endif
