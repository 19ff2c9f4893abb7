/*
 * What the scanner and the writers should have said, computed in another way: layout by a small recursive
 * writer, grammar and fields by jansson's tree. For tests; each check returns NULL or what is wrong.
 */
#ifndef TESTS_REFEREE_H
#define TESTS_REFEREE_H

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "render/pretty.h"
#include "render/scan.h"

/* -- layout: text must be valid JSON ------------------------------------------------------------------- */

struct referee {
	const char *p, *end;
	FILE *pretty, *minified;
};

static inline char referee_next(struct referee *r)
{
	while (r->p < r->end && strchr(" \t\r\n", *r->p) && *r->p)
		r->p++;
	return r->p < r->end ? *r->p : 0;
}

static inline void referee_put(struct referee *r, char c)
{
	fputc(c, r->pretty);
	fputc(c, r->minified);
}

static inline void referee_line(struct referee *r, int depth)
{
	fprintf(r->pretty, "\n%*s", 2 * depth, "");
}

static inline void referee_scalar(struct referee *r)
{
	if (*r->p == '"') {
		referee_put(r, *r->p++);
		while (*r->p != '"') {
			if (*r->p == '\\')
				referee_put(r, *r->p++);
			referee_put(r, *r->p++);
		}
		referee_put(r, *r->p++);
		return;
	}
	while (r->p < r->end && !strchr(" \t\r\n,:]}[{\"", *r->p))
		referee_put(r, *r->p++);
}

static inline void referee_value(struct referee *r, int depth)
{
	char open = referee_next(r);
	int n = 0;

	if (open != '{' && open != '[') {
		referee_scalar(r);
		return;
	}
	referee_put(r, *r->p++);
	while (referee_next(r) != '}' && *r->p != ']') {
		if (n++) {
			referee_put(r, *r->p++); /* the comma */
			referee_next(r);
		}
		referee_line(r, depth + 1);
		if (open == '{') {
			referee_scalar(r);
			referee_next(r);
			referee_put(r, *r->p++); /* the colon */
			fputc(' ', r->pretty);
		}
		referee_value(r, depth + 1);
	}
	if (n)
		referee_line(r, depth);
	referee_put(r, *r->p++);
}

static inline void referee_layout(const char *text, size_t len, char **ret_pretty, size_t *ret_pretty_len,
	char **ret_minified, size_t *ret_minified_len)
{
	struct referee r = {text, text + len, NULL, NULL};

	r.pretty = open_memstream(ret_pretty, ret_pretty_len);
	r.minified = open_memstream(ret_minified, ret_minified_len);
	referee_value(&r, 0);
	fputc('\n', r.pretty);
	fclose(r.pretty);
	fclose(r.minified);
}

/* The record's sizes and hash, and the bytes of both writers. */
static inline const char *referee_check_layout(const struct record *r)
{
	char *pretty, *minified, *out;
	size_t pretty_len, minified_len;
	const char *wrong = NULL;

	referee_layout(r->text, r->len, &pretty, &pretty_len, &minified, &minified_len);
	out = malloc(pretty_len);
	if (r->pretty != pretty_len)
		wrong = "pretty size";
	else if (r->minified != minified_len)
		wrong = "minified size";
	else if (r->hash != XXH3_64bits(minified, minified_len))
		wrong = "hash";
	else if (pretty_write(r->text, r->len, out, pretty_len) != pretty_len)
		wrong = "length of pretty_write";
	else if (memcmp(out, pretty, pretty_len) != 0)
		wrong = "bytes of pretty_write";
	else if (minify_write(r->text, r->len, out, minified_len) != minified_len)
		wrong = "length of minify_write";
	else if (memcmp(out, minified, minified_len) != 0)
		wrong = "bytes of minify_write";
	else if (pretty_write(r->text, r->len, out, pretty_len - 1) < pretty_len)
		wrong = "pretty_write without room";
	free(out);
	free(pretty);
	free(minified);
	return wrong;
}

/* -- fields -------------------------------------------------------------------------------------------- */

