// The Java client's producer of the failover table, with its defaults: see bench/src/failover/clients.rs.
//
// Usage: Produce BOOTSTRAP TOPIC PARTITIONS RATE; ends when its input does. Prints `A NUMBER PARTITION MICROSECONDS` for an
// acknowledged record, `E NUMBER PARTITION MICROSECONDS ERROR` for one that was given up.

import java.io.*;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.*;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.StringSerializer;

class Produce {
    static final int VALUE_CHARACTERS = 100;
    /** Lines reach the reader after so many records at the latest. */
    static final int FLUSH_RECORDS = 20;
    static final PrintStream OUT = new PrintStream(new BufferedOutputStream(new FileOutputStream(FileDescriptor.out)));
    static volatile boolean isOver;

    public static void main(String[] arguments) throws Exception {
        String topic = arguments[1];
        int partitions = Integer.parseInt(arguments[2]);
        long interval = 1_000_000_000L / Integer.parseInt(arguments[3]);
        Thread end = new Thread(Produce::awaitEnd);
        end.setDaemon(true);
        end.start();
        Map<String, Object> settings = Map.of("bootstrap.servers", arguments[0]);
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            long due = System.nanoTime();
            for (long number = 1; !isOver; number++) {
                String value = (number + " ").concat("x".repeat(VALUE_CHARACTERS)).substring(0, VALUE_CHARACTERS);
                send(producer, new ProducerRecord<>(topic, (int) (number % partitions), null, value), number);
                if (number % FLUSH_RECORDS == 0) OUT.flush();
                due += interval;
                for (long left; (left = due - System.nanoTime()) > 0; ) LockSupport.parkNanos(left);
            }
        }
        OUT.flush();
    }

    static void send(Producer<String, String> producer, ProducerRecord<String, String> record, long number) {
        try {
            producer.send(record, (metadata, error) -> note(number, record.partition(), error));
        } catch (RuntimeException error) {
            note(number, record.partition(), error);
        }
    }

    static void note(long number, int partition, Exception error) {
        long now = ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now());
        String kind = error == null ? "A " : "E ";
        OUT.println(kind + number + " " + partition + " " + now + (error == null ? "" : " " + error));
    }

    static void awaitEnd() {
        try {
            while (System.in.read() >= 0) { }
        } catch (IOException error) {
            OUT.println(error);
        }
        isOver = true;
    }
}
