/*
 * The life of a request:
 *
 *	request_send ─▶ ask for keys ─▶ compose, sign ─▶ http ─▶ answered ─▶ end
 *	                     ▲                                      │
 *	                     └──── again: after a pause, or at once ◀┘
 *
 * What an answer leads to:
 *
 *	200, 206                    take() looks at it
 *	it broke off                what came is kept where take() can use it; again
 *	another region is named     signed anew for that region
 *	a redirect                  to hosts of the service or the endpoint only, and signed anew
 *	clocks differ               the service's counts from now on
 *	keys have expired           others are found, once
 *	5xx, 429, no answer         again after a pause, within the quota and the deadline
 *	else                        final
 */
#include "s3/request.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "s3/compose.h"
#include "s3/error.h"
#include "s3/lessons.h"

#define CONNECT_MS   10000
#define STALL_MS     20000
#define BYTES_PER_MS 20         /* slower than 20 KB/s is too slow: see total_ms() */
#define REFUSED_MS   1000       /* for which nothing is asked for with keys that have just been refused */
#define PROGRESS_MIN (1u << 16) /* bytes that an attempt must bring to be progress */

static void send_attempt(struct request *r);

/* ---- how it ends ---- */

static void name_object(const struct request *r, char *out, size_t cap)
{
	snprintf(out, cap, "s3://%s%s%s", r->s->bucket, r->key ? "/" : "", r->key ? r->key : "");
}

void request_fail(struct request *r, int error, const char *what)
{
	char name[S3_KEY_MAX / 2];

	r->result.error = error;
	if (r->result.message[0])
		return;
	name_object(r, name, sizeof(name));
	snprintf(r->result.message, sizeof(r->result.message), "%s: %s", name, what);
}

static void finish(struct request *r)
{
	struct s3 *s = r->s;

	keys_drop(r->keys);
	r->keys = NULL;
	pthread_mutex_lock(&s->lock);
	s->stats.in_flight--;
	if (r->result.error == 0)
		retry_success(&s->quota, r->cost);
	else if (r->result.error != -ECANCELED)
		s->stats.failed++;
	pthread_mutex_unlock(&s->lock);
	if (r->result.error == 0)
		r->result.message[0] = '\0';
	r->end(r);
}

static void end_with(struct request *r, int error, const char *what)
{
	request_fail(r, error, what);
	finish(r);
}

/* Again after a pause, or the end with what the result says. after: seconds the service asked for, or -1. */
static void again(struct request *r, enum retry_kind kind, int after)
{
	struct s3 *s = r->s;
	int64_t left = r->progress_at + (int64_t)s->timeout * 1000 - s3_monotonic_ms();
	int delay, before;

	pthread_mutex_lock(&s->lock);
	before = s->quota.tokens;
	/* A step of a generator that only has to differ between requests. */
	s->random = s->random * 1664525u + 1013904223u;
	delay = retry_delay(&s->quota, kind, r->attempt + 1, s->random, after, s->max_attempts);
	r->cost += before - s->quota.tokens;
	if (delay >= 0 && delay < left) {
		s->stats.retries++;
		s->stats.throttled += kind == RETRY_THROTTLED;
	}
	pthread_mutex_unlock(&s->lock);
	if (s3_is_cancelled(s))
		r->result.error = -ECANCELED;
	if (delay < 0 || delay >= left || r->result.error == -ECANCELED) {
		finish(r);
		return;
	}
	s3_say(s, S3_LOG_DEBUG, "%s; attempt %u in %d ms", r->result.message, r->attempt + 1, delay);
	r->delay_ms = (unsigned)delay;
	send_attempt(r);
}

/* Again with what was learnt; each lesson has a bound of its own. */
static void at_once(struct request *r)
{
	if (s3_is_cancelled(r->s)) {
		end_with(r, -ECANCELED, "stopped");
		return;
	}
	pthread_mutex_lock(&r->s->lock);
	r->s->stats.retries++;
	pthread_mutex_unlock(&r->s->lock);
	r->attempt--;
	r->delay_ms = 0;
	send_attempt(r);
}

/* ---- what an answer says ---- */

