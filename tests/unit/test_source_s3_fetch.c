/*
 * Objects of a bucket as a source: fetched many at a time, read in part, gone or another since they were
 * listed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/bucket_kit.h"

#define FETCHES 300

struct fetched {
	pthread_mutex_t lock;
	pthread_cond_t came;
	size_t left;
	int error[FETCHES];
	char *data[FETCHES], reason[FETCHES][SOURCE_REASON_MAX];
};

static void fetch_done(void *arg, size_t i, int error, char *data, size_t len, const char *reason)
{
	struct fetched *f = arg;

	pthread_mutex_lock(&f->lock);
	assert_true(data ? strlen(data) == len : len == 0);
	f->error[i] = error;
	f->data[i] = data;
	snprintf(f->reason[i], sizeof(f->reason[i]), "%.*s", SOURCE_REASON_MAX - 1, reason);
	f->left--;
	pthread_cond_signal(&f->came);
	pthread_mutex_unlock(&f->lock);
}

static struct fetched *fetch(struct bucket *b, const struct source_object *o, size_t n)
{
	struct fetched *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->came, NULL);
	f->left = n;
	source_fetch(b->source, o, n, fetch_done, f);
	pthread_mutex_lock(&f->lock);
	while (f->left > 0)
		pthread_cond_wait(&f->came, &f->lock);
	pthread_mutex_unlock(&f->lock);
	return f;
}

static void fetched_free(struct fetched *f)
{
	for (size_t i = 0; i < FETCHES; i++)
		free(f->data[i]);
	pthread_cond_destroy(&f->came);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static int keep_object(void *arg, const struct source_object *o)
{
	struct source_object *kept = arg;

	*kept = *o;
	kept->key = NULL;
	return 0;
}

/* An object as listed: its tag is what the ETag makes it. */
static struct source_object object(struct bucket *b, const char *key)
{
	struct source_object o = {0};
	const struct source_sink sink = {keep_object, see_problem, &o};

	assert_int_equal(source_list(b->source, SOURCE_ALL_DAYS, NULL, &sink), 0);
	o.key = key;
	o.size = strlen("logs/") + strlen(key);
	return o;
}

static void test_fetch(void **state)
{
	static const struct {
		const char *key;
		int error;
		const char *reason;
	} table[] = {
		{"AWSLogs/a b", 0, ""},
		{"gone", -ENOENT, "removed"},
		{"glacier", -EACCES, "Glacier"},
		{"refused", -EIO, "endpoint"}, /* not gone: that is known of nothing else */
		{"", 0, ""},
	};
	const size_t kinds = sizeof(table) / sizeof(*table);
	struct bucket *b = bucket_new();
	struct source_object o[FETCHES];
	struct fetched *f;
	char want[64];

	(void)state;
	put(b, "logs/x");
	open_source(b, "logs/");
	for (size_t i = 0; i < FETCHES; i++)
		o[i] = object(b, "");
	for (size_t i = 0; i < FETCHES; i++) {
		o[i].key = table[i % kinds].key;
		o[i].size = strlen("logs/") + strlen(o[i].key);
	}
	f = fetch(b, o, FETCHES);
	for (size_t i = 0; i < FETCHES; i++) {
		assert_int_equal(f->error[i], table[i % kinds].error);
		assert_non_null(strstr(f->reason[i], table[i % kinds].reason));
		snprintf(want, sizeof(want), "logs/%s", table[i % kinds].key);
		if (table[i % kinds].error == 0)
			assert_string_equal(f->data[i], want);
		else
			assert_null(f->data[i]);
	}
	fetched_free(f);
	assert_int_equal(atomic_load(&b->gets), FETCHES);
	assert_int_equal(source_requests(b->source).gets, FETCHES);
	bucket_free(b);
}

static void test_fetch_of_another(void **state)
{
	struct bucket *b = bucket_new();
	struct source_object o[3];
	struct fetched *f;
	char buf[16];
	size_t n;

	(void)state;
	put(b, "logs/x");
	open_source(b, "logs/");
	for (size_t i = 0; i < 3; i++)
		o[i] = object(b, "x");
	o[1].size++;
	o[2].size = SOURCE_FETCH_MAX + 1;
	b->etag = "f";
	f = fetch(b, o, 3);
	assert_int_equal(f->error[0], -ESTALE);
	assert_non_null(strstr(f->reason[0], "changed"));
	assert_int_equal(f->error[1], -ESTALE);
	assert_int_equal(f->error[2], -EFBIG);
	fetched_free(f);
	assert_int_equal(source_read(b->source, &o[0], 0, buf, 4, &n), -ESTALE);
	bucket_free(b);
}

/* The reason is said without the key, and all of it, however long the key is. */
static void test_reason(void **state)
{
	struct bucket *b = bucket_new();
	struct source_object o;
	char key[1020] = "gone", whole[SOURCE_REASON_MAX] = "";

	(void)state;
	put(b, "logs/x");
	open_source(b, "logs/");
	o = object(b, "");
	o.key = key;
	for (size_t len = 4; len < sizeof(key); len += 35) {
		memset(key + 4, 'k', len - 4);
		key[len] = '\0';
		struct fetched *f = fetch(b, &o, 1);
		assert_int_equal(f->error[0], -ENOENT);
		if (!*whole)
			snprintf(whole, sizeof(whole), "%s", f->reason[0]);
		assert_string_equal(f->reason[0], whole);
		fetched_free(f);
	}
	assert_memory_equal(whole, "s3://trail-logs: ", 17);
	assert_non_null(strstr(whole, "NoSuchKey"));
	assert_non_null(strstr(whole, "removed"));
	bucket_free(b);
}

static void test_read(void **state)
{
	struct bucket *b = bucket_new();
	struct source_object o;
	char buf[64] = "";
	size_t n;

	(void)state;
	put(b, "logs/x");
	open_source(b, "logs/");
	o = object(b, "abcdefgh");
	assert_int_equal(source_read(b->source, &o, 7, buf, 3, &n), 0);
	assert_int_equal(n, 3);
	assert_memory_equal(buf, "cde", 3);
	assert_int_equal(source_read(b->source, &o, 0, buf, sizeof(buf), &n), 0);
	assert_int_equal(n, 13);
	assert_memory_equal(buf, "logs/abcdefgh", 13);
	assert_int_equal(source_read(b->source, &o, 13, buf, sizeof(buf), &n), 0);
	assert_int_equal(n, 0);
	o = object(b, "gone");
	assert_int_equal(source_read(b->source, &o, 0, buf, sizeof(buf), &n), -ENOENT);
	bucket_free(b);
}

static void test_id(void **state)
{
	struct bucket *b = bucket_new();
	char want[128];

	(void)state;
	put(b, "x");
	open_source(b, "logs/");
	snprintf(want, sizeof(want), "s3://127.0.0.1:%u/trail-logs/logs/", b->server->port);
	assert_string_equal(b->source->id, want);
	bucket_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fetch),
		cmocka_unit_test(test_fetch_of_another),
		cmocka_unit_test(test_reason),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_id),
	};

	bucket_environment();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
