/*
 * A segment being built, as segment_build.c collects it and segment_write.c writes it. Not for others.
 */
#ifndef FS_STORE_SEGMENT_ROWS_H
#define FS_STORE_SEGMENT_ROWS_H

#include "fs/store/arena.h"
#include "fs/store/segment_build.h"
#include "fs/store/segment_format.h"

/* A value of a facet; its bytes follow. */
struct interned {
	uint32_t code; /* values are numbered as they are met, until the end */
	uint32_t len;
};

#define INTERN_UNIT sizeof(struct interned) /* values begin at multiples of this */
#define INTERN_LAST 256                     /* a power of two */

struct intern_slot {
	uint32_t hash;
	uint32_t at; /* 1 + its place in text, in units; 0: free */
};

struct intern_table {
	struct intern_slot *slot; /* open addressing by hash; half of them are free at least */
	uint32_t slots;           /* a power of two */
	uint32_t n;
	uint32_t last[INTERN_LAST]; /* by hint: `at` of the value that was asked for last; 0: none yet */
	struct arena at;            /* uint32_t by code, as in slots */
	struct arena text;          /* struct interned and bytes */
};

static inline const struct interned *interned_at(const struct intern_table *t, uint32_t at)
{
	return (const struct interned *)(const void *)(t->text.data + (size_t)(at - 1) * INTERN_UNIT);
}

static inline const struct interned *interned(const struct intern_table *t, uint32_t code)
{
	return interned_at(t, ((const uint32_t *)(const void *)t->at.data)[code]);
}

static inline const char *interned_text(const struct interned *v)
{
	return (const char *)(v + 1);
}

struct built_row {
	int32_t day;
	uint32_t second;
	uint32_t object, ordinal;
	uint32_t offset, length, pretty, minified;
	uint64_t hash;
	uint8_t id[16]; /* as in SECTION_ID */
	uint32_t id_kind;
	uint32_t n_resources;
	uint32_t code[FACET_COUNT]; /* or SEGMENT_NO_CODE; FACET_RESOURCE: place of its first in resources */
};

struct built_object {
	struct segment_object is;       /* but for strings */
	size_t key, problem;            /* in strings */
	uint32_t first;                 /* row */
	size_t first_resource, id_text; /* where those of its rows begin */
};

/* Codes of a segment that is copied from. */
struct copied {
	struct segment *from;        /* held, so that its address stays its own */
	uint32_t *code[FACET_COUNT]; /* the code here, SEGMENT_NO_CODE while not asked for */
};

struct segment_build {
	int32_t key_day;
	bool forgot; /* rows: then there may be values that no row has */
	uint32_t n_rows, n_objects;
	uint64_t room;              /* bytes that may be taken; large_begin() was called for them */
	struct arena rows, objects; /* struct built_row, struct built_object */
	struct arena strings;       /* keys and problems, terminated */
	struct arena resources;     /* uint32_t codes */
	struct arena id_text;
	struct intern_table facet[FACET_COUNT];
	struct arena copied; /* struct copied */
};

static inline struct built_row *built_rows(const struct segment_build *b)
{
	return (struct built_row *)(void *)b->rows.data;
}

static inline struct built_object *built_objects(const struct segment_build *b)
{
	return (struct built_object *)(void *)b->objects.data;
}

#endif
