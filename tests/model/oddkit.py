"""What the odd trails are made of: a register of them, a folder to write into, and ordinary events to bend."""

import gzip
import json
import os

ACCOUNT = '111122223333'
OTHER_ACCOUNT = '444455556666'
FIRST_MTIME = 1750000000
DROP = object()

TRAILS = {}


def trail(make):
    """Registers make(t) under its own name, with '-' for '_'."""
    TRAILS[make.__name__.replace('_', '-')] = make
    return make


def dumps(value):
    return json.dumps(value, separators=(',', ':'), ensure_ascii=False)


def pack(data):
    return gzip.compress(data, compresslevel=6, mtime=0)


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode('utf-8', 'surrogatepass')


class Trail:
    """One source folder."""

    def __init__(self, folder):
        self.folder = os.fsencode(folder)
        self.count = 0
        os.makedirs(self.folder)

    def path(self, key):
        path = self.folder + b'/' + os.fsencode(key)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def raw(self, key, data):
        """Stores bytes as they are; each object a minute newer than the one before."""
        path = self.path(key)
        with open(path, 'wb') as file:
            file.write(as_bytes(data))
        self.count += 1
        os.utime(path, (FIRST_MTIME + 60 * self.count,) * 2)

    def put(self, key, text):
        """Stores a text, gzipped if the key ends in .gz."""
        self.raw(key, pack(as_bytes(text)) if os.fsencode(key).endswith(b'.gz') else text)

    def log(self, key, *records):
        """Stores {"Records":[…]}; a record is an object or its text."""
        texts = [r if isinstance(r, str) else dumps(r) for r in records]
        self.put(key, '{"Records":[' + ','.join(texts) + ']}')


def log_key(name='A', day='2025/06/19', region='us-east-1', account=ACCOUNT, folder='CloudTrail', prefix='',
            ending='.json.gz'):
    """A key in CloudTrail's own layout."""
    file = '%s_%s_%s_%sT0900Z_%s%s' % (account, folder, region, day.replace('/', ''), name.rjust(16, '0'), ending)
    return '%sAWSLogs/%s/%s/%s/%s/%s' % (prefix, account, folder, region, day, file)


def event_id(n):
    return '%08x-7d51-4f0a-9f0e-2f6c3f0d9a11' % n


def event(n, /, **changes):
    """An ordinary event, number n; a member given as DROP is left out."""
    record = {
        'eventVersion': '1.11',
        'userIdentity': {'type': 'IAMUser', 'principalId': 'AIDAEXAMPLE', 'userName': 'alice', 'accountId': ACCOUNT,
                         'arn': 'arn:aws:iam::%s:user/alice' % ACCOUNT, 'accessKeyId': 'AKIAEXAMPLE%d' % (n % 3)},
        'eventTime': '2025-06-19T09:%02d:%02dZ' % (n // 60 % 60, n % 60),
        'eventSource': 'ec2.amazonaws.com',
        'eventName': ('DescribeInstances', 'RunInstances', 'StopInstances')[n % 3],
        'awsRegion': 'us-east-1',
        'sourceIPAddress': '198.51.100.%d' % (n % 7),
        'userAgent': 'aws-cli/2.15.0',
        'requestParameters': {'n': n, 'filterSet': {}, 'items': []},
        'responseElements': None,
        'requestID': 'r-%d' % n,
        'eventID': event_id(n),
        'readOnly': n % 3 == 0,
        'eventType': 'AwsApiCall',
        'managementEvent': True,
        'recipientAccountId': ACCOUNT,
        'eventCategory': 'Management',
    }
    record.update(changes)
    return {name: value for name, value in record.items() if value is not DROP}


def by(n, /, **who):
    """An event whose userIdentity is exactly this."""
    return event(n, userIdentity=who)
