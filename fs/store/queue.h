/*
 * The objects that wait to be read, by key day: which to read next, and whether a range of days still waits
 * for some.
 *
 * Order: objects without a key day (every day may depend on them), then days that somebody waits for, the
 * last asked for first, then the newest day.
 *
 * Caller locks.
 */
#ifndef FS_STORE_QUEUE_H
#define FS_STORE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

struct queue *queue_new(void);
void queue_free(struct queue *q);

/* Adds an object (by number) to its day. 0 or -ENOMEM. */
int queue_add(struct queue *q, int32_t day, uint32_t number);

/*
 * Takes up to max numbers of one day into out, which then are under way until queue_done(); next(arg, number)
 * says what an object weighs in bytes, or -1 when it no longer waits (it is dropped). Days are passed over
 * until their time (queue_hold()). Returns how many; 0: none may be taken now. *ret_hold: when a held day may
 * be (monotonic ns), or INT64_MAX.
 */
uint32_t queue_take(struct queue *q, int64_t now, uint32_t max, uint64_t max_bytes,
	int64_t (*next)(void *arg, uint32_t number), void *arg, uint32_t *out, int32_t *ret_day,
	int64_t *ret_hold);

/* n objects of a day that were taken are no longer under way. */
void queue_done(struct queue *q, int32_t day, uint32_t n);

/* Does not offer the day before `until`. */
void queue_hold(struct queue *q, int32_t day, int64_t until);

/* Whether anything of days first..last, or without a day, waits or is under way. ask: put it first. */
bool queue_pending(struct queue *q, int32_t first, int32_t last, bool ask);
bool queue_empty(const struct queue *q);
/* Whether somebody waits for something that could be taken now. */
bool queue_asked(const struct queue *q, int64_t now);

#endif
