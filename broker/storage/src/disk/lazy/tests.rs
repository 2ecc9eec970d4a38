//! A lazy disk over one in memory that counts its open files.

use proptest::prelude::*;

use super::*;
use crate::disk::MemDisk;

fn mk_disks(open_files_max: usize) -> (MemDisk, LazyDisk) {
    let memory = MemDisk::new();
    memory.create_dir_all(Path::new("/log")).unwrap();
    (memory.clone(), LazyDisk::new(Arc::new(memory), open_files_max))
}

fn mk_file(disk: &LazyDisk, path: &str, contents: &str) -> Arc<dyn DiskFile> {
    let file = disk.open(Path::new(path), Open::Create).unwrap();
    file.write_all_at(&[contents.as_bytes()], 0).unwrap();
    file
}

fn contents(file: &Arc<dyn DiskFile>) -> String {
    let mut bytes = vec![0; 64];
    let read = file.read_at(&mut bytes, 0).unwrap();
    String::from_utf8(bytes[..read].to_vec()).unwrap()
}

#[test]
fn few_of_many_files_are_open() {
    let (memory, disk) = mk_disks(8);
    let files: Vec<_> =
        (0..100).map(|n| mk_file(&disk, &format!("/log/{n}"), &format!("contents {n}"))).collect();
    assert_eq!(memory.open_files(), 8);
    for (n, file) in files.iter().enumerate() {
        assert_eq!(contents(file), format!("contents {n}"));
        assert!(memory.open_files() <= 8);
    }
}

#[test]
fn file_that_is_used_stays_open() {
    let (memory, disk) = mk_disks(8);
    let busy = mk_file(&disk, "/log/busy", "busy");
    let opened = memory.opens();
    for n in 0..100 {
        mk_file(&disk, &format!("/log/{n}"), "idle");
        assert_eq!(contents(&busy), "busy");
    }
    assert_eq!(memory.opens() - opened, 100, "the busy file was not opened again");
}

#[test]
fn listed_file_is_not_opened_before_it_is_used() {
    let (memory, disk) = mk_disks(8);
    drop(mk_file(&disk, "/log/0", "old"));
    let opened = memory.opens();
    let file = disk.open(Path::new("/log/0"), Open::Listed).unwrap();
    assert_eq!(memory.opens(), opened);
    assert_eq!(contents(&file), "old");
    drop(file);
    assert_eq!(memory.open_files(), 0);
    assert!(lock(&disk.0.files).is_empty());
}

#[test]
fn removed_file_stays_readable() {
    let (memory, disk) = mk_disks(1);
    let removed = mk_file(&disk, "/log/removed", "old");
    mk_file(&disk, "/log/other", "other");
    disk.remove_file(Path::new("/log/removed")).unwrap();
    let next = mk_file(&disk, "/log/removed", "new");
    for n in 0..10 {
        mk_file(&disk, &format!("/log/{n}"), "");
    }
    assert_eq!((contents(&removed), contents(&next)), ("old".to_owned(), "new".to_owned()));
    drop(removed);
    assert!(memory.open_files() <= 1);
}

#[test]
fn replaced_file_stays_readable_and_renamed_ones_are_found() {
    let (_, disk) = mk_disks(1);
    let replaced = mk_file(&disk, "/log/0.log", "old");
    let moved = mk_file(&disk, "/log/0.swap", "new");
    disk.rename(Path::new("/log/0.swap"), Path::new("/log/0.log")).unwrap();
    disk.rename(Path::new("/log"), Path::new("/log.deleted")).unwrap();
    disk.create_dir_all(Path::new("/log")).unwrap();
    let other = mk_file(&disk, "/log/0.log", "other");
    for n in 0..10 {
        mk_file(&disk, &format!("/log/{n}"), "");
    }
    assert_eq!([&replaced, &moved, &other].map(contents), ["old", "new", "other"]);
}

#[derive(Debug, Clone)]
enum Step {
    Open(u8),
    Drop(usize),
    Write(usize, u8),
    Rename(u8, u8),
    Remove(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..6_u8).prop_map(Step::Open),
        (0..8_usize).prop_map(Step::Drop),
        (0..8_usize, any::<u8>()).prop_map(|(file, byte)| Step::Write(file, byte)),
        (0..6_u8, 0..6_u8)
            .prop_filter("to itself", |(from, to)| from != to)
            .prop_map(|(a, b)| Step::Rename(a, b)),
        (0..6_u8).prop_map(Step::Remove),
    ];
    proptest::collection::vec(step, 1..60)
}

/// What every held file reads, and every name.
fn run(disk: &dyn Disk, steps: &[Step]) -> Vec<Vec<u8>> {
    let path = |name: u8| PathBuf::from(format!("/log/{name}"));
    let mut held = Vec::new();
    for step in steps {
        match step {
            Step::Open(name) => held.push(disk.open(&path(*name), Open::Create).unwrap()),
            Step::Drop(at) if !held.is_empty() => drop(held.remove(at % held.len())),
            Step::Write(at, byte) if !held.is_empty() => {
                held[at % held.len()].write_all_at(&[&[*byte; 3]], (*byte % 4).into()).unwrap();
            }
            Step::Rename(from, to) => drop(disk.rename(&path(*from), &path(*to))),
            Step::Remove(name) => drop(disk.remove_file(&path(*name))),
            _ => {}
        }
    }
    let read = |file: &Arc<dyn DiskFile>| {
        let mut bytes = vec![0; 16];
        let read = file.read_at(&mut bytes, 0).unwrap();
        bytes[..read].to_vec()
    };
    let named = (0..6).map(|name| disk.read(&path(name)).unwrap_or_default());
    held.iter().map(read).chain(named).collect()
}

proptest! {
    #[test]
    fn lazy_disk_is_a_disk(steps in steps(), open_files_max in 1..4_usize) {
        let (_, lazy) = mk_disks(open_files_max);
        let (plain, _) = mk_disks(1);
        prop_assert_eq!(run(&lazy, &steps), run(&plain, &steps));
    }
}
