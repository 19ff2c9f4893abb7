/*
 * The catalogue and the files of the cache: segments of other mounts, merging, sweeping, and two mounts that
 * share files in any order of events.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/catalog_steps.h"

/* ---- the cache's segments ---- */

static void known_segments_need_no_reading(void **state)
{
	const struct source_object o[] = {object("a.json", 10, 1), object("b.json", 10, 1)};
	struct catalog *c = make(NULL);

	(void)state;
	assert_int_equal(catalog_adopt(c, segment_of(KEY_NO_DAY, o, 2, 1), "f1"), 0);
	check(c);
	assert_true(catalog_has_segment(c, "f1"));
	assert_false(catalog_has_segment(c, "f2"));
	assert_false(catalog_has_segment(c, ""));
	LIST(c, "a.json", "b.json", "c.json");
	assert_int_equal(catalog_counts(c).waiting, 1);
	assert_int_equal(catalog_counts(c).rows, 2);
	catalog_free(c);
}

static void a_segment_of_another_mount_ends_waiting(void **state)
{
	const struct source_object o[] = {object("a.json", 10, 1), object("b.json", 10, 2)};
	struct catalog *c = make(NULL);
	struct batch b;

	(void)state;
	LIST(c, "a.json", "b.json");
	assert_int_equal(catalog_adopt(c, segment_of(KEY_NO_DAY, o, 2, 1), "f1"), 0);
	check(c);
	assert_int_equal(state_of(c, 0), OBJECT_READY);
	assert_int_equal(state_of(c, 1), OBJECT_WAITING); /* another tag */
	catalog_take(c, 9, 99, &b);
	assert_int_equal(b.n, 1);
	/* While it is read here, another mount has read it. */
	assert_int_equal(catalog_adopt(c, segment_of(KEY_NO_DAY, &b.object[0]->at, 1, 1), "f2"), 0);
	publish(c, &b, "f3");
	assert_int_equal(state_of(c, 1), OBJECT_READY);
	assert_int_equal(catalog_counts(c).parts, 2);
	LIST(c, "a.json", "b.json");
	assert_int_equal(sweep(c).n, 1);
	assert_false(catalog_has_segment(c, "f3"));
	catalog_free(c);
}

/* Whoever looks at the files may meet one that this mount has just written. */
static void a_file_has_one_slot(void **state)
{
	struct catalog *c = make(NULL);
	struct names gone;
	struct batch b;

	(void)state;
	LIST(c, "a.json");
	catalog_take(c, 9, 99, &b);
	assert_int_equal(catalog_adopt(c, read_batch(&b), "f1"), 0);
	assert_int_equal(catalog_adopt(c, read_batch(&b), "f1"), 0);
	publish(c, &b, "f1");
	assert_int_equal(catalog_counts(c).parts, 1);
	LIST(c, "a.json");
	gone = sweep(c);
	assert_int_equal(gone.n, 0);
	assert_true(catalog_has_segment(c, "f1"));
	catalog_free(c);
}

/* Another mount has merged f1 into f2 and removed f1. */
static void objects_move_to_the_file_that_is_left(void **state)
{
	const struct source_object o[] = {object("a.json", 10, 1), object("b.json", 10, 1)};
	struct catalog *c = make(NULL);
	struct snapshot *s;

	(void)state;
	assert_int_equal(catalog_adopt(c, segment_of(KEY_NO_DAY, o, 1, 1), "f1"), 0);
	LIST(c, "a.json", "b.json");
	assert_int_equal(catalog_adopt(c, segment_of(KEY_NO_DAY, o, 2, 1), "f2"), 0);
	LIST(c, "a.json", "b.json");
	/* As long as both are there, neither goes: each has something live. */
	catalog_files_begin(c);
	assert_true(catalog_has_segment(c, "f1"));
	assert_true(catalog_has_segment(c, "f2"));
	catalog_files_end(c);
	assert_int_equal(sweep(c).n, 0);
	catalog_files_begin(c);
	assert_true(catalog_has_segment(c, "f2"));
	catalog_files_end(c);
	check(c);
	assert_false(catalog_has_segment(c, "f1"));
	s = catalog_snapshot(c);
	assert_int_equal(s->n, 1);
	assert_string_equal(s->part[0]->name, "f2");
	snapshot_unref(s);
	assert_int_equal(sweep(c).n, 0);
	assert_null(catalog_take_news(c)); /* nothing has changed for anyone */
	catalog_free(c);
}

