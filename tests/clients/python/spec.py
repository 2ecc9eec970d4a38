"""What both Python clients share in tests/clients/breadth.rs: what to produce comes as JSON, what was read leaves as lines of JSON."""

import json
import sys
import time
import zlib

PATIENCE_S = 90
# A value of more characters is told by its length and checksum.
SHOWN_MAX = 1000
# Large enough for every record of the tests, in bytes.
BYTES_MAX = 20_000_000
# Topics that each administrator creates at once.
MANY = 1000


def batches():
    """Topic, codec and records of each group of records that one producer sends."""
    for group in json.load(sys.stdin):
        records = group["records"]
        for record in records:
            record["key"], value = encoded(record["key"]), record["value"]
            record["value"] = encoded(value and value * record["repeat"])
            record["headers"] = [(name, encoded(value)) for name, value in record["headers"]]
        yield group["topic"], group["codec"], records


def encoded(text):
    return None if text is None else text.encode()


def wanted(arguments):
    """How many records to read of each topic."""
    return {topic: int(count) for topic, count in (argument.split(":") for argument in arguments)}


def show(topic, offset, timestamp, key, value, headers):
    if value is not None and len(value) > SHOWN_MAX:
        value = f"#{len(value)}:{zlib.crc32(value)}".encode()
    text = lambda data: None if data is None else data.decode()
    record = dict(topic=topic, offset=offset, timestamp=timestamp, key=text(key), value=text(value))
    record["headers"] = [[name, text(value)] for name, value in headers or []]
    print(json.dumps(record))


def until(what, holds):
    """Looks until it holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, what
