/*
 * The rules that turn a record's fields into its time and its value in each view (README, "Views").
 *
 * Strings and the raw text of numbers and booleans are values; null, objects and arrays are as good as
 * absent. An empty string is a value like any other.
 */
#include "render/event.h"

#include "render/key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const facet_name[FACET_COUNT] = {
	[FACET_USER] = "by-user",
	[FACET_EVENT] = "by-event",
	[FACET_IP] = "by-ip",
	[FACET_SERVICE] = "by-service",
	[FACET_ACCOUNT] = "by-account",
	[FACET_REGION] = "by-region",
	[FACET_ROLE] = "by-role",
	[FACET_ACCESS_KEY] = "by-access-key",
	[FACET_ERROR] = "by-error",
	[FACET_RESOURCE] = "by-resource",
	[FACET_TYPE] = "by-type",
	[FACET_CATEGORY] = "by-category",
	[FACET_ACCESS] = "by-access",
	[FACET_AGENT] = "by-agent",
};

/* Up to this many resources are compared each with each; more are sorted. */
#define FEW_RESOURCES 16

#define DAY_SECONDS 86400

struct ranked {
	struct value value;
	size_t at; /* where it stands in the record */
};

struct event_scratch {
	char *text; /* decoded strings of this record */
	size_t text_cap;
	struct value *resource; /* and as many struct ranked, for sorting */
	struct ranked *ranked;
	size_t resource_cap;
	char time_text[20]; /* of the last record, `2025-06-19T09:30:12Z`; */
	int64_t time;
};

static const struct value absent = {NULL, 0};

static struct value literal(const char *s)
{
	return (struct value){s, (uint32_t)strlen(s)};
}

static bool value_equal(struct value a, struct value b)
{
	return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}

/* For string literals: both comparisons are of constants then. An absent value has no length. */
#define value_is(v, s) ((v).len == sizeof(s) - 1 && memcmp((v).p, s, sizeof(s) - 1) == 0)

static struct value first_of(struct value a, struct value b)
{
	return a.p ? a : b;
}

static size_t decoded_room(const struct span *span, size_t n)
{
	size_t room = 0;

	for (size_t i = 0; i < n; i++)
		room += span[i].type == JSON_STR_ESCAPED ? span[i].len : 0;
	return room;
}

/* Room for every decoded string of the record, so that none of them has to move. */
static bool make_room(struct event_scratch *s, const struct record *r)
{
	size_t room = decoded_room(r->field, FIELD_COUNT) + decoded_room(r->resource, r->n_resources);

	if (room > s->text_cap) {
		free(s->text);
		s->text = malloc(room);
		s->text_cap = s->text ? room : 0;
		if (!s->text)
			return false;
	}
	if (r->n_resources > s->resource_cap) {
		free(s->resource);
		free(s->ranked);
		s->resource = calloc(r->n_resources, sizeof *s->resource);
		s->ranked = calloc(r->n_resources, sizeof *s->ranked);
		s->resource_cap = s->resource && s->ranked ? r->n_resources : 0;
		if (!s->resource_cap)
			return false;
	}
	return true;
}

/* The value of a span; *text is where the next decoded string goes. Which fields a record has is not to be
 * guessed: no branches but for what is rare. */
static inline struct value value_of(const struct span *span, char **text)
{
	static const uint32_t as_written[JSON_ARR + 1] = {
		[JSON_BOOL] = UINT32_MAX, [JSON_NUM] = UINT32_MAX, [JSON_STR] = UINT32_MAX};
	uint32_t mask = as_written[span->type];
	struct value v = {mask ? span->p : NULL, span->len & mask};

	if (__builtin_expect(span->type == JSON_STR_ESCAPED, 0)) {
		v = (struct value){*text, (uint32_t)scan_string(span, *text)};
		*text += v.len;
	}
	return v;
}

/* What follows the last slash; absent where there is none. */
static struct value after_slash(struct value v)
{
	const char *slash = v.p ? memrchr(v.p, '/', v.len) : NULL;

	if (!slash)
		return absent;
	slash++;
	return (struct value){slash, (uint32_t)(v.p + v.len - slash)};
}

static struct value after_colon(struct value v)
{
	const char *colon = v.p ? memchr(v.p, ':', v.len) : NULL;

	if (!colon)
		return absent;
	colon++;
	return (struct value){colon, (uint32_t)(v.p + v.len - colon)};
}

/* What userIdentity's type names as the actor; absent where the rule has nothing to name. */
static struct value actor_by_type(const struct value v[FIELD_COUNT])
{
	struct value type = v[FIELD_ID_TYPE];

