//! Every message of Kafka 4.3, one file per API, and the records of its logs, one folder per log.
//!
//! These declarations are printed from Kafka's schemas by tests/golden/print_messages.py, so a change belongs there.

#![allow(missing_docs, reason = "the fields have the names and the meaning that Kafka's schemas give them")]

pub mod add_offsets_to_txn;
pub mod add_partitions_to_txn;
pub mod add_raft_voter;
pub mod allocate_producer_ids;
pub mod alter_client_quotas;
pub mod alter_configs;
pub mod alter_partition;
pub mod alter_partition_reassignments;
pub mod alter_replica_log_dirs;
pub mod alter_share_group_offsets;
pub mod alter_user_scram_credentials;
pub mod api_versions;
pub mod assign_replicas_to_dirs;
pub mod begin_quorum_epoch;
pub mod broker_heartbeat;
pub mod broker_registration;
pub mod client_data;
pub mod consumer_group_describe;
pub mod consumer_group_heartbeat;
pub mod control_records;
pub mod controller_registration;
pub mod create_acls;
pub mod create_delegation_token;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_acls;
pub mod delete_groups;
pub mod delete_records;
pub mod delete_share_group_offsets;
pub mod delete_share_group_state;
pub mod delete_topics;
pub mod describe_acls;
pub mod describe_client_quotas;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_delegation_token;
pub mod describe_groups;
pub mod describe_log_dirs;
pub mod describe_producers;
pub mod describe_quorum;
pub mod describe_share_group_offsets;
pub mod describe_topic_partitions;
pub mod describe_transactions;
pub mod describe_user_scram_credentials;
pub mod elect_leaders;
pub mod end_quorum_epoch;
pub mod end_txn;
pub mod envelope;
pub mod expire_delegation_token;
pub mod fetch;
pub mod fetch_snapshot;
pub mod find_coordinator;
pub mod get_telemetry_subscriptions;
pub mod group_records;
pub mod header;
pub mod heartbeat;
pub mod incremental_alter_configs;
pub mod init_producer_id;
pub mod initialize_share_group_state;
pub mod join_group;
pub mod leave_group;
pub mod list_config_resources;
pub mod list_groups;
pub mod list_offsets;
pub mod list_partition_reassignments;
pub mod list_transactions;
pub mod metadata;
pub mod metadata_records;
pub mod offset_commit;
pub mod offset_delete;
pub mod offset_fetch;
pub mod offset_for_leader_epoch;
pub mod produce;
pub mod push_telemetry;
pub mod read_share_group_state;
pub mod read_share_group_state_summary;
pub mod remove_raft_voter;
pub mod renew_delegation_token;
pub mod sasl_authenticate;
pub mod sasl_handshake;
pub mod share_acknowledge;
pub mod share_fetch;
pub mod share_group_describe;
pub mod share_group_heartbeat;
pub mod share_records;
pub mod streams_group_describe;
pub mod streams_group_heartbeat;
pub mod sync_group;
pub mod transaction_records;
pub mod txn_offset_commit;
pub mod unregister_broker;
pub mod update_features;
pub mod update_raft_voter;
pub mod vote;
pub mod write_share_group_state;
pub mod write_txn_markers;

