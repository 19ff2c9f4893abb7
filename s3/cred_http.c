/*
 * Requests of the places that keys come from: few, small, one after another. Two connections are enough; they
 * must not wait behind the transfer of objects, nor run on its thread.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "s3/cred_private.h"

#define CONNECTIONS 2
#define ANSWER_MAX  (256 << 10)
#define SLICE_MS    20

int64_t cred_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

bool cred_cancelled(const struct cred_context *c)
{
	return atomic_load(&c->net->cancelled);
}

int cred_pause(struct cred_context *c, unsigned ms)
{
	while (ms > 0 && !cred_cancelled(c)) {
		unsigned slice = ms < SLICE_MS ? ms : SLICE_MS;
		struct timespec t = {0, slice * 1000000L};

		nanosleep(&t, NULL);
		ms -= slice;
	}
	return cred_cancelled(c) ? cred_fail(c, -ECANCELED, "cancelled") : 0;
}

static int client(struct cred_context *c, bool no_proxy, struct http **ret)
{
	struct http_options o = {.connections = CONNECTIONS, .no_proxy = no_proxy};
	struct http *h = atomic_load(&c->net->http[no_proxy]);
	int r;

	if (h) {
		*ret = h;
		return 0;
	}
	o.ca_bundle = c->ca_bundle ? c->ca_bundle : cred_setting(c->files, c->profile, "ca_bundle");
	r = http_new(&o, &h);
	if (r == 0)
		r = http_start(h);
	if (r < 0) {
		http_free(h);
		return cred_fail(c, r, "no HTTP client: %s", strerror(-r));
	}
	atomic_store(&c->net->http[no_proxy], h);
	/* credentials_cancel() may have looked before it was there. */
	if (cred_cancelled(c))
		http_cancel_all(h);
	*ret = h;
	return 0;
}

static bool may_change(const struct http_answer *a)
{
	switch (a->error) {
	case 0:
		return a->status >= 500 || a->status == 429;
	case -ETIMEDOUT:
	case -EHOSTUNREACH:
	case -ECONNREFUSED:
	case -ECONNRESET:
		return true;
	default:
		return false;
	}
}

static int unanswered(struct cred_context *c, const struct http_answer *a)
{
	int error = a->error == -ETIMEDOUT || a->error == -ECANCELED || a->error == -ENOMEM ? a->error : -EIO;

	return cred_fail(c, error, "no answer: %s", a->reason[0] ? a->reason : strerror(-a->error));
}

int cred_call(struct cred_context *c, bool no_proxy, struct http_request *r, unsigned limit,
	struct http_answer *ret)
{
	unsigned pause = c->limits.pause, tries = c->limits.tries;
	int64_t left = c->end - cred_clock(), end;
	struct http *h = NULL;
	int error = client(c, no_proxy, &h);

	if (error < 0)
		return error;
	if (left <= 0)
		return cred_fail(c, -ETIMEDOUT, "no time was left to ask it");
	/* Errors that come at once are worth each try, silence is worth two. */
	left = left < 2 * (int64_t)limit ? left : 2 * (int64_t)limit;
	end = cred_clock() + left;
	r->max_bytes = ANSWER_MAX;
	for (;; pause *= 2) {
		memset(ret, 0, sizeof *ret);
		r->connect_ms = r->total_ms = left < limit ? (unsigned)left : limit;
		http_call(h, r, ret);
		left = end - cred_clock() - pause;
		if (!may_change(ret) || --tries == 0 || left <= 0)
			break;
		http_answer_clear(ret);
		if (cred_pause(c, pause) < 0)
			return -ECANCELED;
	}
	if (ret->error == 0)
		return 0;
	error = unanswered(c, ret);
	http_answer_clear(ret);
	return error;
}
