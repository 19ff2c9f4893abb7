/*
 * One mapping per secret: a small block shared with other data would take that data out of core dumps too,
 * and free() writes its own pointers over what should be wiped.
 */
#include "s3/secret.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <openssl/crypto.h>

/* Before what the caller sees. */
struct head {
	_Alignas(16) size_t len; /* of the mapping */
};

void *secret_new(size_t n)
{
	size_t len = n + sizeof(struct head);
	struct head *h;

	if (len < n)
		return NULL;
	h = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (h == MAP_FAILED)
		return NULL;
	/* Both are extras: a limit on locked memory must not take the mount away. */
	(void)madvise(h, len, MADV_DONTDUMP);
	(void)mlock(h, len);
	h->len = len;
	return h + 1;
}

void secret_free(void *p)
{
	struct head *h;
	size_t len;

	if (!p)
		return;
	h = (struct head *)p - 1;
	len = h->len;
	OPENSSL_cleanse(h, len);
	munmap(h, len);
}

void secret_wipe(char *text)
{
	if (!text)
		return;
	OPENSSL_cleanse(text, strlen(text));
	free(text);
}

void secret_wipe_block(void *p)
{
	if (!p)
		return;
	OPENSSL_cleanse(p, malloc_usable_size(p));
	free(p);
}
