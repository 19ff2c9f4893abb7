/*
 * The scanner: what it accepts, which shape it sees, which fields it finds, what it says when it refuses.
 * Each text also goes through tests/referee.h; test_scan_random.c does that with many thousand more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/referee.h"

static struct scanner *scanner;

static int setup(void **state)
{
	(void)state;
	scanner = scanner_new();
	return scanner ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	scanner_free(scanner);
	return 0;
}

/* A copy with nothing behind it, so that a sanitizer sees a read past the end. */
static char *exact(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);

	memcpy(copy, text, len);
	return copy;
}

static void check(const char *text, size_t len)
{
	char *copy = exact(text, len);
	const char *wrong = referee_check(scanner, copy, len);

	if (wrong)
		fail_msg("%s: %.*s", wrong, (int)(len < 2000 ? len : 2000), text);
	free(copy);
}

/* -- grammar ------------------------------------------------------------------------------------------- */

static const struct {
	const char *text;
	bool accept;
} grammar[] = {
	{"1", true},
	{"-0", true},
	{"-0.0e5", true},
	{"1E+05", true},
	{"0.5", true},
	{"[1.5e-3,0]", true},
	{"01", false},
	{"-", false},
	{"- 1", false},
	{"+1", false},
	{".5", false},
	{"1.", false},
	{"1.e5", false},
	{"1e", false},
	{"1e+", false},
	{"[-a]", false},
	/* jansson's own types are too small for these */
	{"1e400", true},
	{"99999999999999999999", true},
	{"-99999999999999999999", true},
	{"\"\\ud800\"", true},
	{"\"\\udc00x\"", true},
	{"\"\\ud800\\u0041\"", true},
	{"{\"a\\u0000b\":1}", true},
	{"true", true},
	{"false", true},
	{"null", true},
	{"tru", false},
	{"truex", false},
	{"truefalse", false},
	{"TRUE", false},
	{"nulL", false},
	{"\"\"", true},
	{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u0000\"", true},
	{"\"\\x\"", false},
	{"\"\\u00g0\"", false},
	{"\"\\u00", false},
	{"\"\\", false},
	{"\"\\u00e9\\\"", false},
	{"\"a\nb\"", false},
	{"\"a\tb\"", false},
	{"\"\x1f\"", false},
	{"\"\x7f\"", true},
	{"\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"", true},
	{"\"\xef\xbf\xbe \xf4\x8f\xbf\xbf\"", true},
	{"\"\xc0\x80\"", false},
	{"\"\xc1\xbf\"", false},
	{"\"\xe0\x9f\xbf\"", false},
	{"\"\xed\xa0\x80\"", false},
	{"\"\xf0\x8f\xbf\xbf\"", false},
	{"\"\xf4\x90\x80\x80\"", false},
	{"\"\xf5\x80\x80\x80\"", false},
	{"\"\x80\"", false},
	{"\"\xc3\"", false},
	{"\"\xe2\x82\"", false},
	{"\"\xc3", false},
	{"[]", true},
	{"{}", true},
	{"[ ]", true},
	{"{\n}", true},
	{"[1,]", false},
	{"[,1]", false},
	{"[1 2]", false},
	{"[1", false},
	{"[", false},
	{"{", false},
	{"{\"a\"", false},
	{"{\"a\":", false},
	{"{\"a\":1", false},
	{"{\"a\":1,", false},
	{"{\"a\":1,}", false},
	{"{\"a\" 1}", false},
	{"{a:1}", false},
	{"{1:1}", false},
	{"{\"a\":1]", false},
	{"[1}", false},
	{"]", false},
	{"1]", false},
	{"{}}", false},
	{"{\"\":{\"\":[]}}", true},
	{"{\"a\":1,\"a\":2}", true},
	{"\f1", false},
	{"\v{}", false},
	{"[\xc2\xa0]", false},
	{"\xef\xbb\xbf{}", false},
	{"{}\xff", false},
	{" \t\r\n{ \t\r\n\"a\" \t\r\n: \t\r\n1 \t\r\n} \t\r\n", true},
	{"1 2", true},
	{"1{}\"a\"[]true1", true},
	{"{}{", false},
	{"{\"Records\":[{},]}", false},
	{"{\"Records\":[{}}", false},
	{"{\"Records\":[{}]", false},
	{"{\"Records\":[{}],}", false},
	{"{\"Records\":[{}] \"a\":1}", false},
	{"{\"Records\":[{}],\"a\" 1}", false},
	{"{\"Records\":[{}],\"a\":}", false},
	{"{\"Records\":[{}],\"a\x01\":1}", false},
	{"{\"Records\":[{\"eventName\":\"a\"},7,[],null,\"x\"],\"a\":{\"Records\":[]}}", true},
	{"// {}", false},
};

static void test_grammar(void **state)
{
	struct scan_result result;

	(void)state;
	for (size_t i = 0; i < sizeof grammar / sizeof *grammar; i++) {
		size_t len = strlen(grammar[i].text);
		char *copy = exact(grammar[i].text, len);
		int e = scan_log(scanner, copy, len, NULL, NULL, NULL, &result);

		if (e != (grammar[i].accept ? 0 : -EBADMSG))
			fail_msg("%d for %s", e, grammar[i].text);
		free(copy);
		check(grammar[i].text, len);
	}
	check("\0", 1);
	check("[\"a\0b\"]", 7);
	/* jansson loses these two NULs. */
	assert_int_equal(scan_log(scanner, "1\0", 2, NULL, NULL, NULL, &result), -EBADMSG);
	assert_int_equal(scan_log(scanner, "[1\0]", 4, NULL, NULL, NULL, &result), -EBADMSG);
	assert_string_equal(result.reason, "line 1, column 3: ']' or ',' expected");
}

/* Each byte at each place of a string that is longer than what is looked at in one step. */
static void test_every_byte(void **state)
{
	struct scan_result result;
	char text[72];

	(void)state;
	for (size_t at = 1; at < sizeof text - 1; at++) {
		memset(text, 'x', sizeof text);
		text[0] = text[sizeof text - 1] = '"';
		for (int c = 0; c < 256; c++) {
			bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
			int e;

			text[at] = (char)c;
			e = scan_log(scanner, text, sizeof text, NULL, NULL, NULL, &result);
			assert_int_equal(e, plain ? 0 : -EBADMSG);
		}
	}
}

/* `before`, depth brackets, `inner`, as many brackets, `after`: new. */
static char *nest(size_t depth, const char *before, const char *inner, const char *after)
{
	FILE *f;
	char *text;
	size_t len;

	f = open_memstream(&text, &len);
	fputs(before, f);
	for (size_t i = 0; i < depth; i++)
		fputc('[', f);
	fputs(inner, f);
	for (size_t i = 0; i < depth; i++)
		fputc(']', f);
	fputs(after, f);
	fclose(f);
	return text;
}

static void test_depth(void **state)
{
	static const char *const wrap[][2] = {{"", ""}, {"[1,", "]"}, {"{\"Records\":[", "]}"},
		{"{\"Events\":[", "]}"}, {"{\"Records\":[],\"a\":", "}"}};
	static const char *const inner[] = {"", "1", "{}", "{\"a\":1}", "[[]]", " "};
	struct scan_result result;
	char *text;

	(void)state;
	for (size_t w = 0; w < sizeof wrap / sizeof *wrap; w++) {
		for (size_t depth = SCAN_DEPTH_MAX - 5; depth < SCAN_DEPTH_MAX + 5; depth++) {
			for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) {
				text = nest(depth, wrap[w][0], inner[i], wrap[w][1]);
				check(text, strlen(text));
				free(text);
			}
		}
	}
	text = nest(SCAN_DEPTH_MAX, "", "", "");
	assert_int_equal(scan_log(scanner, text, strlen(text), NULL, NULL, NULL, &result), 0);
	free(text);
	text = nest(SCAN_DEPTH_MAX, "", "1", "");
	assert_int_equal(scan_log(scanner, text, strlen(text), NULL, NULL, NULL, &result), -EBADMSG);
	free(text);
}

