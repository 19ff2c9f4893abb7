/*
 * Rows of a table: which columns, how cells are written, what a spreadsheet must not run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "render/csv.h"

static struct buf row_of(const char *text, const char *key_account)
{
	struct csv *c = csv_new();
	struct value account = {key_account, key_account ? (uint32_t)strlen(key_account) : 0};
	/* So that reading past its end is found. */
	size_t len = strlen(text);
	char *copy = malloc(len);
	struct buf out = {0};

	assert_non_null(c);
	memcpy(copy, text, len);
	assert_int_equal(csv_row(c, copy, len, account, &out), 0);
	csv_free(c);
	free(copy);
	return out;
}

static void check_row(const char *text, const char *key_account, const char *row)
{
	struct buf out = row_of(text, key_account);

	assert_int_equal(out.len, strlen(row));
	assert_memory_equal(out.data, row, out.len);
	buf_clear(&out);
}

static void every_column(void **state)
{
	(void)state;
	check_row("{\"eventVersion\":\"1.08\",\"userIdentity\":{\"type\":\"AssumedRole\","
		  "\"arn\":\"arn:aws:sts::1:assumed-role/r/alice\",\"accountId\":\"111122223333\","
		  "\"accessKeyId\":\"ASIAX\",\"sessionContext\":{\"sessionIssuer\":{\"type\":\"Role\","
		  "\"userName\":\"r\"}}},\"eventTime\":\"2025-06-19T09:10:23Z\","
		  "\"eventSource\":\"s3.amazonaws.com\",\"eventName\":\"GetObject\","
		  "\"awsRegion\":\"us-east-1\",\"sourceIPAddress\":\"192.0.2.1\",\"userAgent\":\"aws-cli\","
		  "\"errorCode\":\"AccessDenied\",\"errorMessage\":\"no\",\"requestID\":\"R\","
		  "\"eventID\":\"E\",\"readOnly\":true,\"resources\":[{\"ARN\":\"arn:a\"},{\"x\":1},"
		  "{\"ARNPrefix\":\"arn:b\"},{\"ARN\":\"arn:a\"}],\"recipientAccountId\":\"444455556666\"}",
		NULL,
		"2025-06-19T09:10:23Z,s3.amazonaws.com,GetObject,us-east-1,192.0.2.1,alice,AssumedRole,r,"
		"ASIAX,444455556666,AccessDenied,no,true,arn:a;arn:b,aws-cli,R,E\r\n");
	assert_int_equal(strlen(CSV_HEADER) - 2, strcspn(CSV_HEADER, "\r"));
}

static void what_is_absent(void **state)
{
	(void)state;
	check_row("{}", NULL, ",,,,,_unknown,,,,,,,,,,,\r\n");
	check_row("7", NULL, ",,,,,_unknown,,,,,,,,,,,\r\n");
	/* The account of the key is the last choice; numbers and booleans are their own text. */
	check_row("{\"errorMessage\":null,\"requestID\":{\"a\":1},\"eventTime\":5,\"readOnly\":\"false\"}",
		"111122223333", "5,,,,,_unknown,,,,111122223333,,,false,,,,\r\n");
	check_row("{\"recipientAccountId\":9}", "111122223333", ",,,,,_unknown,,,,9,,,,,,,\r\n");
	/* The last of equal names counts, and only those of the record itself. */
	check_row("{\"requestID\":\"a\",\"x\":{\"requestID\":\"b\",\"errorMessage\":\"c\"},"
		  "\"requestID\":\"d\",\"resources\":[{\"requestID\":\"e\"}]}",
		NULL, ",,,,,_unknown,,,,,,,,,,d,\r\n");
	check_row("{\"insightDetails\":{\"eventName\":\"N\",\"eventSource\":\"S\"}}", NULL,
		",S,N,,,_unknown,,,,,,,,,,,\r\n");
}

static const struct {
	const char *string, *cell;
} cells[] = {
	{"", ""},
	{"plain text", "plain text"},
	/* RFC 4180 */
	{"a,b", "\"a,b\""},
	{"say \\\"hi\\\"", "\"say \"\"hi\"\"\""},
	{"\\\"", "\"\"\"\""},
	{"two\\nlines", "\"two\nlines\""},
	{"cr\\rlf\\n", "\"cr\rlf\n\""},
	{"semi;colon", "semi;colon"},
	{" padded ", " padded "},
	/* formulas */
	{"=1+1", "'=1+1"},
	{"+1", "'+1"},
	{"-1", "'-1"},
	{"@SUM(A1)", "'@SUM(A1)"},
	{"\\tx", "'\tx"},
	{"\\rx", "\"'\rx\""},
	{"=HYPERLINK(\\\"http://x\\\",\\\"y\\\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""},
	{"a=1", "a=1"},
	{"'=1", "'=1"},
	{"\\u003d1", "'=1"},
	/* Unicode */
	{"caf\xc3\xa9", "caf\xc3\xa9"},
	{"\\u00e9\\ud83d\\ude00", "\xc3\xa9\xf0\x9f\x98\x80"},
	{"\\ud800", "\xef\xbf\xbd"},
	{"a\\udfff,", "\"a\xef\xbf\xbd,\""},
	{"\\ud800\\ud800x", "\xef\xbf\xbd\xef\xbf\xbdx"},
	{"\xed\x9f\xbf", "\xed\x9f\xbf"}, /* U+D7FF, the last before them */
	{"\\ud7ff\\ue000", "\xed\x9f\xbf\xee\x80\x80"},
};

/* The same string as a member that is read here, as one of a view, and as a resource. */
static void how_cells_are_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cells) / sizeof(*cells); i++) {
		char text[512], row[512];

		snprintf(text, sizeof(text),
			"{\"errorMessage\":\"%s\",\"userAgent\":\"%s\",\"resources\":[{\"ARN\":\"%s\"}]}",
			cells[i].string, cells[i].string, cells[i].string);
		snprintf(row, sizeof(row), ",,,,,_unknown,,,,,,%s,,%s,%s,,\r\n", cells[i].cell, cells[i].cell,
			cells[i].cell);
		check_row(text, NULL, row);
	}
}

static void a_nul_byte(void **state)
{
	struct buf out = row_of("{\"errorMessage\":\"a\\u0000,b\"}", NULL);
	static const char row[] = ",,,,,_unknown,,,,,,\"a\0,b\",,,,,\r\n";

	(void)state;
	assert_int_equal(out.len, sizeof(row) - 1);
	assert_memory_equal(out.data, row, out.len);
	buf_clear(&out);
}

static void what_is_no_record(void **state)
{
	static const char *const bad[] = {"", "{", "{} {}", "{}x", "\"a"};
	struct csv *c = csv_new();
	struct buf out = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(csv_row(c, bad[i], strlen(bad[i]), (struct value){NULL, 0}, &out), -EBADMSG);
	assert_int_equal(out.len, 0);
	csv_free(c);
	csv_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_column),
		cmocka_unit_test(what_is_absent),
		cmocka_unit_test(how_cells_are_written),
		cmocka_unit_test(a_nul_byte),
		cmocka_unit_test(what_is_no_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
