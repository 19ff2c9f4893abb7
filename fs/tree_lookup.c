/*
 * Names to nodes.
 *
 * Whether an answer is still to come is asked of the snapshot that is looked at. What is found is true at
 * once, except in a day, where a name may still turn out to be another event's; what is not found is only
 * then known not to be there when nothing is to come.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/tree_private.h"
#include "render/name.h"

static const struct {
	const char *name;
	uint64_t node;
} fixed[] = {{"README", NODE_README}, {"ERRORS", NODE_ERRORS}, {".trailfs", NODE_TRAILFS},
	{"by-id", NODE_BY_ID}, {"live.jsonl", NODE_LIVE}};

bool tree_reserved(const char *name)
{
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		if (!strcmp(name, fixed[i].name))
			return true;
	return !strcmp(name, "events") || facet_find(name, strlen(name)) >= 0;
}

/* An answer with its attributes. */
static int answer(struct tree *t, uint64_t node, uint64_t *ret_node, struct stat *ret)
{
	int err = tree_getattr(t, node, ret);

	if (!err)
		*ret_node = node;
	return err;
}

static int lookup_bucket(struct tree *t, uint64_t dir, const char *name, uint64_t *ret_node, struct stat *ret)
{
	struct prefix p = tree_prefix_at(t, dir == NODE_ROOT ? 0 : (uint32_t)dir);
	struct bucket_entry e;
	struct snapshot *s;
	uint32_t number;
	int err = tree_wait_listing(t);

	if (err)
		return err;
	s = catalog_snapshot(t->catalog);
	if (!s)
		return -ENOMEM;
	err = bucket_find(s->keys, p.text, p.len, tree_reserved, name, &e);
	if (!err && e.object) {
		err = tree_stat_object(t, e.object, ret);
		if (!err)
			*ret_node = node_make(NODE_OBJECT, e.object->number);
	} else if (!err) {
		err = tree_prefix(t, e.prefix, e.prefix_len, true, &number);
		if (!err)
			err = answer(t, node_make(NODE_BUCKET, number), ret_node, ret);
	}
	snapshot_unref(s);
	return err;
}

static int lookup_root(struct tree *t, const char *name, uint64_t *ret_node, struct stat *ret)
{
	int f = facet_find(name, strlen(name));

	if (f >= 0)
		return answer(t, node_make(NODE_FACET, (uint64_t)f), ret_node, ret);
	if (!strcmp(name, "events"))
		return answer(t, node_dated(NODE_YEARS, VIEW_ALL, 0), ret_node, ret);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++) {
		if (strcmp(name, fixed[i].name) != 0)
			continue;
		if (fixed[i].node == NODE_ERRORS && !tree_has_errors(t))
			return -ENOENT;
		return answer(t, fixed[i].node, ret_node, ret);
	}
	return lookup_bucket(t, NODE_ROOT, name, ret_node, ret);
}

static int lookup_value(struct tree *t, uint64_t dir, const char *name, uint64_t *ret_node, struct stat *ret)
{
	enum facet f = (enum facet)(dir & 0xff);
	int32_t first, last;
	int wait, err = tree_span(t, dir, &first, &last);
	struct snapshot *s;
	struct view_value v;
	uint32_t filter;

	if (err)
		return err;
	s = catalog_snapshot_of(t->catalog, first, last, &wait);
	if (!s)
		return -ENOMEM;
	err = view_find_value(t->view, s, node_filter(dir), f, name, strlen(name), &v);
	if (!err)
		err = view_filter(t->view, node_filter(dir), f, v.value, &filter);
	snapshot_unref(s);
	if (err)
		return err == -ENOENT && wait ? wait : err;
	*ret_node = node_dated(NODE_YEARS, filter, 0);
	tree_stat_dir(t, *ret_node, v.newest, ret);
	return 0;
}

/* Two or four digits as a number, -1 for anything else. */
static int digits(const char *name, size_t n)
{
	int x = 0;

	if (strlen(name) != n)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		x = x * 10 + name[i] - '0';
	}
	return x;
}

/* The node that a name would be below a years, year or month directory; 0: no such name can be. */
static uint64_t dated_child(uint64_t dir, const char *name)
{
	uint32_t filter = node_filter(dir), date = node_date_of(dir);
	int year = (int)(date >> 9), month = (int)(date >> 5 & 15), x;

	switch (node_kind(dir)) {
	case NODE_YEARS:
		if (!strcmp(name, "undated"))
			return node_dated(NODE_DAY, filter, NODE_UNDATED);
		x = digits(name, 4);
		return x >= 1 ? node_dated(NODE_YEAR, filter, node_date(x, 0, 0)) : 0;
	case NODE_YEAR:
		x = digits(name, 2);
		return x >= 1 && x <= 12 ? node_dated(NODE_MONTH, filter, node_date(year, x, 0)) : 0;
	default:
		x = digits(name, 2);
		return x >= 1 && x <= 31 ? node_dated(NODE_DAY, filter, node_date(year, month, x)) : 0;
	}
}

