/*
 * Many HTTP requests at a time on one thread, over libcurl's multi interface: kept connections, stall
 * detection, a deadline for each, cancel. It knows nothing of S3; no redirect is followed, nothing is retried
 * here.
 *
 * Thread-safe: http_send() from any thread. Callbacks run on the pool's thread, with no lock held.
 */
#ifndef S3_HTTP_H
#define S3_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http;

struct http_options {
	unsigned connections; /* in flight at most */
	const char *ca_bundle;
	bool no_proxy; /* never through a proxy */
};

struct http_request {
	const char *method, *url;
	const char *const *header; /* "name: value", NULL at the end */
	const char *body;          /* NULL: none */
	size_t body_len;
	uint64_t max_bytes; /* of the answer's body; more ends it with -EFBIG */
	/* 0: none (but connecting ends after 300 s). stall: hardly a byte for so long, in whole seconds. */
	unsigned connect_ms, stall_ms, total_ms;
};

struct http_answer {
	int error;  /* 0: an answer came whole. -ETIMEDOUT, -EHOSTUNREACH, -ECONNREFUSED, -ECONNRESET, -EPROTO
		       (TLS, malformed), -EFBIG, -ECANCELED, -ENOMEM; data may hold what came before it */
	int status; /* 0: no headers came */
	char reason[160]; /* of an error: what libcurl says; no secrets */
	char *data; /* malloc'ed, terminated beyond len, not NULL when error is 0; yours: take it by setting
		       it NULL, else it is wiped and freed after the callback */
	size_t len;
	uint64_t content_length; /* UINT64_MAX: not said */
	/* Header fields as they came: the ETag with its quotes. Empty where absent, or too long. retry_after:
	 * seconds (x-amz-retry-after is turned into them) or a date. */
	char etag[160], date[64], content_range[96], region[64], request_id[128], location[512],
		retry_after[32], content_type[96], encryption[32];
};
typedef void http_done(void *arg, struct http_answer *a);

int http_new(const struct http_options *o, struct http **ret);
int http_start(struct http *h); /* requests sent before it wait for it; a second one is fine */
void http_free(struct http *h); /* cancels what is under way (done() is called), joins */

/* Everything in r is copied. delay_ms: not before then (a retry). total_ms counts from when a connection is
 * free for it. done() is always called, once; from the calling thread when the pool was cancelled or there is
 * no memory. */
void http_send(struct http *h, const struct http_request *r, unsigned delay_ms, http_done *done, void *arg);
void http_cancel_all(struct http *h); /* all under way and later ones: -ECANCELED */
/* The same and wait for the answer; not from a callback. */
void http_call(struct http *h, const struct http_request *r, struct http_answer *ret);
void http_answer_clear(struct http_answer *a);

#endif