static const char *const referee_path[FIELD_COUNT][4] = {
	[FIELD_EVENT_TIME] = {"eventTime"},
	[FIELD_EVENT_NAME] = {"eventName"},
	[FIELD_EVENT_SOURCE] = {"eventSource"},
	[FIELD_EVENT_ID] = {"eventID"},
	[FIELD_AWS_REGION] = {"awsRegion"},
	[FIELD_SOURCE_IP] = {"sourceIPAddress"},
	[FIELD_USER_AGENT] = {"userAgent"},
	[FIELD_ERROR_CODE] = {"errorCode"},
	[FIELD_RECIPIENT] = {"recipientAccountId"},
	[FIELD_READ_ONLY] = {"readOnly"},
	[FIELD_MANAGEMENT] = {"managementEvent"},
	[FIELD_CATEGORY] = {"eventCategory"},
	[FIELD_INSIGHT] = {"insightDetails"},
	[FIELD_INSIGHT_NAME] = {"insightDetails", "eventName"},
	[FIELD_INSIGHT_SOURCE] = {"insightDetails", "eventSource"},
	[FIELD_ID_TYPE] = {"userIdentity", "type"},
	[FIELD_ID_USER_NAME] = {"userIdentity", "userName"},
	[FIELD_ID_ARN] = {"userIdentity", "arn"},
	[FIELD_ID_PRINCIPAL] = {"userIdentity", "principalId"},
	[FIELD_ID_ACCOUNT] = {"userIdentity", "accountId"},
	[FIELD_ID_ACCESS_KEY] = {"userIdentity", "accessKeyId"},
	[FIELD_ID_INVOKED_BY] = {"userIdentity", "invokedBy"},
	[FIELD_ID_ON_BEHALF] = {"userIdentity", "onBehalfOf", "userId"},
	[FIELD_ISSUER_TYPE] = {"userIdentity", "sessionContext", "sessionIssuer", "type"},
	[FIELD_ISSUER_NAME] = {"userIdentity", "sessionContext", "sessionIssuer", "userName"},
};

static inline enum json_type referee_type(const json_t *j)
{
	if (!j)
		return JSON_ABSENT;
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		return JSON_OBJ;
	case JSON_ARRAY:
		return JSON_ARR;
	case JSON_STRING:
		return JSON_STR;
	case JSON_NULL:
		return JSON_NULL_;
	case JSON_TRUE:
	case JSON_FALSE:
		return JSON_BOOL;
	default:
		return JSON_NUM;
	}
}

/* Whether the span says what jansson's value says. */
static inline bool referee_same(const struct span *s, const json_t *j)
{
	bool string = s->type == JSON_STR || s->type == JSON_STR_ESCAPED, same;
	char *out;
	size_t n;
	json_t *own;

	if ((string ? JSON_STR : (enum json_type)s->type) != referee_type(j))
		return false;
	if (s->type == JSON_ABSENT)
		return true;
	if (!string) {
		own = json_loadb(s->p, s->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		same = own && json_equal(own, j);
		json_decref(own);
		return same;
	}
	out = malloc((size_t)s->len + 1);
	n = scan_string(s, out);
	same = n == json_string_length(j) && memcmp(out, json_string_value(j), n) == 0 &&
	       (s->type == JSON_STR_ESCAPED) == (memchr(s->p, '\\', s->len) != NULL);
	free(out);
	return same;
}

static inline bool referee_is_value(const json_t *j)
{
	return json_is_string(j) || json_is_number(j) || json_is_boolean(j);
}

static inline bool referee_same_resources(const struct record *r, const json_t *resources)
{
	size_t i, n = 0;
	json_t *element, *arn;

	json_array_foreach(resources, i, element)
	{
		arn = json_object_get(element, "ARN");
		if (!referee_is_value(arn))
			arn = json_object_get(element, "ARNPrefix");
		if (!referee_is_value(arn))
			continue;
		if (n == r->n_resources || !referee_same(&r->resource[n], arn))
			return false;
		n++;
	}
	return n == r->n_resources;
}

/* The record's fields against its tree. */
static inline const char *referee_check_fields(const struct record *r, const json_t *tree)
{
	for (int f = 0; f < FIELD_COUNT; f++) {
		const json_t *j = tree;
		for (int i = 0; i < 4 && referee_path[f][i]; i++)
			j = json_object_get(j, referee_path[f][i]);
		if (!referee_same(&r->field[f], j))
			return referee_path[f][0];
	}
	if (!referee_same_resources(r, json_object_get(tree, "resources")))
		return "resources";
	return NULL;
}

/* -- a whole text -------------------------------------------------------------------------------------- */

enum referee_verdict {
	REFEREE_ACCEPTS,
	REFEREE_REFUSES,
	REFEREE_CANNOT, /* its types or its handling of NUL are in the way */
};

static inline bool referee_is_own_limit(const char *error)
{
	static const char *const own[] = {
		"too big", "real number overflow", "NUL byte in object key", "invalid Unicode '"};

	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		if (strncmp(error, own[i], strlen(own[i])) == 0)
			return true;
	}
	return false;
}

/* Reads the values of the text, appended to `values`. jansson loses a NUL that follows a number or literal.
 */
