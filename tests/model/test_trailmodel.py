#!/usr/bin/python3
"""The model against expectations written by hand."""

import argparse
import contextlib
import io
import json
import os
import tempfile
import unittest

import odd_trails
from compare import Comparison
from facets import actor, day_and_clock, event_time, values_of
from names import error_key, event_stem, value_name
from objects import DIGEST, LOG, PLAIN, SERVICE, Damage, inflate, parse_key
from oddkit import DROP, TRAILS, Trail, dumps, event, event_id, log_key, pack
from rawjson import BadJson, minify, pretty, tokens_of
from records import one_value, read_records
from trailmodel import Options, build_model, build_tree, parse_bound

EMPTY_HASH = '2d06800538d394c2'  # XXH3_64bits of no bytes, as the xxHash project publishes it


def texts_of(data, inside=True):
    return [element.text for element in read_records(data.encode(), inside)]


class Texts(unittest.TestCase):
    def test_pretty_changes_only_white_space(self):
        text = '{ "a":1376.0,"b":"\\u003d",\n"c":{ },"d":[\t],"e":[1,{"f":null}]}'
        self.assertEqual(pretty(tokens_of(text)),
                         '{\n  "a": 1376.0,\n  "b": "\\u003d",\n  "c": {},\n  "d": [],\n  "e": [\n    1,\n    {\n'
                         '      "f": null\n    }\n  ]\n}\n')
        self.assertEqual(minify(tokens_of(text)), '{"a":1376.0,"b":"\\u003d","c":{},"d":[],"e":[1,{"f":null}]}')

    def test_strings_that_look_like_structure(self):
        text = '{"a":" { } [ ] , : \\" \\\\"}'
        self.assertEqual(minify(tokens_of(text)), text)
        self.assertEqual(pretty(tokens_of('"x y"')), '"x y"\n')

    def test_pretty_is_the_json_modules_layout(self):
        record = event(1, requestParameters={'a': [[], {}, [1, [2]]], 'é': {'b': 'ü "'}})
        self.assertEqual(pretty(tokens_of(dumps(record))), json.dumps(record, indent=2, ensure_ascii=False) + '\n')

    def test_levels(self):
        for levels, fine in ((2047, True), (2048, True), (2049, False), (100000, False)):
            text = '[' * levels + ']' * levels
            if fine:
                self.assertEqual(one_value(text).text, text)
            else:
                self.assertRaises(BadJson, one_value, text)
        self.assertRaises(BadJson, one_value, '[' * 2048 + '1' + ']' * 2048)

    def test_refused(self):
        for text in ('NaN', '[1,]', '01', '1.', '"\t"', '"\\x"', '{"a":1,}', '', '[] []', '\ufeff[]', '-Infinity'):
            self.assertRaises(BadJson, one_value, text)


class Shapes(unittest.TestCase):
    def test_shapes(self):
        a, b = '{"eventID":1}', '{"x":2}'
        for text in ('{"Records":[%s, %s]}', '[%s,%s]', '%s\n%s', '%s%s'):
            self.assertEqual(texts_of(text % (a, b), True), [a, b])
            self.assertEqual(texts_of(text % (a, b), False), [a, b])
        self.assertEqual(texts_of(a), [a])
        self.assertEqual(texts_of(dumps({'Events': [{'CloudTrailEvent': a}]})), [a])

    def test_last_records_wins(self):
        self.assertEqual(texts_of('{"Records":[1],"Records":[2,3]}'), ['2', '3'])
        self.assertEqual(texts_of('{"Records":[1],"Records":0,"eventID":1}'),
                         ['{"Records":[1],"Records":0,"eventID":1}'])

    def test_no_shape(self):
        for text in ('', '{}', '42', '{"a":1}', '{"Records":[]}{"Records":[]}', '[1', '[][]'):
            self.assertRaises(Damage, texts_of, text, True)
            self.assertEqual(texts_of(text, False), [])
        self.assertEqual(texts_of('[{"a":1}]', True), ['{"a":1}'])
        self.assertEqual(texts_of('[{"a":1}]', False), [])
        self.assertEqual(texts_of('{"a":1}{"b":2}', True), ['{"a":1}', '{"b":2}'])
        self.assertEqual(texts_of('{"a":1}{"b":2}', False), [])

    def test_streams_of_objects_only(self):
        for text in ('{"eventID":1}\n42', '42 {"eventID":1}', '{"eventID":1}[]', '[{"eventID":1}]{"eventID":2}'):
            self.assertRaises(Damage, texts_of, text, True)
            self.assertEqual(texts_of(text, False), [])

    def test_looked_up(self):
        a = '{"eventID":1}'
        good = {'CloudTrailEvent': a}
        self.assertEqual(texts_of('{"Events":[]}', True), [])
        for others in ([{}], [{'name': 'x'}, 7], [{'CloudTrailEvent': None}], [{'CloudTrailEvent': {}}]):
            self.assertRaises(Damage, texts_of, dumps({'Events': others}), True)
            self.assertEqual(texts_of(dumps({'Events': others}), False), [])
            for inside in (True, False):
                self.assertRaises(Damage, texts_of, dumps({'Events': others + [good]}), inside)
                self.assertRaises(Damage, texts_of, dumps({'Events': [good] + others}), inside)
        for held in ('', '{', '{}{}'):
            self.assertRaises(Damage, texts_of, dumps({'Events': [{'CloudTrailEvent': held}]}), False)
        self.assertEqual(texts_of(dumps({'Events': [good, good]}), False), [a, a])

    def test_gzip(self):
        whole = pack(b'text')
        self.assertEqual(inflate(whole), b'text')
        for bad in (whole[:-1], whole + b'\0', whole + whole, b'', b'text', whole[:-8] + b'\0' * 8):
            self.assertRaises(Damage, inflate, bad)


