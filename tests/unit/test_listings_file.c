/*
 * The file that listings are kept in is written anew: what is in it then, and that whoever waits for it
 * meanwhile adds to the new one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>

#include "fs/store/listings.h"
#include "tests/unit/folder.h"

#define REGION "AWSLogs/111122223333/CloudTrail/us-east-1/"
#define OTHER  "AWSLogs/111122223333/CloudTrail/us-west-1/"
#define DAY(d) (20239 + (d)) /* of June 2025 */
#define LATER  (DAY(30) * 86400ll)
#define ROUNDS 5000
#define ID     "s3://host/bucket/"
#define WAITS  30000 /* times 1 ms */

/* Keeps that there is one object below a prefix. */
static void keep(struct listings *l, const char *prefix, const char *key)
{
	struct listing *g = listing_begin(l, LISTING_FLAT, prefix, LISTINGS_FIRST, LISTINGS_LAST, 1);

	listing_add(listing_run(g), &(struct source_object){.key = key});
	listing_end(g, true);
}

static void *keep_another(void *l)
{
	keep(l, "b/", "b/2");
	return NULL;
}

/* Whether somebody waits for a lock on the file: such lines of /proc/locks have an arrow. */
static bool is_waited_for(ino_t inode)
{
	char line[256], wanted[32];
	FILE *f = fopen("/proc/locks", "r");
	bool found = false;

	assert_non_null(f);
	snprintf(wanted, sizeof(wanted), ":%llu ", (unsigned long long)inode);
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, "->") && strstr(line, wanted);
	fclose(f);
	return found;
}

static int count(void *arg, const struct source_object *o)
{
	(void)o;
	++*(unsigned *)arg;
	return 0;
}

/* How many objects there are for one who comes now. */
static unsigned kept(struct cache *c)
{
	unsigned n = 0;
	const struct source_sink sink = {count, NULL, &n};
	struct listings *l;

	assert_int_equal(listings_open(c, &l), 0);
	assert_int_equal(listings_all(l, SOURCE_ALL_DAYS, NULL, &sink), 0);
	listings_free(l);
	return n;
}

static void copy_file(const char *from, const char *to)
{
	char data[4096];
	int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ssize_t n = read(in, data, sizeof(data));

	assert_in_range(n, 1, sizeof(data) - 1);
	assert_int_equal(write(out, data, (size_t)n), n);
	close(in);
	close(out);
}

static void written_anew_meanwhile(void **state)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char there[300], aside[300];
	struct folder folder;
	struct cache *c;
	struct listings *l;
	struct stat st;
	pthread_t thread;

	(void)state;
	folder_make(&folder);
	assert_int_equal(cache_open(folder_at(&folder, "cache"), ID, &c), 0);
	assert_int_equal(listings_open(c, &l), 0);
	keep(l, "a/", "a/1");
	snprintf(there, sizeof(there), "%s", cache_path(c, "listings"));
	snprintf(aside, sizeof(aside), "%s", cache_path(c, "tmp-new"));
	copy_file(there, aside);
	/* As the other mount: locked, and in its place a new one. */
	int fd = open(there, O_RDWR | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_int_equal(pthread_create(&thread, NULL, keep_another, l), 0);
	bool waited = false;
	for (int i = 0; i < WAITS && !(waited = is_waited_for(st.st_ino)); i++)
		usleep(1000);
	assert_int_equal(rename(aside, there), 0);
	close(fd);
	pthread_join(thread, NULL);
	assert_true(waited);
	assert_int_equal(kept(c), 2);
	listings_free(l);
	cache_free(c);
	folder_remove(&folder);
}

/* Keeps that each of some days of June has one object, of this name. */
static void keep_days(struct listings *l, int first, int last, char name, int64_t started)
{
	struct listing *g = listing_begin(l, LISTING_DAYS, REGION, DAY(first), DAY(last), started);
	struct listing_run *run = listing_run(g);
	char key[100];

	for (int day = first; day <= last; day++) {
		snprintf(key, sizeof(key), REGION "2025/06/%02d/%c.json.gz", day, name);
		listing_add(run, &(struct source_object){.key = key});
	}
	listing_end(g, true);
}

static int note_name(void *arg, const struct source_object *o)
{
	char *names = arg;
	size_t n = strlen(names);

	assert_true(n < 99);
	names[n] = o->key[strlen(REGION "2025/06/01/")];
	return 0;
}

/* The names of what ten days have, one after another. */
static void check_days(struct cache *c, const char *wanted)
{
	char names[100] = "";
	const struct source_sink sink = {note_name, NULL, names};
	struct listings *l;
	int32_t next;

	assert_int_equal(listings_open(c, &l), 0);
	assert_int_equal(listings_find(l, REGION, DAY(1), DAY(10), &sink, &next), 0);
	assert_int_equal(next, DAY(11));
	assert_string_equal(names, wanted);
	listings_free(l);
}

/* What a newer listing has shown of some of the days is all that stays of them. */
static void only_what_counts_is_kept(void **state)
{
	struct folder folder;
	struct cache *c;
	struct listings *l;
	struct stat st;

	(void)state;
	folder_make(&folder);
	assert_int_equal(cache_open(folder_at(&folder, "cache"), ID, &c), 0);
	assert_int_equal(listings_open(c, &l), 0);
	keep_days(l, 1, 10, 'a', LATER);
	keep_days(l, 4, 6, 'b', LATER + 1);
	keep_days(l, 9, 10, 'c', LATER + 2);
	check_days(c, "aaabbbaacc");
	int fd = open(cache_path(c, "listings"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	/* Days without logs, a record each, until there are too many. */
	for (int i = 0; i < ROUNDS && st.st_nlink > 0; i++) {
		listing_end(listing_begin(l, LISTING_DAYS, OTHER, DAY(i), DAY(i), LATER * 2), true);
		assert_int_equal(fstat(fd, &st), 0);
	}
	assert_int_equal(st.st_nlink, 0); /* there is a new file now */
	close(fd);
	check_days(c, "aaabbbaacc");
	listings_free(l);
	cache_free(c);
	folder_remove(&folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_anew_meanwhile),
		cmocka_unit_test(only_what_counts_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
