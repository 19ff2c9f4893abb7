/*
 * -p: the tree asked as the kernel would ask it, by one thread that may wait.
 */
#include "fs/print.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/clock.h"
#include "render/buf.h"

#define TICK    250000000ll /* how often the timeout is looked at */
#define PIECE   (1u << 20)
#define LONGEST (NAME_MAX + 5) /* of a name: in by-id/ the name of a value and ".json" */

struct print {
	int64_t timeout; /* ns */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t wakes;
};

/* One question's wait. */
struct patience {
	uint64_t wakes;
	int64_t since;
};

static struct patience begin(struct print *p)
{
	struct patience w = {.since = clock_now()};
	pthread_mutex_lock(&p->lock);
	w.wakes = p->wakes;
	pthread_mutex_unlock(&p->lock);
	return w;
}

/* Whether the answer *ret was -EAGAIN and it is time to ask again. Waits for that; too long: -ETIMEDOUT. */
static bool again(struct print *p, struct tree *t, struct patience *w, int *ret)
{
	if (*ret != -EAGAIN)
		return false;
	for (;;) {
		int64_t now = clock_now(), progress = tree_progress_at(t);
		if (now - (progress > w->since ? progress : w->since) >= p->timeout) {
			*ret = -ETIMEDOUT;
			return false;
		}
		pthread_mutex_lock(&p->lock);
		if (p->wakes == w->wakes)
			clock_wait(&p->changed, &p->lock, now + TICK);
		bool woken = p->wakes != w->wakes;
		w->wakes = p->wakes;
		pthread_mutex_unlock(&p->lock);
		if (woken)
			return true;
	}
}

static int write_all(int fd, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, data, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		data += done;
		n -= (size_t)done;
	}
	return 0;
}

static int wait_all(struct print *p, struct tree *t)
{
	struct patience w = begin(p);
	int error;
	do
		error = tree_wait_all(t);
	while (again(p, t, &w, &error));
	return error;
}

static int find(struct print *p, struct tree *t, const char *path, uint64_t *ret_node, struct stat *ret)
{
	uint64_t node = TREE_ROOT;
	char name[LONGEST + 1];
	struct patience w = begin(p);
	int error;
	do
		error = tree_getattr(t, node, ret);
	while (again(p, t, &w, &error));
	while (error == 0 && *(path += strspn(path, "/")) != '\0') {
		size_t n = strcspn(path, "/");
		if (n > LONGEST)
			return -ENAMETOOLONG;
		if (!S_ISDIR(ret->st_mode))
			return -ENOTDIR;
		memcpy(name, path, n);
		name[n] = '\0';
		path += n;
		/* Nobody looks again later, when it may be there. */
		error = node == TREE_ROOT && strcmp(name, "ERRORS") == 0 ? wait_all(p, t) : 0;
		w = begin(p);
		if (error == 0)
			do
				error = tree_lookup(t, node, name, &node, ret);
			while (again(p, t, &w, &error));
	}
	*ret_node = node;
	return error;
}

static int print_file(struct print *p, struct tree *t, uint64_t node, int fd)
{
	for (uint64_t offset = 0;;) {
		struct tree_bytes bytes = {0};
		struct patience w = begin(p);
		int ret;
		do
			ret = tree_read(t, node, offset, PIECE, &bytes);
		while (again(p, t, &w, &ret));
		if (ret < 0)
			return ret;
		size_t n = bytes.n;
		ret = write_all(fd, bytes.data, n);
		tree_bytes_clear(&bytes);
		if (ret < 0 || n == 0)
			return ret;
		offset += n;
	}
}

static int print_names(struct tree *t, const struct tree_dir *dir, int fd)
{
	struct tree_scratch scratch;
	struct tree_entry entry;
	struct buf out = {0};
	int ret = 0;
	for (size_t i = 0; ret == 0 && i < tree_dir_count(dir); i++) {
		ret = tree_dir_entry(t, dir, i, &scratch, &entry);
		if (ret < 0)
			break;
		buf_adds(&out, entry.name);
		buf_addc(&out, '\n');
		if (out.len >= PIECE) {
			ret = write_all(fd, out.data, out.len);
			out.len = 0;
		}
	}
	if (ret == 0 && out.failed)
		ret = -ENOMEM;
	if (ret == 0)
		ret = write_all(fd, out.data, out.len);
	buf_clear(&out);
	return ret;
}

static int print_directory(struct print *p, struct tree *t, uint64_t node, int fd)
{
	struct tree_dir *dir;
	struct patience w = begin(p);
	int ret;
	do
		ret = tree_list(t, node, &dir);
	while (again(p, t, &w, &ret));
	if (ret < 0)
		return ret;
	ret = print_names(t, dir, fd);
	tree_dir_unref(dir);
	return ret;
}

int print_new(unsigned timeout, struct print **ret)
{
	struct print *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->timeout = timeout * CLOCK_SECOND;
	pthread_mutex_init(&p->lock, NULL);
	clock_cond_init(&p->changed);
	*ret = p;
	return 0;
}

void print_free(struct print *p)
{
	if (p == NULL)
		return;
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void print_wake(struct print *p)
{
	pthread_mutex_lock(&p->lock);
	p->wakes++;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

int print_path(struct print *p, struct tree *t, const char *path, int fd)
{
	uint64_t node;
	struct stat st;
	int ret = find(p, t, path, &node, &st);
	if (ret < 0)
		return ret;
	return S_ISDIR(st.st_mode) ? print_directory(p, t, node, fd) : print_file(p, t, node, fd);
}
