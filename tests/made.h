/*
 * Segments, parts and snapshots made in memory for tests. Include after cmocka.h.
 */
#ifndef TESTS_MADE_H
#define TESTS_MADE_H

#include <stdlib.h>
#include <string.h>

#include "fs/store/catalog.h"
#include "fs/store/segment_build.h"

#define MADE_RESOURCES 4

/* NULL: absent. */
struct made_event {
	int64_t time;
	const char *id;
	const char *facet[FACET_COUNT];       /* FACET_RESOURCE is not looked at */
	const char *resource[MADE_RESOURCES]; /* up to the first NULL */
	uint64_t hash;
	uint32_t minified;
};

static inline struct value made_value(const char *text)
{
	return text ? (struct value){text, (uint32_t)strlen(text)} : (struct value){NULL, 0};
}

/* A number below `below` of a sequence that begins with *seed, which is not 0. */
static inline uint64_t made_draw(uint64_t *seed, uint64_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (*seed >> 11) % below;
}

static inline void made_add_event(struct segment_build *b, const struct made_event *m)
{
	struct value resource[MADE_RESOURCES];
	struct event e = {.time = m->time, .id = made_value(m->id), .resource = resource};

	for (int f = 0; f < FACET_COUNT; f++)
		if (f != FACET_RESOURCE)
			e.facet[f] = made_value(m->facet[f]);
	while (e.n_resources < MADE_RESOURCES && m->resource[e.n_resources]) {
		resource[e.n_resources] = made_value(m->resource[e.n_resources]);
		e.n_resources++;
	}
	if (e.n_resources)
		e.facet[FACET_RESOURCE] = resource[0];
	assert_int_equal(
		segment_build_event(b, &e, 0, m->minified, m->minified * 2, m->minified, m->hash), 0);
}

static inline void made_add_object(
	struct segment_build *b, const struct source_object *o, uint32_t flags, const char *problem)
{
	const struct segment_object is = {.key = o->key,
		.size = o->size,
		.tag = o->tag,
		.mtime = o->mtime,
		.inflated = o->size * 3,
		.flags = flags,
		.problem = problem};

	assert_int_equal(segment_build_object(b, &is), 0);
}

static inline void made_release(void *data, size_t len)
{
	(void)len;
	free(data);
}

/* The segment of what was built; the build is freed. */
static inline struct segment *made_segment(struct segment_build *b)
{
	const char *reason = "";
	struct segment *s;
	void *data;
	size_t len;

	assert_int_equal(segment_build_finish(b, &data, &len), 0);
	segment_build_free(b);
	assert_int_equal(segment_open_memory(data, len, made_release, &s, &reason), 0);
	return s;
}

/* A part of all objects of a segment, which is taken over; they get the numbers from *next on. */
static inline struct part *made_part(struct segment *seg, uint32_t *next)
{
	uint32_t n = segment_objects(seg);
	struct part *p = calloc(1, sizeof(*p) + n * sizeof(p->object[0]));

	assert_non_null(p);
	*p = (struct part){.refs = 1, .seg = seg, .live = n};
	for (uint32_t i = 0; i < n; i++)
		p->object[i] = (*next)++;
	return p;
}

/* A snapshot of n parts without keys; each is ref'd. */
static inline struct snapshot *made_snapshot(uint64_t generation, struct part *const *part, size_t n)
{
	struct snapshot *s = malloc(sizeof(*s) + n * sizeof(s->part[0]));

	assert_non_null(s);
	*s = (struct snapshot){.refs = 1, .generation = generation, .n = n};
	s->keys = calloc(1, sizeof(*s->keys));
	assert_non_null(s->keys);
	s->keys->refs = 1;
	for (size_t i = 0; i < n; i++)
		s->part[i] = part_ref(part[i]);
	return s;
}

#endif
