/* Values and events as file names, and back. */
#include "render/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include <cmocka.h>

#define V(s)   ((struct value){s, sizeof(s) - 1})
#define ABSENT ((struct value){NULL, 0})
#define T      "091023Z_"

static const struct {
	struct value value;
	const char *name;
} values[] = {
	{V("alice"), "alice"},
	{V(""), "%"},
	{V("%"), "%25"},
	{V("."), "%2E"},
	{V(".."), "%2E."},
	{V(".hidden.x"), "%2Ehidden.x"},
	{V("a.b"), "a.b"},
	{V("AWS Internal/#"), "AWS Internal%2F#"},
	{V("arn:aws:iam::1:user/a/b"), "arn:aws:iam::1:user%2Fa%2Fb"},
	{V("100%2F"), "100%252F"},
	{V("\0"), "%00"},
	{V("a\nb\x1b[31m\x7f"), "a%0Ab%1B[31m%7F"},
	{V(" ~*?\\\"'<>|:-"), " ~*?\\\"'<>|:-"},
	/* Valid UTF-8: the first and the last of each length. */
	{V("\xc2\x80\xdf\xbf"), "\xc2\x80\xdf\xbf"},
	{V("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"),
		"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"},
	{V("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
	/* Overlong, surrogate, too high, alone, cut short. */
	{V("\xc0\x80\xc1\xbf"), "%C0%80%C1%BF"},
	{V("\xe0\x9f\xbf"), "%E0%9F%BF"},
	{V("\xed\xa0\x80"), "%ED%A0%80"},
	{V("\xf0\x8f\xbf\xbf"), "%F0%8F%BF%BF"},
	{V("\xf4\x90\x80\x80"), "%F4%90%80%80"},
	{V("\xf5\xff\xfe"), "%F5%FF%FE"},
	{V("\x80x\xbf"), "%80x%BF"},
	{V("\xe2\x82"), "%E2%82"},
	{V("\xe2\x82/"), "%E2%82%2F"},
	{V("\xe2\xe2\x82\xac"), "%E2\xe2\x82\xac"},
	{V("\xf0\x9f\x98"), "%F0%9F%98"},
	{V("\xc3"), "%C3"},
};

static struct value text(const char *p, size_t n)
{
	return (struct value){p, (uint32_t)n};
}

static void test_values(void **state)
{
	char name[NAME_LEN_MAX + 1], back[NAME_LEN_MAX];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		assert_int_equal(name_of_value(values[i].value, name), strlen(values[i].name));
		assert_string_equal(name, values[i].name);
		assert_int_equal(name_read(name, strlen(name), back, &n), NAME_VALUE);
		assert_int_equal(n, values[i].value.len);
		assert_memory_equal(back, values[i].value.p, n);
	}
}

static void test_no_value_has_these_names(void **state)
{
	static const char *const names[] = {"", ".", "..", ".x", "%", "a%", "%2", "%2G", "%2f", "%41", "a/b",
		"a%2E", "\x1b", "\x7f", "\xff", "\xe2\x82", "%E2%82%AC", "%%", "%25%", "a\nb"};
	char back[NAME_LEN_MAX];
	size_t n = 77;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(names[i], "%") != 0)
			assert_int_equal(name_read(names[i], strlen(names[i]), back, &n), NAME_NONE);
	assert_int_equal(name_read("a\0b", 3, back, &n), NAME_NONE);
	assert_int_equal(n, 77);
}

/* The name of the long value v has to be its first `keeps` encoded bytes, and the tail. */
static void assert_cut(struct value v, const char *encoded, size_t keeps)
{
	char name[NAME_LEN_MAX + 1], want[NAME_LEN_MAX + 2], back[NAME_LEN_MAX];
	size_t n = 77;

	snprintf(want, sizeof want, "%.*s~%016llx", (int)keeps, encoded,
		(unsigned long long)XXH3_64bits(v.p, v.len));
	assert_int_equal(name_of_value(v, name), strlen(want));
	assert_string_equal(name, want);
	assert_int_equal(name_read(name, strlen(name), back, &n), NAME_HASH);
	assert_int_equal(n, 77);
}

