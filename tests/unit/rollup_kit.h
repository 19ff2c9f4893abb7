/*
 * For tests of rollups: folders of made-up logs, the bytes that must be read of them, and reading. Include
 * after cmocka.h.
 */
#ifndef TESTS_UNIT_ROLLUP_KIT_H
#define TESTS_UNIT_ROLLUP_KIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/log.h"
#include "render/csv.h"
#include "tests/stack.h"
#include "tests/unit/folder.h"

#define DAY0 20000

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
	struct stack stack;
};

static inline uint64_t draw(struct world *w, uint64_t n)
{
	w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
	return (w->seed >> 33) % n;
}

static const char *const users[] = {"alice", "bob", "carol"};

/* One more event, written to out with white space or without. extra: bytes that it has besides. */
static inline void make_event(struct world *w, int32_t day, size_t extra, struct buf *out)
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

static inline void write_events(struct world *w, const char *name, int32_t day, size_t n, size_t extra)
{
	struct buf out = {0};

	for (size_t i = 0; i < n; i++)
		make_event(w, day, extra ? draw(w, extra) : 0, &out);
	buf_addc(&out, '\0');
	assert_false(out.failed);
	folder_write(&w->folder, name, out.data);
	buf_clear(&out);
}

static inline int by_name(const void *a, const void *b)
{
	const struct made *x = a, *y = b;

	if (x->day != y->day)
		return x->day < y->day ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* What a rollup must hold. user NULL: of all. */
static inline struct buf expect(
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

/* Lets something change. */
static inline void wait_some(struct world *w, int64_t late)
{
	if (!changes_wait(&w->stack.changes, late))
		fail_msg("not within %d s", CHANGES_LIMIT);
}

static inline void wait_listings(struct world *w, uint64_t n)
{
	int64_t late = changes_end();
	struct catalog_counts c = catalog_counts(w->stack.catalog);

	for (; !c.complete || c.listings < n; c = catalog_counts(w->stack.catalog))
		wait_some(w, late);
}

static inline void refresh(struct world *w)
{
	uint64_t listings = catalog_counts(w->stack.catalog).listings;

	follow_refresh(w->stack.follow);
	wait_listings(w, listings + 1);
}

static inline void begin(struct world *w)
{
	*w = (struct world){.seed = 7};
	folder_make(&w->folder);
}

/* max: what rollups may hold. */
static inline void start_holding(struct world *w, size_t max)
{
	assert_int_equal(stack_make(&w->stack, w->folder.path), 0);
	rollups_hold(w->stack.rollups, max);
	assert_int_equal(stack_start(&w->stack), 0);
	wait_listings(w, 1);
}

static inline void start(struct world *w)
{
	start_holding(w, SIZE_MAX);
}

static inline void stop(struct world *w)
{
	stack_stop(&w->stack);
	stack_clear(&w->stack);
}

static inline void end(struct world *w)
{
	stop(w);
	for (size_t i = 0; i < w->n; i++)
		free(w->event[i].minified);
	free(w->event);
	folder_remove(&w->folder);
}

/* ---- asking ---- */

static inline struct rollup_key key_of(enum rollup_what what)
{
	return (struct rollup_key){.dir = 1,
		.what = what,
		.facet = what == ROLLUP_COUNTS ? FACET_USER : FACET_COUNT,
		.first = SEGMENT_UNDATED + 1,
		.last = INT32_MAX,
		.undated = true};
}

static inline int find(struct world *w, struct rollup_key key, struct rollup_is *ret)
{
	int64_t late = changes_end();
	int err;

	while ((err = rollup_find(w->stack.rollups, &key, ret)) == -EAGAIN)
		wait_some(w, late);
	return err;
}

/* As many bytes as there are, up to size; or an error. */
static inline ssize_t read_at(struct world *w, uint64_t id, uint64_t offset, size_t size, char *out)
{
	int64_t late = changes_end();
	const char *data;
	struct blob *blob;
	char *own;
	size_t n;
	int err;

	while ((err = rollup_read(w->stack.rollups, id, offset, size, &data, &n, &blob, &own)) == -EAGAIN)
		wait_some(w, late);
	if (err)
		return err;
	assert_true(n <= size);
	if (n)
		memcpy(out, data, n);
	blob_unref(blob);
	free(own);
	return (ssize_t)n;
}

static inline void check_piece(
	struct world *w, uint64_t id, const struct buf *want, uint64_t offset, size_t size)
{
	size_t left = offset < want->len ? want->len - (size_t)offset : 0, n = size < left ? size : left;
	char *out = malloc(size + 1);

	assert_int_equal(read_at(w, id, offset, size, out), n);
	if (n)
		assert_memory_equal(out, want->data + offset, n);
	free(out);
}

/* Reads it from the start to the end. */
static inline void check_whole(struct world *w, uint64_t id, const struct buf *want, size_t size)
{
	for (uint64_t offset = 0; offset <= want->len; offset += size)
		check_piece(w, id, want, offset, size);
}

static inline void check_rollup(struct world *w, struct rollup_key key, const char *user)
{
	struct buf want = expect(w, key.what, user, key.first, key.undated ? INT32_MAX : key.last);
	struct rollup_is is, again;

	assert_int_equal(find(w, key, &is), 0);
	assert_int_equal(is.size, want.len);
	check_whole(w, is.id, &want, 131072);
	assert_int_equal(rollup_stat(w->stack.rollups, is.id, &again), 0);
	assert_int_equal(again.size, is.size);
	buf_clear(&want);
}

/* ---- folders ---- */

static inline void make_few(struct world *w)
{
	begin(w);
	write_events(w, "a.jsonl", DAY0, 2, 40);
	write_events(w, "b.jsonl", DAY0 + 1, 3, 90);
	write_events(w, "c.jsonl", INT32_MAX, 1, 20);
	write_events(w, "d.jsonl", DAY0, 2, 10);
	start(w);
}

/* Objects whose events interleave, and a record that is more than a chunk alone. */
static inline void make_many(struct world *w)
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

#endif
