/*
 * Hosts of S3, and the two styles of saying the bucket.
 */
#include "s3/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define REASON_MAX   160
#define BUCKET_MAX   255 /* of the old ones of us-east-1 */
#define LABEL_MAX    63
/* Of a custom endpoint: the bucket still has to fit in. */
#define HOST_MAX     256
#define PATH_MAX_LEN 60

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* AWS is several clouds; a region's name says which it is in. The last row is for all others. */
static const struct partition {
	const char *region; /* how its regions begin */
	const char *domain;
	bool dualstack, fips;
} partitions[] = {
	{"cn-", "amazonaws.com.cn", true, false},
	{"us-iso-", "c2s.ic.gov", false, true},
	{"us-isob-", "sc2s.sgov.gov", false, true},
	{"us-isof-", "csp.hci.ic.gov", false, true},
	{"eu-isoe-", "cloud.adc-e.uk", false, true},
	{"eusc-", "amazonaws.eu", true, true},
	{"", "amazonaws.com", true, true},
};

/* What looks like a bucket and is spoken to in another way. */
static const struct {
	const char *end, *what;
} foreign[] = {
	{"--x-s3", "a directory bucket (S3 Express)"},
	{"--xa-s3", "a directory bucket (S3 Express)"},
	{"--op-s3", "a bucket on Outposts"},
	{"--ol-s3", "an Object Lambda access point"},
	{".mrap", "a multi-region access point"},
};

static bool all_of(const char *s, size_t n, const char *set)
{
	for (size_t i = 0; i < n; i++)
		if (!s[i] || !strchr(set, s[i]))
			return false;
	return true;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static bool is_ipv4(const char *s)
{
	struct in_addr a;

	return inet_pton(AF_INET, s, &a) == 1;
}

/* Fit to be labels of a host name (docs.aws.amazon.com, "Bucket naming rules"). */
static bool fits_host(const char *bucket)
{
	size_t n = strlen(bucket);

	if (n < 3 || n > LABEL_MAX || !all_of(bucket, n, LOWER DIGITS "-.") || is_ipv4(bucket))
		return false;
	for (const char *label = bucket;; label += n + 1) {
		n = strcspn(label, ".");
		if (!n || label[0] == '-' || label[n - 1] == '-')
			return false;
		if (!label[n])
			return true;
	}
}

static int check_bucket(const char *bucket, char *reason)
{
	size_t n = bucket ? strlen(bucket) : 0;

	if (n > 4 && strncmp(bucket, "arn:", 4) == 0) {
		snprintf(reason, REASON_MAX, "ARNs are not supported: use the access point's alias");
		return -EINVAL;
	}
	if (n < 1 || n > BUCKET_MAX || !all_of(bucket, n, LOWER UPPER DIGITS "-._") ||
		strcmp(bucket, ".") == 0 || strcmp(bucket, "..") == 0) {
		snprintf(reason, REASON_MAX, "that is not the name of a bucket");
		return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
		if (ends_with(bucket, foreign[i].end)) {
			snprintf(reason, REASON_MAX, "%s is not supported", foreign[i].what);
			return -EINVAL;
		}
	return 0;
}

static bool is_region(const char *s, size_t n)
{
	return n > 0 && n <= LABEL_MAX && all_of(s, n, LOWER DIGITS "-") && s[0] != '-' && s[n - 1] != '-';
}

static int aws_host(const struct endpoint_options *o, struct endpoint *e, char *reason)
{
	const struct partition *p = partitions;

	if (!o->region || !is_region(o->region, strlen(o->region))) {
		snprintf(reason, REASON_MAX, "region '%.64s': that is not one", o->region ? o->region : "");
		return -EINVAL;
	}
	while (strncmp(o->region, p->region, strlen(p->region)) != 0)
		p++;
	if ((o->dualstack && !p->dualstack) || (o->fips && !p->fips)) {
		snprintf(reason, REASON_MAX, "region %.64s has no %s endpoints of S3", o->region,
			o->fips && !p->fips ? "FIPS" : "dual-stack");
		return -EINVAL;
	}
	snprintf(e->scheme, sizeof(e->scheme), "https");
	snprintf(e->host, sizeof(e->host), "s3%s%s.%s.%s", o->fips ? "-fips" : "",
		o->dualstack ? ".dualstack" : "", o->region, p->domain);
	return 0;
}

/* "host" or "host:port" or "[v6]:port", n bytes: without the scheme's own port, in lower case. */
static bool read_authority(const char *s, size_t n, struct endpoint *e)
{
	const char *own = strcmp(e->scheme, "https") == 0 ? "443" : "80";
	size_t len = 0;

	if (n && s[0] == '[') {
		struct in6_addr a;
		char text[INET6_ADDRSTRLEN];
		const char *end = memchr(s, ']', n);
		size_t text_len = end ? (size_t)(end - s) - 1 : 0;
		if (!text_len || text_len >= sizeof(text))
			return false;
		memcpy(text, s + 1, text_len);
		text[text_len] = '\0';
		if (inet_pton(AF_INET6, text, &a) != 1)
			return false;
		len = text_len + 2;
	} else {
		while (len < n && s[len] != ':')
			len++;
		if (!len || len > 253 || !all_of(s, len, LOWER UPPER DIGITS "-._") || s[0] == '.')
			return false;
	}
	const char *port = s + len + 1;
	size_t port_len = len < n ? n - len - 1 : 0;
	if (len < n && (s[len] != ':' || port_len < 1 || port_len > 5 || !all_of(port, port_len, DIGITS)))
		return false;
	long number = port_len ? strtol(port, NULL, 10) : 1;
	if (number < 1 || number > 65535)
		return false;
	if (port_len == strlen(own) && strncmp(port, own, port_len) == 0)
		n = len;
	for (size_t i = 0; i < n; i++)
		e->host[i] = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] - 'A' + 'a') : s[i];
	e->host[n] = '\0';
	return true;
}

