#!/usr/bin/python3
"""Prints docs/performance.md from what the parts measured and what their head comments say of each row.

    report.py DATA SIZE
"""
import collections
import glob
import os
import platform
import re
import subprocess
import sys
import time

PARTS = ('index', 'scan', 'grep', 'walk', 'huge', 'rollups', 's3-answer', 's3-index')
SIZES = {'quick': '**A quick run: a tenth or less of the data. These are no figures to quote.**\n',
         'smoke': '**A run that only shows that the parts work: these figures mean nothing.**\n'}
INTRODUCTION = """# Performance

This page is written by `scripts/bench --write` from what it measured; no figure in it was typed. trailfs is measured beside
what one would use instead, in one run on one machine.
{size}
- Times are medians of {runs}; the things that are compared take turns, so that what disturbs the machine
  disturbs all of them.
- Ratio: where the reach is ≤, the time of trailfs by the other's; where it is ≥, how many times faster trailfs is.
- The reach is what was aimed at, set before anything was measured. "–": for information.
- Each result is checked: whoever finds something else than the others has failed, however fast.
- The data is made by `scripts/make-trail` with its presets: *tiny* (20,000 objects of 5 events, two trails that deliver some
  events twice), *busy* (300 objects of 1,900 events), *day* (50,000 events of a day), *huge* (10 million events of 90 days,
  100,000 addresses).
"""
VERSIONS = (('grep', 'grep --version'), ('tar', 'tar --version'), ('gzip', 'gzip --version'), ('ripgrep', 'rg --version'),
            ('jq', 'jq --version'), ('DuckDB', 'duckdb --version'), ('aws', 'aws --version'), ('rclone', 'rclone version'),
            ('s3fs', 's3fs --version'), ('Ceph', 'radosgw --version'))


def rows(data, size):
    """(number, cells) of each row, and the days on which they were measured."""
    found, days = [], set()
    for part in PARTS:
        path = os.path.join(data, 'results.' + size, part + '.tsv')
        if not os.path.exists(path):
            continue
        days.add(time.strftime('%Y-%m-%d', time.gmtime(os.path.getmtime(path))))
        with open(path) as file:
            for line in file:
                cells = line.rstrip('\n').split('\t')
                found.append((int(cells[0]), cells))
    return sorted(found, key=lambda one: one[0]), sorted(days)


def paragraphs():
    """What the parts' head comments say of each row."""
    found = collections.defaultdict(list)
    for part in PARTS:
        number = None
        with open('tests/bench/%s.sh' % part) as file:
            for line in file:
                begun = re.match(r'# row (\d+): (.*)', line)
                if begun:
                    number = int(begun[1])
                    found[number].append(begun[2])
                elif number is not None and line.startswith('#   '):
                    found[number][-1] += ' ' + line[4:].strip()
                elif not line.startswith('#'):
                    break
    return found


def first_line(command, environment=None):
    try:
        done = subprocess.run(command.split(), capture_output=True, text=True, timeout=60, env=environment)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0] if done.returncode == 0 and lines else None


def field(path, name):
    with open(path) as file:
        for line in file:
            if line.startswith(name):
                return line.split(':', 1)[1].strip()
    return 'unknown'


def version(said):
    found = re.search(r'\d+(\.\d+)+', said)
    return found[0] if found else said


def versions(data):
    for name, command in VERSIONS:
        said = first_line(command)
        if said:
            yield '%s %s' % (name, version(said))
    for path in glob.glob(os.path.join(data, 'duckdb/node_modules/@duckdb/node-api/package.json')):
        with open(path) as file:
            yield 'DuckDB (module for node) ' + re.search(r'"version": "([^"]*)"', file.read())[1]


def machine(data):
    memory = int(field('/proc/meminfo', 'MemTotal').split()[0]) / (1 << 20)
    system = platform.freedesktop_os_release().get('PRETTY_NAME', 'Linux')
    yield '%d cores, %s; %.0f GiB of memory' % (os.cpu_count(), field('/proc/cpuinfo', 'model name'), memory)
    yield 'Linux %s, %s; the data is on %s' % (platform.release(), system, first_line('findmnt -n -o FSTYPE -T ' + data))
    yield ', '.join(versions(data))


def cell(text):
    return text.replace('|', '\\|').replace('<=', '≤ ').replace('>=', '≥ ') if text not in ('-', '') else '–'


def rounds(found):
    counts = sorted({int(cells[8]) for cells in found})
    if counts == [1]:
        return 'one round'
    return '%d rounds' % counts[0] if len(counts) == 1 else '%d to %d rounds' % (counts[0], counts[-1])


def table(found):
    yield '| row | what | trailfs | against | takes | ratio | reach | |'
    yield '|---|---|---|---|---|---|---|---|'
    for _, cells in found:
        yield '| %s |' % ' | '.join(cell(text) for text in cells[:8])


def main(data, size):
    found, days = rows(data, size)
    if not found:
        sys.exit('report: nothing was measured')
    counted = collections.Counter(cells[7].split(':')[0] for _, cells in found)
    print(INTRODUCTION.format(size='\n' + SIZES[size] if size in SIZES else '',
                              runs=rounds(cells for _, cells in found)))
    print('Measured %s:\n' % ' to '.join(sorted({days[0], days[-1]})))
    for line in machine(data):
        print('- ' + line)
    print('\n## Figures\n\n%d met, %d not met, %d failed, %d skipped.\n' % tuple(
        counted[word] for word in ('met', 'not met', 'FAILED', 'skipped')))
    print('\n'.join(table(found)))
    print('\n## How each row is measured\n')
    for number, texts in sorted(paragraphs().items()):
        print('**Row %d.** %s\n' % (number, '\n\n'.join(texts)))


main(*sys.argv[1:])
