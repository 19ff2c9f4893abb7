/*
 * Filters spelled out, and the rows that pass them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/view_private.h"

/* ---- terms ---- */

static void add_nothing(struct terms *t)
{
	t->from = 1;
	t->until = 0;
	t->undated = false;
}

static void add_value(struct terms *t, enum facet f, struct value value)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->at[i].facet != f)
			continue;
		if (t->at[i].value.len == value.len && !memcmp(t->at[i].value.p, value.p, value.len))
			return;
		if (f != FACET_RESOURCE)
			add_nothing(t);
	}
	t->at[t->n++] = (struct term){f, value};
	t->by_account |= f == FACET_ACCOUNT;
}

static void add_range(struct terms *t, struct range r, int64_t now)
{
	if (r.from == EVENT_UNDATED) {
		t->from = 1;
		t->until = 0;
		return;
	}
	if (r.age >= 0)
		r.from = now - r.age;
	if (r.from == RANGE_ALL.from && r.until == RANGE_ALL.until)
		return;
	t->undated = false;
	t->from = r.from > t->from ? r.from : t->from;
	t->until = r.until < t->until ? r.until : t->until;
}

void view_spell_out(struct view *v, uint32_t filter, struct terms *ret)
{
	int64_t now = v->now();

	ret->n = 0;
	ret->by_account = false;
	ret->undated = true;
	ret->from = RANGE_ALL.from;
	ret->until = RANGE_ALL.until;
	pthread_mutex_lock(&v->lock);
	while (filter != VIEW_ALL) {
		const struct filter *x = view_filter_at(v, filter);

		if (x->facet == FACET_COUNT)
			add_range(ret, x->range, now);
		else
			add_value(ret, x->facet, x->value);
		filter = x->base;
	}
	pthread_mutex_unlock(&v->lock);
}

bool view_is_never(const struct terms *t)
{
	return t->from > t->until && !t->undated;
}

/* ---- ranges ---- */

/* The day of a second of a range, open ends being the first and the last day that can be said. */
static int32_t day_of(int64_t second)
{
	int64_t day = second / VIEW_DAY_SECONDS - (second % VIEW_DAY_SECONDS < 0);

	return day <= SEGMENT_UNDATED ? SEGMENT_UNDATED + 1 : day > INT32_MAX ? INT32_MAX : (int32_t)day;
}

struct view_span view_span(struct view *v, uint32_t filter)
{
	struct terms t;

	view_spell_out(v, filter, &t);
	if (t.from > t.until)
		return (struct view_span){.first = 1, .last = 0, .undated = t.undated};
	return (struct view_span){day_of(t.from), day_of(t.until), t.undated};
}

int64_t view_from(struct view *v, uint32_t filter)
{
	struct terms t;

	view_spell_out(v, filter, &t);
	return t.from;
}

bool view_clip_seconds(const struct terms *t, int32_t day, uint32_t *ret_first, uint32_t *ret_last)
{
	int64_t start = (int64_t)day * VIEW_DAY_SECONDS, end = start + VIEW_DAY_SECONDS - 1;

	*ret_first = 0;
	*ret_last = VIEW_DAY_SECONDS - 1;
	if (day == SEGMENT_UNDATED)
		return t->undated;
	if (t->from > t->until || t->from > end || t->until < start)
		return false;
	if (t->from > start)
		*ret_first = (uint32_t)(t->from - start);
	if (t->until < end)
		*ret_last = (uint32_t)(t->until - start);
	return true;
}

uint32_t view_row_at(const struct segment *s, uint32_t first, uint32_t end, uint32_t second)
{
	while (first < end) {
		uint32_t mid = first + (end - first) / 2;

		if (segment_row_second(s, mid) < second)
			first = mid + 1;
		else
			end = mid;
	}
	return first;
}

bool view_clip(const struct terms *t, const struct segment *s, struct segment_day *d)
{
	uint32_t first, last;

	if (!view_clip_seconds(t, d->day, &first, &last))
		return false;
	if (first)
		d->first = view_row_at(s, d->first, d->end, first);
	if (last < VIEW_DAY_SECONDS - 1)
		d->end = view_row_at(s, d->first, d->end, last + 1);
	return d->first < d->end;
}

/* ---- rows that pass ---- */

bool view_codes(const struct terms *t, const struct segment *s, uint32_t *code)
{
	for (size_t i = 0; i < t->n; i++) {
		code[i] = segment_find_value(s, t->at[i].facet, t->at[i].value);
		if (code[i] == SEGMENT_NO_CODE)
			return false;
	}
	return true;
}

bool view_row_passes(
	const struct terms *t, const struct segment *s, const uint32_t *code, size_t from, uint32_t row)
{
	for (size_t i = from; i < t->n; i++)
		if (!segment_row_has(s, t->at[i].facet, row, code[i]))
			return false;
	return true;
}

uint32_t view_select(const struct terms *t, const struct segment *s, const uint32_t *code, uint32_t first,
	uint32_t end, uint32_t *out)
{
	uint32_t n = 0, kept = 0;

	if (!t->n) {
		for (uint32_t row = first; row < end; row++)
			out[n++] = row;
		return n;
	}
	n = segment_select(s, t->at[0].facet, code[0], first, end, out);
	if (t->n == 1)
		return n;
	for (uint32_t i = 0; i < n; i++)
		if (view_row_passes(t, s, code, 1, out[i]))
			out[kept++] = out[i];
	return kept;
}

