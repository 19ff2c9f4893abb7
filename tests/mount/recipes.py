"""The commands of README.md and docs/recipes.md, and what they must print.

    recipes.py list DOCUMENT                        the language and the name of each block of commands, one a line
    recipes.py code DOCUMENT NAME                   the block; one of SQL with those before it
    recipes.py all DOCUMENT...                      whether they have a block for all that is known here
    recipes.py judge DOCUMENT NAME SOURCE OUTPUT    whether the file OUTPUT is what the document shows, and is right

A block of commands begins with ```sh NAME or ```sql NAME; a ```text block right after it shows what it prints. What is
right is found here, with gzip and json in the logs of SOURCE. A block of which nothing is known here fails.
"""
import collections
import csv
import gzip
import io
import json
import os
import re
import sys
import tarfile
import time

CI = 'ci-deploy'
HOUR = ('2025-06-18T03:00:00Z', '2025-06-18T03:59:59Z')
HOURS = ('2025-06-18T03:00:00Z', '2025-06-18T04:59:59Z')
DAY = ('2025-06-18T00:00:00Z', '2025-06-18T23:59:59Z')
INVOICES = 'arn:aws:s3:::acme-invoices'
STOPPED = '3de6d618-b75c-4f56-a813-5a8636783979'

# ---- documents ----

Block = collections.namedtuple('Block', 'language name code text')


def blocks(document):
    with open(document) as file:
        text = file.read()
    found = [Block(*match.groups()) for match in
             re.finditer(r'^```(sh|sql) ([\w-]+)\n(.*?)^```\n(?:```text\n(.*?)^```$)?', text, re.M | re.S)]
    fences = sum(2 if block.text is None else 4 for block in found)
    assert fences == len(re.findall('^```', text, re.M)), '%s: a block without a name, or a name with a space' % document
    assert len({block.name for block in found}) == len(found), '%s: two blocks of one name' % document
    return found


def code(found, name):
    wanted = next(block for block in found if block.name == name)
    if wanted.language == 'sh':
        return wanted.code
    return ''.join(block.code for block in found[:found.index(wanted) + 1] if block.language == 'sql')


# ---- the logs ----

def user(event):
    identity = event['userIdentity']
    return {'IAMUser': lambda: identity['userName'], 'Root': lambda: 'root', 'AWSService': lambda: identity['invokedBy'],
            'AssumedRole': lambda: identity['arn'].split('/')[-1]}[identity['type']]()


def name(event):
    return '%sZ_%s_%s.json' % (event['eventTime'][11:19].replace(':', ''), event['eventName'], event['eventID'])


def path(view, event):
    return 'trail/%s/%s/%s' % (view, event['eventTime'][:10].replace('-', '/'), name(event))


def get(event, *keys):
    for key in keys:
        event = (event or {}).get(key)
    return event


class Trail:
    """The events of a folder of logs, each once, in order of time. Conditions are functions."""

    def __init__(self, source):
        self.source, self.events, self.key = source, {}, {}
        for folder, _, files in os.walk(source):
            for file in sorted(files):
                with gzip.open(os.path.join(folder, file)) as log:
                    for event in json.load(log)['Records']:
                        self.events.setdefault(event['eventID'], event)
                        self.key.setdefault(event['eventID'], []).append(os.path.relpath(os.path.join(folder, file), source))

    def where(self, *conditions, of=None, between=('', '~')):
        return [event for event in sorted(self.events.values(), key=lambda event: (event['eventTime'], name(event)))
                if between[0] <= event['eventTime'] <= between[1] and (of is None or user(event) == of)
                and all(condition(event) for condition in conditions)]


def table(rows, gap='\t'):
    return ''.join(gap.join('' if cell is None else str(cell) for cell in row) + '\n' for row in rows)


def counted(values):
    """(count, value), most first."""
    return sorted(((n, value) for value, n in collections.Counter(values).items()), key=lambda pair: (-pair[0], pair[1]))


def turned(pairs):
    return [(value, n) for n, value in pairs]


def columns(events, *keys):
    return [[get(event, *key.split('.')) or '-' for key in keys] for event in events]


def failed(event):
    return 'errorCode' in event


def writes(event):
    return not event['readOnly']


def management(event):
    return event['managementEvent']


def about(arn):
    return lambda event: any(resource.get('ARN', resource.get('ARNPrefix')) == arn for resource in event.get('resources', []))


def is_(key, value):
    return lambda event: get(event, *key.split('.')) == value


def address_times(events, time_of=lambda text: text):
    """address, first, last, count"""
    groups = collections.defaultdict(list)
    for event in events:
        groups[event['sourceIPAddress']].append(time_of(event['eventTime']))
    return [(address, times[0], times[-1], len(times)) for address, times in sorted(groups.items())]


def sql_time(text):
    return text[:10] + ' ' + text[11:19]


def lnav_time(text):
    return sql_time(text) + '.000'


