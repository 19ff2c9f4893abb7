/*
 * Inflated bytes. Most objects are small and inflated whole; one that turns out to be larger than what may be
 * held is inflated again, in pieces, into a file that has no name, and mapped: the kernel may then drop its
 * pages under pressure.
 */
#include "fs/store/blob.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum held {
	HELD_OWN,
	HELD_MAPPED,
	HELD_LENT /* in somebody's room */
};

struct blob {
	atomic_uint refs;
	char *data;
	size_t len;
	enum held held;
};

static size_t held_max = BLOB_HELD_MAX;

void blob_hold(size_t max)
{
	if (max < held_max)
		held_max = max;
}

static void release(char *data, size_t len, enum held held)
{
	if (held == HELD_MAPPED)
		munmap(data, len);
	else if (held == HELD_OWN)
		free(data);
}

/* Takes data over, unless it is lent. */
static struct blob *make(char *data, size_t len, enum held held)
{
	struct blob *b = malloc(sizeof(*b));

	if (!b) {
		release(data, len, held);
		return NULL;
	}
	atomic_init(&b->refs, 1);
	b->data = data;
	b->len = len;
	b->held = held;
	return b;
}

struct blob *blob_new(char *data, size_t len)
{
	return make(data, len, HELD_OWN);
}

static int append(void *arg, const void *p, size_t n)
{
	const int *fd = arg;
	const char *at = p;

	while (n > 0) {
		ssize_t done = write(*fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return errno == ENOSPC || errno == EDQUOT ? -ENOSPC : -EIO;
		at += done;
		n -= (size_t)done;
	}
	return 0;
}

/* What was written to the file. */
static int map(int fd, uint64_t size, struct blob **ret)
{
	void *data = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);

	if (data == MAP_FAILED)
		return errno == ENOMEM ? -ENOMEM : -EIO;
	*ret = make(data, (size_t)size, HELD_MAPPED);
	return *ret ? 0 : -ENOMEM;
}

struct blob *blob_keep(char *data, size_t len, struct cache *spill)
{
	struct blob *b = NULL;
	int fd = len > held_max ? cache_spill(spill) : -1;

	if (fd >= 0 && append(&fd, data, len) == 0)
		map(fd, len, &b);
	if (fd >= 0)
		close(fd);
	if (!b)
		return blob_new(data, len);
	free(data);
	return b;
}

/* In pieces, through a file. */
static int gunzip_mapped(const void *src, size_t len, int fd, struct blob **ret, char *reason)
{
	uint64_t size;
	int r = gunzip_pieces(src, len, BLOB_INFLATED_MAX, append, &fd, &size, reason);

	return r < 0 ? r : map(fd, size, ret);
}

static int gunzip_spilled(const void *src, size_t len, struct cache *spill, struct blob **ret, char *reason)
{
	int fd = cache_spill(spill), r;

	if (fd < 0)
		return fd == -ENOSPC || fd == -EDQUOT ? -ENOSPC : -EIO;
	r = gunzip_mapped(src, len, fd, ret, reason);
	close(fd);
	return r;
}

/* After an error r of inflating it in memory, with why. */
static int gunzip_rest(
	int r, const void *src, size_t len, struct cache *spill, struct blob **ret, char *why, char *reason)
{
	if (r == -EFBIG)
		r = gunzip_spilled(src, len, spill, ret, why);
	if (r == -EFBIG)
		r = -EBADMSG;
	if (r == -EBADMSG)
		snprintf(reason, BLOB_REASON_MAX, "%s", why);
	return r;
}

int blob_gunzip_into(struct gunzip_room *room, const void *src, size_t len, struct cache *spill,
	struct blob **ret, char reason[BLOB_REASON_MAX])
{
	char why[GUNZIP_REASON_MAX] = "";
	size_t inflated;
	int r = gunzip_into(room, src, len, held_max, &inflated, why);

	if (r < 0)
		return gunzip_rest(r, src, len, spill, ret, why, reason);
	*ret = make(room->p, inflated, HELD_LENT);
	return *ret ? 0 : -ENOMEM;
}

int blob_gunzip(
	const void *src, size_t len, struct cache *spill, struct blob **ret, char reason[BLOB_REASON_MAX])
{
	char why[GUNZIP_REASON_MAX] = "";
	char *data;
	size_t inflated;
	int r = gunzip_whole(src, len, held_max, &data, &inflated, why);

	if (r < 0)
		return gunzip_rest(r, src, len, spill, ret, why, reason);
	*ret = make(data, inflated, HELD_OWN);
	return *ret ? 0 : -ENOMEM;
}

struct blob *blob_ref(struct blob *b)
{
	atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

void blob_unref(struct blob *b)
{
	if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
		return;
	release(b->data, b->len, b->held);
	free(b);
}

const char *blob_data(const struct blob *b)
{
	return b->data;
}

size_t blob_len(const struct blob *b)
{
	return b->len;
}

size_t blob_held(const struct blob *b)
{
	return b->held == HELD_MAPPED ? 0 : b->len;
}
