/*
 * One request of the pool (s3/http.h), on a libcurl handle.
 *
 * Belongs to one thread at a time.
 */
#ifndef S3_HTTP_CALL_H
#define S3_HTTP_CALL_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3/http.h"

struct call {
	struct call *next; /* the pool's */
	int64_t due;       /* ms; not before then */
	http_done *done;
	void *arg;

	char *method, *url, *body;
	size_t body_len;
	struct curl_slist *header;
	uint64_t max_bytes;
	unsigned connect_ms, stall_ms, total_ms;

	CURL *easy; /* borrowed; NULL before call_begin() */
	struct http_answer answer;
	size_t cap, header_bytes;
	bool body_begun;
	int broken; /* why we broke it off: negative errno, and in words */
	char why[64];
	char text[CURL_ERROR_SIZE]; /* libcurl's, which then says that writing failed */
};

/* A copy of the request; NULL when there is no memory. */
struct call *call_new(const struct http_request *r);
void call_free(struct call *c);

/* Sets the handle up for it. -ENOMEM. */
int call_begin(struct call *c, CURL *easy, const char *ca_bundle, bool no_proxy);
/* What became of it on its handle, which is still set up; gives the answer and frees the call. */
void call_end(struct call *c, CURLcode code);
/* Gives what there is of an answer, with an error of our own, and frees the call. */
void call_give(struct call *c, int error, const char *reason);

#endif
