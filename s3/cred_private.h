/*
 * What the places that keys come from have in common. Only one thread at a time is here: the one that
 * fetches.
 *
 * A place gives 0 and *ret; or -ENOENT: it is not set up; or another error: it is set up and failed, which
 * ends the search. In both of the latter cases it has said why with cred_fail(). No secret is ever said.
 */
#ifndef S3_CRED_PRIVATE_H
#define S3_CRED_PRIVATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "s3/credentials.h"
#include "s3/http.h"
#include "s3/profile.h"

#define CRED_MESSAGE_MAX 512
#define CRED_TOKEN_MAX   16384 /* of a session token, of an identity token */

/* Milliseconds, but for tries. */
struct cred_limits {
	unsigned imds, container, sts, sso; /* one try of a request; all of its tries: twice that */
	unsigned process;                   /* until it has ended */
	unsigned all;                       /* whatever a search asks, together */
	unsigned tries, pause;              /* of a request that may succeed later; doubles */
	unsigned again;                     /* seconds between two searches */
};
void credentials_limits(struct credentials *c, const struct cred_limits *l); /* for tests: before any get */

struct cred_net {
	_Atomic(struct http *) http[2]; /* [1]: never through a proxy. Made when they are needed */
	atomic_bool cancelled;
};

struct cred_context {
	int64_t now;
	const struct profile_set *files; /* NULL: they cannot be read, files_wrong says why */
	const char *files_wrong;
	const char *profile;
	bool profile_asked;    /* by an option: goes before the environment's keys */
	bool profile_named;    /* by an option or the environment: must be there */
	const char *region;    /* an option, or NULL */
	const char *ca_bundle; /* an option, or NULL */
	struct cred_limits limits;
	int64_t end; /* of the search, by cred_clock() */
	struct cred_net *net;
	char where[160]; /* the place, for messages and struct keys_found */
	char *message;   /* CRED_MESSAGE_MAX */
	void (*log)(void *arg, int level, const char *text);
	void *log_arg;
};

/* The order of places (cred_chain.c), and a profile (cred_profile.c). */
int cred_chain(struct cred_context *c, struct keys_found **ret);
int cred_profile(struct cred_context *c, struct keys_found **ret);

/* The places. */
int cred_env(struct cred_context *c, struct keys_found **ret);
int cred_container(struct cred_context *c, struct keys_found **ret);
int cred_imds(struct cred_context *c, struct keys_found **ret);
int cred_process(struct cred_context *c, const char *line, struct keys_found **ret);
int cred_sso(struct cred_context *c, const char *profile, struct keys_found **ret);

struct cred_role {
	const char *arn, *session_name, *external_id, *duration, *token_file; /* NULL: not said */
};
int cred_assume(struct cred_context *c, const struct cred_role *role, const struct keys_found *by,
	struct keys_found **ret);
int cred_web_identity(struct cred_context *c, const struct cred_role *role, struct keys_found **ret);

/* Says "WHERE: text" and returns error. */
int cred_fail(struct cred_context *c, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void cred_at(struct cred_context *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cred_log(struct cred_context *c, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Copies them; the source is c->where. Refuses what cannot be sent in a header. token: may be NULL. */
int cred_keys(struct cred_context *c, const char *access_key, const char *secret, const char *token,
	int64_t expires, struct keys_found **ret);
/* The same of a JSON object: what people call it, the names of its members. Where token or expires is absent
 * there is none. */
struct cred_names {
	const char *answer, *access_key, *secret, *token, *expires;
};
int cred_keys_json(
	struct cred_context *c, const json_t *json, const struct cred_names *names, struct keys_found **ret);
/* Parses a whole text; NULL when it is no JSON object. */
json_t *cred_json(const char *data, size_t len);

/*
 * One request, and again while the answer is one that may be another later. 0: an answer came, whatever its
 * status; http_answer_clear() it. Else it is said why not. limit: milliseconds for each try, and half of
 * those for all.
 */
int cred_call(struct cred_context *c, bool no_proxy, struct http_request *r, unsigned limit,
	struct http_answer *ret);
int64_t cred_clock(void); /* ms */
/* "text", with what is no printable ASCII as '?', up to the first line's end: for messages. Returns out. */
const char *cred_printable(const char *text, char *out, size_t cap);
int cred_pause(struct cred_context *c, unsigned ms); /* -ECANCELED */
bool cred_cancelled(const struct cred_context *c);

/* Where the profiles are, and which file has their keys: malloc'ed. */
char *cred_file_path(bool credentials);
/* A small file, whole, without the white space at its end. */
int cred_read_file(const char *path, size_t max, char **ret);
/* "PATH below the home directory", malloc'ed; path itself, copied, unless it begins with "~/". */
char *cred_home_path(const char *path);
/* An ISO 8601 time: with Z, UTC, an offset, or nothing for UTC. */
int cred_time(const char *text, int64_t *ret);

/* An environment variable that is set and not empty. */
const char *cred_getenv(const char *name);
/* A setting (credentials.h), borrowed from the environment or the files. */
const char *cred_setting(const struct profile_set *files, const char *profile, const char *name);
bool cred_setting_true(const struct cred_context *c, const char *name);
const char *cred_region(const struct cred_context *c);
/* "https://HOST" of a service there (its dual-stack, FIPS or Chinese one, as configured) or what was set
 * instead (endpoint_url_SERVICE). -EINVAL: the region is no name. */
int cred_endpoint(struct cred_context *c, const char *service, const char *host, const char *region,
	char *out, size_t cap);

#endif
