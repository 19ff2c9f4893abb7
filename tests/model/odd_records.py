"""Odd trails about what records say: identities, times, values, duplicates and clashes."""

from oddkit import ACCOUNT, DROP, OTHER_ACCOUNT, by, dumps, event, event_id, log_key, trail

NO_ACCOUNT = {'recipientAccountId': DROP}
SESSION = 'arn:aws:sts::%s:assumed-role/Admin/%s'


@trail
def duplicates(t):
    """Two trails into one bucket: the same bytes, white space aside, are one event."""
    for name in 'AB':
        t.log(log_key(name), event(1), event(2), event(3))
    t.put(log_key('C'), dumps({'Records': [event(1), event(2)]}).replace(':', ' : ').replace(' : 09', ':09'))
    t.log(log_key('D', account=OTHER_ACCOUNT), event(4, userIdentity=DROP, **NO_ACCOUNT))
    t.log(log_key('E', account=ACCOUNT), event(4, userIdentity=DROP, **NO_ACCOUNT))
    t.log(log_key('F'), event(5), event(5), event(6, eventID=DROP), event(6, eventID=DROP))
    t.log(log_key('G'), event(7, eventTime=DROP), event(7, eventTime=DROP), event(7, eventTime=DROP, eventID=DROP))
    t.log(log_key('H'), '{"eventID":"e1","n":1.0}', '{"eventID":"e1", "n":1.0}', '{"eventID":"e1","n":1.00}',
          '{"n":1.0,"eventID":"e1"}')


@trail
def same_id_two_days(t):
    t.log(log_key('A'), event(1), event(1, eventTime='2025-06-20T09:00:01Z'),
          event(1, eventTime='2025-06-19T10:00:01Z'))


@trail
def clashes(t):
    """Same stem, other bytes: ~2, ~3 in key order, though the newest object comes first in time."""
    t.log(log_key('C'), event(1, userAgent='third'), event(1, userAgent='fourth'))
    t.log(log_key('A'), event(1, userAgent='first'), event(2))
    t.log(log_key('B'), event(1, userAgent='second'), event(1, userAgent='first'), event(2))
    t.log(log_key('D'), *(event(9, n=n) for n in range(12)))
    t.log(log_key('E'), event(7, eventTime='undated', n=1),
          event(8, eventTime='x', eventID=event_id(7), eventName='RunInstances', n=2))


@trail
def clashes_tilde(t):
    """Stems that themselves end in a clash number, where none is given."""
    t.log(log_key('A'), event(1, eventID='x~2'), event(2, eventID='x'), event(3, eventID='x~3'),
          event(4, eventID='~2'))


@trail
def clashes_tilde_taken(t):
    """The number that would come next is part of another event's stem."""
    same = {'eventTime': '2025-06-19T09:00:00Z', 'eventName': 'N'}
    t.log(log_key('A'), event(1, eventID='x', **same), event(2, eventID='x', **same), event(3, eventID='x~2', **same))
    t.log(log_key('B'), event(4, eventID='x~2', **same), event(5, eventID='x', **same))
    t.log(log_key('C'), event(6, eventID='y~2', **same), event(7, eventID='y', **same), event(8, eventID='y', **same))


@trail
def identities(t):
    whole = {'principalId': 'AIDAX:sess/ion', 'arn': 'arn:aws:iam::1:user/path/bob', 'accountId': ACCOUNT,
             'userName': 'bob',
             'invokedBy': 'ec2.amazonaws.com', 'onBehalfOf': {'userId': 'idc-user', 'identityStoreArn': 'arn:x/y'}}
    kinds = ('IAMUser', 'Root', 'AssumedRole', 'Role', 'FederatedUser', 'SAMLUser', 'WebIdentityUser',
             'IdentityCenterUser',
             'AWSService', 'AWSAccount', 'Directory', 'Unknown', 'root', '', None, DROP)
    n = 0
    for kind in kinds:
        for left_out in ((), ('userName',), ('arn',), ('userName', 'arn'), ('userName', 'arn', 'invokedBy'),
                         ('userName', 'arn', 'invokedBy', 'onBehalfOf'),
                         ('userName', 'arn', 'invokedBy', 'principalId', 'onBehalfOf'),
                         tuple(whole)):
            who = {name: value for name, value in whole.items() if name not in left_out}
            if kind is not DROP:
                who['type'] = kind
            t.log(log_key('%03d' % n), by(n, **who))
            n += 1


