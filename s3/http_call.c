/*
 * A request on a libcurl handle: its options, what comes in, and what libcurl's errors mean.
 */
#include "s3/http_call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEADERS_MAX   65536    /* bytes of all headers of an answer */
#define RESERVE_MAX   67108864 /* for a body, on the mere word of its Content-Length */
#define RESERVE_MIN   65536
#define LIFETIME      300L /* s; of a connection: S3 spreads load by handing out other addresses */
#define BYTES_PER_SEC 64L  /* fewer are none: else a byte now and then would keep a request alive for ever */
#define BUFFER        65536L

/* Headers carry signatures and tokens. */
static void wipe(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
}

static bool add_header(struct call *c, const char *line)
{
	struct curl_slist *longer = curl_slist_append(c->header, line);

	if (longer)
		c->header = longer;
	return longer;
}

/* What libcurl calls while an answer comes in. */

/* Copies a header's value, without blanks around it; one that does not fit counts as absent. */
static void copy_value(const char *p, size_t n, char *out, size_t cap)
{
	while (n && (*p == ' ' || *p == '\t'))
		p++, n--;
	while (n && strchr(" \t\r\n", p[n - 1]))
		n--;
	if (n >= cap || memchr(p, '\0', n))
		n = 0;
	memcpy(out, p, n);
	out[n] = '\0';
}

/* AWS's own header counts in milliseconds. */
static void copy_retry_after_ms(const char *p, size_t n, struct http_answer *a)
{
	char text[16], *end;

	copy_value(p, n, text, sizeof(text));
	unsigned long long ms = strtoull(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && !*end)
		snprintf(a->retry_after, sizeof(a->retry_after), "%llu", ms / 1000 + (ms % 1000 != 0));
}

static void read_header(struct http_answer *a, const char *line, size_t len)
{
	const struct {
		const char *name;
		char *out;
		size_t cap;
	} fields[] = {
		{"etag", a->etag, sizeof(a->etag)},
		{"date", a->date, sizeof(a->date)},
		{"content-range", a->content_range, sizeof(a->content_range)},
		{"content-type", a->content_type, sizeof(a->content_type)},
		{"location", a->location, sizeof(a->location)},
		{"retry-after", a->retry_after, sizeof(a->retry_after)},
		{"x-amz-server-side-encryption", a->encryption, sizeof(a->encryption)},
		{"x-amz-bucket-region", a->region, sizeof(a->region)},
		{"x-amz-request-id", a->request_id, sizeof(a->request_id)},
		{"x-amzn-requestid", a->request_id, sizeof(a->request_id)},
	};
	const char *colon = memchr(line, ':', len);

	if (!colon)
		return;
	size_t n = (size_t)(colon - line), rest = len - n - 1;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (strlen(fields[i].name) == n && strncasecmp(line, fields[i].name, n) == 0)
			copy_value(colon + 1, rest, fields[i].out, fields[i].cap);
	if (n == 17 && strncasecmp(line, "x-amz-retry-after", n) == 0)
		copy_retry_after_ms(colon + 1, rest, a);
}

/* A line of the headers. "100 Continue" has headers of its own: the last ones count. What follows a body
 * (trailers) does not. */
static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
	struct call *c = arg;
	struct http_answer *a = &c->answer;

	(void)one;
	c->header_bytes += len;
	if (c->header_bytes > HEADERS_MAX) {
		c->broken = -EPROTO;
		snprintf(c->why, sizeof(c->why), "the answer's headers are too long");
		return 0;
	}
	if (c->body_begun)
		return len;
	if (len > 5 && memcmp(line, "HTTP/", 5) == 0)
		*a = (struct http_answer){.content_length = UINT64_MAX};
	else
		read_header(a, line, len);
	return len;
}

static bool too_big(struct call *c, uint64_t size)
{
	if (size <= c->max_bytes)
		return false;
	c->broken = -EFBIG;
	snprintf(c->why, sizeof(c->why), "the answer has more than %llu bytes",
		(unsigned long long)c->max_bytes);
	return true;
}

/* Room for n more bytes and a NUL. Documents with keys in them fit the first reserve, so that no copies of
 * them are left behind. */
static bool reserve(struct call *c, size_t n)
{
	struct http_answer *a = &c->answer;
	size_t want = a->len + n + 1;

	if (want <= c->cap)
		return true;
	size_t cap = c->cap ? c->cap * 2 : RESERVE_MIN;
	if (!c->cap && a->content_length < RESERVE_MAX)
		cap = (size_t)a->content_length + 1;
	if (cap < want)
		cap = want;
	char *data = realloc(a->data, cap);
	if (!data) {
		c->broken = -ENOMEM;
		snprintf(c->why, sizeof(c->why), "out of memory");
		return false;
	}
	a->data = data;
	c->cap = cap;
	return true;
}

static size_t on_body(char *p, size_t one, size_t n, void *arg)
{
	struct call *c = arg;
	struct http_answer *a = &c->answer;

	(void)one;
	if (!c->body_begun) {
		curl_off_t length = -1;
		curl_easy_getinfo(c->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
		c->body_begun = true;
		if (length >= 0)
			a->content_length = (uint64_t)length;
		if (length >= 0 && too_big(c, a->content_length))
			return 0;
	}
	if (too_big(c, (uint64_t)a->len + n) || !reserve(c, n))
		return 0;
	memcpy(a->data + a->len, p, n);
	a->len += n;
	a->data[a->len] = '\0';
	return n;
}

/* How the request is said. A body that is not there has length 0: a POST or PUT without a length would be
 * sent in chunks, which the instance metadata service never answers. */
static bool set_method(const struct call *c)
{
	CURL *e = c->easy;

	if (strcmp(c->method, "GET") == 0 && !c->body)
		return curl_easy_setopt(e, CURLOPT_HTTPGET, 1L) == CURLE_OK;
	if (strcmp(c->method, "HEAD") == 0)
		return curl_easy_setopt(e, CURLOPT_NOBODY, 1L) == CURLE_OK;
	return curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body_len) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_POSTFIELDS, c->body ? c->body : "") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, c->method) == CURLE_OK;
}