class Keys(unittest.TestCase):
    def check(self, raw, kind, account=None, region=None, day=None):
        key = parse_key(raw.encode())
        found = (key.kind, key.account and key.account.decode(), key.region and key.region.decode(),
                 key.day and str(key.day))
        self.assertEqual(found, (kind, account, region, day))

    def test_layouts(self):
        whole = ('111122223333', 'us-east-1', '2025-06-19')
        self.check(log_key(), LOG, *whole)
        self.check('p/q/' + log_key().replace('AWSLogs/', 'AWSLogs/o-abc1234567/'), LOG, *whole)
        self.check('AWSLogs/' + log_key(), LOG, *whole)
        self.check(log_key(folder='CloudTrail-Digest'), DIGEST, *whole)
        self.check(log_key(folder='GuardDuty'), SERVICE, *whole)
        self.check('AWSLogs/111122223333/CloudTrail/x.json', LOG, '111122223333')
        self.check('AWSLogs/x.json', PLAIN)
        self.check('AWSLogs', PLAIN)
        self.check('us-east-1/2025/06/19/111122223333_CloudTrail_us-east-1_20250619T0900Z_x.json.gz', PLAIN, *whole)


class Names(unittest.TestCase):
    def test_encoding(self):
        for raw, name in ((b'', '%'), (b'.', '%2E'), (b'..', '%2E.'), (b'a/b%', 'a%2Fb%25'), (b'\x1f\x7f', '%1F%7F'),
                          (b'\xff\xc3\xa9', '%FFé'), (b'\xed\xa0\x80', '%ED%A0%80'), (b'a.b c', 'a.b c')):
            self.assertEqual(value_name(raw), name)
        self.assertEqual(error_key(b'.a/b%\n\xff'), '.a/b%25%0A%FF')

    def test_long_names(self):
        self.assertEqual(value_name(b'a' * 255), 'a' * 255)
        self.assertRegex(value_name(b'a' * 256), '^a{238}~[0-9a-f]{16}$')
        self.assertRegex(value_name('€'.encode() * 100), '^€{79}~[0-9a-f]{16}$')
        self.assertRegex(value_name(b'/' * 100), '^(%2F){79}~[0-9a-f]{16}$')
        self.assertNotEqual(value_name(b'a' * 238 + b'~0123456789abcdef'), 'a' * 238 + '~0123456789abcdef')
        self.assertRegex(value_name(b'a' * 235 + b'~0123456789abcdef'), '^a{235}~(?!0123456789abcdef)')
        self.assertEqual(value_name(b'a' * 234 + b'~0123456789abcdef'), 'a' * 234 + '~0123456789abcdef')
        self.assertEqual(len(value_name(('a' * 235 + '😀' * 6).encode()).encode()), 252)

    def test_stems(self):
        self.assertEqual(event_stem('091023', b'Run/x', b''), '091023Z_Run%2Fx_%')
        self.assertEqual(event_stem('091023', b'N' * 231, b'i'), '091023Z_' + 'N' * 231 + '_i')
        self.assertRegex(event_stem('091023', b'N' * 233, b'i'), '^091023Z_N{217}~[0-9a-f]{16}$')


