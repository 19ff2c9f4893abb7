/*
 * live.jsonl: the events that have come since the first index was complete, minified, one a line, in the
 * order in which refreshes brought them, those of one refresh by day and name (refreshes that end while it is
 * busy with one count as one). It only ever grows, and bytes that were once told stay what they are, whatever
 * happens to the log that they came from: they are written to a file without a name (cache_spill()) before
 * its size is told. The last LIVE_KEPT bytes are kept.
 *
 * One thread of its own waits for refreshes to end and reads what they brought. What cannot be read is tried
 * again, and comes later: nothing is left out and nothing comes twice (fs/live_arrivals.h says what is new).
 *
 * Thread-safe.
 */
#ifndef FS_LIVE_H
#define FS_LIVE_H

#include "fs/days.h"
#include "fs/store/reader.h"

#define LIVE_KEPT ((uint64_t)1 << 30)

struct live;

/* All are borrowed. keep: bytes, LIVE_KEPT but for tests. grew(arg) is called, by the thread, with no lock
 * held. */
int live_new(struct catalog *c, struct days *days, struct reader *r, struct cache *spill, uint64_t keep,
	void (*grew)(void *arg), void *arg, struct live **ret);
int live_start(struct live *l); /* after the process has gone to the background. 0 or negative errno */
void live_wake(struct live *l); /* the catalogue has changed */
/* Ends the thread; after reader_stop(), which ends what it waits for. */
void live_stop(struct live *l);
void live_free(struct live *l);

struct live_is {
	uint64_t size;
	uint64_t first; /* bytes before it are no longer kept */
	int64_t grown;  /* ns since 1970; when it was made, where it has never grown */
};
struct live_is live_stat(struct live *l);

/* Bytes offset .. of it to out: *ret_n are less than size only at the end. 0; -ESTALE: no longer kept; -EIO.
 */
int live_read(struct live *l, uint64_t offset, size_t size, char *out, size_t *ret_n);

#endif
