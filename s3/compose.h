/*
 * An attempt of a request, ready to be sent: where to, with which headers, signed.
 *
 * Thread-safe as far as two threads do not compose one request.
 */
#ifndef S3_COMPOSE_H
#define S3_COMPOSE_H

#include "s3/request.h"

#define COMPOSE_HEADERS_MAX 16

struct attempt {
	char *url;
	char *header[COMPOSE_HEADERS_MAX + 1]; /* NULL at the end */
};

/* Notes in r the region that it is signed for. -EINVAL, -ENOMEM; reason (room for 160), or "". */
int compose(struct request *r, struct attempt *ret, char reason[160]);
void attempt_clear(struct attempt *a); /* wipes */

/* Where an attempt would go now. */
int compose_endpoint(struct request *r, struct endpoint *ret, char reason[160]);

#endif
