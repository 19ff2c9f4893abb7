/*
 * The kernel's calls.
 *
 * open answers ENOSYS: from then on the kernel opens and closes files without a word to us and keeps their
 * pages. forget has nothing to forget: node ids are computed. Calls that are not here (access, flush,
 * lseek...) libfuse answers with ENOSYS, once; whatever writes is refused by the kernel, the mount
 * being read-only.
 */
#include "fs/calls.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fs/clock.h"

#define FOREVER     1e9 /* seconds */
#define SHORT       1.0
#define NAMES_OUT   (5 * CLOCK_SECOND) /* the kernel has no name any more that was SHORT then, however late */
#define UNKNOWN_INO 0xffffffff
#define DOTS        2    /* "." and ".." come before position 0 of a listing */
#define MANY        1000 /* directories, whose attributes are good for a second: see attributes_wanted() */
#define SHORT_PIECE 4096 /* bytes */

/* An offset in a directory is a position, and above it the number of the listing: in what the kernel keeps,
 * pieces of two listings then never follow each other. */
#define POSITION_BITS 40
#define SERIAL_BITS   22

/* An open directory. Who reads it from its beginning once more is shown what it is by then (POSIX,
 * rewinddir). The kernel lets go of it when no call on it is under way. */
struct handle {
	pthread_mutex_t lock; /* a leaf */
	struct tree_dir *dir;
	bool begun;
	bool cached;    /* the kernel keeps the names that it is given */
	bool kept;      /* and may have given some that it had before */
	uint64_t since; /* told_now() when dir was made */
	uint64_t given; /* it has been given with attributes from its beginning up to here */
	bool plain;     /* some of it has been given without */
	bool wanted;    /* then its names were looked up */
};

const char *const calls_count_label[COUNTS] = {
	[COUNT_LOOKUP] = "op=\"lookup\"",
	[COUNT_GETATTR] = "op=\"getattr\"",
	[COUNT_OPENDIR] = "op=\"opendir\"",
	[COUNT_READDIR] = "op=\"readdir\"",
	[COUNT_READDIRPLUS] = "op=\"readdirplus\"",
	[COUNT_READ] = "op=\"read\"",
	[COUNT_STATFS] = "op=\"statfs\"",
	[COUNT_GETXATTR] = "op=\"getxattr\"",
	[COUNT_LISTXATTR] = "op=\"listxattr\"",
};

/* Our errors to the kernel's: the only place. */
static int kernel_error(int error)
{
	switch (error) {
	case -EBADMSG: /* damaged data */
	case -ECANCELED:
		return EIO;
	case -EKEYREJECTED: /* by the bucket */
		return EACCES;
	default:
		return error < 0 ? -error : EIO;
	}
}

static struct calls *begin(fuse_req_t req, enum calls_count what)
{
	struct calls *c = fuse_req_userdata(req);
	atomic_fetch_add_explicit(&c->count[what], 1, memory_order_relaxed);
	return c;
}

static double keep_seconds(uint64_t node)
{
	switch (tree_keep(node)) {
	case TREE_KEEP_FOREVER:
	case TREE_KEEP_NODE:
		return FOREVER;
	case TREE_KEEP_SHORT:
		return SHORT;
	case TREE_KEEP_NOT:
		break;
	}
	return 0;
}

/* moves: of the directory. */
static void entry_of(
	struct fuse_entry_param *e, uint64_t node, const char *name, const struct stat *st, bool moves)
{
	*e = (struct fuse_entry_param){.ino = node, .attr = *st};
	e->attr_timeout = e->entry_timeout = keep_seconds(node);
	moves |= tree_keep(node) == TREE_KEEP_NODE || tree_name_moves(name);
	if (moves && e->entry_timeout > SHORT)
		e->entry_timeout = SHORT;
}

/* ---- calls that may have to wait ---- */

