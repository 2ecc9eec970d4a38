//! The quorum on a disk in memory: what is answered survives, whatever the crash.

use std::path::Path;
use std::sync::Arc;

use milena_core::controller::{ControllerReply, ControllerRequest};
use milena_core::metadata::MetadataImage;
use milena_protocol::messages::broker_heartbeat::BrokerHeartbeatRequest;
use milena_protocol::messages::create_topics::CreatableTopic;
use milena_protocol::{NodeId, PartitionIndex};
use milena_storage::{Disk, MemDisk, Survival};

use super::QuorumHandle;
use crate::config::Config;
use crate::lifecycle::KnownDirs;

mod snapshots;

fn config(overrides: &[&str]) -> Arc<Config> {
    let overrides: Vec<String> = overrides.iter().map(|entry| (*entry).to_owned()).collect();
    let mut config = Config::load(None, &overrides, std::iter::empty()).unwrap();
    config.log_dirs = vec!["/memory/data".into()];
    config.metadata_dir = "/memory/data".into();
    Arc::new(config)
}

async fn start(config: &Arc<Config>, disk: &Arc<MemDisk>) -> QuorumHandle {
    let quorum = super::start(config.clone(), disk.clone()).await.unwrap();
    tokio::spawn(quorum.clone().follow(|_, _| {}));
    enlist(config, &quorum).await.unwrap();
    quorum
}

/// Registers the broker of this node and has it unfenced; `None` where the quorum has ended.
async fn enlist(config: &Config, quorum: &QuorumHandle) -> Option<()> {
    let request = crate::lifecycle::registration(
        config,
        quorum,
        KnownDirs { ids: vec![data_id(quorum)], previous_epoch: None },
    );
    let broker_id = request.broker_id;
    let request = ControllerRequest::BrokerRegistration { request, tells_previous_epoch: true };
    let ControllerReply::Registration(Ok(broker_epoch)) = quorum.submit(request).await else { return None };
    let heartbeat = BrokerHeartbeatRequest {
        broker_id,
        broker_epoch,
        current_metadata_offset: broker_epoch,
        ..BrokerHeartbeatRequest::default()
    };
    match quorum.submit(ControllerRequest::BrokerHeartbeat(heartbeat)).await {
        ControllerReply::Heartbeat(Ok(answer)) => (!answer.is_fenced).then_some(()),
        _ => None,
    }
}

/// The id of the only directory of partitions.
fn data_id(quorum: &QuorumHandle) -> milena_protocol::Uuid {
    quorum.identity().directories[0].id.unwrap()
}

fn epoch(quorum: &QuorumHandle) -> i64 {
    quorum.image().broker(NodeId(1)).map_or(-1, |broker| broker.epoch)
}

async fn create(quorum: &QuorumHandle, name: &str) -> bool {
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: 2,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let request = ControllerRequest::CreateTopics { topics: vec![topic], validate_only: false };
    let ControllerReply::TopicsCreated(results) = quorum.submit(request).await else {
        panic!("another reply")
    };
    results[0].1.is_ok()
}

