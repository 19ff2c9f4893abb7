/*
 * The files of a folder, held in memory, so that a test can begin anew as often as it wants to.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/disk/disk.h"

static void take_file(int dir, struct disk_file *f)
{
	int fd = openat(dir, f->name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	DISK_CHECK(fd >= 0 && fstat(fd, &st) == 0);
	f->len = (size_t)st.st_size;
	f->data = malloc(f->len + 1);
	DISK_CHECK(f->data && pread(fd, f->data, f->len, 0) == (ssize_t)f->len);
	close(fd);
}

struct disk_image *disk_image_take(const char *folder)
{
	struct disk_image *i = calloc(1, sizeof(*i));
	DIR *dir = opendir(folder);
	const struct dirent *e;

	DISK_CHECK(i && dir);
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		DISK_CHECK(i->n < DISK_FILES_MAX && strlen(e->d_name) < DISK_NAME_MAX);
		snprintf(i->file[i->n].name, DISK_NAME_MAX, "%s", e->d_name);
		take_file(dirfd(dir), &i->file[i->n++]);
	}
	closedir(dir);
	return i;
}

struct disk_image *disk_image_copy(const struct disk_image *from)
{
	struct disk_image *i = malloc(sizeof(*i));

	DISK_CHECK(i);
	*i = *from;
	for (size_t k = 0; k < i->n; k++) {
		i->file[k].data = malloc(from->file[k].len + 1);
		DISK_CHECK(i->file[k].data);
		memcpy(i->file[k].data, from->file[k].data, from->file[k].len);
	}
	return i;
}

void disk_image_free(struct disk_image *i)
{
	for (size_t k = 0; i && k < i->n; k++)
		free(i->file[k].data);
	free(i);
}

static void empty(int fd)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *e;

	DISK_CHECK(dir);
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			DISK_CHECK(unlinkat(fd, e->d_name, 0) == 0 || errno == ENOENT);
	closedir(dir);
}

void disk_image_put(const struct disk_image *i, const char *folder)
{
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	DISK_CHECK(dir >= 0);
	empty(dup(dir));
	for (size_t k = 0; k < i->n; k++) {
		int fd = openat(dir, i->file[k].name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

		DISK_CHECK(fd >= 0);
		DISK_CHECK(pwrite(fd, i->file[k].data, i->file[k].len, 0) == (ssize_t)i->file[k].len);
		close(fd);
	}
	close(dir);
}

struct disk_file *disk_image_find(struct disk_image *i, const char *name)
{
	for (size_t k = 0; k < i->n; k++)
		if (strcmp(i->file[k].name, name) == 0)
			return &i->file[k];
	return NULL;
}

struct disk_file *disk_image_ending(struct disk_image *i, const char *end, size_t n)
{
	for (size_t k = 0; k < i->n; k++) {
		size_t len = strlen(i->file[k].name);

		if (len >= strlen(end) && strcmp(i->file[k].name + len - strlen(end), end) == 0 && n-- == 0)
			return &i->file[k];
	}
	return NULL;
}
