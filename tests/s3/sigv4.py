"""AWS Signature Version 4, both ways: signs requests, and checks those that came by the bytes on the wire.

S3 signs the path as it is sent; the other services sign it percent-encoded once more. See docs.aws.amazon.com,
"Create a signed AWS API request", and for S3 "Authenticating Requests: Using the Authorization Header".
"""
import datetime
import functools
import hashlib
import hmac
import re
import urllib.parse

EMPTY = hashlib.sha256(b'').hexdigest()
AUTHORIZATION = re.compile(r'AWS4-HMAC-SHA256 +Credential=([^,]+), *SignedHeaders=([^,]+), *Signature=([0-9a-f]{64})$')
SKEW = 900


class Refused(Exception):
    """code: as S3 says it."""

    def __init__(self, code, message, status=403, **more):
        super().__init__(message)
        self.code, self.message, self.status, self.more = code, message, status, more


def encode(text, safe=''):
    """Percent-encoding as AWS wants it: all but the unreserved characters, in upper case."""
    return urllib.parse.quote(text, safe=safe + '-_.~')


def canonical_query(raw):
    """The query on the wire, sorted. What is not encoded as AWS encodes it gives another signature: as it should."""
    pairs = []
    for part in raw.split('&') if raw else []:
        name, _, value = part.partition('=')
        pairs.append((encode(urllib.parse.unquote_to_bytes(name)), encode(urllib.parse.unquote_to_bytes(value))))
    return '&'.join('%s=%s' % pair for pair in sorted(pairs))


def canonical_request(method, raw_path, raw_query, headers, payload_hash, service='s3'):
    """headers: (name in lower case, value) in any order, those that are signed."""
    path = raw_path if service == 's3' else encode(raw_path, '/')
    by_name = {}
    for name, value in headers:
        by_name.setdefault(name, []).append(' '.join(value.split()))
    names = sorted(by_name)
    lines = ''.join('%s:%s\n' % (name, ','.join(by_name[name])) for name in names)
    return '\n'.join((method, path, canonical_query(raw_query), lines, ';'.join(names), payload_hash))


@functools.lru_cache(1024)
def signing_key(secret, day, region, service):
    key = ('AWS4' + secret).encode()
    for part in (day, region, service, 'aws4_request'):
        key = hmac.digest(key, part.encode(), 'sha256')
    return key


def signature(secret, date, region, service, canonical):
    scope = '/'.join((date[:8], region, service, 'aws4_request'))
    hashed = hashlib.sha256(canonical.encode('latin-1')).hexdigest()
    text = '\n'.join(('AWS4-HMAC-SHA256', date, scope, hashed))
    return hmac.digest(signing_key(secret, date[:8], region, service), text.encode(), 'sha256').hex()


def seconds_of(date):
    try:
        parsed = datetime.datetime.strptime(date, '%Y%m%dT%H%M%SZ')
    except ValueError:
        raise Refused('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header')
    return parsed.replace(tzinfo=datetime.timezone.utc).timestamp()


def sign(method, host, raw_path, raw_query, access_key, secret, body=b'', region='us-east-1', service='s3', token=None,
         headers=(), now=None):
    """The headers to send besides Host, as a dictionary. headers: further ones, signed too."""
    when = now or datetime.datetime.now(datetime.timezone.utc)
    date = when.strftime('%Y%m%dT%H%M%SZ')
    payload = hashlib.sha256(body).hexdigest()
    sent = {'x-amz-date': date, 'x-amz-content-sha256': payload, **{name.lower(): value for name, value in headers}}
    if token:
        sent['x-amz-security-token'] = token
    signed = [('host', host), *sent.items()]
    canonical = canonical_request(method, raw_path, raw_query, signed, payload, service)
    sent['Authorization'] = 'AWS4-HMAC-SHA256 Credential=%s/%s/%s/%s/aws4_request,SignedHeaders=%s,Signature=%s' % (
        access_key, date[:8], region, service, ';'.join(sorted(name for name, _ in signed)),
        signature(secret, date, region, service, canonical))
    return sent


def check(request, keys, now, region=None, skew=SKEW):
    """Raises Refused, or gives the keys' entry: what the request was signed with.

    request: method, raw_path, raw_query, headers (pairs, names in lower case), body. keys: access key ->
    object with secret, token, expires. region: the only one that is right, or None.
    """
    header = dict(request.headers)
    match = AUTHORIZATION.match(header.get('authorization', ''))
    if not match:
        raise Refused('InvalidArgument', 'Unsupported Authorization Type', 400)
    scope = match[1].split('/')
    names = match[2].split(';')
    if len(scope) != 5 or scope[4] != 'aws4_request' or scope[3] not in ('s3', 'sts'):
        raise Refused('AuthorizationHeaderMalformed', 'The credential scope is wrong: %s' % match[1], 400)
    access, day, used_region, service, _ = scope
    must_be_signed(request.headers, names)
    payload = header.get('x-amz-content-sha256', EMPTY)
    if service == 's3':
        check_payload(header, request.body)
    else:
        payload = hashlib.sha256(request.body).hexdigest()
    if access not in keys:
        raise Refused('InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.')
    entry = keys[access]
    canonical = canonical_request(request.method, request.raw_path, request.raw_query,
                                  [(name, value) for name, value in request.headers if name in names], payload, service)
    date = header.get('x-amz-date', '')
    wanted = signature(entry.secret, date, used_region, service, canonical)
    if not hmac.compare_digest(wanted, match[3]) or date[:8] != day:
        raise Refused('SignatureDoesNotMatch', 'The request signature we calculated does not match the signature you provided. '
                      'Check your key and signing method.', CanonicalRequest=canonical)
    if abs(seconds_of(date) - now) > skew:
        raise Refused('RequestTimeTooSkewed',
                      'The difference between the request time and the current time is too large.',
                      RequestTime=date, MaxAllowedSkewMilliseconds=str(int(skew * 1000)))
    check_token(entry, header.get('x-amz-security-token'), now)
    if region and service == 's3' and used_region != region:
        raise Refused('AuthorizationHeaderMalformed', "The authorization header is malformed; the region '%s' is wrong; "
                      "expecting '%s'" % (used_region, region), 400, Region=region)
    return entry


def must_be_signed(headers, names):
    """Host and all x-amz-*, which is what S3 insists on; and no header twice, which ours never needs."""
    if names != sorted(set(names)):
        raise Refused('SignatureDoesNotMatch', 'SignedHeaders are not sorted')
    seen = set()
    for name, _ in headers:
        if name in seen and name in names:
            raise Refused('AccessDenied', 'The header %s was sent twice' % name)
        seen.add(name)
        if (name == 'host' or name.startswith('x-amz-')) and name not in names:
            raise Refused('AccessDenied', 'There were headers present in the request which were not signed',
                          HeadersNotSigned=name)
    for name in names:
        if name not in seen:
            raise Refused('SignatureDoesNotMatch', 'The signed header %s was not sent' % name)


def check_payload(header, body):
    said = header.get('x-amz-content-sha256')
    if said is None:
        raise Refused('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256', 400)
    if said != 'UNSIGNED-PAYLOAD' and said != hashlib.sha256(body).hexdigest():
        raise Refused('XAmzContentSHA256Mismatch', 'The provided x-amz-content-sha256 does not match.', 400)


def check_token(entry, token, now):
    if token != entry.token:
        raise Refused('InvalidToken', 'The provided token is malformed or otherwise invalid.', 400)
    if entry.expires is not None and now >= entry.expires:
        raise Refused('ExpiredToken', 'The provided token has expired.', 400)
