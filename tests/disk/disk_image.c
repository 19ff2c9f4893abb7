/*
 * The files of a folder, held in memory, so that a test can begin anew as often as it wants to.
 */
#include <dirent.h>
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

struct disk_file *disk_image_find(struct disk_image *i, const char *name)
{
	for (size_t k = 0; k < i->n; k++)
		if (strcmp(i->file[k].name, name) == 0)
			return &i->file[k];
	return NULL;
}

/* Removes what the image has not. */
static void remove_others(const struct disk_image *i, const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *e;

	DISK_CHECK(dir);
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.' && !disk_image_find((struct disk_image *)(uintptr_t)i, e->d_name))
			DISK_CHECK(unlinkat(dirfd(dir), e->d_name, 0) == 0);
	closedir(dir);
}

/* Writing is slow, where many do so at a time. */
static bool is_there(int dir, const struct disk_file *f)
{
	struct disk_file found = {.data = NULL};
	bool same;

	memcpy(found.name, f->name, DISK_NAME_MAX);
	if (faccessat(dir, f->name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	take_file(dir, &found);
	same = found.len == f->len && memcmp(found.data, f->data, f->len) == 0;
	free(found.data);
	return same;
}

void disk_image_put(const struct disk_image *i, const char *folder)
{
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;

	DISK_CHECK(dir >= 0);
	remove_others(i, folder);
	for (size_t k = 0; k < i->n; k++) {
		const struct disk_file *f = &i->file[k];

		if (is_there(dir, f))
			continue;
		fd = openat(dir, f->name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		DISK_CHECK(fd >= 0 && pwrite(fd, f->data, f->len, 0) == (ssize_t)f->len);
		close(fd);
	}
	close(dir);
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