	if (!type.p || value_is(type, "AWSService"))
		return v[FIELD_ID_INVOKED_BY];
	if (value_is(type, "AssumedRole") || value_is(type, "Role"))
		return first_of(after_slash(v[FIELD_ID_ARN]), after_colon(v[FIELD_ID_PRINCIPAL]));
	if (value_is(type, "IAMUser") || value_is(type, "SAMLUser") || value_is(type, "WebIdentityUser"))
		return v[FIELD_ID_USER_NAME];
	if (value_is(type, "Root"))
		return literal("root");
	if (value_is(type, "FederatedUser"))
		return after_slash(v[FIELD_ID_ARN]);
	if (value_is(type, "IdentityCenterUser"))
		return v[FIELD_ID_ON_BEHALF];
	if (value_is(type, "AWSAccount"))
		return v[FIELD_ID_ACCOUNT];
	return absent;
}

static struct value actor(const struct value v[FIELD_COUNT])
{
	const struct value choice[] = {
		actor_by_type(v),
		v[FIELD_ID_USER_NAME],
		first_of(after_slash(v[FIELD_ID_ARN]), v[FIELD_ID_ARN]),
		v[FIELD_ID_INVOKED_BY],
		v[FIELD_ID_PRINCIPAL],
		v[FIELD_ID_ACCOUNT],
	};

	for (size_t i = 0; i < sizeof choice / sizeof *choice; i++)
		if (choice[i].p)
			return choice[i];
	return literal("_unknown");
}

static struct value category(const struct value v[FIELD_COUNT], bool has_insight)
{
	if (v[FIELD_CATEGORY].p)
		return v[FIELD_CATEGORY];
	if (has_insight)
		return literal("Insight");
	return literal(value_is(v[FIELD_MANAGEMENT], "false") ? "Data" : "Management");
}

/* A boolean's text and the string that says the same are one. */
static struct value access_of(struct value read_only)
{
	if (value_is(read_only, "true"))
		return literal("read");
	return value_is(read_only, "false") ? literal("write") : absent;
}

static bool is_among(struct value v, const struct value *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (value_equal(v, list[i]))
			return true;
	return false;
}

static int compare_ranked(const void *left, const void *right)
{
	const struct ranked *a = left, *b = right;
	uint32_t n = a->value.len < b->value.len ? a->value.len : b->value.len;
	int c = memcmp(a->value.p, b->value.p, n);

	if (c)
		return c;
	if (a->value.len != b->value.len)
		return a->value.len < b->value.len ? -1 : 1;
	return (a->at > b->at) - (a->at < b->at);
}

/* Drops all but the first of equal values and keeps the order. Sorting, because a record may hold very many
 * resources, and a hash table with a known seed can be made to collide. */
static size_t drop_repeats(struct event_scratch *s, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		s->ranked[i] = (struct ranked){s->resource[i], i};
	qsort(s->ranked, n, sizeof *s->ranked, compare_ranked);
	for (size_t i = 1; i < n; i++)
		if (value_equal(s->ranked[i].value, s->ranked[i - 1].value))
			s->resource[s->ranked[i].at].p = NULL;
	for (size_t i = 0; i < n; i++)
		if (s->resource[i].p)
			s->resource[kept++] = s->resource[i];
	return kept;
}

static size_t read_resources(struct event_scratch *s, const struct record *r, char *text)
{
	bool few = r->n_resources <= FEW_RESOURCES;
	size_t n = 0;

	for (size_t i = 0; i < r->n_resources; i++) {
		struct value v = value_of(&r->resource[i], &text);
		if (v.p && !(few && is_among(v, s->resource, n)))
			s->resource[n++] = v;
	}
	return few ? n : drop_repeats(s, n);
}

/* The same second again and again: events of a log come in their order. */
static int64_t read_time(struct event_scratch *s, struct value when)
{
	if (!when.p)
		return EVENT_UNDATED;
	if (when.len != sizeof s->time_text)
		return event_time(when.p, when.len);
	if (memcmp(when.p, s->time_text, sizeof s->time_text) != 0) {
		memcpy(s->time_text, when.p, sizeof s->time_text);
		s->time = event_time(when.p, when.len);
	}
	return s->time;
}

struct event_scratch *event_scratch_new(void)
{
	struct event_scratch *s = calloc(1, sizeof *s);

	if (s)
		s->time = EVENT_UNDATED;
	return s;
}

void event_scratch_free(struct event_scratch *s)
{
	if (!s)
		return;
	free(s->text);
	free(s->resource);
	free(s->ranked);
	free(s);
}

