/*
 * One turn for all, held while an object is fetched, inflated and scanned: so also across the network, which
 * is no worse than fetching it beside another one.
 */
#include "fs/store/large.h"

#include <errno.h>
#include <pthread.h>

static pthread_mutex_t turn = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static uint64_t most = UINT64_MAX;

void large_allow(uint64_t max)
{
	most = max < LARGE_MIN ? LARGE_MIN : max;
}

int large_allowed(uint64_t size)
{
	return size > most ? -EFBIG : 0;
}

int large_begin(uint64_t size)
{
	if (size > most)
		return -EFBIG;
	if (size > LARGE_MIN)
		pthread_mutex_lock(&turn);
	return 0;
}

void large_end(uint64_t size)
{
	if (size > LARGE_MIN)
		pthread_mutex_unlock(&turn);
}
