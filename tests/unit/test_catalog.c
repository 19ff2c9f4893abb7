/*
 * The catalogue: listings, batches, what fails and comes back, what changes and goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/store/segment_format.h"
#include "tests/catalog_steps.h"

/* ---- listings and batches ---- */

static void a_listing_makes_objects_wait(void **state)
{
	struct catalog *c = make(NULL);
	struct batch b;

	(void)state;
	assert_false(catalog_listed(c));
	assert_true(catalog_pending(c, 0, 0));
	LIST(c, LOGS "2025/06/19/a.json.gz", LOGS "2025/06/20/b.json.gz", "notes.txt");
	assert_true(catalog_listed(c));
	assert_int_equal(told, 1);
	assert_int_equal(state_of(c, 0), OBJECT_WAITING);
	assert_int_equal(state_of(c, 2), OBJECT_READY);
	assert_false(catalog_counts(c).complete);
	assert_true(catalog_take(c, 100, 1 << 20, &b));
	assert_int_equal(b.n, 1);
	assert_string_equal(b.object[0]->at.key, LOGS "2025/06/20/b.json.gz");
	publish(c, &b, "f1");
	assert_int_equal(state_of(c, 1), OBJECT_READY);
	read_all(c);
	assert_true(catalog_counts(c).complete);
	assert_int_equal(catalog_counts(c).read_objects, 2);
	catalog_free(c);
}

static void days_wait_for_their_objects(void **state)
{
	struct catalog *c = make(NULL);
	int32_t day = key_day(LOGS "2025/06/20/b.json.gz");
	struct batch b;

	(void)state;
	LIST(c, LOGS "2025/06/20/b.json.gz", DIGESTS "2025/06/10/d.json.gz");
	assert_true(catalog_pending(c, day, day));
	assert_true(catalog_pending(c, day - 1, day - 1)); /* it may come a day late */
	assert_false(catalog_pending(c, day - 2, day - 2));
	assert_false(catalog_pending(c, day + 1, INT32_MAX));
	assert_true(catalog_pending(c, INT32_MIN, INT32_MAX));
	assert_true(catalog_object_pending(c, 0));
	assert_true(catalog_take(c, 1, 1, &b));
	assert_true(b.logs);
	assert_true(catalog_pending(c, day, day)); /* under way */
	publish(c, &b, "");
	assert_false(catalog_object_pending(c, 0));
	/* A digest holds no events. */
	assert_false(catalog_pending(c, INT32_MIN, INT32_MAX));
	assert_true(catalog_object_pending(c, 1));
	assert_false(catalog_counts(c).complete);
	read_all(c);
	assert_true(catalog_counts(c).complete);
	/* One without a day may hold events of any. */
	LIST(c, LOGS "2025/06/20/b.json.gz", DIGESTS "2025/06/10/d.json.gz", "x.json");
	assert_true(catalog_pending(c, day - 500, day - 500));
	read_all(c);
	assert_false(catalog_pending(c, day - 500, day - 500));
	catalog_free(c);
}

static void who_waits_for_a_digest_goes_first(void **state)
{
	struct catalog *c = make(NULL);
	struct batch b;

	(void)state;
	LIST(c, LOGS "2025/06/20/b.json.gz", LOGS "2025/06/21/c.json.gz", DIGESTS "2025/06/10/d.json.gz");
	assert_true(catalog_object_pending(c, 2));
	assert_true(catalog_take(c, 9, 1 << 20, &b));
	assert_false(b.logs);
	publish(c, &b, "");
	assert_true(catalog_take(c, 9, 1 << 20, &b));
	assert_true(b.logs);
	publish(c, &b, "");
	catalog_free(c);
}

