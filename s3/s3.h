/*
 * The door of this folder: a bucket that can be listed and whose objects can be read. Signs, finds
 * credentials and region, retries, checks what came.
 *
 * Thread-safe: any thread may call any verb. Requests run on one thread of the client's own, many at a time
 * (`connections`), over kept connections.
 */
#ifndef S3_S3_H
#define S3_S3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define S3_KEY_MAX     1024
#define S3_MESSAGE_MAX 1024

struct s3;

struct s3_options {
	const char *bucket;
	const char *endpoint_url, *region, *profile, *expected_bucket_owner,
		*ca_bundle; /* NULL: as the environment and ~/.aws say */
	bool no_sign_request, request_payer, force_path_style;
	unsigned connections; /* requests in flight at most */
	unsigned timeout;     /* seconds without progress after which a request has failed for good */
	void (*log)(
		void *arg, int level, const char *text); /* 0 error .. 3 debug; never a secret; may be NULL */
	void *log_arg;
};

/* Everything is copied. Reads credentials lazily, at the first request. message: one line for people.
 * -EINVAL: an endpoint, region or profile that cannot be; -ENOMEM. */
int s3_open(const struct s3_options *o, struct s3 **ret, char message[S3_MESSAGE_MAX]);
void s3_start(struct s3 *s); /* starts the thread: after the process has gone to the background. Calls before
				it wait for it; s3_list() and s3_check() start it */
void s3_free(struct s3 *s);  /* cancels, joins */

/* Ends what is under way with -ECANCELED, and whatever comes later. */
void s3_cancel(struct s3 *s);
/* Reads credentials again at the next request. */
void s3_reload(struct s3 *s);
/* The custom endpoint's HOST[:PORT], or s3.amazonaws.com whatever the region, for names in the cache:
 * borrowed.
 */
const char *s3_host(const struct s3 *s);

/* How a request ended. status 0: no answer. error: see error.h's table. message: bucket, key, status, S3
 * code, request id and what to try. */
struct s3_result {
	int error, status;
	char code[64], message[S3_MESSAGE_MAX];
	char etag[160]; /* of a get: the object's, without quotes */
};

struct s3_object {
	const char *key; /* terminated; borrowed */
	uint64_t size;
	int64_t mtime;    /* ns since 1970 */
	const char *etag; /* without quotes; borrowed */
};

/* What the keys of a listing so far, and those of the page that follows, say of their order. One key says
 * nothing. */
enum s3_order {
	S3_ORDER_UNKNOWN,
	S3_ORDER_BYTES,
	S3_ORDER_NONE, /* nor does start_after mean anything */
};

/* One call per key (object) and per common prefix (prefix, terminated, delimiter at its end); negative ends
 * the listing and is returned. order: before the keys of which it is said, when it is no longer what it was.
 */
struct s3_list_sink {
	int (*object)(void *arg, const struct s3_object *o);
	int (*prefix)(void *arg, const char *prefix);
	int (*order)(void *arg, enum s3_order order);
	void *arg;
};

/* Lists all keys that begin with prefix, all pages, in the order of their bytes from all services but a few:
 * see the sink's order(). With delimiter '/' the level below it only.
 * delimiter '\0': none. start_after: NULL or a key. Blocks. 0 or result->error (result may be NULL). The sink
 * is called from the calling thread. */
int s3_list(struct s3 *s, const char *prefix, char delimiter, const char *start_after,
	const struct s3_list_sink *sink, struct s3_result *result);

/* The end of a get: data (len bytes, malloc'ed, yours) when result->error is 0. Called from the client's
 * thread, quickly please. result is borrowed. */
typedef void s3_got(void *arg, const struct s3_result *result, char *data, size_t len);

/*
 * Gets bytes first .. first + n - 1 of an object (n == 0: all of it, then the length must be `size`). etag,
 * when not NULL, must be that of the object (If-Match, and compared): -ESTALE when it is another one now. A
 * body that breaks off is continued from where it stopped. Never blocks; got() is always called, once.
 */
void s3_get(struct s3 *s, const char *key, uint64_t size, const char *etag, uint64_t first, uint64_t n,
	s3_got *got, void *arg);

/* Whether the bucket is there and may be listed: one page of one key. Blocks. */
int s3_check(struct s3 *s, const char *prefix, struct s3_result *result);

/* Seconds that the service's clock is ahead of ours, by its last listing; 0 before one. */
int64_t s3_clock_ahead(struct s3 *s);

struct s3_stats {
	uint64_t gets, lists, others, retries, throttled, failed, bytes; /* requests on the wire */
	unsigned in_flight;
};
struct s3_stats s3_stats(struct s3 *s);

/*
 * A process that has confined itself can neither open the user's files nor run a command. It asks a helper,
 * another process which it has started before. open(): a file for reading, a descriptor or negative errno.
 * run(): a socket (SOCK_SEQPACKET, yours) whose other end s3_run() has, or negative errno; the command writes
 * to `out`.
 */
struct s3_helper {
	int (*open)(void *arg, const char *path);
	int (*run)(void *arg, const char *line, int out);
	void *arg;
};
/* For all of the process; before it has threads. Borrowed. */
void s3_set_helper(const struct s3_helper *h);

/* The helper's side. Whether that is a file to which the environment or ~/.aws send us for credentials. */
bool s3_may_open(const char *path);
/* Runs it if it is some profile's credential_process, until it has ended or nobody has the other end of the
 * socket. out: closed when it is not needed any more; err, folder: standard error, working directory. */
void s3_run(const char *line, int out, int err, int folder, int socket);

/* Where `aws sso login` puts what we renew: malloc'ed, or NULL. */
char *s3_logins_folder(void);
/* What servers' certificates are checked by, where that is set: borrowed, or NULL. */
const char *s3_ca_bundle(const struct s3 *s);

#endif
