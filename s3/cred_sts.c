/*
 * The keys of a role, from STS: AssumeRole, signed with other keys, and AssumeRoleWithWebIdentity, which an
 * identity token speaks for (docs.aws.amazon.com, STS API reference).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>
#include <expat.h>
#include <openssl/crypto.h>

#include "s3/cred_private.h"
#include "s3/secret.h"
#include "s3/sign.h"

#define FIELD_MAX    1024
#define SKEW_SECONDS 240 /* STS refuses 15 minutes: a clock off by less is not why */
#define DEFAULT_NAME "trailfs"
#define URL_MAX      1024

/* What matters of an answer, good or bad: the elements of that name, wherever they are. */
struct answer {
	char access_key[FIELD_MAX], secret[FIELD_MAX], token[CRED_TOKEN_MAX], expires[64], code[64],
		message[FIELD_MAX];
	char *into; /* the element that is open */
	size_t cap, len;
	XML_Parser parser;
};

static void XMLCALL on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct answer *a = arg;
	struct {
		const char *name;
		char *text;
		size_t cap;
	} fields[] = {
		{"AccessKeyId", a->access_key, sizeof a->access_key},
		{"SecretAccessKey", a->secret, sizeof a->secret},
		{"SessionToken", a->token, sizeof a->token},
		{"Expiration", a->expires, sizeof a->expires},
		{"Code", a->code, sizeof a->code},
		{"Message", a->message, sizeof a->message},
	};

	(void)attributes;
	a->into = NULL;
	a->len = 0;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		if (strcmp(fields[i].name, name) != 0)
			continue;
		a->into = fields[i].text;
		a->cap = fields[i].cap;
	}
}

static void XMLCALL on_end(void *arg, const XML_Char *name)
{
	(void)name;
	((struct answer *)arg)->into = NULL;
}

static void XMLCALL on_text(void *arg, const XML_Char *text, int n)
{
	struct answer *a = arg;

	if (!a->into)
		return;
	/* A secret that is cut off is no secret; a message may be. */
	if ((size_t)n >= a->cap - a->len) {
		if (a->into != a->message)
			XML_StopParser(a->parser, XML_FALSE);
		return;
	}
	memcpy(a->into + a->len, text, (size_t)n);
	a->len += (size_t)n;
	a->into[a->len] = '\0';
}

static void XMLCALL on_doctype(
	void *arg, const XML_Char *name, const XML_Char *system, const XML_Char *public, int internal)
{
	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	XML_StopParser(((struct answer *)arg)->parser, XML_FALSE);
}

static bool parse(const struct http_answer *http, struct answer *a)
{
	const XML_Memory_Handling_Suite memory = {malloc, realloc, secret_wipe_block};
	bool good;

	a->parser = XML_ParserCreate_MM(NULL, &memory, NULL);
	if (!a->parser || !http->data || http->len > INT32_MAX) {
		if (a->parser)
			XML_ParserFree(a->parser);
		return false;
	}
	XML_SetUserData(a->parser, a);
	XML_SetElementHandler(a->parser, on_start, on_end);
	XML_SetCharacterDataHandler(a->parser, on_text);
	XML_SetStartDoctypeDeclHandler(a->parser, on_doctype);
	good = XML_Parse(a->parser, http->data, (int)http->len, 1) == XML_STATUS_OK;
	XML_ParserFree(a->parser);
	return good;
}

static int take(struct cred_context *c, const struct http_answer *http, struct keys_found **ret)
{
	struct answer *a = secret_new(sizeof *a);
	int64_t expires;
	bool good;
	int r;

	if (!a)
		return cred_fail(c, -ENOMEM, "no memory");
	good = parse(http, a);
	/* That message repeats what was signed, the session token too. */
	if (strcmp(a->code, "SignatureDoesNotMatch") == 0)
		a->message[0] = '\0';
	if (http->status != 200)
		r = cred_fail(c, http->status >= 500 || http->status == 429 ? -EIO : -EACCES,
			"STS says %d %s%s%.256s", http->status, a->code, a->message[0] ? ": " : "",
			a->message);
	else if (!good || !a->access_key[0] || !a->secret[0] || !a->token[0])
		r = cred_fail(c, -EACCES, "the answer of STS cannot be read");
	else if (cred_time(a->expires, &expires) < 0)
		r = cred_fail(c, -EACCES, "the answer of STS has no time of expiry");
	else
		r = cred_keys(c, a->access_key, a->secret, a->token, expires, ret);
	secret_free(a);
	return r;
}

