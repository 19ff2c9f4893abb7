/*
 * Pushing contents into the page cache, by a thread of its own. The kernel holds the locks of the pages that
 * a READ is for until it is answered, and storing waits for such locks: uninterruptibly, so whoever pushes
 * may wait for a READ that nobody has looked at yet. Were it a thread that answers READs, and the only one
 * left, that would be the end. So the thread that serves a READ hands the work over, and waits for it, as
 * what comes next should be there when the reader goes on; but only for WAIT_NS. Files of which a READ is
 * known to be under way are left out.
 *
 * Readers walk a directory in one of two orders: that of the listing, or by inode number (find, grep -r, du
 * with more than 10,000 entries; cp -r always), which is built when the first does not fit.
 */
#include "fs/push.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fs/clock.h"

#define RING         8
#define UNKNOWN_MAX  16       /* files the kernel does not know, one after another, that end a push */
#define BY_INODE_MAX 400000u  /* entries; a larger directory is only followed in the listing's order */
#define READING_MAX  64       /* READs under way; with more, nothing is pushed */
#define WAIT_NS      20000000 /* that a READ waits for its push at most */
#define STRAY_READS  2        /* reads out of the listing's order until the other is tried */
#define ENTRIES_MAX  (1u << 28)

/* An order of a directory's entries. NULL arrays: as listed. */
struct order {
	struct push_walks walks;
	uint32_t *place, *position; /* position -> place, place -> position */
};

/* Counted; all but refs belongs to the thread. */
struct listed {
	atomic_uint refs;
	uint64_t node;
	struct tree_dir *dir;
	uint32_t n;
	uint64_t *pushed; /* a bit for each position; NULL: none yet */
	struct order as_listed, by_inode;
	bool no_by_inode; /* it could not be built */
	unsigned stray;
};

struct push {
	struct fuse_session *session;
	struct tree *tree;
	_Atomic uint64_t files;
	bool walking, walking_by_inode; /* what the last reader did; the thread's */

	pthread_mutex_t lock;
	pthread_cond_t changed;    /* job, done, stopping, running */
	struct listed *ring[RING]; /* newest first */
	uint64_t reading[READING_MAX];
	unsigned n_reading, n_more; /* more: those for which there was no room */
	struct {
		uint64_t node;
		bool ready;
	} job;
	uint64_t jobs, done; /* jobs given and finished: one at a time */
	bool started, running, stopping;
	pthread_t thread;
};

static uint32_t reach(const struct push_walk *w)
{
	return (w->window != 0 ? w->window : PUSH_WINDOW_MIN) + PUSH_SLACK;
}

/* The walk that a read is part of, or NULL. */
static struct push_walk *walk_of(struct push_walks *w, uint32_t place)
{
	for (unsigned i = 0; i < PUSH_WALKS && i < w->begun; i++) {
		struct push_walk *walk = &w->walk[i];
		if (place > walk->last ? place - walk->last <= reach(walk)
				       : walk->last - place < walk->window)
			return walk;
	}
	return NULL;
}

struct push_range push_window(struct push_walks *w, uint32_t place, uint32_t n, bool walking)
{
	struct push_walk *walk = walk_of(w, place);
	bool first = w->begun == 0;
	if (place >= n)
		return (struct push_range){0};
	if (walk == NULL) {
		walk = &w->walk[w->begun++ % PUSH_WALKS];
		*walk = (struct push_walk){.last = place};
		if (!first || !walking || place != 0)
			return (struct push_range){0};
	} else if (place <= walk->last) {
		return (struct push_range){.follows = true};
	}
	walk->last = place;
	walk->window = walk->window == 0 ? PUSH_WINDOW_MIN : 2 * walk->window;
	if (walk->window > PUSH_WINDOW_MAX)
		walk->window = PUSH_WINDOW_MAX;
	uint32_t left = n - (place + 1);
	return (struct push_range){
		.first = place + 1,
		.end = place + 1 + (left < walk->window ? left : walk->window),
		.follows = true,
	};
}

static void listed_unref(struct listed *l)
{
	if (l == NULL || atomic_fetch_sub(&l->refs, 1) != 1)
		return;
	tree_dir_unref(l->dir);
	free(l->pushed);
	free(l->by_inode.place);
	free(l->by_inode.position);
	free(l);
}

struct by_inode {
	uint64_t ino;
	uint32_t position;
};

static int by_inode_compare(const void *a, const void *b)
{
	const struct by_inode *x = a, *y = b;
	return x->ino != y->ino ? (x->ino < y->ino ? -1 : 1)
				: (x->position > y->position) - (x->position < y->position);
}

