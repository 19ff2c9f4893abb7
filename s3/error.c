/*
 * Error documents and the table of what they mean.
 */
#include "s3/error.h"

#include <errno.h>
#include <expat.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define DOCUMENT_MAX 65536

#define F(m) offsetof(struct error_xml, m), sizeof(((struct error_xml *)0)->m)

/* Elements, by name: S3's, those of STS, and of servers that write them a little differently. */
static const struct {
	const char *name;
	size_t at, cap;
} fields[] = {
	{"Code", F(code)},
	{"Message", F(message)},
	{"Region", F(region)},
	{"Endpoint", F(endpoint)},
	{"RequestId", F(request_id)},
	{"RequestID", F(request_id)},
	{"BucketName", F(bucket)},
	{"Bucket", F(bucket)},
	{"ServerTime", F(server_time)},
};

static const char sign_in[] =
	"The session has expired: sign in again (aws sso login) or renew the credentials.";
static const char other_region[] = "The bucket is in another region: set its region.";
static const char slow_down[] = "The service asks for fewer requests: lower the number of connections.";
static const char wrong_keys[] =
	"This access key does not exist (here): check the profile, the environment and the endpoint.";
static const char server_fault[] = "The fault is the server's: try again later.";
static const char changed[] = "The object was replaced while it was read: list the bucket again.";
static const char need_list[] = "The credentials need s3:ListBucket on the bucket.";
static const char need_get[] =
	"The credentials need s3:GetObject (and kms:Decrypt where the trail is encrypted "
	"with SSE-KMS).";
static const char need_kms[] =
	"The object is encrypted with SSE-KMS: the credentials need kms:Decrypt on the key, "
	"and the key must be enabled.";
static const char no_bucket[] = "There is no bucket of this name: check its spelling and the endpoint.";
static const char no_object[] = "The object was removed since it was listed.";
static const char not_s3[] =
	"This is not how S3 answers: check the endpoint (some servers know signed requests only).";
static const char closed[] = "The account or the bucket is closed to requests: ask its owner.";

/* By code. Those that are RETRY_AT_ONCE name what has to be mended first: clock, region or credentials. */
static const struct {
	const char *code;
	struct error_meaning meaning;
} codes[] = {
	{"NoSuchBucket", {-ENXIO, RETRY_NOT, no_bucket}},
	{"NoSuchKey", {-ENOENT, RETRY_NOT, no_object}},
	{"NoSuchVersion", {-ENOENT, RETRY_NOT, no_object}},
	{"InvalidObjectState",
		{-EACCES, RETRY_NOT,
			"The object is archived in Glacier: restore it first (aws s3api restore-object)."}},
	{"PreconditionFailed", {-ESTALE, RETRY_NOT, changed}},
	{"InvalidRange", {-ESTALE, RETRY_NOT, changed}},
	{"KeyTooLongError", {-ENAMETOOLONG, RETRY_NOT, ""}},
	{"InvalidBucketName", {-EINVAL, RETRY_NOT, no_bucket}},
	{"MethodNotAllowed", {-EOPNOTSUPP, RETRY_NOT, "The server does not offer this: check the endpoint."}},
	{"NotImplemented", {-EOPNOTSUPP, RETRY_NOT, "The server does not offer this: check the endpoint."}},

	{"InvalidAccessKeyId", {-EKEYREJECTED, RETRY_NOT, wrong_keys}},
	{"InvalidClientTokenId", {-EKEYREJECTED, RETRY_NOT, wrong_keys}},
	{"UnrecognizedClientException", {-EKEYREJECTED, RETRY_NOT, wrong_keys}},
	{"SignatureDoesNotMatch",
		{-EKEYREJECTED, RETRY_NOT,
			"The secret key does not belong to the access key (or the server knows no such "
			"access key), or a proxy changed the request."}},
	{"AccountProblem", {-EKEYREJECTED, RETRY_NOT, closed}},
	{"AllAccessDisabled", {-EKEYREJECTED, RETRY_NOT, closed}},
	{"NotSignedUp", {-EKEYREJECTED, RETRY_NOT, closed}},

	{"ExpiredToken", {-EKEYREJECTED, RETRY_AT_ONCE, sign_in}},
	{"ExpiredTokenException", {-EKEYREJECTED, RETRY_AT_ONCE, sign_in}},
	{"TokenRefreshRequired", {-EKEYREJECTED, RETRY_AT_ONCE, sign_in}},
	{"InvalidToken", {-EKEYREJECTED, RETRY_AT_ONCE, sign_in}},
	{"RequestTimeTooSkewed",
		{-EKEYREJECTED, RETRY_AT_ONCE, "This machine's clock differs from the server's: set it."}},
	{"RequestExpired",
		{-EKEYREJECTED, RETRY_AT_ONCE, "This machine's clock differs from the server's: set it."}},
	{"PermanentRedirect", {-EIO, RETRY_AT_ONCE, other_region}},
	{"TemporaryRedirect", {-EIO, RETRY_AT_ONCE, other_region}},
	{"Redirect", {-EIO, RETRY_AT_ONCE, other_region}},
	{"AuthorizationHeaderMalformed", {-EIO, RETRY_AT_ONCE, other_region}},
	{"IllegalLocationConstraintException", {-EIO, RETRY_AT_ONCE, other_region}},

	{"SlowDown", {-EIO, RETRY_THROTTLED, slow_down}},
	{"ServiceUnavailable", {-EIO, RETRY_THROTTLED, slow_down}},
	{"Throttling", {-EIO, RETRY_THROTTLED, slow_down}},
	{"ThrottlingException", {-EIO, RETRY_THROTTLED, slow_down}},
	{"ThrottledException", {-EIO, RETRY_THROTTLED, slow_down}},
	{"RequestThrottled", {-EIO, RETRY_THROTTLED, slow_down}},
	{"RequestThrottledException", {-EIO, RETRY_THROTTLED, slow_down}},
	{"RequestLimitExceeded", {-EIO, RETRY_THROTTLED, slow_down}},
	{"BandwidthLimitExceeded", {-EIO, RETRY_THROTTLED, slow_down}},
	{"LimitExceededException", {-EIO, RETRY_THROTTLED, slow_down}},
	{"TooManyRequests", {-EIO, RETRY_THROTTLED, slow_down}},
	{"TooManyRequestsException", {-EIO, RETRY_THROTTLED, slow_down}},
	{"KMS.ThrottlingException", {-EIO, RETRY_THROTTLED, slow_down}},

	{"InternalError", {-EIO, RETRY_TRANSIENT, server_fault}},
	{"InternalFailure", {-EIO, RETRY_TRANSIENT, server_fault}},
	{"RequestTimeout", {-EIO, RETRY_TRANSIENT, server_fault}},
	{"RequestTimeoutException", {-EIO, RETRY_TRANSIENT, server_fault}},
	{"OperationAborted", {-EIO, RETRY_TRANSIENT, server_fault}},
};

