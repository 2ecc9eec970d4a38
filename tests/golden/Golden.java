// Prints the golden vectors: what Apache Kafka's own serializers write for every message and version.
//
// usage: java -cp 'LIBS/*' Golden.java FOLDER
//
// Every message is filled by reflection along the schema that Kafka's generated class has for the version, three times:
// with defaults, with every field set, and with null wherever null is allowed. FOLDER gets one file per message, with
// lines of versions, filling and bytes in hex; batches.txt, headers.txt, errors.txt and
// metadata_frames.txt hold the rest.

import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.LeaderChangeMessage;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.BaseRecords;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.apache.kafka.common.requests.RequestHeader;
import org.apache.kafka.common.requests.ResponseHeader;
import org.apache.kafka.common.utils.AppInfoParser;
import org.apache.kafka.metadata.MetadataRecordSerde;
import org.apache.kafka.server.common.ApiMessageAndVersion;

public class Golden {
    enum Filling { DEFAULT, FULL, NULL }

    private static final HexFormat HEX = HexFormat.of();

    /** Where the classes of a jar's schemas are. */
    private static final Map<String, String> PACKAGES = new TreeMap<>(Map.of(
        "kafka-clients", "org.apache.kafka.common.message.",
        "kafka-metadata", "org.apache.kafka.common.metadata.",
        "kafka-group-coordinator", "org.apache.kafka.coordinator.group.generated.",
        "kafka-transaction-coordinator", "org.apache.kafka.coordinator.transaction.generated.",
        "kafka-share-coordinator", "org.apache.kafka.coordinator.share.generated."));

    private final Filling filling;
    /** Counts the values, so that each differs from its neighbours. */
    private int counter = 0;

