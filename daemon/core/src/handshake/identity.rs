//! Our own keys and the certificate that ties them together.

use curve25519_dalek::montgomery::MontgomeryPoint;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use ed25519_dalek::{SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha512};
use torchat_protocol::cert::{self, DeviceCert};
use torchat_protocol::id::PeerId;
use zeroize::Zeroizing;

/// The onion's key, the device's key, and the certificate that lets the device speak for the onion.
pub struct LocalIdentity {
    onion: Zeroizing<[u8; 64]>,
    device: Zeroizing<[u8; 32]>,
    peer: PeerId,
    cert: DeviceCert,
}

/// The certificate's start is rounded down to this: its exact time would tell when the daemon was started.
const START_STEP_S: u64 = 86_400;
/// The epoch of a device's key that was never replaced. Every certificate before there were imports has it.
const FIRST_EPOCH: u32 = 1;

impl LocalIdentity {
    /// The identity of two seeds of 32 random bytes each, with a certificate made now and the epoch of a first device;
    /// [`LocalIdentity::with_epoch`] sets another one.
    ///
    /// # Errors
    /// When the seed's public key is not a valid identity, which no honest seed yields.
    pub fn from_seeds(
        onion_seed: &[u8; 32],
        device_secret: &[u8; 32],
        now_s: u64,
    ) -> Result<Self, torchat_protocol::id::OnionError> {
        // RFC 8032 5.1.5: the seed's hash is the scalar and the prefix. Tor stores and uses this expanded form.
        let onion: Zeroizing<[u8; 64]> = Zeroizing::new(Sha512::digest(onion_seed).into());
        let verifying = SigningKey::from_bytes(onion_seed).verifying_key();
        let peer = PeerId::from_key(verifying.to_bytes())?;
        let mut identity =
            Self { cert: unsigned(&peer, device_secret, now_s), onion, device: Zeroizing::new(*device_secret), peer };
        identity.cert = identity.signed(now_s, FIRST_EPOCH, &verifying);
        Ok(identity)
    }

    /// The same identity, whose certificates say this epoch. It rises with every new key of the device, and peers that
    /// have seen a higher one know an older copy by it. 0 means that the key was never replaced, as the default does.
    #[must_use]
    pub fn with_epoch(mut self, epoch: u32) -> Self {
        if let Ok(verifying) = VerifyingKey::from_bytes(self.peer.as_bytes()) {
            self.cert = self.signed(self.cert.not_before, epoch.max(FIRST_EPOCH), &verifying);
        }
        self
    }

    fn signed(&self, now_s: u64, epoch: u32, verifying: &VerifyingKey) -> DeviceCert {
        let mut cert = DeviceCert { epoch, ..unsigned(&self.peer, &self.device, now_s) };
        let key = ExpandedSecretKey::from_bytes(&self.onion);
        // The public key is the secret key's own: a mismatched pair would leak the secret.
        cert.signature = raw_sign::<Sha512>(&key, &cert.to_be_signed(), verifying).to_bytes();
        cert
    }

    /// Who we are.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.peer
    }

    /// The certificate.
    #[must_use]
    pub fn cert(&self) -> &DeviceCert {
        &self.cert
    }

    /// Whether the certificate is so old that [`LocalIdentity::renewed`] should replace it.
    #[must_use]
    pub fn wants_renewal(&self, now_s: u64) -> bool {
        now_s >= self.cert.not_before.saturating_add(cert::RENEW_S) || now_s < self.cert.not_before
    }

    /// The same identity with a certificate made now.
    #[must_use]
    pub fn renewed(&self, now_s: u64) -> Self {
        let mut identity =
            Self { onion: self.onion.clone(), device: self.device.clone(), peer: self.peer, cert: self.cert };
        if let Ok(verifying) = VerifyingKey::from_bytes(self.peer.as_bytes()) {
            identity.cert = self.signed(now_s, self.cert.epoch, &verifying);
        }
        identity
    }

    /// The onion's expanded secret key, as Tor wants it: 32 bytes of scalar, 32 bytes of prefix.
    #[must_use]
    pub fn expanded_secret(&self) -> Zeroizing<[u8; 64]> {
        let mut bytes = self.onion.clone();
        // RFC 8032 5.1.5 clamping; raw_sign does it by itself, Tor expects it done.
        bytes[0] &= 248;
        bytes[31] = (bytes[31] & 127) | 64;
        bytes
    }

    pub(super) fn device_secret(&self) -> &[u8; 32] {
        &self.device
    }
}

