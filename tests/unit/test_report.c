/*
 * The page: what comes from outside stays text, links lead where the names are, bars suit the span.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render/html.h"
#include "render/report.h"

#define LITERAL(text) ((struct value){text, sizeof(text) - 1})
#define DAY           86400ll

static void holds(struct buf *b, const char *want)
{
	char *text = buf_steal(b, NULL);

	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
}

/* ---- text ---- */

static void values_stay_text(void **state)
{
	static const struct {
		struct value value;
		const char *shown;
	} rows[] = {
		{{"plain", 5}, "<bdi>plain</bdi>"},
		{{"", 0}, "<i>(empty)</i>"},
		{LITERAL("<script>alert(1)</script>"),
			"<bdi>&#60;script&#62;alert(1)&#60;/script&#62;</bdi>"},
		{LITERAL("\" onload='x' &amp;"), "<bdi>&#34; onload=&#39;x&#39; &#38;amp;</bdi>"},
		{LITERAL("a\0b\n\x7f"), "<bdi>a&#x2400;b&#x240A;&#x2421;</bdi>"},
		{LITERAL("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
			"<bdi>\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80</bdi>"},
		/* Not UTF-8: alone, cut short, too long for its value, a surrogate, beyond the end. */
		{LITERAL("\xff.\xc3"), "<bdi>\xef\xbf\xbd.\xef\xbf\xbd</bdi>"},
		{LITERAL("\xc0\xaf"), "<bdi>\xef\xbf\xbd\xef\xbf\xbd</bdi>"},
		{LITERAL("\xe0\x80\xbc"), "<bdi>\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd</bdi>"},
		{LITERAL("\xed\xa0\x80"), "<bdi>\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd</bdi>"},
		{LITERAL("\xf4\x90\x80\x80"), "<bdi>\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd</bdi>"},
		/* What turns or hides text. */
		{LITERAL("\xe2\x80\xae"
			 "ecila"),
			"<bdi>[U+202E]ecila</bdi>"},
		{LITERAL("al\xe2\x80\x8b"
			 "ice\xef\xbb\xbf"),
			"<bdi>al[U+200B]ice[U+FEFF]</bdi>"},
		{LITERAL("\xc2\x85\xef\xbf\xbf"), "<bdi>[U+0085][U+FFFF]</bdi>"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf b = {0};

		html_value(&b, rows[i].value);
		holds(&b, rows[i].shown);
	}
}

static void long_values_are_cut(void **state)
{
	char text[400], want[1000];
	struct buf b = {0};

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text + HTML_VALUE_MAX - 1, "\xe2\x82\xac", 3);
	html_value(&b, (struct value){text, sizeof(text)});
	snprintf(want, sizeof(want), "<bdi>%.*s\xe2\x80\xa6</bdi>", HTML_VALUE_MAX - 1, text);
	holds(&b, want);
	html_value(&b, (struct value){text, HTML_VALUE_MAX + 2});
	holds(&b, want);
	memset(text, '\x80', sizeof(text));
	html_value(&b, (struct value){text, sizeof(text)});
	assert_false(b.failed);
	buf_clear(&b);
}

static void addresses(void **state)
{
	static const struct {
		struct value value;
		const char *path;
	} rows[] = {
		{LITERAL("alice"), "by-user/alice"},
		{LITERAL("javascript:alert(1)"), "by-user/javascript%3Aalert%281%29"},
		{LITERAL("a b?c#d"), "by-user/a%20b%3Fc%23d"},
		{LITERAL("\"'<>&"), "by-user/%22%27%3C%3E%26"},
		/* Names, which are encoded once themselves. */
		{LITERAL("a/b"), "by-user/a%252Fb"},
		{LITERAL(".."), "by-user/%252E."},
		{LITERAL("."), "by-user/%252E"},
		{{"", 0}, "by-user/%25"},
		{LITERAL("\xff"), "by-user/%25FF"},
		{LITERAL("\xc3\xa9"), "by-user/%C3%A9"},
	};
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		html_value_path(&b, FACET_USER, rows[i].value);
		holds(&b, rows[i].path);
	}
	html_segments(&b, "2025/06/a b:c.json");
	holds(&b, "2025/06/a%20b%3Ac.json");
}

