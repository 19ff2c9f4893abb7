/*
 * The cache's folder. What makes it safe to share and to be killed in:
 *
 *   - a file gets its name only when all of it is on the disk;
 *   - `lock` is never replaced, and its bytes mean:  1 + day - INT32_MIN  the claim of a key day
 *                                                    USE_BYTE             shared by all who have the cache
 * open OFD locks belong to the open file, so the threads of one process share theirs: claims are counted
 * here.
 */
#include "fs/store/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define USE_BYTE     ((off_t)1 << 33)
#define ID_MAX       8192
#define TMP_AGE      (24 * 3600) /* seconds after which a tmp- file is nobody's, whoever has the cache open */
#define SEGMENT_NAME 20          /* 16 hex digits and .seg */

struct claim {
	int32_t day;
	unsigned count;
};

struct cache {
	int dir, lock;
	char *path;
	pthread_mutex_t mutex; /* of the claims; held across fcntl(), which does not wait there */
	struct claim *claims;  /* count > 0 */
	size_t n_claims;
	atomic_uint_fast64_t changes;
};

/* ---- files ---- */

static int write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return errno == EDQUOT ? -ENOSPC : -errno;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

static int random_name(char *out, size_t size, const char *before, const char *after)
{
	uint64_t bits;

	if (getrandom(&bits, sizeof(bits), 0) != (ssize_t)sizeof(bits))
		return -EIO;
	snprintf(out, size, "%s%016" PRIx64 "%s", before, bits, after);
	return 0;
}

/* Writes a file aside and gives it its name: there whole and for good, or not at all. */
static int write_file(int dir, const char *name, const void *data, size_t len)
{
	char tmp[32];
	int fd, r = random_name(tmp, sizeof(tmp), "tmp-", "");

	if (r < 0)
		return r;
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EDQUOT ? -ENOSPC : -errno;
	r = write_all(fd, data, len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && renameat(dir, tmp, dir, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dir, tmp, 0);
		return r;
	}
	if (fsync(dir) < 0) {
		r = -errno;
		unlinkat(dir, name, 0);
	}
	return r;
}

/* Calls visit for each name in the folder. */
static int each_name(struct cache *c, int (*visit)(struct cache *c, const char *name, void *arg), void *arg)
{
	int fd = openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!dir) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (r >= 0 && (errno = 0, e = readdir(dir)) != NULL)
		r = visit(c, e->d_name, arg);
	if (r >= 0)
		r = -errno;
	closedir(dir);
	return r;
}

/* ---- the folder ---- */

/* Makes a folder and those above it. */
static int make_folders(const char *path)
{
	char *copy;
	int r = 0;

	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return -errno;
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	char *slash = strrchr(copy, '/');
	if (slash && slash != copy) {
		*slash = '\0';
		r = make_folders(copy);
		if (r == 0 && mkdir(path, 0700) < 0 && errno != EEXIST)
			r = -errno;
	} else {
		r = -ENOENT;
	}
	free(copy);
	return r;
}

/* Opens a folder that nobody else can write to. */
static int open_folder(int at, const char *path, int flags)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags), r = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (st.st_uid != geteuid() || (st.st_mode & 022))
		r = -EPERM;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/* CACHE_DIR/HASH, as c->dir and c->path. */
static int open_own_folder(struct cache *c, const char *cache_dir, const char *source_id)
{
	char name[17], *real = NULL;
	int parent, r = make_folders(cache_dir);
	struct stat st;

	if (r < 0)
		return r;
	parent = open_folder(AT_FDCWD, cache_dir, 0);
	if (parent < 0)
		return parent;
	snprintf(name, sizeof(name), "%016" PRIx64, (uint64_t)XXH3_64bits(source_id, strlen(source_id)));
	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		r = -errno;
	if (r == 0)
		r = c->dir = open_folder(parent, name, O_NOFOLLOW);
	if (r >= 0)
		r = fstat(c->dir, &st) < 0 || ((st.st_mode & 077) && fchmod(c->dir, 0700) < 0) ? -errno : 0;
	if (r == 0 && !(real = realpath(cache_dir, NULL)))
		r = -errno;
	if (r == 0 && asprintf(&c->path, "%s/%s", real, name) < 0) {
		c->path = NULL;
		r = -ENOMEM;
	}
	free(real);
	close(parent);
	return r;
}

