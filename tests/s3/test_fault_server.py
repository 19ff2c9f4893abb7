"""That the server the S3 tests rely on is right itself: signatures, listings, and that its faults are what they say."""
import base64
import datetime
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
import types
import unittest
import urllib.parse

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import sigv4  # noqa: E402

KEY, SECRET = 'TRAILTESTKEY', 'trail/test+secret'
PATIENCE = 60


class Documented(unittest.TestCase):
    """The three requests without a body in docs.aws.amazon.com, "Examples: Signature Calculations", and their signatures."""

    def signed(self, path, query, headers=()):
        sent = sigv4.sign('GET', 'examplebucket.s3.amazonaws.com', path, query, 'AKIAIOSFODNN7EXAMPLE',
                          'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', headers=headers,
                          now=datetime.datetime(2013, 5, 24, tzinfo=datetime.timezone.utc))
        return sent['Authorization'].split('Signature=')[1]

    def test_object(self):
        self.assertEqual(self.signed('/test.txt', '', [('range', 'bytes=0-9')]),
                         'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41')

    def test_lifecycle(self):
        self.assertEqual(self.signed('/', 'lifecycle'), 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543')

    def test_list(self):
        self.assertEqual(self.signed('/', 'max-keys=2&prefix=J'),
                         '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7')


class Served(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        ready = os.path.join(cls.folder.name, 'ready')
        cls.server = subprocess.Popen([sys.executable, os.path.join(HERE, 'fault_server.py'), '--bucket', 'b', ready])
        cls.addClassCleanup(cls.folder.cleanup)
        cls.addClassCleanup(cls.server.wait)
        cls.addClassCleanup(cls.server.kill)
        end = time.monotonic() + PATIENCE
        while not os.path.exists(ready) and time.monotonic() < end:
            time.sleep(0.02)
        with open(ready) as file:
            cls.ports = {name: int(port) for name, port in (line.strip().split('=') for line in file)}

    def setUp(self):
        self.control('reset')

    def control(self, what, asked=None, method='POST', body=None):
        kept = http.client.HTTPConnection('127.0.0.1', self.ports['CONTROL_PORT'], timeout=PATIENCE)
        kept.request(method, '/_control/' + what, json.dumps(asked) if body is None else body)
        answer = kept.getresponse()
        said = json.loads(answer.read())
        self.assertEqual(answer.status, 200, said)
        kept.close()
        return said

    def put(self, key, data):
        self.control('object/b/' + urllib.parse.quote(key, safe=''), method='PUT', body=data)

    def get(self, raw_path, query='', secret=SECRET, headers=(), change=None, method='GET', kept=None):
        host = '127.0.0.1:%d' % self.ports['S3_PORT']
        sent = sigv4.sign(method, host, raw_path, query, KEY, secret, headers=headers)
        if change:
            sent.update(change)
        kept = kept or http.client.HTTPConnection(host, timeout=PATIENCE)
        self.addCleanup(kept.close)
        kept.request(method, raw_path + ('?' + query if query else ''), headers=sent)
        answer = kept.getresponse()
        return types.SimpleNamespace(status=answer.status, headers=answer.headers, read=answer.read)

    def test_signature(self):
        self.put('k/ä +', b'data')
        path = '/b/' + sigv4.encode('k/ä +', '/')
        self.assertEqual(self.get(path).read(), b'data')
        for wrong in (dict(secret='x'), dict(change={'x-amz-date': '20250101T000000Z'}), dict(change={'x-amz-unsigned': 'x'}),
                      dict(change={'x-amz-content-sha256': 'UNSIGNED-PAYLOAD'}), dict(change={'Authorization': ''})):
            self.assertIn(self.get(path, **wrong).status, (400, 403), wrong)
        self.assertEqual(self.get(path, headers=[('range', 'bytes=1-2')]).read(), b'at')
        self.assertEqual(self.get(path, headers=[('range', 'bytes=1-2')], change={'range': 'bytes=0-1'}).status, 403)

    def test_listing(self):
        self.control('synthetic', {'bucket': 'b', 'key': 'many/%04d', 'count': 2001, 'data': 'x'})
        for wishes, pages in ([], 3), ([{'kind': 'LIST', 'listing': {'page': 300}}], 7):
            self.control('rules', wishes)
            token, found, asked = None, [], 0
            while token != '':
                query = ('continuation-token=%s&' % sigv4.encode(token) if token else '') + 'list-type=2&prefix=many%2F'
                text = self.get('/b', query).read().decode()
                found += [part.split('<')[0] for part in text.split('<Key>')[1:]]
                token = text.split('<NextContinuationToken>')[1].split('<')[0] if '<IsTruncated>true' in text else ''
                asked += 1
            self.assertEqual(found, ['many/%04d' % i for i in range(2001)])
            self.assertEqual(asked, pages)
        text = self.get('/b', 'delimiter=%2F&list-type=2').read().decode()
        self.assertEqual(text.count('<CommonPrefixes><Prefix>many/</Prefix>'), 1)
        self.assertNotIn('<Key>many', text)

    def test_rules(self):
        self.put('one', b'0123456789')
        self.control('rules', [{'kind': 'GET', 'path': 'one', 'skip': 1, 'times': 2, 'status': 503, 'code': 'SlowDown'}])
        self.assertEqual([self.get('/b/one').status for _ in range(4)], [200, 503, 503, 200])
        self.assertEqual(self.control('hits'), [2])
        self.control('rules', [{'drop_after': 4, 'how': 'reset'}])
        with self.assertRaises((http.client.IncompleteRead, ConnectionResetError)):
            self.get('/b/one').read()
        for wishes, wanted in (({'cut': 3}, b'0123456'), ({'flip': 0}, b'j123456789'), ({'drip': 100}, b'0123456789'),
                               ({'chunked': True}, b'0123456789'), ({'no_length': True}, b'0123456789')):
            self.control('rules', [wishes])
            self.assertEqual(self.get('/b/one').read(), wanted)
        counts = self.control('counts', method='GET')
        self.assertEqual((counts['GET'], counts['LIST']), (10, 0))
        self.assertEqual(len(self.control('log', method='GET')), 10)

    def test_kept_alive(self):
        self.put('one', b'0123456789')
        kept = http.client.HTTPConnection('127.0.0.1', self.ports['S3_PORT'], timeout=PATIENCE)
        for _ in range(20):
            self.assertEqual(self.get('/b/one', kept=kept).read(), b'0123456789')
        self.assertEqual(len({one['connection'] for one in self.control('log', method='GET')}), 1)

    def test_lie(self):
        self.put('one', b'0123456789')
        self.control('lie', {'bucket': 'b', 'key': 'one', 'etag': 'another', 'size': 7})
        text = self.get('/b', 'list-type=2&prefix=one').read().decode()
        self.assertIn('another', text)
        self.assertIn('<Size>7</Size>', text)
        self.assertEqual(self.get('/b/one', headers=[('if-match', '"another"')]).status, 412)

    def test_synthetic_bytes(self):
        self.control('synthetic', {'bucket': 'b', 'key': 's%d', 'count': 1, 'data64': base64.b64encode(b'\0\xff').decode()})
        self.assertEqual(self.get('/b/s0').read(), b'\0\xff')


if __name__ == '__main__':
    unittest.main()
