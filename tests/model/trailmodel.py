#!/usr/bin/python3
"""An independent model of the tree that trailfs shows for a directory source.

    trailmodel.py [--since T] [--until T] [--account ID] [--log-region REGION] SOURCE [PATH]

prints every path of the tree, or the bytes of one. Nothing here is shared with the program under test.
Paths have no leading slash; the root is ''. The names that are not listed are not in it: see nested.py."""

import argparse
import hashlib
import re
import sys
import time as clock_module
from collections import defaultdict
from datetime import date, timedelta

from xxhash import xxh3_64_intdigest

from facets import EPOCH, VIEWS, day_and_clock, event_time, first_present, own_or_insight, scalar, values_of
from names import error_key, event_stem, value_name
from objects import LOG, Damage, Source, may_be_log, parse_key
from rawjson import minify, pretty, tokens_of
from records import read_records

RESERVED = frozenset(('README', 'ERRORS', 'events', 'by-id', 'live.jsonl', '.trailfs')) | frozenset(VIEWS)
DAY_SECONDS = 86400


class Options:
    """since and until are seconds since 1970 (both ends included) or None."""

    def __init__(self, since=None, until=None, accounts=(), regions=(), exclude=()):
        self.since = since
        self.until = until
        self.accounts = {account.encode() for account in accounts}
        self.regions = {region.encode() for region in regions}
        self.exclude = exclude

    def admits_key(self, key):
        if self.accounts and key.account is not None and key.account not in self.accounts:
            return False
        if self.regions and key.region is not None and key.region not in self.regions:
            return False
        if key.day is None:
            return True
        start = (key.day - EPOCH.date()).days * DAY_SECONDS
        if self.since is not None and start + DAY_SECONDS <= self.since:
            return False
        return self.until is None or start <= self.until + DAY_SECONDS

    def admits_time(self, time):
        if time is None:
            return True
        return (self.since is None or time >= self.since) and (self.until is None or time <= self.until)


def parse_bound(text, is_until, now):
    """What --since and --until take: a day, a minute or an age."""
    age = re.fullmatch(r'([0-9]+)([hd])', text)
    if age:
        return int(now) - int(age[1]) * (3600 if age[2] == 'h' else DAY_SECONDS)
    match = re.fullmatch(r'([0-9]{4})-([0-9]{2})-([0-9]{2})(?:T([0-9]{2}):([0-9]{2}))?', text)
    if not match:
        raise ValueError('not a day, a minute or an age: %s' % text)
    days = (date(*(int(group) for group in match.group(1, 2, 3))) - EPOCH.date()).days
    start = days * DAY_SECONDS + int(match[4] or 0) * 3600 + int(match[5] or 0) * 60
    if not is_until:
        return start
    return start + (59 if match[4] else DAY_SECONDS - 1)


class Dir:
    """mtime None: not fixed by any rule. `names` are in listing order, which only `ordered` ones promise."""
    __slots__ = ('mtime', 'names', 'ordered')
    is_dir = True

    def __init__(self, mtime=None, names=None, ordered=True):
        self.mtime = mtime
        self.names = [] if names is None else names
        self.ordered = ordered


class File:
    """size, mtime and load None: not fixed by any rule. `group`: files of one group are one inode (None: the
    path is alone). `error`: reading fails so. `digest` is sha1 of the bytes where it is cheap to know."""
    __slots__ = ('size', 'mtime', 'group', 'nlink', 'error', 'digest', 'load')
    is_dir = False

    def __init__(self, size=None, mtime=None, group=None, nlink=1, error=None, digest=None, load=None):
        self.size = size
        self.mtime = mtime
        self.group = group
        self.nlink = nlink
        self.error = error
        self.digest = digest
        self.load = load


