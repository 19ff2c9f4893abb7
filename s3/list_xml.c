/*
 * A page is read into a list of entries first and handed out when all of it was read well, because a name can
 * only be decoded when it is known whether the page encodes names at all, and because half a page is no
 * answer.
 *
 *	ListBucketResult
 *		IsTruncated, NextContinuationToken, EncodingType
 *		Contents         Key, LastModified, ETag, Size
 *		CommonPrefixes   Prefix
 *
 * in any order, whatever else is in between. Name spaces are not looked at. A document type is refused: no
 * answer of S3 has one, and entities grow from it.
 */
#include "s3/list_xml.h"

#include <errno.h>
#include <expat.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEPTH_MAX  16
#define PAGE_MAX   (64u << 20)
#define ETAG_MAX   128
#define SECOND_MAX 7289654399ll /* the end of 2200: nanoseconds since 1970 end in 2262 */
#define QUOTE_MAX  200          /* bytes of a key that is to be named */
/* A key with every byte encoded. */
#define TEXT_MAX   LIST_TOKEN_MAX

enum field {
	FIELD_NONE,
	FIELD_TRUNCATED,
	FIELD_TOKEN,
	FIELD_ENCODING,
	FIELD_KEY,
	FIELD_SIZE,
	FIELD_MTIME,
	FIELD_ETAG,
	FIELD_PREFIX,
};

enum section {
	SECTION_TOP,
	SECTION_CONTENTS,
	SECTION_PREFIXES,
	SECTION_OTHER,
};

struct entry {
	bool is_prefix, has_size;
	uint64_t size;
	int64_t mtime;
	size_t key, etag; /* places in `names`; 0: not there */
};

struct page {
	XML_Parser parser;
	unsigned depth;
	enum section section;
	enum field field;
	char text[TEXT_MAX + 1];
	size_t text_len;

	struct entry now;
	char no_time[40]; /* what was said for its time, and is none; "": nothing was */
	struct entry *entry;
	size_t n, room;
	char *names; /* strings one after another; place 0 is none's */
	size_t names_len, names_room;

	bool rooted, has_truncated, truncated, encoded;
	char token[LIST_TOKEN_MAX];
	int error;
	char *reason;
};

static void fail(struct page *p, int error, const char *reason)
{
	if (p->error)
		return;
	p->error = error;
	snprintf(p->reason, LIST_REASON_MAX, "%s", reason);
	XML_StopParser(p->parser, XML_FALSE);
}

/* Keeps a string: its place, or 0 (and fails). */
static size_t keep(struct page *p, const char *text, size_t len)
{
	size_t at = p->names_len ? p->names_len : 1, behind = at + len + 1;

	if (behind > p->names_room) {
		size_t room = p->names_room ? p->names_room * 2 : 64 * 1024;
		char *more = realloc(p->names, room > behind ? room : behind);

		if (!more) {
			fail(p, -ENOMEM, "no memory");
			return 0;
		}
		p->names = more;
		p->names_room = room > behind ? room : behind;
	}
	memcpy(p->names + at, text, len);
	p->names[at + len] = '\0';
	p->names_len = behind;
	return at;
}

static void add_entry(struct page *p)
{
	if (p->n == p->room) {
		size_t room = p->room ? p->room * 2 : 1024;
		struct entry *more = reallocarray(p->entry, room, sizeof(*more));

		if (!more) {
			fail(p, -ENOMEM, "no memory");
			return;
		}
		p->entry = more;
		p->room = room;
	}
	p->entry[p->n++] = p->now;
}

/* ---- values ---- */

static int two_digits(const char *s)
{
	return s[0] >= '0' && s[0] <= '9' && s[1] >= '0' && s[1] <= '9' ? (s[0] - '0') * 10 + s[1] - '0' : -1;
}

/* The fraction of a second in nanoseconds; moves past it. -1: no digits. */
static int64_t read_fraction(const char **s)
{
	int64_t ns = 0, unit = 100000000;
	const char *p = *s;

	for (; *p >= '0' && *p <= '9'; p++, unit /= 10)
		ns += (*p - '0') * unit;
	if (p == *s)
		return -1;
	*s = p;
	return ns;
}

