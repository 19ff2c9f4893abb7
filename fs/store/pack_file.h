/*
 * One pack: a file that holds the stored bytes of many objects of one key day, one after another, with a
 * checksum for each. It only grows; what it held it holds on. Who writes has it locked (an OFD lock, which
 * ends with the process); when it is sealed an index of it is added, so that opening it costs no pass over
 * the data.
 *
 * Thread-safe and counted. Reading and appending hold no lock while they wait for the disk.
 */
#ifndef FS_STORE_PACK_FILE_H
#define FS_STORE_PACK_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/source.h"

#define PACK_FILE_MAX ((uint64_t)64 << 20) /* a pack that has so many bytes gets no more objects */
#define PACK_NAME_MAX 32

struct pack_file;

/* Whether this is a pack's name: 8 hex digits of its key day, 8 random ones, ".pack". In the order of names
 * is in the order of days. */
bool pack_name_parse(const char *name, int32_t *ret_day);

/* A new one to append to; ret_name has room for PACK_NAME_MAX. dir: the folder's descriptor. */
int pack_file_create(int dir, int32_t day, char *ret_name, struct pack_file **ret);

/*
 * Opens one for reading. Where its writer has died it is cut back to its last whole record and sealed; where
 * he lives, what he has written so far is seen (*ret_live). -ENOENT: not there, or there was nothing in it
 * (it is removed). -EBADMSG: no pack (it is removed, too). -ENOMEM, -EMFILE...
 */
int pack_file_open(int dir, const char *name, bool *ret_live, struct pack_file **ret);

/* Opens a sealed one to append to it. -EBUSY: somebody writes to it, or it is not worth it: it is large, or
 * too much of it would be old indexes. Else as above. */
int pack_file_reopen(int dir, const char *name, struct pack_file **ret);

struct pack_file *pack_file_ref(struct pack_file *f);
void pack_file_unref(struct pack_file *f); /* the last one closes; it does not seal */

/* Bytes that an object costs. */
uint64_t pack_record_size(const struct source_object *o);

/* Adds an object's bytes, which are o->size. -EAGAIN: it is full or being sealed: take another pack. -ENOSPC,
 * -EIO...: it is as if nothing had been done (but perhaps the pack takes no more). */
int pack_file_append(struct pack_file *f, const struct source_object *o, const void *data);

/* An object's bytes: *ret is new, one byte past its end is '\0'. -ENOENT: not in it (what is damaged is
 * forgotten, with a word in the log). -EIO, -ENOMEM. */
int pack_file_read(struct pack_file *f, const struct source_object *o, char **ret);

/* Makes sure that these bytes of an object are found no more, by nobody. */
void pack_file_drop(struct pack_file *f, const struct source_object *o);

/* Takes no more objects; writes the index when the last append is through, and lets go of the lock. Nothing
 * is lost where that fails: the next one who opens it does it. */
void pack_file_seal(struct pack_file *f);

uint64_t pack_file_bytes(struct pack_file *f);

#endif