static void a_failed_listing_concludes_nothing(void **state)
{
	struct catalog *c = make(NULL);
	struct source_object o = object("new.txt", 1, 1);
	uint32_t waiting;

	(void)state;
	catalog_list_begin(c, SOURCE_ALL_DAYS, 0);
	catalog_list_end(c, -EIO, &waiting);
	assert_int_equal(catalog_list_error(c), -EIO);
	assert_true(catalog_pending(c, 0, 0));
	LIST(c, "a.txt", "b.txt");
	assert_int_equal(catalog_list_error(c), 0);
	catalog_list_begin(c, SOURCE_ALL_DAYS, 0);
	catalog_list_object(c, &o);
	catalog_list_end(c, -EIO, &waiting);
	check(c);
	assert_int_equal(catalog_list_error(c), 0); /* what is known stays */
	assert_int_equal(catalog_counts(c).objects, 3);
	LIST(c, "b.txt");
	assert_int_equal(catalog_counts(c).objects, 1);
	catalog_free(c);
}

static void what_could_not_be_listed_stays(void **state)
{
	struct catalog *c = make(NULL);
	const char *last = NULL;
	uint32_t waiting;

	(void)state;
	LIST(c, "dir/a.txt", "dir2/b.txt", "c.txt");
	catalog_list_begin(c, SOURCE_ALL_DAYS, 0);
	assert_int_equal(catalog_list_problem(c, "dir/", -EACCES, "denied"), 0);
	assert_int_equal(catalog_counts(c).problems, 0); /* of the listing before */
	catalog_list_end(c, 0, &waiting);
	check(c);
	assert_int_equal(catalog_counts(c).objects, 1);
	assert_int_equal(state_of(c, 0), OBJECT_READY);
	assert_int_equal(catalog_counts(c).problems, 1);
	assert_int_equal(catalog_problems(c, count_problem, &last), 0);
	LIST(c, "dir/a.txt");
	assert_int_equal(catalog_counts(c).problems, 0);
	catalog_free(c);
}

/* Lists all but what is at `key`, for such a reason; what is known stays, and it is said of these days. */
static void expect_unlisted(
	struct catalog *c, const char *key, int error, int32_t first, int32_t last, int want)
{
	struct object_now before = catalog_object_now(c, 0);
	struct snapshot *s;
	uint32_t waiting;
	int wait;

	catalog_list_begin(c, SOURCE_ALL_DAYS, 0);
	assert_int_equal(catalog_list_problem(c, key, error, "away"), 0);
	catalog_list_end(c, 0, &waiting);
	check(c);
	assert_int_equal(catalog_object_now(c, 0).state, before.state);
	assert_int_equal(catalog_unread(c, first, last), want);
	s = catalog_snapshot_of(c, first, last, &wait);
	assert_int_equal(wait, want);
	snapshot_unref(s);
}

static void a_part_that_may_be_listed_the_next_time(void **state)
{
	static const char log[] = LOGS "2025/06/19/a.json.gz";
	static const int facts[] = {-EACCES, -EPERM, -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG},
			 passing[] = {-EIO, -ENOTCONN, -ETIMEDOUT, -ESTALE, -EHOSTDOWN, -ENODEV};
	struct catalog *c = make(NULL);
	int32_t day = key_day(log);

	(void)state;
	LIST(c, log);
	read_all(c);
	for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++)
		expect_unlisted(c, LOGS, facts[i], INT32_MIN, INT32_MAX, 0);
	for (size_t i = 0; i < sizeof(passing) / sizeof(*passing); i++)
		expect_unlisted(c, LOGS, passing[i], day + 100, day + 100, -EIO);
	expect_unlisted(c, LOGS "2025/06/19/", -EIO, INT32_MIN, INT32_MAX, -EIO);
	expect_unlisted(c, LOGS "2025/06/19/", -EIO, day, day, -EIO);
	expect_unlisted(c, LOGS "2025/06/19/", -EIO, day - 1, day - 1, -EIO);
	expect_unlisted(c, LOGS "2025/06/19/", -EIO, day - 2, day - 2, 0);
	expect_unlisted(c, LOGS "2025/06/19/", -EIO, day + 1, INT32_MAX, 0);
	/* It may be a file, behind a link. */
	expect_unlisted(c, LOGS "2025/06/19/a.json.gz/", -ENOTCONN, day, day, -EIO);
	LIST(c, log);
	assert_int_equal(catalog_unread(c, INT32_MIN, INT32_MAX), 0);
	assert_int_equal(state_of(c, 0), OBJECT_READY);
	catalog_free(c);
}

