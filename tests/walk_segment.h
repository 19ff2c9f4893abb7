/*
 * Reads all that a segment says, through every accessor, so that a sanitizer sees each byte that is touched.
 * Only what the header promises is asserted: it must hold for forged segments too.
 */
#ifndef TESTS_WALK_SEGMENT_H
#define TESTS_WALK_SEGMENT_H

#include <stdlib.h>
#include <string.h>

#include "fs/store/segment.h"

/* Where a forged segment says so, rows have more resources than are worth looking at. */
#define WALK_RESOURCES_MAX 64

#define WALK_CHECK(what)                                                                                     \
	do {                                                                                                 \
		if (!(what))                                                                                 \
			abort();                                                                             \
	} while (0)

static inline uint64_t walk_bytes(const void *p, size_t n)
{
	const unsigned char *b = p;
	uint64_t sum = n;
	WALK_CHECK(b);
	while (n-- > 0)
		sum = sum * 31 + *b++;
	return sum;
}

static inline uint64_t walk_objects(const struct segment *s)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < segment_objects(s); i++) {
		struct segment_object o = segment_object(s, i);
		sum += walk_bytes(o.key, strlen(o.key)) + walk_bytes(o.problem, strlen(o.problem));
		sum += o.size + o.tag + (uint64_t)o.mtime + o.inflated + o.flags;
		WALK_CHECK(o.rows <= segment_rows(s));
		for (uint32_t k = 0; k < o.rows; k++)
			WALK_CHECK(segment_row_of(s, i, k) < segment_rows(s));
	}
	return sum;
}

static inline void walk_days(const struct segment *s)
{
	uint32_t row = 0;
	for (uint32_t i = 0; i < segment_days(s); i++) {
		struct segment_day d = segment_day(s, i), found;
		WALK_CHECK(d.first == row && d.end > row);
		WALK_CHECK(segment_find_day(s, d.day, &found) && found.first == d.first);
		WALK_CHECK(!segment_find_day(s, d.day + 1, &found) || found.first == d.end);
		row = d.end;
	}
	WALK_CHECK(row == segment_rows(s));
}

static inline uint64_t walk_row(const struct segment *s, uint32_t row)
{
	static uint32_t codes[WALK_RESOURCES_MAX];
	char buf[36];
	uint64_t sum = 0;
	uint32_t object = segment_row_object(s, row), ordinal = segment_row_ordinal(s, row);
	struct value id = segment_row_id(s, row, buf);
	WALK_CHECK(segment_row_second(s, row) < 86400);
	WALK_CHECK(object < segment_objects(s));
	WALK_CHECK(segment_row_of(s, object, ordinal) < segment_rows(s));
	sum += (uint64_t)segment_row_offset(s, row) + segment_row_length(s, row) +
	       segment_row_pretty(s, row) + segment_row_minified(s, row) + segment_row_hash(s, row);
	sum += id.p ? walk_bytes(id.p, id.len) : 0;
	for (int f = 0; f < FACET_COUNT; f++) {
		uint32_t code = segment_row_code(s, (enum facet)f, row);
		WALK_CHECK(code == SEGMENT_NO_CODE || code < segment_values(s, (enum facet)f));
		WALK_CHECK(code == SEGMENT_NO_CODE || segment_row_has(s, (enum facet)f, row, code));
	}
	uint32_t n = segment_row_resources(s, row, codes, WALK_RESOURCES_MAX);
	for (uint32_t i = 0; i < n && i < WALK_RESOURCES_MAX; i++)
		WALK_CHECK(codes[i] < segment_values(s, FACET_RESOURCE) &&
			   segment_row_has(s, FACET_RESOURCE, row, codes[i]));
	return sum;
}

static inline uint64_t walk_values(const struct segment *s, enum facet f, uint32_t *rows)
{
	uint64_t sum = 0;
	uint32_t end = segment_rows(s);
	for (uint32_t code = 0; code < segment_values(s, f); code++) {
		struct value v = segment_value(s, f, code);
		uint32_t n = segment_select(s, f, code, 0, end, rows);
		WALK_CHECK(n <= end);
		WALK_CHECK(segment_find(s, f, code, 0, end) == (n ? rows[0] : end));
		for (uint32_t i = 0; i < n; i++)
			WALK_CHECK(rows[i] < end && (i == 0 || rows[i] > rows[i - 1]) &&
				   segment_row_has(s, f, rows[i], code));
		sum += walk_bytes(v.p, v.len) + segment_find_value(s, f, v) +
		       (uint64_t)segment_value_newest(s, f, code);
	}
	return sum;
}

/* A number that depends on everything read. */
static inline uint64_t walk_segment(const struct segment *s)
{
	uint64_t sum = segment_bytes(s) + (uint64_t)segment_key_day(s) + walk_objects(s);
	uint32_t *rows = malloc(((size_t)segment_rows(s) + 1) * sizeof *rows);
	WALK_CHECK(rows);
	walk_days(s);
	for (uint32_t row = 0; row < segment_rows(s); row++)
		sum = sum * 31 + walk_row(s, row);
	for (int f = 0; f < FACET_COUNT; f++)
		sum = sum * 31 + walk_values(s, (enum facet)f, rows);
	free(rows);
	return sum;
}

#endif
