//! Several log directories over a disk in memory: where logs go, what each directory keeps, and what is left when one
//! fails.

use milena_core::metadata::directory::UNASSIGNED;
use milena_storage::dir;

use super::*;

pub(super) const IDS: [Uuid; 2] = [Uuid::from_u128(1_000), Uuid::from_u128(2_000)];
pub(super) const FOLDERS: [&str; 2] = ["/memory/data", "/memory/b"];

/// A topic whose partitions are where `directories` says.
pub(super) fn mk_image(directories: &[Uuid]) -> MetadataImage {
    let topic_id = Uuid::from_u128(1 << 64 | 1);
    let mut image = MetadataImage::default();
    image.replay(Offset(0), &TopicRecord { name: TOPIC.into(), topic_id }.into()).unwrap();
    for (partition_id, directory) in (0..).zip(directories) {
        let partition = PartitionRecord {
            topic_id,
            partition_id,
            replicas: vec![1],
            isr: vec![1],
            leader: 1,
            leader_epoch: 0,
            directories: vec![*directory],
            ..PartitionRecord::default()
        };
        image.replay(Offset(i64::from(partition_id) + 1), &partition.into()).unwrap();
    }
    image
}

pub(super) async fn open(disk: &MemDisk, image: &MetadataImage, settings: &[&str]) -> Partitions {
    try_open(disk, image, settings).await.unwrap()
}

pub(super) async fn try_open(
    disk: &MemDisk,
    image: &MetadataImage,
    settings: &[&str],
) -> anyhow::Result<Partitions> {
    let settings: Vec<String> = settings.iter().map(|entry| (*entry).to_owned()).collect();
    let mut config = Config::load(None, &settings, std::iter::empty()).unwrap();
    config.log_dirs = FOLDERS.map(Into::into).to_vec();
    config.metadata_dir = FOLDERS[0].into();
    let live = LiveProperties::new(&config, image);
    let directory = |(folder, id): (&str, Uuid)| Directory { folder: folder.into(), id: Some(id) };
    let directories: Vec<_> = FOLDERS.into_iter().zip(IDS).map(directory).collect();
    directories.iter().try_for_each(|directory| disk.create_dir_all(&directory.folder))?;
    let disk = Arc::new(disk.clone());
    let partitions = Partitions::open(&config, &directories, disk, live, StorageMetrics::default())?;
    partitions.recover(image).await?;
    Ok(partitions)
}

pub(super) fn of(partitions: &Partitions, index: i32) -> Result<Arc<Partition>, ErrorCode> {
    partitions.of(TOPIC, PartitionIndex(index))
}

/// The id of the directory of each of the first `count` partitions.
fn places(partitions: &Partitions, count: i32) -> Vec<Uuid> {
    (0..count).map(|index| of(partitions, index).unwrap().dir().id).collect()
}

pub(super) fn names(disk: &MemDisk, folder: &str) -> Vec<String> {
    let entries = disk.list(Path::new(folder)).unwrap();
    entries.into_iter().map(|entry| entry.name).filter(|name| name.starts_with(TOPIC)).collect()
}

#[tokio::test]
async fn logs_are_spread_told_and_found_again_with_their_offsets() {
    let (disk, image) = (MemDisk::new(), mk_image(&[UNASSIGNED; 4]));
    let partitions = open(&disk, &MetadataImage::default(), &[]).await;
    change(&partitions, &MetadataImage::default(), &image);
    let placed = places(&partitions, 4);
    assert_eq!(placed.iter().filter(|id| **id == IDS[0]).count(), 2, "{placed:?}");
    assert_eq!(partitions.assignments().waiting_count(), 4);
    for index in 0..4 {
        produce(&of(&partitions, index).unwrap(), crate::partition::now());
    }
    partitions.close(7).await.unwrap();
    for folder in FOLDERS {
        let (points, here) =
            (dir::read_recovery_points(&disk, Path::new(folder)).unwrap(), names(&disk, folder));
        assert_eq!(points.keys().map(ToString::to_string).collect::<Vec<_>>(), here);
    }
    // The controller has not been told, which changes nothing.
    let again = open(&disk, &image, &[]).await;
    assert_eq!(places(&again, 4), placed);
    assert_eq!(again.previous_broker_epoch(), Some(7));
    assert_eq!(of(&again, 3).unwrap().log_end_offset(), Offset(1));
    let crashed = open(&disk.crash(Survival::All), &mk_image(&placed), &[]).await;
    assert_eq!((places(&crashed, 4), crashed.previous_broker_epoch()), (placed, None));
    assert_eq!(crashed.assignments().waiting_count(), 0);
}