static void count_answer(struct request *r, const struct http_answer *a)
{
	struct s3_stats *stats = &r->s->stats;

	pthread_mutex_lock(&r->s->lock);
	stats->gets += r->key != NULL;
	stats->lists += r->key == NULL;
	stats->bytes += a->len;
	pthread_mutex_unlock(&r->s->lock);
}

/* Digits as a number of seconds; -1 where there are none. */
static int seconds_of(const char *text)
{
	int n = 0;

	if (*text < '0' || *text > '9')
		return -1;
	for (; *text >= '0' && *text <= '9'; text++)
		n = n > 100000 ? n : n * 10 + *text - '0';
	return n;
}

static int retry_after(const struct http_answer *a)
{
	time_t at;

	if (!a->retry_after[0] || (a->retry_after[0] >= '0' && a->retry_after[0] <= '9'))
		return seconds_of(a->retry_after);
	at = curl_getdate(a->retry_after, NULL);
	if (at < 0)
		return -1;
	at -= time(NULL);
	return at < 0 ? 0 : at > 100000 ? 100000 : (int)at;
}

static void write_message(
	struct request *r, const struct http_answer *a, const struct error_xml *x, const char *try_this)
{
	char name[S3_KEY_MAX / 2];
	const char *id = x->request_id[0] ? x->request_id : a->request_id;

	name_object(r, name, sizeof(name));
	r->result.status = a->status;
	snprintf(r->result.code, sizeof(r->result.code), "%s", x->code);
	snprintf(r->result.message, sizeof(r->result.message), "%s: HTTP %d%s%s%s%s%s%s%s%s%s", name,
		a->status, x->code[0] ? " " : "", x->code, x->message[0] ? ": " : "", x->message,
		id[0] ? " (request " : "", id, id[0] ? ")" : "", try_this[0] ? ". " : "", try_this);
}

/* Keys have expired and there are no others, or the clock is wrong: ten thousand others need not hear it,
 * too.
 */
static void note_refusal(struct request *r)
{
	char name[S3_KEY_MAX / 2];
	struct s3 *s = r->s;

	name_object(r, name, sizeof(name));
	pthread_mutex_lock(&s->lock);
	if (r->reloads == s->reloads) /* else it was sent with keys of before */
		s->refused_until = s3_monotonic_ms() + REFUSED_MS;
	snprintf(s->refusal, sizeof(s->refusal), "%s", r->result.message + strlen(name) + strlen(": "));
	pthread_mutex_unlock(&s->lock);
}

static bool is_refused(struct s3 *s, char message[S3_MESSAGE_MAX])
{
	bool refused;

	pthread_mutex_lock(&s->lock);
	refused = s3_monotonic_ms() < s->refused_until;
	if (refused)
		memcpy(message, s->refusal, S3_MESSAGE_MAX);
	pthread_mutex_unlock(&s->lock);
	return refused;
}

/* An answer with an error in it. */
static void answered_error(struct request *r, const struct http_answer *a, const struct error_xml *x)
{
	struct error_meaning m = error_mean(a->status, x->code, x->message, r->key == NULL);

	write_message(r, a, x, m.try_this);
	r->result.error = m.error;
	if (lessons_learn(r, a, x)) {
		at_once(r);
	} else if (m.kind == RETRY_TRANSIENT || m.kind == RETRY_THROTTLED) {
		again(r, m.kind, retry_after(a));
	} else if (r->changed && r->changed(r, a->status)) {
		again(r, RETRY_TRANSIENT, -1);
	} else {
		if (m.error == -EKEYREJECTED && m.kind == RETRY_AT_ONCE)
			note_refusal(r);
		finish(r);
	}
}

static void answered_well(struct request *r, struct http_answer *a)
{
	struct error_xml x;
	uint64_t bytes = 0;
	int error;

	r->result.status = a->status;
	r->result.code[0] = '\0';
	r->result.message[0] = '\0';
	error = r->take(r, a, &bytes);
	if (bytes >= PROGRESS_MIN) {
		r->progress_at = s3_monotonic_ms();
		r->attempt = 1;
	}
	if (error == 0) {
		r->result.error = 0;
		finish(r);
	} else if (a->error == 0 && error_parse(a->data, a->len, &x) == 0) {
		/* Which began well, or so the status said. */
		r->result.message[0] = '\0';
		answered_error(r, a, &x);
	} else if (error != -EAGAIN) {
		end_with(r, error, strerror(-error));
	} else {
		request_fail(
			r, a->error ? a->error : -EBADMSG, a->error ? a->reason : "the answer is not whole");
		again(r, RETRY_TRANSIENT, -1);
	}
}

