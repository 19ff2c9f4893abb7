/*
 * Opens a segment: maps it, and checks checksums and then everything that the accessors rely on, so that they
 * need not. The checks over columns are vector loops and cost less than the checksums.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "fs/store/segment_map.h"

#define ANY UINT32_MAX /* a limit that is none: the number is only handed out */

static const void *section(const struct segment *s, int i)
{
	return (const char *)s->data + s->head->section[i].offset;
}

static uint32_t section_length(const struct segment *s, int i)
{
	return s->head->section[i].length;
}

/* Returns what is wrong, or NULL; so do all the checks. */
static const char *check_header(const struct segment *s)
{
	const struct segment_header *h = s->head;
	uint64_t at = sizeof *h;
	if (s->len < sizeof *h || memcmp(h->magic, SEGMENT_MAGIC, sizeof h->magic) != 0)
		return "not a segment";
	if (h->version != SEGMENT_VERSION || h->sections != SECTION_COUNT)
		return "segment of another version";
	if (XXH3_64bits(h, offsetof(struct segment_header, checksum)) != h->checksum)
		return "checksum of the header";
	if (h->length != s->len || h->length > UINT32_MAX)
		return "length of the file";
	for (int i = 0; i < SECTION_COUNT; i++) {
		if (h->section[i].offset != at)
			return "table of sections";
		at += segment_fill(h->section[i].length);
		if (at > h->length)
			return "table of sections";
	}
	return at == h->length ? NULL : "table of sections";
}

static const char *check_sums(const struct segment *s)
{
	for (int i = 0; i < SECTION_COUNT; i++)
		if (XXH3_64bits(section(s, i), segment_fill(section_length(s, i))) !=
			s->head->section[i].checksum)
			return "checksum of a section";
	return NULL;
}

static const char *check_objects(struct segment *s)
{
	uint32_t n = s->head->objects, strings = section_length(s, SECTION_STRINGS);
	uint64_t first = 0;
	s->object = section(s, SECTION_OBJECTS);
	s->strings = section(s, SECTION_STRINGS);
	if (section_length(s, SECTION_OBJECTS) != (uint64_t)n * sizeof *s->object)
		return "table of objects";
	if (strings == 0 || s->strings[strings - 1] != '\0')
		return "strings of objects";
	for (uint32_t i = 0; i < n; i++) {
		const struct segment_object_entry *e = &s->object[i];
		if (e->key >= strings || e->problem >= strings)
			return "strings of objects";
		if (e->first != first)
			return "rows of objects";
		first += e->rows;
	}
	return first == s->head->rows ? NULL : "rows of objects";
}

static const char *check_days(struct segment *s)
{
	uint32_t n = s->head->days, row = 0;
	s->day = section(s, SECTION_DAYS);
	if (section_length(s, SECTION_DAYS) != (uint64_t)n * sizeof *s->day)
		return "table of days";
	for (uint32_t i = 0; i < n; i++) {
		const struct segment_day *d = &s->day[i];
		bool undated = i == 0 && d->day == SEGMENT_UNDATED;
		if (!undated && (d->day < SEGMENT_DAY_MIN || d->day > SEGMENT_DAY_MAX))
			return "event days";
		if ((i > 0 && d->day <= d[-1].day) || d->first != row || d->end <= row)
			return "event days";
		row = d->end;
	}
	return row == s->head->rows ? NULL : "event days";
}

/* A column of n numbers, all below limit. */
static const char *check_column(
	const struct segment *s, int i, uint32_t n, bool plain, uint32_t limit, struct column *ret)
{
	const struct segment_table_entry *e = &s->head->section[i];
	*ret = (struct column){(uint8_t *)s->data + e->offset, e->base, e->width};
	if (e->width > 4 || e->length != (uint64_t)n * e->width || (plain && !column_is_plain(ret)))
		return "width of a column";
	if (limit != ANY && !column_below(ret, n, limit))
		return "number in a column";
	return NULL;
}

static const char *check_columns(struct segment *s)
{
	struct {
		int section;
		uint32_t limit;
		struct column *column;
	} all[] = {
		{SECTION_SECOND, 86400, &s->second},
		{SECTION_OBJECT, s->head->objects, &s->of_object},
		{SECTION_ORDINAL, ANY, &s->ordinal},
		{SECTION_OFFSET, ANY, &s->offset},
		{SECTION_LENGTH, ANY, &s->length},
		{SECTION_PRETTY, ANY, &s->pretty},
		{SECTION_MINIFIED, ANY, &s->minified},
		{SECTION_ID_KIND, ID_KINDS, &s->id_kind},
		{SECTION_PLACE, s->head->rows, &s->place},
	};
	const char *wrong = NULL;
	for (size_t i = 0; i < sizeof all / sizeof *all && !wrong; i++)
		wrong = check_column(s, all[i].section, s->head->rows, false, all[i].limit, all[i].column);
	s->hash = section(s, SECTION_HASH);
	if (section_length(s, SECTION_HASH) != (uint64_t)s->head->rows * sizeof *s->hash)
		wrong = "hashes";
	return wrong;
}

