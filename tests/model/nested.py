#!/usr/bin/python3
"""Asks a mounted tree random questions by the names that are never listed, and compares the answers with the model:

    nested.py [--since T] … [--seed N] [--questions N] SOURCE TREE

Facets nested in any order, ranges of time, dates, and by-id/. Prints its seed; exit status 1 on any difference."""

import argparse
import errno
import os
import random
import re
import sys
import time as clock_module
from calendar import monthrange
from collections import defaultdict
from datetime import datetime, timedelta

from compare import Comparison
from facets import EPOCH
from names import value_name
from trailmodel import Dir, add_arguments, add_dated, build_model, newest, parse_options

SECOND = timedelta(seconds=1)
WRITTEN = (4, 7, 10, 13, 16, 19)  # characters of a moment down to the year, month … second
UNITS = (('s', 1), ('m', 60), ('h', 3600))
GAP = 10800  # seconds without events, in the middle of which a range that moves may begin
DEPTH_MAX = 5
NO_NAMES = ('@', '@..', '@2025-13', '@2025-06-31', '@2025-02-29..', '@2025-07..2025-06', '@2025-06-19..2025-06-18T23',
            '@2025-06-19T25', '@2025-06-19T09:60', '@2025-06-19T9', '@2025-6', '@20250619', '@0000', '@10000', '@2025Z',
            '@2025-06Z', '@2025-06-19ZZ', '@2025...2026', '@2025..2026..2027', '@24', '@h', '@-1h', '@24x', '@24H', '@1h..',
            '@7d..1d', '@ 7d', '@7d ', '@999999999999999999999d', '@9999999w', '2025', '@@7d', 'by-', 'by-nothing',
            'By-user', 'by-user%', 'by-id', 'events', 'README', '.trailfs', 'undatd', '00', '13', '9999')


def to_second(moment):
    return (moment - EPOCH) // SECOND


def at(second):
    return EPOCH + timedelta(seconds=second)


def written(second, precision):
    return at(second).isoformat()[:WRITTEN[precision]]


def span_of(text):
    """First and last second of what is written."""
    parts = [int(part) for part in re.findall('[0-9]+', text)]
    first = parts + [1, 1, 1, 0, 0, 0][len(parts):]
    year, month = (parts + [12])[:2]
    last = parts + [year, month, monthrange(year, month)[1], 23, 59, 59][len(parts):]
    return to_second(datetime(*first)), to_second(datetime(*last))


class Question:
    """A path and what it asks for. `parts` are the dates entered since the last facet or range."""

    def __init__(self, base, known):
        self.base = base
        self.known = known  # all events of the mount
        self.values = []  # (view, value)
        self.spans = []  # functions of an event
        self.parts = []

    def copy(self, base):
        other = Question(base, self.known)
        other.values = list(self.values)
        other.spans = list(self.spans) + ([self.in_date()] if self.parts else [])
        return other

    def path(self):
        return '/'.join([self.base] + self.parts)

    def in_date(self):
        start = '/'.join(self.parts)
        return lambda event: event.day == start or event.day.startswith(start + '/')

    def contrary(self):
        one = {}
        return any(view != 'by-resource' and one.setdefault(view, value) != value for view, value in self.values)

    def events(self, but=None):
        """Those that are asked for; but: whatever their value in that view."""
        wanted = [pair for pair in self.values if pair[0] != but]
        spans = self.spans + ([self.in_date()] if self.parts else [])
        return [event for event in self.known
                if all(pair in event.values for pair in wanted) and all(span(event) for span in spans)]


