/*
 * Which rows of a day are shown and under which names: by hand, and at random against the plain rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/days_model.h"

#define TIME ((int64_t)DAY0 * 86400 + 3600)

/* ---- by hand ---- */

/* One object: its key, the part it is in, and its events. */
struct given {
	const char *key;
	unsigned part;
	bool dead;
	struct made_event event[6];
};

#define EVENT(event_name, event_id, event_hash)                                                              \
	{                                                                                                    \
		.time = TIME, .id = (event_id), .hash = (event_hash), .minified = 10, .facet = {             \
			"u",                                                                                 \
			(event_name)                                                                         \
		}                                                                                            \
	}

static struct snapshot *snapshot_of(const struct given *g, size_t n, uint64_t generation)
{
	struct part *part[4];
	struct snapshot *s;
	uint32_t next = 0, parts = 0;

	for (size_t i = 0; i < n; i++)
		parts = g[i].part >= parts ? g[i].part + 1 : parts;
	for (uint32_t p = 0; p < parts; p++) {
		struct segment_build *b = segment_build_new(DAY0);

		for (size_t i = 0; i < n; i++) {
			struct source_object o = {.key = g[i].key, .tag = i};

			if (g[i].part != p)
				continue;
			made_add_object(b, &o, SEGMENT_IS_LOG, "");
			for (int e = 0; e < 6 && g[i].event[e].minified; e++)
				made_add_event(b, &g[i].event[e]);
		}
		part[p] = made_part(made_segment(b), &next);
		for (uint32_t k = 0; k < segment_objects(part[p]->seg); k++)
			if (g[segment_object(part[p]->seg, k).tag].dead) {
				part[p]->object[k] = CATALOG_NO_OBJECT;
				part[p]->live--;
			}
	}
	s = made_snapshot(generation, part, parts);
	for (uint32_t p = 0; p < parts; p++)
		part_unref(part[p]);
	return s;
}

/* The names of a day in order, one a line, each with the key of its object. */
static void names_of(const struct snapshot *s, struct days *days, int32_t day, char *out, size_t size)
{
	struct day *d;
	struct place at[64];
	size_t n = 0, len = 0;

	assert_int_equal(days_get(days, s, day, &d), 0);
	for (uint32_t i = 0; i < d->n_slices; i++)
		for (uint32_t row = d->slice[i].first; row < d->slice[i].end; row++)
			if (slice_shows(&d->slice[i], row))
				at[n++] = (struct place){i, row};
	assert_int_equal(n, d->shown);
	assert_int_equal(day_sort(d, at, n), 0);
	out[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		const struct segment *seg = d->slice[at[i].slice].part->seg;
		char name[DAY_NAME_MAX + 1];

		size_t name_len = day_name(d, at[i], name);

		assert_int_equal(name_len, strlen(name));
		len += (size_t)snprintf(out + len, size - len, "%s %s\n", name + 8,
			segment_object(seg, segment_row_object(seg, at[i].row)).key);
	}
	day_unref(d);
}

static void expect(const struct given *g, size_t n, const char *want)
{
	struct days *days = days_new(INT64_MIN + 1, INT64_MAX);
	struct snapshot *s = snapshot_of(g, n, 1);
	char is[4096];

	names_of(s, days, DAY0, is, sizeof(is));
	assert_string_equal(is, want);
	snapshot_unref(s);
	days_free(days);
}

#define EXPECT(g, want) expect(g, sizeof(g) / sizeof(*(g)), want)

static void equal_records_are_shown_once(void **state)
{
	static const struct given within[] = {{"k", 0, false, {EVENT("x", "a", 1), EVENT("x", "a", 1)}}};
	/* The first in key order, whichever part it is in. */
	static const struct given across[] = {
		{"k2", 0, false, {EVENT("x", "a", 1)}}, {"k1", 1, false, {EVENT("x", "a", 1)}}};
	static const struct given dead[] = {
		{"k2", 0, false, {EVENT("x", "a", 1)}}, {"k1", 1, true, {EVENT("x", "a", 1)}}};

	(void)state;
	EXPECT(within, "x_a.json k\n");
	EXPECT(across, "x_a.json k1\n");
	EXPECT(dead, "x_a.json k2\n");
}

