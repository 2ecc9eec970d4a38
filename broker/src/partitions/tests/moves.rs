//! Replicas that move between directories over a disk in memory.

use milena_core::metadata::directory::UNASSIGNED;
use milena_storage::disk::crash_everywhere;

use super::dirs::{FOLDERS, IDS, mk_image, names, of, open};
use super::*;
use crate::partition::Cut;

/// Moves on until nothing is left to copy.
fn copy(partitions: &Partitions) {
    while partitions.move_on() {}
    partitions.move_on();
}

fn begin(partitions: &Partitions, folder: &str) -> Result<(), ErrorCode> {
    partitions.move_replica(TOPIC, PartitionIndex(0), folder)
}

fn fill(partition: &Arc<Partition>, count: usize) {
    for _ in 0..count {
        produce(partition, crate::partition::now());
    }
}

#[tokio::test]
async fn a_replica_moves_once_the_controller_knows_and_keeps_its_records() {
    let (disk, before, after) = (MemDisk::new(), mk_image(&[IDS[0]]), mk_image(&[IDS[1]]));
    let partitions = open(&disk, &before, &[]).await;
    let partition = of(&partitions, 0).unwrap();
    fill(&partition, 5);
    let records = read(&partition);
    assert_eq!(begin(&partitions, FOLDERS[1]), Ok(()));
    assert_eq!(partition.future_log().unwrap().lag, 5);
    copy(&partitions);
    assert_eq!((partition.future_log().unwrap().lag, partition.dir().id), (0, IDS[0]));
    assert_eq!(partitions.assignments().waiting_count(), 1);
    fill(&partition, 2);
    change(&partitions, &before, &after);
    copy(&partitions);
    assert_eq!(partition.dir().id, IDS[1]);
    assert!(partition.future_log().is_none());
    assert!(read(&partition).starts_with(&records));
    fill(&partition, 1);
    assert_eq!(names(&disk, FOLDERS[1]), [format!("{TOPIC}-0")]);
    assert!(names(&disk, FOLDERS[0]).iter().all(|name| name.ends_with("-delete")));
    let records = read(&partition);
    partitions.close(7).await.unwrap();
    let again = open(&disk, &after, &[]).await;
    let again = of(&again, 0).unwrap();
    assert_eq!((again.dir().id, again.log_end_offset()), (IDS[1], Offset(8)));
    assert_eq!(read(&again), records);
}

#[tokio::test]
async fn what_a_follower_cuts_off_is_cut_off_the_copy() {
    let (disk, before, after) = (MemDisk::new(), mk_image(&[IDS[0]]), mk_image(&[IDS[1]]));
    let partitions = open(&disk, &before, &[]).await;
    let partition = of(&partitions, 0).unwrap();
    fill(&partition, 5);
    begin(&partitions, FOLDERS[1]).unwrap();
    copy(&partitions);
    partition.follow(LeaderEpoch(1), 1);
    partition.cut(LeaderEpoch(1), Cut::At(Offset(2))).unwrap();
    assert_eq!(partition.future_log().unwrap().lag, 0);
    change(&partitions, &before, &after);
    copy(&partitions);
    assert_eq!((partition.dir().id, partition.log_end_offset()), (IDS[1], Offset(2)));
}

#[tokio::test]
async fn a_move_ends_where_the_replica_is_wished_back_and_the_controller_hears_of_it() {
    let (disk, image) = (MemDisk::new(), mk_image(&[IDS[0]]));
    let partitions = open(&disk, &image, &[]).await;
    let partition = of(&partitions, 0).unwrap();
    fill(&partition, 5);
    begin(&partitions, FOLDERS[1]).unwrap();
    copy(&partitions);
    assert_eq!(begin(&partitions, FOLDERS[0]), Ok(()));
    assert!(partition.future_log().is_none());
    assert_eq!(
        *partitions.assignments().waiting(),
        BTreeMap::from([((partition.topic_id, PartitionIndex(0)), IDS[0])])
    );
    assert!(names(&disk, FOLDERS[1]).iter().all(|name| name.ends_with("-delete")));
    assert_eq!(begin(&partitions, "/nowhere"), Err(ErrorCode::LogDirNotFound));
}

#[tokio::test]
async fn a_start_goes_on_with_a_move_and_a_replica_to_come_goes_where_it_is_wished() {
    let (disk, image) = (MemDisk::new(), mk_image(&[IDS[0]]));
    let partitions = open(&disk, &image, &[]).await;
    fill(&of(&partitions, 0).unwrap(), 5);
    begin(&partitions, FOLDERS[1]).unwrap();
    copy(&partitions);
    partitions.close(7).await.unwrap();
    // The controller was told, the copy had no time to take the place of the log.
    let assigned = mk_image(&[IDS[1]]);
    let again = open(&disk, &assigned, &[]).await;
    assert_eq!(of(&again, 0).unwrap().dir().id, IDS[0]);
    copy(&again);
    assert_eq!(of(&again, 0).unwrap().dir().id, IDS[1]);
    assert_eq!(again.move_replica(TOPIC, PartitionIndex(1), FOLDERS[1]), Err(ErrorCode::ReplicaNotAvailable));
    change(&again, &assigned, &mk_image(&[IDS[1], UNASSIGNED]));
    assert_eq!(of(&again, 1).unwrap().dir().id, IDS[1]);
}

#[test]
fn a_move_cut_off_at_any_write_loses_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (before, after) = (mk_image(&[IDS[0]]), mk_image(&[IDS[1]]));
    // How much is acknowledged and synced, and whether the metadata names the new directory.
    let scenario = |disk: &MemDisk| {
        let (mut promised, mut is_told) = (Offset(0), false);
        let live = async {
            let partitions = super::dirs::try_open(disk, &before, &[]).await?;
            let partition = of(&partitions, 0).map_err(|code| anyhow::anyhow!("{code}"))?;
            for round in 0..3 {
                for _ in 0..3 {
                    crashes::append(&partition, 1).map_err(|code| anyhow::anyhow!("{code}"))?;
                }
                partition.prepare_cleaning()?;
                promised = partition.log_end_offset();
                match round {
                    0 => begin(&partitions, FOLDERS[1]).map_err(|code| anyhow::anyhow!("{code}"))?,
                    1 => {
                        is_told = true;
                        change(&partitions, &before, &after);
                    }
                    _ => {}
                }
                copy(&partitions);
            }
            anyhow::Ok(())
        };
        let _ = runtime.block_on(live);
        (promised, is_told)
    };
    let crashes = crash_everywhere(MemDisk::new, scenario, |crash, (promised, is_told)| {
        let image = if *is_told { &after } else { &before };
        let partitions = runtime.block_on(open(&crash.disk, image, &[]));
        let partition = of(&partitions, 0).unwrap();
        let found = partition.log_end_offset();
        assert!(found >= *promised, "step {} {:?}: {found} of {promised}", crash.step, crash.survival);
        copy(&partitions);
        let place = partition.dir().id;
        let is_told_back = || partitions.assignments().waiting_count() == 1;
        assert!(!is_told || place == IDS[1] || is_told_back(), "step {}: {place}", crash.step);
        assert_eq!(partition.log_end_offset(), found);
    });
    assert!(crashes > 100, "{crashes}");
}
