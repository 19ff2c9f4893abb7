/*
 * The row of a name, and of an eventID.
 */
#include <errno.h>
#include <string.h>

#include "fs/view_private.h"
#include "render/name.h"

#define STEM_CUT_MIN (NAME_STEM_MAX - 3) /* of a stem that was cut before a character of 4 bytes */
#define HASH_DIGITS  16

/* ---- one name ---- */

/* A cheap look before the stem is spelled out: a GUID stands at the end of every stem that is not cut. */
static bool may_have_stem(const struct segment *s, uint32_t row, const char *stem, size_t len)
{
	char spelled[36];
	struct value id = segment_row_id(s, row, spelled);

	if (id.p != spelled || len >= STEM_CUT_MIN)
		return true;
	return len > id.len && !memcmp(stem + len - id.len, id.p, id.len);
}

/* Whether a row is the one: 1, 0 or -ENOMEM. */
static int is_event(struct day *d, struct place at, const char *stem, size_t len, uint32_t clash)
{
	const struct slice *s = &d->slice[at.slice];
	char is[NAME_STEM_MAX + 1];
	int err;

	if (!may_have_stem(s->part->seg, at.row, stem, len) || day_stem(d, at, is) != len ||
		memcmp(is, stem, len) != 0)
		return 0;
	err = day_settle_rows(d, at.slice, &at.row, 1);
	return err ? err : slice_shows(s, at.row) && day_clash(d, at) == clash;
}

static int find_in_slice(struct day *d, uint32_t slice, const struct terms *t, const char *stem, size_t len,
	uint32_t clash, uint32_t second, struct place *ret)
{
	const struct slice *s = &d->slice[slice];
	const struct segment *seg = s->part->seg;
	struct segment_day in = {d->day, s->first, s->end};
	uint32_t code[VIEW_TERMS_MAX];

	if (!view_clip(t, seg, &in) || !view_codes(t, seg, code))
		return -ENOENT;
	for (uint32_t row = view_row_at(seg, in.first, in.end, second); row < in.end; row++) {
		struct place at = {slice, row};
		int is;

		if (segment_row_second(seg, row) != second)
			break;
		is = is_event(d, at, stem, len, clash);
		if (is < 0)
			return is;
		if (!is || !view_row_passes(t, seg, code, 0, row))
			continue;
		*ret = at;
		return 0;
	}
	return -ENOENT;
}

int view_find(struct view *v, const struct snapshot *s, uint32_t filter, int32_t day, const char *name,
	size_t len, struct day **ret_day, struct place *ret)
{
	struct terms t;
	struct day *d;
	uint32_t first, last;
	int err;

	view_spell_out(v, filter, &t);
	if (!view_clip_seconds(&t, day, &first, &last))
		return -ENOENT;
	err = days_open(v->days, s, day, &d);
	if (err)
		return err;
	err = -ENOENT;
	for (int split = 0; split < 2 && err == -ENOENT; split++) {
		uint32_t clash, second;
		size_t stem_len;

		if (!name_read_event(name, len, split, &stem_len, &clash, &second))
			continue;
		for (uint32_t i = 0; i < d->n_slices && err == -ENOENT; i++)
			err = find_in_slice(d, i, &t, name, stem_len, clash, second, ret);
	}
	err = view_trusted_day(d, err);
	if (err)
		day_unref(d);
	else
		*ret_day = d;
	return err;
}

size_t view_name(const struct day *d, struct place at, char *out)
{
	return day_name(d, at, out);
}

/* ---- eventIDs ---- */

/* What a name in by-id/ asks for. */
struct wanted {
	const char *name;
	size_t len;
	bool cut; /* the name of an ID that is too long for one */
	struct value id;
	bool by_hash; /* or a record without ID that has this one */
	uint64_t hash;
};

