/*
 * Finding what is new. Objects are known by number, which a snapshot's parts have: a bit for each. What is
 * equal is found by a mark, a hash of what makes two records of a day equal.
 *
 * Why nothing is missed and nothing comes twice: of equal records of a day exactly one is shown. Where it is
 * in a new object, the others are in new objects too, or in one that is known (then it is not new), or in one
 * that has gone (then its mark is remembered). Where it is in an object that is known, it is not new, unless
 * it is owed.
 */
#include "fs/live_arrivals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define GONE_MAX 1000000u /* marks, before the older ones are forgotten */

static uint64_t mark_of(const struct segment *s, uint32_t row, int32_t day)
{
	const struct {
		uint64_t hash;
		uint32_t minified;
		int32_t day;
	} x = {segment_row_hash(s, row), segment_row_minified(s, row), day};

	return XXH3_64bits(&x, sizeof(x));
}

/* ---- sets ---- */

static bool has_bit(const uint64_t *word, size_t words, uint32_t i)
{
	return i / 64 < words && (word[i / 64] >> (i % 64) & 1);
}

static void set_bit(uint64_t *word, uint32_t i)
{
	word[i / 64] |= 1ull << (i % 64);
}

static bool is_known(const struct arrivals *a, uint32_t object)
{
	return has_bit(a->known, a->known_words, object);
}

static bool is_gone(const struct arrivals *a, uint64_t mark)
{
	size_t at[2] = {0, 0};

	return keymap_next(&a->gone[0], mark, &at[0]) != KEYMAP_NONE ||
	       keymap_next(&a->gone[1], mark, &at[1]) != KEYMAP_NONE;
}

static int know_gone_mark(struct arrivals *a, uint64_t mark)
{
	size_t at = 0;

	if (keymap_next(&a->gone[0], mark, &at) != KEYMAP_NONE)
		return 0;
	if (a->n_gone == GONE_MAX) {
		keymap_clear(&a->gone[1]);
		a->gone[1] = a->gone[0];
		a->gone[0] = (struct keymap){0};
		a->n_gone = 0;
	}
	if (keymap_put(&a->gone[0], mark, 0))
		return -ENOMEM;
	a->n_gone++;
	return 0;
}

static bool is_owed(const struct arrivals *a, uint64_t mark)
{
	size_t at = 0;

	return a->n_owed && keymap_next(&a->owed, mark, &at) != KEYMAP_NONE;
}

int arrivals_owe(struct arrivals *a, uint64_t mark, int32_t day)
{
	if (is_owed(a, mark))
		return 0;
	if (keymap_put(&a->owed, mark, (uint32_t)day))
		return -ENOMEM;
	a->n_owed++;
	return 0;
}

void arrivals_pay(struct arrivals *a, uint64_t mark, int32_t day)
{
	if (!is_owed(a, mark))
		return;
	keymap_remove(&a->owed, mark, (uint32_t)day);
	a->n_owed--;
}

/* Words enough for the objects of a snapshot. */
static size_t words_for(const struct snapshot *s)
{
	uint32_t most = 0;

	for (size_t i = 0; i < s->n; i++)
		for (uint32_t k = 0, n = segment_objects(s->part[i]->seg); k < n; k++) {
			uint32_t object = s->part[i]->object[k];

			if (object != CATALOG_NO_OBJECT && object > most)
				most = object;
		}
	return most / 64 + 1;
}

static void set_objects(const struct snapshot *s, uint64_t *word)
{
	for (size_t i = 0; i < s->n; i++)
		for (uint32_t k = 0, n = segment_objects(s->part[i]->seg); k < n; k++)
			if (s->part[i]->object[k] != CATALOG_NO_OBJECT)
				set_bit(word, s->part[i]->object[k]);
}

int arrivals_know_all(struct arrivals *a)
{
	size_t words = words_for(a->last);

	if (words > a->known_words) {
		uint64_t *more = reallocarray(a->known, words, sizeof(*more));

		if (!more)
			return -ENOMEM;
		memset(more + a->known_words, 0, (words - a->known_words) * sizeof(*more));
		a->known = more;
		a->known_words = words;
	}
	set_objects(a->last, a->known);
	return 0;
}

/* ---- what has gone ---- */

