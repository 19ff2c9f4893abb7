/*
 * Moments, ages and ranges: what is one, and what it means. (test_config_value.c has more of those that
 * options take.)
 */
#include "render/range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW          1750000000 /* 2025-06-15T15:06:40Z */
#define YEAR_1       (-62135596800)
#define OPEN_FROM    (INT64_MIN + 1)
#define OPEN_UNTIL   INT64_MAX

static void test_moments(void **state)
{
	static const struct {
		const char *s;
		int64_t first, last;
		enum range_unit unit;
	} cases[] = {
		{"2025", 1735689600, 1767225599, RANGE_YEAR},
		{"2024", 1704067200, 1735689599, RANGE_YEAR},
		{"1970", 0, 31535999, RANGE_YEAR},
		{"0001", YEAR_1, YEAR_1 + 31535999, RANGE_YEAR},
		{"9999", 253370764800, 253402300799, RANGE_YEAR},
		{"2025-06", 1748736000, 1751327999, RANGE_MONTH},
		{"2025-02", 1738368000, 1740787199, RANGE_MONTH},
		{"2024-02", 1706745600, 1709251199, RANGE_MONTH},
		{"2025-12", 1764547200, 1767225599, RANGE_MONTH},
		{"9999-12", 253399622400, 253402300799, RANGE_MONTH},
		{"2025-06-19", 1750291200, 1750377599, RANGE_DAY},
		{"2025-06-19Z", 1750291200, 1750377599, RANGE_DAY},
		{"2025-06-19T09", 1750323600, 1750327199, RANGE_HOUR},
		{"2025-06-19T23:59", 1750377540, 1750377599, RANGE_MINUTE},
		{"2025-06-19T09:30:15", 1750325415, 1750325415, RANGE_SECOND},
		{"2025-06-19T09:30:15Z", 1750325415, 1750325415, RANGE_SECOND},
	};
	static const char *const none[] = {"", "2", "202", "20250", "2025-", "2025-6", "2025-13", "2025-00",
		"2025-06-", "2025-06-1", "2025-06-00", "2025-06-31", "2025-02-29", "2025-06-191",
		"2025-06-19T", "2025-06-19T9", "2025-06-19T24", "2025-06-19T09:", "2025-06-19T09:60",
		"2025-06-19T09:30:60", "2025-06-19T09:30:15.5", "2025-06-19t09", "2025-06-19 09", "2025Z",
		"2025-06Z", "2025-06-19ZZ", "2025-06-19Z1", "0000", "-025", "+025", " 2025", "2025 ", "20 25",
		"2025/06", "T09:30", "7d"};
	struct range_moment m;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (!range_moment(cases[i].s, strlen(cases[i].s), &m))
			fail_msg("%s", cases[i].s);
		if (m.first != cases[i].first || m.last != cases[i].last || m.unit != cases[i].unit)
			fail_msg("%s: %lld %lld %d", cases[i].s, (long long)m.first, (long long)m.last,
				m.unit);
	}
	for (size_t i = 0; i < COUNT(none); i++)
		if (range_moment(none[i], strlen(none[i]), &m))
			fail_msg("%s", none[i]);
}

static void test_ages(void **state)
{
	static const struct {
		const char *s;
		int64_t age; /* -1: none */
	} cases[] = {
		{"0s", 0},
		{"1s", 1},
		{"90m", 5400},
		{"24h", 86400},
		{"007d", 7 * 86400},
		{"2w", 14 * 86400},
		{"63885596800s", NOW - YEAR_1},
		{"63885596801s", -1},
		{"99999w", 99999ll * 7 * 86400},
		{"105631w", -1},
		{"99999999999999999999999d", -1},
		{"", -1},
		{"7", -1},
		{"d", -1},
		{"7D", -1},
		{"7dd", -1},
		{"7 d", -1},
		{"-7d", -1},
		{"1.5h", -1},
		{"7y", -1},
		{"7d..", -1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t age = 77;
		bool is = range_age(cases[i].s, strlen(cases[i].s), NOW, &age);

		if (is != (cases[i].age >= 0) || age != (is ? cases[i].age : 77))
			fail_msg("%s: %d %lld", cases[i].s, is, (long long)age);
	}
}

static void test_ranges(void **state)
{
	static const struct {
		const char *s;
		int64_t from, until, age;
	} cases[] = {
		{"2025-06-19T09..2025-06-19T12", 1750323600, 1750337999, -1},
		{"2025-06-01..2025-06-07", 1748736000, 1749340799, -1},
		{"2025-06-19..2025-06", 1750291200, 1751327999, -1},
		{"2025..2025-01", 1735689600, 1738367999, -1},
		{"2025-06-19T09:30:15Z..2025-06-19T09:30:15", 1750325415, 1750325415, -1},
		{"2025-06", 1748736000, 1751327999, -1},
		{"2025", 1735689600, 1767225599, -1},
		{"2025-06-19T09:30", 1750325400, 1750325459, -1},
		{"2025-06-19..", 1750291200, OPEN_UNTIL, -1},
		{"..2025-06-19", OPEN_FROM, 1750377599, -1},
		{"..0001", OPEN_FROM, YEAR_1 + 31535999, -1},
		{"24h", 0, OPEN_UNTIL, 86400},
		{"0s", 0, OPEN_UNTIL, 0},
		{"7d", 0, OPEN_UNTIL, 7 * 86400},
	};
	static const char *const none[] = {"", ".", "..", "...", "2025.", "2025...", "...2025",
		"2025..2026..2027", "2025-07..2025-06", "2025-06-19T10..2025-06-19T09:59", "2025-13",
		"2025-06..2025-13", "x..2025", "2025..x", "7d..", "..7d", "7d..1d", "2025-06-19..24h", "@7d",
		"2025-06-19T09..T12", "..99999999w"};
	struct range r;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (!range_read(cases[i].s, strlen(cases[i].s), NOW, &r))
			fail_msg("%s", cases[i].s);
		if (r.from != cases[i].from || r.until != cases[i].until || r.age != cases[i].age)
			fail_msg("%s: %lld %lld %lld", cases[i].s, (long long)r.from, (long long)r.until,
				(long long)r.age);
	}
	for (size_t i = 0; i < COUNT(none); i++)
		if (range_read(none[i], strlen(none[i]), NOW, &r))
			fail_msg("%s", none[i]);
}

/* Not beyond the length that is given. */
static void test_lengths(void **state)
{
	struct range r;
	struct range_moment m;
	int64_t age;

	(void)state;
	assert_true(range_moment("2025-06-19", 4, &m) && m.unit == RANGE_YEAR);
	assert_true(range_moment("2025-06-19", 7, &m) && m.unit == RANGE_MONTH);
	assert_false(range_moment("2025-06-19", 8, &m));
	assert_true(range_age("24hx", 3, NOW, &age));
	assert_true(range_read("2025..2026", 6, NOW, &r) && r.until == OPEN_UNTIL);
	assert_false(range_read("2025..2026", 5, NOW, &r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moments),
		cmocka_unit_test(test_ages),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
