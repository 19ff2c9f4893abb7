/*
 * Pages of listings: the dialects of real services, and what must be refused.
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

#include "s3/list_xml.h"

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define NS   " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""
#define REST "<LastModified>2025-06-19T09:10:23.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>5</Size>"
#define MORE "<IsTruncated>false</IsTruncated>"

/* What a page was read as, one entry a line. */
struct seen {
	char text[16384];
	size_t len;
	int stop; /* the sink's answer from the stop_at'th entry on */
	unsigned n, stop_at;
};

static int add(struct seen *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int add(struct seen *s, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	s->len += (size_t)vsnprintf(s->text + s->len, sizeof(s->text) - s->len, format, ap);
	va_end(ap);
	assert_true(s->len < sizeof(s->text));
	return ++s->n == s->stop_at ? s->stop : 0;
}

static int on_object(void *arg, const struct s3_object *o)
{
	return add(arg, "%s %llu %lld %s\n", o->key, (unsigned long long)o->size,
		(long long)o->mtime / 1000000, o->etag);
}

static int on_prefix(void *arg, const char *prefix)
{
	return add(arg, "%s\n", prefix);
}

static int parse(const char *text, struct seen *s, struct list_page *page, char reason[LIST_REASON_MAX])
{
	const struct s3_list_sink sink = {on_object, on_prefix, NULL, s};

	return list_xml_parse(text, strlen(text), &sink, page, reason);
}

static const struct {
	const char *name, *xml, *want, *token;
	bool truncated;
} good[] = {
	{"AWS",
		HEAD
		"<ListBucketResult" NS "><Name>b</Name><Prefix>AWSLogs/</Prefix>"
		"<NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken>"
		"<KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><EncodingType>url</EncodingType>"
		"<IsTruncated>true</IsTruncated>"
		"<Contents><Key>AWSLogs/a+b%2Bc%25/%C3%A9</Key><LastModified>2025-06-19T09:10:23.000Z</"
		"LastModified>"
		"<ETag>&quot;70ee1738b6b21e2c8a43f3a5ab0eee71&quot;</ETag><ChecksumAlgorithm>CRC32</"
		"ChecksumAlgorithm>"
		"<Size>1611</Size><Owner><ID>x</ID><DisplayName>n</DisplayName></Owner>"
		"<StorageClass>STANDARD</StorageClass></Contents>"
		"<CommonPrefixes><Prefix>AWSLogs/o-1/</Prefix></CommonPrefixes></ListBucketResult>",
		"AWSLogs/a b+c%/\xc3\xa9 1611 1750324223000 70ee1738b6b21e2c8a43f3a5ab0eee71\nAWSLogs/o-1/\n",
		"1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=", true},
	{"Ceph: a key as token, slashes encoded",
		HEAD "<ListBucketResult" NS "><Name>b</Name><Prefix></Prefix><MaxKeys>1</MaxKeys>"
		     "<IsTruncated>true</IsTruncated><EncodingType>url</EncodingType>"
		     "<Contents><Key>q%2Fa%26b</Key><LastModified>2025-06-19T09:10:23.145Z</LastModified>"
		     "<ETag>&quot;e&quot;</ETag><Size>0</Size><StorageClass>STANDARD</StorageClass>"
		     "<Owner><ID>t</ID><DisplayName>t</DisplayName></Owner><Type>Normal</Type></Contents>"
		     "<NextContinuationToken>q/a&amp;b</NextContinuationToken><KeyCount>1</KeyCount>"
		     "</ListBucketResult>",
		"q/a&b 0 1750324223145 e\n", "q/a&b", true},
	{"Swift: single quotes, prefixes first",
		"<?xml version='1.0' encoding='UTF-8'?>\n"
		"<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name><Prefix/>"
		"<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes>"
		"<Contents><Key>a</Key>" REST "</Contents><EncodingType>url</EncodingType>" MORE
		"</ListBucketResult>",
		"d/\na 5 1750324223000 e\n", "", false},
	{"names as they are, entities, CDATA",
		"<ListBucketResult>" MORE "<Contents><Key>a+b%20&lt;&#233;<![CDATA[&x]]></Key>" REST
		"</Contents></ListBucketResult>",
		"a+b%20<\xc3\xa9&x 5 1750324223000 e\n", "", false},
	{"control characters, encoded, and bytes that are no UTF-8",
		"<ListBucketResult>" MORE
		"<EncodingType>url</EncodingType><Contents><Key>%0A%ff%2e</Key>" REST
		"</Contents></ListBucketResult>",
		"\n\xff. 5 1750324223000 e\n", "", false},
	{"a name space of another's, with a prefix",
		"<x:ListBucketResult xmlns:x='urn:y'><x:IsTruncated>false</x:IsTruncated><x:Contents>"
		"<x:Key>k</x:Key><x:Size>1</x:Size><x:LastModified>1970-01-01T00:00:01Z</x:LastModified>"
		"</x:Contents></x:ListBucketResult>",
		"k 1 1000 \n", "", false},
	{"no entries", "<ListBucketResult>" MORE "</ListBucketResult>", "", "", false},
	{"an ETag without quotes",
		"<ListBucketResult>" MORE "<Contents><Key>k</Key><Size>1</Size><ETag>ab-2</ETag>"
		"<LastModified>1970-01-01T00:00:01.5+00:00</LastModified></Contents></ListBucketResult>",
		"k 1 1500 ab-2\n", "", false},
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct seen s = {0};
		struct list_page page;
		char reason[LIST_REASON_MAX];
		int r = parse(good[i].xml, &s, &page, reason);

		if (r)
			print_error("%s: %s\n", good[i].name, reason);
		assert_int_equal(r, 0);
		assert_string_equal(s.text, good[i].want);
		assert_string_equal(page.token, good[i].token);
		assert_int_equal(page.truncated, good[i].truncated);
		assert_int_equal(page.keys + page.prefixes, s.n);
		assert_string_equal(reason, "");
	}
}

