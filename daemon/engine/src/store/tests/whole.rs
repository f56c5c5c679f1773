//! Files that do not belong together are found at the start, and nothing of them is mixed.

use super::*;
use std::path::PathBuf;

/// A store as a killed daemon leaves it: with what it has in the log. `copied`: a copy of the file of before the log.
fn killed(dir: &Path, before: u64, after: u64) -> (PathBuf, PathBuf) {
    let (live, left, copy) = (dir.join("live.db"), dir.join("torchat.db"), dir.join("copy.db"));
    let mut store = Store::open(&live).unwrap();
    write(&mut store, 0, before);
    store.checkpoint().unwrap();
    drop(store);
    std::fs::copy(&live, &copy).unwrap();
    let mut store = Store::open(&live).unwrap();
    write(&mut store, before, before + after);
    // What a kill leaves is what is on the disk while the process runs.
    for end in ["", "-wal", "-mark"] {
        std::fs::copy(format!("{}{end}", live.display()), format!("{}{end}", left.display())).unwrap();
    }
    (left, copy)
}

fn write(store: &mut Store, from: u64, to: u64) {
    for n in (from + 1..=to).step_by(50) {
        let ops: Vec<_> = (n..(n + 50).min(to + 1)).map(|n| receive(peer(1), n, &format!("text {n}"))).collect();
        store.commit(0, &ops).unwrap();
    }
}

fn count(path: &Path) -> i64 {
    Connection::open(path).unwrap().query_row("SELECT count(*) FROM message", [], |row| row.get(0)).unwrap()
}

fn refused(path: &Path) -> String {
    let before = std::fs::read(path).ok();
    let error = Store::open(path).unwrap_err();
    assert!(matches!(error, StoreError::NotWhole(_)), "{error}");
    assert!(std::fs::read(path).ok() == before, "nothing is changed");
    error.to_string()
}

#[test]
fn a_killed_store_opens_with_everything() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = killed(dir.path(), 100, 300);
    drop(Store::open(&path).unwrap());
    assert_eq!(count(&path), 400);
    drop(Store::open(&path).unwrap());
}

#[test]
fn an_old_copy_beside_the_log_of_another_is_refused() {
    for (before, after) in [(10, 50), (4_000, 700), (4_000, 1_100), (4_000, 6_000)] {
        let dir = tempfile::tempdir().unwrap();
        let (path, copy) = killed(dir.path(), before, after);
        std::fs::copy(&copy, &path).unwrap();
        let words = refused(&path);
        assert!(words.contains("-wal belongs to another") && words.contains("remove torchat.db-wal"), "{words}");
        // The way out that it names.
        std::fs::remove_file(dir.path().join("torchat.db-wal")).unwrap();
        drop(Store::open(&path).unwrap());
        assert_eq!(count(&path), i64::try_from(before).unwrap());
    }
}

#[test]
fn a_store_that_is_missing_or_empty_is_not_made_anew_without_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    drop(Store::open(&path).unwrap());
    std::fs::write(&path, "").unwrap();
    assert!(refused(&path).contains("is empty"));
    std::fs::remove_file(&path).unwrap();
    assert!(refused(&path).contains("is missing"));
    std::fs::remove_file(dir.path().join("torchat.db-mark")).unwrap();
    let store = Store::open(&path).unwrap();
    assert!(store.health().remarks().is_empty(), "a first start");
    drop(store);
    // A first start that was killed leaves an empty file as well: said, and not refused.
    std::fs::remove_file(dir.path().join("torchat.db-mark")).unwrap();
    std::fs::write(&path, "").unwrap();
    assert_eq!(Store::open(&path).unwrap().health().remarks().len(), 1);
}

#[test]
fn a_copy_that_ended_early_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = killed(dir.path(), 2_000, 10);
    std::fs::remove_file(dir.path().join("torchat.db-wal")).unwrap();
    let whole = std::fs::read(copy).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 3 * 4_096]).unwrap();
    assert!(refused(&path).contains("is cut off"));
    std::fs::write(&path, &whole).unwrap();
    drop(Store::open(&path).unwrap());
}

#[test]
fn damage_is_found_after_an_end_that_was_not_clean() {
    let dir = tempfile::tempdir().unwrap();
    // A part of the file of another time, with the right mark: what a copy of a running daemon is.
    let (path, copy) = killed(dir.path(), 2_000, 50);
    let (mut mixed, old) = (std::fs::read(&path).unwrap(), std::fs::read(copy).unwrap());
    let middle = old.len() / 2 / 4_096 * 4_096;
    mixed[middle..middle + 16 * 4_096].fill(0);
    std::fs::write(&path, mixed).unwrap();
    let words = refused(&path);
    assert!(words.contains("is damaged") && words.contains("not stop cleanly"), "{words}");
}

#[test]
fn every_opening_leaves_a_copy_of_before_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    let mark = |path: &Path| -> String {
        // In the file itself: nothing of it is left to the log.
        super::super::whole::alone(path).unwrap().query_row("SELECT mark FROM mark", [], |row| row.get(0)).unwrap()
    };
    drop(Store::open(&path).unwrap());
    let first = mark(&path);
    drop(Store::open(&path).unwrap());
    assert_ne!(mark(&path), first);
    // The end of the daemon between its steps: the marks that were named first are all right.
    let marks = dir.path().join("torchat.db-mark");
    let now = std::fs::read_to_string(&marks).unwrap();
    std::fs::write(&marks, format!("00000001\n{now}")).unwrap();
    let mut store = Store::open(&path).unwrap();
    write(&mut store, 0, 10);
    assert_eq!(std::fs::read_to_string(&marks).unwrap().lines().count(), 1);
}