static int ask_lookup(struct calls *c, const struct call *call)
{
	uint64_t node;
	struct fuse_entry_param e;
	struct stat st;
	int ret = tree_lookup(c->tree, call->node, call->name, &node, &st);
	if (ret == -EAGAIN)
		return ret;
	if (ret < 0) {
		fuse_reply_err(call->req, kernel_error(ret));
		return 0;
	}
	if (tree_keep(node) == TREE_KEEP_FOREVER)
		told_missed(c->told, call->node);
	else
		atomic_store_explicit(&c->looked, call->node, memory_order_relaxed);
	entry_of(&e, node, call->name, &st, tree_moves(c->tree, call->node));
	fuse_reply_entry(call->req, &e);
	return 0;
}

static int ask_getattr(struct calls *c, const struct call *call)
{
	struct stat st;
	int ret = tree_getattr(c->tree, call->node, &st);
	if (ret == -EAGAIN)
		return ret;
	if (ret < 0)
		fuse_reply_err(call->req, kernel_error(ret));
	else
		fuse_reply_attr(call->req, &st, keep_seconds(call->node));
	return 0;
}

static struct handle *handle_new(struct tree_dir *dir, uint64_t since)
{
	struct handle *h = calloc(1, sizeof(*h));
	if (h == NULL)
		return NULL;
	pthread_mutex_init(&h->lock, NULL);
	h->dir = dir;
	h->since = since;
	return h;
}

