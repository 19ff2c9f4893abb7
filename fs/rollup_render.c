/*
 * A chunk's events to bytes. Events in the order of time come from several objects at once, so they are taken
 * in the order of objects instead, each object once, and put where they belong.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "fs/rollup_private.h"
#include "render/csv.h"
#include "render/pretty.h"

#define BATCH_OBJECTS 256u
#define BATCH_BYTES   ((uint64_t)4 << 20) /* inflated */

struct item {
	const struct part *part; /* the plan's days hold it */
	uint32_t row, object;
	uint32_t piece;
	uint64_t at;  /* where its bytes begin: in the chunk; of CSV, in the rows as they were made */
	uint32_t len; /* of CSV */
};

struct renderer {
	struct catalog *catalog;
	struct view *view;
	struct reader *reader;
	struct csv *csv;
	char *minified; /* of a record that must be compared before its row is made */
	size_t minified_cap;
};

/* One chunk being made. */
struct making {
	struct renderer *x;
	struct plan *plan;
	size_t n;
	struct item *item;   /* in the order of time */
	struct item **order; /* in the order of objects */
	char *out;
	struct buf rows; /* ROLLUP_CSV */
	struct reader_want want[BATCH_OBJECTS];
	struct blob *blob[BATCH_OBJECTS];
};

/* ---- which events ---- */

