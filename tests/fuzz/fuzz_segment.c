/*
 * A segment file of any bytes, its checksums made good: it is refused, or no accessor leaves it.
 */
#include <stdlib.h>
#include <string.h>

#include "fs/store/segment_format.h"
#include "tests/walk_segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void release(void *data, size_t len)
{
	(void)len;
	free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct segment *s;
	const char *reason;
	char *copy = malloc(size ? size : 1);
	if (!copy)
		return 0;
	memcpy(copy, data, size);
	segment_seal(copy, size);
	if (segment_open_memory(copy, size, release, &s, &reason) < 0) {
		free(copy);
		return 0;
	}
	walk_segment(s);
	segment_unref(s);
	return 0;
}
