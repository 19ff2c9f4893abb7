/*
 * One path of the tree to standard output, without a mount (-p).
 *
 * print_wake() from any thread; the rest from one.
 */
#ifndef FS_PRINT_H
#define FS_PRINT_H

#include "fs/tree.h"

struct print;

/* timeout: seconds that may pass without any progress. */
int print_new(unsigned timeout, struct print **ret);
void print_free(struct print *p);

/* Something may have changed: what had to wait is asked again. */
void print_wake(struct print *p);

/* A file's bytes, or a directory's names one a line, to a file descriptor. The path is relative to the root,
 * with or without a leading "/". 0; -ENOENT, -ENOTDIR, -ETIMEDOUT...; the tree's errors, or write()'s. */
int print_path(struct print *p, struct tree *t, const char *path, int fd);

#endif
