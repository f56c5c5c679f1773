//! What of Tor's state is damaged is set aside before arti sees it, because arti gives up over it: everything below `tor/`
//! can be made again, and nothing of it may keep the daemon from starting.
//!
//! Arti renames its files into place without fsync, so that after a power cut an empty one is to be expected. Each part is
//! judged by itself, so that damage to one does not cost the guards. What is set aside is renamed and not removed: somebody
//! may want to know what happened. It stays below `tor/` and not beside the original, where arti judges every file.

use data_encoding::HEXLOWER;
use sha3::{Digest as _, Sha3_256};
use std::fs::{File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// How many copies of one part are kept. The oldest goes.
const KEPT: usize = 3;
/// Between the name of a part and the number of the copy.
const MARK: &str = ".damaged-";
/// What arti writes at the start of a log of introductions.
const REPLAY_LOG: [u8; 32] = *b"<tor hss replay Kangaroo12>\n\0\0\0\0";
/// What stands before the digest in the name of a document that is a file of its own.
const DIGEST: &str = "sha3-256-";
/// A file of JSON that is larger is none of arti's; some 100 guards make 60 KiB.
const MAX_JSON: u64 = 16 * 1024 * 1024;

/// Arti's two directories, which stand beside each other.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    state: PathBuf,
    cache: PathBuf,
}

/// A part that was set aside, in words for people.
pub(crate) type Remark = String;

impl Places {
    pub(crate) fn new(state: &Path, cache: &Path) -> Self {
        Self { state: state.to_owned(), cache: cache.to_owned() }
    }

    /// Looks at every file before a client is made of them, closes what is open to others, and sets aside what is damaged.
    /// What cannot be judged is left to arti.
    pub(crate) fn inspect(&self) -> Vec<Remark> {
        let mut remarks = Vec::new();
        let top = self.top().to_owned();
        for (dir, what) in [(&top, "Tor's directory"), (&self.state, "Tor's state"), (&self.cache, "Tor's cache")] {
            if let Some(why) = close(dir) {
                self.set_aside(dir, what, &why, &mut remarks);
            }
        }
        let inner = self.state.join("state");
        if inner.symlink_metadata().is_ok() && !inner.is_dir() {
            self.set_aside(&inner, "Tor's state", "it is not a directory", &mut remarks);
        }
        // Guards and what else is one file each.
        for file in entries(&inner) {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let why = if name.ends_with(".json") { bad_json(&file) } else { bad_file(&file) };
            if let Some(why) = why {
                self.set_aside(&file, &format!("Tor's state {name}"), &why, &mut remarks);
            }
        }
        // The service's introduction points belong together with the logs of their callers.
        let service = self.state.join("hss");
        if let Some(why) = bad_service(&service) {
            self.set_aside(&service, "the state of the onion service", &why, &mut remarks);
        }
        // A document that is missing is fetched again; one that is another than its name says stops arti for good.
        for file in entries(&self.cache.join("dir_blobs")) {
            if let Some(why) = bad_document(&file) {
                self.set_aside(&file, "a document of Tor's directory", &why, &mut remarks);
            }
        }
        if let Some(why) = bad_cache(&self.cache) {
            self.set_aside(&self.cache, "Tor's cache", &why, &mut remarks);
        }
        remarks
    }

