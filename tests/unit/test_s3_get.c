/*
 * Objects, from a server that cuts, replaces and spoils them: the right bytes, or why not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/s3_kit.h"

/* An object of 36 bytes that is served as the test says. */
static void serve(struct world *w, struct server_request *q, unsigned n)
{
	char range[128], extra[256] = "ETag: \"e\"\r\n";
	unsigned long first = 0, last = SIZE - 1;
	bool part =
		sscanf(server_header(q, "range", range, sizeof(range)), "bytes=%lu-%lu", &first, &last) == 2;
	const char *how = w->text;

	if (n == 0 && strncmp(how, "cut", 3) == 0) {
		server_head(q, 200, SIZE, extra);
		server_send(q, TEXT, 10);
		server_hang_up(q, strstr(how, "reset") != NULL);
		return;
	}
	if (strstr(how, "replaced"))
		snprintf(extra, sizeof(extra), "ETag: \"f\"\r\n");
	if (part && !strstr(how, "whole")) {
		size_t at = strlen(extra);
		snprintf(extra + at, sizeof(extra) - at, "Content-Range: %s %lu-%lu/%zu\r\n",
			strstr(how, "octet") ? "octet" : "bytes",
			first + (strstr(how, "late") != NULL) - (strstr(how, "early") != NULL),
			last + (strstr(how, "late") != NULL) - (strstr(how, "early") != NULL),
			SIZE + (strstr(how, "grown") != NULL));
		server_reply(q, 206, extra, &TEXT[first], last - first + 1);
	} else if (strstr(how, "chunked")) {
		server_head(q, 200, -1, "ETag: \"e\"\r\nTransfer-Encoding: chunked\r\n");
		server_send(q, "24\r\n" TEXT "\r\n0\r\n\r\n", SIZE + 11);
	} else {
		server_reply(q, 200, extra, TEXT, SIZE);
	}
}

/* What does not fit is asked for anew, twice. */
#define THRICE(s) s s s

static const struct {
	const char *how;
	uint64_t first, n;
	const char *etag; /* asked for */
	int error;
	const char *text, *log;
} gets[] = {
	{"well", 0, 0, NULL, 0, TEXT, "/trail-logs/k\n"},
	{"well", 0, 0, "e", 0, TEXT, "/trail-logs/k \"e\"\n"},
	{"well", 0, 0, "f", -ESTALE, NULL, "/trail-logs/k \"f\"\n"},
	{"chunked", 0, 0, NULL, 0, TEXT, "/trail-logs/k\n"},
	{"well", 10, 6, NULL, 0, "abcdef", "/trail-logs/k bytes=10-15\n"},
	{"well", 30, 99, "e", 0, "uvwxyz", "/trail-logs/k bytes=30-35 \"e\"\n"},
	{"well", 36, 5, NULL, 0, "", ""},
	{"whole", 10, 6, NULL, 0, "abcdef", "/trail-logs/k bytes=10-15\n"},
	{"early", 10, 6, NULL, -EBADMSG, NULL, THRICE("/trail-logs/k bytes=10-15\n")},
	{"late", 10, 6, NULL, -EBADMSG, NULL, THRICE("/trail-logs/k bytes=10-15\n")},
	{"octet", 10, 6, NULL, -EBADMSG, NULL, THRICE("/trail-logs/k bytes=10-15\n")},
	{"grown", 10, 6, NULL, -ESTALE, NULL, THRICE("/trail-logs/k bytes=10-15\n")},
	{"cut", 0, 0, NULL, 0, TEXT, "/trail-logs/k\n/trail-logs/k bytes=10-35 \"e\"\n"},
	{"cut whole", 0, 0, NULL, 0, TEXT, "/trail-logs/k\n/trail-logs/k bytes=10-35 \"e\"\n"},
	{"cut replaced", 0, 0, NULL, -ESTALE, NULL, "/trail-logs/k\n/trail-logs/k bytes=10-35 \"e\"\n"},
	{"cut late", 0, 0, NULL, 0, TEXT, "/trail-logs/k\n/trail-logs/k bytes=10-35 \"e\"\n/trail-logs/k\n"},
};

static void test_get(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(gets) / sizeof(*gets); i++) {
		struct world *w = world_new(serve, NULL);

		w->text = gets[i].how;
		char *data = get(w, "k", SIZE, gets[i].etag, gets[i].first, gets[i].n);
		if (w->result.error != gets[i].error)
			print_error("%zu %s: %s\n", i, gets[i].how, w->result.message);
		assert_int_equal(w->result.error, gets[i].error);
		if (gets[i].error == 0)
			expect_text(data, gets[i].text);
		assert_string_equal(w->log, gets[i].log);
		world_free(w);
	}
}

