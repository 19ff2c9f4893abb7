/*
 * Random events in several segments, and the plain O(n²) rules of what is shown of them and under which name.
 * Include after cmocka.h.
 */
#ifndef TESTS_DAYS_MODEL_H
#define TESTS_DAYS_MODEL_H

#include <stdio.h>

#include "fs/view.h"
#include "render/name.h"
#include "tests/made.h"

#define DAY0         20000
#define DAYS         3 /* and undated */
#define CONTENTS_MAX 80
#define ROWS_MAX     400
#define PARTS_MAX    6
#define OBJECTS_MAX  24

/* A record: equal in every object that has it, but for the account that a key may give. */
struct content {
	struct made_event e;
	bool account_of_key;
};

struct model_row {
	const struct content *is;
	const char *account;
	uint32_t object, ordinal;
	bool shown;
	uint32_t clash;
	char stem[NAME_STEM_MAX + 1];
	char name[NAME_LEN_MAX + 8];
};

struct model_object {
	char key[16];
	uint32_t number, part;
	bool live;
	const char *account;
};

struct model {
	uint64_t seed;
	bool plain; /* all IDs are GUIDs, most names of letters */
	int64_t since, until;
	struct content content[CONTENTS_MAX];
	uint32_t n_contents;
	struct model_object object[OBJECTS_MAX];
	uint32_t n_objects;
	struct model_row row[ROWS_MAX];
	uint32_t n;
	uint32_t n_parts;
	struct part *part[PARTS_MAX];
	struct snapshot *snapshot;
	char long_value[4][400];
};

static inline int32_t day_of(int64_t time)
{
	return time == EVENT_UNDATED ? SEGMENT_UNDATED : (int32_t)((time < 0 ? time - 86399 : time) / 86400);
}

static inline uint32_t second_of(int64_t time)
{
	return time == EVENT_UNDATED ? 0 : (uint32_t)(time - (int64_t)day_of(time) * 86400);
}

static inline bool same_text(const char *a, const char *b)
{
	return !a == !b && (!a || !strcmp(a, b));
}

/* Values that are alike, long, odd; NULL now and then. */
static inline const char *model_value(struct model *m, unsigned kinds)
{
	static const char *const some[] = {
		NULL, "alice", "bob", "", ".", "a/b", "al", "\xff\xfe", "x~2", "%41"};
	static const char *const alike[] = {"12345678", "123456789", "123456781", "123456781234567",
		"1234567812345678", "12345678123456789", "12345678123456780"};
	uint64_t i = made_draw(&m->seed, kinds);

	if (i >= 14)
		return alike[i - 14];
	return i < 10 ? some[i] : m->long_value[(i - 10) % 4];
}

static inline void model_content(struct model *m, struct content *c)
{
	static const char *const id[] = {NULL, "a", "a~2", "a~3", "a~2~2", "00000000000000ff",
		"0f3b1c2e-7d51-4f0a-9f0e-2f6c3f0d9a11", "0f3b1c2e-7d51-4f0a-9f0e-2f6c3f0d9a12"};
	static const char *const name[] = {NULL, "x", "x_a", "Run", "-"};
	static const char *const guid[] = {"0f3b1c2e-7d51-4f0a-9f0e-2f6c3f0d9a11",
		"0f3b1c2e-7d51-4f0a-9f0e-2f6c3f0d9a12", "0f3b1c2e-7d51-4f0a-0000-2f6c3f0d9a12",
		"1f3b1c2e-7d51-4f0a-9f0e-2f6c3f0d9a11", "ff3b1c2e-7d51-4f0a-9f0e-2f6c3f0d9a11"};
	static const char *const plain[] = {"Run", "Runs", "RunInstances", "Ru", "a", "Z"};
	int64_t day = DAY0 + (int64_t)made_draw(&m->seed, DAYS);

	*c = (struct content){.account_of_key = made_draw(&m->seed, 2) == 0};
	c->e.time = made_draw(&m->seed, 6) ? day * 86400 + (int64_t)made_draw(&m->seed, 3) * 40000
					   : EVENT_UNDATED;
	c->e.id = id[made_draw(&m->seed, 8)];
	c->e.hash = made_draw(&m->seed, 3) ? 0xff : made_draw(&m->seed, 3);
	c->e.minified = 100 + (uint32_t)made_draw(&m->seed, 2);
	for (int f = 0; f < FACET_COUNT; f++)
		c->e.facet[f] = model_value(m, f % 2 ? 21 : 6);
	c->e.facet[FACET_EVENT] =
		made_draw(&m->seed, 8) ? name[made_draw(&m->seed, 5)] : m->long_value[made_draw(&m->seed, 4)];
	if (m->plain) {
		c->e.id = guid[made_draw(&m->seed, 5)];
		if (made_draw(&m->seed, 60))
			c->e.facet[FACET_EVENT] = plain[made_draw(&m->seed, 6)];
	}
	c->e.facet[FACET_ACCOUNT] = made_draw(&m->seed, 2) ? "111122223333" : NULL;
	for (size_t i = 0, n = made_draw(&m->seed, 4); i < n; i++) {
		static const char *const arn[] = {"arn:1", "arn:2", "arn:3"};

		c->e.resource[i] = arn[i];
	}
}

