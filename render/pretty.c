/*
 * Records to bytes. The text is known to be JSON, so that a bracket, a comma or a colon outside a string says
 * all that the layout needs, and everything else is copied as it is.
 */
#include "render/pretty.h"

#include "render/token.h"

/* out has room for cap bytes, n are written; n > cap once something did not fit. */
struct writer {
	char *out;
	size_t n, cap;
};

static inline void put(struct writer *w, const char *p, size_t n)
{
	if (w->n > w->cap || n > w->cap - w->n) {
		w->n = w->cap + 1;
		return;
	}
	memcpy(w->out + w->n, p, n);
	w->n += n;
}

static void put_line(struct writer *w, size_t depth)
{
	size_t n = 1 + 2 * depth;

	if (w->n > w->cap || n > w->cap - w->n) {
		w->n = w->cap + 1;
		return;
	}
	w->out[w->n] = '\n';
	memset(w->out + w->n + 1, ' ', n - 1);
	w->n += n;
}

/* The end of a number or literal. */
static const char *word_end(const char *p, const char *end)
{
	while (p < end && (unsigned char)*p > ' ' && *p != ',' && *p != ']' && *p != '}' && *p != ':')
		p++;
	return p;
}

/* The end of the string, number or literal at p, always behind p. */
static const char *scalar_end(const char *p, const char *end)
{
	const char *q;

	if (*p != '"') {
		q = word_end(p, end);
		return q > p ? q : p + 1;
	}
	q = token_string_checked(p + 1, end);
	return q < end ? q + 1 : end;
}

size_t pretty_write(const char *text, size_t len, char *out, size_t cap)
{
	struct writer w = {out, 0, cap};
	const char *p = text, *const end = text + len, *q;
	size_t depth = 0;

	while ((p = token_white(p, end)) < end && w.n <= cap) {
		switch (*p) {
		case '{':
		case '[':
			q = token_white(p + 1, end);
			put(&w, p, 1);
			if (q < end && (*q == '}' || *q == ']')) {
				put(&w, q, 1);
				p = q + 1;
				break;
			}
			put_line(&w, ++depth);
			p = q;
			break;
		case '}':
		case ']':
			put_line(&w, depth ? --depth : 0);
			put(&w, p++, 1);
			break;
		case ',':
			put(&w, p++, 1);
			put_line(&w, depth);
			break;
		case ':':
			put(&w, ": ", 2);
			p++;
			break;
		default:
			q = scalar_end(p, end);
			put(&w, p, (size_t)(q - p));
			p = q;
		}
	}
	put(&w, "\n", 1);
	return w.n;
}

size_t minify_write(const char *text, size_t len, char *out, size_t cap)
{
	struct writer w = {out, 0, cap};
	const char *p = text, *const end = text + len, *start;

	while ((p = token_white(p, end)) < end && w.n <= cap) {
		/* As much as there is up to the next white space outside strings. */
		start = p;
		while (p < end && (unsigned char)*p > ' ') {
			if (*p++ != '"')
				continue;
			p = token_string_checked(p, end);
			p += p < end;
		}
		/* Control characters are no JSON, but must not stop us. */
		p += p == start;
		put(&w, start, (size_t)(p - start));
	}
	return w.n;
}
