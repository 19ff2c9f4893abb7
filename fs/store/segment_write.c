/*
 * Makes a finished segment of what segment_build.c collected:
 *
 *   rank    values that rows use are sorted; objects are sorted
 *   sort    a pass over the rows: codes become places in that order, the
 *           resources of each row are sorted, columns are measured; then the
 *           order of rows
 *   plan    how wide columns are, and with that the length of the file
 *   fill    a second pass over the rows writes them
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "fs/store/segment_column.h"
#include "fs/store/segment_rows.h"
#include "fs/store/segment_sort.h"

/* The columns by row, those of the header's table from SECTION_SECOND on. */
#define ROW_COLUMNS (SECTION_CODE + FACET_COUNT - SECTION_SECOND)
/* A few more, always 0: of a multiple of four, gcc -O2 makes loops over vectors. */
#define ROW_NUMBERS ((ROW_COLUMNS + 3) / 4 * 4)

struct writer {
	struct segment_build *b;
	struct built_row *rows;
	struct built_object *objects;
	uint32_t *object_order;        /* place in the segment -> place in the build */
	uint32_t *object_place;        /* and back */
	uint32_t *first;               /* in SECTION_PLACE, by place in the segment */
	uint32_t *order;               /* row of the segment -> row of the build */
	uint32_t *values[FACET_COUNT]; /* code in the segment -> code in the build; n_values of them */
	uint32_t n_values[FACET_COUNT];
	uint32_t *rank[FACET_COUNT]; /* and back */
	uint32_t event_bits;         /* of by-event's place in a sort key */
	uint32_t n_resources, n_days;
	uint32_t min[ROW_NUMBERS], max[ROW_NUMBERS];
	uint64_t length[SECTION_COUNT];
	struct segment_header head;
	char *out;
};

static int by_key(const void *a, const void *b, void *build)
{
	const struct segment_build *s = build;
	const struct built_object *o = built_objects(s);
	return strcmp(
		s->strings.data + o[*(const uint32_t *)a].key, s->strings.data + o[*(const uint32_t *)b].key);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static uint32_t *resources(const struct writer *w)
{
	return (uint32_t *)(void *)w->b->resources.data;
}

/* Sets rank[facet][code] to 1 for every code that a row uses. */
static void mark_used(const struct writer *w)
{
	for (uint32_t i = 0; i < w->b->n_rows; i++)
		for (int f = 0; f < FACET_COUNT; f++)
			if (f != FACET_RESOURCE && w->rows[i].code[f] != SEGMENT_NO_CODE)
				w->rank[f][w->rows[i].code[f]] = 1;
	for (uint32_t i = 0; i < w->n_resources; i++)
		w->rank[FACET_RESOURCE][resources(w)[i]] = 1;
}

/* Sorts the values of a facet that rows use; rank becomes the place of each. */
static int rank_facet(struct writer *w, int f)
{
	struct intern_table *t = &w->b->facet[f];
	uint32_t *rank = w->rank[f], used = 0;
	for (uint32_t code = 0; code < t->n; code++)
		if (!w->b->forgot || rank[code])
			w->values[f][used++] = code;
	int rc = sort_values(t, w->values[f], used);
	for (uint32_t i = 0; i < used; i++)
		rank[w->values[f][i]] = i;
	w->n_values[f] = used;
	return rc;
}

static int rank_values(struct writer *w)
{
	int rc = 0;
	for (int f = 0; f < FACET_COUNT; f++) {
		size_t n = (size_t)w->b->facet[f].n + 1;
		w->rank[f] = calloc(n, sizeof *w->rank[f]);
		w->values[f] = malloc(n * sizeof *w->values[f]);
		if (!w->rank[f] || !w->values[f])
			return -ENOMEM;
	}
	if (w->b->forgot)
		mark_used(w);
	for (int f = 0; f < FACET_COUNT && rc == 0; f++)
		rc = rank_facet(w, f);
	return rc;
}

static int rank_objects(struct writer *w)
{
	uint32_t n = w->b->n_objects, row = 0;
	w->object_order = malloc(((size_t)n + 1) * sizeof *w->object_order);
	w->object_place = malloc(((size_t)n + 1) * sizeof *w->object_place);
	w->first = malloc(((size_t)n + 1) * sizeof *w->first);
	if (!w->object_order || !w->object_place || !w->first)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		w->object_order[i] = i;
		w->objects[i].is.rows =
			(i + 1 < n ? w->objects[i + 1].first : w->b->n_rows) - w->objects[i].first;
	}
	if (n > 1)
		qsort_r(w->object_order, n, sizeof *w->object_order, by_key, w->b);
	for (uint32_t i = 0; i < n; i++) {
		w->object_place[w->object_order[i]] = i;
		w->first[i] = row;
		row += w->objects[w->object_order[i]].is.rows;
	}
	return 0;
}