@trail
def identities_sessions(t):
    """The session name's rule, and arn and principalId without their separators."""
    t.log(log_key('A'), by(1, type='AssumedRole', arn=SESSION % (ACCOUNT, 'alice@example.com'),
                           principalId='AROA:other'),
          by(2, type='AssumedRole', arn='no-slash', principalId='AROA:after:colon'),
          by(3, type='Role', principalId='AROA:'),
          by(4, type='AssumedRole', arn='ends/', principalId='AROA:x'),
          by(5, type='AssumedRole', principalId='no-colon', accountId='1'),
          by(6, type='AssumedRole', arn='no-slash', principalId='no-colon'),
          by(7, type='AssumedRole', arn='no-slash', userName='u'),
          by(8, type='FederatedUser', arn='no-slash'), by(9, type='FederatedUser', arn='a/b/carol'),
          by(10, type='FederatedUser', userName='u'),
          by(11, type='Directory', arn='no-slash'), by(12, type='AssumedRole', arn=5, principalId=7),
          by(13, type='Root', userName='alias'),
          by(14, type='AWSService', accountId=ACCOUNT), by(15, accountId=ACCOUNT, invokedBy='rds.amazonaws.com'),
          by(16, type='IdentityCenterUser', onBehalfOf='text', accountId=ACCOUNT),
          by(17, type='AWSAccount', principalId='p'),
          by(18, type='SAMLUser', principalId='ab/c+=:x', userName='x@y.z'),
          by(19, type=['IAMUser'], invokedBy='listed'), by(20))


@trail
def identities_odd(t):
    """userIdentity is no object, or its members are of other types."""
    for n, who in enumerate((None, 'alice', 5, True, [], [{'userName': 'x'}], {})):
        t.log(log_key('%02d' % n), event(n, userIdentity=who, **NO_ACCOUNT))
    t.log(log_key('A'), event(20, userIdentity=DROP), by(21, type='IAMUser', userName=''),
          by(22, type='IAMUser', userName=None, arn=''),
          by(23, type='IAMUser', userName=False), by(24, type='IAMUser', userName=0),
          by(25, type='IAMUser', userName={'a': 1}),
          by(26, type=True, userName='x'), by(27, type=1, userName='x'), by(28, type='IAMUser', userName='_unknown'),
          by(29, type='IAMUser', userName='root'))


@trail
def roles(t):
    def session(n, /, **issuer):
        return by(n, type='AssumedRole', arn=SESSION % (ACCOUNT, 's'),
                  sessionContext={'sessionIssuer': issuer, 'attributes': {}})
    t.log(log_key('A'), session(1, type='Role', userName='Admin'), session(2, type='Root', userName='Admin'),
          session(3, userName='Admin'),
          session(4, type='Role'), session(5, type='Role', userName=''), session(6, type='IAMUser', userName='u'),
          session(7),
          by(8, type='AssumedRole', sessionContext=None),
          by(9, type='Role', sessionContext={'sessionIssuer': 'Role'}),
          by(10, type='IAMUser', userName='x', accessKeyId=''),
          by(11, type='IAMUser', userName='x', accessKeyId=None))


@trail
def resources(t):
    many = [{'type': 'T', 'ARN': 'arn:aws:s3:::bucket/key-%d' % n} for n in range(300)]
    odd = [{'ARN': 'arn:a'}, {'ARN': 'arn:a'}, {'ARNPrefix': 'arn:p/'}, {'ARN': None, 'ARNPrefix': 'arn:b'},
           {'ARN': '', 'ARNPrefix': 'arn:c'},
           {'ARN': [], 'ARNPrefix': 'arn:a'}, {'arn': 'no'}, 'arn:text', None, 5, {'ARN': 7}, {'accountId': '1'},
           [{'ARN': 'nested'}]]
    t.log(log_key('A'), event(1, resources=many), event(2, resources=odd), event(3, resources=None),
          event(4, resources={'ARN': 'no'}),
          event(5, resources='arn:no'), event(6, resources=[]),
          event(7, resources=[{'ARN': 'arn:aws:s3:::%s' % ('long/' * 200)}]),
          event(8, resources=[{'ARN': 'dup', 'ARN ': 'x'}, {'ARN': 'dup'}, {'ARN': 'dup/'}]))


