/*
 * How listings are kept: one file, `listings`, of records, one after another at multiples of 8 bytes. It only
 * grows, until it is written anew because too much of it is dead.
 *
 *   struct listings_head | prefix | objects, compressed (zlib) | zeros to a multiple of 8
 *
 * The objects in key order, each: bytes shared with the key before it, bytes that follow, these; size; time;
 * tag; whether the ETag is kept, then its digest and number of parts. Numbers are 7 bits a byte, the lowest
 * first; the time is the difference to the one before, in seconds or nanoseconds (a byte says which), zigzag.
 *
 * A record says what days first..last of a prefix hold; a later one counts instead of an earlier one for the
 * days that they share. So what is known of a prefix is a list of pieces that do not overlap, each a part of
 * one record's days. Whoever appends has the file locked, and cuts off what a crash has torn.
 */
#ifndef FS_STORE_LISTINGS_PRIVATE_H
#define FS_STORE_LISTINGS_PRIVATE_H

#include <pthread.h>

#include "fs/store/listings.h"
#include "render/buf.h"

#define LISTINGS_MAGIC 0x3250534cu
#define LISTINGS_CHUNK (256u << 10) /* bytes of objects after which a record ends with the day */
#define LISTINGS_BOUND (SOURCE_KEY_MAX + 16)

struct listings_head {
	uint32_t magic, kind, prefix_len, objects;
	int32_t first, last;
	int64_t started;
	uint32_t closed, raw_len, data_len, zero;
	uint64_t raw_hash, data_hash;
	uint64_t hash; /* of what is before it, and of the prefix */
};

struct listings_record {
	struct listings_head head;
	uint64_t offset; /* in the file */
	unsigned refs;   /* pieces */
};

struct listings_piece {
	int32_t first, last;
	struct listings_record *record;
};

/* A prefix; pieces by day. */
struct listings_unit {
	enum listing_kind kind;
	char *prefix;
	struct listings_piece *piece;
	size_t n;
};

struct listings {
	int dir; /* -1: keeps nothing */
	pthread_mutex_t mutex;
	int fd;
	uint64_t end;                /* of what is known of the file */
	uint64_t live, dead;         /* bytes of records */
	struct listings_unit **unit; /* by prefix and kind */
	size_t n, cap, records;
	int64_t expired;
	int64_t failed; /* when the last listing began that was not kept */
	bool said;
};

/* ---- listings_code.c: objects as bytes ---- */

struct listings_coder {
	struct buf raw;
	uint32_t objects;
	int64_t mtime;
	size_t key_len;
	char key[SOURCE_KEY_MAX + 1]; /* the last one */
};

void listings_code(struct listings_coder *c, const struct source_object *o);
void listings_coder_restart(struct listings_coder *c); /* what comes next is a record of its own */

/* Coded objects, one after another. */
struct listings_cursor {
	const char *p, *end;
	uint32_t left;
	size_t key_len;
	struct source_object o; /* the one that listings_next() came to */
	char key[SOURCE_KEY_MAX + 1];
};

void listings_cursor_init(struct listings_cursor *c, const char *raw, size_t len, uint32_t objects);
/* 1: c->o; 0: there are no more; -EBADMSG. */
int listings_next(struct listings_cursor *c);

/* Shows the objects whose keys are > after and <= upto ("" and NULL: all). 0, -EBADMSG, or what the sink
 * returned. */
int listings_decode(const char *raw, size_t len, uint32_t objects, const char *after, const char *upto,
	const struct source_sink *sink);

/* A record's bytes, the head filled in: new; NULL: no memory. */
char *listings_pack(struct listings_head *head, const char *prefix, const char *raw, size_t *ret_len);

/* ---- listings_file.c: the file and what is known of it; with the mutex held ---- */

uint64_t listings_head_hash(const struct listings_head *h, const char *prefix);
struct listings_unit *listings_unit(struct listings *l, enum listing_kind kind, const char *prefix);

/* The piece that a day is in; NULL: none, or no unit. */
struct listings_piece *listings_piece_of(const struct listings_unit *u, int32_t day);

/* Looks what others have added. */
int listings_sync(struct listings *l);
/* The same, and whether there is something behind it that cannot be read: damaged, or cut by a crash. */
int listings_sync_all(struct listings *l, bool *ret_torn);

/* Adds records (as listings_pack() makes them), all or (on the disk) none. */
int listings_append(struct listings *l, const char *data, size_t len);

/* A record's objects: *ret is new. -EBADMSG, -EIO, -ENOMEM. */
int listings_load(struct listings *l, const struct listings_record *r, char **ret);

/* Forgets a record that cannot be read: the days are as if they had not been kept. */
void listings_forget(struct listings *l, struct listings_unit *u, const struct listings_record *r);

#endif
