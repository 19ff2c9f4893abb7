/*
 * The client against a server that misbehaves: what is asked, what is learnt, what is refused, and that every
 * call ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "s3/s3.h"
#include "s3/sign.h"
#include "tests/http_server.h"

#define KEY    "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define OTHER  "AKIDRENEWED"
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
	char credentials[64];
	struct s3_result result;
	char keys[4096]; /* listed */
};

/* ---- signatures ---- */

/* Computes the signature again from what came. */
static bool is_signed(struct world *w, const struct server_request *q)
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

static void http_date(int64_t at, char out[64])
{
	time_t t = (time_t)at;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, 64, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

/* ---- the server ---- */

static void on_request(void *arg, struct server_request *q)
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

static void on_other(void *arg, struct server_request *q)
{
	struct world *w = arg;

	atomic_fetch_add(&w->others, 1);
	server_reply(q, 200, NULL, "", 0);
}

static void reply_error(struct server_request *q, int status, const char *code, const char *extra)
{
	char body[1024];
	int n = snprintf(body, sizeof(body),
		"<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>what S3 says</Message>"
		"<RequestId>R3QUEST</RequestId></Error>",
		code);

	server_reply(q, status, extra, body, (size_t)n);
}

/* ---- a world ---- */

static void open_world(struct world *w, const struct s3_options *options)
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

static struct world *world_new(
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

static void world_free(struct world *w)
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

static int keep_object(void *arg, const struct s3_object *o)
{
	struct world *w = arg;
	size_t len = strlen(w->keys);

	snprintf(w->keys + len, sizeof(w->keys) - len, "%s ", o->key);
	return 0;
}

static int keep_prefix(void *arg, const char *prefix)
{
	struct s3_object o = {.key = prefix};

	return keep_object(arg, &o);
}

static int list(struct world *w, const char *prefix, char delimiter)
{
	const struct s3_list_sink sink = {keep_object, keep_prefix, w};

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

static void came(void *arg, const struct s3_result *result, char *data, size_t len)
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

static void wait_init(struct wait *x, unsigned n)
{
	*x = (struct wait){.left = n};
	pthread_mutex_init(&x->lock, NULL);
	pthread_cond_init(&x->came, NULL);
}

static void wait_for(struct wait *x)
{
	pthread_mutex_lock(&x->lock);
	while (x->left > 0)
		pthread_cond_wait(&x->came, &x->lock);
	pthread_mutex_unlock(&x->lock);
	pthread_cond_destroy(&x->came);
	pthread_mutex_destroy(&x->lock);
}

/* The bytes as text (new), or NULL; the result is w->result. */
static char *get(
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

static void expect_text(char *data, const char *want)
{
	assert_non_null(data);
	assert_string_equal(data, want);
	free(data);
}

static void expect_said(const struct world *w, const char *what)
{
	if (!strstr(w->result.message, what))
		fail_msg("%s: not in: %s", what, w->result.message);
}

/* ---- listing ---- */

#define PAGE(truncated, rest)                                                                                \
	"<?xml version=\"1.0\"?><ListBucketResult><EncodingType>url</EncodingType>"                          \
	"<IsTruncated>" truncated "</IsTruncated>" rest "</ListBucketResult>"
#define OBJECT(key)                                                                                          \
	"<Contents><Key>" key "</Key><Size>5</Size><ETag>&quot;e&quot;</ETag>"                               \
	"<LastModified>2025-06-19T09:10:23.000Z</LastModified></Contents>"
#define TOKEN(token) "<NextContinuationToken>" token "</NextContinuationToken>"

static void reply_text(struct server_request *q, const char *text)
{
	server_reply(q, 200, "Content-Type: application/xml\r\n", text, strlen(text));
}

static void three_pages(struct world *w, struct server_request *q, unsigned n)
{
	static const char *const pages[] = {
		PAGE("true", OBJECT("a%2Fb%2B%20c") TOKEN("t/1+=&amp;")),
		PAGE("true", TOKEN("t2")),
		PAGE("false", OBJECT("a%2Fd") "<CommonPrefixes><Prefix>a/e/</Prefix></CommonPrefixes>"),
	};

	(void)w;
	reply_text(q, pages[n < 3 ? n : 2]);
}

static void test_list(void **state)
{
	struct world *w = world_new(three_pages, NULL);

	(void)state;
	assert_int_equal(list(w, "a/", '/'), 0);
	assert_string_equal(w->keys, "a/b+ c a/d a/e/ ");
	assert_string_equal(w->log,
		"/trail-logs/?delimiter=%2F&encoding-type=url&list-type=2&prefix=a%2F\n"
		"/trail-logs/"
		"?continuation-token=t%2F1%2B%3D%26&delimiter=%2F&encoding-type=url&list-type=2&prefix=a%2F\n"
		"/trail-logs/"
		"?continuation-token=t2&delimiter=%2F&encoding-type=url&list-type=2&prefix=a%2F\n");
	assert_int_equal(s3_stats(w->s3).lists, 3);
	assert_int_equal(s3_stats(w->s3).in_flight, 0);
	world_free(w);
}

static void one_page(struct world *w, struct server_request *q, unsigned n)
{
	(void)n;
	reply_text(q, w->text);
}

static void test_list_start_after(void **state)
{
	struct world *w = world_new(one_page, NULL);

	(void)state;
	w->text = PAGE("false", OBJECT("k"));
	assert_int_equal(s3_list(w->s3, "", '\0', "a/b c", NULL, NULL), 0);
	assert_int_equal(s3_check(w->s3, "p", &w->result), -EBADMSG);
	expect_said(w, "outside of the prefix");
	assert_string_equal(w->log,
		"/trail-logs/?encoding-type=url&list-type=2&prefix=&start-after=a%2Fb%20c\n"
		"/trail-logs/?encoding-type=url&list-type=2&max-keys=1&prefix=p\n");
	world_free(w);
}

static int stop_at_once(void *arg, const struct s3_object *o)
{
	(void)arg;
	(void)o;
	return -ESHUTDOWN;
}

static void test_list_stopped_by_sink(void **state)
{
	const struct s3_list_sink sink = {stop_at_once, NULL, NULL};
	struct world *w = world_new(three_pages, NULL);

	(void)state;
	assert_int_equal(s3_list(w->s3, "", '\0', NULL, &sink, &w->result), -ESHUTDOWN);
	assert_int_equal(atomic_load(&w->asked), 1);
	world_free(w);
}

static const struct {
	const char *page, *said;
	unsigned requests;
} bad_pages[] = {
	{PAGE("false", OBJECT("b")), "outside of the prefix", 1},
	{PAGE("false", "<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>"), "not asked for", 1},
	{PAGE("false", "<CommonPrefixes><Prefix>a/b</Prefix></CommonPrefixes>"), "not asked for", 1},
	{PAGE("false", "<CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>"), "not asked for", 1},
	{PAGE("true", OBJECT("a/b")), "no token", 1},
	{PAGE("true", OBJECT("a/b") TOKEN("same")), "repeats", 2},
	{PAGE("true", TOKEN("same")), "repeats", 2},
	{PAGE("false", "<Contents><Key>a/b</Key></Contents>"), "without a size", 3},
	{"<ListBucketResult><IsTruncated>false</IsTruncated>", "no XML", 3},
	{"<!DOCTYPE x [<!ENTITY a \"b\">]><ListBucketResult></ListBucketResult>", "document type", 3},
	{"<html>a proxy's page</html>", "no listing", 1},
	{"", "no listing", 1},
};

static void test_list_bad_pages(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_pages) / sizeof(*bad_pages); i++) {
		struct world *w = world_new(one_page, NULL);

		w->text = bad_pages[i].page;
		assert_int_equal(list(w, "a/", '/'), -EBADMSG);
		assert_int_equal(w->result.error, -EBADMSG);
		expect_said(w, bad_pages[i].said);
		expect_said(w, "s3://trail-logs");
		assert_int_equal(atomic_load(&w->asked), bad_pages[i].requests);
		world_free(w);
	}
}

/* Circles of three pages; new tokens for old pages; pages without anything. */
static void circle(struct world *w, struct server_request *q, unsigned n)
{
	char page[1024];

	if (strcmp(w->text, "tokens") == 0)
		snprintf(page, sizeof(page), PAGE("true", OBJECT("k%u") TOKEN("t%u")), n, n % 3);
	else if (strcmp(w->text, "names") == 0)
		snprintf(page, sizeof(page), PAGE("true", OBJECT("k%u") TOKEN("t%u")), n % 3, n);
	else
		snprintf(page, sizeof(page), PAGE("true", TOKEN("t%u")), n);
	reply_text(q, page);
}

static void test_list_circles(void **state)
{
	static const char *const kinds[] = {"tokens", "names", "nothing"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world *w = world_new(circle, NULL);
		const struct s3_list_sink sink = {0};

		w->text = kinds[i];
		assert_int_equal(s3_list(w->s3, "", '\0', NULL, &sink, &w->result), -EBADMSG);
		expect_said(w, "without an end");
		assert_true(atomic_load(&w->asked) < (i == 2 ? 1100 : 10));
		world_free(w);
	}
}

/* ---- errors ---- */

static const struct {
	int status;
	const char *code;
	bool listing;
	int error;
	const char *said;
} finals[] = {
	{404, "NoSuchBucket", true, -ENXIO, "no bucket of this name"},
	{403, "AccessDenied", true, -EACCES, "s3:ListBucket"},
	{403, "AccessDenied", false, -EACCES, "s3:GetObject"},
	{403, "InvalidAccessKeyId", true, -EACCES, "access key"},
	{403, "InvalidObjectState", false, -EACCES, "Glacier"},
	{404, "NoSuchKey", false, -ENOENT, "removed"},
	{412, "PreconditionFailed", false, -ESTALE, "replaced"},
	{416, "InvalidRange", false, -ESTALE, "replaced"},
	{400, "ExpiredToken", true, -EACCES, "sign in again"},
};

static void final_error(struct world *w, struct server_request *q, unsigned n)
{
	(void)n;
	reply_error(q, atoi(w->text), strchr(w->text, ' ') + 1, "x-amz-request-id: HEADER\r\n");
}

static void test_final_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(finals) / sizeof(*finals); i++) {
		struct world *w = world_new(final_error, NULL);
		char text[64];

		snprintf(text, sizeof(text), "%d %s", finals[i].status, finals[i].code);
		w->text = text;
		if (finals[i].listing)
			assert_int_equal(list(w, "", '\0'), finals[i].error);
		else
			assert_null(get(w, "AWSLogs/k", SIZE, NULL, 0, 0));
		assert_int_equal(w->result.error, finals[i].error);
		assert_int_equal(w->result.status, finals[i].status);
		assert_string_equal(w->result.code, finals[i].code);
		expect_said(w, finals[i].listing ? "s3://trail-logs: " : "s3://trail-logs/AWSLogs/k: ");
		expect_said(w, text);
		expect_said(w, "R3QUEST");
		expect_said(w, finals[i].said);
		/* Other keys may be found for an expired token, once. */
		assert_int_equal(atomic_load(&w->asked), finals[i].status == 400 ? 2 : 1);
		assert_int_equal(s3_stats(w->s3).failed, 1);
		world_free(w);
	}
}

