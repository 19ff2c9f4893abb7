#!/usr/bin/python3
"""Compares a mounted tree with the model of its source.

    compare.py [--since T] … [--copy] [--no-content] [--umask M] SOURCE TREE

Names, listing order, kinds, sizes, times, modes, inode identity, link counts; the bytes of every event once, of
a sample in the other views, and of every object of the bucket. --copy: TREE is a copy of a mount, so what a
copy cannot keep is not looked at. Exit status 1 on any difference."""

import argparse
import errno
import hashlib
import os
import re
import stat
import sys

from facets import VIEWS
from objects import Damage
from trailmodel import add_arguments, build_model, parse_options

SHOWN_DIFFERENCES = 50
CONTROL = re.compile('[\0-\x1f\x7f\udc80-\udcff]')
SAMPLED_READS = 20000
CHUNK = 1 << 17


class Report:
    def __init__(self):
        self.paths = 0
        self.differences = 0

    def add(self, path, text):
        self.differences += 1
        if self.differences <= SHOWN_DIFFERENCES:
            print('%s: %s' % (ascii(path), text))

    def check(self, path, what, found, wanted):
        if found != wanted:
            self.add(path, '%s is %s, not %s' % (what, ascii(found), ascii(wanted)))


def read_whole(path):
    """By read(2) to the end, whatever st_size says."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        pieces = []
        while True:
            piece = os.read(descriptor, CHUNK)
            if not piece:
                return b''.join(pieces)
            pieces.append(piece)
    finally:
        os.close(descriptor)


class Comparison:
    def __init__(self, model, top, arguments):
        self.model = model
        self.tree = model.tree
        self.top = top
        self.copy = arguments.copy
        self.content = not arguments.no_content
        mask = arguments.umask
        self.dir_mode = 0o500 if mask is None else 0o555 & ~mask
        self.file_mode = 0o400 if mask is None else 0o444 & ~mask
        self.report = Report()
        self.group_of = {}
        self.inode_of = {}
        views = tuple(view + '/' for view in VIEWS)
        self.in_view = lambda path: path.startswith(views)
        in_views = sum(1 for path, entry in self.tree.items() if not entry.is_dir and self.in_view(path))
        self.every = max(1, -(-in_views // SAMPLED_READS))
        self.view_files = 0

    def run(self):
        self.compare_dir('', self.tree[''])
        if self.model.errors:
            self.compare_errors()
        print('compare: %d paths, %d differences' % (self.report.paths, self.report.differences))
        return self.report.differences == 0

    def full(self, path):
        return os.path.join(self.top, path) if path else self.top

    def compare_dir(self, path, entry):
        self.report.paths += 1
        status = self.status_of(path)
        if status is None:
            return
        if not stat.S_ISDIR(status.st_mode):
            self.report.add(path, 'is no directory (mode %o)' % status.st_mode)
            return
        self.compare_dir_status(path, entry, status)
        try:
            with os.scandir(self.full(path)) as listing:
                found = [(one.name, one.inode()) for one in listing]
        except OSError as error:
            self.report.add(path, 'cannot be listed: %s' % error.strerror)
            return
        self.compare_names(path, entry, [name for name, _ in found])
        inodes = dict(found)
        for name in entry.names:
            if name in inodes:
                self.compare_entry(path + '/' + name if path else name, inodes[name])

    def compare_entry(self, path, listed_inode):
        entry = self.tree[path]
        if entry.is_dir:
            self.compare_dir(path, entry)
        else:
            self.compare_file(path, entry)
        if not self.copy:
            self.report.check(path, 'd_ino', listed_inode, self.inode_of.get(entry_group(path, entry)))

    def compare_names(self, path, entry, found):
        wanted = entry.names
        if self.copy:
            wanted = [name for name in wanted if not self.lost_in_copy(path, name)]
        missing, extra = set(wanted) - set(found), set(found) - set(wanted)
        for name in sorted(missing):
            self.report.add(path, 'lacks %s' % ascii(name))
        for name in sorted(extra):
            self.report.add(path, 'has %s' % ascii(name))
        if len(found) != len(set(found)):
            self.report.add(path, 'lists a name twice')
        elif not missing and not extra and entry.ordered and not self.copy and found != wanted:
            first = next(i for i, name in enumerate(wanted) if found[i] != name)
            self.report.add(path, 'entry %d is %s, not %s' % (first, ascii(found[first]), ascii(wanted[first])))

    def lost_in_copy(self, path, name):
        """What cannot be read is not in a copy, and a folder may be left empty or out."""
        entry = self.tree[path + '/' + name if path else name]
        return not entry.is_dir and entry.error is not None

    def status_of(self, path):
        try:
            return os.lstat(self.full(path))
        except OSError as error:
            self.report.add(path, 'lstat: %s' % error.strerror)
            return None

    def compare_dir_status(self, path, entry, status):
        if self.copy:
            return
        check = self.report.check
        if entry.mtime is not None:
            self.compare_times(path, entry, status)
        check(path, 'mode', stat.S_IMODE(status.st_mode), self.dir_mode)
        check(path, 'size', status.st_size, 0)
        check(path, 'nlink', status.st_nlink, 1)
        if not path:
            check(path, 'st_ino', status.st_ino, 1)
        self.compare_inode(path, entry, status)

    def compare_times(self, path, entry, status):
        self.report.check(path, 'mtime', status.st_mtime_ns // 10**9, entry.mtime)
        if not self.copy:
            self.report.check(path, 'ctime', status.st_ctime_ns // 10**9, entry.mtime)

    def compare_inode(self, path, entry, status):
        group = entry_group(path, entry)
        known = self.inode_of.setdefault(group, status.st_ino)
        self.report.check(path, 'st_ino', status.st_ino, known)
        owner = self.group_of.setdefault(status.st_ino, group)
        if owner != group:
            self.report.add(path, 'shares st_ino %d with %s' % (status.st_ino, ascii(owner)))
        if path and status.st_ino in (0, 1):
            self.report.add(path, 'has st_ino %d' % status.st_ino)

    def compare_file(self, path, entry):
        self.report.paths += 1
        status = self.status_of(path)
        if status is None:
            return
        if stat.S_ISLNK(status.st_mode):
            self.report.add(path, 'is a link to %s' % ascii(os.readlink(self.full(path))))
            return
        if not stat.S_ISREG(status.st_mode):
            self.report.add(path, 'is no file (mode %o)' % status.st_mode)
            return
        self.compare_file_status(path, entry, status)
        if self.content and self.is_read(path):
            self.compare_bytes(path, entry, status)

    def compare_file_status(self, path, entry, status):
        check = self.report.check
        if entry.size is not None:
            check(path, 'size', status.st_size, entry.size)
        if entry.mtime is not None:
            self.compare_times(path, entry, status)
        if self.copy:
            return
        check(path, 'mode', stat.S_IMODE(status.st_mode), self.file_mode)
        check(path, 'nlink', status.st_nlink, entry.nlink)
        check(path, 'st_blocks', status.st_blocks, -(-status.st_size // 512))
        check(path, 'st_blksize', status.st_blksize, 4096)
        self.compare_inode(path, entry, status)

    def is_read(self, path):
        if not self.in_view(path):
            return True
        self.view_files += 1
        return self.view_files % self.every == 0

    def compare_bytes(self, path, entry, status):
        try:
            data = read_whole(self.full(path))
        except OSError as error:
            self.report.check(path, 'reading', errno.errorcode.get(error.errno, error.errno), entry.error)
            return
        if entry.error is not None:
            self.report.add(path, 'can be read, not %s' % entry.error)
        elif len(data) != status.st_size:
            self.report.add(path, '%d bytes read, but st_size %d' % (len(data), status.st_size))
        elif not same_bytes(data, entry):
            self.report.add(path, 'other bytes than the model\'s')

    def compare_errors(self):
        """Every line is KEY <TAB> REASON; the keys are the model's, in their order."""
        try:
            lines = read_whole(self.full('ERRORS')).decode('utf-8', 'surrogateescape').split('\n')
        except OSError as error:
            self.report.add('ERRORS', error.strerror)
            return
        if lines.pop() != '':
            self.report.add('ERRORS', 'does not end with a newline')
        for line in lines:
            if line.count('\t') != 1 or CONTROL.search(line.replace('\t', '')):
                self.report.add('ERRORS', 'line %s' % ascii(line))
        keys = [line.split('\t')[0] for line in lines]
        wanted = self.model.errors
        for key in sorted(set(wanted) - set(keys)):
            self.report.add('ERRORS', 'does not name %s' % ascii(key))
        for key in sorted(set(keys) - set(wanted)):
            self.report.add('ERRORS', 'names %s' % ascii(key))
        if set(keys) == set(wanted) and keys != wanted:
            self.report.add('ERRORS', 'names a key twice, or not in key order')


def entry_group(path, entry):
    group = None if entry.is_dir else entry.group
    return ('path', path) if group is None else group


def same_bytes(data, entry):
    if entry.digest is not None:
        return hashlib.sha1(data).digest() == entry.digest
    if entry.load is None:
        return len(data) > 0
    try:
        return data == entry.load()
    except Damage:
        return False


def main():
    parser = argparse.ArgumentParser(description='Compares a mounted tree with the model of its source.')
    add_arguments(parser)
    parser.add_argument('--copy', action='store_true', help='TREE is a copy of a mount')
    parser.add_argument('--no-content', action='store_true', help='read no file but ERRORS')
    parser.add_argument('--umask', type=lambda text: int(text, 8),
                        help='the umask= the mount was given; 0 for allow_other')
    parser.add_argument('source')
    parser.add_argument('tree')
    arguments = parser.parse_args()
    model = build_model(arguments.source, parse_options(arguments))
    sys.exit(0 if Comparison(model, arguments.tree, arguments).run() else 1)


if __name__ == '__main__':
    main()
