/*
 * Any bytes as a gzip file, held against zlib by itself: the same is found good, with the same contents,
 * whole and in pieces. The first byte is a cap of the size, in KiB.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "render/gunzip.h"

#define ROOM (256u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *expected;
static size_t taken;

/* Whether zlib takes it as one member and nothing else. *ret_n: bytes in `expected`, ROOM + 1: too many. */
static bool zlib_inflates(const uint8_t *data, size_t size, size_t *ret_n)
{
	z_stream z = {.next_in = (unsigned char *)data, .avail_in = (unsigned)size};
	int r;

	if (inflateInit2(&z, MAX_WBITS + 16) != Z_OK)
		abort();
	z.next_out = (unsigned char *)expected;
	z.avail_out = ROOM + 1;
	r = inflate(&z, Z_FINISH);
	*ret_n = z.total_out;
	inflateEnd(&z);
	return r == Z_STREAM_END && z.avail_in == 0;
}

/* end: of the file. */
static bool fits_trailer(const uint8_t *end, const char *contents, size_t n)
{
	uint32_t crc, len;

	memcpy(&crc, end - 8, sizeof(crc));
	memcpy(&len, end - 4, sizeof(len));
	return crc == crc32(0, (const unsigned char *)contents, (unsigned)n) && len == n;
}

static int take(void *arg, const void *p, size_t n)
{
	(void)arg;
	if (taken + n > ROOM || memcmp(expected + taken, p, n) != 0)
		abort();
	taken += n;
	return 0;
}

static void must(bool right)
{
	if (!right)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gunzip_room room;
	char reason[GUNZIP_REASON_MAX] = "";
	size_t cap, n, len = 0, len_again = 0;
	uint64_t total = 0;
	char *whole = NULL;
	bool good;
	int r;

	if (!expected && !(expected = malloc(ROOM + 1)))
		return 0;
	if (size == 0)
		return 0;
	cap = (size_t)data[0] << 10;
	data++;
	size--;
	good = zlib_inflates(data, size, &n) && n <= cap;

	r = gunzip_whole(data, size, cap, &whole, &len, reason);
	must(r == 0 || !good);
	must(r == 0 || ((r == -EBADMSG || r == -EFBIG) && !whole && (r == -EFBIG || reason[0])));
	must(r < 0 || (len <= cap && whole[len] == '\0' && fits_trailer(data + size, whole, len)));
	must(!good || (len == n && memcmp(whole, expected, n) == 0));
	must(gunzip_into(&room, data, size, cap, &len_again, reason) == r);
	must(r < 0 || (len_again == len && memcmp(room.p, whole, len) == 0));
	free(whole);

	/* Pieces come before it is known whether what follows is good: they are compared as far as zlib gets.
	 */
	taken = 0;
	if (good)
		must(gunzip_pieces(data, size, cap, take, NULL, &total, reason) == 0 && total == n &&
			taken == n);
	return 0;
}
