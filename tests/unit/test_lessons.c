/*
 * What an answer teaches, and where the next attempt goes: AWS's own hosts, which no test can ask.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "s3/compose.h"
#include "s3/lessons.h"

#define BUCKET "trail-logs"
#define A20    "aaaaaaaaaaaaaaaaaaaa"
#define A100   A20 A20 A20 A20 A20
#define HOME   "https://trail-logs.s3.us-east-1.amazonaws.com/a%20b"

struct client {
	struct s3 s;
	struct request r;
};

static void set_up(struct client *c)
{
	*c = (struct client){
		.s = {.bucket = (char *)(uintptr_t)BUCKET, .anonymous = true, .region = "us-east-1"},
		.r = {.key = "a b", .query = ""}};
	pthread_mutex_init(&c->s.lock, NULL);
	c->r.s = &c->s;
}

static void expect_url(struct client *c, const char *wanted)
{
	struct attempt a;
	char reason[160];

	assert_int_equal(compose(&c->r, &a, reason), 0);
	assert_string_equal(a.url, wanted);
	attempt_clear(&a);
}

/* An answer as it would come of the attempt before it. */
static bool learn(
	struct client *c, int status, const char *location, const char *endpoint, const char *region)
{
	struct http_answer a = {.status = status};
	struct error_xml x = {.code = "TemporaryRedirect"};

	snprintf(a.location, sizeof(a.location), "%s", location);
	snprintf(a.region, sizeof(a.region), "%s", region);
	snprintf(x.endpoint, sizeof(x.endpoint), "%s", endpoint);
	return lessons_learn(&c->r, &a, &x);
}

static void hosts(void **state)
{
	static const struct {
		int status;
		const char *location, *endpoint, *region, *url; /* NULL: nothing is learnt */
	} rows[] = {
		{307, "https://trail-logs.s3.eu-west-1.amazonaws.com/a%20b?x=y", "", "",
			"https://trail-logs.s3.eu-west-1.amazonaws.com/a%20b"},
		{307, "https://s3-eu-west-1.amazonaws.com/trail-logs/a%20b", "", "",
			"https://s3-eu-west-1.amazonaws.com/trail-logs/a%20b"},
		{301, "", "trail-logs.s3.eu-west-3.amazonaws.com", "",
			"https://trail-logs.s3.eu-west-3.amazonaws.com/a%20b"},
		{301, "", "", "eu-north-1", "https://trail-logs.s3.eu-north-1.amazonaws.com/a%20b"},
		{301, "https://s3.amazonaws.com/", "", "eu-north-1",
			"https://trail-logs.s3.eu-north-1.amazonaws.com/a%20b"},
		{403, "https://trail-logs.s3.eu-west-1.amazonaws.com/a%20b", "", "", NULL},
		{200, "https://trail-logs.s3.eu-west-1.amazonaws.com/a%20b", "", "eu-west-1", NULL},
		{307, HOME, "", "", NULL},
		{307, "http://trail-logs.s3.eu-west-1.amazonaws.com/a%20b", "", "", NULL},
		{307, "https://trail-logs.s3.eu-west-1.amazonaws.com.example.org/", "", "", NULL},
		{307, "https://example.org/", "trail-logs.s3.eu-west-1.amazonaws.com", "", NULL},
		{307, "https://x@trail-logs.s3.eu-west-1.amazonaws.com/", "", "", NULL},
		{307, "https:///", "", "", NULL},
		{307, "https://" A100 A100 A100 A100 ".s3.amazonaws.com/", "", "", NULL},
		{307, "/a", "", "", NULL},
		{307, "/a", "trail-logs.s3.eu-west-1.amazonaws.com", "", NULL},
		{307, "", "", "", NULL},
		{301, "", "", "us-east-1", NULL},
		{301, "", "", "eu/../west", NULL},
		{301, "", "", "-eu", NULL},
	};
	struct client c;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		set_up(&c);
		expect_url(&c, HOME);
		if (learn(&c, rows[i].status, rows[i].location, rows[i].endpoint, rows[i].region) !=
			(rows[i].url != NULL))
			fail_msg("%d %s", rows[i].status, rows[i].location);
		expect_url(&c, rows[i].url ? rows[i].url : HOME);
		pthread_mutex_destroy(&c.s.lock);
	}
}

