/*
 * How much memory this process may have. What is cached has fixed bounds that suit any machine, but a control
 * group may allow less than they add up to, and ends whoever takes more.
 */
#ifndef FS_MEMORY_H
#define FS_MEMORY_H

#include <stdint.h>

/* Bytes that this machine has, or that the control groups (cgroups(7), versions 1 and 2) of this process
 * allow, where that is less; UINT64_MAX: who knows. */
uint64_t memory_limit(void);

#endif
