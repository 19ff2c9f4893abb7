/*
 * The cache's folder: who may use it, that files come whole, and that claims exclude other processes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "fs/store/cache.h"
#include "tests/unit/folder.h"

#define ID "dir:/some/where"

struct fixture {
	struct folder folder;
	struct cache *cache;
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

	cache_free(f->cache);
	folder_remove(&f->folder);
	free(f);
	return 0;
}

static void open_cache(struct fixture *f)
{
	assert_int_equal(cache_open(folder_at(&f->folder, "a/b"), ID, &f->cache), 0);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void folders_are_private(void **state)
{
	struct fixture *f = *state;
	char *own;

	open_cache(f);
	own = strdup(cache_path(f->cache, "."));
	assert_int_equal(mode_of(folder_at(&f->folder, "a")), 0700);
	assert_int_equal(mode_of(folder_at(&f->folder, "a/b")), 0700);
	assert_int_equal(mode_of(own), 0700);
	assert_int_equal(mode_of(cache_path(f->cache, "lock")), 0600);
	assert_int_equal(mode_of(cache_path(f->cache, "id")), 0600);
	cache_free(f->cache);
	f->cache = NULL;

	assert_int_equal(chmod(own, 0755), 0);
	open_cache(f);
	assert_int_equal(mode_of(own), 0700);
	free(own);
}

static void folders_of_others_are_refused(void **state)
{
	struct fixture *f = *state;
	struct cache *c;
	char *own;

	open_cache(f);
	own = strdup(cache_path(f->cache, "."));
	assert_int_equal(chmod(own, 0770), 0);
	assert_int_equal(cache_open(folder_at(&f->folder, "a/b"), ID, &c), -EPERM);
	assert_int_equal(chmod(own, 0700), 0);
	assert_int_equal(chmod(folder_at(&f->folder, "a/b"), 0702), 0);
	assert_int_equal(cache_open(folder_at(&f->folder, "a/b"), ID, &c), -EPERM);
	assert_int_equal(chmod(folder_at(&f->folder, "a/b"), 0700), 0);
	assert_int_equal(cache_open(folder_at(&f->folder, "a/b"), ID, &c), 0);
	cache_free(c);
	free(own);

	folder_write(&f->folder, "file", "");
	assert_int_equal(cache_open(folder_at(&f->folder, "file"), ID, &c), -ENOTDIR);
	assert_int_equal(cache_open(folder_at(&f->folder, "file/below"), ID, &c), -ENOTDIR);
}

static void a_linked_folder_is_refused(void **state)
{
	struct fixture *f = *state;
	struct cache *c;
	char *own;

	open_cache(f);
	own = strdup(cache_path(f->cache, ""));
	own[strlen(own) - 1] = '\0';
	cache_free(f->cache);
	f->cache = NULL;
	assert_int_equal(rename(own, folder_at(&f->folder, "moved")), 0);
	assert_int_equal(symlink("../../moved", own), 0);
	assert_true(cache_open(folder_at(&f->folder, "a/b"), ID, &c) < 0);
	free(own);
}

static void another_id_is_refused(void **state)
{
	struct fixture *f = *state;
	struct cache *c;
	FILE *id;

	open_cache(f);
	id = fopen(cache_path(f->cache, "id"), "w");
	assert_non_null(id);
	fputs(ID "/else", id);
	fclose(id);
	assert_int_equal(cache_open(folder_at(&f->folder, "a/b"), ID, &c), -EEXIST);
	assert_int_equal(cache_open(folder_at(&f->folder, "a/b"), ID "2", &c), 0);
	cache_free(c);
}

/* ---- segments ---- */

struct names {
	char name[8][32];
	int n, end_with;
};

static int on_name(void *arg, const char *name, const char *path)
{
	struct names *names = arg;

	assert_true(names->n < 8);
	assert_non_null(strstr(path, name));
	assert_int_equal(access(path, R_OK), 0);
	snprintf(names->name[names->n++], 32, "%s", name);
	return names->end_with;
}

