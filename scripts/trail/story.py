"""The demo's bucket: a small company with a few people, and what went wrong in three days."""
import random

from trail import world
from trail.bucket import DAY, HOUR, SLOT, iso

HOME, OFFICE, THIEF = "203.0.113.10", "198.51.100.24", "192.0.2.99"
CLI, BROWSER, SDK = world.AGENTS[0] % {"cmd": "any"}, world.AGENTS[4], world.AGENTS[1]


def cast(rng, account):
    """name: (weight, identity, addresses, agents)"""
    role = lambda name, session: world.assumed_role(rng, account, name, session)
    return {
        "alice": (4, world.user(rng, account, "alice"), [OFFICE, HOME], [CLI, BROWSER]),
        "bob": (4, role("AdminAccess", "bob@example.com"), [OFFICE], [BROWSER, CLI]),
        "carol": (3, role("ReadOnlyAnalyst", "carol@example.com"), ["2001:db8:17::42"], [BROWSER]),
        "ci-deploy": (3, world.user(rng, account, "ci-deploy"), ["198.51.100.80"], [SDK]),
        "web": (4, role("web-server", "i-0a1b2c3d4e5f60718"), ["10.0.1.17"], [SDK]),
        "root": (0, world.root(account), [HOME], [BROWSER]),
    }


def templates(rng, account):
    people = list(cast(rng, account).values())
    weights = [weight for weight, *_ in people]
    return ([world.scene(rng, account, people, weights, False) for _ in range(120)],
            [world.scene(rng, account, people, weights, True) for _ in range(60)])


# day, time, who, from where, service, call, request, error or response
PLOT = [
    (0, "08:58:12", "alice", OFFICE, "signin", "ConsoleLogin", None, {"ConsoleLogin": "Success"}),
    (0, "09:03:40", "bob", OFFICE, "signin", "ConsoleLogin", None, {"ConsoleLogin": "Success"}),
    (0, "09:20:05", "bob", OFFICE, "ec2", "RunInstances", {"instanceType": "t3.large", "maxCount": 1},
     {"instancesSet": {"items": [{"instanceId": "i-0a1b2c3d4e5f60718"}]}}),
    (0, "14:11:30", "carol", "2001:db8:17::42", "s3", "GetBucketPolicy", {"bucketName": "acme-invoices"}, "AccessDenied"),
    (0, "22:47:09", "root", HOME, "signin", "ConsoleLogin", None, {"ConsoleLogin": "Success"}),
    (0, "22:49:51", "root", HOME, "iam", "CreateAccessKey", None, {"accessKey": {"accessKeyId": "AKIAROOTEXAMPLE00001"}}),
    (1, "03:12:00", "ci-deploy", THIEF, "sts", "GetCallerIdentity", None, None),
    (1, "03:12:41", "ci-deploy", THIEF, "s3", "ListBuckets", None, None),
    (1, "03:13:02", "ci-deploy", THIEF, "iam", "ListUsers", None, "AccessDenied"),
    (1, "03:13:09", "ci-deploy", THIEF, "iam", "CreateUser", {"userName": "support-2"}, "AccessDenied"),
    (1, "03:13:15", "ci-deploy", THIEF, "iam", "CreateAccessKey", {"userName": "alice"}, "AccessDenied"),
    (1, "03:14:20", "ci-deploy", THIEF, "secretsmanager", "GetSecretValue", {"secretId": "prod/db"}, "AccessDenied"),
    (1, "03:15:33", "ci-deploy", THIEF, "cloudtrail", "StopLogging", {"name": "management-events"}, "AccessDenied"),
    (1, "03:17:48", "ci-deploy", THIEF, "ec2", "RunInstances", {"instanceType": "p4d.24xlarge", "maxCount": 8},
     "Client.UnauthorizedOperation"),
    (1, "03:19:02", "ci-deploy", THIEF, "s3", "PutBucketPolicy", {"bucketName": "acme-invoices"}, None),
    (1, "07:40:18", "alice", HOME, "signin", "ConsoleLogin", None, {"ConsoleLogin": "Failure"}),
    (1, "07:40:52", "alice", HOME, "signin", "ConsoleLogin", None, {"ConsoleLogin": "Success"}),
    (1, "07:55:10", "alice", HOME, "cloudtrail", "LookupEvents", {"maxResults": 50}, None),
    (1, "08:02:27", "alice", HOME, "iam", "UpdateAccessKey", {"userName": "ci-deploy", "status": "Inactive"}, None),
    (1, "08:03:11", "alice", HOME, "s3", "DeleteBucketPolicy", {"bucketName": "acme-invoices"}, None),
    (2, "03:11:58", "ci-deploy", THIEF, "sts", "GetCallerIdentity", None, "InvalidClientTokenId"),
    (2, "10:30:00", "alice", OFFICE, "iam", "DeleteAccessKey", {"userName": "ci-deploy"}, None),
    (2, "10:31:12", "bob", OFFICE, "ec2", "AuthorizeSecurityGroupIngress",
     {"groupId": "sg-0123456789abcdef0", "cidrIp": "0.0.0.0/0", "fromPort": 22}, {"_return": True}),
]


def event(rng, account, people, line, second):
    _, _, who, address, service, name, request, outcome = line
    _, identity, _, agents = people[who]
    call = {"eventSource": service + ".amazonaws.com", "eventName": name, "requestParameters": request,
            "readOnly": name.startswith(("Get", "List", "Lookup")), "userIdentity": dict(identity),
            "sourceIPAddress": address, "userAgent": agents[0],
            "responseElements": None if isinstance(outcome, str) else outcome}
    if service == "signin":
        call.update(eventType="AwsConsoleSignIn", userAgent=BROWSER,
                    additionalEventData={"LoginTo": "https://console.aws.amazon.com/console/home?nc2=h_ct&src=header",
                                         "MobileVersion": "No", "MFAUsed": "No" if who == "root" else "Yes"})
    if outcome == {"ConsoleLogin": "Failure"}:
        call["errorMessage"] = "Failed authentication"
    if isinstance(outcome, str):
        call.update(errorCode=outcome, errorMessage="User: %s is not authorized to perform: %s:%s" % (
            identity["arn"], service, name))
    when = iso(second)
    ids = ["%s-%s-4%s-a%s-%s" % (h[:8], h[8:12], h[12:15], h[15:18], h[18:30])
           for h in (rng.randbytes(15).hex() for _ in range(2))]
    return world.record(call, account, False) % {
        b"time": when, b"day": when[:10], b"region": b"us-east-1", b"request": ids[0].encode(), b"event": ids[1].encode()}


def objects(account, first_day):
    """(stamp, records) of the plot, in order of time."""
    people = cast(random.Random("cast/" + account), account)
    rng = random.Random("plot/" + account)
    found = {}
    for line in PLOT:
        hours, minutes, seconds = map(int, line[1].split(":"))
        second = first_day + line[0] * DAY + hours * HOUR + minutes * 60 + seconds
        stamped = (second // SLOT + 1) * SLOT
        found.setdefault(stamped, []).append(event(rng, account, people, line, second))
    return sorted(found.items())
