/*
 * Any two files as ~/.aws/config and ~/.aws/credentials (a NUL between them): read, and asked for some of
 * what may be in them. What is read must be text of the file.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "s3/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t ask(const struct profile_set *s, enum profile_kind kind, const char *name)
{
	static const char *const keys[] = {"a", "b", "s3", "region", "aws_access_key_id", "role_arn", ""};
	size_t n = profile_has(s, kind, name);

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const char *value = profile_get(s, kind, name, keys[i], NULL);
		const char *sub = profile_get(s, kind, name, keys[i], "a");

		n += (value ? strlen(value) : 0) + (sub ? strlen(sub) : 0);
		if ((value || sub) && !profile_has(s, kind, name))
			abort();
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *middle = size ? memchr(text, '\0', size) : NULL;
	size_t len = middle ? (size_t)(middle - text) : size, most = 0;
	char reason[PROFILE_REASON_MAX];
	struct profile_set *s;
	int r = profile_parse(text, len, middle ? middle + 1 : "", middle ? size - len - 1 : 0, &s, reason);

	if (r < 0) {
		if (!*reason)
			abort();
		return 0;
	}
	for (int kind = PROFILE_PROFILE; kind <= PROFILE_SERVICES; kind++) {
		most += ask(s, (enum profile_kind)kind, "default");
		most += ask(s, (enum profile_kind)kind, "x");
		most += ask(s, (enum profile_kind)kind, "");
	}
	if (most > 64 * (size + 1))
		abort();
	profile_free(s);
	return 0;
}
