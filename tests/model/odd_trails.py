#!/usr/bin/python3
"""Makes small odd source trees, one folder per rule of the tree:

    odd_trails.py OUTDIR [NAME]...        --list prints their names

The same bytes and times on every run."""

import argparse
import os

import odd_layouts  # noqa: F401  (each registers its trails)
import odd_records  # noqa: F401
import odd_texts  # noqa: F401
from oddkit import TRAILS, Trail


def make(out, name):
    TRAILS[name](Trail(os.path.join(out, name)))


def main():
    parser = argparse.ArgumentParser(description='Makes small odd source trees, one folder per rule.')
    parser.add_argument('--list', action='store_true')
    parser.add_argument('outdir', nargs='?')
    parser.add_argument('names', nargs='*')
    arguments = parser.parse_args()
    if arguments.list or not arguments.outdir:
        print('\n'.join(TRAILS))
        return
    for name in arguments.names or TRAILS:
        make(arguments.outdir, name)


if __name__ == '__main__':
    main()
