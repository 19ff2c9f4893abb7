/*
 * Keys from instance metadata and containers: that answer, refuse, say nonsense or nothing. And many threads
 * that want keys at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/credentials_kit.h"

/* ---- instance metadata ---- */

static void test_imds(void **state)
{
	(void)state;
	imds_rules(KEYS("AK1", LATER));
	kit.rule[0].has = "\r\nContent-Length: 0\r\n";
	use_imds();
	want_keys(NOW, "AK1", "instance metadata");
	imds_rules(KEYS("AK2", "2025-06-15T17:06:40Z"));
	want_keys(NOW + HOUR - 301, "AK1", "instance metadata");
	want_keys(NOW + HOUR - 300, "AK2", "instance metadata");
	/* What has expired is used on: the service knows no better. */
	imds_rules(KEYS("AK3", LATER));
	want_keys(NOW + 2 * HOUR, "AK3", "instance metadata");
	assert_non_null(strstr(kit.logged, "instance metadata: the keys have expired"));
	imds_rules(KEYS("AK4", "2025-06-15T19:06:40Z"));
	want_keys(NOW + 2 * HOUR + 599, "AK3", "instance metadata");
	want_keys(NOW + 2 * HOUR + 600, "AK4", "instance metadata");
}

static void test_imds_fails(void **state)
{
	static const struct {
		int token, roles, keys; /* status */
		const char *token_body, *roles_body, *keys_body, *want;
	} answers[] = {
		{403, 200, 200, "", "role", "",
			"instance metadata: it refuses a token (version 2), status 403"},
		{200, 200, 200, "", "role", "", "instance metadata: its answer is not what it should be"},
		{200, 200, 200, "a\tb", "role", "", "its answer is not what it should be"},
		{200, 404, 200, "t", "", "", "instance metadata: the instance has no role"},
		{200, 403, 200, "t", "", "", "instance metadata: HTTP status 403"},
		{200, 503, 200, "t", "", "", "instance metadata: HTTP status 503"},
		{200, 200, 200, "t", "<html>", "", "its answer is no JSON object"},
		{200, 200, 200, "t", "a/../b", "", "the name of its role is none"},
		{200, 200, 200, "t", "role", "SECRET-1", "its answer is no JSON object"},
		{200, 200, 200, "t", "role", "[]", "its answer is no JSON object"},
		{200, 200, 200, "t", "role", "{}", "the answer has no AccessKeyId"},
		{200, 200, 200, "t", "role", "{\"Code\":\"AssumeRoleUnauthorizedAccess\"}",
			"instance metadata: role role: AssumeRoleUnauthorizedAccess"},
		{200, 200, 404, "t", "role", "", "the instance has no role"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		forget_rules();
		on("PUT /latest/api/token", answers[i].token, answers[i].token_body);
		on("GET " ROLES " ", answers[i].roles, answers[i].roles_body);
		on("GET " ROLES, answers[i].keys, answers[i].keys_body);
		use_imds();
		want_error(NOW, -EACCES, answers[i].want);
	}
}

/* A service that is not there, or does not answer: no keys, and soon. */
static void test_imds_silent(void **state)
{
	struct cred_limits limits = patient;
	struct keys_found *k;
	int64_t began;
	int r;

	(void)state;
	limits.imds = 100;
	on("PUT /latest/api/token", 0, NULL);
	use_imds();
	open_with(NULL, &limits);
	want_error(NOW, -EACCES, "no AWS credentials; environment: ");
	assert_non_null(strstr(kit.message, "; instance metadata: no answer: "));
	/* The token comes, the rest does not; the token too has its time. */
	forget_rules();
	on("PUT /latest/api/token", 200, "t");
	on("GET " ROLES, 0, NULL);
	limits.tries = 2;
	do {
		limits.imds *= 2;
		open_with(NULL, &limits);
		r = get(NOW, &k);
	} while (r == -EACCES && limits.imds < PATIENCE);
	assert_int_equal(r, -ETIMEDOUT);
	assert_non_null(strstr(kit.message, "instance metadata: no answer: "));
	/* As long as is set, which is here less than the limit. */
	setenv("AWS_METADATA_SERVICE_TIMEOUT", "1", 1);
	open_new();
	began = cred_clock();
	assert_true(get(NOW, &k) < 0);
	assert_true(cred_clock() - began < PATIENCE);
	assert_non_null(strstr(kit.message, "instance metadata: no answer: "));
	unsetenv("AWS_METADATA_SERVICE_TIMEOUT");
	/* Nobody listens. */
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1", 1);
	open_new();
	want_error(NOW, -EACCES, "; instance metadata: no answer: ");
}

/* It is not ready yet: asked again. */
static void test_imds_retry(void **state)
{
	(void)state;
	on("PUT /latest/api/token", 200, "TOKEN-imds");
	on("GET " ROLES " ", 503, "")->times = 2;
	on("GET " ROLES " ", 200, "role");
	on("GET " ROLES "role", 500, "")->times = 1;
	on("GET " ROLES "role", 200, KEYS("AK1", LATER));
	use_imds();
	want_keys(NOW, "AK1", "instance metadata");
	assert_int_equal(asked(1), 2);
	assert_int_equal(asked(3), 1);
}

/* ---- containers ---- */

static void test_container(void **state)
{
	(void)state;
	set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/keys?a=b");
	setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "TOKEN-env", 1);
	/* Never through a proxy: this one would not answer. */
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	on("GET /keys?a=b", 200, KEYS("AK1", LATER))->has = "\r\nAuthorization: TOKEN-env\r\n";
	open_new();
	want_keys(NOW, "AK1", "container");

	/* The file goes first, and is read each time. */
	put_file("token", "TOKEN-1\n");
	setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", folder_at(&kit.home, "token"), 1);
	forget_rules();
	on("GET /keys", 200, KEYS("AK2", LATER))->has = "\r\nAuthorization: TOKEN-1\r\n";
	open_new();
	want_keys(NOW, "AK2", "container");
	put_file("token", "TOKEN-2");
	forget_rules();
	on("GET /keys", 200, KEYS("AK3", LATER))->has = "\r\nAuthorization: TOKEN-2\r\n";
	credentials_reload(kit.credentials);
	want_keys(NOW, "AK3", "container");

	put_file("token", "TOKEN-1\nTOKEN-2\n");
	open_new();
	want_error(NOW, -EACCES, "container: the authorization token has more than one line");
	unlink(folder_at(&kit.home, "token"));
	open_new();
	want_error(NOW, -EACCES, "container: AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE ");
	unsetenv("http_proxy");
}

