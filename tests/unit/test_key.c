/* What object keys say, and calendar days. */
#include "render/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define A          "123456789012"
#define TAIL       "us-east-1/2025/06/19/" A "_CloudTrail_us-east-1_20250619T0915Z_Ab12Cd34Ef56Gh78.json.gz"
#define NAME_OTHER "210987654321_CloudTrail_eu-west-3_20240229T2355Z_x.json.gz"

enum {
	DAY = 20258 /* 2025-06-19 */,
	LEAP_DAY = 19782 /* 2024-02-29 */
};

static const struct {
	const char *key;
	enum key_kind kind;
	const char *account, *region; /* NULL: absent */
	int32_t day;
} keys[] = {
	{"AWSLogs/" A "/CloudTrail/" TAIL, KEY_LOG, A, "us-east-1", DAY},
	{"AWSLogs/o-abcdefghij/" A "/CloudTrail/" TAIL, KEY_LOG, A, "us-east-1", DAY},
	{"o-abcdefghij/AWSLogs/o-abcdefghij/" A "/CloudTrail/" TAIL, KEY_LOG, A, "us-east-1", DAY},
	{"deep/er/prefix/AWSLogs/" A "/CloudTrail-Insight/" TAIL, KEY_LOG, A, "us-east-1", DAY},
	{"AWSLogs/" A "/CloudTrail-NetworkActivity/" TAIL, KEY_LOG, A, "us-east-1", DAY},
	{"AWSLogs/" A "/CloudTrail-Aggregated/" TAIL, KEY_LOG, A, "us-east-1", DAY},
	{"AWSLogs/" A "/CloudTrail-Digest/" TAIL, KEY_DIGEST, A, "us-east-1", DAY},
	{"AWSLogs/" A "/vpcflowlogs/us-east-1/2025/06/19/x.log.gz", KEY_SERVICE, A, "us-east-1", DAY},
	{"AWSLogs/" A "/Config/us-east-1/2025/6/19/ConfigHistory/x.json.gz", KEY_SERVICE, A, NULL,
		KEY_NO_DAY},
	{"AWSLogs/" A "/CloudTrail-Other/x.json.gz", KEY_SERVICE, A, NULL, KEY_NO_DAY},
	{"AWSLogs/" A "/cloudtrail/x.json.gz", KEY_SERVICE, A, NULL, KEY_NO_DAY},
	/* The folder is enough for the kind. Names inside a layout say nothing more. */
	{"AWSLogs/" A "/CloudTrail/", KEY_LOG, A, NULL, KEY_NO_DAY},
	{"AWSLogs/" A "/CloudTrail/x.json", KEY_LOG, A, NULL, KEY_NO_DAY},
	{"AWSLogs/" A "/CloudTrail/us-east-1/2025/06/19/", KEY_LOG, A, "us-east-1", DAY},
	{"AWSLogs/" A "/CloudTrail/us-east-1/2025/06/19", KEY_LOG, A, NULL, KEY_NO_DAY},
	{"AWSLogs/" A "/CloudTrail/us-east-1/2025/02/29/x.json.gz", KEY_LOG, A, NULL, KEY_NO_DAY},
	{"AWSLogs/" A "/CloudTrail/us-east-1/2o25/06/19/x.json.gz", KEY_LOG, A, NULL, KEY_NO_DAY},
	{"AWSLogs/" A "/CloudTrail//2025/06/19/x.json.gz", KEY_LOG, A, NULL, KEY_NO_DAY},
	{"AWSLogs/" A "/CloudTrail/" NAME_OTHER, KEY_LOG, A, NULL, KEY_NO_DAY},
	/* The last AWSLogs that begins a layout counts. */
	{"AWSLogs/111111111111/CloudTrail/AWSLogs/" A "/CloudTrail-Digest/x", KEY_DIGEST, A, NULL,
		KEY_NO_DAY},
	{"AWSLogs/" A "/CloudTrail/AWSLogs/x.json", KEY_LOG, A, NULL, KEY_NO_DAY},
	{"AWSLogs/AWSLogs/" A "/CloudTrail/" TAIL, KEY_LOG, A, "us-east-1", DAY},
	/* No layout. */
	{"", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{"/", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{"AWSLogs", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{"AWSLogs/", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{"AWSLogs/" A, KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{"AWSLogs/" A "/CloudTrail", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{"AWSLogs/" A "//x.json", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{"AWSLogs/12345678901/CloudTrail/x.json", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{"AWSLogs/1234567890123/CloudTrail/x.json", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{"AWSLogs/o-abcdefghi/" A "/CloudTrail/x.json", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{"AWSLogs/o0abcdefghij/" A "/CloudTrail/x.json", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{"AWSLogs/o-abcdefghiJ/" A "/CloudTrail/x.json", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{"AWSLogs/o-abcdefghij/o-abcdefghij/" A "/CloudTrail/x", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{"awslogs/" A "/CloudTrail/x.json", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{"xAWSLogs/" A "/CloudTrail/x.json", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	/* ... where the file's name says it all. */
	{TAIL, KEY_PLAIN, A, "us-east-1", DAY},
	{NAME_OTHER, KEY_PLAIN, "210987654321", "eu-west-3", LEAP_DAY},
	{"AWSLogs/" NAME_OTHER, KEY_PLAIN, "210987654321", "eu-west-3", LEAP_DAY},
	{A "_CloudTrail-Insight_eu-west-3_20240229T2355Z_", KEY_PLAIN, A, "eu-west-3", LEAP_DAY},
	{A "_CloudTrail-_eu-west-3_20240229T2355Z_x", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{A "_CloudTrails_eu-west-3_20240229T2355Z_x", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{A "_CloudTrailing_eu-west-3_20240229T2355Z_x", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{A "_CloudTrail_eu-west-3_20240229T2355X_x", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{A "_CloudTrail_eu-west-3_20230229T2355Z_x", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{A "_CloudTrail_eu-west-3_20240229T2355Z.json", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{A "_CloudTrail_eu-west-3_20240229T235500Z_x", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{A "_CloudTrail_eu-west-3_20240229T23:5Z_x", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{A "_CloudTrail__20240229T2355Z_x", KEY_PLAIN, NULL, NULL, KEY_NO_DAY},
	{A "_CloudTrail-Digest_us-east-1_trail_us-west-2_20240229T235500Z.json.gz", KEY_PLAIN, NULL, NULL,
		KEY_NO_DAY},
};

static void assert_value(const char *key, struct value v, const char *want)
{
	if (!want != !v.p || (want && (v.len != strlen(want) || memcmp(v.p, want, v.len) != 0)))
		fail_msg("%s: '%.*s' instead of '%s'", key, (int)v.len, v.p ? v.p : "",
			want ? want : "absent");
}

static void test_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		struct key_info info = key_parse(keys[i].key);
		if (info.kind != keys[i].kind || info.day != keys[i].day)
			fail_msg("%s: kind %d, day %d", keys[i].key, (int)info.kind, (int)info.day);
		assert_value(keys[i].key, info.account, keys[i].account);
		assert_value(keys[i].key, info.region, keys[i].region);
	}
}

static void test_organization_id_length(void **state)
{
	char key[128];

	(void)state;
	for (int n = 8; n < 36; n++) {
		snprintf(key, sizeof key, "AWSLogs/o-%.*s/" A "/CloudTrail/x", n,
			"abcdefghijklmnopqrstuvwxyz0123456789");
		assert_int_equal(key_parse(key).kind, n >= 10 && n <= 32 ? KEY_LOG : KEY_PLAIN);
	}
}

static void test_names(void **state)
{
	static const struct {
		const char *key;
		bool gzip, log;
	} names[] = {
		{"a/x.json.gz", true, true},
		{"a/x.json", false, true},
		{"x.jsonl", false, true},
		{"x.json.GZ", false, false},
		{"x.jsonl.gz", false, false},
		{"x.gz", false, false},
		{"xjson", false, false},
		{"x.json/", false, false},
		{"", false, false},
		{".json.gz", true, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		assert_int_equal(key_is_gzip_json(names[i].key), names[i].gzip);
		assert_int_equal(key_has_log_name(names[i].key), names[i].log);
	}
}

static void test_dates(void **state)
{
	static const struct {
		int y, m, d;
		int32_t day; /* KEY_NO_DAY: no such date */
	} dates[] = {
		{1970, 1, 1, 0},
		{1969, 12, 31, -1},
		{2000, 3, 1, 11017},
		{2024, 2, 29, LEAP_DAY},
		{2025, 6, 19, DAY},
		{1, 1, 1, -719162},
		{9999, 12, 31, 2932896},
		{0, 12, 31, KEY_NO_DAY},
		{10000, 1, 1, KEY_NO_DAY},
		{2025, 2, 29, KEY_NO_DAY},
		{1900, 2, 29, KEY_NO_DAY},
		{2000, 2, 30, KEY_NO_DAY},
		{2025, 13, 1, KEY_NO_DAY},
		{2025, 0, 1, KEY_NO_DAY},
		{2025, 4, 31, KEY_NO_DAY},
		{2025, 1, 0, KEY_NO_DAY},
		{-1, 1, 1, KEY_NO_DAY},
		{2025, -1, 1, KEY_NO_DAY},
		{2025, 1, -1, KEY_NO_DAY},
	};

	(void)state;
	for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
		int32_t day = KEY_NO_DAY;
		bool ok = date_to_day(dates[i].y, dates[i].m, dates[i].d, &day);
		assert_int_equal(ok, dates[i].day != KEY_NO_DAY);
		assert_int_equal(day, dates[i].day);
	}
}

/* Every day of a thousand years around now and of both ends: there, back, and one after the other. */
static void test_days_there_and_back(void **state)
{
	static const int32_t from[] = {-719162, -200000, 2932896 - 1000};

	(void)state;
	for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
		int32_t end = i == 1 ? 200000 : from[i] + 1001;
		for (int32_t day = from[i]; day < end; day++) {
			int y, m, d;
			int32_t again;
			day_to_date(day, &y, &m, &d);
			if (!date_to_day(y, m, d, &again) || again != day)
				fail_msg("day %d is %d-%d-%d", (int)day, y, m, d);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_organization_id_length),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_days_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
