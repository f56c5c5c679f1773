//! The data directory and the socket: whose they are, who may enter, and whether the disk has room.

use super::Finding;
use rustix::fs::{Access, statvfs};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use torchat_client::api::Endpoint;

/// Less than this is soon full.
const LOW_BYTES: u64 = 100 << 20;
/// The first version of the store that never changes.
const FROZEN: u32 = 10;
/// With less than this nothing works for long.
const EMPTY_BYTES: u64 = 5 << 20;

pub(super) fn check(endpoint: &Endpoint) -> Vec<Finding> {
    match endpoint {
        Endpoint::Unix(socket) => {
            let mut findings = vec![socket_of(socket)];
            // A socket of another name may lie anywhere: then nothing is known of the data directory.
            if socket.file_name().is_some_and(|name| name == "control.sock") {
                let directory = socket.parent().filter(|path| !path.as_os_str().is_empty());
                let directory = directory.map_or_else(|| PathBuf::from("."), Path::to_owned);
                findings.push(directory_of(&directory));
                findings.extend(key_of(&directory.join("identity.key")));
                findings.extend(store_of(&directory.join("torchat.db")));
                findings.extend(disk(&directory));
            }
            findings
        }
        Endpoint::Tcp(_) => {
            vec![Finding::note("files", "over a port, torchat does not know the data directory and did not check it")]
        }
    }
}

fn socket_of(path: &Path) -> Finding {
    let shown = path.display();
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(error) => {
            return Finding::note("socket", format!("there is no socket {shown}: {error}"));
        }
    };
    let own = rustix::process::geteuid().as_raw();
    if !found.file_type().is_socket() {
        Finding::wrong("socket", format!("{shown} is not a socket"), format!("remove it: rm {shown}"))
    } else if found.mode() & 0o070 != 0 && path.file_name().is_some_and(|name| name == "control.sock") {
        // The socket for a group has another name.
        let advice = format!("chmod 600 {shown}; other users need the group socket or a token");
        Finding::wrong("socket", format!("a group of users can connect to {shown}"), advice)
    } else if found.mode() & 0o007 != 0 {
        let advice = format!("chmod 600 {shown}, and start torchatd again");
        Finding::wrong("socket", format!("every user of this machine can connect to {shown}"), advice)
    } else if found.uid() != own {
        let sentence = format!("{shown} belongs to the user {}: you are a guest there", found.uid());
        Finding::note("socket", sentence)
    } else {
        Finding::ok("socket", format!("{shown} is yours and closed to others"))
    }
}

fn directory_of(path: &Path) -> Finding {
    let shown = path.display();
    let found = match path.metadata() {
        Ok(found) => found,
        Err(error) => {
            let advice = "torchatd makes it when it starts; if it was there, look for it before you start";
            return Finding::wrong("data", format!("the data directory {shown} cannot be seen: {error}"), advice);
        }
    };
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != own {
        Finding::note("data", format!("the data directory {shown} belongs to the user {}", found.uid()))
    } else if found.mode() & 0o077 != 0 {
        let sentence = format!("the data directory {shown} is open to others (mode {:o})", found.mode() & 0o777);
        Finding::wrong("data", sentence, format!("chmod 700 {shown}: your key and messages are in it"))
    } else if let Err(error) = rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK) {
        let sentence = format!("the data directory {shown} cannot be written: {error}");
        Finding::wrong("data", sentence, "look at its permissions, and whether the disk is mounted read-only")
    } else {
        Finding::ok("data", format!("the data directory {shown} is yours and closed to others"))
    }
}

/// The key that is the identity. A daemon of another kind, or one that never ran, has none.
fn key_of(path: &Path) -> Option<Finding> {
    let found = path.symlink_metadata().ok()?;
    let shown = path.display();
    Some(if found.mode() & 0o077 != 0 {
        let sentence = format!("{shown}, which is your identity, is open to others (mode {:o})", found.mode() & 0o777);
        Finding::wrong("key", sentence, format!("chmod 600 {shown}"))
    } else {
        Finding::ok("key", format!("{shown} is closed to others"))
    })
}

/// The file with the token that the user named.
pub(super) fn token(path: &Path) -> Finding {
    let shown = path.display();
    match path.metadata() {
        Ok(found) if found.mode() & 0o077 != 0 => {
            let sentence = format!("the token in {shown} can be read by others (mode {:o})", found.mode() & 0o777);
            Finding::wrong(
                "token",
                sentence,
                format!("chmod 600 {shown}, and make a new token if somebody may have it"),
            )
        }
        Ok(_) => Finding::ok("token", format!("{shown} is closed to others")),
        Err(error) => Finding::wrong("token", format!("{shown} cannot be seen: {error}"), "name another file"),
    }
}

