/*
 * Keys from STS, for a role or a web identity; that grants, refuses, says nonsense or another time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3/sign.h"
#include "tests/unit/credentials_kit.h"

/* As STS says it. */
#define ROLE(action, name, expires)                                                                          \
	"<" action "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" action                   \
	"Result><AssumedRoleUser><Arn>a</Arn></AssumedRoleUser><Credentials><AccessKeyId>" name              \
	"</AccessKeyId><SecretAccessKey>SECRET-" name "</SecretAccessKey><SessionToken>TOKEN-" name          \
	"</SessionToken><Expiration>" expires "</Expiration></Credentials></" action "Result></" action      \
	"Response>"
#define REFUSAL(code, message)                                                                               \
	"<ErrorResponse><Error><Type>Sender</Type><Code>" code "</Code><Message>" message                    \
	"</Message></Error><RequestId>r</RequestId></ErrorResponse>"

static void value_of(const char *name, char *out, size_t cap)
{
	const char *line = strcasestr(kit.last, name);

	out[0] = '\0';
	if (line)
		snprintf(out, cap, "%.*s", (int)strcspn(line + strlen(name), "\r\n"), line + strlen(name));
}

/* Signs the last request again, from its bytes on the wire: the header must be the same. */
static void want_signed(const char *access_key, const char *secret, const char *region)
{
	char host[128], date[64], token[128], type[128], given[2048], made[2048], hash[65];
	const char *body = strstr(kit.last, "\r\n\r\n") + 4;
	struct sign_header header[] = {{"host", host}, {"x-amz-date", date}, {"content-type", type},
		{"x-amz-security-token", token}};
	struct sign_request request = {.method = "POST",
		.path = "/",
		.query = "",
		.header = header,
		.payload_hash = hash,
		.access_key = access_key,
		.secret = secret,
		.region = region,
		.service = "sts",
		.date = date};
	struct sign_key key = {0};

	value_of("\r\nhost: ", host, sizeof(host));
	value_of("\r\nx-amz-date: ", date, sizeof(date));
	value_of("\r\ncontent-type: ", type, sizeof(type));
	value_of("\r\nx-amz-security-token: ", token, sizeof(token));
	value_of("\r\nauthorization: ", given, sizeof(given));
	request.n_headers = token[0] ? 4 : 3;
	sign_sha256_hex(body, strlen(body), hash);
	assert_true(sign_authorization(&key, &request, made, sizeof(made)) > 0);
	assert_string_equal(given, made);
}

static void want_body(const char *want)
{
	assert_string_equal(strstr(kit.last, "\r\n\r\n") + 4, want);
}

static void test_role(void **state)
{
	(void)state;
	put_files("[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\nexternal_id = e & e\n"
		  "role_session_name = me\nduration_seconds = 900\nregion = eu-west-1\n",
		"[base]\n" STATIC("AKB"));
	set_url("AWS_ENDPOINT_URL_STS", "");
	on("POST / ", 200, ROLE("AssumeRole", "AK1", LATER));
	open_new();
	want_keys(NOW, "AK1", "profile default");
	want_body("Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&"
		  "RoleSessionName=me&ExternalId=e%20%26%20e&DurationSeconds=900");
	want_signed("AKB", "SECRET-AKB", "eu-west-1");
	forget_rules();
	on("POST / ", 200, ROLE("AssumeRole", "AK2", "2025-06-15T17:06:40Z"));
	want_keys(NOW + HOUR - 301, "AK1", "profile default");
	want_keys(NOW + HOUR - 300, "AK2", "profile default");
}

