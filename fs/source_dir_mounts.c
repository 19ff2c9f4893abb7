/*
 * /proc/self/mountinfo has a line for each mount (proc(5)):
 *
 *   36 35 98:0 /root /mount/point rw,noatime master:1 - fuse.trailfs source rw,user_id=0
 *         the device        any number of such fields  ^ the type
 *
 * Its reader gets the mounts of the process that opened it, whose rights it needs no more.
 */
#include "fs/source_dir_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "render/buf.h"

#define TYPE      " - fuse.trailfs "
#define PIECE     ((size_t)64 << 10)
#define LINKS_MAX 40 /* as in the kernel, path_resolution(7) */

static dev_t device(const struct statx *st)
{
	return makedev(st->stx_dev_major, st->stx_dev_minor);
}

static bool among(const struct mounts *m, dev_t dev)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->dev[i] == dev)
			return true;
	return false;
}

/* AT_STATX_DONT_SYNC: the kernel answers from what it has. */
static bool look_at(int fd, struct statx *ret)
{
	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, ret) == 0;
}

/* ---- which there are ---- */

int mounts_open(void)
{
	return open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
}

/* The whole list, terminated. NULL: no memory. */
static char *read_list(int list)
{
	struct buf b = {0};
	size_t len;
	ssize_t n = 1;

	while (n > 0 && buf_reserve(&b, PIECE)) {
		n = pread(list, b.data + b.len, PIECE, (off_t)b.len);
		b.len += n > 0 ? (size_t)n : 0;
	}
	return buf_steal(&b, &len);
}

static int add(struct mounts *m, dev_t dev)
{
	dev_t *more = reallocarray(m->dev, m->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	m->dev = more;
	m->dev[m->n++] = dev;
	return 0;
}

int mounts_read(int list, int source, struct mounts *ret)
{
	struct mounts m = {NULL, 0};
	char *text = read_list(list), *rest = text, *line;
	struct statx st;
	bool known = look_at(source, &st);
	unsigned major, minor;
	int r = text ? 0 : -ENOMEM;

	while (r == 0 && (line = strsep(&rest, "\n")) != NULL) {
		if (!strstr(line, TYPE) || sscanf(line, "%*u %*u %u:%u", &major, &minor) != 2)
			continue;
		if (!known || makedev(major, minor) != device(&st))
			r = add(&m, makedev(major, minor));
	}
	free(text);
	if (r < 0)
		mounts_clear(&m);
	else
		*ret = m;
	return r;
}

void mounts_clear(struct mounts *m)
{
	free(m->dev);
	*m = (struct mounts){NULL, 0};
}

/* ---- what is in one ---- */

bool mounts_have(const struct mounts *m, int fd)
{
	struct statx st;

	return m->n > 0 && look_at(fd, &st) && among(m, device(&st));
}

/* On its way along a path. */
struct way {
	const struct mounts *mounts;
	int fd; /* where it is, or -1: it leads nowhere */
	unsigned links;
	char rest[2 * PATH_MAX];
	bool crosses;
};

static void move_to(struct way *w, int fd)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = fd;
}

/* Puts where a link leads before what is left of the path. */
static void turn_off(struct way *w, int link)
{
	char to[sizeof(w->rest)];
	ssize_t n = readlinkat(link, "", to, PATH_MAX);
	size_t left = strlen(w->rest);

	if (n <= 0 || ++w->links > LINKS_MAX || (size_t)n + 1 + left >= sizeof(to)) {
		move_to(w, -1);
		return;
	}
	if (to[0] == '/')
		move_to(w, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
	to[n] = '/';
	memcpy(to + n + 1, w->rest, left + 1);
	memcpy(w->rest, to, (size_t)n + 1 + left + 1);
}

/* The next component, which is taken off the path. false: there is none. */
static bool take_name(struct way *w, char name[NAME_MAX + 1])
{
	size_t slashes = strspn(w->rest, "/"), n = strcspn(w->rest + slashes, "/");

	if (n == 0 || n > NAME_MAX)
		return false;
	memcpy(name, w->rest + slashes, n);
	name[n] = '\0';
	memmove(w->rest, w->rest + slashes + n, strlen(w->rest + slashes + n) + 1);
	return true;
}

static void go_on(struct way *w, const char *name)
{
	int fd = openat(w->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct statx st;

	if (fd < 0 || !look_at(fd, &st)) {
		move_to(w, fd);
		move_to(w, -1);
	} else if (S_ISLNK(st.stx_mode)) {
		turn_off(w, fd);
		close(fd);
	} else {
		w->crosses = among(w->mounts, device(&st));
		move_to(w, fd);
	}
}

bool mounts_cross(const struct mounts *m, int at, const char *path)
{
	struct way w = {.mounts = m, .fd = -1};
	char name[NAME_MAX + 1];

	if (m->n == 0 || strlen(path) >= sizeof(w.rest))
		return false;
	memcpy(w.rest, path, strlen(path) + 1);
	w.fd = path[0] == '/' ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)
			      : openat(at, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	while (!w.crosses && w.fd >= 0 && take_name(&w, name))
		go_on(&w, name);
	move_to(&w, -1);
	return w.crosses;
}
