#!/usr/bin/python3
"""Calls that no ordinary program makes: edges.py CASE FOLDER COPY, of a folder of events in a mount and its plain copy. And
edges.py arriving FOLDER ASIDE SOURCE PID: the objects in ASIDE are moved to the SOURCE, and the daemon is told.

Fails with an assertion, or an error, where the kernel and the mount do not answer as they should.
"""
import array
import ctypes
import errno
import fcntl
import mmap
import os
import random
import resource
import signal
import struct
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
GETDENTS64 = {'x86_64': 217, 'aarch64': 61, 'riscv64': 61}.get(os.uname().machine)
AT_FDCWD = -100


def check(result):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def fails_with(wanted, function, *arguments):
    """The call fails, with one of these errors."""
    try:
        found = function(*arguments)
    except OSError as error:
        assert error.errno in wanted, 'not %s but %s' % ([errno.errorcode[e] for e in wanted], error)
        return
    raise AssertionError('it gave %r, and not %s' % (found, [errno.errorcode[e] for e in wanted]))


def read_all(path):
    with open(path, 'rb') as file:
        return file.read()


def largest(folder):
    return max((entry.stat().st_size, entry.name) for entry in os.scandir(folder))[1]


# ---- directories ----

def getdents(fd, room):
    """The next entries that fit in so many bytes: [(name, inode, the offset after it)]."""
    buf = ctypes.create_string_buffer(room)
    n = check(libc.syscall(GETDENTS64, fd, buf, room))
    entries, at = [], 0
    while at < n:
        ino, offset, length, _ = struct.unpack_from('<QqHB', buf, at)
        entries.append((buf.raw[at + 19:at + length].split(b'\0')[0], ino, offset))
        at += length
    return entries


def listing(fd, room=1 << 16):
    entries = []
    while True:
        some = getdents(fd, room)
        if not some:
            return entries
        entries += some


def small_buffers(folder, _):
    """One entry at a time, and too little for one."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    whole = listing(fd)
    assert len(whole) > 50, len(whole)
    longest = max(len(name) for name, _, _ in whole)
    os.lseek(fd, 0, os.SEEK_SET)
    single = []
    while True:
        some = getdents(fd, (27 + longest) & ~7)
        if not some:
            break
        assert len(some) <= 3, some
        single += some
    assert single == whole
    os.lseek(fd, 0, os.SEEK_SET)
    fails_with([errno.EINVAL], getdents, fd, 20)
    assert listing(fd) == whole
    os.close(fd)


def every_cookie(folder, _):
    """From the offset after each entry, in any order, the listing goes on as it did."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    whole = listing(fd)
    order = list(range(len(whole)))
    for shuffled in (False, True):
        if shuffled:
            random.Random(5).shuffle(order)
        for i in order:
            os.lseek(fd, whole[i][2], os.SEEK_SET)
            assert getdents(fd, 4096)[:1] == whole[i + 1:i + 2], i
    os.lseek(fd, whole[-1][2], os.SEEK_SET)
    assert not getdents(fd, 4096)
    os.lseek(fd, 0, os.SEEK_SET)
    assert listing(fd) == whole
    for wild in ((1 << 62) + 12345, 1 << 39, (1 << 40) + 3):  # offsets that nobody was given
        try:
            os.lseek(fd, wild, os.SEEK_SET)
            names = [name for name, _, _ in listing(fd)]
        except OSError:
            continue
        assert len(set(names)) == len(names) and set(names) <= {name for name, _, _ in whole}
    os.close(fd)


