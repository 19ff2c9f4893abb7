/*
 * Pages are asked for one after another and read on the caller's thread.
 *
 * A service that goes in circles is found out with Brent's algorithm: one page is remembered, always a later
 * one; when its token, or all its names, come again, the circle is closed. Memory for one page's marks is
 * enough, whatever the circle's length.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "s3/list_xml.h"
#include "s3/request.h"

#define PAGE_BYTES_MAX (16u << 20) /* 1,000 keys of 1,024 bytes, all encoded, are 4 MB */
#define PAGES_MAX      10000000
#define EMPTY_MAX      1000 /* pages in a row that hold nothing and promise more */
#define PAGE_ATTEMPTS  3    /* of a page that came whole and could not be read */

/* One page on its way. */
struct page_call {
	struct request request;
	pthread_mutex_t lock;
	pthread_cond_t ended_cond;
	bool ended;
	char *data;
	size_t len;
};

struct listing {
	struct s3 *s;
	const char *prefix, *start_after;
	size_t prefix_len;
	char delimiter;
	unsigned max_keys; /* 0: the service's own, 1,000 */
	const struct s3_list_sink *sink;
	struct s3_result *result;

	char token[LIST_TOKEN_MAX];
	uint64_t names;      /* a hash of the page's names */
	const char *refused; /* what is wrong with an entry */

	enum s3_order order, page_order; /* page_order: of the page's keys alone */
	bool page_begins;
	char last[S3_KEY_MAX + 1]; /* key */

	uint64_t pages, empty;
	uint64_t mark_at, mark_token, mark_names; /* of the page remembered */
};

/* ---- one page ---- */

static void note_date(struct s3 *s, const char *date)
{
	time_t at = date[0] ? curl_getdate(date, NULL) : -1;

	if (at < 0)
		return;
	pthread_mutex_lock(&s->lock);
	s->listed_ahead = (int64_t)at - (int64_t)time(NULL);
	pthread_mutex_unlock(&s->lock);
}

/* A listing says what it is at its beginning; anything else is looked at as an error document. */
static int take_page(struct request *r, struct http_answer *a, uint64_t *ret_bytes)
{
	struct page_call *call = (struct page_call *)r;
	size_t head = a->len < 1024 ? a->len : 1024;

	*ret_bytes = 0;
	note_date(r->s, a->date);
	if (a->error == -EFBIG) {
		request_fail(r, -EBADMSG, "the answer is larger than a page of a listing can be");
		return -EBADMSG;
	}
	if (a->error)
		return -EAGAIN;
	if (!a->data || !memmem(a->data, head, "ListBucketResult", 16)) {
		request_fail(r, -EBADMSG, "the answer is no listing; is the endpoint one of S3?");
		return -EBADMSG;
	}
	call->data = a->data;
	call->len = a->len;
	a->data = NULL;
	return 0;
}

static void end_page(struct request *r)
{
	struct page_call *call = (struct page_call *)r;

	pthread_mutex_lock(&call->lock);
	call->ended = true;
	pthread_cond_signal(&call->ended_cond);
	pthread_mutex_unlock(&call->lock);
}

/* Fetches the page that query says: new data; or l->result's error. */
static int fetch_page(struct listing *l, const char *query, char **ret_data, size_t *ret_len)
{
	struct page_call call = {.request = {.s = l->s,
					 .query = query,
					 .max_bytes = PAGE_BYTES_MAX,
					 .take = take_page,
					 .end = end_page}};

	pthread_mutex_init(&call.lock, NULL);
	pthread_cond_init(&call.ended_cond, NULL);
	request_send(&call.request);
	pthread_mutex_lock(&call.lock);
	while (!call.ended)
		pthread_cond_wait(&call.ended_cond, &call.lock);
	pthread_mutex_unlock(&call.lock);
	pthread_cond_destroy(&call.ended_cond);
	pthread_mutex_destroy(&call.lock);
	*l->result = call.request.result;
	if (call.request.result.error < 0) {
		free(call.data);
		return call.request.result.error;
	}
	*ret_data = call.data;
	*ret_len = call.len;
	return 0;
}

