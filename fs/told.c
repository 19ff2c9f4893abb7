/*
 * A table of fixed size: of two directories that meet in one place the later one stays, and the other is
 * given once more.
 */
#include "fs/told.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define PLACES 16384 /* directories, a power of 2: 384 KiB */

struct place {
	uint64_t node, serial, since;
	uint64_t open_node, open_serial; /* of the handles that may add to what the kernel keeps */
	unsigned open;
};

struct told {
	_Atomic uint64_t forgotten;
	pthread_mutex_t lock;
	struct place place[PLACES];
};

static struct place *place_of(struct told *t, uint64_t node)
{
	return &t->place[node * 0x9e3779b97f4a7c15u >> 50 & (PLACES - 1)];
}

struct told *told_new(void)
{
	struct told *t = calloc(1, sizeof(*t));

	if (t)
		pthread_mutex_init(&t->lock, NULL);
	return t;
}

void told_free(struct told *t)
{
	if (t)
		pthread_mutex_destroy(&t->lock);
	free(t);
}

/* ---- handles ---- */

bool told_open(struct told *t, uint64_t node, uint64_t serial)
{
	struct place *p = place_of(t, node);
	bool may;

	pthread_mutex_lock(&t->lock);
	may = serial && (!p->open || (p->open_node == node && p->open_serial == serial));
	if (may) {
		p->open_node = node;
		p->open_serial = serial;
		p->open++;
	}
	pthread_mutex_unlock(&t->lock);
	return may;
}

void told_close(struct told *t, uint64_t node)
{
	pthread_mutex_lock(&t->lock);
	place_of(t, node)->open--;
	pthread_mutex_unlock(&t->lock);
}

/* ---- listings ---- */

uint64_t told_now(struct told *t)
{
	return atomic_load(&t->forgotten);
}

void told_all(struct told *t, uint64_t node, uint64_t serial, uint64_t since)
{
	struct place *p = place_of(t, node);

	pthread_mutex_lock(&t->lock);
	p->node = node;
	p->serial = serial;
	p->since = since;
	pthread_mutex_unlock(&t->lock);
}

bool told_holds(struct told *t, uint64_t node, uint64_t serial)
{
	struct place p;

	pthread_mutex_lock(&t->lock);
	p = *place_of(t, node);
	pthread_mutex_unlock(&t->lock);
	return serial && p.node == node && p.serial == serial && p.since == told_now(t);
}

void told_check(struct told *t, bool (*stale)(void *arg, uint64_t node, uint64_t serial), void *arg)
{
	for (size_t i = 0; i < PLACES; i++) {
		struct place p;

		pthread_mutex_lock(&t->lock);
		p = t->place[i];
		pthread_mutex_unlock(&t->lock);
		if (!p.serial || !stale(arg, p.node, p.serial))
			continue;
		pthread_mutex_lock(&t->lock);
		if (t->place[i].node == p.node && t->place[i].serial == p.serial)
			t->place[i].serial = 0;
		pthread_mutex_unlock(&t->lock);
	}
}

void told_forgotten(struct told *t)
{
	atomic_fetch_add(&t->forgotten, 1);
}

void told_missed(struct told *t, uint64_t node)
{
	struct place *p = place_of(t, node);

	pthread_mutex_lock(&t->lock);
	if (p->node == node)
		p->serial = 0;
	pthread_mutex_unlock(&t->lock);
}
