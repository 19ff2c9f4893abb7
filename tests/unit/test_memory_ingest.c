/*
 * Logs that are read without memory: that is never taken for damage of the log, and what comes of it
 * otherwise is the same segment, to the byte.
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
#include "tests/gzip.h"
#include "tests/memory/memory.h"

#define FOLDER "AWSLogs/111122223333/CloudTrail/us-east-1/2025/06/19/"
#define EVENTS 40

/* An object, and what was made of it with memory. */
struct log {
	const char *key;
	char *data;
	size_t len;
	int result;
	char problem[256];
	char *segment;
	size_t segment_len;
};

/* ---- logs ---- */

/* Records with values that differ, escapes, several resources, IDs that are no GUIDs; between two texts. */
static char *records(const char *before, const char *after, size_t *ret_len)
{
	size_t room = 1 << 16, len = (size_t)snprintf(NULL, 0, "%s", before);
	char *out = malloc(room);

	assert_non_null(out);
	memcpy(out, before, len + 1);
	for (int i = 0; i < EVENTS; i++)
		len += (size_t)snprintf(out + len, room - len,
			"%s{\"eventID\":\"%s%012d\",\"eventTime\":\"2025-06-%02dT09:30:%02dZ\",\"eventName\":"
			"\"Run%d\","
			"\"userIdentity\":{\"type\":\"IAMUser\",\"userName\":\"a\\u00e9 "
			"\\n%d\"},\"errorCode\":\"E%d\","
			"\"resources\":[{\"ARN\":\"arn:%d\"},{\"ARN\":\"arn:%d\"}]}",
			i > 0 ? "," : "", i % 3 ? "0f3b1c2e-7d51-4f0a-9f0e-" : "id ", i, i % 3 + 18, i % 60,
			i % 7, i, i % 5, i, i % 4);
	len += (size_t)snprintf(out + len, room - len, "%s", after);
	assert_true(len < room);
	*ret_len = len;
	return out;
}

static void add(struct log *l, const char *key, const char *before, const char *after)
{
	*l = (struct log){.key = key};
	l->data = records(before, after, &l->len);
}

static void zip(struct log *l)
{
	char *text = l->data;

	l->data = gzip(text, l->len, &l->len);
	free(text);
}

/* What lookup-events prints: the records are texts within texts. */
static void add_decoded(struct log *l, const char *key)
{
	static const char text[] = "{\"Events\":[{\"CloudTrailEvent\":\"{\\\"eventID\\\":\\\"1\\\"}\"},"
				   "{\"CloudTrailEvent\":\"{\\\"eventID\\\":\\\"2\\\"}\"}]}";

	*l = (struct log){.key = key, .data = strdup(text), .len = sizeof(text) - 1};
}

#define LOGS 7

static void make_logs(struct log log[LOGS])
{
	add(&log[0], "a.json", "{\"Records\":[", "]}");
	add(&log[1], FOLDER "b.json.gz", "{\"Records\":[", "]}");
	zip(&log[1]);
	add(&log[2], FOLDER "c.json.gz", "{\"Records\":[", "]"); /* JSON that is cut */
	zip(&log[2]);
	add(&log[3], FOLDER "d.json.gz", "{\"Records\":[", "]}"); /* gzip that is cut */
	zip(&log[3]);
	log[3].len -= 9;
	add(&log[4], FOLDER "e.json", "{\"Records\":[1],\"Records\":[",
		"]}");                         /* read again from its beginning */
	add(&log[5], "f.json", "[", ",{}, 1"); /* no JSON, and no log */
	add_decoded(&log[6], "g.json");
}

/* ---- reading them ---- */