static void handle_free(struct calls *c, uint64_t node, struct handle *h)
{
	if (h == NULL)
		return;
	if (h->cached)
		told_close(c->told, node);
	tree_dir_unref(h->dir);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

/* The kernel may hold a name a while longer than what it stands for: told that it is stale, it asks for the
 * name again before it says anything to anybody. Where nothing has changed for longer than that, who asks
 * came by no name: it is his working directory, and empty. */
static int list_there(struct calls *c, uint64_t node, struct tree_dir **ret)
{
	struct tree_dir *dir;
	int error = tree_list(c->tree, node, &dir);
	if (error < 0)
		return error;
	if (tree_dir_gone(node, dir) && clock_now() - tree_progress_at(c->tree) < NAMES_OUT) {
		tree_dir_unref(dir);
		return -ESTALE;
	}
	*ret = dir;
	return 0;
}

static int ask_opendir(struct calls *c, const struct call *call)
{
	struct tree_dir *dir = NULL;
	uint64_t since = told_now(c->told);
	int ret = list_there(c, call->node, &dir);
	if (ret == -EAGAIN)
		return ret;
	struct handle *h = ret == 0 ? handle_new(dir, since) : NULL;
	if (ret == 0 && h == NULL) {
		tree_dir_unref(dir);
		ret = -ENOMEM;
	}
	if (ret < 0) {
		fuse_reply_err(call->req, kernel_error(ret));
		return 0;
	}
	push_listed(c->push, call->node, dir);
	uint64_t serial = tree_dir_serial(dir);
	h->cached = told_open(c->told, call->node, serial);
	struct fuse_file_info fi = {.fh = (uintptr_t)h,
		.cache_readdir = h->cached,
		.keep_cache = h->cached && told_holds(c->told, call->node, serial)};
	h->kept = fi.keep_cache;
	/* Interrupted in the last moment: there will be no releasedir. */
	if (fuse_reply_open(call->req, &fi) == -ENOENT)
		handle_free(c, call->node, h);
	return 0;
}

static uint64_t position_of(const struct call *call)
{
	return call->offset & (((uint64_t)1 << POSITION_BITS) - 1);
}

/* A buffer of directory entries being filled. */
struct filling {
	fuse_req_t req;
	char *buf;
	size_t size, used;
	bool plus;
	bool moves;    /* the directory */
	uint64_t from; /* what offsets have above the position */
};

/* Adds one; its `next` is the offset at which the listing goes on after it. false: no room left. */
static bool add(struct filling *f, const char *name, const struct fuse_entry_param *e, off_t next)
{
	char *at = f->buf + f->used;
	size_t left = f->size - f->used;
	next |= (off_t)f->from;
	size_t n = f->plus ? fuse_add_direntry_plus(f->req, at, left, name, e, next)
			   : fuse_add_direntry(f->req, at, left, name, &e->attr, next);
	if (n > left)
		return false;
	f->used += n;
	return true;
}

static bool add_dots(struct filling *f, struct calls *c, uint64_t node, off_t *at)
{
	struct stat st;
	struct fuse_entry_param e = {.attr = {.st_ino = UNKNOWN_INO, .st_mode = S_IFDIR}};
	for (; *at < DOTS; ++*at) {
		if (*at == 0 && tree_getattr(c->tree, node, &st) == 0)
			e.attr.st_ino = st.st_ino;
		else
			e.attr.st_ino = node == TREE_ROOT ? TREE_ROOT : UNKNOWN_INO;
		if (!add(f, *at == 0 ? "." : "..", &e, *at + 1))
			return false;
	}
	return true;
}

/* 1: added; 0: no room left; or an error. */
static int add_position(
	struct filling *f, struct calls *c, const struct tree_dir *dir, size_t i, bool attributes)
{
	struct tree_scratch scratch;
	struct tree_entry entry;
	struct fuse_entry_param e;
	int ret = tree_dir_entry(c->tree, dir, i, &scratch, &entry);
	if (ret < 0)
		return ret;
	/* Node 0: a name without attributes, which the kernel then asks for when it needs them. */
	e = (struct fuse_entry_param){.attr = {.st_ino = entry.ino, .st_mode = entry.type}};
	struct stat st;
	uint64_t node;
	if (attributes && tree_dir_stat(c->tree, dir, i, &node, &st) == 0)
		entry_of(&e, node, entry.name, &st, f->moves);
	return add(f, entry.name, &e, (off_t)i + DOTS + 1);
}

/* The listing goes to the kernel from the call's position up to `end`, dots included. */
static void given(struct calls *c, const struct call *call, const struct tree_dir *dir, uint64_t end)
{
	struct handle *h = (struct handle *)(uintptr_t)call->handle;
	uint64_t serial = tree_dir_serial(dir);
	pthread_mutex_lock(&h->lock);
	bool goes_on = call->plus && h->cached && h->dir == dir && position_of(call) <= h->given;
	if (goes_on && h->given < end)
		h->given = end;
	bool whole = goes_on && h->given == tree_dir_count(dir) + DOTS;
	uint64_t since = h->since;
	pthread_mutex_unlock(&h->lock);
	if (!whole)
		return;
	told_all(c->told, call->node, serial, since);
	/* The day may have changed before, and nobody was to be told then. */
	if (!tree_serial_holds(c->tree, call->node, serial))
		c->news(c->news_arg);
}

/*
 * Whether the next piece is given with attributes. Each makes a node in the kernel, which costs many times
 * what the name does, and who lists 100,000 values mostly wants their names. So of so many only the first
 * piece has them; then a short one has none, and all others have them if a name was looked up by then.
 */
static bool attributes_wanted(
	struct calls *c, const struct call *call, const struct tree_dir *dir, size_t *size)
{
	struct handle *h = (struct handle *)(uintptr_t)call->handle;
	if (tree_dir_of_events(dir) || tree_dir_count(dir) <= MANY)
		return true;
	pthread_mutex_lock(&h->lock);
	if (call->offset == 0) {
		h->plain = h->wanted = false;
		atomic_store_explicit(&c->looked, 0, memory_order_relaxed);
	} else if (h->plain) {
		h->wanted |= atomic_load_explicit(&c->looked, memory_order_relaxed) == call->node;
	} else {
		h->plain = true;
		*size = *size < SHORT_PIECE ? *size : SHORT_PIECE;
	}
	bool wanted = call->offset == 0 || h->wanted;
	pthread_mutex_unlock(&h->lock);
	return wanted;
}

static void list(struct calls *c, const struct call *call, const struct tree_dir *dir)
{
	uint64_t serial = tree_dir_serial(dir);
	/* What a handle still shows may be no more, and its names have been dropped already. What goes from
	 * now on is dropped when this is answered: the kernel has the directory locked. */
	bool moves = tree_moves(c->tree, call->node) ||
		     (serial != 0 && !tree_serial_holds(c->tree, call->node, serial));
	struct filling f = {.req = call->req,
		.buf = malloc(call->size),
		.size = call->size,
		.plus = call->plus,
		.moves = moves,
		.from = (serial & ((1u << SERIAL_BITS) - 1)) << POSITION_BITS};
	bool attributes = call->plus && attributes_wanted(c, call, dir, &f.size);
	off_t at = (off_t)position_of(call);
	int ret = 1;
	if (f.buf == NULL) {
		fuse_reply_err(call->req, ENOMEM);
		return;
	}
	if (add_dots(&f, c, call->node, &at)) {
		size_t n = tree_dir_count(dir), i = (size_t)at - DOTS;
		while (i < n && (ret = add_position(&f, c, dir, i, attributes)) == 1)
			i++;
		given(c, call, dir, i + DOTS);
	}
	/* An error after some entries shows when the kernel goes on from there. */
	if (ret < 0 && f.used == 0)
		fuse_reply_err(call->req, ret == -EAGAIN ? EIO : kernel_error(ret));
	else
		fuse_reply_buf(call->req, f.buf, f.used);
	free(f.buf);
}

/* Lists the directory anew for a handle. What has gone since it was opened is as it was then to who has seen
 * nothing of it yet: he looks no name up again. */
static int list_again(struct calls *c, const struct call *call, bool begun)
{
	struct handle *h = (struct handle *)(uintptr_t)call->handle;
	struct tree_dir *dir;
	uint64_t since = told_now(c->told);
	int err = tree_list(c->tree, call->node, &dir);
	if (err < 0)
		return err;
	if (!begun && tree_dir_gone(call->node, dir)) {
		tree_dir_unref(dir);
		return 0;
	}
	push_listed(c->push, call->node, dir);
	pthread_mutex_lock(&h->lock);
	struct tree_dir *old = h->dir;
	h->dir = dir;
	h->since = since;
	h->given = 0;
	pthread_mutex_unlock(&h->lock);
	tree_dir_unref(old);
	return 0;
}

/* What a reader at `offset` is to see: ref'd. */
static int listing_of(struct calls *c, const struct call *call, struct tree_dir **ret)
{
	struct handle *h = (struct handle *)(uintptr_t)call->handle;
	pthread_mutex_lock(&h->lock);
	bool begun = h->begun, rewound = call->offset == 0 && (begun || h->kept);
	pthread_mutex_unlock(&h->lock);
	int err = rewound ? list_again(c, call, begun) : 0;
	if (err < 0)
		return err;
	pthread_mutex_lock(&h->lock);
	h->begun = true;
	*ret = tree_dir_ref(h->dir);
	pthread_mutex_unlock(&h->lock);
	return 0;
}

static int ask_readdir(struct calls *c, const struct call *call)
{
	struct tree_dir *dir;
	int ret = listing_of(c, call, &dir);
	if (ret == -EAGAIN)
		return ret;
	if (ret < 0) {
		fuse_reply_err(call->req, kernel_error(ret));
		return 0;
	}
	list(c, call, dir);
	tree_dir_unref(dir);
	return 0;
}

static void answer_read(struct calls *c, const struct call *call, int error, struct tree_bytes *bytes)
{
	if (error == 0)
		fuse_reply_buf(call->req, bytes->data, bytes->n);
	else
		fuse_reply_err(call->req, kernel_error(error));
	push_end(c->push, call->node);
}

static int ask_read(struct calls *c, const struct call *call)
{
	struct tree_bytes bytes = {0};
	int ret = tree_read(c->tree, call->node, call->offset, call->size, &bytes);
	if (ret == -EAGAIN)
		return ret;
	answer_read(c, call, ret, &bytes);
	tree_bytes_clear(&bytes);
	return 0;
}

static int ask_xattr(struct calls *c, const struct call *call)
{
	char *data = NULL;
	size_t n;
	int ret = call->name != NULL ? tree_xattr(c->tree, call->node, call->name, &data, &n)
				     : tree_xattr_names(c->tree, call->node, &data, &n);
	if (ret == -EAGAIN)
		return ret;
	if (ret == 0 && call->size != 0 && call->size < n)
		ret = -ERANGE;
	if (ret < 0)
		fuse_reply_err(call->req, kernel_error(ret));
	else if (call->size == 0)
		fuse_reply_xattr(call->req, n);
	else
		fuse_reply_buf(call->req, data, n);
	free(data);
	return 0;
}

static int ask(void *arg, const struct call *call)
{
	struct calls *c = arg;
	switch (call->op) {
	case CALL_LOOKUP:
		return ask_lookup(c, call);
	case CALL_GETATTR:
		return ask_getattr(c, call);
	case CALL_OPENDIR:
		return ask_opendir(c, call);
	case CALL_READDIR:
		return ask_readdir(c, call);
	case CALL_XATTR:
		return ask_xattr(c, call);
	case CALL_READ:
		break;
	}
	return ask_read(c, call);
}

static void fail(void *arg, const struct call *call, int error)
{
	struct calls *c = arg;
	fuse_reply_err(call->req, error);
	if (call->op == CALL_READ)
		push_end(c->push, call->node);
}

static int64_t progress_at(void *arg)
{
	struct calls *c = arg;
	return tree_progress_at(c->tree);
}

const struct park_ops calls_park_ops = {.ask = ask, .fail = fail, .progress_at = progress_at};

static void ask_or_park(struct calls *c, const struct call *call)
{
	uint64_t wakes = park_wakes(c->park);
	if (ask(c, call) == -EAGAIN)
		park_call(c->park, call, wakes);
}

static void do_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct call call = {.req = req, .op = CALL_LOOKUP, .node = parent, .name = name};
	ask_or_park(begin(req, COUNT_LOOKUP), &call);
}

