/*
 * Parked calls: who waits for them to leave a directory. How they end is for tests/mount/wait.sh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "fs/clock.h"
#include "fs/park.h"

#define TIMEOUT 600 /* seconds: a test that comes to it has failed */
#define DIR     5
#define SOON    20000 /* us: so long an answer takes to come that is waited for */

/* In place of libfuse's: nobody interrupts. */
int fuse_req_interrupted(fuse_req_t req)
{
	(void)req;
	return 0;
}

void fuse_req_interrupt_func(fuse_req_t req, fuse_interrupt_func_t func, void *data)
{
	(void)req;
	(void)func;
	(void)data;
}

static struct {
	struct park *park;
	atomic_bool there; /* what the calls wait for */
	atomic_int failed;
} t;

static int ask(void *arg, const struct call *call)
{
	(void)arg;
	(void)call;
	return atomic_load(&t.there) ? 0 : -EAGAIN;
}

static void fail_call(void *arg, const struct call *call, int error)
{
	(void)arg;
	(void)call;
	atomic_store(&t.failed, error);
}

static int64_t progress_at(void *arg)
{
	(void)arg;
	return clock_now();
}

static int begin(void **state)
{
	static const struct park_ops ops = {.ask = ask, .fail = fail_call, .progress_at = progress_at};

	(void)state;
	atomic_store(&t.there, false);
	atomic_store(&t.failed, 0);
	assert_int_equal(park_new(&ops, NULL, TIMEOUT, &t.park), 0);
	assert_int_equal(park_start(t.park), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	park_free(t.park);
	return 0;
}

static void park_one(enum call_op op, uint64_t node)
{
	const struct call call = {.op = op, .node = node};

	park_call(t.park, &call, park_wakes(t.park));
}

static void *let_go(void *arg)
{
	(void)arg;
	usleep(SOON);
	atomic_store(&t.there, true);
	park_wake(t.park);
	return NULL;
}

static void *stop(void *arg)
{
	(void)arg;
	usleep(SOON);
	atomic_store(&t.there, true);
	park_stop(t.park);
	return NULL;
}

static void wait_while(void *(*act)(void *arg))
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, act, NULL), 0);
	park_await_unlocked(t.park, DIR);
	assert_true(atomic_load(&t.there));
	pthread_join(thread, NULL);
}

static void a_lookup_is_waited_for(void **state)
{
	(void)state;
	park_one(CALL_LOOKUP, DIR);
	wait_while(let_go);
	assert_int_equal(atomic_load(&t.failed), 0);
}

static void a_listing_is_waited_for(void **state)
{
	(void)state;
	park_one(CALL_LOOKUP, DIR + 1);
	park_one(CALL_READDIR, DIR);
	wait_while(let_go);
}

static void the_end_is_not_waited_for(void **state)
{
	(void)state;
	park_one(CALL_LOOKUP, DIR);
	wait_while(stop);
	assert_int_equal(atomic_load(&t.failed), EIO);
	assert_int_equal(park_count(t.park), 0);
}

/* The kernel has other directories locked, or this one not. */
static void others_are_not_waited_for(void **state)
{
	(void)state;
	park_await_unlocked(t.park, DIR);
	park_one(CALL_LOOKUP, DIR + 1);
	park_one(CALL_READDIR, DIR - 1);
	park_one(CALL_READ, DIR);
	park_await_unlocked(t.park, DIR);
	assert_int_equal(park_count(t.park), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_lookup_is_waited_for, begin, end),
		cmocka_unit_test_setup_teardown(a_listing_is_waited_for, begin, end),
		cmocka_unit_test_setup_teardown(the_end_is_not_waited_for, begin, end),
		cmocka_unit_test_setup_teardown(others_are_not_waited_for, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
