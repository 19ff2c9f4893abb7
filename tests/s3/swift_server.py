#!/usr/bin/python3
"""OpenStack Swift with its s3api on loopback: a proxy, an account, a container and an object server.

    swift_server.py DIR REGION USER...        USER: ACCOUNT:NAME=SECRET[=GROUP]

Four processes, which end with the first one. Everything is in DIR (/etc/swift is neither read nor written), the objects
are in memory. The sockets are open before their ports are told, so that none is ever taken; DIR/pids and then
DIR/ready, with the proxy's port, are there when it answers. DIR/log/access.log has a line for each request
of a client: method and target, status, range. What Swift itself logs goes to standard error.
"""
import ctypes
import json
import os
import signal
import socket
import sys
import time
import traceback

PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>
STORES = ('account', 'container', 'object')
# A machine may be slow, and nothing here is ever down: no server gives another one up.
COMMON = '''[DEFAULT]
bind_ip = 127.0.0.1
bind_port = %(port)d
swift_dir = %(dir)s/etc
devices = %(dir)s/devices
mount_check = false
log_level = WARNING
log_udp_host = 127.0.0.1
log_udp_port = %(log_port)d
recon_cache_path = %(dir)s/cache
conn_timeout = 60
node_timeout = 60
container_update_timeout = 60
'''
STORE = COMMON + '''
[pipeline:main]
pipeline = %(kind)s-server
[app:%(kind)s-server]
use = egg:swift#%(egg)s
'''
PROXY = COMMON + '''
[pipeline:main]
pipeline = log catch_errors cache s3api tempauth proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
recoverable_node_timeout = 60
error_suppression_limit = 1000000
[filter:log]
paste.filter_factory = swift_server:log_factory
path = %(dir)s/log/access.log
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
paste.filter_factory = swift_server:cache_factory
[filter:s3api]
use = egg:swift#s3api
location = %(region)s
max_bucket_listing = 100
[filter:tempauth]
use = egg:swift#tempauth
%(users)s
'''


class Cache:
    """What memcached would do for a proxy of one process. Values are kept as text, as there."""

    def __init__(self):
        self.kept = {}

    def get(self, key, *_, **__):
        text, until = self.kept.get(key, ('null', 0))
        return json.loads(text) if time.time() < until else None

    def set(self, key, value, *_, **more):
        self.kept[key] = json.dumps(value), time.time() + (more.get('time') or 3600)

    def delete(self, key, *_, **__):
        self.kept.pop(key, None)


def cache_factory(_, **__):
    cache = Cache()

    def with_cache(app):
        def call(env, start_response):
            env['swift.cache'] = cache
            return app(env, start_response)
        return call
    return with_cache


def log_factory(_, path, **__):
    log = open(path, 'a', buffering=1)  # a line at a time

    def with_log(app):
        def call(env, start_response):
            target = env.get('RAW_PATH_INFO', '') + ('?' + env['QUERY_STRING'] if env.get('QUERY_STRING') else '')
            method = env['REQUEST_METHOD']

            def start(status, *more):
                log.write('"%s %s" %s %s\n' % (method, target, status.split()[0], env.get('HTTP_RANGE', '-')))
                return start_response(status, *more)
            return app(env, start)
        return call
    return with_log


def listener():
    one = socket.create_server(('127.0.0.1', 0), backlog=1024)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one


def write(path, text):
    with open(path, 'w') as file:
        file.write(text)


def make_ring(kind, port, folder):
    """One device on one server."""
    from swift.common.ring import RingBuilder
    builder = RingBuilder(4, 1, 0)
    builder.add_dev({'region': 1, 'zone': 1, 'ip': '127.0.0.1', 'port': port, 'device': 'd1', 'weight': 1.0, 'meta': '',
                     'replication_ip': '127.0.0.1', 'replication_port': port})
    builder.rebalance()
    builder.get_ring().save('%s/etc/%s.ring.gz' % (folder, kind))


def tell_users(users):
    lines = []
    for one in users:
        name, secret, *groups = one.split('=')
        lines.append('user_%s = %s %s' % (name.replace(':', '_'), secret, ' '.join(groups)))
    return '\n'.join(lines)


def serve(kind, path, one, ready):
    """In a process of its own, which ends with its parent. ready: where to write when it answers."""
    import eventlet
    from swift.common import utils, wsgi
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    eventlet.monkey_patch(all=False, socket=True, select=True, thread=True)
    conf = wsgi.appconfig(path, name=kind + '-server')
    logger = utils.get_logger(conf, kind + '-server', log_route='wsgi')
    wsgi.run_server(conf, logger, eventlet.greenio.GreenSocket(one), ready_callback=lambda: os.write(ready, b'!'))


def begin(kind, path, one):
    """Until it answers: its process id."""
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            serve(kind, path, one, told)
        except BaseException:  # the parent's code is not this process's
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(told)
    one.close()
    if not os.read(ready, 1):
        sys.exit('the %s server does not start' % kind)
    os.close(ready)
    return pid


def main(folder, region, *users):
    from swift.common import utils
    write(folder + '/etc/swift.conf', '[swift-hash]\nswift_hash_path_suffix = test\n')
    utils.set_swift_dir(folder + '/etc')  # before what reads it when it is imported
    import swift.common.wsgi  # noqa: F401  once for all four

    log = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    log.bind(('127.0.0.1', 0))
    sockets = {kind: listener() for kind in STORES + ('proxy',)}
    ports = {kind: one.getsockname()[1] for kind, one in sockets.items()}
    for kind in STORES:
        make_ring(kind, ports[kind], folder)
    pids = [os.getpid()]
    for kind, one in sockets.items():
        path = '%s/etc/%s.conf' % (folder, kind)
        write(path, (PROXY if kind == 'proxy' else STORE) % {
            'dir': folder, 'port': ports[kind], 'log_port': log.getsockname()[1], 'kind': kind,
            'egg': 'mem_object' if kind == 'object' else kind, 'region': region, 'users': tell_users(users)})
        pids.append(begin(kind, path, one))
    signal.signal(signal.SIGCHLD, lambda *_: sys.exit('a server died'))
    write(folder + '/pids', ' '.join(map(str, pids)) + '\n')
    write(folder + '/ready.new', '%d\n' % ports['proxy'])
    os.rename(folder + '/ready.new', folder + '/ready')
    while True:  # Swift knows no log but syslog
        print(log.recv(65536).decode('utf-8', 'replace').strip('\0\n'), file=sys.stderr, flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
