//! What the coordinator is asked and what it answers, free of wire versions: `api/` translates.

use bytes::Bytes;
use bytestring::ByteString;
use milena_protocol::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, TopicId, Uuid};

/// Everything a coordinator can be asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Become, or stay, a member.
    Join(JoinGroup),
    /// Give or take the assignment of a generation.
    Sync(SyncGroup),
    /// Stay alive.
    Heartbeat(Caller),
    /// Stop being a member.
    Leave(LeaveGroup),
    /// Store offsets.
    Commit(CommitOffsets),
    /// Read offsets.
    Fetch(FetchOffsets),
    /// Look at groups.
    Describe(Vec<ByteString>),
    /// Name the groups.
    List(ListFilter),
    /// Remove groups and their offsets.
    Delete(Vec<ByteString>),
    /// Remove offsets of a group that stays.
    DeleteOffsets(DeleteOffsets),
    /// Topics are gone, and so are the offsets in them.
    TopicsDeleted(Vec<(ByteString, TopicId)>),
}

/// The answer to the [`Request`] of the same name.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Admission to a generation.
    Join(Result<Joined, JoinRefused>),
    /// The member's assignment.
    Sync(Result<Synced, ErrorCode>),
    /// Alive, or what to do instead.
    Heartbeat(Result<(), ErrorCode>),
    /// What became of each member that was to leave.
    Leave(Vec<Left>),
    /// What became of each partition, or of all.
    Commit(Result<Vec<TopicErrors>, ErrorCode>),
    /// Offsets by topic.
    Fetch(Vec<TopicOffsets>),
    /// One for each group asked for.
    Describe(Vec<(ByteString, Described)>),
    /// The groups that pass the filter.
    List(Vec<Listed>),
    /// What became of each group.
    Delete(Vec<(ByteString, ErrorCode)>),
    /// What became of each topic's partitions, or of all.
    DeleteOffsets(Result<Vec<DeletedOffsets>, ErrorCode>),
    /// Offsets of deleted topics are gone.
    TopicsDeleted,
}

/// Who speaks, in which generation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// The group.
    pub group: ByteString,
    /// Empty for a caller that is no member.
    pub member: ByteString,
    /// `None` for a dynamic member.
    pub instance: Option<ByteString>,
    /// The generation the caller believes in, -1 for none.
    pub generation: i32,
}

/// A protocol that a member supports, with what it tells the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    /// The assignor's name, such as `range`.
    pub name: ByteString,
    /// Opaque to the coordinator, but for the topics subscribed to.
    pub metadata: Bytes,
}

/// A request to join.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinGroup {
    /// The group.
    pub group: ByteString,
    /// Empty for a new member.
    pub member: ByteString,
    /// `None` for a dynamic member.
    pub instance: Option<ByteString>,
    /// As the connection says.
    pub client_id: ByteString,
    /// As the connection says.
    pub client_host: ByteString,
    /// Silence after which the member counts as gone.
    pub session_timeout_ms: i32,
    /// How long a rebalance waits for the member.
    pub rebalance_timeout_ms: i32,
    /// The kind of group, such as `consumer`.
    pub protocol_type: ByteString,
    /// In the order the member prefers them.
    pub protocols: Vec<Protocol>,
    /// New members must come back with the id they are given (version 4 on, KIP-394).
    pub requires_known_member: bool,
    /// A returning static leader may be told to skip the assignment (version 9 on, KIP-814).
    pub may_skip_assignment: bool,
    /// Random, for the id of a new member.
    pub random: Uuid,
}

/// Admission to a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The caller's id.
    pub member: ByteString,
    /// The generation that was joined.
    pub generation: i32,
    /// The kind of group.
    pub protocol_type: Option<ByteString>,
    /// What the members agreed on.
    pub protocol: Option<ByteString>,
    /// Who assigns.
    pub leader: ByteString,
    /// The leader is to keep the assignment that is in force.
    pub skip_assignment: bool,
    /// For the leader all members, for others none.
    pub members: Vec<JoinedMember>,
}

/// A member as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member: ByteString,
    /// `None` for a dynamic member.
    pub instance: Option<ByteString>,
    /// Its metadata for the protocol agreed on.
    pub metadata: Bytes,
}

/// No admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRefused {
    /// Why.
    pub error: ErrorCode,
    /// The id to come back with, or the id that was sent, or empty.
    pub member: ByteString,
}