/* -- shapes -------------------------------------------------------------------------------------------- */

#define MIXED "more than one value, and one of them is {\"Records\":[...]} or {\"Events\":[...]}"

static const struct {
	const char *text;
	int e;
	enum scan_shape shape;
	uint32_t records;
	bool known;
	const char *reason;
} shapes[] = {
	{"", 0, SHAPE_NONE, 0, false, ""},
	{" \n", 0, SHAPE_NONE, 0, false, ""},
	{"7", 0, SHAPE_STREAM, 1, false, ""},
	{"{}", 0, SHAPE_STREAM, 1, false, ""},
	{"{\"a\":1}", 0, SHAPE_STREAM, 1, false, ""},
	{"{\"eventName\":null}", 0, SHAPE_STREAM, 1, true, ""},
	{"{\"eventVersion\":\"1.09\"}", 0, SHAPE_STREAM, 1, true, ""},
	{"{\"userIdentity\":7}", 0, SHAPE_STREAM, 1, true, ""},
	{"{\"insightDetails\":[]}", 0, SHAPE_STREAM, 1, true, ""},
	{"{\"eventId\":\"x\",\"a\":{\"eventID\":1}}", 0, SHAPE_STREAM, 1, false, ""},
	{"{\"event\\u0049D\":\"x\"}", 0, SHAPE_STREAM, 1, true, ""},
	{"{\"sourceIPAddress\":\"x\",\"resources\":[]}", 0, SHAPE_STREAM, 1, false, ""},
	{"{}\n{\"awsRegion\":\"x\"}\n", 0, SHAPE_STREAM, 2, true, ""},
	{"{}{}7", 0, SHAPE_STREAM, 3, false, ""},
	{"[]", 0, SHAPE_ARRAY, 0, false, ""},
	{"[7,{\"eventTime\":1}]", 0, SHAPE_ARRAY, 2, true, ""},
	{"[{\"Records\":[{\"eventName\":1}]}]", 0, SHAPE_ARRAY, 1, false, ""},
	{"[{\"eventName\":1},2] {}", 0, SHAPE_STREAM, 2, false, ""},
	{"{} [{\"eventName\":1},2]", 0, SHAPE_STREAM, 2, false, ""},
	{"{\"Records\":[]}", 0, SHAPE_RECORDS, 0, false, ""},
	{"{\"x\":[{}],\"Records\":[{\"eventID\":1},{},null],\"y\":2}", 0, SHAPE_RECORDS, 3, true, ""},
	{"{ \"R\\u0065cords\" : [ 1 ] }", 0, SHAPE_RECORDS, 1, false, ""},
	{"{\"records\":[]}", 0, SHAPE_STREAM, 1, false, ""},
	{"{\"Records\":{}}", 0, SHAPE_STREAM, 1, false, ""},
	{"{\"Records\":[{\"eventID\":1}],\"Records\":[2,3]}", 0, SHAPE_RECORDS, 2, false, ""},
	{"{\"Records\":7,\"Records\":[2,3]}", 0, SHAPE_RECORDS, 2, false, ""},
	{"{\"Records\":[{\"eventID\":1},2,3],\"Records\":null}", 0, SHAPE_STREAM, 1, false, ""},
	{"{\"Records\":[1,2],\"Records\":null,\"eventID\":1}", 0, SHAPE_STREAM, 1, true, ""},
	{"{\"Events\":[]}", 0, SHAPE_EVENTS, 0, false, ""},
	{"{\"NextToken\":\"x\",\"Events\":[{\"CloudTrailEvent\":\"{}\"},2]}", 0, SHAPE_EVENTS, 0, false, ""},
	{"{\"Events\":[1],\"Events\":2}", 0, SHAPE_STREAM, 1, false, ""},
	{"{\"Events\":[1],\"Records\":[2,3]}", 0, SHAPE_RECORDS, 2, false, ""},
	{"{\"Records\":[2,3],\"Events\":[1]}", 0, SHAPE_RECORDS, 2, false, ""},
	{"{\"Records\":[2,3],\"Events\":[1],\"Records\":4}", 0, SHAPE_EVENTS, 0, false, ""},
	{"{\"Records\":[]} {}", -EBADMSG, SHAPE_NONE, 0, false, MIXED},
	{"{} {\"Records\":[]}", -EBADMSG, SHAPE_NONE, 0, false, MIXED},
	{"7 {\"Events\":[]}", -EBADMSG, SHAPE_NONE, 0, false, MIXED},
	{"[1] {\"Records\":[]}", -EBADMSG, SHAPE_NONE, 0, false, MIXED},
	{"{\"Records\":[]}{\"Records\":[]}", -EBADMSG, SHAPE_NONE, 0, false, MIXED},
	{"{\"eventID\":1} {\"Records\":[2,3],\"Records\":4}", 0, SHAPE_STREAM, 2, true, ""},
	{"{\"Records\":[2,3],\"Records\":4} {\"eventID\":1}", 0, SHAPE_STREAM, 2, true, ""},
	{"{\"a\":1}\n{\"b\":}\n", -EBADMSG, SHAPE_NONE, 0, false,
		"line 2, column 6: unexpected token near '}'"},
	{"{\"Records\":[{\"a\":1}", -EBADMSG, SHAPE_NONE, 0, false,
		"line 1, column 19: ']' expected near end of file"},
	{"[1e999,\n tru]", -EBADMSG, SHAPE_NONE, 0, false, "line 2, column 2: invalid token"},
	{"\xef\xbb\xbf{}", -EBADMSG, SHAPE_NONE, 0, false,
		"line 1, column 1: invalid token near '\xef\xbb\xbf'"},
};

