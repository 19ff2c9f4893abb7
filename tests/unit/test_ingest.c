/*
 * What becomes of an object: a log with rows, nothing to speak of, or damage; inside and outside of log
 * folders.
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

#include "fs/store/ingest.h"
#include "fs/store/large.h"
#include "tests/gzip.h"

#define IN    "AWSLogs/111122223333/CloudTrail/us-east-1/2025/06/19/a.json"
#define OUT   "folder/a.json"
#define EVENT "{\"eventID\":\"1\",\"eventTime\":\"2025-06-19T09:30:00Z\"}"
#define OTHER "{\"eventID\":\"2\"}"

#define LOG     SEGMENT_IS_LOG
#define DECODED (SEGMENT_IS_LOG | SEGMENT_DECODED)
#define DAMAGED SEGMENT_DAMAGED
#define DENIED  (SEGMENT_DAMAGED | SEGMENT_DENIED)

/* ---- one object ---- */

static void drop(void *data, size_t len)
{
	(void)len;
	free(data);
}

static struct segment *finish(struct segment_build *b)
{
	const char *why = NULL;
	struct segment *s;
	size_t len;
	void *data;

	assert_int_equal(segment_build_finish(b, &data, &len), 0);
	segment_build_free(b);
	assert_int_equal(segment_open_memory(data, len, drop, &s, &why), 0);
	return s;
}

struct outcome {
	uint32_t flags, rows;
	uint64_t inflated;
	char problem[256];
	struct segment *segment;
};

/* Ingests one object between two others, which must stay as they are. */
static struct outcome outcome_of(const char *key, const char *data, size_t len, int error, bool layout_only)
{
	struct segment_build *b = segment_build_new(KEY_NO_DAY);
	struct source_object o = {.key = key, .size = len, .mtime = 7, .tag = 8};
	struct source_object before = {.key = "A.json", .size = strlen(EVENT)};
	struct source_object after = {.key = "z.json", .size = strlen(OTHER)};
	struct ingest *in = ingest_new(NULL);
	struct outcome got = {0};
	struct segment_object found;
	const char *problem;

	assert_int_equal(ingest_add(in, &before, false, 0, "", EVENT, strlen(EVENT), b, &problem), 0);
	assert_string_equal(problem, "");
	int damaged = ingest_add(in, &o, layout_only, error, "reason", data, len, b, &problem);
	snprintf(got.problem, sizeof(got.problem), "%s", problem);
	assert_int_equal(ingest_add(in, &after, false, 0, "", OTHER, strlen(OTHER), b, &problem), 0);
	ingest_free(in);

	got.segment = finish(b);
	assert_int_equal(segment_objects(got.segment), 3);
	assert_int_equal(segment_object(got.segment, 0).rows, 1);
	assert_int_equal(segment_object(got.segment, 2).rows, 1);
	found = segment_object(got.segment, 1);
	assert_int_equal(damaged, !error && found.flags & SEGMENT_DAMAGED ? INGEST_DAMAGED : 0);
	assert_string_equal(found.key, key);
	assert_int_equal(found.size, len);
	assert_int_equal(found.mtime, 7);
	assert_int_equal(found.tag, 8);
	assert_string_equal(found.problem, got.problem);
	assert_int_equal(segment_rows(got.segment), 2 + found.rows);
	got.flags = found.flags;
	got.rows = found.rows;
	got.inflated = found.inflated;
	return got;
}

/* ---- the rules ---- */

