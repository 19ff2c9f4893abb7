/*
 * What the client learns from answers: the region, the time, that its keys have expired. And what requests
 * say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "tests/unit/folder.h"
#include "tests/unit/s3_kit.h"

#define OTHER "AKIDRENEWED"

static void other_region(struct world *w, struct server_request *q, unsigned n)
{
	char auth[1024];
	bool right = strstr(server_header(q, "authorization", auth, sizeof(auth)), "/eu-west-3/s3/") != NULL;

	(void)n;
	if (right)
		reply_text(q, PAGE("false", OBJECT("k")));
	else if (strcmp(w->text, "header") == 0)
		server_reply(q, 301, "x-amz-bucket-region: eu-west-3\r\n", NULL, 0);
	else if (strcmp(w->text, "denied") == 0)
		reply_error(q, 403, "AccessDenied", "x-amz-bucket-region: eu-west-3\r\n");
	else
		server_reply(q, 400, NULL,
			"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>",
			82);
}

static void test_region(void **state)
{
	static const char *const kinds[] = {"header", "denied", "xml"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world *w = world_new(other_region, NULL);

		w->region[0] = '\0';
		w->text = kinds[i];
		assert_int_equal(list(w, "", '\0'), 0);
		assert_int_equal(atomic_load(&w->asked), 2);
		assert_int_equal(list(w, "", '\0'), 0);
		assert_int_equal(atomic_load(&w->asked), 3);
		world_free(w);
	}
}

static void always_elsewhere(struct world *w, struct server_request *q, unsigned n)
{
	char extra[256];

	if (strcmp(w->text, "region") == 0)
		snprintf(extra, sizeof(extra), "x-amz-bucket-region: eu-west-%u\r\n", n);
	else if (strcmp(w->text, "evil region") == 0)
		snprintf(extra, sizeof(extra), "x-amz-bucket-region: 127.0.0.1:%u/\r\n", w->other->port);
	else
		snprintf(extra, sizeof(extra), "Location: http://127.0.0.1:%u/trail-logs/k\r\n",
			w->other->port);
	server_reply(q, 307, extra, NULL, 0);
}

static void test_redirects(void **state)
{
	static const char *const kinds[] = {"region", "evil region", "host"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world *w = world_new(always_elsewhere, NULL);

		w->region[0] = '\0';
		w->text = kinds[i];
		assert_null(get(w, "k", SIZE, NULL, 0, 0));
		assert_int_equal(w->result.error, -EIO);
		assert_true(atomic_load(&w->asked) <= 4);
		/* Nobody else is told who we are. */
		assert_int_equal(atomic_load(&w->others), 0);
		world_free(w);
	}
}

static void other_clock(struct world *w, struct server_request *q, unsigned n)
{
	char date[64], extra[128], want[64], sent[64];
	int64_t now = (int64_t)time(NULL) + w->clock;

	(void)n;
	http_date(now, date);
	snprintf(extra, sizeof(extra), "Date: %s\r\n", date);
	/* The same hour will do, or the one before it. */
	sign_date(now, want);
	server_header(q, "x-amz-date", sent, sizeof(sent));
	bool good = strncmp(sent, want, 11) == 0;
	sign_date(now - 3600, want);
	if (good || strncmp(sent, want, 11) == 0)
		server_reply(q, 200, "ETag: \"e\"\r\n", TEXT, SIZE);
	else
		reply_error(q, 403, "RequestTimeTooSkewed", extra);
}

static void test_clock(void **state)
{
	static const int64_t ahead[] = {5 * 3600, -5 * 3600, 400 * 86400};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world *w = world_new(other_clock, NULL);

		w->clock = ahead[i];
		expect_text(get(w, "k", SIZE, NULL, 0, 0), TEXT);
		assert_int_equal(atomic_load(&w->asked), 2);
		expect_text(get(w, "k", SIZE, NULL, 0, 0), TEXT);
		assert_int_equal(atomic_load(&w->asked), 3);
		world_free(w);
	}
}

static struct folder home;