static void test_long_values(void **state)
{
	char v[2000], name[NAME_LEN_MAX + 1], encoded[2000], back[NAME_LEN_MAX];
	size_t n;

	(void)state;
	memset(v, 'x', sizeof v);
	assert_int_equal(name_of_value(text(v, 255), name), 255);
	assert_int_equal(name_read(name, 255, back, &n), NAME_VALUE);
	assert_int_equal(n, 255);
	assert_cut(text(v, 256), v, 238);
	assert_cut(text(v, 2000), v, 238);
	/* A unit of 2, 3 (character, escape) and 4 bytes across every place near the cut. */
	static const struct {
		const char *raw, *encoded;
	} units[] = {{"\xc3\xa9", "\xc3\xa9"}, {"\xe2\x82\xac", "\xe2\x82\xac"}, {"/", "%2F"},
		{"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"}};
	for (size_t u = 0; u < sizeof units / sizeof *units; u++)
		for (size_t at = 230; at < 242; at++) {
			size_t raw = strlen(units[u].raw), enc = strlen(units[u].encoded);
			memset(v, 'x', sizeof v);
			memset(encoded, 'x', sizeof encoded);
			memcpy(v + at, units[u].raw, raw);
			memcpy(encoded + at, units[u].encoded, enc);
			assert_cut(text(v, 300), encoded, at < 238 && at + enc > 238 ? at : 238);
		}
}

/* Where a name would only just be too long because of its last unit. */
static void test_255_by_a_unit(void **state)
{
	char v[300], name[NAME_LEN_MAX + 1];

	(void)state;
	memset(v, 'x', sizeof v);
	v[252] = '/';
	assert_int_equal(name_of_value(text(v, 253), name), 255);
	v[252] = 'x', v[253] = '/';
	assert_cut(text(v, 254), v, 238);
	memcpy(v + 252, "\xe2\x82\xac", 3);
	assert_int_equal(name_of_value(text(v, 255), name), 255);
	/* A character that the end of the value cuts is not one. */
	assert_cut(text(v, 254), v, 238);
}

/* A value that reads like the cut name of another one must not get that name. */
static void test_values_that_look_cut(void **state)
{
	char v[400], name[NAME_LEN_MAX + 1], again[NAME_LEN_MAX + 1], back[NAME_LEN_MAX];
	size_t n;

	(void)state;
	for (size_t keep = 235; keep <= 238; keep++) {
		memset(v, 'x', sizeof v);
		memcpy(v + keep, "\xf0\x9f\x98\x80", 4);
		size_t len = name_of_value(text(v, 400), name);
		assert_int_equal(len, keep + 17);
		assert_int_not_equal(name_of_value(text(name, len), again), 0);
		assert_string_not_equal(name, again);
		assert_cut(text(name, len), name, 238 < len ? 238 : len);
	}
	/* What only nearly looks so is itself. */
	memset(v, 'x', sizeof v);
	memcpy(v + 234, "~0123456789abcdef", 17);
	assert_int_equal(name_of_value(text(v, 251), name), 251);
	assert_int_equal(name_read(name, 251, back, &n), NAME_VALUE);
	memcpy(v + 234, "x~0123456789abcdeF", 18);
	assert_int_equal(name_of_value(text(v, 252), name), 252);
	assert_int_equal(name_read(name, 252, back, &n), NAME_VALUE);
	/* A cut name with an encoding before the tail that no value has. */
	memcpy(v + 234, "\x7f~0123456789abcdef", 18);
	assert_int_equal(name_read(v, 252, back, &n), NAME_NONE);
	memset(v, 'x', sizeof v);
	assert_int_equal(name_read(v, 256, back, &n), NAME_NONE);
}

static uint32_t next(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static size_t random_value(uint32_t *x, unsigned char *v)
{
	/* Bytes that matter come often; lengths around the limits too. */
	static const char favourites[] = "%./~\x7f\0\xe2\x82\xac\xf0\x9f\x98\x80\xed\xa0\xc3\xa9 az09AF";
	size_t n = next(x) % 4 ? next(x) % 12 : 60 + next(x) % 240;

	for (size_t i = 0; i < n; i++)
		v[i] = next(x) % 3 ? (unsigned char)favourites[next(x) % (sizeof favourites - 1)]
				   : (unsigned char)next(x);
	return n;
}

struct pair {
	unsigned char value[300];
	size_t n;
	char name[NAME_LEN_MAX + 1];
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct pair *)a)->name, ((const struct pair *)b)->name);
}

