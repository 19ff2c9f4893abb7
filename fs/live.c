/*
 * The thread that follows the refreshes, and the file that it writes.
 *
 * A run takes what is new day by day and in groups of a few MiB; each group is in the file before its size is
 * told. What cannot be read or written is owed and comes with a later run.
 *
 * Telling a new size waits until nobody has read at the end for a moment (QUIET). The kernel fills the rest
 * of a page that we gave a part of with zeros, and were it told of a larger size before the one who asked has
 * taken his bytes, he would take zeros with them.
 */
#include "fs/live.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "fs/clock.h"
#include "fs/live_arrivals.h"
#include "fs/log.h"
#include "render/pretty.h"

#define GROUP       (4u << 20) /* bytes that are made at a time; a larger event is a group of its own */
#define QUIET       (CLOCK_SECOND / 10)
#define QUIET_MAX   (2 * CLOCK_SECOND) /* that telling a size is put off for at most */
#define RETRY_FIRST (2 * CLOCK_SECOND)
#define RETRY_MAX   (600 * CLOCK_SECOND)
#define PUNCH       ((uint64_t)1 << 20) /* what is no longer kept goes in pieces of at least this */

struct live {
	struct catalog *catalog;
	struct reader *reader;
	struct cache *spill;
	uint64_t keep;
	void (*grew)(void *arg);
	void *arg;

	/* The thread's own. */
	struct arrivals arrivals;
	uint64_t written;    /* bytes in the file */
	uint32_t complained; /* the object of the last complaint */

	pthread_mutex_t lock; /* a leaf: guards what follows */
	pthread_cond_t changed;
	pthread_t thread;
	bool started, stopping, woken;
	int fd; /* -1: not made yet */
	struct live_is is;
	int64_t short_at; /* when somebody last read to the end (monotonic ns) */
};

/* An event on its way into a group. */
struct item {
	struct arrival is;
	size_t at, len; /* its line; len 0: it cannot be read now */
};

/* ---- the file ---- */

static int write_all(int fd, const char *p, size_t n, uint64_t at)
{
	while (n > 0) {
		ssize_t done = pwrite(fd, p, n, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		p += done;
		at += (uint64_t)done;
		n -= (size_t)done;
	}
	return 0;
}

static int append(struct live *l, const char *p, size_t n)
{
	int fd = l->fd, err; /* only this thread sets it */

	if (fd < 0) {
		fd = cache_spill(l->spill);
		if (fd < 0)
			return fd;
		pthread_mutex_lock(&l->lock);
		l->fd = fd;
		pthread_mutex_unlock(&l->lock);
	}
	err = write_all(fd, p, n, l->written);
	if (!err)
		l->written += n;
	return err;
}

/* Lets go of what is too old. `first` is told before the bytes go, so that who has read them meanwhile learns
 * it. */
static void forget_old(struct live *l)
{
	uint64_t first = l->written > l->keep ? l->written - l->keep : 0, old;

	first -= first % 4096;
	pthread_mutex_lock(&l->lock);
	old = l->is.first;
	if (first >= old + (PUNCH < l->keep ? PUNCH : 4096))
		l->is.first = first;
	else
		first = old;
	pthread_mutex_unlock(&l->lock);
	if (first > old)
		fallocate(
			l->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)old, (off_t)(first - old));
}

static void tell_size(struct live *l)
{
	int64_t end = clock_now() + QUIET_MAX, now;

	pthread_mutex_lock(&l->lock);
	while (!l->stopping && (now = clock_now()) < end && now < l->short_at + QUIET)
		clock_wait(&l->changed, &l->lock, l->short_at + QUIET < end ? l->short_at + QUIET : end);
	l->is.size = l->written;
	l->is.grown = clock_date();
	pthread_mutex_unlock(&l->lock);
	forget_old(l);
	l->grew(l->arg);
}

/* ---- a group ---- */

