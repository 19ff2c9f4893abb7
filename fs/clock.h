/*
 * The monotonic clock, in nanoseconds: it goes on whatever becomes of the date, so all that is waited for,
 * and all that is held for a while, goes by it.
 */
#ifndef FS_CLOCK_H
#define FS_CLOCK_H

#include <pthread.h>
#include <stdint.h>

#define CLOCK_SECOND 1000000000ll

int64_t clock_now(void);

/* The date: nanoseconds since 1970. */
int64_t clock_date(void);

/* As pthread_cond_init(), for clock_wait(). */
void clock_cond_init(pthread_cond_t *cond);

/* As pthread_cond_timedwait(), until then on this clock; INT64_MAX: for as long as it takes.
 *
 * Returns 0, or -ETIMEDOUT when it is that late.
 */
int clock_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until);

#endif
