/*
 * A segment: what is known of some log objects of one key day, in one immutable file, mapped. For every event
 * a row of columns; for every facet a sorted dictionary of values. The format is drawn in segment_format.h.
 *
 * Rows are sorted by (event day, second of the day, by-event value, eventID, object, ordinal), so that one
 * event day is one run of rows, in the order of its file names. Objects are sorted by key.
 *
 * Immutable and thread-safe once open. An accessor's row or code must be below the count: it is not checked.
 *
 * What the file holds is checked when it is first used, so that opening costs nothing per event. What cannot
 * be read or turns out to be damaged then answers nothing (0, no value, no code, no row), and
 * segment_is_bad() says so: whoever has asked accessors for an answer asks that before giving it. No accessor
 * can leave the mapping, whatever the file holds.
 */
#ifndef FS_STORE_SEGMENT_H
#define FS_STORE_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "render/event.h"

struct segment;

#define SEGMENT_UNDATED INT32_MIN /* the "day" of undated events: sorts first */
#define SEGMENT_NO_CODE UINT32_MAX

/* What an object turned out to be. */
enum segment_object_flag {
	SEGMENT_IS_LOG = 1,  /* its records are rows (there may be none) */
	SEGMENT_DAMAGED = 2, /* problem says how; no rows */
	SEGMENT_DECODED = 4, /* rows' offsets are in the text of scan_decode() */
	SEGMENT_DENIED = 8,  /* with DAMAGED: reading it gives EACCES instead of EIO */
};

struct segment_object {
	const char *key; /* terminated */
	uint64_t size, tag;
	int64_t mtime;
	uint64_t inflated; /* bytes as shown under the bucket's own hierarchy; = size where it is not inflated
			    */
	uint32_t flags;    /* enum segment_object_flag */
	uint32_t rows;
	const char *problem; /* terminated; "" */
};

struct segment_day {
	int32_t day;         /* days since 1970, or SEGMENT_UNDATED */
	uint32_t first, end; /* rows */
};

/* Opens a file and checks what describes it: header, objects, days. -EBADMSG: damaged or of another version,
 * reason says which; -ENOENT, -EIO, -ENOMEM. */
int segment_open(const char *path, struct segment **ret, const char **ret_reason);

/* The same over bytes in memory, which become the segment's (allocated with mmap or malloc: `release` frees
 * them). On failure they stay the caller's. */
int segment_open_memory(void *data, size_t len, void (*release)(void *data, size_t len), struct segment **ret,
	const char **ret_reason);

/* Checks all of it that was not yet used: 0, or -EBADMSG and the reason. */
int segment_check(const struct segment *s, const char **ret_reason);
/* The same for what names and attributes of events are made from: all but the dictionaries of other facets
 * than by-event, which are a third of the file or more. */
bool segment_check_events(const struct segment *s);
/* Whether anything that was used is damaged. */
bool segment_is_bad(const struct segment *s);

struct segment *segment_ref(struct segment *s);
void segment_unref(struct segment *s);

uint32_t segment_rows(const struct segment *s);
uint32_t segment_objects(const struct segment *s);
size_t segment_bytes(const struct segment *s);
int32_t segment_key_day(const struct segment *s); /* KEY_NO_DAY: objects without one */
struct segment_object segment_object(const struct segment *s, uint32_t object);

/* The event days, ascending. */
uint32_t segment_days(const struct segment *s);
struct segment_day segment_day(const struct segment *s, uint32_t i);
bool segment_find_day(const struct segment *s, int32_t day, struct segment_day *ret);
int32_t segment_day_of(const struct segment *s, uint32_t row);

/* One event. */
uint32_t segment_row_second(const struct segment *s, uint32_t row); /* of its day */
uint32_t segment_row_object(const struct segment *s, uint32_t row);
uint32_t segment_row_ordinal(const struct segment *s, uint32_t row); /* its place in the object, from 0 */
uint32_t segment_row_offset(const struct segment *s, uint32_t row);  /* in the inflated (or decoded) text */
uint32_t segment_row_length(const struct segment *s, uint32_t row);
uint32_t segment_row_pretty(const struct segment *s, uint32_t row);
uint32_t segment_row_minified(const struct segment *s, uint32_t row);
uint64_t segment_row_hash(const struct segment *s, uint32_t row);
/* Its eventID, into buf where it has to be spelled out (36 bytes); else borrowed. p == NULL: none. */
struct value segment_row_id(const struct segment *s, uint32_t row, char buf[36]);
/* The first row from `first` on that has the eventID, or the hash and no eventID; segment_rows() where there
 * is none. */
uint32_t segment_find_id(const struct segment *s, struct value id, uint32_t first);
uint32_t segment_find_hash(const struct segment *s, uint64_t hash, uint32_t first);
/* The 16 bytes of an eventID that is a GUID (its spelling sorts as they do); any other: NULL. */
const uint8_t *segment_row_guid(const struct segment *s, uint32_t row);
/* The row of an object's n-th record; n below its rows. */
uint32_t segment_row_of(const struct segment *s, uint32_t object, uint32_t ordinal);

/* Codes: place of the value in the facet's dictionary, or SEGMENT_NO_CODE. FACET_RESOURCE has several:
 * segment_row_resources(). */
uint32_t segment_row_code(const struct segment *s, enum facet f, uint32_t row);
/* Calls each code of by-resource in ascending order: *ret_n codes, copied to out (room for max), the number
 * there are returned. */
uint32_t segment_row_resources(const struct segment *s, uint32_t row, uint32_t *out, uint32_t max);
/* For FACET_RESOURCE: any of them is code; for others: the code is. */
bool segment_row_has(const struct segment *s, enum facet f, uint32_t row, uint32_t code);
/* Rows of [first, end) that have the code, ascending, appended to out (room for end - first): the hot loop of
 * every listing. Returns how many. */
uint32_t segment_select(
	const struct segment *s, enum facet f, uint32_t code, uint32_t first, uint32_t end, uint32_t *out);
/* The first row of [first, end) that has the code, or end. */
uint32_t segment_find(const struct segment *s, enum facet f, uint32_t code, uint32_t first, uint32_t end);
/* The last row of [first, end) that has the code, or SEGMENT_NO_ROW. */
#define SEGMENT_NO_ROW UINT32_MAX
uint32_t segment_find_last(
	const struct segment *s, enum facet f, uint32_t code, uint32_t first, uint32_t end);

/* Dictionaries, sorted by bytes (shorter first where one begins the other). */
uint32_t segment_values(const struct segment *s, enum facet f);
struct value segment_value(const struct segment *s, enum facet f, uint32_t code);
uint32_t segment_find_value(const struct segment *s, enum facet f, struct value v); /* or SEGMENT_NO_CODE */
/* The newest event of a value: seconds since 1970, or EVENT_UNDATED where all are. */
int64_t segment_value_newest(const struct segment *s, enum facet f, uint32_t code);

#endif