static const char *check_ids(struct segment *s)
{
	uint32_t n = s->head->rows, text = section_length(s, SECTION_ID_TEXT), at[2];
	s->id = section(s, SECTION_ID);
	s->id_text = section(s, SECTION_ID_TEXT);
	if (s->id_kind.width == 0 && s->id_kind.base == ID_NONE)
		return NULL;
	if (section_length(s, SECTION_ID) != (uint64_t)n * sizeof *s->id)
		return "event IDs";
	if (s->id_kind.width == 0 && s->id_kind.base == ID_GUID)
		return NULL;
	for (uint32_t i = 0; i < n; i++) {
		if (column_get(&s->id_kind, i) != ID_TEXT)
			continue;
		memcpy(at, s->id[i], sizeof at);
		if ((uint64_t)at[0] + at[1] > text)
			return "event IDs";
	}
	return NULL;
}

static const char *check_values(struct segment *s, enum facet f)
{
	struct dictionary *d = &s->values[f];
	uint32_t text = section_length(s, SECTION_VALUE_TEXT + (int)f);
	d->start = section(s, SECTION_VALUE_START + (int)f);
	d->text = section(s, SECTION_VALUE_TEXT + (int)f);
	d->newest = section(s, SECTION_VALUE_NEWEST + (int)f);
	d->n = section_length(s, SECTION_VALUE_NEWEST + (int)f) / sizeof *d->newest;
	if (section_length(s, SECTION_VALUE_NEWEST + (int)f) != d->n * sizeof *d->newest ||
		section_length(s, SECTION_VALUE_START + (int)f) != ((uint64_t)d->n + 1) * sizeof *d->start)
		return "dictionary";
	for (uint32_t i = 0; i < d->n; i++)
		if (d->start[i] > d->start[i + 1])
			return "dictionary";
	return d->start[d->n] <= text ? NULL : "dictionary";
}

/* Codes are places in the dictionaries; one more means absent, but for resources. */
static const char *check_codes(struct segment *s, enum facet f)
{
	uint32_t n = s->head->rows;
	uint32_t limit = s->values[f].n + 1;
	const char *wrong;
	if (f == FACET_RESOURCE) {
		wrong = check_column(s, SECTION_RESOURCE, n + 1, true, ANY, &s->resource);
		if (wrong)
			return wrong;
		if (!column_ascends(&s->resource, n + 1))
			return "resources of rows";
		n = column_get(&s->resource, n);
		limit--;
	}
	return check_column(s, SECTION_CODE + (int)f, n, true, limit, &s->code[f]);
}

static const char *check(struct segment *s)
{
	const char *wrong = check_header(s);
	if (!wrong)
		wrong = check_sums(s);
	if (!wrong)
		wrong = check_objects(s);
	if (!wrong)
		wrong = check_days(s);
	if (!wrong)
		wrong = check_columns(s);
	if (!wrong)
		wrong = check_ids(s);
	for (int f = 0; f < FACET_COUNT && !wrong; f++) {
		wrong = check_values(s, (enum facet)f);
		if (!wrong)
			wrong = check_codes(s, (enum facet)f);
	}
	return wrong;
}

int segment_open_memory(void *data, size_t len, void (*release)(void *data, size_t len), struct segment **ret,
	const char **ret_reason)
{
	struct segment *s = calloc(1, sizeof *s);
	const char *wrong;
	if (!s) {
		*ret_reason = "no memory";
		return -ENOMEM;
	}
	atomic_init(&s->refs, 1);
	s->data = data;
	s->len = len;
	s->release = release;
	s->head = data;
	wrong = check(s);
	if (wrong) {
		free(s);
		*ret_reason = wrong;
		return -EBADMSG;
	}
	*ret = s;
	return 0;
}

static void unmap(void *data, size_t len)
{
	munmap(data, len);
}

static int map_file(int fd, void **ret_data, size_t *ret_len, const char **ret_reason)
{
	struct stat st;
	*ret_reason = "cannot be read";
	if (fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(struct segment_header) ||
		st.st_size > UINT32_MAX) {
		*ret_reason = "not a segment";
		return -EBADMSG;
	}
	/* All of it is read at once for the checksums: populating is cheaper than a fault for each page. */
	void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (data == MAP_FAILED)
		return -errno;
	*ret_data = data;
	*ret_len = (size_t)st.st_size;
	return 0;
}

int segment_open(const char *path, struct segment **ret, const char **ret_reason)
{
	void *data = NULL;
	size_t len = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;
	if (fd < 0) {
		rc = -errno;
		*ret_reason = "cannot be opened";
		return rc;
	}
	rc = map_file(fd, &data, &len, ret_reason);
	close(fd);
	if (rc < 0)
		return rc;
	rc = segment_open_memory(data, len, unmap, ret, ret_reason);
	if (rc < 0)
		munmap(data, len);
	return rc;
}
