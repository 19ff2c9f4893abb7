/*
 * Segments: adopted from the cache, published after reading, merged. A segment on the shelf knows objects
 * that no listing has shown yet, or shows no more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/store/catalog_private.h"

static void tell(struct catalog *c)
{
	if (c->changed)
		c->changed(c->changed_arg);
}

bool catalog_same(const struct source_object *o, const struct segment_object *s)
{
	return o->size == s->size && o->mtime == s->mtime && o->tag == s->tag && !strcmp(o->key, s->key);
}

/* ---- binding ---- */

void catalog_bind(struct catalog *c, struct entry *e, uint32_t slot, uint32_t place)
{
	struct slot *s = &c->slot[slot];
	struct segment_object o = segment_object(s->seg, place);

	/* The counts look at flags and problem, but not of an object that waits. */
	if (e->state != OBJECT_WAITING)
		catalog_set(c, e, OBJECT_WAITING);
	e->slot = slot;
	e->place = place;
	e->inflated = o.inflated;
	e->flags = o.flags;
	if (o.flags & SEGMENT_DAMAGED)
		catalog_set_problem(e, o.flags & SEGMENT_DENIED ? -EACCES : -EIO, o.problem);
	catalog_set(c, e, OBJECT_READY);
	s->object[place] = e->o.number;
	s->live++;
	s->dirty = true;
	catalog_dirty(c);
}

void catalog_unbind(struct catalog *c, struct entry *e)
{
	struct slot *s;

	if (e->slot == CATALOG_NO_SLOT)
		return;
	s = &c->slot[e->slot];
	s->object[e->place] = CATALOG_NO_OBJECT;
	s->live--;
	s->dirty = true;
	e->slot = CATALOG_NO_SLOT;
	catalog_dirty(c);
}

bool catalog_from_shelf(struct catalog *c, struct entry *e)
{
	uint64_t hash = keymap_hash(e->o.at.key), item;
	size_t at = 0;

	while ((item = keymap_next(&c->shelf, hash, &at)) != KEYMAP_NONE) {
		uint32_t slot = (uint32_t)(item >> 32), place = (uint32_t)item;
		struct segment_object o = segment_object(c->slot[slot].seg, place);

		if (!catalog_same(&e->o.at, &o))
			continue;
		catalog_bind(c, e, slot, place);
		return true;
	}
	return false;
}

/* ---- slots ---- */

static int free_slot(struct catalog *c, uint32_t *ret)
{
	struct slot *more;

	for (uint32_t i = 0; i < c->n_slots; i++)
		if (!c->slot[i].seg) {
			*ret = i;
			return 0;
		}
	if (c->n_slots == c->cap_slots) {
		uint32_t cap = c->cap_slots ? c->cap_slots * 2 : 64;

		more = reallocarray(c->slot, cap, sizeof(*more));
		if (!more)
			return -ENOMEM;
		c->slot = more;
		c->cap_slots = cap;
	}
	c->slot[c->n_slots] = (struct slot){0};
	*ret = c->n_slots++;
	return 0;
}

static void clear_slot(struct catalog *c, uint32_t slot)
{
	struct slot *s = &c->slot[slot];

	for (uint32_t i = 0; i < segment_objects(s->seg); i++)
		keymap_remove(
			&c->shelf, keymap_hash(segment_object(s->seg, i).key), (uint64_t)slot << 32 | i);
	part_unref(s->part);
	segment_unref(s->seg);
	free(s->object);
	*s = (struct slot){0};
	catalog_dirty(c);
}

/* Takes seg over, also on failure. */
static int add_slot(struct catalog *c, struct segment *seg, const char *name, uint32_t *ret)
{
	uint32_t n = segment_objects(seg), slot;
	uint32_t *object = malloc((n ? n : 1) * sizeof(*object));
	struct slot *s;

	if (!object || free_slot(c, &slot)) {
		free(object);
		segment_unref(seg);
		return -ENOMEM;
	}
	memset(object, 0xff, n * sizeof(*object));
	s = &c->slot[slot];
	*s = (struct slot){.seg = seg, .object = object, .dirty = true};
	strncpy(s->name, name, sizeof(s->name) - 1);
	for (uint32_t i = 0; i < n; i++) {
		if (!keymap_put(&c->shelf, keymap_hash(segment_object(seg, i).key), (uint64_t)slot << 32 | i))
			continue;
		clear_slot(c, slot);
		return -ENOMEM;
	}
	*ret = slot;
	return 0;
}

/* Binds what waits and is in the segment. */
static void bind_waiting(struct catalog *c, uint32_t slot)
{
	struct segment *seg = c->slot[slot].seg;

	for (uint32_t i = 0; i < segment_objects(seg); i++) {
		struct segment_object o = segment_object(seg, i);
		struct entry *e = catalog_by_key(c, o.key);

		if (e && (e->state == OBJECT_WAITING || e->state == OBJECT_FAILED) &&
			catalog_same(&e->o.at, &o))
			catalog_bind(c, e, slot, i);
	}
}