# ---- what is right: the text, or nothing where the function has looked for itself ----

def where_from(trail):
    """A log begins the record where the attribute says."""
    with open('trail/by-id/%s.json' % STOPPED) as file:
        shown = json.load(file)
    said = {key: os.getxattr('trail/by-id/%s.json' % STOPPED, 'user.trailfs.' + key).decode() for key in ('key', 'offset', 'eventid')}
    assert shown == trail.events[STOPPED] and said['key'] in trail.key[STOPPED] and said['eventid'] == STOPPED, said
    with gzip.open(os.path.join(trail.source, said['key']), 'rt') as log:
        assert json.JSONDecoder().raw_decode(log.read()[int(said['offset']):])[0] == shown
    return '# file: trail/by-id/%s.json\n' % STOPPED + ''.join(
        'user.trailfs.%s="%s"\n' % (key, said[key]) for key in sorted(said)) + '\n'


def case(trail):
    wanted = trail.where(of=CI, between=HOUR)
    with open('case-17.csv', newline='', encoding='utf-8') as file:
        assert [row['eventID'] for row in csv.DictReader(file)] == [event['eventID'] for event in wanted]
    with gzip.open('case-17.json.gz') as file:
        assert json.load(file) == {'Records': wanted}
    with open('case-17.html') as file:
        assert '<dd>%d</dd>' % len(wanted) in file.read()
    with tarfile.open('case-17.tar.gz') as tar:
        files = [member for member in tar if member.isfile()]
        assert [os.path.basename(member.name) for member in files] == [name(event) for event in wanted]
        for member, event in zip(files, wanted):
            assert json.load(tar.extractfile(member)) == event
            assert time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(member.mtime)) == event['eventTime']
            assert member.pax_headers['SCHILY.xattr.user.trailfs.eventid'] == event['eventID']
    return ''


def restored(trail):
    found = {}
    for folder, _, files in os.walk('restored/trail/events'):
        for file in files:
            with open(os.path.join(folder, file)) as event:
                found[file] = json.load(event)
            stamp = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(os.stat(os.path.join(folder, file)).st_mtime))
            assert stamp == found[file]['eventTime'], (file, stamp)
    assert found == {name(event): event for event in trail.events.values()}
    assert len(found) > 100


def evidence(trail):
    with tarfile.open('case-17.tar.gz') as tar:
        found = {os.path.basename(member.name): json.load(tar.extractfile(member)) for member in tar if member.isfile()}
    assert found == {name(event): event for event in trail.where(of=CI, between=('2025-06', '2025-06-31'))}
    return ''