static inline enum referee_verdict referee_read(const char *text, size_t len, json_t *values)
{
	const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DISABLE_EOF_CHECK;
	struct referee r = {text, text + len, NULL, NULL};
	json_error_t e;
	json_t *j;

	while (referee_next(&r), r.p < r.end) {
		j = json_loadb(r.p, (size_t)(r.end - r.p), flags, &e);
		if (!j)
			return referee_is_own_limit(e.text) ? REFEREE_CANNOT : REFEREE_REFUSES;
		json_array_append_new(values, j);
		r.p += e.position;
	}
	return memchr(text, 0, len) ? REFEREE_CANNOT : REFEREE_ACCEPTS;
}

/* Which shape the values have, and the trees of the records; NULL where the text is to be refused. */
static inline const json_t *referee_shape(const json_t *values, enum scan_shape *ret_shape)
{
	const json_t *only = json_array_get(values, 0), *inner, *value;
	size_t i, n = json_array_size(values);

	if (n > 1) {
		json_array_foreach(values, i, value)
		{
			if (json_is_array(json_object_get(value, "Records")) ||
				json_is_array(json_object_get(value, "Events")))
				return NULL;
		}
	}
	*ret_shape = n ? SHAPE_STREAM : SHAPE_NONE;
	if (n != 1)
		return values;
	inner = json_object_get(only, "Records");
	if (json_is_array(inner)) {
		*ret_shape = SHAPE_RECORDS;
		return inner;
	}
	inner = json_object_get(only, "Events");
	if (json_is_array(inner)) {
		*ret_shape = SHAPE_EVENTS;
		return inner;
	}
	if (!json_is_array(only))
		return values;
	*ret_shape = SHAPE_ARRAY;
	return only;
}

static inline bool referee_known(const json_t *tree)
{
	static const char *const known[] = {"eventVersion", "eventTime", "eventName", "eventSource",
		"eventID", "awsRegion", "userIdentity", "insightDetails"};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (json_object_get(tree, known[i]))
			return true;
	}
	return false;
}

struct referee_visit {
	const json_t *trees; /* of the records, or NULL: layout only */
	size_t n;
	const char *wrong;
};

static inline int referee_visit(void *arg, const struct record *r)
{
	struct referee_visit *v = arg;

	if (!v->wrong)
		v->wrong = referee_check_layout(r);
	if (!v->wrong && v->trees)
		v->wrong = referee_check_fields(r, json_array_get(v->trees, v->n));
	v->n++;
	return 0;
}

static inline void referee_restart(void *arg)
{
	struct referee_visit *v = arg;

	v->wrong = NULL;
	v->n = 0;
}

static inline const char *referee_check_result(
	const struct scan_result *result, const struct referee_visit *v, enum scan_shape shape)
{
	size_t i, records = shape == SHAPE_EVENTS ? 0 : json_array_size(v->trees);
	const json_t *tree;
	bool known = false;

	if (result->shape != shape)
		return "shape";
	if (result->records != records || v->n != records)
		return "number of records";
	if (shape != SHAPE_EVENTS) {
		json_array_foreach(v->trees, i, tree) known |= referee_known(tree);
	}
	return result->known == known ? NULL : "known";
}

/* As referee_check(), with the trees at hand. A "Records" member that a later one replaces cannot be found
 * in a tree, so that a record of it is first compared with the wrong one: what counts is the last word. */
static inline const char *referee_check_values(
	struct scanner *s, const char *text, size_t len, const json_t *values, enum referee_verdict verdict)
{
	enum scan_shape shape = SHAPE_NONE;
	struct referee_visit v = {NULL, 0, NULL};
	struct scan_result result;
	int e;

	if (verdict == REFEREE_ACCEPTS)
		v.trees = referee_shape(values, &shape);
	e = scan_log(s, text, len, referee_visit, referee_restart, &v, &result);
	if (e != 0 && e != -EBADMSG)
		return "error code";
	if ((e == 0) != (result.reason[0] == '\0'))
		return "a reason without an error, or the reverse";
	if (verdict == REFEREE_CANNOT)
		return e == 0 ? v.wrong : NULL;
	if (verdict == REFEREE_REFUSES)
		return e == 0 ? "accepted what jansson refuses" : NULL;
	if (!v.trees)
		return e == 0 ? "accepted a mix of wrapped and other values" : NULL;
	if (e != 0)
		return "refused what jansson accepts";
	return v.wrong ? v.wrong : referee_check_result(&result, &v, shape);
}

/* Scans the text and compares everything. NULL: all as it should be. */
static inline const char *referee_check(struct scanner *s, const char *text, size_t len)
{
	json_t *values = json_array();
	enum referee_verdict verdict = referee_read(text, len, values);
	const char *wrong = referee_check_values(s, text, len, values, verdict);

	json_decref(values);
	return wrong;
}

#endif