static int by_inode_build(struct push *p, struct listed *l)
{
	struct by_inode *sorted = calloc(l->n, sizeof(*sorted));
	uint32_t *place = calloc(l->n, sizeof(*place)), *position = calloc(l->n, sizeof(*position));
	int ret = sorted == NULL || place == NULL || position == NULL ? -ENOMEM : 0;
	for (uint32_t i = 0; ret == 0 && i < l->n; i++) {
		struct tree_scratch scratch;
		struct tree_entry e;
		ret = tree_dir_entry(p->tree, l->dir, i, &scratch, &e);
		if (ret == 0)
			sorted[i] = (struct by_inode){e.ino, i};
	}
	if (ret != 0)
		goto out;
	qsort(sorted, l->n, sizeof(*sorted), by_inode_compare);
	for (uint32_t i = 0; i < l->n; i++) {
		position[i] = sorted[i].position;
		place[sorted[i].position] = i;
	}
	l->by_inode.place = place;
	l->by_inode.position = position;
	place = position = NULL;
out:
	free(sorted);
	free(place);
	free(position);
	return ret;
}

/* The directory that has the file, ref'd, and where. */
static struct listed *find(struct push *p, uint64_t node, uint32_t *ret_position)
{
	struct listed *ring[RING], *found = NULL;
	pthread_mutex_lock(&p->lock);
	for (int i = 0; i < RING; i++) {
		ring[i] = p->ring[i];
		if (ring[i] != NULL)
			atomic_fetch_add(&ring[i]->refs, 1);
	}
	pthread_mutex_unlock(&p->lock);
	for (int i = 0; i < RING; i++) {
		ssize_t position = ring[i] == NULL || found != NULL
					   ? -ENOENT
					   : tree_dir_find(p->tree, ring[i]->dir, node);
		if (position >= 0 && (uint64_t)position < ring[i]->n) {
			found = ring[i];
			*ret_position = (uint32_t)position;
		} else {
			listed_unref(ring[i]);
		}
	}
	return found;
}

/* Whether one more order is worth trying; builds it. */
static bool try_by_inode(struct push *p, struct listed *l)
{
	if (l->by_inode.place != NULL)
		return true;
	if (l->no_by_inode || l->n > BY_INODE_MAX)
		return false;
	if (++l->stray <= STRAY_READS && !(p->walking && p->walking_by_inode))
		return false;
	l->no_by_inode = by_inode_build(p, l) != 0;
	return !l->no_by_inode;
}

/* What to push, and in which order. */
static struct push_range next_range(struct push *p, struct listed *l, uint32_t position, struct order **ret)
{
	*ret = &l->as_listed;
	bool walking = p->walking && !p->walking_by_inode;
	struct push_range range = push_window(&l->as_listed.walks, position, l->n, walking);
	bool by_inode = !range.follows && try_by_inode(p, l);
	if (by_inode) {
		*ret = &l->by_inode;
		walking = p->walking && p->walking_by_inode;
		range = push_window(&l->by_inode.walks, l->by_inode.place[position], l->n, walking);
	}
	p->walking = range.follows;
	p->walking_by_inode = by_inode && range.follows;
	return range;
}

/* One file: 0; -ENOENT: the kernel does not know it; -EFBIG: not to be pushed; other errors end the push. */
static int store(struct push *p, uint64_t node)
{
	struct tree_bytes bytes;
	int ret = tree_read(p->tree, node, 0, PUSH_FILE_MAX + 1, &bytes);
	if (ret < 0)
		return ret;
	if (bytes.n > PUSH_FILE_MAX || bytes.n == 0) {
		ret = -EFBIG;
	} else {
		struct fuse_bufvec vec = FUSE_BUFVEC_INIT(bytes.n);
		vec.buf[0].mem = (void *)(uintptr_t)bytes.data;
		ret = fuse_lowlevel_notify_store(p->session, node, 0, &vec, 0);
	}
	tree_bytes_clear(&bytes);
	return ret;
}

static bool is_free(struct push *p, uint64_t node)
{
	pthread_mutex_lock(&p->lock);
	bool is = p->n_more == 0 && !p->stopping;
	for (unsigned i = 0; is && i < p->n_reading; i++)
		is = p->reading[i] != node;
	pthread_mutex_unlock(&p->lock);
	return is;
}

static void push_range(
	struct push *p, struct listed *l, const struct order *o, struct push_range range, bool ready)
{
	struct tree_scratch scratch;
	struct tree_entry e;
	unsigned unknown = 0;
	uint64_t node[PUSH_WINDOW_MAX];
	uint32_t position[PUSH_WINDOW_MAX], n = 0;
	for (uint32_t i = range.first; i < range.end; i++) {
		uint32_t at = o->position != NULL ? o->position[i] : i;
		if (l->pushed[at / 64] >> (at % 64) & 1)
			continue;
		if (tree_dir_entry(p->tree, l->dir, at, &scratch, &e) != 0)
			break;
		tree_prefetch(p->tree, e.node);
		position[n] = at;
		node[n++] = e.node;
	}
	for (uint32_t i = 0; ready && i < n && unknown < UNKNOWN_MAX; i++) {
		if (!is_free(p, node[i]))
			continue;
		int error = store(p, node[i]);
		if (error == -ENOENT) {
			unknown++;
			continue;
		}
		if (error != 0 && error != -EFBIG)
			break;
		unknown = 0;
		if (error == 0) {
			l->pushed[position[i] / 64] |= 1ull << (position[i] % 64);
			atomic_fetch_add(&p->files, 1);
		}
	}
}

