"""Records and objects that ordinary programs trip over."""
from trail.bucket import compress
from trail.world import render

# (eventName, userIdentity, members that differ from BASE; a value of ABSENT takes the member out)
ABSENT = object()
BASE = {
    "eventVersion": "1.08", "eventTime": "<<time>>", "eventSource": "s3.amazonaws.com", "awsRegion": "<<region>>",
    "sourceIPAddress": "198.51.100.7", "userAgent": "curl/8.5.0", "requestParameters": None, "responseElements": None,
    "requestID": "<<request>>", "eventID": "<<event>>", "readOnly": True, "eventType": "AwsApiCall",
    "managementEvent": True, "recipientAccountId": "<<account>>", "eventCategory": "Management",
}
STORE = "arn:aws:identitystore::<<account>>:identitystore/d-9067000000"
IDENTITIES = [
    {"type": "IdentityCenterUser", "accountId": "<<account>>", "credentialId": "EXAMPLEVHULjJdTUdPJfofVa1sufHDo", "onBehalfOf":
     {"userId": "544894e8-80c1-707f-60e3-3ba6510dfac1", "identityStoreArn": STORE}},
    {"type": "IdentityCenterUser", "accountId": "<<account>>", "credentialId": "EXAMPLE"},
    {"type": "SAMLUser", "principalId": "cT0qRk9v/+2s=:_c3d1f0", "userName": "zoë@example.com",
     "identityProvider": "https://idp.example.com/saml"},
    {"type": "WebIdentityUser", "principalId": "accounts.google.com:app/1:user", "userName": "user/1",
     "identityProvider": "accounts.google.com"},
    {"type": "FederatedUser", "principalId": "<<account>>:Nikki", "accountId": "<<account>>",
     "arn": "arn:aws:sts::<<account>>:federated-user/Nikki", "accessKeyId": "ASIAEXAMPLE", "sessionContext":
     {"sessionIssuer": {"type": "IAMUser", "userName": "alice"}}},
    {"type": "Role", "arn": "arn:aws:sts::<<account>>:assumed-role/r/a session", "sessionContext":
     {"sessionIssuer": {"type": "Role", "userName": "r"}}},
    {"type": "AssumedRole", "principalId": "AROAEXAMPLE:no-arn"},
    {"type": "AssumedRole", "principalId": "AROAEXAMPLE"},
    {"type": "AWSAccount", "principalId": "AIDAEXAMPLE", "accountId": "999988887777"},
    {"type": "AWSService", "invokedBy": "sso.amazonaws.com"},
    {"accountId": "<<account>>", "invokedBy": "secretsmanager.amazonaws.com"},
    {"type": "Unknown", "principalId": "<<account>>", "userName": "someone"},
    {"type": "Unknown"},
    {"type": "Directory", "arn": "arn:aws:ds::<<account>>:directory/d-1/user"},
    {"type": "IAMUser", "accountId": "<<account>>", "accessKeyId": "", "userName": "HIDDEN_DUE_TO_SECURITY_REASONS"},
    {"type": "IAMUser", "userName": "../../etc/passwd"}, {"type": "IAMUser", "userName": ".."},
    {"type": "IAMUser", "userName": ".hidden"}, {"type": "IAMUser", "userName": ""},
    {"type": "IAMUser", "userName": "100%2F"}, {"type": "IAMUser", "userName": "tab\there\x1b[31m\x00end"},
    {"type": "IAMUser", "userName": "\U0001f98a fox \u00e9"}, {"type": "IAMUser", "userName": "long" * 100},
    {"type": "IAMUser", "userName": 7, "accountId": 123}, {"type": None, "userName": "typeless"}, "a string", None,
]
RECORDS = [
    {"sourceIPAddress": "2001:db8::1"}, {"sourceIPAddress": "AWS Internal/3", "userAgent": "AWS Internal/3"},
    {"userAgent": "Mozilla/5.0 " + "(compatible; filler/1.0) " * 30}, {"userAgent": ""}, {"readOnly": "false"},
    {"readOnly": None}, {"eventCategory": ABSENT, "managementEvent": ABSENT, "eventVersion": "1.02"},
    {"eventCategory": ABSENT, "managementEvent": False}, {"eventID": ABSENT}, {"eventTime": ABSENT},
    {"eventTime": "yesterday"}, {"eventTime": "2025-02-30T00:00:00Z"}, {"eventTime": "2025-06-18T01:30:00+02:00"},
    {"eventName": ABSENT}, {"eventName": "Odd/Name 100%"}, {"eventName": "x" * 300}, {"requestParameters": "a string"},
    {"resources": None}, {"resources": [{"ARNPrefix": "arn:aws:s3:::b/p/", "type": "AWS::S3::Object"}, 3,
                                        {"ARN": "arn:aws:s3:::b"}, {"ARN": "arn:aws:s3:::b"}]},
    {"addendum": {"reason": "UPDATED_DATA", "updatedFields": "userAgent", "originalEventID": "<<shared>>"}},
    {"errorCode": "Client.InvalidParameterValue", "errorMessage": "a \"quoted\" \\ message\nof two lines"},
    {"additionalEventData": {"bytesTransferredIn": "<<=real>>", "deep": [[[[[[{}]]]]]], "e": []}},
]
# What no dict can say: duplicate and escaped keys, odd numbers, lone surrogates, elements that are no objects.
RAW = [
    b'{"eventTime":"%(time)b","eventName":"First","eventID":"%(event)b","eventName":"Second","userIdentity":{"userName":"a"},'
    b'"userIdentity":{"type":"IAMUser","userName":"b"}}',
    b'{ "event\\u0054ime" : "%(time)b" ,\n "eventName":"Spac\\u0065d", "eventID":"%(event)b",\t"n":[-0.0,1E+5,'
    b'123456789012345678901234567890],"s":"\\ud83e\\udd8a \\ud800 \\u0000 \\/" }',
    b'{}', b'{"message":"no known field"}', b'42', b'null', b'"just a string"', b'[]',
]


