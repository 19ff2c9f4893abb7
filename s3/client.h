/*
 * What all requests of one client share: where they go, with what keys, by whose clock, and how often they
 * may be repeated. Private to this folder's client: s3, request, list, get.
 *
 * Thread-safe. One lock, a leaf.
 */
#ifndef S3_CLIENT_H
#define S3_CLIENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "s3/credentials.h"
#include "s3/endpoint.h"
#include "s3/http.h"
#include "s3/resolver.h"
#include "s3/retry.h"
#include "s3/s3.h"
#include "s3/sign.h"

#define S3_REGION_MAX 64

struct s3 {
	/* Fixed when opened. */
	char *bucket, *url, *owner; /* url: custom endpoint, or NULL */
	char *host;                 /* see s3_host() */
	char *ca_bundle;            /* or NULL */
	bool anonymous, payer, path_style, virtual_host, dualstack, fips;
	unsigned timeout;
	int max_attempts;
	void (*log)(void *arg, int level, const char *text);
	void *log_arg;
	struct credentials *credentials;
	struct resolver *resolver;
	struct http *http;

	pthread_mutex_t lock; /* guards all that follows */
	char region[S3_REGION_MAX];
	int64_t clock_ahead;  /* seconds that the service's clock is, where it has refused ours */
	int64_t listed_ahead; /* the same, as its last listing is dated */
	struct retry_quota quota;
	struct sign_key sign_key;
	uint32_t random;
	struct s3_stats stats;
	int64_t refused_until; /* monotonic ms; requests till then end as that one did */
	char refusal[S3_MESSAGE_MAX];
	unsigned reloads;   /* calls of s3_reload() */
	unsigned odd_etags; /* objects whose ETag looks like the MD5 of their bytes, and is not */
	bool started, cancelled;
};

/* Log levels of s3_options.log. */
enum s3_level {
	S3_LOG_ERROR,
	S3_LOG_WARNING,
	S3_LOG_INFO,
	S3_LOG_DEBUG,
};
void s3_say(struct s3 *s, enum s3_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

bool s3_is_cancelled(struct s3 *s);
int64_t s3_monotonic_ms(void);

#endif
