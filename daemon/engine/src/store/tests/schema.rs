//! Versions of the schema: frozen ones never change, known ones are brought to the newest, all others are left alone.

use super::super::schema::{APPLICATION, DEVELOPMENT, STEPS, VERSION, examine, fingerprint, known};
use super::*;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// What a program of before version 10 made.
const V9: &str = include_str!("../schema/v9.sql");

/// A file of version 9 with a message, as a clean stop leaves it; `mark`: as that program marked it.
fn version_9(path: &Path, mark: Option<i32>) {
    let db = Connection::open(path).unwrap();
    db.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    db.execute_batch(V9).unwrap();
    db.execute(
        "INSERT INTO peer (num, peer, contact, unread, unread_bytes) VALUES (1, ?1, 1, 1, 5)",
        [peer(1).as_bytes()],
    )
    .unwrap();
    db.execute_batch(
        "INSERT INTO message (id, peer, dir, state, mid, at_ms, text) VALUES (1, 1, 0, 0, randomblob(16), 5, 'hello');
         INSERT INTO run (run, at_ms) VALUES (x'0102030405060708', 5);",
    )
    .unwrap();
    if let Some(mark) = mark {
        db.pragma_update(None, "application_id", mark).unwrap();
        std::fs::write(beside(path, "-mark"), format!("{mark:08x}\n")).unwrap();
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    format!("{}{end}", path.display()).into()
}

fn texts(path: &Path) -> Vec<String> {
    let (page, _) = Reader::of_file(path.to_owned()).page(peer(1).into(), Page::Last, PageLimit::rows(9)).unwrap();
    page.into_iter().map(|row| row.text).collect()
}

fn meta(path: &Path, name: &str) -> i64 {
    let db = Connection::open(path).unwrap();
    db.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0)).unwrap()
}

/// What a start says of a file that it refuses; the file is as it was.
fn refused(path: &Path) -> String {
    let before = std::fs::read(path).unwrap();
    let error = Store::open(path).unwrap_err();
    assert!(matches!(error, StoreError::Version(_)), "{error}");
    assert_eq!(error.trouble(), Trouble::Damaged, "so that the daemon ends with 16");
    assert!(std::fs::read(path).unwrap() == before, "nothing is changed");
    assert!(error.to_string().contains("Nothing was changed"), "{error}");
    error.to_string()
}

#[test]
fn a_frozen_version_never_changes() {
    let layout = |db: &Connection| fingerprint(db).unwrap().unwrap();
    let mut db = Connection::open_in_memory().unwrap();
    for (version, step) in STEPS {
        db.execute_batch(step).unwrap();
        let words = format!("a released schema never changes: add v{}.sql", VERSION + 1);
        assert_eq!(Some(layout(&db).as_str()), known(version), "{words} (version {version})");
    }
    assert_eq!(STEPS.map(|(version, _)| version).to_vec(), (10..=VERSION).collect::<Vec<_>>());
    db = Connection::open_in_memory().unwrap();
    db.execute_batch(V9).unwrap();
    assert_eq!(Some(layout(&db).as_str()), known(DEVELOPMENT), "the layout of before is what landed");
}

#[test]
fn a_new_store_says_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    drop(Store::open(&path).unwrap());
    let header = std::fs::read(&path).unwrap();
    let number = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap());
    assert_eq!((number(60), number(68)), (VERSION as u32, APPLICATION));
    assert_eq!(meta(&path, "made_by"), meta(&path, "last_opened_by"));
    assert!(meta(&path, "made_by") > 0);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "no copy of nothing");
}

#[test]
fn the_last_layout_of_before_is_taken_over_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    version_9(&path, Some(-7));
    let copy = beside(&path, ".v9");
    let mut store = Store::open(&path).unwrap();
    assert_eq!(texts(&path), ["hello"]);
    store.commit(0, &[receive(peer(1), 2, "and more")]).unwrap();
    drop(store);
    assert_eq!((meta(&path, "made_by"), meta(&path, "last_opened_by") > 0), (0, true));
    let made = std::fs::metadata(&copy).unwrap().modified().unwrap();
    drop(Store::open(&path).unwrap());
    assert_eq!(std::fs::metadata(&copy).unwrap().modified().unwrap(), made, "the second start has nothing to do");
    assert_eq!(texts(&path), ["hello", "and more"]);
    // The copy is the store as it was, and can take its place.
    assert_eq!(examine(&Connection::open(&copy).unwrap(), None).unwrap(), DEVELOPMENT);
    std::fs::rename(&copy, &path).unwrap();
    drop(Store::open(&path).unwrap());
    assert_eq!(texts(&path), ["hello"]);
}