#define SORT_EVENT_BITS 24
#define SORT_EVENT_MAX  ((1u << SORT_EVENT_BITS) - 1)

/* What rows are sorted by, as far as it fits in a number: the rest is looked up when these are equal. */

/* by-event's place, absent first. */
static uint32_t event_place(const struct writer *w, const struct built_row *r)
{
	uint32_t code = r->code[FACET_EVENT];
	return code == w->n_values[FACET_EVENT] ? 0 : code + 1;
}

static uint64_t sort_number(const struct writer *w, const struct built_row *r)
{
	uint64_t time = r->day == SEGMENT_UNDATED
				? 0
				: (uint64_t)((int64_t)r->day - SEGMENT_DAY_MIN) * 86400 + r->second + 1;
	uint32_t event = event_place(w, r);
	return time << w->event_bits | (event < SORT_EVENT_MAX ? event : SORT_EVENT_MAX);
}

static struct value spell_id(const struct writer *w, const struct built_row *r, char buf[36])
{
	uint32_t at[2];
	memcpy(at, r->id, sizeof at);
	if (r->id_kind == ID_TEXT)
		return (struct value){w->b->id_text.data + at[0], at[1]};
	segment_spell_guid(r->id, buf);
	return (struct value){buf, 36};
}

static int compare_ids(const struct writer *w, const struct built_row *a, const struct built_row *b)
{
	char a_buf[36], b_buf[36];
	if (a->id_kind == ID_NONE || b->id_kind == ID_NONE)
		return (a->id_kind != ID_NONE) - (b->id_kind != ID_NONE);
	if (a->id_kind == ID_GUID && b->id_kind == ID_GUID)
		return memcmp(a->id, b->id, sizeof a->id);
	struct value x = spell_id(w, a, a_buf), y = spell_id(w, b, b_buf);
	return sort_compare(x.p, x.len, y.p, y.len);
}

static int by_row(const void *a, const void *b, void *writer)
{
	const struct writer *w = writer;
	const struct sort_key *x = a, *y = b;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	const struct built_row *r = &w->rows[x->item], *s = &w->rows[y->item];
	uint32_t r_event = event_place(w, r), s_event = event_place(w, s);
	if (r_event != s_event)
		return r_event < s_event ? -1 : 1;
	int order = compare_ids(w, r, s);
	if (order)
		return order;
	uint32_t r_object = w->object_place[r->object], s_object = w->object_place[s->object];
	if (r_object != s_object)
		return r_object < s_object ? -1 : 1;
	return r->ordinal < s->ordinal ? -1 : r->ordinal > s->ordinal;
}

