/*
 * The client against a server that refuses, fails, says nothing or is taken away: what is final, what is
 * tried again, and that every call ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/s3_kit.h"

static const struct {
	int status;
	const char *code;
	bool listing;
	int error;
	const char *said;
} finals[] = {
	{404, "NoSuchBucket", true, -ENXIO, "no bucket of this name"},
	{403, "AccessDenied", true, -EACCES, "s3:ListBucket"},
	{403, "AccessDenied", false, -EACCES, "s3:GetObject"},
	{403, "InvalidAccessKeyId", true, -EKEYREJECTED, "access key"},
	{403, "InvalidObjectState", false, -EACCES, "Glacier"},
	{404, "NoSuchKey", false, -ENOENT, "removed"},
	{412, "PreconditionFailed", false, -ESTALE, "replaced"},
	{416, "InvalidRange", false, -ESTALE, "replaced"},
	{400, "ExpiredToken", true, -EKEYREJECTED, "sign in again"},
};

static void final_error(struct world *w, struct server_request *q, unsigned n)
{
	(void)n;
	reply_error(q, atoi(w->text), strchr(w->text, ' ') + 1, "x-amz-request-id: HEADER\r\n");
}

static void test_final_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(finals) / sizeof(*finals); i++) {
		struct world *w = world_new(final_error, NULL);
		char text[64];

		snprintf(text, sizeof(text), "%d %s", finals[i].status, finals[i].code);
		w->text = text;
		if (finals[i].listing)
			assert_int_equal(list(w, "", '\0'), finals[i].error);
		else
			assert_null(get(w, "AWSLogs/k", SIZE, NULL, 0, 0));
		assert_int_equal(w->result.error, finals[i].error);
		assert_int_equal(w->result.status, finals[i].status);
		assert_string_equal(w->result.code, finals[i].code);
		expect_said(w, finals[i].listing ? "s3://trail-logs: " : "s3://trail-logs/AWSLogs/k: ");
		expect_said(w, text);
		expect_said(w, "R3QUEST");
		expect_said(w, finals[i].said);
		/* Other keys may be found for an expired token, once. */
		assert_int_equal(atomic_load(&w->asked), finals[i].status == 400 ? 2 : 1);
		assert_int_equal(s3_stats(w->s3).failed, 1);
		world_free(w);
	}
}

/* ---- trying again ---- */

static void third_time(struct world *w, struct server_request *q, unsigned n)
{
	if (n < 2 && strcmp(w->text, "reset") == 0)
		server_hang_up(q, true);
	else if (n < 2 && strcmp(w->text, "closed") == 0)
		server_hang_up(q, false);
	else if (n < 2 && strcmp(w->text, "xml") == 0)
		reply_error(q, 200, "InternalError", NULL);
	else if (n < 2)
		reply_error(q, atoi(w->text), "", "Retry-After: 0\r\n");
	else
		server_reply(q, 200, "ETag: \"e\"\r\n", TEXT, SIZE);
}

static void test_again(void **state)
{
	static const char *const kinds[] = {"500", "502", "503", "504", "429", "reset", "closed", "xml"};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct world *w = world_new(third_time, NULL);

		w->text = kinds[i];
		expect_text(get(w, "k", SIZE, NULL, 0, 0), TEXT);
		assert_string_equal(w->result.message, "");
		assert_string_equal(w->result.etag, "e");
		/* libcurl may repeat on a new connection by itself what was sent on one that had ended. */
		assert_true(s3_stats(w->s3).retries >= 1);
		assert_int_equal(atomic_load(&w->asked), 3);
		world_free(w);
	}
}

/* At a time, as proxies like to say it. */
static void not_before(struct world *w, struct server_request *q, unsigned n)
{
	char date[64], extra[128];

	http_date((int64_t)time(NULL) + w->clock, date);
	snprintf(extra, sizeof(extra), "Retry-After: %s\r\n", date);
	if (n == 0)
		reply_error(q, 503, "SlowDown", extra);
	else
		server_reply(q, 200, "ETag: \"e\"\r\n", TEXT, SIZE);
}

