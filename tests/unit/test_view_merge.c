/*
 * Sorted runs of values to one, against sorting all of them: values that begin alike, end in zeros, or are
 * as long as what is compared at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fs/view_private.h"
#include "tests/made.h"

#define TEXT_MAX 40
#define RUNS_MAX 70
#define LONGEST  60 /* run */

static int by_value(const void *a, const void *b)
{
	const struct view_value *x = a, *y = b;
	int order = view_value_order(x->value, y->value);

	return order ? order : (x->newest < y->newest) - (x->newest > y->newest);
}

/* Sorts; of equal values the first, which is the newest, stays. */
static size_t sort(struct view_value *x, size_t n)
{
	size_t kept = 0;

	qsort(x, n, sizeof(*x), by_value);
	for (size_t i = 0; i < n; i++)
		if (!kept || view_value_order(x[kept - 1].value, x[i].value))
			x[kept++] = x[i];
	return kept;
}

/* A common beginning, a few bytes that differ, zeros among them. Few enough for many to be equal. */
static struct view_value some_value(uint64_t *seed, char *text)
{
	static const char letters[] = {'a', 'b', '\0', (char)0xff};
	uint32_t same = made_draw(seed, 4) ? made_draw(seed, 20) : 0, more = made_draw(seed, 5);

	memset(text, 'x', same);
	for (uint32_t i = 0; i < more; i++)
		text[same + i] = letters[made_draw(seed, sizeof(letters))];
	return (struct view_value){{text, same + more}, (int64_t)made_draw(seed, 100) - 50};
}

static void compare(const struct view_value *is, size_t n, struct view_value *all, size_t n_all)
{
	n_all = sort(all, n_all);
	assert_int_equal(n, n_all);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(view_value_order(is[i].value, all[i].value), 0);
		assert_true(is[i].newest == all[i].newest);
	}
}

static void merge_some(uint64_t *seed, uint32_t runs)
{
	static char text[RUNS_MAX * LONGEST][TEXT_MAX];
	static struct view_value all[RUNS_MAX * LONGEST];
	struct view_merge g = {0};
	struct view_value run[LONGEST], *is;
	size_t n_all = 0, n;

	for (uint32_t k = 0; k < runs; k++) {
		n = made_draw(seed, LONGEST + 1);
		for (size_t i = 0; i < n; i++, n_all++)
			run[i] = all[n_all] = some_value(seed, text[n_all]);
		n = sort(run, n);
		assert_int_equal(view_merge_add(&g, run, n), 0);
	}
	assert_int_equal(view_merge_end(&g, &is, &n), 0);
	view_merge_clear(&g);
	compare(is, n, all, n_all);
	free(is);
}

static void agrees_with_sorting(void **state)
{
	uint64_t seed = 5;

	(void)state;
	for (uint32_t runs = 0; runs <= RUNS_MAX; runs++)
		merge_some(&seed, runs);
}

static void undated_is_older_than_all(void **state)
{
	struct view_value undated = {{"a", 1}, EVENT_UNDATED}, dated = {{"a", 1}, -5}, *is;
	struct view_merge g = {0};
	size_t n;

	(void)state;
	assert_int_equal(view_merge_add(&g, &undated, 1), 0);
	assert_int_equal(view_merge_add(&g, &dated, 1), 0);
	assert_int_equal(view_merge_add(&g, &undated, 1), 0);
	assert_int_equal(view_merge_end(&g, &is, &n), 0);
	assert_int_equal(n, 1);
	assert_true(is[0].newest == -5);
	free(is);
	view_merge_clear(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_sorting),
		cmocka_unit_test(undated_is_older_than_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
