/*
 * Tables of values: what is most frequent, and what deserves a look.
 */
#include <inttypes.h>
#include <string.h>

#include "render/report_private.h"

const char *const report_word[FACET_COUNT] = {"user", "event", "address", "service", "account", "region",
	"role", "access key", "error", "resource", "type", "category", "access", "agent"};
const char *const report_words[FACET_COUNT] = {"users", "events", "addresses", "services", "accounts",
	"regions", "roles", "access keys", "errors", "resources", "types", "categories", "kinds of access",
	"agents"};

static const char *const heading[FACET_COUNT] = {"Users", "Events", "Addresses", "Services", "Accounts",
	"Regions", "Roles", "Access keys", "Errors", "Resources", "Types", "Categories", "Access", "Agents"};

/* ---- parts ---- */

void report_count(struct buf *out, uint64_t n, const char *one, const char *many)
{
	buf_adds(out, "<b>");
	html_number(out, n);
	buf_addf(out, "</b> %s", n == 1 ? one : many);
}

/* A value that leads to its report, below `above` (an address that ends in /). */
static void write_link(
	struct buf *out, const struct report *r, const char *above, enum facet f, struct value v)
{
	if (r->linked) {
		buf_addf(out, "<a href=\"%s", above);
		html_value_path(out, f, v);
		buf_adds(out, "/" REPORT_NAME "\">");
	}
	html_value(out, v);
	if (r->linked)
		buf_adds(out, "</a>");
}

/* What of a list is not shown. */
static void write_rest(
	struct buf *out, const struct report *r, const char *above, const struct report_list *l)
{
	if (l->distinct <= l->n)
		return;
	buf_adds(out, "<p class=\"rest\">and ");
	html_number(out, l->distinct - l->n);
	if (r->linked)
		buf_addf(out, " more, all in <a href=\"%s%s/counts.tsv\">counts.tsv</a></p>", above,
			facet_name[l->facet]);
	else
		buf_adds(out, " more</p>");
}

static void write_values(
	struct buf *out, const struct report *r, const char *above, const struct report_list *l, uint64_t of)
{
	buf_addf(out,
		"<table class=\"top\"><thead><tr><th scope=\"col\">%.1s%s</th><th scope=\"col\">Events</th>"
		"<th scope=\"col\">Share</th></tr></thead><tbody>\n",
		heading[l->facet], report_word[l->facet] + 1);
	for (size_t i = 0; i < l->n; i++) {
		buf_adds(out, "<tr><th scope=\"row\">");
		write_link(out, r, above, l->facet, l->row[i].value);
		buf_addf(out, "<span class=\"bar%s\" style=\"width:%.2f%%\"></span></th><td>",
			l->facet == FACET_ERROR ? " error" : "",
			of ? 100.0 * (double)l->row[i].n / (double)of : 0.0);
		html_number(out, l->row[i].n);
		buf_adds(out, "</td><td>");
		html_share(out, l->row[i].n, of);
		buf_adds(out, "</td></tr>\n");
	}
	buf_adds(out, "</tbody></table>");
	write_rest(out, r, above, l);
}

/* ---- most frequent ---- */

void report_lists(struct buf *out, const struct report *r)
{
	if (!r->events)
		return;
	buf_adds(out, "<section aria-labelledby=\"most\"><h2 id=\"most\">Most frequent</h2><div "
		      "class=\"lists\">\n");
	for (size_t i = 0; i < r->n_lists; i++) {
		const struct report_list *l = &r->list[i];

		buf_addf(out, "<section class=\"card\"><h3>%s <small>", heading[l->facet]);
		html_number(out, l->distinct);
		buf_adds(out, "</small></h3>");
		if (l->n)
			write_values(out, r, "", l, r->events);
		else
			buf_adds(out, "<p class=\"none\">None.</p>");
		buf_adds(out, "</section>\n");
	}
	buf_adds(out, "</div></section>\n");
}

/* ---- failed sign-ins ---- */

static void write_signin(struct buf *out, const struct report *r, const struct report_signin *s)
{
	buf_adds(out, "<tr><th scope=\"row\"><a href=\"");
	html_segments(out, s->path);
	buf_adds(out, "\">");
	if (s->time == EVENT_UNDATED)
		buf_adds(out, "undated");
	else
		html_time(out, s->time);
	buf_adds(out, "</a></th><td>");
	if (s->user.p)
		write_link(out, r, "", FACET_USER, s->user);
	buf_adds(out, "</td><td>");
	if (s->ip.p)
		write_link(out, r, "", FACET_IP, s->ip);
	buf_adds(out, "</td><td>");
	if (s->why)
		html_value(out, (struct value){s->why, (uint32_t)s->why_len});
	buf_adds(out, "</td></tr>\n");
}

