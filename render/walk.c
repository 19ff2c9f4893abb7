/*
 * One value, one pass, no recursion. The loop knows of each open object or array what it is (a record, its
 * userIdentity, ... or nothing of interest); only in those of interest are names looked up.
 *
 * The pretty size needs no writing: it is the minified size, and for each member or element a line feed and
 * its indent, for each member a space after its colon, for each closing bracket of something not empty a line
 * feed and its indent, and the final line feed.
 */
#include "render/walk.h"

#include <errno.h>
#include <stdlib.h>

#define NAME_MAX_LEN 18 /* "recipientAccountId" */
#define NOTHING      0xff
#define KEEP_8       255, 255, 255, 255, 255, 255, 255, 255

/* A member that means something in its context. */
struct wanted {
	uint8_t context, len;
	const char *name;
	uint8_t slot;  /* where its value's span goes: a field, FIELD_COUNT + an extra, or NOTHING */
	uint8_t child; /* context of its value, where that is of the right kind */
	uint8_t clear_from,
		clear_to; /* fields that an earlier member of this name has set; to: not included */
	bool known;
};

#define NAME(name) sizeof(name) - 1, name
#define FIELD(c, name, field)                                                                                \
	{                                                                                                    \
		c, NAME(name), field, CONTEXT_NONE, 0, 0, false                                              \
	}
#define KNOWN(c, name, field)                                                                                \
	{                                                                                                    \
		c, NAME(name), field, CONTEXT_NONE, 0, 0, true                                               \
	}
#define OBJECT(c, name, child, a, b)                                                                         \
	{                                                                                                    \
		c, NAME(name), NOTHING, child, a, b, false                                                   \
	}
#define EXTRA(c, name, extra)                                                                                \
	{                                                                                                    \
		c, NAME(name), FIELD_COUNT + (extra), CONTEXT_NONE, 0, 0, false                              \
	}

