/*
 * Which packs there are, and what is in them. A pack's file is opened when its day is asked for, and closed
 * again when too many are open.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/log.h"
#include "fs/store/pack_private.h"
#include "render/key.h"

#define OPEN_MAX   128  /* packs that are open for reading */
#define IDLE       3600 /* seconds after which a pack that we write to is sealed */
#define LOOK_AGAIN 2    /* seconds between two looks into the folder because something was not found */

/* ---- the list of packs; with the mutex held ---- */

/* The place of the first pack that is not before `name`. */
static size_t place_of(const struct packs *p, const char *name)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(p->pack[mid]->name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct pack *packs_called(const struct packs *p, const char *name)
{
	size_t i = place_of(p, name);

	return i < p->n && strcmp(p->pack[i]->name, name) == 0 ? p->pack[i] : NULL;
}

size_t packs_range(const struct packs *p, int32_t day, size_t *ret_end)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (p->pack[mid]->day < day)
			low = mid + 1;
		else
			high = mid;
	}
	for (*ret_end = low; *ret_end < p->n && p->pack[*ret_end]->day == day; (*ret_end)++)
		;
	return low;
}

struct pack *packs_add(struct packs *p, const char *name, int32_t day)
{
	size_t at = place_of(p, name);
	struct pack *k = calloc(1, sizeof(*k));

	if (k && p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 64;
		struct pack **grown = reallocarray(p->pack, cap, sizeof(*grown));

		if (!grown) {
			free(k);
			return NULL;
		}
		p->pack = grown;
		p->cap = cap;
	}
	if (!k)
		return NULL;
	memcpy(k->name, name, strlen(name) + 1);
	k->day = day;
	k->seen = p->looks; /* one that is new is not missed by a look that is under way */
	memmove(p->pack + at + 1, p->pack + at, (p->n - at) * sizeof(struct pack *));
	p->pack[at] = k;
	p->n++;
	return k;
}

static void drop(struct packs *p, size_t at)
{
	struct pack *k = p->pack[at];

	p->bytes -= k->size < p->bytes ? k->size : p->bytes;
	pack_file_unref(k->file);
	free(k);
	p->n--;
	memmove(p->pack + at, p->pack + at + 1, (p->n - at) * sizeof(struct pack *));
}

void packs_forget(struct packs *p, const char *name)
{
	size_t i = place_of(p, name);

	if (i < p->n && strcmp(p->pack[i]->name, name) == 0)
		drop(p, i);
}

void packs_set_size(struct packs *p, struct pack *k, uint64_t size)
{
	p->bytes = p->bytes - (k->size < p->bytes ? k->size : p->bytes) + size;
	k->size = size;
}

/* Closes the file that was not read for the longest, where too many are open. */
static void close_some(struct packs *p)
{
	struct pack *oldest = NULL;
	size_t open = 0;

	for (size_t i = 0; i < p->n; i++) {
		struct pack *k = p->pack[i];

		if (!k->file || k->writing)
			continue;
		open++;
		if (!oldest || k->turn < oldest->turn)
			oldest = k;
	}
	if (open > OPEN_MAX) {
		pack_file_unref(oldest->file);
		oldest->file = NULL;
	}
}

/* ---- use ---- */

/* Notes that a pack is used, at most once a minute; on the disk too, for other mounts and the next one. */
static void touch(struct packs *p, const char *name, int64_t now)
{
	const struct timespec t[2] = {{.tv_sec = now}, {.tv_sec = now}};
	struct pack *k;
	bool due;

	pthread_mutex_lock(&p->mutex);
	k = packs_called(p, name);
	due = k && !packs_lately(k->used, now, PACKS_TOUCH);
	if (due)
		k->used = now;
	pthread_mutex_unlock(&p->mutex);
	if (due)
		utimensat(p->dir, name, t, AT_SYMLINK_NOFOLLOW);
}

/* ---- looking ---- */

static void saw(struct packs *p, uint64_t look, const char *name, int32_t day, const struct stat *st)
{
	struct pack *k = packs_called(p, name);

	if (!k)
		k = packs_add(p, name, day);
	if (!k)
		return; /* no memory: a pack that is not known is not used */
	if (k->seen < look)
		k->seen = look;
	if (!k->writing)
		packs_set_size(p, k, (uint64_t)st->st_size);
	if (k->used < st->st_mtim.tv_sec)
		k->used = st->st_mtim.tv_sec;
	/* Another mount writes to it, or has taken it up again: it may hold more than was seen. */
	if (k->file && !k->writing && (k->live || pack_file_bytes(k->file) != (uint64_t)st->st_size)) {
		pack_file_unref(k->file);
		k->file = NULL;
		k->live = false;
	}
}

