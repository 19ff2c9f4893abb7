/*
 * The AWS SDKs' standard mode (docs.aws.amazon.com, SDKs and Tools Reference Guide, "Retry behavior"), with
 * the figures of its 2026 revision.
 */
#include "s3/retry.h"

#include <stdbool.h>

#define TRANSIENT_BASE 50 /* ms */
#define THROTTLED_BASE 1000
#define DELAY_MAX      20000

int retry_delay(
	struct retry_quota *q, enum retry_kind kind, unsigned n, uint32_t random, int after, int max_attempts)
{
	bool throttled = kind == RETRY_THROTTLED;
	uint64_t most = throttled ? THROTTLED_BASE : TRANSIENT_BASE;
	int cost = throttled ? RETRY_COST_THROTTLED : RETRY_COST_TRANSIENT;

	if (kind == RETRY_NOT || n < 2 || max_attempts < 1 || n > (unsigned)max_attempts)
		return -1;
	if (kind == RETRY_AT_ONCE)
		return 0;
	if (q->tokens < cost)
		return -1;
	q->tokens -= cost;
	for (unsigned i = 2; i < n && most < DELAY_MAX; i++)
		most *= 2;
	if (most > DELAY_MAX)
		most = DELAY_MAX;
	uint64_t delay = most * random >> 32;
	/* On top of what was asked for: whoever was told the same does not come back at the same time. */
	if (after > 0)
		delay += after < DELAY_MAX / 1000 ? (uint64_t)after * 1000 : DELAY_MAX;
	return (int)delay;
}

void retry_success(struct retry_quota *q, int cost)
{
	q->tokens += cost > 0 ? cost : 1;
	if (q->tokens > RETRY_QUOTA)
		q->tokens = RETRY_QUOTA;
}
