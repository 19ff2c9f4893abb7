/*
 * Bytes of one gzip member (RFC 1952) to its contents, with every length and CRC checked. Bytes after the
 * first member are damage: `aws cloudtrail validate-logs` rejects them, and zcat would show them as if they
 * belonged.
 *
 * Pure functions, thread-safe. Nothing is kept but in a room, which belongs to one thread.
 */
#ifndef RENDER_GUNZIP_H
#define RENDER_GUNZIP_H

#include <stddef.h>
#include <stdint.h>

#define GUNZIP_REASON_MAX 96

/*
 * Inflates src (n bytes) whole. *ret is new (free() it), *ret_len its length; one byte past the end is '\0'.
 * -EBADMSG: damaged, reason[] says how ("ends in the middle", "its CRC is wrong", "bytes after the gzip
 * stream", ...). -EFBIG: more than cap bytes; nothing larger than cap was allocated. -ENOMEM.
 */
int gunzip_whole(
	const void *src, size_t n, size_t cap, char **ret, size_t *ret_len, char reason[GUNZIP_REASON_MAX]);

/* Memory that is used again, so that its pages are fetched from the kernel once. {0} at first; free(p) at the
 * end. */
struct gunzip_room {
	char *p;
	size_t size;
};

/* The same, but what it inflates to is in the room until the next call with it. */
int gunzip_into(struct gunzip_room *room, const void *src, size_t n, size_t cap, size_t *ret_len,
	char reason[GUNZIP_REASON_MAX]);

/*
 * The same in pieces of at most 256 KiB, in constant memory: sink(arg, piece, length) returns 0 to go on, or
 * a negative errno that ends the call and is returned. *ret_len: bytes in all. Errors as above.
 */
int gunzip_pieces(const void *src, size_t n, uint64_t cap, int (*sink)(void *arg, const void *p, size_t n),
	void *arg, uint64_t *ret_len, char reason[GUNZIP_REASON_MAX]);

#endif
