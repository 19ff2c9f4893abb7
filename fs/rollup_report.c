/*
 * The page of a directory: what is counted for it. All of it comes from the columns, but for the console
 * sign-ins.
 *
 * Rows are gone over once for the timeline and once for each facet: codes of one facet at a time are what the
 * processor reads fastest.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/rollup_report.h"
#include "render/html.h"

#define DAY_SECONDS 86400
#define DATE_MAX    24
#define STEPS_MAX   (3 * VIEW_TERMS_MAX + 5) /* a date is three */

static const enum facet listed[] = {
	FACET_USER, FACET_EVENT, FACET_ERROR, FACET_IP, FACET_SERVICE, FACET_REGION};
static const enum facet watched[] = {FACET_USER, FACET_IP, FACET_ACCESS_KEY};

#define N_LISTED  (sizeof(listed) / sizeof(*listed))
#define N_WATCHED (sizeof(watched) / sizeof(*watched))

struct page {
	struct plan *plan;
	const struct report_sources *from;
	struct report report;
	struct report_step step[STEPS_MAX];
	char date[DATE_MAX]; /* the directory's own */
	size_t n_terms;
	bool fixed[FACET_COUNT]; /* by the path */
	struct report_bar bar[REPORT_BARS];
	struct report_list list[N_LISTED], fresh[N_WATCHED];
	struct tally tally[N_LISTED], watch[N_WATCHED], root;
	struct signins signins;
	struct report_signin signin[REPORT_SIGNINS];
	struct buf paths; /* of these, each terminated */
};

/* ---- the path ---- */

static void add_step(struct page *x, enum report_step_is is, enum facet f, struct value v)
{
	x->report.n_steps++;
	x->step[x->report.n_steps - 1] = (struct report_step){is, f, v};
}

/* 2025/06/18 is three directories. */
static void add_date(struct page *x, struct value date)
{
	while (date.len) {
		const char *end = memchr(date.p, '/', date.len);
		uint32_t len = end ? (uint32_t)(end - date.p) : date.len, past = len + (end != NULL);

		add_step(x, REPORT_STEP_DATE, FACET_COUNT, (struct value){date.p, len});
		date = (struct value){date.p + past, date.len - past};
	}
}

static void add_events(struct page *x)
{
	add_step(x, REPORT_STEP_EVENTS, FACET_COUNT, (struct value){"events", 6});
}

static void add_term(struct page *x, enum facet f, struct value v)
{
	if (f != FACET_COUNT) {
		add_step(x, REPORT_STEP_VALUE, f, v);
		x->fixed[f] = f != FACET_RESOURCE;
		return;
	}
	if (v.len == 6 && !memcmp(v.p, "events", 6)) {
		add_events(x);
		return;
	}
	/* A date stands below events/, which it takes the place of. */
	if (!x->report.n_steps)
		add_events(x);
	if (v.p[0] == '@')
		add_step(x, REPORT_STEP_RANGE, FACET_COUNT, v);
	else
		add_date(x, v);
}

/* The directory's own year, month and day, or undated. */
static void add_own_date(struct page *x)
{
	const struct rollup_key *key = &x->plan->key;
	struct html_moment m = html_moment((int64_t)key->first * DAY_SECONDS);
	static const int digits[] = {0, 4, 7, 10};

	if (!key->dated)
		return;
	if (key->undated)
		snprintf(x->date, sizeof(x->date), "undated");
	else
		snprintf(x->date, sizeof(x->date), "%04d/%02u/%02u", (int)m.year, m.month, m.day);
	if (!key->undated)
		x->date[digits[key->dated]] = '\0';
	add_date(x, (struct value){x->date, (uint32_t)strlen(x->date)});
}

