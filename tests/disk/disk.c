/*
 * The calls that come here instead of to the C library, and the fault that one of them meets. See disk.h.
 */
#include "tests/disk/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tests/disk/disk_private.h"

enum kind {
	OPENS = 1,
	CREATES = 2,
	READS = 4,
	WRITES = 8,
	NAMES = 16, /* mkdir, rename, unlink, and what changes an inode */
	SYNCS = 32,
	LOOKS = 64, /* stat, readdir */
	LOCKS = 128,
	MAPS = 256,
	CLOSES = 512,
	CHANGES = CREATES | WRITES | NAMES | SYNCS,
	ALL = 1023
};

/* Which calls fail in which way. */
static const struct {
	int error;
	unsigned kinds;
} failures[] = {
	{EIO, ALL},
	{ENOSPC, CREATES | WRITES | NAMES | SYNCS | CLOSES},
	{EDQUOT, CREATES | WRITES | NAMES | SYNCS | CLOSES},
	{EFBIG, WRITES},
	{EROFS, CREATES | WRITES | NAMES},
	{EACCES, OPENS | CREATES | NAMES},
	{EINTR, OPENS | CREATES | READS | WRITES | SYNCS | LOCKS},
	{EOPNOTSUPP, CREATES}, /* O_TMPFILE, of some file systems */
	{EMFILE, OPENS | CREATES},
	{ENOLCK, LOCKS},
	{EINVAL, NAMES}, /* RENAME_NOREPLACE, of some file systems */
	{ENOMEM, MAPS | OPENS | LOOKS},
};

static struct disk_fault fault;
static atomic_bool armed;
static atomic_uint counted;

void disk_begin(struct disk_fault f)
{
	fault = f;
	atomic_store(&counted, 0);
	atomic_store(&armed, true);
}

unsigned disk_end(void)
{
	atomic_store(&armed, false);
	return atomic_load(&counted);
}

void disk_exit(int status)
{
	syscall(SYS_exit_group, status);
	abort();
}

void disk_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void disk_wrong(const char *file, int line, const char *what)
{
	static const char *const does[] = {
		"none", "fails once", "fails from then on", "short", "dies", "tears"};

	disk_say("%s:%d: not so: %s (fault: %s, %s, call %u)", file, line, what, does[fault.does],
		strerror(fault.error), fault.at);
	abort();
}

static unsigned kinds_of_fault(void)
{
	switch (fault.does) {
	case DISK_SHORT:
		return READS | WRITES;
	case DISK_DIES:
		return CHANGES;
	case DISK_TEARS:
		return WRITES;
	default:
		break;
	}
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++)
		if (failures[i].error == fault.error)
			return failures[i].kinds;
	return ALL;
}

enum verdict {
	GOES_ON,
	FAILS, /* errno says how */
	HALF,
	TEARS
};

/* Not while another thread is between doing something and recording it. */
static _Noreturn void die(void)
{
	disk_record_lock();
	disk_exit(DISK_DIED);
}

static enum verdict meets(enum kind kind)
{
	unsigned n;

	if (!atomic_load(&armed) || !(kinds_of_fault() & kind))
		return GOES_ON;
	n = atomic_fetch_add(&counted, 1) + 1;
	if (n < fault.at || fault.does == DISK_WORKS || (n > fault.at && fault.does != DISK_FAILS))
		return GOES_ON;
	switch (fault.does) {
	case DISK_DIES:
		die();
	case DISK_SHORT:
		return HALF;
	case DISK_TEARS:
		return TEARS;
	default:
		errno = fault.error;
		return FAILS;
	}
}

/* ---- calls that fail or not ---- */

/* Declares what the linker makes of a call, and defines what comes in its place. */
#define WRAP(type, name, ...)                                                                                \
	type __real_##name(__VA_ARGS__);                                                                     \
	type __wrap_##name(__VA_ARGS__);                                                                     \
	type __wrap_##name(__VA_ARGS__)

WRAP(int, fstat64, int fd, struct stat *st)
{
	return meets(LOOKS) == FAILS ? -1 : __real_fstat64(fd, st);
}

WRAP(int, fstatat64, int dir, const char *path, struct stat *st, int flags)
{
	return meets(LOOKS) == FAILS ? -1 : __real_fstatat64(dir, path, st, flags);
}

WRAP(struct dirent *, readdir64, DIR *dir)
{
	return meets(LOOKS) == FAILS ? NULL : __real_readdir64(dir);
}

WRAP(DIR *, fdopendir, int fd)
{
	return meets(LOOKS) == FAILS ? NULL : __real_fdopendir(fd);
}

WRAP(char *, realpath, const char *path, char *out)
{
	return meets(LOOKS) == FAILS ? NULL : __real_realpath(path, out);
}

WRAP(void *, mmap64, void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	return meets(MAPS) == FAILS ? MAP_FAILED : __real_mmap64(at, len, prot, flags, fd, offset);
}

/* Asks for what is mapped; what it says when the disk does not give it. */
WRAP(int, madvise, void *at, size_t len, int advice)
{
	if (meets(READS) != FAILS)
		return __real_madvise(at, len, advice);
	errno = EFAULT;
	return -1;
}

WRAP(int, fchmod, int fd, mode_t mode)
{
	return meets(NAMES) == FAILS ? -1 : __real_fchmod(fd, mode);
}

WRAP(int, utimensat, int dir, const char *path, const struct timespec t[2], int flags)
{
	return meets(NAMES) == FAILS ? -1 : __real_utimensat(dir, path, t, flags);
}

WRAP(int, mkdir, const char *path, mode_t mode)
{
	return meets(NAMES) == FAILS ? -1 : __real_mkdir(path, mode);
}

