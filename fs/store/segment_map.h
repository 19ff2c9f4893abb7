/*
 * A segment in memory, as segment_open.c sets it up and segment.c uses it. Not for others.
 */
#ifndef FS_STORE_SEGMENT_MAP_H
#define FS_STORE_SEGMENT_MAP_H

#include <stdatomic.h>

#include "fs/store/segment.h"
#include "fs/store/segment_column.h"
#include "fs/store/segment_format.h"

struct dictionary {
	const uint32_t *start; /* n + 1 */
	const char *text;
	const int64_t *newest;
	uint32_t n;
};

struct segment {
	atomic_uint refs;
	void *data;
	size_t len;
	void (*release)(void *data, size_t len);
	const struct segment_header *head;

	const struct segment_object_entry *object;
	const char *strings;
	const struct segment_day *day;
	struct column second, of_object, ordinal, offset, length, pretty, minified, id_kind;
	struct column code[FACET_COUNT], resource, place;
	const uint64_t *hash;
	const uint8_t (*id)[16];
	const char *id_text;
	struct dictionary values[FACET_COUNT];
};

#endif
