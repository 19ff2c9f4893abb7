/*
 * What a segment says: each function first asks for the sections that it relies on to be checked.
 */
#include "fs/store/segment.h"

#include <stdlib.h>
#include <string.h>

#include "fs/store/segment_map.h"

struct segment *segment_ref(struct segment *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void segment_unref(struct segment *s)
{
	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	s->release(s->data, s->len);
	pthread_mutex_destroy(&s->check);
	free(s);
}

uint32_t segment_rows(const struct segment *s)
{
	return s->head->rows;
}

uint32_t segment_objects(const struct segment *s)
{
	return s->head->objects;
}

size_t segment_bytes(const struct segment *s)
{
	return s->len;
}

int32_t segment_key_day(const struct segment *s)
{
	return s->head->key_day;
}

struct segment_object segment_object(const struct segment *s, uint32_t object)
{
	const struct segment_object_entry *e = &s->object[object];
	return (struct segment_object){
		.key = s->strings + e->key,
		.size = e->size,
		.tag = e->tag,
		.mtime = e->mtime,
		.inflated = e->inflated,
		.flags = e->flags,
		.rows = e->rows,
		.problem = s->strings + e->problem,
	};
}

uint32_t segment_days(const struct segment *s)
{
	return s->head->days;
}

struct segment_day segment_day(const struct segment *s, uint32_t i)
{
	return s->day[i];
}

bool segment_find_day(const struct segment *s, int32_t day, struct segment_day *ret)
{
	uint32_t low = 0, high = s->head->days;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (s->day[middle].day < day)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == s->head->days || s->day[low].day != day)
		return false;
	*ret = s->day[low];
	return true;
}

int32_t segment_day_of(const struct segment *s, uint32_t row)
{
	uint32_t low = 0, high = s->head->days;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (s->day[middle].end <= row)
			low = middle + 1;
		else
			high = middle;
	}
	return s->day[low].day;
}

uint32_t segment_row_second(const struct segment *s, uint32_t row)
{
	if (!segment_good(s, GROUP_TIMES))
		return 0;
	return column_get(&s->second, row);
}

uint32_t segment_row_object(const struct segment *s, uint32_t row)
{
	if (!segment_good(s, GROUP_TIMES))
		return 0;
	return column_get(&s->of_object, row);
}

uint32_t segment_row_ordinal(const struct segment *s, uint32_t row)
{
	if (!segment_good(s, GROUP_ROWS))
		return 0;
	return column_get(&s->ordinal, row);
}

uint32_t segment_row_offset(const struct segment *s, uint32_t row)
{
	if (!segment_good(s, GROUP_ROWS))
		return 0;
	return column_get(&s->offset, row);
}

uint32_t segment_row_length(const struct segment *s, uint32_t row)
{
	if (!segment_good(s, GROUP_ROWS))
		return 0;
	return column_get(&s->length, row);
}

uint32_t segment_row_pretty(const struct segment *s, uint32_t row)
{
	if (!segment_good(s, GROUP_ROWS))
		return 0;
	return column_get(&s->length, row) + column_get(&s->pretty, row) - SEGMENT_PRETTY_ADD;
}

uint32_t segment_row_minified(const struct segment *s, uint32_t row)
{
	if (!segment_good(s, GROUP_ROWS))
		return 0;
	return column_get(&s->length, row) - column_get(&s->minified, row);
}

uint64_t segment_row_hash(const struct segment *s, uint32_t row)
{
	if (!segment_good(s, GROUP_ROWS))
		return 0;
	return s->hash[row];
}

struct value segment_row_id(const struct segment *s, uint32_t row, char buf[36])
{
	if (!segment_good(s, GROUP_ROWS))
		return (struct value){NULL, 0};
	uint32_t at[2];
	switch (column_get(&s->id_kind, row)) {
	case ID_GUID:
		segment_spell_guid(s->id[row], buf);
		return (struct value){buf, 36};
	case ID_TEXT:
		memcpy(at, s->id[row], sizeof at);
		return (struct value){s->id_text + at[0], at[1]};
	default:
		return (struct value){NULL, 0};
	}
}

/* The first row from `first` on with these 16 bytes, of that kind. */
static uint32_t find_guid(const struct segment *s, const uint8_t id[16], uint32_t first)
{
	uint64_t low, high;
	memcpy(&low, id, 8);
	memcpy(&high, id + 8, 8);
	for (uint32_t row = first; row < s->head->rows; row++) {
		uint64_t is;
		memcpy(&is, s->id[row], 8);
		if (is != low)
			continue;
		memcpy(&is, s->id[row] + 8, 8);
		if (is == high && column_get(&s->id_kind, row) == ID_GUID)
			return row;
	}
	return s->head->rows;
}

uint32_t segment_find_id(const struct segment *s, struct value id, uint32_t first)
{
	uint8_t guid[16];
	char spelled[36];
	if (!segment_good(s, GROUP_ROWS))
		return s->head->rows;
	/* Then there is no section of IDs. */
	if (s->id_kind.width == 0 && s->id_kind.base == ID_NONE)
		return s->head->rows;
	if (segment_read_guid(id, guid))
		return find_guid(s, guid, first);
	for (uint32_t row = first; row < s->head->rows; row++) {
		if (column_get(&s->id_kind, row) != ID_TEXT)
			continue;
		struct value is = segment_row_id(s, row, spelled);
		if (is.len == id.len && memcmp(is.p, id.p, id.len) == 0)
			return row;
	}
	return s->head->rows;
}

uint32_t segment_find_hash(const struct segment *s, uint64_t hash, uint32_t first)
{
	if (!segment_good(s, GROUP_ROWS))
		return s->head->rows;
	for (uint32_t row = first; row < s->head->rows; row++)
		if (s->hash[row] == hash && column_get(&s->id_kind, row) == ID_NONE)
			return row;
	return s->head->rows;
}

