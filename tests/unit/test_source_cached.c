/*
 * A source with packs in front of it: one fetch an object, ever; what failed is asked again; offline asks
 * nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "fs/log.h"
#include "fs/source_cached.h"
#include "tests/unit/folder.h"

#define ID     "s3://host/bucket/"
#define REGION "AWSLogs/111122223333/CloudTrail/us-east-1/"
#define LARGE  ((uint64_t)1 << 40)
#define MANY   300

/* ---- a bucket in memory ---- */

struct bucket {
	struct source base;
	struct listings *listings;
	atomic_uint fetched[MANY], lists, reads, reloads;
	int error;  /* of fetches; 0: none */
	bool later; /* done() is called from another thread */
	bool wrong_length;
	bool *freed;
	pthread_t thread[64];
	size_t n_threads;
};

static struct source_object object(unsigned n)
{
	static char key[MANY][80];

	if (!key[n][0])
		snprintf(key[n], sizeof(key[n]), REGION "2025/06/%02u/%u.json.gz", 1 + n % 5, n);
	return (struct source_object){.key = key[n], .size = n * 7 % 5000, .mtime = n, .tag = n * 3};
}

static unsigned number_of(const char *key)
{
	return (unsigned)strtoul(strrchr(key, '/') + 1, NULL, 10);
}

static char byte_of(unsigned n, size_t i)
{
	return (char)(n * 13 + i * 7 + (i >> 8));
}

struct job {
	struct bucket *b;
	const struct source_object *o;
	size_t n;
	source_done *done;
	void *arg;
};

static void answer(const struct job *j)
{
	size_t n = j->n;

	for (size_t i = n; i-- > 0;) { /* in any order */
		unsigned number = number_of(j->o[i].key);
		size_t len = (size_t)j->o[i].size;
		char *data = malloc(len + 1);

		atomic_fetch_add(&j->b->fetched[number], 1);
		for (size_t k = 0; k < len; k++)
			data[k] = byte_of(number, k);
		data[len] = '\0';
		if (j->b->error) {
			free(data);
			j->done(j->arg, i, j->b->error, NULL, 0, "because");
		} else {
			j->done(j->arg, i, 0, data, j->b->wrong_length && len > 0 ? len - 1 : len, "");
		}
	}
}

static void *answer_later(void *arg)
{
	struct job *j = arg;

	answer(j);
	free(j);
	return NULL;
}

static void fetch(struct source *s, const struct source_object *o, size_t n, source_done *done, void *arg)
{
	struct bucket *b = (struct bucket *)s;
	struct job j = {b, o, n, done, arg}, *later;

	assert_true(n > 0);
	if (!b->later) {
		answer(&j);
		return;
	}
	later = malloc(sizeof(*later));
	*later = j;
	assert_true(b->n_threads < 64);
	assert_int_equal(pthread_create(&b->thread[b->n_threads++], NULL, answer_later, later), 0);
}

static int list(struct source *s, int32_t day, const struct source_filter *f, const struct source_sink *sink)
{
	struct bucket *b = (struct bucket *)s;
	int r = 0;

	(void)day;
	(void)f;
	atomic_fetch_add(&b->lists, 1);
	struct listing *g =
		listing_begin(b->listings, LISTING_FLAT, "AWSLogs/", LISTINGS_FIRST, LISTINGS_LAST, 1);
	struct listing_run *run[5];
	for (unsigned i = 0; i < 5; i++)
		run[i] = listing_run(g);
	for (unsigned n = 0; n < 10 && r == 0; n++) {
		struct source_object o = object(n);

		listing_add(run[n % 5], &o);
		r = sink->object(sink->arg, &o);
	}
	listing_end(g, r == 0);
	return r;
}

static int read_piece(
	struct source *s, const struct source_object *o, uint64_t offset, void *buf, size_t n, size_t *ret_n)
{
	(void)o;
	(void)offset;
	atomic_fetch_add(&((struct bucket *)s)->reads, 1);
	memset(buf, 'r', n);
	*ret_n = n;
	return 0;
}

static void cancel(struct source *s)
{
	(void)s;
}

static void reload(struct source *s)
{
	atomic_fetch_add(&((struct bucket *)s)->reloads, 1);
}

static void bucket_free(struct source *s)
{
	struct bucket *b = (struct bucket *)s;

	*b->freed = true;
}