static void test_any_bytes(void **state)
{
	enum {
		COUNT = 20000
	};
	struct pair *pairs = calloc(COUNT, sizeof *pairs);
	uint32_t x = 2463534242;
	int whole = 0, hashed = 0;

	(void)state;
	assert_non_null(pairs);
	for (int i = 0; i < COUNT; i++) {
		struct pair *p = &pairs[i];
		char back[NAME_LEN_MAX];
		size_t n;
		p->n = random_value(&x, p->value);
		size_t len = name_of_value(text((char *)p->value, p->n), p->name);
		assert_in_range(len, 1, NAME_LEN_MAX);
		assert_int_equal(strlen(p->name), len);
		assert_null(strchr(p->name, '/'));
		assert_int_not_equal(p->name[0], '.');
		switch (name_read(p->name, len, back, &n)) {
		case NAME_VALUE:
			assert_int_equal(n, p->n);
			assert_memory_equal(back, p->value, n);
			whole++;
			break;
		case NAME_HASH:
			assert_true(len > 251);
			hashed++;
			break;
		default:
			fail_msg("'%s' is no name", p->name);
		}
	}
	assert_true(whole > COUNT / 2 && hashed > COUNT / 20);
	qsort(pairs, COUNT, sizeof *pairs, by_name);
	for (int i = 1; i < COUNT; i++)
		if (strcmp(pairs[i].name, pairs[i - 1].name) == 0) {
			assert_int_equal(pairs[i].n, pairs[i - 1].n);
			assert_memory_equal(pairs[i].value, pairs[i - 1].value, pairs[i].n);
		}
	free(pairs);
}

/* The other way: a name that reads as a value is that value's name. */
static void test_any_name(void **state)
{
	uint32_t x = 88172645;
	int read = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		char name[300], back[300], again[NAME_LEN_MAX + 1];
		size_t n, len = random_value(&x, (unsigned char *)name);
		if (name_read(name, len, back, &n) != NAME_VALUE)
			continue;
		read++;
		assert_int_equal(name_of_value(text(back, n), again), len);
		assert_memory_equal(again, name, len);
	}
	assert_true(read > 1000);
}

static const struct {
	uint32_t second;
	struct value name, id;
	const char *stem;
} stems[] = {
	{33023, V("RunInstances"), V("0f3b1c2e-7d51"), T "RunInstances_0f3b1c2e-7d51"},
	{0, ABSENT, ABSENT, "000000Z_-_0123456789abcdef"},
	{86399, V(""), V(""), "235959Z_%_%"},
	{33023, V(".a/b"), V("..%"), T "%2Ea%2Fb_%2E.%25"},
	{33023, V("_"), V("~2"), T "__~2"},
	{33023, V("\xe2\x82\xac\xff"), V("\0"), T "\xe2\x82\xac%FF_%00"},
};

static void test_stems(void **state)
{
	char out[NAME_STEM_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof stems / sizeof *stems; i++) {
		size_t n =
			name_of_event(stems[i].second, stems[i].name, stems[i].id, 0x0123456789abcdef, out);
		assert_string_equal(out, stems[i].stem);
		assert_int_equal(n, strlen(stems[i].stem));
	}
}

/* The stem of the two has to be `uncut`, or where that is too long its first `keeps` bytes and the tail. */
static void assert_stem(struct value name, struct value id, const char *uncut, size_t len, size_t keeps)
{
	char out[NAME_STEM_MAX + 1], want[NAME_STEM_MAX + 2];

	snprintf(want, sizeof want, "%.*s", (int)len, uncut);
	if (len > NAME_STEM_MAX)
		snprintf(want, sizeof want, "%.*s~%016llx", (int)keeps, uncut,
			(unsigned long long)XXH3_64bits(uncut, len));
	size_t n = name_of_event(33023, name, id, 1, out);
	assert_string_equal(out, want);
	assert_int_equal(n, strlen(want));
}

static void test_long_stems(void **state)
{
	static char uncut[100100];
	static const struct {
		size_t name, id;
	} lens[] = {{100, 133}, {100, 134}, {1, 232}, {1, 233}, {232, 1}, {233, 1}, {234, 1}, {235, 1},
		{400, 36}, {36, 400}, {50000, 50000}, {1016, 2000}};

	(void)state;
	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
		size_t n = lens[i].name, m = lens[i].id;
		memset(uncut, 'x', sizeof uncut);
		memcpy(uncut, T, 8);
		uncut[8 + n] = '_';
		assert_stem(text(uncut + 8, n), text(uncut + 9 + n, m), uncut, 9 + n + m, 225);
	}
}

