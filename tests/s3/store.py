"""The buckets of the fault server: objects in memory or in files, and ListObjectsV2 over them.

Keys are bytes. A listing is cut into pages as S3 does it; what a rule's "listing" says about a page is done here too.
"""
import base64
import bisect
import hashlib
import os
import re
import time
import urllib.parse

PAGE = 1000
NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'
BOMB = ('<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">%s]>' %
        ''.join('<!ENTITY %s "%s">' % (chr(98 + i), ('&%s;' % chr(97 + i)) * 10) for i in range(9)))
FORBIDDEN = re.compile('[\x00-\x08\x0b-\x1f<>&"\x7f]')


class Object:
    """Bytes, or a file's path; lies: what listings say of it instead of the truth."""
    __slots__ = ('data', 'path', 'size', 'mtime', 'digest', 'lies')

    def __init__(self, data=None, path=None, mtime=None):
        self.data, self.path, self.digest, self.lies = data, path, None, None
        if path is not None:
            status = os.stat(path)
            self.size, self.mtime = status.st_size, status.st_mtime
        else:
            self.size, self.mtime = len(data), mtime
        if self.mtime is None:
            self.mtime = time.time()

    def bytes(self):
        if self.data is not None:
            return self.data
        with open(self.path, 'rb') as file:
            return file.read()

    @property
    def etag(self):
        if self.digest is None:
            self.digest = hashlib.md5(self.bytes()).hexdigest()
        return self.digest

    def said(self, what):
        return self.lies[what] if self.lies and what in self.lies else getattr(self, what)


class Bucket:
    def __init__(self):
        self.objects = {}
        self.keys = []

    def put(self, key, made):
        if key not in self.objects:
            bisect.insort(self.keys, key)
        self.objects[key] = made

    def delete(self, key):
        if self.objects.pop(key, None) is not None:
            self.keys.remove(key)

    def put_many(self, pairs):
        self.objects.update(pairs)
        self.keys = sorted(self.objects)

    def load(self, top):
        """A directory's files are objects; keys are the paths below it."""
        top = os.fsencode(top)
        found = {}
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                found[os.path.relpath(path, top)] = Object(path=path)
        self.put_many(found)

    def page(self, prefix, delimiter, after, limit):
        """Up to limit entries after `after`: (key, Object) or (common prefix, None), and whether there are more."""
        found = []
        at = max(bisect.bisect_left(self.keys, prefix), bisect.bisect_right(self.keys, after))
        if delimiter and after.endswith(delimiter) and after > prefix:
            at = max(at, self.beyond(after)) # what it stands for was listed
        while at < len(self.keys) and self.keys[at].startswith(prefix):
            key = self.keys[at]
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            if len(found) == limit:
                return found, True
            if cut < 0:
                found.append((key, self.objects[key]))
                at += 1
            else:
                common = key[:cut + len(delimiter)]
                found.append((common, None))
                at = self.beyond(common)
        return found, False

    def beyond(self, prefix):
        """The place of the first key after all that begin with prefix."""
        return bisect.bisect_left(self.keys, True, key=lambda key: key[:len(prefix)] > prefix)


def iso(seconds):
    whole = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))
    return '%s.%03dZ' % (whole, int(seconds * 1000) % 1000)


def escape(text):
    """For XML; characters that XML 1.0 forbids are written as S3 writes them: as references that no parser takes."""
    return FORBIDDEN.sub(lambda found: '&#%d;' % ord(found[0]), text)


class Listing:
    """One page, as asked for in the query and bent by the rule's wishes."""

    def __init__(self, name, bucket, query, wishes):
        self.name, self.bucket, self.query, self.wishes = name, bucket, query, wishes
        self.encoded = query.get('encoding-type') == 'url' and not wishes.get('no_encoding')
        limit = query.get('max-keys', '')
        self.limit = min(int(limit) if limit.isdigit() else PAGE, PAGE)

    def text(self, key):
        if self.encoded:
            return urllib.parse.quote(key, safe='/-_.~*').replace('%20', '+')
        return escape(key.decode('utf-8', 'replace'))

    def after(self):
        token = self.query.get('continuation-token')
        if token and (self.wishes.get('loop') or self.wishes.get('endless') or token == 'again'):
            return b''
        if token:
            return base64.urlsafe_b64decode(token.split('.')[-1])
        return urllib.parse.unquote_to_bytes(self.query.get('raw-start-after', ''))

    def token(self, found):
        if self.wishes.get('loop'):
            return 'the-same-again'
        prefix = '%d.' % time.monotonic_ns() if self.wishes.get('endless') else ''
        return prefix + base64.urlsafe_b64encode(max(found)[0] if found else b'').decode()

    def entries(self):
        wishes = self.wishes
        if wishes.get('empty_page') and not self.query.get('continuation-token'):
            return [], True
        found, more = self.bucket.page(urllib.parse.unquote_to_bytes(self.query.get('raw-prefix', '')),
                                       self.query.get('delimiter', '').encode(), self.after(),
                                       min(self.limit, wishes.get('page', self.limit)))
        if wishes.get('backwards'):
            found.reverse()
        return found, more or bool(wishes.get('loop') or wishes.get('endless') or wishes.get('no_token'))

    def xml(self):
        found, more = self.entries()
        wishes = self.wishes
        lines = ['<?xml version="1.0" encoding="UTF-8"?>\n', BOMB if wishes.get('bomb') else '',
                 '<ListBucketResult xmlns="%s">' % wishes.get('namespace', NAMESPACE),
                 '<Name>%s</Name><Prefix>%s</Prefix>' % (self.name, self.text(urllib.parse.unquote_to_bytes(
                     self.query.get('raw-prefix', '')))),
                 '<KeyCount>%d</KeyCount><MaxKeys>%d</MaxKeys>' % (wishes.get('key_count', len(found)), self.limit),
                 '<EncodingType>url</EncodingType>' if self.encoded else '',
                 '<IsTruncated>%s</IsTruncated>' % ('true' if more else 'false')]
        if more and not wishes.get('no_token'):
            token = 'again' if wishes.get('empty_page') and not found else self.token(found)
            lines.append('<NextContinuationToken>%s</NextContinuationToken>' % escape(token))
        if wishes.get('bomb'):
            lines.append('<Contents><Key>&j;</Key></Contents>')
        for key, made in found:
            lines.append(self.common(key) if made is None else self.contents(key, made))
        lines.append('</ListBucketResult>')
        return ''.join(lines).encode()

    def common(self, prefix):
        return '<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>' % self.text(prefix)

    def contents(self, key, made):
        size = self.wishes.get('size', made.said('size'))
        return ('<Contents><Key>%s</Key><LastModified>%s</LastModified><ETag>&quot;%s&quot;</ETag><Size>%s</Size>'
                '<StorageClass>STANDARD</StorageClass></Contents>' % (
                    self.text(key), iso(made.said('mtime')), made.said('etag'), size))
