/*
 * Landlock (docs.kernel.org/userspace-api/landlock.html). The numbers are the kernel's; they are here as
 * headers are older than kernels, and so are the calls, which libc does not have.
 *
 * What is handled and not allowed is refused. Each version of the interface handles more:
 *
 *   1 files and folders    2 moving them elsewhere    3 truncating    4 TCP    5 devices' ioctl()
 *   6 signals to other processes, abstract sockets of theirs
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/confine_private.h"

#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset 444
#define __NR_landlock_add_rule       445
#define __NR_landlock_restrict_self  446
#endif

#define ASK_VERSION 1u
#define PATH_RULE   1

#define EXECUTE     (1ull << 0)
#define WRITE_FILE  (1ull << 1)
#define READ_FILE   (1ull << 2)
#define READ_DIR    (1ull << 3)
#define REMOVE_FILE (1ull << 5)
#define MAKE_REG    (1ull << 8)
#define REFER       (1ull << 13)
#define TRUNCATE    (1ull << 14)
#define IOCTL_DEV   (1ull << 15)

#define FILES     ((1ull << 13) - 1) /* version 1 */
#define OF_A_FILE (EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV)

#define BIND_TCP    (1ull << 0)
#define CONNECT_TCP (1ull << 1)

#define ABSTRACT_SOCKETS (1ull << 0)
#define SIGNALS          (1ull << 1)

struct handled {
	uint64_t files, net, scoped;
};

struct path_rule {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

struct landlock {
	int fd;
	struct handled handled;
};

static struct handled what_to_handle(int version, bool network)
{
	struct handled h = {.files = FILES};
	if (version >= 2)
		h.files |= REFER;
	if (version >= 3)
		h.files |= TRUNCATE;
	if (version >= 4)
		h.net = network ? BIND_TCP : BIND_TCP | CONNECT_TCP;
	if (version >= 5)
		h.files |= IOCTL_DEV;
	if (version >= 6)
		h.scoped = ABSTRACT_SOCKETS | SIGNALS;
	return h;
}

int landlock_new(bool network, struct landlock **ret, int *ret_version)
{
	struct landlock *l = calloc(1, sizeof(*l));
	if (l == NULL)
		return -ENOMEM;
	long version = syscall(__NR_landlock_create_ruleset, NULL, (size_t)0, ASK_VERSION);
	l->fd = -1;
	if (version > 0) {
		l->handled = what_to_handle((int)version, network);
		/* An older kernel takes a longer struct, if what it does not know is 0. */
		l->fd = (int)syscall(__NR_landlock_create_ruleset, &l->handled, sizeof(l->handled), 0u);
	}
	if (l->fd < 0) {
		int saved = errno == EOPNOTSUPP ? ENOSYS : errno;
		free(l);
		return -saved;
	}
	*ret_version = (int)version;
	*ret = l;
	return 0;
}

static uint64_t rights_of(unsigned rights)
{
	uint64_t all = 0;
	if (rights & CONFINE_READ)
		all |= READ_FILE | READ_DIR;
	if (rights & CONFINE_WRITE)
		all |= WRITE_FILE | TRUNCATE | MAKE_REG | REMOVE_FILE;
	if (rights & CONFINE_DEVICE)
		all |= READ_FILE | WRITE_FILE;
	return all;
}

int landlock_allow(struct landlock *l, const struct confine_path *p)
{
	struct path_rule rule = {
		.allowed = rights_of(p->rights) & l->handled.files,
		.fd = open(p->path, O_PATH | O_CLOEXEC),
	};
	struct stat st;
	int ret = 0;
	if (rule.fd < 0)
		return -errno;
	if (fstat(rule.fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed &= OF_A_FILE;
	if (syscall(__NR_landlock_add_rule, l->fd, PATH_RULE, &rule, 0u) < 0)
		ret = -errno;
	close(rule.fd);
	return ret;
}

int landlock_enforce(struct landlock *l)
{
	return syscall(__NR_landlock_restrict_self, l->fd, 0u) < 0 ? -errno : 0;
}

void landlock_free(struct landlock *l)
{
	if (l == NULL)
		return;
	close(l->fd);
	free(l);
}
