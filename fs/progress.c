/*
 * Progress as text.
 */
#include "fs/progress.h"

#include <stdio.h>
#include <string.h>

#define BYTES_MAX  32
#define SOURCE_MAX 800 /* bytes of its name, so that the rest has room */

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

/* What the name of a source may be wrong in. */
static const char *place_of(const char *source)
{
	static const char scheme[] = "s3://";
	const char *bucket = source + sizeof(scheme) - 1, *prefix;

	if (strncmp(source, scheme, sizeof(scheme) - 1) != 0)
		return "the directory";
	prefix = bucket + strcspn(bucket, "/");
	return prefix[strspn(prefix, "/")] ? "the prefix, which is whole folders" : "the bucket";
}

bool progress_empty(const struct catalog_counts *now, const char *source, const struct source_filter *f,
	char out[PROGRESS_MAX])
{
	if (!now->listed || now->objects > 0 || now->problems > 0)
		return false;
	snprintf(out, PROGRESS_MAX, "%.*s: nothing is listed there; check %s%s%s%s%s", SOURCE_MAX, source,
		place_of(source), f->first_day > INT32_MIN + 1 ? ", --since" : "",
		f->last_day < INT32_MAX ? ", --until" : "", f->n_account ? ", --account" : "",
		f->n_region ? ", --log-region" : "");
	return true;
}
