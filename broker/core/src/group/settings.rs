//! What an operator may set, and the limits that nobody may.

use crate::config::Properties;
use crate::config::broker::coordinators as keys;

/// How long a new member's JoinGroup stays parked before the member is dropped: it cannot send heartbeats yet. Kafka's
/// `group.new.member.join.timeout`, which is not a documented key there either.
pub(super) const NEW_MEMBER_JOIN_TIMEOUT_MS: i32 = 5 * 60 * 1000;
/// Groups of one partition of `__consumer_offsets`; more are refused with GROUP_MAX_SIZE_REACHED.
pub(super) const GROUPS_MAX: usize = 200_000;
/// Ids of one group that were given out and not used yet (KIP-394); each expires with its session timeout.
pub(super) const PENDING_MEMBERS_MAX: usize = 10_000;
/// Assignors that one member may name; they are compared with those of everybody. Clients name a handful.
pub(super) const PROTOCOLS_MAX: usize = 100;
/// How long members of groups that are not built may still be alive after a load: the longest session that Kafka's defaults
/// allow them.
pub(super) const FOREIGN_SESSION_MS_MAX: i64 = 60_000;
/// Bytes of a name that goes into a record, whose lengths have 16 bits. Longer ones would be cut off, and mean another.
pub(super) const NAME_BYTES_MAX: usize = i16::MAX as usize;
/// Bytes of the name that a member id begins with; the rest is an id of 36 characters after a dash.
pub(super) const MEMBER_NAME_BYTES_MAX: usize = NAME_BYTES_MAX - 37;
/// Tombstones that one search for expired offsets writes; it goes on after [`EXPIRY_PAUSE_MS`].
pub(super) const EXPIRED_PER_TURN_MAX: usize = 5_000;
/// Pause before a search that stopped at its limit goes on.
pub(super) const EXPIRY_PAUSE_MS: i64 = 1_000;
/// When an empty generation that the log refused is tried again.
pub(super) const EMPTY_GENERATION_RETRY_MS: i64 = 1_000;

/// The broker keys that concern classic groups and offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is the broker key of the same name")]
pub struct GroupSettings {
    pub group_initial_rebalance_delay_ms: i32,
    pub group_min_session_timeout_ms: i32,
    pub group_max_session_timeout_ms: i32,
    pub group_max_size: usize,
    pub offset_metadata_max_bytes: usize,
    pub offsets_retention_ms: i64,
    pub offsets_retention_check_interval_ms: i64,
}

impl Default for GroupSettings {
    fn default() -> Self {
        Self::from(&Properties::default())
    }
}

impl From<&Properties> for GroupSettings {
    fn from(properties: &Properties) -> Self {
        let size = |key| usize::try_from(properties.int(key)).unwrap_or_default();
        Self {
            group_initial_rebalance_delay_ms: properties.int(&keys::GROUP_INITIAL_REBALANCE_DELAY_MS),
            group_min_session_timeout_ms: properties.int(&keys::GROUP_MIN_SESSION_TIMEOUT_MS),
            group_max_session_timeout_ms: properties.int(&keys::GROUP_MAX_SESSION_TIMEOUT_MS),
            group_max_size: size(&keys::GROUP_MAX_SIZE),
            offset_metadata_max_bytes: size(&keys::OFFSET_METADATA_MAX_BYTES),
            offsets_retention_ms: i64::from(properties.int(&keys::OFFSETS_RETENTION_MINUTES)) * 60_000,
            offsets_retention_check_interval_ms: properties.long(&keys::OFFSETS_RETENTION_CHECK_INTERVAL_MS),
        }
    }
}
