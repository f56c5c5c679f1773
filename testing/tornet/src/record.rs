//! The folder of a network: the list of what belongs to it, and how it is removed without touching anything else.

use crate::{Node, processes};
use anyhow::{Context as _, ensure};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The file that makes a folder a network's.
const NODES: &str = "nodes";
/// Locked while a network starts or is stopped.
const LOCK: &str = "lock";
/// Folders of clients begin with this.
const CLIENT: &str = "client-";

/// What is written of a network when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// The process whose end ends the network.
    pub(crate) owner: Option<u32>,
    /// Whether the folder was made for the network and goes with it.
    pub(crate) made: bool,
    pub(crate) nodes: Vec<Node>,
}

impl Record {
    pub(crate) fn read(dir: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(dir.join(NODES))
            .with_context(|| format!("there is no private Tor network in {}", dir.display()))?;
        Self::parse(&text).with_context(|| format!("{} is damaged", dir.join(NODES).display()))
    }

    pub(crate) fn write(&self, dir: &Path) -> anyhow::Result<()> {
        Ok(fs::write(dir.join(NODES), self.text())?)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if let Some(owner) = self.owner {
            text.push_str(&format!("owner {owner}\n"));
        }
        if self.made {
            text.push_str("made\n");
        }
        for node in &self.nodes {
            text.push_str(&format!("{} {} {}\n", node.name, node.or_port, node.dir_port.unwrap_or(0)));
        }
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let mut record = Self { owner: None, made: false, nodes: Vec::new() };
        for line in text.lines() {
            let words: Vec<_> = line.split(' ').collect();
            match words.as_slice() {
                ["owner", pid] => record.owner = Some(pid.parse().ok()?),
                ["made"] => record.made = true,
                // Nothing but a plain name: it becomes a path below the folder.
                [name, or_port, dir_port] if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                    let dir_port: u16 = dir_port.parse().ok()?;
                    record.nodes.push(Node {
                        name: (*name).to_owned(),
                        or_port: or_port.parse().ok()?,
                        dir_port: (dir_port != 0).then_some(dir_port),
                    });
                }
                _ => return None,
            }
        }
        (!record.nodes.is_empty()).then_some(record)
    }
}

/// A folder that is being prepared for a network. Nobody else prepares it meanwhile.
pub(crate) struct Prepared {
    /// Absolute, because tor resolves paths from a working directory of its own.
    pub(crate) dir: PathBuf,
    pub(crate) made: bool,
    _lock: File,
}

/// Makes or takes over the folder. What a network left there whose owner is dead is stopped and removed.
pub(crate) fn prepare(dir: &Path) -> anyhow::Result<Prepared> {
    let made = !dir.exists();
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let dir = dir.canonicalize()?;
    // The lock comes first and is what the emptiness is judged without.
    let strangers = || -> anyhow::Result<bool> {
        let mut names = fs::read_dir(&dir)?.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<Vec<_>>>()?;
        names.retain(|name| name != LOCK);
        Ok(!names.is_empty() && !dir.join(NODES).exists())
    };
    ensure!(!strangers()?, "{} is not empty and holds no private Tor network: choose another folder", dir.display());
    let lock = lock(&dir)?;
    set_private(&dir)?;
    let mut prepared = Prepared { made, dir, _lock: lock };
    if let Ok(old) = Record::read(&prepared.dir) {
        let lives = old.nodes.iter().any(|node| processes::pid(&prepared.dir.join(&node.name)).is_some());
        let abandoned = old.owner.is_some_and(|owner| !processes::exists(owner));
        ensure!(!lives || abandoned, "a private Tor network runs in {} already: stop it first", prepared.dir.display());
        stop_all(&prepared.dir)?;
        remove_contents(&prepared.dir, &old.nodes)?;
        prepared.made |= old.made;
    }
    Ok(prepared)
}

/// Keeps others from starting or stopping a network in the folder until it is dropped.
pub(crate) fn lock(dir: &Path) -> anyhow::Result<File> {
    let lock = File::create(dir.join(LOCK))?;
    lock.try_lock().with_context(|| format!("a network is being started or stopped in {}", dir.display()))?;
    Ok(lock)
}

/// Ends every process of the folder, clients included.
pub(crate) fn stop_all(dir: &Path) -> anyhow::Result<()> {
    let folders = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    processes::end_all(&folders)
}

/// Removes what a network made. The folder itself goes only if it was made for the network and nobody put anything
/// else there.
pub(crate) fn remove(dir: &Path, record: &Record) -> anyhow::Result<()> {
    remove_contents(dir, &record.nodes)?;
    absent_is_fine(fs::remove_file(dir.join(LOCK)))?;
    if record.made {
        match fs::remove_dir(dir) {
            Err(error) if error.kind() != ErrorKind::DirectoryNotEmpty => absent_is_fine(Err(error))?,
            _ => {}
        }
    }
    Ok(())
}

fn remove_contents(dir: &Path, nodes: &[Node]) -> anyhow::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() && (nodes.iter().any(|node| node.name == name) || name.starts_with(CLIENT)) {
            absent_is_fine(fs::remove_dir_all(entry.path()))?;
        }
    }
    for file in [crate::AUTHORITIES, crate::DAEMON_CONFIG] {
        absent_is_fine(fs::remove_file(dir.join(file)))?;
    }
    // Last: with it the folder is still known as a network's.
    absent_is_fine(fs::remove_file(dir.join(NODES)))
}

/// A new folder for a client that uses `port`.
pub(crate) fn client_dir(dir: &Path, port: u16) -> anyhow::Result<PathBuf> {
    let dir = dir.join(format!("{CLIENT}{port}"));
    fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    set_private(&dir)?;
    Ok(dir)
}

/// tor refuses a data directory that others may read.
pub(crate) fn set_private(dir: &Path) -> anyhow::Result<()> {
    Ok(fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?)
}

fn absent_is_fine(result: std::io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record() -> Record {
        Record {
            owner: Some(42),
            made: true,
            nodes: vec![
                Node { name: "a1".into(), or_port: 10_001, dir_port: Some(10_002) },
                Node { name: "r1".into(), or_port: 10_003, dir_port: None },
            ],
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        assert_eq!(record().text(), "owner 42\nmade\na1 10001 10002\nr1 10003 0\n");
        assert_eq!(Record::parse(&record().text()), Some(record()));
        let plain = Record { owner: None, made: false, ..record() };
        assert_eq!(Record::parse(&plain.text()), Some(plain));
    }

    #[test]
    fn a_damaged_record_is_refused() {
        for text in ["", "owner 42\n", "a1 10001\n", "a1 x 0\n", "a1 70000 0\n", "../x 1 0\n", " 1 0\n", "a1 1 0 9\n"] {
            assert_eq!(Record::parse(text), None, "{text:?}");
        }
    }
}
