//! Tokens: how a program proves that it may, and the daemon that it is the daemon, without either showing the secret.
//!
//! The construction is that of SCRAM (RFC 5802, section 3) with HMAC-SHA-256. A token's secret is 32 random bytes, so no
//! salt and no slow hash is needed: there is nothing to guess.
//!
//! ```text
//! client_key = HMAC(secret, "torchat/1 client key")     stored_key = SHA-256(client_key)
//! server_key = HMAC(secret, "torchat/1 server key")
//! message    = "torchat/1 token", name, client nonce, server nonce, address; each behind its length, 4 bytes big-endian
//! the client's proof = client_key XOR HMAC(stored_key, message)
//! the daemon's proof = HMAC(server_key, message)
//! ```
//!
//! The daemon keeps `stored_key` and `server_key` only ([`Verifier`]). A thief of them cannot log in: that takes
//! `client_key`, of which `stored_key` is the hash. (With both the table and a recorded proof it could be computed, and
//! the table is enough to pass as the daemon: as in SCRAM.) The address in the message is the one that each side believes
//! to talk over, so a program that squats on another port cannot pass a proof on to the daemon.
//!
//! Random bytes are arguments: nothing here draws any.

use core::net::SocketAddr; // An address; core has no sockets.
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// What a token's text begins with.
const SCHEME: &str = "torchat-token:";
/// Longest name of a token, in bytes.
pub const NAME_BYTES: usize = 64;
/// Least bytes of a client's nonce.
pub const CLIENT_NONCE_MIN: usize = 18;
/// Most bytes of a client's nonce.
pub const CLIENT_NONCE_MAX: usize = 64;
/// Bytes of the daemon's nonce.
pub const SERVER_NONCE: usize = 32;
/// A SHA-256 block: HMAC's own key size.
const BLOCK: usize = 64;

/// Why a text is no token, no nonce or no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not look like a token.
    #[error("a token looks like torchat-token:NAME:SECRET")]
    Form,
    /// A name must be something else.
    #[error("a token's name has 1 to 64 letters, digits, dots, underscores and hyphens")]
    Name,
    /// The secret is not 32 bytes in base32.
    #[error("the token's secret is damaged: it has 52 characters, lower case letters and the digits 2 to 7")]
    Secret,
    /// The nonce is too short, too long, or no base64url.
    #[error("a nonce is {CLIENT_NONCE_MIN} to {CLIENT_NONCE_MAX} random bytes in base64url without padding")]
    Nonce,
    /// The proof is not 32 bytes in base64url.
    #[error("a proof is 32 bytes in base64url without padding")]
    Proof,
}

/// Whether a text can be a token's name.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// A token with its secret: what `TOKEN create` shows once and a program keeps. `Debug` does not show the secret, and the
/// memory is cleared.
#[derive(Clone, ZeroizeOnDrop)]
// A comparison that stops at the first difference has no place outside the tests.
#[cfg_attr(test, derive(PartialEq, Eq))]
pub struct Token {
    #[zeroize(skip)]
    name: String,
    secret: [u8; 32],
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:?}, ..)", self.name)
    }
}

impl Token {
    /// A token of 32 random bytes.
    ///
    /// # Errors
    /// [`TokenError::Name`].
    pub fn new(name: &str, secret: [u8; 32]) -> Result<Self, TokenError> {
        if !is_name(name) {
            return Err(TokenError::Name);
        }
        Ok(Self { name: name.to_owned(), secret })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `torchat-token:NAME:SECRET`. A program that reads it may do what the token may. There is no `Display`, which would show it
    /// where nobody thinks of it.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut secret = BASE32_NOPAD.encode(&self.secret);
        secret.make_ascii_lowercase();
        let secret = Zeroizing::new(secret);
        Zeroizing::new(format!("{SCHEME}{}:{}", self.name, *secret))
    }

    /// What the daemon keeps.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        Verifier {
            stored_key: Sha256::digest(*self.client_key()).into(),
            server_key: mac(&self.secret, b"torchat/1 server key"),
        }
    }

    /// Proves to the daemon that the program has the token.
    #[must_use]
    pub fn client_proof(&self, exchange: &Exchange<'_>) -> Proof {
        let mut proof = mac(&self.verifier().stored_key, &exchange.message(&self.name));
        proof.iter_mut().zip(self.client_key().iter()).for_each(|(byte, key)| *byte ^= key);
        Proof(proof)
    }

    /// Whether the side that answered AUTH knows the token too. If not, believe nothing that it says.
    #[must_use]
    pub fn accepts(&self, exchange: &Exchange<'_>, server: &Proof) -> bool {
        mac(&self.verifier().server_key, &exchange.message(&self.name)).ct_eq(&server.0).into()
    }

    fn client_key(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(mac(&self.secret, b"torchat/1 client key"))
    }
}

