/*
 * What segments are made of, summed over files: one line,
 *   events N columns BYTES dictionaries BYTES other BYTES
 *
 *   bench_segments FILE...
 */
#include <stdio.h>
#include <stdlib.h>

#include "fs/store/segment.h"
#include "fs/store/segment_format.h"

struct sums {
	uint64_t events, columns, dictionaries, all;
};

static int add(const char *path, struct sums *sum)
{
	struct segment_header h;
	struct segment *checked;
	const char *reason = "cannot be opened";
	FILE *f = fopen(path, "rb");
	int ok = f && fread(&h, sizeof(h), 1, f) == 1;

	if (f)
		fclose(f);
	if (!ok || segment_open(path, &checked, &reason)) {
		fprintf(stderr, "bench_segments: %s: %s\n", path, reason);
		return -1;
	}
	segment_unref(checked);
	for (int i = SECTION_SECOND; i <= SECTION_ID_TEXT; i++)
		sum->columns += segment_fill(h.section[i].length);
	for (int i = SECTION_VALUE_START; i < SECTION_COUNT; i++)
		sum->dictionaries += segment_fill(h.section[i].length);
	sum->events += h.rows;
	sum->all += h.length;
	return 0;
}

int main(int argc, char **argv)
{
	struct sums sum = {0};

	for (int i = 1; i < argc; i++) {
		if (add(argv[i], &sum))
			return 1;
	}
	printf("events %llu columns %llu dictionaries %llu other %llu\n", (unsigned long long)sum.events,
		(unsigned long long)sum.columns, (unsigned long long)sum.dictionaries,
		(unsigned long long)(sum.all - sum.columns - sum.dictionaries));
	return argc > 1 ? 0 : 1;
}
