/*
 * Two processes use this file. The confined one asks; the helper sees to it that it is asked for nothing but
 * what the user has set up. It looks at the user's files itself, each time, so that it need not believe the
 * other, and that what is edited while mounted counts.
 *
 * Of a command two integers pass between them: 0 or why it could not be started, then how it ended.
 */
#include "s3/cred_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "s3/cred_private.h"

#define SLICE_MS 20
#define LOST     (127 << 8) /* as of a command that was not found */

static const struct s3_helper *helper; /* set before there are threads */

void s3_set_helper(const struct s3_helper *h)
{
	helper = h;
}

/* ---- asking ---- */

int helper_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 || errno != EACCES || !helper)
		return fd >= 0 ? fd : -errno;
	return helper->open(helper->arg, path);
}

int child_start(const char *line, const struct command *c, int out, struct child *ret)
{
	int socket, error = -EIO;
	pid_t pid;

	if (!helper) {
		error = command_start(c, out, -1, -1, &pid);
		if (error == 0)
			*ret = (struct child){pid, -1};
		return error;
	}
	socket = helper->run(helper->arg, line, out);
	if (socket < 0)
		return socket;
	if (recv(socket, &error, sizeof error, 0) != (ssize_t)sizeof error || error < 0)
		close(socket);
	else
		*ret = (struct child){0, socket};
	return error;
}

bool child_ended(const struct child *c, int *ret_status)
{
	ssize_t n;
	int status;

	if (c->pid)
		return command_ended(c->pid, ret_status);
	n = recv(c->socket, &status, sizeof status, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	*ret_status = n == (ssize_t)sizeof status ? status : LOST;
	return true;
}

void child_clear(struct child *c, bool ended)
{
	if (!c->pid)
		close(c->socket);
	else if (!ended)
		command_end(c->pid);
}

/* ---- being asked ---- */

char *s3_logins_folder(void)
{
	return cred_home_path("~/.aws/sso/cache");
}

/* Is it that one? Frees it. */
static bool is_path(const char *path, char *wanted)
{
	bool yes = wanted && strcmp(wanted, path) == 0;

	free(wanted);
	return yes;
}

static bool is_set(const char *path, const char *variable)
{
	const char *set = cred_getenv(variable);

	return set && strcmp(set, path) == 0;
}

/* Is it right in the folder of logins? */
static bool is_login(const char *path)
{
	char *folder = s3_logins_folder();
	size_t n = folder ? strlen(folder) : 0;
	bool yes = folder && strncmp(path, folder, n) == 0 && path[n] == '/' && path[n + 1] != '.' &&
		   !strchr(path + n + 1, '/');

	free(folder);
	return yes;
}

/* Does any profile say so, now? */
static bool is_configured(const char *key, const char *value)
{
	char *config = cred_file_path(false), *credentials = cred_file_path(true);
	char reason[PROFILE_REASON_MAX];
	struct profile_set *files = NULL;
	bool yes = config && credentials && profile_load(config, credentials, &files, reason) == 0 &&
		   profile_says(files, key, value);

	profile_free(files);
	free(config);
	free(credentials);
	return yes;
}

bool s3_may_open(const char *path)
{
	return is_path(path, cred_file_path(false)) || is_path(path, cred_file_path(true)) ||
	       is_set(path, "AWS_WEB_IDENTITY_TOKEN_FILE") ||
	       is_set(path, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") || is_login(path) ||
	       is_configured("web_identity_token_file", path);
}

static int start(const char *line, int out, int err, int folder, pid_t *ret)
{
	struct command c;
	int r = is_configured("credential_process", line) ? command_split(line, &c) : -EPERM;

	if (r == 0) {
		r = command_start(&c, out, err, folder, ret);
		command_clear(&c);
	}
	return r;
}

static void tell(int socket, int value)
{
	/* Who has gone away need not know. */
	(void)!send(socket, &value, sizeof value, MSG_NOSIGNAL);
}

void s3_run(const char *line, int out, int err, int folder, int socket)
{
	struct pollfd asker = {socket, 0, 0};
	int status = 0, r;
	pid_t pid;

	r = start(line, out, err, folder, &pid);
	close(out);
	tell(socket, r);
	while (r == 0 && !command_ended(pid, &status)) {
		/* Asks for nothing, so it is told of the end only. */
		if (poll(&asker, 1, SLICE_MS) > 0) {
			command_end(pid);
			return;
		}
	}
	if (r == 0)
		tell(socket, status);
}
