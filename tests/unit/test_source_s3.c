/*
 * A bucket as a source, against a server that holds one: which keys are shown, under which names, and with
 * how many requests; what a denied part, another object, and an interruption lead to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>

#include "fs/log.h"
#include "fs/source.h"
#include "tests/http_server.h"

#define A      "AWSLogs/111122223333/CloudTrail/us-east-1/2025/06/"
#define NO_DAY INT32_MIN

/* ---- a bucket ---- */

struct bucket {
	struct server *server;
	struct source *source;
	char **key; /* sorted */
	size_t n, room;
	unsigned page;       /* keys a page */
	const char *denied;  /* listings of prefixes that begin so, or "" (all); NULL: none */
	const char *hanging; /* likewise: never answered */
	const char *etag;    /* of all objects */
	atomic_uint lists, gets;
	pthread_mutex_t lock;
	char *log; /* "prefix delimiter\n" of each listing */
	size_t log_len;

	/* what a listing gave */
	char **seen;
	size_t n_seen, seen_room;
	char problems[4096];
	int stop; /* the sink's answer */
};

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_string(char ***list, size_t *n, size_t *room, const char *s)
{
	if (*n == *room) {
		*room = *room ? *room * 2 : 64;
		*list = realloc(*list, *room * sizeof(**list));
		assert_non_null(*list);
	}
	(*list)[(*n)++] = strdup(s);
}

static void put(struct bucket *b, const char *key)
{
	add_string(&b->key, &b->n, &b->room, key);
}