static const struct {
	const char *text;
	uint32_t in_flags, in_rows, out_flags, out_rows;
} shapes[] = {
	{"{\"Records\":[" EVENT "," OTHER "]}", LOG, 2, LOG, 2},
	{"{\"Records\":[]}", LOG, 0, LOG, 0},
	{"{\"Records\":[1,{}]}", LOG, 2, LOG, 2},
	{"{\"Records\":[" EVENT "," EVENT "],\"Records\":[" OTHER "]}", LOG, 1, LOG, 1},
	{"{\"Records\":[" EVENT "],\"Records\":null}", DAMAGED, 0, 0, 0},
	{"[" EVENT "," OTHER ",1]", LOG, 3, LOG, 3},
	{"[{\"a\":1},2]", LOG, 2, 0, 0},
	{"[]", LOG, 0, 0, 0},
	{EVENT, LOG, 1, LOG, 1},
	{EVENT "\n" OTHER, LOG, 2, LOG, 2},
	{"{\"a\":1}\n" OTHER, LOG, 2, LOG, 2},
	{"{\"a\":1}\n{\"b\":1}", LOG, 2, 0, 0},
	{"{\"a\":1}", DAMAGED, 0, 0, 0},
	{"{}", DAMAGED, 0, 0, 0},
	{EVENT " 1", DAMAGED, 0, 0, 0},
	{"1", DAMAGED, 0, 0, 0},
	{"[" EVENT "][" OTHER "]", DAMAGED, 0, 0, 0},
	{"", DAMAGED, 0, 0, 0},
	{" \n", DAMAGED, 0, 0, 0},
	{"{\"Records\":[" EVENT "]}" OTHER, DAMAGED, 0, 0, 0},
	{"{\"Records\":[" EVENT "," EVENT, DAMAGED, 0, 0, 0},
	{"[" EVENT ",]", DAMAGED, 0, 0, 0},
	{"no JSON", DAMAGED, 0, 0, 0},
	{"{\"Events\":[]}", DECODED, 0, DECODED, 0},
	{"{\"Events\":[{\"CloudTrailEvent\":\"{\\\"eventID\\\":\\\"e\\\"}\"},{\"CloudTrailEvent\":\" {}\"}]}",
		DECODED, 2, DECODED, 2},
	{"{\"Events\":[{\"CloudTrailEvent\":\"{\\\"a\\\":1}\"}]}", DECODED, 1, DECODED, 1},
	{"{\"Events\":[{\"CloudTrailEvent\":\"{\\\"a\\\":1}\"},{\"CloudTrailEvent\":7}]}", DAMAGED, 0,
		DAMAGED, 0},
	{"{\"Events\":[{\"CloudTrailEvent\":\"{\"}]}", DAMAGED, 0, DAMAGED, 0},
	{"{\"Events\":[{\"CloudTrailEvent\":\"{\\\"Records\\\":[{}]}\"}]}", DAMAGED, 0, DAMAGED, 0},
};

static void check(
	const char *key, const char *text, const char *data, size_t len, uint32_t flags, uint32_t rows)
{
	struct outcome got = outcome_of(key, data, len, 0, false);

	if (got.flags != flags || got.rows != rows)
		print_error("%s: %s\n", key, text);
	assert_int_equal(got.flags, flags);
	assert_int_equal(got.rows, rows);
	assert_int_equal(*got.problem != '\0', (flags & DAMAGED) != 0);
	assert_int_equal(got.inflated, flags & DAMAGED ? len : strlen(text));
	segment_unref(got.segment);
}

static void shapes_plain(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		const char *text = shapes[i].text;

		check(IN, text, text, strlen(text), shapes[i].in_flags, shapes[i].in_rows);
		check(OUT, text, text, strlen(text), shapes[i].out_flags, shapes[i].out_rows);
	}
}

static void shapes_gzip(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		size_t n;
		char *data = gzip(shapes[i].text, strlen(shapes[i].text), &n);

		check(IN ".gz", shapes[i].text, data, n, shapes[i].in_flags, shapes[i].in_rows);
		check(OUT ".gz", shapes[i].text, data, n, shapes[i].out_flags, shapes[i].out_rows);
		free(data);
	}
}

static void folders_that_hold_no_logs(void **state)
{
	static const struct {
		const char *key;
		bool layout_only;
	} table[] = {
		{"AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2025/06/19/d.json.gz", false},
		{"AWSLogs/111122223333/Config/us-east-1/2025/06/19/d.json.gz", false},
		{OUT ".gz", true},
	};
	size_t n;
	char *data = gzip(EVENT, strlen(EVENT), &n);

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct outcome got = outcome_of(table[i].key, data, n, 0, table[i].layout_only);

		assert_int_equal(got.flags, 0);
		assert_int_equal(got.inflated, strlen(EVENT));
		segment_unref(got.segment);
		got = outcome_of(table[i].key, "broken", 6, 0, table[i].layout_only);
		assert_int_equal(got.flags, DAMAGED);
		assert_int_equal(got.inflated, 6);
		segment_unref(got.segment);
	}
	free(data);
}

