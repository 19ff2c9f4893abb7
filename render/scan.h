/*
 * The bytes of a log to its records: one pass that checks the JSON grammar (RFC 8259) completely, finds where
 * each record begins and ends, the fields that facets and names are made of, and how long the record is
 * pretty and minified. No tree is built. It accepts what jansson accepts, and besides what jansson refuses
 * only for its own types: integers over 64 bits, reals out of range, lone surrogate escapes, \u0000 in
 * names. Nesting is limited to 2,048 levels, a scalar being one, as jansson counts.
 *
 * Pure over its input, thread-safe; a struct scanner keeps scratch memory between logs and belongs to one
 * thread.
 */
#ifndef RENDER_SCAN_H
#define RENDER_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCAN_DEPTH_MAX   2048
#define SCAN_RECORDS_MAX (4u << 20)
#define SCAN_REASON_MAX  160

/* The wanted fields, by where they stand in a record. */
enum scan_field {
	FIELD_EVENT_TIME,
	FIELD_EVENT_NAME,
	FIELD_EVENT_SOURCE,
	FIELD_EVENT_ID,
	FIELD_AWS_REGION,
	FIELD_SOURCE_IP,
	FIELD_USER_AGENT,
	FIELD_ERROR_CODE,
	FIELD_RECIPIENT,
	FIELD_READ_ONLY,
	FIELD_MANAGEMENT,
	FIELD_CATEGORY,
	FIELD_INSIGHT,        /* insightDetails itself */
	FIELD_INSIGHT_NAME,   /* insightDetails.eventName */
	FIELD_INSIGHT_SOURCE, /* insightDetails.eventSource */
	FIELD_ID_TYPE,
	FIELD_ID_USER_NAME,
	FIELD_ID_ARN,
	FIELD_ID_PRINCIPAL,
	FIELD_ID_ACCOUNT,
	FIELD_ID_ACCESS_KEY,
	FIELD_ID_INVOKED_BY,
	FIELD_ID_ON_BEHALF, /* userIdentity.onBehalfOf.userId */
	FIELD_ISSUER_TYPE,  /* userIdentity.sessionContext.sessionIssuer.type */
	FIELD_ISSUER_NAME,  /* ... .userName */
	FIELD_COUNT
};

enum json_type {
	JSON_ABSENT,
	JSON_NULL_,
	JSON_BOOL,
	JSON_NUM,
	JSON_STR,
	JSON_STR_ESCAPED,
	JSON_OBJ,
	JSON_ARR
};

/* A value in the text. For strings: what stands between the quotes, still escaped where JSON_STR_ESCAPED. */
struct span {
	const char *p;
	uint32_t len;
	uint8_t type; /* enum json_type */
};

/* One record. Everything is borrowed: valid until the visitor returns. */
struct record {
	const char *text;            /* its first byte */
	uint32_t len;                /* as written, without white space around */
	uint32_t pretty;             /* bytes as `jq .` lays it out, final newline included */
	uint32_t minified;           /* bytes without white space */
	uint64_t hash;               /* XXH3 (64 bits) of the minified bytes */
	const struct span *field;    /* FIELD_COUNT of them, by enum scan_field */
	const struct span *resource; /* ARN, else ARNPrefix, of each element of resources that has one */
	size_t n_resources;
};

/* How the records are wrapped (README: "What counts as a log"). */
enum scan_shape {
	SHAPE_NONE,    /* nothing but white space */
	SHAPE_RECORDS, /* {"Records":[...]} */
	SHAPE_EVENTS,  /* {"Events":[{"CloudTrailEvent":"..."}]}, as lookup-events prints: scan the text of
			  scan_decode() instead */
	SHAPE_ARRAY,   /* [...] */
	SHAPE_STREAM,  /* values one after another, JSON lines among them; one lone record too */
};

struct scan_result {
	enum scan_shape shape;
	uint32_t records;
	bool known; /* at least one record is an object with a field that CloudTrail records have */
	char reason[SCAN_REASON_MAX]; /* on -EBADMSG, -EFBIG: "line 1, column 17: '}' expected near ..." */
};

struct scanner;
struct scanner *scanner_new(void); /* NULL: no memory */
void scanner_free(struct scanner *s);

/*
 * Scans text (len bytes, under 4 GiB; need not be terminated; never written). visit() gets each record in
 * order of the text; a negative return ends the scan and is returned. Records are visited BEFORE the rest of
 * the text is known to be good, so the caller must drop what it collected when the call fails, or when `ret`
 * says SHAPE_NONE. A later "Records" member replaces an earlier one, and an array that is not the only value
 * is one record of a stream: restart() is called (may be NULL if visit is), and what was visited must be
 * forgotten. 0, or -EBADMSG (not JSON, nested too deep, or a wrapper that is not the only value), -EFBIG (too
 * many records, or one over 4 GiB when pretty), -ENOMEM. For SHAPE_EVENTS no record is visited.
 */
int scan_log(struct scanner *s, const char *text, size_t len, int (*visit)(void *arg, const struct record *r),
	void (*restart)(void *arg), void *arg, struct scan_result *ret);

/*
 * The records of a SHAPE_EVENTS text, decoded from their strings, one after another with a newline after
 * each: new (free() it), never longer than the text plus one byte a record. -EBADMSG where an element holds
 * no such string (reason[] says which), or where a string does not decode to valid UTF-8 JSON; -ENOMSG where
 * none of them holds one: then it is no such list at all.
 */
int scan_decode(struct scanner *s, const char *text, size_t len, char **ret, size_t *ret_len,
	char reason[SCAN_REASON_MAX]);

/* The bytes of a JSON string span (escapes decoded) into out, which has room for span->len bytes. Returns the
 * length. A lone surrogate becomes its three-byte form, which is no valid UTF-8. Not for anything but
 * JSON_STR and JSON_STR_ESCAPED. */
size_t scan_string(const struct span *span, char *out);

#endif