/* Through two roles; the second request is signed with what the first gave. */
static void test_role_chain(void **state)
{
	(void)state;
	put_files(
		"[profile top]\nrole_arn = r1\nsource_profile = middle\n[profile middle]\nrole_arn = r2\n"
		"source_profile = base\n[profile base]\nrole_arn = r3\nsource_profile = base\n" STATIC("AKB"),
		"");
	set_environment("AWS_PROFILE=top");
	set_url("AWS_ENDPOINT_URL", "/");
	on("POST / ", 200, ROLE("AssumeRole", "AK2", LATER))->times = 1;
	on("POST / ", 200, ROLE("AssumeRole", "AK1", LATER));
	open_new();
	want_keys(NOW, "AK1", "profile top");
	assert_int_equal(asked(0) + asked(1), 2);
	want_signed("AK2", "SECRET-AK2", "us-east-1");
	want_body("Action=AssumeRole&Version=2011-06-15&RoleArn=r1&RoleSessionName=trailfs");

	/* A role that lends itself its own keys. */
	set_environment("AWS_PROFILE=base");
	open_new();
	want_keys(NOW, "AK1", "profile base");
	want_signed("AKB", "SECRET-AKB", "us-east-1");
}

static void test_role_places(void **state)
{
	(void)state;
	put_files("[profile e]\nrole_arn = r\ncredential_source = Environment\n"
		  "[profile c]\nrole_arn = r\ncredential_source = EcsContainer\n"
		  "[profile i]\nrole_arn = r\ncredential_source = Ec2InstanceMetadata\n",
		"");
	set_url("AWS_ENDPOINT_URL_STS", "/");
	set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/keys");
	set_environment("AWS_ACCESS_KEY_ID=AKE;AWS_SECRET_ACCESS_KEY=SECRET-AKE");
	use_imds();
	imds_rules(KEYS("AKI", LATER));
	on("GET /keys", 200, KEYS("AKC", LATER));
	on("POST / ", 200, ROLE("AssumeRole", "AK1", LATER));
	open_with("e", &patient);
	want_keys(NOW, "AK1", "profile e");
	want_signed("AKE", "SECRET-AKE", "us-east-1");
	open_with("c", &patient);
	want_keys(NOW, "AK1", "profile c");
	want_signed("AKC", "SECRET-AKC", "us-east-1");
	open_with("i", &patient);
	want_keys(NOW, "AK1", "profile i");
	want_signed("AKI", "SECRET-AKI", "us-east-1");
}

static void test_role_fails(void **state)
{
	static const struct {
		int status;
		const char *body;
		int error;
		const char *want;
	} answers[] = {
		{403, REFUSAL("AccessDenied", "You are not&#10;SECRET-1"), -EACCES,
			"profile default: STS says 403 AccessDenied: You are not"},
		/* Its message repeats what was signed. */
		{403, REFUSAL("SignatureDoesNotMatch", "x-amz-security-token:TOKEN-1"), -EACCES,
			"profile default: STS says 403 SignatureDoesNotMatch"},
		{403, "<html>", -EACCES, "STS says 403"},
		{500, "", -EIO, "STS says 500"},
		{200, "", -EACCES, "the answer of STS cannot be read"},
		{200, "{}", -EACCES, "the answer of STS cannot be read"},
		{200, "<a><AccessKeyId>A</AccessKeyId></a>", -EACCES, "the answer of STS cannot be read"},
		{200, "<!DOCTYPE a [<!ENTITY x \"y\">]>" ROLE("AssumeRole", "AK1", LATER), -EACCES,
			"the answer of STS cannot be read"},
		{200, ROLE("AssumeRole", "AK1", "soon"), -EACCES, "the answer of STS has no time of expiry"},
		{200, ROLE("AssumeRole", "AK&#10;1", LATER), -EACCES, "the keys are not what keys look like"},
		{200, ROLE("AssumeRole", "AK1", "2025-06-15T15:06:39Z"), -EACCES,
			"the keys that it gives have expired"},
	};
	struct cred_limits limits = patient;

	(void)state;
	/* The container would have keys: nobody asks it when the profile fails. */
	set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/keys");
	put_files("[default]\nrole_arn = r\nsource_profile = base\n", "[base]\n" STATIC("AKB"));
	set_url("AWS_ENDPOINT_URL_STS", "/");
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		forget_rules();
		on("POST / ", answers[i].status, answers[i].body);
		on("GET /keys", 200, KEYS("AKC", LATER));
		open_new();
		want_error(NOW, answers[i].error, answers[i].want);
		assert_int_equal(asked(1), 0);
		assert_int_equal(asked(0), answers[i].status == 500 ? 3 : 1);
	}
	forget_rules();
	on("POST / ", 0, NULL);
	limits.sts = 100;
	limits.tries = 2;
	open_with(NULL, &limits);
	want_error(NOW, -ETIMEDOUT, "profile default: no answer: ");
	set_environment("AWS_REGION=evil.example.com/");
	open_new();
	want_error(NOW, -EACCES, "profile default: the region is no name of one");
	set_environment("AWS_REGION=us-east-1;AWS_ENDPOINT_URL_STS=nonsense");
	open_new();
	want_error(NOW, -EACCES, "profile default: the endpoint of STS is no URL");
}

