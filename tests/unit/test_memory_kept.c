/*
 * What is kept in the cache, without memory: a listing that is made, read, or read by another mount is all
 * there or an error, and nothing that is kept is lost; and so with the bytes of objects.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "fs/log.h"
#include "fs/store/listings.h"
#include "fs/store/pack.h"
#include "tests/memory/memory.h"
#include "tests/unit/folder.h"

#define ID     "s3://host/bucket/"
#define REGION "AWSLogs/111122223333/CloudTrail/us-east-1/"
#define DAY(d) (20239 + (d)) /* of June 2025 */
#define DAYS   20
#define EACH   4
#define HOUR   3600ll
#define NOW    (DAY(DAYS) * 24 * HOUR + 12 * HOUR) /* some of the days are not closed */
#define OTHERS 3                                   /* objects beside the region's */
#define ALL    (DAYS * EACH + OTHERS)

struct key {
	char text[96];
	struct source_object o;
};

/* The i-th of the bucket, in order. */
static const struct source_object *object(struct key *k, unsigned i)
{
	if (i < DAYS * EACH)
		snprintf(k->text, sizeof(k->text), REGION "2025/06/%02u/%u.json.gz", i / EACH + 1, i % EACH);
	else
		snprintf(k->text, sizeof(k->text), "other %u", i - DAYS * EACH);
	k->o = (struct source_object){.key = k->text, .size = 100 + i, .mtime = 1000 * (int64_t)i, .tag = i};
	return &k->o;
}

struct kept {
	struct folder folder;
	struct cache *cache;
	struct listings *l;
	unsigned seen[ALL];
};

static void set_up(struct kept *f)
{
	memset(f, 0, sizeof(*f));
	snprintf(f->folder.path, sizeof(f->folder.path), "/dev/shm/trailfs-unit-XXXXXX");
	if (!mkdtemp(f->folder.path))
		folder_make(&f->folder);
	assert_int_equal(cache_open(folder_at(&f->folder, "cache"), ID, &f->cache), 0);
	assert_int_equal(listings_open(f->cache, &f->l), 0);
}

static void tear_down(struct kept *f)
{
	listings_free(f->l);
	cache_free(f->cache);
	folder_remove(&f->folder);
}

/* ---- listings ---- */

static int see(void *arg, const struct source_object *o)
{
	struct kept *f = arg;

	assert_true(o->tag < ALL);
	f->seen[o->tag]++;
	return 0;
}

/* Whether objects a <= i < b were seen once, and no others. */
static void expect_seen(struct kept *f, unsigned a, unsigned b)
{
	for (unsigned i = 0; i < ALL; i++)
		assert_int_equal(f->seen[i], i >= a && i < b);
	memset(f->seen, 0, sizeof(f->seen));
}

/* By two threads, say. */
static void make(struct listings *l, enum listing_kind kind, const char *prefix, unsigned a, unsigned b)
{
	struct listing *g = listing_begin(l, kind, prefix, LISTINGS_FIRST, LISTINGS_LAST, NOW);
	struct listing_run *run[] = {listing_run(g), listing_run(g)};
	struct key k;

	for (unsigned i = a; i < b; i++)
		listing_add(run[i % 3 == 0], object(&k, i));
	listing_end(g, true);
}

static void make_all(struct listings *l)
{
	make(l, LISTING_DAYS, REGION, 0, DAYS * EACH);
	make(l, LISTING_LEVEL, "", DAYS * EACH, ALL);
}

/* Days from `first` on; what is shown is all there is until the day that is to be listed. May lack memory. */
static void find(struct kept *f, struct listings *l, int first)
{
	const struct source_sink sink = {see, NULL, f};
	int32_t next = DAY(first);
	int r = listings_find(l, REGION, DAY(first), DAY(DAYS), &sink, &next);

	memory_off();
	assert_true(r == 0 || r == -ENOMEM);
	if (r == 0)
		expect_seen(f, (unsigned)(first - 1) * EACH, (unsigned)(next - DAY(1)) * EACH);
	memset(f->seen, 0, sizeof(f->seen));
}

/* As without the network. May lack memory; may find nothing if `none`. */
static void show_all(struct kept *f, struct listings *l, bool none)
{
	const struct source_sink sink = {see, NULL, f};
	int r = listings_all(l, SOURCE_ALL_DAYS, NULL, &sink);

	memory_off();
	assert_true(r == 0 || r == -ENOMEM || (none && r == -ENOENT));
	if (r == 0)
		expect_seen(f, 0, ALL);
	memset(f->seen, 0, sizeof(f->seen));
}

