/*
 * The library is compiled for every x86-64 there is. With AVX2 a record takes half the time. What the library
 * offers for that (xxh_x86dispatch.h) prefers AVX-512, and what runs after that is slower by more than was
 * won.
 */
#include "render/hash.h"

#include <xxhash.h>

static inline uint64_t hash_anywhere(const void *p, size_t n)
{
	return XXH3_64bits(p, n);
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define HAVE_AVX2 1
#pragma GCC push_options
#pragma GCC target("avx2")
#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t hash_avx2(const void *p, size_t n)
{
	return XXH3_64bits(p, n);
}

#pragma GCC pop_options
#endif

uint64_t hash_bytes(const void *p, size_t n)
{
#ifdef HAVE_AVX2
	if (__builtin_cpu_supports("avx2"))
		return hash_avx2(p, n);
#endif
	return hash_anywhere(p, n);
}
