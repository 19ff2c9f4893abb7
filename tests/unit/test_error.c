/* Error documents, and what each answer means. */
#include "s3/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#define XML "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

static void documents(void **state)
{
	static const struct {
		const char *text, *code, *message, *request_id;
	} rows[] = {
		{XML "<Error><Code>NoSuchKey</Code><Message>It is not there.</Message><Key>a</Key>"
		     "<RequestId>4442587FB7D0A2F9</RequestId><HostId>x</HostId></Error>",
			"NoSuchKey", "It is not there.", "4442587FB7D0A2F9"},
		/* STS, with its name space and its depth. */
		{"<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n <Error>\n  "
		 "<Type>Sender</Type>\n  <Code>InvalidClientTokenId</Code>\n  <Message>The token</Message>\n "
		 "</Error>\n <RequestId>4f-1</RequestId>\n</ErrorResponse>\n",
			"InvalidClientTokenId", "The token", "4f-1"},
		{"<s:Error xmlns:s='x'><s:Code>A</s:Code></s:Error>", "A", "", ""},
		{"<Error><Code>A&amp;&#x42;</Code><Message><![CDATA[<b> & c]]></Message></Error>", "A&B",
			"<b> & c", ""},
		/* It goes into one line of a log. */
		{"<Error><Code>A</Code><Message>a\nb&#9;c&#127;d</Message></Error>", "A", "a b c d", ""},
		/* Only what stands where it belongs, and the first of it. */
		{"<Error><Code>A</Code><Code>B</Code><X><Message>m</Message></X></Error>", "A", "", ""},
		{"<ErrorResponse><Error><Code>A</Code></Error><X><Message>m</Message></X></ErrorResponse>",
			"A", "", ""},
		{"<Error><Message>a<b>c</b>d</Message><Code>A</Code></Error>", "A", "a", ""},
	};
	struct error_xml e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(error_parse(rows[i].text, strlen(rows[i].text), &e), 0);
		assert_string_equal(e.code, rows[i].code);
		assert_string_equal(e.message, rows[i].message);
		assert_string_equal(e.request_id, rows[i].request_id);
	}
}

static void other_fields(void **state)
{
	static const char text[] =
		"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region>"
		"<Endpoint>b.s3.eu-west-1.amazonaws.com</Endpoint><BucketName>b</BucketName>"
		"<ServerTime>2025-06-19T09:10:23Z</ServerTime></Error>";
	struct error_xml e;

	(void)state;
	assert_int_equal(error_parse(text, sizeof(text) - 1, &e), 0);
	assert_string_equal(e.region, "eu-west-1");
	assert_string_equal(e.endpoint, "b.s3.eu-west-1.amazonaws.com");
	assert_string_equal(e.bucket, "b");
	assert_string_equal(e.server_time, "2025-06-19T09:10:23Z");
}

static void no_documents(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"oops",
		"{\"Code\": \"A\"}",
		"<html><body>502 Bad Gateway</body></html>",
		"<Error/>",
		"<Error></Error>",
		"<Error><Message>no code</Message></Error>",
		"<ErrorResponse><RequestId>1</RequestId></ErrorResponse>",
		"<ErrorResponse><Code>A</Code></ErrorResponse>",
		"<Error><Code>A</Code>",
		"<Error><Code>A</Code></Error><Error/>",
		"<Error><Code>A</Code></Error>trailing",
		"<ListBucketResult><Error><Code>A</Code></Error></ListBucketResult>",
		"<x:y:Error><Code>A",
		"<Error><Code>\xff\xfe</Code></Error>",
		"<?xml version=\"1.0\" encoding=\"nonsense\"?><Error><Code>A</Code></Error>",
		"<!DOCTYPE Error><Error><Code>A</Code></Error>",
		"<!DOCTYPE Error SYSTEM \"file:///etc/passwd\"><Error><Code>A</Code></Error>",
		("<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;\">]>"
		 "<Error><Code>&b;</Code></Error>"),
		"<Error><Code>&undeclared;</Code></Error>",
	};
	struct error_xml e, none = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		memset(&e, 'x', sizeof(e));
		if (error_parse(texts[i], strlen(texts[i]), &e) != -EBADMSG)
			fail_msg("taken: %s", texts[i]);
		assert_memory_equal(&e, &none, sizeof(e));
	}
	assert_int_equal(error_parse(NULL, 0, &e), -EBADMSG);
}

