/*
 * Objects, their state, snapshots and questions. Listings are in catalog_list.c, segments in catalog_parts.c
 * and catalog_merge.c.
 */
#include "fs/store/catalog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/clock.h"
#include "fs/store/catalog_private.h"
#include "fs/store/ingest.h"

/* ---- counted things ---- */

struct part *part_ref(struct part *p)
{
	__atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
	return p;
}

void part_unref(struct part *p)
{
	if (!p || __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL))
		return;
	segment_unref(p->seg);
	free(p);
}

static void keys_unref(struct keys *k)
{
	if (k && !__atomic_sub_fetch(&k->refs, 1, __ATOMIC_ACQ_REL))
		free(k);
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
	__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

void snapshot_unref(struct snapshot *s)
{
	if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (size_t i = 0; i < s->n; i++)
		part_unref(s->part[i]);
	keys_unref(s->keys);
	free(s);
}

void catalog_free_problems(struct problem *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(p[i].key);
		free(p[i].reason);
	}
	free(p);
}

/* ---- objects ---- */

static struct entry *entry_at(const struct catalog *c, uint32_t number)
{
	return &c->chunk[number / CATALOG_CHUNK][number % CATALOG_CHUNK];
}

struct entry *catalog_entry(struct catalog *c, uint32_t number)
{
	return number < c->n_entries ? entry_at(c, number) : NULL;
}

struct entry *catalog_by_key(struct catalog *c, const char *key)
{
	uint64_t hash = keymap_hash(key), number;
	size_t at = 0;

	while ((number = keymap_next(&c->by_key, hash, &at)) != KEYMAP_NONE) {
		struct entry *e = catalog_entry(c, (uint32_t)number);

		if (!strcmp(e->o.at.key, key))
			return e;
	}
	return NULL;
}

/* Its reason may lack, for want of memory. */
static bool has_problem(const struct entry *e)
{
	return e->state == OBJECT_FAILED || (e->state == OBJECT_READY && e->flags & SEGMENT_DAMAGED);
}

/* What an object adds to the counts in its state. */
static void count(struct catalog *c, const struct entry *e, int64_t by)
{
	uint64_t n = (uint64_t)by, bytes = e->o.wanted ? (uint64_t)by * e->o.at.size : 0;

	if (e->state == OBJECT_GONE)
		return;
	c->counts.objects += n;
	c->counts.bytes_total += bytes;
	if (e->state == OBJECT_WAITING) {
		c->counts.waiting += n;
		return;
	}
	c->counts.bytes_done += bytes;
	if (e->state == OBJECT_FAILED)
		c->counts.failed += n;
	else
		c->counts.ready += n;
	if (e->flags & SEGMENT_DAMAGED)
		c->counts.damaged += n;
	if (has_problem(e))
		c->counts.problems += n;
}

void catalog_set(struct catalog *c, struct entry *e, enum object_state state)
{
	/* The size of an object that failed was a guess, and the kernel may have been told of it. */
	if (e->state == OBJECT_FAILED && state != OBJECT_FAILED) {
		catalog_add_news(c, e);
		e->late = true;
	}
	count(c, e, -1);
	if (state == OBJECT_WAITING || state == OBJECT_GONE) {
		free(e->problem);
		e->problem = NULL;
		e->flags = 0;
	}
	e->state = state;
	count(c, e, 1);
	c->progress_at = clock_now();
}

int catalog_enqueue(struct catalog *c, struct entry *e)
{
	if (queue_add(e->holds ? c->logs : c->others, e->o.day, e->o.number)) {
		catalog_set_problem(e, -ENOMEM, "no memory to keep it waiting");
		catalog_set(c, e, OBJECT_FAILED);
		return -ENOMEM;
	}
	e->batch = 0;
	c->drained = false;
	pthread_cond_broadcast(&c->work);
	return 0;
}

