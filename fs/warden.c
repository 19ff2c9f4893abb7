/*
 * A request is one packet: its kind, a text, and descriptors. The first of these is a socket of the request's
 * own, by which it is answered, so that whoever asks needs no lock and may be in a signal handler:
 *
 *   kind       text             further descriptors       answer
 *   DETACH                                                0
 *   SOURCE     path             working directory         0 and a descriptor, or negative errno
 *   NAMED      path             working directory         the same
 *   RUN        command line     working directory, standard output, standard error     (warden_options.run)
 *   LOG + n    line             none; n: the priority                                  none
 *
 * In the warden each request has a thread of its own: one that hangs (a dead network file system) holds up no
 * other.
 */
#include "fs/warden.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "fs/mountpoint.h"

#define REQUEST_MAX 8192 /* a path, a command line */
#define DETACH_MS   2000 /* the end comes all the same; it goes on meanwhile */
#define FDS_MAX     4
#define NAME        "trailfs: warden"

enum kind {
	DETACH,
	SOURCE,
	NAMED,
	RUN,
	LOG,
	END = LOG + LOG_DEBUG
};

struct warden {
	int socket;
	pid_t pid;
};

struct request {
	unsigned char kind;
	char text[REQUEST_MAX]; /* terminated */
	int n_fds;
	int fd[FDS_MAX]; /* the first: where to answer */
};

/* ---- packets ---- */

