/*
 * Where keys come from when no server is asked: environment, files, processes; which goes first; when they
 * are looked for again. Servers: test_credentials_*.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include "s3/s3.h"
#include "tests/unit/credentials_kit.h"

#define ENV "AWS_ACCESS_KEY_ID=AKENV;AWS_SECRET_ACCESS_KEY=SECRET-env"
#define PRINT(name)                                                                                          \
	"credential_process = printf '{\"Version\":1,\"AccessKeyId\":\"" name                                \
	"\",\"SecretAccessKey\":\"SECRET-" name "\"}'\n"

struct row {
	const char *env, *config, *credentials, *profile;
	int error;
	const char *want; /* "ACCESS_KEY SECRET-1 TOKEN SOURCE", or a part of the message */
};

static const struct row rows[] = {
	/* environment */
	{ENV, "", "", NULL, 0, "AKENV SECRET-env - environment"},
	{ENV ";AWS_SESSION_TOKEN=TOKEN-1", "", "", NULL, 0, "AKENV SECRET-env TOKEN-1 environment"},
	{ENV ";AWS_SECURITY_TOKEN=TOKEN-1", "", "", NULL, 0, "AKENV SECRET-env TOKEN-1 environment"},
	{ENV, "", "[default]\n" STATIC("AKDEF"), NULL, 0, "AKENV SECRET-env - environment"},
	{ENV ";AWS_PROFILE=x", "", "[x]\n" STATIC("AKX"), NULL, 0, "AKENV SECRET-env - environment"},
	{ENV, "", "[x]\n" STATIC("AKX"), "x", 0, "AKX SECRET-AKX - profile x"},
	{ENV, "words\n", "", NULL, 0, "AKENV SECRET-env - environment"},
	{"AWS_ACCESS_KEY_ID=AKENV", "", "[default]\n" STATIC("AKDEF"), NULL, -EACCES,
		"environment: AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not"},
	{"AWS_SECRET_ACCESS_KEY=SECRET-env", "", "", NULL, -EACCES,
		"environment: AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not"},
	{ENV ";AWS_CREDENTIAL_EXPIRATION=2025-06-15T15:06:39Z", "", "", NULL, -EACCES,
		"environment: the keys that it gives have expired"},
	{ENV ";AWS_CREDENTIAL_EXPIRATION=soon", "", "", NULL, -EACCES,
		"AWS_CREDENTIAL_EXPIRATION is no time"},
	{"AWS_ACCESS_KEY_ID=A B;AWS_SECRET_ACCESS_KEY=SECRET-env", "", "", NULL, -EACCES,
		"environment: the keys are not what keys look like"},
	{"AWS_ACCESS_KEY_ID=;AWS_SECRET_ACCESS_KEY=", "", "[default]\n" STATIC("AKDEF"), NULL, 0,
		"AKDEF SECRET-AKDEF - profile default"},
	/* files */
	{"", "[default]\n" STATIC("AKC"), "", NULL, 0, "AKC SECRET-AKC - profile default"},
	{"", "[default]\n" STATIC("AKC"), "[default]\n" STATIC("AKD"), NULL, 0,
		"AKD SECRET-AKD - profile default"},
	{"", "", "[default]\n" STATIC("AKD") "aws_session_token = TOKEN-2\n", NULL, 0,
		"AKD SECRET-AKD TOKEN-2 profile default"},
	{"AWS_PROFILE=x", "[profile x]\n" STATIC("AKX"), "[default]\n" STATIC("AKD"), NULL, 0,
		"AKX SECRET-AKX - profile x"},
	{"AWS_DEFAULT_PROFILE=x", "", "[x]\n" STATIC("AKX"), NULL, 0, "AKX SECRET-AKX - profile x"},
	{"AWS_PROFILE=y", "", "[x]\n" STATIC("AKX") "[y]\n" STATIC("AKY"), "x", 0,
		"AKX SECRET-AKX - profile x"},
	{"AWS_PROFILE=nobody", "", "[default]\n" STATIC("AKD"), NULL, -EACCES, "profile nobody: neither"},
	{"", "", "[default]\n" STATIC("AKD"), "nobody", -EACCES, "profile nobody: neither"},
	{"", "", "[default]\naws_access_key_id=A\n", NULL, -EACCES, "aws_secret_access_key is missing"},
	{"", "words\n", "[default]\n" STATIC("AKD"), NULL, -EACCES, ".aws/config: line 1: neither a section"},
	{"", "", "", NULL, -EACCES,
		"no AWS credentials; environment: no AWS_ACCESS_KEY_ID; profile default: neither "
		"~/.aws/config "
		"nor ~/.aws/credentials has it; container: no AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or "
		"_FULL_URI; instance metadata: AWS_EC2_METADATA_DISABLED"},
	{"", "[default]\nregion = r\n", "", NULL, -EACCES, "profile default: it says nothing of keys"},
	{"", "[default]\nlogin_session = arn\n", "", NULL, -EACCES, "aws configure export-credentials"},
	/* a process */
	{"", "[default]\n" PRINT("AKP"), "", NULL, 0, "AKP SECRET-AKP - profile default"},
	{"", "[default]\n" PRINT("AKP") STATIC("AKC"), "", NULL, 0, "AKP SECRET-AKP - profile default"},
	{"", "[default]\n" PRINT("AKP"), "[default]\n" STATIC("AKD"), NULL, 0,
		"AKD SECRET-AKD - profile default"},
	/* roles, as far as nobody is asked */
	{"", "[default]\nrole_arn = arn\n", "", NULL, -EACCES,
		"profile default: role_arn wants one of source_profile and credential_source"},
	{"", "[default]\nrole_arn = arn\nsource_profile = x\ncredential_source = Environment\n[profile x]\n",
		"", NULL, -EACCES, "only one of source_profile"},
	{"", "[default]\nrole_arn = arn\nsource_profile = x\n", "", NULL, -EACCES,
		"profile default: its source_profile x does not exist"},
	{"", "[default]\nrole_arn = arn\nsource_profile = default\n", "", NULL, -EACCES,
		"profile default: source_profile default goes round in a circle"},
	{"",
		"[default]\nrole_arn = a\nsource_profile = x\n[profile x]\nrole_arn = b\nsource_profile = y\n"
		"[profile y]\nrole_arn = c\nsource_profile = x\n",
		"", NULL, -EACCES, "profile y: source_profile x goes round in a circle"},
	{"", "[default]\nrole_arn = a\nsource_profile = x\n[profile x]\nregion = r\n", "", NULL, -EACCES,
		"profile default: no keys to take its role with: profile x: it says nothing of keys"},
	{"", "[default]\nrole_arn = a\ncredential_source = Moon\n", "", NULL, -EACCES,
		"credential_source is none of"},
	{"", "[default]\nrole_arn = a\ncredential_source = Environment\n", "", NULL, -EACCES,
		"no keys to take its role with: environment: no AWS_ACCESS_KEY_ID"},
	{"", "[default]\nrole_arn = a\nsource_profile = x\nmfa_serial = m\n[profile x]\n" STATIC("AKX"), "",
		NULL, -EACCES, "profile default: it asks for an MFA code (mfa_serial)"},
	{"",
		"[default]\nrole_arn = a\nsource_profile = x\nduration_seconds = 1h\n[profile x]\n" STATIC(
			"AKX"),
		"", NULL, -EACCES, "duration_seconds is no number"},
	/* others that are not set up whole */
	{"AWS_WEB_IDENTITY_TOKEN_FILE=/nowhere", "", "[default]\n" STATIC("AKD"), NULL, -EACCES,
		"web identity: AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not"},
	{"AWS_WEB_IDENTITY_TOKEN_FILE=/nowhere;AWS_ROLE_ARN=arn", "", "[default]\n" STATIC("AKD"), NULL,
		-EACCES, "web identity: the token in /nowhere: No such file"},
	{"AWS_WEB_IDENTITY_TOKEN_FILE=/nowhere;AWS_ROLE_ARN=arn", "", "[x]\n" STATIC("AKX"), "x", 0,
		"AKX SECRET-AKX - profile x"},
	{"", "[default]\nsso_account_id = 1\n", "", NULL, -EACCES, "sso_role_name is missing"},
	{"", "[default]\nsso_account_id = 1\nsso_role_name = r\nsso_session = s\n", "", NULL, -EACCES,
		"there is no [sso-session s]"},
	{"",
		"[default]\nsso_account_id = 1\nsso_role_name = r\nsso_session = s\n[sso-session s]\n"
		"sso_start_url = u\nsso_region = r\n",
		"", NULL, -EACCES, "SSO: not logged in; run: aws sso login --profile default"},
	{"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://example.com/x", "", "", NULL, -EACCES,
		"container: AWS_CONTAINER_CREDENTIALS_FULL_URI is not https"},
	{"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1.example.com/x", "", "", NULL, -EACCES,
		"container"},
	{"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1@example.com/x", "", "", NULL, -EACCES,
		"is not https"},
	{"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://10.0.0.1/x", "", "", NULL, -EACCES, "is not https"},
	{"AWS_CONTAINER_CREDENTIALS_FULL_URI=ftp://127.0.0.1/x", "", "", NULL, -EACCES, "is not https"},
	{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=@example.com/x", "", "", NULL, -EACCES,
		"RELATIVE_URI is not"},
};

