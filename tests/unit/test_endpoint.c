/* Which host, and where the bucket is said. */
#include "s3/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

enum {
	PATH = 1,
	VIRTUAL = 2,
	DUAL = 4,
	FIPS = 8
};

static struct endpoint_options options(const char *bucket, const char *region, const char *url, unsigned how)
{
	return (struct endpoint_options){
		.bucket = bucket,
		.region = region,
		.url = url,
		.path_style = how & PATH,
		.virtual_host = how & VIRTUAL,
		.dualstack = how & DUAL,
		.fips = how & FIPS,
	};
}

static const struct {
	const char *bucket, *region, *url;
	unsigned how;
	const char *expect; /* scheme host prefix; NULL: refused */
} rows[] = {
	{"trail", "us-east-1", NULL, 0, "https trail.s3.us-east-1.amazonaws.com "},
	{"trail", "eu-west-1", "", 0, "https trail.s3.eu-west-1.amazonaws.com "},
	{"trail", "eu-west-1", NULL, PATH, "https s3.eu-west-1.amazonaws.com /trail"},
	{"trail", "eu-west-1", NULL, DUAL, "https trail.s3.dualstack.eu-west-1.amazonaws.com "},
	{"trail", "us-west-2", NULL, FIPS, "https trail.s3-fips.us-west-2.amazonaws.com "},
	{"trail", "us-west-2", NULL, DUAL | FIPS, "https trail.s3-fips.dualstack.us-west-2.amazonaws.com "},
	{"trail", "cn-north-1", NULL, 0, "https trail.s3.cn-north-1.amazonaws.com.cn "},
	{"trail", "cn-north-1", NULL, FIPS, NULL},
	{"trail", "us-gov-west-1", NULL, 0, "https trail.s3.us-gov-west-1.amazonaws.com "},
	{"trail", "us-iso-east-1", NULL, 0, "https trail.s3.us-iso-east-1.c2s.ic.gov "},
	{"trail", "us-isob-east-1", NULL, 0, "https trail.s3.us-isob-east-1.sc2s.sgov.gov "},
	{"trail", "us-iso-east-1", NULL, DUAL, NULL},
	{"trail", "eusc-de-east-1", NULL, 0, "https trail.s3.eusc-de-east-1.amazonaws.eu "},
	{"trail", NULL, NULL, 0, NULL},
	{"trail", "", NULL, 0, NULL},
	{"trail", "evil.example/", NULL, 0, NULL},
	{"trail", "us-east-1.evil.example", NULL, 0, NULL},
	{"trail", "US-EAST-1", NULL, 0, NULL},

	/* Names that are no label, or have too many. */
	{"a.trail", "eu-west-1", NULL, 0, "https s3.eu-west-1.amazonaws.com /a.trail"},
	{"Trail_1", "us-east-1", NULL, 0, "https s3.us-east-1.amazonaws.com /Trail_1"},
	{"-trail", "us-east-1", NULL, 0, "https s3.us-east-1.amazonaws.com /-trail"},
	{A64, "us-east-1", NULL, 0, "https s3.us-east-1.amazonaws.com /" A64},
	{"a-s3alias", "us-east-1", NULL, 0, "https a-s3alias.s3.us-east-1.amazonaws.com "},
	{"arn:aws:s3:us-east-1:1:accesspoint/x", "us-east-1", NULL, 0, NULL},
	{"x--use1-az4--x-s3", "us-east-1", NULL, 0, NULL},
	{"x.mrap", "us-east-1", NULL, 0, NULL},
	{"a/b", "us-east-1", NULL, 0, NULL},
	{"a b", "us-east-1", NULL, 0, NULL},
	{"a\n", "us-east-1", NULL, 0, NULL},
	{"..", "us-east-1", NULL, 0, NULL},
	{"", "us-east-1", NULL, 0, NULL},
	{NULL, "us-east-1", NULL, 0, NULL},
	{A64 A64 A64 A64, "us-east-1", NULL, 0, NULL},

	/* Other servers: the path, unless it is asked for otherwise and can be. */
	{"trail", NULL, "http://127.0.0.1:9000", 0, "http 127.0.0.1:9000 /trail"},
	{"trail", NULL, "http://127.0.0.1:9000", VIRTUAL, "http 127.0.0.1:9000 /trail"},
	{"trail", NULL, "http://[::1]:9000/", VIRTUAL, "http [::1]:9000 /trail"},
	{"trail", NULL, "https://[::1]", 0, "https [::1] /trail"},
	{"trail", NULL, "https://minio.example", 0, "https minio.example /trail"},
	{"trail", NULL, "https://minio.example", VIRTUAL, "https trail.minio.example "},
	{"trail", NULL, "https://minio.example", PATH | VIRTUAL, "https minio.example /trail"},
	{"a.trail", NULL, "https://minio.example", VIRTUAL, "https minio.example /a.trail"},
	{"a.trail", NULL, "http://minio.example", VIRTUAL, "http a.trail.minio.example "},
	{"10.0.0.1", NULL, "http://minio.example", VIRTUAL, "http minio.example /10.0.0.1"},
	{"a..b", NULL, "http://minio.example", VIRTUAL, "http minio.example /a..b"},
	{"a.-b", NULL, "http://minio.example", VIRTUAL, "http minio.example /a.-b"},
	{"trail", NULL, "https://x.example/s3/", VIRTUAL, "https trail.x.example /s3"},
	{"trail", NULL, "https://x.example/s3/v1//", 0, "https x.example /s3/v1/trail"},
	{"trail", NULL, "HTTPS://X.Example:443", 0, "https x.example /trail"},
	{"trail", NULL, "http://x.example:80", 0, "http x.example /trail"},
	{"trail", NULL, "http://x.example:443", 0, "http x.example:443 /trail"},
	{"trail", NULL, "https://x.example", DUAL | FIPS, "https x.example /trail"},
	{"trail", NULL, "x.example", 0, NULL},
	{"trail", NULL, "ftp://x.example", 0, NULL},
	{"trail", NULL, "https://", 0, NULL},
	{"trail", NULL, "https://x.example:", 0, NULL},
	{"trail", NULL, "https://x.example:0", 0, NULL},
	{"trail", NULL, "https://x.example:65536", 0, NULL},
	{"trail", NULL, "https://x.example:9000x", 0, NULL},
	{"trail", NULL, "https://user:pass@x.example", 0, NULL},
	{"trail", NULL, "https://x.example?a=b", 0, NULL},
	{"trail", NULL, "https://x.example/a b", 0, NULL},
	{"trail", NULL, "https://x.example\r\nX: y", 0, NULL},
	{"trail", NULL, "https://[::1", 0, NULL},
	{"trail", NULL, "https://[evil]", 0, NULL},
	{"trail", NULL, "https://[::1]9000", 0, NULL},
	{"trail", NULL, "https://x.example/" A64, 0, NULL},
	{"trail", NULL, "https://" A64 A64 A64 A64 A64, 0, NULL},
};