class Event:
    __slots__ = ('time', 'day', 'stem', 'name', 'identity', 'values', 'file')

    def __init__(self, element, account, load):
        tokens = tokens_of(element.text)
        small, large = minify(tokens).encode(), pretty(tokens).encode()
        record = element.value if isinstance(element.value, dict) else {}
        record_hash = xxh3_64_intdigest(small)
        event_id = scalar(record.get('eventID'))
        self.time = event_time(record)
        self.day, clock = day_and_clock(self.time)
        self.stem = event_stem(clock, first_present(own_or_insight(record, 'eventName'), b'-'),
                               first_present(event_id, b'%016x' % record_hash))
        self.name = None
        self.identity = (event_id, record_hash, len(small))
        self.values = values_of(record, account)
        self.file = File(len(large), self.time or 0, (self.day,) + self.identity, 1 + len(self.values),
                         digest=hashlib.sha1(large).digest(), load=load)


class Model:
    """Reads a source in key order. When built, `tree` is path -> Dir or File, and `errors` the keys that ERRORS
    names, in its order."""

    event_type = Event

    def __init__(self, source_dir, options):
        self.options = options
        self.source = Source(source_dir, options.exclude)
        self.damaged = set(self.source.errors)
        self.errors = []
        self.objects = {}
        self.days = defaultdict(list)
        self.seen = set()
        self.tree = {}

    def read_objects(self):
        for raw in sorted(self.source.objects):
            key = parse_key(raw)
            if self.options.admits_key(key):
                self.objects[raw] = self.read_object(raw, key)

    def read_object(self, raw, key):
        """The log object as a File; its events go to their days."""
        status = self.source.objects[raw]
        shown = File(status.st_size, status.st_mtime_ns // 10**9, load=lambda: self.source.shown_bytes(raw))
        try:
            if raw.endswith(b'.json.gz') or may_be_log(raw, key.kind):
                data = self.source.shown_bytes(raw)
                if may_be_log(raw, key.kind):
                    self.add_events(raw, key, read_records(data, key.kind == LOG))
                shown.size = len(data)
        except Damage as damage:
            self.damaged.add(raw)
            shown.error = damage.error
            shown.size = max(status.st_size, 1)  # a read of an empty file would not reach the file system
        return shown

    def add_events(self, raw, key, elements):
        for position, element in enumerate(elements):
            event = self.event_type(element, key.account, lambda n=position: self.load_event(raw, key, n))
            identity = event.file.group
            if self.options.admits_time(event.time) and identity not in self.seen:
                self.seen.add(identity)
                self.days[event.day].append(event)

    def load_event(self, raw, key, position):
        elements = read_records(self.source.shown_bytes(raw), key.kind == LOG)
        return pretty(tokens_of(elements[position].text)).encode()

    def name_events(self):
        """Settles clashes within each day and leaves the days' events in the order of their names."""
        for events in self.days.values():
            stems = {event.stem for event in events}
            used = defaultdict(int)
            for event in events:
                event.name = event.stem + clash_suffix(event.stem, stems, used) + '.json'
            events.sort(key=lambda event: event.name.encode())

    def all_events(self):
        return [event for day in sorted(self.days) for event in self.days[day]]

    def add_fixed(self):
        top = ['README'] + (['ERRORS'] if self.errors else [])
        for name in top:
            self.tree[name] = File()
        return top

    def build(self):
        self.read_objects()
        self.errors = [error_key(raw) for raw in sorted(self.damaged)]
        self.name_events()
        events = self.all_events()
        root = self.tree[''] = Dir(newest(events))
        root.names = self.add_fixed()
        root.names += Bucket(self.tree, self.objects).build()
        root.names += ['events'] + list(VIEWS)
        add_dated(self.tree, 'events', events)
        self.add_views(events)
        return self.tree

    def add_views(self, events):
        views = {view: defaultdict(list) for view in VIEWS}
        for event in events:
            for view, value in event.values:
                views[view][value].append(event)
        for view, values in views.items():
            folder = self.tree[view] = Dir(newest([event for held in values.values() for event in held]))
            for value in sorted(values):
                folder.names.append(value_name(value))
                add_dated(self.tree, view + '/' + folder.names[-1], values[value])


def clash_suffix(stem, stems, used):
    """Nothing for the first of a stem, then ~2, ~3 …; a number that would give the name of another stem is
    left out."""
    used[stem] += 1
    if used[stem] == 1:
        return ''
    while '%s~%d' % (stem, used[stem]) in stems:
        used[stem] += 1
    return '~%d' % used[stem]


def newest(events):
    """The newest eventTime; 0 if none has one."""
    return max((event.time for event in events if event.time is not None), default=0)


def add_dated(tree, base, events):
    """base/YYYY/MM/DD/EVENT and base/undated/EVENT; events come sorted by day and name."""
    days = defaultdict(list)
    for event in events:
        days[event.day].append(event)
    tree[base] = Dir(newest(events))
    for day, held in days.items():
        add_day(tree, base, day.split('/'), newest(held))
        folder = base + '/' + day
        tree[folder].names = [event.name for event in held]
        for event in held:
            tree[folder + '/' + event.name] = event.file


def add_day(tree, base, parts, mtime):
    path = base
    for part in parts:
        parent, path = tree[path], path + '/' + part
        if path not in tree:
            tree[path] = Dir(mtime)
            parent.names.append(part)
        tree[path].mtime = max(tree[path].mtime, mtime)


class Bucket:
    """The bucket's own hierarchy; folders and files of one name are told apart here."""

    def __init__(self, tree, objects):
        self.tree = tree
        self.objects = objects

    def build(self):
        """Adds everything, gives the names of the top level, which are listed in the order of keys."""
        folder = self.nest()
        return self.add(folder, '')

    def nest(self):
        """{name: nested dict}, and under None the folder's files [(raw name, File)] in key order."""
        top = {None: []}
        for raw, file in self.objects.items():
            parts = raw.split(b'/')
            folder = top
            for part in parts[:-1]:
                folder = folder.setdefault(part, {None: []})
            folder[None].append((parts[-1], file))
        return top

    def add(self, folder, path):
        names, keys = {}, {}
        for raw in folder:
            if raw is not None:
                name = shown_name(raw, path)
                names[name], keys[name] = raw, raw + b'/'
        for raw, file in folder[None]:
            name = shown_name(raw[:-3] if raw.endswith(b'.json.gz') else raw, path)
            while name in names:
                name += '%'
            names[name], keys[name] = file, raw
        for name, held in names.items():
            self.add_entry(path + name, held if isinstance(held, File) else folder[held])
        return sorted(names, key=keys.get)

    def add_entry(self, path, held):
        if isinstance(held, File):
            self.tree[path] = held
            return
        names = self.add(held, path + '/')
        self.tree[path] = Dir(max(self.tree[path + '/' + name].mtime for name in names), names, ordered=False)


def shown_name(raw, path):
    name = value_name(raw)
    return '%%%02X%s' % (ord(name[0]), name[1:]) if not path and name in RESERVED else name


def build_tree(source_dir, options=None):
    """The whole tree: path -> Dir or File."""
    return build_model(source_dir, options).tree


def build_model(source_dir, options=None):
    """As build_tree, but gives the whole Model."""
    model = Model(source_dir, options or Options())
    model.build()
    return model


def add_arguments(parser):
    parser.add_argument('--since')
    parser.add_argument('--until')
    parser.add_argument('--account', action='append', default=[])
    parser.add_argument('--log-region', action='append', default=[])
    parser.add_argument('--exclude', action='append', default=[],
                        help='a folder inside the source that is not part of it (cache, mount point)')


def parse_options(arguments):
    now = clock_module.time()
    return Options(arguments.since and parse_bound(arguments.since, False, now),
                   arguments.until and parse_bound(arguments.until, True, now),
                   arguments.account, arguments.log_region, arguments.exclude)


def main():
    parser = argparse.ArgumentParser(description='The tree that trailfs shows for a directory.')
    add_arguments(parser)
    parser.add_argument('source')
    parser.add_argument('path', nargs='?')
    arguments = parser.parse_args()
    model = build_model(arguments.source, parse_options(arguments))
    if arguments.path is None:
        for path, entry in model.tree.items():
            print(path + '/' if entry.is_dir else '%s\t%s%s' % (path, entry.size, entry.error or ''))
        for key in model.errors:
            print('ERRORS: ' + key, file=sys.stderr)
    else:
        sys.stdout.buffer.write(model.tree[arguments.path].load())


if __name__ == '__main__':
    main()
