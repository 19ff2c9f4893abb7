#!/usr/bin/python3
"""An S3 that does wrong on demand: for the tests.

    fault_server.py [--bucket NAME[=DIRECTORY]]... [--tls CERTIFICATE KEY] [--latency SECONDS] READY

Serves ListObjectsV2, GET and HEAD of buckets from directories and memory, checks signatures by the bytes on the wire,
and plays those who issue credentials (issuers.py). When it serves, the file READY says where, for a shell:
    S3_PORT S3_TLS_PORT CONTROL_PORT, and SILENT_PORT (accepts, says nothing) and FULL_PORT (its backlog is full: SYNs are lost)

What is to go wrong and what has been asked for goes over CONTROL_PORT, JSON in and out:
    POST /_control/rules [RULE...]   replaces all (rules.py says what a rule is);  POST /_control/rule RULE adds one
    GET  /_control/hits              how often each rule struck
    GET  /_control/counts            requests by kind since the last reset, bytes, connections, in_flight_max
    GET  /_control/log               each request: kind method path query range status code access_key region connection at
    GET  /_control/secrets           of all keys that were issued: the secrets, and the tokens
    POST /_control/reset             forgets counts, log and rules
    POST /_control/set {...}         see SETTINGS
    POST /_control/keys {ACCESS: {secret, token, expires_in, allow}}    adds or changes
    POST /_control/expire            all issued credentials have expired
    PUT, DELETE /_control/object/BUCKET/KEY    (percent-encoded) its bytes are the body; x-mtime: SECONDS
    POST /_control/lie {bucket, key, size, etag, mtime}    what listings say of an object
    POST /_control/synthetic {bucket, count, key, data}    key: with %d in it; all have the same bytes (base64: data64)
    POST /_control/bucket {name}
"""
import argparse
import asyncio
import base64
import collections
import json
import os
import re
import socket
import ssl
import struct
import sys
import time
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import issuers  # noqa: E402
import rules  # noqa: E402
import sigv4  # noqa: E402
import store  # noqa: E402

KEY, SECRET = 'TRAILTESTKEY', 'trail/test+secret'
SETTINGS = {
    'latency': 0.0,         # seconds before each answer
    'anonymous': False,     # requests without a signature are taken
    'region': None,         # the only one that may be signed for, None: any
    'region_answer': 400,   # or 301, 307: how another one is refused
    'region_said': True,    # the refusal names the right one
    'clock': 0,             # seconds that this server's clock is ahead
    'lifetime': 3600,       # seconds that issued credentials live
    'issued_allow': None,   # what they may do: kinds of requests
    'no_chain': False,      # AssumeRole not with issued ones
    'external_id': None, 'web_token': None, 'ecs_token': None, 'sso_token': None, 'refresh_token': None,
}
REASONS = {200: 'OK', 206: 'Partial Content', 301: 'Moved Permanently', 307: 'Temporary Redirect', 400: 'Bad Request',
           401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 412: 'Precondition Failed', 429: 'Too Many Requests',
           500: 'Internal Server Error', 502: 'Bad Gateway', 503: 'Slow Down', 504: 'Gateway Timeout'}
HEAD_MAX = 1 << 16
LOG_MAX = 300000
RANGE = re.compile(r'bytes=(\d+)-(\d*)$')


