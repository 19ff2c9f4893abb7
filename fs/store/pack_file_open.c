/*
 * Opening packs: the index of a sealed one; what a scan finds in one whose writer lives or has died.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/log.h"
#include "fs/store/pack_file_private.h"

#define REOPEN_MAX      (PACK_FILE_MAX / 2) /* bytes of a pack that is taken up again */
#define DEAD_SHARE      8                   /* and at most one part in so many of them old indexes ... */
#define DEAD_MIN        65536               /* ... unless they are no more than this */
#define NAME_LEN        21                  /* 16 hex digits and .pack */
#define ENTRIES_AT_ONCE 256

/* ---- names ---- */

bool pack_name_parse(const char *name, int32_t *ret_day)
{
	char digits[9];

	if (strlen(name) != NAME_LEN || strspn(name, "0123456789abcdef") != 16 ||
		strcmp(name + 16, ".pack") != 0)
		return false;
	memcpy(digits, name, 8);
	digits[8] = '\0';
	*ret_day = (int32_t)((uint32_t)strtoul(digits, NULL, 16) ^ 0x80000000u);
	return true;
}

static int make_name(int32_t day, char *out)
{
	uint32_t bits;

	if (getrandom(&bits, sizeof(bits), 0) != (ssize_t)sizeof(bits))
		return -EIO;
	snprintf(out, PACK_NAME_MAX, "%08" PRIx32 "%08" PRIx32 ".pack", (uint32_t)day ^ 0x80000000u, bits);
	return 0;
}

/* ---- bytes ---- */

int pack_disk_error(int errnum)
{
	return errnum == EDQUOT || errnum == EFBIG ? -ENOSPC : -errnum;
}

