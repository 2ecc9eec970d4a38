//! What must hold in every moment, looked at after each step of the world, and what must hold at the end.
//!
//! | invariant | looked at |
//! |---|---|
//! | one leader per epoch of the quorum, one per leader epoch of a partition | every step |
//! | the high watermark of a replica never moves back while its process and its epoch last | every step |
//! | committed metadata of one offset is the same everywhere; it never shrinks while a process lasts | every step |
//! | in-sync replicas are replicas | every new image |
//! | who begins to lead a partition has everything that was acknowledged | every new leader |
//! | committed metadata logs match, byte for byte | at the end |
//! | replicas match, byte for byte, and hold what clients were told | at the end |

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use milena_broker::inspect::Sight;
use milena_core::metadata::MetadataImage;
use milena_protocol::{LeaderEpoch, NodeId, Offset, PartitionIndex, TopicId};
use milena_storage::Survival;

use crate::counters::count;
use crate::disk::{DATA, batches_of, folder, values};
use crate::history::{History, Place};
use crate::node::Node;

/// Images that are compared with those of others.
const IMAGES_MAX: usize = 256;

type Key = (TopicId, PartitionIndex);

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    quorum_leaders: BTreeMap<LeaderEpoch, usize>,
    leaders: BTreeMap<(Key, LeaderEpoch), usize>,
    /// By process, replica and epoch.
    high_watermarks: BTreeMap<(usize, u64, Key), (LeaderEpoch, Offset)>,
    images: BTreeMap<Offset, Arc<MetadataImage>>,
    committed: BTreeMap<(usize, u64), Offset>,
    in_sync: BTreeMap<Key, (i32, usize)>,
    newest: Offset,
}

impl Checks {
    /// After a step.
    pub(crate) fn step(&mut self, nodes: &[Node], history: &History, places: &[Place]) {
        for node in nodes {
            let Some(sight) = node.sight() else { continue };
            self.quorum(node, &sight, history);
            self.image(node, &sight.image(), history);
            self.replicas(node, &sight, history, places);
        }
    }

    fn quorum(&mut self, node: &Node, sight: &Sight, history: &History) {
        let quorum = sight.quorum();
        if !quorum.is_local {
            return;
        }
        let first = *self.quorum_leaders.entry(quorum.epoch).or_insert_with(|| {
            count("elections of the quorum", 1);
            node.id
        });
        if first != node.id {
            let (epoch, id) = (quorum.epoch.0, node.id);
            history.violated(format!("nodes {first} and {id} lead the quorum in epoch {epoch}"));
        }
    }

    fn image(&mut self, node: &Node, image: &Arc<MetadataImage>, history: &History) {
        let (offset, key) = (image.next_offset(), (node.id, node.process));
        let before = self.committed.insert(key, offset);
        if before == Some(offset) {
            return;
        }
        if before.is_some_and(|before| before > offset) {
            history.violated(format!("node {} goes back from {before:?} to {offset:?}", node.id));
        }
        let known = self.images.entry(offset).or_insert_with(|| image.clone());
        if !Arc::ptr_eq(known, image) && **known != **image {
            let parts = difference(known, image);
            // One that comes of a snapshot does not say since when the features are what they are.
            if !parts.is_empty() {
                history.violated(format!("node {} has other metadata at {offset:?}: {parts:?}", node.id));
            }
        }
        if self.images.len() > IMAGES_MAX {
            self.images.pop_first();
        }
        if offset > self.newest {
            self.newest = offset;
            self.in_sync_replicas(image, history);
        }
    }

