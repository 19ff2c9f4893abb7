/*
 * Rollups of a folder of logs: every byte and size against the events one after another, from any offset;
 * versions that stay what they are; objects that cannot be read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "fs/clock.h"
#include "fs/log.h"
#include "fs/rollup.h"
#include "fs/store/follow.h"
#include "fs/store/segment_map.h"
#include "render/csv.h"
#include "tests/unit/folder.h"

#define LIMIT   120 /* seconds that anything may take */
#define DAY0    20000
#define READERS 8

/* ---- events, as they are written and as they must be read ---- */

struct made {
	int32_t day; /* INT32_MAX: undated */
	char name[64];
	char *minified;
	const char *user;
};

struct world {
	struct folder folder;
	struct made *event;
	size_t n;
	uint64_t seed;

	struct source *source;
	struct catalog *catalog;
	struct follow *follow;
	struct reader *reader;
	struct days *days;
	struct view *view;
	struct rollups *rollups;
	pthread_mutex_t lock;
	pthread_cond_t changed;
};

static uint64_t draw(struct world *w, uint64_t n)
{
	w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
	return (w->seed >> 33) % n;
}

static const char *const users[] = {"alice", "bob", "carol"};

/* One more event, written to out with white space or without. extra: bytes that it has besides. */
static void make_event(struct world *w, int32_t day, size_t extra, struct buf *out)
{
	uint32_t second = (uint32_t)draw(w, 86400), id = (uint32_t)w->n;
	bool spaced = draw(w, 2) != 0;
	struct made *e;
	struct buf text = {0};
	char when[64] = "never";
	size_t len;

	w->event = realloc(w->event, (w->n + 1) * sizeof(*w->event));
	assert_non_null(w->event);
	e = &w->event[w->n++];
	e->day = day;
	e->user = users[draw(w, 3)];
	if (day == INT32_MAX)
		second = 0;
	else
		snprintf(when, sizeof(when), "2024-10-%02dT%02u:%02u:%02uZ", 4 + day - DAY0, second / 3600,
			second / 60 % 60, second % 60);
	snprintf(e->name, sizeof(e->name), "%02u%02u%02uZ_E_%08u.json", second / 3600, second / 60 % 60,
		second % 60, id);
	buf_addf(&text,
		"{\"eventTime\":\"%s\",\"eventName\":\"E\",\"eventID\":\"%08u\",\"userIdentity\":{\"type\":"
		"\"IAMUser\",\"userName\":\"%s\"},\"errorMessage\":\"a \\\"b\\\", [c]: d%s\",\"x\":\"",
		when, id, e->user, id % 3 ? "" : "\\n");
	for (size_t i = 0; i < extra; i++)
		buf_addc(&text, (char)('a' + i % 26));
	buf_adds(&text, "\"}");
	e->minified = buf_steal(&text, &len);
	assert_non_null(e->minified);
	for (const char *p = e->minified; *p; p++) {
		buf_addc(out, *p);
		if (spaced && (*p == '{' || !strncmp(p, ",\"e", 3)))
			buf_adds(out, "\n  ");
	}
	buf_addc(out, '\n');
}

static void write_events(struct world *w, const char *name, int32_t day, size_t n, size_t extra)
{
	struct buf out = {0};

	for (size_t i = 0; i < n; i++)
		make_event(w, day, extra ? draw(w, extra) : 0, &out);
	buf_addc(&out, '\0');
	assert_false(out.failed);
	folder_write(&w->folder, name, out.data);
	buf_clear(&out);
}

