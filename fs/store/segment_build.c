/*
 * Collects rows for a segment. A row is a struct with a code for each facet; a value is stored once, found
 * again by its hash. Sorting, pruning and packing wait for segment_build_finish() (segment_write.c).
 */
#include "fs/store/segment_build.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL /* most values are too short for a call */
#include <xxhash.h>

#include "fs/store/large.h"
#include "fs/store/segment_rows.h"

#define ROWS_MAX     (UINT32_MAX - 1)
#define SLOTS_MIN    64
#define ROWS_AT_ONCE 16         /* for which there is room or not */
#define LONG_RECORD  (1u << 20) /* bytes; its values may need room */

static bool arena_copy(struct arena *a, const void *p, size_t n)
{
	void *to = arena_add(a, n);
	if (to && n > 0)
		memcpy(to, p, n);
	return to != NULL;
}

static bool intern_grow(struct intern_table *t)
{
	uint32_t slots = t->slots ? t->slots * 2 : SLOTS_MIN;
	struct intern_slot *slot = slots ? calloc(slots, sizeof *slot) : NULL;
	if (!slot)
		return false;
	for (uint32_t old = 0; old < t->slots; old++) {
		uint32_t i = t->slot[old].hash & (slots - 1);
		if (!t->slot[old].at)
			continue;
		while (slot[i].at)
			i = (i + 1) & (slots - 1);
		slot[i] = t->slot[old];
	}
	free(t->slot);
	t->slot = slot;
	t->slots = slots;
	return true;
}

static inline bool same_few(const char *a, const char *b, size_t n)
{
	uint32_t x, y, x_end, y_end;
	if (n < 4)
		return n == 0 || (a[0] == b[0] && a[n / 2] == b[n / 2] && a[n - 1] == b[n - 1]);
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	memcpy(&x_end, a + n - 4, sizeof x_end);
	memcpy(&y_end, b + n - 4, sizeof y_end);
	return x == y && x_end == y_end;
}

/* Whether n bytes are the same: in pieces, of which the last may lie over the one before. */
static inline bool same_bytes(const char *a, const char *b, size_t n)
{
	uint64_t x, y, differs = 0;
	if (n < 8)
		return same_few(a, b, n);
	for (size_t i = 0; i < n - 8; i += 8) {
		memcpy(&x, a + i, sizeof x);
		memcpy(&y, b + i, sizeof y);
		differs |= x ^ y;
	}
	memcpy(&x, a + n - 8, sizeof x);
	memcpy(&y, b + n - 8, sizeof y);
	return (differs | (x ^ y)) == 0;
}

static inline bool is_value(const struct interned *have, struct value v)
{
	return have->len == v.len && same_bytes(interned_text(have), v.p, v.len);
}

/* A new value; it gets the next code. *ret_at: as in slots. */
static int intern_add(struct intern_table *t, struct value v, uint32_t *ret_at)
{
	size_t place = t->text.len / INTERN_UNIT, n = sizeof(struct interned) + v.len;
	if (place >= UINT32_MAX)
		return -EFBIG;
	uint32_t *at = arena_add(&t->at, sizeof *at);
	struct interned *new = arena_add(&t->text, (n + INTERN_UNIT - 1) / INTERN_UNIT * INTERN_UNIT);
	if (!at || !new)
		return -ENOMEM;
	*new = (struct interned){t->n++, v.len};
	memcpy(new + 1, v.p, v.len);
	*ret_at = *at = (uint32_t)place + 1;
	return 0;
}

/* The code of a value, SEGMENT_NO_CODE for an absent one. hint: any number; what was asked for with it last
 * is looked at first. */
