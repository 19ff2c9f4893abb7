/*
 * An object's bytes, in as many answers as it takes. Each must be of the object that the first was of (its
 * ETag), lie where it was asked for, and say the length that the listing said. Where the ETag is the MD5 of
 * the whole, what came is held against it.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/request.h"

#define ERROR_BYTES (64u << 10) /* for an error document in the place of a small object */
#define STRANGE_MAX 2 /* answers that do not fit, after which it is not the transfer but the object */
#define MD5_LEN     16
#define MD5_MAX     (16u << 20) /* bytes that are summed on the thread on which all else waits */
#define ODD_MAX     8 /* objects whose ETag looks like an MD5 and is none, after which none is looked at */

struct get {
	struct request request;
	uint64_t size;        /* of the object, as listed */
	uint64_t first, want; /* what was asked for */
	uint64_t have;
	unsigned strange;
	bool bound;     /* to the ETag that the caller gave */
	bool encrypted; /* with a key of KMS: the ETag says nothing of the bytes */
	bool differed;  /* the bytes that came before, from the ETag: */
	unsigned char md5[MD5_LEN];
	char *data;     /* NULL as long as have is 0 */
	char etag[160]; /* without quotes, "" as long as it is not known */
	s3_got *got;
	void *arg;
	char key[];
};

/* ---- what an answer says of itself ---- */

static void strip_quotes(char *out, size_t cap, const char *etag)
{
	size_t n = strlen(etag);

	if (n >= 2 && etag[0] == '"' && etag[n - 1] == '"') {
		etag++;
		n -= 2;
	}
	snprintf(out, cap, "%.*s", (int)n, etag);
}

/* Digits; moves past them. False: none, or too many. */
static bool read_number(const char **p, uint64_t *ret)
{
	size_t n = strspn(*p, "0123456789");
	uint64_t value = 0;

	if (n == 0 || n > 18)
		return false;
	for (size_t i = 0; i < n; i++)
		value = value * 10 + (uint64_t)((*p)[i] - '0');
	*p += n;
	*ret = value;
	return true;
}

/* "bytes FIRST-LAST/SIZE" (RFC 9110, 14.4). */
static bool read_content_range(const char *p, uint64_t *ret_first, uint64_t *ret_last, uint64_t *ret_size)
{
	static const char unit[] = "bytes ";

	if (strncmp(p, unit, sizeof(unit) - 1) != 0)
		return false;
	p += sizeof(unit) - 1;
	return read_number(&p, ret_first) && *p++ == '-' && read_number(&p, ret_last) && *p++ == '/' &&
	       read_number(&p, ret_size) && *p == '\0' && *ret_first <= *ret_last && *ret_last < *ret_size;
}

/* Whether the answer is of the same object as all before; the first one decides. */
static bool same_object(struct get *g, const struct http_answer *a)
{
	char etag[sizeof(g->etag)];

	strip_quotes(etag, sizeof(etag), a->etag);
	if (!etag[0])
		return g->have == 0 && !g->etag[0];
	if (g->etag[0])
		return strcmp(etag, g->etag) == 0;
	memcpy(g->etag, etag, sizeof(etag));
	if (strncmp(etag, "W/", 2) != 0)
		snprintf(g->request.if_match, sizeof(g->request.if_match), "\"%s\"", etag);
	return true;
}

/* ---- keeping what came ---- */

static int keep(struct get *g, const char *data, uint64_t len)
{
	if (len > g->want - g->have)
		return -EBADMSG;
	if (!g->data) {
		g->data = malloc(g->want + 1);
		if (!g->data)
			return -ENOMEM;
	}
	if (len > 0)
		memcpy(g->data + g->have, data, len);
	g->have += len;
	g->data[g->have] = '\0';
	return 0;
}

/* What is still to be asked for. */
static void ask_for_rest(struct get *g)
{
	bool resume = g->have > 0 && g->request.if_match[0];

	if (!resume) {
		free(g->data);
		g->data = NULL;
		g->have = 0;
	}
	if (!resume && g->first == 0 && g->want == g->size) {
		g->request.n = 0;
		return;
	}
	g->request.first = g->first + g->have;
	g->request.n = g->want - g->have;
}

/* Forgets what came, to ask for all of it again; or error, when that was done before. */
static int start_over(struct get *g, int error)
{
	if (g->strange++ >= STRANGE_MAX)
		return error;
	g->have = 0;
	if (!g->bound)
		g->etag[0] = g->request.if_match[0] = '\0';
	ask_for_rest(g);
	return -EAGAIN;
}

/* ---- whether it is what was stored ---- */

static bool etag_is_md5(const struct get *g)
{
	return strlen(g->etag) == 2 * MD5_LEN && strspn(g->etag, "0123456789abcdef") == 2 * MD5_LEN;
}

