/*
 * Segments: adopted from the cache, published after reading, bound to the objects that they know. A segment
 * on the shelf knows objects that no listing has shown yet, or shows no more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/clock.h"
#include "fs/store/catalog_private.h"

#define MEMORY_RETRY_NS 100000000ll
#define PAUSE_FIRST_NS  (300 * CLOCK_SECOND)
#define PAUSE_MAX_NS    (21600 * CLOCK_SECOND)

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
		catalog_add_arrival(c, e);
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

void catalog_clear_slot(struct catalog *c, uint32_t slot)
{
	struct slot *s = &c->slot[slot];

	for (uint32_t i = 0; i < segment_objects(s->seg); i++)
		keymap_remove(
			&c->shelf, keymap_hash(segment_object(s->seg, i).key), (uint64_t)slot << 32 | i);
	if (s->name[0])
		keymap_remove(&c->names, keymap_hash(s->name), slot);
	part_unref(s->part);
	segment_unref(s->seg);
	free(s->object);
	*s = (struct slot){0};
	catalog_dirty(c);
}

/* The slot of a file, or CATALOG_NO_SLOT. */
static uint32_t slot_of_file(struct catalog *c, const char *name)
{
	uint64_t hash = keymap_hash(name), slot;
	size_t at = 0;

	while (name[0] && (slot = keymap_next(&c->names, hash, &at)) != KEYMAP_NONE)
		if (!strcmp(c->slot[slot].name, name))
			return (uint32_t)slot;
	return CATALOG_NO_SLOT;
}

/* Makes the objects and the file of a new slot known. */
static int index_slot(struct catalog *c, uint32_t slot)
{
	struct slot *s = &c->slot[slot];

	if (s->name[0] && keymap_put(&c->names, keymap_hash(s->name), slot))
		return -ENOMEM;
	for (uint32_t i = 0; i < segment_objects(s->seg); i++)
		if (keymap_put(
			    &c->shelf, keymap_hash(segment_object(s->seg, i).key), (uint64_t)slot << 32 | i))
			return -ENOMEM;
	return 0;
}

int catalog_add_slot(struct catalog *c, struct segment *seg, const char *name, uint32_t *ret)
{
	uint32_t n = segment_objects(seg), slot = slot_of_file(c, name);
	uint32_t *object;
	struct slot *s;

	if (slot != CATALOG_NO_SLOT) {
		segment_unref(seg);
		*ret = slot;
		return 0;
	}
	object = malloc((n ? n : 1) * sizeof(*object));
	if (!object || free_slot(c, &slot)) {
		free(object);
		segment_unref(seg);
		return -ENOMEM;
	}
	memset(object, 0xff, n * sizeof(*object));
	s = &c->slot[slot];
	*s = (struct slot){
		.seg = seg, .object = object, .dirty = true, .since = c->listing, .round = c->round};
	strncpy(s->name, name, sizeof(s->name) - 1);
	if (index_slot(c, slot)) {
		catalog_clear_slot(c, slot);
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

		if (!e || (e->state != OBJECT_WAITING && e->state != OBJECT_FAILED) ||
			!catalog_same(&e->o.at, &o))
			continue;
		catalog_bind(c, e, slot, i);
		catalog_add_arrival(c, e);
	}
}

int catalog_adopt(struct catalog *c, struct segment *seg, const char *name)
{
	uint32_t slot;
	int err;

	pthread_mutex_lock(&c->lock);
	err = catalog_add_slot(c, seg, name, &slot);
	if (!err)
		bind_waiting(c, slot);
	c->files_changed = true;
	pthread_cond_broadcast(&c->work);
	pthread_mutex_unlock(&c->lock);
	tell(c);
	return err;
}

/* ---- files ---- */

/* The place of the same object in a segment that has a file, other than its own. */
static bool find_filed(struct catalog *c, const struct entry *e, uint32_t *ret_slot, uint32_t *ret_place)
{
	uint64_t hash = keymap_hash(e->o.at.key), item;
	size_t at = 0;

	while ((item = keymap_next(&c->shelf, hash, &at)) != KEYMAP_NONE) {
		uint32_t slot = (uint32_t)(item >> 32), place = (uint32_t)item;
		struct segment_object o;

		if (slot == e->slot || !c->slot[slot].name[0])
			continue;
		o = segment_object(c->slot[slot].seg, place);
		if (!catalog_same(&e->o.at, &o))
			continue;
		*ret_slot = slot;
		*ret_place = place;
		return true;
	}
	return false;
}

