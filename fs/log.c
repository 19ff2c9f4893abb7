/*
 * One line per decision: formatted, cleaned, then handed over in one piece so that lines of different threads
 * do not mix.
 */
#include "fs/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#include "render/utf8.h"

#define LOG_LINE_MAX 2000

static atomic_int max_level = LOG_LEVEL_INFO;
static atomic_bool to_syslog;
static void (*send_line)(void *arg, int priority, const char *line); /* in place of syslog(3); or NULL */
static void *send_arg;

/* There are control characters from U+0080 to U+009F too, and terminals that take such bytes for them outside
 * of UTF-8, or where a character is written longer than it has to be. */
size_t log_printable(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	if (*p < 0x80)
		return *p >= 0x20 && *p != 0x7F;
	if (*p == 0xC2 && p[1] < 0xA0)
		return 0;
	return utf8_length(text, strnlen(text, 4));
}

void log_clean(char *text)
{
	for (char *p = text; *p;) {
		size_t n = log_printable(p);

		if (n == 0)
			*p = '?';
		p += n ? n : 1;
	}
}

void log_say(FILE *to, const char *text)
{
	char line[LOG_LINE_MAX + 1];

	snprintf(line, sizeof(line), "%s", text);
	log_clean(line);
	fprintf(to, "trailfs: %s\n", line);
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
	if (!atomic_load(&to_syslog)) {
		log_say(stderr, line);
		return;
	}
	log_clean(line);
	if (send_line != NULL)
		send_line(send_arg, priority[level], line);
	else
		syslog(priority[level], "%s", line);
}

void log_set_level(enum log_level level)
{
	atomic_store(&max_level, (int)level);
}

void log_send_by(void (*send)(void *arg, int priority, const char *line), void *arg)
{
	send_line = send;
	send_arg = arg;
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

void log_dying(const char *line)
{
	static const char name[] = "trailfs: ";
	const struct iovec iov[] = {{(void *)(uintptr_t)name, sizeof(name) - 1},
		{(void *)(uintptr_t)line, strlen(line)}, {"\n", 1}};

	/* syslog(3) may wait for a lock that we hold. */
	if (atomic_load(&to_syslog) && send_line != NULL)
		send_line(send_arg, LOG_ERR, line);
	else
		(void)!writev(STDERR_FILENO, iov, 3);
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
