/*
 * What the kernel must drop after an object went away or was replaced: its own name, and the names of its
 * events in every view that was ever looked at. And after one came: the names of events that have a number
 * since then, or another one, because it holds other events of that name. (Names with a number the kernel
 * never keeps for long: tree_name_moves().)
 */
#include <stdlib.h>
#include <string.h>

#include "fs/tree_private.h"
#include "render/name.h"

struct dropping {
	struct tree *t;
	void (*drop)(void *arg, uint64_t parent, const char *entry, uint64_t node);
	void *arg;
};

static void drop_object(const struct dropping *x, const struct object *o)
{
	const char *slash = strrchr(o->at.key, '/');
	size_t len = slash ? (size_t)(slash - o->at.key) + 1 : 0;
	uint32_t number;
	char name[NAME_LEN_MAX + 1];
	struct value raw = {o->at.key + len, (uint32_t)strlen(o->at.key + len)};

	x->drop(x->arg, 0, NULL, node_make(NODE_OBJECT, o->number));
	if (tree_prefix(x->t, o->at.key, len, false, &number))
		return;
	if (o->gunzip)
		raw.len -= 3;
	name_of_value(raw, name);
	x->drop(x->arg, len ? node_make(NODE_BUCKET, number) : (uint64_t)NODE_ROOT, name, 0);
}

/* A name in each directory of a day that it may be in. */
struct name {
	const struct dropping *of;
	uint32_t date;
	char text[NAME_STEM_MAX + 8];
};

static void drop_name(void *arg, uint32_t filter)
{
	const struct name *x = arg;

	x->of->drop(x->of->arg, node_dated(NODE_DAY, filter, x->date), x->text, 0);
}

/* The name of a row, without a number, in every view that the row is in. */
static void drop_names(const struct dropping *x, const struct segment *s, uint32_t row)
{
	uint32_t code = segment_row_code(s, FACET_EVENT, row);
	int32_t day = segment_day_of(s, row);
	struct name name = {.of = x, .date = NODE_UNDATED};
	struct value event = {0};
	char spelled[36];
	int y, m, d;
	size_t len;

	if (day != SEGMENT_UNDATED) {
		day_to_date(day, &y, &m, &d);
		name.date = node_date(y, m, d);
	}
	if (code != SEGMENT_NO_CODE)
		event = segment_value(s, FACET_EVENT, code);
	len = name_of_event(segment_row_second(s, row), event, segment_row_id(s, row, spelled),
		segment_row_hash(s, row), name.text);
	memcpy(name.text + len, ".json", 6);
	/* A filter that has no id was never asked for, so the kernel holds nothing of it. */
	view_each_filter(x->t->view, s, row, day, drop_name, &name);
}

static void drop_events(const struct dropping *x, const struct news *news)
{
	const struct segment *s = news->part->seg;

	for (uint32_t i = 0; i < segment_object(s, news->place).rows; i++) {
		x->drop(x->arg, 0, NULL, node_event(news->object->number, i));
		drop_names(x, s, segment_row_of(s, news->place, i));
	}
}

/* ---- what came ---- */

/* Drops the names of events that stand behind others of the name of a row. */
static void drop_numbered(const struct dropping *x, struct day *d, struct place at)
{
	char stem[NAME_STEM_MAX + 1];
	struct place *numbered;
	size_t n;

	day_stem(d, at, stem);
	if (day_numbered(d, stem, &numbered, &n))
		return;
	for (size_t i = 0; i < n; i++)
		drop_names(x, d->slice[numbered[i].slice].part->seg, numbered[i].row);
	free(numbered);
}

/* Of one row of a part; false: the snapshot has the part no more. */
static bool look_at(const struct dropping *x, const struct snapshot *s, const struct part *p, uint32_t row)
{
	struct place at = {0, row};
	struct day *d;
	bool found;

	if (days_open(x->t->days, s, segment_day_of(p->seg, row), &d))
		return true;
	while (at.slice < d->n_slices && d->slice[at.slice].part != p)
		at.slice++;
	found = at.slice < d->n_slices;
	if (found && !day_settle_rows(d, at.slice, &row, 1) &&
		__atomic_load_n(&d->n_clashes, __ATOMIC_RELAXED))
		drop_numbered(x, d, at);
	day_unref(d);
	return found;
}

/* false: things have changed meanwhile. */
static bool look_at_object(const struct dropping *x, uint32_t number)
{
	struct snapshot *s;
	struct part *p;
	uint32_t place;
	bool was = true;

	if (catalog_locate(x->t->catalog, number, &p, &place))
		return true; /* it has gone again, or has no events */
	s = catalog_snapshot(x->t->catalog);
	for (uint32_t i = 0; s && i < segment_object(p->seg, place).rows && was; i++)
		was = look_at(x, s, p, segment_row_of(p->seg, place, i));
	snapshot_unref(s);
	part_unref(p);
	return was;
}

/* ---- public ---- */

void tree_news(
	struct tree *t, void (*drop)(void *arg, uint64_t parent, const char *entry, uint64_t node), void *arg)
{
	const struct dropping x = {t, drop, arg};
	struct news *all = catalog_take_news(t->catalog);

	for (struct news *n = all; n; n = n->next) {
		if (n->arrived) {
			while (!look_at_object(&x, n->object->number))
				;
			continue;
		}
		drop_object(&x, n->object);
		if (n->part)
			drop_events(&x, n);
	}
	news_free(all);
}