class Request:
    def __init__(self, head, connection):
        lines = head.decode('latin-1').split('\r\n')
        self.method, target, _ = lines[0].split(' ', 2)
        self.raw_path, _, self.raw_query = target.partition('?')
        self.headers = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(':') for line in lines[1:])]
        self.header = dict(self.headers)
        self.connection = connection
        self.path = urllib.parse.unquote(self.raw_path, errors='replace')
        self.body = b''
        self.status = self.code = self.note = None
        self.scope = re.search('Credential=([^,]*)', self.header.get('authorization', ''))
        self.scope = self.scope[1].split('/') if self.scope else ['', '', '']
        self.access_key = self.scope[0]
        self.query = {}
        for part in self.raw_query.split('&') if self.raw_query else ():
            name, _, value = part.partition('=')
            self.query[name] = urllib.parse.unquote(value, errors='replace')
            self.query['raw-' + name] = value
        self.kind = self.classify()

    def classify(self):
        if self.path.startswith('/latest/'):
            return 'IMDS'
        if self.path.startswith('/ecs'):
            return 'ECS'
        if self.path.startswith('/federation/'):
            return 'SSO'
        if self.path == '/token':
            return 'OIDC'
        if self.path == '/' and self.method == 'POST':
            return 'STS'
        if self.query.get('list-type') == '2':
            return 'LIST'
        return self.method if self.method in ('GET', 'HEAD') else 'OTHER'

    def logged(self):
        return {'kind': self.kind, 'method': self.method, 'path': self.path, 'query': self.raw_query, 'host': self.header.get('host'),
                'range': self.header.get('range'), 'if_match': self.header.get('if-match'), 'status': self.status,
                'code': self.code, 'access_key': self.access_key, 'region': self.scope[2] if len(self.scope) > 2 else '',
                'headers': sorted(self.header), 'note': self.note, 'connection': self.connection, 'at': time.monotonic()}


class Answer:
    def __init__(self, status, body=b'', headers=()):
        self.status, self.body, self.headers = status, body, dict(headers)


