/*
 * Preloaded into a process, tries on SIGUSR2, in the thread that gets it, what a confined one must not be
 * able to do. Of each try it adds a line "NAME RESULT" to the file $PROBE_SAYS; RESULT is "ok" or an errno's
 * name. At the end: "done TID".
 *
 * Most calls are given arguments that are no good, so that they do no harm where they are allowed: then the
 * error is another one.
 *
 * With $PROBE_WITHOUT the process is on a kernel that has neither Landlock nor seccomp. What it writes to
 * syslog is added to the file $PROBE_SYSLOG, which is opened then: a confined process cannot do that.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int out = -1;
static char outside[4096], inside[4096]; /* folders: of somebody else's, and the cache's */

static void say(const char *name, long result)
{
	char line[256];
	const char *error = result >= 0 ? "ok" : strerrorname_np(errno);
	int n = snprintf(line, sizeof(line), "%s %s\n", name, error != NULL ? error : "?");
	if (write(out, line, (size_t)n) < 0)
		_exit(99);
}

static const char *at(const char *folder, const char *name)
{
	static _Thread_local char path[2][5000];
	static _Thread_local int turn;
	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", folder, name);
	return path[turn];
}

static void try_open(const char *name, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);
	say(name, fd);
	if (fd >= 0)
		close(fd);
}

static void files(void)
{
	try_open("read-shadow", "/etc/shadow", O_RDONLY);
	try_open("read-file", at(outside, "file"), O_RDONLY);
	try_open("write-file", at(outside, "file"), O_WRONLY);
	try_open("make-file", at(outside, "new"), O_WRONLY | O_CREAT | O_EXCL);
	try_open("list-folder", outside, O_RDONLY | O_DIRECTORY);
	try_open("nameless-file", outside, O_RDWR | O_TMPFILE);
	try_open("own-environment", "/proc/self/environ", O_RDONLY);
	try_open("own-memory", "/proc/self/mem", O_RDWR);
	say("truncate", truncate(at(outside, "file"), 3));
	say("rename", rename(at(outside, "file"), at(outside, "moved")));
	say("rename-out", rename(at(inside, "probe"), at(outside, "probe")));
	say("unlink", unlink(at(outside, "unlinked")));
	say("make-folder", mkdir(at(outside, "folder"), 0700));
	say("make-folder-in-cache", mkdir(at(inside, "folder"), 0700));
	say("link-in-cache", symlink("/etc/shadow", at(inside, "link")));
	say("hard-link", link(at(outside, "file"), at(inside, "hard")));
	say("pipe-in-cache", mkfifo(at(inside, "pipe"), 0600));
	say("chown", chown(at(outside, "file"), 0, 0));
}