static void decode(char *s)
{
	char *to = s;
	unsigned c;

	for (; *s; s++) {
		if (*s == '%' && sscanf(s + 1, "%2x", &c) == 1) {
			*to++ = (char)c;
			s += 2;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

static void encode(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (strchr("<>&%+ \"", *s) || *s < 0x20 || *s >= 0x7f)
			fprintf(out, "%%%02X", (unsigned char)*s);
		else
			fputc(*s, out);
	}
}

/* One page: what ListObjectsV2 does. */
static void write_page(
	struct bucket *b, FILE *out, const char *prefix, bool by_level, const char *after, char last[2048])
{
	size_t len = strlen(prefix), i = 0;
	unsigned entries = 0;
	char group[2048] = "";

	last[0] = '\0';
	for (; i < b->n; i++) {
		const char *key = b->key[i], *slash;

		if (strncmp(key, prefix, len) != 0 || strcmp(key, after) <= 0)
			continue;
		slash = by_level ? strchr(key + len, '/') : NULL;
		if (slash) {
			char next[2048];

			snprintf(next, sizeof(next), "%.*s", (int)(slash - key + 1), key);
			if (strcmp(next, group) == 0) {
				snprintf(last, 2048, "%s", key);
				continue;
			}
			if (entries == b->page)
				break;
			snprintf(group, sizeof(group), "%s", next);
			fputs("<CommonPrefixes><Prefix>", out);
			encode(out, group);
			fputs("</Prefix></CommonPrefixes>", out);
		} else {
			if (entries == b->page)
				break;
			fputs("<Contents><Key>", out);
			encode(out, key);
			fprintf(out,
				"</Key><Size>%zu</Size><ETag>&quot;%s&quot;</ETag>"
				"<LastModified>2025-06-19T09:10:23.145Z</LastModified></Contents>",
				strlen(key), b->etag);
		}
		entries++;
		snprintf(last, 2048, "%s", key);
	}
	if (i == b->n)
		last[0] = '\0';
}

static void answer_list(struct bucket *b, struct server_request *q)
{
	char prefix[2048], after[2048], token[2048], delimiter[8], last[2048], *page = NULL;
	size_t len;
	FILE *out;

	decode((char *)(uintptr_t)server_parameter(q, "prefix", prefix, sizeof(prefix)));
	decode((char *)(uintptr_t)server_parameter(q, "start-after", after, sizeof(after)));
	decode((char *)(uintptr_t)server_parameter(q, "continuation-token", token, sizeof(token)));
	server_parameter(q, "delimiter", delimiter, sizeof(delimiter));
	atomic_fetch_add(&b->lists, 1);
	pthread_mutex_lock(&b->lock);
	b->log = realloc(b->log, b->log_len + strlen(prefix) + 8);
	b->log_len += (size_t)sprintf(b->log + b->log_len, "%s %s\n", prefix, *delimiter ? "/" : "-");
	pthread_mutex_unlock(&b->lock);
	if (b->hanging && strncmp(prefix, b->hanging, strlen(b->hanging)) == 0) {
		char c;
		while (recv(q->fd, &c, 1, 0) > 0)
			;
		return;
	}
	if (b->denied && strncmp(prefix, b->denied, strlen(b->denied)) == 0) {
		static const char no[] = "<Error><Code>AccessDenied</Code></Error>";
		server_reply(q, 403, NULL, no, sizeof(no) - 1);
		return;
	}
	out = open_memstream(&page, &len);
	fputs("<ListBucketResult><EncodingType>url</EncodingType>", out);
	write_page(b, out, prefix, *delimiter, *token ? token : after, last);
	fprintf(out, "<IsTruncated>%s</IsTruncated>", *last ? "true" : "false");
	if (*last)
		fprintf(out, "<NextContinuationToken>%s</NextContinuationToken>", last);
	fputs("</ListBucketResult>", out);
	fclose(out);
	server_reply(q, 200, NULL, page, len);
	free(page);
}

/* The content of an object is its key. */
static void answer_get(struct bucket *b, struct server_request *q)
{
	char key[8192], extra[512], range[64];
	unsigned long first, last;

	snprintf(key, sizeof(key), "%s", q->path + strlen("/trail-logs/"));
	decode(key);
	atomic_fetch_add(&b->gets, 1);
	snprintf(extra, sizeof(extra), "ETag: \"%s\"\r\n", b->etag);
	if (strstr(key, "gone"))
		server_reply(q, 404, NULL, "<Error><Code>NoSuchKey</Code></Error>", 37);
	else if (strstr(key, "glacier"))
		server_reply(q, 403, NULL, "<Error><Code>InvalidObjectState</Code></Error>", 46);
	else if (sscanf(server_header(q, "range", range, sizeof(range)), "bytes=%lu-%lu", &first, &last) ==
		 2) {
		snprintf(extra, sizeof(extra), "ETag: \"%s\"\r\nContent-Range: bytes %lu-%lu/%zu\r\n",
			b->etag, first, last, strlen(key));
		server_reply(q, 206, extra, key + first, last - first + 1);
	} else
		server_reply(q, 200, extra, key, strlen(key));
}

static void answer(void *arg, struct server_request *q)
{
	if (strstr(q->query, "list-type=2"))
		answer_list(arg, q);
	else
		answer_get(arg, q);
}

static struct bucket *bucket_new(void)
{
	struct bucket *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	pthread_mutex_init(&b->lock, NULL);
	b->page = 1000;
	b->etag = "e";
	b->server = server_start(answer, b);
	assert_non_null(b->server);
	return b;
}

static void open_source(struct bucket *b, const char *prefix)
{
	char url[64], message[SOURCE_MESSAGE_MAX];
	struct source_s3_options o = {.bucket = "trail-logs",
		.prefix = prefix,
		.endpoint_url = url,
		.timeout = 60,
		.connections = 32};

	qsort(b->key, b->n, sizeof(*b->key), by_bytes);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", b->server->port);
	source_free(b->source);
	if (source_s3_open(&o, &b->source, message) < 0)
		fail_msg("%s", message);
}

static void forget(struct bucket *b)
{
	pthread_mutex_lock(&b->lock);
	for (size_t i = 0; i < b->n_seen; i++)
		free(b->seen[i]);
	b->n_seen = 0;
	b->problems[0] = '\0';
	b->log_len = 0;
	atomic_store(&b->lists, 0);
	pthread_mutex_unlock(&b->lock);
}

static void bucket_free(struct bucket *b)
{
	source_free(b->source);
	server_stop(b->server);
	forget(b);
	for (size_t i = 0; i < b->n; i++)
		free(b->key[i]);
	free(b->key);
	free(b->seen);
	free(b->log);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

/* ---- listing ---- */

static int see(void *arg, const struct source_object *o)
{
	struct bucket *b = arg;

	/* Called from one thread: no lock. */
	assert_true(o->mtime == 1750324223145000000);
	add_string(&b->seen, &b->n_seen, &b->seen_room, o->key);
	return b->stop;
}

static int see_problem(void *arg, const char *key, int error, const char *reason)
{
	struct bucket *b = arg;
	size_t len = strlen(b->problems);

	snprintf(b->problems + len, sizeof(b->problems) - len, "%s %d %s\n", key, error, reason);
	return 0;
}

static int list(struct bucket *b, int32_t day, const struct source_filter *f)
{
	const struct source_sink sink = {see, see_problem, b};

	forget(b);
	return source_list(b->source, day, f, &sink);
}

/* That what was seen are the bucket's keys from `cut` on that are admitted. */
static void expect_admitted(
	struct bucket *b, const char *prefix, size_t cut, const struct source_filter *f, int32_t day)
{
	size_t at = 0, missing = 0;

	qsort(b->seen, b->n_seen, sizeof(*b->seen), by_bytes);
	for (size_t i = 0; i < b->n; i++) {
		const char *key = b->key[i] + cut;

		if (strncmp(b->key[i], prefix, strlen(prefix)) != 0 || !*key)
			continue;
		struct key_info info = key_parse(key);
		if (!source_filter_admits(f, &info) || (day != SOURCE_ALL_DAYS && info.day != day))
			continue;
		if (at == b->n_seen || strcmp(b->seen[at], key) != 0) {
			print_error("missing: %s\n", key);
			missing++;
			continue;
		}
		while (at < b->n_seen && strcmp(b->seen[at], key) == 0)
			at++;
	}
	for (; at < b->n_seen; at++, missing++)
		print_error("not of the bucket, or not admitted: %s\n", b->seen[at]);
	assert_int_equal(missing, 0);
}

static const char *const layouts[] = {
	"AWSLogs/",
	"AWSLogs/loose.json",
	"AWSLogs/other/x.json",
	"AWSLogs/other/AWSLogs/444455556666/CloudTrail/eu-west-1/2025/06/19/n.json.gz",
	"AWSLogs/111122223333/loose",
	"AWSLogs/111122223333/CloudTrail/loose",
	"AWSLogs/111122223333/CloudTrail/us-east-1/loose",
	A "19/a.json.gz",
	A "19/b c+d%.json.gz",
	A "20/c.json.gz",
	A "30/sub/d.json.gz",
	"AWSLogs/111122223333/CloudTrail/us-east-1/2024/12/31/o.json.gz",
	"AWSLogs/111122223333/CloudTrail/eu-west-1/2025/06/19/e.json.gz",
	"AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2025/06/19/f.json.gz",
	"AWSLogs/111122223333/CloudTrail/AWSLogs/777788889999/CloudTrail/us-east-1/2025/06/19/m.json.gz",
	"AWSLogs/111122223333//x",
	"AWSLogs/111122223333/Config/us-east-1/2025/6/19/ConfigHistory/g.json.gz",
	"AWSLogs/o-0123456789/444455556666/CloudTrail/us-east-1/2025/06/19/h.json.gz",
	"AWSLogs/o-0123456789/odd/x",
	"AWSLogs0",
	"AWSLogsX/y",
	"XAWSLogs/111122223333/CloudTrail/us-east-1/2025/06/19/z.json.gz",
	"logs/AWSLogs/444455556666/CloudTrail/us-east-1/2025/06/18/i.json.gz",
	"logs/AWSLogs/444455556666/CloudTrail/us-east-1/2025/06/19/j.json.gz",
	"logs/a.txt",
	"logs/deep/er/AWSLogs/555566667777/CloudTrail/us-east-1/2025/06/19/k.json.gz",
	"logs/z.txt",
	"/lead",
	"//",
	"zz",
};

static void put_layouts(struct bucket *b)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++)
		put(b, layouts[i]);
}

static const struct {
	const char *prefix;
	size_t cut;
} prefixes[] = {
	{NULL, 0},
	{"AWSLogs/", 0},
	{"AWSLogs/111122223333/", 0},
	{"AWSLogs/111122223333/CloudTrail/", 0},
	{"AWSLogs/111122223333/CloudTrail/us-east-1/", 0},
	{"AWSLogs/111122223333/CloudTrail/us-east-1/2025/06/", 0},
	{"AWSLogs/111122223333/CloudTrail/us-east-1/2025/06/19/", 0},
	{"AWSLogs/o-0123456789/", 0},
	{"AWSLogs/other/", 0},
	{"logs/", 5},
	{"logs/AWSLogs/", 5},
	{"logs/AWSLogs/444455556666/CloudTrail/us-east-1/", 5},
	{"logs/deep/", 10},
	{"nothing/", 8},
};

/* Every prefix, with pages of every size. */
static void test_layouts(void **state)
{
	static const unsigned pages[] = {1, 2, 3, 7, 1000};

	(void)state;
	for (size_t p = 0; p < sizeof(pages) / sizeof(*pages); p++) {
		struct bucket *b = bucket_new();

		put_layouts(b);
		b->page = pages[p];
		for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
			const char *prefix = prefixes[i].prefix;

			open_source(b, prefix);
			assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
			expect_admitted(b, prefix ? prefix : "", prefixes[i].cut, NULL, SOURCE_ALL_DAYS);
			assert_string_equal(b->problems, "");
		}
		bucket_free(b);
	}
}

