"""The bucket's side: keys, stamps and objects."""
import calendar
import json
import os
import time
import zlib

SLOT = 300  # CloudTrail's stamps are multiples of five minutes
HOUR = 3600
DAY = 86400
ALNUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
CLOCK = [b"T%02d:%02d:%02dZ" % (s // HOUR, s // 60 % 60, s % 60) for s in range(DAY)]


def stamp(seconds, form="%Y%m%dT%H%MZ"):
    return time.strftime(form, time.gmtime(seconds))


def iso(seconds, days={}):
    day, second = divmod(seconds, DAY)
    if day not in days:
        days[day] = stamp(day * DAY, "%Y-%m-%d").encode()
    return days[day] + CLOCK[second]


def parse_day(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%d"))


def document(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def compress(data, level=6):
    """One gzip member with no time in it: the same bytes for the same input, always."""
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


class Totals:
    def __init__(self):
        self.objects = self.events = self.stored = self.inflated = self.other = self.damaged = 0

    def add(self, other):
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def __str__(self):
        text = "%d objects, %d events, %d bytes inflated, %d bytes stored" % (
            self.objects, self.events, self.inflated, self.stored)
        for word in ("other", "damaged"):
            if getattr(self, word):
                text += ", %d %s objects" % (getattr(self, word), word)
        return text


class Bucket:
    """Writes objects under one directory and counts what it wrote."""

    def __init__(self, root, prefix="", organization="", level=6):
        self.root = root
        self.prefix = prefix + "/" if prefix else ""
        self.base = self.prefix + "AWSLogs/" + (organization + "/" if organization else "")
        self.level = level
        self.totals = Totals()
        self.made = set()

    def put(self, key, data, seconds):
        path = os.path.join(self.root, key)
        folder = os.path.dirname(path)
        if folder not in self.made:
            os.makedirs(folder, exist_ok=True)
            self.made.add(folder)
        with open(path, "wb", 0) as file:
            file.write(data)
        os.utime(path, (seconds, seconds))
        self.totals.stored += len(data)

    def key(self, account, folder, region, seconds, name):
        return "%s%s/%s/%s/%s/%s" % (self.base, account, folder, region, stamp(seconds, "%Y/%m/%d"), name)

    def log_key(self, rng, account, region, seconds, folder="CloudTrail"):
        unique = "".join(rng.choices(ALNUM, k=16))
        name = "%s_%s_%s_%s_%s.json.gz" % (account, folder, region, stamp(seconds), unique)
        return self.key(account, folder, region, seconds, name)

    def put_log(self, key, records, delivered, array=False):
        """records: list of bytes. Returns the inflated object."""
        body = b",".join(records)
        body = b"[%b]" % body if array else b'{"Records":[%b]}' % body
        self.put(key, compress(body, self.level), delivered)
        self.totals.objects += 1
        self.totals.events += len(records)
        self.totals.inflated += len(body)
        return body

    def put_other(self, key, data, seconds):
        self.put(key, data, seconds)
        self.totals.other += 1

    def put_damaged(self, key, data, seconds):
        self.put(key, data, seconds)
        self.totals.damaged += 1
