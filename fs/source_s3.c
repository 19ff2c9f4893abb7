/*
 * A bucket, or what is below a prefix of it, as a source.
 *
 * Keys are shown relative to the prefix, but never without the AWSLogs component that says what they are:
 * with s3://bucket/logs a key is AWSLogs/…, and with s3://bucket/logs/AWSLogs/111122223333/CloudTrail it is
 * AWSLogs/111122223333/CloudTrail/…, so that the prefix limits what is seen and not what it is called.
 *
 * An object's tag is the hash of its ETag. The one that a get answers must have the same hash.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "fs/log.h"
#include "fs/source_s3_private.h"

#define LISTINGS_AT_ONCE 16

static struct source_s3 *s3_of(struct source *s)
{
	return (struct source_s3 *)s;
}

uint64_t source_s3_tag(const char *etag)
{
	return XXH3_64bits(etag, strlen(etag));
}

void source_s3_say(struct source_s3 *s, const char *message)
{
	pthread_mutex_lock(&s->lock);
	snprintf(s->message, sizeof(s->message), "%s", message);
	pthread_mutex_unlock(&s->lock);
}

bool strings_add(struct strings *list, char *s)
{
	if (s && list->n == list->room) {
		size_t room = list->room ? list->room * 2 : 16;
		char **more = reallocarray(list->at, room, sizeof(*more));

		if (!more) {
			free(s);
			return false;
		}
		list->at = more;
		list->room = room;
	}
	if (s)
		list->at[list->n++] = s;
	return s != NULL;
}

void strings_clear(struct strings *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->at[i]);
	free(list->at);
	*list = (struct strings){0};
}

/* ---- fetching ---- */

/* The key in the bucket of a key as shown; false: too long, so no key of this bucket. */
static bool full_key(const struct source_s3 *s, const char *key, char out[S3_KEY_MAX + 1])
{
	int n = snprintf(out, S3_KEY_MAX + 1, "%.*s%s", (int)s->cut, s->prefix, key);

	return n > 0 && n <= S3_KEY_MAX;
}

/* In the terms of source.h. */
static int error_of(int error)
{
	switch (error) {
	case 0:
	case -ENOENT:
	case -EACCES:
	case -EKEYREJECTED:
	case -ESTALE:
	case -ENOMEM:
	case -ECANCELED:
	case -ETIMEDOUT:
		return error;
	}
	return -EIO;
}

struct fetch {
	source_done *done;
	void *arg;
	size_t i;
	uint64_t tag;
	char key[];
};

/* The message without the key, "s3://BUCKET: ...": whoever reads it has the key before it. A long key may be
 * cut off in the message. */
static void drop_key(char out[SOURCE_REASON_MAX], const char *message, const char *key)
{
	static const char scheme[] = "s3://";
	size_t bucket = sizeof(scheme) - 1;

	if (strncmp(message, scheme, bucket) == 0)
		bucket += strcspn(message + bucket, "/");
	else
		bucket = strlen(message);
	const char *rest = message + bucket;
	if (*rest == '/')
		for (rest++; *key && *rest == *key; rest++)
			key++;
	if (snprintf(out, SOURCE_REASON_MAX, "%.*s%s", (int)bucket, message, rest) < 0)
		out[0] = '\0';
}

static void got(void *arg, const struct s3_result *result, char *data, size_t len)
{
	struct fetch *f = arg;
	char reason[SOURCE_REASON_MAX];
	int error = error_of(result->error);

	drop_key(reason, result->message, f->key);
	if (error == 0 && source_s3_tag(result->etag) != f->tag) {
		error = -ESTALE;
		snprintf(reason, sizeof(reason), "changed since it was listed");
	}
	if (error < 0) {
		free(data);
		data = NULL;
		len = 0;
	}
	f->done(f->arg, f->i, error, data, len, error ? reason : "");
	free(f);
}

