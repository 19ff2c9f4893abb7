/*
 * News: which objects went away, were replaced, or came late.
 */
#include <stdlib.h>

#include "fs/store/catalog_private.h"

void catalog_add_news(struct catalog *c, struct entry *e)
{
	struct news *n = calloc(1, sizeof(*n));

	if (!n)
		return;
	n->object = &e->o;
	if (e->slot != CATALOG_NO_SLOT && !catalog_refresh_part(&c->slot[e->slot])) {
		n->part = part_ref(c->slot[e->slot].part);
		n->place = e->place;
	}
	n->next = c->news;
	c->news = n;
}

void catalog_add_arrival(struct catalog *c, struct entry *e)
{
	struct news *n = e->late ? calloc(1, sizeof(*n)) : NULL;

	if (!n)
		return;
	e->late = false;
	*n = (struct news){.next = c->news, .object = &e->o, .arrived = true};
	c->news = n;
}

struct news *catalog_take_news(struct catalog *c)
{
	struct news *n;

	pthread_mutex_lock(&c->lock);
	n = c->news;
	c->news = NULL;
	pthread_mutex_unlock(&c->lock);
	return n;
}

void news_free(struct news *n)
{
	while (n) {
		struct news *next = n->next;

		part_unref(n->part);
		free(n);
		n = next;
	}
}
