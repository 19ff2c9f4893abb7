/*
 * A record's row: walked once more, as most columns are not kept in the index as they are written.
 */
#include "render/csv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "render/walk.h"

#define JOINED_BY   ';'
#define REPLACEMENT "\xef\xbf\xbd"

struct csv {
	struct walker w;
	struct event_scratch *scratch;
	char *text; /* a decoded string, or resources joined */
	size_t cap;
};

static bool make_room(struct csv *c, size_t n)
{
	if (n <= c->cap)
		return true;
	free(c->text);
	c->text = malloc(n);
	c->cap = c->text ? n : 0;
	return c->text != NULL;
}

/* ---- cells ---- */

static bool is_formula(struct value v)
{
	return v.len && memchr("=+-@\t\r", v.p[0], 6);
}

/* A quote, or a lone surrogate, which decoding leaves as three bytes. */
static bool needs_other_bytes(const char *p, const char *end)
{
	return *p == '"' || ((unsigned char)*p == 0xed && end - p >= 3 && (unsigned char)p[1] >= 0xa0);
}

static void add_bytes(struct buf *out, struct value v)
{
	const char *p = v.p, *const end = p + v.len, *start = p;

	while (p < end) {
		if (!needs_other_bytes(p, end)) {
			p++;
			continue;
		}
		buf_add(out, start, (size_t)(p - start));
		buf_adds(out, *p == '"' ? "\"\"" : REPLACEMENT);
		p += *p == '"' ? 1 : 3;
		start = p;
	}
	buf_add(out, start, (size_t)(end - start));
}

static void add_cell(struct buf *out, struct value v, char after)
{
	static const bool odd[256] = {
		['"'] = true, [','] = true, ['\r'] = true, ['\n'] = true, [0xed] = true};
	bool is_odd = false, quoted = false;

	for (uint32_t i = 0; i < v.len; i++)
		is_odd |= odd[(unsigned char)v.p[i]];
	for (uint32_t i = 0; is_odd && !quoted && i < v.len; i++)
		quoted = odd[(unsigned char)v.p[i]] && (unsigned char)v.p[i] != 0xed;
	if (quoted)
		buf_addc(out, '"');
	if (is_formula(v))
		buf_addc(out, '\'');
	if (is_odd)
		add_bytes(out, v);
	else if (v.len)
		buf_add(out, v.p, v.len);
	if (quoted)
		buf_addc(out, '"');
	if (after)
		buf_addc(out, after);
}

/* A member as it is written; absent where there is no memory, and then out has failed. */
static void add_member(struct csv *c, struct buf *out, const struct span *is, char after)
{
	struct value v = {NULL, 0};

	switch (is->type) {
	case JSON_STR:
	case JSON_NUM:
	case JSON_BOOL:
		v = (struct value){is->p, is->len};
		break;
	case JSON_STR_ESCAPED:
		if (make_room(c, is->len))
			v = (struct value){c->text, (uint32_t)scan_string(is, c->text)};
		else
			out->failed = true;
		break;
	default:
		break;
	}
	add_cell(out, v, after);
}

static void add_resources(struct csv *c, struct buf *out, const struct event *e)
{
	size_t len = 0, n = 0;

	for (size_t i = 0; i < e->n_resources; i++)
		len += e->resource[i].len + 1u;
	if (!make_room(c, len)) {
		out->failed = true;
		return;
	}
	for (size_t i = 0; i < e->n_resources; i++) {
		if (i)
			c->text[n++] = JOINED_BY;
		memcpy(c->text + n, e->resource[i].p, e->resource[i].len);
		n += e->resource[i].len;
	}
	add_cell(out, (struct value){c->text, (uint32_t)n}, ',');
}

/* ---- rows ---- */

int csv_row(struct csv *c, const char *text, size_t len, struct value key_account, struct buf *out)
{
	struct walker *w = &c->w;
	struct record r = {.text = text, .len = (uint32_t)len};
	struct event e;
	int err;

	w->p = text;
	w->end = text + len;
	err = walk_value(w, 0, CONTEXT_RECORD);
	if (err)
		return err;
	if (w->p != w->end)
		return -EBADMSG;
	r.field = w->field;
	r.resource = w->resource;
	r.n_resources = w->n_resources;
	err = event_read(c->scratch, &r, key_account, &e);
	if (err)
		return err;
	add_member(c, out, &r.field[FIELD_EVENT_TIME], ',');
	add_cell(out, e.facet[FACET_SERVICE], ',');
	add_cell(out, e.facet[FACET_EVENT], ',');
	add_cell(out, e.facet[FACET_REGION], ',');
	add_cell(out, e.facet[FACET_IP], ',');
	add_cell(out, e.facet[FACET_USER], ',');
	add_cell(out, e.facet[FACET_TYPE], ',');
	add_cell(out, e.facet[FACET_ROLE], ',');
	add_cell(out, e.facet[FACET_ACCESS_KEY], ',');
	add_cell(out, e.facet[FACET_ACCOUNT], ',');
	add_cell(out, e.facet[FACET_ERROR], ',');
	add_member(c, out, &w->extra[EXTRA_ERROR_MESSAGE], ',');
	add_member(c, out, &r.field[FIELD_READ_ONLY], ',');
	add_resources(c, out, &e);
	add_cell(out, e.facet[FACET_AGENT], ',');
	add_member(c, out, &w->extra[EXTRA_REQUEST_ID], ',');
	add_cell(out, e.id, 0);
	buf_add(out, "\r\n", 2);
	return out->failed ? -ENOMEM : 0;
}

struct csv *csv_new(void)
{
	struct csv *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	walker_init(&c->w);
	c->scratch = event_scratch_new();
	if (!c->scratch) {
		csv_free(c);
		return NULL;
	}
	return c;
}

void csv_free(struct csv *c)
{
	if (!c)
		return;
	walker_clear(&c->w);
	event_scratch_free(c->scratch);
	free(c->text);
	free(c);
}
