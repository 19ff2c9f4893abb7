"""The source: which objects there are, what their keys say, and their bytes."""

import errno
import os
import re
import stat
import zlib
from datetime import date

LOG, DIGEST, SERVICE, PLAIN = 'log', 'digest', 'service', 'plain'

FOLDER_KINDS = {
    b'CloudTrail': LOG,
    b'CloudTrail-Insight': LOG,
    b'CloudTrail-NetworkActivity': LOG,
    b'CloudTrail-Aggregated': LOG,
    b'CloudTrail-Digest': DIGEST,
}
ORGANIZATION = re.compile(rb'o-[a-z0-9]{10,32}')
ACCOUNT = re.compile(rb'[0-9]{12}')
FILE_NAME = re.compile(rb'([0-9]{12})_CloudTrail(?:-[A-Za-z]+)?_([^_]+)_([0-9]{4})([0-9]{2})([0-9]{2})T[0-9]{4}Z_')
LOG_ENDINGS = (b'.json.gz', b'.json', b'.jsonl')


class Damage(Exception):
    """The object cannot be served; `error` is the name of the errno that reading it gives."""

    def __init__(self, reason, error='EIO'):
        super().__init__(reason)
        self.error = error


class Key:
    """What a key says about its object."""
    __slots__ = ('kind', 'account', 'region', 'day')

    def __init__(self, kind, account=None, region=None, day=None):
        self.kind = kind
        self.account = account
        self.region = region
        self.day = day


def parse_day(year, month, day):
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def parse_layout(parts):
    """What follows an AWSLogs component: a Key, or None if it is no layout."""
    if parts and ORGANIZATION.fullmatch(parts[0]):
        parts = parts[1:]
    if len(parts) < 3 or not ACCOUNT.fullmatch(parts[0]):
        return None
    key = Key(FOLDER_KINDS.get(parts[1], SERVICE), account=parts[0])
    dated = parts[2:]
    widths = [len(p) if p.isdigit() else 0 for p in dated[1:4]]
    if len(dated) > 4 and dated[0] and widths == [4, 2, 2]:
        key.day = parse_day(*dated[1:4])
        key.region = dated[0] if key.day else None
    return key


def parse_key(raw):
    parts = raw.split(b'/')
    folders = [i for i, part in enumerate(parts[:-1]) if part == b'AWSLogs']
    for i in reversed(folders):
        key = parse_layout(parts[i + 1:])
        if key:
            return key
    match = FILE_NAME.match(parts[-1])
    day = parse_day(*match.group(3, 4, 5)) if match else None
    if day is None:
        return Key(PLAIN)
    return Key(PLAIN, account=match[1], region=match[2], day=day)


def may_be_log(raw, kind):
    return kind in (LOG, PLAIN) and raw.endswith(LOG_ENDINGS)


class Source:
    """A directory: `objects` is {key: stat}, `errors` the keys of directories that cannot be walked."""

    def __init__(self, root, exclude=()):
        self.root = os.fsencode(root)
        self.exclude = {os.path.realpath(os.fsencode(path)) for path in exclude}
        self.objects = {}
        self.errors = set()
        self.walk(self.root, b'', [])

    def walk(self, folder, prefix, above):
        status = os.stat(folder)
        here = (status.st_dev, status.st_ino)
        if here in above:
            self.errors.add(prefix)
            return
        try:
            names = os.listdir(folder)
        except OSError:
            self.errors.add(prefix)
            return
        for name in names:
            self.add(folder + b'/' + name, prefix + name, above + [here])

    def add(self, path, key, above):
        try:
            status = os.stat(path)
        except OSError:
            self.errors.add(key)
            return
        if self.exclude and os.path.realpath(path) in self.exclude:
            return
        if stat.S_ISDIR(status.st_mode):
            self.walk(path, key + b'/', above)
        elif stat.S_ISREG(status.st_mode):
            self.objects[key] = status

    def read(self, key):
        try:
            with open(self.root + b'/' + key, 'rb') as file:
                return file.read()
        except OSError as error:
            denied = error.errno in (errno.EACCES, errno.EPERM)
            raise Damage(error.strerror, 'EACCES' if denied else 'EIO') from None

    def shown_bytes(self, key):
        """The bytes that the tree shows for an object."""
        data = self.read(key)
        return inflate(data) if key.endswith(b'.json.gz') else data


def inflate(data):
    """Exactly one gzip member and nothing after it."""
    inflater = zlib.decompressobj(wbits=31)
    try:
        out = inflater.decompress(data) + inflater.flush()
    except zlib.error as error:
        raise Damage(str(error)) from None
    if not inflater.eof:
        raise Damage('gzip: cut short')
    if inflater.unused_data:
        raise Damage('gzip: bytes after the end')
    return out
