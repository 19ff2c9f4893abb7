/*
 * Parked calls. Each remembers how many wakes there had been when it was last asked; a pass asks those whose
 * number is older than that of the pass. Passes are at least PASS_NS apart: while an index is being built
 * there are thousands of wakes a second and most of them change nothing for most calls.
 *
 * Interrupts. libfuse calls interrupted() with the request's own lock held and a reference on it, while any
 * other thread may be answering the same request. So the callback is given the park, which outlives all
 * requests, and looks for the request in the list under the park's lock: whoever takes a call off the list
 * answers it, and nobody else does. As libfuse holds a reference, the pointer that is compared cannot have
 * been freed and used again.
 *
 * Lock order: libfuse's request lock, then the park's, then libfuse's session lock (fuse_req_interrupted()).
 * Nothing is asked or answered while the park's lock is held.
 */
#include "fs/park.h"
#include "fs/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define THREADS 2 /* so that one long listing does not hold up all others */
#define PASS_NS 5000000
#define TICK_NS 250000000 /* how often timeouts are looked at */
#define TOLD    16

struct parked {
	TAILQ_ENTRY(parked) link;
	struct call call;
	char *name;
	uint64_t asked; /* wakes when it was last asked */
	int64_t since;  /* monotonic ns: when it was parked */
	bool asking;    /* it is in that list */
};

TAILQ_HEAD(parked_list, parked);

/* A read that timed out. The kernel tries a failed read again, page by page, and each try would wait anew. */
struct told {
	uint64_t node;
	int64_t at; /* monotonic ns */
};

struct park {
	const struct park_ops *ops;
	void *arg;
	int64_t timeout; /* ns */
	_Atomic uint64_t wakes;
	atomic_size_t count; /* those in the list and those being asked */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_cond_t left; /* a call is in no list any more */
	struct parked_list list, asking;
	uint64_t pass; /* wakes when the present pass began */
	int64_t pass_at, tick_at;
	bool stopping;
	struct told told[TOLD];
	unsigned n_told; /* ever */

	pthread_t thread[THREADS];
	unsigned threads;
};

static void parked_free(struct parked *c)
{
	if (c == NULL)
		return;
	free(c->name);
	free(c);
}

static struct parked *parked_new(const struct call *call, uint64_t asked)
{
	struct parked *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->call = *call;
	c->asked = asked;
	c->since = clock_now();
	if (call->name != NULL) {
		c->name = strdup(call->name);
		if (c->name == NULL) {
			parked_free(c);
			return NULL;
		}
		c->call.name = c->name;
	}
	return c;
}

/* The lock is held. It is not being asked any more. */
static void take_back(struct park *p, struct parked *c)
{
	if (c->asking)
		TAILQ_REMOVE(&p->asking, c, link);
	c->asking = false;
	pthread_cond_broadcast(&p->left);
}

/* Ends a call that is in no list. */
static void fail(struct park *p, struct parked *c, int error)
{
	p->ops->fail(p->arg, &c->call, error);
	atomic_fetch_sub(&p->count, 1);
	parked_free(c);
}

static void fail_all(struct park *p, struct parked_list *list, int error)
{
	struct parked *c;
	while ((c = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, c, link);
		fail(p, c, error);
	}
}

/* The lock is held. Whether it was told within the last second that it timed out. */
static bool was_told(const struct park *p, const struct parked *c)
{
	bool was = false;
	for (unsigned i = 0; c->call.op == CALL_READ && i < TOLD && i < p->n_told; i++) {
		int64_t since = c->since - p->told[i].at;
		was |= p->told[i].node == c->call.node && since >= 0 && since < CLOCK_SECOND;
	}
	return was;
}

/* Puts a call on the list, unless it has to end now. */
static void put(struct park *p, struct parked *c)
{
	pthread_mutex_lock(&p->lock);
	take_back(p, c);
	int error = p->stopping                         ? EIO
		    : fuse_req_interrupted(c->call.req) ? EINTR
		    : was_told(p, c)                    ? ETIMEDOUT
							: 0;
	if (error == 0) {
		TAILQ_INSERT_TAIL(&p->list, c, link);
		pthread_cond_signal(&p->changed);
	}
	pthread_mutex_unlock(&p->lock);
	if (error != 0)
		fail(p, c, error);
}

static void interrupted(fuse_req_t req, void *arg)
{
	struct park *p = arg;
	struct parked *c;
	pthread_mutex_lock(&p->lock);
	TAILQ_FOREACH(c, &p->list, link)
	if (c->call.req == req)
		break;
	if (c != NULL) {
		TAILQ_REMOVE(&p->list, c, link);
		pthread_cond_broadcast(&p->left);
	}
	pthread_mutex_unlock(&p->lock);
	/* Not there: it is being asked this moment, and put() will see that it was interrupted. */
	if (c != NULL)
		fail(p, c, EINTR);
}

/* The lock is held. */
static struct parked *first_due(struct park *p, int64_t now)
{
	uint64_t wakes = atomic_load(&p->wakes);
	if (wakes != p->pass && now >= p->pass_at + PASS_NS) {
		p->pass = wakes;
		p->pass_at = now;
	}
	struct parked *c;
	TAILQ_FOREACH(c, &p->list, link)
	if ((int64_t)(p->pass - c->asked) > 0)
		return c;
	return NULL;
}

