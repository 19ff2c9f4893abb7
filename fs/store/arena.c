/*
 * Small arrays are in malloc's memory and double. From MAPPED on they are mappings of their own, larger than
 * what is in them: memory that was never written to costs nothing.
 */
#include "fs/store/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SMALLEST ((size_t)1 << 10)
#define MAPPED   ((size_t)8 << 20)
#define MALLOCED ((size_t)1 << 20) /* what is smaller than this */

static size_t cap_for(size_t cap, size_t needed)
{
	if (!cap)
		cap = SMALLEST;
	while (cap < needed && cap <= SIZE_MAX / 4)
		cap *= 2;
	return cap >= MALLOCED && cap < MAPPED ? MAPPED : cap;
}

static char *map(const struct arena *a, size_t cap)
{
	char *data;

	if (a->cap >= MAPPED)
		data = mremap(a->data, a->cap, cap, MREMAP_MAYMOVE);
	else
		data = mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data == MAP_FAILED)
		return NULL;
	madvise(data, cap, MADV_HUGEPAGE); /* no harm where there are none */
	if (a->cap < MAPPED) {
		if (a->len)
			memcpy(data, a->data, a->len);
		free(a->data);
	}
	return data;
}

static bool grow(struct arena *a, size_t needed)
{
	size_t cap = cap_for(a->cap, needed);
	char *data;

	if (cap < needed)
		return false;
	data = cap < MAPPED ? realloc(a->data, cap) : map(a, cap);
	if (!data)
		return false;
	a->data = data;
	a->cap = cap;
	return true;
}

void *arena_add(struct arena *a, size_t n)
{
	if ((!a->data || n > a->cap - a->len) && (n > SIZE_MAX - a->len || !grow(a, a->len + n)))
		return NULL;
	a->len += n;
	return a->data + (a->len - n);
}

void arena_clear(struct arena *a)
{
	if (a->cap < MAPPED)
		free(a->data);
	else
		munmap(a->data, a->cap);
	*a = (struct arena){0};
}
