/*
 * Memory for secrets: pages of their own that are kept out of core dumps and, as far as the limits allow, out
 * of swap; wiped when freed.
 *
 * Thread-safe.
 */
#ifndef S3_SECRET_H
#define S3_SECRET_H

#include <stddef.h>

/* n zeroed bytes, yours; NULL when there is no memory. At least a page each: not for many small things. */
void *secret_new(size_t n);
/* NULL is fine. */
void secret_free(void *p);

/* For secrets that passed through ordinary memory: wiped, then free()d. NULL is fine. */
void secret_wipe(char *text);
/* The same as free() for any malloc'ed block, whatever its size: what libraries that hold secrets are given.
 */
void secret_wipe_block(void *p);

#endif