static void different_records_are_numbered(void **state)
{
	static const struct given g[] = {{"k2", 0, false, {EVENT("x", "a", 1), EVENT("x", "a", 2)}},
		{"k1", 1, false, {EVENT("x", "a", 3), EVENT("x", "a", 2)}}};

	(void)state;
	EXPECT(g, "x_a.json k1\nx_a~2.json k1\nx_a~3.json k2\n");
}

/* Equal records that are not next to each other in the order of keys, among others of their hash. */
static void equal_hashes_are_not_equal_records(void **state)
{
	static const struct given g[] = {
		{"k1", 0, false, {EVENT("x", NULL, 0xa), EVENT("x", "000000000000000a", 0xa)}},
		{"k2", 0, false, {EVENT("x", NULL, 0xa), EVENT("x", "000000000000000a", 0xa)}}};

	(void)state;
	EXPECT(g, "x_000000000000000a.json k1\nx_000000000000000a~2.json k1\n");
}

static void equal_stems_of_different_events_are_numbered(void **state)
{
	static const struct given g[] = {{"k", 0, false,
		{EVENT("x", "a_b", 1), EVENT("x_a", "b", 2), EVENT("-", "c", 3), EVENT(NULL, "c", 4)}}};

	(void)state;
	EXPECT(g, "-_c.json k\n-_c~2.json k\nx_a_b.json k\nx_a_b~2.json k\n");
}

static void a_number_that_is_taken_is_skipped(void **state)
{
	static const struct given one[] = {
		{"k", 0, false, {EVENT("x", "a", 1), EVENT("x", "a", 2), EVENT("x", "a~2", 3)}}};
	static const struct given more[] = {{"k", 0, false,
		{EVENT("x", "a", 1), EVENT("x", "a", 2), EVENT("x", "a~2", 3), EVENT("x", "a~2", 4),
			EVENT("x", "a~2~2", 5), EVENT("x", "a~4", 6)}}};
	/* A taken number of which the event is not shown is free. */
	static const struct given dead[] = {{"k", 0, false, {EVENT("x", "a", 1), EVENT("x", "a", 2)}},
		{"l", 1, true, {EVENT("x", "a~2", 3)}}};

	(void)state;
	EXPECT(one, "x_a.json k\nx_a~2.json k\nx_a~3.json k\n");
	EXPECT(more,
		"x_a.json k\nx_a~2.json k\nx_a~2~2.json k\nx_a~2~3.json k\nx_a~3.json k\nx_a~4.json k\n");
	EXPECT(dead, "x_a.json k\nx_a~2.json k\n");
}

/* A name goes by its bytes: ~10 is before ~2. */
static void names_are_sorted_by_bytes(void **state)
{
	static const struct given g[] = {{"k1", 0, false,
						 {EVENT("x", "a", 1), EVENT("x", "a", 2), EVENT("x", "a", 3),
							 EVENT("x", "a", 4), EVENT("x", "a", 5)}},
		{"k2", 0, false,
			{EVENT("x", "a", 6), EVENT("x", "a", 7), EVENT("x", "a", 8), EVENT("x", "a", 9),
				EVENT("x", "a", 10)}},
		{"k3", 1, false, {EVENT("x", "a-", 1)}}};

	(void)state;
	EXPECT(g, "x_a-.json k3\nx_a.json k1\nx_a~10.json k2\nx_a~2.json k1\nx_a~3.json k1\nx_a~4.json k1\n"
		  "x_a~5.json k1\nx_a~6.json k2\nx_a~7.json k2\nx_a~8.json k2\nx_a~9.json k2\n");
}

