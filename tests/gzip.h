/*
 * What S3 holds, made for tests. Include after cmocka.h.
 */
#ifndef TESTS_GZIP_H
#define TESTS_GZIP_H

#include <stdlib.h>
#include <zlib.h>

/* len bytes of text as one gzip member, new, of *ret_n bytes; at level 1, as that is fast. */
static inline char *gzip(const void *text, size_t len, size_t *ret_n)
{
	z_stream z = {0};
	size_t room = len + len / 1000 + 1000;
	char *out = malloc(room);

	assert_non_null(out);
	assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)text;
	z.avail_in = (unsigned)len;
	z.next_out = (unsigned char *)out;
	z.avail_out = (unsigned)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	*ret_n = z.total_out;
	deflateEnd(&z);
	return out;
}

#endif