static bool set_limits(const struct call *c)
{
	CURL *e = c->easy;
	long stall = (long)(c->stall_ms / 1000) + (c->stall_ms % 1000 != 0);

	return curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_ms) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)c->total_ms) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, BYTES_PER_SEC) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, stall) == CURLE_OK;
}

/* The URL goes out as it was signed, to the host it was signed for, and the body is kept as it comes. */
static bool set_transfer(struct call *c)
{
	CURL *e = c->easy;

	return curl_easy_setopt(e, CURLOPT_URL, c->url) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->header) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HEADERDATA, c) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEDATA, c) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->text) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PRIVATE, c) == CURLE_OK;
}

/* QUICK_EXIT: else giving up on a name server that does not answer would mean to wait for it. */
static bool set_connection(const struct call *c, const char *ca_bundle, bool no_proxy)
{
	CURL *e = c->easy;

	return curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_MAXLIFETIME_CONN, LIFETIME) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_BUFFERSIZE, BUFFER) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_USERAGENT, "trailfs") == CURLE_OK &&
	       (!ca_bundle || curl_easy_setopt(e, CURLOPT_CAINFO, ca_bundle) == CURLE_OK) &&
	       (!no_proxy || curl_easy_setopt(e, CURLOPT_NOPROXY, "*") == CURLE_OK);
}

/* Of a connection that was not made. */
static int mean_connect(CURL *easy)
{
	long os_error = 0;

	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
	switch (os_error) {
	case ETIMEDOUT:
		return -ETIMEDOUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EADDRNOTAVAIL:
	case ENETDOWN:
		return -EHOSTUNREACH;
	default:
		return -ECONNREFUSED;
	}
}

/* A proxy that refuses to connect us says so with a status of its own. */
static int mean_broken(CURL *easy)
{
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &status);
	return status == 407 ? -EKEYREJECTED : status >= 400 ? -ECONNREFUSED : -ECONNRESET;
}

static int mean_code(const struct call *c, CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_WRITE_ERROR:
		return c->broken ? c->broken : -EPROTO;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return -EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		return mean_connect(c->easy);
	/* Of TLS this one alone: most often the connection broke while hands were being shaken. */
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
		return mean_broken(c->easy);
	case CURLE_URL_MALFORMAT:
		return -EINVAL;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}

void call_free(struct call *c)
{
	if (!c)
		return;
	for (struct curl_slist *h = c->header; h; h = h->next)
		wipe(h->data);
	curl_slist_free_all(c->header);
	if (c->body)
		explicit_bzero(c->body, c->body_len);
	http_answer_clear(&c->answer);
	free(c->method);
	free(c->url);
	free(c->body);
	free(c);
}

struct call *call_new(const struct http_request *r)
{
	struct call *c = calloc(1, sizeof(*c));
	bool typed = false;

	if (!c || !(c->method = strdup(r->method)) || !(c->url = strdup(r->url)))
		goto fail;
	if (r->body && !(c->body = malloc(r->body_len + 1)))
		goto fail;
	if (r->body) {
		memcpy(c->body, r->body, r->body_len);
		c->body[r->body_len] = '\0';
		c->body_len = r->body_len;
	}
	for (const char *const *h = r->header; h && *h; h++) {
		if (!add_header(c, *h))
			goto fail;
		typed |= strncasecmp(*h, "content-type:", 13) == 0;
	}
	/* libcurl would say that what has no body is a form. */
	if (!r->body && !typed && !add_header(c, "Content-Type:"))
		goto fail;
	c->max_bytes = r->max_bytes;
	c->connect_ms = r->connect_ms;
	c->stall_ms = r->stall_ms;
	c->total_ms = r->total_ms;
	c->answer.content_length = UINT64_MAX;
	return c;
fail:
	call_free(c);
	return NULL;
}

int call_begin(struct call *c, CURL *easy, const char *ca_bundle, bool no_proxy)
{
	curl_easy_reset(easy);
	c->easy = easy;
	if (set_method(c) && set_limits(c) && set_transfer(c) && set_connection(c, ca_bundle, no_proxy))
		return 0;
	return -ENOMEM;
}

void call_end(struct call *c, CURLcode code)
{
	struct http_answer *a = &c->answer;
	curl_off_t length = -1;
	long status = 0;

	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(c->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	a->status = (int)status;
	if (length >= 0)
		a->content_length = (uint64_t)length;
	call_give(c, mean_code(c, code), *c->why ? c->why : *c->text ? c->text : curl_easy_strerror(code));
}

void call_give(struct call *c, int error, const char *reason)
{
	struct http_answer *a = &c->answer;

	if (!error && !a->data && !(a->data = calloc(1, 1))) {
		error = -ENOMEM;
		reason = "out of memory";
	}
	a->error = error;
	snprintf(a->reason, sizeof(a->reason), "%s", error ? reason : "");
	c->done(c->arg, a);
	call_free(c);
}

void http_answer_clear(struct http_answer *a)
{
	/* It may hold keys. */
	if (a->data)
		explicit_bzero(a->data, a->len);
	free(a->data);
	a->data = NULL;
	a->len = 0;
}
