/*
 * What main stacks for a folder of logs, from the source to its rollups: made, started, stopped, freed.
 * Without a cache.
 */
#ifndef TESTS_STACK_H
#define TESTS_STACK_H

#include <errno.h>

#include "fs/rollup.h"
#include "fs/store/follow.h"
#include "tests/changes.h"

struct stack {
	struct changes changes;
	struct source *source;
	struct catalog *catalog;
	struct follow *follow;
	struct reader *reader;
	struct days *days;
	struct view *view;
	struct rollups *rollups;
};

/* 0, or an error: then the stack is of no use. */
static inline int stack_make(struct stack *s, const char *folder)
{
	static const struct follow_options options = {.readers = 2};
	static const char *const skip[] = {NULL};
	int err;

	*s = (struct stack){.days = days_new(INT64_MIN, INT64_MAX)};
	changes_init(&s->changes);
	s->view = s->days ? view_new(s->days) : NULL;
	if (!s->view)
		return -ENOMEM;
	err = source_dir_open(folder, skip, &s->source);
	if (!err)
		err = catalog_new(NULL, false, changes_tell, &s->changes, &s->catalog);
	if (!err)
		err = follow_new(s->source, NULL, s->catalog, &options, &s->follow);
	if (!err)
		err = reader_new(s->source, NULL, changes_tell, &s->changes, &s->reader);
	if (!err)
		err = rollups_new(
			s->catalog, s->days, s->view, s->reader, changes_tell, &s->changes, &s->rollups);
	return err;
}

static inline int stack_start(struct stack *s)
{
	int err = reader_start(s->reader);

	if (!err)
		err = rollups_start(s->rollups);
	return err ? err : follow_start(s->follow);
}

static inline void stack_stop(struct stack *s)
{
	follow_stop(s->follow);
	reader_stop(s->reader);
	rollups_stop(s->rollups);
}

/* After all that is stacked on it. */
static inline void stack_clear(struct stack *s)
{
	rollups_free(s->rollups);
	view_free(s->view);
	days_free(s->days);
	reader_free(s->reader);
	follow_free(s->follow);
	catalog_free(s->catalog);
	source_free(s->source);
	changes_clear(&s->changes);
}

#endif
