#!/usr/bin/python3
"""A bucket that changes at random, behind a server that fails at random, read at random: after each step the tree is what the
model says, or the call failed.

    random_run.py --trailfs PROGRAM --s3 URL --control URL --folder DIR [--seed N] [--runs N] [--steps N] [--replay FILE] [--keep FILE]

A run is a list of steps, made from its seed before it begins. Between two looks at the whole tree one object changes, so a
listing or a file that is read meanwhile must be as it was before or as it is after, or an error that the server's failures
explain. At each look (step "settle") the server does what is right, and the tree must soon be equal to the model's.

A run that fails is made shorter by leaving out steps for as long as it still fails, and is then appended to FILE (--keep), one
line of JSON; --replay runs what is in such a file. Exit status 1: a run failed; its seed and steps are printed."""
import argparse
import contextlib
import errno
import gzip
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'model'))

from compare import Comparison  # noqa: E402
from oddkit import event, log_key  # noqa: E402
from trailmodel import build_model  # noqa: E402

SLOTS = 14          # keys that objects come to and go from
VERSIONS = 6        # what an object may hold
PATIENCE = 120      # seconds for a tree to become the model's
TIMEOUT = 3         # of the mount: a call that gets nowhere fails
FIRST = 1750000000  # seconds since 1970: when the first object came
FAULTS = [
    [{'kind': 'GET', 'status': 503, 'code': 'SlowDown', 'every': 2}],
    [{'kind': 'LIST', 'status': 500, 'code': 'InternalError', 'every': 2}],
    [{'kind': 'GET', 'status': 403, 'code': 'AccessDenied'}],
    [{'kind': 'GET', 'drop_after': 40}],
    [{'kind': 'GET', 'flip': 30, 'every': 2}],
    [{'kind': 'GET', 'cut': 5, 'every': 2}, {'kind': 'LIST', 'reset': True, 'every': 3}],
    [{'kind': 'GET', 'reset': True}],
    [{'kind': 'GET', 'glue': 20}],
    [{'kind': ['GET', 'LIST'], 'hang': True}],
    [{'kind': 'GET', 'drip': 400}],
]
MAY_FAIL = {errno.EIO, errno.EACCES, errno.ETIMEDOUT, errno.EAGAIN, errno.ESTALE, errno.ENOENT}


class Failed(Exception):
    pass


# ---- what there is to be put

def key_of(slot):
    """Two trails deliver the same days; one account has another region. The last slot is no log."""
    if slot == SLOTS - 1:
        return 'notes.txt'
    day = ('2025/06/18', '2025/06/19', '2025/06/20')[slot % 3]
    return log_key('K%d' % slot, day, 'us-east-1' if slot % 4 else 'eu-west-1', prefix='' if slot % 2 else 'second/')


def contents_of(slot, version):
    """Often the same events in several objects, sometimes one with other bytes under the same name, sometimes damage."""
    rng = random.Random('%d-%d' % (slot, version))
    if slot == SLOTS - 1:
        return b'version %d\n' % version * rng.randrange(3000)
    records = []
    for _ in range(rng.randrange(7)):
        n = rng.randrange(40)
        changes = {'eventTime': '2025-06-%02dT09:%02d:00Z' % (18 + n % 3, n)}
        if rng.random() < 0.2:
            changes['userAgent'] = 'agent/%d' % rng.randrange(3)  # the same name, other bytes
        if rng.random() < 0.2:
            changes['errorCode'] = rng.choice(['AccessDenied', 'Throttling', 'odd/%2F code'])
        if rng.random() < 0.1:
            changes['eventTime'] = 'no time'
        records.append(event(n, **changes))
    data = gzip.compress(json.dumps({'Records': records}).encode(), mtime=0)
    damage = rng.random()
    if damage < 0.05:
        return data[:-7]
    if damage < 0.1:
        return gzip.compress(b'{"Records":[{"eventName":"Cut"},', mtime=0)
    return data


def generate(seed, steps):
    rng = random.Random(seed)
    made = [['put', rng.randrange(SLOTS), rng.randrange(VERSIONS)] for _ in range(rng.randrange(8))] + [['settle']]
    for _ in range(steps):
        kind = rng.choices(['put', 'delete', 'faults', 'calm', 'refresh', 'read', 'settle', 'look_again', 'remount', 'kill'],
                           [6, 2, 3, 2, 3, 10, 3, 2, 1, 1])[0]
        made.append({'put': lambda: ['put', rng.randrange(SLOTS), rng.randrange(VERSIONS)],
                     'delete': lambda: ['delete', rng.randrange(SLOTS)],
                     'faults': lambda: ['faults', rng.randrange(len(FAULTS))],
                     'read': lambda: ['read', rng.randrange(1 << 30)]}.get(kind, lambda: [kind])())
    return made + [['settle']]


