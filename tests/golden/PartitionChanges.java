// Prints changes of partitions as Apache Kafka's PartitionChangeBuilder makes them, for random partitions and wishes.
//
// usage: java -cp 'LIBS/*' PartitionChanges.java FOLDER
//
// FOLDER gets partition_changes.txt: one case a line, fields as name=value with lists between commas, then `=>` and the
// fields of the record, or `none`. Brokers are 1 to 5; the replica of broker N is in directory N, and who is `alive` may
// lead. The cases come from a fixed seed.

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.TreeSet;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.metadata.PartitionChangeRecord;
import org.apache.kafka.controller.PartitionChangeBuilder;
import org.apache.kafka.metadata.LeaderRecoveryState;
import org.apache.kafka.metadata.PartitionRegistration;
import org.apache.kafka.server.common.ApiMessageAndVersion;
import org.apache.kafka.server.common.MetadataVersion;

public class PartitionChanges {
    static final int CASES = 1000;
    static final Random RANDOM = new Random(966);

    public static void main(String[] arguments) throws Exception {
        List<String> lines = new ArrayList<>();
        while (lines.size() < CASES) {
            lines.add(oneCase());
        }
        Path folder = Path.of(arguments[0]);
        Files.createDirectories(folder);
        Files.write(folder.resolve("partition_changes.txt"), lines);
    }

    static String oneCase() {
        boolean elr = RANDOM.nextInt(3) > 0;
        List<Integer> replicas = some(1 + RANDOM.nextInt(4));
        List<Integer> isr = part(replicas, elr && RANDOM.nextInt(4) == 0 ? 0 : 1 + RANDOM.nextInt(replicas.size()));
        List<Integer> others = without(replicas, isr);
        List<Integer> eligible = elr ? part(others, RANDOM.nextInt(others.size() + 1)) : List.of();
        int leader = isr.isEmpty() || RANDOM.nextInt(4) == 0 ? -1 : isr.get(RANDOM.nextInt(isr.size()));
        List<Integer> last = elr && leader < 0 && RANDOM.nextBoolean() ? part(replicas, 1) : List.of();
        List<Integer> adding = RANDOM.nextInt(3) == 0 ? part(replicas, RANDOM.nextInt(replicas.size())) : List.of();
        List<Integer> rest = without(replicas, adding);
        List<Integer> removing = RANDOM.nextInt(3) == 0 ? part(rest, RANDOM.nextInt(rest.size())) : List.of();
        int recovery = RANDOM.nextInt(6) == 0 ? 1 : 0;
        int min = 1 + RANDOM.nextInt(3);
        List<Integer> alive = some(RANDOM.nextInt(6));
        char election = "POU".charAt(RANDOM.nextInt(3));

        List<Integer> newIsr = isr;
        List<Integer> newReplicas = replicas;
        List<Integer> newAdding = adding;
        List<Integer> newRemoving = removing;
        int newRecovery = recovery;
        int lost = -1;
        switch (RANDOM.nextInt(4)) {
            case 0: // a broker leaves, or is lost
                int leaver = replicas.get(RANDOM.nextInt(replicas.size()));
                newIsr = without(isr, List.of(leaver));
                alive = without(alive, List.of(leaver));
                lost = RANDOM.nextBoolean() ? leaver : -1;
                break;
            case 1: // the leader asks
                newIsr = part(replicas, 1 + RANDOM.nextInt(replicas.size()));
                newRecovery = RANDOM.nextInt(4) == 0 ? recovery : 0;
                break;
            case 2: // replicas move
                List<Integer> target = some(1 + RANDOM.nextInt(4));
                newRemoving = new ArrayList<>(new TreeSet<>(without(replicas, target)));
                newAdding = new ArrayList<>(new TreeSet<>(without(target, replicas)));
                newReplicas = new ArrayList<>(target);
                newReplicas.addAll(newRemoving);
                break;
            default: // an election
                break;
        }

        PartitionRegistration partition = new PartitionRegistration.Builder()
            .setReplicas(array(replicas)).setDirectories(directories(replicas)).setIsr(array(isr))
            .setRemovingReplicas(array(removing)).setAddingReplicas(array(adding))
            .setElr(array(eligible)).setLastKnownElr(array(last)).setLeader(leader)
            .setLeaderRecoveryState(LeaderRecoveryState.of((byte) recovery))
            .setLeaderEpoch(7).setPartitionEpoch(9).build();
        List<Integer> living = alive;
        IntPredicate mayLead = node -> living.contains(node) && replicas.contains(node);
        PartitionChangeBuilder builder = new PartitionChangeBuilder(
            partition, Uuid.ONE_UUID, 0, mayLead, MetadataVersion.latestProduction(), min, elr)
            .setElection(election == 'P' ? PartitionChangeBuilder.Election.PREFERRED
                : election == 'O' ? PartitionChangeBuilder.Election.ONLINE : PartitionChangeBuilder.Election.UNCLEAN)
            .setTargetIsr(new ArrayList<>(newIsr)).setTargetReplicas(newReplicas)
            .setTargetAdding(newAdding).setTargetRemoving(newRemoving)
            .setTargetLeaderRecoveryState(LeaderRecoveryState.of((byte) newRecovery))
            .setDefaultDirProvider(PartitionChanges::directory);
        if (lost >= 0) {
            builder.setUncleanShutdownReplicas(List.of(lost));
        }
        Optional<ApiMessageAndVersion> record = builder.build();
        return "elr=" + (elr ? 1 : 0) + " min=" + min + " alive=" + text(alive) + " election=" + election
            + " replicas=" + text(replicas) + " isr=" + text(isr) + " adding=" + text(adding)
            + " removing=" + text(removing) + " eligible=" + text(eligible) + " last=" + text(last)
            + " leader=" + leader + " recovery=" + recovery + " new_isr=" + text(newIsr)
            + " new_replicas=" + text(newReplicas) + " new_adding=" + text(newAdding)
            + " new_removing=" + text(newRemoving) + " new_recovery=" + newRecovery + " lost=" + lost
            + " => " + record.map(r -> text((PartitionChangeRecord) r.message())).orElse("none");
    }