static void test_shapes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		size_t len = strlen(shapes[i].text);
		struct referee_visit v = {NULL, 0, NULL};
		struct scan_result result;
		int e = scan_log(scanner, shapes[i].text, len, referee_visit, referee_restart, &v, &result);

		if (e != shapes[i].e || strcmp(result.reason, shapes[i].reason) != 0)
			fail_msg("%d, \"%s\" for %s", e, result.reason, shapes[i].text);
		if (result.shape != shapes[i].shape || result.records != shapes[i].records ||
			result.known != shapes[i].known || (e == 0 && v.n != result.records))
			fail_msg("%d %u %d for %s", result.shape, result.records, result.known,
				shapes[i].text);
		check(shapes[i].text, len);
	}
}

/* -- fields -------------------------------------------------------------------------------------------- */

static const struct {
	const char *text;
	enum scan_field field;
	enum json_type type;
	const char *raw; /* the span's bytes */
} fields[] = {
	{"{\"eventName\":\"a\"}", FIELD_EVENT_NAME, JSON_STR, "a"},
	{"{\"eventName\":\"\"}", FIELD_EVENT_NAME, JSON_STR, ""},
	{"{\"eventName\":\"\\u0041\"}", FIELD_EVENT_NAME, JSON_STR_ESCAPED, "\\u0041"},
	{"{\"event\\u004eame\":\"a\"}", FIELD_EVENT_NAME, JSON_STR, "a"},
	{"{\"eventName\":12.50}", FIELD_EVENT_NAME, JSON_NUM, "12.50"},
	{"{\"readOnly\":true}", FIELD_READ_ONLY, JSON_BOOL, "true"},
	{"{\"readOnly\":false }", FIELD_READ_ONLY, JSON_BOOL, "false"},
	{"{\"errorCode\":null}", FIELD_ERROR_CODE, JSON_NULL_, "null"},
	{"{\"userAgent\":[1, 2]}", FIELD_USER_AGENT, JSON_ARR, "[1, 2]"},
	{"{\"userAgent\":{\"userAgent\":\"x\"}}", FIELD_USER_AGENT, JSON_OBJ, "{\"userAgent\":\"x\"}"},
	{"{\"a\":{\"eventName\":\"a\"}}", FIELD_EVENT_NAME, JSON_ABSENT, NULL},
	{"[{\"eventName\":\"a\"}]", FIELD_EVENT_NAME, JSON_STR, "a"},
	{"{\"eventName\":\"a\",\"eventName\":\"b\"}", FIELD_EVENT_NAME, JSON_STR, "b"},
	{"{\"eventName\":\"a\",\"eventName\":null}", FIELD_EVENT_NAME, JSON_NULL_, "null"},
	{"{\"type\":\"a\"}", FIELD_ID_TYPE, JSON_ABSENT, NULL},
	{"{\"userIdentity\":{\"type\":\"a\"}}", FIELD_ID_TYPE, JSON_STR, "a"},
	{"{\"userIdentity\":[{\"type\":\"a\"}]}", FIELD_ID_TYPE, JSON_ABSENT, NULL},
	{"{\"userIdentity\":{\"x\":{\"type\":\"a\"}}}", FIELD_ID_TYPE, JSON_ABSENT, NULL},
	{"{\"userIdentity\":{\"type\":\"a\"},\"userIdentity\":{\"arn\":1}}", FIELD_ID_TYPE, JSON_ABSENT,
		NULL},
	{"{\"userIdentity\":{\"type\":\"a\"},\"userIdentity\":null}", FIELD_ID_TYPE, JSON_ABSENT, NULL},
	{"{\"userIdentity\":{\"onBehalfOf\":{\"userId\":\"a\"}}}", FIELD_ID_ON_BEHALF, JSON_STR, "a"},
	{"{\"userIdentity\":{\"onBehalfOf\":{\"userId\":\"a\"},\"onBehalfOf\":{}}}", FIELD_ID_ON_BEHALF,
		JSON_ABSENT, NULL},
	{"{\"userIdentity\":{\"sessionContext\":{\"sessionIssuer\":{\"userName\":\"r\"}},\"userName\":\"u\"}"
	 "}",
		FIELD_ISSUER_NAME, JSON_STR, "r"},
	{"{\"userIdentity\":{\"sessionContext\":{\"sessionIssuer\":{\"userName\":\"r\"}},\"userName\":\"u\"}"
	 "}",
		FIELD_ID_USER_NAME, JSON_STR, "u"},
	{"{\"userIdentity\":{\"sessionContext\":{\"sessionIssuer\":{\"type\":\"r\"},\"sessionIssuer\":3}}}",
		FIELD_ISSUER_TYPE, JSON_ABSENT, NULL},
	{"{\"userIdentity\":{\"sessionContext\":{\"sessionIssuer\":{\"type\":\"r\"}},\"sessionContext\":3}}",
		FIELD_ISSUER_TYPE, JSON_ABSENT, NULL},
	{"{\"insightDetails\":{\"eventName\":\"n\"}}", FIELD_INSIGHT_NAME, JSON_STR, "n"},
	{"{\"insightDetails\":{\"eventName\":\"n\"}}", FIELD_INSIGHT, JSON_OBJ, "{\"eventName\":\"n\"}"},
	{"{\"insightDetails\":{\"eventName\":\"n\"}}", FIELD_EVENT_NAME, JSON_ABSENT, NULL},
	{"{\"insightDetails\":{\"eventSource\":\"n\"},\"insightDetails\":\"x\"}", FIELD_INSIGHT_SOURCE,
		JSON_ABSENT, NULL},
	{"{\"recipientAccountId\":\"1\",\"recipientAccountIdx\":2}", FIELD_RECIPIENT, JSON_STR, "1"},
};