static const struct source_ops bucket_ops = {
	.list = list,
	.fetch = fetch,
	.read = read_piece,
	.cancel = cancel,
	.free = bucket_free,
	.reload = reload,
};

/* ---- fixture ---- */

struct fixture {
	struct folder folder;
	struct cache *cache;
	struct packs *packs;
	struct listings *listings;
	struct bucket bucket;
	struct source *source;
	bool freed;
};

static void close_all(struct fixture *f)
{
	source_free(f->source);
	packs_free(f->packs);
	listings_free(f->listings);
	f->source = NULL;
	f->packs = NULL;
	f->listings = NULL;
}

/* As a mount that begins. */
static void open_all(struct fixture *f, bool offline, uint64_t max)
{
	close_all(f);
	assert_int_equal(packs_open(f->cache, max, &f->packs), 0);
	assert_int_equal(listings_open(f->cache, &f->listings), 0);
	f->bucket.listings = f->listings;
	assert_int_equal(source_cached_new(&f->bucket.base, f->packs, f->listings, offline, &f->source), 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	folder_make(&f->folder);
	assert_int_equal(cache_open(folder_at(&f->folder, "cache"), ID, &f->cache), 0);
	f->bucket.base = (struct source){&bucket_ops, (char *)(uintptr_t)ID};
	f->bucket.freed = &f->freed;
	open_all(f, false, LARGE);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	close_all(f);
	assert_true(f->freed);
	cache_free(f->cache);
	folder_remove(&f->folder);
	free(f);
	return 0;
}

/* ---- fetching ---- */

struct got {
	pthread_mutex_t lock;
	pthread_cond_t came;
	size_t left;
	int error[MANY], calls[MANY];
	char *data[MANY];
	size_t len[MANY];
	char reason[SOURCE_REASON_MAX];
};

static void on_done(void *arg, size_t i, int error, char *data, size_t len, const char *reason)
{
	struct got *g = arg;

	pthread_mutex_lock(&g->lock);
	g->error[i] = error;
	g->calls[i]++;
	g->data[i] = data;
	g->len[i] = len;
	if (error)
		snprintf(g->reason, sizeof(g->reason), "%s", reason);
	g->left--;
	pthread_cond_signal(&g->came);
	pthread_mutex_unlock(&g->lock);
}

/* Fetches objects first..first + n - 1; how many came, and those are right. *ret_error: of the others. */
static size_t fetch_all(struct fixture *f, unsigned first, size_t n, int *ret_error)
{
	struct got *g = calloc(1, sizeof(*g));
	struct source_object o[MANY];
	size_t came = 0;

	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->came, NULL);
	g->left = n;
	for (unsigned i = 0; i < n; i++)
		o[i] = object(first + i);
	source_fetch(f->source, o, n, on_done, g);
	pthread_mutex_lock(&g->lock);
	while (g->left > 0)
		pthread_cond_wait(&g->came, &g->lock);
	pthread_mutex_unlock(&g->lock);
	while (f->bucket.n_threads > 0)
		pthread_join(f->bucket.thread[--f->bucket.n_threads], NULL);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(g->calls[i], 1);
		if (g->error[i]) {
			*ret_error = g->error[i];
			assert_true(*g->reason);
			continue;
		}
		came++;
		for (size_t k = 0; k < g->len[i]; k++)
			assert_int_equal(g->data[i][k], byte_of(first + i, k));
		free(g->data[i]);
	}
	pthread_cond_destroy(&g->came);
	pthread_mutex_destroy(&g->lock);
	free(g);
	return came;
}

static unsigned fetches(const struct fixture *f)
{
	unsigned sum = 0;

	for (unsigned n = 0; n < MANY; n++)
		sum += atomic_load(&f->bucket.fetched[n]);
	return sum;
}

static void one_get_an_object_ever(void **state)
{
	struct fixture *f = *state;
	int error = 0;

	for (int round = 0; round < 3; round++) {
		f->bucket.later = round % 2 == 0;
		assert_int_equal(fetch_all(f, 0, 100, &error), 100);
		assert_int_equal(fetches(f), 100);
		open_all(f, false, LARGE);
	}
	assert_int_equal(fetch_all(f, 50, 250, &error), 250); /* some here, some not */
	assert_int_equal(fetch_all(f, 0, 300, &error), 300);
	for (unsigned n = 0; n < MANY; n++)
		assert_int_equal(atomic_load(&f->bucket.fetched[n]), 1);
}

