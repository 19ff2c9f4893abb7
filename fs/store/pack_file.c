/*
 * Appending to packs, and reading from them. How they are opened is in pack_file_open.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fs/log.h"
#include "fs/store/pack_file_private.h"

#define CANDIDATES 8 /* versions of one key that are looked for in one pack */

/* ---- sealing ---- */

/* Nobody appends any more, and nobody will. */
static void seal_now(struct pack_file *f)
{
	int r = f->n > f->sorted ? pack_write_index(f) : 0; /* nothing new needs no new index */

	if (r < 0)
		log_debug("cache: %s cannot be sealed: %s", f->name, strerror(-r));
	pack_lock(f->fd, F_UNLCK);
}

/* With the mutex held: whether the caller has to seal, without it. */
static bool must_seal(struct pack_file *f)
{
	if (f->state != SEALING || f->appending > 0)
		return false;
	f->state = READING;
	return true;
}

void pack_file_seal(struct pack_file *f)
{
	bool mine;

	pthread_mutex_lock(&f->mutex);
	if (f->state == WRITING)
		f->state = SEALING;
	mine = must_seal(f);
	pthread_mutex_unlock(&f->mutex);
	if (mine)
		seal_now(f);
}

/* ---- appending ---- */

uint64_t pack_record_size(const struct source_object *o)
{
	return pack_round_up(sizeof(struct pack_head) + strlen(o->key) + o->size);
}

/* Room for a record, and for its entry. */
static int reserve(struct pack_file *f, uint64_t bytes, uint64_t *ret_offset)
{
	int r = 0;
	bool mine;

	pthread_mutex_lock(&f->mutex);
	if (f->state == WRITING && f->end >= PACK_FILE_MAX)
		f->state = SEALING;
	mine = must_seal(f);
	if (f->state != WRITING)
		r = -EAGAIN;
	if (r == 0)
		r = pack_reserve_entry(f);
	if (r == 0) {
		*ret_offset = f->end;
		f->end += bytes;
		f->appending++;
	}
	pthread_mutex_unlock(&f->mutex);
	if (mine)
		seal_now(f);
	return r;
}

/* The end of an append: the record can be found from now on; or its room is given back, or is a hole. */
static int settle(struct pack_file *f, int error, const struct pack_entry *e, uint64_t bytes)
{
	bool mine;

	pthread_mutex_lock(&f->mutex);
	if (error == 0)
		error = keymap_put(&f->added, e->hash, f->n);
	if (error == 0)
		f->entry[f->n++] = *e;
	else if (f->end == e->offset + bytes)
		f->end = e->offset;
	else
		f->state = SEALING;
	f->appending--;
	mine = must_seal(f);
	pthread_mutex_unlock(&f->mutex);
	if (mine)
		seal_now(f);
	return error;
}

static int write_record(
	struct pack_file *f, const struct pack_head *h, const char *key, const void *data, uint64_t offset)
{
	static const char zeros[8] = {0};
	size_t length = sizeof(*h) + h->key_len + h->data_len;
	struct iovec iov[] = {
		{(void *)(uintptr_t)h, sizeof(*h)},
		{(void *)(uintptr_t)key, h->key_len},
		{(void *)(uintptr_t)data, h->data_len},
		{(void *)(uintptr_t)zeros, (size_t)pack_round_up(length) - length},
	};
	size_t done = 0;
	int r = 0;

	for (size_t i = 0; i < 4 && r == 0; i++) {
		ssize_t n = i == 0 ? pwritev(f->fd, iov, 4, (off_t)offset) : 0;

		if (n > 0)
			done = (size_t)n; /* almost always all of it */
		size_t skip = done < iov[i].iov_len ? done : iov[i].iov_len;
		if (skip < iov[i].iov_len)
			r = pack_write_at(f->fd, (const char *)iov[i].iov_base + skip, iov[i].iov_len - skip,
				offset + skip);
		offset += iov[i].iov_len;
		done -= skip;
	}
	return r;
}

int pack_file_append(struct pack_file *f, const struct source_object *o, const void *data)
{
	size_t key_len = strlen(o->key);
	uint64_t bytes = pack_record_size(o), offset = 0;
	struct pack_head head = {.magic = PACK_RECORD, .kind = RECORD_OBJECT, .key_len = (uint32_t)key_len};
	struct pack_entry e;
	int r;

	if (o->size > PACK_DATA_MAX || key_len > SOURCE_KEY_MAX)
		return -EFBIG;
	head.data_len = (uint32_t)o->size;
	head.size = o->size;
	head.mtime = o->mtime;
	head.tag = o->tag;
	head.data_hash = XXH3_64bits(data, (size_t)o->size);
	head.hash = pack_head_hash(&head, o->key);
	r = reserve(f, bytes, &offset);
	if (r < 0)
		return r;
	e = (struct pack_entry){
		XXH3_64bits(o->key, key_len), (uint32_t)offset, (uint32_t)(sizeof(head) + key_len + o->size)};
	r = write_record(f, &head, o->key, data, offset);
	return settle(f, r, &e, bytes);
}

/* ---- reading ---- */

