/*
 * When to try again (AWS SDKs' standard mode; for a file system more attempts and a deadline): full jitter, a
 * quota that keeps a dead service from being hammered.
 *
 * Pure but for the quota, which caller locks.
 */
#ifndef S3_RETRY_H
#define S3_RETRY_H

#include <stdint.h>

enum retry_kind {
	RETRY_NOT,
	RETRY_TRANSIENT,
	RETRY_THROTTLED,
	RETRY_AT_ONCE /* clock, region, credentials: once each */
};

#define RETRY_ATTEMPTS       10
#define RETRY_QUOTA          500
#define RETRY_COST_TRANSIENT 14
#define RETRY_COST_THROTTLED 5

/* tokens: 0 .. RETRY_QUOTA; begins full. */
struct retry_quota {
	int tokens;
};

/* Milliseconds before attempt n (2 = the first repeat), or -1: no more. random: 0 .. 2^32 - 1. after: seconds
 * the server asked for, or -1; more than 20 are not granted. Takes RETRY_COST_... tokens from the quota. */
int retry_delay(struct retry_quota *q, enum retry_kind kind, unsigned n, uint32_t random, int after,
	int max_attempts);
/* A request succeeded: tokens come back. cost: what its retries took, 0 when none. */
void retry_success(struct retry_quota *q, int cost);

#endif
