/*
 * Characters of UTF-8 (RFC 3629). Pure. Inline: the scanner asks for each one beyond ASCII.
 */
#ifndef RENDER_UTF8_H
#define RENDER_UTF8_H

#include <stddef.h>

/* Length of the character at the start of n > 0 bytes of which the first is not ASCII; 0: it is not valid. */
static inline size_t utf8_length(const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if ((p[0] & 0xf0) == 0xe0)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (n < len)
		return 0;
	/* Section 4: these four narrow the second byte (no overlongs, surrogates, > U+10FFFF). */
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

#endif