/* With the mutex held: the places of entries with this hash, the newest first. */
static size_t find(const struct pack_file *f, uint64_t hash, size_t at[CANDIDATES])
{
	size_t low = 0, high = f->sorted, n = 0, cursor = 0;
	uint64_t item;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (f->entry[mid].hash <= hash)
			low = mid + 1;
		else
			high = mid;
	}
	while ((item = keymap_next(&f->added, hash, &cursor)) != KEYMAP_NONE && n < CANDIDATES)
		at[n++] = (size_t)item;
	for (; low > 0 && f->entry[low - 1].hash == hash && n < CANDIDATES; low--)
		at[n++] = low - 1;
	return n;
}

/* -ENOENT: another object's, or another version's. -EBADMSG: damaged. */
static int check_head(
	const struct pack_head *h, const char *key, const struct source_object *o, size_t key_len)
{
	if (h->magic != PACK_RECORD || h->key_len != key_len || h->hash != pack_head_hash(h, key))
		return -EBADMSG;
	if (h->kind != RECORD_OBJECT || memcmp(key, o->key, key_len) != 0 || h->size != o->size ||
		h->mtime != o->mtime || h->tag != o->tag || h->data_len != o->size)
		return -ENOENT;
	return 0;
}

static int read_record(
	const struct pack_file *f, const struct pack_entry *e, const struct source_object *o, char **ret)
{
	size_t key_len = strlen(o->key), before = sizeof(struct pack_head) + key_len, len = (size_t)o->size;
	char start[sizeof(struct pack_head) + SOURCE_KEY_MAX], *data;
	struct pack_head head;
	int r;

	if (e->length != before + len) /* nothing of that size can be it */
		return -ENOENT;
	data = malloc(len + 1);
	if (!data)
		return -ENOMEM;
	struct iovec iov[] = {{start, before}, {data, len}};
	ssize_t got = preadv(f->fd, iov, 2, (off_t)e->offset);
	r = got < 0 ? -errno : (size_t)got < before ? -EBADMSG : 0;
	if (r == 0 && (size_t)got < before + len)
		r = pack_read_at(f->fd, data + ((size_t)got - before), len - ((size_t)got - before),
			e->offset + (uint64_t)got);
	if (r == 0) {
		memcpy(&head, start, sizeof(head));
		r = check_head(&head, start + sizeof(head), o, key_len);
	}
	if (r == 0 && XXH3_64bits(data, len) != head.data_hash)
		r = -EBADMSG;
	if (r < 0) {
		free(data);
		return r;
	}
	data[len] = '\0';
	*ret = data;
	return 0;
}

static void forget(struct pack_file *f, uint32_t offset, uint64_t hash)
{
	size_t at[CANDIDATES];

	pthread_mutex_lock(&f->mutex);
	for (size_t n = find(f, hash, at); n > 0; n--) {
		if (f->entry[at[n - 1]].offset == offset)
			f->entry[at[n - 1]].length = 0;
	}
	pthread_mutex_unlock(&f->mutex);
}

/* What may be the object, the newest first. */
static size_t candidates(
	struct pack_file *f, const struct source_object *o, uint64_t hash, struct pack_entry e[CANDIDATES])
{
	size_t at[CANDIDATES], n;

	if (o->size > PACK_DATA_MAX || strlen(o->key) > SOURCE_KEY_MAX)
		return 0;
	pthread_mutex_lock(&f->mutex);
	n = find(f, hash, at);
	for (size_t i = 0; i < n; i++)
		e[i] = f->entry[at[i]];
	pthread_mutex_unlock(&f->mutex);
	return n;
}

int pack_file_read(struct pack_file *f, const struct source_object *o, char **ret)
{
	uint64_t hash = XXH3_64bits(o->key, strlen(o->key));
	struct pack_entry e[CANDIDATES];
	size_t n = candidates(f, o, hash, e);
	int r = -ENOENT;

	for (size_t i = 0; i < n && r == -ENOENT; i++) {
		r = read_record(f, &e[i], o, ret);
		if (r == -EBADMSG || r == -EIO) {
			log_warning("cache: %s: the object at byte %" PRIu32
				    " is damaged; it is fetched again",
				f->name, e[i].offset);
			forget(f, e[i].offset, hash);
			r = -ENOENT;
		}
	}
	return r;
}

/* In place: the record stays whole, so that a scan goes on behind it. Where the disk refuses, it is found
 * again by the next one who opens the file, and turns out to be wrong again. */
static void mark_dropped(struct pack_file *f, const struct pack_entry *e, const struct source_object *o)
{
	size_t key_len = strlen(o->key);
	char start[sizeof(struct pack_head) + SOURCE_KEY_MAX];
	struct pack_head head;

	if (pack_read_at(f->fd, start, sizeof(head) + key_len, e->offset) < 0)
		return;
	memcpy(&head, start, sizeof(head));
	if (check_head(&head, start + sizeof(head), o, key_len) < 0)
		return;
	head.kind = RECORD_DROPPED;
	head.hash = pack_head_hash(&head, o->key);
	pack_write_at(f->fd, &head, sizeof(head), e->offset);
	forget(f, e->offset, e->hash);
}

void pack_file_drop(struct pack_file *f, const struct source_object *o)
{
	struct pack_entry e[CANDIDATES];
	size_t n = candidates(f, o, XXH3_64bits(o->key, strlen(o->key)), e);

	for (size_t i = 0; i < n; i++) {
		if (e[i].length > 0)
			mark_dropped(f, &e[i], o);
	}
}

uint64_t pack_file_bytes(struct pack_file *f)
{
	uint64_t end;

	pthread_mutex_lock(&f->mutex);
	end = f->end;
	pthread_mutex_unlock(&f->mutex);
	return end;
}