/* Long texts are cut between characters; documents over 64 KiB are not read. */
static void sizes(void **state)
{
	static const char head[] = "<Error><Code>A</Code><Message>", tail[] = "</Message></Error>";
	char *text = malloc(70000);
	struct error_xml e;

	(void)state;
	assert_non_null(text);
	for (size_t shift = 0; shift < 4; shift++) {
		int n = snprintf(text, 70000, "%s%.*s", head, (int)shift, "xxx");
		for (int i = 0; i < 100; i++)
			n += snprintf(text + n, 70000 - (size_t)n, "\xf0\x9f\x98\x80");
		n += snprintf(text + n, 70000 - (size_t)n, "%s", tail);
		assert_int_equal(error_parse(text, (size_t)n, &e), 0);
		assert_int_equal(strlen(e.message), shift == 3 ? 255 : 252 + shift);
		assert_memory_equal(e.message + shift, "\xf0\x9f\x98\x80", 4);
	}
	int n = snprintf(text, 70000, "%s", head);
	memset(text + n, ' ', 65536 - (size_t)n);
	memcpy(text + 65536 - sizeof(tail) + 1, tail, sizeof(tail));
	assert_int_equal(error_parse(text, 65536, &e), 0);
	memmove(text + n + 1, text + n, 65536 - (size_t)n);
	text[n] = ' ';
	assert_int_equal(error_parse(text, 65537, &e), -EBADMSG);
	free(text);
}

