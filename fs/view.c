/*
 * Filters, and questions under a filter. A question goes over the parts of a snapshot: a part whose
 * dictionary lacks the value is passed over, in the others the codes of the days concerned are scanned.
 *
 * A row counts for values and days when it is live and admitted: an equal record that is shown in its place
 * has the same values, except that by-account may come from the key. Only there the settled day is asked.
 *
 * Locks: view.lock guards the filters and the cache of rows, a leaf.
 */
#include "fs/view.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "fs/store/keymap.h"
#include "render/name.h"

#define DAY_SECONDS    86400
#define TERMS_MAX      32
#define FILTER_CHUNK   1024u
#define ROWS_KEPT      128         /* listings */
#define ROWS_BYTES_MAX (64u << 20) /* of them all */
#define DAYS_KEPT      256u        /* lists of days */
#define LONG_VALUE     84          /* bytes that a value must have for its name to be cut: 253 / 3 */

struct filter {
	uint32_t base;
	enum facet facet;
	struct value value; /* ours */
};

struct kept_rows {
	uint32_t filter;
	uint64_t used; /* when, in questions */
	struct view_rows *rows;
};

struct kept_days {
	uint32_t filter;
	uint64_t generation; /* of the snapshot asked; 0: none */
	struct view_days *days;
};

struct view {
	struct days *days;
	pthread_mutex_t lock;
	struct filter **chunk;
	uint32_t n_filters; /* VIEW_ALL counts */
	struct keymap by_hash;
	struct kept_rows kept[ROWS_KEPT];
	struct kept_days kept_days[DAYS_KEPT]; /* by filter % DAYS_KEPT */
	uint64_t uses;
	size_t kept_bytes;
};

/* A filter, spelled out. */
struct terms {
	size_t n;
	struct filter at[TERMS_MAX];
	bool by_account;
};

/* ---- filters ---- */

static struct filter *filter_at(struct view *v, uint32_t id)
{
	return &v->chunk[id / FILTER_CHUNK][id % FILTER_CHUNK];
}

static uint64_t filter_hash(uint32_t base, enum facet f, struct value value)
{
	return XXH3_64bits_withSeed(value.p, value.len, (uint64_t)base << 8 | (unsigned)f);
}

/* The id, or VIEW_ALL where there is none yet. */
static uint32_t find_filter(struct view *v, uint64_t hash, uint32_t base, enum facet f, struct value value)
{
	uint64_t id;
	size_t at = 0;

	while ((id = keymap_next(&v->by_hash, hash, &at)) != KEYMAP_NONE) {
		struct filter *x = filter_at(v, (uint32_t)id);

		if (x->base == base && x->facet == f && x->value.len == value.len &&
			!memcmp(x->value.p, value.p, value.len))
			return (uint32_t)id;
	}
	return VIEW_ALL;
}

