"""What an event says: its time and the values it has in each view."""

import re
from datetime import datetime, timedelta

EPOCH = datetime(1970, 1, 1)
TIME = re.compile(r'([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?'
                  r'(?:Z|([+-])([0-9]{2}):([0-9]{2}))')


def scalar(value):
    """The bytes of a string, a number or a boolean; None for everything else."""
    if isinstance(value, str):
        return value.encode('utf-8', 'surrogatepass')
    if value is True:
        return b'true'
    if value is False:
        return b'false'
    return None


def objects_of(value, *path):
    """The object at a path of members; an empty one where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def event_time(record):
    """Seconds since 1970, or None where it cannot be read."""
    text = record.get('eventTime')
    match = TIME.fullmatch(text) if type(text) is str else None
    if not match:
        return None
    year, month, day, hour, minute, second = (int(group) for group in match.group(1, 2, 3, 4, 5, 6))
    if second == 60:
        second = 59
    try:
        moment = datetime(year, month, day, hour, minute, second)
        if match[7]:
            ahead = int(match[8]), int(match[9])
            if ahead[0] > 23 or ahead[1] > 59:
                return None
            ahead = timedelta(hours=ahead[0], minutes=ahead[1])
            moment = moment - ahead if match[7] == '+' else moment + ahead
    except (ValueError, OverflowError):
        return None
    return (moment - EPOCH) // timedelta(seconds=1)


def day_and_clock(time):
    if time is None:
        return 'undated', '000000'
    moment = EPOCH + timedelta(seconds=time)
    return ('%04d/%02d/%02d' % (moment.year, moment.month, moment.day),
            '%02d%02d%02d' % (moment.hour, moment.minute, moment.second))


def after_slash(arn):
    return arn.rpartition(b'/')[2] if arn is not None and b'/' in arn else None


def first_present(*values):
    return next((value for value in values if value is not None), None)


def session_name(who):
    arn, principal = scalar(who.get('arn')), scalar(who.get('principalId'))
    after_colon = principal.partition(b':')[2] if principal is not None and b':' in principal else None
    return first_present(after_slash(arn), after_colon)


ACTORS = {
    b'IAMUser': lambda who: scalar(who.get('userName')),
    b'Root': lambda who: b'root',
    b'AssumedRole': session_name,
    b'Role': session_name,
    b'FederatedUser': lambda who: after_slash(scalar(who.get('arn'))),
    b'SAMLUser': lambda who: scalar(who.get('userName')),
    b'WebIdentityUser': lambda who: scalar(who.get('userName')),
    b'IdentityCenterUser': lambda who: scalar(objects_of(who, 'onBehalfOf').get('userId')),
    b'AWSService': lambda who: scalar(who.get('invokedBy')),
    None: lambda who: scalar(who.get('invokedBy')),
    b'AWSAccount': lambda who: scalar(who.get('accountId')),
}


def actor(who):
    rule = ACTORS.get(scalar(who.get('type')), lambda who: None)
    arn = scalar(who.get('arn'))
    last_of_arn = None if arn is None else arn.rpartition(b'/')[2]
    return first_present(rule(who), scalar(who.get('userName')), last_of_arn, scalar(who.get('invokedBy')),
                         scalar(who.get('principalId')), scalar(who.get('accountId')), b'_unknown')


def own_or_insight(record, name):
    return first_present(scalar(record.get(name)), scalar(objects_of(record, 'insightDetails').get(name)))


def role(who):
    issuer = objects_of(who, 'sessionContext', 'sessionIssuer')
    return scalar(issuer.get('userName')) if issuer.get('type') == 'Role' else None


def resources(record):
    listed = record.get('resources')
    found = []
    for resource in listed if isinstance(listed, list) else ():
        if isinstance(resource, dict):
            value = first_present(scalar(resource.get('ARN')), scalar(resource.get('ARNPrefix')))
            if value is not None and value not in found:
                found.append(value)
    return found


def category(record):
    written = scalar(record.get('eventCategory'))
    if written is not None:
        return written
    if isinstance(record.get('insightDetails'), dict):
        return b'Insight'
    return b'Data' if scalar(record.get('managementEvent')) == b'false' else b'Management'


def access(record):
    return {b'true': b'read', b'false': b'write'}.get(scalar(record.get('readOnly')))


# In the order of the root's listing. Each rule: (record, its userIdentity, the key's account) -> value or None.
VIEWS = {
    'by-user': lambda record, who, account: actor(who),
    'by-event': lambda record, who, account: own_or_insight(record, 'eventName'),
    'by-ip': lambda record, who, account: scalar(record.get('sourceIPAddress')),
    'by-service': lambda record, who, account: own_or_insight(record, 'eventSource'),
    'by-account': lambda record, who, account: first_present(
        scalar(record.get('recipientAccountId')), scalar(who.get('accountId')), account),
    'by-region': lambda record, who, account: scalar(record.get('awsRegion')),
    'by-role': lambda record, who, account: role(who),
    'by-access-key': lambda record, who, account: scalar(who.get('accessKeyId')),
    'by-error': lambda record, who, account: scalar(record.get('errorCode')),
    'by-resource': lambda record, who, account: resources(record),
    'by-type': lambda record, who, account: scalar(who.get('type')),
    'by-category': lambda record, who, account: category(record),
    'by-access': lambda record, who, account: access(record),
    'by-agent': lambda record, who, account: scalar(record.get('userAgent')),
}


def values_of(record, account):
    """[(view, value bytes)] of a record (a dict; an empty one for what is not an object)."""
    who = objects_of(record, 'userIdentity')
    found = []
    for view, rule in VIEWS.items():
        value = rule(record, who, account)
        for one in value if isinstance(value, list) else (value,):
            if one is not None:
                found.append((view, one))
    return found
