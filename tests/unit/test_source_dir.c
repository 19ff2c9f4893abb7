/*
 * A folder as a source: what is listed, what is said of what cannot be, and that only what was listed is
 * read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "fs/source.h"
#include "tests/unit/folder.h"

#define LAYOUT "AWSLogs/111122223333/CloudTrail/us-east-1/2025/06/"
#define EUROPE "AWSLogs/111122223333/CloudTrail/eu-west-1/2025/06/"
#define DAY(d) (20239 + (d)) /* of June 2025: the 0th is 2025-05-31 */

struct fixture {
	struct folder folder;
	struct source *source;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	folder_make(&f->folder);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	source_free(f->source);
	folder_remove(&f->folder);
	free(f);
	return 0;
}

/* ---- listing ---- */

struct listing {
	char *line[64];
	size_t n;
	struct source_object last;
	char last_key[SOURCE_KEY_MAX + 1];
	int end_with; /* what object() returns */
};

static void add_line(struct listing *l, char *line)
{
	assert_true(l->n < 64);
	l->line[l->n++] = line;
}

static int on_object(void *arg, const struct source_object *o)
{
	struct listing *l = arg;

	add_line(l, strdup(o->key));
	l->last = *o;
	snprintf(l->last_key, sizeof(l->last_key), "%s", o->key);
	l->last.key = l->last_key;
	return l->end_with;
}

static int on_problem(void *arg, const char *key, int error, const char *reason)
{
	char *line;

	assert_true(*reason);
	assert_true(asprintf(&line, "! %s %s", key, strerrorname_np(-error)) > 0);
	add_line(arg, line);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list(struct fixture *f, int32_t day, const struct source_filter *filter, struct listing *l)
{
	struct source_sink sink = {on_object, on_problem, l};
	int r = source_list(f->source, day, filter, &sink);

	qsort(l->line, l->n, sizeof(*l->line), compare);
	return r;
}

static void clear(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->line[i]);
	l->n = 0;
}

/* Lists, and compares with the lines of `expect`, which are in order. */
static void expect_list(
	struct fixture *f, int32_t day, const struct source_filter *filter, const char *expect)
{
	struct listing l = {0};
	char all[8192] = "";
	size_t len = 0;

	assert_int_equal(list(f, day, filter, &l), 0);
	for (size_t i = 0; i < l.n; i++)
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s\n", l.line[i]);
	assert_string_equal(all, expect);
	clear(&l);
}

static void open_source(struct fixture *f, const char *const *skip)
{
	assert_int_equal(source_dir_open(f->folder.path, skip, &f->source), 0);
}

/* The folder's only object, as it is listed now. */
static struct source_object look_up(struct fixture *f, const char *key)
{
	struct source_object o;
	struct listing l = {0};

	assert_int_equal(list(f, SOURCE_ALL_DAYS, NULL, &l), 0);
	clear(&l);
	assert_string_equal(l.last_key, key);
	o = l.last;
	o.key = key;
	return o;
}

static void everything_is_listed(void **state)
{
	struct fixture *f = *state;

	folder_write(&f->folder, "a.json", "1");
	folder_write(&f->folder, ".hidden", "");
	folder_write(&f->folder, "x/y/z.txt", "3");
	folder_write(&f->folder, "x/.dot/b", "3");
	folder_mkdirs(&f->folder, "empty/nested");
	assert_int_equal(mkfifo(folder_at(&f->folder, "fifo"), 0600), 0);
	open_source(f, NULL);
	expect_list(f, SOURCE_ALL_DAYS, NULL, ".hidden\na.json\nx/.dot/b\nx/y/z.txt\n");
}

static void size_and_time_are_told(void **state)
{
	struct fixture *f = *state;
	struct timespec t[2] = {{1, 2}, {1750325423, 123456789}};

	folder_write(&f->folder, "a.json", "four");
	assert_int_equal(utimensat(AT_FDCWD, folder_at(&f->folder, "a.json"), t, 0), 0);
	open_source(f, NULL);
	struct source_object o = look_up(f, "a.json");
	assert_int_equal(o.size, 4);
	assert_int_equal(o.mtime, 1750325423123456789);
}

static void links_are_followed(void **state)
{
	struct fixture *f = *state;

	folder_write(&f->folder, "real/a", "1");
	assert_int_equal(symlink("real", folder_at(&f->folder, "linked")), 0);
	assert_int_equal(symlink("real/a", folder_at(&f->folder, "file")), 0);
	assert_int_equal(symlink("..", folder_at(&f->folder, "real/loop")), 0);
	assert_int_equal(symlink("nowhere", folder_at(&f->folder, "nothing")), 0);
	assert_int_equal(symlink("itself", folder_at(&f->folder, "itself")), 0);
	open_source(f, NULL);
	expect_list(f, SOURCE_ALL_DAYS, NULL,
		"! itself/ ELOOP\n! linked/loop/ ELOOP\n! nothing/ ENOENT\n! real/loop/ ELOOP\n"
		"file\nlinked/a\nreal/a\n");
}