pub use add_offsets_to_txn::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
pub use add_partitions_to_txn::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};
pub use add_raft_voter::{AddRaftVoterRequest, AddRaftVoterResponse};
pub use allocate_producer_ids::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};
pub use alter_client_quotas::{AlterClientQuotasRequest, AlterClientQuotasResponse};
pub use alter_configs::{AlterConfigsRequest, AlterConfigsResponse};
pub use alter_partition::{AlterPartitionRequest, AlterPartitionResponse};
pub use alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
};
pub use alter_replica_log_dirs::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};
pub use alter_share_group_offsets::{AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse};
pub use alter_user_scram_credentials::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};
pub use api_versions::{ApiVersionsRequest, ApiVersionsResponse};
pub use assign_replicas_to_dirs::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse};
pub use begin_quorum_epoch::{BeginQuorumEpochRequest, BeginQuorumEpochResponse};
pub use broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
pub use broker_registration::{BrokerRegistrationRequest, BrokerRegistrationResponse};
pub use consumer_group_describe::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse};
pub use consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
pub use controller_registration::{ControllerRegistrationRequest, ControllerRegistrationResponse};
pub use create_acls::{CreateAclsRequest, CreateAclsResponse};
pub use create_delegation_token::{CreateDelegationTokenRequest, CreateDelegationTokenResponse};
pub use create_partitions::{CreatePartitionsRequest, CreatePartitionsResponse};
pub use create_topics::{CreateTopicsRequest, CreateTopicsResponse};
pub use delete_acls::{DeleteAclsRequest, DeleteAclsResponse};
pub use delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};
pub use delete_records::{DeleteRecordsRequest, DeleteRecordsResponse};
pub use delete_share_group_offsets::{DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse};
pub use delete_share_group_state::{DeleteShareGroupStateRequest, DeleteShareGroupStateResponse};
pub use delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse};
pub use describe_acls::{DescribeAclsRequest, DescribeAclsResponse};
pub use describe_client_quotas::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};
pub use describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
pub use describe_configs::{DescribeConfigsRequest, DescribeConfigsResponse};
pub use describe_delegation_token::{DescribeDelegationTokenRequest, DescribeDelegationTokenResponse};
pub use describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse};
pub use describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResponse};
pub use describe_producers::{DescribeProducersRequest, DescribeProducersResponse};
pub use describe_quorum::{DescribeQuorumRequest, DescribeQuorumResponse};
pub use describe_share_group_offsets::{DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse};
pub use describe_topic_partitions::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};
pub use describe_transactions::{DescribeTransactionsRequest, DescribeTransactionsResponse};
pub use describe_user_scram_credentials::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
};
pub use elect_leaders::{ElectLeadersRequest, ElectLeadersResponse};
pub use end_quorum_epoch::{EndQuorumEpochRequest, EndQuorumEpochResponse};
pub use end_txn::{EndTxnRequest, EndTxnResponse};
pub use envelope::{EnvelopeRequest, EnvelopeResponse};
pub use expire_delegation_token::{ExpireDelegationTokenRequest, ExpireDelegationTokenResponse};
pub use fetch::{FetchRequest, FetchResponse};
pub use fetch_snapshot::{FetchSnapshotRequest, FetchSnapshotResponse};
pub use find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
pub use get_telemetry_subscriptions::{GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse};
pub use header::{RequestHeader, ResponseHeader};
pub use heartbeat::{HeartbeatRequest, HeartbeatResponse};
pub use incremental_alter_configs::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
pub use init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
pub use initialize_share_group_state::{InitializeShareGroupStateRequest, InitializeShareGroupStateResponse};
pub use join_group::{JoinGroupRequest, JoinGroupResponse};
pub use leave_group::{LeaveGroupRequest, LeaveGroupResponse};
pub use list_config_resources::{ListConfigResourcesRequest, ListConfigResourcesResponse};
pub use list_groups::{ListGroupsRequest, ListGroupsResponse};
pub use list_offsets::{ListOffsetsRequest, ListOffsetsResponse};
pub use list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};
pub use list_transactions::{ListTransactionsRequest, ListTransactionsResponse};
pub use metadata::{MetadataRequest, MetadataResponse};
pub use offset_commit::{OffsetCommitRequest, OffsetCommitResponse};
pub use offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse};
pub use offset_fetch::{OffsetFetchRequest, OffsetFetchResponse};
pub use offset_for_leader_epoch::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
pub use produce::{ProduceRequest, ProduceResponse};
pub use push_telemetry::{PushTelemetryRequest, PushTelemetryResponse};
pub use read_share_group_state::{ReadShareGroupStateRequest, ReadShareGroupStateResponse};
pub use read_share_group_state_summary::{
    ReadShareGroupStateSummaryRequest, ReadShareGroupStateSummaryResponse,
};
pub use remove_raft_voter::{RemoveRaftVoterRequest, RemoveRaftVoterResponse};
pub use renew_delegation_token::{RenewDelegationTokenRequest, RenewDelegationTokenResponse};
pub use sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
pub use sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
pub use share_acknowledge::{ShareAcknowledgeRequest, ShareAcknowledgeResponse};
pub use share_fetch::{ShareFetchRequest, ShareFetchResponse};
pub use share_group_describe::{ShareGroupDescribeRequest, ShareGroupDescribeResponse};
pub use share_group_heartbeat::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
pub use streams_group_describe::{StreamsGroupDescribeRequest, StreamsGroupDescribeResponse};
pub use streams_group_heartbeat::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse};
pub use sync_group::{SyncGroupRequest, SyncGroupResponse};
pub use txn_offset_commit::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
pub use unregister_broker::{UnregisterBrokerRequest, UnregisterBrokerResponse};
pub use update_features::{UpdateFeaturesRequest, UpdateFeaturesResponse};
pub use update_raft_voter::{UpdateRaftVoterRequest, UpdateRaftVoterResponse};
pub use vote::{VoteRequest, VoteResponse};
pub use write_share_group_state::{WriteShareGroupStateRequest, WriteShareGroupStateResponse};
pub use write_txn_markers::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};