/* ---- trying again ---- */

static void third_time(struct world *w, struct server_request *q, unsigned n)
{
	if (n < 2 && strcmp(w->text, "reset") == 0)
		server_hang_up(q, true);
	else if (n < 2 && strcmp(w->text, "closed") == 0)
		server_hang_up(q, false);
	else if (n < 2 && strcmp(w->text, "xml") == 0)
		reply_error(q, 200, "InternalError", NULL);
	else if (n < 2)
		reply_error(q, atoi(w->text), "", "Retry-After: 0\r\n");
	else
		server_reply(q, 200, "ETag: \"e\"\r\n", TEXT, SIZE);
}

static void test_again(void **state)
{
	static const char *const kinds[] = {"500", "502", "503", "504", "429", "reset", "closed", "xml"};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct world *w = world_new(third_time, NULL);

		w->text = kinds[i];
		expect_text(get(w, "k", SIZE, NULL, 0, 0), TEXT);
		assert_string_equal(w->result.message, "");
		assert_string_equal(w->result.etag, "e");
		/* libcurl may repeat on a new connection by itself what was sent on one that had ended. */
		assert_true(s3_stats(w->s3).retries >= 1);
		assert_int_equal(atomic_load(&w->asked), 3);
		world_free(w);
	}
}

static void never_well(struct world *w, struct server_request *q, unsigned n)
{
	(void)w;
	(void)n;
	reply_error(q, 503, "SlowDown", NULL);
}

