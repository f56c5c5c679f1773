//! `torchatd identity export` and `import`: a copy of the identity, and its move to another data directory.
//!
//! What moves is the onion's seed. The device's key never does: an import makes a new one with a higher epoch, so that
//! peers who have met the new copy know the old one when it comes back.

use super::sealed::{self, COST, Carried, Sealed};
use super::{Seeds, ask, fill, keep, load, newfile, words};
use crate::cli::{ExportArgs, IdentityCommand, ImportArgs};
use crate::datadir::DataDir;
use crate::exit::{Code, Failure};
use crate::places;
use crate::undo::Undo;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use torchat_core::handshake::LocalIdentity;

/// What the user must confirm.
const ONLY_ONE: &str = "this copy is now the only one";
/// The start of 2026, in seconds since 1970: a clock before it was never set.
const EARLIEST_S: u64 = 1_767_225_600;

/// Does what the command line says.
pub(crate) fn run(command: &IdentityCommand) -> Result<(), Failure> {
    match command {
        IdentityCommand::Export(args) => export(args),
        IdentityCommand::Import(args) => import(args),
    }
}

/// A running daemon does not mind: its key never changes.
fn export(args: &ExportArgs) -> Result<(), Failure> {
    let data = DataDir::choose(args.data_dir.as_deref())?;
    let shown = data.path().display();
    let seeds = match load(&data.identity())? {
        Some(seeds) => seeds,
        None if data.path().is_dir() => {
            return Err(Failure::other(format!("there is no identity.key in {shown}: there is nothing to export")));
        }
        None => return Err(Failure::new(Code::DataDir, format!("the data directory {shown} does not exist"))),
    };
    match &args.file {
        Some(file) => export_file(&seeds, file, args.passphrase_file.as_deref()),
        None => export_words(&seeds),
    }
}

fn export_file(seeds: &Seeds, file: &Path, passphrase_file: Option<&Path>) -> Result<(), Failure> {
    let failure = |error: io::Error| {
        let shown = file.display();
        Failure::other(match error.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("{shown} exists, and torchatd does not overwrite it: name another file")
            }
            _ => format!("{shown} cannot be written: {error}"),
        })
    };
    // Nobody should think of a passphrase and then hear this. The writing itself replaces nothing either.
    if file.symlink_metadata().is_ok() {
        return Err(failure(io::ErrorKind::AlreadyExists.into()));
    }
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    places::writable(directory).map_err(failure)?;
    let onion = onion_of(seeds)?;
    let passphrase = ask::passphrase(passphrase_file, true)?;
    let mut fresh = [0; sealed::FRESH];
    fill(&mut fresh)?;
    let carried = Carried { onion: seeds.onion, epoch: seeds.epoch };
    let bytes = sealed::seal(&carried, &passphrase, COST, &fresh).map_err(|error| Failure::other(error.to_string()))?;
    newfile::write(file, &bytes).map_err(failure)?;
    print(format!("{} holds the identity of {onion}\n", file.display()).as_bytes())?;
    ask::tell(
        "It holds the key of your onion, no contacts and no messages. Without its passphrase nobody can read it, nor can \
         you.",
    );
    Ok(())
}

fn export_words(seeds: &Seeds) -> Result<(), Failure> {
    let text = words::of_seed(&seeds.onion)
        .map_err(|error| Failure::other(format!("the seed cannot be written as words: {error}")))?;
    ask::tell(
        "These words are the key of your onion: anybody who reads them can be you. Write them on paper, keep no picture or \
         file of them, and clear this screen.",
    );
    print(text.as_bytes())
}

fn import(args: &ImportArgs) -> Result<(), Failure> {
    // The lock is held from here to the end: no daemon starts in the meantime.
    let data = DataDir::choose(args.data_dir.as_deref())?;
    let lock = data.check()?;
    check_vacant(&data)?;
    if !args.this_copy_is_now_the_only_one && !ask::somebody() {
        return Err(Failure::other(unconfirmed(
            "stop the other copy for good, then confirm with --this-copy-is-now-the-only-one",
        )));
    }
    let carried = match &args.file {
        Some(file) => from_file(file, args.passphrase_file.as_deref())?,
        None => from_words()?,
    };
    let mut seeds = Seeds::generate()?;
    seeds.onion = carried.onion;
    seeds.epoch = next_epoch(carried.epoch, now_s()).map_err(Failure::other)?;
    let onion = onion_of(&seeds)?;
    if !args.this_copy_is_now_the_only_one {
        confirm(&onion)?;
    }
    let _lock;
    // Goes before the lock does.
    let mut undo = Undo::default();
    _lock = data.enter(lock, &mut undo)?;
    // Now that the lock is there for sure. Nothing but another import could have come between.
    check_vacant(&data)?;
    keep(&data.identity(), &seeds)?;
    undo.keep();
    print(format!("{} is now {onion}\n", data.path().display()).as_bytes())?;
    ask::tell("Delete every other data directory of this onion: if a daemon ever runs with one, mail goes astray.");
    Ok(())
}