/* Beside it, then over it: whoever reads finds the old ones or the new ones. */
static void write_keys(const char *key)
{
	char fresh[80], path[80];
	FILE *f;

	snprintf(fresh, sizeof(fresh), "%s/new", home.path);
	snprintf(path, sizeof(path), "%s/credentials", home.path);
	f = fopen(fresh, "w");
	assert_non_null(f);
	fprintf(f, "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key, SECRET);
	fclose(f);
	assert_int_equal(rename(fresh, path), 0);
}

static void expired(struct world *w, struct server_request *q, unsigned n)
{
	char auth[1024];

	(void)w;
	(void)n;
	if (strstr(server_header(q, "authorization", auth, sizeof(auth)), OTHER)) {
		reply_text(q, PAGE("false", OBJECT("k")));
		return;
	}
	write_keys(OTHER);
	/* Files are looked at once in a second of the clock. */
	for (time_t now = time(NULL); time(NULL) == now;)
		usleep(10000);
	reply_error(q, 400, "ExpiredToken", NULL);
}

static void test_keys_expire(void **state)
{
	struct world *w = world_new(expired, NULL);

	(void)state;
	s3_free(w->s3);
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	folder_make(&home);
	write_keys(KEY);
	setenv("AWS_SHARED_CREDENTIALS_FILE", folder_at(&home, "credentials"), 1);
	open_world(w, NULL);
	if (list(w, "", '\0') < 0)
		fail_msg("%s", w->result.message);
	assert_int_equal(atomic_load(&w->asked), 2);
	assert_int_equal(list(w, "", '\0'), 0);
	assert_int_equal(atomic_load(&w->asked), 3);
	world_free(w);
	folder_remove(&home);
}

static void test_no_keys(void **state)
{
	struct world *w = world_new(one_page, NULL);

	(void)state;
	s3_free(w->s3);
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
	open_world(w, NULL);
	assert_int_equal(list(w, "", '\0'), -EKEYREJECTED);
	expect_said(w, "environment");
	assert_int_equal(atomic_load(&w->asked), 0);
	world_free(w);
}

static void headers(struct world *w, struct server_request *q, unsigned n)
{
	char value[1024], auth[1024];

	(void)n;
	server_header(q, "authorization", auth, sizeof(auth));
	if (strcmp(w->text, "anonymous") == 0) {
		if (*auth || *server_header(q, "x-amz-date", value, sizeof(value)) ||
			*server_header(q, "x-amz-security-token", value, sizeof(value)))
			atomic_store(&w->unsigned_, true);
	} else if (strcmp(server_header(q, "x-amz-request-payer", value, sizeof(value)), "requester") != 0 ||
		   strcmp(server_header(q, "x-amz-expected-bucket-owner", value, sizeof(value)),
			   "111122223333") != 0 ||
		   strcmp(server_header(q, "x-amz-security-token", value, sizeof(value)), "T0/=") != 0 ||
		   !strstr(auth, "x-amz-security-token") || !strstr(auth, "x-amz-request-payer")) {
		atomic_store(&w->unsigned_, true);
	}
	reply_text(q, PAGE("false", ""));
}

static void test_headers(void **state)
{
	const struct s3_options options[] = {
		{.no_sign_request = true},
		{.request_payer = true, .expected_bucket_owner = "111122223333"},
	};
	static const char *const kinds[] = {"anonymous", "payer"};

	(void)state;
	setenv("AWS_SESSION_TOKEN", "T0/=", 1);
	for (size_t i = 0; i < 2; i++) {
		struct world *w = world_new(headers, &options[i]);

		if (options[i].no_sign_request)
			w->region[0] = '\0';
		w->text = kinds[i];
		assert_int_equal(list(w, "", '\0'), 0);
		world_free(w);
	}
	unsetenv("AWS_SESSION_TOKEN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_region),
		cmocka_unit_test(test_redirects),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_keys_expire),
		cmocka_unit_test(test_no_keys),
		cmocka_unit_test(test_headers),
	};

	world_environment();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
