/*
 * Host and path by what is known of the bucket's place now; each header that matters is signed.
 */
#include "s3/compose.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "s3/sign.h"

/* The headers as they are signed, and those of them that we send. */
struct headers {
	struct sign_header signs[COMPOSE_HEADERS_MAX];
	size_t n;
	char **line;
	size_t n_lines;
	bool failed;
};

static void add_header(struct headers *h, const char *name, const char *value, bool sent)
{
	char *line = NULL;

	if (h->n == COMPOSE_HEADERS_MAX) {
		h->failed = true;
		return;
	}
	h->signs[h->n++] = (struct sign_header){name, value};
	if (!sent)
		return;
	if (asprintf(&line, "%s: %s", name, value) < 0)
		h->failed = true;
	else
		h->line[h->n_lines++] = line;
}

void attempt_clear(struct attempt *a)
{
	for (char **line = a->header; *line; line++) {
		OPENSSL_cleanse(*line, strlen(*line));
		free(*line);
	}
	free(a->url);
	*a = (struct attempt){0};
}

/* Adds the signature. */
static int sign(struct request *r, struct headers *h, const char *path, const char *date)
{
	const struct keys_found *k = r->keys->found;
	struct sign_request sr = {
		.method = "GET",
		.path = path,
		.query = r->query,
		.header = h->signs,
		.n_headers = h->n,
		.payload_hash = SIGN_EMPTY_HASH,
		.access_key = k->access_key,
		.secret = k->secret,
		.region = r->region,
		.service = "s3",
		.date = date,
	};
	char value[1024];
	int len;

	pthread_mutex_lock(&r->s->lock);
	len = sign_authorization(&r->s->sign_key, &sr, value, sizeof(value));
	pthread_mutex_unlock(&r->s->lock);
	if (len >= 0)
		add_header(h, "authorization", value, true);
	OPENSSL_cleanse(value, sizeof(value));
	return len < 0 ? len : 0;
}

static int add_headers(struct request *r, struct headers *h, const char *host, const char *path, int64_t now)
{
	const struct s3 *s = r->s;
	char date[17], range[64];
	int error = 0;

	add_header(h, "host", host, false); /* libcurl sends it */
	if (s->payer)
		add_header(h, "x-amz-request-payer", "requester", true);
	if (s->owner)
		add_header(h, "x-amz-expected-bucket-owner", s->owner, true);
	if (r->if_match[0])
		add_header(h, "if-match", r->if_match, true);
	if (r->n) {
		snprintf(range, sizeof(range), "bytes=%llu-%llu", (unsigned long long)r->first,
			(unsigned long long)(r->first + r->n - 1));
		add_header(h, "range", range, true);
	}
	if (!s->anonymous) {
		sign_date(now, date);
		add_header(h, "x-amz-content-sha256", SIGN_EMPTY_HASH, true);
		add_header(h, "x-amz-date", date, true);
		if (r->keys->found->token)
			add_header(h, "x-amz-security-token", r->keys->found->token, true);
		error = sign(r, h, path, date);
	}
	return h->failed ? -ENOMEM : error;
}

int compose_endpoint(struct request *r, struct endpoint *ret, char reason[160])
{
	struct s3 *s = r->s;
	struct endpoint_options o = {
		.bucket = s->bucket,
		.region = r->region,
		.url = s->url,
		.path_style = s->path_style,
		.dualstack = s->dualstack,
		.fips = s->fips,
		.virtual_host = s->virtual_host,
	};

	pthread_mutex_lock(&s->lock);
	memcpy(r->region, s->region, sizeof(r->region));
	pthread_mutex_unlock(&s->lock);
	int error = endpoint_make(&o, ret, reason);
	if (error == 0 && r->elsewhere[0]) {
		memcpy(ret->host, r->elsewhere, sizeof(ret->host));
		bool by_name = strncmp(r->elsewhere, s->bucket, strlen(s->bucket)) == 0 &&
			       r->elsewhere[strlen(s->bucket)] == '.';
		if (!s->url)
			snprintf(ret->prefix, sizeof(ret->prefix), "%s%s", by_name ? "" : "/",
				by_name ? "" : s->bucket);
	}
	return error;
}

/* The path as sent and signed. new, or NULL: no memory. */
static char *make_path(const struct request *r, const struct endpoint *e)
{
	size_t len = r->key ? strlen(r->key) : 0, at = strlen(e->prefix), room = at + 3 * len + 2;
	char *path = malloc(room);

	if (!path)
		return NULL;
	memcpy(path, e->prefix, at);
	path[at++] = '/';
	path[at] = '\0';
	if (len > 0 && sign_encode(r->key, len, 1, path + at, room - at) < 0) {
		free(path);
		return NULL;
	}
	return path;
}

int compose(struct request *r, struct attempt *ret, char reason[160])
{
	struct attempt a = {0};
	struct headers h = {.line = a.header};
	struct endpoint e;
	char *path = NULL;
	int error;

	reason[0] = '\0';
	error = compose_endpoint(r, &e, reason);
	if (error < 0)
		return error;
	pthread_mutex_lock(&r->s->lock);
	int64_t now = (int64_t)time(NULL) + r->s->clock_ahead + r->delay_ms / 1000;
	pthread_mutex_unlock(&r->s->lock);
	path = make_path(r, &e);
	error = path ? add_headers(r, &h, e.host, path, now) : -ENOMEM;
	if (error == 0 && asprintf(&a.url, "%s://%s%s%s%s", e.scheme, e.host, path, r->query[0] ? "?" : "",
				  r->query) < 0) {
		a.url = NULL;
		error = -ENOMEM;
	}
	free(path);
	if (error < 0)
		attempt_clear(&a);
	else
		*ret = a;
	return error;
}