/* The numbers of a row in the columns by row. That of by-resource is not by row: 0. */
static void row_numbers(const struct writer *w, const struct built_row *r, uint32_t ret[ROW_NUMBERS])
{
	ret[0] = r->second; /* SECTION_SECOND is the first of them */
	ret[SECTION_OBJECT - SECTION_SECOND] = w->object_place[r->object];
	ret[SECTION_ORDINAL - SECTION_SECOND] = r->ordinal;
	ret[SECTION_OFFSET - SECTION_SECOND] = r->offset;
	ret[SECTION_LENGTH - SECTION_SECOND] = r->length;
	ret[SECTION_PRETTY - SECTION_SECOND] = r->pretty - r->length + SEGMENT_PRETTY_ADD;
	ret[SECTION_MINIFIED - SECTION_SECOND] = r->length - r->minified;
	ret[SECTION_ID_KIND - SECTION_SECOND] = r->id_kind;
	memcpy(&ret[SECTION_CODE - SECTION_SECOND], r->code, sizeof r->code);
	ret[SECTION_CODE + FACET_RESOURCE - SECTION_SECOND] = 0;
	for (int i = ROW_COLUMNS; i < ROW_NUMBERS; i++)
		ret[i] = 0;
}

/* Renames the codes of a row to places in the order of values. Absent becomes the number of values. */
static void rename_codes(const struct writer *w, struct built_row *r)
{
	for (int f = 0; f < FACET_COUNT; f++)
		if (f != FACET_RESOURCE)
			r->code[f] = r->code[f] == SEGMENT_NO_CODE ? w->n_values[f] : w->rank[f][r->code[f]];
	if (r->n_resources == 0)
		return;
	uint32_t *resource = resources(w) + r->code[FACET_RESOURCE];
	for (uint32_t i = 0; i < r->n_resources; i++)
		resource[i] = w->rank[FACET_RESOURCE][resource[i]];
	if (r->n_resources > 1)
		qsort(resource, r->n_resources, sizeof *resource, by_number);
}

static void measure_row(struct writer *w, const struct built_row *r)
{
	uint32_t number[ROW_NUMBERS];
	row_numbers(w, r, number);
	for (int c = 0; c < ROW_NUMBERS; c++) {
		w->min[c] = w->min[c] < number[c] ? w->min[c] : number[c];
		w->max[c] = w->max[c] > number[c] ? w->max[c] : number[c];
	}
}

#define ROWS_AHEAD 8

/* The row at a place in the segment. Neighbours there lie far apart here: one that is wanted soon is fetched.
 */
static inline const struct built_row *row_at(const struct writer *w, uint32_t i)
{
	if (i + ROWS_AHEAD < w->b->n_rows) {
		const char *soon = (const char *)&w->rows[w->order[i + ROWS_AHEAD]];
		__builtin_prefetch(soon);
		__builtin_prefetch(soon + 64);
	}
	return &w->rows[w->order[i]];
}

/* All that needs each row, in whatever order, in one go: together they are larger than caches. */
static void look_at_rows(struct writer *w, struct sort_key *keys)
{
	memset(w->min, 0xff, sizeof w->min);
	w->event_bits = 1;
	while (w->event_bits < SORT_EVENT_BITS && w->n_values[FACET_EVENT] >> w->event_bits)
		w->event_bits++;
	for (uint32_t i = 0; i < w->b->n_rows; i++) {
		rename_codes(w, &w->rows[i]);
		measure_row(w, &w->rows[i]);
		keys[i] = (struct sort_key){sort_number(w, &w->rows[i]), i};
	}
}

static int sort_rows(struct writer *w)
{
	uint32_t n = w->b->n_rows;
	struct arena room = {0};
	struct sort_key *keys = arena_add(&room, 2 * ((size_t)n + 1) * sizeof *keys), *sorted;
	w->order = malloc(((size_t)n + 1) * sizeof *w->order);
	if (!keys || !w->order) {
		arena_clear(&room);
		return -ENOMEM;
	}
	look_at_rows(w, keys);
	sorted = sort_keys(keys, keys + n, n);
	/* Where keys are the same, the rest of by_row() decides. */
	for (uint32_t i = 0, end; i < n; i = end) {
		end = sort_run(sorted, i, n);
		if (end - i > 1)
			qsort_r(sorted + i, end - i, sizeof *sorted, by_row, w);
	}
	for (uint32_t i = 0; i < n; i++)
		w->order[i] = sorted[i].item;
	arena_clear(&room);
	return 0;
}