/* A form's body, in memory for secrets. */
struct form {
	char *text;
	size_t len, cap;
	bool wrong;
};

static void add_raw(struct form *f, const char *text)
{
	size_t n = strlen(text);

	if (f->wrong || n >= f->cap - f->len) {
		f->wrong = true;
		return;
	}
	memcpy(f->text + f->len, text, n + 1);
	f->len += n;
}

static void add(struct form *f, const char *name, const char *value)
{
	int n;

	if (!value)
		return;
	add_raw(f, f->len ? "&" : "");
	add_raw(f, name);
	add_raw(f, "=");
	n = f->wrong ? -1 : sign_encode(value, strlen(value), 0, f->text + f->len, f->cap - f->len);
	if (n < 0)
		f->wrong = true;
	else
		f->len += (size_t)n;
}

static int make_form(struct cred_context *c, const struct cred_role *role, const char *action,
	const char *identity, struct form *f)
{
	f->cap = 16384 + (identity ? 3 * strlen(identity) : 0);
	f->text = secret_new(f->cap);
	if (!f->text)
		return cred_fail(c, -ENOMEM, "no memory");
	add(f, "Action", action);
	add(f, "Version", "2011-06-15");
	add(f, "RoleArn", role->arn);
	add(f, "RoleSessionName", role->session_name ? role->session_name : DEFAULT_NAME);
	add(f, "ExternalId", role->external_id);
	add(f, "DurationSeconds", role->duration);
	add(f, "WebIdentityToken", identity);
	return f->wrong ? cred_fail(c, -EINVAL, "the role's settings are too long") : 0;
}

/* "HOST[:PORT]" as it will be in the Host header. */
static int host_of(const char *url, char *out, size_t cap)
{
	char *host = NULL, *port = NULL;
	CURLU *u = curl_url();
	int n = -1;

	if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
		curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
		curl_url_get(u, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT);
		n = snprintf(out, cap, "%s%s%s", host, port ? ":" : "", port ? port : "");
	}
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return n < 0 || (size_t)n >= cap ? -EINVAL : 0;
}

struct call {
	char url[URL_MAX], host[320], region[48];
};

static int make_call(struct cred_context *c, struct call *call)
{
	const char *region = cred_region(c), *path;
	int r = cred_endpoint(
		c, "sts", "sts", region ? region : "us-east-1", call->url, sizeof call->url - 1);

	if (r < 0)
		return r;
	snprintf(call->region, sizeof call->region, "%s", region ? region : "us-east-1");
	path = strstr(call->url, "://");
	if (!path || host_of(call->url, call->host, sizeof call->host) < 0 || strpbrk(call->url, "?# "))
		return cred_fail(c, -EINVAL, "the endpoint of STS is no URL");
	if (!strchr(path + 3, '/'))
		memcpy(call->url + strlen(call->url), "/", 2);
	return 0;
}

#define HEADERS_MAX 6

static int header(const char *lines[HEADERS_MAX], struct form *store, const char *name, const char *value)
{
	size_t at = store->len, i = 0;

	add_raw(store, name);
	add_raw(store, ": ");
	add_raw(store, value);
	if (store->wrong)
		return -ENOSPC;
	store->len++; /* keeps its NUL */
	while (lines[i])
		i++;
	lines[i] = store->text + at;
	return 0;
}