/* Logs that are deleted: how many, and one of them. */
static void what_is_gone(void **state)
{
	struct catalog *c = make(NULL);
	struct source_object other = object("c.txt", 1, 2);
	const char *first = "none";
	uint32_t waiting;

	(void)state;
	LIST(c, "d.txt", "b.txt", "a.txt", "c.txt");
	assert_int_equal(catalog_gone(c, &first), 0);
	assert_string_equal(first, "none");
	/* One that failed is not there, as far as that goes. */
	catalog_list_begin(c, SOURCE_ALL_DAYS, 0);
	catalog_list_end(c, -EIO, &waiting);
	assert_int_equal(catalog_gone(c, &first), 0);
	catalog_list_begin(c, SOURCE_ALL_DAYS, 0);
	catalog_list_object(c, &other);
	catalog_list_problem(c, "a.txt", -EACCES, "denied");
	catalog_list_end(c, 0, &waiting);
	assert_int_equal(catalog_gone(c, &first), 2);
	assert_string_equal(first, "b.txt");
	LIST(c, "c.txt");
	assert_int_equal(catalog_gone(c, &first), 1);
	assert_string_equal(first, "a.txt");
	LIST(c, "c.txt");
	assert_int_equal(catalog_gone(c, &first), 0);
	catalog_free(c);
}

static void a_day_listed_leaves_others_alone(void **state)
{
	struct catalog *c = make(NULL);
	uint32_t waiting;

	(void)state;
	LIST(c, LOGS "2025/06/19/a.json.gz", LOGS "2025/06/20/b.json.gz", "n.txt");
	catalog_list_begin(c, key_day(LOGS "2025/06/20/b.json.gz"), 0);
	catalog_list_end(c, 0, &waiting);
	assert_int_equal(state_of(c, 0), OBJECT_WAITING);
	assert_int_equal(state_of(c, 1), OBJECT_GONE);
	assert_int_equal(state_of(c, 2), OBJECT_GONE);
	check(c);
	catalog_free(c);
}

static void a_stopped_catalogue_gives_nothing(void **state)
{
	struct catalog *c = make(NULL);
	struct batch b;

	(void)state;
	LIST(c, "a.json");
	catalog_stop(c);
	assert_false(catalog_take(c, 1, 1, &b));
	catalog_free(c);
}

/* ---- failing ---- */

static int problem_is(void *arg, const char *key, const char *reason)
{
	const char *const *want = arg;

	assert_string_equal(key, want[0]);
	assert_string_equal(reason, want[1]);
	return 1;
}

static void what_fails_waits_again_after_a_listing(void **state)
{
	struct catalog *c = make(NULL);
	const char *want[] = {"a.json", "no network"};
	struct batch b;
	struct news *n;

	(void)state;
	LIST(c, "a.json");
	catalog_take(c, 9, 99, &b);
	catalog_fail(c, b.object[0], -EIO, "no network", 0);
	check(c);
	assert_int_equal(catalog_publish(c, &b, NULL, ""), 0);
	free(b.object);
	check(c);
	assert_int_equal(catalog_object_now(c, 0).error, -EIO);
	assert_int_equal(catalog_problems(c, problem_is, want), 1);
	assert_true(catalog_counts(c).complete);
	news_free(catalog_take_news(c));
	LIST(c, "a.json");
	assert_int_equal(state_of(c, 0), OBJECT_WAITING);
	assert_int_equal(catalog_counts(c).problems, 0);
	n = catalog_take_news(c); /* its size was a guess */
	assert_non_null(n);
	assert_int_equal(n->object->number, 0);
	assert_null(n->next);
	news_free(n);
	read_all(c);
	assert_int_equal(state_of(c, 0), OBJECT_READY);
	catalog_free(c);
}