static void what_is_wanted(void **state)
{
	static const struct {
		const char *key;
		bool in_directory, in_bucket;
	} table[] = {
		{IN, true, true},
		{IN ".gz", true, true},
		{IN "l", true, true},
		{IN ".txt", false, false},
		{OUT, true, false},
		{OUT "l", true, false},
		{OUT ".gz", true, true},
		{"notes.txt", false, false},
		{"AWSLogs/111122223333/Config/us-east-1/2025/06/19/d.json", false, false},
		{"AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2025/06/19/d.json", false, false},
		{"AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2025/06/19/d.json.gz", true, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		assert_int_equal(ingest_wants(table[i].key, false), table[i].in_directory);
		assert_int_equal(ingest_wants(table[i].key, true), table[i].in_bucket);
	}
}

/* As if it had never been added. */
static void damage_can_be_taken_back(void **state)
{
	static const char *const text[] = {"{\"Records\":[" EVENT "," OTHER, "", "x"};
	struct source_object before = {.key = "A.json", .size = strlen(EVENT)}, o = {.key = IN};
	struct ingest *in = ingest_new(NULL);
	const char *problem;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct segment_build *b = segment_build_new(KEY_NO_DAY);
		struct segment *s;

		assert_int_equal(ingest_add(in, &before, false, 0, "", EVENT, strlen(EVENT), b, &problem), 0);
		for (size_t k = 0; k < 2; k++) {
			assert_int_equal(
				ingest_add(in, &o, false, 0, "", text[i], strlen(text[i]), b, &problem),
				INGEST_DAMAGED);
			assert_true(*problem);
			segment_build_undo(b);
		}
		assert_int_equal(ingest_add(in, &o, false, 0, "", OTHER, strlen(OTHER), b, &problem), 0);
		s = finish(b);
		assert_int_equal(segment_objects(s), 2);
		assert_int_equal(segment_rows(s), 2);
		assert_string_equal(segment_object(s, 1).key, IN);
		assert_int_equal(segment_object(s, 1).rows, 1);
		assert_int_equal(segment_object(s, 1).flags, SEGMENT_IS_LOG);
		segment_unref(s);
	}
	ingest_free(in);
}

/* ---- fetches that fail ---- */

static void failures_that_are_facts(void **state)
{
	static const struct {
		const char *key;
		int error;
		uint32_t flags;
	} table[] = {
		{IN, -EACCES, DENIED},
		{OUT, -EACCES, DENIED},
		{OUT ".gz", -EACCES, DENIED},
		{IN, -EFBIG, DAMAGED},
		{IN ".gz", -EFBIG, DAMAGED},
		{OUT ".gz", -EFBIG, DAMAGED},
		{OUT, -EFBIG, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct outcome got = outcome_of(table[i].key, NULL, 0, table[i].error, false);

		assert_int_equal(got.flags, table[i].flags);
		assert_string_equal(got.problem, table[i].flags ? "reason" : "");
		segment_unref(got.segment);
	}
}

static void failures_that_may_pass(void **state)
{
	static const int errors[] = {-ENOENT, -ESTALE, -EIO, -ETIMEDOUT, -ECANCELED, -ENOMEM};
	struct segment_build *b = segment_build_new(KEY_NO_DAY);
	struct source_object o = {.key = IN};
	struct ingest *in = ingest_new(NULL);
	struct segment *s;
	const char *problem;

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		assert_int_equal(
			ingest_add(in, &o, false, errors[i], "gone", NULL, 0, b, &problem), errors[i]);
		assert_string_equal(problem, "gone");
		assert_int_equal(ingest_add(in, &o, false, errors[i], "", NULL, 0, b, &problem), errors[i]);
		assert_true(*problem);
	}
	/* What a bucket denies is asked for again. */
	assert_int_equal(ingest_add(in, &o, true, -EACCES, "denied", NULL, 0, b, &problem), -EACCES);
	assert_string_equal(problem, "denied");
	s = finish(b);
	assert_int_equal(segment_objects(s), 0);
	segment_unref(s);
	ingest_free(in);
}

/* ---- rows ---- */

static uint32_t code_of(struct segment *s, enum facet f, const char *value)
{
	return segment_find_value(s, f, (struct value){value, (uint32_t)strlen(value)});
}