/* By status, where the code is missing or says nothing. */
static const struct {
	int status;
	struct error_meaning meaning;
} statuses[] = {
	{301, {-EIO, RETRY_AT_ONCE, other_region}},
	{302, {-EIO, RETRY_AT_ONCE, other_region}},
	{307, {-EIO, RETRY_AT_ONCE, other_region}},
	{308, {-EIO, RETRY_AT_ONCE, other_region}},
	{401, {-EKEYREJECTED, RETRY_NOT, "The server does not accept the credentials."}},
	{405, {-EOPNOTSUPP, RETRY_NOT, "The server does not offer this: check the endpoint."}},
	{407, {-EKEYREJECTED, RETRY_NOT, "The proxy wants a name and a password: set them in HTTPS_PROXY."}},
	{408, {-EIO, RETRY_TRANSIENT, server_fault}},
	{412, {-ESTALE, RETRY_NOT, changed}},
	{416, {-ESTALE, RETRY_NOT, changed}},
	{429, {-EIO, RETRY_THROTTLED, slow_down}},
	{501, {-EOPNOTSUPP, RETRY_NOT, "The server does not offer this: check the endpoint."}},
	{503, {-EIO, RETRY_THROTTLED, slow_down}},
};

struct parse {
	XML_Parser parser;
	struct error_xml *e;
	unsigned depth, error_depth; /* of the Error element; 0: not in one */
	char *field;                 /* being read */
	size_t cap, len;
	bool is_error, refused;
};

static void refuse(struct parse *p)
{
	p->refused = true;
	XML_StopParser(p->parser, XML_FALSE);
}

/* No error document has one, and entities would be declared in it. */
static void on_doctype(void *arg, const XML_Char *name, const XML_Char *id, const XML_Char *pub, int internal)
{
	(void)name, (void)id, (void)pub, (void)internal;
	refuse(arg);
}

static void begin_field(struct parse *p, const char *name)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		char *field = (char *)p->e + fields[i].at;
		/* The first one counts. */
		if (strcmp(name, fields[i].name) != 0 || *field)
			continue;
		p->field = field;
		p->cap = fields[i].cap;
		p->len = 0;
		return;
	}
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attribute)
{
	struct parse *p = arg;
	const char *local = strrchr(name, ':');

	(void)attribute;
	local = local ? local + 1 : name;
	p->field = NULL;
	p->depth++;
	if (p->depth == 1 && strcmp(local, "Error") != 0 && strcmp(local, "ErrorResponse") != 0) {
		refuse(p);
	} else if (p->depth <= 2 && !p->error_depth && strcmp(local, "Error") == 0) {
		p->error_depth = p->depth;
		p->is_error = true;
	} else if (p->depth == 2 || (p->error_depth && p->depth == p->error_depth + 1)) {
		begin_field(p, local);
	}
}

