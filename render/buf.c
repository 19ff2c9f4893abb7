/*
 * A growable run of bytes with a sticky failure.
 *
 * Growth doubles, so that n single bytes cost O(n). Once failed, a buffer stays failed until buf_clear().
 */
#include "render/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 256

void buf_clear(struct buf *b)
{
	free(b->data);
	*b = (struct buf){0};
}

bool buf_reserve(struct buf *b, size_t n)
{
	if (b->failed)
		return false;
	if (b->data && n <= b->cap - b->len)
		return true;
	/* PTRDIFF_MAX: no object is larger, and doubling below it cannot overflow. */
	if (n > (size_t)PTRDIFF_MAX - b->len) {
		b->failed = true;
		return false;
	}
	size_t cap = b->cap ? b->cap * 2 : FIRST_CAP;
	if (cap < b->len + n)
		cap = b->len + n;
	char *data = realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	if (!n || !buf_reserve(b, n))
		return;
	memcpy(b->data + b->len, p, n);
	b->len += n;
}

void buf_addc(struct buf *b, char c)
{
	if (buf_reserve(b, 1))
		b->data[b->len++] = c;
}

void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_addf(struct buf *b, const char *format, ...)
{
	va_list ap;

	/* One byte more than the text each time: vsnprintf() always writes a NUL. */
	if (!buf_reserve(b, 1))
		return;
	size_t room = b->cap - b->len;
	va_start(ap, format);
	int n = vsnprintf(b->data + b->len, room, format, ap);
	va_end(ap);
	if (n < 0) {
		b->failed = true;
		return;
	}
	if ((size_t)n >= room) {
		if (!buf_reserve(b, (size_t)n + 1))
			return;
		va_start(ap, format);
		vsnprintf(b->data + b->len, (size_t)n + 1, format, ap);
		va_end(ap);
	}
	b->len += (size_t)n;
}

char *buf_steal(struct buf *b, size_t *ret_len)
{
	buf_reserve(b, 1);
	if (b->failed) {
		buf_clear(b);
		return NULL;
	}
	char *data = b->data;
	data[b->len] = '\0';
	if (ret_len)
		*ret_len = b->len;
	*b = (struct buf){0};
	return data;
}
