/*
 * A log's text to its records: which shape it has, where each record is, and what to say where it is no JSON.
 * walk.c does the walking over values.
 *
 *	first byte   then
 *	[            SHAPE_ARRAY: each element is a record. A value behind it makes it a stream after all.
 *	{            walked as a record, until a "Records" or "Events" member with an array turns up. Then
 *	             SHAPE_RECORDS or SHAPE_EVENTS, and no other value may follow or precede.
 *	other        SHAPE_STREAM of one or more values
 */
#include "render/scan.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "render/hash.h"
#include "render/pretty.h"
#include "render/walk.h"

/* jansson builds a tree, up to a hundred times the size of its text. Beyond this we name the place ourselves.
 */
#define REFEREE_MAX ((size_t)1 << 20)

struct scanner {
	struct walker w;
	char *scratch; /* the minified bytes of a record that has white space */
	size_t scratch_cap;
};

/* What the last "Records" or "Events" member was. */
enum member {
	MEMBER_NONE,
	MEMBER_ARRAY,
	MEMBER_OTHER
};

/* One scan_log() or scan_decode(). */
struct pass {
	struct scanner *s;
	struct walker *w;
	const char *text, *end;
	const char *value; /* the top-level value that is being scanned */
	int (*visit)(void *arg, const struct record *r);
	void (*restart)(void *arg);
	void *arg;
	uint32_t records;
	bool known;
	char *reason;
	bool decode; /* scan_decode(): */
	char *out;
	size_t out_len;
	uint32_t element; /* of "Events" */
	uint32_t lacking; /* elements of "Events" without a CloudTrailEvent string; */
	uint32_t first;   /* the first of them */
};

static void pass_init(struct pass *x, struct scanner *s, const char *text, size_t len, char *reason)
{
	*x = (struct pass){.s = s, .w = &s->w, .text = text, .end = text + len, .reason = reason};
	x->value = text;
	x->w->p = text;
	x->w->end = x->end;
	x->w->fault.at = NULL;
	reason[0] = '\0';
}

/* -- why not ------------------------------------------------------------------------------------------- */

static int refuse(struct pass *x, int error, const char *reason)
{
	x->w->fault.at = NULL;
	snprintf(x->reason, SCAN_REASON_MAX, "%s", reason);
	return error;
}

static int fault(struct pass *x, const char *at, const char *what)
{
	token_fault(&x->w->fault, at, at == x->end ? "the text ends too early" : what);
	return -EBADMSG;
}

/* Line (from 1) and characters before p in that line. */
static size_t line_of(const char *text, const char *p, size_t *ret_column)
{
	const char *line = text, *next;
	size_t lines = 1, column = 0;

	while ((next = memchr(line, '\n', (size_t)(p - line)))) {
		line = next + 1;
		lines++;
	}
	for (; line < p; line++)
		column += ((unsigned char)*line & 0xc0) != 0x80;
	*ret_column = column;
	return lines;
}

/* jansson's words, where it stumbles over the same thing. It may stop earlier, at what its own types cannot
 * hold, or (a NUL behind a number) not at all. */
static bool ask_referee(struct pass *x)
{
	const int flags = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DISABLE_EOF_CHECK;
	size_t len = (size_t)(x->end - x->value), line, column;
	json_error_t e;
	json_t *j;

	if (len > REFEREE_MAX)
		return false;
	j = json_loadb(x->value, len, flags, &e);
	json_decref(j);
	if (j || e.line < 1 || e.position < x->w->fault.at - x->value)
		return false;
	line = line_of(x->text, x->value, &column);
	snprintf(x->reason, SCAN_REASON_MAX, "line %zu, column %zu: %.110s", line + (size_t)e.line - 1,
		(e.line == 1 ? column : 0) + (size_t)e.column, e.text);
	return true;
}

/* Makes a reason of the walker's fault. */
static void explain(struct pass *x)
{
	size_t line, column;

	if (!x->w->fault.at || ask_referee(x))
		return;
	line = line_of(x->text, x->w->fault.at, &column);
	snprintf(x->reason, SCAN_REASON_MAX, "line %zu, column %zu: %s", line, column + 1, x->w->fault.what);
}

