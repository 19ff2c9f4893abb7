/*
 * Listings. A directory of events keeps its rows, one of values its values, and both make names and
 * attributes as they are asked for; any other keeps its names. The directory of a value has a node (and its
 * filter an id) only when its attributes are asked for, which costs more than the name.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/tree_private.h"
#include "render/buf.h"
#include "render/name.h"

/* An entry of a directory that is not one of events. */
struct listed {
	uint64_t node;
	size_t name;   /* offset in names */
	int64_t mtime; /* of directories: seconds */
	bool timed;    /* mtime is known */
};

struct tree_dir {
	unsigned refs;
	struct view_rows *rows;   /* a directory of events; else NULL */
	uint64_t serial;          /* tree_dir_serial() */
	struct view_value *value; /* a directory of values; else NULL */
	struct snapshot *lends;   /* values are borrowed from it */
	uint32_t filter;          /* of a directory of values */
	enum facet facet;
	struct listed *entry;
	size_t n, cap;
	struct buf names;
};

/* ---- collecting names ---- */

static int add(struct tree_dir *d, uint64_t node, const char *name, bool timed, int64_t mtime)
{
	if (d->n == d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 32;
		struct listed *more = reallocarray(d->entry, cap, sizeof(*more));

		if (!more)
			return -ENOMEM;
		d->entry = more;
		d->cap = cap;
	}
	d->entry[d->n++] = (struct listed){node, d->names.len, mtime, timed};
	buf_add(&d->names, name, strlen(name) + 1);
	return d->names.failed ? -ENOMEM : 0;
}

struct collecting {
	struct tree *t;
	struct tree_dir *d;
};

static int add_bucket_entry(void *arg, const struct bucket_entry *e)
{
	struct collecting *c = arg;
	uint32_t number;
	int err;

	if (e->object)
		return add(c->d, node_make(NODE_OBJECT, e->object->number), e->name, false, 0);
	err = tree_prefix(c->t, e->prefix, e->prefix_len, true, &number);
	return err ? err : add(c->d, node_make(NODE_BUCKET, number), e->name, false, 0);
}

static int list_bucket(struct tree *t, uint32_t number, const struct snapshot *s, struct tree_dir *d)
{
	struct prefix p = tree_prefix_at(t, number);
	struct collecting c = {t, d};

	return bucket_list(s->keys, p.text, p.len, tree_reserved, add_bucket_entry, &c);
}

static int list_root(struct tree *t, const struct snapshot *s, struct tree_dir *d)
{
	int err = add(d, NODE_README, "README", false, 0);

	if (!err && tree_has_errors(t))
		err = add(d, NODE_ERRORS, "ERRORS", false, 0);
	if (!err)
		err = list_bucket(t, 0, s, d);
	if (!err)
		err = add(d, node_dated(NODE_YEARS, VIEW_ALL, 0), "events", false, 0);
	for (int f = 0; f < FACET_COUNT && !err; f++)
		err = add(d, node_make(NODE_FACET, (uint64_t)f), facet_name[f], false, 0);
	return err;
}

static int list_values(struct tree *t, uint64_t node, struct snapshot *s, struct tree_dir *d)
{
	d->filter = node_filter(node);
	d->facet = (enum facet)(node & 0xff);
	d->lends = snapshot_ref(s);
	return view_values(t->view, s, d->filter, d->facet, &d->value, &d->n);
}

/* The child of a dated directory that a day is in. */
static uint64_t child_of(uint64_t dir, int32_t day, char name[16])
{
	uint32_t filter = node_filter(dir);
	int y, m, d;

	if (day == SEGMENT_UNDATED) {
		memcpy(name, "undated", 8);
		return node_dated(NODE_DAY, filter, NODE_UNDATED);
	}
	day_to_date(day, &y, &m, &d);
	switch (node_kind(dir)) {
	case NODE_YEARS:
		snprintf(name, 16, "%04d", y);
		return node_dated(NODE_YEAR, filter, node_date(y, 0, 0));
	case NODE_YEAR:
		snprintf(name, 16, "%02d", m);
		return node_dated(NODE_MONTH, filter, node_date(y, m, 0));
	default:
		snprintf(name, 16, "%02d", d);
		return node_dated(NODE_DAY, filter, node_date(y, m, d));
	}
}

