/*
 * Text, addresses, numbers and moments for a page.
 */
#include "render/html.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "render/name.h"
#include "render/utf8.h"

#define DAY_SECONDS 86400

/* ---- text ---- */

/* The character at p and its length; -1: these bytes are no UTF-8, 1 of them. */
static int32_t read_char(const unsigned char *p, size_t left, size_t *ret_len)
{
	size_t n = *p < 0x80 ? 1 : utf8_length((const char *)p, left);
	int32_t c = n == 1 ? *p : *p & (0xff >> (n + 1));

	*ret_len = n ? n : 1;
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3f);
	return n ? c : -1;
}

/* Characters that are not seen, or that turn what is around them; and those that XML does not have. */
static bool is_sly(int32_t c)
{
	return (c >= 0x80 && c < 0xa0) || c == 0xad || c == 0x61c || (c >= 0x180b && c <= 0x180e) ||
	       (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	       (c >= 0xfe00 && c <= 0xfe0f) || c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb) ||
	       (c & 0xfffe) == 0xfffe || (c >= 0xe0000 && c <= 0xe0fff);
}

static void add_char(struct buf *out, int32_t c, const char *p, size_t len)
{
	if (c < 0)
		buf_adds(out, "\xef\xbf\xbd");
	else if (c < 0x20 || c == 0x7f)
		buf_addf(out, "&#x%X;", c == 0x7f ? 0x2421u : 0x2400u + (unsigned)c);
	else if (is_sly(c))
		buf_addf(out, "[U+%04X]", (unsigned)c);
	else if (memchr("&<>\"'", c, 5))
		buf_addf(out, "&#%d;", (int)c);
	else
		buf_add(out, p, len);
}

void html_text(struct buf *out, const char *p, size_t len)
{
	for (size_t i = 0, n; i < len; i += n) {
		int32_t c = read_char((const unsigned char *)p + i, len - i, &n);

		add_char(out, c, p + i, n);
	}
}

/* How many bytes of a value are shown: no character is cut. */
static size_t shown_bytes(struct value v)
{
	size_t n = HTML_VALUE_MAX;

	if (v.len <= HTML_VALUE_MAX)
		return v.len;
	while (n > HTML_VALUE_MAX - 4 && ((unsigned char)v.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

void html_value(struct buf *out, struct value v)
{
	size_t n = shown_bytes(v);

	if (!v.len) {
		buf_adds(out, "<i>(empty)</i>");
		return;
	}
	buf_adds(out, "<bdi>");
	html_text(out, v.p, n);
	buf_adds(out, n < v.len ? "\xe2\x80\xa6</bdi>" : "</bdi>");
}

/* ---- addresses ---- */

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-._~", c));
}

void html_segment(struct buf *out, const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (is_plain(name[i]))
			buf_addc(out, name[i]);
		else
			buf_addf(out, "%%%02X", (unsigned char)name[i]);
}

void html_segments(struct buf *out, const char *path)
{
	for (const char *end; *path; path = end) {
		end = path + strcspn(path, "/");
		html_segment(out, path, (size_t)(end - path));
		for (; *end == '/'; end++)
			buf_addc(out, '/');
	}
}

void html_value_path(struct buf *out, enum facet f, struct value v)
{
	char name[NAME_LEN_MAX + 1];

	buf_addf(out, "%s/", facet_name[f]);
	html_segment(out, name, name_of_value(v, name));
}

/* ---- numbers ---- */

void html_number(struct buf *out, uint64_t n)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%" PRIu64, n);

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf_addc(out, ',');
		buf_addc(out, text[i]);
	}
}

void html_share(struct buf *out, uint64_t n, uint64_t of)
{
	double percent = of ? 100.0 * (double)n / (double)of : 0;

	if (!of)
		return;
	if (n && percent < 0.1)
		buf_adds(out, "&lt;\xc2\xa0"
			      "0.1\xc2\xa0%");
	else if (n < of && percent > 99.9)
		buf_adds(out, "&gt;\xc2\xa0"
			      "99.9\xc2\xa0%");
	else
		buf_addf(out, percent >= 99.95 || !n ? "%.0f\xc2\xa0%%" : "%.1f\xc2\xa0%%", percent);
}

/* ---- time ---- */

/* Days since 1970 to a date, by eras of 400 years that begin in March. */
struct html_moment html_moment(int64_t time)
{
	int64_t day = time / DAY_SECONDS - (time % DAY_SECONDS < 0), shifted = day + 719468;
	int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	unsigned second = (unsigned)(time - day * DAY_SECONDS), of_era = (unsigned)(shifted - era * 146097);
	unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;

	return (struct html_moment){
		.year = era * 400 + year + (month >= 10),
		.month = month < 10 ? month + 3 : month - 9,
		.day = of_year - (153 * month + 2) / 5 + 1,
		.hour = second / 3600,
		.minute = second / 60 % 60,
		.second = second % 60,
	};
}

void html_time(struct buf *out, int64_t time)
{
	struct html_moment m = html_moment(time);

	buf_addf(out,
		"<time datetime=\"%04" PRId64 "-%02u-%02uT%02u:%02u:%02uZ\">%04" PRId64
		"-%02u-%02u %02u:%02u:%02u</time>",
		m.year, m.month, m.day, m.hour, m.minute, m.second, m.year, m.month, m.day, m.hour, m.minute,
		m.second);
}
