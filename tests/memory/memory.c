/*
 * The calls that come here instead of to the libraries, and which of them are refused. See memory.h.
 */
#include "tests/memory/memory.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local struct {
	bool on, after; /* after: all that come after it, too */
	unsigned counted, at;
} fault;

void memory_on(void)
{
	fault.on = true;
}

void memory_off(void)
{
	fault.on = false;
}

static unsigned run(void (*play)(void *arg), void *arg, unsigned at, bool after)
{
	fault.counted = 0;
	fault.at = at;
	fault.after = after;
	play(arg);
	return fault.counted;
}

void memory_sweep(void (*play)(void *arg), void *arg)
{
	unsigned n = run(play, arg, 0, false);

	if (n == 0)
		abort(); /* then nothing is tested */
	for (unsigned at = 1; at <= n; at++) {
		run(play, arg, at, false);
		run(play, arg, at, true);
	}
	fault.at = 0;
}

static bool refuses(void)
{
	if (!fault.on)
		return false;
	fault.counted++;
	if (fault.at == 0 || (fault.after ? fault.counted < fault.at : fault.counted != fault.at))
		return false;
	errno = ENOMEM;
	return true;
}

/* Declares what the linker makes of a call, and defines what comes in its place. */
#define WRAP(type, name, parameters, ...)                                                                    \
	type __real_##name parameters;                                                                       \
	type __wrap_##name parameters;                                                                       \
	type __wrap_##name parameters                                                                        \
	{                                                                                                    \
		return refuses() ? NULL : __real_##name(__VA_ARGS__);                                        \
	}

WRAP(void *, malloc, (size_t n), n)
WRAP(void *, calloc, (size_t n, size_t size), n, size)
WRAP(void *, realloc, (void *p, size_t n), p, n)
WRAP(void *, reallocarray, (void *p, size_t n, size_t size), p, n, size)
WRAP(char *, strdup, (const char *s), s)
WRAP(char *, strndup, (const char *s, size_t n), s, n)
WRAP(struct libdeflate_compressor *, libdeflate_alloc_compressor, (int level), level)
WRAP(struct libdeflate_decompressor *, libdeflate_alloc_decompressor, (void))

int __wrap_asprintf(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **ret, const char *format, ...)
{
	va_list args;
	int n;

	if (refuses())
		return -1;
	va_start(args, format);
	n = vasprintf(ret, format, args);
	va_end(args);
	return n;
}
