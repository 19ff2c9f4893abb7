/*
 * A view of segments made by hand. Include after cmocka.h.
 */
#ifndef TESTS_VIEW_FIXTURE_H
#define TESTS_VIEW_FIXTURE_H

#include "fs/view.h"
#include "tests/made.h"

#define DAY0 20000

struct fixture {
	struct days *days;
	struct view *view;
};

static inline struct fixture make(void)
{
	struct fixture f = {.days = days_new(INT64_MIN + 1, INT64_MAX)};

	f.view = view_new(f.days);
	assert_non_null(f.view);
	return f;
}

static inline void end(struct fixture *f)
{
	view_free(f->view);
	days_free(f->days);
}

static inline struct snapshot *snapshot_of(uint64_t generation, struct segment *const *seg, size_t n)
{
	struct part *part[4];
	struct snapshot *s;
	uint32_t next = 0;

	for (size_t i = 0; i < n; i++)
		part[i] = made_part(seg[i], &next);
	s = made_snapshot(generation, part, n);
	for (size_t i = 0; i < n; i++)
		part_unref(part[i]);
	return s;
}

static inline struct segment *segment_of(const char *key, const struct made_event *e)
{
	struct segment_build *b = segment_build_new(DAY0);
	struct source_object o = {.key = key};

	made_add_object(b, &o, SEGMENT_IS_LOG, "");
	made_add_event(b, e);
	return made_segment(b);
}

#endif