/* scheme://host[:port][/path] */
static int custom_host(const char *url, struct endpoint *e, char *reason)
{
	const char *p = strstr(url, "://");
	size_t scheme = p ? (size_t)(p - url) : 0;

	if (scheme == 4 && strncasecmp(url, "http", 4) == 0)
		snprintf(e->scheme, sizeof(e->scheme), "http");
	else if (scheme == 5 && strncasecmp(url, "https", 5) == 0)
		snprintf(e->scheme, sizeof(e->scheme), "https");
	else {
		snprintf(reason, REASON_MAX, "the endpoint must begin with https:// or http://");
		return -EINVAL;
	}
	p += 3;
	size_t authority = strcspn(p, "/?#"), path = strlen(p + authority);
	if (memchr(p, '@', authority)) {
		snprintf(reason, REASON_MAX, "the endpoint may not hold a name or password");
		return -EINVAL;
	}
	while (path > 0 && p[authority + path - 1] == '/')
		path--;
	if (path > PATH_MAX_LEN) {
		snprintf(reason, REASON_MAX, "the endpoint's path is too long");
		return -EINVAL;
	}
	if (authority > HOST_MAX || !read_authority(p, authority, e) ||
		!all_of(p + authority, path, LOWER UPPER DIGITS "-._~/%")) {
		snprintf(reason, REASON_MAX, "the endpoint must be https://HOST[:PORT][/PATH]");
		return -EINVAL;
	}
	memcpy(e->prefix, p + authority, path);
	e->prefix[path] = '\0';
	return 0;
}

static bool is_custom(const struct endpoint_options *o)
{
	return o->url && *o->url;
}

static bool is_address(const char *host)
{
	char name[320];
	size_t n = strcspn(host, ":");

	if (host[0] == '[')
		return true;
	memcpy(name, host, n);
	name[n] = '\0';
	return is_ipv4(name);
}

static bool wants_path(const struct endpoint_options *o, const struct endpoint *e)
{
	if (o->path_style || !fits_host(o->bucket))
		return true;
	if (is_custom(o) && (!o->virtual_host || is_address(e->host)))
		return true;
	return strchr(o->bucket, '.') && strcmp(e->scheme, "https") == 0;
}

static int add_bucket(const struct endpoint_options *o, struct endpoint *e, char *reason)
{
	bool path = wants_path(o, e);
	size_t used = strlen(path ? e->prefix : e->host), n = strlen(o->bucket);
	/* cppcheck-suppress duplicateValueTernary; they need not be equally long */
	size_t cap = path ? sizeof(e->prefix) : sizeof(e->host);

	if (used + n + 2 > cap) {
		snprintf(reason, REASON_MAX, "the endpoint is too long");
		return -EINVAL;
	}
	if (path) {
		e->prefix[used] = '/';
		memcpy(e->prefix + used + 1, o->bucket, n + 1);
	} else {
		memmove(e->host + n + 1, e->host, used + 1);
		memcpy(e->host, o->bucket, n);
		e->host[n] = '.';
	}
	return 0;
}

int endpoint_make(const struct endpoint_options *o, struct endpoint *ret, char reason[160])
{
	struct endpoint e = {0};
	int error = check_bucket(o->bucket, reason);

	if (!error)
		error = is_custom(o) ? custom_host(o->url, &e, reason) : aws_host(o, &e, reason);
	if (!error)
		error = add_bucket(o, &e, reason);
	if (!error)
		*ret = e;
	return error;
}

/* "s3.REGION.DOMAIN" in its spellings, old ones too: s3-REGION, s3-fips, .dualstack, s3.DOMAIN; of the cloud
 * that `like` is in. */
static bool is_aws_host(const char *host, const char *like)
{
	const char *domain = NULL;

	for (size_t i = 0; i < sizeof(partitions) / sizeof(*partitions) && !domain; i++)
		if (ends_with(like, partitions[i].domain))
			domain = partitions[i].domain;
	if (!domain || !ends_with(host, domain) || strncmp(host, "s3", 2) != 0)
		return false;
	const char *p = host + 2, *end = host + strlen(host) - strlen(domain);
	if (end - p < 1 || end[-1] != '.')
		return false;
	if (p + 1 == end)
		return true;
	if (strncmp(p, "-fips.", 6) == 0)
		p += 5;
	if (strncmp(p, ".dualstack.", 11) == 0)
		p += 10;
	/* Between '.' or '-' and '.': the region; a label that begins as regions do, not s3-website-... */
	if (p >= end || (*p != '.' && *p != '-') || end - p < 3)
		return false;
	size_t n = (size_t)(end - p) - 2, first = strcspn(p + 1, "-.");
	return is_region(p + 1, n) && first >= 2 && first <= 4 && p[1 + first] == '-';
}

bool endpoint_trusts(const struct endpoint *e, const char *bucket, const char *host, bool custom)
{
	char name[sizeof(e->host)];
	size_t n = strlen(host), b = strlen(bucket);

	if (n >= sizeof(name))
		return false;
	for (size_t i = 0; i <= n; i++)
		name[i] = host[i] >= 'A' && host[i] <= 'Z' ? (char)(host[i] - 'A' + 'a') : host[i];
	if (custom)
		return strcmp(name, e->host) == 0;
	if (n > 4 && strcmp(name + n - 4, ":443") == 0)
		name[n - 4] = '\0';
	if (strncmp(name, bucket, b) == 0 && name[b] == '.' && is_aws_host(name + b + 1, e->host))
		return true;
	return is_aws_host(name, e->host);
}
