/*
 * The days under a filter, the rows of a day, and the row of a name.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/view_private.h"
#include "render/name.h"

#define ROWS_BYTES_MAX (64u << 20)         /* of all kept listings */
#define STEM_CUT_MIN   (NAME_STEM_MAX - 3) /* of a stem that was cut before a character of 4 bytes */

/* ---- days ---- */

/* The newest row of one part's day that counts. 0: found; -ENOENT; -ENOMEM. */
static int newest_row(struct view *v, const struct snapshot *s, const struct part *p, struct segment_day d,
	const struct terms *t, const uint32_t *code, uint32_t *scratch, uint32_t *ret)
{
	uint32_t n = view_select(t, p->seg, code, d.first, d.end, scratch);
	struct day *settled = NULL;
	const struct slice *shown = NULL;
	int err = -ENOENT;

	if (n && t->by_account) {
		err = days_get(v->days, s, d.day, &settled);
		if (err)
			return err;
		shown = view_slice(settled, p);
		err = -ENOENT;
	}
	while (n--) {
		uint32_t row = scratch[n];

		if (!part_row_live(p, row) || !days_admit(v->days, view_row_time(p->seg, d.day, row)) ||
			(shown && !slice_shows(shown, row)))
			continue;
		*ret = segment_row_second(p->seg, row);
		err = 0;
		break;
	}
	day_unref(settled);
	return err;
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
	uint32_t code[VIEW_TERMS_MAX], *scratch, most = 0;
	int err = 0;

	if (!view_codes(t, p->seg, code))
		return segment_is_bad(p->seg) ? -EBADMSG : 0;
	for (uint32_t i = 0; i < segment_days(p->seg); i++) {
		struct segment_day d = segment_day(p->seg, i);

		most = d.end - d.first > most ? d.end - d.first : most;
	}
	scratch = malloc((most + 1u) * sizeof(*scratch));
	if (!scratch)
		return -ENOMEM;
	for (uint32_t i = 0; i < segment_days(p->seg) && (!err || err == -ENOENT); i++) {
		struct segment_day d = segment_day(p->seg, i);
		uint32_t second;

		err = newest_row(v, s, p, d, t, code, scratch, &second);
		if (!err)
			out[(*n)++] = (struct view_day){d.day, second};
	}
	free(scratch);
	if (segment_is_bad(p->seg))
		return -EBADMSG;
	return err == -ENOENT ? 0 : err;
}

