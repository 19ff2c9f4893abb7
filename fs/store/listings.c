/*
 * What is asked of kept listings.
 */
#include "fs/store/listings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/store/listings_private.h"
#include "render/key.h"

int listings_bound(const char *prefix, int32_t day, char *out, size_t cap)
{
	int y, m, d, n;

	if (day == LISTINGS_FIRST) {
		n = snprintf(out, cap, "%s", prefix);
	} else {
		day_to_date(day, &y, &m, &d);
		n = snprintf(out, cap, "%s%04d/%02d/%02d", prefix, y, m, d);
	}
	return n < 0 || (size_t)n >= cap ? -ENAMETOOLONG : 0;
}

/* ---- asking ---- */

/* The objects of a closed piece that holds `day`: *ret is new; a copy of what it says. -ENOENT: none. */
static int load_closed(struct listings *l, const char *prefix, int32_t day, struct listings_piece *ret_piece,
	struct listings_head *ret_head, char **ret)
{
	struct listings_unit *u;
	struct listings_piece *p;
	int r = -ENOENT;

	pthread_mutex_lock(&l->mutex);
	u = listings_unit(l, LISTING_DAYS, prefix);
	p = listings_piece_of(u, day);
	if (p && p->record->head.closed && p->record->head.started >= l->expired) {
		*ret_piece = *p;
		*ret_head = p->record->head;
		r = listings_load(l, p->record, ret);
		if (r == -EBADMSG)
			listings_forget(l, u, p->record);
	}
	pthread_mutex_unlock(&l->mutex);
	return r;
}

/* Shows days first..last of a record. */
static int show(const char *raw, const struct listings_head *h, const char *prefix, int32_t first,
	int32_t last, const struct source_sink *sink)
{
	char after[LISTINGS_BOUND], upto[LISTINGS_BOUND];

	if (listings_bound(prefix, first, after, sizeof(after)) < 0 ||
		(last < LISTINGS_LAST && listings_bound(prefix, last + 1, upto, sizeof(upto)) < 0))
		return -ENAMETOOLONG;
	return listings_decode(raw, h->raw_len, h->objects, first == LISTINGS_FIRST ? "" : after,
		last == LISTINGS_LAST ? NULL : upto, sink);
}

int listings_find(struct listings *l, const char *prefix, int32_t first, int32_t last,
	const struct source_sink *sink, int32_t *ret_next)
{
	int32_t day = first;
	int r;

	pthread_mutex_lock(&l->mutex);
	r = listings_sync(l);
	pthread_mutex_unlock(&l->mutex);
	/* After an error something newer may have been kept than what is known. */
	while (r == 0 && day <= last) {
		struct listings_piece p;
		struct listings_head head;
		char *raw;
		int32_t upto;

		r = load_closed(l, prefix, day, &p, &head, &raw);
		if (r < 0)
			break;
		upto = p.last < last ? p.last : last;
		r = show(raw, &head, prefix, day, upto, sink);
		free(raw);
		if (r != 0)
			return r;
		day = upto + 1;
	}
	*ret_next = day;
	return 0;
}

/* ---- all that there is ---- */

struct sieve {
	int32_t day;
	const struct source_filter *filter;
	const struct source_sink *sink;
};

static int sift(void *arg, const struct source_object *o)
{
	const struct sieve *s = arg;
	struct key_info info = key_parse(o->key);

	if (!source_filter_admits(s->filter, &info) ||
		(s->day != SOURCE_ALL_DAYS && info.day != KEY_NO_DAY && info.day != s->day))
		return 0;
	return s->sink->object(s->sink->arg, o);
}

/* The k-th piece of the i-th prefix. 1: there is none; *i, *k: the next. */
static int load_next(struct listings *l, size_t *i, size_t *k, struct listings_piece *ret_piece,
	struct listings_head *ret_head, char prefix[SOURCE_KEY_MAX + 1], char **ret)
{
	int r = 1;

	pthread_mutex_lock(&l->mutex);
	while (*i < l->n && *k >= l->unit[*i]->n) {
		(*i)++;
		*k = 0;
	}
	if (*i < l->n) {
		struct listings_unit *u = l->unit[*i];
		struct listings_piece p = u->piece[*k];

		*ret_piece = p;
		*ret_head = p.record->head;
		snprintf(prefix, SOURCE_KEY_MAX + 1, "%s", u->prefix);
		/* One that is damaged is not forgotten: whoever asks again is to hear of it again. */
		r = listings_load(l, p.record, ret);
		(*k)++;
	}
	pthread_mutex_unlock(&l->mutex);
	return r;
}

int listings_all(
	struct listings *l, int32_t day, const struct source_filter *f, const struct source_sink *sink)
{
	struct sieve sieve = {day, f, sink};
	const struct source_sink through = {sift, NULL, &sieve};
	char prefix[SOURCE_KEY_MAX + 1], *raw;
	struct listings_piece p;
	struct listings_head head;
	size_t i = 0, k = 0;
	bool any = false, damaged;
	int r;

	pthread_mutex_lock(&l->mutex);
	r = listings_sync_all(l, &damaged);
	pthread_mutex_unlock(&l->mutex);
	if (r < 0)
		return r;
	while ((r = load_next(l, &i, &k, &p, &head, prefix, &raw)) <= 0) {
		if (r == 0) {
			any = true;
			r = show(raw, &head, prefix, p.first, p.last, &through);
			free(raw);
		}
		if (r == -EBADMSG)
			damaged = true;
		else if (r != 0)
			return r;
	}
	return damaged ? -EBADMSG : any ? 0 : -ENOENT;
}

/* ---- doubt ---- */

void listings_expire(struct listings *l, int64_t now)
{
	pthread_mutex_lock(&l->mutex);
	l->expired = now;
	pthread_mutex_unlock(&l->mutex);
}

void listings_doubt(struct listings *l, const char *key)
{
	int32_t day = key_parse(key).day;
	char *prefix = strdup(key), *slash;

	pthread_mutex_lock(&l->mutex);
	while (prefix && day != KEY_NO_DAY && (slash = strrchr(prefix, '/'))) {
		struct listings_piece *p;

		slash[1] = '\0';
		p = listings_piece_of(listings_unit(l, LISTING_DAYS, prefix), day);
		if (p)
			p->record->head.closed = 0;
		*slash = '\0';
	}
	pthread_mutex_unlock(&l->mutex);
	free(prefix);
}
