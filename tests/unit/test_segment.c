/*
 * Segments: made from random events and compared with a plain model of them through every accessor; copied,
 * merged and begun anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "fs/store/segment_column.h"
#include "tests/segment_model.h"
#include "tests/walk_segment.h"

static const struct recipe recipes[] = {
	{"nothing", 0, 0, 1, 1, false, false},
	{"an object without rows", 1, 0, 1, 1, false, false},
	{"one row", 1, 1, 1, 1, false, false},
	{"one undated row", 1, 1, 1, 0, true, true},
	{"all equal", 3, 40, 1, 1, false, false},
	{"few values", 7, 30, 9, 3, true, true},
	{"many objects", 300, 4, 20, 2, true, true},
	{"codes of two bytes", 20, 200, 700, 2, true, true},
	{"resources only now and then", 10, 200, 300, 5, false, true},
};
#define RECIPES (sizeof recipes / sizeof *recipes)
/* Too large for what is quadratic. */
static const struct recipe large = {"codes of four bytes", 6, 30000, 1u << 22, 2, true, true};

static int compare(struct value a, struct value b)
{
	if (!a.p || !b.p)
		return (a.p != NULL) - (b.p != NULL);
	int order = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);
	return order ? order : (a.len > b.len) - (a.len < b.len);
}

#define assert_value(a, b) assert_int_equal(compare(a, b), 0)

static const struct model_event *event_of(const struct model *m, const struct segment *s, uint32_t row)
{
	uint32_t o = segment_row_object(s, row), k = segment_row_ordinal(s, row);
	assert_true(o < m->n && k < m->object[o].is.rows);
	return &m->object[o].event[k];
}

static bool event_has(const struct model_event *e, enum facet f, struct value v)
{
	if (f != FACET_RESOURCE)
		return e->facet[f].p && compare(e->facet[f], v) == 0;
	for (size_t i = 0; i < e->n_resources; i++)
		if (compare(e->resource[i], v) == 0)
			return true;
	return false;
}

static void check_objects(const struct model *m, const struct segment *s)
{
	assert_int_equal(segment_key_day(s), KEY_DAY);
	assert_int_equal(segment_rows(s), m->rows);
	assert_int_equal(segment_objects(s), m->n);
	for (uint32_t i = 0; i < m->n; i++) {
		struct segment_object o = segment_object(s, i), e = m->object[i].is;
		assert_string_equal(o.key, e.key);
		assert_string_equal(o.problem, e.problem);
		assert_int_equal(o.size, e.size);
		assert_int_equal(o.tag, e.tag);
		assert_int_equal(o.mtime, e.mtime);
		assert_int_equal(o.inflated, e.inflated);
		assert_int_equal(o.flags, e.flags);
		assert_int_equal(o.rows, e.rows);
		for (uint32_t k = 0; k < o.rows; k++) {
			uint32_t row = segment_row_of(s, i, k);
			assert_true(row < m->rows);
			assert_int_equal(segment_row_object(s, row), i);
			assert_int_equal(segment_row_ordinal(s, row), k);
		}
	}
}

static void check_resources(const struct model_event *e, const struct segment *s, uint32_t row)
{
	uint32_t codes[RESOURCES_MAX + 1], n = segment_row_resources(s, row, codes, RESOURCES_MAX + 1);
	assert_int_equal(n, e->n_resources);
	for (uint32_t i = 0; i < n; i++) {
		assert_true(event_has(e, FACET_RESOURCE, segment_value(s, FACET_RESOURCE, codes[i])));
		assert_true(segment_row_has(s, FACET_RESOURCE, row, codes[i]));
		assert_true(i == 0 || codes[i] > codes[i - 1]);
	}
	assert_int_equal(segment_row_code(s, FACET_RESOURCE, row), n ? codes[0] : SEGMENT_NO_CODE);
	codes[0] = 7;
	assert_int_equal(segment_row_resources(s, row, codes, 0), n);
	assert_int_equal(codes[0], 7);
}

