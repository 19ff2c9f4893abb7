/*
 * Rollups that are numbers: how many events, and how many of each value.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fs/rollup_private.h"
#include "fs/rollup_tally.h"
#include "render/name.h"

/* A line: names are made once, as sorting compares them very often. */
struct line {
	uint64_t n;
	size_t name; /* in the names */
};

static int most_first(const void *a, const void *b, void *names)
{
	const struct line *x = a, *y = b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return strcmp((const char *)names + x->name, (const char *)names + y->name);
}

static int write_values(const struct tally *t, struct buf *out)
{
	struct line *line = malloc((t->n + 1) * sizeof(*line));
	struct buf names = {0};
	char name[NAME_LEN_MAX + 1];
	int err = line ? 0 : -ENOMEM;

	for (size_t i = 0; i < t->n && !err; i++) {
		line[i] = (struct line){t->value[i].n, names.len};
		buf_add(&names, name, name_of_value(t->value[i].value, name) + 1);
		err = names.failed ? -ENOMEM : 0;
	}
	if (!err && t->n)
		qsort_r(line, t->n, sizeof(*line), most_first, names.data);
	for (size_t i = 0; i < t->n && !err; i++)
		buf_addf(out, "%" PRIu64 "\t%s\n", line[i].n, names.data + line[i].name);
	buf_clear(&names);
	free(line);
	return err;
}

int count_write(struct plan *p, struct view *v, struct buf *out)
{
	struct tally t;
	int err;

	if (p->key.what == ROLLUP_COUNT) {
		buf_addf(out, "%" PRIu64 "\n", p->rows);
		return 0;
	}
	err = tally_begin(&t, p->snapshot, p->key.facet);
	for (size_t i = 0; i < p->n_days && !err; i++) {
		struct view_rows *rows;

		err = plan_rows(p, v, i, &rows);
		if (err)
			break;
		err = tally_rows(&t, rows);
		view_rows_unref(rows);
	}
	if (!err)
		err = tally_end(&t);
	if (!err)
		err = write_values(&t, out);
	tally_clear(&t);
	return err;
}
