/*
 * What a record says, in the terms of the tree: when, what, and its value in each view (README: "Names").
 *
 * Pure, thread-safe; a struct event_scratch belongs to one thread.
 */
#ifndef RENDER_EVENT_H
#define RENDER_EVENT_H

#include "render/scan.h"

/* The views, in the order in which the root lists them. */
enum facet {
	FACET_USER,
	FACET_EVENT,
	FACET_IP,
	FACET_SERVICE,
	FACET_ACCOUNT,
	FACET_REGION,
	FACET_ROLE,
	FACET_ACCESS_KEY,
	FACET_ERROR,
	FACET_RESOURCE,
	FACET_TYPE,
	FACET_CATEGORY,
	FACET_ACCESS,
	FACET_AGENT,
	FACET_COUNT
};

/* The directory's name: "by-user" ... */
extern const char *const facet_name[FACET_COUNT];

/* The facet of a directory's name, or -1. */
int facet_find(const char *name, size_t len);

/* Bytes of any kind, NUL among them. p == NULL: absent (an empty value has a p). */
struct value {
	const char *p;
	uint32_t len;
};

#define EVENT_UNDATED INT64_MIN

struct event {
	int64_t time;                    /* seconds since 1970, UTC, or EVENT_UNDATED */
	struct value id;                 /* eventID */
	struct value facet[FACET_COUNT]; /* FACET_RESOURCE: the first one. FACET_EVENT is also the name in the
					    file's name */
	const struct value *resource;    /* all of them, each once */
	size_t n_resources;
};

struct event_scratch;
struct event_scratch *event_scratch_new(void);
void event_scratch_free(struct event_scratch *s);

/*
 * Reads r into *ret. key_account: the account in the object's key, or absent. What *ret points to is borrowed
 * from r, from key_account and from s, valid until the next call with s. 0 or -ENOMEM.
 */
int event_read(struct event_scratch *s, const struct record *r, struct value key_account, struct event *ret);

/* eventTime as text to seconds since 1970, or EVENT_UNDATED where it cannot be read (README: "Names"). */
int64_t event_time(const char *text, size_t len);

#endif