static void on_end(void *arg, const XML_Char *name)
{
	struct parse *p = arg;

	(void)name;
	p->field = NULL;
	if (p->depth == p->error_depth)
		p->error_depth = 0;
	p->depth--;
}

static bool continues_character(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* The field is full and `next` has no room: it ends between two characters. */
static void end_field(struct parse *p, char next)
{
	if (continues_character(next)) {
		while (p->len && continues_character(p->field[p->len - 1]))
			p->len--;
		if (p->len)
			p->len--;
	}
	p->field[p->len] = '\0';
	p->field = NULL;
}

/* Control characters become spaces: it is all for a log. */
static void on_text(void *arg, const XML_Char *text, int n)
{
	struct parse *p = arg;

	for (int i = 0; p->field && i < n; i++) {
		unsigned char c = (unsigned char)text[i];
		if (p->len + 1 == p->cap)
			end_field(p, text[i]);
		else
			p->field[p->len++] = c < ' ' || c == 0x7f ? ' ' : (char)c;
	}
}

int error_parse(const char *data, size_t len, struct error_xml *ret)
{
	struct parse p = {.e = ret};

	memset(ret, 0, sizeof(*ret));
	if (!data || !len || len > DOCUMENT_MAX)
		return -EBADMSG;
	p.parser = XML_ParserCreate(NULL);
	if (!p.parser)
		return -ENOMEM;
	XML_SetUserData(p.parser, &p);
	XML_SetElementHandler(p.parser, on_start, on_end);
	XML_SetCharacterDataHandler(p.parser, on_text);
	XML_SetStartDoctypeDeclHandler(p.parser, on_doctype);
	enum XML_Status status = XML_Parse(p.parser, data, (int)len, XML_TRUE);
	XML_ParserFree(p.parser);
	if (status == XML_STATUS_OK && !p.refused && p.is_error && *ret->code)
		return 0;
	memset(ret, 0, sizeof(*ret));
	return -EBADMSG;
}

static struct error_meaning denied(const char *message, int listing)
{
	struct error_meaning m = {-EACCES, RETRY_NOT, listing ? need_list : need_get};

	/* S3 passes on what KMS said: "User: ... is not authorized to perform: kms:Decrypt on ...". */
	if (strstr(message, "kms:"))
		m.try_this = need_kms;
	return m;
}

/* By code alone. False where it is none of those known. */
static bool mean_code(const char *code, const char *message, int listing, struct error_meaning *ret)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		if (strcmp(code, codes[i].code) == 0) {
			*ret = codes[i].meaning;
			return true;
		}
	if (strcmp(code, "AccessDenied") == 0 || strcmp(code, "AccessDeniedException") == 0)
		*ret = denied(message, listing);
	else if (strncmp(code, "KMS.", 4) == 0)
		*ret = (struct error_meaning){-EACCES, RETRY_NOT, need_kms};
	else if (strstr(message, "form of Server Side Encryption"))
		*ret = (struct error_meaning){-EACCES, RETRY_NOT,
			"The object is encrypted with a key of the customer's (SSE-C), which is not "
			"supported."};
	else
		return false;
	return true;
}

struct error_meaning error_mean(int status, const char *code, const char *message, int listing)
{
	struct error_meaning m;

	if (mean_code(code, message, listing, &m))
		return m;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++)
		/* A listing cannot be out of date. */
		if (status == statuses[i].status && !(listing && statuses[i].meaning.error == -ESTALE))
			return statuses[i].meaning;
	/* S3 gives every error of a listing or an object a code: without one it may be anybody's page. */
	if (status == 403 && *code)
		return denied(message, listing);
	if (status == 403)
		return (struct error_meaning){-EKEYREJECTED, RETRY_NOT, not_s3};
	if (status == 404 && (listing || *code))
		return (struct error_meaning){
			listing ? -ENXIO : -ENOENT, RETRY_NOT, listing ? no_bucket : no_object};
	/* An error in the body of a 200 is one that struck after the headers had gone. */
	if (status >= 500 || (status >= 200 && status < 300))
		return (struct error_meaning){-EIO, RETRY_TRANSIENT, server_fault};
	return (struct error_meaning){-EIO, RETRY_NOT, status >= 400 && !*code ? not_s3 : ""};
}