static void numbers(void **state)
{
	static const struct {
		uint64_t n;
		const char *text;
	} rows[] = {{0, "0"}, {999, "999"}, {1000, "1,000"}, {1234567, "1,234,567"},
		{UINT64_MAX, "18,446,744,073,709,551,615"}};
	static const struct {
		uint64_t n, of;
		const char *text;
	} shares[] = {{0, 7, "0\xc2\xa0%"}, {7, 7, "100\xc2\xa0%"}, {1, 3, "33.3\xc2\xa0%"},
		{1, 100000,
			"&lt;\xc2\xa0"
			"0.1\xc2\xa0%"},
		{99999, 100000,
			"&gt;\xc2\xa0"
			"99.9\xc2\xa0%"},
		{1, 0, ""}};
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		html_number(&b, rows[i].n);
		holds(&b, rows[i].text);
	}
	for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++) {
		html_share(&b, shares[i].n, shares[i].of);
		holds(&b, shares[i].text);
	}
}

static void moments(void **state)
{
	static const struct {
		int64_t time;
		const char *text;
	} rows[] = {
		{0, "1970-01-01 00:00:00"},
		{-1, "1969-12-31 23:59:59"},
		{951782400, "2000-02-29 00:00:00"},
		{4107542399, "2100-02-28 23:59:59"},
		{1750325400, "2025-06-19 09:30:00"},
		{-62135596800, "0001-01-01 00:00:00"},
		{253402300799, "9999-12-31 23:59:59"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf b = {0};
		char *text;

		html_time(&b, rows[i].time);
		text = buf_steal(&b, NULL);
		assert_non_null(strstr(text, rows[i].text));
		free(text);
	}
}

/* ---- bars ---- */

static void scales(void **state)
{
	static const struct {
		int64_t first, last, width;
		size_t n;
	} rows[] = {
		{100, 100, 60, 1},
		{0, 7199, 60, 120},
		{0, 7200, 300, 25},
		{59, 7259, 300, 25},
		{0, DAY - 1, 900, 96},
		{0, 5 * DAY - 1, 3600, 120},
		{0, 30 * DAY - 1, 6 * 3600, 120},
		{0, 120 * DAY - 1, DAY, 120},
		{0, 365 * DAY, 7 * DAY, 53},
		/* Weeks begin on Mondays: 1970-01-05 was one. */
		{4 * DAY, 364 * DAY + 4 * DAY - 1, 7 * DAY, 52},
		{-62135596800, 253402300799, 128 * 364 * DAY, 79},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct report_scale s = report_scale(rows[i].first, rows[i].last);

		assert_int_equal(s.width, rows[i].width * (rows[i].n ? 1 : s.width / rows[i].width));
		if (rows[i].n)
			assert_int_equal(s.n, rows[i].n);
		assert_in_range(s.n, 1, REPORT_BARS);
		assert_true(s.start <= rows[i].first && rows[i].first < s.start + s.width);
		assert_true(rows[i].last < s.start + (int64_t)s.n * s.width);
		assert_true(rows[i].last >= s.start + (int64_t)(s.n - 1) * s.width);
	}
	assert_int_equal(report_scale(1, 0).n, 0);
}

/* ---- the page ---- */

static char *page_of(const struct report *r)
{
	struct buf b = {0};
	char *text;

	report_write(&b, r);
	text = buf_steal(&b, NULL);
	assert_non_null(text);
	return text;
}

static void has(const char *page, const char *what)
{
	if (!strstr(page, what))
		fail_msg("not in the page: %s", what);
}

static void lacks(const char *page, const char *what)
{
	if (strstr(page, what))
		fail_msg("in the page: %s", what);
}

static const struct value hostile = {"\"><script src=//x.test>'", 24};

static void nothing_hostile_comes_through(void **state)
{
	struct report_step steps[] = {
		{REPORT_STEP_VALUE, FACET_AGENT, hostile}, {REPORT_STEP_RANGE, FACET_COUNT, LITERAL("@24h")}};
	struct report_list list = {FACET_USER, 30, 1, {{hostile, 5, 100}}};
	struct report_bar bar = {10, 5, 5, 3};
	struct report_signin signin = {100, hostile, hostile, "\"><b.json", hostile.p, hostile.len};
	struct report r = {.step = steps,
		.n_steps = 2,
		.linked = true,
		.events = 10,
		.reads = 5,
		.writes = 5,
		.errors = 3,
		.first = 60,
		.last = 100,
		.scale = report_scale(60, 100),
		.bar = &bar,
		.list = &list,
		.n_lists = 1,
		.signins = 1,
		.signins_looked = 1,
		.signins_failed = 1,
		.signin = &signin,
		.n_signins = 1,
		.root = 3,
		.root_events = list,
		.older = REPORT_OLDER_KNOWN,
		.since = 50,
		.fresh = &list,
		.n_fresh = 1};
	char *page = page_of(&r);

	(void)state;
	lacks(page, "<script");
	lacks(page, "//x.test>");
	lacks(page, "><b.json");
	lacks(page, "http://");
	lacks(page, "https://");
	has(page, "href=\"by-user/%22%3E%3Cscript%20src%3D%252F%252Fx.test%3E%27/report.html\"");
	has(page, "href=\"by-type/Root/by-user/");
	has(page, "href=\"%401970-01-01T00%3A01/report.html\"");
	has(page, "href=\"%22%3E%3Cb.json\"");
	has(page, "href=\"../report.html\"");
	has(page, "in the last <b>24h</b>");
	has(page, "counts.tsv");
	free(page);
	/* Too deep for anything narrower: no link but to what is there. */
	r.linked = false;
	page = page_of(&r);
	lacks(page, "href=\"by-");
	lacks(page, "href=\"%40");
	has(page, "href=\"../report.html\"");
	free(page);
}

static void what_was_asked(void **state)
{
	struct report_step steps[] = {{REPORT_STEP_VALUE, FACET_USER, LITERAL("alice")},
		{REPORT_STEP_DATE, FACET_COUNT, LITERAL("2025")},
		{REPORT_STEP_DATE, FACET_COUNT, LITERAL("06")},
		{REPORT_STEP_VALUE, FACET_ERROR, LITERAL("AccessDenied")},
		{REPORT_STEP_RANGE, FACET_COUNT, LITERAL("@2025-06-01..")}};
	struct report r = {.step = steps, .n_steps = 5, .first = 1, .made = 1750325400, .unread = 2};
	char *page = page_of(&r);

	(void)state;
	has(page, "<h1>Events where user is <b><bdi>alice</bdi></b> and error is "
		  "<b><bdi>AccessDenied</bdi></b>, in "
		  "<b>2025</b>/<b>06</b>, in <b>2025-06-01..</b></h1>");
	has(page, "<title>Events where user is alice and error is AccessDenied, in 2025/06, in 2025-06-01.. "
		  "- ");
	has(page, "<a href=\"../../../../../report.html\"><span>user</span>");
	has(page, "<a href=\"../../../../report.html\">2025</a>");
	has(page, "<a href=\"../report.html\"><span>error</span>");
	has(page, "<a aria-current=\"page\" href=\"report.html\">@2025-06-01..</a>");
	has(page, "2025-06-19 09:30:00</time> UTC by trailfs");
	has(page, "There are no such events.");
	has(page, "<b>2</b> objects of the source could not be read");
	lacks(page, "<svg");
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_stay_text),
		cmocka_unit_test(long_values_are_cut),
		cmocka_unit_test(addresses),
		cmocka_unit_test(numbers),
		cmocka_unit_test(moments),
		cmocka_unit_test(scales),
		cmocka_unit_test(nothing_hostile_comes_through),
		cmocka_unit_test(what_was_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
