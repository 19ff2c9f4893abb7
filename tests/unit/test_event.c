/* What records say in each view, from their JSON text. */
#include "render/event.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "render/buf.h"

#define ID(fields) "\"userIdentity\":{" fields "}"

/* What one record is asked for; the answer is checked inside the visitor, where it is still valid. */
struct question {
	struct event_scratch *scratch;
	struct value key_account;
	void (*check)(const struct event *e, const void *arg);
	const void *arg;
	int visits;
};

static int answer(void *arg, const struct record *r)
{
	struct question *q = arg;
	struct event e;

	assert_int_equal(event_read(q->scratch, r, q->key_account, &e), 0);
	q->visits++;
	q->check(&e, q->arg);
	return 0;
}

static void ask(struct event_scratch *scratch, const char *record, struct value key_account,
	void (*check)(const struct event *e, const void *arg), const void *arg)
{
	struct question q = {scratch, key_account, check, arg, 0};
	struct scanner *s = scanner_new();
	struct scan_result result;
	struct buf log = {0};

	assert_non_null(s);
	buf_adds(&log, "{\"Records\":[");
	buf_adds(&log, record);
	buf_adds(&log, "]}");
	assert_false(log.failed);
	if (scan_log(s, log.data, log.len, answer, NULL, &q, &result) < 0)
		fail_msg("%s: %s", record, result.reason);
	assert_int_equal(q.visits, 1);
	buf_clear(&log);
	scanner_free(s);
}

static bool same(struct value v, const char *want)
{
	return want ? v.p && v.len == strlen(want) && memcmp(v.p, want, v.len) == 0 : !v.p;
}

struct facet_case {
	enum facet facet;
	const char *fields; /* of the record */
	const char *want;   /* NULL: absent */
};

static void check_facet(const struct event *e, const void *arg)
{
	const struct facet_case *c = arg;
	struct value v = e->facet[c->facet];

	if (!same(v, c->want))
		fail_msg("%s of {%s}: '%.*s' instead of '%s'", facet_name[c->facet], c->fields, (int)v.len,
			v.p ? v.p : "", c->want ? c->want : "absent");
}

static void check_facets(const struct facet_case *cases, size_t n)
{
	struct event_scratch *scratch = event_scratch_new();

	assert_non_null(scratch);
	for (size_t i = 0; i < n; i++) {
		struct buf record = {0};
		buf_addf(&record, "{%s}", cases[i].fields);
		buf_addc(&record, '\0');
		assert_false(record.failed);
		ask(scratch, record.data, (struct value){NULL, 0}, check_facet, &cases[i]);
		buf_clear(&record);
	}
	event_scratch_free(scratch);
}

#define CHECK_FACETS(cases) check_facets(cases, sizeof(cases) / sizeof *(cases))

#define ARN_ROLE "\"arn\":\"arn:aws:sts::1:assumed-role/ops/alice\""