/* "Z", "+hh:mm", "-hhmm", "+hh" in seconds east. false: something else. */
static bool read_offset(const char *s, int *ret)
{
	int sign = *s == '-' ? -1 : 1, hours, minutes = 0;

	*ret = 0;
	if (*s == 'Z' || *s == 'z')
		return s[1] == '\0';
	if (*s != '+' && *s != '-')
		return false;
	hours = two_digits(s + 1);
	if (hours < 0 || hours > 23)
		return false;
	s += 3;
	if (*s) {
		s += *s == ':';
		minutes = two_digits(s);
		if (minutes < 0 || minutes > 59 || s[2])
			return false;
	}
	*ret = sign * (hours * 3600 + minutes * 60);
	return true;
}

/* Seconds since 1970 of "dddd-dd-ddTdd:dd:dd". false: no date, or no time of day. */
static bool read_second(const char *text, int64_t *ret)
{
	struct tm given = {.tm_year = two_digits(text) * 100 + two_digits(text + 2) - 1900,
		.tm_mon = two_digits(text + 5) - 1,
		.tm_mday = two_digits(text + 8),
		.tm_hour = two_digits(text + 11),
		.tm_min = two_digits(text + 14),
		.tm_sec = two_digits(text + 17)};
	struct tm real = given;

	*ret = timegm(&real);
	/* What timegm() had to put right was no date. */
	return real.tm_mon == given.tm_mon && real.tm_mday == given.tm_mday &&
	       real.tm_hour == given.tm_hour && real.tm_min == given.tm_min && real.tm_sec == given.tm_sec;
}

int64_t list_xml_time(const char *text)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd";
	size_t n = sizeof(shape) - 1;
	int64_t second, ns = 0;
	int offset;

	for (size_t i = 0; i < n; i++) {
		char c = text[i], want = shape[i];

		if (want == 'd' ? c < '0' || c > '9' : want == 'T' ? !c || !strchr("Tt ", c) : c != want)
			return INT64_MIN;
	}
	const char *rest = text + n;
	if (*rest == '.' && (rest++, (ns = read_fraction(&rest)) < 0))
		return INT64_MIN;
	if (!read_offset(rest, &offset) || !read_second(text, &second))
		return INT64_MIN;
	second -= offset;
	if (second < 0)
		return 0;
	return second > SECOND_MAX ? SECOND_MAX * 1000000000 : second * 1000000000 + ns;
}

static void set_size(struct page *p)
{
	uint64_t size = 0;

	if (p->text_len == 0 || p->text_len > 18 || strspn(p->text, "0123456789") != p->text_len) {
		fail(p, -EBADMSG, "a size that is no number");
		return;
	}
	for (const char *s = p->text; *s; s++)
		size = size * 10 + (uint64_t)(*s - '0');
	p->now.size = size;
	p->now.has_size = true;
}

static void set_etag(struct page *p)
{
	const char *text = p->text;
	size_t n = p->text_len;

	if (n >= 2 && text[0] == '"' && text[n - 1] == '"') {
		text++;
		n -= 2;
	}
	if (n > ETAG_MAX)
		fail(p, -EBADMSG, "an ETag that is too long");
	else
		p->now.etag = keep(p, text, n);
}

static void set_truncated(struct page *p)
{
	p->has_truncated = true;
	if (strcmp(p->text, "true") == 0)
		p->truncated = true;
	else if (strcmp(p->text, "false") == 0)
		p->truncated = false;
	else
		fail(p, -EBADMSG, "IsTruncated is neither true nor false");
}