class Facets(unittest.TestCase):
    def test_times(self):
        for text, wanted in (('1970-01-01T00:00:01Z', 1), ('2025-06-19T09:10:23Z', 1750324223),
                             ('1970-01-01T00:00:60Z', 59),
                             ('1970-01-01T01:00:00.9+01:00', 0), ('1969-12-31T23:00:00-01:00', 0),
                             ('1970-01-01', None),
                             ('2025-02-29T00:00:00Z', None), ('0001-01-01T00:00:00+00:01', None),
                             ('1970-01-01T00:00:00', None),
                             (5, None), ('1970-01-01T00:00:00z', None)):
            self.assertEqual(event_time({'eventTime': text}), wanted)
        self.assertEqual(day_and_clock(1750324223), ('2025/06/19', '091023'))
        self.assertEqual(day_and_clock(None), ('undated', '000000'))

    def test_actor(self):
        for wanted, who in ((b'alice', {'type': 'IAMUser', 'userName': 'alice'}),
                            (b'root', {'type': 'Root', 'userName': 'x'}),
                            (b's', {'type': 'AssumedRole', 'arn': 'a/R/s'}),
                            (b's:t', {'type': 'Role', 'principalId': 'AROA:s:t'}),
                            (b'p', {'type': 'AssumedRole', 'arn': 'none', 'principalId': 'A:p'}),
                            (b'none', {'type': 'AssumedRole', 'arn': 'none', 'principalId': 'A'}),
                            (b'f', {'type': 'FederatedUser', 'arn': 'x/f'}),
                            (b'i', {'type': 'AWSService', 'invokedBy': 'i', 'userName': 'u'}),
                            (b'i', {'invokedBy': 'i', 'userName': 'u'}),
                            (b'u', {'type': 'Unknown', 'invokedBy': 'i', 'userName': 'u'}),
                            (b'idc', {'type': 'IdentityCenterUser', 'onBehalfOf': {'userId': 'idc'}}),
                            (b'', {'type': 'IAMUser', 'userName': ''}),
                            (b'9', {'type': 'AWSAccount', 'accountId': '9', 'userName': 'u'}), (b'_unknown', {})):
            self.assertEqual(actor(who), wanted)

    def test_views(self):
        record = event(1, resources=[{'ARN': 'a'}, {'ARN': 'a'}, {'ARNPrefix': 'b'}], readOnly='false',
                       errorCode=None)
        found = values_of(record, None)
        self.assertIn(('by-access', b'write'), found)
        self.assertEqual([value for view, value in found if view == 'by-resource'], [b'a', b'b'])
        self.assertNotIn('by-error', dict(found))
        self.assertEqual(values_of({}, b'1'),
                         [('by-user', b'_unknown'), ('by-account', b'1'), ('by-category', b'Management')])


