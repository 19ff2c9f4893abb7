/*
 * Signature Version 4. The canonical request goes into the hash piece by piece; it stands nowhere as text.
 */
#include "s3/sign.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_LEN    8
#define DATE_LEN   16
#define SECRET_MAX 4096

static void write_hex(const unsigned char *p, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = "0123456789abcdef"[p[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[p[i] & 15];
	}
	out[2 * n] = '\0';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* A word of the scope: it may not bring separators of its own. */
static bool is_word(const char *s, size_t cap)
{
	size_t n = s ? strlen(s) : 0;

	return n > 0 && n < cap && strcspn(s, "/, \t\r\n") == n;
}

static bool is_date(const char *s)
{
	if (!s || strlen(s) != DATE_LEN)
		return false;
	for (size_t i = 0; i < DATE_LEN; i++) {
		char want = i == DAY_LEN ? 'T' : i == DATE_LEN - 1 ? 'Z' : '0';
		if (want == '0' ? s[i] < '0' || s[i] > '9' : s[i] != want)
			return false;
	}
	return true;
}

/* A line feed in a value would let it pass for another header. */
static bool is_header(const struct sign_header *h)
{
	if (!h->name || !*h->name || !h->value || strpbrk(h->value, "\r\n"))
		return false;
	for (const char *c = h->name; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == ':' || *c == ';' || *c == ',' || (*c >= 'A' && *c <= 'Z'))
			return false;
	return true;
}

static bool is_request(const struct sign_request *r)
{
	bool host = false;

	if (!r->method || !*r->method || !r->path || r->path[0] != '/' || !r->query || !r->payload_hash ||
		!r->secret || strlen(r->secret) > SECRET_MAX || !is_date(r->date))
		return false;
	if (!is_word(r->access_key, 512) || !is_word(r->region, sizeof((struct sign_key *)0)->region) ||
		!is_word(r->service, sizeof((struct sign_key *)0)->service))
		return false;
	if (strpbrk(r->path, "?\r\n") || strpbrk(r->query, "\r\n") || r->n_headers > SIGN_HEADERS_MAX)
		return false;
	for (size_t i = 0; i < r->n_headers; i++) {
		if (!is_header(&r->header[i]))
			return false;
		host |= strcmp(r->header[i].name, "host") == 0;
	}
	return host;
}

/* By name alone, and stable: values of one name are joined in the order they are sent. */
static void sort_headers(const struct sign_request *r, const struct sign_header *sorted[SIGN_HEADERS_MAX])
{
	for (size_t i = 0; i < r->n_headers; i++) {
		size_t at = i;
		for (; at > 0 && strcmp(sorted[at - 1]->name, r->header[i].name) > 0; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = &r->header[i];
	}
}

static bool add(EVP_MD_CTX *md, const char *s)
{
	return EVP_DigestUpdate(md, s, strlen(s));
}

/* Without blanks at both ends, and runs of them as one space. */
static bool add_squeezed(EVP_MD_CTX *md, const char *s)
{
	bool first = true;

	for (;;) {
		while (is_blank(*s))
			s++;
		if (!*s)
			return true;
		size_t n = strcspn(s, " \t");
		if ((!first && !add(md, " ")) || !EVP_DigestUpdate(md, s, n))
			return false;
		first = false;
		s += n;
	}
}

/* "a;b;c". -ENOSPC. */
static int name_headers(const struct sign_header *const *h, size_t n, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && strcmp(h[i]->name, h[i - 1]->name) == 0)
			continue;
		int add_len = snprintf(out + len, cap - len, "%s%s", len ? ";" : "", h[i]->name);
		if (add_len < 0 || (size_t)add_len >= cap - len)
			return -ENOSPC;
		len += (size_t)add_len;
	}
	return 0;
}

static bool add_headers(EVP_MD_CTX *md, const struct sign_header *const *h, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool again = i > 0 && strcmp(h[i]->name, h[i - 1]->name) == 0;
		bool more = i + 1 < n && strcmp(h[i]->name, h[i + 1]->name) == 0;
		if (again ? !add(md, ",") : !add(md, h[i]->name) || !add(md, ":"))
			return false;
		if (!add_squeezed(md, h[i]->value) || (!more && !add(md, "\n")))
			return false;
	}
	return true;
}

static int hash_request(
	const struct sign_request *r, const struct sign_header *const *h, const char *names, char out[65])
{
	unsigned char hash[SHA256_DIGEST_LENGTH];
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	bool ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL);
	ok = ok && add(md, r->method) && add(md, "\n") && add(md, r->path) && add(md, "\n");
	ok = ok && add(md, r->query) && add(md, "\n") && add_headers(md, h, r->n_headers) && add(md, "\n");
	ok = ok && add(md, names) && add(md, "\n") && add(md, r->payload_hash);
	ok = ok && EVP_DigestFinal_ex(md, hash, NULL);
	EVP_MD_CTX_free(md);
	if (!ok)
		return -ENOMEM;
	write_hex(hash, sizeof(hash), out);
	return 0;
}

