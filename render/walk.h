/*
 * Walks one JSON value: checks its grammar, finds a record's fields in it, and measures it. The token level
 * of scan.c. Private to render/.
 *
 * A walker belongs to one thread.
 */
#ifndef RENDER_WALK_H
#define RENDER_WALK_H

#include "render/scan.h"
#include "render/token.h"

/* What an object or array is, as far as its members are of interest. */
enum context {
	CONTEXT_NONE,
	CONTEXT_TOP,     /* a record, or the object around "Records" or "Events" */
	CONTEXT_WRAPPED, /* the array of one of these */
	CONTEXT_RECORD,
	CONTEXT_IDENTITY,
	CONTEXT_SESSION,
	CONTEXT_ISSUER,
	CONTEXT_ON_BEHALF,
	CONTEXT_INSIGHT,
	CONTEXT_RESOURCES,
	CONTEXT_RESOURCE,
	CONTEXT_LOOKUP, /* an element of "Events" */
	CONTEXT_COUNT
};

/* Values that are wanted besides a record's fields: of the record, and (from EXTRA_ARN on) of one element of
 * its resources or of "Events". */
enum extra {
	EXTRA_ERROR_MESSAGE,
	EXTRA_REQUEST_ID,
	EXTRA_ARN,
	EXTRA_ARN_PREFIX,
	EXTRA_EVENT,
	EXTRA_COUNT
};

/* An open object or array. */
struct frame {
	const char *start;
	struct span *slot; /* where its span goes, or NULL */
	uint8_t around;    /* enum context of what it is in */
	char closer;       /* '}' or ']' of what it is in */
};

#define WALK_NAMES_MAX 64 /* a power of 2, slots of a context's hash table */

/*
 * A member's name as the text writes it, and names that came after it. Logs are written by programs:
 * members come in the same order again and again, so most names need no look at each byte and no search, only
 * a comparison with what is expected. Nothing that is found depends on it.
 */
#define GUESS_TEXT 32
#define GUESSES    256 /* a power of 2 */

struct guess {
	char text[GUESS_TEXT]; /* `"eventTime":`, then NULs */
	uint32_t mask;         /* a bit for each byte before those */
	uint8_t len;
	uint8_t context;       /* enum context of the object it was in; CONTEXT_COUNT: nothing is here yet */
	uint8_t wanted;        /* 1 + index of a wanted name, or 0 */
	struct guess *next[2]; /* two, as members that not every record has come and go */
};

struct walker {
	const char *p, *end; /* what is left of the text */
	struct fault fault;

	/* Of the last value walked in a context: */
	struct span field[FIELD_COUNT];
	struct span extra[EXTRA_COUNT];
	struct span *resource;
	size_t n_resources, resource_cap;
	bool known; /* has a field that CloudTrail records have */

	/* Of the last value walked: */
	uint64_t white;  /* bytes of white space outside strings */
	uint64_t layout; /* bytes that the pretty form has besides the minified one */

	struct frame frame[SCAN_DEPTH_MAX];
	uint8_t name[CONTEXT_COUNT][WALK_NAMES_MAX]; /* 1 + index of a wanted name, or 0 */
	struct guess guess[GUESSES];                 /* open addressing by hash */
	struct guess none;                           /* what none looks like: before the first name */
	struct guess *seen;                          /* the last one met */
};

void walker_init(struct walker *w);
void walker_clear(struct walker *w);

#define WALK_IS_WRAPPED 1

/*
 * Walks the value at w->p, which is not white space, and leaves w->p behind it. depth: how many objects and
 * arrays are open around it. WALK_IS_WRAPPED: only for CONTEXT_TOP, the value has "Records" or "Events" with
 * an array, and the walk was given up. Else 0, -EBADMSG (see w->fault) or -ENOMEM.
 */
int walk_value(struct walker *w, unsigned depth, enum context root);

/* The name of a member, as its string's bytes: is it `name`, escapes decoded? */
bool walk_name_is(const char *p, size_t len, bool escaped, const char *name);

#endif
