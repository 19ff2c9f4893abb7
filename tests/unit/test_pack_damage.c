/*
 * Packs that a crash or a disk has torn, and objects that are dropped: never given out, and no end of the
 * others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/pack_kit.h"

/* Bytes of a record: head, key, data. */
#define KEY_LEN      (sizeof("AWSLogs/111122223333/CloudTrail/us-east-1/2025/06/01/0.json.gz") - 1)
#define RECORD(size) ((56 + KEY_LEN + (size) + 7) / 8 * 8)

static char *slurp(struct fixture *f, const char *name, size_t *ret_len)
{
	FILE *file = fopen(cache_path(f->cache, name), "rb");
	struct stat st;
	char *data;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	data = malloc((size_t)st.st_size + 1);
	*ret_len = fread(data, 1, (size_t)st.st_size, file);
	fclose(file);
	return data;
}

static void spit(struct fixture *f, const char *name, const char *data, size_t len)
{
	FILE *file = fopen(cache_path(f->cache, name), "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	fclose(file);
}

/* Puts objects 0..n-1 of a day in another process, which is then gone, without having sealed anything. */
static void put_and_die(struct fixture *f, unsigned d, unsigned n, size_t size)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct packs *p;

		if (packs_open(f->cache, LARGE, &p) < 0)
			_exit(1);
		for (unsigned i = 0; i < n; i++)
			put(p, d, i, size, NOW);
		_exit(packs_stats(p).put == n ? 42 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}
static void after_a_crash(void **state)
{
	struct fixture *f = *state;

	put_and_die(f, 1, 50, 1000);
	for (int round = 0; round < 2; round++) {
		open_packs(f, LARGE);
		for (unsigned n = 0; n < 50; n++)
			assert_true(has(f->packs, 1, n, 1000, NOW));
	}
	/* It was sealed: the next one finds an index at its end. */
	struct files files = pack_files(f);
	size_t len;
	char *data = slurp(f, files.name[0], &len);
	assert_int_equal(files.n, 1);
	assert_int_equal(len, 16 + 9 * RECORD(1000) + RECORD(1000) +
				      40 * ((56 + KEY_LEN + 1 + 1000 + 7) / 8 * 8) + 56 + 50 * 16 + 32);
	free(data);
}

static void torn_at_every_byte(void **state)
{
	struct fixture *f = *state;
	const size_t record = RECORD(90);
	struct files files;
	size_t len;
	char *data;

	put_and_die(f, 1, 4, 90);
	files = pack_files(f);
	assert_int_equal(files.n, 1);
	data = slurp(f, files.name[0], &len);
	assert_int_equal(len, 16 + 4 * record);
	for (size_t cut = 0; cut <= len; cut++) {
		unsigned whole = cut < 16 ? 0 : (unsigned)((cut - 16) / record);

		/* The filling of the last record may be missing. */
		if (cut >= 16 && (cut - 16) % record >= 56 + KEY_LEN + 90)
			whole++;
		spit(f, files.name[0], data, cut);
		open_packs(f, LARGE);
		for (unsigned n = 0; n < 4; n++)
			assert_int_equal(has(f->packs, 1, n, 90, NOW), n < whole);
		/* It goes on from there. */
		put(f->packs, 1, 9, 90, NOW);
		open_packs(f, LARGE);
		assert_true(has(f->packs, 1, 9, 90, NOW));
		for (unsigned n = 0; n < 4; n++)
			assert_int_equal(has(f->packs, 1, n, 90, NOW), n < whole);
		packs_free(f->packs);
		f->packs = NULL;
		for (struct files now = pack_files(f); now.n > 0; now.n--)
			unlink(cache_path(f->cache, now.name[now.n - 1]));
	}
	free(data);
}

/* Nothing wrong is ever given out, and most is still found. */
static void every_byte_flipped(void **state)
{
	struct fixture *f = *state;
	struct files files;
	size_t len, found = 0;
	char *data;

	put_and_die(f, 1, 4, 90);
	open_packs(f, LARGE);
	assert_true(has(f->packs, 1, 3, 90, NOW));
	files = pack_files(f);
	data = slurp(f, files.name[0], &len);
	for (size_t at = 0; at < len; at++) {
		data[at] ^= 0x10;
		spit(f, files.name[0], data, len);
		data[at] ^= 0x10;
		open_packs(f, LARGE);
		for (unsigned n = 0; n < 4; n++)
			found += has(f->packs, 1, n, 90, NOW);
		if (at >= 16) /* what is lost can be put again */
			put(f->packs, 1, 2, 90, NOW);
		if (at >= 16)
			assert_true(has(f->packs, 1, 2, 90, NOW));
		packs_free(f->packs);
		f->packs = NULL;
		for (struct files now = pack_files(f); now.n > 0; now.n--)
			unlink(cache_path(f->cache, now.name[now.n - 1]));
	}
	assert_true(found > 3 * (len - 16) - len / 2);
	free(data);
}

static void a_damaged_object_is_put_anew(void **state)
{
	struct fixture *f = *state;
	struct files files;
	size_t len;
	char *data;

	put_and_die(f, 1, 3, 5000);
	files = pack_files(f);
	data = slurp(f, files.name[0], &len);
	data[16 + 3000] ^= 1;
	spit(f, files.name[0], data, len);
	free(data);
	open_packs(f, LARGE);
	assert_false(has(f->packs, 1, 0, 5000, NOW));
	assert_true(has(f->packs, 1, 1, 5000, NOW));
	put(f->packs, 1, 0, 5000, NOW);
	assert_true(has(f->packs, 1, 0, 5000, NOW));
	open_packs(f, LARGE);
	assert_true(has(f->packs, 1, 0, 5000, NOW));
}

static void drop(struct packs *p, unsigned d, unsigned n, size_t size)
{
	struct made m = make(d, n, size);

	m.o.key = m.key;
	packs_drop(p, &m.o, NOW);
	free(m.data);
}

/* Object 1 of 0, 1, 2 was dropped. */
static void check_dropped(struct packs *p)
{
	assert_true(has(p, 1, 0, 500, NOW));
	assert_false(has(p, 1, 1, 500, NOW));
	assert_true(has(p, 1, 2, 500, NOW));
}

static void what_is_dropped_is_found_no_more(void **state)
{
	struct fixture *f = *state;
	struct packs *other;

	open_packs(f, LARGE);
	for (unsigned n = 0; n < 3; n++)
		put(f->packs, 1, n, 500, NOW);
	drop(f->packs, 1, 1, 501); /* another one */
	drop(f->packs, 2, 1, 500);
	assert_true(has(f->packs, 1, 1, 500, NOW));
	drop(f->packs, 1, 1, 500);
	check_dropped(f->packs);
	assert_int_equal(packs_open(f->cache, LARGE, &other), 0); /* not sealed */
	check_dropped(other);
	packs_free(other);
	open_packs(f, LARGE); /* sealed */
	check_dropped(f->packs);
	put(f->packs, 1, 1, 500, NOW);
	assert_true(has(f->packs, 1, 1, 500, NOW));
	open_packs(f, LARGE);
	assert_true(has(f->packs, 1, 1, 500, NOW));
	drop(f->packs, 1, 1, 500); /* from a pack that had been sealed */
	open_packs(f, LARGE);
	check_dropped(f->packs);
}

/* A scan of what a dead writer left goes on behind it. */
static void what_is_dropped_ends_no_scan(void **state)
{
	struct fixture *f = *state;
	struct packs *other;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (packs_open(f->cache, LARGE, &other) < 0)
			_exit(1);
		for (unsigned n = 0; n < 3; n++)
			put(other, 1, n, 500, NOW);
		drop(other, 1, 1, 500);
		_exit(42);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
	open_packs(f, LARGE);
	check_dropped(f->packs);
}

/* One that is no pack of ours is removed, unless somebody writes it: perhaps a later version. */
static void what_is_being_written_is_left(void **state)
{
	struct fixture *f = *state;
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct files files;
	int fd;

	put_and_die(f, 1, 3, 500);
	files = pack_files(f);
	assert_int_equal(files.n, 1);
	fd = open(cache_path(f->cache, files.name[0]), O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "x", 1, 0), 1);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	open_packs(f, LARGE);
	assert_false(has(f->packs, 1, 0, 500, NOW));
	assert_int_equal(pack_files(f).n, 1);
	close(fd);
	open_packs(f, LARGE);
	assert_false(has(f->packs, 1, 0, 500, NOW));
	assert_int_equal(pack_files(f).n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(after_a_crash),
		TEST(torn_at_every_byte),
		TEST(every_byte_flipped),
		TEST(a_damaged_object_is_put_anew),
		TEST(what_is_dropped_is_found_no_more),
		TEST(what_is_dropped_ends_no_scan),
		TEST(what_is_being_written_is_left),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
