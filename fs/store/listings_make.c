/*
 * Listings that are being made: runs of objects, as they are found, are merged when all are there, and cut
 * into runs of days.
 *
 *   ... days that are closed, in records of some size ... | days that are not, but today | today and later
 *
 * so that what changes at every refresh is a small record.
 */
#include <stdlib.h>
#include <string.h>

#include "fs/store/listings_private.h"
#include "render/key.h"

#define DAY_SECONDS 86400

struct listing_run {
	struct listing_run *next;
	const char *prefix;
	struct listings_coder coder;
	bool failed;
};

struct listing {
	struct listings *l;
	struct listings_head head; /* of the record that is being made; its first day */
	char *prefix;
	int32_t last;          /* of the whole listing */
	int32_t closed, today; /* the last day that is closed; the one that changes */
	char bound_open[LISTINGS_BOUND], bound_today[LISTINGS_BOUND]; /* where closed + 1 and today begin */
	struct listings_coder coder;
	struct buf done; /* records */
	bool failed;
	pthread_mutex_t mutex; /* of the runs; a leaf */
	struct listing_run *runs;
	size_t n_runs;
};

static int32_t day_of(int64_t second)
{
	int64_t day = second / DAY_SECONDS - (second % DAY_SECONDS < 0);

	return day < -1000000 ? -1000000 : day > 10000000 ? 10000000 : (int32_t)day;
}

/* ---- making ---- */

static void note_failure(struct listings *l, int64_t started)
{
	pthread_mutex_lock(&l->mutex);
	if (started > l->failed)
		l->failed = started;
	pthread_mutex_unlock(&l->mutex);
}

/* The last day that is closed for who lists at `started`. */
static int32_t last_closed(int64_t started)
{
	return day_of(started - LISTINGS_CLOSE) - 1;
}

struct listing *listing_begin(struct listings *l, enum listing_kind kind, const char *prefix, int32_t first,
	int32_t last, int64_t started)
{
	struct listing *g = l->dir < 0 ? NULL : calloc(1, sizeof(*g));

	if (!g) {
		note_failure(l, started);
		return NULL;
	}
	g->l = l;
	pthread_mutex_init(&g->mutex, NULL);
	g->prefix = strdup(prefix);
	g->head = (struct listings_head){.magic = LISTINGS_MAGIC,
		.kind = (uint32_t)kind,
		.prefix_len = (uint32_t)strlen(prefix),
		.first = first,
		.started = started};
	g->last = last;
	g->closed = kind == LISTING_DAYS ? last_closed(started) : LISTINGS_FIRST;
	g->today = kind == LISTING_DAYS ? day_of(started) : LISTINGS_FIRST;
	g->failed = !g->prefix || strlen(prefix) > SOURCE_KEY_MAX || first > last ||
		    listings_bound(prefix, g->closed + 1, g->bound_open, LISTINGS_BOUND) < 0 ||
		    listings_bound(prefix, g->today, g->bound_today, LISTINGS_BOUND) < 0;
	return g;
}

static bool unchanged(struct listings *l, const char *prefix, const struct listings_head *h)
{
	struct listings_piece *p;
	bool same;

	pthread_mutex_lock(&l->mutex);
	p = listings_piece_of(listings_unit(l, (enum listing_kind)h->kind, prefix), h->first);
	same = p && p->first == h->first && p->last == h->last && p->record->head.first == h->first &&
	       p->record->head.last == h->last && p->record->head.closed == h->closed &&
	       p->record->head.raw_len == h->raw_len && p->record->head.raw_hash == h->raw_hash;
	if (same)
		p->record->head.started = h->started;
	pthread_mutex_unlock(&l->mutex);
	return same;
}