struct field_check {
	size_t i;
	size_t visits;
};

static int visit_field(void *arg, const struct record *r)
{
	struct field_check *c = arg;
	const struct span *s = &r->field[fields[c->i].field];
	const char *raw = fields[c->i].raw;

	c->visits++;
	if (s->type != fields[c->i].type ||
		(raw && (s->len != strlen(raw) || memcmp(s->p, raw, s->len) != 0)))
		fail_msg("type %d, %.*s of %s", s->type, (int)s->len, s->p, fields[c->i].text);
	return 0;
}

static void test_fields(void **state)
{
	struct scan_result result;

	(void)state;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		struct field_check c = {i, 0};
		size_t len = strlen(fields[i].text);

		assert_int_equal(scan_log(scanner, fields[i].text, len, visit_field, NULL, &c, &result), 0);
		assert_int_equal(c.visits, 1);
		check(fields[i].text, len);
	}
}

#define MIXED_RECORDS 2000

struct mixed_check {
	size_t pick[MIXED_RECORDS + 1];
	struct field_check at;
	size_t n;
};

static int visit_mixed(void *arg, const struct record *r)
{
	struct mixed_check *c = arg;

	if (c->n == MIXED_RECORDS)
		return 0;
	c->at.i = c->pick[c->n++];
	return visit_field(&c->at, r);
}

