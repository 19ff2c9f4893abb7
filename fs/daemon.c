/*
 * The pipe between the two carries lines; the first byte says what a line is.
 */
#include "fs/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/clock.h"
#include "fs/log.h"
#include "fs/mountpoint.h"

#define SAID_MAX   2048               /* less than PIPE_BUF: a line is written in one piece */
#define END        (8 * CLOCK_SECOND) /* for the child to end; it has a shorter limit of its own */
#define LINE_EVERY (10 * CLOCK_SECOND)

enum kind {
	KIND_FAILED = 'E',
	KIND_NOTE = 'N',
	KIND_PROGRESS = 'P',
	KIND_READY = 'R',
	KIND_WARNING = 'W'
};

static void show_progress(struct daemon *d, const char *text)
{
	int64_t now = clock_now();
	if (d->tty) {
		fprintf(stderr, "\r%s\033[K", text);
		d->line_open = true;
	} else if (now - d->shown_at >= LINE_EVERY) {
		log_say(stderr, text);
		d->shown_at = now;
	}
}

static void show(struct daemon *d, enum kind kind, const char *text)
{
	if (kind == KIND_PROGRESS) {
		show_progress(d, text);
		return;
	}
	if (d->line_open)
		fputs("\r\033[K", stderr);
	d->line_open = false;
	if (kind != KIND_READY)
		log_say(kind == KIND_NOTE ? stdout : stderr, text);
	fflush(stdout);
}

static void say(struct daemon *d, enum kind kind, const char *text)
{
	if (d->fd < 0) {
		show(d, kind, text);
		return;
	}
	char line[SAID_MAX];
	int n = snprintf(line, sizeof(line) - 1, "%c%s", kind, text);
	if (n >= (int)sizeof(line) - 1)
		n = (int)sizeof(line) - 2;
	for (int i = 1; i < n; i++)
		if (line[i] == '\n')
			line[i] = ' ';
	line[n++] = '\n';
	/* Where the parent was killed there is nobody to tell. */
	while (write(d->fd, line, (size_t)n) < 0 && errno == EINTR)
		;
}

static void init(struct daemon *d)
{
	*d = (struct daemon){.fd = -1, .tty = isatty(STDERR_FILENO) == 1, .shown_at = clock_now()};
}

void daemon_stay(struct daemon *d)
{
	init(d);
}

pid_t daemon_fork(struct daemon *ret)
{
	int ends[2];
	init(ret);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	fflush(NULL);
	pid_t pid = fork();
	if (pid < 0) {
		int saved = errno;
		close(ends[0]);
		close(ends[1]);
		return -saved;
	}
	close(ends[pid == 0 ? 0 : 1]);
	ret->fd = ends[pid == 0 ? 1 : 0];
	if (pid == 0)
		setsid();
	return pid;
}

/* ---- the parent ---- */

struct watch {
	struct daemon *d;
	bool ready, failed;
	char line[SAID_MAX];
	size_t len;
};

/* false: the child is ready or gone. */
static bool hear(struct watch *w)
{
	ssize_t n = read(w->d->fd, w->line + w->len, sizeof(w->line) - 1 - w->len);
	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0)
		return false;
	w->len += (size_t)n;
	char *end;
	while ((end = memchr(w->line, '\n', w->len)) != NULL) {
		*end = '\0';
		w->failed |= w->line[0] == KIND_FAILED;
		w->ready |= w->line[0] == KIND_READY;
		show(w->d, (enum kind)w->line[0], w->line + 1);
		w->len -= (size_t)(end + 1 - w->line);
		memmove(w->line, end + 1, w->len);
	}
	return !w->ready && w->len < sizeof(w->line) - 1;
}

/* A signal that is there; waits for it, for the pipe (*ret_pipe), or for `ms`. 0: none. */
static int next_signal(int signals, int pipe, int ms, bool *ret_pipe)
{
	struct pollfd fds[] = {{.fd = signals, .events = POLLIN}, {.fd = pipe, .events = POLLIN}};
	struct signalfd_siginfo info;
	int n = poll(fds, 2, ms);
	*ret_pipe = n > 0 && fds[1].revents != 0;
	if (n > 0 && fds[0].revents != 0 && read(signals, &info, sizeof(info)) == sizeof(info))
		return (int)info.ssi_signo;
	return 0;
}

/* Its exit status, or 128 + the signal. */
static int wait_for(pid_t child)
{
	int status;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int daemon_watch(struct daemon *d, pid_t child, const char *mountpoint)
{
	struct watch w = {.d = d};
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	int signals = signalfd(-1, &set, SFD_CLOEXEC), ended_by = 0;
	int64_t end_at = 0;
	for (bool heard = false; !heard || hear(&w);) {
		int64_t left = (end_at - clock_now()) / 1000000;
		int ms = ended_by == 0 ? -1 : left > 0 ? (int)left : 0;
		int signal = next_signal(signals, d->fd, ms, &heard);
		if (signal != 0 && ended_by == 0) {
			ended_by = signal;
			end_at = clock_now() + END;
			kill(child, SIGTERM);
		} else if (ended_by != 0 && clock_now() >= end_at) {
			kill(child, SIGKILL);
			break;
		}
	}
	close(signals);
	if (w.ready && ended_by == 0)
		return 0;
	int status = wait_for(child);
	mountpoint_clear_dead(mountpoint);
	if (ended_by != 0)
		return 128 + ended_by;
	if (!w.failed)
		fprintf(stderr, "trailfs: ended unexpectedly (status %d)\n", status);
	return 1;
}

/* ---- the child ---- */

void daemon_failed(struct daemon *d, const char *text)
{
	say(d, KIND_FAILED, text);
}

void daemon_note(struct daemon *d, const char *text)
{
	say(d, KIND_NOTE, text);
}

void daemon_warning(struct daemon *d, const char *text)
{
	say(d, KIND_WARNING, text);
}

void daemon_progress(struct daemon *d, const char *text)
{
	say(d, KIND_PROGRESS, text);
}

void daemon_ready(struct daemon *d)
{
	if (d->fd < 0) {
		if (d->line_open)
			show(d, KIND_READY, "");
		return;
	}
	log_to_syslog();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	if (chdir("/") < 0)
		log_warning("cannot change to /: %s", strerror(errno));
	say(d, KIND_READY, "");
	close(d->fd);
	d->fd = -1;
}
