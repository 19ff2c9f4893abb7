/*
 * The record of what was done to the files of a folder, and the states in which a disk may be from which the
 * power went. The record is in memory that is shared with processes that are forked off, so that it outlives
 * them.
 *
 * What counts as being on the disk for good: of a file, what was written before it was flushed; of the
 * folder, the names that were changed before that was. Renaming is atomic. Nothing else is promised by
 * anybody: names may change before the contents that they lead to are there, later writes before earlier
 * ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/disk/disk.h"
#include "tests/disk/disk_private.h"

#define STEPS_MAX 20000
#define BYTES_MAX (64u << 20)
#define FILES_MAX 512

enum step_kind {
	CREATE,
	WRITE,
	TRUNCATE,
	SYNC,
	SYNC_FOLDER,
	RENAME,
	UNLINK,
	NOTE
};

struct step {
	enum step_kind kind;
	unsigned file; /* CREATE to SYNC; NOTE: its kind */
	uint64_t offset, len;
	size_t data; /* place in bytes */
	char name[DISK_NAME_MAX], to[DISK_NAME_MAX];
};

struct record {
	pthread_mutex_t lock; /* robust: who ends a process holds it */
	dev_t dev;
	ino_t folder;
	ino_t inode[FILES_MAX]; /* by file; the last one that has it */
	unsigned files;
	size_t steps, bytes;
	struct step step[STEPS_MAX];
	char data[BYTES_MAX];
};

static struct record *record;
static struct disk_image *image_before;
static bool recording;

/* ---- recording ---- */

void disk_record_lock(void)
{
	if (recording && pthread_mutex_lock(&record->lock) == EOWNERDEAD)
		pthread_mutex_consistent(&record->lock);
}

void disk_record_unlock(void)
{
	if (recording)
		pthread_mutex_unlock(&record->lock);
}

/* Not fstat(): that would count. */
static ino_t inode_of(int dir, const char *path)
{
	struct statx x;

	return statx(dir, path, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_INO, &x) == 0 ? x.stx_ino : 0;
}

static struct step *add(enum step_kind kind, unsigned file, const char *name, const char *to)
{
	struct step *s = &record->step[record->steps++];

	DISK_CHECK(record->steps < STEPS_MAX);
	*s = (struct step){.kind = kind, .file = file};
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->to, sizeof(s->to), "%s", to);
	return s;
}

static int file_of(int fd)
{
	ino_t inode = recording ? inode_of(fd, "") : 0;

	for (unsigned i = inode ? record->files : 0; i-- > 0;)
		if (record->inode[i] == inode)
			return (int)i;
	return -1;
}

static bool is_folder(int dir)
{
	return recording && inode_of(dir, "") == record->folder;
}

static int new_file(int fd)
{
	DISK_CHECK(record->files < FILES_MAX);
	record->inode[record->files] = inode_of(fd, "");
	return (int)record->files++;
}

void disk_record_create(int fd, const char *name)
{
	if (recording && !strchr(name, '/'))
		add(CREATE, (unsigned)new_file(fd), name, "");
}

void disk_record_write(int fd, const void *p, size_t n, off_t offset)
{
	int file = file_of(fd);
	struct step *s;

	if (file < 0)
		return;
	s = add(WRITE, (unsigned)file, "", "");
	s->offset = (uint64_t)offset;
	s->len = n;
	s->data = record->bytes;
	DISK_CHECK(record->bytes + n <= BYTES_MAX);
	memcpy(record->data + record->bytes, p, n);
	record->bytes += n;
}

void disk_record_truncate(int fd, off_t len)
{
	int file = file_of(fd);

	if (file >= 0)
		add(TRUNCATE, (unsigned)file, "", "")->len = (uint64_t)len;
}

void disk_record_sync(int fd)
{
	int file = file_of(fd);

	if (file >= 0)
		add(SYNC, (unsigned)file, "", "");
	else if (is_folder(fd))
		add(SYNC_FOLDER, 0, "", "");
}

void disk_record_rename(int dir, const char *from, const char *to)
{
	if (is_folder(dir))
		add(RENAME, 0, from, to);
}

