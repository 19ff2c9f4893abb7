"""Those who hand out credentials, as the fault server plays them: STS, SSO, OIDC, a container endpoint, instance metadata.

Each answer issues new keys, which S3 then takes until they expire. Everything may be bent by rules: kinds STS SSO OIDC ECS IMDS.
"""
import json
import secrets
import time
import urllib.parse

import sigv4

ROLE = 'trail-role'


class Keys:
    """expires: seconds since 1970, or None; allow: kinds of requests, None: all; issued: by whom."""

    def __init__(self, secret, token=None, expires=None, allow=None, issued=None):
        self.secret, self.token, self.expires, self.allow, self.issued = secret, token, expires, allow, issued


def stamp(seconds):
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(seconds))


class Issuers:
    def __init__(self, settings, keys):
        self.settings, self.keys = settings, keys
        self.issued = 0
        self.session = None # of instance metadata

    def issue(self, by):
        self.issued += 1
        access = 'ASIA%s%05d' % (by, self.issued)
        expires = time.time() + self.settings['lifetime']
        made = Keys(secrets.token_urlsafe(30), secrets.token_urlsafe(300), expires, self.settings['issued_allow'], by)
        self.keys[access] = made
        return access, made

    def expire(self):
        for entry in self.keys.values():
            if entry.issued:
                entry.expires = time.time()

    def answer(self, request):
        """(status, content type, text)."""
        return getattr(self, request.kind.lower())(request)

    def document(self, by, **more):
        access, made = self.issue(by)
        return json.dumps({'AccessKeyId': access, 'SecretAccessKey': made.secret, 'Token': made.token,
                           'Expiration': stamp(made.expires), **more})

    # ---- instance metadata, version 2 only

    def imds(self, request):
        header = dict(request.headers)
        if request.path == '/latest/api/token':
            if request.method != 'PUT' or not header.get('x-aws-ec2-metadata-token-ttl-seconds', '').isdigit():
                return 400, 'text/plain', 'Bad Request'
            if 'transfer-encoding' in header or header.get('content-length') != '0':
                return 411, 'text/plain', 'Length Required'
            self.session = secrets.token_urlsafe(40)
            return 200, 'text/plain', self.session
        if self.session is None or header.get('x-aws-ec2-metadata-token') != self.session:
            return 401, 'text/plain', 'Unauthorized'
        folder = '/latest/meta-data/iam/security-credentials/'
        if request.path == folder:
            return 200, 'text/plain', ROLE
        if request.path == folder + ROLE:
            return 200, 'application/json', self.document('IMDS', Code='Success', Type='AWS-HMAC', LastUpdated=stamp(time.time()))
        if request.path == '/latest/meta-data/placement/region':
            return 200, 'text/plain', self.settings['region'] or 'us-east-1'
        return 404, 'text/plain', 'Not Found'

    # ---- containers

    def ecs(self, request):
        wanted = self.settings['ecs_token']
        if wanted is not None and dict(request.headers).get('authorization') != wanted:
            return 401, 'application/json', '{"code":"Unauthorized","message":"the token is wrong"}'
        return 200, 'application/json', self.document('ECS', RoleArn='arn:aws:iam::111122223333:role/' + ROLE)

    # ---- the security token service

    def sts(self, request):
        form = dict(urllib.parse.parse_qsl(request.body.decode('latin-1') or request.raw_query))
        request.note = {name: value for name, value in form.items() if name != 'WebIdentityToken'}
        action = form.get('Action')
        if action == 'AssumeRole':
            entry = sigv4.check(request, self.keys, time.time())
            if entry.issued and self.settings['no_chain']:
                raise sigv4.Refused('AccessDenied', 'not authorized to perform: sts:AssumeRole')
            if self.settings['external_id'] not in (None, form.get('ExternalId')):
                raise sigv4.Refused('AccessDenied', 'not authorized to perform: sts:AssumeRole on %s' % form.get('RoleArn'))
        elif action == 'AssumeRoleWithWebIdentity':
            if form.get('WebIdentityToken') != self.settings['web_token']:
                raise sigv4.Refused('InvalidIdentityToken', 'The web identity token is not valid', 400)
        else:
            raise sigv4.Refused('InvalidAction', 'Could not find operation %s' % action, 400)
        return 200, 'text/xml', self.assumed(action, form.get('RoleArn', ''), form.get('RoleSessionName', ''))

    def assumed(self, action, role, session):
        access, made = self.issue('STS')
        return ('<{0}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{0}Result>'
                '<AssumedRoleUser><AssumedRoleId>AROATEST:{1}</AssumedRoleId><Arn>{2}/{1}</Arn></AssumedRoleUser>'
                '<Credentials><AccessKeyId>{3}</AccessKeyId><SecretAccessKey>{4}</SecretAccessKey>'
                '<SessionToken>{5}</SessionToken><Expiration>{6}</Expiration></Credentials>'
                '</{0}Result><ResponseMetadata><RequestId>request-{3}</RequestId></ResponseMetadata></{0}Response>').format(
                    action, session, role, access, made.secret, made.token, stamp(made.expires))

    # ---- Identity Center

    def sso(self, request):
        if dict(request.headers).get('x-amz-sso_bearer_token') != self.settings['sso_token']:
            return 401, 'application/json', '{"message":"Session token not found or invalid","__type":"UnauthorizedException"}'
        access, made = self.issue('SSO')
        return 200, 'application/json', json.dumps({'roleCredentials': {
            'accessKeyId': access, 'secretAccessKey': made.secret, 'sessionToken': made.token,
            'expiration': int(made.expires * 1000)}})

    def oidc(self, request):
        try:
            asked = json.loads(request.body)
        except ValueError:
            asked = {}
        if asked.get('grantType') != 'refresh_token' or asked.get('refreshToken') != self.settings['refresh_token']:
            return 400, 'application/json', '{"error":"invalid_grant","error_description":"Invalid refresh token provided"}'
        self.settings['sso_token'] = 'sso-' + secrets.token_urlsafe(20)
        self.settings['refresh_token'] = 'refresh-' + secrets.token_urlsafe(20)
        return 200, 'application/json', json.dumps({
            'accessToken': self.settings['sso_token'], 'refreshToken': self.settings['refresh_token'],
            'expiresIn': int(self.settings['lifetime']), 'tokenType': 'Bearer'})