static void one_day(void **state)
{
	struct fixture *f = *state;

	folder_write(&f->folder, LAYOUT "18/a.json.gz", "");
	folder_write(&f->folder, LAYOUT "19/b.json.gz", "");
	folder_write(&f->folder, LAYOUT "19/deep/c.json.gz", "");
	folder_write(&f->folder, LAYOUT "20/d.json.gz", "");
	folder_write(&f->folder, LAYOUT "x/e.json.gz", "");
	folder_write(&f->folder, "111122223333_CloudTrail_us-east-1_20250619T0905Z_q.json.gz", "");
	folder_write(&f->folder, "111122223333_CloudTrail_us-east-1_20250620T0905Z_q.json.gz", "");
	folder_write(&f->folder, "other", "");
	open_source(f, NULL);
	expect_list(f, DAY(19), NULL,
		"111122223333_CloudTrail_us-east-1_20250619T0905Z_q.json.gz\n" LAYOUT "19/b.json.gz\n" LAYOUT
		"19/deep/c.json.gz\n" LAYOUT "x/e.json.gz\nother\n");
}

static void what_the_filter_admits(void **state)
{
	struct fixture *f = *state;
	const char *region[] = {"eu-west-1"};
	struct source_filter days = {.first_day = DAY(19), .last_day = DAY(20)};
	struct source_filter regions = {
		.first_day = INT32_MIN + 1, .last_day = INT32_MAX, .region = region, .n_region = 1};

	folder_write(&f->folder, LAYOUT "18/a", "");
	folder_write(&f->folder, LAYOUT "19/a", "");
	folder_write(&f->folder, LAYOUT "20/a", "");
	folder_write(&f->folder, EUROPE "20/a", "");
	folder_write(&f->folder, LAYOUT "21/a", "");
	folder_write(&f->folder, "other", "");
	open_source(f, NULL);
	expect_list(f, SOURCE_ALL_DAYS, &days,
		EUROPE "20/a\n" LAYOUT "19/a\n" LAYOUT "20/a\n"
		       "other\n");
	expect_list(f, SOURCE_ALL_DAYS, &regions, EUROPE "20/a\nother\n");
	expect_list(f, DAY(19), &regions, "other\n");
}

static void filter_alone(void **state)
{
	(void)state;
	const char *const account[] = {"111122223333", "444455556666"};
	const struct source_filter f = {.first_day = 10, .last_day = 20, .account = account, .n_account = 2};
	const struct value mine = {"444455556666/x", 12}, theirs = {"444455556667", 12}, none = {NULL, 0};
	const struct {
		struct key_info key;
		bool admitted;
	} table[] = {
		{{.account = mine, .day = 10}, true},
		{{.account = mine, .day = 20}, true},
		{{.account = mine, .day = 9}, false},
		{{.account = mine, .day = 21}, false},
		{{.account = mine, .day = KEY_NO_DAY}, true},
		{{.account = theirs, .day = 15}, false},
		{{.account = none, .day = 15}, true},
		{{.account = none, .region = theirs, .day = KEY_NO_DAY}, true},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		assert_int_equal(source_filter_admits(&f, &table[i].key), table[i].admitted);
		assert_true(source_filter_admits(NULL, &table[i].key));
	}
}

static void skipped_folders(void **state)
{
	struct fixture *f = *state;
	char mount[128], cache[128];
	const char *here = f->folder.path;

	snprintf(mount, sizeof(mount), "%s/sub/mnt", here);
	snprintf(cache, sizeof(cache), "%s/not/yet/there", here);
	const char *const skip[] = {mount, cache, here, "/", NULL};
	folder_write(&f->folder, "sub/mnt/a", "");
	folder_write(&f->folder, "sub/mnt/deep/a", "");
	folder_write(&f->folder, "sub/mnt2/b", "");
	assert_int_equal(symlink("sub/mnt", folder_at(&f->folder, "link")), 0);
	assert_int_equal(symlink("sub/mnt/deep", folder_at(&f->folder, "link2")), 0);
	open_source(f, skip);
	folder_write(&f->folder, "not/yet/there/c", "");
	folder_write(&f->folder, "not/yet/d", "");
	expect_list(f, SOURCE_ALL_DAYS, NULL, "not/yet/d\nsub/mnt2/b\n");
}

