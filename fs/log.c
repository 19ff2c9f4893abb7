/*
 * One line per decision: formatted, cleaned, then handed over in one piece so that lines of different threads
 * do not mix.
 */
#include "fs/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <syslog.h>

#define LOG_LINE_MAX 1000

static atomic_int max_level = LOG_LEVEL_INFO;
static atomic_bool to_syslog;

static void clean(char *line)
{
	for (unsigned char *p = (unsigned char *)line; *p; p++) {
		if (*p < 0x20 || *p == 0x7F)
			*p = '?';
	}
}

__attribute__((format(printf, 2, 0))) static void emit(enum log_level level, const char *format, va_list args)
{
	static const int priority[] = {
		[LOG_LEVEL_ERROR] = LOG_ERR,
		[LOG_LEVEL_WARNING] = LOG_WARNING,
		[LOG_LEVEL_INFO] = LOG_INFO,
		[LOG_LEVEL_DEBUG] = LOG_DEBUG,
	};
	char line[LOG_LINE_MAX + 1];

	if ((int)level > atomic_load(&max_level))
		return;
	if (vsnprintf(line, sizeof(line), format, args) < 0)
		return;
	clean(line);
	if (atomic_load(&to_syslog))
		syslog(priority[level], "%s", line);
	else
		fprintf(stderr, "trailfs: %s\n", line);
}

void log_set_level(enum log_level level)
{
	atomic_store(&max_level, (int)level);
}

void log_to_syslog(void)
{
	openlog("trailfs", LOG_PID, LOG_DAEMON);
	atomic_store(&to_syslog, true);
}

void log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	emit(LOG_LEVEL_ERROR, format, args);
	va_end(args);
}

void log_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	emit(LOG_LEVEL_WARNING, format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	emit(LOG_LEVEL_INFO, format, args);
	va_end(args);
}

void log_debug(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	emit(LOG_LEVEL_DEBUG, format, args);
	va_end(args);
}