static void test_gives_up(void **state)
{
	const struct s3_options o = {.timeout = 2};
	struct world *w = world_new(never_well, &o);

	(void)state;
	assert_null(get(w, "k", SIZE, NULL, 0, 0));
	assert_int_equal(w->result.error, -EIO);
	expect_said(w, "SlowDown");
	assert_true(atomic_load(&w->asked) >= 2);
	assert_int_equal(s3_stats(w->s3).throttled, s3_stats(w->s3).retries);
	world_free(w);
}

static void no_answer(struct world *w, struct server_request *q, unsigned n)
{
	(void)w;
	(void)n;
	/* Reads until the other side hangs up. */
	char c;
	while (recv(q->fd, &c, 1, 0) > 0)
		;
}

static void test_silence_ends(void **state)
{
	const struct s3_options o = {.timeout = 1};
	struct world *w = world_new(no_answer, &o);

	(void)state;
	assert_int_equal(list(w, "", '\0'), -ETIMEDOUT);
	expect_said(w, "s3://trail-logs: ");
	world_free(w);
}

/* ---- lessons ---- */

static void other_region(struct world *w, struct server_request *q, unsigned n)
{
	char auth[1024];
	bool right = strstr(server_header(q, "authorization", auth, sizeof(auth)), "/eu-west-3/s3/") != NULL;

	(void)n;
	if (right)
		reply_text(q, PAGE("false", OBJECT("k")));
	else if (strcmp(w->text, "header") == 0)
		server_reply(q, 301, "x-amz-bucket-region: eu-west-3\r\n", NULL, 0);
	else if (strcmp(w->text, "denied") == 0)
		reply_error(q, 403, "AccessDenied", "x-amz-bucket-region: eu-west-3\r\n");
	else
		server_reply(q, 400, NULL,
			"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>",
			82);
}