WRAP(int, mkdirat, int dir, const char *path, mode_t mode)
{
	return meets(NAMES) == FAILS ? -1 : __real_mkdirat(dir, path, mode);
}

/* What is closed is closed, whatever was wrong with it. */
WRAP(int, close, int fd)
{
	enum verdict v = meets(CLOSES);
	int r = __real_close(fd);

	if (v != FAILS)
		return r;
	errno = fault.error;
	return -1;
}

WRAP(ssize_t, read, int fd, void *p, size_t n)
{
	enum verdict v = meets(READS);

	return v == FAILS ? -1 : __real_read(fd, p, v == HALF ? n / 2 : n);
}

WRAP(ssize_t, pread64, int fd, void *p, size_t n, off_t offset)
{
	enum verdict v = meets(READS);

	return v == FAILS ? -1 : __real_pread64(fd, p, v == HALF ? (n + 1) / 2 : n, offset);
}

WRAP(ssize_t, preadv64, int fd, const struct iovec *iov, int n, off_t offset)
{
	enum verdict v = meets(READS);

	if (v == HALF && iov[0].iov_len > 1)
		return __real_pread64(fd, iov[0].iov_base, iov[0].iov_len / 2, offset);
	return v == FAILS ? -1 : __real_preadv64(fd, iov, n, offset);
}

/* The third argument is a number or a pointer, which is passed on as it is. */
int __real_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...)
{
	va_list args;
	void *arg;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	return meets(LOCKS) == FAILS ? -1 : __real_fcntl64(fd, command, arg);
}

/* ---- calls that are recorded as well ---- */

int __real_openat64(int dir, const char *path, int flags, ...);
int __wrap_openat64(int dir, const char *path, int flags, ...);
int __wrap_openat64(int dir, const char *path, int flags, ...)
{
	bool temporary = (flags & O_TMPFILE) == O_TMPFILE, creates = (flags & O_CREAT) || temporary, there;
	va_list args;
	mode_t mode;
	int fd;

	va_start(args, flags);
	mode = creates ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (meets(creates ? CREATES : OPENS) == FAILS)
		return -1;
	disk_record_lock();
	there = !creates || temporary || faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	fd = __real_openat64(dir, path, flags, mode);
	if (fd >= 0 && !there)
		disk_record_create(fd, path);
	disk_record_unlock();
	return fd;
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	return __wrap_openat64(AT_FDCWD, path, flags, 0600);
}

ssize_t __real_pwrite64(int fd, const void *p, size_t n, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t offset)
{
	enum verdict v = meets(WRITES);
	ssize_t done;

	if (v == FAILS)
		return -1;
	disk_record_lock();
	done = __real_pwrite64(fd, p, v == GOES_ON || n < 2 ? n : n / 2, offset);
	if (done > 0)
		disk_record_write(fd, p, (size_t)done, offset);
	disk_record_unlock();
	if (v == TEARS)
		die();
	return done;
}

WRAP(ssize_t, write, int fd, const void *p, size_t n)
{
	off_t at = lseek(fd, 0, SEEK_CUR);
	ssize_t done = __wrap_pwrite64(fd, p, n, at);

	if (done > 0)
		lseek(fd, at + done, SEEK_SET);
	return done;
}

WRAP(ssize_t, pwritev64, int fd, const struct iovec *iov, int n, off_t offset)
{
	size_t len = 0;
	char *all;
	ssize_t done;

	for (int i = 0; i < n; i++)
		len += iov[i].iov_len;
	all = malloc(len + 1);
	DISK_CHECK(all);
	len = 0;
	for (int i = 0; i < n; i++) {
		memcpy(all + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	done = __wrap_pwrite64(fd, all, len, offset);
	free(all);
	return done;
}

WRAP(int, ftruncate64, int fd, off_t len)
{
	enum verdict v = meets(WRITES);
	int r;

	if (v == FAILS)
		return -1;
	if (v == TEARS)
		die();
	disk_record_lock();
	r = __real_ftruncate64(fd, len);
	if (r == 0)
		disk_record_truncate(fd, len);
	disk_record_unlock();
	return r;
}

/* Whether it fails; if not, what was written is there for good. */
static int flush(int fd)
{
	if (meets(SYNCS) == FAILS)
		return -1;
	disk_record_lock();
	disk_record_sync(fd);
	disk_record_unlock();
	return 0;
}

WRAP(int, fsync, int fd)
{
	return flush(fd);
}

WRAP(int, fdatasync, int fd)
{
	return flush(fd);
}

/* It promises nothing. */
WRAP(int, sync_file_range, int fd, off_t offset, off_t n, unsigned flags)
{
	(void)fd;
	(void)offset;
	(void)n;
	(void)flags;
	return meets(SYNCS) == FAILS ? -1 : 0;
}

WRAP(int, renameat2, int from, const char *a, int to, const char *b, unsigned flags)
{
	int r;

	if (meets(NAMES) == FAILS)
		return -1;
	disk_record_lock();
	r = __real_renameat2(from, a, to, b, flags);
	if (r == 0)
		disk_record_rename(from, a, b);
	disk_record_unlock();
	return r;
}

WRAP(int, renameat, int from, const char *a, int to, const char *b)
{
	int r;

	if (meets(NAMES) == FAILS)
		return -1;
	disk_record_lock();
	r = __real_renameat(from, a, to, b);
	if (r == 0)
		disk_record_rename(from, a, b);
	disk_record_unlock();
	return r;
}

WRAP(int, unlinkat, int dir, const char *path, int flags)
{
	int r;

	if (meets(NAMES) == FAILS)
		return -1;
	disk_record_lock();
	r = __real_unlinkat(dir, path, flags);
	if (r == 0)
		disk_record_unlink(dir, path);
	disk_record_unlock();
	return r;
}
