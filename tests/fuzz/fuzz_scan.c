/*
 * Any bytes through the scanner and both writers, against jansson and a second writer (tests/referee.h); what
 * lookup-events printed is decoded and goes the same way.
 */
#include <stdint.h>

#include "tests/referee.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(const char *wrong)
{
	if (!wrong)
		return;
	fprintf(stderr, "%s\n", wrong);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct scanner *scanner;
	const char *text = (const char *)data;
	char *decoded, reason[SCAN_REASON_MAX];
	char out[64];
	size_t len;

	if (!scanner)
		scanner = scanner_new();
	must(referee_check(scanner, text, size));
	if (scan_decode(scanner, text, size, &decoded, &len, reason) == 0) {
		must(len > size ? "decoded text is longer" : referee_check(scanner, decoded, len));
		free(decoded);
	}
	/* Unchecked text too must not lead the writers out of bounds. */
	must(pretty_write(text, size, out, sizeof out) > sizeof out + 1 ? "pretty_write" : NULL);
	must(minify_write(text, size, out, sizeof out) > sizeof out + 1 ? "minify_write" : NULL);
	return 0;
}
