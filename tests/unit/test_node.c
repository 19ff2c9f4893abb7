/*
 * Node ids: what goes in comes out, kinds do not meet, and dates mean the days they say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/node.h"

static void events_and_objects_come_out(void **state)
{
	static const uint32_t object[] = {0, 1, 4096, UINT32_MAX},
			      ordinal[] = {0, 1, (1u << NODE_ORDINAL_BITS) - 1};

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(node_object(node_make(NODE_OBJECT, object[i])), object[i]);
		for (int k = 0; k < 3; k++) {
			uint64_t node = node_event(object[i], ordinal[k]);

			assert_int_equal(node_kind(node), NODE_EVENT);
			assert_int_equal(node_object(node), object[i]);
			assert_int_equal(node_ordinal(node), ordinal[k]);
			assert_false(node_is_dir(node));
		}
	}
	assert_true(node_event(0, 0) != node_make(NODE_OBJECT, 0));
}

static void dates_and_filters_come_out(void **state)
{
	static const uint32_t filter[] = {0, 1, (1u << 26) - 1};
	static const int date[][3] = {{1, 0, 0}, {2025, 6, 0}, {2025, 6, 19}, {9999, 12, 31}};

	(void)state;
	for (int kind = NODE_YEARS; kind <= NODE_DAY; kind++)
		for (int i = 0; i < 3; i++)
			for (int k = 0; k < 4; k++) {
				uint32_t d = node_date(date[k][0], date[k][1], date[k][2]);
				uint64_t node = node_dated((enum node_kind)kind, filter[i], d);

				assert_int_equal(node_kind(node), kind);
				assert_int_equal(node_filter(node), filter[i]);
				assert_int_equal(node_date_of(node), d);
				assert_true(d < NODE_UNDATED);
				assert_true(node_is_dir(node));
			}
	assert_int_equal(node_filter(node_make(NODE_FACET, (uint64_t)filter[2] << 8 | 13)), filter[2]);
}

static void fixed_nodes(void **state)
{
	(void)state;
	assert_true(node_is_dir(NODE_ROOT) && node_is_dir(NODE_TRAILFS) && node_is_dir(NODE_BY_ID) &&
		    node_is_dir(node_make(NODE_BUCKET, 0)));
	assert_false(node_has_filter(NODE_ROOT) || node_has_filter(NODE_BY_ID) ||
		     node_has_filter(node_event(1, 1)) || node_has_filter(node_make(NODE_BUCKET, 0)));
	assert_true(node_has_filter(node_make(NODE_FACET, 0)) && node_has_filter(node_dated(NODE_DAY, 0, 1)));
	assert_false(node_is_dir(NODE_README) || node_is_dir(NODE_ERRORS) || node_is_dir(NODE_STATUS) ||
		     node_is_dir(node_make(NODE_OBJECT, 1)));
	assert_int_equal(node_kind(NODE_ROOT), NODE_FIXED);
	assert_int_equal(NODE_ROOT, 1); /* FUSE's */
}

static void dates_are_days(void **state)
{
	static const struct {
		int year, month, mday;
		int from[3], to[3];
	} table[] = {
		{2025, 0, 0, {2025, 1, 1}, {2025, 12, 31}},
		{2024, 2, 0, {2024, 2, 1}, {2024, 2, 29}},
		{2025, 2, 0, {2025, 2, 1}, {2025, 2, 28}},
		{2000, 2, 0, {2000, 2, 1}, {2000, 2, 29}},
		{1900, 2, 0, {1900, 2, 1}, {1900, 2, 28}},
		{2025, 12, 0, {2025, 12, 1}, {2025, 12, 31}},
		{2025, 6, 19, {2025, 6, 19}, {2025, 6, 19}},
		{1, 0, 0, {1, 1, 1}, {1, 12, 31}},
		{9999, 0, 0, {9999, 1, 1}, {9999, 12, 31}},
		{9999, 12, 0, {9999, 12, 1}, {9999, 12, 31}},
		{9999, 12, 31, {9999, 12, 31}, {9999, 12, 31}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		uint64_t node =
			node_dated(NODE_DAY, 7, node_date(table[i].year, table[i].month, table[i].mday));
		int32_t first, last, from, to;

		assert_true(node_days(node, &first, &last));
		assert_true(date_to_day(table[i].from[0], table[i].from[1], table[i].from[2], &from));
		assert_true(date_to_day(table[i].to[0], table[i].to[1], table[i].to[2], &to));
		assert_int_equal(first, from);
		assert_int_equal(last, to);
	}
}

static void no_such_dates(void **state)
{
	static const int table[][3] = {{0, 0, 0}, {2025, 13, 0}, {2025, 15, 1}, {2025, 2, 29}, {2025, 4, 31},
		{10000, 1, 1}, {0, 1, 1}};
	int32_t first, last;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		assert_false(
			node_days(node_dated(NODE_DAY, 0, node_date(table[i][0], table[i][1], table[i][2])),
				&first, &last));
	assert_true(node_days(node_dated(NODE_DAY, 3, NODE_UNDATED), &first, &last));
	assert_true(first == INT32_MIN && last == INT32_MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_and_objects_come_out),
		cmocka_unit_test(dates_and_filters_come_out),
		cmocka_unit_test(fixed_nodes),
		cmocka_unit_test(dates_are_days),
		cmocka_unit_test(no_such_dates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
