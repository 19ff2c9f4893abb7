/*
 * The timeline: bars of writes and reads upwards, of errors downwards, on one scale; the same as a table.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "render/report_private.h"

#define MINUTE 60
#define HOUR   3600
#define DAY    86400
#define WEEK   (7 * DAY)
#define MONDAY (4 * DAY) /* after the start of 1970 */

#define WIDE       1000.0 /* units of the drawing */
#define HIGH       240.0
#define LEAST      3.0 /* of a bar that is not nothing */
#define MOMENT_MAX 40
#define TICKS      8

/* ---- the scale ---- */

static int64_t align(int64_t time, int64_t width)
{
	int64_t by = width >= WEEK ? time - MONDAY : time, over = by % width;

	return time - (over < 0 ? over + width : over);
}

/* Ascending, without end. */
static int64_t nice_width(size_t i)
{
	static const int64_t widths[] = {MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
		DAY, WEEK, 4 * WEEK, 13 * WEEK, 52 * WEEK};
	const size_t n = sizeof(widths) / sizeof(*widths);
	int64_t width = widths[i < n ? i : n - 1];

	for (; i >= n; i--)
		width *= 2;
	return width;
}

struct report_scale report_scale(int64_t first, int64_t last)
{
	struct report_scale s = {0};

	if (first > last)
		return s;
	for (size_t i = 0; !s.width || (last - s.start) / s.width >= REPORT_BARS; i++) {
		s.width = nice_width(i);
		s.start = align(first, s.width);
	}
	s.n = (size_t)((last - s.start) / s.width) + 1;
	return s;
}

static void write_width(struct buf *out, int64_t width)
{
	static const struct {
		int64_t seconds;
		const char *one, *many;
	} units[] = {{52 * WEEK, "52 weeks", "times 52 weeks"}, {WEEK, "week", "weeks"}, {DAY, "day", "days"},
		{HOUR, "hour", "hours"}, {MINUTE, "minute", "minutes"}};
	size_t i = 0;

	while (width % units[i].seconds)
		i++;
	if (width == units[i].seconds)
		buf_addf(out, "%s%s", i ? "one " : "", units[i].one);
	else
		buf_addf(out, "%" PRId64 " %s", width / units[i].seconds, units[i].many);
}

/* ---- moments ---- */

/* 2025-06-19T09:30 as far as bars of a width need it; between: 'T' in names, where full hours have no
 * minutes. */
static void write_moment(char out[MOMENT_MAX], int64_t time, int64_t width, char between)
{
	struct html_moment m = html_moment(time);
	int n = snprintf(out, MOMENT_MAX, "%04" PRId64 "-%02u-%02u", m.year, m.month, m.day);

	if (width < DAY)
		n += snprintf(out + n, MOMENT_MAX - (size_t)n, "%c%02u", between, m.hour);
	if (width < HOUR || (width < DAY && between != 'T'))
		snprintf(out + n, MOMENT_MAX - (size_t)n, ":%02u", m.minute);
}

static int64_t bar_start(const struct report_scale *s, size_t i)
{
	return s->start + (int64_t)i * s->width;
}

/* The directory of a bar's range, as an address. */
static void write_range(struct buf *out, const struct report_scale *s, size_t i)
{
	char text[MOMENT_MAX];

	write_moment(text, bar_start(s, i), s->width, 'T');
	buf_adds(out, "%40");
	html_segments(out, text);
	if (s->width == MINUTE || s->width == HOUR || s->width == DAY)
		return;
	write_moment(text, bar_start(s, i + 1) - 1, s->width, 'T');
	buf_adds(out, "..");
	html_segments(out, text);
}

static void open_link(struct buf *out, const struct report *r, size_t i, const char *more)
{
	if (!r->linked)
		return;
	buf_adds(out, "<a href=\"");
	write_range(out, &r->scale, i);
	buf_addf(out, "/" REPORT_NAME "\"%s>", more);
}

static void close_link(struct buf *out, const struct report *r)
{
	if (r->linked)
		buf_adds(out, "</a>");
}

/* ---- bars ---- */

struct drawing {
	uint64_t top;    /* what the highest line stands for */
	uint32_t errors; /* most of a bar */
	double base;     /* where bars stand */
};

