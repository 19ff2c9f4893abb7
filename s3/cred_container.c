/*
 * The endpoint of ECS, EKS Pod Identity and others that speak it (docs.aws.amazon.com, "Container credential
 * provider"). Plain http goes to this machine and the two services' own addresses only: the token would go
 * along. The token's file is read each time; its owner rotates it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "s3/cred_private.h"
#include "s3/secret.h"

#define ECS_HOST "http://169.254.170.2"
#define URL_MAX  2048

static bool is_loopback(const char *host)
{
	unsigned a, b, c, d;
	int end = -1;

	return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	       (sscanf(host, "%3u.%3u.%3u.%3u%n", &a, &b, &c, &d, &end) == 4 && host[end] == '\0' &&
		       a == 127);
}

static bool is_allowed(const char *scheme, const char *host)
{
	static const char *const services[] = {"169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};

	if (strcmp(scheme, "https") == 0)
		return true;
	if (strcmp(scheme, "http") != 0)
		return false;
	for (size_t i = 0; i < sizeof services / sizeof *services; i++)
		if (strcasecmp(host, services[i]) == 0)
			return true;
	return is_loopback(host);
}

static bool url_allowed(const char *url)
{
	char *scheme = NULL, *host = NULL;
	CURLU *u = curl_url();
	bool yes = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
		   curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		   curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK && is_allowed(scheme, host);

	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(u);
	return yes;
}

/* *ret: "Authorization: TOKEN", or NULL where there is none. */
static int authorization(struct cred_context *c, char **ret)
{
	const char *path = cred_getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = cred_getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	char *text = NULL;
	int r = 0;

	*ret = NULL;
	if (path) {
		r = cred_read_file(path, CRED_TOKEN_MAX, &text);
		if (r < 0)
			return cred_fail(c, -EACCES, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE %s: %s", path,
				strerror(-r));
		token = text;
	}
	if (token && strpbrk(token, "\r\n"))
		r = cred_fail(c, -EACCES, "the authorization token has more than one line");
	else if (token && asprintf(ret, "Authorization: %s", token) < 0)
		r = cred_fail(c, -ENOMEM, "no memory");
	secret_wipe(text);
	return r;
}

static int take(struct cred_context *c, const struct http_answer *a, struct keys_found **ret)
{
	static const struct cred_names names = {
		"the answer", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"};
	json_t *j;
	int r;

	if (a->status != 200)
		return cred_fail(c, -EACCES, "HTTP status %d", a->status);
	j = cred_json(a->data, a->len);
	r = j ? cred_keys_json(c, j, &names, ret) : cred_fail(c, -EACCES, "the answer is no JSON object");
	json_decref(j);
	return r;
}

int cred_container(struct cred_context *c, struct keys_found **ret)
{
	const char *relative = cred_getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = cred_getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	char url[URL_MAX], *token;
	const char *header[] = {"Accept: application/json", NULL, NULL};
	struct http_request request = {.method = "GET", .url = url, .header = header};
	struct http_answer a;
	int r;

	cred_at(c, "container");
	if (!relative && !full)
		return cred_fail(c, -ENOENT, "no AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI");
	r = snprintf(url, sizeof url, "%s%s", relative ? ECS_HOST : "", relative ? relative : full);
	if (r < 0 || (size_t)r >= sizeof url || (relative && *relative != '/') || !url_allowed(url))
		return cred_fail(c, -EACCES,
			"AWS_CONTAINER_CREDENTIALS_%s_URI is not https, nor an address of "
			"this machine or a container service",
			relative ? "RELATIVE" : "FULL");
	r = authorization(c, &token);
	if (r < 0)
		return r;
	header[1] = token;
	r = cred_call(c, true, &request, c->limits.container, &a);
	secret_wipe(token);
	if (r < 0)
		return r;
	r = take(c, &a, ret);
	http_answer_clear(&a);
	return r;
}
