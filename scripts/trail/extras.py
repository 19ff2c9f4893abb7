"""What is in some buckets besides ordinary log objects, one function for each option of make-trail."""
from trail import odd
from trail.bucket import DAY, HOUR, SLOT, compress, document, iso, stamp


def times_of(unit, day, count):
    """count times in ten minutes of the middle of the day, and the stamp of the object that holds them."""
    stamped = day + 12 * HOUR + SLOT * unit.rng.randrange(100)
    return stamped, [stamped - unit.rng.randrange(1, 2 * SLOT) for _ in range(count)]


def late(unit, day):
    """Delivered after midnight: events of this day in an object of the next day's folder."""
    stamped = day + DAY + 4 * SLOT
    times = [day + DAY - unit.rng.randrange(10, 6 * HOUR) for _ in range(5)]
    records = unit.records(unit.management, sorted(times))
    unit.deliver(stamped, [record[:-1] + b',"addendum":{"reason":"DELIVERY_DELAY"}}' for record in records])


def odd_identities(unit, day):
    stamped, times = times_of(unit, day, 1)
    pool = [template.replace(b"%(account)b", unit.account.encode()) for template in odd.templates()]
    unit.deliver(stamped, [record for template in pool for record in unit.records([template], times)])
    unit.deliver(stamped, odd.clashing(unit.records(unit.management, times)[0]))


def large_records(unit, day):
    stamped, times = times_of(unit, day, 3)
    records = unit.records(unit.management, times)
    unit.deliver(stamped, [odd.enlarge(record, size) for record, size in zip(records, (20000, 100000, 250000))])


def insight_records(unit, start, kind, shared):
    ids = [unit.rng.randbytes(8).hex() for _ in range(2)]
    for state, moment, ident in (("Start", start, ids[0]), ("End", start + 7 * 60, ids[1])):
        context = {"statistics": {"baseline": {"average": 0.0020833333}, "insight": {"average": 31.5},
                                  "insightDuration": 7, "baselineDuration": 10080},
                   "attributions": [{"attribute": "userIdentityArn", "insight": [
                       {"value": "arn:aws:iam::%s:user/alice" % unit.account, "average": 31.5}],
                       "baseline": [{"value": "null", "average": 0.002}]}]}
        yield document({
            "eventVersion": "1.09", "eventTime": iso(moment).decode(), "awsRegion": unit.region,
            "eventID": "%s-%s-4000-a000-%s" % (ident[:8], ident[8:12], (ident + shared)[4:16]),
            "eventType": "AwsCloudTrailInsight", "recipientAccountId": unit.account, "sharedEventID": shared,
            "insightDetails": {"state": state, "eventSource": "ec2.amazonaws.com", "eventName": "RunInstances",
                               "insightType": kind, "insightContext": context}, "eventCategory": "Insight"})


def insight(unit, day):
    stamped, times = times_of(unit, day, 1)
    records = []
    for kind in ("ApiCallRateInsight", "ApiErrorRateInsight"):
        records += insight_records(unit, times[0] - 20 * 60, kind, unit.rng.randbytes(16).hex())
    unit.deliver(stamped, records, folder="CloudTrail-Insight")


def network_activity(unit, day):
    stamped, times = times_of(unit, day, 6)
    template = document({
        "eventVersion": "1.09", "userIdentity": {"type": "AWSAccount", "principalId": "AROAEXAMPLEEXAMPLE01:i-0<t>",
                                                 "accountId": "<a>"},
        "eventTime": "<time>", "eventSource": "s3.amazonaws.com", "eventName": "ListBuckets", "awsRegion": unit.region,
        "sourceIPAddress": "10.1.2.3", "errorCode": "VpceAccessDenied", "errorMessage":
        "The request was denied due to a VPC endpoint policy", "requestID": "<request>", "eventID": "<event>",
        "eventType": "AwsVpceEvent", "recipientAccountId": "<a>", "vpcEndpointId": "vpce-0a1b2c3d4e5f60718",
        "vpcEndpointAccountId": "<a>", "eventCategory": "NetworkActivity"})
    for hole, value in ((b"<time>", b"%(time)b"), (b"<request>", b"%(request)b"), (b"<event>", b"%(event)b"),
                        (b"<t>", b"%(hex16)b"), (b"<a>", unit.account.encode())):
        template = template.replace(hole, value)
    unit.deliver(stamped, unit.records([template], times), folder="CloudTrail-NetworkActivity")