static int sign(const struct call *call, const struct form *body, const struct keys_found *by, int64_t now,
	const char *lines[HEADERS_MAX], struct form *store)
{
	char date[17], hash[65], authorization[2048];
	struct sign_header signed_headers[] = {{"content-type", "application/x-www-form-urlencoded"},
		{"host", call->host}, {"x-amz-date", date}, {"x-amz-security-token", by->token}};
	struct sign_request request = {.method = "POST",
		.path = strchr(strstr(call->url, "://") + 3, '/'),
		.query = "",
		.header = signed_headers,
		.n_headers = by->token ? 4 : 3,
		.payload_hash = hash,
		.access_key = by->access_key,
		.secret = by->secret,
		.region = call->region,
		.service = "sts",
		.date = date};
	struct sign_key key = {0};
	int r;

	sign_date(now, date);
	sign_sha256_hex(body->text, body->len, hash);
	r = sign_authorization(&key, &request, authorization, sizeof authorization);
	sign_key_clear(&key);
	if (r >= 0)
		r = header(lines, store, "x-amz-date", date);
	if (r >= 0 && by->token)
		r = header(lines, store, "x-amz-security-token", by->token);
	return r < 0 ? r : header(lines, store, "Authorization", authorization);
}

/* by: NULL for a request that is not signed. */
static int post(struct cred_context *c, const struct call *call, const struct form *body,
	const struct keys_found *by, int64_t now, struct http_answer *ret)
{
	const char *lines[HEADERS_MAX] = {
		"Content-Type: application/x-www-form-urlencoded", "Accept: application/xml"};
	struct form store = {.text = secret_new(2 * CRED_TOKEN_MAX), .cap = 2 * CRED_TOKEN_MAX};
	struct http_request request = {.method = "POST",
		.url = call->url,
		.header = lines,
		.body = body->text,
		.body_len = body->len};
	int r = store.text ? 0 : -ENOMEM;

	if (r == 0 && by)
		r = sign(call, body, by, now, lines, &store);
	if (r < 0)
		r = cred_fail(c, r, "cannot sign: %s", strerror(-r));
	else
		r = cred_call(c, false, &request, c->limits.sts, ret);
	secret_free(store.text);
	return r;
}

/* The server's time where the answer is a refusal and our clock is far from it; else now. */
static int64_t server_time(const struct http_answer *a, int64_t now)
{
	time_t theirs = a->status == 400 || a->status == 403 ? curl_getdate(a->date, NULL) : -1;

	return theirs > 0 && (theirs - now > SKEW_SECONDS || now - theirs > SKEW_SECONDS) ? theirs : now;
}

static int ask(
	struct cred_context *c, const struct form *body, const struct keys_found *by, struct keys_found **ret)
{
	struct http_answer a;
	struct call call;
	int64_t theirs;
	int r = make_call(c, &call);

	if (r == 0)
		r = post(c, &call, body, by, c->now, &a);
	if (r < 0)
		return r;
	theirs = by ? server_time(&a, c->now) : c->now;
	if (theirs != c->now) {
		cred_log(c, 1, "%s: this machine's clock is %lld seconds off", c->where,
			(long long)(c->now - theirs));
		http_answer_clear(&a);
		r = post(c, &call, body, by, theirs, &a);
		if (r < 0)
			return r;
	}
	r = take(c, &a, ret);
	http_answer_clear(&a);
	return r;
}

int cred_assume(struct cred_context *c, const struct cred_role *role, const struct keys_found *by,
	struct keys_found **ret)
{
	struct form form = {0};
	int r = make_form(c, role, "AssumeRole", NULL, &form);

	if (r == 0)
		r = ask(c, &form, by, ret);
	secret_free(form.text);
	return r;
}

int cred_web_identity(struct cred_context *c, const struct cred_role *role, struct keys_found **ret)
{
	struct form form = {0};
	char *identity = NULL;
	int r = cred_read_file(role->token_file, CRED_TOKEN_MAX, &identity);

	if (r < 0)
		return cred_fail(c, -EACCES, "the token in %s: %s", role->token_file, strerror(-r));
	r = *identity ? 0 : cred_fail(c, -EACCES, "the token in %s: it is empty", role->token_file);
	if (r == 0)
		r = make_form(c, role, "AssumeRoleWithWebIdentity", identity, &form);
	if (r == 0)
		r = ask(c, &form, NULL, ret);
	secret_free(form.text);
	secret_wipe(identity);
	return r;
}