static void processes(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	say("fork", pid);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	say("execve", syscall(SYS_execve, "", NULL, NULL));
	say("execveat", syscall(SYS_execveat, -1, "", NULL, NULL, 0));
	say("clone3", syscall(SYS_clone3, NULL, 0));
	say("signal", kill(getppid(), 0));
	say("ptrace", ptrace(PTRACE_ATTACH, -1, NULL, NULL));
	say("read-process", syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
	say("gain-rights", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? (errno = EPERM, -1) : 0);
	say("other-user", syscall(SYS_setresuid, -1, -1, -1));
	say("unshare", unshare(0));
	say("setns", setns(-1, 0));
}

static void kernel(void)
{
	char c = 'x';
	say("mount", syscall(SYS_mount, "none", "", "nothing", 0, NULL));
	say("umount", syscall(SYS_umount2, "", 0));
	say("open-tree", syscall(SYS_open_tree, -1, "", 0));
	say("module", syscall(SYS_init_module, NULL, 0, NULL));
	say("bpf", syscall(SYS_bpf, -1, NULL, 0));
	say("perf", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
	say("io-uring", syscall(SYS_io_uring_setup, 0, NULL));
	say("keys", syscall(SYS_keyctl, -1));
	say("clock", syscall(SYS_clock_settime, -1, NULL));
	say("reboot", syscall(SYS_reboot, 0, 0, 0, NULL));
	say("type-on-terminal", ioctl(-1, TIOCSTI, &c));
	say("newer-call", syscall(463 /* setxattrat */, -1, "", 0, "", NULL, 0));
}

/* Binding and listening are tried with a socket that the process may have. */
static void network(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int pair[2], tcp = socket(AF_INET, SOCK_STREAM, 0), local;
	say("tcp", tcp);
	say("udp", socket(AF_INET, SOCK_DGRAM, 0));
	say("raw", socket(AF_INET, SOCK_RAW, 1));
	say("packets", socket(AF_PACKET, SOCK_RAW, 0));
	say("local", socket(AF_UNIX, SOCK_STREAM, 0));
	say("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	local = pair[0];
	say("bind", bind(tcp >= 0 ? tcp : local, (struct sockaddr *)&any, sizeof(any)));
	say("listen", listen(tcp >= 0 ? tcp : local, 1));
	say("accept", accept4(local, NULL, NULL, SOCK_NONBLOCK));
	close(pair[0]);
	close(pair[1]);
	close(tcp);
}

/* What must go on to work. */
static void allowed(void)
{
	struct addrinfo *found = NULL;
	int r = getaddrinfo("localhost", "80", NULL, &found);
	errno = EIO;
	say("names", r == 0 ? 0 : -1);
	if (found != NULL)
		freeaddrinfo(found);
	try_open("write-cache", at(inside, "probe"), O_WRONLY | O_CREAT);
	try_open("null", "/dev/null", O_RDWR);
}

static void on_signal(int signal)
{
	int saved = errno;
	char line[64];
	(void)signal;
	allowed();
	files();
	processes();
	kernel();
	network();
	int n = snprintf(line, sizeof(line), "done %d\n", (int)gettid());
	if (write(out, line, (size_t)n) < 0)
		_exit(99);
	errno = saved;
}

/* Some threads have all signals blocked. */
typedef int sigmask_function(int how, const sigset_t *set, sigset_t *old);

int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	sigmask_function *next = (sigmask_function *)dlsym(RTLD_NEXT, "pthread_sigmask");
	sigset_t most;
	if (set != NULL) {
		most = *set;
		sigdelset(&most, SIGUSR2);
	}
	return next(how, set != NULL ? &most : NULL, old);
}

/* ---- syslog ---- */

static void log_line(const char *format, va_list ap)
{
	const char *name = getenv("PROBE_SYSLOG");
	FILE *f = name != NULL ? fopen(name, "ae") : NULL;
	if (f == NULL)
		return;
	vfprintf(f, format, ap);
	fputc('\n', f);
	fclose(f);
}

void syslog(int priority, const char *format, ...)
{
	va_list ap;
	(void)priority;
	va_start(ap, format);
	log_line(format, ap);
	va_end(ap);
}

void __syslog_chk(int priority, int flag, const char *format, ...);
void __syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list ap;
	(void)priority;
	(void)flag;
	va_start(ap, format);
	log_line(format, ap);
	va_end(ap);
}

/* ---- an older kernel ---- */

typedef long syscall_function(long number, ...);
typedef int prctl_function(int option, ...);

long syscall(long number, ...)
{
	syscall_function *next = (syscall_function *)dlsym(RTLD_NEXT, "syscall");
	long a[6];
	va_list ap;
	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == 444 /* landlock_create_ruleset */ && getenv("PROBE_WITHOUT") != NULL) {
		errno = ENOSYS;
		return -1;
	}
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int prctl(int option, ...)
{
	prctl_function *next = (prctl_function *)dlsym(RTLD_NEXT, "prctl");
	unsigned long a[4];
	va_list ap;
	va_start(ap, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	if (option == PR_SET_SECCOMP && getenv("PROBE_WITHOUT") != NULL) {
		errno = EINVAL;
		return -1;
	}
	return next(option, a[0], a[1], a[2], a[3]);
}

__attribute__((constructor)) static void begin(void)
{
	const char *says = getenv("PROBE_SAYS"), *folder = getenv("PROBE_OUTSIDE"),
		   *cache = getenv("PROBE_INSIDE");
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	if (says == NULL || folder == NULL || cache == NULL)
		return;
	snprintf(outside, sizeof(outside), "%s", folder);
	snprintf(inside, sizeof(inside), "%s", cache);
	out = open(says, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	sigaction(SIGUSR2, &action, NULL);
}
