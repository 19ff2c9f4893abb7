/*
 * Console sign-ins. That one has failed stands in its record alone, so the newest few hundred records are
 * read.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "fs/rollup_report.h"
#include "render/pretty.h"

#define BATCH_OBJECTS 64u
#define BATCH_BYTES   ((uint64_t)4 << 20) /* inflated */

/* ---- the newest ---- */

void signins_add(struct signins *x, struct day *d, struct place at)
{
	struct signin *s = &x->at[x->n++ % SIGNINS_MAX];

	day_unref(s->day);
	*s = (struct signin){.day = day_ref(d), .at = at};
}

size_t signins_kept(const struct signins *x)
{
	return x->n < SIGNINS_MAX ? (size_t)x->n : SIGNINS_MAX;
}

struct signin *signins_at(struct signins *x, size_t i)
{
	return &x->at[(x->n - 1 - i) % SIGNINS_MAX];
}

void signins_clear(struct signins *x)
{
	for (size_t i = 0; i < signins_kept(x); i++) {
		day_unref(x->at[i].day);
		free(x->at[i].why);
	}
	x->n = 0;
}

/* ---- a record ---- */

static const struct part *part_of(const struct signin *s)
{
	return s->day->slice[s->at.slice].part;
}

/* Whether text is the record that was indexed. 0, -EIO, -ENOMEM. */
static int check_text(const struct signin *s, const char *text, uint32_t len)
{
	const struct segment *seg = part_of(s)->seg;
	uint32_t minified = segment_row_minified(seg, s->at.row);
	char *small = malloc(minified + 1u);
	int err = small ? -EIO : -ENOMEM;

	if (small && minify_write(text, len, small, minified) == minified &&
		XXH3_64bits(small, minified) == segment_row_hash(seg, s->at.row))
		err = 0;
	free(small);
	return err;
}

static int judge(struct signin *s, json_t *record)
{
	json_t *message = json_object_get(record, "errorMessage"), *answer;

	answer = json_object_get(json_object_get(record, "responseElements"), "ConsoleLogin");
	s->failed = json_is_string(message) || json_is_string(json_object_get(record, "errorCode")) ||
		    (json_is_string(answer) && !strcmp(json_string_value(answer), "Failure"));
	if (!s->failed || !json_is_string(message))
		return 0;
	s->why_len = json_string_length(message);
	s->why = malloc(s->why_len + 1);
	if (!s->why)
		return -ENOMEM;
	memcpy(s->why, json_string_value(message), s->why_len + 1);
	return 0;
}

static int read_record(struct signin *s, const struct blob *b)
{
	const struct segment *seg = part_of(s)->seg;
	uint64_t offset = segment_row_offset(seg, s->at.row);
	uint32_t len = segment_row_length(seg, s->at.row);
	json_t *record;
	int err;

	if (offset + len > blob_len(b))
		return 0;
	err = check_text(s, blob_data(b) + offset, len);
	if (err)
		return err == -ENOMEM ? err : 0;
	/* Where jansson has no type for a number, the record is none of CloudTrail's console. */
	record = json_loadb(blob_data(b) + offset, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
	if (!record)
		return 0;
	s->read = true;
	err = judge(s, record);
	json_decref(record);
	return err;
}

/* ---- objects ---- */

static uint32_t object_of(const struct signin *s)
{
	const struct part *p = part_of(s);

	return p->object[segment_row_object(p->seg, s->at.row)];
}

static int by_object(const void *a, const void *b)
{
	uint32_t x = object_of(*(struct signin *const *)a), y = object_of(*(struct signin *const *)b);

	return x < y ? -1 : x > y;
}

static size_t same_object(struct signin *const *s, size_t n)
{
	size_t same = 1;

	while (same < n && object_of(s[same]) == object_of(s[0]))
		same++;
	return same;
}

/* The objects of the next sign-ins, as many as may be held at once. *ret_done: how many sign-ins they have.
 */
static size_t want_objects(struct catalog *c, struct signin *const *s, size_t n, size_t max,
	struct reader_want *want, size_t *ret_done)
{
	uint64_t bytes = 0;
	size_t objects = 0, i = 0;

	while (i < n && objects < max) {
		const struct segment *seg = part_of(s[i])->seg;
		struct segment_object is = segment_object(seg, segment_row_object(seg, s[i]->at.row));
		const struct object *o = catalog_object(c, object_of(s[i]));

		bytes += is.inflated > is.size ? is.inflated : is.size;
		if (!o || (objects && bytes > BATCH_BYTES))
			break;
		want[objects++] = (struct reader_want){
			.number = o->number,
			.o = &o->at,
			.gunzip = o->gunzip,
			.decoded = (is.flags & SEGMENT_DECODED) != 0,
		};
		i += same_object(s + i, n - i);
	}
	/* What is not there any more is passed over. */
	*ret_done = objects ? i : same_object(s, n);
	return objects;
}

static int read_batch(
	const struct report_sources *from, struct signin *const *s, size_t n, size_t max, size_t *ret_done)
{
	struct reader_want want[BATCH_OBJECTS];
	struct blob *blob[BATCH_OBJECTS];
	size_t objects = want_objects(from->catalog, s, n, max, want, ret_done), i = 0;
	int err = objects ? reader_load(from->reader, want, objects, blob) : 0;

	if (err)
		return err;
	for (size_t k = 0; k < objects; k++) {
		for (size_t end = i + same_object(s + i, *ret_done - i); i < end; i++)
			err = err ? err : read_record(s[i], blob[k]);
		blob_unref(blob[k]);
	}
	return err;
}

/* One object that cannot be read is no reason not to read the others. */
static int read_all(const struct report_sources *from, struct signin *const *s, size_t n)
{
	size_t max = BATCH_OBJECTS, alone = 0, done;
	int err;

	for (size_t i = 0; i < n; i += done) {
		err = read_batch(from, s + i, n - i, max, &done);
		if (err == -ENOMEM || err == -ECANCELED)
			return err;
		if (err && max > 1) {
			max = 1;
			alone = BATCH_OBJECTS;
			done = 0;
		} else if (max == 1 && !--alone) {
			max = BATCH_OBJECTS;
		}
	}
	return 0;
}

int signins_read(struct signins *x, const struct report_sources *from)
{
	size_t n = signins_kept(x);
	struct signin **order = malloc((n + 1) * sizeof(*order));
	int err;

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		order[i] = &x->at[i];
	qsort(order, n, sizeof(*order), by_object);
	err = read_all(from, order, n);
	free(order);
	return err;
}
