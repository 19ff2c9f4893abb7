/*
 * Settling a day: all live rows of its slices, second by second. A second with one row needs nothing; in the
 * others rows are sorted by stem, equal records are shown once, and different ones with one stem are
 * numbered, in the order of (key, place in the object). A number that would give the name of another stem
 * (x~2 beside x and x) is left out.
 *
 * A settled day holds the parts that it is made of. One of which a part is no more in the snapshot is
 * dropped, so that segments which were merged do not stay mapped for as long as nobody asks for the day
 * again.
 *
 * Locks: days.lock guards the table of settled days, a leaf; settling itself runs without it.
 */
#include "fs/days.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_SECONDS 86400

/* A settled day and the snapshot it is known to be true for. */
struct kept {
	int32_t day;
	uint64_t generation;
	struct day *is;
};

struct days {
	int64_t since, until;
	pthread_mutex_t lock;
	struct kept *settled; /* ascending */
	size_t n, cap;
	uint64_t pruned; /* the snapshot that has last been looked at for what is no more */
};

/* A row while a second is being settled. */
struct candidate {
	struct place at;
	uint32_t second;
	uint32_t minified;
	uint64_t hash;
	const char *stem; /* only in seconds with several rows; to sort by, the file name */
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

size_t day_name(const struct day *d, struct place at, char *out)
{
	size_t len = day_stem(d, at, out);
	uint32_t clash = day_clash(d, at);

	if (clash > 1)
		len += (size_t)snprintf(out + len, DAY_NAME_MAX + 1 - len, "~%u", clash);
	memcpy(out + len, ".json", 6);
	return len + 5;
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

/* Gives n candidates of one second their stems, or their file names; *ret_text holds them and is yours. */
static int spell(struct candidate *x, size_t n,
	size_t (*name)(const struct day *d, struct place at, char *out), char **ret_text)
{
	size_t len = 0, room = 0;
	char *text = NULL;

	for (size_t i = 0; i < n; i++) {
		if (room - len < DAY_NAME_MAX + 1) {
			char *more = realloc(text, room = room * 2 + (DAY_NAME_MAX + 1) * 8);

			if (!more) {
				free(text);
				return -ENOMEM;
			}
			text = more;
		}
		x[i].stem_at = len;
		len += name(x[i].day, x[i].at, text + len) + 1;
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
		err = spell(x + i, m, day_name, &text);
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

static int id_order(const struct candidate *a, const struct candidate *b)
{
	char x[36], y[36];
	struct value v = segment_row_id(segment_at(a->day, a->at), a->at.row, x);
	struct value w = segment_row_id(segment_at(b->day, b->at), b->at.row, y);

	if (!v.p || !w.p)
		return (v.p != NULL) - (w.p != NULL);
	if (v.len != w.len)
		return v.len < w.len ? -1 : 1;
	return memcmp(v.p, w.p, v.len);
}

/* 0 for equal records. */
static int content_order(const struct candidate *x, const struct candidate *y)
{
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	if (x->minified != y->minified)
		return x->minified < y->minified ? -1 : 1;
	return id_order(x, y);
}

/* Equal records next to each other, the one to be shown first. */
static int by_content(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int order = content_order(x, y);

	return order ? order : key_order(x->day, x->at, y->at);
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

static int stem_order(const void *text, const void *candidate)
{
	return strcmp(text, ((const struct candidate *)candidate)->stem);
}

/* The next number after `number` that gives x no name that is another's stem. all: the candidates of the
 * second, by stem. */
static uint32_t next_number(
	const struct candidate *x, uint32_t number, const struct candidate *all, size_t n_all)
{
	char name[DAY_NAME_MAX + 1];

	do
		snprintf(name, sizeof(name), "%s~%u", x->stem, ++number);
	while (bsearch(name, all, n_all, sizeof(*all), stem_order));
	return number;
}

/* Rows of one stem: equal records once, the others numbered. Sorts x by content, and back: they are among
 * `all`. */
static int settle_stem(
	struct day *d, struct candidate *x, size_t n, const struct candidate *all, size_t n_all)
{
	uint32_t number = 1;
	size_t kept = 0;
	int err = 0;

	qsort(x, n, sizeof(*x), by_content);
	for (size_t i = 0; i < n; i++)
		if (!kept || content_order(&x[i], &x[kept - 1]))
			x[kept++] = x[i];
	qsort(x, kept, sizeof(*x), by_stem); /* one stem: by key order */
	for (size_t i = 0; i < kept && !err; i++) {
		show(d, x[i].at);
		if (i) {
			number = next_number(&x[i], number, all, n_all);
			err = add_clash(d, x[i].at, number);
		}
	}
	return err;
}

static int settle_second(struct day *d, struct candidate *x, size_t n)
{
	char *text;
	int err = spell(x, n, day_stem, &text);

	if (err)
		return err;
	qsort(x, n, sizeof(*x), by_stem);
	for (size_t i = 0, m; i < n && !err; i += m) {
		for (m = 1; i + m < n && !strcmp(x[i].stem, x[i + m].stem);)
			m++;
		if (m == 1)
			show(d, x[i].at);
		else
			err = settle_stem(d, x + i, m, x, n);
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
	if (!err && d->n_clashes)
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
	static uint64_t serials;
	const char *reason;
	struct day *d = calloc(1, sizeof(*d));
	struct segment_day at;
	int err = d ? 0 : -ENOMEM;

	if (d) {
		d->refs = 1;
		d->serial = __atomic_add_fetch(&serials, 1, __ATOMIC_RELAXED);
		d->day = day;
	}
	for (size_t i = 0; i < s->n && !err; i++) {
		if (!segment_find_day(s->part[i]->seg, day, &at))
			continue;
		err = segment_check(s->part[i]->seg, &reason) ? -EUCLEAN : 0;
		if (!err)
			err = add_slice(d, s->part[i], at);
	}
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

/* The place of the first settled day that is not before `day`. */
static size_t find_place(const struct days *days, int32_t day)
{
	size_t lo = 0, hi = days->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (days->settled[mid].day < day)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The settled day if it is true for the snapshot, ref'd; else NULL. */
static struct day *find_settled(struct days *days, const struct snapshot *s, int32_t day)
{
	struct day *d = NULL;
	size_t i;

	pthread_mutex_lock(&days->lock);
	i = find_place(days, day);
	if (i < days->n && days->settled[i].day == day) {
		struct kept *k = &days->settled[i];

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
		if (holds_only(days->settled[i].is, part, s->n))
			days->settled[kept++] = days->settled[i];
		else
			day_unref(days->settled[i].is);
	}
	days->n = kept;
	free(part);
}

/* A free place for the day, or the one that it has; NULL: no memory. */
static struct kept *make_place(struct days *days, int32_t day)
{
	size_t i = find_place(days, day);

	if (i < days->n && days->settled[i].day == day)
		return &days->settled[i];
	if (days->n == days->cap) {
		size_t cap = days->cap ? days->cap * 2 : 64;
		struct kept *more = reallocarray(days->settled, cap, sizeof(*more));

		if (!more)
			return NULL;
		days->settled = more;
		days->cap = cap;
	}
	memmove(days->settled + i + 1, days->settled + i, (days->n - i) * sizeof(*days->settled));
	days->n++;
	days->settled[i] = (struct kept){.day = day};
	return &days->settled[i];
}

/* Memory that lacks here only means that the day is settled again. */
static void keep_settled(struct days *days, const struct snapshot *s, struct day *d)
{
	struct kept *k;

	pthread_mutex_lock(&days->lock);
	prune(days, s);
	k = make_place(days, d->day);
	if (k) {
		day_unref(k->is);
		k->is = day_ref(d);
		k->generation = s->generation;
	}
	pthread_mutex_unlock(&days->lock);
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
		day_unref(days->settled[i].is);
	free(days->settled);
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

uint64_t days_serial(struct days *days, const struct snapshot *s, int32_t day)
{
	struct day *d = find_settled(days, s, day);
	uint64_t serial = d ? d->serial : 0;

	day_unref(d);
	return serial;
}
