/* gzip members, whole and damaged in every way that has a name of its own. */
#include "render/gunzip.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define CAP ((size_t)64 << 20)

struct bytes {
	unsigned char *p;
	size_t n;
};

static void add(struct bytes *b, const void *p, size_t n)
{
	b->p = realloc(b->p, b->n + n + 1);
	assert_non_null(b->p);
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

static void add_le(struct bytes *b, uint32_t v, int n)
{
	for (; n > 0; n--, v >>= 8)
		add(b, &(unsigned char){(unsigned char)v}, 1);
}

static struct bytes deflated(const void *text, size_t n)
{
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
	struct bytes b = {malloc(deflateBound(&z, n)), 0};
	assert_non_null(b.p);
	z.next_in = (unsigned char *)text;
	z.avail_in = (uInt)n;
	z.next_out = b.p;
	z.avail_out = (uInt)deflateBound(&z, n);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	b.n = z.total_out;
	deflateEnd(&z);
	return b;
}

/* A member with the header's flags as asked, put together by hand. */
static struct bytes member(const void *text, size_t n, unsigned flags)
{
	struct bytes b = {0}, body = deflated(text, n);
	const unsigned char header[10] = {0x1f, 0x8b, 8, (unsigned char)flags, 1, 2, 3, 4, 0, 3};

	add(&b, header, sizeof header);
	if (flags & 4) {
		add_le(&b, 300, 2);
		for (int i = 0; i < 300; i++)
			add(&b, "\0", 1);
	}
	if (flags & 8)
		add(&b, "name.json", 10);
	if (flags & 16)
		add(&b, "", 1);
	if (flags & 2)
		add_le(&b, (uint32_t)crc32(0, b.p, (uInt)b.n), 2);
	add(&b, body.p, body.n);
	add_le(&b, (uint32_t)crc32(0, text, (uInt)n), 4);
	add_le(&b, (uint32_t)n, 4);
	free(body.p);
	return b;
}

/* Repeats, but not in one deflate match after another. */
static char *some_text(size_t n)
{
	char *text = malloc(n + 1);
	uint32_t x = 1;

	assert_non_null(text);
	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		text[i] = (char)('a' + (x >> 28));
	}
	return text;
}

struct got {
	struct bytes all;
	size_t calls;
	int answer;
};

static int collect(void *arg, const void *p, size_t n)
{
	struct got *got = arg;

	assert_true(n > 0 && n <= (size_t)256 << 10);
	got->calls++;
	add(&got->all, p, n);
	return got->answer;
}

static void assert_inflates(struct bytes gz, const char *want, size_t n)
{
	char reason[GUNZIP_REASON_MAX] = "", *out = NULL;
	struct got got = {0};
	size_t len = 0;
	uint64_t total = 0;
	/* At the end of its own allocation, so that a read past it is found. */
	unsigned char *src = malloc(gz.n);

	assert_non_null(src);
	memcpy(src, gz.p, gz.n);
	assert_int_equal(gunzip_whole(src, gz.n, CAP, &out, &len, reason), 0);
	assert_int_equal(len, n);
	assert_memory_equal(out, want, n);
	assert_int_equal(out[n], '\0');
	assert_int_equal(gunzip_pieces(src, gz.n, CAP, collect, &got, &total, reason), 0);
	assert_int_equal(total, n);
	assert_int_equal(got.all.n, n);
	if (n)
		assert_memory_equal(got.all.p, want, n);
	free(got.all.p);
	free(out);
	free(src);
}

static void assert_refused(struct bytes gz, int want, const char *want_reason)
{
	char whole[GUNZIP_REASON_MAX] = "", pieces[GUNZIP_REASON_MAX] = "", *out = NULL;
	size_t len = 77;
	uint64_t total = 77;
	unsigned char *src = malloc(gz.n + !gz.n);

	assert_non_null(src);
	if (gz.n)
		memcpy(src, gz.p, gz.n);
	int r = gunzip_whole(src, gz.n, CAP, &out, &len, whole);
	int r2 = gunzip_pieces(src, gz.n, CAP, NULL, NULL, &total, pieces);
	if (r != want || r2 != want || !strstr(whole, want_reason) || !strstr(pieces, want_reason))
		fail_msg(
			"'%s' (%d), '%s' (%d) instead of '%s' (%d)", whole, r, pieces, r2, want_reason, want);
	/* Nothing is given back. */
	assert_null(out);
	assert_int_equal(len, 77);
	assert_int_equal(total, 77);
	free(src);
}