static int grow_entries(struct catalog *c)
{
	struct entry **more;

	if (c->n_entries < c->n_chunks * CATALOG_CHUNK)
		return 0;
	more = reallocarray(c->chunk, c->n_chunks + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	c->chunk = more;
	c->chunk[c->n_chunks] = calloc(CATALOG_CHUNK, sizeof(struct entry));
	if (!c->chunk[c->n_chunks])
		return -ENOMEM;
	c->n_chunks++;
	return 0;
}

struct entry *catalog_add(struct catalog *c, const struct source_object *o)
{
	struct key_info info = key_parse(o->key);
	char *key = strdup(o->key);
	struct entry *e;

	if (!key || grow_entries(c) || keymap_put(&c->by_key, keymap_hash(key), c->n_entries)) {
		free(key);
		return NULL;
	}
	c->n_entries++;
	e = catalog_entry(c, c->n_entries - 1);
	e->o = (struct object){
		.number = c->n_entries - 1,
		.day = info.day,
		.kind = info.kind,
		.gunzip = key_is_gzip_json(key),
		.wanted = ingest_wants(key, c->layout_only),
		.at = *o,
	};
	e->o.at.key = key;
	e->holds = e->o.wanted && key_has_log_name(key) &&
		   (info.kind == KEY_LOG || (info.kind == KEY_PLAIN && !c->layout_only));
	e->slot = CATALOG_NO_SLOT;
	e->late = c->listed;
	e->inflated = o->size;
	e->state = e->o.wanted ? OBJECT_WAITING : OBJECT_READY;
	count(c, e, 1);
	return e;
}

void catalog_set_problem(struct entry *e, int error, const char *reason)
{
	free(e->problem);
	e->problem = strdup(reason);
	e->error = error;
}

void catalog_dirty(struct catalog *c)
{
	snapshot_unref(c->snapshot);
	c->snapshot = NULL;
}

/* ---- life ---- */

int catalog_new(const struct source_filter *filter, bool layout_only, void (*changed)(void *arg), void *arg,
	struct catalog **ret)
{
	struct catalog *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->distrust, NULL);
	pthread_mutex_init(&c->lock, NULL);
	clock_cond_init(&c->work);
	c->filter = filter;
	c->layout_only = layout_only;
	c->changed = changed;
	c->changed_arg = arg;
	c->generation = 1;
	c->progress_at = clock_now();
	c->logs = queue_new();
	c->others = queue_new();
	c->keys = calloc(1, sizeof(*c->keys));
	if (c->keys)
		c->keys->refs = 1;
	if (!c->logs || !c->others || !c->keys) {
		catalog_free(c);
		return -ENOMEM;
	}
	*ret = c;
	return 0;
}

void catalog_free(struct catalog *c)
{
	if (!c)
		return;
	snapshot_unref(c->snapshot);
	snapshot_unref(c->first);
	keys_unref(c->keys);
	news_free(c->news);
	for (uint32_t i = 0; i < c->n_slots; i++) {
		part_unref(c->slot[i].part);
		segment_unref(c->slot[i].seg);
		free(c->slot[i].object);
	}
	free(c->slot);
	for (uint32_t i = 0; i < c->n_entries; i++) {
		struct entry *e = entry_at(c, i);

		free((char *)e->o.at.key);
		free(e->problem);
	}
	for (size_t i = 0; i < c->n_chunks; i++)
		free(c->chunk[i]);
	free(c->chunk);
	keymap_clear(&c->by_key);
	keymap_clear(&c->shelf);
	keymap_clear(&c->names);
	queue_free(c->logs);
	queue_free(c->others);
	catalog_free_problems(c->problem, c->n_problems);
	catalog_free_problems(c->new_problem, c->n_new_problems);
	free(c->unlisted);
	pthread_cond_destroy(&c->work);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->distrust);
	free(c);
}

void catalog_stop(struct catalog *c)
{
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_cond_broadcast(&c->work);
	pthread_mutex_unlock(&c->lock);
}

