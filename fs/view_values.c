/*
 * The values of a facet. A part of which every row counts answers with its dictionary; of any other the rows
 * are looked at.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/view_private.h"
#include "render/name.h"

#define NO_EVENT   (INT64_MIN + 1) /* sorts after EVENT_UNDATED, and no event has it */
#define LONG_VALUE 84              /* bytes that a value must have for its name to be cut: 252 / 3 */

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

/* newest[code] and has[code] from the rows of one day that count. */
static int count_rows(
	struct view *v, const struct part *p, struct segment_day d, enum facet f, int64_t *newest, bool *has)
{
	uint32_t few[64], *codes = few, room = 64;
	int err = 0;

	for (uint32_t row = d.first; row < d.end; row++) {
		int64_t time = view_row_time(p->seg, d.day, row);
		uint32_t n = 1;

		if (!part_row_live(p, row) || !days_admit(v->days, time))
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

/* The values of one part with their newest events, the slow way: by its rows. */
static int values_by_rows(
	struct view *v, const struct part *p, enum facet f, struct view_value *out, size_t *ret_n)
{
	uint32_t n = segment_values(p->seg, f);
	int64_t *newest = malloc((n + 1u) * sizeof(*newest));
	bool *has = calloc(n + 1u, sizeof(*has));
	int err = newest && has ? 0 : -ENOMEM;
	size_t found = 0;

	for (uint32_t i = 0; i < segment_days(p->seg) && !err; i++)
		err = count_rows(v, p, segment_day(p->seg, i), f, newest, has);
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
static int part_values(
	struct view *v, const struct part *p, enum facet f, struct view_value *out, size_t *ret_n)
{
	uint32_t n = segment_values(p->seg, f);

	if (!part_is_whole(v, p))
		return values_by_rows(v, p, f, out, ret_n);
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
		err = !out ? -ENOMEM : n ? part_values(v, s->part[lo], f, out, &n) : 0;
		if (!err && n && segment_is_bad(s->part[lo]->seg))
			err = -EBADMSG;
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

/* ---- values of by-account ---- */

/* A run of rows of one part and day in which an account may be. */
struct account_rows {
	int32_t day;
	struct part *part;
	struct segment_day at;
	uint32_t code;
};

static int newest_first(const void *a, const void *b)
{
	const struct account_rows *x = a, *y = b;

	return x->day > y->day ? -1 : x->day < y->day;
}

/* Where an account may be, newest day first; *ret is yours. */
static int find_account_rows(
	const struct snapshot *s, struct value account, struct account_rows **ret, size_t *ret_n)
{
	struct account_rows *x;
	size_t room = 0, n = 0;

	for (size_t i = 0; i < s->n; i++)
		room += segment_days(s->part[i]->seg);
	x = malloc((room + 1) * sizeof(*x));
	if (!x)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++) {
		const struct segment *seg = s->part[i]->seg;
		uint32_t code = segment_find_value(seg, FACET_ACCOUNT, account);

		for (uint32_t j = 0; code != SEGMENT_NO_CODE && j < segment_days(seg); j++) {
			struct segment_day d = segment_day(seg, j);

			x[n++] = (struct account_rows){d.day, s->part[i], d, code};
		}
	}
	qsort(x, n, sizeof(*x), newest_first);
	*ret = x;
	*ret_n = n;
	return 0;
}

/* The newest row among those of one day that is shown. */
static int64_t newest_shown(const struct account_rows *x, const struct day *d, int64_t newest)
{
	const struct slice *slice = view_slice(d, x->part);

	/* Rows of a day are in the order of time. */
	for (uint32_t row = x->at.end; slice && row-- > x->at.first;)
		if (slice_shows(slice, row) &&
			segment_row_code(x->part->seg, FACET_ACCOUNT, row) == x->code) {
			int64_t time = view_row_time(x->part->seg, x->day, row);

			return newest == NO_EVENT || time > newest ? time : newest;
		}
	return newest;
}

/*
 * The newest shown event of an account, or NO_EVENT. Of two equal records only one is shown, and their
 * accounts may come from two keys, so the settled days are asked; the newest day mostly knows.
 */
static int account_newest(struct view *v, const struct snapshot *s, struct value account, int64_t *ret_newest)
{
	struct account_rows *x;
	int64_t newest = NO_EVENT;
	struct day *d = NULL;
	size_t n;
	int err = find_account_rows(s, account, &x, &n);

	if (err)
		return err;
	for (size_t i = 0; i < n && !err; i++) {
		if (i && x[i].day != x[i - 1].day) {
			if (newest != NO_EVENT)
				break;
			day_unref(d);
			d = NULL;
		}
		if (!d)
			err = days_get(v->days, s, x[i].day, &d);
		if (!err)
			newest = newest_shown(&x[i], d, newest);
	}
	day_unref(d);
	free(x);
	*ret_newest = newest;
	return err;
}

/* Leaves out what no shown event has. */
static int settle_accounts(struct view *v, const struct snapshot *s, struct view_value *x, size_t *n)
{
	size_t kept = 0;

	for (size_t i = 0; i < *n; i++) {
		int64_t newest;
		int err = account_newest(v, s, x[i].value, &newest);

		if (err)
			return err;
		if (newest != NO_EVENT)
			x[kept++] = (struct view_value){x[i].value, newest};
	}
	*n = kept;
	return 0;
}

/* ---- values, asked for ---- */

int view_values(
	struct view *v, const struct snapshot *s, enum facet f, struct view_value **ret, size_t *ret_n)
{
	struct view_value *x;
	size_t n;
	int err = gather_values(v, s, 0, s->n, f, &x, &n);

	if (err)
		return err;
	if (f == FACET_ACCOUNT)
		err = settle_accounts(v, s, x, &n);
	if (err) {
		free(x);
		return err;
	}
	*ret = x;
	*ret_n = n;
	return 0;
}

/* The newest event of a code in a part; false where none counts. */
static int code_newest(
	struct view *v, const struct part *p, enum facet f, uint32_t code, bool *ret_has, int64_t *ret_newest)
{
	struct view_value *all;
	struct value wanted = segment_value(p->seg, f, code);
	size_t n = 0;
	int err;

	*ret_has = false;
	if (part_is_whole(v, p)) {
		*ret_has = true;
		*ret_newest = segment_value_newest(p->seg, f, code);
		return 0;
	}
	all = malloc((segment_values(p->seg, f) + 1u) * sizeof(*all));
	err = all ? part_values(v, p, f, all, &n) : -ENOMEM;
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

		if (code != SEGMENT_NO_CODE)
			err = code_newest(v, s->part[i], f, code, &has, &newest);
		if (segment_is_bad(seg))
			err = -EBADMSG;
		if (err || code == SEGMENT_NO_CODE || !has)
			continue;
		if (!found || newest > ret->newest)
			*ret = (struct view_value){segment_value(seg, f, code), newest};
		found = true;
	}
	if (!err && found && f == FACET_ACCOUNT) {
		err = account_newest(v, s, ret->value, &ret->newest);
		found = !err && ret->newest != NO_EVENT;
	}
	return err ? err : found ? 0 : -ENOENT;
}
