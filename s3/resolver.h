/*
 * Keys for requests that may not wait for them: those found last are at hand; new ones are found on a thread
 * of the resolver's own, once for all who ask meanwhile.
 *
 * Thread-safe. No lock is held during callbacks.
 */
#ifndef S3_RESOLVER_H
#define S3_RESOLVER_H

#include <stdint.h>

#include "s3/credentials.h"

struct resolver;

/* Immutable, counted. */
struct keys {
	unsigned refs;
	struct keys_found *found;
};
void keys_drop(struct keys *k);

/* error 0: keys is yours, keys_drop() it. Else why there are none, and keys is NULL. Called once, before or
 * after resolver_ask() returns, from any thread. */
typedef void resolver_done(void *arg, int error, struct keys *keys, const char *message);

/* c is borrowed. */
int resolver_new(struct credentials *c, struct resolver **ret);
int resolver_start(struct resolver *r); /* once */
/* Ends a search that is under way; who waits, and who asks later, gets -ECANCELED. */
void resolver_cancel(struct resolver *r);
void resolver_stop(struct resolver *r); /* cancels, joins */
void resolver_free(struct resolver *r);

void resolver_ask(struct resolver *r, resolver_done *done, void *arg);
/* The service refused them as expired. */
void resolver_expire(struct resolver *r, const struct keys *k);
void resolver_reload(struct resolver *r);

#endif
