/*
 * The session: mounting, serving, ending.
 *
 * The end, from outside (umount) or by mount_stop(): parked calls are answered, then the notifier and the
 * pushing end, and only then the session: telling the kernel to drop a name waits for the lock of a directory
 * in which some process may wait for our answer, and storing a page for the answer to a READ of it.
 *
 *   threads                wait for             hold while calling the kernel
 *   libfuse's, 1 to 8      the kernel           nothing
 *   the park's, 2          wakes                nothing
 *   the notifier           wakes, parked calls  nothing
 *   push's                 READs                nothing
 */
#include "fs/mount.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fs/calls.h"
#include "fs/clock.h"
#include "fs/log.h"

#define THREADS_MAX 8
#define KICK_NS     20000000 /* between attempts to interrupt libfuse's waiting */

struct mount {
	struct fuse_session *session;
	void (*detach)(void *arg);
	void *detach_arg;
	struct calls calls;
	atomic_bool detached;

	pthread_mutex_t lock;
	pthread_cond_t changed; /* news, stopping, notifying, running */
	bool news, stopping;
	bool notifying; /* the notifier runs */
	bool running;   /* libfuse's loop runs, in thread `runner` */
	pthread_t notifier, runner;
	bool notifier_started;
};

/* ---- what libfuse says: the reason of a failed mount, later the log ---- */

static char *capture; /* CAPTURE_SIZE bytes; non-NULL only within mount_open() */
#define CAPTURE_SIZE 256

__attribute__((format(printf, 2, 0))) static void heed(
	enum fuse_log_level level, const char *format, va_list ap)
{
	char line[CAPTURE_SIZE];
	vsnprintf(line, sizeof(line), format, ap);
	line[strcspn(line, "\n")] = '\0';
	if (capture != NULL)
		memcpy(capture, line, sizeof(line));
	else if (level <= FUSE_LOG_WARNING)
		log_warning("%s", line);
	else
		log_debug("%s", line);
}

/* Runs fuse_session_mount() with what it, and fusermount3, write to standard error caught in `said`. */
static int mount_quietly(struct fuse_session *session, const char *mountpoint, char said[CAPTURE_SIZE])
{
	int quiet = memfd_create("stderr", MFD_CLOEXEC), saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	if (quiet >= 0 && saved >= 0)
		dup2(quiet, STDERR_FILENO);
	int ret = fuse_session_mount(session, mountpoint);
	if (quiet >= 0 && saved >= 0)
		dup2(saved, STDERR_FILENO);
	ssize_t n = quiet >= 0 ? pread(quiet, said, CAPTURE_SIZE - 1, 0) : 0;
	if (n > 0) {
		said[n] = '\0';
		said[strcspn(said, "\n")] = '\0';
	}
	if (quiet >= 0)
		close(quiet);
	if (saved >= 0)
		close(saved);
	return ret;
}

/* -o ...: read-only, or the first read of each file would make its atime stale. */
static char *session_options(const struct mount_options *o)
{
	char *options = NULL, *name = NULL;
	if (asprintf(&name, "fsname=%s", o->source) < 0)
		return NULL;
	int failed =
		fuse_opt_add_opt(&options, "ro,nosuid,nodev,noatime,default_permissions,subtype=trailfs");
	failed |= fuse_opt_add_opt_escaped(&options, name);
	if (o->allow_other)
		failed |= fuse_opt_add_opt(&options, "allow_other");
	if (o->fuse_options != NULL)
		failed |= fuse_opt_add_opt(&options, o->fuse_options);
	free(name);
	if (failed == 0)
		return options;
	free(options);
	return NULL;
}

/* ---- what libfuse does not tell the kernel ---- */

/*
 * libfuse 3.14 leaves FUSE_PARALLEL_DIROPS out of its answer to INIT, wanted or not. Without it a name that
 * has to wait holds up all other names of its directory, beyond Ctrl-C. So it is put in, on the way out, into
 * the first answer of the session. (do_init() wants it too, for the versions that heed that.)
 */
static atomic_flag init_answered = ATOMIC_FLAG_INIT;

static ssize_t write_answer(int fd, struct iovec *iov, int count, void *userdata)
{
	(void)userdata;
	if (!atomic_flag_test_and_set(&init_answered) && count == 2) {
		struct fuse_init_out *out = iov[1].iov_base;
		if (iov[1].iov_len >= offsetof(struct fuse_init_out, max_background))
			out->flags |= FUSE_PARALLEL_DIROPS;
	}
	return writev(fd, iov, count);
}