static void test_places(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];
		struct keys_found *k;
		char have[1024];
		int r;

		clean_environment();
		set_environment(row->env);
		put_files(row->config, row->credentials);
		open_with(row->profile, &patient);
		r = get(NOW, &k);
		if (r == 0) {
			snprintf(have, sizeof(have), "%s %s %s %s", k->access_key, k->secret,
				k->token ? k->token : "-", k->source);
			assert_true(k->expires == INT64_MAX);
			keys_unref(k);
		} else {
			snprintf(have, sizeof(have), "%s", kit.message);
		}
		if (r != row->error || (r == 0 ? strcmp(have, row->want) != 0 : !strstr(have, row->want)))
			fail_msg("row %zu: want %d '%s', have %d '%s'", i, row->error, row->want, r, have);
	}
}

static void test_settings(void **state)
{
	static const char config[] =
		"[default]\nregion = r1\nca_bundle = /c\nmax_attempts = 7\nservices = v\nendpoint_url = "
		"http://p\n"
		"s3 =\n  addressing_style = path\n[services v]\ns3 =\n  endpoint_url = http://v\n"
		"[profile bare]\nendpoint_url = http://b\nempty =\n"
		"[profile deaf]\nendpoint_url = http://d\nignore_configured_endpoint_urls = TRUE\n";
	static const struct {
		const char *env, *profile, *name, *want;
	} settings[] = {
		{"", NULL, "region", "r1"},
		{"AWS_DEFAULT_REGION=r2", NULL, "region", "r2"},
		{"AWS_DEFAULT_REGION=r2;AWS_REGION=r3", NULL, "region", "r3"},
		{"AWS_REGION=", NULL, "region", "r1"},
		{"", "bare", "region", NULL},
		{"", "bare", "empty", NULL},
		{"AWS_PROFILE=bare", NULL, "region", NULL},
		{"", NULL, "ca_bundle", "/c"},
		{"AWS_CA_BUNDLE=/e", NULL, "ca_bundle", "/e"},
		{"", NULL, "max_attempts", "7"},
		{"AWS_MAX_ATTEMPTS=2", NULL, "max_attempts", "2"},
		{"AWS_USE_DUALSTACK_ENDPOINT=true", NULL, "use_dualstack_endpoint", "true"},
		{"AWS_USE_FIPS_ENDPOINT=true", NULL, "use_fips_endpoint", "true"},
		{"", NULL, "use_fips_endpoint", NULL},
		{"", NULL, "s3.addressing_style", "path"},
		{"", NULL, "s3.other", NULL},
		{"", "bare", "s3.addressing_style", NULL},
		{"", NULL, "endpoint_url_s3", "http://v"},
		{"", NULL, "endpoint_url_sts", "http://p"},
		{"", NULL, "endpoint_url", "http://p"},
		{"AWS_ENDPOINT_URL=http://e", NULL, "endpoint_url_s3", "http://e"},
		{"AWS_ENDPOINT_URL=http://e;AWS_ENDPOINT_URL_S3=http://s", NULL, "endpoint_url_s3",
			"http://s"},
		{"AWS_ENDPOINT_URL=http://e;AWS_ENDPOINT_URL_S3=http://s", NULL, "endpoint_url_sts",
			"http://e"},
		{"", "bare", "endpoint_url_s3", "http://b"},
		{"", "deaf", "endpoint_url_s3", NULL},
		{"AWS_ENDPOINT_URL=http://e", "deaf", "endpoint_url_s3", NULL},
		{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true", NULL, "endpoint_url_s3", NULL},
		{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=false", "deaf", "endpoint_url_s3", "http://d"},
	};

	(void)state;
	put_files(config, "");
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		const char *value;

		clean_environment();
		set_environment(settings[i].env);
		open_with(settings[i].profile, &patient);
		value = credentials_setting(kit.credentials, settings[i].name);
		if (!value != !settings[i].want || (value && strcmp(value, settings[i].want) != 0))
			fail_msg("row %zu: want %s, have %s", i, settings[i].want, value);
	}
}

/* What was lent stays good when the files say something else. */
static void test_settings_change(void **state)
{
	const char *old, *young;

	(void)state;
	put_files("[default]\nregion = old\n", "[default]\n" STATIC("AK1"));
	open_new();
	old = credentials_setting(kit.credentials, "region");
	want_key(NOW, "AK1");
	put_file(".aws/config", "[default]\nregion = younger\n");
	want_key(NOW + 1, "AK1");
	young = credentials_setting(kit.credentials, "region");
	assert_string_equal(old, "old");
	assert_string_equal(young, "younger");
	assert_ptr_equal(young, credentials_setting(kit.credentials, "region"));
}

static void test_paths(void **state)
{
	(void)state;
	put_file("elsewhere", "[default]\n" STATIC("AKE"));
	set_environment("AWS_SHARED_CREDENTIALS_FILE=~/elsewhere;AWS_CONFIG_FILE=/nowhere/config");
	open_new();
	want_key(NOW, "AKE");
	put_file("elsewhere", "[profile x]\n" STATIC("AKX"));
	set_environment("AWS_SHARED_CREDENTIALS_FILE=/nowhere/credentials;AWS_PROFILE=x");
	setenv("AWS_CONFIG_FILE", folder_at(&kit.home, "elsewhere"), 1);
	open_new();
	want_key(NOW, "AKX");
}

static void test_time(void **state)
{
	static const struct {
		const char *text;
		int64_t want; /* -1: none */
	} times[] = {
		{"2025-06-15T15:06:40Z", NOW},
		{"2025-06-15T15:06:40UTC", NOW},
		{"2025-06-15T15:06:40", NOW},
		{"2025-06-15T15:06:40.999Z", NOW},
		{"2025-06-15T17:06:40+02:00", NOW},
		{"2025-06-15T13:36:40-0130", NOW},
		{"2025-06-15T15:06:40+00:00", NOW},
		{"2025-06-15", -1},
		{"", -1},
		{"2025-06-15T15:06:40X", -1},
		{"2025-06-15T15:06:40+2", -1},
		{"2025-13-15T15:06:40Z", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		int64_t t = -1;

		cred_time(times[i].text, &t);
		if (t != times[i].want)
			fail_msg("%s: %lld", times[i].text, (long long)t);
	}
}

static void put_process(const char *command)
{
	char config[1024];

	snprintf(config, sizeof(config), "[default]\ncredential_process = %s\n", command);
	put_files(config, "");
}

static void put_script(const char *text)
{
	put_file("script", text);
	assert_int_equal(chmod(folder_at(&kit.home, "script"), 0700), 0);
	put_process(folder_at(&kit.home, "script"));
}

static void test_process(void **state)
{
	static const struct {
		const char *command;
		int error;
		const char *want;
	} commands[] = {
		{"printf '{\"Version\":1,\"AccessKeyId\":\"AKP\",\"SecretAccessKey\":\"SECRET-1\"}'", 0,
			"AKP"},
		{"printf {\"Version\":1}", -EACCES,
			"printed no JSON"}, /* its quotes are the command line's */
		{"printf '{\"Version\":1}'", -EACCES,
			"profile default: what credential_process printed has no AccessKeyId"},
		{"printf {\\\"Version\\\":2}", -EACCES, "Version is not 1"},
		{"printf \"{\\\"Version\\\":2}\"", -EACCES, "Version is not 1"},
		{"printf '{\"Version\":1,\"AccessKeyId\":\"AKP\"}'", -EACCES, "has no SecretAccessKey"},
		{"printf "
		 "'{\"Version\":1,\"AccessKeyId\":\"AKP\",\"SecretAccessKey\":\"SECRET-1\",\"Expiration\":"
		 "\"x\"}'",
			-EACCES, "Expiration of what credential_process printed is no time"},
		{"printf '{\"Version\":1,\"AccessKeyId\":\"A\\\\nB\",\"SecretAccessKey\":\"SECRET-1\"}'",
			-EACCES, "not what keys look like"},
		{"printf "
		 "'{\"Version\":1,\"AccessKeyId\":\"AKP\",\"SecretAccessKey\":\"SECRET-1\",\"Expiration\":"
		 "\"2025-06-15T15:00:00Z\"}'",
			-EACCES, "profile default: the keys that it gives have expired"},
		{"printf '{\"Version\":1,\"AccessKeyId\":\"AKP\",\"SecretAccessKey\":\"\"}'", -EACCES,
			"not what keys look like"},
		{"echo SECRET-1 words", -EACCES, "printed no JSON object"},
		{"true", -EACCES, "printed no JSON object"},
		{"sh -c 'echo SECRET-1; exit 3'", -EACCES, "credential_process sh exited with status 3"},
		{"sh -c 'kill -9 $$'", -EACCES, "ended by signal 9"},
		{"/nowhere/to/be/found", -EACCES,
			"credential_process /nowhere/to/be/found cannot be run: No such file"},
		{"'open", -EACCES, "credential_process is no command"},
		{"head -c 100000 /dev/zero", -EACCES, "File too large"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		put_process(commands[i].command);
		open_new();
		if (commands[i].error == 0)
			want_key(NOW, commands[i].want);
		else
			want_error(NOW, commands[i].error, commands[i].want);
	}
}

static pid_t pid_in(const char *name)
{
	char *text = get_file(name);
	pid_t pid = (pid_t)strtol(text, NULL, 10);

	free(text);
	assert_true(pid > 1);
	return pid;
}

static bool is_written(const char *name)
{
	struct stat st;

	return stat(folder_at(&kit.home, name), &st) == 0 && st.st_size > 0;
}

/* Not there, or dead and not yet buried. */
static bool is_gone(pid_t pid)
{
	char path[64], state = 'Z';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (!file)
		return true;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 'Z';
	fclose(file);
	return state == 'Z' || state == 'X';
}

/* One that never ends is ended, with what it started. */
static void test_process_hangs(void **state)
{
	struct cred_limits limits = patient;
	const struct timespec pause = {.tv_nsec = 10000000};
	pid_t pid;

	(void)state;
	put_script("#!/bin/sh\nsleep 600 &\necho $! >\"$HOME/pid\"\nwait\n");
	/* By its own limit, and by that of all. */
	for (int which = 0; which < 2; which++) {
		unsigned *limit = which ? &limits.all : &limits.process;

		/* On a busy machine it may be ended before it has begun. */
		for (*limit = 250; !is_written("pid"); *limit *= 2) {
			open_with(NULL, &limits);
			want_error(NOW, -ETIMEDOUT, "has not ended after");
		}
		pid = pid_in("pid");
		for (int i = 0; i < 3000 && !is_gone(pid); i++)
			nanosleep(&pause, NULL);
		assert_true(is_gone(pid));
		unlink(folder_at(&kit.home, "pid"));
		*limit = 100 * PATIENCE; /* for ever */
	}
}

/* What it leaves behind may hold its output open. */
static void test_process_leaves(void **state)
{
	pid_t pid;

	(void)state;
	put_script("#!/bin/sh\nsleep 600 &\necho $! >\"$HOME/pid\"\n"
		   "echo '{\"Version\":1,\"AccessKeyId\":\"AKP\",\"SecretAccessKey\":\"SECRET-1\"}'\n");
	open_new();
	want_key(NOW, "AKP");
	pid = pid_in("pid");
	assert_false(is_gone(pid));
	kill(pid, SIGKILL);
}

/* Each run gives new keys, AK1, AK2 ..., that hold for an hour from NOW + 1 h * (run - 1); with a file named
 * `fail` there it fails. */
#define COUNTING                                                                                             \
	"#!/bin/sh\ncd \"$HOME\" || exit\n[ -e fail ] && exit 1\nn=$(cat count 2>/dev/null || echo 0)\n"     \
	"n=$((n + 1))\necho $n >count\n"                                                                     \
	"echo "                                                                                              \
	"\"{\\\"Version\\\":1,\\\"AccessKeyId\\\":\\\"AK$n\\\",\\\"SecretAccessKey\\\":\\\"SECRET-$n\\\","   \
	"\\\"Expiration\\\":\\\"2025-06-15T$((15 + n)):06:40Z\\\"}\"\n"

static void test_refresh(void **state)
{
	(void)state;
	put_script(COUNTING);
	open_new();
	assert_int_equal(want_key(NOW, "AK1"), 1);
	assert_int_equal(want_key(NOW + HOUR - 301, "AK1"), 1);
	assert_int_equal(want_key(NOW + HOUR - 300, "AK2"), 2);
	assert_int_equal(want_key(NOW + 2 * HOUR - 301, "AK2"), 2);
	/* No new ones: the old ones hold until their end; asked again after 30 seconds. */
	put_file("fail", "");
	assert_int_equal(want_key(NOW + 2 * HOUR - 300, "AK2"), 2);
	assert_non_null(strstr(kit.logged, "1 no new keys, the old ones still hold: profile default: "));
	unlink(folder_at(&kit.home, "fail"));
	assert_int_equal(want_key(NOW + 2 * HOUR - 271, "AK2"), 2);
	assert_int_equal(want_key(NOW + 2 * HOUR - 270, "AK3"), 3);
	/* At their end nothing is left but the error; that too for 30 seconds. */
	put_file("fail", "");
	want_error(NOW + 3 * HOUR, -EACCES, "exited with status 1");
	unlink(folder_at(&kit.home, "fail"));
	want_error(NOW + 3 * HOUR + 29, -EACCES, "exited with status 1");
	assert_int_equal(want_key(NOW + 3 * HOUR + 30, "AK4"), 4);
}

static void test_refused(void **state)
{
	(void)state;
	put_script(COUNTING);
	open_new();
	assert_int_equal(want_key(NOW, "AK1"), 1);
	credentials_expire(kit.credentials, 1);
	assert_int_equal(want_key(NOW, "AK2"), 2);
	/* Of a request that was signed with the old ones. */
	credentials_expire(kit.credentials, 1);
	assert_int_equal(want_key(NOW, "AK2"), 2);
	/* Refused, and there are no new ones: the old ones are no use. */
	put_file("fail", "");
	credentials_expire(kit.credentials, 2);
	want_error(NOW, -EACCES, "exited with status 1");
	unlink(folder_at(&kit.home, "fail"));
	assert_int_equal(want_key(NOW + 30, "AK3"), 3);
	/* A failure that has been made good is no reason to wait. */
	put_file("fail", "");
	credentials_reload(kit.credentials);
	assert_int_equal(want_key(NOW + 30, "AK3"), 3);
	unlink(folder_at(&kit.home, "fail"));
	credentials_reload(kit.credentials);
	assert_int_equal(want_key(NOW + 30, "AK4"), 4);
	credentials_expire(kit.credentials, 4);
	assert_int_equal(want_key(NOW + 31, "AK5"), 5);
}

/* Keys that are always the same are the same generation, and not looked for at every request. */
static void test_refused_same(void **state)
{
	char *count;

	(void)state;
	put_script("#!/bin/sh\necho x >>\"$HOME/count\"\n"
		   "echo '{\"Version\":1,\"AccessKeyId\":\"AKP\",\"SecretAccessKey\":\"SECRET-1\"}'\n");
	open_new();
	assert_int_equal(want_key(NOW, "AKP"), 1);
	for (int i = 0; i < 5; i++) {
		credentials_expire(kit.credentials, 1);
		assert_int_equal(want_key(NOW + i, "AKP"), 1);
	}
	count = get_file("count");
	assert_string_equal(count, "x\nx\n");
	free(count);
	assert_int_equal(want_key(NOW + 30, "AKP"), 1);
	count = get_file("count");
	assert_string_equal(count, "x\nx\nx\n");
	free(count);
}

/* Keys that live for a short time only are not fetched by every call. */
static void test_short_lived(void **state)
{
	(void)state;
	put_script(COUNTING);
	open_new();
	assert_int_equal(want_key(NOW + HOUR - 100, "AK1"), 1);
	assert_int_equal(want_key(NOW + HOUR - 99, "AK1"), 1);
	assert_int_equal(want_key(NOW + HOUR - 71, "AK1"), 1);
	assert_int_equal(want_key(NOW + HOUR - 70, "AK2"), 2);
}

static void test_files_change(void **state)
{
	(void)state;
	put_files("", "[default]\n" STATIC("AK1"));
	open_new();
	assert_int_equal(want_key(NOW, "AK1"), 1);
	put_file(".aws/credentials", "[default]\n" STATIC("AK2"));
	assert_int_equal(want_key(NOW + 1, "AK2"), 2);
	/* Something else in them. */
	put_file(".aws/config", "[default]\nregion = r\n");
	assert_int_equal(want_key(NOW + 2, "AK2"), 2);
	/* Half-written: what is held still holds. */
	put_file(".aws/credentials", "[defau");
	assert_int_equal(want_key(NOW + 3, "AK2"), 2);
	assert_non_null(strstr(kit.logged, ".aws/credentials: line 1"));
	put_file(".aws/credentials", "[default]\n" STATIC("AK3"));
	assert_int_equal(want_key(NOW + 4, "AK3"), 3);
	/* An error is no longer repeated when the files have changed. */
	credentials_expire(kit.credentials, 3);
	unlink(folder_at(&kit.home, ".aws/credentials"));
	want_error(NOW + 5, -EACCES, "no AWS credentials");
	put_file(".aws/credentials", "[default]\n" STATIC("AK4"));
	assert_int_equal(want_key(NOW + 6, "AK4"), 4);
}

static void test_reload(void **state)
{
	(void)state;
	put_script(COUNTING);
	open_new();
	assert_int_equal(want_key(NOW, "AK1"), 1);
	credentials_reload(kit.credentials);
	assert_int_equal(want_key(NOW, "AK2"), 2);
	assert_int_equal(want_key(NOW, "AK2"), 2);
	put_file("fail", "");
	credentials_reload(kit.credentials);
	assert_int_equal(want_key(NOW, "AK2"), 2);
	unlink(folder_at(&kit.home, "fail"));
	assert_int_equal(want_key(NOW + 29, "AK2"), 2);
	assert_int_equal(want_key(NOW + 30, "AK3"), 3);
}

static void test_cancelled(void **state)
{
	(void)state;
	put_script(COUNTING);
	open_new();
	want_key(NOW, "AK1");
	credentials_cancel(kit.credentials);
	want_key(NOW, "AK1");
	want_error(NOW + HOUR, -ECANCELED, "cancelled");
}

/* ---- by a helper, which here is a thread ---- */

struct errand {
	char *line;
	int out, socket;
};

static void *run_errand(void *arg)
{
	struct errand *e = arg;

	s3_run(e->line, e->out, STDERR_FILENO, AT_FDCWD, e->socket);
	close(e->socket);
	free(e->line);
	free(e);
	return NULL;
}

static int errands; /* that were asked for */

static int send_out(void *arg, const char *line, int out)
{
	struct errand *e = malloc(sizeof(*e));
	pthread_t thread;
	int ends[2];

	errands++;
	assert_null(arg);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	*e = (struct errand){strdup(line), fcntl(out, F_DUPFD_CLOEXEC, 0), ends[1]};
	assert_int_equal(pthread_create(&thread, NULL, run_errand, e), 0);
	pthread_detach(thread);
	return ends[0];
}

static int refuse_to_open(void *arg, const char *path)
{
	(void)arg;
	(void)path;
	return -EACCES;
}

static const struct s3_helper helper = {refuse_to_open, send_out, NULL};

static int helped_set_up(void **state)
{
	errands = 0;
	s3_set_helper(&helper);
	return kit_set_up(state);
}

static int helped_tear_down(void **state)
{
	s3_set_helper(NULL);
	assert_true(errands > 0);
	return kit_tear_down(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_set_up, kit_tear_down)
#define HELPED(name)                                                                                         \
	{                                                                                                    \
#name ", helped", name, helped_set_up, helped_tear_down, NULL                                \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_places),
		TEST(test_settings),
		TEST(test_settings_change),
		TEST(test_paths),
		TEST(test_time),
		TEST(test_process),
		TEST(test_process_hangs),
		TEST(test_process_leaves),
		TEST(test_refresh),
		TEST(test_refused),
		TEST(test_refused_same),
		TEST(test_short_lived),
		TEST(test_files_change),
		TEST(test_reload),
		TEST(test_cancelled),
		HELPED(test_process),
		HELPED(test_process_hangs),
		HELPED(test_process_leaves),
		HELPED(test_refresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
