/*
 * A configuration half-way: what config_parse() and its options write to. Internal to fs/config*.c.
 *
 * Caller locks.
 */
#ifndef FS_CONFIG_PARSER_H
#define FS_CONFIG_PARSER_H

#include "fs/config.h"
#include "render/buf.h"

#define CONFIG_NO_UMASK  ((mode_t)-1)
#define CONFIG_QUOTE_MAX 100 /* bytes of an argument that an error repeats */

/* What is known half-way. */
struct config_parser {
	struct config *config;
	int64_t now;
	char *error;      /* CONFIG_ERROR_MAX bytes */
	const char *form; /* "--" or "-o ": how the option at hand is written */
	mode_t umask;     /* or CONFIG_NO_UMASK */
	struct buf fuse_options;
};

/* Writes the error as one line, whatever the arguments hold. Returns -EINVAL. */
__attribute__((format(printf, 2, 3))) int config_fail(struct config_parser *p, const char *format, ...);

/* Copies n bytes, or a path made absolute by its letters, into the configuration's storage. 0, -ENOMEM, or
 * -EINVAL with the error written. */
int config_keep(struct config_parser *p, const char *s, size_t n, const char **ret);
int config_keep_absolute(struct config_parser *p, const char *path, const char **ret);
void config_free_kept(struct config *config);

#endif