class Server:
    def __init__(self):
        self.settings = dict(SETTINGS)
        self.buckets = collections.defaultdict(store.Bucket)
        self.keys = {KEY: issuers.Keys(SECRET)}
        self.issuers = issuers.Issuers(self.settings, self.keys)
        self.rules = rules.Rules()
        self.connections = 0
        self.reset()

    def reset(self):
        self.counts = collections.Counter()
        self.log = []
        self.in_flight = 0
        self.rules.replace([])

    def now(self):
        return time.time() + self.settings['clock']

    # ---- S3

    def error(self, code, message, status, more=(), headers=()):
        fields = {'Code': code, 'Message': message, **dict(more), 'RequestId': 'REQ%09d' % sum(self.counts.values()),
                  'HostId': 'fault-server'}
        text = ''.join('<%s>%s</%s>' % (name, store.escape(value), name) for name, value in fields.items())
        return Answer(status, ('<?xml version="1.0" encoding="UTF-8"?>\n<Error>%s</Error>' % text).encode(),
                      {'Content-Type': 'application/xml', **dict(headers)})

    def authorize(self, request):
        if not request.access_key:
            if not self.settings['anonymous']:
                raise sigv4.Refused('AccessDenied', 'Access Denied')
            return
        region = self.settings['region']
        entry = sigv4.check(request, self.keys, self.now(), region)
        if entry.allow is not None and request.kind not in entry.allow:
            raise sigv4.Refused('AccessDenied', 'User is not authorized to perform: s3:%s' % request.kind)

    def refusal(self, refused):
        status, more, headers = refused.status, dict(refused.more), {}
        if 'Region' in more:
            if self.settings['region_said']:
                headers['x-amz-bucket-region'] = more['Region']
            else:
                del more['Region']
            if self.settings['region_answer'] != 400:
                status = self.settings['region_answer']
                refused.code = 'PermanentRedirect' if status == 301 else 'TemporaryRedirect'
        return self.error(refused.code, refused.message, status, more, headers)

    def place(self, request):
        """Bucket and key, from the host or from the path."""
        host = request.header.get('host', '').split(':')[0]
        path = urllib.parse.unquote_to_bytes(request.raw_path[1:])
        if host.endswith('.localhost') and host != 's3.localhost':
            return re.sub(r'(\.s3)?\.localhost$', '', host), path
        name, _, key = path.partition(b'/')
        return name.decode('utf-8', 'replace'), key

    def s3(self, request, wishes):
        self.authorize(request)
        name, key = self.place(request)
        if name not in self.buckets:
            return self.error('NoSuchBucket', 'The specified bucket does not exist', 404, {'BucketName': name})
        bucket = self.buckets[name]
        if request.kind == 'LIST':
            return Answer(200, store.Listing(name, bucket, request.query, wishes.get('listing', {})).xml(),
                          {'Content-Type': 'application/xml'})
        if not key:
            return Answer(200, b'', {'x-amz-bucket-region': self.settings['region'] or 'us-east-1'})
        if request.method not in ('GET', 'HEAD'):
            return self.error('MethodNotAllowed', 'The specified method is not allowed', 405)
        if key not in bucket.objects:
            return self.error('NoSuchKey', 'The specified key does not exist.', 404, {'Key': key.decode('utf-8', 'replace')})
        return self.object(request, bucket.objects[key], wishes)

    def object(self, request, found, wishes):
        quoted = '"%s"' % found.etag
        wanted = request.header.get('if-match')
        if wanted not in (None, '*', quoted):
            return self.error('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', 412,
                              {'Condition': 'If-Match'})
        headers = {'ETag': '"%s"' % wishes['etag'] if 'etag' in wishes else quoted, 'Accept-Ranges': 'bytes',
                   'Content-Type': 'application/json', 'Content-Encoding': 'gzip',
                   'Last-Modified': time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime(found.mtime))}
        if wishes.get('kms'):
            headers['x-amz-server-side-encryption'] = 'aws:kms'
        data = found.bytes()
        part = RANGE.match(request.header.get('range', ''))
        if not part or wishes.get('ignore_range'):
            return Answer(200, data, headers)
        first, last = int(part[1]), int(part[2] or len(data))
        if first >= len(data) or last < first:
            return self.error('InvalidRange', 'The requested range is not satisfiable', 416, {'ActualObjectSize': str(len(data))})
        last = min(last, len(data) - 1)
        headers['Content-Range'] = wishes.get('content_range', 'bytes %d-%d/%d' % (first, last, len(data)))
        return Answer(206, data[first:last + 1], headers)

    # ---- any request

    def answer(self, request, wishes):
        try:
            made = self.scripted(request, wishes)
            if made is None and request.kind in ('STS', 'SSO', 'OIDC', 'ECS', 'IMDS'):
                status, kind, text = self.issuers.answer(request)
                made = Answer(status, text.encode(), {'Content-Type': kind})
            elif made is None:
                made = self.s3(request, wishes)
        except sigv4.Refused as refused:
            made = self.sts_error(refused) if request.kind == 'STS' else self.refusal(refused)
        request.status = made.status
        found = re.search(b'<Code>([^<]*)', made.body[:2000]) if made.status >= 300 else None
        request.code = found[1].decode() if found else None
        return self.bend(made, wishes)

    def sts_error(self, refused):
        return Answer(refused.status, ('<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error>'
                                       '<RequestId>r</RequestId></ErrorResponse>' % (refused.code, refused.message)).encode(),
                      {'Content-Type': 'text/xml'})

    def scripted(self, request, wishes):
        """What a rule says in place of the real answer."""
        if 'body' in wishes:
            return Answer(wishes.get('status', 200), wishes['body'].encode('latin-1'), wishes.get('headers', {}))
        if 'status' in wishes:
            return self.error(wishes.get('code', 'InternalError'), wishes.get('message', 'as the rule says'), wishes['status'],
                              wishes.get('fields', {}), wishes.get('headers', {}))
        return None

    def bend(self, made, wishes):
        if 'glue' in wishes:
            at = max(wishes['glue'], 0)
            made.body = made.body[:at] + self.error('InternalError', 'We encountered an internal error.', 500).body
        if 'flip' in wishes and made.body:
            at = wishes['flip'] % len(made.body)
            made.body = made.body[:at] + bytes([made.body[at] ^ 0x5a]) + made.body[at + 1:]
        if 'cut' in wishes:
            made.body = made.body[:max(len(made.body) - wishes['cut'], 0)]
        return made

    # ---- the other port

    def control(self, request):
        what, _, rest = request.raw_path.removeprefix('/_control/').partition('/')
        if what == 'object':
            return self.control_object(request, rest)
        asked = json.loads(request.body) if request.body else None
        return getattr(self, 'control_' + what)(asked)

    def control_object(self, request, rest):
        name, _, key = rest.partition('/')
        key = urllib.parse.unquote_to_bytes(key)
        if request.method == 'DELETE':
            self.buckets[name].delete(key)
        else:
            mtime = request.header.get('x-mtime')
            self.buckets[name].put(key, store.Object(request.body, mtime=mtime and int(mtime)))

    def control_rules(self, asked):
        self.rules.replace(asked)

    def control_rule(self, asked):
        self.rules.add(asked)

    def control_hits(self, _):
        return self.rules.hits()

    def control_counts(self, _):
        return {**{kind: 0 for kind in 'LIST GET HEAD STS IMDS ECS SSO OIDC OTHER'.split()}, **self.counts,
                'S3': sum(self.counts[kind] for kind in ('LIST', 'GET', 'HEAD', 'OTHER')), 'issued': self.issuers.issued}

    def control_log(self, _):
        return self.log

    def control_secrets(self, _):
        return [text for entry in self.keys.values() if entry.issued for text in (entry.secret, entry.token)]

    def control_reset(self, _):
        self.reset()

    def control_set(self, asked):
        unknown = set(asked) - set(SETTINGS)
        if unknown:
            raise ValueError('no such setting: %s' % ' '.join(unknown))
        self.settings.update(asked)

    def control_keys(self, asked):
        for access, entry in asked.items():
            expires = entry.get('expires_in')
            self.keys[access] = issuers.Keys(entry['secret'], entry.get('token'),
                                             None if expires is None else time.time() + expires, entry.get('allow'))

    def control_expire(self, _):
        self.issuers.expire()

    def control_lie(self, asked):
        found = self.buckets[asked.pop('bucket')].objects[asked.pop('key').encode()]
        found.lies = asked or None

    def control_synthetic(self, asked):
        data = base64.b64decode(asked['data64']) if 'data64' in asked else asked.get('data', '').encode()
        first = store.Object(data)
        first.etag
        self.buckets[asked['bucket']].put_many({(asked['key'] % i).encode(): first for i in range(asked['count'])})

    def control_bucket(self, asked):
        self.buckets[asked['name']]


