//! What the simulation sees of the brokers in its process, and the mistake that it can build into them to see whether it
//! finds it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use bytestring::ByteString;
use milena_core::metadata::MetadataImage;
use milena_protocol::{LeaderEpoch, NodeId, Offset, PartitionIndex, TopicId};
use milena_world::{HostId, task};

use crate::broker::Broker;

thread_local! {
    static BROKERS: RefCell<BTreeMap<HostId, Weak<Broker>>> = const { RefCell::new(BTreeMap::new()) };
    static IS_TRUNCATION_SKIPPED: Cell<bool> = const { Cell::new(false) };
}

/// A broker that runs now.
pub struct Sight(Arc<Broker>);

/// Who leads the metadata quorum, as this broker believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum {
    /// The leader.
    pub leader: Option<NodeId>,
    /// Its epoch.
    pub epoch: LeaderEpoch,
    /// It is this one.
    pub is_local: bool,
}

/// A replica of a partition on this broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// The topic.
    pub topic: ByteString,
    /// Its id.
    pub topic_id: TopicId,
    /// The partition.
    pub index: PartitionIndex,
    /// The epoch in which it leads or follows.
    pub leader_epoch: LeaderEpoch,
    /// It leads.
    pub is_leader: bool,
    /// The end of what it knows to be committed.
    pub high_watermark: Offset,
    /// The end of its log.
    pub log_end: Offset,
}

/// The broker that runs on `host`.
pub fn broker(host: HostId) -> Option<Sight> {
    BROKERS.with_borrow(|brokers| brokers.get(&host).and_then(Weak::upgrade)).map(Sight)
}

/// Lets every leader of the process say of every log that it is a prefix of its own.
pub fn skip_truncation() {
    IS_TRUNCATION_SKIPPED.set(true);
}

pub(crate) fn is_truncation_skipped() -> bool {
    IS_TRUNCATION_SKIPPED.get()
}

/// The broker whose task calls has begun.
pub(crate) fn begun(broker: &Arc<Broker>) {
    if let Some(host) = task::current() {
        BROKERS.with_borrow_mut(|brokers| brokers.insert(host, Arc::downgrade(broker)));
    }
}

impl Sight {
    /// Who leads the metadata quorum.
    pub fn quorum(&self) -> Quorum {
        let leader = self.0.quorum.leader();
        let leader = leader.borrow();
        Quorum { leader: leader.id, epoch: leader.epoch, is_local: leader.is_local }
    }

    /// The committed metadata.
    pub fn image(&self) -> Arc<MetadataImage> {
        self.0.quorum.committed()
    }

    /// The replicas that are here.
    pub fn replicas(&self) -> Vec<Replica> {
        let replica = |partition: Arc<crate::partition::Partition>| {
            let progress = partition.progress();
            Replica {
                topic: partition.topic.clone(),
                topic_id: partition.topic_id,
                index: partition.index,
                leader_epoch: progress.leader_epoch,
                is_leader: progress.is_leader,
                high_watermark: progress.high_watermark,
                log_end: progress.log_end,
            }
        };
        self.0.partitions.all().into_iter().map(replica).collect()
    }

    /// Clients are served, and the cluster counts on it.
    pub fn is_ready(&self) -> bool {
        self.0.readiness().is_ok()
    }
}
