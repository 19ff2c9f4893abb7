#!/usr/bin/python3
"""Compares report.html with the independent model: what is counted, and where links lead.

reports.py [--since T] [...] [--some N] [--nested N] [--links N] SOURCE MOUNTPOINT

--some: in N directories of each kind at most; --nested: in N more below by-FACET/VALUE in a random directory, and
below a range of days; --links: on so many of these pages every link is followed, and must lead to a page that counts
what its row says. Every page must be XML and HTML, with no script and nothing from elsewhere. Exit status 1 on any
difference."""

import argparse
import calendar
import datetime
import os
import random
import re
import sys
import xml.etree.ElementTree as tree
from collections import Counter
from html.parser import HTMLParser
from urllib.parse import quote, unquote_to_bytes

from compare import Report, read_whole
from names import value_name
from rollups import KeptModel, all_directories, nested
from trailmodel import add_arguments, parse_options

LISTED = {'Users': 'by-user', 'Events': 'by-event', 'Errors': 'by-error', 'Addresses': 'by-ip', 'Services': 'by-service',
          'Regions': 'by-region'}
FRESH = {'New users': 'by-user', 'New addresses': 'by-ip', 'New access keys': 'by-access-key'}
TOP, LOOKED = 10, 500
VOID = {'meta', 'link'}


# ---- what a page says ----

class Balanced(HTMLParser):
    """As a browser reads it: tags that close in order, nothing that runs or loads."""

    def __init__(self):
        super().__init__()
        self.open, self.problems = [], []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        if tag in ('script', 'iframe', 'img', 'object', 'embed', 'base', 'form'):
            self.problems.append('has <%s>' % tag)
        for name, value in attributes:
            if name.startswith('on') or name in ('src', 'srcset', 'xlink:href'):
                self.problems.append('has %s=' % name)
            if name == 'href' and not (tag == 'a' or value == 'data:,'):
                self.problems.append('loads %s' % value)
            if name == 'href' and tag == 'a' and re.match(r'[a-zA-Z][a-zA-Z0-9+.-]*:|/', value):
                self.problems.append('leads out: %s' % value)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag not in VOID and (not self.open or self.open.pop() != tag):
            self.problems.append('</%s> closes something else' % tag)


def text_of(element):
    return ''.join(element.itertext())


def number(text):
    return int(text.replace(',', ''))


class Page:
    def __init__(self, data):
        text = data.decode()
        self.problems = ['has %s' % word for word in ('<script', '<!--', '<![') if word in text.lower()]
        style = text.partition('<style>')[2].partition('</style>')[0]
        self.problems += ['has %s in its style' % word for word in ('url(', '@import', 'http', 'src:') if word in style]
        balanced = Balanced()
        balanced.feed(text)
        balanced.close()
        self.problems += balanced.problems + ['<%s> is open' % tag for tag in balanced.open]
        top = tree.fromstring(text.split('\n', 1)[1])
        self.links = [element.get('href') for element in top.iter('a')]
        self.numbers = {(div.find('dt').text or '').strip(): number(div.find('dd').text)
                        for div in top.iter('div') if div.find('dt') is not None}
        self.cards, self.rows_of, self.counted = {}, {}, []
        for section in top.iter('section'):
            title = section.find('h3')
            if title is not None:
                self.cards[title.text.strip()] = number(title.find('small').text)
                self.rows_of[title.text.strip()] = self.rows(section)
        self.bars = [[number(text_of(cell)) for cell in row.findall('td')]
                     for table in top.iter('details') for row in table.find('table').find('tbody')]
        self.path = [element.get('href') for element in top.find('body').find('header').find('nav').iter('a')]

    @staticmethod
    def rows(section):
        return [(row.find('th').find('a').get('href'), [text_of(cell) for cell in row.findall('td')],
                 text_of(row.find('th')))
                for body in section.iter('tbody') for row in body]


# ---- what it must say ----

def values_of(events, view):
    return Counter(value for event in events for name, value in event.values if name == view)


def having(events, view, value):
    return [event for event in events if (view, value) in event.values]


def link(view, value, above=''):
    return '%s%s/%s/report.html' % (above, view, quote(value_name(value).encode('utf-8', 'surrogateescape'), safe=''))


def top_rows(events, view, above=''):
    found = sorted(values_of(events, view).items(), key=lambda item: (-item[1], item[0]))
    return len(found), [(link(view, value, above), count) for value, count in found[:TOP]]


def sign_ins(events):
    return [event for event in events if ('by-event', b'ConsoleLogin') in event.values]


def has_failed(event):
    answer = event.record.get('responseElements')
    return (any(isinstance(event.record.get(name), str) for name in ('errorCode', 'errorMessage')) or
            isinstance(answer, dict) and answer.get('ConsoleLogin') == 'Failure')


def start_of(path):
    """From when on a path's ranges and dates leave events; None: no such time."""
    starts, date = [], []
    for part in path.split('/')[1:] + ['']:
        if re.fullmatch('[0-9]{2,4}', part) and (date or len(part) == 4) and len(date) < 3:
            date.append(int(part))
            starts.append(calendar.timegm(tuple(date + [1] * (3 - len(date))) + (0, 0, 0)))
        else:
            date = []
        if part.startswith('@'):
            starts.append(calendar.timegm(tuple(map(int, part[1:11].split('-'))) + (0, 0, 0)))
    return max(starts, default=None)


def fixed_views(path):
    return {part for part in path.split('/') if part.startswith('by-') and part != 'by-resource'}


