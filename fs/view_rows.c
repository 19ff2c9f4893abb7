/*
 * The days under a filter, and the rows of a day.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/view_private.h"

/* ---- days ---- */

/* Whether a row counts. day: open where settling has a say. 1, 0 or -ENOMEM. */
static int counts(struct view *v, const struct part *p, int32_t day, struct day *d, uint32_t row)
{
	const struct slice *slice = d ? view_slice(d, p) : NULL;
	int err = 0;

	if (d && !slice)
		return 0;
	if (!view_row_counts(v, p, NULL, day, row))
		return 0;
	if (slice)
		err = day_settle_rows(d, (uint32_t)(slice - d->slice), &row, 1);
	return err ? err : !slice || slice_shows(slice, row);
}

/* The newest row of one part's day that counts: rows are in the order of time, so it is mostly near the end.
 * 0: found; -ENOENT; -ENOMEM. */
static int newest_row(struct view *v, const struct snapshot *s, const struct part *p, struct segment_day d,
	const struct terms *t, const uint32_t *code, uint32_t *ret)
{
	struct day *settled = NULL;
	uint32_t row = d.end;
	int err = t->by_account ? days_open(v->days, s, d.day, &settled) : 0, is = 0;

	if (err)
		return err;
	while (is == 0 && view_before(t, p->seg, code, d.first, row, &row))
		is = counts(v, p, d.day, settled, row);
	day_unref(settled);
	if (is == 1)
		*ret = segment_row_second(p->seg, row);
	return is == 1 ? 0 : is < 0 ? is : -ENOENT;
}

static int by_day(const void *a, const void *b)
{
	const struct view_day *x = a, *y = b;

	if (x->day != y->day)
		return x->day < y->day ? -1 : 1;
	return x->newest < y->newest ? 1 : x->newest > y->newest ? -1 : 0;
}

static int part_days(struct view *v, const struct snapshot *s, const struct part *p, const struct terms *t,
	struct view_day *out, size_t *n)
{
	uint32_t code[VIEW_TERMS_MAX];
	int err = 0;

	if (!view_codes(t, p->seg, code))
		return 0;
	for (uint32_t i = 0; i < segment_days(p->seg) && (!err || err == -ENOENT); i++) {
		struct segment_day d = segment_day(p->seg, i);
		uint32_t second;

		if (!view_clip(t, p->seg, &d))
			continue;
		err = newest_row(v, s, p, d, t, code, &second);
		if (!err)
			out[(*n)++] = (struct view_day){d.day, second};
	}
	return err == -ENOENT ? 0 : err;
}

int view_make_days(struct view *v, const struct snapshot *s, const struct terms *t, struct view_days **ret)
{
	struct view_days *d;
	size_t room = 0, n = 0, kept = 0;
	int err = 0;

	for (size_t i = 0; i < s->n; i++)
		room += segment_days(s->part[i]->seg);
	d = malloc(sizeof(*d) + room * sizeof(d->day[0]));
	if (!d)
		return -ENOMEM;
	for (size_t i = 0; i < s->n && !err && !view_is_never(t); i++)
		err = part_days(v, s, s->part[i], t, d->day, &n);
	err = view_trusted(s, err);
	if (err) {
		free(d);
		return err;
	}
	qsort(d->day, n, sizeof(d->day[0]), by_day);
	for (size_t i = 0; i < n; i++)
		if (!kept || d->day[i].day != d->day[kept - 1].day)
			d->day[kept++] = d->day[i];
	d->refs = 1;
	d->n = kept;
	*ret = d;
	return 0;
}

void view_days_unref(struct view_days *d)
{
	if (d && !__atomic_sub_fetch(&d->refs, 1, __ATOMIC_ACQ_REL))
		free(d);
}

static struct view_days *find_days(struct view *v, const struct snapshot *s, uint32_t filter, int64_t from)
{
	struct kept_days *k = &v->kept_days[filter % VIEW_DAYS_KEPT];
	struct view_days *d = NULL;

	pthread_mutex_lock(&v->lock);
	if (k->days && k->filter == filter && k->from == from && k->generation == s->generation) {
		d = k->days;
		__atomic_add_fetch(&d->refs, 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&v->lock);
	return d;
}

int view_days(struct view *v, const struct snapshot *s, uint32_t filter, struct view_days **ret)
{
	struct kept_days *k = &v->kept_days[filter % VIEW_DAYS_KEPT];
	struct view_days *d;
	struct terms t;
	int err = 0;

	view_spell_out(v, filter, &t);
	d = find_days(v, s, filter, t.from);
	if (!d)
		err = view_make_days(v, s, &t, &d);
	if (err)
		return err;
	pthread_mutex_lock(&v->lock);
	if (k->days != d) {
		view_days_unref(k->days);
		__atomic_add_fetch(&d->refs, 1, __ATOMIC_RELAXED);
		*k = (struct kept_days){filter, t.from, s->generation, d};
	}
	pthread_mutex_unlock(&v->lock);
	*ret = d;
	return 0;
}

/* ---- rows ---- */

struct view_rows *view_rows_ref(struct view_rows *r)
{
	__atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED);
	return r;
}

void view_rows_unref(struct view_rows *r)
{
	if (!r || __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL))
		return;
	day_unref(r->day);
	free(r);
}

static size_t rows_bytes(const struct view_rows *r)
{
	return sizeof(*r) + r->n * sizeof(r->at[0]);
}