def aggregated(unit, day):
    """A schema of its own; seen both wrapped in Records and as a bare array."""
    stamped, times = times_of(unit, day, 4)
    records = []
    for second in times:
        start = second - second % SLOT
        ident = unit.rng.randbytes(10).hex()
        counts = [{"name": name, "value": unit.rng.randrange(1, 900)} for name in ("GetObject", "PutObject")]
        records.append(document({
            "eventVersion": "1.0", "accountId": unit.account, "eventId": ident[:8] + "-0000-4000-a000-" + ident[8:],
            "eventCategory": "Aggregated", "eventType": "AwsAggregatedEvent", "awsRegion": unit.region,
            "eventSource": "s3.amazonaws.com", "timeWindow": {
                "windowStart": iso(start).decode(), "windowEnd": iso(start + SLOT).decode(), "windowSize": "PT5M"},
            "summary": {"primaryDimension": {"dimension": "eventName", "statistics": counts,
                                             "aggregationType": "COUNT"}, "details": []}}))
    for array in (False, True):
        unit.deliver(stamped, records[array::2], folder="CloudTrail-Aggregated", array=array)


def services(unit, day):
    """Neighbours under AWSLogs/ that are no CloudTrail logs."""
    rng, account, region = unit.rng, unit.account, unit.region
    base = "%s_%%s_%s_%%s" % (account, region)
    flow = b"".join(b"2 %s eni-0a1b2c3d 10.0.0.%d 10.0.1.%d 443 %d 6 9 840 %d %d ACCEPT OK\n" % (
        account.encode(), rng.randrange(255), rng.randrange(255), rng.randrange(1024, 65536), day, day + 60)
        for _ in range(20))
    name = base % ("vpcflowlogs", "fl-0123456789abcdef0_%s_%s.log.gz" % (stamp(day + HOUR), rng.randbytes(4).hex()))
    unit.bucket.put_other(unit.bucket.key(account, "vpcflowlogs", region, day, name), compress(flow), day + HOUR)
    item = document({"fileVersion": "1.0", "configurationItems": [{"resourceType": "AWS::EC2::Volume"}]})
    name = base % ("Config", "ConfigHistory_AWS::EC2::Volume_%s_1.json.gz" % stamp(day + HOUR, "%Y%m%dT%H%M%SZ"))
    unit.bucket.put_other(unit.bucket.key(account, "Config", region, day, name), compress(item), day + HOUR)
    name = base % ("elasticloadbalancing", "app.web.0123_%s_10.0.0.9_x.log" % stamp(day + HOUR))
    unit.bucket.put_other(unit.bucket.key(account, "elasticloadbalancing", region, day, name),
                          b"http 2025-06-17T00:00:00Z app/web/0123 10.0.0.1:5 - -1\n", day + HOUR)


def outside(unit, day):
    """Objects beside AWSLogs/, once a bucket."""
    if not unit.first():
        return
    prefix = unit.bucket.prefix
    unit.bucket.put_other(prefix + "notes/welcome.txt", b"Logs of all accounts. Ask the security team.\n", day)
    unit.bucket.put_other(prefix + "exports/report.json", b'{"title":"no log at all","rows":[1,2,3]}\n', day)
    unit.bucket.put_other(prefix + "exports/old.json.gz", compress(b'{"title":"nor is this"}\n'), day)


def damage(unit, day):
    """Two objects of every kind of damage, in the first account and region."""
    if not unit.first():
        return
    for number in (0, 1):
        stamped, times = times_of(unit, day, 3)
        body = b'{"Records":[%b]}' % b",".join(unit.records(unit.management, times))
        for harm in odd.DAMAGE:
            key = unit.bucket.log_key(unit.rng, unit.account, unit.region, stamped)
            unit.bucket.put_damaged(key, harm(body), stamped)


# (option, what it writes): for every day; and once for every account and region
DAILY = [("late", late), ("odd_identities", odd_identities), ("large_records", large_records), ("insight", insight),
         ("network_activity", network_activity), ("aggregated", aggregated), ("services", services)]
ONCE = [("services", outside), ("damage", damage)]
