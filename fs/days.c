/*
 * Settling a day: all live rows of its slices, second by second. A second with one row needs nothing; in the
 * others rows are sorted by stem, equal records are shown once, and different ones with one stem are
 * numbered, in the order of (key, place in the object).
 *
 * Locks: days.lock guards the table of settled days, a leaf; settling itself runs without it.
 */
#include "fs/days.h"

#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "render/name.h"

#define DAY_SECONDS 86400

struct days {
	int64_t since, until;
	pthread_mutex_t lock;
	void *settled; /* tsearch(3) tree of struct kept */
};

/* A settled day and the snapshot it is known to be true for. */
struct kept {
	int32_t day;
	uint64_t generation;
	struct day *is;
};

/* A row while a second is being settled. */
struct candidate {
	struct place at;
	uint32_t second;
	uint32_t minified;
	uint64_t hash;
	const char *stem; /* only in seconds with several rows */
	size_t stem_at;   /* its place in the text, which moves while it grows */
	const struct day *day;
};

/* ---- a day's rows ---- */

static const struct segment *segment_at(const struct day *d, struct place at)
{
	return d->slice[at.slice].part->seg;
}

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
		free(d->slice[i].shown);
	}
	free(d->slice);
	free(d->clash);
	free(d);
}

size_t day_stem(const struct day *d, struct place at, char *out)
{
	const struct segment *s = segment_at(d, at);
	uint32_t code = segment_row_code(s, FACET_EVENT, at.row);
	struct value name = {0}, id;
	char spelled[36];

	if (code != SEGMENT_NO_CODE)
		name = segment_value(s, FACET_EVENT, code);
	id = segment_row_id(s, at.row, spelled);
	return name_of_event(segment_row_second(s, at.row), name, id, segment_row_hash(s, at.row), out);
}

static int place_order(struct place a, struct place b)
{
	if (a.slice != b.slice)
		return a.slice < b.slice ? -1 : 1;
	return a.row < b.row ? -1 : a.row > b.row;
}

uint32_t day_clash(const struct day *d, struct place at)
{
	uint32_t lo = 0, hi = d->n_clashes;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int order = place_order(d->clash[mid].at, at);

		if (!order)
			return d->clash[mid].number;
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 1;
}

/* The order in which equal names are numbered and equal records chosen: (key, place in the object). */
static int key_order(const struct day *d, struct place a, struct place b)
{
	const struct segment *s = segment_at(d, a), *t = segment_at(d, b);
	uint32_t x = segment_row_object(s, a.row), y = segment_row_object(t, b.row);
	int order;

	if (a.slice == b.slice)
		order = x < y ? -1 : x > y;
	else
		order = strcmp(segment_object(s, x).key, segment_object(t, y).key);
	if (order)
		return order;
	x = segment_row_ordinal(s, a.row);
	y = segment_row_ordinal(t, b.row);
	return x < y ? -1 : x > y;
}

/* ---- sorting ---- */

static int by_second(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->second != y->second)
		return x->second < y->second ? -1 : 1;
	return place_order(x->at, y->at);
}

static int by_stem(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int order = strcmp(x->stem, y->stem);

	return order ? order : key_order(x->day, x->at, y->at);
}

/* Gives n candidates of one second their stems; *ret_text holds them and is yours. */
static int spell(struct candidate *x, size_t n, char **ret_text)
{
	size_t len = 0, room = 0;
	char *text = NULL;

	for (size_t i = 0; i < n; i++) {
		if (room - len < NAME_STEM_MAX + 1) {
			char *more = realloc(text, room = room * 2 + (NAME_STEM_MAX + 1) * 8);

			if (!more) {
				free(text);
				return -ENOMEM;
			}
			text = more;
		}
		x[i].stem_at = len;
		len += day_stem(x[i].day, x[i].at, text + len) + 1;
	}
	for (size_t i = 0; i < n; i++)
		x[i].stem = text + x[i].stem_at;
	*ret_text = text;
	return 0;
}

static size_t same_second(const struct candidate *x, size_t n)
{
	size_t i = 1;

	while (i < n && x[i].second == x[0].second)
		i++;
	return i;
}

static void sort_by_second(struct candidate *x, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (by_second(&x[i - 1], &x[i]) > 0) {
			qsort(x, n, sizeof(*x), by_second);
			return;
		}
}

