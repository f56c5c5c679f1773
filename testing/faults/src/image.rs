//! What a disk may hold after the power went: everything that was synced, and of the rest whatever chance leaves.
//!
//! Model, harsher than the usual journaling file systems: each write and each change of size that no sync of its file
//! covers is dropped, kept, or (a write) torn at 512-byte sectors, independently of all others. Changes of names become
//! durable with a sync of the directory; of the later ones a random number of the first survives, in their order, as
//! file systems journal them. SQLite's `-shm` is memory and no durable state: it is dropped or filled with garbage.

use crate::record::{Call, Change};
use rand::RngExt as _;
use rand::rngs::StdRng;
use std::collections::BTreeMap;

/// What a disk writes as one piece.
const SECTOR: u64 = 512;

/// The files of an image.
pub type Image = BTreeMap<String, Vec<u8>>;

#[derive(Debug, Clone)]
enum Op {
    Size(u64),
    Write(u64, Vec<u8>),
}

#[derive(Debug, Clone, Default)]
struct File {
    durable: Vec<u8>,
    /// With the moment at which each ended.
    pending: Vec<(u64, Op)>,
}

#[derive(Debug, Clone)]
enum NameOp {
    Put(String, usize),
    Remove(String),
}

/// What happens to what is not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    DropAll,
    KeepAll,
    Each,
}

/// A directory on a disk with a cache that forgets.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    files: Vec<File>,
    live: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    pending: Vec<NameOp>,
}

impl Disk {
    /// A disk with files on it, all of them durable.
    #[must_use]
    pub fn with<'a>(files: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Self {
        let mut disk = Self::default();
        for (name, durable) in files {
            disk.files.push(File { durable, pending: Vec::new() });
            let index = disk.files.len() - 1;
            disk.live.insert(name.to_owned(), index);
            disk.durable.insert(name.to_owned(), index);
        }
        disk
    }

    /// What a kill leaves: all that has happened, and what is under way up to here.
    #[must_use]
    pub fn killed(&self, under_way: &[&Call]) -> Image {
        let mut disk = self.clone();
        for call in under_way {
            disk.apply(call);
        }
        let live = disk.live.iter().filter(|(name, _)| !name.ends_with("-shm"));
        live.filter_map(|(name, index)| {
            let file = disk.files.get(*index)?;
            let mut bytes = file.durable.clone();
            file.pending.iter().for_each(|(_, op)| perform(&mut bytes, op));
            Some((name.clone(), bytes))
        })
        .collect()
    }

    /// Takes a change that has happened.
    pub fn apply(&mut self, call: &Call) {
        let index = self.live.get(&call.name).copied();
        match (&call.change, index) {
            (Change::Create, None) => {
                self.files.push(File::default());
                self.put(call.name.clone(), self.files.len() - 1);
            }
            (Change::Rename(to), Some(index)) => {
                self.put(to.clone(), index);
                self.remove(&call.name);
            }
            (Change::Unlink, Some(_)) => self.remove(&call.name),
            (Change::Size(size), Some(index)) => self.pend(index, call.end, Op::Size(*size)),
            (Change::Write(at, bytes), Some(index)) => self.pend(index, call.end, Op::Write(*at, bytes.clone())),
            (Change::Sync, Some(index)) => {
                if let Some(file) = self.files.get_mut(index) {
                    // A write that ended while the sync ran may have come too late for it.
                    let (early, late) =
                        std::mem::take(&mut file.pending).into_iter().partition(|op| op.0 <= call.start);
                    file.pending = late;
                    let early: Vec<(u64, Op)> = early;
                    for (_, op) in &early {
                        perform(&mut file.durable, op);
                    }
                }
            }
            (Change::SyncNames, _) => {
                for op in std::mem::take(&mut self.pending) {
                    rename(&mut self.durable, op);
                }
            }
            // The name is there already, or the file was deleted while it was open.
            _ => {}
        }
    }

    /// An image, with calls that are under way: they may have happened or not. A sync under way promises nothing.
    #[must_use]
    pub fn cut(&self, under_way: &[&Call], random: &mut StdRng) -> Image {
        let mut disk = self.clone();
        for call in under_way {
            if !matches!(call.change, Change::Sync | Change::SyncNames) {
                disk.apply(call);
            }
        }
        let mood = match random.random_range(0..8) {
            0 => Mood::DropAll,
            1 => Mood::KeepAll,
            _ => Mood::Each,
        };
        let kept = match mood {
            Mood::DropAll => 0,
            Mood::KeepAll => disk.pending.len(),
            Mood::Each => random.random_range(0..=disk.pending.len()),
        };
        for op in disk.pending.drain(..).take(kept) {
            rename(&mut disk.durable, op);
        }
        let mut image = Image::new();
        for (name, index) in &disk.durable {
            if name.ends_with("-shm") {
                if random.random() {
                    image.insert(name.clone(), (0..32 * 1024).map(|_| random.random()).collect());
                }
                continue;
            }
            let Some(file) = disk.files.get(*index) else { continue };
            let mut bytes = file.durable.clone();
            for (_, op) in &file.pending {
                survive(&mut bytes, op, mood, random);
            }
            image.insert(name.clone(), bytes);
        }
        image
    }

    fn put(&mut self, name: String, index: usize) {
        self.live.insert(name.clone(), index);
        self.pending.push(NameOp::Put(name, index));
    }

    fn remove(&mut self, name: &str) {
        self.live.remove(name);
        self.pending.push(NameOp::Remove(name.to_owned()));
    }

    fn pend(&mut self, index: usize, end: u64, op: Op) {
        if let Some(file) = self.files.get_mut(index) {
            file.pending.push((end, op));
        }
    }
}