static int know_object(struct arrivals *a, const struct segment *s, uint32_t place)
{
	int err = 0;

	for (uint32_t i = 0, n = segment_object(s, place).rows; i < n && !err; i++) {
		uint32_t row = segment_row_of(s, place, i);

		err = know_gone_mark(a, mark_of(s, row, segment_day_of(s, row)));
	}
	return err;
}

/* Remembers the events of known objects that the last snapshot has and s has not. */
static int know_gone(struct arrivals *a, const struct snapshot *s)
{
	size_t words = words_for(s);
	uint64_t *present = calloc(words, sizeof(*present));
	int err = present ? 0 : -ENOMEM;

	if (present)
		set_objects(s, present);
	for (size_t i = 0; i < a->last->n && !err; i++) {
		const struct part *p = a->last->part[i];

		for (uint32_t k = 0, n = segment_objects(p->seg); k < n && !err; k++)
			if (p->object[k] != CATALOG_NO_OBJECT && is_known(a, p->object[k]) &&
				!has_bit(present, words, p->object[k]))
				err = know_object(a, p->seg, k);
	}
	free(present);
	return err;
}

/* ---- days ---- */

struct list {
	int32_t *day;
	size_t n, cap;
};

static int add_day(struct list *l, int32_t day)
{
	if (l->n && l->day[l->n - 1] == day)
		return 0;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		int32_t *more = reallocarray(l->day, cap, sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->day = more;
		l->cap = cap;
	}
	l->day[l->n++] = day;
	return 0;
}

/* The days of the new objects of a part. */
static int add_days(const struct arrivals *a, const struct part *p, struct list *l)
{
	const char *reason;
	bool checked = false;

	for (uint32_t k = 0, n = segment_objects(p->seg); k < n; k++) {
		if (p->object[k] == CATALOG_NO_OBJECT || is_known(a, p->object[k]))
			continue;
		if (!checked && segment_check(p->seg, &reason))
			return -EUCLEAN;
		checked = true;
		for (uint32_t i = 0, rows = segment_object(p->seg, k).rows; i < rows; i++)
			if (add_day(l, segment_day_of(p->seg, segment_row_of(p->seg, k, i))))
				return -ENOMEM;
	}
	return 0;
}

/* The days of what is owed. */
static int add_owed(const struct arrivals *a, struct list *l)
{
	int err = 0;

	for (size_t i = 0; a->n_owed && i < a->owed.cap && !err; i++)
		if (a->owed.cell[i].item <= UINT32_MAX)
			err = add_day(l, (int32_t)(uint32_t)a->owed.cell[i].item);
	return err;
}

static int day_order(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	if ((x == SEGMENT_UNDATED) != (y == SEGMENT_UNDATED))
		return x == SEGMENT_UNDATED ? 1 : -1;
	return x < y ? -1 : x > y;
}

static void sort_days(struct list *l)
{
	size_t kept = 0;

	if (l->n)
		qsort(l->day, l->n, sizeof(*l->day), day_order);
	for (size_t i = 0; i < l->n; i++)
		if (!kept || l->day[i] != l->day[kept - 1])
			l->day[kept++] = l->day[i];
	l->n = kept;
}

/* Settles the days: what is damaged shows before anything is told. */
static int settle_days(const struct arrivals *a, const struct list *l)
{
	struct day *d;
	int err = 0;

	for (size_t i = 0; i < l->n && !err; i++) {
		err = days_get(a->days, a->last, l->day[i], &d);
		if (!err)
			day_unref(d);
	}
	return err;
}

static int begin(struct arrivals *a, struct snapshot *s)
{
	a->last = snapshot_ref(s);
	if (!arrivals_know_all(a))
		return 0;
	snapshot_unref(a->last);
	a->last = NULL;
	return -ENOMEM;
}

int arrivals_look(struct arrivals *a, struct snapshot *s, int32_t **ret_day, size_t *ret_n)
{
	struct list l = {0};
	int err = a->last ? know_gone(a, s) : begin(a, s);

	if (err)
		return err;
	snapshot_ref(s);
	snapshot_unref(a->last);
	a->last = s;
	err = add_owed(a, &l);
	for (size_t i = 0; i < s->n && !err; i++)
		err = add_days(a, s->part[i], &l);
	if (!err) {
		sort_days(&l);
		err = settle_days(a, &l);
	}
	if (err) {
		free(l.day);
		return err;
	}
	*ret_day = l.day;
	*ret_n = l.n;
	return 0;
}

/* ---- events of a day ---- */

