/*
 * ETags as text, and back.
 */
#include "fs/etag.h"

#include <stdio.h>
#include <string.h>

#define PARTS_MAX 10000

static const char digits[] = "0123456789abcdef";

/* -1: none. */
static int digit(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* What follows the digest, as it is written: no sign, no zeros before. 0: nothing; -1: something else. */
static int parts(const char *text)
{
	int n = 0;

	if (!*text)
		return 0;
	if (*text++ != '-' || *text == '0')
		return -1;
	for (; *text >= '0' && *text <= '9' && n <= PARTS_MAX; text++)
		n = n * 10 + (*text - '0');
	return *text || n == 0 || n > PARTS_MAX ? -1 : n;
}

struct etag etag_parse(const char *text)
{
	struct etag e = {.known = true};
	int n;

	for (int i = 0; i < 16; i++, text += 2) {
		int high = digit(text[0]), low = high < 0 ? -1 : digit(text[1]);

		if (low < 0)
			return (struct etag){0};
		e.digest[i] = (unsigned char)(high << 4 | low);
	}
	n = parts(text);
	if (n < 0)
		return (struct etag){0};
	e.parts = (uint16_t)n;
	return e;
}

void etag_print(const struct etag *e, char out[ETAG_TEXT])
{
	char *p = out;

	for (int i = 0; e->known && i < 16; i++) {
		*p++ = digits[e->digest[i] >> 4];
		*p++ = digits[e->digest[i] & 15];
	}
	*p = '\0';
	if (e->parts)
		snprintf(p, ETAG_TEXT - 32, "-%u", e->parts);
}