static int by_object(const void *a, const void *b)
{
	const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;

	if (x->is.object != y->is.object)
		return x->is.object < y->is.object ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* The line of an event, which must be the record that was indexed. */
static int write_line(const struct item *i, const struct blob *b, char *out)
{
	const struct segment *s = i->is.part->seg;
	uint64_t offset = segment_row_offset(s, i->is.row), len = segment_row_length(s, i->is.row);
	size_t minified = i->len - 1;

	if (offset + len > blob_len(b) ||
		minify_write(blob_data(b) + offset, len, out + i->at, minified) != minified ||
		XXH3_64bits(out + i->at, minified) != segment_row_hash(s, i->is.row))
		return -EIO;
	out[i->at + minified] = '\n';
	return 0;
}

static int load_object(struct live *l, const struct arrival *of, struct blob **ret)
{
	const struct object *o = catalog_object(l->catalog, of->object);
	uint32_t place = segment_row_object(of->part->seg, of->row);
	struct reader_want want;

	if (!o)
		return -ESTALE;
	want = (struct reader_want){
		.number = o->number,
		.o = &o->at,
		.gunzip = o->gunzip,
		.decoded = (segment_object(of->part->seg, place).flags & SEGMENT_DECODED) != 0,
	};
	return reader_load(l->reader, &want, 1, ret);
}

/* Items of one object. */
static int write_object(struct live *l, struct item *const *item, size_t n, char *out)
{
	struct blob *b = NULL;
	int failed = load_object(l, &item[0]->is, &b);
	bool loaded = !failed;

	for (size_t i = 0; i < n; i++) {
		int err = loaded ? write_line(item[i], b, out) : failed;

		if (err)
			item[i]->len = 0;
		failed = err ? err : failed;
	}
	blob_unref(b);
	return failed;
}

/* Once an object, or a log that cannot be read would fill the log. */
static void complain(struct live *l, uint32_t object, int err)
{
	const struct object *o = catalog_object(l->catalog, object);

	if (l->complained == object)
		return;
	l->complained = object;
	log_warning("live.jsonl: %s: %s; its events come when it can be read", o ? o->at.key : "?",
		strerror(-err));
}

/* Lines to out, in their places; what cannot be read has len 0 then. -ECANCELED, or the last failure. */
static int write_lines(struct live *l, struct item *item, size_t n, char *out)
{
	struct item **order = malloc(n * sizeof(struct item *));
	int failed = 0;

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		order[i] = &item[i];
	qsort(order, n, sizeof(struct item *), by_object);
	for (size_t i = 0, same; i < n && failed != -ECANCELED; i += same) {
		int err;

		for (same = 1; i + same < n && order[i + same]->is.object == order[i]->is.object;)
			same++;
		err = write_object(l, order + i, same, out);
		if (err && err != -ECANCELED)
			complain(l, order[i]->is.object, err);
		failed = err ? err : failed;
	}
	free(order);
	return failed;
}

/* What was told is paid, the rest is owed. */
static void settle(struct live *l, const struct item *item, size_t n, int32_t day, bool told)
{
	for (size_t i = 0; i < n; i++)
		if (told && item[i].len)
			arrivals_pay(&l->arrivals, item[i].is.mark, day);
		else if (arrivals_owe(&l->arrivals, item[i].is.mark, day))
			log_error("live.jsonl: out of memory; an event is left out");
}

/* One group of items: made, written, told. 0, or a reason why some are owed. */
static int tell_group(struct live *l, struct item *item, size_t n, size_t len, int32_t day)
{
	char *out = malloc(len);
	size_t used = 0;
	int failed = out ? write_lines(l, item, n, out) : -ENOMEM, err = 0;
	bool made = out && failed != -ENOMEM && failed != -ECANCELED;

	for (size_t i = 0; made && i < n; i++) {
		memmove(out + used, out + item[i].at, item[i].len);
		used += item[i].len;
	}
	if (made && used)
		err = append(l, out, used);
	free(out);
	settle(l, item, n, day, made && !err);
	if (made && used && !err)
		tell_size(l);
	return err ? err : failed;
}

/* ---- a run ---- */

static int tell_day(struct live *l, const struct arrival *new, size_t n, int32_t day)
{
	struct item *item = malloc((n + 1) * sizeof(*item));
	size_t count = 0, len = 0;
	int failed = 0;

	if (!item)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		size_t line = segment_row_minified(new[i].part->seg, new[i].row) + (size_t)1;
		int err;

		item[count++] = (struct item){new[i], len, line};
		len += line;
		if (len < GROUP && i + 1 < n)
			continue;
		err = tell_group(l, item, count, len, day);
		failed = err ? err : failed;
		count = len = 0;
	}
	free(item);
	return failed;
}