static int32_t day(int year, int month, int mday)
{
	int32_t d = 0;

	assert_true(date_to_day(year, month, mday, &d));
	return d;
}

/* Days: what has one is shown if its day is admitted. Loose files in a region's folder are not looked for. */
static void test_days(void **state)
{
	struct bucket *b = bucket_new();
	const int32_t ends[][2] = {
		{day(2025, 6, 19), day(2025, 6, 19)},
		{day(2025, 6, 20), INT32_MAX},
		{INT32_MIN + 1, day(2025, 6, 18)},
		{day(2024, 1, 1), day(2024, 12, 31)},
		{day(2030, 1, 1), INT32_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++)
		if (!strstr(layouts[i], "us-east-1/loose") && !strstr(layouts[i], "Config/"))
			put(b, layouts[i]);
	open_source(b, NULL);
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		struct source_filter f = {.first_day = ends[i][0], .last_day = ends[i][1]};

		assert_int_equal(list(b, SOURCE_ALL_DAYS, &f), 0);
		expect_admitted(b, "", 0, &f, SOURCE_ALL_DAYS);
	}
	bucket_free(b);
}

/* Accounts and regions that are not admitted are not even asked about. */
static void test_accounts_and_regions(void **state)
{
	static const char *const account[] = {"111122223333"}, *const region[] = {"eu-west-1"};
	const struct source_filter f = {.first_day = INT32_MIN + 1,
		.last_day = INT32_MAX,
		.account = account,
		.n_account = 1,
		.region = region,
		.n_region = 1};
	struct bucket *b = bucket_new();

	(void)state;
	put(b, A "19/a.json.gz");
	put(b, "AWSLogs/111122223333/CloudTrail/eu-west-1/2025/06/19/e.json.gz");
	put(b, "AWSLogs/444455556666/CloudTrail/eu-west-1/2025/06/19/h.json.gz");
	put(b, "AWSLogs/o-0123456789/444455556666/CloudTrail/us-east-1/2025/06/19/h.json.gz");
	put(b, "AWSLogs/o-0123456789/111122223333/CloudTrail/eu-west-1/2025/06/19/i.json.gz");
	put(b, "other.json");
	open_source(b, NULL);
	assert_int_equal(list(b, SOURCE_ALL_DAYS, &f), 0);
	expect_admitted(b, "", 0, &f, SOURCE_ALL_DAYS);
	assert_null(strstr(b->log, "444455556666"));
	assert_null(strstr(b->log, "us-east-1"));
	/* sweep (and its end), AWSLogs, account, kind, region; organization, account, kind, region */
	assert_int_equal(atomic_load(&b->lists), 2 + 1 + 3 + 4);
	bucket_free(b);
}

