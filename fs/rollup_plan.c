/*
 * Which events a rollup has, and where in it. Made from the columns alone: no record is read, but for the
 * sizes of CSV rows, which are measured later.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "fs/rollup_private.h"
#include "render/csv.h"

#define PIECE_BYTES (512u << 10)
#define CHUNK_BYTES (2u << 20)
#define WIDE_BYTES  (8u << 20) /* of a chunk of wide pieces */
#define DAY_SECONDS 86400

/* ---- days ---- */

static uint64_t mix(uint64_t h, uint64_t x)
{
	h = (h ^ x) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

/* What is shown of a row: its record, and in a table the account, which may come from the object's key. */
static uint64_t row_identity(const struct segment *s, uint32_t row, bool with_account)
{
	uint64_t h = mix(segment_row_hash(s, row), segment_row_minified(s, row));
	uint32_t code = with_account ? segment_row_code(s, FACET_ACCOUNT, row) : SEGMENT_NO_CODE;

	if (code != SEGMENT_NO_CODE) {
		struct value v = segment_value(s, FACET_ACCOUNT, code);

		h = mix(h, XXH3_64bits(v.p, v.len));
	}
	return h;
}

static struct piece *add_piece(struct plan *p)
{
	if (!(p->n_pieces & (p->n_pieces - 1))) {
		size_t cap = p->n_pieces ? p->n_pieces * 2 : 1;
		struct piece *more = reallocarray(p->piece, cap, sizeof(*more));

		if (!more)
			return NULL;
		p->piece = more;
	}
	return &p->piece[p->n_pieces++];
}

/* Of each object of each slice of a day, the last piece that it was in, from 1. */
static uint32_t **stamps_new(const struct day *d)
{
	uint32_t **stamp = calloc(d->n_slices + 1u, sizeof(*stamp));

	for (uint32_t i = 0; stamp && i < d->n_slices; i++) {
		stamp[i] = calloc(segment_objects(d->slice[i].part->seg) + 1u, sizeof(**stamp));
		if (stamp[i])
			continue;
		while (i)
			free(stamp[--i]);
		free(stamp);
		return NULL;
	}
	return stamp;
}

static void stamps_free(uint32_t **stamp, const struct day *d)
{
	for (uint32_t i = 0; stamp && i < d->n_slices; i++)
		free(stamp[i]);
	free(stamp);
}

/* One more event of a piece: its object counts once. */
static void add_object(
	struct piece *x, const struct segment *s, uint32_t row, uint32_t *stamp, uint32_t piece)
{
	uint32_t object = segment_row_object(s, row);

	if (stamp[object] != piece)
		x->inflated += segment_object(s, object).inflated;
	stamp[object] = piece;
}

/* The pieces of a day that is not as it was. */
static int cut_day(struct plan *p, size_t at, const struct view_rows *rows)
{
	struct plan_day *d = &p->day[at];
	struct piece *x = NULL;
	uint32_t **stamp = stamps_new(rows->day);
	int err = stamp ? 0 : -ENOMEM;

	d->rows = (uint32_t)rows->n;
	d->identity = (uint64_t)(uint32_t)d->is->day;
	for (uint32_t i = 0; i < d->rows && !err; i++) {
		uint32_t slice = rows->at[i].slice, row = rows->at[i].row;
		const struct segment *s = rows->day->slice[slice].part->seg;
		uint64_t len = segment_row_minified(s, row);

		d->identity = mix(d->identity, row_identity(s, row, p->key.what == ROLLUP_CSV));
		if (!x || x->minified + len > PIECE_BYTES) {
			x = add_piece(p);
			if (!x) {
				err = -ENOMEM;
				break;
			}
			*x = (struct piece){.day = (uint32_t)at, .first = i};
		}
		add_object(x, s, row, stamp[slice], (uint32_t)p->n_pieces);
		x->minified += len + 1;
		x->end = i + 1;
		x->len = p->key.what == ROLLUP_CSV ? ROLLUP_UNKNOWN : x->minified;
	}
	stamps_free(stamp, rows->day);
	return err;
}

static const struct plan_day *find_before(const struct plan *before, int32_t day)
{
	for (size_t lo = 0, hi = before ? before->n_days : 0; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;
		int32_t is = before->day[mid].is->day;

		/* Undated events are last. */
		if (is == day)
			return &before->day[mid];
		if (is != SEGMENT_UNDATED && (day == SEGMENT_UNDATED || is < day))
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static size_t pieces_end(const struct plan *p, size_t day)
{
	return day + 1 < p->n_days ? p->day[day + 1].piece : p->n_pieces;
}

/* Takes a day's pieces, or only their sizes, from a plan in which its events are the same. */
static int copy_day(struct plan *p, size_t at, const struct plan *before, const struct plan_day *old)
{
	size_t first = old->piece, end = pieces_end(before, (size_t)(old - before->day));

	p->n_pieces = p->day[at].piece;
	for (size_t i = first; i < end; i++) {
		struct piece *x = add_piece(p);

		if (!x)
			return -ENOMEM;
		*x = before->piece[i];
		x->day = (uint32_t)at;
	}
	p->day[at].rows = old->rows;
	p->day[at].identity = old->identity;
	return 0;
}

/* One day; nothing is added where no event of it passes. moving: its rows may be others than they were though
 * the day is the same. */
static int add_day(struct plan *p, struct days *days, struct view *v, int32_t day, bool moving,
	const struct plan *before)
{
	const struct plan_day *old = find_before(before, day);
	struct plan_day *d = &p->day[p->n_days];
	struct view_rows *rows;
	int err = days_get(days, p->snapshot, day, &d->is);

	if (err)
		return err;
	p->n_days++;
	d->piece = (uint32_t)p->n_pieces;
	if (old && old->is == d->is && !moving)
		return copy_day(p, p->n_days - 1, before, old);
	err = view_rows(v, p->snapshot, p->key.filter, day, &rows);
	if (err)
		return err;
	err = cut_day(p, p->n_days - 1, rows);
	if (!err && moving)
		p->cut = view_rows_ref(rows);
	view_rows_unref(rows);
	if (!err && old && old->identity == d->identity && old->rows == d->rows)
		err = copy_day(p, p->n_days - 1, before, old);
	return err;
}

static bool is_wanted(const struct rollup_key *key, int32_t day)
{
	return day == SEGMENT_UNDATED ? key->undated : day >= key->first && day <= key->last;
}

/* Ascending, and undated events last. */
static int add_days(struct plan *p, struct days *days, struct view *v, const struct plan *before)
{
	bool moves = view_moves(v, p->key.filter), undated = false;
	struct view_days *d;
	int err = view_days(v, p->snapshot, p->key.filter, &d);

	if (err)
		return err;
	p->day = calloc(d->n + 1, sizeof(*p->day));
	err = p->day ? 0 : -ENOMEM;
	for (size_t i = 0; i < d->n && !err; i++) {
		const struct view_day *at = &d->day[i];

		if (!is_wanted(&p->key, at->day))
			continue;
		if (at->day == SEGMENT_UNDATED) {
			undated = true;
			continue;
		}
		err = add_day(p, days, v, at->day, moves && !p->n_days, before);
		p->newest = (int64_t)at->day * DAY_SECONDS + at->newest;
	}
	if (!err && undated)
		err = add_day(p, days, v, SEGMENT_UNDATED, false, before);
	view_days_unref(d);
	return err;
}

/* ---- chunks ---- */

/* Whether a piece may be added to a chunk of so many bytes. */
static bool fits(const struct piece *x, uint64_t bytes, bool wide)
{
	return bytes + x->minified <= (wide ? WIDE_BYTES : CHUNK_BYTES);
}

/* Whether the objects of a piece leave no room to hold them for the next one. */
static bool is_wide(const struct piece *x)
{
	return x->inflated > READER_MANY_MAX / 2;
}

static int make_chunks(struct plan *p)
{
	uint64_t bytes = 0;
	bool wide = false;

	p->chunk = malloc((p->n_pieces + 1) * sizeof(*p->chunk));
	p->start = malloc((p->n_pieces + 1) * sizeof(*p->start));
	if (!p->chunk || !p->start)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_pieces; i++) {
		if (!p->n_chunks || !fits(&p->piece[i], bytes, wide && is_wide(&p->piece[i]))) {
			p->chunk[p->n_chunks++] = (uint32_t)i;
			bytes = 0;
			wide = is_wide(&p->piece[i]);
		}
		bytes += p->piece[i].minified;
	}
	p->chunk[p->n_chunks] = (uint32_t)p->n_pieces;
	return 0;
}

bool plan_is_measured(const struct plan *p, size_t chunk)
{
	for (uint32_t i = p->chunk[chunk]; i < p->chunk[chunk + 1]; i++)
		if (p->piece[i].len == ROLLUP_UNKNOWN)
			return false;
	return true;
}

void plan_add_up(struct plan *p)
{
	uint64_t at = strlen(p->head);

	for (size_t c = 0; c < p->n_chunks; c++) {
		p->start[c] = at;
		for (uint32_t i = p->chunk[c]; i < p->chunk[c + 1]; i++)
			at += p->piece[i].len;
	}
	/* No comma after the last one. */
	if (p->key.what == ROLLUP_JSON && p->n_chunks)
		at--;
	p->start[p->n_chunks] = at;
	p->size = at + strlen(p->tail);
	p->layout = XXH3_64bits(p->start, (p->n_chunks + 1) * sizeof(*p->start));
}

/* ---- rows ---- */

int plan_rows(struct plan *p, struct view *v, size_t day, struct view_rows **ret)
{
	struct view_rows *rows = NULL, *old;
	int32_t is = p->day[day].is->day;
	int err;

	if (p->cut && p->cut->day->day == is) {
		*ret = view_rows_ref(p->cut);
		return 0;
	}
	pthread_mutex_lock(&p->lock);
	for (int i = 0; i < 2 && !rows; i++)
		if (p->hot[i] && p->hot[i]->day->day == is)
			rows = view_rows_ref(p->hot[i]);
	pthread_mutex_unlock(&p->lock);
	if (!rows) {
		err = view_rows(v, p->snapshot, p->key.filter, is, &rows);
		if (err)
			return err;
		if (rows->n != p->day[day].rows) {
			view_rows_unref(rows);
			return -ESTALE;
		}
		pthread_mutex_lock(&p->lock);
		old = p->hot[1];
		p->hot[1] = p->hot[0];
		p->hot[0] = view_rows_ref(rows);
		pthread_mutex_unlock(&p->lock);
		view_rows_unref(old);
	}
	*ret = rows;
	return 0;
}

/* ---- life ---- */

static void set_ends(struct plan *p)
{
	p->head = p->key.what == ROLLUP_JSON ? "{\"Records\":[" : p->key.what == ROLLUP_CSV ? CSV_HEADER : "";
	p->tail = p->key.what == ROLLUP_JSON ? "]}" : "";
}

static int set_text(struct plan *p, struct buf *text)
{
	size_t len;
	char *data = buf_steal(text, &len);

	if (!data)
		return -ENOMEM;
	p->text = blob_new(data, len);
	return p->text ? 0 : -ENOMEM;
}

/* A page is more than its events: it says when it was made, and what was before. So its layout tells versions
 * apart. */
static int finish_report(struct plan *p, const struct report_sources *from, const struct plan_before *before)
{
	bool same = before->made && before->identity == p->identity;
	struct buf text = {0};
	int err = 0;

	p->made = same ? before->made : time(NULL);
	if (same && before->plan && !before->plan->provisional) {
		p->text = blob_ref(before->plan->text);
	} else {
		err = report_make(p, from, &text);
		if (!err)
			err = set_text(p, &text);
		buf_clear(&text);
	}
	if (err)
		return err;
	p->size = blob_len(p->text);
	p->layout = XXH3_64bits(blob_data(p->text), blob_len(p->text));
	return 0;
}

/* Numbers are as good as their text. */
static int finish_numbers(struct plan *p, struct view *v)
{
	struct buf text = {0};
	int err = count_write(p, v, &text);

	if (err) {
		buf_clear(&text);
		return err;
	}
	p->identity = mix(p->key.what, XXH3_64bits(text.data ? text.data : "", text.len));
	p->size = text.len;
	return set_text(p, &text);
}

/* Anything else is its events. */
static int finish(struct plan *p, const struct report_sources *from, const struct plan_before *before)
{
	p->identity = mix(p->key.what, p->n_days);
	for (size_t i = 0; i < p->n_days; i++) {
		p->rows += p->day[i].rows;
		p->identity = mix(p->identity, p->day[i].identity);
	}
	if (p->key.what < ROLLUP_COUNT)
		return make_chunks(p);
	return p->key.what == ROLLUP_REPORT ? finish_report(p, from, before) : finish_numbers(p, from->view);
}

struct snapshot *plan_look(struct catalog *c, struct view *v, const struct rollup_key *key, int *ret_wait)
{
	struct view_span span = view_span(v, key->filter);
	int32_t first = key->first > span.first ? key->first : span.first;
	int32_t last = key->last < span.last ? key->last : span.last;

	if (key->undated && span.undated) /* those may be in any object */
		return catalog_snapshot_of(c, INT32_MIN, INT32_MAX, ret_wait);
	if (first <= last)
		return catalog_snapshot_of(c, first, last, ret_wait);
	*ret_wait = 0;
	return catalog_snapshot(c);
}

int plan_new(struct catalog *c, struct days *days, struct view *v, struct reader *r,
	const struct rollup_key *key, const struct plan_before *before, struct plan **ret)
{
	const struct report_sources from = {c, days, v, r};
	struct plan *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	atomic_init(&p->refs, 1);
	pthread_mutex_init(&p->lock, NULL);
	p->key = *key;
	p->newest = EVENT_UNDATED;
	set_ends(p);
	/* Asked before: what is known then is in the snapshot. */
	p->provisional = key->what == ROLLUP_REPORT && !catalog_counts(c).complete;
	p->snapshot = plan_look(c, v, key, &err);
	if (!p->snapshot)
		err = -ENOMEM;
	if (!err)
		err = add_days(p, days, v, before->plan);
	if (!err)
		err = finish(p, &from, before);
	if (err) {
		plan_unref(p);
		return err;
	}
	*ret = p;
	return 0;
}

struct plan *plan_ref(struct plan *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void plan_unref(struct plan *p)
{
	if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < p->n_days; i++)
		day_unref(p->day[i].is);
	view_rows_unref(p->cut);
	view_rows_unref(p->hot[0]);
	view_rows_unref(p->hot[1]);
	snapshot_unref(p->snapshot);
	blob_unref(p->text);
	free(p->day);
	free(p->piece);
	free(p->chunk);
	free(p->start);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

size_t plan_bytes(const struct plan *p)
{
	return sizeof(*p) + p->n_days * sizeof(*p->day) + p->n_pieces * (sizeof(*p->piece) + 12) +
	       (p->text ? blob_len(p->text) : 0);
}
