/*
 * A walk through a folder that is a source.
 *
 * Symbolic links are followed, wherever they lead: the person who mounts put them there. What keeps a walk
 * finite and inside is checked for each directory, opened with O_PATH first (which asks nothing of a file
 * system of ours that may be mounted there):
 *
 *   its real path      is it one of `skip`, or below one
 *   its device         is it a mount of trailfs, which are left alone: ours would wait for itself
 *   (device, inode)    is it on the path from the folder to itself: a link that leads up again
 *
 * Listing one day walks all folders but those that the key says are another day's, so it costs a readdir of
 * each month and of each folder outside the layout.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/source_dir_private.h"

#define OF_TRAILFS "a mount of trailfs, or in one, which is no source"

/* A directory on the path to where the walk is. */
struct level {
	const struct level *up;
	dev_t dev;
	ino_t ino;
	int fd;
	size_t key_len; /* of the walk's key, '/' included */
	bool told;      /* that some of its entries cannot be looked at */
};

struct walk {
	struct source_dir *d;
	int32_t day;
	const struct source_filter *filter;
	const struct source_sink *sink;
	const struct mounts *mounts;  /* of trailfs */
	char key[SOURCE_KEY_MAX + 2]; /* one more for the name that a pruned folder is asked with */
	char path[PATH_MAX];
};

/* A folder (the key's first len bytes) that cannot be listed. Where memory or descriptors lack, that is not
 * the folder's fault, and the listing as a whole has failed: it is tried again. */
static int problem(struct walk *w, size_t len, int error, const char *reason)
{
	char keep = w->key[len];
	int r;

	if (error == -ENOMEM || error == -ENFILE || error == -EMFILE)
		return error;
	w->key[len] = '\0';
	r = w->sink->problem(w->sink->arg, w->key, error, reason);
	w->key[len] = keep;
	return r;
}

static bool wanted(const struct walk *w, const struct key_info *info)
{
	if (!source_filter_admits(w->filter, info))
		return false;
	return w->day == SOURCE_ALL_DAYS || info->day == KEY_NO_DAY || info->day == w->day;
}

/* Whether a folder (the key, '/' at its end) can hold nothing that is wanted: it is a day's folder of a
 * layout, and every object below it has that account, region and day. */
static bool pruned(struct walk *w, size_t len)
{
	w->key[len] = 'x';
	w->key[len + 1] = '\0';
	struct key_info info = key_parse(w->key);
	bool prune = info.day != KEY_NO_DAY && !wanted(w, &info);
	w->key[len] = '\0';
	return prune;
}

static bool skipped(struct walk *w, int fd)
{
	char link[64];
	ssize_t n;

	if (!w->d->skip[0])
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, w->path, sizeof(w->path));
	for (char **s = w->d->skip; n > 0 && *s; s++) {
		size_t len = strlen(*s);

		if ((size_t)n >= len && memcmp(w->path, *s, len) == 0 &&
			((size_t)n == len || w->path[len] == '/'))
			return true;
	}
	return false;
}

static bool on_path(const struct level *up, const struct stat *st)
{
	for (; up; up = up->up) {
		if (up->dev == st->st_dev && up->ino == st->st_ino)
			return true;
	}
	return false;
}

static int visit_file(struct walk *w, const struct stat *st)
{
	struct key_info info = key_parse(w->key);
	struct source_object o = {
		.key = w->key,
		.size = (uint64_t)st->st_size,
		.mtime = source_dir_mtime(st),
		.tag = source_dir_tag(st),
	};

	return wanted(w, &info) ? w->sink->object(w->sink->arg, &o) : 0;
}

/* One that a confined process cannot open: w->key. */
static int enter_beyond(struct walk *w, const struct stat *wanted)
{
	int fd = source_dir_open_beyond(w->d, w->key);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_dev != wanted->st_dev || st.st_ino != wanted->st_ino)) {
		close(fd);
		return -ENOENT; /* another one by now */
	}
	return fd;
}

/* Opens a folder for reading: a descriptor; -EEXIST: not part of the source; -EXDEV: a mount of trailfs; or
 * why it cannot be. */
static int enter(struct walk *w, const struct level *up, const char *name, struct stat *ret_st)
{
	int fd = openat(up->fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC), list, r;

	if (fd < 0)
		return -errno;
	if (skipped(w, fd))
		r = -EEXIST;
	else if (mounts_have(w->mounts, fd))
		r = -EXDEV;
	else if (fstat(fd, ret_st) < 0)
		r = -errno;
	else if (on_path(up, ret_st))
		r = -ELOOP;
	else {
		list = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = list < 0 ? -errno : list;
		if (r == -EACCES)
			r = enter_beyond(w, ret_st);
	}
	close(fd);
	return r;
}

static int visit_entry(struct walk *w, struct level *at, const struct dirent *e);