static void do_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	(void)fi;
	struct call call = {.req = req, .op = CALL_GETATTR, .node = node};
	ask_or_park(begin(req, COUNT_GETATTR), &call);
}

/* The kernel asks for a name that nobody has once a file: ACLs, capabilities (fs/tree_xattr.c). */
static void do_getxattr(fuse_req_t req, fuse_ino_t node, const char *name, size_t size)
{
	struct calls *c = begin(req, COUNT_GETXATTR);
	struct call call = {.req = req, .op = CALL_XATTR, .node = node, .name = name, .size = size};
	if (tree_xattr_known(name))
		ask_or_park(c, &call);
	else
		fuse_reply_err(req, EOPNOTSUPP);
}

static void do_listxattr(fuse_req_t req, fuse_ino_t node, size_t size)
{
	struct call call = {.req = req, .op = CALL_XATTR, .node = node, .size = size};
	ask_or_park(begin(req, COUNT_LISTXATTR), &call);
}

static void do_opendir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	(void)fi;
	struct call call = {.req = req, .op = CALL_OPENDIR, .node = node};
	ask_or_park(begin(req, COUNT_OPENDIR), &call);
}

static void readdir_or_park(struct calls *c, fuse_req_t req, fuse_ino_t node, size_t size, off_t at,
	const struct fuse_file_info *fi, bool plus)
{
	struct call call = {.req = req,
		.op = CALL_READDIR,
		.node = node,
		.offset = (uint64_t)at,
		.size = size,
		.handle = fi->fh,
		.plus = plus};
	ask_or_park(c, &call);
}

