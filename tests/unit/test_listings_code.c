/*
 * Objects of a listing as bytes: what comes back is what went in, and what nobody has written so is refused,
 * without a byte being read or written beyond.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/store/listings_private.h"

static const struct source_object objects[] = {
	{.key = "AWSLogs/a", .size = 0, .mtime = 0, .tag = 1},
	{.key = "AWSLogs/a", .size = UINT64_MAX, .mtime = INT64_MIN, .tag = UINT64_MAX},
	{.key = "", .size = 127, .mtime = INT64_MAX, .tag = 0},
	{.key = "AWSLogs/ab",
		.size = 128,
		.mtime = -1000000000,
		.etag = {.known = true, .digest = "0123456789abcde"}},
	{.key = "AWSLogs/abc", .size = 16384, .mtime = 1, .etag = {.known = true, .parts = UINT16_MAX}},
};

#define OBJECTS (sizeof(objects) / sizeof(*objects))

static struct listings_coder *code_all(void)
{
	struct listings_coder *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	listings_coder_restart(c);
	for (size_t i = 0; i < OBJECTS; i++)
		listings_code(c, &objects[i]);
	assert_int_equal(c->objects, OBJECTS);
	return c;
}

static void coder_free(struct listings_coder *c)
{
	buf_clear(&c->raw);
	free(c);
}

/* How many objects can be read; *ret_end: how that ended. From a copy, so that a sanitizer sees what is read
 * beyond. */
static size_t count(const void *raw, size_t len, uint32_t claimed, int *ret_end)
{
	struct listings_cursor *c = malloc(sizeof(*c));
	char *copy = malloc(len + !len);
	size_t n = 0;

	assert_non_null(c);
	assert_non_null(copy);
	memcpy(copy, raw, len);
	listings_cursor_init(c, copy, len, claimed);
	while ((*ret_end = listings_next(c)) > 0)
		n++;
	free(copy);
	free(c);
	return n;
}

static void as_it_was(void **state)
{
	struct listings_coder *coder = code_all();
	struct listings_cursor *c = malloc(sizeof(*c));

	(void)state;
	assert_non_null(c);
	listings_cursor_init(c, coder->raw.data, coder->raw.len, OBJECTS);
	for (size_t i = 0; i < OBJECTS; i++) {
		assert_int_equal(listings_next(c), 1);
		assert_string_equal(c->o.key, objects[i].key);
		assert_true(c->o.size == objects[i].size && c->o.mtime == objects[i].mtime);
		assert_true(c->o.tag == objects[i].tag);
		assert_true(c->o.etag.known == objects[i].etag.known);
		assert_int_equal(c->o.etag.parts, objects[i].etag.parts);
		assert_memory_equal(c->o.etag.digest, objects[i].etag.digest, sizeof(c->o.etag.digest));
	}
	assert_int_equal(listings_next(c), 0);
	assert_ptr_equal(c->p, c->end);
	free(c);
	coder_free(coder);
}

/* Cut off anywhere: whole objects, then -EBADMSG. */
static void cut_anywhere(void **state)
{
	struct listings_coder *c = code_all();
	size_t before = 0;
	int end;

	(void)state;
	for (size_t len = 0; len < c->raw.len; len++) {
		size_t n = count(c->raw.data, len, OBJECTS, &end);

		assert_int_equal(end, -EBADMSG);
		assert_in_range(n, before, before + 1);
		assert_true(n < OBJECTS);
		before = n;
	}
	assert_int_equal(before, OBJECTS - 1);
	assert_int_equal(count(c->raw.data, c->raw.len, OBJECTS, &end), OBJECTS);
	assert_int_equal(end, 0);
	assert_int_equal(count(c->raw.data, c->raw.len, OBJECTS + 1, &end), OBJECTS);
	assert_int_equal(end, -EBADMSG);
	coder_free(c);
}

/* A key of `shared` and `more` bytes, as it would be written, and all that comes after it. */
static size_t write_key(char *out, size_t shared, size_t more)
{
	static const char rest[1 + 1 + 1 + 8 + 1]; /* size, seconds, time, tag, ETag */
	size_t n = 0;

	for (size_t i = 0, number = shared; i < 2; i++, number = more) {
		for (; number >= 0x80; number >>= 7)
			out[n++] = (char)(number | 0x80);
		out[n++] = (char)number;
	}
	memset(out + n, 'k', more);
	memcpy(out + n + more, rest, sizeof(rest));
	return n + more + sizeof(rest);
}

static void keys_that_are_too_long(void **state)
{
	static const struct {
		size_t first, shared, more, read;
	} rows[] = {
		{SOURCE_KEY_MAX, SOURCE_KEY_MAX, 0, 2},
		{SOURCE_KEY_MAX, 0, SOURCE_KEY_MAX, 2},
		{SOURCE_KEY_MAX, SOURCE_KEY_MAX - 1, 1, 2},
		{SOURCE_KEY_MAX, SOURCE_KEY_MAX, 1, 1},
		{SOURCE_KEY_MAX, 1, SOURCE_KEY_MAX, 1},
		{SOURCE_KEY_MAX + 1, 0, 0, 0},
		{10, 11, 0, 1}, /* more than there is to be shared */
		{10, 11, 1, 1},
	};
	char *raw = malloc(3 * SOURCE_KEY_MAX);
	int end;

	(void)state;
	assert_non_null(raw);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		size_t len = write_key(raw, 0, rows[i].first);

		len += write_key(raw + len, rows[i].shared, rows[i].more);
		assert_int_equal(count(raw, len, 2, &end), rows[i].read);
		assert_int_equal(end, rows[i].read == 2 ? 0 : -EBADMSG);
	}
	free(raw);
}

/* Numbers of more than 64 bits, a time beyond all, parts of an upload that are too many. */
static void numbers_that_are_too_large(void **state)
{
#define NINE "\xff\xff\xff\xff\xff\xff\xff\xff\xff"
#define TAG  "\0\0\0\0\0\0\0\0"
#define ROW(text, end)                                                                                       \
	{                                                                                                    \
		text, sizeof(text) - 1, end                                                                  \
	}
	static const struct {
		const char *raw;
		size_t len;
		int end;
	} rows[] = {
		ROW("\0\0\5\0\0" TAG "\0", 0),
		ROW("\0\0" NINE "\1\0\0" TAG "\0", 0),
		ROW("\0\0" NINE "\xff\1\0\0" TAG "\0", -EBADMSG),
		ROW("\0\0" NINE NINE "\1\0\0" TAG "\0", -EBADMSG),
		ROW("\0\0\5\0" NINE "\1" TAG "\0", 0),
		ROW("\0\0\5\1" NINE "\1" TAG "\0", -EBADMSG), /* as many seconds */
		ROW("\0\0\5\0\0" TAG "\1" TAG TAG "\xff\xff\3", 0),
		ROW("\0\0\5\0\0" TAG "\1" TAG TAG "\x80\x80\4", -EBADMSG),
	};
	int end;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		count(rows[i].raw, rows[i].len, 1, &end);
		if (end != rows[i].end)
			fail_msg("%zu: %d", i, end);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_it_was),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(keys_that_are_too_long),
		cmocka_unit_test(numbers_that_are_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
