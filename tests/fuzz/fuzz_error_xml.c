/*
 * Any bytes as an error document: what is found is terminated, fit for a log, and has a meaning.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_text(const char *s, size_t cap)
{
	size_t n = strnlen(s, cap);

	if (n == cap)
		abort();
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			abort();
	/* Expat gives UTF-8 only: a cut must not leave half a character. */
	size_t lead = n;
	while (lead > 0 && ((unsigned char)s[lead - 1] & 0xc0) == 0x80)
		lead--;
	if (lead == 0 ? n > 0 : (unsigned char)s[lead - 1] >= 0xc0) {
		unsigned char c = lead ? (unsigned char)s[lead - 1] : 0;
		size_t want = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
		if (n - lead != want)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error_xml e, none = {0};

	memset(&e, 'x', sizeof(e));
	if (error_parse((const char *)data, size, &e) != 0) {
		if (memcmp(&e, &none, sizeof(e)) != 0)
			abort();
		return 0;
	}
	must_be_text(e.code, sizeof(e.code));
	must_be_text(e.message, sizeof(e.message));
	must_be_text(e.region, sizeof(e.region));
	must_be_text(e.endpoint, sizeof(e.endpoint));
	must_be_text(e.request_id, sizeof(e.request_id));
	must_be_text(e.bucket, sizeof(e.bucket));
	must_be_text(e.server_time, sizeof(e.server_time));
	for (int listing = 0; listing < 2; listing++)
		if (!e.code[0] || error_mean(400, e.code, e.message, listing).error >= 0)
			abort();
	return 0;
}
