/*
 * What an answer that refuses teaches: another region, host, clock, or other keys. What is learnt counts for
 * all requests of the client from then on.
 *
 * Thread-safe.
 */
#ifndef S3_LESSONS_H
#define S3_LESSONS_H

#include "s3/error.h"
#include "s3/request.h"

/* Whether there was something to learn, so that the request is worth sending again at once. Each kind is
 * bounded for one request. */
bool lessons_learn(struct request *r, const struct http_answer *a, const struct error_xml *x);

#endif
