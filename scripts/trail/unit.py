"""One account and region, all its days: the unit of work. The fast way from templates to objects."""
import random
import struct

from trail import digests, extras, story, world
from trail.bucket import DAY, SLOT, Bucket, iso

UUID = struct.Struct("8s4s3s3s12s")


def share(total, index, count):
    """What part index of count gets of total, so that the parts sum to it."""
    return total * (index + 1) // count - total * index // count


def sizes(rng, count, total):
    """count sizes, long-tailed as those of real objects, that sum to total."""
    if not count:
        return []
    weights = [rng.lognormvariate(0, 0.9 if total < 100 * count else 0.3) for _ in range(count)]
    scale = max(0, total - count) / sum(weights)
    made = [1 + int(weight * scale) for weight in weights]
    missing = total - sum(made)
    for index in rng.choices(range(count), k=missing) if missing > 0 else range(-missing):
        made[index] += 1 if missing > 0 else -1
    return made


def split(objects, events, two_trails):
    """(objects of the first trail, their copies by the second, data objects, events of the first trail)."""
    copies = max(1, round(objects * 0.22)) if two_trails and objects > 1 else 0
    first = max(copies, round(objects * (0.25 if two_trails else 0.35)), min(objects, 1))
    data = objects - first - copies
    if not data:
        return first, copies, data, events - events * copies // max(objects, 1)
    return first, copies, data, events * first // objects


def uuids(rng, count):
    text = rng.randbytes(15 * count).hex().encode()
    return [b"%b-%b-4%b-a%b-%b" % parts for parts in UUID.iter_unpack(text)]


def delivery(rng, stamped):
    """When an object with this stamp appears: 295 s before it to 1,109 s after it."""
    middle = rng.gauss(-9, 150) if rng.random() < 0.92 else rng.uniform(200, 1109)
    return int(stamped + min(1109, max(-295, middle)))


class Unit:
    def __init__(self, options, account, region):
        self.options, self.account, self.region = options, account, region
        self.rng = random.Random("%s/%s/%s" % (options.seed, account, region))
        self.bucket = Bucket(options.directory, options.prefix, options.organization_id, options.level)
        self.digests = None
        if options.digests:
            self.digests = digests.Digests(self.bucket, options.seed, account, region)
        people = random.Random("%s/%s" % (options.seed, account))  # the same ones in all regions
        if options.demo:
            self.management, self.data = story.templates(people, account)
        else:
            self.management, self.data = world.templates(people, account, bool(options.addresses))

    def first_of_account(self):
        return self.region == self.options.region_list[0]

    def first(self):
        return self.first_of_account() and self.account == self.options.account_list[0]

    def records(self, pool, times):
        """One record for each of times, in their order."""
        rng = self.rng
        count = len(times)
        requests, events = uuids(rng, count), uuids(rng, count)
        noise = rng.randbytes(16 * count).hex().encode()
        region, addresses, visitor = self.region.encode(), self.options.addresses, b""
        made = []
        for index, (second, template) in enumerate(zip(times, rng.choices(pool, k=count))):
            number = noise[32 * index:32 * index + 32]
            when = iso(second)
            short = int(number[:4], 16)
            if addresses:
                visitor = world.visitor(int(number[4:12], 16) % addresses)
            made.append(template % {
                b"time": when, b"day": when[:10], b"region": region, b"request": requests[index],
                b"event": events[index], b"shared": events[index][:24] + requests[index][24:], b"hex": number, b"hex16": number[:16],
                b"key": number[16:].upper(), b"num": b"%d" % (short % 5000), b"real": b"%d.0" % (short * 7), b"visitor": visitor})
        return made

    def times(self, stamped, count):
        """Event times of an object: 0 to 608 s before its stamp, median about 190 s; one in four not in order."""
        rng = self.rng
        end = stamped - int(308 * rng.random() ** 3)
        times = sorted(end - int(SLOT * rng.random()) for _ in range(count))
        if count > 1 and rng.random() < 0.27:
            first, second = rng.randrange(count), rng.randrange(count)
            times[first], times[second] = times[second], times[first]
        return times

    def deliver(self, stamped, records, trail=0, folder="CloudTrail", array=False):
        key = self.bucket.log_key(self.rng, self.account, self.region, stamped, folder)
        when = delivery(self.rng, stamped)
        body = self.bucket.put_log(key, records, when, array)
        if self.digests and folder == "CloudTrail":
            self.digests.note(key, body, when, trail)

    def write_management(self, day, objects, copies, events):
        """Management events, and the same records again in the second trail's objects. Returns how many."""
        stamps = sorted(day + SLOT * self.rng.randrange(DAY // SLOT) for _ in range(objects))
        bursts = {}
        for stamped, size in zip(stamps, sizes(self.rng, objects, events)):
            bursts.setdefault(stamped, []).append(size)
        for stamped, burst in bursts.items():
            records = [self.records(self.management, self.times(stamped, size)) for size in burst]
            for part in records:
                self.deliver(stamped, part)
            here = min(copies, len(burst))
            copies -= here
            if here:
                events += self.copy(stamped, [record for part in records for record in part], here)
        return events

    def copy(self, stamped, records, objects):
        """The records of one burst, shuffled into objects of the second trail."""
        self.rng.shuffle(records)
        if self.rng.random() < 0.3 and stamped % DAY < DAY - SLOT:
            stamped += SLOT
        for index in range(objects):
            start, count = index * len(records) // objects, share(len(records), index, objects)
            self.deliver(stamped, records[start:start + count], trail=1)
        return len(records)

    def write_data(self, day, objects, events):
        for size in sizes(self.rng, objects, max(events, 0)):
            stamped = day + SLOT * self.rng.randrange(DAY // SLOT)
            self.deliver(stamped, self.records(self.data, self.times(stamped, size)))

    def write_day(self, day, objects, events):
        first, copies, data, first_events = split(objects, events, self.options.two_trails)
        events -= self.write_management(day, first, copies, first_events)
        self.write_data(day, data, events)
        for name, write in extras.DAILY:
            if getattr(self.options, name):
                write(self, day)

    def write(self, index):
        """Everything of this unit, the index-th of all."""
        options = self.options
        parts = len(options.account_list) * len(options.region_list) * options.days
        for number in range(options.days):
            part = index * options.days + number
            self.write_day(options.first_day + number * DAY, share(options.objects, part, parts),
                           share(options.events, part, parts))
        for name, write in extras.ONCE:
            if getattr(options, name):
                write(self, options.first_day)
        if options.demo and self.first():
            for stamped, records in story.objects(self.account, options.first_day):
                self.deliver(stamped, records)
        if self.digests:
            for trail in range(2 if options.two_trails else 1):
                self.digests.write(trail, options.first_day, options.first_day + options.days * DAY)
        return self.bucket.totals
