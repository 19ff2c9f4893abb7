/*
 * Memory that is not there when a test wants it so.
 *
 * Programs called test_memory_* are linked so that what the program itself allocates (what its libraries do
 * for themselves is theirs) comes here first (--wrap: the list is in the Makefile).
 */
#ifndef TESTS_MEMORY_H
#define TESTS_MEMORY_H

/*
 * Calls play() again and again: with memory, then so that the first, the second ... of the allocations that
 * it made is refused, alone, and with all that come after it. Only allocations of this thread between
 * memory_on() and memory_off() count; what play() does outside of them, to prepare and to check, has memory.
 */
void memory_sweep(void (*play)(void *arg), void *arg);
void memory_on(void);
void memory_off(void);

#endif
