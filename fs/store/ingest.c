/*
 * An object becomes facts and rows.
 *
 *	                              inside a log folder    elsewhere
 *	cannot be inflated            damage                 damage: it cannot be shown
 *	no JSON                       damage                 not a log
 *	JSON that holds no record     damage                 not a log
 *	Events whose strings are bad  damage                 damage
 *	too many records              damage                 damage, where any of them looks like one
 *
 * Rows are added while the text is scanned and taken back where it turns out to be no log.
 */
#include "fs/store/ingest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/store/large.h"
#include "render/event.h"
#include "render/key.h"
#include "render/scan.h"

#define ROOM_KEPT (16u << 20)

struct ingest {
	struct scanner *scanner;
	struct event_scratch *scratch;
	struct cache *spill;
	struct gunzip_room room; /* of the object that is being read */
	char problem[SCAN_REASON_MAX + 32];
};

/* One object. */
struct pass {
	struct ingest *in;
	struct segment_build *b;
	struct segment_object o;
	struct value account; /* of the key */
	bool inside;          /* a log folder */
	const char *text;     /* that is being scanned */
	int error;            /* of our own side */
	bool known;           /* a record with a field that CloudTrail records have was seen */
	uint32_t others;      /* records that are not objects */
};

struct ingest *ingest_new(struct cache *spill)
{
	struct ingest *in = calloc(1, sizeof(*in));

	if (!in)
		return NULL;
	in->spill = spill;
	in->scanner = scanner_new();
	in->scratch = event_scratch_new();
	if (!in->scanner || !in->scratch) {
		ingest_free(in);
		return NULL;
	}
	return in;
}

void ingest_free(struct ingest *in)
{
	if (!in)
		return;
	scanner_free(in->scanner);
	event_scratch_free(in->scratch);
	free(in->room.p);
	free(in);
}

/* ---- what is a log ---- */

static bool may_be_log(const char *key, enum key_kind kind, bool layout_only)
{
	return key_has_log_name(key) && (kind == KEY_LOG || (kind == KEY_PLAIN && !layout_only));
}

bool ingest_wants(const char *key, bool layout_only)
{
	return key_is_gzip_json(key) || may_be_log(key, key_parse(key).kind, layout_only);
}

/* Why a text that is JSON is no log; NULL: it is one. */
static const char *why_not(const struct pass *x, const struct scan_result *found)
{
	switch (found->shape) {
	case SHAPE_NONE:
		return "empty";
	case SHAPE_RECORDS:
	case SHAPE_EVENTS:
		return NULL;
	case SHAPE_ARRAY:
		return x->inside || found->known ? NULL : "no records";
	case SHAPE_STREAM:
		if (x->others > 0)
			return "no records: a value that is not an object";
		/* One object of nothing known is any JSON file, a settings file say; several are lines. */
		if (!found->known && (found->records == 1 || !x->inside))
			return "no records: an object with none of their fields";
		return NULL;
	}
	return "no records";
}

/* ---- how it ends ---- */

static void set_damaged(struct pass *x, uint32_t flags, const char *reason)
{
	if (reason != x->in->problem)
		snprintf(x->in->problem, sizeof(x->in->problem), "%s", *reason ? reason : "cannot be read");
	x->o.flags = SEGMENT_DAMAGED | flags;
	x->o.problem = x->in->problem;
	x->o.inflated = x->o.size;
}

/* Takes the rows back: damage, or (outside of log folders) nothing to speak of. */
static int reject(struct pass *x, bool damage, const char *reason)
{
	x->o.flags = 0;
	if (damage)
		set_damaged(x, 0, reason);
	return segment_build_redo(x->b, &x->o);
}

/* The fault is ours. What the log costs is more than there is: what went before it is right, and stays. */
static int give_up(struct pass *x)
{
	if (x->error == -EFBIG) {
		snprintf(x->in->problem, sizeof(x->in->problem), LARGE_WHY);
		segment_build_undo(x->b);
	}
	return x->error;
}

/* ---- scanning ---- */

static bool has_known_field(const struct record *r)
{
	for (int i = 0; i < FIELD_COUNT; i++) {
		if (r->field[i].type != JSON_ABSENT)
			return true;
	}
	return false;
}

static int visit(void *arg, const struct record *r)
{
	struct pass *x = arg;
	struct event e;

	x->others += *r->text != '{';
	x->known = x->known || has_known_field(r);
	x->error = event_read(x->in->scratch, r, x->account, &e);
	if (x->error == 0)
		x->error = segment_build_event(
			x->b, &e, (uint32_t)(r->text - x->text), r->len, r->pretty, r->minified, r->hash);
	return x->error;
}

static void restart(void *arg)
{
	struct pass *x = arg;
	int r = segment_build_redo(x->b, &x->o);

	x->known = false;
	x->others = 0;
	if (x->error == 0)
		x->error = r;
}

/* 0, or what the scan says; an error of our own is x->error besides. */
static int scan(struct pass *x, const char *text, size_t len, struct scan_result *found)
{
	int r;

	x->text = text;
	x->others = 0;
	r = scan_log(x->in->scanner, text, len, visit, restart, x, found);
	if (x->error == 0 && r != 0 && r != -EBADMSG && r != -EFBIG)
		x->error = r;
	return r;
}

static int add_decoded(struct pass *x, const char *text, size_t len)
{
	struct scan_result found;
	int r;

	x->o.flags |= SEGMENT_DECODED;
	if (segment_build_redo(x->b, &x->o) < 0)
		return -ENOMEM;
	r = scan(x, text, len, &found);
	if (x->error)
		return give_up(x);
	if (r == 0 && (found.shape == SHAPE_STREAM || found.shape == SHAPE_NONE))
		return 0;
	snprintf(x->in->problem, sizeof(x->in->problem), "CloudTrailEvent: %s",
		r < 0 ? found.reason : "a list of records instead of one");
	return reject(x, true, x->in->problem);
}