/* ---- costs ---- */

/* 40,000 objects of 100 days in one region. */
static void put_many(struct bucket *b)
{
	char key[256];

	for (int d = 0; d < 100; d++) {
		int y, m, md;

		day_to_date(day(2025, 1, 1) + d, &y, &m, &md);
		for (int i = 0; i < 400; i++) {
			snprintf(key, sizeof(key),
				"AWSLogs/111122223333/CloudTrail/us-east-1/%04d/%02d/%02d/%03d.json.gz", y, m,
				md, i);
			put(b, key);
		}
	}
}

static void test_split(void **state)
{
	struct bucket *b = bucket_new();

	(void)state;
	put_many(b);
	put(b, "AWSLogs/111122223333/CloudTrail/us-east-1/loose");
	put(b, "AWSLogs/111122223333/CloudTrail/us-east-1/2025/loose");
	put(b, "AWSLogs/111122223333/CloudTrail/us-east-1/2025/01/0");
	open_source(b, NULL);
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
	expect_admitted(b, "", 0, NULL, SOURCE_ALL_DAYS);
	assert_true(b->n_seen < b->n + 100);
	/* 41 pages are what 40,003 keys take; finding the way, and parts of pages, cost a few more. */
	assert_true(atomic_load(&b->lists) < 41 + 20);
	/* By month, after the first few thousand. */
	assert_non_null(strstr(b->log, "us-east-1/2025/03/ -\n"));
	bucket_free(b);
}

