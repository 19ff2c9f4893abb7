/*
 * Segment files that are as written, cut short, damaged or forged. Forged ones have their checksums right:
 * what is opened of them must be safe to read, which a sanitizer watches (walk_segment.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs/store/segment_format.h"
#include "tests/segment_model.h"
#include "tests/unit/folder.h"
#include "tests/walk_segment.h"

static void write_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	close(fd);
}

static void opens_files(void **state)
{
	(void)state;
	struct folder folder;
	char path[80];
	struct model m;
	struct segment *s;
	const char *reason = NULL;
	void *data;
	size_t len;
	folder_make(&folder);
	snprintf(path, sizeof path, "%s/segment", folder.path);
	make_model(&m, &(struct recipe){"", 7, 30, 9, 3, true, true}, 3);
	build_model(&m, &data, &len);
	assert_int_equal(segment_open(path, &s, &reason), -ENOENT);
	assert_int_equal(segment_open(folder.path, &s, &reason), -EBADMSG);
	write_file(path, data, len);
	assert_int_equal(segment_open(path, &s, &reason), 0);
	assert_int_equal(segment_bytes(s), len);
	assert_ptr_equal(segment_ref(s), s);
	segment_unref(s);
	unlink(path);
	assert_int_equal(segment_rows(s), m.rows);
	walk_segment(s);
	assert_int_equal(segment_check(s, &reason), 0);
	segment_unref(s);
	segment_unref(NULL);
	for (size_t cut = 0; cut < len; cut += cut < 16 ? 1 : 97) {
		write_file(path, data, cut);
		reason = NULL;
		assert_int_equal(segment_open(path, &s, &reason), -EBADMSG);
		assert_non_null(reason);
	}
	folder_remove(&folder);
	free(data);
	free_model(&m);
}

/* A part that is gone when it is first used, as on a disk with a bad sector, is damage, and not the end of
 * the process. */
static void what_cannot_be_read_is_damage(void **state)
{
	(void)state;
	struct folder folder;
	char path[80];
	struct model m;
	struct segment *s;
	const char *reason = NULL;
	void *data;
	size_t len;
	folder_make(&folder);
	snprintf(path, sizeof path, "%s/segment", folder.path);
	make_model(&m, &(struct recipe){"", 7, 90, 9, 3, true, true}, 3);
	build_model(&m, &data, &len);
	const struct segment_header *h = data;
	size_t page = (size_t)sysconf(_SC_PAGESIZE),
	       kept = (h->section[SECTION_SECOND].offset + page) / page * page;
	assert_true(kept + page < len);
	write_file(path, data, len);
	assert_int_equal(segment_open(path, &s, &reason), 0);
	assert_int_equal(truncate(path, (off_t)kept), 0);
	assert_false(segment_is_bad(s));
	walk_segment(s);
	assert_true(segment_is_bad(s));
	assert_int_equal(segment_check(s, &reason), -EBADMSG);
	assert_string_equal(reason, "cannot be read");
	segment_unref(s);
	folder_remove(&folder);
	free(data);
	free_model(&m);
}

/* A copy of exactly so many bytes, so that a sanitizer sees what reads beyond. Whether it was opened and
 * nothing was found wrong when it was used. */
static bool opens(const void *data, size_t len)
{
	struct segment *s;
	const char *reason = NULL;
	void *copy = malloc(len ? len : 1);
	assert_non_null(copy);
	memcpy(copy, data, len);
	int rc = segment_open_memory(copy, len, release, &s, &reason);
	if (rc < 0) {
		free(copy);
	} else {
		walk_segment(s);
		bool bad = segment_is_bad(s);
		rc = segment_check(s, &reason);
		assert_int_equal(rc, bad ? -EBADMSG : 0); /* the walk has used everything */
		segment_unref(s);
	}
	if (rc == 0)
		return true;
	assert_int_equal(rc, -EBADMSG);
	assert_non_null(reason);
	return false;
}

