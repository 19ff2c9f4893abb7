/*
 * A record's bytes laid out as `jq .` lays them out, or without white space. Only white space between tokens
 * changes. The input must have passed scan_log(): it is not checked again.
 *
 * Pure, thread-safe.
 */
#ifndef RENDER_PRETTY_H
#define RENDER_PRETTY_H

#include <stddef.h>

/* Writes the pretty form, final newline included, to out, which has room for cap bytes (struct record:
 * pretty). Returns its length, or more than cap where it did not fit; never writes past cap, and a return
 * that is not the expected size means that text is not what was scanned. */
size_t pretty_write(const char *text, size_t len, char *out, size_t cap);

/* The same without any white space outside strings (struct record: minified); no newline. */
size_t minify_write(const char *text, size_t len, char *out, size_t cap);

#endif