/// Whether the directory is nobody's yet.
fn check_vacant(data: &DataDir) -> Result<(), Failure> {
    let shown = data.path().display();
    if data.identity().symlink_metadata().is_ok() {
        return Err(Failure::other(format!(
            "{shown} has an identity: its identity.key is never overwritten. Name another --data-dir, or move the file \
             away if you give that onion up"
        )));
    }
    let database = data.database();
    for name in [database.clone(), database.with_extension("db-wal"), database.with_extension("db-shm")] {
        if name.symlink_metadata().is_ok() {
            // A store does not say whose it is, and with a wrong key every contact in it would be a stranger's.
            return Err(Failure::other(format!(
                "there are messages in {}, and they do not say of which onion: move torchat.db and its -wal and -shm \
                 away first; if they are of the onion that you import, move them back afterwards",
                name.display()
            )));
        }
    }
    Ok(())
}

fn from_file(file: &Path, passphrase_file: Option<&Path>) -> Result<Carried, Failure> {
    let shown = file.display();
    let failure = |why: &dyn std::fmt::Display| Failure::other(format!("{shown} cannot be imported: {why}"));
    let mut bytes = Vec::with_capacity(sealed::LEN + 1);
    File::open(file)
        .and_then(|file| file.take(sealed::LEN as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| failure(&error))?;
    // What is wrong without a passphrase is told before it is asked for.
    let sealed = Sealed::parse(&bytes).map_err(|error| failure(&error))?;
    let passphrase = ask::passphrase(passphrase_file, false)?;
    let opened = sealed.open(&passphrase).or_else(|error| match passphrase_file {
        // A file with a byte order mark counted whole when this one was sealed, by an earlier version.
        Some(_) => sealed.open(&ask::marked(&passphrase)).map_err(|_| error),
        None => Err(error),
    });
    opened.map_err(|error| failure(&error))
}

/// Words carry no epoch; the clock alone must do.
fn from_words() -> Result<Carried, Failure> {
    let failure = |why: &dyn std::fmt::Display| Failure::other(format!("the words are not an identity: {why}"));
    let typed = ask::words(words::COUNT)?;
    let text = std::str::from_utf8(&typed).map_err(|_| failure(&"they are no text"))?;
    let seed = words::to_seed(text).map_err(|error| failure(&error))?;
    Ok(Carried { onion: *seed, epoch: 0 })
}

fn confirm(onion: &str) -> Result<(), Failure> {
    ask::tell(&unconfirmed(&format!("this makes it {onion} here.\nIf it is so, type: {ONLY_ONE}")));
    let typed = ask::visible("> ")?;
    let said = std::str::from_utf8(&typed).unwrap_or_default().to_lowercase();
    if said.split_whitespace().eq(ONLY_ONE.split_whitespace()) {
        return Ok(());
    }
    Err(Failure::other("that is not the requested answer: nothing was changed"))
}

fn unconfirmed(then: &str) -> String {
    format!(
        "an onion must live in one place only: two machines with the same one overwrite each other's descriptor, and the \
         mail is split between them. Import it only if {ONLY_ONE}: {then}"
    )
}

/// The epoch of a new copy: higher than that of the one it comes from, and than that of every copy made before now,
/// which the words do not know.
fn next_epoch(before: u32, now_s: u64) -> Result<u32, String> {
    if now_s < EARLIEST_S {
        return Err(
            "the clock of this machine is not set, and peers need it to tell this copy from an older one".into()
        );
    }
    let now = u32::try_from(now_s).map_err(|_| "the clock of this machine is a century ahead")?;
    let next = before.checked_add(1).ok_or("this identity was moved as often as can be counted")?;
    Ok(next.max(now))
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn onion_of(seeds: &Seeds) -> Result<String, Failure> {
    let identity = LocalIdentity::from_seeds(&seeds.onion, &seeds.device, now_s())
        .map_err(|error| Failure::other(format!("the identity cannot be used: {error}")))?;
    Ok(identity.peer_id().onion().to_string())
}

/// To standard output, past the library's buffer, which would keep the words.
fn print(text: &[u8]) -> Result<(), Failure> {
    let out = io::stdout().as_fd().try_clone_to_owned();
    out.and_then(|out| File::from(out).write_all(text))
        .map_err(|error| Failure::other(format!("standard output cannot be written: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_import_raises_the_epoch() {
        let now = 1_790_000_000;
        assert_eq!(next_epoch(0, now), Ok(1_790_000_000));
        assert_eq!(next_epoch(1_780_000_000, now), Ok(1_790_000_000));
        // The same second, and a clock that was ahead where it was exported.
        assert_eq!(next_epoch(1_790_000_000, now), Ok(1_790_000_001));
        assert_eq!(next_epoch(1_800_000_000, now), Ok(1_800_000_001));
        assert_eq!(next_epoch(u32::MAX - 1, now), Ok(u32::MAX));
        assert!(next_epoch(u32::MAX, now).is_err());
        assert!(next_epoch(0, 0).unwrap_err().contains("clock"));
        assert!(next_epoch(0, u64::from(u32::MAX) + 1).unwrap_err().contains("clock"));
    }

    #[test]
    fn a_directory_is_vacant_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::choose(Some(dir.path())).unwrap();
        check_vacant(&data).unwrap();
        for name in ["identity.key", "torchat.db", "torchat.db-wal", "torchat.db-shm"] {
            // A link to nowhere is something too.
            std::os::unix::fs::symlink("nowhere", dir.path().join(name)).unwrap();
            let failure = check_vacant(&data).unwrap_err();
            assert!(failure.message.contains(name), "{failure}");
            std::fs::remove_file(dir.path().join(name)).unwrap();
        }
    }
}