/* By clash number, which is also the key order among those that are shown. */
int day_sort(const struct day *d, struct place *at, size_t n)
{
	struct candidate *x = malloc((n ? n : 1) * sizeof(*x));
	int err = x ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !err; i++)
		x[i] = (struct candidate){
			.at = at[i], .day = d, .second = segment_row_second(segment_at(d, at[i]), at[i].row)};
	if (!err)
		sort_by_second(x, n);
	for (size_t i = 0, m; i < n && !err; i += m) {
		char *text;

		m = same_second(x + i, n - i);
		if (m == 1)
			continue;
		err = spell(x + i, m, &text);
		if (err)
			break;
		qsort(x + i, m, sizeof(*x), by_stem);
		free(text);
	}
	for (size_t i = 0; i < n && !err; i++)
		at[i] = x[i].at;
	free(x);
	return err;
}

/* ---- settling ---- */

static bool same_id(const struct candidate *a, const struct candidate *b)
{
	char x[36], y[36];
	struct value v = segment_row_id(segment_at(a->day, a->at), a->at.row, x);
	struct value w = segment_row_id(segment_at(b->day, b->at), b->at.row, y);

	return !v.p == !w.p && v.len == w.len && (!v.p || !memcmp(v.p, w.p, v.len));
}

/* Equal records next to each other, the one to be shown first. */
static int by_content(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	if (x->minified != y->minified)
		return x->minified < y->minified ? -1 : 1;
	return key_order(x->day, x->at, y->at);
}

static void show(struct day *d, struct place at)
{
	struct slice *s = &d->slice[at.slice];
	uint32_t i = at.row - s->first;

	s->shown[i / 64] |= 1ull << (i % 64);
	d->shown++;
}

static int add_clash(struct day *d, struct place at, uint32_t number)
{
	if (!(d->n_clashes & (d->n_clashes - 1))) {
		struct clash *more =
			reallocarray(d->clash, d->n_clashes ? d->n_clashes * 2 : 1, sizeof(*more));

		if (!more)
			return -ENOMEM;
		d->clash = more;
	}
	d->clash[d->n_clashes++] = (struct clash){at, number};
	return 0;
}

/* Rows of one stem: equal records once, the others numbered. Sorts x by content. */
static int settle_stem(struct day *d, struct candidate *x, size_t n)
{
	size_t kept = 0;
	int err = 0;

	qsort(x, n, sizeof(*x), by_content);
	for (size_t i = 0; i < n; i++) {
		bool again = kept && x[i].hash == x[kept - 1].hash && x[i].minified == x[kept - 1].minified &&
			     same_id(&x[i], &x[kept - 1]);

		if (!again)
			x[kept++] = x[i];
	}
	qsort(x, kept, sizeof(*x), by_stem); /* one stem: by key order */
	for (size_t i = 0; i < kept && !err; i++) {
		show(d, x[i].at);
		if (i)
			err = add_clash(d, x[i].at, (uint32_t)i + 1);
	}
	return err;
}

static int settle_second(struct day *d, struct candidate *x, size_t n)
{
	char *text;
	int err = spell(x, n, &text);

	if (err)
		return err;
	qsort(x, n, sizeof(*x), by_stem);
	for (size_t i = 0, m; i < n && !err; i += m) {
		for (m = 1; i + m < n && !strcmp(x[i].stem, x[i + m].stem);)
			m++;
		if (m == 1)
			show(d, x[i].at);
		else
			err = settle_stem(d, x + i, m);
	}
	free(text);
	return err;
}

static bool admits_second(const struct days *days, int32_t day, uint32_t second)
{
	return day == SEGMENT_UNDATED || days_admit(days, (int64_t)day * DAY_SECONDS + second);
}

/* The live rows of all slices. NULL: no memory. */
static struct candidate *gather(const struct days *days, const struct day *d, size_t *ret_n)
{
	bool all = days_admit_all(days, d->day);
	struct candidate *x;
	size_t n = 0;

	for (uint32_t i = 0; i < d->n_slices; i++)
		n += d->slice[i].end - d->slice[i].first;
	x = malloc((n ? n : 1) * sizeof(*x));
	if (!x)
		return NULL;
	n = 0;
	for (uint32_t i = 0; i < d->n_slices; i++) {
		const struct slice *s = &d->slice[i];
		const struct segment *seg = s->part->seg;

		for (uint32_t row = s->first; row < s->end; row++) {
			uint32_t second = segment_row_second(seg, row);

			if (!part_row_live(s->part, row) || (!all && !admits_second(days, d->day, second)))
				continue;
			x[n++] = (struct candidate){
				.at = {i, row},
				.day = d,
				.second = second,
				.minified = segment_row_minified(seg, row),
				.hash = segment_row_hash(seg, row),
			};
		}
	}
	*ret_n = n;
	return x;
}

