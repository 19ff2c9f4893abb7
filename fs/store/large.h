/*
 * What is so large that one at a time is held in memory, whichever threads want it: an object, the rows of
 * one. A bucket of such ones would fill it otherwise. Where there is little memory, the largest are refused.
 *
 * Thread-safe. The turn is the process's, as the memory is.
 */
#ifndef FS_STORE_LARGE_H
#define FS_STORE_LARGE_H

#include <stdint.h>

#define LARGE_MIN (32ull << 20) /* bytes; smaller ones wait for nobody */
#define LARGE_WHY "larger than the memory there is for one"

/* Refuses what is larger: while there is one thread. */
void large_allow(uint64_t max);

/* 0; -EFBIG: something of `size` bytes is refused. */
int large_allowed(uint64_t size);

/* Waits for the turn of something of `size` bytes; a thread that has it may ask again. -EFBIG: it is
 * refused. After 0: large_end() by the same thread with the same size, when it is not held any more. */
int large_begin(uint64_t size);
void large_end(uint64_t size);

#endif
