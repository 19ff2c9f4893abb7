/*
 * The index, by following a source: segments of the cache are adopted, new objects read, segments written,
 * merged and swept. Before it two mounts have left segments of the same days, one of which is damaged inside
 * and one cut off.
 *
 * Whatever the disk does, everything is shown: what cannot be kept is in memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/store/follow.h"
#include "fs/store/segment_format.h"
#include "tests/changes.h"
#include "tests/disk/disk.h"
#include "tests/disk/scene.h"
#include "tests/fake_source.h"

#define DAYS  4
#define NAMED (DAYS + 1) /* key days that have segments: these and none */

enum note {
	WRITTEN, /* a segment's file is there for good */
	REMOVING
};

static struct fake fake;
static uint32_t known; /* what of the source as it is in the end was known before: see covered() */

/* ---- what the store says of its segments ---- */

int __real_cache_write(struct cache *c, const void *data, size_t len, char ret_name[32]);
int __wrap_cache_write(struct cache *c, const void *data, size_t len, char ret_name[32]);
int __wrap_cache_write(struct cache *c, const void *data, size_t len, char ret_name[32])
{
	int r = __real_cache_write(c, data, len, ret_name);

	if (r == 0)
		disk_note(WRITTEN, ret_name);
	return r;
}

void __real_cache_remove(struct cache *c, const char *name);
void __wrap_cache_remove(struct cache *c, const char *name);
void __wrap_cache_remove(struct cache *c, const char *name)
{
	disk_note(REMOVING, name);
	__real_cache_remove(c, name);
}

/* ---- a mount ---- */

struct mount {
	struct changes changes;
	struct cache *cache;
	struct catalog *catalog;
	struct follow *follow;
};

static void mount_end(struct mount *m)
{
	if (m->follow)
		follow_stop(m->follow);
	follow_free(m->follow);
	catalog_free(m->catalog);
	cache_free(m->cache);
	changes_clear(&m->changes);
}

/* False: there is no memory to begin with. */
static bool mount_begin(struct mount *m, const char *cache_dir)
{
	const struct follow_options options = {.refresh = 0, .readers = 1};
	int r;

	*m = (struct mount){.cache = NULL};
	changes_init(&m->changes);
	fake.cancelled = false;
	if (cache_open(cache_dir, "fake:", &m->cache) < 0)
		m->cache = NULL; /* it goes on without */
	DISK_CHECK(catalog_new(NULL, false, changes_tell, &m->changes, &m->catalog) == 0);
	r = follow_new(&fake.base, m->cache, m->catalog, &options, &m->follow);
	DISK_CHECK(r == 0 || r == -ENOMEM);
	if (r < 0) {
		mount_end(m);
		return false;
	}
	DISK_CHECK(follow_start(m->follow) == 0);
	return true;
}

/* Until so many listings are done and nothing waits. */
static void wait_complete(struct mount *m, uint64_t listings)
{
	int64_t late = changes_end();
	struct catalog_counts c;

	while (c = catalog_counts(m->catalog), !c.complete || c.listings < listings)
		DISK_CHECK(changes_wait(&m->changes, late));
}

/* Lists again. Where a second listing is done, the first one's merges are; and where a third one is, those
 * that a reader was at. */
static void refresh(struct mount *m)
{
	uint64_t listings = catalog_counts(m->catalog).listings;

	for (int i = 0; i < 3; i++) {
		follow_refresh(m->follow);
		wait_complete(m, ++listings);
	}
}

/* ---- what is shown ---- */

static void remove_bad(void *arg, const char *name)
{
	struct mount *m = arg;

	if (*name)
		cache_remove(m->cache, name);
}

