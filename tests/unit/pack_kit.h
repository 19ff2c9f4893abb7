/*
 * For tests of packs: a cache, objects of which every byte is known, and the files they are in. Include after
 * cmocka.h.
 */
#ifndef TESTS_UNIT_PACK_KIT_H
#define TESTS_UNIT_PACK_KIT_H

#include <errno.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "fs/log.h"
#include "fs/store/pack.h"
#include "fs/store/pack_file.h"
#include "tests/unit/folder.h"

#define ID    "s3://host/bucket/"
#define LARGE ((uint64_t)1 << 40)
#define NOW   4000000000ll /* later than any file's time */

struct fixture {
	struct folder folder;
	struct cache *cache;
	struct packs *packs;
};

static inline int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	folder_make(&f->folder);
	assert_int_equal(cache_open(folder_at(&f->folder, "cache"), ID, &f->cache), 0);
	*state = f;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	packs_free(f->packs);
	cache_free(f->cache);
	folder_remove(&f->folder);
	free(f);
	return 0;
}

static inline void open_packs(struct fixture *f, uint64_t max)
{
	packs_free(f->packs);
	assert_int_equal(packs_open(f->cache, max, &f->packs), 0);
}

/* ---- objects: number n of June's day d ---- */

struct made {
	char key[128];
	char *data;
	struct source_object o;
};

static inline struct made make(unsigned d, unsigned n, size_t size)
{
	struct made m;

	snprintf(m.key, sizeof(m.key), "AWSLogs/111122223333/CloudTrail/us-east-1/2025/06/%02u/%u.json.gz", d,
		n);
	m.data = malloc(size + 1);
	for (size_t i = 0; i < size; i++)
		m.data[i] = (char)(i * 7 + n * 31 + d * 3 + (i >> 8));
	m.data[size] = '\0';
	m.o = (struct source_object){.size = size, .mtime = (int64_t)n * 1000, .tag = n ^ 0x1234567};
	return m;
}

static inline void put(struct packs *p, unsigned d, unsigned n, size_t size, int64_t now)
{
	struct made m = make(d, n, size);

	m.o.key = m.key;
	packs_put(p, &m.o, m.data, now);
	free(m.data);
}

/* Whether it is there; what is there must be right. */
static inline bool has(struct packs *p, unsigned d, unsigned n, size_t size, int64_t now)
{
	struct made m = make(d, n, size);
	char *data = NULL;
	int r;

	m.o.key = m.key;
	r = packs_get(p, &m.o, now, &data);
	if (r == 0)
		assert_memory_equal(data, m.data, size + 1);
	else
		assert_int_equal(r, -ENOENT);
	free(data);
	free(m.data);
	return r == 0;
}

/* ---- files ---- */

struct files {
	char name[64][PACK_NAME_MAX];
	size_t n;
};

static inline struct files pack_files(struct fixture *f)
{
	DIR *dir = opendir(cache_path(f->cache, "."));
	const struct dirent *e;
	struct files files = {.n = 0};
	int32_t day;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		if (pack_name_parse(e->d_name, &day)) {
			assert_true(files.n < 64);
			memcpy(files.name[files.n++], e->d_name, strlen(e->d_name) + 1);
		}
	}
	closedir(dir);
	return files;
}
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
