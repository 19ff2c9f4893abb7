/*
 * A bucket as a source, against a server that holds one: which keys are shown, under which names, and with
 * how many requests; what a denied part and an interruption lead to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/store/listings.h"
#include "tests/unit/bucket_kit.h"
#include "tests/unit/folder.h"

#define A "AWSLogs/111122223333/CloudTrail/us-east-1/2025/06/"

/* ---- listing ---- */

static int see(void *arg, const struct source_object *o)
{
	struct bucket *b = arg;

	/* Called from one thread: no lock. */
	assert_true(o->mtime == 1750324223145000000);
	add_string(&b->seen, &b->n_seen, &b->seen_room, o->key);
	return b->stop;
}

static int list(struct bucket *b, int32_t day, const struct source_filter *f)
{
	const struct source_sink sink = {see, see_problem, b};

	forget(b);
	return source_list(b->source, day, f, &sink);
}

/* That what was seen are the bucket's keys from `cut` on that are admitted. */
static void expect_admitted(
	struct bucket *b, const char *prefix, size_t cut, const struct source_filter *f, int32_t day)
{
	size_t at = 0, missing = 0;

	qsort(b->seen, b->n_seen, sizeof(*b->seen), by_bytes);
	for (size_t i = 0; i < b->n; i++) {
		const char *key = b->key[i] + cut;

		if (strncmp(b->key[i], prefix, strlen(prefix)) != 0 || !*key)
			continue;
		struct key_info info = key_parse(key);
		if (!source_filter_admits(f, &info) || (day != SOURCE_ALL_DAYS && info.day != day))
			continue;
		if (at == b->n_seen || strcmp(b->seen[at], key) != 0) {
			print_error("missing: %s\n", key);
			missing++;
			continue;
		}
		while (at < b->n_seen && strcmp(b->seen[at], key) == 0)
			at++;
	}
	for (; at < b->n_seen; at++, missing++)
		print_error("not of the bucket, or not admitted: %s\n", b->seen[at]);
	assert_int_equal(missing, 0);
}

static const char *const layouts[] = {
	"AWSLogs/",
	"AWSLogs/loose.json",
	"AWSLogs/other/x.json",
	"AWSLogs/other/AWSLogs/444455556666/CloudTrail/eu-west-1/2025/06/19/n.json.gz",
	"AWSLogs/111122223333/loose",
	"AWSLogs/111122223333/CloudTrail/loose",
	"AWSLogs/111122223333/CloudTrail/us-east-1/loose",
	A "19/a.json.gz",
	A "19/b c+d%.json.gz",
	A "20/c.json.gz",
	A "30/sub/d.json.gz",
	"AWSLogs/111122223333/CloudTrail/us-east-1/2024/12/31/o.json.gz",
	"AWSLogs/111122223333/CloudTrail/eu-west-1/2025/06/19/e.json.gz",
	"AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2025/06/19/f.json.gz",
	"AWSLogs/111122223333/CloudTrail/AWSLogs/777788889999/CloudTrail/us-east-1/2025/06/19/m.json.gz",
	"AWSLogs/111122223333//x",
	"AWSLogs/111122223333/Config/us-east-1/2025/6/19/ConfigHistory/g.json.gz",
	"AWSLogs/o-0123456789/444455556666/CloudTrail/us-east-1/2025/06/19/h.json.gz",
	"AWSLogs/o-0123456789/odd/x",
	"AWSLogs0",
	"AWSLogsX/y",
	"XAWSLogs/111122223333/CloudTrail/us-east-1/2025/06/19/z.json.gz",
	"logs/AWSLogs/444455556666/CloudTrail/us-east-1/2025/06/18/i.json.gz",
	"logs/AWSLogs/444455556666/CloudTrail/us-east-1/2025/06/19/j.json.gz",
	"logs/a.txt",
	"logs/deep/er/AWSLogs/555566667777/CloudTrail/us-east-1/2025/06/19/k.json.gz",
	"logs/z.txt",
	"/lead",
	"//",
	"zz",
};

static void put_layouts(struct bucket *b)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++)
		put(b, layouts[i]);
}

