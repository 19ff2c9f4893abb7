/*
 * ~/.aws/config and ~/.aws/credentials as the AWS command line reads them (docs.aws.amazon.com,
 * "Configuration and credential file settings"): sections, key = value, indented blocks below a key,
 * whole-line comments. What the credentials file says of a profile goes before what the config file says of
 * it.
 *
 * Immutable once read. The text is kept in memory for secrets, and wiped.
 */
#ifndef S3_PROFILE_H
#define S3_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#define PROFILE_FILE_MAX   (1 << 20)
#define PROFILE_REASON_MAX 256

enum profile_kind {
	PROFILE_PROFILE, /* [default], [profile NAME]; [NAME] in the credentials file */
	PROFILE_SSO,     /* [sso-session NAME] */
	PROFILE_SERVICES /* [services NAME] */
};

struct profile_set;

/* Reads both; a file that is not there is an empty one. -EINVAL: a line that is none, a file over
 * PROFILE_FILE_MAX; -EACCES, -EIO: it cannot be read; -ENOMEM. reason says which file, and which line. */
int profile_load(const char *config_path, const char *credentials_path, struct profile_set **ret,
	char reason[PROFILE_REASON_MAX]);
/* The same of text. */
int profile_parse(const char *config, size_t config_len, const char *credentials, size_t credentials_len,
	struct profile_set **ret, char reason[PROFILE_REASON_MAX]);
void profile_free(struct profile_set *s);

bool profile_has(const struct profile_set *s, enum profile_kind kind, const char *name);
/* The value, borrowed, or NULL. sub: a key of the indented block below `key`; NULL: key's own value. Keys are
 * compared without case; of several the last counts. An empty value is a value. */
const char *profile_get(const struct profile_set *s, enum profile_kind kind, const char *name,
	const char *key, const char *sub);
/* A profile's value as one of the two files has it. */
const char *profile_get_from(
	const struct profile_set *s, bool credentials_file, const char *name, const char *key);
/* Whether any profile has this value for this key. */
bool profile_says(const struct profile_set *s, const char *key, const char *value);

#endif
