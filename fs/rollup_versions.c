/*
 * What rollups are now. A key has a slot, for the life of the mount, and a slot its versions:
 *
 *   (none) ──ask──▶ making: the plan ──▶ measuring: rows of CSV ──▶ current ──other events──▶ old ──▶ (none)
 *                     ▲                       │ asked again: the next chunks        │
 *                     └───── asked when the snapshot is another one ────────────────┘
 *
 * Measuring goes on as long as somebody asks: every chunk that is done wakes those who wait, and only their
 * asking again puts the next ones into the queue.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "fs/clock.h"
#include "fs/rollup_state.h"

#define PLANS_MAX     64
#define MEASURING_MAX 16                 /* plans half measured that nobody asks for any more, about */
#define LATE          (CLOCK_SECOND / 4) /* for how long a version is current that was late when it was made */
#define SERIAL_BITS   32
#define REPORT_AGE    60 /* seconds for which a page holds while its events are the same */
#define SLOTS_MAX     (1u << 28)

/* ---- slots ---- */

static bool same_key(const struct rollup_key *a, const struct rollup_key *b)
{
	return a->dir == b->dir && a->what == b->what && a->facet == b->facet && a->filter == b->filter &&
	       a->first == b->first && a->last == b->last && a->undated == b->undated;
}

static uint64_t key_hash(const struct rollup_key *k)
{
	const uint64_t x[] = {k->dir, (uint64_t)k->what << 32 | (uint64_t)k->facet,
		(uint64_t)k->filter << 1 | k->undated,
		(uint64_t)(uint32_t)k->first << 32 | (uint32_t)k->last};

	return XXH3_64bits(x, sizeof(x));
}

static int add_slot(struct rollups *r, const struct rollup_key *key, uint64_t hash, struct slot **ret)
{
	struct slot *s, **more;

	if (r->n_slots == SLOTS_MAX)
		return -ENOSPC;
	if (!(r->n_slots & (r->n_slots - 1))) {
		more = reallocarray(r->slot, r->n_slots ? r->n_slots * 2 : 1, sizeof(struct slot *));
		if (!more)
			return -ENOMEM;
		r->slot = more;
	}
	s = calloc(1, sizeof(*s));
	if (!s || keymap_put(&r->by_key, hash, r->n_slots)) {
		free(s);
		return -ENOMEM;
	}
	s->key = *key;
	s->moves = view_moves(r->view, key->filter);
	s->number = r->n_slots;
	LIST_INIT(&s->versions);
	r->slot[r->n_slots++] = s;
	*ret = s;
	return 0;
}

int slot_find(struct rollups *r, const struct rollup_key *key, struct slot **ret)
{
	uint64_t hash = key_hash(key), item;
	size_t at = 0;

	while ((item = keymap_next(&r->by_key, hash, &at)) != KEYMAP_NONE)
		if (same_key(&r->slot[item]->key, key)) {
			*ret = r->slot[item];
			return 0;
		}
	return add_slot(r, key, hash, ret);
}

/* ---- versions ---- */

struct version *version_find(struct rollups *r, uint64_t id)
{
	uint64_t slot = id >> SERIAL_BITS;
	struct version *v;

	if (slot >= r->n_slots)
		return NULL;
	LIST_FOREACH(v, &r->slot[slot]->versions, in_slot)
	{
		if (v->is.id == id)
			return v;
	}
	return NULL;
}

static void version_free(struct version *v)
{
	LIST_REMOVE(v, in_slot);
	free(v);
}

static void drop_plan(struct rollups *r, struct version *v)
{
	TAILQ_REMOVE(&r->use, v, in_use);
	r->n_plans--;
	r->plan_bytes -= plan_bytes(v->plan);
	plan_unref(v->plan);
	v->plan = NULL;
}

/* Takes plan over. */
static void set_plan(struct rollups *r, struct version *v, struct plan *plan)
{
	struct version *old, *before;

	if (v->plan)
		drop_plan(r, v);
	v->plan = plan;
	TAILQ_INSERT_HEAD(&r->use, v, in_use);
	r->n_plans++;
	r->plan_bytes += plan_bytes(plan);
	for (old = TAILQ_LAST(&r->use, version_use); old != v; old = before) {
		if (r->n_plans <= PLANS_MAX && r->plan_bytes <= r->plan_bytes_max)
			return;
		before = TAILQ_PREV(old, version_use, in_use);
		drop_plan(r, old);
		if (old != old->slot->current)
			version_free(old);
	}
}

