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

impl LocalIdentity {
    /// The identity of two seeds of 32 random bytes each, with a certificate made now.
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
        identity.cert = identity.signed(now_s, &verifying);
        Ok(identity)
    }

    fn signed(&self, now_s: u64, verifying: &VerifyingKey) -> DeviceCert {
        let mut cert = unsigned(&self.peer, &self.device, now_s);
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
            identity.cert = self.signed(now_s, &verifying);
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
        epoch: 1,
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
