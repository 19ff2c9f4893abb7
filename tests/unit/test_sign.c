/* Signatures, against those printed in the S3 documentation, and what must change them. */
#include "s3/sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#define HOST                                                                                                 \
	{                                                                                                    \
		"host", "examplebucket.s3.amazonaws.com"                                                     \
	}
#define HASH                                                                                                 \
	{                                                                                                    \
		"x-amz-content-sha256", SIGN_EMPTY_HASH                                                      \
	}
#define DATE                                                                                                 \
	{                                                                                                    \
		"x-amz-date", "20130524T000000Z"                                                             \
	}
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

static const struct sign_header plain[] = {HOST, HASH, DATE};
static const struct sign_header range[] = {HOST, {"range", "bytes=0-9"}, HASH, DATE};

/* The documented request for a listing, for the tests to change. */
static struct sign_request listing(void)
{
	return (struct sign_request){
		.method = "GET",
		.path = "/",
		.query = "max-keys=2&prefix=J",
		.header = plain,
		.n_headers = 3,
		.payload_hash = SIGN_EMPTY_HASH,
		.access_key = "AKIAIOSFODNN7EXAMPLE",
		.secret = SECRET,
		.region = "us-east-1",
		.service = "s3",
		.date = "20130524T000000Z",
	};
}

static void sign_with(struct sign_key *k, const struct sign_request *r, char out[1024])
{
	int n = sign_authorization(k, r, out, 1024);

	assert_int_equal(n, strlen(out));
}

/* With a key derived for it alone. */
static void sign_alone(const struct sign_request *r, char out[1024])
{
	struct sign_key k = {0};

	sign_with(&k, r, out);
	sign_key_clear(&k);
}

/* docs.aws.amazon.com, S3 API reference, "Authenticating Requests: Using the Authorization Header". */
static void documented(void **state)
{
	static const struct {
		const char *path, *query;
		const struct sign_header *header;
		size_t n;
		const char *expect;
	} rows[] = {
		{"/test.txt", "", range, 4,
			"SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature="
			"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		{"/", "lifecycle=", plain, 3,
			"SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature="
			"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{"/", "max-keys=2&prefix=J", plain, 3,
			"SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature="
			"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	};
	static const char start[] =
		"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,";
	struct sign_key k = {0};
	char out[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sign_request r = listing();
		r.path = rows[i].path;
		r.query = rows[i].query;
		r.header = rows[i].header;
		r.n_headers = rows[i].n;
		sign_with(&k, &r, out);
		assert_memory_equal(out, start, sizeof(start) - 1);
		assert_string_equal(out + sizeof(start) - 1, rows[i].expect);
	}
}

static void token_is_signed(void **state)
{
	struct sign_header h[] = {HOST, HASH, DATE, {"x-amz-security-token", "one"}};
	struct sign_request r = listing();
	char without[1024], with[1024], other[1024], big[2049];

	(void)state;
	sign_alone(&r, without);
	r.header = h;
	r.n_headers = 4;
	sign_alone(&r, with);
	assert_non_null(strstr(with, ";x-amz-date;x-amz-security-token,"));
	assert_string_not_equal(strstr(with, "Signature="), strstr(without, "Signature="));
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	h[3].value = big;
	sign_alone(&r, other);
	assert_string_not_equal(with, other);
}

/* Blanks around and within values do not count, nor does the order; a header sent twice is one. */
static void headers_are_made_canonical(void **state)
{
	static const struct sign_header tidy[] = {
		HOST, DATE, {"x-amz-a", "1 2 3,4"}, {"x-amz-a-b", "x"}, HASH};
	static const struct sign_header wild[] = {
		{"x-amz-a-b", "\tx"}, {"x-amz-a", "  1  2 \t 3  "}, HASH, DATE, HOST, {"x-amz-a", " 4"}};
	static const struct sign_header swapped[] = {
		HOST, DATE, {"x-amz-a", "4"}, {"x-amz-a", "1 2 3"}, {"x-amz-a-b", "x"}, HASH};
	struct sign_request r = listing();
	char a[1024], b[1024], c[1024];

	(void)state;
	r.header = tidy;
	r.n_headers = 5;
	sign_alone(&r, a);
	r.header = wild;
	r.n_headers = 6;
	sign_alone(&r, b);
	assert_string_equal(a, b);
	assert_non_null(strstr(a, "=host;x-amz-a;x-amz-a-b;x-amz-content-sha256;x-amz-date,"));
	r.header = swapped;
	sign_alone(&r, c);
	assert_string_not_equal(a, c);
}

/* The key that is kept must never serve another secret, day, region or service. */
static void kept_key_follows(void **state)
{
	struct sign_key k = {0};
	struct sign_request rows[6];
	char kept[1024], alone[1024], first[1024];

	(void)state;
	for (size_t i = 0; i < 6; i++)
		rows[i] = listing();
	rows[1].date = "20130525T000000Z"; /* a second after 20130524T235959Z */
	rows[2].region = "us-east-2";
	rows[3].service = "sts";
	rows[4].secret = SECRET "x";
	sign_with(&k, &rows[0], first);
	/* Every change from every other, and none at all. */
	for (size_t i = 0; i < 36; i++) {
		const struct sign_request *r = &rows[i % 2 ? i / 6 : i % 6];
		sign_with(&k, r, kept);
		sign_alone(r, alone);
		assert_string_equal(kept, alone);
	}
	for (size_t i = 1; i < 5; i++) {
		sign_with(&k, &rows[i], kept);
		assert_string_not_equal(strstr(kept, "Signature="), strstr(first, "Signature="));
	}
	sign_key_clear(&k);
	assert_memory_equal(&k, &(struct sign_key){0}, sizeof(k));
}

/* A key that is kept is used: one that was tampered with shows. */
static void key_is_kept(void **state)
{
	struct sign_key k = {0};
	struct sign_request r = listing();
	char a[1024], b[1024];

	(void)state;
	sign_with(&k, &r, a);
	k.key[0] ^= 1;
	r.date = "20130524T235959Z";
	sign_with(&k, &r, b);
	k.key[0] ^= 1;
	sign_with(&k, &r, a);
	assert_string_not_equal(a, b);
}

static void refused(void **state)
{
	static const struct sign_header no_host[] = {HASH, DATE};
	static const struct sign_header upper[] = {HOST, {"Range", "bytes=0-9"}};
	static const struct sign_header split[] = {HOST, {"x-amz-a", "1\r\nx-amz-b: 2"}};
	struct sign_key k = {0};
	struct sign_request rows[12];
	char out[1024], region[80];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < 12; i++)
		rows[i] = listing();
	memset(region, 'r', sizeof(region) - 1);
	region[sizeof(region) - 1] = '\0';
	rows[n].header = no_host, rows[n++].n_headers = 2;
	rows[n].header = upper, rows[n++].n_headers = 2;
	rows[n].header = split, rows[n++].n_headers = 2;
	rows[n++].n_headers = SIGN_HEADERS_MAX + 1;
	rows[n++].path = "";
	rows[n++].path = "/a?b";
	rows[n++].date = "20130524";
	rows[n++].date = "2013052xT000000Z";
	rows[n++].region = "";
	rows[n++].region = region;
	rows[n++].region = "a/b";
	rows[n++].access_key = "AKIA,X";
	assert_int_equal(n, 12);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(sign_authorization(&k, &rows[i], out, sizeof(out)), -EINVAL);
	struct sign_request r = listing();
	int len = sign_authorization(&k, &r, out, sizeof(out));
	assert_int_equal(sign_authorization(&k, &r, out, (size_t)len), -ENOSPC);
	assert_int_equal(sign_authorization(&k, &r, out, (size_t)len + 1), len);
}

static void dates(void **state)
{
	static const struct {
		int64_t time;
		const char *expect;
	} rows[] = {
		{0, "19700101T000000Z"},
		{1369353600 - 1, "20130523T235959Z"},
		{1369353600, "20130524T000000Z"},
		{951782400, "20000229T000000Z"},
		{4102444800, "21000101T000000Z"},
		{-5, "19700101T000000Z"},
		{INT64_MAX, "99991231T235959Z"},
	};
	char out[17];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		sign_date(rows[i].time, out);
		assert_string_equal(out, rows[i].expect);
	}
}