static void plan_column(struct writer *w, int i, uint32_t n, uint32_t min, uint32_t max, bool plain)
{
	struct column c = {0};
	if (n > 0)
		column_fit(min, max, plain, &c);
	w->head.section[i].base = c.base;
	w->head.section[i].width = c.width;
	w->length[i] = (uint64_t)n * c.width;
}

static void plan_row_columns(struct writer *w)
{
	uint32_t n = w->b->n_rows;
	for (int c = 0; c < ROW_COLUMNS; c++)
		plan_column(
			w, SECTION_SECOND + c, n, w->min[c], w->max[c], SECTION_SECOND + c >= SECTION_CODE);
	plan_column(w, SECTION_PLACE, n, 0, n ? n - 1 : 0, false);
	plan_column(w, SECTION_RESOURCE, n + 1, 0, w->n_resources, true);
}

static void plan_resource_codes(struct writer *w)
{
	uint32_t min = UINT32_MAX, max = 0;
	for (uint32_t i = 0; i < w->n_resources; i++) {
		uint32_t code = resources(w)[i];
		min = min < code ? min : code;
		max = max > code ? max : code;
	}
	plan_column(w, SECTION_CODE + FACET_RESOURCE, w->n_resources, min, max, true);
}

static uint64_t strings_length(const struct writer *w)
{
	uint64_t n = 1;
	for (uint32_t i = 0; i < w->b->n_objects; i++) {
		const char *problem = w->b->strings.data + w->objects[i].problem;
		n += strlen(w->b->strings.data + w->objects[i].key) + 1;
		n += *problem ? strlen(problem) + 1 : 0;
	}
	return n;
}

static uint64_t values_length(const struct writer *w, int f)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < w->n_values[f]; i++)
		n += interned(&w->b->facet[f], w->values[f][i])->len;
	return n;
}

/* The sections that are not columns, then where each begins. -EFBIG. */
static int plan_table(struct writer *w)
{
	uint64_t *length = w->length, rows = w->b->n_rows, at = sizeof w->head;
	bool any_id = w->head.section[SECTION_ID_KIND].width || w->head.section[SECTION_ID_KIND].base;
	length[SECTION_OBJECTS] = (uint64_t)w->b->n_objects * sizeof(struct segment_object_entry);
	length[SECTION_STRINGS] = strings_length(w);
	length[SECTION_DAYS] = (uint64_t)w->n_days * sizeof(struct segment_day);
	length[SECTION_HASH] = rows * sizeof(uint64_t);
	length[SECTION_ID] = any_id ? rows * 16 : 0;
	length[SECTION_ID_TEXT] = w->b->id_text.len;
	for (int f = 0; f < FACET_COUNT; f++) {
		length[SECTION_VALUE_START + f] = ((uint64_t)w->n_values[f] + 1) * sizeof(uint32_t);
		length[SECTION_VALUE_TEXT + f] = values_length(w, f);
		length[SECTION_VALUE_NEWEST + f] = (uint64_t)w->n_values[f] * sizeof(int64_t);
	}
	for (int i = 0; i < SECTION_COUNT; i++) {
		w->head.section[i].offset = (uint32_t)at;
		w->head.section[i].length = (uint32_t)length[i];
		at += segment_fill(length[i]);
		if (at > UINT32_MAX)
			return -EFBIG;
	}
	w->head.length = at;
	return 0;
}

static int plan(struct writer *w)
{
	int32_t day = 0;
	for (uint32_t i = 0; i < w->b->n_rows; i++) {
		int32_t of_row = row_at(w, i)->day;
		w->n_days += i == 0 || of_row != day;
		day = of_row;
	}
	memcpy(w->head.magic, SEGMENT_MAGIC, sizeof w->head.magic);
	w->head.version = SEGMENT_VERSION;
	w->head.sections = SECTION_COUNT;
	w->head.key_day = w->b->key_day;
	w->head.rows = w->b->n_rows;
	w->head.objects = w->b->n_objects;
	w->head.days = w->n_days;
	plan_row_columns(w);
	plan_resource_codes(w);
	return plan_table(w);
}

