/*
 * A command line that is run as the AWS command line runs one: split into words as a POSIX shell would,
 * without expansions and without a shell.
 *
 * Thread-safe.
 */
#ifndef S3_COMMAND_H
#define S3_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

struct command {
	char **word; /* NULL at the end; at least one */
	char *store; /* memory for secrets: some people have theirs in there */
};

/* -EINVAL: it is no command; -ENOMEM. */
int command_split(const char *line, struct command *ret);
void command_clear(struct command *c);

/* Starts it in a process group of its own, with nothing to read. out: its standard output; err, folder: its
 * standard error and working directory, -1: ours. */
int command_start(const struct command *c, int out, int err, int folder, pid_t *ret);
/* Whether it has ended, and then how, as waitpid() says it. */
bool command_ended(pid_t pid, int *ret_status);
/* Ends it and what it has started. */
void command_end(pid_t pid);

#endif
