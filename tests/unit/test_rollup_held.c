/*
 * What rollups hold: no more bytes, and no more plans, than they may, but for what somebody waits for; and
 * whatever is held, what is read is the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "fs/rollup_state.h"
#include "tests/unit/rollup_kit.h"

#define ROOM  (4u << 20) /* two chunks */
#define STEP  131072
#define KEYS  40
#define PLANS 5 /* that there is to be room for */

/* ---- what is held ---- */

static size_t chunks_held(struct world *w)
{
	struct rollups *r = w->stack.rollups;
	const struct chunk *c;
	size_t bytes = 0;

	pthread_mutex_lock(&r->lock);
	TAILQ_FOREACH(c, &r->chunks, in_use)
	bytes += c->blob ? blob_len(c->blob) : 0;
	pthread_mutex_unlock(&r->lock);
	return bytes;
}

static size_t plans_held(struct world *w, size_t *ret_n)
{
	struct rollups *r = w->stack.rollups;
	const struct version *v;
	size_t bytes = 0;

	*ret_n = 0;
	pthread_mutex_lock(&r->lock);
	TAILQ_FOREACH(v, &r->use, in_use)
	{
		bytes += plan_bytes(v->plan);
		++*ret_n;
	}
	pthread_mutex_unlock(&r->lock);
	return bytes;
}

/* ---- chunks ---- */

static void make_large(struct world *w)
{
	begin(w);
	for (int i = 0; i < 10; i++) {
		char name[32];

		snprintf(name, sizeof(name), "log%02d.jsonl", i);
		write_events(w, name, DAY0 + i, 200, 20000);
	}
}

/* Reads all of it, in steps; the most that was held after one of them. */
static size_t read_in_steps(struct world *w, enum rollup_what what, const struct buf *want)
{
	struct rollup_is is;
	size_t most = 0, held;

	assert_int_equal(find(w, key_of(what), &is), 0);
	assert_int_equal(is.size, want->len);
	for (uint64_t at = 0; at < want->len; at += STEP) {
		check_piece(w, is.id, want, at, STEP);
		held = chunks_held(w);
		most = held > most ? held : most;
	}
	return most;
}

/* What was read to its end goes first; what was not yet may cost as much again. */
static void read_with_and_without_room(enum rollup_what what)
{
	struct world w;
	struct buf want;

	make_large(&w);
	want = expect(&w, what, NULL, INT32_MIN, INT32_MAX);
	assert_true(want.len > 4 * ROOM);
	start(&w);
	assert_true(read_in_steps(&w, what, &want) > 2 * ROOM);
	stop(&w);
	start_holding(&w, ROOM);
	assert_true(read_in_steps(&w, what, &want) <= 2 * ROOM);
	buf_clear(&want);
	end(&w);
}

static void no_more_is_held_than_may_be(void **state)
{
	(void)state;
	read_with_and_without_room(ROLLUP_JSONL);
	read_with_and_without_room(ROLLUP_JSON);
}

/* Where nothing may be held, there is what is being read. */
static void nothing_may_be_held(void **state)
{
	struct world w;
	struct rollup_is is;
	struct buf want;

	(void)state;
	make_large(&w);
	start_holding(&w, 0);
	want = expect(&w, ROLLUP_JSONL, NULL, INT32_MIN, INT32_MAX);
	assert_true(read_in_steps(&w, ROLLUP_JSONL, &want) <= ROOM);
	assert_int_equal(find(&w, key_of(ROLLUP_JSONL), &is), 0);
	check_piece(&w, is.id, &want, 0, want.len); /* all chunks at once */
	check_whole(&w, is.id, &want, 5000003);
	for (int i = 0; i < 20; i++)
		check_piece(&w, is.id, &want, draw(&w, want.len), draw(&w, 6u << 20));
	buf_clear(&want);
	end(&w);
}

/* The bytes of a chunk, ref'd; it is read neither to its end nor to its beginning. */
static struct blob *read_middle(struct world *w, uint64_t id, uint64_t middle)
{
	int64_t late = changes_end();
	struct blob *blob;
	const char *data;
	char *own;
	size_t n;
	int err;

	while ((err = rollup_read(w->stack.rollups, id, middle, 100, &data, &n, &blob, &own)) == -EAGAIN)
		wait_some(w, late);
	assert_int_equal(err, 0);
	assert_int_equal(n, 100);
	assert_non_null(blob);
	return blob;
}