/* Equal records have equal time, name, ID: (ID, hash, length) says all. */
static inline bool same_record(const struct content *a, const struct content *b)
{
	return same_text(a->e.id, b->e.id) && a->e.hash == b->e.hash && a->e.minified == b->e.minified &&
	       day_of(a->e.time) == day_of(b->e.time);
}

static inline void model_contents(struct model *m, uint32_t n)
{
	while (m->n_contents < n) {
		struct content *c = &m->content[m->n_contents];
		bool is_new = true;

		model_content(m, c);
		for (uint32_t i = 0; i < m->n_contents; i++)
			is_new = is_new && !same_record(c, &m->content[i]);
		/* A hash of its own, where the few are used up. */
		if (!is_new)
			c->e.hash = made_draw(&m->seed, 1ull << 50);
		m->n_contents++;
	}
}

static inline void model_objects(struct model *m, uint32_t n, uint32_t rows)
{
	static const char *const account[] = {NULL, "111122223333", "444455556666"};

	m->n_objects = n;
	for (uint32_t i = 0; i < n; i++) {
		struct model_object *o = &m->object[i];

		/* Keys in no order of parts or numbers. */
		snprintf(o->key, sizeof(o->key), "%03u", (i * 7 + 3) % 101);
		o->part = (uint32_t)made_draw(&m->seed, m->n_parts);
		o->live = made_draw(&m->seed, 6) != 0;
		o->account = account[made_draw(&m->seed, 3)];
		for (uint32_t k = 0; k < rows && m->n < ROWS_MAX; k++) {
			const struct content *c = &m->content[made_draw(&m->seed, m->n_contents)];

			m->row[m->n++] = (struct model_row){
				.is = c,
				.account = c->account_of_key && !c->e.facet[FACET_ACCOUNT]
						   ? o->account
						   : c->e.facet[FACET_ACCOUNT],
				.object = i,
				.ordinal = k,
			};
		}
	}
}

static inline struct segment *model_segment(struct model *m, uint32_t part)
{
	struct segment_build *b = segment_build_new(DAY0);

	assert_non_null(b);
	for (uint32_t i = 0; i < m->n_objects; i++) {
		struct source_object o = {.key = m->object[i].key, .size = 1, .tag = i};

		if (m->object[i].part != part)
			continue;
		made_add_object(b, &o, SEGMENT_IS_LOG, "");
		for (uint32_t k = 0; k < m->n; k++) {
			struct made_event e = m->row[k].is->e;

			if (m->row[k].object != i)
				continue;
			e.facet[FACET_ACCOUNT] = m->row[k].account;
			made_add_event(b, &e);
		}
	}
	return made_segment(b);
}

static inline void model_parts(struct model *m)
{
	uint32_t next = 0;

	for (uint32_t i = 0; i < m->n_parts; i++) {
		struct part *p = m->part[i] = made_part(model_segment(m, i), &next);

		for (uint32_t k = 0; k < segment_objects(p->seg); k++) {
			struct segment_object is = segment_object(p->seg, k);
			struct model_object *o = &m->object[is.tag];

			o->number = p->object[k];
			if (o->live)
				continue;
			p->object[k] = CATALOG_NO_OBJECT;
			p->live--;
		}
	}
	m->snapshot = made_snapshot(m->seed, m->part, m->n_parts);
}

/* ---- the rules ---- */

static inline bool row_counts(const struct model *m, const struct model_row *r)
{
	return m->object[r->object].live &&
	       (r->is->e.time == EVENT_UNDATED || (r->is->e.time >= m->since && r->is->e.time <= m->until));
}

