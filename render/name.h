/*
 * Values and events as file names (README: "Names"). No two values share a name, and a
 * name says its value unless the value was too long.
 *
 * Pure, thread-safe.
 */
#ifndef RENDER_NAME_H
#define RENDER_NAME_H

#include <stdbool.h>

#include "render/event.h"

#define NAME_LEN_MAX 255

/* Writes the name of a value to out (terminated) and returns its length, 1 to 255. A name over 255 bytes, and
 * one of 252 to 255 bytes that looks like such a cut name ("~" and 16 lower-case hex digits at its end), is
 * cut to at most 238 bytes and gets "~" and the value's hash. */
size_t name_of_value(struct value v, char out[NAME_LEN_MAX + 1]);

/* What a name says. */
enum name_says {
	NAME_VALUE, /* the value itself, in out: name_of_value(out) is the name */
	NAME_HASH,  /* a cut name: compare it with name_of_value() of the values that there are */
	NAME_NONE,  /* no value has this name */
};

/* Reads a name back. out: room for len bytes; *ret_len only for NAME_VALUE. */
enum name_says name_read(const char *name, size_t len, char *out, size_t *ret_len);

/*
 * The file name of an event without clash number and ".json": HHMMSSZ_<eventName>_<eventID>. second: of the
 * UTC day (0 for undated). hash: of the record, for an absent id. At most 242 bytes; out is terminated.
 * Returns the length.
 */
#define NAME_STEM_MAX 242
size_t name_of_event(uint32_t second, struct value event_name, struct value id, uint64_t hash,
	char out[NAME_STEM_MAX + 1]);

/*
 * Reads a file name back: *ret_stem_len bytes of stem, the clash number (1 where there is none), HHMMSSZ as a
 * second of the day. A stem may itself end in ~N, so there are two readings: with split false the clash
 * number is 1 and the stem is all before ".json"; with split true "~N" (N >= 2, no leading zero) is taken
 * off. False: no event has such a name (in this reading).
 */
bool name_read_event(const char *name, size_t len, bool split, size_t *ret_stem_len, uint32_t *ret_clash,
	uint32_t *ret_second);

#endif