static void find_path(struct page *x)
{
	enum facet facet[VIEW_TERMS_MAX];
	struct value value[VIEW_TERMS_MAX];
	uint32_t filter = x->plan->key.filter;

	while (filter != VIEW_ALL) {
		filter = view_filter_last(x->from->view, filter, &facet[x->n_terms], &value[x->n_terms]);
		x->n_terms++;
	}
	for (size_t i = x->n_terms; i-- > 0;)
		add_term(x, facet[i], value[i]);
	if (!x->n_terms)
		add_events(x);
	add_own_date(x);
	x->report.step = x->step;
	/* A narrower directory is two terms more where there is a date: by-type/Root/by-event/NAME three. */
	x->report.linked = x->n_terms + 3 <= VIEW_TERMS_MAX;
}

/* ---- the timeline ---- */

/* What is looked for in a part. */
struct codes {
	uint32_t read, write, signin;
};

static uint32_t code_of(const struct segment *s, enum facet f, const char *text)
{
	return segment_find_value(s, f, (struct value){text, (uint32_t)strlen(text)});
}

static struct codes find_codes(const struct segment *s)
{
	return (struct codes){code_of(s, FACET_ACCESS, "read"), code_of(s, FACET_ACCESS, "write"),
		code_of(s, FACET_EVENT, "ConsoleLogin")};
}

static bool has(uint32_t code, uint32_t wanted)
{
	return code == wanted && code != SEGMENT_NO_CODE;
}

static void count_row(
	struct page *x, const struct segment *s, const struct codes *c, int32_t day, uint32_t row)
{
	struct report *r = &x->report;
	uint32_t access = segment_row_code(s, FACET_ACCESS, row);
	bool failed = segment_row_code(s, FACET_ERROR, row) != SEGMENT_NO_CODE;
	struct report_bar *b;
	int64_t time;

	r->reads += has(access, c->read);
	r->writes += has(access, c->write);
	r->errors += failed;
	if (day == SEGMENT_UNDATED) {
		r->undated++;
		return;
	}
	time = (int64_t)day * DAY_SECONDS + segment_row_second(s, row);
	if (time < r->first || time > r->last)
		return; /* only in an index that is damaged */
	b = &x->bar[(time - r->scale.start) / r->scale.width];
	b->events++;
	b->reads += has(access, c->read);
	b->writes += has(access, c->write);
	b->errors += failed;
}

static void count_rows(struct page *x, const struct view_rows *rows)
{
	uint32_t slice = UINT32_MAX;
	struct codes c = {0};

	for (size_t i = 0; i < rows->n; i++) {
		const struct segment *s = rows->day->slice[rows->at[i].slice].part->seg;

		if (rows->at[i].slice != slice) {
			slice = rows->at[i].slice;
			c = find_codes(s);
		}
		count_row(x, s, &c, rows->day->day, rows->at[i].row);
		if (has(segment_row_code(s, FACET_EVENT, rows->at[i].row), c.signin))
			signins_add(&x->signins, rows->day, rows->at[i]);
	}
}

static int64_t row_time(const struct view_rows *rows, size_t i)
{
	return (int64_t)rows->day->day * DAY_SECONDS +
	       segment_row_second(rows->day->slice[rows->at[i].slice].part->seg, rows->at[i].row);
}

/* The first and the last dated event: rows are in the order of time. */
static int find_span(struct page *x)
{
	struct plan *p = x->plan;
	size_t n = p->n_days;
	struct view_rows *rows;
	int err = 0;

	x->report.first = 1;
	x->report.last = 0;
	if (n && p->day[n - 1].is->day == SEGMENT_UNDATED)
		n--;
	for (size_t i = 0; i < n && !err && x->report.first > x->report.last; i++) {
		err = plan_rows(p, x->from->view, i, &rows);
		if (!err && rows->n) {
			x->report.first = row_time(rows, 0);
			x->report.last = row_time(rows, rows->n - 1);
		}
		if (!err)
			view_rows_unref(rows);
	}
	for (size_t i = n, found = 0; i-- > 0 && !err && !found;) {
		err = plan_rows(p, x->from->view, i, &rows);
		if (!err && (found = rows->n) > 0)
			x->report.last = row_time(rows, rows->n - 1);
		if (!err)
			view_rows_unref(rows);
	}
	if (!err)
		x->report.scale = report_scale(x->report.first, x->report.last);
	return err;
}

/* ---- counting ---- */