/* Ends the record with day `last`. What follows is another. */
static void cut(struct listing *g, int32_t last)
{
	const char *raw = g->coder.raw.data ? g->coder.raw.data : "";
	size_t len;
	char *data;

	g->head.last = last;
	g->head.closed = last <= g->closed;
	g->head.raw_len = (uint32_t)g->coder.raw.len;
	g->head.objects = g->coder.objects;
	g->failed |= g->coder.raw.failed || g->coder.raw.len > UINT32_MAX / 4;
	data = g->failed ? NULL : listings_pack(&g->head, g->prefix, raw, &len);
	if (data && !unchanged(g->l, g->prefix, &g->head))
		buf_add(&g->done, data, len);
	g->failed |= !data || g->done.failed;
	free(data);
	g->head.first = last < LISTINGS_LAST ? last + 1 : last;
	listings_coder_restart(&g->coder);
}

/* Cuts where the days that are closed, and those before today, end. key: what comes next; NULL: nothing. */
static void cut_before(struct listing *g, const char *key)
{
	if (g->head.first <= g->closed && g->closed < g->last && (!key || strcmp(key, g->bound_open) > 0))
		cut(g, g->closed);
	if (g->head.first < g->today && g->today <= g->last && (!key || strcmp(key, g->bound_today) > 0))
		cut(g, g->today - 1);
}

/* Cuts a record that is large where a day begins, if all that is in it is before that day. */
static void cut_large(struct listing *g, const char *key)
{
	int32_t day = key_parse(key).day;
	char bound[LISTINGS_BOUND];

	if (day == KEY_NO_DAY || day <= g->head.first || day > g->closed ||
		listings_bound(g->prefix, day, bound, sizeof(bound)) < 0)
		return;
	if (strcmp(g->coder.key, bound) <= 0 && strcmp(key, bound) > 0)
		cut(g, day - 1);
}

/* The next object in key order. */
static void add(struct listing *g, const struct source_object *o)
{
	if (g->head.kind == LISTING_DAYS) {
		cut_before(g, o->key);
		if (g->coder.raw.len >= LISTINGS_CHUNK)
			cut_large(g, o->key);
	}
	listings_code(&g->coder, o);
	g->failed |= g->coder.raw.failed;
}

/* ---- runs ---- */

struct listing_run *listing_run(struct listing *g)
{
	struct listing_run *run = g ? calloc(1, sizeof(*run)) : NULL;

	if (!g)
		return NULL;
	pthread_mutex_lock(&g->mutex);
	if (run) {
		run->next = g->runs;
		run->prefix = g->prefix;
		g->runs = run;
		g->n_runs++;
	} else {
		g->failed = true;
	}
	pthread_mutex_unlock(&g->mutex);
	return run;
}

void listing_add(struct listing_run *run, const struct source_object *o)
{
	if (!run || run->failed)
		return;
	/* Out of order, or of another prefix: whoever lists is not to be trusted with more. */
	if (!run->prefix || strlen(o->key) > SOURCE_KEY_MAX ||
		strncmp(o->key, run->prefix, strlen(run->prefix)) != 0 ||
		(run->coder.objects > 0 && strcmp(o->key, run->coder.key) <= 0)) {
		run->failed = true;
		return;
	}
	listings_code(&run->coder, o);
	run->failed = run->coder.raw.failed;
}

/* ---- merging them ---- */

/* Moves the i-th cursor down to its place: the least key is at the top. */
static void sift_down(struct listings_cursor **heap, size_t n, size_t i)
{
	for (;;) {
		size_t least = i;

		for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < n; k++)
			if (strcmp(heap[k]->key, heap[least]->key) < 0)
				least = k;
		if (least == i)
			return;
		struct listings_cursor *c = heap[i];
		heap[i] = heap[least];
		heap[least] = c;
		i = least;
	}
}

/* Cursors over all runs, each at its first object. */
static size_t open_runs(struct listing *g, struct listings_cursor **heap)
{
	size_t n = 0;

	for (struct listing_run *run = g->runs; run; run = run->next) {
		g->failed |= run->failed;
		if (g->failed || run->coder.objects == 0)
			continue;
		heap[n] = malloc(sizeof(*heap[n]));
		if (!heap[n]) {
			g->failed = true;
			continue;
		}
		listings_cursor_init(heap[n], run->coder.raw.data, run->coder.raw.len, run->coder.objects);
		if (listings_next(heap[n++]) <= 0)
			g->failed = true;
	}
	for (size_t i = n / 2; i-- > 0;)
		sift_down(heap, n, i);
	return n;
}