/* The folder's id is the source's; a new folder gets it. Another one: two ids with one hash, -EEXIST. */
static int check_id(struct cache *c, const char *source_id)
{
	size_t len = strlen(source_id);
	char found[ID_MAX];
	ssize_t n;
	int fd;

	if (len >= sizeof(found))
		return -ENAMETOOLONG;
	fd = openat(c->dir, "id", O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? write_file(c->dir, "id", source_id, len) : -errno;
	n = read(fd, found, sizeof(found));
	close(fd);
	if (n < 0)
		return -EIO;
	return (size_t)n == len && memcmp(found, source_id, len) == 0 ? 0 : -EEXIST;
}

static int set_lock(struct cache *c, short type, off_t byte, bool wait)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	while (fcntl(c->lock, wait ? F_OFD_SETLKW : F_OFD_SETLK, &l) < 0) {
		if (errno == EAGAIN || errno == EACCES)
			return -EBUSY;
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int remove_tmp(struct cache *c, const char *name, void *arg)
{
	const bool *alone = arg;
	struct stat st;

	if (strncmp(name, "tmp-", 4) != 0)
		return 0;
	if (*alone ||
		(fstatat(c->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime < time(NULL) - TMP_AGE))
		unlinkat(c->dir, name, 0);
	return 0;
}

/* Says that the cache is in use and removes what crashes left. Who is alone holds the byte for himself until
 * that is done, so that nobody begins to write meanwhile. */
static int join_and_clean(struct cache *c)
{
	int r;
	bool alone;

	c->lock = openat(c->dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (c->lock < 0)
		return -errno;
	r = set_lock(c, F_WRLCK, USE_BYTE, false);
	if (r < 0 && r != -EBUSY)
		return r;
	alone = r == 0;
	each_name(c, remove_tmp, &alone);
	return set_lock(c, F_RDLCK, USE_BYTE, true);
}

int cache_open(const char *cache_dir, const char *source_id, struct cache **ret)
{
	struct cache *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->dir = c->lock = -1;
	pthread_mutex_init(&c->mutex, NULL);
	r = open_own_folder(c, cache_dir, source_id);
	if (r == 0)
		r = join_and_clean(c);
	if (r == 0)
		r = check_id(c, source_id);
	if (r < 0) {
		cache_free(c);
		return r == -EDQUOT ? -ENOSPC : r;
	}
	*ret = c;
	return 0;
}

void cache_free(struct cache *c)
{
	if (!c)
		return;
	if (c->lock >= 0)
		close(c->lock);
	if (c->dir >= 0)
		close(c->dir);
	pthread_mutex_destroy(&c->mutex);
	free(c->claims);
	free(c->path);
	free(c);
}

/* ---- segments ---- */

static bool is_segment_name(const char *name)
{
	return strlen(name) == SEGMENT_NAME && strspn(name, "0123456789abcdef") == 16 &&
	       strcmp(name + 16, ".seg") == 0;
}

struct visitor {
	int (*visit)(void *arg, const char *name, const char *path);
	void *arg;
};

static int visit_segment(struct cache *c, const char *name, void *arg)
{
	const struct visitor *v = arg;
	char *path;
	int r;

	if (!is_segment_name(name))
		return 0;
	if (asprintf(&path, "%s/%s", c->path, name) < 0)
		return -ENOMEM;
	r = v->visit(v->arg, name, path);
	free(path);
	return r;
}

int cache_list(struct cache *c, int (*visit)(void *arg, const char *name, const char *path), void *arg)
{
	struct visitor v = {visit, arg};

	return c ? each_name(c, visit_segment, &v) : 0;
}

int cache_write(struct cache *c, const void *data, size_t len, char ret_name[32])
{
	char name[32];
	int r;

	if (!c)
		return -EROFS;
	r = random_name(name, sizeof(name), "", ".seg");
	if (r == 0)
		r = write_file(c->dir, name, data, len);
	if (r == 0)
		memcpy(ret_name, name, sizeof(name));
	return r;
}

void cache_remove(struct cache *c, const char *name)
{
	if (c && is_segment_name(name))
		unlinkat(c->dir, name, 0);
}

const char *cache_path(struct cache *c, const char *name)
{
	static _Thread_local char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", c ? c->path : "", name);
	return path;
}

/* ---- claims ---- */

static off_t claim_byte(int32_t day)
{
	return 1 + (off_t)day - INT32_MIN;
}

static struct claim *find_claim(struct cache *c, int32_t day)
{
	for (size_t i = 0; i < c->n_claims; i++) {
		if (c->claims[i].day == day)
			return &c->claims[i];
	}
	return NULL;
}

static int add_claim(struct cache *c, int32_t day)
{
	struct claim *grown = reallocarray(c->claims, c->n_claims + 1, sizeof(*grown));
	int r;

	if (!grown)
		return -ENOMEM;
	c->claims = grown;
	r = set_lock(c, F_WRLCK, claim_byte(day), false);
	if (r == 0)
		c->claims[c->n_claims++] = (struct claim){day, 1};
	return r;
}

int cache_claim(struct cache *c, int32_t key_day)
{
	struct claim *claim;
	int r = 0;

	if (!c)
		return 0;
	pthread_mutex_lock(&c->mutex);
	claim = find_claim(c, key_day);
	if (claim)
		claim->count++;
	else
		r = add_claim(c, key_day);
	pthread_mutex_unlock(&c->mutex);
	return r;
}

void cache_unclaim(struct cache *c, int32_t key_day)
{
	struct claim *claim;

	if (!c)
		return;
	pthread_mutex_lock(&c->mutex);
	claim = find_claim(c, key_day);
	if (claim && --claim->count == 0) {
		set_lock(c, F_UNLCK, claim_byte(key_day), false);
		*claim = c->claims[--c->n_claims];
	}
	pthread_mutex_unlock(&c->mutex);
}

bool cache_shared(struct cache *c)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = USE_BYTE, .l_len = 1};

	return c && (fcntl(c->lock, F_OFD_GETLK, &l) < 0 || l.l_type != F_UNLCK);
}

void cache_changed(struct cache *c)
{
	if (c)
		atomic_fetch_add(&c->changes, 1);
}

uint64_t cache_changes(struct cache *c)
{
	return c ? atomic_load(&c->changes) : 0;
}

/* ---- room ---- */

int cache_spill(struct cache *c)
{
	char name[32];
	int dir = c ? c->dir : AT_FDCWD, fd, r;

	fd = openat(dir, c ? "." : "/tmp", O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd >= 0 ? fd : -errno;
	/* A file system that has no files without names. */
	r = random_name(name, sizeof(name), c ? "tmp-" : "/tmp/trailfs-", "");
	if (r < 0)
		return r;
	fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	unlinkat(dir, name, 0);
	return fd;
}

static int add_size(struct cache *c, const char *name, void *arg)
{
	uint64_t *sum = arg;
	struct stat st;

	if (fstatat(c->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
		*sum += (uint64_t)st.st_size;
	return 0;
}

uint64_t cache_bytes(struct cache *c)
{
	uint64_t sum = 0;

	if (c)
		each_name(c, add_size, &sum);
	return sum;
}
