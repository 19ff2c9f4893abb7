/*
 * What a task does:
 *
 *	sweep   all keys below a prefix, flat; an AWSLogs/ on the way is hopped over and becomes a task
 *	level   one level of AWSLogs/[o-ID/]ACCOUNT/KIND/REGION/, by delimiter; accounts and regions that
 *	        are not admitted are not asked about
 *	dated   what is below REGION/, flat, from the first admitted day to the last. Where that takes long,
 *	        the rest is asked for by year, month and day, many at a time
 *
 * All of S3's general purpose buckets list in the order of keys' bytes, and so do nearly all other services.
 * Of others nothing but prefixes and delimiters is asked: a sweep is by level, and a region is listed from
 * its beginning to its end. When a listing turns out to be in no order, all begins anew in that way, because
 * what was cut short until then may have been cut too short.
 *
 * So a bucket costs one request per thousand keys, one per account, kind and region, and a few for what is
 * split; a listing of few days one per region. Objects that lie beside the years in a region's folder have no
 * day: a listing of limited days does not look for them, and the folder of an account or region that is not
 * admitted is left out as a whole.
 *
 * An object may be given twice, never missed.
 *
 * What is found is kept too (fs/store/listings.h), filter or not. A region's closed days are shown from what
 * is kept, and only what comes after them is asked for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/etag.h"
#include "fs/source_s3_plan.h"

#define STOPPED (-EXFULL) /* of our own sinks: enough for now */

static const char awslogs[] = "AWSLogs/";
/* Sorts behind every key below a prefix. */
static const char behind_all[] = "\xf4\x8f\xbf\xbf";
/* Keys after which a prefix is split: of a region, a year, a month. The more parts there will be, the
 * later. */
static const uint64_t split_at[DEPTH_DAY] = {2000, 4000, 16000};

/* A task at work. */
struct walk {
	struct plan *p;
	const struct task *t;
	struct batch *batch;
	char until[S3_KEY_MAX + 16]; /* LEVEL_DATED: keys behind this are not admitted; "": none */
	struct keep *keep;           /* ref'd */
	struct listing_run *run;     /* of it */
	bool may_split, sorted;
	uint64_t seen;
	char last[S3_KEY_MAX + 1]; /* key seen */
	char hop[S3_KEY_MAX + 16]; /* LEVEL_SWEEP: the AWSLogs/ seen last */
	bool hopped;               /* over it */
	bool out_of_days;
};

/* Until it is known that there is an order nothing is cut short. */
static int note_order(void *arg, enum s3_order order)
{
	struct walk *w = arg;

	w->sorted = order == S3_ORDER_BYTES && !w->p->unordered;
	return order == S3_ORDER_NONE && !w->p->unordered ? PLAN_UNORDERED : 0;
}

/* ---- what is found ---- */

static int flush(struct walk *w)
{
	struct batch *b = w->batch;

	w->batch = NULL;
	return b ? plan_deliver(w->p, b) : 0;
}

/* The place of a copy in the batch's names. */
static int keep_name(struct batch *b, const char *key, uintptr_t *ret)
{
	size_t len = strlen(key) + 1;

	if (b->len + len > b->room) {
		size_t room = b->room ? b->room * 2 : 64 * 1024;
		char *more = realloc(b->names, room);

		if (!more)
			return -ENOMEM;
		b->names = more;
		b->room = room;
	}
	memcpy(b->names + b->len, key, len);
	*ret = b->len;
	b->len += len;
	return 0;
}

/* Gives an object, if it is admitted. */
static int give_known(struct walk *w, const struct source_object *o)
{
	struct key_info info = key_parse(o->key);
	uintptr_t at;

	if (!source_filter_admits(w->p->filter, &info))
		return 0;
	if (info.day != KEY_NO_DAY && (info.day < w->p->first_day || info.day > w->p->last_day))
		return 0;
	if (!w->batch)
		w->batch = calloc(1, sizeof(*w->batch));
	if (!w->batch || keep_name(w->batch, o->key, &at) < 0)
		return -ENOMEM;
	w->batch->at[w->batch->n] = *o;
	w->batch->at[w->batch->n++].key = (const char *)at;
	return w->batch->n == BATCH_OBJECTS ? flush(w) : 0;
}