static void *section(const struct writer *w, int i)
{
	return w->out + w->head.section[i].offset;
}

static struct column column(const struct writer *w, int i)
{
	const struct segment_table_entry *e = &w->head.section[i];
	return (struct column){section(w, i), e->base, e->width};
}

static void fill_objects(struct writer *w)
{
	struct segment_object_entry *to = section(w, SECTION_OBJECTS);
	char *strings = section(w, SECTION_STRINGS);
	uint32_t at = 1;
	for (uint32_t i = 0; i < w->b->n_objects; i++, to++) {
		const struct built_object *o = &w->objects[w->object_order[i]];
		const char *key = w->b->strings.data + o->key, *problem = w->b->strings.data + o->problem;
		to->size = o->is.size;
		to->tag = o->is.tag;
		to->mtime = o->is.mtime;
		to->inflated = o->is.inflated;
		to->flags = o->is.flags;
		to->first = w->first[i];
		to->rows = o->is.rows;
		to->key = at;
		memcpy(strings + at, key, strlen(key));
		at += (uint32_t)strlen(key) + 1;
		if (!*problem)
			continue;
		to->problem = at;
		memcpy(strings + at, problem, strlen(problem));
		at += (uint32_t)strlen(problem) + 1;
	}
}

static void fill_days(struct writer *w)
{
	struct segment_day *day = section(w, SECTION_DAYS);
	for (uint32_t i = 0; i < w->b->n_rows; i++) {
		int32_t of_row = row_at(w, i)->day;
		if (i == 0 || of_row != day[-1].day)
			*day++ = (struct segment_day){of_row, i, i};
		day[-1].end = i + 1;
	}
}

static void fill_id(struct writer *w, const struct built_row *r, uint8_t to[16], uint32_t *text)
{
	memcpy(to, r->id, 16);
	if (r->id_kind != ID_TEXT)
		return;
	/* In the order of rows, whatever order they were added in. */
	struct value id = spell_id(w, r, NULL);
	memcpy((char *)section(w, SECTION_ID_TEXT) + *text, id.p, id.len);
	memcpy(to, text, sizeof *text);
	*text += id.len;
}

static void fill_resources(struct writer *w)
{
	struct column start = column(w, SECTION_RESOURCE), code = column(w, SECTION_CODE + FACET_RESOURCE);
	uint32_t at = 0;
	for (uint32_t i = 0; i < w->b->n_rows; i++) {
		const struct built_row *r = row_at(w, i);
		const uint32_t *from = resources(w) + r->code[FACET_RESOURCE];
		column_put(&start, i, at);
		for (uint32_t k = 0; k < r->n_resources; k++)
			column_put(&code, at++, from[k]);
	}
	column_put(&start, w->b->n_rows, at);
}

/* Rows come in the order of their times: the last one is the newest. */
static void newest(struct writer *w, int f, uint32_t code, int64_t time)
{
	int64_t *of = section(w, SECTION_VALUE_NEWEST + f);
	if (code < w->n_values[f])
		of[code] = time;
}

static void fill_values(struct writer *w, int f)
{
	const struct intern_table *t = &w->b->facet[f];
	uint32_t *start = section(w, SECTION_VALUE_START + f), at = 0;
	int64_t *newest_of = section(w, SECTION_VALUE_NEWEST + f);
	char *text = section(w, SECTION_VALUE_TEXT + f);
	for (uint32_t i = 0; i < w->n_values[f]; i++) {
		const struct interned *from = interned(t, w->values[f][i]);
		memcpy(text + at, interned_text(from), from->len);
		newest_of[i] = EVENT_UNDATED;
		start[i] = at;
		at += from->len;
	}
	start[w->n_values[f]] = at;
}