static const struct wanted wanted[] = {
	KNOWN(CONTEXT_RECORD, "eventVersion", NOTHING),
	KNOWN(CONTEXT_RECORD, "eventTime", FIELD_EVENT_TIME),
	KNOWN(CONTEXT_RECORD, "eventName", FIELD_EVENT_NAME),
	KNOWN(CONTEXT_RECORD, "eventSource", FIELD_EVENT_SOURCE),
	KNOWN(CONTEXT_RECORD, "eventID", FIELD_EVENT_ID),
	KNOWN(CONTEXT_RECORD, "awsRegion", FIELD_AWS_REGION),
	FIELD(CONTEXT_RECORD, "sourceIPAddress", FIELD_SOURCE_IP),
	FIELD(CONTEXT_RECORD, "userAgent", FIELD_USER_AGENT),
	FIELD(CONTEXT_RECORD, "errorCode", FIELD_ERROR_CODE),
	FIELD(CONTEXT_RECORD, "recipientAccountId", FIELD_RECIPIENT),
	FIELD(CONTEXT_RECORD, "readOnly", FIELD_READ_ONLY),
	FIELD(CONTEXT_RECORD, "managementEvent", FIELD_MANAGEMENT),
	FIELD(CONTEXT_RECORD, "eventCategory", FIELD_CATEGORY),
	{CONTEXT_RECORD, NAME("userIdentity"), NOTHING, CONTEXT_IDENTITY, FIELD_ID_TYPE,
		FIELD_ISSUER_NAME + 1, true},
	{CONTEXT_RECORD, NAME("insightDetails"), FIELD_INSIGHT, CONTEXT_INSIGHT, FIELD_INSIGHT_NAME,
		FIELD_INSIGHT_SOURCE + 1, true},
	OBJECT(CONTEXT_RECORD, "resources", CONTEXT_RESOURCES, 0, 0),
	EXTRA(CONTEXT_RECORD, "errorMessage", EXTRA_ERROR_MESSAGE),
	EXTRA(CONTEXT_RECORD, "requestID", EXTRA_REQUEST_ID),

	FIELD(CONTEXT_IDENTITY, "type", FIELD_ID_TYPE),
	FIELD(CONTEXT_IDENTITY, "userName", FIELD_ID_USER_NAME),
	FIELD(CONTEXT_IDENTITY, "arn", FIELD_ID_ARN),
	FIELD(CONTEXT_IDENTITY, "principalId", FIELD_ID_PRINCIPAL),
	FIELD(CONTEXT_IDENTITY, "accountId", FIELD_ID_ACCOUNT),
	FIELD(CONTEXT_IDENTITY, "accessKeyId", FIELD_ID_ACCESS_KEY),
	FIELD(CONTEXT_IDENTITY, "invokedBy", FIELD_ID_INVOKED_BY),
	OBJECT(CONTEXT_IDENTITY, "onBehalfOf", CONTEXT_ON_BEHALF, FIELD_ID_ON_BEHALF, FIELD_ID_ON_BEHALF + 1),
	OBJECT(CONTEXT_IDENTITY, "sessionContext", CONTEXT_SESSION, FIELD_ISSUER_TYPE, FIELD_ISSUER_NAME + 1),
	OBJECT(CONTEXT_SESSION, "sessionIssuer", CONTEXT_ISSUER, FIELD_ISSUER_TYPE, FIELD_ISSUER_NAME + 1),
	FIELD(CONTEXT_ISSUER, "type", FIELD_ISSUER_TYPE),
	FIELD(CONTEXT_ISSUER, "userName", FIELD_ISSUER_NAME),
	FIELD(CONTEXT_ON_BEHALF, "userId", FIELD_ID_ON_BEHALF),

	FIELD(CONTEXT_INSIGHT, "eventName", FIELD_INSIGHT_NAME),
	FIELD(CONTEXT_INSIGHT, "eventSource", FIELD_INSIGHT_SOURCE),

	EXTRA(CONTEXT_RESOURCE, "ARN", EXTRA_ARN),
	EXTRA(CONTEXT_RESOURCE, "ARNPrefix", EXTRA_ARN_PREFIX),

	OBJECT(CONTEXT_TOP, "Records", CONTEXT_WRAPPED, 0, 0),
	OBJECT(CONTEXT_TOP, "Events", CONTEXT_WRAPPED, 0, 0),
	EXTRA(CONTEXT_LOOKUP, "CloudTrailEvent", EXTRA_EVENT),
};

#define N_WANTED (sizeof wanted / sizeof *wanted)

/* Fits in a bucket: the third byte from the end tells eventTime from eventName. len >= 3. */
static unsigned name_bucket(const char *name, size_t len)
{
	return ((unsigned char)name[0] + 3u * (unsigned char)name[len - 3] + 7u * (unsigned)len) %
	       WALK_NAMES_MAX;
}

static void name_add(struct walker *w, enum context context, size_t index)
{
	const char *name = wanted[index].name;
	unsigned i = name_bucket(name, wanted[index].len);

	while (w->name[context][i])
		i = (i + 1) % WALK_NAMES_MAX;
	w->name[context][i] = (uint8_t)(index + 1);
}

/* 1 + the index of the member of that name, or 0. */
static unsigned name_find(const struct walker *w, unsigned context, const char *name, size_t len)
{
	if (len < 3 || len > NAME_MAX_LEN)
		return 0;
	for (unsigned i = name_bucket(name, len); w->name[context][i]; i = (i + 1) % WALK_NAMES_MAX) {
		const struct wanted *m = &wanted[w->name[context][i] - 1];
		if (m->len == len && memcmp(m->name, name, len) == 0)
			return w->name[context][i];
	}
	return 0;
}

/* The bytes of an escaped name, or 0 where it is too long for one of ours. */
static size_t name_decode(const char *p, size_t len, char out[6 * NAME_MAX_LEN])
{
	struct span span = {p, (uint32_t)len, JSON_STR_ESCAPED};

	return len <= 6 * NAME_MAX_LEN ? scan_string(&span, out) : 0;
}

