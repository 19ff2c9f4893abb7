/*
 * Mounts of trailfs in a folder that is a source: known as what they are, by whatever way they are come to,
 * and not asked. The one here is never answered for: who asks it anything hangs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "fs/source.h"
#include "fs/source_dir_mounts.h"
#include "tests/unit/folder.h"

#define PATIENCE 300 /* seconds, for what must not hang */
#define DONE     42
#define SAID_MAX 4096
#define CANNOT   43 /* mount, here */

static void mount_at(const char *path)
{
	char options[80];
	int fuse = open("/dev/fuse", O_RDWR);

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	if (fuse < 0 || mount("trailfs", path, "fuse.trailfs", 0, options) < 0)
		_exit(CANNOT);
}

/* In a process of its own, with mounts of its own: they go with it. */
static void apart(void (*test)(const struct folder *))
{
	struct folder f;
	int status;
	pid_t pid;

	folder_make(&f);
	folder_mkdirs(&f, "mnt");
	folder_mkdirs(&f, "s");
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(CANNOT);
		alarm(PATIENCE);
		test(&f);
		_exit(DONE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	folder_remove(&f);
	assert_true(WIFEXITED(status)); /* else it hung */
	if (WEXITSTATUS(status) == CANNOT)
		skip();
	assert_int_equal(WEXITSTATUS(status), DONE);
}

static void link_to(const struct folder *f, const char *name, const char *to)
{
	assert_int_equal(symlink(to, folder_at(f, name)), 0);
}

static void add_line(char *said, const char *mark, const char *key)
{
	size_t n = strlen(said);

	snprintf(said + n, SAID_MAX - n, "%s%s\n", mark, key);
}

static int on_object(void *arg, const struct source_object *o)
{
	add_line(arg, "", o->key);
	return 0;
}

static int on_problem(void *arg, const char *key, int error, const char *reason)
{
	assert_int_equal(error, -ELOOP);
	assert_non_null(strstr(reason, "a mount of trailfs"));
	add_line(arg, "! ", key);
	return 0;
}

static void expect_line(const char *lines, const char *line)
{
	if (!strstr(lines, line))
		fail_msg("no %s in\n%s", line, lines);
}

static void list_here(const struct folder *f)
{
	char said[SAID_MAX] = "\n";
	const struct source_sink sink = {on_object, on_problem, said};
	struct source *s;

	folder_write(f, "s/a", "1");
	folder_mkdirs(f, "s/over");
	mount_at(folder_at(f, "mnt"));
	assert_int_equal(mount(folder_at(f, "mnt"), folder_at(f, "s/over"), NULL, MS_BIND, NULL), 0);
	link_to(f, "s/root", "../mnt");
	link_to(f, "s/deep", "../mnt/events/2025/x.json");
	link_to(f, "s/by-link", "root/events");
	assert_int_equal(source_dir_open(folder_at(f, "s"), NULL, &s), 0);
	for (int i = 0; i < 2; i++) {
		said[1] = '\0';
		assert_int_equal(source_list(s, SOURCE_ALL_DAYS, NULL, &sink), 0);
		expect_line(said, "\na\n");
		expect_line(said, "\n! over/\n");
		expect_line(said, "\n! root/\n");
		expect_line(said, "\n! deep/\n");
		expect_line(said, "\n! by-link/\n");
		assert_int_equal(strlen(said), strlen("\na\n! over/\n! root/\n! deep/\n! by-link/\n"));
	}
	source_free(s);
}

static void a_listing_passes_them_by(void **state)
{
	(void)state;
	apart(list_here);
}

/* The path of the source may be hidden by the mount, where a link that is below it leads to the source. */
static void hidden_here(const struct folder *f)
{
	char said[SAID_MAX] = "";
	const struct source_sink sink = {on_object, on_problem, said};
	struct source *s;

	folder_write(f, "s/a", "1");
	link_to(f, "mnt/link", "../s");
	assert_int_equal(source_dir_open(folder_at(f, "mnt/link"), NULL, &s), 0);
	mount_at(folder_at(f, "mnt"));
	for (int i = 0; i < 2; i++)
		assert_int_equal(source_list(s, SOURCE_ALL_DAYS, NULL, &sink), 0);
	assert_string_equal(said, "a\na\n");
	source_free(s);
}

static void a_path_that_is_hidden(void **state)
{
	(void)state;
	apart(hidden_here);
}

static void ways_here(const struct folder *f)
{
	static const struct {
		const char *path;
		bool crosses;
	} table[] = {
		{"mnt", true},
		{"mnt/", true},
		{"//mnt", false}, /* from the top */
		{"s/../mnt", true},
		{"s/up/mnt/x", true},
		{"s/absolute/x", true},
		{"s", false},
		{"s/none/../../mnt", false},
		{"s/loop", false},
		{"s/up", false},
		{"", false},
	};
	struct mounts m, none;
	int list = mounts_open(), at = open(f->path, O_PATH | O_DIRECTORY), in;

	mount_at(folder_at(f, "mnt"));
	in = open(folder_at(f, "mnt"), O_PATH | O_DIRECTORY);
	link_to(f, "s/up", "..");
	link_to(f, "s/absolute", folder_at(f, "mnt"));
	link_to(f, "s/loop", "loop");
	assert_int_equal(mounts_read(list, at, &m), 0);
	assert_int_equal(mounts_read(-1, at, &none), 0);
	assert_int_equal(none.n, 0);
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		assert_int_equal(mounts_cross(&m, at, table[i].path), table[i].crosses);
		assert_false(mounts_cross(&none, at, table[i].path));
	}
	assert_true(mounts_cross(&m, -1, folder_at(f, "mnt")));
	assert_true(mounts_have(&m, in));
	assert_false(mounts_have(&m, at));
	mounts_clear(&m);
	/* Where the source is in one itself, that one is not meant. */
	assert_int_equal(mounts_read(list, in, &m), 0);
	assert_false(mounts_have(&m, in));
	mounts_clear(&m);
}

static void ways_that_lead_there(void **state)
{
	(void)state;
	apart(ways_here);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listing_passes_them_by),
		cmocka_unit_test(a_path_that_is_hidden),
		cmocka_unit_test(ways_that_lead_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
