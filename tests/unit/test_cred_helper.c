/*
 * cred_helper, the helper's side: what it opens and runs for a confined process. The other side:
 * test_credentials.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/socket.h>

#include "s3/s3.h"
#include "tests/unit/credentials_kit.h"

/* What is said of a command by the socket, one after the other; -1: nothing any more. */
static void run(const char *line, int ret_said[2])
{
	int out = open("/dev/null", O_WRONLY | O_CLOEXEC), ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	s3_run(line, out, -1, -1, ends[1]);
	close(ends[1]);
	for (int i = 0; i < 2; i++)
		if (recv(ends[0], &ret_said[i], sizeof(int), 0) != (ssize_t)sizeof(int))
			ret_said[i] = -1;
	close(ends[0]);
}

/* What is set up at that time, and nothing else. */
static void test_runs(void **state)
{
	static const struct {
		const char *config, *line;
		int said[2];
	} runs[] = {
		{"[default]\ncredential_process = true\n", "true", {0, 0}},
		{"[profile x]\ncredential_process = sh -c 'exit 3'\n", "sh -c 'exit 3'", {0, 3 << 8}},
		{"[default]\ncredential_process = /nowhere/at/all\n", "/nowhere/at/all", {-ENOENT, -1}},
		{"[default]\ncredential_process = 'open\n", "'open", {-EINVAL, -1}},
		{"[default]\ncredential_process = true\n", "false", {-EPERM, -1}},
		{"[default]\ncredential_process = true\n", "true x", {-EPERM, -1}},
		{"[default]\ncredential_process = true\n", "", {-EPERM, -1}},
		{"[sso-session x]\ncredential_process = true\n", "true", {-EPERM, -1}},
		{"[default]\nother_process = true\n", "true", {-EPERM, -1}},
		{"[default]\ns3 =\n  credential_process = true\n", "true", {-EPERM, -1}},
	};
	int said[2];

	(void)state;
	for (size_t i = 0; i < sizeof(runs) / sizeof(*runs); i++) {
		put_files(runs[i].config, "");
		run(runs[i].line, said);
		if (said[0] != runs[i].said[0] || said[1] != runs[i].said[1])
			fail_msg("run %zu, '%s': %d, %d", i, runs[i].line, said[0], said[1]);
	}
}

static void test_opens(void **state)
{
	static const struct {
		const char *path; /* in the home folder, unless it begins with '/' */
		bool may;
	} files[] = {{".aws/config", true}, {".aws/credentials", true}, {".aws/sso/cache/abc.json", true},
		{"named", true}, {"/somewhere/token", true}, {"/run/ecs", true}, {"/run/web", true},
		{".aws", false}, {".aws/other", false}, {".aws/sso/cache", false},
		{".aws/sso/cache/../../x", false}, {".aws/sso/cache/a/b", false},
		{".aws/sso/cache/..", false}, {".ssh/id", false}, {"/etc/shadow", false}, {"", false},
		{"/run", false}};

	(void)state;
	put_files("[profile x]\nweb_identity_token_file = /somewhere/token\n"
		  "[sso-session y]\nweb_identity_token_file = /etc/shadow\n",
		"[x]\nother = /etc/shadow\n");
	set_environment(
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/run/ecs;AWS_WEB_IDENTITY_TOKEN_FILE=/run/web");
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		const char *path =
			files[i].path[0] == '/' ? files[i].path : folder_at(&kit.home, files[i].path);

		if (strcmp(files[i].path, "named") == 0)
			setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
		if (s3_may_open(path) != files[i].may)
			fail_msg("%s %s be opened", path, files[i].may ? "may not" : "may");
		unsetenv("AWS_SHARED_CREDENTIALS_FILE");
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_runs),
		TEST(test_opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
