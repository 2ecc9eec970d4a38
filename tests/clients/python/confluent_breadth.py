"""confluent-kafka's (librdkafka's) part of tests/clients/breadth.rs, which says what each command must show.

Usage: confluent_breadth.py BOOTSTRAP write < SPEC | read TOPIC:COUNT... | stream TOPIC COUNT | admin TOPIC
"""

import sys

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, OFFSET_BEGINNING, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
)
from spec import BYTES_MAX, MANY, PATIENCE_S, batches, show, until, wanted

bootstrap, command, *arguments = sys.argv[1:]


def write():
    for topic, codec, records in batches():
        failures = []
        producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "compression.type": codec,
                "message.max.bytes": BYTES_MAX,
                "linger.ms": 20,
                "enable.idempotence": True,
            }
        )
        for record in records:
            producer.produce(
                topic,
                key=record["key"],
                value=record["value"],
                headers=record["headers"],
                timestamp=record["timestamp"],
                on_delivery=lambda error, _: error and failures.append(error),
            )
        assert producer.flush(PATIENCE_S) == 0 and not failures, failures


def read():
    missing = wanted(arguments)
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "confluent-reads",
            "enable.auto.commit": False,
            "fetch.message.max.bytes": BYTES_MAX,
            "fetch.max.bytes": BYTES_MAX,
            "receive.message.max.bytes": 2 * BYTES_MAX,
        }
    )
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING) for topic in missing])

    def enough():
        record = consumer.poll(1)
        if record is not None:
            assert not record.error(), record.error()
            _, timestamp = record.timestamp()
            show(record.topic(), record.offset(), timestamp, record.key(), record.value(), record.headers())
            missing[record.topic()] -= 1
        return not any(missing.values())

    until(f"records of {missing}", enough)
    consumer.close()


def stream():
    topic, count = arguments[0], int(arguments[1])
    failures = []

    def delivered(error, record):
        if error:
            failures.append(error)
        else:
            print(record.partition(), record.offset(), record.key().decode(), flush=True)

    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "linger.ms": 1,
            "retry.backoff.max.ms": 200,
            "reconnect.backoff.max.ms": 200,
            "delivery.timeout.ms": PATIENCE_S * 1000,
        }
    )
    for number in range(count):
        producer.produce(topic, partition=0, key=str(number), value=f"{number} " + "x" * 200, on_delivery=delivered)
        producer.poll(0.005 if number % 50 == 0 else 0)
    assert producer.flush(PATIENCE_S) == 0 and not failures, failures


def admin():
    (topic,) = arguments
    client = AdminClient({"bootstrap.servers": bootstrap})
    many(client, topic)
    results = client.create_topics([NewTopic(topic, 1, 1)], operation_timeout=PATIENCE_S)
    results[topic].result(PATIENCE_S)
    configs(client, topic)
    groups(client, topic)
    results = client.list_offsets({TopicPartition(topic, 0): OffsetSpec.latest()})
    assert [result.result(PATIENCE_S).offset for result in results.values()] == [0]
    results = client.delete_records([TopicPartition(topic, 0, 0)])
    assert [result.result(PATIENCE_S).low_watermark for result in results.values()] == [0]


def many(client, topic):
    names = {f"{topic}-{number}" for number in range(MANY)}
    results = client.create_topics([NewTopic(name, 1, 1) for name in names], operation_timeout=PATIENCE_S)
    for result in results.values():
        result.result(PATIENCE_S)
    listed = lambda: names & set(client.list_topics(timeout=PATIENCE_S).topics)
    until("all of them are listed", lambda: listed() == names)
    for result in client.delete_topics(list(names), operation_timeout=PATIENCE_S).values():
        result.result(PATIENCE_S)
    until("deleted topics are still listed", lambda: not listed())


def configs(client, topic):
    def change(name, value, operation):
        entry = ConfigEntry(name, value, incremental_operation=operation)
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
        client.incremental_alter_configs([resource])[resource].result(PATIENCE_S)

    def value(kind, resource, name):
        resource = ConfigResource(kind, resource)
        return client.describe_configs([resource])[resource].result(PATIENCE_S)[name].value

    kinds = ConfigResource.Type
    assert value(kinds.BROKER, "1", "node.id") == "1"
    change("retention.ms", "60000", AlterConfigOpType.SET)
    change("cleanup.policy", "compact", AlterConfigOpType.APPEND)
    until("retention.ms", lambda: value(kinds.TOPIC, topic, "retention.ms") == "60000")
    until("cleanup.policy", lambda: value(kinds.TOPIC, topic, "cleanup.policy") == "delete,compact")
    change("cleanup.policy", "compact", AlterConfigOpType.SUBTRACT)
    change("retention.ms", None, AlterConfigOpType.DELETE)
    until("the default", lambda: value(kinds.TOPIC, topic, "retention.ms") == "604800000")
    until("cleanup.policy", lambda: value(kinds.TOPIC, topic, "cleanup.policy") == "delete")


def groups(client, topic):
    group = f"{topic}-group"
    for offset in [7, 0]:
        request = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, offset)])
        client.alter_consumer_group_offsets([request])[group].result(PATIENCE_S)
        request = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0)])
        (found,) = client.list_consumer_group_offsets([request])[group].result(PATIENCE_S).topic_partitions
        assert found.offset == offset, found
    listed = lambda: [found.group_id for found in client.list_consumer_groups().result(PATIENCE_S).valid]
    assert group in listed(), listed()
    assert client.describe_consumer_groups([group])[group].result(PATIENCE_S).state.name == "EMPTY"
    client.delete_consumer_groups([group])[group].result(PATIENCE_S)
    assert group not in listed(), listed()


{"write": write, "read": read, "stream": stream, "admin": admin}[command]()