void catalog_touch_progress(struct catalog *c)
{
	pthread_mutex_lock(&c->lock);
	c->progress_at = clock_now();
	pthread_mutex_unlock(&c->lock);
}

/* ---- snapshots ---- */

static int by_key(const void *a, const void *b)
{
	const struct object *const *x = a, *const *y = b;

	return strcmp((*x)->at.key, (*y)->at.key);
}

/* Makes keys anew from the objects that are present. Before the first listing is done nobody can use them. */
static int renew_keys(struct catalog *c)
{
	struct keys *k;

	if (!c->keys_changed || !c->listed)
		return 0;
	k = malloc(sizeof(*k) + c->counts.objects * sizeof(k->object[0]));
	if (!k)
		return -ENOMEM;
	*k = (struct keys){.refs = 1};
	for (uint32_t i = 0; i < c->n_entries; i++) {
		struct entry *e = entry_at(c, i);

		if (e->state != OBJECT_GONE)
			k->object[k->n++] = &e->o;
	}
	qsort(k->object, k->n, sizeof(k->object[0]), by_key);
	keys_unref(c->keys);
	c->keys = k;
	c->keys_changed = false;
	return 0;
}

int catalog_refresh_part(struct slot *s)
{
	uint32_t n = segment_objects(s->seg);
	struct part *p;

	if (!s->dirty && s->part)
		return 0;
	p = malloc(sizeof(*p) + n * sizeof(p->object[0]));
	if (!p)
		return -ENOMEM;
	*p = (struct part){.refs = 1, .seg = segment_ref(s->seg), .live = s->live};
	memcpy(p->name, s->name, sizeof(p->name));
	memcpy(p->object, s->object, n * sizeof(p->object[0]));
	part_unref(s->part);
	s->part = p;
	s->dirty = false;
	return 0;
}

/* NULL: no memory. */
static struct snapshot *make_snapshot(struct catalog *c)
{
	struct snapshot *s = malloc(sizeof(*s) + c->n_slots * sizeof(s->part[0]));

	if (!s || renew_keys(c)) {
		free(s);
		return NULL;
	}
	*s = (struct snapshot){.refs = 1, .generation = c->generation++, .keys = c->keys};
	__atomic_add_fetch(&c->keys->refs, 1, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < c->n_slots; i++) {
		struct slot *slot = &c->slot[i];

		if (!slot->seg || !slot->live || !segment_rows(slot->seg))
			continue;
		if (catalog_refresh_part(slot)) {
			snapshot_unref(s);
			return NULL;
		}
		s->part[s->n++] = part_ref(slot->part);
	}
	return s;
}

static bool is_complete(const struct catalog *c)
{
	return c->listed && queue_empty(c->logs) && queue_empty(c->others);
}

static struct snapshot *get_snapshot(struct catalog *c)
{
	if (!c->snapshot)
		c->snapshot = make_snapshot(c);
	return c->snapshot ? snapshot_ref(c->snapshot) : NULL;
}

struct snapshot *catalog_snapshot(struct catalog *c)
{
	struct snapshot *s;

	pthread_mutex_lock(&c->lock);
	s = get_snapshot(c);
	pthread_mutex_unlock(&c->lock);
	return s;
}

int catalog_settled(struct catalog *c, struct snapshot **ret)
{
	struct snapshot *s = NULL;
	int err = -EAGAIN;

	pthread_mutex_lock(&c->lock);
	if (c->first) {
		s = c->first;
		c->first = NULL;
		err = 0;
	} else if (is_complete(c) && !c->is_listing) {
		s = get_snapshot(c);
		err = s ? 0 : -ENOMEM;
	}
	c->first_taken |= !err;
	pthread_mutex_unlock(&c->lock);
	if (!err)
		*ret = s;
	return err;
}

void catalog_keep_first(struct catalog *c)
{
	if (!c->first && !c->first_taken && is_complete(c))
		c->first = get_snapshot(c);
}