static int intern(struct intern_table *t, struct value v, uint32_t hint, uint32_t *ret_code)
{
	uint32_t *last = &t->last[hint % INTERN_LAST];
	int rc = 0;
	if (!v.p) {
		*ret_code = SEGMENT_NO_CODE;
		return 0;
	}
	if (*last && is_value(interned_at(t, *last), v))
		goto out;
	if (t->n >= t->slots / 2 && !intern_grow(t))
		return -ENOMEM;
	uint32_t hash = (uint32_t)XXH3_64bits(v.p, v.len);
	struct intern_slot *slot = &t->slot[hash & (t->slots - 1)];
	while (slot->at && (slot->hash != hash || !is_value(interned_at(t, slot->at), v)))
		slot = slot + 1 < t->slot + t->slots ? slot + 1 : t->slot;
	if (!slot->at) {
		rc = intern_add(t, v, &slot->at);
		slot->hash = hash;
	}
	if (rc < 0)
		return rc;
	*last = slot->at;
out:
	*ret_code = interned_at(t, *last)->code;
	return 0;
}

struct segment_build *segment_build_new(int32_t key_day)
{
	struct segment_build *b = calloc(1, sizeof *b);
	if (!b)
		return NULL;
	b->key_day = key_day;
	b->room = LARGE_MIN;
	return b;
}

void segment_build_free(struct segment_build *b)
{
	if (!b)
		return;
	struct copied *c = (void *)b->copied.data;
	for (size_t i = 0; i < b->copied.len / sizeof *c; i++) {
		segment_unref(c[i].from);
		for (int f = 0; f < FACET_COUNT; f++)
			free(c[i].code[f]);
	}
	for (int f = 0; f < FACET_COUNT; f++) {
		free(b->facet[f].slot);
		arena_clear(&b->facet[f].at);
		arena_clear(&b->facet[f].text);
	}
	arena_clear(&b->copied);
	arena_clear(&b->id_text);
	arena_clear(&b->resources);
	arena_clear(&b->strings);
	arena_clear(&b->objects);
	arena_clear(&b->rows);
	large_end(b->room);
	free(b);
}

uint64_t segment_build_memory(const struct segment_build *b)
{
	/* What is not of a row is held twice at the end. */
	uint64_t others = b->resources.len + b->id_text.len + b->objects.len + b->strings.len;
	for (int f = 0; f < FACET_COUNT; f++)
		others += b->facet[f].text.len + b->facet[f].at.len;
	return (uint64_t)b->n_rows * SEGMENT_ROW_MEMORY + 2 * others;
}

/* Room for a few rows and `values` bytes besides. */
static int make_room(struct segment_build *b, uint64_t values)
{
	uint64_t needed = segment_build_memory(b) + 2 * values;
	if (needed <= b->room)
		return 0;
	int rc = large_begin(needed + LARGE_MIN);
	if (rc < 0)
		return rc;
	large_end(b->room);
	b->room = needed + LARGE_MIN;
	return 0;
}

static int set_object(struct segment_build *b, struct built_object *to, const struct segment_object *o)
{
	const char *problem = o->problem ? o->problem : "";
	to->is = *o;
	to->is.rows = 0;
	to->key = b->strings.len;
	if (!arena_copy(&b->strings, o->key, strlen(o->key) + 1))
		return -ENOMEM;
	to->problem = b->strings.len;
	return arena_copy(&b->strings, problem, strlen(problem) + 1) ? 0 : -ENOMEM;
}

int segment_build_object(struct segment_build *b, const struct segment_object *o)
{
	struct built_object *new = arena_add(&b->objects, sizeof *new);
	if (!new)
		return -ENOMEM;
	new->first = b->n_rows;
	new->first_resource = b->resources.len;
	new->id_text = b->id_text.len;
	b->n_objects++;
	return set_object(b, new, o);
}

static struct built_object *forget_rows(struct segment_build *b)
{
	struct built_object *last = &built_objects(b)[b->n_objects - 1];
	b->forgot = b->forgot || b->n_rows > last->first;
	b->n_rows = last->first;
	b->rows.len = (size_t)b->n_rows * sizeof(struct built_row);
	b->resources.len = last->first_resource;
	b->id_text.len = last->id_text;
	return last;
}

int segment_build_redo(struct segment_build *b, const struct segment_object *o)
{
	return set_object(b, forget_rows(b), o);
}

void segment_build_undo(struct segment_build *b)
{
	forget_rows(b);
	b->objects.len -= sizeof(struct built_object);
	b->n_objects--;
}