@trail
def scalars(t):
    """null, numbers and booleans where strings are usual; empty strings."""
    fields = ('eventName', 'sourceIPAddress', 'eventSource', 'awsRegion', 'errorCode', 'userAgent', 'eventCategory',
              'recipientAccountId',
              'eventID')
    n = 0
    for name in fields:
        for value in (None, 5, -1.5, True, False, '', [], ['x'], {}, {'a': 'b'}):
            t.log(log_key('%03d' % n), event(n, **{name: value}))
            n += 1


@trail
def access(t):
    values = (True, False, 'true', 'false', 'True', 'FALSE', '', 'yes', None, 0, 1, [], {}, DROP)
    t.log(log_key('A'), *(event(n, readOnly=value) for n, value in enumerate(values)))
    t.log(log_key('B'), *(event(20 + n, eventCategory=DROP, managementEvent=value) for n, value in enumerate(values)))
    t.log(log_key('C'), *(event(40 + n, eventCategory=category, insightDetails=details, managementEvent=False) for n,
                          (category, details)
                          in enumerate(((DROP, {}), (DROP, None), (DROP, 'x'), (DROP, {'a': 1}), (None, {}),
                                        ('Insight', DROP), ('', {})))))


@trail
def accounts(t):
    key = log_key('A', account=OTHER_ACCOUNT)
    t.log(key, event(1), event(2, **NO_ACCOUNT),
          event(3, userIdentity={'type': 'AWSService', 'invokedBy': 'x'}, **NO_ACCOUNT),
          event(4, userIdentity=None, recipientAccountId=None), event(5, recipientAccountId=''),
          event(6, recipientAccountId=111122223333))
    t.log('loose.json', event(7, userIdentity=DROP, **NO_ACCOUNT))


@trail
def missing(t):
    """No name, no ID, nothing."""
    t.log(log_key('A'), event(1, eventID=DROP), event(2, eventName=DROP), event(3, eventID=DROP, eventName=DROP),
          event(4, eventID=None),
          event(5, eventName=None), event(6, eventID=''), event(7, eventName=''), event(8, eventID={}),
          event(9, eventId='x', eventID=DROP),
          event(10, eventID='-', eventName='-'), '{}', '{"a":1}')


@trail
def not_objects(t):
    t.log(log_key('A'), '1', '"text"', 'null', 'true', '[]', '[{"eventID":"inside"}]', '{}', '1', '1.0', '"\\u0041"',
          '"A"', '1')
    t.log('outside.json', '2', '"only"', 'false')


@trail
def times_odd(t):
    odd = ('', ' ', '2025-06-19', '2025-06-19T09:00Z', '2025-06-19T09:00:00', '2025-06-19 09:00:00Z',
           '2025-06-19t09:00:00Z',
           '2025-06-19T09:00:00z', '2025-06-19T24:00:00Z', '2025-06-19T09:60:00Z', '2025-06-19T09:00:61Z',
           '2025-02-29T09:00:00Z',
           '2025-00-10T09:00:00Z', '2025-13-10T09:00:00Z', '2025-06-31T09:00:00Z', '2025-06-00T09:00:00Z',
           '0000-06-19T09:00:00Z',
           '20250619T090000Z', '2025-06-19T09:00:00.Z', '2025-06-19T09:00:00,5Z', '2025-06-19T09:00:00+0200',
           '2025-06-19T09:00:00+02',
           '2025-06-19T09:00:00+24:00', '2025-06-19T09:00:00+02:60', '2025-06-19T09:00:00Z ', ' 2025-06-19T09:00:00Z',
           '2025-06-19T09:00:00ZZ', '+2025-06-19T09:00:00Z', '٢٠٢٥-06-19T09:00:00Z', '12025-06-19T09:00:00Z',
           '2025-6-19T9:00:00Z',
           '2025-06-19T09:00:00Z\0', '0001-01-01T00:00:00+00:01', '9999-12-31T23:59:59-00:01', '1900-02-29T00:00:00Z',
           None, 1750323600, 1750323600.5, True, [], {}, DROP)
    t.log(log_key('A'), *(event(n, eventTime=value) for n, value in enumerate(odd)))


