/*
 * Segments that become one, and segments that nobody needs. Other mounts may use the same files, so a file
 * only goes when what it holds is in another file, or is known to be no more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/store/catalog_private.h"
#include "fs/store/segment_build.h"

#define MERGED_BYTES_MAX (256u << 20) /* of segments that become one */

/* ---- merging ---- */

/*
 * Whether nothing is lost with an object that a segment holds and that is not bound to it. It is not needed
 * when it is present and bound to another segment's file, or when a whole listing that began after the
 * segment came did not show it: it is another one now, or gone. What this mount does not admit, another one
 * may.
 */
static bool unneeded(struct catalog *c, const struct slot *s, const struct segment_object *o)
{
	struct key_info info = key_parse(o->key);
	const struct entry *e = catalog_by_key(c, o->key);

	if (e && catalog_same(&e->o.at, o))
		return e->slot != CATALOG_NO_SLOT && (c->slot[e->slot].name[0] || !s->name[0]);
	if (s->since >= c->listed_all || (c->filter && !source_filter_admits(c->filter, &info)))
		return false;
	for (size_t i = 0; i < c->n_problems; i++)
		if (catalog_is_below(o->key, &c->problem[i]))
			return false;
	return true;
}

/* Whether the file may go once its live objects are elsewhere. */
static bool disposable(struct catalog *c, const struct slot *s)
{
	for (uint32_t i = 0; i < segment_objects(s->seg); i++) {
		struct segment_object o;

		if (s->object[i] != CATALOG_NO_OBJECT)
			continue;
		o = segment_object(s->seg, i);
		if (!unneeded(c, s, &o))
			return false;
	}
	return true;
}

struct candidate {
	int32_t day;
	uint32_t rows, slot;
	size_t bytes;
};

static int candidate_order(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->day != y->day)
		return x->day < y->day ? -1 : 1;
	return x->rows < y->rows ? -1 : x->rows > y->rows;
}

/*
 * Of one day's segments, by size: those from the first one on, as long as the next is at most twice what is
 * there already. So a row is copied a logarithmic number of times, however many small segments arrive. What
 * would be too large to build in memory stays as it is.
 */
static size_t worth(const struct candidate *x, size_t n, uint64_t memory)
{
	uint64_t sum = 0, bytes = 0;
	size_t i;

	for (i = 0; i < n && x[i].day == x[0].day; i++) {
		if (i && x[i].rows > sum * 2 + 1024)
			break;
		sum += x[i].rows;
		bytes += x[i].bytes;
		if (bytes > MERGED_BYTES_MAX || sum * SEGMENT_ROW_MEMORY + bytes * 2 > memory)
			break;
	}
	return i > 1 ? i : 0;
}

static size_t list_candidates(struct catalog *c, struct candidate *x)
{
	size_t n = 0;

	for (uint32_t i = 0; i < c->n_slots; i++) {
		struct slot *s = &c->slot[i];

		if (s->seg && s->live && disposable(c, s))
			x[n++] = (struct candidate){
				segment_key_day(s->seg), segment_rows(s->seg), i, segment_bytes(s->seg)};
	}
	qsort(x, n, sizeof(*x), candidate_order);
	return n;
}

static size_t take_candidates(struct catalog *c, const struct candidate *x, size_t n, struct part ***ret)
{
	struct part **part = calloc(n, sizeof(struct part *));

	for (size_t i = 0; part && i < n; i++) {
		if (catalog_refresh_part(&c->slot[x[i].slot])) {
			while (i)
				part_unref(part[--i]);
			free(part);
			return 0;
		}
		part[i] = part_ref(c->slot[x[i].slot].part);
	}
	*ret = part;
	return part ? n : 0;
}

size_t catalog_mergeable(struct catalog *c, uint64_t memory, struct part ***ret)
{
	struct candidate *x;
	size_t n, found = 0;

	pthread_mutex_lock(&c->lock);
	x = malloc((c->n_slots + 1) * sizeof(*x));
	n = x && c->listed ? list_candidates(c, x) : 0;
	for (size_t i = 0; i < n && !found; i++) {
		found = worth(x + i, n - i, memory);
		if (found && (queue_pending(c->logs, x[i].day, x[i].day, false) ||
				     queue_pending(c->others, x[i].day, x[i].day, false)))
			found = 0;
		if (found)
			found = take_candidates(c, x + i, found, ret);
	}
	pthread_mutex_unlock(&c->lock);
	free(x);
	return found;
}

