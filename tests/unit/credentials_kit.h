/*
 * For tests of credentials: an environment without anything of AWS in it, a home of its own, a server that
 * follows a script, and an eye on every message that none holds a secret.
 */
#ifndef TESTS_UNIT_CREDENTIALS_KIT_H
#define TESTS_UNIT_CREDENTIALS_KIT_H

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

#include "s3/cred_private.h"
#include "tests/unit/folder.h"
#include "tests/unit/web_server.h"

#define NOW      1750000000 /* 2025-06-15T15:06:40Z */
#define LATER    "2025-06-15T16:06:40Z"
#define HOUR     3600
#define RULES    16
#define PATIENCE 30000 /* ms: for what should not take any time */

/* Of a profile. */
#define STATIC(name) "aws_access_key_id=" name "\naws_secret_access_key=SECRET-" name "\n"
/* As metadata services and containers say it. */
#define KEYS(name, expires)                                                                                  \
	"{\"Code\":\"Success\",\"AccessKeyId\":\"" name "\",\"SecretAccessKey\":\"SECRET-" name              \
	"\",\"Token\":\"TOKEN-" name "\",\"Expiration\":\"" expires "\"}"
#define ROLES "/latest/meta-data/iam/security-credentials/"

/* What the server says to requests that begin so; the first that matches and has times left. */
struct rule {
	const char *request;       /* "GET /path" */
	const char *has;           /* or: 400. May be NULL */
	int status;                /* 0: never answers */
	const char *body, *header; /* header: "Name: value\r\n", or NULL */
	unsigned times;            /* 0: always */
	unsigned asked;
};

static struct kit {
	struct folder home;
	struct web_server *server;
	struct credentials *credentials;
	pthread_mutex_t lock;
	struct rule rule[RULES];
	size_t n_rules;
	char last[16384]; /* request */
	char logged[4096];
	char message[512];
} kit;

static inline void no_secret(const char *text)
{
	/* Every secret and every token of these tests has one of these in it. */
	if (strstr(text, "SECRET-") || strstr(text, "TOKEN-"))
		fail_msg("a secret is said: %s", text);
}

static inline void kit_log(void *arg, int level, const char *text)
{
	size_t n;

	(void)arg;
	no_secret(text);
	pthread_mutex_lock(&kit.lock);
	n = strlen(kit.logged);
	snprintf(kit.logged + n, sizeof(kit.logged) - n, "%d %s\n", level, text);
	pthread_mutex_unlock(&kit.lock);
}

static inline const char *status_text(int status)
{
	return status == 200 ? "OK" : "Other";
}

static inline struct rule *find_rule(const char *text)
{
	for (size_t i = 0; i < kit.n_rules; i++) {
		struct rule *r = &kit.rule[i];

		if (strncmp(text, r->request, strlen(r->request)) == 0 &&
			(r->times == 0 || r->asked < r->times))
			return r;
	}
	return NULL;
}

static bool web_answer(struct web_request *r)
{
	static const struct rule none = {.status = 404, .body = "no rule"};
	char text[4096]; /* in one piece: of two the second would wait for an acknowledgement */
	int n;
	struct rule rule, *found;

	pthread_mutex_lock(&kit.lock);
	memcpy(kit.last, r->text, sizeof(kit.last));
	found = find_rule(r->text);
	rule = found ? *found : none;
	if (found)
		found->asked++;
	pthread_mutex_unlock(&kit.lock);
	if (rule.status == 0) {
		web_wait(r);
		return false;
	}
	if (rule.has && !strcasestr(r->text, rule.has)) {
		rule.status = 400;
		rule.body = "not what was expected";
	}
	n = snprintf(text, sizeof(text), "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\n%s\r\n%s", rule.status,
		status_text(rule.status), strlen(rule.body), rule.header ? rule.header : "", rule.body);
	return n < (int)sizeof(text) && web_puts(r, text);
}

/* Adds a rule; it may be changed while nobody asks. */
static inline struct rule *on(const char *request, int status, const char *body)
{
	assert_true(kit.n_rules < RULES);
	kit.rule[kit.n_rules] = (struct rule){.request = request, .status = status, .body = body};
	return &kit.rule[kit.n_rules++];
}

/* How often the i-th rule was used. The server may still be at work. */
static inline unsigned asked(size_t i)
{
	unsigned n;

	pthread_mutex_lock(&kit.lock);
	n = kit.rule[i].asked;
	pthread_mutex_unlock(&kit.lock);
	return n;
}

static inline void forget_rules(void)
{
	pthread_mutex_lock(&kit.lock);
	kit.n_rules = 0;
	pthread_mutex_unlock(&kit.lock);
}

