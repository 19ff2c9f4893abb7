/*
 * warden: what it opens and runs for another process, what it does not, and when it ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fs/warden.c" /* for packets that it does not send itself */
#include "tests/unit/folder.h"

#define PATIENCE 60000 /* ms */

static struct {
	struct folder folder;
	struct warden *warden;
} t;

static bool may_open(const char *path)
{
	const char *name = strrchr(path, '/');

	return strcmp(name != NULL ? name + 1 : path, "may") == 0;
}

/* "echo" with its words, the folder it is in and its standard error; "wait": until nobody wants to know. */
static void run(const char *line, int out, int err, int folder, int socket)
{
	struct pollfd p = {.fd = socket};

	if (strcmp(line, "wait") == 0)
		poll(&p, 1, -1);
	else if (fchdir(folder) == 0 && access("here", F_OK) == 0)
		dprintf(out, "%s here", line);
	dprintf(err, "err");
	close(out);
	(void)!send(socket, "x", 1, MSG_NOSIGNAL);
}

/* What stands in /proc/PID/stat after the name: the state and the parent. false: there is no such process. */
static bool look_at(pid_t pid, char *ret_state, pid_t *ret_parent)
{
	char path[64], line[512] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	size_t n = fread(line, 1, sizeof(line) - 1, f);
	fclose(f);
	line[n] = '\0';
	const char *after = strrchr(line, ')');
	return after != NULL && sscanf(after + 1, " %c %d", ret_state, ret_parent) == 2;
}

static bool is_gone(pid_t pid)
{
	char state;
	pid_t parent;

	return !look_at(pid, &state, &parent) || state == 'Z' || state == 'X';
}

/* The process that this one has started. */
static pid_t child(void)
{
	DIR *dir = opendir("/proc");
	const struct dirent *e;
	pid_t found = 0, parent;
	char state;

	assert_non_null(dir);
	while (found == 0 && (e = readdir(dir)) != NULL) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
		if (pid > 0 && look_at(pid, &state, &parent) && parent == getpid() && state != 'Z')
			found = pid;
	}
	closedir(dir);
	assert_true(found > 0);
	return found;
}

static void start_warden(void)
{
	char argv0[] = "test", *argv[] = {argv0, NULL};
	struct warden_options o = {.mountpoint = "/nowhere/to/be/found",
		.source = folder_at(&t.folder, "source"),
		.may_open = may_open,
		.run = run,
		.argv = argv};

	assert_int_equal(warden_start(&o, &t.warden), 0);
}

static int begin(void **state)
{
	(void)state;
	folder_make(&t.folder);
	folder_write(&t.folder, "source/a/file", "in the source");
	folder_write(&t.folder, "away/file", "away");
	folder_write(&t.folder, "may", "a file");
	folder_write(&t.folder, "may-not", "another");
	folder_write(&t.folder, "here", "");
	assert_int_equal(symlink("../away", folder_at(&t.folder, "source/link")), 0);
	assert_int_equal(symlink("/away", folder_at(&t.folder, "source/broken")), 0);
	start_warden();
	return 0;
}

static int end(void **state)
{
	(void)state;
	warden_free(t.warden);
	folder_remove(&t.folder);
	return 0;
}

static void want_text(int fd, const char *text)
{
	char found[100];
	ssize_t n;

	if (fd < 0)
		fail_msg("not opened: %s", strerror(-fd));
	n = read(fd, found, sizeof(found) - 1);
	assert_true(n >= 0);
	found[n] = '\0';
	assert_string_equal(found, text);
	close(fd);
}

static void test_source(void **state)
{
	(void)state;
	want_text(warden_open_source(t.warden, "a/file"), "in the source");
	want_text(warden_open_source(t.warden, "link/file"), "away");
	want_text(warden_open_source(t.warden, "a//./file"), "in the source");
	assert_int_equal(warden_open_source(t.warden, "broken"), -ENOENT);
	assert_int_equal(warden_open_source(t.warden, "a/file/x"), -ENOTDIR);
}

