/*
 * The file of listings, and what is known of it. See listings_private.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "fs/log.h"
#include "fs/store/listings_private.h"

#define NAME         "listings"
#define RAW_MAX      ((uint32_t)1 << 30)
#define DEAD_ALLOWED ((uint64_t)4 << 20) /* besides as much as what is live */
#define RECORD_WORTH (16u << 10)         /* bytes that a record should hold ... */
#define UNIT_RECORDS 6                   /* ... but for a few of each prefix */
#define RECORDS_MIN  64

uint64_t listings_head_hash(const struct listings_head *h, const char *prefix)
{
	return XXH3_64bits_withSeed(
		prefix, h->prefix_len, XXH3_64bits(h, offsetof(struct listings_head, hash)));
}

static uint64_t record_bytes(const struct listings_head *h)
{
	return (sizeof(*h) + (uint64_t)h->prefix_len + h->data_len + 7) & ~(uint64_t)7;
}

/* ---- units and pieces ---- */

static int compare(const struct listings_unit *u, enum listing_kind kind, const char *prefix)
{
	int r = strcmp(u->prefix, prefix);

	return r ? r : (int)u->kind - (int)kind;
}

static size_t place_of(const struct listings *l, enum listing_kind kind, const char *prefix)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare(l->unit[mid], kind, prefix) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct listings_unit *listings_unit(struct listings *l, enum listing_kind kind, const char *prefix)
{
	size_t at = place_of(l, kind, prefix);

	return at < l->n && compare(l->unit[at], kind, prefix) == 0 ? l->unit[at] : NULL;
}

struct listings_piece *listings_piece_of(const struct listings_unit *u, int32_t day)
{
	for (size_t i = u ? u->n : 0; i-- > 0;) {
		if (u->piece[i].first <= day)
			return u->piece[i].last >= day ? &u->piece[i] : NULL;
	}
	return NULL;
}

static void unit_free(struct listings_unit *u)
{
	if (!u)
		return;
	free(u->prefix);
	free(u->piece);
	free(u);
}

static struct listings_unit *add_unit(struct listings *l, enum listing_kind kind, const char *prefix)
{
	size_t at = place_of(l, kind, prefix), cap = l->cap ? l->cap * 2 : 64;
	struct listings_unit *u, **grown;

	if (at < l->n && compare(l->unit[at], kind, prefix) == 0)
		return l->unit[at];
	u = calloc(1, sizeof(*u));
	if (u && !(u->prefix = strdup(prefix))) {
		unit_free(u);
		u = NULL;
	}
	if (u && l->n == l->cap) {
		grown = reallocarray(l->unit, cap, sizeof(*grown));
		if (!grown) {
			unit_free(u);
			return NULL;
		}
		l->unit = grown;
		l->cap = cap;
	}
	if (!u)
		return NULL;
	u->kind = kind;
	memmove(l->unit + at + 1, l->unit + at, (l->n - at) * sizeof(struct listings_unit *));
	l->unit[at] = u;
	l->n++;
	return u;
}

static void unref(struct listings *l, struct listings_record *r)
{
	if (--r->refs > 0)
		return;
	l->live -= record_bytes(&r->head);
	l->dead += record_bytes(&r->head);
	l->records--;
	free(r);
}

static void add_piece(
	struct listings_piece *list, size_t *n, int32_t first, int32_t last, struct listings_record *record)
{
	list[(*n)++] = (struct listings_piece){first, last, record};
	record->refs++;
}

/* Puts a record into the place of what its days were until now. */
static int put_piece(struct listings *l, struct listings_unit *u, struct listings_record *new)
{
	int32_t a = new->head.first, b = new->head.last;
	struct listings_piece *list = calloc(u->n + 2, sizeof(*list));
	size_t n = 0;
	bool done = false;

	if (!list)
		return -ENOMEM;
	l->live += record_bytes(&new->head);
	l->records++;
	for (size_t i = 0; i < u->n; i++) {
		struct listings_piece p = u->piece[i];

		if (p.first < a)
			add_piece(list, &n, p.first, p.last < a ? p.last : a - 1, p.record);
		if (!done && p.last >= a) {
			add_piece(list, &n, a, b, new);
			done = true;
		}
		if (p.last > b)
			add_piece(list, &n, p.first > b ? p.first : b + 1, p.last, p.record);
	}
	if (!done)
		add_piece(list, &n, a, b, new);
	for (size_t i = 0; i < u->n; i++)
		unref(l, u->piece[i].record);
	free(u->piece);
	u->piece = list;
	u->n = n;
	return 0;
}

