/*
 * Settings of the environment and the profile: the environment goes first. An endpoint: the service's own
 * variable, the general one, the service's block in the profile's [services ...], the profile's general one
 * (docs.aws.amazon.com, "Service-specific endpoints").
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3/cred_private.h"

#define ENDPOINT  "endpoint_url"
#define NAME_MAX_ 64

static const struct {
	const char *name, *env[2];
} variables[] = {
	{"region", {"AWS_REGION", "AWS_DEFAULT_REGION"}},
	{"ca_bundle", {"AWS_CA_BUNDLE"}},
	{"use_dualstack_endpoint", {"AWS_USE_DUALSTACK_ENDPOINT"}},
	{"use_fips_endpoint", {"AWS_USE_FIPS_ENDPOINT"}},
	{"ignore_configured_endpoint_urls", {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"}},
	{"max_attempts", {"AWS_MAX_ATTEMPTS"}},
	{"retry_mode", {"AWS_RETRY_MODE"}},
	{"s3_disable_express_session_auth", {"AWS_S3_DISABLE_EXPRESS_SESSION_AUTH"}},
	{"ec2_metadata_service_endpoint", {"AWS_EC2_METADATA_SERVICE_ENDPOINT"}},
	{"ec2_metadata_service_endpoint_mode", {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"}},
	{"metadata_service_timeout", {"AWS_METADATA_SERVICE_TIMEOUT"}},
};

const char *cred_getenv(const char *name)
{
	const char *value = name ? getenv(name) : NULL;

	return value && *value ? value : NULL;
}

static const char *of_profile(
	const struct profile_set *files, const char *profile, const char *key, const char *sub)
{
	const char *value = files ? profile_get(files, PROFILE_PROFILE, profile, key, sub) : NULL;

	return value && *value ? value : NULL;
}

static const char *endpoint(const struct profile_set *files, const char *profile, const char *service)
{
	char variable[NAME_MAX_ + 32];
	const char *value, *block;
	int n = snprintf(variable, sizeof variable, "AWS_ENDPOINT_URL_%s", service);

	value = cred_setting(files, profile, "ignore_configured_endpoint_urls");
	if ((value && strcasecmp(value, "true") == 0) || n < 0 || (size_t)n >= sizeof variable)
		return NULL;
	for (char *p = variable; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	value = *service ? cred_getenv(variable) : NULL;
	if (!value)
		value = cred_getenv("AWS_ENDPOINT_URL");
	block = *service ? of_profile(files, profile, "services", NULL) : NULL;
	if (!value && block)
		value = profile_get(files, PROFILE_SERVICES, block, service, ENDPOINT);
	return value && *value ? value : of_profile(files, profile, ENDPOINT, NULL);
}

const char *cred_setting(const struct profile_set *files, const char *profile, const char *name)
{
	size_t n = strlen(ENDPOINT);
	const char *dot = strchr(name, '.'), *value = NULL;
	char key[NAME_MAX_];

	if (strncmp(name, ENDPOINT, n) == 0 && (name[n] == '_' || name[n] == '\0'))
		return endpoint(files, profile, name[n] ? name + n + 1 : "");
	for (size_t i = 0; i < sizeof variables / sizeof *variables && !value; i++) {
		if (strcmp(variables[i].name, name) != 0)
			continue;
		value = cred_getenv(variables[i].env[0]);
		if (!value)
			value = cred_getenv(variables[i].env[1]);
	}
	if (value || !dot)
		return value ? value : of_profile(files, profile, name, NULL);
	if ((size_t)(dot - name) >= sizeof key)
		return NULL;
	memcpy(key, name, (size_t)(dot - name));
	key[dot - name] = '\0';
	return of_profile(files, profile, key, dot + 1);
}

bool cred_setting_true(const struct cred_context *c, const char *name)
{
	const char *value = cred_setting(c->files, c->profile, name);

	return value && strcasecmp(value, "true") == 0;
}

const char *cred_region(const struct cred_context *c)
{
	return c->region ? c->region : cred_setting(c->files, c->profile, "region");
}

/* It becomes part of a host's name. */
static bool is_region(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n <= 40 && s[n] == '\0';
}

int cred_endpoint(struct cred_context *c, const char *service, const char *host, const char *region,
	char *out, size_t cap)
{
	char setting[NAME_MAX_];
	const char *url, *suffix, *fips = cred_setting_true(c, "use_fips_endpoint") ? "-fips" : "";
	int n;

	snprintf(setting, sizeof setting, ENDPOINT "_%s", service);
	url = cred_setting(c->files, c->profile, setting);
	if (!is_region(region))
		return cred_fail(c, -EINVAL, "the region is no name of one");
	suffix = strncmp(region, "cn-", 3) == 0 ? "amazonaws.com.cn" : "amazonaws.com";
	if (cred_setting_true(c, "use_dualstack_endpoint"))
		suffix = strncmp(region, "cn-", 3) == 0 ? "api.amazonwebservices.com.cn" : "api.aws";
	if (url)
		n = snprintf(out, cap, "%.*s", (int)(strlen(url) - (url[strlen(url) - 1] == '/')), url);
	else
		n = snprintf(out, cap, "https://%s%s.%s.%s", host, fips, region, suffix);
	if (n < 0 || (size_t)n >= cap)
		return cred_fail(c, -EINVAL, "the endpoint of %s is too long", service);
	return 0;
}