# ---- one run

class Run:
    def __init__(self, arguments, steps):
        self.arguments = arguments
        self.steps = steps
        self.folder = os.path.join(arguments.folder, 'run')
        shutil.rmtree(self.folder, ignore_errors=True)
        self.truth, self.top, self.cache = (os.path.join(self.folder, name) for name in ('truth.0', 'mnt', 'cache'))
        for path in (self.truth, self.top):
            os.makedirs(path)
        self.bucket = 'random'
        self.times = FIRST
        self.faulty = self.silent = False
        self.daemon = None
        self.before = self.now = None  # trees: path -> Dir or File
        self.changed = False           # since the last look

    # the server

    def control(self, what, body=None, method=None, headers=()):
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.arguments.control + '/_control/' + what, data, dict(headers), method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            return json.loads(answer.read() or b'null')

    def object_path(self, slot):
        return 'object/%s/%s' % (self.bucket, urllib.parse.quote(key_of(slot), safe=''))

    def put(self, slot, version):
        path, data = os.path.join(self.truth, key_of(slot)), contents_of(slot, version)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as file:
            file.write(data)
        os.utime(path, (self.times, self.times))
        self.control(self.object_path(slot), data, 'PUT', {'x-mtime': str(self.times)})

    def delete(self, slot):
        path = os.path.join(self.truth, key_of(slot))
        if os.path.exists(path):
            os.unlink(path)
            self.prune(os.path.dirname(path))
        self.control(self.object_path(slot), method='DELETE')

    def prune(self, folder):
        """A bucket has no empty folders."""
        while folder != self.truth and not os.listdir(folder):
            os.rmdir(folder)
            folder = os.path.dirname(folder)

    # the mount

    def mount(self):
        with open(os.path.join(self.folder, 'log'), 'ab') as log:
            self.daemon = subprocess.Popen(
                [self.arguments.trailfs, '-f', '--refresh', '0', '--timeout', str(TIMEOUT), '--endpoint-url', self.arguments.s3,
                 '--cache-dir', self.cache, 's3://' + self.bucket, self.top], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE
        while not os.path.ismount(self.top):
            if self.daemon.poll() is not None or time.monotonic() > end:
                raise Failed('not mounted: %s' % self.said())
            time.sleep(0.02)

    def mount_again(self):
        """Where the bucket does not answer, trailfs says so and ends."""
        self.mount()
        if self.silent:
            try:
                status = self.daemon.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                raise Failed('waits for ever: %s' % self.said()) from None
            if status != 1 or os.path.ismount(self.top) or 's3://random: ' not in self.said():
                raise Failed('nobody answers, and it ends with %d: %s' % (status, self.said()))
            self.calm()
            self.mount()

    def said(self):
        with open(os.path.join(self.folder, 'log'), errors='replace') as log:
            return log.read()[-2000:]

    def unmount(self):
        """As a user does; the daemon ends well."""
        self.daemon.terminate()
        try:
            status = self.daemon.wait(60)
        except subprocess.TimeoutExpired:
            raise Failed('does not end: %s' % self.said()) from None
        if status or os.path.ismount(self.top):
            raise Failed('ended with %d: %s' % (status, self.said()))

    def end(self):
        """However it was."""
        if self.daemon and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()
        subprocess.run(['umount', '-l', self.top], stderr=subprocess.DEVNULL, check=False)

    def refresh(self):
        self.daemon.send_signal(signal.SIGHUP)

    def is_alive(self):
        if self.daemon.poll() is not None:
            raise Failed('the daemon has ended with %d: %s' % (self.daemon.returncode, self.said()))

    # looking

    def differences(self, model):
        arguments = argparse.Namespace(copy=False, no_content=False, umask=None)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            equal = Comparison(model, self.top, arguments).run()
        return None if equal else said.getvalue()

    def await_equal(self, again):
        """again: every ten seconds it may look for what is new once more, as requests may have failed."""
        model = build_model(self.truth)
        end = time.monotonic() + PATIENCE
        asked = time.monotonic()
        while (differences := self.differences(model)) is not None:
            self.is_alive()
            if time.monotonic() > end:
                raise Failed('not what the model says:\n' + differences)
            if again and time.monotonic() - asked > 10:
                self.refresh()
                asked = time.monotonic()
            time.sleep(0.1)
        self.before = self.now = model.tree
        self.changed = False

    def settle(self):
        self.calm()
        self.refresh()
        self.await_equal(True)

    def look_again(self):
        """What was once known is known, with whatever the server does, and after the mount has ended and begun anew."""
        if not self.changed:
            self.await_equal(False)

    def calm(self):
        self.control('rules', [])
        self.faulty = self.silent = False

    def change(self, how, *what):
        if self.changed:
            self.settle()
        before = self.truth  # stays as it is: what was there before is read from it
        self.truth = os.path.join(self.folder, 'truth.%d' % self.times)
        shutil.copytree(before, self.truth)
        self.times += 1
        how(*what)
        self.now = build_model(self.truth).tree
        self.changed = True

    def read(self, seed):
        rng = random.Random(seed)
        paths = sorted(path for path in set(self.before) | set(self.now)
                       if path.split('/')[0] not in ('', 'README', 'ERRORS') and not path.startswith('by-id'))
        for path in rng.sample(paths, min(len(paths), 12)):
            self.read_one(path)
        self.is_alive()

    def read_one(self, path):
        states = [tree.get(path) for tree in (self.before, self.now)]
        try:
            found = self.look(path)
        except OSError as error:
            excused = self.faulty or self.changed or None in states or any(not s.is_dir and s.error for s in states)
            if error.errno not in MAY_FAIL or not excused:
                raise Failed('%s: %s' % (path, error)) from None
            return
        # The kernel may know a folder that is gone by its name for a second: there is nothing in it.
        if not any(found == [] if state is None else self.fits(state, found) for state in states):
            raise Failed('%s: neither as before nor as after: %s' % (path, str(found)[:500]))

    def look(self, path):
        full = os.path.join(self.top, path)
        if os.path.isdir(full):
            return sorted(os.listdir(full))
        with open(full, 'rb') as file:
            return file.read()

    @staticmethod
    def fits(state, found):
        if state.is_dir or isinstance(found, list):
            return state.is_dir and isinstance(found, list) and sorted(state.names) == found
        return state.error is None and (state.load is None or state.load() == found)

    # a step

    def step(self, what, *how):
        if what in ('put', 'delete'):
            self.change(self.put if what == 'put' else self.delete, *how)
        elif what == 'faults':
            self.control('rules', FAULTS[how[0]])
            self.faulty, self.silent = True, any('hang' in rule for rule in FAULTS[how[0]])
        elif what == 'remount':
            self.unmount()
            self.mount_again()
        elif what == 'kill':
            self.end()
            self.mount_again()
        elif what == 'read':
            self.read(*how)
        else:
            getattr(self, what)()

    def run(self):
        """None, or what went wrong."""
        self.control('reset', b'')
        self.control('bucket', {'name': self.bucket})
        for slot in range(SLOTS):
            self.delete(slot)
        self.before = self.now = build_model(self.truth).tree
        try:
            self.mount()
            self.settle()
            for number, step in enumerate(self.steps):
                try:
                    self.step(*step)
                except Failed as failure:
                    return 'step %d %s: %s' % (number, step, failure)
            self.unmount()
        except Failed as failure:
            return str(failure)
        finally:
            self.end()
        return None


def shorten(arguments, steps):
    """Leaves out halves, quarters, ... for as long as what is left fails."""
    size = max(1, len(steps) // 2)
    while True:
        at = 0
        while at < len(steps):
            fewer = steps[:at] + steps[at + size:]
            if Run(arguments, fewer).run():
                steps = fewer
            else:
                at += size
        if size == 1:
            return steps
        size //= 2


def main():
    parser = argparse.ArgumentParser()
    for name in ('trailfs', 's3', 'control', 'folder'):
        parser.add_argument('--' + name, required=True)
    parser.add_argument('--seed', type=int, default=None)
    parser.add_argument('--runs', type=int, default=1)
    parser.add_argument('--steps', type=int, default=40)
    parser.add_argument('--replay')
    parser.add_argument('--keep')
    arguments = parser.parse_args()
    if arguments.replay:
        with open(arguments.replay) as file:
            runs = [(number, json.loads(line)) for number, line in enumerate(file)]
    else:
        seed = random.randrange(1 << 30) if arguments.seed is None else arguments.seed
        runs = [(seed + n, generate(seed + n, arguments.steps)) for n in range(arguments.runs)]
    for name, steps in runs:
        wrong = Run(arguments, steps).run()
        if wrong is None:
            continue
        print('seed %d: %s' % (name, wrong), flush=True)
        if arguments.keep:
            short = shorten(arguments, steps)
            print('shorter: %s' % json.dumps(short))
            with open(arguments.keep, 'a') as file:
                file.write(json.dumps(short) + '\n')
        sys.exit(1)
    print('%d runs, %d steps' % (len(runs), sum(len(steps) for _, steps in runs)))


main()
