/*
 * One option at a time, for config_parse(): names, values, -o lists. Internal to fs/config*.c.
 *
 * Caller locks.
 */
#ifndef FS_CONFIG_OPTION_H
#define FS_CONFIG_OPTION_H

#include "fs/config_parser.h"

/* --NAME[=VALUE], without the dashes; next is the argument after it, or NULL. 0, 1 when that was taken as the
 * value, -EINVAL with the error written, -ENOMEM. */
int config_option_long(struct config_parser *p, const char *arg, const char *next);

/* Letters: -fv, -p PATH, -pPATH, -o LIST. As above. */
int config_option_letters(struct config_parser *p, const char *letters, const char *next);

#endif