class Trees(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.trail = Trail(self.folder.name + '/source')

    def build(self, **options):
        return build_tree(self.trail.folder, Options(**options))

    def test_one_event(self):
        self.trail.log(log_key(), event(1))
        tree = self.build()
        name = '090001Z_RunInstances_%s.json' % event_id(1)
        self.assertEqual(tree['events/2025/06/19'].names, [name])
        file = tree['events/2025/06/19/' + name]
        self.assertIs(tree['by-user/alice/2025/06/19/' + name], file)
        self.assertEqual((file.mtime, file.size, file.nlink), (1750323601, len(file.load()), 12))
        self.assertEqual(file.load().decode(), json.dumps(event(1), indent=2) + '\n')
        self.assertEqual(tree[''].names[:4], ['README', 'AWSLogs', 'events', 'by-user'])
        self.assertEqual(len(tree[''].names), 17)
        self.assertEqual(tree['by-error'].names, [])
        shown = log_key()[:-3]
        self.assertEqual(tree[shown].load(), dumps({'Records': [event(1)]}).encode())
        self.assertEqual(tree['AWSLogs'].mtime, tree[shown].mtime)

    def test_duplicates_and_clashes(self):
        self.trail.log(log_key('B'), event(1), event(1, n=2), event(2, eventTime=DROP))
        self.trail.log(log_key('A'), event(1, n=3), event(1))
        tree = self.build()
        stem = '090001Z_RunInstances_' + event_id(1)
        folder = 'events/2025/06/19'
        self.assertEqual(tree[folder].names, [stem + '.json', stem + '~2.json', stem + '~3.json'])
        self.assertIn(b'"n": 3\n}', tree[folder + '/' + stem + '.json'].load())
        self.assertIn(b'"n": 2\n}', tree[folder + '/' + stem + '~3.json'].load())
        self.assertEqual(tree['events/undated'].names, ['000000Z_StopInstances_%s.json' % event_id(2)])
        self.assertEqual(tree['events/undated'].mtime, 0)

    def test_clash_numbers_that_are_taken(self):
        same = {'eventTime': '2025-06-19T09:00:00Z', 'eventName': 'N'}
        self.trail.log(log_key(), *(event(n, eventID=one, **same) for n, one in enumerate(('x', 'x', 'x~2', 'x~2'))))
        self.assertEqual(self.build()['events/2025/06/19'].names,
                         ['090000Z_N_x.json', '090000Z_N_x~2.json', '090000Z_N_x~2~2.json', '090000Z_N_x~3.json'])

    def test_bucket_names(self):
        self.trail.put('X.json', '1')
        self.trail.put('X.json.gz', '22')
        self.trail.put('events/.a', '')
        tree = self.build()
        self.assertEqual(tree[''].names[1:5], ['X.json', 'X.json%', '%65vents', 'events'])
        self.assertEqual((tree['X.json'].size, tree['X.json%'].size), (1, 2))
        self.assertEqual(tree['%65vents'].names, ['%2Ea'])

    def test_damage(self):
        self.trail.raw(log_key('A'), b'damaged')
        self.trail.put(log_key('B', ending='.json'), '[')
        model = build_model(self.trail.folder)
        self.assertEqual(model.errors, [log_key('A'), log_key('B', ending='.json')])
        self.assertEqual((model.tree[log_key('A')[:-3]].size, model.tree[log_key('A')[:-3]].error), (7, 'EIO'))
        self.assertIn('ERRORS', model.tree)

    def test_options(self):
        TRAILS['ranges'](self.trail)
        count = lambda **options: sum(p.startswith('events/') and p.endswith('.json') for p in self.build(**options))
        self.assertEqual(count(), 202)
        since, until = parse_bound('2025-06-15T09:30', False, 0), parse_bound('2025-06-16T09:30', True, 0)
        self.assertEqual(count(since=since, until=until), 4 * 7 + 1)
        self.assertEqual(count(accounts=['111122223333'], regions=['us-east-1']), 52)
        self.assertEqual(parse_bound('24h', False, 100000), 13600)
        self.assertEqual(parse_bound('1970-01-02', True, 0), 2 * 86400 - 1)
        days = {path.split('/')[6] for path in self.build(since=since,
                                                          until=until) if path.count('/') == 7 and path[0] == 'A'}
        self.assertEqual(days, {'15', '16', '17'})


class Compares(unittest.TestCase):
    def compare(self, model, top):
        arguments = argparse.Namespace(copy=True, no_content=False, umask=None)
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            Comparison(model, top, arguments).run()
        return output.getvalue().splitlines()

    def write(self, model, top):
        """The tree as files."""
        for path, entry in model.tree.items():
            if entry.is_dir:
                os.makedirs(os.path.join(top, path), exist_ok=True)
        for path, entry in model.tree.items():
            full = os.path.join(top, path)
            if not entry.is_dir and entry.error is None:
                with open(full, 'wb') as file:
                    file.write(entry.load() if entry.load else self.fixed(model, path))
                os.utime(full, (entry.mtime or 0,) * 2)

    def fixed(self, model, path):
        return b'x\n' if path == 'README' else ''.join(key + '\treason\n' for key in model.errors).encode()

    def test_a_copy_and_a_changed_copy(self):
        with tempfile.TemporaryDirectory() as top:
            for name in ('clashes', 'names-encoded', 'times-odd', 'layout-folders', 'conflicts'):
                odd_trails.make(top, name)
                model = build_model(top + '/' + name)
                copy = top + '/copy-of-' + name
                self.write(model, copy)
                self.assertRegex(self.compare(model, copy)[-1], r'^compare: \d+ paths, 0 differences$')
            self.change(model, copy)
            self.assertRegex(self.compare(model, copy)[-1], r'^compare: \d+ paths, 4 differences$')

    def change(self, model, copy):
        events = [path for path in model.tree if path.startswith('events/2025/06/19/')]
        with open(os.path.join(copy, events[0]), 'r+b') as file:
            file.write(b'[')
        os.utime(os.path.join(copy, events[0]), (model.tree[events[0]].mtime,) * 2)
        os.utime(os.path.join(copy, events[1]), (5, 5))
        os.remove(os.path.join(copy, events[2]))
        os.mkdir(os.path.join(copy, 'extra'))

    def test_odd_trails_are_built_and_are_the_same_each_time(self):
        with tempfile.TemporaryDirectory() as top:
            for name in TRAILS:
                found = []
                for turn in '12':
                    odd_trails.make(top + '/' + turn, name)
                    tree = build_tree(os.path.join(top, turn, name))
                    found.append({path: (entry.mtime, None if entry.is_dir else entry.size) for path,
                                  entry in tree.items()})
                self.assertEqual(found[0], found[1], name)


class Hash(unittest.TestCase):
    def test_hash_is_xxh3(self):
        from xxhash import xxh3_64_hexdigest
        self.assertEqual(xxh3_64_hexdigest(b''), EMPTY_HASH)


if __name__ == '__main__':
    unittest.main()
