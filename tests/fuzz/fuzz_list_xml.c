/*
 * Any bytes as a page of a listing: what is handed out keeps the promises of list_xml.h.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "s3/list_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t entries;

static void must(int holds)
{
	if (!holds)
		abort();
}

static int on_object(void *arg, const struct s3_object *o)
{
	(void)arg;
	entries++;
	must(o->key[0] && strlen(o->key) <= S3_KEY_MAX && o->mtime >= 0 && strlen(o->etag) < 160);
	return 0;
}

static int on_prefix(void *arg, const char *prefix)
{
	(void)arg;
	entries++;
	must(prefix[0] && strlen(prefix) <= S3_KEY_MAX);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct s3_list_sink sink = {on_object, on_prefix, NULL, NULL};
	struct list_page page;
	char reason[LIST_REASON_MAX];

	entries = 0;
	if (list_xml_parse((const char *)data, size, &sink, &page, reason) == 0)
		must(entries == page.keys + page.prefixes && strlen(page.token) < LIST_TOKEN_MAX);
	else
		must(entries == 0 && strlen(reason) < sizeof(reason));
	return 0;
}
