/*
 * Nodes to attributes, and the tree's life.
 */
#include "fs/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "fs/live.h"
#include "fs/log.h"
#include "fs/store/cache.h"
#include "fs/tree_private.h"
#include "render/name.h"

#define DAY_SECONDS 86400
#define NS          1000000000
#define INO_BITS    46 /* of an event's inode number are hash, the second of its day is above them */
#define FILE_BLOCK  4096
/* glibc's opendir() takes a buffer of this size, and Linux from 6.16 on asks for a buffer of names at once:
 * 540 with attributes, in place of 137 with glibc's 32 KiB. */
#define DIR_BLOCK   (128 << 10)

/* ---- waiting ---- */

int tree_wait_listing(struct tree *t)
{
	int err = catalog_list_error(t->catalog);

	return err ? err : catalog_listed(t->catalog) ? 0 : -EAGAIN;
}

int tree_wait_days(struct tree *t, int32_t first, int32_t last)
{
	int err = catalog_list_error(t->catalog);

	if (err)
		return err;
	return catalog_pending(t->catalog, first, last) ? -EAGAIN : catalog_unread(t->catalog, first, last);
}

int tree_wait_all(struct tree *t)
{
	return catalog_counts(t->catalog).complete || catalog_list_error(t->catalog) ? 0 : -EAGAIN;
}

int tree_span(struct tree *t, uint64_t node, int32_t *ret_first, int32_t *ret_last)
{
	struct view_span span = view_span(t->view, node_filter(node));
	int32_t first, last;
	bool dated = node_kind(node) >= NODE_YEAR;

	if (dated && !node_days(node, &first, &last))
		return -ESTALE;
	if (dated ? first == SEGMENT_UNDATED : span.undated) {
		*ret_first = INT32_MIN;
		*ret_last = INT32_MAX;
		return span.undated ? 0 : -ENOENT;
	}
	if (!dated || first < span.first)
		first = span.first;
	if (!dated || last > span.last)
		last = span.last;
	if (first > last)
		return -ENOENT;
	*ret_first = first;
	*ret_last = last;
	return 0;
}

int64_t tree_progress_at(struct tree *t)
{
	return catalog_progress_at(t->catalog);
}

/* ---- prefixes of the bucket ---- */

static struct prefix *prefix_at(struct tree *t, uint32_t number)
{
	return &t->prefix[number / TREE_PREFIX_CHUNK][number % TREE_PREFIX_CHUNK];
}

struct prefix tree_prefix_at(struct tree *t, uint32_t number)
{
	struct prefix p = {"", 0};

	pthread_mutex_lock(&t->lock);
	if (number < t->n_prefixes)
		p = *prefix_at(t, number);
	pthread_mutex_unlock(&t->lock);
	return p;
}

static int add_prefix(struct tree *t, const char *text, size_t len, uint64_t hash, uint32_t *ret)
{
	char *copy = strndup(text, len);

	if (copy && t->n_prefixes % TREE_PREFIX_CHUNK == 0) {
		size_t n = t->n_prefixes / TREE_PREFIX_CHUNK;
		struct prefix **more = reallocarray(t->prefix, n + 1, sizeof(*more));

		if (more) {
			t->prefix = more;
			more[n] = calloc(TREE_PREFIX_CHUNK, sizeof(**more));
		}
		if (!more || !more[n]) {
			free(copy);
			return -ENOMEM;
		}
	}
	if (!copy || keymap_put(&t->by_prefix, hash, t->n_prefixes)) {
		free(copy);
		return -ENOMEM;
	}
	*prefix_at(t, t->n_prefixes) = (struct prefix){copy, len};
	*ret = t->n_prefixes++;
	return 0;
}