static const struct {
	const char *prefix;
	size_t cut;
} prefixes[] = {
	{NULL, 0},
	{"AWSLogs/", 0},
	{"AWSLogs/111122223333/", 0},
	{"AWSLogs/111122223333/CloudTrail/", 0},
	{"AWSLogs/111122223333/CloudTrail/us-east-1/", 0},
	{"AWSLogs/111122223333/CloudTrail/us-east-1/2025/06/", 0},
	{"AWSLogs/111122223333/CloudTrail/us-east-1/2025/06/19/", 0},
	{"AWSLogs/o-0123456789/", 0},
	{"AWSLogs/other/", 0},
	{"logs/", 5},
	{"logs/AWSLogs/", 5},
	{"logs/AWSLogs/444455556666/CloudTrail/us-east-1/", 5},
	{"logs/deep/", 10},
	{"nothing/", 8},
};

/* Every prefix, with pages of every size. */
static void test_layouts(void **state)
{
	static const unsigned pages[] = {1, 2, 3, 7, 1000};

	(void)state;
	for (size_t p = 0; p < sizeof(pages) / sizeof(*pages); p++) {
		struct bucket *b = bucket_new();

		put_layouts(b);
		b->page = pages[p];
		for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
			const char *prefix = prefixes[i].prefix;

			open_source(b, prefix);
			assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
			expect_admitted(b, prefix ? prefix : "", prefixes[i].cut, NULL, SOURCE_ALL_DAYS);
			assert_string_equal(b->problems, "");
		}
		bucket_free(b);
	}
}

static int32_t day(int year, int month, int mday)
{
	int32_t d = 0;

	assert_true(date_to_day(year, month, mday, &d));
	return d;
}

/* Days: what has one is shown if its day is admitted. Loose files in a region's folder are not looked for. */
static void test_days(void **state)
{
	struct bucket *b = bucket_new();
	const int32_t ends[][2] = {
		{day(2025, 6, 19), day(2025, 6, 19)},
		{day(2025, 6, 20), INT32_MAX},
		{INT32_MIN + 1, day(2025, 6, 18)},
		{day(2024, 1, 1), day(2024, 12, 31)},
		{day(2030, 1, 1), INT32_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++)
		if (!strstr(layouts[i], "us-east-1/loose") && !strstr(layouts[i], "Config/"))
			put(b, layouts[i]);
	open_source(b, NULL);
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		struct source_filter f = {.first_day = ends[i][0], .last_day = ends[i][1]};

		assert_int_equal(list(b, SOURCE_ALL_DAYS, &f), 0);
		expect_admitted(b, "", 0, &f, SOURCE_ALL_DAYS);
	}
	bucket_free(b);
}

/* Servers that list in no order: within a page, or at all. */
static void test_no_order(void **state)
{
	static const unsigned pages[] = {1, 2, 3, 7, 1000};
	const int32_t ends[][2] = {
		{INT32_MIN + 1, INT32_MAX},
		{day(2025, 6, 19), day(2025, 6, 19)},
		{day(2024, 12, 31), day(2025, 6, 18)},
		{INT32_MIN + 1, day(2025, 6, 18)},
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(pages) / sizeof(*pages); i++) {
		struct bucket *b = bucket_new();

		for (size_t k = 0; k < sizeof(layouts) / sizeof(*layouts); k++)
			if (!strstr(layouts[k], "us-east-1/loose") && !strstr(layouts[k], "Config/"))
				put(b, layouts[k]);
		b->page = pages[i / 2];
		b->backwards = i % 2 == 0;
		/* In fewer a page there may seem to be an order. */
		b->shuffled = i % 2 == 1 && b->page >= 7;
		for (size_t k = 0; k < sizeof(ends) / sizeof(*ends) * 4; k++) {
			struct source_filter f = {.first_day = ends[k / 4][0], .last_day = ends[k / 4][1]};
			const char *prefix = prefixes[k % 4].prefix;

			open_source(b, prefix);
			assert_int_equal(list(b, SOURCE_ALL_DAYS, &f), 0);
			expect_admitted(b, prefix ? prefix : "", prefixes[k % 4].cut, &f, SOURCE_ALL_DAYS);
			/* Now that it is known: nothing is asked twice, no day is missed. */
			assert_int_equal(list(b, SOURCE_ALL_DAYS, &f), 0);
			expect_admitted(b, prefix ? prefix : "", prefixes[k % 4].cut, &f, SOURCE_ALL_DAYS);
			assert_int_equal(list(b, day(2025, 6, 19), &f), 0);
			expect_admitted(b, prefix ? prefix : "", prefixes[k % 4].cut, &f, day(2025, 6, 19));
		}
		bucket_free(b);
	}
}