static int tell_new(struct live *l, struct snapshot *s)
{
	int32_t *day;
	size_t n;
	int failed = 0, err = arrivals_look(&l->arrivals, s, &day, &n);

	if (err)
		return err;
	for (size_t i = 0; i < n && !err; i++) {
		struct arrival *new;
		size_t n_new;
		int some;

		err = arrivals_of_day(&l->arrivals, day[i], &new, &n_new);
		if (err)
			break;
		some = tell_day(l, new, n_new, day[i]);
		failed = some ? some : failed;
		free(new);
	}
	free(day);
	/* Where memory lacked, what has been told may come once more. */
	if (!err)
		err = arrivals_know_all(&l->arrivals);
	return err ? err : failed;
}

void live_wake(struct live *l)
{
	pthread_mutex_lock(&l->lock);
	l->woken = true;
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
}

/* again: what failed last time is due. 0, -EAGAIN: no refresh has ended; or what failed. */
static int run_once(struct live *l, int before, bool again)
{
	struct snapshot *s;
	bool is_first = !l->arrivals.last;
	int err = catalog_settled(l->catalog, &s);

	if (err == -EAGAIN)
		return before;
	if (err)
		return err;
	if (l->arrivals.last && s->generation == l->arrivals.last->generation && !again)
		err = before;
	else
		err = tell_new(l, s);
	if (is_first) /* it may be long past */
		live_wake(l);
	snapshot_unref(s);
	return err;
}

static void *run(void *arg)
{
	struct live *l = arg;
	int64_t due = INT64_MAX, pause = RETRY_FIRST;
	int err = 0;

	pthread_mutex_lock(&l->lock);
	while (!l->stopping) {
		bool again = clock_now() >= due;

		if (!l->woken && !again) {
			clock_wait(&l->changed, &l->lock, due);
			continue;
		}
		l->woken = false;
		pthread_mutex_unlock(&l->lock);
		err = run_once(l, err, again);
		pthread_mutex_lock(&l->lock);
		if (!err) {
			due = INT64_MAX;
			pause = RETRY_FIRST;
		} else if (again || due == INT64_MAX) {
			due = clock_now() + pause;
			pause = pause * 2 < RETRY_MAX ? pause * 2 : RETRY_MAX;
		}
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* ---- public ---- */

struct live_is live_stat(struct live *l)
{
	struct live_is is;

	pthread_mutex_lock(&l->lock);
	is = l->is;
	pthread_mutex_unlock(&l->lock);
	return is;
}

int live_read(struct live *l, uint64_t offset, size_t size, char *out, size_t *ret_n)
{
	struct live_is is;
	size_t got = 0;
	int fd;

	pthread_mutex_lock(&l->lock);
	is = l->is;
	fd = l->fd;
	if (offset + size > is.size) {
		l->short_at = clock_now();
		size = offset < is.size ? (size_t)(is.size - offset) : 0;
	}
	pthread_mutex_unlock(&l->lock);
	while (got < size) {
		ssize_t n = pread(fd, out + got, size - got, (off_t)(offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		got += (size_t)n;
	}
	if (size > 0 && offset < live_stat(l).first)
		return -ESTALE;
	*ret_n = size;
	return 0;
}

int live_new(struct catalog *c, struct days *days, struct reader *r, struct cache *spill, uint64_t keep,
	void (*grew)(void *arg), void *arg, struct live **ret)
{
	struct live *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->catalog = c;
	l->reader = r;
	l->spill = spill;
	l->keep = keep;
	l->grew = grew;
	l->arg = arg;
	l->fd = -1;
	l->complained = CATALOG_NO_OBJECT;
	l->is.grown = clock_date();
	l->short_at = INT64_MIN / 2;
	arrivals_init(&l->arrivals, days);
	pthread_mutex_init(&l->lock, NULL);
	clock_cond_init(&l->changed);
	*ret = l;
	return 0;
}

int live_start(struct live *l)
{
	sigset_t all, before;
	int err;

	/* Signals are for the thread that serves the mount. */
	sigfillset(&all);
	sigdelset(&all, SIGBUS); /* fs/fault.h */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&l->thread, NULL, run, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	l->started = !err;
	return -err;
}

void live_stop(struct live *l)
{
	pthread_mutex_lock(&l->lock);
	l->stopping = true;
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
	if (l->started)
		pthread_join(l->thread, NULL);
	l->started = false;
}

void live_free(struct live *l)
{
	if (!l)
		return;
	arrivals_clear(&l->arrivals);
	if (l->fd >= 0)
		close(l->fd);
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