static int lookup_date(struct tree *t, uint64_t dir, const char *name, uint64_t *ret_node, struct stat *ret)
{
	uint64_t node = dated_child(dir, name);
	int32_t first, last, from, until;
	struct view_days *d = NULL;
	struct snapshot *s;
	int wait, err;

	if (!node || !node_days(node, &first, &last) || tree_span(t, node, &from, &until))
		return -ENOENT;
	s = catalog_snapshot_of(t->catalog, from, until, &wait);
	if (!s)
		return -ENOMEM;
	err = view_days(t->view, s, node_filter(dir), &d);
	snapshot_unref(s);
	if (err)
		return err;
	err = wait ? wait : -ENOENT;
	for (size_t i = d->n; i--;)
		if (d->day[i].day >= first && d->day[i].day <= last) {
			int64_t newest = (int64_t)d->day[i].day * 86400 + d->day[i].newest;

			tree_stat_dir(t, node, first == SEGMENT_UNDATED ? EVENT_UNDATED : newest, ret);
			*ret_node = node;
			err = 0;
			break;
		}
	view_days_unref(d);
	return err;
}

static int lookup_event(struct tree *t, uint64_t dir, const char *name, uint64_t *ret_node, struct stat *ret)
{
	int32_t first, last, from, until;
	struct snapshot *s;
	struct day *d;
	struct place at;
	int wait, err = tree_span(t, dir, &from, &until);

	if (err)
		return err;
	if (!node_days(dir, &first, &last))
		return -ESTALE;
	s = catalog_snapshot_of(t->catalog, from, until, &wait);
	if (!s)
		return -ENOMEM;
	err = wait == -EAGAIN ? wait
			      : view_find(t->view, s, node_filter(dir), first, name, strlen(name), &d, &at);
	snapshot_unref(s);
	if (err)
		return err == -ENOENT && wait ? wait : err;
	tree_stat_event(t, d->slice[at.slice].part, at.row, first, ret);
	*ret_node = tree_node_of(d, at);
	day_unref(d);
	return 0;
}

static int lookup_trailfs(struct tree *t, const char *name, uint64_t *ret_node, struct stat *ret)
{
	if (!strcmp(name, "status"))
		return answer(t, NODE_STATUS, ret_node, ret);
	if (!strcmp(name, "metrics"))
		return answer(t, NODE_METRICS, ret_node, ret);
	return -ENOENT;
}

static int lookup(struct tree *t, uint64_t parent, const char *name, uint64_t *ret_node, struct stat *ret)
{
	int err;

	switch (node_kind(parent)) {
	case NODE_FIXED:
		if (parent == NODE_ROOT)
			return lookup_root(t, name, ret_node, ret);
		if (parent == NODE_BY_ID)
			return tree_lookup_id(t, name, ret_node, ret);
		return parent == NODE_TRAILFS ? lookup_trailfs(t, name, ret_node, ret) : -ENOTDIR;
	case NODE_BUCKET:
		return lookup_bucket(t, parent, name, ret_node, ret);
	case NODE_FACET:
		/* A value may be called like that, and values are listed. */
		err = lookup_value(t, parent, name, ret_node, ret);
		return err == -ENOENT ? tree_lookup_rollup(t, parent, name, ret_node, ret) : err;
	case NODE_YEARS:
	case NODE_YEAR:
	case NODE_MONTH:
	case NODE_DAY:
		err = tree_lookup_hidden(t, parent, name, ret_node, ret);
		if (err == -ENOENT)
			err = tree_lookup_rollup(t, parent, name, ret_node, ret);
		if (err != -ENOENT)
			return err;
		return node_kind(parent) == NODE_DAY ? lookup_event(t, parent, name, ret_node, ret)
						     : lookup_date(t, parent, name, ret_node, ret);
	default:
		return -ENOTDIR;
	}
}

int tree_lookup(struct tree *t, uint64_t parent, const char *name, uint64_t *ret_node, struct stat *ret)
{
	int err = tree_heal(t, lookup(t, parent, name, ret_node, ret));

	/* The kernel asks for up to 1,023 bytes. Only in by-id/, where nothing is listed, are there names
	 * over 255. */
	return err == -ENOENT && strlen(name) > NAME_LEN_MAX ? -ENAMETOOLONG : err;
}
