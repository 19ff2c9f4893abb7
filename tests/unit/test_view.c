/*
 * Questions under a filter: values, days, rows and names, against going over all events one by one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "fs/store/segment_map.h"
#include "fs/view_private.h"
#include "tests/days_model.h"
#include "tests/view_fixture.h"

/* A filter of some values and ranges, and its id. */
struct asked {
	size_t n;
	enum facet facet[4];
	const char *value[4];
	int64_t from, until; /* of dated events */
	bool undated;
	uint32_t id;
};

static const struct asked everything = {
	.from = INT64_MIN + 1, .until = INT64_MAX, .undated = true, .id = VIEW_ALL};

static bool has(const struct model_row *r, enum facet f, const char *value)
{
	if (f == FACET_ACCOUNT)
		return r->account && !strcmp(r->account, value);
	if (f != FACET_RESOURCE)
		return r->is->e.facet[f] && !strcmp(r->is->e.facet[f], value);
	for (int i = 0; i < MADE_RESOURCES && r->is->e.resource[i]; i++)
		if (!strcmp(r->is->e.resource[i], value))
			return true;
	return false;
}

static bool is_asked(const struct model_row *r, const struct asked *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (!has(r, a->facet[i], a->value[i]))
			return false;
	return r->is->e.time == EVENT_UNDATED ? a->undated
					      : r->is->e.time >= a->from && r->is->e.time <= a->until;
}

static bool passes(const struct model_row *r, const struct asked *a)
{
	return r->shown && is_asked(r, a);
}

/* A value that some row has in some facet; NULL where it happens to have none. */
static const char *some_value(struct model *m, enum facet *ret_facet)
{
	const struct model_row *r = &m->row[made_draw(&m->seed, m->n)];

	*ret_facet = (enum facet)made_draw(&m->seed, FACET_COUNT);
	if (*ret_facet == FACET_RESOURCE)
		return r->is->e.resource[0];
	return *ret_facet == FACET_ACCOUNT ? r->account : r->is->e.facet[*ret_facet];
}

/* One that begins or ends at or next to an event. */
static void add_range(struct model *m, struct view *v, struct asked *a)
{
	struct range r = RANGE_ALL;
	char name[64];
	int64_t time[2];

	for (int i = 0; i < 2; i++) {
		time[i] = m->row[made_draw(&m->seed, m->n)].is->e.time;
		if (time[i] == EVENT_UNDATED)
			time[i] = (int64_t)DAY0 * 86400;
		time[i] += (int64_t)made_draw(&m->seed, 3) - 1;
	}
	if (made_draw(&m->seed, 8) == 0)
		r = VIEW_UNDATED;
	if (r.from != EVENT_UNDATED && made_draw(&m->seed, 4))
		r.from = time[0] < time[1] ? time[0] : time[1];
	if (r.from != EVENT_UNDATED && made_draw(&m->seed, 4))
		r.until = time[0] < time[1] ? time[1] : time[0];
	snprintf(name, sizeof(name), "%lld %lld", (long long)r.from, (long long)r.until);
	assert_int_equal(view_filter_range(v, a->id, name, &r, &a->id), 0);
	if (r.from == RANGE_ALL.from && r.until == RANGE_ALL.until)
		return;
	a->undated = a->undated && r.from == EVENT_UNDATED;
	a->from = r.from == EVENT_UNDATED ? INT64_MAX : r.from > a->from ? r.from : a->from;
	a->until = r.until < a->until ? r.until : a->until;
}

static struct asked some_filter(struct model *m, struct view *v, size_t terms)
{
	struct asked a = everything;

	while (a.n < terms) {
		const char *value = some_value(m, &a.facet[a.n]);

		if (made_draw(&m->seed, 3) == 0)
			add_range(m, v, &a);
		if (!value)
			continue;
		a.value[a.n] = value;
		assert_int_equal(view_filter(v, a.id, a.facet[a.n], made_value(value), &a.id), 0);
		a.n++;
	}
	return a;
}

/* ---- values ---- */

/* The newest shown event that is asked for and has the value; -1: none. */
static int newest_of(
	const struct model *m, const struct asked *a, enum facet f, const char *value, int64_t *ret)
{
	int found = -1;

	for (uint32_t i = 0; i < m->n; i++) {
		const struct model_row *r = &m->row[i];

		if (!passes(r, a) || !has(r, f, value) || (!found && r->is->e.time <= *ret))
			continue;
		*ret = r->is->e.time;
		found = 0;
	}
	return found;
}

