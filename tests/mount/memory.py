#!/usr/bin/python3
"""Makes the program's N-th allocation fail (fail_memory.c), for many N: what comes must be right or an error.

    memory.py print SOURCE CACHE PATH    what -p prints; --cold: with an empty cache each time
    memory.py start SOURCE CACHE MNT     mounts, walks, and with memory again all is well
    memory.py walk  MNT                  of a mount that is there
"""
import argparse
import errno
import os
import shutil
import signal
import struct
import subprocess
import sys
import time

PATIENCE = 60
FOREVER = 1 << 62
EXPECTED = {errno.ENOMEM, errno.EIO, errno.ETIMEDOUT, errno.EAGAIN}
bad = []
counts = {'right': 0, 'error': 0}


def arm(at, times=1):
    """The numbers of fail_memory.c; at is counted from now on."""
    with open(os.environ['FAIL_FILE'], 'r+b') as file:
        now, = struct.unpack('<Q', file.read(8))
        file.seek(0)
        # The count goes on meanwhile, but for what is compared to it that does not matter.
        file.seek(8)
        file.write(struct.pack('<3Q', now + at if at else 0, times, 0))


def numbers():
    with open(os.environ['FAIL_FILE'], 'rb') as file:
        return struct.unpack('<4Q', file.read(32))


def clear():
    with open(os.environ['FAIL_FILE'], 'wb') as file:
        file.write(bytes(32))


def wrong(what):
    bad.append(what)
    print(what[:600])


def sweep(options, n):
    """The N to try: the first ones all, then some."""
    n = int(n * 1.1) + 5
    return [at for at in range(1, n) if at <= options.dense or at % options.stride == 0]


# ---- -p ----

def run(options, cold, at, times, patience):
    if cold:
        shutil.rmtree(options.cache, ignore_errors=True)
    clear()
    arm(at, times)
    command = [os.environ['TRAILFS'], '--cache-dir', options.cache, '--timeout', str(patience), '-p', options.path, options.source]
    return subprocess.run(command, env=dict(os.environ, LD_PRELOAD=options.preload), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE, check=False)


def judge(what, done, wanted):
    if done.returncode == 0 and done.stdout == wanted:
        counts['right'] += 1
    elif done.returncode == 1 and done.stderr.strip():
        counts['error'] += 1
    else:
        wrong('%s: status %d, %d bytes of %d: %s' % (what, done.returncode, len(done.stdout), len(wanted), done.stderr[-300:]))


