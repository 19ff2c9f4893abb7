/*
 * XXH3 (64 bits) of bytes, as xxhash.h defines it: the same number on every machine.
 *
 * Pure, thread-safe.
 */
#ifndef RENDER_HASH_H
#define RENDER_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *p, size_t n);

#endif
