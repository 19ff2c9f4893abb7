/*
 * Values that no earlier event has. A part that lies before the moment as a whole answers with its
 * dictionary; only of one that lies across it, or of which not every row counts, are the rows looked at.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/rollup_report.h"

#define DAY_SECONDS 86400

static int value_order(struct value a, struct value b)
{
	int order = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_value(const void *a, const void *b)
{
	return value_order(((const struct tally_value *)a)->value, ((const struct tally_value *)b)->value);
}

/* ---- what a part has before the moment ---- */

/* Whether all rows of a part count and are before the moment. */
static bool is_before(const struct part *p, struct days *days, int64_t since)
{
	if (p->live != segment_objects(p->seg))
		return false;
	for (uint32_t i = 0; i < segment_days(p->seg); i++) {
		int32_t day = segment_day(p->seg, i).day;

		if (day == SEGMENT_UNDATED || !days_admit_all(days, day) || (day + 1ll) * DAY_SECONDS > since)
			return false;
	}
	return true;
}

/* Marks the codes of a part's rows before the moment. *older: there are any. */
static void mark_codes(
	const struct part *p, enum facet f, struct days *days, int64_t since, bool *has, bool *older)
{
	for (uint32_t i = 0; i < segment_days(p->seg); i++) {
		struct segment_day d = segment_day(p->seg, i);

		if (d.day == SEGMENT_UNDATED)
			continue;
		for (uint32_t row = d.first; row < d.end; row++) {
			int64_t time = (int64_t)d.day * DAY_SECONDS + segment_row_second(p->seg, row);
			uint32_t code;

			if (time >= since)
				return;
			if (!part_row_live(p, row) || !days_admit(days, time))
				continue;
			*older = true;
			code = segment_row_code(p->seg, f, row);
			if (code != SEGMENT_NO_CODE)
				has[code] = true;
		}
	}
}

/* ---- values ---- */

/* Takes the values out that a part has: of what it has and what is left, the fewer are looked up among the
 * others. has NULL: it has all of its dictionary. */
static void drop_values(struct tally *t, const struct segment *s, const bool *has, bool *gone)
{
	uint32_t n = segment_values(s, t->facet);
	size_t kept = 0;

	memset(gone, 0, t->n);
	for (uint32_t code = 0; n < t->n && code < n; code++) {
		struct tally_value key = {.value = segment_value(s, t->facet, code)}, *at;

		at = !has || has[code] ? bsearch(&key, t->value, t->n, sizeof(key), by_value) : NULL;
		if (at)
			gone[at - t->value] = true;
	}
	for (size_t i = 0; n >= t->n && i < t->n; i++) {
		uint32_t code = segment_find_value(s, t->facet, t->value[i].value);

		gone[i] = code != SEGMENT_NO_CODE && (!has || has[code]);
	}
	for (size_t i = 0; i < t->n; i++)
		if (!gone[i])
			t->value[kept++] = t->value[i];
	t->n = kept;
}

static int drop_part(
	struct tally *t, const struct part *p, struct days *days, int64_t since, bool *gone, bool *older)
{
	bool *has;

	if (is_before(p, days, since)) {
		*older |= segment_rows(p->seg) > 0;
		drop_values(t, p->seg, NULL, gone);
		return 0;
	}
	has = calloc(segment_values(p->seg, t->facet) + 1u, sizeof(*has));
	if (!has)
		return -ENOMEM;
	mark_codes(p, t->facet, days, since, has, older);
	drop_values(t, p->seg, has, gone);
	free(has);
	return 0;
}

int tally_keep_new(
	struct tally *t, const struct snapshot *s, struct days *days, int64_t since, bool *ret_older)
{
	bool *gone = malloc(t->n + 1), older = false;
	size_t kept = 0;
	int err = gone ? 0 : -ENOMEM;

	/* Undated events are in no order with others. */
	for (size_t i = 0; i < t->n; i++)
		if (t->value[i].first != EVENT_UNDATED)
			t->value[kept++] = t->value[i];
	t->n = kept;
	if (t->n)
		qsort(t->value, t->n, sizeof(*t->value), by_value);
	for (size_t i = s->n; i-- > 0 && !err;)
		err = drop_part(t, s->part[i], days, since, gone, &older);
	free(gone);
	if (!err)
		*ret_older = older;
	return err;
}