static void pauses_double(void **state)
{
	const int64_t second = 1000000000,
		      table[] = {0, 0, 300, 600, 1200, 2400, 4800, 9600, 19200, 21600, 21600};

	(void)state;
	for (unsigned n = 0; n < sizeof(table) / sizeof(*table); n++)
		assert_int_equal(catalog_pause(n), table[n] * second);
	assert_int_equal(catalog_pause(UINT32_MAX), 21600 * second);
}

/* Lists the only object there is at such a time; whether it waits then, and if so it fails. */
static bool asked_for_at(struct catalog *c, int64_t second, int error)
{
	struct source_object o = object("a.json", 10, 1);
	int64_t now = second == INT64_MAX ? second : second * 1000000000;
	struct batch b;
	uint32_t waiting;

	catalog_list_begin(c, SOURCE_ALL_DAYS, now);
	assert_int_equal(catalog_list_object(c, &o), 0);
	assert_int_equal(catalog_list_end(c, 0, &waiting), 0);
	check(c);
	if (state_of(c, 0) != OBJECT_WAITING) {
		assert_int_equal(catalog_counts(c).problems, 1);
		return false;
	}
	assert_true(catalog_take(c, 9, 99, &b));
	catalog_fail(c, b.object[0], error, "as the test wants", now == INT64_MAX ? 0 : now);
	assert_int_equal(catalog_publish(c, &b, NULL, ""), 0);
	free(b.object);
	return true;
}

