/*
 * Where objects come from: a directory or a bucket. A source lists and fetches; it keeps nothing, decides
 * nothing, and knows nothing of logs but what the key says.
 *
 * Thread-safe: any thread may call any verb, several at once.
 */
#ifndef FS_SOURCE_H
#define FS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/etag.h"
#include "render/key.h"

#define SOURCE_KEY_MAX     4096 /* bytes of a key; S3 allows 1,024, a directory PATH_MAX */
#define SOURCE_REASON_MAX  400
#define SOURCE_MESSAGE_MAX 1024
#define SOURCE_FETCH_MAX   (1ull << 30) /* bytes of an object that is fetched whole */
#define SOURCE_ALL_DAYS    INT32_MAX

/* An object as a listing shows it. key is borrowed for the call. */
struct source_object {
	const char *key;
	uint64_t size;
	int64_t mtime; /* nanoseconds since 1970 */
	uint64_t tag;  /* identity besides size and time: inode and change time, or a hash of the ETag. Equal
			  key, size, mtime and tag: equal bytes */
	struct etag etag; /* of an object of a bucket; only shown */
};

/* What is admitted at all: --since, --until, --account, --log-region. */
struct source_filter {
	int32_t first_day, last_day; /* key days, both included; INT32_MIN + 1 and INT32_MAX: no limit */
	const char *const *account, *const *region;
	size_t n_account, n_region;
};

/* Its days, of events from `since` to `until` (seconds since 1970; INT64_MIN, INT64_MAX: no limit): logs are
 * delivered late, a day's events may be in the next day's objects. */
void source_filter_range(struct source_filter *f, int64_t since, int64_t until);

/* Whether an object with such a key is listed, fetched and shown. A key that says nothing is admitted. */
bool source_filter_admits(const struct source_filter *f, const struct key_info *key);

struct source_sink {
	/* One object; in no particular order. Non-zero ends the listing, which then returns it. */
	int (*object)(void *arg, const struct source_object *o);
	/* A part of the source that could not be listed: its objects are not known. key ends in '/' (or is ""
	 * for all of it). */
	int (*problem)(void *arg, const char *key, int error, const char *reason);
	void *arg;
};

/* The end of one fetch: i = its place in the array. error 0: data (len bytes, yours to free()); else negative
 * errno and a reason for people: -ENOENT gone, -EACCES denied, -EKEYREJECTED: who asks is refused, whatever
 * it is, -ESTALE another object than the one listed, -EFBIG over SOURCE_FETCH_MAX, -EIO. Called once for
 * each, in any order, from any thread, before or after source_fetch() returns. */
typedef void source_done(void *arg, size_t i, int error, char *data, size_t len, const char *reason);

struct source {
	const struct source_ops *ops;
	char *id; /* names the source in the cache: "dir:/abs/path" or "s3://host/bucket/prefix" */
};

/* What a bucket was asked, since the start. A folder asks nothing. */
struct source_requests {
	uint64_t gets, lists, retries, throttled, failed, bytes;
	unsigned in_flight;
};

struct source_ops {
	int (*list)(
		struct source *s, int32_t day, const struct source_filter *f, const struct source_sink *sink);
	void (*fetch)(
		struct source *s, const struct source_object *o, size_t n, source_done *done, void *arg);
	int (*read)(struct source *s, const struct source_object *o, uint64_t offset, void *buf, size_t n,
		size_t *ret_n);
	void (*cancel)(struct source *s);
	void (*free)(struct source *s);
	/* May be NULL: see the verbs. */
	int (*check)(struct source *s);
	void (*reload)(struct source *s);
	void (*explain)(struct source *s, char message[SOURCE_MESSAGE_MAX]);
	struct source_requests (*requests)(struct source *s);
	bool (*doubt)(struct source *s, const struct source_object *o);
};

/*
 * Lists the admitted objects of one key day (and those without a day), or SOURCE_ALL_DAYS. 0; or a negative
 * errno when the listing as a whole failed, and then nothing may be concluded from objects that were not
 * seen. A filter of NULL admits all.
 */
int source_list(struct source *s, int32_t day, const struct source_filter *f, const struct source_sink *sink);

/* Fetches n objects whole, as many at once as the source thinks good. The array and the keys stay yours and
 * must live until the last done(). Verified: the length, and that it is the object that was listed. */
void source_fetch(struct source *s, const struct source_object *o, size_t n, source_done *done, void *arg);

/* The bytes that came of an object cannot be right: what is kept of them is forgotten, and the next fetch
 * asks where the object is. false: that would give the same bytes. */
bool source_doubt(struct source *s, const struct source_object *o);

/* Bytes offset.. of one object into buf; *ret_n < n only at its end. For objects that are not fetched whole.
 * Errors as source_done. */
int source_read(
	struct source *s, const struct source_object *o, uint64_t offset, void *buf, size_t n, size_t *ret_n);

/* Ends what is under way: calls return -ECANCELED soon, and so do later ones. */
void source_cancel(struct source *s);
void source_free(struct source *s);

/* Whether it is there and can be listed at all: 0, or why not, which source_explain() says. A folder was
 * opened.
 */
int source_check(struct source *s);
/* Reads credentials again at the next request. */
void source_reload(struct source *s);
/* Why the last listing or check failed, one line for people; "" where its errno says it all. */
void source_explain(struct source *s, char message[SOURCE_MESSAGE_MAX]);
struct source_requests source_requests(struct source *s);

/* A folder on this machine. skip: absolute paths inside it that are not part of it (the cache, the mount
 * point), NULL at the end. -ENOENT, -ENOTDIR, -EACCES... */
int source_dir_open(const char *path, const char *const *skip, struct source **ret);
/* Before it is listed: who opens for reading what we may not: key, a path below the folder. A descriptor, or
 * negative errno. */
void source_dir_entrust(struct source *s, int (*open)(void *arg, const char *key), void *arg);

/* NULL, false, 0: as the environment and ~/.aws say. Borrowed for the call. */
struct source_s3_options {
	const char *bucket, *prefix; /* prefix: ends in '/', or NULL */
	const char *endpoint_url, *region, *profile, *expected_bucket_owner, *ca_bundle;
	bool no_sign_request, request_payer, force_path_style;
	unsigned connections, timeout; /* timeout: seconds without progress */
};

/*
 * A bucket; nothing is asked of it yet. Keys are relative to the prefix, but keep its part from the first
 * AWSLogs component on. Listing one day asks for that day in the accounts and regions that the last full
 * listing found, and need not show objects without a day. -EINVAL, -ENOMEM; message says why.
 */
int source_s3_open(const struct source_s3_options *o, struct source **ret, char message[SOURCE_MESSAGE_MAX]);

/* What servers' certificates are checked by, where that is set: borrowed, or NULL. */
const char *source_s3_ca_bundle(const struct source *s);

/* Before its first listing: what it lists is kept there (fs/store/listings.h; borrowed), and days that are
 * closed are not listed again. */
struct listings;
void source_s3_keep(struct source *s, struct listings *listings);

#endif