static int grow_filters(struct view *v)
{
	struct filter **more;

	if (v->n_filters % FILTER_CHUNK)
		return 0;
	more = reallocarray(v->chunk, v->n_filters / FILTER_CHUNK + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	v->chunk = more;
	more[v->n_filters / FILTER_CHUNK] = calloc(FILTER_CHUNK, sizeof(struct filter));
	return more[v->n_filters / FILTER_CHUNK] ? 0 : -ENOMEM;
}

static int add_filter(
	struct view *v, uint64_t hash, uint32_t base, enum facet f, struct value value, uint32_t *ret)
{
	char *copy;

	if (v->n_filters == VIEW_FILTERS_MAX)
		return -ENOSPC;
	copy = malloc(value.len + 1u);
	if (!copy || grow_filters(v) || keymap_put(&v->by_hash, hash, v->n_filters)) {
		free(copy);
		return -ENOMEM;
	}
	memcpy(copy, value.p, value.len);
	*filter_at(v, v->n_filters) = (struct filter){base, f, {copy, value.len}};
	*ret = v->n_filters++;
	return 0;
}

int view_filter(struct view *v, uint32_t base, enum facet f, struct value value, uint32_t *ret)
{
	uint64_t hash = filter_hash(base, f, value);
	int err = 0;
	uint32_t id;

	pthread_mutex_lock(&v->lock);
	id = find_filter(v, hash, base, f, value);
	if (id == VIEW_ALL)
		err = add_filter(v, hash, base, f, value, &id);
	pthread_mutex_unlock(&v->lock);
	if (!err)
		*ret = id;
	return err;
}

uint32_t view_filter_last(struct view *v, uint32_t filter, enum facet *ret_facet, struct value *ret_value)
{
	struct filter x;

	pthread_mutex_lock(&v->lock);
	x = *filter_at(v, filter);
	pthread_mutex_unlock(&v->lock);
	*ret_facet = x.facet;
	*ret_value = x.value;
	return x.base;
}

bool view_filter_known(struct view *v, uint32_t filter)
{
	bool known;

	pthread_mutex_lock(&v->lock);
	known = filter < v->n_filters;
	pthread_mutex_unlock(&v->lock);
	return known;
}

static void spell_out(struct view *v, uint32_t filter, struct terms *ret)
{
	ret->n = 0;
	ret->by_account = false;
	while (filter != VIEW_ALL && ret->n < TERMS_MAX) {
		struct filter *x = &ret->at[ret->n++];

		x->base = view_filter_last(v, filter, &x->facet, &x->value);
		ret->by_account |= x->facet == FACET_ACCOUNT;
		filter = x->base;
	}
}

/* The terms as codes of one segment. False: no row of it can pass. */
static bool codes_of(const struct terms *t, const struct segment *s, uint32_t *code)
{
	for (size_t i = 0; i < t->n; i++) {
		code[i] = segment_find_value(s, t->at[i].facet, t->at[i].value);
		if (code[i] == SEGMENT_NO_CODE)
			return false;
	}
	return true;
}

static bool row_passes(
	const struct terms *t, const struct segment *s, const uint32_t *code, size_t from, uint32_t row)
{
	for (size_t i = from; i < t->n; i++)
		if (!segment_row_has(s, t->at[i].facet, row, code[i]))
			return false;
	return true;
}

/* The rows of [first, end) that pass, to out (room for all). */
static uint32_t select_rows(const struct terms *t, const struct segment *s, const uint32_t *code,
	uint32_t first, uint32_t end, uint32_t *out)
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
		if (row_passes(t, s, code, 1, out[i]))
			out[kept++] = out[i];
	return kept;
}

/* ---- values ---- */

/* Whether all rows of the part are live and admitted, so that its dictionaries tell the truth. */
static bool part_is_whole(struct view *v, const struct part *p)
{
	if (p->live != segment_objects(p->seg))
		return false;
	for (uint32_t i = 0; i < segment_days(p->seg); i++)
		if (!days_admit_all(v->days, segment_day(p->seg, i).day))
			return false;
	return true;
}

static int64_t row_time(const struct segment *s, int32_t day, uint32_t row)
{
	return day == SEGMENT_UNDATED ? EVENT_UNDATED
				      : (int64_t)day * DAY_SECONDS + segment_row_second(s, row);
}

/* newest[code] and has[code] from the rows of one day that count. shown: the slice to ask, or NULL. */
static int count_rows(struct view *v, const struct part *p, struct segment_day d, enum facet f,
	const struct slice *shown, int64_t *newest, bool *has)
{
	uint32_t few[64], *codes = few, room = 64;
	int err = 0;

	for (uint32_t row = d.first; row < d.end; row++) {
		int64_t time = row_time(p->seg, d.day, row);
		uint32_t n = 1;

		if (!part_row_live(p, row) || !days_admit(v->days, time) ||
			(shown && !slice_shows(shown, row)))
			continue;
		if (f == FACET_RESOURCE) {
			n = segment_row_resources(p->seg, row, codes, room);
			if (n > room) {
				uint32_t *more = malloc(n * sizeof(*more));

				if (!more) {
					err = -ENOMEM;
					break;
				}
				if (codes != few)
					free(codes);
				codes = more;
				room = n;
				segment_row_resources(p->seg, row, codes, room);
			}
		} else {
			codes[0] = segment_row_code(p->seg, f, row);
			n = codes[0] != SEGMENT_NO_CODE;
		}
		for (uint32_t i = 0; i < n; i++) {
			newest[codes[i]] = has[codes[i]] && newest[codes[i]] > time ? newest[codes[i]] : time;
			has[codes[i]] = true;
		}
	}
	if (codes != few)
		free(codes);
	return err;
}