union control {
	struct cmsghdr header; /* for its alignment */
	char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

/* An int or a request, with descriptors. */
static int send_packet(int socket, const struct iovec *iov, size_t n_iov, const int *fds, size_t n_fds)
{
	union control control = {.space = {0}};
	struct msghdr m = {.msg_iov = (struct iovec *)iov, .msg_iovlen = n_iov};
	ssize_t n;

	if (n_fds > 0) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *c = &control.header;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	while ((n = sendmsg(socket, &m, MSG_NOSIGNAL)) < 0 && errno == EINTR)
		;
	return n < 0 ? -errno : 0;
}

/* Its length, 0 when the other is gone. */
static ssize_t receive_packet(int socket, const struct iovec *iov, size_t n_iov, int fds[FDS_MAX], int *ret_n)
{
	union control control;
	struct msghdr m = {.msg_iov = (struct iovec *)iov,
		.msg_iovlen = n_iov,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n;

	while ((n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	*ret_n = 0;
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);
		memcpy(fds, CMSG_DATA(c), bytes);
		*ret_n = (int)(bytes / sizeof(int));
	}
	return n < 0 ? -errno : n;
}

/* ---- in the warden ---- */

static struct {
	struct warden_options o;
	int source; /* a descriptor, or -1 */
	pthread_mutex_t lock;
	pthread_cond_t idle;
	unsigned busy; /* with what has to end before this process does */
} here = {.source = -1, .lock = PTHREAD_MUTEX_INITIALIZER, .idle = PTHREAD_COND_INITIALIZER};

static void answer(int socket, int value, int fd)
{
	struct iovec iov = {&value, sizeof(value)};
	send_packet(socket, &iov, 1, &fd, fd >= 0);
}

/* Below the source and by no way up, but for the links that are there. */
static bool is_below(const char *path)
{
	if (here.source < 0 || path[0] == '/' || path[0] == '\0')
		return false;
	for (const char *p = path; p != NULL; p = strchr(p, '/')) {
		p += strspn(p, "/");
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
			return false;
	}
	return true;
}

static void open_for(const struct request *r)
{
	bool of_source = r->kind == SOURCE;
	bool may = of_source ? is_below(r->text) : here.o.may_open(r->text);
	int at = of_source ? here.source : r->fd[1];
	int fd = may ? openat(at, r->text, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
	int error = !may ? -EACCES : fd < 0 ? -errno : 0;
	answer(r->fd[0], error, fd);
	if (fd >= 0)
		close(fd);
}

static void count_busy(int by)
{
	pthread_mutex_lock(&here.lock);
	here.busy = (unsigned)((int)here.busy + by);
	pthread_cond_broadcast(&here.idle);
	pthread_mutex_unlock(&here.lock);
}

static void close_all(struct request *r)
{
	for (int i = 0; i < r->n_fds; i++)
		if (r->fd[i] >= 0)
			close(r->fd[i]);
}

/* Whoever has asked for a command is gone when we are about to end, so it is being ended. What was logged
 * last may say why he is gone. */
static bool has_to_end(const struct request *r)
{
	return r->kind == RUN || r->kind == DETACH || r->kind >= LOG;
}

static void handle(struct request *r)
{
	bool matters = has_to_end(r);
	if (r->kind == DETACH) {
		mountpoint_detach(here.o.mountpoint);
		answer(r->fd[0], 0, -1);
	} else if (r->kind == RUN) {
		here.o.run(r->text, r->fd[2], r->fd[3], r->fd[1], r->fd[0]);
		r->fd[2] = -1; /* it has closed it */
	} else if (r->kind >= LOG) {
		syslog(r->kind - LOG, "%s", r->text);
	} else {
		open_for(r);
	}
	close_all(r);
	if (matters)
		count_busy(-1);
}

static void *handle_copy(void *arg)
{
	handle(arg);
	free(arg);
	return NULL;
}

/* By a thread, or by this one where there is no memory for one. */
static void handle_aside(struct request *r)
{
	struct request *copy = malloc(sizeof(*copy));
	pthread_t thread;
	if (copy != NULL)
		*copy = *r;
	if (copy != NULL && pthread_create(&thread, NULL, handle_copy, copy) == 0) {
		pthread_detach(thread);
		return;
	}
	free(copy);
	handle(r);
}

static bool is_whole(const struct request *r, ssize_t n)
{
	static const int fds[END + 1] = {[DETACH] = 1, [SOURCE] = 2, [NAMED] = 2, [RUN] = 4};
	return n > 0 && n < REQUEST_MAX && r->kind <= END && r->n_fds == fds[r->kind];
}

/* false: nobody is there to ask any more. */
static bool take_request(int socket)
{
	struct request r = {.kind = END};
	struct iovec iov[] = {{&r.kind, 1}, {r.text, sizeof(r.text) - 1}};
	ssize_t n = receive_packet(socket, iov, 2, r.fd, &r.n_fds);
	if (!is_whole(&r, n)) {
		close_all(&r);
		return n > 0 || n == -ENOMEM || n == -ENOBUFS;
	}
	if (has_to_end(&r))
		count_busy(1);
	handle_aside(&r);
	return true;
}

/* What ps shows is the memory that the arguments are in, one after another; whose order may be another one by
 * now. */
static void take_name(char **argv)
{
	char *begin = argv[0], *end = argv[0];
	prctl(PR_SET_NAME, "warden");
	for (; *argv != NULL; argv++) {
		char *after = *argv + strlen(*argv) + 1;
		begin = *argv < begin ? *argv : begin;
		end = after > end ? after : end;
	}
	size_t size = (size_t)(end - begin);
	if (size > 0) {
		memset(begin, 0, size);
		snprintf(begin, size, "%s", NAME);
	}
}

/* Nothing of what the other has open stays open here: a terminal, a pipe whose end somebody waits for. */
static void let_go(int *socket, int *source)
{
	int kept[] = {fcntl(*socket, F_DUPFD_CLOEXEC, 5), fcntl(*source, F_DUPFD_CLOEXEC, 5)};
	/* It may be 0, 1 or 2 itself, and these stay open in what is run. */
	int null = open("/dev/null", O_RDWR); /* NOLINT(android-cloexec-open) */
	for (int i = 0; i < 3 && null >= 0; i++)
		dup2(null, i);
	*socket = dup3(kept[0], 3, O_CLOEXEC);
	*source = kept[1] < 0 ? -1 : dup3(kept[1], 4, O_CLOEXEC);
	close_range(*source < 0 ? 4 : 5, UINT_MAX, 0);
	if (*socket < 0 || chdir("/") < 0)
		_exit(1);
}

/* mountpoint: a copy, as the arguments are overwritten. */
static _Noreturn void serve(const struct warden_options *o, const char *mountpoint, int socket, int source)
{
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	here.o = *o;
	here.o.mountpoint = mountpoint;
	let_go(&socket, &source);
	here.source = source;
	take_name(o->argv);
	openlog("trailfs", LOG_PID, LOG_DAEMON);
	answer(socket, 0, -1);
	while (take_request(socket))
		;
	pthread_mutex_lock(&here.lock);
	while (here.busy > 0)
		pthread_cond_wait(&here.idle, &here.lock);
	_exit(0);
}

/* ---- in the process that asks ---- */

/* Whether it has come up: without it a mount could not be taken down. */
static bool is_up(const struct warden *w)
{
	int value, n, none[FDS_MAX];
	struct iovec iov = {&value, sizeof(value)};
	return receive_packet(w->socket, &iov, 1, none, &n) == (ssize_t)sizeof(value);
}

static int start(const struct warden_options *o, const char *mountpoint, struct warden *w)
{
	int ends[2], source = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	if (o->source != NULL)
		source = open(o->source, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fflush(NULL);
	w->pid = fork();
	int saved = errno;
	if (w->pid == 0)
		serve(o, mountpoint, ends[1], source);
	close(ends[1]);
	if (source >= 0)
		close(source);
	w->socket = ends[0];
	return w->pid < 0 ? -saved : is_up(w) ? 0 : -ECHILD;
}

int warden_start(const struct warden_options *o, struct warden **ret)
{
	struct warden *w = calloc(1, sizeof(*w));
	char *mountpoint = strdup(o->mountpoint);
	if (w != NULL)
		w->socket = -1;
	int error = w == NULL || mountpoint == NULL ? -ENOMEM : start(o, mountpoint, w);
	free(mountpoint);
	if (error < 0) {
		warden_free(w);
		return error;
	}
	*ret = w;
	return 0;
}

void warden_free(struct warden *w)
{
	if (w == NULL)
		return;
	if (w->socket >= 0)
		close(w->socket);
	while (w->pid > 0 && waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(w);
}

/* Returns the socket of the answer. fds: its first place is for that. */
static int ask(const struct warden *w, enum kind kind, const char *text, int *fds, size_t n_fds)
{
	int ends[2];
	unsigned char byte = (unsigned char)kind;
	struct iovec iov[] = {{&byte, 1}, {(char *)text, strlen(text)}};
	if (iov[1].iov_len >= REQUEST_MAX - 1)
		return -ENAMETOOLONG;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	fds[0] = ends[1];
	int error = send_packet(w->socket, iov, 2, fds, n_fds);
	close(ends[1]);
	if (error == 0)
		return ends[0];
	close(ends[0]);
	return error;
}

bool warden_detach(const struct warden *w)
{
	int fds[1], value, n, socket = ask(w, DETACH, "", fds, 1);
	struct iovec iov = {&value, sizeof(value)};
	int none[FDS_MAX];
	if (socket < 0)
		return false;
	struct pollfd p = {.fd = socket, .events = POLLIN};
	bool done = poll(&p, 1, DETACH_MS) == 1 &&
		    receive_packet(socket, &iov, 1, none, &n) == (ssize_t)sizeof(value);
	close(socket);
	return done;
}

/* Asks with the working directory: paths are relative to it. */
static int ask_here(const struct warden *w, enum kind kind, const char *text, int *fds, size_t n_fds)
{
	fds[1] = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int ret = fds[1] < 0 ? -errno : ask(w, kind, text, fds, n_fds);
	if (fds[1] >= 0)
		close(fds[1]);
	return ret;
}

static int open_by(const struct warden *w, enum kind kind, const char *path)
{
	int fds[FDS_MAX], n, value, socket = ask_here(w, kind, path, fds, 2);
	struct iovec iov = {&value, sizeof(value)};
	if (socket < 0)
		return -EACCES;
	ssize_t got = receive_packet(socket, &iov, 1, fds, &n);
	close(socket);
	if (got == (ssize_t)sizeof(value) && value < 0)
		return value;
	return got == (ssize_t)sizeof(value) && n == 1 ? fds[0] : -EACCES;
}

int warden_open_source(void *warden, const char *path)
{
	return open_by(warden, SOURCE, path);
}

int warden_open_file(void *warden, const char *path)
{
	return open_by(warden, NAMED, path);
}

int warden_run(void *warden, const char *line, int out)
{
	int fds[FDS_MAX] = {-1, -1, out, STDERR_FILENO};
	return ask_here(warden, RUN, line, fds, 4);
}

void warden_log(void *warden, int priority, const char *line)
{
	const struct warden *w = warden;
	unsigned char byte = (unsigned char)(LOG + (priority & LOG_PRIMASK));
	struct iovec iov[] = {{&byte, 1}, {(char *)line, strnlen(line, REQUEST_MAX - 2)}};
	send_packet(w->socket, iov, 2, NULL, 0);
}