static void test_few_days_of_many(void **state)
{
	const struct source_filter f = {.first_day = day(2025, 3, 1), .last_day = day(2025, 3, 2)};
	struct bucket *b = bucket_new();

	(void)state;
	put_many(b);
	open_source(b, NULL);
	assert_int_equal(list(b, SOURCE_ALL_DAYS, &f), 0);
	expect_admitted(b, "", 0, &f, SOURCE_ALL_DAYS);
	assert_int_equal(b->n_seen, 800);
	/* sweep and its end, AWSLogs, account, kind, region */
	assert_int_equal(atomic_load(&b->lists), 6);
	bucket_free(b);
}

/* One day: of the regions that the last full listing found. */
static void test_one_day(void **state)
{
	struct bucket *b = bucket_new();
	const struct source_filter none = {.first_day = day(2025, 6, 20), .last_day = INT32_MAX};
	int32_t d = day(2025, 6, 19);

	(void)state;
	put_layouts(b);
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		const char *prefix = prefixes[i].prefix;

		open_source(b, prefix);
		assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
		assert_int_equal(list(b, d, NULL), 0);
		expect_admitted(b, prefix ? prefix : "", prefixes[i].cut, NULL, d);
	}
	open_source(b, "AWSLogs/111122223333/");
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
	assert_int_equal(list(b, d, NULL), 0);
	/* CloudTrail: two regions and one of the inner layout; Config: one; Digest: one */
	assert_int_equal(atomic_load(&b->lists), 5);
	assert_non_null(strstr(b->log, A "19/ -\n"));
	/* A day that is not admitted costs nothing. */
	assert_int_equal(list(b, d, &none), 0);
	assert_int_equal(atomic_load(&b->lists), 0);
	assert_int_equal(b->n_seen, 0);
	/* Before any full listing it has to look where the regions are. */
	open_source(b, "AWSLogs/o-0123456789/");
	assert_int_equal(list(b, d, NULL), 0);
	qsort(b->seen, b->n_seen, sizeof(*b->seen), by_bytes);
	assert_int_equal(b->n_seen, 2);
	assert_string_equal(
		b->seen[0], "AWSLogs/o-0123456789/444455556666/CloudTrail/us-east-1/2025/06/19/h.json.gz");
	assert_string_equal(b->seen[1], "AWSLogs/o-0123456789/odd/x");
	bucket_free(b);
}

/* ---- what goes wrong ---- */

