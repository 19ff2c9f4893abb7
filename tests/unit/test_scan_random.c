/*
 * Many thousand logs, most of them damaged, and made-up values: the scanner and the writers agree with
 * jansson and with a second writer (tests/referee.h). The same texts on every machine.
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

/* In a copy with nothing behind it, so that a sanitizer sees a read past the end. */
static void check(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);
	const char *wrong;

	memcpy(copy, text, len);
	wrong = referee_check(scanner, copy, len);
	if (wrong)
		fail_msg("%s: %.*s", wrong, (int)(len < 2000 ? len : 2000), text);
	free(copy);
}

static const char *const samples[] = {
	"{\"Records\":[{\"eventVersion\":\"1.09\",\"userIdentity\":{\"type\":\"AssumedRole\",\"principalId\":"
	"\"AROAEXAMPLE:alice\",\"arn\":\"arn:aws:sts::111122223333:assumed-role/deploy/alice\",\"accountId\":"
	"\"111122223333\",\"accessKeyId\":\"ASIAEXAMPLE\",\"sessionContext\":{\"sessionIssuer\":{\"type\":"
	"\"Role\","
	"\"principalId\":\"AROAEXAMPLE\",\"arn\":\"arn:aws:iam::111122223333:role/"
	"deploy\",\"userName\":\"deploy\"},"
	"\"webIdFederationData\":{},\"attributes\":{\"mfaAuthenticated\":\"false\"}}},\"eventTime\":"
	"\"2025-06-19T09:10:23Z\",\"eventSource\":\"ec2.amazonaws.com\",\"eventName\":\"RunInstances\","
	"\"awsRegion\":\"eu-central-1\",\"sourceIPAddress\":\"203.0.113.7\",\"userAgent\":\"Mozilla/5.0 "
	"(\\\"x\\\")\",\"errorCode\":\"Client.Unauthorized\",\"requestParameters\":{\"instancesSet\":{"
	"\"items\":"
	"[{\"minCount\":1,\"maxCount\":1.50}]},\"filterSet\":{},\"tags\":[]},\"responseElements\":null,"
	"\"eventID\":\"0f3b1c2e-7d51-4f0a-9f0e-2f6c3f0d9a11\",\"readOnly\":false,\"resources\":[{\"ARN\":"
	"\"arn:aws:s3:::b/k\",\"type\":\"AWS::S3::Object\"},{\"ARNPrefix\":\"arn:aws:s3:::b/"
	"\"}],\"eventType\":"
	"\"AwsApiCall\",\"managementEvent\":true,\"recipientAccountId\":\"111122223333\",\"eventCategory\":"
	"\"Management\"},{\"eventVersion\":\"1.11\",\"insightDetails\":{\"state\":\"Start\",\"eventSource\":"
	"\"sts.amazonaws.com\",\"eventName\":\"AssumeRole\",\"insightContext\":{\"statistics\":{\"baseline\":"
	"{\"average\":0.0020833333}}}},\"eventID\":\"a\"}]}",
	"[\n  {\n    \"eventTime\": \"2025-06-19T09:10:23Z\",\n    \"eventName\": \"PutObject\",\n    "
	"\"userIdentity\": {\n      \"type\": \"IdentityCenterUser\",\n      \"onBehalfOf\": {\n        "
	"\"userId\": "
	"\"u-1\"\n      }\n    },\n    \"requestParameters\": {\n      \"key\": \"caf\xc3\xa9 "
	"\xf0\x9f\x98\x80\\u003d\"\n    },\n    \"additionalEventData\": [],\n    \"n\": [ -1, 2e3, true ]\n "
	" }\n]\n",
	"{\"eventName\":\"ConsoleLogin\",\"userIdentity\":{\"type\":\"IAMUser\",\"userName\":\"bob\"}}\n"
	"{\"eventName\":\"GetObject\",\"userIdentity\":{\"type\":\"AWSService\",\"invokedBy\":\"x\"},"
	"\"readOnly\":"
	"\"true\"}\n{\"eventID\":7,\"resources\":null}\n",
	("{\"NextToken\":\"t\",\"Events\":[{\"EventId\":\"1\",\"CloudTrailEvent\":\"{\\\"eventName\\\":"
	 "\\\"A\\\"}\"}]}"),
};

#define N_SAMPLES (sizeof samples / sizeof *samples)

/* Pieces that turn one valid text into another, or nearly. */
static const char *const pieces[] = {"\"", "\\", "{", "}", "[", "]", ",", ":", " ", "\n", "1", "-", "0", ".",
	"e9", "null", "true", "\xc3", "\xc3\xa9", "\x80", "\xed\xa0\x80", "\\u0041", "\\ud800", "\\u00", "\t",
	"\x01", "{}", "[]", "\"a\":1,", ",\"eventName\":\"dup\"", "\"userIdentity\":null,",
	"\"resources\":[{\"ARN\":1}],", "\"Records\":[", "\"Records\":1,", "\"Events\":[],",
	"\"eventID\":", "{\"eventTime\":2}", "\"userIdentity\":{\"arn\":\"x\"},", "\"ARN\":\"y\",",
	"\"event\\u0049D\":[3],"};

