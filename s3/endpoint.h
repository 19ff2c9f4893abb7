/*
 * Which host a request goes to, and how the bucket is said: as part of the host or of the path
 * (docs.aws.amazon.com, "Virtual hosting of general purpose buckets").
 *
 * Pure.
 */
#ifndef S3_ENDPOINT_H
#define S3_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

struct endpoint_options {
	const char *bucket, *region;
	const char *url; /* custom endpoint, or NULL: AWS's */
	bool path_style, dualstack, fips;
	bool virtual_host; /* of a custom endpoint too: addressing_style = virtual */
};

struct endpoint {
	char scheme[8];   /* http, https */
	char host[320];   /* as in the Host header: with :port when not the scheme's own */
	char prefix[320]; /* path before the key: "" or "/bucket" (and a custom endpoint's own path), never
			     ends in '/' */
};

/* -EINVAL: a URL, bucket or region that cannot be; reason (room for 160) says why. Access-point aliases
 * (…-s3alias) are buckets. A dotted bucket over https goes into the path: AWS's certificate does not cover
 * it. Custom endpoints: the path, as in the AWS command line, unless virtual_host and the host is a name. */
int endpoint_make(const struct endpoint_options *o, struct endpoint *ret, char reason[160]);

/* Whether a redirect's host may be followed with credentials: the same custom endpoint, or a host of AWS's S3
 * for this bucket. */
bool endpoint_trusts(const struct endpoint *e, const char *bucket, const char *host, bool custom);

#endif