static void the_sink_can_end_it(void **state)
{
	struct fixture *f = *state;
	struct listing l = {.end_with = -ENOMEM};

	folder_write(&f->folder, "x/a", "");
	folder_write(&f->folder, "x/b", "");
	open_source(f, NULL);
	assert_int_equal(list(f, SOURCE_ALL_DAYS, NULL, &l), -ENOMEM);
	assert_int_equal(l.n, 1);
	clear(&l);
}

static void paths_too_long(void **state)
{
	struct fixture *f = *state;
	char name[201];
	int fd = open(f->folder.path, O_RDONLY | O_DIRECTORY), next;
	struct listing l = {0};

	memset(name, 'n', 200);
	name[200] = '\0';
	for (int i = 0; i < 22; i++) {
		assert_int_equal(mkdirat(fd, name, 0755), 0);
		next = openat(fd, name, O_RDONLY | O_DIRECTORY);
		close(fd);
		fd = next;
	}
	close(openat(fd, "a", O_WRONLY | O_CREAT, 0644));
	close(fd);
	folder_write(&f->folder, "b", "");
	open_source(f, NULL);
	assert_int_equal(list(f, SOURCE_ALL_DAYS, NULL, &l), 0);
	assert_int_equal(l.n, 2);
	assert_int_equal(strncmp(l.line[0], "! nnnn", 6), 0);
	assert_non_null(strstr(l.line[0], "/ ENAMETOOLONG"));
	assert_string_equal(l.line[1], "b");
	clear(&l);
}

static void what_cannot_be_opened(void **state)
{
	struct fixture *f = *state;
	struct source *s;

	folder_write(&f->folder, "file", "");
	assert_int_equal(source_dir_open(folder_at(&f->folder, "none"), NULL, &s), -ENOENT);
	assert_int_equal(source_dir_open(folder_at(&f->folder, "file"), NULL, &s), -ENOTDIR);
}

static void a_removed_root_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct listing l = {0};

	open_source(f, NULL);
	assert_int_equal(rmdir(f->folder.path), 0);
	assert_int_equal(list(f, SOURCE_ALL_DAYS, NULL, &l), -ENOENT);
}

static void expect_away(struct fixture *f, int error, const char *word)
{
	struct listing l = {0};
	char message[SOURCE_MESSAGE_MAX];

	assert_int_equal(list(f, SOURCE_ALL_DAYS, NULL, &l), error);
	assert_int_equal(l.n, 0);
	source_explain(f->source, message);
	assert_non_null(strstr(message, word));
	assert_non_null(strstr(message, f->folder.path));
}

/* By its path the folder may be gone, or another one, while the one that is open lists on. */
static void a_root_that_is_replaced(void **state)
{
	struct fixture *f = *state;
	char path[128], message[SOURCE_MESSAGE_MAX];

	folder_write(&f->folder, "s/a", "1");
	folder_write(&f->folder, "new/b", "1");
	assert_int_equal(symlink("s", folder_at(&f->folder, "link")), 0);
	assert_int_equal(chdir(f->folder.path), 0);
	assert_int_equal(source_dir_open("link", NULL, &f->source), 0);
	assert_int_equal(chdir("/"), 0);
	expect_list(f, SOURCE_ALL_DAYS, NULL, "a\n");

	snprintf(path, sizeof(path), "%s", folder_at(&f->folder, "s"));
	assert_int_equal(rename(path, folder_at(&f->folder, "gone")), 0);
	expect_away(f, -ENOENT, "gone");
	assert_int_equal(rename(folder_at(&f->folder, "new"), path), 0);
	expect_away(f, -ESTALE, "another folder");
	assert_int_equal(rename(path, folder_at(&f->folder, "new")), 0);
	folder_write(&f->folder, "s", "a file");
	expect_away(f, -ESTALE, "another");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rename(folder_at(&f->folder, "gone"), path), 0);
	expect_list(f, SOURCE_ALL_DAYS, NULL, "a\n");
	source_explain(f->source, message);
	assert_string_equal(message, "");

	assert_int_equal(unlink(folder_at(&f->folder, "link")), 0);
	assert_int_equal(symlink("new", folder_at(&f->folder, "link")), 0);
	expect_away(f, -ESTALE, "another folder");
}

/* A folder that goes while it is listed looks as if it were empty. */
static int remove_root(void *arg, const struct source_object *o)
{
	const struct fixture *f = arg;

	assert_int_equal(unlink(folder_at(&f->folder, o->key)), 0);
	assert_int_equal(rmdir(f->folder.path), 0);
	return 0;
}

