"""librdkafka's producer of the failover table, with its defaults: see bench/src/failover/clients.rs.

Usage: produce.py BOOTSTRAP TOPIC PARTITIONS RATE; ends when its input does. Prints `A NUMBER PARTITION MICROSECONDS` for an
acknowledged record, `E NUMBER PARTITION MICROSECONDS ERROR` for one that was given up.
"""

import sys
import threading
import time

from confluent_kafka import Producer

VALUE_CHARACTERS = 100
# Lines reach the reader after so many records at the latest.
FLUSH_RECORDS = 20
# How long the last records may take.
PATIENCE_S = 120

bootstrap, topic = sys.argv[1:3]
partitions, rate = map(int, sys.argv[3:])
is_over = threading.Event()


def await_end():
    sys.stdin.read()
    is_over.set()


def note(number, partition, error):
    kind, why = ("E", f" {error}") if error else ("A", "")
    print(f"{kind} {number} {partition} {time.time_ns() // 1000}{why}")


def noting(number, partition):
    return lambda error, _: note(number, partition, error)


threading.Thread(target=await_end, daemon=True).start()
producer = Producer({"bootstrap.servers": bootstrap})
number, due = 0, time.monotonic()
while not is_over.is_set():
    number += 1
    partition = number % partitions
    value = f"{number} ".ljust(VALUE_CHARACTERS, "x")
    try:
        producer.produce(topic, value, partition=partition, on_delivery=noting(number, partition))
    except BufferError as error:
        note(number, partition, error)
    if number % FLUSH_RECORDS == 0:
        sys.stdout.flush()
    due += 1 / rate
    producer.poll(0)
    while (left := due - time.monotonic()) > 0:
        producer.poll(left)
producer.flush(PATIENCE_S)
sys.stdout.flush()