/* All names in the folder, the turn-th time. What is not a pack counts as *ret_others bytes. */
static int look(struct packs *p, uint64_t turn, uint64_t *ret_others)
{
	int fd = openat(p->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	struct stat st;
	int32_t day;
	int r;

	if (!dir) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	*ret_others = 0;
	while ((errno = 0, e = readdir(dir))) {
		if (fstatat(p->dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (!pack_name_parse(e->d_name, &day)) {
			*ret_others += (uint64_t)st.st_size;
			continue;
		}
		pthread_mutex_lock(&p->mutex);
		saw(p, turn, e->d_name, day, &st);
		pthread_mutex_unlock(&p->mutex);
	}
	r = -errno;
	closedir(dir);
	return r;
}

/* With the mutex held: what has not been seen is gone, and then the sum is exact. */
static void forget_unseen(struct packs *p, uint64_t turn, uint64_t others)
{
	uint64_t sum = others;

	for (size_t i = p->n; i-- > 0;) {
		if (p->pack[i]->seen < turn)
			drop(p, i);
		else
			sum += p->pack[i]->size;
	}
	p->bytes = sum;
}

/* With the mutex held: a pack that nothing was put into since `before` is no longer written to; ref'd. */
static struct pack_file *stop_writing(struct packs *p, int64_t before)
{
	for (size_t i = 0; i < p->n; i++) {
		struct pack *k = p->pack[i];

		if (k->writing && k->used < before) {
			k->writing = false;
			return pack_file_ref(k->file);
		}
	}
	return NULL;
}

static void seal_before(struct packs *p, int64_t before)
{
	struct pack_file *f;

	do {
		pthread_mutex_lock(&p->mutex);
		f = stop_writing(p, before);
		pthread_mutex_unlock(&p->mutex);
		if (f)
			pack_file_seal(f);
		pack_file_unref(f);
	} while (f);
}

int packs_refresh(struct packs *p, int64_t now)
{
	uint64_t others, turn, changes = cache_changes(p->cache);
	int r;

	if (p->dir < 0)
		return 0;
	seal_before(p, now - IDLE);
	pthread_mutex_lock(&p->mutex);
	p->looked_at = now;
	turn = ++p->looks;
	pthread_mutex_unlock(&p->mutex);
	r = look(p, turn, &others);
	if (r < 0)
		return r;
	pthread_mutex_lock(&p->mutex);
	forget_unseen(p, turn, others);
	if (p->changes < changes)
		p->changes = changes;
	pthread_mutex_unlock(&p->mutex);
	return 0;
}

/* ---- finding ---- */

/* A pack of the day that may hold something and is not open. */
static bool next_closed(struct packs *p, int32_t day, int64_t now, char name[PACK_NAME_MAX])
{
	size_t end, i = packs_range(p, day, &end);

	for (; i < end; i++) {
		if (!p->pack[i]->file && p->pack[i]->failed_at != now) {
			memcpy(name, p->pack[i]->name, PACK_NAME_MAX);
			return true;
		}
	}
	return false;
}

/* Opens it, with the mutex held before and after, but not meanwhile. */
static void open_pack(struct packs *p, const char *name, int64_t now)
{
	struct pack_file *f = NULL;
	struct pack *k;
	bool live = false;
	int r;

	pthread_mutex_unlock(&p->mutex);
	r = pack_file_open(p->dir, name, &live, &f);
	if (r == -EBADMSG)
		log_warning("cache: %s is damaged; it is removed and its objects are fetched again", name);
	pthread_mutex_lock(&p->mutex);
	k = packs_called(p, name);
	if (r == -ENOENT || r == -EBADMSG) {
		packs_forget(p, name);
	} else if (!k || k->file || r < 0) {
		if (k && r < 0)
			k->failed_at = now;
		pack_file_unref(f);
	} else {
		k->file = f;
		k->live = live;
		k->turn = ++p->turn;
		close_some(p);
	}
}

struct found {
	struct pack_file *file;
	char name[PACK_NAME_MAX];
};

/* All packs of a day, open and ref'd, the one with the newest objects somewhere. */
static size_t open_day(struct packs *p, int32_t day, int64_t now, struct found *found)
{
	char name[PACK_NAME_MAX];
	size_t n = 0, end;

	pthread_mutex_lock(&p->mutex);
	/* A day with more packs than may be open would never end. */
	for (size_t tries = 0; tries < OPEN_MAX && next_closed(p, day, now, name); tries++)
		open_pack(p, name, now);
	p->turn++;
	for (size_t i = packs_range(p, day, &end); i < end && n < PACKS_OF_DAY_MAX; i++) {
		struct pack *k = p->pack[i];

		if (!k->file)
			continue;
		k->turn = p->turn;
		found[n].file = pack_file_ref(k->file);
		memcpy(found[n++].name, k->name, PACK_NAME_MAX);
	}
	pthread_mutex_unlock(&p->mutex);
	return n;
}

static int get(struct packs *p, const struct source_object *o, int32_t day, int64_t now, char **ret)
{
	struct found found[PACKS_OF_DAY_MAX];
	size_t n = open_day(p, day, now, found);
	int r = -ENOENT;

	for (size_t i = 0; i < n; i++) {
		if (r == -ENOENT) {
			r = pack_file_read(found[i].file, o, ret);
			if (r == 0)
				touch(p, found[i].name, now);
		}
		pack_file_unref(found[i].file);
	}
	return r;
}

static uint64_t changes_seen(struct packs *p)
{
	uint64_t changes;

	pthread_mutex_lock(&p->mutex);
	changes = p->changes;
	pthread_mutex_unlock(&p->mutex);
	return changes;
}

/* Whether another mount may have what was not found when so many changes had been seen: it has, where what it
 * wrote of that object is how the object is known; else now and then. */
static bool looks_again(struct packs *p, uint64_t seen, int64_t now)
{
	bool due;

	pthread_mutex_lock(&p->mutex);
	due = seen != cache_changes(p->cache) || now - p->looked_at >= LOOK_AGAIN || now < p->looked_at;
	if (due)
		p->looked_at = now;
	pthread_mutex_unlock(&p->mutex);
	return due;
}

int packs_get(struct packs *p, const struct source_object *o, int64_t now, char **ret)
{
	int32_t day = key_parse(o->key).day;
	uint64_t seen;
	int r;

	if (p->dir < 0)
		return -ENOENT;
	seen = changes_seen(p);
	r = get(p, o, day, now, ret);
	if (r == -ENOENT && looks_again(p, seen, now) && packs_refresh(p, now) == 0)
		r = get(p, o, day, now, ret);
	pthread_mutex_lock(&p->mutex);
	if (r == 0)
		p->stats.found++;
	else
		p->stats.missed++;
	pthread_mutex_unlock(&p->mutex);
	return r == -ENOMEM ? r : r < 0 ? -ENOENT : 0;
}

void packs_drop(struct packs *p, const struct source_object *o, int64_t now)
{
	struct found found[PACKS_OF_DAY_MAX];
	size_t n = p->dir < 0 ? 0 : open_day(p, key_parse(o->key).day, now, found);

	for (size_t i = 0; i < n; i++) {
		pack_file_drop(found[i].file, o);
		pack_file_unref(found[i].file);
	}
}

/* ---- life ---- */

struct packs_stats packs_stats(struct packs *p)
{
	struct packs_stats stats;

	pthread_mutex_lock(&p->mutex);
	stats = p->stats;
	stats.bytes = p->bytes;
	stats.limit = p->max;
	stats.packs = p->n;
	pthread_mutex_unlock(&p->mutex);
	return stats;
}

int packs_open(struct cache *cache, uint64_t max_bytes, struct packs **ret)
{
	struct packs *p = calloc(1, sizeof(*p));
	uint64_t others = 0;

	if (!p)
		return -ENOMEM;
	p->cache = cache;
	p->max = max_bytes;
	p->looked_at = INT64_MIN / 2;
	pthread_mutex_init(&p->mutex, NULL);
	p->dir = cache ? open(cache_path(cache, "."), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (p->dir >= 0 && look(p, 0, &others) == 0)
		p->bytes += others;
	*ret = p;
	return 0;
}

void packs_free(struct packs *p)
{
	if (!p)
		return;
	seal_before(p, INT64_MAX);
	while (p->n > 0)
		drop(p, p->n - 1);
	if (p->dir >= 0)
		close(p->dir);
	pthread_mutex_destroy(&p->mutex);
	free(p->pack);
	free(p);
}