/* All of the above in one log, in any order and with much behind them: what names came after one another
 * before says nothing about what the next one means. */
static void test_mixed_fields(void **state)
{
	struct mixed_check c = {0};
	struct scan_result result;
	uint32_t random = 1;
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	fputs("{\"Records\":[", f);
	while (c.n < MIXED_RECORDS) {
		random = random * 1664525 + 1013904223;
		c.pick[c.n] = (random >> 8) % (sizeof fields / sizeof *fields);
		if (*fields[c.pick[c.n]].text == '{')
			fprintf(f, "%s,", fields[c.pick[c.n++]].text);
	}
	fputs("{\"what\":\"is at the end, behind all that was to be found\"}]}", f);
	fclose(f);
	c.n = 0;
	assert_int_equal(scan_log(scanner, text, len, visit_mixed, NULL, &c, &result), 0);
	assert_int_equal(c.n, MIXED_RECORDS);
	assert_int_equal(result.records, MIXED_RECORDS + 1);
	free(text);
}

static const struct {
	const char *text;
	const char *resources; /* raw spans, a space behind each */
} resources[] = {
	{"{\"resources\":[]}", ""},
	{"{\"resources\":null}", ""},
	{"{\"resources\":{\"ARN\":\"a\"}}", ""},
	{"{\"resources\":[{\"ARN\":\"a\"}]}", "a "},
	{"{\"resources\":[{\"type\":\"t\",\"ARN\":\"a\"},{\"ARNPrefix\":\"p\"},{},7,[{\"ARN\":\"x\"}]]}",
		"a p "},
	{"{\"resources\":[{\"ARNPrefix\":\"p\",\"ARN\":\"a\"},{\"ARN\":null,\"ARNPrefix\":\"q\"}]}", "a q "},
	{"{\"resources\":[{\"ARN\":\"a\",\"ARN\":\"b\"},{\"ARN\":\"a\",\"ARN\":{}}]}", "b "},
	{"{\"resources\":[{\"x\":{\"ARN\":\"a\"}}]}", ""},
	{"{\"resources\":[{\"ARN\":\"a\"}],\"resources\":[{\"ARN\":\"b\"}]}", "b "},
	{"{\"resources\":[{\"ARN\":\"a\"}],\"resources\":null}", ""},
	{"{\"resources\":[{\"ARN\":12},{\"ARN\":true},{\"ARN\":\"\"}]}", "12 true  "},
	{"{\"x\":{\"resources\":[{\"ARN\":\"a\"}]}}", ""},
};