static void test_container_fails(void **state)
{
	static const struct {
		int status;
		const char *body, *want;
	} answers[] = {
		{403, "SECRET-1", "container: HTTP status 403"},
		{500, "", "container: HTTP status 500"},
		{302, "", "container: HTTP status 302"},
		{200, "SECRET-1", "container: the answer is no JSON object"},
		{200, "", "container: the answer is no JSON object"},
		{200, "{\"AccessKeyId\":\"A\"}", "container: the answer has no SecretAccessKey"},
		{200, KEYS("AK1", "never"), "container: Expiration of the answer is no time"},
		{200, KEYS("AK1", "2025-06-15T15:06:40Z"), "container: the keys that it gives have expired"},
	};
	struct cred_limits limits = patient;

	(void)state;
	set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/keys");
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		forget_rules();
		on("GET /keys", answers[i].status, answers[i].body)->header =
			"Location: http://127.0.0.1:1/\r\n";
		open_new();
		want_error(NOW, -EACCES, answers[i].want);
	}
	forget_rules();
	on("GET /keys", 0, NULL);
	limits.container = 100;
	open_with(NULL, &limits);
	want_error(NOW, -ETIMEDOUT, "container: no answer");
	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/", 1);
	open_new();
	want_error(NOW, -EIO, "container: no answer");
}

/* ---- threads ---- */

#define THREADS 8
#define ROUNDS  400

static atomic_int_fast64_t the_time;

/* Keys that belong together: secret and token end as the access key. */
static void *use_keys(void *arg)
{
	char message[512];
	struct keys_found *k;
	uint64_t *wrong = arg, last = 0;

	for (int i = 0; i < ROUNDS; i++) {
		int64_t now = atomic_fetch_add(&the_time, 7);

		if (credentials_get(kit.credentials, now, &k, message) < 0) {
			++*wrong;
			continue;
		}
		*wrong += strcmp(k->access_key, k->secret + strlen("SECRET-")) != 0;
		*wrong += strcmp(k->access_key, k->token + strlen("TOKEN-")) != 0;
		*wrong += k->generation < last;
		last = k->generation;
		if (i % 50 == 49)
			credentials_expire(kit.credentials, k->generation);
		if (i % 70 == 69)
			credentials_reload(kit.credentials);
		*wrong += credentials_setting(kit.credentials, "region") == NULL;
		keys_unref(k);
	}
	return NULL;
}