int tree_prefix(struct tree *t, const char *text, size_t len, bool make, uint32_t *ret)
{
	uint64_t hash = XXH3_64bits(text, len), item;
	size_t at = 0;
	int err = make ? 0 : -ENOENT;

	pthread_mutex_lock(&t->lock);
	while ((item = keymap_next(&t->by_prefix, hash, &at)) != KEYMAP_NONE) {
		struct prefix *p = prefix_at(t, (uint32_t)item);

		if (p->len == len && !memcmp(p->text, text, len))
			break;
	}
	if (item != KEYMAP_NONE) {
		*ret = (uint32_t)item;
		err = 0;
	} else if (make) {
		err = add_prefix(t, text, len, hash, ret);
	}
	pthread_mutex_unlock(&t->lock);
	return err;
}

/* ---- inode numbers ---- */

static uint64_t not_special(uint64_t ino)
{
	return ino > 1 ? ino : ino + 2;
}

uint64_t tree_ino_event(const struct segment *s, uint32_t row)
{
	char spelled[36];
	struct value id = segment_row_id(s, row, spelled);
	uint64_t hash = XXH3_64bits_withSeed(id.p ? id.p : "", id.len, segment_row_hash(s, row));

	return not_special(
		(uint64_t)segment_row_second(s, row) << INO_BITS | (hash & ((1ull << INO_BITS) - 1)));
}

uint64_t tree_ino_object(const struct object *o)
{
	return XXH3_64bits_withSeed(o->at.key, strlen(o->at.key), NODE_OBJECT) | TREE_INO_HASHED;
}

static uint64_t ino_of_value(enum facet f, struct value v, uint64_t seed)
{
	return XXH3_64bits_withSeed(v.p, v.len, seed * 31 + (uint64_t)f);
}

/* Of what the directory is, not of its numbers, which differ from mount to mount. */
static uint64_t ino_of_filter(struct tree *t, uint32_t filter, uint64_t seed)
{
	while (filter != VIEW_ALL) {
		enum facet f;
		struct value v;

		filter = view_filter_last(t->view, filter, &f, &v);
		seed = ino_of_value(f, v, seed);
	}
	return seed;
}

uint64_t tree_ino_dir(struct tree *t, uint64_t node)
{
	enum node_kind kind = node_kind(node);
	uint64_t seed;

	if (kind == NODE_FIXED)
		return node == NODE_ROOT ? 1 : node | TREE_INO_HASHED;
	if (kind == NODE_BUCKET) {
		struct prefix p = tree_prefix_at(t, (uint32_t)node);

		return XXH3_64bits_withSeed(p.text, p.len, NODE_BUCKET) | TREE_INO_HASHED;
	}
	seed = (uint64_t)kind << 32 | (kind == NODE_FACET ? (node & 0xff) : node_date_of(node));
	return (XXH3_64bits(&seed, sizeof(seed)) + ino_of_filter(t, node_filter(node), seed)) |
	       TREE_INO_HASHED;
}

uint64_t tree_ino_value(struct tree *t, uint32_t base, enum facet f, struct value v)
{
	uint64_t seed = (uint64_t)NODE_YEARS << 32;

	return (XXH3_64bits(&seed, sizeof(seed)) + ino_of_filter(t, base, ino_of_value(f, v, seed))) |
	       TREE_INO_HASHED;
}

/* ---- attributes ---- */

static void stat_common(
	struct tree *t, uint64_t ino, mode_t mode, uint64_t size, int64_t mtime_ns, struct stat *ret)
{
	*ret = (struct stat){
		.st_ino = ino,
		.st_mode = mode,
		.st_nlink = 1,
		.st_uid = t->options.uid,
		.st_gid = t->options.gid,
		.st_size = (off_t)size,
		.st_blksize = S_ISDIR(mode) ? DIR_BLOCK : FILE_BLOCK,
		.st_blocks = (blkcnt_t)((size + 511) / 512),
	};
	ret->st_mtim.tv_sec = mtime_ns / NS - (mtime_ns % NS < 0);
	ret->st_mtim.tv_nsec = (mtime_ns % NS + NS) % NS;
	ret->st_ctim = ret->st_atim = ret->st_mtim;
}

