/*
 * The order of places. The first that is set up decides: where it fails, that is what is said, and no other
 * place gives keys that nobody meant.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "s3/cred_private.h"

static int environment(struct cred_context *c, struct keys_found **ret)
{
	return c->profile_asked ? -ENOENT : cred_env(c, ret);
}

static int identity(struct cred_context *c, struct keys_found **ret)
{
	struct cred_role role = {.arn = cred_getenv("AWS_ROLE_ARN"),
		.session_name = cred_getenv("AWS_ROLE_SESSION_NAME"),
		.token_file = cred_getenv("AWS_WEB_IDENTITY_TOKEN_FILE")};

	if (c->profile_asked || !role.token_file)
		return -ENOENT;
	cred_at(c, "web identity");
	if (!role.arn)
		return cred_fail(c, -EACCES, "AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not");
	return cred_web_identity(c, &role, ret);
}

int cred_chain(struct cred_context *c, struct keys_found **ret)
{
	static int (*const places[])(struct cred_context *, struct keys_found **) = {
		environment, identity, cred_profile, cred_container, cred_imds};
	char all[CRED_MESSAGE_MAX] = "no AWS credentials";
	size_t len = strlen(all);
	int r;

	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		c->message[0] = '\0';
		r = places[i](c, ret);
		if (r != -ENOENT)
			return r;
		if (c->message[0] && len < sizeof all)
			len += (size_t)snprintf(all + len, sizeof all - len, "; %s", c->message);
	}
	memcpy(c->message, all, sizeof all);
	return -EACCES;
}
