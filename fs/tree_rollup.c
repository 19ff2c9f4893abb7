/*
 * Names that hold all events below a directory: rollups (fs/rollup.h). Like all that is in tree_hidden.c they
 * are reachable and never listed.
 *
 * A node is a version, which never changes: whoever has it open reads on what was there. Its name is what
 * changes, so the kernel asks for that again after a second.
 */
#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "fs/log.h"
#include "fs/tree_private.h"

#define NS 1000000000

static const char *const rollup_name[ROLLUP_KINDS] = {
	[ROLLUP_JSONL] = "all.jsonl",
	[ROLLUP_JSON] = "all.json",
	[ROLLUP_CSV] = "all.csv",
	[ROLLUP_COUNT] = "count",
	[ROLLUP_COUNTS] = "counts.tsv",
	[ROLLUP_REPORT] = "report.html",
};

/* The rollup that a name is in a directory; false: none. */
static bool find_what(uint64_t dir, const char *name, enum rollup_what *ret)
{
	bool facet = node_kind(dir) == NODE_FACET;

	for (int i = 0; i < ROLLUP_KINDS; i++)
		if (facet == (i == ROLLUP_COUNTS) && !strcmp(name, rollup_name[i])) {
			*ret = (enum rollup_what)i;
			return true;
		}
	return false;
}

static int key_of(uint64_t dir, enum rollup_what what, struct rollup_key *ret)
{
	bool dated = node_kind(dir) >= NODE_YEAR && node_kind(dir) <= NODE_DAY;

	*ret = (struct rollup_key){
		.dir = dir,
		.what = what,
		.facet = what == ROLLUP_COUNTS ? (enum facet)(dir & 0xff) : FACET_COUNT,
		.filter = node_filter(dir),
		.first = SEGMENT_UNDATED + 1,
		.last = INT32_MAX,
		.undated = !dated,
	};
	if (!dated)
		return 0;
	if (!node_days(dir, &ret->first, &ret->last))
		return -ESTALE;
	ret->undated = ret->first == SEGMENT_UNDATED;
	ret->dated = ret->undated ? 1 : (uint8_t)(node_kind(dir) - NODE_YEARS);
	return 0;
}

/* Its times are those of its newest event, as its directory's are; the part of a second tells versions apart
 * for those who compare times. */
static void stat_rollup(struct tree *t, const struct rollup_is *is, struct stat *ret)
{
	uint64_t ino = XXH3_64bits_withSeed(&is->identity, sizeof(is->identity), tree_ino_dir(t, is->dir));

	tree_stat_dir(t, is->dir, is->newest, ret);
	ret->st_mtim.tv_nsec = (long)(is->identity % NS);
	ret->st_ctim = ret->st_atim = ret->st_mtim;
	ret->st_ino = (ino + is->what) | TREE_INO_HASHED;
	ret->st_mode = S_IFREG | t->options.file_mode;
	ret->st_size = (off_t)is->size;
	ret->st_blocks = (blkcnt_t)((is->size + 511) / 512);
}

static int find_rollup(struct tree *t, const struct rollup_key *key, struct rollup_is *ret)
{
	int32_t first, last;
	int err = tree_span(t, key->dir, &first, &last);

	if (!err)
		err = tree_wait_days(t, first, last);
	/* No event can be there: that much is known at once. */
	if (err && err != -ENOENT)
		return err;
	err = rollup_find(t->options.rollups, key, ret);
	/* What went wrong is wrong with it, not with its name. */
	return err == -ENOENT || err == -EBADMSG ? -EIO : err;
}

int tree_lookup_rollup(struct tree *t, uint64_t dir, const char *name, uint64_t *ret_node, struct stat *ret)
{
	enum rollup_what what;
	struct rollup_key key;
	struct rollup_is is;
	int err;

	if (!find_what(dir, name, &what))
		return -ENOENT;
	if (!view_filter_known(t->view, node_filter(dir)))
		return -ESTALE;
	err = key_of(dir, what, &key);
	if (err)
		return err;
	err = find_rollup(t, &key, &is);
	/* Damage may have been found, and dropped by another call, long before this one, which then nothing
	 * would wake. What it is told when it asks again was found since. */
	if (err == -EUCLEAN) {
		tree_heal(t, err);
		err = find_rollup(t, &key, &is);
	}
	if (err)
		return err;
	*ret_node = node_make(NODE_ROLLUP, is.id);
	stat_rollup(t, &is, ret);
	return 0;
}

int tree_stat_rollup(struct tree *t, uint64_t node, struct stat *ret)
{
	struct rollup_is is;
	int err = rollup_stat(t->options.rollups, node_rest(node), &is);

	if (!err)
		stat_rollup(t, &is, ret);
	return err;
}

int tree_read_rollup(struct tree *t, uint64_t node, uint64_t offset, size_t size, struct tree_bytes *ret)
{
	struct rollups *r = t->options.rollups;
	struct tree_bytes b = {0};
	struct rollup_is is;
	int err = rollup_read(r, node_rest(node), offset, size, &b.data, &b.n, &b.blob, &b.own);

	/* As above. */
	if (err == -EUCLEAN) {
		tree_heal(t, err);
		err = rollup_read(r, node_rest(node), offset, size, &b.data, &b.n, &b.blob, &b.own);
		err = tree_heal(t, err);
	}
	if (!err)
		*ret = b;
	else if (err != -EAGAIN && err != -ESTALE && !rollup_stat(r, node_rest(node), &is))
		log_warning("reading %s at %llu: %s", rollup_name[is.what], (unsigned long long)offset,
			strerror(-err));
	return err;
}
