/*
 * A folder on this machine as a source. An object's key is its path below the folder. Listing walks it
 * (source_dir_walk.c).
 *
 * Everything is looked up from a descriptor of the folder, so that the process may change directory and mount
 * over the folder's path.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "fs/source_dir_private.h"

#define READ_PIECE    ((size_t)1 << 20) /* between two looks at `cancelled` */
#define PATH_SAID_MAX 600               /* bytes of a path in a message */

static struct source_dir *dir_of(struct source *s)
{
	return (struct source_dir *)s;
}

const char *source_dir_reason(int error)
{
	switch (-error) {
	case ENOENT:
		return "no such file any more";
	case EACCES:
		return "permission denied (make it readable for the user who mounts)";
	case ESTALE:
		return "changed since it was listed";
	case EFBIG:
		return "larger than 1 GiB";
	case ECANCELED:
		return "stopped";
	case EMFILE:
	case ENFILE:
		return "too many open files (too many levels of folders, or a limit to raise)";
	}
	const char *text = strerrordesc_np(-error);
	return text ? text : "input/output error";
}

/* What an errno of this machine is in the terms of source.h. */
static int error_of(int errnum)
{
	switch (errnum) {
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
		return -ENOENT;
	case EACCES:
	case EPERM:
		return -EACCES;
	case ENXIO: /* a socket */
	case ESTALE:
		return -ESTALE;
	case ENOMEM:
		return -ENOMEM;
	}
	return -EIO;
}

int64_t source_dir_mtime(const struct stat *st)
{
	int64_t ns;

	if (__builtin_mul_overflow((int64_t)st->st_mtim.tv_sec, 1000000000, &ns) ||
		__builtin_add_overflow(ns, st->st_mtim.tv_nsec, &ns))
		return st->st_mtim.tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

uint64_t source_dir_tag(const struct stat *st)
{
	uint64_t facts[3] = {
		(uint64_t)st->st_ino, (uint64_t)st->st_ctim.tv_sec, (uint64_t)st->st_ctim.tv_nsec};

	return XXH3_64bits(facts, sizeof(facts));
}

int source_dir_open_beyond(struct source_dir *d, const char *key)
{
	return d->open ? d->open(d->open_arg, key) : -EACCES;
}

/* ---- listing ---- */

/* Whether the folder that is open is still the one at its path. It lists well also when it is not: as it was,
 * for ever, after it was renamed or something was mounted over it; as empty after it was removed. A confined
 * process cannot open what is there instead. What a mount of ours hides is not looked for. 0; -ENOENT;
 * -ESTALE: another one; or why that is not known. */
static int find_root(struct source_dir *d, const struct mounts *mounts)
{
	struct stat held, there;

	if (fstat(d->root, &held) < 0)
		return -errno;
	if (atomic_load(&d->listed) && !mounts_cross(mounts, d->root, d->path)) {
		if (stat(d->path, &there) < 0)
			return errno == ENOTDIR || errno == ELOOP ? -ENOENT : -errno;
		if (there.st_dev != held.st_dev || there.st_ino != held.st_ino)
			return -ESTALE;
	}
	return held.st_nlink == 0 ? -ENOENT : 0;
}

static int dir_list(
	struct source *s, int32_t day, const struct source_filter *f, const struct source_sink *sink)
{
	struct source_dir *d = dir_of(s);
	struct mounts mounts;
	int r, away;

	if (atomic_load(&d->cancelled))
		return -ECANCELED;
	r = mounts_read(d->mountinfo, d->root, &mounts);
	if (r < 0)
		return r;
	away = find_root(d, &mounts);
	if (away == 0) {
		r = source_dir_walk(d, &mounts, day, f, sink);
		away = r == 0 ? find_root(d, &mounts) : 0; /* it may have gone meanwhile */
	}
	mounts_clear(&mounts);
	atomic_store(&d->away, away);
	if (r == 0 && away == 0)
		atomic_store(&d->listed, true);
	return r ? r : away;
}

static void dir_explain(struct source *s, char message[SOURCE_MESSAGE_MAX])
{
	const struct source_dir *d = dir_of(s);
	int away = atomic_load(&d->away);

	message[0] = '\0';
	if (away == -ESTALE)
		snprintf(message, SOURCE_MESSAGE_MAX,
			"%.*s is another folder now (it was replaced, or something is mounted there); to see "
			"that one, unmount and mount again",
			PATH_SAID_MAX, d->path);
	else if (away == -ENOENT)
		snprintf(message, SOURCE_MESSAGE_MAX,
			"%.*s is gone; if another one takes its place, unmount and mount again",
			PATH_SAID_MAX, d->path);
	else if (away)
		snprintf(message, SOURCE_MESSAGE_MAX, "%.*s: %s", PATH_SAID_MAX, d->path,
			source_dir_reason(away));
}

/* ---- reading ---- */

/* That the file is (still) the one that was listed. */
static int verify(int fd, const struct source_object *o)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_of(errno);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != o->size || source_dir_mtime(&st) != o->mtime ||
		source_dir_tag(&st) != o->tag)
		return -ESTALE;
	return 0;
}