@trail
def times_fine(t):
    fine = ('2025-06-19T09:00:60Z', '2025-06-19T23:59:60Z', '2025-06-19T09:00:00.1Z',
            '2025-06-19T09:00:00.999999999999Z',
            '2025-06-19T09:00:00+00:00', '2025-06-19T09:00:00-00:00', '2025-06-19T23:30:00-01:00',
            '2025-06-20T00:30:00+01:00',
            '2025-06-19T00:00:00+23:59', '2025-06-19T23:59:59-23:59', '2025-06-19T09:00:00.5+05:30',
            '2024-02-29T12:00:00Z',
            '2000-02-29T12:00:00Z', '2024-12-31T23:59:59-00:01', '1970-01-01T00:00:00Z', '1969-12-31T23:59:59Z',
            '1960-05-05T05:05:05Z',
            '0001-01-01T00:00:00Z', '9999-12-31T23:59:59Z', '0001-01-01T00:01:00+00:01', '2038-01-19T03:14:08Z',
            '2106-02-07T06:28:16Z')
    t.log(log_key('A'), *(event(n, eventTime=value) for n, value in enumerate(fine)))


@trail
def times_old_and_undated(t):
    """The newest of a directory that holds only times before 1970, and undated ones."""
    t.log('a.json', event(1, eventTime='1960-05-05T05:05:05Z'), event(2, eventTime='1950-01-01T00:00:00Z'),
          event(3, eventTime=DROP))


@trail
def duplicate_keys(t):
    t.log(log_key('A'), '{"eventID":"first","eventID":"last","eventName":"A","eventName":"B"}',
          '{"eventID":"k1","userIdentity":{"type":"IAMUser","userName":"gone","accessKeyId":"AK"},'
          '"userIdentity":{"type":"IAMUser"}}',
          '{"eventID":"k2","errorCode":"gone","errorCode":null,"awsRegion":null,"awsRegion":"there"}',
          '{"eventID":"k3","userIdentity":{"type":"Root","type":"IAMUser","userName":"a","userName":"b"}}',
          '{"eventID":"k4","\\u0065ventName":"escaped","eventSource":"a","event\\u0053ource":"b"}',
          '{"eventID":"k5","resources":[{"ARN":"gone"}],"resources":[{"ARN":"x","ARN":"kept"}]}',
          '{"eventID":"k6","resources":[{"ARN":"gone"}],"resources":null,'
          '"eventTime":"2025-06-19T09:00:00Z","eventTime":5}',
          '{"eventID":"k7","userIdentity":{"userName":"gone"},"userIdentity":"text"}',
          '{"eventID":"k8","insightDetails":{"eventName":"gone"},"insightDetails":{"eventSource":"kept"}}',
          '{"eventID":"k9","userIdentity":{"type":"AssumedRole","arn":"a/b",'
          '"sessionContext":{"sessionIssuer":{"type":"Role","userName":"gone"}},'
          '"sessionContext":{"sessionIssuer":{"userName":"x"}}}}',
          '{"eventid":"no","EventID":"no","eventID ":"no","eventName\\u0000":"no","eventName":"yes"}')


@trail
def escapes(t):
    texts = ('\\u0041\\u002f\\/\\\\', '\\ud83d\\ude00', '😀', '\\ud800', 'a\\udc00b', '\\ud800\\ud800\\udc00',
             '\\udc00\\ud800', '\\ud83dx',
             '\\u0000', 'a\\u0000b', '\\b\\f\\n\\r\\t\\"', '\\u00e9', '\\uffff', '\\u007f', '\\u0025', '\\u002e',
             '\\u002e\\u002e', '\\ud83d\\u0041')
    record = '{"eventID":"%s","eventName":"%s","eventTime":"2025-06-19T09:00:%02dZ","userAgent":"%s"}'
    t.log(log_key('A'), *(record % (text, text, n, text) for n, text in enumerate(texts)))
    t.log(log_key('B'), '{"eventID":"t","eventTime":"2025\\u002d06-19T09:00:00\\u005a","readOnly":"tru\\u0065"}',
          '{"eventID":"u","userIdentity":{"\\u0074ype":"IAM\\u0055ser","userName":"\\u003d\\u0026"}}')