def shared_position(folder, _):
    """Two descriptors of one open directory share its position; two readers take each entry once."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    whole = listing(fd)
    os.lseek(fd, 0, os.SEEK_SET)
    other, found = os.dup(fd), []
    while True:
        some = getdents(fd, 600) + getdents(other, 600)
        if not some:
            break
        found += some
    assert found == whole
    os.lseek(other, 0, os.SEEK_SET)
    found, readers = [], []

    def take(which):
        while True:
            some = getdents(which, 600)
            if not some:
                return
            found.extend(some)

    for which in (fd, other):
        readers.append(threading.Thread(target=take, args=(which,)))
        readers[-1].start()
    for reader in readers:
        reader.join()
    assert sorted(found) == sorted(whole)
    third = os.open('/proc/self/fd/%d' % fd, os.O_RDONLY | os.O_DIRECTORY)  # a position of its own
    assert listing(third) == whole
    for each in (fd, other, third):
        os.close(each)


# ---- files ----

def mapped(path, plain):
    """Mapped, privately and shared, whole and in part; beyond the end of the file there are zeros."""
    size = len(plain)
    with open(path, 'rb') as file:
        for flags in (mmap.MAP_PRIVATE, mmap.MAP_SHARED):
            with mmap.mmap(file.fileno(), size, flags=flags, prot=mmap.PROT_READ) as area:
                assert area[:] == plain
                area.madvise(mmap.MADV_DONTNEED)
                assert area[size // 2:] == plain[size // 2:]
        if size > mmap.PAGESIZE:
            with mmap.mmap(file.fileno(), size - mmap.PAGESIZE, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ, offset=mmap.PAGESIZE) as area:
                assert area[:] == plain[mmap.PAGESIZE:]
        whole_pages = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        with mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE) as area:
            area[:4] = b'MINE'  # a private page is one's own
        assert os.pread(file.fileno(), 4, 0) == plain[:4]
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
        at = libc.mmap(None, whole_pages, mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), 0)
        assert ctypes.string_at(at, whole_pages) == plain.ljust(whole_pages, b'\0')
        fails_with([errno.EACCES], mmap.mmap, file.fileno(), size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)


def at_the_ends(path, plain):
    """Nothing, past the end, and far past it."""
    fd, size = os.open(path, os.O_RDONLY), len(plain)
    assert os.pread(fd, 0, 0) == b'' and os.pread(fd, 0, size + 5) == b''
    assert os.pread(fd, 100, size - 1) == plain[-1:] and os.pread(fd, 100, size) == b''
    for offset in (size + 1, 1 << 31, 1 << 32, (1 << 40) - 1, (1 << 63) - 4097):
        assert os.pread(fd, 100, offset) == b'', offset
    fails_with([errno.EINVAL], os.pread, fd, 100, -1)
    assert os.preadv(fd, [bytearray(3), bytearray(0), bytearray(5)], size - 4) == 4
    assert os.lseek(fd, 7, os.SEEK_END) == size + 7 and os.read(fd, 10) == b''
    # A file without holes.
    assert os.lseek(fd, 3, os.SEEK_DATA) == 3 and os.lseek(fd, 3, os.SEEK_HOLE) == size
    fails_with([errno.ENXIO], os.lseek, fd, size, os.SEEK_DATA)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    assert os.pread(fd, size + 1, 0) == plain
    os.close(fd)


def direct(path, plain):
    """O_DIRECT, as from a disk: whole pages; or it is refused when the file is opened."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    except OSError as error:
        assert error.errno == errno.EINVAL, error
        return
    room = mmap.mmap(-1, 1 << 20)
    found, at = b'', 0
    while True:
        n = os.preadv(fd, [room], at)
        if n == 0:
            break
        found += room[:n]
        at += n
    assert found == plain
    os.close(fd)


def moved_by_the_kernel(path, plain):
    """sendfile, splice and copy_file_range, from the middle too."""
    with open(path, 'rb', 0) as file, open(os.path.join(os.environ['TMP'], 'moved'), 'wb+', 0) as out:
        done = 0
        while done < len(plain):
            done += os.sendfile(out.fileno(), file.fileno(), done, len(plain))
        assert os.pread(out.fileno(), len(plain) + 1, 0) == plain
        out.truncate(0)
        out.seek(0)
        reader, writer = os.pipe()
        done = 5
        while done < len(plain):
            n = os.splice(file.fileno(), writer, 1000, offset_src=done)
            assert n > 0
            done += n
            while n:
                n -= os.splice(reader, out.fileno(), n)
        assert os.pread(out.fileno(), len(plain) + 1, 0) == plain[5:]
        out.truncate(0)
        done = 0
        while done < len(plain):
            try:
                n = os.copy_file_range(file.fileno(), out.fileno(), len(plain), done, done)
            except OSError as error:  # between two file systems, on old kernels
                assert error.errno in (errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL), error
                return
            done += n
        assert os.pread(out.fileno(), len(plain) + 1, 0) == plain