#define N_PIECES (sizeof pieces / sizeof *pieces)

struct text {
	char p[8192];
	size_t len;
};

/* xorshift64 */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static size_t below(uint64_t *seed, size_t n)
{
	return (size_t)((next_random(seed) >> 16) % n);
}

/* Puts len bytes in the place of `cut` bytes at `at`, where there is room. */
static void splice(struct text *t, size_t at, size_t cut, const char *p, size_t len)
{
	if (cut > t->len - at)
		cut = t->len - at;
	if (t->len - cut + len > sizeof t->p)
		return;
	memmove(t->p + at + len, t->p + at + cut, t->len - at - cut);
	memcpy(t->p + at, p, len);
	t->len += len - cut;
}

/* The next place from `at` that lies between two tokens, roughly. */
static size_t token_at(const struct text *t, size_t at)
{
	while (at < t->len && !strchr("{}[],:", t->p[at]))
		at++;
	return at < t->len ? at + 1 : t->len;
}

static void mutate(struct text *t, uint64_t *seed)
{
	size_t at = below(seed, t->len + 1);
	const char *piece = pieces[below(seed, N_PIECES)];
	char byte = (char)(1 + below(seed, 255)), copy[64];
	size_t n = below(seed, sizeof copy);

	switch (below(seed, 6)) {
	case 0:
		splice(t, at, 1, &byte, 1);
		break;
	case 1:
		splice(t, at, 1 + below(seed, 20), "", 0);
		break;
	case 2:
	case 3:
		splice(t, token_at(t, at), below(seed, 3) ? 0 : 4, piece, strlen(piece));
		break;
	case 4:
		splice(t, at, 0, piece, strlen(piece));
		break;
	default:
		if (n > t->len - at)
			n = t->len - at;
		memcpy(copy, t->p + at, n);
		splice(t, token_at(t, below(seed, t->len + 1)), 0, copy, n);
	}
}

static void test_damaged_logs(void **state)
{
	uint64_t seed = 0x7261696c66735eed;
	struct text t;

	(void)state;
	for (size_t i = 0; i < N_SAMPLES; i++)
		check(samples[i], strlen(samples[i]));
	for (int i = 0; i < 16000; i++) {
		const char *sample = samples[below(&seed, N_SAMPLES)];
		size_t times = 1 + below(&seed, 3);

		t.len = strlen(sample);
		memcpy(t.p, sample, t.len);
		while (times--)
			mutate(&t, &seed);
		if (below(&seed, 20) == 0)
			t.len = below(&seed, t.len + 1);
		check(t.p, t.len);
	}
}

/* A valid value, made at random, with white space here and there. */
static void make_value(FILE *f, uint64_t *seed, int depth, bool white)
{
	static const char *const scalars[] = {"1", "-0.5e+3", "true", "false", "null", "\"\"", "\"x\"",
		"\"a longer string, of more than thirty-two bytes, with \\\"quotes\\\"\"", "\"\xe2\x82\xac\"",
		"\"\\u20ac\\n\""};
	static const char *const names[] = {"eventName", "eventID", "userIdentity", "resources", "ARN",
		"ARNPrefix", "sessionContext", "sessionIssuer", "type", "userName", "insightDetails",
		"Records", "Events", "onBehalfOf", "userId", "x", "", "user\\u0049dentity", "arn",
		"eventTime"};
	static const char *const spaces[] = {"", " ", "\n", "\r\n\t", "                              "};
	size_t kind = below(seed, depth > 6 ? 3 : 8), n = below(seed, 5);
	const char *space = spaces[white ? below(seed, 5) : 0];

	if (kind < 3) {
		fputs(scalars[below(seed, sizeof scalars / sizeof *scalars)], f);
		return;
	}
	fprintf(f, "%c%s", kind < 6 ? '{' : '[', space);
	for (size_t i = 0; i < n; i++) {
		fprintf(f, "%s%s", i ? "," : "", space);
		if (kind < 6)
			fprintf(f, "\"%s\"%s:%s", names[below(seed, sizeof names / sizeof *names)], space,
				space);
		make_value(f, seed, depth + 1, white);
		fputs(space, f);
	}
	fputc(kind < 6 ? '}' : ']', f);
}

static void test_made_values(void **state)
{
	uint64_t seed = 0x6d616465;

	(void)state;
	for (int i = 0; i < 4000; i++) {
		char *text;
		size_t len;
		FILE *f = open_memstream(&text, &len);

		make_value(f, &seed, 0, i % 2);
		if (i % 5 == 0)
			make_value(f, &seed, 1, i % 2);
		fclose(f);
		check(text, len);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damaged_logs),
		cmocka_unit_test(test_made_values),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