impl FromStr for Token {
    type Err = TokenError;

    /// Reads a token's text, which has one spelling only.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let (name, secret) = text.strip_prefix(SCHEME).and_then(|rest| rest.split_once(':')).ok_or(TokenError::Form)?;
        if secret.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(TokenError::Secret);
        }
        let upper = Zeroizing::new(secret.to_ascii_uppercase());
        let raw = Zeroizing::new(BASE32_NOPAD.decode(upper.as_bytes()).map_err(|_| TokenError::Secret)?);
        Self::new(name, raw.as_slice().try_into().map_err(|_| TokenError::Secret)?)
    }
}

/// What one login is about, seen from one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange<'a> {
    /// HELLO's `nonce`, as it was sent.
    pub client_nonce: &'a str,
    /// The `nonce` of HELLO's answer, as it was sent.
    pub server_nonce: &'a str,
    /// The address that this side believes to talk over.
    pub address: &'a str,
}

/// The address of a connection on the Unix socket.
pub const UNIX: &str = "unix";

/// The address of a TCP connection: what the client has dialled, and where the daemon's socket is.
#[must_use]
pub fn tcp_address(address: SocketAddr) -> String {
    address.to_string()
}

impl Exchange<'_> {
    /// What both sides prove to speak of. Lengths, so that no two exchanges have the same bytes.
    fn message(&self, name: &str) -> Vec<u8> {
        let mut message = Vec::with_capacity(256);
        for part in ["torchat/1 token", name, self.client_nonce, self.server_nonce, self.address] {
            message.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            message.extend(part.as_bytes());
        }
        message
    }
}

/// What the daemon keeps of a token: enough to check a proof, too little to make one.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
#[cfg_attr(test, derive(PartialEq, Eq))]
pub struct Verifier {
    /// The hash of what a client's proof hides.
    pub stored_key: [u8; 32],
    /// The key of the daemon's proof.
    pub server_key: [u8; 32],
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(..)")
    }
}

impl Verifier {
    /// A verifier that no token has, for a name that does not exist: so it takes the same time to refuse a login under
    /// it, and the daemon's answers are the same. `secret` is random and never leaves the daemon.
    #[must_use]
    pub fn of_nobody(secret: &[u8; 32], name: &str) -> Self {
        let key = |label: &str| mac(secret, format!("{label} {name}").as_bytes());
        Self { stored_key: key("stored"), server_key: key("server") }
    }

    /// Checks a client's proof, in a time that does not depend on where it is wrong. Returns the daemon's own proof;
    /// `None`: refused.
    #[must_use]
    pub fn check(&self, name: &str, exchange: &Exchange<'_>, client: &Proof) -> Option<Proof> {
        let message = exchange.message(name);
        let mut key = Zeroizing::new(mac(&self.stored_key, &message));
        key.iter_mut().zip(&client.0).for_each(|(byte, proof)| *byte ^= proof);
        let hash: [u8; 32] = Sha256::digest(*key).into();
        let server = Proof(mac(&self.server_key, &message));
        bool::from(hash.ct_eq(&self.stored_key)).then_some(server)
    }
}

/// A proof of either side. Worth nothing for any other exchange.
#[derive(Clone, Copy)]
pub struct Proof(pub [u8; 32]);

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(..)")
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl FromStr for Proof {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let raw = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| TokenError::Proof)?;
        raw.try_into().map(Self).map_err(|_| TokenError::Proof)
    }
}

/// The text of a nonce.
#[must_use]
pub fn nonce(random: &[u8]) -> String {
    BASE64URL_NOPAD.encode(random)
}

/// Checks a client's nonce. Its text is what counts, so it has one spelling.
///
/// # Errors
/// [`TokenError::Nonce`].
pub fn check_client_nonce(text: &str) -> Result<(), TokenError> {
    let raw = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| TokenError::Nonce)?;
    if (CLIENT_NONCE_MIN..=CLIENT_NONCE_MAX).contains(&raw.len()) { Ok(()) } else { Err(TokenError::Nonce) }
}

fn mac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    // RFC 2104: a key shorter than the block is used with zeros behind it. So there is no length that could be wrong.
    let mut block = Zeroizing::new([0; BLOCK]);
    block.iter_mut().zip(key).for_each(|(byte, key)| *byte = *key);
    let mut mac = <Hmac<Sha256> as hmac::Mac>::new((&*block).into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;