/* The file that is left is kept although everything in it is bound elsewhere. */
static void the_only_file_is_not_swept(void **state)
{
	const struct source_object o[] = {object("a.json", 10, 1)};
	struct catalog *c = make(NULL);
	struct batch b;

	(void)state;
	LIST(c, "a.json");
	catalog_take(c, 9, 99, &b);
	publish(c, &b, ""); /* no room on the disk: only in memory */
	assert_int_equal(catalog_adopt(c, segment_of(KEY_NO_DAY, o, 1, 1), "f1"), 0);
	LIST(c, "a.json");
	assert_int_equal(sweep(c).n, 0);
	catalog_files_begin(c);
	assert_true(catalog_has_segment(c, "f1"));
	assert_int_equal(catalog_adopt(c, segment_of(KEY_NO_DAY, o, 1, 1), "f1"), 0);
	catalog_files_end(c);
	check(c);
	assert_int_equal(sweep(c).n, 0);
	assert_true(catalog_has_segment(c, "f1"));
	catalog_free(c);
}

/* ---- merging ---- */

/* n files of one object each. */
static void adopt_files(struct catalog *c, uint32_t n, uint32_t rows)
{
	uint32_t waiting;

	catalog_list_begin(c, SOURCE_ALL_DAYS, 0);
	for (uint32_t i = 0; i < n; i++) {
		char key[32], name[32];
		struct source_object o = object(key, 10, 1);

		snprintf(key, sizeof(key), "%u.json", i);
		snprintf(name, sizeof(name), "f%u", i);
		assert_int_equal(catalog_adopt(c, segment_of(KEY_NO_DAY, &o, 1, rows), name), 0);
		catalog_list_object(c, &o);
	}
	catalog_list_end(c, 0, &waiting);
	check(c);
}

static struct segment_build *merge_of(struct part *const *part, size_t n)
{
	struct segment_build *b = segment_build_new(segment_key_day(part[0]->seg));

	for (size_t i = 0; i < n; i++)
		for (uint32_t o = 0; o < segment_objects(part[i]->seg); o++)
			if (part[i]->object[o] != CATALOG_NO_OBJECT)
				assert_int_equal(segment_build_copy(b, part[i]->seg, o), 0);
	return b;
}

static struct segment *merged(struct part *const *part, size_t n)
{
	return made_segment(merge_of(part, n));
}

static void free_parts(struct part **part, size_t n)
{
	for (size_t i = 0; i < n; i++)
		part_unref(part[i]);
	free(part);
}

static void small_segments_become_one(void **state)
{
	struct catalog *c = make(NULL);
	struct names gone = {0};
	struct part **part;
	struct snapshot *before;
	size_t n;

	(void)state;
	adopt_files(c, 10, 3);
	before = catalog_snapshot(c);
	assert_int_equal(catalog_mergeable(c, 3 * SEGMENT_ROW_MEMORY, &part), 0);
	n = catalog_mergeable(c, UINT64_MAX, &part);
	assert_int_equal(n, 10);
	assert_int_equal(catalog_replace(c, part, n, merged(part, n), "all", note, &gone), 0);
	free_parts(part, n);
	check(c);
	assert_int_equal(gone.n, 10);
	assert_int_equal(catalog_counts(c).parts, 1);
	assert_int_equal(catalog_counts(c).rows, 30);
	assert_int_equal(catalog_mergeable(c, UINT64_MAX, &part), 0);
	assert_int_equal(before->n, 10); /* whoever asked before still reads there */
	assert_string_equal(segment_object(before->part[0]->seg, 0).key, "0.json");
	snapshot_unref(before);
	assert_null(catalog_take_news(c));
	catalog_free(c);
}