/* Where a chunk begins, of the only rollup there is. */
static uint64_t start_of(struct world *w, size_t chunk)
{
	struct rollups *r = w->stack.rollups;
	uint64_t start;

	pthread_mutex_lock(&r->lock);
	assert_true(chunk < r->slot[0]->current->plan->n_chunks);
	start = r->slot[0]->current->plan->start[chunk];
	pthread_mutex_unlock(&r->lock);
	return start;
}

/* A read over the border of two chunks, one of which was read from before: that one is not made again, though
 * there is room for neither. */
static void what_is_there_stays_until_the_rest_has_come(void **state)
{
	struct world w;
	struct rollup_is is;
	struct buf want;

	(void)state;
	make_large(&w);
	start_holding(&w, 0);
	want = expect(&w, ROLLUP_JSONL, NULL, INT32_MIN, INT32_MAX);
	assert_int_equal(find(&w, key_of(ROLLUP_JSONL), &is), 0);
	for (size_t chunk = 1; chunk < 7; chunk += 3) { /* not those that are made ahead */
		struct blob *before = read_middle(&w, is.id, start_of(&w, chunk) + 1000), *after;

		check_piece(&w, is.id, &want, start_of(&w, chunk + 1) - 1000, 2000);
		after = read_middle(&w, is.id, start_of(&w, chunk) + 1000);
		assert_ptr_equal(after, before);
		blob_unref(after);
		blob_unref(before);
	}
	buf_clear(&want);
	end(&w);
}

/* ---- plans ---- */

/* Asks for the rollup of many directories; the most that plans have held after one of them. */
static size_t ask_many(struct world *w, struct rollup_is is[KEYS], size_t *ret_n)
{
	struct rollup_key key = key_of(ROLLUP_JSONL);
	size_t most = 0, held;

	for (int i = 0; i < KEYS; i++) {
		key.dir = 100 + (uint64_t)i;
		assert_int_equal(find(w, key, &is[i]), 0);
		held = plans_held(w, ret_n);
		most = held > most ? held : most;
	}
	return most;
}

static void no_more_plans_are_held_than_may_be(void **state)
{
	struct world w;
	struct rollup_is is[KEYS];
	struct buf want;
	size_t all, n, room;

	(void)state;
	make_few(&w);
	want = expect(&w, ROLLUP_JSONL, NULL, INT32_MIN, INT32_MAX);
	all = ask_many(&w, is, &n);
	assert_int_equal(n, KEYS);
	stop(&w);
	room = all / KEYS * PLANS;
	start_holding(&w, room);
	assert_true(ask_many(&w, is, &n) <= room);
	assert_int_equal(n, PLANS);
	/* What is forgotten is made again, and the same. */
	for (int i = 0; i < KEYS; i++) {
		assert_int_equal(is[i].size, want.len);
		check_whole(&w, is[i].id, &want, 100);
		assert_true(plans_held(&w, &n) <= room);
	}
	stop(&w);
	start_holding(&w, 0); /* then there is the one that was asked for last */
	ask_many(&w, is, &n);
	assert_int_equal(n, 1);
	for (int i = 0; i < KEYS; i++)
		check_whole(&w, is[i].id, &want, 100);
	buf_clear(&want);
	end(&w);
}

/* ---- no bound ---- */

static void more_room_than_it_takes_changes_nothing(void **state)
{
	static const size_t room[] = {ROLLUP_PLAN_BYTES_MAX, (size_t)ROLLUP_PLAN_BYTES_MAX + 1, SIZE_MAX};
	struct world w;

	(void)state;
	make_few(&w);
	for (size_t i = 0; i < sizeof(room) / sizeof(*room); i++) {
		stop(&w);
		start_holding(&w, room[i]);
		assert_int_equal(w.stack.rollups->held_max, ROLLUP_HELD_MAX);
		assert_int_equal(w.stack.rollups->plan_bytes_max, ROLLUP_PLAN_BYTES_MAX);
		check_rollup(&w, key_of(ROLLUP_JSONL), NULL);
	}
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_more_is_held_than_may_be),
		cmocka_unit_test(nothing_may_be_held),
		cmocka_unit_test(what_is_there_stays_until_the_rest_has_come),
		cmocka_unit_test(no_more_plans_are_held_than_may_be),
		cmocka_unit_test(more_room_than_it_takes_changes_nothing),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