static void play(void *arg)
{
	struct log *l = arg;
	const struct source_object o = {.key = l->key, .size = l->len, .mtime = 7, .tag = 8};
	const char *problem = "";
	struct segment_build *b;
	struct ingest *in;
	void *data = NULL;
	size_t len = 0;
	int r = -ENOMEM, made = -ENOMEM;

	memory_on();
	in = ingest_new(NULL);
	b = segment_build_new(KEY_NO_DAY);
	if (in && b)
		r = ingest_add(in, &o, false, 0, "", l->data, l->len, b, &problem);
	if (r >= 0)
		made = segment_build_finish(b, &data, &len);
	memory_off();
	if (!l->segment) {
		assert_int_equal(made, 0);
		l->result = r;
		snprintf(l->problem, sizeof(l->problem), "%s", problem);
		l->segment = data;
		l->segment_len = len;
		data = NULL;
	} else if (r == -ENOMEM) {
		assert_true(!problem[0] || strcmp(problem, l->problem) == 0);
	} else {
		assert_int_equal(r, l->result);
		assert_string_equal(problem, l->problem);
		assert_true(made == 0 || made == -ENOMEM);
	}
	if (data) {
		assert_int_equal(len, l->segment_len);
		assert_memory_equal(data, l->segment, len);
	}
	free(data);
	ingest_free(in);
	segment_build_free(b);
}

static void logs_are_read(void **state)
{
	static const int wanted[LOGS] = {0, 0, INGEST_DAMAGED, INGEST_DAMAGED, 0, 0, 0};
	struct log log[LOGS];

	(void)state;
	make_logs(log);
	for (size_t i = 0; i < LOGS; i++) {
		memory_sweep(play, &log[i]);
		assert_int_equal(log[i].result, wanted[i]);
		free(log[i].segment);
		free(log[i].data);
	}
}

/* ---- merging segments ---- */

static void release(void *data, size_t len)
{
	(void)len;
	free(data);
}

struct merge {
	struct segment *from[2];
	char *data;
	size_t len;
};

static void merge(void *arg)
{
	struct merge *m = arg;
	struct segment_build *b;
	void *data = NULL;
	size_t len;
	int r;

	memory_on();
	b = segment_build_new(KEY_NO_DAY);
	r = b ? 0 : -ENOMEM;
	for (int i = 0; i < 2 && r == 0; i++)
		r = segment_build_copy(b, m->from[i], 0);
	if (r == 0)
		r = segment_build_finish(b, &data, &len);
	memory_off();
	assert_true(r == 0 || r == -ENOMEM);
	if (r == 0 && !m->data) {
		m->data = data;
		m->len = len;
		data = NULL;
	}
	if (data) {
		assert_int_equal(len, m->len);
		assert_memory_equal(data, m->data, len);
	}
	free(data);
	segment_build_free(b);
}

static void open_merged(void *arg)
{
	const struct merge *m = arg;
	const char *reason = NULL;
	char *copy = malloc(m->len);
	struct segment *s;
	int r;

	assert_non_null(copy);
	memcpy(copy, m->data, m->len);
	memory_on();
	r = segment_open_memory(copy, m->len, release, &s, &reason);
	memory_off();
	assert_true(r == 0 || r == -ENOMEM);
	if (r == 0) {
		assert_int_equal(segment_rows(s), 2 * EVENTS);
		segment_unref(s);
	} else {
		free(copy);
	}
}

static struct segment *segment_of(struct log *l)
{
	const char *reason = NULL;
	struct segment *s;

	l->segment = NULL;
	play(l);
	assert_int_equal(segment_open_memory(l->segment, l->segment_len, release, &s, &reason), 0);
	return s;
}

static void segments_are_merged(void **state)
{
	struct log log[LOGS];
	struct merge m = {0};

	(void)state;
	make_logs(log);
	for (int i = 0; i < 2; i++)
		m.from[i] = segment_of(&log[i]);
	memory_sweep(merge, &m);
	memory_sweep(open_merged, &m);
	for (int i = 0; i < 2; i++)
		segment_unref(m.from[i]);
	for (int i = 0; i < LOGS; i++)
		free(log[i].data);
	free(m.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logs_are_read),
		cmocka_unit_test(segments_are_merged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
