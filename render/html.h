/*
 * Pieces of a page: text that stays text, addresses, numbers, moments. What is written is HTML that an XML
 * parser reads as well.
 *
 * Values come from whoever can send a request, so nothing of them may be markup, leave an attribute, lead out
 * of the tree, or look like something else on the screen.
 *
 * Pure, thread-safe.
 */
#ifndef RENDER_HTML_H
#define RENDER_HTML_H

#include "render/buf.h"
#include "render/event.h"

#define HTML_VALUE_MAX 160 /* bytes of a value that are shown */

/* Text, for elements and for attributes in double quotes. Control characters become their pictures (U+2400),
 * what turns or hides text becomes [U+202E], and bytes that are no UTF-8 become U+FFFD. */
void html_text(struct buf *out, const char *p, size_t len);

/* A value as it is shown: isolated from the direction of what is around it, and cut after HTML_VALUE_MAX. */
void html_value(struct buf *out, struct value v);

/* A name as one segment of a relative address: all but letters, digits and -._~ as %XX. Or several, with /
 * between them left alone. */
void html_segment(struct buf *out, const char *name, size_t len);
void html_segments(struct buf *out, const char *path);
/* by-FACET/NAME of a value. */
void html_value_path(struct buf *out, enum facet f, struct value v);

/* 1234567 as 1,234,567. */
void html_number(struct buf *out, uint64_t n);
/* A share of something; 100 % and 0 % only where it is all or nothing. of 0: nothing is written. */
void html_share(struct buf *out, uint64_t n, uint64_t of);

/* A moment of UTC, taken apart: in no time zone and no locale, years beyond four digits included. */
struct html_moment {
	int64_t year;
	unsigned month, day, hour, minute, second;
};
struct html_moment html_moment(int64_t time);
/* 2025-06-19 09:30:15, in <time>. */
void html_time(struct buf *out, int64_t time);

#endif