    private Golden(Filling filling) {
        this.filling = filling;
    }

    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        Files.createDirectories(folder);
        List<String> frames = new ArrayList<>();
        for (Map.Entry<String, String> jar : PACKAGES.entrySet()) {
            for (String name : schemas(jar.getKey())) {
                Class<?> message = classOf(jar.getValue() + name);
                write(folder.resolve(name + ".txt"), vectors(message));
                if (jar.getKey().equals("kafka-metadata")) frames.add(metadataFrame(message));
            }
        }
        write(folder.resolve("metadata_frames.txt"), frames);
        write(folder.resolve("batches.txt"), batches());
        write(folder.resolve("headers.txt"), headers());
        write(folder.resolve("errors.txt"), errors());
    }

    private static void write(Path path, List<String> lines) throws IOException {
        String provenance = "# written by the serializers of Apache Kafka " + AppInfoParser.getVersion() + "\n";
        Files.writeString(path, provenance + String.join("\n", lines) + "\n");
    }

    /** The names of the schemas in a jar whose message was not removed. */
    private static List<String> schemas(String jar) throws IOException {
        List<String> names = new ArrayList<>();
        for (String entry : System.getProperty("java.class.path").split(":")) {
            if (!Path.of(entry).getFileName().toString().matches(jar + "-[0-9.]+\\.jar")) continue;
            try (JarFile file = new JarFile(entry)) {
                for (JarEntry schema : Collections.list(file.entries())) {
                    if (!schema.getName().matches("common/(message|metadata)/\\w+\\.json")) continue;
                    String json = new String(file.getInputStream(schema).readAllBytes(), StandardCharsets.UTF_8);
                    Matcher name = Pattern.compile("\"name\": *\"(\\w+)\"").matcher(json);
                    if (name.find() && !json.contains("\"validVersions\": \"none\"")) names.add(name.group(1));
                }
            }
        }
        names.sort(null);
        return names;
    }

    /** The class of a schema: those of requests, responses and headers have a suffix. */
    private static Class<?> classOf(String name) throws ClassNotFoundException {
        try {
            return Class.forName(name + "Data");
        } catch (ClassNotFoundException plain) {
            return Class.forName(name);
        }
    }

    /** Lines of version range, filling and bytes; neighbouring versions with the same bytes share one. */
    private static List<String> vectors(Class<?> type) throws Exception {
        Message empty = (Message) type.getConstructor().newInstance();
        List<String> lines = new ArrayList<>();
        for (Filling filling : Filling.values()) {
            String before = null;
            short first = 0;
            for (int v = empty.lowestSupportedVersion(); v <= empty.highestSupportedVersion() + 1; v++) {
                short version = (short) v;
                String bytes = version > empty.highestSupportedVersion() ? null : bytes(type, version, filling);
                if (before != null && !before.equals(bytes)) {
                    String bytesOrNone = before.isEmpty() ? "-" : before;
                    lines.add(first + "-" + (version - 1) + " " + filling.name().toLowerCase() + " " + bytesOrNone);
                }
                if (bytes == null || !bytes.equals(before)) first = version;
                before = bytes;
            }
        }
        return lines;
    }

    private static String bytes(Class<?> type, short version, Filling filling) throws Exception {
        Message message = filled(type, version, filling);
        ByteBufferAccessor written = MessageUtil.toByteBufferAccessor(message, version);
        return HEX.formatHex(MessageUtil.byteBufferToArray(written.buffer()));
    }

    private static Message filled(Class<?> type, short version, Filling filling) throws Exception {
        return (Message) new Golden(filling).struct(type, schema(type, version), version, 0);
    }

    private static Schema schema(Class<?> type, short version) throws Exception {
        return ((Schema[]) type.getField("SCHEMAS").get(null))[version];
    }

    private Object struct(Class<?> type, Schema schema, short version, int depth) throws Exception {
        Object struct = type.getConstructor().newInstance();
        for (var bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields tagged) {
                for (var field : tagged.fields().values()) set(struct, field.name, field.type, version, depth);
            } else {
                set(struct, bound.def.name, bound.def.type, version, depth);
            }
        }
        return struct;
    }

    private void set(Object struct, String name, Type type, short version, int depth) throws Exception {
        Field field = field(struct.getClass(), name);
        field.setAccessible(true);
        boolean mustBeSet = field.get(struct) == null && !type.isNullable();
        if (filling == Filling.NULL && type.isNullable()) {
            field.set(struct, null);
        } else if (filling == Filling.FULL || mustBeSet || nests(field, type)) {
            field.set(struct, value(field, type, version, depth));
        }
    }

    /** Whether NULL must look for nullable fields further inside. */
    private boolean nests(Field field, Type type) {
        return filling == Filling.NULL && (type instanceof Schema || element(type) instanceof Schema);
    }

    private static Type element(Type type) {
        return type.arrayElementType().orElse(null);
    }

    /** The Java field of a schema's field, whose name is in snake case. */
    private static Field field(Class<?> type, String name) throws NoSuchFieldException {
        String wanted = name.replace("_", "");
        for (Field field : type.getDeclaredFields()) {
            boolean isStatic = Modifier.isStatic(field.getModifiers());
            if (!isStatic && field.getName().equalsIgnoreCase(wanted)) return field;
        }
        throw new NoSuchFieldException(type + " " + name);
    }

    @SuppressWarnings("unchecked")
    private Object value(Field field, Type type, short version, int depth) throws Exception {
        Class<?> java = field.getType();
        if (!type.isArray()) return scalar(java, type, version, depth);
        Class<?> element = elementClass(field);
        Collection<Object> values = java == List.class
            ? new ArrayList<>() : (Collection<Object>) java.getConstructor().newInstance();
        for (int i = 0; i < (depth == 0 ? 2 : 1); i++) {
            values.add(scalar(element, element(type), version, depth + 1));
        }
        return values;
    }

    private static Class<?> elementClass(Field field) {
        var type = field.getType() == List.class
            ? field.getGenericType() : field.getType().getGenericSuperclass();
        return (Class<?>) ((ParameterizedType) type).getActualTypeArguments()[0];
    }

    private Object scalar(Class<?> java, Type type, short version, int depth) throws Exception {
        int n = ++counter;
        if (java == boolean.class || java == Boolean.class) return true;
        if (java == byte.class || java == Byte.class) return (byte) (0x40 + n % 0x40);
        if (java == short.class || java == Short.class) return (short) (0x1000 + n);
        // An unsigned 16-bit or 32-bit number has the next wider type in Java.
        if (java == int.class || java == Integer.class) return type == Type.UINT16 ? 0xf000 + n : 0x10000000 + n;
        if (java == long.class || java == Long.class) {
            return type == Type.UNSIGNED_INT32 ? 0xf0000000L + n : 0x1000000000000000L + n;
        }
        if (java == double.class) return 0.5 + n;
        if (java == String.class) return "ä" + n;
        if (java == Uuid.class) return new Uuid(0x1000000000000000L + n, n);
        byte[] bytes = ("bytes " + n).getBytes(StandardCharsets.UTF_8);
        if (java == byte[].class) return bytes;
        if (java == ByteBuffer.class) return ByteBuffer.wrap(bytes);
        if (java == BaseRecords.class) return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes));
        return struct(java, schema(java, version), version, depth + 1);
    }

    /** Key, version and both headers for every version of every API, as the protocol's own types choose them. */
    private static List<String> headers() {
        List<String> lines = new ArrayList<>();
        for (ApiKeys api : ApiKeys.values()) {
            for (short version : api.allVersions()) {
                RequestHeader request = new RequestHeader(api, version, "ä client", 0x01020304);
                ResponseHeader response = request.toResponseHeader();
                lines.add(api.id + " " + version
                    + " " + hex(request.data(), request.headerVersion())
                    + " " + hex(response.data(), response.headerVersion()));
            }
        }
        return lines;
    }

    private static String hex(ApiMessage message, short version) {
        return HEX.formatHex(MessageUtil.byteBufferToArray(MessageUtil.toByteBufferAccessor(message, version).buffer()));
    }

    /** Record batches by name: the same three records in every codec, then batches of producers and control batches. */
    private static List<String> batches() {
        SimpleRecord[] records = {
            new SimpleRecord(1000, "key".getBytes(StandardCharsets.UTF_8), "value".getBytes(StandardCharsets.UTF_8),
                new Header[] {new RecordHeader("header", new byte[] {1}), new RecordHeader("none", null)}),
            new SimpleRecord(990, null, "v".repeat(100).getBytes(StandardCharsets.UTF_8)),
            new SimpleRecord(2000, "tombstone".getBytes(StandardCharsets.UTF_8), null),
        };
        Map<String, MemoryRecords> batches = new LinkedHashMap<>();
        for (CompressionType codec : CompressionType.values()) {
            batches.put(codec.name, MemoryRecords.withRecords(40, Compression.of(codec).build(), 7, records));
        }
        batches.put("idempotent", MemoryRecords.withIdempotentRecords(40, Compression.NONE, 11, (short) 2, 5, 7, records));
        batches.put("transactional",
            MemoryRecords.withTransactionalRecords(40, Compression.NONE, 11, (short) 2, 5, 7, records));
        for (ControlRecordType type : List.of(ControlRecordType.COMMIT, ControlRecordType.ABORT)) {
            EndTransactionMarker marker = new EndTransactionMarker(type, 3);
            batches.put(type.name().toLowerCase(),
                MemoryRecords.withEndTransactionMarker(40, 1000, 7, 11, (short) 2, marker));
        }
        LeaderChangeMessage change = new LeaderChangeMessage().setVersion((short) 1).setLeaderId(1)
            .setVoters(List.of(new LeaderChangeMessage.Voter().setVoterId(1)));
        batches.put("leader_change",
            MemoryRecords.withLeaderChangeMessage(40, 1000, 7, ByteBuffer.allocate(256), change));
        return batches.entrySet().stream()
            .map(batch -> batch.getKey() + " "
                + HEX.formatHex(MessageUtil.byteBufferToArray(batch.getValue().buffer().duplicate())))
            .toList();
    }

    /** Code, name and whether clients retry. */
    private static List<String> errors() {
        List<String> lines = new ArrayList<>();
        for (Errors error : Errors.values()) {
            lines.add(error.code() + " " + error.name() + " " + (error.exception() instanceof RetriableException));
        }
        return lines;
    }

    /** A record as the metadata log holds it. */
    private static String metadataFrame(Class<?> type) throws Exception {
        ApiMessage empty = (ApiMessage) type.getConstructor().newInstance();
        short version = empty.highestSupportedVersion();
        ApiMessage message = (ApiMessage) filled(type, version, Filling.FULL);
        MetadataRecordSerde serde = MetadataRecordSerde.INSTANCE;
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ApiMessageAndVersion record = new ApiMessageAndVersion(message, version);
        ByteBuffer buffer = ByteBuffer.allocate(serde.recordSize(record, cache));
        serde.write(record, cache, new ByteBufferAccessor(buffer));
        return type.getSimpleName() + " " + HEX.formatHex(buffer.array());
    }
}
