/*
 * Calls of the kernel that have to wait: kept here, holding no thread, and asked again by threads of the park
 * when something has changed. A parked call ends in one of five ways: answered; EINTR, at once, when the
 * caller is interrupted; ETIMEDOUT after `timeout` in which nothing got further; EIO when the park stops; or
 * with the error its asking gives.
 *
 * Thread-safe.
 */
#ifndef FS_PARK_H
#define FS_PARK_H

#define FUSE_USE_VERSION 312

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum call_op {
	CALL_LOOKUP,
	CALL_GETATTR,
	CALL_OPENDIR,
	CALL_READDIR,
	CALL_READ,
	CALL_XATTR
};

/* What was asked, enough to ask it again. */
struct call {
	fuse_req_t req;
	enum call_op op;
	uint64_t node;
	const char *name; /* CALL_LOOKUP; CALL_XATTR, NULL: which there are */
	uint64_t offset;  /* CALL_READ, CALL_READDIR */
	size_t size;      /* and CALL_XATTR; 0: how many bytes it is */
	uint64_t handle;  /* CALL_READDIR, and whether with attributes */
	bool plus;
};

struct park_ops {
	/* Answers the call: 0; or -EAGAIN: it has to wait on and was not answered. */
	int (*ask)(void *arg, const struct call *call);
	/* Answers it with an error (positive errno). */
	void (*fail)(void *arg, const struct call *call, int error);
	/* Monotonic ns of the last time anything got further. */
	int64_t (*progress_at)(void *arg);
};

struct park;

int park_new(const struct park_ops *ops, void *arg, unsigned timeout, struct park **ret);
int park_start(struct park *p); /* its threads; after the process has gone to the background */
void park_free(struct park *p); /* stops it first; no request may be under way any more */

/* Count of wakes so far: to be read before a call is asked for the first time, so that a change in between is
 * not missed. */
uint64_t park_wakes(struct park *p);
/* A call that had -EAGAIN, asked when park_wakes() was `asked`. It is copied; and answered by the park, now
 * or later. */
void park_call(struct park *p, const struct call *call, uint64_t asked);
/* Something has changed. Cheap; from any thread. */
void park_wake(struct park *p);
/* Fails all calls, and those still to come. */
void park_stop(struct park *p);

/* Waits until no call is parked for which the kernel has the directory locked, the park is stopped, or the
 * timeout has passed. Who has the kernel drop a name waits for that lock, and whoever comes to the directory
 * then waits behind him, beyond Ctrl-C. */
void park_await_unlocked(struct park *p, uint64_t dir);

size_t park_count(struct park *p);

#endif