const uint8_t *segment_row_guid(const struct segment *s, uint32_t row)
{
	if (!segment_good(s, GROUP_ROWS) || column_get(&s->id_kind, row) != ID_GUID)
		return NULL;
	return s->id[row];
}

uint32_t segment_row_of(const struct segment *s, uint32_t object, uint32_t ordinal)
{
	if (!segment_good(s, GROUP_ROWS))
		return 0;
	/* That the ordinals of rows are below the rows of their objects is the one thing not checked. */
	uint64_t place = (uint64_t)s->object[object].first + ordinal;
	return column_get(&s->place, place < s->head->rows ? (uint32_t)place : 0);
}

uint32_t segment_row_code(const struct segment *s, enum facet f, uint32_t row)
{
	if (!segment_good(s, GROUP_CODES(f)))
		return SEGMENT_NO_CODE;
	uint32_t i = row;
	if (f == FACET_RESOURCE) {
		i = column_get(&s->resource, row);
		if (i == column_get(&s->resource, row + 1))
			return SEGMENT_NO_CODE;
	}
	uint32_t code = column_get(&s->code[f], i);
	return code < s->values[f].n ? code : SEGMENT_NO_CODE;
}

uint32_t segment_row_resources(const struct segment *s, uint32_t row, uint32_t *out, uint32_t max)
{
	if (!segment_good(s, GROUP_CODES(FACET_RESOURCE)))
		return 0;
	uint32_t first = column_get(&s->resource, row), n = column_get(&s->resource, row + 1) - first;
	for (uint32_t i = 0; i < n && i < max; i++)
		out[i] = column_get(&s->code[FACET_RESOURCE], first + i);
	return n;
}

/* The row after `row` whose resources hold place k: there is one below end. Steps double, as hits are often
 * close together. */
static uint32_t row_of_resource(const struct segment *s, uint32_t k, uint32_t row, uint32_t end)
{
	uint32_t low = row, step = 1;
	while (end - low > step && column_get(&s->resource, low + step) <= k) {
		low += step;
		step *= 2;
	}
	uint32_t high = end - low > step ? low + step : end;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (column_get(&s->resource, middle) <= k)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static uint32_t find_resource(const struct segment *s, uint32_t code, uint32_t first, uint32_t end)
{
	uint32_t last = column_get(&s->resource, end);
	uint32_t k = column_find(&s->code[FACET_RESOURCE], code, column_get(&s->resource, first), last);
	return k == last ? end : row_of_resource(s, k, first, end);
}

bool segment_row_has(const struct segment *s, enum facet f, uint32_t row, uint32_t code)
{
	if (!segment_good(s, GROUP_CODES(f)))
		return false;
	if (f == FACET_RESOURCE)
		return find_resource(s, code, row, row + 1) == row;
	return column_get(&s->code[f], row) == code;
}

uint32_t segment_select(
	const struct segment *s, enum facet f, uint32_t code, uint32_t first, uint32_t end, uint32_t *out)
{
	uint32_t n = 0;
	if (first >= end || !segment_good(s, GROUP_CODES(f)))
		return 0;
	if (f != FACET_RESOURCE)
		return column_select(&s->code[f], code, first, end, out);
	for (uint32_t row = first; row < end && (row = find_resource(s, code, row, end)) < end; row++)
		out[n++] = row;
	return n;
}

uint32_t segment_find(const struct segment *s, enum facet f, uint32_t code, uint32_t first, uint32_t end)
{
	if (first >= end || !segment_good(s, GROUP_CODES(f)))
		return end;
	return f == FACET_RESOURCE ? find_resource(s, code, first, end)
				   : column_find(&s->code[f], code, first, end);
}

uint32_t segment_find_last(const struct segment *s, enum facet f, uint32_t code, uint32_t first, uint32_t end)
{
	uint32_t from = first, to = end, i;
	if (first >= end || !segment_good(s, GROUP_CODES(f)))
		return SEGMENT_NO_ROW;
	if (f == FACET_RESOURCE) {
		from = column_get(&s->resource, first);
		to = column_get(&s->resource, end);
	}
	i = column_find_last(&s->code[f], code, from, to);
	if (i == to)
		return SEGMENT_NO_ROW;
	return f == FACET_RESOURCE ? row_of_resource(s, i, first, end) : i;
}

uint32_t segment_values(const struct segment *s, enum facet f)
{
	return s->values[f].n;
}

struct value segment_value(const struct segment *s, enum facet f, uint32_t code)
{
	const struct dictionary *d = &s->values[f];
	if (!segment_good(s, GROUP_VALUES(f)))
		return (struct value){"", 0};
	return (struct value){d->text + d->start[code], d->start[code + 1] - d->start[code]};
}

uint32_t segment_find_value(const struct segment *s, enum facet f, struct value v)
{
	uint32_t low = 0, high = v.p && segment_good(s, GROUP_VALUES(f)) ? s->values[f].n : 0;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		struct value m = segment_value(s, f, middle);
		int order = memcmp(m.p, v.p, m.len < v.len ? m.len : v.len);
		if (order == 0 && m.len == v.len)
			return middle;
		if (order < 0 || (order == 0 && m.len < v.len))
			low = middle + 1;
		else
			high = middle;
	}
	return SEGMENT_NO_CODE;
}

int64_t segment_value_newest(const struct segment *s, enum facet f, uint32_t code)
{
	if (!segment_good(s, GROUP_VALUES(f)))
		return EVENT_UNDATED;
	return s->values[f].newest[code];
}