static int give(struct walk *w, const struct s3_object *o)
{
	const struct source_object object = {
		.key = o->key + w->p->s->cut,
		.size = o->size,
		.mtime = o->mtime,
		.tag = source_s3_tag(o->etag),
		.etag = etag_parse(o->etag),
	};

	if (!*object.key)
		return 0;
	listing_add(w->run, &object);
	return give_known(w, &object);
}

/* ---- what is kept ---- */

static int kept_object(void *arg, const struct source_object *o)
{
	return give_known(arg, o);
}

/* When the listing began, by the clock that is behind: what only ours says is long over may be today. */
static int64_t started(const struct walk *w)
{
	int64_t now = (int64_t)time(NULL) + s3_clock_ahead(w->p->s->s3);

	return now < w->p->started ? now : w->p->started;
}

/* From now on what is found is kept as a listing of the task's prefix. Where that fails it is not. */
static void begin_keeping(struct walk *w, enum listing_kind kind, int32_t first, int32_t last)
{
	struct source_s3 *s = w->p->s;
	bool days = kind == LISTING_DAYS; /* nothing else is closed */
	struct listing *listing;

	if (!s->listings)
		return;
	listing = listing_begin(
		s->listings, kind, w->t->prefix + s->cut, first, last, days ? started(w) : w->p->started);
	w->keep = keep_new(listing, days ? s->s3 : NULL);
	w->run = w->keep ? listing_run(w->keep->listing) : NULL;
}

/* The rest of what another task has begun. */
static void go_on_keeping(struct walk *w)
{
	w->keep = keep_ref(w->t->keep);
	w->run = w->keep ? listing_run(w->keep->listing) : NULL;
}

/* Gives what is kept of a region's days first..last; 1: that was all, 0: days *first.. must be listed. */
static int give_closed_days(struct walk *w, int32_t *first, int32_t last)
{
	const struct source_sink sink = {kept_object, NULL, w};
	struct source_s3 *s = w->p->s;
	int r = 0;

	if (s->listings)
		r = listings_find(s->listings, w->t->prefix + s->cut, *first, last, &sink, first);
	return r < 0 ? r : *first > last;
}

/* ---- levels ---- */

static bool all_digits(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return true;
}

static bool is_account(const char *name, size_t n)
{
	return n == 12 && all_digits(name, n);
}

static bool is_org(const char *name, size_t n)
{
	return n > 2 && name[0] == 'o' && name[1] == '-';
}

enum level source_s3_level_below(enum level level, const char *name, size_t n)
{
	if (n == sizeof(awslogs) - 2 && memcmp(name, awslogs, n) == 0)
		return LEVEL_AWSLOGS;
	switch (level) {
	case LEVEL_AWSLOGS:
		if (is_org(name, n))
			return LEVEL_ORG;
		/* fall through */
	case LEVEL_ORG:
		return is_account(name, n) ? LEVEL_ACCOUNT : LEVEL_SWEEP;
	case LEVEL_ACCOUNT:
		return n > 0 ? LEVEL_KIND : LEVEL_SWEEP;
	case LEVEL_KIND:
		return n > 0 ? LEVEL_DATED : LEVEL_SWEEP;
	case LEVEL_SWEEP:
	case LEVEL_DATED:
		break;
	}
	return level;
}

static bool among(const char *const *list, size_t n_list, const char *name, size_t n)
{
	for (size_t i = 0; i < n_list; i++)
		if (strlen(list[i]) == n && memcmp(list[i], name, n) == 0)
			return true;
	return n_list == 0;
}

/* Whether a folder of that level may hold anything that is admitted. */
static bool admits_folder(const struct plan *p, enum level level, const char *name, size_t n)
{
	const struct source_filter *f = p->filter;

	if (!f || (level != LEVEL_ACCOUNT && level != LEVEL_DATED))
		return true;
	return level == LEVEL_ACCOUNT ? among(f->account, f->n_account, name, n)
				      : among(f->region, f->n_region, name, n);
}