static void test_not_before(void **state)
{
	static const struct {
		int clock, asked;
	} rows[] = {{-3600, 2}, {1, 2}, {3600, 1}}; /* later than the request may take: not at all */
	const struct s3_options o = {.timeout = 10};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct world *w = world_new(not_before, &o);

		w->clock = rows[i].clock;
		char *data = get(w, "k", SIZE, NULL, 0, 0);
		if (rows[i].asked == 2)
			expect_text(data, TEXT);
		else
			assert_null(data);
		assert_int_equal(atomic_load(&w->asked), rows[i].asked);
		world_free(w);
	}
}

static void never_well(struct world *w, struct server_request *q, unsigned n)
{
	(void)w;
	(void)n;
	reply_error(q, 503, "SlowDown", NULL);
}

static void test_gives_up(void **state)
{
	struct s3_options o = {.timeout = 2};
	bool well = false;

	(void)state;
	/* On a busy machine the time may be up before there is an answer, or before it is asked again. */
	for (; !well && o.timeout <= 64; o.timeout *= 2) {
		struct world *w = world_new(never_well, &o);

		assert_null(get(w, "k", SIZE, NULL, 0, 0));
		well = w->result.error == -EIO && strstr(w->result.message, "SlowDown") &&
		       atomic_load(&w->asked) >= 2 && s3_stats(w->s3).throttled == s3_stats(w->s3).retries;
		world_free(w);
	}
	assert_true(well);
}

static void test_silence_ends(void **state)
{
	const struct s3_options o = {.timeout = 1};
	struct world *w = world_new(no_answer, &o);

	(void)state;
	assert_int_equal(list(w, "", '\0'), -ETIMEDOUT);
	expect_said(w, "s3://trail-logs: ");
	world_free(w);
}

/* ---- the end ---- */

static void *cancel_soon(void *arg)
{
	struct world *w = arg;

	while (atomic_load(&w->asked) == 0)
		usleep(1000);
	s3_cancel(w->s3);
	return NULL;
}

static void test_cancel(void **state)
{
	struct world *w = world_new(no_answer, NULL);
	pthread_t thread;
	struct wait x;

	(void)state;
	wait_init(&x, 20);
	for (unsigned i = 0; i < 20; i++)
		s3_get(w->s3, "k", SIZE, NULL, 0, 0, came, &x);
	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, w), 0);
	assert_int_equal(list(w, "", '\0'), -ECANCELED);
	wait_for(&x);
	assert_int_equal(x.result.error, -ECANCELED);
	pthread_join(thread, NULL);
	/* And whatever comes later. */
	assert_int_equal(list(w, "", '\0'), -ECANCELED);
	assert_null(get(w, "k", SIZE, NULL, 0, 0));
	assert_int_equal(w->result.error, -ECANCELED);
	assert_int_equal(s3_stats(w->s3).in_flight, 0);
	world_free(w);
}

static void test_freed_while_busy(void **state)
{
	struct world *w = world_new(no_answer, NULL);
	struct wait x;

	(void)state;
	wait_init(&x, 20);
	for (unsigned i = 0; i < 20; i++)
		s3_get(w->s3, "k", SIZE, NULL, 0, 0, came, &x);
	s3_free(w->s3);
	w->s3 = NULL;
	wait_for(&x);
	assert_int_equal(x.result.error, -ECANCELED);
	world_free(w);
}

static void test_open_refuses(void **state)
{
	static const struct {
		const char *bucket, *url, *region;
	} table[] = {
		{"b b", NULL, NULL},
		{"bucket", "ftp://x", NULL},
		{"bucket", "http://user:pass@x", NULL},
		{"bucket", NULL, "eu west"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct s3_options o = {
			.bucket = table[i].bucket, .endpoint_url = table[i].url, .region = table[i].region};
		char message[S3_MESSAGE_MAX] = "";
		struct s3 *s;

		assert_int_equal(s3_open(&o, &s, message), -EINVAL);
		assert_true(strlen(message) > 10);
		assert_null(strchr(message, '\n'));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_final_errors),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_not_before),
		cmocka_unit_test(test_gives_up),
		cmocka_unit_test(test_silence_ends),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_freed_while_busy),
		cmocka_unit_test(test_open_refuses),
	};

	world_environment();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