static void fetch_one(
	struct source_s3 *s, const struct source_object *o, size_t i, source_done *done, void *arg)
{
	char key[S3_KEY_MAX + 1];
	struct fetch *f;

	if (o->size > SOURCE_FETCH_MAX) {
		done(arg, i, -EFBIG, NULL, 0, "larger than 1 GiB");
		return;
	}
	if (!full_key(s, o->key, key)) {
		done(arg, i, -ENOENT, NULL, 0, "no such key");
		return;
	}
	f = malloc(sizeof(*f) + strlen(key) + 1);
	if (!f) {
		done(arg, i, -ENOMEM, NULL, 0, "no memory");
		return;
	}
	*f = (struct fetch){.done = done, .arg = arg, .i = i, .tag = o->tag};
	memcpy(f->key, key, strlen(key) + 1);
	s3_get(s->s3, key, o->size, NULL, 0, 0, got, f);
}

static void s3_source_fetch(
	struct source *base, const struct source_object *o, size_t n, source_done *done, void *arg)
{
	struct source_s3 *s = s3_of(base);

	s3_start(s->s3);
	for (size_t i = 0; i < n; i++)
		fetch_one(s, &o[i], i, done, arg);
}

/* A read that somebody waits for. */
struct reading {
	pthread_mutex_t lock;
	pthread_cond_t came;
	bool ended;
	uint64_t tag;
	int error;
	char *data;
	size_t len;
};

static void read_came(void *arg, const struct s3_result *result, char *data, size_t len)
{
	struct reading *r = arg;
	int error = error_of(result->error);

	if (error == 0 && len > 0 && source_s3_tag(result->etag) != r->tag)
		error = -ESTALE;
	if (error < 0 && error != -ECANCELED)
		log_warning("%s",
			error == -ESTALE ? "an object has changed since it was listed" : result->message);
	pthread_mutex_lock(&r->lock);
	r->error = error;
	r->data = data;
	r->len = len;
	r->ended = true;
	pthread_cond_signal(&r->came);
	pthread_mutex_unlock(&r->lock);
}

static int s3_source_read(struct source *base, const struct source_object *o, uint64_t offset, void *buf,
	size_t n, size_t *ret_n)
{
	struct source_s3 *s = s3_of(base);
	struct reading r = {.tag = o->tag};
	char key[S3_KEY_MAX + 1];

	if (!full_key(s, o->key, key))
		return -ENOENT;
	if (n == 0 || offset >= o->size) {
		*ret_n = 0;
		return 0;
	}
	s3_start(s->s3);
	pthread_mutex_init(&r.lock, NULL);
	pthread_cond_init(&r.came, NULL);
	s3_get(s->s3, key, o->size, NULL, offset, n, read_came, &r);
	pthread_mutex_lock(&r.lock);
	while (!r.ended)
		pthread_cond_wait(&r.came, &r.lock);
	pthread_mutex_unlock(&r.lock);
	pthread_cond_destroy(&r.came);
	pthread_mutex_destroy(&r.lock);
	if (r.error == 0) {
		memcpy(buf, r.data, r.len);
		*ret_n = r.len;
	}
	free(r.data);
	return r.error;
}

/* ---- opening ---- */

static void s3_source_cancel(struct source *base)
{
	s3_cancel(s3_of(base)->s3);
}

static int s3_source_check(struct source *base)
{
	struct source_s3 *s = s3_of(base);
	struct s3_result result;
	int r = s3_check(s->s3, s->prefix, &result);

	if (r < 0 && r != -ECANCELED)
		source_s3_say(s, result.message);
	return r;
}

static void s3_source_reload(struct source *base)
{
	s3_reload(s3_of(base)->s3);
}

static void s3_source_explain(struct source *base, char message[SOURCE_MESSAGE_MAX])
{
	struct source_s3 *s = s3_of(base);

	pthread_mutex_lock(&s->lock);
	memcpy(message, s->message, SOURCE_MESSAGE_MAX);
	pthread_mutex_unlock(&s->lock);
}