static void hosts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct endpoint e = {.scheme = "before"};
		char reason[160] = "", got[700];
		struct endpoint_options o = options(rows[i].bucket, rows[i].region, rows[i].url, rows[i].how);
		int error = endpoint_make(&o, &e, reason);
		if (!rows[i].expect) {
			assert_int_equal(error, -EINVAL);
			assert_true(reason[0] && strlen(reason) < sizeof(reason));
			assert_string_equal(e.scheme, "before");
			continue;
		}
		snprintf(got, sizeof(got), "%s %s %s", e.scheme, e.host, e.prefix);
		assert_string_equal(got, rows[i].expect);
		assert_int_equal(error, 0);
	}
}

/* The longest of everything fits. */
static void longest(void **state)
{
	char bucket[256], url[400], reason[160];
	struct endpoint e;

	(void)state;
	memset(bucket, 'a', 255);
	bucket[255] = '\0';
	snprintf(url, sizeof(url), "https://x.example/%.59s", A64);
	struct endpoint_options o = options(bucket, NULL, url, 0);
	assert_int_equal(endpoint_make(&o, &e, reason), 0);
	assert_int_equal(strlen(e.prefix), 60 + 1 + 255);
	bucket[63] = '\0';
	snprintf(url, sizeof(url), "https://%.63s.%.63s.%.63s.%.58s:9000", A64, A64, A64, A64);
	o.virtual_host = true;
	assert_int_equal(endpoint_make(&o, &e, reason), 0);
	assert_int_equal(strlen(e.host), 63 + 1 + 250 + 5);
	snprintf(url, sizeof(url), "https://%.63s.%.63s.%.63s.%.59s:9000", A64, A64, A64, A64);
	assert_int_equal(endpoint_make(&o, &e, reason), -EINVAL);
}

