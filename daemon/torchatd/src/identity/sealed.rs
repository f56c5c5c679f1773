//! The encrypted file of `torchatd identity export`, format 1. Frozen: a later daemon must read it.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 16 | `89 "torchat export" 0A` |
//! | 16 | 1 | format, 1 |
//! | 17 | 4 | Argon2id memory in KiB |
//! | 21 | 4 | Argon2id passes |
//! | 25 | 4 | Argon2id lanes |
//! | 29 | 16 | salt |
//! | 45 | 24 | nonce |
//! | 69 | 52 | XChaCha20-Poly1305 of the onion seed (32) and the epoch (4), with its tag (16) |
//!
//! Numbers are big-endian. The key is Argon2id, version 0x13, of the passphrase's bytes and the salt, 32 bytes long; the
//! first 69 bytes are the associated data, so nothing of the header can be changed either. The first byte is no text and
//! the sixteenth is a line feed, so that a copy in a text mode is noticed.
//!
//! The device's key is not in it: two machines never share one. The one that imports makes its own, with a higher epoch.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use chacha20poly1305::{AeadInOut, Key, KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const MAGIC: &[u8; 16] = b"\x89torchat export\n";
const FORMAT: u8 = 1;
const SALT: usize = 16;
const NONCE: usize = 24;
const TAG: usize = 16;
const HEADER: usize = MAGIC.len() + 1 + 3 * 4 + SALT + NONCE;
const PLAIN: usize = 32 + 4;
/// Bytes of a file.
pub(crate) const LEN: usize = HEADER + PLAIN + TAG;

/// The most memory that a file may ask for, in KiB: 256 MiB, four times what we write.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
/// The most work that a file may ask for, in KiB times passes: some five times what we write, seconds at the worst.
const MAX_WORK: u64 = 1024 * 1024;
/// More lanes than any machine uses for this.
const MAX_LANES: u32 = 64;

/// What moves to another machine.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Carried {
    /// The ed25519 seed of the onion address.
    pub(crate) onion: [u8; 32],
    /// The epoch of the copy that it comes from.
    pub(crate) epoch: u32,
}

impl std::fmt::Debug for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Carried(..)")
    }
}

/// Why a file is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    /// Another file.
    #[error("it does not begin like an exported identity: it is a different file")]
    Magic,
    /// From the future.
    #[error("it has format {0}, but this torchatd knows only format {FORMAT}: use a later torchatd")]
    Format(u8),
    /// Not all of it is there.
    #[error("it is cut off: {0} of its {LEN} bytes are there")]
    Short(usize),
    /// More than it.
    #[error("it is damaged: it has more than the {LEN} bytes of an exported identity")]
    Long,
    /// Nothing that we write.
    #[error(
        "its Argon2id parameters ({0}) are out of bounds: it is damaged, or made to use up the memory of this machine"
    )]
    Cost(Cost),
    /// The tag does not fit.
    #[error("the passphrase is wrong or the file is damaged; torchatd cannot tell which")]
    Sealed,
    /// The memory for Argon2id is not there.
    #[error("there is not enough memory for Argon2id, which needs {0} KiB")]
    Memory(u32),
}

/// How expensive a guess of the passphrase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// For new files: the second choice of RFC 9106 section 4, for machines with little memory.
pub(crate) const COST: Cost = Cost { memory_kib: 64 * 1024, passes: 3, lanes: 4 };

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} KiB, {} passes, {} lanes", self.memory_kib, self.passes, self.lanes)
    }
}

impl Cost {
    /// The parameters, if they are sane: they come from a file that anybody may have written.
    fn params(self) -> Result<Params, SealError> {
        let work = u64::from(self.memory_kib) * u64::from(self.passes);
        if self.memory_kib > MAX_MEMORY_KIB || work > MAX_WORK || self.lanes > MAX_LANES {
            return Err(SealError::Cost(self));
        }
        Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(|_| SealError::Cost(self))
    }

