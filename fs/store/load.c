/*
 * From the source's bytes to a blob, in steps of which each is a function here: a piece is read; all of an
 * object comes, is inflated, is fetched again where that shows damage, and is decoded. All of a large one,
 * and of what was not asked for with others, is fetched when it is taken.
 */
#include "fs/store/load.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/log.h"
#include "fs/store/ingest.h"
#include "fs/store/large.h"

#define FETCHES_MAX 3 /* of an object that comes damaged */

struct item {
	struct load *load;
	const struct source_object *o; /* NULL: an empty place */
	uint64_t form;
	bool asked;
	bool came; /* the source is done with it, and gave: */
	int error;
	char *raw;
	size_t len;
	char reason[BLOB_REASON_MAX]; /* why it failed there, or later */
};

struct load {
	struct source *source;
	struct cache *spill;
	pthread_mutex_t mutex; /* of what came; a leaf */
	pthread_cond_t cond;
	size_t n;
	struct source_object *asked; /* those asked for together, */
	size_t *place;               /* and where they are among these: */
	struct item item[];
};

/* ---- fetching ---- */

static void come(struct item *it, int error, char *data, size_t len, const char *reason)
{
	struct load *l = it->load;

	pthread_mutex_lock(&l->mutex);
	it->came = true;
	it->error = error;
	it->raw = data;
	it->len = len;
	snprintf(it->reason, sizeof(it->reason), "%s", error ? reason : "");
	pthread_cond_signal(&l->cond);
	pthread_mutex_unlock(&l->mutex);
}

static void fetched(void *arg, size_t i, int error, char *data, size_t len, const char *reason)
{
	(void)i;
	come(arg, error, data, len, reason);
}

static void fetched_together(void *arg, size_t i, int error, char *data, size_t len, const char *reason)
{
	struct load *l = arg;

	come(&l->item[l->place[i]], error, data, len, reason);
}

static void fetch(struct load *l, struct item *it)
{
	it->came = false;
	source_fetch(l->source, it->o, 1, fetched, it);
}

/* ---- what came, to what is wanted ---- */

/* Waits until the source is done with it. *ret: a blob of the stored bytes, or of what they inflate to. */
static int take_whole(struct load *l, struct item *it, struct blob **ret)
{
	char *raw;
	int error;

	pthread_mutex_lock(&l->mutex);
	while (!it->came)
		pthread_cond_wait(&l->cond, &l->mutex);
	raw = it->raw;
	it->raw = NULL;
	pthread_mutex_unlock(&l->mutex);
	if (it->error)
		return it->error;
	if ((it->form & LOAD_INFLATED) != LOAD_INFLATED) {
		*ret = blob_keep(raw, it->len, l->spill);
		return *ret ? 0 : -ENOMEM;
	}
	error = blob_gunzip(raw, it->len, l->spill, ret, it->reason);
	free(raw);
	return error;
}

/* Who asks knows of the object that it is no damaged one: what comes damaged is no true copy, and is not
 * kept.
 */
static int take_true(struct load *l, struct item *it, struct blob **ret)
{
	int error = take_whole(l, it, ret);

	for (unsigned n = 1; error == -EBADMSG && source_doubt(l->source, it->o) && n < FETCHES_MAX; n++) {
		fetch(l, it);
		error = take_whole(l, it, ret);
	}
	return error;
}

static int take_form(struct load *l, struct item *it, struct blob **ret)
{
	struct blob *whole;
	int error = take_true(l, it, &whole);

	if (error)
		return error;
	if (!(it->form & LOAD_DECODED)) {
		*ret = whole;
		return 0;
	}
	error = ingest_text(whole, true, l->spill, ret);
	blob_unref(whole);
	return error;
}

/* Fetches and takes one object, a large one when no other is being read. */
static int take_alone(struct load *l, struct item *it, struct blob **ret)
{
	int error = large_begin(it->o->size);

	if (error) {
		snprintf(it->reason, sizeof(it->reason), LARGE_WHY);
		return error;
	}
	fetch(l, it);
	error = take_form(l, it, ret);
	large_end(it->o->size);
	return error;
}

static int take_piece(struct load *l, struct item *it, struct blob **ret)
{
	uint64_t at = it->form * LOAD_PIECE, left = it->o->size - at;
	size_t n = (size_t)(left < LOAD_PIECE ? left : LOAD_PIECE), got = 0;
	char *data = malloc(n + 1);
	int error;

	if (!data)
		return -ENOMEM;
	error = source_read(l->source, it->o, at, data, n, &got);
	if (error == 0 && got != n)
		error = -ESTALE;
	if (error) {
		free(data);
		return error;
	}
	it->len = n;
	*ret = blob_new(data, n);
	return *ret ? 0 : -ENOMEM;
}

static void say_failed(const struct source_object *o, int error, const char *reason)
{
	if (error != -ECANCELED)
		log_warning("cannot read %s: %s", o->key, *reason ? reason : strerrordesc_np(-error));
}

/* ---- verbs ---- */

int load_new(struct source *source, struct cache *spill, size_t n, struct load **ret)
{
	struct load *l = calloc(1, sizeof(*l) + n * sizeof(l->item[0]));

	if (!l)
		return -ENOMEM;
	pthread_mutex_init(&l->mutex, NULL);
	pthread_cond_init(&l->cond, NULL);
	l->source = source;
	l->spill = spill;
	l->n = n;
	l->asked = calloc(n + 1, sizeof(l->asked[0]));
	l->place = calloc(n + 1, sizeof(l->place[0]));
	if (!l->asked || !l->place) {
		load_free(l);
		return -ENOMEM;
	}
	*ret = l;
	return 0;
}

void load_free(struct load *l)
{
	if (!l)
		return;
	pthread_mutex_destroy(&l->mutex);
	pthread_cond_destroy(&l->cond);
	free(l->asked);
	free(l->place);
	free(l);
}

void load_put(struct load *l, size_t i, const struct source_object *o, uint64_t form)
{
	l->item[i].load = l;
	l->item[i].o = o;
	l->item[i].form = form;
}

void load_ask(struct load *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct item *it = &l->item[i];

		if (!it->o || !(it->form & LOAD_WHOLE) || it->o->size > LARGE_MIN)
			continue;
		it->asked = true;
		l->asked[n] = *it->o;
		l->place[n++] = i;
	}
	if (n)
		source_fetch(l->source, l->asked, n, fetched_together, l);
}

int load_take(struct load *l, size_t i, struct blob **ret, uint64_t *ret_fetched)
{
	struct item *it = &l->item[i];
	int error;

	if (!(it->form & LOAD_WHOLE))
		error = take_piece(l, it, ret);
	else if (!it->asked)
		error = take_alone(l, it, ret);
	else
		error = take_form(l, it, ret);
	if (error)
		say_failed(it->o, error, it->reason);
	else
		*ret_fetched = it->len;
	return error;
}

int load_one(struct source *source, struct cache *spill, const struct source_object *o, uint64_t form,
	struct blob **ret, uint64_t *ret_fetched)
{
	struct load *l;
	int error = load_new(source, spill, 1, &l);

	if (error) {
		say_failed(o, error, "");
		return error;
	}
	load_put(l, 0, o, form);
	error = load_take(l, 0, ret, ret_fetched);
	load_free(l);
	return error;
}