static void ask_again(struct park *p, struct parked *c)
{
	c->asked = atomic_load(&p->wakes);
	if (p->ops->ask(p->arg, &c->call) == -EAGAIN) {
		put(p, c);
		return;
	}
	pthread_mutex_lock(&p->lock);
	take_back(p, c);
	pthread_mutex_unlock(&p->lock);
	atomic_fetch_sub(&p->count, 1);
	parked_free(c);
}

static void fail_overdue(struct park *p, int64_t now)
{
	struct parked_list overdue = TAILQ_HEAD_INITIALIZER(overdue);
	int64_t progress = p->ops->progress_at(p->arg);
	struct parked *c, *next;
	pthread_mutex_lock(&p->lock);
	for (c = TAILQ_FIRST(&p->list); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		int64_t moved = progress > c->since ? progress : c->since;
		if (now - moved < p->timeout)
			continue;
		TAILQ_REMOVE(&p->list, c, link);
		TAILQ_INSERT_TAIL(&overdue, c, link);
		if (c->call.op == CALL_READ)
			p->told[p->n_told++ % TOLD] = (struct told){c->call.node, now};
	}
	pthread_cond_broadcast(&p->left);
	pthread_mutex_unlock(&p->lock);
	fail_all(p, &overdue, ETIMEDOUT);
}

/* The lock is held. */
static void wait_for_work(struct park *p)
{
	if (TAILQ_EMPTY(&p->list)) {
		pthread_cond_wait(&p->changed, &p->lock);
		return;
	}
	int64_t until = p->tick_at;
	if (atomic_load(&p->wakes) != p->pass && p->pass_at + PASS_NS < until)
		until = p->pass_at + PASS_NS;
	clock_wait(&p->changed, &p->lock, until);
}

static void *answer(void *arg)
{
	struct park *p = arg;
	pthread_mutex_lock(&p->lock);
	while (!p->stopping) {
		int64_t now = clock_now();
		struct parked *c = first_due(p, now);
		if (c != NULL) {
			TAILQ_REMOVE(&p->list, c, link);
			TAILQ_INSERT_TAIL(&p->asking, c, link);
			c->asking = true;
			pthread_mutex_unlock(&p->lock);
			ask_again(p, c);
			pthread_mutex_lock(&p->lock);
		} else if (!TAILQ_EMPTY(&p->list) && now >= p->tick_at) {
			p->tick_at = now + TICK_NS;
			pthread_mutex_unlock(&p->lock);
			fail_overdue(p, now);
			pthread_mutex_lock(&p->lock);
		} else {
			wait_for_work(p);
		}
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int park_new(const struct park_ops *ops, void *arg, unsigned timeout, struct park **ret)
{
	struct park *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->ops = ops;
	p->arg = arg;
	p->timeout = timeout * CLOCK_SECOND;
	TAILQ_INIT(&p->list);
	TAILQ_INIT(&p->asking);
	pthread_mutex_init(&p->lock, NULL);
	clock_cond_init(&p->changed);
	clock_cond_init(&p->left);
	*ret = p;
	return 0;
}

int park_start(struct park *p)
{
	for (; p->threads < THREADS; p->threads++) {
		int error = pthread_create(&p->thread[p->threads], NULL, answer, p);
		if (error != 0)
			return -error;
	}
	return 0;
}

void park_free(struct park *p)
{
	if (p == NULL)
		return;
	park_stop(p);
	for (unsigned i = 0; i < p->threads; i++)
		pthread_join(p->thread[i], NULL);
	pthread_cond_destroy(&p->changed);
	pthread_cond_destroy(&p->left);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

uint64_t park_wakes(struct park *p)
{
	return atomic_load(&p->wakes);
}

void park_call(struct park *p, const struct call *call, uint64_t asked)
{
	struct parked *c = parked_new(call, asked);
	if (c == NULL) {
		p->ops->fail(p->arg, call, ENOMEM);
		return;
	}
	atomic_fetch_add(&p->count, 1);
	/* Before it is on the list: libfuse may call back within, and then still needs the request. */
	fuse_req_interrupt_func(call->req, interrupted, p);
	put(p, c);
}

void park_wake(struct park *p)
{
	atomic_fetch_add(&p->wakes, 1);
	if (atomic_load(&p->count) == 0)
		return;
	pthread_mutex_lock(&p->lock);
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

void park_stop(struct park *p)
{
	struct parked_list all = TAILQ_HEAD_INITIALIZER(all);
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	TAILQ_CONCAT(&all, &p->list, link);
	pthread_cond_broadcast(&p->changed);
	pthread_cond_broadcast(&p->left);
	pthread_mutex_unlock(&p->lock);
	fail_all(p, &all, EIO);
}

/* Those for which the kernel has a directory locked. */
static bool locks(const struct parked_list *list, uint64_t dir)
{
	const struct parked *c;
	TAILQ_FOREACH(c, list, link)
	if (c->call.node == dir && (c->call.op == CALL_LOOKUP || c->call.op == CALL_READDIR))
		return true;
	return false;
}

void park_await_unlocked(struct park *p, uint64_t dir)
{
	int64_t until = clock_now() + p->timeout;
	int error = 0;
	pthread_mutex_lock(&p->lock);
	while (error == 0 && !p->stopping && (locks(&p->list, dir) || locks(&p->asking, dir)))
		error = clock_wait(&p->left, &p->lock, until);
	pthread_mutex_unlock(&p->lock);
}

size_t park_count(struct park *p)
{
	return atomic_load(&p->count);
}