#[tokio::test]
async fn a_failed_directory_takes_its_logs_along_and_no_others() {
    let (disk, image) = (MemDisk::new(), mk_image(&[IDS[0], IDS[1], UNASSIGNED]));
    let partitions = open(&disk, &image, &[]).await;
    let lost = of(&partitions, 1).unwrap();
    let appended = produce(&lost, crate::partition::now());
    partitions.dirs()[1].health.fail("it does");
    partitions.give_up(&partitions.dirs()[1].clone());
    assert_eq!(of(&partitions, 1).err(), Some(ErrorCode::KafkaStorageError));
    assert!(lost.progress().has_failed && !lost.progress().is_leader, "{appended}");
    produce(&of(&partitions, 0).unwrap(), crate::partition::now());
    // What it had, or may have had, is not made again; what is new goes elsewhere.
    let more = mk_image(&[IDS[0], IDS[1], UNASSIGNED, IDS[1], UNASSIGNED]);
    change(&partitions, &image, &more);
    assert_eq!(of(&partitions, 1).err(), Some(ErrorCode::KafkaStorageError));
    assert_eq!(of(&partitions, 3).err(), Some(ErrorCode::KafkaStorageError));
    assert_eq!(of(&partitions, 4).unwrap().dir().id, IDS[0]);
    partitions.close(7).await.unwrap();
    let mut names = names(&disk, FOLDERS[1]);
    names.sort();
    assert!(names.contains(&format!("{TOPIC}-1")), "{names:?}");
    let again = open(&disk, &more, &[]).await;
    assert_eq!(again.previous_broker_epoch(), None, "one of the directories did not end in order");
    assert_eq!(of(&again, 1).unwrap().log_end_offset(), Offset(1));
}

#[tokio::test]
async fn of_two_logs_of_a_partition_the_one_that_the_record_names_counts() {
    let (disk, image) = (MemDisk::new(), mk_image(&[IDS[0]]));
    let partitions = open(&disk, &image, &[]).await;
    produce(&of(&partitions, 0).unwrap(), crate::partition::now());
    disk.create_dir_all(&Path::new(FOLDERS[1]).join(format!("{TOPIC}-0"))).unwrap();
    assert!(try_open(&disk, &mk_image(&[UNASSIGNED]), &[]).await.is_err(), "nobody knows which");
    let again = open(&disk, &image, &[]).await;
    assert_eq!(of(&again, 0).unwrap().log_end_offset(), Offset(1));
    assert!(names(&disk, FOLDERS[1]).iter().all(|name| name.ends_with("-stray")));
}

#[tokio::test]
async fn a_cordoned_directory_gets_no_new_logs() {
    let cordoned = format!("cordoned.log.dirs={}", FOLDERS[0]);
    let partitions = open(&MemDisk::new(), &mk_image(&[UNASSIGNED; 3]), &[&cordoned]).await;
    assert_eq!(places(&partitions, 3), [IDS[1]; 3]);
    assert_eq!(partitions.cordoned(), [IDS[0]]);
    let all = open(&MemDisk::new(), &mk_image(&[UNASSIGNED; 2]), &["cordoned.log.dirs=*"]).await;
    assert_eq!(places(&all, 2).len(), 2, "a replica that came before all are");
}
