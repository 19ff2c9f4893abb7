/*
 * Any bytes as the JSON that keys come in (from a process, a container, an instance, SSO): keys that can be
 * sent, or a message that holds nothing secret.
 */
#include <stdlib.h>
#include <string.h>

#include "s3/cred_private.h"
#include "s3/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_sendable(const char *text)
{
	while (*text > ' ' && *text <= '~')
		text++;
	return *text == '\0';
}

/* An answer's texts are for nobody's eyes, but for short ones that occur in any message. */
static bool tells(const char *message, const json_t *j)
{
	const char *key;
	json_t *value;

	json_object_foreach(
		(json_t *)j, key, value) if (json_is_string(value) && json_string_length(value) > 24 &&
					     strstr(message, json_string_value(value))) return true;
	return false;
}

static void as(const struct cred_names *names, const json_t *j)
{
	char message[CRED_MESSAGE_MAX] = "";
	struct cred_context c = {.where = "here", .message = message};
	struct keys_found *k = NULL;
	int r = cred_keys_json(&c, j, names, &k);

	if (r < 0) {
		if (k || !message[0] || tells(message, j))
			abort();
		return;
	}
	if (!is_sendable(k->access_key) || !is_sendable(k->secret) || (k->token && !is_sendable(k->token)))
		abort();
	keys_unref(k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct cred_names process = {
		"the answer", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"};
	static const struct cred_names sso = {
		"the answer", "accessKeyId", "secretAccessKey", "sessionToken", "expiration"};
	json_t *j = cred_json((const char *)data, size);

	if (!j)
		return 0;
	as(&process, j);
	as(&sso, j);
	json_decref(j);
	return 0;
}