static void do_readdir(fuse_req_t req, fuse_ino_t node, size_t size, off_t at, struct fuse_file_info *fi)
{
	readdir_or_park(begin(req, COUNT_READDIR), req, node, size, at, fi, false);
}

static void do_readdirplus(fuse_req_t req, fuse_ino_t node, size_t size, off_t at, struct fuse_file_info *fi)
{
	readdir_or_park(begin(req, COUNT_READDIRPLUS), req, node, size, at, fi, true);
}

static void do_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *fi)
{
	(void)fi;
	struct calls *c = begin(req, COUNT_READ);
	struct call call = {
		.req = req, .op = CALL_READ, .node = node, .offset = (uint64_t)offset, .size = size};
	struct tree_bytes bytes = {0};
	uint64_t wakes = park_wakes(c->park);
	push_begin(c->push, node);
	int ret = tree_read(c->tree, node, call.offset, size, &bytes);
	/* Before the answer: what comes next is then there when the reader goes on. */
	if (offset == 0 && (ret == 0 || ret == -EAGAIN))
		push_read(c->push, node, ret == 0);
	if (ret == -EAGAIN)
		park_call(c->park, &call, wakes);
	else
		answer_read(c, &call, ret, &bytes);
	tree_bytes_clear(&bytes);
}

