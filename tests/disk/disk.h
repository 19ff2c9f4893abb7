/*
 * A disk that fails when a test wants it to, and what is left on it when the power goes.
 *
 * Programs called test_disk_* are linked so that the system calls with which the store looks at and changes
 * files come here first (--wrap: the list is in the Makefile). A table of functions in the store would do the
 * same, but all of its code would have to go through it, only for this, and a call that somebody forgets to
 * lead through it would not be tried. Between disk_begin() and disk_end() calls are counted, and the one that
 * is asked for fails, does half of what it should, or is the last thing that the process does.
 *
 * Nothing is ever flushed to the real disk: what would be on it is known from the record.
 */
#ifndef TESTS_DISK_H
#define TESTS_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- faults ---- */

enum disk_does {
	DISK_WORKS,
	DISK_FAILS_ONCE, /* the call `at`, with `error` */
	DISK_FAILS,      /* it and all after it */
	DISK_SHORT,      /* the read or write `at` does half of what it should */
	DISK_DIES,       /* the process ends before the call `at` */
	DISK_TEARS,      /* it ends in the middle of the write `at` */
};

struct disk_fault {
	enum disk_does does;
	int error;
	unsigned at; /* from 1; only calls that can fail in that way count */
};

#define DISK_DIED 77 /* the exit status of who died of it */

void disk_begin(struct disk_fault fault);
unsigned disk_end(void); /* how many calls have counted; the fault was met where that is `at` at least */

/* The process ends as if it were killed: no sanitizer waits for its threads, for a second each time. */
void disk_exit(int status) __attribute__((noreturn));

/* The program ends, saying where and under which fault; what: what should have been true. */
void disk_wrong(const char *file, int line, const char *what);
#define DISK_CHECK(what)                                                                                     \
	do {                                                                                                 \
		if (!(what))                                                                                 \
			disk_wrong(__FILE__, __LINE__, #what);                                               \
	} while (0)

/* What is said beside it. */
void disk_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- the files of a folder ---- */

#define DISK_NAME_MAX  48
#define DISK_FILES_MAX 160

struct disk_file {
	char name[DISK_NAME_MAX];
	char *data;
	size_t len;
};

struct disk_image {
	struct disk_file file[DISK_FILES_MAX];
	size_t n;
};

struct disk_image *disk_image_take(const char *folder);
struct disk_image *disk_image_copy(const struct disk_image *from);
void disk_image_free(struct disk_image *i);
/* The folder has these files from now on, and no others. */
void disk_image_put(const struct disk_image *i, const char *folder);
struct disk_file *disk_image_find(struct disk_image *i, const char *name);
/* NULL: no such file. Of a name that ends so, the n-th. */
struct disk_file *disk_image_ending(struct disk_image *i, const char *end, size_t n);

/* ---- the record of what was done to it ---- */

/* From now on until disk_record_stop() what this process does to the files of the folder is recorded, also if
 * it is forked off. before: what is in it. */
void disk_record(const char *folder, const struct disk_image *before);
void disk_record_stop(void);
size_t disk_record_length(void);
/* A note in it, at this moment; the number of notes of this kind among the first n. */
void disk_note(unsigned kind, const char *name);
size_t disk_notes(size_t n, unsigned kind, const char *name); /* name NULL: any */
const char *disk_note_at(size_t n, unsigned kind, size_t i);  /* NULL: there is no i-th */

/*
 * One of the states in which the disk may be when the power went after the first n. What was flushed is
 * there. All else may be or not be: the first states are the plain ones (all of it, none of it, names without
 * contents, contents without names), the others differ by chance, torn at sectors of 512 or 4096 bytes, in
 * any order.
 */
#define DISK_PLAIN_STATES 5
struct disk_image *disk_record_state(size_t n, unsigned state);

#endif