static struct view_rows *find_rows(struct view *v, uint32_t filter, uint32_t from, const struct day *d)
{
	struct view_rows *r = NULL;

	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < VIEW_ROWS_KEPT && !r; i++)
		if (v->kept[i].rows && v->kept[i].filter == filter && v->kept[i].from == from &&
			v->kept[i].rows->day == d) {
			v->kept[i].used = ++v->uses;
			r = view_rows_ref(v->kept[i].rows);
		}
	pthread_mutex_unlock(&v->lock);
	return r;
}

/* The kept listing to give up next: a free place, else the one not used for longest. */
static struct kept_rows *oldest(struct view *v, bool in_use)
{
	struct kept_rows *old = NULL;

	for (size_t i = 0; i < VIEW_ROWS_KEPT; i++) {
		struct kept_rows *k = &v->kept[i];

		if (in_use && !k->rows)
			continue;
		if (!old || !k->rows || (old->rows && k->used < old->used))
			old = k;
	}
	return old;
}

static void drop_rows(struct view *v, struct kept_rows *k)
{
	if (k->rows)
		v->kept_bytes -= rows_bytes(k->rows);
	view_rows_unref(k->rows);
	k->rows = NULL;
}

/* Whether a kept listing is of what the day, or a filter that moves, was before. */
static bool is_past(const struct kept_rows *k, uint32_t filter, uint32_t from, const struct day *d)
{
	if (!k->rows || k->rows->day->day != d->day)
		return false;
	return k->rows->day != d || (k->filter == filter && k->from != from);
}

static void keep_rows(struct view *v, uint32_t filter, uint32_t from, struct view_rows *r)
{
	struct kept_rows *k;

	if (rows_bytes(r) > v->kept_max / 2)
		return;
	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < VIEW_ROWS_KEPT; i++)
		if (is_past(&v->kept[i], filter, from, r->day))
			drop_rows(v, &v->kept[i]);
	while (v->kept_bytes + rows_bytes(r) > v->kept_max)
		drop_rows(v, oldest(v, true));
	k = oldest(v, false);
	drop_rows(v, k);
	*k = (struct kept_rows){filter, from, ++v->uses, view_rows_ref(r)};
	v->kept_bytes += rows_bytes(r);
	pthread_mutex_unlock(&v->lock);
}

/* Adds the rows of one slice that pass and are shown. */
static int add_rows(const struct terms *t, struct day *d, uint32_t slice, uint32_t *scratch,
	struct view_rows **r, size_t *cap)
{
	const struct slice *s = &d->slice[slice];
	struct segment_day at = {d->day, s->first, s->end};
	uint32_t code[VIEW_TERMS_MAX], n;
	int err;

	if (!view_clip(t, s->part->seg, &at) || !view_codes(t, s->part->seg, code))
		return 0;
	n = view_select(t, s->part->seg, code, at.first, at.end, scratch);
	err = day_settle_rows(d, slice, scratch, n);
	if (err)
		return err;
	if (n > *cap - (*r)->n) {
		size_t more = (*r)->n + n;
		struct view_rows *grown = realloc(*r, sizeof(**r) + more * sizeof((*r)->at[0]));

		if (!grown)
			return -ENOMEM;
		*r = grown;
		*cap = more;
	}
	for (uint32_t i = 0; i < n; i++)
		if (slice_shows(s, scratch[i]))
			(*r)->at[(*r)->n++] = (struct place){slice, scratch[i]};
	return 0;
}

static int make_rows(const struct terms *t, struct day *d, struct view_rows **ret)
{
	uint32_t *scratch, most = 0;
	struct view_rows *r = malloc(sizeof(*r));
	size_t cap = 0;
	int err = 0;

	for (uint32_t i = 0; i < d->n_slices; i++)
		most = d->slice[i].end - d->slice[i].first > most ? d->slice[i].end - d->slice[i].first
								  : most;
	scratch = malloc((most + 1u) * sizeof(*scratch));
	if (!r || !scratch) {
		free(r);
		free(scratch);
		return -ENOMEM;
	}
	*r = (struct view_rows){.refs = 1, .day = day_ref(d)};
	if (!t->n && t->from == RANGE_ALL.from &&
		t->until == RANGE_ALL.until) /* at once is cheaper than second by second */
		err = day_settle(d);
	for (uint32_t i = 0; i < d->n_slices && !err; i++)
		err = add_rows(t, d, i, scratch, &r, &cap);
	free(scratch);
	err = view_trusted_day(d, err);
	if (!err)
		err = day_sort(d, r->at, r->n);
	if (err) {
		view_rows_unref(r);
		return err;
	}
	*ret = r;
	return 0;
}

int view_rows(struct view *v, const struct snapshot *s, uint32_t filter, int32_t day, struct view_rows **ret)
{
	struct terms t;
	struct view_rows *r;
	struct day *d;
	uint32_t from, last; /* seconds of the day; from VIEW_DAY_SECONDS: it is outside */
	int err = days_open(v->days, s, day, &d);

	if (err)
		return err;
	view_spell_out(v, filter, &t);
	if (!view_clip_seconds(&t, day, &from, &last))
		from = VIEW_DAY_SECONDS;
	r = find_rows(v, filter, from, d);
	if (!r) {
		err = make_rows(&t, d, &r);
		if (!err)
			keep_rows(v, filter, from, r);
	}
	day_unref(d);
	if (!err)
		*ret = r;
	return err;
}