fn unsigned(peer: &PeerId, device_secret: &[u8; 32], now_s: u64) -> DeviceCert {
    let not_before = now_s - now_s % START_STEP_S;
    DeviceCert {
        identity: *peer.as_bytes(),
        device: MontgomeryPoint::mul_base_clamped(*device_secret).to_bytes(),
        dev_no: 0,
        epoch: FIRST_EPOCH,
        not_before,
        not_after: not_before.saturating_add(cert::VALID_S),
        signature: [0; 64],
    }
}

/// What only an attacker in a test does.
#[cfg(test)]
impl LocalIdentity {
    pub(super) fn take_cert_of(&mut self, other: &Self) {
        self.cert = other.cert;
    }

    pub(super) fn set_cert(&mut self, cert: DeviceCert) {
        self.cert = cert;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ed25519_dalek::Signature;

    /// RFC 8032 7.1, test 1.
    const SEED: [u8; 32] = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
        0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
    ];
    const PUBLIC: [u8; 32] = [
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1,
        0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
    ];

    #[test]
    fn a_seed_gives_the_key_of_rfc_8032_and_tor_gets_the_same_one() {
        let identity = LocalIdentity::from_seeds(&SEED, &[1; 32], 1_790_000_000).unwrap();
        assert_eq!(identity.peer_id().as_bytes(), &PUBLIC);
        let expanded = identity.expanded_secret();
        assert_eq!((expanded[0] & 7, expanded[31] & 0xc0), (0, 0x40), "clamped");
        let key = ExpandedSecretKey::from_bytes(&expanded);
        let public = VerifyingKey::from(&key);
        assert_eq!(public.to_bytes(), PUBLIC, "the 64 bytes are this identity's secret");
        // The prefix is right too: the same message has the same signature as by the seed.
        let message = b"any message";
        let by_seed = ed25519_dalek::Signer::sign(&SigningKey::from_bytes(&SEED), message);
        assert_eq!(raw_sign::<Sha512>(&key, message, &public), by_seed);
    }

    #[test]
    fn a_certificate_is_signed_starts_at_midnight_and_is_renewed_in_time() {
        let now = 1_790_012_345;
        let identity = LocalIdentity::from_seeds(&SEED, &[1; 32], now).unwrap();
        let mut seen = Vec::new();
        for days in [0, 59, 60, 200] {
            let now = now + days * 86_400;
            let wants = identity.wants_renewal(now);
            assert_eq!(wants, days >= 60, "{days}");
            let current = if wants { identity.renewed(now) } else { identity.renewed(identity.cert.not_before) };
            let cert = current.cert();
            assert_eq!(cert.not_before % 86_400, 0, "the start of the daemon is nobody's business");
            assert_eq!(cert.not_after - cert.not_before, cert::VALID_S);
            assert!(cert.is_current(now), "{days}");
            let key = VerifyingKey::from_bytes(&PUBLIC).unwrap();
            assert!(key.verify_strict(&cert.to_be_signed(), &Signature::from_bytes(&cert.signature)).is_ok());
            assert_eq!(current.expanded_secret(), identity.expanded_secret());
            assert_eq!(current.device_secret(), identity.device_secret());
            seen.push(cert.not_before);
        }
        assert!(seen.is_sorted() && seen[2] < seen[3]);
        assert!(identity.wants_renewal(identity.cert.not_before - 1), "a clock that was ahead when it was made");
        // A clock that says 1970 makes no overflow.
        assert_eq!(LocalIdentity::from_seeds(&SEED, &[1; 32], 5).unwrap().cert().not_before, 0);
    }

    #[test]
    fn the_epoch_is_signed_and_outlives_a_renewal() {
        let now = 1_790_012_345;
        let first = LocalIdentity::from_seeds(&SEED, &[1; 32], now).unwrap();
        assert_eq!(first.cert().epoch, FIRST_EPOCH);
        let key = VerifyingKey::from_bytes(&PUBLIC).unwrap();
        for (epoch, shown) in [(0, 1), (1, 1), (2, 2), (1_790_012_345, 1_790_012_345), (u32::MAX, u32::MAX)] {
            let identity = LocalIdentity::from_seeds(&SEED, &[1; 32], now).unwrap().with_epoch(epoch);
            for cert in [identity.cert(), identity.renewed(now + 60 * 86_400).cert()] {
                assert_eq!(cert.epoch, shown);
                assert!(key.verify_strict(&cert.to_be_signed(), &Signature::from_bytes(&cert.signature)).is_ok());
            }
            assert_eq!(identity.cert().not_before, first.cert().not_before);
        }
        // The frozen certificate of a first device stays as it is, byte for byte.
        let unmoved = LocalIdentity::from_seeds(&SEED, &[1; 32], now).unwrap().with_epoch(0);
        assert_eq!(unmoved.cert(), first.cert());
    }
}
