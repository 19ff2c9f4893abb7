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

#define HEAD 16 /* bytes before what the caller sees: the length of the mapping; keeps it aligned */

void *secret_new(size_t n)
{
	size_t len = n + HEAD;
	char *p;

	if (len < n)
		return NULL;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	/* Both are extras: a limit on locked memory must not take the mount away. */
	(void)madvise(p, len, MADV_DONTDUMP);
	(void)mlock(p, len);
	memcpy(p, &len, sizeof len);
	return p + HEAD;
}

void secret_free(void *p)
{
	char *start;
	size_t len;

	if (!p)
		return;
	start = (char *)p - HEAD;
	memcpy(&len, start, sizeof len);
	OPENSSL_cleanse(start, len);
	munmap(start, len);
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