static int set_id(struct segment_build *b, struct built_row *row, struct value id)
{
	memset(row->id, 0, sizeof row->id);
	row->id_kind = ID_NONE;
	if (!id.p)
		return 0;
	row->id_kind = ID_GUID;
	if (segment_read_guid(id, row->id))
		return 0;
	uint32_t at[2] = {(uint32_t)b->id_text.len, id.len};
	if (b->id_text.len + id.len > UINT32_MAX)
		return -EFBIG;
	row->id_kind = ID_TEXT;
	memset(row->id, 0, sizeof row->id);
	memcpy(row->id, at, sizeof at);
	return arena_copy(&b->id_text, id.p, id.len) ? 0 : -ENOMEM;
}

static void set_time(struct built_row *row, int64_t time)
{
	int64_t day = time / 86400 - (time % 86400 < 0);
	if (time == EVENT_UNDATED || day < SEGMENT_DAY_MIN || day > SEGMENT_DAY_MAX) {
		row->day = SEGMENT_UNDATED;
		row->second = 0;
		return;
	}
	row->day = (int32_t)day;
	row->second = (uint32_t)(time - day * 86400);
}

/* A new row of the object begun last. NULL: *ret_error. */
static struct built_row *add_row(struct segment_build *b, size_t n_resources, int *ret_error)
{
	struct built_object *o = &built_objects(b)[b->n_objects - 1];
	if (b->n_rows % ROWS_AT_ONCE == 0 && (*ret_error = make_room(b, 0)) < 0)
		return NULL;
	*ret_error = -EFBIG;
	if (b->n_rows >= ROWS_MAX || n_resources > UINT32_MAX - b->resources.len / sizeof(uint32_t))
		return NULL;
	*ret_error = -ENOMEM;
	struct built_row *row = arena_add(&b->rows, sizeof *row);
	if (!row)
		return NULL;
	row->object = b->n_objects - 1;
	row->ordinal = b->n_rows - o->first;
	row->n_resources = (uint32_t)n_resources;
	row->code[FACET_RESOURCE] = (uint32_t)(b->resources.len / sizeof(uint32_t));
	b->n_rows++;
	return row;
}

_Static_assert(FACET_USER == 0 && FACET_EVENT == 1, "they are known first");

/* What tells most about a value of this facet, of the row's values so far: who it was goes with one role, one
 * key, one address, one program, and an eventName belongs to one service. The rest is as in the record
 * before. */
static inline uint32_t hint(const struct built_row *row, int facet)
{
	switch (facet) {
	case FACET_EVENT:
	case FACET_IP:
	case FACET_ROLE:
	case FACET_ACCESS_KEY:
	case FACET_TYPE:
	case FACET_AGENT:
		return row->code[FACET_USER];
	case FACET_SERVICE:
	case FACET_ERROR:
	case FACET_CATEGORY:
	case FACET_ACCESS:
		return row->code[FACET_EVENT];
	default:
		return 0;
	}
}

static uint64_t bytes_of(const struct event *e)
{
	uint64_t n = e->id.len;
	for (int f = 0; f < FACET_COUNT; f++)
		n += e->facet[f].len;
	for (size_t i = 0; i < e->n_resources; i++)
		n += e->resource[i].len;
	return n;
}

int segment_build_event(struct segment_build *b, const struct event *e, uint32_t offset, uint32_t length,
	uint32_t pretty, uint32_t minified, uint64_t hash)
{
	int rc = length > LONG_RECORD ? make_room(b, bytes_of(e)) : 0;
	if (rc < 0)
		return rc;
	struct built_row *row = add_row(b, e->n_resources, &rc);
	if (!row)
		return rc;
	row->offset = offset;
	row->length = length;
	row->pretty = pretty;
	row->minified = minified;
	row->hash = hash;
	set_time(row, e->time);
	rc = set_id(b, row, e->id);
	for (int f = 0; f < FACET_COUNT && rc == 0; f++)
		if (f != FACET_RESOURCE)
			rc = intern(&b->facet[f], e->facet[f], hint(row, f), &row->code[f]);
	for (size_t i = 0; i < e->n_resources && rc == 0; i++) {
		uint32_t *code = arena_add(&b->resources, sizeof *code);
		rc = code ? intern(&b->facet[FACET_RESOURCE], e->resource[i], 0, code) : -ENOMEM;
	}
	return rc;
}