static bool read_hash(struct value text, uint64_t *ret)
{
	uint64_t hash = 0;

	if (text.len != HASH_DIGITS)
		return false;
	for (uint32_t i = 0; i < HASH_DIGITS; i++) {
		const char *digit = memchr("0123456789abcdef", text.p[i], 16);

		if (!digit)
			return false;
		hash = hash << 4 | (uint64_t)(digit - "0123456789abcdef");
	}
	*ret = hash;
	return true;
}

/* The first row from `row` on whose ID's name this is. */
static uint32_t find_cut(const struct segment *s, const struct wanted *w, uint32_t row)
{
	char spelled[36], is[NAME_LEN_MAX + 1];

	for (; row < segment_rows(s); row++) {
		struct value id = segment_row_id(s, row, spelled);

		if (id.p && id.p != spelled && name_of_value(id, is) == w->len &&
			!memcmp(is, w->name, w->len))
			return row;
	}
	return row;
}

static uint32_t next_row(const struct segment *s, const struct wanted *w, uint32_t row)
{
	uint32_t at, other;

	if (w->cut)
		return find_cut(s, w, row);
	at = segment_find_id(s, w->id, row);
	if (!w->by_hash)
		return at;
	other = segment_find_hash(s, w->hash, row);
	return at < other ? at : other;
}

/* The event that was found first, so far. */
struct first {
	struct day *day; /* ref'd; NULL: none */
	struct place at;
};

static bool comes_before(const struct day *d, struct place at, const struct first *x)
{
	char name[DAY_NAME_MAX + 1], other[DAY_NAME_MAX + 1];

	if (!x->day)
		return true;
	if (d->day != x->day->day)
		return x->day->day == SEGMENT_UNDATED || (d->day != SEGMENT_UNDATED && d->day < x->day->day);
	day_name(d, at, name);
	day_name(x->day, x->at, other);
	return strcmp(name, other) < 0;
}

/* Takes a row of a part if it is shown and comes first. 0, -ENOMEM. */
static int look_at(struct view *v, const struct snapshot *s, struct part *p, uint32_t row, struct first *x)
{
	struct day *d;
	struct place at = {0, row};
	int err;

	if (!part_row_live(p, row))
		return 0;
	err = days_open(v->days, s, segment_day_of(p->seg, row), &d);
	if (err)
		return err;
	while (at.slice < d->n_slices && d->slice[at.slice].part != p)
		at.slice++;
	if (at.slice < d->n_slices)
		err = day_settle_rows(d, at.slice, &row, 1);
	if (!err && at.slice < d->n_slices && slice_shows(&d->slice[at.slice], row) &&
		comes_before(d, at, x)) {
		day_unref(x->day);
		*x = (struct first){day_ref(d), at};
	}
	day_unref(d);
	return err;
}

int view_find_id(struct view *v, const struct snapshot *s, const char *name, size_t len, struct day **ret_day,
	struct place *ret)
{
	char raw[NAME_LEN_MAX + 1];
	size_t raw_len = 0;
	enum name_says says = len <= NAME_LEN_MAX ? name_read(name, len, raw, &raw_len) : NAME_NONE;
	struct wanted w = {.name = name, .len = len, .cut = says == NAME_HASH};
	struct first found = {0};
	int err = 0;

	if (says == NAME_NONE)
		return -ENOENT;
	w.id = (struct value){raw, (uint32_t)raw_len};
	w.by_hash = says == NAME_VALUE && read_hash(w.id, &w.hash);
	for (size_t i = 0; i < s->n && !err; i++) {
		struct part *p = s->part[i];

		for (uint32_t row = 0; (row = next_row(p->seg, &w, row)) < segment_rows(p->seg) && !err;
			row++)
			err = look_at(v, s, p, row, &found);
	}
	if (!err && !found.day)
		err = -ENOENT;
	err = view_trusted(s, err);
	if (err) {
		day_unref(found.day);
		return err;
	}
	*ret_day = found.day;
	*ret = found.at;
	return 0;
}