static void all_of_it(struct world *w, struct server_request *q, unsigned n)
{
	static char large[200000];

	(void)w;
	(void)n;
	server_reply(q, 200, "ETag: \"e\"\r\n", large, sizeof(large));
}

/* An object has become another, larger one; or a part of it was asked for, and all of it comes. */
static void test_too_much(void **state)
{
	static const struct {
		uint64_t size, first, n;
		int error;
		const char *said, *log;
	} rows[] = {
		{100000, 0, 0, -ESTALE, "another object", THRICE("/trail-logs/k\n")},
		{36, 0, 0, -ESTALE, "another object", THRICE("/trail-logs/k\n")},
		{200000, 10, 6, -EIO, "more comes than", THRICE("/trail-logs/k bytes=10-15\n")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct world *w = world_new(all_of_it, NULL);

		assert_null(get(w, "k", rows[i].size, NULL, rows[i].first, rows[i].n));
		assert_int_equal(w->result.error, rows[i].error);
		expect_said(w, rows[i].said);
		assert_string_equal(w->log, rows[i].log);
		world_free(w);
	}
}

/* What came before a reset may be lost or not: whole it is either way. */
static void test_get_reset(void **state)
{
	struct world *w = world_new(serve, NULL);

	(void)state;
	w->text = "cut reset";
	expect_text(get(w, "k", SIZE, NULL, 0, 0), TEXT);
	assert_int_equal(atomic_load(&w->asked), 2);
	world_free(w);
}

static void test_get_other_size(void **state)
{
	static const uint64_t sizes[] = {SIZE - 1, SIZE + 1, 0, 1u << 20};
	static const char *const kinds[] = {"well", "chunked"};

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct world *w = world_new(serve, NULL);

		w->text = kinds[i % 2];
		assert_null(get(w, "k", sizes[i / 2], NULL, 0, 0));
		assert_int_equal(w->result.error, -ESTALE);
		world_free(w);
	}
}

/* TEXT under the ETag that the test says, and which of the answers hold other bytes. */
#define MD5_OF_TEXT "e9b1713db620f1e3a14b6812de523f4b"

static void spoilt(struct world *w, struct server_request *q, unsigned n)
{
	const char *etag = strchr(w->text, ' ') + 1, *more = strchr(etag, ' ');
	size_t how_many = strcspn(w->text, " ");
	char extra[256], body[] = TEXT;

	snprintf(extra, sizeof(extra), "ETag: \"%.*s\"\r\n%s%s%s", (int)strcspn(etag, " "), etag,
		more ? "x-amz-server-side-encryption:" : "", more ? more : "", more ? "\r\n" : "");
	/* '=': as it is; '?': other bytes each time; else with this one in it. */
	char c = w->text[n < how_many ? n : how_many - 1];
	if (c != '=')
		body[5] = c == '?' ? (char)('A' + n % 26) : c;
	server_reply(q, 200, extra, body, SIZE);
}

static const struct {
	const char *answers; /* and the ETag, and the encryption */
	int error;
	char fifth; /* byte of what is given */
	unsigned asked;
} sums[] = {
	{"= " MD5_OF_TEXT, 0, '5', 1},
	{"x= " MD5_OF_TEXT, 0, '5', 2},
	{"AB= " MD5_OF_TEXT, 0, '5', 3},
	{"? " MD5_OF_TEXT, -EBADMSG, 0, 3},
	{"x " MD5_OF_TEXT, 0, 'x', 2}, /* so it is stored */
	{"x " MD5_OF_TEXT " AES256", 0, 'x', 2},
	{"x " MD5_OF_TEXT "-2", 0, 'x', 1}, /* of an upload in parts: no MD5 */
	{"x " MD5_OF_TEXT " aws:kms", 0, 'x', 1},
	{"x " MD5_OF_TEXT " aws:kms:dsse", 0, 'x', 1},
	{"x 0x8DBE5A", 0, 'x', 1},
};

static void test_get_against_md5(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sums) / sizeof(*sums); i++) {
		struct world *w = world_new(spoilt, NULL);

		w->text = sums[i].answers;
		char *data = get(w, "k", SIZE, NULL, 0, 0);
		if (w->result.error != sums[i].error)
			print_error("%s: %s\n", sums[i].answers, w->result.message);
		assert_int_equal(w->result.error, sums[i].error);
		if (data)
			assert_int_equal(data[5], sums[i].fifth);
		else
			expect_said(w, "ETag");
		assert_int_equal(atomic_load(&w->asked), sums[i].asked);
		free(data);
		world_free(w);
	}
}

