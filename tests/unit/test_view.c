/*
 * Questions under a filter: values, days, rows and names, against going over all events one by one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "tests/days_model.h"

/* A filter of at most two terms, and its id. */
struct asked {
	size_t n;
	enum facet facet[2];
	const char *value[2];
	uint32_t id;
};

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

static bool passes(const struct model_row *r, const struct asked *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (!has(r, a->facet[i], a->value[i]))
			return false;
	return r->shown;
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

static struct asked some_filter(struct model *m, struct view *v, size_t terms)
{
	struct asked a = {.id = VIEW_ALL};

	while (a.n < terms) {
		const char *value = some_value(m, &a.facet[a.n]);

		if (!value)
			continue;
		a.value[a.n] = value;
		assert_int_equal(view_filter(v, a.id, a.facet[a.n], made_value(value), &a.id), 0);
		a.n++;
	}
	return a;
}

/* ---- values ---- */

/* The newest shown event that has the value; -1: none. */
static int newest_of(const struct model *m, enum facet f, const char *value, int64_t *ret)
{
	int found = -1;

	for (uint32_t i = 0; i < m->n; i++) {
		const struct model_row *r = &m->row[i];

		if (!r->shown || !has(r, f, value) || (!found && r->is->e.time <= *ret))
			continue;
		*ret = r->is->e.time;
		found = 0;
	}
	return found;
}

static void compare_value(struct model *m, struct view *v, enum facet f, const char *value)
{
	char name[NAME_LEN_MAX + 1];
	size_t len = name_of_value(made_value(value), name);
	struct view_value is;
	int64_t newest;
	int want = newest_of(m, f, value, &newest) ? -ENOENT : 0;

	assert_int_equal(view_find_value(v, m->snapshot, f, name, len, &is), want);
	if (want)
		return;
	assert_int_equal(is.value.len, strlen(value));
	assert_memory_equal(is.value.p, value, is.value.len);
	assert_true(is.newest == newest);
}

static void compare_values(struct model *m, struct view *v, enum facet f)
{
	struct view_value *is;
	size_t n, want = 0;

	assert_int_equal(view_values(v, m->snapshot, f, &is, &n), 0);
	for (size_t i = 0; i < n; i++) {
		char text[512];
		int64_t newest;

		assert_true(is[i].value.len < sizeof(text));
		memcpy(text, is[i].value.p, is[i].value.len);
		text[is[i].value.len] = '\0';
		assert_int_equal(newest_of(m, f, text, &newest), 0);
		assert_true(is[i].newest == newest);
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
			bool first = value && r->shown;

			for (uint32_t j = 0; j < i && first; j++)
				first = !(m->row[j].shown && has(&m->row[j], f, value));
			want += first;
			if (value)
				compare_value(m, v, f, value);
		}
	}
	assert_int_equal(n, want);
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
		struct asked all = {.id = VIEW_ALL};
		struct days *days;
		struct view *v;

		model_make(&m, seed);
		days = days_new(m.since, m.until);
		v = view_new(days);
		compare(&m, v, &all);
		for (int f = 0; f < FACET_COUNT; f++)
			compare_values(&m, v, (enum facet)f);
		for (int i = 0; i < 12 && any_value(&m); i++) {
			struct asked a = some_filter(&m, v, 1 + (size_t)i % 2);

			compare(&m, v, &a);
		}
		view_free(v);
		days_free(days);
		model_free(&m);
	}
}

/* ---- by hand ---- */

struct fixture {
	struct days *days;
	struct view *view;
};

static struct fixture make(void)
{
	struct fixture f = {.days = days_new(INT64_MIN + 1, INT64_MAX)};

	f.view = view_new(f.days);
	assert_non_null(f.view);
	return f;
}

static void end(struct fixture *f)
{
	view_free(f->view);
	days_free(f->days);
}

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
	assert_int_equal(err, -ENOSPC);
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

static struct snapshot *snapshot_of(uint64_t generation, struct segment *const *seg, size_t n)
{
	struct part *part[4];
	struct snapshot *s;
	uint32_t next = 0;

	for (size_t i = 0; i < n; i++)
		part[i] = made_part(seg[i], &next);
	s = made_snapshot(generation, part, n);
	for (size_t i = 0; i < n; i++)
		part_unref(part[i]);
	return s;
}

static struct segment *segment_of(const char *key, const struct made_event *e)
{
	struct segment_build *b = segment_build_new(DAY0);
	struct source_object o = {.key = key};

	made_add_object(b, &o, SEGMENT_IS_LOG, "");
	made_add_event(b, e);
	return made_segment(b);
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
	assert_int_equal(view_values(x.view, s, FACET_ACCOUNT, &values, &n), 0);
	assert_int_equal(n, 1);
	assert_memory_equal(values[0].value.p, "111111111111", 12);
	free(values);
	assert_int_equal(view_find_value(x.view, s, FACET_ACCOUNT, "222222222222", 12, &one), -ENOENT);
	assert_int_equal(view_find_value(x.view, s, FACET_ACCOUNT, "111111111111", 12, &one), 0);
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
	assert_int_equal(view_values(x.view, s, FACET_RESOURCE, &values, &n), 0);
	assert_int_equal(n, MANY_RESOURCES);
	for (size_t i = 0; i < n; i++)
		assert_memory_equal(values[i].value.p, text[i], 4);
	free(values);
	snapshot_unref(s);
	end(&x);
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
		cmocka_unit_test(agrees_with_going_over_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
