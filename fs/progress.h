/*
 * What a first index looks like to the person who waits for it, as one line of text.
 *
 * Pure.
 */
#ifndef FS_PROGRESS_H
#define FS_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "fs/store/catalog.h"

#define PROGRESS_MAX 1024

/* What is to come, and where to watch it. */
void progress_note(const struct catalog_counts *now, const char *mountpoint, char out[PROGRESS_MAX]);

/* How far it is: objects, bytes, events, rate, time left. first: the counts `seconds` ago, when it began. */
void progress_line(const struct catalog_counts *first, const struct catalog_counts *now, double seconds,
	char out[PROGRESS_MAX]);

/* Whether the first listing has shown nothing at all, and which of what was asked for may be why. A part that
 * could not be listed is said elsewhere. */
bool progress_empty(const struct catalog_counts *now, const char *source, const struct source_filter *f,
	char out[PROGRESS_MAX]);

#endif