crate::catalogue::catalogue! {
    requests {
        ProduceRequest ProduceResponse,
        FetchRequest FetchResponse,
        ListOffsetsRequest ListOffsetsResponse,
        MetadataRequest MetadataResponse,
        OffsetCommitRequest OffsetCommitResponse,
        OffsetFetchRequest OffsetFetchResponse,
        FindCoordinatorRequest FindCoordinatorResponse,
        JoinGroupRequest JoinGroupResponse,
        HeartbeatRequest HeartbeatResponse,
        LeaveGroupRequest LeaveGroupResponse,
        SyncGroupRequest SyncGroupResponse,
        DescribeGroupsRequest DescribeGroupsResponse,
        ListGroupsRequest ListGroupsResponse,
        SaslHandshakeRequest SaslHandshakeResponse,
        ApiVersionsRequest ApiVersionsResponse,
        CreateTopicsRequest CreateTopicsResponse,
        DeleteTopicsRequest DeleteTopicsResponse,
        DeleteRecordsRequest DeleteRecordsResponse,
        InitProducerIdRequest InitProducerIdResponse,
        OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse,
        AddPartitionsToTxnRequest AddPartitionsToTxnResponse,
        AddOffsetsToTxnRequest AddOffsetsToTxnResponse,
        EndTxnRequest EndTxnResponse,
        WriteTxnMarkersRequest WriteTxnMarkersResponse,
        TxnOffsetCommitRequest TxnOffsetCommitResponse,
        DescribeAclsRequest DescribeAclsResponse,
        CreateAclsRequest CreateAclsResponse,
        DeleteAclsRequest DeleteAclsResponse,
        DescribeConfigsRequest DescribeConfigsResponse,
        AlterConfigsRequest AlterConfigsResponse,
        AlterReplicaLogDirsRequest AlterReplicaLogDirsResponse,
        DescribeLogDirsRequest DescribeLogDirsResponse,
        SaslAuthenticateRequest SaslAuthenticateResponse,
        CreatePartitionsRequest CreatePartitionsResponse,
        CreateDelegationTokenRequest CreateDelegationTokenResponse,
        RenewDelegationTokenRequest RenewDelegationTokenResponse,
        ExpireDelegationTokenRequest ExpireDelegationTokenResponse,
        DescribeDelegationTokenRequest DescribeDelegationTokenResponse,
        DeleteGroupsRequest DeleteGroupsResponse,
        ElectLeadersRequest ElectLeadersResponse,
        IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse,
        AlterPartitionReassignmentsRequest AlterPartitionReassignmentsResponse,
        ListPartitionReassignmentsRequest ListPartitionReassignmentsResponse,
        OffsetDeleteRequest OffsetDeleteResponse,
        DescribeClientQuotasRequest DescribeClientQuotasResponse,
        AlterClientQuotasRequest AlterClientQuotasResponse,
        DescribeUserScramCredentialsRequest DescribeUserScramCredentialsResponse,
        AlterUserScramCredentialsRequest AlterUserScramCredentialsResponse,
        VoteRequest VoteResponse,
        BeginQuorumEpochRequest BeginQuorumEpochResponse,
        EndQuorumEpochRequest EndQuorumEpochResponse,
        DescribeQuorumRequest DescribeQuorumResponse,
        AlterPartitionRequest AlterPartitionResponse,
        UpdateFeaturesRequest UpdateFeaturesResponse,
        EnvelopeRequest EnvelopeResponse,
        FetchSnapshotRequest FetchSnapshotResponse,
        DescribeClusterRequest DescribeClusterResponse,
        DescribeProducersRequest DescribeProducersResponse,
        BrokerRegistrationRequest BrokerRegistrationResponse,
        BrokerHeartbeatRequest BrokerHeartbeatResponse,
        UnregisterBrokerRequest UnregisterBrokerResponse,
        DescribeTransactionsRequest DescribeTransactionsResponse,
        ListTransactionsRequest ListTransactionsResponse,
        AllocateProducerIdsRequest AllocateProducerIdsResponse,
        ConsumerGroupHeartbeatRequest ConsumerGroupHeartbeatResponse,
        ConsumerGroupDescribeRequest ConsumerGroupDescribeResponse,
        ControllerRegistrationRequest ControllerRegistrationResponse,
        GetTelemetrySubscriptionsRequest GetTelemetrySubscriptionsResponse,
        PushTelemetryRequest PushTelemetryResponse,
        AssignReplicasToDirsRequest AssignReplicasToDirsResponse,
        ListConfigResourcesRequest ListConfigResourcesResponse,
        DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse,
        ShareGroupHeartbeatRequest ShareGroupHeartbeatResponse,
        ShareGroupDescribeRequest ShareGroupDescribeResponse,
        ShareFetchRequest ShareFetchResponse,
        ShareAcknowledgeRequest ShareAcknowledgeResponse,
        AddRaftVoterRequest AddRaftVoterResponse,
        RemoveRaftVoterRequest RemoveRaftVoterResponse,
        UpdateRaftVoterRequest UpdateRaftVoterResponse,
        InitializeShareGroupStateRequest InitializeShareGroupStateResponse,
        ReadShareGroupStateRequest ReadShareGroupStateResponse,
        WriteShareGroupStateRequest WriteShareGroupStateResponse,
        DeleteShareGroupStateRequest DeleteShareGroupStateResponse,
        ReadShareGroupStateSummaryRequest ReadShareGroupStateSummaryResponse,
        StreamsGroupHeartbeatRequest StreamsGroupHeartbeatResponse,
        StreamsGroupDescribeRequest StreamsGroupDescribeResponse,
        DescribeShareGroupOffsetsRequest DescribeShareGroupOffsetsResponse,
        AlterShareGroupOffsetsRequest AlterShareGroupOffsetsResponse,
        DeleteShareGroupOffsetsRequest DeleteShareGroupOffsetsResponse,
    }
    others {
        header::RequestHeader,
        header::ResponseHeader,
        control_records::ControlRecordTypeSchema,
        control_records::EndTxnMarker,
        control_records::KRaftVersionRecord,
        control_records::LeaderChangeMessage,
        control_records::SnapshotFooterRecord,
        control_records::SnapshotHeaderRecord,
        control_records::VotersRecord,
        client_data::ConsumerProtocolAssignment,
        client_data::ConsumerProtocolSubscription,
        client_data::DefaultPrincipalData,
        metadata_records::AbortTransactionRecord,
        metadata_records::AccessControlEntryRecord,
        metadata_records::BeginTransactionRecord,
        metadata_records::BrokerRegistrationChangeRecord,
        metadata_records::ClearElrRecord,
        metadata_records::ClientQuotaRecord,
        metadata_records::ConfigRecord,
        metadata_records::DelegationTokenRecord,
        metadata_records::EndTransactionRecord,
        metadata_records::FeatureLevelRecord,
        metadata_records::FenceBrokerRecord,
        metadata_records::NoOpRecord,
        metadata_records::PartitionChangeRecord,
        metadata_records::PartitionRecord,
        metadata_records::ProducerIdsRecord,
        metadata_records::RegisterBrokerRecord,
        metadata_records::RegisterControllerRecord,
        metadata_records::RemoveAccessControlEntryRecord,
        metadata_records::RemoveDelegationTokenRecord,
        metadata_records::RemoveTopicRecord,
        metadata_records::RemoveUserScramCredentialRecord,
        metadata_records::TopicRecord,
        metadata_records::UnfenceBrokerRecord,
        metadata_records::UnregisterBrokerRecord,
        metadata_records::UserScramCredentialRecord,
        metadata_records::ZkMigrationStateRecord,
        group_records::ConsumerGroupCurrentMemberAssignmentKey,
        group_records::ConsumerGroupCurrentMemberAssignmentValue,
        group_records::ConsumerGroupMemberMetadataKey,
        group_records::ConsumerGroupMemberMetadataValue,
        group_records::ConsumerGroupMetadataKey,
        group_records::ConsumerGroupMetadataValue,
        group_records::ConsumerGroupPartitionMetadataKey,
        group_records::ConsumerGroupPartitionMetadataValue,
        group_records::ConsumerGroupRegularExpressionKey,
        group_records::ConsumerGroupRegularExpressionValue,
        group_records::ConsumerGroupTargetAssignmentMemberKey,
        group_records::ConsumerGroupTargetAssignmentMemberValue,
        group_records::ConsumerGroupTargetAssignmentMetadataKey,
        group_records::ConsumerGroupTargetAssignmentMetadataValue,
        group_records::GroupMetadataKey,
        group_records::GroupMetadataValue,
        group_records::LegacyOffsetCommitKey,
        group_records::LegacyOffsetCommitValue,
        group_records::OffsetCommitKey,
        group_records::OffsetCommitValue,
        group_records::ShareGroupCurrentMemberAssignmentKey,
        group_records::ShareGroupCurrentMemberAssignmentValue,
        group_records::ShareGroupMemberMetadataKey,
        group_records::ShareGroupMemberMetadataValue,
        group_records::ShareGroupMetadataKey,
        group_records::ShareGroupMetadataValue,
        group_records::ShareGroupStatePartitionMetadataKey,
        group_records::ShareGroupStatePartitionMetadataValue,
        group_records::ShareGroupTargetAssignmentMemberKey,
        group_records::ShareGroupTargetAssignmentMemberValue,
        group_records::ShareGroupTargetAssignmentMetadataKey,
        group_records::ShareGroupTargetAssignmentMetadataValue,
        group_records::StreamsGroupCurrentMemberAssignmentKey,
        group_records::StreamsGroupCurrentMemberAssignmentValue,
        group_records::StreamsGroupMemberMetadataKey,
        group_records::StreamsGroupMemberMetadataValue,
        group_records::StreamsGroupMetadataKey,
        group_records::StreamsGroupMetadataValue,
        group_records::StreamsGroupTargetAssignmentMemberKey,
        group_records::StreamsGroupTargetAssignmentMemberValue,
        group_records::StreamsGroupTargetAssignmentMetadataKey,
        group_records::StreamsGroupTargetAssignmentMetadataValue,
        group_records::StreamsGroupTopologyKey,
        group_records::StreamsGroupTopologyValue,
        transaction_records::TransactionLogKey,
        transaction_records::TransactionLogValue,
        share_records::ShareSnapshotKey,
        share_records::ShareSnapshotValue,
        share_records::ShareUpdateKey,
        share_records::ShareUpdateValue,
    }
}
