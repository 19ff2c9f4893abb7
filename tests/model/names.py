"""Values and keys as file names."""

import re

from xxhash import xxh3_64_hexdigest

NAME_LIMIT = 255
NAME_CUT = 238
STEM_LIMIT = 242
STEM_CUT = 225
HASHED_LIMIT = NAME_CUT - 3 + 17  # as short as a cut name gets: a character of four bytes did not fit
HASHED_END = re.compile(r'~[0-9a-f]{16}\Z')
UNITS = re.compile(r'%[0-9A-F]{2}|.', re.DOTALL)


def percent(byte):
    return '%%%02X' % byte


def encode_text(raw, special):
    """UTF-8 as it is; bytes of `special`, control characters and what is not UTF-8 as %XX."""
    out = []
    for char in raw.decode('utf-8', 'surrogateescape'):
        code = ord(char)
        if 0xDC80 <= code <= 0xDCFF:
            out.append(percent(code - 0xDC00))
        elif code < 0x20 or code == 0x7F or char in special:
            out.append(percent(code))
        else:
            out.append(char)
    return ''.join(out)


def encode(raw):
    """A value as a name of any length."""
    if not raw:
        return '%'
    name = encode_text(raw, '/%')
    return '%2E' + name[1:] if name[0] == '.' else name


def cut(name, limit):
    """The longest beginning of at most `limit` bytes that splits no character and no escape."""
    size = 0
    kept = []
    for unit in UNITS.findall(name):
        size += len(unit.encode())
        if size > limit:
            break
        kept.append(unit)
    return ''.join(kept)


def value_name(raw):
    """A value (bytes) as a file name."""
    name = encode(raw)
    size = len(name.encode())
    if size <= NAME_LIMIT and not (size >= HASHED_LIMIT and HASHED_END.search(name)):
        return name
    return cut(name, NAME_CUT) + '~' + xxh3_64_hexdigest(raw)


def event_stem(clock, event_name, event_id):
    """clock is HHMMSS; the other two are encoded each on its own, and their sum is limited."""
    stem = '%sZ_%s_%s' % (clock, encode(event_name), encode(event_id))
    whole = stem.encode()
    if len(whole) <= STEM_LIMIT:
        return stem
    return cut(stem, STEM_CUT) + '~' + xxh3_64_hexdigest(whole)


def error_key(raw):
    """A key as ERRORS prints it: nothing in it tells a terminal anything."""
    return ''.join(encode_controls(char) for char in encode_text(raw, '%'))


def encode_controls(char):
    return ''.join(map(percent, char.encode())) if '\x80' <= char <= '\x9f' else char
