/*
 * Going to the background when the mount is live and not before: the process is forked early, while it has
 * one thread; the child does all the work and says through a pipe how it goes; the parent shows that, and
 * ends with the status that the user sees.
 *
 * The child's verbs: from one thread at a time.
 */
#ifndef FS_DAEMON_H
#define FS_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct daemon {
	int fd; /* the pipe; -1: in front, what is said is shown by this process itself */
	bool tty, line_open;
	int64_t shown_at; /* monotonic ns: of the last line of progress */
};

/* In front: no fork. */
void daemon_stay(struct daemon *d);
/* 0 in the child, its pid in the parent, or a negative errno. */
pid_t daemon_fork(struct daemon *ret);

/* The parent: until the child is ready, has failed, or a signal (SIGINT, SIGTERM, SIGHUP: the caller has them
 * blocked) ends both. Returns the exit status. mountpoint: cleared if the child had to be killed. */
int daemon_watch(struct daemon *d, pid_t child, const char *mountpoint);

/* The child: text is one line. After daemon_failed() the parent waits for the child's end, so that nothing is
 * mounted when it says so. daemon_ready() lets go of the terminal. */
void daemon_failed(struct daemon *d, const char *text);
void daemon_note(struct daemon *d, const char *text);
void daemon_warning(struct daemon *d, const char *text); /* to standard error */
void daemon_progress(struct daemon *d, const char *text);
void daemon_ready(struct daemon *d);

#endif
