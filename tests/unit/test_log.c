/*
 * log: what reaches a terminal is text, whatever it quotes.
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

static void want_said(const char *text, const char *wanted)
{
	char *said = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&said, &len);

	assert_non_null(f);
	log_say(f, text);
	fclose(f);
	assert_string_equal(said, wanted);
	free(said);
}

static void test_clean(void **state)
{
	static const struct {
		const char *text, *said;
	} rows[] = {
		{"", "trailfs: \n"},
		{"plain ~ text", "trailfs: plain ~ text\n"},
		{"a\nb\tc\rd\a\b\x01\x1f", "trailfs: a?b?c?d????\n"},
		{"\x1b[31mred\x7f", "trailfs: ?[31mred?\n"},
		/* characters of two, three, four bytes */
		{"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xc2\xa0",
			"trailfs: \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xc2\xa0\n"},
		/* control characters beyond ASCII, in UTF-8 and not */
		{"\xc2\x80 \xc2\x9b \xc2\x9f", "trailfs: ?? ?? ??\n"},
		{"\x80 \x9b\x9d \xff\xfe", "trailfs: ? ?? ??\n"},
		/* cut short, or too long for what they say */
		{"\xc3", "trailfs: ?\n"},
		{"\xe2\x82", "trailfs: ??\n"},
		{"\xe2\x1b[m", "trailfs: ??[m\n"},
		{"\xf0\x9f\x98", "trailfs: ???\n"},
		{"\xc0\x9b \xc1\xbf \xf5\x80\x80\x80", "trailfs: ?? ?? ????\n"},
		{"\xe0\x82\x9b", "trailfs: ???\n"},
		{"\xf0\x80\x82\x9b", "trailfs: ????\n"},
		/* surrogates, and what is beyond U+10FFFF, between the last that are not */
		{"\xed\x9f\xbf\xed\xa0\x80\xee\x80\x80", "trailfs: \xed\x9f\xbf???\xee\x80\x80\n"},
		{"\xf4\x8f\xbf\xbf\xf4\x90\x80\x80", "trailfs: \xf4\x8f\xbf\xbf????\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		want_said(rows[i].text, rows[i].said);
}

/* A line that is too long is cut, also in the middle of a character. */
static void test_long(void **state)
{
	char text[3001], *said = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&said, &len);

	(void)state;
	text[0] = 'x';
	for (size_t i = 1; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 3);
	log_say(f, text);
	fclose(f);
	assert_int_equal(len, strlen("trailfs: ") + 2000 + 1);
	assert_string_equal(said + len - 2, "?\n");
	free(said);
}

static char lines[200];

static void keep(void *arg, int priority, const char *line)
{
	size_t n = strlen(lines);

	snprintf(lines + n, sizeof(lines) - n, "%s%d %s;", (const char *)arg, priority, line);
}

/* To syslog by somebody else: a line for each that is not below the level, clean. */
static void test_sent(void **state)
{
	char arg[] = "to ";

	(void)state;
	log_send_by(keep, arg);
	log_to_syslog();
	log_set_level(LOG_LEVEL_INFO);
	log_error("%s", "one\x1b");
	log_warning("two");
	log_info("three");
	log_debug("four");
	log_send_by(NULL, NULL);
	assert_string_equal(lines, "to 3 one?;to 4 two;to 6 three;");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
