/*
 * IAM Identity Center: `aws sso login` leaves a token in ~/.aws/sso/cache; with it the portal gives the keys
 * of a role. A token that is about to expire is renewed as the AWS command line does it (OIDC CreateToken)
 * and put back, so that both go on with the new one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "s3/cred_private.h"
#include "s3/secret.h"
#include "s3/sign.h"

#define CACHE_MAX     (64 << 10)
#define RENEW_SECONDS 900
#define URL_MAX       2048

struct login {
	const char *profile, *account, *role, *start_url, *region;
	const char *name; /* of the cached token: the session's, or in the old form the start URL */
	char *path;
};

static const char *of_profile(const struct cred_context *c, const char *profile, const char *key)
{
	const char *value = profile_get(c->files, PROFILE_PROFILE, profile, key, NULL);

	return value && *value ? value : NULL;
}

static int find_login(struct cred_context *c, const char *profile, struct login *l)
{
	const char *session = of_profile(c, profile, "sso_session");

	*l = (struct login){.profile = profile,
		.account = of_profile(c, profile, "sso_account_id"),
		.role = of_profile(c, profile, "sso_role_name"),
		.start_url = of_profile(c, profile, "sso_start_url"),
		.region = of_profile(c, profile, "sso_region")};
	if (session && !profile_has(c->files, PROFILE_SSO, session))
		return cred_fail(c, -EACCES, "there is no [sso-session %s]", session);
	if (session) {
		l->start_url = profile_get(c->files, PROFILE_SSO, session, "sso_start_url", NULL);
		l->region = profile_get(c->files, PROFILE_SSO, session, "sso_region", NULL);
	}
	l->name = session ? session : l->start_url;
	if (!l->account || !l->role || !l->start_url || !l->region)
		return cred_fail(c, -EACCES, "%s is missing",
			!l->account     ? "sso_account_id"
			: !l->role      ? "sso_role_name"
			: !l->start_url ? "sso_start_url"
					: "sso_region");
	return 0;
}

static char *cache_path(const char *name)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	char path[64] = "~/.aws/sso/cache/", *end = path + strlen(path);
	unsigned n = 0;

	if (!EVP_Digest(name, strlen(name), hash, &n, EVP_sha1(), NULL))
		return NULL;
	for (unsigned i = 0; i < n && end < path + sizeof path - 8; i++, end += 2)
		snprintf(end, 3, "%02x", hash[i]);
	snprintf(end, 6, ".json");
	return cred_home_path(path);
}

static const char *text_of(const json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

/* When it expires, 0 where that is not said. */
static int64_t time_of(const json_t *j, const char *key)
{
	const char *text = text_of(j, key);
	int64_t t;

	return text && cred_time(text, &t) == 0 ? t : 0;
}

static int login_again(struct cred_context *c, const struct login *l, const char *why)
{
	return cred_fail(c, -EACCES, "SSO: %s; run: aws sso login --profile %s", why, l->profile);
}

static int read_cache(struct cred_context *c, const struct login *l, json_t **ret)
{
	char *text;
	int r = cred_read_file(l->path, CACHE_MAX, &text);

	if (r == -ENOENT)
		return login_again(c, l, "not logged in");
	if (r < 0)
		return cred_fail(c, -EACCES, "%s: %s", l->path, strerror(-r));
	*ret = cred_json(text, strlen(text));
	secret_wipe(text);
	return *ret ? 0 : login_again(c, l, "the cached token cannot be read");
}

/* Beside it, then over it: the AWS command line may be reading. */
static int write_cache(const struct login *l, const json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT), *temp = NULL;
	int fd = -1, r = -ENOMEM;

	if (!text || asprintf(&temp, "%s.XXXXXX", l->path) < 0) {
		secret_wipe(text);
		return r;
	}
	fd = mkostemp(temp, O_CLOEXEC);
	r = fd < 0 ? -errno : 0;
	if (r == 0 && write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		r = -EIO;
	if (fd >= 0 && close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temp, l->path) < 0)
		r = -errno;
	if (r < 0 && fd >= 0)
		unlink(temp);
	free(temp);
	secret_wipe(text);
	return r;
}

static char *renewal(const json_t *j)
{
	json_t *body = json_pack("{s:s, s:s, s:s, s:s}", "grantType", "refresh_token", "clientId",
		text_of(j, "clientId"), "clientSecret", text_of(j, "clientSecret"), "refreshToken",
		text_of(j, "refreshToken"));
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	json_decref(body);
	return text;
}

/* The answer's token into j, and j into the cache. */
static int take_renewal(struct cred_context *c, const struct login *l, const struct http_answer *a, json_t *j)
{
	json_t *answer = cred_json(a->data, a->len);
	const char *token = text_of(answer, "accessToken"), *refresh = text_of(answer, "refreshToken");
	json_int_t seconds = json_integer_value(json_object_get(answer, "expiresIn"));
	time_t expires = (time_t)(c->now + seconds);
	char text[32];
	struct tm tm;
	int r = -EACCES;

	if (a->status == 200 && token && seconds > 0 && gmtime_r(&expires, &tm)) {
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
		r = json_object_set_new(j, "accessToken", json_string(token)) < 0 ||
				    json_object_set_new(j, "expiresAt", json_string(text)) < 0 ||
				    (refresh &&
					    json_object_set_new(j, "refreshToken", json_string(refresh)) < 0)
			    ? -ENOMEM
			    : 0;
	}
	json_decref(answer);
	if (r < 0)
		return r;
	r = write_cache(l, j);
	if (r < 0)
		cred_log(c, 1, "%s: the renewed token cannot be kept in %s: %s", c->where, l->path,
			strerror(-r));
	return 0;
}

