"""JSON that keeps its bytes: documents are checked and decoded by the json module, while slices of the
original text are kept, and laid out again token by token."""

import json
import re
import sys
from json.decoder import scanstring

MAX_LEVELS = 2048

# The json module recurses; this is enough for MAX_LEVELS and is refused long before the C stack ends.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 5000))

SPACE = re.compile(r'[ \t\n\r]*')
TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"'
                   r'|\{[ \t\n\r]*\}|\[[ \t\n\r]*\]'
                   r'|[{}\[\],:]'
                   r'|[^ \t\n\r{}\[\],:"]+')


class BadJson(Exception):
    """The text is not JSON as RFC 8259 has it, or is nested too deep."""


class Number(str):
    """A number's own characters."""


def refuse_constant(name):
    raise BadJson('%s is not JSON' % name)


DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=refuse_constant)


class Element:
    """One value of an array or of the top level, with its place in the text."""
    __slots__ = ('value', 'text')

    def __init__(self, value, text):
        self.value = value
        self.text = text


def tokens_of(text):
    """The tokens of a valid value; an empty object or array is one token."""
    tokens = TOKEN.findall(text)
    if '{ ' in text or '[ ' in text or '\n' in text or '\t' in text or '\r' in text:
        return [t[0] + t[-1] if t[0] in '{[' and len(t) > 2 else t for t in tokens]
    return tokens


def minify(tokens):
    return ''.join(tokens)


def pretty(tokens):
    """As `jq .` lays it out, newline at the end."""
    out = []
    breaks = ['\n']
    depth = 0
    for token in tokens:
        if token == ',':
            out.append(',')
            out.append(breaks[depth])
        elif token == ':':
            out.append(': ')
        elif token == '{' or token == '[':
            depth += 1
            if depth == len(breaks):
                breaks.append('\n' + '  ' * depth)
            out.append(token)
            out.append(breaks[depth])
        elif token == '}' or token == ']':
            depth -= 1
            out.append(breaks[depth])
            out.append(token)
        else:
            out.append(token)
    out.append('\n')
    return ''.join(out)


def levels_of(text):
    """How many levels of values there are in a valid value; a scalar is one level."""
    depth = deepest = 0
    for token in TOKEN.findall(text):
        if token in ('{', '['):
            depth += 1
            deepest = max(deepest, depth)
        elif token in ('}', ']'):
            depth -= 1
    return deepest + 1


class Reader:
    """Walks the outer levels of a text, value by value."""

    def __init__(self, text):
        self.text = text
        self.end = len(text)

    def skip(self, at):
        return SPACE.match(self.text, at).end()

    def expect(self, at, wanted):
        at = self.skip(at)
        found = self.text[at:at + 1]
        if not found or found not in wanted:
            raise BadJson('expected one of %s at %d' % (wanted, at))
        return found, at + 1

    def value(self, at, level):
        """The value that starts at `at`, which stands inside `level` containers: (value, end)."""
        try:
            value, end = DECODER.raw_decode(self.text, at)
        except RecursionError:
            raise BadJson('nested too deep') from None
        except ValueError as error:
            raise BadJson(str(error)) from None
        brackets = self.text.count('[', at, end) + self.text.count('{', at, end)
        if brackets + 1 + level > MAX_LEVELS and level + levels_of(self.text[at:end]) > MAX_LEVELS:
            raise BadJson('nested too deep')
        return value, end

    def array(self, at, level):
        """The elements of the array that starts at `at`: ([Element], end)."""
        elements = []
        at = self.skip(at + 1)
        if self.text.startswith(']', at):
            return elements, at + 1
        while True:
            at = self.skip(at)
            value, end = self.value(at, level + 1)
            elements.append(Element(value, self.text[at:end]))
            found, at = self.expect(end, ',]')
            if found == ']':
                return elements, at

    def members(self, at, keep):
        """The object that starts at `at`: ({key: value}, end). An array under a key of `keep` is given as
        its list of Elements, anything else decoded. The last of equal keys wins."""
        members = {}
        at = self.skip(at + 1)
        if self.text.startswith('}', at):
            return members, at + 1
        while True:
            _, at = self.expect(at, '"')
            try:
                key, at = scanstring(self.text, at, True)
            except ValueError as error:
                raise BadJson(str(error)) from None
            _, at = self.expect(at, ':')
            at = self.skip(at)
            if key in keep and self.text.startswith('[', at):
                members[key], at = self.array(at, 1)
                members[key] = Elements(members[key])
            else:
                members[key], at = self.value(at, 1)
            found, at = self.expect(at, ',}')
            if found == '}':
                return members, at


class Elements(list):
    """An array kept as Elements (told from a decoded list by its type)."""