static void merging_ends(void **state)
{
	static const uint32_t rows[] = {1, 9000, 2, 9000, 9000, 40000, 5000, 3};
	struct catalog *c = make(NULL);
	struct part **part;
	int rounds = 0;
	size_t n;
	uint32_t waiting;

	(void)state;
	catalog_list_begin(c, SOURCE_ALL_DAYS, 0);
	for (uint32_t i = 0; i < 8; i++) {
		char key[32];
		struct source_object o = object(key, 10, 1);

		snprintf(key, sizeof(key), "%u.json", i);
		assert_int_equal(catalog_adopt(c, segment_of(KEY_NO_DAY, &o, 1, rows[i]), key), 0);
		catalog_list_object(c, &o);
	}
	catalog_list_end(c, 0, &waiting);
	while ((n = catalog_mergeable(c, UINT64_MAX, &part)) > 0) {
		struct names gone = {0};
		char name[32];

		assert_true(++rounds < 8);
		snprintf(name, sizeof(name), "m%d", rounds);
		assert_int_equal(catalog_replace(c, part, n, merged(part, n), name, note, &gone), 0);
		free_parts(part, n);
		check(c);
	}
	assert_true(rounds > 0);
	assert_true(catalog_counts(c).parts <= 3);
	catalog_free(c);
}

static void nothing_is_merged_while_objects_wait(void **state)
{
	struct catalog *c = make(NULL);
	struct part **part;
	struct source_object o = object("wait.json", 10, 1);
	uint32_t waiting;

	(void)state;
	adopt_files(c, 3, 1);
	catalog_list_begin(c, SOURCE_ALL_DAYS, 0);
	catalog_list_object(c, &o);
	catalog_list_end(c, -EIO, &waiting);
	assert_int_equal(catalog_mergeable(c, UINT64_MAX, &part), 0);
	read_all(c);
	assert_int_equal(catalog_mergeable(c, UINT64_MAX, &part), 4);
	free_parts(part, 4);
	catalog_free(c);
}

/* An object goes while its segments are being merged. */
static void a_merge_that_comes_too_late_is_dropped(void **state)
{
	struct catalog *c = make(NULL);
	struct names gone = {0};
	struct part **part;
	struct segment *seg;
	size_t n;

	(void)state;
	adopt_files(c, 3, 1);
	n = catalog_mergeable(c, UINT64_MAX, &part);
	assert_int_equal(n, 3);
	seg = merged(part, n);
	LIST(c, "0.json", "1.json");
	assert_int_equal(catalog_replace(c, part, n, seg, "m", note, &gone), -ESTALE);
	free_parts(part, n);
	check(c);
	assert_int_equal(gone.n, 0);
	LIST(c, "0.json", "1.json");
	gone = sweep(c); /* what was written in vain, and the file of what is gone */
	assert_int_equal(gone.n, 2);
	assert_false(catalog_has_segment(c, "m"));
	assert_true(catalog_has_segment(c, "f0") && catalog_has_segment(c, "f1"));
	catalog_free(c);
}

static unsigned released;

static void note_release(void *data, size_t len)
{
	made_release(data, len);
	released++;
}

/* Of which it is known when it is freed. */
static struct segment *watched(struct segment_build *b)
{
	const char *reason;
	struct segment *s;
	void *data;
	size_t len;

	assert_int_equal(segment_build_finish(b, &data, &len), 0);
	segment_build_free(b);
	assert_int_equal(segment_open_memory(data, len, note_release, &s, &reason), 0);
	return s;
}

/* The same where there is no cache: what was made in vain goes at once. */
static void a_late_merge_in_memory_is_dropped(void **state)
{
	struct catalog *c = make(NULL);
	struct names gone = {0};
	struct part **part;
	struct batch b;
	size_t n;

	(void)state;
	for (int i = 0; i < 3; i++) { /* a segment each */
		static const char *const key[] = {"0.json", "1.json", "2.json"};

		list(c, (size_t)i + 1, key);
		assert_true(catalog_take(c, 1, 99, &b));
		publish(c, &b, "");
	}
	n = catalog_mergeable(c, UINT64_MAX, &part);
	assert_int_equal(n, 3);
	LIST(c, "0.json", "1.json");
	assert_int_equal(catalog_replace(c, part, n, watched(merge_of(part, n)), "", note, &gone), -ESTALE);
	assert_int_equal(released, 1);
	free_parts(part, n);
	check(c);
	assert_int_equal(catalog_counts(c).parts, 2);
	assert_int_equal(catalog_counts(c).rows, 2);
	catalog_free(c);
}

