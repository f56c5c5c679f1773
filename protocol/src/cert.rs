//! The device certificate: "this X25519 key speaks for this onion", signed by the onion's key.
//!
//! Fixed width, so a parser has no choices. The onion key signs so rarely (a certificate every 60 days) and only under
//! this context string that nothing of Tor's own can be confused with it: rend-spec-v3 1.9 says that `KP_hs_id` itself
//! never signs for Tor, and a Tor certificate begins with 0x01.

/// What stands before the certificate when it is signed.
pub const CONTEXT: &[u8] = b"torchatd/1 device certificate\0";
/// Bytes of an encoded certificate.
pub const LEN: usize = 149;
/// Longest time for which a certificate is valid: 90 days, in seconds. Ours are made for as long.
pub const VALID_S: u64 = 90 * 86_400;
/// A new certificate is made when the old one has this age: 60 days, in seconds.
pub const RENEW_S: u64 = 60 * 86_400;
/// How wrong the two clocks may be: one day, in seconds. Tor itself needs a better clock.
pub const CLOCK_SKEW_S: u64 = 86_400;

/// A device certificate. Nothing in it is trusted before it was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceCert {
    /// The onion's public key.
    pub identity: [u8; 32],
    /// The device's X25519 key, the static key of the Noise handshake.
    pub device: [u8; 32],
    /// The device's number, 0 for the only one.
    pub dev_no: u8,
    /// Rises when the device's key changes. The first is 1.
    pub epoch: u32,
    /// Not valid before, in seconds since 1970.
    pub not_before: u64,
    /// Not valid after, in seconds since 1970.
    pub not_after: u64,
    /// Ed25519 over [`DeviceCert::to_be_signed`].
    pub signature: [u8; 64],
}

impl DeviceCert {
    /// The bytes that the signature covers.
    #[must_use]
    pub fn to_be_signed(&self) -> Vec<u8> {
        let mut bytes = CONTEXT.to_vec();
        bytes.extend(self.identity);
        bytes.extend(self.device);
        bytes.push(self.dev_no);
        bytes.extend(self.epoch.to_be_bytes());
        bytes.extend(self.not_before.to_be_bytes());
        bytes.extend(self.not_after.to_be_bytes());
        bytes
    }

    /// The wire form, [`LEN`] bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.to_be_signed().split_off(CONTEXT.len());
        bytes.extend(self.signature);
        bytes
    }

    /// Reads the wire form. `None` unless there are exactly [`LEN`] bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LEN] = bytes.try_into().ok()?;
        let (identity, rest) = bytes.split_first_chunk::<32>()?;
        let (device, rest) = rest.split_first_chunk::<32>()?;
        let ([dev_no], rest) = rest.split_first_chunk::<1>()?;
        let (epoch, rest) = rest.split_first_chunk::<4>()?;
        let (not_before, rest) = rest.split_first_chunk::<8>()?;
        let (not_after, rest) = rest.split_first_chunk::<8>()?;
        Some(Self {
            identity: *identity,
            device: *device,
            dev_no: *dev_no,
            epoch: u32::from_be_bytes(*epoch),
            not_before: u64::from_be_bytes(*not_before),
            not_after: u64::from_be_bytes(*not_after),
            signature: rest.try_into().ok()?,
        })
    }

    /// Whether it says something that a certificate may say: it begins before it ends, is valid for [`VALID_S`] at most,
    /// and has an epoch. The times alone say nothing of now: see [`DeviceCert::is_current`].
    ///
    /// A device's key that was stolen and replaced is worth something to the thief until its last certificate ends, with those who
    /// have not met the new one; so none is believed that ends never. (To leave that to the honest makers was rejected: a
    /// limit that nobody checks is none. A thief of the onion's key makes one certificate after the other; against that
    /// there is no rule.)
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.epoch > 0 && self.not_before < self.not_after && self.not_after - self.not_before <= VALID_S
    }

    /// Whether the certificate is valid at `now_s`, within the allowed error of the clocks.
    #[must_use]
    pub fn is_current(&self, now_s: u64) -> bool {
        now_s.saturating_add(CLOCK_SKEW_S) >= self.not_before && now_s <= self.not_after.saturating_add(CLOCK_SKEW_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_is_golden_and_exact() {
        let cert = DeviceCert {
            identity: [1; 32],
            device: [2; 32],
            dev_no: 3,
            epoch: 0x0405_0607,
            not_before: 8,
            not_after: 9,
            signature: [10; 64],
        };
        let bytes = cert.encode();
        let mut expected = vec![1; 32];
        expected.extend([2; 32]);
        expected.extend([3, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9]);
        expected.extend([10; 64]);
        assert_eq!(bytes, expected);
        assert_eq!(DeviceCert::decode(&bytes), Some(cert));
        for len in 0..LEN {
            assert_eq!(DeviceCert::decode(&bytes[..len]), None, "{len}");
        }
        assert!(cert.to_be_signed().starts_with(CONTEXT));
    }

    #[test]
    fn a_certificate_is_sound_for_ninety_days_at_most() {
        let cert = |epoch, not_before, not_after| DeviceCert {
            identity: [0; 32],
            device: [0; 32],
            dev_no: 0,
            epoch,
            not_before,
            not_after,
            signature: [0; 64],
        };
        for (from, to) in [(0, 1), (0, VALID_S), (7, 7 + VALID_S), (u64::MAX - VALID_S, u64::MAX)] {
            assert!(cert(1, from, to).is_sound() && cert(u32::MAX, from, to).is_sound(), "{from} {to}");
            assert!(!cert(0, from, to).is_sound(), "{from} {to}");
        }
        for (from, to) in [(0, 0), (1, 0), (7, 7), (0, VALID_S + 1), (0, u64::MAX), (u64::MAX, 0), (u64::MAX, u64::MAX)]
        {
            assert!(!cert(1, from, to).is_sound(), "{from} {to}");
        }
    }

    #[test]
    fn clocks_may_differ_by_a_day() {
        let cert = DeviceCert {
            identity: [0; 32],
            device: [0; 32],
            dev_no: 0,
            epoch: 1,
            not_before: 1_000_000,
            not_after: 2_000_000,
            signature: [0; 64],
        };
        assert!(cert.is_current(1_000_000 - CLOCK_SKEW_S) && cert.is_current(2_000_000 + CLOCK_SKEW_S));
        assert!(!cert.is_current(999_999 - CLOCK_SKEW_S) && !cert.is_current(2_000_001 + CLOCK_SKEW_S));
    }
}