class Asking:
    def __init__(self, model, top, arguments, seed):
        self.random = random.Random(seed)
        self.comparison = Comparison(model, top, arguments)
        self.report = self.comparison.report
        self.known = model.all_events()
        self.pairs = sorted({pair for event in self.known for pair in event.values})
        self.times = sorted({event.time for event in self.known if event.time is not None})

    # ---- one more name ----

    def some_value(self, events):
        if not self.pairs or (events and self.random.random() < 0.9):
            events = events or self.known
            return self.random.choice(self.random.choice(events).values) if events else ('by-user', b'nobody')
        return self.random.choice(self.pairs)

    def add_value(self, asked):
        view, value = self.some_value(asked.events())
        if self.random.random() < 0.1:
            value += b'!'
        path = '%s/%s/%s' % (asked.path(), view, value_name(value))
        self.compare_values(asked, view)
        narrowed = asked.copy(path)
        but = None if view == 'by-resource' else view
        there = not asked.contrary() and any((view, value) in event.values for event in asked.events(but))
        narrowed.values.append((view, value))
        return self.found(narrowed, there)

    def some_moment(self):
        second = self.random.choice(self.times or [0])
        if self.random.random() < 0.3:
            second += self.random.randrange(-90000, 90000)
            second = min(max(second, to_second(datetime.min)), to_second(datetime.max))
        precision = self.random.randrange(6)
        return written(second, precision) + ('Z' if precision > 1 and self.random.random() < 0.2 else '')

    def some_age(self):
        """An age that begins far from any event, and where."""
        now = int(clock_module.time())
        begins = [(a + b) // 2 for a, b in zip(self.times, self.times[1:]) if b - a > GAP]
        begins += [self.times[0] - GAP, self.times[-1] + GAP] if self.times else [0]
        begins = [second for second in begins if to_second(datetime.min) + GAP < second < now - GAP]
        unit, size = self.random.choice(UNITS)
        begin = self.random.choice(begins or [now - GAP])
        age = (now - begin) // size
        begin = now - age * size
        return '%d%s' % (age, unit), begin

    def add_range(self, asked):
        kind = self.random.randrange(8)
        first, last = None, None
        if kind == 0:
            name, first = self.some_age()
        elif kind == 1:
            name = self.some_moment()
            first, last = span_of(name)
        else:
            a, b = sorted((self.some_moment(), self.some_moment()), key=lambda text: span_of(text)[0])
            a, b = ('' if kind == 2 else a), ('' if kind == 3 else b)
            name = a + '..' + b
            first = span_of(a)[0] if a else None
            last = span_of(b)[1] if b else None
        narrowed = asked.copy('%s/@%s' % (asked.path(), name))
        narrowed.spans.append(lambda event: event.time is not None and (first is None or event.time >= first) and
                              (last is None or event.time <= last))
        return self.found(narrowed, first is None or last is None or first <= last)

    def add_date(self, asked):
        depth = len(asked.parts)
        if asked.parts == ['undated'] or depth == 3:
            return asked
        events = asked.events() if self.random.random() < 0.9 else self.known
        if not events:
            return asked
        days = self.random.choice(events).day.split('/')
        entered = Question(asked.base, asked.known)
        entered.values, entered.spans = asked.values, asked.spans
        entered.parts = asked.parts + [days[depth] if depth < len(days) else '31']
        return self.found(entered, bool(not entered.contrary() and entered.events()))

    # ---- what is there ----

    def found(self, asked, there):
        """The question where its directory is there, else None; and that it is, or is not."""
        path = asked.path()
        self.report.paths += 1
        try:
            os.lstat(self.comparison.full(path))
            if not there:
                self.report.add(path, 'is there')
        except OSError as error:
            if there or error.errno != errno.ENOENT:
                self.report.add(path, error.strerror)
            there = False
        return asked if there else None

    def compare_values(self, asked, view):
        """The listing of a facet under a question."""
        path = asked.path() + '/' + view
        events = [] if asked.contrary() else asked.events()
        values = {value for event in events for name, value in event.values if name == view}
        entry = Dir(newest([event for event in events if any(name == view for name, _ in event.values)]),
                    [value_name(value) for value in sorted(values)])
        found = os.listdir(self.comparison.full(path))
        self.comparison.compare_names(path, entry, found)
        status = self.comparison.status_of(path)
        if status is not None:
            self.comparison.compare_dir_status(path, entry, status)

    def compare_events(self, asked):
        events = [] if asked.contrary() else asked.events()
        self.comparison.tree = {}
        add_dated(self.comparison.tree, asked.base, events)
        entry = self.comparison.tree.get(asked.path())
        if entry is None:
            self.report.add(asked.path(), 'is there')
        else:
            self.comparison.compare_dir(asked.path(), entry)

    def ask(self):
        if self.random.random() < 0.4 or not self.pairs:
            asked = Question('events', self.known)
        else:
            view, value = self.random.choice(self.pairs)
            asked = Question('%s/%s' % (view, value_name(value)), self.known)
            asked.values.append((view, value))
        for _ in range(self.random.randint(1, DEPTH_MAX)):
            add = self.random.choice((self.add_value, self.add_value, self.add_range, self.add_date, self.add_date))
            asked = add(asked)
            if asked is None:
                return
        self.compare_events(asked)
        self.absent(asked.path() + '/' + self.random.choice([name for name in NO_NAMES if self.cannot_be(asked, name)]))

    @staticmethod
    def cannot_be(asked, name):
        dates = {0: ('2025', '9999', 'undated'), 2: ('13',)}
        return name not in dates.get(len(asked.parts), ())

    def absent(self, path):
        self.report.paths += 1
        if os.path.lexists(self.comparison.full(path)):
            self.report.add(path, 'is there')

    # ---- by-id ----

    def compare_ids(self):
        held = defaultdict(list)
        for event in self.known:
            event_id, record_hash, _ = event.identity
            held[value_name(b'%016x' % record_hash if event_id is None else event_id)].append(event)
        for name in self.random.sample(sorted(held), min(len(held), 200)):
            first = min(held[name], key=lambda event: (event.day == 'undated', event.day, event.name.encode()))
            path = 'by-id/%s.json' % name
            self.comparison.compare_file(path, first.file)
            self.absent('by-id/' + name)
            self.absent('by-id/%s.jsonx' % name)
            self.absent('by-id/%s~.json' % name)
        self.absent('by-id/.json')
        self.comparison.compare_dir('by-id', Dir(newest(self.known), []))

    def run(self, questions):
        self.comparison.content = False
        self.comparison.compare_dir('events', self.comparison.tree['events'])  # which inode is which
        for number in range(questions):
            self.comparison.content = number % 4 == 0
            self.ask()
        self.comparison.content = True
        self.compare_ids()
        print('nested: %d paths, %d differences' % (self.report.paths, self.report.differences))
        return self.report.differences == 0


def main():
    parser = argparse.ArgumentParser(description='Asks by the names that are never listed.')
    add_arguments(parser)
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 32))
    parser.add_argument('--questions', type=int, default=100)
    parser.add_argument('source')
    parser.add_argument('tree')
    arguments = parser.parse_args()
    arguments.copy, arguments.no_content, arguments.umask = False, False, None
    print('nested: --seed %d' % arguments.seed)
    model = build_model(arguments.source, parse_options(arguments))
    sys.exit(0 if Asking(model, arguments.tree, arguments, arguments.seed).run(arguments.questions) else 1)


if __name__ == '__main__':
    main()
