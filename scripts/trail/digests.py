"""CloudTrail's hourly digest files: what was delivered, each linked to the one before."""
import bisect
import hashlib
import random
import re

from trail.bucket import HOUR, compress, document, iso, stamp

TRAILS = ("management-events", "cluster")
HOME = "us-east-1"
BUCKET = "acme-trail-logs"
EVENT_TIME = re.compile(rb'"eventTime":"([0-9TZ:-]{20})"')


class Digests:
    """Remembers what each trail delivered in one account and region, then writes the chain."""

    def __init__(self, bucket, seed, account, region):
        self.bucket, self.seed, self.account, self.region = bucket, seed, account, region
        self.delivered = [[], []]

    def note(self, key, body, delivered, trail):
        times = EVENT_TIME.findall(body)
        bounds = [min(times).decode(), max(times).decode()] if times else []
        self.delivered[trail].append((delivered, key, hashlib.sha256(body).hexdigest(), bounds))

    def signature(self, key):
        """Looks like an RSA signature; there is no key to it."""
        return random.Random("%s/%s" % (self.seed, key)).randbytes(256).hex()

    def key(self, trail, end):
        name = "%s_CloudTrail-Digest_%s_%s_%s_%s.json.gz" % (
            self.account, self.region, TRAILS[trail], HOME, stamp(end, "%Y%m%dT%H%M%SZ"))
        return self.bucket.key(self.account, "CloudTrail-Digest", self.region, end, name)

    def write(self, trail, first, last):
        """One digest for each hour between the two times, empty hours too."""
        logs = sorted(self.delivered[trail])
        whens = [log[0] for log in logs]
        previous = None
        for start in range(first + 3216 - HOUR, last + HOUR, HOUR):
            here = logs[bisect.bisect_left(whens, start):bisect.bisect_left(whens, start + HOUR)]
            previous = self.write_hour(trail, start, here, previous)

    def write_hour(self, trail, start, logs, previous):
        """previous: (key, hash) of the digest before. Returns this one's."""
        key = self.key(trail, start + HOUR)
        times = [bound for log in logs for bound in log[3]]
        before, before_hash = previous or (None, None)
        body = document({
            "awsAccountId": self.account, "digestStartTime": iso(start).decode(),
            "digestEndTime": iso(start + HOUR).decode(), "digestS3Bucket": BUCKET, "digestS3Object": key,
            "digestPublicKeyFingerprint": hashlib.sha256(self.region.encode()).hexdigest()[:32],
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": max(times, default=None), "oldestEventTime": min(times, default=None),
            "previousDigestS3Bucket": BUCKET if before else None, "previousDigestS3Object": before,
            "previousDigestHashValue": before_hash, "previousDigestHashAlgorithm": "SHA-256" if before else None,
            "previousDigestSignature": self.signature(before) if before else None,
            "logFiles": [{"s3Bucket": BUCKET, "s3Object": log_key, "hashValue": value, "hashAlgorithm": "SHA-256",
                          "newestEventTime": bounds[-1] if bounds else None,
                          "oldestEventTime": bounds[0] if bounds else None}
                         for _, log_key, value, bounds in logs]})
        self.bucket.put_other(key, compress(body), start + HOUR + 462)
        return key, hashlib.sha256(body).hexdigest()
