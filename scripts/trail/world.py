"""Who does what in the made-up company: identities, API calls, and templates of their records.

A template is one finished record as bytes with holes such as %(time)b, so that making an event costs one
%-format. Templates are built once per account, from dicts, in the order in which CloudTrail writes members.
"""
import json
import re

REGIONS = ("us-east-1 eu-west-1 us-west-2 ap-southeast-2 eu-central-1 us-east-2 ap-northeast-1 eu-north-1 "
           "sa-east-1 ca-central-1 ap-south-1 us-west-1 eu-west-3 ap-southeast-1 eu-west-2 me-south-1 "
           "af-south-1 us-gov-west-1").split()
FIRST_ACCOUNTS = ["111122223333", "444455556666", "777788889999", "123456789012"]
PEOPLE = ("alice bob carol dave erin frank grace heidi ivan judy mallory niaj olivia peggy rupert sybil "
          "trent ursula victor walter").split()
ROLES = ["AdminAccess", "ReadOnlyAnalyst", "DeployPipeline", "web-server", "batch-worker", "OrdersApi-lambda",
         "AWSReservedSSO_PowerUser_8c1f2ab93d4e5f60", "AWSServiceRoleForConfig", "BackupOperator"]
BUCKETS = ["acme-web-assets", "acme-invoices", "acme-data-lake-raw", "acme-terraform-state", "acme-trail-logs"]
AGENTS = [
    "aws-cli/2.15.30 Python/3.11.8 Linux/6.1.0-18-amd64 exe/x86_64.debian.12 prompt/off command/%(cmd)s",
    "Boto3/1.34.51 md/Botocore#1.34.51 ua/2.0 os/linux#5.10.209-198.858.amzn2.x86_64 md/arch#x86_64 "
    "lang/python#3.9.18 md/pyimpl#CPython cfg/retry-mode#legacy Botocore/1.34.51",
    "APN/1.0 HashiCorp/1.0 Terraform/1.7.4 (+https://www.terraform.io) terraform-provider-aws/5.39.0 "
    "(+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.25.2 os/linux lang/go#1.21.8",
    "aws-sdk-java/1.12.668 Linux/5.10.209-198.858.amzn2.x86_64 OpenJDK_64-Bit_Server_VM/17.0.10+8-LTS java/17.0.10",
    "Mozilla/5.0 (X11; Linux x86_64; rv:123.0) Gecko/20100101 Firefox/123.0",
    "[S3Console/0.4, aws-internal/3 aws-sdk-java/1.12.488 Linux/5.10.186-157.751.amzn2int.x86_64]",
]

# What an order of members costs nobody: CloudTrail's own.
ORDER = ("eventVersion userIdentity eventTime eventSource eventName awsRegion sourceIPAddress userAgent "
         "errorCode errorMessage requestParameters responseElements additionalEventData requestID eventID "
         "readOnly resources eventType apiVersion managementEvent recipientAccountId sharedEventID "
         "vpcEndpointId vpcEndpointAccountId eventCategory addendum tlsDetails "
         "sessionCredentialFromConsole").split()

