/*
 * credential_process: a command that prints the keys as JSON (docs.aws.amazon.com, "Sourcing credentials with
 * an external process"). What it says on stderr goes to ours and into no message: it may be a secret.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "s3/cred_helper.h"
#include "s3/cred_private.h"
#include "s3/secret.h"

#define OUTPUT_MAX (64 << 10)
#define SLICE_MS   20

struct run {
	struct child child;
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
			run->ended = child_ended(&run->child, &run->status);
	}
	while (r >= 0 && !run->eof) {
		r = read_some(run);
		if (r <= 0)
			break;
	}
	return r < 0 ? r : 0;
}

static int run_command(
	struct cred_context *c, const char *line, const struct command *command, struct run *run)
{
	const char *name = command->word[0];
	int fd[2], r;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return cred_fail(c, -EIO, "credential_process: %s", strerror(errno));
	run->fd = fd[0];
	run->begun = cred_clock();
	run->deadline = run->begun + c->limits.process;
	if (run->deadline > c->end)
		run->deadline = c->end;
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	r = child_start(line, command, fd[1], &run->child);
	close(fd[1]);
	if (r == 0) {
		r = watch(c, run);
		child_clear(&run->child, run->ended);
		if (r == -ETIMEDOUT)
			cred_fail(c, r, "credential_process %s has not ended after %lld seconds", name,
				(long long)(cred_clock() - run->begun) / 1000);
		else if (r < 0)
			cred_fail(c, r, "credential_process %s: %s", name, strerror(-r));
	} else {
		r = cred_fail(c, -EACCES, "credential_process %s cannot be run: %s", name, strerror(-r));
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

int cred_process(struct cred_context *c, const char *line, struct keys_found **ret)
{
	struct command command;
	struct run run = {.out = secret_new(OUTPUT_MAX + 2)};
	int r = run.out ? command_split(line, &command) : -ENOMEM;

	if (r == 0) {
		r = run_command(c, line, &command, &run);
		if (r == 0)
			r = take(c, &run, command.word[0], ret);
		command_clear(&command);
	} else if (r == -EINVAL) {
		r = cred_fail(c, -EACCES, "credential_process is no command");
	} else {
		r = cred_fail(c, r, "no memory");
	}
	secret_free(run.out);
	return r;
}