class Comparison:
    def __init__(self, top, events):
        self.top = top
        self.every = events
        self.report = Report()
        self.followed = 0

    def load(self, path):
        full = os.path.join(os.fsencode(self.top), path if isinstance(path, bytes) else os.fsencode(path))
        size = os.stat(full).st_size
        data = read_whole(full)
        page = Page(data)
        if len(data) != size:
            page.problems.append('has %d bytes, not %d' % (len(data), size))
        return page

    def compare(self, path, events, follow):
        self.report.paths += 1
        name = path + '/report.html'
        try:
            page = self.load(name)
        except (OSError, ValueError, tree.ParseError) as error:
            self.report.add(name, error)
            return
        for problem in page.problems:
            self.report.add(name, problem)
        self.check_numbers(name, page, events)
        self.check_lists(name, page, events, fixed_views(path))
        self.check_new(name, page, events, start_of(path))
        if follow:
            self.follow(path, page)

    def check_numbers(self, name, page, events):
        dated = [event for event in events if event.day != 'undated']
        wanted = {'Events': len(events), 'Reads': len(having(events, 'by-access', b'read')),
                  'Writes': len(having(events, 'by-access', b'write')),
                  'Errors': sum(values_of(events, 'by-error').values()),
                  'Root events': len(having(events, 'by-type', b'Root')),
                  'Failed sign-ins': sum(map(has_failed, sign_ins(events)[-LOOKED:]))}
        self.report.check(name, 'numbers', page.numbers, wanted)
        sums = [sum(column) for column in zip(*page.bars)] if page.bars else [0] * 4
        self.report.check(name, 'bars', sums, [
            len(dated), len(having(dated, 'by-access', b'write')), len(having(dated, 'by-access', b'read')),
            sum(values_of(dated, 'by-error').values())])

    def check_lists(self, name, page, events, fixed):
        for title, view in LISTED.items():
            if not events or view in fixed:
                self.report.check(name, title, page.cards.get(title), None)
                continue
            distinct, rows = top_rows(events, view)
            self.report.check(name, title, page.cards.get(title), distinct)
            self.report.check(name, title, [(href, number(cells[0])) for href, cells, _ in page.rows_of.get(title, [])], rows)
        if events:
            _, rows = top_rows(having(events, 'by-type', b'Root'), 'by-event', 'by-type/Root/')
            self.report.check(name, 'root', [(href, number(cells[0])) for href, cells, _ in page.rows_of['Root use']], rows)

    def check_new(self, name, page, events, since):
        dated = [event for event in events if event.day != 'undated']
        older = [event for event in self.every if since is not None and event.day != 'undated' and event.time < since]
        for title, view in FRESH.items():
            if not dated or not older:
                self.report.check(name, title, page.cards.get(title), None)
                continue
            before = values_of(older, view)
            fresh = {value: min(event.time for event in having(dated, view, value))
                     for value in values_of(dated, view) if value not in before}
            counts = values_of(events, view)
            self.report.check(name, title, page.cards.get(title), len(fresh))
            rows = [(cells[0], href, number(cells[1])) for href, cells, _ in page.rows_of.get(title, [])]
            wanted = [(str(datetime.datetime.fromtimestamp(first, datetime.timezone.utc).replace(tzinfo=None)),
                       link(view, value), counts[value]) for value, first in fresh.items()]
            self.report.check(name, title, [row[0] for row in rows], sorted((row[0] for row in wanted), reverse=True)[:TOP])
            self.report.check(name, title + ' besides', set(rows) - set(wanted), set())

    def follow(self, path, page):
        """Every link exists; a row's page counts what the row says."""
        self.followed += 1
        here = os.fsencode(path) + b'/'
        for href in sorted(set(page.links)):
            target = os.path.normpath(here + unquote_to_bytes(href))
            if not os.path.isfile(os.path.join(os.fsencode(self.top), target)):
                self.report.add(path, 'leads to %s, which is not there' % href)
        for title, rows in page.rows_of.items():
            for href, cells, _ in rows:
                if title.startswith('Failed'):
                    continue
                try:
                    found = self.load(here + unquote_to_bytes(href)).numbers['Events']
                except (OSError, ValueError, KeyError, tree.ParseError) as error:
                    self.report.add(path, '%s: %s' % (href, error))
                    continue
                self.report.check(path, href, found, number(cells[1 if title.startswith('New') else 0]))
        wider = [os.path.normpath(os.path.join(path, unquote_to_bytes(href).decode())) for href in page.path]
        self.report.check(path, 'the last step', wider[-1], os.path.normpath(path + '/report.html'))
        self.report.check(path, 'steps', [len(step) for step in wider], sorted(len(step) for step in wider))


def main():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    parser.add_argument('--some', type=int, default=sys.maxsize)
    parser.add_argument('--nested', type=int, default=0)
    parser.add_argument('--links', type=int, default=0)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('source')
    parser.add_argument('top')
    arguments = parser.parse_args()
    model = KeptModel(arguments.source, parse_options(arguments))
    model.build()
    events = model.all_events()
    comparison = Comparison(arguments.top, events)
    choose = random.Random(arguments.seed)
    every, pages = [], []
    for folders in all_directories(events).values():
        every += folders
        pages += choose.sample(folders, min(len(folders), arguments.some))
    pages += [nested(choose, every) for _ in range(arguments.nested)]
    followed = set(choose.sample(range(len(pages)), min(len(pages), arguments.links)))
    for i, (path, held) in enumerate(pages):
        comparison.compare(path, held, i in followed)
    print('%d reports of %d events, the links of %d, %d differences' % (
        comparison.report.paths, len(events), comparison.followed, comparison.report.differences))
    return 1 if comparison.report.differences else 0


if __name__ == '__main__':
    sys.exit(main())
