/*
 * The file format of packs. Little-endian; every record begins at a multiple of 8 bytes.
 *
 *   start    magic "trailpak" | version u32 | key day i32
 *   records  struct pack_head | key | data, filled up with zeros to a multiple of 8
 *            RECORD_OBJECT  an object's stored bytes
 *            RECORD_INDEX   no key; data: a struct pack_entry for each object before it, by hash;
 *                           struct pack_tail
 *            RECORD_DROPPED was an object; its bytes turned out to be wrong
 *
 * A pack is sealed when its last 32 bytes are the tail of an index. It may be taken up again: further objects
 * and a further index follow then, and the old index is dead. A record is good when its head's hash, which
 * covers the key, is right; data has a hash of its own, which is looked at whenever it is read. So nothing
 * need be flushed: what a crash has torn is not good, and ends the pack or is not found.
 *
 * Space is reserved with the mutex held and written to without it. What fails or dies in between leaves a
 * hole: an index goes over it, a scan ends at it.
 */
#ifndef FS_STORE_PACK_FILE_PRIVATE_H
#define FS_STORE_PACK_FILE_PRIVATE_H

#include <pthread.h>
#include <xxhash.h>

#include "fs/store/keymap.h"
#include "fs/store/pack_file.h"

#define PACK_MAGIC    "trailpak"
#define PACK_VERSION  1
#define PACK_RECORD   0x4b505254u
#define PACK_TAIL     0x4c49415454524b50ull
#define PACK_DATA_MAX ((uint64_t)2 << 30)

enum record_kind {
	RECORD_OBJECT = 1,
	RECORD_INDEX,
	RECORD_DROPPED
};

struct pack_start {
	char magic[8];
	uint32_t version;
	int32_t day;
};

struct pack_head {
	uint32_t magic, kind, key_len, data_len;
	uint64_t size;
	int64_t mtime;
	uint64_t tag, data_hash;
	uint64_t hash; /* of what is before it, and of the key */
};

struct pack_entry {
	uint64_t hash;           /* of the key */
	uint32_t offset, length; /* of the record, without filling; length 0: forgotten */
};

struct pack_tail {
	uint64_t magic, index, dead, hash; /* index: where its record begins; dead: bytes of indexes */
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are read as they lie in the file");
_Static_assert(sizeof(struct pack_head) == 56 && sizeof(struct pack_tail) == 32, "what the format says");

enum pack_state {
	READING,
	WRITING,
	SEALING /* no more appends; sealed by whoever ends last */
};

struct pack_file {
	unsigned refs; /* atomic */
	int fd;
	char name[PACK_NAME_MAX];

	pthread_mutex_t mutex; /* of all below; a leaf */
	enum pack_state state;
	unsigned appending;
	uint64_t end;  /* where the next record begins */
	uint64_t dead; /* bytes of old indexes */
	struct pack_entry *entry;
	size_t n, cap, sorted; /* the first `sorted` are by hash */
	struct keymap added;   /* the others */
};

static inline uint64_t pack_round_up(uint64_t n)
{
	return (n + 7) & ~(uint64_t)7;
}

static inline uint64_t pack_head_hash(const struct pack_head *h, const char *key)
{
	return XXH3_64bits_withSeed(key, h->key_len, XXH3_64bits(h, offsetof(struct pack_head, hash)));
}

int pack_disk_error(int errnum);
int pack_write_at(int fd, const void *p, size_t n, uint64_t offset);
/* -EBADMSG: the file ends before. */
int pack_read_at(int fd, void *p, size_t n, uint64_t offset);
/* F_WRLCK, F_UNLCK. 0; -EBUSY: another one has it. */
int pack_lock(int fd, short type);

/* With the mutex held, or before anybody else has the file. Room for one more entry. */
int pack_reserve_entry(struct pack_file *f);

/* Writes the index over whatever is behind the last record. Nobody appends. */
int pack_write_index(struct pack_file *f);

#endif
