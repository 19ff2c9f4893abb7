/*
 * Random log objects with events, and segments made of them: what a segment is compared with. Include after
 * cmocka.h.
 */
#ifndef TESTS_SEGMENT_MODEL_H
#define TESTS_SEGMENT_MODEL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/store/segment_build.h"

#define KEY_DAY       20000
#define RESOURCES_MAX 5

/* What a model is made of. */
struct recipe {
	const char *name;
	uint32_t objects, events; /* up to so many events each */
	uint32_t values;          /* of each facet */
	uint32_t days;            /* 0: all undated */
	bool wide;                /* numbers of all sizes, IDs of all kinds, absent values */
	bool resources;
};

struct model_event {
	int64_t time;
	struct value id, facet[FACET_COUNT], resource[RESOURCES_MAX];
	size_t n_resources;
	uint32_t offset, length, pretty, minified;
	uint64_t hash;
};

struct model_object {
	struct segment_object is;
	char key[32];
	struct model_event *event;
};

struct model {
	uint32_t n, rows;
	struct model_object *object; /* sorted by key */
	char *text;                  /* of values and IDs */
	size_t text_len, text_cap;
};

static uint64_t seed;

static inline uint64_t draw(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % below;
}

/* The bytes are never moved: the model asks for enough at the start. */
static inline struct value keep(struct model *m, const char *p, uint32_t len)
{
	assert_true(m->text_cap - m->text_len >= len);
	struct value v = {m->text + m->text_len, len};
	memcpy(m->text + m->text_len, p, len);
	m->text_len += len;
	return v;
}

/* The k-th value: begins with the odd ones. */
static inline struct value make_value(struct model *m, uint32_t k)
{
	static const struct value odd[] = {
		{"plain", 5}, {"", 0}, {"a", 1}, {"a\0", 2}, {"a\0b", 3}, {"\xff\xfe", 2}, {"/%.", 3}};
	char buf[1000];
	if (k < sizeof odd / sizeof *odd)
		return keep(m, odd[k].p, odd[k].len);
	if (k == 8) {
		memset(buf, 'x', sizeof buf);
		return keep(m, buf, sizeof buf);
	}
	return keep(m, buf, (uint32_t)snprintf(buf, sizeof buf, "value %x", k * 2654435761u));
}

static inline struct value make_id(struct model *m, const struct recipe *r)
{
	char buf[40];
	int n = snprintf(buf, sizeof buf, "%08x-%04x-%04x-%04x-%012llx", (unsigned)draw(UINT32_MAX),
		(unsigned)draw(65536), (unsigned)draw(65536), (unsigned)draw(65536),
		(unsigned long long)draw(1ull << 48));
	switch (r->wide ? draw(12) : 0) {
	case 0:
		return (struct value){NULL, 0};
	case 1:
		return keep(m, "", 0);
	case 2: /* nearly a GUID */
		buf[draw((uint64_t)n)] = "AgG-\0"[draw(5)];
		return keep(m, buf, (uint32_t)n);
	case 3:
		return keep(m, buf, (uint32_t)draw((uint64_t)n));
	case 4:
		return keep(m, "same", 4);
	default:
		return keep(m, buf, (uint32_t)n);
	}
}

static inline uint32_t make_number(const struct recipe *r)
{
	return r->wide ? (uint32_t)draw(UINT64_C(1) << (1 + draw(32))) : 700 + (uint32_t)draw(50);
}

static inline void make_event(struct model *m, const struct recipe *r, struct model_event *e)
{
	e->time = r->days == 0 || (r->wide && draw(10) == 0)
			  ? EVENT_UNDATED
			  : ((int64_t)draw(r->days) * 2 - 1) * 86400 + (int64_t)draw(draw(2) ? 86400 : 3);
	e->id = make_id(m, r);
	for (int f = 0; f < FACET_COUNT; f++)
		if (f != FACET_RESOURCE && !(r->wide && f != FACET_USER && draw(4) == 0))
			e->facet[f] = make_value(m, (uint32_t)draw(r->values));
	if (r->resources && draw(r->wide ? 2 : 50) == 0) {
		uint32_t first = (uint32_t)draw(r->values);
		size_t n = draw(RESOURCES_MAX + 1);
		for (; e->n_resources < n && e->n_resources < r->values; e->n_resources++)
			e->resource[e->n_resources] =
				make_value(m, (first + (uint32_t)e->n_resources) % r->values);
		e->facet[FACET_RESOURCE] = e->resource[0];
	}
	e->offset = make_number(r);
	e->length = make_number(r);
	e->pretty = make_number(r);
	e->minified = r->wide ? make_number(r) : e->length;
	e->hash = draw(UINT64_MAX);
}