fn rename(names: &mut BTreeMap<String, usize>, op: NameOp) {
    match op {
        NameOp::Put(name, index) => drop(names.insert(name, index)),
        NameOp::Remove(name) => drop(names.remove(&name)),
    }
}

fn survive(bytes: &mut Vec<u8>, op: &Op, mood: Mood, random: &mut StdRng) {
    let fate = match mood {
        Mood::DropAll => 0,
        Mood::KeepAll => 1,
        Mood::Each => random.random_range(0..3),
    };
    match (fate, op) {
        (0, _) => {}
        (2, Op::Write(at, data)) => {
            let mut done = 0;
            while done < data.len() {
                let here = at + done as u64;
                let room = usize::try_from(SECTOR - here % SECTOR).unwrap_or(usize::MAX);
                let end = data.len().min(done + room);
                if random.random() {
                    perform(bytes, &Op::Write(here, data.get(done..end).unwrap_or_default().to_vec()));
                }
                done = end;
            }
        }
        _ => perform(bytes, op),
    }
}

fn perform(bytes: &mut Vec<u8>, op: &Op) {
    match op {
        Op::Size(size) => bytes.resize(usize::try_from(*size).unwrap_or(usize::MAX), 0),
        Op::Write(at, data) => {
            let at = usize::try_from(*at).unwrap_or(usize::MAX);
            let end = at.saturating_add(data.len());
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            if let Some(place) = bytes.get_mut(at..end) {
                place.copy_from_slice(data);
            }
        }
    }
}

/// Writes an image as files.
///
/// # Errors
/// When that fails.
pub fn write(image: &Image, directory: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    image.iter().try_for_each(|(name, bytes)| std::fs::write(directory.join(name), bytes))
}

#[cfg(test)]
mod tests {
    use super::{Call, Change, Disk};
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    fn call(name: &str, change: Change, at: u64) -> Call {
        Call { name: name.into(), change, start: at, end: at }
    }

    #[test]
    fn what_is_synced_stays_and_what_is_not_may_go_or_tear() {
        let mut disk = Disk::default();
        disk.apply(&call("a", Change::Create, 1));
        disk.apply(&call("a", Change::Write(0, vec![1; 1024]), 2));
        disk.apply(&call("a", Change::Sync, 3));
        disk.apply(&call("", Change::SyncNames, 4));
        disk.apply(&call("a", Change::Write(0, vec![2; 1024]), 5));
        disk.apply(&call("b", Change::Create, 6));
        let (mut old, mut new, mut torn, mut named) = (0, 0, 0, 0);
        for seed in 0..200 {
            let image = disk.cut(&[], &mut StdRng::seed_from_u64(seed));
            let a = &image["a"];
            assert_eq!(a.len(), 1024);
            named += usize::from(image.contains_key("b"));
            match (a[0], a[1023]) {
                (1, 1) => old += 1,
                (2, 2) => new += 1,
                _ => torn += 1,
            }
        }
        assert!(old > 20 && new > 20 && torn > 5 && named > 20 && named < 180, "{old} {new} {torn} {named}");
        disk.apply(&call("a", Change::Sync, 7));
        for seed in 0..50 {
            assert_eq!(disk.cut(&[], &mut StdRng::seed_from_u64(seed))["a"], vec![2; 1024]);
        }
    }

    #[test]
    fn a_write_beside_a_sync_is_not_promised() {
        let mut disk = Disk::default();
        disk.apply(&call("a", Change::Create, 1));
        disk.apply(&call("", Change::SyncNames, 2));
        disk.apply(&Call { name: "a".into(), change: Change::Write(0, vec![7; 10]), start: 3, end: 6 });
        disk.apply(&Call { name: "a".into(), change: Change::Sync, start: 5, end: 7 });
        let lost = (0..50).filter(|seed| disk.cut(&[], &mut StdRng::seed_from_u64(*seed))["a"].is_empty()).count();
        assert!(lost > 0);
    }
}
