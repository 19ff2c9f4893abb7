/*
 * Filters of several terms, ranges of time, the clock, and events by their IDs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "fs/view_private.h"
#include "render/name.h"
#include "tests/view_fixture.h"

/* An event a day, of each of n users; ids are the days' numbers. */
static struct segment *segment_of_days(int32_t n, const char *const user[])
{
	struct segment_build *b = segment_build_new(DAY0);
	struct source_object o = {.key = "k"};

	made_add_object(b, &o, SEGMENT_IS_LOG, "");
	for (int32_t i = 0; i < n; i++) {
		char id[4] = {'d', (char)('0' + i)};
		struct made_event e = {.time = (DAY0 + i) * 86400ll + 3600 * i, .id = id, .minified = 9};

		e.facet[FACET_USER] = user[i];
		made_add_event(b, &e);
	}
	return made_segment(b);
}

static const char *const two_users[] = {"alice", "bob", "alice", "bob", "alice"};

/* Of a facet that an event has once. */
static void two_values_of_one_facet_leave_nothing(void **state)
{
	struct fixture x = make();
	struct segment *seg = segment_of_days(5, two_users);
	struct snapshot *s = snapshot_of(1, &seg, 1);
	struct view_value *values, one;
	struct view_days *days;
	uint32_t alice, twice, both;
	size_t n;

	(void)state;
	view_filter(x.view, VIEW_ALL, FACET_USER, made_value("alice"), &alice);
	assert_int_equal(view_values(x.view, s, alice, FACET_USER, &values, &n), 0);
	assert_int_equal(n, 1);
	free(values);
	/* Found, as it occurs but for alice; and in vain. */
	assert_int_equal(view_find_value(x.view, s, alice, FACET_USER, "bob", 3, &one), 0);
	assert_true(one.newest == EVENT_UNDATED);
	assert_int_equal(view_find_value(x.view, s, alice, FACET_USER, "carol", 5, &one), -ENOENT);
	view_filter(x.view, alice, FACET_USER, one.value, &both);
	assert_int_equal(view_days(x.view, s, both, &days), 0);
	assert_int_equal(days->n, 0);
	view_days_unref(days);
	assert_int_equal(view_find_value(x.view, s, both, FACET_USER, "alice", 5, &one), -ENOENT);
	assert_true(view_span(x.view, both).first > view_span(x.view, both).last);
	/* The same value again changes nothing. */
	assert_int_equal(view_find_value(x.view, s, alice, FACET_USER, "alice", 5, &one), 0);
	view_filter(x.view, alice, FACET_USER, one.value, &twice);
	assert_int_equal(view_days(x.view, s, twice, &days), 0);
	assert_int_equal(days->n, 3);
	view_days_unref(days);
	snapshot_unref(s);
	end(&x);
}

static int64_t the_clock;

static int64_t told(void)
{
	return the_clock;
}

static size_t days_and_rows(struct fixture *x, const struct snapshot *s, uint32_t filter)
{
	struct view_days *days;
	size_t n = 0;

	assert_int_equal(view_days(x->view, s, filter, &days), 0);
	for (int32_t i = 0; i < 5; i++) {
		struct view_rows *rows;

		assert_int_equal(view_rows(x->view, s, filter, DAY0 + i, &rows), 0);
		n += rows->n;
		view_rows_unref(rows);
	}
	assert_int_equal(days->n, n);
	view_days_unref(days);
	return n;
}

/* What is kept of one second is not the answer of another. */
static void ages_move_with_the_clock(void **state)
{
	struct fixture x = make();
	struct segment *seg = segment_of_days(5, two_users);
	struct snapshot *s = snapshot_of(1, &seg, 1);
	struct range day = {0, INT64_MAX, 86400};
	uint32_t filter, below;

	(void)state;
	x.view->now = told;
	assert_int_equal(view_filter_range(x.view, VIEW_ALL, "@24h", &day, &filter), 0);
	view_filter(x.view, filter, FACET_USER, made_value("alice"), &below);
	assert_true(view_moves(x.view, filter) && view_moves(x.view, below) && !view_moves(x.view, VIEW_ALL));
	for (int32_t i = 0; i < 5; i++) {
		int64_t event = (DAY0 + i) * 86400ll + 3600 * i;

		for (int32_t second = -1; second <= 1; second++) {
			the_clock = event + 86400 + second;
			assert_int_equal(days_and_rows(&x, s, filter), 5 - i - (second > 0));
		}
		assert_int_equal(view_span(x.view, filter).first, DAY0 + i);
	}
	/* Wholly inside of the range, and then, not asked in between, outside. */
	the_clock = DAY0 * 86400ll;
	assert_int_equal(days_and_rows(&x, s, below), 3);
	the_clock = (DAY0 + 6) * 86400ll;
	assert_int_equal(days_and_rows(&x, s, below), 0);
	snapshot_unref(s);
	end(&x);
}

