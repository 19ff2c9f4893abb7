/*
 * The values of a facet. A part of which every row counts answers with its dictionary; of any other the rows
 * are looked at.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/view_private.h"
#include "render/name.h"

#define LONG_VALUE 84 /* bytes that a value must have for its name to be cut: 252 / 3 */

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

void view_ask(struct view *v, const struct snapshot *s, uint32_t filter, enum facet f, struct question *ret)
{
	ret->view = v;
	ret->snapshot = s;
	ret->facet = f;
	view_spell_out(v, filter, &ret->terms);
	ret->all = !ret->terms.n && ret->terms.undated && ret->terms.from == RANGE_ALL.from &&
		   ret->terms.until == RANGE_ALL.until;
}

int view_settled_day(const struct question *q, int32_t day, struct day **ret)
{
	if (!q->terms.by_account && (q->all || q->facet != FACET_ACCOUNT))
		return 0;
	return days_get(q->view->days, q->snapshot, day, ret);
}

/* What is known of the values of one part. */
struct counting {
	int64_t *newest; /* by code */
	bool *has;
	uint32_t *rows;  /* room for those of a day */
	uint32_t *codes; /* of a row */
	uint32_t room;
};

/* The row's codes, to c->codes; *ret_n of them. 0, -ENOMEM. */
static int row_codes(const struct segment *s, enum facet f, uint32_t row, struct counting *c, uint32_t *ret_n)
{
	uint32_t n, *more;

	if (f != FACET_RESOURCE) {
		c->codes[0] = segment_row_code(s, f, row);
		*ret_n = c->codes[0] != SEGMENT_NO_CODE;
		return 0;
	}
	n = segment_row_resources(s, row, c->codes, c->room);
	if (n > c->room) {
		more = reallocarray(c->codes, n, sizeof(*more));
		if (!more)
			return -ENOMEM;
		c->codes = more;
		c->room = n;
		segment_row_resources(s, row, c->codes, n);
	}
	*ret_n = n;
	return 0;
}

/* Counts the rows of one day that pass. */
static int count_rows(const struct question *q, const struct part *p, struct segment_day d,
	const uint32_t *code, struct counting *c)
{
	uint32_t n = view_select(&q->terms, p->seg, code, d.first, d.end, c->rows), n_codes = 0;
	const struct slice *shown;
	struct day *settled = NULL;
	int err = n ? view_settled_day(q, d.day, &settled) : 0;

	shown = settled ? view_slice(settled, p) : NULL;
	for (uint32_t i = 0; i < n && !err; i++) {
		int64_t time = view_row_time(p->seg, d.day, c->rows[i]);

		if (!view_row_counts(q->view, p, shown, d.day, c->rows[i]))
			continue;
		err = row_codes(p->seg, q->facet, c->rows[i], c, &n_codes);
		for (uint32_t k = 0; k < n_codes && !err; k++) {
			uint32_t at = c->codes[k];

			c->newest[at] = c->has[at] && c->newest[at] > time ? c->newest[at] : time;
			c->has[at] = true;
		}
	}
	day_unref(settled);
	return err;
}

/* The values of one part with their newest events, the slow way: by its rows. */
static int values_by_rows(
	const struct question *q, const struct part *p, struct view_value *out, size_t *ret_n)
{
	uint32_t n = segment_values(p->seg, q->facet), code[VIEW_TERMS_MAX];
	struct counting c = {.room = 16};
	size_t found = 0;
	int err = 0;

	*ret_n = 0;
	if (view_is_never(&q->terms) || !view_codes(&q->terms, p->seg, code))
		return 0;
	c.newest = calloc(n + 1u, sizeof(*c.newest));
	c.has = calloc(n + 1u, sizeof(*c.has));
	c.rows = malloc((view_most_rows(p->seg) + 1u) * sizeof(*c.rows));
	c.codes = malloc(c.room * sizeof(*c.codes));
	if (!c.newest || !c.has || !c.rows || !c.codes)
		err = -ENOMEM;
	for (uint32_t i = 0; i < segment_days(p->seg) && !err; i++) {
		struct segment_day d = segment_day(p->seg, i);

		if (view_clip(&q->terms, p->seg, &d))
			err = count_rows(q, p, d, code, &c);
	}
	for (uint32_t i = 0; i < n && !err; i++)
		if (c.has[i])
			out[found++] = (struct view_value){segment_value(p->seg, q->facet, i), c.newest[i]};
	free(c.newest);
	free(c.has);
	free(c.rows);
	free(c.codes);
	*ret_n = found;
	return err;
}

/* One part's values, sorted, to out. */
static int part_values(const struct question *q, const struct part *p, struct view_value *out, size_t *ret_n)
{
	uint32_t n = segment_values(p->seg, q->facet);

	if (!q->all || !part_is_whole(q->view, p))
		return values_by_rows(q, p, out, ret_n);
	for (uint32_t code = 0; code < n; code++)
		out[code] = (struct view_value){
			segment_value(p->seg, q->facet, code), segment_value_newest(p->seg, q->facet, code)};
	*ret_n = n;
	return 0;
}