static const struct {
	const char *xml, *reason;
} bad[] = {
	{"", "no XML"},
	{"<html><body>sign in</body></html>", "no listing"},
	{HEAD "<Error><Code>InternalError</Code></Error>", "no listing"},
	{"<ListBucketResult>" MORE "<Contents><Key>a</Key>" REST "</Contents>", "no XML"},
	{"<ListBucketResult>" MORE "</ListBucketResult>x", "no XML"},
	{"<ListBucketResult></ListBucketResult>", "IsTruncated"},
	{"<ListBucketResult><IsTruncated>maybe</IsTruncated></ListBucketResult>", "IsTruncated"},
	{"<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><ListBucketResult>" MORE
	 "<Contents><Key>&b;</Key>" REST "</Contents></ListBucketResult>",
		"document type"},
	{"<ListBucketResult>" MORE "<Contents><Key>&b;</Key>" REST "</Contents></ListBucketResult>",
		"no XML"},
	{"<ListBucketResult>" MORE "<Contents><Key>a</Key><Size>-1</Size>"
	 "<LastModified>1970-01-01T00:00:01Z</LastModified></Contents></ListBucketResult>",
		"size"},
	{"<ListBucketResult>" MORE "<Contents><Key>a</Key><Size>9999999999999999999</Size>"
	 "<LastModified>1970-01-01T00:00:01Z</LastModified></Contents></ListBucketResult>",
		"size"},
	{"<ListBucketResult>" MORE "<Contents><Key>a</Key>"
	 "<LastModified>1970-01-01T00:00:01Z</LastModified></Contents></ListBucketResult>",
		"without a size"},
	{"<ListBucketResult>" MORE "<Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>",
		"an object without a time: a"},
	{"<ListBucketResult>" MORE "<Contents><Key>a</Key><Size>1</Size>"
	 "<LastModified>yesterday</LastModified></Contents></ListBucketResult>",
		"the time of a is none: yesterday"},
	{"<ListBucketResult>" MORE
	 "<Contents><LastModified>&#127;&#xe9;2025-06-19T09:10:23 or so, or later than "
	 "that</LastModified><Key>k/\xc3\xa9\t</Key><Size>1</Size></Contents></ListBucketResult>",
		"the time of k/??? is none: ???2025-06-19T09:10:23 or so, or"},
	{"<ListBucketResult>" MORE "<Contents>" REST "</Contents></ListBucketResult>", "without a name"},
	{"<ListBucketResult>" MORE "<Contents><Key></Key>" REST "</Contents></ListBucketResult>",
		"empty key"},
	{"<ListBucketResult>" MORE "<CommonPrefixes></CommonPrefixes></ListBucketResult>", "without a name"},
	{"<ListBucketResult>" MORE "<Contents><Key>a<b/>c</Key>" REST "</Contents></ListBucketResult>",
		"inside of a value"},
	{"<ListBucketResult>" MORE "<EncodingType>url</EncodingType><Contents><Key>a%00b</Key>" REST
	 "</Contents></ListBucketResult>",
		"not encoded well"},
	{"<ListBucketResult>" MORE "<EncodingType>url</EncodingType><Contents><Key>a%4</Key>" REST
	 "</Contents></ListBucketResult>",
		"not encoded well"},
	{"<ListBucketResult>" MORE "<EncodingType>base64</EncodingType></ListBucketResult>",
		"encoding of names"},
	{"<ListBucketResult>" MORE "<Contents><Key>&#0;</Key>" REST "</Contents></ListBucketResult>",
		"no XML"},
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct seen s = {0};
		struct list_page page = {.keys = 77};
		char reason[LIST_REASON_MAX];

		assert_int_equal(parse(bad[i].xml, &s, &page, reason), -EBADMSG);
		if (!strstr(reason, bad[i].reason))
			fail_msg("page %zu: %s, not %s", i, reason, bad[i].reason);
		/* Nothing of a bad page is handed out. */
		assert_int_equal(s.n, 0);
		assert_int_equal(page.keys, 77);
	}
}