/* -- records ------------------------------------------------------------------------------------------- */

static int record_hash(struct scanner *s, struct record *r)
{
	const char *p = r->text;

	if (r->minified != r->len) {
		if (s->scratch_cap < r->minified) {
			free(s->scratch);
			s->scratch_cap = 0;
			s->scratch = malloc((size_t)r->minified + r->minified / 2);
			if (!s->scratch)
				return -ENOMEM;
			s->scratch_cap = (size_t)r->minified + r->minified / 2;
		}
		minify_write(r->text, r->len, s->scratch, r->minified);
		p = s->scratch;
	}
	r->hash = hash_bytes(p, r->minified);
	return 0;
}

/* The value that was walked from start is a record. */
static int record_end(struct pass *x, const char *start)
{
	struct walker *w = x->w;
	struct record r;
	uint64_t minified = (uint64_t)(w->p - start) - w->white;
	int e;

	if (x->records == SCAN_RECORDS_MAX)
		return refuse(x, -EFBIG, "more than 4,194,304 records");
	if (minified + w->layout > UINT32_MAX)
		return refuse(x, -EFBIG, "a record that would take more than 4 GiB when laid out");
	x->records++;
	x->known |= w->known;
	if (!x->visit)
		return 0;
	r.text = start;
	r.len = (uint32_t)(w->p - start);
	r.minified = (uint32_t)minified;
	r.pretty = (uint32_t)(minified + w->layout);
	r.field = w->field;
	r.resource = w->resource;
	r.n_resources = w->n_resources;
	e = record_hash(x->s, &r);
	return e < 0 ? e : x->visit(x->arg, &r);
}

static void start_again(struct pass *x)
{
	x->records = 0;
	x->known = false;
	if (x->restart)
		x->restart(x->arg);
}

/* -- scan_decode() ------------------------------------------------------------------------------------- */

static int refuse_element(struct pass *x, const char *what)
{
	snprintf(x->reason, SCAN_REASON_MAX, "Events[%u]: %s", x->element, what);
	x->w->fault.at = NULL;
	return -EBADMSG;
}

/* Whether p is one JSON value and nothing else. */
static bool is_one_value(struct walker *w, const char *p, size_t len)
{
	const char *outer_p = w->p, *outer_end = w->end;
	bool ok;

	w->end = p + len;
	w->p = token_white(p, w->end);
	ok = walk_value(w, 0, CONTEXT_NONE) == 0 && token_white(w->p, w->end) == w->end;
	w->p = outer_p;
	w->end = outer_end;
	return ok;
}

/* An element of "Events" was walked: writes what its CloudTrailEvent holds. It always fits: the bytes around
 * the string in the text are more than the line feed. */
static int element_decode(struct pass *x)
{
	const struct span *event = &x->w->extra[EXTRA_EVENT];
	char *out = x->out + x->out_len;
	size_t n;

	if (event->type != JSON_STR && event->type != JSON_STR_ESCAPED) {
		x->first = x->lacking ? x->first : x->element;
		x->lacking++;
		x->element++;
		return 0;
	}
	n = scan_string(event, out);
	if (!is_one_value(x->w, out, n))
		return refuse_element(x, "CloudTrailEvent does not hold one JSON value");
	out[n] = '\n';
	x->out_len += n + 1;
	x->element++;
	return 0;
}

/* What elements without a CloudTrailEvent mean, when all were walked. */
static int check_elements(struct pass *x)
{
	if (!x->lacking)
		return 0;
	if (x->lacking == x->element) {
		snprintf(x->reason, SCAN_REASON_MAX, "Events: no CloudTrailEvent string in any of them");
		return -ENOMSG;
	}
	x->element = x->first;
	return refuse_element(x, "no CloudTrailEvent string");
}

/* -- shapes -------------------------------------------------------------------------------------------- */