# service: read-only calls that look all alike but for their name
READS = {
    "ec2": "DescribeInstances DescribeVolumes DescribeSecurityGroups DescribeSubnets DescribeVpcs DescribeImages "
           "DescribeSnapshots DescribeNetworkInterfaces DescribeAddresses DescribeTags DescribeRouteTables "
           "DescribeInstanceStatus DescribeKeyPairs DescribeAvailabilityZones DescribeLaunchTemplates",
    "iam": "ListUsers ListRoles GetUser GetRole ListAttachedRolePolicies GetAccountSummary ListAccessKeys "
           "GetPolicyVersion ListInstanceProfiles GetLoginProfile ListMFADevices",
    "sts": "GetCallerIdentity GetCallerIdentity GetCallerIdentity",
    "s3": "ListBuckets GetBucketAcl GetBucketLocation GetBucketPolicy GetBucketVersioning GetBucketTagging",
    "kms": "DescribeKey ListAliases ListKeys GetKeyPolicy GetKeyRotationStatus",
    "lambda": "ListFunctions20150331 GetFunction20150331v2 GetPolicy20150331v2",
    "monitoring": "DescribeAlarms GetMetricData ListMetrics",
    "logs": "DescribeLogGroups DescribeLogStreams FilterLogEvents",
    "cloudtrail": "DescribeTrails GetTrailStatus LookupEvents GetEventSelectors",
    "dynamodb": "DescribeTable ListTables DescribeContinuousBackups",
    "rds": "DescribeDBInstances DescribeDBSnapshots DescribeDBClusters",
    "elasticloadbalancing": "DescribeLoadBalancers DescribeTargetGroups DescribeTargetHealth",
    "autoscaling": "DescribeAutoScalingGroups DescribeScalingActivities",
    "ecs": "DescribeServices ListTasks DescribeTaskDefinition",
    "ssm": "DescribeInstanceInformation GetParameter ListAssociations UpdateInstanceInformation",
    "config": "DescribeConfigurationRecorders DescribeComplianceByConfigRule",
    "secretsmanager": "GetSecretValue ListSecrets DescribeSecret",
    "cloudformation": "DescribeStacks ListStackResources DescribeStackEvents",
    "ecr": "GetAuthorizationToken BatchGetImage",
    "guardduty": "ListDetectors GetFindings",
}
SERVICES = {  # an AWS service that acts by itself: what it calls
    "cloudtrail.amazonaws.com": ("s3", "GetBucketAcl"), "config.amazonaws.com": ("sts", "AssumeRole"),
    "lambda.amazonaws.com": ("sts", "AssumeRole"), "ec2.amazonaws.com": ("sts", "AssumeRole"),
    "ecs-tasks.amazonaws.com": ("sts", "AssumeRole"), "elasticloadbalancing.amazonaws.com": ("sts", "AssumeRole"),
    "dynamodb.amazonaws.com": ("kms", "Decrypt"), "s3.amazonaws.com": ("kms", "GenerateDataKey"),
}
DENIED = ("AccessDenied AccessDenied UnauthorizedOperation ThrottlingException NoSuchEntityException "
          "ResourceNotFoundException Client.RequestLimitExceeded ValidationException").split()


def render(record, escape=False):
    """The record as a template: <<name>> is a hole, "<<=name>>" one without quotes. escape: `=` and `&` as
    CloudTrail's writer often leaves them."""
    ordered = {key: record[key] for key in ORDER if key in record}
    ordered.update(record)
    text = json.dumps(ordered, separators=(",", ":"), ensure_ascii=False).replace("%", "%%")
    if escape:
        text = text.replace("=", "\\u003d").replace("&", "\\u0026")
        text = text.replace('"<<\\u003d', '"<<=')
    text = re.sub(r'"<<=(\w+)>>"', r"%(\1)b", text)
    return re.sub(r"<<(\w+)>>", r"%(\1)b", text).encode()


def identifier(rng, prefix, length=16):
    return prefix + "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=length))


def visitor(number):
    """The number-th of the 131,072 addresses that are set aside for benchmarks."""
    return b"198.%d.%d.%d" % (18 + (number >> 16), number >> 8 & 255, number & 255)


def address(rng):
    if rng.random() < 0.06:
        return "2001:db8:%x:%x::%x" % (rng.randrange(1 << 16), rng.randrange(1 << 16), rng.randrange(1, 1 << 16))
    return "%s.%d.%d" % (rng.choice(["198.51", "203.0", "192.0", "10.0", "172.31", "52.94"]),
                         rng.randrange(256), rng.randrange(1, 255))


def user(rng, account, name):
    return {"type": "IAMUser", "principalId": identifier(rng, "AIDA", 17),
            "arn": "arn:aws:iam::%s:user/%s" % (account, name), "accountId": account,
            "accessKeyId": identifier(rng, "AKIA"), "userName": name}


def assumed_role(rng, account, role, session):
    principal = identifier(rng, "AROA", 17)
    return {"type": "AssumedRole", "principalId": principal + ":" + session,
            "arn": "arn:aws:sts::%s:assumed-role/%s/%s" % (account, role, session), "accountId": account,
            "accessKeyId": identifier(rng, "ASIA"), "sessionContext": {
                "sessionIssuer": {"type": "Role", "principalId": principal, "accountId": account,
                                  "arn": "arn:aws:iam::%s:role/%s" % (account, role), "userName": role},
                "webIdFederationData": {},
                "attributes": {"creationDate": "<<day>>T00:%02d:%02dZ" % (rng.randrange(60), rng.randrange(60)),
                               "mfaAuthenticated": rng.choice(["false", "false", "true"])}}}


def root(account):
    return {"type": "Root", "principalId": account, "arn": "arn:aws:iam::%s:root" % account,
            "accountId": account, "accessKeyId": "", "sessionContext": {
                "sessionIssuer": {}, "webIdFederationData": {},
                "attributes": {"creationDate": "<<day>>T00:10:09Z", "mfaAuthenticated": "true"}}}


