/*
 * The layouts, written out by hand; test_scan.c compares many more with a second writer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "render/pretty.h"

static const struct {
	const char *text, *pretty, *minified;
} layouts[] = {
	{"{}", "{}\n", "{}"},
	{"[]", "[]\n", "[]"},
	{"{ \n }", "{}\n", "{}"},
	{"7", "7\n", "7"},
	{" true ", "true\n", "true"},
	{"\"a b\"", "\"a b\"\n", "\"a b\""},
	{"{\"a\":1}", "{\n  \"a\": 1\n}\n", "{\"a\":1}"},
	{"[1376.0,\"\\u003d\"]", "[\n  1376.0,\n  \"\\u003d\"\n]\n", "[1376.0,\"\\u003d\"]"},
	{"{\"a\" : [ ] , \"b\":{\t},\"c\":[{}]}",
		"{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    {}\n  ]\n}\n",
		"{\"a\":[],\"b\":{},\"c\":[{}]}"},
	{"[[1,2],[3]]", "[\n  [\n    1,\n    2\n  ],\n  [\n    3\n  ]\n]\n", "[[1,2],[3]]"},
	{"{\"a:b,{}[]\":\"  \\\" : , \\\\\"}", "{\n  \"a:b,{}[]\": \"  \\\" : , \\\\\"\n}\n",
		"{\"a:b,{}[]\":\"  \\\" : , \\\\\"}"},
	{"{\"k\":-1e+5,\r\n\t\"\xc3\xa9\":null}", "{\n  \"k\": -1e+5,\n  \"\xc3\xa9\": null\n}\n",
		"{\"k\":-1e+5,\"\xc3\xa9\":null}"},
};

#define N_LAYOUTS (sizeof layouts / sizeof *layouts)

typedef size_t writer(const char *text, size_t len, char *out, size_t cap);

/* With all room, then with ever less: nothing may be written past cap, and the length must tell. */
static void check(writer *write, const char *text, const char *expect)
{
	size_t len = strlen(text), n = strlen(expect);
	char *copy = malloc(len), *out = malloc(n);

	memcpy(copy, text, len);
	assert_int_equal(write(copy, len, out, n), n);
	assert_memory_equal(out, expect, n);
	free(out);
	for (size_t cap = 0; cap < n; cap++) {
		out = malloc(cap ? cap : 1);
		assert_true(write(copy, len, out, cap) > cap);
		free(out);
	}
	free(copy);
}

static void test_layouts(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_LAYOUTS; i++) {
		check(pretty_write, layouts[i].text, layouts[i].pretty);
		check(minify_write, layouts[i].text, layouts[i].minified);
	}
}

/* Text that is no JSON (a cache that was tampered with) may give any bytes, but within bounds and in time. */
static void test_garbage(void **state)
{
	static const char *const garbage[] = {"", "\"", "\"\\", "]]]]", "{{{{{{{{{{{{", "\x01\x02", "{\"a",
		":,:,:", "[\x1f]", "\"\xff\xfe"};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
		size_t len = strlen(garbage[i]);
		char *copy = malloc(len ? len : 1);
		memcpy(copy, garbage[i], len);
		for (size_t cap = 0; cap <= sizeof out; cap++) {
			assert_true(pretty_write(copy, len, out, cap) <= cap + 1);
			assert_true(minify_write(copy, len, out, cap) <= cap + 1);
		}
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
