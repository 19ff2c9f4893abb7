/*
 * Objects of a listing as bytes, and back.
 */
#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "fs/store/listings_private.h"

#define SECOND 1000000000ll
#define LEVEL  3 /* twice as fast as the usual one, and nearly as small */

/* ---- numbers ---- */

static void put_number(struct buf *b, uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		buf_addc(b, (char)(n | 0x80));
	buf_addc(b, (char)n);
}

/* False: the bytes end. */
static bool take_number(const char **p, const char *end, uint64_t *ret)
{
	uint64_t n = 0;

	for (unsigned shift = 0; *p < end && shift < 64; shift += 7) {
		unsigned char c = (unsigned char)*(*p)++;

		n |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			*ret = n;
			return true;
		}
	}
	return false;
}

static uint64_t zigzag(int64_t n)
{
	return (uint64_t)n << 1 ^ (0 - (uint64_t)(n < 0));
}

static int64_t unzigzag(uint64_t n)
{
	return (int64_t)(n >> 1 ^ (0 - (n & 1)));
}

/* Times may be anything: differences wrap. */
static int64_t minus(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a - (uint64_t)b);
}

/* ---- ETags ---- */

static void put_etag(struct buf *b, const struct etag *e)
{
	buf_addc(b, e->known);
	if (!e->known)
		return;
	buf_add(b, (const char *)e->digest, sizeof(e->digest));
	put_number(b, e->parts);
}

static bool take_etag(const char **p, const char *end, struct etag *ret)
{
	uint64_t parts;

	*ret = (struct etag){0};
	if (*p == end)
		return false;
	ret->known = *(*p)++;
	if (!ret->known)
		return true;
	if (end - *p < (ptrdiff_t)sizeof(ret->digest))
		return false;
	memcpy(ret->digest, *p, sizeof(ret->digest));
	*p += sizeof(ret->digest);
	if (!take_number(p, end, &parts) || parts > UINT16_MAX)
		return false;
	ret->parts = (uint16_t)parts;
	return true;
}

/* ---- objects ---- */

void listings_code(struct listings_coder *c, const struct source_object *o)
{
	size_t len = strlen(o->key), shared = 0;
	bool seconds = o->mtime % SECOND == 0 && c->mtime % SECOND == 0;

	while (shared < c->key_len && c->key[shared] == o->key[shared])
		shared++;
	put_number(&c->raw, shared);
	put_number(&c->raw, len - shared);
	buf_add(&c->raw, o->key + shared, len - shared);
	put_number(&c->raw, o->size);
	buf_addc(&c->raw, seconds);
	put_number(&c->raw, zigzag(seconds ? (o->mtime - c->mtime) / SECOND : minus(o->mtime, c->mtime)));
	buf_add(&c->raw, &o->tag, sizeof(o->tag));
	put_etag(&c->raw, &o->etag);
	memcpy(c->key + shared, o->key + shared, len - shared + 1);
	c->key_len = len;
	c->mtime = o->mtime;
	c->objects++;
}

void listings_coder_restart(struct listings_coder *c)
{
	buf_clear(&c->raw);
	c->objects = 0;
	c->mtime = 0;
	c->key_len = 0;
	c->key[0] = '\0';
}

void listings_cursor_init(struct listings_cursor *c, const char *raw, size_t len, uint32_t objects)
{
	c->p = raw;
	c->end = raw + len;
	c->left = objects;
	c->key_len = 0;
	c->key[0] = '\0';
	c->o = (struct source_object){.key = c->key};
}

static bool take_key(struct listings_cursor *c)
{
	uint64_t shared, more;

	if (!take_number(&c->p, c->end, &shared) || !take_number(&c->p, c->end, &more) ||
		shared > c->key_len || more > SOURCE_KEY_MAX - shared || more > (uint64_t)(c->end - c->p))
		return false;
	memcpy(c->key + shared, c->p, (size_t)more);
	c->p += more;
	c->key_len = (size_t)(shared + more);
	c->key[c->key_len] = '\0';
	return true;
}

static bool take_object(struct listings_cursor *c)
{
	uint64_t time;
	int64_t by;
	char seconds;

	if (!take_key(c) || !take_number(&c->p, c->end, &c->o.size) || c->p == c->end)
		return false;
	seconds = *c->p++;
	if (!take_number(&c->p, c->end, &time) || c->end - c->p < (ptrdiff_t)sizeof(c->o.tag))
		return false;
	by = unzigzag(time);
	if (seconds && __builtin_mul_overflow(by, SECOND, &by))
		return false;
	c->o.mtime = (int64_t)((uint64_t)c->o.mtime + (uint64_t)by);
	memcpy(&c->o.tag, c->p, sizeof(c->o.tag));
	c->p += sizeof(c->o.tag);
	return take_etag(&c->p, c->end, &c->o.etag);
}

int listings_next(struct listings_cursor *c)
{
	if (c->left == 0)
		return 0;
	c->left--;
	return take_object(c) ? 1 : -EBADMSG;
}

int listings_decode(const char *raw, size_t len, uint32_t objects, const char *after, const char *upto,
	const struct source_sink *sink)
{
	struct listings_cursor *c = malloc(sizeof(*c));
	int r = c ? 1 : -ENOMEM;

	if (c)
		listings_cursor_init(c, raw, len, objects);
	while (r > 0 && (r = listings_next(c)) > 0) {
		if ((*after && strcmp(c->key, after) <= 0) || (upto && strcmp(c->key, upto) > 0))
			continue;
		r = sink->object(sink->arg, &c->o);
		if (r != 0)
			break;
		r = 1;
	}
	free(c);
	return r;
}

/* ---- records ---- */

char *listings_pack(struct listings_head *head, const char *prefix, const char *raw, size_t *ret_len)
{
	struct libdeflate_compressor *z = libdeflate_alloc_compressor(LEVEL);
	size_t before = sizeof(*head) + head->prefix_len, bound, len;
	char *data = NULL;

	if (!z)
		return NULL;
	bound = libdeflate_zlib_compress_bound(z, head->raw_len);
	data = calloc(1, before + bound + 8);
	if (data)
		head->data_len =
			(uint32_t)libdeflate_zlib_compress(z, raw, head->raw_len, data + before, bound);
	libdeflate_free_compressor(z);
	if (!data || (head->data_len == 0 && head->raw_len > 0)) {
		free(data);
		return NULL;
	}
	head->raw_hash = XXH3_64bits(raw, head->raw_len);
	head->data_hash = XXH3_64bits(data + before, head->data_len);
	head->hash = listings_head_hash(head, prefix);
	memcpy(data, head, sizeof(*head));
	memcpy(data + sizeof(*head), prefix, head->prefix_len);
	len = before + head->data_len;
	*ret_len = (len + 7) & ~(size_t)7;
	return data;
}