static int level_object(void *arg, const struct s3_object *o)
{
	return give(arg, o);
}

static int level_prefix(void *arg, const char *prefix)
{
	struct walk *w = arg;
	const char *name = prefix + strlen(w->t->prefix);
	size_t n = strlen(name) - 1;
	enum level level = source_s3_level_below(w->t->level, name, n);

	if (!admits_folder(w->p, level, name, n))
		return 0;
	if (level == LEVEL_DATED && plan_keep_region(w->p, prefix, strlen(prefix)) < 0)
		return -ENOMEM;
	return plan_push(w->p, task_new(level, prefix));
}

static int run_level(struct walk *w, struct s3_result *result)
{
	const struct s3_list_sink sink = {level_object, level_prefix, NULL, w};

	begin_keeping(w, LISTING_LEVEL, LISTINGS_FIRST, LISTINGS_LAST);
	return s3_list(w->p->s->s3, w->t->prefix, '/', NULL, &sink, result);
}

/* ---- sweeping ---- */

/* The end of the first AWSLogs/ component of the key, from a place where one may begin; 0: there is none. */
static size_t find_awslogs(const char *key, size_t from)
{
	for (const char *p = key + from; p; p = strchr(p, '/'), p = p ? p + 1 : NULL)
		if (strncmp(p, awslogs, sizeof(awslogs) - 1) == 0)
			return (size_t)(p - key) + sizeof(awslogs) - 1;
	return 0;
}

static int sweep_object(void *arg, const struct s3_object *o)
{
	struct walk *w = arg;
	size_t end = find_awslogs(o->key, strlen(w->t->prefix));

	if (!end)
		return give(w, o);
	if (strlen(w->hop) != end || memcmp(w->hop, o->key, end) != 0) {
		snprintf(w->hop, sizeof(w->hop), "%.*s", (int)end, o->key);
		w->hopped = false;
		int r = plan_push(w->p, task_new(LEVEL_AWSLOGS, w->hop));
		if (r < 0)
			return r;
	}
	/* Already hopped over: names that sort behind where that led. */
	if (!w->sorted || w->hopped)
		return 0;
	w->hopped = true;
	return STOPPED;
}

static int run_sweep(struct walk *w, struct s3_result *result)
{
	const struct s3_list_sink sink = {sweep_object, NULL, note_order, w};
	char after[sizeof(w->hop) + sizeof(behind_all)] = "";
	int r;

	if (w->p->unordered)
		return run_level(w, result);

	begin_keeping(w, LISTING_FLAT, LISTINGS_FIRST, LISTINGS_LAST);
	while ((r = s3_list(w->p->s->s3, w->t->prefix, '\0', after, &sink, result)) == STOPPED) {
		snprintf(after, sizeof(after), "%s%s", w->hop, behind_all);
		w->sorted = false;
	}
	return r;
}

/* ---- dates ---- */

void source_s3_day_path(const char *prefix, size_t base, int32_t day, char end, char *out, size_t cap)
{
	int y, m, d;

	day_to_date(day, &y, &m, &d);
	snprintf(out, cap, "%.*s%04d/%02d/%02d%c", (int)base, prefix, y, m, d, end);
}

static int dated_object(void *arg, const struct s3_object *o)
{
	struct walk *w = arg;

	snprintf(w->last, sizeof(w->last), "%s", o->key);
	if (w->sorted && w->until[0] && strcmp(o->key, w->until) > 0) {
		w->out_of_days = true;
		return STOPPED;
	}
	int r = give(w, o);
	if (r == 0 && w->sorted && w->may_split && ++w->seen >= split_at[w->t->depth])
		return STOPPED;
	return r;
}