/* Each element of the array at w->p, as what `context` says. */
static int scan_elements(struct pass *x, unsigned depth, enum context context)
{
	struct walker *w = x->w;
	const char *start;
	int e;

	w->p = token_white(w->p + 1, x->end);
	if (token_peek(w->p, x->end) == ']') {
		w->p++;
		return 0;
	}
	for (;;) {
		start = w->p;
		e = walk_value(w, depth, context);
		if (e == 0 && context == CONTEXT_RECORD)
			e = record_end(x, start);
		else if (e == 0 && context == CONTEXT_LOOKUP && x->decode)
			e = element_decode(x);
		if (e < 0)
			return e;
		w->p = token_white(w->p, x->end);
		if (token_peek(w->p, x->end) == ']')
			break;
		if (token_peek(w->p, x->end) != ',')
			return fault(x, w->p, "']' or ',' expected");
		w->p = token_white(w->p + 1, x->end);
	}
	w->p++;
	return 0;
}

/* The value of a "Records" or "Events" member. The last one of a name counts. */
static int scan_wrapped(struct pass *x, enum context context, enum member *member)
{
	bool array = token_peek(x->w->p, x->end) == '[';

	if (context == CONTEXT_RECORD && *member == MEMBER_ARRAY)
		start_again(x);
	if (context == CONTEXT_LOOKUP) {
		x->out_len = 0;
		x->element = 0;
		x->lacking = 0;
	}
	*member = array ? MEMBER_ARRAY : MEMBER_OTHER;
	return array ? scan_elements(x, 2, context) : walk_value(x->w, 1, CONTEXT_NONE);
}

/* The name at w->p; leaves w->p at the value. */
static int scan_name(struct pass *x, enum context *ret_context)
{
	struct walker *w = x->w;
	const char *name, *quote;
	bool escaped = false;

	if (token_peek(w->p, x->end) != '"')
		return fault(x, w->p, "a string expected");
	name = w->p + 1;
	quote = token_string(name, x->end, &escaped, &w->fault);
	if (!quote)
		return -EBADMSG;
	w->p = token_white(quote + 1, x->end);
	if (token_peek(w->p, x->end) != ':')
		return fault(x, w->p, "':' expected");
	w->p = token_white(w->p + 1, x->end);
	if (walk_name_is(name, (size_t)(quote - name), escaped, "Records"))
		*ret_context = CONTEXT_RECORD;
	else if (walk_name_is(name, (size_t)(quote - name), escaped, "Events"))
		*ret_context = CONTEXT_LOOKUP;
	else
		*ret_context = CONTEXT_NONE;
	return 0;
}

/* The object at w->p, which has a "Records" or "Events" array, though maybe not as the last of that name. It
 * has at least one member. */
static int scan_wrapper(struct pass *x, enum scan_shape *ret_shape)
{
	enum member records = MEMBER_NONE, events = MEMBER_NONE;
	enum context context;
	struct walker *w = x->w;
	int e;

	do {
		w->p = token_white(w->p + 1, x->end);
		e = scan_name(x, &context);
		if (e < 0)
			return e;
		if (context == CONTEXT_NONE)
			e = walk_value(w, 1, CONTEXT_NONE);
		else
			e = scan_wrapped(x, context, context == CONTEXT_RECORD ? &records : &events);
		if (e < 0)
			return e;
		w->p = token_white(w->p, x->end);
	} while (token_peek(w->p, x->end) == ',');
	if (token_peek(w->p, x->end) != '}')
		return fault(x, w->p, "'}' or ',' expected");
	w->p++;
	*ret_shape = records == MEMBER_ARRAY  ? SHAPE_RECORDS
		     : events == MEMBER_ARRAY ? SHAPE_EVENTS
					      : SHAPE_STREAM;
	return 0;
}

/* The value at w->p as a record, whatever else it may look like. */
static int scan_record(struct pass *x, enum context context)
{
	const char *start = x->w->p;
	int e = walk_value(x->w, 0, context);

	return e ? e : record_end(x, start);
}