static void merge_runs(struct listing *g)
{
	struct listings_cursor **heap = calloc(g->n_runs + 1, sizeof(struct listings_cursor *));
	size_t n = heap ? open_runs(g, heap) : 0;
	char last[SOURCE_KEY_MAX + 1] = "";

	g->failed |= !heap;
	while (n > 0 && !g->failed) {
		struct listings_cursor *c = heap[0];

		if (strcmp(c->key, last) != 0) { /* an object may have been found twice */
			memcpy(last, c->key, c->key_len + 1);
			add(g, &c->o);
		}
		int more = listings_next(c);
		if (more == 0) {
			free(c);
			heap[0] = heap[--n];
		} else if (more < 0) {
			g->failed = true;
		}
		sift_down(heap, n, 0);
	}
	while (n > 0)
		free(heap[--n]);
	free(heap);
}

static void keep(struct listing *g)
{
	merge_runs(g);
	if (g->failed)
		return;
	if (g->head.kind == LISTING_DAYS)
		cut_before(g, NULL);
	cut(g, g->last);
	if (g->failed || g->done.len == 0)
		return;
	pthread_mutex_lock(&g->l->mutex);
	listings_append(g->l, g->done.data, g->done.len);
	pthread_mutex_unlock(&g->l->mutex);
}

void listing_end(struct listing *g, bool complete)
{
	struct listing_run *run;

	if (!g)
		return;
	if (complete && !g->failed)
		keep(g);
	if (!complete || g->failed)
		note_failure(g->l, g->head.started);
	while ((run = g->runs)) {
		g->runs = run->next;
		buf_clear(&run->coder.raw);
		free(run);
	}
	buf_clear(&g->done);
	buf_clear(&g->coder.raw);
	pthread_mutex_destroy(&g->mutex);
	free(g->prefix);
	free(g);
}

/* ---- what is no more ---- */

struct gone {
	struct gone *next;
	enum listing_kind kind;
	char prefix[];
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Whether it says of anything that it is there, and when it was listed last. */
static bool holds(const struct listings_unit *u, int64_t *ret_listed)
{
	bool any = false;

	*ret_listed = INT64_MIN;
	for (size_t i = 0; i < u->n; i++) {
		const struct listings_head *h = &u->piece[i].record->head;

		any |= h->objects > 0;
		*ret_listed = h->started > *ret_listed ? h->started : *ret_listed;
	}
	return any;
}

/* Of the units that hold something those that were not found. region: sorted. The closed days of a region are
 * not listed again, all else is. */
static struct gone *gone(const struct listings *l, const char *const *region, size_t n, int64_t started)
{
	struct gone *first = NULL;

	for (size_t i = 0; i < l->n; i++) {
		const struct listings_unit *u = l->unit[i];
		const char *prefix = u->prefix;
		int64_t listed;
		struct gone *g;

		if (!holds(u, &listed) ||
			(u->kind == LISTING_DAYS ? n > 0 && bsearch(&prefix, region, n, sizeof(*region),
								    by_text) != NULL
						 : listed >= started))
			continue;
		g = malloc(sizeof(*g) + strlen(prefix) + 1);
		if (!g)
			break; /* the next look finds it, too */
		*g = (struct gone){.next = first, .kind = u->kind};
		memcpy(g->prefix, prefix, strlen(prefix) + 1);
		first = g;
	}
	return first;
}

void listings_found(struct listings *l, const char *const *region, size_t n, int64_t started)
{
	const char **sorted = calloc(n + 1, sizeof(*sorted));
	struct gone *all;

	if (!sorted)
		return;
	if (n > 0)
		memcpy(sorted, region, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_text);
	pthread_mutex_lock(&l->mutex);
	all = l->failed < started ? gone(l, sorted, n, started) : NULL;
	pthread_mutex_unlock(&l->mutex);
	free(sorted);
	while (all) {
		struct gone *next = all->next;

		listing_end(listing_begin(l, all->kind, all->prefix, LISTINGS_FIRST, LISTINGS_LAST, started),
			true);
		free(all);
		all = next;
	}
}