static const struct facet_case users[] = {
	{FACET_USER,
		ID("\"type\":\"IAMUser\",\"userName\":\"bob\",\"arn\":\"arn:aws:iam::1:user/x/arn-bob\""),
		"bob"},
	{FACET_USER,
		ID("\"type\":\"IAMUser\",\"arn\":\"arn:aws:iam::1:user/x/bob\",\"principalId\":\"AIDA\""),
		"bob"},
	{FACET_USER, ID("\"type\":\"IAMUser\",\"userName\":null,\"principalId\":\"AIDA\""), "AIDA"},
	{FACET_USER, ID("\"type\":\"IAMUser\",\"userName\":\"\",\"principalId\":\"AIDA\""), ""},
	{FACET_USER, ID("\"type\":\"Root\",\"userName\":\"alias\",\"arn\":\"arn:aws:iam::1:root\""), "root"},
	{FACET_USER, ID("\"type\":\"AssumedRole\"," ARN_ROLE ",\"principalId\":\"AROA:carol\""), "alice"},
	{FACET_USER, ID("\"type\":\"Role\"," ARN_ROLE ",\"userName\":\"no\""), "alice"},
	{FACET_USER, ID("\"type\":\"AssumedRole\",\"principalId\":\"AROA:carol:x\",\"userName\":\"no\""),
		"carol:x"},
	{FACET_USER, ID("\"type\":\"AssumedRole\",\"arn\":\"noslash\",\"principalId\":\"AROA:carol\""),
		"carol"},
	{FACET_USER, ID("\"type\":\"AssumedRole\",\"arn\":\"noslash\",\"principalId\":\"AROA\""), "noslash"},
	{FACET_USER, ID("\"type\":\"AssumedRole\",\"principalId\":\"AROA\",\"accountId\":\"1\""), "AROA"},
	{FACET_USER, ID("\"type\":\"AssumedRole\",\"arn\":\"a/\",\"principalId\":\"AROA:carol\""), ""},
	{FACET_USER, ID("\"type\":\"FederatedUser\",\"arn\":\"arn:aws:sts::1:federated-user/dan\""), "dan"},
	{FACET_USER, ID("\"type\":\"FederatedUser\",\"arn\":\"noslash\",\"userName\":\"dan\""), "dan"},
	{FACET_USER, ID("\"type\":\"SAMLUser\",\"userName\":\"eve@example.com\",\"principalId\":\"x:y\""),
		"eve@example.com"},
	{FACET_USER, ID("\"type\":\"WebIdentityUser\",\"userName\":\"frank\",\"principalId\":\"x:y\""),
		"frank"},
	{FACET_USER,
		ID("\"type\":\"IdentityCenterUser\",\"onBehalfOf\":{\"userId\":\"u-1\"},\"userName\":\"no\""),
		"u-1"},
	{FACET_USER, ID("\"type\":\"IdentityCenterUser\",\"onBehalfOf\":\"u-1\",\"accountId\":\"1\""), "1"},
	{FACET_USER, ID("\"type\":\"AWSService\",\"invokedBy\":\"ec2.amazonaws.com\",\"userName\":\"no\""),
		"ec2.amazonaws.com"},
	{FACET_USER, ID("\"type\":\"AWSService\",\"accountId\":\"1\""), "1"},
	{FACET_USER, ID("\"invokedBy\":\"kms.amazonaws.com\",\"accountId\":\"1\""), "kms.amazonaws.com"},
	{FACET_USER, ID("\"type\":null,\"invokedBy\":\"kms.amazonaws.com\",\"userName\":\"no\""),
		"kms.amazonaws.com"},
	{FACET_USER, ID("\"userName\":\"grace\""), "grace"},
	{FACET_USER, ID("\"type\":\"AWSAccount\",\"accountId\":\"2\",\"principalId\":\"AROA:x\""), "2"},
	{FACET_USER, ID("\"type\":\"AWSAccount\",\"principalId\":\"AROA:x\""), "AROA:x"},
	{FACET_USER, ID("\"type\":\"Unknown\",\"principalId\":\"p\",\"accountId\":\"1\""), "p"},
	{FACET_USER, ID("\"type\":\"Unknown\",\"invokedBy\":\"s\",\"principalId\":\"p\""), "s"},
	{FACET_USER, ID("\"type\":\"Unknown\",\"arn\":\"arn:aws:iam::1:root\",\"invokedBy\":\"s\""),
		"arn:aws:iam::1:root"},
	{FACET_USER, ID("\"type\":\"root\",\"userName\":\"alias\""), "alias"},
	{FACET_USER, ID("\"type\":\"\",\"invokedBy\":\"s\",\"userName\":\"u\""), "u"},
	{FACET_USER, ID("\"type\":\"Unknown\",\"accountId\":123"), "123"},
	{FACET_USER, ID("\"type\":\"Unknown\",\"accountId\":{}"), "_unknown"},
	{FACET_USER, ID(""), "_unknown"},
	{FACET_USER, "\"userIdentity\":null", "_unknown"},
	{FACET_USER, "\"userIdentity\":\"alice\"", "_unknown"},
	{FACET_USER, "", "_unknown"},
	{FACET_USER, ID("\"type\":\"Ro\\u006ft\""), "root"},
	{FACET_USER, ID("\"type\":\"AssumedRole\",\"arn\":\"a:b\\/c\\u002fd\\u00e9\""), "d\xc3\xa9"},
	/* The last of equal keys counts, with all that it holds. */
	{FACET_USER, ID("\"userName\":\"first\"") "," ID("\"accountId\":\"9\""), "9"},
	{FACET_USER, ID("\"userName\":\"first\",\"userName\":\"second\""), "second"},
	{FACET_USER, ID("\"userName\":\"first\"") ",\"userIdentity\":null", "_unknown"},
};

