/*
 * What has come: every event that was not there at first, once, whatever happens to the objects; what cannot
 * be read comes later; what is no longer kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/live.h"
#include "fs/log.h"
#include "fs/store/follow.h"
#include "tests/changes.h"
#include "tests/fake_source.h"
#include "tests/made.h"

#define EVENTS        40
#define KEYS          12
#define WANTED        (1u << 20)
#define DAY_OF(event) (20 + (event) % 3)

/* What is listed and indexed comes from `source`, what live.jsonl reads from `reads`: the same objects, but
 * that it may fail when the test wants. */
struct world {
	struct fake source, reads;
	struct catalog *catalog;
	struct follow *follow;
	struct days *days;
	struct reader *reader;
	struct live *live;
	char *wanted;
	size_t wanted_len;
	bool known[EVENTS], fresh[EVENTS];
	struct changes changes;
	bool started;
};

static void changed(void *arg)
{
	struct world *w = arg;

	if (__atomic_load_n(&w->started, __ATOMIC_ACQUIRE))
		live_wake(w->live);
	changes_tell(&w->changes);
}

static void wait_some(struct world *w, int64_t late)
{
	if (!changes_wait(&w->changes, late))
		fail_msg("not within %d s", CHANGES_LIMIT);
}

/* ---- objects ---- */

static void line_of(int event, char out[128])
{
	snprintf(out, 128,
		"{\"eventTime\":\"2025-06-%02dT09:00:00Z\",\"eventName\":\"N\",\"eventID\":\"%03d\"}",
		DAY_OF(event), event);
}

static struct fake_object *object_at(struct fake *f, int key)
{
	char name[96];

	snprintf(name, sizeof(name), LOGS "2025/06/%02d/%d.json", 20 + key % 4, key);
	for (int i = 0; i < f->n; i++)
		if (!strcmp(f->object[i].key, name))
			return &f->object[i];
	assert_true(f->n < OBJECTS_MAX);
	snprintf(f->object[f->n].key, sizeof(f->object[0].key), "%s", name);
	return &f->object[f->n++];
}

static void put_text(struct fake *f, int key, const char *text, uint64_t version)
{
	struct fake_object *x;

	pthread_mutex_lock(&f->lock);
	x = object_at(f, key);
	snprintf(x->text, sizeof(x->text), "%s", text);
	x->version = version;
	x->there = true;
	pthread_mutex_unlock(&f->lock);
}

/* An object with one event or two (b < 0: one). */
static void put_events(struct world *w, int key, int a, int b)
{
	static uint64_t version;
	char text[sizeof(w->source.object[0].text)], x[128], y[128] = "";

	line_of(a, x);
	if (b >= 0)
		line_of(b, y);
	snprintf(text, sizeof(text), "%s%s%s", x, b >= 0 ? "\n " : "", y);
	version++;
	put_text(&w->reads, key, text, version);
	put_text(&w->source, key, text, version);
	w->fresh[a] = true;
	if (b >= 0)
		w->fresh[b] = true;
}

static void drop_object(struct world *w, int key)
{
	pthread_mutex_lock(&w->source.lock);
	object_at(&w->source, key)->there = false;
	pthread_mutex_unlock(&w->source.lock);
}

/* What was put since the last call must come now. */
static void want_fresh(struct world *w, bool told)
{
	for (int day = 20; day < 23; day++)
		for (int i = 0; i < EVENTS; i++) {
			char line[128];

			if (!w->fresh[i] || w->known[i] || DAY_OF(i) != day)
				continue;
			w->known[i] = true;
			line_of(i, line);
			if (told)
				w->wanted_len += (size_t)snprintf(
					w->wanted + w->wanted_len, WANTED - w->wanted_len, "%s\n", line);
		}
	memset(w->fresh, 0, sizeof(w->fresh));
}

/* The same, of what the objects that are there hold: what was put and replaced within a step never came. */
static void want_present(struct world *w)
{
	memset(w->fresh, 0, sizeof(w->fresh));
	for (int i = 0; i < w->source.n; i++)
		for (int e = 0; e < EVENTS; e++) {
			char line[128];

			line_of(e, line);
			w->fresh[e] |= w->source.object[i].there && strstr(w->source.object[i].text, line);
		}
	want_fresh(w, true);
}

/* ---- a mount ---- */

static void refresh(struct world *w)
{
	uint64_t before = catalog_counts(w->catalog).listings;
	int64_t late = changes_end();
	struct catalog_counts c;

	follow_refresh(w->follow);
	for (c = catalog_counts(w->catalog); !c.complete || c.listings == before;
		c = catalog_counts(w->catalog))
		wait_some(w, late);
}

static void start(struct world *w, uint64_t keep)
{
	static const struct follow_options options = {.readers = 2};
	int64_t late = changes_end();

	assert_int_equal(catalog_new(NULL, false, changed, w, &w->catalog), 0);
	assert_int_equal(follow_new(&w->source.base, NULL, w->catalog, &options, &w->follow), 0);
	assert_int_equal(reader_new(&w->reads.base, NULL, changed, w, &w->reader), 0);
	w->days = days_new(INT64_MIN, INT64_MAX);
	assert_int_equal(live_new(w->catalog, w->days, w->reader, NULL, keep, changed, w, &w->live), 0);
	__atomic_store_n(&w->started, true, __ATOMIC_RELEASE);
	reader_start(w->reader);
	assert_int_equal(live_start(w->live), 0);
	assert_int_equal(follow_start(w->follow), 0);
	while (!catalog_counts(w->catalog).complete)
		wait_some(w, late);
}