/* --since, --account: another mount of the same source may show what this one does not. */
static void what_another_mount_may_need_stays(void **state)
{
	const char *const account[] = {"111122223333"};
	const struct source_filter filter = {
		.first_day = INT32_MIN + 1, .last_day = INT32_MAX, .account = account, .n_account = 1};
	const struct source_object o[] = {object(LOGS "2025/06/19/a.json.gz", 10, 1),
		object("AWSLogs/444455556666/CloudTrail/eu-west-1/2025/06/19/b.json.gz", 10, 1)};
	int32_t day = key_day(o[0].key);
	struct catalog *c = make(&filter);
	struct part **part;

	(void)state;
	assert_int_equal(catalog_adopt(c, segment_of(day, o, 2, 1), "both"), 0);
	assert_int_equal(catalog_adopt(c, segment_of(day, o + 1, 1, 1), "theirs"), 0);
	assert_int_equal(catalog_adopt(c, segment_of(day, o, 1, 1), "ours"), 0);
	list_one(c, o);
	/* Ours is there twice, but only one copy may go. */
	assert_int_equal(catalog_mergeable(c, UINT64_MAX, &part), 0);
	assert_int_equal(sweep(c).n, 1);
	assert_true(catalog_has_segment(c, "both"));
	assert_true(catalog_has_segment(c, "theirs"));
	LIST(c, "other.txt");
	assert_int_equal(sweep(c).n, 0);
	catalog_free(c);
}

static void files_below_a_problem_stay(void **state)
{
	const struct source_object o[] = {object("dir/a.json", 10, 1), object("b.json", 10, 1)};
	struct catalog *c = make(NULL);
	uint32_t waiting;

	(void)state;
	assert_int_equal(catalog_adopt(c, segment_of(KEY_NO_DAY, o, 1, 1), "f1"), 0);
	assert_int_equal(catalog_adopt(c, segment_of(KEY_NO_DAY, o + 1, 1, 1), "f2"), 0);
	catalog_list_begin(c, SOURCE_ALL_DAYS, 0);
	catalog_list_problem(c, "dir/", -EACCES, "denied");
	catalog_list_end(c, 0, &waiting);
	assert_int_equal(sweep(c).n, 1);
	assert_true(catalog_has_segment(c, "f1"));
	catalog_free(c);
}

/* ---- two mounts and a disk, at random ---- */

#define KEYS  12
#define FILES 400

/* A disk that both mounts write to: files of segments. */
struct disk {
	struct {
		bool is;
		struct segment *seg;
		char name[32];
	} file[FILES];
	int n;
};

struct mount {
	struct catalog *c;
	struct disk *disk;
	struct batch batch[3];
	bool taken[3];
};

/* The source: the version of each key, 0: it is not there. */
struct world {
	uint64_t seed;
	struct disk disk;
	struct mount mount[2];
	uint64_t version[KEYS];
	char key[KEYS][80];
};

static void disk_add(struct disk *d, struct segment *seg, char name[32])
{
	assert_true(d->n < FILES);
	snprintf(name, 32, "file%d", d->n);
	d->file[d->n].is = true;
	d->file[d->n].seg = segment_ref(seg);
	snprintf(d->file[d->n].name, 32, "%s", name);
	d->n++;
}

static void disk_remove(void *arg, const char *name)
{
	struct disk *d = arg;

	for (int i = 0; i < d->n; i++)
		if (d->file[i].is && !strcmp(d->file[i].name, name)) {
			d->file[i].is = false;
			segment_unref(d->file[i].seg);
			return;
		}
}

static bool disk_holds(const struct disk *d, const struct source_object *o)
{
	for (int i = 0; i < d->n; i++)
		for (uint32_t k = 0; d->file[i].is && k < segment_objects(d->file[i].seg); k++) {
			struct segment_object s = segment_object(d->file[i].seg, k);

			if (!strcmp(s.key, o->key) && s.tag == o->tag && s.size == o->size)
				return true;
		}
	return false;
}

static void look_at_files(struct mount *m)
{
	catalog_files_begin(m->c);
	for (int i = 0; i < m->disk->n; i++)
		if (m->disk->file[i].is && !catalog_has_segment(m->c, m->disk->file[i].name))
			assert_int_equal(
				catalog_adopt(m->c, segment_ref(m->disk->file[i].seg), m->disk->file[i].name),
				0);
	catalog_files_end(m->c);
}