fn names(image: &MetadataImage) -> Vec<String> {
    image.topics().map(|topic| topic.name.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_directory_becomes_a_cluster_of_one() {
    let disk = Arc::new(MemDisk::new());
    let quorum = start(&config(&[]), &disk).await;
    let image = quorum.image();
    assert_eq!(
        image.features().iter().map(|(n, l)| (n.to_string(), *l)).collect::<Vec<_>>(),
        [("eligible.leader.replicas.version".into(), 1), ("metadata.version".into(), 30)]
    );
    let broker = image.broker(NodeId(1)).unwrap();
    assert!(!broker.fenced);
    assert_eq!(broker.log_dirs, [data_id(&quorum)]);
    assert_eq!(
        broker.endpoint("PLAINTEXT").map(|e| (e.host.to_string(), e.port)),
        Some(("localhost".into(), 9092))
    );
    assert_eq!(image.controllers().count(), 1);
    for name in [
        "bootstrap.checkpoint",
        "meta.properties",
        "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint",
    ] {
        assert!(disk.read(&Path::new("/memory/data").join(name)).is_ok(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_a_crash_of_the_machine() {
    for voters in [&[][..], &["controller.quorum.voters=1@localhost:9093"]] {
        let config = config(voters);
        let disk = Arc::new(MemDisk::new());
        let quorum = start(&config, &disk).await;
        assert!(create(&quorum, "a").await && create(&quorum, "b").await);
        assert!(!create(&quorum, "a").await, "it exists");
        let (identity, epoch_before) = (quorum.identity().clone(), epoch(&quorum));
        quorum.stop().await;
        let disk = Arc::new(disk.crash(Survival::None));
        let quorum = start(&config, &disk).await;
        assert_eq!(names(&quorum.image()), ["a", "b"]);
        assert_eq!(quorum.identity().cluster_id, identity.cluster_id);
        assert_eq!(quorum.identity().directories, identity.directories);
        assert!(epoch(&quorum) > epoch_before);
        assert_eq!(quorum.image().leader("a", PartitionIndex(1)), Some(NodeId(1)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_waits_until_the_broker_has_acted_on_it() {
    let disk = Arc::new(MemDisk::new());
    let config = config(&[]);
    let quorum = super::start(config.clone(), disk).await.unwrap();
    let acted = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = acted.clone();
    tokio::spawn(quorum.clone().follow(move |delta, _| {
        seen.lock().unwrap().extend(delta.created_topics.iter().map(|topic| topic.name.to_string()));
    }));
    enlist(&config, &quorum).await.unwrap();
    assert!(create(&quorum, "a").await);
    assert_eq!(*acted.lock().unwrap(), ["a"]);
    assert_eq!(names(&quorum.image()), ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_a_given_cluster_derive_their_directory_ids() {
    let identity = async |overrides: &[&str]| {
        let disk = Arc::new(MemDisk::new());
        super::start(config(overrides), disk).await.unwrap().identity().clone()
    };
    let given = ["cluster.id=MkU3OEVBNTcwNTJENDM2Qk"];
    let (one, again) = (identity(&given).await, identity(&given).await);
    assert_eq!((&*one.cluster_id, &one.directories), ("MkU3OEVBNTcwNTJENDM2Qk", &again.directories));
    assert_ne!(
        identity(&["cluster.id=MkU3OEVBNTcwNTJENDM2Qk", "node.id=2"]).await.directories,
        one.directories
    );
    assert_ne!(identity(&[]).await.directories, identity(&[]).await.directories);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_another_node_is_refused() {
    let disk = Arc::new(MemDisk::new());
    super::start(config(&[]), disk.clone()).await.unwrap().stop().await;
    let error = super::start(config(&["node.id=2"]), disk).await.err().expect("refused");
    assert_eq!(error.to_string(), "log directory /memory/data belongs to node.id=1, this node has node.id=2");
}

/// A directory that another formatter prepared with these levels.
fn formatted(disk: &MemDisk, levels: &[(&str, i16)]) {
    use milena_protocol::Timestamp;
    use milena_protocol::messages::metadata_records::FeatureLevelRecord;

    disk.create_dir_all(Path::new("/memory/data")).unwrap();
    let properties = milena_storage::MetaProperties {
        cluster_id: "MkU3OEVBNTcwNTJENDM2Qk".into(),
        node_id: NodeId(1),
        directory_id: milena_protocol::Uuid::from_u128(700),
    };
    properties.write(disk, Path::new("/memory/data")).unwrap();
    let level = |(name, level): &(&str, i16)| {
        FeatureLevelRecord { name: (*name).into(), feature_level: *level }.into()
    };
    let levels: Vec<_> = levels.iter().map(level).collect();
    let bootstrap = Path::new("/memory/data/bootstrap.checkpoint");
    disk.replace(bootstrap, &super::snapshot::bootstrap(&levels, Timestamp(1)), true).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_formatted_for_more_than_kafka_knows_is_refused_and_left_alone() {
    let (disk, config) = (Arc::new(MemDisk::new()), config(&[]));
    for (name, level) in [("group.version", 2), ("nope.version", 1), ("metadata.version", 29)] {
        formatted(&disk, &[("metadata.version", 30), (name, level)]);
        for _ in 0..2 {
            let error = super::start(config.clone(), disk.clone()).await.err().expect("refused");
            let expected =
                format!("the cluster has finalized {name}={level}, which this version does not support");
            assert!(format!("{error:#}").ends_with(&expected), "{error:#}");
        }
    }
    formatted(&disk, &[("metadata.version", 30)]);
    start(&config, &disk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_that_are_not_built_are_kept() {
    let (disk, config) = (Arc::new(MemDisk::new()), config(&[]));
    let levels = [("group.version", 1), ("metadata.version", 30), ("transaction.version", 2)];
    formatted(&disk, &levels);
    for _ in 0..2 {
        let quorum = start(&config, &disk).await;
        let image = quorum.image();
        let kept: Vec<_> = image.features().iter().map(|(name, level)| (&**name, *level)).collect();
        assert_eq!(kept, levels);
        quorum.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metadata_log_may_have_a_directory_of_its_own() {
    let disk = Arc::new(MemDisk::new());
    let with = |folder: &str| {
        let mut config = Arc::unwrap_or_clone(config(&[]));
        config.metadata_dir = folder.into();
        Arc::new(config)
    };
    let config = with("/memory/metadata");
    let quorum = start(&config, &disk).await;
    assert!(create(&quorum, "a").await);
    let (identity, image) = (quorum.identity().clone(), quorum.image());
    quorum.stop().await;
    let read =
        |folder: &str| milena_storage::MetaProperties::read(&*disk, Path::new(folder)).unwrap().unwrap();
    let (data, metadata) = (read("/memory/data"), read("/memory/metadata"));
    assert_eq!((&data.cluster_id, data.node_id), (&metadata.cluster_id, metadata.node_id));
    assert_ne!(data.directory_id, metadata.directory_id);
    assert_eq!(identity.directories[0].id, Some(data.directory_id));
    assert_eq!(image.broker(NodeId(1)).unwrap().log_dirs, [data.directory_id]);
    assert!(disk.list(Path::new("/memory/data/__cluster_metadata-0")).is_err());
    let again = start(&config, &disk).await;
    assert_eq!((names(&again.image()), data_id(&again)), (vec!["a".to_owned()], data.directory_id));
    again.stop().await;
    let error =
        super::start(with("/memory/elsewhere"), disk.clone()).await.err().expect("refused").to_string();
    assert!(
        error.ends_with("metadata.log.dir=/memory/elsewhere is not: its metadata log is elsewhere"),
        "{error}"
    );
}