static void what_is_written_is_there(void **state)
{
	struct fixture *f = *state;
	struct names names = {0};
	char a[32], b[32], text[8] = "";
	uint64_t before;
	int fd;

	open_cache(f);
	before = cache_bytes(f->cache);
	assert_int_equal(cache_write(f->cache, "hello", 5, a), 0);
	assert_int_equal(cache_write(f->cache, "", 0, b), 0);
	assert_string_not_equal(a, b);
	assert_int_equal(cache_bytes(f->cache), before + 5);
	assert_int_equal(mode_of(cache_path(f->cache, a)), 0600);
	assert_int_equal(chdir("/"), 0);
	fd = open(cache_path(f->cache, a), O_RDONLY);
	assert_int_equal(read(fd, text, sizeof(text)), 5);
	close(fd);
	assert_string_equal(text, "hello");

	close(open(cache_path(f->cache, "0123456789abcdef.seG"), O_CREAT | O_WRONLY, 0600));
	close(open(cache_path(f->cache, "0123456789ABCDEF.seg"), O_CREAT | O_WRONLY, 0600));
	assert_int_equal(cache_list(f->cache, on_name, &names), 0);
	assert_int_equal(names.n, 2);
	names = (struct names){.end_with = -EIO};
	assert_int_equal(cache_list(f->cache, on_name, &names), -EIO);
	assert_int_equal(names.n, 1);

	cache_remove(f->cache, a);
	cache_remove(f->cache, "id"); /* no segment */
	names = (struct names){0};
	assert_int_equal(cache_list(f->cache, on_name, &names), 0);
	assert_int_equal(names.n, 1);
	assert_string_equal(names.name[0], b);
	assert_int_equal(access(cache_path(f->cache, "id"), R_OK), 0);
}

