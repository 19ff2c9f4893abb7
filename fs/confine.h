/*
 * What the process that serves the mount gives up, as what it reads was written by others: it can gain no
 * rights (PR_SET_NO_NEW_PRIVS), opens only what it needs (Landlock), and makes only the system calls that it
 * needs (seccomp). Whatever else it must do it asks the warden for (fs/warden.h).
 *
 *   the cache's folder, the folder of logins     read, write, make and remove files
 *   the source, if it is a directory             read
 *   libraries, name service, certificates        read
 *   TCP, UDP                                     connect; not at all where there is no network to ask
 *   processes of this machine                    no
 *   programs, processes, all of mount(2)         no
 *
 * Between them Landlock and seccomp say each thing once, and where Landlock is missing the files that the
 * user may read can be read.
 */
#ifndef FS_CONFINE_H
#define FS_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

enum confine_right {
	CONFINE_READ = 1,
	CONFINE_WRITE = 2, /* and make, and remove files */
	CONFINE_DEVICE = 4 /* read and write what is there */
};

/* A file, or a folder with all below it. */
struct confine_path {
	const char *path;
	unsigned rights;
};

struct confine_options {
	const struct confine_path
		*path; /* those that are not there, or whose path is NULL, are passed over */
	size_t n_path;
	const char *ca_bundle; /* or NULL */
	bool network;
};

/* For good, for this process and what it starts: while there is one thread, and after the mounting.
 * missing: what of it this kernel cannot do, or does not let us do, and why; the rest holds. "": nothing. */
#define CONFINE_TEXT_MAX 512
void confine(const struct confine_options *o, char missing[CONFINE_TEXT_MAX]);

#endif
