/*
 * A page about events: what was asked, how many there are and when, who, what, from where, what failed. One
 * file that needs no other, with no script in it; readable on a phone, in the dark, on paper, and aloud.
 *
 * Every link is relative to the directory that the page is in, and leads to the same page of a narrower or a
 * wider one, or to an event.
 *
 * Pure, thread-safe. All is borrowed.
 */
#ifndef RENDER_REPORT_H
#define RENDER_REPORT_H

#include "render/buf.h"
#include "render/event.h"

#define REPORT_NAME    "report.html"
#define REPORT_TOP     10 /* rows of a list */
#define REPORT_SIGNINS 10 /* failed ones that are shown */
#define REPORT_BARS    120

/* A step of the path from the top, which are the names of directories that have such a page. */
enum report_step_is {
	REPORT_STEP_EVENTS,
	REPORT_STEP_DATE, /* a year, a month, a day; undated */
	REPORT_STEP_RANGE,
	REPORT_STEP_VALUE, /* by-FACET/VALUE */
};
struct report_step {
	enum report_step_is is;
	enum facet facet;
	struct value value; /* of by-FACET, else the name itself */
};

struct report_row {
	struct value value;
	uint64_t n;
	int64_t first; /* its first event here: seconds, or EVENT_UNDATED */
};

struct report_list {
	enum facet facet;
	size_t distinct; /* values there are, */
	size_t n;        /* and the first ones */
	struct report_row row[REPORT_TOP];
};

struct report_bar {
	uint32_t events, reads, writes, errors;
};

/* Bars of equal width, in seconds. */
struct report_scale {
	int64_t start, width;
	size_t n; /* up to REPORT_BARS; 0: there is no time */
};

struct report_signin {
	int64_t time;
	struct value user, ip; /* may be absent */
	const char *path;      /* of the event, from the page's directory */
	const char *why;       /* NULL: not said */
	size_t why_len;
};

enum report_older {
	REPORT_OLDER_NONE,    /* there is nothing before these events, or no time at which they begin */
	REPORT_OLDER_UNKNOWN, /* not all that is before them is known yet */
	REPORT_OLDER_KNOWN,
};

struct report {
	int64_t made;
	const struct report_step *step;
	size_t n_steps;
	bool linked; /* false: it is too deep for narrower directories */

	uint64_t events, reads, writes, errors, undated;
	uint64_t unread;     /* log objects that could not be read: their events are not here */
	int64_t first, last; /* of dated events; first > last: there are none */
	struct report_scale scale;
	const struct report_bar *bar;

	const struct report_list *list; /* what is most frequent */
	size_t n_lists;

	uint64_t signins, signins_looked, signins_unread; /* console sign-ins; those looked at: the newest */
	uint64_t signins_failed;                          /* of those looked at */
	const struct report_signin *signin;               /* the newest that failed */
	size_t n_signins;

	uint64_t root;
	struct report_list root_events;

	enum report_older older;
	int64_t since; /* what is new was not seen before this moment */
	const struct report_list *fresh;
	size_t n_fresh;
};

/* Bars that suit a span, both ends included. */
struct report_scale report_scale(int64_t first, int64_t last);

/* Appends the page. out may have failed. */
void report_write(struct buf *out, const struct report *r);

#endif