static void a_root_that_goes_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct source_sink sink = {remove_root, on_problem, f};

	folder_write(&f->folder, "a", "1");
	open_source(f, NULL);
	assert_int_equal(source_list(f->source, SOURCE_ALL_DAYS, NULL, &sink), -ENOENT);
}

static void the_id_is_the_real_path(void **state)
{
	struct fixture *f = *state;
	char id[128];

	folder_mkdirs(&f->folder, "real");
	assert_int_equal(symlink("real", folder_at(&f->folder, "link")), 0);
	assert_int_equal(source_dir_open(folder_at(&f->folder, "link/../link/."), NULL, &f->source), 0);
	snprintf(id, sizeof(id), "dir:%s/real", f->folder.path);
	assert_string_equal(f->source->id, id);
}

/* ---- reading ---- */

struct got {
	int error, calls;
	char *data;
	size_t len;
	char reason[SOURCE_REASON_MAX];
};

static void on_done(void *arg, size_t i, int error, char *data, size_t len, const char *reason)
{
	struct got *got = (struct got *)arg + i;

	got->error = error;
	got->data = data;
	got->len = len;
	got->calls++;
	snprintf(got->reason, sizeof(got->reason), "%s", reason);
}

static void expect_error(struct fixture *f, const struct source_object *o, int error)
{
	struct got got = {0};
	char buf[8];
	size_t n;

	source_fetch(f->source, o, 1, on_done, &got);
	assert_int_equal(got.calls, 1);
	assert_int_equal(got.error, error);
	assert_true(*got.reason);
	assert_null(got.data);
	if (error != -EFBIG)
		assert_int_equal(source_read(f->source, o, 0, buf, sizeof(buf), &n), error);
}

