#!/usr/bin/python3
"""Compares the rollups of a mounted tree with the model of its source.

    rollups.py [--since T] … [--some N] [--nested N] [--seek] SOURCE TREE

In events, in all values of all views, in by-FACET and in their date folders: size and bytes of all.jsonl, all.json,
all.csv, count and counts.tsv. --some: in N directories of each kind at most; --nested: in N more below
by-FACET/VALUE in a random directory, and below a range of days; --seek: pieces at random offsets too. Exit status 1
on any difference."""

import argparse
import csv
import io
import os
import random
import sys
from collections import Counter

from compare import Report, read_whole
from facets import VIEWS, access, actor, first_present, objects_of, own_or_insight, resources, role, scalar
from names import value_name
from rawjson import minify, tokens_of
from trailmodel import Event, Model, add_arguments, parse_options

COLUMNS = ('eventTime eventSource eventName awsRegion sourceIPAddress user userType role accessKeyId accountId errorCode '
           'errorMessage readOnly resources userAgent requestID eventID').split()
SEEKS = 12


class KeptEvent(Event):
    """An event with its record."""
    __slots__ = ('small', 'record', 'account')

    def __init__(self, element, account, load):
        super().__init__(element, account, load)
        self.small = minify(tokens_of(element.text)).encode()
        self.record = element.value if isinstance(element.value, dict) else {}
        self.account = account


class KeptModel(Model):
    event_type = KeptEvent


def cells_of(event):
    """The values of a row as bytes or None."""
    record, who = event.record, objects_of(event.record, 'userIdentity')
    account = first_present(scalar(record.get('recipientAccountId')), scalar(who.get('accountId')), event.account)
    listed = resources(record)
    special = {
        'eventSource': own_or_insight(record, 'eventSource'),
        'eventName': own_or_insight(record, 'eventName'),
        'user': actor(who),
        'userType': scalar(who.get('type')),
        'role': role(who),
        'accessKeyId': scalar(who.get('accessKeyId')),
        'accountId': account,
        'resources': b';'.join(listed) if listed else None,
    }
    return [special[name] if name in special else scalar(record.get(name)) for name in COLUMNS]


def cell_text(value):
    text = (value or b'').decode('utf-8', 'surrogatepass')
    text = ''.join('\ufffd' if 0xD800 <= ord(char) <= 0xDFFF else char for char in text)
    return "'" + text if text[:1] in ('=', '+', '-', '@', '\t', '\r') and text else text


def table(events):
    out = io.StringIO(newline='')
    writer = csv.writer(out, lineterminator='\r\n')
    writer.writerow(COLUMNS)
    for event in events:
        writer.writerow([cell_text(value) for value in cells_of(event)])
    return out.getvalue().encode()


def counts(events, view):
    found = Counter(value for event in events for name, value in event.values if name == view)
    rows = [(-count, value_name(value).encode()) for value, count in found.items()]
    return b''.join(b'%d\t%s\n' % (-count, name) for count, name in sorted(rows))


def rollups_of(events):
    lines = [event.small for event in events]
    return {
        'all.jsonl': b''.join(line + b'\n' for line in lines),
        'all.json': b'{"Records":[' + b','.join(lines) + b']}',
        'all.csv': table(events),
        'count': b'%d\n' % len(lines),
    }


class Comparison:
    def __init__(self, top, seek, seed):
        self.top = top
        self.seek = seek
        self.random = random.Random(seed)
        self.report = Report()

    def compare(self, path, wanted):
        self.report.paths += 1
        full = os.path.join(self.top, path)
        try:
            size = os.stat(full).st_size
            found = read_whole(full)
        except OSError as error:
            self.report.add(path, error)
            return
        self.report.check(path, 'size', size, len(found))
        if found != wanted:
            at = next((i for i, pair in enumerate(zip(found, wanted)) if pair[0] != pair[1]), min(len(found), len(wanted)))
            self.report.add(path, '%d bytes, not %d; differs at %d: %r, not %r' % (
                len(found), len(wanted), at, found[at:at + 60], wanted[at:at + 60]))
        elif self.seek and wanted:
            self.compare_pieces(path, full, wanted)

    def compare_pieces(self, path, full, wanted):
        descriptor = os.open(full, os.O_RDONLY)
        for _ in range(SEEKS):
            at = self.random.randrange(len(wanted) + 10)
            length = self.random.choice((1, 100, 5000, 200000, 3000000))
            piece = os.pread(descriptor, length, at)
            if piece != wanted[at:at + len(piece)] or (len(piece) < length and at + len(piece) < len(wanted)):
                self.report.add(path, 'differs in the %d bytes at %d' % (length, at))
        os.close(descriptor)

    def directory(self, path, events):
        for name, wanted in rollups_of(events).items():
            self.compare(path + '/' + name, wanted)

    def facet(self, path, events, view):
        self.compare(path + '/counts.tsv', counts(events, view))


def dated(path, events):
    """(directory, its events) for a directory of date folders and those in it."""
    folders = {path: events}
    for event in events:
        parts = event.day.split('/')
        for depth in range(1, len(parts) + 1):
            folders.setdefault('/'.join([path] + parts[:depth]), []).append(event)
    return folders


def having(events, view, value):
    return [event for event in events if (view, value) in event.values]


def all_directories(events):
    """The kinds of directories, and the directories of each: [(path, events)]."""
    kinds = {'events': list(dated('events', events).items())}
    for view in VIEWS:
        values = sorted({value for event in events for name, value in event.values if name == view})
        kinds[view] = [folder for value in values
                       for folder in dated(view + '/' + value_name(value), having(events, view, value)).items()]
    return kinds


def nested(choose, folders):
    """A random directory below a random directory."""
    path, events = choose.choice(folders)
    for _ in range(choose.randint(1, 2)):
        if choose.random() < 0.3 and events:
            days = sorted(event.day.replace('/', '-') for event in choose.choices(events, k=2))
            if 'undated' in days:
                continue
            path += '/@%s..%s' % (days[0], days[1])
            events = [event for event in events if days[0] <= event.day.replace('/', '-') <= days[1]]
        elif events:
            view, value = choose.choice(choose.choice(events).values)
            if '/' + view + '/' not in '/' + path:
                path += '/%s/%s' % (view, value_name(value))
                events = having(events, view, value)
    return path, events


def main():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    parser.add_argument('--some', type=int, default=sys.maxsize)
    parser.add_argument('--nested', type=int, default=0)
    parser.add_argument('--seek', action='store_true')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('source')
    parser.add_argument('top')
    arguments = parser.parse_args()
    model = KeptModel(arguments.source, parse_options(arguments))
    model.build()
    events = model.all_events()
    comparison = Comparison(arguments.top, arguments.seek, arguments.seed)
    choose = random.Random(arguments.seed)
    every = []
    for view, folders in all_directories(events).items():
        every += folders
        for folder in choose.sample(folders, min(len(folders), arguments.some)):
            comparison.directory(*folder)
        if view != 'events':
            comparison.facet(view, events, view)
    for _ in range(arguments.nested):
        path, held = nested(choose, every)
        comparison.directory(path, held)
        view = choose.choice(list(VIEWS))
        comparison.facet(path + '/' + view, held, view)
    print('%d rollups of %d events, %d differences' % (
        comparison.report.paths, len(events), comparison.report.differences))
    return 1 if comparison.report.differences else 0


if __name__ == '__main__':
    sys.exit(main())