/* Lists at->fd, which becomes its own. *ret_error: why the end of the folder was not reached, or 0. */
static int visit_entries(struct walk *w, struct level *at, int *ret_error)
{
	DIR *dir = fdopendir(at->fd);
	const struct dirent *e;
	int r = 0;

	*ret_error = 0;
	if (!dir) {
		*ret_error = -errno;
		close(at->fd);
		return 0;
	}
	while (r == 0 && (errno = 0, e = readdir(dir)) != NULL)
		r = atomic_load(&w->d->cancelled) ? -ECANCELED : visit_entry(w, at, e);
	if (r == 0)
		*ret_error = -errno;
	closedir(dir);
	return r;
}

/* The folder called name in `up`; the key has its name at its end. */
static int visit_dir(struct walk *w, const struct level *up, const char *name, size_t len)
{
	struct level here = {.up = up, .key_len = len + 1};
	struct stat st;
	int error, r;

	w->key[len] = '/';
	w->key[len + 1] = '\0';
	if (pruned(w, len + 1))
		return 0;
	here.fd = enter(w, up, name, &st);
	if (here.fd == -EEXIST || here.fd == -ENOENT || here.fd == -ENOTDIR)
		return 0; /* not ours, or gone since its name was read */
	if (here.fd == -EXDEV)
		return problem(w, len + 1, -ELOOP, OF_TRAILFS);
	if (here.fd == -ELOOP)
		return problem(w, len + 1, -ELOOP, "a symbolic link to a folder that it is in");
	if (here.fd < 0)
		return problem(w, len + 1, here.fd, source_dir_reason(here.fd));
	here.dev = st.st_dev;
	here.ino = st.st_ino;
	r = visit_entries(w, &here, &error);
	return r == 0 && error ? problem(w, len + 1, error, source_dir_reason(error)) : r;
}

/* Some of a folder's entries cannot be looked at: said once, of the folder. */
static int part_of_folder(struct walk *w, struct level *at, int error, const char *reason)
{
	if (at->told)
		return 0;
	at->told = true;
	return problem(w, at->key_len, error, reason);
}

/* Of what has its name at the end of the key. */
static int entry_problem(struct walk *w, size_t len, int error, const char *reason)
{
	w->key[len] = '/';
	w->key[len + 1] = '\0';
	return problem(w, len + 1, error, reason);
}

/* Something that cannot be looked at. What has just vanished is no problem, but a link to nothing is one:
 * what it leads to may only not be mounted. */
static int cannot_stat(struct walk *w, struct level *at, const struct dirent *e, size_t len, int error)
{
	struct stat st;

	if (fstatat(at->fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : part_of_folder(w, at, error, source_dir_reason(error));
	return entry_problem(
		w, len, error, error == -ENOENT ? "a symbolic link to nothing" : source_dir_reason(error));
}

/* A file system that does not say it with the name is asked; but for a mount that is there. */
static unsigned char type_of(const struct level *at, const struct dirent *e)
{
	struct statx st;

	if (e->d_type != DT_UNKNOWN ||
		statx(at->fd, e->d_name, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		return e->d_type;
	return (unsigned char)IFTODT(st.stx_mode);
}

static int visit_entry(struct walk *w, struct level *at, const struct dirent *e)
{
	size_t n = strlen(e->d_name), len = at->key_len + n;
	unsigned char type;
	struct stat st;

	if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
		return 0;
	type = type_of(at, e);
	if (type != DT_UNKNOWN && type != DT_DIR && type != DT_REG && type != DT_LNK)
		return 0;
	if (len + 1 > SOURCE_KEY_MAX)
		return part_of_folder(w, at, -ENAMETOOLONG, "a path in it is too long");
	memcpy(w->key + at->key_len, e->d_name, n + 1);
	if (type == DT_DIR)
		return visit_dir(w, at, e->d_name, len);
	if (type == DT_LNK && mounts_cross(w->mounts, at->fd, e->d_name))
		return entry_problem(w, len, -ELOOP, OF_TRAILFS);
	if (fstatat(at->fd, e->d_name, &st, 0) < 0)
		return cannot_stat(w, at, e, len, -errno);
	if (S_ISDIR(st.st_mode))
		return visit_dir(w, at, e->d_name, len);
	return S_ISREG(st.st_mode) ? visit_file(w, &st) : 0;
}

int source_dir_walk(struct source_dir *d, const struct mounts *mounts, int32_t day,
	const struct source_filter *f, const struct source_sink *sink)
{
	struct level root = {.up = NULL};
	struct walk *w = NULL;
	struct stat st;
	int error = 0, r;

	if (fstat(d->root, &st) < 0)
		return -errno;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->d = d;
	w->day = day;
	w->filter = f;
	w->sink = sink;
	w->mounts = mounts;
	root.dev = st.st_dev;
	root.ino = st.st_ino;
	root.fd = openat(d->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = root.fd < 0 ? -errno : visit_entries(w, &root, &error);
	free(w);
	return r ? r : error;
}
