/*
 * What the kernel must drop after an object went away or was replaced: its own name, and the names of its
 * events in every view that was ever looked at.
 */
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

static void drop_event(const struct dropping *x, const struct news *news, uint32_t ordinal)
{
	const struct segment *s = news->part->seg;
	uint32_t row = segment_row_of(s, news->place, ordinal);
	uint32_t code = segment_row_code(s, FACET_EVENT, row);
	int32_t day = segment_day_of(s, row);
	struct name name = {.of = x, .date = NODE_UNDATED};
	char spelled[36];
	int y, m, d;
	size_t len;

	x->drop(x->arg, 0, NULL, node_event(news->object->number, ordinal));
	if (day != SEGMENT_UNDATED) {
		day_to_date(day, &y, &m, &d);
		name.date = node_date(y, m, d);
	}
	len = name_of_event(segment_row_second(s, row),
		code == SEGMENT_NO_CODE ? (struct value){0} : segment_value(s, FACET_EVENT, code),
		segment_row_id(s, row, spelled), segment_row_hash(s, row), name.text);
	memcpy(name.text + len, ".json", 6);
	/* A filter that has no id was never asked for, so the kernel holds nothing of it. */
	view_each_filter(x->t->view, s, row, day, drop_name, &name);
}

void tree_news(
	struct tree *t, void (*drop)(void *arg, uint64_t parent, const char *entry, uint64_t node), void *arg)
{
	const struct dropping x = {t, drop, arg};
	struct news *all = catalog_take_news(t->catalog);

	for (struct news *n = all; n; n = n->next) {
		drop_object(&x, n->object);
		if (!n->part)
			continue;
		for (uint32_t i = 0; i < segment_object(n->part->seg, n->place).rows; i++)
			drop_event(&x, n, i);
	}
	news_free(all);
}
