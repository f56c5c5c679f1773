//! `identity.key`: the two secrets that make a daemon who it is. Made once, before Tor starts; never overwritten.
//!
//! ```text
//! torchat identity v2
//! onion-seed 64 hexadecimal digits
//! device-key 64 hexadecimal digits
//! epoch decimal number below 2^32, without leading zeros
//! checksum 64 hexadecimal digits, SHA-256 of everything above
//! ```
//!
//! Version 1 has no epoch, which means 0: the key of the first device. It stays readable and is not rewritten, since
//! whatever writes to the only copy of a key can lose it. `torchatd identity import` makes a new device key with a higher
//! epoch, by which peers tell an older copy from the one that counts.
//!
//! Text, so that it can be copied to paper and read back. The checksum tells a mistyped or damaged copy from another
//! identity: without it one wrong digit would silently be a new onion.

mod ask;
mod newfile;
mod sealed;
mod transfer;
mod words;

pub(crate) use transfer::run;

use crate::exit::{Code, Failure};
use crate::files;
use data_encoding::HEXLOWER;
use rand::TryRng;
use rand::rngs::SysRng;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt as _};
use std::path::Path;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const FIRST_LINE: &str = "torchat identity v2";
const FIRST_LINE_V1: &str = "torchat identity v1";
const SEED_DIGITS: usize = 64;
/// Much more than a key needs; a larger file is something else.
const MAX_BYTES: u64 = 4096;

/// The secrets. They are wiped from memory when dropped and never shown. Handed on in a box: what is moved otherwise leaves a
/// copy on the stack, which nobody wipes.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Seeds {
    /// The ed25519 seed of the onion address.
    pub(crate) onion: [u8; 32],
    /// The X25519 key of this device, which the onion key certifies.
    pub(crate) device: [u8; 32],
    /// Which device's key it is, for the certificate: 0 for the first one, more after every import.
    pub(crate) epoch: u32,
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
    #[error(
        "it begins with neither `{FIRST_LINE}` nor `{FIRST_LINE_V1}`, so it has another version or is not an identity"
    )]
    Version,
    /// A line is missing, too much or not as it must be.
    #[error("line {0} is damaged")]
    Line(usize),
    /// Every line is well-formed, but they do not belong together.
    #[error("the checksum does not match: a digit was changed")]
    Checksum,
}

impl Seeds {
    /// New secrets from the operating system.
    pub(crate) fn generate() -> Result<Box<Self>, Failure> {
        let mut seeds = Self::empty();
        fill(&mut seeds.onion)?;
        fill(&mut seeds.device)?;
        Ok(seeds)
    }

    fn empty() -> Box<Self> {
        Box::new(Self { onion: [0; 32], device: [0; 32], epoch: 0 })
    }

    fn to_text(&self) -> Zeroizing<String> {
        let onion = Zeroizing::new(HEXLOWER.encode(&self.onion));
        let device = Zeroizing::new(HEXLOWER.encode(&self.device));
        // Large enough from the start: a text that grows leaves copies of the secrets in freed memory.
        let mut text = Zeroizing::new(String::with_capacity(512));
        let epoch = self.epoch.to_string();
        for part in [FIRST_LINE, "\nonion-seed ", &onion, "\ndevice-key ", &device, "\nepoch ", &epoch, "\n"] {
            text.push_str(part);
        }
        let sum = HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
        for part in ["checksum ", &sum, "\n"] {
            text.push_str(part);
        }
        text
    }

    fn parse(text: &str) -> Result<Box<Self>, Damage> {
        let mut lines = text.split('\n');
        let with_epoch = match lines.next() {
            Some(FIRST_LINE) => true,
            Some(FIRST_LINE_V1) => false,
            _ => return Err(Damage::Version),
        };
        let mut number = 1;
        let mut field = |name: &str| {
            number += 1;
            let value = lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.map(|value| (number, value)).ok_or(Damage::Line(number))
        };
        let key = |(number, digits), to: &mut [u8; 32]| decode(digits, to).ok_or(Damage::Line(number));
        let mut seeds = Self::empty();
        key(field("onion-seed")?, &mut seeds.onion)?;
        key(field("device-key")?, &mut seeds.device)?;
        if with_epoch {
            let (number, digits) = field("epoch")?;
            // Exactly as it is written: one number has one text.
            let epoch = digits.parse().ok().filter(|epoch: &u32| epoch.to_string() == digits);
            seeds.epoch = epoch.ok_or(Damage::Line(number))?;
        }
        let (number, digits) = field("checksum")?;
        let mut sum = [0; 32];
        key((number, digits), &mut sum)?;
        if lines.next() != Some("") || lines.next().is_some() {
            return Err(Damage::Line(number + 1));
        }
        let summed = text.find("checksum ").and_then(|at| text.get(..at)).ok_or(Damage::Line(number))?;
        if Sha256::digest(summed.as_bytes())[..] != sum { Err(Damage::Checksum) } else { Ok(seeds) }
    }
}

/// Random bytes of the operating system.
fn fill(bytes: &mut [u8]) -> Result<(), Failure> {
    SysRng.try_fill_bytes(bytes).map_err(|error| Failure::other(format!("the system gives no random bytes: {error}")))
}