/* No answer, or only its beginning. */
static void answered_not(struct request *r, const struct http_answer *a)
{
	r->result.message[0] = '\0';
	r->result.status = 0;
	r->result.code[0] = '\0';
	request_fail(r, a->error, a->reason[0] ? a->reason : strerror(-a->error));
	if (a->error == -ECANCELED || a->error == -ENOMEM || a->error == -EPROTO || a->error == -EFBIG ||
		a->error == -EKEYREJECTED)
		finish(r);
	else
		again(r, RETRY_TRANSIENT, -1);
}

static void answered(void *arg, struct http_answer *a)
{
	struct request *r = arg;
	struct error_xml x = {0};
	bool well = a->status == 200 || a->status == 206;
	/* What says that it will be too large is broken off before its first byte. */
	bool some = (a->len > 0 && a->error != -ECANCELED) || a->error == -EFBIG;

	count_answer(r, a);
	if (s3_is_cancelled(r->s)) {
		end_with(r, -ECANCELED, "stopped");
	} else if (well && (a->error == 0 || some)) {
		answered_well(r, a);
	} else if (a->error) {
		answered_not(r, a);
	} else {
		if (a->data)
			error_parse(a->data, a->len, &x);
		answered_error(r, a, &x);
	}
}

/* ---- sending ---- */

/* An attempt may take the time that a slow line needs for the bytes asked for. */
static unsigned total_ms(const struct request *r)
{
	uint64_t ms = (uint64_t)r->s->timeout * 1000 + r->max_bytes / BYTES_PER_MS;

	return ms > UINT32_MAX ? UINT32_MAX : (unsigned)ms;
}

static unsigned part_of_timeout(const struct request *r, unsigned most)
{
	uint64_t ms = (uint64_t)r->s->timeout * 1000 / 3;

	return ms > most ? most : ms < 1000 ? 1000 : (unsigned)ms;
}

static int send_signed(struct request *r)
{
	struct attempt a;
	char reason[160];
	int error = compose(r, &a, reason);

	if (error < 0) {
		request_fail(r, error, reason[0] ? reason : strerror(-error));
		return error;
	}
	struct http_request hr = {
		.method = "GET",
		.url = a.url,
		.header = (const char *const *)a.header,
		.max_bytes = r->max_bytes,
		.connect_ms = part_of_timeout(r, CONNECT_MS),
		.stall_ms = part_of_timeout(r, STALL_MS),
		.total_ms = total_ms(r),
	};
	http_send(r->s->http, &hr, r->delay_ms, answered, r);
	/* r may be gone by now. */
	attempt_clear(&a);
	return 0;
}

static void have_keys(void *arg, int error, struct keys *keys, const char *message)
{
	struct request *r = arg;

	keys_drop(r->keys);
	r->keys = keys;
	r->result.message[0] = '\0';
	if (error < 0) { /* none are to be had: that is nothing that the object says */
		end_with(
			r, error == -EACCES ? -EKEYREJECTED : error, message[0] ? message : strerror(-error));
		return;
	}
	r->attempt++;
	error = send_signed(r);
	if (error < 0)
		end_with(r, error, strerror(-error));
}

static void send_attempt(struct request *r)
{
	if (r->s->anonymous)
		have_keys(r, 0, NULL, "");
	else
		resolver_ask(r->s->resolver, have_keys, r);
}

void request_send(struct request *r)
{
	struct s3 *s = r->s;
	char refusal[S3_MESSAGE_MAX];

	r->progress_at = s3_monotonic_ms();
	pthread_mutex_lock(&s->lock);
	s->stats.in_flight++;
	r->reloads = s->reloads;
	pthread_mutex_unlock(&s->lock);
	if (s3_is_cancelled(s))
		end_with(r, -ECANCELED, "stopped");
	else if (is_refused(s, refusal))
		end_with(r, -EKEYREJECTED, refusal);
	else
		send_attempt(r);
}