static struct source_object world_object(const struct world *w, int k)
{
	return object(w->key[k], 10 + w->version[k] % 7, w->version[k]);
}

static void world_list(struct world *w, struct mount *m, int error, bool problem)
{
	uint32_t waiting;

	look_at_files(m);
	catalog_list_begin(m->c, SOURCE_ALL_DAYS, 0);
	if (problem)
		catalog_list_problem(m->c, "AWSLogs/", -EIO, "unreadable");
	for (int k = 0; k < KEYS; k++) {
		struct source_object o = world_object(w, k);

		if (!w->version[k] || (problem && !strncmp(o.key, "AWSLogs/", 8)) ||
			(error && made_draw(&w->seed, 2)))
			continue;
		assert_int_equal(catalog_list_object(m->c, &o), 0);
	}
	catalog_list_end(m->c, error, &waiting);
}

static void world_take(struct world *w, struct mount *m)
{
	size_t i = made_draw(&w->seed, 3);

	if (m->taken[i] || !catalog_counts(m->c).waiting)
		return;
	/* Those that wait may all be in other batches. */
	uint32_t waiting = 0;

	for (int k = 0; k < 3; k++)
		for (uint32_t n = 0; m->taken[k] && n < m->batch[k].n; n++)
			waiting += state_of(m->c, m->batch[k].object[n]->number) == OBJECT_WAITING;
	if (catalog_counts(m->c).waiting > waiting)
		m->taken[i] = catalog_take(m->c, 1 + (uint32_t)made_draw(&w->seed, 4), 1000, &m->batch[i]);
}

static void world_end(struct world *w, struct mount *m, size_t i, bool well)
{
	const struct batch *b = &m->batch[i];
	struct segment_build *build;
	struct segment *seg;
	char name[32] = "";

	if (!m->taken[i])
		return;
	m->taken[i] = false;
	if (!well && made_draw(&w->seed, 3) == 0) {
		catalog_return(m->c, b, 0);
		free(b->object);
		return;
	}
	build = segment_build_new(b->day);
	look_at_files(m);
	for (uint32_t k = 0; k < b->n; k++) {
		if (state_of(m->c, b->object[k]->number) != OBJECT_WAITING)
			continue;
		if (!well && made_draw(&w->seed, 4) == 0)
			catalog_fail(m->c, b->object[k], -EIO, "at random", 0);
		else if (well || made_draw(&w->seed, 8))
			add_read(build, &b->object[k]->at, (uint32_t)made_draw(&w->seed, 3) + 1);
	}
	seg = made_segment(build);
	if (well || made_draw(&w->seed, 5)) /* else there is no room on the disk */
		disk_add(&w->disk, seg, name);
	assert_int_equal(catalog_publish(m->c, b, seg, name), 0);
	free(b->object);
}

static void world_merge(struct world *w, struct mount *m)
{
	struct part **part;
	struct segment *seg;
	size_t n = catalog_mergeable(m->c, UINT64_MAX, &part);
	char name[32] = "";
	bool late = made_draw(&w->seed, 3) == 0;

	if (!n)
		return;
	if (!late)
		look_at_files(m);
	seg = merged(part, n);
	disk_add(&w->disk, seg, name);
	if (late)
		look_at_files(m);
	catalog_replace(m->c, part, n, seg, name, disk_remove, &w->disk);
	free_parts(part, n);
}

static void world_sweep(struct mount *m)
{
	for (int32_t day = INT32_MIN; catalog_sweepable(m->c, &day); day++) {
		look_at_files(m);
		catalog_sweep(m->c, day, disk_remove, m->disk);
	}
}

static void world_change(struct world *w)
{
	size_t k = made_draw(&w->seed, KEYS);

	w->version[k] = made_draw(&w->seed, 3) ? 1 + made_draw(&w->seed, 4) : 0;
}