def print_path(options):
    run(options, True, 0, 1, PATIENCE)
    wanted = run(options, options.cold, 0, 1, PATIENCE)
    if wanted.returncode or not wanted.stdout:
        sys.exit('without a failure: %s' % wanted)
    n = numbers()[0]
    for at in sweep(options, n):
        judge('allocation %d of %s' % (at, options.path), run(options, options.cold, at, 1, PATIENCE), wanted.stdout)
    for at in range(1, n, max(1, n // options.forever)):
        judge('from allocation %d of %s' % (at, options.path), run(options, options.cold, at, FOREVER, 1), wanted.stdout)


# ---- a mount ----

def read(path):
    with open(path, 'rb') as file:
        return file.read()


def look(folder):
    """Everything in a folder of a day: names, sizes, inodes, bytes; and of its hidden files."""
    found = []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        st = os.stat(path)
        found.append((name, st.st_size, st.st_ino, st.st_mtime_ns, read(path)))
    hidden = [read(os.path.join(folder, name)) for name in ('all.jsonl', 'count', 'all.csv', 'by-user/counts.tsv')]
    return found, hidden, os.listdir(os.path.join(folder, 'by-event'))


def try_to(what, function, *arguments, wanted):
    """The answer is right, or an error that says that memory lacks; never anything else."""
    try:
        found = function(*arguments)
    except OSError as error:
        if error.errno not in EXPECTED:
            wrong('%s: %s' % (what, error))
        counts['error'] += 1
        return
    if found != wanted:
        wrong('%s: another answer' % what)
    counts['right'] += 1


def first_day(mnt):
    """A folder of a day below mnt, without the mount's name."""
    folder = os.path.join(mnt, 'events')
    for _ in range(3):
        folder = os.path.join(folder, sorted(os.listdir(folder))[0])
    return os.path.relpath(folder, os.path.join(mnt, 'events'))


def walk(options):
    day = first_day(options.mnt)
    names = ('events/@2025-01-01T00:%02d:%02d..2026-12-31/' % divmod(i, 60) for i in range(3600))  # to the kernel, a new folder each
    wanted = look(os.path.join(options.mnt, next(names), day))
    before = numbers()[0]
    look(os.path.join(options.mnt, next(names), day))
    n = numbers()[0] - before
    for at in sweep(options, n):
        arm(at)
        try_to('allocation %d of a walk' % at, look, os.path.join(options.mnt, next(names), day), wanted=wanted)
        arm(0)
    for at in range(1, n, max(1, n // options.forever)):
        arm(at, FOREVER)
        try_to('from allocation %d of a walk' % at, look, os.path.join(options.mnt, next(names), day), wanted=wanted)
        arm(0)
    again = look(os.path.join(options.mnt, next(names), day))
    if again != wanted:
        wrong('with memory again: another answer')


def mounted(mnt):
    with open('/proc/self/mounts', encoding='utf-8') as file:
        return any(line.split()[1] == mnt for line in file)


def mount(options, at, times):
    """Starts it, the N-th allocation failing. The process, when it is mounted or has ended."""
    shutil.rmtree(options.cache, ignore_errors=True)
    clear()
    arm(at, times)
    command = [os.environ['TRAILFS'], '-f', '--refresh', '0', '--timeout', '5', '--cache-dir', options.cache, options.source, options.mnt]
    with open(options.log, 'wb') as log:
        # pylint: disable-next=consider-using-with
        daemon = subprocess.Popen(command, env=dict(os.environ, LD_PRELOAD=options.preload), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    end = time.monotonic() + PATIENCE
    while daemon.poll() is None and not mounted(options.mnt):
        if time.monotonic() > end:
            daemon.kill()
            wrong('allocation %d: neither mounted nor ended' % at)
        time.sleep(0.005)
    return daemon


def ends(daemon, what):
    daemon.send_signal(signal.SIGTERM)
    try:
        status = daemon.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
        status = 'not an end'
    if status not in (0, 1):
        wrong('%s: its end is %s' % (what, status))


def well_again(options, daemon, day, wanted):
    """With memory again, and asked to look once more, it gives all."""
    end = time.monotonic() + PATIENCE
    while daemon.poll() is None:
        daemon.send_signal(signal.SIGHUP)
        try:
            if look(os.path.join(options.mnt, 'events', day)) == wanted:
                return True
        except OSError:
            pass
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return False


def start(options):
    daemon = mount(options, 0, 1)
    day = first_day(options.mnt)
    wanted = look(os.path.join(options.mnt, 'events', day))
    n = numbers()[0]
    ends(daemon, 'without a failure')
    tries = [(at, 1) for at in sweep(options, n)] + [(at, FOREVER) for at in range(1, n, max(1, n // options.forever))]
    for at, times in tries:
        start_once(options, at, times, '%s allocation %d of %d' % ('from' if times > 1 else 'at', at, n), day, wanted)


def refused(options, daemon, what):
    """It has not come up: says why, with status 1, and nothing stays mounted."""
    if daemon.wait(PATIENCE) != 1 or not read(options.log).strip() or mounted(options.mnt):
        wrong('%s: status %s, it says %s' % (what, daemon.returncode, read(options.log)[-300:]))
    counts['error'] += 1


def start_once(options, at, times, what, day, wanted):
    daemon = mount(options, at, times)
    if daemon.poll() is not None:
        refused(options, daemon, what)
        return
    try:
        if look(os.path.join(options.mnt, 'events', day)) != wanted:
            wrong('%s: another answer' % what)
        counts['right'] += 1
    except OSError as error:
        # Mounted, and then not served after all.
        if error.errno in (errno.ENOTCONN, errno.ENOENT, errno.ECONNABORTED):
            refused(options, daemon, what)
            return
        if error.errno not in EXPECTED:
            wrong('%s: %s' % (what, error))
        counts['error'] += 1
    arm(0)
    well = well_again(options, daemon, day, wanted)
    if daemon.poll() is not None:
        refused(options, daemon, what)
        return
    if not well:
        wrong('%s: not well again: %s' % (what, read(options.log)[-300:]))
    ends(daemon, what)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--preload', required=True)
    parser.add_argument('--dense', type=int, default=60, help='all N up to this one')
    parser.add_argument('--stride', type=int, default=7, help='then each so many')
    parser.add_argument('--forever', type=int, default=8, help='how often nothing can be had any more, from some N on')
    commands = parser.add_subparsers(dest='command', required=True)
    command = commands.add_parser('print')
    command.add_argument('--cold', action='store_true')
    for name in ('source', 'cache', 'path'):
        command.add_argument(name)
    command = commands.add_parser('start')
    for name in ('source', 'cache', 'mnt', 'log'):
        command.add_argument(name)
    commands.add_parser('walk').add_argument('mnt')
    options = parser.parse_args()
    if os.environ.get('SWEEP') == 'all':
        options.stride, options.forever = 1, 50
    {'print': print_path, 'start': start, 'walk': walk}[options.command](options)
    print('%(right)d right, %(error)d errors' % counts)
    sys.exit(bool(bad) or not counts['error'])


main()