static int by_name(const void *a, const void *b)
{
	const struct made *x = a, *y = b;

	if (x->day != y->day)
		return x->day < y->day ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* What a rollup must hold. user NULL: of all. */
static struct buf expect(
	struct world *w, enum rollup_what what, const char *user, int32_t first, int32_t last)
{
	struct csv *c = csv_new();
	struct buf out = {0};
	size_t n = 0;

	qsort(w->event, w->n, sizeof(*w->event), by_name);
	buf_adds(&out, what == ROLLUP_JSON ? "{\"Records\":[" : what == ROLLUP_CSV ? CSV_HEADER : "");
	for (size_t i = 0; i < w->n; i++) {
		const struct made *e = &w->event[i];

		if (e->day < first || e->day > last || (user && strcmp(user, e->user) != 0))
			continue;
		n++;
		if (what == ROLLUP_CSV)
			assert_int_equal(
				csv_row(c, e->minified, strlen(e->minified), (struct value){NULL, 0}, &out),
				0);
		else if (what != ROLLUP_COUNT)
			buf_addf(&out, "%s%s%s", what == ROLLUP_JSON && n > 1 ? "," : "", e->minified,
				what == ROLLUP_JSONL ? "\n" : "");
	}
	if (what == ROLLUP_COUNT)
		buf_addf(&out, "%zu\n", n);
	buf_adds(&out, what == ROLLUP_JSON ? "]}" : "");
	assert_false(out.failed);
	csv_free(c);
	return out;
}

/* ---- a mount ---- */

static void changed(void *arg)
{
	struct world *w = arg;

	pthread_mutex_lock(&w->lock);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

/* Lets some time pass, or something change. */
static void wait_some(struct world *w, time_t end)
{
	if (time(NULL) > end)
		fail_msg("not within %d s", LIMIT);
	pthread_mutex_lock(&w->lock);
	clock_wait(&w->changed, &w->lock, clock_now() + CLOCK_SECOND / 200);
	pthread_mutex_unlock(&w->lock);
}

static void wait_listings(struct world *w, uint64_t n)
{
	time_t end = time(NULL) + LIMIT;
	struct catalog_counts c = catalog_counts(w->catalog);

	for (; !c.complete || c.listings < n; c = catalog_counts(w->catalog))
		wait_some(w, end);
}

static void refresh(struct world *w)
{
	uint64_t listings = catalog_counts(w->catalog).listings;

	follow_refresh(w->follow);
	wait_listings(w, listings + 1);
}

static void begin(struct world *w)
{
	*w = (struct world){.seed = 7};
	folder_make(&w->folder);
	pthread_mutex_init(&w->lock, NULL);
	clock_cond_init(&w->changed);
}

static void start(struct world *w)
{
	static const struct follow_options options = {.readers = 2};
	static const char *const skip[] = {NULL};

	assert_int_equal(source_dir_open(w->folder.path, skip, &w->source), 0);
	assert_int_equal(catalog_new(NULL, false, changed, w, &w->catalog), 0);
	assert_int_equal(follow_new(w->source, NULL, w->catalog, &options, &w->follow), 0);
	assert_int_equal(reader_new(w->source, NULL, changed, w, &w->reader), 0);
	w->days = days_new(INT64_MIN, INT64_MAX);
	w->view = view_new(w->days);
	assert_int_equal(rollups_new(w->catalog, w->days, w->view, w->reader, changed, w, &w->rollups), 0);
	assert_int_equal(reader_start(w->reader), 0);
	assert_int_equal(rollups_start(w->rollups), 0);
	assert_int_equal(follow_start(w->follow), 0);
	wait_listings(w, 1);
}

static void end(struct world *w)
{
	follow_stop(w->follow);
	reader_stop(w->reader);
	rollups_stop(w->rollups);
	rollups_free(w->rollups);
	view_free(w->view);
	days_free(w->days);
	reader_free(w->reader);
	follow_free(w->follow);
	catalog_free(w->catalog);
	source_free(w->source);
	for (size_t i = 0; i < w->n; i++)
		free(w->event[i].minified);
	free(w->event);
	folder_remove(&w->folder);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
}

/* ---- asking ---- */

static struct rollup_key key_of(enum rollup_what what)
{
	return (struct rollup_key){.dir = 1,
		.what = what,
		.facet = what == ROLLUP_COUNTS ? FACET_USER : FACET_COUNT,
		.first = SEGMENT_UNDATED + 1,
		.last = INT32_MAX,
		.undated = true};
}

static int find(struct world *w, struct rollup_key key, struct rollup_is *ret)
{
	time_t last = time(NULL) + LIMIT;
	int err;

	while ((err = rollup_find(w->rollups, &key, ret)) == -EAGAIN)
		wait_some(w, last);
	return err;
}

/* As many bytes as there are, up to size; or an error. */
static ssize_t read_at(struct world *w, uint64_t id, uint64_t offset, size_t size, char *out)
{
	time_t last = time(NULL) + LIMIT;
	const char *data;
	struct blob *blob;
	char *own;
	size_t n;
	int err;

	while ((err = rollup_read(w->rollups, id, offset, size, &data, &n, &blob, &own)) == -EAGAIN)
		wait_some(w, last);
	if (err)
		return err;
	assert_true(n <= size);
	if (n)
		memcpy(out, data, n);
	blob_unref(blob);
	free(own);
	return (ssize_t)n;
}

static void check_piece(struct world *w, uint64_t id, const struct buf *want, uint64_t offset, size_t size)
{
	size_t left = offset < want->len ? want->len - (size_t)offset : 0, n = size < left ? size : left;
	char *out = malloc(size + 1);

	assert_int_equal(read_at(w, id, offset, size, out), n);
	if (n)
		assert_memory_equal(out, want->data + offset, n);
	free(out);
}

/* Reads it from the start to the end. */
static void check_whole(struct world *w, uint64_t id, const struct buf *want, size_t size)
{
	for (uint64_t offset = 0; offset <= want->len; offset += size)
		check_piece(w, id, want, offset, size);
}

static void check_rollup(struct world *w, struct rollup_key key, const char *user)
{
	struct buf want = expect(w, key.what, user, key.first, key.undated ? INT32_MAX : key.last);
	struct rollup_is is, again;

	assert_int_equal(find(w, key, &is), 0);
	assert_int_equal(is.size, want.len);
	check_whole(w, is.id, &want, 131072);
	assert_int_equal(rollup_stat(w->rollups, is.id, &again), 0);
	assert_int_equal(again.size, is.size);
	buf_clear(&want);
}

/* ---- tests ---- */

static void make_few(struct world *w)
{
	begin(w);
	write_events(w, "a.jsonl", DAY0, 2, 40);
	write_events(w, "b.jsonl", DAY0 + 1, 3, 90);
	write_events(w, "c.jsonl", INT32_MAX, 1, 20);
	write_events(w, "d.jsonl", DAY0, 2, 10);
	start(w);
}

/* Objects whose events interleave, and a record that is more than a chunk alone. */
static void make_many(struct world *w)
{
	begin(w);
	for (int i = 0; i < 12; i++) {
		char name[32];

		snprintf(name, sizeof(name), "log%02d.jsonl", i);
		write_events(w, name, DAY0 + i % 3, 400, 2000);
	}
	write_events(w, "large.jsonl", DAY0 + 1, 1, 0);
	free(w->event[w->n - 1].minified);
	w->n--;
	{
		struct buf out = {0};

		make_event(w, DAY0 + 1, 3u << 20, &out);
		buf_addc(&out, '\0');
		folder_write(&w->folder, "large.jsonl", out.data);
		buf_clear(&out);
	}
	write_events(w, "undated.jsonl", INT32_MAX, 5, 100);
	start(w);
}

static void every_offset(void **state)
{
	static const enum rollup_what all[] = {ROLLUP_JSONL, ROLLUP_JSON, ROLLUP_CSV, ROLLUP_COUNT};
	static const size_t sizes[] = {1, 7, 300, 5000};
	struct world w;

	(void)state;
	make_few(&w);
	for (size_t i = 0; i < 4; i++) {
		struct buf want = expect(&w, all[i], NULL, INT32_MIN, INT32_MAX);
		struct rollup_is is;

		assert_int_equal(find(&w, key_of(all[i]), &is), 0);
		assert_int_equal(is.size, want.len);
		assert_int_equal(is.newest / 86400, DAY0 + 1);
		for (uint64_t offset = 0; offset <= want.len + 2; offset++)
			for (size_t k = 0; k < 4; k++)
				check_piece(&w, is.id, &want, offset, sizes[k]);
		buf_clear(&want);
	}
	end(&w);
}

static void many_chunks(void **state)
{
	struct world w;

	(void)state;
	make_many(&w);
	for (int what = 0; what <= ROLLUP_COUNT; what++) {
		struct rollup_key key = key_of((enum rollup_what)what);
		struct buf want = expect(&w, key.what, NULL, INT32_MIN, INT32_MAX);
		struct rollup_is is;

		check_rollup(&w, key, NULL);
		assert_int_equal(find(&w, key, &is), 0);
		for (int i = 0; i < 60; i++)
			check_piece(&w, is.id, &want, draw(&w, want.len + 10),
				draw(&w, 2) ? draw(&w, 300) : draw(&w, 6u << 20));
		buf_clear(&want);
		key.first = DAY0 + 1;
		key.last = DAY0 + 2;
		key.undated = false;
		key.dir = 2;
		check_rollup(&w, key, NULL);
		key.dir = 3;
		assert_int_equal(
			view_filter(w.view, VIEW_ALL, FACET_USER, (struct value){"bob", 3}, &key.filter), 0);
		check_rollup(&w, key, "bob");
	}
	end(&w);
}

static void nothing_at_all(void **state)
{
	static const char *const want[] = {"", "{\"Records\":[]}", CSV_HEADER, "0\n", ""};
	struct world w;

	(void)state;
	make_few(&w);
	for (int what = 0; what <= ROLLUP_COUNTS; what++) {
		struct rollup_key key = key_of((enum rollup_what)what);
		struct buf text = {.data = (char *)want[what], .len = strlen(want[what])};
		struct rollup_is is;

		key.last = DAY0 - 1;
		key.undated = false;
		assert_int_equal(find(&w, key, &is), 0);
		assert_int_equal(is.size, text.len);
		assert_true(is.newest == EVENT_UNDATED);
		check_whole(&w, is.id, &text, 1000);
	}
	end(&w);
}

static void counts_of_values(void **state)
{
	struct world w;
	unsigned n[3] = {0};
	struct rollup_is is;
	char want[200] = "", is_text[200];

	(void)state;
	make_many(&w);
	for (size_t i = 0; i < w.n; i++)
		for (int u = 0; u < 3; u++)
			n[u] += !strcmp(w.event[i].user, users[u]);
	for (int k = 0; k < 3; k++) {
		int most = n[1] > n[0] ? 1 : 0;

		most = n[2] > n[most] ? 2 : most;
		snprintf(want + strlen(want), sizeof(want) - strlen(want), "%u\t%s\n", n[most], users[most]);
		n[most] = 0;
	}
	assert_int_equal(find(&w, key_of(ROLLUP_COUNTS), &is), 0);
	assert_int_equal(is.size, strlen(want));
	assert_int_equal(read_at(&w, is.id, 0, sizeof(is_text), is_text), strlen(want));
	assert_memory_equal(is_text, want, strlen(want));
	end(&w);
}

/* A page says when it was made. One that is forgotten and asked for again later is the same all the same:
 * whoever has it open reads on. */
static void forgotten_pages(void **state)
{
	struct world w;
	struct rollup_key key = key_of(ROLLUP_REPORT);
	struct rollup_is page, is;
	char *before = malloc(1u << 20), *after = malloc(1u << 20);
	time_t then, last = time(NULL) + LIMIT;

	(void)state;
	make_few(&w);
	assert_int_equal(find(&w, key, &page), 0);
	assert_int_equal(read_at(&w, page.id, 0, 1u << 20, before), page.size);
	then = time(NULL);
	for (key.dir = 100; key.dir < 200; key.dir++)
		assert_int_equal(find(&w, key, &is), 0);
	while (time(NULL) == then)
		wait_some(&w, last);
	assert_int_equal(read_at(&w, page.id, 0, 1u << 20, after), page.size);
	assert_memory_equal(after, before, page.size);
	free(before);
	free(after);
	end(&w);
}

/* A page holds for a while, and is another one as soon as its events are others. */
static void pages(void **state)
{
	struct world w;
	struct rollup_key key = key_of(ROLLUP_REPORT);
	struct rollup_is old, is;
	char *before = malloc(1u << 20), *text = malloc(1u << 20);
	ssize_t n;

	(void)state;
	make_many(&w);
	assert_int_equal(find(&w, key, &old), 0);
	n = read_at(&w, old.id, 0, 1u << 20, before);
	assert_int_equal(n, old.size);
	before[n] = '\0';
	assert_non_null(strstr(before, "<dt>Events</dt><dd>4,806</dd>"));
	assert_non_null(strstr(before, "</html>"));
	refresh(&w);
	assert_int_equal(find(&w, key, &is), 0);
	assert_int_equal(is.identity, old.identity);
	write_events(&w, "more.jsonl", DAY0 + 1, 50, 500);
	refresh(&w);
	assert_int_equal(find(&w, key, &is), 0);
	assert_int_not_equal(is.id, old.id);
	assert_int_not_equal(is.identity, old.identity);
	n = read_at(&w, is.id, 0, 1u << 20, text);
	text[n] = '\0';
	assert_non_null(strstr(text, "<dt>Events</dt><dd>4,856</dd>"));
	assert_int_equal(read_at(&w, old.id, 0, 1u << 20, text), old.size);
	assert_memory_equal(text, before, old.size);
	free(before);
	free(text);
	end(&w);
}

static void versions_stay(void **state)
{
	struct world w;
	struct rollup_is old[ROLLUP_COUNT + 1], is;
	struct buf before[ROLLUP_COUNT + 1];

	(void)state;
	make_many(&w);
	for (int what = 0; what <= ROLLUP_COUNT; what++) {
		struct rollup_key key = key_of((enum rollup_what)what);

		before[what] = expect(&w, key.what, NULL, INT32_MIN, INT32_MAX);
		assert_int_equal(find(&w, key, &old[what]), 0);
	}
	/* Nothing new: the same version. */
	refresh(&w);
	assert_int_equal(find(&w, key_of(ROLLUP_JSONL), &is), 0);
	assert_int_equal(is.id, old[ROLLUP_JSONL].id);
	write_events(&w, "more.jsonl", DAY0 + 1, 50, 500);
	refresh(&w);
	for (int what = 0; what <= ROLLUP_COUNT; what++) {
		struct rollup_key key = key_of((enum rollup_what)what);

		assert_int_equal(find(&w, key, &is), 0);
		assert_int_not_equal(is.id, old[what].id);
		assert_int_not_equal(is.identity, old[what].identity);
		check_rollup(&w, key, NULL);
		check_whole(&w, old[what].id, &before[what], 100000);
		buf_clear(&before[what]);
	}
	/* What does not concern it does not change it. */
	write_events(&w, "later.jsonl", DAY0 + 9, 1, 10);
	{
		struct rollup_key key = key_of(ROLLUP_CSV);

		key.last = DAY0 + 1;
		key.undated = false;
		assert_int_equal(find(&w, key, &old[0]), 0);
		refresh(&w);
		assert_int_equal(find(&w, key, &is), 0);
		assert_int_equal(is.id, old[0].id);
	}
	end(&w);
}

static void what_is_forgotten(void **state)
{
	struct world w;
	struct rollup_is old, now, is;
	struct rollup_key key = key_of(ROLLUP_JSONL);
	struct buf want;
	char c;

	(void)state;
	make_few(&w);
	assert_int_equal(find(&w, key, &old), 0);
	write_events(&w, "more.jsonl", DAY0, 1, 10);
	refresh(&w);
	assert_int_equal(find(&w, key, &now), 0);
	for (key.dir = 100; key.dir < 300; key.dir++)
		assert_int_equal(find(&w, key, &is), 0);
	assert_int_equal(read_at(&w, old.id, 0, 1, &c), -ESTALE);
	assert_int_equal(rollup_stat(w.rollups, old.id, &is), -ESTALE);
	/* What is current is made again. */
	want = expect(&w, ROLLUP_JSONL, NULL, INT32_MIN, INT32_MAX);
	assert_int_equal(rollup_stat(w.rollups, now.id, &is), 0);
	check_whole(&w, now.id, &want, 1000);
	assert_int_equal(rollup_stat(w.rollups, 12345ull << 32, &is), -ESTALE);
	buf_clear(&want);
	end(&w);
}

static void what_cannot_be_read(void **state)
{
	struct world w;
	struct rollup_is is;
	char *out = malloc(8u << 20);
	time_t last = time(NULL) + LIMIT;
	struct buf want;
	uint64_t at = 0;
	ssize_t n;

	(void)state;
	make_many(&w);
	assert_int_equal(unlink(folder_at(&w.folder, "log05.jsonl")), 0);
	want = expect(&w, ROLLUP_JSONL, NULL, INT32_MIN, INT32_MAX);
	assert_int_equal(find(&w, key_of(ROLLUP_JSONL), &is), 0);
	assert_int_equal(is.size, want.len);
	/* Right bytes up to an error; never an end before the end. */
	while ((n = read_at(&w, is.id, at, 65536, out)) > 0) {
		assert_memory_equal(out, want.data + at, n);
		at += (uint64_t)n;
	}
	assert_int_equal(n, -EIO);
	assert_true(at < want.len);
	assert_int_equal(find(&w, key_of(ROLLUP_CSV), &is), -EIO);
	/* It comes back: so do they. Told failures hold for a second. */
	folder_write(&w.folder, "other", "");
	buf_clear(&want);
	refresh(&w);
	while (rollup_find(w.rollups,
		       &(struct rollup_key){.dir = 1,
			       .what = ROLLUP_CSV,
			       .facet = FACET_COUNT,
			       .first = SEGMENT_UNDATED + 1,
			       .last = INT32_MAX,
			       .undated = true},
		       &is) != 0)
		wait_some(&w, last);
	free(out);
	end(&w);
}

/* What a segment says may be forged with a right checksum: no record is larger than its text. */
static void a_record_larger_than_its_text(void **state)
{
	struct world w;
	struct rollup_is is;
	struct snapshot *s;
	struct segment *seg;
	char out[4096];

	(void)state;
	begin(&w);
	write_events(&w, "a.jsonl", DAY0, 1, 40);
	start(&w);
	s = catalog_snapshot(w.catalog);
	assert_int_equal(s->n, 1);
	seg = s->part[0]->seg;
	seg->minified = (struct column){.base = segment_row_length(seg, 0) + 1};
	assert_int_equal(segment_row_minified(seg, 0), UINT32_MAX);
	snapshot_unref(s);
	assert_int_equal(find(&w, key_of(ROLLUP_JSONL), &is), 0);
	assert_int_equal(is.size, (uint64_t)UINT32_MAX + 1);
	assert_int_equal(read_at(&w, is.id, 0, sizeof(out), out), -EIO);
	assert_int_equal(find(&w, key_of(ROLLUP_CSV), &is), -EIO);
	end(&w);
}

/* As if its bytes were found not to be what was written. */
static void damage(struct world *w)
{
	struct snapshot *s = catalog_snapshot(w->catalog);

	for (size_t i = 0; i < s->n; i++) {
		struct segment *seg = s->part[i]->seg;

		atomic_fetch_or(&seg->bad, GROUP_ROWS);
		atomic_fetch_and(&seg->good, ~GROUP_ROWS);
	}
	snapshot_unref(s);
}

static void dropped(void *arg, const char *name)
{
	(void)name;
	++*(unsigned *)arg;
}

/* Whoever is told has the damage mended; it is not told again, and nothing is made of what is left meanwhile.
 */
static void damage_is_told_once(void **state)
{
	static const enum rollup_what kinds[] = {ROLLUP_JSONL, ROLLUP_CSV, ROLLUP_COUNT, ROLLUP_COUNTS};
	struct rollup_is is;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct rollup_key key = key_of(kinds[i]);
		unsigned n = 0;
		struct world w;

		/* One segment alone: nobody merges it, and so meets the damage first. */
		begin(&w);
		write_events(&w, "a.jsonl", DAY0, 4, 40);
		start(&w);
		damage(&w);
		assert_int_equal(find(&w, key, &is), -EUCLEAN);
		catalog_distrust(w.catalog, dropped, &n);
		assert_int_equal(n, 1);
		if (key.what == ROLLUP_COUNTS)
			assert_int_equal(find(&w, key, &is), 0);
		else
			check_rollup(&w, key, NULL);
		end(&w);
	}
}

struct crowd {
	struct world *w;
	const struct buf *want;
	uint64_t id;
	unsigned number;
};

static void *read_all(void *arg)
{
	struct crowd *c = arg;
	/* Each from another place, in other steps, around to where it began. */
	size_t step = 50000 + c->number * 10007, from = c->want->len / READERS * c->number;
	char *out = malloc(step);

	for (size_t done = 0; done < c->want->len; done += step) {
		size_t at = (from + done) % c->want->len;
		ssize_t n = read_at(c->w, c->id, at, step, out);

		if (n <= 0 || memcmp(out, c->want->data + at, (size_t)n) != 0)
			c->id = UINT64_MAX;
	}
	free(out);
	return NULL;
}

static void many_at_once(void **state)
{
	struct world w;
	struct crowd crowd[READERS];
	pthread_t thread[READERS];
	struct rollup_is is;
	struct buf want;

	(void)state;
	make_many(&w);
	want = expect(&w, ROLLUP_CSV, NULL, INT32_MIN, INT32_MAX);
	assert_int_equal(find(&w, key_of(ROLLUP_CSV), &is), 0);
	for (unsigned i = 0; i < READERS; i++) {
		crowd[i] = (struct crowd){&w, &want, is.id, i};
		assert_int_equal(pthread_create(&thread[i], NULL, read_all, &crowd[i]), 0);
	}
	for (int i = 0; i < READERS; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(crowd[i].id, is.id);
	}
	buf_clear(&want);
	end(&w);
}

/* Reads that need several chunks, or all of them, find them together. */
static void more_than_is_held(void **state)
{
	struct world w;
	struct rollup_is is;
	struct buf want;

	(void)state;
	begin(&w);
	for (int i = 0; i < 10; i++) {
		char name[32];

		snprintf(name, sizeof(name), "log%02d.jsonl", i);
		write_events(&w, name, DAY0, 400, 20000);
	}
	start(&w);
	want = expect(&w, ROLLUP_JSONL, NULL, INT32_MIN, INT32_MAX);
	assert_true(want.len > 2 * ROLLUP_HELD_MAX);
	assert_int_equal(find(&w, key_of(ROLLUP_JSONL), &is), 0);
	check_piece(&w, is.id, &want, 0, want.len);
	check_whole(&w, is.id, &want, 5000003);
	check_whole(&w, is.id, &want, 131072);
	buf_clear(&want);
	end(&w);
}

static void after_the_end(void **state)
{
	struct world w;
	struct rollup_key key = key_of(ROLLUP_CSV);
	struct rollup_is is;

	(void)state;
	make_many(&w);
	rollup_find(w.rollups, &key, &is); /* under way */
	reader_stop(w.reader);
	rollups_stop(w.rollups);
	assert_int_equal(rollup_find(w.rollups, &key, &is), -ECANCELED);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_offset),
		cmocka_unit_test(many_chunks),
		cmocka_unit_test(nothing_at_all),
		cmocka_unit_test(counts_of_values),
		cmocka_unit_test(pages),
		cmocka_unit_test(forgotten_pages),
		cmocka_unit_test(versions_stay),
		cmocka_unit_test(what_is_forgotten),
		cmocka_unit_test(what_cannot_be_read),
		cmocka_unit_test(a_record_larger_than_its_text),
		cmocka_unit_test(damage_is_told_once),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(more_than_is_held),
		cmocka_unit_test(after_the_end),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
