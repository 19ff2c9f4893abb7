/*
 * The accounts of all events. Of two equal records only one is shown, and their accounts may come from two
 * keys, so the settled days are asked.
 */
#include <errno.h>
#include <stdlib.h>

#include "fs/view_private.h"

/* A run of rows of one part and day in which an account may be. */
struct account_rows {
	int32_t day;
	struct part *part;
	struct segment_day at;
	uint32_t code;
};

static int newest_first(const void *a, const void *b)
{
	const struct account_rows *x = a, *y = b;

	return x->day > y->day ? -1 : x->day < y->day;
}

/* Where an account may be, newest day first; *ret is yours. */
static int find_account_rows(
	const struct snapshot *s, struct value account, struct account_rows **ret, size_t *ret_n)
{
	struct account_rows *x;
	size_t room = 0, n = 0;

	for (size_t i = 0; i < s->n; i++)
		room += segment_days(s->part[i]->seg);
	x = malloc((room + 1) * sizeof(*x));
	if (!x)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++) {
		const struct segment *seg = s->part[i]->seg;
		uint32_t code = segment_find_value(seg, FACET_ACCOUNT, account);

		for (uint32_t j = 0; code != SEGMENT_NO_CODE && j < segment_days(seg); j++) {
			struct segment_day d = segment_day(seg, j);

			x[n++] = (struct account_rows){d.day, s->part[i], d, code};
		}
	}
	qsort(x, n, sizeof(*x), newest_first);
	*ret = x;
	*ret_n = n;
	return 0;
}

/* The newest row among those of one day that is shown. */
static int64_t newest_shown(const struct account_rows *x, const struct day *d, int64_t newest)
{
	const struct slice *slice = view_slice(d, x->part);

	/* Rows of a day are in the order of time. */
	for (uint32_t row = x->at.end; slice && row-- > x->at.first;)
		if (slice_shows(slice, row) &&
			segment_row_code(x->part->seg, FACET_ACCOUNT, row) == x->code) {
			int64_t time = view_row_time(x->part->seg, x->day, row);

			return newest == VIEW_NO_EVENT || time > newest ? time : newest;
		}
	return newest;
}

/* The newest day mostly knows. */
int view_account_newest(struct view *v, const struct snapshot *s, struct value account, int64_t *ret_newest)
{
	struct account_rows *x;
	int64_t newest = VIEW_NO_EVENT;
	struct day *d = NULL;
	size_t n;
	int err = find_account_rows(s, account, &x, &n);

	if (err)
		return err;
	for (size_t i = 0; i < n && !err; i++) {
		if (i && x[i].day != x[i - 1].day) {
			if (newest != VIEW_NO_EVENT)
				break;
			day_unref(d);
			d = NULL;
		}
		if (!d)
			err = days_get(v->days, s, x[i].day, &d);
		if (!err)
			newest = newest_shown(&x[i], d, newest);
	}
	day_unref(d);
	free(x);
	*ret_newest = newest;
	return err;
}

int view_settle_accounts(struct view *v, const struct snapshot *s, struct view_value *x, size_t *n)
{
	size_t kept = 0;

	for (size_t i = 0; i < *n; i++) {
		int64_t newest;
		int err = view_account_newest(v, s, x[i].value, &newest);

		if (err)
			return err;
		if (newest != VIEW_NO_EVENT)
			x[kept++] = (struct view_value){x[i].value, newest};
	}
	*n = kept;
	return 0;
}
