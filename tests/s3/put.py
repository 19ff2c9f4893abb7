#!/usr/bin/python3
"""Puts the files of a directory into a bucket, which is made when it is not there.

    put.py [--times] ENDPOINT BUCKET [DIRECTORY [PREFIX]]

Keys are the paths below the directory, with PREFIX before them; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY sign.
--times: the files are given the times that the objects have then, so that the directory is as the bucket is.
"""
import argparse
import concurrent.futures
import email.utils
import http.client
import os
import sys
import threading
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import sigv4  # noqa: E402

WORKERS = 16
local = threading.local()


def connection(endpoint):
    """Each thread's own, kept alive."""
    if getattr(local, 'kept', None) is None:
        local.kept = http.client.HTTPConnection(endpoint.netloc, timeout=120)
    return local.kept


def request(endpoint, method, raw_path, raw_query='', body=b''):
    """Status, headers and body of the answer."""
    headers = sigv4.sign(method, endpoint.netloc, raw_path, raw_query, os.environ['AWS_ACCESS_KEY_ID'],
                         os.environ['AWS_SECRET_ACCESS_KEY'], body, os.environ.get('AWS_REGION', 'us-east-1'))
    target = raw_path + ('?' + raw_query if raw_query else '')
    for attempt in range(5):
        try:
            kept = connection(endpoint)
            kept.request(method, target, body, headers)
            answer = kept.getresponse()
            return answer.status, answer.headers, answer.read()
        except (http.client.HTTPException, OSError):
            local.kept = None
            if attempt == 4:
                raise


def put(endpoint, bucket, key, body):
    path = '/' + bucket + ('/' + sigv4.encode(key, '/') if key else '')
    status, _, said = request(endpoint, 'PUT', path, body=body)
    if status not in (200, 204) and not (status == 409 and not key):
        raise OSError('PUT %s: %d %s' % (path, status, said[:300].decode('utf-8', 'replace')))


def take_time(endpoint, bucket, key, path):
    status, headers, _ = request(endpoint, 'HEAD', '/%s/%s' % (bucket, sigv4.encode(key, '/')))
    if status != 200:
        raise OSError('HEAD %s: %d' % (key, status))
    modified = email.utils.parsedate_to_datetime(headers['Last-Modified']).timestamp()
    os.utime(path, (modified, modified))


def files_of(top):
    for folder, folders, names in os.walk(os.fsencode(top)):
        folders.sort()
        for name in sorted(names):
            yield os.path.join(folder, name)


def put_all(endpoint, bucket, directory, prefix, times):
    def one(path):
        key = prefix + os.path.relpath(path, os.fsencode(directory))
        with open(path, 'rb') as file:
            put(endpoint, bucket, key, file.read())
        if times:
            take_time(endpoint, bucket, key, path)

    done = 0
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for _ in pool.map(one, files_of(directory)):
            done += 1
    return done


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--times', action='store_true')
    parser.add_argument('endpoint')
    parser.add_argument('bucket')
    parser.add_argument('directory', nargs='?', help='none: only the bucket')
    parser.add_argument('prefix', nargs='?', default='', help='before the keys, with its / at the end')
    arguments = parser.parse_args()
    endpoint = urllib.parse.urlsplit(arguments.endpoint)
    put(endpoint, arguments.bucket, b'', b'')
    if arguments.directory:
        print('%d objects' % put_all(endpoint, arguments.bucket, arguments.directory, os.fsencode(arguments.prefix),
                                     arguments.times))


if __name__ == '__main__':
    try:
        main()
    except OSError as error:
        sys.exit('put: %s' % error)
