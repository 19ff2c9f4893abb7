/*
 * Listings: what is asked of them, a day that is added, and that they are written anew. Before it there are
 * nearly too many records, the last one torn.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/store/listings.h"
#include "render/key.h"
#include "tests/disk/disk.h"
#include "tests/disk/scene.h"

#define ID     "s3://host/bucket/"
#define REGION "AWSLogs/111122223333/CloudTrail/us-east-1/"
#define FIRST  20240 /* day 0 of the bucket */
#define DAYS   74
#define KNOWN  70 /* days that are kept before */
#define EACH   3  /* objects of a day */
#define LATER  ((int64_t)(FIRST + DAYS + 10) * 86400)

struct bucket_key {
	char key[96];
	struct source_object o;
};

static struct source_object *object(struct bucket_key *k, int day, int n)
{
	int y, m, d;

	day_to_date(FIRST + day, &y, &m, &d);
	snprintf(k->key, sizeof(k->key), REGION "%04d/%02d/%02d/%d.json.gz", y, m, d, n);
	k->o = (struct source_object){.key = k->key,
		.size = (uint64_t)(day * 1000 + n),
		.mtime = (int64_t)day * 1000000007,
		.tag = (uint64_t)(day * 31 + n) * 2654435761u};
	return &k->o;
}

/* What is shown must be this day's and the next ones', all of each, in order. */
struct shown {
	int day, n;
};

static int show(void *arg, const struct source_object *o)
{
	struct shown *s = arg;
	struct bucket_key k;
	const struct source_object *is = object(&k, s->day, s->n);

	DISK_CHECK(s->day < DAYS && strcmp(o->key, is->key) == 0);
	DISK_CHECK(o->size == is->size && o->mtime == is->mtime && o->tag == is->tag);
	s->n = (s->n + 1) % EACH;
	s->day += s->n == 0;
	return 0;
}

/* Asks for days from `from` on; returns the first that is not kept. */
static int ask(struct listings *l, int from)
{
	struct shown shown = {from, 0};
	const struct source_sink sink = {show, NULL, &shown};
	int32_t next = FIRST + from;

	if (listings_find(l, REGION, FIRST + from, FIRST + DAYS - 1, &sink, &next) < 0)
		return shown.day;
	DISK_CHECK(next == FIRST + shown.day && shown.n == 0);
	return shown.day;
}

static void keep(struct listings *l, int first, int last)
{
	struct listing *g = listing_begin(l, LISTING_DAYS, REGION, FIRST + first, FIRST + last, LATER);
	struct listing_run *run = listing_run(g);
	struct bucket_key k;

	for (int day = first; day <= last; day++)
		for (int n = 0; n < EACH; n++)
			listing_add(run, object(&k, day, n));
	listing_end(g, true);
}

static void prepare(const char *cache_dir)
{
	struct listings *l;
	struct cache *c;
	struct stat st;
	int fd;

	DISK_CHECK(cache_open(cache_dir, ID, &c) == 0);
	DISK_CHECK(listings_open(c, &l) == 0);
	for (int day = 0; day < KNOWN; day++)
		keep(l, day, day);
	DISK_CHECK(ask(l, 0) == KNOWN);
	listings_free(l);
	fd = open(cache_path(c, "listings"), O_RDWR | O_CLOEXEC);
	DISK_CHECK(fd >= 0 && fstat(fd, &st) == 0 && ftruncate(fd, st.st_size - 40) == 0);
	close(fd);
	cache_free(c);
}

/* All that there is, as when there is no network: each object once at most. */
static int count(void *arg, const struct source_object *o)
{
	size_t *n = arg;
	struct bucket_key k;
	int day = key_parse(o->key).day - FIRST;
	bool found = false;

	for (int i = 0; i < EACH; i++)
		found |= strcmp(object(&k, day, i)->key, o->key) == 0 && k.o.tag == o->tag;
	DISK_CHECK(found);
	++*n;
	return 0;
}

static void show_all(struct listings *l)
{
	const struct source_filter all = {.first_day = INT32_MIN + 1, .last_day = INT32_MAX};
	size_t n = 0;

	listings_all(l, SOURCE_ALL_DAYS, &all, &(struct source_sink){count, NULL, &n});
	DISK_CHECK(n <= (size_t)DAYS * EACH);
}

static void play(const char *cache_dir)
{
	struct cache *c = NULL;
	struct listings *l;

	if (cache_open(cache_dir, ID, &c) < 0)
		c = NULL;
	if (listings_open(c, &l) == 0) {
		int day = ask(l, 0);

		if (day < DAYS)
			keep(l, day, day);
		for (day = ask(l, 0); day < DAYS; day++) {
			keep(l, day, day); /* at one of them the file is written anew */
			ask(l, day);
		}
		ask(l, 0);
		show_all(l);
		listings_free(l);
	}
	cache_free(c);
}

static void read_all(const char *cache_dir)
{
	struct cache *c;
	struct listings *l;

	DISK_CHECK(cache_open(cache_dir, ID, &c) == 0);
	DISK_CHECK(listings_open(c, &l) == 0);
	ask(l, 0);
	show_all(l);
	listings_free(l);
	cache_free(c);
}

static void look(const char *cache_dir, enum after after, size_t length)
{
	struct cache *c;
	struct listings *l;
	int day;

	(void)length;
	DISK_CHECK(cache_open(cache_dir, ID, &c) == 0);
	for (int round = 0; round < 2; round++) {
		DISK_CHECK(listings_open(c, &l) == 0);
		day = ask(l, 0);
		/* The file is added to and is replaced as a whole. */
		DISK_CHECK(day >= KNOWN - 1 || after >= AFTER_POWER);
		DISK_CHECK(day == DAYS || round == 0);
		if (day < DAYS)
			keep(l, day, DAYS - 1);
		DISK_CHECK(ask(l, 0) == DAYS);
		listings_free(l);
	}
	scene_check_files(cache_path(c, "."), "listings", 1);
	cache_free(c);
}

const struct scene scene_listings = {"listings", prepare, play, read_all, look};
