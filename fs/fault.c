/*
 * The handler may have interrupted anything, and several threads may come to it at once: the first one says
 * it.
 */
#include "fs/fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "fs/log.h"

static const char said[] =
	"a page of the cache was lost while it was used: a disk error, or a file that was cut short. The "
	"mount ends. "
	"Mount again, the cache is checked then; and see what the kernel says of the disk (dmesg)";

static void (*before_end)(void);

static void lost(int number)
{
	static atomic_flag begun = ATOMIC_FLAG_INIT;
	struct sigaction end = {.sa_handler = SIG_DFL};
	while (atomic_flag_test_and_set(&begun))
		pause();
	log_dying(said);
	before_end();
	/* Blocked until we return. */
	sigaction(number, &end, NULL);
	raise(number);
}

void fault_expect(void (*unmount)(void))
{
	struct sigaction action = {.sa_handler = lost};
	before_end = unmount;
	sigaction(SIGBUS, &action, NULL);
}