static void a_day_without_rows_is_empty(void **state)
{
	struct days *days = days_new(0, 1);
	struct snapshot *s = made_snapshot(1, NULL, 0);
	struct day *d;

	(void)state;
	assert_int_equal(days_get(days, s, 5, &d), 0);
	assert_int_equal(d->n_slices + d->shown, 0);
	day_unref(d);
	snapshot_unref(s);
	days_free(days);
}

static void since_and_until_are_included(void **state)
{
	struct days *days = days_new(10 * 86400 + 5, 11 * 86400 + 86399);

	(void)state;
	assert_false(days_admit(days, 10 * 86400 + 4));
	assert_true(days_admit(days, 10 * 86400 + 5));
	assert_true(days_admit(days, 12 * 86400 - 1));
	assert_false(days_admit(days, 12 * 86400));
	assert_true(days_admit(days, EVENT_UNDATED));
	assert_false(days_admit_all(days, 10));
	assert_true(days_admit_all(days, 11));
	assert_false(days_admit_all(days, 12));
	assert_true(days_admit_all(days, SEGMENT_UNDATED));
	days_free(days);
}

/* A day is settled again only when its own parts have changed, and one of parts that are no more is let go.
 */
static void settled_days_are_kept_while_they_are_true(void **state)
{
	static const struct given g[] = {{"k", 0, false, {EVENT("x", "a", 1)}}};
	struct days *days = days_new(INT64_MIN + 1, INT64_MAX);
	struct snapshot *a = snapshot_of(g, 1, 1), *b, *other = snapshot_of(g, 1, 3);
	struct day *d, *e;
	struct part *p = a->part[0];

	(void)state;
	b = made_snapshot(2, a->part, 1);
	assert_int_equal(days_get(days, a, DAY0, &d), 0);
	assert_true(days_serial(days, b, DAY0) == d->serial);
	assert_int_equal(days_get(days, b, DAY0, &e), 0);
	assert_ptr_equal(d, e);
	day_unref(e);
	day_unref(d);
	part_ref(p);
	snapshot_unref(a);
	snapshot_unref(b);
	assert_int_equal(p->refs, 2); /* ours, and the settled day's */
	assert_int_equal(days_get(days, other, DAY0 + 1, &d), 0);
	day_unref(d);
	assert_int_equal(p->refs, 1);
	part_unref(p);
	snapshot_unref(other);
	days_free(days);
}

/* Parts that came, and parts that went. */
static void a_day_follows_the_snapshot(void **state)
{
	static const struct given g[] = {
		{"k", 0, false, {EVENT("x", "a", 1)}}, {"l", 1, false, {EVENT("x", "b", 1)}}};
	static const size_t parts[] = {1, 2, 1, 0, 2};
	struct days *days = days_new(INT64_MIN + 1, INT64_MAX);
	struct snapshot *both = snapshot_of(g, 2, 1);

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		struct snapshot *s = made_snapshot(2 + i, both->part, parts[i]);
		struct day *d;

		assert_int_equal(days_serial(days, s, DAY0), 0);
		assert_int_equal(days_get(days, s, DAY0, &d), 0);
		assert_int_equal(d->shown, parts[i]);
		assert_true(d->serial != 0 && days_serial(days, s, DAY0) == d->serial);
		day_unref(d);
		snapshot_unref(s);
	}
	snapshot_unref(both);
	days_free(days);
}

/* ---- many rows ---- */

#define MANY       4000 /* rows of a part */
#define MANY_PARTS 3

/* Each part has every row of a second that is a multiple of 10 once more. */
static struct snapshot *many_rows(void)
{
	struct part *part[MANY_PARTS];
	struct snapshot *s;
	uint32_t next = 0;