bool view_before(const struct terms *t, const struct segment *s, const uint32_t *code, uint32_t first,
	uint32_t end, uint32_t *ret)
{
	uint32_t row = end;

	while (row > first) {
		row = t->n ? segment_find_last(s, t->at[0].facet, code[0], first, row) : row - 1;
		if (row == SEGMENT_NO_ROW)
			return false;
		if (view_row_passes(t, s, code, 1, row)) {
			*ret = row;
			return true;
		}
	}
	return false;
}

int view_trusted(const struct snapshot *s, int err)
{
	for (size_t i = 0; (!err || err == -ENOENT) && i < s->n; i++)
		if (segment_is_bad(s->part[i]->seg))
			err = -EUCLEAN;
	return err;
}

int view_trusted_day(const struct day *d, int err)
{
	for (uint32_t i = 0; (!err || err == -ENOENT) && i < d->n_slices; i++)
		if (segment_is_bad(d->slice[i].part->seg))
			err = -EUCLEAN;
	return err;
}

int64_t view_row_time(const struct segment *s, int32_t day, uint32_t row)
{
	return day == SEGMENT_UNDATED ? EVENT_UNDATED
				      : (int64_t)day * VIEW_DAY_SECONDS + segment_row_second(s, row);
}

const struct slice *view_slice(const struct day *d, const struct part *p)
{
	for (uint32_t i = 0; i < d->n_slices; i++)
		if (d->slice[i].part == p)
			return &d->slice[i];
	return NULL;
}

uint32_t view_most_rows(const struct segment *s)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < segment_days(s); i++) {
		struct segment_day d = segment_day(s, i);

		most = d.end - d.first > most ? d.end - d.first : most;
	}
	return most;
}

bool view_row_counts(
	struct view *v, const struct part *p, const struct slice *shown, int32_t day, uint32_t row)
{
	return part_row_live(p, row) && days_admit(v->days, view_row_time(p->seg, day, row)) &&
	       (!shown || slice_shows(shown, row));
}

/* ---- back from a row ---- */

/* A row for which filters are looked for. */
struct passing {
	struct view *view;
	const struct segment *seg;
	uint32_t row;
	int64_t time;
	const uint32_t *resource;
	uint32_t n_resources;
	void (*visit)(void *arg, uint32_t filter);
	void *arg;
};

static bool in_range(const struct range *r, int64_t time)
{
	if (r->from == EVENT_UNDATED || time == EVENT_UNDATED)
		return r->from == time || (r->from == RANGE_ALL.from && r->until == RANGE_ALL.until);
	return r->age >= 0 || (time >= r->from && time <= r->until);
}

static uint32_t child_of_code(const struct passing *x, uint32_t filter, enum facet f, uint32_t code)
{
	uint32_t child;

	if (code == SEGMENT_NO_CODE)
		return VIEW_ALL;
	pthread_mutex_lock(&x->view->lock);
	child = view_child(x->view, filter, f, segment_value(x->seg, f, code));
	pthread_mutex_unlock(&x->view->lock);
	return child;
}

/* The newest range of a filter, or the one before a range, that the row is in; VIEW_ALL: none. */
static uint32_t next_range(const struct passing *x, uint32_t filter, bool newest)
{
	struct view *v = x->view;
	uint32_t id;

	pthread_mutex_lock(&v->lock);
	id = newest ? view_filter_at(v, filter)->ranges : view_filter_at(v, filter)->other;
	while (id != VIEW_ALL && !in_range(&view_filter_at(v, id)->range, x->time))
		id = view_filter_at(v, id)->other;
	pthread_mutex_unlock(&v->lock);
	return id;
}

/* A filter that the row passes, and what narrows it: as deep as filters have terms. */
static void visit_below(const struct passing *x, uint32_t filter)
{
	uint32_t child;

	x->visit(x->arg, filter);
	for (int f = 0; f < FACET_COUNT; f++) {
		if (f == FACET_RESOURCE)
			continue;
		child = child_of_code(
			x, filter, (enum facet)f, segment_row_code(x->seg, (enum facet)f, x->row));
		if (child != VIEW_ALL)
			visit_below(x, child);
	}
	for (uint32_t i = 0; i < x->n_resources; i++) {
		child = child_of_code(x, filter, FACET_RESOURCE, x->resource[i]);
		if (child != VIEW_ALL)
			visit_below(x, child);
	}
	for (child = next_range(x, filter, true); child != VIEW_ALL; child = next_range(x, child, false))
		visit_below(x, child);
}

void view_each_filter(struct view *v, const struct segment *s, uint32_t row, int32_t day,
	void (*visit)(void *arg, uint32_t filter), void *arg)
{
	uint32_t n = segment_row_resources(s, row, NULL, 0);
	uint32_t *resource = malloc((n + 1u) * sizeof(*resource));
	struct passing x = {v, s, row, view_row_time(s, day, row), resource, resource ? n : 0, visit, arg};

	if (resource)
		segment_row_resources(s, row, resource, n);
	visit_below(&x, VIEW_ALL);
	free(resource);
}
