"""Odd trails about keys: layouts, names, conflicts, what is in the folder besides logs."""

import os
import socket

from oddkit import ACCOUNT, DROP, OTHER_ACCOUNT, dumps, event, log_key, trail

ORGANIZATION = 'o-abc1234567'
NOBODY = {'userIdentity': {'type': 'AWSService', 'invokedBy': 'config.amazonaws.com'}, 'recipientAccountId': DROP}


@trail
def empty_source(t):
    """Not one object."""


@trail
def layout_plain(t):
    n = 0
    for account in (ACCOUNT, OTHER_ACCOUNT):
        for region in ('us-east-1', 'eu-west-1'):
            for day in ('2025/06/18', '2025/06/19', '2025/07/01'):
                n += 1
                at = day.replace('/', '-') + 'T09:00:%02dZ' % n
                t.log(log_key('A', day, region, account), event(n, eventTime=at, awsRegion=region, **NOBODY))


@trail
def layout_prefixed(t):
    t.log(log_key('A', prefix='logs/of the/company/'), event(1, **NOBODY))
    t.log(log_key('B', prefix='logs/'), event(2, **NOBODY))


@trail
def layout_organization(t):
    key = log_key('A')
    t.log(key.replace('AWSLogs/', 'AWSLogs/%s/' % ORGANIZATION), event(1, **NOBODY))
    t.log(key.replace('AWSLogs/', 'AWSLogs/o-short/'), event(2, **NOBODY))
    t.log(key.replace('AWSLogs/', 'AWSLogs/o-ABC1234567/'), event(3, **NOBODY))


@trail
def layout_control_tower(t):
    t.log(log_key('A').replace('AWSLogs/', ORGANIZATION + '/AWSLogs/%s/' % ORGANIZATION), event(1, **NOBODY))
    t.put('%s/AWSLogs/%s/Config/us-east-1/2025/6/19/ConfigSnapshot/snapshot.json.gz' % (ORGANIZATION, ACCOUNT),
          dumps({'configurationItems': [], 'Records': [event(2)]}))


@trail
def layout_twice(t):
    """The last AWSLogs that gives a valid parse counts."""
    t.log('AWSLogs/' + log_key('A'), event(1, **NOBODY))
    t.log('AWSLogs/old/' + log_key('B', account=OTHER_ACCOUNT), event(2, **NOBODY))
    t.log(os.path.dirname(log_key('C')) + '/AWSLogs/not-an-account/x.json.gz', event(3, **NOBODY))
    t.log('AWSLogs/loose.json', event(4, **NOBODY))


@trail
def layout_without_day(t):
    base = 'AWSLogs/%s/CloudTrail/' % ACCOUNT
    for n, middle in enumerate(('', 'us-east-1/', 'us-east-1/2025/06/', 'us-east-1/2025/6/19/',
                                'us-east-1/2025/02/30/',
                                'us-east-1/2025/06/19/deeper/')):
        t.log(base + middle + 'x%d.json.gz' % n, event(n, **NOBODY))


@trail
def layout_folders(t):
    for n, folder in enumerate(('CloudTrail', 'CloudTrail-Insight', 'CloudTrail-NetworkActivity',
                                'CloudTrail-Aggregated')):
        t.log(log_key('A', folder=folder), event(n, **NOBODY))
    digest = {'awsAccountId': ACCOUNT, 'digestStartTime': '2025-06-19T08:00:00Z', 'logFiles': []}
    t.put(log_key('D', folder='CloudTrail-Digest'), dumps(digest))
    t.put(log_key('E', folder='CloudTrail-Digest'), dumps({'Records': [event(9)]}))
    t.raw(log_key('F', folder='CloudTrail-Digest'), b'not gzip')
    t.put('AWSLogs/%s/vpcflowlogs/us-east-1/2025/06/19/flow.log.gz' % ACCOUNT, 'version account-id\n')
    t.log('AWSLogs/%s/GuardDuty/us-east-1/2025/06/19/findings.json' % ACCOUNT, event(10))
    t.put('AWSLogs/%s/GuardDuty/us-east-1/2025/06/19/more.jsonl.gz' % ACCOUNT, dumps(event(11)))