/// What the store says of itself in its first bytes. Whether this torchatd takes it, only torchatd knows.
fn store_of(path: &Path) -> Option<Finding> {
    let mut header = [0; 100];
    File::open(path).and_then(|mut file| file.read_exact(&mut header)).ok()?;
    let number = |at: usize| header.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes);
    // SQLite's `user_version` and `application_id`.
    let (version, is_ours) = (number(60), header.get(68..72) == Some(b"torc"));
    Some(match version {
        FROZEN.. if is_ours => Finding::ok("store", format!("torchat.db has version {version} of the store")),
        1..FROZEN => Finding::note(
            "store",
            format!("a torchatd of before version {FROZEN} of the store made torchat.db"),
        )
        .advise(
            "start torchatd: it takes the last of those over, and says what to do with an older one (it ends with 16)",
        ),
        _ => Finding::wrong(
            "store",
            format!("torchat.db is not a store of torchatd (version {version})"),
            "start torchatd: it says what to do and ends with 16; see \"Versions of the store\" in OPERATIONS.md",
        ),
    })
}

fn disk(path: &Path) -> Option<Finding> {
    let found = statvfs(path).ok()?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    // The store and what SQLite keeps beside it.
    let parts = ["torchat.db", "torchat.db-wal", "torchat.db-shm"].map(|name| path.join(name).metadata());
    let used = parts.into_iter().flatten().map(|part| part.len()).sum();
    Some(room(free, used))
}

fn room(free: u64, used: u64) -> Finding {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let sentence = format!("the store has {} MiB, and {} MiB are free on its disk", mib(used), free >> 20);
    match free {
        0..EMPTY_BYTES => {
            Finding::wrong("disk", sentence, "make room: the daemon refuses new messages when the disk is full")
        }
        EMPTY_BYTES..LOW_BYTES => Finding::note("disk", sentence).advise("make room before it is full"),
        _ => Finding::ok("disk", sentence),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Grade;
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_store_says_which_version_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("torchat.db");
        assert!(store_of(&path).is_none(), "a daemon that never ran has none");
        let found = |version: u32, application: &[u8; 4]| {
            let mut header = vec![0; 4096];
            header[60..64].copy_from_slice(&version.to_be_bytes());
            header[68..72].copy_from_slice(application);
            std::fs::write(&path, header).unwrap();
            store_of(&path).unwrap()
        };
        assert_eq!(found(10, b"torc").grade, Grade::Ok);
        assert_eq!(found(2, b"\x12\x34\x56\x78").grade, Grade::Note);
        for strange in [found(0, b"torc"), found(12, b"\0\0\0\0")] {
            assert_eq!(strange.grade, Grade::Wrong);
            assert!(strange.advice.unwrap().contains("16"));
        }
    }

    #[test]
    fn what_is_open_to_others_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        mode(dir.path(), 0o700);
        assert_eq!(directory_of(dir.path()).grade, Grade::Ok);
        mode(dir.path(), 0o755);
        let finding = directory_of(dir.path());
        assert_eq!(finding.grade, Grade::Wrong);
        assert!(finding.advice.unwrap().contains("chmod 700"));
        assert_eq!(directory_of(&dir.path().join("none")).grade, Grade::Wrong);

        let socket = dir.path().join("control.sock");
        assert_eq!(socket_of(&socket).grade, Grade::Note);
        std::fs::write(&socket, "").unwrap();
        assert_eq!(socket_of(&socket).grade, Grade::Wrong);
        std::fs::remove_file(&socket).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        mode(&socket, 0o600);
        assert_eq!(socket_of(&socket).grade, Grade::Ok);
        for open in [0o666, 0o660, 0o606] {
            mode(&socket, open);
            assert_eq!(socket_of(&socket).grade, Grade::Wrong, "{open:o}");
        }

        let key = dir.path().join("identity.key");
        assert_eq!(key_of(&key), None);
        std::fs::write(&key, "").unwrap();
        for (bits, grade) in [(0o600, Grade::Ok), (0o640, Grade::Wrong), (0o604, Grade::Wrong)] {
            mode(&key, bits);
            assert_eq!(key_of(&key).unwrap().grade, grade, "{bits:o}");
            assert_eq!(token(&key).grade, grade, "{bits:o}");
        }
        assert_eq!(token(&dir.path().join("none")).grade, Grade::Wrong);
    }

    #[test]
    fn a_disk_is_good_low_or_full() {
        assert_eq!(
            [0, 50 << 20, 1 << 40].map(|free| room(free, 1)).map(|f| f.grade),
            [Grade::Wrong, Grade::Note, Grade::Ok]
        );
    }
}
