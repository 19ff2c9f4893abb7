"""Odd trails about the bytes of objects: gzip, JSON, the shapes of a log."""

import gzip
import io
import zlib

from oddkit import as_bytes, dumps, event, log_key, pack, trail


def wrapped(*records):
    return '{"Records":[' + ','.join(r if isinstance(r, str) else dumps(r) for r in records) + ']}'


def inside_and_outside(t, texts, first=0):
    """Every text in a log folder (gzipped), and plain outside."""
    for n, text in enumerate(texts, first):
        t.put(log_key('%02d' % n), text)
        t.put('outside/%02d.json' % n, text)


@trail
def gzip_damaged(t):
    whole = pack(as_bytes(wrapped(event(1))))
    crc = bytearray(whole)
    crc[-8] ^= 1
    length = bytearray(whole)
    length[-4] ^= 1
    middle = bytearray(whole)
    middle[len(whole) // 2] ^= 0x55
    damaged = (whole[:-1], whole[:-8], whole[:len(whole) // 2], whole[:10], whole[:3], b'', whole + b'\0',
               whole + b'x' * 600,
               whole + whole, whole + pack(b''), bytes(crc), bytes(length), bytes(middle),
               b'\x1f\x8b\x07' + whole[3:],
               as_bytes(wrapped(event(2))), zlib.compress(as_bytes(wrapped(event(3)))))
    for n, data in enumerate(damaged):
        t.raw(log_key('%02d' % n), data)
        t.raw('outside/%02d.json.gz' % n, data)
        t.raw('outside/%02d.gz' % n, data)
    t.log(log_key('good'), event(4))


@trail
def gzip_unusual(t):
    """Valid members of other makes: a name, an extra field, stored and fixed blocks, flushes."""
    text = as_bytes(wrapped(event(1)))
    named = io.BytesIO()
    with gzip.GzipFile('original name.json', 'wb', 9, named, mtime=1) as file:
        file.write(text)
    t.raw(log_key('named'), named.getvalue())
    plain = pack(as_bytes(wrapped(event(2))))
    t.raw(log_key('extra'), plain[:3] + b'\x04' + plain[4:10] + b'\x05\x00extra' + plain[10:])
    t.raw(log_key('comment'), plain[:3] + b'\x10' + plain[4:10] + b'a comment\0' + plain[10:])
    t.raw(log_key('stored'), gzip.compress(as_bytes(wrapped(event(3))), compresslevel=0, mtime=0))
    fixed = zlib.compressobj(9, zlib.DEFLATED, 31, 9, zlib.Z_FIXED)
    t.raw(log_key('fixed'), fixed.compress(as_bytes(wrapped(event(4)))) + fixed.flush())
    flushed = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [flushed.compress(bytes([byte])) + flushed.flush(zlib.Z_FULL_FLUSH)
             for byte in as_bytes(wrapped(event(5)))]
    t.raw(log_key('flushed'), b''.join(parts) + flushed.flush())
    t.raw(log_key('bomb'), pack(as_bytes(wrapped(event(6, userAgent='x' * 3000000)))))


@trail
def json_damaged(t):
    good = dumps(event(1))
    bad = ['{"Records":[' + good + ',]}', '{"Records":[' + good + '}', '{"Records":[' + good + ']',
           wrapped(good) + ']',
           '{"Records":[' + good + '],}', "{'Records':[]}", '{"Records":[{"eventID":NaN}]}',
           '{"Records":[{"a":-Infinity}]}',
           '{"Records":[{"eventID":01}]}', '{"Records":[{"eventID":1.}]}', '{"Records":[{"eventID":.5}]}',
           '{"Records":[{"eventID":+1}]}', '{"Records":[{"eventID":1e}]}', '{"Records":[{"eventID":-}]}',
           '{"Records":[{"eventID":"a\nb"}]}', '{"Records":[{"eventID":"a\x01b"}]}',
           '{"Records":[{"eventID":"\\x41"}]}',
           '{"Records":[{"eventID":"\\u12g4"}]}', '{"Records":[{"eventID":"\\u12"}]}',
           '{"Records":[{"eventID":"open}]}',
           '{"Records":[{"eventID":tru}]}', '{"Records":[{"eventID":True}]}', '{"Records":[{eventID:1}]}',
           '{"Records":[{"eventID" 1}]}', '{"Records":[{"eventID":1 "b":2}]}', '{"Records":[{"a":1}{"b":2}]}',
           '{"Records":[{"a":1}/* no */]}', '{"Records":[{"a":1}]}\0', '\0', '{"Records":[{"a":0x10}]}',
           wrapped(good) + 'x',
           '\f' + wrapped(good), '\u00a0' + wrapped(good), '\ufeff' + wrapped(good), good[:-1], '"' + 'x', '[', '{',
           ']', 'x']
    inside_and_outside(t, bad)
    t.log(log_key('good'), event(2))


@trail
def utf8_damaged(t):
    good = as_bytes(wrapped(event(1, userAgent='HERE')))
    spots = (b'\xff', b'\x80', b'\xc0\x80', b'\xc3', b'\xe2\x82', b'\xe0\x80\x80', b'\xed\xa0\x80',
             b'\xf0\x80\x80\x80',
             b'\xf4\x90\x80\x80', b'\xf8\x88\x80\x80\x80', b'\xc1\xbf')
    inside_and_outside(t, [good.replace(b'HERE', spot) for spot in spots])
    utf16 = wrapped(event(2)).encode('utf-16')
    inside_and_outside(t, [utf16, b'\xef\xbb\xbf', good.replace(b'"userAgent"', b'"\xff"'), b'\xff'], first=50)
    t.put(log_key('fine'), good.replace(b'HERE', '\x7fé€😀\uffff\U0010ffff'.encode()))


@trail
def empty_logs(t):
    inside_and_outside(t, ['', ' \n\t\r ', '{"Records":[]}', ' { "Records" : [ ] } \n', '[]', '[ ]', '{}',
                           '{"Events":[]}'])
    t.put(log_key('line', ending='.jsonl'), '\n')
    t.raw(log_key('void', ending='.json'), b'')


@trail
def wrappers(t):
    """Every shape inside a log folder and outside of any."""
    texts = []
    for n in range(0, 60, 10):
        a, b = dumps(event(n)), dumps(event(n + 1))
        texts.append((wrapped(a, b), '[%s,%s]' % (a, b), a + '\n' + b + '\n', a + b, a,
                      dumps({'Events': [{'EventId': 'x', 'CloudTrailEvent': a}, {'CloudTrailEvent': b}]}))[n // 10])
    for n, text in enumerate(texts):
        t.put(log_key('%02d' % n), text)
        t.put('outside/%02d.json' % n, text.replace('198.51.100', '203.0.113'))


@trail
def wrappers_unknown(t):
    """Records with no known field: events in a log folder, mostly not a log outside."""
    inside_and_outside(t, ['{"Records":[{"a":1}]}', '[{"a":2}]', '{"a":3}\n{"a":4}', '[[],3,"x",null,true]',
                           '[{"a":5},{"eventID":"k1"}]',
                           '{"a":6}{"eventID":"k2"}', '{"Records":["x",7,null,[],{}]}'])


@trail
def wrappers_none(t):
    """Grammatical, but none of the shapes: damage inside, nothing outside."""
    one = dumps(event(1))
    inside_and_outside(t, ['{"a":1}', '42', '"text"', 'null', 'true', '{"Records":null,"a":1}', '{"Records":{"a":1}}',
                           '{"Events":3}',
                           wrapped(one) + wrapped(one), wrapped(one) + one, one + '\n' + wrapped(one), '[][]',
                           '[%s][%s]' % (one, one), '{}', '-0.5e+3'])
    t.put('package.json', '{"name":"x","version":"1"}')


@trail
def wrappers_members(t):
    """Members beside Records; several Records, of which the last counts; a single record with a Records member."""
    one, two = dumps(event(1)), dumps(event(2))
    t.put(log_key('a'), '{"version":"1","Records":[%s],"more":{"Records":[%s]}}' % (one, two))
    t.put(log_key('b'), '{"Records":[%s],"Records":[%s]}' % (dumps(event(3)), dumps(event(4))))
    t.put(log_key('c'), '{"\\u0052ecords":[%s]}' % dumps(event(5)))
    t.put(log_key('d'), dumps(event(6, Records='not an array')))
    t.put(log_key('e'), '{"Records":[%s],"Records":null,"eventID":"e7"}' % dumps(event(7)))
    t.put(log_key('f'), '{"Records":null,"Records":[%s]}' % dumps(event(8)))
    t.put(log_key('g'), '{"records":[%s]}' % dumps(event(9)))


@trail
def lookup_events(t):
    printed = [{'EventId': 'x', 'Username': 'alice', 'Resources': [],
                'CloudTrailEvent': dumps(event(n))} for n in range(3)]
    t.put('history.json', '{\n    "Events": ' + dumps(printed) + ',\n    "NextToken": "x"\n}\n')
    odd = ['  ' + dumps(event(3, userAgent='é😀"\\ /')) + '\n', '42', '"x"', '[1, 2]',
           '{"eventID":"twice","eventID":"last"}']
    t.put(log_key('a'), dumps({'Events': [{'CloudTrailEvent': text} for text in odd]}))
    t.put(log_key('b'), '{"Events":[{"CloudTrailEvent":"{\\"eventID\\":\\"\\\\u0041\\",\\"n\\":1.50}"}]}')


@trail
def lookup_events_damaged(t):
    good = {'CloudTrailEvent': dumps(event(1))}
    for n, held in enumerate((None, 5, {}, '', ' ', '{', '{}{}', '{} x', 'nul', '\ufeff{}')):
        t.put(log_key('%02d' % n), dumps({'Events': [good, {'CloudTrailEvent': held}]}))
    t.put(log_key('a'), '{"Events":[{"CloudTrailEvent":"{\\"a\\":\\"\\ud800\\"}"}]}')
    t.put(log_key('b'), '{"Events":[{"CloudTrailEvent":"{\\"a\\":\\"\\u0000\\"}"}]}')
    t.put(log_key('c'), '{"Events":[{}]}')
    t.put('outside/bad.json', dumps({'Events': [{'CloudTrailEvent': '{'}]}))
    t.put('outside/some.json', dumps({'Events': [good, {'name': 'x'}]}))
    t.put('outside/some-null.json', dumps({'Events': [{'CloudTrailEvent': None}, good]}))


@trail
def events_of_others(t):
    """Lists named Events in which no element has a CloudTrailEvent text: damage inside, nothing outside."""
    inside_and_outside(t, ['{"Events":[{}]}', '{"Events":[{"name":"x"},{"name":"y"}]}', '{"Events":["x",7,null,[]]}',
                           '{"Events":[{"CloudTrailEvent":null}]}', '{"Events":[{"CloudTrailEvent":{"eventID":"e"}}]}',
                           '{"eventID":"k","Events":[{"name":"x"}]}'])
    t.put('sam/event.json.gz', '{"Events":[{"detail":{"eventName":"RunInstances"}}]}')
    t.log(log_key('good'), event(1))


@trail
def streams(t):
    a, b, c = (dumps(event(n)) for n in (1, 2, 3))
    t.put(log_key('a'), '\n\n' + a + '\r\n' + b + '\t' + c + ' \n\n')
    t.put(log_key('b', ending='.jsonl'), dumps(event(4)))
    t.put('pretty.json', dumps(event(5)).replace(',', ',\n\t').replace(':{', ' :\r\n { '))
    t.put('lines.jsonl', dumps(event(6)) + '\n{}\n{"no":"field"}\n')
    t.put('nothing.jsonl', '{"level":"info"}\n{"level":"warn"}\n')


@trail
def streams_mixed(t):
    """Values that are not objects among those of a stream: damage inside, not a log outside."""
    a, b = dumps(event(1)), dumps(event(2))
    inside_and_outside(t, [a + '\n42\n', '42\n' + a, a + '\n' + b + '\nnull', a + '[%s]' % b, '[%s]%s' % (a, b),
                           'true' + a, a + '""'])
    t.log(log_key('good'), event(3))


def nested(levels, opening, closing):
    return opening * levels + closing * levels


@trail
def nesting(t):
    """2,048 levels and no more, counted from the top of the text; a scalar inside is a level as well."""
    for levels in (100, 2045, 2046, 2047, 2048, 2049, 5000, 100000):
        deep = nested(levels - 3, '[', ']')
        t.put(log_key('a%06d' % levels), '{"Records":[{"eventID":"a%d","x":%s}]}' % (levels, deep))
        t.put(log_key('b%06d' % levels), '{"eventID":"b%d","x":%s{}%s}' % (levels, '{"y":' * (levels - 2),
            '}' * (levels - 2)))
        t.put('outside/%06d.json' % levels,
              '{"x":%s,"Records":[{"eventID":"c%d"}]}' % (nested(levels - 1, '[', ']'), levels))
        t.put(log_key('d%06d' % levels), nested(levels, '[', ']'))
    for levels in (2046, 2048):
        inner = '{"eventID":"e%d","x":%s}' % (levels, nested(levels - 1, '[', ']'))
        t.put(log_key('e%06d' % levels), dumps({'Events': [{'CloudTrailEvent': inner}]}))


@trail
def layouts_of_text(t):
    """White space everywhere it may be; only it may change."""
    t.put(log_key('a'), ' \n{ "Records" :\t[ { "eventID" : "w1" , "a" : [ ] , "b" : { } ,'
          ' "c" : [ 1 , [ ] , { \n } , [ [\r\n] ] ] , "d" : "  two  spaces , : { } [ ] " ,'
          ' "e" : "\\"\\\\" , "f":[{},{"g":{}}]\r\n}\n,\n\n{"eventID":"w2"} ] } \t')
    t.put(log_key('b'), '{"Records":[{"eventID":"w3","a":"\u00a0\u2028\u3000\x7f","":"",'
          '"\\u00e9":"é","z":1,"a2":2,"a1":1}]}')
    t.put(log_key('c'), '[{"eventID":"w4"} , "text" , 5 ,\n null, [ ], { } , [ 1,2 ] ]')


@trail
def numbers(t):
    """Every token keeps its characters."""
    tokens = ('0', '-0', '1376.0', '1e5', '1E+5', '1.50e-007', '1e999', '-1e-999', '123456789012345678901234567890',
              '9' * 400,
              '0.1', '0.10', '18446744073709551616', '1.7976931348623159e308')
    t.log(log_key('a'), *('{"eventID":"n%d","eventVersion":%s,"list":[%s]}' % (n, token, token) for n,
                          token in enumerate(tokens)))
    t.log(log_key('b'), *('{"eventID":%s,"eventName":%s,"errorCode":%s}' % (token, token, token) for token in tokens))


@trail
def big_record(t):
    t.log(log_key('a'), event(1, requestParameters={'blob': 'x' * 250000}),
          event(2, requestParameters={'list': [{'k%d' % n: ['é', n]} for n in range(12000)]}))
    t.log(log_key('b'), event(3, requestParameters={'policy': '\\"' * 60000}))