static ssize_t read_request(int fd, void *buf, size_t n, void *userdata)
{
	(void)userdata;
	return read(fd, buf, n);
}

static const struct fuse_custom_io io = {.writev = write_answer, .read = read_request};

static struct fuse_session *session_new(const struct mount_options *o, struct calls *calls)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *session = NULL;
	char *options = session_options(o);
	if (options != NULL && fuse_opt_add_arg(&args, "trailfs") == 0 &&
		fuse_opt_add_arg(&args, "-o") == 0 && fuse_opt_add_arg(&args, options) == 0)
		session = fuse_session_new(&args, &calls_ops, sizeof(calls_ops), calls);
	fuse_opt_free_args(&args);
	free(options);
	return session;
}

static void drop(void *arg, uint64_t parent, const char *entry, uint64_t node)
{
	struct mount *m = arg;
	if (entry != NULL)
		park_await_unlocked(m->calls.park, parent);
	int error = entry != NULL ? fuse_lowlevel_notify_inval_entry(m->session, parent, entry, strlen(entry))
				  : fuse_lowlevel_notify_inval_inode(m->session, node, 0, 0);
	/* -ENOENT: the kernel did not have it. */
	if (error != 0 && error != -ENOENT && error != -ENODEV)
		log_debug("the kernel did not drop a name: %s", strerror(-error));
}

/* A directory whose names the kernel holds: has it still these? */
static bool is_stale(void *arg, uint64_t node, uint64_t serial)
{
	struct mount *m = arg;
	if (tree_serial_holds(m->calls.tree, node, serial))
		return false;
	drop(m, 0, NULL, node);
	return true;
}

