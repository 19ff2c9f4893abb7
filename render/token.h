/*
 * The tokens of JSON text, for the scanner and the writers: where a run of plain string bytes, a string, a
 * number, a literal or a run of white space ends. Private to render/.
 *
 * Text is never terminated: nothing reads at or past end. A fault is where the text stops being JSON and
 * what is wrong there; functions that check return NULL when they have filled it in.
 *
 * Pure, thread-safe.
 */
#ifndef RENDER_TOKEN_H
#define RENDER_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct fault {
	const char *at;
	const char *what; /* static */
};

/* The byte at p, or NUL, which no token begins with, at the end. */
static inline unsigned char token_peek(const char *p, const char *end)
{
	return p < end ? (unsigned char)*p : 0;
}

static inline bool token_is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

#ifdef __SSE2__
/* One bit for each of 16 bytes that needs a look inside a string. The signed comparison finds control
 * characters and non-ASCII bytes at once. */
static inline uint32_t token_special16(const char *p)
{
	__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i quote = _mm_cmpeq_epi8(x, _mm_set1_epi8('"'));
	__m128i slash = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'));
	__m128i odd = _mm_cmplt_epi8(x, _mm_set1_epi8(0x20));
	return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, slash), odd));
}
#else
/* Not zero where one of 8 bytes needs a look; says so too often only beside a byte that does. */
static inline uint64_t token_special8(const char *p)
{
	const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
	uint64_t x, quote, slash;

	memcpy(&x, p, sizeof x);
	quote = x ^ (ones * '"');
	slash = x ^ (ones * '\\');
	return ((quote - ones) | (slash - ones) | (x - ones * 0x20) | x) & high;
}
#endif

/* The first byte from p that is a quote, a backslash, a control character or not ASCII; or end. */
static inline const char *token_plain(const char *p, const char *end)
{
#ifdef __SSE2__
	for (; end - p >= 32; p += 32) {
		uint32_t special = token_special16(p) | token_special16(p + 16) << 16;
		if (special)
			return p + __builtin_ctz(special);
	}
#else
	while (end - p >= 8 && !token_special8(p))
		p += 8;
#endif
	while (p < end && token_is_plain((unsigned char)*p))
		p++;
	return p;
}

/* Checks the rest of a string from p, a byte that token_plain() stopped at. Sets *ret_escaped where there is
 * an escape, else leaves it alone. */
const char *token_string_rest(const char *p, const char *end, bool *ret_escaped, struct fault *f);

/* The closing quote of the string whose first byte is at p. */
static inline const char *token_string(const char *p, const char *end, bool *ret_escaped, struct fault *f)
{
	p = token_plain(p, end);
	if (__builtin_expect(p < end && *p == '"', 1))
		return p;
	return token_string_rest(p, end, ret_escaped, f);
}

/* The same for text that has been checked, where only backslashes matter. */
const char *token_string_checked(const char *p, const char *end);

/* The end of the number at p, which is '-' or a digit. */
const char *token_number(const char *p, const char *end, struct fault *f);

/* The end of true, false or null; their first byte has been seen at p. */
const char *token_literal(const char *p, const char *end, struct fault *f);

/* The first byte from p that is not white space, or end. */
const char *token_white_rest(const char *p, const char *end);

static inline const char *token_white(const char *p, const char *end)
{
	if (__builtin_expect(p < end && (unsigned char)*p <= ' ', 0))
		return token_white_rest(p, end);
	return p;
}

static inline const char *token_fault(struct fault *f, const char *at, const char *what)
{
	f->at = at;
	f->what = what;
	return NULL;
}

#endif