static int make_days(struct view *v, const struct snapshot *s, uint32_t filter, struct view_days **ret)
{
	struct terms t;
	struct view_days *d;
	size_t room = 0, n = 0, kept = 0;
	int err = 0;

	view_spell_out(v, filter, &t);
	for (size_t i = 0; i < s->n; i++)
		room += segment_days(s->part[i]->seg);
	d = malloc(sizeof(*d) + room * sizeof(d->day[0]));
	if (!d)
		return -ENOMEM;
	for (size_t i = 0; i < s->n && !err; i++)
		err = part_days(v, s, s->part[i], &t, d->day, &n);
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

static struct view_days *find_days(struct view *v, const struct snapshot *s, uint32_t filter)
{
	struct kept_days *k = &v->kept_days[filter % VIEW_DAYS_KEPT];
	struct view_days *d = NULL;

	pthread_mutex_lock(&v->lock);
	if (k->days && k->filter == filter && k->generation == s->generation) {
		d = k->days;
		__atomic_add_fetch(&d->refs, 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&v->lock);
	return d;
}

int view_days(struct view *v, const struct snapshot *s, uint32_t filter, struct view_days **ret)
{
	struct kept_days *k = &v->kept_days[filter % VIEW_DAYS_KEPT];
	struct view_days *d = find_days(v, s, filter);
	int err = d ? 0 : make_days(v, s, filter, &d);

	if (err)
		return err;
	pthread_mutex_lock(&v->lock);
	if (k->days != d) {
		view_days_unref(k->days);
		__atomic_add_fetch(&d->refs, 1, __ATOMIC_RELAXED);
		*k = (struct kept_days){filter, s->generation, d};
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

static struct view_rows *find_rows(struct view *v, uint32_t filter, const struct day *d)
{
	struct view_rows *r = NULL;

	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < VIEW_ROWS_KEPT && !r; i++)
		if (v->kept[i].rows && v->kept[i].filter == filter && v->kept[i].rows->day == d) {
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

static void keep_rows(struct view *v, uint32_t filter, struct view_rows *r)
{
	struct kept_rows *k;

	if (rows_bytes(r) > ROWS_BYTES_MAX / 2)
		return;
	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < VIEW_ROWS_KEPT; i++) /* what the day was before */
		if (v->kept[i].rows && v->kept[i].rows->day != r->day &&
			v->kept[i].rows->day->day == r->day->day)
			drop_rows(v, &v->kept[i]);
	while (v->kept_bytes + rows_bytes(r) > ROWS_BYTES_MAX)
		drop_rows(v, oldest(v, true));
	k = oldest(v, false);
	drop_rows(v, k);
	*k = (struct kept_rows){filter, ++v->uses, view_rows_ref(r)};
	v->kept_bytes += rows_bytes(r);
	pthread_mutex_unlock(&v->lock);
}

static int make_rows(struct view *v, uint32_t filter, struct day *d, struct view_rows **ret)
{
	struct terms t;
	uint32_t code[VIEW_TERMS_MAX], *scratch, most = 0;
	struct view_rows *r = malloc(sizeof(*r) + d->shown * sizeof(r->at[0]));
	int err;

	view_spell_out(v, filter, &t);
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
	for (uint32_t i = 0; i < d->n_slices; i++) {
		const struct slice *s = &d->slice[i];
		uint32_t n = 0;

		if (view_codes(&t, s->part->seg, code))
			n = view_select(&t, s->part->seg, code, s->first, s->end, scratch);
		for (uint32_t j = 0; j < n; j++)
			if (slice_shows(s, scratch[j]))
				r->at[r->n++] = (struct place){i, scratch[j]};
	}
	free(scratch);
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
	struct view_rows *r;
	struct day *d;
	int err = days_get(v->days, s, day, &d);

	if (err)
		return err;
	r = find_rows(v, filter, d);
	if (!r) {
		err = make_rows(v, filter, d, &r);
		if (!err)
			keep_rows(v, filter, r);
	}
	day_unref(d);
	if (!err)
		*ret = r;
	return err;
}

/* ---- one name ---- */

/* The first row of [first, end) that is not before the second. */
static uint32_t lower_bound(const struct segment *s, uint32_t first, uint32_t end, uint32_t second)
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

/* A cheap look before the stem is spelled out: a GUID stands at the end of every stem that is not cut. */
static bool may_have_stem(const struct segment *s, uint32_t row, const char *stem, size_t len)
{
	char spelled[36];
	struct value id = segment_row_id(s, row, spelled);

	if (id.p != spelled || len >= STEM_CUT_MIN)
		return true;
	return len > id.len && !memcmp(stem + len - id.len, id.p, id.len);
}

static int find_in_slice(const struct day *d, uint32_t slice, const struct terms *t, const char *stem,
	size_t len, uint32_t clash, uint32_t second, struct place *ret)
{
	const struct slice *s = &d->slice[slice];
	const struct segment *seg = s->part->seg;
	uint32_t code[VIEW_TERMS_MAX];
	char is[NAME_STEM_MAX + 1];

	if (!view_codes(t, seg, code))
		return -ENOENT;
	for (uint32_t row = lower_bound(seg, s->first, s->end, second); row < s->end; row++) {
		struct place at = {slice, row};

		if (segment_row_second(seg, row) != second)
			break;
		if (!slice_shows(s, row) || !may_have_stem(seg, row, stem, len) ||
			day_stem(d, at, is) != len || memcmp(is, stem, len) || day_clash(d, at) != clash ||
			!view_row_passes(t, seg, code, 0, row))
			continue;
		*ret = at;
		return 0;
	}
	return -ENOENT;
}

int view_find(struct view *v, const struct snapshot *s, uint32_t filter, int32_t day, const char *name,
	size_t len, struct day **ret_day, struct place *ret)
{
	struct terms t;
	struct day *d;
	int err = days_get(v->days, s, day, &d);

	if (err)
		return err;
	view_spell_out(v, filter, &t);
	err = -ENOENT;
	for (int split = 0; split < 2 && err; split++) {
		uint32_t clash, second;
		size_t stem_len;

		if (!name_read_event(name, len, split, &stem_len, &clash, &second))
			continue;
		for (uint32_t i = 0; i < d->n_slices && err; i++)
			err = find_in_slice(d, i, &t, name, stem_len, clash, second, ret);
	}
	if (err)
		day_unref(d);
	else
		*ret_day = d;
	return err;
}

size_t view_name(const struct day *d, struct place at, char *out)
{
	return day_name(d, at, out);
}
