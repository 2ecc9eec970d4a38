//! The handlers, one file per API. Each opens with its key, versions and behaviour.
//!
//! `handle(broker, context, request)` yields the response of the same API; error codes of `core` become wire codes here
//! and nowhere else. What must happen in request order happens before the first await.

pub(crate) mod add_raft_voter;
pub(crate) mod allocate_producer_ids;
pub(crate) mod alter_configs;
pub(crate) mod alter_partition;
pub(crate) mod alter_partition_reassignments;
pub(crate) mod api_versions;
pub(crate) mod assign_replicas_to_dirs;
pub(crate) mod authorized_operations;
pub(crate) mod begin_quorum_epoch;
pub(crate) mod broker_heartbeat;
pub(crate) mod broker_registration;
pub(crate) mod controller_registration;
pub(crate) mod create_partitions;
pub(crate) mod create_topics;
pub(crate) mod delete_groups;
pub(crate) mod delete_records;
pub(crate) mod delete_topics;
pub(crate) mod describe_cluster;
pub(crate) mod describe_configs;
pub(crate) mod describe_groups;
pub(crate) mod describe_log_dirs;
pub(crate) mod describe_producers;
pub(crate) mod describe_quorum;
pub(crate) mod describe_topic_partitions;
pub(crate) mod elect_leaders;
pub(crate) mod end_quorum_epoch;
pub(crate) mod envelope;
pub(crate) mod fetch;
pub(crate) mod fetch_metadata;
pub(crate) mod fetch_snapshot;
pub(crate) mod find_coordinator;
pub(crate) mod heartbeat;
pub(crate) mod incremental_alter_configs;
pub(crate) mod init_producer_id;
pub(crate) mod join_group;
pub(crate) mod leave_group;
pub(crate) mod list_config_resources;
pub(crate) mod list_groups;
pub(crate) mod list_offsets;
pub(crate) mod list_partition_reassignments;
pub(crate) mod metadata;
pub(crate) mod offset_commit;
pub(crate) mod offset_delete;
pub(crate) mod offset_fetch;
pub(crate) mod offset_for_leader_epoch;
pub(crate) mod produce;
pub(crate) mod remove_raft_voter;
pub(crate) mod sync_group;
pub(crate) mod unbuilt;
pub(crate) mod unregister_broker;
pub(crate) mod update_features;
pub(crate) mod update_raft_voter;
pub(crate) mod vote;