static void test_stems_are_cut_between_units(void **state)
{
	char name[300], uncut[1000];

	(void)state;
	/* At every place near the cut; and with an empty name, whose % is no escape. */
	for (size_t at = 200; at < 240; at++) {
		memset(name, 'x', sizeof name);
		memcpy(name + at, "\xf0\x9f\x98\x80", 4);
		snprintf(uncut, sizeof uncut, T "%.300s_i", name);
		size_t where = at + 8;
		assert_stem(text(name, 300), V("i"), uncut, strlen(uncut),
			where < 225 && where + 4 > 225 ? where : 225);
		snprintf(uncut, sizeof uncut, T "%%_%.300s", name);
		where = at + 10;
		assert_stem(V(""), text(name, 300), uncut, strlen(uncut),
			where < 225 && where + 4 > 225 ? where : 225);
		memcpy(name + at, "/xxx", 4);
		snprintf(uncut, sizeof uncut, T "%%_%.*s%%2F%.*s", (int)at, name, (int)(299 - at),
			name + at + 1);
		assert_stem(V(""), text(name, 300), uncut, strlen(uncut),
			where < 225 && where + 3 > 225 ? where : 225);
	}
	/* A walk that takes the lone % for an escape would stay one byte off among these. */
	for (size_t i = 0; i < 300; i++)
		name[i] = "\xc3\xa9"[i % 2];
	snprintf(uncut, sizeof uncut, T "%%_%.300s", name);
	assert_stem(V(""), text(name, 300), uncut, strlen(uncut), 224);
}

static const struct {
	const char *name;
	bool split, ok;
	size_t stem;
	uint32_t clash, second;
} files[] = {
	{T "Run_id.json", false, true, 14, 1, 33023},
	{T "Run_id.json", true, false, 0, 0, 0},
	{T "Run_id~2.json", false, true, 16, 1, 33023},
	{T "Run_id~2.json", true, true, 14, 2, 33023},
	{T "Run_id~2~3.json", true, true, 16, 3, 33023},
	{T "Run_id~4294967295.json", true, true, 14, UINT32_MAX, 33023},
	{T "Run_id~4294967296.json", true, false, 0, 0, 0},
	{T "Run_id~18446744073709551618.json", true, false, 0, 0, 0},
	{T "Run_id~1.json", true, false, 0, 0, 0},
	{T "Run_id~0.json", true, false, 0, 0, 0},
	{T "Run_id~02.json", true, false, 0, 0, 0},
	{T "Run_id~.json", true, false, 0, 0, 0},
	{T "Run_id~2x.json", true, false, 0, 0, 0},
	{T "Run_id~-2.json", true, false, 0, 0, 0},
	{"000000Z_%_%.json", false, true, 11, 1, 0},
	{"235959Z_-_%.json", false, true, 11, 1, 86399},
	{"000000Z_a_.json", false, false, 0, 0, 0},
	{"000000Z_~2.json", true, false, 0, 0, 0},
	{"240000Z_a_b.json", false, false, 0, 0, 0},
	{"006000Z_a_b.json", false, false, 0, 0, 0},
	{"000060Z_a_b.json", false, false, 0, 0, 0},
	{"0000 0Z_a_b.json", false, false, 0, 0, 0},
	{"000000z_a_b.json", false, false, 0, 0, 0},
	{"000000Z-a_b.json", false, false, 0, 0, 0},
	{T "Run_id.jsonl", false, false, 0, 0, 0},
	{T "Run_id", false, false, 0, 0, 0},
	{".json", false, false, 0, 0, 0},
	{"", false, false, 0, 0, 0},
	{"all.jsonl", false, false, 0, 0, 0},
};

static void test_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		size_t stem = 0;
		uint32_t clash = 0, second = 0;
		bool ok = name_read_event(
			files[i].name, strlen(files[i].name), files[i].split, &stem, &clash, &second);
		if (ok != files[i].ok || stem != files[i].stem || clash != files[i].clash ||
			second != files[i].second)
			fail_msg("%s (%d): %d, %zu, %u, %u", files[i].name, files[i].split, ok, stem, clash,
				second);
	}
}

/* The longest stem and the longest clash number still make a name that a file system takes. */
static void test_longest_file(void **state)
{
	char v[300], stem[NAME_STEM_MAX + 1], file[300];
	size_t stem_len;
	uint32_t clash, second;

	(void)state;
	memset(v, 'x', sizeof v);
	size_t n = name_of_event(1, text(v, 300), V("i"), 1, stem);
	assert_int_equal(n, NAME_STEM_MAX);
	int len = snprintf(file, sizeof file, "%s~9999999.json", stem);
	assert_true(len <= 255);
	assert_true(name_read_event(file, (size_t)len, true, &stem_len, &clash, &second));
	assert_int_equal(stem_len, NAME_STEM_MAX);
	assert_int_equal(clash, 9999999);
	assert_false(name_read_event(file, (size_t)len, false, &stem_len, &clash, &second));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_no_value_has_these_names),
		cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_255_by_a_unit),
		cmocka_unit_test(test_values_that_look_cut),
		cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_any_name),
		cmocka_unit_test(test_stems),
		cmocka_unit_test(test_long_stems),
		cmocka_unit_test(test_stems_are_cut_between_units),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_longest_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
