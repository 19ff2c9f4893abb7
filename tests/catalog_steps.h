/*
 * Steps of a catalogue's life for tests, and the checker: counts, keys and parts made anew from the objects
 * and compared. Include after cmocka.h.
 */
#ifndef TESTS_CATALOG_STEPS_H
#define TESTS_CATALOG_STEPS_H

#include <errno.h>
#include <stdio.h>

#include "tests/made.h"

#define LOGS    "AWSLogs/111122223333/CloudTrail/eu-west-1/"
#define DIGESTS "AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/"

static int told; /* calls of changed() */

static inline void changed(void *arg)
{
	(void)arg;
	__atomic_add_fetch(&told, 1, __ATOMIC_RELAXED);
}

static inline struct catalog *make(const struct source_filter *filter)
{
	struct catalog *c;

	told = 0;
	assert_int_equal(catalog_new(filter, false, changed, NULL, &c), 0);
	return c;
}

/* ---- the checker ---- */

static inline int count_problem(void *arg, const char *key, const char *reason)
{
	const char **last = arg;

	assert_true(!*last || strcmp(*last, key) <= 0);
	assert_true(reason[0]);
	*last = key;
	return 0;
}

static inline void check_keys(struct catalog *c, const struct snapshot *s)
{
	uint32_t n = 0;

	if (!catalog_listed(c))
		return;
	for (uint32_t i = 0; i < s->keys->n; i++) {
		const struct object *o = s->keys->object[i];

		assert_true(!i || strcmp(s->keys->object[i - 1]->at.key, o->at.key) < 0);
		assert_true(catalog_object_now(c, o->number).state != OBJECT_GONE);
		assert_ptr_equal(catalog_object(c, o->number), o);
	}
	for (uint32_t i = 0; catalog_object(c, i); i++)
		n += catalog_object_now(c, i).state != OBJECT_GONE;
	assert_int_equal(n, s->keys->n);
}

/* Every live object of a part is present, is the same, and is found there. */
static inline uint64_t check_part(struct catalog *c, const struct part *p)
{
	uint64_t live = 0;

	for (uint32_t i = 0; i < segment_objects(p->seg); i++) {
		struct segment_object is = segment_object(p->seg, i);
		const struct object *o;
		struct part *at;
		uint32_t place;

		if (p->object[i] == CATALOG_NO_OBJECT)
			continue;
		live++;
		o = catalog_object(c, p->object[i]);
		assert_non_null(o);
		assert_string_equal(o->at.key, is.key);
		assert_true(o->at.size == is.size && o->at.tag == is.tag && o->at.mtime == is.mtime);
		assert_int_equal(catalog_object_now(c, o->number).state, OBJECT_READY);
		assert_int_equal(catalog_locate(c, o->number, &at, &place), 0);
		assert_int_equal(place, i);
		assert_string_equal(at->name, p->name);
		part_unref(at);
	}
	assert_int_equal(live, p->live);
	assert_true(live > 0);
	return live;
}

static inline void check(struct catalog *c)
{
	struct catalog_counts is = catalog_counts(c), want = {0};
	struct snapshot *s = catalog_snapshot(c);
	const char *last = NULL;
	uint64_t located = 0, live = 0;

	for (uint32_t i = 0; catalog_object(c, i); i++) {
		const struct object *o = catalog_object(c, i);
		struct object_now now = catalog_object_now(c, i);
		uint32_t place;
		struct part *p;

		assert_int_equal(o->number, i);
		if (now.state == OBJECT_GONE) {
			assert_int_equal(catalog_locate(c, i, &p, &place), -ESTALE);
			continue;
		}
		want.objects++;
		want.bytes_total += o->wanted ? o->at.size : 0;
		want.bytes_done += o->wanted && now.state != OBJECT_WAITING ? o->at.size : 0;
		want.waiting += now.state == OBJECT_WAITING;
		want.ready += now.state == OBJECT_READY;
		want.failed += now.state == OBJECT_FAILED;
		want.damaged += now.damaged;
		want.problems += now.damaged || now.state == OBJECT_FAILED;
		if (now.state == OBJECT_FAILED)
			assert_true(now.error < 0);
		if (now.state == OBJECT_READY && o->wanted) {
			assert_int_equal(catalog_locate(c, i, &p, &place), 0);
			located += segment_rows(p->seg) > 0;
			part_unref(p);
		}
	}
	assert_int_equal(is.objects, want.objects);
	assert_int_equal(is.waiting, want.waiting);
	assert_int_equal(is.ready, want.ready);
	assert_int_equal(is.failed, want.failed);
	assert_int_equal(is.damaged, want.damaged);
	assert_int_equal(is.bytes_total, want.bytes_total);
	assert_int_equal(is.bytes_done, want.bytes_done);
	assert_true(is.problems >= want.problems);
	assert_int_equal(catalog_problems(c, count_problem, &last), 0);
	assert_false(is.complete && is.waiting);
	assert_non_null(s);
	check_keys(c, s);
	for (size_t i = 0; i < s->n; i++)
		live += check_part(c, s->part[i]);
	assert_int_equal(live, located);
	snapshot_unref(s);
}

