/*
 * Packs: what is found in them, what is added, dropped and evicted. Before it there are two packs that are
 * sealed, one that a dead writer left in the middle of a record, and a file that he had just begun.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/store/pack.h"
#include "fs/store/pack_file.h"
#include "tests/disk/disk.h"
#include "tests/disk/scene.h"

#define ID    "s3://host/bucket/"
#define LARGE ((uint64_t)1 << 40)
#define NOW   4000000000ll /* later than any file's time */
#define JUNE  20239        /* the 0th of June 2025 */
#define DAYS  5
#define EACH  5 /* objects of a day */

enum note {
	KEPT,     /* from now on it is found */
	DROPPING, /* from now on it need not be */
	EVICTING  /* from now on nothing need be */
};

struct thing {
	char key[96], data[1400];
	struct source_object o;
};

static void make(struct thing *t, unsigned day, unsigned n)
{
	snprintf(t->key, sizeof(t->key), "AWSLogs/111122223333/CloudTrail/us-east-1/2025/06/%02u/%u.json.gz",
		day, n);
	t->o = (struct source_object){
		.key = t->key, .size = 60 + n * 300 + day, .mtime = 1000 * (int64_t)n, .tag = n ^ 0x1234567};
	for (size_t i = 0; i < t->o.size; i++)
		t->data[i] = (char)(i * 7 + n * 31 + day * 3 + (i >> 8));
}

static bool is_there(struct packs *p, unsigned day, unsigned n, int64_t now)
{
	struct thing t;
	char *data;
	int r;

	make(&t, day, n);
	r = packs_get(p, &t.o, now, &data);
	if (r < 0)
		return false;
	DISK_CHECK(memcmp(data, t.data, t.o.size) == 0 && data[t.o.size] == '\0');
	free(data);
	return true;
}

static void note(enum note kind, unsigned day, unsigned n)
{
	char name[16];

	snprintf(name, sizeof(name), "%u/%u", day, n);
	disk_note(kind, name);
}

static bool noted(size_t length, enum note kind, unsigned day, unsigned n)
{
	char name[16];

	snprintf(name, sizeof(name), "%u/%u", day, n);
	return disk_notes(length, kind, name) > 0;
}

static void put(struct packs *p, unsigned day, unsigned n, int64_t now)
{
	uint64_t before = packs_stats(p).put;
	struct thing t;

	make(&t, day, n);
	packs_put(p, &t.o, t.data, now);
	if (packs_stats(p).put > before)
		note(KEPT, day, n);
}

/* Whether it was there before the scene. */
static bool prepared(unsigned day, unsigned n)
{
	return day <= 3 && n < 3;
}

/* A pack whose writer dies in the middle of its last record. */
static void leave_torn(struct cache *c, unsigned day)
{
	int dir = open(cache_path(c, "."), O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;
	struct pack_file *f;
	char name[PACK_NAME_MAX];

	DISK_CHECK(dir >= 0 && pack_file_create(dir, JUNE + (int32_t)day, name, &f) == 0);
	for (unsigned n = 0; n < 4; n++) {
		struct thing t;

		make(&t, day, n);
		DISK_CHECK(pack_file_append(f, &t.o, t.data) == 0);
	}
	fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
	DISK_CHECK(fd >= 0 && ftruncate(fd, (off_t)pack_file_bytes(f) - 500) == 0);
	close(fd);
	pack_file_unref(f);
	close(dir);
}

static void prepare(const char *cache_dir)
{
	struct cache *c;
	struct packs *p;
	int fd;

	DISK_CHECK(cache_open(cache_dir, ID, &c) == 0);
	DISK_CHECK(packs_open(c, LARGE, &p) == 0);
	for (unsigned day = 1; day <= 2; day++)
		for (unsigned n = 0; n < 3; n++)
			put(p, day, n, NOW);
	packs_free(p);
	leave_torn(c, 3);
	fd = open(cache_path(c, "tmp-0123456789abcdef"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	DISK_CHECK(fd >= 0);
	close(fd);
	cache_free(c);
}

static void get_all(struct packs *p, int64_t now)
{
	for (unsigned day = 1; day <= DAYS; day++)
		for (unsigned n = 0; n < EACH; n++)
			is_there(p, day, n, now);
}

static void read_and_write(struct packs *p)
{
	struct thing t;

	get_all(p, NOW);
	for (unsigned i = 0; i < 4; i++) {
		put(p, i % 2 ? 4 : 1 + i, 3 + i / 2, NOW + i);
		is_there(p, i % 2 ? 4 : 1 + i, 3 + i / 2, NOW + i);
	}
	note(DROPPING, 2, 1);
	make(&t, 2, 1);
	packs_drop(p, &t.o, NOW + 5);
	packs_refresh(p, NOW + 5);
	get_all(p, NOW + 10);
}

static void play(const char *cache_dir)
{
	struct cache *c = NULL;
	struct packs *p;

	if (cache_open(cache_dir, ID, &c) < 0)
		c = NULL; /* then it goes on without */
	if (packs_open(c, LARGE, &p) == 0) {
		read_and_write(p);
		packs_free(p);
	}
	disk_note(EVICTING, "");
	if (packs_open(c, 4000, &p) == 0) {
		put(p, 5, 0, NOW + 100000);
		get_all(p, NOW + 100001);
		packs_free(p);
	}
	cache_free(c);
}

static void read_all(const char *cache_dir)
{
	struct cache *c;
	struct packs *p;

	DISK_CHECK(cache_open(cache_dir, ID, &c) == 0);
	DISK_CHECK(packs_open(c, LARGE, &p) == 0);
	get_all(p, NOW);
	packs_free(p);
	cache_free(c);
}

static void look(const char *cache_dir, enum after after, size_t n)
{
	struct cache *c;
	struct packs *p;

	DISK_CHECK(cache_open(cache_dir, ID, &c) == 0);
	DISK_CHECK(packs_open(c, LARGE, &p) == 0);
	for (unsigned day = 1; day <= DAYS; day++)
		for (unsigned k = 0; k < EACH; k++) {
			bool there = is_there(p, day, k, NOW + 200000);
			bool promised = (prepared(day, k) || noted(n, KEPT, day, k)) &&
					!noted(n, DROPPING, day, k) && disk_notes(n, EVICTING, NULL) == 0;

			/* A disk that failed may have lost any, and so may one whose power went. */
			DISK_CHECK(there || !promised || after != AFTER_DEATH);
			if (!there)
				put(p, day, k, NOW + 200000);
			DISK_CHECK(is_there(p, day, k, NOW + 200000));
		}
	packs_free(p);
	/* A writer that lived through a fault may have begun a second one. */
	scene_check_files(cache_path(c, "."), ".pack", 2 * DAYS);
	cache_free(c);
}

const struct scene scene_packs = {"packs", prepare, play, read_all, look};