def people(rng, account):
    """[(weight, identity, addresses, agents)] of those who are not AWS services."""
    cast = []
    for name in PEOPLE[:12]:
        cast.append((1.5, user(rng, account, name), [address(rng) for _ in range(2)], rng.sample(AGENTS, 2)))
    for name in PEOPLE:
        sessions = assumed_role(rng, account, rng.choice(ROLES[:3] + ROLES[6:7]), name + "@example.com")
        cast.append((2, sessions, [address(rng) for _ in range(2)], rng.sample(AGENTS, 2)))
    for _ in range(60):
        machine = assumed_role(rng, account, rng.choice(ROLES[3:6] + ROLES[7:]), "i-0%016x" % rng.getrandbits(64))
        cast.append((0.8, machine, [address(rng)], [rng.choice(AGENTS[1:4])]))
    cast.append((3, assumed_role(rng, account, "AWSServiceRoleForConfig", "AWSConfig-Describe"),
                 ["config.amazonaws.com"], ["config.amazonaws.com"]))
    cast.append((2, assumed_role(rng, account, "OrdersApi-lambda", "orders-api"), ["AWS Internal"], ["AWS Internal"]))
    cast.append((0.4, root(account), [address(rng)], [AGENTS[4]]))
    return cast


def read_call(rng, service, name):
    filters = [{"name": "tag:Name", "valueSet": {"items": [{"value": "web-<<num>>"}]}},
               {"name": "instance-state-name", "valueSet": {"items": [{"value": "running"}, {"value": "stopped"}]}}]
    request = {"filterSet": {"items": filters}, "maxResults": 100, "nextToken": "<<hex>><<hex>><<hex>>"}
    if service != "ec2":
        request = rng.choice([None, {"maxResults": 50, "marker": "<<hex>><<hex>><<hex>><<hex>>"}])
    return {"eventSource": service + ".amazonaws.com", "eventName": name, "readOnly": True,
            "requestParameters": request, "responseElements": None}