static void test_source_folder(void **state)
{
	int fd = warden_open_source(t.warden, "link/");
	struct stat there, found;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &found), 0);
	assert_int_equal(stat(folder_at(&t.folder, "away"), &there), 0);
	assert_int_equal(found.st_ino, there.st_ino);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	close(fd);
}

static void test_nothing_but_the_source(void **state)
{
	static const char *const path[] = {"", "/etc/passwd", "..", "../may", "a/../../may", "link/../may",
		"a/..", "a//../x", "/", "//etc/passwd"};

	(void)state;
	for (size_t i = 0; i < sizeof(path) / sizeof(*path); i++)
		if (warden_open_source(t.warden, path[i]) != -EACCES)
			fail_msg("opened: '%s'", path[i]);
}

static void test_files(void **state)
{
	char name[9000];

	(void)state;
	want_text(warden_open_file(t.warden, folder_at(&t.folder, "may")), "a file");
	assert_int_equal(warden_open_file(t.warden, folder_at(&t.folder, "may-not")), -EACCES);
	assert_int_equal(warden_open_file(t.warden, "/nowhere/may"), -ENOENT);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(warden_open_file(t.warden, name), -EACCES);
}

/* The warden itself works elsewhere. */
static void test_relative(void **state)
{
	char *before = getcwd(NULL, 0);

	(void)state;
	assert_int_equal(chdir(t.folder.path), 0);
	want_text(warden_open_file(t.warden, "may"), "a file");
	assert_int_equal(chdir(before), 0);
	free(before);
}

static int run_to_pipe(const char *line, int *ret_read)
{
	int ends[2], socket;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	socket = warden_run(t.warden, line, ends[1]);
	assert_true(socket >= 0);
	close(ends[1]);
	*ret_read = ends[0];
	return socket;
}

static void test_run(void **state)
{
	char *before = getcwd(NULL, 0), end_of[2];
	int out, socket, saved = dup(STDERR_FILENO), errs[2];

	(void)state;
	assert_int_equal(pipe(errs), 0);
	dup2(errs[1], STDERR_FILENO);
	assert_int_equal(chdir(t.folder.path), 0);
	socket = run_to_pipe("some words", &out);
	dup2(saved, STDERR_FILENO);
	assert_int_equal(chdir(before), 0);
	want_text(out, "some words here");
	assert_int_equal(recv(socket, end_of, sizeof(end_of), 0), 1);
	want_text(errs[0], "err");
	close(errs[1]);
	close(saved);
	close(socket);
	free(before);
}

/* One that waits holds up nobody. */
static void test_at_once(void **state)
{
	int out, socket = run_to_pipe("wait", &out);
	char c;

	(void)state;
	want_text(warden_open_source(t.warden, "a/file"), "in the source");
	assert_true(warden_detach(t.warden));
	close(socket);
	/* Nor does it wait when nobody wants to know any more. */
	assert_int_equal(read(out, &c, 1), 0);
	close(out);
}

/* Whether what was sent so is answered. */
static bool is_answered(unsigned char kind, const char *text, size_t len, size_t n_fds)
{
	struct iovec iov[] = {{&kind, 1}, {(char *)(uintptr_t)text, len}};
	int ends[2], fds[FDS_MAX];
	char c;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	for (size_t i = 0; i < FDS_MAX; i++)
		fds[i] = ends[1];
	assert_int_equal(send_packet(t.warden->socket, iov, 2, fds, n_fds), 0);
	close(ends[1]);
	struct pollfd p = {.fd = ends[0], .events = POLLIN};
	assert_int_equal(poll(&p, 1, PATIENCE), 1);
	ssize_t n = recv(ends[0], &c, 1, 0);
	close(ends[0]);
	return n > 0;
}