static void trust(void **state)
{
	static const struct {
		const char *url, *region, *host;
		bool trusts;
	} to[] = {
		{NULL, "us-east-1", "trail.s3.us-west-2.amazonaws.com", true},
		{NULL, "us-east-1", "trail.s3-us-west-2.amazonaws.com", true},
		{NULL, "us-east-1", "TRAIL.S3.us-west-2.amazonaws.com:443", true},
		{NULL, "us-east-1", "trail.s3.amazonaws.com", true},
		{NULL, "us-east-1", "s3.eu-west-1.amazonaws.com", true},
		{NULL, "us-east-1", "s3.amazonaws.com", true},
		{NULL, "us-east-1", "trail.s3.dualstack.eu-west-1.amazonaws.com", true},
		{NULL, "us-east-1", "trail.s3-fips.dualstack.us-west-2.amazonaws.com", true},
		{NULL, "us-east-1", "trail.s3-fips.us-west-2.amazonaws.com", true},
		{NULL, "cn-north-1", "trail.s3.cn-northwest-1.amazonaws.com.cn", true},
		/* Another cloud, another bucket, another service, another port, or no AWS at all. */
		{NULL, "us-east-1", "trail.s3.cn-north-1.amazonaws.com.cn", false},
		{NULL, "cn-north-1", "trail.s3.us-east-1.amazonaws.com", false},
		{NULL, "us-east-1", "other.s3.us-west-2.amazonaws.com", false},
		{NULL, "us-east-1", "x.trail.s3.us-west-2.amazonaws.com", false},
		{NULL, "us-east-1", "s3-trail.s3.us-west-2.amazonaws.com", false},
		{NULL, "us-east-1", "trail.s3-website-us-east-1.amazonaws.com", false},
		{NULL, "us-east-1", "trail.ec2.us-east-1.amazonaws.com", false},
		{NULL, "us-east-1", "trail.s3.us-east-1.amazonaws.com:8443", false},
		{NULL, "us-east-1", "trail.s3.us-east-1.amazonaws.com.evil.example", false},
		{NULL, "us-east-1", "trail.s3.us-east-1.evilamazonaws.com", false},
		{NULL, "us-east-1", "s3.us-east-1evilamazonaws.com", false},
		{NULL, "us-east-1", "trail-s3.us-west-2.amazonaws.com", false},
		{NULL, "us-east-1", "evil.example", false},
		{NULL, "us-east-1", "amazonaws.com", false},
		{NULL, "us-east-1", "s3amazonaws.com", false},
		{NULL, "us-east-1", "s3..amazonaws.com", false},
		{NULL, "us-east-1", "", false},
		{"http://127.0.0.1:9000", "", "127.0.0.1:9000", true},
		{"https://Minio.example:9000", "", "minio.EXAMPLE:9000", true},
		{"http://127.0.0.1:9000", "", "127.0.0.1:9001", false},
		{"http://127.0.0.1:9000", "", "trail.s3.us-east-1.amazonaws.com", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(to) / sizeof(*to); i++) {
		struct endpoint e;
		char reason[160], wrong[600];
		struct endpoint_options o = options("trail", to[i].region, to[i].url, 0);
		assert_int_equal(endpoint_make(&o, &e, reason), 0);
		if (endpoint_trusts(&e, "trail", to[i].host, to[i].url != NULL) != to[i].trusts) {
			snprintf(wrong, sizeof(wrong), "%s, from %s", to[i].host, e.host);
			fail_msg("%s", wrong);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts),
		cmocka_unit_test(longest),
		cmocka_unit_test(trust),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