	for (uint32_t p = 0; p < MANY_PARTS; p++) {
		struct segment_build *b = segment_build_new(DAY0);
		struct source_object o = {.key = p == 0 ? "a" : p == 1 ? "b" : "c"};

		made_add_object(b, &o, SEGMENT_IS_LOG, "");
		for (uint32_t i = 0; i < MANY; i++) {
			uint32_t second = i * 7919 % 3000, n = second % 10 ? p * MANY + i : i;
			struct made_event e = EVENT(n % 2 ? "Run" : "RunAll", NULL, n);
			char id[40];

			snprintf(id, sizeof(id), "%08x-0000-0000-0000-000000000000", n * 2654435761u);
			e.id = id;
			e.time = (int64_t)DAY0 * 86400 + second;
			made_add_event(b, &e);
		}
		part[p] = made_part(made_segment(b), &next);
	}
	s = made_snapshot(1, part, MANY_PARTS);
	for (uint32_t p = 0; p < MANY_PARTS; p++)
		part_unref(part[p]);
	return s;
}

static void many_rows_are_settled_and_sorted(void **state)
{
	struct days *days = days_new(INT64_MIN + 1, INT64_MAX);
	struct snapshot *s = many_rows();
	struct place *at = calloc((size_t)MANY * MANY_PARTS, sizeof(*at));
	char name[DAY_NAME_MAX + 1], last[DAY_NAME_MAX + 1] = "";
	uint32_t want = 0, n = 0;
	struct day *d;

	(void)state;
	for (uint32_t i = 0; i < MANY; i++)
		want += i * 7919 % 3000 % 10 ? MANY_PARTS : 1;
	assert_int_equal(days_get(days, s, DAY0, &d), 0);
	for (uint32_t i = 0; i < d->n_slices; i++)
		for (uint32_t row = d->slice[i].first; row < d->slice[i].end; row++)
			if (slice_shows(&d->slice[i], row))
				at[n++] = (struct place){i, row};
	assert_int_equal(n, want);
	assert_int_equal(d->shown, want);
	assert_int_equal(day_sort(d, at, n), 0);
	for (uint32_t i = 0; i < n; i++) {
		day_name(d, at[i], name);
		assert_true(strcmp(last, name) < 0);
		memcpy(last, name, sizeof(name));
	}
	free(at);
	day_unref(d);
	snapshot_unref(s);
	days_free(days);
}

struct asking {
	struct days *days;
	struct snapshot *s;
	uint32_t number, wrong;
};

/* Asks for some rows, and now and then for all of the day. */
static void *ask_rows(void *arg)
{
	struct asking *a = arg;
	uint64_t seed = a->number * 77 + 1;

	for (int i = 0; i < 60; i++) {
		uint32_t row[MANY], n = 0;
		const struct slice *s;
		struct day *d;

		a->wrong += days_open(a->days, a->s, DAY0, &d) != 0;
		s = &d->slice[made_draw(&seed, MANY_PARTS)];
		for (uint32_t x = s->first + (uint32_t)made_draw(&seed, 100); x < s->end; x += 200)
			row[n++] = x;
		a->wrong += day_settle_rows(d, (uint32_t)(s - d->slice), row, n) != 0;
		for (uint32_t k = 0; k < n; k++)
			a->wrong += slice_shows(s, row[k]) !=
				    (s == d->slice || segment_row_second(s->part->seg, row[k]) % 10 != 0);
		a->wrong += i == 50 && a->number == 3 && day_settle(d) != 0;
		day_unref(d);
	}
	return NULL;
}

static void rows_are_settled_by_several_threads(void **state)
{
	struct days *days = days_new(INT64_MIN + 1, INT64_MAX);
	struct snapshot *s = many_rows();
	struct asking a[4];
	pthread_t thread[4];

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		a[i] = (struct asking){days, s, i, 0};
		assert_int_equal(pthread_create(&thread[i], NULL, ask_rows, &a[i]), 0);
	}
	for (uint32_t i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(a[i].wrong, 0);
	}
	snapshot_unref(s);
	days_free(days);
}

