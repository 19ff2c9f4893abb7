"""The faults: rules that are matched with requests, in their order; the first that fits says what happens.

A rule is a JSON object. Which requests:
    kind      LIST GET HEAD STS IMDS ECS SSO OIDC OTHER, or a list of them
    path      these characters are in the decoded path; query: in the query as sent
    access_key  that signed
    skip      so many that fit are left alone first; times: so many are then hit (all); every: each n-th of them (1)
What happens:
    status, code, message, headers, body    another answer: an error document, or the body given
    glue      an error document after so many bytes of the right body, under its status; -1: in its place
    redirect  status 301, 302, 307 with headers as given and an error document
    delay     seconds before the answer; hang: no answer ever; reset, close: the connection ends instead of one
    drop_after, stall_after    so many bytes of the body, then the connection ends (how: "reset" or "fin"), or nothing
    drip      bytes a second
    length    is added to Content-Length; chunked, no_length: neither says how long the body is, the latter until the end
    cut       the body lacks so many bytes at its end, and Content-Length says so
    etag      another one in the header; flip: the byte at this place is another
    kms       encrypted with a key of KMS, the answer says: so the ETag is not the MD5 of the bytes
    ignore_range, content_range: the whole object as 200; another such header
    hang_up   the connection is closed after the answer, unannounced
    listing   what the page is like, see store.py: loop endless empty_page no_token backwards bomb namespace key_count page size
              no_encoding
"""


class Rule:
    def __init__(self, wishes):
        self.wishes = wishes
        kind = wishes.get('kind')
        self.kinds = {kind} if isinstance(kind, str) else set(kind or ())
        self.seen = self.hit = 0

    def fits(self, request):
        wishes = self.wishes
        return ((not self.kinds or request.kind in self.kinds) and wishes.get('path', '') in request.path and
                wishes.get('query', '') in request.raw_query and
                wishes.get('access_key', request.access_key) == request.access_key)

    def takes(self, request):
        wishes = self.wishes
        if 'times' in wishes and self.hit >= wishes['times'] or not self.fits(request):
            return False
        self.seen += 1
        if self.seen <= wishes.get('skip', 0) or (self.seen - wishes.get('skip', 0)) % wishes.get('every', 1):
            return False
        self.hit += 1
        return True


class Rules:
    def __init__(self):
        self.rules = []

    def replace(self, wishes):
        self.rules = [Rule(one) for one in wishes]

    def add(self, wishes):
        self.rules.append(Rule(wishes))

    def match(self, request):
        """What is to happen: a dictionary, empty where nothing is."""
        for rule in self.rules:
            if rule.takes(request):
                return rule.wishes
        return {}

    def hits(self):
        return [rule.hit for rule in self.rules]