static void write_signins(struct buf *out, const struct report *r)
{
	buf_adds(out, "<section class=\"card\"><h3>Failed console sign-ins <small>");
	html_number(out, r->signins_failed);
	buf_adds(out, "</small></h3><p>");
	report_count(out, r->signins, "console sign-in", "console sign-ins");
	if (r->signins_looked < r->signins) {
		buf_adds(out, ", of which the newest ");
		html_number(out, r->signins_looked);
		buf_adds(out, " were looked at");
	}
	buf_adds(out, "; ");
	report_count(out, r->signins_failed, "failed.", "failed.");
	if (r->signins_unread) {
		buf_adds(out, " <strong>");
		html_number(out, r->signins_unread);
		buf_adds(out, " could not be read</strong> and may have failed.");
	}
	buf_adds(out, "</p>");
	if (r->n_signins) {
		buf_adds(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"The newest "
			      "failed sign-ins\"><table><thead><tr><th scope=\"col\">Time (UTC)</th><th "
			      "scope=\"col\">"
			      "User</th><th scope=\"col\">Address</th><th "
			      "scope=\"col\">Why</th></tr></thead><tbody>\n");
		for (size_t i = 0; i < r->n_signins; i++)
			write_signin(out, r, &r->signin[i]);
		buf_adds(out, "</tbody></table></div>");
	}
	if (r->n_signins < r->signins_failed) {
		buf_adds(out, "<p class=\"rest\">and ");
		html_number(out, r->signins_failed - r->n_signins);
		buf_adds(out, " older ones</p>");
	}
	buf_adds(out, "</section>\n");
}

/* ---- root ---- */

static void write_root(struct buf *out, const struct report *r)
{
	buf_adds(out, "<section class=\"card\"><h3>Root use <small>");
	html_number(out, r->root);
	buf_adds(out, "</small></h3><p>");
	if (r->linked && r->root)
		buf_adds(out, "<a href=\"by-type/Root/" REPORT_NAME "\">");
	report_count(out, r->root, "event", "events");
	buf_adds(out, r->linked && r->root ? "</a> of the account&#39;s own user.</p>"
					   : " of the account&#39;s own user.</p>");
	if (r->root)
		write_values(out, r, "by-type/Root/", &r->root_events, r->root);
	buf_adds(out, "</section>\n");
}

/* ---- seen for the first time ---- */

static void write_fresh(struct buf *out, const struct report *r, const struct report_list *l)
{
	buf_addf(out, "<section class=\"card\"><h3>New %s <small>", report_words[l->facet]);
	html_number(out, l->distinct);
	buf_adds(out, "</small></h3>");
	if (!l->n)
		buf_adds(out, "<p class=\"none\">None.</p>");
	if (l->n)
		buf_addf(out,
			"<table class=\"top\"><thead><tr><th scope=\"col\">%.1s%s</th><th "
			"scope=\"col\">First event here</th>"
			"<th scope=\"col\">Events</th></tr></thead><tbody>\n",
			heading[l->facet], report_word[l->facet] + 1);
	for (size_t i = 0; i < l->n; i++) {
		buf_adds(out, "<tr><th scope=\"row\">");
		write_link(out, r, "", l->facet, l->row[i].value);
		buf_adds(out, "</th><td>");
		html_time(out, l->row[i].first);
		buf_adds(out, "</td><td>");
		html_number(out, l->row[i].n);
		buf_adds(out, "</td></tr>\n");
	}
	if (l->n)
		buf_adds(out, "</tbody></table>");
	if (l->n < l->distinct) {
		buf_adds(out, "<p class=\"rest\">and ");
		html_number(out, l->distinct - l->n);
		buf_adds(out, " that came before these</p>");
	}
	buf_adds(out, "</section>\n");
}

static void write_new(struct buf *out, const struct report *r)
{
	if (r->older == REPORT_OLDER_NONE)
		return;
	buf_adds(out, "<section aria-labelledby=\"new\"><h2 id=\"new\">Seen for the first time</h2><p>");
	if (r->older == REPORT_OLDER_UNKNOWN) {
		buf_adds(out, "Not known yet: not all older logs have been read.</p></section>\n");
		return;
	}
	buf_adds(out, "What no event of the whole trail before ");
	html_time(out, r->since);
	buf_adds(out, " has, other filters aside. The newest first.</p><div class=\"lists\">\n");
	for (size_t i = 0; i < r->n_fresh; i++)
		write_fresh(out, r, &r->fresh[i]);
	buf_adds(out, "</div></section>\n");
}

void report_findings(struct buf *out, const struct report *r)
{
	if (!r->events)
		return;
	buf_adds(out,
		"<section aria-labelledby=\"look\"><h2 id=\"look\">Worth a look</h2><div class=\"pair\">\n");
	write_signins(out, r);
	write_root(out, r);
	buf_adds(out, "</div></section>\n");
	write_new(out, r);
}