/* ---- what is asked ---- */

/* "&name=value", or "" where there is no value. new, or NULL: no memory. */
static char *parameter(const char *name, const char *value)
{
	size_t len = value ? strlen(value) : 0, head = strlen(name) + 2, room = head + 3 * len + 1;
	char *out = malloc(room);

	if (!out)
		return NULL;
	out[0] = '\0';
	if (value) {
		snprintf(out, room, "&%s=", name);
		if (len > 0 && sign_encode(value, len, 0, out + head, room - head) < 0) {
			free(out);
			return NULL;
		}
	}
	return out;
}

/* In the order of the names, as the signature wants it. new, or NULL: no memory. */
static char *make_query(const struct listing *l)
{
	const char delimiter[2] = {l->delimiter, '\0'};
	const char *after = l->token[0] ? NULL : l->start_after;
	char max[16], *query = NULL;
	char *p[5] = {
		parameter("continuation-token", l->token[0] ? l->token : NULL),
		parameter("delimiter", l->delimiter ? delimiter : NULL),
		parameter("max-keys",
			l->max_keys ? (snprintf(max, sizeof(max), "%u", l->max_keys), max) : NULL),
		parameter("prefix", l->prefix),
		parameter("start-after", after && *after ? after : NULL),
	};

	if (p[0] && p[1] && p[2] && p[3] && p[4] &&
		asprintf(&query, "%s%s&encoding-type=url&list-type=2%s%s%s", p[0], p[1], p[2], p[3], p[4]) >
			0)
		memmove(query, query + 1, strlen(query));
	for (size_t i = 0; i < 5; i++)
		free(p[i]);
	return query;
}

/* ---- what came ---- */

static void mix(uint64_t *hash, const char *s)
{
	/* FNV-1a, with the end of the name in it. */
	do
		*hash = (*hash ^ (unsigned char)*s) * 0x100000001b3ull;
	while (*s++);
}

static int refuse(struct listing *l, const char *why)
{
	l->refused = why;
	return -EBADMSG;
}

static int visit_order(void *arg, enum s3_order order)
{
	struct listing *l = arg;

	l->page_order = order;
	l->page_begins = true;
	return 0;
}

/* What is known with the first key of a page, and those before it. */
static int note_order(struct listing *l, const char *key)
{
	const char *before = l->last[0] ? l->last : l->start_after ? l->start_after : "";
	enum s3_order order = l->page_order;

	l->page_begins = false;
	if (l->order == S3_ORDER_NONE || strcmp(key, before) < 0)
		order = S3_ORDER_NONE;
	else if (order == S3_ORDER_UNKNOWN && l->last[0])
		order = S3_ORDER_BYTES;
	if (order == l->order)
		return 0;
	l->order = order;
	return l->sink && l->sink->order ? l->sink->order(l->sink->arg, order) : 0;
}

static int visit_object(void *arg, const struct s3_object *o)
{
	struct listing *l = arg;
	int r;

	if (strncmp(o->key, l->prefix, l->prefix_len) != 0)
		return refuse(l, "the listing holds keys outside of the prefix asked for");
	mix(&l->names, o->key);
	r = l->page_begins ? note_order(l, o->key) : 0;
	if (r < 0)
		return r;
	snprintf(l->last, sizeof(l->last), "%s", o->key);
	return l->sink && l->sink->object ? l->sink->object(l->sink->arg, o) : 0;
}

/* A prefix that is not below the one asked for would be walked for ever. */
static int visit_prefix(void *arg, const char *prefix)
{
	struct listing *l = arg;
	size_t len = strlen(prefix);

	if (!l->delimiter || len <= l->prefix_len || strncmp(prefix, l->prefix, l->prefix_len) != 0 ||
		prefix[len - 1] != l->delimiter)
		return refuse(l, "the listing holds prefixes that were not asked for");
	mix(&l->names, prefix);
	return l->sink && l->sink->prefix ? l->sink->prefix(l->sink->arg, prefix) : 0;
}

