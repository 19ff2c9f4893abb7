/*
 * One gzip member to its contents.
 *
 *   header   1f 8b 08 FLAGS mtime(4) xfl os [extra] [name NUL] [comment NUL] [CRC16 of the header]
 *   deflate  ...
 *   trailer  CRC-32 of the contents(4)  their length mod 2^32(4)      and then nothing
 *
 * Header and trailer are read here, so that both ways of inflating refuse the same files with the same words.
 * libdeflate does the deflate part where it can be done whole; zlib does it in pieces, and says what was
 * wrong where libdeflate only says that something was.
 */
#include "render/gunzip.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define PIECE       ((size_t)256 << 10)
#define INPUT_PIECE ((size_t)1 << 30) /* zlib counts in 32 bits */
#define TRAILER_LEN 8
#define RATIO_MAX   1032 /* deflate: a match of 258 bytes costs at least two bits */

enum {
	FLAG_CRC = 2,
	FLAG_EXTRA = 4,
	FLAG_NAME = 8,
	FLAG_COMMENT = 16,
	FLAGS_RESERVED = 0xe0
};

static int damaged(char reason[GUNZIP_REASON_MAX], const char *why)
{
	snprintf(reason, GUNZIP_REASON_MAX, "%s", why);
	return -EBADMSG;
}

static int too_large(char reason[GUNZIP_REASON_MAX], uint64_t cap)
{
	const uint64_t gib = (uint64_t)1 << 30;

	if (cap && cap % gib == 0)
		snprintf(reason, GUNZIP_REASON_MAX, "inflates to more than %llu GiB",
			(unsigned long long)(cap / gib));
	else
		snprintf(reason, GUNZIP_REASON_MAX, "inflates to more than %llu bytes",
			(unsigned long long)cap);
	return -EFBIG;
}

