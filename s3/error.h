/*
 * What an answer that is not a success means: one table from HTTP status and S3 code to errno, kind of retry,
 * and a sentence for people.
 *
 * -EACCES: what was asked for is denied. -EKEYREJECTED: whoever asks is refused, whatever it is (a session
 * that has expired, wrong keys, a wrong clock, a proxy): it says nothing of the object.
 *
 * Pure.
 */
#ifndef S3_ERROR_H
#define S3_ERROR_H

#include <stddef.h>

#include "s3/retry.h"

/* The fields of an error document (docs.aws.amazon.com, "REST error responses"). Empty where it lacks them.
 */
struct error_xml {
	char code[64], message[256], region[64], endpoint[256], request_id[128], bucket[80], server_time[40];
};

/* Reads one, whatever it is: 0; -EBADMSG when it is no error document, -ENOMEM (and then *ret is empty). */
int error_parse(const char *data, size_t len, struct error_xml *ret);

struct error_meaning {
	int error;            /* negative errno */
	enum retry_kind kind; /* AT_ONCE: after the clock, the region or the credentials were mended */
	const char *try_this; /* a sentence, "" */
};

/* code and message "" where there was no document (HEAD, a proxy's page). listing: the request was a listing,
 * else it was for an object. */
struct error_meaning error_mean(int status, const char *code, const char *message, int listing);

#endif