/* The kernel reads what was pushed: it has dropped it, and no doubt the rest too. */
static int note_read(struct listed *l, uint32_t position)
{
	size_t words = l->n / 64 + 1;
	if (l->pushed == NULL) {
		l->pushed = calloc(words, sizeof(*l->pushed));
		return l->pushed == NULL ? -ENOMEM : 0;
	}
	if (l->pushed[position / 64] >> (position % 64) & 1) {
		memset(l->pushed, 0, words * sizeof(*l->pushed));
		l->as_listed.walks = l->by_inode.walks = (struct push_walks){0};
	}
	return 0;
}

static void follow_read(struct push *p, uint64_t node, bool ready)
{
	uint32_t position;
	struct listed *l = find(p, node, &position);
	if (l != NULL && note_read(l, position) == 0) {
		struct order *order;
		struct push_range range = next_range(p, l, position, &order);
		push_range(p, l, order, range, ready);
	}
	listed_unref(l);
}

static void *work(void *arg)
{
	struct push *p = arg;
	pthread_mutex_lock(&p->lock);
	while (!p->stopping) {
		if (p->jobs == p->done) {
			pthread_cond_wait(&p->changed, &p->lock);
			continue;
		}
		uint64_t node = p->job.node;
		bool ready = p->job.ready;
		pthread_mutex_unlock(&p->lock);
		follow_read(p, node, ready);
		pthread_mutex_lock(&p->lock);
		p->done++;
		pthread_cond_broadcast(&p->changed);
	}
	p->running = false;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int push_new(struct push **ret)
{
	struct push *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	clock_cond_init(&p->changed);
	*ret = p;
	return 0;
}

int push_start(struct push *p, struct fuse_session *session, struct tree *tree)
{
	pthread_mutex_lock(&p->lock);
	p->session = session;
	p->tree = tree;
	int error = p->stopping ? 0 : pthread_create(&p->thread, NULL, work, p);
	p->started = p->running = !p->stopping && error == 0;
	pthread_mutex_unlock(&p->lock);
	return -error;
}

void push_stop(struct push *p)
{
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->changed);
	while (p->running)
		pthread_cond_wait(&p->changed, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

void push_free(struct push *p)
{
	if (p == NULL)
		return;
	push_stop(p);
	if (p->started)
		pthread_join(p->thread, NULL);
	for (int i = 0; i < RING; i++)
		listed_unref(p->ring[i]);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void push_listed(struct push *p, uint64_t node, struct tree_dir *dir)
{
	size_t n = tree_dir_count(dir);
	if (!tree_dir_of_events(dir) || n < 2 || n > ENTRIES_MAX)
		return;
	struct listed *l = calloc(1, sizeof(*l));
	if (l == NULL)
		return;
	atomic_init(&l->refs, 1);
	l->node = node;
	l->dir = tree_dir_ref(dir);
	l->n = (uint32_t)n;

	/* One that is there already and the same keeps its place in the walk: another reader may be in it. */
	pthread_mutex_lock(&p->lock);
	int i = 0;
	while (i < RING - 1 && p->ring[i] != NULL && p->ring[i]->node != node)
		i++;
	struct listed *old = p->ring[i];
	if (old != NULL && old->node == node && old->dir == dir) {
		struct listed *spare = l;
		l = old;
		old = spare;
	}
	memmove(p->ring + 1, p->ring, (size_t)i * sizeof(p->ring[0]));
	p->ring[0] = l;
	pthread_mutex_unlock(&p->lock);
	listed_unref(old);
}

void push_begin(struct push *p, uint64_t node)
{
	pthread_mutex_lock(&p->lock);
	if (p->n_reading < READING_MAX)
		p->reading[p->n_reading++] = node;
	else
		p->n_more++;
	pthread_mutex_unlock(&p->lock);
}

void push_end(struct push *p, uint64_t node)
{
	pthread_mutex_lock(&p->lock);
	unsigned i = 0;
	while (i < p->n_reading && p->reading[i] != node)
		i++;
	if (i < p->n_reading)
		p->reading[i] = p->reading[--p->n_reading];
	else
		p->n_more--;
	pthread_mutex_unlock(&p->lock);
}

void push_read(struct push *p, uint64_t node, bool ready)
{
	int64_t until = clock_now() + WAIT_NS;
	pthread_mutex_lock(&p->lock);
	if (p->running && !p->stopping && p->jobs == p->done) {
		uint64_t job = ++p->jobs;
		p->job.node = node;
		p->job.ready = ready;
		pthread_cond_broadcast(&p->changed);
		int error = 0;
		while (error == 0 && p->done < job && p->running)
			error = clock_wait(&p->changed, &p->lock, until);
	}
	pthread_mutex_unlock(&p->lock);
}

uint64_t push_files(const struct push *p)
{
	return atomic_load(&p->files);
}
