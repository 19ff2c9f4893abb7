/*
 * Waiting objects by key day: a sorted array of days, each with a list of numbers. There are hundreds of days
 * and millions of objects, so days are searched and objects only appended and taken from the end.
 */
#include "fs/store/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "render/key.h"

struct queue_day {
	int32_t day;
	uint32_t *number;
	uint32_t n, cap;
	uint32_t under_way;
	uint64_t asked; /* order of queue_pending(ask); 0: never */
	int64_t hold;   /* monotonic ns */
};

struct queue {
	struct queue_day *day; /* ascending; KEY_NO_DAY sorts first */
	size_t n, cap;
	uint64_t asks;
};

/* The first day that is not before `day`. */
static size_t find(const struct queue *q, int32_t day)
{
	size_t lo = 0, hi = q->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (q->day[mid].day < day)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct queue_day *exact(const struct queue *q, int32_t day)
{
	size_t i = find(q, day);

	return i < q->n && q->day[i].day == day ? &q->day[i] : NULL;
}

static bool waits(const struct queue_day *d)
{
	return d->n || d->under_way;
}

static bool goes_before(const struct queue_day *a, const struct queue_day *b)
{
	if ((a->day == KEY_NO_DAY) != (b->day == KEY_NO_DAY))
		return a->day == KEY_NO_DAY;
	if (a->asked != b->asked)
		return a->asked > b->asked;
	return a->day > b->day;
}

static int insert_day(struct queue *q, size_t at, int32_t day)
{
	if (q->n == q->cap) {
		size_t cap = q->cap ? q->cap * 2 : 64;
		struct queue_day *more = reallocarray(q->day, cap, sizeof(*more));

		if (!more)
			return -ENOMEM;
		q->day = more;
		q->cap = cap;
	}
	memmove(q->day + at + 1, q->day + at, (q->n - at) * sizeof(*q->day));
	q->day[at] = (struct queue_day){.day = day};
	q->n++;
	return 0;
}

struct queue *queue_new(void)
{
	return calloc(1, sizeof(struct queue));
}

void queue_free(struct queue *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < q->n; i++)
		free(q->day[i].number);
	free(q->day);
	free(q);
}

int queue_add(struct queue *q, int32_t day, uint32_t number)
{
	size_t at = find(q, day);
	struct queue_day *d;

	if ((at == q->n || q->day[at].day != day) && insert_day(q, at, day))
		return -ENOMEM;
	d = &q->day[at];
	if (d->n == d->cap) {
		uint32_t cap = d->cap ? d->cap * 2 : 16;
		uint32_t *more = reallocarray(d->number, cap, sizeof(*more));

		if (!more)
			return -ENOMEM;
		d->number = more;
		d->cap = cap;
	}
	d->number[d->n++] = number;
	return 0;
}

/* Takes from one day; see queue_take(). */
static uint32_t take_from(struct queue_day *d, uint32_t max, uint64_t max_bytes,
	int64_t (*next)(void *, uint32_t), void *arg, uint32_t *out)
{
	uint64_t bytes = 0;
	uint32_t n = 0;

	while (d->n && n < max) {
		uint32_t number = d->number[d->n - 1];
		int64_t weight = next(arg, number);

		if (weight >= 0 && n && bytes + (uint64_t)weight > max_bytes)
			break;
		d->n--;
		if (weight < 0)
			continue;
		bytes += (uint64_t)weight;
		out[n++] = number;
	}
	d->under_way += n;
	if (!waits(d))
		d->asked = 0;
	return n;
}

uint32_t queue_take(struct queue *q, int64_t now, uint32_t max, uint64_t max_bytes,
	int64_t (*next)(void *arg, uint32_t number), void *arg, uint32_t *out, int32_t *ret_day,
	int64_t *ret_hold)
{
	*ret_hold = INT64_MAX;
	for (;;) {
		struct queue_day *best = NULL;
		uint32_t n;

		for (size_t i = 0; i < q->n; i++) {
			struct queue_day *d = &q->day[i];

			if (!d->n)
				continue;
			if (d->hold > now) {
				*ret_hold = d->hold < *ret_hold ? d->hold : *ret_hold;
				continue;
			}
			if (!best || goes_before(d, best))
				best = d;
		}
		if (!best)
			return 0;
		n = take_from(best, max, max_bytes, next, arg, out);
		if (n) {
			*ret_day = best->day;
			return n;
		}
	}
}

void queue_done(struct queue *q, int32_t day, uint32_t n)
{
	struct queue_day *d = exact(q, day);

	if (!d)
		return;
	d->under_way -= n < d->under_way ? n : d->under_way;
	if (!waits(d))
		d->asked = 0; /* who asked has been served */
}

void queue_hold(struct queue *q, int32_t day, int64_t until)
{
	struct queue_day *d = exact(q, day);

	if (d)
		d->hold = until;
}

bool queue_pending(struct queue *q, int32_t first, int32_t last, bool ask)
{
	bool pending = false;
	struct queue_day *undated = exact(q, KEY_NO_DAY);

	if (undated && waits(undated))
		pending = true;
	for (size_t i = find(q, first); i < q->n && q->day[i].day <= last; i++) {
		if (!waits(&q->day[i]))
			continue;
		pending = true;
		/* One question asks for all its days alike: within it, the newest day still goes first. */
		if (ask)
			q->day[i].asked = q->asks + 1;
	}
	if (pending && ask)
		q->asks++;
	return pending;
}

bool queue_asked(const struct queue *q, int64_t now)
{
	for (size_t i = 0; i < q->n; i++)
		if (q->day[i].n && q->day[i].asked && q->day[i].hold <= now)
			return true;
	return false;
}

bool queue_empty(const struct queue *q)
{
	for (size_t i = 0; i < q->n; i++)
		if (waits(&q->day[i]))
			return false;
	return true;
}