/* As much as there is room for, of which nothing can play tricks on a terminal. */
static void quote(char *out, size_t cap, const char *text)
{
	size_t n = 0;

	for (; text[n] && n + 1 < cap; n++)
		out[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
	out[n] = '\0';
}

static void set_mtime(struct page *p)
{
	p->now.mtime = list_xml_time(p->text);
	if (p->now.mtime == INT64_MIN)
		quote(p->no_time, sizeof(p->no_time), p->text);
}

static void set_field(struct page *p)
{
	switch (p->field) {
	case FIELD_NONE:
		break;
	case FIELD_TRUNCATED:
		set_truncated(p);
		break;
	case FIELD_TOKEN:
		if (p->text_len >= sizeof(p->token))
			fail(p, -EBADMSG, "a continuation token that is too long");
		else
			memcpy(p->token, p->text, p->text_len + 1);
		break;
	case FIELD_ENCODING:
		if (strcmp(p->text, "url") == 0)
			p->encoded = true;
		else if (p->text_len > 0)
			fail(p, -EBADMSG, "an encoding of names that is not known");
		break;
	case FIELD_KEY:
	case FIELD_PREFIX:
		p->now.key = keep(p, p->text, p->text_len);
		break;
	case FIELD_SIZE:
		set_size(p);
		break;
	case FIELD_MTIME:
		set_mtime(p);
		break;
	case FIELD_ETAG:
		set_etag(p);
		break;
	}
}

/* ---- elements ---- */

struct known {
	const char *name;
	enum field field;
};

static enum field field_of(enum section section, const char *name)
{
	static const struct known top[] = {{"IsTruncated", FIELD_TRUNCATED},
		{"NextContinuationToken", FIELD_TOKEN}, {"EncodingType", FIELD_ENCODING}, {NULL, FIELD_NONE}};
	static const struct known contents[] = {{"Key", FIELD_KEY}, {"Size", FIELD_SIZE},
		{"LastModified", FIELD_MTIME}, {"ETag", FIELD_ETAG}, {NULL, FIELD_NONE}};
	static const struct known prefixes[] = {{"Prefix", FIELD_PREFIX}, {NULL, FIELD_NONE}};
	static const struct known none[] = {{NULL, FIELD_NONE}};
	static const struct known *const of[] = {
		[SECTION_TOP] = top,
		[SECTION_CONTENTS] = contents,
		[SECTION_PREFIXES] = prefixes,
		[SECTION_OTHER] = none,
	};
	const struct known *k = of[section];

	while (k->name && strcmp(k->name, name) != 0)
		k++;
	return k->field;
}

/* Without the name space's prefix. */
static const char *local_name(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon ? colon + 1 : name;
}

static void enter_second(struct page *p, const char *name)
{
	p->now = (struct entry){.mtime = INT64_MIN};
	p->no_time[0] = '\0';
	p->section = SECTION_TOP;
	p->field = field_of(SECTION_TOP, name);
	if (strcmp(name, "Contents") == 0)
		p->section = SECTION_CONTENTS;
	else if (strcmp(name, "CommonPrefixes") == 0)
		p->section = SECTION_PREFIXES;
	else if (p->field == FIELD_NONE)
		p->section = SECTION_OTHER;
}

static void XMLCALL begin(void *arg, const XML_Char *full, const XML_Char **attributes)
{
	struct page *p = arg;
	const char *name = local_name(full);

	(void)attributes;
	if (++p->depth > DEPTH_MAX) {
		fail(p, -EBADMSG, "elements nested too deeply");
		return;
	}
	if (p->depth > 1 && p->field != FIELD_NONE) {
		fail(p, -EBADMSG, "an element inside of a value");
		return;
	}
	p->text_len = 0;
	p->field = FIELD_NONE;
	if (p->depth == 1) {
		p->rooted = strcmp(name, "ListBucketResult") == 0;
		if (!p->rooted)
			fail(p, -EBADMSG, "the answer is no listing");
	} else if (p->depth == 2) {
		enter_second(p, name);
	} else if (p->depth == 3) {
		p->field = field_of(p->section == SECTION_TOP ? SECTION_OTHER : p->section, name);
	}
}

static void refuse_time(struct page *p)
{
	char key[QUOTE_MAX + 1], reason[LIST_REASON_MAX];

	quote(key, sizeof(key), p->names + p->now.key);
	if (p->no_time[0])
		snprintf(reason, sizeof(reason), "the time of %s is none: %s", key, p->no_time);
	else
		snprintf(reason, sizeof(reason), "an object without a time: %s", key);
	fail(p, -EBADMSG, reason);
}

static void end_entry(struct page *p)
{
	p->now.is_prefix = p->section == SECTION_PREFIXES;
	if (!p->now.key)
		fail(p, -EBADMSG, "an entry without a name");
	else if (!p->now.is_prefix && !p->now.has_size)
		fail(p, -EBADMSG, "an object without a size");
	else if (!p->now.is_prefix && p->now.mtime == INT64_MIN)
		refuse_time(p);
	else
		add_entry(p);
}

static void XMLCALL end(void *arg, const XML_Char *name)
{
	struct page *p = arg;

	(void)name;
	p->text[p->text_len] = '\0';
	set_field(p);
	p->field = FIELD_NONE;
	p->text_len = 0;
	if (p->depth == 2 && !p->error && (p->section == SECTION_CONTENTS || p->section == SECTION_PREFIXES))
		end_entry(p);
	p->depth--;
}

static void XMLCALL characters(void *arg, const XML_Char *text, int len)
{
	struct page *p = arg;

	if (p->field == FIELD_NONE)
		return;
	if (len < 0 || (size_t)len > TEXT_MAX - p->text_len) {
		fail(p, -EBADMSG, "a name or token that is too long");
		return;
	}
	memcpy(p->text + p->text_len, text, (size_t)len);
	p->text_len += (size_t)len;
}

static void XMLCALL begin_doctype(
	void *arg, const XML_Char *name, const XML_Char *system, const XML_Char *public, int internal)
{
	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	fail(arg, -EBADMSG, "a document type");
}

/* ---- names ---- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place. S3 writes a space as '+', a plus sign as %2B. */
static bool decode(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '%') {
			int high = hex(s[1]), low = high < 0 ? -1 : hex(s[2]);

			if (low < 0 || (high == 0 && low == 0))
				return false;
			*to++ = (char)(high << 4 | low);
			s += 2;
		} else {
			*to++ = *s == '+' ? ' ' : *s;
		}
	}
	*to = '\0';
	return true;
}

