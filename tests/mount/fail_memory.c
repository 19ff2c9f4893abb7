/*
 * Preloaded into the program: makes allocations, and starts of threads, fail. $FAIL_FILE is a file of four
 * 64-bit numbers that is shared with whoever changes them while the program runs:
 *
 *   0  how many there were so far
 *   1  from which on they fail, counted from 1; 0: none
 *   2  how many fail
 *   3  how many have failed
 *
 * Only what the program itself asks for counts; with $FAIL_ALL what libraries ask for does too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

static _Atomic uint64_t *shared;
static uintptr_t first, end; /* of the program's code */

static int find_program(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && p->p_flags & PF_X) {
			first = info->dlpi_addr + p->p_vaddr;
			end = first + p->p_memsz;
		}
	}
	return 1; /* the program comes first */
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("FAIL_FILE");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED
			   : mmap(NULL, 4 * sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	if (map == MAP_FAILED)
		return;
	if (getenv("FAIL_ALL"))
		end = UINTPTR_MAX;
	else
		dl_iterate_phdr(find_program, NULL);
	shared = map;
}

static bool refuses(void *from)
{
	uint64_t n, at;

	if (!shared || (uintptr_t)from < first || (uintptr_t)from >= end)
		return false;
	n = ++shared[0];
	at = shared[1];
	if (!at || n < at || n >= at + shared[2])
		return false;
	shared[3]++;
	errno = ENOMEM;
	return true;
}

/* Nothing fails any more: before what is not the program's own work (tests/coverage). */
void fail_memory_end(void);
void fail_memory_end(void)
{
	end = first = 0;
}

#define FROM __builtin_return_address(0)

void *malloc(size_t n)
{
	return refuses(FROM) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return refuses(FROM) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return refuses(FROM) ? NULL : __libc_realloc(p, n);
}

void *reallocarray(void *p, size_t n, size_t size)
{
	size_t all;

	if (refuses(FROM) || __builtin_mul_overflow(n, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_realloc(p, all);
}

void *aligned_alloc(size_t align, size_t n)
{
	return refuses(FROM) ? NULL : __libc_memalign(align, n);
}

int posix_memalign(void **p, size_t align, size_t n)
{
	void *got = refuses(FROM) ? NULL : __libc_memalign(align, n);

	if (!got)
		return ENOMEM;
	*p = got;
	return 0;
}

char *strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = refuses(FROM) ? NULL : __libc_malloc(n);

	return copy ? memcpy(copy, s, n) : NULL;
}

char *strndup(const char *s, size_t max)
{
	size_t n = strnlen(s, max);
	char *copy = refuses(FROM) ? NULL : __libc_malloc(n + 1);

	if (copy) {
		memcpy(copy, s, n);
		copy[n] = '\0';
	}
	return copy;
}

static int print(char **ret, const char *format, va_list ap, bool refused)
{
	va_list again;
	char *text;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	text = n < 0 || refused ? NULL : __libc_malloc((size_t)n + 1);
	if (!text)
		return -1;
	*ret = text;
	return vsnprintf(text, (size_t)n + 1, format, ap);
}

int vasprintf(char **ret, const char *format, va_list ap)
{
	return print(ret, format, ap, refuses(FROM));
}

int asprintf(char **ret, const char *format, ...)
{
	bool refused = refuses(FROM);
	va_list ap;
	int n;

	va_start(ap, format);
	n = print(ret, format, ap, refused);
	va_end(ap);
	return n;
}

int pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *arg), void *arg)
{
	typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

	return refuses(FROM) ? EAGAIN : ((create *)dlsym(RTLD_NEXT, "pthread_create"))(ret, attr, run, arg);
}
