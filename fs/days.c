/*
 * The days that are kept, with what is settled of them.
 *
 * A day holds the parts that it is made of. One of which a part is no more in the snapshot is dropped, so
 * that segments which were merged do not stay mapped for as long as nobody asks for the day again.
 *
 * Locks: days.lock guards the table, a leaf; making a day and settling it run without it.
 */
#include "fs/days.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/days_private.h"

/* A day and the snapshot it is known to be true for. */
struct kept {
	int32_t day;
	uint64_t generation;
	struct day *is;
};

struct days {
	int64_t since, until;
	pthread_mutex_t lock;
	struct kept *kept; /* ascending */
	size_t n, cap;
	uint64_t pruned; /* the snapshot that has last been looked at for what is no more */
};

struct day *day_ref(struct day *d)
{
	__atomic_add_fetch(&d->refs, 1, __ATOMIC_RELAXED);
	return d;
}

void day_unref(struct day *d)
{
	if (!d || __atomic_sub_fetch(&d->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (uint32_t i = 0; i < d->n_slices; i++) {
		part_unref(d->slice[i].part);
		free(d->slice[i].settled);
	}
	free(d->slice);
	free(d->clash);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

/* ---- slices ---- */

static bool all_names_plain(const struct segment *s)
{
	for (uint32_t code = 0; code < segment_values(s, FACET_EVENT); code++)
		if (!days_plain_name(segment_value(s, FACET_EVENT, code)))
			return false;
	return true;
}

static int add_slice(struct day *d, struct part *part, struct segment_day at)
{
	struct slice *more = reallocarray(d->slice, d->n_slices + 1, sizeof(*more));
	size_t words = (at.end - at.first + 63) / 64;
	uint64_t *bits;

	if (!more)
		return -ENOMEM;
	d->slice = more;
	bits = calloc(words * 2, sizeof(*bits));
	if (!bits)
		return -ENOMEM;
	more[d->n_slices++] = (struct slice){
		.part = part_ref(part),
		.first = at.first,
		.end = at.end,
		.plain_names = all_names_plain(part->seg),
		.settled = bits,
		.shown = bits + words,
	};
	return 0;
}

static struct day *new_day(const struct days *days, int32_t day)
{
	static uint64_t serials;
	struct day *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->refs = 1;
	d->serial = __atomic_add_fetch(&serials, 1, __ATOMIC_RELAXED);
	d->day = day;
	d->since = days->since;
	d->until = days->until;
	pthread_mutex_init(&d->lock, NULL);
	return d;
}

static int make_day(const struct days *days, const struct snapshot *s, int32_t day, struct day **ret)
{
	struct day *d = new_day(days, day);
	struct segment_day at;
	int err = d ? 0 : -ENOMEM;

	for (size_t i = 0; i < s->n && !err; i++) {
		if (!segment_find_day(s->part[i]->seg, day, &at))
			continue;
		err = segment_check_events(s->part[i]->seg) ? 0 : -EUCLEAN;
		if (!err)
			err = add_slice(d, s->part[i], at);
	}
	if (err) {
		day_unref(d);
		return err;
	}
	*ret = d;
	return 0;
}

static int check_all(const struct day *d)
{
	const char *reason;

	for (uint32_t i = 0; i < d->n_slices; i++)
		if (segment_check(d->slice[i].part->seg, &reason))
			return -EUCLEAN;
	return 0;
}

/* Whether a day has the slices that the snapshot has. */
static bool still_true(const struct day *d, const struct snapshot *s)
{
	struct segment_day at;
	uint32_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (!segment_find_day(s->part[i]->seg, d->day, &at))
			continue;
		if (n == d->n_slices || d->slice[n].part != s->part[i])
			return false;
		n++;
	}
	return n == d->n_slices;
}

/* ---- the table ---- */

/* The place of the first day that is not before `day`. */
static size_t find_place(const struct days *days, int32_t day)
{
	size_t lo = 0, hi = days->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (days->kept[mid].day < day)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The kept day if it is true for the snapshot, ref'd; else NULL. */
static struct day *find_kept(struct days *days, const struct snapshot *s, int32_t day)
{
	struct day *d = NULL;
	size_t i;

	pthread_mutex_lock(&days->lock);
	i = find_place(days, day);
	if (i < days->n && days->kept[i].day == day) {
		struct kept *k = &days->kept[i];

		if (k->generation == s->generation || still_true(k->is, s)) {
			k->generation = s->generation;
			d = day_ref(k->is);
		}
	}
	pthread_mutex_unlock(&days->lock);
	return d;
}

static int part_order(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t) * (struct part *const *)a, y = (uintptr_t) * (struct part *const *)b;

	return x < y ? -1 : x > y;
}

static bool holds_only(const struct day *d, struct part *const *part, size_t n)
{
	for (uint32_t i = 0; i < d->n_slices; i++)
		if (!bsearch(&d->slice[i].part, part, n, sizeof(struct part *), part_order))
			return false;
	return true;
}

/* Drops days that hold a part which the snapshot has not; once a snapshot. Memory that lacks here only means
 * that they stay. */
static void prune(struct days *days, const struct snapshot *s)
{
	struct part **part;
	size_t kept = 0;

	if (days->pruned >= s->generation)
		return;
	part = malloc((s->n + 1) * sizeof(struct part *));
	if (!part)
		return;
	days->pruned = s->generation;
	for (size_t i = 0; i < s->n; i++)
		part[i] = s->part[i];
	qsort(part, s->n, sizeof(struct part *), part_order);
	for (size_t i = 0; i < days->n; i++) {
		if (holds_only(days->kept[i].is, part, s->n))
			days->kept[kept++] = days->kept[i];
		else
			day_unref(days->kept[i].is);
	}
	days->n = kept;
	free(part);
}

/* A free place for the day, or the one that it has; NULL: no memory. */
static struct kept *make_place(struct days *days, int32_t day)
{
	size_t i = find_place(days, day);

	if (i < days->n && days->kept[i].day == day)
		return &days->kept[i];
	if (days->n == days->cap) {
		size_t cap = days->cap ? days->cap * 2 : 64;
		struct kept *more = reallocarray(days->kept, cap, sizeof(*more));

		if (!more)
			return NULL;
		days->kept = more;
		days->cap = cap;
	}
	memmove(days->kept + i + 1, days->kept + i, (days->n - i) * sizeof(*days->kept));
	days->n++;
	days->kept[i] = (struct kept){.day = day};
	return &days->kept[i];
}

/* Keeps a day, unless there is one by now; returns the one that there is, ref'd. Memory that lacks here only
 * means that the day is made again. */
static struct day *keep(struct days *days, const struct snapshot *s, struct day *d)
{
	struct kept *k;

	pthread_mutex_lock(&days->lock);
	prune(days, s);
	k = make_place(days, d->day);
	if (k && k->is && still_true(k->is, s)) {
		day_unref(d);
		d = day_ref(k->is);
	} else if (k) {
		day_unref(k->is);
		k->is = day_ref(d);
		k->generation = s->generation;
	}
	pthread_mutex_unlock(&days->lock);
	return d;
}

/* ---- public ---- */

struct days *days_new(int64_t since, int64_t until)
{
	struct days *days = calloc(1, sizeof(*days));

	if (!days)
		return NULL;
	days->since = since;
	days->until = until;
	pthread_mutex_init(&days->lock, NULL);
	return days;
}

void days_free(struct days *days)
{
	if (!days)
		return;
	for (size_t i = 0; i < days->n; i++)
		day_unref(days->kept[i].is);
	free(days->kept);
	pthread_mutex_destroy(&days->lock);
	free(days);
}

bool days_admit(const struct days *days, int64_t time)
{
	return time == EVENT_UNDATED || (time >= days->since && time <= days->until);
}

bool days_admit_all(const struct days *days, int32_t day)
{
	int64_t from = (int64_t)day * DAYS_SECONDS;

	return day == SEGMENT_UNDATED ||
	       (days_admit(days, from) && days_admit(days, from + DAYS_SECONDS - 1));
}

int days_open(struct days *days, const struct snapshot *s, int32_t day, struct day **ret)
{
	struct day *d = find_kept(days, s, day);
	int err;

	if (!d) {
		err = make_day(days, s, day, &d);
		if (err)
			return err;
		d = keep(days, s, d);
	}
	*ret = d;
	return 0;
}

int days_get(struct days *days, const struct snapshot *s, int32_t day, struct day **ret)
{
	struct day *d;
	int err = days_open(days, s, day, &d);

	if (err)
		return err;
	err = check_all(d);
	if (!err)
		err = day_settle(d);
	if (err) {
		day_unref(d);
		return err;
	}
	*ret = d;
	return 0;
}

uint64_t days_serial(struct days *days, const struct snapshot *s, int32_t day)
{
	struct day *d = find_kept(days, s, day);
	uint64_t serial = d ? d->serial : 0;

	day_unref(d);
	return serial;
}