/* A page with one value, n bytes long. */
static int parse_long(
	const char *before, char fill, size_t n, const char *after, char reason[LIST_REASON_MAX])
{
	size_t room = strlen(before) + n + strlen(after) + 1;
	char *text = malloc(room);
	struct seen s = {0};
	struct list_page page;
	int r;

	assert_non_null(text);
	memcpy(text, before, strlen(before));
	memset(text + strlen(before), fill, n);
	memcpy(text + strlen(before) + n, after, strlen(after) + 1);
	r = parse(text, &s, &page, reason);
	free(text);
	return r;
}

static void test_lengths(void **state)
{
	static const char key[] = "<ListBucketResult>" MORE "<Contents><Key>", end[] = "</Key>" REST
										       "</Contents></"
										       "ListBucketResult>";
	static const char token[] = "<ListBucketResult>" MORE "<NextContinuationToken>",
			  token_end[] = "</NextContinuationToken></ListBucketResult>";
	static const char etag[] = "<ListBucketResult>" MORE "<Contents><Key>k</Key><ETag>",
			  etag_end[] = "</ETag>" REST "</Contents></ListBucketResult>";
	char reason[LIST_REASON_MAX];

	(void)state;
	assert_int_equal(parse_long(key, 'k', S3_KEY_MAX, end, reason), 0);
	assert_int_equal(parse_long(key, 'k', S3_KEY_MAX + 1, end, reason), -EBADMSG);
	assert_int_equal(parse_long(key, 'k', 1 << 20, end, reason), -EBADMSG);
	assert_int_equal(parse_long(token, 't', LIST_TOKEN_MAX - 1, token_end, reason), 0);
	assert_int_equal(parse_long(token, 't', LIST_TOKEN_MAX, token_end, reason), -EBADMSG);
	assert_int_equal(parse_long(etag, 'e', 128, etag_end, reason), 0);
	assert_int_equal(parse_long(etag, 'e', 129, etag_end, reason), -EBADMSG);
	assert_int_equal(parse_long("<ListBucketResult>" MORE "<Name>", 'n', 100000,
				 "</Name></ListBucketResult>", reason),
		0);
}

