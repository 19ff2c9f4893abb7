/*
 * A segment being built, as segment_build.c collects it and segment_write.c writes it. Not for others.
 */
#ifndef FS_STORE_SEGMENT_ROWS_H
#define FS_STORE_SEGMENT_ROWS_H

#include "fs/store/segment_build.h"
#include "fs/store/segment_format.h"

/* An array that grows. */
struct arena {
	char *data;
	size_t len, cap; /* bytes */
};

/* n more bytes at the end, not set; NULL: no memory. Moves what was there before. */
void *arena_add(struct arena *a, size_t n);

/* The values of a facet, in the order in which they were met: that is their code until the end. */
struct interned {
	uint64_t hash;
	size_t text;
	uint32_t len;
};

struct intern_table {
	uint32_t *slot; /* open addressing by hash: code + 1, or 0; half of them are free at least */
	uint32_t slots; /* a power of two */
	uint32_t n;
	uint32_t last;      /* code of the value that was looked up last */
	struct arena value; /* struct interned */
	struct arena text;
};

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
	uint32_t n_rows, n_objects;
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