@trail
def layout_plain_files(t):
    """Inside a log folder: not gzipped, JSON lines, and files that are none of these."""
    t.log(log_key('A', ending='.json'), event(1))
    t.put(log_key('B', ending='.jsonl'), dumps(event(2)) + '\n' + dumps(event(3)) + '\n')
    t.put(log_key('C', ending='.txt'), 'a note')
    t.put(log_key('D', ending='.jsonl.gz'), dumps(event(4)))
    t.log(log_key('E', ending='.JSON'), event(5))


@trail
def synced_inside(t):
    """A copy of CloudTrail/ alone: account, region and day come from the file's name."""
    name = '%s_CloudTrail_us-east-1_20250619T0900Z_0123456789abcdef.json.gz'
    t.log('us-east-1/2025/06/19/' + name % ACCOUNT, event(1, **NOBODY))
    t.log('us-east-1/2025/06/19/' + name % OTHER_ACCOUNT, event(2, **NOBODY))
    t.log('us-east-1/2025/06/20/' + (name % ACCOUNT).replace('CloudTrail', 'CloudTrail-Insight'), event(3, **NOBODY))
    t.log('us-east-1/2025/06/19/' + (name % ACCOUNT).replace('20250619', '20251345'), event(4, **NOBODY))
    t.log('us-east-1/2025/06/19/other.json.gz', event(5, **NOBODY))
    t.log('us-east-1/2025/06/19/1' + name % ACCOUNT, event(6, **NOBODY))


@trail
def flat_folder(t):
    t.log('a.json', event(1))
    t.log('b.json.gz', event(2))
    t.put('c.jsonl', dumps(event(3)) + '\n' + dumps(event(4)))
    t.put('d.json.cloudtrail', dumps([event(5)]))
    t.put('e.log', dumps(event(6)))
    t.put('notes.txt', 'nothing')
    t.put('archive.gz', 'something')
    t.put('sub/folder/f.json', dumps(event(7)))
    t.put('.hidden.json', dumps(event(8)))
    t.put('.json.gz', dumps(event(9)))
    t.put('.json', dumps(event(10)))
    t.raw('empty.txt', b'')


@trail
def names_encoded(t):
    for n, name in enumerate((b'per%cent', b'per%25cent', b'new\nline', b'tab\tescape\x1b[31m', b'del\x7f',
                              b'not\xffutf8',
                              b'cut\xe2\x82', b'over\xc0\xaflong', b'sur\xed\xa0\x80rogate', 'größe €😀'.encode(),
                              b'.dot', b'..two', b'...', b'a b', b'~', b'tail%', b'back\\slash', b'quote"\'',
                              b'-rf')):
        t.log(name + b'/' + name + b'.json', event(n))
    t.raw(b'bad\n%\xff\x01.json.gz', b'damaged')
    t.raw(b'.bad\xc2\x9b31m\xed\xa0\x80\xf4\x90\x80\x80\xc2\xa0\xf4\x8f\xbf\xbf.json.gz', b'damaged')
    t.raw(b'%' * 120 + b'bad/' + b'.dot.json.gz', b'damaged')
    t.raw(log_key('A') + '\t\x7f.json.gz', b'damaged')


@trail
def names_long(t):
    t.put('a' * 255, 'fits')
    t.put('%' * 80 + 'x' * 15, 'encoded: 255')
    t.put('%' * 80 + 'x' * 16, 'encoded: 256')
    t.put('b' + '%' * 200, 'cut at an escape')
    t.put('%' * 79 + '\x01' * 60, 'cut at an escape')
    t.put('€' * 80 + '\x02' * 15, 'cut at a character')
    t.put('😀' * 59 + 'ab' + '%' * 15, 'cut at a character')
    t.put('c' * 238 + '~0123456789abcdef', 'looks cut already: 255')
    t.put('c' * 236 + '~0123456789abcdef', 'looks cut already: 253')
    t.put('c' * 235 + '~0123456789abcdef', 'looks cut already: 252')
    t.put('c' * 234 + '~0123456789abcdef', 'looks cut, but too short: 251')
    t.put('c' * 238 + '~0123456789ABCDEF', 'not lower case')
    t.log('%' * 120 + '/' + 'd' * 250 + '.json', event(1))
    t.log('é' * 123 + '.json.gz', event(2))