class Connection(asyncio.Protocol):
    """Requests one after another, each answered before the next is read."""

    def __init__(self, server):
        self.server = server
        self.buffer = b''
        self.busy = False
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport):
        self.transport = transport
        self.server.connections += 1
        self.number = self.server.connections
        found = transport.get_extra_info('socket')
        if found is not None:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, _):
        if self.busy:
            self.done()
        self.busy = True # nothing more is answered

    def data_received(self, data):
        self.buffer += data
        if not self.busy:
            self.next()

    def next(self):
        end = self.buffer.find(b'\r\n\r\n')
        if end < 0:
            if len(self.buffer) > HEAD_MAX:
                self.transport.abort()
            return
        request = Request(self.buffer[:end], self.number)
        length = int(request.header.get('content-length', 0))
        if len(self.buffer) < end + 4 + length:
            return
        request.body = self.buffer[end + 4:end + 4 + length]
        self.buffer = self.buffer[end + 4 + length:]
        self.busy = True
        self.serve(request)

    def serve(self, request):
        server = self.server
        wishes = server.rules.match(request)
        server.counts[request.kind] += 1
        server.in_flight += 1
        server.counts['in_flight_max'] = max(server.counts['in_flight_max'], server.in_flight)
        request.entry = request.logged()
        if len(server.log) < LOG_MAX:
            server.log.append(request.entry)
        delay = server.settings['latency'] + wishes.get('delay', 0)
        if delay:
            self.loop.call_later(delay, self.reply, request, wishes)
        else:
            self.reply(request, wishes)

    def reply(self, request, wishes):
        if self.transport.is_closing():
            return
        made = None if any(wishes.get(what) for what in ('hang', 'reset', 'close')) else self.server.answer(request, wishes)
        request.entry.update(status=request.status, code=request.code, note=request.note)
        if made is not None:
            self.send(request, made, wishes)
        elif wishes.get('reset'):
            self.reset()
        elif wishes.get('close'):
            self.transport.close()

    def reset(self):
        found = self.transport.get_extra_info('socket')
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.transport.abort()

    def head(self, request, made, wishes):
        lines = ['HTTP/1.1 %d %s' % (made.status, REASONS.get(made.status, 'Status'))]
        headers = {'Date': time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime(self.server.now())),
                   'x-amz-request-id': 'REQ%09d' % sum(self.server.counts.values()), 'Server': 'fault-server', **made.headers}
        if wishes.get('chunked'):
            headers['Transfer-Encoding'] = 'chunked'
        elif wishes.get('no_length'):
            headers['Connection'] = 'close'
        else:
            headers['Content-Length'] = len(made.body) + wishes.get('length', 0)
        lines.extend('%s: %s' % pair for pair in headers.items())
        return '\r\n'.join(lines).encode('latin-1') + b'\r\n\r\n'

    def send(self, request, made, wishes):
        body = b'' if request.method == 'HEAD' else made.body
        head = self.head(request, made, wishes)
        self.server.counts['bytes'] += len(body)
        if wishes.get('chunked'):
            body = b'%x\r\n%s\r\n0\r\n\r\n' % (len(body), body) if body else b'0\r\n\r\n'
        for what in ('drop_after', 'stall_after'):
            if what in wishes:
                self.transport.write(head + body[:wishes[what]])
                if what == 'drop_after':
                    # What was written has to arrive before a reset takes it back.
                    self.loop.call_later(0.05, self.reset if wishes.get('how') == 'reset' else self.transport.close)
                return
        if 'drip' in wishes:
            self.transport.write(head)
            self.drip(body, wishes['drip'], wishes)
            return
        self.transport.write(head + body)
        self.sent(wishes)

    def drip(self, rest, speed, wishes):
        if self.transport.is_closing():
            return
        n = max(1, int(speed / 4))
        self.transport.write(rest[:n])
        if rest[n:]:
            self.loop.call_later(n / speed, self.drip, rest[n:], speed, wishes)
        else:
            self.sent(wishes)

    def done(self):
        self.busy = False
        self.server.in_flight = max(self.server.in_flight - 1, 0)

    def sent(self, wishes):
        self.done()
        if any(wishes.get(what) for what in ('no_length', 'hang_up')) or wishes.get('length', 0):
            self.transport.close()
        elif self.buffer:
            self.next()