/* A service whose ETags only look like an MD5 is asked twice for a few objects, and not for all. */
static void test_get_where_etags_are_no_md5(void **state)
{
	struct world *w = world_new(spoilt, NULL);

	(void)state;
	w->text = "x " MD5_OF_TEXT;
	for (unsigned n = 0; n < 40; n++)
		free(get(w, "k", SIZE, NULL, 0, 0));
	assert_int_equal(atomic_load(&w->asked), 40 + 8);
	world_free(w);
}

static void nothing(struct world *w, struct server_request *q, unsigned n)
{
	(void)w;
	(void)n;
	server_reply(q, 200, "ETag: \"e\"\r\n", "", 0);
}

static void test_get_empty(void **state)
{
	struct world *w = world_new(nothing, NULL);

	(void)state;
	expect_text(get(w, "k", 0, NULL, 0, 0), "");
	world_free(w);
}

/* An object that is larger than what one attempt brings, ever. */
#define LARGE (3u << 20)

static void crumbs(struct world *w, struct server_request *q, unsigned n)
{
	static const char block[1 << 17];
	char range[128], extra[256];
	unsigned long first = 0, last = LARGE - 1;

	(void)w;
	(void)n;
	bool part =
		sscanf(server_header(q, "range", range, sizeof(range)), "bytes=%lu-%lu", &first, &last) == 2;
	snprintf(extra, sizeof(extra), "ETag: \"e\"\r\nContent-Range: bytes %lu-%lu/%u\r\n", first, last,
		LARGE);
	server_head(q, part ? 206 : 200, (long long)(last - first) + 1, part ? extra : "ETag: \"e\"\r\n");
	size_t len = last - first + 1 < sizeof(block) ? last - first + 1 : sizeof(block);
	server_send(q, block, len);
	if (len < last - first + 1)
		server_hang_up(q, false);
}

static void test_get_in_many_pieces(void **state)
{
	struct world *w = world_new(crumbs, NULL);
	struct wait x;

	(void)state;
	wait_init(&x, 1);
	s3_get(w->s3, "k", LARGE, NULL, 0, 0, came, &x);
	wait_for(&x);
	assert_int_equal(x.result.error, 0);
	assert_int_equal(x.len, LARGE);
	free(x.data);
	/* More attempts than would be granted without progress. */
	assert_int_equal(atomic_load(&w->asked), LARGE / (1 << 17));
	world_free(w);
}

static void test_get_odd_keys(void **state)
{
	static const struct {
		const char *key, *path;
	} table[] = {
		{"a b+c%d", "/trail-logs/a%20b%2Bc%25d"},
		{"/x//y/../z/./", "/trail-logs//x//y/../z/./"},
		{"\xc3\xa9\xff?&=#~", "/trail-logs/%C3%A9%FF%3F%26%3D%23~"},
		{"..", "/trail-logs/.."},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct world *w = world_new(serve, NULL);
		char want[256];

		w->text = "well";
		expect_text(get(w, table[i].key, SIZE, NULL, 0, 0), TEXT);
		snprintf(want, sizeof(want), "%s\n", table[i].path);
		assert_string_equal(w->log, want);
		world_free(w);
	}
}

static void test_many_gets(void **state)
{
	struct world *w = world_new(serve, NULL);
	struct wait x;

	(void)state;
	w->text = "well";
	wait_init(&x, 300);
	for (unsigned i = 0; i < 300; i++)
		s3_get(w->s3, "k", SIZE, NULL, 0, 0, came, &x);
	wait_for(&x);
	assert_int_equal(x.result.error, 0);
	free(x.data);
	assert_int_equal(s3_stats(w->s3).gets, 300);
	assert_int_equal(s3_stats(w->s3).bytes, 300 * SIZE);
	assert_int_equal(s3_stats(w->s3).in_flight, 0);
	/* Eight connections at a time, kept. */
	assert_true(server_connections(w->server) <= 8);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_get_reset),
		cmocka_unit_test(test_get_other_size),
		cmocka_unit_test(test_get_against_md5),
		cmocka_unit_test(test_get_where_etags_are_no_md5),
		cmocka_unit_test(test_get_empty),
		cmocka_unit_test(test_get_in_many_pieces),
		cmocka_unit_test(test_get_odd_keys),
		cmocka_unit_test(test_many_gets),
	};

	world_environment();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