static int visit_resources(void *arg, const struct record *r)
{
	FILE *f = arg;

	for (size_t i = 0; i < r->n_resources; i++)
		fprintf(f, "%.*s ", (int)r->resource[i].len, r->resource[i].p);
	return 0;
}

static void test_resources(void **state)
{
	struct scan_result result;

	(void)state;
	for (size_t i = 0; i < sizeof resources / sizeof *resources; i++) {
		char *said;
		size_t said_len, len = strlen(resources[i].text);
		FILE *f = open_memstream(&said, &said_len);

		assert_int_equal(
			scan_log(scanner, resources[i].text, len, visit_resources, NULL, f, &result), 0);
		fclose(f);
		assert_string_equal(said, resources[i].resources);
		free(said);
		check(resources[i].text, len);
	}
}

/* -- limits and visitors ------------------------------------------------------------------------------- */

static int stop_at_two(void *arg, const struct record *r)
{
	(void)r;
	return ++*(int *)arg == 2 ? -EINTR : 0;
}

static void test_visit_stops(void **state)
{
	struct scan_result result;
	int visits = 0;

	(void)state;
	assert_int_equal(scan_log(scanner, "[1,2,3]", 7, stop_at_two, NULL, &visits, &result), -EINTR);
	assert_int_equal(visits, 2);
}