/* This machine's clock is wrong: signed once more, by the server's. */
static void test_role_clock(void **state)
{
	(void)state;
	put_files("[default]\nrole_arn = r\nsource_profile = base\n", "[base]\n" STATIC("AKB"));
	set_url("AWS_ENDPOINT_URL_STS", "/");
	on("POST / ", 403, REFUSAL("SignatureDoesNotMatch", "expired"))->header =
		"Date: Sun, 15 Jun 2025 16:06:40 GMT\r\n";
	kit.rule[0].times = 1;
	on("POST / ", 200, ROLE("AssumeRole", "AK1", LATER))->has = "\r\nx-amz-date: 20250615T160640Z\r\n";
	open_new();
	want_keys(NOW, "AK1", "profile default");
	want_signed("AKB", "SECRET-AKB", "us-east-1");
	assert_non_null(strstr(kit.logged, "this machine's clock is -3600 seconds off"));
}

static void test_web_identity(void **state)
{
	char config[256];

	(void)state;
	snprintf(config, sizeof(config), "[default]\nrole_arn = r\nweb_identity_token_file = %s/identity\n",
		kit.home.path);
	put_file("identity", "TOKEN-i1\n");
	setenv("AWS_WEB_IDENTITY_TOKEN_FILE", folder_at(&kit.home, "identity"), 1);
	set_environment("AWS_ROLE_ARN=r");
	set_url("AWS_ENDPOINT_URL_STS", "/");
	on("POST / ", 200, ROLE("AssumeRoleWithWebIdentity", "AK1", LATER));
	open_new();
	want_keys(NOW, "AK1", "web identity");
	want_body("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=r&RoleSessionName=trailfs&"
		  "WebIdentityToken=TOKEN-i1");
	assert_null(strcasestr(kit.last, "authorization"));
	/* Rotated, and read again. */
	put_file("identity", "TOKEN-i2\n");
	set_environment("AWS_ROLE_SESSION_NAME=me");
	forget_rules();
	on("POST / ", 200, ROLE("AssumeRoleWithWebIdentity", "AK2", "2025-06-15T17:06:40Z"));
	want_keys(NOW + HOUR - 10, "AK2", "web identity");
	assert_non_null(strstr(kit.last, "RoleSessionName=me&WebIdentityToken=TOKEN-i2"));
	/* Refused. */
	forget_rules();
	on("POST / ", 400, REFUSAL("ExpiredTokenException", "Token expired"));
	open_new();
	want_error(NOW, -EACCES, "web identity: STS says 400 ExpiredTokenException: Token expired");

	/* A profile's. */
	clean_environment();
	set_url("AWS_ENDPOINT_URL_STS", "/");
	put_file(".aws/config", "[default]\nrole_arn = r\nweb_identity_token_file = /dev/null\n");
	open_new();
	want_error(NOW, -EACCES, "profile default: the token in /dev/null: it is empty");
	put_file(".aws/config", config);
	forget_rules();
	on("POST / ", 200, ROLE("AssumeRoleWithWebIdentity", "AK3", LATER));
	open_new();
	want_keys(NOW, "AK3", "profile default");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_role),
		TEST(test_role_chain),
		TEST(test_role_places),
		TEST(test_role_fails),
		TEST(test_role_clock),
		TEST(test_web_identity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
