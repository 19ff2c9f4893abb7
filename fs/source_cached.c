/*
 * Fetches look into the packs first; the rest goes to the other source in one call, and what comes of it is
 * put into the packs on its way. An object that is gone, or another one than was listed, makes its day's
 * listing doubtful.
 */
#include "fs/source_cached.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOT_HERE "not in the cache (--offline)"

struct source_cached {
	struct source base;
	struct source *inner;
	struct packs *packs;
	struct listings *listings;
	bool offline;
	atomic_bool cancelled;
};

/* What is being fetched from the other source for one call. */
struct misses {
	struct source_cached *c;
	source_done *done;
	void *arg;
	atomic_size_t left;
	size_t *place; /* in the caller's array */
	struct source_object object[];
};

static struct source_cached *cached_of(struct source *s)
{
	return (struct source_cached *)s;
}

static int64_t now(void)
{
	return (int64_t)time(NULL);
}

/* ---- fetching ---- */

static void misses_free(struct misses *m)
{
	if (m)
		free(m->place);
	free(m);
}

static struct misses *misses_new(struct source_cached *c, size_t n, source_done *done, void *arg)
{
	struct misses *m = calloc(1, sizeof(*m) + n * sizeof(m->object[0]));

	if (!m)
		return NULL;
	m->c = c;
	m->done = done;
	m->arg = arg;
	m->place = calloc(n, sizeof(*m->place));
	if (!m->place) {
		misses_free(m);
		return NULL;
	}
	return m;
}

static void came(void *arg, size_t i, int error, char *data, size_t len, const char *reason)
{
	struct misses *m = arg;
	const struct source_object *o = &m->object[i];

	if (error == 0 && len == o->size)
		packs_put(m->c->packs, o, data, now());
	else if (error == -ENOENT || error == -ESTALE)
		listings_doubt(m->c->listings, o->key);
	m->done(m->arg, m->place[i], error, data, len, reason);
	if (atomic_fetch_sub(&m->left, 1) == 1)
		misses_free(m);
}

/* Why an object that is not in the packs cannot be had; 0: it can. */
static int refusal(const struct source_cached *c, const char **ret_reason)
{
	bool cancelled = atomic_load(&c->cancelled);

	*ret_reason = cancelled ? "stopped" : NOT_HERE;
	return cancelled ? -ECANCELED : c->offline ? -EHOSTUNREACH : 0;
}

/* One object: from the packs, or it becomes a miss. */
static void fetch_one(struct source_cached *c, const struct source_object *o, size_t i, struct misses **m,
	size_t *n_misses, size_t n, source_done *done, void *arg)
{
	const char *reason;
	char *data;
	int r = refusal(c, &reason);

	if (r != -ECANCELED && packs_get(c->packs, o, now(), &data) == 0) {
		done(arg, i, 0, data, (size_t)o->size, "");
		return;
	}
	if (r == 0 && !*m && !(*m = misses_new(c, n - i, done, arg))) {
		r = -ENOMEM;
		reason = "out of memory";
	}
	if (r < 0) {
		done(arg, i, r, NULL, 0, reason);
		return;
	}
	(*m)->object[*n_misses] = *o;
	(*m)->place[(*n_misses)++] = i;
}

static void cached_fetch(
	struct source *s, const struct source_object *o, size_t n, source_done *done, void *arg)
{
	struct source_cached *c = cached_of(s);
	struct misses *m = NULL;
	size_t n_misses = 0;

	for (size_t i = 0; i < n; i++)
		fetch_one(c, &o[i], i, &m, &n_misses, n, done, arg);
	if (!m)
		return;
	atomic_init(&m->left, n_misses);
	source_fetch(c->inner, m->object, n_misses, came, m);
}

/* Offline what is kept is all there is: it is not given up, and comes again as it is. */
static bool cached_doubt(struct source *s, const struct source_object *o)
{
	if (cached_of(s)->offline)
		return false;
	packs_drop(cached_of(s)->packs, o, now());
	return true;
}