/* An event's time may be outside of what 64 bits of nanoseconds hold. */
static void set_seconds(struct stat *st, int64_t seconds)
{
	st->st_mtim = (struct timespec){.tv_sec = seconds == EVENT_UNDATED ? 0 : seconds};
	st->st_ctim = st->st_atim = st->st_mtim;
}

/* The names that an event has in the listed views. */
static nlink_t count_names(const struct segment *s, uint32_t row)
{
	nlink_t n = 1;

	for (int f = 0; f < FACET_COUNT; f++)
		if (f == FACET_RESOURCE)
			n += segment_row_resources(s, row, NULL, 0);
		else
			n += segment_row_code(s, (enum facet)f, row) != SEGMENT_NO_CODE;
	return n;
}

void tree_stat_event(struct tree *t, const struct part *p, uint32_t row, int32_t day, struct stat *ret)
{
	int64_t time = EVENT_UNDATED;

	if (day != SEGMENT_UNDATED)
		time = (int64_t)day * DAY_SECONDS + segment_row_second(p->seg, row);
	stat_common(t, tree_ino_event(p->seg, row), S_IFREG | t->options.file_mode,
		segment_row_pretty(p->seg, row), 0, ret);
	set_seconds(ret, time);
	ret->st_nlink = count_names(p->seg, row);
}

void tree_stat_dir(struct tree *t, uint64_t node, int64_t mtime, struct stat *ret)
{
	stat_common(t, tree_ino_dir(t, node), S_IFDIR | t->options.dir_mode, 0, 0, ret);
	set_seconds(ret, mtime);
}

int tree_stat_object(struct tree *t, const struct object *o, struct stat *ret)
{
	struct object_now now = catalog_object_now(t->catalog, o->number);
	uint64_t size = o->at.size;

	if (now.state == OBJECT_GONE)
		return -ESTALE;
	if (now.state == OBJECT_WAITING && o->gunzip) {
		catalog_object_pending(t->catalog, o->number);
		return -EAGAIN;
	}
	if (o->gunzip && !now.error)
		size = now.inflated;
	/* The kernel does not ask for the bytes of an empty file, so what cannot be read must not look empty.
	 */
	if (now.error && !size)
		size = 1;
	stat_common(t, tree_ino_object(o), S_IFREG | t->options.file_mode, size, o->at.mtime, ret);
	return 0;
}

int tree_stat_fixed(struct tree *t, uint64_t node, struct stat *ret)
{
	size_t len;
	int64_t mtime;
	int err = 0;

	if (node == NODE_LIVE) {
		struct live_is is = live_stat(t->options.live);

		len = is.size;
		mtime = is.grown;
	} else {
		err = tree_text_stat(t, node, &len, &mtime);
	}
	if (!err)
		stat_common(t, node | TREE_INO_HASHED, S_IFREG | t->options.file_mode, len, mtime, ret);
	return err;
}

int tree_find_event(struct tree *t, uint64_t node, struct event_at *ret)
{
	uint32_t place;
	int err = catalog_locate(t->catalog, node_object(node), &ret->part, &place);

	if (err)
		return err;
	err = node_ordinal(node) >= segment_object(ret->part->seg, place).rows ? -ESTALE
	      : segment_check_events(ret->part->seg)                           ? 0
									       : -EUCLEAN;
	if (err) {
		part_unref(ret->part);
		return err;
	}
	ret->row = segment_row_of(ret->part->seg, place, node_ordinal(node));
	ret->day = segment_day_of(ret->part->seg, ret->row);
	return 0;
}

uint64_t tree_node_of(const struct day *d, struct place at)
{
	const struct part *p = d->slice[at.slice].part;

	return node_event(p->object[segment_row_object(p->seg, at.row)], segment_row_ordinal(p->seg, at.row));
}

