//! Which errors end what.

use milena_storage::MemDisk;

use super::*;

fn mk_error(action: &'static str, errno: Errno) -> StorageError {
    StorageError::Io { action, path: "/data/topic-0/x.log".into(), source: errno.into() }
}

fn mk_health() -> DirHealth {
    DirHealth::new(Path::new("/data"), StorageMetrics::default())
}

#[test]
fn errors_tell_a_full_disk_from_a_failed_one_and_from_none() {
    // May be read, may grow.
    for (action, errno, expected) in [
        ("append to", Errno::NOSPC, (true, false)),
        ("open segment", Errno::DQUOT, (true, false)),
        ("sync", Errno::NOSPC, (false, false)),
        ("append to", Errno::IO, (false, false)),
        ("rename", Errno::ROFS, (false, false)),
        ("open segment", Errno::MFILE, (true, true)),
        ("read", Errno::NOENT, (true, true)),
        ("make", Errno::NOTDIR, (true, true)),
        ("sync index", Errno::MFILE, (true, true)),
    ] {
        let health = mk_health();
        let reported = health.report(&mk_error(action, errno));
        let state = (health.check_read().is_ok(), health.check_write().is_ok());
        assert_eq!((state, reported), (expected, expected != (true, true)), "{action} {errno}");
    }
}

#[tokio::test]
async fn full_directory_comes_back_and_a_failed_one_does_not() {
    let disk = MemDisk::new();
    disk.create_dir_all(Path::new("/data")).unwrap();
    let health = mk_health();
    assert!(health.report(&mk_error("append to", Errno::NOSPC)));
    disk.fail_after(0);
    assert!(!health.probe(&disk));
    assert!(health.is_full());
    disk.fail_after(1_000);
    assert!(health.probe(&disk));
    assert_eq!(health.check_write(), Ok(()));
    assert!(disk.list(Path::new("/data")).unwrap().is_empty(), "the probe leaves nothing");

    health.report(&mk_error("append to", Errno::NOSPC));
    health.report(&mk_error("sync", Errno::IO));
    assert!(health.failed().await.contains("sync /data/topic-0/x.log"));
    assert!(!health.probe(&disk));
    assert_eq!(health.check_read(), Err(ErrorCode::KafkaStorageError));
}
