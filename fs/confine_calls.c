/*
 * The system calls that are refused, as a seccomp filter (seccomp(2)).
 *
 * A list of what is refused, not of what is allowed: which calls are made is up to libc, libcurl, OpenSSL and
 * the modules of the name service, in versions that we do not know, on paths that no test takes. A call that
 * somebody forgot to allow would fail in the middle of somebody's night; what of the others does harm is
 * known. What is not known are the calls that kernels will get: any above the newest that was looked at is
 * answered as a kernel answers that does not have it, and every library can live with that.
 *
 *	refused (EPERM)       programs, processes, other processes, mounts and namespaces, modules, other
 *	                      users, devices, links, io_uring, listening
 *	only some arguments   socket(), bind(), clone(), tgkill(), ioctl()
 *	not there (ENOSYS)    clone3(), whose flags a filter cannot see: libc takes clone(); what is new
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/confine_private.h"

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define MACHINE AUDIT_ARCH_RISCV64
#endif

#ifndef MACHINE

int calls_confine(bool network)
{
	(void)network;
	return -ENOSYS;
}

#else

/* mseal(), Linux 6.10. From 424 on all machines have the same numbers. */
#define NEWEST 462

static const int refused[] = {
	/* other processes */
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_kcmp,
	SYS_kill,
	SYS_tkill,
	SYS_rt_sigqueueinfo,
	SYS_rt_tgsigqueueinfo,
	424 /* pidfd_send_signal */,
	438 /* pidfd_getfd */,
	440 /* process_madvise */,
	/* the network */
	SYS_listen,
	SYS_accept,
	SYS_accept4,
	/* mounts, namespaces, files by other ways than their names */
	SYS_mount,
	SYS_umount2,
	SYS_pivot_root,
	SYS_chroot,
	SYS_unshare,
	SYS_setns,
	SYS_swapon,
	SYS_swapoff,
	SYS_name_to_handle_at,
	SYS_open_by_handle_at,
	SYS_fanotify_init,
	SYS_quotactl,
	428 /* open_tree */,
	429 /* move_mount */,
	430 /* fsopen */,
	431 /* fsconfig */,
	432 /* fsmount */,
	433 /* fspick */,
	442 /* mount_setattr */,
	443 /* quotactl_fd */,
	/* the kernel, the machine */
	SYS_init_module,
	SYS_finit_module,
	SYS_delete_module,
	SYS_kexec_load,
	SYS_reboot,
	SYS_bpf,
	SYS_perf_event_open,
	SYS_userfaultfd,
	SYS_syslog,
	SYS_acct,
	SYS_sethostname,
	SYS_setdomainname,
	SYS_settimeofday,
	SYS_clock_settime,
	SYS_clock_adjtime,
	SYS_adjtimex,
	SYS_vhangup,
	SYS_add_key,
	SYS_request_key,
	SYS_keyctl,
	425 /* io_uring_setup */,
	426 /* io_uring_enter */,
	427 /* io_uring_register */,
	/* other users */
	SYS_setuid,
	SYS_setgid,
	SYS_setreuid,
	SYS_setregid,
	SYS_setresuid,
	SYS_setresgid,
	SYS_setfsuid,
	SYS_setfsgid,
	SYS_setgroups,
	SYS_capset,
	/* what the cache has no need of */
	SYS_mknodat,
	SYS_symlinkat,
	SYS_linkat,
	SYS_fchownat,
	SYS_fchown,
	SYS_truncate /* which Landlock knows from its version 3 on */,
	SYS_setxattr,
	SYS_lsetxattr,
	SYS_fsetxattr,
#ifdef __x86_64__
	SYS_mknod,
	SYS_symlink,
	SYS_link,
	SYS_chown,
	SYS_lchown,
	SYS_iopl,
	SYS_ioperm,
	SYS_modify_ldt,
	SYS_uselib,
#endif
#ifdef SYS_kexec_file_load
	SYS_kexec_file_load,
#endif
};

/* The sanitizers' reports and their search for leaks need these. */
static const int refused_unwatched[] = {
	SYS_execve,
	SYS_execveat,
	SYS_ptrace,
	SYS_personality,
#ifdef __x86_64__
	SYS_fork,
	SYS_vfork,
#endif
};

#define NEW_NAMESPACES                                                                                       \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |        \
		CLONE_NEWNET)

#define CODE_MAX 512

struct program {
	struct sock_filter code[CODE_MAX];
	unsigned short n;
};

/* ---- writing a program: each test is left by its last line or returns ---- */