static int stat_event_node(struct tree *t, uint64_t node, struct stat *ret)
{
	struct event_at at;
	int err = tree_find_event(t, node, &at);

	if (err)
		return err;
	tree_stat_event(t, at.part, at.row, at.day, ret);
	part_unref(at.part);
	return 0;
}

/* The newest event of days first..last under a filter. */
static int newest_of(
	struct tree *t, const struct snapshot *s, uint32_t filter, int32_t first, int32_t last, int64_t *ret)
{
	struct view_days *d;
	int err = view_days(t->view, s, filter, &d);

	if (err)
		return err;
	*ret = EVENT_UNDATED;
	for (size_t i = d->n; i--;)
		if (d->day[i].day != SEGMENT_UNDATED && d->day[i].day >= first && d->day[i].day <= last) {
			*ret = (int64_t)d->day[i].day * DAY_SECONDS + d->day[i].newest;
			break;
		}
	view_days_unref(d);
	return 0;
}

int tree_facet_newest(struct tree *t, const struct snapshot *s, enum facet f, int64_t *ret)
{
	int64_t newest;
	int err;

	pthread_mutex_lock(&t->lock);
	if (t->facet_generation[f] == s->generation) {
		*ret = t->facet_newest[f];
		pthread_mutex_unlock(&t->lock);
		return 0;
	}
	pthread_mutex_unlock(&t->lock);
	err = view_facet_newest(t->view, s, VIEW_ALL, f, &newest);
	if (err)
		return err;
	pthread_mutex_lock(&t->lock);
	t->facet_generation[f] = s->generation;
	t->facet_newest[f] = newest;
	pthread_mutex_unlock(&t->lock);
	*ret = newest;
	return 0;
}

/* Directories of events, and the root. Their times are those of what is known so far. */
static int stat_event_dir(struct tree *t, uint64_t node, struct stat *ret)
{
	struct snapshot *s = catalog_snapshot(t->catalog);
	int32_t first = INT32_MIN, last = INT32_MAX;
	int64_t newest = EVENT_UNDATED;
	int err = s ? 0 : -ENOMEM;

	if (!err && node_kind(node) == NODE_FACET && node_filter(node) != VIEW_ALL)
		err = view_facet_newest(t->view, s, node_filter(node), (enum facet)(node & 0xff), &newest);
	else if (!err && node_kind(node) == NODE_FACET)
		err = tree_facet_newest(t, s, (enum facet)(node & 0xff), &newest);
	else if (!err && node_kind(node) == NODE_FIXED)
		err = tree_facet_newest(t, s, FACET_USER, &newest); /* every event has one */
	else if (!err && node_kind(node) != NODE_YEARS && !node_days(node, &first, &last))
		err = -ESTALE;
	else if (!err)
		err = newest_of(t, s, node_filter(node), first, last, &newest);
	snapshot_unref(s);
	if (!err)
		tree_stat_dir(t, node, newest, ret);
	return err;
}

static int stat_bucket_dir(struct tree *t, uint64_t node, struct stat *ret)
{
	struct prefix p = tree_prefix_at(t, (uint32_t)node);
	struct snapshot *s = catalog_snapshot(t->catalog);
	int64_t mtime;

	if (!s)
		return -ENOMEM;
	mtime = bucket_mtime(s->keys, p.text, p.len);
	snapshot_unref(s);
	stat_common(t, tree_ino_dir(t, node), S_IFDIR | t->options.dir_mode, 0, mtime, ret);
	return 0;
}

static void remove_file(void *arg, const char *name)
{
	struct tree *t = arg;

	log_warning("cache: %s is damaged; it is removed and its objects are read again",
		*name ? name : "a part of the index in memory");
	if (*name)
		cache_remove(t->cache, name);
}

int tree_heal(struct tree *t, int err)
{
	if (err != -EUCLEAN)
		return err;
	catalog_distrust(t->catalog, remove_file, t);
	return -EAGAIN; /* also where another call was first */
}