static unsigned name_find_escaped(const struct walker *w, unsigned context, const char *name, size_t len)
{
	char decoded[6 * NAME_MAX_LEN];

	len = name_decode(name, len, decoded);
	return name_find(w, context, decoded, len);
}

#define GUESS_PROBES 8

/* Where the name is kept, or is to be. */
static struct guess *guess_find(struct walker *w, unsigned context, const uint64_t text[GUESS_TEXT / 8])
{
	uint64_t hash = context;

	for (int i = 0; i < GUESS_TEXT / 8; i++)
		hash = (hash ^ text[i]) * 0x9e3779b97f4a7c15u;
	for (unsigned i = 0; i < GUESS_PROBES; i++) {
		struct guess *g = &w->guess[((hash >> 32) + i) % GUESSES];
		if (g->context == CONTEXT_COUNT ||
			(g->context == context && memcmp(g->text, text, GUESS_TEXT) == 0))
			return g;
	}
	return &w->guess[(hash >> 32) % GUESSES];
}

/* Keeps the name at p, n bytes with quotes and colon, as one that follows what was seen last. GUESS_TEXT
 * bytes can be read. */
static struct guess *guess_keep(
	struct walker *w, struct guess *seen, unsigned context, const char *p, size_t n)
{
	static const uint8_t keep[2 * GUESS_TEXT] = {KEEP_8, KEEP_8, KEEP_8, KEEP_8};
	uint64_t text[GUESS_TEXT / 8], mask[GUESS_TEXT / 8];
	struct guess *g;

	memcpy(text, p, sizeof text);
	memcpy(mask, keep + GUESS_TEXT - n, sizeof mask);
	for (int i = 0; i < GUESS_TEXT / 8; i++)
		text[i] &= mask[i];
	g = guess_find(w, context, text);
	if (g->context != context || memcmp(g->text, text, sizeof text) != 0) {
		memcpy(g->text, text, sizeof text);
		g->mask = (uint32_t)(((uint64_t)1 << n) - 1);
		g->len = (uint8_t)n;
		g->context = (uint8_t)context;
		g->wanted = (uint8_t)name_find(w, context, p + 1, n - 3);
	}
	if (seen->next[0]->context == CONTEXT_COUNT)
		seen->next[0] = g;
	else
		seen->next[1] = g;
	return g;
}

/* Whether the text goes on with this name. */
static inline bool guess_is(const struct guess *g, unsigned context, const char *p, const char *end)
{
	if (g->context != context || end - p < GUESS_TEXT)
		return false;
#ifdef __SSE2__
	const __m128i *text = (const __m128i *)(const void *)p,
		      *have = (const __m128i *)(const void *)g->text;
	__m128i low = _mm_cmpeq_epi8(_mm_loadu_si128(text), _mm_loadu_si128(have));
	__m128i high = _mm_cmpeq_epi8(_mm_loadu_si128(text + 1), _mm_loadu_si128(have + 1));
	uint32_t same = (uint32_t)_mm_movemask_epi8(low) | (uint32_t)_mm_movemask_epi8(high) << 16;
	return (g->mask & ~same) == 0;
#else
	return memcmp(p, g->text, g->len) == 0;
#endif
}

/* Forgets what an earlier member of the name has set, and says where the value goes. */
static inline struct span *member_begin(struct walker *w, const struct wanted *m, unsigned *ret_child)
{
	*ret_child = m->child;
	w->known |= m->known;
	for (unsigned i = m->clear_from; i < m->clear_to; i++)
		w->field[i].type = JSON_ABSENT;
	if (m->child == CONTEXT_RESOURCES)
		w->n_resources = 0;
	if (m->slot == NOTHING)
		return NULL;
	return m->slot < FIELD_COUNT ? &w->field[m->slot] : &w->extra[m->slot - FIELD_COUNT];
}