static struct source_requests s3_source_requests(struct source *base)
{
	struct s3_stats n = s3_stats(s3_of(base)->s3);

	return (struct source_requests){
		.gets = n.gets,
		.lists = n.lists,
		.retries = n.retries,
		.throttled = n.throttled,
		.failed = n.failed,
		.bytes = n.bytes,
		.in_flight = n.in_flight,
	};
}

static void s3_source_free(struct source *base)
{
	struct source_s3 *s = s3_of(base);

	s3_free(s->s3);
	strings_clear(&s->regions);
	pthread_mutex_destroy(&s->lock);
	free(s->prefix);
	free(s->base.id);
	free(s);
}

static void log_s3(void *arg, int level, const char *text)
{
	(void)arg;
	if (level <= LOG_LEVEL_ERROR)
		log_error("%s", text);
	else if (level == LOG_LEVEL_WARNING)
		log_warning("%s", text);
	else if (level == LOG_LEVEL_INFO)
		log_info("%s", text);
	else
		log_debug("%s", text);
}

/* Up to the first AWSLogs component: the whole layout is below it, however often it is nested. */
static size_t cut_of(const char *prefix)
{
	for (const char *p = prefix; *p;) {
		size_t n = strcspn(p, "/");

		if (n == 7 && memcmp(p, "AWSLogs", 7) == 0)
			return (size_t)(p - prefix);
		p += n + (p[n] == '/');
	}
	return strlen(prefix);
}

static const struct source_ops s3_ops = {
	.list = source_s3_list,
	.fetch = s3_source_fetch,
	.read = s3_source_read,
	.cancel = s3_source_cancel,
	.free = s3_source_free,
	.check = s3_source_check,
	.reload = s3_source_reload,
	.explain = s3_source_explain,
	.requests = s3_source_requests,
};

void source_s3_keep(struct source *s, struct listings *listings)
{
	s3_of(s)->listings = listings;
}

const char *source_s3_ca_bundle(const struct source *s)
{
	return s3_ca_bundle(((const struct source_s3 *)s)->s3);
}

int source_s3_open(const struct source_s3_options *o, struct source **ret, char message[SOURCE_MESSAGE_MAX])
{
	struct source_s3 *s = calloc(1, sizeof(*s));
	char why[S3_MESSAGE_MAX];
	struct s3_options so = {
		.bucket = o->bucket,
		.endpoint_url = o->endpoint_url,
		.region = o->region,
		.profile = o->profile,
		.expected_bucket_owner = o->expected_bucket_owner,
		.ca_bundle = o->ca_bundle,
		.no_sign_request = o->no_sign_request,
		.request_payer = o->request_payer,
		.force_path_style = o->force_path_style,
		.connections = o->connections,
		.timeout = o->timeout,
		.log = log_s3,
	};
	int r;

	snprintf(message, SOURCE_MESSAGE_MAX, "out of memory");
	if (!s)
		return -ENOMEM;
	r = s3_open(&so, &s->s3, why);
	if (r < 0) {
		snprintf(message, SOURCE_MESSAGE_MAX, "%s", why);
		free(s);
		return r;
	}
	pthread_mutex_init(&s->lock, NULL);
	s->base.ops = &s3_ops;
	s->at_once = o->connections && o->connections < LISTINGS_AT_ONCE ? o->connections : LISTINGS_AT_ONCE;
	s->prefix = strdup(o->prefix ? o->prefix : "");
	if (!s->prefix || asprintf(&s->base.id, "s3://%s/%s/%s", s3_host(s->s3), o->bucket, s->prefix) < 0) {
		s->base.id = NULL;
		s3_source_free(&s->base);
		return -ENOMEM;
	}
	s->cut = cut_of(s->prefix);
	message[0] = '\0';
	*ret = &s->base;
	return 0;
}