/* Whether a value of the facet is asked for; other: another one than this. */
static bool is_used(const struct asked *a, enum facet f, const char *other)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->facet[i] == f && (!other || strcmp(a->value[i], other) != 0))
			return true;
	return false;
}

static void compare_value(
	struct model *m, struct view *v, const struct asked *a, enum facet f, const char *value)
{
	char name[NAME_LEN_MAX + 1];
	size_t len = name_of_value(made_value(value), name);
	struct view_value is;
	int64_t newest;
	int want = newest_of(m, a, f, value, &newest) ? -ENOENT : 0;

	/* Found, but to be asked for in vain: not here. */
	if (f != FACET_RESOURCE && is_used(a, f, value))
		return;
	assert_int_equal(view_find_value(v, m->snapshot, a->id, f, name, len, &is), want);
	if (want)
		return;
	assert_int_equal(is.value.len, strlen(value));
	assert_memory_equal(is.value.p, value, is.value.len);
	assert_true(is.newest == newest);
}

static void compare_values(struct model *m, struct view *v, const struct asked *a, enum facet f)
{
	struct view_value *is;
	size_t n, want = 0;
	int64_t last = EVENT_UNDATED, facet_newest;

	assert_int_equal(view_values(v, m->snapshot, a->id, f, &is, &n), 0);
	for (size_t i = 0; i < n; i++) {
		char text[512];
		int64_t newest;

		assert_true(is[i].value.len < sizeof(text));
		memcpy(text, is[i].value.p, is[i].value.len);
		text[is[i].value.len] = '\0';
		assert_int_equal(newest_of(m, a, f, text, &newest), 0);
		assert_true(is[i].newest == newest);
		last = newest > last ? newest : last;
		if (i) {
			size_t least =
				is[i - 1].value.len < is[i].value.len ? is[i - 1].value.len : is[i].value.len;
			int order = memcmp(is[i - 1].value.p, is[i].value.p, least);

			assert_true(order < 0 || (!order && is[i - 1].value.len < is[i].value.len));
		}
	}
	/* Each value that a shown row has: counted at the first row that has it. */
	for (uint32_t i = 0; i < m->n; i++) {
		const struct model_row *r = &m->row[i];

		for (int k = 0; k < (f == FACET_RESOURCE ? MADE_RESOURCES : 1); k++) {
			const char *value = f == FACET_RESOURCE  ? r->is->e.resource[k]
					    : f == FACET_ACCOUNT ? r->account
								 : r->is->e.facet[f];
			bool first = value && passes(r, a);

			for (uint32_t j = 0; j < i && first; j++)
				first = !(passes(&m->row[j], a) && has(&m->row[j], f, value));
			want += first;
			if (value)
				compare_value(m, v, a, f, value);
		}
	}
	assert_int_equal(n, want);
	assert_int_equal(view_facet_newest(v, m->snapshot, a->id, f, &facet_newest), 0);
	assert_true(facet_newest == last);
	free(is);
}

/* ---- days, rows, names ---- */

static void compare_days(struct model *m, struct view *v, const struct asked *a)
{
	struct view_days *d;
	size_t n = 0;

	assert_int_equal(view_days(v, m->snapshot, a->id, &d), 0);
	for (int32_t day = DAY0 - 2; day < DAY0 + DAYS + 1; day++) {
		int32_t is = day < DAY0 - 1 ? SEGMENT_UNDATED : day;
		uint32_t newest = 0;
		bool any = false;

		for (uint32_t i = 0; i < m->n; i++) {
			const struct model_row *r = &m->row[i];

			if (!passes(r, a) || day_of(r->is->e.time) != is)
				continue;
			any = true;
			newest = second_of(r->is->e.time) > newest ? second_of(r->is->e.time) : newest;
		}
		if (!any)
			continue;
		assert_true(n < d->n);
		assert_int_equal(d->day[n].day, is);
		assert_int_equal(d->day[n].newest, newest);
		n++;
	}
	assert_int_equal(d->n, n);
	view_days_unref(d);
}

static void compare_name(
	struct model *m, struct view *v, const struct asked *a, const struct model_row *r, int32_t day)
{
	struct day *d;
	struct place at;
	int err = view_find(v, m->snapshot, a->id, day, r->name, strlen(r->name), &d, &at);