DENIED = is_('errorCode', 'AccessDenied')
SIGN_IN = is_('eventName', 'ConsoleLogin')
RIGHT = {
    # README.md
    'denied': lambda trail: table([name(event)] for event in trail.where(DENIED, between=DAY)),
    'sign-ins': lambda trail: table([path('by-event/ConsoleLogin', event)] for event in trail.where(SIGN_IN)
                                    if event['sourceIPAddress'].startswith('203.0.113.')),
    'stop-logging': lambda trail: ''.join(json.dumps(event, indent=2, ensure_ascii=False) + '\n'
                                          for event in trail.where(is_('eventName', 'StopLogging'))),
    'all-of-one': lambda trail: table(columns(trail.where(of=CI), 'eventTime', 'eventName', 'sourceIPAddress', 'errorCode')),
    'evidence': evidence,
    # docs/recipes.md
    'user-list': lambda trail: table([name(event)] for event in trail.where(of=CI, between=HOURS)),
    'user-table': lambda trail: table(columns(trail.where(of=CI, between=HOURS),
                                              'eventTime', 'eventName', 'sourceIPAddress', 'errorCode')),
    'user-events': lambda trail: table(counted(event['eventName'] for event in trail.where(of=CI, between=DAY))[:3]),
    'user-writes': lambda trail: table(columns(trail.where(writes, lambda event: not failed(event), of=CI, between=HOUR),
                                               'eventTime', 'eventName'), ' '),
    'user-count': lambda trail: '%d\n' % len(trail.where(of=CI)),
    'resource-users': lambda trail: table(counted(user(event) for event in trail.where(about(INVOICES)))),
    'resource-deletes': lambda trail: table(columns(
        trail.where(about(INVOICES), is_('eventName', 'DeleteObject'), between=DAY),
        'eventTime', 'userIdentity.arn', 'requestParameters.key')),
    'resource-names': lambda trail: table([arn.replace('/', '%2F')] for arn in sorted({
        resource.get('ARN', resource.get('ARNPrefix')) for event in trail.where() for resource in event.get('resources', [])})
        if arn.startswith(INVOICES + '/raw')),
    'resource-grep': lambda trail: table(columns(
        trail.where(writes, management, lambda event: 'acme-invoices' in json.dumps(event)),
        'eventTime', 'eventName', 'userIdentity.arn', 'errorCode')),
    'origin-counts': lambda trail: table(counted(event['sourceIPAddress'] for event in trail.where(of=CI))),
    'origin-times': lambda trail: table(address_times(trail.where(of=CI))),
    'origin-others': lambda trail: '\n'.join(
        'trail/by-ip/192.0.2.99/%s:\n' % view + table([value] for value in sorted(
            {of(event) for event in trail.where(is_('sourceIPAddress', '192.0.2.99'))}))
        for view, of in (('by-access-key', lambda event: event['userIdentity']['accessKeyId']), ('by-user', user))),
    'origin-agents': lambda trail: table([line[:60]] for line in table(
        counted(event['userAgent'] for event in trail.where(is_('sourceIPAddress', '192.0.2.99')))
        ).replace('/', '%2F').splitlines()),
    'failed-counts': lambda trail: table(counted(event['errorCode'] for event in trail.where(failed, between=DAY))),
    'failed-table': lambda trail: table(columns(trail.where(failed, between=HOUR),
                                                'eventTime', 'eventName', 'errorCode', 'userIdentity.arn')),
    'denied-week': lambda trail: table(counted(user(event) for event in trail.where(DENIED, between=('2026', '~')))),
    'failed-signins': lambda trail: table(columns(trail.where(is_('responseElements.ConsoleLogin', 'Failure')),
                                                  'eventTime', 'userIdentity.userName', 'sourceIPAddress', 'errorMessage')),
    'live': lambda trail: table(columns(trail.where(failed, is_('eventID', 'what-came-1')),
                                        'eventTime', 'errorCode', 'eventName', 'userIdentity.arn')),
    'event-attributes': where_from,
    'event-log': lambda trail: 'the same\n',
    'case': case,
    'lnav-install': lambda trail: None,
    'lnav-user': lambda trail: table(
        ['%s  %-20s  %-15s  %s  %s' % (event['eventTime'], event['eventName'], event['sourceIPAddress'],
                                       event['userIdentity']['arn'], event.get('errorCode', 'info'))] for event in trail.where(of=CI, between=HOURS)),
    'lnav-resource': lambda trail: 'log_time,eventName,userIdentity/arn\n' + table(
        ((lnav_time(event['eventTime']), event['eventName'], event['userIdentity']['arn']) for event in trail.where(
            writes, management, is_('requestParameters.bucketName', 'acme-invoices'))), ','),
    'lnav-origin': lambda trail: 'sourceIPAddress,min(log_time),max(log_time),count(*)\n' + table(
        address_times(trail.where(of=CI), lnav_time), ','),
    'lnav-failed': lambda trail: 'errorCode,count(*)\n' + table(
        turned(counted(event['errorCode'] for event in trail.where(failed, between=DAY))), ','),
    'events': lambda trail: '',
    'sql-user': lambda trail: table((sql_time(event['eventTime']), event['eventName'], event['sourceIPAddress'],
                                     event.get('errorCode')) for event in trail.where(of=CI, between=HOURS)),
    'sql-resource': lambda trail: table(turned(sorted(
        ((n, arn or None) for n, arn in counted(get(event, 'userIdentity', 'arn') or '' for event in trail.where(about(INVOICES)))),
        key=lambda pair: (-pair[0], pair[1] is None, pair[1])))),
    'sql-origin': lambda trail: table(address_times(trail.where(of=CI), sql_time)),
    'sql-failed': lambda trail: table(turned(counted(event['errorCode'] for event in trail.where(failed, between=DAY)))),
    'sql-csv': lambda trail: table(turned(counted(user(event) for event in trail.where(management, between=DAY))[:3])),
    'sql-many': lambda trail: table(turned(counted(event['errorCode'] for event in trail.where(failed, between=DAY)))),
    'restic-first': lambda trail: None,
    'restic-again': lambda trail: 'Files:           0 new,     0 changed,%6d unmodified\n' % len(trail.events),
    'restic-restore': restored,
}


def judge(block, source, output):
    with io.open(output, newline='') as file:
        printed = file.read()
    assert block.text in (None, printed), 'the document shows otherwise; it prints\n' + printed
    assert block.name in RIGHT, 'what is right is not known'
    right = RIGHT[block.name](Trail(source))
    assert right in (None, printed), 'it prints\n%sand right is\n%s' % (printed, right)


def main(verb, document, *rest):
    found = blocks(document)
    if verb == 'all':
        names = {block.name for other in (document, *rest) for block in blocks(other)}
        assert names == set(RIGHT), 'no block for %s' % ', '.join(sorted(set(RIGHT) - names))
        return
    if verb == 'list':
        for block in found:
            print(block.language, block.name)
    elif verb == 'code':
        print(code(found, *rest), end='')
    elif verb == 'judge':
        judge(next(block for block in found if block.name == rest[0]), *rest[1:])


try:
    main(*sys.argv[1:])
except AssertionError as error:
    sys.exit(str(error))