static void test_region(void **state)
{
	static const char *const kinds[] = {"header", "denied", "xml"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world *w = world_new(other_region, NULL);

		w->region[0] = '\0';
		w->text = kinds[i];
		assert_int_equal(list(w, "", '\0'), 0);
		assert_int_equal(atomic_load(&w->asked), 2);
		assert_int_equal(list(w, "", '\0'), 0);
		assert_int_equal(atomic_load(&w->asked), 3);
		world_free(w);
	}
}

static void always_elsewhere(struct world *w, struct server_request *q, unsigned n)
{
	char extra[256];

	if (strcmp(w->text, "region") == 0)
		snprintf(extra, sizeof(extra), "x-amz-bucket-region: eu-west-%u\r\n", n);
	else if (strcmp(w->text, "evil region") == 0)
		snprintf(extra, sizeof(extra), "x-amz-bucket-region: 127.0.0.1:%u/\r\n", w->other->port);
	else
		snprintf(extra, sizeof(extra), "Location: http://127.0.0.1:%u/trail-logs/k\r\n",
			w->other->port);
	server_reply(q, 307, extra, NULL, 0);
}

static void test_redirects(void **state)
{
	static const char *const kinds[] = {"region", "evil region", "host"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world *w = world_new(always_elsewhere, NULL);

		w->region[0] = '\0';
		w->text = kinds[i];
		assert_null(get(w, "k", SIZE, NULL, 0, 0));
		assert_int_equal(w->result.error, -EIO);
		assert_true(atomic_load(&w->asked) <= 4);
		/* Nobody else is told who we are. */
		assert_int_equal(atomic_load(&w->others), 0);
		world_free(w);
	}
}

static void other_clock(struct world *w, struct server_request *q, unsigned n)
{
	char date[64], extra[128], want[64], sent[64];
	int64_t now = (int64_t)time(NULL) + w->clock;

	(void)n;
	http_date(now, date);
	snprintf(extra, sizeof(extra), "Date: %s\r\n", date);
	/* The same hour will do, or the one before it. */
	sign_date(now, want);
	server_header(q, "x-amz-date", sent, sizeof(sent));
	bool good = strncmp(sent, want, 11) == 0;
	sign_date(now - 3600, want);
	if (good || strncmp(sent, want, 11) == 0)
		server_reply(q, 200, "ETag: \"e\"\r\n", TEXT, SIZE);
	else
		reply_error(q, 403, "RequestTimeTooSkewed", extra);
}

static void test_clock(void **state)
{
	static const int64_t ahead[] = {5 * 3600, -5 * 3600, 400 * 86400};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world *w = world_new(other_clock, NULL);

		w->clock = ahead[i];
		expect_text(get(w, "k", SIZE, NULL, 0, 0), TEXT);
		assert_int_equal(atomic_load(&w->asked), 2);
		expect_text(get(w, "k", SIZE, NULL, 0, 0), TEXT);
		assert_int_equal(atomic_load(&w->asked), 3);
		world_free(w);
	}
}

