/*
 * Preloaded into a daemon, makes some of its reads hang, as those of a dead disk or network mount do: of
 * files whose path contains $SLOW_PATH, for as long as the file $SLOW_WHILE exists. Each hang that begins
 * adds a byte to the file $SLOW_COUNT, which is opened before the daemon confines itself.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int out = -1; /* $SLOW_COUNT */

__attribute__((constructor)) static void begin(void)
{
	const char *count = getenv("SLOW_COUNT");
	if (count != NULL)
		out = open(count, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int is_slow(int fd)
{
	const char *part = getenv("SLOW_PATH"), *while_there = getenv("SLOW_WHILE");
	char link[64], path[PATH_MAX];
	if (part == NULL || while_there == NULL || access(while_there, F_OK) != 0)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return 0;
	path[n] = '\0';
	return strstr(path, part) != NULL;
}

static void hang(int fd)
{
	int saved = errno;
	if (is_slow(fd)) {
		if (out >= 0 && write(out, ".", 1) < 0)
			errno = saved;
		while (is_slow(fd)) {
			struct timespec t = {.tv_nsec = 20000000};
			nanosleep(&t, NULL);
		}
	}
	errno = saved;
}

typedef ssize_t pread_function(int fd, void *buf, size_t n, off_t offset);
typedef ssize_t read_function(int fd, void *buf, size_t n);

ssize_t pread(int fd, void *buf, size_t n, off_t offset)
{
	pread_function *next = (pread_function *)dlsym(RTLD_NEXT, "pread");
	hang(fd);
	return next(fd, buf, n, offset);
}

ssize_t pread64(int fd, void *buf, size_t n, off_t offset)
{
	pread_function *next = (pread_function *)dlsym(RTLD_NEXT, "pread64");
	hang(fd);
	return next(fd, buf, n, offset);
}

ssize_t read(int fd, void *buf, size_t n)
{
	read_function *next = (read_function *)dlsym(RTLD_NEXT, "read");
	hang(fd);
	return next(fd, buf, n);
}