def write_calls(account):
    """Calls that change something, each with what it asked and got."""
    role = "arn:aws:iam::%s:role/" % account
    def call(service, name, request, response=None, **more):
        return {"eventSource": service + ".amazonaws.com", "eventName": name, "readOnly": False,
                "requestParameters": request, "responseElements": response, **more}
    return [
        call("sts", "AssumeRole",
             {"roleArn": role + "AdminAccess", "roleSessionName": "deploy-<<num>>", "durationSeconds": 3600},
             {"credentials": {"accessKeyId": "ASIA<<key>>", "sessionToken": "<<hex>><<hex>>", "expiration":
                              "Jun 19, 2025, 10:10:23 AM"},
              "assumedRoleUser": {"assumedRoleId": "AROAEXAMPLEROLEID0001:deploy-<<num>>", "arn":
                                  "arn:aws:sts::%s:assumed-role/AdminAccess/deploy-<<num>>" % account}},
             readOnly=True, resources=[{"accountId": account, "type": "AWS::IAM::Role", "ARN": role + "AdminAccess"}]),
        call("ec2", "RunInstances",
             {"instancesSet": {"items": [{"imageId": "ami-0<<hex16>>", "minCount": 1, "maxCount": 1}]},
              "instanceType": "t3.micro", "monitoring": {"enabled": False}, "disableApiTermination": False},
             {"reservationId": "r-0<<hex16>>", "ownerId": account, "instancesSet": {"items": [
                 {"instanceId": "i-0<<hex16>>", "instanceState": {"code": 0, "name": "pending"},
                  "privateIpAddress": "10.0.1.17"}]}}),
        call("ec2", "TerminateInstances", {"instancesSet": {"items": [{"instanceId": "i-0<<hex16>>"}]}},
             {"instancesSet": {"items": [{"instanceId": "i-0<<hex16>>"}]}}),
        call("ec2", "AuthorizeSecurityGroupIngress",
             {"groupId": "sg-0<<hex16>>", "ipPermissions": {"items": [
                 {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]}},
             {"requestId": "<<request>>", "_return": True}),
        call("ec2", "CreateTags", {"resourcesSet": {"items": [{"resourceId": "i-0<<hex16>>"}]},
                                   "tagSet": {"items": [{"key": "Name", "value": "web-<<num>>"}]}}, {"_return": True}),
        call("ec2", "CreateSnapshot", {"volumeId": "vol-0<<hex16>>"}, {"snapshotId": "snap-0<<hex16>>", "progress": ""}),
        call("iam", "CreateUser", {"userName": "svc-<<num>>"}, {"user": {"userName": "svc-<<num>>", "path": "/"}}),
        call("iam", "CreateAccessKey", {"userName": "svc-<<num>>"}, {"accessKey": {"accessKeyId": "AKIA<<key>>"}}),
        call("iam", "AttachUserPolicy", {"userName": "svc-<<num>>", "policyArn": "arn:aws:iam::aws:policy/PowerUserAccess"}),
        call("s3", "PutBucketPolicy", {"bucketName": BUCKETS[0], "policy": "", "Host": BUCKETS[0] + ".s3.amazonaws.com",
                                       "bucketPolicy": {"Version": "2012-10-17", "Statement": [
                                           {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Principal": "*"}]}}),
        call("kms", "Decrypt", {"encryptionAlgorithm": "SYMMETRIC_DEFAULT", "encryptionContext": {
            "aws:s3:arn": "arn:aws:s3:::%s/AWSLogs/x=1&y=2" % BUCKETS[2]}}, readOnly=True, escape=True, resources=[
                {"accountId": account, "type": "AWS::KMS::Key",
                 "ARN": "arn:aws:kms:us-east-1:%s:key/7d1f8c9a-0000-4b5e-9c2d-7a11c0ffee01" % account}]),
        call("logs", "CreateLogStream", {"logGroupName": "/aws/lambda/orders-api", "logStreamName": "2025/06/[$LATEST]<<hex>>"}),
        call("logs", "StartQuery", {"queryString": "fields @timestamp | filter level=\"error\" & code=500",
                                    "startTime": "<<=real>>"}, {"queryId": "<<request>>"}, escape=True),
        call("autoscaling", "SetDesiredCapacity", {"autoScalingGroupName": "web-asg", "desiredCapacity": "<<=num>>"}),
        call("ecs", "RegisterTaskDefinition", {"family": "orders", "cpu": "256", "containerDefinitions": [
            {"name": "orders", "image": "%s.dkr.ecr.us-east-1.amazonaws.com/orders:<<num>>" % account}]}),
        call("ssm", "SendCommand", {"documentName": "AWS-RunShellScript", "instanceIds": ["i-0<<hex16>>"],
                                    "parameters": "HIDDEN_DUE_TO_SECURITY_REASONS"}, {"command": {"commandId": "<<request>>"}}),
        call("signin", "ConsoleLogin", None, {"ConsoleLogin": "Success"}, eventType="AwsConsoleSignIn",
             additionalEventData={"LoginTo": "https://console.aws.amazon.com/console/home?state=hashArgs&isauthcode=true",
                                  "MobileVersion": "No", "MFAUsed": "Yes"}),
    ]


def data_call(rng, account, name):
    if name == "Invoke":
        arn = "arn:aws:lambda:<<region>>:%s:function:orders-api" % account
        return {"eventSource": "lambda.amazonaws.com", "eventName": name, "readOnly": False, "requestParameters":
                {"functionName": arn, "invocationType": "Event", "clientContext": "<<hex>>"}, "responseElements": None,
                "resources": [{"accountId": account, "type": "AWS::Lambda::Function", "ARN": arn}]}
    bucket = rng.choice(BUCKETS)
    folder = rng.choice(["orders/2025/06/", "img/", "raw/clicks/dt=2025-06-19/", "invoices/"])
    host = bucket + ".s3.<<region>>.amazonaws.com"
    read = name != "PutObject" and name != "DeleteObject"
    request = {"bucketName": bucket, "Host": host}
    resources = [{"accountId": account, "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::" + bucket}]
    if name == "ListObjects":
        request.update({"list-type": "2", "prefix": folder, "encoding-type": "url"})
        resources.insert(0, {"type": "AWS::S3::Object", "ARNPrefix": "arn:aws:s3:::%s/%s" % (bucket, folder)})
    else:
        key = folder + "%02d-<<num>>.json" % rng.randrange(20)
        request["key"] = key
        resources.insert(0, {"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::%s/%s" % (bucket, key)})
    return {"eventSource": "s3.amazonaws.com", "eventName": name, "readOnly": read, "requestParameters": request,
            "responseElements": None if read else {"x-amz-server-side-encryption": "AES256"}, "resources": resources,
            "additionalEventData": {"SignatureVersion": "SigV4", "CipherSuite": "ECDHE-RSA-AES128-GCM-SHA256",
                                    "bytesTransferredIn": "<<=real>>" if not read else 0, "AuthenticationMethod":
                                    "AuthHeader", "x-amz-id-2": "<<hex>><<hex>>+Ab0=", "SSEApplied":
                                    "SSE_KMS", "objectRetentionInfo": {"legalHoldInfo": {"isUnderLegalHold": False}}, "bytesTransferredOut":
                                    "<<=real>>" if read else 0},
            "escape": rng.random() < 0.05}


def service_call(rng, account, data):
    """A record of an AWS service acting by itself."""
    invoker, (service, name) = rng.choice(list(SERVICES.items()))
    if data:
        invoker = rng.choice(["cloudtrail.amazonaws.com", "delivery.logs.amazonaws.com", "config.amazonaws.com"])
        call = data_call(rng, account, "PutObject")
    elif name == "AssumeRole":
        call = write_calls(account)[0]
    else:
        call = read_call(rng, service, name)
        call["requestParameters"] = {"bucketName": "acme-trail-logs", "acl": ""} if service == "s3" else {
            "keyId": "arn:aws:kms:us-east-1:%s:alias/aws/%s" % (account, service), "encryptionContext": {"c": "<<hex>>"}}
    call.update(userIdentity={"type": "AWSService", "invokedBy": invoker}, sourceIPAddress=invoker, userAgent=invoker,
                sharedEventID="<<shared>>")
    return call


def record(call, account, data, version="1.08"):
    """The call with the members that every record has, as a template."""
    escape = call.pop("escape", False)
    service = call["eventSource"]
    call.update(eventVersion=version, eventTime="<<time>>",
                awsRegion="us-east-1" if service.split(".")[0] in ("iam", "signin") else "<<region>>",
                requestID="<<request>>", eventID="<<event>>", managementEvent=not data,
                recipientAccountId=account, eventCategory="Data" if data else "Management")
    call.setdefault("eventType", "AwsApiCall")
    if call["userIdentity"]["type"] != "AWSService":
        call["tlsDetails"] = {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256",
                              "clientProvidedHostHeader": service.replace(".", ".<<region>>.", 1)}
    return render(call, escape)


def finish(rng, call, account, data):
    if call["userIdentity"]["type"] != "AWSService" and rng.random() < 0.05:
        deny(rng, call)
    return record(call, account, data, rng.choice(["1.08", "1.08", "1.09", "1.11"]))


def deny(rng, call):
    code = rng.choice(DENIED)
    who = call["userIdentity"].get("arn", "somebody")
    action = call["eventSource"].split(".")[0] + ":" + call["eventName"]
    call.update(errorCode=code, errorMessage="User: %s is not authorized to perform: %s" % (who, action)
                if code in DENIED[:3] else "Rate exceeded or thing not found", responseElements=None)


def scene(rng, account, cast, weights, data, visitors=False):
    """One template: somebody does something. visitors: one in ten of those that are no services comes from anywhere."""
    if rng.random() < (0.45 if data else 0.35):
        return finish(rng, service_call(rng, account, data), account, data)
    _, identity, addresses, agents = rng.choices(cast, weights)[0]
    if data:
        call = data_call(rng, account, rng.choice("GetObject GetObject GetObject HeadObject PutObject DeleteObject "
                                                  "ListObjects Invoke".split()))
    elif rng.random() < 0.22:
        call = rng.choice(write_calls(account))
    else:
        service = rng.choice(list(READS))
        call = read_call(rng, service, rng.choice(READS[service].split()))
    agent = rng.choice(agents)
    if "%(cmd)s" in agent:
        agent %= {"cmd": call["eventSource"].split(".")[0] + "." + call["eventName"].lower()}
    call.update(userIdentity=dict(identity), sourceIPAddress=rng.choice(addresses), userAgent=agent)
    if visitors and rng.random() < 0.1:
        call["sourceIPAddress"] = "<<visitor>>"
    if agent.startswith("Mozilla") and call["eventName"] != "ConsoleLogin":
        call["sessionCredentialFromConsole"] = "true"
    return finish(rng, call, account, data)


def templates(rng, account, visitors=False, many=1200):
    """(management, data): equally likely templates."""
    cast = people(rng, account)
    weights = [weight for weight, *_ in cast]
    return ([scene(rng, account, cast, weights, False, visitors) for _ in range(many)],
            [scene(rng, account, cast, weights, True, visitors) for _ in range(many // 2)])


def accounts(rng, count):
    ids = FIRST_ACCOUNTS[:count]
    while len(ids) < count:
        ids.append("%012d" % rng.randrange(10**11, 10**12))
    return ids