static void write_keys(const struct world *w, const char *key)
{
	char temporary[80];
	FILE *f;

	snprintf(temporary, sizeof(temporary), "%s.new", w->credentials);
	f = fopen(temporary, "w");
	assert_non_null(f);
	fprintf(f, "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key, SECRET);
	fclose(f);
	assert_int_equal(rename(temporary, w->credentials), 0);
}

static void expired(struct world *w, struct server_request *q, unsigned n)
{
	char auth[1024];

	(void)n;
	if (strstr(server_header(q, "authorization", auth, sizeof(auth)), OTHER)) {
		reply_text(q, PAGE("false", OBJECT("k")));
		return;
	}
	write_keys(w, OTHER);
	/* Files are looked at once in a second of the clock. */
	for (time_t now = time(NULL); time(NULL) == now;)
		usleep(10000);
	reply_error(q, 400, "ExpiredToken", NULL);
}

static void test_keys_expire(void **state)
{
	struct world *w = world_new(expired, NULL);

	(void)state;
	s3_free(w->s3);
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	snprintf(w->credentials, sizeof(w->credentials), "/tmp/trailfs-test-s3-%d", (int)getpid());
	write_keys(w, KEY);
	setenv("AWS_SHARED_CREDENTIALS_FILE", w->credentials, 1);
	open_world(w, NULL);
	if (list(w, "", '\0') < 0)
		fail_msg("%s", w->result.message);
	assert_int_equal(atomic_load(&w->asked), 2);
	assert_int_equal(list(w, "", '\0'), 0);
	assert_int_equal(atomic_load(&w->asked), 3);
	unlink(w->credentials);
	world_free(w);
}

static void test_no_keys(void **state)
{
	struct world *w = world_new(one_page, NULL);

	(void)state;
	s3_free(w->s3);
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
	open_world(w, NULL);
	assert_int_equal(list(w, "", '\0'), -EACCES);
	expect_said(w, "environment");
	assert_int_equal(atomic_load(&w->asked), 0);
	world_free(w);
}

static void headers(struct world *w, struct server_request *q, unsigned n)
{
	char value[1024], auth[1024];

	(void)n;
	server_header(q, "authorization", auth, sizeof(auth));
	if (strcmp(w->text, "anonymous") == 0) {
		if (*auth || *server_header(q, "x-amz-date", value, sizeof(value)) ||
			*server_header(q, "x-amz-security-token", value, sizeof(value)))
			atomic_store(&w->unsigned_, true);
	} else if (strcmp(server_header(q, "x-amz-request-payer", value, sizeof(value)), "requester") != 0 ||
		   strcmp(server_header(q, "x-amz-expected-bucket-owner", value, sizeof(value)),
			   "111122223333") != 0 ||
		   strcmp(server_header(q, "x-amz-security-token", value, sizeof(value)), "T0/=") != 0 ||
		   !strstr(auth, "x-amz-security-token") || !strstr(auth, "x-amz-request-payer")) {
		atomic_store(&w->unsigned_, true);
	}
	reply_text(q, PAGE("false", ""));
}

static void test_headers(void **state)
{
	const struct s3_options options[] = {
		{.no_sign_request = true},
		{.request_payer = true, .expected_bucket_owner = "111122223333"},
	};
	static const char *const kinds[] = {"anonymous", "payer"};

	(void)state;
	setenv("AWS_SESSION_TOKEN", "T0/=", 1);
	for (size_t i = 0; i < 2; i++) {
		struct world *w = world_new(headers, &options[i]);

		if (options[i].no_sign_request)
			w->region[0] = '\0';
		w->text = kinds[i];
		assert_int_equal(list(w, "", '\0'), 0);
		world_free(w);
	}
	unsetenv("AWS_SESSION_TOKEN");
}

/* ---- getting ---- */

/* An object of 36 bytes that is served as the test says. */
static void serve(struct world *w, struct server_request *q, unsigned n)
{
	char range[128], extra[256] = "ETag: \"e\"\r\n";
	unsigned long first = 0, last = SIZE - 1;
	bool part =
		sscanf(server_header(q, "range", range, sizeof(range)), "bytes=%lu-%lu", &first, &last) == 2;
	const char *how = w->text;

	if (n == 0 && strncmp(how, "cut", 3) == 0) {
		server_head(q, 200, SIZE, extra);
		server_send(q, TEXT, 10);
		server_hang_up(q, strstr(how, "reset") != NULL);
		return;
	}
	if (strstr(how, "replaced"))
		snprintf(extra, sizeof(extra), "ETag: \"f\"\r\n");
	if (part && !strstr(how, "whole")) {
		size_t at = strlen(extra);
		snprintf(extra + at, sizeof(extra) - at, "Content-Range: bytes %lu-%lu/%zu\r\n",
			first + (strstr(how, "late") != NULL) - (strstr(how, "early") != NULL),
			last + (strstr(how, "late") != NULL) - (strstr(how, "early") != NULL),
			SIZE + (strstr(how, "grown") != NULL));
		server_reply(q, 206, extra, TEXT + first, last - first + 1);
	} else if (strstr(how, "chunked")) {
		server_head(q, 200, -1, "ETag: \"e\"\r\nTransfer-Encoding: chunked\r\n");
		server_send(q, "24\r\n" TEXT "\r\n0\r\n\r\n", SIZE + 11);
	} else {
		server_reply(q, 200, extra, TEXT, SIZE);
	}
}

/* What does not fit is asked for anew, twice. */
#define THRICE(s) s s s

static const struct {
	const char *how;
	uint64_t first, n;
	const char *etag; /* asked for */
	int error;
	const char *text, *log;
} gets[] = {
	{"well", 0, 0, NULL, 0, TEXT, "/trail-logs/k\n"},
	{"well", 0, 0, "e", 0, TEXT, "/trail-logs/k \"e\"\n"},
	{"well", 0, 0, "f", -ESTALE, NULL, "/trail-logs/k \"f\"\n"},
	{"chunked", 0, 0, NULL, 0, TEXT, "/trail-logs/k\n"},
	{"well", 10, 6, NULL, 0, "abcdef", "/trail-logs/k bytes=10-15\n"},
	{"well", 30, 99, "e", 0, "uvwxyz", "/trail-logs/k bytes=30-35 \"e\"\n"},
	{"well", 36, 5, NULL, 0, "", ""},
	{"whole", 10, 6, NULL, 0, "abcdef", "/trail-logs/k bytes=10-15\n"},
	{"early", 10, 6, NULL, -EBADMSG, NULL, THRICE("/trail-logs/k bytes=10-15\n")},
	{"late", 10, 6, NULL, -EBADMSG, NULL, THRICE("/trail-logs/k bytes=10-15\n")},
	{"grown", 10, 6, NULL, -ESTALE, NULL, THRICE("/trail-logs/k bytes=10-15\n")},
	{"cut", 0, 0, NULL, 0, TEXT, "/trail-logs/k\n/trail-logs/k bytes=10-35 \"e\"\n"},
	{"cut whole", 0, 0, NULL, 0, TEXT, "/trail-logs/k\n/trail-logs/k bytes=10-35 \"e\"\n"},
	{"cut replaced", 0, 0, NULL, -ESTALE, NULL, "/trail-logs/k\n/trail-logs/k bytes=10-35 \"e\"\n"},
	{"cut late", 0, 0, NULL, 0, TEXT, "/trail-logs/k\n/trail-logs/k bytes=10-35 \"e\"\n/trail-logs/k\n"},
};

static void test_get(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(gets) / sizeof(*gets); i++) {
		struct world *w = world_new(serve, NULL);

		w->text = gets[i].how;
		char *data = get(w, "k", SIZE, gets[i].etag, gets[i].first, gets[i].n);
		if (w->result.error != gets[i].error)
			print_error("%zu %s: %s\n", i, gets[i].how, w->result.message);
		assert_int_equal(w->result.error, gets[i].error);
		if (gets[i].error == 0)
			expect_text(data, gets[i].text);
		assert_string_equal(w->log, gets[i].log);
		world_free(w);
	}
}