static int get_attributes(struct tree *t, uint64_t node, struct stat *ret)
{
	const struct object *o;

	switch (node_kind(node)) {
	case NODE_FIXED:
		if (node == NODE_ROOT || node == NODE_BY_ID)
			return stat_event_dir(t, node, ret);
		if (node != NODE_TRAILFS)
			return tree_stat_fixed(t, node, ret);
		tree_stat_dir(t, node, time(NULL), ret);
		return 0;
	case NODE_EVENT:
		return stat_event_node(t, node, ret);
	case NODE_OBJECT:
		o = catalog_object(t->catalog, node_object(node));
		return o ? tree_stat_object(t, o, ret) : -ESTALE;
	case NODE_BUCKET:
		return stat_bucket_dir(t, node, ret);
	case NODE_ROLLUP:
		return tree_stat_rollup(t, node, ret);
	default:
		if (!view_filter_known(t->view, node_filter(node)))
			return -ESTALE;
		return stat_event_dir(t, node, ret);
	}
}

int tree_getattr(struct tree *t, uint64_t node, struct stat *ret)
{
	return tree_heal(t, get_attributes(t, node, ret));
}

/* Of the source, which is known at once. What is shown is only known when all events have been gone over, and
 * not only df asks, but whoever walks a large folder with fts (find, grep -r, du). */
void tree_statvfs(struct tree *t, struct statvfs *ret)
{
	struct catalog_counts c = catalog_counts(t->catalog);

	*ret = (struct statvfs){
		.f_bsize = FILE_BLOCK,
		.f_frsize = FILE_BLOCK,
		.f_blocks = (c.bytes_total + FILE_BLOCK - 1) / FILE_BLOCK,
		.f_files = c.rows,
		.f_namemax = 255,
		.f_flag = ST_RDONLY,
	};
}

enum tree_keep tree_keep(uint64_t node)
{
	if (node_kind(node) == NODE_EVENT || node == NODE_README)
		return TREE_KEEP_FOREVER;
	/* X.json is another object when there is one of that key beside X.json.gz, or a folder. */
	if (node_kind(node) == NODE_ROLLUP || node_kind(node) == NODE_OBJECT)
		return TREE_KEEP_NODE;
	return node_is_dir(node) && node != NODE_TRAILFS ? TREE_KEEP_SHORT : TREE_KEEP_NOT;
}

bool tree_moves(struct tree *t, uint64_t dir)
{
	/* Of several events with one ID the first is shown, and an earlier one may still come. */
	return dir == NODE_BY_ID || (node_has_filter(dir) && view_moves(t->view, node_filter(dir)));
}

bool tree_name_moves(const char *name)
{
	size_t stem_len;
	uint32_t clash, second;

	return strchr(name, '~') && name_read_event(name, strlen(name), true, &stem_len, &clash, &second);
}

/* ---- life ---- */

int tree_new(const struct tree_options *o, struct catalog *c, struct days *days, struct view *v,
	struct reader *r, struct cache *cache, struct tree **ret)
{
	struct tree *t = calloc(1, sizeof(*t));
	struct timespec now;
	uint32_t top;

	if (!t)
		return -ENOMEM;
	t->options = *o;
	t->catalog = c;
	t->days = days;
	t->view = v;
	t->reader = r;
	t->cache = cache;
	clock_gettime(CLOCK_REALTIME, &now);
	t->started = (int64_t)now.tv_sec * NS + now.tv_nsec;
	pthread_mutex_init(&t->lock, NULL);
	if (tree_prefix(t, "", 0, true, &top)) {
		tree_free(t);
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < t->n_prefixes; i++)
		free(prefix_at(t, i)->text);
	for (uint32_t i = 0; i * TREE_PREFIX_CHUNK < t->n_prefixes; i++)
		free(t->prefix[i]);
	free(t->prefix);
	keymap_clear(&t->by_prefix);
	for (int i = 0; i <= NODE_METRICS; i++)
		free(t->text[i].data);
	blob_unref(t->large);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