static void ranges_with_other_names_have_other_ids(void **state)
{
	struct fixture x = make();
	struct range r = {0, 86399, -1};
	uint32_t a, b, c;
	enum facet f;
	struct value v;

	(void)state;
	view_filter_range(x.view, VIEW_ALL, "@1970-01-01", &r, &a);
	view_filter_range(x.view, VIEW_ALL, "1970/01/01", &r, &b);
	view_filter_range(x.view, VIEW_ALL, "@1970-01-01", &r, &c);
	assert_true(a == c && a != b);
	assert_int_equal(view_filter_last(x.view, b, &f, &v), VIEW_ALL);
	assert_int_equal(f, FACET_COUNT);
	assert_memory_equal(v.p, "1970/01/01", v.len);
	assert_int_equal(view_span(x.view, a).first, 0);
	assert_int_equal(view_span(x.view, a).last, 0);
	assert_false(view_span(x.view, a).undated);
	assert_true(view_span(x.view, VIEW_ALL).undated);
	view_filter_range(x.view, a, "undated", &VIEW_UNDATED, &c);
	assert_false(view_span(x.view, c).undated);
	end(&x);
}

static int32_t day_of_id(
	struct fixture *x, const struct snapshot *s, const char *name, char out[NAME_LEN_MAX + 8])
{
	struct day *d;
	struct place at;
	int32_t day;
	int err = view_find_id(x->view, s, name, strlen(name), &d, &at);

	if (err) {
		assert_int_equal(err, -ENOENT);
		return -1;
	}
	day = d->day;
	view_name(d, at, out);
	day_unref(d);
	return day;
}

static void ids_are_found(void **state)
{
	static const char *const guid = "0f3b1c2e-7d51-4f0a-9f0e-2f6c3f0d9a11";
	const int64_t day = (int64_t)DAY0 * 86400;
	char text[301], name[NAME_LEN_MAX + 1], is[NAME_LEN_MAX + 8];
	const struct made_event e[] = {
		{.time = EVENT_UNDATED, .id = guid, .minified = 1, .hash = 1},
		{.time = day + 86400, .id = guid, .minified = 1, .hash = 1},
		{.time = day + 9, .id = guid, .minified = 1, .hash = 2, .facet[FACET_EVENT] = "b"},
		{.time = day + 9, .id = guid, .minified = 1, .hash = 3, .facet[FACET_EVENT] = "a"},
		{.time = day + 7, .id = "a/b", .minified = 1},
		{.time = day + 6, .id = text, .minified = 1},
		{.time = day + 5, .minified = 1, .hash = 0xfedcba9876543210},
		{.time = day + 4, .id = "0f3b1c2e-7d51-4f0a-9f0e-2f6c3f0d9A11", .minified = 1},
		{.time = day + 3, .id = "", .minified = 1},
	};
	struct fixture x = make();
	struct segment_build *b = segment_build_new(DAY0);
	struct source_object o = {.key = "k"};
	struct segment *seg;
	struct snapshot *s;

	(void)state;
	memset(text, 'x', 300);
	text[300] = '\0';
	name_of_value(made_value(text), name);
	made_add_object(b, &o, SEGMENT_IS_LOG, "");
	for (size_t i = 0; i < sizeof(e) / sizeof(*e); i++)
		made_add_event(b, &e[i]);
	seg = made_segment(b);
	s = snapshot_of(1, &seg, 1);
	assert_int_equal(day_of_id(&x, s, guid, is), DAY0);
	assert_memory_equal(is, "000009Z_a_", 10);
	assert_int_equal(day_of_id(&x, s, "a%2Fb", is), DAY0);
	assert_memory_equal(is, "000007Z", 7);
	assert_int_equal(day_of_id(&x, s, name, is), DAY0);
	assert_memory_equal(is, "000006Z", 7);
	assert_int_equal(day_of_id(&x, s, "fedcba9876543210", is), DAY0);
	assert_memory_equal(is, "000005Z", 7);
	assert_int_equal(day_of_id(&x, s, e[7].id, is), DAY0);
	assert_memory_equal(is, "000004Z", 7);
	assert_int_equal(day_of_id(&x, s, "%", is), DAY0);
	assert_memory_equal(is, "000003Z", 7);
	name[255 - 17] ^= 1;
	assert_int_equal(day_of_id(&x, s, name, is), -1);
	assert_int_equal(day_of_id(&x, s, "", is), -1);
	assert_int_equal(day_of_id(&x, s, "a/b", is), -1);
	assert_int_equal(day_of_id(&x, s, "0000000000000002", is), -1); /* has an ID */
	assert_int_equal(day_of_id(&x, s, "FEDCBA9876543210", is), -1);
	assert_int_equal(day_of_id(&x, s, "0f3b1c2e-7d51-4f0a-9f0e-2f6c3f0d9a12", is), -1);
	snapshot_unref(s);
	end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_values_of_one_facet_leave_nothing),
		cmocka_unit_test(ages_move_with_the_clock),
		cmocka_unit_test(ranges_with_other_names_have_other_ids),
		cmocka_unit_test(ids_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
