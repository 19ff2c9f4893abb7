/*
 * Which events of a snapshot are new: those that are shown in it and that none of the snapshots looked at
 * before has shown. The first one is where it begins; nothing in it is new.
 *
 * An object's events are looked at once, when it is new. One that equals an event of an object that was there
 * before is none (duplicates, as fs/days.h has them), nor one that equals an event of an object that has
 * gone: those are remembered, the last million of them at least. An event that could not be told when it was
 * new is owed: it is new until it is told.
 *
 * Caller locks.
 */
#ifndef FS_LIVE_ARRIVALS_H
#define FS_LIVE_ARRIVALS_H

#include "fs/days.h"
#include "fs/store/keymap.h"

struct arrival {
	const struct part *part; /* the snapshot holds it */
	uint32_t row, object;
	uint64_t mark; /* equal events of one day have the same */
};

struct arrivals {
	struct days *days;
	struct snapshot *last; /* the one that was looked at last; ref'd */
	uint64_t *known;       /* bit i: the events of object i are known */
	size_t known_words;
	struct keymap gone[2]; /* marks of events of objects that are no more; the newer ones first */
	size_t n_gone;         /* of gone[0] */
	struct keymap owed;    /* marks: day */
	size_t n_owed;
};

void arrivals_init(struct arrivals *a, struct days *days);
void arrivals_clear(struct arrivals *a);

/* Looks at s, which is settled (catalog_settled()). *ret_day (yours: free()) are the *ret_n days that may
 * have new events, in order, undated ones last. 0, -ENOMEM, -EUCLEAN: a segment is damaged. */
int arrivals_look(struct arrivals *a, struct snapshot *s, int32_t **ret_day, size_t *ret_n);

/* The new events of such a day, in the order of their names; *ret is yours. Errors as above. */
int arrivals_of_day(struct arrivals *a, int32_t day, struct arrival **ret, size_t *ret_n);

/* Nothing of the snapshot that was looked at last is new any more, but for what is owed. 0 or -ENOMEM. */
int arrivals_know_all(struct arrivals *a);
/* A new event of a day could not be told; 0 or -ENOMEM. It has been told. */
int arrivals_owe(struct arrivals *a, uint64_t mark, int32_t day);
void arrivals_pay(struct arrivals *a, uint64_t mark, int32_t day);

#endif