/* Key order, then place in the object. */
static inline bool row_before(const struct model *m, const struct model_row *a, const struct model_row *b)
{
	int order = strcmp(m->object[a->object].key, m->object[b->object].key);

	return order ? order < 0 : a->ordinal < b->ordinal;
}

static inline bool stem_taken(const struct model *m, const char *name, int32_t day)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (row_counts(m, &m->row[i]) && day_of(m->row[i].is->e.time) == day &&
			!strcmp(m->row[i].stem, name))
			return true;
	return false;
}

/* How many shown rows of the same stem come before. */
static inline uint32_t rows_before(const struct model *m, const struct model_row *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->n; i++)
		n += m->row[i].shown && day_of(m->row[i].is->e.time) == day_of(r->is->e.time) &&
		     !strcmp(m->row[i].stem, r->stem) && row_before(m, &m->row[i], r);
	return n;
}

static inline void model_settle(struct model *m)
{
	for (uint32_t i = 0; i < m->n; i++) {
		struct model_row *r = &m->row[i];

		name_of_event(second_of(r->is->e.time), made_value(r->is->e.facet[FACET_EVENT]),
			made_value(r->is->e.id), r->is->e.hash, r->stem);
		r->shown = row_counts(m, r);
		for (uint32_t k = 0; k < m->n && r->shown; k++)
			r->shown = !(row_counts(m, &m->row[k]) && same_record(r->is, m->row[k].is) &&
				     row_before(m, &m->row[k], r));
	}
	for (uint32_t i = 0; i < m->n; i++) {
		struct model_row *r = &m->row[i];
		char name[NAME_LEN_MAX + 8];

		r->clash = 1;
		for (uint32_t before = r->shown ? rows_before(m, r) : 0; before; before--)
			do
				snprintf(name, sizeof(name), "%s~%u", r->stem, ++r->clash);
			while (stem_taken(m, name, day_of(r->is->e.time)));
		snprintf(
			r->name, sizeof(r->name), r->clash > 1 ? "%s~%u.json" : "%s.json", r->stem, r->clash);
	}
}

/* ---- life ---- */

static inline void model_make(struct model *m, uint64_t seed)
{
	*m = (struct model){.seed = seed * 2654435761u + 977, .since = INT64_MIN + 1, .until = INT64_MAX};
	for (int i = 0; i < 4; i++) {
		/* Plain, escapes, characters of four bytes at two offsets: cut at different lengths. */
		static const char *const unit[] = {"long", "\x01", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"};
		size_t len = 0, n = strlen(unit[i]);

		if (i == 3)
			m->long_value[i][len++] = 'y';
		for (; len + n < (i == 1 ? 90 : 300); len += n)
			memcpy(m->long_value[i] + len, unit[i], n);
	}
	m->plain = made_draw(&m->seed, 2) == 0;
	m->n_parts = 1 + (uint32_t)made_draw(&m->seed, PARTS_MAX);
	if (made_draw(&m->seed, 3) == 0)
		m->since = (DAY0 + (int64_t)made_draw(&m->seed, 2)) * 86400 + 40000;
	if (made_draw(&m->seed, 3) == 0)
		m->until = (DAY0 + 1 + (int64_t)made_draw(&m->seed, 2)) * 86400 + 40000;
	model_contents(m, 10 + (uint32_t)made_draw(&m->seed, CONTENTS_MAX - 10));
	model_objects(
		m, 1 + (uint32_t)made_draw(&m->seed, OBJECTS_MAX), 1 + (uint32_t)made_draw(&m->seed, 20));
	model_parts(m);
	model_settle(m);
}

static inline void model_free(struct model *m)
{
	for (uint32_t i = 0; i < m->n_parts; i++)
		part_unref(m->part[i]);
	snapshot_unref(m->snapshot);
}

/* The model's row of a place. */
static inline struct model_row *model_row_at(struct model *m, const struct day *d, struct place at)
{
	const struct segment *s = d->slice[at.slice].part->seg;
	uint32_t object = (uint32_t)segment_object(s, segment_row_object(s, at.row)).tag;

	for (uint32_t i = 0; i < m->n; i++)
		if (m->row[i].object == object && m->row[i].ordinal == segment_row_ordinal(s, at.row))
			return &m->row[i];
	fail_msg("no such row");
	return NULL;
}

#endif
