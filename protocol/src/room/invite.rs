//! Invites of rooms: `torchat-room:ROOM?d=DOOR[,DOOR[,DOOR]][&i=<48 hexadecimal digits>]`.
//!
//! The doors are daemons that take a JOIN: the owner's and hosts'. The digits are the invite's id and a secret. Who shows
//! that it knows the secret is let in by the owner, as often as the invite is good for; the secret itself is never said, so a
//! door can use nothing of a JOIN that passes through it.

use super::id::{BoxKey, Identity, InviteId, MemberKey, RoomId};
use super::limits::DOORS;
use crate::id::{InviteSecret, ONION_CHARS, OnionError, PeerId, hex_id, parse_onion};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const SCHEME: &str = "torchat-room:";
const DOOR: &str = "?d=";
const PASS: &str = "&i=";
/// A SHA-256 block: HMAC's own key size.
const BLOCK: usize = 64;
/// Characters of an invite's id.
const ID_CHARS: usize = 16;

/// The way to a room, and perhaps the right to become a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomInvite {
    /// The room.
    pub room: RoomId,
    doors: Vec<PeerId>,
    /// What lets its reader in. `None`: the owner decides about the wish.
    pub pass: Option<Pass>,
}

/// What lets somebody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// Names it at the owner.
    pub id: InviteId,
    /// What is proven.
    pub secret: InviteSecret,
}

/// Why a text is no invite of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RoomInviteError {
    /// It does not begin with `torchat-room:`, or a part is missing.
    #[error("an invite to a room looks like torchat-room:ROOM?d=DOOR&i=SECRET")]
    Form,
    /// The room or a door is not one.
    #[error(transparent)]
    Onion(#[from] OnionError),
    /// Too many doors, or one twice.
    #[error("an invite to a room names 1 to {DOORS} different doors")]
    Doors,
    /// The digits are damaged.
    #[error("the invite's secret is damaged: 48 hexadecimal digits in lower case are expected")]
    Pass,
}

impl RoomInvite {
    /// An invite. `None` unless it has 1 to [`DOORS`] doors, each once.
    #[must_use]
    pub fn new(room: RoomId, doors: Vec<PeerId>, pass: Option<Pass>) -> Option<Self> {
        let twice = doors.iter().enumerate().any(|(n, door)| doors.iter().take(n).any(|before| before == door));
        ((1..=DOORS).contains(&doors.len()) && !twice).then_some(Self { room, doors, pass })
    }

    /// The daemons that take a JOIN, in the order in which they are to be tried.
    #[must_use]
    pub fn doors(&self) -> &[PeerId] {
        &self.doors
    }

    /// Whether a text means to be an invite of a room.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(SCHEME)
    }
}

impl FromStr for RoomInvite {
    type Err = RoomInviteError;

    /// Reads an invite. One spelling only: what is shown to people must not have a second form.
    fn from_str(text: &str) -> Result<Self, RoomInviteError> {
        let rest = text.strip_prefix(SCHEME).ok_or(RoomInviteError::Form)?;
        let (room, rest) = rest.split_once(DOOR).ok_or(RoomInviteError::Form)?;
        let (doors, pass) = match rest.split_once(PASS) {
            Some((doors, digits)) => (doors, Some(digits.parse()?)),
            None => (rest, None),
        };
        // One more than there may be is enough to see that there are too many.
        let doors = doors.split(',').take(DOORS + 1).map(bare_onion).collect::<Result<_, _>>()?;
        // A room's id has the shape of an identity, and the text the same checksum.
        let room = RoomId(*bare_onion(room)?.as_bytes());
        Self::new(room, doors, pass).ok_or(RoomInviteError::Doors)
    }
}

fn bare_onion(text: &str) -> Result<PeerId, RoomInviteError> {
    if text.len() != ONION_CHARS {
        return Err(OnionError::Length.into());
    }
    Ok(parse_onion(text)?)
}

impl FromStr for Pass {
    type Err = RoomInviteError;

    fn from_str(digits: &str) -> Result<Self, RoomInviteError> {
        let (id, secret) = digits.split_at_checked(ID_CHARS).ok_or(RoomInviteError::Pass)?;
        let broken = |_| RoomInviteError::Pass;
        Ok(Self { id: id.parse().map_err(broken)?, secret: secret.parse().map_err(broken)? })
    }
}

impl fmt::Display for RoomInvite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let room = self.room.conversation().onion();
        write!(f, "{SCHEME}{}", room.trim_end_matches(".onion"))?;
        for (n, door) in self.doors.iter().enumerate() {
            write!(f, "{}{}", if n == 0 { DOOR } else { "," }, door.onion().trim_end_matches(".onion"))?;
        }
        match &self.pass {
            Some(pass) => write!(f, "{PASS}{}{}", pass.id, pass.secret),
            None => Ok(()),
        }
    }
}