bool catalog_has_segment(struct catalog *c, const char *name)
{
	bool has = false;

	pthread_mutex_lock(&c->lock);
	for (uint32_t i = 0; i < c->n_slots && !has; i++)
		has = c->slot[i].seg && !strcmp(c->slot[i].name, name);
	pthread_mutex_unlock(&c->lock);
	return has;
}

int catalog_adopt(struct catalog *c, struct segment *seg, const char *name)
{
	uint32_t slot;
	int err;

	pthread_mutex_lock(&c->lock);
	err = add_slot(c, seg, name, &slot);
	if (!err)
		bind_waiting(c, slot);
	pthread_cond_broadcast(&c->work);
	pthread_mutex_unlock(&c->lock);
	tell(c);
	return err;
}

/* ---- batches ---- */

/* queue_take()'s next: an object's weight, if it still waits. */
static int64_t weigh(void *arg, uint32_t number)
{
	struct entry *e = catalog_entry(arg, number);

	return e->state == OBJECT_WAITING ? (int64_t)e->o.at.size : -1;
}

/* Numbers to objects, in place of them. */
static bool fill_batch(struct catalog *c, struct batch *b, const uint32_t *number)
{
	b->object = malloc(b->n * sizeof(*b->object));
	if (!b->object)
		return false;
	for (uint32_t i = 0; i < b->n; i++)
		b->object[i] = &catalog_entry(c, number[i])->o;
	return true;
}

/* Waits for work; calls changed() without the lock when the queues have just run empty. */
static void wait_for_work(struct catalog *c, int64_t hold)
{
	if (!c->drained && queue_empty(c->logs) && queue_empty(c->others)) {
		c->drained = true;
		pthread_mutex_unlock(&c->lock);
		tell(c);
		pthread_mutex_lock(&c->lock);
		return;
	}
	if (hold == INT64_MAX) {
		pthread_cond_wait(&c->work, &c->lock);
		return;
	}
	struct timespec until = {hold / 1000000000, hold % 1000000000};

	pthread_cond_timedwait(&c->work, &c->lock, &until);
}

bool catalog_take(struct catalog *c, uint32_t max, uint64_t max_bytes, struct batch *ret)
{
	uint32_t *number = malloc(max * sizeof(*number));
	struct batch b = {0};

	pthread_mutex_lock(&c->lock);
	while (number && !c->stopping && !b.object) {
		int64_t now = catalog_now(), hold, hold_others = INT64_MAX;

		b.logs = true;
		b.n = queue_take(c->logs, now, max, max_bytes, weigh, c, number, &b.day, &hold);
		if (!b.n) {
			b.logs = false;
			b.n = queue_take(
				c->others, now, max, max_bytes, weigh, c, number, &b.day, &hold_others);
		}
		if (!b.n)
			wait_for_work(c, hold < hold_others ? hold : hold_others);
		else if (!fill_batch(c, &b, number))
			break;
	}
	pthread_mutex_unlock(&c->lock);
	free(number);
	if (!b.object)
		return false;
	*ret = b;
	return true;
}

void catalog_return(struct catalog *c, const struct batch *b, int64_t until)
{
	struct queue *q = b->logs ? c->logs : c->others;

	pthread_mutex_lock(&c->lock);
	for (uint32_t i = 0; i < b->n; i++) {
		struct entry *e = catalog_entry(c, b->object[i]->number);

		if (e->state == OBJECT_WAITING && queue_add(q, b->day, e->o.number)) {
			catalog_set_problem(e, -ENOMEM, "no memory to keep it waiting");
			catalog_set(c, e, OBJECT_FAILED);
		}
	}
	queue_done(q, b->day, b->n);
	queue_hold(q, b->day, until);
	pthread_mutex_unlock(&c->lock);
}

void catalog_fail(struct catalog *c, const struct object *o, int error, const char *reason)
{
	struct entry *e;

	pthread_mutex_lock(&c->lock);
	e = catalog_entry(c, o->number);
	if (e->state == OBJECT_WAITING) {
		catalog_set_problem(e, error, reason);
		catalog_set(c, e, OBJECT_FAILED);
	}
	pthread_mutex_unlock(&c->lock);
}

/* What neither is in the segment nor was given to catalog_fail() would wait for ever. */
static void fail_rest(struct catalog *c, const struct batch *b)
{
	for (uint32_t i = 0; i < b->n; i++) {
		struct entry *e = catalog_entry(c, b->object[i]->number);

		if (e->state != OBJECT_WAITING)
			continue;
		catalog_set_problem(e, -EIO, "it could not be indexed (see the log)");
		catalog_set(c, e, OBJECT_FAILED);
	}
}

