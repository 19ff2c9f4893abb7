/*
 * A hash table, whose size is fixed as that of all that is kept is, and a list in order of use for each kind.
 */
#include "fs/store/entries.h"

#include <stdlib.h>
#include <string.h>

#define ENTRY_COST 512                 /* bytes that an entry costs besides its blob, about */
#define MAPPED_MAX ((uint64_t)4 << 30) /* bytes of blobs in files, of each kind */

static size_t bucket_of(uint32_t number, uint64_t form)
{
	uint64_t h = (number * 0x9e3779b97f4a7c15u) ^ (form * 0xc2b2ae3d27d4eb4fu);

	return (h ^ h >> 32) % ENTRIES_BUCKETS;
}

static uint64_t held_of(const struct entry *e)
{
	return e->blob ? blob_held(e->blob) : 0;
}

static uint64_t mapped_of(const struct entry *e)
{
	return e->blob && blob_held(e->blob) == 0 ? blob_len(e->blob) : 0;
}

/* Drops entries of one kind until `times` the limits are met. */
static void drop(struct entries *es, const struct entry *spare, unsigned times, bool untaken,
	struct entry_use *dropped)
{
	const struct entries_kept *k = &es->kept[spare->many];
	struct entry *e = TAILQ_LAST(&k->use, entry_use), *before;

	for (; e; e = before) {
		bool full = k->held + k->n * ENTRY_COST > k->max * times;
		bool full_mapped = k->mapped > MAPPED_MAX * times;

		if (!full && !full_mapped)
			return;
		before = TAILQ_PREV(e, entry_use, in_use);
		if (e == spare || (!untaken && !e->taken) || !(mapped_of(e) ? full_mapped : full))
			continue;
		entries_unkeep(es, e);
		LIST_REMOVE(e, in_bucket);
		TAILQ_INSERT_HEAD(dropped, e, in_use);
	}
}

static void entry_free(struct entry *e)
{
	blob_unref(e->blob);
	free(e);
}

void entries_init(struct entries *es, uint64_t max_one, uint64_t max_many)
{
	memset(es, 0, sizeof(*es));
	TAILQ_INIT(&es->kept[false].use);
	TAILQ_INIT(&es->kept[true].use);
	es->kept[false].max = max_one;
	es->kept[true].max = max_many;
	for (size_t i = 0; i < ENTRIES_BUCKETS; i++)
		LIST_INIT(&es->bucket[i]);
}

void entries_clear(struct entries *es)
{
	for (size_t i = 0; i < ENTRIES_BUCKETS; i++) {
		struct entry *e;

		while ((e = LIST_FIRST(&es->bucket[i]))) {
			LIST_REMOVE(e, in_bucket);
			entry_free(e);
		}
	}
}

struct entry *entries_find(
	const struct entries *es, uint32_t number, uint64_t form, const struct source_object *o)
{
	struct entry *e;

	LIST_FOREACH(e, &es->bucket[bucket_of(number, form)], in_bucket)
	{
		if (e->number == number && e->form == form && e->o.size == o->size &&
			e->o.mtime == o->mtime && e->o.tag == o->tag)
			return e;
	}
	return NULL;
}

struct entry *entries_add(struct entries *es, uint32_t number, uint64_t form, const struct source_object *o)
{
	size_t len = strlen(o->key);
	struct entry *e = calloc(1, sizeof(*e) + len + 1);

	if (!e)
		return NULL;
	memcpy(e->key, o->key, len);
	e->number = number;
	e->form = form;
	e->o = *o;
	e->o.key = e->key;
	LIST_INSERT_HEAD(&es->bucket[bucket_of(number, form)], e, in_bucket);
	return e;
}

void entries_keep(struct entries *es, struct entry *e)
{
	struct entries_kept *k = &es->kept[e->many];

	TAILQ_INSERT_HEAD(&k->use, e, in_use);
	k->n++;
	k->held += held_of(e);
	k->mapped += mapped_of(e);
}

void entries_unkeep(struct entries *es, struct entry *e)
{
	struct entries_kept *k = &es->kept[e->many];

	TAILQ_REMOVE(&k->use, e, in_use);
	k->n--;
	k->held -= held_of(e);
	k->mapped -= mapped_of(e);
}

void entries_touch(struct entries *es, struct entry *e)
{
	struct entries_kept *k = &es->kept[e->many];

	TAILQ_REMOVE(&k->use, e, in_use);
	TAILQ_INSERT_HEAD(&k->use, e, in_use);
}

void entries_drop(struct entries *es, const struct entry *spare, struct entry_use *dropped)
{
	drop(es, spare, 1, false, dropped);
	drop(es, spare, 2, true, dropped);
}

void entries_free(struct entry_use *dropped)
{
	struct entry *e;

	while ((e = TAILQ_FIRST(dropped))) {
		TAILQ_REMOVE(dropped, e, in_use);
		entry_free(e);
	}
}