/* ---- at random ---- */

/* Some rows of a day, which has never been asked for as a whole: in several questions. */
static void compare_rows(struct model *m, struct days *days, int32_t day)
{
	struct day *d;

	assert_int_equal(days_open(days, m->snapshot, day, &d), 0);
	for (uint32_t k = 0; k < 2 * d->n_slices; k++) {
		uint32_t i = (uint32_t)made_draw(&m->seed, d->n_slices), row[ROWS_MAX], n = 0;
		uint64_t every = 1 + made_draw(&m->seed, 20);
		const struct slice *s = &d->slice[i];

		for (uint32_t x = s->first; x < s->end; x++)
			if (!made_draw(&m->seed, every))
				row[n++] = x;
		assert_int_equal(day_settle_rows(d, i, row, n), 0);
		for (uint32_t x = 0; x < n; x++) {
			struct place p = {i, row[x]};
			const struct model_row *r = model_row_at(m, d, p);

			assert_true(slice_shows(s, row[x]) == r->shown);
			if (r->shown)
				assert_int_equal(day_clash(d, p), r->clash);
		}
	}
	day_unref(d);
}

static void compare_day(struct model *m, struct days *days, int32_t day)
{
	struct place at[ROWS_MAX];
	char name[DAY_NAME_MAX + 1], last[DAY_NAME_MAX + 1] = "";
	uint32_t shown = 0;
	size_t n = 0;
	struct day *d;

	assert_int_equal(days_get(days, m->snapshot, day, &d), 0);
	for (uint32_t i = 0; i < d->n_slices; i++)
		for (uint32_t row = d->slice[i].first; row < d->slice[i].end; row++) {
			struct place p = {i, row};
			const struct model_row *r = model_row_at(m, d, p);

			assert_true(slice_shows(&d->slice[i], row) == r->shown);
			if (!r->shown)
				continue;
			at[n++] = p;
			day_name(d, p, name);
			assert_string_equal(name, r->name);
			assert_int_equal(day_clash(d, p), r->clash);
		}
	for (uint32_t i = 0; i < m->n; i++)
		shown += m->row[i].shown && day_of(m->row[i].is->e.time) == day;
	assert_int_equal(n, shown);
	assert_int_equal(d->shown, shown);
	assert_int_equal(day_sort(d, at, n), 0);
	for (size_t i = 0; i < n; i++) {
		day_name(d, at[i], name);
		assert_true(strcmp(last, name) < 0); /* sorted, and no name twice */
		memcpy(last, name, sizeof(name));
	}
	day_unref(d);
}

static void agrees_with_the_rules(void **state)
{
	static struct model m;

	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct days *days;

		model_make(&m, seed);
		days = days_new(m.since, m.until);
		for (int32_t day = DAY0 - 1; day < DAY0 + DAYS + 1; day++) {
			if (seed % 3)
				compare_rows(&m, days, day);
			compare_day(&m, days, day);
		}
		compare_day(&m, days, SEGMENT_UNDATED);
		compare_day(&m, days, DAY0);
		model_free(&m);
		days_free(days);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_records_are_shown_once),
		cmocka_unit_test(different_records_are_numbered),
		cmocka_unit_test(equal_hashes_are_not_equal_records),
		cmocka_unit_test(equal_stems_of_different_events_are_numbered),
		cmocka_unit_test(a_number_that_is_taken_is_skipped),
		cmocka_unit_test(names_are_sorted_by_bytes),
		cmocka_unit_test(a_day_without_rows_is_empty),
		cmocka_unit_test(since_and_until_are_included),
		cmocka_unit_test(settled_days_are_kept_while_they_are_true),
		cmocka_unit_test(a_day_follows_the_snapshot),
		cmocka_unit_test(many_rows_are_settled_and_sorted),
		cmocka_unit_test(rows_are_settled_by_several_threads),
		cmocka_unit_test(agrees_with_the_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
