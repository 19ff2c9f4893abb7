/*
 * The grammar of moments, ages and ranges.
 */
#include "render/range.h"

#include <string.h>

#include "render/key.h"

#define DAY_SECONDS  86400
#define FIRST_SECOND (-62135596800) /* 0001-01-01T00:00:00Z */
#define AGE_MAX      (1ll << 40)    /* older than year 1 */

/* What is still to be read. */
struct text {
	const char *s;
	size_t len;
};

static bool take(struct text *t, char c)
{
	if (!t->len || *t->s != c)
		return false;
	t->s++;
	t->len--;
	return true;
}

/* Exactly n digits, a number from min to max. */
static bool take_number(struct text *t, size_t n, int min, int max, int *ret)
{
	int value = 0;

	if (t->len < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (t->s[i] < '0' || t->s[i] > '9')
			return false;
		value = value * 10 + (t->s[i] - '0');
	}
	t->s += n;
	t->len -= n;
	*ret = value;
	return value >= min && value <= max;
}

/* The parts of a date or time that are written, each after the sign before it. */
static bool take_parts(struct text *t, int part[6], enum range_unit *ret)
{
	static const struct {
		char before;
		int min, max;
	} is[] = {{0, 1, 9999}, {'-', 1, 12}, {'-', 1, 31}, {'T', 0, 23}, {':', 0, 59}, {':', 0, 59}};
	int n = 0;

	for (; n < 6 && (!n || take(t, is[n].before)); n++)
		if (!take_number(t, n ? 2 : 4, is[n].min, is[n].max, &part[n]))
			return false;
	*ret = (enum range_unit)(n - 1);
	return true;
}

/* The first second of the day after a year's or a month's last one. */
static int64_t end_of(int year, int month)
{
	int32_t day;

	if (month == 12 || !month)
		year++;
	/* There is no year 10000 to ask for. */
	if (!date_to_day(year, month % 12 + 1, 1, &day) && date_to_day(9999, 12, 31, &day))
		day++;
	return (int64_t)day * DAY_SECONDS;
}

bool range_moment(const char *s, size_t len, struct range_moment *ret)
{
	static const int64_t seconds[] = {
		[RANGE_DAY] = DAY_SECONDS, [RANGE_HOUR] = 3600, [RANGE_MINUTE] = 60, 1};
	struct text t = {s, len};
	int part[6] = {0, 1, 1};
	enum range_unit unit;
	int32_t day;
	int64_t first;

	if (!take_parts(&t, part, &unit))
		return false;
	if (unit >= RANGE_DAY)
		take(&t, 'Z');
	if (t.len || !date_to_day(part[0], part[1], part[2], &day))
		return false;
	first = (int64_t)day * DAY_SECONDS + part[3] * 3600 + part[4] * 60 + part[5];
	*ret = (struct range_moment){.first = first, .unit = unit};
	if (unit < RANGE_DAY)
		ret->last = end_of(part[0], unit == RANGE_YEAR ? 0 : part[1]) - 1;
	else
		ret->last = first + seconds[unit] - 1;
	return true;
}

bool range_age(const char *s, size_t len, int64_t now, int64_t *ret_age)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', DAY_SECONDS}, {'w', 7 * DAY_SECONDS}};
	struct text t = {s, len};
	int64_t age = 0;
	int digit;

	while (take_number(&t, 1, 0, 9, &digit))
		if ((age = age * 10 + digit) > AGE_MAX)
			return false;
	if (t.s == s || t.len != 1)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (units[i].letter == *t.s && age * units[i].seconds <= now - FIRST_SECOND) {
			*ret_age = age * units[i].seconds;
			return true;
		}
	return false;
}

bool range_read(const char *s, size_t len, int64_t now, struct range *ret)
{
	const char *dots = memmem(s, len, "..", 2), *to = dots ? dots + 2 : s;
	size_t from_len = dots ? (size_t)(dots - s) : len, to_len = len - (size_t)(to - s);
	struct range r = RANGE_ALL;
	struct range_moment m;

	if (range_age(s, len, now, &r.age)) {
		*ret = (struct range){0, INT64_MAX, r.age};
		return true;
	}
	if (!from_len && !to_len)
		return false;
	if (from_len) {
		if (!range_moment(s, from_len, &m))
			return false;
		r.from = m.first;
	}
	if (to_len) {
		if (!range_moment(to, to_len, &m))
			return false;
		r.until = m.last;
	}
	if (r.from > r.until)
		return false;
	*ret = r;
	return true;
}