    /// Sets aside what arti's words name; if they name nothing, more and more with each `attempt`: all of the state, the
    /// cache, everything. Nothing, when that was tried.
    pub(crate) fn blame(&self, words: &str, attempt: u32) -> Vec<Remark> {
        let mut remarks = Vec::new();
        let named =
            |path: &Path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| names(words, name));
        if attempt == 0 {
            let files = entries(&self.state.join("state"));
            let json = files.iter().filter(|file| file.extension().is_some_and(|ext| ext == "json"));
            for file in json.filter(|file| named(file)) {
                let what = format!("Tor's state {}", file.file_name().unwrap_or_default().to_string_lossy());
                self.set_aside(file, &what, words, &mut remarks);
            }
            if remarks.is_empty()
                && ["hss", "iptreplay", "ipts.json", "iptpub.json"].iter().any(|at| words.contains(at))
            {
                self.set_aside(&self.state.join("hss"), "the state of the onion service", words, &mut remarks);
            }
        }
        if remarks.is_empty() && attempt <= 1 {
            self.set_aside(&self.state, "Tor's state", words, &mut remarks);
        }
        if remarks.is_empty() && attempt <= 2 {
            self.set_aside(&self.cache, "Tor's cache", words, &mut remarks);
        }
        if remarks.is_empty() && attempt <= 3 {
            self.set_aside(self.top(), "Tor's directory", words, &mut remarks);
        }
        remarks
    }

    /// The directory's documents, when the network is not reached by them although it is there.
    pub(crate) fn blame_cache(&self, words: &str) -> Vec<Remark> {
        let mut remarks = Vec::new();
        self.set_aside(&self.cache, "Tor's cache", words, &mut remarks);
        remarks
    }

    /// What both directories stand in, and nothing else.
    fn top(&self) -> &Path {
        self.state.parent().unwrap_or(&self.state)
    }

    fn set_aside(&self, path: &Path, what: &str, why: &str, remarks: &mut Vec<Remark>) {
        if path.symlink_metadata().is_err() {
            return;
        }
        match self.rename(path) {
            Ok(name) => {
                remarks.push(format!("{what} was damaged ({why}): it was set aside as {name} and is made anew"))
            }
            // Arti will say what it cannot use.
            Err(error) => tracing::warn!("{what} is damaged ({why}) and cannot be set aside: {error}"),
        }
    }

    fn rename(&self, path: &Path) -> io::Result<String> {
        let place = if path == self.top() { path.parent() } else { Some(self.top()) };
        let place = place.ok_or(ErrorKind::NotFound)?;
        let name = path.file_name().ok_or(ErrorKind::InvalidInput)?.to_string_lossy().into_owned() + MARK;
        let mut copies: Vec<(u64, PathBuf)> = entries(place)
            .into_iter()
            .filter_map(|copy| {
                let number = copy.file_name()?.to_str()?.strip_prefix(&name)?.parse().ok()?;
                Some((number, copy))
            })
            .collect();
        copies.sort();
        let number = copies.last().map_or(1, |(number, _)| number + 1);
        while copies.len() >= KEPT {
            remove(&copies.remove(0).1)?;
        }
        let copy = format!("{name}{number}");
        std::fs::rename(path, place.join(&copy))?;
        // A power cut must not bring it back as if nothing had been said.
        File::open(place)?.sync_all()?;
        Ok(copy)
    }
}

/// Whether a text has a name in it, and not only one that ends alike: of `guards.json` nothing is said by `vanguards.json`.
fn names(words: &str, name: &str) -> bool {
    words.match_indices(name).any(|(at, _)| {
        words.get(..at).and_then(|before| before.chars().next_back()).is_none_or(|last| !last.is_alphanumeric())
    })
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn remove(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
}

/// Takes from others what a wrong mode gives them, and gives us what it keeps from us, below a directory. Says why it is no
/// directory of ours. Others cannot have been here: the data directory around it is closed to them.
fn close(dir: &Path) -> Option<String> {
    // Somebody may keep it on another disk, by a link.
    let metadata = match dir.metadata() {
        Ok(metadata) => metadata,
        Err(_) if dir.symlink_metadata().is_ok() => return Some("it is a link to nowhere".into()),
        Err(_) => return None,
    };
    if !metadata.is_dir() {
        return Some("it is not a directory".into());
    }
    set_mode(dir, &metadata, 0o700);
    for path in entries(dir) {
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => drop(close(&path)),
            Ok(metadata) if metadata.is_file() => set_mode(&path, &metadata, 0o600),
            _ => {}
        }
    }
    None
}

fn set_mode(path: &Path, metadata: &std::fs::Metadata, wanted: u32) {
    let mode = metadata.mode() & 0o7777;
    if (mode & 0o077 != 0 || mode & wanted != wanted)
        && std::fs::set_permissions(path, Permissions::from_mode(wanted)).is_ok()
    {
        tracing::warn!("{} had the mode {mode:04o}, now it is {wanted:04o}", path.display());
    }
}

/// Why a file is none, or cannot be read.
fn bad_file(path: &Path) -> Option<String> {
    match path.symlink_metadata() {
        Ok(metadata) if !metadata.is_file() => return Some("it is not a file".into()),
        Err(error) => return Some(error.to_string()),
        Ok(_) => {}
    }
    File::open(path).err().map(|error| error.to_string())
}