static int renew(struct cred_context *c, const struct login *l, json_t *j)
{
	static const char *const header[] = {"Content-Type: application/json", NULL};
	char base[URL_MAX], url[URL_MAX + 8], *body;
	struct http_request request = {.method = "POST", .url = url, .header = header};
	struct http_answer a;
	int r = cred_endpoint(c, "sso_oidc", "oidc", l->region, base, sizeof base);

	if (r < 0)
		return r;
	snprintf(url, sizeof url, "%s/token", base);
	body = renewal(j);
	if (!body)
		return cred_fail(c, -ENOMEM, "no memory");
	request.body = body;
	request.body_len = strlen(body);
	r = cred_call(c, false, &request, c->limits.sso, &a);
	secret_wipe(body);
	if (r < 0)
		return r;
	r = take_renewal(c, l, &a, j);
	http_answer_clear(&a);
	return r;
}

static bool is_renewable(const struct cred_context *c, const json_t *j)
{
	return text_of(j, "clientId") && text_of(j, "clientSecret") && text_of(j, "refreshToken") &&
	       time_of(j, "registrationExpiresAt") > c->now;
}

/* A token that holds, in j; one that still holds is good enough when it cannot be renewed. */
static int fresh_token(struct cred_context *c, const struct login *l, json_t *j)
{
	int64_t left = time_of(j, "expiresAt") - c->now;
	int r = -EACCES;

	if (!text_of(j, "accessToken"))
		return login_again(c, l, "the cached token cannot be read");
	if (left > RENEW_SECONDS || (left > 0 && !is_renewable(c, j)))
		return 0;
	if (is_renewable(c, j))
		r = renew(c, l, j);
	if (r == 0 || (left > 0 && r != -ECANCELED))
		return 0;
	return r == -EACCES ? login_again(c, l, "the login has expired") : r;
}

static int take_keys(
	struct cred_context *c, const struct login *l, const struct http_answer *a, struct keys_found **ret)
{
	static const struct cred_names names = {
		"the portal's answer", "accessKeyId", "secretAccessKey", "sessionToken", "expiration"};
	json_t *j, *keys;
	int r;

	if (a->status == 401)
		return login_again(c, l, "the portal does not take the token");
	if (a->status != 200)
		return cred_fail(c, a->status >= 500 || a->status == 429 ? -EIO : -EACCES,
			"SSO: the portal says %d for role %s in account %s", a->status, l->role, l->account);
	j = cred_json(a->data, a->len);
	keys = json_object_get(j, "roleCredentials");
	r = keys ? cred_keys_json(c, keys, &names, ret)
		 : cred_fail(c, -EACCES, "SSO: the answer of the portal cannot be read");
	json_decref(j);
	return r;
}

static int get_keys(struct cred_context *c, const struct login *l, const json_t *j, struct keys_found **ret)
{
	const char *token = text_of(j, "accessToken");
	char base[URL_MAX], url[URL_MAX + 1024], role[256], account[64], *line;
	const char *header[] = {NULL, NULL};
	struct http_request request = {.method = "GET", .url = url, .header = header};
	struct http_answer a;
	int r = cred_endpoint(c, "sso", "portal.sso", l->region, base, sizeof base);

	if (r < 0)
		return r;
	if (sign_encode(l->role, strlen(l->role), 0, role, sizeof role) < 0 ||
		sign_encode(l->account, strlen(l->account), 0, account, sizeof account) < 0 ||
		strpbrk(token, "\r\n"))
		return cred_fail(c, -EACCES, "SSO: the role, the account or the token is none");
	snprintf(
		url, sizeof url, "%s/federation/credentials?role_name=%s&account_id=%s", base, role, account);
	if (asprintf(&line, "x-amz-sso_bearer_token: %s", token) < 0)
		return cred_fail(c, -ENOMEM, "no memory");
	header[0] = line;
	r = cred_call(c, false, &request, c->limits.sso, &a);
	secret_wipe(line);
	if (r < 0)
		return r;
	r = take_keys(c, l, &a, ret);
	http_answer_clear(&a);
	return r;
}

int cred_sso(struct cred_context *c, const char *profile, struct keys_found **ret)
{
	json_t *token = NULL;
	struct login l;
	int r = find_login(c, profile, &l);

	if (r < 0)
		return r;
	l.path = cache_path(l.name);
	r = l.path ? read_cache(c, &l, &token) : cred_fail(c, -ENOMEM, "no memory");
	if (r == 0)
		r = fresh_token(c, &l, token);
	if (r == 0)
		r = get_keys(c, &l, token, ret);
	json_decref(token);
	free(l.path);
	return r;
}
