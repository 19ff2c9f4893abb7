/*
 * The file format of segments. Little-endian; every section begins at a multiple of 8 bytes, right after the
 * one before it, and is filled up with zeros; the first begins right after the header.
 *
 *   header    magic "trailseg" | version u32 | number of sections u32 | length of the file u64
 *             key day i32 | rows u32 | objects u32 | event days u32
 *             table of sections: offset u32 | length u32 (without filling) | XXH3 u64 (with it)
 *                                | base u32 | width u32 (columns; others 0)
 *             XXH3 u64 of all of the header before it
 *   OBJECTS   struct segment_object_entry of each, by key
 *   STRINGS   "" and then the objects' keys and problems, each terminated
 *   DAYS      struct segment_day of each event day, ascending
 *   columns   base + number of `width` bytes for each row (segment_column.h); width 0: no bytes
 *     SECOND          of the day
 *     OBJECT          place in OBJECTS
 *     ORDINAL         of the record in its object
 *     OFFSET, LENGTH  in the object's text
 *     PRETTY          pretty length - LENGTH + 2^31
 *     MINIFIED        LENGTH - minified length
 *     ID_KIND         enum segment_id_kind
 *     CODE + facet    place in the facet's dictionary, the number of its values for "absent"; plain columns.
 *                     CODE + FACET_RESOURCE has a number for each resource of each row, ascending in a row
 *   RESOURCE  plain column of rows + 1: where each row's begin in CODE + FACET_RESOURCE, and their end
 *   PLACE     column over the rows in the order of objects and ordinals: the row
 *   HASH      u64 for each row
 *   ID        16 bytes for each row (none at all where no row has an ID): by ID_KIND zeros, the bytes of the
 *             GUID, or offset u32, length u32 in ID_TEXT, zeros
 *   ID_TEXT   IDs that are not GUIDs
 *   dictionary of each facet, sorted by bytes
 *     VALUE_START + facet    u32 for each value and one more: where it begins in VALUE_TEXT
 *     VALUE_TEXT + facet
 *     VALUE_NEWEST + facet   i64 for each value: time of its newest event
 *
 * The same objects and events make the same bytes, in whatever order they were added.
 */
#ifndef FS_STORE_SEGMENT_FORMAT_H
#define FS_STORE_SEGMENT_FORMAT_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "render/event.h"

#define SEGMENT_MAGIC      "trailseg"
#define SEGMENT_VERSION    1
#define SEGMENT_PRETTY_ADD 0x80000000u

/* Years 1 to 9999. */
#define SEGMENT_DAY_MIN (-719162)
#define SEGMENT_DAY_MAX 2932896

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "sections are used as they lie in the file");

enum segment_section {
	SECTION_OBJECTS,
	SECTION_STRINGS,
	SECTION_DAYS,
	SECTION_SECOND, /* the columns by row begin here */
	SECTION_OBJECT,
	SECTION_ORDINAL,
	SECTION_OFFSET,
	SECTION_LENGTH,
	SECTION_PRETTY,
	SECTION_MINIFIED,
	SECTION_ID_KIND,
	SECTION_CODE,
	SECTION_RESOURCE = SECTION_CODE + FACET_COUNT,
	SECTION_PLACE,
	SECTION_HASH,
	SECTION_ID,
	SECTION_ID_TEXT,
	SECTION_VALUE_START,
	SECTION_VALUE_TEXT = SECTION_VALUE_START + FACET_COUNT,
	SECTION_VALUE_NEWEST = SECTION_VALUE_TEXT + FACET_COUNT,
	SECTION_COUNT = SECTION_VALUE_NEWEST + FACET_COUNT
};

enum segment_id_kind {
	ID_NONE,
	ID_GUID, /* 8-4-4-4-12 lower-case hex digits */
	ID_TEXT,
	ID_KINDS
};

struct segment_table_entry {
	uint32_t offset, length;
	uint64_t checksum;
	uint32_t base, width;
};

struct segment_header {
	char magic[8];
	uint32_t version, sections;
	uint64_t length;
	int32_t key_day;
	uint32_t rows, objects, days;
	struct segment_table_entry section[SECTION_COUNT];
	uint64_t checksum;
};

struct segment_object_entry {
	uint64_t size, tag;
	int64_t mtime;
	uint64_t inflated;
	uint32_t key, problem; /* in STRINGS */
	uint32_t flags;
	uint32_t first, rows; /* in PLACE */
	uint32_t zero;
};

/* A length with its filling. */
static inline uint64_t segment_fill(uint64_t length)
{
	return (length + 7) & ~(uint64_t)7;
}

/* The 36 characters of an ID_GUID. */
static inline void segment_spell_guid(const uint8_t id[16], char buf[36])
{
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*buf++ = '-';
		*buf++ = "0123456789abcdef"[id[i] >> 4];
		*buf++ = "0123456789abcdef"[id[i] & 15];
	}
}

/* Eight lower-case hex digits at once, a byte each, to four bytes. False where one is something else. */
static inline bool segment_read_hex8(const char *first, const char *second, uint8_t ret[4])
{
	const uint64_t ones = 0x0101010101010101u;
	uint32_t a, b;
	memcpy(&a, first, sizeof a);
	memcpy(&b, second, sizeof b);
	uint64_t text = (uint64_t)le32toh(b) << 32 | le32toh(a);
	/* Bit 6 is what letters have and digits have not. */
	uint64_t nibble = (text & ones * 0x0f) + (text >> 6 & ones) * 9;
	uint64_t letter = (nibble + ones * 0x76) >> 7 & ones;
	/* Whatever else these bytes may have been: not these. */
	if (nibble & ones * 0xf0 || nibble + ones * '0' + letter * ('a' - '9' - 1) != text)
		return false;
	uint64_t pairs = (nibble << 4 | nibble >> 8) & 0x00ff00ff00ff00ffu;
	pairs = (pairs | pairs >> 8) & 0x0000ffff0000ffffu;
	uint32_t bytes = htole32((uint32_t)(pairs | pairs >> 16));
	memcpy(ret, &bytes, sizeof bytes);
	return true;
}

/* 8-4-4-4-12. */
static inline bool segment_read_guid(struct value id, uint8_t ret[16])
{
	const char *p = id.p;
	return id.len == 36 && p[8] == '-' && p[13] == '-' && p[18] == '-' && p[23] == '-' &&
	       segment_read_hex8(p, p + 4, ret) && segment_read_hex8(p + 9, p + 14, ret + 4) &&
	       segment_read_hex8(p + 19, p + 24, ret + 8) && segment_read_hex8(p + 28, p + 32, ret + 12);
}

/* Sets the checksums of a file in memory from its table of sections. What the table places outside of the
 * file is left alone. */
void segment_seal(void *data, size_t len);

#endif
