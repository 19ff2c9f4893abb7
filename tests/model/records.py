"""From the text of an object to its records: the shapes of a log."""

from objects import Damage
from rawjson import BadJson, Element, Elements, Reader

KNOWN_FIELDS = frozenset(('eventVersion', 'eventTime', 'eventName', 'eventSource', 'eventID', 'awsRegion',
                          'userIdentity', 'insightDetails'))


class NotALog(Exception):
    """The text is none of the shapes; how bad that is depends on where the object is."""


def is_record(value):
    return isinstance(value, dict) and not KNOWN_FIELDS.isdisjoint(value)


def one_value(text):
    """The text holds exactly one value: an Element."""
    reader = Reader(text)
    start = reader.skip(0)
    value, end = reader.value(start, 0)
    if reader.skip(end) != len(text):
        raise BadJson('more than one value')
    return Element(value, text[start:end])


def looked_up(elements):
    """The records inside what lookup-events prints. Other programs write lists named Events too: those have
    not one CloudTrailEvent."""
    texts = [element.value.get('CloudTrailEvent') if isinstance(element.value, dict) else None
             for element in elements]
    strings = [text for text in texts if type(text) is str]
    if texts and not strings:
        raise NotALog('Events without any CloudTrailEvent')
    if len(strings) < len(texts):
        raise Damage('CloudTrailEvent is not a string')
    return [looked_up_record(text) for text in strings]


def looked_up_record(text):
    try:
        text.encode()
        return one_value(text)
    except (BadJson, UnicodeEncodeError) as error:
        raise Damage('CloudTrailEvent: %s' % error) from None


def top_level(text):
    """Every top-level value: [(Element or Elements, members or None)]."""
    reader = Reader(text)
    values = []
    at = reader.skip(0)
    while at < reader.end:
        start, members = at, None
        if text[at] == '{':
            members, at = reader.members(at, ('Records', 'Events'))
            value = Element(None, text[start:at])
        elif text[at] == '[':
            value, at = reader.array(at, 0)
            value = Elements(value)
        else:
            value, at = reader.value(at, 0)
            value = Element(value, text[start:at])
        values.append((value, members))
        at = reader.skip(at)
    return values


def stream(values, inside):
    """Objects one after another."""
    if any(members is None for _, members in values):
        raise NotALog('not all values are objects')
    if len(values) > 1 and any(isinstance(m.get('Records'), Elements) for _, m in values):
        raise NotALog('Records beside another value')
    known = [is_record(members) for _, members in values]
    if not any(known) and (len(values) == 1 or not inside):
        raise NotALog('no known field')
    for element, _ in values:
        element.value = one_value(element.text).value
    return [element for element, _ in values]


def find_records(text, inside):
    """The records of a text, [Element]; raises NotALog, BadJson or Damage."""
    values = top_level(text)
    if not values:
        raise NotALog('empty')
    first, members = values[0]
    if len(values) == 1 and members is not None:
        if isinstance(members.get('Records'), Elements):
            return members['Records']
        if isinstance(members.get('Events'), Elements):
            return looked_up(members['Events'])
    if len(values) == 1 and isinstance(first, Elements):
        if not inside and not any(is_record(element.value) for element in first):
            raise NotALog('no record in the array')
        return first
    return stream(values, inside)


def read_records(data, inside):
    """The records of an object's inflated bytes, [Element]; inside a log folder everything else is Damage,
    outside it is no record."""
    try:
        return find_records(data.decode('utf-8'), inside)
    except (NotALog, BadJson, UnicodeDecodeError) as error:
        if inside:
            raise Damage(str(error)) from None
        return []