/// A request for the assignment; the leader brings everybody's.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncGroup {
    /// Who speaks.
    pub caller: Caller,
    /// Checked from version 5 on.
    pub protocol_type: Option<ByteString>,
    /// Checked from version 5 on.
    pub protocol: Option<ByteString>,
    /// Member id and assignment; empty unless the leader speaks.
    pub assignments: Vec<(ByteString, Bytes)>,
}

/// An assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// The kind of group.
    pub protocol_type: Option<ByteString>,
    /// What the members agreed on.
    pub protocol: Option<ByteString>,
    /// As the leader made it.
    pub assignment: Bytes,
}

/// A request to end memberships.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaveGroup {
    /// The group.
    pub group: ByteString,
    /// Who leaves. A static member may be named by its instance id alone.
    pub members: Vec<(ByteString, Option<ByteString>)>,
}

/// What became of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// As in the request.
    pub member: ByteString,
    /// As in the request.
    pub instance: Option<ByteString>,
    /// `None` when it left.
    pub error: ErrorCode,
}

/// Offsets to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitOffsets {
    /// Who speaks.
    pub caller: Caller,
    /// Explicit retention of versions 2 to 4, -1 for the broker's.
    pub retention_time_ms: i64,
    /// An unknown group is GROUP_ID_NOT_FOUND (version 9 on), not ILLEGAL_GENERATION.
    pub names_unknown_groups: bool,
    /// By topic.
    pub topics: Vec<TopicCommit>,
}

/// Offsets of one topic.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicCommit {
    /// Its name.
    pub name: ByteString,
    /// Its id.
    pub id: TopicId,
    /// By partition.
    pub partitions: Vec<PartitionCommit>,
}

/// The offset of one partition.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionCommit {
    /// Which.
    pub index: PartitionIndex,
    /// The next record to read.
    pub offset: Offset,
    /// The epoch of the last record read.
    pub leader_epoch: LeaderEpoch,
    /// Whatever the client likes; null reads back as empty.
    pub metadata: Option<ByteString>,
}

/// What became of the partitions of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicErrors {
    /// Its name.
    pub name: ByteString,
    /// Its id.
    pub id: TopicId,
    /// By partition.
    pub partitions: Vec<(PartitionIndex, ErrorCode)>,
}

/// Offsets to be forgotten.
#[derive(Debug, Clone, PartialEq)]
pub struct DeleteOffsets {
    /// The group.
    pub group: ByteString,
    /// Topics that exist, with partitions that do.
    pub topics: Vec<(ByteString, Vec<PartitionIndex>)>,
}

/// What became of the partitions of a topic.
pub type DeletedOffsets = (ByteString, Vec<PartitionIndex>, ErrorCode);

/// A question for offsets.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchOffsets {
    /// The group.
    pub group: ByteString,
    /// `None` for every topic with an offset.
    pub topics: Option<Vec<(ByteString, TopicId, Vec<PartitionIndex>)>>,
}

/// Offsets of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicOffsets {
    /// Its name.
    pub name: ByteString,
    /// Its id as far as known.
    pub id: TopicId,
    /// By partition.
    pub partitions: Vec<PartitionOffset>,
}

/// The offset of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionOffset {
    /// Which.
    pub index: PartitionIndex,
    /// -1 where none was committed.
    pub offset: Offset,
    /// -1 where none was committed.
    pub leader_epoch: LeaderEpoch,
    /// Empty where none was committed.
    pub metadata: ByteString,
}

/// What is known of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Described {
    /// A classic group.
    Group(Description),
    /// A group of a type that is not built.
    OfAnotherType,
    /// Nothing.
    Unknown,
}

/// A group as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Kafka's name of the state.
    pub state: &'static str,
    /// Empty for a group without members so far.
    pub protocol_type: ByteString,
    /// Empty unless the group is stable.
    pub protocol: ByteString,
    /// By member id.
    pub members: Vec<DescribedMember>,
}

/// A member as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its id.
    pub member: ByteString,
    /// `None` for a dynamic member.
    pub instance: Option<ByteString>,
    /// As its connection said.
    pub client_id: ByteString,
    /// As its connection said.
    pub client_host: ByteString,
    /// Empty unless the group is stable.
    pub metadata: Bytes,
    /// As the leader made it.
    pub assignment: Bytes,
}

/// Which groups to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListFilter {
    /// Names of states in any case; empty for all.
    pub states: Vec<ByteString>,
    /// Names of group types in any case; empty for all.
    pub types: Vec<ByteString>,
}

/// A group by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub group: ByteString,
    /// Empty for a group without members so far.
    pub protocol_type: ByteString,
    /// Kafka's name of the state.
    pub state: &'static str,
    /// Kafka's name of the type.
    pub group_type: &'static str,
}
