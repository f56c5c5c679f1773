//! `identity.key`: the two secrets that make a daemon who it is. Made once, before Tor starts; never overwritten.
//!
//! ```text
//! torchat identity v1
//! onion-seed 64 hexadecimal digits
//! device-key 64 hexadecimal digits
//! checksum 64 hexadecimal digits, SHA-256 of everything above
//! ```
//!
//! Text, so that it can be copied to paper and read back. The checksum tells a mistyped or damaged copy from another
//! identity: without it one wrong digit would silently be a new onion.

use crate::exit::{Code, Failure};
use crate::files;
use data_encoding::HEXLOWER;
use rand::TryRng;
use rand::rngs::SysRng;
use sha2::{Digest, Sha256};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const FIRST_LINE: &str = "torchat identity v1";
const SEED_DIGITS: usize = 64;
/// Much more than a key needs; a larger file is something else.
const MAX_BYTES: u64 = 4096;

/// The secrets. They are wiped from memory when dropped and never shown.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Seeds {
    /// The ed25519 seed of the onion address.
    pub(crate) onion: [u8; 32],
    /// The X25519 key of this device, which the onion key certifies.
    pub(crate) device: [u8; 32],
}

impl std::fmt::Debug for Seeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seeds(..)")
    }
}

/// Why a text is no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    /// It begins with something else.
    #[error("it does not begin with `{FIRST_LINE}`, so it is of another version or no identity at all")]
    Version,
    /// A line is missing, too much or not as it must be.
    #[error("line {0} is damaged")]
    Line(usize),
    /// Every line is well-formed, but they do not belong together.
    #[error("the checksum does not fit: a digit was changed")]
    Checksum,
}

impl Seeds {
    /// New secrets from the operating system.
    pub(crate) fn generate() -> Result<Self, Failure> {
        let mut seeds = Self { onion: [0; 32], device: [0; 32] };
        let mut random = SysRng;
        random
            .try_fill_bytes(&mut seeds.onion)
            .and_then(|()| random.try_fill_bytes(&mut seeds.device))
            .map_err(|error| Failure::other(format!("the system gives no random bytes: {error}")))?;
        Ok(seeds)
    }

    fn to_text(&self) -> Zeroizing<String> {
        let onion = Zeroizing::new(HEXLOWER.encode(&self.onion));
        let device = Zeroizing::new(HEXLOWER.encode(&self.device));
        // Large enough from the start: a text that grows leaves copies of the secrets in freed memory.
        let mut text = Zeroizing::new(String::with_capacity(512));
        for part in [FIRST_LINE, "\nonion-seed ", &onion, "\ndevice-key ", &device, "\n"] {
            text.push_str(part);
        }
        let sum = HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
        for part in ["checksum ", &sum, "\n"] {
            text.push_str(part);
        }
        text
    }

    fn parse(text: &str) -> Result<Self, Damage> {
        let mut lines = text.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(Damage::Version);
        }
        let mut field = |number: usize, name: &str| {
            lines
                .next()
                .and_then(|line| line.strip_prefix(name)?.strip_prefix(' '))
                .and_then(decode)
                .ok_or(Damage::Line(number))
        };
        let seeds = Self { onion: field(2, "onion-seed")?, device: field(3, "device-key")? };
        let sum = field(4, "checksum")?;
        if lines.next() != Some("") || lines.next().is_some() {
            return Err(Damage::Line(5));
        }
        let summed = text.find("checksum ").and_then(|at| text.get(..at)).ok_or(Damage::Line(4))?;
        if Sha256::digest(summed.as_bytes())[..] != sum { Err(Damage::Checksum) } else { Ok(seeds) }
    }
}

fn decode(digits: &str) -> Option<[u8; 32]> {
    if digits.len() != SEED_DIGITS {
        return None;
    }
    let mut bytes = Zeroizing::new(HEXLOWER.decode(digits.as_bytes()).ok()?);
    let array = <[u8; 32]>::try_from(bytes.as_slice()).ok();
    bytes.zeroize();
    array
}

