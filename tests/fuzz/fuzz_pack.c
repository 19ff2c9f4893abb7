/*
 * Any bytes as a pack that a writer has left, the hashes of its heads made good where they are in place: it
 * is refused, or what it gives is what its hash says. Afterwards it is whole: what was found before is found
 * again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/log.h"
#include "fs/store/pack_file_private.h"

#define NAME    "00004f10-01234567.pack"
#define DAY     0x4f10
#define DATA_ON 4096 /* bytes of data that the test asks for, at most */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int folder = -1;
static char path[] = "/tmp/trailfs-fuzz-XXXXXX";

static void leave(void)
{
	unlinkat(folder, NAME, 0);
	rmdir(path);
}

static void begin(void)
{
	if (folder >= 0)
		return;
	log_set_level(LOG_LEVEL_ERROR);
	if (!mkdtemp(path) || (folder = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC)) < 0)
		abort();
	atexit(leave);
}

/* As a writer would have it: the start, and heads where their magic is. The data's hash is good where its
 * lowest bit is set. */
static void seal(char *p, size_t n)
{
	struct pack_start start = {.version = PACK_VERSION, .day = DAY};

	if (n < sizeof(start))
		return;
	memcpy(start.magic, PACK_MAGIC, sizeof(start.magic));
	memcpy(p, &start, sizeof(start));
	for (size_t at = sizeof(start); at + sizeof(struct pack_head) <= n; at += 8) {
		struct pack_head h;
		size_t left = n - at - sizeof(h);

		memcpy(&h, p + at, sizeof(h));
		if (h.magic != PACK_RECORD || h.key_len > left)
			continue;
		if ((h.data_hash & 1) != 0 && h.data_len <= left - h.key_len)
			h.data_hash = XXH3_64bits(p + at + sizeof(h) + h.key_len, h.data_len);
		h.hash = pack_head_hash(&h, p + at + sizeof(h));
		memcpy(p + at, &h, sizeof(h));
	}
}

static void put(const char *p, size_t n)
{
	int fd = openat(folder, NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || pack_write_at(fd, p, n, 0) < 0)
		abort();
	close(fd);
}

/* Asks for each object that has a head in the file; how many are there. */
static unsigned ask(struct pack_file *f, const char *p, size_t n)
{
	unsigned found = 0;

	for (size_t at = sizeof(struct pack_start); at + sizeof(struct pack_head) <= n; at += 8) {
		struct pack_head h;
		char key[SOURCE_KEY_MAX + 1], *got;
		struct source_object o = {.key = key};

		memcpy(&h, p + at, sizeof(h));
		if (h.magic != PACK_RECORD || h.key_len > n - at - sizeof(h) || h.key_len > SOURCE_KEY_MAX)
			continue;
		memcpy(key, p + at + sizeof(h), h.key_len);
		key[h.key_len] = '\0';
		o.size = h.size;
		o.mtime = h.mtime;
		o.tag = h.tag;
		if (h.size > DATA_ON || strlen(key) != h.key_len || pack_file_read(f, &o, &got) < 0)
			continue;
		if (got[o.size] != '\0')
			abort();
		found++;
		free(got);
	}
	return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pack_file *f;
	unsigned before, after;
	char *p = malloc(size ? size : 1);
	bool live;
	int r;

	begin();
	if (!p)
		return 0;
	memcpy(p, data, size);
	seal(p, size);
	put(p, size);
	r = pack_file_open(folder, NAME, &live, &f);
	if (r < 0) {
		if (r != -ENOENT && r != -EBADMSG)
			abort();
		free(p);
		return 0;
	}
	before = ask(f, p, size);
	pack_file_unref(f);
	if (pack_file_open(folder, NAME, &live, &f) < 0)
		abort();
	after = ask(f, p, size);
	if (before != after)
		abort();
	pack_file_unref(f);
	free(p);
	return 0;
}