/* ---- questions ---- */

const struct object *catalog_object(struct catalog *c, uint32_t number)
{
	struct entry *e;

	pthread_mutex_lock(&c->lock);
	e = catalog_entry(c, number);
	pthread_mutex_unlock(&c->lock);
	return e ? &e->o : NULL;
}

struct object_now catalog_object_now(struct catalog *c, uint32_t number)
{
	struct object_now now = {.state = OBJECT_GONE};
	struct entry *e;

	pthread_mutex_lock(&c->lock);
	e = catalog_entry(c, number);
	if (e)
		now = (struct object_now){
			.state = e->state,
			.inflated = e->inflated,
			.damaged = (e->flags & SEGMENT_DAMAGED) != 0,
			.error = e->state == OBJECT_FAILED || e->flags & SEGMENT_DAMAGED ? e->error : 0,
		};
	pthread_mutex_unlock(&c->lock);
	return now;
}

static int locate(struct catalog *c, struct entry *e, struct part **ret, uint32_t *ret_place)
{
	if (!e || e->state == OBJECT_GONE)
		return -ESTALE;
	if (e->state == OBJECT_WAITING)
		return -EAGAIN;
	if (e->state == OBJECT_FAILED)
		return e->error;
	if (e->slot == CATALOG_NO_SLOT)
		return -ENOENT;
	if (catalog_refresh_part(&c->slot[e->slot]))
		return -ENOMEM;
	*ret = part_ref(c->slot[e->slot].part);
	*ret_place = e->place;
	return 0;
}

int catalog_locate(struct catalog *c, uint32_t number, struct part **ret, uint32_t *ret_place)
{
	int err;

	pthread_mutex_lock(&c->lock);
	err = locate(c, catalog_entry(c, number), ret, ret_place);
	pthread_mutex_unlock(&c->lock);
	return err;
}

static bool is_pending(struct catalog *c, int32_t first, int32_t last)
{
	return queue_pending(c->logs, first, last < INT32_MAX ? last + 1 : last, true) || !c->listed;
}

bool catalog_pending(struct catalog *c, int32_t first, int32_t last)
{
	bool pending;

	pthread_mutex_lock(&c->lock);
	pending = is_pending(c, first, last);
	pthread_mutex_unlock(&c->lock);
	return pending;
}

static bool is_unread(const struct entry *e, int32_t first, int32_t last)
{
	if (e->state != OBJECT_FAILED || !e->holds)
		return false;
	if (e->error == -EACCES || e->error == -ENOENT)
		return false;
	return e->o.day == KEY_NO_DAY || (e->o.day >= first && (last == INT32_MAX || e->o.day <= last + 1));
}

static int find_unread(struct catalog *c, int32_t first, int32_t last)
{
	int err = 0;

	for (uint32_t i = 0; c->counts.failed && i < c->n_entries && !err; i++)
		if (is_unread(entry_at(c, i), first, last))
			err = entry_at(c, i)->error;
	err = err ? err : catalog_unlisted_part(c, first, last);
	return err == -ESTALE ? -EIO : err; /* which the kernel would take for a name to be looked up again */
}

int catalog_unread(struct catalog *c, int32_t first, int32_t last)
{
	int err;

	pthread_mutex_lock(&c->lock);
	err = find_unread(c, first, last);
	pthread_mutex_unlock(&c->lock);
	return err;
}

struct snapshot *catalog_snapshot_of(struct catalog *c, int32_t first, int32_t last, int *ret_wait)
{
	struct snapshot *s;

	pthread_mutex_lock(&c->lock);
	if (!c->listed && c->list_error)
		*ret_wait = c->list_error;
	else
		*ret_wait = is_pending(c, first, last) ? -EAGAIN : find_unread(c, first, last);
	s = get_snapshot(c);
	pthread_mutex_unlock(&c->lock);
	return s;
}

