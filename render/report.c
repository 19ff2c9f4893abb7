/*
 * The page's order: what was asked, the numbers, the timeline, what deserves a look, what is most frequent.
 */
#include "render/report.h"

#include <inttypes.h>
#include <string.h>

#include "render/report_private.h"

/* ---- in words ---- */

static void write_words(struct buf *out, const struct report *r, bool plain)
{
	const char *join = " where ";

	size_t n = 0;

	for (size_t i = 0; i < r->n_steps; i++)
		n += r->step[i].is == REPORT_STEP_VALUE;
	buf_adds(out, n ? "Events" : "All events");
	for (size_t i = 0; i < r->n_steps; i++) {
		const struct report_step *s = &r->step[i];

		if (s->is != REPORT_STEP_VALUE)
			continue;
		buf_addf(out, "%s%s is ", join, report_word[s->facet]);
		buf_adds(out, plain ? "" : "<b>");
		if (plain)
			html_text(out, s->value.p,
				s->value.len < HTML_VALUE_MAX ? s->value.len : HTML_VALUE_MAX);
		else
			html_value(out, s->value);
		buf_adds(out, plain ? "" : "</b>");
		join = " and ";
	}
}

/* An age is a number and a unit; a moment has four digits at least, and no unit. */
static bool is_age(struct value v)
{
	return v.len > 1 && strchr("smhdw", v.p[v.len - 1]) != NULL;
}

/* 2025/06/18, and each range. */
static void write_when(struct buf *out, const struct report *r, bool plain)
{
	bool dated = false;

	for (size_t i = 0; i < r->n_steps; i++) {
		const struct report_step *s = &r->step[i];
		struct value v = s->value;
		const char *join = s->is == REPORT_STEP_DATE && dated ? "/" : ", in ";

		if (s->is != REPORT_STEP_DATE && s->is != REPORT_STEP_RANGE)
			continue;
		if (s->is == REPORT_STEP_RANGE)
			v = (struct value){v.p + 1, v.len - 1};
		buf_adds(out, s->is == REPORT_STEP_RANGE && is_age(v) ? ", in the last " : join);
		buf_adds(out, plain ? "" : "<b>");
		html_text(out, v.p, v.len);
		buf_adds(out, plain ? "" : "</b>");
		dated = s->is == REPORT_STEP_DATE;
	}
}

/* ---- the way here ---- */

static size_t names_of(const struct report_step *s)
{
	return s->is == REPORT_STEP_VALUE ? 2 : 1;
}

static void write_step(struct buf *out, const struct report_step *s)
{
	if (s->is != REPORT_STEP_VALUE) {
		html_text(out, s->value.p, s->value.len);
		return;
	}
	buf_addf(out, "<span>%s</span>\xc2\xa0", report_word[s->facet]);
	html_value(out, s->value);
}

static void write_path(struct buf *out, const struct report *r)
{
	size_t up = 0;

	for (size_t i = 0; i < r->n_steps; i++)
		up += names_of(&r->step[i]);
	buf_adds(out, "<nav aria-label=\"Wider reports\"><ol>");
	for (size_t i = 0; i < r->n_steps; i++) {
		bool last = i + 1 == r->n_steps;

		up -= names_of(&r->step[i]);
		buf_adds(out, last ? "<li><a aria-current=\"page\" href=\"" : "<li><a href=\"");
		for (size_t k = 0; k < up; k++)
			buf_adds(out, "../");
		buf_adds(out, REPORT_NAME "\">");
		write_step(out, &r->step[i]);
		buf_adds(out, "</a></li>");
	}
	buf_adds(out, "</ol></nav>\n");
}

/* ---- numbers ---- */

static void write_number(struct buf *out, const char *what, uint64_t n, uint64_t of, bool bad)
{
	buf_addf(out, "<div%s><dt>%s", bad && n ? " class=\"bad\"" : "", what);
	if (of) {
		buf_adds(out, " <small>");
		html_share(out, n, of);
		buf_adds(out, "</small>");
	}
	buf_adds(out, "</dt><dd>");
	html_number(out, n);
	buf_adds(out, "</dd></div>");
}

static void write_span(struct buf *out, const struct report *r)
{
	buf_adds(out, "<p class=\"span\">");
	if (r->first <= r->last) {
		buf_adds(out, "First event ");
		html_time(out, r->first);
		buf_adds(out, ", last event ");
		html_time(out, r->last);
		buf_adds(out, ", all times in UTC.");
	}
	if (r->undated) {
		buf_adds(out, " ");
		report_count(out, r->undated, "event has", "events have");
		buf_adds(out, " no time that can be read.");
	}
	buf_adds(out, "</p>\n");
}

static void write_numbers(struct buf *out, const struct report *r)
{
	buf_adds(out, "<dl class=\"numbers\">");
	write_number(out, "Events", r->events, 0, false);
	write_number(out, "Writes", r->writes, r->events, false);
	write_number(out, "Reads", r->reads, r->events, false);
	write_number(out, "Errors", r->errors, r->events, true);
	write_number(out, "Failed sign-ins", r->signins_failed, 0, true);
	write_number(out, "Root events", r->root, 0, true);
	buf_adds(out, "</dl>\n");
	if (!r->events)
		buf_adds(out, "<p class=\"empty\">There are no such events.</p>\n");
	else
		write_span(out, r);
	if (r->unread) {
		buf_adds(out, "<p class=\"warning\"><strong>Not complete:</strong> ");
		report_count(out, r->unread, "object of the source", "objects of the source");
		buf_adds(out, " could not be read, and may hold events that are not counted here. The file "
			      "ERRORS at "
			      "the top of the mount names them.</p>\n");
	}
}

/* ---- the page ---- */

static void write_head(struct buf *out, const struct report *r)
{
	buf_adds(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
		      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src &#39;none&#39;; "
		      "style-src "
		      "&#39;unsafe-inline&#39;; img-src data:\"/>\n"
		      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
		      "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
		      "<meta name=\"referrer\" content=\"no-referrer\"/>\n"
		      "<link rel=\"icon\" href=\"data:,\"/>\n<title>");
	write_words(out, r, true);
	write_when(out, r, true);
	buf_addf(out, " - CloudTrail report</title>\n<style>\n%s</style>\n</head>\n", report_style);
}

void report_write(struct buf *out, const struct report *r)
{
	write_head(out, r);
	buf_adds(out, "<body>\n<header>\n<p class=\"kind\">CloudTrail report</p>\n<h1>");
	write_words(out, r, false);
	write_when(out, r, false);
	buf_adds(out, "</h1>\n");
	write_path(out, r);
	buf_adds(out, "</header>\n<main>\n");
	write_numbers(out, r);
	report_chart(out, r);
	report_findings(out, r);
	report_lists(out, r);
	buf_adds(out, "</main>\n<footer><p>Made ");
	html_time(out, r->made);
	buf_addf(out,
		" UTC by trailfs %s. Links are relative: they lead on as long as this page is where it was "
		"made.</p></footer>\n</body>\n</html>\n",
		TRAILFS_VERSION);
}
