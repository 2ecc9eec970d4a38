"""confluent-kafka's (librdkafka's) part of the client tests; tests/clients/main.rs says what each phase must show.

Usage: confluent.py BOOTSTRAP NAME before|after
"""

import sys
import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

PARTITIONS, FIRST, READ, SECOND = 3, 100, 60, 50
PATIENCE_S = 60

bootstrap, topic, phase = sys.argv[1:]
group = f"{topic}-readers"
admin = AdminClient({"bootstrap.servers": bootstrap})


def describe():
    partitions = admin.list_topics(topic, timeout=PATIENCE_S).topics[topic].partitions
    assert len(partitions) == PARTITIONS, partitions
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    configs = admin.describe_configs([resource])[resource].result(PATIENCE_S)
    assert configs["cleanup.policy"].value == "delete", configs["cleanup.policy"]
    print("described", topic)


def produce(first, count):
    failures = []
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5})
    for number in range(first, first + count):
        producer.produce(
            topic,
            key=f"key-{number % 10}",
            value=str(number),
            headers={"number": f"n{number}"},
            on_delivery=lambda error, _: error and failures.append(error),
        )
    assert producer.flush(PATIENCE_S) == 0 and not failures, failures
    print("produced", count)


def consume(count):
    """Reads exactly `count` records as the only member of the group, commits behind them and leaves."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
        }
    )
    consumer.subscribe([topic])
    seen, deadline = [], time.monotonic() + PATIENCE_S
    while len(seen) < count:
        assert time.monotonic() < deadline, f"{len(seen)} records of {count}"
        record = consumer.poll(1)
        if record is None:
            continue
        if record.error():
            raise KafkaException(record.error())
        number = int(record.value())
        assert record.key() == f"key-{number % 10}".encode(), record.key()
        assert record.headers() == [("number", f"n{number}".encode())], record.headers()
        seen.append(number)
        consumer.store_offsets(record)
    consumer.commit(asynchronous=False)
    consumer.close()
    print("consumed", count)
    return seen


def check_offsets():
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"{topic}-watcher"})
    partitions = [TopicPartition(topic, index) for index in range(PARTITIONS)]
    request = ConsumerGroupTopicPartitions(group, partitions)
    committed = admin.list_consumer_group_offsets([request])[group].result(PATIENCE_S).topic_partitions
    ends = [consumer.get_watermark_offsets(partition, timeout=PATIENCE_S)[1] for partition in partitions]
    assert [partition.offset for partition in committed] == ends and sum(ends) == FIRST + SECOND, (committed, ends)
    consumer.close()


def before():
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)], operation_timeout=PATIENCE_S)[topic].result(PATIENCE_S)
    try:
        admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(PATIENCE_S)
        raise AssertionError("a second creation must be refused")
    except KafkaException as refusal:
        assert refusal.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS, refusal
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
    listed = admin.list_consumer_groups().result(PATIENCE_S).valid
    assert group in [listing.group_id for listing in listed], listed
    described = admin.describe_consumer_groups([group])[group].result(PATIENCE_S)
    assert described.state.name == "EMPTY", described.state
    admin.delete_consumer_groups([group])[group].result(PATIENCE_S)
    admin.create_partitions([NewPartitions(topic, PARTITIONS + 1)])[topic].result(PATIENCE_S)
    admin.delete_topics([topic], operation_timeout=PATIENCE_S)[topic].result(PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while topic in admin.list_topics(timeout=PATIENCE_S).topics:
        assert time.monotonic() < deadline, "a deleted topic is still listed"


before() if phase == "before" else after()
