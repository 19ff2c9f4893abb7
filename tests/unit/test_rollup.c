/*
 * Rollups of a folder of logs: every byte and size against the events one after another, from any offset;
 * objects that cannot be read; many readers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>

#include "fs/store/segment_map.h"
#include "tests/unit/rollup_kit.h"

#define READERS 8

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
		assert_int_equal(view_filter(w.stack.view, VIEW_ALL, FACET_USER, (struct value){"bob", 3},
					 &key.filter),
			0);
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

static void what_cannot_be_read(void **state)
{
	const struct rollup_key csv = key_of(ROLLUP_CSV);
	struct world w;
	struct rollup_is is;
	char *out = malloc(8u << 20);
	int64_t late;
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
	assert_int_equal(find(&w, csv, &is), -EIO);
	/* It comes back: so do they. Told failures hold for a second. */
	folder_write(&w.folder, "other", "");
	buf_clear(&want);
	refresh(&w);
	late = changes_end();
	while (rollup_find(w.stack.rollups, &csv, &is) != 0)
		wait_some(&w, late);
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
	s = catalog_snapshot(w.stack.catalog);
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
	struct snapshot *s = catalog_snapshot(w->stack.catalog);

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
		catalog_distrust(w.stack.catalog, dropped, &n);
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
	rollup_find(w.stack.rollups, &key, &is); /* under way */
	reader_stop(w.stack.reader);
	rollups_stop(w.stack.rollups);
	assert_int_equal(rollup_find(w.stack.rollups, &key, &is), -ECANCELED);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_offset),
		cmocka_unit_test(many_chunks),
		cmocka_unit_test(nothing_at_all),
		cmocka_unit_test(counts_of_values),
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
