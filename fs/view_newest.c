/*
 * The newest event of a facet's directory: of the newest day on which there is one.
 */
#include <errno.h>
#include <stdlib.h>

#include "fs/view_private.h"

/* The newest second of one part's day on which a row that passes has the facet, or -1. */
static int newest_in_part(const struct question *q, const struct part *p, struct segment_day d,
	const struct slice *shown, int64_t *ret)
{
	uint32_t code[VIEW_TERMS_MAX], *rows, n;

	*ret = -1;
	if (!segment_values(p->seg, q->facet) || !view_codes(&q->terms, p->seg, code) ||
		!view_clip(&q->terms, p->seg, &d))
		return 0;
	rows = malloc((d.end - d.first) * sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	n = view_select(&q->terms, p->seg, code, d.first, d.end, rows);
	while (n-- && *ret < 0)
		if (segment_row_code(p->seg, q->facet, rows[n]) != SEGMENT_NO_CODE &&
			view_row_counts(q->view, p, shown, d.day, rows[n]))
			*ret = segment_row_second(p->seg, rows[n]);
	free(rows);
	return 0;
}

static int newest_in_day(const struct question *q, int32_t day, int64_t *ret)
{
	const struct snapshot *s = q->snapshot;
	struct day *settled = NULL;
	int err = 0;

	if (q->terms.by_account || q->facet == FACET_ACCOUNT)
		err = days_get(q->view->days, s, day, &settled);

	*ret = -1;
	for (size_t i = 0; i < s->n && !err; i++) {
		struct segment_day d;
		int64_t second;

		if (!segment_find_day(s->part[i]->seg, day, &d))
			continue;
		err = newest_in_part(
			q, s->part[i], d, settled ? view_slice(settled, s->part[i]) : NULL, &second);
		if (!err && second > *ret)
			*ret = second;
	}
	day_unref(settled);
	return err;
}

/* The greatest day of any part that is before `before`, or SEGMENT_UNDATED. */
static int32_t day_before(const struct snapshot *s, int64_t before)
{
	int32_t day = SEGMENT_UNDATED;

	for (size_t i = 0; i < s->n; i++) {
		const struct segment *seg = s->part[i]->seg;
		uint32_t k = segment_days(seg);

		while (k && segment_day(seg, k - 1).day >= before)
			k--;
		if (k && segment_day(seg, k - 1).day > day)
			day = segment_day(seg, k - 1).day;
	}
	return day;
}

/* Of all events: day by day backwards, as the newest mostly has the facet. To ask first on which days there
 * are any would be to look into all of the index. */
static int newest_of_all(const struct question *q, int64_t *ret)
{
	int32_t day = day_before(q->snapshot, INT64_MAX);
	int64_t second = -1;
	int err = 0;

	for (; day != SEGMENT_UNDATED; day = day_before(q->snapshot, day)) {
		err = newest_in_day(q, day, &second);
		if (err || second >= 0)
			break;
	}
	*ret = second < 0 ? EVENT_UNDATED : (int64_t)day * VIEW_DAY_SECONDS + second;
	return err;
}

static int newest_below(const struct question *q, uint32_t filter, int64_t *ret)
{
	struct view_days *d;
	int64_t second = -1;
	int err = view_days(q->view, q->snapshot, filter, &d);

	if (err)
		return err;
	*ret = EVENT_UNDATED;
	for (size_t i = d->n; i-- && second < 0 && !err && d->day[i].day != SEGMENT_UNDATED;) {
		err = newest_in_day(q, d->day[i].day, &second);
		if (second >= 0)
			*ret = (int64_t)d->day[i].day * VIEW_DAY_SECONDS + second;
	}
	view_days_unref(d);
	return err;
}

int view_facet_newest(struct view *v, const struct snapshot *s, uint32_t filter, enum facet f, int64_t *ret)
{
	struct question q;
	int64_t newest = EVENT_UNDATED;
	int err;

	view_ask(v, s, filter, f, &q);
	err = q.all ? newest_of_all(&q, &newest) : newest_below(&q, filter, &newest);
	err = view_trusted(s, err);
	if (!err)
		*ret = newest;
	return err;
}