static inline void clean_environment(void)
{
	static const char *const others[] = {
		"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
	bool more;

	do {
		more = false;
		for (char **e = environ; *e && !more; e++) {
			char *name = strndup(*e, strcspn(*e, "="));

			more = strncmp(name, "AWS_", 4) == 0;
			if (more)
				unsetenv(name);
			free(name);
		}
	} while (more);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		unsetenv(others[i]);
	setenv("HOME", kit.home.path, 1);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
}

/* "NAME=value;NAME=value" */
static inline void set_environment(const char *pairs)
{
	char *copy = strdup(pairs), *rest = copy, *pair;

	while ((pair = strsep(&rest, ";"))) {
		char *sign = strchr(pair, '=');

		if (!sign)
			continue;
		*sign = '\0';
		setenv(pair, sign + 1, 1);
	}
	free(copy);
}

/* A variable with the server's address in front of the path. */
static inline void set_url(const char *name, const char *path)
{
	char url[256];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", kit.server->port, path);
	setenv(name, url, 1);
}

/* A file of the home; put beside it, then over it: a reader sees the old one or the new one. */
static inline void put_file(const char *name, const char *text)
{
	char temp[128];
	FILE *file;

	snprintf(temp, sizeof(temp), "%s/put", kit.home.path);
	file = fopen(temp, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(temp, folder_at(&kit.home, name)), 0);
}

static inline char *get_file(const char *name)
{
	char *text = calloc(1, 4096);
	FILE *file = fopen(folder_at(&kit.home, name), "r");

	assert_non_null(file);
	assert_true(fread(text, 1, 4095, file) > 0);
	fclose(file);
	return text;
}

static inline void put_files(const char *config, const char *credentials)
{
	put_file(".aws/config", config);
	put_file(".aws/credentials", credentials);
}

/* Limits that no machine is too slow for; a test of a limit sets it. */
static const struct cred_limits patient = {
	PATIENCE, PATIENCE, PATIENCE, PATIENCE, PATIENCE, 4 * PATIENCE, 3, 1, 30};

static inline void open_with(const char *profile, const struct cred_limits *limits)
{
	struct credentials_options o = {.profile = profile, .log = kit_log};

	credentials_free(kit.credentials);
	kit.credentials = NULL;
	kit.logged[0] = '\0';
	assert_int_equal(credentials_new(&o, &kit.credentials), 0);
	credentials_limits(kit.credentials, limits);
}

static inline void open_new(void)
{
	open_with(NULL, &patient);
}

static inline int get(int64_t now, struct keys_found **ret)
{
	int r = credentials_get(kit.credentials, now, ret, kit.message);

	no_secret(kit.message);
	if ((r == 0) != (kit.message[0] == '\0'))
		fail_msg("%d with the message '%s'", r, kit.message);
	return r;
}

/* Gets keys, which must be these; their generation. */
static inline uint64_t want_key(int64_t now, const char *access_key)
{
	struct keys_found *k;
	uint64_t generation;

	if (get(now, &k) < 0)
		fail_msg("no keys: %s", kit.message);
	assert_string_equal(k->access_key, access_key);
	generation = k->generation;
	keys_unref(k);
	return generation;
}

static inline void want_keys(int64_t now, const char *name, const char *source)
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
static inline void want_error(int64_t now, int error, const char *part)
{
	struct keys_found *k;
	int r = get(now, &k);

	if (r != error || !strstr(kit.message, part))
		fail_msg("want %d and '%s', have %d and '%s'", error, part, r, kit.message);
}

/* ---- instance metadata ---- */

static inline void use_imds(void)
{
	setenv("AWS_EC2_METADATA_DISABLED", "false", 1);
	set_url("AWS_EC2_METADATA_SERVICE_ENDPOINT", "/");
	open_new();
}

static inline void imds_rules(const char *keys)
{
	forget_rules();
	on("PUT /latest/api/token", 200, "TOKEN-imds\n")->has = "x-aws-ec2-metadata-token-ttl-seconds: 21600";
	on("GET " ROLES "role", 200, keys)->has = "x-aws-ec2-metadata-token: TOKEN-imds\r\n";
	on("GET " ROLES " ", 200, "role\n")->has = "x-aws-ec2-metadata-token: TOKEN-imds\r\n";
}

/* ---- a test ---- */

static inline int kit_set_up(void **state)
{
	(void)state;
	memset(&kit, 0, sizeof(kit));
	pthread_mutex_init(&kit.lock, NULL);
	folder_make(&kit.home);
	mkdir(folder_at(&kit.home, ".aws"), 0700);
	clean_environment();
	kit.server = web_server_new();
	return 0;
}

static inline int kit_tear_down(void **state)
{
	(void)state;
	credentials_free(kit.credentials);
	web_server_free(kit.server);
	folder_remove(&kit.home);
	pthread_mutex_destroy(&kit.lock);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_set_up, kit_tear_down)

#endif