/* ---- steps ---- */

static inline struct source_object object(const char *key, uint64_t size, uint64_t tag)
{
	return (struct source_object){.key = key, .size = size, .mtime = 5, .tag = tag};
}

/* A listing of n keys, all of size 10 and tag 1. */
static inline void list(struct catalog *c, size_t n, const char *const *key)
{
	uint32_t waiting;

	catalog_list_begin(c, SOURCE_ALL_DAYS, 0);
	for (size_t i = 0; i < n; i++) {
		struct source_object o = object(key[i], 10, 1);

		assert_int_equal(catalog_list_object(c, &o), 0);
	}
	assert_int_equal(catalog_list_end(c, 0, &waiting), 0);
	check(c);
}

static inline void list_one(struct catalog *c, const struct source_object *o)
{
	uint32_t waiting;

	catalog_list_begin(c, SOURCE_ALL_DAYS, 0);
	assert_int_equal(catalog_list_object(c, o), 0);
	catalog_list_end(c, 0, &waiting);
	check(c);
}

#define LIST(c, ...)                                                                                         \
	do {                                                                                                 \
		const char *const listed_keys[] = {__VA_ARGS__};                                             \
		list(c, sizeof(listed_keys) / sizeof(*listed_keys), listed_keys);                            \
	} while (0)

static inline void add_read(struct segment_build *b, const struct source_object *o, uint32_t rows)
{
	made_add_object(b, o, SEGMENT_IS_LOG, "");
	for (uint32_t i = 0; i < rows; i++) {
		struct made_event e = {
			.time = 1000 + i, .id = o->key, .hash = i, .minified = 10, .facet = {"user"}};

		made_add_event(b, &e);
	}
}

/* What reading a batch gives. */
static inline struct segment *read_batch(const struct batch *b)
{
	struct segment_build *build = segment_build_new(b->day);

	for (uint32_t i = 0; i < b->n; i++)
		add_read(build, &b->object[i]->at, 1);
	return made_segment(build);
}

static inline struct segment *segment_of(int32_t day, const struct source_object *o, size_t n, uint32_t rows)
{
	struct segment_build *build = segment_build_new(day);

	for (size_t i = 0; i < n; i++)
		add_read(build, &o[i], rows);
	return made_segment(build);
}

static inline void publish(struct catalog *c, struct batch *b, const char *name)
{
	assert_int_equal(catalog_publish(c, b, read_batch(b), name), 0);
	free(b->object);
	check(c);
}

/* Reads all that waits. */
static inline void read_all(struct catalog *c)
{
	struct batch b;

	while (catalog_counts(c).waiting) {
		assert_true(catalog_take(c, 100, 1 << 20, &b));
		publish(c, &b, "");
	}
}

static inline enum object_state state_of(struct catalog *c, uint32_t number)
{
	return catalog_object_now(c, number).state;
}

struct names {
	int n;
	char name[16][32];
};

static inline void note(void *arg, const char *name)
{
	struct names *x = arg;

	strncpy(x->name[x->n++], name, 31);
}

/* All that can be swept, as follow does it. */
static inline struct names sweep(struct catalog *c)
{
	struct names gone = {0};

	for (int32_t day = INT32_MIN; catalog_sweepable(c, &day); day++)
		catalog_sweep(c, day, note, &gone);
	check(c);
	return gone;
}

static inline int32_t key_day(const char *key)
{
	return key_parse(key).day;
}

#endif