static void run_threads(void *(*body)(void *), uint64_t wrong[THREADS])
{
	pthread_t thread[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, body, &wrong[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

static void test_rotation(void **state)
{
	uint64_t wrong[THREADS] = {0};

	(void)state;
	put_files("[default]\nregion = r\n", "");
	set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/keys");
	atomic_store(&the_time, NOW);
	for (int i = 0; i < 4; i++) {
		on("GET /keys", 200, KEYS("AK1", "2025-06-16T15:06:40Z"))->times = 3;
		on("GET /keys", 200, KEYS("AK2", "2025-06-16T16:06:40Z"))->times = 2;
	}
	on("GET /keys", 200, KEYS("AK3", "2025-06-17T16:06:40Z"));
	open_new();
	run_threads(use_keys, wrong);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(wrong[i], 0);
	assert_true(asked(8) > 0);
}

static void *get_once(void *arg)
{
	char message[512];
	struct keys_found *k;
	int r = credentials_get(kit.credentials, NOW, &k, message);

	*(uint64_t *)arg = (uint64_t)-r;
	if (r == 0)
		keys_unref(k);
	return NULL;
}

/* Silence is worth two tries, and is not waited for again by who came meanwhile. */
static void test_silent(void **state)
{
	struct cred_limits limits = patient;

	(void)state;
	set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/keys");
	on("GET /keys", 0, NULL);
	limits.container = 600;
	limits.again = 1;
	open_with(NULL, &limits);
	want_error(NOW, -ETIMEDOUT, "container: no answer: ");
	want_error(NOW + 1, -ETIMEDOUT, "container: no answer: ");
	assert_true(asked(0) <= 2);
	forget_rules();
	on("GET /keys", 200, KEYS("AK1", LATER));
	credentials_limits(kit.credentials, &patient);
	want_keys(NOW + HOUR / 2, "AK1", "container");
}

/* All that is asked together has its time. */
static void test_time_is_up(void **state)
{
	struct cred_limits limits = patient;

	(void)state;
	put_files("[default]\nrole_arn = r\ncredential_source = EcsContainer\n", "");
	set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/keys");
	set_url("AWS_ENDPOINT_URL_STS", "/");
	on("GET /keys", 200, KEYS("AKB", LATER));
	on("POST / ", 0, NULL);
	/* On a busy machine it may be up before STS is asked. */
	for (limits.all = 250; asked(1) == 0; limits.all *= 2) {
		open_with(NULL, &limits);
		want_error(NOW, -ETIMEDOUT, ": no ");
		assert_true(asked(1) <= 1);
	}
	assert_non_null(strstr(kit.message, "profile default: no answer: "));
}

/* However many want the first keys: one request. */
static void test_one_request(void **state)
{
	uint64_t error[THREADS] = {0};

	(void)state;
	set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/keys");
	on("GET /keys", 200, KEYS("AK1", LATER));
	open_new();
	run_threads(get_once, error);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(error[i], 0);
	assert_int_equal(asked(0), 1);
	/* And one when there are none. */
	forget_rules();
	on("GET /keys", 403, "");
	open_new();
	run_threads(get_once, error);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(error[i], EACCES);
	assert_int_equal(asked(0), 1);
}

/* Cancelled while a server says nothing: nobody waits on. */
static void test_cancel(void **state)
{
	uint64_t error[2] = {0};
	pthread_t thread[2];

	(void)state;
	set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/keys");
	on("GET /keys", 0, NULL);
	open_new();
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, get_once, &error[i]), 0);
	web_wait_requests(kit.server, 1);
	credentials_cancel(kit.credentials);
	for (int i = 0; i < 2; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(error[i], ECANCELED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_imds),
		TEST(test_imds_fails),
		TEST(test_imds_silent),
		TEST(test_imds_retry),
		TEST(test_container),
		TEST(test_container_fails),
		TEST(test_rotation),
		TEST(test_silent),
		TEST(test_time_is_up),
		TEST(test_one_request),
		TEST(test_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
