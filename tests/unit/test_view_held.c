/*
 * Listings that a view keeps: no more bytes of them than it may, those used last; and whatever is kept, the
 * answers are the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "fs/view_private.h"
#include "tests/view_fixture.h"

#define DAYS 24
#define KEPT 5 /* listings that there is to be room for */

/* Day n has ROWS + n events; the last day has many. */
#define ROWS 10
#define MANY 200

static uint32_t rows_of(int32_t day)
{
	return day == DAYS - 1 ? MANY : ROWS + (uint32_t)day;
}

static struct snapshot *some_days(void)
{
	struct segment_build *b = segment_build_new(DAY0);
	struct source_object o = {.key = "k"};
	struct segment *seg;

	made_add_object(b, &o, SEGMENT_IS_LOG, "");
	for (int32_t day = 0; day < DAYS; day++)
		for (uint32_t i = 0; i < rows_of(day); i++) {
			char id[16];
			struct made_event e = {
				.time = (DAY0 + day) * 86400ll + 7 * i, .id = id, .minified = 9};

			snprintf(id, sizeof(id), "%u", i);
			made_add_event(b, &e);
		}
	seg = made_segment(b);
	return snapshot_of(1, &seg, 1);
}

static size_t bytes_of(const struct view_rows *r)
{
	return sizeof(*r) + r->n * sizeof(r->at[0]);
}

/* The rows of a day, which must be all that there are, in their order. */
static struct view_rows *rows_at(struct fixture *x, const struct snapshot *s, int32_t day)
{
	struct view_rows *r;

	assert_int_equal(view_rows(x->view, s, VIEW_ALL, DAY0 + day, &r), 0);
	assert_int_equal(r->n, rows_of(day));
	for (uint32_t i = 0; i < r->n; i++) {
		char want[64], name[NAME_LEN_MAX + 1];

		snprintf(want, sizeof(want), "%02u%02u%02uZ_-_%u.json", 7 * i / 3600, 7 * i / 60 % 60,
			7 * i % 60, i);
		view_name(r->day, r->at[i], name);
		assert_string_equal(name, want);
	}
	return r;
}

/* What a view holds of what was asked for, which the caller has a reference to as well. */
static size_t held(struct view_rows *const asked[], int32_t n)
{
	size_t bytes = 0;

	for (int32_t i = 0; i < n; i++)
		bytes += asked[i]->refs > 1 ? bytes_of(asked[i]) : 0;
	return bytes;
}

/* Asks for all days but the last one, and gives back what is held in the end. */
static size_t ask_all(struct fixture *x, const struct snapshot *s, size_t most)
{
	struct view_rows *asked[DAYS], *again;
	size_t bytes = 0;

	for (int32_t day = 0; day < DAYS - 1; day++) {
		asked[day] = rows_at(x, s, day);
		again = rows_at(x, s, day);
		assert_ptr_equal(again, asked[day]);
		view_rows_unref(again);
		bytes = held(asked, day + 1);
		assert_true(bytes <= most);
	}
	for (int32_t day = 0; day < DAYS - 1; day++)
		view_rows_unref(asked[day]);
	return bytes;
}

/* Of all days from the first one on, but the last one. */
static size_t bytes_from(int32_t first)
{
	size_t bytes = 0;

	for (int32_t day = first; day < DAYS - 1; day++)
		bytes += sizeof(struct view_rows) + rows_of(day) * sizeof(struct place);
	return bytes;
}

static void no_more_is_kept_than_may_be(void **state)
{
	struct snapshot *s = some_days();
	struct fixture x = make();
	size_t room = bytes_from(DAYS - 1 - KEPT);

	(void)state;
	view_hold(x.view, room);
	assert_int_equal(ask_all(&x, s, room), room);
	end(&x);
	snapshot_unref(s);
}

/* One that would drive out most of the others is made each time. */
static void what_is_large_is_not_kept(void **state)
{
	struct snapshot *s = some_days();
	struct fixture x = make();
	struct view_rows *small, *large, *again;

	(void)state;
	view_hold(x.view, sizeof(struct view_rows) + MANY * sizeof(struct place));
	small = rows_at(&x, s, 0);
	large = rows_at(&x, s, DAYS - 1);
	assert_int_equal(large->refs, 1);
	again = rows_at(&x, s, 0);
	assert_ptr_equal(again, small);
	view_rows_unref(again);
	view_rows_unref(large);
	view_rows_unref(small);
	end(&x);
	snapshot_unref(s);
}

static void nothing_may_be_kept(void **state)
{
	struct snapshot *s = some_days();
	struct fixture x = make();

	(void)state;
	view_hold(x.view, 0);
	for (int32_t day = 0; day < DAYS; day++) {
		struct view_rows *r = rows_at(&x, s, day);

		assert_int_equal(r->refs, 1);
		view_rows_unref(r);
	}
	end(&x);
	snapshot_unref(s);
}

static void more_room_than_it_takes_changes_nothing(void **state)
{
	static const size_t room[] = {VIEW_ROWS_BYTES_MAX, (size_t)VIEW_ROWS_BYTES_MAX + 1, SIZE_MAX};
	struct snapshot *s = some_days();

	(void)state;
	for (size_t i = 0; i < sizeof(room) / sizeof(*room); i++) {
		struct fixture x = make();

		view_hold(x.view, room[i]);
		assert_int_equal(x.view->kept_max, VIEW_ROWS_BYTES_MAX);
		assert_int_equal(ask_all(&x, s, SIZE_MAX), bytes_from(0));
		end(&x);
	}
	snapshot_unref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_more_is_kept_than_may_be),
		cmocka_unit_test(what_is_large_is_not_kept),
		cmocka_unit_test(nothing_may_be_kept),
		cmocka_unit_test(more_room_than_it_takes_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
