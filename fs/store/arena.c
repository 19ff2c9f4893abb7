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

static char *map_new(size_t size)
{
	char *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return data == MAP_FAILED ? NULL : data;
}

/* ThreadSanitizer does not see mremap(): what other threads did where the memory goes to would be races to
 * it. */
static char *map_larger(char *old, size_t size, size_t larger)
{
#ifdef __SANITIZE_THREAD__
	char *data = map_new(larger);

	if (data) {
		memcpy(data, old, size);
		munmap(old, size);
	}
	return data;
#else
	char *data = mremap(old, size, larger, MREMAP_MAYMOVE);

	return data == MAP_FAILED ? NULL : data;
#endif
}

static char *map(const struct arena *a, size_t cap)
{
	bool mapped = a->cap >= MAPPED;
	char *data = mapped ? map_larger(a->data, a->cap, cap) : map_new(cap);

	if (!data)
		return NULL;
	madvise(data, cap, MADV_HUGEPAGE); /* no harm where there are none */
	if (!mapped) {
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
