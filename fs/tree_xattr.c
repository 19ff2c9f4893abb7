/*
 * Where a file's bytes come from, as extended attributes: of an event the object's key and ETag, where its
 * record begins in the object's text, and its eventID; of an object its key and ETag.
 *
 * All other names are EOPNOTSUPP and not ENODATA. That is what ls heeds: it asks one file for ACLs and
 * capabilities and then no other of the same mount.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/etag.h"
#include "fs/tree_private.h"

#define PREFIX "user.trailfs."

enum {
	XATTR_KEY,
	XATTR_ETAG,
	XATTR_OFFSET,
	XATTR_ID,
	XATTR_COUNT
};

static const char *const names[XATTR_COUNT] = {
	PREFIX "key", PREFIX "etag", PREFIX "offset", PREFIX "eventid"};

struct xattrs {
	char offset[16];
	char id[36];
	char etag[ETAG_TEXT];
	struct value is[XATTR_COUNT]; /* p is NULL: it has none */
	struct part *part;            /* holds what the ID points to */
};

static struct value value_of(const char *text)
{
	return (struct value){text, (uint32_t)strlen(text)};
}

static void event_xattrs(const struct event_at *at, struct xattrs *x)
{
	const struct segment *s = at->part->seg;

	/* Of a text that is not the object's own it would mislead. */
	if (!(segment_object(s, segment_row_object(s, at->row)).flags & SEGMENT_DECODED)) {
		snprintf(x->offset, sizeof(x->offset), "%u", segment_row_offset(s, at->row));
		x->is[XATTR_OFFSET] = value_of(x->offset);
	}
	x->is[XATTR_ID] = segment_row_id(s, at->row, x->id);
}

/* To be given back with part_unref(x->part). */
static int get_xattrs(struct tree *t, uint64_t node, struct xattrs *x)
{
	enum node_kind kind = node_kind(node);
	const struct object *o;
	struct event_at at;
	int err;

	*x = (struct xattrs){0};
	if (kind != NODE_EVENT && kind != NODE_OBJECT)
		return 0;
	o = catalog_object(t->catalog, node_object(node));
	if (!o)
		return -ESTALE;
	x->is[XATTR_KEY] = value_of(o->at.key);
	if (o->at.etag.known) {
		etag_print(&o->at.etag, x->etag);
		x->is[XATTR_ETAG] = value_of(x->etag);
	}
	if (kind == NODE_OBJECT)
		return 0;
	err = tree_heal(t, tree_find_event(t, node, &at));
	if (err)
		return err;
	x->part = at.part;
	event_xattrs(&at, x);
	return 0;
}

static int copy(const void *data, size_t len, char **ret, size_t *ret_n)
{
	char *out = malloc(len + 1);

	if (!out)
		return -ENOMEM;
	if (len)
		memcpy(out, data, len);
	*ret = out;
	*ret_n = len;
	return 0;
}

bool tree_xattr_known(const char *name)
{
	return !strncmp(name, PREFIX, strlen(PREFIX));
}

int tree_xattr(struct tree *t, uint64_t node, const char *name, char **ret, size_t *ret_n)
{
	struct xattrs x;
	int err = tree_xattr_known(name) ? get_xattrs(t, node, &x) : -EOPNOTSUPP;

	if (err)
		return err;
	err = -ENODATA;
	for (int i = 0; i < XATTR_COUNT; i++)
		if (x.is[i].p && !strcmp(name, names[i]))
			err = copy(x.is[i].p, x.is[i].len, ret, ret_n);
	part_unref(x.part);
	return err;
}

int tree_xattr_names(struct tree *t, uint64_t node, char **ret, size_t *ret_n)
{
	char all[XATTR_COUNT * sizeof(PREFIX "eventid")];
	struct xattrs x;
	size_t n = 0;
	int err = get_xattrs(t, node, &x);

	if (err)
		return err;
	part_unref(x.part);
	for (int i = 0; i < XATTR_COUNT; i++) {
		if (!x.is[i].p)
			continue;
		memcpy(all + n, names[i], strlen(names[i]) + 1);
		n += strlen(names[i]) + 1;
	}
	return copy(all, n, ret, ret_n);
}
