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

#include "render/gunzip.h"

struct blob {
	atomic_uint refs;
	char *data;
	size_t len;
	bool mapped;
};

/* Takes data over. */
static struct blob *make(char *data, size_t len, bool mapped)
{
	struct blob *b = malloc(sizeof(*b));

	if (!b) {
		if (mapped)
			munmap(data, len);
		else
			free(data);
		return NULL;
	}
	atomic_init(&b->refs, 1);
	b->data = data;
	b->len = len;
	b->mapped = mapped;
	return b;
}

struct blob *blob_new(char *data, size_t len)
{
	return make(data, len, false);
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

/* In pieces, through a file. */
static int gunzip_mapped(const void *src, size_t len, int fd, struct blob **ret, char *reason)
{
	uint64_t size;
	int r = gunzip_pieces(src, len, BLOB_INFLATED_MAX, append, &fd, &size, reason);
	void *data;

	if (r < 0)
		return r;
	data = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		return errno == ENOMEM ? -ENOMEM : -EIO;
	*ret = make(data, (size_t)size, true);
	return *ret ? 0 : -ENOMEM;
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

int blob_gunzip(
	const void *src, size_t len, struct cache *spill, struct blob **ret, char reason[BLOB_REASON_MAX])
{
	char why[GUNZIP_REASON_MAX] = "";
	char *data;
	size_t data_len;
	int r = gunzip_whole(src, len, BLOB_HELD_MAX, &data, &data_len, why);

	if (r == 0) {
		*ret = make(data, data_len, false);
		return *ret ? 0 : -ENOMEM;
	}
	if (r == -EFBIG)
		r = gunzip_spilled(src, len, spill, ret, why);
	if (r == -EFBIG)
		r = -EBADMSG;
	if (r == -EBADMSG)
		snprintf(reason, BLOB_REASON_MAX, "%s", why);
	return r;
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
	if (b->mapped)
		munmap(b->data, b->len);
	else
		free(b->data);
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
	return b->mapped ? 0 : b->len;
}