/* Each row must be its object's. False: it turns out to be damaged. */
static bool is_right(const struct segment *s, uint32_t row)
{
	char buf[36], want[128];
	struct value id = segment_row_id(s, row, buf);
	struct segment_object o = segment_object(s, segment_row_object(s, row));

	if (segment_is_bad(s))
		return false;
	snprintf(want, sizeof(want), "%s %u", o.key, (unsigned)o.tag);
	DISK_CHECK(id.len == strlen(want) && memcmp(id.p, want, id.len) == 0);
	return true;
}

/* Live rows of a part; -1: it is damaged. */
static int rows_of(const struct part *p)
{
	int n = 0;

	for (uint32_t row = 0; row < segment_rows(p->seg); row++) {
		bool live = part_row_live(p, row);

		if (!is_right(p->seg, row))
			return -1;
		n += live;
	}
	return n;
}

static int rows_shown(struct mount *m)
{
	struct snapshot *s = catalog_snapshot(m->catalog);
	int n = 0;

	DISK_CHECK(s);
	for (size_t i = 0; i < s->n && n >= 0; i++) {
		int rows = rows_of(s->part[i]);

		n = rows < 0 ? -1 : n + rows;
	}
	snapshot_unref(s);
	return n;
}

/* A merge may find damage at any time: then what it was in is read again. */
static void check_all_there(struct mount *m)
{
	int64_t late = changes_end();
	struct catalog_counts c;
	int rows;

	for (;;) {
		wait_complete(m, 1);
		rows = rows_shown(m);
		c = catalog_counts(m->catalog);
		DISK_CHECK(c.failed + c.damaged + c.problems == 0);
		if (c.waiting == 0 && (unsigned)rows == wanted(&fake))
			return;
		if (rows < 0) /* as whoever shows them does */
			catalog_distrust(m->catalog, remove_bad, m);
		DISK_CHECK(clock_now() <= late);
	}
}

/* ---- the scene ---- */

static void put_day(int day, char which)
{
	char key[96];

	snprintf(key, sizeof(key), LOGS "2025/06/%02d/%c.json", day, which);
	put(&fake, key);
}

static void index_of(const char *cache_dir, char which)
{
	struct mount m;

	fake_begin(&fake);
	for (int day = 1; day <= 3; day++)
		put_day(day, which);
	if (which == 'a')
		put(&fake, "loose/1.json");
	DISK_CHECK(mount_begin(&m, cache_dir));
	wait_complete(&m, 1);
	mount_end(&m);
	fake_end(&fake);
}

static void folder_of(const char *cache_dir, char folder[256])
{
	struct cache *c;

	DISK_CHECK(cache_open(cache_dir, "fake:", &c) == 0);
	snprintf(folder, 256, "%s", cache_path(c, "."));
	cache_free(c);
}

static void begin_source(void)
{
	fake_begin(&fake);
	for (int day = 1; day <= 3; day++) {
		put_day(day, 'a');
		put_day(day, 'b');
	}
	put(&fake, "loose/1.json");
}

/* What comes and goes meanwhile. */
static void change_source(void)
{
	put_day(1, 'c');
	put_day(2, 'c');
	put_day(DAYS, 'c');
	put_day(2, 'b'); /* another version */
	take_away(&fake, LOGS "2025/06/03/b.json");
}

/* ---- the files ---- */

static void release(void *data, size_t len)
{
	(void)len;
	free(data);
}

/* Which of the source's objects are in segments that are whole, as bits. Empties the image. */
static uint32_t covered(struct disk_image *i)
{
	struct disk_file *f;
	uint32_t bits = 0;

	for (size_t k = 0; (f = disk_image_ending(i, ".seg", k)); k++) {
		struct segment *s;
		const char *reason;

		if (segment_open_memory(f->data, f->len, release, &s, &reason) < 0)
			continue;
		f->data = NULL;
		for (int n = 0; n < fake.n && segment_check(s, &reason) == 0; n++)
			for (uint32_t o = 0; o < segment_objects(s); o++)
				if (strcmp(segment_object(s, o).key, fake.object[n].key) == 0 &&
					segment_object(s, o).tag == fake.object[n].version &&
					fake.object[n].there)
					bits |= 1u << n;
		segment_unref(s);
	}
	return bits;
}

