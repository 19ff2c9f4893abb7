/* See clock.h. */
#include <errno.h>
#include <time.h>

#include "fs/clock.h"

static int64_t read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * CLOCK_SECOND + t.tv_nsec;
}

int64_t clock_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_date(void)
{
	return read_clock(CLOCK_REALTIME);
}

void clock_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

int clock_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until)
{
	struct timespec t = {.tv_sec = until / CLOCK_SECOND, .tv_nsec = until % CLOCK_SECOND};

	if (until == INT64_MAX)
		return -pthread_cond_wait(cond, lock);
	return -pthread_cond_timedwait(cond, lock, &t);
}