/* Years, months or days that have events; days come ascending, so a child's newest event is in its last day.
 */
static int list_dates(struct tree *t, uint64_t node, const struct snapshot *s, struct tree_dir *d)
{
	int32_t first = INT32_MIN + 1, last = INT32_MAX;
	struct view_days *days;
	bool undated = false;
	char name[16];
	int err;

	if (node_kind(node) != NODE_YEARS && !node_days(node, &first, &last))
		return -ESTALE;
	err = view_days(t->view, s, node_filter(node), &days);
	for (size_t i = 0; !err && i < days->n; i++) {
		int32_t day = days->day[i].day;
		int64_t newest = (int64_t)day * 86400 + days->day[i].newest;
		uint64_t child;

		undated |= day == SEGMENT_UNDATED;
		if (day < first || day > last)
			continue;
		child = child_of(node, day, name);
		if (d->n && d->entry[d->n - 1].node == child)
			d->entry[d->n - 1].mtime = newest;
		else
			err = add(d, child, name, true, newest);
	}
	if (!err && undated && node_kind(node) == NODE_YEARS)
		err = add(d, child_of(node, SEGMENT_UNDATED, name), name, true, EVENT_UNDATED);
	if (!err)
		view_days_unref(days);
	return err;
}

/* The snapshot that the directory's listing is made from, and what that has to wait for. */
static struct snapshot *look(struct tree *t, uint64_t node, int *ret_wait)
{
	int32_t first, last;
	int err;

	if (node_kind(node) == NODE_FIXED || node_kind(node) == NODE_BUCKET) {
		*ret_wait = node == NODE_TRAILFS || node == NODE_BY_ID ? 0 : tree_wait_listing(t);
		return catalog_snapshot(t->catalog);
	}
	err = tree_span(t, node, &first, &last);
	if (!err)
		return catalog_snapshot_of(t->catalog, first, last, ret_wait);
	*ret_wait = err == -ENOENT ? 0 : err;
	return catalog_snapshot(t->catalog);
}

static int fill(struct tree *t, uint64_t node, struct snapshot *s, struct tree_dir *d)
{
	int32_t first, last;
	int err;

	switch (node_kind(node)) {
	case NODE_FIXED:
		if (node == NODE_ROOT)
			return list_root(t, s, d);
		if (node == NODE_BY_ID)
			return 0;
		err = add(d, NODE_STATUS, "status", false, 0);
		return err ? err : add(d, NODE_METRICS, "metrics", false, 0);
	case NODE_BUCKET:
		return list_bucket(t, (uint32_t)node, s, d);
	case NODE_FACET:
		return list_values(t, node, s, d);
	case NODE_DAY:
		if (!node_days(node, &first, &last))
			return -ESTALE;
		err = view_rows(t->view, s, node_filter(node), first, &d->rows);
		d->n = err ? 0 : d->rows->n;
		return err;
	default:
		return list_dates(t, node, s, d);
	}
}

int tree_list(struct tree *t, uint64_t node, struct tree_dir **ret)
{
	struct tree_dir *d;
	struct snapshot *s;
	int err, wait;

	if (!node_is_dir(node))
		return -ENOTDIR;
	if (node_has_filter(node) && !view_filter_known(t->view, node_filter(node)))
		return -ESTALE;
	s = look(t, node, &wait);
	if (wait) {
		snapshot_unref(s);
		return wait;
	}
	d = calloc(1, sizeof(*d));
	err = s && d ? 0 : -ENOMEM;
	if (d)
		d->refs = 1;
	if (!err)
		err = fill(t, node, s, d);
	if (!err && d->rows && !tree_moves(t, node))
		d->serial = d->rows->day->serial;
	snapshot_unref(s);
	if (err) {
		tree_dir_unref(d);
		return tree_heal(t, err);
	}
	*ret = d;
	return 0;
}

/* ---- entries ---- */

size_t tree_dir_count(const struct tree_dir *d)
{
	return d->n;
}

bool tree_dir_gone(uint64_t node, const struct tree_dir *d)
{
	enum node_kind kind = node_kind(node);

	return d->n == 0 && (kind == NODE_DAY || kind == NODE_MONTH || kind == NODE_YEAR);
}

bool tree_dir_of_events(const struct tree_dir *d)
{
	return d->rows != NULL;
}