/* Accounts and regions that are not admitted are not even asked about. */
static void test_accounts_and_regions(void **state)
{
	static const char *const account[] = {"111122223333"}, *const region[] = {"eu-west-1"};
	const struct source_filter f = {.first_day = INT32_MIN + 1,
		.last_day = INT32_MAX,
		.account = account,
		.n_account = 1,
		.region = region,
		.n_region = 1};
	struct bucket *b = bucket_new();

	(void)state;
	put(b, A "19/a.json.gz");
	put(b, "AWSLogs/111122223333/CloudTrail/eu-west-1/2025/06/19/e.json.gz");
	put(b, "AWSLogs/444455556666/CloudTrail/eu-west-1/2025/06/19/h.json.gz");
	put(b, "AWSLogs/o-0123456789/444455556666/CloudTrail/us-east-1/2025/06/19/h.json.gz");
	put(b, "AWSLogs/o-0123456789/111122223333/CloudTrail/eu-west-1/2025/06/19/i.json.gz");
	put(b, "other.json");
	open_source(b, NULL);
	assert_int_equal(list(b, SOURCE_ALL_DAYS, &f), 0);
	expect_admitted(b, "", 0, &f, SOURCE_ALL_DAYS);
	assert_null(strstr(b->log, "444455556666"));
	assert_null(strstr(b->log, "us-east-1"));
	/* sweep (and its end), AWSLogs, account, kind, region; organization, account, kind, region */
	assert_int_equal(atomic_load(&b->lists), 2 + 1 + 3 + 4);
	bucket_free(b);
}

/* ---- costs ---- */

/* Objects of 100 days in one region, so many a day. */
static void put_days(struct bucket *b, int n)
{
	char key[256];

	for (int d = 0; d < 100; d++) {
		int y, m, md;

		day_to_date(day(2025, 1, 1) + d, &y, &m, &md);
		for (int i = 0; i < n; i++) {
			snprintf(key, sizeof(key),
				"AWSLogs/111122223333/CloudTrail/us-east-1/%04d/%02d/%02d/%03d.json.gz", y, m,
				md, i);
			put(b, key);
		}
	}
}

static void put_many(struct bucket *b)
{
	put_days(b, 400);
}

static void test_split(void **state)
{
	struct bucket *b = bucket_new();

	(void)state;
	put_many(b);
	put(b, "AWSLogs/111122223333/CloudTrail/us-east-1/loose");
	put(b, "AWSLogs/111122223333/CloudTrail/us-east-1/2025/loose");
	put(b, "AWSLogs/111122223333/CloudTrail/us-east-1/2025/01/0");
	open_source(b, NULL);
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
	expect_admitted(b, "", 0, NULL, SOURCE_ALL_DAYS);
	assert_true(b->n_seen < b->n + 100);
	/* 41 pages are what 40,003 keys take; finding the way, and parts of pages, cost a few more. */
	assert_true(atomic_load(&b->lists) < 41 + 20);
	/* By month, after the first few thousand. */
	assert_non_null(strstr(b->log, "us-east-1/2025/03/ -\n"));
	bucket_free(b);
}

/* Large, and in no order: only the last few keys of what is asked for first say so. */
static void test_many_in_no_order(void **state)
{
	const struct source_filter f = {.first_day = day(2025, 3, 1), .last_day = day(2025, 3, 2)};
	const struct source_filter early = {.first_day = day(2025, 1, 1), .last_day = day(2025, 1, 2)};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct bucket *b = bucket_new();

		put_days(b, 30);
		put(b, "loose");
		b->backwards = i == 0;
		b->shuffled = i == 1;
		b->page = 700;
		open_source(b, NULL);
		assert_int_equal(list(b, SOURCE_ALL_DAYS, i ? &early : &f), 0);
		expect_admitted(b, "", 0, i ? &early : &f, SOURCE_ALL_DAYS);
		open_source(b, "AWSLogs/111122223333/CloudTrail/us-east-1/");
		assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
		expect_admitted(b, "AWSLogs/", 0, NULL, SOURCE_ALL_DAYS);
		bucket_free(b);
	}
}

