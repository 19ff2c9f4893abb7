/*
 * Listings: what a listing shows becomes objects that wait or are found on the shelf; what it no longer shows
 * is gone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/clock.h"
#include "fs/store/catalog_private.h"
#include "render/key.h"

static void tell(struct catalog *c)
{
	if (c->changed)
		c->changed(c->changed_arg);
}

static bool same_object(const struct source_object *a, const struct source_object *b)
{
	return a->size == b->size && a->mtime == b->mtime && a->tag == b->tag;
}

void catalog_drop(struct catalog *c, struct entry *e)
{
	if (e->state != OBJECT_FAILED) /* there, catalog_set() tells */
		catalog_add_news(c, e);
	catalog_unbind(c, e);
	keymap_remove(&c->by_key, keymap_hash(e->o.at.key), e->o.number);
	catalog_set(c, e, OBJECT_GONE);
	c->keys_changed = true;
	catalog_dirty(c);
}

int catalog_list_begin(struct catalog *c, int32_t day, int64_t now)
{
	pthread_mutex_lock(&c->lock);
	catalog_keep_first(c);
	c->listing++;
	c->is_listing = true;
	c->list_day = day;
	c->list_now = now;
	c->list_began = (int64_t)time(NULL);
	catalog_free_problems(c->new_problem, c->n_new_problems);
	c->new_problem = NULL;
	c->n_new_problems = 0;
	pthread_mutex_unlock(&c->lock);
	return 0;
}

/* A new object, in the place of old if there is one: known from the shelf, or it waits. */
static int list_new(struct catalog *c, const struct source_object *o, struct entry *old)
{
	struct entry *e = catalog_add(c, o);

	if (!e)
		return -ENOMEM;
	if (old)
		catalog_drop(c, old);
	e->seen = c->listing;
	c->keys_changed = true;
	if (e->state == OBJECT_WAITING && !catalog_from_shelf(c, e))
		return catalog_enqueue(c, e);
	return 0;
}

/* An object that was known: the same one, or another in its place. */
static int list_known(struct catalog *c, struct entry *e, const struct source_object *o)
{
	if (!same_object(&e->o.at, o))
		return list_new(c, o, e);
	e->seen = c->listing;
	if (c->list_now == INT64_MAX) {
		e->denials = 0;
		e->again_at = 0;
	}
	if (e->state == OBJECT_FAILED && e->again_at <= c->list_now) {
		catalog_set(c, e, OBJECT_WAITING);
		return catalog_enqueue(c, e);
	}
	return 0;
}

int catalog_list_object(struct catalog *c, const struct source_object *o)
{
	struct entry *e;
	int err;

	pthread_mutex_lock(&c->lock);
	e = catalog_by_key(c, o->key);
	err = e ? list_known(c, e, o) : list_new(c, o, NULL);
	c->progress_at = clock_now();
	pthread_mutex_unlock(&c->lock);
	return err;
}

/* The day of all that is below a key, or KEY_NO_DAY: what is in a day's folder has that day, whatever its
 * name.
 */
static int32_t day_below(const char *key)
{
	char *one;
	int32_t day = KEY_NO_DAY;

	if (asprintf(&one, "%sx", key) > 0) {
		day = key_parse(one).day;
		free(one);
	}
	return day;
}

int catalog_list_problem(struct catalog *c, const char *key, int error, const char *reason)
{
	struct problem *more, p = {strdup(key), strdup(reason), error, day_below(key)};

	pthread_mutex_lock(&c->lock);
	more = reallocarray(c->new_problem, c->n_new_problems + 1, sizeof(*more));
	if (more && p.key && p.reason) {
		c->new_problem = more;
		c->new_problem[c->n_new_problems++] = p;
		pthread_mutex_unlock(&c->lock);
		return 0;
	}
	if (more)
		c->new_problem = more;
	pthread_mutex_unlock(&c->lock);
	free(p.key);
	free(p.reason);
	return -ENOMEM;
}

/* A part that was denied, or that leads nowhere, is so until somebody changes it, and is only named. */
static bool may_pass(int error)
{
	switch (error) {
	case -EACCES:
	case -EPERM:
	case -ENOENT:
	case -ENOTDIR:
	case -ELOOP:
	case -ENAMETOOLONG:
	case -EBADMSG: /* what is kept of a listing, where there is no other (--offline) */
		return false;
	}
	return true;
}

