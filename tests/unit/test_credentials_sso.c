/*
 * Keys from a login of SSO: that holds, is refused, is renewed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "tests/unit/credentials_kit.h"

#define SSO_KEYS(name)                                                                                       \
	"{\"roleCredentials\":{\"accessKeyId\":\"" name "\",\"secretAccessKey\":\"SECRET-" name              \
	"\",\"sessionToken\":\"TOKEN-" name "\",\"expiration\":1750003600000}}"
#define LOGIN(token, expires, more)                                                                          \
	"{\"startUrl\":\"u\",\"region\":\"eu-west-1\",\"accessToken\":\"" token                              \
	"\",\"expiresAt\":\"" expires "\"" more "}"
#define REGISTRATION                                                                                         \
	",\"clientId\":\"id\",\"clientSecret\":\"SECRET-c\",\"registrationExpiresAt\":\"2025-07-01T00:00:"   \
	"00Z\","                                                                                             \
	"\"refreshToken\":\"TOKEN-r1\""

/* The cache's file is named by the session, or the start URL. */
static void put_login(const char *name, const char *text)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	char path[128] = ".aws/sso/cache/", *end = path + strlen(path);
	unsigned n;

	mkdir(folder_at(&kit.home, ".aws/sso"), 0700);
	mkdir(folder_at(&kit.home, ".aws/sso/cache"), 0700);
	assert_true(EVP_Digest(name, strlen(name), hash, &n, EVP_sha1(), NULL));
	for (unsigned i = 0; i < n; i++, end += 2)
		snprintf(end, 3, "%02x", hash[i]);
	snprintf(end, 6, ".json");
	put_file(path, text);
}

static void use_sso(void)
{
	put_files("[default]\nsso_account_id = 111122223333\nsso_role_name = Read Only\nsso_session = s\n"
		  "[sso-session s]\nsso_start_url = https://u/start\nsso_region = eu-west-1\n",
		"");
	set_url("AWS_ENDPOINT_URL_SSO", "");
	set_url("AWS_ENDPOINT_URL_SSO_OIDC", "");
	open_new();
}

static struct rule *on_portal(int status, const char *body)
{
	return on("GET /federation/credentials?role_name=Read%20Only&account_id=111122223333 ", status, body);
}

static void test_sso(void **state)
{
	(void)state;
	use_sso();
	put_login("s", LOGIN("TOKEN-a", "2025-06-15T20:00:00Z", ""));
	on_portal(200, SSO_KEYS("AK1"))->has = "\r\nx-amz-sso_bearer_token: TOKEN-a\r\n";
	want_keys(NOW, "AK1", "profile default");

	/* The older form, without a session. */
	put_files("[default]\nsso_account_id = 111122223333\nsso_role_name = Read Only\n"
		  "sso_start_url = https://u/start\nsso_region = eu-west-1\n",
		"");
	open_new();
	want_error(NOW, -EACCES, "profile default: SSO: not logged in; run: aws sso login --profile default");
	put_login("https://u/start", LOGIN("TOKEN-b", "2025-06-15T20:00:00UTC", ""));
	kit.rule[0].has = "\r\nx-amz-sso_bearer_token: TOKEN-b\r\n";
	open_new();
	want_keys(NOW, "AK1", "profile default");
}

static void test_sso_fails(void **state)
{
	static const struct {
		const char *login;
		int status;
		const char *body;
		int error;
		const char *want;
	} answers[] = {
		{"SECRET-1", 200, "", -EACCES, "the cached token cannot be read; run: aws sso login"},
		{"{}", 200, "", -EACCES, "the cached token cannot be read; run: aws sso login"},
		{LOGIN("TOKEN-a", "2025-06-15T15:06:40Z", ""), 200, "", -EACCES,
			"the login has expired; run: aws sso"},
		{LOGIN("TOKEN-a\\n", "2025-06-15T20:00:00Z", ""), 200, "", -EACCES, "the token is none"},
		{LOGIN("TOKEN-a", "2025-06-15T20:00:00Z", ""), 401, "", -EACCES,
			"the portal does not take the token"},
		{LOGIN("TOKEN-a", "2025-06-15T20:00:00Z", ""), 403, "", -EACCES,
			"the portal says 403 for role Read Only in account 111122223333"},
		{LOGIN("TOKEN-a", "2025-06-15T20:00:00Z", ""), 500, "", -EIO, "the portal says 500"},
		{LOGIN("TOKEN-a", "2025-06-15T20:00:00Z", ""), 200, "SECRET-1", -EACCES,
			"the answer of the portal"},
		{LOGIN("TOKEN-a", "2025-06-15T20:00:00Z", ""), 200, "{\"roleCredentials\":{}}", -EACCES,
			"profile default: the portal's answer has no accessKeyId"},
	};

	(void)state;
	use_sso();
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		put_login("s", answers[i].login);
		forget_rules();
		on_portal(answers[i].status, answers[i].body);
		open_new();
		want_error(NOW, answers[i].error, answers[i].want);
	}
}

/* A token that is at its end is renewed, and put back for the AWS command line. */
static void test_sso_renewal(void **state)
{
	char *cache;
	json_t *j;

	(void)state;
	use_sso();
	put_login("s", LOGIN("TOKEN-a", "2025-06-15T15:00:00Z", REGISTRATION));
	on_portal(200, SSO_KEYS("AK1"))->has = "\r\nx-amz-sso_bearer_token: TOKEN-b\r\n";
	on("POST /token ", 200,
		"{\"accessToken\":\"TOKEN-b\",\"expiresIn\":3600,\"refreshToken\":\"TOKEN-r2\"}")
		->has =
		"\r\n\r\n{\"grantType\":\"refresh_token\",\"clientId\":\"id\",\"clientSecret\":\"SECRET-c\","
		"\"refreshToken\":\"TOKEN-r1\"}";
	want_keys(NOW, "AK1", "profile default");
	assert_int_equal(asked(1), 1);
	cache = get_file(".aws/sso/cache/a0f1490a20d0211c997b44bc357e1972deab8ae3.json");
	j = json_loads(cache, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(j, "accessToken")), "TOKEN-b");
	assert_string_equal(json_string_value(json_object_get(j, "refreshToken")), "TOKEN-r2");
	assert_string_equal(json_string_value(json_object_get(j, "expiresAt")), LATER);
	assert_string_equal(json_string_value(json_object_get(j, "clientId")), "id");
	json_decref(j);
	free(cache);
	/* Now it holds. */
	open_new();
	want_keys(NOW, "AK1", "profile default");
	assert_int_equal(asked(1), 1);

	/* It cannot be renewed, and still holds for a while. */
	forget_rules();
	put_login("s", LOGIN("TOKEN-a", "2025-06-15T15:10:00Z", REGISTRATION));
	on_portal(200, SSO_KEYS("AK1"))->has = "\r\nx-amz-sso_bearer_token: TOKEN-a\r\n";
	on("POST /token ", 400, "{\"error\":\"invalid_grant\"}");
	open_new();
	want_keys(NOW, "AK1", "profile default");
	assert_int_equal(asked(1), 1);
	/* And no more. */
	open_new();
	want_error(NOW + 300, -EACCES, "the login has expired; run: aws sso login --profile default");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sso),
		TEST(test_sso_fails),
		TEST(test_sso_renewal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