	if (!passes(r, a) || day_of(r->is->e.time) != day) {
		/* The name may be another row's. */
		if (!err) {
			assert_ptr_not_equal(model_row_at(m, d, at), r);
			day_unref(d);
		}
		return;
	}
	assert_int_equal(err, 0);
	assert_ptr_equal(model_row_at(m, d, at), r);
	day_unref(d);
}

static void compare_rows(struct model *m, struct view *v, const struct asked *a, int32_t day)
{
	char name[NAME_LEN_MAX + 8], last[NAME_LEN_MAX + 8] = "";
	struct view_rows *rows;
	size_t n = 0;

	assert_int_equal(view_rows(v, m->snapshot, a->id, day, &rows), 0);
	for (uint32_t i = 0; i < m->n; i++)
		n += passes(&m->row[i], a) && day_of(m->row[i].is->e.time) == day;
	assert_int_equal(rows->n, n);
	for (size_t i = 0; i < n; i++) {
		const struct model_row *r = model_row_at(m, rows->day, rows->at[i]);
		size_t len = view_name(rows->day, rows->at[i], name);

		assert_true(passes(r, a));
		assert_int_equal(len, strlen(r->name));
		assert_string_equal(name, r->name);
		assert_true(strcmp(last, name) < 0);
		memcpy(last, name, sizeof(name));
	}
	view_rows_unref(rows);
	for (uint32_t i = 0; i < m->n; i++)
		compare_name(m, v, a, &m->row[i], day);
}

static void compare(struct model *m, struct view *v, const struct asked *a)
{
	compare_days(m, v, a);
	for (int32_t day = DAY0; day < DAY0 + DAYS; day++)
		compare_rows(m, v, a, day);
	compare_rows(m, v, a, SEGMENT_UNDATED);
	compare_days(m, v, a);
}

/* ---- back from rows to filters ---- */

struct looking {
	uint32_t filter;
	int times;
};

static void look(void *arg, uint32_t filter)
{
	struct looking *x = arg;

	x->times += filter == x->filter;
}

static void compare_filters(struct model *m, struct view *v, const struct asked *a)
{
	struct day *d;

	for (int32_t day = DAY0 - 1; day < DAY0 + DAYS; day++) {
		assert_int_equal(days_get(v->days, m->snapshot, day < DAY0 ? SEGMENT_UNDATED : day, &d), 0);
		for (uint32_t i = 0; i < d->n_slices; i++)
			for (uint32_t row = d->slice[i].first; row < d->slice[i].end; row++) {
				const struct model_row *r = model_row_at(m, d, (struct place){i, row});
				struct looking x = {.filter = a->id};

				view_each_filter(v, d->slice[i].part->seg, row, d->day, look, &x);
				assert_int_equal(x.times, is_asked(r, a));
			}
		day_unref(d);
	}
}

static bool any_value(const struct model *m)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (m->row[i].is->e.facet[FACET_TYPE] || m->row[i].is->e.facet[FACET_USER])
			return true;
	return false;
}

static void agrees_with_going_over_all(void **state)
{
	static struct model m;

	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct asked a[13] = {everything};
		struct days *days;
		struct view *v;

		model_make(&m, seed);
		days = days_new(m.since, m.until);
		v = view_new(days);
		for (size_t i = 1; i < 13 && any_value(&m); i++)
			a[i] = some_filter(&m, v, 1 + i % 4);
		for (size_t i = 0; i < 13 && a[i].until; i++) {
			compare(&m, v, &a[i]);
			for (int f = i % 3; f < FACET_COUNT; f += i ? 3 : 1)
				compare_values(&m, v, &a[i], (enum facet)f);
			compare_filters(&m, v, &a[i]);
		}
		view_free(v);
		days_free(days);
		model_free(&m);
	}
}

/* ---- by hand ---- */