static void what_failed_is_asked_again(void **state)
{
	struct fixture *f = *state;
	int error = 0;

	f->bucket.error = -EACCES;
	assert_int_equal(fetch_all(f, 0, 10, &error), 0);
	assert_int_equal(error, -EACCES);
	f->bucket.error = 0;
	f->bucket.wrong_length = true; /* and what is not whole is not kept */
	assert_int_equal(fetch_all(f, 0, 10, &error), 10);
	f->bucket.wrong_length = false;
	assert_int_equal(fetch_all(f, 0, 10, &error), 10);
	assert_int_equal(fetches(f), 30 - 1); /* the 0th is empty: whole in any case */
	assert_int_equal(fetch_all(f, 0, 10, &error), 10);
	assert_int_equal(fetches(f), 30 - 1);
}

static void what_is_doubted_is_asked_again(void **state)
{
	struct fixture *f = *state;
	struct source_object o = object(5);
	int error = 0;

	assert_int_equal(fetch_all(f, 0, 10, &error), 10);
	assert_true(source_doubt(f->source, &o));
	open_all(f, false, LARGE);
	assert_int_equal(fetch_all(f, 0, 10, &error), 10);
	assert_int_equal(fetches(f), 11);
	assert_int_equal(atomic_load(&f->bucket.fetched[5]), 2);
	assert_int_equal(fetch_all(f, 0, 10, &error), 10);
	assert_int_equal(fetches(f), 11);
	/* Offline what is kept is all there is, and is not given up. */
	open_all(f, true, LARGE);
	assert_false(source_doubt(f->source, &o));
	assert_int_equal(fetch_all(f, 0, 10, &error), 10);
	assert_int_equal(fetches(f), 11);
	/* What has nothing before it gives the same bytes again. */
	assert_false(source_doubt(&f->bucket.base, &o));
}

static void without_a_cache_it_is_as_the_other(void **state)
{
	struct fixture *f = *state;
	int error = 0;

	open_all(f, false, 0);
	assert_int_equal(fetch_all(f, 0, 10, &error), 10);
	assert_int_equal(fetch_all(f, 0, 10, &error), 10);
	assert_int_equal(fetches(f), 20);
	assert_string_equal(f->source->id, ID);
}

static void pieces_and_reload_pass_through(void **state)
{
	struct fixture *f = *state;
	struct source_object o = object(5);
	char buf[4];
	size_t n;

	assert_int_equal(source_read(f->source, &o, 1, buf, 4, &n), 0);
	assert_memory_equal(buf, "rrrr", 4);
	source_reload(f->source);
	assert_int_equal(atomic_load(&f->bucket.reloads), 1);
	source_cancel(f->source);
	int error = 0;
	assert_int_equal(fetch_all(f, 0, 3, &error), 0);
	assert_int_equal(error, -ECANCELED);
	assert_int_equal(source_read(f->source, &o, 1, buf, 4, &n), -ECANCELED);
	assert_int_equal(fetches(f), 0);
}

/* ---- listing ---- */

struct seen {
	unsigned n, problems;
};

static int on_object(void *arg, const struct source_object *o)
{
	struct source_object is = object(number_of(o->key));

	assert_string_equal(o->key, is.key);
	assert_true(o->size == is.size && o->mtime == is.mtime && o->tag == is.tag);
	((struct seen *)arg)->n++;
	return 0;
}

static int on_problem(void *arg, const char *key, int error, const char *reason)
{
	(void)key;
	assert_true(error < 0 && *reason);
	((struct seen *)arg)->problems++;
	return 0;
}

static int count_object(void *arg, const struct source_object *o)
{
	(void)o;
	((struct seen *)arg)->n++;
	return 0;
}

static unsigned list_all(struct fixture *f, int expect)
{
	struct seen seen = {0};
	const struct source_sink sink = {on_object, on_problem, &seen};

	assert_int_equal(source_list(f->source, SOURCE_ALL_DAYS, NULL, &sink), expect);
	return seen.n;
}