uint32_t segment_build_rows(const struct segment_build *b)
{
	return b->n_rows;
}

/* The codes of `from`: what was copied from it last, or none yet. NULL: no memory. */
static struct copied *copied_from(struct segment_build *b, const struct segment *from)
{
	struct copied *c = (void *)b->copied.data;
	for (size_t i = b->copied.len / sizeof *c; i-- > 0;)
		if (c[i].from == from)
			return &c[i];
	c = arena_add(&b->copied, sizeof *c);
	if (!c)
		return NULL;
	*c = (struct copied){.from = segment_ref((struct segment *)from)};
	for (int f = 0; f < FACET_COUNT; f++) {
		uint32_t n = segment_values(from, (enum facet)f);
		c->code[f] = malloc(((size_t)n + 1) * sizeof *c->code[f]);
		if (!c->code[f])
			return NULL;
		memset(c->code[f], 0xff, ((size_t)n + 1) * sizeof *c->code[f]);
	}
	return c;
}

static int copy_code(struct segment_build *b, struct copied *c, enum facet f, uint32_t code, uint32_t *ret)
{
	int rc = 0;
	if (code == SEGMENT_NO_CODE)
		*ret = SEGMENT_NO_CODE;
	else if (c->code[f][code] != SEGMENT_NO_CODE)
		*ret = c->code[f][code];
	else if ((rc = intern(&b->facet[f], segment_value(c->from, f, code), 0, ret)) == 0)
		c->code[f][code] = *ret;
	return rc;
}

static int copy_resources(struct segment_build *b, struct copied *c, uint32_t row, uint32_t n)
{
	/* Room first, then each in place: interning does not touch this arena. */
	uint32_t *code = arena_add(&b->resources, n * sizeof *code);
	if (!code)
		return -ENOMEM;
	segment_row_resources(c->from, row, code, n);
	int rc = 0;
	for (uint32_t i = 0; i < n && rc == 0; i++)
		rc = copy_code(b, c, FACET_RESOURCE, code[i], &code[i]);
	return rc;
}

/* The day that a row belongs to. */
static int32_t day_of(const struct segment *s, uint32_t row)
{
	uint32_t low = 0, high = segment_days(s);
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (segment_day(s, middle).first <= row)
			low = middle;
		else
			high = middle;
	}
	return segment_day(s, low).day;
}

static int copy_row(struct segment_build *b, struct copied *c, uint32_t from)
{
	const struct segment *s = c->from;
	uint32_t n_resources = segment_row_resources(s, from, NULL, 0);
	char buf[36];
	int rc;
	struct built_row *row = add_row(b, n_resources, &rc);
	if (!row)
		return rc;
	row->day = day_of(s, from);
	row->second = segment_row_second(s, from);
	row->offset = segment_row_offset(s, from);
	row->length = segment_row_length(s, from);
	row->pretty = segment_row_pretty(s, from);
	row->minified = segment_row_minified(s, from);
	row->hash = segment_row_hash(s, from);
	rc = set_id(b, row, segment_row_id(s, from, buf));
	for (int f = 0; f < FACET_COUNT && rc == 0; f++)
		if (f != FACET_RESOURCE)
			rc = copy_code(
				b, c, (enum facet)f, segment_row_code(s, (enum facet)f, from), &row->code[f]);
	return rc < 0 || n_resources == 0 ? rc : copy_resources(b, c, from, n_resources);
}

int segment_build_copy(struct segment_build *b, const struct segment *from, uint32_t object)
{
	struct segment_object o = segment_object(from, object);
	const char *reason;
	int wrong = segment_check(from, &reason);
	if (wrong)
		return wrong;
	struct copied *c = copied_from(b, from);
	if (!c)
		return -ENOMEM;
	int rc = segment_build_object(b, &o);
	for (uint32_t i = 0; i < o.rows && rc == 0; i++)
		rc = copy_row(b, c, segment_row_of(from, object, i));
	return rc;
}
