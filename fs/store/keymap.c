/*
 * Cells in a power-of-two table, at most two thirds used. A removed cell keeps its place so that probes go on
 * past it, until the table is made anew.
 */
#include "fs/store/keymap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define FREE    KEYMAP_NONE
#define REMOVED (KEYMAP_NONE - 1)

static void put_cell(struct keymap *m, uint64_t hash, uint64_t item)
{
	size_t i = hash & (m->cap - 1);

	while (m->cell[i].item != FREE)
		i = (i + 1) & (m->cap - 1);
	m->cell[i] = (struct keymap_cell){hash, item};
	m->used++;
}

static size_t count_items(const struct keymap *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->cap; i++)
		n += m->cell[i].item < REMOVED;
	return n;
}

/* A table that is full of removed cells keeps its size: what comes and goes must not make it grow for ever.
 */
static int renew(struct keymap *m)
{
	struct keymap old = *m;
	size_t cap = !old.cap ? 1024 : count_items(m) > old.cap / 3 ? old.cap * 2 : old.cap;

	m->cell = malloc(cap * sizeof(*m->cell));
	if (!m->cell) {
		*m = old;
		return -ENOMEM;
	}
	m->cap = cap;
	m->used = 0;
	for (size_t i = 0; i < cap; i++)
		m->cell[i] = (struct keymap_cell){0, FREE};
	for (size_t i = 0; i < old.cap; i++)
		if (old.cell[i].item < REMOVED)
			put_cell(m, old.cell[i].hash, old.cell[i].item);
	free(old.cell);
	return 0;
}

void keymap_clear(struct keymap *m)
{
	free(m->cell);
	*m = (struct keymap){0};
}

uint64_t keymap_hash(const char *key)
{
	return XXH3_64bits(key, strlen(key));
}

uint64_t keymap_next(const struct keymap *m, uint64_t hash, size_t *at)
{
	for (; *at < m->cap; (*at)++) {
		const struct keymap_cell *cell = &m->cell[(hash + *at) & (m->cap - 1)];

		if (cell->item == FREE)
			break;
		if (cell->item == REMOVED || cell->hash != hash)
			continue;
		(*at)++;
		return cell->item;
	}
	return KEYMAP_NONE;
}

int keymap_put(struct keymap *m, uint64_t hash, uint64_t item)
{
	if (m->used >= m->cap / 3 * 2 && renew(m))
		return -ENOMEM;
	put_cell(m, hash, item);
	return 0;
}

void keymap_remove(struct keymap *m, uint64_t hash, uint64_t item)
{
	for (size_t i = 0; i < m->cap; i++) {
		struct keymap_cell *cell = &m->cell[(hash + i) & (m->cap - 1)];

		if (cell->item == FREE)
			return;
		if (cell->hash == hash && cell->item == item) {
			cell->item = REMOVED;
			return;
		}
	}
}