    static String text(PartitionChangeRecord record) {
        List<String> fields = new ArrayList<>();
        if (record.isr() != null) fields.add("isr=" + text(record.isr()));
        if (record.leader() != -2) fields.add("leader=" + record.leader());
        if (record.replicas() != null) fields.add("replicas=" + text(record.replicas()));
        if (record.removingReplicas() != null) fields.add("removing=" + text(record.removingReplicas()));
        if (record.addingReplicas() != null) fields.add("adding=" + text(record.addingReplicas()));
        if (record.leaderRecoveryState() >= 0) fields.add("recovery=" + record.leaderRecoveryState());
        if (record.eligibleLeaderReplicas() != null) fields.add("eligible=" + text(record.eligibleLeaderReplicas()));
        if (record.lastKnownElr() != null) fields.add("last=" + text(record.lastKnownElr()));
        if (record.directories() != null) fields.add("directories=" + record.directories().stream()
            .map(directory -> Long.toString(directory.getLeastSignificantBits() - 1000)).collect(Collectors.joining(",")));
        return String.join(" ", fields);
    }

    static List<Integer> some(int count) {
        return part(List.of(1, 2, 3, 4, 5), count);
    }

    static List<Integer> part(List<Integer> nodes, int count) {
        List<Integer> shuffled = new ArrayList<>(nodes);
        Collections.shuffle(shuffled, RANDOM);
        return new ArrayList<>(shuffled.subList(0, Math.min(count, shuffled.size())));
    }

    static List<Integer> without(List<Integer> nodes, List<Integer> others) {
        return nodes.stream().filter(node -> !others.contains(node)).collect(Collectors.toList());
    }

    static Uuid directory(int node) {
        return new Uuid(0, 1000 + node);
    }

    static Uuid[] directories(List<Integer> nodes) {
        return nodes.stream().map(PartitionChanges::directory).toArray(Uuid[]::new);
    }

    static int[] array(List<Integer> nodes) {
        return nodes.stream().mapToInt(node -> node).toArray();
    }

    static String text(List<Integer> nodes) {
        return nodes.stream().map(String::valueOf).collect(Collectors.joining(","));
    }
}