/* One digit and zeros: what can be halved, where it is not small. */
static uint64_t round_up(uint64_t n)
{
	static const uint64_t digits[] = {1, 2, 3, 4, 6, 8, 10};
	uint64_t ten = 1;
	size_t i = 0;

	while (n > 10 * ten)
		ten *= 10;
	while (n > digits[i] * ten)
		i++;
	return digits[i] * ten;
}

static struct drawing measure(const struct report *r)
{
	struct drawing d = {0};
	uint32_t most = 1;
	double below;

	for (size_t i = 0; i < r->scale.n; i++) {
		most = r->bar[i].events > most ? r->bar[i].events : most;
		d.errors = r->bar[i].errors > d.errors ? r->bar[i].errors : d.errors;
	}
	d.top = round_up(most);
	below = (double)d.errors / (double)d.top;
	d.base = HIGH / (1 + below);
	if (d.errors && HIGH - d.base < LEAST + 1)
		d.base = HIGH - LEAST - 1;
	return d;
}

static double height(const struct drawing *d, uint64_t n)
{
	double h = d->base * (double)n / (double)d->top;

	return !n ? 0 : h < LEAST ? LEAST : h;
}

static void write_rect(struct buf *out, const char *class, double x, double wide, double y, double high)
{
	if (high > 0)
		buf_addf(out, "<rect class=\"%s\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>",
			class, x, y, wide, high);
}

static void write_bar(struct buf *out, const struct report *r, const struct drawing *d, size_t i)
{
	const struct report_bar *b = &r->bar[i];
	double step = WIDE / (double)r->scale.n, gap = step * 0.15, x = (double)i * step + gap / 2;
	double all = height(d, b->events), write = height(d, b->writes), read = height(d, b->reads);
	char when[MOMENT_MAX];

	write_moment(when, bar_start(&r->scale, i), r->scale.width, ' ');
	open_link(out, r, i, " tabindex=\"-1\"");
	buf_addf(out, "<g><title>%s: ", when);
	html_number(out, b->events);
	buf_addf(out, " events, %" PRIu32 " read, %" PRIu32 " write, %" PRIu32 " errors</title>", b->reads,
		b->writes, b->errors);
	/* The whole height can be pointed at. */
	write_rect(out, "hit", (double)i * step, step, 0, HIGH);
	if (write + read > all)
		all = write + read;
	write_rect(out, "other", x, step - gap, d->base - all, all - write - read);
	write_rect(out, "read", x, step - gap, d->base - write - read, read);
	write_rect(out, "write", x, step - gap, d->base - write, write);
	write_rect(out, "error", x, step - gap, d->base + 1, height(d, b->errors));
	buf_adds(out, "</g>");
	close_link(out, r);
}

static void write_description(struct buf *out, const struct report *r)
{
	size_t most = 0, failing = 0;
	char when[MOMENT_MAX];

	for (size_t i = 0; i < r->scale.n; i++) {
		most = r->bar[i].events > r->bar[most].events ? i : most;
		failing += r->bar[i].errors != 0;
	}
	buf_adds(
		out, "<title id=\"chart-title\">Events over time</title><desc id=\"chart-text\">One bar is ");
	write_width(out, r->scale.width);
	write_moment(when, bar_start(&r->scale, 0), r->scale.width, ' ');
	buf_addf(out, ", the first one from %s. ", when);
	write_moment(when, bar_start(&r->scale, most), r->scale.width, ' ');
	buf_addf(out, "The highest has %" PRIu32 " events, from %s. %zu of %zu bars have errors.</desc>",
		r->bar[most].events, when, failing, r->scale.n);
}

static void write_line(struct buf *out, double y, const char *class)
{
	buf_addf(out, "<line class=\"%s\" x1=\"0\" x2=\"1000\" y1=\"%.2f\" y2=\"%.2f\"/>", class, y, y);
}

static void write_drawing(struct buf *out, const struct report *r, const struct drawing *d)
{
	buf_adds(out, "<svg role=\"img\" aria-labelledby=\"chart-title chart-text\" viewBox=\"0 0 1000 240\" "
		      "preserveAspectRatio=\"none\">");
	write_description(out, r);
	write_line(out, 0.5, "grid");
	if (d->top % 2 == 0)
		write_line(out, d->base / 2, "grid");
	for (size_t i = 0; i < r->scale.n; i++)
		if (r->bar[i].events)
			write_bar(out, r, d, i);
	write_line(out, d->base + 0.5, "base");
	buf_adds(out, "</svg>");
}