void disk_record_unlink(int dir, const char *name)
{
	if (is_folder(dir))
		add(UNLINK, 0, name, "");
}

void disk_note(unsigned kind, const char *name)
{
	disk_record_lock();
	if (recording)
		add(NOTE, kind, name, "");
	disk_record_unlock();
}

static void start_record(void)
{
	pthread_mutexattr_t shared;

	record = mmap(NULL, sizeof(*record), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	DISK_CHECK(record != MAP_FAILED);
	pthread_mutexattr_init(&shared);
	pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&record->lock, &shared);
	pthread_mutexattr_destroy(&shared);
}

void disk_record(const char *folder, const struct disk_image *before)
{
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (!record)
		start_record();
	DISK_CHECK(dir >= 0);
	disk_image_free(image_before);
	image_before = disk_image_copy(before);
	record->folder = inode_of(dir, "");
	record->files = 0;
	record->steps = record->bytes = 0;
	for (size_t i = 0; i < before->n; i++)
		record->inode[record->files++] = inode_of(dir, before->file[i].name);
	close(dir);
	recording = true;
}

void disk_record_stop(void)
{
	recording = false;
}

size_t disk_record_length(void)
{
	return record->steps;
}

size_t disk_notes(size_t n, unsigned kind, const char *name)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		const struct step *s = &record->step[i];

		found += s->kind == NOTE && s->file == kind && (!name || strcmp(s->name, name) == 0);
	}
	return found;
}

const char *disk_note_at(size_t n, unsigned kind, size_t i)
{
	for (size_t k = 0; k < n; k++) {
		const struct step *s = &record->step[k];

		if (s->kind == NOTE && s->file == kind && i-- == 0)
			return s->name;
	}
	return NULL;
}

/* ---- chance ---- */

static uint64_t chance;

static unsigned draw(unsigned below)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (unsigned)((chance >> 33) % below);
}

/* ---- contents ---- */

struct contents {
	char *data;
	size_t len;
};

static void resize(struct contents *c, size_t len)
{
	char *grown = realloc(c->data, len + 1);

	DISK_CHECK(grown);
	if (len > c->len)
		memset(grown + c->len, 0, len - c->len);
	c->data = grown;
	c->len = len;
}

static void apply(struct contents *c, const struct step *s)
{
	if (s->kind == TRUNCATE) {
		resize(c, s->len);
		return;
	}
	if (s->offset + s->len > c->len)
		resize(c, s->offset + s->len);
	memcpy(c->data + s->offset, record->data + s->data, s->len);
}

/* Some of the sectors that were written. */
static void apply_some(struct contents *c, const struct step *s)
{
	uint64_t sector = draw(2) ? 512 : 4096, end = s->offset + s->len;
	unsigned share = draw(3); /* few, half or most of them */

	if (s->kind == TRUNCATE) {
		if (draw(2))
			apply(c, s);
		return;
	}
	for (uint64_t at = s->offset, next; at < end; at = next) {
		next = (at / sector + 1) * sector;
		if (next > end)
			next = end;
		if (draw(4) > share)
			continue;
		struct step part = *s;

		part.offset = at;
		part.len = next - at;
		part.data += at - s->offset;
		apply(c, &part);
	}
}

enum share {
	NO_DATA,
	LENGTHS, /* as long as they would be, and zeros */
	SOME_DATA,
	ALL_DATA
};

/* What a file holds after the first n steps, of which those that were flushed are there. */
static struct contents contents_of(unsigned file, size_t n, enum share share)
{
	struct contents c = {NULL, 0}, full = {NULL, 0};
	size_t flushed = 0;

	if (file < image_before->n) {
		resize(&c, image_before->file[file].len);
		memcpy(c.data, image_before->file[file].data, c.len);
	} else {
		resize(&c, 0);
	}
	for (size_t i = 0; i < n; i++)
		if (record->step[i].kind == SYNC && record->step[i].file == file)
			flushed = i;
	resize(&full, c.len);
	for (size_t i = 0; i < n; i++) {
		const struct step *s = &record->step[i];

		if (s->file != file || (s->kind != WRITE && s->kind != TRUNCATE))
			continue;
		apply(&full, s);
		if (i < flushed || share == ALL_DATA)
			apply(&c, s);
		else if (share == SOME_DATA)
			apply_some(&c, s);
	}
	if (share == LENGTHS || (share == SOME_DATA && draw(2)))
		resize(&c, full.len);
	free(full.data);
	return c;
}

