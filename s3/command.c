#include "s3/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "s3/secret.h"

#define WORDS_MAX 128

/* Reads one word at *p into out (which is at least as long as the text). False: a quote is not closed. */
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
static bool split(const char *line, char *store, char *words[WORDS_MAX + 1])
{
	size_t n = 0;

	for (;;) {
		line += strspn(line, " \t\r\n");
		if (*line == '\0')
			break;
		if (n == WORDS_MAX)
			return false;
		words[n++] = store;
		if (!take_word(&line, &store))
			return false;
	}
	words[n] = NULL;
	return n > 0;
}

int command_split(const char *line, struct command *ret)
{
	struct command c = {
		.word = calloc(WORDS_MAX + 1, sizeof *c.word), .store = secret_new(2 * strlen(line) + 2)};
	int r = c.word && c.store ? 0 : -ENOMEM;

	if (r == 0 && !split(line, c.store, c.word))
		r = -EINVAL;
	if (r == 0)
		*ret = c;
	else
		command_clear(&c);
	return r;
}

void command_clear(struct command *c)
{
	free(c->word);
	secret_free(c->store);
	*c = (struct command){NULL, NULL};
}

static int say_files(posix_spawn_file_actions_t *files, int out, int err, int folder)
{
	int r = posix_spawn_file_actions_adddup2(files, out, STDOUT_FILENO);

	if (r == 0 && err >= 0)
		r = posix_spawn_file_actions_adddup2(files, err, STDERR_FILENO);
	if (r == 0 && folder >= 0)
		r = posix_spawn_file_actions_addfchdir_np(files, folder);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
	return r;
}

int command_start(const struct command *c, int out, int err, int folder, pid_t *ret)
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
	r = say_files(&files, out, err, folder);
	if (r == 0)
		r = posix_spawnp(ret, c->word[0], &files, &how, c->word, environ);
	posix_spawnattr_destroy(&how);
	posix_spawn_file_actions_destroy(&files);
	return -r;
}

bool command_ended(pid_t pid, int *ret_status)
{
	int status = 0;
	pid_t r = waitpid(pid, &status, WNOHANG);

	/* Where SIGCHLD is ignored nobody can say how it ended: its output decides. */
	if (r != pid && !(r < 0 && errno == ECHILD))
		return false;
	*ret_status = r == pid ? status : 0;
	return true;
}

void command_end(pid_t pid)
{
	int status;

	kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}
