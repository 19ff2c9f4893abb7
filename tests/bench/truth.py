#!/usr/bin/python3
"""What a search must find: the number of different events that hold a text, and of objects that do.

    truth.py FOLDER TEXT
"""
import gzip
import json
import os
import sys


def main(top, text):
    events, objects = set(), 0
    for folder, _, names in os.walk(top):
        for name in names:
            if not name.endswith('.json.gz'):
                continue
            with open(os.path.join(folder, name), 'rb') as file:
                body = gzip.decompress(file.read()).decode()
            if text not in body:
                continue
            objects += 1
            events.update(record['eventID'] for record in json.loads(body)['Records']
                          if text in json.dumps(record, ensure_ascii=False))
    print(len(events), objects)


main(*sys.argv[1:])