bool catalog_is_below(const char *key, const struct problem *p)
{
	size_t n = strlen(p->key);

	/* What could not be looked at may also be a file: its problem has a '/' more. */
	return !strncmp(key, p->key, n) ||
	       (may_pass(p->error) && strlen(key) + 1 == n && !strncmp(key, p->key, n - 1));
}

int catalog_unlisted_part(const struct catalog *c, int32_t first, int32_t last)
{
	for (size_t i = 0; i < c->n_problems; i++) {
		int32_t day = c->problem[i].day;

		if (!may_pass(c->problem[i].error))
			continue;
		if (day == KEY_NO_DAY || (day >= first && (last == INT32_MAX || day <= last + 1)))
			return -EIO;
	}
	return 0;
}

/* Whether the listing would have shown the object if it were there. */
static bool covered(const struct catalog *c, const struct entry *e)
{
	if (c->list_day != SOURCE_ALL_DAYS && e->o.day != c->list_day && e->o.day != KEY_NO_DAY)
		return false;
	for (size_t i = 0; i < c->n_new_problems; i++)
		if (catalog_is_below(e->o.at.key, &c->new_problem[i]))
			return false;
	return true;
}

static void find_gone(struct catalog *c)
{
	c->gone = 0;
	for (uint32_t i = 0; i < c->n_entries; i++) {
		struct entry *e = catalog_entry(c, i);

		if (e->state == OBJECT_GONE || e->seen == c->listing || !covered(c, e))
			continue;
		catalog_drop(c, e);
		if (!c->gone++ || strcmp(e->o.at.key, c->first_gone) < 0)
			c->first_gone = e->o.at.key;
	}
}

static void end_well(struct catalog *c)
{
	find_gone(c);
	catalog_free_problems(c->problem, c->n_problems);
	c->problem = c->new_problem;
	c->n_problems = c->n_new_problems;
	c->new_problem = NULL;
	c->n_new_problems = 0;
	c->listed = true;
	c->counts.listed_at = c->list_began;
	free(c->unlisted);
	c->unlisted = NULL;
	if (c->list_day == SOURCE_ALL_DAYS)
		c->listed_all = c->listing;
	c->counts.listings++;
}

int catalog_list_end(struct catalog *c, int error, uint32_t *ret_new)
{
	pthread_mutex_lock(&c->lock);
	if (error)
		c->counts.failed_listings++;
	else
		end_well(c);
	c->list_error = error;
	c->is_listing = false;
	if (c->keys_changed)
		catalog_dirty(c);
	*ret_new = (uint32_t)c->counts.waiting;
	c->progress_at = clock_now();
	pthread_cond_broadcast(&c->work);
	pthread_mutex_unlock(&c->lock);
	tell(c);
	return 0;
}

/* ISO 8601, UTC. */
static void write_time(int64_t at, char out[48])
{
	int y, m, d, second = (int)(at % 86400);

	day_to_date((int32_t)(at / 86400), &y, &m, &d);
	snprintf(out, 48, "%04d-%02d-%02dT%02d:%02d:%02dZ", y, m, d, second / 3600, second / 60 % 60,
		second % 60);
}

void catalog_unlisted(struct catalog *c, const char *reason)
{
	char since[48], *text = NULL;
	int n;

	pthread_mutex_lock(&c->lock);
	write_time(c->counts.listed_at, since);
	n = c->listed ? asprintf(&text, "not listed since %s, what came later is not here: %s", since, reason)
		      : asprintf(&text, "%s", reason);
	if (n >= 0) {
		free(c->unlisted);
		c->unlisted = text;
	}
	pthread_mutex_unlock(&c->lock);
	tell(c);
}

uint32_t catalog_gone(struct catalog *c, const char **ret_first)
{
	uint32_t n;

	pthread_mutex_lock(&c->lock);
	n = c->gone;
	if (n)
		*ret_first = c->first_gone;
	pthread_mutex_unlock(&c->lock);
	return n;
}