/* As much as is not even looked at: not taken for a page with nothing in it. */
static void test_too_large(void **state)
{
	static const char empty[] = "<ListBucketResult>" MORE "</ListBucketResult>";
	const size_t len = (64u << 20) + 1;
	char *text = calloc(1, len), reason[LIST_REASON_MAX];
	const struct s3_list_sink sink = {0};
	struct list_page page;

	(void)state;
	assert_non_null(text);
	memcpy(text, empty, sizeof(empty));
	assert_int_equal(list_xml_parse(text, sizeof(empty) - 1, &sink, &page, reason), 0);
	assert_int_equal(list_xml_parse(text, len, &sink, &page, reason), -EBADMSG);
	assert_non_null(strstr(reason, "64 MiB"));
	free(text);
}

static void test_depth(void **state)
{
	char text[4096] = "<ListBucketResult>" MORE, reason[LIST_REASON_MAX];
	struct seen s = {0};
	struct list_page page;

	(void)state;
	for (size_t i = 0; i < 600; i++)
		memcpy(text + strlen(text), "<a>", 4);
	assert_int_equal(parse(text, &s, &page, reason), -EBADMSG);
	assert_non_null(strstr(reason, "deeply"));
}

static void test_sink_ends_it(void **state)
{
	static const char xml[] = "<ListBucketResult>" MORE "<Contents><Key>a</Key>" REST "</Contents>"
				  "<Contents><Key>b</Key>" REST "</Contents><Contents><Key>c</Key>" REST
				  "</Contents></ListBucketResult>";
	struct seen s = {.stop = -ESHUTDOWN, .stop_at = 2};
	struct list_page page;
	char reason[LIST_REASON_MAX];

	(void)state;
	assert_int_equal(parse(xml, &s, &page, reason), -ESHUTDOWN);
	assert_int_equal(s.n, 2);
	assert_string_equal(reason, "");
}

static const struct {
	const char *text;
	int64_t ms; /* -1: none */
} times[] = {
	{"1970-01-01T00:00:00Z", 0},
	{"2025-06-19T09:10:23.000Z", 1750324223000},
	{"2025-06-19T09:10:23.145Z", 1750324223145},
	{"2025-06-19T09:10:23.145678901234Z", 1750324223145},
	{"2025-06-19T09:10:23.1Z", 1750324223100},
	{"2024-02-29T00:00:00+00:00", 1709164800000},
	{"2025-06-19T09:00:00+0000", 1750323600000},
	{"2025-06-19T09:00:00-0000", 1750323600000},
	{"2025-06-19T09:00:00.25+00", 1750323600250},
	{"2025-06-19T11:30:00+02:30", 1750323600000},
	{"2025-06-19T11:30:00+0230", 1750323600000},
	{"2025-06-18T22:00:00-11", 1750323600000},
	{"2025-06-19 09:00:00Z", 1750323600000},
	{"2025-06-19t09:00:00z", 1750323600000},
	/* As near as what is shown can be. */
	{"1969-12-31T23:59:59.999Z", 0},
	{"0001-01-01T00:00:00Z", 0},
	{"1970-01-01T00:30:00+01:00", 0},
	{"2200-12-31T23:59:59.999Z", 7289654399999},
	{"2201-01-01T00:00:00Z", 7289654399000},
	{"9999-12-31T23:59:59Z", 7289654399000},
	{"2025-06-19T09:00:00+2400", -1},
	{"2025-06-19T09:00:00+00:60", -1},
	{"2025-06-19T09:00:00+0:00", -1},
	{"2025-06-19T09:00:00+000", -1},
	{"2025-06-19T09:00:00+", -1},
	{"2025-06-19T09:00:00+00:", -1},
	{"2025-06-19T09:00:00+00:00x", -1},
	{"2025-06-19T09:00:00 +0000", -1},
	{"2023-02-29T00:00:00Z", -1},
	{"2025-06-19T09:10:23", -1},
	{"2025-06-19T09:10:23.Z", -1},
	{"2025-06-19T09:10:23Zx", -1},
	{"2025-06-19T24:10:23Z", -1},
	{"2025-13-19T09:10:23Z", -1},
	{"2025-00-19T09:10:23Z", -1},
	{"2025-06-19", -1},
	{"", -1},
};

static void test_times(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		int64_t ns = list_xml_time(times[i].text);

		if (times[i].ms < 0 ? ns != INT64_MIN : ns / 1000000 != times[i].ms)
			fail_msg("%s: %lld", times[i].text, (long long)ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_sink_ends_it),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
