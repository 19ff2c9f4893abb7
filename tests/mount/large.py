#!/usr/bin/python3
"""Large objects, quickly made: good records, each with an ID of its own, and much in them that costs nothing to make.

    large.py make HOW RECORDS BYTES NAME FILE    a log of so many records of about so many bytes; prints the CRC-32 and the length
                                                 of its text, and of its records a line each
    large.py sum FILE                            prints CRC-32 and length of what reading it gives
    large.py pieces FILE COPY N SEED             reads N small pieces at random places and at the ends: as in the copy

HOW: `deflated` (what repeats is deflated once, and its block is written again and again), `stored` (gzip, nothing of it
deflated), `plain`."""

import os
import random
import struct
import sys
import zlib

BATCH = 500
STORED_MAX = 65535


def stored(data):
    """Blocks of deflate that are not deflated."""
    return b''.join(struct.pack('<BHH', 0, len(part), len(part) ^ 0xffff) + part
                    for part in (data[at:at + STORED_MAX] for at in range(0, len(data), STORED_MAX)))


def deflated(data):
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(data) + deflate.flush(zlib.Z_FULL_FLUSH)


def as_is(data):
    return data


def parts(name, records, size):
    """(bytes, whether these are the same in each record)"""
    tail = b'x' * max(size - 160, 0) + b'"}}'
    head = '%s{"eventVersion":"1.08","eventTime":"2025-06-19T09:%02d:%02dZ","eventName":"%s","eventID":"%s-%07d","requestParameters":{"x":"'
    yield b'{"Records":[', False
    for n in range(records):
        yield (head % (',' if n else '', n // 60 % 60, n % 60, name, name, n)).encode(), False
        yield tail, True
    yield b']}', False


def make(how, records, size, name, path):
    once = {'deflated': stored, 'stored': stored, 'plain': as_is}[how]
    again = {'deflated': deflated, 'stored': stored, 'plain': as_is}[how]
    kept, crc, length, lines = {}, 0, 0, 0
    with open(path, 'wb') as out:
        if how != 'plain':
            out.write(b'\x1f\x8b\x08\0\0\0\0\0\0\x03')
        batch = []
        for data, same in parts(name, records, size):
            crc = zlib.crc32(data, crc)
            length += len(data)
            if same and data not in kept:
                kept[data] = again(data)
            batch.append(kept[data] if same else once(data))
            if len(batch) == BATCH:
                out.write(b''.join(batch))
                batch = []
        out.write(b''.join(batch))
        if how != 'plain':
            out.write(b'\x03\0' + struct.pack('<II', crc, length & 0xffffffff))
    lines = length - len('{"Records":[') - len(']}') + 1
    print('%08x %d %d' % (crc, length, lines))


def sum_of(path):
    crc, length = 0, 0
    with open(path, 'rb', buffering=0) as file:
        while data := file.read(1 << 20):
            crc = zlib.crc32(data, crc)
            length += len(data)
    print('%08x %d' % (crc, length))


def pieces(path, copy, n, seed):
    draw = random.Random(seed)
    with open(path, 'rb', buffering=0) as file, open(copy, 'rb') as wanted:
        size = os.fstat(wanted.fileno()).st_size
        ends = [(0, 1), (0, 4097), (size - 1, 10), (size, 10), (size + 1, 10), (size - 5000, 10000)]
        for at, length in ends + [(draw.randrange(size), draw.choice((1, 7, 511, 4096, 4097, 70000))) for _ in range(n)]:
            found = os.pread(file.fileno(), length, at)
            if found != os.pread(wanted.fileno(), length, at):
                sys.exit('%d bytes at %d differ (seed %d)' % (length, at, seed))


def main():
    what, *given = sys.argv[1:]
    if what == 'make':
        make(given[0], int(given[1]), int(given[2]), given[3], given[4])
    elif what == 'sum':
        sum_of(given[0])
    else:
        pieces(given[0], given[1], int(given[2]), int(given[3]))


if __name__ == '__main__':
    main()
