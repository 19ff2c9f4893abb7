/*
 * The power goes after each call that changes a file of the store: what was not flushed may be on the disk or
 * not, in parts, in any order. The next one who opens it finds nothing that is wrong, all that was promised
 * to be durable, and goes on; also where the power goes again while he is at it.
 *
 * Of the many states only some are tried each time; DISK_SWEEP=all tries many more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/log.h"
#include "tests/disk/disk.h"
#include "tests/disk/stage.h"

#define MOMENTS 60 /* of each scene, without DISK_SWEEP */
#define STATES  (DISK_PLAIN_STATES + 5)
#define AGAIN   60 /* powercuts in a row */

static void record_play(struct stage *s, const struct disk_image *from)
{
	disk_image_put(from, s->folder);
	disk_record(s->folder, from);
	s->scene->play(s->cache_dir.path);
	disk_record_stop();
}

/* All that may be on the disk after the first n steps. */
static void look_at_states(struct stage *s, size_t n, unsigned states)
{
	for (unsigned i = 0; i < states; i++) {
		struct disk_image *image = disk_record_state(n, i);

		disk_image_put(image, s->folder);
		disk_image_free(image);
		s->scene->look(s->cache_dir.path, AFTER_POWER, n);
	}
}

static void power_goes_at_each_moment(void **state)
{
	struct stage *s = *state;
	unsigned step, moments = 0;
	size_t length;

	record_play(s, s->prepared);
	length = disk_record_length();
	assert_true(length > 10);
	step = stage_step((unsigned)length, MOMENTS);
	for (size_t n = 0; n <= length; n += step, moments++)
		look_at_states(s, n, stage_sweeps() ? 4 * STATES : STATES);
	look_at_states(s, length, STATES);
	stage_say("%s: %zu steps, %u moments", s->scene->name, length, moments);
}

static void power_goes_again_and_again(void **state)
{
	struct stage *s = *state;
	struct disk_image *image = disk_image_copy(s->prepared);
	unsigned chance = 4711;

	for (unsigned i = 0; i < AGAIN; i++) {
		size_t n;

		record_play(s, image);
		disk_image_free(image);
		chance = chance * 1664525 + 1013904223;
		n = (chance >> 8) % (disk_record_length() + 1);
		image = disk_record_state(n, DISK_PLAIN_STATES + i);
		disk_image_put(image, s->folder);
		s->scene->look(s->cache_dir.path, AFTER_POWER, n);
		/* Half of the time from what was found, and not from what became of it. */
		if (i % 2) {
			disk_image_free(image);
			image = disk_image_take(s->folder);
		}
	}
	disk_image_free(image);
}

#define TESTS(scene)                                                                                         \
	STAGE_TEST(power_goes_at_each_moment, scene), STAGE_TEST(power_goes_again_and_again, scene)

int main(void)
{
	const struct CMUnitTest tests[] = {TESTS(packs), TESTS(listings), TESTS(index)};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