static void fill_newest(struct writer *w, const struct built_row *r)
{
	if (r->day == SEGMENT_UNDATED)
		return;
	int64_t time = (int64_t)r->day * 86400 + r->second;
	for (int f = 0; f < FACET_COUNT; f++)
		if (f != FACET_RESOURCE)
			newest(w, f, r->code[f], time);
	for (uint32_t i = 0; i < r->n_resources; i++)
		newest(w, FACET_RESOURCE, resources(w)[r->code[FACET_RESOURCE] + i], time);
}

/* Rows are brought to columns a block at a time. */
#define BLOCK 64

static void fill_numbers(struct writer *w, uint32_t first, uint32_t n)
{
	uint32_t number[ROW_COLUMNS][BLOCK], of_row[ROW_NUMBERS];
	for (uint32_t i = 0; i < n; i++) {
		row_numbers(w, row_at(w, first + i), of_row);
		for (int c = 0; c < ROW_COLUMNS; c++)
			number[c][i] = of_row[c];
	}
	for (int c = 0; c < ROW_COLUMNS; c++) {
		struct column to = column(w, SECTION_SECOND + c);
		if (SECTION_SECOND + c != SECTION_CODE + FACET_RESOURCE)
			column_put_many(&to, first, number[c], n);
	}
}

static void fill_rows(struct writer *w)
{
	struct column place = column(w, SECTION_PLACE);
	uint64_t *hash = section(w, SECTION_HASH);
	uint8_t(*id)[16] = section(w, SECTION_ID);
	uint32_t n = w->b->n_rows, id_text = 0;
	bool any_id = w->head.section[SECTION_ID].length > 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct built_row *r = row_at(w, i);
		if (i % BLOCK == 0)
			fill_numbers(w, i, n - i < BLOCK ? n - i : BLOCK);
		column_put(&place, w->first[w->object_place[r->object]] + r->ordinal, i);
		hash[i] = r->hash;
		if (any_id)
			fill_id(w, r, id[i], &id_text);
		fill_newest(w, r);
	}
}

static void fill(struct writer *w)
{
	memcpy(w->out, &w->head, sizeof w->head);
	fill_objects(w);
	fill_days(w);
	fill_resources(w);
	for (int f = 0; f < FACET_COUNT; f++)
		fill_values(w, f);
	fill_rows(w);
	segment_seal(w->out, w->head.length);
}

void segment_seal(void *data, size_t len)
{
	struct segment_header *h = data;
	if (len < sizeof *h)
		return;
	for (int i = 0; i < SECTION_COUNT; i++) {
		struct segment_table_entry *e = &h->section[i];
		if (e->offset + segment_fill(e->length) <= len)
			e->checksum = XXH3_64bits((const char *)data + e->offset, segment_fill(e->length));
	}
	h->checksum = XXH3_64bits(h, offsetof(struct segment_header, checksum));
}

static void writer_clear(struct writer *w)
{
	free(w->object_order);
	free(w->object_place);
	free(w->first);
	free(w->order);
	for (int f = 0; f < FACET_COUNT; f++) {
		free(w->values[f]);
		free(w->rank[f]);
	}
}

int segment_build_finish(struct segment_build *b, void **ret_data, size_t *ret_len)
{
	struct writer w = {.b = b, .rows = built_rows(b), .objects = built_objects(b)};
	w.n_resources = (uint32_t)(b->resources.len / sizeof(uint32_t));
	int rc = rank_values(&w);
	if (rc == 0)
		rc = rank_objects(&w);
	if (rc < 0)
		goto out;
	rc = sort_rows(&w);
	if (rc == 0)
		rc = plan(&w);
	if (rc < 0)
		goto out;
	w.out = calloc(1, w.head.length);
	if (!w.out) {
		rc = -ENOMEM;
		goto out;
	}
	fill(&w);
	*ret_data = w.out;
	*ret_len = w.head.length;
out:
	writer_clear(&w);
	return rc;
}