static void refuses_damage(void **state)
{
	(void)state;
	struct model m;
	void *data;
	size_t len;
	make_model(&m, &(struct recipe){"", 2, 6, 9, 2, true, true}, 4);
	build_model(&m, &data, &len);
	assert_true(len < 16384);
	assert_true(opens(data, len));
	for (size_t cut = 0; cut < len; cut++)
		assert_false(opens(data, cut));
	for (size_t bit = 0; bit < len * 8; bit++) {
		((uint8_t *)data)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(opens(data, len));
		((uint8_t *)data)[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_true(opens(data, len));
	free(data);
	free_model(&m);
}

/* What one accessor needs is looked at when it is called, and nothing else. */
static void checks_what_is_used(void **state)
{
	(void)state;
	struct model m;
	struct segment *s;
	const char *reason = NULL;
	void *data;
	size_t len;
	make_model(&m, &(struct recipe){"", 2, 6, 9, 2, true, true}, 4);
	build_model(&m, &data, &len);
	const struct segment_header *h = data;
	((uint8_t *)data)[h->section[SECTION_CODE + FACET_IP].offset] ^= 1;
	assert_int_equal(segment_open_memory(data, len, release, &s, &reason), 0);
	assert_int_equal(segment_find_value(s, FACET_IP, segment_value(s, FACET_IP, 1)), 1);
	assert_in_range(segment_row_second(s, 0), 0, 86399);
	assert_true(segment_row_has(s, FACET_USER, 0, segment_row_code(s, FACET_USER, 0)));
	assert_false(segment_is_bad(s));
	assert_int_equal(segment_row_code(s, FACET_IP, 0), SEGMENT_NO_CODE);
	assert_true(segment_is_bad(s));
	assert_int_equal(segment_find_value(s, FACET_IP, segment_value(s, FACET_IP, 1)), 1);
	assert_int_equal(segment_check(s, &reason), -EBADMSG);
	assert_string_equal(reason, "checksum of a section");
	segment_unref(s);
	free_model(&m);
}

/* Changed and sealed again: what then opens must still be safe to read. */
static void forged_stays_inside(void **state)
{
	(void)state;
	struct model m;
	void *data, *forged;
	size_t len, opened = 0;
	make_model(&m, &(struct recipe){"", 4, 9, 9, 2, true, true}, 5);
	build_model(&m, &data, &len);
	forged = malloc(len);
	assert_non_null(forged);
	static const uint8_t with[] = {0, 1, 0x80, 0xff};
	for (size_t at = 0; at < len; at++)
		for (size_t k = 0; k < sizeof with; k++) {
			memcpy(forged, data, len);
			((uint8_t *)forged)[at] = with[k];
			segment_seal(forged, len);
			opened += opens(forged, len);
		}
	for (int i = 0; i < 3000; i++) {
		memcpy(forged, data, len);
		for (int k = (int)draw(8); k >= 0; k--) {
			size_t at = (draw(2) ? 0 : sizeof(struct segment_header)) +
				    draw(len - sizeof(struct segment_header));
			((uint8_t *)forged)[at] = (uint8_t)draw(256);
		}
		segment_seal(forged, len);
		opened += opens(forged, len);
	}
	assert_true(opened > 0);
	free(forged);
	free(data);
	free_model(&m);
}

static uint8_t values_of(const struct segment_header *h, enum facet f)
{
	return (uint8_t)(h->section[SECTION_VALUE_NEWEST + (int)f].length / sizeof(int64_t));
}

/* A file in memory in which one thing at a time is made wrong. */
struct forgery {
	struct segment_header *h;
	size_t len;
};

/* The i-th thing of a section. */
#define THING(f, of, type, i) (&((type *)(void *)((char *)(f)->h + (f)->h->section[of].offset))[i])

static void refused(const struct forgery *f, void *at, size_t size, uint64_t value)
{
	uint64_t was = 0;
	memcpy(&was, at, size);
	assert_int_not_equal(was, value);
	memcpy(at, &value, size);
	segment_seal(f->h, f->len);
	assert_false(opens(f->h, f->len));
	memcpy(at, &was, size);
	segment_seal(f->h, f->len);
	assert_true(opens(f->h, f->len));
}

static void refuses_forged_header(const struct forgery *f)
{
	struct segment_header *h = f->h;
	struct segment_table_entry *t = h->section;
	refused(f, h->magic, 1, 'T');
	refused(f, &h->version, 4, SEGMENT_VERSION + 1);
	refused(f, &h->sections, 4, SECTION_COUNT - 1);
	refused(f, &h->length, 8, f->len + 8);
	refused(f, &h->rows, 4, h->rows + 1);
	refused(f, &h->objects, 4, h->objects - 1);
	refused(f, &h->days, 4, h->days - 1);
	refused(f, &t[SECTION_DAYS].offset, 4, t[SECTION_OBJECTS].offset);
	refused(f, &t[SECTION_DAYS].length, 4, UINT32_MAX);
	refused(f, &t[SECTION_HASH].length, 4, t[SECTION_HASH].length - 1);
	refused(f, &t[SECTION_ID].length, 4, t[SECTION_ID].length - 1);
	refused(f, &t[SECTION_OFFSET].width, 4, 5);
	refused(f, &t[SECTION_OBJECT].base, 4, 4);
	refused(f, &t[SECTION_OBJECT].base, 4, UINT32_MAX);
	refused(f, &t[SECTION_SECOND].base, 4, 86400);
	refused(f, &t[SECTION_ID_KIND].base, 4, 1);
	refused(f, &t[SECTION_CODE].base, 4, 1);
}

static void refuses_forged_sections(const struct forgery *f)
{
	struct segment_header *h = f->h;
	struct segment_object_entry *o = THING(f, SECTION_OBJECTS, struct segment_object_entry, 0);
	struct segment_day *d = THING(f, SECTION_DAYS, struct segment_day, 0);
	uint32_t strings = h->section[SECTION_STRINGS].length;
	refused(f, &o->key, 4, strings);
	refused(f, &o->problem, 4, UINT32_MAX);
	refused(f, &o->rows, 4, h->rows + 1);
	refused(f, &o[1].first, 4, o[1].first - 1);
	refused(f, THING(f, SECTION_STRINGS, char, strings - 1), 1, 'x');
	refused(f, &d->end, 4, 0);
	refused(f, &d[1].first, 4, 0);
	refused(f, &d[1].day, 4, (uint32_t)SEGMENT_UNDATED);
	refused(f, &d[1].day, 4, SEGMENT_DAY_MAX + 1);
	refused(f, THING(f, SECTION_CODE + FACET_USER, uint8_t, 2), 1, values_of(h, FACET_USER) + 1u);
	refused(f, THING(f, SECTION_CODE + FACET_RESOURCE, uint8_t, 1), 1, values_of(h, FACET_RESOURCE));
	refused(f, THING(f, SECTION_RESOURCE, uint8_t, 1), 1, 0xff);
	refused(f, THING(f, SECTION_RESOURCE, uint8_t, h->rows), 1, 0xff);
	refused(f, THING(f, SECTION_PLACE, uint8_t, 1), 1, h->rows);
	refused(f, THING(f, SECTION_VALUE_START + FACET_ROLE, uint32_t, 1), 4, UINT32_MAX);
	refused(f, THING(f, SECTION_VALUE_START + FACET_ROLE, uint32_t, values_of(h, FACET_ROLE)), 4,
		h->section[SECTION_VALUE_TEXT + FACET_ROLE].length + 1);
	for (uint32_t row = 0; row < h->rows; row++)
		if (*THING(f, SECTION_ID_KIND, uint8_t, row) == ID_TEXT)
			refused(f, THING(f, SECTION_ID, uint8_t, row * 16), 4,
				h->section[SECTION_ID_TEXT].length + 1);
}

/* What is refused, one by one, each with the checksums right. */
static void refuses_forged(void **state)
{
	(void)state;
	struct model m;
	void *data;
	struct forgery f;
	make_model(&m, &(struct recipe){"", 4, 30, 9, 2, true, true}, 6);
	build_model(&m, &data, &f.len);
	f.h = data;
	refuses_forged_header(&f);
	refuses_forged_sections(&f);
	free(data);
	free_model(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_files),
		cmocka_unit_test(what_cannot_be_read_is_damage),
		cmocka_unit_test(refuses_damage),
		cmocka_unit_test(checks_what_is_used),
		cmocka_unit_test(forged_stays_inside),
		cmocka_unit_test(refuses_forged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