static void test_users(void **state)
{
	(void)state;
	CHECK_FACETS(users);
}

#define ISSUER(type, name)                                                                                   \
	ID("\"sessionContext\":{\"sessionIssuer\":{\"type\":" type ",\"userName\":" name "}}")

static const struct facet_case others[] = {
	{FACET_EVENT, "\"eventName\":\"Run\",\"insightDetails\":{\"eventName\":\"no\"}", "Run"},
	{FACET_EVENT, "\"insightDetails\":{\"eventName\":\"Run\",\"eventSource\":\"s\"}", "Run"},
	{FACET_EVENT, "\"eventName\":null,\"insightDetails\":{\"eventName\":\"Run\"}", "Run"},
	{FACET_EVENT, "\"eventName\":\"\",\"insightDetails\":{\"eventName\":\"no\"}", ""},
	{FACET_EVENT, "\"eventName\":[\"Run\"]", NULL},
	{FACET_EVENT, "\"eventname\":\"Run\"", NULL},
	{FACET_EVENT, "\"event\\u004eame\":\"Run\"", "Run"},
	{FACET_SERVICE, "\"eventSource\":\"ec2\",\"insightDetails\":{\"eventSource\":\"no\"}", "ec2"},
	{FACET_SERVICE, "\"insightDetails\":{\"eventName\":\"Run\",\"eventSource\":\"s\"}", "s"},
	{FACET_SERVICE, "", NULL},
	{FACET_IP, "\"sourceIPAddress\":\"AWS Internal/1\"", "AWS Internal/1"},
	{FACET_IP, "\"sourceIPAddress\":null", NULL},
	{FACET_ACCOUNT, "\"recipientAccountId\":\"1\"," ID("\"accountId\":\"2\""), "1"},
	{FACET_ACCOUNT, ID("\"accountId\":\"2\""), "2"},
	{FACET_ACCOUNT, "\"recipientAccountId\":123456789012", "123456789012"},
	{FACET_ACCOUNT, "", NULL},
	{FACET_REGION, "\"awsRegion\":\"eu-west-1\"", "eu-west-1"},
	{FACET_REGION, "\"awsRegion\":true", "true"},
	{FACET_ROLE, ISSUER("\"Role\"", "\"ops\""), "ops"},
	{FACET_ROLE, ISSUER("\"IAMUser\"", "\"ops\""), NULL},
	{FACET_ROLE, ISSUER("null", "\"ops\""), NULL},
	{FACET_ROLE, ISSUER("\"Role\"", "null"), NULL},
	{FACET_ROLE, ID("\"sessionContext\":{\"sessionIssuer\":{}}"), NULL},
	{FACET_ACCESS_KEY, ID("\"accessKeyId\":\"AKIA\""), "AKIA"},
	{FACET_ACCESS_KEY, ID("\"accessKeyId\":\"\""), ""},
	{FACET_ERROR, "\"errorCode\":\"AccessDenied\"", "AccessDenied"},
	{FACET_ERROR, "", NULL},
	{FACET_TYPE, ID("\"type\":\"IAMUser\""), "IAMUser"},
	{FACET_TYPE, "", NULL},
	{FACET_CATEGORY, "\"eventCategory\":\"NetworkActivity\",\"insightDetails\":{}", "NetworkActivity"},
	{FACET_CATEGORY, "\"insightDetails\":{},\"managementEvent\":false", "Insight"},
	{FACET_CATEGORY, "\"insightDetails\":null,\"managementEvent\":false", "Data"},
	{FACET_CATEGORY, "\"insightDetails\":[]", "Management"},
	{FACET_CATEGORY, "\"managementEvent\":\"false\"", "Data"},
	{FACET_CATEGORY, "\"managementEvent\":true", "Management"},
	{FACET_CATEGORY, "\"managementEvent\":null", "Management"},
	{FACET_CATEGORY, "\"eventCategory\":null", "Management"},
	{FACET_CATEGORY, "", "Management"},
	{FACET_ACCESS, "\"readOnly\":true", "read"},
	{FACET_ACCESS, "\"readOnly\":\"true\"", "read"},
	{FACET_ACCESS, "\"readOnly\":false", "write"},
	{FACET_ACCESS, "\"readOnly\":\"false\"", "write"},
	{FACET_ACCESS, "\"readOnly\":\"True\"", NULL},
	{FACET_ACCESS, "\"readOnly\":0", NULL},
	{FACET_ACCESS, "\"readOnly\":null", NULL},
	{FACET_ACCESS, "", NULL},
	{FACET_AGENT, "\"userAgent\":\"aws-cli\\/2 \\\"x\\\"\"", "aws-cli/2 \"x\""},
	{FACET_AGENT, "\"userAgent\":\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"},
	{FACET_AGENT, "\"userAgent\":\"a\\ud83d\"", "a\xed\xa0\xbd"},
	{FACET_AGENT, "\"userAgent\":\"\\udc00\\ud800b\"",
		"\xed\xb0\x80\xed\xa0\x80"
		"b"},
	{FACET_RESOURCE, "\"resources\":[{\"ARN\":\"r1\"},{\"ARN\":\"r2\"}]", "r1"},
	{FACET_RESOURCE, "\"resources\":[]", NULL},
	{FACET_RESOURCE, "\"resources\":{\"ARN\":\"r1\"}", NULL},
	{FACET_RESOURCE, "", NULL},
};