/* A part of a split prefix: what is left of it. */
static int split_prefix(void *arg, const char *prefix)
{
	struct walk *w = arg;
	size_t len = strlen(prefix);
	bool inside = strncmp(w->last, prefix, len) == 0;
	struct task *t;

	if ((!inside && strcmp(prefix, w->last) < 0) || (w->until[0] && strcmp(prefix, w->until) >= 0))
		return 0;
	t = task_new(LEVEL_DATED, prefix);
	if (t) {
		t->base = w->t->base;
		t->depth = w->t->depth + 1;
		t->keep = keep_ref(w->keep);
		t->after = strdup(inside ? w->last : "");
		if (!t->after) {
			task_free(t);
			t = NULL;
		}
	}
	return plan_push(w->p, t);
}

static int split_object(void *arg, const struct s3_object *o)
{
	struct walk *w = arg;

	return strcmp(o->key, w->last) > 0 ? give(w, o) : 0;
}

static int run_dated(struct walk *w, struct s3_result *result)
{
	const struct s3_list_sink flat = {dated_object, NULL, note_order, w},
				  split = {split_object, split_prefix, NULL, w};
	const struct task *t = w->t;
	const char *after = t->after ? t->after : "";
	char from[S3_KEY_MAX + 16] = "";
	int32_t first = w->p->first_day > INT32_MIN + 1 ? w->p->first_day : LISTINGS_FIRST;
	int32_t last = w->p->last_day < INT32_MAX ? w->p->last_day : LISTINGS_LAST;
	int r;

	if (w->p->unordered) {
		first = LISTINGS_FIRST;
		last = LISTINGS_LAST;
	}
	if (t->keep) {
		go_on_keeping(w);
	} else if (!t->prefix[t->base]) {
		r = w->p->unordered ? 0 : give_closed_days(w, &first, last);
		if (r != 0)
			return r < 0 ? r : 0;
		begin_keeping(w, LISTING_DAYS, first, last);
	} else if (!w->p->limited) {
		begin_keeping(w, LISTING_FLAT, first, last);
	}
	if (first != LISTINGS_FIRST)
		source_s3_day_path(t->prefix, t->base, first, '\0', from, sizeof(from));
	if (last != LISTINGS_LAST)
		source_s3_day_path(t->prefix, t->base, last + 1, '\0', w->until, sizeof(w->until));
	if (strcmp(from, after) > 0 && strcmp(from, t->prefix) > 0)
		after = from;
	w->may_split = t->depth < DEPTH_DAY;
	r = s3_list(w->p->s->s3, t->prefix, '\0', after, &flat, result);
	if (r == STOPPED && w->out_of_days)
		r = 0;
	if (r == STOPPED)
		r = s3_list(w->p->s->s3, t->prefix, '/', NULL, &split, result);
	return r;
}

/* ---- a task ---- */

/* A part that may not be listed is a problem of that part. Anything else may pass, and is one of all. */
static int problem(struct walk *w, int error, const struct s3_result *result)
{
	struct batch *b;

	if (error != -EACCES || w->t->first)
		return error;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->error = error;
	snprintf(b->key, sizeof(b->key), "%s", w->t->prefix + w->p->s->cut);
	snprintf(b->reason, sizeof(b->reason), "%.*s", SOURCE_REASON_MAX - 1, result->message);
	return plan_deliver(w->p, b);
}

void source_s3_walk(struct plan *p, const struct task *t)
{
	struct walk *w = calloc(1, sizeof(*w));
	struct s3_result *result = calloc(1, sizeof(*result));
	int r = -ENOMEM;

	if (!w || !result)
		goto out;
	w->p = p;
	w->t = t;
	if (t->level == LEVEL_SWEEP)
		r = run_sweep(w, result);
	else if (t->level == LEVEL_DATED)
		r = run_dated(w, result);
	else
		r = run_level(w, result);
	if (r < 0)
		keep_fail(w->keep);
	if (r < 0 && r == result->error) {
		if (r != -ECANCELED && result->message[0])
			source_s3_say(p->s, result->message);
		r = problem(w, r, result);
	}
	if (r == 0)
		r = flush(w);
	batch_free(w->batch);
	keep_unref(w->keep);
out:
	if (r < 0) {
		keep_fail(t->keep);
		plan_give_up(p, r);
	}
	free(result);
	free(w);
}