/* Moves what is bound to a segment that is only in memory to segments that have a file. */
static void move_to_files(struct catalog *c, uint32_t from)
{
	for (uint32_t i = 0; i < segment_objects(c->slot[from].seg); i++) {
		uint32_t number = c->slot[from].object[i], slot, place;
		struct entry *e = number == CATALOG_NO_OBJECT ? NULL : catalog_entry(c, number);

		if (!e || !find_filed(c, e, &slot, &place))
			continue;
		catalog_unbind(c, e);
		catalog_bind(c, e, slot, place);
	}
}

void catalog_files_begin(struct catalog *c)
{
	pthread_mutex_lock(&c->lock);
	c->round++;
	c->files_changed = false;
	pthread_mutex_unlock(&c->lock);
}

bool catalog_has_segment(struct catalog *c, const char *name)
{
	uint32_t slot;

	pthread_mutex_lock(&c->lock);
	slot = slot_of_file(c, name);
	if (slot != CATALOG_NO_SLOT)
		c->slot[slot].round = c->round;
	pthread_mutex_unlock(&c->lock);
	return slot != CATALOG_NO_SLOT;
}

void catalog_files_end(struct catalog *c)
{
	pthread_mutex_lock(&c->lock);
	for (uint32_t i = 0; i < c->n_slots; i++) {
		struct slot *s = &c->slot[i];

		if (!s->name[0] || s->round == c->round)
			continue;
		keymap_remove(&c->names, keymap_hash(s->name), i);
		s->name[0] = '\0'; /* its part still says it, but only to remove what is not there */
		c->files_changed = true;
	}
	for (uint32_t i = 0; c->files_changed && i < c->n_slots; i++)
		if (c->slot[i].seg && !c->slot[i].name[0] && c->slot[i].live)
			move_to_files(c, i);
	pthread_mutex_unlock(&c->lock);
}

/* ---- damage ---- */

/* Objects that were in a segment that is no more are bound to another that has them, or read again. */
static void find_anew(struct catalog *c, const uint32_t *number, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct entry *e = number[i] == CATALOG_NO_OBJECT ? NULL : catalog_entry(c, number[i]);

		if (!e || catalog_from_shelf(c, e))
			continue;
		catalog_set(c, e, OBJECT_WAITING);
		catalog_enqueue(c, e);
	}
}

static void distrust(struct catalog *c, uint32_t slot)
{
	struct slot *s = &c->slot[slot];
	uint32_t n = segment_objects(s->seg), *number = malloc((n ? n : 1) * sizeof(*number));

	if (!number)
		return;
	memcpy(number, s->object, n * sizeof(*number));
	for (uint32_t i = 0; i < n; i++)
		if (number[i] != CATALOG_NO_OBJECT)
			catalog_unbind(c, catalog_entry(c, number[i]));
	catalog_clear_slot(c, slot);
	find_anew(c, number, n);
	free(number);
}

/* Files go first: while a segment is known, nobody adopts its file again. */
void catalog_distrust(struct catalog *c, void (*dropped)(void *arg, const char *name), void *arg)
{
	char(*name)[32];
	size_t n = 0;

	pthread_mutex_lock(&c->distrust);
	pthread_mutex_lock(&c->lock);
	name = calloc(c->n_slots + 1, sizeof(*name));
	for (uint32_t i = 0; name && i < c->n_slots; i++)
		if (c->slot[i].seg && segment_is_bad(c->slot[i].seg))
			memcpy(name[n++], c->slot[i].name, sizeof(*name));
	pthread_mutex_unlock(&c->lock);
	for (size_t i = 0; i < n; i++)
		dropped(arg, name[i]);
	free(name);
	pthread_mutex_lock(&c->lock);
	for (uint32_t i = 0; n > 0 && i < c->n_slots; i++)
		if (c->slot[i].seg && segment_is_bad(c->slot[i].seg))
			distrust(c, i);
	pthread_mutex_unlock(&c->lock);
	pthread_mutex_unlock(&c->distrust);
	if (n > 0)
		tell(c);
}

/* ---- batches ---- */

/* queue_take()'s next: an object's weight, if it still waits. */
static int64_t weigh(void *arg, uint32_t number)
{
	struct entry *e = catalog_entry(arg, number);

	return e->state == OBJECT_WAITING ? (int64_t)e->o.at.size : -1;
}

/* Takes numbers from the queue whose turn it is, into b but for the objects. *ret_hold: when something may be
 * taken, if nothing is. */