int catalog_publish(struct catalog *c, const struct batch *b, struct segment *seg, const char *name)
{
	uint32_t slot;
	int err = 0;

	pthread_mutex_lock(&c->lock);
	if (seg) {
		err = add_slot(c, seg, name, &slot);
		if (!err)
			bind_waiting(c, slot);
	}
	fail_rest(c, b);
	queue_done(b->logs ? c->logs : c->others, b->day, b->n);
	c->counts.read_objects += b->n;
	c->drained = queue_empty(c->logs) && queue_empty(c->others);
	c->progress_at = catalog_now();
	pthread_mutex_unlock(&c->lock);
	tell(c);
	return err;
}

/* ---- merging ---- */

/* Whether an object that a segment knows, and that is not bound to it, is not needed by any mount: it is
 * another one now, or gone. What this mount does not admit, another one may. */
static bool unneeded(struct catalog *c, const char *key)
{
	struct key_info info = key_parse(key);

	if (c->filter && !source_filter_admits(c->filter, &info))
		return false;
	for (size_t i = 0; i < c->n_problems; i++)
		if (!strncmp(key, c->problem[i].key, strlen(c->problem[i].key)))
			return false;
	return true;
}

/* Whether the file may go once its live objects are elsewhere. */
static bool disposable(struct catalog *c, const struct slot *s)
{
	for (uint32_t i = 0; i < segment_objects(s->seg); i++)
		if (s->object[i] == CATALOG_NO_OBJECT && !unneeded(c, segment_object(s->seg, i).key))
			return false;
	return true;
}

struct candidate {
	int32_t day;
	uint32_t rows, slot;
};

static int candidate_order(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->day != y->day)
		return x->day < y->day ? -1 : 1;
	return x->rows < y->rows ? -1 : x->rows > y->rows;
}

/*
 * Of one day's segments, by size: the first ones, as long as the next is at most twice what is there already.
 * So a row is copied a logarithmic number of times, however many small segments arrive.
 */
static size_t worth(const struct candidate *x, size_t n)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < n && x[i].day == x[0].day; i++) {
		if (i && x[i].rows > sum * 2 + 1024)
			break;
		sum += x[i].rows;
	}
	return i > 1 ? i : 0;
}

static size_t list_candidates(struct catalog *c, struct candidate *x)
{
	size_t n = 0;

	for (uint32_t i = 0; i < c->n_slots; i++) {
		struct slot *s = &c->slot[i];

		if (s->seg && s->live && disposable(c, s))
			x[n++] = (struct candidate){segment_key_day(s->seg), segment_rows(s->seg), i};
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

size_t catalog_mergeable(struct catalog *c, struct part ***ret)
{
	struct candidate *x;
	size_t n, found = 0;

	pthread_mutex_lock(&c->lock);
	x = malloc((c->n_slots + 1) * sizeof(*x));
	n = x && c->listed ? list_candidates(c, x) : 0;
	for (size_t i = 0; i < n && !found; i++) {
		if ((i && x[i].day == x[i - 1].day) || queue_pending(c->logs, x[i].day, x[i].day, false) ||
			queue_pending(c->others, x[i].day, x[i].day, false))
			continue;
		found = worth(x + i, n - i);
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

int catalog_replace(struct catalog *c, struct part *const *old, size_t n, struct segment *seg,
	const char *name, void (*dropped)(void *arg, const char *name), void *arg)
{
	uint32_t slot = 0;
	int err = 0;

	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < n && !err; i++)
		if (slot_of(c, old[i]) == CATALOG_NO_SLOT)
			err = -ESTALE;
	if (err)
		segment_unref(seg);
	else
		err = add_slot(c, seg, name, &slot);
	if (!err) {
		uint32_t *gone =
			malloc(n * sizeof(*gone)); /* looked up before the move makes the parts stale */

		for (size_t i = 0; gone && i < n; i++)
			gone[i] = slot_of(c, old[i]);
		if (gone) {
			move_objects(c, slot);
			for (size_t i = 0; i < n; i++)
				clear_slot(c, gone[i]);
		} else {
			clear_slot(c, slot);
			err = -ENOMEM;
		}
		free(gone);
	}
	pthread_mutex_unlock(&c->lock);
	for (size_t i = 0; i < n && !err; i++)
		if (old[i]->name[0])
			dropped(arg, old[i]->name);
	return err;
}

void catalog_sweep(struct catalog *c, void (*dropped)(void *arg, const char *name), void *arg)
{
	char(*name)[32];
	size_t n = 0;

	pthread_mutex_lock(&c->lock);
	name = calloc(c->n_slots + 1, sizeof(*name));
	for (uint32_t i = 0; name && c->listed && i < c->n_slots; i++) {
		struct slot *s = &c->slot[i];

		if (!s->seg || s->live || !disposable(c, s))
			continue;
		memcpy(name[n++], s->name, sizeof(s->name));
		clear_slot(c, i);
	}
	pthread_mutex_unlock(&c->lock);
	for (size_t i = 0; i < n; i++)
		if (name[i][0])
			dropped(arg, name[i]);
	free(name);
}