/* Whoever asks may be somebody else by now. */
static void test_what_is_no_request(void **state)
{
	static const size_t wanted[] = {[DETACH] = 1, [SOURCE] = 2, [NAMED] = 2, [RUN] = 4};
	static char text[REQUEST_MAX] = "a/file";

	(void)state;
	for (unsigned kind = 0; kind <= UINT8_MAX; kind++)
		for (size_t n = 0; n <= FDS_MAX; n++)
			if (n != (kind <= RUN ? wanted[kind] : 0) || kind > END)
				assert_false(is_answered((unsigned char)kind, "a/file", 6, n));
	memset(text + 6, 'x', sizeof(text) - 6);
	assert_true(is_answered(SOURCE, "a/file", 6, 2));
	assert_true(is_answered(SOURCE, text, sizeof(text) - 2, 2));
	assert_false(is_answered(SOURCE, text, sizeof(text) - 1, 2));
	assert_false(is_answered(SOURCE, text, sizeof(text), 2));
	want_text(warden_open_source(t.warden, "a/file"), "in the source");
}

static unsigned count_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* Whatever comes of it, nothing stays open. */
static void test_nothing_stays_open(void **state)
{
	char text[REQUEST_MAX];
	unsigned before = count_open();

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	want_text(warden_open_file(t.warden, folder_at(&t.folder, "may")), "a file");
	assert_int_equal(warden_open_file(t.warden, folder_at(&t.folder, "may-not")), -EACCES);
	assert_int_equal(warden_open_source(t.warden, "broken"), -ENOENT);
	assert_int_equal(warden_run(t.warden, text, STDERR_FILENO), -ENAMETOOLONG);
	assert_true(warden_detach(t.warden));
	assert_int_equal(count_open(), before);
}

/* The signals that end the other are not for it. */
static void test_not_by_signals(void **state)
{
	(void)state;
	/* When it answers, it has begun. */
	assert_true(warden_detach(t.warden));
	assert_int_equal(kill(child(), SIGTERM), 0);
	want_text(warden_open_source(t.warden, "a/file"), "in the source");
}

/* Gone: it cannot be asked, and that is said. */
static void test_gone(void **state)
{
	pid_t pid = child();
	int status;

	(void)state;
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(warden_detach(t.warden));
	assert_int_equal(warden_open_source(t.warden, "a/file"), -EACCES);
	assert_int_equal(warden_open_file(t.warden, folder_at(&t.folder, "may")), -EACCES);
	assert_true(warden_run(t.warden, "x", STDOUT_FILENO) < 0);
}

/* With the process that has started it, however that ends; and nothing that was open there stays open. */
static void test_ends_with_the_other(void **state)
{
	int ends[2];
	pid_t pid;
	char c;
	struct pollfd p;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		start_warden();
		/* It says who it is, then dies. */
		pid_t warden = child();
		if (warden_detach(t.warden) && write(ends[1], &warden, sizeof(warden)) > 0)
			kill(getpid(), SIGKILL);
		_exit(1);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &pid, sizeof(pid)), sizeof(pid));
	p = (struct pollfd){.fd = ends[0], .events = POLLIN};
	assert_int_equal(poll(&p, 1, PATIENCE), 1);
	assert_int_equal(read(ends[0], &c, 1), 0);
	close(ends[0]);
	for (int i = 0; i < PATIENCE / 10 && !is_gone(pid); i++)
		poll(NULL, 0, 10);
	assert_true(is_gone(pid));
	/* The one that was killed; the other one's warden is still there. */
	assert_true(wait(NULL) > 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	static const struct CMUnitTest tests[] = {
		TEST(test_source),
		TEST(test_source_folder),
		TEST(test_nothing_but_the_source),
		TEST(test_files),
		TEST(test_relative),
		TEST(test_run),
		TEST(test_at_once),
		TEST(test_what_is_no_request),
		TEST(test_nothing_stays_open),
		TEST(test_not_by_signals),
		TEST(test_gone),
		TEST(test_ends_with_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