/* ---- names ---- */

struct names {
	struct {
		char name[DISK_NAME_MAX];
		unsigned file;
	} of[FILES_MAX];
	size_t n;
};

static int place_of(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->of[i].name, name) == 0)
			return (int)i;
	return -1;
}

static void take(struct names *names, const char *name)
{
	int at = place_of(names, name);

	if (at >= 0)
		names->of[at] = names->of[--names->n];
}

static void give(struct names *names, const char *name, unsigned file)
{
	take(names, name);
	snprintf(names->of[names->n].name, DISK_NAME_MAX, "%s", name);
	names->of[names->n++].file = file;
}

/* What `all` says that the step did to it; `some` follows if it is to. */
static void follow_step(const struct step *s, struct names *all, struct names *some, bool too)
{
	int at = s->kind == RENAME ? place_of(all, s->name) : -1;
	unsigned file = s->kind == CREATE ? s->file : at >= 0 ? all->of[at].file : 0;
	struct names *each[] = {all, too ? some : NULL};

	for (int i = 0; i < 2 && each[i]; i++) {
		if (s->kind != CREATE)
			take(each[i], s->name);
		if (s->kind != UNLINK)
			give(each[i], s->kind == CREATE ? s->name : s->to, file);
	}
}

enum order {
	NO_NAMES,
	FIRST_NAMES,
	ANY_NAMES,
	ALL_NAMES
};

static struct names *names_after(size_t n, enum order order)
{
	struct names *all = calloc(1, sizeof(*all)), *some = calloc(1, sizeof(*some));
	size_t flushed = 0, stop;

	DISK_CHECK(all && some);
	for (size_t i = 0; i < image_before->n; i++) {
		give(all, image_before->file[i].name, (unsigned)i);
		give(some, image_before->file[i].name, (unsigned)i);
	}
	for (size_t i = 0; i < n; i++)
		if (record->step[i].kind == SYNC_FOLDER)
			flushed = i;
	stop = flushed + draw((unsigned)(n - flushed) + 1);
	for (size_t i = 0; i < n; i++) {
		const struct step *s = &record->step[i];

		if (s->kind == CREATE || s->kind == RENAME || s->kind == UNLINK)
			follow_step(s, all, some,
				i < flushed || order == ALL_NAMES || (order == FIRST_NAMES && i < stop) ||
					(order == ANY_NAMES && draw(2)));
	}
	free(all);
	return some;
}

/* ---- states ---- */

struct disk_image *disk_record_state(size_t n, unsigned state)
{
	static const struct {
		enum order names;
		enum share data;
	} plain[DISK_PLAIN_STATES] = {
		{ALL_NAMES, ALL_DATA},
		{NO_NAMES, NO_DATA},
		{ALL_NAMES, NO_DATA},
		{ALL_NAMES, LENGTHS},
		{NO_NAMES, ALL_DATA},
	};
	struct disk_image *image = calloc(1, sizeof(*image));
	struct names *names;
	bool is_plain = state < DISK_PLAIN_STATES;

	DISK_CHECK(image);
	chance = 88172645463325252u + n * 7919 + (uint64_t)state * 104729;
	for (int i = 0; i < 8; i++)
		draw(2);
	names = names_after(n,
		is_plain ? plain[state].names : (enum order[]){FIRST_NAMES, ANY_NAMES, ALL_NAMES}[draw(3)]);
	for (size_t i = 0; i < names->n; i++) {
		enum share share = is_plain ? plain[state].data : (enum share)draw(4);
		struct contents c = contents_of(names->of[i].file, n, share);
		struct disk_file *f = &image->file[image->n++];

		DISK_CHECK(image->n < DISK_FILES_MAX);
		memcpy(f->name, names->of[i].name, DISK_NAME_MAX);
		f->data = c.data;
		f->len = c.len;
	}
	free(names);
	return image;
}
