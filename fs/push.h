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
#define PUSH_WALKS      8
#define PUSH_SLACK      8            /* places by which readers together may get out of order */
#define PUSH_FILE_MAX   (128u << 10) /* bytes; larger files are left to the kernel's own read-ahead */

/* How far readers have come in one order of one directory. */
struct push_walk {
	uint32_t last;   /* the place read last */
	uint32_t window; /* how many are pushed ahead of it; 0: it does not walk yet */
};
struct push_walks {
	struct push_walk walk[PUSH_WALKS];
	unsigned begun; /* ever; the oldest gives way */
};

struct push_range {
	uint32_t first, end;
	bool follows; /* the read is part of a walk */
};

/*
 * A file is read, at `place` of n: which of the next ones are worth pushing. None, where the read does not
 * follow the last one of a walk by at most its window and some slack. One a little behind it changes nothing:
 * several threads read together. `walking`: the reader came here from another directory that it walked
 * through, so the first place is enough. Pure.
 */
struct push_range push_window(struct push_walks *w, uint32_t place, uint32_t n, bool walking);

struct push;

int push_new(struct push **ret);
int push_start(struct push *p, struct fuse_session *session, struct tree *tree); /* its thread */
/* Ends the thread; while READs are still being answered, as it may wait for one. */
void push_stop(struct push *p);
void push_free(struct push *p);

/* A directory is being listed. */
void push_listed(struct push *p, uint64_t node, struct tree_dir *dir);

/* A READ is under way, parked or not; it has been answered. */
void push_begin(struct push *p, uint64_t node);
void push_end(struct push *p, uint64_t node);

/* The beginning of a file is being read; between push_begin() and push_end(). ready: its bytes are there;
 * else only fetching is started. */
void push_read(struct push *p, uint64_t node, bool ready);

uint64_t push_files(const struct push *p); /* pushed so far */

#endif