static void offline_asks_nothing(void **state)
{
	struct fixture *f = *state;
	struct source_object o = object(5);
	char buf[8], message[SOURCE_MESSAGE_MAX];
	size_t n = 9;
	int error = 0;

	open_all(f, true, LARGE);
	list_all(f, -ENODATA);
	source_explain(f->source, message);
	assert_true(*message);
	open_all(f, false, LARGE);
	assert_int_equal(list_all(f, 0), 10);
	assert_int_equal(fetch_all(f, 0, 7, &error), 7);

	open_all(f, true, LARGE);
	assert_int_equal(list_all(f, 0), 10);
	assert_int_equal(fetch_all(f, 0, 10, &error), 7);
	assert_int_equal(error, -EHOSTUNREACH);
	assert_int_equal(source_check(f->source), 0);
	assert_int_equal(source_read(f->source, &o, 30, buf, 8, &n), 0);
	assert_int_equal(n, 5);
	for (size_t k = 0; k < n; k++)
		assert_int_equal(buf[k], byte_of(5, 30 + k));
	assert_int_equal(source_read(f->source, &o, 35, buf, 8, &n), 0);
	assert_int_equal(n, 0);
	o = object(8);
	assert_int_equal(source_read(f->source, &o, 0, buf, 8, &n), -EHOSTUNREACH);
	assert_int_equal(atomic_load(&f->bucket.lists), 1);
	assert_int_equal(atomic_load(&f->bucket.reads), 0);
	assert_int_equal(fetches(f), 7);
}

/* Whatever byte of it is damaged: all that there is, or it is said that it is not all, each time. */
static void damage_is_said_offline(void **state)
{
	struct fixture *f = *state;
	struct listing *g;
	char data[4096], path[300];
	size_t len;
	FILE *file;

	assert_int_equal(list_all(f, 0), 10);
	g = listing_begin(f->listings, LISTING_DAYS, REGION, LISTINGS_FIRST, LISTINGS_LAST, 1);
	listing_add(listing_run(g), &(struct source_object){.key = REGION "2025/06/01/10.json.gz"});
	listing_end(g, true);
	snprintf(path, sizeof(path), "%s", cache_path(f->cache, "listings"));
	file = fopen(path, "rb");
	len = fread(data, 1, sizeof(data), file);
	fclose(file);
	assert_in_range(len, 1, sizeof(data) - 1);
	for (size_t i = 0; i < len; i++) {
		data[i] ^= 0x10;
		file = fopen(path, "wb");
		assert_int_equal(fwrite(data, 1, len, file), len);
		fclose(file);
		data[i] ^= 0x10;
		open_all(f, true, LARGE);
		for (int round = 0; round < 2; round++) {
			struct seen seen = {0};
			const struct source_sink sink = {count_object, on_problem, &seen};
			int r = source_list(f->source, SOURCE_ALL_DAYS, NULL, &sink);

			assert_true(r == -ENODATA || (r == 0 && (seen.problems == 1 || seen.n == 11)));
		}
	}
}

/* An object that is gone is not in a closed day for ever. */
static void what_is_gone_is_listed_again(void **state)
{
	struct fixture *f = *state;
	const struct source_sink sink = {on_object, on_problem, &(struct seen){0}};
	const int table[] = {-ENOENT, -ESTALE, -EACCES};
	int32_t next;

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct source_object o = object(0); /* of June 1st */
		struct listing *g = listing_begin(f->listings, LISTING_DAYS, REGION, LISTINGS_FIRST,
			LISTINGS_LAST, 1750000000 + (int64_t)i);
		int error = 0;

		listing_add(listing_run(g), &o);
		listing_end(g, true);
		assert_int_equal(
			listings_find(f->listings, REGION, LISTINGS_FIRST, LISTINGS_LAST, &sink, &next), 0);
		assert_int_not_equal(next, LISTINGS_FIRST);
		f->bucket.error = table[i];
		assert_int_equal(fetch_all(f, 0, 1, &error), 0);
		assert_int_equal(
			listings_find(f->listings, REGION, LISTINGS_FIRST, LISTINGS_LAST, &sink, &next), 0);
		assert_int_equal(next == LISTINGS_FIRST, table[i] != -EACCES);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_get_an_object_ever),
		TEST(what_failed_is_asked_again),
		TEST(what_is_doubted_is_asked_again),
		TEST(without_a_cache_it_is_as_the_other),
		TEST(pieces_and_reload_pass_through),
		TEST(offline_asks_nothing),
		TEST(damage_is_said_offline),
		TEST(what_is_gone_is_listed_again),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