static void *notify(void *arg)
{
	struct mount *m = arg;
	pthread_mutex_lock(&m->lock);
	while (!m->stopping) {
		if (!m->news) {
			pthread_cond_wait(&m->changed, &m->lock);
			continue;
		}
		m->news = false;
		pthread_mutex_unlock(&m->lock);
		tree_news(m->calls.tree, drop, m);
		told_check(m->calls.told, is_stale, m);
		pthread_mutex_lock(&m->lock);
	}
	m->notifying = false;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

static void wake_notifier(void *arg)
{
	struct mount *m = arg;
	pthread_mutex_lock(&m->lock);
	if (!m->news)
		pthread_cond_broadcast(&m->changed);
	m->news = true;
	pthread_mutex_unlock(&m->lock);
}

/* Whether the kernel has let go of us: unmounted from outside. */
static bool is_gone(const struct mount *m)
{
	struct pollfd fd = {.fd = fuse_session_fd(m->session)};
	return poll(&fd, 1, 0) == 1 && (fd.revents & POLLERR) != 0;
}

/* Once, and not by fuse_session_unmount(): that could unmount what else is there by now. */
static void detach(struct mount *m)
{
	if (!atomic_exchange(&m->detached, true) && !is_gone(m))
		m->detach(m->detach_arg);
}

/* Nobody waits for us any more, and nothing more is told to the kernel. */
static void wind_down(struct mount *m)
{
	pthread_mutex_lock(&m->lock);
	m->stopping = true;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	park_stop(m->calls.park);
	pthread_mutex_lock(&m->lock);
	while (m->notifying)
		pthread_cond_wait(&m->changed, &m->lock);
	pthread_mutex_unlock(&m->lock);
	push_stop(m->calls.push);
}

static int start_threads(struct mount *m)
{
	int ret = park_start(m->calls.park);
	if (ret < 0)
		return ret;
	pthread_mutex_lock(&m->lock);
	int error = pthread_create(&m->notifier, NULL, notify, m);
	m->notifying = m->notifier_started = error == 0;
	pthread_mutex_unlock(&m->lock);
	return -error;
}

/* Its only purpose is to interrupt. */
static void on_kick(int signal)
{
	(void)signal;
}

static int loop(struct mount *m)
{
	struct sigaction kick = {.sa_handler = on_kick}; /* no SA_RESTART */
	sigaction(SIGUSR1, &kick, NULL);
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	if (config == NULL)
		return -ENOMEM;
	fuse_loop_cfg_set_max_threads(config, THREADS_MAX);
	fuse_loop_cfg_set_clone_fd(config, 0);
	int ret = fuse_session_loop_mt(m->session, config);
	fuse_loop_cfg_destroy(config);
	return ret < 0 ? ret : 0;
}

int mount_open(const struct mount_options *o, struct mount **ret, char error[MOUNT_ERROR_MAX])
{
	char said[CAPTURE_SIZE] = "";
	struct mount *m = calloc(1, sizeof(*m));
	int failed = -ENOMEM;
	snprintf(error, MOUNT_ERROR_MAX, "out of memory");
	if (m == NULL)
		return failed;
	pthread_mutex_init(&m->lock, NULL);
	clock_cond_init(&m->changed);
	atomic_init(&m->detached, true);
	m->calls.news = wake_notifier;
	m->calls.news_arg = m;
	m->detach = o->detach;
	m->detach_arg = o->detach_arg;
	if (park_new(&calls_park_ops, &m->calls, o->timeout, &m->calls.park) < 0 ||
		push_new(&m->calls.push) < 0 || (m->calls.told = told_new()) == NULL)
		goto fail;
	capture = said;
	fuse_set_log_func(heed);
	m->session = session_new(o, &m->calls);
	failed = m->session == NULL || mount_quietly(m->session, o->mountpoint, said) != 0 ? -EIO : 0;
	if (failed == 0)
		failed = fuse_session_custom_io(m->session, &io, fuse_session_fd(m->session));
	capture = NULL;
	if (failed == 0) {
		atomic_store(&m->detached, false);
		*ret = m;
		return 0;
	}
	snprintf(error, MOUNT_ERROR_MAX, "cannot mount on %s: %s", o->mountpoint,
		said[0] != '\0' ? said : "libfuse gave no reason");
fail:
	mount_free(m);
	return failed;
}

void mount_set_tree(struct mount *m, struct tree *t)
{
	m->calls.tree = t;
}

void mount_wake(struct mount *m)
{
	park_wake(m->calls.park);
	wake_notifier(m);
}

void mount_metrics(void *arg,
	void (*put)(void *put_arg, const char *name, const char *help, const char *label, double value),
	void *put_arg)
{
	struct mount *m = arg;
	for (int i = 0; i < COUNTS; i++)
		put(put_arg, "trailfs_fuse_requests_total", i == 0 ? "Requests of the kernel." : NULL,
			calls_count_label[i], (double)atomic_load(&m->calls.count[i]));
	put(put_arg, "trailfs_pushed_files_total", "Files stored into the page cache ahead of reads.", NULL,
		(double)push_files(m->calls.push));
	put(put_arg, "trailfs_parked_calls", "Calls that wait now.", NULL, (double)park_count(m->calls.park));
}

int mount_run(struct mount *m)
{
	int ret = push_start(m->calls.push, m->session, m->calls.tree);
	if (ret == 0)
		ret = start_threads(m);
	pthread_mutex_lock(&m->lock);
	m->running = ret == 0 && !m->stopping;
	m->runner = pthread_self();
	bool run = m->running;
	pthread_mutex_unlock(&m->lock);
	if (run)
		ret = loop(m);
	pthread_mutex_lock(&m->lock);
	m->running = false;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	wind_down(m);
	detach(m);
	return ret;
}

void mount_stop(struct mount *m)
{
	wind_down(m);
	pthread_mutex_lock(&m->lock);
	bool running = m->running;
	pthread_mutex_unlock(&m->lock);
	if (!running)
		return;
	/* Where nobody is in it, the kernel ends the session when it is unmounted. Else the flag does, which
	 * is looked at when libfuse's wait is interrupted; again and again, as it may be just about to wait.
	 */
	detach(m);
	fuse_session_exit(m->session);
	pthread_mutex_lock(&m->lock);
	while (m->running) {
		pthread_kill(m->runner, SIGUSR1);
		clock_wait(&m->changed, &m->lock, clock_now() + KICK_NS);
	}
	pthread_mutex_unlock(&m->lock);
}

void mount_free(struct mount *m)
{
	if (m == NULL)
		return;
	if (m->calls.push != NULL) {
		wind_down(m);
		detach(m);
	}
	if (m->notifier_started)
		pthread_join(m->notifier, NULL);
	park_free(m->calls.park);
	push_free(m->calls.push);
	told_free(m->calls.told);
	if (m->session != NULL) {
		/* Where the kernel has let go, this unmounts nothing; it frees. */
		if (is_gone(m))
			fuse_session_unmount(m->session);
		fuse_session_destroy(m->session);
	}
	pthread_cond_destroy(&m->changed);
	pthread_mutex_destroy(&m->lock);
	free(m);
}