static void add(struct program *p, unsigned code, uint32_t k, unsigned yes, unsigned no)
{
	if (p->n < CODE_MAX)
		p->code[p->n++] = (struct sock_filter){(uint16_t)code, (uint8_t)yes, (uint8_t)no, k};
}

static void load(struct program *p, size_t offset)
{
	add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* The low half of an argument: none that is tested has more. */
static void load_argument(struct program *p, int n)
{
	load(p, offsetof(struct seccomp_data, args) + (size_t)n * sizeof(uint64_t));
}

static void end(struct program *p, uint32_t with)
{
	add(p, BPF_RET | BPF_K, with, 0, 0);
}

static void allow(struct program *p)
{
	end(p, SECCOMP_RET_ALLOW);
}

static void refuse(struct program *p, int error)
{
	end(p, SECCOMP_RET_ERRNO | (uint32_t)error);
}

/* What follows, `n` lines, is for this value only. */
static void only_for(struct program *p, uint32_t value, unsigned n)
{
	add(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, n);
}

static void refuse_call(struct program *p, int call)
{
	only_for(p, (uint32_t)call, 1);
	refuse(p, EPERM);
}

static void allow_value(struct program *p, uint32_t value)
{
	only_for(p, value, 1);
	allow(p);
}

/* ---- the calls that depend on their arguments ---- */

/* One of these, or an error. */
static void one_of(struct program *p, int call, int argument, const uint32_t *value, unsigned n, int error)
{
	only_for(p, (uint32_t)call, 2 * n + 2);
	load_argument(p, argument);
	for (unsigned i = 0; i < n; i++)
		allow_value(p, value[i]);
	refuse(p, error);
}

/* By AF_UNIX one would reach whoever runs programs for others: systemd, a container's manager, an agent with
 * keys. AF_NETLINK says which addresses this machine has. */
static void sockets(struct program *p, bool network)
{
	static const uint32_t family[] = {AF_INET, AF_INET6, AF_NETLINK};
	/* A filter cannot see an address, but how long it is; and the other families' are longer, or their
	 * sockets of no use if they cannot listen. */
	static const uint32_t length[] = {sizeof(struct sockaddr_nl)};
	one_of(p, SYS_socket, 0, family, network ? 3 : 0, EAFNOSUPPORT);
	one_of(p, SYS_bind, 2, length, network ? 1 : 0, EPERM);
}

/* Threads, but no processes. */
static void clones(struct program *p)
{
	only_for(p, SYS_clone, 5);
	load_argument(p, 0);
	add(p, BPF_JMP | BPF_JSET | BPF_K, NEW_NAMESPACES, 1, 0);
	add(p, BPF_JMP | BPF_JSET | BPF_K, CONFINE_WATCHED ? ~0u : CLONE_THREAD, 1, 0);
	refuse(p, EPERM);
	allow(p);
	only_for(p, 435 /* clone3 */, 1);
	refuse(p, ENOSYS);
}

static void arguments(struct program *p, bool network)
{
	const uint32_t self[] = {(uint32_t)getpid()};
	sockets(p, network);
	clones(p);
	one_of(p, SYS_tgkill, 0, self, 1, EPERM);
	/* Typing on the terminal that we may share. */
	only_for(p, SYS_ioctl, 6);
	load_argument(p, 1);
	only_for(p, TIOCSTI, 1);
	refuse(p, EPERM);
	only_for(p, TIOCLINUX, 1);
	refuse(p, EPERM);
	allow(p);
}

static void write_program(struct program *p, bool network)
{
	load(p, offsetof(struct seccomp_data, arch));
	add(p, BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0);
	refuse(p, ENOSYS);
	load(p, offsetof(struct seccomp_data, nr));
	add(p, BPF_JMP | BPF_JGT | BPF_K, NEWEST, 0, 1);
	refuse(p, ENOSYS);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		refuse_call(p, refused[i]);
	for (size_t i = 0; i < sizeof(refused_unwatched) / sizeof(*refused_unwatched) && !CONFINE_WATCHED;
		i++)
		refuse_call(p, refused_unwatched[i]);
	arguments(p, network);
	allow(p);
}

int calls_confine(bool network)
{
	static struct program p;
	p.n = 0;
	write_program(&p, network);
	struct sock_fprog program = {p.n, p.code};
	if (p.n == CODE_MAX)
		return -E2BIG;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return errno == EINVAL ? -ENOSYS : -errno;
	return 0;
}

#endif