bool catalog_object_pending(struct catalog *c, uint32_t number)
{
	struct entry *e;
	bool pending = false;

	pthread_mutex_lock(&c->lock);
	e = catalog_entry(c, number);
	if (e && e->state == OBJECT_WAITING) {
		pending = true;
		queue_pending(e->holds ? c->logs : c->others, e->o.day, e->o.day, true);
	}
	pthread_mutex_unlock(&c->lock);
	return pending;
}

bool catalog_listed(struct catalog *c)
{
	bool listed;

	pthread_mutex_lock(&c->lock);
	listed = c->listed;
	pthread_mutex_unlock(&c->lock);
	return listed;
}

int catalog_list_error(struct catalog *c)
{
	int err;

	pthread_mutex_lock(&c->lock);
	err = c->listed ? 0 : c->list_error;
	pthread_mutex_unlock(&c->lock);
	return err;
}

int64_t catalog_progress_at(struct catalog *c)
{
	int64_t at;

	pthread_mutex_lock(&c->lock);
	at = c->progress_at;
	pthread_mutex_unlock(&c->lock);
	return at;
}

/* ---- problems, counts ---- */

static int problem_order(const void *a, const void *b)
{
	const struct problem *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static bool copy_problem(struct problem *to, size_t *n, const char *key, const char *reason)
{
	to[*n] = (struct problem){.key = strdup(key), .reason = strdup(reason)};
	if (!to[*n].key || !to[*n].reason) {
		free(to[*n].key);
		free(to[*n].reason);
		return false;
	}
	(*n)++;
	return true;
}

/* A copy of all problems, unsorted. */
static int copy_problems(struct catalog *c, struct problem **ret, size_t *ret_n)
{
	size_t n = 0;
	struct problem *p = calloc(c->counts.problems + c->n_problems + 2, sizeof(*p));
	bool ok = true;

	if (!p)
		return -ENOMEM;
	if (c->unlisted)
		ok = copy_problem(p, &n, "", c->unlisted);
	for (size_t i = 0; ok && i < c->n_problems; i++)
		ok = copy_problem(p, &n, c->problem[i].key, c->problem[i].reason);
	for (uint32_t i = 0; ok && c->counts.problems && i < c->n_entries; i++) {
		struct entry *e = entry_at(c, i);

		if (has_problem(e))
			ok = copy_problem(
				p, &n, e->o.at.key, e->problem ? e->problem : "no memory to keep the reason");
	}
	if (!ok) {
		catalog_free_problems(p, n);
		return -ENOMEM;
	}
	*ret = p;
	*ret_n = n;
	return 0;
}

int catalog_problems(
	struct catalog *c, int (*visit)(void *arg, const char *key, const char *reason), void *arg)
{
	struct problem *p;
	size_t n;
	int err;

	pthread_mutex_lock(&c->lock);
	err = copy_problems(c, &p, &n);
	pthread_mutex_unlock(&c->lock);
	if (err)
		return err;
	qsort(p, n, sizeof(*p), problem_order);
	for (size_t i = 0; i < n && !err; i++)
		err = visit(arg, p[i].key, p[i].reason);
	catalog_free_problems(p, n);
	return err;
}

struct catalog_counts catalog_counts(struct catalog *c)
{
	struct catalog_counts counts;

	pthread_mutex_lock(&c->lock);
	counts = c->counts;
	counts.problems += c->n_problems + (c->unlisted ? 1 : 0);
	counts.listed = c->listed;
	counts.complete = is_complete(c);
	for (uint32_t i = 0; i < c->n_slots; i++) {
		if (!c->slot[i].seg || !c->slot[i].live)
			continue;
		counts.parts++;
		counts.rows += segment_rows(c->slot[i].seg);
		counts.segment_bytes += segment_bytes(c->slot[i].seg);
	}
	pthread_mutex_unlock(&c->lock);
	return counts;
}