static void test_few_days_of_many(void **state)
{
	const struct source_filter f = {.first_day = day(2025, 3, 1), .last_day = day(2025, 3, 2)};
	struct bucket *b = bucket_new();

	(void)state;
	put_many(b);
	open_source(b, NULL);
	assert_int_equal(list(b, SOURCE_ALL_DAYS, &f), 0);
	expect_admitted(b, "", 0, &f, SOURCE_ALL_DAYS);
	assert_int_equal(b->n_seen, 800);
	/* sweep and its end, AWSLogs, account, kind, region */
	assert_int_equal(atomic_load(&b->lists), 6);
	bucket_free(b);
}

/* ---- what is kept ---- */

struct kept {
	struct folder folder;
	struct cache *cache;
	struct listings *listings;
};

static void keep_in(struct kept *k, struct bucket *b)
{
	folder_make(&k->folder);
	assert_int_equal(cache_open(folder_at(&k->folder, "cache"), "s3://trail-logs/", &k->cache), 0);
	assert_int_equal(listings_open(k->cache, &k->listings), 0);
	source_s3_keep(b->source, k->listings);
}

static void kept_free(struct kept *k)
{
	listings_free(k->listings);
	cache_free(k->cache);
	folder_remove(&k->folder);
}

/* What was listed by many tasks, each a part of a region, is kept as one listing. */
static void test_split_is_kept(void **state)
{
	struct bucket *b = bucket_new();
	const struct source_sink sink = {see, see_problem, b};
	struct kept k;

	(void)state;
	put_many(b);
	open_source(b, NULL);
	keep_in(&k, b);
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
	expect_admitted(b, "", 0, NULL, SOURCE_ALL_DAYS);
	assert_non_null(strstr(b->log, "us-east-1/2025/03/ -\n"));
	/* Without asking the bucket; and with asking only what may be new. */
	for (int round = 0; round < 2; round++) {
		forget(b);
		if (round == 0)
			assert_int_equal(listings_all(k.listings, SOURCE_ALL_DAYS, NULL, &sink), 0);
		else
			assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
		assert_int_equal(b->n_seen, b->n);
		expect_admitted(b, "", 0, NULL, SOURCE_ALL_DAYS);
		/* sweep and its end, AWSLogs, account, kind, region */
		assert_true(atomic_load(&b->lists) <= 6);
	}
	bucket_free(b);
	kept_free(&k);
}

/* One of the tasks may not list its part: nothing is kept of the region, as none of it is known to be all. */
static void test_split_is_not_kept(void **state)
{
	struct bucket *b = bucket_new();
	struct kept k;

	(void)state;
	put_many(b);
	open_source(b, NULL);
	keep_in(&k, b);
	b->denied = "AWSLogs/111122223333/CloudTrail/us-east-1/2025/03/";
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
	assert_non_null(strstr(b->problems, "us-east-1/2025/03/ -13"));
	assert_true(b->n_seen < b->n);
	b->denied = NULL;
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
	expect_admitted(b, "", 0, NULL, SOURCE_ALL_DAYS);
	assert_true(atomic_load(&b->lists) > 41);
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
	expect_admitted(b, "", 0, NULL, SOURCE_ALL_DAYS);
	assert_true(atomic_load(&b->lists) <= 6);
	bucket_free(b);
	kept_free(&k);
}