@trail
def conflicts(t):
    t.log('a/X.json', event(1))
    t.log('a/X.json.gz', event(2))
    t.log('X.json', event(3))
    t.log('X.json.gz', event(4))
    t.put('a/Y.json.gz', 'not JSON')
    t.put('a/Y.json', 'not JSON either')


@trail
def conflict_folder(t):
    """A folder X.json beside the object X.json.gz."""
    t.log('a/X.json/b.json', event(1))
    t.log('a/X.json.gz', event(2))


@trail
def reserved_names(t):
    t.log('events/2025/a.json', event(1))
    t.put('by-user/x', 'x')
    t.put('by-id/x', 'x')
    t.put('by-nothing/x', 'x')
    t.put('README', 'of the bucket')
    t.put('.trailfs/status', 'x')
    t.put('ERRORS/x', 'x')
    t.log('by-agent', event(2))
    t.put('deeper/README', 'keeps its name')
    t.put('deeper/events/x', 'keeps its name')
    t.put('eventS', 'x')
    t.put('count', 'x')
    t.put('all.json', dumps({'Records': [event(3)]}))
    t.put('@24h', 'x')


@trail
def reserved_readme_gz(t):
    t.log('by-event.json.gz', event(1))
    t.put('ERRORS', 'a file')
    t.put('events', 'a file')


@trail
def links(t):
    t.log('real/a.json', event(1))
    os.symlink(b'real', t.path('linked'))
    os.symlink(b'real/a.json', t.path('file.json'))
    os.symlink(b'..', t.path('real/loop'))
    t.put('real/deeper/x', 'x')
    os.symlink(b'.', t.path('real/deeper/self'))


@trail
def special_files(t):
    t.log('a.json', event(1))
    os.mkfifo(t.path('fifo'))
    os.mkfifo(t.path('only-a-fifo/fifo.json'))
    os.makedirs(t.path('empty/nested/folders/x'))
    here = os.getcwd()
    os.chdir(t.folder)
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind(b'socket.json')
    os.chdir(here)


@trail
def late_events(t):
    """Events whose own day is not their key's; one object that holds three days."""
    t.log(log_key('A', '2025/06/19'), event(1, eventTime='2025-06-18T23:59:59Z'),
          event(2, eventTime='2025-06-19T00:00:00Z'),
          event(3, eventTime='2025-05-20T12:00:00Z'))
    t.log(log_key('B', '2025/06/20'), event(4, eventTime='2025-06-19T23:59:59Z'),
          event(5, eventTime='2025-06-20T00:00:01Z'))


@trail
def ranges(t):
    """For --since, --until, --account and --log-region."""
    n = 0
    for day in range(10, 20):
        for region in ('us-east-1', 'eu-west-1'):
            for account in (ACCOUNT, OTHER_ACCOUNT):
                at = '2025-06-%02dT' % day
                t.log(log_key('A', '2025/06/%02d' % day, region, account),
                      *(event(n + i, eventTime=at + clock, awsRegion=region, recipientAccountId=account)
                        for i, clock in enumerate(('00:00:00Z', '09:30:00Z', '09:30:59Z', '09:31:00Z', '23:59:59Z'))))
                n += 5
    t.raw(log_key('bad', '2025/06/11'), b'damaged')
    t.log('loose.json', event(900, eventTime=DROP), event(901, eventTime='2025-06-01T00:00:00Z'))
    t.put(log_key('D', '2025/06/15', folder='CloudTrail-Digest'), '{}')
    t.put('AWSLogs/%s/Config/eu-west-1/2025/06/15/c.json' % OTHER_ACCOUNT, '{}')


@trail
def many_small_objects(t):
    for n in range(120):
        t.log(log_key('%03d' % (n * 7919 % 1000)), *(event(n * 5 + i) for i in range(5)))
