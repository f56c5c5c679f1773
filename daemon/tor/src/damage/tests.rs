#![allow(clippy::unwrap_used)]

use super::*;
use std::os::unix::fs::symlink;

struct Tor {
    dir: tempfile::TempDir,
}

impl Tor {
    /// What a run leaves, in miniature.
    fn whole() -> Self {
        let tor = Self { dir: tempfile::tempdir().unwrap() };
        for dir in ["state/state", "state/hss/torchatd/iptreplay", "state/hss/torchatd/pow_nonces", "cache/dir_blobs"] {
            std::fs::create_dir_all(tor.path(dir)).unwrap();
        }
        for file in ["guards", "circuit_timeouts", "vanguards"] {
            std::fs::write(tor.path(&format!("state/state/{file}.json")), "{\"a\": []}\n").unwrap();
        }
        for file in ["ipts", "iptpub"] {
            std::fs::write(tor.path(&format!("state/hss/torchatd/{file}.json")), "{\"ipts\": []}").unwrap();
        }
        for lock in ["state/state/state.lock", "state/hss/torchatd.lock", "cache/dir.lock"] {
            std::fs::write(tor.path(lock), "").unwrap();
        }
        let log = [&REPLAY_LOG[..], &[7; 16 * 3 + 5]].concat();
        std::fs::write(tor.path("state/hss/torchatd/iptreplay/00ff.bin"), log).unwrap();
        let document = b"network-status-version 3 microdesc";
        let name = format!("con_microdesc_sha3-256-{}", HEXLOWER.encode(&Sha3_256::digest(document)));
        std::fs::write(tor.path("cache/dir_blobs").join(name), document).unwrap();
        let database = rusqlite::Connection::open(tor.path("cache/dir.sqlite3")).unwrap();
        database.execute_batch("CREATE TABLE t (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 5000) INSERT INTO t SELECT hex(randomblob(20)) FROM n;").unwrap();
        tor
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("tor").join(name)
    }

    fn places(&self) -> Places {
        Places::new(&self.path("state"), &self.path("cache"))
    }

    /// The names of the copies.
    fn aside(&self) -> Vec<String> {
        let paths = entries(self.dir.path()).into_iter().chain(entries(&self.path("")));
        let names = paths.map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
        names.filter(|name| name.contains(MARK)).collect()
    }

    fn files(&self) -> Vec<PathBuf> {
        fn below(dir: &Path, found: &mut Vec<PathBuf>) {
            for path in entries(dir) {
                if path.is_dir() { below(&path, found) } else { found.push(path) }
            }
        }
        let mut found = Vec::new();
        below(self.dir.path(), &mut found);
        found
    }
}

type Spoil = fn(&Path);

/// What a power cut, a disk or a person makes of a file.
const DAMAGE: [(&str, Spoil); 5] = [
    ("emptied", |path| std::fs::write(path, "").unwrap()),
    ("zeroed", |path| std::fs::write(path, [0; 4096]).unwrap()),
    ("garbage", |path| std::fs::write(path, [0xa5; 4096]).unwrap()),
    ("cut", |path| {
        let bytes = std::fs::read(path).unwrap();
        std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    }),
    ("a directory", |path| {
        std::fs::remove_file(path).unwrap();
        std::fs::create_dir(path).unwrap();
    }),
];

#[test]
fn what_is_whole_stays_and_is_not_spoken_of() {
    let tor = Tor::whole();
    assert_eq!(tor.places().inspect(), Vec::<String>::new());
    assert!(tor.aside().is_empty());
    let nothing = tempfile::tempdir().unwrap();
    assert!(Places::new(&nothing.path().join("s"), &nothing.path().join("c")).inspect().is_empty());
}

#[test]
fn every_file_in_every_way_is_set_aside_and_the_others_stay() {
    let count = Tor::whole().files().len();
    let mut tried = 0;
    for (how, damage) in DAMAGE {
        for number in 0..count {
            let tor = Tor::whole();
            let path = tor.files()[number].clone();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            damage(&path);
            let remarks = tor.places().inspect();
            // What arti does not look into, makes anew by itself, or takes up where it was cut.
            let harmless = (name.ends_with(".lock") && how != "a directory")
                || (how == "emptied" && (name == "00ff.bin" || name == "dir.sqlite3"))
                || (how == "cut" && name == "00ff.bin");
            assert_eq!(remarks.len(), usize::from(!harmless), "{name} {how}: {remarks:?}");
            assert_eq!(tor.aside().len(), usize::from(!harmless), "{name} {how}");
            if name != "guards.json" && !harmless {
                assert!(tor.path("state/state/guards.json").exists(), "{name} {how} costs no guards");
                assert!(remarks[0].contains("set aside as ") && remarks[0].contains(MARK), "{remarks:?}");
            }
            assert!(tor.places().inspect().is_empty(), "{name} {how}: mended at once");
            tried += 1;
        }
    }
    assert_eq!(tried, DAMAGE.len() * count);
}

