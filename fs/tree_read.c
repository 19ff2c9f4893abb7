/*
 * Nodes to bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "fs/log.h"
#include "fs/tree_private.h"
#include "render/pretty.h"

#define LARGE_EVENT (1u << 20) /* bytes: read in many pieces, kept laid out */

/* The part of data that a read asks for. */
static void cut(const char *data, size_t len, uint64_t offset, size_t size, struct tree_bytes *ret)
{
	size_t at = offset < len ? (size_t)offset : len;

	ret->data = data + at;
	ret->n = len - at < size ? len - at : size;
}

void tree_bytes_clear(struct tree_bytes *b)
{
	free(b->own);
	blob_unref(b->blob);
	*b = (struct tree_bytes){0};
}

/* ---- events ---- */

/* The blob that an event's text is in. */
static int event_blob(struct tree *t, const struct event_at *at, struct blob **ret)
{
	uint32_t place = segment_row_object(at->part->seg, at->row);
	const struct object *o = catalog_object(t->catalog, at->part->object[place]);

	if (!o)
		return -ESTALE;
	return reader_get(t->reader, o->number, &o->at, o->gunzip,
		(segment_object(at->part->seg, place).flags & SEGMENT_DECODED) != 0, ret);
}

/*
 * The event's bytes, made from its text. They must have the size that was told, and where the record is
 * written without white space its hash is looked at too: a text that is not the one that was indexed is an
 * error, never other bytes.
 */
static int render_event(const struct event_at *at, const struct blob *b, char **ret, size_t *ret_len)
{
	const struct segment *s = at->part->seg;
	uint64_t offset = segment_row_offset(s, at->row), len = segment_row_length(s, at->row);
	size_t pretty = segment_row_pretty(s, at->row);
	char *out;

	if (offset + len > blob_len(b))
		return -EIO;
	if (len == segment_row_minified(s, at->row) &&
		XXH3_64bits(blob_data(b) + offset, len) != segment_row_hash(s, at->row))
		return -EIO;
	out = malloc(pretty ? pretty : 1);
	if (!out)
		return -ENOMEM;
	if (pretty_write(blob_data(b) + offset, len, out, pretty) != pretty) {
		free(out);
		return -EIO;
	}
	*ret = out;
	*ret_len = pretty;
	return 0;
}

/* The large event if it is the one that is kept, ref'd; else NULL. */
static struct blob *kept_large(struct tree *t, uint64_t node)
{
	struct blob *b = NULL;

	pthread_mutex_lock(&t->lock);
	if (t->large && t->large_node == node)
		b = blob_ref(t->large);
	pthread_mutex_unlock(&t->lock);
	return b;
}

/* Takes text over. */
static struct blob *keep_large(struct tree *t, uint64_t node, char *text, size_t len)
{
	struct blob *b = blob_new(text, len), *old;

	if (!b)
		return NULL;
	pthread_mutex_lock(&t->lock);
	old = t->large;
	t->large = blob_ref(b);
	t->large_node = node;
	pthread_mutex_unlock(&t->lock);
	blob_unref(old);
	return b;
}

static int read_event(struct tree *t, uint64_t node, uint64_t offset, size_t size, struct tree_bytes *ret)
{
	struct event_at at;
	struct blob *b;
	char *text;
	size_t len;
	int err = tree_heal(t, tree_find_event(t, node, &at));

	if (err)
		return err;
	b = kept_large(t, node);
	if (b) {
		part_unref(at.part);
		*ret = (struct tree_bytes){.blob = b};
		cut(blob_data(b), blob_len(b), offset, size, ret);
		return 0;
	}
	err = event_blob(t, &at, &b);
	if (!err) {
		err = render_event(&at, b, &text, &len);
		blob_unref(b);
	}
	part_unref(at.part);
	if (err)
		return err;
	if (len > LARGE_EVENT) {
		b = keep_large(t, node, text, len);
		if (!b)
			return -ENOMEM;
		*ret = (struct tree_bytes){.blob = b};
		cut(blob_data(b), len, offset, size, ret);
		return 0;
	}
	*ret = (struct tree_bytes){.own = text};
	cut(text, len, offset, size, ret);
	return 0;
}

/* ---- objects ---- */

static int read_pieces(
	struct tree *t, const struct object *o, uint64_t offset, size_t size, struct tree_bytes *ret)
{
	struct blob *b;
	uint64_t start;
	size_t got = 0;
	char *out;
	int err = 0;

	if (offset >= o->at.size)
		size = 0;
	else if (size > o->at.size - offset)
		size = (size_t)(o->at.size - offset);
	out = malloc(size ? size : 1);
	if (!out)
		return -ENOMEM;
	while (got < size && !err) {
		size_t n, from;

		err = reader_get_piece(t->reader, o->number, &o->at, offset + got, &b, &start);
		if (err)
			break;
		from = (size_t)(offset + got - start);
		n = blob_len(b) > from ? blob_len(b) - from : 0;
		n = n < size - got ? n : size - got;
		if (!n)
			err = -EIO;
		memcpy(out + got, blob_data(b) + from, n);
		got += n;
		blob_unref(b);
	}
	if (err) {
		free(out);
		return err;
	}
	*ret = (struct tree_bytes){.data = out, .n = got, .own = out};
	return 0;
}

static int read_object(
	struct tree *t, const struct object *o, uint64_t offset, size_t size, struct tree_bytes *ret)
{
	struct object_now now = catalog_object_now(t->catalog, o->number);
	struct blob *b;
	int err;

	if (now.state == OBJECT_GONE)
		return -ESTALE;
	if (now.error)
		return now.error;
	if (!o->gunzip)
		return read_pieces(t, o, offset, size, ret);
	if (now.state == OBJECT_WAITING)
		return catalog_object_pending(t->catalog, o->number) ? -EAGAIN : -EIO;
	err = reader_get(t->reader, o->number, &o->at, true, false, &b);
	if (err)
		return err;
	if (blob_len(b) != now.inflated) {
		blob_unref(b);
		return -EIO;
	}
	*ret = (struct tree_bytes){.blob = b};
	cut(blob_data(b), blob_len(b), offset, size, ret);
	return 0;
}

int tree_read(struct tree *t, uint64_t node, uint64_t offset, size_t size, struct tree_bytes *ret)
{
	const struct object *o;
	int err;

	switch (node_kind(node)) {
	case NODE_FIXED:
		if (node == NODE_LIVE)
			return tree_read_live(t, offset, size, ret);
		return node_is_dir(node) ? -EISDIR : tree_text_read(t, node, offset, size, ret);
	case NODE_EVENT:
		err = read_event(t, node, offset, size, ret);
		break;
	case NODE_OBJECT:
		o = catalog_object(t->catalog, node_object(node));
		err = o ? read_object(t, o, offset, size, ret) : -ESTALE;
		break;
	case NODE_ROLLUP:
		return tree_read_rollup(t, node, offset, size, ret);
	default:
		return -EISDIR;
	}
	if (err && err != -EAGAIN && err != -ESTALE) {
		o = catalog_object(t->catalog, node_object(node));
		log_warning("reading %s: %s", o ? o->at.key : "?", strerror(-err));
	}
	/* EBADMSG says more than the tools that read files know what to do with. */
	return err == -EBADMSG ? -EIO : err;
}

void tree_prefetch(struct tree *t, uint64_t node)
{
	struct event_at at;
	struct blob *b;

	if (node_kind(node) != NODE_EVENT || tree_find_event(t, node, &at))
		return;
	if (!event_blob(t, &at, &b))
		blob_unref(b);
	part_unref(at.part);
}
