//! Replays every file of the corpus. A failing input of a long run becomes a file here and so stays tested.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use torchat_fuzz::{Seen, TARGETS, corpus};

#[test]
fn every_file_keeps_every_promise() {
    let mut replayed = 0;
    for target in TARGETS {
        let files = corpus::files(target).unwrap();
        assert!(files.len() >= 3, "{} has {} files", target.name, files.len());
        let mut taken = 0;
        for (path, bytes) in files {
            println!("{}", path.display());
            taken += u32::from((target.run)(&bytes) == Seen::Taken);
            replayed += 1;
        }
        // Both ends of that one are strangers to the speaker, so nothing may be taken.
        let takes_nothing = target.name == "handshake_bytes";
        assert!(
            takes_nothing != (taken > 0),
            "{} takes {taken} files of its corpus: none would mean that mutations hardly go deep",
            target.name
        );
    }
    assert!(replayed > 100, "only {replayed} files");
}

#[test]
fn every_folder_has_its_target() {
    let folders = std::fs::read_dir(corpus::folder()).unwrap();
    let folders: BTreeSet<_> = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let targets: BTreeSet<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(folders, targets);
}

#[test]
fn every_target_has_its_twin_under_libfuzzer() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/cargo-fuzz");
    let manifest = std::fs::read_to_string(format!("{folder}/Cargo.toml")).unwrap();
    for target in TARGETS {
        let path = format!("fuzz_targets/{}.rs", target.name);
        assert!(std::fs::read_to_string(format!("{folder}/{path}")).is_ok_and(|text| text.contains("fuzz_target!")));
        assert!(manifest.contains(&format!("path = \"{path}\"")), "{path} is not in the manifest");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}
