/*
 * A path as somebody types it below a mount: filters, ranges, rollups, dates, names. It is looked up part by
 * part. Whatever is found has the attributes that were said, a directory's names are found in it, a file is
 * as long as it says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/live.h"
#include "fs/log.h"
#include "fs/tree.h"
#include "tests/stack.h"

#define LISTED 16 /* names of a directory that are tried */
#define RUNS                                                                                                 \
	20000 /* after which all is made anew: filters that were asked for are held as long as the mount */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Asked between two runs, LeakSanitizer took what the threads here hold on their stacks for lost. Mounts are
 * looked at for leaks when they end. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return 1;
}

static const char events[] =
	"{\"eventTime\":\"2025-06-17T10:00:00Z\",\"eventName\":\"GetObject\",\"eventID\":\"a\","
	"\"userIdentity\":{\"type\":\"IAMUser\","
	"\"userName\":\"alice\"},\"sourceIPAddress\":\"198.51.100.7\",\"resources\":[{\"ARN\":\"arn:aws:s3:::"
	"x/y%\"},{\"ARN\":\".\"}]}\n"
	"{\"eventTime\":\"2025-06-17T10:00:00Z\",\"eventName\":\"GetObject\",\"eventID\":\"a\","
	"\"userIdentity\":{\"type\":\"Root\"},"
	"\"errorCode\":\"AccessDenied\",\"awsRegion\":\"eu-west-1\",\"userAgent\":\"\"}\n"
	"{\"eventTime\":\"2024-02-29T23:59:59Z\",\"eventName\":\"PutObject\",\"userIdentity\":{\"type\":"
	"\"IAMUser\",\"userName\":\"b/c\"}}\n"
	"{\"eventName\":\"Undated\",\"eventID\":\"..\"}\n";

static char folder[] = "/tmp/trailfs-fuzz-XXXXXX", file[sizeof(folder) + 16];

static struct world {
	struct stack stack;
	struct live *live;
	struct tree *tree;
	unsigned runs;
} world;

static void must(bool right)
{
	if (!right)
		abort();
}

static void leave(void)
{
	unlink(file);
	rmdir(folder);
}

static void make_source(void)
{
	FILE *f;

	log_set_level(LOG_LEVEL_ERROR);
	must(mkdtemp(folder) != NULL);
	atexit(leave);
	snprintf(file, sizeof(file), "%s/log.jsonl", folder);
	f = fopen(file, "w");
	must(f && fputs(events, f) >= 0 && fclose(f) == 0);
}

static void start(struct world *w)
{
	struct stack *s = &w->stack;
	struct tree_options tree = {.dir_mode = 0555, .file_mode = 0444, .source = folder};

	must(stack_make(s, folder) == 0);
	must(live_new(s->catalog, s->days, s->reader, NULL, 4096, changes_tell, &s->changes, &w->live) == 0);
	tree.rollups = s->rollups;
	tree.live = w->live;
	must(tree_new(&tree, s->catalog, s->days, s->view, s->reader, NULL, &w->tree) == 0);
	must(stack_start(s) == 0);
}

static void end(struct world *w)
{
	stack_stop(&w->stack);
	live_stop(w->live);
	tree_free(w->tree);
	live_free(w->live);
	stack_clear(&w->stack);
}

/* Whether to ask again, after a while. */
static bool again(int r)
{
	static int64_t late;

	if (r != -EAGAIN) {
		late = 0;
		return false;
	}
	if (late == 0)
		late = changes_end();
	must(changes_wait(&world.stack.changes, late));
	return true;
}

static int look_up(uint64_t parent, const char *name, uint64_t *ret_node, struct stat *ret)
{
	int r;

	do
		r = tree_lookup(world.tree, parent, name, ret_node, ret);
	while (again(r));
	must(r == 0 || r == -ENOENT || r == -ENOTDIR || r == -ENAMETOOLONG);
	return r;
}

static void list(uint64_t node)
{
	struct tree_scratch scratch;
	struct tree_entry e;
	struct tree_dir *d;
	struct stat st;
	uint64_t found;
	int r;

	do
		r = tree_list(world.tree, node, &d);
	while (again(r));
	must(r == 0);
	for (size_t i = 0; i < tree_dir_count(d) && i < LISTED; i++) {
		do
			r = tree_dir_entry(world.tree, d, i, &scratch, &e);
		while (again(r));
		must(r == 0 && *e.name && strlen(e.name) <= 255 && !strchr(e.name, '/'));
		must(look_up(node, e.name, &found, &st) == 0 && st.st_ino == e.ino &&
			(st.st_mode & S_IFMT) == e.type);
	}
	tree_dir_unref(d);
}

static void read_file(uint64_t node, const struct stat *st)
{
	struct tree_bytes b;
	int r;

	for (int at_end = 0; at_end < 2; at_end++) {
		uint64_t offset = at_end ? (uint64_t)st->st_size : 0;

		do
			r = tree_read(world.tree, node, offset, 4096, &b);
		while (again(r));
		if (r < 0) {
			must(r == -EIO || r == -ESTALE);
			return;
		}
		must(tree_keep(node) == TREE_KEEP_NOT ||
			b.n == (at_end                      ? 0
				       : st->st_size < 4096 ? (size_t)st->st_size
							    : 4096));
		tree_bytes_clear(&b);
	}
}

static void follow_path(char *path)
{
	struct stat st, same;
	uint64_t node = TREE_ROOT;
	char *rest = path, *name;

	while ((name = strsep(&rest, "/"))) {
		if (*name == '\0')
			continue;
		if (strlen(name) > 255 || look_up(node, name, &node, &st) < 0)
			return;
		must(tree_getattr(world.tree, node, &same) == 0 && same.st_ino == st.st_ino &&
			same.st_mode == st.st_mode &&
			(same.st_size == st.st_size || tree_keep(node) == TREE_KEEP_NOT));
		if (!S_ISDIR(st.st_mode)) {
			read_file(node, &st);
			return;
		}
	}
	list(node);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[4096];

	if (!world.tree) {
		make_source();
		start(&world);
	} else if (++world.runs % RUNS == 0) {
		end(&world);
		start(&world);
	}
	if (size >= sizeof(path))
		return -1;
	memcpy(path, data, size);
	path[size] = '\0';
	follow_path(path);
	return 0;
}