static int decode_and_add(struct pass *x, const char *text, size_t len)
{
	char reason[SCAN_REASON_MAX] = "", *decoded;
	size_t decoded_len;
	int r = scan_decode(x->in->scanner, text, len, &decoded, &decoded_len, reason);

	if (r == -ENOMSG)
		return reject(x, x->inside, reason);
	if (r == -EBADMSG || r == -EFBIG)
		return reject(x, true, reason);
	if (r < 0)
		return r;
	r = add_decoded(x, decoded, decoded_len);
	free(decoded);
	return r;
}

/* What lookup-events printed: its records are texts in strings, which are decoded in memory. */
static int add_events(struct pass *x, const char *text, size_t len)
{
	int r = x->error = large_begin(len);

	if (r < 0)
		return give_up(x);
	r = decode_and_add(x, text, len);
	large_end(len);
	return r;
}

static int add_log(struct pass *x, const char *text, size_t len)
{
	struct scan_result found;
	const char *why;
	int r;

	x->o.flags = SEGMENT_IS_LOG;
	r = segment_build_object(x->b, &x->o);
	if (r < 0)
		return r;
	r = scan(x, text, len, &found);
	if (x->error)
		return give_up(x);
	if (r < 0)
		return reject(x, x->inside || (r == -EFBIG && x->known), found.reason);
	if (found.shape == SHAPE_EVENTS)
		return add_events(x, text, len);
	why = why_not(x, &found);
	return why ? reject(x, x->inside, why) : 0;
}

/* ---- objects ---- */

/* The fetch failed. What a bucket denies today (an expired session, a policy, an archived object) it may give
 * tomorrow, and nothing about the object tells when: it is not remembered. Here a denial is a fact of the
 * file's, and changes with it. */
static int add_unread(struct pass *x, bool in_bucket, int error, const char *reason, bool shown_as_is)
{
	if (error != -EFBIG && (error != -EACCES || in_bucket)) {
		snprintf(x->in->problem, sizeof(x->in->problem), "%s",
			*reason ? reason : strerrordesc_np(-error));
		return error;
	}
	/* Too large to be a log, and its bytes can be read piece by piece. */
	if (error == -EFBIG && !x->inside && shown_as_is)
		return segment_build_object(x->b, &x->o);
	set_damaged(x, error == -EACCES ? SEGMENT_DENIED : 0, reason);
	return segment_build_object(x->b, &x->o);
}

static int add_text(struct pass *x, bool layout_only, enum key_kind kind, const char *text, size_t len)
{
	x->o.inflated = len;
	if (may_be_log(x->o.key, kind, layout_only))
		return add_log(x, text, len);
	return segment_build_object(x->b, &x->o);
}

/* Rarely is an object as large as this: its memory is not held for the next one. */
static void give_back(struct gunzip_room *room)
{
	if (room->size <= ROOM_KEPT)
		return;
	free(room->p);
	*room = (struct gunzip_room){0};
}

static int add_gzip(struct pass *x, bool layout_only, enum key_kind kind, const char *data, size_t len)
{
	char reason[BLOB_REASON_MAX] = "";
	struct blob *whole;
	int r = blob_gunzip_into(&x->in->room, data, len, x->in->spill, &whole, reason);

	if (r == -EBADMSG) {
		set_damaged(x, 0, reason);
		return segment_build_object(x->b, &x->o);
	}
	if (r < 0)
		return r;
	r = add_text(x, layout_only, kind, blob_data(whole), blob_len(whole));
	blob_unref(whole);
	give_back(&x->in->room);
	return r;
}

int ingest_add(struct ingest *in, const struct source_object *o, bool layout_only, int error,
	const char *reason, const char *data, size_t len, struct segment_build *b, const char **ret_problem)
{
	struct key_info key = key_parse(o->key);
	bool gzip = key_is_gzip_json(o->key);
	struct pass x = {
		.in = in,
		.b = b,
		.account = key.account,
		.inside = key.kind == KEY_LOG,
		.o = {.key = o->key,
			.size = o->size,
			.tag = o->tag,
			.mtime = o->mtime,
			.inflated = o->size,
			.problem = ""},
	};

	in->problem[0] = '\0';
	*ret_problem = in->problem;
	if (error)
		return add_unread(&x, layout_only, error, reason ? reason : "", !gzip);
	error = gzip ? add_gzip(&x, layout_only, key.kind, data, len)
		     : add_text(&x, layout_only, key.kind, data, len);
	return error == 0 && x.o.flags & SEGMENT_DAMAGED ? INGEST_DAMAGED : error;
}

static int decode(const struct blob *whole, struct cache *spill, struct blob **ret)
{
	char reason[SCAN_REASON_MAX], *text;
	struct scanner *s = scanner_new();
	size_t len;
	int r = s ? scan_decode(s, blob_data(whole), blob_len(whole), &text, &len, reason) : -ENOMEM;

	scanner_free(s);
	if (r < 0)
		return r;
	*ret = blob_keep(text, len, spill);
	return *ret ? 0 : -ENOMEM;
}

int ingest_text(struct blob *whole, bool decoded, struct cache *spill, struct blob **ret)
{
	int r;

	if (!decoded) {
		*ret = blob_ref(whole);
		return 0;
	}
	r = large_begin(blob_len(whole));
	if (r < 0)
		return r;
	r = decode(whole, spill, ret);
	large_end(blob_len(whole));
	return r;
}
