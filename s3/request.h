/*
 * One request, however many attempts it takes: found keys, signed, sent, and repeated where the answer says
 * another region, another time, other keys, or that the service is not well.
 *
 * The caller's struct, which it embeds in its own. Callbacks come on the transfer's thread, or whichever made
 * it end.
 */
#ifndef S3_REQUEST_H
#define S3_REQUEST_H

#include "s3/client.h"

#define REQUEST_ETAG_MAX 164

struct request {
	/* Set by the caller before request_send(). */
	struct s3 *s;
	const char *key;   /* NULL: the bucket. Borrowed until the end */
	const char *query; /* encoded, sorted, "": none. Borrowed until the end */
	uint64_t max_bytes;
	/*
	 * Looks at an answer of status 200 or 206; with a->error what of its body came before it broke off.
	 * 0: all is there. -EAGAIN: not all, again (first, n and if_match may have been changed to ask for
	 * the rest). Another negative errno: no use trying again; result.message may have been set.
	 * *ret_bytes: how many bytes were of use.
	 */
	int (*take)(struct request *r, struct http_answer *a, uint64_t *ret_bytes);
	/* May be NULL. Of an answer that is final by its status: whether what is asked for was changed so
	 * that it makes sense to ask again. */
	bool (*changed)(struct request *r, int status);
	void (*end)(struct request *r); /* see result; r is the caller's again */

	/* For the next attempt; take() may change them. */
	uint64_t first, n;               /* n == 0: no Range */
	char if_match[REQUEST_ETAG_MAX]; /* with quotes, or "" */

	struct s3_result result; /* at the end */

	/* Private from here on. */
	char region[S3_REGION_MAX]; /* that the attempt was signed for */
	char elsewhere[320];        /* the host of a redirect, or "" */
	struct keys *keys;
	unsigned attempt, redirects, delay_ms, reloads;
	bool clock_set, keys_renewed;
	int cost;
	int64_t progress_at; /* monotonic ms */
};

void request_send(struct request *r);

/* Writes "s3://BUCKET/KEY: WHAT" to the result, if nothing is there yet, and the error. */
void request_fail(struct request *r, int error, const char *what);

#endif