hex_id! {
    /// The proof in a JOIN that its speaker knows an invite's secret.
    Proof, 32
}

/// What the owner keeps of an invite's secret: `k = SHA-256("torchatd/1 room invite\0" || room || secret)`. Erased when it is
/// dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct InviteKey([u8; 32]);

impl fmt::Debug for InviteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteKey(..)")
    }
}

impl InviteKey {
    /// The key of a secret.
    #[must_use]
    pub fn new(room: RoomId, secret: InviteSecret) -> Self {
        let hash = Sha256::new().chain_update(b"torchatd/1 room invite\0").chain_update(room.0);
        Self(hash.chain_update(secret.0).finalize().into())
    }

    /// A key that was kept.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be kept.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The proof for a JOIN: `HMAC-SHA-256(k, "torchatd/1 room join\0" || room || identity || sign || box)`. It binds the
    /// identity of whoever joins and the keys, so that nobody else can use it.
    #[must_use]
    pub fn proof(&self, room: RoomId, identity: Identity, sign: MemberKey, sealing: BoxKey) -> Proof {
        Proof(self.mac(room, identity, sign, sealing).finalize().into_bytes().into())
    }

    /// Whether a proof is right. Takes the same time whatever is wrong with it.
    #[must_use]
    pub fn proves(&self, proof: &Proof, room: RoomId, identity: Identity, sign: MemberKey, sealing: BoxKey) -> bool {
        self.mac(room, identity, sign, sealing).verify_slice(&proof.0).is_ok()
    }

    fn mac(&self, room: RoomId, identity: Identity, sign: MemberKey, sealing: BoxKey) -> Hmac<Sha256> {
        let mut block = Zeroizing::new([0; BLOCK]);
        block.iter_mut().zip(self.0).for_each(|(to, byte)| *to = byte);
        let mut mac = <Hmac<Sha256> as hmac::Mac>::new((&*block).into());
        for part in [&b"torchatd/1 room join\0"[..], &room.0, &identity.0, &sign.0, &sealing.0] {
            mac.update(part);
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::id::parse_onion;

    const ROOM: &str = "52sfije2rhkqqibiuxx2dj5olxew2ajppimi4o5bnxe6axygijwrooid";
    const DOORS: [&str; 3] = [
        "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd",
        "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid",
        ROOM,
    ];
    const DIGITS: &str = "08090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f";

    #[test]
    fn an_invite_of_a_room_has_one_spelling() {
        for doors in 1..=3 {
            let bare = format!("torchat-room:{ROOM}?d={}", DOORS[..doors].join(","));
            for text in [bare.clone(), format!("{bare}&i={DIGITS}")] {
                let invite: RoomInvite = text.parse().unwrap();
                assert_eq!(invite.to_string(), text);
                assert_eq!(invite.doors(), DOORS[..doors].iter().map(|d| parse_onion(d).unwrap()).collect::<Vec<_>>());
                assert_eq!(invite.pass.is_some(), text.contains("&i="));
                for (at, _) in text.char_indices().skip(1) {
                    // What is left of the list of doors may be an invite with fewer of them.
                    let cut = &text[..at];
                    assert!(
                        cut.parse::<RoomInvite>().is_err() || DOORS[..doors].iter().any(|d| cut.ends_with(d)),
                        "{cut}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_proof_is_good_for_one_identity_and_its_keys() {
        let room = RoomId([1; 32]);
        let key = InviteKey::new(room, InviteSecret([2; 16]));
        let (identity, sign, sealing) = (Identity([3; 32]), MemberKey([4; 32]), BoxKey([5; 32]));
        let proof = key.proof(room, identity, sign, sealing);
        assert!(InviteKey::from_bytes(*key.as_bytes()).proves(&proof, room, identity, sign, sealing));
        assert!(!key.proves(&proof, RoomId([9; 32]), identity, sign, sealing));
        assert!(!key.proves(&proof, room, Identity([9; 32]), sign, sealing));
        assert!(!key.proves(&proof, room, identity, MemberKey([9; 32]), sealing));
        assert!(!key.proves(&proof, room, identity, sign, BoxKey([9; 32])));
        assert!(!InviteKey::new(room, InviteSecret([9; 16])).proves(&proof, room, identity, sign, sealing));
        assert!(!InviteKey::new(RoomId([9; 32]), InviteSecret([2; 16])).proves(&proof, room, identity, sign, sealing));
        for at in 0..proof.0.len() {
            let mut changed = proof;
            changed.0[at] ^= 1;
            assert!(!key.proves(&changed, room, identity, sign, sealing), "{at}");
        }
        assert_eq!(format!("{key:?}"), "InviteKey(..)", "no key in a log");
    }
}
