/*
 * Listing, by a server that misbehaves: what is asked, what is taken, what is refused, and that it ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/s3_kit.h"

static void three_pages(struct world *w, struct server_request *q, unsigned n)
{
	static const char *const pages[] = {
		PAGE("true", OBJECT("a%2Fb%2B%20c") TOKEN("t/1+=&amp;")),
		PAGE("true", TOKEN("t2")),
		PAGE("false", OBJECT("a%2Fd") "<CommonPrefixes><Prefix>a/e/</Prefix></CommonPrefixes>"),
	};

	(void)w;
	reply_text(q, pages[n < 3 ? n : 2]);
}

static void test_list(void **state)
{
	struct world *w = world_new(three_pages, NULL);

	(void)state;
	assert_int_equal(list(w, "a/", '/'), 0);
	assert_string_equal(w->keys, "a/b+ c a/d a/e/ ");
	assert_string_equal(w->log,
		"/trail-logs/?delimiter=%2F&encoding-type=url&list-type=2&prefix=a%2F\n"
		"/trail-logs/"
		"?continuation-token=t%2F1%2B%3D%26&delimiter=%2F&encoding-type=url&list-type=2&prefix=a%2F\n"
		"/trail-logs/"
		"?continuation-token=t2&delimiter=%2F&encoding-type=url&list-type=2&prefix=a%2F\n");
	assert_int_equal(s3_stats(w->s3).lists, 3);
	assert_int_equal(s3_stats(w->s3).in_flight, 0);
	world_free(w);
}

static void test_list_start_after(void **state)
{
	struct world *w = world_new(one_page, NULL);

	(void)state;
	w->text = PAGE("false", OBJECT("k"));
	assert_int_equal(s3_list(w->s3, "", '\0', "a/b c", NULL, NULL), 0);
	assert_int_equal(s3_check(w->s3, "p", &w->result), -EBADMSG);
	expect_said(w, "outside of the prefix");
	assert_string_equal(w->log,
		"/trail-logs/?encoding-type=url&list-type=2&prefix=&start-after=a%2Fb%20c\n"
		"/trail-logs/?encoding-type=url&list-type=2&max-keys=1&prefix=p\n");
	world_free(w);
}

/* What is said of the order, and the keys after it. */
static int say_order(void *arg, enum s3_order order)
{
	static const char *const words[] = {"?", "<", "!"};

	strcat(arg, words[order]);
	return 0;
}

static int say_key(void *arg, const struct s3_object *o)
{
	strcat(arg, o->key);
	return 0;
}

static const struct {
	const char *pages, *after, *want; /* a '|' between pages */
} orders[] = {
	{OBJECT("a"), NULL, "a"},
	{OBJECT("a") OBJECT("b"), NULL, "<ab"},
	{OBJECT("b") OBJECT("a"), NULL, "!ba"},
	{OBJECT("a") OBJECT("c") OBJECT("b"), NULL, "!acb"},
	{OBJECT("a") "|" OBJECT("b") "|" OBJECT("c"), NULL, "a<bc"},
	{OBJECT("a") "|" OBJECT("b") "|" OBJECT("a"), NULL, "a<b!a"},
	{OBJECT("b") "|" OBJECT("a") OBJECT("c") "|" OBJECT("d"), NULL, "b!acd"},
	{OBJECT("a") OBJECT("b") "|" OBJECT("d") OBJECT("c") "|" OBJECT("e") OBJECT("f"), NULL, "<ab!dcef"},
	{OBJECT("c"), "b", "c"},
	{OBJECT("a"), "b", "!a"},
	{OBJECT("a") "<CommonPrefixes><Prefix>0/</Prefix></CommonPrefixes>" OBJECT("b"), NULL, "<ab"},
};

static void page_by_page(struct world *w, struct server_request *q, unsigned n)
{
	const char *page = w->text;
	char text[4096];
	size_t len;

	for (; n > 0; n--)
		page += strcspn(page, "|") + 1;
	len = strcspn(page, "|");
	snprintf(text, sizeof(text), PAGE("%s", "%.*s" TOKEN("t%zu")), page[len] ? "true" : "false", (int)len,
		page, (size_t)(page - w->text));
	reply_text(q, text);
}

static void test_list_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
		char said[64] = "";
		const struct s3_list_sink sink = {say_key, NULL, say_order, said};
		struct world *w = world_new(page_by_page, NULL);

		w->text = orders[i].pages;
		assert_int_equal(s3_list(w->s3, "", '/', orders[i].after, &sink, &w->result), 0);
		assert_string_equal(said, orders[i].want);
		world_free(w);
	}
}

