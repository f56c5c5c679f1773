//! snow's primitives, with our entropy: time and entropy are arguments of the core.

use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};

/// snow's own primitives, with our entropy for the one ephemeral key.
pub(super) struct Fixed(pub(super) zeroize::Zeroizing<[u8; 32]>);

impl CryptoResolver for Fixed {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Once(Some(self.0.clone()))))
    }
    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }
    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }
    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

/// Gives its bytes once and then fails: a repeated ephemeral key would give away the whole handshake.
struct Once(Option<zeroize::Zeroizing<[u8; 32]>>);

impl Random for Once {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        let bytes = self.0.take().ok_or(snow::Error::Rng)?;
        if dest.len() != bytes.len() {
            return Err(snow::Error::Rng);
        }
        dest.copy_from_slice(&*bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_used_once() {
        let mut once = Once(Some(zeroize::Zeroizing::new([5; 32])));
        let mut out = [0; 32];
        assert!(once.try_fill_bytes(&mut out).is_ok());
        assert_eq!(out, [5; 32]);
        assert!(once.try_fill_bytes(&mut out).is_err(), "a second key would be the first one again");
        assert!(Once(Some(zeroize::Zeroizing::new([5; 32]))).try_fill_bytes(&mut [0; 33]).is_err());
    }
}
