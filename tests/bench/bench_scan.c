/*
 * How fast one core makes an index from the bytes of logs in memory, beside libdeflate alone on the same
 * bytes.
 *
 *   bench_scan DIRECTORY [ROUNDS]
 *
 * Prints how much there is, and then a line for each round: the seconds of libdeflate, the seconds of the
 * index. objects N events N stored BYTES inflated BYTES index BYTES libdeflate SECONDS ingest SECONDS One
 * thread: whoever calls pins it to a core. Exit status 1 where anything does not add up.
 */
#include <errno.h>
#include <ftw.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "fs/store/ingest.h"

#define HELD_MAX      (1ull << 30) /* stored bytes that are held at most; files after that are left out */
#define OBJECTS_MAX   1000000u
#define BATCH_BYTES   (16u << 20) /* of one segment, as a mount does it */
#define BATCH_OBJECTS 4096u

struct object {
	char *key, *data;
	size_t len, inflated;
};

struct sums {
	uint64_t events, stored, inflated, index;
};

static struct object *objects;
static size_t n_objects, n_room, top_len;
static struct sums all;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "bench_scan: %s: %s\n", what, why);
	_Exit(1);
}

static void *sure(void *p)
{
	if (!p)
		die("memory", strerror(ENOMEM));
	return p;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- loading ---- */

static struct object read_object(const char *path, size_t len)
{
	struct object o = {.key = sure(strdup(path + top_len)), .data = sure(malloc(len)), .len = len};
	FILE *f = fopen(path, "rb");
	const unsigned char *end = (const unsigned char *)o.data + len - 4;

	if (!f || fread(o.data, 1, len, f) != len)
		die(path, "cannot be read");
	fclose(f);
	/* gzip ends with the size of what it holds. */
	o.inflated = end[0] | (size_t)end[1] << 8 | (size_t)end[2] << 16 | (size_t)end[3] << 24;
	return o;
}

static int load(const char *path, const struct stat *st, int type, struct FTW *at)
{
	size_t len = strlen(path);

	(void)at;
	if (type != FTW_F || len < 3 || strcmp(path + len - 3, ".gz") != 0 || st->st_size < 18)
		return 0;
	if (all.stored + (uint64_t)st->st_size > HELD_MAX || n_objects == OBJECTS_MAX)
		return 0;
	if (n_objects == n_room) {
		n_room = n_room ? 2 * n_room : 1024;
		objects = sure(realloc(objects, n_room * sizeof(*objects)));
	}
	objects[n_objects] = read_object(path, (size_t)st->st_size);
	all.stored += objects[n_objects].len;
	all.inflated += objects[n_objects].inflated;
	n_objects++;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct object *)a)->key, ((const struct object *)b)->key);
}

/* ---- what is measured ---- */

static char *room_for_largest(void)
{
	size_t largest = 1;

	for (size_t i = 0; i < n_objects; i++)
		largest = objects[i].inflated > largest ? objects[i].inflated : largest;
	return sure(malloc(largest));
}

static double inflate_all(char *room)
{
	struct libdeflate_decompressor *d = sure(libdeflate_alloc_decompressor());
	double from = seconds();

	for (size_t i = 0; i < n_objects; i++) {
		size_t got = 0;

		if (libdeflate_gzip_decompress(
			    d, objects[i].data, objects[i].len, room, objects[i].inflated, &got) ||
			got != objects[i].inflated)
			die(objects[i].key, "libdeflate refuses it");
	}
	from = seconds() - from;
	libdeflate_free_decompressor(d);
	return from;
}

static void finish(struct segment_build *b, struct sums *sum)
{
	void *data;
	size_t len;

	sum->events += segment_build_rows(b);
	if (segment_build_finish(b, &data, &len))
		die("segment", "cannot be made");
	sum->index += len;
	free(data);
	segment_build_free(b);
}

static void add(struct ingest *in, const struct object *o, struct segment_build *b, struct sums *sum)
{
	struct source_object as_listed = {.key = o->key, .size = o->len, .mtime = 1};
	const char *problem;

	if (ingest_add(in, &as_listed, false, 0, NULL, o->data, o->len, b, &problem) || *problem)
		die(o->key, *problem ? problem : "is refused");
	sum->stored += o->len;
	sum->inflated += o->inflated;
}

/* Objects in the order of keys: a segment holds those of one key day, which keys of one folder mostly are. */
static double index_all(struct sums *sum)
{
	struct ingest *in = sure(ingest_new(NULL));
	double from = seconds();
	size_t i = 0;

	while (i < n_objects) {
		int32_t day = key_parse(objects[i].key).day;
		struct segment_build *b = sure(segment_build_new(day));
		size_t bytes = 0, first = i;

		do {
			bytes += objects[i].len;
			add(in, &objects[i++], b, sum);
		} while (i < n_objects && i - first < BATCH_OBJECTS && bytes < BATCH_BYTES &&
			 key_parse(objects[i].key).day == day);
		finish(b, sum);
	}
	from = seconds() - from;
	ingest_free(in);
	return from;
}

/* ---- */

static void check(const struct sums *sum, int round)
{
	if (sum->stored != all.stored || sum->inflated != all.inflated || sum->events == 0)
		die("sums", "not all was read");
	if (round > 0 && (sum->events != all.events || sum->index != all.index))
		die("sums", "another round gave another index");
	all = *sum;
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 3;
	char *room;

	if (argc < 2 || rounds < 1)
		die("usage", "bench_scan DIRECTORY [ROUNDS]");
	top_len = strlen(argv[1]) + 1;
	if (nftw(argv[1], load, 64, 0) || n_objects == 0)
		die(argv[1], "holds no *.gz that can be read");
	qsort(objects, n_objects, sizeof(*objects), by_key);
	room = room_for_largest();
	inflate_all(room); /* once, so that both find their memory warm */
	for (int round = 0; round < rounds; round++) {
		double alone = inflate_all(room);
		struct sums sum = {0};
		double whole = index_all(&sum);

		check(&sum, round);
		if (round == 0)
			printf("objects %zu events %llu stored %llu inflated %llu index %llu\n", n_objects,
				(unsigned long long)all.events, (unsigned long long)all.stored,
				(unsigned long long)all.inflated, (unsigned long long)all.index);
		printf("libdeflate %.6f ingest %.6f\n", alone, whole);
	}
	free(room);
	return 0;
}
