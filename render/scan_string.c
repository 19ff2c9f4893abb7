/*
 * What a JSON string says: its escapes decoded (RFC 8259, section 7).
 */
#include <string.h>

#include "render/scan.h"

static unsigned hex_value(unsigned char c)
{
	return c <= '9' ? c - (unsigned)'0' : (c | 0x20u) - 'a' + 10;
}

/* The four hex digits behind \u. */
static unsigned hex4(const char *p)
{
	unsigned v = 0;

	for (int i = 0; i < 4; i++)
		v = v << 4 | hex_value((unsigned char)p[i]);
	return v;
}

/* c as UTF-8; a surrogate in the same way, as three bytes. */
static size_t put_utf8(char *out, unsigned c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* The escape at p, a \u one: its character, and the next escape's half where the two are a pair. */
static const char *read_unicode(const char *p, const char *end, unsigned *ret_c)
{
	unsigned c = hex4(p + 2), low;

	p += 6;
	if (c >= 0xd800 && c <= 0xdbff && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
		low = hex4(p + 2);
		if (low >= 0xdc00 && low <= 0xdfff) {
			*ret_c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			return p + 6;
		}
	}
	*ret_c = c;
	return p;
}

static char simple_escape(char c)
{
	switch (c) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return c;
	}
}

size_t scan_string(const struct span *span, char *out)
{
	const char *p = span->p, *const end = p + span->len, *slash;
	size_t n = 0, run;
	unsigned c;

	if (span->type == JSON_STR) {
		memcpy(out, p, span->len);
		return span->len;
	}
	for (; p < end;) {
		slash = memchr(p, '\\', (size_t)(end - p));
		run = (size_t)((slash ? slash : end) - p);
		memcpy(out + n, p, run);
		n += run;
		if (!slash)
			break;
		if (slash[1] == 'u') {
			p = read_unicode(slash, end, &c);
			n += put_utf8(out + n, c);
		} else {
			out[n++] = simple_escape(slash[1]);
			p = slash + 2;
		}
	}
	return n;
}