/* The object at w->p. What was seen before of the stream, if anything, is not to be mixed with a wrapper. */
static int scan_object(struct pass *x, bool first, enum scan_shape *ret_shape)
{
	int e;

	*ret_shape = SHAPE_STREAM;
	e = scan_record(x, CONTEXT_TOP);
	if (e != WALK_IS_WRAPPED)
		return e;
	x->w->p = x->value;
	if (!first) {
		struct pass check = *x;
		check.visit = NULL;
		check.restart = NULL;
		e = scan_wrapper(&check, ret_shape);
	} else {
		e = scan_wrapper(x, ret_shape);
	}
	if (e < 0 || *ret_shape != SHAPE_STREAM)
		return e;
	x->w->p = x->value;
	return scan_record(x, CONTEXT_RECORD);
}

static int scan_value(struct pass *x, bool first, enum scan_shape *ret_shape)
{
	switch (*x->w->p) {
	case '{':
		return scan_object(x, first, ret_shape);
	case '[':
		if (first) {
			*ret_shape = SHAPE_ARRAY;
			return scan_elements(x, 1, CONTEXT_RECORD);
		}
		break;
	default:
		break;
	}
	*ret_shape = SHAPE_STREAM;
	return scan_record(x, CONTEXT_RECORD);
}

/* All values of the text. An array that turns out not to be alone is one value of a stream. */
static int scan_values(struct pass *x, bool lone_array, enum scan_shape *ret_shape)
{
	struct walker *w = x->w;
	enum scan_shape shape = SHAPE_NONE, all = SHAPE_NONE;
	bool first = true;
	int e;

	for (;; first = false, all = shape) {
		w->p = token_white(w->p, x->end);
		x->value = w->p;
		if (w->p == x->end)
			break;
		if (all == SHAPE_ARRAY) {
			start_again(x);
			w->p = x->text;
			return scan_values(x, false, ret_shape);
		}
		e = scan_value(x, first && lone_array, &shape);
		if (e < 0)
			return e;
		if (all != SHAPE_NONE && (all != SHAPE_STREAM || shape != SHAPE_STREAM))
			return refuse(x, -EBADMSG,
				"more than one value, and one of them is {\"Records\":[...]} or "
				"{\"Events\":[...]}");
	}
	*ret_shape = all;
	return 0;
}

/* -- the verbs ----------------------------------------------------------------------------------------- */

int scan_log(struct scanner *s, const char *text, size_t len, int (*visit)(void *arg, const struct record *r),
	void (*restart)(void *arg), void *arg, struct scan_result *ret)
{
	struct pass x;
	int e;

	*ret = (struct scan_result){.shape = SHAPE_NONE};
	pass_init(&x, s, text, len, ret->reason);
	if (len > UINT32_MAX)
		return refuse(&x, -EFBIG, "more than 4 GiB of text");
	x.visit = visit;
	x.restart = restart;
	x.arg = arg;
	e = scan_values(&x, true, &ret->shape);
	if (e == -EBADMSG)
		explain(&x);
	if (e < 0)
		return e;
	ret->records = x.records;
	ret->known = x.known;
	return 0;
}

int scan_decode(struct scanner *s, const char *text, size_t len, char **ret, size_t *ret_len,
	char reason[SCAN_REASON_MAX])
{
	enum scan_shape shape;
	struct pass x;
	int e;

	pass_init(&x, s, text, len, reason);
	if (len > UINT32_MAX)
		return refuse(&x, -EFBIG, "more than 4 GiB of text");
	x.decode = true;
	x.out = malloc(len + 1);
	if (!x.out)
		return -ENOMEM;
	e = scan_values(&x, true, &shape);
	if (e == 0 && shape != SHAPE_EVENTS)
		e = refuse(&x, -EBADMSG, "no \"Events\" array");
	if (e == 0)
		e = check_elements(&x);
	if (e < 0)
		goto fail;
	*ret = x.out;
	*ret_len = x.out_len;
	return 0;
fail:
	if (e == -EBADMSG)
		explain(&x);
	free(x.out);
	return e;
}

struct scanner *scanner_new(void)
{
	struct scanner *s = calloc(1, sizeof *s);

	if (s)
		walker_init(&s->w);
	return s;
}

void scanner_free(struct scanner *s)
{
	if (!s)
		return;
	walker_clear(&s->w);
	free(s->scratch);
	free(s);
}
