/*
 * A growable run of bytes. Failure is sticky: after an allocation failed every call is a no-op and
 * buf_failed() says so, so that writers check once, at the end.
 *
 * Caller locks. Owner: whoever holds the struct; buf_clear() frees it, buf_steal() hands it over.
 */
#ifndef RENDER_BUF_H
#define RENDER_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data; /* len bytes, not terminated; NULL while empty */
	size_t len, cap;
	bool failed;
};

void buf_clear(struct buf *b);

/* Room for n more bytes at data + len. False (and failed) when there is no memory. */
bool buf_reserve(struct buf *b, size_t n);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_addc(struct buf *b, char c);
void buf_adds(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The bytes with a NUL after them (not counted), yours to free(); NULL if the buffer failed. Leaves it empty.
 */
char *buf_steal(struct buf *b, size_t *ret_len);

#endif
