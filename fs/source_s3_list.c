/*
 * Listing a bucket: where to begin, and what is kept of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/log.h"
#include "fs/source_s3_plan.h"

/* The task for the prefix that the source was opened with: it may lead anywhere into a layout. */
static struct task *first_task(struct plan *p)
{
	const char *prefix = p->s->prefix;
	enum level level = LEVEL_SWEEP;
	size_t base = 0;
	struct task *t;

	for (const char *at = prefix; *at && !(level == LEVEL_DATED);) {
		size_t n = strcspn(at, "/");

		level = source_s3_level_below(level, at, n);
		at += n + (at[n] == '/');
		base = (size_t)(at - prefix);
	}
	t = task_new(level, prefix);
	if (!t)
		return NULL;
	t->first = true;
	t->base = base;
	/* Within a region's folder, how deep is not worth finding out: it is not split. */
	t->depth = level == LEVEL_DATED && prefix[base] ? DEPTH_DAY : 0;
	if (level == LEVEL_DATED && plan_keep_region(p, prefix, base) < 0) {
		task_free(t);
		return NULL;
	}
	return t;
}

/* What the source has of a day's folder: the source may be a part of the region's days, or of one day. */
static int add_day_task(struct plan *p, const char *path, size_t base)
{
	const char *whole = p->s->prefix;
	bool deeper = strncmp(whole, path, strlen(path)) == 0;
	struct task *t;

	if (!deeper && strncmp(path, whole, strlen(whole)) != 0)
		return 0;
	t = task_new(LEVEL_DATED, deeper ? whole : path);
	if (!t)
		return -ENOMEM;
	t->base = base;
	t->depth = DEPTH_DAY;
	t->next = p->tasks;
	p->tasks = t;
	return 0;
}

/* One day of all regions that are known; -ENOENT: none is known yet. */
static int add_day_tasks(struct plan *p, int32_t day)
{
	struct source_s3 *s = p->s;
	char path[S3_KEY_MAX + 32];
	int r = 0;

	pthread_mutex_lock(&s->lock);
	if (!s->discovered)
		r = -ENOENT;
	for (size_t i = 0; i < s->regions.n && r == 0; i++) {
		const char *region = s->regions.at[i];
		size_t base = strlen(region);

		source_s3_day_path(region, base, day, '/', path, sizeof(path));
		r = add_day_task(p, path, base);
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

static int add_tasks(struct plan *p, int32_t day, bool *ret_discovers)
{
	int r = day == SOURCE_ALL_DAYS ? -ENOENT : add_day_tasks(p, day);

	*ret_discovers = r == -ENOENT;
	return r == -ENOENT ? plan_push(p, first_task(p)) : r;
}

/* What was not found is not there, where all was looked for. */
static void drop_what_is_gone(struct plan *p)
{
	struct source_s3 *s = p->s;
	const struct source_filter *f = p->filter;
	const char **region;

	if (!s->listings || p->limited || (f && (f->n_account || f->n_region)))
		return;
	region = calloc(p->regions.n + 1, sizeof(*region));
	if (!region)
		return;
	for (size_t i = 0; i < p->regions.n; i++)
		region[i] = p->regions.at[i] + s->cut;
	listings_found(s->listings, region, p->regions.n, p->started);
	free(region);
}

/* What a full listing found is where days are looked for from now on. */
static void keep_regions(struct plan *p)
{
	struct source_s3 *s = p->s;

	pthread_mutex_lock(&s->lock);
	struct strings old = s->regions;
	s->regions = p->regions;
	s->discovered = true;
	pthread_mutex_unlock(&s->lock);
	p->regions = old;
}

static int list(
	struct source_s3 *s, int32_t day, const struct source_filter *f, const struct source_sink *sink)
{
	struct plan p;
	bool discovers = false;
	int r;

	plan_init(&p, s, day, f);
	p.carry_out = source_s3_walk;
	r = p.first_day <= p.last_day ? add_tasks(&p, day, &discovers) : 0;
	if (r == 0 && p.tasks)
		r = plan_run(&p, sink);
	if (r == 0 && discovers) {
		drop_what_is_gone(&p);
		keep_regions(&p);
	}
	plan_clear(&p);
	return r;
}

/* From now on nothing is asked that only an order answers, nor is what was kept while there seemed to be one
 * believed. */
static void note_unordered(struct source_s3 *s)
{
	pthread_mutex_lock(&s->lock);
	s->unordered = true;
	pthread_mutex_unlock(&s->lock);
	log_info(
		"%s lists its keys in no order: --since and --until do not spare it any listing", s->base.id);
}

int source_s3_list(
	struct source *base, int32_t day, const struct source_filter *f, const struct source_sink *sink)
{
	struct source_s3 *s = (struct source_s3 *)base;
	int r;

	source_s3_say(s, "");
	r = list(s, day, f, sink);
	if (r == PLAN_UNORDERED) {
		note_unordered(s);
		r = list(s, day, f, sink);
	}
	return r;
}