static void equal_filters_have_one_id(void **state)
{
	struct fixture x = make();
	uint32_t a, b, c, d;
	enum facet f;
	struct value v;

	(void)state;
	assert_true(view_filter_known(x.view, VIEW_ALL));
	assert_false(view_filter_known(x.view, 1));
	assert_int_equal(view_filter(x.view, VIEW_ALL, FACET_USER, made_value("a"), &a), 0);
	assert_int_equal(view_filter(x.view, VIEW_ALL, FACET_USER, made_value("a"), &b), 0);
	assert_int_equal(view_filter(x.view, VIEW_ALL, FACET_EVENT, made_value("a"), &c), 0);
	assert_int_equal(view_filter(x.view, a, FACET_EVENT, made_value(""), &d), 0);
	assert_int_equal(a, b);
	assert_true(a != VIEW_ALL && c != a && d != c && d != a);
	assert_int_equal(view_filter_last(x.view, d, &f, &v), a);
	assert_int_equal(f, FACET_EVENT);
	assert_int_equal(v.len, 0);
	assert_int_equal(view_filter_last(x.view, a, &f, &v), VIEW_ALL);
	assert_memory_equal(v.p, "a", 1);
	assert_true(view_filter_known(x.view, d));
	end(&x);
}

static void filters_do_not_nest_without_end(void **state)
{
	struct fixture x = make();
	uint32_t id = VIEW_ALL;
	int err = 0, depth = 0;

	(void)state;
	for (; depth < 100 && !err; depth++) {
		char value[8];

		snprintf(value, sizeof(value), "%d", depth);
		err = view_filter(x.view, id, FACET_USER, made_value(value), &id);
	}
	assert_int_equal(err, -ENAMETOOLONG);
	assert_true(depth > 10);
	end(&x);
}

static void many_filters_are_kept_apart(void **state)
{
	struct fixture x = make();
	char value[16];
	uint32_t id;
	enum facet f;
	struct value v;

	(void)state;
	for (uint32_t i = 0; i < 5000; i++) {
		snprintf(value, sizeof(value), "v%u", i);
		assert_int_equal(view_filter(x.view, VIEW_ALL, FACET_IP, made_value(value), &id), 0);
		assert_int_equal(id, i + 1);
	}
	view_filter_last(x.view, 4321, &f, &v);
	assert_memory_equal(v.p, "v4320", v.len);
	end(&x);
}

/* One record under two keys that give it two accounts: only that of the one shown is there. */
static void an_account_of_a_hidden_copy_is_not_there(void **state)
{
	struct made_event e = {.time = (int64_t)DAY0 * 86400, .id = "i", .hash = 1, .minified = 9};
	struct fixture x = make();
	struct segment *seg[2];
	struct snapshot *s;
	struct view_value *values, one;
	struct view_days *days;
	uint32_t filter;
	size_t n;

	(void)state;
	e.facet[FACET_ACCOUNT] = "222222222222";
	seg[0] = segment_of("b", &e);
	e.facet[FACET_ACCOUNT] = "111111111111";
	seg[1] = segment_of("a", &e);
	s = snapshot_of(1, seg, 2);
	assert_int_equal(view_values(x.view, s, VIEW_ALL, FACET_ACCOUNT, &values, &n), 0);
	assert_int_equal(n, 1);
	assert_memory_equal(values[0].value.p, "111111111111", 12);
	free(values);
	assert_int_equal(
		view_find_value(x.view, s, VIEW_ALL, FACET_ACCOUNT, "222222222222", 12, &one), -ENOENT);
	assert_int_equal(view_find_value(x.view, s, VIEW_ALL, FACET_ACCOUNT, "111111111111", 12, &one), 0);
	view_filter(x.view, VIEW_ALL, FACET_ACCOUNT, made_value("222222222222"), &filter);
	assert_int_equal(view_days(x.view, s, filter, &days), 0);
	assert_int_equal(days->n, 0);
	view_days_unref(days);
	snapshot_unref(s);
	end(&x);
}

/* A stem that is cut before a character of four bytes is up to three bytes shorter than others. */
static void cut_stems_are_found(void **state)
{
	struct fixture x = make();

	(void)state;
	for (size_t ahead = 0; ahead < 8; ahead++) {
		char event[301] = "aaaaaaaa", name[NAME_LEN_MAX + 8];
		struct made_event e = {.time = (int64_t)DAY0 * 86400,
			.id = "0f3b1c2e-7d51-4f0a-9f0e-2f6c3f0d9a11",
			.minified = 9,
			.facet[FACET_EVENT] = event};
		struct segment *seg;
		struct snapshot *s;
		struct view_rows *rows;
		struct place at;
		struct day *d;
		size_t len;

		for (size_t i = ahead; i + 4 < sizeof(event); i += 4)
			memcpy(event + i, "\xf0\x9f\x98\x80", 5);
		seg = segment_of("k", &e);
		s = snapshot_of(ahead + 1, &seg, 1);
		assert_int_equal(view_rows(x.view, s, VIEW_ALL, DAY0, &rows), 0);
		assert_int_equal(rows->n, 1);
		len = view_name(rows->day, rows->at[0], name);
		assert_int_equal(view_find(x.view, s, VIEW_ALL, DAY0, name, len, &d, &at), 0);
		day_unref(d);
		name[len - 6] ^= 1; /* the last digit of the hash */
		assert_int_equal(view_find(x.view, s, VIEW_ALL, DAY0, name, len, &d, &at), -ENOENT);
		view_rows_unref(rows);
		snapshot_unref(s);
	}
	end(&x);
}