uint64_t tree_dir_serial(const struct tree_dir *d)
{
	return d->serial;
}

bool tree_serial_holds(struct tree *t, uint64_t node, uint64_t serial)
{
	struct snapshot *s;
	int32_t day, last;
	bool holds;

	if (node_kind(node) != NODE_DAY || !node_days(node, &day, &last) ||
		!(s = catalog_snapshot(t->catalog)))
		return false;
	holds = days_serial(t->days, s, day) == serial;
	snapshot_unref(s);
	return holds;
}

struct tree_dir *tree_dir_ref(struct tree_dir *d)
{
	__atomic_add_fetch(&d->refs, 1, __ATOMIC_RELAXED);
	return d;
}

void tree_dir_unref(struct tree_dir *d)
{
	if (!d || __atomic_sub_fetch(&d->refs, 1, __ATOMIC_ACQ_REL))
		return;
	view_rows_unref(d->rows);
	free(d->value);
	snapshot_unref(d->lends);
	free(d->entry);
	buf_clear(&d->names);
	free(d);
}

int tree_dir_entry(struct tree *t, const struct tree_dir *d, size_t i, struct tree_scratch *scratch,
	struct tree_entry *ret)
{
	uint64_t node;

	if (d->rows) {
		struct place at = d->rows->at[i];
		const struct day *day = d->rows->day;

		view_name(day, at, scratch->name);
		*ret = (struct tree_entry){
			.node = tree_node_of(day, at),
			.name = scratch->name,
			.ino = tree_ino_event(day->slice[at.slice].part->seg, at.row),
			.type = S_IFREG,
		};
		return 0;
	}
	if (d->value) {
		name_of_value(d->value[i].value, scratch->name);
		*ret = (struct tree_entry){
			.name = scratch->name,
			.ino = tree_ino_value(t, d->filter, d->facet, d->value[i].value),
			.type = S_IFDIR,
		};
		return 0;
	}
	node = d->entry[i].node;
	*ret = (struct tree_entry){.node = node, .name = d->names.data + d->entry[i].name, .type = S_IFREG};
	if (node_kind(node) == NODE_OBJECT) {
		ret->ino = tree_ino_object(catalog_object(t->catalog, node_object(node)));
	} else {
		ret->ino = tree_ino_dir(t, node);
		ret->type = node_is_dir(node) ? S_IFDIR : S_IFREG;
	}
	return 0;
}

int tree_dir_stat(struct tree *t, const struct tree_dir *d, size_t i, uint64_t *ret_node, struct stat *ret)
{
	if (d->rows) {
		struct place at = d->rows->at[i];

		*ret_node = tree_node_of(d->rows->day, at);
		tree_stat_event(t, d->rows->day->slice[at.slice].part, at.row, d->rows->day->day, ret);
		return 0;
	}
	if (d->value) {
		uint32_t filter;
		int err = view_filter(t->view, d->filter, d->facet, d->value[i].value, &filter);

		if (err)
			return err;
		*ret_node = node_dated(NODE_YEARS, filter, 0);
		tree_stat_dir(t, *ret_node, d->value[i].newest, ret);
		return 0;
	}
	*ret_node = d->entry[i].node;
	if (!d->entry[i].timed)
		return tree_getattr(t, d->entry[i].node, ret);
	tree_stat_dir(t, d->entry[i].node, d->entry[i].mtime, ret);
	return 0;
}

/* ---- back from a node ---- */

static uint32_t second_at(const struct view_rows *r, size_t i)
{
	return segment_row_second(r->day->slice[r->at[i].slice].part->seg, r->at[i].row);
}

ssize_t tree_dir_find(struct tree *t, const struct tree_dir *d, uint64_t node)
{
	struct event_at at;
	size_t lo = 0, hi = d->n;
	uint32_t second;

	if (!d->rows || node_kind(node) != NODE_EVENT || tree_find_event(t, node, &at))
		return -ENOENT;
	second = segment_row_second(at.part->seg, at.row);
	part_unref(at.part);
	if (at.day != d->rows->day->day)
		return -ENOENT;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (second_at(d->rows, mid) < second)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < d->n && second_at(d->rows, lo) == second; lo++)
		if (tree_node_of(d->rows->day, d->rows->at[lo]) == node)
			return (ssize_t)lo;
	return -ENOENT;
}