static void take_numbers(struct catalog *c, uint32_t max, uint64_t max_bytes, struct batch *b,
	uint32_t *number, int64_t *ret_hold)
{
	int64_t now = clock_now(), hold[2];
	bool asked = queue_asked(c->others, now);

	/* Logs go first, but somebody who waits for one other object does not wait for all of them. */
	b->logs = !asked || (queue_asked(c->logs, now) && c->others_had_it);
	c->others_had_it = asked && !b->logs;
	for (int i = 0; i < 2; i++) {
		b->n = queue_take(b->logs ? c->logs : c->others, now, max, max_bytes, weigh, c, number,
			&b->day, &hold[i]);
		if (b->n)
			return;
		b->logs = !b->logs;
	}
	*ret_hold = hold[0] < hold[1] ? hold[0] : hold[1];
}

/* Numbers to objects. */
static void fill_batch(struct catalog *c, struct batch *b, const uint32_t *number)
{
	b->serial = ++c->batches;
	for (uint32_t i = 0; i < b->n; i++) {
		struct entry *e = catalog_entry(c, number[i]);

		e->batch = b->serial;
		b->object[i] = &e->o;
	}
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
	clock_wait(&c->work, &c->lock, hold);
}

bool catalog_take(struct catalog *c, uint32_t max, uint64_t max_bytes, struct batch *ret)
{
	uint32_t *number = NULL;
	struct batch b = {0};

	pthread_mutex_lock(&c->lock);
	while (!c->stopping && !b.n) {
		int64_t hold = clock_now() + MEMORY_RETRY_NS;

		number = number ? number : malloc(max * sizeof(*number));
		b.object = b.object ? b.object : malloc(max * sizeof(*b.object));
		if (number && b.object)
			take_numbers(c, max, max_bytes, &b, number, &hold);
		if (b.n)
			fill_batch(c, &b, number);
		else
			wait_for_work(c, hold);
	}
	pthread_mutex_unlock(&c->lock);
	free(number);
	if (!b.n) {
		free(b.object);
		return false;
	}
	*ret = b;
	return true;
}

/* Whether an object of a batch waits for the end of that batch, and for no other. */
static bool waits_for(const struct entry *e, const struct batch *b)
{
	return e->state == OBJECT_WAITING && e->batch == b->serial;
}

void catalog_return(struct catalog *c, const struct batch *b, int64_t until)
{
	struct queue *q = b->logs ? c->logs : c->others;

	pthread_mutex_lock(&c->lock);
	for (uint32_t i = 0; i < b->n; i++) {
		struct entry *e = catalog_entry(c, b->object[i]->number);

		if (waits_for(e, b))
			catalog_enqueue(c, e);
	}
	queue_done(q, b->day, b->n);
	queue_hold(q, b->day, until);
	pthread_mutex_unlock(&c->lock);
}

int64_t catalog_pause(unsigned denials)
{
	int64_t pause = PAUSE_FIRST_NS;

	if (denials < 2) /* the first may have been for a moment, as of a policy that was being changed */
		return 0;
	for (; denials > 2 && pause < PAUSE_MAX_NS; denials--)
		pause *= 2;
	return pause < PAUSE_MAX_NS ? pause : PAUSE_MAX_NS;
}

void catalog_fail(struct catalog *c, const struct object *o, int error, const char *reason, int64_t now)
{
	struct entry *e;

	pthread_mutex_lock(&c->lock);
	e = catalog_entry(c, o->number);
	if (e->state == OBJECT_WAITING) {
		e->denials = error == -EACCES ? e->denials + 1 : 0;
		e->again_at = now + catalog_pause(e->denials);
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

		if (!waits_for(e, b))
			continue;
		catalog_set_problem(e, -EIO, "it could not be indexed (see the log)");
		catalog_set(c, e, OBJECT_FAILED);
	}
}

static int bind_read(struct catalog *c, struct segment *seg, const char *name)
{
	uint32_t slot;
	int err;

	c->counts.read_objects += segment_objects(seg);
	err = catalog_add_slot(c, seg, name, &slot);
	if (!err)
		bind_waiting(c, slot);
	return err;
}

int catalog_add_read(struct catalog *c, struct segment *seg, const char *name)
{
	int err;

	pthread_mutex_lock(&c->lock);
	err = bind_read(c, seg, name);
	pthread_mutex_unlock(&c->lock);
	return err;
}

int catalog_publish(struct catalog *c, const struct batch *b, struct segment *seg, const char *name)
{
	int err;

	pthread_mutex_lock(&c->lock);
	err = seg ? bind_read(c, seg, name) : 0;
	fail_rest(c, b);
	queue_done(b->logs ? c->logs : c->others, b->day, b->n);
	c->drained = queue_empty(c->logs) && queue_empty(c->others);
	c->progress_at = clock_now();
	pthread_mutex_unlock(&c->lock);
	tell(c);
	return err;
}