/* What came before a reset may be lost or not: whole it is either way. */
static void test_get_reset(void **state)
{
	struct world *w = world_new(serve, NULL);

	(void)state;
	w->text = "cut reset";
	expect_text(get(w, "k", SIZE, NULL, 0, 0), TEXT);
	assert_int_equal(atomic_load(&w->asked), 2);
	world_free(w);
}

static void test_get_other_size(void **state)
{
	static const uint64_t sizes[] = {SIZE - 1, SIZE + 1, 0, 1u << 20};
	static const char *const kinds[] = {"well", "chunked"};

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct world *w = world_new(serve, NULL);

		w->text = kinds[i % 2];
		assert_null(get(w, "k", sizes[i / 2], NULL, 0, 0));
		assert_int_equal(w->result.error, -ESTALE);
		world_free(w);
	}
}

/* TEXT under the ETag that the test says, and which of the answers hold other bytes. */
#define MD5_OF_TEXT "e9b1713db620f1e3a14b6812de523f4b"

static void spoilt(struct world *w, struct server_request *q, unsigned n)
{
	const char *etag = strchr(w->text, ' ') + 1, *more = strchr(etag, ' ');
	size_t how_many = strcspn(w->text, " ");
	char extra[256], body[] = TEXT;

	snprintf(extra, sizeof(extra), "ETag: \"%.*s\"\r\n%s%s%s", (int)strcspn(etag, " "), etag,
		more ? "x-amz-server-side-encryption:" : "", more ? more : "", more ? "\r\n" : "");
	/* '=': as it is; '?': other bytes each time; else with this one in it. */
	char c = w->text[n < how_many ? n : how_many - 1];
	if (c != '=')
		body[5] = c == '?' ? (char)('A' + n % 26) : c;
	server_reply(q, 200, extra, body, SIZE);
}