int pack_write_at(int fd, const void *p, size_t n, uint64_t offset)
{
	for (const char *from = p; n > 0;) {
		ssize_t done = pwrite(fd, from, n, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return pack_disk_error(errno);
		from += done;
		offset += (uint64_t)done;
		n -= (size_t)done;
	}
	return 0;
}

int pack_read_at(int fd, void *p, size_t n, uint64_t offset)
{
	for (char *to = p; n > 0;) {
		ssize_t got = pread(fd, to, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EBADMSG;
		to += got;
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

int pack_lock(int fd, short type)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET};

	while (fcntl(fd, F_OFD_SETLK, &l) < 0) {
		if (errno == EAGAIN || errno == EACCES)
			return -EBUSY;
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/* ---- entries ---- */

static int by_hash(const void *a, const void *b)
{
	const struct pack_entry *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

int pack_reserve_entry(struct pack_file *f)
{
	size_t cap = f->cap + f->cap / 2 + ENTRIES_AT_ONCE;
	struct pack_entry *grown;

	if (f->n + f->appending < f->cap)
		return 0;
	grown = reallocarray(f->entry, cap, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	f->entry = grown;
	f->cap = cap;
	return 0;
}

static void sort_entries(struct pack_file *f)
{
	if (f->n > 0)
		qsort(f->entry, f->n, sizeof(*f->entry), by_hash);
	f->sorted = f->n;
}

static uint64_t tail_hash(const struct pack_tail *t)
{
	return XXH3_64bits(t, offsetof(struct pack_tail, hash));
}

/* ---- opening ---- */

static struct pack_file *new_file(int fd, const char *name)
{
	struct pack_file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->refs = 1;
	f->fd = fd;
	snprintf(f->name, sizeof(f->name), "%s", name);
	pthread_mutex_init(&f->mutex, NULL);
	return f;
}

static int open_fd(int dir, const char *name, struct stat *ret_st)
{
	struct pack_start start;
	int32_t day;
	int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC), r;

	if (fd < 0)
		return errno == ELOOP ? -EBADMSG : -errno;
	r = pack_read_at(fd, &start, sizeof(start), 0);
	if (r == 0 && fstat(fd, ret_st) < 0)
		r = -errno;
	if (r == 0 &&
		(memcmp(start.magic, PACK_MAGIC, sizeof(start.magic)) != 0 || start.version != PACK_VERSION ||
			!pack_name_parse(name, &day) || start.day != day))
		r = -EBADMSG;
	if (r == 0 && ret_st->st_size > UINT32_MAX)
		r = -EBADMSG;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/* The index that ends a file of `size` bytes. -EBADMSG: there is none. */
static int load_index(struct pack_file *f, uint64_t size)
{
	struct pack_tail tail;
	struct pack_head head;
	size_t len;
	int r;

	if (size < sizeof(struct pack_start) + sizeof(head) + sizeof(tail))
		return -EBADMSG;
	r = pack_read_at(f->fd, &tail, sizeof(tail), size - sizeof(tail));
	if (r == 0 && (tail.magic != PACK_TAIL || tail.hash != tail_hash(&tail) || tail.index > size ||
			      size - tail.index < sizeof(head) + sizeof(tail)))
		r = -EBADMSG;
	if (r == 0)
		r = pack_read_at(f->fd, &head, sizeof(head), tail.index);
	if (r < 0)
		return r;
	len = (size_t)(size - tail.index - sizeof(head));
	if (head.magic != PACK_RECORD || head.kind != RECORD_INDEX || head.key_len != 0 ||
		head.data_len != len || (len - sizeof(tail)) % sizeof(struct pack_entry) != 0 ||
		head.hash != pack_head_hash(&head, ""))
		return -EBADMSG;
	f->entry = malloc(len);
	if (!f->entry)
		return -ENOMEM;
	r = pack_read_at(f->fd, f->entry, len, tail.index + sizeof(head));
	if (r == 0 && XXH3_64bits(f->entry, len) != head.data_hash)
		r = -EBADMSG;
	if (r < 0) {
		free(f->entry);
		f->entry = NULL;
		return r;
	}
	f->n = f->sorted = f->cap = (len - sizeof(tail)) / sizeof(struct pack_entry);
	f->dead = tail.dead;
	f->end = size;
	return 0;
}

/* The record at f->end, as an entry. -EBADMSG: none that is whole. */
static int scan_record(struct pack_file *f, uint64_t size, char *buf, size_t cap)
{
	struct pack_head head;
	size_t n = size - f->end < cap ? (size_t)(size - f->end) : cap;
	uint64_t length;
	int r = n < sizeof(head) ? -EBADMSG : pack_read_at(f->fd, buf, n, f->end);

	if (r < 0)
		return r;
	memcpy(&head, buf, sizeof(head));
	if (head.magic != PACK_RECORD || head.key_len > n - sizeof(head) ||
		head.hash != pack_head_hash(&head, buf + sizeof(head)))
		return -EBADMSG;
	length = sizeof(head) + (uint64_t)head.key_len + head.data_len;
	if (length > size - f->end)
		return -EBADMSG;
	if (head.kind == RECORD_OBJECT) {
		r = pack_reserve_entry(f);
		if (r < 0)
			return r;
		f->entry[f->n++] = (struct pack_entry){
			XXH3_64bits(buf + sizeof(head), head.key_len), (uint32_t)f->end, (uint32_t)length};
	} else {
		f->dead += length;
	}
	f->end += pack_round_up(length);
	return 0;
}

/* What there is up to the first record that is not good. */
static int scan(struct pack_file *f, uint64_t size)
{
	const size_t cap = sizeof(struct pack_head) + SOURCE_KEY_MAX;
	char *buf = malloc(cap);
	int r = buf ? 0 : -ENOMEM;

	f->n = 0;
	f->dead = 0;
	f->end = sizeof(struct pack_start);
	while (r == 0 && f->end < size)
		r = scan_record(f, size, buf, cap);
	free(buf);
	sort_entries(f);
	return r == -EBADMSG ? 0 : r;
}

/* Writes the index over whatever is behind the last record. */
int pack_write_index(struct pack_file *f)
{
	size_t len = f->n * sizeof(struct pack_entry) + sizeof(struct pack_tail);
	struct pack_head head = {.magic = PACK_RECORD, .kind = RECORD_INDEX, .data_len = (uint32_t)len};
	char *buf = malloc(sizeof(head) + len), *data;
	struct pack_tail tail = {PACK_TAIL, f->end, f->dead + sizeof(head) + len, 0};
	int r;

	if (!buf)
		return -ENOMEM;
	data = buf + sizeof(head);
	pthread_mutex_lock(&f->mutex); /* a reader may be about to forget one */
	if (f->n > 0)
		memcpy(data, f->entry, len - sizeof(tail));
	pthread_mutex_unlock(&f->mutex);
	qsort(data, f->n, sizeof(struct pack_entry), by_hash);
	tail.hash = tail_hash(&tail);
	memcpy(data + len - sizeof(tail), &tail, sizeof(tail));
	head.data_hash = XXH3_64bits(data, len);
	head.hash = pack_head_hash(&head, "");
	memcpy(buf, &head, sizeof(head));
	r = ftruncate(f->fd, (off_t)f->end) < 0 ? -errno : 0;
	if (r == 0)
		r = pack_write_at(f->fd, buf, sizeof(head) + len, f->end);
	if (r == 0)
		sync_file_range(f->fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* begins it; nobody waits */
	free(buf);
	return r;
}

/* A pack whose writer is gone, which is locked now: what he left is made whole. */
static int repair(int dir, struct pack_file *f)
{
	struct stat st;
	int r = fstat(f->fd, &st) < 0 ? -errno : 0;

	if (r == 0 && load_index(f, (uint64_t)st.st_size) == 0)
		return 0; /* somebody else did it meanwhile */
	if (r == 0)
		r = scan(f, (uint64_t)st.st_size);
	if (r < 0)
		return r;
	if (f->n == 0) {
		unlinkat(dir, f->name, 0);
		return -ENOENT;
	}
	r = pack_write_index(f);
	if (r < 0)
		log_debug("cache: %s cannot be sealed: %s", f->name, strerror(-r));
	return 0;
}

static void remove_unlocked(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 ? errno == ELOOP : pack_lock(fd, F_WRLCK) == 0)
		unlinkat(dir, name, 0);
	if (fd >= 0)
		close(fd);
}

int pack_file_open(int dir, const char *name, bool *ret_live, struct pack_file **ret)
{
	struct stat st;
	bool live = false;
	int fd = open_fd(dir, name, &st), r;
	struct pack_file *f;

	if (fd < 0) {
		if (fd == -EBADMSG)
			remove_unlocked(dir, name);
		return fd;
	}
	f = new_file(fd, name);
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	r = load_index(f, (uint64_t)st.st_size);
	if (r == -EBADMSG) {
		r = pack_lock(fd, F_WRLCK);
		live = r == -EBUSY;
		r = live ? scan(f, (uint64_t)st.st_size) : r < 0 ? r : repair(dir, f);
		if (!live)
			pack_lock(fd, F_UNLCK);
	}
	if (r < 0) {
		pack_file_unref(f);
		return r;
	}
	*ret_live = live;
	*ret = f;
	return 0;
}

int pack_file_reopen(int dir, const char *name, struct pack_file **ret)
{
	struct stat st;
	int fd = open_fd(dir, name, &st), r;
	struct pack_file *f;

	if (fd < 0)
		return fd;
	f = new_file(fd, name);
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	r = pack_lock(fd, F_WRLCK);
	/* Now nobody appends to it or removes it any more; until now somebody may have. */
	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	if (r == 0 && (st.st_nlink == 0 || (uint64_t)st.st_size > REOPEN_MAX))
		r = -EBUSY;
	if (r == 0)
		r = load_index(f, (uint64_t)st.st_size);
	if (r == 0 && f->dead > DEAD_MIN && f->dead * DEAD_SHARE > (uint64_t)st.st_size)
		r = -EBUSY;
	if (r < 0) {
		pack_file_unref(f);
		return r == -EBADMSG ? -EBUSY : r;
	}
	f->state = WRITING;
	*ret = f;
	return 0;
}

/* Gives the locked file its name: from now on others may find it. */
static int publish(int dir, const char *tmp, int32_t day, char *ret_name)
{
	int r = make_name(day, ret_name);

	if (r < 0)
		return r;
	if (renameat2(dir, tmp, dir, ret_name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	return renameat(dir, tmp, dir, ret_name) < 0 ? -errno : 0;
}

int pack_file_create(int dir, int32_t day, char *ret_name, struct pack_file **ret)
{
	struct pack_start start = {PACK_MAGIC, PACK_VERSION, day};
	struct pack_file *f = NULL;
	char name[PACK_NAME_MAX], tmp[PACK_NAME_MAX + 4];
	int fd, r = make_name(day, name);

	if (r < 0)
		return r;
	snprintf(tmp, sizeof(tmp), "tmp-%.16s", name);
	fd = openat(dir, tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return pack_disk_error(errno);
	r = pack_lock(fd, F_WRLCK);
	if (r == 0)
		r = pack_write_at(fd, &start, sizeof(start), 0);
	if (r == 0 && !(f = new_file(fd, "")))
		r = -ENOMEM;
	if (r == 0)
		r = publish(dir, tmp, day, f->name);
	if (r < 0) {
		unlinkat(dir, tmp, 0);
		if (f)
			pack_file_unref(f);
		else
			close(fd);
		return r;
	}
	f->state = WRITING;
	f->end = sizeof(start);
	snprintf(ret_name, PACK_NAME_MAX, "%s", f->name);
	*ret = f;
	return 0;
}

struct pack_file *pack_file_ref(struct pack_file *f)
{
	__atomic_add_fetch(&f->refs, 1, __ATOMIC_RELAXED);
	return f;
}

void pack_file_unref(struct pack_file *f)
{
	if (!f || __atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	close(f->fd);
	keymap_clear(&f->added);
	pthread_mutex_destroy(&f->mutex);
	free(f->entry);
	free(f);
}
