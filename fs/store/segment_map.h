/*
 * A segment in memory, as segment_open.c sets it up and checks it, and segment.c uses it. Not for others.
 */
#ifndef FS_STORE_SEGMENT_MAP_H
#define FS_STORE_SEGMENT_MAP_H

#include <pthread.h>
#include <stdatomic.h>

#include "fs/store/segment.h"
#include "fs/store/segment_column.h"
#include "fs/store/segment_format.h"

/* Sections that are checked together, when one of them is first used. The others are checked at open. */
#define GROUP_VALUES(f) (1u << (f))
#define GROUP_CODES(f)  (1u << (FACET_COUNT + (f)))
#define GROUP_TIMES     (1u << (2 * FACET_COUNT)) /* SECOND, OBJECT */
#define GROUP_ROWS      (2u << (2 * FACET_COUNT)) /* all others */
#define GROUP_ALL       ((4u << (2 * FACET_COUNT)) - 1)
#define GROUP_EVENTS    ((GROUP_ALL & ~(GROUP_CODES(0) - 1)) | GROUP_VALUES(FACET_EVENT))

_Static_assert(2 * FACET_COUNT + 2 <= 31, "the groups are bits");

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
	bool mapped;

	pthread_mutex_t check;      /* one checks at a time; a leaf */
	_Atomic uint32_t good, bad; /* groups */
	const char *wrong;          /* with the lock: of the first that is bad */

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

/* Checks groups that were not yet: whether all of these are good. */
bool segment_check_groups(const struct segment *s, uint32_t groups);

/* What every accessor asks first. */
static inline bool segment_good(const struct segment *s, uint32_t groups)
{
	return (atomic_load_explicit(&s->good, memory_order_acquire) & groups) == groups ||
	       segment_check_groups(s, groups);
}

#endif
