/*
 * The instance's own role, by version 2 of its metadata service (docs.aws.amazon.com, "Use the Instance
 * Metadata Service"): a token first, then the role's name, then its keys. Never through a proxy, and with
 * little patience: where there is no such service nothing answers at all.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>

#include "s3/cred_private.h"

#define URL_MAX       512
#define TOKEN_MAX     1024
#define TIMEOUT_MAX   3600 /* seconds */
#define STALE_SECONDS 900  /* to go on with expired keys: asked again after two thirds of it */
#define ROLES         "/latest/meta-data/iam/security-credentials/"

static const char *base(struct cred_context *c)
{
	const char *url = cred_setting(c->files, c->profile, "ec2_metadata_service_endpoint");
	const char *mode = cred_setting(c->files, c->profile, "ec2_metadata_service_endpoint_mode");

	if (url)
		return url;
	return mode && strcasecmp(mode, "ipv6") == 0 ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
}

/* The setting is in seconds, as the AWS command line reads it: for networks where an answer takes longer. */
static unsigned patience(const struct cred_context *c)
{
	const char *text = cred_setting(c->files, c->profile, "metadata_service_timeout");
	char *end = NULL;
	unsigned long seconds = text && *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;

	return seconds > 0 && seconds <= TIMEOUT_MAX && *end == '\0' ? (unsigned)seconds * 1000
								     : c->limits.imds;
}

static int make_url(struct cred_context *c, const char *path, const char *name, char url[URL_MAX])
{
	const char *b = base(c);
	size_t n = strlen(b);
	int r = snprintf(url, URL_MAX, "%.*s%s%s", (int)(n - (n && b[n - 1] == '/')), b, path, name);

	return r < 0 || r >= URL_MAX ? cred_fail(c, -EACCES, "the address is too long") : 0;
}

/* The first line of an answer as a string: a token, a name. */
static int first_line(struct cred_context *c, const struct http_answer *a, char *out, size_t cap)
{
	size_t n = a->data ? strcspn(a->data, "\r\n") : 0;

	if (n == 0 || n >= cap)
		return cred_fail(c, -EACCES, "its answer is not what it should be");
	for (size_t i = 0; i < n; i++)
		if (a->data[i] <= ' ' || a->data[i] > '~')
			return cred_fail(c, -EACCES, "its answer is not what it should be");
	memcpy(out, a->data, n);
	out[n] = '\0';
	return 0;
}

/* header: "X-aws-ec2-metadata-token: TOKEN". No answer at all: this is no instance, or it hides its service.
 */
static int get_token(struct cred_context *c, char *header, size_t cap)
{
	static const char *const ttl[] = {"X-aws-ec2-metadata-token-ttl-seconds: 21600", NULL};
	static const char name[] = "X-aws-ec2-metadata-token: ";
	char url[URL_MAX];
	struct http_request request = {.method = "PUT", .url = url, .header = ttl};
	struct http_answer a;
	int r = make_url(c, "/latest/api/token", "", url);

	if (r == 0)
		r = cred_call(c, true, &request, patience(c), &a);
	if (r < 0)
		return r == -ETIMEDOUT || r == -EIO ? -ENOENT : r;
	if (a.status == 200) {
		memcpy(header, name, sizeof name);
		r = first_line(c, &a, header + sizeof name - 1, cap - sizeof name + 1);
	} else {
		r = cred_fail(c, -ENOENT, "it refuses a token (version 2), status %d", a.status);
	}
	http_answer_clear(&a);
	return r;
}

static int get(struct cred_context *c, const char *token, const char *name, struct http_answer *ret)
{
	const char *const header[] = {token, NULL};
	char url[URL_MAX];
	struct http_request request = {.method = "GET", .url = url, .header = header};
	int r = make_url(c, ROLES, name, url);

	if (r < 0)
		return r;
	r = cred_call(c, true, &request, patience(c), ret);
	if (r < 0 || ret->status == 200)
		return r;
	r = ret->status == 404 ? cred_fail(c, -ENOENT, "the instance has no role")
			       : cred_fail(c, -EACCES, "HTTP status %d", ret->status);
	http_answer_clear(ret);
	return r;
}

static int get_role(struct cred_context *c, const char *token, char *role, size_t cap)
{
	struct http_answer a;
	int r = get(c, token, "", &a);

	if (r < 0)
		return r;
	r = first_line(c, &a, role, cap);
	if (r == 0 && strpbrk(role, "?#%/"))
		r = cred_fail(c, -EACCES, "the name of its role is none");
	http_answer_clear(&a);
	return r;
}

static int get_keys(struct cred_context *c, const char *token, const char *role, struct keys_found **ret)
{
	static const struct cred_names names = {
		"the answer", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"};
	char clean[64];
	struct http_answer a;
	const char *code;
	json_t *j;
	int r = get(c, token, role, &a);

	if (r < 0)
		return r;
	j = cred_json(a.data, a.len);
	code = json_string_value(json_object_get(j, "Code"));
	if (!j)
		r = cred_fail(c, -EACCES, "its answer is no JSON object");
	else if (code && strcasecmp(code, "Success") != 0)
		r = cred_fail(c, -EACCES, "role %s: %s", role, cred_printable(code, clean, sizeof clean));
	else
		r = cred_keys_json(c, j, &names, ret);
	json_decref(j);
	http_answer_clear(&a);
	return r;
}

int cred_imds(struct cred_context *c, struct keys_found **ret)
{
	const char *disabled = cred_getenv("AWS_EC2_METADATA_DISABLED");
	char token[TOKEN_MAX], role[128];
	int r;

	cred_at(c, "instance metadata");
	if (disabled && strcasecmp(disabled, "true") == 0)
		return cred_fail(c, -ENOENT, "AWS_EC2_METADATA_DISABLED");
	r = get_token(c, token, sizeof token);
	if (r == 0)
		r = get_role(c, token, role, sizeof role);
	if (r == 0)
		r = get_keys(c, token, role, ret);
	OPENSSL_cleanse(token, sizeof token);
	if (r == 0 && (*ret)->expires <= c->now) {
		/* When the service cannot renew them it gives the old ones, which S3 then still takes. */
		cred_log(c, 1, "%s: the keys have expired; using them all the same", c->where);
		(*ret)->expires = c->now + STALE_SECONDS;
	}
	return r;
}