static const struct {
	const char *answers; /* and the ETag, and the encryption */
	int error;
	char fifth; /* byte of what is given */
	unsigned asked;
} sums[] = {
	{"= " MD5_OF_TEXT, 0, '5', 1},
	{"x= " MD5_OF_TEXT, 0, '5', 2},
	{"AB= " MD5_OF_TEXT, 0, '5', 3},
	{"? " MD5_OF_TEXT, -EBADMSG, 0, 3},
	{"x " MD5_OF_TEXT, 0, 'x', 2}, /* so it is stored */
	{"x " MD5_OF_TEXT " AES256", 0, 'x', 2},
	{"x " MD5_OF_TEXT "-2", 0, 'x', 1}, /* of an upload in parts: no MD5 */
	{"x " MD5_OF_TEXT " aws:kms", 0, 'x', 1},
	{"x " MD5_OF_TEXT " aws:kms:dsse", 0, 'x', 1},
	{"x 0x8DBE5A", 0, 'x', 1},
};

static void test_get_against_md5(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sums) / sizeof(*sums); i++) {
		struct world *w = world_new(spoilt, NULL);

		w->text = sums[i].answers;
		char *data = get(w, "k", SIZE, NULL, 0, 0);
		if (w->result.error != sums[i].error)
			print_error("%s: %s\n", sums[i].answers, w->result.message);
		assert_int_equal(w->result.error, sums[i].error);
		if (data)
			assert_int_equal(data[5], sums[i].fifth);
		else
			expect_said(w, "ETag");
		assert_int_equal(atomic_load(&w->asked), sums[i].asked);
		free(data);
		world_free(w);
	}
}

/* A service whose ETags only look like an MD5 is asked twice for a few objects, and not for all. */
static void test_get_where_etags_are_no_md5(void **state)
{
	struct world *w = world_new(spoilt, NULL);

	(void)state;
	w->text = "x " MD5_OF_TEXT;
	for (unsigned n = 0; n < 40; n++)
		free(get(w, "k", SIZE, NULL, 0, 0));
	assert_int_equal(atomic_load(&w->asked), 40 + 8);
	world_free(w);
}

static void nothing(struct world *w, struct server_request *q, unsigned n)
{
	(void)w;
	(void)n;
	server_reply(q, 200, "ETag: \"e\"\r\n", "", 0);
}

static void test_get_empty(void **state)
{
	struct world *w = world_new(nothing, NULL);

	(void)state;
	expect_text(get(w, "k", 0, NULL, 0, 0), "");
	world_free(w);
}

/* An object that is larger than what one attempt brings, ever. */
#define LARGE (3u << 20)

static void crumbs(struct world *w, struct server_request *q, unsigned n)
{
	static const char block[1 << 17];
	char range[128], extra[256];
	unsigned long first = 0, last = LARGE - 1;

	(void)w;
	(void)n;
	bool part =
		sscanf(server_header(q, "range", range, sizeof(range)), "bytes=%lu-%lu", &first, &last) == 2;
	snprintf(extra, sizeof(extra), "ETag: \"e\"\r\nContent-Range: bytes %lu-%lu/%u\r\n", first, last,
		LARGE);
	server_head(q, part ? 206 : 200, (long long)(last - first + 1), part ? extra : "ETag: \"e\"\r\n");
	size_t len = last - first + 1 < sizeof(block) ? last - first + 1 : sizeof(block);
	server_send(q, block, len);
	if (len < last - first + 1)
		server_hang_up(q, false);
}

static void test_get_in_many_pieces(void **state)
{
	struct world *w = world_new(crumbs, NULL);
	struct wait x;

	(void)state;
	wait_init(&x, 1);
	s3_get(w->s3, "k", LARGE, NULL, 0, 0, came, &x);
	wait_for(&x);
	assert_int_equal(x.result.error, 0);
	assert_int_equal(x.len, LARGE);
	free(x.data);
	/* More attempts than would be granted without progress. */
	assert_int_equal(atomic_load(&w->asked), LARGE / (1 << 17));
	world_free(w);
}

static void test_get_odd_keys(void **state)
{
	static const struct {
		const char *key, *path;
	} table[] = {
		{"a b+c%d", "/trail-logs/a%20b%2Bc%25d"},
		{"/x//y/../z/./", "/trail-logs//x//y/../z/./"},
		{"\xc3\xa9\xff?&=#~", "/trail-logs/%C3%A9%FF%3F%26%3D%23~"},
		{"..", "/trail-logs/.."},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct world *w = world_new(serve, NULL);
		char want[256];

		w->text = "well";
		expect_text(get(w, table[i].key, SIZE, NULL, 0, 0), TEXT);
		snprintf(want, sizeof(want), "%s\n", table[i].path);
		assert_string_equal(w->log, want);
		world_free(w);
	}
}

