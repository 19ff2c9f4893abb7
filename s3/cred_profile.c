/*
 * The keys of a profile. Within one: role, identity token, SSO, keys in the credentials file, process, keys
 * in the config file. A role names who may take it: another profile (that may be a role too) or a place.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/cred_private.h"

#define DEPTH_MAX 16

/* The profiles on the way from the one that was asked for. */
struct step {
	const char *profile;
	const struct step *from;
	unsigned depth;
};

static const char *value(const struct cred_context *c, const char *profile, const char *key)
{
	const char *v = profile_get(c->files, PROFILE_PROFILE, profile, key, NULL);

	return v && *v ? v : NULL;
}

static const char *value_in(const struct cred_context *c, bool file, const char *profile, const char *key)
{
	const char *v = profile_get_from(c->files, file, profile, key);

	return v && *v ? v : NULL;
}

static bool has_keys(const struct cred_context *c, const char *profile)
{
	return value(c, profile, "aws_access_key_id") || value(c, profile, "aws_secret_access_key");
}

/* -ENOENT: that file has none. A key's other half may be in the other file. */
static int fixed_keys(struct cred_context *c, bool file, const char *profile, struct keys_found **ret)
{
	const char *access_key = value(c, profile, "aws_access_key_id");
	const char *secret = value(c, profile, "aws_secret_access_key");
	const char *token = value(c, profile, "aws_session_token");

	if (!value_in(c, file, profile, "aws_access_key_id") &&
		!value_in(c, file, profile, "aws_secret_access_key"))
		return -ENOENT;
	if (!access_key || !secret)
		return cred_fail(c, -EACCES, "%s is missing",
			access_key ? "aws_secret_access_key" : "aws_access_key_id");
	if (!token)
		token = value(c, profile, "aws_security_token");
	return cred_keys(c, access_key, secret, token, INT64_MAX, ret);
}

static bool has_sso(const struct cred_context *c, const char *profile)
{
	return value(c, profile, "sso_account_id") || value(c, profile, "sso_role_name") ||
	       value(c, profile, "sso_start_url");
}

/* What is no role. */
static int plain(struct cred_context *c, const char *profile, struct keys_found **ret)
{
	struct cred_role role = {.arn = value(c, profile, "role_arn"),
		.session_name = value(c, profile, "role_session_name"),
		.duration = value(c, profile, "duration_seconds"),
		.token_file = value(c, profile, "web_identity_token_file")};
	const char *process = value(c, profile, "credential_process");
	int r;

	if (role.token_file && role.arn)
		return cred_web_identity(c, &role, ret);
	if (has_sso(c, profile))
		return cred_sso(c, profile, ret);
	r = fixed_keys(c, true, profile, ret);
	if (r == -ENOENT && process)
		return cred_process(c, process, ret);
	if (r == -ENOENT)
		r = fixed_keys(c, false, profile, ret);
	if (r == -ENOENT && value(c, profile, "login_session"))
		return cred_fail(c, -EACCES,
			"`aws login` is not read here; set credential_process = aws configure "
			"export-credentials --profile %s",
			profile);
	return r == -ENOENT ? cred_fail(c, r, "it says nothing of keys") : r;
}

static int named_place(struct cred_context *c, const char *name, struct keys_found **ret)
{
	static const struct {
		const char *name;
		int (*get)(struct cred_context *, struct keys_found **);
	} places[] = {{"Environment", cred_env}, {"EcsContainer", cred_container},
		{"Ec2InstanceMetadata", cred_imds}};

	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (strcmp(places[i].name, name) == 0)
			return places[i].get(c, ret);
	return cred_fail(
		c, -EACCES, "credential_source is none of Environment, EcsContainer, Ec2InstanceMetadata");
}

static int check_role(struct cred_context *c, const char *profile)
{
	const char *source = value(c, profile, "source_profile");
	const char *place = value(c, profile, "credential_source");
	const char *seconds = value(c, profile, "duration_seconds");

	if (value(c, profile, "mfa_serial"))
		return cred_fail(c, -EACCES,
			"it asks for an MFA code (mfa_serial), and nobody is there to type one; "
			"use a profile with credential_process = aws configure export-credentials --profile "
			"%s",
			profile);
	if (!source == !place)
		return cred_fail(c, -EACCES, "role_arn wants %s of source_profile and credential_source",
			source ? "only one" : "one");
	if (source && !profile_has(c->files, PROFILE_PROFILE, source))
		return cred_fail(c, -EACCES, "its source_profile %s does not exist", source);
	if (seconds && seconds[strspn(seconds, "0123456789")])
		return cred_fail(c, -EACCES, "duration_seconds is no number");
	return 0;
}

static bool was_here(const struct step *s, const char *profile)
{
	for (; s; s = s->from)
		if (strcmp(s->profile, profile) == 0)
			return true;
	return false;
}

static int of_profile(
	struct cred_context *c, const char *profile, const struct step *from, struct keys_found **ret);

/* Who may take the role that `at` is. */
static int role_source(struct cred_context *c, const struct step *at, struct keys_found **ret)
{
	const char *profile = at->profile, *source = value(c, profile, "source_profile");
	int r;

	if (!source)
		r = named_place(c, value(c, profile, "credential_source"), ret);
	else if (strcmp(source, profile) == 0 && has_keys(c, profile))
		r = plain(c, profile, ret);
	else if (was_here(at, source) || at->depth == DEPTH_MAX)
		r = cred_fail(c, -EACCES, "source_profile %s goes round in a circle", source);
	else
		r = of_profile(c, source, at, ret);
	if (r == -ENOENT) {
		char why[CRED_MESSAGE_MAX];

		snprintf(why, sizeof why, "%s", c->message);
		cred_at(c, "profile %s", profile);
		r = cred_fail(c, -EACCES, "no keys to take its role with: %s", why);
	}
	return r;
}

static int take_role(struct cred_context *c, const struct step *at, struct keys_found **ret)
{
	const char *profile = at->profile;
	struct cred_role role = {.arn = value(c, profile, "role_arn"),
		.session_name = value(c, profile, "role_session_name"),
		.external_id = value(c, profile, "external_id"),
		.duration = value(c, profile, "duration_seconds")};
	struct keys_found *by;
	int r = check_role(c, profile);

	if (r == 0)
		r = role_source(c, at, &by);
	if (r < 0)
		return r;
	cred_at(c, "profile %s", profile);
	r = cred_assume(c, &role, by, ret);
	keys_unref(by);
	return r;
}

/* One that lends its keys and is a role itself: keys of its own go first. */
static int of_profile(
	struct cred_context *c, const char *profile, const struct step *from, struct keys_found **ret)
{
	struct step at = {profile, from, from ? from->depth + 1 : 0};

	cred_at(c, "profile %s", profile);
	if (value(c, profile, "role_arn") && !value(c, profile, "web_identity_token_file") &&
		!(from && has_keys(c, profile)))
		return take_role(c, &at, ret);
	return plain(c, profile, ret);
}

int cred_profile(struct cred_context *c, struct keys_found **ret)
{
	cred_at(c, "profile %s", c->profile);
	if (!c->files)
		return cred_fail(c, -EACCES, "%s", c->files_wrong);
	if (!profile_has(c->files, PROFILE_PROFILE, c->profile))
		return cred_fail(c, c->profile_named ? -EACCES : -ENOENT,
			"neither ~/.aws/config nor ~/.aws/credentials has it");
	return of_profile(c, c->profile, NULL, ret);
}
