#!/usr/bin/python3
"""Watches a daemon's anonymous memory: prints the highest and the last, in MB (10^6 bytes).

    watch.py PID until STATUS        until its index is complete
    watch.py PID while COMMAND...    while the command runs, whose output goes to standard error
"""
import json
import subprocess
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


def ended(command):
    """A function that says whether it has ended, and well."""
    running = subprocess.Popen(command, stdout=sys.stderr)

    def look():
        if running.poll():
            raise OSError('%s: exit status %d' % (command[0], running.returncode))
        return running.returncode == 0
    return look


def main(pid, what, *more):
    over = ended(more) if what == 'while' else lambda: complete(*more)
    highest, looked = 0, 0
    while True:
        highest = max(highest, anonymous(pid))
        if time.monotonic() - looked > 0.25:
            if over():
                break
            looked = time.monotonic()
        time.sleep(0.05)
    last = anonymous(pid)
    print('%.1f %.1f' % (max(highest, last), last))


try:
    main(*sys.argv[1:])
except (OSError, ValueError) as error:
    sys.exit('watch: %s' % error)
