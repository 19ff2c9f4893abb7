/*
 * Keeping objects in packs, and dropping packs when there is no room. A day's packs are dropped together, and
 * not while anybody writes to one of them: the writer's lock tells.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fs/log.h"
#include "fs/store/pack_private.h"
#include "render/key.h"

#define WRITERS_MAX  16   /* days that are written to at a time */
#define RECENT       3600 /* a newer day that was used in so many seconds is not dropped for an older one */
#define GIVE_UP      60   /* seconds for which nothing is put after the disk has refused */
#define REOPEN_BELOW (PACK_FILE_MAX / 2)
#define SMALL_MAX    8 /* small packs that are tried */

/* ---- dropping ---- */

/* Whether the packs at..end, which are of one day, may go; *ret_used: when one of them was last used, as far
 * as that can be. */
static bool may_go(
	const struct packs *p, size_t at, size_t end, int32_t for_day, int64_t now, int64_t *ret_used)
{
	*ret_used = INT64_MIN;
	for (size_t i = at; i < end; i++) {
		const struct pack *k = p->pack[i];

		if (k->writing || (k->busy_at && packs_lately(k->busy_at, now, PACKS_TOUCH)))
			return false;
		if (k->used > *ret_used && packs_been(k->used, now))
			*ret_used = k->used;
	}
	return p->pack[at]->day <= for_day || !packs_lately(*ret_used, now, RECENT);
}

/* The day that goes next. false: none. */
static bool next_to_go(const struct packs *p, int32_t for_day, int64_t now, int32_t *ret_day)
{
	int64_t best = INT64_MAX, used;
	bool found = false;
	size_t end;

	for (size_t i = 0; i < p->n; i = end) {
		packs_range(p, p->pack[i]->day, &end);
		if (may_go(p, i, end, for_day, now, &used) && (!found || used < best)) {
			found = true;
			best = used;
			*ret_day = p->pack[i]->day;
		}
	}
	return found;
}

/* Removes a file, unless somebody writes to it: -EBUSY. */
static int remove_pack(struct packs *p, const char *name)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = openat(p->dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC), r = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fcntl(fd, F_OFD_SETLK, &l) < 0)
		r = -EBUSY;
	else if (unlinkat(p->dir, name, 0) < 0 && errno != ENOENT)
		r = -errno;
	close(fd);
	return r;
}

/* Drops a day's packs; with the mutex held before and after, but not meanwhile. */
static void drop_day(struct packs *p, int32_t day, int64_t now)
{
	size_t end, at = packs_range(p, day, &end),
		    n = end - at < PACKS_OF_DAY_MAX ? end - at : PACKS_OF_DAY_MAX;
	char name[PACKS_OF_DAY_MAX][PACK_NAME_MAX];
	int error[PACKS_OF_DAY_MAX];

	for (size_t i = 0; i < n; i++)
		memcpy(name[i], p->pack[at + i]->name, PACK_NAME_MAX);
	pthread_mutex_unlock(&p->mutex);
	for (size_t i = 0; i < n; i++)
		error[i] = remove_pack(p, name[i]);
	log_debug("cache: dropped %zu packs of day %d", n, (int)day);
	pthread_mutex_lock(&p->mutex);
	for (size_t i = 0; i < n; i++) {
		struct pack *k = packs_called(p, name[i]);

		if (k && error[i] < 0) {
			k->busy_at = now;
		} else {
			packs_forget(p, name[i]);
			p->stats.dropped++;
		}
	}
}

int packs_evict(struct packs *p, uint64_t need, int32_t for_day, int64_t now)
{
	int32_t day;
	int r = 0;

	if (p->dir < 0)
		return 0;
	pthread_mutex_lock(&p->mutex);
	while (r == 0 && (p->max < need || p->bytes > p->max - need)) {
		if (next_to_go(p, for_day, now, &day))
			drop_day(p, day, now);
		else
			r = -ENOSPC;
	}
	pthread_mutex_unlock(&p->mutex);
	return r;
}

/* ---- putting ---- */

/* With the mutex held: the pack of the day that we write to, ref'd; or NULL. */
static struct pack_file *writer_of(struct packs *p, int32_t day, char name[PACK_NAME_MAX])
{
	size_t end, i = packs_range(p, day, &end);

	for (; i < end; i++) {
		if (p->pack[i]->writing) {
			memcpy(name, p->pack[i]->name, PACK_NAME_MAX);
			return pack_file_ref(p->pack[i]->file);
		}
	}
	return NULL;
}

/* Takes up a small pack of the day again. -EBUSY: there is none. */
static int reopen_small(struct packs *p, int32_t day, char name[PACK_NAME_MAX], struct pack_file **ret)
{
	char small[SMALL_MAX][PACK_NAME_MAX];
	size_t n = 0, end, i;

	pthread_mutex_lock(&p->mutex);
	for (i = packs_range(p, day, &end); i < end && n < SMALL_MAX; i++) {
		const struct pack *k = p->pack[i];

		if (!k->writing && !k->live && k->size < REOPEN_BELOW)
			memcpy(small[n++], k->name, PACK_NAME_MAX);
	}
	pthread_mutex_unlock(&p->mutex);
	for (i = 0; i < n; i++) {
		if (pack_file_reopen(p->dir, small[i], ret) == 0) {
			memcpy(name, small[i], PACK_NAME_MAX);
			return 0;
		}
	}
	return -EBUSY;
}