@trail
def values_as_names(t):
    values = ('AWS Internal', 'AWS Internal/3', '.', '..', '...', '.a', 'a.', '%', '%25', '/', '//', 'a/b', ' ', '~',
              '~2', 'x' * 255, 'x' * 256,
              'x' * 1024, 'é' * 127, 'é' * 128, '€' * 100, '😀' * 64, '/' * 85, '/' * 86, 'y' * 236 + '/' * 10,
              'y' * 237 + '/' * 10,
              'y' * 237 + 'é' * 10, 'z' * 238 + '~0123456789abcdef', 'z' * 237 + '~0123456789abcdef',
              'z' * 236 + '~0123456789abcdef',
              'z' * 235 + '~0123456789abcdef', 'z' * 234 + '~0123456789abcdef', 'z' * 238 + '~0123456789abcdeF', '\x1b[31mred', 'a\nb', '\x7f',
              '\u202e', 'by-user', '@24h', 'all.json',
              'count', 'undated', '2025', '\u0000', '-', '*', 'A', 'a', 'B', 'é')
    t.log(log_key('A'), *(event(n, sourceIPAddress=value, userAgent=value) for n, value in enumerate(values)))


@trail
def long_stems(t):
    """The stem's limit is 242 bytes; the two names are encoded each on its own."""
    lengths = (100, 190, 195, 196, 197, 198, 255, 1000)
    t.log(log_key('A'), *(event(n, eventName='N' * length) for n, length in enumerate(lengths)))
    t.log(log_key('B'), *(event(10 + n, eventID='i' * length, eventName='É%/' * 20) for n,
                          length in enumerate(lengths)))
    t.log(log_key('C'), *(event(20, eventName='€' * 70 + '/' * 5 + 'x' * n, eventID='e') for n in range(8)))
    t.log(log_key('D'), *(event(21, eventName='N' * 300, eventID='same', n=n) for n in range(3)))
    t.log(log_key('E'), event(22, eventName='.lead', eventID='.lead'), event(23, eventName='a/b', eventID='..'))


@trail
def insights(t):
    def insight(n, /, **changes):
        details = {'state': 'Start', 'eventSource': 'ssm.amazonaws.com', 'eventName': 'UpdateInstanceInformation',
                   'insightType': 'ApiCallRateInsight',
                   'insightContext': {'statistics': {'baseline': {'average': 85.4}}}}
        record = {'eventVersion': '1.07', 'eventTime': '2025-06-19T10:00:%02dZ' % n, 'awsRegion': 'us-east-1',
                  'eventID': 'insight-%d' % n,
                  'eventType': 'AwsCloudTrailInsight', 'recipientAccountId': ACCOUNT, 'insightDetails': details,
                  'eventCategory': 'Insight'}
        record.update(changes)
        return {name: value for name, value in record.items() if value is not DROP}
    t.log(log_key('A', folder='CloudTrail-Insight'), insight(1), insight(2, eventCategory=DROP),
          insight(3, eventName='own'),
          insight(4, eventName=None), insight(5, eventName=''), insight(6, insightDetails=[{'eventName': 'x'}]),
          insight(7, insightDetails={}))


@trail
def network_activity(t):
    t.log(log_key('A', folder='CloudTrail-NetworkActivity'),
          event(1, eventType='AwsVpceEvents', eventCategory='NetworkActivity', errorCode='VpceAccessDenied',
                vpcEndpointId='vpce-1',
                userIdentity={'type': 'AWSAccount', 'principalId': 'AIDA', 'accountId': OTHER_ACCOUNT}))


@trail
def aggregated(t):
    """Another schema altogether, in both wrappers."""
    record = {'eventVersion': '1.0', 'accountId': ACCOUNT, 'eventId': 'agg-1', 'eventCategory': 'Aggregated',
              'eventType': 'AwsAggregatedEvent',
              'awsRegion': 'us-east-1', 'eventSource': 's3.amazonaws.com',
              'timeWindow': {'windowStart': '2025-06-19T09:00:00Z', 'windowEnd': '2025-06-19T09:05:00Z',
                             'windowSize': 'PT5M'},
              'summary': {'primaryDimension': {'dimension': 'x', 'statistics': [{'name': 'n', 'value': 3}]},
                          'details': []}}
    t.log(log_key('A', folder='CloudTrail-Aggregated'), record)
    t.put(log_key('B', folder='CloudTrail-Aggregated'), dumps([dict(record, eventId='agg-2'), record]))