static void test_denied_part(void **state)
{
	struct bucket *b = bucket_new();
	char message[SOURCE_MESSAGE_MAX];

	(void)state;
	put(b, A "19/a.json.gz");
	put(b, "AWSLogs/444455556666/CloudTrail/eu-west-1/2025/06/19/h.json.gz");
	open_source(b, NULL);
	b->denied = "AWSLogs/4";
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
	assert_int_equal(b->n_seen, 1);
	assert_string_equal(b->seen[0], A "19/a.json.gz");
	assert_non_null(
		strstr(b->problems, "AWSLogs/444455556666/ -13 s3://trail-logs: HTTP 403 AccessDenied"));
	/* The whole of it: no part, but a failure. */
	b->denied = "";
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), -EACCES);
	source_explain(b->source, message);
	assert_non_null(strstr(message, "s3:ListBucket"));
	assert_int_equal(source_check(b->source), -EACCES);
	b->denied = NULL;
	assert_int_equal(source_check(b->source), 0);
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
	source_explain(b->source, message);
	assert_string_equal(message, "");
	bucket_free(b);
}

static void test_sink_stops(void **state)
{
	struct bucket *b = bucket_new();

	(void)state;
	put_many(b);
	open_source(b, NULL);
	b->stop = 7;
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 7);
	assert_int_equal(b->n_seen, 1);
	b->stop = -EPROTO;
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), -EPROTO);
	b->stop = 0;
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
	assert_true(b->n_seen >= b->n);
	bucket_free(b);
}

static void *cancel_soon(void *arg)
{
	struct bucket *b = arg;

	while (atomic_load(&b->lists) < 3)
		usleep(1000);
	source_cancel(b->source);
	return NULL;
}

static void test_cancel(void **state)
{
	struct bucket *b = bucket_new();
	struct source_object o = {.key = "k", .size = 1};
	char buf[4];
	size_t n;
	pthread_t thread;

	(void)state;
	put_many(b);
	open_source(b, NULL);
	b->hanging = "AWSLogs/111";
	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, b), 0);
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), -ECANCELED);
	pthread_join(thread, NULL);
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), -ECANCELED);
	assert_int_equal(source_read(b->source, &o, 0, buf, 1, &n), -ECANCELED);
	bucket_free(b);
}

/* ---- fetching ---- */

#define FETCHES 300

struct fetched {
	pthread_mutex_t lock;
	pthread_cond_t came;
	size_t left;
	int error[FETCHES];
	char *data[FETCHES], reason[FETCHES][SOURCE_REASON_MAX];
};

static void fetch_done(void *arg, size_t i, int error, char *data, size_t len, const char *reason)
{
	struct fetched *f = arg;

	pthread_mutex_lock(&f->lock);
	assert_true(data ? strlen(data) == len : len == 0);
	f->error[i] = error;
	f->data[i] = data;
	snprintf(f->reason[i], sizeof(f->reason[i]), "%.*s", SOURCE_REASON_MAX - 1, reason);
	f->left--;
	pthread_cond_signal(&f->came);
	pthread_mutex_unlock(&f->lock);
}

static struct fetched *fetch(struct bucket *b, const struct source_object *o, size_t n)
{
	struct fetched *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->came, NULL);
	f->left = n;
	source_fetch(b->source, o, n, fetch_done, f);
	pthread_mutex_lock(&f->lock);
	while (f->left > 0)
		pthread_cond_wait(&f->came, &f->lock);
	pthread_mutex_unlock(&f->lock);
	return f;
}

