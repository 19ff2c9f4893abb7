/*
 * Values of options: what is one, and what it means.
 */
#include "fs/config_value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW          1750000000 /* 2025-06-15T15:06:40Z */

static void test_sizes(void **state)
{
	static const struct {
		const char *s;
		int64_t expect; /* -1: not one */
	} cases[] = {
		{"0", 0},
		{"1", 1},
		{"500B", 500},
		{"1k", 1024},
		{"1K", 1024},
		{"2M", 2 << 20},
		{"10G", 10ll << 30},
		{"10g", 10ll << 30},
		{"10GB", 10ll << 30},
		{"10GiB", 10ll << 30},
		{"10gib", 10ll << 30},
		{"1T", 1ll << 40},
		{"8388607T", 8388607ll << 40},
		{"9223372036854775807", INT64_MAX},
		{"9223372036854775808", -1},
		{"8388608T", -1},
		{"16777217T", -1},
		{"99999999999999999999", -1},
		{"", -1},
		{"G", -1},
		{"-1", -1},
		{"+1", -1},
		{" 1", -1},
		{"1 G", -1},
		{"1.5G", -1},
		{"1P", -1},
		{"1GG", -1},
		{"1iB", -1},
		{"1Gi", -1},
		{"1GiBs", -1},
		{"0x10", -1},
		{"1e9", -1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t found = 77;
		bool ok = config_value_size(cases[i].s, &found);

		if (ok != (cases[i].expect >= 0) || found != (ok ? (uint64_t)cases[i].expect : 77))
			fail_msg("%s: %d %llu", cases[i].s, ok, (unsigned long long)found);
	}
}

static void test_times(void **state)
{
	static const struct {
		const char *s;
		int64_t first, last; /* first > last: not one */
	} cases[] = {
		{"1970-01-01", 0, 86399},
		{"2025-06-19", 1750291200, 1750377599},
		{"2025-06-19Z", 1750291200, 1750377599},
		{"2024-02-29", 1709164800, 1709251199},
		{"2025-06-19T09", 1750323600, 1750327199},
		{"2025-06-19T09:30", 1750325400, 1750325459},
		{"2025-06-19T09:30Z", 1750325400, 1750325459},
		{"2025-06-19T09:30:15", 1750325415, 1750325415},
		{"2025-06-19T09:30:15Z", 1750325415, 1750325415},
		{"0001-01-01", -62135596800, -62135510401},
		{"9999-12-31", 253402214400, 253402300799},
		{"0s", NOW, NOW},
		{"90s", NOW - 90, NOW - 90},
		{"90m", NOW - 5400, NOW - 5400},
		{"24h", NOW - 86400, NOW - 86400},
		{"7d", NOW - 604800, NOW - 604800},
		{"2w", NOW - 1209600, NOW - 1209600},
		{"700000d", NOW - 60480000000, NOW - 60480000000},
		{"800000d", 1, 0},
		{"99999999999999999d", 1, 0},
		{"18446744073709551615s", 1, 0},
		{"99999999999999999999s", 1, 0},
		{"", 1, 0},
		{"d", 1, 0},
		{"-1d", 1, 0},
		{"1", 1, 0},
		{"1x", 1, 0},
		{"1dd", 1, 0},
		{"1 d", 1, 0},
		{"7D", 1, 0},
		{"2025-06", 1, 0},
		{"2025-6-19", 1, 0},
		{"20250619", 1, 0},
		{"2025-13-01", 1, 0},
		{"2025-00-01", 1, 0},
		{"2025-02-29", 1, 0},
		{"2025-06-31", 1, 0},
		{"0000-01-01", 1, 0},
		{"2025-06-19T", 1, 0},
		{"2025-06-19T24:00", 1, 0},
		{"2025-06-19T09:60", 1, 0},
		{"2025-06-19T09:30:60", 1, 0},
		{"2025-06-19T9:30", 1, 0},
		{"2025-06-19T09:3", 1, 0},
		{"2025-06-19 09:30", 1, 0},
		{"2025-06-19T09:30:15.5", 1, 0},
		{"2025-06-19T09:30+02:00", 1, 0},
		{"2025-06-19T09:30:15:00", 1, 0},
		{"2025-06-19ZZ", 1, 0},
		{"12025-06-19", 1, 0},
		{"now", 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		bool good = cases[i].first <= cases[i].last;
		int64_t first = 77, last = 77;

		if (config_value_time(cases[i].s, NOW, false, &first) != good ||
			config_value_time(cases[i].s, NOW, true, &last) != good ||
			first != (good ? cases[i].first : 77) || last != (good ? cases[i].last : 77))
			fail_msg("%s: %lld %lld", cases[i].s, (long long)first, (long long)last);
	}
}

static void check_words(const char *what, bool (*is)(const char *), bool good, const char *const *words)
{
	for (; *words; words++)
		if (is(*words) != good)
			fail_msg("%s: %s is %sone", what, *words, good ? "" : "not ");
}

#define X63 "a23456789012345678901234567890123456789012345678901234567890123"

static void test_words(void **state)
{
	(void)state;
	check_words("account", config_value_is_account, true,
		(const char *const[]){"123456789012", "000000000000", NULL});
	check_words("account", config_value_is_account, false,
		(const char *const[]){"", "12345678901", "1234567890123", "12345678901x", "1234-5678-9012",
			" 12345678901", NULL});
	check_words("region", config_value_is_region, true,
		(const char *const[]){
			"us-east-1", "us-gov-west-1", "eusc-de-east-1", "garage", "a", X63, NULL});
	check_words("region", config_value_is_region, false,
		(const char *const[]){"", "US-EAST-1", "us_east_1", "us-east-1-", "-us", "us.east", "us east",
			"us-east-1/", X63 "4", NULL});
	check_words("bucket", config_value_is_bucket, true,
		(const char *const[]){"abc", "my-trail-bucket", "my.trail.bucket", "123", "1.2.3", "a--b",
			"aws-controltower-logs-123456789012-us-east-1", "ap-name-s3alias", X63, NULL});
	check_words("bucket", config_value_is_bucket, false,
		(const char *const[]){"", "ab", "Trail", "my_trail", "a..b", ".abc", "abc.", "-abc", "abc-",
			"192.168.5.4", "a b", "a%62c", "abc:d", "abc@d",
			"b\xc3\xbc"
			"cket",
			"xn--abc", "abc--x-s3", X63 "4", NULL});
	check_words("URL", config_value_is_url, true,
		(const char *const[]){"http://localhost", "http://localhost:9000", "https://s3.example.net/",
			"HTTPS://S3.Example.net:443/store/a%20b", "http://127.0.0.1:1", "http://[::1]:65535",
			"http://[2001:db8::1]/", "http://minio_1:9000", NULL});
	check_words("URL", config_value_is_url, false,
		(const char *const[]){"", "localhost", "localhost:9000", "http://", "http:///x", "http://:80",
			"ftp://x", "s3://x", "http://x:", "http://x:0", "http://x:65536", "http://x:80a",
			"http://u:p@x", "http://x/?a", "http://x/#a", "http://x y", "http://x\n",
			"http://[::1", "http://[]", "http://[::1]x", "http://-x", "http://\xc3\xbc.de",
			"http:\\\\x", NULL});
	check_words("text", config_value_is_text, true, (const char *const[]){"a", " ", "\xc3\xbc", NULL});
	check_words(
		"text", config_value_is_text, false, (const char *const[]){"", "a\nb", "\x7f", "\033", NULL});
}

static void test_counts_and_umasks(void **state)
{
	uint64_t n = 77;
	mode_t mask = 01234;

	(void)state;
	assert_true(config_value_count("0018", 1, 18, &n));
	assert_int_equal(n, 18);
	assert_true(config_value_count("18446744073709551615", 0, UINT64_MAX, &n));
	assert_true(n == UINT64_MAX);
	assert_false(config_value_count("18446744073709551616", 0, UINT64_MAX, &n));
	assert_false(config_value_count("", 0, 9, &n));
	assert_false(config_value_count("5 ", 0, 9, &n));
	assert_false(config_value_count("-0", 0, 9, &n));
	assert_true(n == UINT64_MAX);

	assert_false(config_value_umask("", &mask));
	assert_false(config_value_umask("1000", &mask));
	assert_false(config_value_umask("08", &mask));
	assert_false(config_value_umask("-1", &mask));
	assert_false(config_value_umask("40000000022", &mask));
	assert_int_equal(mask, 01234);
	assert_true(config_value_umask("0777", &mask));
	assert_int_equal(mask, 0777);
}

static void test_near(void **state)
{
	(void)state;
	assert_true(config_value_is_near("ofline", "offline"));
	assert_true(config_value_is_near("offlien", "offline"));
	assert_true(config_value_is_near("endpoint", "endpoint-url"));
	assert_true(config_value_is_near("wat", "wait"));
	assert_false(config_value_is_near("what", "gid"));
	assert_false(config_value_is_near("wt", "wait"));
	assert_false(config_value_is_near("en", "endpoint-url"));
	assert_false(config_value_is_near("online", "timeout"));
	assert_false(config_value_is_near(X63, "offline"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_counts_and_umasks),
		cmocka_unit_test(test_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
