/*
 * For tests of a bucket as a source: a server that holds one, lists it as ListObjectsV2 does, counts what is
 * asked, and denies or hangs where a test says. Include after cmocka.h.
 */
#ifndef TESTS_UNIT_BUCKET_KIT_H
#define TESTS_UNIT_BUCKET_KIT_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "fs/log.h"
#include "fs/source.h"
#include "tests/http_server.h"

/* ---- a bucket ---- */

struct bucket {
	struct server *server;
	struct source *source;
	char **key; /* sorted */
	size_t n, room;
	unsigned page;       /* keys a page */
	bool backwards;      /* the entries of a page */
	bool shuffled;       /* entries come in no order, whatever start-after says */
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

static inline int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline void add_string(char ***list, size_t *n, size_t *room, const char *s)
{
	if (*n == *room) {
		*room = *room ? *room * 2 : 64;
		*list = realloc(*list, *room * sizeof(**list));
		assert_non_null(*list);
	}
	(*list)[(*n)++] = strdup(s);
}

static inline void put(struct bucket *b, const char *key)
{
	add_string(&b->key, &b->n, &b->room, key);
}

static inline void decode(char *s)
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

static inline void encode(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (strchr("<>&%+ \"", *s) || *s < 0x20 || *s >= 0x7f)
			fprintf(out, "%%%02X", (unsigned char)*s);
		else
			fputc(*s, out);
	}
}

/* New: an object, or a common prefix. */
static inline char *write_entry(const struct bucket *b, const char *name, bool is_prefix)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fputs(is_prefix ? "<CommonPrefixes><Prefix>" : "<Contents><Key>", out);
	encode(out, name);
	if (is_prefix)
		fputs("</Prefix></CommonPrefixes>", out);
	else
		fprintf(out,
			"</Key><Size>%zu</Size><ETag>&quot;%s&quot;</ETag>"
			"<LastModified>2025-06-19T09:10:23.145Z</LastModified></Contents>",
			strlen(name), b->etag);
	fclose(out);
	return text;
}

/* One page: what ListObjectsV2 does. */
static inline void write_page(
	struct bucket *b, FILE *out, const char *prefix, bool by_level, const char *after, char last[2048])
{
	size_t len = strlen(prefix), i = 0;
	unsigned entries = 0;
	char group[2048] = "", *entry[1000];

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
			entry[entries++] = write_entry(b, group, true);
		} else {
			if (entries == b->page)
				break;
			entry[entries++] = write_entry(b, key, false);
		}
		snprintf(last, 2048, "%s", key);
	}
	if (i == b->n)
		last[0] = '\0';
	for (unsigned k = 0; k < entries; k++)
		fputs(entry[b->backwards ? entries - 1 - k : k], out);
	while (entries > 0)
		free(entry[--entries]);
}

static inline bool have_factor(size_t a, size_t b)
{
	while (b > 0) {
		size_t rest = a % b;

		a = b;
		b = rest;
	}
	return a > 1;
}

/* Likewise, of a bucket that knows no order: what comes after is said by a place, and a group comes where its
 * first key does. */
static inline void write_shuffled(
	struct bucket *b, FILE *out, const char *prefix, bool by_level, const char *token, char last[2048])
{
	size_t len = strlen(prefix), i = strtoul(token, NULL, 10), step = 7 * (b->n / 10) + 1;
	char *entry;

	while (have_factor(step, b->n))
		step++;
	last[0] = '\0';
	for (unsigned entries = 0; i < b->n; i++) {
		const char *key = b->key[i * step % b->n], *slash;
		size_t group = 0;
		bool known = false;

		if (strncmp(key, prefix, len) != 0)
			continue;
		slash = by_level ? strchr(key + len, '/') : NULL;
		if (slash)
			group = (size_t)(slash - key) + 1;
		for (size_t k = 0; k < i && group && !known; k++)
			known = strncmp(b->key[k * step % b->n], key, group) == 0;
		if (known)
			continue;
		if (entries++ == b->page) {
			snprintf(last, 2048, "%zu", i);
			return;
		}
		char name[2048];
		snprintf(name, sizeof(name), "%.*s", group ? (int)group : (int)strlen(key), key);
		entry = write_entry(b, name, group > 0);
		fputs(entry, out);
		free(entry);
	}
}

static inline void answer_list(struct bucket *b, struct server_request *q)
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
	if (b->shuffled)
		write_shuffled(b, out, prefix, *delimiter, token, last);
	else
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
static inline void answer_get(struct bucket *b, struct server_request *q)
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
	else if (strstr(key, "refused"))
		server_reply(q, 501, NULL, "<Error><Code>NotImplemented</Code></Error>", 42);
	else if (sscanf(server_header(q, "range", range, sizeof(range)), "bytes=%lu-%lu", &first, &last) ==
		 2) {
		snprintf(extra, sizeof(extra), "ETag: \"%s\"\r\nContent-Range: bytes %lu-%lu/%zu\r\n",
			b->etag, first, last, strlen(key));
		server_reply(q, 206, extra, key + first, last - first + 1);
	} else
		server_reply(q, 200, extra, key, strlen(key));
}

static inline void answer(void *arg, struct server_request *q)
{
	if (strstr(q->query, "list-type=2"))
		answer_list(arg, q);
	else
		answer_get(arg, q);
}

/* Nothing of the machine's own, and no proxy in between. */
static inline void bucket_environment(void)
{
	clearenv();
	setenv("HOME", "/nonexistent", 1);
	setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	setenv("no_proxy", "*", 1);
	log_set_level(LOG_LEVEL_ERROR);
}

static inline struct bucket *bucket_new(void)
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

static inline void open_source(struct bucket *b, const char *prefix)
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

static inline void forget(struct bucket *b)
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

static inline void bucket_free(struct bucket *b)
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

static inline int see_problem(void *arg, const char *key, int error, const char *reason)
{
	struct bucket *b = arg;
	size_t len = strlen(b->problems);

	snprintf(b->problems + len, sizeof(b->problems) - len, "%s %d %s\n", key, error, reason);
	return 0;
}

#endif