static void what_was_listed_is_read(void **state)
{
	struct fixture *f = *state;
	struct got got[2] = {0};
	char buf[8];
	size_t n = 99;

	folder_write(&f->folder, "x/a", "0123456789");
	open_source(f, NULL);
	struct source_object o[2] = {look_up(f, "x/a"), look_up(f, "x/a")};
	o[1].key = "x/none";
	assert_int_equal(chdir("/"), 0);
	source_fetch(f->source, o, 2, on_done, got);
	assert_int_equal(got[0].error, 0);
	assert_int_equal(got[0].len, 10);
	assert_memory_equal(got[0].data, "0123456789", 10);
	free(got[0].data);
	assert_int_equal(got[1].error, -ENOENT);
	assert_int_equal(got[1].calls, 1);

	assert_int_equal(source_read(f->source, o, 2, buf, 8, &n), 0);
	assert_int_equal(n, 8);
	assert_memory_equal(buf, "23456789", 8);
	assert_int_equal(source_read(f->source, o, 7, buf, 8, &n), 0);
	assert_int_equal(n, 3);
	assert_memory_equal(buf, "789", 3);
	assert_int_equal(source_read(f->source, o, 10, buf, 8, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(source_read(f->source, o, UINT64_MAX, buf, 8, &n), 0);
	assert_int_equal(n, 0);
}

static void what_was_changed_is_not(void **state)
{
	struct fixture *f = *state;
	struct timespec t[2] = {{1, 2}, {1750325423, 123456789}};
	const char *a;

	folder_write(&f->folder, "a", "0123456789");
	open_source(f, NULL);
	struct source_object o = look_up(f, "a"), other;
	a = folder_at(&f->folder, "a");

	other = o;
	other.size = 9;
	expect_error(f, &other, -ESTALE);
	other = o;
	other.mtime++;
	expect_error(f, &other, -ESTALE);
	other = o;
	other.tag++;
	expect_error(f, &other, -ESTALE);

	/* The same size and time, but another file. */
	utimensat(AT_FDCWD, a, t, 0);
	o = look_up(f, "a");
	folder_write(&f->folder, "b", "9876543210");
	utimensat(AT_FDCWD, folder_at(&f->folder, "b"), t, 0);
	assert_int_equal(rename(folder_at(&f->folder, "b"), a), 0);
	expect_error(f, &o, -ESTALE);

	unlink(a);
	expect_error(f, &o, -ENOENT);
	mkfifo(a, 0600); /* must not wait for a writer */
	expect_error(f, &o, -ESTALE);
	unlink(a);
	mkdir(a, 0700);
	expect_error(f, &o, -ESTALE);
}

static void too_large_is_not_fetched(void **state)
{
	struct fixture *f = *state;

	folder_write(&f->folder, "a", "");
	if (truncate(folder_at(&f->folder, "a"), (off_t)SOURCE_FETCH_MAX + 1) < 0)
		skip();
	open_source(f, NULL);
	struct source_object o = look_up(f, "a");
	expect_error(f, &o, -EFBIG);

	char buf[4] = "xxxx";
	size_t n = 0;
	assert_int_equal(source_read(f->source, &o, SOURCE_FETCH_MAX, buf, 4, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(buf[0], 0);
}

static void after_cancel(void **state)
{
	struct fixture *f = *state;
	struct listing l = {0};

	folder_write(&f->folder, "a", "1");
	open_source(f, NULL);
	struct source_object o = look_up(f, "a");
	source_cancel(f->source);
	expect_error(f, &o, -ECANCELED);
	assert_int_equal(list(f, SOURCE_ALL_DAYS, NULL, &l), -ECANCELED);
	assert_int_equal(l.n, 0);
}

/* In a process that may not read everything. */
static void denied_here(struct fixture *f)
{
	if (geteuid() == 0 && seteuid(65534) < 0)
		_exit(0);
	expect_list(f, SOURCE_ALL_DAYS, NULL, "! closed/ EACCES\n! listed/ EACCES\nfile\nopen\n");
	struct source_object o = {.key = "file"};
	expect_error(f, &o, -EACCES);
	_exit(42);
}

static void denied(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	folder_write(&f->folder, "open", "1");
	folder_write(&f->folder, "file", "1");
	folder_write(&f->folder, "closed/a", "1");
	folder_write(&f->folder, "listed/a", "1");
	folder_write(&f->folder, "listed/b", "1");
	chmod(f->folder.path, 0755);
	chmod(folder_at(&f->folder, "file"), 0);
	chmod(folder_at(&f->folder, "closed"), 0);
	chmod(folder_at(&f->folder, "listed"), 0444);
	open_source(f, NULL);
	pid = fork();
	if (pid == 0)
		denied_here(f);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	chmod(folder_at(&f->folder, "closed"), 0755);
	chmod(folder_at(&f->folder, "listed"), 0755);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 0)
		skip();
	assert_int_equal(WEXITSTATUS(status), 42);
}

/* Who may read everything. */
static int open_as_root(void *arg, const char *key)
{
	const struct fixture *f = arg;
	int fd, error;

	if (strcmp(key, "other/") == 0)
		key = "closed/";
	if (seteuid(0) < 0)
		_exit(1);
	fd = open(folder_at(&f->folder, key), O_RDONLY | O_CLOEXEC);
	error = errno;
	if (seteuid(65534) < 0)
		_exit(1);
	return fd < 0 ? -error : fd;
}

static void entrusted_here(struct fixture *f)
{
	struct listing l = {0};
	char data[4] = "";
	size_t n = 0;

	source_dir_entrust(f->source, open_as_root, f);
	if (seteuid(65534) < 0)
		_exit(1);
	/* The other one is gone for us: what was opened is not what was looked at. */
	expect_list(f, SOURCE_ALL_DAYS, NULL, "closed/a\nfile\n");
	assert_int_equal(list(f, SOURCE_ALL_DAYS, NULL, &l), 0);
	clear(&l);
	struct source_object o = l.last;
	o.key = l.last_key;
	assert_int_equal(source_read(f->source, &o, 0, data, 1, &n), 0);
	assert_string_equal(data, "1");
	_exit(42);
}

static void entrusted(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	folder_write(&f->folder, "file", "1");
	folder_write(&f->folder, "closed/a", "1");
	folder_write(&f->folder, "other/a", "1");
	chmod(f->folder.path, 0755);
	chmod(folder_at(&f->folder, "file"), 0);
	chmod(folder_at(&f->folder, "closed/a"), 0);
	chmod(folder_at(&f->folder, "closed"), 0711);
	chmod(folder_at(&f->folder, "other"), 0711);
	open_source(f, NULL);
	pid = fork();
	if (pid == 0)
		entrusted_here(f);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(everything_is_listed),
		TEST(size_and_time_are_told),
		TEST(links_are_followed),
		TEST(one_day),
		TEST(what_the_filter_admits),
		TEST(filter_alone),
		TEST(skipped_folders),
		TEST(the_sink_can_end_it),
		TEST(paths_too_long),
		TEST(what_cannot_be_opened),
		TEST(a_removed_root_is_an_error),
		TEST(a_root_that_is_replaced),
		TEST(a_root_that_goes_meanwhile),
		TEST(the_id_is_the_real_path),
		TEST(what_was_listed_is_read),
		TEST(what_was_changed_is_not),
		TEST(too_large_is_not_fetched),
		TEST(after_cancel),
		TEST(denied),
		TEST(entrusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