static bool is_value(const struct span *s)
{
	return s->type == JSON_STR || s->type == JSON_STR_ESCAPED || s->type == JSON_NUM ||
	       s->type == JSON_BOOL;
}

/* An element of resources has ended: keeps what names it. */
static int resource_end(struct walker *w)
{
	const struct span *arn = &w->extra[EXTRA_ARN];

	if (!is_value(arn))
		arn = &w->extra[EXTRA_ARN_PREFIX];
	if (!is_value(arn))
		return 0;
	if (w->n_resources == w->resource_cap) {
		size_t cap = w->resource_cap ? 2 * w->resource_cap : 16;
		struct span *p = realloc(w->resource, cap * sizeof *p);
		if (!p)
			return -ENOMEM;
		w->resource = p;
		w->resource_cap = cap;
	}
	w->resource[w->n_resources++] = *arn;
	return 0;
}

/* The context of a value that begins with `opener` and would be `child` if it is of the right kind. */
static inline unsigned context_open(struct walker *w, unsigned child, char opener)
{
	bool array = child == CONTEXT_WRAPPED || child == CONTEXT_RESOURCES;

	if (child == CONTEXT_NONE || array != (opener == '['))
		return CONTEXT_NONE;
	if (child == CONTEXT_RESOURCE)
		for (int i = EXTRA_ARN; i < EXTRA_COUNT; i++)
			w->extra[i].type = JSON_ABSENT;
	return child;
}

static void forget_last(struct walker *w)
{
	for (int i = 0; i < FIELD_COUNT; i++)
		w->field[i].type = JSON_ABSENT;
	for (int i = 0; i < EXTRA_COUNT; i++)
		w->extra[i].type = JSON_ABSENT;
	w->n_resources = 0;
	w->known = false;
}

static int fail_at(struct walker *w, const char *p, const char *what)
{
	token_fault(&w->fault, p, p == w->end ? "the text ends too early" : what);
	return -EBADMSG;
}

#define SKIP_WHITE()                                                                                         \
	do {                                                                                                 \
		const char *to_ = token_white(p, end);                                                       \
		white += (size_t)(to_ - p);                                                                  \
		p = to_;                                                                                     \
	} while (0)

