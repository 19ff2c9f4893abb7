/*
 * Settling: which rows of a day are shown. Equal names have one second, so each second is settled for itself,
 * over all slices of the day:
 *
 *   plain    all eventIDs are GUIDs and no name is cut: names are equal only where the GUIDs are. No name is
 *            spelled out but of rows that share one.
 *   spelled  any other: rows are sorted by stem.
 *
 * Of one stem, equal records are shown once, and different ones are numbered, in the order of (key, place in
 * the object). A number that would give the name of another stem (x~2 beside x and x) is left out.
 *
 * Locks: day.lock is held while settling. The checks of segments have one of their own, which is inside.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/days_private.h"
#include "fs/store/large.h"

/* A row while a stem is being settled. */
struct candidate {
	struct place at;
	uint32_t minified;
	uint64_t hash;
	const char *stem;
	size_t stem_at; /* its place in the text, which moves while it grows */
	const struct day *day;
};

/* A row of a plain second. */
struct plain {
	uint64_t high, low; /* of its GUID */
	struct place at;
};

/* ---- orders ---- */

/* In which equal names are numbered and equal records chosen: (key, place in the object). */
static int key_order(const struct day *d, struct place a, struct place b)
{
	const struct segment *s = day_segment(d, a), *t = day_segment(d, b);
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

static int by_stem(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int order = strcmp(x->stem, y->stem);

	return order ? order : key_order(x->day, x->at, y->at);
}

static int id_order(const struct candidate *a, const struct candidate *b)
{
	char x[36], y[36];
	struct value v = segment_row_id(day_segment(a->day, a->at), a->at.row, x);
	struct value w = segment_row_id(day_segment(b->day, b->at), b->at.row, y);

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

static int by_guid(const void *a, const void *b)
{
	const struct plain *x = a, *y = b;

	if (x->high != y->high)
		return x->high < y->high ? -1 : 1;
	return x->low < y->low ? -1 : x->low > y->low;
}

static int by_place(const void *a, const void *b)
{
	const struct clash *x = a, *y = b;

	return place_order(x->at, y->at);
}

/* ---- what is known ---- */

static void show(struct day *d, struct place at)
{
	struct slice *s = &d->slice[at.slice];
	uint32_t i = at.row - s->first;

	__atomic_fetch_or(&s->shown[i / 64], 1ull << (i % 64), __ATOMIC_RELAXED);
	d->shown++;
}

static void unshow(struct day *d, struct place at)
{
	struct slice *s = &d->slice[at.slice];
	uint32_t i = at.row - s->first;

	if (!slice_shows(s, at.row))
		return;
	__atomic_fetch_and(&s->shown[i / 64], ~(1ull << (i % 64)), __ATOMIC_RELAXED);
	d->shown--;
}

static bool is_settled(const struct slice *s, uint32_t row)
{
	uint32_t i = row - s->first;

	return __atomic_load_n(&s->settled[i / 64], __ATOMIC_ACQUIRE) >> (i % 64) & 1;
}

/* What was shown before is seen by whoever sees this. */
static void set_settled(struct slice *s, uint32_t row)
{
	uint32_t i = row - s->first;

	__atomic_fetch_or(&s->settled[i / 64], 1ull << (i % 64), __ATOMIC_RELEASE);
}

static int add_clash(struct day *d, struct place at, uint32_t number)
{
	uint32_t n = d->n_clashes;

	if (!(n & (n - 1))) {
		struct clash *more = reallocarray(d->clash, n ? (size_t)n * 2 : 1, sizeof(*more));

		if (!more)
			return -ENOMEM;
		d->clash = more;
	}
	d->clash[n] = (struct clash){at, number};
	__atomic_store_n(&d->n_clashes, n + 1, __ATOMIC_RELAXED);
	return 0;
}

/* ---- one stem ---- */

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

/* ---- spelled ---- */

/* Gives n candidates their stems; *ret_text holds them and is yours. */
static int spell(struct candidate *x, size_t n, char **ret_text)
{
	size_t len = 0, room = 0;
	char *text = NULL;

	for (size_t i = 0; i < n; i++) {
		if (room - len < NAME_STEM_MAX + 1) {
			char *more;

			room = room * 2 + (NAME_STEM_MAX + 1) * 8;
			more = large_allowed(room) ? NULL : realloc(text, room);
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

static int settle_spelled(struct day *d, struct candidate *x, size_t n)
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
			err = settle_stem(d, x + i, m, x, n);
	}
	free(text);
	return err;
}

static void set_candidate(struct candidate *x, const struct day *d, struct place at)
{
	const struct segment *s = day_segment(d, at);

	*x = (struct candidate){
		.at = at,
		.day = d,
		.minified = segment_row_minified(s, at.row),
		.hash = segment_row_hash(s, at.row),
	};
}

static int settle_any(struct day *d, const struct timed *x, size_t n)
{
	struct candidate *all = large_allowed(n * sizeof(*all)) ? NULL : malloc(n * sizeof(*all));
	int err = all ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !err; i++)
		set_candidate(&all[i], d, x[i].at);
	if (!err)
		err = settle_spelled(d, all, n);
	free(all);
	return err;
}

/* ---- plain ---- */

/* Whether two rows of one GUID are equal records of one name. */
static bool same_record(const struct day *d, struct place a, struct place b)
{
	const struct segment *s = day_segment(d, a), *t = day_segment(d, b);
	struct value v, w;

	if (segment_row_hash(s, a.row) != segment_row_hash(t, b.row) ||
		segment_row_minified(s, a.row) != segment_row_minified(t, b.row))
		return false;
	v = days_event(s, a.row);
	w = days_event(t, b.row);
	return !v.p == !w.p && v.len == w.len && (!v.len || !memcmp(v.p, w.p, v.len));
}

/* Rows of one GUID. That of a name ends in the GUID, so no number makes it another's. */
static int settle_guid(struct day *d, const struct plain *x, size_t n)
{
	struct place first = x[0].at;
	struct candidate *all;
	size_t same = 1;
	int err;

	while (same < n && same_record(d, x[0].at, x[same].at)) {
		first = key_order(d, x[same].at, first) < 0 ? x[same].at : first;
		same++;
	}
	if (same == n) {
		show(d, first);
		return 0;
	}
	all = malloc(n * sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		set_candidate(&all[i], d, x[i].at);
	err = settle_spelled(d, all, n);
	free(all);
	return err;
}

static void sort_plain(struct plain *x, size_t n)
{
	if (n > DAYS_INSERT_MAX) {
		qsort(x, n, sizeof(*x), by_guid);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		struct plain moved = x[i];
		size_t k = i;

		for (; k && by_guid(&x[k - 1], &moved) > 0; k--)
			x[k] = x[k - 1];
		x[k] = moved;
	}
}

/* Whether a second is plain; its rows to out. */
static bool read_plain(const struct day *d, const struct timed *x, size_t n, struct plain *out)
{
	for (size_t i = 0; i < n; i++) {
		const struct slice *s = &d->slice[x[i].at.slice];
		const uint8_t *guid = segment_row_guid(s->part->seg, x[i].at.row);

		if (!guid || (!s->plain_names && days_event(s->part->seg, x[i].at.row).len > DAYS_PLAIN_MAX))
			return false;
		memcpy(&out[i].high, guid, 8);
		memcpy(&out[i].low, guid + 8, 8);
		out[i].at = x[i].at;
	}
	return true;
}

static int settle_plain(struct day *d, struct plain *x, size_t n)
{
	int err = 0;

	sort_plain(x, n);
	for (size_t i = 0, m; i < n && !err; i += m) {
		for (m = 1; i + m < n && !by_guid(&x[i], &x[i + m]);)
			m++;
		if (m == 1)
			show(d, x[i].at);
		else
			err = settle_guid(d, x + i, m);
	}
	return err;
}

/* ---- one second ---- */

static int settle_several(struct day *d, const struct timed *x, size_t n)
{
	struct plain few[DAYS_INSERT_MAX], *plain = n > DAYS_INSERT_MAX ? malloc(n * sizeof(*plain)) : few;
	int err;

	if (!plain)
		return -ENOMEM;
	err = read_plain(d, x, n, plain) ? settle_plain(d, plain, n) : settle_any(d, x, n);
	if (plain != few)
		free(plain);
	return err;
}

/* x: all rows of the second that count. Fails without a trace. */
static int settle_second(struct day *d, const struct timed *x, size_t n)
{
	uint32_t clashes = d->n_clashes;
	int err = 0;

	if (n == 1)
		show(d, x[0].at);
	else if (n)
		err = settle_several(d, x, n);
	for (size_t i = 0; i < n && err; i++)
		unshow(d, x[i].at);
	if (err)
		__atomic_store_n(&d->n_clashes, clashes, __ATOMIC_RELAXED);
	return err;
}

static void sort_clashes(struct day *d)
{
	if (d->n_clashes)
		qsort(d->clash, d->n_clashes, sizeof(*d->clash), by_place);
}

/* ---- rows that count ---- */

static bool admits_all(const struct day *d)
{
	int64_t from = (int64_t)d->day * DAYS_SECONDS;

	return d->day == SEGMENT_UNDATED || (d->since <= from && from + DAYS_SECONDS - 1 <= d->until);
}

static bool admits(const struct day *d, uint32_t second)
{
	int64_t time = (int64_t)d->day * DAYS_SECONDS + second;

	return d->day == SEGMENT_UNDATED || (time >= d->since && time <= d->until);
}

/* Adds the live rows of [first, end) that are admitted. Returns the new count. */
static size_t add_rows(
	const struct day *d, uint32_t slice, uint32_t first, uint32_t end, struct timed *out, size_t n)
{
	const struct part *p = d->slice[slice].part;
	bool all_live = p->live == segment_objects(p->seg), all = admits_all(d);

	for (uint32_t row = first; row < end; row++) {
		uint32_t second = segment_row_second(p->seg, row);

		if ((all_live || part_row_live(p, row)) && (all || admits(d, second)))
			out[n++] = (struct timed){{slice, row}, second};
	}
	return n;
}

/* ---- a whole day ---- */

static int settle_all(struct day *d)
{
	struct timed *x;
	size_t n = 0;
	int err;

	for (uint32_t i = 0; i < d->n_slices; i++)
		n += d->slice[i].end - d->slice[i].first;
	x = large_allowed(n * sizeof(*x)) ? NULL : malloc((n ? n : 1) * sizeof(*x));
	if (!x)
		return -ENOMEM;
	n = 0;
	for (uint32_t i = 0; i < d->n_slices; i++)
		n = add_rows(d, i, d->slice[i].first, d->slice[i].end, x, n);
	err = days_sort_seconds(x, n);
	for (size_t i = 0, m; i < n && !err; i += m) {
		m = same_second(x + i, n - i);
		if (!is_settled(&d->slice[x[i].at.slice], x[i].at.row))
			err = settle_second(d, x + i, m);
		for (size_t k = i; k < i + m && !err; k++)
			set_settled(&d->slice[x[k].at.slice], x[k].at.row);
	}
	sort_clashes(d);
	free(x);
	return err;
}

int day_settle(struct day *d)
{
	int err = 0;

	if (__atomic_load_n(&d->whole, __ATOMIC_ACQUIRE))
		return 0;
	pthread_mutex_lock(&d->lock);
	if (!d->whole)
		err = settle_all(d);
	if (!err)
		__atomic_store_n(&d->whole, true, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&d->lock);
	return err;
}

/* ---- some rows ---- */

/* The rows of one slice that are of one second: [first, end). Ascends with the seconds that are asked. */
struct run {
	uint32_t first, end;
};

/* The first row from `row` on that is not before the second; steps double, as the next is mostly near. */
static uint32_t find_second(const struct slice *s, uint32_t row, uint32_t second)
{
	const struct segment *seg = s->part->seg;
	uint32_t step = 1, end;

	while (step < s->end - row && segment_row_second(seg, row + step) < second) {
		row += step;
		step *= 2;
	}
	end = step < s->end - row ? row + step : s->end;
	while (row < end) {
		uint32_t mid = row + (end - row) / 2;

		if (segment_row_second(seg, mid) < second)
			row = mid + 1;
		else
			end = mid;
	}
	return row;
}

struct settling {
	struct run *run; /* of each slice */
	struct timed *x;
	size_t cap;
};

static int settle_one(struct day *d, struct settling *t, uint32_t second)
{
	size_t n = 0;
	int err;

	for (uint32_t i = 0; i < d->n_slices; i++) {
		t->run[i].first = find_second(&d->slice[i], t->run[i].end, second);
		t->run[i].end = find_second(&d->slice[i], t->run[i].first, second + 1);
		n += t->run[i].end - t->run[i].first;
	}
	if (!n)
		return 0;
	if (n > t->cap) {
		struct timed *more = reallocarray(t->x, n * 2, sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->x = more;
		t->cap = n * 2;
	}
	n = 0;
	for (uint32_t i = 0; i < d->n_slices; i++)
		n = add_rows(d, i, t->run[i].first, t->run[i].end, t->x, n);
	/* Where settling all of the day failed on its way, rows that do not count are not marked. */
	err = n && is_settled(&d->slice[t->x[0].at.slice], t->x[0].at.row) ? 0 : settle_second(d, t->x, n);
	for (uint32_t i = 0; i < d->n_slices && !err; i++)
		for (uint32_t row = t->run[i].first; row < t->run[i].end; row++)
			set_settled(&d->slice[i], row);
	return err;
}

/* With the lock. */
static int settle_rows(struct day *d, const struct slice *s, const uint32_t *row, size_t n)
{
	struct settling t = {.run = malloc((d->n_slices + 1u) * sizeof(*t.run))};
	uint32_t clashes = d->n_clashes;
	int err = t.run ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < d->n_slices && !err; i++)
		t.run[i].end = d->slice[i].first;
	for (size_t i = 0; i < n && !err; i++)
		if (!is_settled(s, row[i]))
			err = settle_one(d, &t, segment_row_second(s->part->seg, row[i]));
	if (d->n_clashes != clashes)
		sort_clashes(d);
	free(t.run);
	free(t.x);
	return err;
}

int day_settle_rows(struct day *d, uint32_t slice, const uint32_t *row, size_t n)
{
	const struct slice *s = &d->slice[slice];
	size_t i = 0;
	int err;

	if (__atomic_load_n(&d->whole, __ATOMIC_ACQUIRE))
		return 0;
	while (i < n && is_settled(s, row[i]))
		i++;
	if (i == n)
		return 0;
	pthread_mutex_lock(&d->lock);
	err = d->whole ? 0 : settle_rows(d, s, row + i, n - i);
	pthread_mutex_unlock(&d->lock);
	return err;
}
