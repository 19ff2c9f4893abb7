/*
 * credential_process: a command that prints the keys as JSON (docs.aws.amazon.com, "Sourcing credentials with
 * an external process"). It is run as the AWS command line runs it: split into words, without a shell. What
 * it says on stderr goes to ours and into no message: it may be a secret.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "s3/cred_private.h"
#include "s3/secret.h"

#define WORDS_MAX  128
#define OUTPUT_MAX (64 << 10)
#define SLICE_MS   20

extern char **environ;

/* Reads one word at *p into out (which is at least as long as the text) as a POSIX shell would, without
 * expansions. False: a quote is not closed. */
static bool take_word(const char **p, char **out)
{
	const char *s = *p;
	char *o = *out, quote = '\0';

	for (; *s && (quote || !strchr(" \t\r\n", *s)); s++) {
		if (quote != '\'' && *s == '\\' && s[1] && (!quote || strchr("\"\\", s[1])))
			*o++ = *++s;
		else if (*s == quote)
			quote = '\0';
		else if (!quote && (*s == '"' || *s == '\''))
			quote = *s;
		else
			*o++ = *s;
	}
	*o++ = '\0';
	*p = s;
	*out = o;
	return !quote;
}

/* words: pointers into store. */
static bool split(const char *command, char *store, char *words[WORDS_MAX + 1])
{
	size_t n = 0;

	for (;;) {
		command += strspn(command, " \t\r\n");
		if (*command == '\0')
			break;
		if (n == WORDS_MAX)
			return false;
		words[n++] = store;
		if (!take_word(&command, &store))
			return false;
	}
	words[n] = NULL;
	return n > 0;
}

/* Its own process group, so that what it started can be ended with it. */
static int spawn(char *words[], int out, pid_t *ret)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	sigset_t none, all;
	int r = posix_spawn_file_actions_init(&files);

	if (r != 0)
		return -r;
	r = posix_spawnattr_init(&how);
	if (r != 0) {
		posix_spawn_file_actions_destroy(&files);
		return -r;
	}
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&how, &none);
	posix_spawnattr_setsigdefault(&how, &all);
	posix_spawnattr_setpgroup(&how, 0);
	posix_spawnattr_setflags(
		&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	r = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	if (r == 0)
		r = posix_spawnp(ret, words[0], &files, &how, words, environ);
	posix_spawnattr_destroy(&how);
	posix_spawn_file_actions_destroy(&files);
	return -r;
}

struct run {
	pid_t pid;
	int fd, status;
	bool ended, eof;
	char *out;
	size_t len;
	int64_t begun, deadline;
};

static int read_some(struct run *run)
{
	ssize_t n = read(run->fd, run->out + run->len, OUTPUT_MAX + 1 - run->len);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	run->eof = n == 0;
	run->len += (size_t)n;
	return run->len > OUTPUT_MAX ? -EFBIG : (int)(n > 0);
}

static void look_at_child(struct run *run)
{
	pid_t r = waitpid(run->pid, &run->status, WNOHANG);

	/* Where SIGCHLD is ignored nobody can say how it ended: its output decides. */
	if (r < 0 && errno == ECHILD)
		run->status = 0;
	run->ended = r == run->pid || (r < 0 && errno == ECHILD);
}

/* Until it has ended; something that it left behind may hold the pipe open for ever. */
static int watch(struct cred_context *c, struct run *run)
{
	struct pollfd p = {run->fd, POLLIN, 0};
	int r = 0;

	while (!run->ended && r >= 0) {
		if (cred_cancelled(c))
			return -ECANCELED;
		if (cred_clock() > run->deadline)
			return -ETIMEDOUT;
		if (run->eof)
			poll(NULL, 0, SLICE_MS);
		else if (poll(&p, 1, SLICE_MS) > 0)
			r = read_some(run);
		if (r >= 0)
			look_at_child(run);
	}
	while (r >= 0 && !run->eof) {
		r = read_some(run);
		if (r <= 0)
			break;
	}
	return r < 0 ? r : 0;
}

static void end(struct run *run)
{
	if (run->ended)
		return;
	kill(-run->pid, SIGKILL);
	while (waitpid(run->pid, &run->status, 0) < 0 && errno == EINTR)
		;
}

static int run_command(struct cred_context *c, char *words[], struct run *run)
{
	int fd[2], r;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return cred_fail(c, -EIO, "credential_process: %s", strerror(errno));
	run->fd = fd[0];
	run->begun = cred_clock();
	run->deadline = run->begun + c->limits.process;
	if (run->deadline > c->end)
		run->deadline = c->end;
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	r = spawn(words, fd[1], &run->pid);
	close(fd[1]);
	if (r == 0) {
		r = watch(c, run);
		end(run);
		if (r == -ETIMEDOUT)
			cred_fail(c, r, "credential_process %s has not ended after %lld seconds", words[0],
				(long long)(cred_clock() - run->begun) / 1000);
		else if (r < 0)
			cred_fail(c, r, "credential_process %s: %s", words[0], strerror(-r));
	} else {
		r = cred_fail(c, -EACCES, "credential_process %s cannot be run: %s", words[0], strerror(-r));
	}
	close(fd[0]);
	return r == -EFBIG ? -EACCES : r;
}

static int take(struct cred_context *c, const struct run *run, const char *name, struct keys_found **ret)
{
	static const struct cred_names names = {"what credential_process printed", "AccessKeyId",
		"SecretAccessKey", "SessionToken", "Expiration"};
	json_t *j;
	int r;

	if (WIFSIGNALED(run->status))
		return cred_fail(c, -EACCES, "credential_process %s was ended by signal %d", name,
			WTERMSIG(run->status));
	if (WEXITSTATUS(run->status) != 0)
		return cred_fail(c, -EACCES,
			"credential_process %s exited with status %d; run it by hand to see why", name,
			WEXITSTATUS(run->status));
	j = cred_json(run->out, run->len);
	if (!j)
		r = cred_fail(c, -EACCES, "credential_process %s printed no JSON object", name);
	else if (json_integer_value(json_object_get(j, "Version")) != 1)
		r = cred_fail(c, -EACCES, "credential_process %s: Version is not 1", name);
	else
		r = cred_keys_json(c, j, &names, ret);
	json_decref(j);
	return r;
}

int cred_process(struct cred_context *c, const char *command, struct keys_found **ret)
{
	char *words[WORDS_MAX + 1], *store = secret_new(2 * strlen(command) + 2);
	struct run run = {.out = secret_new(OUTPUT_MAX + 2)};
	int r;

	if (!store || !run.out)
		r = cred_fail(c, -ENOMEM, "no memory");
	else if (!split(command, store, words))
		r = cred_fail(c, -EACCES, "credential_process is no command");
	else
		r = run_command(c, words, &run);
	if (r == 0)
		r = take(c, &run, words[0], ret);
	secret_free(run.out);
	secret_free(store);
	return r;
}