static void encoding(void **state)
{
	static const struct {
		const char *text;
		int keep_slash;
		const char *expect;
	} rows[] = {
		{"", 0, ""},
		{"AZaz09-._~", 0, "AZaz09-._~"},
		{"a/b//../c/", 1, "a/b//../c/"},
		{"a/b", 0, "a%2Fb"},
		{" +=&?#%", 1, "%20%2B%3D%26%3F%23%25"},
		{"!'()*:@$,;", 1, "%21%27%28%29%2A%3A%40%24%2C%3B"},
		{"\xc3\xa9\x01\x7f\n", 1, "%C3%A9%01%7F%0A"},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		size_t n = strlen(rows[i].text), want = strlen(rows[i].expect);
		assert_int_equal(sign_encode(rows[i].text, n, rows[i].keep_slash, out, sizeof(out)), want);
		assert_string_equal(out, rows[i].expect);
		assert_int_equal(sign_encode(rows[i].text, n, rows[i].keep_slash, out, want), -ENOSPC);
		assert_int_equal(sign_encode(rows[i].text, n, rows[i].keep_slash, out, want + 1), want);
	}
	assert_int_equal(sign_encode("a\0b", 3, 0, out, sizeof(out)), 5);
	assert_string_equal(out, "a%00b");
}

static void hashes(void **state)
{
	char out[65];

	(void)state;
	sign_sha256_hex("", 0, out);
	assert_string_equal(out, SIGN_EMPTY_HASH);
	sign_sha256_hex("Welcome to Amazon S3.", 21, out);
	assert_string_equal(out, "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documented),
		cmocka_unit_test(token_is_signed),
		cmocka_unit_test(headers_are_made_canonical),
		cmocka_unit_test(kept_key_follows),
		cmocka_unit_test(key_is_kept),
		cmocka_unit_test(refused),
		cmocka_unit_test(dates),
		cmocka_unit_test(encoding),
		cmocka_unit_test(hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