/* One day: of the regions that the last full listing found. */
static void test_one_day(void **state)
{
	struct bucket *b = bucket_new();
	const struct source_filter none = {.first_day = day(2025, 6, 20), .last_day = INT32_MAX};
	int32_t d = day(2025, 6, 19);

	(void)state;
	put_layouts(b);
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		const char *prefix = prefixes[i].prefix;

		open_source(b, prefix);
		assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
		assert_int_equal(list(b, d, NULL), 0);
		expect_admitted(b, prefix ? prefix : "", prefixes[i].cut, NULL, d);
	}
	open_source(b, "AWSLogs/111122223333/");
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
	assert_int_equal(list(b, d, NULL), 0);
	/* CloudTrail: two regions and one of the inner layout; Config: one; Digest: one */
	assert_int_equal(atomic_load(&b->lists), 5);
	assert_non_null(strstr(b->log, A "19/ -\n"));
	/* A day that is not admitted costs nothing. */
	assert_int_equal(list(b, d, &none), 0);
	assert_int_equal(atomic_load(&b->lists), 0);
	assert_int_equal(b->n_seen, 0);
	/* Before any full listing it has to look where the regions are. */
	open_source(b, "AWSLogs/o-0123456789/");
	assert_int_equal(list(b, d, NULL), 0);
	qsort(b->seen, b->n_seen, sizeof(*b->seen), by_bytes);
	assert_int_equal(b->n_seen, 2);
	assert_string_equal(
		b->seen[0], "AWSLogs/o-0123456789/444455556666/CloudTrail/us-east-1/2025/06/19/h.json.gz");
	assert_string_equal(b->seen[1], "AWSLogs/o-0123456789/odd/x");
	bucket_free(b);
}

/* ---- what goes wrong ---- */

static void test_denied_part(void **state)
{
	struct bucket *b = bucket_new();
	char message[SOURCE_MESSAGE_MAX];

	(void)state;
	put(b, A "19/a.json.gz");
	put(b, "AWSLogs/444455556666/CloudTrail/eu-west-1/2025/06/19/h.json.gz");
	open_source(b, NULL);
	b->denied = "AWSLogs/4";
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
	assert_int_equal(b->n_seen, 1);
	assert_string_equal(b->seen[0], A "19/a.json.gz");
	assert_non_null(
		strstr(b->problems, "AWSLogs/444455556666/ -13 s3://trail-logs: HTTP 403 AccessDenied"));
	/* The whole of it: no part, but a failure. */
	b->denied = "";
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), -EACCES);
	source_explain(b->source, message);
	assert_non_null(strstr(message, "s3:ListBucket"));
	assert_int_equal(source_check(b->source), -EACCES);
	b->denied = NULL;
	assert_int_equal(source_check(b->source), 0);
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
	source_explain(b->source, message);
	assert_string_equal(message, "");
	b->denied = "";
	assert_int_equal(source_check(b->source), -EACCES);
	source_explain(b->source, message);
	assert_non_null(strstr(message, "s3:ListBucket"));
	bucket_free(b);
}

static void test_sink_stops(void **state)
{
	struct bucket *b = bucket_new();

	(void)state;
	put_many(b);
	open_source(b, NULL);
	b->page = 10; /* 4,000 pages, of which no more are asked for than can be held */
	b->stop = 7;
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 7);
	assert_int_equal(b->n_seen, 1);
	assert_true(atomic_load(&b->lists) < 1000);
	b->page = 1000;
	b->stop = -EPROTO;
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), -EPROTO);
	b->stop = 0;
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), 0);
	assert_true(b->n_seen >= b->n);
	bucket_free(b);
}

static void *cancel_soon(void *arg)
{
	struct bucket *b = arg;

	while (atomic_load(&b->lists) < 3)
		usleep(1000);
	source_cancel(b->source);
	return NULL;
}

static void test_cancel(void **state)
{
	struct bucket *b = bucket_new();
	struct source_object o = {.key = "k", .size = 1};
	char buf[4];
	size_t n;
	pthread_t thread;

	(void)state;
	put_many(b);
	open_source(b, NULL);
	b->hanging = "AWSLogs/111";
	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, b), 0);
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), -ECANCELED);
	pthread_join(thread, NULL);
	assert_int_equal(list(b, SOURCE_ALL_DAYS, NULL), -ECANCELED);
	assert_int_equal(source_read(b->source, &o, 0, buf, 1, &n), -ECANCELED);
	bucket_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_days),
		cmocka_unit_test(test_no_order),
		cmocka_unit_test(test_accounts_and_regions),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_many_in_no_order),
		cmocka_unit_test(test_few_days_of_many),
		cmocka_unit_test(test_split_is_kept),
		cmocka_unit_test(test_split_is_not_kept),
		cmocka_unit_test(test_one_day),
		cmocka_unit_test(test_denied_part),
		cmocka_unit_test(test_sink_stops),
		cmocka_unit_test(test_cancel),
	};

	bucket_environment();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
