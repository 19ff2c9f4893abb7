/*
 * An object's ETag in 20 bytes: of the form that S3 gives, 32 lower-case hex digits, and `-` and the number
 * of parts where it was uploaded in parts. Those of another form are not kept.
 *
 * Pure functions.
 */
#ifndef FS_ETAG_H
#define FS_ETAG_H

#include <stdbool.h>
#include <stdint.h>

#define ETAG_TEXT 40 /* "...-10000" and the end */

struct etag {
	unsigned char digest[16];
	uint16_t parts; /* 0: was not uploaded in parts */
	bool known;     /* false: the rest is 0 */
};

struct etag etag_parse(const char *text);
/* The same text again; "" where it is not known. */
void etag_print(const struct etag *e, char out[ETAG_TEXT]);

#endif
