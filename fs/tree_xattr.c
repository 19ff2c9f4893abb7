/*
 * Where a file's bytes come from, as extended attributes: of an event the object's key, where its record
 * begins in the object's text, and its eventID; of a log object its key.
 *
 * All other names are EOPNOTSUPP and not ENODATA. That is what ls heeds: it asks one file for ACLs and
 * capabilities and then no other of the same mount.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/tree_private.h"

#define PREFIX "user.trailfs."

struct xattrs {
	char offset[16];
	char id[36];
	const char *key; /* NULL: none */
	struct value offset_is, id_is;
	struct part *part; /* holds what id_is points to */
};

static void event_xattrs(const struct event_at *at, struct xattrs *x)
{
	const struct segment *s = at->part->seg;

	/* Of a text that is not the object's own it would mislead. */
	if (!(segment_object(s, segment_row_object(s, at->row)).flags & SEGMENT_DECODED)) {
		int n = snprintf(x->offset, sizeof(x->offset), "%u", segment_row_offset(s, at->row));

		x->offset_is = (struct value){x->offset, (uint32_t)n};
	}
	x->id_is = segment_row_id(s, at->row, x->id);
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
	x->key = o->at.key;
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
	struct value v = {NULL, 0};

	if (err)
		return err;
	name += strlen(PREFIX);
	if (!strcmp(name, "key") && x.key)
		v = (struct value){x.key, (uint32_t)strlen(x.key)};
	else if (!strcmp(name, "offset"))
		v = x.offset_is;
	else if (!strcmp(name, "eventid"))
		v = x.id_is;
	err = v.p ? copy(v.p, v.len, ret, ret_n) : -ENODATA;
	part_unref(x.part);
	return err;
}

int tree_xattr_names(struct tree *t, uint64_t node, char **ret, size_t *ret_n)
{
	static const char names[3][sizeof(PREFIX "eventid")] = {
		PREFIX "key", PREFIX "offset", PREFIX "eventid"};
	char all[sizeof(names)];
	struct xattrs x;
	size_t n = 0;
	int err = get_xattrs(t, node, &x);

	if (err)
		return err;
	const bool has[3] = {x.key != NULL, x.offset_is.p != NULL, x.id_is.p != NULL};

	part_unref(x.part);
	for (int i = 0; i < 3; i++) {
		if (!has[i])
			continue;
		memcpy(all + n, names[i], strlen(names[i]) + 1);
		n += strlen(names[i]) + 1;
	}
	return copy(all, n, ret, ret_n);
}