static uint32_t object_of(const struct slice *s, uint32_t row)
{
	return s->part->object[segment_row_object(s->part->seg, row)];
}

/* Whether an event that is shown may be new. */
static bool may_be_new(const struct arrivals *a, const struct day *d, const struct slice *s, uint32_t row)
{
	return !is_known(a, object_of(s, row)) ||
	       (a->n_owed && is_owed(a, mark_of(s->part->seg, row, d->day)));
}

/* The shown rows that may be new, in the order of names. */
static int shown_rows(const struct arrivals *a, const struct day *d, struct place **ret, size_t *ret_n)
{
	struct place *at = malloc((d->shown + 1) * sizeof(*at));
	size_t n = 0;
	int err;

	if (!at)
		return -ENOMEM;
	for (uint32_t i = 0; i < d->n_slices; i++)
		for (uint32_t row = d->slice[i].first; row < d->slice[i].end; row++)
			if (slice_shows(&d->slice[i], row) && may_be_new(a, d, &d->slice[i], row))
				at[n++] = (struct place){i, row};
	err = day_sort(d, at, n);
	if (err) {
		free(at);
		return err;
	}
	*ret = at;
	*ret_n = n;
	return 0;
}

/* Whether a row that is not shown says of an equal one that it is not new. */
static bool is_old_copy(const struct arrivals *a, const struct slice *s, uint32_t row)
{
	return !slice_shows(s, row) && part_row_live(s->part, row) && is_known(a, object_of(s, row));
}

/* A mark that a shown row has, and whether an old copy has it too. */
struct seen {
	uint64_t mark;
	bool old;
};

static int seen_order(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	return x->mark < y->mark ? -1 : x->mark > y->mark;
}

static void find_old(const struct arrivals *a, const struct day *d, struct seen *seen, size_t n)
{
	for (uint32_t i = 0; i < d->n_slices; i++) {
		const struct slice *s = &d->slice[i];

		for (uint32_t row = s->first; row < s->end; row++) {
			struct seen key = {0}, *found;

			if (!is_old_copy(a, s, row))
				continue;
			key.mark = mark_of(s->part->seg, row, d->day);
			found = bsearch(&key, seen, n, sizeof(*seen), seen_order);
			if (found)
				found->old = true;
		}
	}
}

/* Rows to events, without those that are known. */
static int select_new(const struct arrivals *a, const struct day *d, const struct place *at, size_t n,
	struct arrival *out, size_t *ret_n)
{
	struct seen *seen = malloc((n + 1) * sizeof(*seen));
	size_t kept = 0;

	if (!seen)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		seen[i] = (struct seen){mark_of(d->slice[at[i].slice].part->seg, at[i].row, d->day), false};
	qsort(seen, n, sizeof(*seen), seen_order);
	if (n)
		find_old(a, d, seen, n);
	for (size_t i = 0; i < n; i++) {
		const struct slice *s = &d->slice[at[i].slice];
		struct seen key = {mark_of(s->part->seg, at[i].row, d->day), false}, *found;

		found = bsearch(&key, seen, n, sizeof(*seen), seen_order);
		if (is_owed(a, key.mark) || (!found->old && !is_gone(a, key.mark)))
			out[kept++] = (struct arrival){s->part, at[i].row, object_of(s, at[i].row), key.mark};
	}
	free(seen);
	*ret_n = kept;
	return 0;
}

int arrivals_of_day(struct arrivals *a, int32_t day, struct arrival **ret, size_t *ret_n)
{
	struct arrival *out = NULL;
	struct place *at = NULL;
	struct day *d;
	size_t n = 0;
	int err = days_get(a->days, a->last, day, &d);

	if (err)
		return err;
	err = shown_rows(a, d, &at, &n);
	if (!err) {
		out = malloc((n + 1) * sizeof(*out));
		err = out ? select_new(a, d, at, n, out, ret_n) : -ENOMEM;
	}
	free(at);
	day_unref(d);
	if (err) {
		free(out);
		return err;
	}
	*ret = out;
	return 0;
}

/* ---- life ---- */

void arrivals_init(struct arrivals *a, struct days *days)
{
	*a = (struct arrivals){.days = days};
}

void arrivals_clear(struct arrivals *a)
{
	snapshot_unref(a->last);
	free(a->known);
	keymap_clear(&a->gone[0]);
	keymap_clear(&a->gone[1]);
	keymap_clear(&a->owed);
	*a = (struct arrivals){0};
}
