/*
 * The process that helps the one that serves the mount when that has given up its rights (fs/confine.h). It
 * can do four things and no others: take the mount point out of the tree; open for reading what the user has
 * set up to be read; run the user's credential_process; write to syslog. It decides by what it was told
 * before it was started and by the user's own files, never by what it is asked for alone.
 *
 * It ends with the process that started it, and with nothing else: signals that end that one reach it through
 * that one.
 *
 * Thread-safe.
 */
#ifndef FS_WARDEN_H
#define FS_WARDEN_H

#include <stdbool.h>

struct warden;

struct warden_options {
	const char *mountpoint;
	const char *source; /* a directory, or NULL */
	/* Whether a file is one to read, by its path. */
	bool (*may_open)(const char *path);
	/* Runs a command line, if it is one to run; talks of it with whoever has the other end of `socket`,
	 * and comes back when it has ended. out, err: where it writes; folder: where it works. Closes out. */
	void (*run)(const char *line, int out, int err, int folder, int socket);
	char **argv; /* overwritten in the helper: ps is to say what it is */
};

/* Starts it: while there is one thread. */
int warden_start(const struct warden_options *o, struct warden **ret);
/* Ends it, or else it ends when this process has. */
void warden_free(struct warden *w);

/* mountpoint_detach() of the mount point. Safe in signal handlers. false: the warden is gone, or takes
 * seconds; warden_free() waits for it. */
bool warden_detach(const struct warden *w);
/* Opens what a path below the source leads to, by whatever links, or a file of the user's: a descriptor or
 * negative errno. */
int warden_open_source(void *warden, const char *path);
int warden_open_file(void *warden, const char *path);
/* Returns the other end of warden_options.run's socket, or negative errno. */
int warden_run(void *warden, const char *line, int out);
/* syslog(3), facility daemon, by the name of trailfs. */
void warden_log(void *warden, int priority, const char *line);

#endif