static uint32_t slot_of(struct catalog *c, const struct part *p)
{
	for (uint32_t i = 0; i < c->n_slots; i++)
		if (c->slot[i].seg && c->slot[i].part == p && !c->slot[i].dirty)
			return i;
	return CATALOG_NO_SLOT;
}

/* Moves the objects of the new slot over from the old ones. */
static void move_objects(struct catalog *c, uint32_t slot)
{
	struct segment *seg = c->slot[slot].seg;

	for (uint32_t i = 0; i < segment_objects(seg); i++) {
		struct segment_object o = segment_object(seg, i);
		struct entry *e = catalog_by_key(c, o.key);

		if (!e || e->slot == CATALOG_NO_SLOT || !catalog_same(&e->o.at, &o))
			continue;
		catalog_unbind(c, e);
		catalog_bind(c, e, slot, i);
	}
}

/* The slots of parts that are to be replaced. -ESTALE: they are not what they were, or are needed still. */
static int find_replaced(struct catalog *c, struct part *const *old, size_t n, uint32_t *slot)
{
	for (size_t i = 0; i < n; i++) {
		slot[i] = slot_of(c, old[i]);
		if (slot[i] == CATALOG_NO_SLOT || !disposable(c, &c->slot[slot[i]]))
			return -ESTALE;
	}
	return 0;
}

int catalog_replace(struct catalog *c, struct part *const *old, size_t n, struct segment *seg,
	const char *name, void (*dropped)(void *arg, const char *name), void *arg)
{
	uint32_t *replaced = malloc(n * sizeof(*replaced)), slot;
	int err = replaced ? 0 : -ENOMEM;

	pthread_mutex_lock(&c->lock);
	if (err)
		segment_unref(seg);
	else
		err = catalog_add_slot(c, seg, name, &slot);
	if (!err) {
		err = find_replaced(c, old, n, replaced);
		if (!err) {
			move_objects(c, slot);
			for (size_t i = 0; i < n; i++)
				catalog_clear_slot(c, replaced[i]);
		} else if (!name[0]) {
			catalog_clear_slot(c, slot);
		}
	}
	pthread_mutex_unlock(&c->lock);
	free(replaced);
	for (size_t i = 0; i < n && !err; i++)
		if (old[i]->name[0])
			dropped(arg, old[i]->name);
	/* Whoever holds a snapshot is to let the old segments go. */
	if (!err && c->changed)
		c->changed(c->changed_arg);
	return err;
}

/* ---- sweeping ---- */

static bool to_sweep(struct catalog *c, const struct slot *s)
{
	return s->seg && !s->live && (!s->name[0] || disposable(c, s));
}

bool catalog_sweepable(struct catalog *c, int32_t *day)
{
	int32_t first = 0;
	bool found = false;

	pthread_mutex_lock(&c->lock);
	for (uint32_t i = 0; c->listed && i < c->n_slots; i++) {
		const struct slot *s = &c->slot[i];

		if (!to_sweep(c, s) || segment_key_day(s->seg) < *day ||
			(found && segment_key_day(s->seg) >= first))
			continue;
		first = segment_key_day(s->seg);
		found = true;
	}
	pthread_mutex_unlock(&c->lock);
	if (found)
		*day = first;
	return found;
}

void catalog_sweep(struct catalog *c, int32_t day, void (*dropped)(void *arg, const char *name), void *arg)
{
	char(*name)[32];
	size_t n = 0;

	pthread_mutex_lock(&c->lock);
	name = calloc(c->n_slots + 1, sizeof(*name));
	for (uint32_t i = 0; name && c->listed && i < c->n_slots; i++) {
		struct slot *s = &c->slot[i];

		if (!s->seg || segment_key_day(s->seg) != day || !to_sweep(c, s))
			continue;
		memcpy(name[n++], s->name, sizeof(s->name));
		catalog_clear_slot(c, i);
	}
	pthread_mutex_unlock(&c->lock);
	for (size_t i = 0; i < n; i++)
		if (name[i][0])
			dropped(arg, name[i]);
	free(name);
}
