/*
 * The bytes of rollups: the chunks that are held or being made.
 *
 *   (none) ──asked, or near one that was──▶ QUEUED ──▶ RUNNING ──▶ READY ──▶ (none)
 *                                             ▲           └─────▶ FAILED ──▶ (none)
 *                                             └── asked again, told before and over a second old
 *
 * The least recently used go. What was not yet read to its end is spared as long as that costs no more than
 * as much again, and what somebody waits for always: a read that needs two chunks has to find both.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/clock.h"
#include "fs/rollup_state.h"

#define AHEAD       3          /* chunks that are made before they are asked for: one at least, */
#define AHEAD_BYTES (8u << 20) /* but not more that have more bytes than this */
#define CHUNKS_MAX  256u       /* held */
#define AWAITED_AGE (10 * CLOCK_SECOND)

/* ---- chunks ---- */

static struct chunk *find_chunk(struct rollups *r, uint64_t id, size_t number)
{
	struct chunk *c;

	TAILQ_FOREACH(c, &r->chunks, in_use)
	{
		if (c->id == id && c->number == number)
			return c;
	}
	return NULL;
}

void chunk_free(struct rollups *r, struct chunk *c)
{
	TAILQ_REMOVE(&r->chunks, c, in_use);
	r->n_chunks--;
	r->held -= c->blob ? blob_len(c->blob) : 0;
	blob_unref(c->blob);
	free(c);
}

/* Whether somebody will come back for a chunk: what he does not find he only has made again. */
static bool is_awaited(const struct chunk *c)
{
	return !c->taken && c->asked_at && clock_now() - c->asked_at < AWAITED_AGE;
}

/* Drops what was read to its end, the least recently used first, while too much is held; and other chunks
 * while that is twice too much. */
static void drop_chunks(struct rollups *r)
{
	struct chunk *c, *before;

	for (c = TAILQ_LAST(&r->chunks, chunks); c; c = before) {
		unsigned times = c->finished || c->state == FAILED ? 1 : 2;

		before = TAILQ_PREV(c, chunks, in_use);
		if (r->held <= r->held_max && r->n_chunks <= CHUNKS_MAX)
			return;
		if (r->held <= r->held_max * times && r->n_chunks <= (size_t)CHUNKS_MAX * times)
			continue;
		if (c->state >= READY && !is_awaited(c))
			chunk_free(r, c);
	}
}

/* Somebody waits for it: before all that is only made ahead. */
static void hurry(struct rollups *r, const struct chunk *c)
{
	struct job *j;

	TAILQ_FOREACH(j, &r->queue, in_queue)
	{
		if (j->chunk != c)
			continue;
		TAILQ_REMOVE(&r->queue, j, in_queue);
		TAILQ_INSERT_HEAD(&r->queue, j, in_queue);
		return;
	}
}

static int enqueue_chunk(struct rollups *r, struct version *v, struct chunk *c, bool first)
{
	int err = rollup_enqueue(
		r, (struct job){.kind = JOB_CHUNK, .chunk = c, .plan = v->plan, .number = c->number}, first);

	if (!err) {
		c->state = QUEUED;
		c->taken = false;
	}
	return err;
}

static int add_chunk(struct rollups *r, struct version *v, size_t number, bool first)
{
	struct chunk *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->id = v->is.id;
	c->number = (uint32_t)number;
	c->asked_at = first ? clock_now() : 0;
	TAILQ_INSERT_HEAD(&r->chunks, c, in_use);
	r->n_chunks++;
	err = enqueue_chunk(r, v, c, first);
	if (err)
		chunk_free(r, c);
	return err;
}

/* 0: *ret is ref'd; -EAGAIN: being made; or why it cannot be. */
static int get_chunk(struct rollups *r, struct version *v, size_t number, struct blob **ret)
{
	struct chunk *c = find_chunk(r, v->is.id, number);
	int err;

	if (!c) {
		err = add_chunk(r, v, number, true);
		return err ? err : -EAGAIN;
	}
	c->asked_at = clock_now();
	TAILQ_REMOVE(&r->chunks, c, in_use);
	TAILQ_INSERT_HEAD(&r->chunks, c, in_use);
	if (c->state == QUEUED)
		hurry(r, c);
	if (c->state == QUEUED || c->state == RUNNING)
		return -EAGAIN;
	if (c->state == FAILED && c->error == -EUCLEAN) {
		chunk_free(r, c);
		return -EUCLEAN;
	}
	if (c->state == FAILED && !rollup_failure_holds(c->failed_at, c->taken)) {
		err = enqueue_chunk(r, v, c, true);
		return err ? err : -EAGAIN;
	}
	if (c->state == FAILED) {
		c->taken = true;
		return c->error;
	}
	*ret = blob_ref(c->blob);
	return 0;
}

static bool was_asked(const struct version *v, size_t number)
{
	for (int i = 0; i < RECENT; i++)
		if (v->recent[i] == number + 1)
			return true;
	return false;
}

/* A reader who came from the chunk before, or began at the start, will want the next ones. */
static void make_ahead(struct rollups *r, struct version *v, size_t number)
{
	bool follows = number == 0 || was_asked(v, number - 1);
	const struct plan *p = v->plan;

	if (!was_asked(v, number))
		v->recent[v->n_recent++ % RECENT] = (uint32_t)number + 1;
	if (!follows || r->held > r->held_max + r->held_max / 2)
		return;
	for (size_t i = number + 1; i <= number + AHEAD && i < p->n_chunks; i++) {
		if (i > number + 1 && p->start[i + 1] - p->start[number + 1] > AHEAD_BYTES)
			return;
		if (!find_chunk(r, v->is.id, i) && add_chunk(r, v, i, false))
			return;
	}
}

/* ---- bytes ---- */