    fn in_sync_replicas(&mut self, image: &MetadataImage, history: &History) {
        for topic in image.topics() {
            for (index, partition) in topic.partitions() {
                let (replicas, isr) = (&partition.replicas, &partition.isr);
                if isr.iter().any(|id| !replicas.contains(id)) {
                    history.violated(format!("{} {index:?}: {isr:?} of {replicas:?} in sync", topic.name));
                }
                let now = (partition.partition_epoch, isr.len());
                match self.in_sync.insert((topic.id, index), now) {
                    Some((_, before)) if before < now.1 => count("in-sync replicas joined", 1),
                    Some((_, before)) if before > now.1 => count("in-sync replicas left", 1),
                    _ => {}
                }
            }
        }
    }

    fn replicas(&mut self, node: &Node, sight: &Sight, history: &History, places: &[Place]) {
        for replica in sight.replicas() {
            let (key, epoch) = ((replica.topic_id, replica.index), replica.leader_epoch);
            let high_watermark = replica.high_watermark;
            let seen = (epoch, high_watermark);
            let before = self.high_watermarks.insert((node.id, node.process, key), seen);
            if let Some((before_epoch, before)) = before
                && before_epoch == epoch
                && before > high_watermark
            {
                let (id, topic, index) = (node.id, &replica.topic, replica.index.0);
                history.violated(format!(
                    "node {id}: {topic}-{index} moves its high watermark back from {before:?} to {high_watermark:?}"
                ));
            }
            if !replica.is_leader {
                continue;
            }
            let mut is_new = false;
            let first = *self.leaders.entry((key, epoch)).or_insert_with(|| {
                is_new = true;
                node.id
            });
            if first != node.id {
                let (id, topic, index) = (node.id, &replica.topic, replica.index.0);
                history.violated(format!("nodes {first} and {id} lead {topic}-{index} in {epoch:?}"));
            }
            let place = (replica.topic.to_string(), replica.index.0);
            // Who learns late that it led for a while may lack what its successors have acknowledged since.
            let has_successor =
                self.leaders.range((key, epoch)..).nth(1).is_some_and(|((next, _), _)| *next == key);
            if is_new && !has_successor && places.contains(&place) {
                count("leaders of partitions", 1);
                history.check_leader(&place, &log_of(node, &place), &format!("node {}", node.id));
            }
        }
    }
}

/// What one image has and the other has not, the first of it.
fn difference(one: &MetadataImage, other: &MetadataImage) -> Vec<String> {
    let records = |image: &MetadataImage| -> BTreeSet<String> {
        image.to_records().iter().map(|record| format!("{record:?}")).collect()
    };
    let (one, other) = (records(one), records(other));
    one.symmetric_difference(&other).take(4).cloned().collect()
}

/// What the disk of a node holds of a partition, whatever the disk refuses at the moment.
fn log_of(node: &Node, (topic, index): &Place) -> BTreeMap<i64, crate::disk::Value> {
    let copied = node.had_errors.then(|| node.disk.crash(Survival::All));
    values(&batches_of(copied.as_ref().unwrap_or(&node.disk), &folder(topic, *index))).collect()
}

/// Whether every partition has all its replicas in sync, led by the first of them that can, as a controller that leads knows.
pub(crate) fn is_whole(nodes: &[Node]) -> bool {
    let sights: Vec<Sight> = nodes.iter().filter_map(Node::sight).collect();
    let Some(active) = sights.iter().find(|sight| sight.quorum().is_local) else { return false };
    let image = active.image();
    let is_alive = |node: &Node| {
        let id = NodeId(i32::try_from(node.id).unwrap_or(-1));
        node.is_up && !node.is_stopped() && image.broker(id).is_some_and(|broker| !broker.fenced)
    };
    let is_ready = |sight: &Sight| sight.is_ready() && sight.image().next_offset() == image.next_offset();
    let is_in_sync = image.topics().all(|topic| {
        topic.partitions().all(|(_, partition)| {
            let moves = !partition.adding_replicas.is_empty() || !partition.removing_replicas.is_empty();
            !moves && partition.leader.0 >= 0 && partition.isr.len() == partition.replicas.len()
        })
    });
    nodes.iter().all(is_alive) && sights.iter().all(is_ready) && is_in_sync
}

