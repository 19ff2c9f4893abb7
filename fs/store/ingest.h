/*
 * An object's bytes to rows: decides what is a log (README: "What counts as a log"), inflates, scans, and
 * adds to a segment being built.
 *
 * A struct ingest belongs to one thread and keeps its scratch memory between objects.
 */
#ifndef FS_STORE_INGEST_H
#define FS_STORE_INGEST_H

#include <stdbool.h>

#include "fs/source.h"
#include "fs/store/blob.h"
#include "fs/store/segment_build.h"

struct ingest;

struct ingest *ingest_new(struct cache *spill);
void ingest_free(struct ingest *in);

/* Whether an object must be fetched to be indexed: it may hold records, or its inflated size is shown.
 * layout_only: only objects inside an AWSLogs layout are logs (a bucket). */
bool ingest_wants(const char *key, bool layout_only);

#define INGEST_DAMAGED 1

/*
 * Adds one object to b. error, reason: how its fetch ended (data is used when error is 0, and stays yours).
 * Denial (-EACCES; not in a bucket, layout_only), -EFBIG and damaged contents become facts of the object: see
 * enum segment_object_flag. Any other error of the fetch may pass: it is returned, nothing is added, and the
 * object is to be tried again.
 * *ret_problem (set in every case): what is to be said in ERRORS and the log, "" when all is well (borrowed
 * until the next call). 0; INGEST_DAMAGED: added, but its contents are damaged (segment_build_undo() takes it
 * back, where other bytes may be had); error; or -ENOSPC, -EIO, -EFBIG (LARGE_WHY) when this machine, not
 * the object, was at fault: b then holds what it held before. -ENOMEM: b may be spent (segment_build.h).
 */
int ingest_add(struct ingest *in, const struct source_object *o, bool layout_only, int error,
	const char *reason, const char *data, size_t len, struct segment_build *b, const char **ret_problem);

/* The text that a log's rows point into: the blob itself, or for SEGMENT_DECODED the decoded text (a new
 * blob). */
int ingest_text(struct blob *whole, bool decoded, struct cache *spill, struct blob **ret);

#endif
