#!/bin/bash
# Extended attributes: user.trailfs.key, .etag, .offset and .eventid lead from an event to the bytes that it was made of.
# also: asan tsan
. "$(dirname "$0")/lib.sh"
. tests/s3/lib.sh

source=$tmp/source mnt=$tmp/mnt

cat >"$tmp/xattrs.py" <<'END'
import errno, gzip, hashlib, json, os, sys
source, mnt = sys.argv[1:3]
# Of a bucket: what listings say of some ETags that are not the MD5 of the bytes.
lies = json.loads(sys.argv[3]) if len(sys.argv) > 3 else None
decoder = json.JSONDecoder()
texts, seen = {}, set()

def attributes(path):
    return {name: os.getxattr(path, name) for name in os.listxattr(path)}

def fails(wanted, call, *arguments):
    try:
        got = call(*arguments)
    except OSError as error:
        assert error.errno == wanted, (arguments, error)
    else:
        raise AssertionError('%r gave %r' % (arguments, got))

def text(key):
    if key not in texts:
        data = open(os.path.join(os.fsencode(source), key), 'rb').read()
        texts[key] = gzip.decompress(data) if key.endswith(b'.gz') else data
    return texts[key]

def is_etag(found, key):
    """Takes it out of the attributes that were found."""
    if lies is None:
        return 'user.trailfs.etag' not in found
    with open(os.path.join(os.fsencode(source), key), 'rb') as file:
        right = lies.get(key.decode(), hashlib.md5(file.read()).hexdigest())
    return found.pop('user.trailfs.etag', b'').decode() == right

for folder, _, names in os.walk(mnt + '/events'):
    assert attributes(folder) == {}, folder
    for name in names:
        path = os.path.join(folder, name)
        is_ = attributes(path)
        event = json.load(open(path, 'rb'))
        key = is_.pop('user.trailfs.key')
        seen.add(key)
        assert is_etag(is_, key), (path, is_)
        if isinstance(event, dict) and isinstance(event.get('eventID'), str):
            assert is_.pop('user.trailfs.eventid').decode() == event['eventID'], path
        if b'lookup' in key:
            assert 'user.trailfs.offset' not in is_, path
        else:
            offset = int(is_.pop('user.trailfs.offset'))
            record, _ = decoder.raw_decode(text(key)[offset:].decode('utf-8'))
            assert record == event, path
        assert is_ == {}, (path, is_)

    if names:
        for name in ['user.trailfs.', 'user.trailfs.keys'] + ['user.trailfs.etag'] * (lies is None):
            fails(errno.ENODATA, os.getxattr, path, name)
        for name in ('user.other', 'security.selinux', 'system.posix_acl_access', 'user.trailfs', 'trusted.x'):
            fails(errno.EOPNOTSUPP, os.getxattr, path, name)
        fails(errno.EROFS, os.setxattr, path, 'user.trailfs.key', b'x')
assert len(seen) > 5, seen

shown = 0
for folder, _, names in os.walk(os.fsencode(mnt) + b'/AWSLogs'):
    for name in names:
        path = os.path.join(folder, name)
        is_ = attributes(path)
        key = is_.pop('user.trailfs.key')
        assert is_etag(is_, key) and is_ == {}, (path, is_)
        assert os.path.relpath(path, os.fsencode(mnt)) in (key, key[:-3]), (path, key)
        if key.decode() not in (lies or ()):  # when they are read, they are other objects than the listing said
            assert open(path, 'rb').read() == text(key), path
        shown += 1
assert shown > 5
for name in ('README', '.trailfs/status', 'live.jsonl', 'events/count', '.', 'by-user'):
    assert attributes(os.path.join(mnt, name)) == {}, name
    fails(errno.ENODATA, os.getxattr, os.path.join(mnt, name), 'user.trailfs.key')
END

lead_back() {
	t "$PYTHON" "$tmp/xattrs.py" "$source" "$mnt"
}

# Also of the form that an upload in parts has; none where it has another form.
note=AWSLogs/111122223333/note
lies="{\"$note-1.txt\": \"0123456789abcdef0123456789abcdef-38\", \"$note-2.txt\": \"\"}"

etags() { # etags [OPTION...]: of a bucket
	mount_trail s3://trail "$mnt" --cache-dir "$tmp/cache.s3" "$@" && wait_ready "$mnt" &&
		t "$PYTHON" "$tmp/xattrs.py" "$source" "$mnt" "$lies" && unmount "$mnt"
}

copies_keep_them() { # where the target's file system has them
	local file
	file=$(cd "$mnt" && compgen -G 'events/2*/*/*/*' | head -1)
	t cp -a "$mnt/$file" "$tmp/copy" && "$PYTHON" - "$mnt/$file" "$tmp/copy" <<'END'
import os, sys
a, b = sys.argv[1:3]
try:
    os.setxattr(os.path.dirname(b), 'user.test', b'x')
except OSError:
    sys.exit()
assert os.getxattr(b, 'user.trailfs.key') == os.getxattr(a, 'user.trailfs.key')
END
}

make_trail source --objects 20 --events 300 --days 2 >/dev/null || give_up "make-trail"
echo '{"Events":[{"CloudTrailEvent":"{\"eventName\":\"X\",\"eventID\":\"from lookup\"}"}]}' >"$source/lookup.json"
printf '[{"eventName":"A"},\n {"eventName":"B","eventID":"b"}]' >"$source/bare.json"
mount_trail "$source" "$mnt" && wait_ready "$mnt" || give_up "no mount"
check "they lead to the record" lead_back
check "copies keep them" copies_keep_them
check "it ends" unmount "$mnt"

touch "$source/$note-1.txt" "$source/$note-2.txt"
clean_environment
use_keys "$TEST_KEY" "$TEST_SECRET"
start_faults --bucket "trail=$source"
ctl lie "{\"bucket\": \"trail\", \"key\": \"$note-1.txt\", \"etag\": \"0123456789abcdef0123456789abcdef-38\"}"
ctl lie "{\"bucket\": \"trail\", \"key\": \"$note-2.txt\", \"etag\": \"odd\"}"
check "of a bucket" etags
check "of a bucket, mounted again" etags
check "of a bucket that cannot be reached" etags --offline
finish
