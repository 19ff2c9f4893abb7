/*
 * For tests of the client: a server that answers as a test says and looks at every signature, and calls that
 * are waited for. Include after cmocka.h.
 */
#ifndef TESTS_UNIT_S3_KIT_H
#define TESTS_UNIT_S3_KIT_H

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "s3/s3.h"
#include "s3/sign.h"
#include "tests/http_server.h"

#define KEY    "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define TEXT   "0123456789abcdefghijklmnopqrstuvwxyz"
#define SIZE   (sizeof(TEXT) - 1)

/* What a test's server knows. */
struct world {
	struct server *server, *other;
	struct s3 *s3;
	char region[32];       /* that signatures must be for */
	int64_t clock;         /* seconds that the server is ahead */
	atomic_uint asked;     /* requests */
	atomic_uint others;    /* at the other server */
	atomic_bool unsigned_; /* a request came without a good signature */
	char log[65536];       /* the requests, one a line: target [range] [if-match] */
	pthread_mutex_t lock;
	void (*answer)(struct world *w, struct server_request *q, unsigned n);
	const char *text; /* for the answer */
	struct s3_result result;
	char keys[4096]; /* listed */
};

/* ---- signatures ---- */

/* Computes the signature again from what came. */
static inline bool is_signed(struct world *w, const struct server_request *q)
{
	char auth[2048], date[64], names[1024], value[16][2048], want[2048], secret[] = SECRET, key[32];
	struct sign_header header[16];
	struct sign_key k = {0};
	size_t n = 0;
	char *name, *end;

	server_header(q, "authorization", auth, sizeof(auth));
	server_header(q, "x-amz-date", date, sizeof(date));
	name = strstr(auth, "SignedHeaders=");
	if (!name || sscanf(auth, "AWS4-HMAC-SHA256 Credential=%31[^/]", key) != 1)
		return false;
	snprintf(names, sizeof(names), "%.*s", (int)strcspn(name + 14, ","), name + 14);
	for (name = names; name && n < 16; name = end) {
		end = strchr(name, ';');
		if (end)
			*end++ = '\0';
		server_header(q, name, value[n], sizeof(value[n]));
		header[n] = (struct sign_header){name, value[n]};
		n++;
	}
	struct sign_request r = {
		.method = q->method,
		.path = q->path,
		.query = q->query,
		.header = header,
		.n_headers = n,
		.payload_hash = SIGN_EMPTY_HASH,
		.access_key = key,
		.secret = secret,
		.region = w->region,
		.service = "s3",
		.date = date,
	};
	bool good = sign_authorization(&k, &r, want, sizeof(want)) > 0 && strcmp(auth, want) == 0;
	sign_key_clear(&k);
	return good;
}

/* ---- the server ---- */

static inline void on_request(void *arg, struct server_request *q)
{
	struct world *w = arg;
	unsigned n = atomic_fetch_add(&w->asked, 1);
	char range[128], match[256];
	size_t len;

	if (w->region[0] && !is_signed(w, q))
		atomic_store(&w->unsigned_, true);
	server_header(q, "range", range, sizeof(range));
	server_header(q, "if-match", match, sizeof(match));
	pthread_mutex_lock(&w->lock);
	len = strlen(w->log);
	snprintf(w->log + len, sizeof(w->log) - len, "%s%s%s%s%s\n", q->target, *range ? " " : "", range,
		*match ? " " : "", match);
	pthread_mutex_unlock(&w->lock);
	w->answer(w, q, n);
}

static inline void on_other(void *arg, struct server_request *q)
{
	struct world *w = arg;

	atomic_fetch_add(&w->others, 1);
	server_reply(q, 200, NULL, "", 0);
}

/* As headers say it. */
static inline void http_date(int64_t at, char out[64])
{
	time_t t = (time_t)at;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, 64, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

static inline void reply_error(struct server_request *q, int status, const char *code, const char *extra)
{
	char body[1024];
	int n = snprintf(body, sizeof(body),
		"<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>what S3 says</Message>"
		"<RequestId>R3QUEST</RequestId></Error>",
		code);

	server_reply(q, status, extra, body, (size_t)n);
}

/* ---- a world ---- */

/* Nothing of the machine's own, and no proxy in between. */
static inline void world_environment(void)
{
	clearenv();
	setenv("HOME", "/nonexistent", 1);
	setenv("AWS_CONFIG_FILE", "/nonexistent", 1);
	setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	setenv("no_proxy", "*", 1);
}

static inline void open_world(struct world *w, const struct s3_options *options)
{
	struct s3_options o = options ? *options : (struct s3_options){0};
	char url[64], message[S3_MESSAGE_MAX];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u", w->server->port);
	o.bucket = "trail-logs";
	o.endpoint_url = url;
	o.connections = o.connections ? o.connections : 8;
	o.timeout = o.timeout ? o.timeout : 60;
	if (s3_open(&o, &w->s3, message) < 0)
		fail_msg("%s", message);
	s3_start(w->s3);
}

static inline struct world *world_new(
	void (*answer)(struct world *w, struct server_request *q, unsigned n), const struct s3_options *o)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	pthread_mutex_init(&w->lock, NULL);
	snprintf(w->region, sizeof(w->region), "us-east-1");
	w->answer = answer;
	w->text = TEXT;
	setenv("AWS_ACCESS_KEY_ID", KEY, 1);
	setenv("AWS_SECRET_ACCESS_KEY", SECRET, 1);
	w->server = server_start(on_request, w);
	w->other = server_start(on_other, w);
	assert_non_null(w->server);
	assert_non_null(w->other);
	open_world(w, o);
	return w;
}