static int open_object(struct source_dir *d, const struct source_object *o)
{
	/* O_NONBLOCK: what was a file may be a fifo now. */
	int fd = openat(d->root, o->key, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), r;

	if (fd < 0)
		fd = errno == EACCES ? source_dir_open_beyond(d, o->key) : -errno;
	if (fd < 0)
		return error_of(-fd);
	r = verify(fd, o);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/* n bytes from offset on. A file that ends before has changed. */
static int read_bytes(struct source_dir *d, int fd, uint64_t offset, char *buf, size_t n)
{
	while (n > 0) {
		size_t piece = n < READ_PIECE ? n : READ_PIECE;
		ssize_t got;

		if (atomic_load(&d->cancelled))
			return -ECANCELED;
		got = pread(fd, buf, piece, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_of(errno);
		if (got == 0)
			return -ESTALE;
		buf += got;
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

/* Reads n bytes of the object that was listed, and of no other: it is looked at before and after. */
static int read_object(
	struct source_dir *d, const struct source_object *o, uint64_t offset, char *buf, size_t n)
{
	int fd, r;

	if (atomic_load(&d->cancelled))
		return -ECANCELED;
	fd = open_object(d, o);
	if (fd < 0)
		return fd;
	r = read_bytes(d, fd, offset, buf, n);
	if (r == 0)
		r = verify(fd, o);
	close(fd);
	return r;
}

static void dir_fetch(struct source *s, const struct source_object *o, size_t n, source_done *done, void *arg)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = (size_t)o[i].size;
		char *data = NULL;
		int r = o[i].size > SOURCE_FETCH_MAX ? -EFBIG : 0;

		if (r == 0) {
			data = malloc(len + 1);
			r = data ? read_object(dir_of(s), &o[i], 0, data, len) : -ENOMEM;
		}
		if (r < 0) {
			free(data);
			done(arg, i, r, NULL, 0, source_dir_reason(r));
		} else {
			data[len] = '\0';
			done(arg, i, 0, data, len, "");
		}
	}
}

static int dir_read(
	struct source *s, const struct source_object *o, uint64_t offset, void *buf, size_t n, size_t *ret_n)
{
	uint64_t left = offset < o->size ? o->size - offset : 0;
	int r;

	if (n > left)
		n = (size_t)left;
	r = read_object(dir_of(s), o, offset, buf, n);
	if (r == 0)
		*ret_n = n;
	return r;
}

/* ---- opening ---- */

static void dir_cancel(struct source *s)
{
	atomic_store(&dir_of(s)->cancelled, true);
}

static void dir_free(struct source *s)
{
	struct source_dir *d = dir_of(s);

	if (d->root >= 0)
		close(d->root);
	if (d->mountinfo >= 0)
		close(d->mountinfo);
	for (char **p = d->skip; p && *p; p++)
		free(*p);
	free(d->skip);
	free(d->path);
	free(d->base.id);
	free(d);
}

/* Where it leads is not looked up: a link that is pointed at another folder is noticed. new, or NULL. */
static char *absolute_path(const char *path)
{
	char *here, *ret = NULL;

	if (path[0] == '/')
		return strdup(path);
	here = getcwd(NULL, 0);
	if (here && asprintf(&ret, "%s/%s", here, path) < 0)
		ret = NULL;
	free(here);
	return ret;
}

/* The real path of a folder that may not be there yet. new, or NULL: no memory. */
static char *future_path(const char *path)
{
	char *real = realpath(path, NULL), *parent, *ret = NULL;
	const char *slash = strrchr(path, '/');

	if (real || errno == ENOMEM)
		return real;
	if (!slash || slash == path)
		return strdup(path);
	parent = strndup(path, (size_t)(slash - path));
	real = parent ? future_path(parent) : NULL;
	if (real && asprintf(&ret, "%s%s", strcmp(real, "/") == 0 ? "" : real, slash) < 0)
		ret = NULL;
	free(real);
	free(parent);
	return ret;
}

/* Whether path is below root (and not root itself: what is mounted over the whole source hides nothing of
 * it). */
static bool is_below(const char *path, const char *root)
{
	size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);

	return strncmp(path, root, n) == 0 && path[n] == '/' && path[n + 1] != '\0';
}

static int keep_skip(struct source_dir *d, const char *root, const char *const *skip)
{
	size_t n = 0, kept = 0;

	while (skip && skip[n])
		n++;
	d->skip = calloc(n + 1, sizeof(*d->skip));
	if (!d->skip)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		char *path = future_path(skip[i]);

		if (!path)
			return -ENOMEM;
		if (is_below(path, root))
			d->skip[kept++] = path;
		else
			free(path);
	}
	return 0;
}

void source_dir_entrust(struct source *s, int (*open)(void *arg, const char *key), void *arg)
{
	dir_of(s)->open = open;
	dir_of(s)->open_arg = arg;
}

static const struct source_ops dir_ops = {
	.list = dir_list,
	.fetch = dir_fetch,
	.read = dir_read,
	.cancel = dir_cancel,
	.free = dir_free,
	.explain = dir_explain,
};

int source_dir_open(const char *path, const char *const *skip, struct source **ret)
{
	struct source_dir *d = calloc(1, sizeof(*d));
	char *real = NULL;
	int r;

	if (!d)
		return -ENOMEM;
	d->base.ops = &dir_ops;
	d->mountinfo = mounts_open();
	d->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->root < 0 || !(real = realpath(path, NULL)) || !(d->path = absolute_path(path))) {
		r = -errno;
		goto fail;
	}
	r = keep_skip(d, real, skip);
	if (r == 0 && asprintf(&d->base.id, "dir:%s", real) < 0) {
		d->base.id = NULL;
		r = -ENOMEM;
	}
	if (r < 0)
		goto fail;
	free(real);
	*ret = &d->base;
	return 0;

fail:
	free(real);
	dir_free(&d->base);
	return r;
}
