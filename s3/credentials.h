/*
 * Where the keys come from, in the order of the AWS command line (docs.aws.amazon.com, "Configuration and
 * credential precedence"): environment, web identity, shared files (profile: keys, role, process, SSO),
 * container endpoint, instance metadata.
 *
 * Thread-safe. Secrets are wiped when freed and never written anywhere. Refreshed five minutes before they
 * expire, by one caller while others use the old ones.
 */
#ifndef S3_CREDENTIALS_H
#define S3_CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>

struct credentials; /* where to look, and what was found last */

struct keys_found {
	unsigned refs;
	char *access_key, *secret, *token; /* token: NULL where there is none */
	int64_t expires;                   /* seconds since 1970, INT64_MAX: never */
	uint64_t generation;
	const char *source; /* "environment", "web identity", "profile NAME", "container", "instance
			       metadata": for messages */
};

struct credentials_options {
	const char *profile;   /* NULL: AWS_PROFILE, else default */
	const char *region;    /* for STS and SSO; NULL: as configured */
	const char *ca_bundle; /* NULL: the system's */
	unsigned timeout;      /* seconds that a search may take, whatever it asks; 0: 60 */
	void (*log)(void *arg, int level, const char *text);
	void *log_arg;
};

int credentials_new(const struct credentials_options *o, struct credentials **ret);
void credentials_free(struct credentials *c);

/* The keys to sign with: ref'd. now: seconds since 1970. May take seconds (network), a credential_process all
 * of `timeout`, a minute at most: not for the transfer thread with other work waiting. message: when there
 * are none, every place that was looked at and why it had none; where one is set up but failed (then no other
 * is asked), which and why; -EACCES, -EIO (a server cannot be reached), -ETIMEDOUT, -ECANCELED, -ENOMEM. A
 * failure is repeated for 30 seconds, or twice the time that it took, before anybody is asked again. */
int credentials_get(struct credentials *c, int64_t now, struct keys_found **ret, char message[512]);
void keys_unref(struct keys_found *k);
/* They were refused (ExpiredToken): the next get fetches new ones, if generation is still that of what is
 * held. If there are no others it gives the same generation again: trying once more is no use then. */
void credentials_expire(struct credentials *c, uint64_t generation);
void credentials_reload(struct credentials *c); /* read everything again at the next get */
void credentials_cancel(struct credentials *c); /* ends a get that is under way, and later ones that would
						   have to ask somebody */

/*
 * A setting that is no secret, of the environment or the profile, by its name in ~/.aws/config; NULL when not
 * set, or empty. Borrowed until credentials_free(). "region", "ca_bundle", "use_dualstack_endpoint",
 * "use_fips_endpoint", "max_attempts", "retry_mode" have variables of their own (AWS_REGION before
 * AWS_DEFAULT_REGION, ...). "endpoint_url_s3": what counts for that service of AWS_ENDPOINT_URL_S3,
 * AWS_ENDPOINT_URL, [services], endpoint_url; nothing where they are to be ignored. "s3.addressing_style": a
 * key of the block `s3 =`.
 */
const char *credentials_setting(struct credentials *c, const char *name);

#endif