void version_distrust(struct rollups *r, struct version *v)
{
	drop_plan(r, v);
	if (v != v->slot->current)
		version_free(v);
}

static void touch(struct rollups *r, struct version *v)
{
	TAILQ_REMOVE(&r->use, v, in_use);
	TAILQ_INSERT_HEAD(&r->use, v, in_use);
}

static void slot_fail(struct slot *s, int error)
{
	s->error = error;
	s->failed_at = clock_now();
	s->told = false;
}

/* A plan of which all is known becomes what its slot is now. Takes it over. */
static void adopt(struct rollups *r, struct slot *s, struct plan *plan)
{
	struct version *v = s->current;
	struct snapshot *now = catalog_snapshot(r->catalog);

	if (!plan->text)
		plan_add_up(plan);
	if (!v || v->is.identity != plan->identity || v->is.size != plan->size || v->layout != plan->layout) {
		v = calloc(1, sizeof(*v));
		if (!v) {
			slot_fail(s, -ENOMEM);
			plan_unref(plan);
			snapshot_unref(now);
			return;
		}
		v->slot = s;
		v->layout = plan->layout;
		v->made = plan->made;
		v->is = (struct rollup_is){
			.id = (uint64_t)s->number << SERIAL_BITS | s->serials++,
			.size = plan->size,
			.newest = plan->newest,
			.identity = plan->identity,
			.what = s->key.what,
			.dir = s->key.dir,
		};
		LIST_INSERT_HEAD(&s->versions, v, in_slot);
		if (s->current && !s->current->plan)
			version_free(s->current);
		s->current = v;
	}
	s->generation = plan->snapshot->generation;
	s->made_at = clock_now();
	s->provisional = plan->provisional;
	s->late_until = now && now->generation != s->generation ? s->made_at + LATE : 0;
	s->late_generation = now ? now->generation : 0;
	s->error = 0;
	set_plan(r, v, plan);
	snapshot_unref(now);
}

/* ---- measuring ---- */

static void end_measuring(struct rollups *r, struct slot *s)
{
	TAILQ_REMOVE(&r->measuring, s, in_measuring);
	r->n_measuring--;
	s->measuring = NULL;
}

/* What could not be read may be there no more. */
static void give_up_measuring(struct rollups *r, struct slot *s)
{
	struct plan *plan = s->measuring;

	end_measuring(r, s);
	plan_unref(plan);
}

static void finish_measuring(struct rollups *r, struct slot *s)
{
	struct plan *plan = s->measuring;

	if (s->left || s->next < plan->n_chunks || s->error)
		return;
	end_measuring(r, s);
	adopt(r, s, plan);
}

static void begin_measuring(struct rollups *r, struct slot *s, struct plan *plan)
{
	struct slot *old, *before;

	s->measuring = plan;
	s->next = s->left = 0;
	s->again = false;
	TAILQ_INSERT_HEAD(&r->measuring, s, in_measuring);
	r->n_measuring++;
	for (old = TAILQ_LAST(&r->measuring, slots); old != s && r->n_measuring > MEASURING_MAX;
		old = before) {
		before = TAILQ_PREV(old, slots, in_measuring);
		if (!old->left)
			give_up_measuring(r, old);
	}
}

/* Somebody asks: the next chunks are measured. */
static int measure_on(struct rollups *r, struct slot *s)
{
	struct plan *p = s->measuring;
	int err = 0;

	TAILQ_REMOVE(&r->measuring, s, in_measuring);
	TAILQ_INSERT_HEAD(&r->measuring, s, in_measuring);
	if (s->again && s->left)
		return 0;
	s->again = false;
	for (; s->next < p->n_chunks && s->left <= ROLLUP_THREADS && !err; s->next += !err) {
		if (plan_is_measured(p, s->next))
			continue;
		err = rollup_enqueue(
			r, (struct job){.kind = JOB_MEASURE, .slot = s, .plan = p, .number = s->next}, false);
		s->left += !err;
	}
	finish_measuring(r, s);
	return err;
}