/* ---- what stands around it ---- */

static void write_legend(struct buf *out, const struct report *r, const struct drawing *d)
{
	char when[MOMENT_MAX];

	write_moment(when, r->scale.start, MINUTE, ' ');
	buf_adds(out, "<figcaption><span>One bar is ");
	write_width(out, r->scale.width);
	buf_addf(out, ", from %s on", when);
	buf_adds(out, "</span><span class=\"key write\">write</span><span class=\"key read\">read</span>");
	if (r->reads + r->writes < r->events - r->undated)
		buf_adds(out, "<span class=\"key other\">neither is said</span>");
	if (d->errors)
		buf_adds(out, "<span class=\"key error\">errors among them, below the line</span>");
	buf_adds(out, "</figcaption>");
}

/* Dates, and times of the day between them, at full hours, days and so on. */
static void write_ticks(struct buf *out, const struct report *r)
{
	const struct report_scale *s = &r->scale;
	int64_t span = (int64_t)s->n * s->width, width = s->width, start;
	char when[MOMENT_MAX];

	for (size_t i = 0; width < s->width || span / width > TICKS; i++)
		width = nice_width(i);
	start = align(s->start + width - 1, width);
	for (int64_t at = start; at < s->start + span; at += width) {
		bool timed = at % DAY != 0;

		write_moment(when, at, timed ? MINUTE : DAY, ' ');
		buf_addf(out, "<span style=\"left:%.2f%%\">%s</span>",
			100.0 * (double)(at - s->start) / (double)span, timed ? strchr(when, ' ') + 1 : when);
	}
}

static void write_axes(struct buf *out, const struct report *r, const struct drawing *d)
{
	buf_adds(out, "<div class=\"high\" aria-hidden=\"true\"><span style=\"top:0\">");
	html_number(out, d->top);
	if (d->top % 2 == 0) {
		buf_addf(out, "</span><span style=\"top:%.1f%%\">", 50 * d->base / HIGH);
		html_number(out, d->top / 2);
	}
	buf_adds(out, "</span></div><div class=\"wide\" aria-hidden=\"true\">");
	write_ticks(out, r);
	buf_adds(out, "</div>");
}

static void write_cell(struct buf *out, uint64_t n)
{
	buf_adds(out, "<td>");
	html_number(out, n);
	buf_adds(out, "</td>");
}

static void write_table(struct buf *out, const struct report *r)
{
	char when[MOMENT_MAX];

	buf_adds(out,
		"<details><summary>The timeline as a table</summary><table class=\"numbers\"><thead><tr>"
		"<th scope=\"col\">From (UTC)</th><th scope=\"col\">Events</th><th scope=\"col\">Write</th>"
		"<th scope=\"col\">Read</th><th scope=\"col\">Errors</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < r->scale.n; i++) {
		const struct report_bar *b = &r->bar[i];

		if (!b->events)
			continue;
		write_moment(when, bar_start(&r->scale, i), r->scale.width, ' ');
		buf_adds(out, "<tr><th scope=\"row\">");
		open_link(out, r, i, "");
		buf_adds(out, when);
		close_link(out, r);
		buf_adds(out, "</th>");
		write_cell(out, b->events);
		write_cell(out, b->writes);
		write_cell(out, b->reads);
		write_cell(out, b->errors);
		buf_adds(out, "</tr>\n");
	}
	buf_adds(out, "</tbody></table></details>");
}

void report_chart(struct buf *out, const struct report *r)
{
	struct drawing d;

	if (!r->scale.n)
		return;
	d = measure(r);
	buf_adds(out, "<section aria-labelledby=\"when\"><h2 id=\"when\">Timeline</h2><figure>");
	write_legend(out, r, &d);
	buf_adds(out, "<div class=\"chart\">");
	write_drawing(out, r, &d);
	write_axes(out, r, &d);
	buf_adds(out, "</div></figure>");
	write_table(out, r);
	buf_adds(out, "</section>\n");
}