#[test]
fn a_file_that_was_killed_is_taken_over_with_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let (live, path) = (dir.path().join("live.db"), dir.path().join("torchat.db"));
    version_9(&live, Some(77));
    let db = Connection::open(&live).unwrap();
    db.execute_batch(
        "INSERT INTO message (id, peer, dir, state, mid, at_ms, text) VALUES (2, 1, 0, 1, randomblob(16), 6, 'in the log')",
    )
    .unwrap();
    for end in ["", "-wal", "-mark"] {
        std::fs::copy(beside(&live, end), beside(&path, end)).unwrap();
    }
    drop(Store::open(&path).unwrap());
    assert_eq!(texts(&path), ["hello", "in the log"]);
    // Beside the log of a later start it is another file, although it says so in another place.
    let store = Store::open(&path).unwrap();
    let log = std::fs::read(beside(&path, "-wal")).unwrap_or_default();
    drop(store);
    std::fs::rename(beside(&path, ".v9"), &path).unwrap();
    std::fs::write(beside(&path, "-wal"), if log.is_empty() { vec![1; 4_152] } else { log }).unwrap();
    let error = Store::open(&path).unwrap_err().to_string();
    assert!(error.contains("-wal belongs to another"), "{error}");
}

#[test]
fn what_no_version_has_is_left_alone() {
    let changes = [
        "DROP INDEX message_mid",
        "ALTER TABLE peer ADD COLUMN mood TEXT",
        "CREATE TABLE mine (x)",
        "DROP TABLE event_share",
        "PRAGMA user_version = 1; DROP TABLE legacy",
        "PRAGMA user_version = 0",
        "PRAGMA user_version = -3",
    ];
    for old in [true, false] {
        for change in changes {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("torchat.db");
            if old {
                version_9(&path, None)
            } else {
                drop(Store::open(&path).unwrap())
            };
            Connection::open(&path).unwrap().execute_batch(change).unwrap();
            let words = refused(&path);
            assert!(words.contains("a development version or changed by hand"), "{change}: {words}");
            assert!(words.contains("`torchat export`"), "{words}");
            assert!(!beside(&path, ".v9").exists());
        }
    }
}

#[test]
fn a_damaged_index_of_the_search_is_no_other_layout() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    drop(Store::open(&path).unwrap());
    let db = Connection::open(&path).unwrap();
    db.execute_batch("ALTER TABLE search RENAME TO search_damaged_5").unwrap();
    db.execute_batch(
        "CREATE VIRTUAL TABLE search USING fts5 (text, conversation, content = '', columnsize = 0, \
                      tokenize = 'unicode61 remove_diacritics 2')",
    )
    .unwrap();
    drop(db);
    // Not the same text, so this is another layout; what the program itself makes anew is not.
    assert!(Store::open(&path).is_err());
    let mut db = Connection::open(&path).unwrap();
    super::super::search::make_anew(&mut db).unwrap();
    drop(db);
    drop(Store::open(&path).unwrap());
}

#[test]
fn a_newer_store_says_who_can_open_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    drop(Store::open(&path).unwrap());
    let db = Connection::open(&path).unwrap();
    db.execute_batch("UPDATE meta SET value = 4000 WHERE name = 'last_opened_by'; PRAGMA user_version = 15").unwrap();
    drop(db);
    let words = refused(&path);
    assert!(
        words.starts_with("the store has version 15 and was last opened by torchatd 0.4.0; this is torchatd "),
        "{words}"
    );
    assert!(words.contains("Start torchatd 0.4.0. Nothing"), "{words}");
    std::fs::write(beside(&path, ".v10"), "").unwrap();
    let day = SystemTime::UNIX_EPOCH + Duration::from_secs(1_798_804_800);
    std::fs::File::options().append(true).open(beside(&path, ".v10")).unwrap().set_modified(day).unwrap();
    let words = refused(&path);
    assert!(words.contains("or put torchat.db.v10 back (what came since 2027-01-01 is lost then)"), "{words}");
    // A version that says less.
    Connection::open(&path).unwrap().execute_batch("DROP TABLE meta").unwrap();
    assert!(refused(&path).contains("the store has version 15; this is torchatd "));
}

#[test]
fn a_copy_stays_for_thirty_days() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    version_9(&path, None);
    drop(Store::open(&path).unwrap());
    let copy = beside(&path, ".v9");
    let age = |days: u64| {
        let then = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
        std::fs::File::options().append(true).open(&copy).unwrap().set_modified(then).unwrap();
        drop(Store::open(&path).unwrap());
        copy.exists()
    };
    assert!(age(29));
    assert!(!age(31));
}

#[test]
fn half_a_copy_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    version_9(&path, None);
    // What a start leaves that was killed while it copied.
    std::fs::write(beside(&path, ".v9.new"), vec![7; 10_000]).unwrap();
    drop(Store::open(&path).unwrap());
    assert!(!beside(&path, ".v9.new").exists());
    assert_eq!(examine(&Connection::open(beside(&path, ".v9")).unwrap(), None).unwrap(), DEVELOPMENT);
}