static void meanings(void **state)
{
	static const struct {
		int status;
		const char *code, *message;
		int listing, error;
		enum retry_kind kind;
		const char *say; /* a part of the sentence */
	} rows[] = {
		{404, "NoSuchKey", "", 0, -ENOENT, RETRY_NOT, "removed"},
		{404, "NoSuchBucket", "", 1, -ENXIO, RETRY_NOT, "no bucket"},
		{404, "NoSuchBucket", "", 0, -ENXIO, RETRY_NOT, "no bucket"},
		{404, "", "", 0, -EIO, RETRY_NOT, "not how S3 answers"},
		{404, "", "", 1, -ENXIO, RETRY_NOT, "no bucket"},
		{403, "AccessDenied", "Access Denied", 1, -EACCES, RETRY_NOT, "s3:ListBucket on the bucket"},
		{403, "AccessDenied", "Access Denied", 0, -EACCES, RETRY_NOT,
			"s3:GetObject (and kms:Decrypt where the trail is encrypted with SSE-KMS)"},
		{403, "", "", 1, -EKEYREJECTED, RETRY_NOT, "not how S3 answers"},
		{403, "", "", 0, -EKEYREJECTED, RETRY_NOT, "not how S3 answers"},
		{403, "SomethingNew", "", 0, -EACCES, RETRY_NOT, "s3:GetObject"},
		{403, "AccessDenied", "User x is not authorized to perform: kms:Decrypt on resource y", 0,
			-EACCES, RETRY_NOT, "kms:Decrypt on the key"},
		{400, "KMS.DisabledException", "", 0, -EACCES, RETRY_NOT, "kms:Decrypt on the key"},
		{400, "KMS.NotFoundException", "", 0, -EACCES, RETRY_NOT, "kms:Decrypt on the key"},
		{400, "KMS.ThrottlingException", "", 0, -EIO, RETRY_THROTTLED, "fewer"},
		{403, "InvalidObjectState", "", 0, -EACCES, RETRY_NOT, "Glacier"},
		{400, "ExpiredToken", "", 1, -EKEYREJECTED, RETRY_AT_ONCE, "aws sso login"},
		{403, "InvalidAccessKeyId", "", 1, -EKEYREJECTED, RETRY_NOT, "does not exist"},
		{403, "SignatureDoesNotMatch", "", 1, -EKEYREJECTED, RETRY_NOT, "secret key"},
		{403, "SignatureDoesNotMatch", "", 1, -EKEYREJECTED, RETRY_NOT, "no such access key"},
		{403, "RequestTimeTooSkewed", "", 1, -EKEYREJECTED, RETRY_AT_ONCE, "clock"},
		{301, "PermanentRedirect", "", 1, -EIO, RETRY_AT_ONCE, "region"},
		{301, "", "", 1, -EIO, RETRY_AT_ONCE, "region"},
		{307, "TemporaryRedirect", "", 0, -EIO, RETRY_AT_ONCE, "region"},
		{400, "AuthorizationHeaderMalformed", "", 1, -EIO, RETRY_AT_ONCE, "region"},
		{412, "PreconditionFailed", "", 0, -ESTALE, RETRY_NOT, "replaced"},
		{412, "", "", 0, -ESTALE, RETRY_NOT, "replaced"},
		{416, "InvalidRange", "", 0, -ESTALE, RETRY_NOT, "replaced"},
		/* Nothing was listed before. */
		{412, "", "", 1, -EIO, RETRY_NOT, "endpoint"},
		{416, "", "", 1, -EIO, RETRY_NOT, "endpoint"},
		{400, "", "", 1, -EIO, RETRY_NOT, "endpoint"},
		{503, "SlowDown", "", 0, -EIO, RETRY_THROTTLED, "fewer"},
		{503, "", "", 0, -EIO, RETRY_THROTTLED, "fewer"},
		{429, "", "", 0, -EIO, RETRY_THROTTLED, "fewer"},
		{400, "ThrottlingException", "", 0, -EIO, RETRY_THROTTLED, "fewer"},
		{500, "InternalError", "", 0, -EIO, RETRY_TRANSIENT, "server's"},
		{502, "", "", 0, -EIO, RETRY_TRANSIENT, "server's"},
		{504, "", "", 0, -EIO, RETRY_TRANSIENT, "server's"},
		{520, "", "", 0, -EIO, RETRY_TRANSIENT, "server's"},
		{400, "RequestTimeout", "", 0, -EIO, RETRY_TRANSIENT, "server's"},
		/* In the body of a 200. */
		{200, "InternalError", "", 0, -EIO, RETRY_TRANSIENT, "server's"},
		{200, "SlowDown", "", 0, -EIO, RETRY_THROTTLED, "fewer"},
		{200, "SomethingNew", "", 0, -EIO, RETRY_TRANSIENT, "server's"},
		{501, "NotImplemented", "", 1, -EOPNOTSUPP, RETRY_NOT, "endpoint"},
		{400, "KeyTooLongError", "", 0, -ENAMETOOLONG, RETRY_NOT, ""},
		{400, "InvalidRequest",
			"The object was stored using a form of Server Side Encryption. The correct "
			"parameters must be provided to retrieve the object.",
			0, -EACCES, RETRY_NOT, "SSE-C"},
		{400, "InvalidRequest", "", 0, -EIO, RETRY_NOT, ""},
		{400, "", "", 0, -EIO, RETRY_NOT, ""},
		{407, "", "", 0, -EKEYREJECTED, RETRY_NOT, "proxy"},
		{0, "", "", 0, -EIO, RETRY_NOT, ""},
		/* The others that have a meaning of their own: the code counts, whatever the status. */
		{400, "NoSuchVersion", "", 0, -ENOENT, RETRY_NOT, "removed"},
		{400, "InvalidBucketName", "", 1, -EINVAL, RETRY_NOT, "no bucket"},
		{400, "MethodNotAllowed", "", 1, -EOPNOTSUPP, RETRY_NOT, "endpoint"},
		{400, "InvalidClientTokenId", "", 1, -EKEYREJECTED, RETRY_NOT, "does not exist"},
		{400, "UnrecognizedClientException", "", 1, -EKEYREJECTED, RETRY_NOT, "does not exist"},
		{400, "AccountProblem", "", 1, -EKEYREJECTED, RETRY_NOT, "closed"},
		{400, "AllAccessDisabled", "", 1, -EKEYREJECTED, RETRY_NOT, "closed"},
		{400, "NotSignedUp", "", 1, -EKEYREJECTED, RETRY_NOT, "closed"},
		{403, "ExpiredTokenException", "", 0, -EKEYREJECTED, RETRY_AT_ONCE, "aws sso login"},
		{403, "TokenRefreshRequired", "", 0, -EKEYREJECTED, RETRY_AT_ONCE, "aws sso login"},
		{403, "InvalidToken", "", 0, -EKEYREJECTED, RETRY_AT_ONCE, "aws sso login"},
		{403, "RequestExpired", "", 0, -EKEYREJECTED, RETRY_AT_ONCE, "clock"},
		{400, "Redirect", "", 1, -EIO, RETRY_AT_ONCE, "region"},
		{400, "IllegalLocationConstraintException", "", 1, -EIO, RETRY_AT_ONCE, "region"},
		{400, "ServiceUnavailable", "", 0, -EIO, RETRY_THROTTLED, "fewer"},
		{400, "Throttling", "", 0, -EIO, RETRY_THROTTLED, "fewer"},
		{400, "ThrottledException", "", 0, -EIO, RETRY_THROTTLED, "fewer"},
		{400, "RequestThrottled", "", 0, -EIO, RETRY_THROTTLED, "fewer"},
		{400, "RequestThrottledException", "", 0, -EIO, RETRY_THROTTLED, "fewer"},
		{400, "RequestLimitExceeded", "", 0, -EIO, RETRY_THROTTLED, "fewer"},
		{400, "BandwidthLimitExceeded", "", 0, -EIO, RETRY_THROTTLED, "fewer"},
		{400, "LimitExceededException", "", 0, -EIO, RETRY_THROTTLED, "fewer"},
		{400, "TooManyRequests", "", 0, -EIO, RETRY_THROTTLED, "fewer"},
		{400, "TooManyRequestsException", "", 0, -EIO, RETRY_THROTTLED, "fewer"},
		{400, "InternalFailure", "", 0, -EIO, RETRY_TRANSIENT, "server's"},
		{400, "RequestTimeoutException", "", 0, -EIO, RETRY_TRANSIENT, "server's"},
		{409, "OperationAborted", "", 0, -EIO, RETRY_TRANSIENT, "server's"},
		{302, "", "", 0, -EIO, RETRY_AT_ONCE, "region"},
		{307, "", "", 0, -EIO, RETRY_AT_ONCE, "region"},
		{308, "", "", 0, -EIO, RETRY_AT_ONCE, "region"},
		{401, "", "", 0, -EKEYREJECTED, RETRY_NOT, "credentials"},
		{405, "", "", 0, -EOPNOTSUPP, RETRY_NOT, "endpoint"},
		{408, "", "", 0, -EIO, RETRY_TRANSIENT, "server's"},
		{416, "", "", 0, -ESTALE, RETRY_NOT, "replaced"},
		{501, "", "", 0, -EOPNOTSUPP, RETRY_NOT, "endpoint"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct error_meaning m =
			error_mean(rows[i].status, rows[i].code, rows[i].message, rows[i].listing);
		if (m.error != rows[i].error || m.kind != rows[i].kind || !strstr(m.try_this, rows[i].say))
			fail_msg("%d %s: %d %d %s", rows[i].status, rows[i].code, m.error, (int)m.kind,
				m.try_this);
		size_t n = strlen(m.try_this);
		assert_true(!n || m.try_this[n - 1] == '.');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents),
		cmocka_unit_test(other_fields),
		cmocka_unit_test(no_documents),
		cmocka_unit_test(sizes),
		cmocka_unit_test(meanings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