static int by_place(const void *a, const void *b)
{
	const struct clash *x = a, *y = b;

	return place_order(x->at, y->at);
}

static int settle(const struct days *days, struct day *d)
{
	size_t n;
	struct candidate *x = gather(days, d, &n);
	int err = x ? 0 : -ENOMEM;

	if (!err)
		sort_by_second(x, n);
	for (size_t i = 0, m; !err && i < n; i += m) {
		m = same_second(x + i, n - i);
		if (m == 1)
			show(d, x[i].at);
		else
			err = settle_second(d, x + i, m);
	}
	if (d->n_clashes)
		qsort(d->clash, d->n_clashes, sizeof(*d->clash), by_place);
	free(x);
	return err;
}

/* ---- slices ---- */

static int add_slice(struct day *d, struct part *part, struct segment_day at)
{
	struct slice *more = reallocarray(d->slice, d->n_slices + 1, sizeof(*more));
	size_t words = (at.end - at.first + 63) / 64;

	if (!more)
		return -ENOMEM;
	d->slice = more;
	more[d->n_slices] =
		(struct slice){.first = at.first, .end = at.end, .shown = calloc(words ? words : 1, 8)};
	if (!more[d->n_slices].shown)
		return -ENOMEM;
	more[d->n_slices++].part = part_ref(part);
	return 0;
}

static int make_day(const struct days *days, const struct snapshot *s, int32_t day, struct day **ret)
{
	struct day *d = calloc(1, sizeof(*d));
	struct segment_day at;
	int err = d ? 0 : -ENOMEM;

	if (d) {
		d->refs = 1;
		d->day = day;
	}
	for (size_t i = 0; i < s->n && !err; i++)
		if (segment_find_day(s->part[i]->seg, day, &at))
			err = add_slice(d, s->part[i], at);
	if (!err)
		err = settle(days, d);
	if (err) {
		day_unref(d);
		return err;
	}
	*ret = d;
	return 0;
}

/* Whether a settled day has the slices that the snapshot has. */
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

static int by_day(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	return x->day < y->day ? -1 : x->day > y->day;
}

/* The settled day if it is true for the snapshot, ref'd; else NULL. */
static struct day *find_settled(struct days *days, const struct snapshot *s, int32_t day)
{
	const struct kept wanted = {.day = day};
	struct day *d = NULL;
	struct kept **found;

	pthread_mutex_lock(&days->lock);
	found = tfind(&wanted, &days->settled, by_day);
	if (found && ((*found)->generation == s->generation || still_true((*found)->is, s))) {
		(*found)->generation = s->generation;
		d = day_ref((*found)->is);
	}
	pthread_mutex_unlock(&days->lock);
	return d;
}

/* Memory that lacks here only means that the day is settled again. */
static void keep_settled(struct days *days, const struct snapshot *s, struct day *d)
{
	struct kept *k = malloc(sizeof(*k)), **found;

	if (!k)
		return;
	*k = (struct kept){.day = d->day};
	pthread_mutex_lock(&days->lock);
	found = tsearch(k, &days->settled, by_day);
	if (found && *found != k) {
		free(k);
		day_unref((*found)->is);
	}
	if (found) {
		(*found)->is = day_ref(d);
		(*found)->generation = s->generation;
	} else {
		free(k);
	}
	pthread_mutex_unlock(&days->lock);
}

static void free_kept(void *kept)
{
	struct kept *k = kept;

	day_unref(k->is);
	free(k);
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
	tdestroy(days->settled, free_kept);
	pthread_mutex_destroy(&days->lock);
	free(days);
}

bool days_admit(const struct days *days, int64_t time)
{
	return time == EVENT_UNDATED || (time >= days->since && time <= days->until);
}

bool days_admit_all(const struct days *days, int32_t day)
{
	int64_t from = (int64_t)day * DAY_SECONDS;

	return day == SEGMENT_UNDATED || (days_admit(days, from) && days_admit(days, from + DAY_SECONDS - 1));
}

int days_get(struct days *days, const struct snapshot *s, int32_t day, struct day **ret)
{
	struct day *d = find_settled(days, s, day);
	int err;

	if (!d) {
		err = make_day(days, s, day, &d);
		if (err)
			return err;
		keep_settled(days, s, d);
	}
	*ret = d;
	return 0;
}