static const struct slice *slice_of(const struct day *d, const struct part *p)
{
	for (uint32_t i = 0; i < d->n_slices; i++)
		if (d->slice[i].part == p)
			return &d->slice[i];
	return NULL;
}

/* The values of one part with their newest events, the slow way: by its rows. */
static int values_by_rows(struct view *v, const struct snapshot *s, const struct part *p, enum facet f,
	struct view_value *out, size_t *ret_n)
{
	uint32_t n = segment_values(p->seg, f);
	int64_t *newest = malloc((n + 1u) * sizeof(*newest));
	bool *has = calloc(n + 1u, sizeof(*has));
	int err = newest && has ? 0 : -ENOMEM;
	size_t found = 0;

	for (uint32_t i = 0; i < segment_days(p->seg) && !err; i++) {
		struct segment_day d = segment_day(p->seg, i);
		struct day *settled = NULL;

		if (f == FACET_ACCOUNT)
			err = days_get(v->days, s, d.day, &settled);
		if (!err)
			err = count_rows(v, p, d, f, settled ? slice_of(settled, p) : NULL, newest, has);
		day_unref(settled);
	}
	for (uint32_t code = 0; code < n && !err; code++)
		if (has[code])
			out[found++] = (struct view_value){segment_value(p->seg, f, code), newest[code]};
	free(newest);
	free(has);
	if (!err)
		*ret_n = found;
	return err;
}

/* One part's values, sorted, to out. */
static int part_values(struct view *v, const struct snapshot *s, const struct part *p, enum facet f,
	struct view_value *out, size_t *ret_n)
{
	uint32_t n = segment_values(p->seg, f);

	if (!part_is_whole(v, p) || (f == FACET_ACCOUNT && n > 1))
		return values_by_rows(v, s, p, f, out, ret_n);
	for (uint32_t code = 0; code < n; code++)
		out[code] = (struct view_value){
			segment_value(p->seg, f, code), segment_value_newest(p->seg, f, code)};
	*ret_n = n;
	return 0;
}