/* ---- calls that never wait ---- */

static void do_init(void *arg, struct fuse_conn_info *conn)
{
	(void)arg;
	conn->max_background = 64;
	conn->congestion_threshold = 48;
	conn->time_gran = 1;
	/* Always with attributes. By itself the kernel asks for them in the first piece of a listing alone:
	 * then `grep -r` pays a LOOKUP a file, and nothing can be pushed, as only inodes that the kernel
	 * knows can have pages (20,000 files: 1.3 s in place of 0.35 s; `ls` alone loses 0.03 s). */
	conn->want &= ~(unsigned)FUSE_CAP_READDIRPLUS_AUTO;
	/* Else a name of a directory that has to wait holds up all of its others, and beyond Ctrl-C. */
	conn->want |= conn->capable & FUSE_CAP_PARALLEL_DIROPS;
}

static void do_forget(fuse_req_t req, fuse_ino_t node, uint64_t n)
{
	(void)node;
	(void)n;
	told_forgotten(((struct calls *)fuse_req_userdata(req))->told);
	fuse_reply_none(req);
}

static void do_forget_multi(fuse_req_t req, size_t n, struct fuse_forget_data *forgets)
{
	(void)n;
	(void)forgets;
	told_forgotten(((struct calls *)fuse_req_userdata(req))->told);
	fuse_reply_none(req);
}

static void do_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	(void)node;
	(void)fi;
	fuse_reply_err(req, ENOSYS);
}

static void do_releasedir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	handle_free(fuse_req_userdata(req), node, (struct handle *)(uintptr_t)fi->fh);
	fuse_reply_err(req, 0);
}

static void do_statfs(fuse_req_t req, fuse_ino_t node)
{
	(void)node;
	struct calls *c = begin(req, COUNT_STATFS);
	struct statvfs st = {0};
	tree_statvfs(c->tree, &st);
	fuse_reply_statfs(req, &st);
}

const struct fuse_lowlevel_ops calls_ops = {
	.init = do_init,
	.lookup = do_lookup,
	.forget = do_forget,
	.forget_multi = do_forget_multi,
	.getattr = do_getattr,
	.open = do_open,
	.read = do_read,
	.opendir = do_opendir,
	.readdir = do_readdir,
	.readdirplus = do_readdirplus,
	.releasedir = do_releasedir,
	.statfs = do_statfs,
	.getxattr = do_getxattr,
	.listxattr = do_listxattr,
};