static void check_row(const struct model_event *e, const struct segment *s, uint32_t row)
{
	char buf[36];
	assert_int_equal(segment_row_offset(s, row), e->offset);
	assert_int_equal(segment_row_length(s, row), e->length);
	assert_int_equal(segment_row_pretty(s, row), e->pretty);
	assert_int_equal(segment_row_minified(s, row), e->minified);
	assert_int_equal(segment_row_hash(s, row), e->hash);
	assert_value(segment_row_id(s, row, buf), e->id);
	if (e->id.p) {
		assert_int_equal(segment_find_id(s, e->id, row), row);
		assert_true(segment_find_id(s, e->id, 0) <= row && segment_find_id(s, e->id, row + 1) > row);
	}
	assert_int_equal(segment_find_hash(s, e->hash, row) == row, !e->id.p);
	for (int f = 0; f < FACET_COUNT; f++) {
		if (f == FACET_RESOURCE)
			continue;
		uint32_t code = segment_row_code(s, (enum facet)f, row);
		if (!e->facet[f].p) {
			assert_int_equal(code, SEGMENT_NO_CODE);
			continue;
		}
		assert_true(code < segment_values(s, (enum facet)f));
		assert_value(segment_value(s, (enum facet)f, code), e->facet[f]);
		assert_int_equal(segment_find_value(s, (enum facet)f, e->facet[f]), code);
		assert_true(segment_row_has(s, (enum facet)f, row, code));
		assert_true(code == 0 || !segment_row_has(s, (enum facet)f, row, code - 1));
	}
	check_resources(e, s, row);
}

static int compare_events(const struct model_event *a, const struct model_event *b)
{
	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	int order = compare(a->facet[FACET_EVENT], b->facet[FACET_EVENT]);
	return order ? order : compare(a->id, b->id);
}

/* Rows (each `step`-th in full), their order, and the days that they are divided into. */
static void check_rows(const struct model *m, const struct segment *s, uint32_t step)
{
	uint32_t row = 0;
	struct segment_day found;
	for (uint32_t d = 0; d < segment_days(s); d++) {
		struct segment_day day = segment_day(s, d);
		assert_int_equal(day.first, row);
		assert_true(day.end > row);
		assert_true(segment_find_day(s, day.day, &found));
		assert_memory_equal(&found, &day, sizeof day);
		for (; row < day.end; row++) {
			const struct model_event *e = event_of(m, s, row);
			int64_t time = day.day == SEGMENT_UNDATED
					       ? EVENT_UNDATED
					       : (int64_t)day.day * 86400 + segment_row_second(s, row);
			assert_true(e->time == time);
			if (time == EVENT_UNDATED)
				assert_int_equal(segment_row_second(s, row), 0);
			if (row % step == 0)
				check_row(e, s, row);
			if (row == 0)
				continue;
			int order = compare_events(event_of(m, s, row - 1), e);
			uint64_t before = (uint64_t)segment_row_object(s, row - 1) << 32 |
					  segment_row_ordinal(s, row - 1);
			uint64_t here =
				(uint64_t)segment_row_object(s, row) << 32 | segment_row_ordinal(s, row);
			assert_true(order < 0 || (order == 0 && before < here));
		}
	}
	assert_int_equal(row, m->rows);
	assert_false(segment_find_day(s, 12345, &found));
	assert_false(segment_find_day(s, INT32_MAX, &found));
}

/* The answers for one value, in the range [first, end), against a look at every row. */
static void check_value(const struct model *m, const struct segment *s, enum facet f, uint32_t code,
	uint32_t first, uint32_t end, uint32_t *out)
{
	struct value v = segment_value(s, f, code);
	uint32_t n = segment_select(s, f, code, first, end, out), at = 0;
	assert_int_equal(segment_find(s, f, code, first, end), n ? out[0] : end);
	assert_int_equal(segment_find_last(s, f, code, first, end), n ? out[n - 1] : SEGMENT_NO_ROW);
	for (uint32_t row = first; row < end; row++) {
		bool has = event_has(event_of(m, s, row), f, v);
		assert_int_equal(segment_row_has(s, f, row, code), has);
		assert_true(!has || (at < n && out[at++] == row));
	}
	assert_int_equal(at, n);
}

static void check_newest(const struct model *m, const struct segment *s, enum facet f, uint32_t code)
{
	struct value v = segment_value(s, f, code);
	int64_t newest = EVENT_UNDATED;
	uint32_t rows = 0;
	for (uint32_t row = 0; row < m->rows; row++) {
		const struct model_event *e = event_of(m, s, row);
		if (!event_has(e, f, v))
			continue;
		rows++;
		newest = e->time > newest ? e->time : newest;
	}
	assert_true(rows > 0);
	assert_true(segment_value_newest(s, f, code) == newest);
}