static uint32_t le16(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t le32(const unsigned char *p)
{
	return le16(p) | le16(p + 2) << 16;
}

/* Moves *pos past a string and its NUL. False where it does not end. */
static bool skip_string(const unsigned char *src, size_t n, size_t *pos)
{
	const unsigned char *nul = memchr(src + *pos, 0, n - *pos);

	if (!nul)
		return false;
	*pos = (size_t)(nul - src) + 1;
	return true;
}

/* Where the deflate part begins. */
static int read_header(const unsigned char *src, size_t n, size_t *ret_pos, char reason[GUNZIP_REASON_MAX])
{
	static const char cut[] = "gzip header ends in the middle";
	size_t pos = 10;

	if (!n)
		return damaged(reason, "empty, not gzip");
	if (src[0] != 0x1f || (n > 1 && src[1] != 0x8b))
		return damaged(reason, "not gzip");
	if (n < pos)
		return damaged(reason, cut);
	unsigned flags = src[3];
	if (src[2] != 8 || flags & FLAGS_RESERVED)
		return damaged(reason, "gzip of an unknown kind");
	if (flags & FLAG_EXTRA) {
		if (n - pos < 2 || n - pos - 2 < le16(src + pos))
			return damaged(reason, cut);
		pos += 2 + le16(src + pos);
	}
	if (flags & FLAG_NAME && !skip_string(src, n, &pos))
		return damaged(reason, cut);
	if (flags & FLAG_COMMENT && !skip_string(src, n, &pos))
		return damaged(reason, cut);
	if (flags & FLAG_CRC) {
		if (n - pos < 2)
			return damaged(reason, cut);
		if ((libdeflate_crc32(0, src, pos) & 0xffff) != le16(src + pos))
			return damaged(reason, "the CRC of its gzip header is wrong");
		pos += 2;
	}
	*ret_pos = pos;
	return 0;
}

/* p: what follows the deflate part. */
static int check_trailer(
	const unsigned char *p, size_t n, uint32_t crc, uint64_t len, char reason[GUNZIP_REASON_MAX])
{
	if (n < TRAILER_LEN)
		return damaged(reason, "gzip stream ends in the middle");
	if (le32(p) != crc)
		return damaged(reason, "its CRC is wrong");
	if (le32(p + 4) != (uint32_t)len)
		return damaged(reason, "its length is wrong");
	if (n > TRAILER_LEN)
		return damaged(reason, "bytes after the gzip stream");
	return 0;
}

/* What the output is measured and given away with. */
struct pieces {
	int (*sink)(void *arg, const void *p, size_t n); /* NULL: only measure */
	void *arg;
	uint64_t cap, len;
	uint32_t crc;
};

static int give(struct pieces *out, const unsigned char *p, size_t n, char reason[GUNZIP_REASON_MAX])
{
	if (n > out->cap - out->len)
		return too_large(reason, out->cap);
	out->len += n;
	out->crc = libdeflate_crc32(out->crc, p, n);
	return n && out->sink ? out->sink(out->arg, p, n) : 0;
}

/* Inflates src to its end of stream. *ret_used: bytes of src that it took. */
static int inflate_pieces(z_stream *z, const unsigned char *src, size_t n, unsigned char *piece,
	struct pieces *out, size_t *ret_used, char reason[GUNZIP_REASON_MAX])
{
	size_t given = 0;

	for (;;) {
		if (!z->avail_in) {
			size_t more = n - given < INPUT_PIECE ? n - given : INPUT_PIECE;
			z->next_in = (unsigned char *)src + given;
			z->avail_in = (uInt)more;
			given += more;
		}
		z->next_out = piece;
		z->avail_out = (uInt)PIECE;
		int zr = inflate(z, Z_NO_FLUSH);
		if (zr == Z_MEM_ERROR)
			return -ENOMEM;
		if (zr != Z_OK && zr != Z_STREAM_END && zr != Z_BUF_ERROR) {
			snprintf(reason, GUNZIP_REASON_MAX, "bad gzip data: %s", z->msg ? z->msg : "unknown");
			return -EBADMSG;
		}
		int r = give(out, piece, PIECE - z->avail_out, reason);
		if (r < 0)
			return r;
		if (zr == Z_STREAM_END)
			break;
		/* A stream that is whole leaves its trailer over. */
		if (!z->avail_in && given == n)
			return damaged(reason, "gzip stream ends in the middle");
	}
	*ret_used = given - z->avail_in;
	return 0;
}

/* Room for n bytes; what was in it is lost. Somewhat more where it was too small before. */
static bool make_room(struct gunzip_room *room, size_t n)
{
	if (n <= room->size)
		return true;
	size_t size = room->size ? n + n / 4 : n;
	free(room->p);
	room->p = malloc(size);
	room->size = room->p ? size : 0;
	return room->p != NULL;
}

/* Inflates what is at most cap bytes. -EAGAIN where zlib has to say what is wrong. */
static int try_whole(struct gunzip_room *room, const unsigned char *src, size_t n, size_t pos, size_t cap,
	size_t *ret_len, char reason[GUNZIP_REASON_MAX])
{
	size_t used, len;
	/* One for each call: it costs 0.1 us of some 4, and leaves no per-thread state to tear down. */
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	int r = -ENOMEM;

	if (!d || !make_room(room, cap + 1))
		goto out;
	r = -EAGAIN;
	if (libdeflate_deflate_decompress_ex(d, src + pos, n - pos, room->p, cap, &used, &len) !=
		LIBDEFLATE_SUCCESS)
		goto out;
	pos += used;
	r = check_trailer(src + pos, n - pos, libdeflate_crc32(0, room->p, len), len, reason);
	if (r < 0)
		goto out;
	room->p[len] = '\0';
	*ret_len = len;
out:
	libdeflate_free_decompressor(d);
	return r;
}

int gunzip_into(struct gunzip_room *room, const void *src, size_t n, size_t cap, size_t *ret_len,
	char reason[GUNZIP_REASON_MAX])
{
	const unsigned char *p = src;
	uint64_t len;
	size_t pos;

	int r = read_header(p, n, &pos, reason);
	if (r < 0)
		return r;
	if (n - pos < TRAILER_LEN)
		return damaged(reason, "gzip stream ends in the middle");
	/* What the file says of its length is not to be trusted: no more than n bytes can inflate to. */
	size_t says = le32(p + n - 4);
	size_t most = n < SIZE_MAX / RATIO_MAX - 1 ? n * RATIO_MAX + 64 : SIZE_MAX - 1;
	if (says > most)
		says = most;
	if (says <= cap) {
		r = try_whole(room, p, n, pos, says, ret_len, reason);
		if (r != -EAGAIN)
			return r;
	}
	/* It said too much or too little, or is damaged. zlib knows which, in constant memory; a length that
	 * it has measured can be trusted. */
	r = gunzip_pieces(src, n, cap, NULL, NULL, &len, reason);
	if (r < 0)
		return r;
	r = try_whole(room, p, n, pos, (size_t)len, ret_len, reason);
	return r == -EAGAIN ? damaged(reason, "bad gzip data") : r;
}

int gunzip_whole(
	const void *src, size_t n, size_t cap, char **ret, size_t *ret_len, char reason[GUNZIP_REASON_MAX])
{
	struct gunzip_room room = {0};
	int r = gunzip_into(&room, src, n, cap, ret_len, reason);

	if (r == 0)
		*ret = room.p;
	else
		free(room.p);
	return r;
}

int gunzip_pieces(const void *src, size_t n, uint64_t cap, int (*sink)(void *arg, const void *p, size_t n),
	void *arg, uint64_t *ret_len, char reason[GUNZIP_REASON_MAX])
{
	const unsigned char *p = src;
	struct pieces out = {.sink = sink, .arg = arg, .cap = cap};
	unsigned char *piece = NULL;
	z_stream z = {0};
	size_t pos, used = 0;

	int r = read_header(p, n, &pos, reason);
	if (r < 0)
		return r;
	if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
		return -ENOMEM;
	piece = malloc(PIECE);
	r = piece ? inflate_pieces(&z, p + pos, n - pos, piece, &out, &used, reason) : -ENOMEM;
	if (r < 0)
		goto out;
	pos += used;
	r = check_trailer(p + pos, n - pos, out.crc, out.len, reason);
	if (r == 0)
		*ret_len = out.len;
out:
	free(piece);
	inflateEnd(&z);
	return r;
}