/* What is on the disk and in a mount stays on the disk, as long as it is in the source. */
static void world_step(struct world *w)
{
	struct mount *m = &w->mount[made_draw(&w->seed, 2)];
	bool held[KEYS];

	for (int k = 0; k < KEYS; k++) {
		struct source_object o = world_object(w, k);

		held[k] = w->version[k] && disk_holds(&w->disk, &o);
	}
	switch (made_draw(&w->seed, 9)) {
	case 0:
		world_list(w, m, 0, made_draw(&w->seed, 6) == 0);
		break;
	case 1:
		world_list(w, m, made_draw(&w->seed, 3) ? 0 : -EIO, false);
		break;
	case 2:
	case 3:
		world_take(w, m);
		break;
	case 4:
	case 5:
		world_end(w, m, made_draw(&w->seed, 3), false);
		break;
	case 6:
		world_merge(w, m);
		break;
	case 7:
		world_sweep(m);
		break;
	default:
		world_change(w);
		for (int k = 0; k < KEYS; k++)
			held[k] = false;
	}
	check(m->c);
	for (int k = 0; k < KEYS; k++) {
		struct source_object o = world_object(w, k);
		bool stale = true;

		/* A mount that has not seen the present version may take what holds it for the past. */
		for (uint32_t i = 0; held[k] && catalog_object(m->c, i); i++)
			if (state_of(m->c, i) != OBJECT_GONE &&
				!strcmp(catalog_object(m->c, i)->at.key, o.key) &&
				catalog_object(m->c, i)->at.tag == o.tag)
				stale = false;
		if (held[k] && !stale && !disk_holds(&w->disk, &o))
			fail_msg("%s went from the disk", o.key);
	}
}

/* In the end every object of the source is there, read, and nothing else. */
static void world_settle(struct world *w, struct mount *m)
{
	uint32_t n = 0;

	for (size_t i = 0; i < 3; i++)
		world_end(w, m, i, true);
	world_list(w, m, 0, false);
	for (int k = 0; k < KEYS; k++)
		n += w->version[k] != 0;
	while (catalog_counts(m->c).waiting) {
		world_take(w, m);
		for (size_t i = 0; i < 3; i++)
			world_end(w, m, i, true);
	}
	check(m->c);
	assert_true(catalog_counts(m->c).waiting == 0);
	assert_int_equal(catalog_counts(m->c).ready, n);
	assert_int_equal(catalog_counts(m->c).objects, n);
	assert_false(catalog_pending(m->c, INT32_MIN, INT32_MAX) && catalog_counts(m->c).complete);
	for (int i = 0; i < 20; i++)
		world_merge(w, m);
	world_list(w, m, 0, false);
	world_sweep(m);
	check(m->c);
	assert_int_equal(catalog_counts(m->c).ready, n);
}

static void two_mounts_agree(uint64_t seed)
{
	static struct world w;

	w = (struct world){.seed = seed * 2654435761u + 12345};
	for (int i = 0; i < 2; i++)
		w.mount[i] = (struct mount){.c = make(NULL), .disk = &w.disk};
	for (int k = 0; k < KEYS; k++)
		snprintf(w.key[k], sizeof(w.key[k]), "%s%d.json",
			k % 3 == 0   ? ""
			: k % 3 == 1 ? LOGS "2025/06/10/"
				     : LOGS "2025/06/11/",
			k);
	for (int step = 0; step < 300; step++)
		world_step(&w);
	for (int i = 0; i < 2; i++)
		world_settle(&w, &w.mount[i]);
	for (int i = 0; i < 2; i++)
		catalog_free(w.mount[i].c);
	for (int i = 0; i < w.disk.n; i++)
		if (w.disk.file[i].is)
			segment_unref(w.disk.file[i].seg);
}

static void any_order_of_events(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++)
		two_mounts_agree(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_segments_need_no_reading),
		cmocka_unit_test(a_segment_of_another_mount_ends_waiting),
		cmocka_unit_test(a_file_has_one_slot),
		cmocka_unit_test(objects_move_to_the_file_that_is_left),
		cmocka_unit_test(the_only_file_is_not_swept),
		cmocka_unit_test(small_segments_become_one),
		cmocka_unit_test(merging_ends),
		cmocka_unit_test(nothing_is_merged_while_objects_wait),
		cmocka_unit_test(a_merge_that_comes_too_late_is_dropped),
		cmocka_unit_test(a_late_merge_in_memory_is_dropped),
		cmocka_unit_test(what_another_mount_may_need_stays),
		cmocka_unit_test(files_below_a_problem_stay),
		cmocka_unit_test(any_order_of_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