static void check_dictionaries(const struct model *m, const struct segment *s, uint32_t step)
{
	uint32_t *out = malloc(((size_t)m->rows + 1) * sizeof *out);
	assert_non_null(out);
	for (int i = 0; i < FACET_COUNT; i++) {
		enum facet f = (enum facet)i;
		for (uint32_t code = 1; code < segment_values(s, f); code++)
			assert_true(compare(segment_value(s, f, code - 1), segment_value(s, f, code)) < 0);
		for (uint32_t code = 0; code < segment_values(s, f); code += step) {
			uint32_t first = (uint32_t)draw(m->rows),
				 end = first + (uint32_t)draw(m->rows - first + 1);
			check_value(m, s, f, code, 0, m->rows, out);
			check_value(m, s, f, code, first, end, out);
			check_value(m, s, f, code, first, first, out);
			check_newest(m, s, f, code);
		}
		assert_int_equal(segment_find_value(s, f, (struct value){"value", 5}), SEGMENT_NO_CODE);
		assert_int_equal(segment_find_value(s, f, (struct value){NULL, 0}), SEGMENT_NO_CODE);
	}
	free(out);
}

static void says_what_was_added(void **state)
{
	(void)state;
	for (size_t i = 0; i < RECIPES; i++) {
		struct model m;
		make_model(&m, &recipes[i], i);
		struct segment *s = open_model(&m);
		check_objects(&m, s);
		check_rows(&m, s, 1);
		check_dictionaries(&m, s, m.rows > 1000 ? 151 : m.rows > 300 ? 7 : 1);
		walk_segment(s);
		segment_unref(s);
		free_model(&m);
	}
}

static void codes_of_four_bytes(void **state)
{
	(void)state;
	struct model m;
	make_model(&m, &large, 99);
	struct segment *s = open_model(&m);
	assert_true(segment_values(s, FACET_USER) > 65536);
	check_objects(&m, s);
	check_rows(&m, s, 17);
	check_dictionaries(&m, s, 70000);
	segment_unref(s);
	free_model(&m);
}

static void assert_same_bytes(struct segment_build *b, const void *data, size_t len)
{
	void *other;
	size_t other_len;
	assert_int_equal(segment_build_finish(b, &other, &other_len), 0);
	segment_build_free(b);
	assert_int_equal(other_len, len);
	assert_memory_equal(other, data, len);
	free(other);
}

/* Two segments with half of the objects each, copied in turn into one; and one object left out of it. */
static void merged_is_as_built_at_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < RECIPES; i++) {
		struct model m, half;
		void *data;
		size_t len;
		make_model(&m, &recipes[i], i);
		build_model(&m, &data, &len);
		struct segment *part[2];
		uint32_t middle = m.n / 3;
		for (int p = 0; p < 2; p++) {
			half = m;
			half.object = p ? m.object + middle : m.object;
			half.n = p ? m.n - middle : middle;
			half.rows = 0;
			for (uint32_t k = 0; k < half.n; k++)
				half.rows += half.object[k].is.rows;
			part[p] = open_model(&half);
		}
		struct segment_build *b = segment_build_new(KEY_DAY);
		for (uint32_t k = 0; k < m.n; k++) {
			uint32_t o = shuffled(k, m.n);
			int p = o >= middle;
			assert_int_equal(segment_build_copy(b, part[p], p ? o - middle : o), 0);
		}
		/* The build holds what it was copied from. */
		segment_unref(part[0]);
		segment_unref(part[1]);
		assert_same_bytes(b, data, len);
		free(data);
		free_model(&m);
	}
}

/* Events that were taken back leave nothing behind, in columns or dictionaries. */
static void redo_forgets(void **state)
{
	(void)state;
	struct model m, other;
	void *data;
	size_t len;
	make_model(&m, &recipes[5], 1);
	make_model(&other, &recipes[7], 2);
	build_model(&m, &data, &len);
	struct segment_build *b = segment_build_new(KEY_DAY);
	for (uint32_t i = 0; i < m.n; i++) {
		add_object(b, &other.object[i]);
		assert_int_equal(segment_build_redo(b, &m.object[i].is), 0);
		add_events(b, &m.object[i]);
	}
	assert_int_equal(segment_build_rows(b), m.rows);
	assert_same_bytes(b, data, len);
	free(data);
	free_model(&m);
	free_model(&other);
}