/* Long, so that the state of the hottest loop of all stays in registers. */
int walk_value(struct walker *w, unsigned depth, enum context root)
{
	const struct frame *const bottom = w->frame, *const limit = bottom + (SCAN_DEPTH_MAX - depth);
	const char *p = w->p, *const end = w->end, *start, *quote;
	struct frame *top = w->frame;
	struct guess *seen = w->seen;
	struct span *slot = NULL;
	unsigned child = root, context = CONTEXT_NONE, found;
	uint64_t white = 0, layout = 1, indent = 1;
	enum json_type type;
	bool escaped;
	char closer = 0;

	if (root != CONTEXT_NONE)
		forget_last(w);
value:
	start = p;
	escaped = false;
	switch (token_peek(p, end)) {
	case '"':
		p = token_string(p + 1, end, &escaped, &w->fault);
		if (!p)
			return -EBADMSG;
		p++;
		if (slot)
			*slot = (struct span){
				start + 1, (uint32_t)(p - start - 2), escaped ? JSON_STR_ESCAPED : JSON_STR};
		goto next;
	case '{':
	case '[':
		*top++ = (struct frame){start, slot, (uint8_t)context, closer};
		context = context_open(w, child, *p);
		if (context == CONTEXT_WRAPPED)
			return WALK_IS_WRAPPED;
		closer = *p == '{' ? '}' : ']';
		p++;
		SKIP_WHITE();
		if (token_peek(p, end) == (unsigned char)closer)
			goto close;
		/* jansson counts a scalar as a level too. */
		if (top == limit)
			return fail_at(w, p, "nested too deep");
		indent += 2;
		goto item;
	case 't':
	case 'f':
		p = token_literal(p, end, &w->fault);
		type = JSON_BOOL;
		break;
	case 'n':
		p = token_literal(p, end, &w->fault);
		type = JSON_NULL_;
		break;
	default:
		if (*p != '-' && (*p < '0' || *p > '9'))
			return fail_at(w, p, "a value expected");
		p = token_number(p, end, &w->fault);
		type = JSON_NUM;
		break;
	case 0:
		return fail_at(w, p, "a value expected");
	}
	if (!p)
		return -EBADMSG;
ended:
	if (slot)
		*slot = (struct span){start, (uint32_t)(p - start), (uint8_t)type};
next:
	if (top == bottom)
		goto out;
	SKIP_WHITE();
	if (token_peek(p, end) == ',') {
		p++;
		SKIP_WHITE();
		goto item;
	}
	if (token_peek(p, end) != (unsigned char)closer)
		return fail_at(w, p, closer == '}' ? "'}' or ',' expected" : "']' or ',' expected");
	indent -= 2;
	layout += indent;
close:
	p++;
	if (context == CONTEXT_RESOURCE && resource_end(w) < 0)
		return -ENOMEM;
	type = closer == '}' ? JSON_OBJ : JSON_ARR;
	top--;
	start = top->start;
	slot = top->slot;
	context = top->around;
	closer = top->closer;
	goto ended;
item:
	layout += indent;
	slot = NULL;
	child = CONTEXT_NONE;
	if (closer == ']') {
		if (context == CONTEXT_RESOURCES)
			child = CONTEXT_RESOURCE;
		goto value;
	}
	if (guess_is(seen->next[0], context, p, end)) {
		seen = seen->next[0];
		p += seen->len;
		found = seen->wanted;
	} else if (guess_is(seen->next[1], context, p, end)) {
		seen = seen->next[1];
		p += seen->len;
		found = seen->wanted;
	} else {
		if (token_peek(p, end) != '"')
			return fail_at(w, p, "a string expected");
		start = p;
		escaped = false;
		quote = token_string(p + 1, end, &escaped, &w->fault);
		if (!quote)
			return -EBADMSG;
		p = quote + 1;
		SKIP_WHITE();
		if (token_peek(p, end) != ':')
			return fail_at(w, p, "':' expected");
		p++;
		if (escaped) {
			found = name_find_escaped(w, context, start + 1, (size_t)(quote - start - 1));
		} else if (p == quote + 2 && p - start <= GUESS_TEXT && end - start >= GUESS_TEXT) {
			seen = guess_keep(w, seen, context, start, (size_t)(p - start));
			found = seen->wanted;
		} else {
			found = name_find(w, context, start + 1, (size_t)(quote - start - 1));
		}
	}
	SKIP_WHITE();
	layout++;
	if (found)
		slot = member_begin(w, &wanted[found - 1], &child);
	goto value;
out:
	w->seen = seen;
	w->p = p;
	w->white = white;
	w->layout = layout;
	return 0;
}

bool walk_name_is(const char *p, size_t len, bool escaped, const char *name)
{
	char decoded[6 * NAME_MAX_LEN];

	if (escaped) {
		len = name_decode(p, len, decoded);
		p = decoded;
	}
	return len == strlen(name) && memcmp(p, name, len) == 0;
}

void walker_init(struct walker *w)
{
	for (size_t i = 0; i < GUESSES; i++) {
		w->guess[i].context = CONTEXT_COUNT;
		w->guess[i].next[0] = w->guess[i].next[1] = &w->none;
	}
	w->seen = &w->none;
	w->none = w->guess[0];
	memset(w->name, 0, sizeof w->name);
	for (size_t i = 0; i < N_WANTED; i++) {
		name_add(w, wanted[i].context, i);
		if (wanted[i].context == CONTEXT_RECORD)
			name_add(w, CONTEXT_TOP, i);
	}
}

void walker_clear(struct walker *w)
{
	free(w->resource);
}
