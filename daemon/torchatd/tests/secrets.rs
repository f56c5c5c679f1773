//! Where the keys of a running daemon are, and who may look: each of these fails if the part that it is named for is taken out.

#![allow(clippy::unwrap_used)]

#[path = "lifecycle/house.rs"]
#[allow(dead_code, reason = "shared with the other tests of the process")]
mod house;

use house::{House, wait_until};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use torchat_core::handshake::LocalIdentity;

/// The digits of `identity.key` after a word.
fn digits(house: &House, word: &str) -> String {
    let text = house.read("identity.key");
    let line = text.lines().find_map(|line| line.strip_prefix(word)).unwrap();
    line.trim().to_owned()
}

fn bytes(digits: &str) -> [u8; 32] {
    let byte = |at: usize| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap();
    std::array::from_fn(byte)
}

/// How often a text stands in what a process may write.
fn in_memory(pid: u32, wanted: &[&[u8]]) -> Vec<usize> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut found = vec![0; wanted.len()];
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (start, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let [start, end] = [start, end].map(|number| u64::from_str_radix(number, 16).unwrap());
        let mut part = vec![0; usize::try_from(end - start).unwrap()];
        if memory.seek(SeekFrom::Start(start)).is_err() || memory.read_exact(&mut part).is_err() {
            continue;
        }
        for (count, text) in found.iter_mut().zip(wanted) {
            *count += part.windows(text.len()).filter(|window| window == text).count();
        }
    }
    found
}

#[test]
fn what_was_read_of_the_key_is_wiped_and_its_copies_do_not_grow() {
    let house = House::new();
    house.background(&[]);
    house.stop();
    if !torchat_testkit::skipped::is_root("what_was_read_of_the_key_is_wiped_and_its_copies_do_not_grow") {
        return;
    }
    // A key that is read, as on every start but the first.
    house.background(&[]);
    let pid = house.running().pid();
    let [onion, device] = ["onion-seed ", "device-key "].map(|word| digits(&house, word));
    let (seed, key) = (bytes(&onion), bytes(&device));
    wait_until(|| house.data().join("tor/state/state/guards.json").exists());
    let count = || in_memory(pid, &[onion.as_bytes(), device.as_bytes(), &seed, &key]);
    let at_first = count();
    println!(
        "copies: {} of the seed's digits, {} of the device key's, {} of the seed, {} of the device key",
        at_first[0], at_first[1], at_first[2], at_first[3]
    );
    assert_eq!(at_first[..2], [0, 0], "the text of identity.key is wiped");
    assert_eq!(at_first[2], 0, "of the seed only what is made of it is needed");
    // The search does find what is there: links are made with the device's key.
    assert!(at_first[3] > 0, "{at_first:?}");
    for _ in 0..200 {
        assert_eq!(house.ask(r#"{"cmd":"HOST"}"#)["cmd"], "HOST");
    }
    assert!(count()[3] <= at_first[3] + 1, "they do not grow");
    house.stop();
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn the_key_is_in_one_file_and_tor_has_it_in_memory_only() {
    let house = House::new();
    house.background(&[]);
    // Tor has made its service by then.
    wait_until(|| house.data().join("tor/state/hss/torchatd/ipts.json").exists());
    let [onion, device] = ["onion-seed ", "device-key "].map(|word| digits(&house, word));
    let identity = LocalIdentity::from_seeds(&bytes(&onion), &bytes(&device), 0).unwrap();
    let expanded = identity.expanded_secret();
    let (seed, key) = (bytes(&onion), bytes(&device));
    house.stop();
    let mut all = Vec::new();
    files(house.root(), &mut all);
    assert!(all.len() > 8, "{all:?}");
    let mut holders = Vec::new();
    for path in &all {
        let Ok(content) = fs::read(path) else { continue };
        let holds = |text: &[u8]| content.windows(text.len()).any(|window| window == text);
        if holds(onion.as_bytes()) || holds(device.as_bytes()) || holds(&seed) || holds(&key) || holds(&expanded[..32])
        {
            holders.push(path.clone());
        }
    }
    assert_eq!(holders, [house.data().join("identity.key")]);
    // Arti's keystore would be here.
    assert!(!all.iter().any(|path| path.components().any(|part| part.as_os_str() == "keystore")), "{all:?}");
}

#[test]
fn its_own_user_can_neither_debug_nor_dump_it() {
    let house = House::new();
    // The kernel gives the files of a process that may not be dumped to root. Of one of root's own that says nothing.
    let (pid, uid) = if house.is_root() {
        let stranger = 65_534;
        for dir in [house.data(), house.logs()] {
            fs::create_dir(&dir).unwrap();
            fs::set_permissions(&dir, PermissionsExt::from_mode(0o700)).unwrap();
            std::os::unix::fs::chown(&dir, Some(stranger), Some(stranger)).unwrap();
        }
        let Some(ended) = house.run_as_another_user(&house.data(), 0o700) else {
            let test = "its_own_user_can_neither_debug_nor_dump_it";
            return torchat_testkit::skipped::skipped(test, torchat_testkit::skipped::NO_SETPRIV);
        };
        assert_eq!(ended.code, 0, "{ended:?}");
        (house.running().pid(), stranger)
    } else {
        house.background(&[]);
        (house.running().pid(), house.root().metadata().unwrap().uid())
    };
    let owner = |pid: u32| fs::metadata(format!("/proc/{pid}/environ")).unwrap().uid();
    let mut other = Command::new("sleep");
    other.arg("60");
    std::os::unix::process::CommandExt::uid(&mut other, uid);
    let mut other = other.spawn().unwrap();
    wait_until(|| fs::read_to_string(format!("/proc/{}/comm", other.id())).unwrap().trim() == "sleep");
    assert_eq!(owner(other.id()), uid, "of any other program of this user");
    assert_eq!(owner(pid), 0, "the daemon may not be dumped");
    other.kill().unwrap();
    other.wait().unwrap();
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
    house::signal(pid, "TERM");
    wait_until(|| !house.data().join("pid").exists());
}
