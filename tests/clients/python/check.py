"""confluent-kafka's (librdkafka's) producers and consumers of tests/checker, which print the lines of its history.rs.

Usage: check.py BOOTSTRAP TOPIC PARTITIONS FIRST PRODUCERS CONSUMERS RATE

Producers write about RATE records a second each until SIGTERM; everything is acknowledged when it ends.
"""

import os
import random
import signal
import sys
import threading

from confluent_kafka import Consumer, Producer, TopicPartition

# How long a flush may take after the end of the last fault.
PATIENCE_S = 120
TICK_S = 0.02

bootstrap, topic = sys.argv[1:3]
partitions, first, producers, consumers, rate = map(int, sys.argv[3:])
is_written, is_read = threading.Event(), threading.Event()
signal.signal(signal.SIGTERM, lambda *_: is_written.set())
output = threading.Lock()


def note(*fields):
    with output:
        print(*fields)


def answered(writer, number, partition):
    def callback(error, message):
        if error:
            print(f"record {number} of writer {writer} to partition {partition}: {error}", file=sys.stderr)
            note("F", writer, number, partition)
        else:
            note("A", writer, number, partition, -1 if message.offset() is None else message.offset())

    return callback


def write(writer):
    dice, number = random.Random(writer), 0
    settings = {"bootstrap.servers": bootstrap, "enable.idempotence": True, "message.timeout.ms": 0, "linger.ms": 5}
    producer = Producer(settings)
    while not is_written.wait(TICK_S):
        for _ in range(1 + dice.randrange(1 + rate // 25)):
            number += 1
            partition = dice.randrange(partitions)
            note("S", writer, number, partition)
            value = f"{writer} {number} {'x' * dice.randrange(200)}"
            while True:
                try:
                    producer.produce(topic, value, partition=partition, on_delivery=answered(writer, number, partition))
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.poll(0)
    left = producer.flush(PATIENCE_S)
    if left:
        print(f"writer {writer}: {left} records without an answer", file=sys.stderr)


def read(reader):
    # A log that ends before the position is told, and not read anew from somewhere else.
    settings = {"bootstrap.servers": bootstrap, "group.id": f"reader-{reader}", "enable.auto.commit": False}
    consumer = Consumer({**settings, "auto.offset.reset": "error"})
    for partition in range(partitions):
        note("B", reader, partition, 0)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    while not is_read.is_set():
        for record in consumer.consume(500, 0.1):
            if record.error():
                print(f"reader {reader} of partition {record.partition()}: {record.error()}", file=sys.stderr)
                continue
            note("R", reader, record.partition(), record.offset(), *signature(record.value()))


def signature(value):
    """Whose record it is; nobody's where a byte of it is wrong."""
    fields = value.decode(errors="replace").split(" ")
    if len(fields) != 3 or fields[2].strip("x"):
        return 0, 0
    return int(fields[0]), int(fields[1])


writers = [threading.Thread(target=write, args=(first + number,)) for number in range(producers)]
readers = [threading.Thread(target=read, args=(first + number,)) for number in range(consumers)]
for thread in writers + readers:
    thread.start()
is_written.wait()
for thread in writers:
    thread.join()
is_read.set()
for thread in readers:
    thread.join()
sys.stdout.flush()
# Consumers are left as they are: after this much trouble librdkafka's may wait without end to be closed.
os._exit(0)