/* ---- asking for a version ---- */

static bool is_current(const struct slot *s, uint64_t generation)
{
	int64_t now = clock_now();

	if ((s->moves || s->provisional) && now - s->made_at > CLOCK_SECOND)
		return false;
	return s->generation == generation || (s->late_generation == generation && now < s->late_until);
}

/* Why the last attempt failed, where that is still to be told. Damage of the index is told to one, who has it
 * mended, and the others try again. */
static int tell_failure(struct slot *s)
{
	int err = s->error;
	bool holds = err && (err == -EUCLEAN || rollup_failure_holds(s->failed_at, s->told));

	s->told = holds;
	if (!holds || err == -EUCLEAN)
		s->error = 0;
	return holds ? err : 0;
}

/* A plan is made in another thread, and what that lacks would come while nobody waits for it. */
static int ask_for_plan(struct rollups *r, struct slot *s)
{
	int err;
	struct snapshot *snapshot = plan_look(r->catalog, r->view, &s->key, &err);

	if (!snapshot)
		return -ENOMEM;
	snapshot_unref(snapshot);
	if (!err)
		err = rollup_enqueue(r, (struct job){.kind = JOB_MAKE, .slot = s}, false);
	s->making = !err;
	return err ? err : -EAGAIN;
}

int slot_look(struct rollups *r, struct slot *s, bool wants_plan)
{
	struct snapshot *snapshot = catalog_snapshot(r->catalog);
	uint64_t generation = snapshot ? snapshot->generation : 0;
	int err;

	if (!snapshot)
		return -ENOMEM;
	snapshot_unref(snapshot);
	if (r->refusal)
		return r->refusal;
	if (s->current && is_current(s, generation) && (!wants_plan || s->current->plan))
		return 0;
	err = tell_failure(s);
	if (err)
		return err;
	if (s->measuring && s->again && !s->left && s->measuring->snapshot->generation != generation)
		give_up_measuring(r, s);
	if (s->measuring) {
		err = measure_on(r, s);
		if (err)
			return err;
		/* That may have been all. */
		return !s->measuring ? slot_look(r, s, wants_plan) : -EAGAIN;
	}
	return s->making ? -EAGAIN : ask_for_plan(r, s);
}

int version_planned(struct rollups *r, uint64_t id, struct version **ret)
{
	struct version *v = version_find(r, id);
	int err;

	if (!v)
		return -ESTALE;
	if (!v->plan) {
		err = slot_look(r, v->slot, true);
		if (err)
			return err;
		v = version_find(r, id);
		if (!v || !v->plan)
			return -ESTALE;
	}
	touch(r, v);
	*ret = v;
	return 0;
}

/* ---- jobs ---- */

/* A page of the same events is made anew after a while, but not because its plan was forgotten: whoever reads
 * it must find the same bytes. */
struct plan_before slot_before(struct rollups *r, struct slot *s)
{
	struct snapshot *now = catalog_snapshot(r->catalog);
	struct plan_before b = {0};
	const struct version *v = s->current;
	time_t age = v ? time(NULL) - v->made : 0;

	if (v) {
		b = (struct plan_before){v->plan, v->is.identity, v->made};
		if (now && !is_current(s, now->generation) && (age < 0 || age >= REPORT_AGE))
			b.made = 0;
	}
	snapshot_unref(now);
	return b;
}

void slot_made(struct rollups *r, struct slot *s, int err, struct plan *plan, bool measured)
{
	s->making = false;
	if (err == -EAGAIN) /* not a failure: whoever asks again waits for the catalogue */
		return;
	if (err)
		slot_fail(s, err);
	else if (measured)
		adopt(r, s, plan);
	else
		begin_measuring(r, s, plan);
}

void slot_measured(struct rollups *r, struct slot *s, int err, size_t chunk)
{
	s->left--;
	if (err) {
		s->next = s->next < chunk ? s->next : chunk;
		s->again = true;
		slot_fail(s, err);
	}
	finish_measuring(r, s);
}

void slot_free(struct slot *s)
{
	struct version *v;

	while ((v = LIST_FIRST(&s->versions))) {
		/* version_free() takes it off the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		plan_unref(v->plan);
		version_free(v);
	}
	plan_unref(s->measuring);
	free(s);
}
