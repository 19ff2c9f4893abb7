/*
 * push_window(): which neighbours of a file that is read are pushed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/push.h"

#define STEPS_MAX 16

struct step {
	uint32_t place;
	struct {
		uint32_t first, end;
	} expect; /* {0, 0}: none */
};

struct walk_case {
	const char *name;
	uint32_t n;
	bool walking;
	struct step step[STEPS_MAX];
	unsigned steps;
};

static const struct walk_case walks[] = {
	{"a first read says nothing", 1000, false, {{0, {0, 0}}}, 1},
	{"the second in a row starts", 1000, false, {{0, {0, 0}}, {1, {2, 34}}}, 2},
	{"not only at the beginning", 1000, false, {{700, {0, 0}}, {701, {702, 734}}}, 2},
	{"the window grows up to its limit", 100000, false,
		{{0, {0, 0}}, {1, {2, 34}}, {34, {35, 99}}, {99, {100, 228}}, {228, {229, 485}},
			{485, {486, 998}}, {998, {999, 1511}}},
		7},
	{"the end of the directory ends it", 40, false,
		{{0, {0, 0}}, {1, {2, 34}}, {34, {35, 40}}, {39, {40, 40}}}, 4},
	{"a file in the middle of the window follows", 1000, false,
		{{0, {0, 0}}, {1, {2, 34}}, {20, {21, 85}}}, 3},
	{"what is just after the window follows", 1000, false, {{0, {0, 0}}, {40, {41, 73}}}, 2},
	{"what is farther does not", 1000, false, {{0, {0, 0}}, {41, {0, 0}}, {42, {43, 75}}}, 3},
	{"a little backwards changes nothing", 1000, false,
		{{0, {0, 0}}, {1, {2, 34}}, {35, {36, 100}}, {34, {0, 0}}, {100, {101, 229}}}, 5},
	{"far backwards starts over", 1000, false,
		{{500, {0, 0}}, {501, {502, 534}}, {468, {0, 0}}, {469, {470, 502}}}, 4},
	{"backwards from the first does not follow", 1000, false, {{10, {0, 0}}, {9, {0, 0}}, {8, {0, 0}}},
		3},
	{"the same again does not", 1000, false, {{10, {0, 0}}, {10, {0, 0}}}, 2},
	{"a jump starts over with a small window", 10000, false,
		{{0, {0, 0}}, {1, {2, 34}}, {34, {35, 99}}, {5000, {0, 0}}, {5001, {5002, 5034}}}, 5},
	{"two readers apart", 10000, false,
		{{0, {0, 0}}, {5000, {0, 0}}, {1, {2, 34}}, {5001, {5002, 5034}}, {34, {35, 99}},
			{5034, {5035, 5099}}},
		6},
	{"who comes walking needs no second read", 1000, true, {{0, {1, 33}}, {33, {34, 98}}}, 2},
	{"but has to begin at the beginning", 1000, true, {{3, {0, 0}}}, 1},
	{"and counts as walking only once", 1000, true, {{0, {1, 33}}, {500, {0, 0}}, {0, {0, 0}}}, 3},
	{"one file", 1, true, {{0, {1, 1}}}, 1},
	{"a place outside", 10, false, {{9, {0, 0}}, {10, {0, 0}}}, 2},
};

static void test_walks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(walks) / sizeof(walks[0]); i++) {
		const struct walk_case *c = &walks[i];
		struct push_walks w = {0};
		for (unsigned k = 0; k < c->steps; k++) {
			struct push_range got = push_window(&w, c->step[k].place, c->n, c->walking);
			if (got.first != c->step[k].expect.first || got.end != c->step[k].expect.end)
				fail_msg("%s: step %u: %u..%u", c->name, k, got.first, got.end);
		}
	}
}

/* Whatever is read: within the directory, after the file read, at most the largest window. */
static void test_bounds(void **state)
{
	(void)state;
	uint64_t seed = 1;
	struct push_walks w = {0};
	uint32_t last = 0;
	for (int i = 0; i < 200000; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		uint32_t n = (uint32_t)(seed >> 33) % 2000 + 1;
		uint32_t place =
			seed >> 20 & 3 ? last + (uint32_t)(seed >> 40) % 700 : (uint32_t)(seed >> 50);
		struct push_range got = push_window(&w, place, n, seed >> 19 & 1);
		last = place;
		assert_true(got.first <= got.end && got.end <= n && got.end - got.first <= PUSH_WINDOW_MAX);
		assert_true(got.end == 0 || got.first == place + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walks),
		cmocka_unit_test(test_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