static int begin(struct page *x)
{
	const struct snapshot *s = x->plan->snapshot;
	int err = find_span(x);

	for (size_t i = 0; i < N_LISTED && !err; i++)
		err = tally_begin(&x->tally[i], s, listed[i]);
	for (size_t i = 0; i < N_WATCHED && !err; i++)
		err = tally_begin(&x->watch[i], s, watched[i]);
	if (!err)
		err = tally_begin(&x->root, s, FACET_EVENT);
	x->root.only_facet = FACET_TYPE;
	x->root.only = (struct value){"Root", 4};
	return err;
}

static int count_day(struct page *x, const struct view_rows *rows)
{
	int err = 0;

	count_rows(x, rows);
	for (size_t i = 0; i < N_LISTED && !err; i++)
		if (!x->fixed[listed[i]])
			err = tally_rows(&x->tally[i], rows);
	for (size_t i = 0; i < N_WATCHED && !err; i++)
		err = tally_rows(&x->watch[i], rows);
	return err ? err : tally_rows(&x->root, rows);
}

static int count_days(struct page *x)
{
	int err = 0;

	for (size_t i = 0; i < x->plan->n_days && !err; i++) {
		struct view_rows *rows;

		err = plan_rows(x->plan, x->from->view, i, &rows);
		if (err)
			break;
		err = count_day(x, rows);
		view_rows_unref(rows);
	}
	return err;
}

/* ---- lists ---- */

static void fill_list(struct report_list *l, const struct tally *t, size_t n)
{
	*l = (struct report_list){.facet = t->facet, .distinct = t->n, .n = n};
	for (size_t i = 0; i < n; i++)
		l->row[i] = (struct report_row){t->value[i].value, t->value[i].n, t->value[i].first};
}

static int make_lists(struct page *x)
{
	struct report *r = &x->report;
	int err = tally_end(&x->root);

	if (err)
		return err;
	for (size_t i = 0; i < x->root.n; i++)
		r->root += x->root.value[i].n;
	fill_list(&r->root_events, &x->root, tally_top(&x->root, REPORT_TOP));
	for (size_t i = 0; i < N_LISTED && !err; i++) {
		if (x->fixed[listed[i]])
			continue;
		err = tally_end(&x->tally[i]);
		if (!err)
			fill_list(&x->list[r->n_lists++], &x->tally[i], tally_top(&x->tally[i], REPORT_TOP));
	}
	r->list = x->list;
	return err;
}

/* ---- what is new ---- */

static int newest_first(const void *a, const void *b)
{
	const struct tally_value *x = a, *y = b;

	return x->first > y->first ? -1 : x->first < y->first;
}

/* From when on the directory has events; RANGE_ALL.from: from the first one on. */
static int64_t find_since(const struct page *x)
{
	const struct rollup_key *key = &x->plan->key;
	int64_t from = view_from(x->from->view, key->filter), first = (int64_t)key->first * DAY_SECONDS;

	return key->first > SEGMENT_UNDATED + 1 && first > from ? first : from;
}

static int find_new(struct page *x)
{
	struct report *r = &x->report;
	struct plan *p = x->plan;
	bool older = false;
	int err = 0;

	r->since = find_since(x);
	if (r->since == RANGE_ALL.from || r->first > r->last)
		return 0;
	r->older = REPORT_OLDER_UNKNOWN;
	if (p->provisional || catalog_unread(x->from->catalog, INT32_MIN, INT32_MAX))
		return 0;
	for (size_t i = 0; i < N_WATCHED && !err; i++) {
		struct tally *t = &x->watch[i];

		err = tally_end(t);
		if (!err)
			err = tally_keep_new(t, p->snapshot, x->from->days, r->since, &older);
		if (!err && t->n)
			qsort(t->value, t->n, sizeof(*t->value), newest_first);
		if (!err)
			fill_list(&x->fresh[i], t, t->n < REPORT_TOP ? t->n : REPORT_TOP);
	}
	for (size_t i = 0; i < p->snapshot->n && !err; i++)
		err = segment_is_bad(p->snapshot->part[i]->seg) ? -EUCLEAN : 0;
	r->older = older ? REPORT_OLDER_KNOWN : REPORT_OLDER_NONE;
	r->fresh = x->fresh;
	r->n_fresh = N_WATCHED;
	return err;
}

