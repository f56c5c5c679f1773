//! What a peer must show to be believed: a key that is one, and a certificate for it.

use super::{Handshake, HandshakeError};
use curve25519_dalek::MontgomeryPoint;
use ed25519_dalek::{Signature, VerifyingKey};
use snow::HandshakeState;
use torchat_protocol::cert::{self, DeviceCert};
use torchat_protocol::id::PeerId;

impl Handshake {
    /// Checks that the peer's certificate is for the key that it just used, and signed by a well-formed onion key.
    ///
    /// The costly checks come last: a stranger's certificate that is stolen or old costs us no signature check. All of
    /// them must hold, and whichever fails the peer sees the same close, so their order is no part of the protocol.
    pub(super) fn check_cert(
        &self,
        noise: &HandshakeState,
        payload: &[u8],
        now_s: u64,
    ) -> Result<(PeerId, DeviceCert), HandshakeError> {
        let cert = payload.get(..cert::LEN).and_then(DeviceCert::decode);
        let cert = cert.ok_or(HandshakeError::Certificate("it has the wrong length"))?;
        let key = noise.get_remote_static().ok_or(HandshakeError::Noise)?;
        check_key(Some(key))?;
        if key != cert.device {
            return Err(HandshakeError::Certificate("it is for another device"));
        }
        if !cert.is_current(now_s) {
            return Err(HandshakeError::Certificate("it is not valid at this time (is a clock wrong?)"));
        }
        if !cert.is_sound() {
            return Err(HandshakeError::Certificate(
                "it is valid for longer than a certificate may be, or has no epoch",
            ));
        }
        let peer = PeerId::from_key(cert.identity)
            .map_err(|_| HandshakeError::Certificate("its identity is not an onion key"))?;
        if peer == self.identity {
            return Err(HandshakeError::OwnIdentity);
        }
        VerifyingKey::from_bytes(&cert.identity)
            .and_then(|key| key.verify_strict(&cert.to_be_signed(), &Signature::from_bytes(&cert.signature)))
            .map_err(|_| HandshakeError::Certificate("its signature is wrong"))?;
        Ok((peer, cert))
    }
}

/// snow 0.10 accepts X25519 points of small order. With one as a static key, anybody who saw the certificate could
/// speak as its owner; so a point whose multiple by a clamped scalar is zero is refused.
///
/// It takes every spelling of a point, too: with the top bit set, or with p added. Then two static keys of other bytes would be
/// one key, and "is for another device" would mean one thing here and another thing in a program that compares points. So
/// only the canonical spelling is taken, as of identities; every honest program says it, because X25519 yields no other.
pub(super) fn check_key(point: Option<&[u8]>) -> Result<(), HandshakeError> {
    let point: [u8; 32] = point.and_then(|p| p.try_into().ok()).ok_or(HandshakeError::Length)?;
    if MontgomeryPoint(point).mul_clamped([0x42; 32]).to_bytes() == [0; 32] {
        return Err(HandshakeError::SmallOrder);
    }
    // Little endian: p = 2^255 - 19 is 0xed, thirty times 0xff, 0x7f.
    let [low, middle @ .., high] = point;
    if high > 0x7f || (high == 0x7f && low >= 0xed && middle == [0xff; 30]) {
        return Err(HandshakeError::KeySpelling);
    }
    Ok(())
}