def templates():
    """Every odd record, with %(account)b still to fill in."""
    made = []
    for number, identity in enumerate(IDENTITIES):
        made.append(render(dict(BASE, eventName="Identity%02d" % number, userIdentity=identity)))
    for number, members in enumerate(RECORDS):
        record = dict(BASE, eventName="Record%02d" % number, userIdentity={"type": "IAMUser", "userName": "odd"})
        record.update(members)
        made.append(render({key: value for key, value in record.items() if value is not ABSENT}))
    return made + RAW


def clashing(record):
    """The record twice, once with more white space, and two of the same name with other bytes."""
    return [record, record.replace(b'":', b'" : '), record[:-1] + b',"annotation":"1"}', record[:-1] + b',"annotation":"2"}']


def enlarge(record, size):
    """The record with a requestParameters-like member of about size bytes."""
    statement = b'{\\n  \\"Effect\\": \\"Allow\\",\\n  \\"Action\\": \\"s3:Get*\\"\\n},'
    return record[:-1] + b',"serviceEventDetails":{"policyDocument":"%b"}}' % (statement * (size // len(statement)))


def flip(data, position):
    return data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1:]


# Each makes a damaged object of a good one's inflated bytes.
DAMAGE = [
    lambda body: compress(body)[:-40],
    lambda body: flip(compress(body), -6),
    lambda body: flip(compress(body), len(compress(body)) // 2),
    lambda body: compress(body) + b"more",
    lambda body: compress(body) + compress(b'{"Records":[]}'),
    lambda body: b"",
    lambda body: body,
    lambda body: compress(b""),
    lambda body: compress(body[:-1]),
    lambda body: compress(body + b"]"),
    lambda body: compress(b"<Error><Code>AccessDenied</Code></Error>"),
    lambda body: compress(b'{"message":"no log"}'),
    lambda body: compress(body.replace(b'"eventName":"', b'"eventName":"\n', 1)),
    lambda body: compress(body.replace(b'"eventName":"', b'"eventName":"\xff', 1)),
    lambda body: compress(b"\xef\xbb\xbf" + body),
    lambda body: compress(b'{"Records":' + b"[" * 3000 + b"]" * 3000 + b"}"),
    lambda body: compress(body + body),
]