/* The last chunk that begins at or before an offset behind the head. */
static size_t chunk_at(const struct plan *p, uint64_t offset)
{
	size_t lo = 0, hi = p->n_chunks;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->start[mid] <= offset)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* Bytes offset..end of what stands at `start` of the file, to out, which is where offset goes. */
static void copy_overlap(
	const char *data, size_t len, uint64_t start, uint64_t offset, uint64_t end, char *out)
{
	uint64_t from = start > offset ? start : offset, to = start + len < end ? start + len : end;

	if (from < to)
		memcpy(out + (from - offset), data + (from - start), (size_t)(to - from));
}

/* One piece that a read is made of. */
struct wanted {
	size_t first, end; /* chunks */
	struct blob **blob;
};

static void wanted_clear(struct wanted *w)
{
	for (size_t i = 0; w->blob && i < w->end - w->first; i++)
		blob_unref(w->blob[i]);
	free(w->blob);
	*w = (struct wanted){0};
}

/* All of them are given out, for a read up to `end`; or none, as one lacks: who reads comes back for all. */
static void take_chunks(
	struct rollups *r, const struct version *v, const struct wanted *w, uint64_t end, bool all)
{
	struct chunk *c;

	TAILQ_FOREACH(c, &r->chunks, in_use)
	{
		if (c->id != v->is.id || c->number < w->first || c->number >= w->end)
			continue;
		c->taken = all;
		c->finished |= all && end >= v->plan->start[c->number + 1];
	}
}

/* The chunks that overlap with offset..end. All that are missing are asked for at once. */
static int want_chunks(
	struct rollups *r, struct version *v, uint64_t offset, uint64_t end, struct wanted *ret)
{
	struct plan *p = v->plan;
	int err = 0, one;

	*ret = (struct wanted){0};
	if (!p->n_chunks || end <= p->start[0] || offset >= p->start[p->n_chunks])
		return 0;
	ret->first = chunk_at(p, offset);
	ret->end = ret->first + 1;
	while (ret->end < p->n_chunks && p->start[ret->end] < end)
		ret->end++;
	ret->blob = calloc(ret->end - ret->first, sizeof(struct blob *));
	if (!ret->blob)
		return -ENOMEM;
	for (size_t i = ret->end; i-- > ret->first;) {
		one = get_chunk(r, v, i, &ret->blob[i - ret->first]);
		err = one && (!err || err == -EAGAIN || one == -EUCLEAN) ? one : err;
	}
	if (err == -EUCLEAN)
		return err;
	if (!err || err == -EAGAIN)
		take_chunks(r, v, ret, end, !err);
	for (size_t i = ret->first; i < ret->end; i++)
		make_ahead(r, v, i);
	return err;
}

static int put_together(const struct plan *p, struct wanted *w, uint64_t offset, uint64_t end,
	const char **ret_data, struct blob **ret_blob, char **ret_own)
{
	char *out;

	if (w->end - w->first == 1 && offset >= p->start[w->first] && end <= p->start[w->end]) {
		*ret_data = blob_data(w->blob[0]) + (offset - p->start[w->first]);
		*ret_blob = blob_ref(w->blob[0]);
		return 0;
	}
	out = malloc((size_t)(end - offset));
	if (!out)
		return -ENOMEM;
	copy_overlap(p->head, strlen(p->head), 0, offset, end, out);
	for (size_t i = w->first; i < w->end; i++)
		copy_overlap(blob_data(w->blob[i - w->first]), blob_len(w->blob[i - w->first]), p->start[i],
			offset, end, out);
	copy_overlap(p->tail, strlen(p->tail), p->start[p->n_chunks], offset, end, out);
	*ret_data = *ret_own = out;
	return 0;
}

static int find_bytes(struct rollups *r, uint64_t id, uint64_t *offset, uint64_t *end, size_t size,
	struct plan **ret_plan, struct wanted *ret)
{
	struct version *v;
	struct plan *p;
	int err = r->refusal ? r->refusal : version_planned(r, id, &v);

	if (err)
		return err;
	p = v->plan;
	*offset = *offset < p->size ? *offset : p->size;
	*end = size < p->size - *offset ? *offset + size : p->size;
	if (!p->text && *offset < *end)
		err = want_chunks(r, v, *offset, *end, ret);
	if (err == -EUCLEAN)
		version_distrust(r, v);
	if (!err)
		*ret_plan = plan_ref(p);
	else
		wanted_clear(ret);
	return err;
}

int rollup_read(struct rollups *r, uint64_t id, uint64_t offset, size_t size, const char **ret_data,
	size_t *ret_n, struct blob **ret_blob, char **ret_own)
{
	struct wanted w = {0};
	struct plan *p = NULL;
	uint64_t end = 0;
	int64_t until = 0;
	int err;

	*ret_blob = NULL;
	*ret_own = NULL;
	pthread_mutex_lock(&r->lock);
	do
		err = find_bytes(r, id, &offset, &end, size, &p, &w);
	while (err == -EAGAIN && rollup_wait(r, &until));
	pthread_mutex_unlock(&r->lock);
	if (!err && p->text) {
		*ret_blob = blob_ref(p->text);
		*ret_data = blob_data(p->text) + offset;
	} else if (!err && offset < end) {
		err = put_together(p, &w, offset, end, ret_data, ret_blob, ret_own);
	}
	if (!err)
		*ret_n = (size_t)(end - offset);
	wanted_clear(&w);
	plan_unref(p);
	return err;
}

void chunk_made(struct rollups *r, struct chunk *c, int err, struct blob *blob)
{
	c->state = err ? FAILED : READY;
	c->error = err;
	c->failed_at = clock_now();
	c->blob = blob;
	r->held += blob ? blob_len(blob) : 0;
	drop_chunks(r);
}