    fn key(self, passphrase: &[u8], salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, SealError> {
        let params = self.params()?;
        let blocks = params.block_count();
        // Our own memory: the crate's is given back with the key's ancestors in it.
        let mut memory = Zeroizing::new(Vec::new());
        memory.try_reserve_exact(blocks).map_err(|_| SealError::Memory(self.memory_kib))?;
        memory.resize(blocks, Block::new());
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(passphrase, salt, &mut *key, memory.as_mut_slice())
            .map_err(|_| SealError::Cost(self))?;
        Ok(key)
    }
}

/// Random bytes that a file needs: a salt and a nonce that no other file has.
pub(crate) const FRESH: usize = SALT + NONCE;

/// Encrypts.
///
/// # Errors
/// If `cost` is out of bounds or its memory is not there.
pub(crate) fn seal(
    carried: &Carried,
    passphrase: &[u8],
    cost: Cost,
    fresh: &[u8; FRESH],
) -> Result<Vec<u8>, SealError> {
    let mut file = Vec::with_capacity(LEN);
    file.extend(MAGIC);
    file.push(FORMAT);
    for number in [cost.memory_kib, cost.passes, cost.lanes] {
        file.extend(number.to_be_bytes());
    }
    file.extend(fresh);
    let sealed = Sealed { header: &file, cost, body: &[] };
    // With room for the tag: a buffer that grows leaves the seed in freed memory.
    let mut body = Zeroizing::new(Vec::with_capacity(PLAIN + TAG));
    body.extend(carried.onion);
    body.extend(carried.epoch.to_be_bytes());
    sealed
        .cipher(passphrase)?
        .encrypt_in_place(&sealed.nonce(), sealed.header, &mut *body)
        .map_err(|_| SealError::Sealed)?;
    file.extend(body.iter());
    Ok(file)
}

/// A file that has the form of one. What it holds is not proven yet.
#[derive(Debug)]
pub(crate) struct Sealed<'a> {
    header: &'a [u8],
    cost: Cost,
    body: &'a [u8],
}

impl<'a> Sealed<'a> {
    /// Checks everything that needs no passphrase.
    ///
    /// # Errors
    /// See [`SealError`].
    pub(crate) fn parse(file: &'a [u8]) -> Result<Self, SealError> {
        let begin = file.get(..MAGIC.len()).unwrap_or(file);
        if !MAGIC.starts_with(begin) {
            return Err(SealError::Magic);
        }
        match file.get(MAGIC.len()) {
            None | Some(&FORMAT) => {}
            Some(0) => return Err(SealError::Magic),
            // Before the length, which is the other format's own.
            Some(&format) => return Err(SealError::Format(format)),
        }
        if file.len() > LEN {
            return Err(SealError::Long);
        }
        let short = SealError::Short(file.len());
        let (header, body) = file.split_at_checked(HEADER).ok_or_else(|| short.clone())?;
        if body.len() < PLAIN + TAG {
            return Err(short);
        }
        let number = |at: usize| {
            let bytes = header.get(at..).and_then(|rest| rest.first_chunk());
            bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes))
        };
        let at = MAGIC.len() + 1;
        let cost = Cost { memory_kib: number(at), passes: number(at + 4), lanes: number(at + 8) };
        cost.params()?;
        Ok(Self { header, cost, body })
    }

    /// Decrypts. It takes a moment and, for our own files, 64 MiB.
    ///
    /// # Errors
    /// [`SealError::Sealed`] if the passphrase does not fit.
    pub(crate) fn open(&self, passphrase: &[u8]) -> Result<Carried, SealError> {
        let mut body = Zeroizing::new(self.body.to_vec());
        self.cipher(passphrase)?
            .decrypt_in_place(&self.nonce(), self.header, &mut *body)
            .map_err(|_| SealError::Sealed)?;
        let (onion, epoch) = body.split_first_chunk().ok_or(SealError::Sealed)?;
        let epoch = epoch.try_into().map_err(|_| SealError::Sealed)?;
        Ok(Carried { onion: *onion, epoch: u32::from_be_bytes(epoch) })
    }

    fn cipher(&self, passphrase: &[u8]) -> Result<XChaCha20Poly1305, SealError> {
        let salt = self.header.get(HEADER - NONCE - SALT..HEADER - NONCE).ok_or(SealError::Sealed)?;
        let mut key = Key::from(*self.cost.key(passphrase, salt)?);
        let cipher = XChaCha20Poly1305::new(&key);
        key.zeroize();
        Ok(cipher)
    }

    fn nonce(&self) -> XNonce {
        XNonce::from(*self.header.last_chunk::<NONCE>().unwrap_or(&[0; NONCE]))
    }
}

#[cfg(test)]
mod tests;
