/*
 * What the parts of the page's making share: rollup_report.c (numbers), rollup_signin.c (console sign-ins),
 * rollup_seen.c (what is new).
 */
#ifndef FS_ROLLUP_REPORT_H
#define FS_ROLLUP_REPORT_H

#include "fs/rollup_private.h"
#include "fs/rollup_tally.h"
#include "render/report.h"

#define SIGNINS_MAX 500 /* looked at */

/* A console sign-in. day is ref'd. */
struct signin {
	struct day *day;
	struct place at;
	bool read, failed;
	char *why; /* ours, or NULL; why_len bytes */
	size_t why_len;
};

/* The newest of them: a ring. */
struct signins {
	uint64_t n;
	struct signin at[SIGNINS_MAX];
};

/* rollup_signin.c. Events of a day follow those before it. */
void signins_add(struct signins *x, struct day *d, struct place at);
size_t signins_kept(const struct signins *x);
/* The i-th, the newest first. */
struct signin *signins_at(struct signins *x, size_t i);
/* Reads their records: sets read, failed and why. 0, -ENOMEM, -ECANCELED; what cannot be read is not. */
int signins_read(struct signins *x, const struct report_sources *from);
void signins_clear(struct signins *x);

/* rollup_seen.c: leaves only values that no event before `since` has. *ret_older: whether there is any such
 * event. 0, -ENOMEM. */
int tally_keep_new(
	struct tally *t, const struct snapshot *s, struct days *days, int64_t since, bool *ret_older);

#endif