static void what_is_denied_is_asked_for_ever_less(void **state)
{
	static const struct {
		int64_t second;
		int error;
		bool asked;
	} table[] = {
		{1000, -EACCES, true},
		{1060, -EACCES, true}, /* the next refresh */
		{1120, 0, false},
		{1359, 0, false},
		{1360, -EACCES, true},
		{1700, 0, false},
		{1960, -EACCES, true},
		{3159, 0, false},
		{INT64_MAX, -EACCES, true}, /* somebody asks, and it begins anew */
		{60, -EACCES, true},
		{120, 0, false},
		{360, -EIO, true}, /* that may pass sooner */
		{361, -EIO, true},
		{362, -EACCES, true},
		{363, -EACCES, true},
		{364, 0, false},
	};
	struct catalog *c = make(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		assert_int_equal(asked_for_at(c, table[i].second, table[i].error), table[i].asked);
	catalog_free(c);
}

static void what_is_left_out_fails(void **state)
{
	struct catalog *c = make(NULL);
	struct batch b;

	(void)state;
	LIST(c, "a.json");
	catalog_take(c, 9, 99, &b);
	assert_int_equal(catalog_publish(c, &b, NULL, ""), 0);
	free(b.object);
	check(c);
	assert_int_equal(state_of(c, 0), OBJECT_FAILED);
	assert_false(catalog_pending(c, 0, 0));
	catalog_free(c);
}

/* It failed, a listing makes it wait again, and only then the batch in which it failed ends. */
static void a_late_end_does_not_fail_it_again(void **state)
{
	struct catalog *c = make(NULL);
	struct batch b;

	(void)state;
	LIST(c, "a.json", "b.json");
	catalog_take(c, 9, 99, &b);
	assert_int_equal(b.n, 2);
	catalog_fail(c, b.object[0], -EIO, "no network", 0);
	LIST(c, "a.json", "b.json");
	assert_int_equal(catalog_publish(c, &b, NULL, ""), 0);
	assert_int_equal(state_of(c, b.object[0]->number), OBJECT_WAITING);
	assert_int_equal(state_of(c, b.object[1]->number), OBJECT_FAILED);
	free(b.object);
	assert_true(catalog_pending(c, 0, 0));
	read_all(c);
	catalog_free(c);
}

static void a_returned_batch_waits_until_its_time(void **state)
{
	struct catalog *c = make(NULL);
	struct batch b, other;

	(void)state;
	LIST(c, LOGS "2025/06/19/a.json.gz", LOGS "2025/06/20/b.json.gz");
	catalog_take(c, 9, 99, &b);
	catalog_return(c, &b, INT64_MAX - 1);
	check(c);
	assert_true(catalog_pending(c, b.day, b.day));
	catalog_take(c, 9, 99, &other);
	assert_int_equal(other.day, b.day - 1);
	publish(c, &other, "");
	catalog_return(c, &(struct batch){.day = b.day, .logs = true}, 0);
	free(b.object);
	read_all(c);
	catalog_free(c);
}

static void damage_is_a_problem(void **state)
{
	struct catalog *c = make(NULL);
	struct segment_build *build;
	struct batch b;

	(void)state;
	LIST(c, "a.json", "b.json");
	catalog_take(c, 9, 99, &b);
	build = segment_build_new(b.day);
	made_add_object(build, &b.object[0]->at, SEGMENT_DAMAGED, "not gzip");
	made_add_object(build, &b.object[1]->at, SEGMENT_DAMAGED | SEGMENT_DENIED, "denied");
	assert_int_equal(catalog_publish(c, &b, made_segment(build), "f"), 0);
	assert_int_equal(catalog_object_now(c, b.object[0]->number).error, -EIO);
	assert_int_equal(catalog_object_now(c, b.object[1]->number).error, -EACCES);
	assert_int_equal(catalog_counts(c).damaged, 2);
	assert_int_equal(catalog_counts(c).problems, 2);
	free(b.object);
	LIST(c, "a.json");
	assert_int_equal(catalog_counts(c).damaged, 1);
	catalog_free(c);
}

/* What reading a batch gives, with a wrong number in the column of users. */
static struct segment *bad_batch(const struct batch *batch)
{
	struct segment_build *b = segment_build_new(batch->day);
	const struct segment_header *h;
	const char *reason = "";
	struct segment *s;
	void *data;
	size_t len;

	for (uint32_t i = 0; i < batch->n; i++)
		add_read(b, &batch->object[i]->at, 1);
	assert_int_equal(segment_build_finish(b, &data, &len), 0);
	segment_build_free(b);
	h = data;
	((char *)data)[h->section[SECTION_VALUE_TEXT + FACET_USER].offset] ^= 1;
	assert_int_equal(segment_open_memory(data, len, made_release, &s, &reason), 0);
	return s;
}

static void a_damaged_segment_is_read_again(void **state)
{
	struct catalog *c = make(NULL);
	struct names gone = {0};
	struct snapshot *s;
	const char *reason;
	struct batch b;

	(void)state;
	LIST(c, LOGS "2025/06/19/a.json.gz", LOGS "2025/06/20/b.json.gz");
	assert_true(catalog_take(c, 1, 1, &b));
	publish(c, &b, "good");
	assert_true(catalog_take(c, 1, 1, &b));
	assert_int_equal(catalog_publish(c, &b, bad_batch(&b), "bad"), 0);
	free(b.object);
	check(c);
	catalog_distrust(c, note, &gone); /* nobody has used it */
	assert_int_equal(gone.n, 0);
	s = catalog_snapshot(c);
	for (size_t i = 0; i < s->n; i++)
		segment_check(s->part[i]->seg, &reason);
	told = 0;
	catalog_distrust(c, note, &gone);
	check(c);
	assert_int_equal(gone.n, 1);
	assert_string_equal(gone.name[0], "bad");
	assert_int_equal(told, 1);
	assert_int_equal(catalog_counts(c).waiting, 1);
	assert_int_equal(catalog_counts(c).parts, 1);
	assert_int_equal(s->n, 2); /* who holds it sees that it is bad */
	snapshot_unref(s);
	read_all(c);
	assert_int_equal(catalog_counts(c).parts, 2);
	catalog_free(c);
}

/* What is said of a snapshot, and how many parts it has. */
static void check_look(struct catalog *c, int32_t first, int32_t last, int wait, size_t parts)
{
	int found = 1;
	struct snapshot *s = catalog_snapshot_of(c, first, last, &found);

	assert_non_null(s);
	assert_int_equal(found, wait);
	assert_int_equal(s->n, parts);
	snapshot_unref(s);
}

static void a_snapshot_knows_what_it_lacks(void **state)
{
	const int32_t day = key_day(LOGS "2025/06/20/b.json.gz");
	struct catalog *c = make(NULL);
	struct names gone = {0};
	struct snapshot *s;
	const char *reason;
	struct batch b;

	(void)state;
	check_look(c, INT32_MIN, INT32_MAX, -EAGAIN, 0);
	assert_int_equal(catalog_list_begin(c, SOURCE_ALL_DAYS, INT64_MAX), 0);
	assert_int_equal(catalog_list_end(c, -EACCES, &(uint32_t){0}), 0);
	check_look(c, INT32_MIN, INT32_MAX, -EACCES, 0);
	LIST(c, LOGS "2025/06/10/a.json.gz", LOGS "2025/06/20/b.json.gz");
	assert_true(catalog_take(c, 1, 1, &b));
	assert_int_equal(b.day, day);
	check_look(c, day, day, -EAGAIN, 0);
	assert_int_equal(catalog_publish(c, &b, bad_batch(&b), "bad"), 0);
	free(b.object);
	check_look(c, day, day, 0, 1);
	check_look(c, day - 10, day, -EAGAIN, 1);
	s = catalog_snapshot(c);
	segment_check(s->part[0]->seg, &reason);
	snapshot_unref(s);
	assert_false(catalog_pending(c, day, day)); /* and a moment later it is not so any more */
	catalog_distrust(c, note, &gone);
	check_look(c, day, day, -EAGAIN, 0);
	assert_true(catalog_take(c, 1, 1, &b));
	assert_int_equal(b.day, day);
	catalog_fail(c, b.object[0], -EIO, "broken", 0);
	assert_int_equal(catalog_publish(c, &b, NULL, ""), 0);
	free(b.object);
	check_look(c, day, day, -EIO, 0);
	check_look(c, day + 1, INT32_MAX, 0, 0);
	catalog_free(c);
}

static void a_good_copy_takes_its_place(void **state)
{
	struct catalog *c = make(NULL);
	struct source_object o = object(LOGS "2025/06/20/b.json.gz", 10, 1);
	struct names gone = {0};
	struct snapshot *s;
	const char *reason;
	struct batch b;

	(void)state;
	list_one(c, &o);
	assert_true(catalog_take(c, 1, 1, &b));
	assert_int_equal(catalog_publish(c, &b, bad_batch(&b), "bad"), 0);
	free(b.object);
	assert_int_equal(catalog_adopt(c, segment_of(key_day(o.key), &o, 1, 1), "copy"), 0);
	s = catalog_snapshot(c);
	segment_check(s->part[0]->seg, &reason);
	snapshot_unref(s);
	catalog_distrust(c, note, &gone);
	check(c);
	assert_int_equal(gone.n, 1);
	assert_int_equal(catalog_counts(c).waiting, 0);
	s = catalog_snapshot(c);
	assert_string_equal(s->part[0]->name, "copy");
	snapshot_unref(s);
	catalog_free(c);
}

/* ---- changing ---- */

static void a_changed_object_is_another(void **state)
{
	static const struct source_object version[] = {
		{.key = "a.json", .size = 10, .mtime = 5, .tag = 1},
		{.key = "a.json", .size = 11, .mtime = 5, .tag = 1},
		{.key = "a.json", .size = 11, .mtime = 6, .tag = 1},
		{.key = "a.json", .size = 11, .mtime = 6, .tag = 2},
	};
	struct catalog *c = make(NULL);
	struct news *n;

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		list_one(c, &version[i]);
		assert_int_equal(state_of(c, i), OBJECT_WAITING);
		if (i) {
			assert_int_equal(state_of(c, i - 1), OBJECT_GONE);
			n = catalog_take_news(c);
			assert_int_equal(n->object->number, i - 1);
			assert_non_null(n->part);
			assert_string_equal(segment_object(n->part->seg, n->place).key, "a.json");
			assert_null(n->next);
			news_free(n);
		}
		read_all(c);
		n = catalog_take_news(c);
		/* What is in the first listing is not news. */
		assert_int_equal(n != NULL, i > 0);
		if (n) {
			assert_true(n->arrived);
			assert_int_equal(n->object->number, i);
			assert_null(n->next);
		}
		news_free(n);
	}
	assert_int_equal(catalog_counts(c).parts, 1);
	catalog_free(c);
}