/* Of the region all of it or nothing. */
static void making(void *arg)
{
	const struct source_filter region = {
		.first_day = DAY(1), .last_day = DAY(DAYS), .account = NULL, .region = NULL};
	struct kept f;

	(void)arg;
	set_up(&f);
	memory_on();
	make(f.l, LISTING_DAYS, REGION, 0, DAYS * EACH);
	memory_off();
	for (int round = 0; round < 2; round++) {
		const struct source_sink sink = {see, NULL, &f};
		int r = listings_all(f.l, SOURCE_ALL_DAYS, &region, &sink);

		assert_true(r == 0 || r == -ENOENT);
		expect_seen(&f, 0, r == 0 ? DAYS * EACH : 0);
		find(&f, f.l, 1);
		find(&f, f.l, 7);
		listings_free(f.l);
		assert_int_equal(listings_open(f.cache, &f.l), 0);
	}
	make_all(f.l);
	show_all(&f, f.l, false);
	tear_down(&f);
}

static void reading(void *arg)
{
	struct kept f;

	(void)arg;
	set_up(&f);
	make_all(f.l);
	memory_on();
	find(&f, f.l, 1);
	memory_on();
	show_all(&f, f.l, false);
	find(&f, f.l, 1);
	show_all(&f, f.l, false);
	tear_down(&f);
}

/* What another mount has kept comes to be known while it is read. */
static void reading_of_others(void *arg)
{
	void (*const ask)(struct kept * f, struct listings * l) = arg;
	struct listings *other;
	struct kept f;

	set_up(&f);
	assert_int_equal(listings_open(f.cache, &other), 0);
	make_all(f.l);
	memory_on();
	ask(&f, other);
	memory_off();
	find(&f, other, 1);
	show_all(&f, other, false);
	listings_free(other);
	tear_down(&f);
}

static void find_of_others(struct kept *f, struct listings *l)
{
	find(f, l, 1);
}

static void show_of_others(struct kept *f, struct listings *l)
{
	show_all(f, l, false);
}

static void opening(void *arg)
{
	struct listings *l;
	struct kept f;
	int r;

	(void)arg;
	set_up(&f);
	make_all(f.l);
	memory_on();
	r = listings_open(f.cache, &l);
	memory_off();
	assert_true(r == 0 || r == -ENOMEM);
	if (r == 0) {
		show_all(&f, l, false);
		listings_free(l);
	}
	tear_down(&f);
}

static void listings(void **state)
{
	(void)state;
	memory_sweep(making, NULL);
	memory_sweep(reading, NULL);
	memory_sweep(reading_of_others, find_of_others);
	memory_sweep(reading_of_others, show_of_others);
	memory_sweep(opening, NULL);
}

/* ---- packs ---- */

#define LARGE ((uint64_t)1 << 40)

static void fill(char *data, const struct source_object *o)
{
	for (size_t i = 0; i < o->size; i++)
		data[i] = (char)(i * 7 + o->tag);
}

static void put(struct packs *p, unsigned i, int64_t now)
{
	char data[1000];
	struct key k;

	fill(data, object(&k, i));
	packs_put(p, &k.o, data, now);
}

/* Its bytes, or that it is not here. */
static bool get(struct packs *p, unsigned i, int64_t now)
{
	char wanted[1000], *data;
	struct key k;
	int r = packs_get(p, object(&k, i), now, &data);

	assert_true(r == 0 || r == -ENOENT || r == -ENOMEM);
	if (r < 0)
		return false;
	fill(wanted, &k.o);
	assert_memory_equal(data, wanted, k.o.size);
	free(data);
	return true;
}

static void keep_and_get(struct packs *p)
{
	for (unsigned i = 0; i < 14 * EACH; i += 3) {
		put(p, i, NOW);
		get(p, i, NOW);
	}
	packs_refresh(p, NOW + HOUR);
}

/* What was kept before comes, and another one comes. A pack that could not be opened is tried again, but not
 * in the same second. */
static void expect_all(struct packs *p, int64_t now)
{
	packs_refresh(p, now);
	put(p, 12 * EACH, now);
	for (unsigned i = 0; i < 10 * EACH; i++)
		assert_true(get(p, i, now));
	assert_true(get(p, 12 * EACH, now));
	assert_false(get(p, 15 * EACH, now));
}

static void packing(void *arg)
{
	struct packs *p;
	struct kept f;
	int r;

	(void)arg;
	set_up(&f);
	assert_int_equal(packs_open(f.cache, LARGE, &p), 0);
	for (unsigned i = 0; i < 10 * EACH; i++)
		put(p, i, NOW);
	packs_free(p);
	memory_on();
	r = packs_open(f.cache, LARGE, &p);
	if (r == 0)
		keep_and_get(p);
	memory_off();
	assert_true(r == 0 || r == -ENOMEM);
	if (r < 0)
		assert_int_equal(packs_open(f.cache, LARGE, &p), 0);
	expect_all(p, NOW + 2 * HOUR);
	packs_free(p);
	assert_int_equal(packs_open(f.cache, LARGE, &p), 0);
	expect_all(p, NOW + 3 * HOUR);
	packs_free(p);
	tear_down(&f);
}

static void packs(void **state)
{
	(void)state;
	memory_sweep(packing, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listings),
		cmocka_unit_test(packs),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