static struct world *begin(void)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->wanted = calloc(1, WANTED);
	assert_non_null(w->wanted);
	changes_init(&w->changes);
	fake_begin(&w->source);
	fake_begin(&w->reads);
	return w;
}

static void end(struct world *w)
{
	follow_stop(w->follow);
	reader_stop(w->reader);
	live_stop(w->live);
	live_free(w->live);
	reader_free(w->reader);
	follow_free(w->follow);
	days_free(w->days);
	catalog_free(w->catalog);
	fake_end(&w->reads);
	fake_end(&w->source);
	changes_clear(&w->changes);
	free(w->wanted);
	free(w);
}

/* Waits until what must have come has, and compares it with all there is. */
static void check(struct world *w)
{
	int64_t late = changes_end();
	char *got = malloc(w->wanted_len + 100);
	size_t n;

	while (live_stat(w->live).size < w->wanted_len)
		wait_some(w, late);
	assert_int_equal(live_stat(w->live).size, w->wanted_len);
	assert_int_equal(live_read(w->live, 0, w->wanted_len + 100, got, &n), 0);
	assert_int_equal(n, w->wanted_len);
	assert_memory_equal(got, w->wanted, n);
	for (size_t offset = 0; offset <= w->wanted_len; offset += 77) {
		size_t want = w->wanted_len - offset < 50 ? w->wanted_len - offset : 50;

		assert_int_equal(live_read(w->live, offset, 50, got, &n), 0);
		assert_int_equal(n, want);
		assert_memory_equal(got, w->wanted + offset, n);
	}
	free(got);
}

/* ---- tests ---- */

static void tells_what_comes(void **state)
{
	struct world *w = begin();

	(void)state;
	put_events(w, 0, 0, 1);
	want_fresh(w, false);
	start(w, LIVE_KEPT);
	assert_int_equal(live_stat(w->live).size, 0);
	put_events(w, 1, 3, 2); /* by day and name */
	put_events(w, 2, 1, 5); /* one is there */
	want_fresh(w, true);
	refresh(w);
	check(w);
	assert_true(live_stat(w->live).grown > 0);
	end(w);
}

static void nothing_twice(void **state)
{
	struct world *w = begin();
	uint64_t seed = 7;

	(void)state;
	for (int key = 0; key < 3; key++)
		put_events(w, key, key * 2, key * 2 + 1);
	want_fresh(w, false);
	start(w, LIVE_KEPT);
	for (int step = 0; step < 60; step++) {
		for (uint64_t n = made_draw(&seed, 4); n; n--) {
			int key = (int)made_draw(&seed, KEYS);

			if (made_draw(&seed, 3) == 0)
				drop_object(w, key);
			else
				put_events(w, key, (int)made_draw(&seed, EVENTS - 1),
					(int)made_draw(&seed, EVENTS) - 1);
		}
		refresh(w);
		want_present(w);
		check(w);
	}
	put_events(w, KEYS, EVENTS - 1, -1);
	want_fresh(w, true);
	refresh(w);
	check(w);
	end(w);
}

static void what_cannot_be_read_comes_later(void **state)
{
	struct world *w = begin();

	(void)state;
	put_events(w, 0, 0, -1);
	want_fresh(w, false);
	start(w, LIVE_KEPT);
	/* One object fails, of two with the same event: that is told once, by and by. */
	set_failing(&w->reads, 1, -EIO);
	put_events(w, 2, 9, -1);
	put_events(w, 6, 9, -1);
	want_fresh(w, true);
	refresh(w);
	check(w);
	/* What is owed comes when it can be read, though nothing changes; refreshes meanwhile do not lose it.
	 */
	set_failing(&w->reads, 1000000, -EIO);
	put_events(w, 3, 15, 12);
	refresh(w);
	refresh(w);
	set_failing(&w->reads, 0, 0);
	want_fresh(w, true);
	check(w);
	put_events(w, 5, 18, 15);
	want_fresh(w, true);
	refresh(w);
	check(w);
	end(w);
}

static void old_bytes_go(void **state)
{
	struct world *w = begin();
	char got[4096];
	size_t n;
	uint64_t size;

	(void)state;
	start(w, 8192);
	for (int version = 0; version < 400; version++) {
		char text[200];

		snprintf(text, sizeof(text), "{\"eventName\":\"V%0150d\"}", version);
		put_text(&w->reads, version % 50, text, (uint64_t)version + 1);
		put_text(&w->source, version % 50, text, (uint64_t)version + 1);
		if (version % 50 < 49)
			continue;
		refresh(w);
		w->wanted_len = (size_t)(version + 1) * (strlen(text) + 1);
		for (int64_t late = changes_end(); live_stat(w->live).size < w->wanted_len;)
			wait_some(w, late);
	}
	for (int64_t late = changes_end(); live_stat(w->live).first == 0;)
		wait_some(w, late);
	size = live_stat(w->live).size;
	assert_int_equal(size, w->wanted_len);
	assert_int_equal(live_read(w->live, 0, sizeof(got), got, &n), -ESTALE);
	assert_int_equal(live_read(w->live, size - 4096, sizeof(got), got, &n), 0);
	assert_int_equal(n, 4096);
	assert_non_null(memmem(got, n, "000399\"}\n", 9));
	assert_null(memchr(got, '\0', n));
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_what_comes),
		cmocka_unit_test(nothing_twice),
		cmocka_unit_test(what_cannot_be_read_comes_later),
		cmocka_unit_test(old_bytes_go),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