int view_value_order(struct value a, struct value b)
{
	int order = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* The values of all parts, sorted. */
static int gather_values(const struct question *q, struct view_value **ret, size_t *ret_n)
{
	const struct snapshot *s = q->snapshot;
	struct view_merge merge = {0};
	struct view_value *run;
	uint32_t most = 0;
	int err = 0;

	for (size_t i = 0; i < s->n; i++) {
		uint32_t n = segment_values(s->part[i]->seg, q->facet);

		most = n > most ? n : most;
	}
	run = malloc((most + 1u) * sizeof(*run));
	if (!run)
		return -ENOMEM;
	for (size_t i = 0; i < s->n && !err; i++) {
		size_t n = 0;

		if (segment_values(s->part[i]->seg, q->facet))
			err = part_values(q, s->part[i], run, &n);
		if (!err)
			err = view_merge_add(&merge, run, n);
	}
	if (!err)
		err = view_merge_end(&merge, ret, ret_n);
	view_merge_clear(&merge);
	free(run);
	return err;
}

/* ---- values, asked for ---- */

int view_values(struct view *v, const struct snapshot *s, uint32_t filter, enum facet f,
	struct view_value **ret, size_t *ret_n)
{
	struct question q;
	struct view_value *x;
	size_t n;
	int err;

	view_ask(v, s, filter, f, &q);
	err = gather_values(&q, &x, &n);
	if (err)
		return err;
	err = view_trusted(s, 0);
	if (!err && q.all && f == FACET_ACCOUNT)
		err = view_settle_accounts(v, s, x, &n);
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
	const struct question *q, const struct part *p, uint32_t code, bool *ret_has, int64_t *ret_newest)
{
	struct view_value *all;
	struct value wanted = segment_value(p->seg, q->facet, code);
	size_t n = 0;
	int err;

	*ret_has = false;
	if (part_is_whole(q->view, p)) {
		*ret_has = true;
		*ret_newest = segment_value_newest(p->seg, q->facet, code);
		return 0;
	}
	all = malloc((segment_values(p->seg, q->facet) + 1u) * sizeof(*all));
	err = all ? part_values(q, p, all, &n) : -ENOMEM;
	for (size_t i = 0; i < n && !err && !*ret_has; i++)
		if (!view_value_order(all[i].value, wanted)) {
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

/* A name of a value, read. */
struct named {
	const char *name;
	size_t len;
	enum name_says says;
	struct value raw; /* NAME_VALUE */
};

static uint32_t find_code(const struct segment *s, enum facet f, const struct named *x)
{
	return x->says == NAME_VALUE ? segment_find_value(s, f, x->raw)
				     : find_cut_name(s, f, x->name, x->len);
}

/* Among all events, part by part. */
static int find_among_all(const struct question *q, const struct named *name, struct view_value *ret)
{
	const struct snapshot *s = q->snapshot;
	bool found = false;
	int err = 0;

	for (size_t i = 0; i < s->n && !err; i++) {
		uint32_t code = find_code(s->part[i]->seg, q->facet, name);
		int64_t newest = EVENT_UNDATED;
		bool has;

		if (code == SEGMENT_NO_CODE)
			continue;
		err = code_newest(q, s->part[i], code, &has, &newest);
		if (err || !has)
			continue;
		if (!found || newest > ret->newest)
			*ret = (struct view_value){segment_value(s->part[i]->seg, q->facet, code), newest};
		found = true;
	}
	if (!err && found && q->facet == FACET_ACCOUNT) {
		err = view_account_newest(q->view, s, ret->value, &ret->newest);
		found = !err && ret->newest != VIEW_NO_EVENT;
	}
	return err ? err : found ? 0 : -ENOENT;
}

/* Puts facet = value into the terms, in the place of another value that an event cannot have besides. *ret:
 * there was one. */
static int put_term(struct terms *t, enum facet f, struct value value, bool *ret)
{
	size_t i = 0;

	while (i < t->n &&
		(t->at[i].facet != f || (f == FACET_RESOURCE && view_value_order(t->at[i].value, value))))
		i++;
	if (i == VIEW_TERMS_MAX)
		return -ENAMETOOLONG;
	*ret = i < t->n && view_value_order(t->at[i].value, value);
	t->at[i] = (struct term){f, value};
	t->n += i == t->n;
	t->by_account |= f == FACET_ACCOUNT;
	return 0;
}

/* Under a filter, by its days. */
static int find_below(struct question *q, const struct named *name, struct view_value *ret)
{
	const struct snapshot *s = q->snapshot;
	struct view_days *d;
	uint32_t code = SEGMENT_NO_CODE;
	bool contrary;
	size_t i = 0;
	int err;

	for (; i < s->n && code == SEGMENT_NO_CODE; i++)
		code = find_code(s->part[i]->seg, q->facet, name);
	if (code == SEGMENT_NO_CODE)
		return -ENOENT;
	ret->value = segment_value(s->part[i - 1]->seg, q->facet, code);
	err = put_term(&q->terms, q->facet, ret->value, &contrary);
	if (!err)
		err = view_make_days(q->view, s, &q->terms, &d);
	if (err)
		return err;
	err = d->n ? 0 : -ENOENT;
	ret->newest = EVENT_UNDATED;
	if (d->n && d->day[d->n - 1].day != SEGMENT_UNDATED && !contrary)
		ret->newest = (int64_t)d->day[d->n - 1].day * VIEW_DAY_SECONDS + d->day[d->n - 1].newest;
	view_days_unref(d);
	return err;
}

int view_find_value(struct view *v, const struct snapshot *s, uint32_t filter, enum facet f, const char *name,
	size_t len, struct view_value *ret)
{
	char raw[NAME_LEN_MAX + 1];
	size_t raw_len = 0;
	struct named x = {.name = name, .len = len, .says = NAME_NONE};
	struct question q;

	if (len <= NAME_LEN_MAX)
		x.says = name_read(name, len, raw, &raw_len);
	if (x.says == NAME_NONE)
		return -ENOENT;
	x.raw = (struct value){raw, (uint32_t)raw_len};
	view_ask(v, s, filter, f, &q);
	return view_trusted(s, q.all ? find_among_all(&q, &x, ret) : find_below(&q, &x, ret));
}
