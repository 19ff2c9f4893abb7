#!/usr/bin/python3
"""Lists folders by-user/X/Y/M/D of a mount, chosen at random, each once: prints p99 and median in ms, and the number of names.

    scandir.py MOUNTPOINT COUNT

The same mount gives the same folders each time.
"""
import os
import random
import sys
import time


def days(top):
    """Those of all events, YYYY/MM/DD."""
    for year in sorted(os.listdir(top)):
        if year.isdigit():
            for month in sorted(os.listdir(os.path.join(top, year))):
                for day in sorted(os.listdir(os.path.join(top, year, month))):
                    yield os.path.join(year, month, day)


def listed(path):
    """Milliseconds and number of names; None where there is no such folder."""
    start = time.perf_counter()
    try:
        with os.scandir(path) as entries:
            count = sum(1 for _ in entries)
    except FileNotFoundError:
        return None
    return (time.perf_counter() - start) * 1000, count


def main(mount, count):
    rng = random.Random(9)
    users = sorted(os.listdir(os.path.join(mount, 'by-user')))
    pairs = [(user, day) for user in users for day in days(os.path.join(mount, 'events'))]
    rng.shuffle(pairs)
    times, names = [], 0
    for user, day in pairs:
        found = listed(os.path.join(mount, 'by-user', user, day))
        if found:
            times.append(found[0])
            names += found[1]
        if len(times) == int(count):
            break
    if not names:
        sys.exit('scandir: nothing to list')
    times.sort()
    print('%.3f %.3f %d' % (times[min(len(times) - 1, len(times) * 99 // 100)], times[len(times) // 2], names))


main(*sys.argv[1:])