static int by_object(const void *a, const void *b)
{
	const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;

	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static int gather_piece(struct making *m, uint32_t piece, uint64_t *at)
{
	const struct piece *is = &m->plan->piece[piece];
	struct view_rows *rows;
	int err = plan_rows(m->plan, m->x->view, is->day, &rows);

	if (err)
		return err;
	for (uint32_t i = is->first; i < is->end; i++) {
		const struct part *p = rows->day->slice[rows->at[i].slice].part;
		uint32_t row = rows->at[i].row;
		uint64_t minified = segment_row_minified(p->seg, row);

		/* That no record can be, and there would be no end to what is made of it. */
		if (minified > segment_row_length(p->seg, row)) {
			err = -EIO;
			break;
		}
		m->item[m->n++] = (struct item){
			.part = p,
			.row = row,
			.object = p->object[segment_row_object(p->seg, row)],
			.piece = piece,
			.at = *at,
		};
		*at += minified + 1;
	}
	view_rows_unref(rows);
	return err;
}

/* *ret_len: their minified bytes, with one more for each. */
static int gather(struct making *m, size_t chunk, uint64_t *ret_len)
{
	uint32_t first = m->plan->chunk[chunk], end = m->plan->chunk[chunk + 1];
	uint64_t at = 0;
	size_t n = 0;
	int err = 0;

	for (uint32_t i = first; i < end; i++)
		n += m->plan->piece[i].end - m->plan->piece[i].first;
	m->item = malloc((n + 1) * sizeof(*m->item));
	m->order = malloc((n + 1) * sizeof(*m->order));
	if (!m->item || !m->order)
		return -ENOMEM;
	for (uint32_t i = first; i < end && !err; i++)
		err = gather_piece(m, i, &at);
	for (size_t i = 0; i < m->n; i++)
		m->order[i] = &m->item[i];
	qsort(m->order, m->n, sizeof(*m->order), by_object);
	*ret_len = at;
	return err;
}

/* ---- one event ---- */

/* Whether text is the record that was indexed. out gets it minified where it is not NULL. */
static int check_record(struct renderer *x, const struct item *i, const char *text, size_t len, char *out)
{
	const struct segment *s = i->part->seg;
	size_t minified = segment_row_minified(s, i->row);
	const char *small = text;

	if (len != minified) {
		if (!out && x->minified_cap < minified) {
			free(x->minified);
			x->minified = malloc(minified);
			x->minified_cap = x->minified ? minified : 0;
			if (!x->minified)
				return -ENOMEM;
		}
		small = out ? out : x->minified;
		if (minify_write(text, len, out ? out : x->minified, minified) != minified)
			return -EIO;
	} else if (out) {
		memcpy(out, text, len);
	}
	return XXH3_64bits(small, minified) == segment_row_hash(s, i->row) ? 0 : -EIO;
}

static int add_row(struct making *m, struct item *i, const char *text, size_t len)
{
	const struct segment *s = i->part->seg;
	uint32_t code = segment_row_code(s, FACET_ACCOUNT, i->row);
	struct value account = {NULL, 0};
	int err = check_record(m->x, i, text, len, NULL);

	if (err)
		return err;
	/* Where the record has none of its own, this is that of the key. */
	if (code != SEGMENT_NO_CODE)
		account = segment_value(s, FACET_ACCOUNT, code);
	i->at = m->rows.len;
	err = csv_row(m->x->csv, text, len, account, &m->rows);
	i->len = (uint32_t)(m->rows.len - i->at);
	return err;
}

static int render_item(struct making *m, struct item *i, const struct blob *b)
{
	const struct segment *s = i->part->seg;
	uint64_t offset = segment_row_offset(s, i->row);
	uint32_t len = segment_row_length(s, i->row);
	int err;

	if (offset + len > blob_len(b))
		return -EIO;
	if (m->plan->key.what == ROLLUP_CSV)
		return add_row(m, i, blob_data(b) + offset, len);
	err = check_record(m->x, i, blob_data(b) + offset, len, m->out + i->at);
	if (!err)
		m->out[i->at + segment_row_minified(s, i->row)] =
			m->plan->key.what == ROLLUP_JSON ? ',' : '\n';
	return err;
}

/* ---- objects ---- */

static size_t same_object(struct item *const *i, size_t n)
{
	size_t same = 1;

	while (same < n && i[same]->object == i[0]->object)
		same++;
	return same;
}

/* The objects of the next items, as many as may be held at once. *ret_items: how many items they have. */
static int want_objects(
	struct making *m, struct item *const *next, size_t n, size_t *ret_objects, size_t *ret_items)
{
	uint64_t bytes = 0;
	size_t objects = 0, i = 0;

	while (i < n && objects < BATCH_OBJECTS) {
		const struct item *it = next[i];
		const struct object *o = catalog_object(m->x->catalog, it->object);
		struct segment_object is =
			segment_object(it->part->seg, segment_row_object(it->part->seg, it->row));

		if (!o)
			return -ESTALE;
		bytes += is.inflated > is.size ? is.inflated : is.size;
		if (objects && bytes > BATCH_BYTES)
			break;
		m->want[objects++] = (struct reader_want){
			.number = o->number,
			.o = &o->at,
			.gunzip = o->gunzip,
			.decoded = (is.flags & SEGMENT_DECODED) != 0,
		};
		i += same_object(next + i, n - i);
	}
	*ret_objects = objects;
	*ret_items = i;
	return 0;
}

static int render_batch(struct making *m, struct item *const *next, size_t n, size_t *ret_done)
{
	size_t objects, items, i = 0;
	int err = want_objects(m, next, n, &objects, &items);

	if (!err)
		err = reader_load(m->x->reader, m->want, objects, m->blob);
	if (err)
		return err;
	for (size_t k = 0; k < objects; k++) {
		for (size_t end = i + same_object(next + i, items - i); i < end && !err; i++)
			err = render_item(m, next[i], m->blob[k]);
		blob_unref(m->blob[k]);
	}
	*ret_done = items;
	return err;
}

static int render_all(struct making *m)
{
	int err = 0;

	for (size_t i = 0, done; i < m->n && !err; i += done) {
		done = 0;
		err = render_batch(m, m->order + i, m->n - i, &done);
	}
	/* What these say is of an object, not of the file that is read. */
	return err == -EBADMSG || err == -ENOENT ? -EIO : err;
}

/* ---- chunks ---- */

static void finish(struct making *m)
{
	free(m->item);
	free(m->order);
	free(m->out);
	buf_clear(&m->rows);
	free(m);
}

static int start(struct renderer *x, struct plan *p, size_t chunk, struct making **ret, uint64_t *ret_len)
{
	struct making *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->x = x;
	m->plan = p;
	err = gather(m, chunk, ret_len);
	if (!err && p->key.what != ROLLUP_CSV)
		m->out = malloc(*ret_len ? *ret_len : 1);
	if (!err && p->key.what != ROLLUP_CSV && !m->out)
		err = -ENOMEM;
	if (!err)
		err = render_all(m);
	if (err) {
		finish(m);
		return err;
	}
	*ret = m;
	return 0;
}

/* Rows in the order of time. */
static int put_rows(struct making *m, uint64_t *ret_len)
{
	size_t n = 0;

	m->out = malloc(m->rows.len + 1);
	if (!m->out)
		return -ENOMEM;
	for (size_t i = 0; i < m->n; i++) {
		memcpy(m->out + n, m->rows.data + m->item[i].at, m->item[i].len);
		n += m->item[i].len;
	}
	*ret_len = n;
	return 0;
}

int renderer_chunk(struct renderer *x, struct plan *p, size_t chunk, struct blob **ret)
{
	uint64_t told = p->start[chunk + 1] - p->start[chunk], len;
	bool last = p->key.what == ROLLUP_JSON && chunk + 1 == p->n_chunks;
	struct making *m;
	int err = start(x, p, chunk, &m, &len);

	if (err)
		return err;
	if (p->key.what == ROLLUP_CSV)
		err = put_rows(m, &len);
	if (!err && len - last != told)
		err = -EIO;
	if (!err) {
		*ret = blob_new(m->out, (size_t)told);
		m->out = NULL;
		err = *ret ? 0 : -ENOMEM;
	}
	finish(m);
	return err;
}

int renderer_measure(struct renderer *x, struct plan *p, size_t chunk)
{
	struct making *m;
	uint64_t len;
	int err = start(x, p, chunk, &m, &len);

	if (err)
		return err;
	for (uint32_t i = p->chunk[chunk]; i < p->chunk[chunk + 1]; i++)
		p->piece[i].len = 0;
	for (size_t i = 0; i < m->n; i++)
		p->piece[m->item[i].piece].len += m->item[i].len;
	finish(m);
	return 0;
}

struct renderer *renderer_new(struct catalog *c, struct view *v, struct reader *r)
{
	struct renderer *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->catalog = c;
	x->view = v;
	x->reader = r;
	x->csv = csv_new();
	if (!x->csv) {
		renderer_free(x);
		return NULL;
	}
	return x;
}

void renderer_free(struct renderer *x)
{
	if (!x)
		return;
	csv_free(x->csv);
	free(x->minified);
	free(x);
}