static void test_too_many_records(void **state)
{
	size_t len = 2 * (size_t)SCAN_RECORDS_MAX + 1;
	char *text = malloc(len + 2);
	struct scan_result result;

	(void)state;
	for (size_t i = 0; i < len + 2; i += 2)
		memcpy(text + i, ",1", i + 1 < len + 2 ? 2 : 1);
	text[0] = '[';
	text[len - 1] = ']';
	assert_int_equal(scan_log(scanner, text, len, NULL, NULL, NULL, &result), 0);
	assert_int_equal(result.records, SCAN_RECORDS_MAX);
	text[len - 1] = ',';
	text[len + 1] = ']';
	assert_int_equal(scan_log(scanner, text, len + 2, NULL, NULL, NULL, &result), -EFBIG);
	assert_string_equal(result.reason, "more than 4,194,304 records");
	free(text);
}

/* Deep and wide: 4 KB of indent for each 2 bytes. */
static void test_too_long_when_laid_out(void **state)
{
	const size_t depth = SCAN_DEPTH_MAX - 1, elements = 2u << 20;
	size_t len = 2 * depth + 2 * elements - 1;
	char *text = malloc(len);
	struct scan_result result;

	(void)state;
	memset(text, '[', depth);
	for (size_t i = 0; i < elements; i++)
		memcpy(text + depth + 2 * i, "1,", i + 1 < elements ? 2 : 1);
	memset(text + len - depth, ']', depth);
	/* One level down: the outermost array holds the records. */
	assert_int_equal(scan_log(scanner, text, len, NULL, NULL, NULL, &result), -EFBIG);
	assert_string_equal(result.reason, "a record that would take more than 4 GiB when laid out");
	free(text);
}

/* Where jansson would need too much memory for its words, ours must do. */
static void test_reason_of_huge_text(void **state)
{
	size_t len = 3u << 20;
	char *text = malloc(len);
	struct scan_result result;

	(void)state;
	memset(text, ' ', len);
	text[0] = '[';
	text[len / 2] = '\n';
	text[len - 1] = 'x';
	assert_int_equal(scan_log(scanner, text, len, NULL, NULL, NULL, &result), -EBADMSG);
	assert_string_equal(result.reason, "line 2, column 1572863: a value expected");
	free(text);
}

/* -- strings and lookups ------------------------------------------------------------------------------- */

static const struct {
	const char *raw, *decoded;
	size_t len;
} strings[] = {
	{"", "", 0},
	{"abc", "abc", 3},
	{"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t", 8},
	{"a\\u0041\\u00e9\\u20AC!", "aA\xc3\xa9\xe2\x82\xac!", 8},
	{"\\u0000", "\0", 1},
	{"\\ud83d\\ude00", "\xf0\x9f\x98\x80", 4},
	{"\\ud800", "\xed\xa0\x80", 3},
	{"\\udc00\\ud800x", "\xed\xb0\x80\xed\xa0\x80x", 7},
	{"\\ud800\\ud83d\\ude00", "\xed\xa0\x80\xf0\x9f\x98\x80", 7},
	{"\\ud83d\\n", "\xed\xa0\xbd\n", 4},
	{"\\ud83d\\u0041", "\xed\xa0\xbd\x41", 4},
};