/* ---- the rest ---- */

static int read_kept(struct source_cached *c, const struct source_object *o, uint64_t offset, void *buf,
	size_t n, size_t *ret_n)
{
	uint64_t left = offset < o->size ? o->size - offset : 0;
	char *data;
	int r = packs_get(c->packs, o, now(), &data);

	/* That it is not here is no fact about the object, as damage would be. */
	if (r < 0)
		return r == -ENOENT ? -EHOSTUNREACH : r;
	*ret_n = n < left ? n : (size_t)left;
	memcpy(buf, data + (left ? offset : 0), *ret_n);
	free(data);
	return 0;
}

static int cached_read(
	struct source *s, const struct source_object *o, uint64_t offset, void *buf, size_t n, size_t *ret_n)
{
	struct source_cached *c = cached_of(s);

	if (atomic_load(&c->cancelled))
		return -ECANCELED;
	return c->offline ? read_kept(c, o, offset, buf, n, ret_n)
			  : source_read(c->inner, o, offset, buf, n, ret_n);
}

static int list_kept(
	struct source_cached *c, int32_t day, const struct source_filter *f, const struct source_sink *sink)
{
	int r = listings_all(c->listings, day, f, sink);

	if (r == -EBADMSG)
		return sink->problem(
			sink->arg, "", -EBADMSG, "part of the kept listing is damaged (--offline)");
	return r == -ENOENT ? -ENODATA : r;
}

static int cached_list(
	struct source *s, int32_t day, const struct source_filter *f, const struct source_sink *sink)
{
	struct source_cached *c = cached_of(s);

	if (atomic_load(&c->cancelled))
		return -ECANCELED;
	/* A time as good as any to see what other mounts have done. */
	if (packs_refresh(c->packs, now()) == 0)
		packs_evict(c->packs, 0, INT32_MAX, now());
	return c->offline ? list_kept(c, day, f, sink) : source_list(c->inner, day, f, sink);
}

static void cached_cancel(struct source *s)
{
	atomic_store(&cached_of(s)->cancelled, true);
	source_cancel(cached_of(s)->inner);
}

static int cached_check(struct source *s)
{
	return cached_of(s)->offline ? 0 : source_check(cached_of(s)->inner);
}

/* Who asks for that wants to see everything as it is: closed days, too. What was listed in this very second
 * may have been listed before the change that is asked about. */
static void cached_reload(struct source *s)
{
	listings_expire(cached_of(s)->listings, now() + 1);
	source_reload(cached_of(s)->inner);
}

static void cached_explain(struct source *s, char message[SOURCE_MESSAGE_MAX])
{
	if (cached_of(s)->offline)
		snprintf(message, SOURCE_MESSAGE_MAX,
			"nothing of it is in the cache (--offline); mount it once without --offline");
	else
		source_explain(cached_of(s)->inner, message);
}

static struct source_requests cached_requests(struct source *s)
{
	return source_requests(cached_of(s)->inner);
}

static void cached_free(struct source *s)
{
	struct source_cached *c = cached_of(s);

	source_free(c->inner);
	free(c->base.id);
	free(c);
}

static const struct source_ops cached_ops = {
	.list = cached_list,
	.fetch = cached_fetch,
	.read = cached_read,
	.cancel = cached_cancel,
	.free = cached_free,
	.check = cached_check,
	.reload = cached_reload,
	.explain = cached_explain,
	.requests = cached_requests,
	.doubt = cached_doubt,
};

int source_cached_new(struct source *inner, struct packs *packs, struct listings *listings, bool offline,
	struct source **ret)
{
	struct source_cached *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->base.ops = &cached_ops;
	c->base.id = strdup(inner->id);
	if (!c->base.id) {
		free(c);
		return -ENOMEM;
	}
	c->inner = inner;
	c->packs = packs;
	c->listings = listings;
	c->offline = offline;
	*ret = &c->base;
	return 0;
}
