/*
 * Opens a segment, and checks it: checksums, and then everything that the accessors rely on, so that they
 * need not. The checks over columns are vector loops and cost less than the checksums.
 *
 * Header, objects and days are checked at open, so that opening costs nothing per event; the rest by groups,
 * each when an accessor first needs it. What is bad answers nothing from then on.
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

/* Whether the disk gives a part that is going to be read; then it is there without a fault for each page. To
 * touch what it does not give (a bad sector, a file that was cut off) would end the process. */
static bool readable(const struct segment *s, uint64_t offset, uint64_t length)
{
#ifdef MADV_POPULATE_READ
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)s->data + offset,
		  from = at & ~(page - 1);

	return !s->mapped || length == 0 ||
	       madvise((void *)from, at + length - from, MADV_POPULATE_READ) == 0 ||
	       (errno != EFAULT && errno != EHWPOISON); /* else an old kernel, or no memory for it */
#else
	(void)s;
	(void)offset;
	(void)length;
	return true;
#endif
}

/* Returns what is wrong, or NULL; so do all the checks. */
static const char *check_header(const struct segment *s)
{
	const struct segment_header *h = s->head;
	uint64_t at = sizeof *h;
	if (s->len >= sizeof *h && !readable(s, 0, sizeof *h))
		return "cannot be read";
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

static const char *check_sum(const struct segment *s, int i)
{
	if (!readable(s, s->head->section[i].offset, section_length(s, i)))
		return "cannot be read";
	return XXH3_64bits(section(s, i), segment_fill(section_length(s, i))) == s->head->section[i].checksum
		       ? NULL
		       : "checksum of a section";
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

/* ---- where everything is ---- */

static const char *place_column(const struct segment *s, int i, uint64_t n, bool plain, struct column *ret)
{
	const struct segment_table_entry *e = &s->head->section[i];
	*ret = (struct column){(uint8_t *)s->data + e->offset, e->base, e->width};
	return e->width > 4 || e->length != n * e->width || (plain && !column_is_plain(ret))
		       ? "width of a column"
		       : NULL;
}

static const char *place_columns(struct segment *s)
{
	struct {
		int section;
		struct column *column;
	} all[] = {
		{SECTION_SECOND, &s->second},
		{SECTION_OBJECT, &s->of_object},
		{SECTION_ORDINAL, &s->ordinal},
		{SECTION_OFFSET, &s->offset},
		{SECTION_LENGTH, &s->length},
		{SECTION_PRETTY, &s->pretty},
		{SECTION_MINIFIED, &s->minified},
		{SECTION_ID_KIND, &s->id_kind},
		{SECTION_PLACE, &s->place},
	};
	const char *wrong = NULL;
	for (size_t i = 0; i < sizeof all / sizeof *all && !wrong; i++)
		wrong = place_column(s, all[i].section, s->head->rows, false, all[i].column);
	s->hash = section(s, SECTION_HASH);
	if (section_length(s, SECTION_HASH) != (uint64_t)s->head->rows * sizeof *s->hash)
		wrong = "hashes";
	s->id = section(s, SECTION_ID);
	s->id_text = section(s, SECTION_ID_TEXT);
	if (!(s->id_kind.width == 0 && s->id_kind.base == ID_NONE) &&
		section_length(s, SECTION_ID) != (uint64_t)s->head->rows * sizeof *s->id)
		wrong = "event IDs";
	return wrong;
}

static const char *place_values(struct segment *s, enum facet f)
{
	struct dictionary *d = &s->values[f];
	d->start = section(s, SECTION_VALUE_START + (int)f);
	d->text = section(s, SECTION_VALUE_TEXT + (int)f);
	d->newest = section(s, SECTION_VALUE_NEWEST + (int)f);
	d->n = section_length(s, SECTION_VALUE_NEWEST + (int)f) / sizeof *d->newest;
	if (section_length(s, SECTION_VALUE_NEWEST + (int)f) != d->n * sizeof *d->newest ||
		section_length(s, SECTION_VALUE_START + (int)f) != ((uint64_t)d->n + 1) * sizeof *d->start)
		return "dictionary";
	if (f == FACET_RESOURCE) /* its codes: as many as these say */
		return place_column(s, SECTION_RESOURCE, (uint64_t)s->head->rows + 1, true, &s->resource);
	return place_column(s, SECTION_CODE + (int)f, s->head->rows, true, &s->code[f]);
}

static const char *open_all(struct segment *s)
{
	const char *wrong = check_header(s);
	for (int i = SECTION_OBJECTS; i <= SECTION_DAYS && !wrong; i++)
		wrong = check_sum(s, i);
	if (!wrong)
		wrong = check_objects(s);
	if (!wrong)
		wrong = check_days(s);
	if (!wrong)
		wrong = place_columns(s);
	for (int f = 0; f < FACET_COUNT && !wrong; f++)
		wrong = place_values(s, (enum facet)f);
	return wrong;
}

/* ---- groups ---- */

/* All below limit. */
static const char *check_column(const struct segment *s, int i, const struct column *c, uint32_t limit)
{
	const char *wrong = check_sum(s, i);
	return wrong ? wrong : column_below(c, s->head->rows, limit) ? NULL : "number in a column";
}

static const char *check_times(const struct segment *s)
{
	const char *wrong = check_column(s, SECTION_SECOND, &s->second, 86400);
	return wrong ? wrong : check_column(s, SECTION_OBJECT, &s->of_object, s->head->objects);
}

static const char *check_ids(const struct segment *s)
{
	uint32_t text = section_length(s, SECTION_ID_TEXT), at[2];
	if (s->id_kind.width == 0 && s->id_kind.base != ID_TEXT)
		return NULL;
	for (uint32_t i = 0; i < s->head->rows; i++) {
		if (column_get(&s->id_kind, i) != ID_TEXT)
			continue;
		memcpy(at, s->id[i], sizeof at);
		if ((uint64_t)at[0] + at[1] > text)
			return "event IDs";
	}
	return NULL;
}

static const char *check_rows(const struct segment *s)
{
	static const int any[] = {SECTION_ORDINAL, SECTION_OFFSET, SECTION_LENGTH, SECTION_PRETTY,
		SECTION_MINIFIED, SECTION_HASH, SECTION_ID, SECTION_ID_TEXT};
	const char *wrong = check_column(s, SECTION_ID_KIND, &s->id_kind, ID_KINDS);
	if (!wrong)
		wrong = check_column(s, SECTION_PLACE, &s->place, s->head->rows);
	for (size_t i = 0; i < sizeof any / sizeof *any && !wrong; i++)
		wrong = check_sum(s, any[i]);
	return wrong ? wrong : check_ids(s);
}

static const char *check_values(const struct segment *s, enum facet f)
{
	const struct dictionary *d = &s->values[f];
	const char *wrong = check_sum(s, SECTION_VALUE_START + (int)f);
	if (!wrong)
		wrong = check_sum(s, SECTION_VALUE_TEXT + (int)f);
	if (!wrong)
		wrong = check_sum(s, SECTION_VALUE_NEWEST + (int)f);
	for (uint32_t i = 0; i < d->n && !wrong; i++)
		if (d->start[i] > d->start[i + 1])
			wrong = "dictionary";
	if (!wrong && d->start[d->n] > section_length(s, SECTION_VALUE_TEXT + (int)f))
		wrong = "dictionary";
	return wrong;
}

static const char *check_resources(struct segment *s)
{
	uint32_t n = s->head->rows;
	struct column *c = &s->code[FACET_RESOURCE];
	const char *wrong = check_sum(s, SECTION_RESOURCE);
	if (wrong)
		return wrong;
	if (!column_ascends(&s->resource, n + 1))
		return "resources of rows";
	n = column_get(&s->resource, n);
	wrong = place_column(s, SECTION_CODE + FACET_RESOURCE, n, true, c);
	if (!wrong)
		wrong = check_sum(s, SECTION_CODE + FACET_RESOURCE);
	return wrong ? wrong : column_below(c, n, s->values[FACET_RESOURCE].n) ? NULL : "number in a column";
}

/* Codes are places in the dictionaries; one more means absent, but for resources. */
static const char *check_codes(struct segment *s, enum facet f)
{
	if (f == FACET_RESOURCE)
		return check_resources(s);
	return check_column(s, SECTION_CODE + (int)f, &s->code[f], s->values[f].n + 1);
}

static const char *check_group(struct segment *s, uint32_t group)
{
	for (int f = 0; f < FACET_COUNT; f++) {
		if (group == GROUP_VALUES(f))
			return check_values(s, (enum facet)f);
		if (group == GROUP_CODES(f))
			return check_codes(s, (enum facet)f);
	}
	return group == GROUP_TIMES ? check_times(s) : check_rows(s);
}

bool segment_check_groups(const struct segment *is, uint32_t groups)
{
	struct segment *s = (struct segment *)is;
	pthread_mutex_lock(&s->check);
	for (uint32_t group = 1; group & GROUP_ALL; group <<= 1) {
		uint32_t known = atomic_load(&s->good) | atomic_load(&s->bad);
		const char *wrong;
		if (!(group & groups) || group & known)
			continue;
		wrong = check_group(s, group);
		s->wrong = s->wrong ? s->wrong : wrong;
		if (wrong)
			atomic_fetch_or(&s->bad, group);
		else
			atomic_fetch_or_explicit(&s->good, group, memory_order_release);
	}
	pthread_mutex_unlock(&s->check);
	return (atomic_load(&s->good) & groups) == groups;
}

int segment_check(const struct segment *s, const char **ret_reason)
{
	if (segment_good(s, GROUP_ALL))
		return 0;
	pthread_mutex_lock(&((struct segment *)s)->check);
	*ret_reason = s->wrong;
	pthread_mutex_unlock(&((struct segment *)s)->check);
	return -EBADMSG;
}

bool segment_check_events(const struct segment *s)
{
	return segment_good(s, GROUP_EVENTS);
}

bool segment_is_bad(const struct segment *s)
{
	return atomic_load(&s->bad) != 0;
}

/* ---- opening ---- */

static int open_bytes(void *data, size_t len, void (*release)(void *data, size_t len), bool mapped,
	struct segment **ret, const char **ret_reason)
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
	s->mapped = mapped;
	wrong = open_all(s);
	if (wrong) {
		free(s);
		*ret_reason = wrong;
		return -EBADMSG;
	}
	pthread_mutex_init(&s->check, NULL);
	*ret = s;
	return 0;
}

int segment_open_memory(void *data, size_t len, void (*release)(void *data, size_t len), struct segment **ret,
	const char **ret_reason)
{
	return open_bytes(data, len, release, false, ret, ret_reason);
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
	void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
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
	/* What was put there in a file's place is neither followed nor, if it is a pipe, waited for. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC), rc;
	if (fd < 0) {
		rc = errno == ELOOP ? -EBADMSG : -errno;
		*ret_reason = "cannot be opened";
		return rc;
	}
	rc = map_file(fd, &data, &len, ret_reason);
	close(fd);
	if (rc < 0)
		return rc;
	rc = open_bytes(data, len, unmap, true, ret, ret_reason);
	if (rc < 0)
		munmap(data, len);
	return rc;
}
