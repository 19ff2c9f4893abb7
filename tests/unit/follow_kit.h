/*
 * For tests of following a source that is in memory: a mount without FUSE, and waiting for it. Include after
 * cmocka.h.
 */
#ifndef TESTS_UNIT_FOLLOW_KIT_H
#define TESTS_UNIT_FOLLOW_KIT_H

#include <errno.h>

#include "fs/log.h"
#include "fs/store/follow.h"
#include "tests/changes.h"
#include "tests/fake_source.h"
#include "tests/unit/folder.h"

static struct fake source; /* of the test that runs */

static inline int source_set_up(void **state)
{
	(void)state;
	fake_begin(&source);
	return 0;
}

static inline int source_tear_down(void **state)
{
	(void)state;
	fake_end(&source);
	return 0;
}

/* ---- a mount ---- */

struct mount {
	struct changes changes;
	struct fake *fake;
	struct cache *cache;
	struct catalog *catalog;
	struct follow *follow;
	uint64_t want; /* what a condition asks for */
};

/* All but its following; folder NULL: without a cache. */
static inline void mount_prepare(struct mount *m, struct fake *f, const struct folder *folder)
{
	*m = (struct mount){.fake = f};
	changes_init(&m->changes);
	pthread_mutex_lock(&f->lock);
	f->cancelled = false;
	pthread_mutex_unlock(&f->lock);
	if (folder)
		assert_int_equal(cache_open(folder->path, "fake:", &m->cache), 0);
	assert_int_equal(catalog_new(NULL, false, changes_tell, &m->changes, &m->catalog), 0);
}

static inline void mount_follow_as(struct mount *m, struct source *s, const struct follow_options *options)
{
	assert_int_equal(follow_new(s, m->cache, m->catalog, options, &m->follow), 0);
	assert_int_equal(follow_start(m->follow), 0);
}

static inline void mount_follow(struct mount *m, struct source *s)
{
	const struct follow_options options = {.refresh = 0, .readers = 3};

	mount_follow_as(m, s, &options);
}

static inline void mount_begin(struct mount *m, struct fake *f, const struct folder *folder)
{
	mount_prepare(m, f, folder);
	mount_follow(m, &f->base);
}

/* With so much memory. */
static inline void mount_begin_small(
	struct mount *m, struct fake *f, const struct folder *folder, uint64_t memory)
{
	const struct follow_options options = {.refresh = 0, .readers = 3, .memory = memory};

	mount_prepare(m, f, folder);
	mount_follow_as(m, &f->base, &options);
}

static inline void mount_unfollow(struct mount *m)
{
	follow_stop(m->follow);
	follow_free(m->follow);
}

static inline void mount_clear(struct mount *m)
{
	catalog_free(m->catalog);
	cache_free(m->cache);
	changes_clear(&m->changes);
}

static inline void mount_end(struct mount *m)
{
	mount_unfollow(m);
	mount_clear(m);
}

/* Waits until a condition holds. */
static inline void wait_until(struct mount *m, bool (*holds)(struct mount *m), const char *what)
{
	int64_t late = changes_end();

	while (!holds(m))
		if (!changes_wait(&m->changes, late))
			fail_msg("not within %d s: %s", CHANGES_LIMIT, what);
}

/* The wanted number of listings is done and nothing waits. */
static inline bool is_complete(struct mount *m)
{
	struct catalog_counts c = catalog_counts(m->catalog);

	return c.complete && c.listings >= m->want;
}

static inline void wait_complete(struct mount *m, uint64_t listings)
{
	m->want = listings;
	wait_until(m, is_complete, "complete");
}

/* Lists again, and waits for the end of it. */
static inline void refresh(struct mount *m)
{
	uint64_t listings = catalog_counts(m->catalog).listings;

	follow_refresh(m->follow);
	wait_complete(m, listings + 1);
}

/* Live rows: events that are shown. */
static inline uint64_t live_rows(struct mount *m)
{
	struct snapshot *s = catalog_snapshot(m->catalog);
	uint64_t n = 0;

	assert_non_null(s);
	for (size_t i = 0; i < s->n; i++)
		for (uint32_t row = 0; row < segment_rows(s->part[i]->seg); row++)
			n += part_row_live(s->part[i], row);
	snapshot_unref(s);
	return n;
}

static inline void check_all_there(struct mount *m)
{
	struct catalog_counts c = catalog_counts(m->catalog);

	assert_int_equal(live_rows(m), wanted(m->fake));
	assert_int_equal(c.failed + c.damaged + c.waiting + c.problems, 0);
	assert_false(catalog_pending(m->catalog, INT32_MIN, INT32_MAX));
}

#endif