fn bad_json(path: &Path) -> Option<String> {
    if let Some(why) = bad_file(path) {
        return Some(why);
    }
    match path.metadata() {
        Ok(metadata) if metadata.len() > MAX_JSON => return Some("it is too large".into()),
        Ok(metadata) if metadata.len() == 0 => return Some("it is empty".into()),
        Err(error) => return Some(error.to_string()),
        Ok(_) => {}
    }
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return Some(error.to_string()),
    };
    match serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&bytes) {
        Ok(_) => None,
        Err(_) => Some("it is not what Tor writes".into()),
    }
}

/// Why the state of our onion service cannot be used.
fn bad_service(dir: &Path) -> Option<String> {
    match dir.symlink_metadata() {
        Ok(metadata) if !metadata.is_dir() => return Some("it is not a directory".into()),
        Err(_) => return None,
        Ok(_) => {}
    }
    for path in entries(dir) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let why = if name.ends_with(".lock") { bad_file(&path) } else { bad_instance(&path) };
        if let Some(why) = why {
            return Some(format!("{name}: {why}"));
        }
    }
    None
}

fn bad_instance(dir: &Path) -> Option<String> {
    if !dir.is_dir() {
        return Some("it is not a directory".into());
    }
    for path in entries(dir) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let why = match name.as_str() {
            "iptreplay" | "pow_nonces" if !path.is_dir() => Some("it is not a directory".into()),
            "iptreplay" => entries(&path).iter().find_map(|log| bad_replay_log(log)),
            "pow_nonces" => entries(&path).iter().find_map(|log| bad_file(log)),
            _ if name.ends_with(".json") => bad_json(&path),
            _ => None,
        };
        if let Some(why) = why {
            return Some(format!("{name}: {why}"));
        }
    }
    None
}

/// An empty log is begun anew by arti, and half an entry at its end is dropped.
fn bad_replay_log(path: &Path) -> Option<String> {
    use std::io::Read as _;
    if let Some(why) = bad_file(path) {
        return Some(why);
    }
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(32).read_to_end(&mut start));
    match read {
        Err(error) => Some(error.to_string()),
        Ok(0) => None,
        Ok(_) if start == REPLAY_LOG => None,
        Ok(_) => Some("it is not a log of introductions".into()),
    }
}

/// Why the directory's documents cannot be used. SQLite itself says whether its file is whole.
fn bad_cache(dir: &Path) -> Option<String> {
    if !dir.is_dir() {
        return None;
    }
    for path in entries(dir) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let why = match name.as_str() {
            "dir_blobs" if !path.is_dir() => Some("it is not a directory".into()),
            "dir_blobs" => None,
            "dir.sqlite3" => bad_file(&path).or_else(|| bad_database(&path)),
            _ => bad_file(&path),
        };
        if let Some(why) = why {
            return Some(format!("{name}: {why}"));
        }
    }
    None
}

/// Whether a document has the digest that its name says; one without a digest in its name is not judged.
fn bad_document(path: &Path) -> Option<String> {
    if let Some(why) = bad_file(path) {
        return Some(why);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (_, digest) = name.split_once(DIGEST)?;
    let digest = HEXLOWER.decode(digest.as_bytes()).ok()?;
    match std::fs::read(path) {
        Ok(bytes) if Sha3_256::digest(&bytes).as_slice() == digest => None,
        Ok(_) => Some("it is another one than its name says".into()),
        Err(error) => Some(error.to_string()),
    }
}

fn bad_database(path: &Path) -> Option<String> {
    let checked = rusqlite::Connection::open(path)
        .and_then(|database| database.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)));
    match checked {
        Ok(word) if word == "ok" => None,
        Ok(_) => Some("it is not whole".into()),
        // Nobody else may have it open. If somebody has, it is not damaged.
        Err(rusqlite::Error::SqliteFailure(code, _))
            if matches!(code.code, rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) =>
        {
            None
        }
        Err(rusqlite::Error::SqliteFailure(code, _))
            if matches!(code.code, rusqlite::ErrorCode::DiskFull | rusqlite::ErrorCode::OutOfMemory) =>
        {
            None
        }
        Err(error) => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