static void no_event_has_such_a_name(void **state)
{
	static const char *const names[] = {"", ".json", "000000Z_x_i", "000000Z_x_i.jsonx",
		"000000Z_x_i~1.json", "000000Z_x_i~2.json", "000000Z_x_i~02.json", "000001Z_x_i.json",
		"240000Z_x_i.json", "x"};
	struct made_event e = {
		.time = (int64_t)DAY0 * 86400, .id = "i", .minified = 9, .facet[FACET_EVENT] = "x"};
	struct fixture x = make();
	struct segment *seg = segment_of("k", &e);
	struct snapshot *s = snapshot_of(1, &seg, 1);
	struct place at;
	struct day *d;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_int_equal(
			view_find(x.view, s, VIEW_ALL, DAY0, names[i], strlen(names[i]), &d, &at), -ENOENT);
	assert_int_equal(view_find(x.view, s, VIEW_ALL, DAY0 + 1, "000000Z_x_i.json", 16, &d, &at), -ENOENT);
	assert_int_equal(view_find(x.view, s, VIEW_ALL, DAY0, "000000Z_x_i.json", 16, &d, &at), 0);
	day_unref(d);
	snapshot_unref(s);
	end(&x);
}

/* Listings are kept; those of a day that has changed are let go with the segments they are of. */
static void kept_listings_follow_the_snapshot(void **state)
{
	struct made_event e = {.time = (int64_t)DAY0 * 86400, .id = "i", .minified = 9};
	struct fixture x = make();
	struct segment *seg = segment_of("k", &e);
	struct snapshot *a = snapshot_of(1, &seg, 1), *b;
	struct view_rows *rows, *again;
	struct part *old = part_ref(a->part[0]);

	(void)state;
	assert_int_equal(view_rows(x.view, a, VIEW_ALL, DAY0, &rows), 0);
	assert_int_equal(view_rows(x.view, a, VIEW_ALL, DAY0, &again), 0);
	assert_ptr_equal(rows, again);
	view_rows_unref(rows);
	view_rows_unref(again);
	snapshot_unref(a);
	e.id = "j";
	seg = segment_of("l", &e);
	b = snapshot_of(2, &seg, 1);
	assert_int_equal(view_rows(x.view, b, VIEW_ALL, DAY0, &rows), 0);
	assert_int_equal(rows->n, 1);
	view_rows_unref(rows);
	assert_int_equal(old->refs, 1);
	part_unref(old);
	snapshot_unref(b);
	end(&x);
}

static void days_follow_the_snapshot(void **state)
{
	struct made_event e = {.time = (int64_t)DAY0 * 86400, .id = "i", .minified = 9};
	struct fixture x = make();

	(void)state;
	for (int32_t i = 0; i < 3; i++) {
		struct segment *seg;
		struct snapshot *s;
		struct view_days *d;

		e.time += 86400;
		seg = segment_of("k", &e);
		s = snapshot_of((uint64_t)i + 1, &seg, 1);
		for (int again = 0; again < 2; again++) {
			assert_int_equal(view_days(x.view, s, VIEW_ALL, &d), 0);
			assert_int_equal(d->n, 1);
			assert_int_equal(d->day[0].day, DAY0 + i + 1);
			view_days_unref(d);
		}
		snapshot_unref(s);
	}
	end(&x);
}

#define MANY_RESOURCES 200