int event_read(struct event_scratch *s, const struct record *r, struct value key_account, struct event *ret)
{
	struct value v[FIELD_COUNT];

	if (!make_room(s, r))
		return -ENOMEM;
	char *text = s->text;
	for (int i = 0; i < FIELD_COUNT; i++)
		v[i] = value_of(&r->field[i], &text);
	size_t n_resources = read_resources(s, r, text);
	*ret = (struct event){
		.time = read_time(s, v[FIELD_EVENT_TIME]),
		.id = v[FIELD_EVENT_ID],
		.facet =
			{
				[FACET_USER] = actor(v),
				[FACET_EVENT] = first_of(v[FIELD_EVENT_NAME], v[FIELD_INSIGHT_NAME]),
				[FACET_IP] = v[FIELD_SOURCE_IP],
				[FACET_SERVICE] = first_of(v[FIELD_EVENT_SOURCE], v[FIELD_INSIGHT_SOURCE]),
				[FACET_ACCOUNT] = first_of(
					first_of(v[FIELD_RECIPIENT], v[FIELD_ID_ACCOUNT]), key_account),
				[FACET_REGION] = v[FIELD_AWS_REGION],
				[FACET_ROLE] = value_is(v[FIELD_ISSUER_TYPE], "Role") ? v[FIELD_ISSUER_NAME]
										      : absent,
				[FACET_ACCESS_KEY] = v[FIELD_ID_ACCESS_KEY],
				[FACET_ERROR] = v[FIELD_ERROR_CODE],
				[FACET_RESOURCE] = n_resources ? s->resource[0] : absent,
				[FACET_TYPE] = v[FIELD_ID_TYPE],
				[FACET_CATEGORY] = category(v, r->field[FIELD_INSIGHT].type == JSON_OBJ),
				[FACET_ACCESS] = access_of(v[FIELD_READ_ONLY]),
				[FACET_AGENT] = v[FIELD_USER_AGENT],
			},
		.resource = s->resource,
		.n_resources = n_resources,
	};
	return 0;
}

int facet_find(const char *name, size_t len)
{
	/* All begin alike: look at the rest only where that much is right. */
	if (len < 5 || memcmp(name, "by-", 3) != 0)
		return -1;
	for (int i = 0; i < FACET_COUNT; i++)
		if (facet_name[i][3] == name[3] && strlen(facet_name[i]) == len &&
			memcmp(facet_name[i], name, len) == 0)
			return i;
	return -1;
}

/* Whether text has the shape of `0000-00-00T`: a 0 is any digit, anything else is itself. */
static bool has_shape(const char *text, const char *shape)
{
	for (; *shape; text++, shape++)
		if (*shape == '0' ? *text < '0' || *text > '9' : *text != *shape)
			return false;
	return true;
}

static int number(const char *p, size_t n)
{
	int value = 0;

	for (size_t i = 0; i < n; i++)
		value = value * 10 + (p[i] - '0');
	return value;
}

/* Z, +hh:mm or -hh:mm, and nothing after it, as seconds east of UTC. */
static bool read_offset(const char *p, size_t len, int *ret_offset)
{
	if (len == 1 && *p == 'Z') {
		*ret_offset = 0;
		return true;
	}
	if (len != 6 || (*p != '+' && *p != '-') || !has_shape(p + 1, "00:00"))
		return false;
	int hour = number(p + 1, 2), minute = number(p + 4, 2);
	if (hour > 23 || minute > 59)
		return false;
	*ret_offset = (hour * 60 + minute) * (*p == '-' ? -60 : 60);
	return true;
}

/* Where the part of a second that begins at `at` ends: at itself where there is none, 0 where it is broken.
 */
static size_t skip_fraction(const char *text, size_t at, size_t len)
{
	size_t i = at;

	if (i == len || text[i] != '.')
		return i;
	for (i++; i < len && text[i] >= '0' && text[i] <= '9'; i++)
		;
	return i == at + 1 ? 0 : i;
}

int64_t event_time(const char *text, size_t len)
{
	static const char shape[] = "0000-00-00T00:00:00";
	const size_t shape_len = sizeof shape - 1;
	int32_t day, first, last;
	int offset;

	if (len <= shape_len || !has_shape(text, shape))
		return EVENT_UNDATED;
	if (!date_to_day(number(text, 4), number(text + 5, 2), number(text + 8, 2), &day))
		return EVENT_UNDATED;
	int hour = number(text + 11, 2), minute = number(text + 14, 2), second = number(text + 17, 2);
	if (hour > 23 || minute > 59 || second > 60)
		return EVENT_UNDATED;
	if (second == 60) /* a leap second has no place of its own in seconds since 1970 */
		second = 59;
	size_t end = skip_fraction(text, shape_len, len);
	if (!end || !read_offset(text + end, len - end, &offset))
		return EVENT_UNDATED;
	int64_t time = (int64_t)day * DAY_SECONDS + hour * 3600 + minute * 60 + second - offset;
	if (!offset)
		return time;
	/* The offset may lead out of the years that a directory can name. */
	if (!date_to_day(1, 1, 1, &first) || !date_to_day(9999, 12, 31, &last))
		return EVENT_UNDATED;
	if (time < (int64_t)first * DAY_SECONDS || time >= ((int64_t)last + 1) * DAY_SECONDS)
		return EVENT_UNDATED;
	return time;
}
