/*
 * Files and commands of the user's, reached by us or, where the process is confined, by its helper (s3.h,
 * struct s3_helper).
 *
 * Thread-safe; a child: caller locks.
 */
#ifndef S3_CRED_HELPER_H
#define S3_CRED_HELPER_H

#include "s3/command.h"
#include "s3/s3.h"

/* Opens a file for reading: a descriptor or negative errno. */
int helper_open(const char *path);

/* A command that runs. */
struct child {
	pid_t pid;  /* ours; 0: the helper's */
	int socket; /* to the helper, which ends it when this is closed; -1: it is ours */
};

/* c is what line was split into. */
int child_start(const char *line, const struct command *c, int out, struct child *ret);
/* Whether it has ended, and then how, as waitpid() says it. */
bool child_ended(const struct child *c, int *ret_status);
/* Ends it, unless it has ended. */
void child_clear(struct child *c, bool ended);

#endif