/// Into its place, without a copy.
fn decode(digits: &str, to: &mut [u8; 32]) -> Option<()> {
    let fits = digits.len() == SEED_DIGITS && HEXLOWER.decode_mut(digits.as_bytes(), to).is_ok();
    if !fits {
        to.zeroize();
    }
    fits.then_some(())
}

/// Reads the identity; `None` if there is no file yet. Changes nothing.
///
/// # Errors
/// A file that is damaged, unreadable, of another user or open to others. The daemon must not start then, and nothing
/// may write to it: it may be the last copy.
pub(crate) fn load(path: &Path) -> Result<Option<Box<Seeds>>, Failure> {
    let shown = path.display();
    let unreadable = |error: io::Error| Failure::new(Code::DataDir, format!("{shown} cannot be read: {error}"));
    // Judged is what is read, and not what stands at the path a moment before. Without waiting, in case it is a pipe.
    let opened = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let metadata = file.metadata().map_err(unreadable)?;
    let us = rustix::process::geteuid().as_raw();
    if metadata.uid() != us {
        let owner = metadata.uid();
        return Err(Failure::new(
            Code::DataDirOpen,
            format!("{shown} belongs to user {owner}, but torchatd runs as user {us}: if you copied it, `chown` it"),
        ));
    }
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
        return Err(damaged(&"it is not a small regular file"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_BYTES).unwrap_or_default()));
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged(&Damage::Version))?;
    Seeds::parse(text).map(Some).map_err(|error| damaged(&error))
}

/// Makes a new identity and returns when it is durable. An existing file is an error and stays.
pub(crate) fn create(path: &Path) -> Result<Box<Seeds>, Failure> {
    let seeds = Seeds::generate()?;
    keep(path, &seeds)?;
    Ok(seeds)
}

/// Writes an identity and returns when it is durable. An existing file is an error and stays.
fn keep(path: &Path, seeds: &Seeds) -> Result<(), Failure> {
    files::create_atomically(path, seeds.to_text().as_bytes())
        .map_err(|error| Failure::new(Code::DataDir, format!("{} cannot be created: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    fn example() -> Seeds {
        Seeds { onion: [0x11; 32], device: [0xfe; 32], epoch: 1_790_000_000 }
    }

    fn version_1() -> String {
        format!(
            "torchat identity v1\nonion-seed {}\ndevice-key {}\n\
             checksum 592880430b10683324bfc5f947a3e701f0a42649deb3275cdd36f315a21312bf\n",
            "11".repeat(32),
            "fe".repeat(32)
        )
    }

    /// The file format is frozen: a daemon of a later version must read it.
    #[test]
    fn the_format_is_pinned() {
        let text = format!(
            "torchat identity v2\nonion-seed {}\ndevice-key {}\nepoch 1790000000\n\
             checksum c7352696b2bc69d8364855f490e24db9d2cd86ea6c2a9631dc0390ead5acf317\n",
            "11".repeat(32),
            "fe".repeat(32)
        );
        assert_eq!(*example().to_text(), text);
        assert_eq!(*Seeds::parse(&text).unwrap(), example());
        assert_eq!(*Seeds::parse(&version_1()).unwrap(), Seeds { epoch: 0, ..example() });
    }

    #[test]
    fn an_old_file_is_read_and_not_rewritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.key");
        std::fs::write(&path, version_1()).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(load(&path).unwrap().unwrap().epoch, 0);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), version_1());
    }

    #[test]
    fn an_epoch_has_one_text() {
        for wrong in ["", "-1", "+1", "01", "1 ", " 1", "0x1", "4294967296"] {
            let mut text = format!(
                "torchat identity v2\nonion-seed {}\ndevice-key {}\nepoch {wrong}\n",
                "11".repeat(32),
                "fe".repeat(32)
            );
            let sum = HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
            text.push_str(&format!("checksum {sum}\n"));
            assert_eq!(Seeds::parse(&text).unwrap_err(), Damage::Line(4), "{wrong:?}");
        }
        for epoch in [0, 1, u32::MAX] {
            let seeds = Seeds { epoch, ..example() };
            assert_eq!(*Seeds::parse(&seeds.to_text()).unwrap(), seeds);
        }
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_damage() {
        for text in [example().to_text().as_str(), &version_1()] {
            for at in 0..text.len() {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] = if bytes[at] == b'0' { b'2' } else { b'0' };
                assert!(Seeds::parse(std::str::from_utf8(&bytes).unwrap()).is_err(), "byte {at}");
                assert!(Seeds::parse(&text[..at]).is_err(), "cut at {at}");
            }
            assert!(Seeds::parse(&format!("{text}\n")).is_err());
            assert!(Seeds::parse(&text.to_uppercase()).is_err());
            // Neither version passes for the other.
            let other = if text.contains("v1") { text.replace("v1", "v2") } else { text.replace("v2", "v1") };
            assert!(Seeds::parse(&other).is_err());
        }
    }

    #[test]
    fn created_once_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.key");
        assert_eq!(load(&path).unwrap(), None);
        let seeds = create(&path).unwrap();
        assert_ne!(seeds.onion, seeds.device);
        assert_ne!(seeds.onion, [0; 32]);
        assert_eq!(seeds.epoch, 0);
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
