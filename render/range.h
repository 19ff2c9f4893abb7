/*
 * Moments, ages and ranges of time as people write them, in options and as names of directories (README:
 * "Time ranges"). All is UTC.
 *
 * Pure, thread-safe.
 */
#ifndef RENDER_RANGE_H
#define RENDER_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum range_unit {
	RANGE_YEAR,
	RANGE_MONTH,
	RANGE_DAY,
	RANGE_HOUR,
	RANGE_MINUTE,
	RANGE_SECOND
};

/* Seconds since 1970, both included, of what was written down to a unit. */
struct range_moment {
	int64_t first, last;
	enum range_unit unit;
};

/* YYYY[-MM[-DD[Thh[:mm[:ss]]]]], and from the day on perhaps a Z. False: no such moment (years 1 to 9999). */
bool range_moment(const char *s, size_t len, struct range_moment *ret);

/* Digits and one of s m h d w, as seconds. False also where that long before now was before year 1. */
bool range_age(const char *s, size_t len, int64_t now, int64_t *ret_age);

/* Seconds since 1970, both included; undated events are in none. With an age >= 0, `from` is that long before
 * the moment at which somebody asks. */
struct range {
	int64_t from, until;
	int64_t age;
};

#define RANGE_ALL ((struct range){INT64_MIN + 1, INT64_MAX, -1})

/* FROM..TO, of which one may be left out; a single moment, from its first second to its last; or an age.
 * False for anything else, and where FROM is after TO. */
bool range_read(const char *s, size_t len, int64_t now, struct range *ret);

#endif