/* Decodes all names. */
static void decode_names(struct page *p)
{
	for (size_t i = 0; i < p->n && !p->error; i++) {
		char *key = p->names + p->entry[i].key;
		size_t len;

		if (p->encoded && !decode(key))
			fail(p, -EBADMSG, "a name that is not encoded well");
		len = strlen(key);
		if (len == 0 || len > S3_KEY_MAX)
			fail(p, -EBADMSG, len ? "a key of more than 1,024 bytes" : "an empty key");
	}
}

static enum s3_order order_of(const struct page *p)
{
	const char *last = NULL;
	enum s3_order order = S3_ORDER_UNKNOWN;

	for (size_t i = 0; i < p->n; i++) {
		const char *key = p->names + p->entry[i].key;

		if (p->entry[i].is_prefix)
			continue;
		if (last && strcmp(key, last) < 0)
			return S3_ORDER_NONE;
		if (last)
			order = S3_ORDER_BYTES;
		last = key;
	}
	return order;
}

static int hand_out(const struct page *p, const struct s3_list_sink *sink, struct list_page *ret)
{
	int r = sink->order ? sink->order(sink->arg, order_of(p)) : 0;

	for (size_t i = 0; i < p->n && r >= 0; i++) {
		const struct entry *e = &p->entry[i];
		struct s3_object o = {.key = p->names + e->key,
			.size = e->size,
			.mtime = e->mtime,
			.etag = e->etag ? p->names + e->etag : ""};

		if (e->is_prefix) {
			ret->prefixes++;
			r = sink->prefix ? sink->prefix(sink->arg, o.key) : 0;
		} else {
			ret->keys++;
			r = sink->object ? sink->object(sink->arg, &o) : 0;
		}
	}
	return r < 0 ? r : 0;
}

/* ---- a page ---- */

static void read_page(struct page *p, const char *data, size_t len)
{
	XML_SetUserData(p->parser, p);
	XML_SetElementHandler(p->parser, begin, end);
	XML_SetCharacterDataHandler(p->parser, characters);
	XML_SetStartDoctypeDeclHandler(p->parser, begin_doctype);
	if (len > PAGE_MAX) {
		fail(p, -EBADMSG, "a page of more than 64 MiB");
		return;
	}
	if (XML_Parse(p->parser, data, (int)len, XML_TRUE) != XML_STATUS_OK && !p->error) {
		enum XML_Error code = XML_GetErrorCode(p->parser);

		p->error = code == XML_ERROR_NO_MEMORY ? -ENOMEM : -EBADMSG;
		snprintf(p->reason, LIST_REASON_MAX, "no XML: %s at line %lu", XML_ErrorString(code),
			(unsigned long)XML_GetCurrentLineNumber(p->parser));
	}
	if (!p->error && !p->has_truncated)
		fail(p, -EBADMSG, "no IsTruncated in it");
	if (!p->error)
		decode_names(p);
}

int list_xml_parse(const char *data, size_t len, const struct s3_list_sink *sink, struct list_page *ret,
	char reason[LIST_REASON_MAX])
{
	struct page *p = calloc(1, sizeof(*p));
	struct list_page found = {0};
	int r = -ENOMEM;

	reason[0] = '\0';
	if (!p)
		return r;
	p->reason = reason;
	p->parser = XML_ParserCreate(NULL);
	if (!p->parser)
		goto out;
	read_page(p, data, len);
	r = p->error;
	if (r == 0) {
		found.truncated = p->truncated;
		memcpy(found.token, p->token, sizeof(found.token));
		r = hand_out(p, sink, &found);
	}
	if (r == 0)
		*ret = found;
out:
	if (p->parser)
		XML_ParserFree(p->parser);
	free(p->entry);
	free(p->names);
	free(p);
	return r;
}