def each_file(test):
    def of_folder(folder, copy):
        for name in {largest(folder), sorted(os.listdir(folder))[0]}:
            test(os.path.join(folder, name), read_all(os.path.join(copy, name)))
    return of_folder


def many_open(folder, copy):
    """10,000 at once, read in another order."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 10000
    if hard < wanted + 100:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted + 100, wanted + 100) if os.geteuid() == 0 else (hard, hard))
        wanted = min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100)
    elif soft < wanted + 100:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted + 100, hard))
    names = sorted(os.listdir(folder))
    is_open = [(os.open(os.path.join(folder, names[i % len(names)]), os.O_RDONLY), names[i % len(names)]) for i in range(wanted)]
    plain = {name: read_all(os.path.join(copy, name)) for name in names}
    random.Random(3).shuffle(is_open)
    for fd, name in is_open:
        assert os.pread(fd, 1 << 20, 0) == plain[name], name
    for fd, _ in is_open:
        os.close(fd)
    assert read_all(os.path.join(folder, names[0])) == plain[names[0]]


# ---- what there is not ----

def names(folder, _):
    """The longest that can be, and one byte more; odd ones."""
    for name in (b'x' * 255, b'~' * 255, b'\xff\xfe\x01', b'a\nb', b'%', b'%2', b'@', b'@..', b'by-', b'\xc3', b'~2.json', b'.json'):
        fails_with([errno.ENOENT], os.stat, os.path.join(os.fsencode(folder), name))
    fails_with([errno.ENAMETOOLONG], os.stat, os.path.join(folder, 'x' * 256))
    deep = folder + '/by-user/x' * 500
    fails_with([errno.ENOENT, errno.ENAMETOOLONG], os.stat, deep)
    fails_with([errno.ENOTDIR], os.stat, os.path.join(folder, largest(folder), 'x'))


def handles(folder, _):
    """name_to_handle_at: refused, or what it gives can be opened or is stale."""
    class Handle(ctypes.Structure):
        _fields_ = [('bytes', ctypes.c_uint), ('type', ctypes.c_int), ('data', ctypes.c_char * 128)]
    path = os.path.join(folder, largest(folder))
    handle, mount = Handle(128), ctypes.c_int()
    if libc.name_to_handle_at(AT_FDCWD, os.fsencode(path), ctypes.byref(handle), ctypes.byref(mount), 0) < 0:
        assert ctypes.get_errno() == errno.EOPNOTSUPP, os.strerror(ctypes.get_errno())
        return
    top = os.open(folder, os.O_RDONLY)
    fd = libc.open_by_handle_at(top, ctypes.byref(handle), os.O_RDONLY)
    if fd < 0:
        assert ctypes.get_errno() in (errno.ESTALE, errno.EOPNOTSUPP, errno.EPERM), os.strerror(ctypes.get_errno())
    else:
        assert os.pread(fd, 1 << 24, 0) == read_all(path)
        os.close(fd)
    os.close(top)


def refusals(folder, _):
    """Whatever writes: EROFS. What has no sense here: an error that says so, and the file is as it was."""
    path = os.path.join(folder, largest(folder))
    plain = read_all(path)
    before = os.stat(path)
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND):
        fails_with([errno.EROFS], os.open, path, flags)
    fails_with([errno.EROFS], os.open, path + 'x', os.O_WRONLY | os.O_CREAT)
    fails_with([errno.EROFS, errno.EOPNOTSUPP], os.open, folder, os.O_TMPFILE | os.O_RDWR)
    for call in ((os.mkdir, path + 'd'), (os.unlink, path), (os.rename, path, path + 'r'), (os.chmod, path, 0o600), (os.chown, path, 1, 1),
                 (os.utime, path, (1, 1)), (os.truncate, path, 0), (os.link, path, path + 'l'), (os.symlink, 'x', path + 's'),
                 (os.mknod, path + 'n'), (os.mkfifo, path + 'f'), (os.rmdir, folder), (os.setxattr, path, 'user.x', b'1'),
                 (os.removexattr, path, 'user.trailfs.key')):
        fails_with([errno.EROFS], *call)
    assert not os.access(path, os.W_OK) and os.access(path, os.R_OK) and not os.access(path + 'x', os.F_OK)
    assert os.access(folder, os.R_OK | os.X_OK) and not os.access(folder, os.W_OK)
    fd = os.open(path, os.O_RDONLY)
    fails_with([errno.EBADF], os.write, fd, b'x')
    fails_with([errno.EBADF, errno.EINVAL], os.ftruncate, fd, 0)
    fails_with([errno.EBADF], os.posix_fallocate, fd, 0, 1)
    fails_with([errno.ENOTTY, errno.ENOSYS], fcntl.ioctl, fd, 0x5401, bytes(64))
    fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    fcntl.flock(fd, fcntl.LOCK_UN)
    fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    fcntl.lockf(fd, fcntl.LOCK_UN)
    flags = array.array('l', [0])
    fails_with([errno.ENOTTY, errno.ENOSYS, errno.EOPNOTSUPP], fcntl.ioctl, fd, 0x80086601, flags)  # FS_IOC_GETFLAGS
    os.fsync(fd)
    after = os.stat(path)
    assert (before.st_size, before.st_mtime_ns, before.st_ino, before.st_mode) == (after.st_size, after.st_mtime_ns, after.st_ino, after.st_mode)
    assert os.pread(fd, len(plain) + 1, 0) == plain
    os.close(fd)
    st = os.statvfs(folder)
    assert st.f_flag & os.ST_RDONLY and st.f_bavail == 0 and st.f_namemax == 255 and st.f_bsize > 0 and st.f_blocks > 0, st


# ---- while it changes ----

def arriving(folder, aside, source, pid):
    """Objects arrive, one after the other, while some list the folder and others look names up: each listing has every name that was
    known when it began, and each once; and no call fails."""
    known = set(os.listdir(folder))
    began, bad, done, listings = len(known), [], threading.Event(), [0]

    def lister():
        while not done.is_set():
            before = set(known)
            found = os.listdir(folder)
            if len(set(found)) != len(found):
                bad.append('twice: %s' % [n for n in found if found.count(n) > 1][:3])
            if not before <= set(found):
                bad.append('lacks %s' % sorted(before - set(found))[:3])
            known.update(found)
            listings[0] += 1

    def looker(seed):
        rng = random.Random(seed)
        while not done.is_set():
            name = rng.choice(tuple(known.copy()))
            if os.stat(os.path.join(folder, name)).st_size < 10:
                bad.append('%s is empty' % name)

    def guarded(function, *arguments):
        def run():
            try:
                function(*arguments)
            except OSError as error:
                bad.append(str(error))
                done.set()
        return threading.Thread(target=run)

    threads = [guarded(lister), guarded(lister), guarded(looker, 1), guarded(looker, 2)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 240
    for top, _, files in list(os.walk(aside)):
        for name in files:
            had, seen = len(known), listings[0]
            os.makedirs(os.path.join(source, os.path.relpath(top, aside)), exist_ok=True)
            os.rename(os.path.join(top, name), os.path.join(source, os.path.relpath(top, aside), name))
            os.kill(int(pid), signal.SIGHUP)
            while len(known) == had and listings[0] < seen + 200 and not done.is_set() and time.monotonic() < end:
                time.sleep(0.005)
    done.set()
    for thread in threads:
        thread.join()
    assert not bad, bad[:5]
    assert len(known) > began, 'nothing arrived'


CASES = {
    'small-buffers': small_buffers, 'every-cookie': every_cookie, 'shared-position': shared_position, 'mapped': each_file(mapped),
    'at-the-ends': each_file(at_the_ends), 'direct': each_file(direct), 'moved-by-the-kernel': each_file(moved_by_the_kernel),
    'arriving': arriving, 'many-open': many_open, 'names': names, 'handles': handles, 'refusals': refusals,
}
CASES[sys.argv[1]](*sys.argv[2:])