static void rows_point_into_the_text(void **state)
{
	const char *text = " [ " EVENT " ,\n" OTHER "]";
	struct outcome got = outcome_of(IN, text, strlen(text), 0, false);

	(void)state;
	for (uint32_t n = 0; n < 2; n++) {
		const char *record = n ? OTHER : EVENT;
		uint32_t row = segment_row_of(got.segment, 1, n);

		assert_int_equal(segment_row_length(got.segment, row), strlen(record));
		assert_int_equal(segment_row_minified(got.segment, row), strlen(record));
		assert_memory_equal(text + segment_row_offset(got.segment, row), record, strlen(record));
		/* The account is the key's: the record says none. */
		assert_int_not_equal(segment_row_code(got.segment, FACET_ACCOUNT, row), SEGMENT_NO_CODE);
		assert_int_equal(segment_row_code(got.segment, FACET_ACCOUNT, row),
			code_of(got.segment, FACET_ACCOUNT, "111122223333"));
	}
	segment_unref(got.segment);
}

static void decoded_rows_point_into_the_decoded_text(void **state)
{
	const char *text = "{\"Events\":[{\"CloudTrailEvent\":\"{\\\"eventID\\\":\\\"e\\\"}\"},"
			   "{\"CloudTrailEvent\":\"{\\\"eventID\\\":\\\"f\\\"}\"}]}";
	struct outcome got = outcome_of(OUT, text, strlen(text), 0, false);
	struct blob *whole = blob_new(strdup(text), strlen(text)), *decoded, *same;
	uint32_t row = segment_row_of(got.segment, 1, 1);

	(void)state;
	assert_int_equal(ingest_text(whole, true, NULL, &decoded), 0);
	assert_int_equal(segment_row_length(got.segment, row), strlen("{\"eventID\":\"f\"}"));
	assert_memory_equal(blob_data(decoded) + segment_row_offset(got.segment, row), "{\"eventID\":\"f\"}",
		segment_row_length(got.segment, row));
	assert_int_equal(ingest_text(whole, false, NULL, &same), 0);
	assert_ptr_equal(same, whole);
	assert_int_equal(ingest_text(decoded, true, NULL, &same), -EBADMSG);
	blob_unref(whole);
	blob_unref(whole);
	blob_unref(decoded);
	segment_unref(got.segment);
}

/* New: a log of so many records in which nothing is. */
static char *text_of_many(size_t records, size_t *ret_len)
{
	char *text = malloc(3 * records + 32), *p = text;

	assert_non_null(text);
	p = stpcpy(p, "{\"Records\":[{}");
	for (size_t i = 1; i < records; i++)
		p = stpcpy(p, ",{}");
	p = stpcpy(p, "]}");
	*ret_len = (size_t)(p - text);
	return text;
}

static void more_records_than_there_is_memory_for(void **state)
{
	struct segment_build *b = segment_build_new(KEY_NO_DAY);
	struct source_object o = {.key = IN}, other = {.key = "z.json"};
	size_t records = 5 * LARGE_MIN / 2 / SEGMENT_ROW_MEMORY, len;
	char *text = text_of_many(records, &len);
	struct ingest *in = ingest_new(NULL);
	const char *problem;
	struct segment *s;

	(void)state;
	large_allow(3 * LARGE_MIN - 1);
	assert_int_equal(ingest_add(in, &other, false, 0, "", OTHER, strlen(OTHER), b, &problem), 0);
	assert_int_equal(ingest_add(in, &o, false, 0, "", text, len, b, &problem), -EFBIG);
	assert_string_equal(problem, LARGE_WHY);
	large_allow(UINT64_MAX);
	other.key = "y.json";
	assert_int_equal(ingest_add(in, &other, false, 0, "", OTHER, strlen(OTHER), b, &problem), 0);
	s = finish(b);
	assert_int_equal(segment_objects(s), 2);
	assert_int_equal(segment_rows(s), 2);
	segment_unref(s);
	/* With more of it there is no reason to refuse it. */
	b = segment_build_new(KEY_NO_DAY);
	assert_int_equal(ingest_add(in, &o, false, 0, "", text, len, b, &problem), 0);
	assert_int_equal(segment_build_rows(b), records);
	segment_build_free(b);
	ingest_free(in);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes_plain),
		cmocka_unit_test(shapes_gzip),
		cmocka_unit_test(folders_that_hold_no_logs),
		cmocka_unit_test(what_is_wanted),
		cmocka_unit_test(damage_can_be_taken_back),
		cmocka_unit_test(failures_that_are_facts),
		cmocka_unit_test(failures_that_may_pass),
		cmocka_unit_test(rows_point_into_the_text),
		cmocka_unit_test(decoded_rows_point_into_the_decoded_text),
		cmocka_unit_test(more_records_than_there_is_memory_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