static inline void make_model(struct model *m, const struct recipe *r, uint64_t from)
{
	seed = from * 2654435761u + 88172645463325252u;
	*m = (struct model){.n = r->objects};
	m->object = calloc(r->objects + 1, sizeof *m->object);
	m->text_cap =
		(size_t)r->objects * r->events * 40 * (r->values > 8 && r->values < 1000 ? 100 : 20) + 1;
	m->text = malloc(m->text_cap);
	assert_true(m->object && m->text);
	for (uint32_t i = 0; i < r->objects; i++) {
		struct model_object *o = &m->object[i];
		snprintf(o->key, sizeof o->key, "key/%08u\xff", i);
		o->is = (struct segment_object){o->key, draw(UINT64_MAX), draw(UINT64_MAX),
			(int64_t)draw(1u << 31), draw(UINT64_MAX), SEGMENT_IS_LOG, 0, ""};
		if (draw(5) == 0) {
			o->is.problem = "something, or nothing";
			o->is.flags = SEGMENT_DAMAGED;
		}
		o->is.rows = r->events ? 1 + (uint32_t)draw(r->events) : 0;
		if (r->wide && r->objects > 1 && draw(6) == 0)
			o->is.rows = 0;
		o->event = calloc(o->is.rows + 1, sizeof *o->event);
		assert_non_null(o->event);
		for (uint32_t k = 0; k < o->is.rows; k++)
			make_event(m, r, &o->event[k]);
		m->rows += o->is.rows;
	}
}

static inline void free_model(struct model *m)
{
	for (uint32_t i = 0; i < m->n; i++)
		free(m->object[i].event);
	free(m->object);
	free(m->text);
}

static inline void add_events(struct segment_build *b, const struct model_object *o)
{
	for (uint32_t i = 0; i < o->is.rows; i++) {
		const struct model_event *m = &o->event[i];
		struct event e = {m->time, m->id, {{NULL, 0}}, m->resource, m->n_resources};
		memcpy(e.facet, m->facet, sizeof e.facet);
		assert_int_equal(
			segment_build_event(b, &e, m->offset, m->length, m->pretty, m->minified, m->hash), 0);
	}
}

static inline void add_object(struct segment_build *b, const struct model_object *o)
{
	assert_int_equal(segment_build_object(b, &o->is), 0);
	add_events(b, o);
}

/* The i-th of n in an order that is not that of keys. */
static inline uint32_t shuffled(uint32_t i, uint32_t n)
{
	return n % 7919 ? (uint32_t)(((uint64_t)i * 7919 + 3) % n) : n - 1 - i;
}

static inline void build_model(const struct model *m, void **ret_data, size_t *ret_len)
{
	struct segment_build *b = segment_build_new(KEY_DAY);
	assert_non_null(b);
	for (uint32_t i = 0; i < m->n; i++)
		add_object(b, &m->object[shuffled(i, m->n)]);
	assert_int_equal(segment_build_rows(b), m->rows);
	assert_true(segment_build_memory(b) >= (size_t)m->rows * 64);
	assert_int_equal(segment_build_finish(b, ret_data, ret_len), 0);
	segment_build_free(b);
}

static inline void release(void *data, size_t len)
{
	(void)len;
	free(data);
}

static inline struct segment *open_bytes(void *data, size_t len)
{
	struct segment *s;
	const char *reason = "";
	int rc = segment_open_memory(data, len, release, &s, &reason);
	if (rc < 0)
		fail_msg("refused: %s", reason);
	return s;
}

static inline struct segment *open_model(const struct model *m)
{
	void *data;
	size_t len;
	build_model(m, &data, &len);
	return open_bytes(data, len);
}

#endif
