/*
 * Kept listings, against a bucket that grows: with what is kept and what the rule says must be listed,
 * exactly the bucket is seen; and closed days cost nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "fs/log.h"
#include "fs/store/listings.h"
#include "render/key.h"
#include "tests/unit/folder.h"

#define ID     "s3://host/bucket/"
#define REGION "AWSLogs/111122223333/CloudTrail/us-east-1/"
#define OTHER  "AWSLogs/111122223333/CloudTrail/us-east-10/"
#define DAY(d) (20239 + (d)) /* of June 2025: the 0th is 2025-05-31 */
#define HOUR   3600ll
#define AT(d)  (DAY(d) * 24 * HOUR) /* when it begins */
#define KEYS   20000

struct fixture {
	struct folder folder;
	struct cache *cache;
	struct listings *l;
	char *bucket[KEYS]; /* in order */
	size_t n;
	size_t listed; /* objects that had to be listed */
	char *seen[KEYS * 2];
	size_t n_seen;
	uint32_t seed;
};

static void reopen(struct fixture *f)
{
	listings_free(f->l);
	assert_int_equal(listings_open(f->cache, &f->l), 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	folder_make(&f->folder);
	assert_int_equal(cache_open(folder_at(&f->folder, "cache"), ID, &f->cache), 0);
	reopen(f);
	f->seed = 4711;
	*state = f;
	return 0;
}

static void clear_seen(struct fixture *f)
{
	while (f->n_seen > 0)
		free(f->seen[--f->n_seen]);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	clear_seen(f);
	while (f->n > 0)
		free(f->bucket[--f->n]);
	listings_free(f->l);
	cache_free(f->cache);
	folder_remove(&f->folder);
	free(f);
	return 0;
}

static uint32_t any(struct fixture *f, uint32_t below)
{
	f->seed = f->seed * 1664525 + 1013904223;
	return (f->seed >> 8) % below;
}

/* ---- the bucket ---- */

static size_t place_of(const struct fixture *f, const char *key)
{
	size_t low = 0, high = f->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(f->bucket[mid], key) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low; /* of the first that is greater */
}

static void add(struct fixture *f, const char *key)
{
	size_t at = place_of(f, key);

	if (at > 0 && strcmp(f->bucket[at - 1], key) == 0)
		return;
	assert_true(f->n < KEYS);
	memmove(f->bucket + at + 1, f->bucket + at, (f->n - at) * sizeof(f->bucket[0]));
	f->bucket[at] = strdup(key);
	f->n++;
}

static void add_log(struct fixture *f, const char *prefix, int32_t day, unsigned n)
{
	char key[200];
	int y, m, d;

	day_to_date(day, &y, &m, &d);
	snprintf(key, sizeof(key), "%s%04d/%02d/%02d/%u.json.gz", prefix, y, m, d, n);
	add(f, key);
}

static struct etag etag_of(uint64_t h)
{
	struct etag e = {.known = h % 5 > 0, .parts = h % 5 > 3 ? (uint16_t)(h % 10000 + 1) : 0};

	for (int i = 0; e.known && i < 16; i++)
		e.digest[i] = (unsigned char)(h >> i);
	return e;
}

/* The facts of an object are a function of its key. */
static struct source_object object_of(const char *key)
{
	uint64_t h = 1469598103934665603u;

	for (const char *p = key; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211u;
	return (struct source_object){.key = key,
		.size = h % 100000,
		.mtime = h % 7 == 0 ? (int64_t)h : (int64_t)(h % 2000000000) * 1000000000,
		.tag = h * 31,
		.etag = etag_of(h)};
}

/* ---- listing as a source does ---- */

static int see(void *arg, const struct source_object *o)
{
	struct fixture *f = arg;
	struct source_object is = object_of(o->key);

	assert_int_equal(o->size, is.size);
	assert_int_equal(o->mtime, is.mtime);
	assert_int_equal(o->tag, is.tag);
	assert_memory_equal(&o->etag, &is.etag, sizeof(is.etag));
	assert_true(f->n_seen < KEYS * 2);
	f->seen[f->n_seen++] = strdup(o->key);
	return 0;
}

/* Lists what is in (after, upto], at most max objects of it; whether that was all. */
static bool request(struct fixture *f, struct listing *g, const char *prefix, const char *after,
	const char *upto, size_t max)
{
	struct listing_run *run[3];

	for (int i = 0; i < 3; i++)
		run[i] = listing_run(g);
	for (size_t i = place_of(f, after); i < f->n; i++) {
		struct source_object o = object_of(f->bucket[i]);

		if (strncmp(o.key, prefix, strlen(prefix)) != 0 || (upto && strcmp(o.key, upto) > 0))
			break;
		if (max-- == 0)
			return false;
		see(f, &o);
		/* By several threads, which may find the same. */
		listing_add(run[any(f, 2)], &o);
		if (i % 10 == 0)
			listing_add(run[2], &o);
		f->listed++;
	}
	return true;
}

/* Lists days first..last of a region at a time. */
static void list(struct fixture *f, const char *prefix, int32_t first, int32_t last, int64_t now, size_t max)
{
	const struct source_sink sink = {see, NULL, f};
	char after[300], upto[300];
	int32_t next;

	clear_seen(f);
	f->listed = 0;
	assert_int_equal(listings_find(f->l, prefix, first, last, &sink, &next), 0);
	if (next > last)
		return;
	assert_int_equal(listings_bound(prefix, next, after, sizeof(after)), 0);
	if (last < LISTINGS_LAST)
		assert_int_equal(listings_bound(prefix, last + 1, upto, sizeof(upto)), 0);
	struct listing *g = listing_begin(f->l, LISTING_DAYS, prefix, next, last, now);
	listing_end(g, request(f, g, prefix, after, last < LISTINGS_LAST ? upto : NULL, max));
}

static void list_all(struct fixture *f, const char *prefix, int64_t now)
{
	list(f, prefix, LISTINGS_FIRST, LISTINGS_LAST, now, SIZE_MAX);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What was seen is what the bucket has below a prefix in (after, upto], each once. */
static void expect_seen(struct fixture *f, const char *prefix, int32_t first, int32_t last)
{
	char after[300], upto[300];
	size_t k = 0;

	qsort(f->seen, f->n_seen, sizeof(f->seen[0]), by_key);
	listings_bound(prefix, first, after, sizeof(after));
	if (last < LISTINGS_LAST)
		listings_bound(prefix, last + 1, upto, sizeof(upto));
	for (size_t i = place_of(f, after); i < f->n; i++) {
		if (strncmp(f->bucket[i], prefix, strlen(prefix)) != 0 ||
			(last < LISTINGS_LAST && strcmp(f->bucket[i], upto) > 0))
			break;
		assert_true(k < f->n_seen);
		assert_string_equal(f->seen[k++], f->bucket[i]);
	}
	assert_int_equal(k, f->n_seen);
}

/* ---- tests ---- */

static void closed_days_are_not_listed_again(void **state)
{
	struct fixture *f = *state;

	for (int32_t d = 1; d <= 20; d++)
		if (d != 7) /* a day without logs is closed too */
			for (unsigned n = 0; n < 10; n++)
				add_log(f, REGION, DAY(d), n);
	list_all(f, REGION, AT(20) + 5 * HOUR);
	expect_seen(f, REGION, LISTINGS_FIRST, LISTINGS_LAST);
	assert_int_equal(f->listed, 190);
	for (int round = 0; round < 2; round++) {
		/* 36 hours after its end the 17th is closed, at noon of the 19th. */
		list_all(f, REGION, AT(20) + 6 * HOUR);
		assert_int_equal(f->listed, 30);
		expect_seen(f, REGION, LISTINGS_FIRST, LISTINGS_LAST);
		reopen(f);
	}
	list_all(f, REGION, AT(20) + 12 * HOUR);
	list_all(f, REGION, AT(20) + 12 * HOUR);
	assert_int_equal(f->listed, 20);
	list_all(f, REGION, AT(30));
	assert_int_equal(f->listed, 20);
	list_all(f, REGION, AT(30));
	assert_int_equal(f->listed, 0);
	expect_seen(f, REGION, LISTINGS_FIRST, LISTINGS_LAST);
}

static void late_objects_of_open_days_are_seen(void **state)
{
	struct fixture *f = *state;

	add_log(f, REGION, DAY(10), 5);
	list_all(f, REGION, AT(11) + HOUR);
	add_log(f, REGION, DAY(10), 1); /* before what is there */
	list_all(f, REGION, AT(11) + 35 * HOUR);
	expect_seen(f, REGION, LISTINGS_FIRST, LISTINGS_LAST);
	list_all(f, REGION, AT(11) + 36 * HOUR);
	/* The documented limit, and what ends it. */
	add_log(f, REGION, DAY(10), 0);
	list_all(f, REGION, AT(13));
	assert_int_equal(f->n_seen, 2);
	listings_expire(f->l, AT(13) + 1);
	list_all(f, REGION, AT(13) + 2);
	expect_seen(f, REGION, LISTINGS_FIRST, LISTINGS_LAST);
	list_all(f, REGION, AT(13) + 3);
	assert_int_equal(f->listed, 0);
	assert_int_equal(f->n_seen, 3);
	add_log(f, REGION, DAY(10), 9);
	listings_doubt(f->l, REGION "2025/06/10/1.json.gz");
	list_all(f, REGION, AT(13) + 4);
	expect_seen(f, REGION, LISTINGS_FIRST, LISTINGS_LAST);
}

/* A newer listing of some of the days counts for them, and the older one for the others. */
static void the_newer_listing_counts(void **state)
{
	struct fixture *f = *state;

	for (int32_t d = 1; d <= 10; d++)
		add_log(f, REGION, DAY(d), 1);
	list(f, REGION, DAY(1), DAY(10), AT(28), SIZE_MAX);
	listings_expire(f->l, AT(28) + 1);
	for (int32_t d = 4; d <= 6; d++)
		add_log(f, REGION, DAY(d), 2);
	list(f, REGION, DAY(4), DAY(6), AT(28) + 2, SIZE_MAX);
	assert_int_equal(f->listed, 6);
	reopen(f);
	list(f, REGION, DAY(1), DAY(10), AT(28) + 3, SIZE_MAX);
	assert_int_equal(f->listed, 0);
	expect_seen(f, REGION, DAY(1), DAY(10));
}

static void what_did_not_end_is_not_kept(void **state)
{
	struct fixture *f = *state;

	for (unsigned n = 0; n < 100; n++)
		add_log(f, REGION, DAY(1 + (int32_t)n / 10), n);
	list(f, REGION, LISTINGS_FIRST, LISTINGS_LAST, AT(28), 55);
	assert_int_equal(f->n_seen, 55);
	list_all(f, REGION, AT(28));
	assert_int_equal(f->listed, 100);
	expect_seen(f, REGION, LISTINGS_FIRST, LISTINGS_LAST);
}

static void what_is_out_of_order_is_not_kept(void **state)
{
	struct fixture *f = *state;
	const char *const table[][2] = {
		{REGION "2025/06/02/b", REGION "2025/06/02/a"},
		{REGION "2025/06/02/a", REGION "2025/06/02/a"},
		{REGION "2025/06/02/a", OTHER "2025/06/02/b"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct listing *g =
			listing_begin(f->l, LISTING_DAYS, REGION, LISTINGS_FIRST, LISTINGS_LAST, AT(20));
		struct listing_run *run = listing_run(g);

		for (int k = 0; k < 2; k++) {
			struct source_object o = object_of(table[i][k]);

			listing_add(run, &o);
		}
		listing_end(g, true);
		list_all(f, REGION, AT(20));
		assert_int_equal(f->n_seen, 0);
	}
	struct listing *g = listing_begin(f->l, LISTING_DAYS, REGION, DAY(2), DAY(1), AT(20));
	listing_end(g, true);
}

static void regions_do_not_mix(void **state)
{
	struct fixture *f = *state;

	add_log(f, REGION, DAY(1), 1);
	add_log(f, OTHER, DAY(1), 2);
	list_all(f, REGION, AT(9));
	list_all(f, OTHER, AT(9));
	assert_int_equal(f->listed, 1);
	list_all(f, REGION, AT(9));
	assert_int_equal(f->listed, 0);
	expect_seen(f, REGION, LISTINGS_FIRST, LISTINGS_LAST);
}

static void days_outside_are_another_matter(void **state)
{
	struct fixture *f = *state;

	for (int32_t d = 1; d <= 20; d++)
		add_log(f, REGION, DAY(d), 1);
	list(f, REGION, DAY(5), DAY(8), AT(28), SIZE_MAX);
	expect_seen(f, REGION, DAY(5), DAY(8));
	assert_int_equal(f->listed, 4);
	list(f, REGION, DAY(6), DAY(7), AT(28), SIZE_MAX);
	assert_int_equal(f->listed, 0);
	expect_seen(f, REGION, DAY(6), DAY(7));
	list(f, REGION, DAY(7), DAY(10), AT(28), SIZE_MAX);
	assert_int_equal(f->listed, 2);
	expect_seen(f, REGION, DAY(7), DAY(10));
	list(f, REGION, DAY(4), DAY(10), AT(28), SIZE_MAX); /* nothing is known of the 4th */
	assert_int_equal(f->listed, 7);
	expect_seen(f, REGION, DAY(4), DAY(10));
	list_all(f, REGION, AT(28));
	assert_int_equal(f->listed, 20);
}

static void keys_that_are_no_days(void **state)
{
	struct fixture *f = *state;

	const char *odd[] = {"000", "2025/06/15", "2025/06/15-x", "2025/06/15/", "2025/06/15/sub/x.gz",
		"2025/06/150", "2025/6/1/x", "2025/06/", "2025/06/20-y", "2025", "zzz", "2025/06/18/~"};
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		char key[200];

		snprintf(key, sizeof(key), REGION "%s", odd[i]);
		add(f, key);
	}
	for (int32_t d = 10; d <= 20; d++)
		add_log(f, REGION, DAY(d), 1);
	for (int64_t hour = 0; hour < 24 * 8; hour += 7) {
		list_all(f, REGION, AT(14) + hour * HOUR);
		expect_seen(f, REGION, LISTINGS_FIRST, LISTINGS_LAST);
		list(f, REGION, DAY(14), DAY(17), AT(14) + hour * HOUR, SIZE_MAX);
		expect_seen(f, REGION, DAY(14), DAY(17));
	}
}

/* A bucket that grows for months, listed now and then by mounts that see all of it or part, begin anew, break
 * off, and write the file anew when it has grown. */
static void at_random(void **state)
{
	struct fixture *f = *state;
	int64_t now = AT(-40);

	for (unsigned step = 0; step < 800; step++) {
		int32_t today = (int32_t)(now / (24 * HOUR));
		const char *prefix = any(f, 4) ? REGION : OTHER;
		int32_t first = any(f, 3) ? LISTINGS_FIRST : today - (int32_t)any(f, 30);
		int32_t last = any(f, 3) ? LISTINGS_LAST : today - (int32_t)any(f, 10);

		if (any(f, 3) == 0)
			now += any(f, 12) * HOUR;
		for (unsigned n = any(f, 8); n > 0; n--)
			add_log(f, prefix, (int32_t)((now - any(f, 36) * HOUR) / (24 * HOUR)),
				any(f, 100000));
		if (last < first)
			last = LISTINGS_LAST;
		if (any(f, 20) == 0)
			reopen(f);
		if (any(f, 10) == 0)
			list(f, prefix, first, last, now, any(f, 50));
		list(f, prefix, first, last, now, SIZE_MAX);
		expect_seen(f, prefix, first, last);
	}
	assert_true(f->n > 1500);
	now += 100 * HOUR;
	list_all(f, REGION, now);
	reopen(f);
	list_all(f, REGION, now);
	assert_int_equal(f->listed, 0);
	expect_seen(f, REGION, LISTINGS_FIRST, LISTINGS_LAST);
}

static void large_listings(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	for (unsigned n = 0; n < KEYS; n++) {
		char key[200];
		int y, m, d;

		day_to_date(DAY(-40) + (int32_t)(n / 150), &y, &m, &d);
		snprintf(key, sizeof(key), REGION "%04d/%02d/%02d/%04u_a_rather_long_name_%x.json.gz", y, m,
			d, n % 150, any(f, 1u << 24));
		f->bucket[f->n++] = strdup(key);
	}
	for (int round = 0; round < 3; round++) {
		list_all(f, REGION, AT(300));
		assert_int_equal(f->listed, round ? 0 : KEYS);
		expect_seen(f, REGION, LISTINGS_FIRST, LISTINGS_LAST);
		reopen(f);
	}
	assert_int_equal(stat(cache_path(f->cache, "listings"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(st.st_size < KEYS * 48);
}

static void all_that_there_is(void **state)
{
	struct fixture *f = *state;
	const struct source_sink sink = {see, NULL, f};
	struct source_object o = object_of("README");
	struct listing *g;

	assert_int_equal(listings_all(f->l, SOURCE_ALL_DAYS, NULL, &sink), -ENOENT);
	g = listing_begin(f->l, LISTING_LEVEL, "", LISTINGS_FIRST, LISTINGS_LAST, AT(20));
	listing_add(listing_run(g), &o);
	listing_end(g, true);
	add(f, "README");
	for (int32_t d = 1; d <= 20; d++)
		add_log(f, REGION, DAY(d), 1);
	list_all(f, REGION, AT(20) + HOUR);
	for (int round = 0; round < 2; round++) {
		clear_seen(f);
		assert_int_equal(listings_all(f->l, SOURCE_ALL_DAYS, NULL, &sink), 0);
		expect_seen(f, "", LISTINGS_FIRST, LISTINGS_LAST);
		clear_seen(f);
		assert_int_equal(listings_all(f->l, DAY(3), NULL, &sink), 0);
		assert_int_equal(f->n_seen, 2);
		reopen(f);
	}
	/* A newer one is in the place of an older one, even an empty one. */
	g = listing_begin(f->l, LISTING_LEVEL, "", LISTINGS_FIRST, LISTINGS_LAST, AT(21));
	listing_end(g, true);
	clear_seen(f);
	assert_int_equal(listings_all(f->l, SOURCE_ALL_DAYS, NULL, &sink), 0);
	assert_int_equal(f->n_seen, 20);
}

static void without_a_cache(void **state)
{
	struct fixture *f = *state;

	listings_free(f->l);
	assert_int_equal(listings_open(NULL, &f->l), 0);
	add_log(f, REGION, DAY(1), 1);
	for (int i = 0; i < 2; i++) {
		list_all(f, REGION, AT(9));
		assert_int_equal(f->listed, 1);
		expect_seen(f, REGION, LISTINGS_FIRST, LISTINGS_LAST);
	}
}

/* ---- crashes, damage, others ---- */

static void torn_or_damaged_anywhere(void **state)
{
	struct fixture *f = *state;
	size_t len;
	char *data, *path = strdup(cache_path(f->cache, "listings"));

	for (int32_t d = 3; d <= 4; d++) {
		add_log(f, REGION, DAY(d), 1);
		list_all(f, REGION, AT(d) + 61 * HOUR); /* a record each, closed */
		list_all(f, OTHER, AT(d) + 61 * HOUR);
	}
	FILE *file = fopen(path, "rb");
	data = malloc(1 << 16);
	len = fread(data, 1, 1 << 16, file);
	fclose(file);
	for (size_t i = 0; i < 2 * len; i++) {
		size_t size = i < len ? i : len;

		if (i >= len)
			data[i - len] ^= 0x10;
		unlink(path);
		file = fopen(path, "wb");
		assert_int_equal(fwrite(data, 1, size, file), size);
		fclose(file);
		if (i >= len)
			data[i - len] ^= 0x10;
		reopen(f);
		list_all(f, REGION, AT(4) + 62 * HOUR);
		expect_seen(f, REGION, LISTINGS_FIRST, LISTINGS_LAST);
		list_all(f, REGION, AT(4) + 62 * HOUR);
		assert_int_equal(f->listed, 0);
		expect_seen(f, REGION, LISTINGS_FIRST, LISTINGS_LAST);
	}
	free(data);
	free(path);
}

static void two_mounts_share(void **state)
{
	struct fixture *f = *state;
	struct listings *mine = f->l, *other;
	struct stat st;
	int first = -1;

	assert_int_equal(listings_open(f->cache, &other), 0);
	for (int32_t d = 1; d <= 200; d++) { /* records enough to write the file anew, several times */
		add_log(f, REGION, DAY(d), 1);
		f->l = d % 2 ? mine : other;
		list_all(f, REGION, AT(d) + 61 * HOUR);
		expect_seen(f, REGION, LISTINGS_FIRST, LISTINGS_LAST);
		assert_int_equal(f->listed, 1);
		if (first < 0)
			first = open(cache_path(f->cache, "listings"), O_RDONLY | O_CLOEXEC);
		f->l = d % 2 ? other : mine;
		list_all(f, REGION, AT(d) + 61 * HOUR);
		assert_int_equal(f->listed, 0);
		expect_seen(f, REGION, LISTINGS_FIRST, LISTINGS_LAST);
	}
	assert_int_equal(fstat(first, &st), 0);
	assert_int_equal(st.st_nlink, 0); /* another one has its name now */
	close(first);
	f->l = mine;
	listings_free(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* A folder that a look at all did not find is empty, for who comes later and for who has no network. */
static void what_is_gone_is_gone(void **state)
{
	static const char *const both[] = {REGION, OTHER}, *const one[] = {REGION};
	struct fixture *f = *state;

	add_log(f, REGION, DAY(1), 1);
	add_log(f, OTHER, DAY(1), 1);
	list_all(f, REGION, AT(20));
	list_all(f, OTHER, AT(20));
	listings_found(f->l, both, 2, AT(20));
	list_all(f, OTHER, AT(21));
	assert_int_equal(f->n_seen, 1);
	assert_int_equal(f->listed, 0);

	/* Something was not listed to its end: nothing is known. */
	listing_end(
		listing_begin(f->l, LISTING_LEVEL, "AWSLogs/", LISTINGS_FIRST, LISTINGS_LAST, AT(22)), false);
	listings_found(f->l, one, 1, AT(22));
	list_all(f, OTHER, AT(23));
	assert_int_equal(f->n_seen, 1);

	listings_found(f->l, one, 1, AT(24));
	for (int round = 0; round < 2; round++) {
		list_all(f, OTHER, AT(24));
		assert_int_equal(f->n_seen, 0);
		list_all(f, REGION, AT(24));
		assert_int_equal(f->n_seen, 1);
		reopen(f);
	}
	/* It comes back: its old days are what they were when it was not there. */
	add_log(f, OTHER, DAY(24), 1);
	list_all(f, OTHER, AT(25));
	assert_int_equal(f->n_seen, 1);
}

static void other_folders_go_when_they_are_not_listed(void **state)
{
	struct fixture *f = *state;
	const struct source_sink sink = {see, NULL, f};

	add(f, "AWSLogs/a.txt");
	struct listing *g =
		listing_begin(f->l, LISTING_LEVEL, "AWSLogs/", LISTINGS_FIRST, LISTINGS_LAST, AT(20));
	listing_end(g, request(f, g, "AWSLogs/", "", NULL, SIZE_MAX));
	listings_found(f->l, NULL, 0, AT(20));
	clear_seen(f);
	assert_int_equal(listings_all(f->l, SOURCE_ALL_DAYS, NULL, &sink), 0);
	assert_int_equal(f->n_seen, 1);
	listings_found(f->l, NULL, 0, AT(21));
	reopen(f);
	clear_seen(f);
	assert_int_equal(listings_all(f->l, SOURCE_ALL_DAYS, NULL, &sink), 0);
	assert_int_equal(f->n_seen, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(closed_days_are_not_listed_again),
		TEST(what_is_gone_is_gone),
		TEST(other_folders_go_when_they_are_not_listed),
		TEST(late_objects_of_open_days_are_seen),
		TEST(the_newer_listing_counts),
		TEST(what_did_not_end_is_not_kept),
		TEST(what_is_out_of_order_is_not_kept),
		TEST(regions_do_not_mix),
		TEST(days_outside_are_another_matter),
		TEST(keys_that_are_no_days),
		TEST(at_random),
		TEST(large_listings),
		TEST(all_that_there_is),
		TEST(without_a_cache),
		TEST(torn_or_damaged_anywhere),
		TEST(two_mounts_share),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