static int fail(struct listing *l, int error, const char *what)
{
	l->result->error = error;
	snprintf(l->result->message, sizeof(l->result->message), "s3://%s: listing %s: %s", l->s->bucket,
		l->prefix_len ? l->prefix : "/", what);
	return error;
}

/* Fetches a page and hands its entries out. */
static int read_page(struct listing *l, const char *query, struct list_page *ret)
{
	const struct s3_list_sink sink = {visit_object, visit_prefix, visit_order, l};
	int error = 0;

	for (int i = 0; i < PAGE_ATTEMPTS; i++) {
		char *data = NULL, reason[LIST_REASON_MAX] = "";
		size_t len = 0;

		error = fetch_page(l, query, &data, &len);
		if (error < 0)
			return error;
		l->names = 0xcbf29ce484222325ull;
		error = list_xml_parse(data, len, &sink, ret, reason);
		free(data);
		if (error == 0)
			return 0;
		if (l->refused)
			return fail(l, -EBADMSG, l->refused);
		if (!reason[0]) /* the sink's */
			return error;
		fail(l, error, reason);
		if (error != -EBADMSG)
			return error;
	}
	return error;
}

/* That the pages lead somewhere. */
static int check_progress(struct listing *l, const struct list_page *page)
{
	bool empty = page->keys + page->prefixes == 0;
	uint64_t token = 0xcbf29ce484222325ull;

	mix(&token, page->token);
	if (!page->token[0])
		return fail(l, -EBADMSG, "there is more, but no token to ask for it");
	l->empty = empty ? l->empty + 1 : 0;
	if (l->empty > EMPTY_MAX)
		return fail(l, -EBADMSG, "page after page is empty, without an end");
	if (l->pages > 1 && (token == l->mark_token || (!empty && l->names == l->mark_names)))
		return fail(l, -EBADMSG, "the service repeats its pages, without an end");
	if (l->pages >= PAGES_MAX)
		return fail(l, -EFBIG, "more than ten million pages");
	if (l->pages == l->mark_at) {
		l->mark_at *= 2;
		l->mark_token = token;
		if (!empty)
			l->mark_names = l->names;
	}
	memcpy(l->token, page->token, sizeof(l->token));
	return 0;
}

/* All pages, or the first alone. */
static int list(struct listing *l, bool all)
{
	struct list_page *page = malloc(sizeof(*page));
	int error = page ? 0 : -ENOMEM;

	l->prefix_len = strlen(l->prefix);
	l->mark_at = 1;
	while (error == 0) {
		char *query = make_query(l);

		*page = (struct list_page){0};
		error = query ? read_page(l, query, page) : -ENOMEM;
		free(query);
		l->pages++;
		if (error < 0 || !page->truncated || !all)
			break;
		error = check_progress(l, page);
	}
	free(page);
	l->result->error = error;
	if (error == -ENOMEM)
		fail(l, error, "no memory");
	return error;
}

int s3_list(struct s3 *s, const char *prefix, char delimiter, const char *start_after,
	const struct s3_list_sink *sink, struct s3_result *result)
{
	struct s3_result own = {0};
	struct listing l = {
		.s = s,
		.prefix = prefix,
		.delimiter = delimiter,
		.start_after = start_after,
		.sink = sink,
		.result = result ? result : &own,
	};

	*l.result = (struct s3_result){0};
	s3_start(s);
	return list(&l, true);
}

int s3_check(struct s3 *s, const char *prefix, struct s3_result *result)
{
	struct s3_result own = {0};
	struct listing l = {.s = s, .prefix = prefix, .max_keys = 1, .result = result ? result : &own};

	*l.result = (struct s3_result){0};
	s3_start(s);
	return list(&l, false);
}