class Control(Connection):
    def serve(self, request):
        try:
            said, status = self.server.control(request), 200
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            said, status = {'error': repr(error)}, 400
        self.transport.write(self.head(request, Answer(status, json.dumps(said).encode() + b'\n'), {}) + json.dumps(said).encode() + b'\n')
        self.busy = False
        if self.buffer:
            self.next()


def full_port():
    """A port whose backlog is taken up: whoever connects gets no answer. The sockets are kept."""
    listener = socket.socket()
    listener.bind(('127.0.0.1', 0))
    listener.listen(0)
    held = [listener]
    for _ in range(4):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(listener.getsockname())
        held.append(one)
    return held


async def serve(arguments):
    loop = asyncio.get_running_loop()
    server = Server()
    server.settings['latency'] = arguments.latency
    for text in arguments.bucket:
        name, _, directory = text.partition('=')
        bucket = server.buckets[name]
        if directory:
            bucket.load(directory)
    ports = {}

    async def listen(name, protocol, context=None):
        made = await loop.create_server(lambda: protocol(server), '127.0.0.1', 0, ssl=context, backlog=1024)
        ports[name] = made.sockets[0].getsockname()[1]

    await listen('S3_PORT', Connection)
    await listen('CONTROL_PORT', Control)
    if arguments.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*arguments.tls)
        await listen('S3_TLS_PORT', Connection, context)
    silent = socket.create_server(('127.0.0.1', 0), backlog=1024)
    ports['SILENT_PORT'] = silent.getsockname()[1]
    full = full_port()
    ports['FULL_PORT'] = full[0].getsockname()[1]
    with open(arguments.ready + '.new', 'w') as file:
        file.write(''.join('%s=%d\n' % pair for pair in ports.items()))
    os.rename(arguments.ready + '.new', arguments.ready)
    await asyncio.Event().wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--bucket', action='append', default=[], metavar='NAME[=DIRECTORY]')
    parser.add_argument('--tls', nargs=2, metavar=('CERTIFICATE', 'KEY'))
    parser.add_argument('--latency', type=float, default=0.0, metavar='SECONDS')
    parser.add_argument('ready', metavar='READY')
    asyncio.run(serve(parser.parse_args()))


if __name__ == '__main__':
    main()
