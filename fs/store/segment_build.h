/*
 * Makes a segment: add objects and their events, then write. Nothing per event is allocated: columns and
 * dictionaries grow in arenas.
 *
 * Caller locks, and the thread that adds is the one that frees (fs/store/large.h). After -ENOMEM only
 * segment_build_free() may follow.
 */
#ifndef FS_STORE_SEGMENT_BUILD_H
#define FS_STORE_SEGMENT_BUILD_H

#include "fs/store/segment.h"

#define SEGMENT_ROW_MEMORY 256 /* bytes that a row costs besides its values until it is written, at most */

struct segment_build;

struct segment_build *segment_build_new(int32_t key_day);
void segment_build_free(struct segment_build *b);

/* Begins an object; everything is copied. `rows` is ignored, counted by segment_build_event(). Keys may come
 * in any order, each once. 0 or -ENOMEM. */
int segment_build_object(struct segment_build *b, const struct segment_object *o);

/* One event of the object begun last, in the order of its text. offset: see segment_row_offset(). 0, -ENOMEM,
 * -EFBIG (over 2^32 - 2 rows, or more memory than large_allowed(); waits for its turn where it is large). */
int segment_build_event(struct segment_build *b, const struct event *e, uint32_t offset, uint32_t length,
	uint32_t pretty, uint32_t minified, uint64_t hash);

/* Forgets the events of the object begun last (a log that turned out to be damaged, or scan restart()), and
 * replaces what is said of it. */
int segment_build_redo(struct segment_build *b, const struct segment_object *o);

/* Forgets the object begun last and its events. */
void segment_build_undo(struct segment_build *b);

uint32_t segment_build_rows(const struct segment_build *b);
/* Bytes that it takes until it is written, about. */
uint64_t segment_build_memory(const struct segment_build *b);

/* Adds one object of another segment with its rows. 0, -ENOMEM, -EFBIG, -EBADMSG: that one is damaged. Adding
 * all objects of a segment costs a pass over its columns: dictionary codes are mapped once per (build,
 * segment). */
int segment_build_copy(struct segment_build *b, const struct segment *from, uint32_t object);

/* The finished segment in memory, ready to be written or used: open it with segment_open_memory() (release:
 * free). The build is spent: only segment_build_free() may follow. 0, -ENOMEM, -EFBIG (over 4 GiB). */
int segment_build_finish(struct segment_build *b, void **ret_data, size_t *ret_len);

#endif
