/*
 * Keys from servers: instance metadata, containers, STS, SSO; that answer, refuse, say nonsense or nothing.
 * And many threads that want keys at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "s3/sign.h"
#include "tests/unit/credentials_kit.h"

#define STATIC(name) "aws_access_key_id=" name "\naws_secret_access_key=SECRET-" name "\n"
/* As metadata services and containers say it. */
#define KEYS(name, expires)                                                                                  \
	"{\"Code\":\"Success\",\"AccessKeyId\":\"" name "\",\"SecretAccessKey\":\"SECRET-" name              \
	"\",\"Token\":\"TOKEN-" name "\",\"Expiration\":\"" expires "\"}"
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
#define ROLES "/latest/meta-data/iam/security-credentials/"

static void want_keys(int64_t now, const char *name, const char *source)
{
	char secret[64], token[64];
	struct keys_found *k;

	if (get(now, &k) < 0)
		fail_msg("no keys: %s", kit.message);
	snprintf(secret, sizeof(secret), "SECRET-%s", name);
	snprintf(token, sizeof(token), "TOKEN-%s", name);
	assert_string_equal(k->access_key, name);
	assert_string_equal(k->secret, secret);
	assert_string_equal(k->token, token);
	assert_string_equal(k->source, source);
	keys_unref(k);
}

/* ---- instance metadata ---- */

static void use_imds(void)
{
	setenv("AWS_EC2_METADATA_DISABLED", "false", 1);
	set_url("AWS_EC2_METADATA_SERVICE_ENDPOINT", "/");
	open_new();
}

static void imds_rules(const char *keys)
{
	forget_rules();
	on("PUT /latest/api/token", 200, "TOKEN-imds\n")->has = "x-aws-ec2-metadata-token-ttl-seconds: 21600";
	on("GET " ROLES "role", 200, keys)->has = "x-aws-ec2-metadata-token: TOKEN-imds\r\n";
	on("GET " ROLES " ", 200, "role\n")->has = "x-aws-ec2-metadata-token: TOKEN-imds\r\n";
}

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

/* ---- STS ---- */

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

/* ---- SSO ---- */

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_set_up, kit_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_imds),
		TEST(test_imds_fails),
		TEST(test_imds_silent),
		TEST(test_imds_retry),
		TEST(test_container),
		TEST(test_container_fails),
		TEST(test_role),
		TEST(test_role_chain),
		TEST(test_role_places),
		TEST(test_role_fails),
		TEST(test_role_clock),
		TEST(test_web_identity),
		TEST(test_sso),
		TEST(test_sso_fails),
		TEST(test_sso_renewal),
		TEST(test_rotation),
		TEST(test_silent),
		TEST(test_time_is_up),
		TEST(test_one_request),
		TEST(test_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