/* ---- console sign-ins ---- */

static struct value value_of(const struct signin *s, enum facet f)
{
	const struct segment *seg = s->day->slice[s->at.slice].part->seg;
	uint32_t code = segment_row_code(seg, f, s->at.row);

	return code == SEGMENT_NO_CODE ? (struct value){NULL, 0} : segment_value(seg, f, code);
}

/* The event's file, as far as its date is not the directory's. */
static void add_path(struct page *x, const struct signin *s)
{
	static const size_t said[] = {0, 5, 8, 11};
	char date[DATE_MAX], name[DAY_NAME_MAX + 1];
	struct html_moment m = html_moment((int64_t)s->day->day * DAY_SECONDS);
	bool undated = s->day->day == SEGMENT_UNDATED;

	snprintf(date, sizeof(date), "%04d/%02u/%02u/", (int)m.year, m.month, m.day);
	if (undated)
		buf_adds(&x->paths, x->plan->key.dated ? "" : "undated/");
	else
		buf_adds(&x->paths, date + said[x->plan->key.dated]);
	buf_add(&x->paths, name, day_name(s->day, s->at, name) + 1);
}

static void show_signin(struct page *x, const struct signin *s)
{
	const struct segment *seg = s->day->slice[s->at.slice].part->seg;
	struct report_signin *to = &x->signin[x->report.n_signins++];

	*to = (struct report_signin){
		.time = s->day->day == SEGMENT_UNDATED
				? EVENT_UNDATED
				: (int64_t)s->day->day * DAY_SECONDS + segment_row_second(seg, s->at.row),
		.user = value_of(s, FACET_USER),
		.ip = value_of(s, FACET_IP),
		.why = s->why,
		.why_len = s->why_len,
	};
	add_path(x, s);
}

static int find_signins(struct page *x)
{
	struct report *r = &x->report;
	const char *path;
	int err = signins_read(&x->signins, x->from);

	if (err)
		return err;
	r->signins = x->signins.n;
	r->signins_looked = signins_kept(&x->signins);
	for (size_t i = 0; i < r->signins_looked; i++) {
		const struct signin *s = signins_at(&x->signins, i);
		/* An error's code is known without its record. */
		bool failed = s->failed || (!s->read && value_of(s, FACET_ERROR).p);

		r->signins_unread += !s->read && !failed;
		r->signins_failed += failed;
		if (failed && r->n_signins < REPORT_SIGNINS)
			show_signin(x, s);
	}
	if (x->paths.failed)
		return -ENOMEM;
	path = x->paths.data;
	for (size_t i = 0; i < r->n_signins; i++, path += strlen(path) + 1)
		x->signin[i].path = path;
	r->signin = x->signin;
	return 0;
}

/* ---- all of it ---- */

static void page_free(struct page *x)
{
	for (size_t i = 0; i < N_LISTED; i++)
		tally_clear(&x->tally[i]);
	for (size_t i = 0; i < N_WATCHED; i++)
		tally_clear(&x->watch[i]);
	tally_clear(&x->root);
	signins_clear(&x->signins);
	buf_clear(&x->paths);
	free(x);
}

int report_make(struct plan *p, const struct report_sources *from, struct buf *out)
{
	struct page *x = calloc(1, sizeof(*x));
	int err;

	if (!x)
		return -ENOMEM;
	x->plan = p;
	x->from = from;
	x->report.made = p->made;
	x->report.events = p->rows;
	x->report.unread = catalog_counts(from->catalog).problems;
	x->report.bar = x->bar;
	find_path(x);
	err = begin(x);
	if (!err)
		err = count_days(x);
	if (!err)
		err = make_lists(x);
	if (!err)
		err = find_new(x);
	if (!err)
		err = find_signins(x);
	if (!err)
		report_write(out, &x->report);
	page_free(x);
	return err;
}
