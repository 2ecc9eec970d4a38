// The Java client's part of tests/clients/breadth.rs, which says what each command must show.
//
// Usage: Breadth BOOTSTRAP write < SPEC | read TOPIC:COUNT... | stream TOPIC COUNT | admin TOPIC

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.concurrent.Future;
import java.util.stream.*;
import java.util.zip.CRC32;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.*;

class Breadth {
    static final Duration PATIENCE = Duration.ofSeconds(90);
    static final int BYTES_MAX = 20_000_000;
    /** A value of more bytes is told by its length and checksum. */
    static final int SHOWN_MAX = 1000;
    /** Topics created at once. */
    static final int MANY = 1000;
    static final ObjectMapper JSON = new ObjectMapper();
    static String bootstrap;

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        String[] rest = Arrays.copyOfRange(arguments, 2, arguments.length);
        switch (arguments[1]) {
            case "write" -> write();
            case "read" -> read(rest);
            case "stream" -> stream(rest[0], Integer.parseInt(rest[1]));
            case "admin" -> admin(rest[0]);
        }
    }

    static KafkaProducer<byte[], byte[]> producer(String codec) {
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", bootstrap, "compression.type", codec, "max.request.size", BYTES_MAX, "linger.ms", 20,
            "delivery.timeout.ms", (int) PATIENCE.toMillis(), "reconnect.backoff.max.ms", 200);
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static void write() throws Exception {
        for (JsonNode batch : JSON.readTree(System.in)) {
            try (var producer = producer(batch.get("codec").asText())) {
                List<Future<RecordMetadata>> sent = new ArrayList<>();
                for (JsonNode record : batch.get("records")) {
                    List<Header> headers = new ArrayList<>();
                    for (JsonNode header : record.get("headers")) {
                        headers.add(new RecordHeader(header.get(0).asText(), data(header.get(1), 1)));
                    }
                    sent.add(producer.send(new ProducerRecord<>(batch.get("topic").asText(), null,
                        record.get("timestamp").asLong(), data(record.get("key"), 1),
                        data(record.get("value"), record.get("repeat").asInt()), headers)));
                }
                for (var future : sent) future.get();
            }
        }
    }

    static byte[] data(JsonNode text, int repeat) {
        return text.isNull() ? null : text.asText().repeat(repeat).getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] data) {
        return data == null ? null : new String(data, StandardCharsets.UTF_8);
    }

    static void read(String[] topics) throws Exception {
        Map<TopicPartition, Integer> wanted = new HashMap<>();
        for (String topic : topics) {
            String[] parts = topic.split(":");
            wanted.put(new TopicPartition(parts[0], 0), Integer.parseInt(parts[1]));
        }
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "fetch.max.bytes", BYTES_MAX,
            "max.partition.fetch.bytes", BYTES_MAX, "enable.auto.commit", false);
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(wanted.keySet());
            consumer.seekToBeginning(wanted.keySet());
            int missing = wanted.values().stream().mapToInt(Integer::intValue).sum();
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            while (missing > 0) {
                expect(System.nanoTime() < deadline, missing + " records are missing");
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    show(record);
                    missing--;
                }
            }
        }
    }

    static void show(ConsumerRecord<byte[], byte[]> record) throws Exception {
        String value = text(record.value());
        if (record.value() != null && record.value().length > SHOWN_MAX) {
            var crc = new CRC32();
            crc.update(record.value());
            value = "#" + record.value().length + ":" + crc.getValue();
        }
        List<String[]> headers = new ArrayList<>();
        for (Header header : record.headers()) headers.add(new String[] {header.key(), text(header.value())});
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("topic", record.topic());
        shown.put("offset", record.offset());
        shown.put("timestamp", record.timestamp());
        shown.put("key", text(record.key()));
        shown.put("value", value);
        shown.put("headers", headers);
        System.out.println(JSON.writeValueAsString(shown));
    }

    static void stream(String topic, int count) throws Exception {
        List<Exception> failures = Collections.synchronizedList(new ArrayList<>());
        try (var producer = producer("none")) {
            for (int number = 0; number < count; number++) {
                byte[] key = Integer.toString(number).getBytes(StandardCharsets.UTF_8);
                byte[] value = (number + " " + "x".repeat(200)).getBytes(StandardCharsets.UTF_8);
                producer.send(new ProducerRecord<>(topic, 0, key, value), (metadata, failure) -> {
                    if (failure != null) failures.add(failure);
                    else System.out.println(metadata.partition() + " " + metadata.offset() + " " + text(key));
                });
                if (number % 50 == 0) Thread.sleep(5);
            }
        }
        expect(failures.isEmpty(), failures.toString());
    }

    static void admin(String topic) throws Exception {
        Map<String, Object> settings =
            Map.of("bootstrap.servers", bootstrap, "default.api.timeout.ms", (int) PATIENCE.toMillis());
        try (Admin admin = Admin.create(settings)) {
            many(admin, topic);
            admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get();
            until("the topic", () -> admin.listTopics().names().get().contains(topic));
            configs(admin, topic);
            groups(admin, topic);
            var directory = admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1).values().iterator().next();
            expect(directory.replicaInfos().containsKey(new TopicPartition(topic, 0)), "the partition's log directory");
            expect(directory.totalBytes().orElse(0) > 0, "the size of the volume");
        }
    }

    static void many(Admin admin, String topic) throws Exception {
        List<String> names = IntStream.range(0, MANY).mapToObj(number -> topic + "-" + number).toList();
        admin.createTopics(names.stream().map(name -> new NewTopic(name, 1, (short) 1)).toList()).all().get();
        until("all of them are listed", () -> admin.listTopics().names().get().containsAll(names));
        admin.deleteTopics(names).all().get();
        until("none of them is listed", () -> Collections.disjoint(admin.listTopics().names().get(), names));
    }

    static void configs(Admin admin, String topic) throws Exception {
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        change(admin, resource, "retention.ms", "60000", AlterConfigOp.OpType.SET);
        change(admin, resource, "cleanup.policy", "compact", AlterConfigOp.OpType.APPEND);
        until("retention.ms", () -> value(admin, resource, "retention.ms").equals("60000"));
        until("cleanup.policy", () -> value(admin, resource, "cleanup.policy").equals("delete,compact"));
        change(admin, resource, "cleanup.policy", "compact", AlterConfigOp.OpType.SUBTRACT);
        change(admin, resource, "retention.ms", null, AlterConfigOp.OpType.DELETE);
        until("the default", () -> value(admin, resource, "retention.ms").equals("604800000"));
        expect(value(admin, new ConfigResource(ConfigResource.Type.BROKER, "1"), "node.id").equals("1"), "node.id");
        var listed = admin.listConfigResources(Set.of(ConfigResource.Type.TOPIC), new ListConfigResourcesOptions());
        expect(listed.all().get().contains(resource), "the topic among the resources");
    }

    static void change(Admin admin, ConfigResource resource, String name, String value, AlterConfigOp.OpType type)
        throws Exception {
        var operation = new AlterConfigOp(new ConfigEntry(name, value), type);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(operation))).all().get();
    }

    static String value(Admin admin, ConfigResource resource, String name) throws Exception {
        return admin.describeConfigs(List.of(resource)).all().get().get(resource).get(name).value();
    }

    static void groups(Admin admin, String topic) throws Exception {
        String group = topic + "-group";
        var partition = new TopicPartition(topic, 0);
        for (long offset : new long[] {7, 0}) {
            admin.alterConsumerGroupOffsets(group, Map.of(partition, new OffsetAndMetadata(offset, "here"))).all().get();
            var found = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(partition);
            expect(found.offset() == offset && found.metadata().equals("here"), found.toString());
        }
        admin.deleteConsumerGroupOffsets(group, Set.of(partition)).all().get();
        expect(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().isEmpty(), "no offset");
        admin.alterConsumerGroupOffsets(group, Map.of(partition, new OffsetAndMetadata(1))).all().get();
        Callable<Boolean> listed = () -> admin.listGroups().all().get().stream().anyMatch(g -> g.groupId().equals(group));
        expect(listed.call(), "the group is listed");
        var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
        expect(described.groupState().toString().equals("Empty"), described.toString());
        admin.deleteConsumerGroups(List.of(group)).all().get();
        expect(!listed.call(), "the group is gone");
    }

    static void until(String what, Callable<Boolean> holds) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!holds.call()) expect(System.nanoTime() < deadline, what);
    }

    static void expect(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }
}