/* Seals the pack that was not written to for the longest, where too many are. */
static void make_place(struct packs *p)
{
	struct pack *oldest = NULL;
	struct pack_file *f = NULL;
	size_t n = 0;

	pthread_mutex_lock(&p->mutex);
	for (size_t i = 0; i < p->n; i++) {
		struct pack *k = p->pack[i];

		n += k->writing;
		if (k->writing && (!oldest || k->turn < oldest->turn))
			oldest = k;
	}
	if (oldest && n >= WRITERS_MAX) {
		oldest->writing = false;
		f = pack_file_ref(oldest->file);
	}
	pthread_mutex_unlock(&p->mutex);
	if (f)
		pack_file_seal(f);
	pack_file_unref(f);
}

/* Begins to write to a pack of the day: a small one that there is, or a new one. */
static int begin_pack(struct packs *p, int32_t day, int64_t now)
{
	char name[PACK_NAME_MAX];
	struct pack_file *f = NULL;
	struct pack *k;
	int r;

	make_place(p);
	r = reopen_small(p, day, name, &f);
	if (r < 0)
		r = pack_file_create(p->dir, day, name, &f);
	if (r < 0)
		return r;
	pthread_mutex_lock(&p->mutex);
	k = packs_called(p, name);
	if (!k)
		k = packs_add(p, name, day);
	if (k) {
		pack_file_unref(k->file);
		k->file = f;
		k->writing = true;
		k->live = false;
		k->used = now;
		k->turn = ++p->turn;
		packs_set_size(p, k, pack_file_bytes(f));
	}
	pthread_mutex_unlock(&p->mutex);
	if (!k)
		pack_file_unref(f);
	return k ? 0 : -ENOMEM;
}

/* After an append: how large the pack is now, or that it takes no more. */
static void note(
	struct packs *p, const char *name, const struct pack_file *f, uint64_t size, int error, int64_t now)
{
	struct pack *k;

	pthread_mutex_lock(&p->mutex);
	k = packs_called(p, name);
	if (k && k->file == f) {
		k->turn = ++p->turn;
		if (error == 0 && k->used < now)
			k->used = now;
		if (size > k->size)
			packs_set_size(p, k, size);
		if (error == -EAGAIN)
			k->writing = false;
	}
	pthread_mutex_unlock(&p->mutex);
}

static int append(struct packs *p, const struct source_object *o, const void *data, int32_t day, int64_t now)
{
	char name[PACK_NAME_MAX];
	int r = -EAGAIN;

	for (int tries = 0; tries < 4 && r == -EAGAIN; tries++) {
		struct pack_file *f;

		pthread_mutex_lock(&p->mutex);
		f = writer_of(p, day, name);
		pthread_mutex_unlock(&p->mutex);
		if (!f) {
			r = begin_pack(p, day, now);
			r = r == 0 ? -EAGAIN : r;
			continue;
		}
		r = pack_file_append(f, o, data);
		note(p, name, f, pack_file_bytes(f), r, now);
		pack_file_unref(f);
	}
	return r;
}

/* The disk is full, though we may have more: one day goes, at most once a minute, for somebody else may be
 * filling it. */
static bool make_room(struct packs *p, int32_t for_day, int64_t now)
{
	int32_t day;
	bool may;

	pthread_mutex_lock(&p->mutex);
	may = (!p->emptied_at || !packs_lately(p->emptied_at, now, GIVE_UP)) &&
	      next_to_go(p, for_day, now, &day);
	if (may) {
		p->emptied_at = now;
		drop_day(p, day, now);
	}
	pthread_mutex_unlock(&p->mutex);
	return may;
}

static void give_up(struct packs *p, int error, int64_t now)
{
	bool say;

	pthread_mutex_lock(&p->mutex);
	p->gave_up_at = now;
	say = !p->said_refused;
	p->said_refused = true;
	pthread_mutex_unlock(&p->mutex);
	if (say)
		log_warning("cache: cannot keep what was fetched (%s); it is fetched again when it is "
			    "needed. Free "
			    "some space, or choose another place with --cache-dir",
			strerror(-error));
}

static void say_full(struct packs *p)
{
	bool say;

	pthread_mutex_lock(&p->mutex);
	say = !p->said_full;
	p->said_full = true;
	pthread_mutex_unlock(&p->mutex);
	if (say)
		log_info("cache: full; some of what is fetched is not kept. --cache-size sets how much is");
}

static int put(struct packs *p, const struct source_object *o, const void *data, int64_t now)
{
	int32_t day = key_parse(o->key).day;
	uint64_t need = pack_record_size(o);
	bool given_up;
	int r;

	pthread_mutex_lock(&p->mutex);
	given_up = p->gave_up_at && packs_lately(p->gave_up_at, now, GIVE_UP);
	pthread_mutex_unlock(&p->mutex);
	if (given_up)
		return -ENOSPC;
	if (need > p->max || packs_evict(p, need, day, now) < 0) {
		say_full(p);
		return -ENOSPC;
	}
	r = append(p, o, data, day, now);
	if (r == -ENOSPC && make_room(p, day, now))
		r = append(p, o, data, day, now);
	if (r < 0 && r != -EAGAIN && r != -ENOMEM && r != -EFBIG)
		give_up(p, r, now);
	return r;
}

void packs_put(struct packs *p, const struct source_object *o, const void *data, int64_t now)
{
	int r;

	if (p->dir < 0 || p->max == 0)
		return;
	r = put(p, o, data, now);
	pthread_mutex_lock(&p->mutex);
	if (r == 0)
		p->stats.put++;
	else
		p->stats.refused++;
	pthread_mutex_unlock(&p->mutex);
}