static void test_sizes(void **state)
{
	static const size_t sizes[] = {0, 1, 1600, 262143, 262144, 262145, 3000000};

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		char *text = some_text(sizes[i]);
		struct bytes gz = member(text, sizes[i], 0);
		assert_inflates(gz, text, sizes[i]);
		free(gz.p);
		free(text);
	}
}

static void test_header_flags(void **state)
{
	(void)state;
	for (unsigned flags = 0; flags < 32; flags++) {
		struct bytes gz = member("{\"Records\":[]}", 14, flags);
		assert_inflates(gz, "{\"Records\":[]}", 14);
		free(gz.p);
	}
	for (unsigned flag = 32; flag < 256; flag *= 2) {
		struct bytes gz = member("x", 1, flag);
		assert_refused(gz, -EBADMSG, "unknown kind");
		free(gz.p);
	}
	struct bytes gz = member("x", 1, 2);
	gz.p[4] ^= 1;
	assert_refused(gz, -EBADMSG, "CRC of its gzip header");
	free(gz.p);
}

/* The best ratio that deflate has must not be taken for a lie. */
static void test_best_ratio(void **state)
{
	const size_t n = (size_t)20 << 20;
	char *text = calloc(n, 1);

	(void)state;
	assert_non_null(text);
	struct bytes gz = member(text, n, 0);
	assert_true(n / gz.n > 1000);
	assert_inflates(gz, text, n);
	free(gz.p);
	free(text);
}

static void test_cut_anywhere(void **state)
{
	char *text = some_text(5000);
	struct bytes gz = member(text, 5000, 31);

	(void)state;
	for (size_t n = 1; n < gz.n; n++)
		assert_refused((struct bytes){gz.p, n}, -EBADMSG, "ends in the middle");
	free(gz.p);
	free(text);
}

static void test_not_gzip(void **state)
{
	static const char *const texts[] = {
		"{", "{\"Records\":[]}", "\x1f", "\x1f\x8c\x08", "BZh91AY&SY", "PK\3\4"};
	static const char *const why[] = {
		"not gzip", "not gzip", "middle", "not gzip", "not gzip", "not gzip"};

	(void)state;
	assert_refused((struct bytes){0}, -EBADMSG, "empty");
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		assert_refused((struct bytes){(unsigned char *)texts[i], strlen(texts[i])}, -EBADMSG, why[i]);
	struct bytes gz = member("x", 1, 0);
	gz.p[2] = 7;
	assert_refused(gz, -EBADMSG, "unknown kind");
	free(gz.p);
}

static void test_trailer(void **state)
{
	char *text = some_text(5000);
	struct bytes gz = member(text, 5000, 0);
	static const unsigned flip[] = {1, 0x80};

	(void)state;
	for (size_t back = 1; back <= 8; back++)
		for (size_t i = 0; i < 2; i++) {
			gz.p[gz.n - back] ^= flip[i];
			assert_refused(gz, -EBADMSG, back > 4 ? "its CRC is wrong" : "its length is wrong");
			gz.p[gz.n - back] ^= flip[i];
		}
	assert_inflates(gz, text, 5000);
	free(gz.p);
	free(text);
}

static void test_bytes_after(void **state)
{
	char *text = some_text(5000);
	struct bytes one = member(text, 5000, 0);
	static const struct {
		const char *p;
		size_t n;
	} tails[] = {{"\0", 1}, {"\n", 1}, {"\0\0\0\0\0\0\0\0", 8}, {"\xff\xff\xff\xff", 4},
		{"{\"Records\":[]}", 14}};

	(void)state;
	for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
		struct bytes gz = {0};
		add(&gz, one.p, one.n);
		add(&gz, tails[i].p, tails[i].n);
		assert_refused(gz, -EBADMSG, "bytes after the gzip stream");
		free(gz.p);
	}
	/* A second member too, whether its length fits the first or not. */
	for (size_t n = 10; n <= 5000; n += 4990) {
		struct bytes two = member(text, n, 0), gz = {0};
		add(&gz, one.p, one.n);
		add(&gz, two.p, two.n);
		assert_refused(gz, -EBADMSG, "bytes after the gzip stream");
		free(gz.p);
		free(two.p);
	}
	free(one.p);
	free(text);
}

