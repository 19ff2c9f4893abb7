/*
 * In the build of scripts/coverage, so that the program itself need know nothing of it: its processes write
 * what they have counted into the build's folder when they end, and those that end by _exit(), that have
 * confined themselves, or that are refused memory would not.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fs/confine_private.h"

#define WRITE_SECONDS 10

void __gcov_dump(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
int __real_landlock_enforce(struct landlock *l);
int __wrap_landlock_enforce(struct landlock *l);

static volatile sig_atomic_t ends_with;

static void end(int signal)
{
	(void)signal;
	__real__exit(ends_with);
}

/* libgcov does not ask whether it was given memory (tests/mount/fail_memory.c). A destructor comes before its
 * own, which has a priority. */
__attribute__((destructor)) static void give_memory(void)
{
	void (*give)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "fail_memory_end");
	if (give != NULL)
		give();
}

/* What is cut spoils what others have counted. */
static bool may_write(void)
{
	struct rlimit limit;
	return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
}

/* By a signal's handler too, where writing may hang: then what was counted is lost. */
void __wrap__exit(int status)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	ends_with = status;
	signal(SIGALRM, end);
	alarm(WRITE_SECONDS);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	give_memory();
	if (may_write())
		__gcov_dump();
	__real__exit(status);
}

int __wrap_landlock_enforce(struct landlock *l)
{
	const struct confine_path counts = {COUNTS_FOLDER, CONFINE_READ | CONFINE_WRITE};
	int ret = landlock_allow(l, &counts);
	return ret < 0 ? ret : __real_landlock_enforce(l);
}