static bool is_etag(const struct get *g, const unsigned char md5[MD5_LEN])
{
	char hex[2 * MD5_LEN + 1];

	for (int i = 0; i < MD5_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", md5[i]);
	return strcmp(hex, g->etag) == 0;
}

/* Whether this service's ETags are worth a look; odd: here is one more that is not what it looks like. */
static bool etags_count(struct s3 *s, bool odd)
{
	bool count;

	pthread_mutex_lock(&s->lock);
	s->odd_etags += odd;
	count = s->odd_etags < ODD_MAX;
	pthread_mutex_unlock(&s->lock);
	return count;
}

/* All is there. 0, also where nothing tells; -EAGAIN: something happened to it on its way. What comes twice
 * as the same bytes is what is stored, whatever the ETag is made of. */
static int verify(struct get *g)
{
	unsigned char md5[MD5_LEN];
	bool same;

	if (g->want != g->size || g->want == 0 || g->want > MD5_MAX || g->encrypted || !etag_is_md5(g) ||
		!etags_count(g->request.s, false) ||
		!EVP_Digest(g->data, g->want, md5, NULL, EVP_md5(), NULL) || is_etag(g, md5))
		return 0;
	same = g->differed && memcmp(md5, g->md5, MD5_LEN) == 0;
	g->differed = true;
	memcpy(g->md5, md5, MD5_LEN);
	if (same) {
		etags_count(g->request.s, true);
		return 0;
	}
	request_fail(&g->request, -EBADMSG, "the bytes that came are not those of its ETag");
	return start_over(g, -EBADMSG);
}

/* ---- taking it ---- */

/* A part: where it lies is in the answer, and must be where it was asked for. */
static int take_part(struct get *g, const struct http_answer *a)
{
	uint64_t first, last, size;

	if (!g->request.n || !read_content_range(a->content_range, &first, &last, &size) ||
		first != g->request.first || last > g->request.first + g->request.n - 1) {
		request_fail(&g->request, -EBADMSG, "the answer is not the part that was asked for");
		return -EBADMSG;
	}
	if (size != g->size)
		return -ESTALE;
	return keep(g, a->data, a->len < last - first + 1 ? a->len : last - first + 1);
}

/* The whole object, asked for or not. */
static int take_whole(struct get *g, struct http_answer *a)
{
	uint64_t from = g->request.n ? g->request.first : 0;

	if (a->content_length != UINT64_MAX ? a->content_length != g->size : !a->error && a->len != g->size)
		return -ESTALE;
	if (a->len > g->size)
		return -ESTALE;
	if (!g->data && from == 0 && g->want == g->size && a->len == g->size && a->data) {
		g->data = a->data;
		a->data = NULL;
		g->have = g->size;
		return 0;
	}
	if (a->len <= from)
		return 0;
	uint64_t len = a->len - from, left = g->want - g->have;
	return keep(g, a->data + from, len < left ? len : left);
}

static int take_any(struct request *r, struct http_answer *a, uint64_t *ret_bytes)
{
	struct get *g = (struct get *)r;
	uint64_t before = g->have;
	int error;

	/* More than there is, or a service that sends all where a part was asked for. */
	if (a->error == -EFBIG)
		return start_over(g, r->n ? -EIO : -ESTALE);
	if (!same_object(g, a))
		return -ESTALE;
	g->encrypted = g->encrypted || strncmp(a->encryption, "aws:kms", 7) == 0;
	error = a->status == 206 ? take_part(g, a) : take_whole(g, a);
	if (error == -ESTALE || error == -EBADMSG)
		return start_over(g, error);
	if (error < 0)
		return error;
	*ret_bytes = g->have - before;
	if (g->have == g->want)
		return verify(g);
	ask_for_rest(g);
	return -EAGAIN;
}

static int take(struct request *r, struct http_answer *a, uint64_t *ret_bytes)
{
	int error = take_any(r, a, ret_bytes);

	if (error == -ESTALE)
		request_fail(r, error, "it is another object than the one that was listed");
	else if (error == -EIO)
		request_fail(r, error, "more comes than the part that was asked for");
	return error;
}

/* There is no such part, it says, of what there was a part before. */
static bool changed(struct request *r, int status)
{
	struct get *g = (struct get *)r;

	return status == 416 && g->have > 0 && start_over(g, -ESTALE) == -EAGAIN;
}

/* ---- beginning and end ---- */

static void end(struct request *r)
{
	struct get *g = (struct get *)r;
	struct s3_result *result = &r->result;
	char *data = NULL;

	snprintf(result->etag, sizeof(result->etag), "%s", g->etag);
	if (result->error == 0) {
		data = g->data ? g->data : calloc(1, 1);
		g->data = NULL;
		if (!data)
			request_fail(r, -ENOMEM, "no memory");
	}
	g->got(g->arg, result, data, result->error ? 0 : (size_t)g->want);
	free(g->data);
	free(g);
}

static void got_nothing(s3_got *got, void *arg, int error)
{
	struct s3_result result = {.error = error};

	snprintf(result.message, sizeof(result.message), "%s", error ? strerror(-error) : "");
	got(arg, &result, error ? NULL : calloc(1, 1), 0);
}

void s3_get(struct s3 *s, const char *key, uint64_t size, const char *etag, uint64_t first, uint64_t n,
	s3_got *got, void *arg)
{
	uint64_t left = first < size ? size - first : 0, want = n == 0 || n > left ? left : n;
	size_t len = strlen(key);
	struct get *g = NULL;

	if (n > 0 && want == 0) {
		got_nothing(got, arg, 0);
		return;
	}
	if (want < SIZE_MAX)
		g = calloc(1, sizeof(*g) + len + 1);
	if (!g) {
		got_nothing(got, arg, -ENOMEM);
		return;
	}
	memcpy(g->key, key, len + 1);
	g->size = size;
	g->first = first;
	g->want = want;
	g->got = got;
	g->arg = arg;
	if (etag) {
		strip_quotes(g->etag, sizeof(g->etag), etag);
		snprintf(g->request.if_match, sizeof(g->request.if_match), "\"%s\"", g->etag);
	}
	g->request.s = s;
	g->request.key = g->key;
	g->request.query = "";
	g->request.max_bytes = want > ERROR_BYTES ? want : ERROR_BYTES;
	g->bound = etag != NULL;
	g->request.take = take;
	g->request.changed = changed;
	g->request.end = end;
	ask_for_rest(g);
	request_send(&g->request);
}
