#!/usr/bin/python3
"""Watches a daemon's anonymous memory until its index is complete: prints the highest and the last, in MB (10^6 bytes).

    watch.py PID STATUS
"""
import json
import sys
import time


def anonymous(pid):
    with open('/proc/%s/status' % pid) as file:
        for line in file:
            if line.startswith('RssAnon:'):
                return int(line.split()[1]) * 1024 / 1e6
    raise OSError('process %s has ended' % pid)


def complete(status):
    try:
        with open(status) as file:
            return json.load(file)['complete']
    except FileNotFoundError:  # not mounted yet
        return False


def main(pid, status):
    highest, looked = 0, 0
    while True:
        highest = max(highest, anonymous(pid))
        if time.monotonic() - looked > 0.25:
            if complete(status):
                break
            looked = time.monotonic()
        time.sleep(0.05)
    last = anonymous(pid)
    print('%.1f %.1f' % (max(highest, last), last))


try:
    main(*sys.argv[1:])
except (OSError, ValueError) as error:
    sys.exit('watch: %s' % error)