#[test]
fn a_page_in_the_middle_of_the_database_is_seen() {
    let tor = Tor::whole();
    let path = tor.path("cache/dir.sqlite3");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(tor.places().inspect().len(), 1);
    assert!(tor.aside()[0].starts_with("cache.damaged-"));
}

#[test]
fn modes_are_mended_and_cost_nothing() {
    let tor = Tor::whole();
    let guards = tor.path("state/state/guards.json");
    for (path, wrong, right) in [(&guards, 0o000, 0o600), (&guards, 0o666, 0o600), (&tor.path("state"), 0o777, 0o700)] {
        std::fs::set_permissions(path, Permissions::from_mode(wrong)).unwrap();
        assert!(tor.places().inspect().is_empty());
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, right);
    }
    assert!(tor.aside().is_empty());
}

#[test]
fn a_directory_that_is_none_is_set_aside() {
    for name in ["", "state", "cache", "state/state", "state/hss", "state/hss/torchatd/iptreplay", "cache/dir_blobs"] {
        for link in [false, true] {
            let tor = Tor::whole();
            let path = if name.is_empty() { tor.dir.path().join("tor") } else { tor.path(name) };
            std::fs::remove_dir_all(&path).unwrap();
            if link {
                symlink("nowhere", &path).unwrap()
            } else {
                std::fs::write(&path, "x").unwrap()
            }
            assert_eq!(tor.places().inspect().len(), 1, "{name}");
            assert!(tor.places().inspect().is_empty(), "{name}");
        }
    }
}

#[test]
fn a_link_to_another_disk_is_followed() {
    let tor = Tor::whole();
    let elsewhere = tor.dir.path().join("elsewhere");
    std::fs::rename(tor.path("cache"), &elsewhere).unwrap();
    symlink(&elsewhere, tor.path("cache")).unwrap();
    assert!(tor.places().inspect().is_empty());
    std::fs::write(elsewhere.join("dir.sqlite3"), [1; 5000]).unwrap();
    assert_eq!(tor.places().inspect().len(), 1);
    assert!(!tor.path("cache").exists() && elsewhere.exists(), "the link goes, and arti makes a directory");
}

#[test]
fn three_copies_of_a_part_are_kept() {
    let tor = Tor::whole();
    for round in 1..=6 {
        std::fs::write(tor.path("state/state/guards.json"), format!("round {round}")).unwrap();
        assert_eq!(tor.places().inspect().len(), 1);
    }
    let names = tor.aside();
    assert_eq!(names, ["guards.json.damaged-4", "guards.json.damaged-5", "guards.json.damaged-6"]);
    assert_eq!(std::fs::read_to_string(tor.path("guards.json.damaged-6")).unwrap(), "round 6");
}

#[test]
fn what_arti_names_goes_first_and_more_only_if_that_does_not_help() {
    let tor = Tor::whole();
    let words =
        "Failed to access vanguard state: JSON error while loading persistent data on state/vanguards.json in /x";
    assert_eq!(tor.places().blame(words, 0).len(), 1);
    assert_eq!(tor.aside(), ["vanguards.json.damaged-1"], "and not the guards");
    let tor = Tor::whole();
    let words =
        "corrupted data in persistent state: JSON error while loading persistent data on state/guards.json in /x";
    assert_eq!(tor.places().blame(words, 0).len(), 1);
    assert_eq!(tor.aside(), ["guards.json.damaged-1"]);
    assert_eq!(tor.places().blame("reading ipts.json in /x/hss/torchatd", 0).len(), 1);
    assert_eq!(tor.aside(), ["guards.json.damaged-1", "hss.damaged-1"]);
    assert!(tor.places().blame("no file is named", 1)[0].starts_with("Tor's state was damaged"));
    assert!(tor.places().blame("no file is named", 2)[0].starts_with("Tor's cache was damaged"));
    assert!(tor.places().blame("no file is named", 3)[0].starts_with("Tor's directory was damaged"));
    assert!(tor.places().blame("no file is named", 4).is_empty());
    assert_eq!(tor.aside(), ["tor.damaged-1"], "with all that is in it");
}