/* Values of all short lengths, each beside one that differs in a single byte, are all told apart. */
static void near_values_differ(void **state)
{
	(void)state;
	struct segment_build *b = segment_build_new(KEY_DAY);
	struct segment_object o = {.key = "a", .problem = ""};
	struct event e = {.time = 0};
	char same[40], other[40];
	uint32_t expected = 0;
	const char *reason;
	struct segment *s;
	void *data;
	size_t len;
	memset(same, 'a', sizeof same);
	assert_int_equal(segment_build_object(b, &o), 0);
	for (uint32_t n = 0; n <= sizeof same; expected += ++n)
		for (uint32_t i = 0; i <= n; i++) {
			memcpy(other, same, sizeof same);
			if (i < n)
				other[i] = 'b';
			e.facet[FACET_USER] = (struct value){same, n};
			assert_int_equal(segment_build_event(b, &e, 0, 2, 3, 2, 0), 0);
			e.facet[FACET_USER] = (struct value){other, n};
			assert_int_equal(segment_build_event(b, &e, 0, 2, 3, 2, 0), 0);
		}
	assert_int_equal(segment_build_finish(b, &data, &len), 0);
	segment_build_free(b);
	assert_int_equal(segment_open_memory(data, len, release, &s, &reason), 0);
	assert_int_equal(segment_values(s, FACET_USER), expected);
	segment_unref(s);
}

/* Each width's loops, at lengths around those of their blocks. */
static void columns(void **state)
{
	(void)state;
	static const uint32_t top[] = {0, 200, 60000, 0xfffff0, UINT32_MAX - 1};
	uint32_t data[200], many[200], value[200], out[200], n = 200;
	seed = 12345;
	for (int width = 0; width <= 4; width++) {
		struct column c = {0};
		column_fit(0, top[width], false, &c);
		assert_int_equal(c.width, width);
		c.p = (uint8_t *)data;
		for (uint32_t i = 0; i < n; i++)
			column_put(&c, i, value[i] = top[width] / 8 * (uint32_t)draw(8));
		struct column at_once = c;
		at_once.p = (uint8_t *)many;
		for (uint32_t i = 0; i < n; i += 67)
			column_put_many(&at_once, i, value + i, n - i < 67 ? n - i : 67);
		assert_memory_equal(many, data, (size_t)n * c.width);
		for (uint32_t end = 0; end <= n; end++) {
			uint32_t max = 0, falls = 0, first = end - (uint32_t)draw(end + 1), found = end,
				 k = 0;
			for (uint32_t i = 0; i < end; i++) {
				assert_int_equal(column_get(&c, i), value[i]);
				max = value[i] > max ? value[i] : max;
				falls += i > 0 && value[i] < value[i - 1];
			}
			assert_int_equal(column_below(&c, end, max), end == 0);
			assert_true(column_below(&c, end, max + 1));
			assert_true(column_below(&c, end, UINT32_MAX));
			assert_true(column_below(&c, end, max > 0x1000000 ? UINT32_MAX : 0x1000001));
			if (width == 3)
				continue;
			assert_int_equal(column_ascends(&c, end), falls == 0);
			uint32_t wanted = value[draw(n)], hits = column_select(&c, wanted, first, end, out);
			for (uint32_t i = first; i < end; i++) {
				found = value[i] == wanted && found == end ? i : found;
				assert_true(value[i] != wanted || (k < hits && out[k++] == i));
			}
			assert_int_equal(k, hits);
			assert_int_equal(column_find(&c, wanted, first, end), found);
			assert_int_equal(
				column_find_last(&c, wanted, first, end), hits ? out[hits - 1] : end);
			/* What the width cannot hold is nowhere. */
			assert_int_equal(column_find(&c, value[first] + 0x80000000u, first, end), end);
			assert_int_equal(column_find_last(&c, value[first] + 0x80000000u, first, end), end);
			assert_int_equal(column_select(&c, UINT32_MAX, first, end, out), 0);
		}
	}
	/* A base and a number that together do not fit in 32 bits are below nothing. */
	struct column c = {(uint8_t *)data, UINT32_MAX - 10, 1};
	memset(data, 200, sizeof data);
	assert_false(column_below(&c, n, UINT32_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns),
		cmocka_unit_test(near_values_differ),
		cmocka_unit_test(says_what_was_added),
		cmocka_unit_test(codes_of_four_bytes),
		cmocka_unit_test(merged_is_as_built_at_once),
		cmocka_unit_test(redo_forgets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