/* Two mounts with a cache of their own each, of which the segments are then put together. */
static void prepare(const char *cache_dir)
{
	char folder[256];
	struct disk_image *both, *b;
	struct disk_file *f;

	folder_of(cache_dir, folder);
	index_of(cache_dir, 'a');
	both = disk_image_take(folder);
	disk_image_put(&(struct disk_image){.n = 0}, folder);
	index_of(cache_dir, 'b');
	b = disk_image_take(folder);
	for (size_t i = 0; (f = disk_image_ending(b, ".seg", i)); i++) {
		both->file[both->n++] = *f;
		f->data = NULL;
	}
	disk_image_free(b);
	f = disk_image_ending(both, ".seg", 0);
	f->data[((struct segment_header *)(void *)f->data)->section[SECTION_HASH].offset] ^= 1;
	f = disk_image_ending(both, ".seg", 1);
	f->len -= 1;
	disk_image_put(both, folder);
	begin_source();
	change_source();
	known = covered(both);
	fake_end(&fake);
	disk_image_free(both);
}

static void play(const char *cache_dir)
{
	struct mount m;

	begin_source();
	if (mount_begin(&m, cache_dir)) {
		wait_complete(&m, 1);
		check_all_there(&m);
		change_source();
		refresh(&m);
		check_all_there(&m);
		mount_end(&m);
	}
	fake_end(&fake);
}

static int read_segment(void *arg, const char *name, const char *path)
{
	struct segment *s;
	const char *reason;

	(void)arg;
	(void)name;
	if (segment_open(path, &s, &reason) < 0)
		return 0;
	for (uint32_t row = 0; row < segment_rows(s) && is_right(s, row); row++)
		DISK_CHECK(strcmp(segment_object(s, segment_row_object(s, row)).problem, "") == 0);
	if (!segment_is_bad(s))
		DISK_CHECK(segment_rows(s) == segment_objects(s)); /* an event each */
	segment_unref(s);
	return 0;
}

static void read_all(const char *cache_dir)
{
	struct cache *c;

	DISK_CHECK(cache_open(cache_dir, "fake:", &c) == 0);
	DISK_CHECK(cache_list(c, read_segment, NULL) == 0);
	cache_free(c);
}

/* Those of ours that are there are whole, and those that were written for good and not removed are there.
 * What was known before is known still. */
static void check_segments(const char *folder, size_t n)
{
	struct disk_image *i = disk_image_take(folder);
	const char *name;

	for (size_t k = 0; (name = disk_note_at(n, WRITTEN, k)); k++) {
		struct disk_file *f = disk_image_find(i, name);
		struct segment *s;
		const char *reason;

		DISK_CHECK(f || disk_notes(n, REMOVING, name) > 0);
		if (!f)
			continue;
		DISK_CHECK(segment_open_memory(f->data, f->len, release, &s, &reason) == 0);
		f->data = NULL;
		DISK_CHECK(segment_check(s, &reason) == 0);
		segment_unref(s);
	}
	disk_image_free(i);
	i = disk_image_take(folder);
	DISK_CHECK((known & ~covered(i)) == 0);
	disk_image_free(i);
}

static void look(const char *cache_dir, enum after after, size_t n)
{
	char folder[256];
	struct mount m;

	folder_of(cache_dir, folder);
	begin_source();
	change_source();
	if (after == AFTER_DEATH || after == AFTER_POWER)
		check_segments(folder, n);
	DISK_CHECK(mount_begin(&m, cache_dir) && m.cache);
	wait_complete(&m, 1);
	refresh(&m);
	check_all_there(&m);
	refresh(&m);
	mount_end(&m);
	fake_end(&fake);
	scene_check_files(folder, ".seg", NAMED);
}

const struct scene scene_index = {"index", prepare, play, read_all, look};
