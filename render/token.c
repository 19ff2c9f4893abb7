/*
 * The less travelled parts of JSON's tokens: escapes, UTF-8 (RFC 3629), numbers, literals (RFC 8259).
 */
#include "render/token.h"

#include "render/utf8.h"

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(unsigned char c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static const char *escape_end(const char *p, const char *end, struct fault *f)
{
	unsigned char c = token_peek(p + 1, end);

	if (c && strchr("\"\\/bfnrt", c))
		return p + 2;
	if (c != 'u')
		return token_fault(f, p, "invalid escape");
	for (int i = 2; i < 6; i++) {
		if (!is_hex(token_peek(p + i, end)))
			return token_fault(f, p, "invalid escape");
	}
	return p + 6;
}

static const char *utf8_end(const char *p, const char *end, struct fault *f)
{
	while (p < end && (unsigned char)*p >= 0x80) {
		size_t n = utf8_length(p, (size_t)(end - p));
		if (!n)
			return token_fault(f, p, "invalid UTF-8");
		p += n;
	}
	return p;
}

const char *token_string_rest(const char *p, const char *end, bool *ret_escaped, struct fault *f)
{
	for (;;) {
		unsigned char c = token_peek(p, end);

		if (p == end)
			return token_fault(f, p, "the text ends in a string");
		if (c == '"')
			return p;
		if (c == '\\') {
			p = escape_end(p, end, f);
			*ret_escaped = true;
		} else if (c >= 0x80) {
			p = utf8_end(p, end, f);
		} else {
			return token_fault(f, p, "control character in a string");
		}
		if (!p)
			return NULL;
		p = token_plain(p, end);
	}
}

const char *token_string_checked(const char *p, const char *end)
{
	while ((p = token_plain(p, end)) < end && *p != '"')
		p += *p == '\\' && end - p > 1 ? 2 : 1;
	return p;
}

static const char *digits_end(const char *p, const char *end)
{
	while (p < end && is_digit((unsigned char)*p))
		p++;
	return p;
}

const char *token_number(const char *p, const char *end, struct fault *f)
{
	const char *start = p, *part;

	if (*p == '-')
		p++;
	part = p;
	p = digits_end(p, end);
	if (p == part || (*part == '0' && p - part > 1))
		return token_fault(f, start, "invalid number");
	if (token_peek(p, end) == '.') {
		part = p + 1;
		p = digits_end(part, end);
		if (p == part)
			return token_fault(f, start, "invalid number");
	}
	if ((token_peek(p, end) | 0x20) == 'e') {
		part = p + 1;
		if (token_peek(part, end) == '+' || token_peek(part, end) == '-')
			part++;
		p = digits_end(part, end);
		if (p == part)
			return token_fault(f, start, "invalid number");
	}
	return p;
}

const char *token_literal(const char *p, const char *end, struct fault *f)
{
	const char *word = *p == 't' ? "true" : *p == 'f' ? "false" : "null";
	size_t n = strlen(word);
	unsigned char after;

	if ((size_t)(end - p) < n || memcmp(p, word, n) != 0)
		return token_fault(f, p, "invalid token");
	/* Values may follow one another with nothing between, but "truefalse" is one wrong word. */
	after = token_peek(p + n, end) | 0x20;
	if (after >= 'a' && after <= 'z')
		return token_fault(f, p, "invalid token");
	return p + n;
}

static bool is_white(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

const char *token_white_rest(const char *p, const char *end)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i space = _mm_cmpeq_epi8(x, _mm_set1_epi8(' '));
		__m128i line = _mm_cmpeq_epi8(x, _mm_set1_epi8('\n'));
		__m128i back = _mm_cmpeq_epi8(x, _mm_set1_epi8('\r'));
		__m128i tab = _mm_cmpeq_epi8(x, _mm_set1_epi8('\t'));
		__m128i white = _mm_or_si128(_mm_or_si128(space, line), _mm_or_si128(back, tab));
		uint32_t other = ~(uint32_t)_mm_movemask_epi8(white) & 0xffff;
		if (other)
			return p + __builtin_ctz(other);
	}
#endif
	while (p < end && is_white(*p))
		p++;
	return p;
}