static bool hmac(const void *key, size_t key_len, const char *text, unsigned char out[32])
{
	return HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), out, NULL);
}

static int derive(const struct sign_request *r, const char *day, unsigned char out[32])
{
	unsigned char a[32], b[32];
	size_t len = 4 + strlen(r->secret);
	char *first = malloc(len + 1);

	if (!first)
		return -ENOMEM;
	memcpy(first, "AWS4", 4);
	memcpy(first + 4, r->secret, len - 4 + 1);
	bool ok = hmac(first, len, day, a) && hmac(a, 32, r->region, b) && hmac(b, 32, r->service, a) &&
		  hmac(a, 32, "aws4_request", out);
	OPENSSL_cleanse(first, len);
	OPENSSL_cleanse(a, sizeof(a));
	OPENSSL_cleanse(b, sizeof(b));
	free(first);
	return ok ? 0 : -ENOMEM;
}

/* Brings k up to date with the request. */
static int find_key(struct sign_key *k, const struct sign_request *r)
{
	unsigned char secret_hash[32];
	char day[DAY_LEN + 1];

	memcpy(day, r->date, DAY_LEN);
	day[DAY_LEN] = '\0';
	SHA256((const unsigned char *)r->secret, strlen(r->secret), secret_hash);
	if (strcmp(k->day, day) == 0 && strcmp(k->region, r->region) == 0 &&
		strcmp(k->service, r->service) == 0 &&
		CRYPTO_memcmp(k->secret_hash, secret_hash, sizeof(secret_hash)) == 0)
		return 0;
	int error = derive(r, day, k->key);
	if (error) {
		sign_key_clear(k);
		return error;
	}
	memcpy(k->day, day, sizeof(day));
	memcpy(k->region, r->region, strlen(r->region) + 1);
	memcpy(k->service, r->service, strlen(r->service) + 1);
	memcpy(k->secret_hash, secret_hash, sizeof(secret_hash));
	OPENSSL_cleanse(secret_hash, sizeof(secret_hash));
	return 0;
}

void sign_key_clear(struct sign_key *k)
{
	OPENSSL_cleanse(k, sizeof(*k));
}

int sign_authorization(struct sign_key *k, const struct sign_request *r, char *out, size_t cap)
{
	const struct sign_header *sorted[SIGN_HEADERS_MAX];
	unsigned char mac[32];
	char names[1024], hash[65], signature[65], to_sign[256];

	if (!is_request(r))
		return -EINVAL;
	sort_headers(r, sorted);
	int error = name_headers(sorted, r->n_headers, names, sizeof(names));
	if (!error)
		error = hash_request(r, sorted, names, hash);
	if (!error)
		error = find_key(k, r);
	if (error)
		return error;
	snprintf(to_sign, sizeof(to_sign), "AWS4-HMAC-SHA256\n%s\n%s/%s/%s/aws4_request\n%s", r->date, k->day,
		k->region, k->service, hash);
	if (!hmac(k->key, sizeof(k->key), to_sign, mac))
		return -ENOMEM;
	write_hex(mac, sizeof(mac), signature);
	int n = snprintf(out, cap,
		"AWS4-HMAC-SHA256 Credential=%s/%s/%s/%s/aws4_request,SignedHeaders=%s,Signature=%s",
		r->access_key, k->day, k->region, k->service, names, signature);
	return n < 0 || (size_t)n >= cap ? -ENOSPC : n;
}

void sign_date(int64_t time, char out[17])
{
	/* The form has room for four digits of a year. */
	time_t t = time < 0 ? 0 : time > 253402300799 ? 253402300799 : (time_t)time;
	struct tm tm = {0};

	gmtime_r(&t, &tm);
	strftime(out, DATE_LEN + 1, "%Y%m%dT%H%M%SZ", &tm);
}

int sign_encode(const char *text, size_t len, int keep_slash, char *out, size_t cap)
{
	size_t o = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			     c == '-' || c == '.' || c == '_' || c == '~' || (c == '/' && keep_slash);
		if (o + (plain ? 1 : 3) >= cap)
			return -ENOSPC;
		if (plain) {
			out[o++] = (char)c;
			continue;
		}
		out[o++] = '%';
		out[o++] = "0123456789ABCDEF"[c >> 4];
		out[o++] = "0123456789ABCDEF"[c & 15];
	}
	if (o >= cap)
		return -ENOSPC;
	out[o] = '\0';
	return (int)o;
}

void sign_sha256_hex(const void *p, size_t n, char out[65])
{
	unsigned char hash[SHA256_DIGEST_LENGTH];

	SHA256(p, n, hash);
	write_hex(hash, sizeof(hash), out);
}