/// When nothing is written any more and everything is healed.
pub(crate) fn at_end(nodes: &[Node], history: &History, places: &[Place]) {
    let Some(image) = nodes.iter().find_map(Node::sight).map(|sight| sight.image()) else { return };
    for (name, exists) in history.topics() {
        if image.topic(&name).is_some() != exists {
            history.violated(format!("topic {name}: exists is not {exists}, as was confirmed"));
        }
    }
    for place in places {
        let Some(partition) = image.partition(&place.0, PartitionIndex(place.1)) else {
            history.violated(format!("{place:?} is gone"));
            continue;
        };
        let holders: BTreeSet<i32> = partition.replicas.iter().map(|id| id.0).collect();
        let holders: Vec<&Node> = nodes
            .iter()
            .filter(|node| i32::try_from(node.id).is_ok_and(|id| holders.contains(&id)))
            .collect();
        compare(&holders, &folder(&place.0, place.1), history);
        if let Some(node) = holders.first() {
            history.check_end(place, &log_of(node, place));
        }
    }
    metadata(nodes, history);
}

/// Replicas must have the same bytes.
fn compare(holders: &[&Node], folder: &Path, history: &History) {
    let logs: Vec<_> = holders.iter().map(|node| batches_of(&node.disk, folder)).collect();
    for (node, log) in holders.iter().zip(&logs).skip(1) {
        let same =
            log.len() == logs[0].len() && log.iter().zip(&logs[0]).all(|(a, b)| a.bytes() == b.bytes());
        if !same {
            let (first, id, folder) = (holders[0].id, node.id, folder.display());
            history.violated(format!("{folder} differs on nodes {first} and {id}"));
        }
    }
}

/// Batches of the metadata log at one offset must be the same wherever they are.
fn metadata(nodes: &[Node], history: &History) {
    let committed = nodes.iter().filter_map(Node::sight).map(|sight| sight.image().next_offset()).min();
    let mut known = BTreeMap::new();
    for node in nodes {
        for batch in batches_of(&node.disk, &Path::new(DATA).join("__cluster_metadata-0")) {
            let at = batch.header().base_offset;
            if committed.is_some_and(|end| at >= end) {
                continue;
            }
            let (first, bytes) = known.entry(at).or_insert_with(|| (node.id, batch.bytes().clone()));
            if bytes != batch.bytes() {
                history.violated(format!("metadata logs of nodes {first} and {} differ at {at:?}", node.id));
            }
        }
    }
}

/// Whether the replicas of every partition end at the same offset, all of it committed.
pub(crate) fn is_level(nodes: &[Node]) -> bool {
    let mut ends: BTreeMap<Key, Offset> = BTreeMap::new();
    let replicas = nodes.iter().filter_map(Node::sight).flat_map(|sight| sight.replicas());
    replicas.into_iter().all(|replica| {
        let end = *ends.entry((replica.topic_id, replica.index)).or_insert(replica.log_end);
        replica.log_end == end && replica.high_watermark == end
    })
}

/// Why a cluster is not whole, in words.
pub(crate) fn ailments(nodes: &[Node]) -> String {
    let mut said = Vec::new();
    for node in nodes {
        match node.sight() {
            None => said.push(format!("node {} does not run", node.id)),
            Some(sight) => {
                let (quorum, image) = (sight.quorum(), sight.image());
                said.push(format!(
                    "node {}: ready {}, {quorum:?}, metadata {}",
                    node.id,
                    sight.is_ready(),
                    image.next_offset().0
                ));
                if quorum.is_local {
                    for topic in image.topics() {
                        let bad = topic
                            .partitions()
                            .filter(|(_, p)| p.isr.len() != p.replicas.len() || p.leader.0 < 0);
                        said.extend(bad.map(|(index, p)| format!("{}-{}: {p:?}", topic.name, index.0)));
                    }
                }
            }
        }
    }
    said.join("; ")
}
