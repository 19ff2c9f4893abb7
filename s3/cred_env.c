/*
 * AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_CREDENTIAL_EXPIRATION.
 */
#include <errno.h>

#include "s3/cred_private.h"

int cred_env(struct cred_context *c, struct keys_found **ret)
{
	const char *access_key = cred_getenv("AWS_ACCESS_KEY_ID");
	const char *secret = cred_getenv("AWS_SECRET_ACCESS_KEY");
	const char *token = cred_getenv("AWS_SESSION_TOKEN");
	const char *expires_text = cred_getenv("AWS_CREDENTIAL_EXPIRATION");
	int64_t expires = INT64_MAX;

	cred_at(c, "environment");
	if (!access_key && !secret)
		return cred_fail(c, -ENOENT, "no AWS_ACCESS_KEY_ID");
	if (!access_key || !secret)
		return cred_fail(c, -EACCES, "%s is set, %s is not",
			access_key ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
			access_key ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
	if (expires_text && cred_time(expires_text, &expires) < 0)
		return cred_fail(c, -EACCES, "AWS_CREDENTIAL_EXPIRATION is no time");
	/* The older name of the token. */
	return cred_keys(
		c, access_key, secret, token ? token : cred_getenv("AWS_SECURITY_TOKEN"), expires, ret);
}
