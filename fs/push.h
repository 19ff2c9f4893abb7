/*
 * Contents ahead of the reader. When files of a listed directory of events are read one after another, the
 * contents of the next ones are stored into the kernel's page cache, so that most reads never come: one write
 * a file in place of a round trip (20,000 files: 78 READs instead of 20,000).
 *
 * Thread-safe.
 */
#ifndef FS_PUSH_H
#define FS_PUSH_H

#define FUSE_USE_VERSION 312

#include <fuse_lowlevel.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fs/tree.h"

#define PUSH_WINDOW_MIN 32
#define PUSH_WINDOW_MAX 512
#define PUSH_FILE_MAX   (128u << 10) /* bytes; larger files are left to the kernel's own read-ahead */

/* How far a reader has come in one order of one directory. */
struct push_walk {
	bool begun;
	uint32_t last;   /* the place read last */
	uint32_t window; /* how many are pushed ahead of it; 0: it does not walk */
};

struct push_range {
	uint32_t first, end;
};

/*
 * A file is read, at `place` of n: which of the next ones are worth pushing. None, where the read does not
 * follow the last one by at most a window. `walking`: the reader came here from another directory that it
 * walked through, so the first place is enough. Pure.
 */
struct push_range push_window(struct push_walk *w, uint32_t place, uint32_t n, bool walking);

struct push;

int push_new(struct fuse_session *session, struct tree *tree, struct push **ret);
void push_free(struct push *p);

/* A directory is being listed. */
void push_listed(struct push *p, uint64_t node, struct tree_dir *dir);

/* The beginning of a file is being read; its READ is not answered yet. ready: its bytes are there; else only
 * fetching is started. reads: how many READs are under way, this one included; with others beside it nothing
 * is pushed. */
void push_read(struct push *p, uint64_t node, bool ready, const atomic_uint *reads);

uint64_t push_files(const struct push *p); /* pushed so far */

#endif