static void test_strings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
		size_t len = strlen(strings[i].raw);
		char *raw = exact(strings[i].raw, len), *out = malloc(len ? len : 1);
		bool escaped = strchr(strings[i].raw, '\\') != NULL;
		struct span span = {raw, (uint32_t)len, escaped ? JSON_STR_ESCAPED : JSON_STR};

		assert_int_equal(scan_string(&span, out), strings[i].len);
		assert_memory_equal(out, strings[i].decoded, strings[i].len);
		free(out);
		free(raw);
	}
}

static const struct {
	const char *text;
	const char *decoded; /* or NULL: */
	const char *reason;
} lookups[] = {
	{"{\"Events\":[]}", "", NULL},
	{"{\"Events\":[{\"CloudTrailEvent\":\"{}\"}]}", "{}\n", NULL},
	{"{\"x\":1,\"Events\":[{\"EventId\":\"e\",\"CloudTrailEvent\":\"{\\\"a\\\":\\\"\\\\u00e9\\\"}\"},"
	 "{\"CloudTrailEvent\":\" 7\\n\"}]}",
		"{\"a\":\"\\u00e9\"}\n 7\n\n", NULL},
	{"{\"Events\":[1],\"Events\":[{\"CloudTrailEvent\":\"1\",\"CloudTrailEvent\":\"2\"}]}", "2\n", NULL},
	{"{\"Events\":[{\"CloudTrailEvent\":\"1\"}],\"Events\":[{\"CloudTrailEvent\":\"1\",\"Cloud"
	 "TrailEvent\":\"2\"}]}",
		"2\n", NULL},
	{"{\"Events\":[{\"CloudTrailEvent\":\"1\"},{\"CloudTrailEvent\":1}]}", NULL,
		"Events[1]: no CloudTrailEvent string"},
	{"{\"Events\":[{\"CloudTrailEvent\":\"1\"}],\"Events\":[2]}", NULL,
		"Events: no CloudTrailEvent string in any of them"},
	{"{\"Events\":[{\"x\":{\"CloudTrailEvent\":\"1\"}}]}", NULL,
		"Events: no CloudTrailEvent string in any of them"},
	{"{\"Events\":[{\"CloudTrailEvent\":\"\"}]}", NULL,
		"Events[0]: CloudTrailEvent does not hold one JSON value"},
	{"{\"Events\":[{\"CloudTrailEvent\":\"{} {}\"}]}", NULL,
		"Events[0]: CloudTrailEvent does not hold one JSON value"},
	{"{\"Events\":[{\"CloudTrailEvent\":\"{\"}]}", NULL,
		"Events[0]: CloudTrailEvent does not hold one JSON value"},
	{"{\"Events\":[{\"CloudTrailEvent\":\"\\\"\\ud800\\\"\"}]}", NULL,
		"Events[0]: CloudTrailEvent does not hold one JSON value"},
	{"{\"Events\":[{\"CloudTrailEvent\":\"1\"}", NULL,
		"line 1, column 34: ']' expected near end of file"},
	{"{\"Records\":[]}", NULL, "no \"Events\" array"},
};

static void test_lookups(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof lookups / sizeof *lookups; i++) {
		size_t len = strlen(lookups[i].text), out_len;
		char *copy = exact(lookups[i].text, len), *out, reason[SCAN_REASON_MAX];
		int e = scan_decode(scanner, copy, len, &out, &out_len, reason);

		if (lookups[i].decoded) {
			assert_int_equal(e, 0);
			assert_int_equal(out_len, strlen(lookups[i].decoded));
			assert_memory_equal(out, lookups[i].decoded, out_len);
			free(out);
		} else {
			assert_int_equal(e, strstr(lookups[i].reason, "in any of") ? -ENOMSG : -EBADMSG);
			assert_string_equal(reason, lookups[i].reason);
		}
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_mixed_fields),
		cmocka_unit_test(test_resources),
		cmocka_unit_test(test_visit_stops),
		cmocka_unit_test(test_too_many_records),
		cmocka_unit_test(test_too_long_when_laid_out),
		cmocka_unit_test(test_reason_of_huge_text),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_lookups),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