static void fetched_free(struct fetched *f)
{
	for (size_t i = 0; i < FETCHES; i++)
		free(f->data[i]);
	pthread_cond_destroy(&f->came);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static int keep_object(void *arg, const struct source_object *o)
{
	struct source_object *kept = arg;

	*kept = *o;
	kept->key = NULL;
	return 0;
}

/* An object as listed: its tag is what the ETag makes it. */
static struct source_object object(struct bucket *b, const char *key)
{
	struct source_object o = {0};
	const struct source_sink sink = {keep_object, see_problem, &o};

	assert_int_equal(source_list(b->source, SOURCE_ALL_DAYS, NULL, &sink), 0);
	o.key = key;
	o.size = strlen("logs/") + strlen(key);
	return o;
}

static void test_fetch(void **state)
{
	static const struct {
		const char *key;
		int error;
		const char *reason;
	} table[] = {
		{"AWSLogs/a b", 0, ""},
		{"gone", -ENOENT, "removed"},
		{"glacier", -EACCES, "Glacier"},
		{"", 0, ""},
	};
	struct bucket *b = bucket_new();
	struct source_object o[FETCHES];
	struct fetched *f;
	char want[64];

	(void)state;
	put(b, "logs/x");
	open_source(b, "logs/");
	for (size_t i = 0; i < FETCHES; i++)
		o[i] = object(b, "");
	for (size_t i = 0; i < FETCHES; i++) {
		o[i].key = table[i % 4].key;
		o[i].size = strlen("logs/") + strlen(o[i].key);
	}
	f = fetch(b, o, FETCHES);
	for (size_t i = 0; i < FETCHES; i++) {
		assert_int_equal(f->error[i], table[i % 4].error);
		assert_non_null(strstr(f->reason[i], table[i % 4].reason));
		snprintf(want, sizeof(want), "logs/%s", table[i % 4].key);
		if (table[i % 4].error == 0)
			assert_string_equal(f->data[i], want);
		else
			assert_null(f->data[i]);
	}
	fetched_free(f);
	assert_int_equal(atomic_load(&b->gets), FETCHES);
	assert_int_equal(source_requests(b->source).gets, FETCHES);
	bucket_free(b);
}

static void test_fetch_of_another(void **state)
{
	struct bucket *b = bucket_new();
	struct source_object o[3];
	struct fetched *f;
	char buf[16];
	size_t n;

	(void)state;
	put(b, "logs/x");
	open_source(b, "logs/");
	for (size_t i = 0; i < 3; i++)
		o[i] = object(b, "x");
	o[1].size++;
	o[2].size = SOURCE_FETCH_MAX + 1;
	b->etag = "f";
	f = fetch(b, o, 3);
	assert_int_equal(f->error[0], -ESTALE);
	assert_non_null(strstr(f->reason[0], "changed"));
	assert_int_equal(f->error[1], -ESTALE);
	assert_int_equal(f->error[2], -EFBIG);
	fetched_free(f);
	assert_int_equal(source_read(b->source, &o[0], 0, buf, 4, &n), -ESTALE);
	bucket_free(b);
}

static void test_read(void **state)
{
	struct bucket *b = bucket_new();
	struct source_object o;
	char buf[64] = "";
	size_t n;

	(void)state;
	put(b, "logs/x");
	open_source(b, "logs/");
	o = object(b, "abcdefgh");
	assert_int_equal(source_read(b->source, &o, 7, buf, 3, &n), 0);
	assert_int_equal(n, 3);
	assert_memory_equal(buf, "cde", 3);
	assert_int_equal(source_read(b->source, &o, 0, buf, sizeof(buf), &n), 0);
	assert_int_equal(n, 13);
	assert_memory_equal(buf, "logs/abcdefgh", 13);
	assert_int_equal(source_read(b->source, &o, 13, buf, sizeof(buf), &n), 0);
	assert_int_equal(n, 0);
	o = object(b, "gone");
	assert_int_equal(source_read(b->source, &o, 0, buf, sizeof(buf), &n), -ENOENT);
	bucket_free(b);
}

static void test_id(void **state)
{
	struct bucket *b = bucket_new();
	char want[128];

	(void)state;
	put(b, "x");
	open_source(b, "logs/");
	snprintf(want, sizeof(want), "s3://127.0.0.1:%u/trail-logs/logs/", b->server->port);
	assert_string_equal(b->source->id, want);
	bucket_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_days),
		cmocka_unit_test(test_accounts_and_regions),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_few_days_of_many),
		cmocka_unit_test(test_one_day),
		cmocka_unit_test(test_denied_part),
		cmocka_unit_test(test_sink_stops),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_fetch),
		cmocka_unit_test(test_fetch_of_another),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_id),
	};

	clearenv();
	setenv("HOME", "/nonexistent", 1);
	setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	setenv("no_proxy", "*", 1);
	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
