/*
 * AWS Signature Version 4 (docs.aws.amazon.com, "Signature Version 4 for API requests"; S3's exceptions:
 * "Authenticating Requests: Using the Authorization Header"). The path is signed as it is sent, each byte of
 * the key encoded once; no dot segments are removed.
 *
 * Pure; time is an argument. A struct sign_key caches the derived key and belongs to one thread (or: caller
 * locks).
 */
#ifndef S3_SIGN_H
#define S3_SIGN_H

#include <stddef.h>
#include <stdint.h>

#define SIGN_EMPTY_HASH  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SIGN_HEADERS_MAX 24

struct sign_header {
	const char *name, *value; /* name in lower case */
};

/* The last key derived: valid for one secret, day, region and service. Zero it to begin; sign_key_clear()
 * wipes it. */
struct sign_key {
	unsigned char key[32];
	char day[9], region[64], service[16];
	unsigned char secret_hash[32];
};
void sign_key_clear(struct sign_key *k);

struct sign_request {
	const char *method;
	const char *path;  /* encoded, as sent, begins with '/' */
	const char *query; /* encoded, sorted, as sent, without '?'; "" */
	const struct sign_header
		*header; /* what is signed: host, x-amz-date, every x-amz-*, range, if-match ...; any order */
	size_t n_headers;
	const char *payload_hash; /* hex */
	const char *access_key, *secret, *region, *service;
	const char *date; /* YYYYMMDDThhmmssZ */
};

/* Writes the value of the Authorization header to out. Its length, or -EINVAL, -ENOSPC (out is too small; 512
 * + signed names are enough), -ENOMEM. */
int sign_authorization(struct sign_key *k, const struct sign_request *r, char *out, size_t cap);

/* YYYYMMDDThhmmssZ of seconds since 1970. */
void sign_date(int64_t time, char out[17]);

/* Percent-encodes; '/' stays when keep_slash. Returns the length, or -ENOSPC. */
int sign_encode(const char *text, size_t len, int keep_slash, char *out, size_t cap);

/* SHA-256 as 64 hex digits and a NUL. */
void sign_sha256_hex(const void *p, size_t n, char out[65]);

#endif