static int stop_at_once(void *arg, const struct s3_object *o)
{
	(void)arg;
	(void)o;
	return -ESHUTDOWN;
}

static void test_list_stopped_by_sink(void **state)
{
	const struct s3_list_sink sink = {stop_at_once, NULL, NULL, NULL};
	struct world *w = world_new(three_pages, NULL);

	(void)state;
	assert_int_equal(s3_list(w->s3, "", '\0', NULL, &sink, &w->result), -ESHUTDOWN);
	assert_int_equal(atomic_load(&w->asked), 1);
	world_free(w);
}

static const struct {
	const char *page, *said;
	unsigned requests;
} bad_pages[] = {
	{PAGE("false", OBJECT("b")), "outside of the prefix", 1},
	{PAGE("false", "<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>"), "not asked for", 1},
	{PAGE("false", "<CommonPrefixes><Prefix>a/b</Prefix></CommonPrefixes>"), "not asked for", 1},
	{PAGE("false", "<CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>"), "not asked for", 1},
	{PAGE("true", OBJECT("a/b")), "no token", 1},
	{PAGE("true", OBJECT("a/b") TOKEN("same")), "repeats", 2},
	{PAGE("true", TOKEN("same")), "repeats", 2},
	{PAGE("false", "<Contents><Key>a/b</Key></Contents>"), "without a size", 3},
	{"<ListBucketResult><IsTruncated>false</IsTruncated>", "no XML", 3},
	{"<!DOCTYPE x [<!ENTITY a \"b\">]><ListBucketResult></ListBucketResult>", "document type", 3},
	{"<html>a proxy's page</html>", "no listing", 1},
	{"", "no listing", 1},
};

static void test_list_bad_pages(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_pages) / sizeof(*bad_pages); i++) {
		struct world *w = world_new(one_page, NULL);

		w->text = bad_pages[i].page;
		assert_int_equal(list(w, "a/", '/'), -EBADMSG);
		assert_int_equal(w->result.error, -EBADMSG);
		expect_said(w, bad_pages[i].said);
		expect_said(w, "s3://trail-logs");
		assert_int_equal(atomic_load(&w->asked), bad_pages[i].requests);
		world_free(w);
	}
}

/* Circles of three pages; new tokens for old pages; pages without anything. */
static void circle(struct world *w, struct server_request *q, unsigned n)
{
	char page[1024];

	if (strcmp(w->text, "tokens") == 0)
		snprintf(page, sizeof(page), PAGE("true", OBJECT("k%u") TOKEN("t%u")), n, n % 3);
	else if (strcmp(w->text, "names") == 0)
		snprintf(page, sizeof(page), PAGE("true", OBJECT("k%u") TOKEN("t%u")), n % 3, n);
	else
		snprintf(page, sizeof(page), PAGE("true", TOKEN("t%u")), n);
	reply_text(q, page);
}

static void test_list_circles(void **state)
{
	static const char *const kinds[] = {"tokens", "names", "nothing"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world *w = world_new(circle, NULL);
		const struct s3_list_sink sink = {0};

		w->text = kinds[i];
		assert_int_equal(s3_list(w->s3, "", '\0', NULL, &sink, &w->result), -EBADMSG);
		expect_said(w, "without an end");
		assert_true(atomic_load(&w->asked) < (i == 2 ? 1100 : 10));
		world_free(w);
	}
}

/* More than any page can be: it is said in its head, or it comes. */
static void too_large(struct world *w, struct server_request *q, unsigned n)
{
	static char much[1 << 20];
	long long length = strcmp(w->text, "said") == 0 ? 17 * (long long)sizeof(much) : -1;

	(void)n;
	server_head(q, 200, length, NULL);
	for (int i = 0; i < 17; i++)
		server_send(q, much, sizeof(much));
	server_hang_up(q, false);
}

static void test_list_too_large(void **state)
{
	static const char *const kinds[] = {"said", "not said"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world *w = world_new(too_large, NULL);

		w->text = kinds[i];
		assert_int_equal(list(w, "a/", '/'), -EBADMSG);
		expect_said(w, "larger than a page");
		assert_int_equal(atomic_load(&w->asked), 1);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_list_start_after),
		cmocka_unit_test(test_list_order),
		cmocka_unit_test(test_list_stopped_by_sink),
		cmocka_unit_test(test_list_bad_pages),
		cmocka_unit_test(test_list_circles),
		cmocka_unit_test(test_list_too_large),
	};

	world_environment();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
