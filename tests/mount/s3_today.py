#!/usr/bin/python3
"""What s3_today.sh looks with. An EVENT is WHO,ID,TIME: it has a value in every view, which is made of WHO.

    s3_today.py log FILE EVENT...                          a log of such events
    s3_today.py absent MOUNT KEY EVENT...                  none of it is there: by name or listed
    s3_today.py watch MOUNT READY SECONDS KEY EVENT...     makes READY when all of it has been looked for in vain, by
                                                           name and in folders that it holds open; then waits for it
    s3_today.py walk MOUNT READY END FOLDER...             reads the folders again and again until END is there: what
                                                           was listed once is listed ever after, and can be read
"""
import gzip
import json
import os
import sys
import time

VIEWS = ('user event ip service account region role access-key error resource type category access agent').split()


def record(text):
    who, ident, moment = text.split(',')
    return {'eventVersion': '1.08', 'eventTime': moment, 'eventName': who + '-event', 'eventID': ident,
            'eventSource': who + '-service', 'sourceIPAddress': who + '-ip', 'userAgent': who + '-agent',
            'awsRegion': who + '-region', 'recipientAccountId': who + '-account', 'errorCode': who + '-error',
            'eventCategory': who + '-category', 'readOnly': True,
            'resources': [{'ARN': who + '-resource'}, {'ARN': who + '-resource-too'}],
            'userIdentity': {'type': who + '-type', 'userName': who + '-user', 'accessKeyId': who + '-access-key',
                             'sessionContext': {'sessionIssuer': {'type': 'Role', 'userName': who + '-role'}}}}


def log(path, *events):
    with open(path, 'wb') as file:
        file.write(gzip.compress(json.dumps({'Records': [record(one) for one in events]}).encode(), mtime=0))


def paths_of(key, events):
    """[(path, what is in the file)]: the log, and each event in each of its folders."""
    found = [(key.removesuffix('.gz'), b'"Records"')] if key else []
    for event in events:
        who, ident, moment = event.split(',')
        day, clock = moment.split('T')
        name = '%s/%s_%s-event_%s.json' % (day.replace('-', '/'), clock.replace(':', ''), who, ident)
        folders = ['events', 'by-resource/%s-resource-too' % who]
        folders += ['by-access/read' if view == 'access' else 'by-%s/%s-%s' % (view, who, view) for view in VIEWS]
        found += [(folder + '/' + name, b'"eventID": "%s"' % ident.encode()) for folder in folders]
    return found


def lacks(path, within):
    """Why what should be there is not, or None."""
    try:
        os.stat(path)
        if os.path.basename(path) not in os.listdir(os.path.dirname(path)):
            return 'is not listed'
        with open(path, 'rb') as file:
            return None if within in file.read() else 'holds other bytes'
    except OSError as error:
        return error.strerror


def is_there(path):
    folder, name = os.path.split(path)
    return os.path.lexists(path) or (os.path.isdir(folder) and name in os.listdir(folder))


def absent(mount, key, *events):
    os.chdir(mount)
    found = [path for path, _ in paths_of(key, events) if is_there(path)]
    return 'is there: ' + found[0] if found else None


def hold(paths):
    """Folders that are there, open and read: {path in one of them: descriptor}."""
    held = {}
    for path, _ in paths:
        if os.path.isdir(os.path.dirname(path)):
            held[path] = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
            os.listdir(held[path])
    return held


def watch(mount, ready, seconds, key, *events):
    os.chdir(mount)
    paths = paths_of(key, events)
    held = hold(paths)
    why = absent('.', key, *events)
    if why:
        return 'before it came it ' + why
    open(ready, 'w').close()
    end = time.monotonic() + float(seconds)
    for path, within in paths:
        while (why := lacks(path, within)) or path in held and os.path.basename(path) not in os.listdir(held[path]):
            if time.monotonic() > end:
                return '%s: %s' % (path, why or 'not through a folder that was open before')
            time.sleep(0.02)
    return None


def walk(mount, ready, end, *folders):
    os.chdir(mount)
    known = {folder: set() for folder in folders}
    rounds = 0
    while not os.path.exists(end) or rounds < 2:
        for folder in folders:
            names = set(os.listdir(folder))
            if known[folder] - names:
                return '%s no longer lists %s' % (folder, sorted(known[folder] - names)[:3])
            for name in names - known[folder]:
                with open(folder + '/' + name, 'rb') as file:
                    if len(file.read()) != os.stat(folder + '/' + name).st_size:
                        return '%s/%s: not of its size' % (folder, name)
            for name in known[folder]:
                os.stat(folder + '/' + name)
            known[folder] = names
        rounds += 1
        open(ready, 'w').close()
    print('%d rounds' % rounds)
    return None


if __name__ == '__main__':
    sys.exit({'log': log, 'absent': absent, 'watch': watch, 'walk': walk}[sys.argv[1]](*sys.argv[2:]))
