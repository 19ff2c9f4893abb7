/*
 * One line per decision, to standard error while in front and to syslog after that. No secrets, no event
 * contents.
 *
 * Thread-safe.
 */
#ifndef FS_LOG_H
#define FS_LOG_H

#include <stdio.h>

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
/* Who sends lines to syslog where this process may not: by a priority of syslog(3). Before there are threads.
 */
void log_send_by(void (*send)(void *arg, int priority, const char *line), void *arg);

/* What is no printable character of UTF-8 is replaced by '?', so that no key forges a line or tells the
 * terminal anything. At most 2,000 bytes. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same of a line that is no log: "trailfs: TEXT". */
void log_say(FILE *to, const char *text);

/* An error, of a constant line; safe in signal handlers. */
void log_dying(const char *line);

/* How many bytes the character of UTF-8 that the text begins with has; 0: it is none, or a control character.
 * What a text gets by it in place. */
size_t log_printable(const char *text);
void log_clean(char *text);

#endif
