/*
 * Mount points. What is mounted where is read from /proc/self/mountinfo, whose fifth field is the mount point
 * with blank, tab, newline and backslash as \040 and such (proc(5)).
 */
#include "fs/mountpoint.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEAD_MAX 16 /* dead mounts on top of each other */

static bool is_octal(const char *s)
{
	for (int i = 0; i < 3; i++)
		if (s[i] < '0' || s[i] > '7')
			return false;
	return true;
}

/* In place. */
static void unescape(char *s)
{
	char *out = s;
	while (*s != '\0') {
		if (s[0] == '\\' && is_octal(s + 1)) {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

static bool is_mounted(const char *path)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;
	bool found = false;
	if (f == NULL)
		return false;
	while (!found && getline(&line, &size, f) > 0) {
		char *field = NULL;
		if (sscanf(line, "%*s %*s %*s %*s %ms", &field) != 1)
			continue;
		unescape(field);
		found = strcmp(field, path) == 0;
		free(field);
	}
	free(line);
	fclose(f);
	return found;
}

/* A FUSE mount whose process is gone says so to every call that the kernel cannot answer itself, as it may
 * still do with stat(). */
static bool is_dead(const char *path)
{
	struct statfs st;
	return statfs(path, &st) < 0 && (errno == ENOTCONN || errno == ECONNABORTED);
}

/* Whether `inner` is `outer` or below it. */
static bool is_within(const char *inner, const char *outer)
{
	size_t n = strlen(outer);
	if (strcmp(outer, "/") == 0)
		return true;
	return strncmp(inner, outer, n) == 0 && (inner[n] == '/' || inner[n] == '\0');
}

static int check_source(const char *path, const char *source, char *error, size_t size)
{
	char real_path[PATH_MAX], real_source[PATH_MAX];
	if (source == NULL || realpath(path, real_path) == NULL || realpath(source, real_source) == NULL ||
		!is_within(real_source, real_path))
		return 0;
	snprintf(error, size, "%s: mounting here would hide the source %s; choose another directory", path,
		source);
	return -EBUSY;
}

int mountpoint_check(const char *path, const char *source, char *error, size_t size)
{
	struct stat st;
	for (int i = 0; i < DEAD_MAX && is_dead(path); i++)
		mountpoint_detach(path);
	if (stat(path, &st) < 0) {
		int saved = errno;
		if (saved == ENOENT)
			snprintf(
				error, size, "%s: no such directory; make it first: mkdir -p %s", path, path);
		else if (saved == ENOTCONN || saved == ECONNABORTED)
			snprintf(error, size, "%s: a dead mount is in the way; try: fusermount3 -uz %s", path,
				path);
		else
			snprintf(error, size, "%s: %s", path, strerror(saved));
		return -saved;
	}
	if (!S_ISDIR(st.st_mode)) {
		snprintf(error, size, "%s: not a directory", path);
		return -ENOTDIR;
	}
	if (is_mounted(path)) {
		snprintf(error, size,
			"%s: something is mounted here already; unmount it first: fusermount3 -u %s", path,
			path);
		return -EBUSY;
	}
	return check_source(path, source, error, size);
}

void mountpoint_detach(const char *path)
{
	if (geteuid() == 0) {
		umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
		return;
	}
	char program[] = "fusermount3", options[] = "-uqz", end[] = "--";
	char *argv[] = {program, options, end, (char *)(uintptr_t)path, NULL};
	pid_t pid;
	posix_spawnattr_t attr;
	sigset_t none;
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	int status;
	if (posix_spawnp(&pid, program, NULL, &attr, argv, environ) == 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	posix_spawnattr_destroy(&attr);
}

void mountpoint_clear_dead(const char *path)
{
	if (is_dead(path))
		mountpoint_detach(path);
}