/* A region is that of all requests; a host only of this one. */
static void for_whom(void **state)
{
	struct client c;

	(void)state;
	set_up(&c);
	expect_url(&c, HOME);
	assert_true(learn(&c, 307, "https://s3-eu-west-1.amazonaws.com/trail-logs/", "", ""));
	c.r = (struct request){.s = &c.s, .key = "a b", .query = ""};
	expect_url(&c, HOME);
	assert_true(learn(&c, 301, "", "", "eu-west-1"));
	c.r = (struct request){.s = &c.s, .key = "a b", .query = ""};
	expect_url(&c, "https://trail-logs.s3.eu-west-1.amazonaws.com/a%20b");
	pthread_mutex_destroy(&c.s.lock);
}

/* The last answer counts: a region that is named later is where the next attempt goes. */
static void a_region_after_a_host(void **state)
{
	struct client c;

	(void)state;
	set_up(&c);
	expect_url(&c, HOME);
	assert_true(learn(&c, 307, "https://s3-eu-west-1.amazonaws.com/trail-logs/", "", ""));
	expect_url(&c, "https://s3-eu-west-1.amazonaws.com/trail-logs/a%20b");
	assert_true(learn(&c, 301, "", "", "eu-west-3"));
	expect_url(&c, "https://trail-logs.s3.eu-west-3.amazonaws.com/a%20b");
	pthread_mutex_destroy(&c.s.lock);
}

static void not_for_ever(void **state)
{
	static const char *const places[] = {
		"https://s3-eu-west-1.amazonaws.com/", "https://s3-eu-west-2.amazonaws.com/"};
	unsigned followed = 0;
	struct client c;

	(void)state;
	set_up(&c);
	expect_url(&c, HOME);
	while (learn(&c, 307, places[followed % 2], "", ""))
		followed++;
	assert_int_equal(followed, 3);
	pthread_mutex_destroy(&c.s.lock);
}

static void hear(void *said, int level, const char *line)
{
	assert_int_equal(level, S3_LOG_WARNING);
	assert_non_null(strstr(line, " seconds "));
	++*(unsigned *)said;
}

/* The clock of the answer's head, else that of the document. */
static void clocks(void **state)
{
	static const struct {
		const char *code, *date, *server_time;
		int64_t wanted; /* 0: nothing is learnt */
	} rows[] = {
		{"RequestTimeTooSkewed", "Thu, 19 Jun 2025 09:10:23 GMT", "", 1750324223},
		{"RequestTimeTooSkewed", "Thu, 19 Jun 2025 09:10:23 GMT", "2001-01-01T00:00:00Z", 1750324223},
		{"RequestTimeTooSkewed", "", "2025-06-19T09:10:23Z", 1750324223},
		{"RequestTimeTooSkewed", "yesterday", "2025-06-19T09:10:23Z", 1750324223},
		{"RequestExpired", "Thu, 19 Jun 2025 09:10:23 GMT", "", 1750324223},
		{"RequestTimeTooSkewed", "", "soon", 0},
		{"RequestTimeTooSkewed", "", "", 0},
		{"AccessDenied", "Thu, 19 Jun 2025 09:10:23 GMT", "", 0},
	};
	struct client c;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct http_answer a = {.status = 403};
		struct error_xml x = {0};
		unsigned said = 0;

		set_up(&c);
		c.s.log = hear;
		c.s.log_arg = &said;
		snprintf(a.date, sizeof(a.date), "%s", rows[i].date);
		snprintf(x.code, sizeof(x.code), "%s", rows[i].code);
		snprintf(x.server_time, sizeof(x.server_time), "%s", rows[i].server_time);
		int64_t before = (int64_t)time(NULL);
		assert_int_equal(lessons_learn(&c.r, &a, &x), rows[i].wanted != 0);
		if (rows[i].wanted) {
			assert_in_range(rows[i].wanted - c.s.clock_ahead, before, (int64_t)time(NULL));
			/* Once is enough. */
			assert_false(lessons_learn(&c.r, &a, &x));
		}
		assert_int_equal(said, rows[i].wanted != 0);
		pthread_mutex_destroy(&c.s.lock);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts),
		cmocka_unit_test(for_whom),
		cmocka_unit_test(a_region_after_a_host),
		cmocka_unit_test(not_for_ever),
		cmocka_unit_test(clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
