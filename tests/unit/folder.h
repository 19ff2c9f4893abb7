/*
 * A folder of its own for a test: made, filled, removed; at the latest when the program ends.
 */
#ifndef TESTS_UNIT_FOLDER_H
#define TESTS_UNIT_FOLDER_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
	char path[64];
};

/* Empties the folder that fd is of, and closes fd. Paths in it may be longer than PATH_MAX. */
static inline void folder_empty(int fd)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *e;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		/* What is in use may lose files by itself. */
		if (unlinkat(dirfd(dir), e->d_name, 0) == 0 || errno == ENOENT)
			continue;
		folder_empty(openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
		unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR);
	}
	closedir(dir);
}

static inline void folder_remove(struct folder *f)
{
	int fd = open(f->path, O_RDONLY | O_DIRECTORY);

	if (fd >= 0)
		folder_empty(fd);
	rmdir(f->path);
}

/* Those that this process has made: a test that fails does not come to the removing. */
static struct folder *folder_made;
static size_t folders_made;
static pid_t folder_maker;

static inline void folder_remove_left(void)
{
	while (folders_made > 0 && getpid() == folder_maker)
		folder_remove(&folder_made[--folders_made]);
}

static inline void folder_make(struct folder *f)
{
	snprintf(f->path, sizeof(f->path), "/tmp/trailfs-unit-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	folder_made = realloc(folder_made, (folders_made + 1) * sizeof(*f));
	assert_non_null(folder_made);
	folder_made[folders_made++] = *f;
	if (!folder_maker)
		atexit(folder_remove_left);
	folder_maker = getpid();
}

/* The path of what is called name in the folder: good until the fourth next call. */
static inline const char *folder_at(const struct folder *f, const char *name)
{
	static char *path[4];
	static unsigned next;
	char **p = &path[next++ % 4];

	free(*p);
	assert_true(asprintf(p, "%s/%s", f->path, name) > 0);
	return *p;
}

/* Makes the folders of a path of which the last component is a file's. */
static inline void folder_mkdirs_above(const struct folder *f, const char *name)
{
	char *path;

	assert_true(asprintf(&path, "%s/%s", f->path, name) > 0);
	for (char *p = path + strlen(f->path) + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(path, 0755);
		*p = '/';
	}
	free(path);
}

static inline void folder_mkdirs(const struct folder *f, const char *name)
{
	folder_mkdirs_above(f, name);
	mkdir(folder_at(f, name), 0755);
}

/* Writes a file, and the folders that lead to it. */
static inline void folder_write(const struct folder *f, const char *name, const char *text)
{
	int fd;

	folder_mkdirs_above(f, name);
	fd = open(folder_at(f, name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

#endif
