/*
 * Files of the store that are not as they were written: each bit flipped, cut off at each byte, with
 * something behind them, with a part that is zero or another part's, and in each other's place. What is read
 * from them is right or is not given out; and now and then it is looked whether all can be had again.
 *
 * A bit of each byte is flipped, or with DISK_SWEEP=all each bit. (Each bit of a segment in memory is flipped
 * in test_segment_damage.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/log.h"
#include "tests/disk/disk.h"
#include "tests/disk/stage.h"

#define EACH_BYTES 6000 /* files are looked at byte by byte up to so many bytes altogether ... */
#define FEW_BYTES  2000 /* ... segments up to so many: test_segment_damage looks at each */
#define LOOKS      61   /* so many damages between two looks whether it goes on */

struct damage {
	struct stage *stage;
	struct disk_image *image;
	struct disk_file *file;
	unsigned n;
};

/* The folder is as the image says: nothing wrong comes of it. */
static void try_it(struct damage *d)
{
	disk_image_put(d->image, d->stage->folder);
	d->stage->scene->read(d->stage->cache_dir.path);
	if (++d->n % LOOKS)
		return;
	disk_image_put(d->image, d->stage->folder);
	d->stage->scene->look(d->stage->cache_dir.path, AFTER_DAMAGE, 0);
}

static void flip(struct damage *d, size_t at, int bit)
{
	d->file->data[at] = (char)(d->file->data[at] ^ 1 << bit);
	try_it(d);
	d->file->data[at] = (char)(d->file->data[at] ^ 1 << bit);
}

static void flip_bits(struct damage *d, size_t step)
{
	for (size_t at = 0; at < d->file->len; at += step)
		for (int bit = 0; bit < 8; bit++)
			if (stage_sweeps() || bit == (int)(at / step % 8))
				flip(d, at, bit);
}

static void cut_off(struct damage *d, size_t step)
{
	size_t len = d->file->len;

	for (d->file->len = 0; d->file->len < len; d->file->len += step)
		try_it(d);
	d->file->len = len;
}

/* With n bytes behind it. */
static void add_junk(struct damage *d, const char *junk, size_t n)
{
	struct disk_file was = *d->file;

	d->file->data = malloc(was.len + n + 1);
	assert_non_null(d->file->data);
	memcpy(d->file->data, was.data, was.len);
	memcpy(d->file->data + was.len, junk, n);
	d->file->len += n;
	try_it(d);
	free(d->file->data);
	*d->file = was;
}

static void add_all_junk(struct damage *d)
{
	static const char zeros[4096];
	size_t half = d->file->len / 2;
	char noise[777];

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)(i * i * 31 + i * 7 + 1);
	for (size_t n = 1; n <= sizeof(zeros); n *= 2)
		add_junk(d, zeros, n);
	for (size_t n = 1; n <= sizeof(noise); n += 97)
		add_junk(d, noise, n);
	add_junk(d, d->file->data, d->file->len);
	add_junk(d, d->file->data + half, d->file->len - half);
}

/* n bytes at `at` are zeros, or what is somewhere else in the file. */
static void put_block(struct damage *d, size_t at, size_t n, const char *from)
{
	struct disk_file was = *d->file;

	d->file->data = malloc(was.len + 1);
	assert_non_null(d->file->data);
	memcpy(d->file->data, was.data, was.len);
	if (n > was.len - at)
		n = was.len - at;
	if (from)
		memmove(d->file->data + at, from, n);
	else
		memset(d->file->data + at, 0, n);
	try_it(d);
	free(d->file->data);
	*d->file = was;
}

static void put_blocks(struct damage *d)
{
	const size_t len = d->file->len, step = 1 + len / 60;

	for (size_t at = 0; at < len; at += step) {
		put_block(d, at, 64, NULL);
		put_block(d, at, 512, NULL);
		put_block(d, at, 4096, NULL);
		if (at > 512)
			put_block(d, at, 512, d->file->data + (at - 512) / 8 * 8);
		if (at + 1024 < len)
			put_block(d, at, 512, d->file->data + at + 512);
	}
}

/* Each file in each other one's place, one instead of the other or both. */
static void swap(struct damage *d, struct disk_file *a, struct disk_file *b)
{
	struct disk_file was_a = *a, was_b = *b;

	a->data = was_b.data;
	a->len = was_b.len;
	try_it(d);
	b->data = was_a.data;
	b->len = was_a.len;
	try_it(d);
	*a = was_a;
	*b = was_b;
}

static void damage_all(struct stage *s, const struct disk_image *from, const char *end, size_t each)
{
	struct damage d = {.stage = s, .image = disk_image_copy(from)};
	struct disk_file *other;
	size_t bytes = 0, step;

	for (size_t i = 0; (d.file = disk_image_ending(d.image, end, i)); i++)
		bytes += d.file->len;
	step = stage_sweeps() ? 1 : 1 + bytes / each;
	for (size_t i = 0; (d.file = disk_image_ending(d.image, end, i)); i++) {
		flip_bits(&d, step);
		cut_off(&d, step);
		add_all_junk(&d);
		put_blocks(&d);
		for (size_t k = 0; k < i && (other = disk_image_ending(d.image, end, k)); k++)
			swap(&d, d.file, other);
	}
	assert_true(d.n > 1000);
	stage_say("%s: %zu bytes, each %zu., damaged %u times", s->scene->name, bytes, step, d.n);
	disk_image_free(d.image);
}

static void files_that_were_left(void **state)
{
	struct stage *s = *state;

	damage_all(s, s->prepared, ".pack", EACH_BYTES);
}

/* What is there when all has been repaired and gone on. */
static struct disk_image *in_the_end(struct stage *s)
{
	stage_set(s);
	s->scene->play(s->cache_dir.path);
	s->scene->look(s->cache_dir.path, AFTER_DAMAGE, 0);
	return disk_image_take(s->folder);
}

static void listings_in_the_end(void **state)
{
	struct stage *s = *state;
	struct disk_image *image = in_the_end(s);

	damage_all(s, image, "listings", EACH_BYTES);
	disk_image_free(image);
}

static void segments_in_the_end(void **state)
{
	struct stage *s = *state;
	struct disk_image *image = in_the_end(s);

	damage_all(s, image, ".seg", FEW_BYTES);
	disk_image_free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGE_TEST(files_that_were_left, packs),
		STAGE_TEST(listings_in_the_end, listings),
		STAGE_TEST(segments_in_the_end, index),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
