/*
 * One line per decision, to standard error while in front and to syslog after that. No secrets, no event
 * contents.
 *
 * Thread-safe.
 */
#ifndef FS_LOG_H
#define FS_LOG_H

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* Lines above `level` are dropped. Default: LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/* From now on to syslog (facility daemon) instead of standard error. */
void log_to_syslog(void);

/* Control characters in what is printed are replaced by '?', so that a key cannot forge a line. At most 1,000
 * bytes. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