static int value_order(struct value a, struct value b)
{
	int order = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* Merges two sorted runs into out; equal values become one. Returns how many. */
static size_t merge_values(
	const struct view_value *a, size_t n, const struct view_value *b, size_t m, struct view_value *out)
{
	size_t i = 0, j = 0, k = 0;

	while (i < n && j < m) {
		int order = value_order(a[i].value, b[j].value);

		out[k] = order <= 0 ? a[i] : b[j];
		if (!order && b[j].newest > out[k].newest)
			out[k].newest = b[j].newest;
		i += order <= 0;
		j += order >= 0;
		k++;
	}
	while (i < n)
		out[k++] = a[i++];
	while (j < m)
		out[k++] = b[j++];
	return k;
}

/* Merges the runs of parts lo..hi into *ret, halving: every value is moved a logarithmic number of times. */
static int gather_values(struct view *v, const struct snapshot *s, size_t lo, size_t hi, enum facet f,
	struct view_value **ret, size_t *ret_n)
{
	struct view_value *a = NULL, *b = NULL, *out;
	size_t n = 0, m = 0;
	int err;

	if (hi - lo <= 1) {
		n = hi > lo ? segment_values(s->part[lo]->seg, f) : 0;
		out = malloc((n + 1) * sizeof(*out));
		err = !out ? -ENOMEM : n ? part_values(v, s, s->part[lo], f, out, &n) : 0;
	} else {
		size_t mid = lo + (hi - lo) / 2;

		out = NULL;
		err = gather_values(v, s, lo, mid, f, &a, &n);
		if (!err)
			err = gather_values(v, s, mid, hi, f, &b, &m);
		if (!err && !(out = malloc((n + m + 1) * sizeof(*out))))
			err = -ENOMEM;
		if (!err)
			n = merge_values(a, n, b, m, out);
		free(a);
		free(b);
	}
	if (err) {
		free(out);
		return err;
	}
	*ret = out;
	*ret_n = n;
	return 0;
}

int view_values(
	struct view *v, const struct snapshot *s, enum facet f, struct view_value **ret, size_t *ret_n)
{
	return gather_values(v, s, 0, s->n, f, ret, ret_n);
}

/* The newest event of a code in a part; false where none counts. */
static int code_newest(struct view *v, const struct snapshot *s, const struct part *p, enum facet f,
	uint32_t code, bool *ret_has, int64_t *ret_newest)
{
	struct view_value *all;
	struct value wanted = segment_value(p->seg, f, code);
	size_t n;
	int err;

	*ret_has = false;
	if (part_is_whole(v, p) && f != FACET_ACCOUNT) {
		*ret_has = true;
		*ret_newest = segment_value_newest(p->seg, f, code);
		return 0;
	}
	all = malloc((segment_values(p->seg, f) + 1u) * sizeof(*all));
	err = all ? part_values(v, s, p, f, all, &n) : -ENOMEM;
	for (size_t i = 0; i < n && !err && !*ret_has; i++)
		if (!value_order(all[i].value, wanted)) {
			*ret_has = true;
			*ret_newest = all[i].newest;
		}
	free(all);
	return err;
}

/* The code of the value whose cut name this is. */
static uint32_t find_cut_name(const struct segment *s, enum facet f, const char *name, size_t len)
{
	char is[NAME_LEN_MAX + 1];

	for (uint32_t code = 0; code < segment_values(s, f); code++) {
		struct value v = segment_value(s, f, code);

		if (v.len >= LONG_VALUE && name_of_value(v, is) == len && !memcmp(is, name, len))
			return code;
	}
	return SEGMENT_NO_CODE;
}

int view_find_value(struct view *v, const struct snapshot *s, enum facet f, const char *name, size_t len,
	struct view_value *ret)
{
	char raw[NAME_LEN_MAX + 1];
	size_t raw_len = 0;
	enum name_says says = len <= NAME_LEN_MAX ? name_read(name, len, raw, &raw_len) : NAME_NONE;
	bool found = false;
	int err = 0;

	if (says == NAME_NONE)
		return -ENOENT;
	for (size_t i = 0; i < s->n && !err; i++) {
		const struct segment *seg = s->part[i]->seg;
		uint32_t code = says == NAME_VALUE
					? segment_find_value(seg, f, (struct value){raw, (uint32_t)raw_len})
					: find_cut_name(seg, f, name, len);
		int64_t newest = EVENT_UNDATED;
		bool has;

		if (code == SEGMENT_NO_CODE)
			continue;
		err = code_newest(v, s, s->part[i], f, code, &has, &newest);
		if (err || !has)
			continue;
		if (!found || newest > ret->newest)
			*ret = (struct view_value){segment_value(seg, f, code), newest};
		found = true;
	}
	return err ? err : found ? 0 : -ENOENT;
}

/* ---- days ---- */

/* The newest row of one part's day that counts. 0: found; -ENOENT; -ENOMEM. */
static int newest_row(struct view *v, const struct snapshot *s, const struct part *p, struct segment_day d,
	const struct terms *t, const uint32_t *code, uint32_t *scratch, uint32_t *ret)
{
	uint32_t n = select_rows(t, p->seg, code, d.first, d.end, scratch);
	struct day *settled = NULL;
	const struct slice *shown = NULL;
	int err = -ENOENT;

	if (n && t->by_account) {
		err = days_get(v->days, s, d.day, &settled);
		if (err)
			return err;
		shown = slice_of(settled, p);
		err = -ENOENT;
	}
	while (n--) {
		uint32_t row = scratch[n];

		if (!part_row_live(p, row) || !days_admit(v->days, row_time(p->seg, d.day, row)) ||
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
	uint32_t code[TERMS_MAX], *scratch, most = 0;
	int err = 0;

	if (!codes_of(t, p->seg, code))
		return 0;
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
	return err == -ENOENT ? 0 : err;
}

static int make_days(struct view *v, const struct snapshot *s, uint32_t filter, struct view_days **ret)
{
	struct terms t;
	struct view_days *d;
	size_t room = 0, n = 0, kept = 0;
	int err = 0;

	spell_out(v, filter, &t);
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
	struct kept_days *k = &v->kept_days[filter % DAYS_KEPT];
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
	struct kept_days *k = &v->kept_days[filter % DAYS_KEPT];
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
	for (size_t i = 0; i < ROWS_KEPT && !r; i++)
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

	for (size_t i = 0; i < ROWS_KEPT; i++) {
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
	uint32_t code[TERMS_MAX], *scratch, most = 0;
	struct view_rows *r = malloc(sizeof(*r) + d->shown * sizeof(r->at[0]));
	int err;

	spell_out(v, filter, &t);
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

		if (codes_of(&t, s->part->seg, code))
			n = select_rows(&t, s->part->seg, code, s->first, s->end, scratch);
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

	if (id.p != spelled || len >= NAME_STEM_MAX - 1)
		return true;
	return len > id.len && !memcmp(stem + len - id.len, id.p, id.len);
}

static int find_in_slice(const struct day *d, uint32_t slice, const struct terms *t, const char *stem,
	size_t len, uint32_t clash, uint32_t second, struct place *ret)
{
	const struct slice *s = &d->slice[slice];
	const struct segment *seg = s->part->seg;
	uint32_t code[TERMS_MAX];
	char is[NAME_STEM_MAX + 1];

	if (!codes_of(t, seg, code))
		return -ENOENT;
	for (uint32_t row = lower_bound(seg, s->first, s->end, second); row < s->end; row++) {
		struct place at = {slice, row};

		if (segment_row_second(seg, row) != second)
			break;
		if (!slice_shows(s, row) || !may_have_stem(seg, row, stem, len) ||
			day_stem(d, at, is) != len || memcmp(is, stem, len) || day_clash(d, at) != clash ||
			!row_passes(t, seg, code, 0, row))
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
	spell_out(v, filter, &t);
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
	size_t len = day_stem(d, at, out);
	uint32_t clash = day_clash(d, at);

	if (clash > 1) {
		char digits[12];
		size_t n = sizeof(digits);

		for (; clash; clash /= 10)
			digits[--n] = (char)('0' + clash % 10);
		digits[--n] = '~';
		memcpy(out + len, digits + n, sizeof(digits) - n);
		len += sizeof(digits) - n;
	}
	memcpy(out + len, ".json", 6);
	return len + 5;
}

/* ---- life ---- */

struct view *view_new(struct days *days)
{
	struct view *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->days = days;
	pthread_mutex_init(&v->lock, NULL);
	if (grow_filters(v)) {
		view_free(v);
		return NULL;
	}
	v->n_filters = 1;
	return v;
}

void view_free(struct view *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < ROWS_KEPT; i++)
		view_rows_unref(v->kept[i].rows);
	for (size_t i = 0; i < DAYS_KEPT; i++)
		view_days_unref(v->kept_days[i].days);
	for (uint32_t i = 0; i < v->n_filters; i++)
		free((char *)filter_at(v, i)->value.p);
	for (uint32_t i = 0; i * FILTER_CHUNK < v->n_filters; i++)
		free(v->chunk[i]);
	free(v->chunk);
	keymap_clear(&v->by_hash);
	pthread_mutex_destroy(&v->lock);
	free(v);
}
