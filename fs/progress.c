/*
 * Progress as text.
 */
#include "fs/progress.h"

#include <stdio.h>

#define BYTES_MAX 32

static const char *bytes_text(uint64_t bytes, char out[BYTES_MAX])
{
	static const char *const unit[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};
	double value = (double)bytes;
	unsigned i = 0;
	for (; value >= 999.5 && i < 5; i++)
		value /= 1000;
	snprintf(out, BYTES_MAX, "%.*f %s", i == 0 || value >= 99.5 ? 0 : 1, value, unit[i]);
	return out;
}

static uint64_t objects_done(const struct catalog_counts *c)
{
	return c->objects > c->waiting ? c->objects - c->waiting : 0;
}

void progress_note(const struct catalog_counts *now, const char *mountpoint, char out[PROGRESS_MAX])
{
	char bytes[BYTES_MAX];
	uint64_t left = now->bytes_total > now->bytes_done ? now->bytes_total - now->bytes_done : 0;
	snprintf(out, PROGRESS_MAX, "%llu objects (%s) to index; to watch: cat %s/.trailfs/status",
		(unsigned long long)now->waiting, bytes_text(left, bytes), mountpoint);
}

void progress_line(const struct catalog_counts *first, const struct catalog_counts *now, double seconds,
	char out[PROGRESS_MAX])
{
	char done[BYTES_MAX], total[BYTES_MAX];
	if (!now->listed) {
		snprintf(out, PROGRESS_MAX, "listing: %llu objects so far", (unsigned long long)now->objects);
		return;
	}
	uint64_t since =
		objects_done(now) > objects_done(first) ? objects_done(now) - objects_done(first) : 0;
	double rate = seconds > 0 ? (double)since / seconds : 0;
	int n = snprintf(out, PROGRESS_MAX, "indexing: %llu of %llu objects, %s of %s, %llu events",
		(unsigned long long)objects_done(now), (unsigned long long)now->objects,
		bytes_text(now->bytes_done, done), bytes_text(now->bytes_total, total),
		(unsigned long long)now->rows);
	if (n < 0 || n >= PROGRESS_MAX || rate < 0.5)
		return;
	double left = (double)now->waiting / rate;
	unsigned long long s = left < 1e9 ? (unsigned long long)(left + 0.5) : 1000000000ull;
	snprintf(out + n, (size_t)(PROGRESS_MAX - n), ", %.0f objects/s, %llu:%02llu left", rate, s / 60,
		s % 60);
}