static void test_others(void **state)
{
	(void)state;
	CHECK_FACETS(others);
}

static void check_nul(const struct event *e, const void *arg)
{
	(void)arg;
	assert_int_equal(e->id.len, 3);
	assert_memory_equal(e->id.p, "a\0b", 3);
}

static void check_key_account(const struct event *e, const void *arg)
{
	assert_true(same(e->facet[FACET_ACCOUNT], arg));
}

static void check_nothing_known(const struct event *e, const void *arg)
{
	(void)arg;
	assert_true(e->time == EVENT_UNDATED);
	assert_null(e->id.p);
	assert_int_equal(e->n_resources, 0);
	for (int i = 0; i < FACET_COUNT; i++)
		assert_true(same(e->facet[i], i == FACET_USER       ? "_unknown"
					      : i == FACET_CATEGORY ? "Management"
								    : NULL));
}

static void test_records(void **state)
{
	struct event_scratch *scratch = event_scratch_new();
	const struct value none = {NULL, 0}, key = {"999999999999", 12};

	(void)state;
	ask(scratch, "{\"eventID\":\"a\\u0000b\"}", none, check_nul, NULL);
	ask(scratch, "{}", key, check_key_account, "999999999999");
	ask(scratch, "{\"recipientAccountId\":\"1\"}", key, check_key_account, "1");
	/* What is no object is an event too. */
	ask(scratch, "{}", none, check_nothing_known, NULL);
	ask(scratch, "7", none, check_nothing_known, NULL);
	ask(scratch, "\"eventName\"", none, check_nothing_known, NULL);
	ask(scratch, "[{\"eventName\":\"x\"}]", none, check_nothing_known, NULL);
	event_scratch_free(scratch);
	event_scratch_free(NULL);
}

static void check_time(const struct event *e, const void *arg)
{
	assert_int_equal(e->time, *(const int64_t *)arg);
}

#define NULS_5 "\\u0000\\u0000\\u0000\\u0000\\u0000"