/// Reads the identity; `None` if there is no file yet. Changes nothing.
///
/// # Errors
/// A file that is damaged, unreadable, of another user or open to others. The daemon must not start then, and nothing
/// may write to it: it may be the last copy.
pub(crate) fn load(path: &Path) -> Result<Option<Seeds>, Failure> {
    let shown = path.display();
    let unreadable = |error: io::Error| Failure::new(Code::DataDir, format!("{shown} cannot be read: {error}"));
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if metadata.mode() & 0o077 != 0 {
        let mode = metadata.mode() & 0o7777;
        return Err(Failure::new(
            Code::DataDirOpen,
            format!("{shown} is open to other users (mode {mode:04o}): if nobody has read it, `chmod 600 {shown}`"),
        ));
    }
    let damaged = |why: &dyn std::fmt::Display| {
        Failure::other(format!(
            "{shown} is damaged: {why}. It is the key of your onion and is never overwritten: restore it from a copy, \
             or move it away to start with a new onion"
        ))
    };
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(damaged(&"it is no small regular file"));
    }
    let bytes = Zeroizing::new(std::fs::read(path).map_err(unreadable)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged(&Damage::Version))?;
    Seeds::parse(text).map(Some).map_err(|error| damaged(&error))
}

/// Makes a new identity and returns when it is durable. An existing file is an error and stays.
pub(crate) fn create(path: &Path) -> Result<Seeds, Failure> {
    let seeds = Seeds::generate()?;
    files::create_atomically(path, seeds.to_text().as_bytes())
        .map_err(|error| Failure::new(Code::DataDir, format!("{} cannot be created: {error}", path.display())))?;
    Ok(seeds)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    fn example() -> Seeds {
        Seeds { onion: [0x11; 32], device: [0xfe; 32] }
    }

    /// The file format is frozen: a daemon of a later version must read it.
    #[test]
    fn the_format_is_pinned() {
        let text = format!(
            "torchat identity v1\nonion-seed {}\ndevice-key {}\n\
             checksum 592880430b10683324bfc5f947a3e701f0a42649deb3275cdd36f315a21312bf\n",
            "11".repeat(32),
            "fe".repeat(32)
        );
        assert_eq!(*example().to_text(), text);
        assert_eq!(Seeds::parse(&text).unwrap(), example());
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_damage() {
        let text = example().to_text();
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'0' { b'2' } else { b'0' };
            assert!(Seeds::parse(std::str::from_utf8(&bytes).unwrap()).is_err(), "byte {at}");
            assert!(Seeds::parse(&text[..at]).is_err(), "cut at {at}");
        }
        assert!(Seeds::parse(&format!("{}\n", text.as_str())).is_err());
        assert!(Seeds::parse(&text.to_uppercase()).is_err());
    }

    #[test]
    fn created_once_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.key");
        assert_eq!(load(&path).unwrap(), None);
        let seeds = create(&path).unwrap();
        assert_ne!(seeds.onion, seeds.device);
        assert_ne!(seeds.onion, [0; 32]);
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600);
        assert_eq!(load(&path).unwrap(), Some(seeds.clone()));
        assert_eq!(create(&path).unwrap_err().code, Code::DataDir);
        assert_eq!(load(&path).unwrap(), Some(seeds));
    }

    #[test]
    fn a_damaged_file_is_refused_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.key");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let failure = load(&path).unwrap_err();
        assert_eq!(failure.code, Code::Other);
        assert!(failure.message.contains("never overwritten"), "{failure}");
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        std::fs::write(&path, vec![b'x'; 5000]).unwrap();
        assert!(load(&path).is_err());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.key");
        create(&path).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let failure = load(&path).unwrap_err();
        assert_eq!(failure.code, Code::DataDirOpen);
        assert!(failure.message.contains("0640"), "{failure}");
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", example()), "Seeds(..)");
    }
}
