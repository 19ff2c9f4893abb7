/*
 * Which rows of an event day are shown, and under which clash number: duplicates (README: "Names") show once,
 * rows of objects that are gone and rows outside --since and --until not at all.
 *
 * That is settled once per day and snapshot, for all views alike, and second by second: what is asked of a
 * few rows of a day costs no more than the seconds that they are in.
 *
 * Thread-safe; a struct day is counted, and what was settled of it does not change.
 */
#ifndef FS_DAYS_H
#define FS_DAYS_H

#include <pthread.h>

#include "fs/store/catalog.h"
#include "render/name.h"

struct slice {
	struct part *part; /* ref'd by the day */
	uint32_t first, end;
	bool plain_names;  /* all by-event values of the segment are short, and of letters and digits */
	uint64_t *settled; /* bit i: it is known whether row first + i is shown */
	uint64_t *shown;   /* bit i: it is */
};

/* A shown row: which slice, which row of its segment. */
struct place {
	uint32_t slice, row;
};

struct clash {
	struct place at;
	uint32_t number; /* 2, 3, ... */
};

struct day {
	unsigned refs;
	uint64_t serial; /* another one: perhaps other rows; never 0 */
	int32_t day;     /* SEGMENT_UNDATED among them */
	int64_t since, until;
	uint32_t n_slices;
	struct slice *slice;

	pthread_mutex_t lock; /* settling; guards what follows, until the day is whole */
	bool whole;           /* all of it is settled; atomic */
	uint32_t n_clashes;   /* atomic */
	struct clash *clash;  /* by slice, row */
	uint32_t shown;       /* rows, once it is whole */
};

/* Settles all of a day; those rows of a slice (ascending) and what may be equal to them. 0 or -ENOMEM. What
 * follows may only be asked of rows that are settled. */
int day_settle(struct day *d);
int day_settle_rows(struct day *d, uint32_t slice, const uint32_t *row, size_t n);

static inline bool slice_shows(const struct slice *s, uint32_t row)
{
	uint32_t i = row - s->first;
	return __atomic_load_n(&s->shown[i / 64], __ATOMIC_RELAXED) >> (i % 64) & 1;
}

/* 1 where the row has no clash. */
uint32_t day_clash(const struct day *d, struct place at);

/* The settled rows that have the stem and a number; *ret is yours. 0 or -ENOMEM. */
int day_numbered(struct day *d, const char *stem, struct place **ret, size_t *ret_n);

/* The stem of a row's file name (name_of_event()); out has room for NAME_STEM_MAX + 1. Returns its length. */
size_t day_stem(const struct day *d, struct place at, char *out);

/* The file name of a shown row: stem, clash number, ".json"; out has room for DAY_NAME_MAX + 1. Returns its
 * length. */
#define DAY_NAME_MAX (NAME_STEM_MAX + 16)
size_t day_name(const struct day *d, struct place at, char *out);

/* Sorts shown places by the bytes of their file names. 0 or -ENOMEM. */
int day_sort(const struct day *d, struct place *at, size_t n);

void day_unref(struct day *d);
struct day *day_ref(struct day *d);

struct days;
/* since, until: seconds, both included. */
struct days *days_new(int64_t since, int64_t until);
void days_free(struct days *d);

/* The day as the snapshot has it (it may have no slices), with what is settled of it so far. 0, -ENOMEM,
 * -EUCLEAN: a segment is damaged. Of dictionaries only that of by-event is known to be good: who asks others
 * asks segment_is_bad() as well. */
int days_open(struct days *d, const struct snapshot *s, int32_t day, struct day **ret);
/* The same, all of it settled and all of its segments good. */
int days_get(struct days *d, const struct snapshot *s, int32_t day, struct day **ret);

/* The serial number of the day as days_open() would give it; 0 where there is none yet. */
uint64_t days_serial(struct days *d, const struct snapshot *s, int32_t day);

/* Whether a second is inside --since and --until; undated events always are. Whether every event of a UTC day
 * is. */
bool days_admit(const struct days *d, int64_t time);
bool days_admit_all(const struct days *d, int32_t day);

#endif