static inline void world_free(struct world *w)
{
	bool good = !atomic_load(&w->unsigned_);

	s3_free(w->s3);
	server_stop(w->server);
	server_stop(w->other);
	pthread_mutex_destroy(&w->lock);
	free(w);
	assert_true(good);
}

/* ---- calls ---- */

static inline int keep_object(void *arg, const struct s3_object *o)
{
	struct world *w = arg;
	size_t len = strlen(w->keys);

	snprintf(w->keys + len, sizeof(w->keys) - len, "%s ", o->key);
	return 0;
}

static inline int keep_prefix(void *arg, const char *prefix)
{
	struct s3_object o = {.key = prefix};

	return keep_object(arg, &o);
}

static inline int list(struct world *w, const char *prefix, char delimiter)
{
	const struct s3_list_sink sink = {keep_object, keep_prefix, NULL, w};

	w->keys[0] = '\0';
	return s3_list(w->s3, prefix, delimiter, NULL, &sink, &w->result);
}

/* A get that is waited for. */
struct wait {
	pthread_mutex_t lock;
	pthread_cond_t came;
	unsigned left;
	struct s3_result result;
	char *data;
	size_t len;
};

static inline void came(void *arg, const struct s3_result *result, char *data, size_t len)
{
	struct wait *x = arg;

	pthread_mutex_lock(&x->lock);
	x->result = *result;
	free(x->data);
	x->data = data;
	x->len = len;
	x->left--;
	pthread_cond_signal(&x->came);
	pthread_mutex_unlock(&x->lock);
}

static inline void wait_init(struct wait *x, unsigned n)
{
	*x = (struct wait){.left = n};
	pthread_mutex_init(&x->lock, NULL);
	pthread_cond_init(&x->came, NULL);
}

static inline void wait_for(struct wait *x)
{
	pthread_mutex_lock(&x->lock);
	while (x->left > 0)
		pthread_cond_wait(&x->came, &x->lock);
	pthread_mutex_unlock(&x->lock);
	pthread_cond_destroy(&x->came);
	pthread_mutex_destroy(&x->lock);
}

/* The bytes as text (new), or NULL; the result is w->result. */
static inline char *get(
	struct world *w, const char *key, uint64_t size, const char *etag, uint64_t first, uint64_t n)
{
	struct wait x;

	wait_init(&x, 1);
	s3_get(w->s3, key, size, etag, first, n, came, &x);
	wait_for(&x);
	w->result = x.result;
	if (x.result.error == 0)
		assert_int_equal(strlen(x.data), x.len);
	else
		assert_null(x.data);
	return x.data;
}

static inline void expect_text(char *data, const char *want)
{
	assert_non_null(data);
	assert_string_equal(data, want);
	free(data);
}

static inline void expect_said(const struct world *w, const char *what)
{
	if (!strstr(w->result.message, what))
		fail_msg("%s: not in: %s", what, w->result.message);
}

/* ---- answers ---- */

#define PAGE(truncated, rest)                                                                                \
	"<?xml version=\"1.0\"?><ListBucketResult><EncodingType>url</EncodingType>"                          \
	"<IsTruncated>" truncated "</IsTruncated>" rest "</ListBucketResult>"
#define OBJECT(key)                                                                                          \
	"<Contents><Key>" key "</Key><Size>5</Size><ETag>&quot;e&quot;</ETag>"                               \
	"<LastModified>2025-06-19T09:10:23.000Z</LastModified></Contents>"
#define TOKEN(token) "<NextContinuationToken>" token "</NextContinuationToken>"

static inline void reply_text(struct server_request *q, const char *text)
{
	server_reply(q, 200, "Content-Type: application/xml\r\n", text, strlen(text));
}

static inline void one_page(struct world *w, struct server_request *q, unsigned n)
{
	(void)n;
	reply_text(q, w->text);
}

/* Reads until the other side hangs up. */
static inline void no_answer(struct world *w, struct server_request *q, unsigned n)
{
	(void)w;
	(void)n;
	char c;
	while (recv(q->fd, &c, 1, 0) > 0)
		;
}

#endif