static void a_write_that_fails_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct names names = {0};
	char name[32];
	int status;
	pid_t pid;

	open_cache(f);
	pid = fork();
	if (pid == 0) {
		/* The file would be larger than what is allowed: a disk that is full, in small. */
		struct rlimit limit = {1000, 1000};
		static char data[5000];

		signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
			_exit(1);
		_exit(cache_write(f->cache, data, sizeof(data), name) == -EFBIG ? 42 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
	assert_int_equal(cache_list(f->cache, on_name, &names), 0);
	assert_int_equal(names.n, 0);
	assert_int_equal(cache_bytes(f->cache), strlen(ID));
}

static void spilled_bytes_have_no_name(void **state)
{
	struct fixture *f = *state;
	uint64_t before;
	int fd;

	open_cache(f);
	before = cache_bytes(f->cache);
	fd = cache_spill(f->cache);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(cache_bytes(f->cache), before);
	close(fd);
}

static void no_cache_at_all(void **state)
{
	char name[32];
	int fd;

	(void)state;
	assert_int_equal(cache_write(NULL, "x", 1, name), -EROFS);
	assert_int_equal(cache_list(NULL, on_name, NULL), 0);
	assert_int_equal(cache_claim(NULL, 1), 0);
	cache_unclaim(NULL, 1);
	cache_remove(NULL, "0123456789abcdef.seg");
	assert_int_equal(cache_bytes(NULL), 0);
	fd = cache_spill(NULL);
	assert_true(fd >= 0);
	close(fd);
	cache_free(NULL);
}

/* ---- several processes ---- */

/* Another process that has the cache open: does as it is told by a byte, and answers with one. */
struct other {
	pid_t pid;
	int to, from;
};

static void other_runs(const char *dir, int in, int out)
{
	struct cache *c;
	char what;

	if (cache_open(dir, ID, &c) < 0)
		_exit(1);
	while (read(in, &what, 1) == 1) {
		char answer = 0;

		if (what == 'c')
			answer = (char)-cache_claim(c, 5);
		else if (what == 'u')
			cache_unclaim(c, 5);
		if (write(out, &answer, 1) != 1)
			break;
	}
	_exit(0);
}

static int ask(struct other *o, char what)
{
	char answer;

	assert_int_equal(write(o->to, &what, 1), 1);
	assert_int_equal(read(o->from, &answer, 1), 1);
	return -answer;
}

static void start(struct other *o, struct fixture *f)
{
	int to[2], from[2];
	const char *dir = folder_at(&f->folder, "a/b");

	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	o->pid = fork();
	if (o->pid == 0) {
		close(to[1]);
		close(from[0]);
		cache_free(f->cache); /* ours: an inherited lock would be held on */
		other_runs(dir, to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	o->to = to[1];
	o->from = from[0];
	assert_int_equal(ask(o, '?'), 0);
}

static void stop(struct other *o)
{
	kill(o->pid, SIGKILL);
	waitpid(o->pid, NULL, 0);
	close(o->to);
	close(o->from);
}

static void claims_exclude_other_processes(void **state)
{
	struct fixture *f = *state;
	struct other other;

	start(&other, f);
	open_cache(f);
	assert_int_equal(ask(&other, 'c'), 0);
	assert_int_equal(cache_claim(f->cache, 5), -EBUSY);
	assert_int_equal(cache_claim(f->cache, 6), 0);
	assert_int_equal(cache_claim(f->cache, INT32_MIN), 0);
	assert_int_equal(cache_claim(f->cache, INT32_MAX), 0);
	assert_int_equal(ask(&other, 'u'), 0);
	assert_int_equal(cache_claim(f->cache, 5), 0);
	assert_int_equal(cache_claim(f->cache, 5), 0); /* by another thread, say */
	assert_int_equal(ask(&other, 'c'), -EBUSY);
	cache_unclaim(f->cache, 5);
	assert_int_equal(ask(&other, 'c'), -EBUSY);
	cache_unclaim(f->cache, 5);
	assert_int_equal(ask(&other, 'c'), 0);
	stop(&other);
	assert_int_equal(cache_claim(f->cache, 5), 0); /* claims end with the process */
}

static void leave_tmp_files(struct fixture *f)
{
	struct timespec old[2] = {{.tv_sec = time(NULL) - 90000}, {.tv_sec = time(NULL) - 90000}};

	close(open(cache_path(f->cache, "tmp-new"), O_CREAT | O_WRONLY, 0600));
	close(open(cache_path(f->cache, "tmp-old"), O_CREAT | O_WRONLY, 0600));
	utimensat(AT_FDCWD, cache_path(f->cache, "tmp-old"), old, 0);
}

static bool there(struct fixture *f, const char *name)
{
	return access(cache_path(f->cache, name), F_OK) == 0;
}

static void what_crashes_left_is_removed(void **state)
{
	struct fixture *f = *state;
	struct other other;

	open_cache(f);
	leave_tmp_files(f);
	start(&other, f); /* shares the cache: the new file may be ours */
	assert_true(there(f, "tmp-new"));
	assert_false(there(f, "tmp-old"));

	leave_tmp_files(f);
	cache_free(f->cache);
	open_cache(f); /* the other one is there */
	assert_true(there(f, "tmp-new"));
	assert_false(there(f, "tmp-old"));
	stop(&other);
	cache_free(f->cache);
	open_cache(f); /* alone */
	assert_false(there(f, "tmp-new"));
	assert_true(there(f, "id"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(folders_are_private),
		TEST(folders_of_others_are_refused),
		TEST(a_linked_folder_is_refused),
		TEST(another_id_is_refused),
		TEST(what_is_written_is_there),
		TEST(a_write_that_fails_leaves_nothing),
		TEST(spilled_bytes_have_no_name),
		TEST(no_cache_at_all),
		TEST(claims_exclude_other_processes),
		TEST(what_crashes_left_is_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