/* A flipped bit changes the contents, and is seen, or it changes nothing that counts (the header's time, the
 * bits that fill up the last byte). Both ways agree on which. */
static void assert_same_or_refused(struct bytes gz, const char *text, size_t n)
{
	char reason[GUNZIP_REASON_MAX] = "", *out = NULL;
	size_t len = 0;
	uint64_t total = 0;
	int r = gunzip_whole(gz.p, gz.n, CAP, &out, &len, reason);

	assert_int_equal(gunzip_pieces(gz.p, gz.n, CAP, NULL, NULL, &total, reason), r);
	if (r == 0) {
		assert_int_equal(len, n);
		assert_memory_equal(out, text, n);
		free(out);
	} else {
		assert_int_equal(r, -EBADMSG);
		assert_true(reason[0]);
	}
}

static void test_bad_data(void **state)
{
	char *text = some_text(5000);
	struct bytes gz = member(text, 5000, 0);

	(void)state;
	/* Block type 3 does not exist. */
	gz.p[10] |= 7;
	assert_refused(gz, -EBADMSG, "bad gzip data: invalid block type");
	free(gz.p);
	gz = member(text, 300, 0);
	for (size_t bit = 0; bit < gz.n * 8; bit++) {
		gz.p[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_same_or_refused(gz, text, 300);
		gz.p[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	free(gz.p);
	free(text);
}

static void test_cap(void **state)
{
	char *text = some_text(5000), *out = NULL;
	char reason[GUNZIP_REASON_MAX] = "";
	struct bytes gz = member(text, 5000, 0);
	struct got got = {0};
	size_t len = 0;
	uint64_t total = 0;

	(void)state;
	assert_int_equal(gunzip_whole(gz.p, gz.n, 4999, &out, &len, reason), -EFBIG);
	assert_string_equal(reason, "inflates to more than 4999 bytes");
	assert_int_equal(gunzip_pieces(gz.p, gz.n, 4999, collect, &got, &total, reason), -EFBIG);
	assert_int_equal(got.calls, 0);
	assert_int_equal(gunzip_whole(gz.p, gz.n, 0, &out, &len, reason), -EFBIG);
	assert_int_equal(gunzip_whole(gz.p, gz.n, 5000, &out, &len, reason), 0);
	assert_int_equal(len, 5000);
	free(out);
	assert_int_equal(gunzip_pieces(gz.p, gz.n, 5000, NULL, NULL, &total, reason), 0);
	/* The length that it gives is a lie: too small to hold the contents, or far too large. */
	out = NULL;
	memcpy(gz.p + gz.n - 4, "\1\0\0\0", 4);
	assert_int_equal(gunzip_whole(gz.p, gz.n, 4999, &out, &len, reason), -EFBIG);
	memcpy(gz.p + gz.n - 4, "\xff\xff\xff\xff", 4);
	assert_int_equal(gunzip_whole(gz.p, gz.n, 4999, &out, &len, reason), -EFBIG);
	assert_int_equal(gunzip_whole(gz.p, gz.n, 5000, &out, &len, reason), -EBADMSG);
	assert_null(out);
	free(gz.p);
	free(text);
}

static void test_sink_ends_it(void **state)
{
	const size_t n = 1000000;
	char *text = some_text(n), reason[GUNZIP_REASON_MAX] = "";
	struct bytes gz = member(text, n, 0);
	struct got got = {.answer = -EINTR};
	uint64_t total = 0;

	(void)state;
	assert_int_equal(gunzip_pieces(gz.p, gz.n, CAP, collect, &got, &total, reason), -EINTR);
	assert_int_equal(got.calls, 1);
	free(got.all.p);
	free(gz.p);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_header_flags),
		cmocka_unit_test(test_best_ratio),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_not_gzip),
		cmocka_unit_test(test_trailer),
		cmocka_unit_test(test_bytes_after),
		cmocka_unit_test(test_bad_data),
		cmocka_unit_test(test_cap),
		cmocka_unit_test(test_sink_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
