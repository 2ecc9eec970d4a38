"""kafka-python's part of tests/clients/breadth.rs, which says what each command must show.

Usage: kafka_python_breadth.py BOOTSTRAP write < SPEC | read TOPIC:COUNT... | admin TOPIC
"""

import sys

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic, OffsetSpec
from kafka.errors import NoError
from spec import BYTES_MAX, MANY, PATIENCE_S, batches, show, until, wanted

bootstrap, command, *arguments = sys.argv[1:]


def write():
    for topic, codec, records in batches():
        producer = KafkaProducer(
            bootstrap_servers=bootstrap,
            compression_type=None if codec == "none" else codec,
            max_request_size=BYTES_MAX,
            linger_ms=20,
        )
        sent = [
            producer.send(
                topic,
                key=record["key"],
                value=record["value"],
                headers=record["headers"],
                timestamp_ms=record["timestamp"],
            )
            for record in records
        ]
        for future in sent:
            future.get(PATIENCE_S)
        producer.close()


def read():
    missing = wanted(arguments)
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        max_partition_fetch_bytes=BYTES_MAX,
        fetch_max_bytes=BYTES_MAX,
        consumer_timeout_ms=PATIENCE_S * 1000,
    )
    partitions = [TopicPartition(topic, 0) for topic in missing]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    for record in consumer:
        show(record.topic, record.offset, record.timestamp, record.key, record.value, record.headers)
        missing[record.topic] -= 1
        if not any(missing.values()):
            break
    assert not any(missing.values()), missing
    consumer.close()


def admin():
    (topic,) = arguments
    client = KafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=PATIENCE_S * 1000)
    many(client, topic)
    client.create_topics([NewTopic(topic, 1, 1)])
    until("the topic", lambda: topic in client.list_topics())
    configs(client, topic)
    log_directories(client, topic)
    groups(client, topic)


def many(client, topic):
    names = {f"{topic}-{number}" for number in range(MANY)}
    client.create_topics([NewTopic(name, 1, 1) for name in names], timeout_ms=PATIENCE_S * 1000)
    listed = lambda: names & set(client.list_topics())
    until("all of them are listed", lambda: listed() == names)
    client.delete_topics(list(names), timeout_ms=PATIENCE_S * 1000)
    until("deleted topics are still listed", lambda: not listed())


def configs(client, topic):
    def value(kind, resource, name):
        described = client.describe_configs([ConfigResource(kind, resource)], config_filter="all")
        return described[kind.name.lower()][resource][name]["value"]

    def change(name, change):
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {name: change})])

    kinds = ConfigResourceType
    assert value(kinds.BROKER, "1", "node.id") == "1"
    change("retention.ms", "60000")
    change("cleanup.policy", ("APPEND", "compact"))
    until("retention.ms", lambda: value(kinds.TOPIC, topic, "retention.ms") == "60000")
    until("cleanup.policy", lambda: value(kinds.TOPIC, topic, "cleanup.policy") == "delete,compact")
    change("cleanup.policy", ("SUBTRACT", "compact"))
    change("retention.ms", ("DELETE", None))
    until("the default", lambda: value(kinds.TOPIC, topic, "retention.ms") == "604800000")
    listed = client.list_config_resources([kinds.TOPIC, kinds.BROKER])
    assert topic in listed["topic"] and listed["broker"] == ["1"], listed


def log_directories(client, topic):
    described = client.describe_log_dirs([topic])
    assert topic in str(described) and "data" in str(described), described


def groups(client, topic):
    group, partition = f"{topic}-group", TopicPartition(topic, 0)
    altered = client.alter_group_offsets(group, {partition: OffsetAndMetadata(7, "seven", -1)})
    assert altered[partition] is NoError, altered
    found = client.list_group_offsets([group])[group][partition]
    assert (found.offset, found.metadata) == (7, "seven"), found
    reset = client.reset_group_offsets(group, {partition: OffsetSpec.EARLIEST})
    assert reset[partition]["offset"] == 0, reset
    client.delete_group_offsets(group, [partition])
    listed = lambda: [found["group_id"] for found in client.list_groups()]
    assert client.list_group_offsets([group]).get(group, {}) == {}
    client.alter_group_offsets(group, {partition: OffsetAndMetadata(1, "", -1)})
    assert group in listed() and client.describe_groups([group])[group]["group_state"] == "Empty"
    client.delete_groups([group])
    assert group not in listed(), listed()


{"write": write, "read": read, "admin": admin}[command]()