/* One event of more resources than most have, in a part of which not all objects are present. */
static void an_event_may_have_many_resources(void **state)
{
	struct fixture x = make();
	struct segment_build *b = segment_build_new(DAY0);
	struct source_object o = {.key = "k"}, gone = {.key = "gone"};
	struct made_event other = {.time = 0, .minified = 9, .resource = {"other"}};
	struct value resource[MANY_RESOURCES];
	char text[MANY_RESOURCES][8];
	struct event e = {.time = 0, .resource = resource, .n_resources = MANY_RESOURCES};
	struct view_value *values;
	struct snapshot *s;
	struct part *p;
	uint32_t next = 0;
	size_t n;

	(void)state;
	for (int i = 0; i < MANY_RESOURCES; i++) {
		snprintf(text[i], sizeof(text[i]), "r%03d", i);
		resource[i] = made_value(text[i]);
	}
	e.facet[FACET_RESOURCE] = resource[0];
	made_add_object(b, &gone, SEGMENT_IS_LOG, "");
	made_add_event(b, &other);
	made_add_object(b, &o, SEGMENT_IS_LOG, "");
	assert_int_equal(segment_build_event(b, &e, 0, 1, 1, 1, 1), 0);
	p = made_part(made_segment(b), &next);
	p->object[0] = CATALOG_NO_OBJECT; /* "gone" is before "k" */
	p->live--;
	s = made_snapshot(1, &p, 1);
	part_unref(p);
	assert_int_equal(view_values(x.view, s, VIEW_ALL, FACET_RESOURCE, &values, &n), 0);
	assert_int_equal(n, MANY_RESOURCES);
	for (size_t i = 0; i < n; i++)
		assert_memory_equal(values[i].value.p, text[i], 4);
	free(values);
	snapshot_unref(s);
	end(&x);
}

/* ---- damage ---- */

static void change(const struct segment *s, int section)
{
	((uint8_t *)s->data)[s->head->section[section].offset] ^= 1;
}

/* What is asked of a day of which one section is damaged: its rows, one by name, and all that there is. */
static void ask_damaged(int section, uint32_t terms, int want, int want_all)
{
	struct fixture x = make();
	struct made_event e = {.time = (int64_t)DAY0 * 86400, .id = "i", .facet = {"u", "e"}, .minified = 9};
	struct segment *seg = segment_of("k", &e);
	struct snapshot *s = snapshot_of(1, &seg, 1);
	struct view_rows *rows;
	struct place at;
	struct day *d;
	uint32_t filter = VIEW_ALL;
	int err;

	change(seg, section);
	if (terms)
		assert_int_equal(view_filter(x.view, VIEW_ALL, FACET_USER, made_value("u"), &filter), 0);
	err = view_rows(x.view, s, filter, DAY0, &rows);
	assert_int_equal(err, want);
	if (!err) {
		assert_int_equal(rows->n, 1);
		view_rows_unref(rows);
	}
	err = view_find(x.view, s, filter, DAY0, "000000Z_e_i.json", 16, &d, &at);
	assert_int_equal(err, want);
	if (!err)
		day_unref(d);
	err = days_get(x.days, s, DAY0, &d);
	assert_int_equal(err, want_all);
	if (!err)
		day_unref(d);
	snapshot_unref(s);
	end(&x);
}

static void damage_is_met_where_it_matters(void **state)
{
	(void)state;
	ask_damaged(SECTION_HASH, 0, -EUCLEAN, -EUCLEAN);
	ask_damaged(SECTION_VALUE_TEXT + FACET_EVENT, 0, -EUCLEAN, -EUCLEAN);
	ask_damaged(SECTION_RESOURCE, 0, -EUCLEAN, -EUCLEAN);
	/* Dictionaries are for who asks for values. */
	ask_damaged(SECTION_VALUE_TEXT + FACET_USER, 0, 0, -EUCLEAN);
	ask_damaged(SECTION_VALUE_TEXT + FACET_USER, 1, -EUCLEAN, -EUCLEAN);
	ask_damaged(SECTION_VALUE_NEWEST + FACET_USER, 1, -EUCLEAN, -EUCLEAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_filters_have_one_id),
		cmocka_unit_test(filters_do_not_nest_without_end),
		cmocka_unit_test(many_filters_are_kept_apart),
		cmocka_unit_test(an_account_of_a_hidden_copy_is_not_there),
		cmocka_unit_test(cut_stems_are_found),
		cmocka_unit_test(no_event_has_such_a_name),
		cmocka_unit_test(kept_listings_follow_the_snapshot),
		cmocka_unit_test(days_follow_the_snapshot),
		cmocka_unit_test(an_event_may_have_many_resources),
		cmocka_unit_test(damage_is_met_where_it_matters),
		cmocka_unit_test(agrees_with_going_over_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