static void what_changes_while_it_is_read_is_read_again(void **state)
{
	struct source_object one = object("a.json", 10, 1), two = object("a.json", 10, 2);
	struct catalog *c = make(NULL);
	struct batch b;

	(void)state;
	list_one(c, &one);
	catalog_take(c, 9, 99, &b);
	list_one(c, &two);
	publish(c, &b, "old");
	assert_int_equal(state_of(c, 0), OBJECT_GONE);
	assert_int_equal(state_of(c, 1), OBJECT_WAITING);
	assert_true(catalog_pending(c, 0, 0));
	read_all(c);
	assert_int_equal(state_of(c, 1), OBJECT_READY);
	/* What was read in vain goes when a later listing has not shown it. */
	assert_int_equal(sweep(c).n, 0);
	list_one(c, &two);
	assert_int_equal(sweep(c).n, 1);
	catalog_free(c);
}

static void what_vanishes_while_it_is_read_stays_gone(void **state)
{
	struct catalog *c = make(NULL);
	struct batch b;

	(void)state;
	LIST(c, "a.json", "b.json");
	catalog_take(c, 9, 99, &b);
	LIST(c, "c.txt");
	publish(c, &b, "old");
	assert_int_equal(catalog_counts(c).objects, 1);
	assert_false(catalog_pending(c, 0, 0));
	assert_true(catalog_counts(c).complete);
	/* It comes back as it was: known from the shelf. */
	LIST(c, "a.json", "c.txt");
	assert_int_equal(catalog_counts(c).waiting, 0);
	assert_int_equal(catalog_counts(c).parts, 1);
	catalog_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listing_makes_objects_wait),
		cmocka_unit_test(days_wait_for_their_objects),
		cmocka_unit_test(who_waits_for_a_digest_goes_first),
		cmocka_unit_test(a_failed_listing_concludes_nothing),
		cmocka_unit_test(what_could_not_be_listed_stays),
		cmocka_unit_test(a_part_that_may_be_listed_the_next_time),
		cmocka_unit_test(what_is_gone),
		cmocka_unit_test(a_day_listed_leaves_others_alone),
		cmocka_unit_test(a_stopped_catalogue_gives_nothing),
		cmocka_unit_test(what_fails_waits_again_after_a_listing),
		cmocka_unit_test(pauses_double),
		cmocka_unit_test(what_is_denied_is_asked_for_ever_less),
		cmocka_unit_test(what_is_left_out_fails),
		cmocka_unit_test(a_late_end_does_not_fail_it_again),
		cmocka_unit_test(a_returned_batch_waits_until_its_time),
		cmocka_unit_test(damage_is_a_problem),
		cmocka_unit_test(a_damaged_segment_is_read_again),
		cmocka_unit_test(a_snapshot_knows_what_it_lacks),
		cmocka_unit_test(a_good_copy_takes_its_place),
		cmocka_unit_test(a_changed_object_is_another),
		cmocka_unit_test(what_changes_while_it_is_read_is_read_again),
		cmocka_unit_test(what_vanishes_while_it_is_read_stays_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