static void test_many_gets(void **state)
{
	struct world *w = world_new(serve, NULL);
	struct wait x;

	(void)state;
	w->text = "well";
	wait_init(&x, 300);
	for (unsigned i = 0; i < 300; i++)
		s3_get(w->s3, "k", SIZE, NULL, 0, 0, came, &x);
	wait_for(&x);
	assert_int_equal(x.result.error, 0);
	free(x.data);
	assert_int_equal(s3_stats(w->s3).gets, 300);
	assert_int_equal(s3_stats(w->s3).bytes, 300 * SIZE);
	assert_int_equal(s3_stats(w->s3).in_flight, 0);
	/* Eight connections at a time, kept. */
	assert_true(server_connections(w->server) <= 8);
	world_free(w);
}

/* ---- the end ---- */

static void *cancel_soon(void *arg)
{
	struct world *w = arg;

	while (atomic_load(&w->asked) == 0)
		usleep(1000);
	s3_cancel(w->s3);
	return NULL;
}

static void test_cancel(void **state)
{
	struct world *w = world_new(no_answer, NULL);
	pthread_t thread;
	struct wait x;

	(void)state;
	wait_init(&x, 20);
	for (unsigned i = 0; i < 20; i++)
		s3_get(w->s3, "k", SIZE, NULL, 0, 0, came, &x);
	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, w), 0);
	assert_int_equal(list(w, "", '\0'), -ECANCELED);
	wait_for(&x);
	assert_int_equal(x.result.error, -ECANCELED);
	pthread_join(thread, NULL);
	/* And whatever comes later. */
	assert_int_equal(list(w, "", '\0'), -ECANCELED);
	assert_null(get(w, "k", SIZE, NULL, 0, 0));
	assert_int_equal(w->result.error, -ECANCELED);
	assert_int_equal(s3_stats(w->s3).in_flight, 0);
	world_free(w);
}

static void test_freed_while_busy(void **state)
{
	struct world *w = world_new(no_answer, NULL);
	struct wait x;

	(void)state;
	wait_init(&x, 20);
	for (unsigned i = 0; i < 20; i++)
		s3_get(w->s3, "k", SIZE, NULL, 0, 0, came, &x);
	s3_free(w->s3);
	w->s3 = NULL;
	wait_for(&x);
	assert_int_equal(x.result.error, -ECANCELED);
	world_free(w);
}

static void test_open_refuses(void **state)
{
	static const struct {
		const char *bucket, *url, *region;
	} table[] = {
		{"b b", NULL, NULL},
		{"bucket", "ftp://x", NULL},
		{"bucket", "http://user:pass@x", NULL},
		{"bucket", NULL, "eu west"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct s3_options o = {
			.bucket = table[i].bucket, .endpoint_url = table[i].url, .region = table[i].region};
		char message[S3_MESSAGE_MAX] = "";
		struct s3 *s;

		assert_int_equal(s3_open(&o, &s, message), -EINVAL);
		assert_true(strlen(message) > 10);
		assert_null(strchr(message, '\n'));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_list_start_after),
		cmocka_unit_test(test_list_stopped_by_sink),
		cmocka_unit_test(test_list_bad_pages),
		cmocka_unit_test(test_list_circles),
		cmocka_unit_test(test_final_errors),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_gives_up),
		cmocka_unit_test(test_silence_ends),
		cmocka_unit_test(test_region),
		cmocka_unit_test(test_redirects),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_keys_expire),
		cmocka_unit_test(test_no_keys),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_get_reset),
		cmocka_unit_test(test_get_other_size),
		cmocka_unit_test(test_get_against_md5),
		cmocka_unit_test(test_get_where_etags_are_no_md5),
		cmocka_unit_test(test_get_empty),
		cmocka_unit_test(test_get_in_many_pieces),
		cmocka_unit_test(test_get_odd_keys),
		cmocka_unit_test(test_many_gets),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_freed_while_busy),
		cmocka_unit_test(test_open_refuses),
	};

	/* Nothing of the machine's own, and no proxy in between. */
	clearenv();
	setenv("HOME", "/nonexistent", 1);
	setenv("AWS_CONFIG_FILE", "/nonexistent", 1);
	setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	setenv("no_proxy", "*", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