static void test_time_of_records(void **state)
{
	struct event_scratch *scratch = event_scratch_new();
	const struct value none = {NULL, 0};
	static const struct {
		const char *record;
		int64_t time;
	} records[] = {
		/* as long as a time, and what scratch memory may be full of */
		{"{\"eventTime\":\"" NULS_5 NULS_5 NULS_5 NULS_5 "\"}", EVENT_UNDATED},
		{"{\"eventTime\":\"2025-06-19T09:10:23Z\"}", 1750324223},
		{"{\"eventTime\":\"2025-06-19T09:10:23Z\"}", 1750324223},
		{"{\"eventTime\":\"2025-06-19T09:10:24Z\"}", 1750324224},
		{"{\"eventTime\":\"2025-06-19T09:10:24z\"}", EVENT_UNDATED},
		{"{\"eventTime\":\"2025-06-19T09:10:24z\"}", EVENT_UNDATED},
		{"{}", EVENT_UNDATED},
		{"{\"eventTime\":\"2025-06-19T09:10:24Z\"}", 1750324224},
		{"{\"eventTime\":\"2025-06-19T09:10:24.5Z\"}", 1750324224},
		/* the same bytes, as far as a time goes that is as usual */
		{"{\"eventTime\":\"2025-06-19T09:10:24.x\"}", EVENT_UNDATED},
		{"{\"eventTime\":\"2025-06-19T10:10:24+01:00\"}", 1750324224},
		{"{\"eventTime\":\"2025-06-19\\u005409:10:23Z\"}", 1750324223},
		{"{\"eventTime\":\"\"}", EVENT_UNDATED},
		{"{\"eventTime\":1750324223}", EVENT_UNDATED},
		{"{\"eventTime\":null}", EVENT_UNDATED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof records / sizeof *records; i++)
		ask(scratch, records[i].record, none, check_time, &records[i].time);
	event_scratch_free(scratch);
}

/* The resources, one after another with a newline after each. */
static void check_resources(const struct event *e, const void *arg)
{
	struct buf got = {0};

	for (size_t i = 0; i < e->n_resources; i++) {
		buf_add(&got, e->resource[i].p, e->resource[i].len);
		buf_addc(&got, '\n');
	}
	buf_addc(&got, '\0');
	assert_false(got.failed);
	assert_string_equal(got.data, arg);
	buf_clear(&got);
}

static void test_resources(void **state)
{
	struct event_scratch *scratch = event_scratch_new();
	const struct value none = {NULL, 0};
	static const struct {
		const char *record, *want;
	} records[] = {
		{"{\"resources\":[{\"ARN\":\"b\"},{\"ARN\":\"a\"},{\"ARN\":\"b\"}]}", "b\na\n"},
		{"{\"resources\":[{\"ARN\":\"a/b\"},{\"ARN\":\"a\\/b\"},{\"ARN\":\"\\u0061/b\"}]}", "a/b\n"},
		{"{\"resources\":[{\"ARNPrefix\":\"p\",\"ARN\":\"a\"},{\"ARNPrefix\":\"p\"},{\"type\":\"t\"}]"
		 "}",
			"a\np\n"},
		{"{\"resources\":[{\"ARN\":null,\"ARNPrefix\":\"p\"},{\"ARN\":\"\"},null,7,{\"ARN\":5}]}",
			"p\n\n5\n"},
		{"{\"resources\":null}", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof records / sizeof *records; i++)
		ask(scratch, records[i].record, none, check_resources, records[i].want);
	event_scratch_free(scratch);
}

/* n resources of which only `kinds` differ, some of them escaped. */
static void many_resources(struct event_scratch *scratch, int n, int kinds)
{
	const struct value none = {NULL, 0};
	struct buf record = {0}, want = {0};

	buf_adds(&record, "{\"resources\":[");
	for (int i = 0; i < n; i++)
		buf_addf(&record, "%s{\"ARN\":\"r%s%d\"}", i ? "," : "", i % 3 ? "/" : "\\/", i * 7 % kinds);
	buf_adds(&record, "]}");
	buf_addc(&record, '\0');
	for (int i = 0; i < kinds && i < n; i++)
		buf_addf(&want, "r/%d\n", i * 7 % kinds);
	buf_addc(&want, '\0');
	assert_false(record.failed || want.failed);
	ask(scratch, record.data, none, check_resources, want.data);
	buf_clear(&record);
	buf_clear(&want);
}

static void test_many_resources(void **state)
{
	struct event_scratch *scratch = event_scratch_new();

	(void)state;
	/* kinds that 7 does not divide: the first `kinds` are all different. */
	for (int n = 1; n < 40; n++)
		for (int kinds = 1; kinds < 7; kinds++)
			many_resources(scratch, n, kinds);
	many_resources(scratch, 100000, 99999);
	many_resources(scratch, 100000, 5);
	event_scratch_free(scratch);
}

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t time;
	} times[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"1969-12-31T23:59:59Z", -1},
		{"2025-06-19T09:10:23Z", 1750324223},
		{"2025-06-19T09:10:23.5Z", 1750324223},
		{"2025-06-19T09:10:23.999999999999999999999999999Z", 1750324223},
		{"2025-06-19T11:10:23+02:00", 1750324223},
		{"2025-06-19T03:40:23.1-05:30", 1750324223},
		{"2025-06-19T09:10:23-00:00", 1750324223},
		{"2025-06-20T09:09:23+23:59", 1750324223},
		{"2024-02-29T00:00:00Z", 1709164800},
		{"2016-12-31T23:59:60Z", 1483228799},
		{"0001-01-01T00:00:00Z", -62135596800},
		{"9999-12-31T23:59:59Z", 253402300799},
		{"9999-12-31T23:59:59+00:01", 253402300739},
	};
	static const char *const unreadable[] = {"", "Z", "2025-06-19", "2025-06-19T09:10:23",
		"2025-06-19T09:10Z", "2025-06-19 09:10:23Z", "2025-06-19t09:10:23Z", "2025-06-19T09:10:23z",
		"2025-06-19T09:10:23.Z", "2025-06-19T09:10:23,5Z", "2025-06-19T09:10:23.5",
		"2025-06-19T09:10:23ZZ", "2025-06-19T09:10:23Z ", " 2025-06-19T09:10:23Z",
		"2025-06-19T24:00:00Z", "2025-06-19T09:60:00Z", "2025-06-19T09:10:61Z",
		"2025-02-29T00:00:00Z", "2025-13-01T00:00:00Z", "2025-00-01T00:00:00Z",
		"2025-01-00T00:00:00Z", "2025-01-32T00:00:00Z", "0000-01-01T00:00:00Z",
		"12025-01-01T00:00:00Z", "-025-01-01T00:00:00Z", "2025-06-19T09:10:23+0200",
		"2025-06-19T09:10:23+02", "2025-06-19T09:10:23+24:00", "2025-06-19T09:10:23+02:60",
		"2025-06-19T09:10:23+02:00Z", "2025-06-19T09:10:23~02:00", "0001-01-01T00:00:00+00:01",
		"9999-12-31T23:59:59-00:01", "9999-12-31T23:59:00-00:01", "20250619T091023Z",
		"2025-6-19T9:10:23Z"};

	(void)state;
	for (size_t i = 0; i < sizeof times / sizeof *times; i++)
		if (event_time(times[i].text, strlen(times[i].text)) != times[i].time)
			fail_msg("%s", times[i].text);
	for (size_t i = 0; i < sizeof unreadable / sizeof *unreadable; i++)
		if (event_time(unreadable[i], strlen(unreadable[i])) != EVENT_UNDATED)
			fail_msg("%s", unreadable[i]);
	/* The length counts, not what stands behind it. */
	assert_true(event_time("2025-06-19T09:10:23Z", 19) == EVENT_UNDATED);
	assert_true(event_time("2025-06-19T09:10:23Z", 12) == EVENT_UNDATED);
	assert_true(event_time("2025-06-19T09:10:23\0Z", 21) == EVENT_UNDATED);
}

static void test_facet_names(void **state)
{
	static const char *const none[] = {"", "by", "by-", "by-x", "by-use", "by-users", "xy-user",
		"by-User", "by-access-", "by-access-keys", "events", "by-id"};

	(void)state;
	for (int i = 0; i < FACET_COUNT; i++)
		assert_int_equal(facet_find(facet_name[i], strlen(facet_name[i])), i);
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_int_equal(facet_find(none[i], strlen(none[i])), -1);
	assert_int_equal(facet_find("by-user/alice", 7), FACET_USER);
	assert_int_equal(facet_find("by-access-key", 9), FACET_ACCESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_time_of_records),
		cmocka_unit_test(test_resources),
		cmocka_unit_test(test_many_resources),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_facet_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
