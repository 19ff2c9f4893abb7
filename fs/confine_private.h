/*
 * The two halves of confine(). 0; or a negative errno, -ENOSYS where the kernel has no such thing.
 */
#ifndef FS_CONFINE_PRIVATE_H
#define FS_CONFINE_PRIVATE_H

#include "fs/confine.h"

/* The sanitizers look into the process from outside, at its end and in their reports. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CONFINE_WATCHED true
#else
#define CONFINE_WATCHED false
#endif

struct landlock;
/* Opens it for rules. *ret_version: what the kernel's can do (docs.kernel.org, "Landlock: unprivileged access
 * control", "Previous limitations"). */
int landlock_new(bool network, struct landlock **ret, int *ret_version);
/* Error: the path is not there, or ours. */
int landlock_allow(struct landlock *l, const struct confine_path *p);
int landlock_enforce(struct landlock *l);
void landlock_free(struct landlock *l);

int calls_confine(bool network);

#endif
