/*
 * A folder on this machine as a source. An object's key is its path below the folder.
 *
 * Everything is looked up from a descriptor of the folder, so that the process may change directory and mount
 * over the folder's path. Symbolic links are followed, wherever they lead: the person who mounts put them
 * there. What keeps a walk finite and inside is checked for each directory, opened with O_PATH first (which
 * asks nothing of a file system of ours that may be mounted there):
 *
 *   its real path      is it one of `skip`, or below one
 *   its device         is it a mount of trailfs, which are left alone: ours would wait for itself
 *   (device, inode)    is it on the path from the folder to itself: a link that leads up again
 *
 * Listing one day walks all folders but those that the key says are another day's, so it costs a readdir of
 * each month and of each folder outside the layout.
 */
#include "fs/source.h"

#include <dirent.h>
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

#include "fs/source_dir_mounts.h"

#define READ_PIECE    ((size_t)1 << 20) /* between two looks at `cancelled` */
#define PATH_SAID_MAX 600               /* bytes of a path in a message */
#define OF_TRAILFS    "a mount of trailfs, or in one, which is no source"

struct source_dir {
	struct source base;
	int root;
	char *path;                              /* of root, as it was given */
	int mountinfo;                           /* see mounts_open() */
	char **skip;                             /* real paths, NULL at the end */
	int (*open)(void *arg, const char *key); /* see source_dir_entrust(); or NULL */
	void *open_arg;
	atomic_bool cancelled;
	atomic_bool listed; /* once at least */
	atomic_int away;    /* see find_root() */
};

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

static struct source_dir *dir_of(struct source *s)
{
	return (struct source_dir *)s;
}

static const char *reason_of(int error)
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

static int64_t mtime_of(const struct stat *st)
{
	int64_t ns;

	if (__builtin_mul_overflow((int64_t)st->st_mtim.tv_sec, 1000000000, &ns) ||
		__builtin_add_overflow(ns, st->st_mtim.tv_nsec, &ns))
		return st->st_mtim.tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

static uint64_t tag_of(const struct stat *st)
{
	uint64_t facts[3] = {
		(uint64_t)st->st_ino, (uint64_t)st->st_ctim.tv_sec, (uint64_t)st->st_ctim.tv_nsec};

	return XXH3_64bits(facts, sizeof(facts));
}

/* ---- listing ---- */

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

/* What a link leads to may lie where a confined process cannot open it. */
static int open_beyond(struct source_dir *d, const char *key)
{
	return d->open ? d->open(d->open_arg, key) : -EACCES;
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
		.mtime = mtime_of(st),
		.tag = tag_of(st),
	};

	return wanted(w, &info) ? w->sink->object(w->sink->arg, &o) : 0;
}

/* One that a confined process cannot open: w->key. */
static int enter_beyond(struct walk *w, const struct stat *wanted)
{
	int fd = open_beyond(w->d, w->key);
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
		return problem(w, len + 1, here.fd, reason_of(here.fd));
	here.dev = st.st_dev;
	here.ino = st.st_ino;
	r = visit_entries(w, &here, &error);
	return r == 0 && error ? problem(w, len + 1, error, reason_of(error)) : r;
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
		return errno == ENOENT ? 0 : part_of_folder(w, at, error, reason_of(error));
	return entry_problem(
		w, len, error, error == -ENOENT ? "a symbolic link to nothing" : reason_of(error));
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

static int walk_all(struct source_dir *d, const struct mounts *mounts, int32_t day,
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
		r = walk_all(d, &mounts, day, f, sink);
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
		snprintf(message, SOURCE_MESSAGE_MAX, "%.*s: %s", PATH_SAID_MAX, d->path, reason_of(away));
}

/* ---- reading ---- */

/* That the file is (still) the one that was listed. */
static int verify(int fd, const struct source_object *o)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_of(errno);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != o->size || mtime_of(&st) != o->mtime ||
		tag_of(&st) != o->tag)
		return -ESTALE;
	return 0;
}

static int open_object(struct source_dir *d, const struct source_object *o)
{
	/* O_NONBLOCK: what was a file may be a fifo now. */
	int fd = openat(d->root, o->key, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), r;

	if (fd < 0)
		fd = errno == EACCES ? open_beyond(d, o->key) : -errno;
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
			done(arg, i, r, NULL, 0, reason_of(r));
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