static void forget_all(struct listings *l)
{
	for (size_t i = 0; i < l->n; i++) {
		for (size_t k = 0; k < l->unit[i]->n; k++)
			unref(l, l->unit[i]->piece[k].record);
		unit_free(l->unit[i]);
	}
	l->n = 0;
	l->end = l->live = l->dead = 0;
}

void listings_forget(struct listings *l, struct listings_unit *u, const struct listings_record *r)
{
	size_t n = 0;

	log_warning("cache: what was kept of the listing of %s is damaged; it is listed again", u->prefix);
	for (size_t i = 0; i < u->n; i++) {
		struct listings_piece p = u->piece[i];

		if (p.record == r)
			unref(l, p.record);
		else
			u->piece[n++] = p;
	}
	u->n = n;
}

/* ---- the file ---- */

static int read_at(int fd, void *p, size_t n, uint64_t offset)
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

static int write_at(int fd, const char *p, size_t n, uint64_t offset)
{
	while (n > 0) {
		ssize_t done = pwrite(fd, p, n, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		p += done;
		offset += (uint64_t)done;
		n -= (size_t)done;
	}
	return 0;
}

/* Waits for another mount's append, which is short. */
static int lock_file(int fd, short type)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET};

	while (fcntl(fd, F_OFD_SETLKW, &l) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static bool is_good(const struct listings_head *h, const char *prefix, uint64_t left)
{
	return h->magic == LISTINGS_MAGIC && h->prefix_len <= SOURCE_KEY_MAX &&
	       h->hash == listings_head_hash(h, prefix) && h->first <= h->last && h->raw_len <= RAW_MAX &&
	       h->kind >= LISTING_DAYS && h->kind <= LISTING_LEVEL && record_bytes(h) <= left;
}

/* The record at l->end. -EBADMSG: none that is whole. */
static int scan_record(struct listings *l, uint64_t size, char *buf, size_t cap)
{
	size_t n = size - l->end < cap ? (size_t)(size - l->end) : cap;
	struct listings_record *r;
	struct listings_unit *u;
	struct listings_head head;
	int err = n < sizeof(head) ? -EBADMSG : read_at(l->fd, buf, n, l->end);

	if (err)
		return err;
	memcpy(&head, buf, sizeof(head));
	if (head.prefix_len > n - sizeof(head) || !is_good(&head, buf + sizeof(head), size - l->end))
		return -EBADMSG;
	buf[sizeof(head) + head.prefix_len] = '\0';
	u = add_unit(l, (enum listing_kind)head.kind, buf + sizeof(head));
	r = u ? calloc(1, sizeof(*r)) : NULL;
	if (!r)
		return -ENOMEM;
	r->head = head;
	r->offset = l->end;
	if (put_piece(l, u, r) < 0) {
		free(r);
		return -ENOMEM;
	}
	l->end += record_bytes(&head);
	return 0;
}

static int scan(struct listings *l, uint64_t size)
{
	const size_t cap = sizeof(struct listings_head) + SOURCE_KEY_MAX;
	char *buf = malloc(cap + 1);
	int r = buf ? 0 : -ENOMEM;

	while (r == 0 && l->end < size)
		r = scan_record(l, size, buf, cap);
	free(buf);
	return r == -EBADMSG ? 0 : r;
}

int listings_sync(struct listings *l)
{
	struct stat st;

	if (l->dir < 0)
		return 0;
	/* Another mount has written it anew, or it was removed. */
	if (l->fd >= 0 && (fstat(l->fd, &st) < 0 || st.st_nlink == 0 || (uint64_t)st.st_size < l->end)) {
		close(l->fd);
		l->fd = -1;
		forget_all(l);
	}
	if (l->fd < 0) {
		l->fd = openat(l->dir, NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (l->fd < 0)
			return -errno;
	}
	if (fstat(l->fd, &st) < 0)
		return -errno;
	return scan(l, (uint64_t)st.st_size);
}

/* Where the lock cannot be had, a record that another mount is about to write looks torn. */
int listings_sync_all(struct listings *l, bool *ret_torn)
{
	int r = listings_sync(l);
	struct stat st;

	*ret_torn = false;
	if (r < 0 || l->dir < 0)
		return r;
	lock_file(l->fd, F_RDLCK);
	r = fstat(l->fd, &st) < 0 ? -errno : scan(l, (uint64_t)st.st_size);
	lock_file(l->fd, F_UNLCK);
	*ret_torn = r == 0 && (uint64_t)st.st_size > l->end;
	return r;
}

/* ---- reading ---- */

int listings_load(struct listings *l, const struct listings_record *r, char **ret)
{
	struct libdeflate_decompressor *z = libdeflate_alloc_decompressor();
	char *data = malloc(r->head.data_len + 1), *raw = malloc(r->head.raw_len + 1);
	size_t len = 0;
	int err = z && data && raw ? 0 : -ENOMEM;

	if (!err)
		err = read_at(
			l->fd, data, r->head.data_len, r->offset + sizeof(r->head) + r->head.prefix_len);
	if (!err && XXH3_64bits(data, r->head.data_len) != r->head.data_hash)
		err = -EBADMSG;
	if (!err && r->head.raw_len > 0 &&
		(libdeflate_zlib_decompress(z, data, r->head.data_len, raw, r->head.raw_len, &len) !=
				LIBDEFLATE_SUCCESS ||
			len != r->head.raw_len))
		err = -EBADMSG;
	if (z)
		libdeflate_free_decompressor(z);
	free(data);
	if (err) {
		free(raw);
		return err;
	}
	*ret = raw;
	return 0;
}

/* ---- writing it anew ---- */

/* A record of the new file that is being put together from pieces. */
struct anew {
	int fd;
	uint64_t end;
	const struct listings_unit *unit;
	struct listings_head head;
	struct listings_coder *coder;
	bool open;
};

static int finish_record(struct anew *a)
{
	size_t len;
	char *data;
	int r = a->coder->raw.failed ? -ENOMEM : 0;

	if (!a->open || r < 0)
		return r;
	a->head.raw_len = (uint32_t)a->coder->raw.len;
	a->head.objects = a->coder->objects;
	data = listings_pack(&a->head, a->unit->prefix, a->coder->raw.data ? a->coder->raw.data : "", &len);
	r = data ? write_at(a->fd, data, len, a->end) : -ENOMEM;
	a->end += r == 0 ? len : 0;
	a->open = false;
	listings_coder_restart(a->coder);
	free(data);
	return r;
}

static int copy_object(void *arg, const struct source_object *o)
{
	struct anew *a = arg;

	listings_code(a->coder, o);
	return a->coder->raw.failed ? -ENOMEM : 0;
}

/* Whether a piece goes into the same record as the ones before it. */
static bool joins(const struct anew *a, const struct listings_piece *p)
{
	return a->open && a->head.closed && p->record->head.closed && p->first == a->head.last + 1 &&
	       a->coder->raw.len < LISTINGS_CHUNK;
}

static int copy_piece(struct listings *l, struct anew *a, const struct listings_piece *p)
{
	const struct source_sink sink = {copy_object, NULL, a};
	char after[LISTINGS_BOUND], upto[LISTINGS_BOUND], *raw;
	int r = joins(a, p) ? 0 : finish_record(a);

	if (r == 0)
		r = listings_load(l, p->record, &raw);
	if (r < 0)
		return r == -EBADMSG ? 0 : r; /* it is not there any more then */
	if (!a->open) {
		a->head = p->record->head;
		a->head.first = p->first;
		a->open = true;
	} else if (a->head.started > p->record->head.started) {
		a->head.started = p->record->head.started;
	}
	a->head.last = p->last;
	if (listings_bound(a->unit->prefix, p->first, after, sizeof(after)) < 0 ||
		(p->last < LISTINGS_LAST &&
			listings_bound(a->unit->prefix, p->last + 1, upto, sizeof(upto)) < 0))
		r = -ENAMETOOLONG;
	if (r == 0)
		r = listings_decode(raw, p->record->head.raw_len, p->record->head.objects,
			p->first == LISTINGS_FIRST ? "" : after, p->last == LISTINGS_LAST ? NULL : upto,
			&sink);
	free(raw);
	return r;
}

static int copy_all(struct listings *l, struct anew *a)
{
	int r = 0;

	for (size_t i = 0; i < l->n && r == 0; i++) {
		a->unit = l->unit[i];
		for (size_t k = 0; k < l->unit[i]->n && r == 0; k++)
			r = copy_piece(l, a, &l->unit[i]->piece[k]);
		if (r == 0)
			r = finish_record(a);
	}
	return r;
}

/* With the file locked. */
static int write_anew(struct listings *l)
{
	struct anew a = {.coder = calloc(1, sizeof(*a.coder))};
	char tmp[32];
	uint64_t bits;
	int r = a.coder && getrandom(&bits, sizeof(bits), 0) == (ssize_t)sizeof(bits) ? 0 : -ENOMEM;

	if (r == 0) {
		snprintf(tmp, sizeof(tmp), "tmp-%016" PRIx64, bits);
		a.fd = openat(l->dir, tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		r = a.fd < 0 ? -errno : copy_all(l, &a);
		if (r == 0 && fdatasync(a.fd) < 0)
			r = -errno;
		if (r == 0 && renameat(l->dir, tmp, l->dir, NAME) < 0)
			r = -errno;
		if (a.fd >= 0)
			close(a.fd);
		if (a.fd >= 0 && r < 0)
			unlinkat(l->dir, tmp, 0);
	}
	if (a.coder)
		buf_clear(&a.coder->raw);
	free(a.coder);
	return r;
}

static bool worth_writing_anew(const struct listings *l)
{
	return l->dead > l->live + DEAD_ALLOWED ||
	       l->records > RECORDS_MIN + UNIT_RECORDS * l->n + l->live / RECORD_WORTH * 2;
}

/* ---- appending ---- */

/* Locks the file that has the name now. */
static int sync_and_lock(struct listings *l)
{
	struct stat st;
	int r;

	for (;;) {
		r = listings_sync(l);
		if (r == 0)
			r = lock_file(l->fd, F_WRLCK);
		if (r == 0 && fstat(l->fd, &st) < 0)
			r = -errno;
		if (r < 0 || st.st_nlink > 0)
			break;
	}
	return r == 0 ? scan(l, (uint64_t)st.st_size) : r;
}

/* With the file locked and known to its end: nobody else appends now, and what is behind the last good record
 * was torn. */
static int add_records(struct listings *l, const char *data, size_t len)
{
	int r = ftruncate(l->fd, (off_t)l->end) < 0 ? -errno : 0;

	if (r == 0)
		r = write_at(l->fd, data, len, l->end);
	if (r < 0 && ftruncate(l->fd, (off_t)l->end) < 0)
		log_debug("cache: %s: %s", NAME, strerror(errno));
	return r == 0 ? scan(l, l->end + len) : r;
}

int listings_append(struct listings *l, const char *data, size_t len)
{
	int r;

	if (l->dir < 0)
		return 0;
	r = sync_and_lock(l);
	if (r == 0)
		r = add_records(l, data, len);
	if (r == 0 && worth_writing_anew(l)) {
		r = write_anew(l);
		if (r < 0)
			log_debug("cache: %s cannot be written anew: %s", NAME, strerror(-r));
		r = 0;
	}
	if (l->fd >= 0)
		lock_file(l->fd, F_UNLCK);
	if (r < 0 && !l->said)
		log_warning("cache: cannot keep listings (%s)", strerror(-r));
	l->said |= r < 0;
	return r;
}

/* ---- life ---- */

int listings_open(struct cache *cache, struct listings **ret)
{
	struct listings *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	pthread_mutex_init(&l->mutex, NULL);
	l->fd = -1;
	l->expired = l->failed = INT64_MIN;
	l->dir = cache ? open(cache_path(cache, "."), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	r = listings_sync(l);
	if (r == -ENOMEM) {
		listings_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

void listings_free(struct listings *l)
{
	if (!l)
		return;
	forget_all(l);
	free(l->unit);
	if (l->fd >= 0)
		close(l->fd);
	if (l->dir >= 0)
		close(l->dir);
	pthread_mutex_destroy(&l->mutex);
	free(l);
}
