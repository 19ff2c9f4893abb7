/*
 * Names that are reachable and never listed: by-FACET and @RANGE in every directory that holds events or
 * their date folders, by-id/EVENTID.json and live.jsonl. So grep -r, find and backups meet an event once a
 * listed view, and not once for each way of asking.
 *
 * In a year, a month or a day the date becomes a range of the filter. Below events/ too the filter gets a
 * term, which leaves all: events/by-user and by-user are two directories.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/live.h"
#include "fs/tree_private.h"

#define DATE_MAX 32

/* The range of a year, month or day, and its name in a path. */
static int range_of_date(uint64_t dir, char name[DATE_MAX], struct range *ret)
{
	uint32_t date = node_date_of(dir), month = date >> 5 & 15, mday = date & 31;
	int32_t first, last;
	size_t len;

	if (date == NODE_UNDATED) {
		snprintf(name, DATE_MAX, "undated");
		*ret = VIEW_UNDATED;
		return 0;
	}
	if (!node_days(dir, &first, &last))
		return -ESTALE;
	len = (size_t)snprintf(name, DATE_MAX, "%04u", date >> 9);
	if (month)
		len += (size_t)snprintf(name + len, DATE_MAX - len, "/%02u", month);
	if (mday)
		snprintf(name + len, DATE_MAX - len, "/%02u", mday);
	*ret = (struct range){first * 86400ll, last * 86400ll + 86399, -1};
	return 0;
}

/* A directory's own filter, its date included. */
static int filter_of(struct tree *t, uint64_t dir, uint32_t *ret)
{
	uint32_t filter = node_filter(dir);
	struct range range = RANGE_ALL;
	char name[DATE_MAX] = "events";
	int err;

	if (node_kind(dir) == NODE_YEARS && filter != VIEW_ALL) {
		*ret = filter;
		return 0;
	}
	err = node_kind(dir) == NODE_YEARS ? 0 : range_of_date(dir, name, &range);
	return err ? err : view_filter_range(t->view, filter, name, &range, ret);
}

static int find_node(struct tree *t, uint64_t dir, const char *name, uint64_t *ret)
{
	int f = facet_find(name, strlen(name));
	struct range range;
	uint32_t filter;
	int err;

	if (f < 0 && (name[0] != '@' || !range_read(name + 1, strlen(name + 1), time(NULL), &range)))
		return -ENOENT;
	err = filter_of(t, dir, &filter);
	/* Values would be listed there which are not found. */
	if (!err && f >= 0 && view_full(t->view, filter))
		err = -ENAMETOOLONG;
	if (!err && f < 0)
		err = view_filter_range(t->view, filter, name, &range, &filter);
	if (!err)
		*ret = f < 0 ? node_dated(NODE_YEARS, filter, 0)
			     : node_make(NODE_FACET, (uint64_t)filter << 8 | (unsigned)f);
	return err;
}

int tree_lookup_hidden(struct tree *t, uint64_t dir, const char *name, uint64_t *ret_node, struct stat *ret)
{
	uint64_t node = 0;
	int err = find_node(t, dir, name, &node);

	if (!err)
		err = tree_getattr(t, node, ret);
	if (!err)
		*ret_node = node;
	return err;
}

int tree_lookup_id(struct tree *t, const char *name, uint64_t *ret_node, struct stat *ret)
{
	size_t len = strlen(name);
	struct snapshot *s;
	struct day *d;
	struct place at;
	int err;

	if (len < 6 || strcmp(name + len - 5, ".json") != 0)
		return -ENOENT;
	s = catalog_snapshot_of(t->catalog, INT32_MIN, INT32_MAX, &err);
	if (!s)
		return -ENOMEM;
	if (!err)
		err = view_find_id(t->view, s, name, len - 5, &d, &at);
	snapshot_unref(s);
	if (err)
		return err;
	tree_stat_event(t, d->slice[at.slice].part, at.row, d->day, ret);
	*ret_node = tree_node_of(d, at);
	day_unref(d);
	return 0;
}

int tree_read_live(struct tree *t, uint64_t offset, size_t size, struct tree_bytes *ret)
{
	char *out = malloc(size ? size : 1);
	size_t n;
	int err = out ? live_read(t->options.live, offset, size, out, &n) : -ENOMEM;

	if (err) {
		free(out);
		return err;
	}
	*ret = (struct tree_bytes){.data = out, .n = n, .own = out};
	return 0;
}
