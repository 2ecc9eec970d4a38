"""kafka-python's part of the client tests; tests/clients/main.rs says what each phase must show.

Usage: kafka_python.py BOOTSTRAP NAME before|after
"""

import sys
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError

PARTITIONS, FIRST, READ, SECOND = 3, 100, 60, 50
PATIENCE_S = 60

bootstrap, topic, phase = sys.argv[1:]
group = f"{topic}-readers"
admin = KafkaAdminClient(bootstrap_servers=bootstrap)


def describe():
    (described,) = admin.describe_topics([topic])
    assert len(described["partitions"]) == PARTITIONS, described
    print("described", topic)


def produce(first, count):
    producer = KafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all")
    sent = [
        producer.send(
            topic,
            key=f"key-{number % 10}".encode(),
            value=str(number).encode(),
            headers=[("number", f"n{number}".encode())],
        )
        for number in range(first, first + count)
    ]
    producer.flush(PATIENCE_S)
    for future in sent:
        future.get(PATIENCE_S)
    producer.close()
    print("produced", count)


def consume(count):
    """Reads exactly `count` records as the only member of the group, commits behind them and leaves."""
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    seen, deadline = [], time.monotonic() + PATIENCE_S
    while len(seen) < count:
        assert time.monotonic() < deadline, f"{len(seen)} records of {count}"
        for records in consumer.poll(timeout_ms=1000, max_records=count - len(seen)).values():
            for record in records:
                number = int(record.value)
                assert record.key == f"key-{number % 10}".encode(), record
                assert list(record.headers) == [("number", f"n{number}".encode())], record
                seen.append(number)
    consumer.commit()
    consumer.close()
    print("consumed", count)
    return seen


def check_offsets():
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    partitions = [TopicPartition(topic, index) for index in range(PARTITIONS)]
    ends = consumer.end_offsets(partitions)
    committed = {partition: consumer.committed(partition) for partition in partitions}
    assert committed == ends and sum(ends.values()) == FIRST + SECOND, (committed, ends)
    consumer.close()


def before():
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    try:
        admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
        raise AssertionError("a second creation must be refused")
    except TopicAlreadyExistsError:
        pass
    describe()
    produce(0, FIRST)
    seen = consume(READ) + consume(FIRST - READ)
    assert sorted(seen) == list(range(FIRST)), sorted(seen)
    produce(FIRST, SECOND)


def after():
    describe()
    seen = consume(SECOND)
    assert sorted(seen) == list(range(FIRST, FIRST + SECOND)), sorted(seen)
    check_offsets()
    assert group in [listing["group_id"] for listing in admin.list_groups()]
    assert admin.describe_groups([group])[group]["group_state"] == "Empty"
    admin.delete_groups([group])
    assert group not in [listing["group_id"] for listing in admin.list_groups()]
    admin.create_partitions({topic: PARTITIONS + 1})
    admin.delete_topics([topic])
    deadline = time.monotonic() + PATIENCE_S
    while topic in admin.list_topics():
        assert time.monotonic() < deadline, "a deleted topic is still listed"


before() if phase == "before" else after()
