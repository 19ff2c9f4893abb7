/*
 * Object keys: the CloudTrail layouts, and calendar days.
 *
 * A key is read component by component. The last AWSLogs component after which an account and a folder
 * follow decides, because a prefix may itself hold an AWSLogs. Where there is none (a folder that was synced
 * from inside a layout), the file's own name still says account, region and day.
 */
#include "render/key.h"

#include <string.h>

#define DAYS_BEFORE_1970 719162 /* from 0001-01-01 */
#define DAYS_IN_400Y     146097
#define ACCOUNT_LEN      12

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The run of n digits at p as a number; -1 where one is none. */
static int digits(const char *p, size_t n)
{
	int value = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_digit(p[i]))
			return -1;
		value = value * 10 + (p[i] - '0');
	}
	return value;
}

static bool value_is(struct value v, const char *s)
{
	return v.len == strlen(s) && memcmp(v.p, s, v.len) == 0;
}

static bool is_account(struct value v)
{
	if (v.len != ACCOUNT_LEN)
		return false;
	for (uint32_t i = 0; i < v.len; i++)
		if (!is_digit(v.p[i]))
			return false;
	return true;
}

/* o- and 10 to 32 lower-case letters and digits (Organizations API: Organization.Id). */
static bool is_organization(struct value v)
{
	if (v.len < 12 || v.len > 34 || v.p[0] != 'o' || v.p[1] != '-')
		return false;
	for (uint32_t i = 2; i < v.len; i++)
		if (!is_digit(v.p[i]) && !(v.p[i] >= 'a' && v.p[i] <= 'z'))
			return false;
	return true;
}

/* Takes the component at *p that a slash ends, and moves past the slash. False (nothing moved) where no slash
 * follows: what is left is the name of the object itself. */
static bool next_folder(const char **p, struct value *ret)
{
	const char *slash = strchr(*p, '/');

	if (!slash || slash - *p > UINT32_MAX)
		return false;
	*ret = (struct value){*p, (uint32_t)(slash - *p)};
	*p = slash + 1;
	return true;
}

static enum key_kind kind_of_folder(struct value folder)
{
	static const struct {
		const char *name;
		enum key_kind kind;
	} known[] = {
		{"CloudTrail", KEY_LOG},
		{"CloudTrail-Insight", KEY_LOG},
		{"CloudTrail-NetworkActivity", KEY_LOG},
		{"CloudTrail-Aggregated", KEY_LOG},
		{"CloudTrail-Digest", KEY_DIGEST},
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (value_is(folder, known[i].name))
			return known[i].kind;
	return KEY_SERVICE;
}

/* REGION/YYYY/MM/DD/, all of it or nothing. */
static void read_region_and_day(const char *p, struct key_info *info)
{
	struct value region, y, m, d;
	int32_t day;

	if (!next_folder(&p, &region) || !next_folder(&p, &y) || !next_folder(&p, &m) || !next_folder(&p, &d))
		return;
	if (!region.len || y.len != 4 || m.len != 2 || d.len != 2)
		return;
	if (!date_to_day(digits(y.p, 4), digits(m.p, 2), digits(d.p, 2), &day))
		return;
	info->region = region;
	info->day = day;
}

/* What follows an AWSLogs component. False where it is no layout. */
static bool read_layout(const char *p, struct key_info *info)
{
	struct value account, folder;

	if (!next_folder(&p, &account))
		return false;
	if (is_organization(account) && !next_folder(&p, &account))
		return false;
	if (!is_account(account) || !next_folder(&p, &folder) || !folder.len)
		return false;
	*info = (struct key_info){.kind = kind_of_folder(folder), .account = account, .day = KEY_NO_DAY};
	read_region_and_day(p, info);
	return true;
}

/* The part up to the next underscore; moves past it. */
static bool next_part(const char **p, struct value *ret)
{
	const char *end = strchr(*p, '_');

	if (!end || end - *p > UINT32_MAX)
		return false;
	*ret = (struct value){*p, (uint32_t)(end - *p)};
	*p = end + 1;
	return true;
}

/* ACCOUNT_CloudTrail[-KIND]_REGION_YYYYMMDDTHHMMZ_... */
static void read_file_name(const char *p, struct key_info *info)
{
	static const char trail[] = "CloudTrail";
	const size_t trail_len = sizeof trail - 1;
	struct value account, folder, region, stamp;
	int32_t day;

	if (!next_part(&p, &account) || !next_part(&p, &folder) || !next_part(&p, &region) ||
		!next_part(&p, &stamp))
		return;
	if (!is_account(account) || folder.len < trail_len || memcmp(folder.p, trail, trail_len) != 0)
		return;
	if (folder.len > trail_len && (folder.p[trail_len] != '-' || folder.len == trail_len + 1))
		return;
	if (!region.len || stamp.len != 14 || stamp.p[8] != 'T' || stamp.p[13] != 'Z' ||
		digits(stamp.p + 9, 4) < 0)
		return;
	if (!date_to_day(digits(stamp.p, 4), digits(stamp.p + 4, 2), digits(stamp.p + 6, 2), &day))
		return;
	info->account = account;
	info->region = region;
	info->day = day;
}

struct key_info key_parse(const char *key)
{
	struct key_info info = {.kind = KEY_PLAIN, .day = KEY_NO_DAY};
	struct value component;
	const char *p = key;
	bool found = false;

	while (next_folder(&p, &component))
		if (value_is(component, "AWSLogs") && read_layout(p, &info))
			found = true;
	if (!found)
		read_file_name(p, &info);
	return info;
}

static bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && memcmp(s + n - m, end, m) == 0;
}

bool key_is_gzip_json(const char *key)
{
	return ends_in(key, ".json.gz");
}

bool key_has_log_name(const char *key)
{
	return ends_in(key, ".json") || ends_in(key, ".json.gz") || ends_in(key, ".jsonl");
}

static bool is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 0001-01-01 to the first day of the year. */
static int32_t days_before_year(int year)
{
	int y = year - 1;

	return y * 365 + y / 4 - y / 100 + y / 400;
}

/* Days from the first day of the year to that of the month; month 13 is the year's length. */
static int days_before_month(int year, int month)
{
	static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};

	return before[month - 1] + (month > 2 && is_leap(year));
}

bool date_to_day(int year, int month, int mday, int32_t *ret_day)
{
	if (year < 1 || year > 9999 || month < 1 || month > 12 || mday < 1)
		return false;
	int before = days_before_month(year, month);
	if (mday > days_before_month(year, month + 1) - before)
		return false;
	*ret_day = days_before_year(year) + before + mday - 1 - DAYS_BEFORE_1970;
	return true;
}

void day_to_date(int32_t day, int *ret_year, int *ret_month, int *ret_mday)
{
	int64_t n = (int64_t)day + DAYS_BEFORE_1970;
	int64_t last = days_before_year(10000) - 1;

	/* A day that no date gives is shown as the nearest one that there is. */
	n = n < 0 ? 0 : n > last ? last : n;
	/* The mean year is at most one off. */
	int year = (int)(n * 400 / DAYS_IN_400Y) + 1;
	while (days_before_year(year) > n)
		year--;
	while (days_before_year(year + 1) <= n)
		year++;
	int rest = (int)(n - days_before_year(year)), month = 1;
	while (days_before_month(year, month + 1) <= rest)
		month++;
	*ret_year = year;
	*ret_month = month;
	*ret_mday = rest - days_before_month(year, month) + 1;
}
